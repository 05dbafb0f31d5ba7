//! What is put back, what goes, and what cannot be kept.

use super::*;
use crate::filter::anywhere::{Case, place_tagged};
use crate::filter::mask::{MaskBuilder, Node};
use crate::filter::place::{Entries, place_pairs};
use crate::filter::plan::Extra;
use std::sync::Arc;

/// `ssn` is hidden, `id` read-only, `pin` can only be written; `home` hides its `zip`, elements of
/// `list` their `key`, and of `pair` the first is hidden. `age` is an integer.
fn mask(reads: bool) -> Mask {
    let mut builder = MaskBuilder::new();
    let object = |fields: &[(&str, NodeId)]| Node {
        types: Types::OBJECT,
        fields: fields.iter().map(|(name, id)| ((*name).into(), *id)).collect(),
        ..Node::open()
    };
    let home = builder.add(object(&[("zip", HIDE)]));
    let element = builder.add(object(&[("key", HIDE)]));
    let list = builder.add(Node { types: Types::ARRAY, items: element, ..Node::open() });
    let pair = builder.add(Node { types: Types::ARRAY, ..Node::open() });
    builder.extra(pair, Extra { elements: vec![(0, HIDE)], ..Extra::default() });
    let age = builder.add(Node { types: Types::INTEGER, ..Node::open() });
    let (pin, id) = if reads { (HIDE, SHOW) } else { (SHOW, HIDE) };
    let fields = [
        ("ssn", HIDE),
        ("pin", pin),
        ("id", id),
        ("home", home),
        ("list", list),
        ("pair", pair),
        ("age", age),
    ];
    let root = builder.add(object(&fields));
    builder.finish(root)
}

fn put_back(stored: &str, body: &str) -> Result<String, AtRisk> {
    let (read, write) = (mask(true), mask(false));
    let whole = restore((&read, &write), stored.as_bytes(), body.as_bytes(), &Limits::default())?;
    Ok(String::from_utf8(whole).unwrap())
}

#[test]
fn hidden_members_are_put_at_the_end_byte_for_byte() {
    for (stored, body, wanted) in [
        (r#"{"ssn": 1.50e1, "a": 1}"#, r#"{"a": 2}"#, r#"{"a": 2,"ssn": 1.50e1}"#),
        (r#"{"s\u0073n":"\u00e9", "id":7}"#, "{}", r#"{"s\u0073n":"\u00e9","id":7}"#),
        (r#"{"a": 1, "b": 2}"#, r#" { "b" : 3 } "#, r#"{ "b" : 3 }"#),
        (r#"{"pin": 1}"#, r#"{"pin": 2}"#, r#"{"pin": 2}"#),
        (r#"{"pin": 1, "ssn": 2}"#, r#"{"x": [1, 2]}"#, r#"{"x": [1, 2],"pin": 1,"ssn": 2}"#),
        (
            r#"{"home": {"zip": "8001", "street": "a"}, "a": 1}"#,
            r#"{"home": {"street": "b"}, "a": 2}"#,
            r#"{"home": {"street": "b","zip": "8001"},"a": 2}"#,
        ),
        (r#"{"home": {"street": "a"}}"#, r#"{"home": null}"#, r#"{"home": null}"#),
        (r#"{"home": {"street": "a"}}"#, "{}", "{}"),
        (r#"{"list": [{"name": 1}]}"#, r#"{"list": []}"#, r#"{"list": []}"#),
        (r#"{"list": []}"#, r#"{"list": [{"name": 1}]}"#, r#"{"list": [{"name": 1}]}"#),
        ("{}", r#"{"age": 1}"#, r#"{"age": 1}"#),
    ] {
        assert_eq!(put_back(stored, body).as_deref(), Ok(wanted), "{stored} {body}");
    }
}

#[test]
fn p10_what_is_hidden_and_has_no_place_is_at_risk() {
    for (stored, body) in [
        (r#"{"home": {"zip": 1}}"#, "{}"),
        (r#"{"home": {"zip": 1}}"#, r#"{"home": null}"#),
        (r#"{"home": {"zip": 1}}"#, r#"{"home": []}"#),
        (r#"{"list": [{"key": 1}]}"#, r#"{"list": [{"name": 1}]}"#),
        (r#"{"list": [{"key": 1}]}"#, r#"{"list": []}"#),
        (r#"{"list": [{"key": 1}]}"#, "{}"),
        (r#"{"list": [7]}"#, "{}"),
        (r#"{"pair": [1]}"#, r#"{"pair": []}"#),
        // Of another type than the schema says: the caller has not seen it.
        (r#"{"age": "old"}"#, r#"{"age": 1}"#),
        (r#"{"home": "somewhere"}"#, r#"{"home": {}}"#),
        ("[]", "{}"),
        (r#"{"ssn": 1}"#, "[]"),
    ] {
        assert_eq!(put_back(stored, body), Err(AtRisk::Erased), "{stored} {body}");
    }
    assert_eq!(put_back(r#"{"age": "old"}"#, "{}").as_deref(), Ok(r#"{"age": "old"}"#));
}

#[test]
fn p10_a_stored_object_that_reads_in_two_ways_is_refused() {
    for stored in [r#"{"ssn": 1, "ssn": 2}"#, r#"{"a": "\ud800"}"#, "{", "\u{feff}{}"] {
        assert!(matches!(put_back(stored, "{}"), Err(AtRisk::Stored(_))), "{stored}");
    }
}

#[test]
fn hidden_pairs_are_put_back_by_the_property_that_they_name() {
    let mut builder = MaskBuilder::new();
    let fields = vec![(Arc::from("secret"), HIDE)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let entries = Entries::new("/k", "/v").unwrap();
    let mask = place_pairs("/f", &entries, 0, &builder.finish(root)).unwrap();
    let put_back = |stored: &str, body: &str| {
        let text = (stored.as_bytes(), body.as_bytes());
        let whole = restore((&mask, &mask), text.0, text.1, &Limits::default())?;
        Ok(String::from_utf8(whole).unwrap())
    };
    let stored = r#"{"f": [{"k": "a", "v": 1}, {"k":"secret","v":2}, {"k": "b", "v": 3}]}"#;
    let body = r#"{"f": [{"k": "b", "v": 4}]}"#;
    let wanted = r#"{"f": [{"k": "b", "v": 4},{"k":"secret","v":2}]}"#;
    assert_eq!(put_back(stored, body), Ok(wanted.to_owned()));
    assert_eq!(put_back(stored, "{}"), Err(AtRisk::Erased));
    assert_eq!(put_back(stored, r#"{"f": {}}"#), Err(AtRisk::Erased));
    // An element that is no pair is hidden, and nothing tells one from another.
    assert_eq!(put_back(r#"{"f": [{"x": 1}]}"#, body).map(|text| text.contains("\"x\"")), Ok(true));
}

#[test]
fn p10_a_value_of_a_type_that_does_not_pass_is_kept_or_at_risk() {
    assert_eq!(put_back(r#"{"age": 1.5}"#, r#"{"age": 1}"#), Err(AtRisk::Erased));
    assert_eq!(put_back(r#"{"age": 1.5}"#, "{}").as_deref(), Ok(r#"{"age": 1.5}"#));
    assert_eq!(put_back(r#"{"age": 1.0}"#, r#"{"age": 2}"#).as_deref(), Ok(r#"{"age": 2}"#));
    assert_eq!(put_back(r#"{"age": {"x": 1}}"#, r#"{"age": {"y": 2}}"#), Err(AtRisk::Erased));
}

#[test]
fn p10_elements_that_one_mask_alone_hides_are_at_risk() {
    let (read, write, show) = (mask(true), mask(false), Mask::show());
    for sides in [(&read, &show), (&show, &write)] {
        let put = |stored: &str, body: &str| {
            restore(sides, stored.as_bytes(), body.as_bytes(), &Limits::default())
        };
        assert_eq!(put(r#"{"list": [{"key": 1}]}"#, r#"{"list": []}"#), Err(AtRisk::Erased));
        assert_eq!(put(r#"{"pair": [1]}"#, r#"{"pair": []}"#), Err(AtRisk::Erased));
        assert!(put(r#"{"list": [{"name": 1}]}"#, r#"{"list": []}"#).is_ok());
    }
}

/// Pairs whose properties are those of [`mask`].
#[test]
fn p10_pairs_are_put_back_or_at_risk_as_their_properties_are() {
    let entries = Entries::new("/k", "/v").unwrap();
    let pairs = |mask: &Mask| place_pairs("", &entries, 0, mask).unwrap();
    let (read, write, show) = (pairs(&mask(true)), pairs(&mask(false)), Mask::show());
    let put = |sides: (&Mask, &Mask), stored: &str, body: &str| {
        let whole = restore(sides, stored.as_bytes(), body.as_bytes(), &Limits::default())?;
        Ok(String::from_utf8(whole).unwrap())
    };
    let (pin, ssn, id) = (r#"{"k":"pin","v":1}"#, r#"{"k":"ssn","v":1}"#, r#"{"k":"id","v":1}"#);
    let home = r#"{"k":"home","v":{"zip":1}}"#;
    for hidden in [pin, ssn, id] {
        let (stored, back) = (format!("[{hidden},{{\"k\":\"a\",\"v\":1}}]"), format!("[{hidden}]"));
        assert_eq!(put((&read, &write), &stored, "[]"), Ok(back), "{hidden}");
    }
    let stored = |pair: &str| format!("[{pair}]");
    let other = |pair: &str| stored(pair).replace(":1", ":2");
    // What may be written though it is not seen is as it was sent.
    assert_eq!(put((&read, &write), &stored(pin), &other(pin)), Ok(other(pin)));
    for named in [ssn, id, home] {
        let put = put((&read, &write), &stored(named), &other(named));
        assert_eq!(put, Err(AtRisk::Erased), "{named}");
    }
    // The name of it is seen, so its sender left it out; but not all of it is.
    assert_eq!(put((&read, &write), &stored(home), "[]"), Err(AtRisk::Erased));
    // One of the masks is enough.
    assert_eq!(put((&read, &show), &stored(ssn), "[]"), Ok(stored(ssn)));
    assert_eq!(put((&show, &write), &stored(ssn), "[]"), Ok(stored(ssn)));
    assert_eq!(put((&show, &write), &stored(pin), "[]"), Ok("[]".to_owned()));
}

#[test]
fn p10_what_is_put_back_stays_in_an_object_that_is_called_as_it_was() {
    let mut builder = MaskBuilder::new();
    let fields = vec![(Arc::from("ssn"), HIDE)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let case = Case { value: "Patient".into(), mask: builder.finish(root) };
    let mask = place_tagged("", "/kind", 0, &[case]).unwrap();
    let put = |stored: &str, body: &str| {
        let limits = Limits::default();
        let whole = restore((&mask, &mask), stored.as_bytes(), body.as_bytes(), &limits)?;
        Ok(String::from_utf8(whole).unwrap())
    };
    let patient = r#"{"kind":"Patient","ssn":1}"#;
    let same = put(patient, r#"{"kind":"Patient","a":2}"#);
    assert_eq!(same.as_deref(), Ok(r#"{"kind":"Patient","a":2,"ssn":1}"#));
    assert_eq!(put(patient, r#"{"a":2}"#).as_deref(), Ok(r#"{"a":2,"ssn":1}"#));
    for body in [r#"{"kind":"Other"}"#, r#"{"kind":7}"#, r#"{"KIND":"Patient"}"#] {
        assert_eq!(put(patient, body), Err(AtRisk::Erased), "{body}");
    }
    assert_eq!(put(r#"{"ssn":1}"#, r#"{"kind":7}"#), Err(AtRisk::Erased));
    assert_eq!(put(r#"{"ssn":1}"#, r#"{"kind":"Patient"}"#), Err(AtRisk::Erased));
}
