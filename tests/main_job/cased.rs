//! Schemas whose names mean every spelling that differs in case alone.

use super::Api;
use crate::support::Upstream;
use crate::support::upstream::json_response;

const RULES: &str = r#"
roles:
  - {id: open, grants: [{path: "/c/{id}", access: ru}], schemas: [hides]}
  - {id: closed, grants: [{path: "/c/{id}", access: ru}], schemas: [lists]}
  - {id: exact, grants: [{path: "/c/{id}", access: ru}], schemas: [exact]}
resource_types:
  - {id: customer, at: [{path: "/c/{id}", pointer: ""}]}
schemas:
  - id: hides
    type: customer
    case: insensitive
    body: {type: object, additionalProperties: true, properties: {ssn: false, card: {type: object, additionalProperties: true, properties: {number: false}}}}
  - id: lists
    type: customer
    case: insensitive
    body: {type: object, additionalProperties: false, properties: {name: true}}
  - id: exact
    type: customer
    body: {type: object, additionalProperties: true, properties: {ssn: false}}
"#;

const STORED: &str = r#"{"SSN":"CANARY","\u017f\u017fn":"CANARY","Ss\u004e":"CANARY","name":1,"NAME":2,"Card":{"Number":"CANARY","b":3},"sn":4}"#;

#[test]
fn p11_every_variant_of_a_hidden_name_is_hidden() {
    let api = Api::over(Upstream::json(STORED), RULES);
    let seen = api.call("ana:open", "GET", "/c/1");
    assert_eq!(seen.text(), r#"{"name":1,"NAME":2,"Card":{"b":3},"sn":4}"#);
    assert_eq!(api.call("ana:closed", "GET", "/c/1").text(), r#"{"name":1,"NAME":2}"#);
    // A union: what one role shows under its own rule is shown.
    let both = api.call("ana:open,exact", "GET", "/c/1");
    assert!(both.text().contains(r#""SSN":"CANARY""#), "{}", both.text());
    assert_eq!(api.call("ana:open,closed", "GET", "/c/1").text(), seen.text());
}

#[test]
fn p11_errors_hide_every_variant_as_well() {
    let body = r#"{"error":{"Ssn":"CANARY","CARD":"4111 CANARY","a":1}}"#;
    let api = Api::over(Upstream::fixed(json_response(409, body)), RULES);
    let answer = api.call("ana:open", "GET", "/c/1");
    assert_eq!((answer.status, answer.text()), (409, r#"{"error":{"a":1}}"#));
}

#[test]
fn p10_a_variant_of_a_hidden_name_is_refused_as_ever() {
    let api = Api::start(RULES);
    for who in ["ana:open", "ana:exact"] {
        api.refused("PATCH", 403, || api.send(who, "PATCH", "/c/1", r#"{"SSN":1}"#));
    }
}
