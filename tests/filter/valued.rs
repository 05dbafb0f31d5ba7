//! Values: the same verdict as the library gives of the same body as a `serde_json::Value`, where
//! nothing of that is rounded; and across roles, the same as a walk that tries every role.

use super::documents::{document, runner};
use super::oracle;
use portcullis::filter::Limits;
use portcullis::filter::mask::{HIDE, Mask, MaskBuilder, Node, SHOW, Types};
use portcullis::filter::values::{RoleRules, Rule, Values};
use portcullis::filter::write::Patch;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Schemas of values, each by itself.
fn leaf() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"minimum": 1}),
        json!({"maximum": 10}),
        json!({"exclusiveMinimum": 0}),
        json!({"multipleOf": 0.5}),
        json!({"type": "integer"}),
        json!({"type": ["string", "null"]}),
        json!({"minLength": 3}),
        json!({"maxLength": 4}),
        json!({"pattern": "e"}),
        json!({"enum": [1, 7, "text", null, true]}),
        json!({"const": 0}),
        json!({"minItems": 1}),
        json!({"maxItems": 2}),
        json!({"uniqueItems": true}),
        json!({"contains": {"type": "number"}}),
        json!({"required": ["a"]}),
        json!({"maxProperties": 1}),
        json!({"propertyNames": {"maxLength": 1}}),
        json!({"not": {"type": "number"}}),
        json!({}),
    ])
}

fn schema() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        let pair = || prop::collection::vec(inner.clone(), 2);
        prop_oneof![
            (leaf(), inner.clone(), inner.clone()).prop_map(|(own, a, b)| {
                let mut schema = json!({"properties": {"a": a}, "additionalProperties": b});
                schema.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
                schema
            }),
            inner.clone().prop_map(|items| json!({"items": items})),
            pair().prop_map(|of| json!({"allOf": of})),
            pair().prop_map(|of| json!({"anyOf": of})),
            pair().prop_map(|of| json!({"oneOf": of})),
            pair().prop_map(|of| json!({"if": of[0], "then": of[1]})),
        ]
    })
}

fn rule(schema: &Value) -> Arc<Rule> {
    Arc::new(Rule::new(schema, false).unwrap())
}

fn judge(roles: Vec<RoleRules>, body: &str) -> BTreeSet<String> {
    let limits = Limits { pointers: usize::MAX, pointer_bytes: usize::MAX, ..Limits::default() };
    let mut values = Values::new();
    values.add("", None, roles).unwrap();
    values.judge(body.as_bytes(), &limits, Patch::No).unwrap().into_iter().collect()
}

/// Where the library finds a fault in a value that it has parsed itself.
fn library(schema: &Value, body: &Value) -> BTreeSet<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(body).map(|error| error.instance_path().to_string()).collect()
}

/// Bodies that the write check lets pass to here, as values too.
fn body() -> impl Strategy<Value = (String, Value)> {
    document().prop_filter_map("no body", |text| {
        let clean = oracle::check(&Mask::show(), text.as_bytes(), Patch::No);
        let value = serde_json::from_str(&text).ok()?;
        (clean == oracle::Verdict::Fine).then_some((text, value))
    })
}

fn anything() -> Mask {
    // Not the constant mask: that one would need no judging.
    let mut builder = MaskBuilder::new();
    let root = builder.add(Node { fields: vec![("never".into(), HIDE)], ..Node::open() });
    builder.finish(root)
}

#[test]
fn p10_values_are_judged_as_the_library_judges_its_own() {
    let test = |(schema, (text, value)): (Value, (String, Value))| {
        let role = RoleRules { mask: anything(), rules: vec![rule(&schema)] };
        prop_assert_eq!(judge(vec![role], &text), library(&schema, &value), "{} {}", schema, text);
        Ok(())
    };
    runner(4000).run(&(schema(), body()), test).unwrap();
}

/// Of two roles, each with its fields: no value passes that neither of them lets pass, and a role
/// more takes nothing away.
#[test]
fn p09_a_role_more_never_takes_a_value_away() {
    let names = prop::sample::subsequence(vec!["a", "b", "ssn", "data"], 0..4);
    let role = (schema(), names).prop_map(|(schema, hidden)| {
        let mut builder = MaskBuilder::new();
        let fields = hidden.iter().map(|name| ((*name).into(), HIDE)).collect();
        let root = builder.add(Node { fields, types: Types::ANY, others: SHOW, ..Node::open() });
        RoleRules { mask: builder.finish(root), rules: vec![rule(&schema)] }
    });
    let role = role.boxed();
    let hides = |role: &RoleRules, name: &str| role.mask.member(role.mask.root(), name) == HIDE;
    let test = |(one, two, (text, value)): (RoleRules, RoleRules, (String, Value))| {
        let keys: Vec<&String> = value.as_object().into_iter().flat_map(|all| all.keys()).collect();
        // What neither may write has been refused before.
        prop_assume!(!keys.iter().any(|key| hides(&one, key) && hides(&two, key)));
        let both = judge(vec![one.clone(), two.clone()], &text);
        for alone in [&one, &two] {
            let hidden = keys.iter().filter(|key| hides(alone, key)).map(|key| format!("/{key}"));
            let mut faults = judge(vec![alone.clone()], &text);
            faults.extend(hidden);
            // A fault of a whole can be told for what is inside as well.
            let under =
                |pointer: &String| faults.iter().any(|fault| pointer.starts_with(fault.as_str()));
            prop_assert!(both.iter().all(under), "{:?} {:?}: {}", both, faults, text);
        }
        prop_assert_eq!(&both, &judge(vec![two, one.clone(), one], &text));
        Ok(())
    };
    runner(3000).run(&(role.clone(), role, body()), test).unwrap();
}
