//! What a caller may send: checked field by field before a byte goes out, and what goes out is
//! what was checked.

use super::{Api, pointers};
use crate::support::upstream::response;
use crate::support::{Client, Upstream, client, h2};
use serde_json::json;

const RULES: &str = r#"
roles:
  - {id: support, grants: [{path: "/customers/{id}", access: crud}], schemas: [support]}
  - {id: owner, grants: [{path: "/customers/{id}", access: crud}]}
schemas:
  - id: support
    type: customer
    body:
      type: object
      additionalProperties: true
      properties:
        ssn: false
        id: {type: integer, readOnly: true}
        age: {type: integer}
        secret: {type: string, writeOnly: true}
        address: {type: object, additionalProperties: true, properties: {zip: {type: string, readOnly: true}}}
        devices: {type: array, items: {type: object, additionalProperties: false, properties: {name: {type: string}}}}
resource_types:
  - {id: customer, at: [{path: "/customers/{id}", pointer: ""}]}
"#;

const TARGET: &str = "/customers/1";

/// Every field at fault is named, by pointers into what the caller itself sent.
#[test]
fn p10_hidden_and_read_only_fields_are_403_with_every_pointer() {
    let api = Api::start(RULES);
    for (body, at_fault) in [
        (r#"{"ssn": 1}"#, &["/ssn"][..]),
        (r#"{"id": 7, "name": "x"}"#, &["/id"]),
        (r#"{"s\u0073n": 1}"#, &["/ssn"]),
        (r#"{"address": {"zip": "1", "street": "x"}}"#, &["/address/zip"]),
        (
            r#"{"devices": [{"name": "a"}, {"key": 1, "a/b~": 2}]}"#,
            &["/devices/1/key", "/devices/1/a~1b~0"],
        ),
        (r#"{"ssn": 1, "id": 2, "age": "wrong"}"#, &["/ssn", "/id"]),
    ] {
        // An array replaces the stored one, with what is hidden in it: PATCH refuses it whole.
        let methods = if body.contains('[') { &["POST"][..] } else { &["POST", "PATCH"] };
        for method in methods {
            let send = || api.send("ana:support", method, TARGET, body);
            let answer = api.refused(method, 403, send);
            let mut found = pointers(&answer);
            let mut wanted: Vec<_> = at_fault.iter().map(|text| (*text).to_owned()).collect();
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{body}");
        }
    }
    let other = r#"{"ssn": 1, "id": 7, "age": "x"}"#;
    assert_eq!(api.send("ana:owner", "PATCH", TARGET, other).status, 200);
}

#[test]
fn p10_wrong_types_are_422_with_pointers() {
    let api = Api::start(RULES);
    for (body, at_fault) in [
        (r#"{"age": "x"}"#, "/age"),
        (r#"{"age": 1.5}"#, "/age"),
        (r#"{"address": []}"#, "/address"),
        (r#"{"devices": {}}"#, "/devices"),
        ("[]", ""),
        ("7", ""),
    ] {
        let answer = api.refused("POST", 422, || api.send("ana:support", "POST", TARGET, body));
        assert_eq!(pointers(&answer), [at_fault], "{body}");
    }
}

/// `null` removes a member in a merge patch: what holds hidden parts cannot be removed.
#[test]
fn p10_a_merge_patch_removes_nothing_that_is_hidden() {
    let api = Api::start(RULES);
    let merge = "application/merge-patch+json";
    for (body, at_fault) in [
        (r#"{"ssn": null}"#, "/ssn"),
        (r#"{"address": null}"#, "/address"),
        (r#"{"devices": []}"#, "/devices"),
        (r#"{"address": {"zip": null}}"#, "/address/zip"),
    ] {
        for kind in [merge, "application/json"] {
            let send = || api.send_as("ana:support", "PATCH", TARGET, kind, body);
            assert_eq!(pointers(&api.refused("PATCH", 403, send)), [at_fault], "{kind} {body}");
        }
    }
    let send = |body| api.send_as("ana:support", "PATCH", TARGET, merge, body).status;
    assert_eq!(send(r#"{"age": null, "name": null, "address": {"street": "x"}}"#), 200);
    // They say in values which fields they change.
    for kind in ["application/scim+json", "application/fhir+json"] {
        let body = r#"{"Operations": [{"op": "replace", "path": "ssn", "value": 1}]}"#;
        let changes = || api.send_as("ana:support", "PATCH", TARGET, kind, body);
        api.refused("PATCH", 415, changes);
        assert_eq!(api.send_as("ana:support", "POST", TARGET, kind, "{}").status, 200, "{kind}");
    }
    let posted = api.send_as("ana:support", "POST", TARGET, merge, "{}").status;
    assert_eq!(posted, 415, "a merge patch creates nothing");
}

#[test]
fn p10_what_can_be_read_in_two_ways_is_400() {
    let api = Api::start(RULES);
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(64), "]".repeat(64));
    for body in [
        r#"{"a": 1, "a": 2}"#,
        r#"{"a": 1, "\u0061": 2}"#,
        r#"{"x": [{"b": {}, "b": 1}]}"#,
        r#"{"age": 1, "AGE": 2}"#,
        "{\"a\": 1} x",
        "{\"a\": 1}{}",
        "\u{feff}{}",
        "{\"a\": \"\\ud800\"}",
        "{\"a\\u0000\": 1}",
        "{\"a\": NaN}",
        "{\"a\": 01}",
        "{/* */}",
        "{'a': 1}",
        "{\"a\": 1,}",
        "{",
        "ssn",
        deep.as_str(),
    ] {
        api.refused("POST", 400, || api.send("ana:support", "POST", TARGET, body));
    }
    for bytes in [&b"{\"a\": \"\xff\"}"[..], b"{\0\"\0a\0\"\0:\x001\0}\0"] {
        let token = super::bearer("ana:support");
        let fields = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
        let mut client = Client::connect(api.proxy.address);
        api.refused("POST", 400, || client.call_with("POST", TARGET, &fields, bytes));
    }
}

#[test]
fn p10_where_fields_are_limited_the_content_type_decides() {
    let api = Api::start(RULES);
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json-patch+json",
        "application/jsonx",
        "application/json; charset*=utf-8''utf-16",
        "multipart/form-data+json; boundary=b",
        "*/*",
    ] {
        let send = || api.send_as("ana:support", "POST", TARGET, kind, r#"{"name": "x"}"#);
        api.refused("POST", 415, send);
    }
    let token = super::bearer("ana:support");
    let typed = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    for more in [
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", ""),
        ("Content-Type", "application/json"),
        // Bytes in the middle of what is stored could be a hidden field's.
        ("Content-Range", "bytes 2-9/20"),
    ] {
        api.refused("POST", 415, || client_with(&api, &[&typed[..], &[more]].concat(), b"{}"));
    }
    for kind in
        ["application/json", "application/vnd.api+json", "Application/JSON; charset=\"UTF-8\""]
    {
        let answer = api.send_as("ana:support", "POST", TARGET, kind, r#"{"name": "x"}"#);
        assert_eq!(answer.status, 200, "{kind}");
        assert_eq!(api.upstream.requests().pop().unwrap().fields.get("content-type"), Some(kind));
    }
    assert_eq!(api.send_as("ana:owner", "POST", TARGET, "text/plain", "ssn").status, 200);
    assert_eq!(api.call("ana:support", "POST", TARGET).status, 200, "an empty body is fine");
}

fn client_with(api: &Api, fields: &[(&str, &str)], body: &[u8]) -> crate::support::Response {
    Client::connect(api.proxy.address).call_with("POST", TARGET, fields, body)
}

/// The checked bytes, as they were sent, with a numeric length, however they came.
#[test]
fn p10_what_is_forwarded_is_what_was_checked() {
    let api = Api::start(RULES);
    let body = "{ \"name\" : \"\\u00e9/\\/é\", \"n\":1.10, \"big\":123456789012345678901234567890,\t\"age\":7 }\n";
    assert_eq!(api.send("ana:support", "POST", TARGET, body).status, 200);
    let token = super::bearer("ana:support");
    let fields = [
        ("Authorization", token.as_str()),
        ("Content-Type", "application/json"),
        ("Transfer-Encoding", "chunked"),
    ];
    let mut client = Client::connect(api.proxy.address);
    client.send(client::head("POST", TARGET, &fields, None));
    for chunk in body.as_bytes().chunks(3) {
        client.send(format!("{:x};ext=1\r\n", chunk.len()));
        client.send(chunk);
        client.send("\r\n");
    }
    client.send("0\r\nX-Trailer: x\r\n\r\n");
    assert_eq!(client.read().status, 200);
    for seen in api.upstream.requests() {
        assert_eq!(String::from_utf8(seen.body.clone()).unwrap(), body);
        assert_eq!(seen.fields.get("content-length"), Some(body.len().to_string().as_str()));
        assert_eq!(seen.fields.get("transfer-encoding"), None);
        assert!(seen.trailers.0.is_empty());
    }
    assert_eq!(api.upstream.requests().len(), 2);
}

#[test]
fn a_write_is_answered_with_what_its_caller_may_see() {
    let api = Api::over(Upstream::json(r#"{"id": 1, "ssn": "CANARY", "secret": "CANARY"}"#), RULES);
    for method in ["POST", "PATCH", "DELETE"] {
        let answer = api.send("ana:support", method, TARGET, r#"{"secret": "new"}"#);
        assert_eq!((answer.status, answer.json()), (200, json!({"id": 1})), "{method}");
    }
    let html =
        response(201, &[("Content-Type", "text/html"), ("Location", "/customers/9")], "CANARY");
    let api = Api::over(Upstream::fixed(html), RULES);
    let answer = api.send("ana:support", "POST", TARGET, "{}");
    assert_eq!((answer.status, answer.header("location")), (201, Some("/customers/9")));
    super::assert_problem("POST", &answer);
    assert!(!answer.text().contains("CANARY"), "the write has happened: its status stands");
}

#[test]
fn p13_a_body_that_must_be_read_has_a_limit() {
    let policy = crate::support::TempPolicy::file(&super::with_tokens(RULES));
    policy.write("jwt.secret", crate::support::tokens::SECRET);
    let upstream = Upstream::json("{}");
    let proxy = crate::support::proxy::Start::new()
        .upstream(&upstream)
        .policy(policy.path())
        .environment("PORTCULLIS_LIMITS_MAX_BODY", "4KiB")
        .ready();
    let send = |bytes: usize| {
        let body = format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
        let token = super::bearer("ana:support");
        client::call_json(proxy.address, "POST", TARGET, &[("Authorization", &token)], &body).status
    };
    assert_eq!([4095, 4096, 4097].map(send), [200, 200, 413]);
    assert_eq!(upstream.requests().len(), 2);
}

/// What HTTP/1.1 is refused, HTTP/2 is; and what is checked there goes on as it does here.
#[test]
fn p10_bodies_over_http_2_are_checked_alike() {
    let api = Api::start(RULES);
    let token = super::bearer("ana:support");
    let call = |method: &str, kind: &str, body: &str| {
        let fields = [("authorization", token.as_str()), ("content-type", kind)];
        let request = h2::request(api.proxy.address, method, TARGET, &fields, body);
        h2::call_all(api.proxy.address, vec![request]).remove(0).unwrap().status
    };
    let (json, patch) = ("application/json", "application/json-patch+json");
    for (method, kind, body, status) in [
        ("POST", json, r#"{"ssn": 1}"#, 403),
        ("DELETE", json, r#"{"ssn": 1}"#, 403),
        ("GET", json, r#"{"ssn": 1}"#, 403),
        ("PUT", json, r#"{"name": "x"}"#, 409),
        ("POST", json, r#"{"age": "x"}"#, 422),
        ("POST", json, r#"{"a": 1, "\u0061": 2}"#, 400),
        ("POST", "text/plain", "ssn", 415),
        ("PATCH", patch, r#"[{"op": "add", "path": "/ssn", "value": 1}]"#, 403),
    ] {
        assert_eq!(call(method, kind, body), status, "{method} {body}");
    }
    api.upstream.assert_untouched();
    assert_eq!(call("POST", json, r#"{"name": "x"}"#), 200);
    let seen = api.upstream.requests().pop().unwrap();
    assert_eq!(
        (&seen.body[..], seen.fields.get("content-length")),
        (&br#"{"name": "x"}"#[..], Some("13"))
    );
}

/// A parameter that a server may take for a member of the body is held to the same mask.
#[test]
fn p10_a_query_writes_no_hidden_and_no_read_only_field() {
    let api = Api::start(RULES);
    for query in ["ssn=1", "id=7", "ID=7", "customer[id]=7", "zip=1"] {
        for method in ["POST", "PATCH"] {
            let target = format!("{TARGET}?{query}");
            api.refused(method, 403, || api.send("ana:support", method, &target, "{}"));
        }
    }
    for (method, query) in [("GET", "id=7"), ("DELETE", "id=7"), ("POST", "name=x")] {
        let target = format!("{TARGET}?{query}");
        assert_eq!(api.call("ana:support", method, &target).status, 200, "{method} {query}");
    }
}

/// A coding is refused, unless the settings have it taken off: then the decoded bytes are checked, and
/// they are what is sent.
#[test]
fn p10_encodings_are_refused_or_decoded_within_a_bound() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let policy = crate::support::TempPolicy::file(&super::with_tokens(RULES));
    policy.write("jwt.secret", crate::support::tokens::SECRET);
    let upstream = Upstream::json("{}");
    let start = crate::support::proxy::Start::new().upstream(&upstream).policy(policy.path());
    let proxy = start
        .environment("PORTCULLIS_WORKERS", "1")
        .environment("PORTCULLIS_DECODE_REQUESTS", "true")
        .ready();
    let send = |who: &str, coding: &str, body: &[u8]| {
        let token = super::bearer(who);
        let fields = [
            ("Authorization", token.as_str()),
            ("Content-Type", "application/json"),
            ("Content-Encoding", coding),
            ("Content-Digest", "sha-256=:x:"),
        ];
        Client::connect(proxy.address).call_with("POST", TARGET, &fields, body).status
    };
    let body = r#"{"name": "x", "n": 1.10}"#;
    for (coding, coded, status) in [
        ("gzip", gzip(r#"{"ssn": 1}"#), 403),
        ("gzip", gzip(r#"{"age": "x"}"#), 422),
        ("gzip", gzip("{"), 400),
        ("gzip", body.into(), 400),
        ("gzip", gzip(&format!("{{}}{}", " ".repeat(1 << 20))), 413),
        ("gzip, gzip", gzip(body), 415),
        ("compress", gzip(body), 415),
    ] {
        assert_eq!(send("ana:support", coding, &coded), status, "{coding} {status}");
    }
    assert!(upstream.requests().is_empty());
    assert_eq!(send("ana:support", "gzip", &gzip(body)), 200);
    let seen = upstream.requests().pop().unwrap();
    assert_eq!(String::from_utf8(seen.body.clone()).unwrap(), body);
    assert_eq!(seen.fields.get("content-length"), Some(body.len().to_string().as_str()));
    assert_eq!(
        (seen.fields.get("content-encoding"), seen.fields.get("content-digest")),
        (None, None)
    );
    assert_eq!(send("ana:owner", "gzip", &gzip(body)), 200);
    let seen = upstream.requests().pop().unwrap();
    assert_eq!(
        (seen.body.clone(), seen.fields.get("content-encoding")),
        (gzip(body), Some("gzip"))
    );
}

/// A body says what to delete as it says what to write.
#[test]
fn p02_delete_bodies_pass_the_schema() {
    let api = Api::start(RULES);
    let token = super::bearer("ana:support");
    let fields = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    let over_http2 = |body: &str| {
        let to = api.proxy.address;
        let request = h2::request(to, "DELETE", TARGET, &fields, body);
        h2::call_all(to, vec![request]).remove(0).unwrap()
    };
    for (body, status, at_fault) in [
        (r#"{"ssn": 1}"#, 403, &["/ssn"][..]),
        (r#"{"address": {"zip": "1"}, "id": 7}"#, 403, &["/address/zip", "/id"]),
        (r#"{"age": "x"}"#, 422, &["/age"]),
        (r#"{"devices": [{"name": 1}]}"#, 422, &["/devices/0/name"]),
        ("[]", 422, &[""]),
        ("{", 400, &[]),
    ] {
        let answer =
            api.refused("DELETE", status, || api.send("ana:support", "DELETE", TARGET, body));
        assert_eq!(pointers(&answer), at_fault, "{body}");
        let over = over_http2(body);
        assert_eq!((over.status, &over.body[..]), (status, &answer.body[..]), "{body}");
    }
    let kinds = ["text/plain", "", "multipart/mixed; boundary=b"];
    for kind in kinds {
        let send = || api.send_as("ana:support", "DELETE", TARGET, kind, r#"{"ssn": 1}"#);
        api.refused("DELETE", 415, send);
    }
    api.upstream.assert_untouched();
    let good = r#"{"name": "x", "age": 1.0, "devices": [{"name": "a"}]}"#;
    assert_eq!(api.send("ana:support", "DELETE", TARGET, good).status, 200);
    assert_eq!(over_http2(good).status, 200);
    assert_eq!(api.call("ana:support", "DELETE", TARGET).status, 200);
    let seen = api.upstream.requests();
    let bodies: Vec<_> = seen.iter().map(|one| (one.method.as_str(), &one.body[..])).collect();
    let good = good.as_bytes();
    assert_eq!(bodies, [("DELETE", good), ("DELETE", good), ("DELETE", b"")]);
}
