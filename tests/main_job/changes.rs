//! JSON Patch (RFC 6902), end to end.

use super::{Api, pointers};
use crate::support::Response;
use serde_json::{Value, json};

const RULES: &str = r#"
roles:
  - {id: support, grants: [{path: "/customers/{id}", access: crud}], schemas: [support]}
  - {id: writer, grants: [{path: "/customers/{id}", access: crud}], schemas: [writer]}
  - {id: owner, grants: [{path: "/customers/{id}", access: crud}]}
  - {id: mine, grants: [{path: "/tickets/{id}", access: ru, owner: {field: /user, of: "/tickets/{id}"}}]}
  - {id: open, grants: [{path: "/tickets/{id}", access: ru, require: {field: /state, in: [open]}}]}
schemas:
  - id: support
    type: customer
    body:
      type: object
      additionalProperties: true
      properties:
        ssn: false
        id: {type: integer, readOnly: true}
        age: {type: integer, maximum: 150}
        address: {type: object, additionalProperties: true, properties: {zip: {type: string, readOnly: true}}}
  - {id: writer, type: customer, body: {type: object, additionalProperties: true, properties: {secret: {type: string, writeOnly: true}}}}
resource_types:
  - {id: customer, at: [{path: "/customers/{id}", pointer: ""}]}
"#;

const TARGET: &str = "/customers/1";
const PATCH: &str = "application/json-patch+json";

fn send(api: &Api, who: &str, target: &str, patch: &Value) -> Response {
    api.send_as(who, "PATCH", target, PATCH, &patch.to_string())
}

#[test]
fn p10_json_patch_pointers_are_checked_for_read_and_write() {
    let api = Api::start(RULES);
    for (patch, status, at_fault) in [
        (json!([{"op": "replace", "path": "/ssn", "value": 1}]), 403, &["/0/path"][..]),
        (json!([{"op": "replace", "path": "/Ssn", "value": 1}]), 403, &["/0/path"]),
        (json!([{"op": "test", "path": "/ssn", "value": 1}]), 403, &["/0/path"]),
        (json!([{"op": "copy", "from": "/ssn", "path": "/note"}]), 403, &["/0/from"]),
        (json!([{"op": "copy", "from": "", "path": "/note"}]), 403, &["/0/from"]),
        (json!([{"op": "move", "from": "/id", "path": "/note"}]), 403, &["/0/from"]),
        (json!([{"op": "remove", "path": "/address"}]), 403, &["/0/path"]),
        (json!([{"op": "replace", "path": "", "value": {}}]), 403, &["/0/path"]),
        (json!([{"op": "add", "path": "/address/zip", "value": "1"}]), 403, &["/0/path"]),
        (
            json!([{"op": "add", "path": "/age", "value": 1}, {"op": "add", "path": "/id", "value": 1}]),
            403,
            &["/1/path"],
        ),
        (json!([{"op": "add", "path": "/age", "value": 151}]), 422, &["/0/value"]),
        (json!([{"op": "add", "path": "/age", "value": "x"}]), 422, &["/0/value"]),
        (json!([{"op": "add", "path": "/age"}]), 400, &[]),
        (json!([{"op": "purge", "path": "/age"}]), 400, &[]),
        (json!({"op": "remove", "path": "/age"}), 400, &[]),
    ] {
        let answer = api.refused("PATCH", status, || send(&api, "ana:support", TARGET, &patch));
        assert_eq!(pointers(&answer), at_fault, "{patch}");
        assert!(!answer.text().contains("151"), "values are masked");
    }
    assert_eq!(api.upstream.requests().len(), 0);
    let text =
        r#"[ {"op":"add" , "path":"/age","value":1.0e1},{"op":"test","path":"/id","value":7} ]"#;
    assert_eq!(api.send_as("ana:support", "PATCH", TARGET, PATCH, text).status, 200);
    let seen = api.upstream.requests().pop().unwrap();
    assert_eq!(String::from_utf8(seen.body.clone()).unwrap(), text);
    assert_eq!(seen.fields.get("content-length"), Some(text.len().to_string().as_str()));
}

#[test]
fn p10_a_json_patch_is_for_patch_alone() {
    let api = Api::start(RULES);
    for method in ["PUT", "POST"] {
        let send = || api.send_as("ana:support", method, TARGET, PATCH, "[]");
        api.refused(method, 415, send);
    }
    assert_eq!(
        api.send_as("ana:owner", "PUT", TARGET, PATCH, "[]").status,
        200,
        "nothing limits it"
    );
}

/// What may be written and not be read can be copied to where it can be read.
#[test]
fn p10_what_can_only_be_written_is_not_copied() {
    let api = Api::start(RULES);
    for operation in [
        json!({"op": "copy", "from": "/secret", "path": "/note"}),
        json!({"op": "move", "from": "/secret", "path": "/note"}),
        json!({"op": "test", "path": "/secret", "value": "x"}),
    ] {
        let patch = json!([operation]);
        api.refused("PATCH", 403, || send(&api, "ana:writer", TARGET, &patch));
    }
    let patch = json!([{"op": "replace", "path": "/secret", "value": "x"}]);
    assert_eq!(send(&api, "ana:writer", TARGET, &patch).status, 200);
    let unread = || api.send_as("ana:writer", "PATCH", TARGET, "text/plain", "x");
    api.refused("PATCH", 415, unread);
}

/// A patch holds to `owner` and `require` where it leaves what they read as it is.
#[test]
fn p10_a_json_patch_leaves_owner_and_required_values() {
    let stored = r#"{"user": "ana", "state": "open"}"#;
    let api = Api::over(crate::support::Upstream::json(stored), RULES);
    let changes = |path: &str| json!([{"op": "add", "path": path, "value": "ana"}]);
    for (who, path, status) in [
        ("ana:mine", "/note", 200),
        ("ana:mine", "/user", 404),
        ("ana:mine", "/USER", 404),
        ("ana:mine", "", 404),
        ("ana:open", "/note", 200),
        ("ana:open", "/state", 403),
        ("ana:open", "", 403),
    ] {
        let answer = send(&api, who, "/tickets/1", &changes(path));
        assert_eq!(answer.status, status, "{who} {path}: {}", answer.text());
    }
    let patches = api.upstream.requests().into_iter().filter(|seen| seen.method == "PATCH");
    assert_eq!(patches.count(), 2);
}
