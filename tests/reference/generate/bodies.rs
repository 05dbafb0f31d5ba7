//! Resource types, schemas, and the documents that they speak of.

use super::super::dice::Dice;
use super::super::model::{At, Schema, Type};
use super::routes::broad;
use super::{NAMES, SCHEMAS, TYPES};
use serde_json::{Map, Value, json};

pub fn types(dice: &mut Dice) -> Vec<Type> {
    let count = dice.below(4).min(2);
    TYPES.split(' ').take(count).map(|id| resource_type(dice, id)).collect()
}

fn resource_type(dice: &mut Dice, id: &str) -> Type {
    Type {
        id: id.into(),
        at: dice.some(1..3, |dice| At {
            path: broad(dice),
            pointer: dice.pick(&["", "/data/*", "/data/*", "/b"]).into(),
            entries: None,
        }),
        elsewhere: dice.maybe(30, |_| "pass".into()),
    }
}

pub fn schemas(dice: &mut Dice, types: &[Type]) -> Vec<Schema> {
    if types.is_empty() {
        return Vec::new();
    }
    let count = dice.below(5);
    let redacts = dice.pick(&[0, 0, 0, 40, 100]);
    let schema = |id: &str| Schema {
        id: id.into(),
        of: dice.pick(types).id,
        redact: dice.maybe(redacts, |_| "null".to_owned()),
        body: body(dice, 2),
    };
    SCHEMAS.split(' ').take(count).map(schema).collect()
}

/// Objects with fields that every other schema may name as well.
fn body(dice: &mut Dice, deep: u8) -> Value {
    let mut fields = Map::new();
    // So that places in the document are there more often than not.
    if dice.percent(70) {
        fields.insert("data".into(), true.into());
    }
    for name in dice.words("a b c owner", 40) {
        fields.insert(name, field(dice, deep));
    }
    let mut body =
        json!({"type": "object", "properties": fields, "additionalProperties": dice.percent(50)});
    if dice.percent(25) {
        body["required"] = json!([dice.word("a b owner")]);
    }
    body
}

fn field(dice: &mut Dice, deep: u8) -> Value {
    match dice.below(9) {
        0 => true.into(),
        1 | 2 => false.into(),
        3 => json!({"readOnly": true}),
        4 => json!({"writeOnly": true}),
        5 if deep > 0 => body(dice, deep - 1),
        6 | 7 => dice.pick(&[
            json!({"type": "integer", "maximum": 5}),
            json!({"type": ["integer", "number"], "maximum": 9}),
            json!({"type": "string", "maxLength": 0}),
            json!({"enum": ["x", "y", 7]}),
            json!({"type": "string", "enum": ["x", "z"]}),
        ]),
        _ => json!({"type": dice.word("string integer number null")}),
    }
}

/// A document that most places fit, and now and then one that few do.
pub fn document(dice: &mut Dice) -> Value {
    match dice.below(20) {
        0 => value(dice, 1),
        1 => json!([object(dice, 1), object(dice, 1)]),
        _ => {
            let mut document = object(dice, 2);
            if dice.percent(85) {
                document["data"] = dice.some(0..4, |dice| object(dice, 1)).into();
            }
            document
        }
    }
}

fn object(dice: &mut Dice, deep: u8) -> Value {
    let mut members = Map::new();
    for name in dice.words("a b c d owner", 60) {
        members.insert(name, value(dice, deep));
    }
    members.into()
}

fn value(dice: &mut Dice, deep: u8) -> Value {
    match dice.below(if deep > 0 { 9 } else { 6 }) {
        0..=2 => dice.word(NAMES).into(),
        3 => dice.below(12).into(),
        4 => dice.pick(&[json!(null), json!(true), json!(1.5), json!("")]),
        5 => json!(["x", 3]),
        _ => object(dice, deep - 1),
    }
}
