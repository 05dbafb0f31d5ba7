//! The strict reader of token JSON: one object at a time, duplicate members refused, number text
//! kept. `serde_json::Value` would take the last of two members and turn big integers into floats.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

/// The members of one JSON object, each with its text as it stood. Names are decoded, and unique.
#[derive(Debug)]
pub(super) struct Object<'a>(BTreeMap<String, &'a RawValue>);

/// What kind of JSON value a text is; the text has been checked by the JSON parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Text,
    Number,
    Bool,
    List,
    Object,
}

impl<'a> Object<'a> {
    /// Reads a whole text as one object; anything else, and a member given twice, is `None`.
    pub(super) fn parse(text: &'a str) -> Option<Object<'a>> {
        serde_json::from_str(text).ok()
    }

    /// The text of a member.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    /// A value as an object; `None` where it is none, or gives a member twice.
    pub(super) fn of(value: &'a RawValue) -> Option<Object<'a>> {
        Object::parse(value.get())
    }

    /// All members, ordered by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

/// The kind of a value, from its first character.
pub(super) fn kind(value: &RawValue) -> Kind {
    match value.get().as_bytes().first() {
        Some(b'"') => Kind::Text,
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::List,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'n') | None => Kind::Null,
        Some(_) => Kind::Number,
    }
}

/// A string's characters. A lone surrogate is no character, so such a string is none.
pub(super) fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// The elements of an array.
pub(super) fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// A list of strings and nothing else.
pub(super) fn texts(value: &RawValue) -> Option<Vec<String>> {
    serde_json::from_str(value.get()).ok()
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Object<'de>, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = access.next_entry::<String, &RawValue>()? {
            match members.entry(name) {
                Entry::Vacant(free) => free.insert(value),
                Entry::Occupied(_) => return Err(A::Error::custom("a member is given twice")),
            };
        }
        Ok(Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_text() {
        let object =
            Object::parse(r#"{"n": 12345678901234567890123, "s": "é", "l": [1]}"#).unwrap();
        assert_eq!(object.get("n").unwrap().get(), "12345678901234567890123");
        assert_eq!(text(object.get("s").unwrap()).unwrap(), "é");
        assert_eq!(kind(object.get("l").unwrap()), Kind::List);
        assert!(object.get("x").is_none());
    }

    #[test]
    fn p07_a_member_given_twice_is_refused_also_by_escape() {
        assert!(Object::parse(r#"{"a": 1, "a": 1}"#).is_none());
        assert!(Object::parse(r#"{"a": 1, "\u0061": 1}"#).is_none());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "1", "{", "{}x", "{\"a\":}", "{a:1}", "\u{feff}{}", "{\"a\":NaN}"] {
            assert!(Object::parse(text).is_none(), "{text}");
        }
    }
}
