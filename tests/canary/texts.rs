//! Documents as texts: all of one, in several spellings, and what is to be left of it.

use super::documents::{Fate, Part, Value};
use crate::reference::dice::Dice;

/// How a document is written.
pub struct Spelling<'d> {
    dice: Option<&'d mut Dice>,
    white: &'static [&'static str],
}

impl<'d> Spelling<'d> {
    /// Without white space, and with no escape that is not needed.
    pub fn plain() -> Spelling<'static> {
        Spelling { dice: None, white: &[""] }
    }

    /// With white space and escapes anywhere.
    pub fn dressed(dice: &'d mut Dice) -> Spelling<'d> {
        Spelling { dice: Some(dice), white: &["", "", "", " ", "\t", "\r\n", "\n  "] }
    }

    /// The same on one line.
    pub fn line(dice: &'d mut Dice) -> Spelling<'d> {
        Spelling { dice: Some(dice), white: &["", "", " ", "\t"] }
    }

    /// All of a document.
    pub fn all(&mut self, value: &Value) -> String {
        let mut text = self.white().to_owned();
        self.value(value, &mut text);
        text + self.white()
    }

    fn value(&mut self, value: &Value, text: &mut String) {
        match value {
            Value::Plain(plain) => text.push_str(plain),
            Value::Text(string) => self.string(string, text),
            Value::List(parts) => self.parts(parts, ('[', ']'), text),
            Value::Object(parts) => self.parts(parts, ('{', '}'), text),
        }
    }

    fn parts(&mut self, parts: &[Part], (open, close): (char, char), text: &mut String) {
        text.push(open);
        for (at, part) in parts.iter().enumerate() {
            text.push_str(if at > 0 { "," } else { "" });
            text.push_str(self.white());
            if open == '{' {
                self.string(&part.key, text);
                text.push_str(self.white());
                text.push(':');
                text.push_str(self.white());
            }
            self.value(&part.value, text);
            text.push_str(self.white());
        }
        text.push(close);
    }

    fn string(&mut self, string: &str, text: &mut String) {
        text.push('"');
        for character in string.chars() {
            if !self.dice.as_mut().is_some_and(|dice| dice.percent(15)) {
                text.push(character);
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                *text += &format!("\\u{unit:04x}");
            }
        }
        text.push('"');
    }

    fn white(&mut self) -> &'static str {
        match &mut self.dice {
            Some(dice) => dice.pick(self.white),
            None => "",
        }
    }
}

/// What is to be left of a document.
pub fn left(value: &Value) -> serde_json::Value {
    match value {
        Value::Plain(plain) => serde_json::from_str(plain).unwrap(),
        Value::Text(string) => string.as_str().into(),
        Value::List(parts) => parts.iter().filter_map(left_of).collect(),
        Value::Object(parts) => {
            let kept = parts.iter().filter_map(|part| Some((part.key.clone(), left_of(part)?)));
            serde_json::Value::Object(kept.collect())
        }
    }
}

fn left_of(part: &Part) -> Option<serde_json::Value> {
    match part.fate {
        Fate::Stays => Some(left(&part.value)),
        Fate::Goes => None,
        Fate::Null => Some(serde_json::Value::Null),
    }
}

/// A document with a total of its rows at the end, and what is left of that where it is put right.
pub fn with_total(value: &Value) -> Value {
    let Value::Object(parts) = value else { return value.clone() };
    let rows = parts.iter().find(|part| part.key == "items").map(|part| &part.value);
    let Some(Value::List(rows)) = rows else { return value.clone() };
    let total = Value::Plain(["0", "1", "2", "3", "4", "5"][rows.len()]);
    let total = Part { key: "total".into(), value: total, fate: Fate::Stays, mistyped: false };
    Value::Object([std::slice::from_ref(&total), parts].concat())
}
