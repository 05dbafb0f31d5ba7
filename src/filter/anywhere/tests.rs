//! Objects that say what they are.

use super::*;
use crate::filter::algebra::union;
use crate::filter::pick::Path;
use crate::filter::place::{anywhere, hidden_names, place};
use crate::filter::{Fault, Filter, Limits};

fn object(fields: &[(&str, NodeId)], others: NodeId) -> Mask {
    let mut builder = MaskBuilder::new();
    let fields = fields.iter().map(|(name, id)| ((*name).into(), *id)).collect();
    let root = builder.add(Node { types: Types::OBJECT, fields, others, ..Node::open() });
    builder.finish(root)
}

/// Patients hide `ssn`; observations show `kind` and `value` alone.
fn cases() -> Vec<Case> {
    let patient = object(&[("ssn", HIDE)], SHOW);
    let observation = object(&[("kind", SHOW), ("value", SHOW)], HIDE);
    vec![
        Case { value: "Patient".into(), mask: patient },
        Case { value: "Observation".into(), mask: observation },
    ]
}

fn patients(pointer: &str) -> Mask {
    place_tagged(pointer, "/kind", 0, &cases()[..1]).unwrap()
}

/// At every split the same.
fn shown_within(mask: &Mask, text: &str, limits: Limits) -> Result<String, Fault> {
    let mask = Arc::new(mask.clone());
    let run = |chunks: &[&[u8]]| {
        let (mut filter, mut out) = (Filter::new(mask.clone(), limits), vec![]);
        for chunk in chunks {
            filter.push(chunk, &mut out)?;
        }
        filter.finish(&mut out)?;
        Ok(String::from_utf8(out).unwrap())
    };
    let whole = run(&[text.as_bytes()]);
    for at in 0..text.len() {
        let (left, right) = text.as_bytes().split_at(at);
        assert_eq!(run(&[left, right]), whole, "{text} split at {at}");
    }
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(run(&bytes), whole, "{text} byte by byte");
    whole
}

fn shown(mask: &Mask, text: &str) -> Result<String, Fault> {
    shown_within(mask, text, Limits::default())
}

#[track_caller]
fn is(mask: &Mask, text: &str, expected: &str) {
    assert_eq!(shown(mask, text).as_deref(), Ok(expected), "{text}");
}

#[test]
fn p11_an_object_anywhere_is_what_its_tag_says() {
    let mask = place_tagged(ANYWHERE, "/kind", 0, &cases()).unwrap();
    is(&mask, r#"{"kind":"Patient","ssn":1,"a":2}"#, r#"{"kind":"Patient","a":2}"#);
    is(&mask, r#"{"ssn":1,"a":2,"kind":"Patient"}"#, r#"{"a":2,"kind":"Patient"}"#);
    is(
        &mask,
        r#"[[{"value":1,"x":2,"kind":"Observation"}],7]"#,
        r#"[[{"value":1,"kind":"Observation"}],7]"#,
    );
    // Spelled with escapes, it is the same tag.
    is(&mask, r#"{"ssn":1,"k\u0069nd":"Pat\u0069ent"}"#, r#"{"k\u0069nd":"Pat\u0069ent"}"#);
}

#[test]
fn p11_what_is_called_something_else_is_none_of_them_and_its_parts_are_asked() {
    let mask = patients(ANYWHERE);
    let bundle = r#"{"kind":"Bundle","ssn":0,"entry":[{"ssn":1,"resource":{"ssn":2,"kind":"Patient","in":{"ssn":3}}}]}"#;
    // The entry has no tag, and nothing around it says what it is.
    is(
        &mask,
        bundle,
        r#"{"kind":"Bundle","ssn":0,"entry":[{"resource":{"kind":"Patient","in":{"ssn":3}}}]}"#,
    );
}

#[test]
fn p11_without_a_tag_an_object_shows_what_all_show() {
    let mask = place_tagged(ANYWHERE, "/kind", 0, &cases()).unwrap();
    for text in [
        r#"{"ssn":1,"a":2,"value":3}"#,
        r#"{"ssn":1,"kind":7,"a":2,"value":3}"#,
        r#"{"ssn":1,"kind":null,"a":2,"value":3}"#,
        r#"{"ssn":1,"kind":{"kind":"Patient"},"a":2,"value":3}"#,
        r#"{"ssn":1,"kind":["Patient"],"a":2,"value":3}"#,
        r#"{"ssn":1,"kind":"\ud800","a":2,"value":3}"#,
        r#"{"ssn":1,"Kind":"Patient","a":2,"value":3}"#,
    ] {
        let left = shown(&mask, text).unwrap();
        assert!(
            left.contains(r#""value":3"#) && !left.contains("ssn") && !left.contains("\"a\""),
            "{left}"
        );
    }
}

#[test]
fn p11_a_broken_tag_inside_of_a_known_object_is_judged_by_all() {
    let mask = patients(ANYWHERE);
    is(
        &mask,
        r#"{"kind":"Patient","in":{"ssn":1,"b":2}}"#,
        r#"{"kind":"Patient","in":{"ssn":1,"b":2}}"#,
    );
    is(
        &mask,
        r#"{"kind":"Patient","in":{"ssn":1,"kind":2}}"#,
        r#"{"kind":"Patient","in":{"kind":2}}"#,
    );
}

#[test]
fn p11_a_tag_that_stands_twice_is_a_fault() {
    for pointer in [ANYWHERE, "/data"] {
        let mask = patients(pointer);
        for inner in [
            r#"{"kind":"Patient","ssn":1,"kind":"Patient"}"#,
            r#"{"kind":"Bundle","ssn":1,"\u006bind":"Patient"}"#,
            r#"{"ssn":1,"kind":1,"kind":2}"#,
        ] {
            let found = shown(&mask, &format!(r#"{{"data":{inner}}}"#));
            assert!(matches!(found, Err(Fault::DuplicateKey { .. })), "{inner} {found:?}");
        }
    }
}

#[test]
fn p11_an_object_inside_of_another_passes_only_what_both_show() {
    let mut builder = MaskBuilder::new();
    let card = builder.add(Node {
        types: Types::OBJECT,
        fields: vec![("no".into(), HIDE)],
        ..Node::open()
    });
    let fields = vec![("gone".into(), HIDE), ("card".into(), card)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let outer = Case { value: "Outer".into(), mask: builder.finish(root) };
    let inner = Case { value: "Inner".into(), mask: object(&[("x", HIDE)], SHOW) };
    let mask = place_tagged(ANYWHERE, "/kind", 0, &[outer, inner]).unwrap();
    is(
        &mask,
        r#"{"gone":{"kind":"Inner","y":1},"kind":"Outer","card":{"no":1,"x":2,"y":3,"kind":"Inner"},"e":{"x":1,"kind":"Inner"}}"#,
        r#"{"kind":"Outer","card":{"y":3,"kind":"Inner"},"e":{"kind":"Inner"}}"#,
    );
    // A tag of its own opens nothing that the object around it hides.
    is(
        &mask,
        r#"{"kind":"Outer","card":{"no":1,"kind":"debit"}}"#,
        r#"{"kind":"Outer","card":{"kind":"debit"}}"#,
    );
}

#[test]
fn p11_alternatives_by_tag_stand_under_one_pointer() {
    let mask = place_tagged("/entry/*/resource", "/kind", 0, &cases()).unwrap();
    is(
        &mask,
        r#"{"ssn":0,"entry":[{"ssn":1,"resource":{"ssn":2,"kind":"Patient"}},{"resource":{"kind":"Observation","value":1,"ssn":2}},{"resource":{"kind":"Other","ssn":3}},{"resource":{"ssn":4,"value":5}}]}"#,
        r#"{"ssn":0,"entry":[{"ssn":1,"resource":{"kind":"Patient"}},{"resource":{"kind":"Observation","value":1}},{"resource":{"kind":"Other","ssn":3}},{"resource":{"value":5}}]}"#,
    );
    assert_eq!(shown(&mask, r#"{"entry":7}"#), Err(Fault::Shape));
    assert_eq!(shown(&mask, r#"{"entry":[{"resource":[]}]}"#), Err(Fault::Shape));
    is(&mask, r#"{"entry":[{}]}"#, r#"{"entry":[{}]}"#);
}

#[test]
fn a_tag_may_stand_deeper_in_its_object() {
    let mask = place_tagged("", "/meta/type", 0, &cases()[..1]).unwrap();
    is(
        &mask,
        r#"{"ssn":1,"meta":{"a":1,"type":"Patient"}}"#,
        r#"{"meta":{"a":1,"type":"Patient"}}"#,
    );
    is(
        &mask,
        r#"{"ssn":1,"meta":{"a":1,"type":"Other"}}"#,
        r#"{"ssn":1,"meta":{"a":1,"type":"Other"}}"#,
    );
    for text in [
        r#"{"ssn":1,"meta":{"a":1}}"#,
        r#"{"ssn":1,"meta":"Other"}"#,
        r#"{"ssn":1,"type":"Other"}"#,
    ] {
        assert!(!shown(&mask, text).unwrap().contains("ssn"), "{text}");
    }
    let twice = shown(&mask, r#"{"meta":{"type":"Other"},"meta":{"type":"Patient"}}"#);
    assert!(matches!(twice, Err(Fault::DuplicateKey { .. })));
}

#[test]
fn p11_a_tag_must_be_read_within_the_limit_of_an_object() {
    let mask = patients(ANYWHERE);
    for (length, told) in [(39, true), (40, true), (41, false)] {
        let limits = Limits { object: 40, ..Limits::default() };
        let around = r#"{"ssn":1,"p":"","kind":"Other""#.len();
        let text =
            format!(r#"{{"ssn":1,"p":"{}","kind":"Other","z":0}}"#, "x".repeat(length - around));
        let left = shown_within(&mask, &text, limits).unwrap();
        assert_eq!(left.contains("ssn"), told, "{length}");
    }
    // Without a tag, likewise, and what is inside is asked again.
    let limits = Limits { object: 40, ..Limits::default() };
    let text = format!(
        r#"{{"ssn":1,"l":[{}{{"ssn":2,"kind":"Bundle"}}],"kind":"Bundle"}}"#,
        r#"{"ssn":3},"#.repeat(9)
    );
    let left = shown_within(&mask, &text, limits).unwrap();
    assert_eq!(
        left,
        format!(r#"{{"l":[{}{{"ssn":2,"kind":"Bundle"}}],"kind":"Bundle"}}"#, "{},".repeat(9))
    );
}

#[test]
fn p11_only_what_waits_for_its_tag_is_held() {
    let mask = Arc::new(patients(ANYWHERE));
    let (mut filter, mut out) = (Filter::new(mask, Limits::default()), vec![]);
    filter.push(br#"{"kind":"Bundle","entry":["#, &mut out).unwrap();
    assert_eq!(out, br#"{"kind":"Bundle","entry":["#);
    let (mut most, mut total) = (0, 0);
    for n in 0..20_000 {
        out.clear();
        let comma = if n == 0 { "" } else { "," };
        let row = format!(r#"{comma}{{"ssn":{n},"in":{{"ssn":1}},"kind":"Patient"}}"#);
        filter.push(row.as_bytes(), &mut out).unwrap();
        (most, total) = (most.max(out.capacity()), total + out.len());
    }
    filter.push(b"]}", &mut out).unwrap();
    filter.finish(&mut out).unwrap();
    assert!(total > 600_000 && most < 1024, "{total} {most}");
    assert_eq!(filter.removed(), 20_000);
}

#[test]
fn records_are_asked_one_by_one() {
    let mut filter = Filter::new(Arc::new(patients(ANYWHERE)), Limits::default());
    for (text, expected) in [
        (r#"{"ssn":1,"a":[{"ssn""#, r#"{"#),
        (r#"{"ssn":1,"kind":"Other"}"#, r#"{"ssn":1,"kind":"Other"}"#),
        (r#"{"ssn":1,"x":2"#, ""),
        (r#"{"x":2,"kind":"Patient","ssn":1}"#, r#"{"x":2,"kind":"Patient"}"#),
    ] {
        let mut out = Vec::new();
        filter.restart();
        let whole = filter.push(text.as_bytes(), &mut out).and_then(|()| filter.finish(&mut out));
        assert!(whole.is_err() || String::from_utf8(out).unwrap() == expected, "{text}");
    }
}

#[test]
fn p13_objects_inside_of_objects_are_read_once() {
    // Each tag stands at the end of its object.
    let mask = Arc::new(patients(ANYWHERE));
    let limits = Limits { depth: 512, object: 4 << 20, ..Limits::default() };
    let leaf = format!(r#"{{"ssn":"{}"}}"#, "x".repeat(100_000));
    let deep = (0..500).fold(leaf, |inner, _| format!(r#"{{"in":{inner},"kind":"Patient"}}"#));
    let (mut filter, mut out) = (Filter::new(mask, limits), vec![]);
    for chunk in deep.as_bytes().chunks(1000) {
        filter.push(chunk, &mut out).unwrap();
        assert!(out.is_empty() || filter.offset as usize == deep.len());
    }
    filter.finish(&mut out).unwrap();
    assert_eq!(out, deep.as_bytes());
}

#[test]
fn broken_documents_are_faults_wherever_they_are_cut() {
    let mask = patients(ANYWHERE);
    for text in [
        r#"{"kind":"Patient""#,
        r#"{"kind":"Pat"#,
        r#"{"kind":"Patient"]"#,
        r#"[{"kind":"\x"}]"#,
        r#"{"kind" "Patient"}"#,
        r#"{"a":1}}"#,
        "{\"kind\":\"a\nb\"}",
        r#"{"kind":"Patient"} x"#,
        "",
    ] {
        assert!(shown(&mask, text).is_err(), "{text}");
    }
}

#[test]
fn masks_with_tags_are_joined_by_what_the_tag_says() {
    let anywhere_masks = [patients(ANYWHERE), patients("/a")];
    let text =
        r#"{"kind":"x","a":{"kind":"Patient","ssn":1,"x":2},"b":{"ssn":3,"kind":"Patient"}}"#;
    let plain = place("/a", 1, &object(&[("x", HIDE)], SHOW)).unwrap();
    for mask in &anywhere_masks {
        let both = shown(&intersect(mask, &plain), text).unwrap();
        assert!(!both.contains("\"ssn\":1") && !both.contains("\"x\":2"), "{both}");
        assert_eq!(shown(&intersect(&plain, mask), text).unwrap(), both);
        let either = shown(&union(mask, &plain), text).unwrap();
        assert!(either.contains("\"ssn\":1") && either.contains("\"x\":2"), "{either}");
        assert!(union(mask, &Mask::show()).is_empty());
    }
    is(
        &intersect(&anywhere_masks[0], &anywhere_masks[1]),
        text,
        r#"{"kind":"x","a":{"kind":"Patient","x":2},"b":{"kind":"Patient"}}"#,
    );
    // Of two types that one tag stands for, both must let it pass.
    let other = Case { value: "Patient".into(), mask: object(&[("x", HIDE)], SHOW) };
    let twice = [cases()[0].clone(), other.clone()];
    let one = place_tagged("/a", "/kind", 0, &twice).unwrap();
    let two = place_tagged("/a", "/kind", 0, &[other]).unwrap();
    for mask in [one, intersect(&patients("/a"), &two)] {
        assert!(!shown(&mask, text).unwrap().contains("\"x\":2"));
    }
}

#[test]
fn tags_in_different_members_are_asked_one_after_the_other() {
    let by_type = [Case { value: "T".into(), mask: object(&[("t", HIDE)], SHOW) }];
    let by_kind = [Case { value: "K".into(), mask: object(&[("k", HIDE)], SHOW) }];
    let mask = intersect(
        &place_tagged("", "/type", 0, &by_type).unwrap(),
        &place_tagged("", "/kind", 1, &by_kind).unwrap(),
    );
    is(&mask, r#"{"t":1,"k":2,"kind":"K","type":"T"}"#, r#"{"kind":"K","type":"T"}"#);
    is(&mask, r#"{"t":1,"k":2,"kind":"x","type":"T"}"#, r#"{"k":2,"kind":"x","type":"T"}"#);
    is(&mask, r#"{"t":1,"k":2,"kind":"K","type":"x"}"#, r#"{"t":1,"kind":"K","type":"x"}"#);
    is(&mask, r#"{"t":1,"k":2,"type":"x"}"#, r#"{"t":1,"type":"x"}"#);
}

#[test]
fn hidden_names_are_those_of_all_cases() {
    let (names, unnamed) = hidden_names(&patients(ANYWHERE));
    assert_eq!((names, unnamed), (vec!["ssn".into()], false));
    assert!(hidden_names(&place_tagged("/a", "/kind", 0, &cases()).unwrap()).1);
}

#[test]
fn pointers_to_tags_are_names() {
    let error = |pointer, field| place_tagged(pointer, field, 0, &cases()).unwrap_err();
    assert_eq!(error("", ""), PointerError::NoTag);
    assert_eq!(error("", "/*"), PointerError::NoTag);
    assert_eq!(error("", "kind"), PointerError::NoSlash);
    assert_eq!(error("/a/**", "/kind"), PointerError::AnyDepth);
}

#[test]
fn masks_that_refer_to_themselves_and_many_cases_come_to_an_end() {
    let many: Vec<Case> = (0..40)
        .map(|n| Case { value: format!("k{n}").into(), mask: anywhere([format!("x{n}")]) })
        .collect();
    let mask = place_tagged(ANYWHERE, "/kind", 0, &many).unwrap();
    assert!(mask.len() <= MAX_STATES + 2);
    is(
        &mask,
        r#"{"kind":"k1","x1":1,"x2":{"x1":2,"kind":"k2"},"a":{"x1":3,"x2":4,"kind":"k2"}}"#,
        r#"{"kind":"k1","x2":{"kind":"k2"},"a":{"kind":"k2"}}"#,
    );
}

#[test]
fn p11_an_object_of_a_case_that_applies_already_is_shown_as_that() {
    let case = |value: &str, mask: Mask| Case { value: value.into(), mask };
    let cases = [case("P", anywhere(["x"])), case("O", anywhere(["y"])), case("S", Mask::show())];
    let mask = place_tagged(ANYWHERE, "/is", 0, &cases).unwrap();
    for tag in ["P", "O", "S"] {
        is(
            &mask,
            &format!(
                r#"{{"is":"P","x":1,"c":{{"is":"O","x":1,"y":2,"c":{{"is":"{tag}","x":1,"y":2,"z":3}}}}}}"#
            ),
            &format!(r#"{{"is":"P","c":{{"is":"O","c":{{"is":"{tag}","z":3}}}}}}"#),
        );
    }
}

#[test]
fn p11_a_document_is_read_anew_wherever_the_last_one_stopped() {
    let mask = Arc::new(patients(ANYWHERE));
    let mut filter = Filter::new(mask, Limits::default());
    for half in [r#"{"kind":"#, r#"[{"ssn":1,"kind":"Pat"#, r#"{"a":[{"ssn":1}"#] {
        filter.push(half.as_bytes(), &mut Vec::new()).unwrap();
        filter.restart();
        let mut out = Vec::new();
        filter.push(br#"{"ssn":1,"kind":"Patient","a":2}"#, &mut out).unwrap();
        filter.finish(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"kind":"Patient","a":2}"#, "{half}");
        filter.restart();
    }
}

#[test]
fn p11_a_part_of_a_document_is_what_its_tag_says() {
    let mask = Arc::new(patients("/data/*"));
    let part = |text: &str| {
        let place = Path::parse("/data").unwrap();
        let filter = Filter::inside(mask.clone(), &place, true, Limits::default()).unwrap();
        let mut out = Vec::new();
        filter.shows(text.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(part(r#"{"ssn":1,"kind":"Patient"}"#), r#"{"kind":"Patient"}"#);
    assert_eq!(part(r#"{"ssn":1,"kind":"Other"}"#), r#"{"ssn":1,"kind":"Other"}"#);
    assert_eq!(part(r#"{"ssn":1}"#), "{}");
}
