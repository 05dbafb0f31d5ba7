//! What the keywords of one schema say, of a value by itself and of the types that it may have.

use serde_json::Value;
use std::collections::BTreeSet;

/// What keywords say of a value by itself; what is inside of it they say elsewhere.
pub fn allows(schema: &Value, value: &Value, merges: bool) -> bool {
    let number = |word: &str| schema.get(word).and_then(Value::as_f64);
    let small = value.as_f64().is_none_or(|v| number("maximum").is_none_or(|most| v <= most));
    let length = value.as_str().map(|text| text.chars().count() as f64);
    let short = length.is_none_or(|v| number("maxLength").is_none_or(|most| v <= most));
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let has = |name: &Value| value.get(name.as_str().unwrap()).is_some();
    let whole = merges || !value.is_object() || required.clone().all(has);
    small && short && is_listed(schema, value) && whole
}

pub fn is_listed(schema: &Value, value: &Value) -> bool {
    let listed = schema.get("enum").and_then(Value::as_array);
    listed.is_none_or(|values| values.contains(value))
}

pub fn requires(schema: &Value, name: &str) -> bool {
    schema
        .get("required")
        .and_then(Value::as_array)
        .is_some_and(|all| all.iter().any(|n| n == name))
}

pub fn property<'a>(schema: &'a Value, name: &str) -> &'a Value {
    let own = schema.get("properties").and_then(|properties| properties.get(name));
    own.or(schema.get("additionalProperties")).unwrap_or(&Value::Bool(true))
}

/// `number` is here one that is no integer.
pub const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// The types that a schema names. Who describes members means an object, and who describes
/// elements an array.
pub fn types_named(schema: &Value) -> BTreeSet<&'static str> {
    let named = |name: &Value| {
        let of = |known: &&str| *known == name || (name == "number" && *known == "integer");
        TYPES.into_iter().filter(move |known| of(known)).collect::<Vec<_>>()
    };
    let has = |word: &str| schema.get(word).is_some();
    let object = has("properties") || has("additionalProperties");
    match schema.get("type") {
        Some(Value::Array(names)) => names.iter().flat_map(named).collect(),
        Some(name) => named(name).into_iter().collect(),
        None if !object && !has("items") => TYPES.into(),
        None => [("object", object), ("array", has("items"))]
            .into_iter()
            .filter_map(|(name, speaks)| speaks.then_some(name))
            .collect(),
    }
}

pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Members by name, or elements by index.
pub fn children(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        _ => Vec::new(),
    }
}
