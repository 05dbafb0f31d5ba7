//! What a change does to the values of an object that nobody here has seen.

use super::*;
use crate::filter::anywhere::ANYWHERE;
use crate::filter::values::Tagged;

/// Two lists of texts, of which the second has two at most, and an object that must have a `size`.
#[test]
fn p10_only_a_move_within_one_list_leaves_it_as_large_as_it_was() {
    let mut builder = MaskBuilder::new();
    let text = builder.add(Node { types: Types::STRING, ..Node::open() });
    let list = builder.add(Node { types: Types::ARRAY, items: text, ..Node::open() });
    let fields = vec![("a".into(), list), ("b".into(), list)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let mask = builder.finish(root);
    let rule = json!({"properties": {"b": {"maxItems": 2}, "o": {"required": ["size"]}}});
    let role =
        RoleRules { mask: mask.clone(), rules: vec![Arc::new(Rule::new(&rule, false).unwrap())] };
    let mut values = Values::new();
    values.add("", None, vec![role]).unwrap();
    let sides = Sides { read: &mask, write: &mask, values: &values };
    let moved = |from: &str, path: &str| {
        let patch = json!([{"op": "move", "from": from, "path": path}]);
        check(&sides, patch.to_string().as_bytes(), &Limits::default())
    };
    let fault = |pointer: &str| Err(WriteFault::Types(vec![pointer.to_owned()]));
    assert_eq!(moved("/b/1", "/b/0"), Ok(()));
    assert_eq!(moved("/b/0", "/a/0"), fault("/0/from"));
    assert_eq!(moved("/a/0", "/b/0"), fault("/0/path"));
    assert_eq!(moved("/o/size", "/o/other"), fault("/0/from"));
    assert_eq!(moved("/o/size", "/x"), fault("/0/from"));
}

#[test]
fn p10_a_value_that_nobody_knows_goes_only_where_every_such_value_may_be() {
    let mut builder = MaskBuilder::new();
    let of = |types: Types| Node { types, ..Node::open() };
    let text = builder.add(of(Types::STRING));
    let (object, list) = (builder.add(of(Types::OBJECT)), builder.add(of(Types::ARRAY)));
    let fields = vec![("a".into(), text)];
    let patterns = builder.add(of(Types::OBJECT));
    let folded = vec![("a".into(), text)];
    builder.extra(patterns, Extra { folded, ..Extra::default() });
    let targets = [
        ("object", builder.add(of(Types::OBJECT))),
        ("list", builder.add(of(Types::ARRAY))),
        ("text", builder.add(of(Types::STRING))),
        ("fields", builder.add(Node { fields, ..of(Types::OBJECT) })),
        ("others", builder.add(Node { others: text, ..of(Types::OBJECT) })),
        ("items", builder.add(Node { items: text, ..of(Types::ARRAY) })),
        ("named", patterns),
    ];
    let sources = [("from_object", object), ("from_list", list), ("from_text", text)];
    let fields = targets.into_iter().chain(sources).map(|(name, id)| (name.into(), id)).collect();
    let root = builder.add(Node { fields, ..of(Types::OBJECT) });
    let (mask, values) = (builder.finish(root), Values::new());
    let sides = Sides { read: &mask, write: &mask, values: &values };
    let copied = |from: &str, path: &str| {
        let patch =
            json!([{"op": "copy", "from": format!("/from_{from}"), "path": format!("/{path}")}]);
        check(&sides, patch.to_string().as_bytes(), &Limits::default())
    };
    for (from, takes) in
        [("object", ["object", "x"]), ("list", ["list", "x"]), ("text", ["text", "x"])]
    {
        for (path, _) in targets.iter().chain(&[("x", SHOW)]) {
            let wanted = match takes.contains(path) {
                true => Ok(()),
                false => Err(WriteFault::Types(vec!["/0/path".into()])),
            };
            assert_eq!(copied(from, path), wanted, "{from} {path}");
        }
    }
}

/// Of the object at the root, a rule and whether a change leaves it valid whatever is stored.
#[test]
fn p10_a_keyword_that_judges_the_whole_lets_no_change_inside() {
    let put = |path: &str| json!({"op": "replace", "path": path, "value": "abc"});
    let add = |path: &str| json!({"op": "add", "path": path, "value": "abc"});
    let gone = |path: &str| json!({"op": "remove", "path": path});
    let copy = |path: &str| json!({"op": "copy", "from": "/from", "path": path});
    let maximum = json!({"maximum": 3});
    for (schema, operation, passes) in [
        (json!({"propertyNames": {"maxLength": 3}}), add("/abc"), true),
        (json!({"propertyNames": {"maxLength": 3}}), add("/abcd"), false),
        (json!({"allOf": [{"required": ["a"]}]}), gone("/a"), false),
        (json!({"allOf": [{"required": ["a"]}]}), gone("/b"), true),
        (json!({"$ref": "#/$defs/o", "$defs": {"o": {"required": ["a"]}}}), gone("/a"), false),
        (json!({"$ref": "#/$defs/o", "$defs": {"o": {"required": ["a"]}}}), gone("/b"), true),
        (json!({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}), put("/a"), false),
        (json!({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}), put("/c"), true),
        (json!({"anyOf": [{"additionalProperties": false}]}), put("/c"), false),
        (json!({"not": {"properties": {"a": maximum}}}), put("/a"), false),
        (json!({"not": {"properties": {"a": maximum}}}), put("/b"), true),
        (json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}}), put("/b"), false),
        (json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}}), put("/c"), true),
        (json!({"const": {"a": 1}}), put("/a"), false),
        (json!({"dependentRequired": {"a": ["b"]}}), gone("/b"), false),
        (json!({"dependentRequired": {"a": ["b"]}}), gone("/c"), true),
        (json!({"minProperties": 2}), gone("/a"), false),
        (json!({"maxProperties": 2}), add("/a"), false),
        (json!({"maxProperties": 2}), put("/a"), true),
        (json!({"properties": {"l": {"prefixItems": [true]}}}), add("/l/0"), false),
        (json!({"properties": {"l": {"contains": maximum}}}), put("/l/0"), false),
        (json!({"properties": {"l": {"minItems": 1}}}), gone("/l/0"), false),
        (json!({"properties": {"l": {"minItems": 1}}}), put("/l/0"), true),
        (json!({"uniqueItems": true, "prefixItems": [true]}), put("/a"), true),
        (json!({"items": {"maxLength": 2}}), put("/a"), true),
        (json!({"title": "a", "type": "object", "description": "b"}), put("/a"), true),
        (json!({"unevaluatedProperties": false}), put("/a"), false),
        (json!({"properties": {"a": {"title": "any"}}}), copy("/a"), true),
        (json!({"properties": {"a": true}}), copy("/a"), true),
        (json!({"properties": {"a": {"properties": {"x": true}}}}), copy("/a"), true),
        (json!({"properties": {"a": {"properties": {"x": false}}}}), copy("/a"), false),
        (json!({"properties": {"a": {"additionalProperties": maximum}}}), copy("/a"), false),
        (json!({"properties": {"a": {"maxLength": 9}}}), copy("/a"), false),
    ] {
        let rules = vec![Arc::new(Rule::new(&schema, false).unwrap())];
        let mut builder = MaskBuilder::new();
        let list = builder.add(Node { types: Types::ARRAY, ..Node::open() });
        let fields = vec![("l".into(), list)];
        let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
        let mask = builder.finish(root);
        let mut values = Values::new();
        values.add("", None, vec![RoleRules { mask: mask.clone(), rules }]).unwrap();
        let sides = Sides { read: &mask, write: &mask, values: &values };
        let patch = json!([operation]).to_string();
        let judged = check(&sides, patch.as_bytes(), &Limits::default());
        assert_eq!(judged.is_ok(), passes, "{schema} {operation}: {judged:?}");
    }
}

#[test]
fn p10_a_changed_part_of_an_object_is_judged_as_of_every_kind() {
    let rule = Rule::new(&json!({"properties": {"n": {"maximum": 9}}}), false).unwrap();
    let tagged = Tagged::new("/kind", "A".into(), ["A".into(), "B".into()].into()).unwrap();
    let mut values = Values::new();
    let role = RoleRules { mask: mask(false), rules: vec![Arc::new(rule)] };
    values.add_tagged(ANYWHERE, tagged, vec![role]).unwrap();
    let show = Mask::show();
    let sides = Sides { read: &show, write: &show, values: &values };
    let judge = |operation: Value| {
        check(&sides, json!([operation]).to_string().as_bytes(), &Limits::default())
    };
    let put = |path: &str, value: Value| judge(json!({"op": "add", "path": path, "value": value}));
    let fault = |pointer: &str| Err(WriteFault::Types(vec![pointer.to_owned()]));
    assert_eq!(put("/x/n", json!(9)), Ok(()));
    assert_eq!(put("/x/n", json!(10)), fault("/0/value"));
    assert_eq!(put("/x", json!([{"kind": "A", "n": 10}])), fault("/0/value/0/n"));
    assert_eq!(put("/x", json!([{"kind": "B", "n": 10}])), Ok(()));
    assert_eq!(judge(json!({"op": "copy", "from": "/y", "path": "/x"})), fault("/0/path"));
}
