//! What the values of a written body must be: 422 with pointers, after every field has been judged,
//! and before a byte goes out.

use super::Api;
use serde_json::Value;

const RULES: &str = r##"
routes: [{match: "/**", update: merge}]
roles:
  - {id: clerk, grants: [{path: "/thngs/**", access: cru}], schemas: [clerk, ranges]}
  - {id: engineer, grants: [{path: "/thngs/{id}", access: cru}], schemas: [engineer]}
  - {id: owner, grants: [{path: "/thngs/**", access: cru}]}
schemas:
  - id: clerk
    type: thng
    formats: assert
    body:
      $defs: {part: {type: object, additionalProperties: true, required: [sku], properties: {sku: {pattern: "^[A-Z]{2}-[0-9]+$"}}}}
      type: object
      additionalProperties: true
      required: [name]
      properties:
        secret: false
        id: {type: integer, readOnly: true}
        name: {type: string, minLength: 1, maxLength: 5}
        level: {type: number, maximum: 10}
        tags: {type: array, uniqueItems: true, maxItems: 3, items: {enum: [a, b, c, d]}}
        due: {type: string, format: date}
        part: {$ref: "#/$defs/part"}
        parts: {type: array, items: {$ref: "#/$defs/part"}}
  - {id: ranges, type: thng, body: {type: object, additionalProperties: true, properties: {level: {minimum: 1}}}}
  - id: engineer
    type: thng
    body:
      type: object
      additionalProperties: false
      properties: {level: {type: number, multipleOf: 100}, torque: {type: number, maximum: 3}}
resource_types:
  - {id: thng, at: [{path: "/thngs", pointer: "/data/*"}, {path: "/thngs/{id}", pointer: ""}]}
"##;

const ONE: &str = "/thngs/1";

/// The pointers of a 422, sorted; nothing has reached the upstream.
#[track_caller]
fn faults(api: &Api, who: &str, method: &str, target: &str, body: &str) -> Vec<String> {
    let answer = api.refused(method, 422, || api.send(who, method, target, body));
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    assert!(errors.iter().all(|error| error.as_object().unwrap().len() == 1), "{errors:?}");
    let pointer = |error: &Value| error["pointer"].as_str().unwrap().to_owned();
    let mut found: Vec<_> = errors.iter().map(pointer).collect();
    found.sort();
    found
}

#[test]
fn e28_a_value_that_the_schema_does_not_allow_is_422_with_pointers() {
    let api = Api::start(RULES);
    for (body, at_fault) in [
        (r#"{"name":"a","level":11}"#, &["/level"][..]),
        (r#"{"name":"a","level":0.5}"#, &["/level"]),
        (r#"{"name":"","level":"x"}"#, &["/level", "/name"]),
        (r#"{"name":"abcdef"}"#, &["/name"]),
        (r#"{"level":5}"#, &[""]),
        (r#"{"name":"a","tags":["a","x","a"]}"#, &["/tags", "/tags/1"]),
        (r#"{"name":"a","due":"soon"}"#, &["/due"]),
        (
            r#"{"name":"a","part":{"sku":"x"},"parts":[{"sku":"AB-1"},{}]}"#,
            &["/part/sku", "/parts/1"],
        ),
        (r#"{"name":"a","level":1e400}"#, &["/level"]),
        (r#"{"name":"a","level":10.00000000000000000001}"#, &["/level"]),
    ] {
        assert_eq!(faults(&api, "ana:clerk", "POST", ONE, body), at_fault, "{body}");
    }
    let fine =
        r#"{"name":"a","level":1.0e1,"tags":["a","b"],"due":"2026-11-22","other":[1],"big":1e999}"#;
    assert_eq!(api.send("ana:clerk", "POST", ONE, fine).status, 200);
    assert_eq!(api.upstream.request().body, fine.as_bytes());
    assert_eq!(api.send("ana:owner", "POST", ONE, r#"{"level":11}"#).status, 200);
}

#[test]
fn e28_fields_go_before_values() {
    let api = Api::start(RULES);
    let body = r#"{"name":"","level":11,"secret":1,"id":2}"#;
    let answer = api.refused("POST", 403, || api.send("ana:clerk", "POST", ONE, body));
    assert_eq!(answer.json()["errors"].as_array().unwrap().len(), 2, "{answer:?}");
    assert!(!answer.text().contains("level"), "{}", answer.text());
}

#[test]
fn p10_a_merge_patch_is_asked_for_what_it_sends() {
    let api = Api::start(RULES);
    for method in ["PATCH", "PUT"] {
        for (body, at_fault) in [
            (r#"{"level":11}"#, "/level"),
            (r#"{"name":null}"#, "/name"),
            (r#"{"part":{"sku":"x"}}"#, "/part/sku"),
            (r#"{"part":{"sku":null}}"#, "/part/sku"),
            (r#"{"parts":[{}]}"#, "/parts/0"),
        ] {
            assert_eq!(faults(&api, "ana:clerk", method, ONE, body), [at_fault], "{method} {body}");
        }
        for body in [r#"{"level":10}"#, r#"{"level":null,"part":{"note":"x"}}"#, "{}"] {
            assert_eq!(api.send("ana:clerk", method, ONE, body).status, 200, "{method} {body}");
        }
    }
}

#[test]
fn the_objects_of_a_list_are_judged_one_by_one() {
    let api = Api::start(RULES);
    let body = r#"{"name":"all","data":[{"name":"a"},{"name":"b","level":11},{"level":3}]}"#;
    assert_eq!(faults(&api, "ana:clerk", "POST", "/thngs", body), ["/data/1/level", "/data/2"]);
    assert_eq!(api.send("ana:clerk", "POST", "/thngs", r#"{"name":"a"}"#).status, 200);
    assert_eq!(faults(&api, "ana:clerk", "POST", "/thngs", r#"{"level":11}"#), ["", "/level"]);
}

/// Each value is writable and valid under one role; adding a role takes nothing away.
#[test]
fn p09_each_value_is_valid_under_one_contributing_role() {
    let api = Api::start(RULES);
    let both = "ana:clerk,engineer";
    for (body, at_fault) in [
        (r#"{"name":"a","level":50}"#, "/level"),
        (r#"{"name":"a","torque":-4,"level":11}"#, "/level"),
        (r#"{"name":"abcdef","level":100}"#, "/name"),
    ] {
        assert_eq!(faults(&api, both, "POST", ONE, body), [at_fault], "{body}");
    }
    for body in [r#"{"name":"a","level":10}"#, r#"{"name":"a","level":100}"#, r#"{"level":200}"#] {
        assert_eq!(api.send(both, "POST", ONE, body).status, 200, "{body}");
    }
    assert_eq!(
        faults(&api, "ana:engineer", "POST", ONE, r#"{"level":10,"torque":4}"#),
        ["/level", "/torque"]
    );
    assert_eq!(api.send("ana:clerk", "POST", ONE, r#"{"name":"a","torque":4}"#).status, 200);
    assert_eq!(api.send(both, "POST", ONE, r#"{"name":"a","torque":4}"#).status, 200);
}

#[test]
fn p13_values_that_are_judged_are_counted() {
    let api = Api::start(RULES);
    let send = |values: usize| {
        let body = format!(r#"{{"name":"a","l":[{}]}}"#, vec!["0"; values - 3].join(","));
        api.send("ana:clerk", "POST", ONE, &body).status
    };
    assert_eq!([99_999, 100_000, 100_001].map(send), [200, 200, 400]);
}

#[test]
fn p16_a_422_repeats_no_value_and_no_rule() {
    let api = Api::start(RULES);
    let answer = api.send("ana:clerk", "POST", ONE, r#"{"name":"CANARY","level":987654321}"#);
    assert_eq!(answer.status, 422);
    for word in ["CANARY", "987654321", "maxLength", "maximum", "clerk", "ranges"] {
        assert!(!answer.text().contains(word), "{word}: {}", answer.text());
    }
}
