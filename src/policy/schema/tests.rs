//! Bodies that load, and what becomes of them; bodies that do not, and what is said.

use super::*;
use crate::filter::mask::{SHOW, Types};
use crate::policy::node::NodeKind;
use crate::source::{FileId, Span, Spanned};
use serde_json::{Value, json};

/// A node tree from JSON; spans do not matter here.
fn node(value: &Value) -> Node<'static> {
    let span = Span::new(FileId(0), 0, 0);
    let kind = match value {
        Value::Null => NodeKind::Null,
        Value::Bool(value) => NodeKind::Bool(*value),
        Value::Number(value) => NodeKind::Int(value.as_i64().unwrap()),
        Value::String(value) => NodeKind::Text(value.clone().into()),
        Value::Array(items) => NodeKind::List(items.iter().map(node).collect()),
        Value::Object(entries) => NodeKind::Map(
            entries.iter().map(|(k, v)| (Spanned::new(k.clone().into(), span), node(v))).collect(),
        ),
    };
    Node { kind, span }
}

fn masks(body: Value) -> SchemaMasks {
    let mut report = Report::default();
    let masks = compile(&node(&body), Options::default(), &mut report);
    masks.unwrap_or_else(|| panic!("{:?}", report.problems()))
}

#[track_caller]
fn refused(body: Value) -> Code {
    let mut report = Report::default();
    assert_eq!(compile(&node(&body), Options::default(), &mut report), None);
    assert_eq!(report.problems().len(), 1, "{:?}", report.problems());
    report.problems()[0].code
}

#[test]
fn hidden_read_only_and_write_only_differ_by_direction() {
    let masks = masks(json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "name": {"type": "string"}, "id": {"readOnly": true}, "pin": {"writeOnly": true},
            "ssn": false, "any": true,
        },
    }));
    let (read, write) = (&masks.read, &masks.write);
    let hidden = |mask: &Mask, name| mask.member(mask.root(), name) == HIDE;
    let seen: Vec<_> = ["name", "id", "pin", "ssn", "any", "x"].map(|n| hidden(read, n)).into();
    assert_eq!(seen, [false, false, true, true, false, true]);
    let sent: Vec<_> = ["name", "id", "pin", "ssn", "any", "x"].map(|n| hidden(write, n)).into();
    assert_eq!(sent, [false, true, false, true, false, true]);
}

#[test]
fn a_schema_without_a_type_limits_what_its_keywords_speak_of() {
    let object = masks(json!({"properties": {"a": false}, "additionalProperties": true}));
    assert_eq!(object.read.node(object.read.root()).types, Types::OBJECT);
    let array = masks(json!({"items": {"type": "string"}}));
    assert_eq!(array.read.node(array.read.root()).types, Types::ARRAY);
}

#[test]
fn a_schema_that_limits_nothing_is_open() {
    assert_eq!(masks(json!({})).read.root(), SHOW);
    assert_eq!(
        masks(json!({"additionalProperties": true, "type":
        ["object", "array", "string", "number", "integer", "boolean", "null"]}))
        .read
        .root(),
        SHOW
    );
}

#[test]
fn what_does_not_load() {
    assert_eq!(refused(json!(false)), Code::SchemaValid);
    assert_eq!(refused(json!({"writeOnly": true})), Code::SchemaValid);
    assert_eq!(refused(json!("x")), Code::SchemaValid);
    assert_eq!(refused(json!({"type": "strin"})), Code::SchemaValid);
    assert_eq!(refused(json!({"propertis": {}})), Code::SchemaValid);
    assert_eq!(refused(json!({"type": "object"})), Code::SchemaAdditionalExplicit);
    assert_eq!(refused(json!({"properties": {}})), Code::SchemaAdditionalExplicit);
    assert_eq!(refused(json!({"unevaluatedProperties": false})), Code::NotEnforced);
    assert_eq!(refused(json!({"readOnly": "yes"})), Code::SchemaValid);
}

#[test]
fn nesting_is_bounded() {
    let deep = |n: usize| (0..n).fold(json!(true), |inner, _| json!({"items": inner}));
    masks(json!({"items": deep(MAX_SCHEMA_DEPTH - 1)}));
    assert_eq!(refused(deep(MAX_SCHEMA_DEPTH + 1)), Code::SchemaValid);
}

/// What a caller sees of a document under a schema.
fn seen(body: Value, text: &str) -> String {
    use crate::filter::{Filter, Limits};
    let mask = Arc::new(masks(body).read);
    let (mut filter, mut out) = (Filter::new(mask, Limits::default()), Vec::new());
    filter.push(text.as_bytes(), &mut out).unwrap();
    filter.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn values_are_judged_by_a_rule_where_a_keyword_judges_them() {
    let rules = |body| masks(body).rules.len();
    assert_eq!(rules(json!({"type": "object", "additionalProperties": true})), 0);
    assert_eq!(rules(json!({"format": "date"})), 0);
    assert_eq!(rules(json!({"maximum": 3})), 1);
    assert_eq!(rules(json!({"items": {"not": {"const": 1}}})), 1);
    assert_eq!(rules(json!({"required": ["a"], "additionalProperties": true})), 1);
}

#[test]
fn additional_properties_are_explicit_wherever_objects_are_described() {
    for body in [
        json!({"type": "object"}),
        json!({"type": ["string", "object"]}),
        json!({"properties": {}}),
        json!({"required": ["a"]}),
        json!({"items": {"type": "object"}}),
        json!({"not": {"required": ["a"]}}),
        json!({"contains": {"properties": {}}}),
        json!({"allOf": [{"required": ["a"]}]}),
        json!({"$defs": {"unused": {"type": "object"}}}),
    ] {
        assert_eq!(refused(body), Code::SchemaAdditionalExplicit);
    }
    for body in [json!({}), json!({"minimum": 3}), json!({"type": "string"})] {
        masks(body);
    }
}

#[test]
fn a_schema_with_none_of_these_shows_a_value_whole() {
    assert_eq!(seen(json!({"minimum": 3}), r#"{"a":[1]}"#), r#"{"a":[1]}"#);
}

#[test]
fn all_of_intersects() {
    let hides = |name: &str| json!({"properties": {name: false}, "additionalProperties": true});
    let body = json!({"type": "object", "additionalProperties": true, "properties": {"c": false},
        "allOf": [hides("a"), hides("b")]});
    assert_eq!(seen(body, r#"{"a":1,"b":2,"c":3,"d":4}"#), r#"{"d":4}"#);
}

#[test]
fn references_lead_to_definitions_also_in_circles() {
    let body = json!({
        "$defs": {
            "node": {"type": "object", "additionalProperties": false, "properties": {
                "name": {"$ref": "#/$defs/text"},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "key": {"$ref": "#/$defs/text", "writeOnly": true},
            }},
            "text": {"type": "string"},
        },
        "$ref": "#/$defs/node",
    });
    let text = r#"{"name":"a","key":"k","x":1,"kids":[{"name":1,"kids":[{"name":"b","x":2}]}]}"#;
    assert_eq!(seen(body, text), r#"{"name":"a","kids":[{"kids":[{"name":"b"}]}]}"#);
    let beside = json!({
        "$defs": {"base": {"type": "object", "additionalProperties": true, "properties": {"a": false}}},
        "$ref": "#/$defs/base", "properties": {"b": false}, "additionalProperties": true,
    });
    assert_eq!(seen(beside, r#"{"a":1,"b":2,"c":3}"#), r#"{"c":3}"#);
}

#[test]
fn references_that_lead_nowhere_or_straight_back_are_refused() {
    let with = |defs: Value, rest: Value| {
        let mut body = rest;
        body["$defs"] = defs;
        refused(body)
    };
    for (defs, rest) in [
        (json!({}), json!({"$ref": "#/$defs/a"})),
        (json!({"a": true}), json!({"$ref": "#/$defs/b"})),
        (json!({"a": true}), json!({"$ref": "#"})),
        (json!({"a": true}), json!({"$ref": "https://example.com/a.json"})),
        (json!({"a b": true}), json!({})),
        (json!({"a": {"$ref": "#/$defs/a"}}), json!({"$ref": "#/$defs/a"})),
        (
            json!({"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}),
            json!({"$ref": "#/$defs/a"}),
        ),
        (json!({"a": {"allOf": [{"$ref": "#/$defs/a"}]}}), json!({"$ref": "#/$defs/a"})),
        (json!({"a": {"items": {"anyOf": [{"$ref": "#/$defs/a"}]}}}), json!({"$ref": "#/$defs/a"})),
        (
            json!({"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"items": {"$ref": "#/$defs/a"}}}),
            json!({"$ref": "#/$defs/a"}),
        ),
        (json!({}), json!({"items": {"$defs": {}}})),
    ] {
        assert_eq!(with(defs, rest), Code::SchemaValid);
    }
    assert_eq!(refused(json!({"$ref": "#/$defs/a"})), Code::SchemaValid);
}

#[test]
fn references_do_not_multiply_without_end() {
    let level = |n: usize| {
        let next = format!("#/$defs/d{}", n + 1);
        json!({"allOf": [{"$ref": next.clone()}, {"$ref": next}]})
    };
    let defs = |levels: usize| {
        let mut defs: serde_json::Map<_, _> =
            (0..levels).map(|n| (format!("d{n}"), level(n))).collect();
        defs.insert(format!("d{levels}"), json!(true));
        json!({"$defs": defs, "$ref": "#/$defs/d0"})
    };
    masks(defs(8));
    assert_eq!(refused(defs(16)), Code::TooLarge);
    // The body and its `additionalProperties` count as well.
    for (properties, fits) in
        [(MAX_SCHEMAS - 3, true), (MAX_SCHEMAS - 2, true), (MAX_SCHEMAS - 1, false)]
    {
        let fields: serde_json::Map<_, _> =
            (0..properties).map(|n| (format!("p{n}"), json!(true))).collect();
        let body = node(&json!({"properties": fields, "additionalProperties": true}));
        let mut report = Report::default();
        assert_eq!(compile(&body, Options::default(), &mut report).is_some(), fits, "{properties}");
    }
}

#[test]
fn prefix_items_have_schemas_of_their_own() {
    let body = json!({"prefixItems": [{"type": "string"}, false], "items": {"type": "integer"}});
    assert_eq!(
        seen(
            json!({"properties": {"l": body}, "additionalProperties": true}),
            r#"{"l":["a",1,2,"x",3]}"#
        ),
        r#"{"l":["a",2,3]}"#
    );
}

#[test]
fn branches_that_show_the_same_fields_load() {
    let open = |rest: Value| {
        let mut schema = rest;
        schema["additionalProperties"] = json!(true);
        schema
    };
    let text = r#"{"a":1,"b":"x","o":{"z":1},"ssn":1}"#;
    for keyword in ["anyOf", "oneOf"] {
        let body = json!({
            "type": "object", "additionalProperties": true, "properties": {"ssn": false},
            keyword: [open(json!({"required": ["a"]})), open(json!({"required": ["b"]}))],
        });
        assert_eq!(seen(body, text), r#"{"a":1,"b":"x","o":{"z":1}}"#);
        let nullable = json!({"type": "object", "additionalProperties": true, "properties": {
            "o": {keyword: [
                {"type": "null"},
                {"type": "object", "additionalProperties": true, "properties": {"z": false}},
            ]},
        }});
        assert_eq!(seen(nullable.clone(), text), r#"{"a":1,"b":"x","o":{},"ssn":1}"#);
        assert_eq!(seen(nullable, r#"{"o":null,"p":1}"#), r#"{"o":null,"p":1}"#);
    }
    let body = json!({
        "type": "object", "additionalProperties": true, "properties": {"ssn": false},
        "if": open(json!({"properties": {"a": {"const": 1}}})),
        "then": open(json!({"required": ["b"]})),
    });
    assert_eq!(seen(body, text), r#"{"a":1,"b":"x","o":{"z":1}}"#);
    let body = json!({
        "type": "object", "additionalProperties": true, "properties": {"ssn": false},
        "dependentSchemas": {"a": open(json!({"properties": {"b": {"type": "string"}}}))},
    });
    assert_eq!(seen(body, text), r#"{"a":1,"b":"x","o":{"z":1}}"#);
}

#[test]
fn branches_that_show_different_fields_are_refused() {
    let shows = |name: &str| json!({"type": "object", "additionalProperties": false, "properties": {name: true}});
    for keyword in ["anyOf", "oneOf"] {
        assert_eq!(refused(json!({keyword: [shows("a"), shows("b")]})), Code::SchemaValid);
        assert_eq!(
            refused(
                json!({keyword: [{"type": "object", "additionalProperties": true}, shows("b")]})
            ),
            Code::SchemaValid
        );
        assert_eq!(
            refused(json!({"items": {keyword: [{"readOnly": true}, true]}})),
            Code::SchemaValid
        );
        assert_eq!(refused(json!({keyword: []})), Code::SchemaValid);
    }
    assert_eq!(refused(json!({"if": true, "then": shows("a")})), Code::SchemaValid);
    for applies in [
        shows("b"),
        json!(false),
        json!({"additionalProperties": true, "properties": {"ssn": false}}),
        json!({"additionalProperties": true, "properties": {"id": {"readOnly": true}}}),
    ] {
        let body = json!({
            "type": "object", "additionalProperties": true, "dependentSchemas": {"a": applies},
        });
        assert_eq!(refused(body), Code::SchemaValid);
    }
}

#[test]
fn what_says_nothing_is_refused() {
    for body in [
        json!({"then": true}),
        json!({"minContains": 1}),
        json!({"not": {"readOnly": true}}),
        json!({"contains": {"properties": {"a": {"writeOnly": true}}, "additionalProperties": true}}),
    ] {
        assert_eq!(refused(body), Code::SchemaValid);
    }
}

#[test]
fn a_wrong_value_of_a_keyword_is_no_schema() {
    for body in [
        json!({"minimum": "x"}),
        json!({"items": {"pattern": "("}}),
        json!({"items": {"pattern": "(?<=a)b"}}),
        json!({"required": "a", "additionalProperties": true}),
        json!({"enum": 3}),
        json!({"title": 3}),
        json!({"not": 3}),
        json!({"$defs": []}),
        json!({"prefixItems": {}}),
    ] {
        assert_eq!(refused(body), Code::SchemaValid);
    }
}

#[test]
fn formats_that_are_asserted_must_be_known() {
    let compile = |formats| {
        let mut report = Report::default();
        let body = json!({"format": "emial"});
        compile(&node(&body), Options { formats, ..Options::default() }, &mut report).is_some()
    };
    assert_eq!((compile(false), compile(true)), (true, false));
}

/// What a caller sees under a schema that says `redact: null`.
fn redacted(body: Value, text: &str) -> String {
    use crate::filter::{Filter, Limits};
    let mut report = Report::default();
    let options = Options { nulls: true, ..Options::default() };
    let mask = Arc::new(compile(&node(&body), options, &mut report).unwrap().read);
    let (mut filter, mut out) = (Filter::new(mask, Limits::default()), Vec::new());
    filter.push(text.as_bytes(), &mut out).unwrap();
    filter.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_is_hidden_becomes_null_where_the_schema_says_so() {
    let body = json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "a": true, "ssn": false, "pin": {"writeOnly": true}, "n": {"type": "integer"},
            "o": {"type": "object", "additionalProperties": true, "properties": {"x": false}},
            "l": {"items": {"type": "string"}}, "r": {"readOnly": true},
        },
    });
    let text =
        r#"{"a":1,"ssn":"s","pin":{"x":1},"n":"x","o":{"x":1,"y":2},"l":["a",1],"z":1,"r":1}"#;
    let shown = r#"{"a":1,"ssn":null,"pin":null,"n":null,"o":{"x":null,"y":2},"l":["a",null],"z":null,"r":1}"#;
    assert_eq!(redacted(body, text), shown);
    let joined = json!({
        "type": "object", "additionalProperties": true, "properties": {"a": false},
        "allOf": [{"properties": {"b": false}, "additionalProperties": true}],
    });
    assert_eq!(redacted(joined, r#"{"a":1,"b":2,"c":3}"#), r#"{"a":null,"b":null,"c":3}"#);
}

#[test]
fn patterns_name_fields_by_their_shape() {
    let body = json!({
        "type": "object", "additionalProperties": false,
        "properties": {"x-id": {"type": "integer"}, "name": true},
        "patternProperties": {"^x-": true, "secret": false},
    });
    let text = r#"{"x-a":1,"x-id":"n","x-secret":2,"secret":3,"name":4,"other":5,"my-secret":6}"#;
    assert_eq!(seen(body.clone(), text), r#"{"x-a":1,"name":4}"#);
    assert_eq!(
        seen(body, r#"{"x-id":1,"x-\u0073ecret":1,"\u0078-b":2}"#),
        r#"{"x-id":1,"\u0078-b":2}"#
    );
    // A field that a pattern names as well must pass both.
    let both = json!({
        "additionalProperties": true,
        "properties": {"a": {"type": "object", "additionalProperties": true, "properties": {"x": false}}},
        "patternProperties": {"^a": {"type": "object", "additionalProperties": true, "properties": {"y": false}}},
    });
    let text = r#"{"a":{"x":1,"y":2,"z":3},"a2":{"x":1,"y":2},"b":{"y":1}}"#;
    assert_eq!(seen(both, text), r#"{"a":{"z":3},"a2":{"x":1},"b":{"y":1}}"#);
    let tree = json!({
        "$defs": {"n": {"type": "object", "additionalProperties": false,
            "patternProperties": {"^[a-z]$": {"$ref": "#/$defs/n"}}}},
        "$ref": "#/$defs/n",
    });
    assert_eq!(seen(tree, r#"{"a":{"b":{},"bb":1,"c":1},"A":{}}"#), r#"{"a":{"b":{}}}"#);
}

#[test]
fn patterns_of_several_schemas_are_joined() {
    let masks = |pattern: &str, others: bool| {
        masks(json!({"patternProperties": {pattern: false}, "additionalProperties": others})).read
    };
    let shown = |mask: &Mask, name: &str| mask.member(mask.root(), name) != HIDE;
    use crate::filter::algebra::{intersect, union};
    let (a, b) = (masks("a", true), masks("b", true));
    for (name, either, both) in
        [("a", true, false), ("b", true, false), ("ab", false, false), ("c", true, true)]
    {
        assert_eq!(shown(&union(&a, &b), name), either, "{name}");
        assert_eq!(shown(&intersect(&a, &b), name), both, "{name}");
    }
    // Too many for one node: what is not named is hidden.
    for (count, c) in [(5, true), (6, true), (7, false)] {
        let all = (0..count).map(|n| masks(&format!("a{n}"), true));
        let joined = all.reduce(|sum, one| intersect(&sum, &one)).unwrap();
        assert_eq!((shown(&joined, "c"), shown(&joined, "a1")), (c, false), "{count}");
    }
}

#[test]
fn patterns_that_cannot_be_used_are_refused() {
    for pattern in ["(", "(?=a)", "(a)\\1"] {
        let body = json!({"patternProperties": {pattern: true}, "additionalProperties": true});
        assert_eq!(refused(body), Code::SchemaValid);
    }
    assert_eq!(refused(json!({"patternProperties": {"a": true}})), Code::SchemaAdditionalExplicit);
    for (count, fits) in [(5, true), (6, true), (7, false)] {
        let patterns: serde_json::Map<_, _> =
            (0..count).map(|n| (format!("^{n}"), json!(false))).collect();
        let body = node(&json!({"patternProperties": patterns, "additionalProperties": true}));
        let mut report = Report::default();
        assert_eq!(compile(&body, Options::default(), &mut report).is_some(), fits, "{count}");
    }
}
