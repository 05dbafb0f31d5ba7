//! What others would do to keep some members of each record: a tree of `serde_json` or of
//! `sonic-rs`, or `serde_json`'s raw text of each member. They do less: a tree changes numbers and
//! order, none sees a doubled key or takes the document in pieces.

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use sonic_rs::JsonValueMutTrait;
use std::fmt;

/// Keeps members by their name.
pub type Keep = fn(&str) -> bool;

/// What keeps some members of each record of a list.
pub type Peer = fn(&[u8], Keep) -> Vec<u8>;

/// A tree of `serde_json`.
pub fn serde_tree(text: &[u8], keep: Keep) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(text).unwrap();
    for record in document["data"].as_array_mut().unwrap() {
        record.as_object_mut().unwrap().retain(|name, _| keep(name));
    }
    serde_json::to_vec(&document).unwrap()
}

/// A tree of `sonic-rs`.
pub fn sonic_tree(text: &[u8], keep: Keep) -> Vec<u8> {
    let mut document: sonic_rs::Value = sonic_rs::from_slice(text).unwrap();
    for record in document["data"].as_array_mut().unwrap().iter_mut() {
        record.as_object_mut().unwrap().retain(|name, _| keep(name));
    }
    sonic_rs::to_vec(&document).unwrap()
}

/// No tree: the text of the members that stay, the others passed over.
pub fn raw_members(text: &[u8], keep: Keep) -> Vec<u8> {
    KEEP.set(keep);
    let page: Page<'_> = serde_json::from_slice(text).unwrap();
    serde_json::to_vec(&page).unwrap()
}

thread_local! {
    /// Deserialize has no argument to hand it through.
    static KEEP: std::cell::Cell<Keep> = const { std::cell::Cell::new(|_| true) };
}

#[derive(Deserialize, Serialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<Record<'a>>,
    #[serde(borrow)]
    page: &'a RawValue,
}

struct Record<'a>(Vec<(&'a str, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Record<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(KEEP.get()))
    }
}

struct Members(Keep);

impl<'de> Visitor<'de> for Members {
    type Value = Record<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(name) = map.next_key::<&str>()? {
            if (self.0)(name) {
                kept.push((name, map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Record(kept))
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}
