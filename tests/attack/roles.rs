//! A role more that takes something away.

use crate::main_job::Api;
use crate::support::Upstream;
use crate::support::upstream::{Recorded, json_response};

/// Whoever only edits sends what it likes; the other roles ask for what cannot always be known.
const RULES: &str = r#"
routes: [{match: "/**"}]
roles:
  - id: editor
    grants: [{path: "/notes/{id}", access: ru}]
    schemas: [sends]
  - id: owner
    grants: [{path: "/notes/{id}", access: u, owner: {field: /by, of: "/broken/{id}"}}]
  - id: sorter
    grants: [{path: "/notes/{id}", access: u, require: {field: /kind, in: a}}]
resource_types: [{id: note, at: [{path: "/notes/{id}", pointer: ""}]}]
schemas:
  - {id: sends, type: note, body: {type: object, additionalProperties: true, properties: {pin: {writeOnly: true}}}}
"#;

fn api() -> Api {
    let answer = |request: &Recorded| match request.target.starts_with("/broken") {
        true => json_response(500, "{}"),
        false => json_response(200, "{}"),
    };
    Api::over(Upstream::with(answer), RULES)
}

#[test]
fn p09_adding_a_role_takes_no_write_away() {
    let api = api();
    for (kind, body) in [
        ("application/json", r#"{"text":1}"#),
        ("application/json", r#"{"kind":"b"}"#),
        ("application/json", r#"{"kind":"a","kind":"b"}"#),
        ("text/plain", "anything"),
    ] {
        let alone = api.send_as("ann:editor", "PATCH", "/notes/1", kind, body);
        for more in ["editor,owner", "editor,sorter", "editor,owner,sorter"] {
            let both = api.send_as(&format!("ann:{more}"), "PATCH", "/notes/1", kind, body);
            assert_eq!(both.status, alone.status, "{more}: {kind} {body}");
        }
    }
}

/// Where nothing else holds, what could not be known is an error as ever.
#[test]
fn what_could_not_be_known_allows_nothing() {
    let api = api();
    let write = |roles: &str, kind: &str, body: &str| {
        api.send_as(roles, "PATCH", "/notes/1", kind, body).status
    };
    assert_eq!(write("ann:owner", "application/json", "{}"), 502);
    assert_eq!(write("ann:owner,sorter", "application/json", r#"{"kind":"b"}"#), 502);
    assert_eq!(write("ann:sorter", "application/json", r#"{"kind":"a","kind":"b"}"#), 400);
    assert_eq!(write("ann:sorter", "text/plain", "a"), 415);
    assert!(api.upstream.requests().iter().all(|request| request.method == "GET"));
}
