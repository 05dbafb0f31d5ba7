//! JSON Patch, rule by rule.

use super::*;
use crate::filter::mask::{HIDE, MaskBuilder, Node};
use crate::filter::place::{Entries, place, place_pairs};
use crate::filter::plan::Extra;
use crate::filter::values::{RoleRules, Rule};
use serde_json::{Value, json};
use std::sync::Arc;

mod values;

/// `ssn` is hidden, `pin` can only be written, `id` can only be read; `home` hides its `zip`, `list`
/// has elements with a `key` that is hidden, `tags` texts, and of `pair` the first is hidden.
fn mask(reads: bool) -> Mask {
    let mut builder = MaskBuilder::new();
    let object = |fields: &[(&str, NodeId)]| Node {
        types: Types::OBJECT,
        fields: fields.iter().map(|(name, id)| ((*name).into(), *id)).collect(),
        ..Node::open()
    };
    let text = builder.add(Node { types: Types::STRING, ..Node::open() });
    let home = builder.add(object(&[("zip", HIDE)]));
    let element = builder.add(object(&[("key", HIDE)]));
    let array = |items| Node { types: Types::ARRAY, items, ..Node::open() };
    let (list, tags) = (builder.add(array(element)), builder.add(array(text)));
    let pair = builder.add(array(SHOW));
    builder.extra(pair, Extra { elements: vec![(0, HIDE)], ..Extra::default() });
    let (pin, id) = if reads { (HIDE, SHOW) } else { (SHOW, HIDE) };
    let fields = [
        ("ssn", HIDE),
        ("pin", pin),
        ("id", id),
        ("home", home),
        ("list", list),
        ("tags", tags),
        ("pair", pair),
        ("name", text),
    ];
    let root = builder.add(object(&fields));
    builder.finish(root)
}

fn judge_with(values: &Values, patch: &Value) -> Result<(), WriteFault> {
    let (read, write) = (mask(true), mask(false));
    let sides = Sides { read: &read, write: &write, values };
    check(&sides, patch.to_string().as_bytes(), &Limits::default())
}

fn judge(patch: Value) -> Result<(), WriteFault> {
    judge_with(&Values::new(), &patch)
}

#[track_caller]
fn fields(operation: Value, pointers: &[&str]) {
    let wanted = pointers.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(judge(json!([operation])), Err(WriteFault::Fields(wanted)), "{operation}");
}

#[track_caller]
fn types(operation: Value, pointers: &[&str]) {
    let wanted = pointers.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(judge(json!([operation])), Err(WriteFault::Types(wanted)), "{operation}");
}

#[track_caller]
fn fine(operation: Value) {
    assert_eq!(judge(json!([operation])), Ok(()), "{operation}");
}

#[track_caller]
fn invalid(text: &str) {
    let (read, write, values) = (mask(true), mask(false), Values::new());
    let sides = Sides { read: &read, write: &write, values: &values };
    let judged = check(&sides, text.as_bytes(), &Limits::default());
    assert!(matches!(judged, Err(WriteFault::Invalid(_))), "{text}: {judged:?}");
}

#[test]
fn p10_every_path_needs_write() {
    for path in
        ["/ssn", "/SSN", "/id", "/home/zip", "/home/ZIP", "/home/zip/x", "/list/0/key", "/_method"]
    {
        fields(json!({"op": "add", "path": path, "value": 1}), &["/0/path"]);
        fields(json!({"op": "replace", "path": path, "value": 1}), &["/0/path"]);
        fields(json!({"op": "remove", "path": path}), &["/0/path"]);
        fields(json!({"op": "copy", "from": "/name", "path": path}), &["/0/path"]);
        fields(json!({"op": "move", "from": "/free", "path": path}), &["/0/path"]);
    }
    for path in ["/pin", "/free", "/free/ssn", "/name/", "/home/street", "/list/-/name", "/pair/1"]
    {
        if path != "/name/" {
            fine(json!({"op": "replace", "path": path, "value": 1}));
        }
    }
    fields(json!({"op": "add", "path": "/name/", "value": 1}), &["/0/path"]);
}

#[test]
fn p10_what_is_read_must_be_visible_whole() {
    for from in ["/ssn", "/pin", "/Pin", "/home", "/list", "/list/0", "/pair", "/pair/0", ""] {
        fields(json!({"op": "copy", "from": from, "path": "/free"}), &["/0/from"]);
    }
    for path in ["/ssn", "/pin", "/home", "/list/2", "/pair/0"] {
        let found = judge(json!([{"op": "test", "path": path, "value": {}}]));
        let Err(WriteFault::Fields(found)) = found else { panic!("{path}: {found:?}") };
        assert!(found.contains(&"/0/path".to_owned()), "{path}: {found:?}");
    }
    fine(json!({"op": "copy", "from": "/id", "path": "/free"}));
    fine(json!({"op": "copy", "from": "/home/street", "path": "/free"}));
    fine(json!({"op": "test", "path": "/id", "value": {"any": 1}}));
    // A value of a type that is hidden there tells as much.
    types(json!({"op": "test", "path": "/name", "value": 7}), &["/0/value"]);
}

#[test]
fn p10_a_move_needs_write_at_both_ends() {
    fields(json!({"op": "move", "from": "/id", "path": "/free"}), &["/0/from"]);
    fields(json!({"op": "move", "from": "/free", "path": "/id"}), &["/0/path"]);
    fine(json!({"op": "move", "from": "/free", "path": "/other"}));
    fine(json!({"op": "move", "from": "/tags/2", "path": "/tags/0"}));
}

#[test]
fn p10_replacing_or_removing_what_holds_hidden_parts_is_403() {
    for path in ["", "/home", "/list", "/list/0", "/pair"] {
        let found = judge(json!([{"op": "replace", "path": path, "value": {}}]));
        assert_eq!(found, Err(WriteFault::Fields(vec!["/0/path".into()])), "{path}");
        let found = judge(json!([{"op": "add", "path": path, "value": {}}]));
        let inserted = path == "/list/0";
        assert_eq!(found.is_ok(), inserted, "{path}");
    }
    for path in ["/home", "/list", "/list/0", "/pair"] {
        fields(json!({"op": "remove", "path": path}), &["/0/path"]);
    }
    // Behind it another element would become the one that is hidden, or would no longer be it.
    fields(json!({"op": "remove", "path": "/pair/1"}), &["/0/path"]);
    fields(json!({"op": "add", "path": "/pair/1", "value": 1}), &["/0/path"]);
    fine(json!({"op": "replace", "path": "/pair/1", "value": 1}));
}

#[test]
fn p10_brought_values_are_judged_by_their_place() {
    fields(json!({"op": "add", "path": "/list/-", "value": {"key": 1}}), &["/0/value/key"]);
    fields(json!({"op": "add", "path": "/list/1", "value": {"KEY": 1}}), &["/0/value/KEY"]);
    fine(json!({"op": "add", "path": "/list/-", "value": {"name": 1}}));
    types(json!({"op": "add", "path": "/list/-", "value": 7}), &["/0/value"]);
    types(json!({"op": "add", "path": "/tags", "value": ["a", 1]}), &["/0/value/1"]);
    types(json!({"op": "replace", "path": "/name", "value": null}), &["/0/value"]);
    types(json!({"op": "copy", "from": "/free", "path": "/name"}), &["/0/path"]);
    fine(json!({"op": "copy", "from": "/name", "path": "/tags/0"}));
    types(json!({"op": "copy", "from": "/name", "path": "/tags"}), &["/0/path"]);
    fine(json!({"op": "copy", "from": "/tags/0", "path": "/name"}));
}

#[test]
fn p10_fields_go_before_values_and_every_change_counts() {
    let both = json!([
        {"op": "add", "path": "/name", "value": 7},
        {"op": "add", "path": "/ssn", "value": 7},
        {"op": "remove", "path": "/id"},
    ]);
    assert_eq!(judge(both), Err(WriteFault::Fields(vec!["/1/path".into(), "/2/path".into()])));
    assert_eq!(judge(json!([])), Ok(()));
}

#[test]
fn p10_what_is_no_patch_is_invalid() {
    for text in [
        "{}",
        "7",
        "[7]",
        "[[]]",
        r#"[{"op":"add","path":"/a"}]"#,
        r#"[{"op":"add","value":1}]"#,
        r#"[{"path":"/a","value":1}]"#,
        r#"[{"op":"remove","path":"/a","value":1}]"#,
        r#"[{"op":"add","path":"/a","value":1,"from":"/b"}]"#,
        r#"[{"op":"copy","path":"/a"}]"#,
        r#"[{"op":"move","from":"/a","path":"/a/b"}]"#,
        r#"[{"op":"Add","path":"/a","value":1}]"#,
        r#"[{"op":"merge","path":"/a","value":1}]"#,
        r#"[{"op":7,"path":"/a","value":1}]"#,
        r#"[{"op":"add","path":7,"value":1}]"#,
        r#"[{"op":"add","path":"a","value":1}]"#,
        r#"[{"op":"add","path":"/a~2","value":1}]"#,
        r#"[{"op":"add","path":"/a~","value":1}]"#,
        r#"[{"op":"add","path":"/a\u0000","value":1}]"#,
        r#"[{"op":"add","path":"/a","path":"/b","value":1}]"#,
        r#"[{"op":"add","path":"/a","\u0070ath":"/b","value":1}]"#,
        r#"[{"op":"add","path":"/a","Path":"/b","value":1}]"#,
        r#"[{"op":"add","path":"/a","value":1,"comment":1}]"#,
        r#"[{"op":"add","path":"/a","value":{"b":1,"b":2}}]"#,
        r#"[{"op":"add","path":"/tags/00","value":"x"}]"#,
        r#"[{"op":"add","path":"/tags/01","value":"x"}]"#,
        r#"[{"op":"add","path":"/tags/9999999999","value":"x"}]"#,
        r#"[{"op":"test","path":"/a","value":1}"#,
    ] {
        invalid(text);
    }
    // Of an object nobody doubts what `01` is.
    fine(json!({"op": "add", "path": "/home/01", "value": 1}));
    fine(json!({"op": "add", "path": "/tags/999999999", "value": "x"}));
}

#[test]
fn p10_pointers_are_decoded_in_order() {
    let mut builder = MaskBuilder::new();
    let fields = ["a/b", "m~n", "~1", ""].map(|name| (Arc::from(name), HIDE)).to_vec();
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let (mask, values) = (builder.finish(root), Values::new());
    let sides = Sides { read: &Mask::show(), write: &mask, values: &values };
    for (path, passes) in [
        ("/a~1b", false),
        ("/m~0n", false),
        ("/~01", false),
        ("/", false),
        ("/a~0b", true),
        ("/~10", true),
    ] {
        let patch = json!([{"op": "add", "path": path, "value": 1}]).to_string();
        assert_eq!(check(&sides, patch.as_bytes(), &Limits::default()).is_ok(), passes, "{path}");
    }
}

/// In a list of pairs nobody knows which property an element names.
#[test]
fn p10_pairs_are_added_and_never_changed_in_place() {
    let mut builder = MaskBuilder::new();
    let fields = vec![("secret".into(), HIDE)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let entries = Entries::new("/key", "/value").unwrap();
    let write = place_pairs("/fields", &entries, 0, &builder.finish(root)).unwrap();
    let mut values = Values::new();
    let rule = Rule::new(&json!({"properties": {"size": {"maximum": 9}}}), false).unwrap();
    let role = RoleRules { mask: write.clone(), rules: vec![Arc::new(rule)] };
    values.add("/fields", Some(&entries), vec![role]).unwrap();
    let sides = Sides { read: &Mask::show(), write: &write, values: &values };
    let judge = |operation: Value| {
        check(&sides, json!([operation]).to_string().as_bytes(), &Limits::default())
    };
    let add = |key: &str, value: i32| json!({"op": "add", "path": "/fields/-", "value": {"key": key, "value": value}});
    assert_eq!(judge(add("size", 9)), Ok(()));
    assert_eq!(judge(add("secret", 9)), Err(WriteFault::Fields(vec!["/0/value/key".into()])));
    assert_eq!(judge(add("size", 10)), Err(WriteFault::Types(vec!["/0/value/key".into()])));
    for operation in [
        json!({"op": "replace", "path": "/fields/0/value", "value": 1}),
        json!({"op": "replace", "path": "/fields/0", "value": {"key": "size", "value": 1}}),
        json!({"op": "remove", "path": "/fields/0"}),
        json!({"op": "replace", "path": "/fields", "value": []}),
    ] {
        let told = format!("{operation}");
        assert!(matches!(judge(operation), Err(WriteFault::Fields(_))), "{told}");
    }
}

#[test]
fn p10_values_are_judged_where_they_come_to() {
    let rule = Rule::new(
        &json!({
            "required": ["name"],
            "properties": {
                "name": {"minLength": 2},
                "tags": {"maxItems": 2, "items": {"maxLength": 3}},
                "set": {"uniqueItems": true},
            },
            "additionalProperties": {"properties": {"size": {"maximum": 9}}, "required": ["size"]},
        }),
        false,
    );
    let role = RoleRules { mask: mask(false), rules: vec![Arc::new(rule.unwrap())] };
    let mut values = Values::new();
    values.add("", None, vec![role]).unwrap();
    let pass = |operation| judge_with(&values, &json!([operation]));
    let fault = |pointer: &str| Err(WriteFault::Types(vec![pointer.to_owned()]));
    let put = |path: &str, value: Value| json!({"op": "replace", "path": path, "value": value});
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    assert_eq!(pass(put("/name", json!("ab"))), Ok(()));
    assert_eq!(pass(put("/name", json!("a"))), fault("/0/value"));
    assert_eq!(pass(json!({"op": "remove", "path": "/name"})), fault("/0/path"));
    assert_eq!(pass(put("/tags/1", json!("abc"))), Ok(()));
    assert_eq!(pass(put("/tags/1", json!("abcd"))), fault("/0/value"));
    assert_eq!(pass(add("/tags/-", json!("abc"))), fault("/0/path"), "it may be the third");
    assert_eq!(pass(put("/tags", json!(["a", "abcd"]))), fault("/0/value/1"));
    assert_eq!(pass(put("/set/0", json!(1))), fault("/0/path"), "another may be like it");
    assert_eq!(pass(add("/free", json!({"size": 9}))), Ok(()));
    assert_eq!(pass(add("/free", json!({}))), fault("/0/value"));
    assert_eq!(pass(add("/free/size", json!(10))), fault("/0/value"));
    assert_eq!(pass(add("/free/other", json!(10))), Ok(()));
    assert_eq!(pass(json!({"op": "remove", "path": "/free/size"})), fault("/0/path"));
    assert_eq!(pass(json!({"op": "copy", "from": "/id", "path": "/free/size"})), fault("/0/path"));
    assert_eq!(pass(json!({"op": "copy", "from": "/id", "path": "/free/other"})), Ok(()));
    assert_eq!(pass(json!({"op": "move", "from": "/tags/1", "path": "/tags/0"})), Ok(()));
    assert_eq!(pass(json!({"op": "copy", "from": "/tags/1", "path": "/tags/0"})), fault("/0/path"));
}

#[test]
fn p10_operations_are_counted() {
    for (count, fits) in [(999, true), (1_000, true), (1_001, false)] {
        let one = json!({"op": "add", "path": "/free", "value": 1});
        assert_eq!(judge(vec![one; count].into()).is_ok(), fits, "{count}");
    }
    assert_eq!(MOST_OPERATIONS, 1_000);
}

/// A value is as deep as the place that it comes to.
#[test]
fn p10_depth_counts_the_way() {
    for (steps, fits) in [(62, true), (63, true), (64, false)] {
        let path = "/free".repeat(steps);
        let patch = json!([{"op": "add", "path": path, "value": [1]}]);
        assert_eq!(judge(patch).is_ok(), fits, "{steps}");
    }
}

#[test]
fn what_a_patch_leaves_as_it_is() {
    let owner = Path::parse("/items/*/owner").unwrap();
    let leaves = |operation: Value| {
        leaves(json!([operation]).to_string().as_bytes(), &owner, &Limits::default()).unwrap()
    };
    for path in ["", "/items", "/items/3", "/items/3/owner", "/items/x/OWNER/name"] {
        assert!(!leaves(json!({"op": "add", "path": path, "value": 1})), "{path}");
        assert!(!leaves(json!({"op": "remove", "path": path})), "{path}");
        assert!(leaves(json!({"op": "test", "path": path, "value": 1})), "{path}");
        assert!(leaves(json!({"op": "copy", "from": path, "path": "/x"})), "{path}");
    }
    assert!(!leaves(json!({"op": "move", "from": "/items/3/owner", "path": "/x"})));
    assert!(leaves(json!({"op": "add", "path": "/items/3/name", "value": 1})));
}

/// An element of `/data` is an object of the type; what the list itself is, nothing limits.
#[test]
fn p10_places_lead_through_lists() {
    let (read, write) = (mask(true), mask(false));
    let at = |mask: &Mask| place("/data/*", 0, mask).unwrap();
    let (read, write, values) = (at(&read), at(&write), Values::new());
    let sides = Sides { read: &read, write: &write, values: &values };
    let judge = |operation: Value| {
        check(&sides, json!([operation]).to_string().as_bytes(), &Limits::default())
    };
    for (path, value, passes) in [
        ("/data/3/name", json!("x"), true),
        ("/data/3/ssn", json!("x"), false),
        // `*` may mean the members of an object, and one of them is called `-`.
        ("/data/-", json!({"name": "x"}), false),
        ("/total", json!(1), true),
    ] {
        assert_eq!(
            judge(json!({"op": "add", "path": path, "value": value})).is_ok(),
            passes,
            "{path}"
        );
    }
}

#[test]
fn p10_elements_whose_place_matters_to_one_side_are_not_shifted() {
    let (read, show, values) = (mask(true), Mask::show(), Values::new());
    for (read, write) in [(&read, &show), (&show, &read)] {
        let sides = Sides { read, write, values: &values };
        let judge = |operation: Value| {
            check(&sides, json!([operation]).to_string().as_bytes(), &Limits::default())
        };
        for operation in [
            json!({"op": "add", "path": "/pair/1", "value": 1}),
            json!({"op": "remove", "path": "/pair/1"}),
        ] {
            let told = format!("{operation}");
            let wanted = Err(WriteFault::Fields(vec!["/0/path".into()]));
            assert_eq!(judge(operation), wanted, "{told}");
        }
        assert_eq!(judge(json!({"op": "replace", "path": "/pair/1", "value": 1})), Ok(()));
    }
}

#[test]
fn p10_in_a_list_there_are_only_elements() {
    for path in ["/tags/x", "/tags/", "/tags/x/y"] {
        fields(json!({"op": "add", "path": path, "value": "a"}), &["/0/path"]);
    }
    invalid(r#"[{"op": "add", "path": "/tags/01", "value": "a"}]"#);
    let mut builder = MaskBuilder::new();
    let either = builder.add(Node { types: Types::CONTAINER, ..Node::open() });
    let none = builder.add(Node { types: Types::NONE, ..Node::open() });
    let root = vec![("either".into(), either), ("none".into(), none)];
    let root = builder.add(Node { types: Types::OBJECT, fields: root, ..Node::open() });
    let (mask, values) = (builder.finish(root), Values::new());
    let sides = Sides { read: &mask, write: &mask, values: &values };
    let judge = |patch: Value| check(&sides, patch.to_string().as_bytes(), &Limits::default());
    assert_eq!(judge(json!([{"op": "add", "path": "/either/x", "value": 1}])), Ok(()));
    assert_eq!(judge(json!([{"op": "move", "from": "/either", "path": "/either"}])), Ok(()));
    for op in ["add", "replace"] {
        let told = judge(json!([{"op": op, "path": "/none", "value": 1}]));
        assert_eq!(told, Err(WriteFault::Fields(vec!["/0/path".into()])), "of no type");
    }
    assert!(judge(json!([{"op": "move", "from": "/either", "path": "/either/x"}])).is_err());
}
