//! Lists of pairs, and values that become `null`, at every split of the input.

use crate::filter::algebra::intersect;
use crate::filter::mask::{HIDE, Mask, MaskBuilder, Node, NodeId, SHOW, Types};
use crate::filter::place::{Entries, place, place_pairs};
use crate::filter::plan::{Extra, Patterns};
use crate::filter::values::NamePattern;
use crate::filter::{Fault, Filter, Limits};
use std::sync::Arc;

fn run(mask: &Arc<Mask>, limits: Limits, chunks: &[&[u8]]) -> Result<Vec<u8>, Fault> {
    let (mut filter, mut out) = (Filter::new(mask.clone(), limits), Vec::new());
    for chunk in chunks {
        filter.push(chunk, &mut out)?;
    }
    filter.finish(&mut out)?;
    Ok(out)
}

/// The one answer of all splits in two.
fn with(mask: &Mask, limits: Limits, text: &str) -> Result<String, Fault> {
    let (mask, text) = (Arc::new(mask.clone()), text.as_bytes());
    let whole = run(&mask, limits, &[text]);
    for at in 0..text.len().min(400) {
        let (left, right) = text.split_at(at);
        let cut = run(&mask, limits, &[left, right]);
        assert_eq!(cut.as_ref().ok(), whole.as_ref().ok(), "cut at {at}: {cut:?} {whole:?}");
    }
    whole.map(|out| String::from_utf8(out).unwrap())
}

fn filter(mask: &Mask, text: &str) -> Result<String, Fault> {
    with(mask, Limits::default(), text)
}

/// A number `t`, an object `o` without its `x`, a whole `w`; nothing else.
fn object() -> Mask {
    let mut builder = MaskBuilder::new();
    let number = builder.add(Node { types: Types::INTEGER, ..Node::open() });
    let fields = vec![("x".into(), HIDE)];
    let inner = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let fields =
        vec![("t".into(), number), ("o".into(), inner), ("w".into(), SHOW), ("h".into(), HIDE)];
    let root = builder.add(Node { types: Types::OBJECT, fields, others: HIDE, ..Node::open() });
    builder.finish(root)
}

fn list() -> Mask {
    place_pairs("", &Entries::new("/key", "/value").unwrap(), 0, &object()).unwrap()
}

#[test]
fn a_pair_is_shown_as_the_property_that_it_names() {
    for (text, shown) in [
        (r#"[{"key":"t","value":1}]"#, r#"[{"key":"t","value":1}]"#),
        (r#"[{"value":1,"key":"t"} , {"key":"s","value":2}]"#, r#"[{"value":1,"key":"t"} ]"#),
        (r#"[{"key":"h","value":1},{"key":"w","value":[2]}]"#, r#"[{"key":"w","value":[2]}]"#),
        (r#"[{"key":"t","value":1.5},{"key":"t2","value":1}]"#, "[]"),
        (
            r#"[ { "key" : "o", "value" : {"x":1, "y" : 2} , "at":3 } ]"#,
            r#"[ { "key" : "o", "value" : { "y" : 2} , "at":3 } ]"#,
        ),
        (r#"[{"k\u0065y":"\u0074","value":10e-1}]"#, r#"[{"k\u0065y":"\u0074","value":10e-1}]"#),
        (r#"[{"key":"t"},{"key":"o"}]"#, r#"[{"key":"t"},{"key":"o"}]"#),
        ("[]", "[]"),
    ] {
        assert_eq!(filter(&list(), text).as_deref(), Ok(shown), "{text}");
    }
}

#[test]
fn p11_what_is_no_pair_is_hidden() {
    let text = r#"[7,"t",null,["t"],{},{"value":1},{"key":7,"value":1},{"key":null},{"KEY":"t","value":1},{"key":"t","VALUE":"CANARY"}]"#;
    assert_eq!(filter(&list(), text).as_deref(), Ok("[]"));
    for text in ["{}", r#"{"key":"t","value":1}"#, "7"] {
        assert_eq!(filter(&list(), text), Err(Fault::Shape), "{text}");
    }
}

#[test]
fn p11_a_property_that_two_pairs_name_is_a_fault_where_the_mask_names_it() {
    for text in [
        r#"[{"key":"t","value":1},{"key":"t","value":2}]"#,
        r#"[{"key":"h"},{"key":"w"},{"key":"\u0068"}]"#,
    ] {
        assert_eq!(filter(&list(), text), Err(Fault::DuplicatePair), "{text}");
    }
    let twice = r#"[{"key":"t","key":"h","value":1}]"#;
    assert!(matches!(filter(&list(), twice), Err(Fault::DuplicateKey { .. })));
    let twice = r#"[{"key":"t","value":1,"value":"CANARY"}]"#;
    assert!(matches!(filter(&list(), twice), Err(Fault::DuplicateKey { .. })));
    assert_eq!(filter(&list(), r#"[{"key":"z"},{"key":"z"}]"#).as_deref(), Ok("[]"));
}

#[test]
fn p11_a_pair_on_hold_has_a_limit() {
    for (length, fits) in [(99, true), (100, true), (101, false)] {
        let limits = Limits { object: 100, ..Limits::default() };
        let pair = format!(r#"{{"key":"w","value":"{}"}}"#, "x".repeat(length - 22));
        assert_eq!(pair.len(), length);
        let result =
            with(&list(), limits, &format!("[{pair},{pair}]").replacen("\"w\"", "\"h\"", 1));
        assert_eq!(result, if fits { Ok(format!("[{pair}]")) } else { result.clone() });
        assert_eq!(matches!(result, Err(Fault::ObjectTooLong { .. })), !fits, "{length}");
    }
}

#[test]
fn the_grammar_of_pairs_is_checked_in_hidden_ones_too() {
    for text in
        [r#"[{"key":"h","value":01}]"#, r#"[{"key":"h",}]"#, r#"[{"key":"h"]"#, r#"[{"key":"h"}"#]
    {
        assert!(filter(&list(), text).is_err(), "{text}");
    }
    let deep = |depth: usize| {
        format!(r#"[{{"key":"w","value":{}{}}}]"#, "[".repeat(depth), "]".repeat(depth))
    };
    for (depth, fits) in [(61, true), (62, true), (63, false)] {
        assert_eq!(filter(&list(), &deep(depth)).is_ok(), fits, "{depth}");
    }
}

#[test]
fn pointers_lead_into_pairs() {
    let mut filter = Filter::recording(Arc::new(list()), Limits::default());
    let text =
        r#"[{"key":"h","value":1},{"value":{"x":{"a":1},"y":1},"key":"o"},{"key":"t","value":1}]"#;
    let mut out = Vec::new();
    filter.push(text.as_bytes(), &mut out).unwrap();
    filter.finish(&mut out).unwrap();
    assert_eq!(filter.pointers(), ["/0", "/1/value/x"]);
    assert_eq!(filter.removed(), 2);
}

/// `a` and every element become `null`; `b` goes.
fn nulls() -> Mask {
    let mut builder = MaskBuilder::new();
    let null = |types| Node { types, others: HIDE, items: HIDE, ..Node::open() };
    let gone = builder.add(null(Types::NONE));
    let number = builder.add(Node { types: Types::INTEGER, ..Node::open() });
    for id in [gone, number] {
        builder.extra(id, Extra { nulls: true, ..Extra::default() });
    }
    let fields: Vec<(Arc<str>, NodeId)> =
        vec![("a".into(), gone), ("b".into(), HIDE), ("n".into(), number)];
    let root = builder.add(Node { types: Types::CONTAINER, fields, items: number, ..Node::open() });
    builder.finish(root)
}

#[test]
fn what_does_not_pass_becomes_null_where_the_mask_says_so() {
    for (text, shown) in [
        (r#"{"a":"x"}"#, r#"{"a":null}"#),
        (r#"{ "a" : {"x":[1]} , "c":1 }"#, r#"{ "a" : null , "c":1 }"#),
        (r#"{"b":1,"a":[2],"b2":3}"#, r#"{"a":null,"b2":3}"#),
        (r#"{"c":0,"a":123,"n":1.5,"m":1}"#, r#"{"c":0,"a":null,"n":null,"m":1}"#),
        (r#"{"a":true,"b":1}"#, r#"{"a":null}"#),
        (r#"[1,"x",2.5,{"y":1} ,[], 3]"#, "[1,null,null,null ,null, 3]"),
        (r#"{"n":15e-1}"#, r#"{"n":null}"#),
    ] {
        assert_eq!(filter(&nulls(), text).as_deref(), Ok(shown), "{text}");
    }
    for text in [r#"{"a":01}"#, r#"{"a":{"x"}}"#, r#"{"a":1,"a":2}"#] {
        assert!(filter(&nulls(), text).is_err(), "{text}");
    }
}

#[test]
fn p11_other_rules_speak_of_a_pairs_own_members() {
    let of = |fields: &[(&str, NodeId)], others: NodeId, shape: Option<&str>| {
        let mut builder = MaskBuilder::new();
        let fields = fields.iter().map(|(name, id)| ((*name).into(), *id)).collect();
        let root = builder.add(Node { types: Types::OBJECT, fields, others, ..Node::open() });
        if let Some(shape) = shape {
            let names = vec![NamePattern::new(shape).unwrap()];
            let patterns = Patterns { names, table: vec![SHOW, HIDE] };
            builder.extra(root, Extra { patterns, ..Extra::default() });
        }
        place("/*", 1, &builder.finish(root)).unwrap()
    };
    let text = r#"[{"key":"w","value":1,"note":2,"by":3}]"#;
    let is = |other: Mask, shown: &str| {
        assert_eq!(filter(&intersect(&list(), &other), text).as_deref(), Ok(shown));
    };
    is(of(&[], SHOW, None), text);
    is(of(&[("note", HIDE)], SHOW, None), r#"[{"key":"w","value":1,"by":3}]"#);
    is(of(&[("key", SHOW), ("value", SHOW)], HIDE, None), r#"[{"key":"w","value":1}]"#);
    is(of(&[("key", SHOW), ("note", HIDE)], HIDE, None), r#"[{"key":"w"}]"#);
    is(of(&[], SHOW, Some("^n")), r#"[{"key":"w","value":1,"by":3}]"#);
}

#[test]
fn p11_pairs_are_told_apart_among_many_names_and_by_each_rule() {
    let mut builder = MaskBuilder::new();
    let names: Vec<String> = (0..200).map(|n| format!("n{n}")).collect();
    let fields = names.iter().map(|name| (name.as_str().into(), SHOW)).collect();
    let root = builder.add(Node { types: Types::OBJECT, fields, others: HIDE, ..Node::open() });
    let inner = builder.finish(root);
    let by = |key: &str| place_pairs("", &Entries::new(key, "/v").unwrap(), 0, &inner).unwrap();
    let both = intersect(&by("/k"), &by("/l"));
    let list = |pairs: &mut dyn Iterator<Item = (&String, &String)>| {
        let pairs: Vec<_> =
            pairs.map(|(k, l)| format!(r#"{{"k":"{k}","l":"{l}","v":1}}"#)).collect();
        format!("[{}]", pairs.join(","))
    };
    let all = list(&mut names.iter().zip(names.iter().rev()));
    let whole = run(&Arc::new(both.clone()), Limits::default(), &[all.as_bytes()]);
    assert_eq!(whole.map(|out| String::from_utf8(out).unwrap()), Ok(all));
    for (k, l) in [((0, 0), (1, 2)), ((199, 199), (1, 2)), ((1, 2), (0, 0)), ((1, 2), (130, 130))] {
        let pairs = [(&names[k.0], &names[l.0]), (&names[k.1], &names[l.1])];
        assert_eq!(filter(&both, &list(&mut pairs.into_iter())), Err(Fault::DuplicatePair));
    }
}

#[test]
fn what_is_in_a_pair_has_the_limits_of_its_document() {
    let limits = Limits { depth: 200, key: 20_000, ..Limits::default() };
    let (open, close, key) = ("[".repeat(100), "]".repeat(100), "k".repeat(10_000));
    let text = format!(r#"[{{"key":"o","value":{{"y":{open}{close},"{key}":1}}}}]"#);
    let shown = run(&Arc::new(list()), limits, &[text.as_bytes()]).unwrap();
    assert_eq!(shown, text.as_bytes());
}

#[test]
fn what_goes_of_pairs_is_counted_and_told() {
    let mask = Arc::new(
        place_pairs("", &Entries::new("/key", "/in/value").unwrap(), 0, &nulls_of()).unwrap(),
    );
    let mut filter = Filter::recording(mask, Limits::default());
    let text =
        br#"[{"key":"n","in":{"value":"x"}},{"key":"o","in":{"value":{"x":1}}},{"key":"h"}]"#;
    let mut out = Vec::new();
    filter.push(text, &mut out).unwrap();
    filter.finish(&mut out).unwrap();
    let shown = r#"[{"key":"n","in":{"value":null}},{"key":"o","in":{"value":{}}}]"#;
    assert_eq!(String::from_utf8(out).unwrap(), shown);
    assert_eq!(filter.pointers(), ["/0/in/value", "/1/in/value/x", "/2"]);
    assert_eq!(filter.removed(), 3);
}

/// A number `n` that becomes `null`, an object `o` without its `x`; `h` is hidden.
fn nulls_of() -> Mask {
    let mut builder = MaskBuilder::new();
    let number = builder.add(Node { types: Types::NUMBER, ..Node::open() });
    builder.extra(number, Extra { nulls: true, ..Extra::default() });
    let fields = vec![("x".into(), HIDE)];
    let inner = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let fields = vec![("n".into(), number), ("o".into(), inner), ("h".into(), HIDE)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    builder.finish(root)
}

#[test]
fn p11_pairs_among_a_pairs_own_members_are_judged() {
    let sub = Entries::new("/key", "/value").unwrap();
    let mask = intersect(&list(), &place_pairs("/*/sub", &sub, 1, &object()).unwrap());
    let text = r#"[{"key":"w","value":1,"sub":[{"key":"h","value":2},{"key":"t","value":3}]}]"#;
    let shown = r#"[{"key":"w","value":1,"sub":[{"key":"t","value":3}]}]"#;
    assert_eq!(filter(&mask, text).as_deref(), Ok(shown));
}
