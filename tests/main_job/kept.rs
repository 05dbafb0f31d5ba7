//! `update: merge_hidden`: a PUT keeps what its caller cannot see.

use super::Api;
use crate::support::Upstream;
use crate::support::upstream::response;

const RULES: &str = r#"
routes:
  - {match: "/**", update: merge_hidden}
roles:
  - {id: support, grants: [{path: "/customers/{id}", access: ru}], schemas: [support]}
  - {id: judged, grants: [{path: "/customers/{id}", access: ru}], schemas: [judged]}
schemas:
  - id: support
    type: customer
    body:
      type: object
      additionalProperties: true
      properties:
        ssn: false
        age: {type: integer, maximum: 150}
        devices: {type: array, items: {type: object, additionalProperties: true, properties: {key: false}}}
  - {id: judged, type: customer, body: {type: object, additionalProperties: true, properties: {age: {maximum: 150}}}}
resource_types:
  - {id: customer, at: [{path: "/customers/{id}", pointer: ""}]}
"#;

const TARGET: &str = "/customers/1";

/// An upstream that answers looks so, and everything else with `{}`.
fn api(status: u16, fields: &'static [(&'static str, &'static str)], body: &'static str) -> Api {
    let upstream = Upstream::with(move |seen| match seen.method.as_str() {
        "GET" => response(status, fields, body),
        _ => response(200, &[("Content-Type", "application/json")], r#"{"ssn": 1, "done": true}"#),
    });
    Api::over(upstream, RULES)
}

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json"), ("ETag", "\"v1\"")];
const STORED: &str = r#"{"name": "Ada", "ssn": "canary-1" , "age": 36}"#;

fn puts(api: &Api) -> Vec<crate::support::upstream::Recorded> {
    api.upstream.requests().into_iter().filter(|seen| seen.method == "PUT").collect()
}

#[test]
fn p10_a_put_keeps_what_its_caller_cannot_see() {
    let api = api(200, JSON, STORED);
    let answer = api.send("ana:support", "PUT", TARGET, r#"{"name": "Eva","age":37.0}"#);
    assert_eq!((answer.status, answer.text()), (200, r#"{ "done": true}"#));
    let seen = puts(&api).pop().unwrap();
    let wanted = r#"{"name": "Eva","age":37.0,"ssn": "canary-1"}"#;
    assert_eq!(String::from_utf8(seen.body.clone()).unwrap(), wanted);
    assert_eq!(seen.fields.get("if-match"), Some("\"v1\""));
    assert_eq!(seen.fields.get("content-length"), Some(wanted.len().to_string().as_str()));
    let looks: Vec<_> =
        api.upstream.requests().into_iter().filter(|seen| seen.method == "GET").collect();
    assert_eq!((looks.len(), looks[0].target.as_str()), (1, TARGET));
}

#[test]
fn p10_a_put_keeps_to_the_version_that_its_caller_names() {
    let api = api(200, JSON, STORED);
    let token = super::bearer("ana:support");
    for (tag, status) in [("\"v1\"", 200), ("\"v0\"", 412)] {
        let fields = [
            ("Authorization", token.as_str()),
            ("Content-Type", "application/json"),
            ("If-Match", tag),
        ];
        let mut client = crate::support::Client::connect(api.proxy.address);
        assert_eq!(client.call_with("PUT", TARGET, &fields, b"{}").status, status, "{tag}");
    }
    assert_eq!(puts(&api).len(), 1);
}

/// What a client says of its own bytes is not true of those that go on.
#[test]
fn p10_a_put_that_keeps_something_has_no_digest_of_the_clients_bytes() {
    let api = api(200, JSON, STORED);
    let digests = ["Content-MD5", "Digest", "Content-Digest", "Repr-Digest"];
    let token = super::bearer("ana:support");
    let mut fields = vec![("Authorization", token.as_str()), ("Content-Type", "application/json")];
    fields.extend(digests.map(|name| (name, "sha-256=:x:")));
    let mut client = crate::support::Client::connect(api.proxy.address);
    assert_eq!(client.call_with("PUT", TARGET, &fields, b"{}").status, 200);
    let seen = puts(&api).pop().unwrap();
    assert_eq!(digests.map(|name| seen.fields.get(name)), [None; 4]);
}

#[test]
fn p10_what_cannot_be_kept_is_409_and_nothing_is_written() {
    let weak: &[(&str, &str)] = &[("Content-Type", "application/json"), ("ETag", "W/\"v1\"")];
    let list = r#"{"devices": [{"name": "a", "key": "canary-2"}]}"#;
    for (fields, stored, body) in [
        (weak, STORED, "{}"),
        (&JSON[..1], STORED, "{}"),
        (JSON, list, r#"{"devices": [{"name": "b"}]}"#),
        (JSON, list, "{}"),
        (JSON, STORED, ""),
    ] {
        let api = api(200, fields, stored);
        let answer = api.send("ana:support", "PUT", TARGET, body);
        assert_eq!(answer.status, 409, "{stored} {body}");
        assert!(!answer.text().contains("canary"));
        assert!(puts(&api).is_empty(), "{stored} {body}");
    }
}

#[test]
fn p10_an_object_that_cannot_be_read_is_not_replaced() {
    let text: &[(&str, &str)] = &[("Content-Type", "text/plain"), ("ETag", "\"v1\"")];
    for (status, fields, stored) in [
        (200, text, STORED),
        (500, JSON, "{}"),
        (403, JSON, "{}"),
        (200, JSON, r#"{"ssn": 1, "ssn": 2}"#),
        (200, JSON, r#"{"ssn": 1"#),
        (200, JSON, "[1]"),
    ] {
        let api = api(status, fields, stored);
        let answer = api.send("ana:support", "PUT", TARGET, "{}");
        assert_eq!(answer.status, 502, "{status} {stored}");
        assert!(puts(&api).is_empty(), "{status} {stored}");
    }
}

/// Where there is nothing yet, nothing is hidden, and it stays so until it is written.
#[test]
fn p10_a_put_to_nothing_makes_it() {
    let api = api(404, JSON, "{}");
    assert_eq!(api.send("ana:support", "PUT", TARGET, r#"{"name": "x"}"#).status, 200);
    let seen = puts(&api).pop().unwrap();
    assert_eq!(seen.body, br#"{"name": "x"}"#);
    assert_eq!(seen.fields.get("if-none-match"), Some("*"));
}

#[test]
fn p10_fields_and_values_are_judged_before_anything_is_looked_at() {
    let api = api(200, JSON, STORED);
    for (body, status) in [(r#"{"ssn": 1}"#, 403), (r#"{"age": 151}"#, 422), ("{", 400)] {
        api.refused("PUT", status, || api.send("ana:support", "PUT", TARGET, body));
    }
    assert_eq!(api.upstream.requests().len(), 0);
    // Where values alone are judged, there is nothing to put back.
    assert_eq!(api.send("ana:judged", "PUT", TARGET, r#"{"age": 1}"#).status, 200);
    assert_eq!(puts(&api)[0].body, br#"{"age": 1}"#);
}

#[test]
fn p10_a_body_that_is_put_together_has_a_limit() {
    let api = api(200, JSON, STORED);
    let body = |length: usize| format!(r#"{{"note":"{}"}}"#, "x".repeat(length - 11));
    for (length, status) in [((1 << 20) - 1, 200), (1 << 20, 200), ((1 << 20) + 1, 413)] {
        assert_eq!(
            api.send("ana:support", "PUT", TARGET, &body(length)).status,
            status,
            "{length}"
        );
    }
}
