//! A replacing write in which hidden parts are put back: what the caller sees afterwards is what it
//! sent, and what it does not see is what there was.

use super::documents::{document, mask, runner};
use super::oracle::{self, Verdict};
use portcullis::filter::mask::{HIDE, Mask, NodeId, SHOW, Types};
use portcullis::filter::restore::restore;
use portcullis::filter::write::Patch;
use portcullis::filter::{Filter, Limits};
use proptest::prelude::*;
use serde_json::Value;
use std::cell::Cell;
use std::sync::Arc;

/// Whether the streaming filter finds the shape that the mask expects.
fn fits(mask: &Mask, text: &[u8]) -> bool {
    let mut filter = Filter::new(Arc::new(mask.clone()), Limits::default());
    let mut out = Vec::new();
    filter.push(text, &mut out).and_then(|()| filter.finish(&mut out)).is_ok()
}

/// What a mask lets pass of a value, and what it does not, in an order of its own.
fn split(mask: &Mask, node: NodeId, value: &Value, hidden: &mut Vec<String>) -> Option<Value> {
    let is = match value {
        Value::Null => Types::NULL,
        Value::Bool(_) => Types::BOOLEAN,
        Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => {
            Types::NUMBER.or(Types::INTEGER)
        }
        Value::Number(_) => Types::NUMBER,
        Value::String(_) => Types::STRING,
        Value::Array(_) => Types::ARRAY,
        Value::Object(_) => Types::OBJECT,
    };
    if node == SHOW {
        return Some(value.clone());
    }
    if node == HIDE || !mask.node(node).types.accept(is) {
        hidden.push(value.to_string());
        return None;
    }
    Some(match value {
        Value::Object(members) => {
            let each = |(name, value): (&String, &Value)| {
                let shown = split(mask, mask.member(node, name), value, hidden)?;
                Some((name.clone(), shown))
            };
            members.iter().filter_map(each).collect()
        }
        Value::Array(elements) => {
            let each = |(at, value)| split(mask, mask.element(node, at), value, hidden);
            (0..).zip(elements).filter_map(each).collect()
        }
        other => other.clone(),
    })
}

/// Whether a key has capitals.
fn has_capitals(value: &Value) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.chars().any(char::is_uppercase) || has_capitals(value)),
        Value::Array(elements) => elements.iter().any(has_capitals),
        _ => false,
    }
}

/// What is seen of a text, and what is not; `None` where its numbers are beyond this reader.
fn parts(mask: &Mask, text: &[u8]) -> Option<(Option<Value>, Vec<String>)> {
    let mut hidden = Vec::new();
    let shown = split(mask, mask.root(), &serde_json::from_slice(text).ok()?, &mut hidden);
    hidden.sort();
    Some((shown, hidden))
}

#[test]
fn p10_what_is_hidden_stays_and_the_rest_is_as_it_was_sent() {
    let (whole, at_risk) = (Cell::new(0), Cell::new(0));
    let test = |(mask, stored, body): (Mask, String, String)| {
        let (stored, body) = (stored.as_bytes(), body.as_bytes());
        let fine = oracle::check(&mask, body, Patch::No) == Verdict::Fine;
        if !fine || !fits(&mask, stored) {
            return Ok(());
        }
        let Ok(made) = restore((&mask, &mask), stored, body, &Limits::default()) else {
            at_risk.set(at_risk.get() + 1);
            return Ok(());
        };
        whole.set(whole.get() + 1);
        let read = |text| parts(&mask, text);
        // A name that is a hidden one's but for its case is seen, cannot be sent, and is put back.
        let clear = serde_json::from_slice(stored).is_ok_and(|value| !has_capitals(&value));
        let all = (read(stored), read(body), read(&made));
        if let (true, (Some(before), Some(sent), Some(after))) = (clear, all) {
            prop_assert_eq!(before.1, after.1);
            prop_assert_eq!(sent.0, after.0);
        }
        Ok(())
    };
    runner(12_000).run(&(mask(), document(), document()), test).unwrap();
    assert!(whole.get() > 500 && at_risk.get() > 100, "{} {}", whole.get(), at_risk.get());
}
