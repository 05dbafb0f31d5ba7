//! The rules of `bodies.md` for values of written bodies, one by one.

use super::*;
use crate::filter::mask::{MaskBuilder, Node};
use serde_json::{Value, json};

mod roles;
mod whole;

/// An object whose members pass as said; others have `others`.
fn object(fields: &[(&str, NodeId)], others: NodeId) -> Mask {
    let mut builder = MaskBuilder::new();
    let fields = fields.iter().map(|(name, id)| ((*name).into(), *id)).collect();
    let root = builder.add(Node { types: Types::OBJECT, fields, others, ..Node::open() });
    builder.finish(root)
}

fn open() -> Mask {
    object(&[], SHOW)
}

fn role(mask: Mask, schemas: &[Value]) -> RoleRules {
    let rule = |schema| Arc::new(Rule::new(schema, false).unwrap());
    RoleRules { mask, rules: schemas.iter().map(rule).collect() }
}

fn values(pointer: &str, roles: Vec<RoleRules>) -> Values {
    let mut values = Values::new();
    values.add(pointer, None, roles).unwrap();
    values
}

/// Pointers, sorted.
fn judge(values: &Values, body: &str, patch: Patch) -> Vec<String> {
    let mut found = values.judge(body.as_bytes(), &Limits::default(), patch).unwrap();
    found.sort();
    found
}

/// One role, one schema, the body is the object.
#[track_caller]
fn put(schema: Value, body: &str, at_fault: &[&str]) {
    let values = values("", vec![role(open(), &[schema])]);
    assert_eq!(judge(&values, body, Patch::No), at_fault, "{body}");
}

#[track_caller]
fn merge(schema: Value, body: &str, at_fault: &[&str]) {
    let values = values("", vec![role(open(), &[schema])]);
    assert_eq!(judge(&values, body, Patch::Merge), at_fault, "{body}");
}

fn of(schema: Value) -> Value {
    json!({"properties": {"n": schema}})
}

#[test]
fn e28_every_keyword_of_values_is_judged() {
    for (schema, good, bad) in [
        (json!({"maximum": 10}), "10", "11"),
        (json!({"minimum": 10}), "10.0", "9.99"),
        (json!({"exclusiveMaximum": 10}), "9.9", "1e1"),
        (json!({"exclusiveMinimum": -1}), "-0.5", "-1"),
        (json!({"multipleOf": 0.1}), "0.3", "0.35"),
        (json!({"minLength": 2}), r#""éé""#, r#""\u00e9""#),
        (json!({"maxLength": 2}), r#""éé""#, r#""abc""#),
        (json!({"pattern": "^a+$"}), r#""aa""#, r#""aab""#),
        (json!({"enum": ["a", 1, null]}), "1.0", "2"),
        (json!({"const": {"a": [1]}}), r#"{"a":[1.0]}"#, r#"{"a":[1,1]}"#),
        (json!({"minItems": 1}), "[1]", "[]"),
        (json!({"maxItems": 1}), "[1]", "[1,2]"),
        (json!({"uniqueItems": true}), "[1,2]", "[1,1.0]"),
        (json!({"contains": {"minimum": 5}, "maxContains": 1}), "[1,5]", "[5,6]"),
        (json!({"minProperties": 1}), r#"{"a":1}"#, "{}"),
        (json!({"maxProperties": 1}), r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
        (json!({"required": ["a"]}), r#"{"a":null}"#, r#"{"b":1}"#),
        (json!({"dependentRequired": {"a": ["b"]}}), r#"{"b":1}"#, r#"{"a":1}"#),
        (json!({"propertyNames": {"maxLength": 1}}), r#"{"a":1}"#, r#"{"ab":1}"#),
        (json!({"not": {"const": 3}}), "4", "3.0"),
        (json!({"oneOf": [{"minimum": 5}, {"maximum": 7}]}), "8", "6"),
        (json!({"anyOf": [{"minimum": 7}, {"maximum": 5}]}), "5", "6"),
        (json!({"if": {"minimum": 5}, "then": {"multipleOf": 5}}), "10", "11"),
        (json!({"type": "integer"}), "1.0", "1.5"),
    ] {
        put(of(schema.clone()), &format!("{{\"n\":{good}}}"), &[]);
        put(of(schema), &format!("{{\"n\":{bad}}}"), &["/n"]);
    }
}

#[test]
fn p10_numbers_are_judged_by_their_text() {
    for (schema, good, bad) in [
        (json!({"maximum": i64::MAX}), "9223372036854775807", "9223372036854775808"),
        (json!({"maximum": 10}), "1e-400", "1e400"),
        (json!({"minimum": 0}), "123456789012345678901234567890", "-1e400"),
        (json!({"exclusiveMinimum": 9007199254740992i64}), "9007199254740993", "9007199254740992"),
        (json!({"maximum": 0.1}), "0.1", "0.10000000000000001"),
        (json!({"multipleOf": 2}), "18446744073709551618", "18446744073709551617"),
        (json!({"enum": [9007199254740993i64]}), "9007199254740993.0", "9007199254740992"),
        (json!({"uniqueItems": true}), "[9007199254740993,9007199254740992]", "[1e2,100]"),
        (json!({"type": "integer"}), "123456789012345678901234567890", "1e-1"),
    ] {
        put(of(schema.clone()), &format!("{{\"n\":{good}}}"), &[]);
        put(of(schema), &format!("{{\"n\":{bad}}}"), &["/n"]);
    }
}

#[test]
fn every_fault_is_told_where_it_stands() {
    let schema = json!({
        "required": ["id"],
        "properties": {
            "a/b": {"maximum": 1},
            "list": {"items": {"properties": {"x": {"minLength": 1}}, "required": ["y"]}},
        },
    });
    put(schema, r#"{"a/b":2,"list":[{"y":1,"x":""},{}]}"#, &["", "/a~1b", "/list/0/x", "/list/1"]);
}

#[test]
fn the_objects_are_where_the_pointer_says() {
    let schema = of(json!({"maximum": 10}));
    let list = values("/data/*", vec![role(open(), std::slice::from_ref(&schema))]);
    let body = r#"{"n":99,"data":[{"n":10},{"n":11},7,{"n":12}],"more":[{"n":99}]}"#;
    assert_eq!(judge(&list, body, Patch::No), ["/data/1/n", "/data/3/n"]);
    assert_eq!(judge(&list, r#"{"data":{"k":{"n":11}}}"#, Patch::No), ["/data/k/n"]);
    let deep = values("/a/1", vec![role(open(), &[schema])]);
    assert_eq!(judge(&deep, r#"{"a":[{"n":11},{"n":11}]}"#, Patch::No), ["/a/1/n"]);
}

#[test]
fn p10_limits_hold() {
    let rules = values("", vec![role(open(), &[of(json!({"items": {"maximum": 1}}))])]);
    for (count, fits) in [(96, true), (97, true), (98, false)] {
        let limits = Limits { values: 99, ..Limits::default() };
        let body = format!("{{\"n\":[{}]}}", vec!["0"; count].join(","));
        assert_eq!(rules.judge(body.as_bytes(), &limits, Patch::No).is_ok(), fits, "{count}");
    }
    for (count, told) in [(1, 1), (2, 2), (3, 2)] {
        let limits = Limits { pointers: 2, ..Limits::default() };
        let body = format!("{{\"n\":[{}]}}", vec!["9"; count].join(","));
        let found = rules.judge(body.as_bytes(), &limits, Patch::No).unwrap();
        assert_eq!(found.len(), told);
    }
}

#[test]
fn several_schemas_of_one_role_must_all_hold() {
    let schemas = [of(json!({"maximum": 10})), of(json!({"minimum": 5}))];
    let both = values("", vec![role(open(), &schemas)]);
    for (body, at_fault) in
        [(r#"{"n":7}"#, &[][..]), (r#"{"n":4}"#, &["/n"]), (r#"{"n":11}"#, &["/n"])]
    {
        assert_eq!(judge(&both, body, Patch::No), at_fault);
    }
}

/// `a` is the first role's, `b` the second's, both may write `n` and each has its own idea of it.
fn two_roles() -> Values {
    let first = json!({"required": ["a"], "properties": {
        "a": {"maximum": 10}, "n": {"maximum": 10}, "o": {"properties": {"x": {"maximum": 1}}},
    }});
    let second = json!({"properties": {
        "b": {"maximum": 10}, "n": {"minimum": 100}, "o": {"properties": {"x": {"minimum": 9}}},
    }, "additionalProperties": false});
    let shown =
        |names: &[&str]| object(&names.iter().map(|name| (*name, SHOW)).collect::<Vec<_>>(), HIDE);
    let first = role(shown(&["a", "n", "o"]), &[first]);
    values("", vec![first, role(shown(&["b", "n", "o"]), &[second])])
}

#[test]
fn p09_each_value_is_valid_under_one_role() {
    let roles = two_roles();
    for (body, at_fault) in [
        (r#"{"a":1,"b":1}"#, &[][..]),
        (r#"{"a":11,"b":11}"#, &["/a", "/b"]),
        (r#"{"n":10}"#, &[]),
        (r#"{"n":100}"#, &[]),
        (r#"{"n":50}"#, &["/n"]),
        (r#"{"o":{"x":0}}"#, &[]),
        (r#"{"o":{"x":9}}"#, &[]),
        (r#"{"o":{"x":5}}"#, &["/o/x"]),
    ] {
        assert_eq!(judge(&roles, body, Patch::No), at_fault, "{body}");
    }
}

#[test]
fn a_role_without_rules_lets_pass_what_it_may_write() {
    let limited = role(open(), &[of(json!({"maximum": 10}))]);
    let narrow = role(object(&[("b", SHOW)], HIDE), &[]);
    let both = values("", vec![limited.clone(), narrow]);
    assert_eq!(judge(&both, r#"{"n":11,"b":1}"#, Patch::No), ["/n"]);
    assert!(values("", vec![limited, role(Mask::show(), &[])]).is_empty());
    assert!(values("", vec![role(open(), &[])]).is_empty());
}

#[test]
fn p10_a_merge_patch_is_not_asked_for_what_it_leaves_out() {
    let schema = json!({
        "required": ["id", "o"], "minProperties": 3, "maxProperties": 2,
        "properties": {
            "n": {"type": "integer", "maximum": 10},
            "o": {"type": "object", "required": ["x"], "properties": {"x": {"maximum": 1}}},
            "l": {"items": {"required": ["x"]}},
        },
        "dependentRequired": {"a": ["b"]},
    });
    for (body, at_fault) in [
        ("{}", &[][..]),
        (r#"{"n":10}"#, &[]),
        (r#"{"n":11}"#, &["/n"]),
        (r#"{"n":null}"#, &[]),
        (r#"{"id":null}"#, &["/id"]),
        (r#"{"o":null}"#, &["/o"]),
        (r#"{"o":{}}"#, &[]),
        (r#"{"o":{"x":2}}"#, &["/o/x"]),
        (r#"{"o":{"x":null}}"#, &["/o/x"]),
        (r#"{"l":[{}]}"#, &["/l/0"]),
        (r#"{"l":[{"x":null}]}"#, &[]),
        (r#"{"n":1,"x":1,"y":1}"#, &[""]),
        (r#"{"a":1}"#, &[""]),
        (r#"{"b":null}"#, &["/b"]),
    ] {
        merge(schema.clone(), body, at_fault);
    }
}

/// Whether a branch applies hangs on members that the patch does not have.
#[test]
fn p10_a_merge_patch_leaves_alone_what_branches_speak_of() {
    let schema = json!({
        "properties": {"n": {"anyOf": [{"type": "string"}, {"maximum": 10}]}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"], "properties": {"c": {"const": 1}}}],
        "if": {"properties": {"kind": {"const": 1}}}, "then": {"required": ["z"]},
        "not": {"required": ["x", "y"]},
    });
    for (body, at_fault) in [
        (r#"{"n":10,"other":1}"#, &[][..]),
        (r#"{"n":11}"#, &["/n"]),
        (r#"{"a":1,"c":1,"kind":2,"z":1,"x":null}"#, &["/a", "/c", "/kind", "/x", "/z"]),
    ] {
        merge(schema.clone(), body, at_fault);
    }
    let any = json!({"properties": {"o": {"not": {"maxProperties": 1}}, "c": {"const": {"a": 1}}}});
    merge(any.clone(), r#"{"o":{"a":1}}"#, &["/o"]);
    merge(any.clone(), r#"{"c":{"a":1}}"#, &["/c"]);
    merge(any, r#"{"o":{},"c":{}}"#, &[]);
}

#[test]
fn definitions_judge_wholes_and_patches() {
    let schema = json!({
        "$defs": {"tree": {
            "required": ["v"],
            "properties": {
                "v": {"maximum": 5}, "kid": {"$ref": "#/$defs/tree"},
                "kids": {"items": {"$ref": "#/$defs/tree"}},
            },
        }},
        "$ref": "#/$defs/tree",
    });
    let body = r#"{"v":1,"kid":{"v":9,"kid":{}},"kids":[{"v":1,"kids":[{}]}]}"#;
    put(schema.clone(), body, &["/kid/kid", "/kid/v", "/kids/0/kids/0"]);
    merge(schema, body, &["/kid/v", "/kids/0/kids/0"]);
}

#[test]
fn pairs_are_judged_as_the_object_that_they_stand_for() {
    let schema = json!({"required": ["id"], "properties": {
        "n": {"maximum": 10}, "o": {"required": ["x"]},
    }});
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    let entries = Entries { key: names(&["k", "key"]), value: names(&["v"]) };
    let mut rules = Values::new();
    rules.add("/list", Some(&entries), vec![role(open(), &[schema])]).unwrap();
    let body = |pairs: &[(&str, &str)]| {
        let pair =
            |(key, value): &(&str, &str)| format!(r#"{{"v":{value},"k":{{"key":"{key}"}}}}"#);
        format!(r#"{{"list":[{}]}}"#, pairs.iter().map(pair).collect::<Vec<_>>().join(","))
    };
    for (pairs, patch, at_fault) in [
        (&[("id", "1"), ("n", "10")][..], Patch::No, &[][..]),
        (&[("id", "1"), ("n", "11")], Patch::No, &["/list/1/k/key"]),
        (&[("n", "11")], Patch::No, &["/list", "/list/0/k/key"]),
        (&[("n", "10")], Patch::Merge, &[]),
        (&[("n", "11")], Patch::Merge, &["/list/0/k/key"]),
        (&[("o", "{}")], Patch::Merge, &["/list/0/k/key"]),
    ] {
        assert_eq!(judge(&rules, &body(pairs), patch), at_fault, "{pairs:?}");
    }
}

#[test]
fn a_schema_that_is_none_is_told_with_its_place() {
    for (schema, pointer) in [
        (json!({"properties": {"a": {"minimum": "x"}}}), "/properties/a/minimum"),
        (json!({"required": "a"}), "/required"),
        (json!({"maxLength": -1}), "/maxLength"),
        (json!({"multipleOf": 0}), "/multipleOf"),
        (json!({"properties": {"a": {"pattern": "("}}}), "/properties/a/pattern"),
        (json!({"pattern": "(?=a)"}), "/pattern"),
        (json!({"pattern": "(a)\\1"}), "/pattern"),
        (json!({"pattern": "(a{1000}){1000}"}), "/pattern"),
    ] {
        let faults = Rule::new(&schema, false).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].pointer, pointer, "{faults:?}");
    }
    let unknown = json!({"properties": {"a": {"format": "emial"}}});
    assert!(Rule::new(&unknown, false).is_ok() && Rule::new(&unknown, true).is_err());
}

#[test]
fn formats_are_notes_unless_they_are_asserted() {
    let schema = of(json!({"format": "date"}));
    let judge = |formats| {
        let rule = Arc::new(Rule::new(&schema, formats).unwrap());
        let values = values("", vec![RoleRules { mask: open(), rules: vec![rule] }]);
        judge(&values, r#"{"n":"tomorrow"}"#, Patch::No)
    };
    assert_eq!((judge(false), judge(true)), (vec![], vec!["/n".to_owned()]));
}

#[test]
fn p13_a_pattern_takes_linear_time() {
    let schema = of(json!({"pattern": "^(a+)+$"}));
    let body = format!(r#"{{"n":"{}b"}}"#, "a".repeat(1 << 20));
    put(schema, &body, &["/n"]);
}

/// Objects called `A`, under the pointer; `B` is another kind there.
fn called(pointer: &str, field: &str) -> Values {
    let tagged = Tagged::new(field, "A".into(), ["A".into(), "B".into()].into()).unwrap();
    let rule = of(json!({"maximum": 9}));
    let mut values = Values::new();
    values.add_tagged(pointer, tagged, vec![role(open(), &[rule])]).unwrap();
    values
}

#[test]
fn p10_an_object_is_judged_as_what_it_is_called() {
    let values = called(ANYWHERE, "/kind");
    for (body, at_fault) in [
        (r#"{"kind":"A","n":10}"#, &["/n"][..]),
        (r#"{"kind":"A","n":9}"#, &[]),
        (r#"{"kind":"B","n":10}"#, &[]),
        (r#"{"kind":"C","n":10}"#, &[]),
        // What does not say what it is must be as all are, unless it is a part of what does.
        (r#"{"n":10}"#, &["/n"]),
        (r#"{"kind":7,"n":10}"#, &["/n"]),
        (r#"{"kind":"B","p":{"n":10}}"#, &[]),
        (r#"{"kind":"A","p":{"q":{"n":10}}}"#, &[]),
        (r#"{"kind":"C","p":{"n":10}}"#, &["/p/n"]),
        (r#"{"kind":"B","p":[{"kind":"A","n":10}]}"#, &["/p/0/n"]),
        (r#"[[{"kind":"A","n":10}],{"n":10}]"#, &["/0/0/n", "/1/n"]),
    ] {
        assert_eq!(judge(&values, body, Patch::No), at_fault, "{body}");
    }
    // What is stored may be called otherwise.
    for body in [r#"{"kind":"B","n":10}"#, r#"{"kind":"C","n":10}"#] {
        assert_eq!(judge(&values, body, Patch::Merge), ["/n"], "{body}");
    }
    assert_eq!(judge(&values, r#"{"kind":"B","p":{"n":10}}"#, Patch::Merge), ["/p/n"]);
}

#[test]
fn p10_a_tag_may_stand_deeper_and_its_object_under_a_pointer() {
    let values = called("/d", "/meta/kind");
    for (body, at_fault) in [
        (r#"{"d":{"meta":{"kind":"A"},"n":10},"n":10,"p":{"n":10}}"#, &["/d/n"][..]),
        (r#"{"d":{"meta":{"kind":"B"},"n":10}}"#, &[]),
        (r#"{"d":{"meta":{},"n":10}}"#, &["/d/n"]),
        (r#"{"d":{"meta":"A","n":10}}"#, &["/d/n"]),
        (r#"{"d":{"n":10}}"#, &["/d/n"]),
    ] {
        assert_eq!(judge(&values, body, Patch::No), at_fault, "{body}");
    }
}

#[test]
fn what_both_say_is_judged() {
    let one = values("", vec![role(open(), &[of(json!({"maximum": 9}))])]);
    let two = values("", vec![role(open(), &[of(json!({"minimum": 5}))])]);
    assert!(Values::new().is_empty() && !one.is_empty());
    let both = one.and(two);
    for (body, faults) in [(r#"{"n":4}"#, 1), (r#"{"n":7}"#, 0), (r#"{"n":10}"#, 1)] {
        assert_eq!(judge(&both, body, Patch::No).len(), faults, "{body}");
    }
}

#[test]
fn p10_a_merge_patch_is_judged_inside_of_branches_and_definitions() {
    let schema = json!({"allOf": [{"required": ["a"]}]});
    merge(schema.clone(), r#"{"a":null}"#, &["/a"]);
    merge(schema, "{}", &[]);
    let schema = json!({"additionalProperties": {"type": "integer", "maximum": 9}});
    merge(schema.clone(), r#"{"x":null}"#, &[]);
    merge(schema, r#"{"x":10}"#, &["/x"]);
    let schema = json!({"properties": {"a": false, "b": true}});
    merge(schema.clone(), r#"{"b":null}"#, &[]);
    merge(schema, r#"{"a":null}"#, &["/a"]);
    // What no property may be, masks refuse: it is no fault of a value.
    put(json!({"additionalProperties": false}), r#"{"x":1}"#, &[]);
    let branch = |schema: Value| json!({"anyOf": [schema]});
    let others = branch(json!({"additionalProperties": {"maximum": 3}}));
    assert_eq!(judge_merge(others, r#"{"x":1}"#), 1);
    let shown = branch(json!({"additionalProperties": true, "properties": {"a": {"maximum": 3}}}));
    assert_eq!(judge_merge(shown.clone(), r#"{"x":1}"#), 0);
    assert_eq!(judge_merge(shown, r#"{"a":1}"#), 1);
    for keyword in ["dependentRequired", "dependentSchemas"] {
        let then =
            if keyword == "dependentRequired" { json!(["b"]) } else { json!({"required": ["b"]}) };
        let schema = branch(json!({keyword: {"a": then}}));
        for (body, faults) in [(r#"{"a":1}"#, 1), (r#"{"b":1}"#, 1), (r#"{"c":1}"#, 0)] {
            assert_eq!(judge_merge(schema.clone(), body), faults, "{keyword} {body}");
        }
    }
}

fn judge_merge(schema: Value, body: &str) -> usize {
    judge(&values("", vec![role(open(), &[schema])]), body, Patch::Merge).len()
}

#[test]
fn faults_of_schemas_are_told_with_every_expression() {
    let told = |schema: Value| {
        let faults = schema_faults(&schema);
        faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
    };
    assert!(told(json!({"pattern": "^a$", "maximum": 1})).is_empty());
    assert_eq!(told(json!({"maximum": "x"})), ["/maximum"]);
    assert_eq!(told(json!({"pattern": 7})), ["/pattern"]);
    assert_eq!(told(json!({"maximum": "x", "pattern": "("})), ["/maximum", "/pattern"]);
    let several = json!({
        "properties": {"a": {"pattern": "("}},
        "allOf": [{"pattern": "["}],
        "const": {"pattern": "("},
    });
    let mut found = told(several);
    found.sort();
    assert_eq!(found, ["/allOf/0/pattern", "/properties/a/pattern"]);
}

#[test]
fn rules_and_expressions_are_equal_by_what_they_say() {
    let rule = |schema: Value| Rule::new(&schema, false).unwrap();
    assert_eq!(rule(json!({"maximum": 1})), rule(json!({"maximum": 1})));
    assert_ne!(rule(json!({"maximum": 1})), rule(json!({"maximum": 2})));
    let name = |text: &str| NamePattern::new(text).unwrap();
    assert_eq!(name("^a"), name("^a"));
    assert_ne!(name("^a"), name("^b"));
}
