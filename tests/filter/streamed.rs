//! Responses: the same answer as the tree's, however the input is cut.

use super::documents::{cuts, document, mask, mutated, runner, without};
use super::oracle;
use portcullis::filter::algebra::intersect;
use portcullis::filter::mask::{HIDE, Mask};
use portcullis::filter::place::{anywhere, place};
use portcullis::filter::{Fault, Filter, Limits};
use proptest::prelude::*;
use std::sync::Arc;

/// Filters an input in these chunks.
fn filter<'a>(
    mask: &Arc<Mask>,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, Fault> {
    let mut filter = Filter::recording(mask.clone(), Limits::default());
    let mut out = Vec::new();
    for chunk in chunks {
        filter.push(chunk, &mut out)?;
    }
    filter.finish(&mut out)?;
    assert_eq!(filter.removed().min(100), filter.pointers().len() as u64);
    Ok(out)
}

/// Whole, in two at every place, byte by byte, and at the given places.
fn agree_with_the_tree(mask: Mask, text: &[u8], cuts: &[prop::sample::Index]) {
    let expected = oracle::filter(&mask, text);
    let mask = Arc::new(mask);
    let whole = filter(&mask, [text]);
    assert_eq!(whole.as_ref().ok(), expected.as_ref(), "{whole:?}");
    if text.len() < 200 {
        for at in 0..=text.len() {
            assert_eq!(filter(&mask, [&text[..at], &text[at..]]), whole, "cut at {at}");
        }
    }
    assert_eq!(filter(&mask, text.chunks(1)), whole, "byte by byte");
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    assert_eq!(filter(&mask, places.windows(2).map(|pair| &text[pair[0]..pair[1]])), whole);
    if let Ok(out) = &whole {
        assert_eq!(filter(&mask, [&out[..]]).as_ref(), Ok(out), "idempotent");
    }
}

#[test]
fn p11_valid_documents_come_out_as_the_tree_says_at_every_split() {
    let inputs = (mask(), document(), cuts());
    let test = |(mask, text, cuts): (_, String, Vec<_>)| {
        agree_with_the_tree(mask, text.as_bytes(), &cuts);
        Ok(())
    };
    runner(6000).run(&inputs, test).unwrap();
}

#[test]
fn p11_broken_documents_are_refused_where_the_tree_refuses_at_every_split() {
    let inputs = (mask(), mutated(), cuts());
    let test = |(mask, text, cuts): (_, Vec<u8>, Vec<_>)| {
        agree_with_the_tree(mask, &text, &cuts);
        Ok(())
    };
    runner(10000).run(&inputs, test).unwrap();
}

#[test]
fn p11_placed_masks_that_meet_come_out_as_the_tree_says() {
    let pointer = || prop::sample::select(&["", "/*", "/a", "/data", "/data/*", "/*/a/*"][..]);
    let inputs = (pointer(), mask(), pointer(), mask(), document(), cuts());
    let test = |(one, a, two, b, text, cuts): (&str, Mask, &str, Mask, String, Vec<_>)| {
        let placed = intersect(&place(one, 2, &a).unwrap(), &place(two, 3, &b).unwrap());
        agree_with_the_tree(placed, text.as_bytes(), &cuts);
        Ok(())
    };
    runner(6000).run(&inputs, test).unwrap();
}

#[test]
fn p11_no_canary_leaves() {
    let spelling = prop::sample::select(&["ssn", r"s\u0073n", r"\u0073\u0073\u006E"][..]);
    let inputs = (document(), document(), spelling, cuts());
    let mask = Arc::new(anywhere(["ssn"]));
    let whole = std::cell::Cell::new(0);
    let test = |(one, two, ssn, cuts): (String, String, &str, Vec<prop::sample::Index>)| {
        let hidden = format!(r#""{ssn}" : ["CANARY",{one},{{"a":{{"CANARY":{two}}}}}]"#);
        let text =
            format!(r#"{{"x":{one},{hidden},"list":[{{{hidden},"v":{two}}},[{{{hidden}}}]]}}"#);
        let at = cuts.first().map_or(0, |cut| cut.index(text.len()));
        let (left, right) = text.as_bytes().split_at(at);
        let (mut filter, mut out) = (Filter::new(mask.clone(), Limits::default()), Vec::new());
        let read = filter.push(left, &mut out).and_then(|()| filter.push(right, &mut out));
        let end = read.and_then(|()| filter.finish(&mut out));
        let out = String::from_utf8_lossy(&out);
        prop_assert!(!out.contains("CANARY"), "{text} gave {out}");
        whole.set(whole.get() + u32::from(end.is_ok()));
        Ok(())
    };
    runner(3000).run(&inputs, test).unwrap();
    assert!(whole.get() > 1500, "only {} documents went through", whole.get());
}

#[test]
fn p11_a_long_list_goes_through_in_flat_memory() {
    let mask = Arc::new(anywhere(["ssn"]));
    let mut filter = Filter::new(mask, Limits::default());
    let (mut out, mut bytes, mut most) = (Vec::new(), 0, 0);
    filter.push(b"[", &mut out).unwrap();
    for n in 0..20_000 {
        let comma = if n == 0 { "" } else { "," };
        let record = format!(r#"{comma}{{"id":{n},"ssn":"secret","note":"some text"}}"#);
        filter.push(record.as_bytes(), &mut out).unwrap();
        bytes += out.len();
        most = most.max(out.capacity());
        out.clear();
    }
    filter.push(b"]", &mut out).unwrap();
    filter.finish(&mut out).unwrap();
    assert!(bytes > 600_000, "{bytes}");
    assert!(most < 1024, "{most}");
    assert_eq!(filter.removed(), 20_000);
}

#[test]
fn p11_a_hidden_field_is_gone_however_its_key_is_spelled() {
    let mask = Arc::new(without("ssn"));
    for key in [r"ssn", r"s\u0073n", r"\u0073\u0073\u006e", r"\u0073\u0073\u006E"] {
        let text = format!(r#"{{"kept":1,"{key}":"x","more":2}}"#);
        assert_eq!(filter(&mask, [text.as_bytes()]).unwrap(), br#"{"kept":1,"more":2}"#);
    }
    let mut filter = Filter::recording(Arc::new(without("ssn")), Limits::default());
    filter.push(br#"{"ssn":1}"#, &mut Vec::new()).unwrap();
    assert_eq!(filter.pointers(), ["/ssn"]);
    assert_ne!(mask.root(), HIDE);
}
