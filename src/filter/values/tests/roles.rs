//! Values of which two roles speak, each of its own types.

use super::*;
use crate::filter::changes::{Sides, check};
use crate::filter::plan::Extra;
use crate::filter::write::WriteFault;

/// One role writes `n` as an integer up to 10, `l` as a list of those, the other both as texts of two
/// characters or more. To both `t` is a text, `o` an object of two members, and `d` a container; `c` is
/// one whose member `0` is a text, and whose elements are integers; of `p` the second element is a text.
fn roles() -> Values {
    let role_of = |types: Types, value: Value| {
        let mut builder = MaskBuilder::new();
        let of = |types| Node { types, ..Node::open() };
        let n = builder.add(of(types));
        let l = builder.add(Node { items: n, ..of(Types::ARRAY) });
        let t = builder.add(of(Types::STRING));
        let integer = builder.add(of(Types::INTEGER));
        let fields = vec![("0".into(), t)];
        let c = builder.add(Node { fields, items: integer, ..of(Types::CONTAINER) });
        let (o, d) = (builder.add(of(Types::OBJECT)), builder.add(of(Types::CONTAINER)));
        let p = builder.add(Node { items: integer, ..of(Types::ARRAY) });
        builder.extra(p, Extra { elements: vec![(1, t)], ..Extra::default() });
        let fields = [("p", p), ("n", n), ("l", l), ("t", t), ("o", o), ("c", c), ("d", d)];
        let fields = fields.map(|(name, id)| (name.into(), id)).to_vec();
        let root = builder.add(Node { fields, ..of(Types::OBJECT) });
        let schema = json!({"properties": {
            "n": value, "l": {"items": value}, "o": {"minProperties": 2},
            "w": {"const": {"a": 1}},
        }});
        role(builder.finish(root), &[schema])
    };
    let numbers = role_of(Types::INTEGER, json!({"maximum": 10}));
    values("", vec![numbers, role_of(Types::STRING, json!({"minLength": 2}))])
}

#[test]
fn p09_a_value_is_valid_under_a_role_that_takes_its_type() {
    for (body, at_fault) in [
        (r#"{"n":5,"l":[5,"ab"]}"#, &[][..]),
        (r#"{"n":5.0}"#, &[]),
        (r#"{"n":"ab"}"#, &[]),
        (r#"{"n":11}"#, &["/n"]),
        (r#"{"n":5.5}"#, &["/n"]),
        (r#"{"n":"a"}"#, &["/n"]),
        (r#"{"n":null}"#, &["/n"]),
        (r#"{"n":true}"#, &["/n"]),
        (r#"{"l":[5,11,"a"]}"#, &["/l/1", "/l/2"]),
        (r#"{"o":{"a":1}}"#, &["/o"]),
        (r#"{"o":{"a":1,"b":2}}"#, &[]),
        // What is at fault as a whole is told once.
        (r#"{"w":{"a":2,"b":{"c":3}}}"#, &["/w"]),
    ] {
        assert_eq!(judge(&roles(), body, Patch::No), at_fault, "{body}");
    }
    for (body, at_fault) in [
        (r#"{"n":null,"l":null}"#, &[][..]),
        (r#"{"n":true}"#, &["/n"]),
        (r#"{"l":[null]}"#, &["/l/0"]),
    ] {
        assert_eq!(judge(&roles(), body, Patch::Merge), at_fault, "{body}");
    }
}

#[test]
fn p09_a_change_is_valid_under_a_role_that_takes_its_type() {
    let (show, values) = (Mask::show(), roles());
    let sides = Sides { read: &show, write: &show, values: &values };
    let judge = |operation: Value| {
        let patch = json!([operation]).to_string();
        check(&sides, patch.as_bytes(), &Limits::default())
    };
    for (path, value, passes) in [
        ("/n", json!(5), true),
        ("/n", json!("ab"), true),
        ("/n", json!(11), false),
        ("/n", json!("a"), false),
        ("/n", json!(true), false),
        ("/l/0", json!(5), true),
        ("/l/0", json!(11), false),
        ("/l/x", json!(5), false),
        ("/d/0", json!(5), true),
        ("/d/x", json!(5), true),
        ("/p/0", json!(5), true),
        ("/p/0", json!("x"), false),
        ("/p/1", json!("x"), true),
        ("/p/1", json!(5), false),
        // It may be a member or an element.
        ("/c/0", json!("x"), false),
        ("/c/0", json!(5), false),
        ("/c/1", json!("x"), false),
        ("/c/x", json!("x"), true),
    ] {
        let judged = judge(json!({"op": "replace", "path": path, "value": value}));
        assert_eq!(judged.is_ok(), passes, "{path} {value}: {judged:?}");
    }
    assert_eq!(judge(json!({"op": "remove", "path": "/t"})), Ok(()));
    let fault = Err(WriteFault::Types(vec!["/0/path".to_owned()]));
    assert_eq!(judge(json!({"op": "copy", "from": "/x", "path": "/t"})), fault);
    assert_eq!(judge(json!({"op": "copy", "from": "/x", "path": "/y"})), Ok(()));
}

#[test]
fn p10_what_nobody_knows_does_not_come_where_objects_are_judged() {
    let rule = of(json!({"maximum": 9}));
    let show = Mask::show();
    let copied = |values: &Values, path: &str| {
        let sides = Sides { read: &show, write: &show, values };
        let patch = json!([{"op": "copy", "from": "/x", "path": path}]).to_string();
        check(&sides, patch.as_bytes(), &Limits::default())
    };
    let fault = Err(WriteFault::Types(vec!["/0/path".to_owned()]));
    let places = values("/data/*", vec![role(open(), std::slice::from_ref(&rule))]);
    for path in ["/data", "/data/3", "/data/x", "/data/3/n"] {
        assert_eq!(copied(&places, path), fault, "{path}");
    }
    assert_eq!(copied(&places, "/other"), Ok(()));
    let entries = Entries::new("/key", "/value").unwrap();
    let mut pairs = Values::new();
    pairs.add("/f", Some(&entries), vec![role(open(), &[rule])]).unwrap();
    assert_eq!(copied(&pairs, "/f"), fault);
    assert_eq!(copied(&pairs, "/g"), Ok(()));
}

#[test]
fn what_is_no_object_is_not_judged_as_one() {
    let places = values("/a", vec![role(open(), &[json!({"minLength": 5, "minItems": 5})])]);
    for body in [r#"{"a":"x"}"#, r#"{"a":[1]}"#, r#"{"a":7}"#, r#"{"a":{}}"#] {
        assert_eq!(judge(&places, body, Patch::No), [""; 0], "{body}");
    }
}

#[test]
fn a_fault_inside_of_a_pair_is_told_at_its_key() {
    let entries = Entries::new("/key", "/value").unwrap();
    let rule = json!({"properties": {"o": {"properties": {"n": {"maximum": 9}}}}});
    let mut values = Values::new();
    values.add("", Some(&entries), vec![role(open(), &[rule])]).unwrap();
    let body = r#"[{"key":"a","value":1},{"key":"o","value":{"n":10}}]"#;
    assert_eq!(judge(&values, body, Patch::No), ["/1/key"]);
}
