//! A schema as it judges a merge patch (RFC 7396): an object with some of its members, to be merged
//! into one that is stored and that nobody here has seen.
//!
//! What is sent is judged like any value. Members that are missing are not asked for; `null` removes
//! a member, so a required one may not be `null`. Where a keyword judges an object as a whole
//! (`anyOf`, `not`, `const`…), its verdict hangs on the stored object: the members that it speaks of
//! may not be sent. Arrays replace, so they and what is in them are whole.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The schema for merge patches. Definitions are there twice: as they are, for what is whole, and
/// under names with this mark before them.
pub(super) fn for_merge_patches(schema: &Value) -> Value {
    let mut patch = object(schema);
    if let (Some(patch), Some(Value::Object(defs))) = (patch.as_object_mut(), schema.get("$defs")) {
        let merged = defs.iter().map(|(name, schema)| (format!("{MARK}{name}"), object(schema)));
        let both = defs.clone().into_iter().chain(merged).collect();
        patch.insert("$defs".into(), Value::Object(both));
    }
    patch
}

/// Stands before the name of a definition that judges merge patches. Names that policies give to
/// definitions have no colon.
const MARK: &str = "merge:";

/// A schema of a value that, if it is an object, is merged into one that is stored.
fn object(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else { return schema.clone() };
    let (mut kept, mut all) = (Map::new(), Vec::new());
    for (keyword, value) in keywords {
        match keyword.as_str() {
            // `then` and `else` go with `if`.
            "minProperties" | "$defs" | "then" | "else" => {}
            "required" => all.push(not_null(names(value))),
            "dependentRequired" => {
                let lists = value.as_object().into_iter().flat_map(|lists| lists.values());
                all.push(not_null(lists.flat_map(names)));
                kept.insert(keyword.clone(), value.clone());
            }
            "properties" | "patternProperties" => {
                kept.insert(keyword.clone(), members(value));
            }
            "additionalProperties" => {
                kept.insert(keyword.clone(), or_null(value));
            }
            "allOf" => all.extend(value.as_array().into_iter().flatten().map(object)),
            "$ref" => {
                kept.insert(keyword.clone(), reference(value));
            }
            "anyOf" | "oneOf" | "not" | "if" | "const" | "enum" | "dependentSchemas" => {
                all.push(untouched(keywords, keyword));
            }
            _ => {
                kept.insert(keyword.clone(), value.clone());
            }
        }
    }
    if !all.is_empty() {
        kept.insert("allOf".into(), Value::Array(all));
    }
    Value::Object(kept)
}

fn members(schemas: &Value) -> Value {
    let Value::Object(schemas) = schemas else { return schemas.clone() };
    schemas.iter().map(|(name, schema)| (name.clone(), or_null(schema))).collect()
}

/// `null` removes the member.
fn or_null(schema: &Value) -> Value {
    match schema {
        Value::Bool(_) => schema.clone(),
        _ => json!({"if": {"type": "null"}, "else": object(schema)}),
    }
}

fn not_null<'a>(names: impl IntoIterator<Item = &'a str>) -> Value {
    let refused = json!({"if": {"type": "null"}, "then": false});
    let names = names.into_iter().map(|name| (name.to_owned(), refused.clone()));
    json!({"properties": names.collect::<Map<_, _>>()})
}

pub(super) fn names(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn reference(target: &Value) -> Value {
    match target.as_str().and_then(|text| text.strip_prefix("#/$defs/")) {
        Some(name) => format!("#/$defs/{MARK}{name}").into(),
        None => target.clone(),
    }
}

/// A keyword that judges an object as a whole: of an object, the members that it speaks of may not
/// be sent; every other value is judged.
fn untouched(keywords: &Map<String, Value>, keyword: &str) -> Value {
    let own = |name: &&str| keywords.contains_key(*name);
    let parts = match keyword {
        "if" => ["if", "then", "else"].into_iter().filter(own).collect(),
        other => vec![other],
    };
    let schema: Map<String, Value> =
        parts.iter().map(|name| ((*name).to_owned(), keywords[*name].clone())).collect();
    let mut spoken = Spoken::default();
    spoken.of(&Value::Object(schema.clone()));
    let untouched = match spoken.all {
        true => json!({"maxProperties": 0}),
        false => {
            let names = spoken.names.into_iter().map(|name| (name, Value::Bool(false)));
            json!({"properties": names.collect::<Map<_, _>>()})
        }
    };
    json!({"if": {"type": "object"}, "then": untouched, "else": schema})
}

/// The members of an object on which a schema's verdict hangs.
#[derive(Default)]
pub(super) struct Spoken {
    pub names: BTreeSet<String>,
    /// It can be any.
    pub all: bool,
}

impl Spoken {
    /// Adds those of a schema.
    pub fn of(&mut self, schema: &Value) {
        let Value::Object(keywords) = schema else { return };
        for (keyword, value) in keywords {
            match keyword.as_str() {
                "required" => self.names.extend(names(value).map(str::to_owned)),
                "properties" => {
                    let names = value.as_object().into_iter().flat_map(|schemas| schemas.keys());
                    self.names.extend(names.cloned());
                }
                "dependentRequired" | "dependentSchemas" => self.dependent(value),
                "allOf" | "anyOf" | "oneOf" => {
                    value.as_array().into_iter().flatten().for_each(|schema| self.of(schema));
                }
                "not" | "if" | "then" | "else" => self.of(value),
                "additionalProperties" => self.all |= *value != Value::Bool(true),
                _ => self.all |= !WITHOUT_MEMBERS.contains(&keyword.as_str()),
            }
        }
    }

    fn dependent(&mut self, value: &Value) {
        for (name, then) in value.as_object().into_iter().flatten() {
            self.names.insert(name.clone());
            self.names.extend(names(then).map(str::to_owned));
            self.of(then);
        }
    }
}

/// Keywords whose verdict on an object hangs on none of its members. (`$ref` is not among them: what
/// it leads to may.)
const WITHOUT_MEMBERS: &[&str] = &[
    "type",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "items",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "minItems",
    "maxItems",
    "uniqueItems",
    "readOnly",
    "writeOnly",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "$comment",
];
