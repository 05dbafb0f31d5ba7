//! Values by path: the same as the tree has there, and as serde_json's pointer finds.

use super::documents::{document, listed, mutate, runner};
use super::oracle::{self, Item, Kind, Value, Verdict};
use portcullis::filter::mask::Mask;
use portcullis::filter::pick::{Found, Path, pick, pick_strictly};
use portcullis::filter::write::Patch;
use portcullis::filter::{Fault, Limits};
use proptest::prelude::*;
use std::collections::HashSet;

const POINTERS: &[&str] = &[
    "",
    "/a",
    "/data",
    "/a/b",
    "/data/0",
    "/data/1/a",
    "/data/0/ssn",
    "/0",
    "/1/a",
    "/x~1y",
    "/é",
    "/ssn/a",
    "/data/*",
    "/*",
    "/data/*/a",
    "/*/*",
    "/*/a",
    "/a/*/b",
    "/data/*/ssn/*",
    "/*/0",
];

fn picked(text: &[u8], pointers: &[&str]) -> Result<Vec<Vec<Found>>, Fault> {
    let paths: Vec<_> = pointers.iter().map(|pointer| Path::parse(pointer).unwrap()).collect();
    pick(text, &paths.iter().collect::<Vec<_>>(), &Limits::default())
}

/// What the tree has at a pointer; `None` where a name of it stands twice (`*` names all).
fn standing(text: &[u8], root: &Value, pointer: &str) -> Option<Vec<Found>> {
    let mut at = vec![root];
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let steps: Option<Vec<_>> = at.iter().map(|value| step(value, &token)).collect();
        at = steps?.into_iter().flatten().collect();
    }
    Some(at.into_iter().map(|value| found(text, value)).collect())
}

fn step<'a>(value: &'a Value, token: &str) -> Option<Vec<&'a Value>> {
    let values = |items: Vec<&'a Item>| Some(items.into_iter().map(|item| &item.value).collect());
    match &value.kind {
        Kind::Object(items) if token == "*" => {
            let keys: HashSet<_> = items.iter().map(|item| &item.key).collect();
            if keys.len() < items.len() { None } else { values(items.iter().collect()) }
        }
        Kind::Array(items) if token == "*" => values(items.iter().collect()),
        Kind::Array(items) => {
            let index = token.parse::<usize>().ok();
            values(index.and_then(|index| items.get(index)).into_iter().collect())
        }
        Kind::Object(items) => {
            let is = |item: &&Item| token.encode_utf16().eq(item.key.iter().copied());
            let named: Vec<_> = items.iter().filter(is).collect();
            if named.len() > 1 { None } else { values(named) }
        }
        _ => Some(Vec::new()),
    }
}

fn found(text: &[u8], value: &Value) -> Found {
    let written = || std::str::from_utf8(&text[value.text.clone()]).unwrap().to_owned();
    match &value.kind {
        Kind::Null => Found::Null,
        Kind::Bool => Found::Boolean(written() == "true"),
        Kind::Number => Found::Number(written()),
        Kind::Text(units) => String::from_utf16(units).map_or(Found::Broken, Found::Text),
        Kind::Array(_) => Found::Array,
        Kind::Object(_) => Found::Object,
    }
}

#[test]
fn p11_what_is_picked_is_what_the_tree_has_there() {
    let pointers = || prop::collection::vec(prop::sample::select(POINTERS), 0..4);
    let test = |(text, pointers): (Vec<u8>, Vec<&str>)| {
        let expected = oracle::parse(&text).and_then(|root| {
            pointers
                .iter()
                .map(|pointer| standing(&text, &root, pointer))
                .collect::<Option<Vec<_>>>()
        });
        prop_assert_eq!(picked(&text, &pointers).ok(), expected);
        Ok(())
    };
    let text = prop_oneof![
        document().prop_map(String::into_bytes),
        listed().prop_map(String::into_bytes),
        mutate(listed()),
    ];
    runner(12_000).run(&(text, pointers()), test).unwrap();
}

#[test]
fn p11_what_is_picked_is_what_another_library_finds() {
    let text = prop_oneof![document(), listed()];
    let pointers = prop::sample::select(POINTERS).prop_filter("one value", |it| !it.contains('*'));
    let compared = std::cell::Cell::new(0);
    let test = |(text, pointer): (String, &str)| {
        let known = serde_json::from_str::<serde_json::Value>(&text);
        let (Ok(known), Ok(found)) = (known, picked(text.as_bytes(), &[pointer])) else {
            return Ok(());
        };
        let same = match (known.pointer(pointer), &found[0][..]) {
            (None, []) => true,
            (Some(known), [found]) => same(known, found),
            _ => false,
        };
        prop_assert!(same, "{pointer} of {text}: {found:?}");
        compared.set(compared.get() + u32::from(!found[0].is_empty()));
        Ok(())
    };
    runner(12_000).run(&(text, pointers), test).unwrap();
    assert!(compared.get() > 1500, "only {} values were compared", compared.get());
}

fn same(known: &serde_json::Value, found: &Found) -> bool {
    use serde_json::Value;
    match (known, found) {
        (Value::String(known), Found::Text(found)) => known == found,
        (Value::Bool(known), Found::Boolean(found)) => known == found,
        (Value::Number(known), Found::Number(found)) => known.as_f64() == found.parse::<f64>().ok(),
        (Value::Null, Found::Null) => true,
        (Value::Array(_), Found::Array) | (Value::Object(_), Found::Object) => true,
        _ => false,
    }
}

#[test]
fn p10_strictly_picked_is_the_same_or_refused() {
    let test = |(text, pointer): (String, &str)| {
        let path = Path::parse(pointer).unwrap();
        let strictly = pick_strictly(text.as_bytes(), &[&path], &Limits::default());
        if let Ok(found) = strictly {
            prop_assert_eq!(Ok(found), picked(text.as_bytes(), &[pointer]));
            let verdict = oracle::check(&Mask::show(), text.as_bytes(), Patch::No);
            prop_assert_eq!(verdict, Verdict::Fine);
        }
        Ok(())
    };
    let text = prop_oneof![document(), listed()];
    runner(6000).run(&(text, prop::sample::select(POINTERS)), test).unwrap();
}
