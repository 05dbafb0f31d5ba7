//! Which fields a caller sees, over the wire: what stays keeps its bytes, what is hidden is nowhere.

use super::Api;
use crate::support::upstream::{chunked_response, json_response, response};
use crate::support::{Upstream, eventually, h2};
use serde_json::json;

const FIELDS: &str = r#"
roles:
  - {id: support, grants: [{path: "/customers/**", access: crud}], schemas: [support]}
  - {id: billing, grants: [{path: "/customers/{id}", access: r}], schemas: [billing]}
  - {id: owner, grants: [{path: "/customers/**", access: crud}]}
  - {id: elsewhere, grants: [{path: "/reports/**", access: r}]}
  - {id: adviser, grants: [{path: "/customers/{id}/notes", access: r}], schemas: [note]}
  - {id: clerk, grants: [{path: "/customers/{id}/notes", access: r}]}
  - {id: lister, grants: [{path: "/lists/**", access: r}], schemas: [support]}
schemas:
  - id: support
    type: customer
    body:
      type: object
      additionalProperties: true
      properties:
        ssn: false
        secret: {type: string, writeOnly: true}
        age: {type: integer}
        card: {type: object, additionalProperties: true, properties: {number: false}}
        devices: {type: array, items: {type: object, additionalProperties: true, properties: {key: false}}}
        tags: {type: object, additionalProperties: {type: object, additionalProperties: true, properties: {note: false}}}
  - id: billing
    type: customer
    body: {type: object, additionalProperties: false, properties: {id: {type: integer}, card: {type: object, additionalProperties: true, properties: {}}}}
  - {id: note, type: note, body: {type: object, additionalProperties: true, properties: {name: false}}}
resource_types:
  - {id: note, at: [{path: "/customers/{id}/notes", pointer: ""}]}
  - id: customer
    at:
      - {path: "/customers", pointer: "/data/*"}
      - {path: "/customers/{id}", pointer: ""}
      - {path: "/lists/pair", pointer: "/0"}
"#;

const CUSTOMER: &str = r#"{"id":1,"name":"Ann","ssn":"CANARY","secret":"CANARY","age":"CANARY","card":{"number":"CANARY","last4":"1111"},"devices":[{"id":7,"key":"CANARY"},{"key":"CANARY"},[{"key":"CANARY"}]],"tags":{"a":{"name":"x","note":"CANARY"},"b":{"note":"CANARY"}}}"#;

fn api(body: &str) -> Api {
    Api::over(Upstream::json(body), FIELDS)
}

fn answering(response: impl Into<Vec<u8>>) -> Api {
    Api::over(Upstream::fixed(response), FIELDS)
}

#[test]
fn p11_fields_are_hidden_at_the_root_nested_in_arrays_and_map_values() {
    let api = api(CUSTOMER);
    let seen = api.call("ana:support", "GET", "/customers/1");
    let wanted = json!({"id": 1, "name": "Ann", "card": {"last4": "1111"},
        "devices": [{"id": 7}, {}], "tags": {"a": {"name": "x"}, "b": {}}});
    let mut got = seen.json();
    // What stands where a device should be and is none: hidden, as an element that stays.
    let devices = got["devices"].as_array_mut().expect("devices");
    devices.truncate(2);
    assert_eq!(got, wanted);
    assert!(!seen.text().contains("CANARY"), "{}", seen.text());
    assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string().as_str()));
    assert_eq!(seen.header("cache-control"), Some("private, no-store"));
}

/// Same path, two roles, two bodies; both roles together see the union, and adding a role never
/// takes anything away.
#[test]
fn p09_e5_two_roles_two_bodies_and_their_union() {
    let api = api(CUSTOMER);
    let see = |who: &str| api.call(who, "GET", "/customers/1").json();
    assert_eq!(see("ana:billing"), json!({"id": 1, "card": {"number": "CANARY", "last4": "1111"}}));
    assert_eq!(see("ana:support")["card"], json!({"last4": "1111"}));
    let union = see("ana:billing,support");
    assert_eq!((&union["card"]["number"], &union["name"]), (&json!("CANARY"), &json!("Ann")));
    assert_eq!(union["ssn"], json!(null));
    assert_eq!(api.call("ana:owner", "GET", "/customers/1").text(), CUSTOMER);
    assert_eq!(api.call("ana:owner,support", "GET", "/customers/1").text(), CUSTOMER);
}

/// A broad role on one path never unmasks another.
#[test]
fn p09_a_role_that_grants_another_path_unmasks_nothing_here() {
    let api = api(CUSTOMER);
    let with = api.call("ana:support,elsewhere", "GET", "/customers/1");
    let without = api.call("ana:support", "GET", "/customers/1");
    assert_eq!(with.body, without.body);
    assert_eq!(api.call("ana:elsewhere,support", "GET", "/reports/1").text(), CUSTOMER);
}

#[test]
fn unmapped_paths_below_a_limited_type_are_403() {
    let api = api(CUSTOMER);
    for target in ["/customers/1/notes", "/customers/", "/customers/1/"] {
        api.refuses("ana:support", "GET", target, 403);
        assert_eq!(api.call("ana:owner", "GET", target).status, 200);
    }
    eventually(|| {
        let log = api.proxy.log();
        let unmapped = log.iter().filter(|line| line["reason"] == "unmapped").count();
        if unmapped == 3 { Ok(()) } else { Err(log) }
    });
}

/// A grant that says too little about a path does not count, and takes nothing away from others.
#[test]
fn p09_a_role_whose_objects_are_elsewhere_takes_nothing_away() {
    let api = api(CUSTOMER);
    let see = |who: &str| api.call(who, "GET", "/customers/1/notes");
    api.refuses("ana:support", "GET", "/customers/1/notes", 403);
    assert_eq!(see("ana:adviser,support").json()["name"], json!(null));
    assert_eq!(see("ana:adviser,support").body, see("ana:adviser").body);
    assert_eq!(see("ana:clerk,support").text(), CUSTOMER);
}

#[test]
fn p11_a_body_of_another_shape_is_502() {
    for body in ["[]", "7", "null", "\"CANARY\""] {
        let answer = api(body).call("ana:support", "GET", "/customers/1");
        assert_eq!((answer.status, answer.text().contains("CANARY")), (502, false), "{body}");
    }
    for (body, status) in [
        (r#"{"data": {"a": {"ssn": "CANARY"}}}"#, 200),
        (r#"{"data": "CANARY"}"#, 502),
        (r#"{"data": ["CANARY"]}"#, 502),
        (r#"[{"ssn": "CANARY"}]"#, 502),
        (r#"{"other": 1}"#, 200),
    ] {
        let answer = api_list(body);
        assert_eq!(
            (answer.0, answer.1.contains("CANARY")),
            (status, false),
            "{body}: {}",
            answer.1
        );
    }
}

fn api_list(body: &str) -> (u16, String) {
    let answer = api(body).call("ana:support", "GET", "/customers");
    (answer.status, answer.text().to_owned())
}

/// What cannot be read is never passed on: 502 for a read; after a write its status stands.
#[test]
fn p11_what_is_not_plain_json_is_refused() {
    let typed = |kind: &str, body: &str| response(200, &[("Content-Type", kind)], body);
    let json = r#"{"ssn": "CANARY"}"#;
    let mut untyped = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", json.len());
    untyped += json;
    let gzip = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    for bytes in [
        typed("text/plain", json),
        typed("text/html", "<p>CANARY</p>"),
        typed("application/javascript", "x({\"ssn\": \"CANARY\"})"),
        typed("application/x-ndjson", json),
        typed("application/json; charset=utf-16", json),
        untyped.into_bytes(),
        response(200, &gzip, json),
        response(200, &[gzip[0], ("Content-Encoding", "identity, br")], json),
        response(206, &[("Content-Type", "application/json")], json),
        json_response(200, "{\"ssn\": \"CANARY\""),
        json_response(200, "{\"ssn\": \"CANARY\"} x"),
        json_response(200, "\u{feff}{\"ssn\": \"CANARY\"}"),
        json_response(200, "{\"ssn\": 1, \"ssn\": \"CANARY\"}"),
        json_response(200, "{\"ss\\u006e\": 1, \"ssn\": \"CANARY\"}"),
        json_response(200, "{\"a\": 01, \"ssn\": \"CANARY\"}"),
        response(304, &[("ETag", "\"CANARY\"")], ""),
    ] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let api = answering(bytes);
        let read = api.call("ana:support", "GET", "/customers/1");
        assert_eq!(read.status, 502, "{shown}");
        super::assert_problem("GET", &read);
        let written = api.send("ana:support", "PATCH", "/customers/1", "{}");
        assert!(matches!(written.status, 200 | 502), "{shown}: {}", written.status);
        for answer in [read, written] {
            let all = format!("{answer:?}{}", answer.text());
            assert!(!all.contains("CANARY"), "{shown}: {all}");
        }
    }
}

/// Nothing limits this caller, so the same answers pass as they are.
#[test]
fn where_nothing_is_hidden_bodies_pass_unread() {
    let broken = response(200, &[("Content-Type", "text/plain"), ("ETag", "\"1\"")], "{\"a\":");
    let api = answering(broken);
    let answer = api.call_with("ana:owner", "GET", "/customers/1", &[("Range", "bytes=0-1")]);
    assert_eq!((answer.text(), answer.header("etag")), ("{\"a\":", Some("\"1\"")));
    assert_eq!(api.upstream.request().fields.get("range"), Some("bytes=0-1"));
}

#[test]
fn p11_errors_are_filtered_or_generic_and_keep_their_status() {
    let body =
        r#"{"error": {"deep": [{"ssn": "CANARY", "name": "x"}]}, "card": {"number": "CANARY"}}"#;
    for status in [400, 404, 409, 500, 503] {
        let answer =
            answering(json_response(status, body)).call("ana:support", "GET", "/customers/1");
        assert_eq!(answer.status, status);
        assert!(!answer.text().contains("CANARY"), "{}", answer.text());
        assert_eq!(answer.json()["error"]["deep"][0], json!({"name": "x"}));
        let text = response(status, &[("Content-Type", "text/html")], "<p>CANARY</p>");
        let answer = answering(text).call("ana:support", "GET", "/customers/1");
        assert_eq!(answer.status, status);
        super::assert_problem("GET", &answer);
    }
}

#[test]
fn p11_head_and_validators_never_speak_of_the_unfiltered_body() {
    let fields = [
        ("Content-Type", "application/json"),
        ("ETag", "\"abc\""),
        ("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT"),
        ("Accept-Ranges", "bytes"),
        ("Digest", "sha-256=x"),
        ("Content-Digest", "sha-256=:x:"),
        ("Repr-Digest", "sha-256=:x:"),
        ("Content-MD5", "x"),
        ("Signature", "x"),
        ("X-Mine", "kept"),
    ];
    let api = Api::over(
        Upstream::with(move |request| {
            let whole = response(200, &fields, CUSTOMER);
            match request.method.as_str() {
                "HEAD" => {
                    let end = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
                    whole[..end].to_vec()
                }
                _ => whole,
            }
        }),
        FIELDS,
    );
    let conditions = [
        ("If-None-Match", "\"abc\""),
        ("If-Modified-Since", "Sat, 21 Nov 2026 00:00:00 GMT"),
        ("Range", "bytes=0-5"),
        ("If-Range", "\"abc\""),
        ("Accept", "text/html"),
        ("Accept-Encoding", "gzip"),
    ];
    for method in ["GET", "HEAD"] {
        let answer = api.call_with("ana:support", method, "/customers/1", &conditions);
        assert_eq!(answer.status, 200);
        for (name, _) in &fields[1..9] {
            assert_eq!(answer.header(name), None, "{method} {name}");
        }
        assert_eq!(answer.header("x-mine"), Some("kept"));
        assert_eq!(answer.header("vary"), Some("authorization"), "{method}");
        let whole = CUSTOMER.len().to_string();
        assert_ne!(answer.header("content-length"), Some(whole.as_str()), "{method}");
        let seen = api.upstream.requests().pop().expect("a request").fields;
        for (name, _) in &conditions[..4] {
            assert_eq!(seen.get(name), None, "{method} {name}");
        }
        assert_eq!(seen.get("accept"), Some("application/json"));
        assert_eq!(seen.get("accept-encoding"), Some("identity"));
    }
}

/// Number text, escapes and key order are the upstream's; chunks and HTTP/2 change nothing.
#[test]
fn p11_what_stays_keeps_its_bytes_in_any_chunks() {
    let body = r#"{"z":1.10,"ssn":1,"a":1e400,"n":-0,"big":123456789012345678901234567890,"t":"\u00e9\/é\ud800","dup":1,"dup":2}"#;
    let kept = r#"{"z":1.10,"a":1e400,"n":-0,"big":123456789012345678901234567890,"t":"\u00e9\/é\ud800","dup":1,"dup":2}"#;
    assert_eq!(api(body).call("ana:support", "GET", "/customers/1").text(), kept);
    let json = [("Content-Type", "application/json")];
    for split in [1, 7, 12, 20] {
        let chunks: Vec<_> = body.as_bytes().chunks(split).map(|c| c.to_vec()).collect();
        let mut bytes = chunked_response(200, &json, &[]);
        bytes.truncate(bytes.len() - 5);
        for chunk in chunks {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\nX-Trailer: CANARY\r\n\r\n");
        let api = answering(bytes);
        let one = api.call("ana:support", "GET", "/customers/1");
        assert_eq!((one.text(), one.trailers.0.len()), (kept, 0), "chunks of {split}");
        let token = super::bearer("ana:support");
        let fields = [("Authorization", token.as_str())];
        let two = h2::call(api.proxy.address, "GET", "/customers/1", &fields);
        assert_eq!(&two.body[..], kept.as_bytes(), "HTTP/2, chunks of {split}");
    }
}

#[test]
fn queries_that_ask_about_hidden_fields_are_403() {
    let api = api(CUSTOMER);
    for query in [
        "sort=ssn",
        "_sort=ssn",
        "ssn=1",
        "s%73n_like=1",
        "SSN=1",
        "fields=id,ssn",
        "filter[ssn]=1",
        "card.number=4",
        "order_by=-ssn",
        "where=ssn%3D1",
    ] {
        api.refuses("ana:support", "GET", &format!("/customers/1?{query}"), 403);
    }
    for query in ["sort=name", "page=2", "name=Ann&fields=id,name", ""] {
        let target = format!("/customers/1?{query}");
        assert_eq!(api.call("ana:support", "GET", &target).status, 200, "{query}");
        assert_eq!(api.upstream.requests().pop().unwrap().target, target);
    }
    assert_eq!(api.call("ana:owner", "GET", "/customers/1?sort=ssn").status, 200);
    let pair = Api::over(Upstream::json("[{\"ssn\": 1, \"id\": 2}, {\"ssn\": 3}]"), FIELDS);
    pair.refuses("ana:lister", "GET", "/lists/pair?sort=ssn", 403);
    let seen = pair.call("ana:lister", "GET", "/lists/pair?sort=name");
    assert_eq!((seen.status, seen.json()), (200, json!([{"id": 2}, {"ssn": 3}])));
}

/// Under an allow-list what is not shown is hidden, and a filter by it is a guess at its value.
#[test]
fn under_an_allow_list_queries_ask_about_what_is_shown() {
    let api = api(CUSTOMER);
    for query in [
        "name=Ann",
        "status=draft",
        "internal.score_gte=0.5",
        "sort=name",
        "filter[age]=1",
        "q=Ann",
    ] {
        api.refuses("ana:billing", "GET", &format!("/customers/1?{query}"), 403);
    }
    for query in ["id=1", "card_like=4", "page=2&limit=10", "sort=-id"] {
        let target = format!("/customers/1?{query}");
        assert_eq!(api.call("ana:billing", "GET", &target).status, 200, "{query}");
    }
}
