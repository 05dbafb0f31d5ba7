//! The language as JSON Schema, for editors: what `portcullis schema` prints.
//!
//! The keys come from the very [`Shape`] tables that reading a policy uses; what each holds and
//! means stands in the sibling module `meanings`. An editor's view is wider than the language where JSON Schema has no
//! words (references, ids that stand twice): `check` has the last word.

use super::kinds::{Key, Kind};
use super::meanings::{METHODS, rows};
use super::{Harmless, Shape};
use crate::policy::schema::{ANNOTATIONS, BRANCHES, FIELDS, TYPES, VALUES};
use serde_json::{Map, Value, json};

/// JSON Schema 2020-12 of a policy file as this version enforces it.
pub fn json_schema() -> Value {
    let mut definitions: Map<String, Value> =
        rows().map(|(shape, about, keys)| (name(shape), mapping(shape, about, keys))).collect();
    definitions.insert("schema_body".into(), schema_body());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Portcullis policy, version 1",
        "$ref": "#/$defs/policy",
        "$defs": definitions,
    })
}

/// What a shape's definition is called.
fn name(shape: &Shape) -> String {
    shape.what.replace('`', "").replace(' ', "_")
}

fn reference(shape: &Shape) -> Value {
    json!({"$ref": format!("#/$defs/{}", name(shape))})
}

fn mapping(shape: &Shape, about: &str, keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in shape.keys {
        let known = keys.iter().find(|row| row.name == *key);
        properties.insert((*key).into(), known.map_or(Value::Bool(true), described));
    }
    for (key, harmless) in shape.unenforced {
        let known = keys.iter().find(|row| row.name == *key);
        if let Some(value) = harmless_value(*harmless) {
            let about = known.map_or("", |row| row.about);
            properties.insert((*key).into(), with_about(value, &not_yet(about)));
        }
    }
    let required = keys.iter().filter(|row| row.required && shape.keys.contains(&row.name));
    let required: Vec<&str> = required.map(|row| row.name).collect();
    let mut schema = json!({
        "description": about,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if let Some(one) = one_of(shape) {
        schema["oneOf"] = one.iter().map(|key| json!({"required": [key]})).collect();
    }
    schema
}

/// Keys of which a mapping has exactly one.
fn one_of(shape: &Shape) -> Option<&'static [&'static str]> {
    match shape.what {
        "jwt authenticator" => Some(&["jwks", "pem", "secrets"]),
        "`jwks`" => Some(&["file", "url"]),
        "secret" => Some(&["file", "env"]),
        _ => None,
    }
}

/// What stands beside a key whose harmless value alone is accepted.
fn not_yet(about: &str) -> String {
    let colon = if about.is_empty() { "" } else { ": " };
    format!(
        "Not enforced by this version; only the value that says what holds anyhow{colon}{about}"
    )
}

/// The value of a key that is not enforced which is accepted all the same, if there is one.
fn harmless_value(harmless: Harmless) -> Option<Value> {
    match harmless {
        Harmless::Never => None,
        Harmless::False => Some(json!({"const": false})),
        Harmless::Empty => {
            Some(json!({"type": ["array", "object"], "maxItems": 0, "maxProperties": 0}))
        }
        Harmless::Word(word) => Some(json!({"const": word})),
    }
}

fn described(key: &Key) -> Value {
    with_about(value(&key.kind), key.about)
}

fn with_about(mut schema: Value, about: &str) -> Value {
    schema["description"] = about.into();
    schema
}

fn value(kind: &Kind) -> Value {
    let texts = || json!({"type": "array", "items": {"type": "string"}});
    match kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Id => json!({"type": "string", "minLength": 1}),
        Kind::Matching(pattern) => json!({"type": "string", "pattern": pattern}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Size => json!({"type": ["integer", "string"]}),
        Kind::Whole(low, high) => json!({"type": "integer", "minimum": low, "maximum": high}),
        Kind::Count => json!({"anyOf": [
            {"type": "integer", "minimum": 1, "maximum": u32::MAX},
            {"const": "many"},
        ]}),
        Kind::Version => json!({"const": 1}),
        Kind::Word(words) => json!({"enum": words}),
        Kind::Words(words) => json!({"anyOf": [
            {"enum": words},
            {"type": "array", "minItems": 1, "items": {"enum": words}},
        ]}),
        Kind::Texts => texts(),
        Kind::TextOrTexts => json!({"anyOf": [{"type": "string"}, texts()]}),
        Kind::TextOrOne(shape) => {
            let one = json!({"anyOf": [{"type": "string"}, reference(shape)]});
            json!({"anyOf": [one, {"type": "array", "items": one}]})
        }
        Kind::One(shape) => reference(shape),
        Kind::Many(shape) => json!({"type": "array", "items": reference(shape)}),
        Kind::ManyOrId(shape) => json!({
            "type": "array",
            "items": {"anyOf": [{"type": "string"}, reference(shape)]},
        }),
        Kind::Claims => json!({
            "type": "object",
            "additionalProperties": {"type": ["string", "integer", "boolean"]},
        }),
        Kind::RolesByApp => json!({"type": "object", "additionalProperties": texts()}),
        Kind::Verbs => json!({
            "type": "object",
            "propertyNames": {"enum": METHODS},
            "additionalProperties": {"type": "string", "pattern": "^[crud]$"},
        }),
        Kind::Values => values(),
        Kind::When => json!({
            "type": "object",
            "propertyNames": {"pattern": r"^((param|query|header|claims)\..+|client\.ip|time)$"},
            "additionalProperties": values(),
        }),
        Kind::Schema => json!({"$ref": "#/$defs/schema_body"}),
        Kind::Redact => json!({"enum": ["remove", "null", null]}),
    }
}

/// A value of a condition, or several.
fn values() -> Value {
    let scalar = json!({"type": ["string", "integer", "boolean"]});
    json!({"anyOf": [scalar, {"type": "array", "minItems": 1, "items": scalar}]})
}

/// A schema's body: the keywords that this version enforces, and annotations.
fn schema_body() -> Value {
    let enforced = [FIELDS, BRANCHES, VALUES].into_iter().flatten();
    let mut properties: Map<String, Value> =
        enforced.map(|keyword| ((*keyword).into(), keyword_value(keyword))).collect();
    properties.extend(ANNOTATIONS.iter().map(|name| ((*name).into(), Value::Bool(true))));
    let names_object = json!({"anyOf": [
        {"const": "object"},
        {"type": "array", "contains": {"const": "object"}},
    ]});
    json!({
        "description": "JSON Schema 2020-12: `false` hides, `readOnly` is not sent, `writeOnly` is not seen, values are checked when they are sent. `additionalProperties` must be written out",
        "type": ["boolean", "object"],
        "properties": properties,
        "additionalProperties": false,
        "if": {"anyOf": [
            {"required": ["properties"]},
            {"required": ["patternProperties"]},
            {"required": ["required"]},
            {"required": ["type"], "properties": {"type": names_object}},
        ]},
        "then": {"required": ["additionalProperties"]},
    })
}

/// What a keyword of JSON Schema holds.
fn keyword_value(keyword: &str) -> Value {
    let nested = || json!({"$ref": "#/$defs/schema_body"});
    let names = || json!({"type": "array", "items": {"type": "string"}});
    let types: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    // YAML reads an unquoted `null` as nothing.
    let one_type = json!({"anyOf": [{"enum": types}, {"type": "null"}]});
    match keyword {
        "type" => json!({"anyOf": [one_type, {"type": "array", "minItems": 1, "items": one_type}]}),
        "properties" | "patternProperties" | "$defs" | "dependentSchemas" => {
            json!({"type": "object", "additionalProperties": nested()})
        }
        "additionalProperties"
        | "items"
        | "not"
        | "if"
        | "then"
        | "else"
        | "contains"
        | "propertyNames" => nested(),
        "prefixItems" | "allOf" | "anyOf" | "oneOf" => {
            json!({"type": "array", "minItems": 1, "items": nested()})
        }
        "readOnly" | "writeOnly" | "uniqueItems" => json!({"type": "boolean"}),
        "$ref" => json!({"type": "string", "pattern": "^#/\\$defs/[A-Za-z0-9_.-]+$"}),
        "pattern" => json!({"type": "string", "format": "regex"}),
        "enum" => json!({"type": "array"}),
        "required" => names(),
        "dependentRequired" => json!({"type": "object", "additionalProperties": names()}),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
            json!({"type": "number"})
        }
        "multipleOf" => json!({"type": "number", "exclusiveMinimum": 0}),
        "const" => Value::Bool(true),
        // What is left counts: `maxLength`, `minItems` and their like.
        _ => json!({"type": "integer", "minimum": 0}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_read_is_described_and_no_other() {
        for (shape, about, keys) in rows() {
            assert!(!about.is_empty(), "{}", shape.what);
            let known = |key: &str| keys.iter().any(|row| row.name == key);
            let missing: Vec<_> = shape.keys.iter().filter(|key| !known(key)).collect();
            assert!(missing.is_empty(), "{}: no row in meanings/ for {missing:?}", shape.what);
            let part_of_language = |row: &&Key| {
                shape.keys.contains(&row.name)
                    || shape.unenforced.iter().any(|(name, _)| *name == row.name)
            };
            let stale: Vec<_> = keys.iter().filter(|row| !part_of_language(row)).collect();
            assert!(stale.is_empty(), "{}: no such keys {stale:?}", shape.what);
            assert!(keys.iter().all(|row| !row.about.is_empty()), "{}", shape.what);
        }
    }

    #[test]
    fn definitions_have_names_of_their_own_and_none_is_missing() {
        let schema = json_schema();
        let definitions = schema["$defs"].as_object().unwrap();
        assert_eq!(definitions.len(), rows().count() + 1);
        let text = schema.to_string();
        for named in text.split("#/$defs/").skip(1) {
            let name = &named[..named.find('"').unwrap()];
            assert!(definitions.contains_key(name), "{name}");
        }
        let sources = [
            include_str!("access.rs"),
            include_str!("administration.rs"),
            include_str!("condition.rs"),
            include_str!("identity.rs"),
            include_str!("keys.rs"),
            include_str!("mod.rs"),
            include_str!("mtls.rs"),
            include_str!("people.rs"),
            include_str!("remote.rs"),
            include_str!("route.rs"),
            include_str!("tell.rs"),
        ];
        let shapes: usize = sources.iter().map(|text| text.matches(": Shape =").count()).sum();
        assert_eq!(shapes, rows().count(), "each shape of a mapping is described");
    }
}
