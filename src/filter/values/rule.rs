//! One schema's values, compiled: what a written object must hold.

use super::change;
use super::decimal::Decimal;
use super::merge::for_merge_patches;
use super::partial::{IS, Is, for_changes};
use super::tree::{Exact, Tree};
use crate::filter::write::Patch;
use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::Location;
use jsonschema::{
    Draft, Keyword, PatternOptions, Retrieve, ValidationError, ValidationOptions, Validator,
};
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Bytes that one compiled regular expression may take.
const PATTERN_BYTES: usize = 1 << 20;

/// What values a schema allows, for whole objects, for merge patches and for single changes.
pub struct Rule {
    schema: Value,
    whole: Validator<Exact>,
    patch: Validator<Exact>,
    formats: bool,
    /// For single changes; made when the first one comes, since few APIs take any.
    changes: OnceLock<Option<Validator<Exact>>>,
}

/// Why a schema is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// Where in the schema, RFC 6901.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

/// The parts of an object that a rule finds at fault, by RFC 6901 pointers from the object.
pub(super) type Faults = HashMap<String, Fault>;

/// What a fault says of the parts inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Nothing: they are judged for themselves.
    Own,
    /// The verdict was about them as well.
    Whole,
}

impl Rule {
    /// Compiles a schema that uses JSON Schema 2020-12, with references to its own `$defs` alone.
    /// `formats`: whether `format` is checked, or a note.
    pub fn new(schema: &Value, formats: bool) -> Result<Rule, Vec<RuleFault>> {
        let faults = schema_faults(schema);
        if !faults.is_empty() {
            return Err(faults);
        }
        let compile = |schema: &Value| {
            options(formats).build(schema).map_err(|error| vec![RuleFault::of(&error)])
        };
        let whole = compile(schema)?;
        let patch = compile(&for_merge_patches(schema))?;
        Ok(Rule { schema: schema.clone(), whole, patch, formats, changes: OnceLock::new() })
    }

    /// Adds what is at fault in an object.
    pub(super) fn judge(&self, object: &Tree<'_>, patch: Patch, faults: &mut Faults) {
        let validator = match (object, patch) {
            (Tree::Way(_) | Tree::Unknown | Tree::Gone, _) => match self.for_changes() {
                Some(validator) => validator,
                // It cannot be judged, so it is at fault.
                None => {
                    faults.insert(String::new(), Fault::Whole);
                    return;
                }
            },
            (_, Patch::No) => &self.whole,
            (_, Patch::Merge) => &self.patch,
        };
        if validator.is_valid(object) {
            return;
        }
        for error in validator.iter_errors(object) {
            let Some(kind) = fault(&error) else { continue };
            let pointer = change::named(object, &error.instance_path().to_string());
            let known = faults.entry(pointer).or_insert(kind);
            *known = kind.max(*known);
        }
    }

    fn for_changes(&self) -> Option<&Validator<Exact>> {
        let build = || options(self.formats).build(&for_changes(&self.schema)).ok();
        self.changes.get_or_init(build).as_ref()
    }
}

/// What is wrong in a schema by the rules of JSON Schema itself, and each expression that is none:
/// compiling stops at the first.
pub fn schema_faults(schema: &Value) -> Vec<RuleFault> {
    let meta = jsonschema::draft202012::meta::validator();
    let mut faults: Vec<RuleFault> =
        meta.iter_errors(schema).map(|error| RuleFault::of(&error)).collect();
    let mut expressions = Vec::new();
    bad_patterns(schema, &Location::new(), &mut expressions);
    expressions.retain(|one| faults.iter().all(|other| other.pointer != one.pointer));
    faults.append(&mut expressions);
    faults
}

/// The values of `pattern` that are no expressions. What stands in values that are compared is no
/// schema.
fn bad_patterns(schema: &Value, at: &Location, faults: &mut Vec<RuleFault>) {
    match schema {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                bad_patterns(item, &at.join(index), faults);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let at = at.join(name.as_str());
                match (name.as_str(), value) {
                    ("const" | "enum" | "default" | "examples", _) => {}
                    ("pattern", Value::String(_)) => {
                        let alone = serde_json::json!({"pattern": value});
                        faults.extend(options(false).build(&alone).err().map(|error| RuleFault {
                            pointer: at.to_string(),
                            message: error.to_string(),
                        }));
                    }
                    _ => bad_patterns(value, &at, faults),
                }
            }
        }
        _ => {}
    }
}

impl RuleFault {
    pub(super) fn of(error: &ValidationError<'_>) -> RuleFault {
        RuleFault { pointer: error.instance_path().to_string(), message: error.to_string() }
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.schema == other.schema
    }
}

impl Eq for Rule {}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rule({})", self.schema)
    }
}

/// What an error says of the parts inside; `None` where masks have judged already.
fn fault(error: &ValidationError<'_>) -> Option<Fault> {
    Some(match error.kind() {
        ValidationErrorKind::AdditionalProperties { .. } => return None,
        // The same, where no property is named beside it.
        ValidationErrorKind::FalseSchema
            if error.schema_path().as_str().ends_with("/additionalProperties") =>
        {
            return None;
        }
        ValidationErrorKind::Custom { keyword, .. } if keyword == REQUIRED => Fault::Own,
        ValidationErrorKind::MinProperties { .. }
        | ValidationErrorKind::MaxProperties { .. }
        | ValidationErrorKind::PropertyNames { .. }
        | ValidationErrorKind::MinItems { .. }
        | ValidationErrorKind::MaxItems { .. }
        | ValidationErrorKind::UniqueItems
        | ValidationErrorKind::Contains => Fault::Own,
        _ => Fault::Whole,
    })
}

pub(super) fn options(formats: bool) -> ValidationOptions<'static, Arc<dyn Retrieve>, Exact> {
    let mut options = jsonschema::options_for::<Exact>()
        .with_draft(Draft::Draft202012)
        .offline()
        .should_validate_formats(formats)
        .should_ignore_unknown_formats(!formats)
        .with_pattern_options(
            PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES),
        );
    for (keyword, holds) in ON_NUMBERS {
        options =
            options.with_keyword(*keyword, |_: &Map<String, Value>, limit: &Value, _: Location| {
                Ok(Box::new(OnNumbers { limit: Decimal::of(&limit.to_string()), holds: *holds }))
            });
    }
    options
        .with_keyword(IS, Is::keyword)
        .with_keyword(REQUIRED, |_: &Map<String, Value>, names: &Value, _: Location| {
            let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
            Ok(Box::new(Required(names.map(str::to_owned).collect())))
        })
        .with_keyword("const", |_: &Map<String, Value>, value: &Value, _: Location| {
            Ok(Box::new(OneOf(vec![value.clone()])))
        })
        .with_keyword("enum", |_: &Map<String, Value>, values: &Value, _: Location| {
            Ok(Box::new(OneOf(values.as_array().cloned().unwrap_or_default())))
        })
}

/// The keyword whose errors are told by its name, since it is ours.
const REQUIRED: &str = "required";

/// `required`. The library joins it with `additionalProperties: false`, and then says that a member
/// is missing which is there and only not allowed: masks judge that, and another role may allow it.
struct Required(Vec<String>);

impl<'i> Keyword<'i, Exact> for Required {
    fn validate(&self, instance: &'i Tree<'i>) -> Result<(), ValidationError<'i>> {
        at_fault_unless(Keyword::<Exact>::is_valid(self, instance))
    }

    fn is_valid(&self, instance: &'i Tree<'i>) -> bool {
        let Some(members) = instance.members() else { return true };
        self.0.iter().all(|name| members.iter().any(|(key, _)| key == name))
    }
}

type Holds = fn(&Decimal, &Decimal) -> bool;

/// The keywords that compare numbers. The library's own would round what does not fit a double.
const ON_NUMBERS: &[(&str, Holds)] = &[
    ("minimum", |number, limit| number >= limit),
    ("maximum", |number, limit| number <= limit),
    ("exclusiveMinimum", |number, limit| number.cmp(limit) == Ordering::Greater),
    ("exclusiveMaximum", |number, limit| number.cmp(limit) == Ordering::Less),
    ("multipleOf", Decimal::is_multiple_of),
];

struct OnNumbers {
    limit: Decimal,
    holds: Holds,
}

impl<'i> Keyword<'i, Exact> for OnNumbers {
    fn validate(&self, instance: &'i Tree<'i>) -> Result<(), ValidationError<'i>> {
        at_fault_unless(Keyword::<Exact>::is_valid(self, instance))
    }

    fn is_valid(&self, instance: &'i Tree<'i>) -> bool {
        match instance {
            Tree::Number(text) => (self.holds)(&Decimal::of(text), &self.limit),
            _ => true,
        }
    }
}

/// `const` and `enum`, whose numbers are compared exactly.
struct OneOf(Vec<Value>);

impl<'i> Keyword<'i, Exact> for OneOf {
    fn validate(&self, instance: &'i Tree<'i>) -> Result<(), ValidationError<'i>> {
        at_fault_unless(Keyword::<Exact>::is_valid(self, instance))
    }

    fn is_valid(&self, instance: &'i Tree<'i>) -> bool {
        self.0.iter().any(|value| instance.is(value))
    }
}

pub(super) fn at_fault_unless<'i>(holds: bool) -> Result<(), ValidationError<'i>> {
    // The message is shown to nobody: clients get pointers alone.
    if holds { Ok(()) } else { Err(ValidationError::custom("not allowed")) }
}
