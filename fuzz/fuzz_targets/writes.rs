//! A JSON Patch, a form or a replacing body is refused, or is what it looks like to a reader that is
//! not ours: a list of changes that name nothing hidden, fields that decode to the same texts, an
//! object that keeps what is hidden.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::filter::Limits;
use portcullis::filter::changes::{self, Sides};
use portcullis::filter::form::{self, Encoding};
use portcullis::filter::mask::{HIDE, Mask, MaskBuilder, Node, Types};
use portcullis::filter::restore::restore;
use portcullis::filter::values::Values;
use portcullis::filter::write::{self, Patch};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// Hides `ssn` at the root, and in `home`.
static MASK: LazyLock<Mask> = LazyLock::new(|| {
    let mut builder = MaskBuilder::new();
    let fields = vec![(Arc::from("ssn"), HIDE)];
    let object = Node { types: Types::OBJECT, fields, ..Node::open() };
    let home = builder.add(object.clone());
    let mut root = object;
    root.fields.push((Arc::from("home"), home));
    let root = builder.add(root);
    builder.finish(root)
});

fuzz_target!(|input: &[u8]| {
    let Some((kind, body)) = input.split_first() else { return };
    match kind % 4 {
        0 => patch(body),
        1 => urlencoded(body),
        2 => multipart(body),
        _ => kept(body),
    }
});

fn patch(body: &[u8]) {
    let values = Values::new();
    let sides = Sides { read: &MASK, write: &MASK, values: &values };
    if changes::check(&sides, body, &Limits::default()).is_err() {
        return;
    }
    let read: Value = serde_json::from_slice(body).unwrap();
    for change in read.as_array().unwrap() {
        let ops = ["add", "remove", "replace", "move", "copy", "test"];
        assert!(ops.contains(&change["op"].as_str().unwrap()));
        for pointer in [&change["path"], &change["from"]].into_iter().filter_map(Value::as_str) {
            let pointer = pointer.to_lowercase();
            assert!(pointer.is_empty() || pointer.starts_with('/'));
            for hidden in ["/ssn", "/home/ssn"] {
                assert!(pointer != hidden && !pointer.starts_with(&format!("{hidden}/")));
            }
        }
        let is_root = change["path"] == "" && change["op"] != "test";
        assert!(!is_root, "the root holds what is hidden");
    }
}

fn urlencoded(body: &[u8]) {
    let limits = Limits::default();
    let Ok(text) = form::text(&Encoding::Urlencoded, body, &limits) else { return };
    let read = spelled(&text);
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
    let judged = form::check(
        &Encoding::Urlencoded,
        body,
        (&MASK, &Values::new()),
        &limits,
        Patch::No,
    );
    assert!(judged.is_err() || read.get("ssn").is_none());
}

fn multipart(body: &[u8]) {
    let encoding = Encoding::Multipart("b".into());
    let Ok(text) = form::text(&encoding, body, &Limits::default()) else { return };
    spelled(&text);
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

fn spelled(text: &[u8]) -> Value {
    assert_eq!(write::well_formed(text, &Limits::default()), Ok(()));
    serde_json::from_slice(text).unwrap()
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
