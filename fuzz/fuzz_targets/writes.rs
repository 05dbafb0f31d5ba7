//! A body that is sent is refused, or is what it looks like to a reader that is not ours: changes that
//! leave hidden fields as they are and say nothing of them, fields that decode to the same texts, an
//! object that keeps what is hidden.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::filter::Limits;
use portcullis::filter::changes::{self, Sides};
use portcullis::filter::form::{self, Encoding};
use portcullis::filter::mask::{HIDE, Mask, MaskBuilder, Node, Types};
use portcullis::filter::restore::restore;
use portcullis::filter::values::{RoleRules, Rule, Values};
use portcullis::filter::write::{self, Patch};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

/// Hides `ssn` at the root, and in `home`; `name` is a text.
static MASK: LazyLock<Mask> = LazyLock::new(|| {
    let mut builder = MaskBuilder::new();
    let fields = vec![(Arc::from("ssn"), HIDE)];
    let object = Node { types: Types::OBJECT, fields, ..Node::open() };
    let home = builder.add(object.clone());
    let name = builder.add(Node { types: Types::STRING, ..Node::open() });
    let mut root = object;
    root.fields.extend([(Arc::from("home"), home), (Arc::from("name"), name)]);
    let root = builder.add(root);
    builder.finish(root)
});

/// `name` has five characters at most.
static VALUES: LazyLock<Values> = LazyLock::new(|| {
    let schema = json!({
        "type": "object", "additionalProperties": true, "properties": {"name": {"maxLength": 5}},
    });
    let rule = Rule::new(&schema, false).unwrap();
    let mut values = Values::new();
    let role = RoleRules { mask: MASK.clone(), rules: vec![Arc::new(rule)] };
    values.add("", None, vec![role]).unwrap();
    values
});

fuzz_target!(|input: &[u8]| {
    let Some((kind, body)) = input.split_first() else { return };
    match kind % 6 {
        0 => patch(body),
        1 => urlencoded(body),
        2 => multipart(body),
        3 => kept(body),
        4 => merge(body),
        _ => whole(body),
    }
});

/// What is stored, with this in the hidden places.
fn stored(hidden: &str) -> Value {
    json!({
        "ssn": hidden, "home": {"street": "a", "ssn": hidden}, "name": "n",
        "list": [1, {"a": 2}, [3]], "7": {"0": true},
    })
}

/// Makes the same change of two objects that differ in what is hidden: it leaves that as it is, and
/// what comes of the rest does not hang on it.
fn hides_well(change: impl Fn(&mut Value) -> Option<()>) {
    let made = ["canary-1", "canary-2"].map(|hidden| {
        let mut object = stored(hidden);
        change(&mut object)?;
        for at in ["/ssn", "/home/ssn"] {
            assert_eq!(object.pointer(at), Some(&hidden.into()), "{at}");
            *object.pointer_mut(at).unwrap() = Value::Null;
        }
        is_clean(&object, true);
        let name = object.get("name");
        assert!(
            name.is_none_or(|name| name.as_str().is_some_and(|text| text.chars().count() <= 5))
        );
        Some(object)
    });
    assert_eq!(made[0], made[1]);
}

/// Whether nothing stands where a server that does not look at case finds what is hidden, but for
/// what is `stored` there.
fn is_clean(object: &Value, stored: bool) {
    let is = |key: &str, name: &str| key.eq_ignore_ascii_case(name) || key.to_lowercase() == name;
    let none = |value: &Value| {
        value
            .as_object()
            .into_iter()
            .flatten()
            .all(|(key, value)| !is(key, "ssn") || stored && key == "ssn" && value.is_null())
    };
    assert!(none(object), "{object}");
    let homes = object.as_object().into_iter().flatten().filter(|(key, _)| is(key, "home"));
    homes.for_each(|(_, home)| assert!(none(home), "{object}"));
}

fn patch(body: &[u8]) {
    let sides = Sides { read: &MASK, write: &MASK, values: &VALUES };
    if changes::check(&sides, body, &Limits::default()).is_err() {
        return;
    }
    // Numbers beyond what this reader knows are left to others.
    let Ok(read) = serde_json::from_slice::<Value>(body) else { return };
    hides_well(|object| read.as_array().unwrap().iter().try_for_each(|one| apply(object, one)));
}

/// RFC 6902, as simply as it can be done.
fn apply(object: &mut Value, change: &Value) -> Option<()> {
    let (path, from) = (change["path"].as_str().unwrap(), change["from"].as_str());
    match change["op"].as_str().unwrap() {
        "add" => put(object, path, change["value"].clone()),
        "remove" => take(object, path).map(drop),
        "replace" => {
            *object.pointer_mut(path)? = change["value"].clone();
            Some(())
        }
        "copy" => {
            let value = object.pointer(from.unwrap())?.clone();
            put(object, path, value)
        }
        "move" => {
            let value = take(object, from.unwrap())?;
            put(object, path, value)
        }
        "test" => (*object.pointer(path)? == change["value"]).then_some(()),
        other => panic!("{other} is no change"),
    }
}

fn put(object: &mut Value, path: &str, value: Value) -> Option<()> {
    let Some((parent, last)) = path.rsplit_once('/') else {
        *object = value;
        return Some(());
    };
    match object.pointer_mut(parent)? {
        Value::Object(members) => drop(members.insert(unescaped(last), value)),
        Value::Array(elements) => {
            let at = if last == "-" { elements.len() } else { last.parse().ok()? };
            (at <= elements.len()).then(|| elements.insert(at, value))?;
        }
        _ => return None,
    }
    Some(())
}

fn take(object: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = path.rsplit_once('/')?;
    match object.pointer_mut(parent)? {
        Value::Object(members) => members.remove(&unescaped(last)),
        Value::Array(elements) => {
            let at = last.parse().ok().filter(|at| *at < elements.len())?;
            Some(elements.remove(at))
        }
        _ => None,
    }
}

fn unescaped(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn merge(body: &[u8]) {
    if !passes(body, Patch::Merge) {
        return;
    }
    let Ok(read) = serde_json::from_slice::<Value>(body) else { return };
    hides_well(|object| {
        merged(object, &read);
        Some(())
    });
}

/// RFC 7396 section 2.
fn merged(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in patch {
        let members = object.as_object_mut().unwrap();
        match value {
            Value::Null => drop(members.remove(name)),
            value => merged(members.entry(name).or_insert(Value::Null), value),
        }
    }
}

fn whole(body: &[u8]) {
    if !passes(body, Patch::No) {
        return;
    }
    let Ok(read) = serde_json::from_slice::<Value>(body) else { return };
    is_clean(&read, false);
}

fn passes(body: &[u8], patch: Patch) -> bool {
    let limits = Limits::default();
    write::check(&MASK, body, &limits, patch).is_ok()
        && VALUES.judge(body, &limits, patch).is_ok_and(|found| found.is_empty())
}

fn urlencoded(body: &[u8]) {
    let limits = Limits::default();
    let Ok(text) = form::text(&Encoding::Urlencoded, body, &limits) else { return };
    let Some(read) = spelled(&text) else { return };
    // A reader that takes everything finds as many fields, and the same texts.
    let found: Vec<String> = body
        .split(|byte| *byte == b'&')
        .map(|part| part.splitn(2, |byte| *byte == b'=').nth(1).unwrap_or_default())
        .map(|raw| String::from_utf8(decoded(raw)).unwrap())
        .collect();
    let mut texts = Vec::new();
    leaves(&read, &mut texts);
    let sorted = |mut texts: Vec<String>| {
        texts.sort();
        texts
    };
    assert_eq!(sorted(found), sorted(texts));
    judged(&Encoding::Urlencoded, body, &read);
}

/// A form that passes says nothing of what is hidden.
fn judged(encoding: &Encoding, body: &[u8], read: &Value) {
    for patch in [Patch::No, Patch::Merge] {
        if form::check(encoding, body, (&MASK, &VALUES), &Limits::default(), patch).is_ok() {
            is_clean(read, false);
        }
    }
}

fn multipart(body: &[u8]) {
    let encoding = Encoding::Multipart("b".into());
    let Ok(text) = form::text(&encoding, body, &Limits::default()) else { return };
    let Some(read) = spelled(&text) else { return };
    judged(&encoding, body, &read);
    assert!(body.starts_with(b"--b") && body.trim_ascii_end().ends_with(b"--b--"));
}

/// The body is what stands before the first line feed, the stored object what stands after it.
fn kept(input: &[u8]) {
    let limits = Limits::default();
    let Some(at) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (body, stored) = (&input[..at], &input[at + 1..]);
    if write::check(&MASK, body, &limits, Patch::No).is_err() {
        return;
    }
    let Ok(whole) = restore((&MASK, &MASK), stored, body, &limits) else { return };
    // Numbers beyond what this reader knows are left to others.
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
    if let (Some(stored), Some(whole)) = (read(stored), read(&whole)) {
        assert_eq!(stored.get("ssn"), whole.get("ssn"));
        assert_eq!(stored.pointer("/home/ssn"), whole.pointer("/home/ssn"));
    }
}

/// `None` where a part has a number beyond what this reader knows.
fn spelled(text: &[u8]) -> Option<Value> {
    assert_eq!(write::well_formed(text, &Limits::default()), Ok(()));
    serde_json::from_slice(text).ok()
}

fn leaves(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.values().for_each(|value| leaves(value, into)),
        Value::Array(elements) => elements.iter().for_each(|value| leaves(value, into)),
        other => into.push(other.as_str().unwrap_or_default().to_owned()),
    }
}

fn decoded(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        let hex = raw.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    out
}
