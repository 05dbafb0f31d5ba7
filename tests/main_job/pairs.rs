//! Objects that stand in a body as lists of pairs: `[{"key": …, "value": …}]`.

use super::{Api, pointers};
use crate::support::{Upstream, client};
use serde_json::json;

/// As EVRYTHNG has it: properties of a thing in both forms, one schema for each.
const RULES: &str = r#"
routes: [{match: "/**", update: merge}]
roles:
  - {id: engineer, grants: [{path: "/thngs/**", access: ru}], schemas: [props, props-list]}
  - {id: owner, grants: [{path: "/thngs/**", access: ru}]}
resource_types:
  - id: properties
    at: [{path: "/thngs", pointer: "/*/properties"}, {path: "/thngs/{id}", pointer: /properties}]
  - id: property-list
    at: [{path: "/thngs/{id}/properties", pointer: "", entries: {key: /key, value: /value}}]
schemas:
  - id: props
    type: properties
    body: {type: object, additionalProperties: false, properties: {temperature: {type: number, maximum: 10}, serial: {type: string, readOnly: true}}}
  - id: props-list
    type: property-list
    body: {type: object, additionalProperties: false, properties: {temperature: {type: number, maximum: 10}, serial: {type: string, readOnly: true}}}
"#;

const LIST: &str = "/thngs/1/properties";

const STORED: &str = r#"[{"key":"temperature","value":7.50,"timestamp":1},{"value":"CANARY","key":"secret"},{"key":"serial","value":"S1"},{"key":"temperature2","value":"CANARY"},{"value":"CANARY"}]"#;

#[test]
fn e24_a_schema_hides_pairs_by_the_properties_that_they_name() {
    let api = Api::over(Upstream::json(STORED), RULES);
    let seen = api.call("ana:engineer", "GET", LIST);
    let wanted =
        r#"[{"key":"temperature","value":7.50,"timestamp":1},{"key":"serial","value":"S1"}]"#;
    assert_eq!(seen.text(), wanted);
    assert_eq!(api.call("ana:owner", "GET", LIST).text(), STORED);
    api.refuses("ana:engineer", "GET", "/thngs/1/properties?filter=secret", 403);
}

#[test]
fn e24_both_forms_show_the_same() {
    let object = r#"{"id":1,"properties":{"temperature":1,"secret":"CANARY","serial":"S1"}}"#;
    let api = Api::over(Upstream::json(object), RULES);
    let seen = api.call("ana:engineer", "GET", "/thngs/1").json();
    assert_eq!(seen, json!({"id": 1, "properties": {"temperature": 1, "serial": "S1"}}));
}

#[test]
fn p11_pairs_that_are_none_or_doubled_show_nothing() {
    for (stored, status) in [
        (r#"[{"key":"temperature","value":1},{"key":"temperature","value":"CANARY"}]"#, 502),
        (r#"[{"key":"temperature","key":"secret","value":"CANARY"}]"#, 502),
        (r#"{"key":"secret","value":"CANARY"}"#, 502),
        (r#"[{"name":"secret","value":"CANARY"},"CANARY",["CANARY"]]"#, 200),
        (r#"[{"key":"temperature","value":"CANARY"},{"key":7,"value":"CANARY"}]"#, 200),
    ] {
        let answer = Api::over(Upstream::json(stored), RULES).call("ana:engineer", "GET", LIST);
        assert_eq!(answer.status, status, "{stored}");
        assert!(!answer.text().contains("CANARY"), "{stored}: {}", answer.text());
    }
}

#[test]
fn p11_errors_of_a_path_with_pairs_are_generic() {
    let body = r#"{"error":[{"key":"secret","value":"CANARY"}]}"#;
    let upstream = Upstream::fixed(crate::support::upstream::json_response(409, body));
    let answer = Api::over(upstream, RULES).call("ana:engineer", "GET", LIST);
    assert_eq!(answer.status, 409);
    super::assert_problem("GET", &answer);
}

#[test]
fn e27_a_pair_that_may_not_be_written_is_403_at_its_key() {
    let api = Api::start(RULES);
    for (body, status, at_fault) in [
        (r#"[{"key":"temperature","value":5},{"key":"secret","value":1}]"#, 403, "/1/key"),
        (r#"[{"value":"S2","key":"serial"}]"#, 403, "/0/key"),
        (r#"[{"key":"Serial","value":"S2"}]"#, 403, "/0/key"),
        (r#"[{"key":"temperature","value":"hot"}]"#, 422, "/0/key"),
        (r#"[{"value":5}]"#, 422, "/0"),
        (r#"["temperature"]"#, 422, "/0"),
    ] {
        let send = || api.send("ana:engineer", "PUT", LIST, body);
        let answer = api.refused("PUT", status, send);
        assert_eq!(pointers(&answer), [at_fault], "{body}");
    }
    let object = r#"{"key":"temperature","value":5}"#;
    api.refused("PUT", 403, || api.send("ana:engineer", "PUT", LIST, object));
    let twice = r#"[{"key":"temperature","value":5},{"key":"temperature","value":6}]"#;
    api.refused("PUT", 400, || api.send("ana:engineer", "PUT", LIST, twice));
}

#[test]
fn e28_the_value_of_a_pair_is_judged_with_its_property() {
    let api = Api::start(RULES);
    let put = |value: u32| {
        let body = format!(r#"[{{"key":"temperature","value":{value}}}]"#);
        api.send("ana:engineer", "PUT", LIST, &body)
    };
    assert_eq!((put(11).status, pointers(&put(11))), (422, vec!["/0/key".to_owned()]));
    assert_eq!(put(10).status, 200);
    assert_eq!(api.upstream.requests().len(), 1);
}

/// The head is out by then: the connection is cut, and no pair goes out raw.
#[test]
fn p11_a_pair_is_held_up_to_a_limit() {
    for (bytes, whole) in [((1 << 20) - 1, true), (1 << 20, true), ((1 << 20) + 1, false)] {
        let frame = r#"{"key":"temperature","value":1,"note":""}"#.len();
        let note = "x".repeat(bytes - frame);
        let pair = format!(r#"[{{"key":"temperature","value":1,"note":"{note}"}}]"#);
        let token = super::bearer("ana:engineer");
        let api = Api::over(Upstream::json(&pair), RULES);
        let mut client = crate::support::Client::connect(api.proxy.address);
        let head = client::head("GET", LIST, &[("Authorization", &token)], None);
        client.send(head);
        match client.try_read() {
            Ok(answer) => assert!(whole && answer.text() == pair, "{bytes}"),
            Err(broken) => assert!(!whole && !format!("{broken:?}").contains("xxx"), "{bytes}"),
        }
    }
}
