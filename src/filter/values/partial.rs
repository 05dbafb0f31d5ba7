//! A schema as it judges one change (RFC 6902) of an object that is stored and that nobody here has
//! seen: a way of single members and elements, and at its end a value, or nothing, or a value that is
//! not known.
//!
//! A value that is brought is judged whole. On the way only what the keywords say of single members
//! and elements counts; where one judges an object or a list as a whole, its verdict hangs on the
//! rest: what it speaks of may not be changed. What is not known may go where every value of its type
//! may, and what is required cannot be removed.

use super::merge::{Spoken, names};
use super::tree::{Exact, Tree};
use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value, json};

/// The keyword that asks for what a change puts where a schema applies.
pub(super) const IS: &str = "portcullis:is";

/// Stands before the name of a definition that judges what is on the way. Names that policies give
/// to definitions have no colon.
const MARK: &str = "way:";

/// The schema for single changes. Definitions are there twice: as they are, for what is whole, and
/// under names with a mark before them.
pub(super) fn for_changes(schema: &Value) -> Value {
    let mut root = json!({"allOf": [step(schema)]});
    if let (Some(root), Some(Value::Object(defs))) = (root.as_object_mut(), schema.get("$defs")) {
        let steps = defs.iter().map(|(name, schema)| (format!("{MARK}{name}"), way(schema)));
        root.insert("$defs".into(), Value::Object(defs.clone().into_iter().chain(steps).collect()));
    }
    root
}

/// A schema wherever a change may come by.
fn step(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else { return schema.clone() };
    let mut whole = keywords.clone();
    whole.remove("$defs");
    json!({
        "if": is("way"),
        "then": way(schema),
        "else": {
            "if": is("gone"),
            "else": {"if": is("unknown"), "then": takes_all(schema), "else": whole},
        },
    })
}

/// A schema of what is on the way.
fn way(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else { return schema.clone() };
    let mut kept = Map::new();
    let mut all = Vec::new();
    for (keyword, value) in keywords {
        match keyword.as_str() {
            "properties" | "patternProperties" => {
                kept.insert(keyword.clone(), each(value));
            }
            "additionalProperties" | "items" => {
                kept.insert(keyword.clone(), step(value));
            }
            "propertyNames" => {
                kept.insert(keyword.clone(), value.clone());
            }
            "required" => all.push(members(names(value), &refused_if("gone"))),
            "allOf" => all.extend(value.as_array().into_iter().flatten().map(way)),
            "$ref" => {
                kept.insert(keyword.clone(), reference(value));
            }
            "anyOf" | "oneOf" | "not" | "if" | "const" | "enum" | "dependentSchemas"
            | "dependentRequired" => all.push(untouched(keyword, value)),
            "prefixItems" | "contains" | "uniqueItems" => all.push(refused_if("element")),
            "minItems" | "maxItems" => all.push(refused_if("resized list")),
            "minProperties" | "maxProperties" => all.push(refused_if("resized")),
            "then" | "else" => all.push(untouched("if", value)),
            _ if OF_OTHERS.contains(&keyword.as_str()) => {}
            // Nobody has said what it does to a part.
            _ => return Value::Bool(false),
        }
    }
    if !all.is_empty() {
        kept.insert("allOf".into(), Value::Array(all));
    }
    Value::Object(kept)
}

fn each(schemas: &Value) -> Value {
    let Value::Object(schemas) = schemas else { return schemas.clone() };
    schemas.iter().map(|(name, schema)| (name.clone(), step(schema))).collect()
}

/// What a keyword that judges the whole speaks of may not be changed.
fn untouched(keyword: &str, value: &Value) -> Value {
    let mut spoken = Spoken::default();
    spoken.of(&json!({ keyword: value }));
    if spoken.all {
        return Value::Bool(false);
    }
    let members = members(spoken.names.iter().map(String::as_str), &Value::Bool(false));
    json!({"allOf": [members, refused_if("element")]})
}

fn members<'a>(names: impl Iterator<Item = &'a str>, schema: &Value) -> Value {
    let names = names.map(|name| (name.to_owned(), schema.clone()));
    json!({"properties": names.collect::<Map<_, _>>()})
}

fn refused_if(what: &str) -> Value {
    json!({"if": is(what), "then": false})
}

fn is(what: &str) -> Value {
    json!({ IS: what })
}

fn reference(target: &Value) -> Value {
    match target.as_str().and_then(|text| text.strip_prefix("#/$defs/")) {
        Some(name) => format!("#/$defs/{MARK}{name}").into(),
        None => Value::Null,
    }
}

/// Whether every value of its types is as a schema says. Masks judge types.
fn takes_all(schema: &Value) -> Value {
    fn holds(schema: &Value) -> bool {
        let Value::Object(keywords) = schema else { return *schema == Value::Bool(true) };
        keywords.iter().all(|(keyword, value)| match keyword.as_str() {
            "type" | "readOnly" | "writeOnly" | "$defs" => true,
            "properties" | "patternProperties" => {
                value.as_object().is_some_and(|schemas| schemas.values().all(holds))
            }
            "additionalProperties" | "items" => holds(value),
            other => NOTES.contains(&other),
        })
    }
    Value::Bool(holds(schema))
}

/// Keywords that say nothing of values.
const NOTES: &[&str] =
    &["title", "description", "default", "examples", "deprecated", "$comment", "$schema"];

/// Keywords that say nothing of an object or a list, or that masks judge.
const OF_OTHERS: &[&str] = &[
    "type",
    "readOnly",
    "writeOnly",
    "$defs",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minContains",
    "maxContains",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "$comment",
    "$schema",
];

/// Asks what a change puts somewhere.
pub(super) struct Is(pub String);

impl<'i> Keyword<'i, Exact> for Is {
    fn validate(&self, instance: &'i Tree<'i>) -> Result<(), ValidationError<'i>> {
        super::rule::at_fault_unless(Keyword::<Exact>::is_valid(self, instance))
    }

    fn is_valid(&self, instance: &'i Tree<'i>) -> bool {
        match (&*self.0, instance) {
            ("way", Tree::Way(_)) | ("gone", Tree::Gone) | ("unknown", Tree::Unknown) => true,
            ("element", Tree::Way(way)) => way.is_element(),
            ("resized", Tree::Way(way)) => way.sizes,
            ("resized list", Tree::Way(way)) => way.sizes && way.is_element(),
            _ => false,
        }
    }
}

impl Is {
    /// For the validator.
    pub fn keyword<'a>(
        _: &'a Map<String, Value>,
        value: &'a Value,
        _: Location,
    ) -> Result<Box<dyn for<'i> Keyword<'i, Exact>>, ValidationError<'a>> {
        Ok(Box::new(Is(value.as_str().unwrap_or_default().to_owned())))
    }
}
