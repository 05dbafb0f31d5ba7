//! JSON that is dressed up as a script, for pages of other origins to load.

use super::{answer, chunk};
use crate::main_job::{Api, assert_problem, bearer};
use crate::support::{Client, Upstream, client};

const RULES: &str = r#"
routes:
  - {match: "/**"}
  - {match: "/feed", response: events}
roles:
  - {id: support, grants: [{path: "/**", access: cr}], schemas: [support]}
schemas:
  - {id: support, type: item, body: {type: object, additionalProperties: true, properties: {key: false}}}
resource_types:
  - {id: item, elsewhere: pass, at: [{path: "/items/{id}", pointer: ""}, {path: "/items", pointer: "/*"}, {path: "/feed", pointer: ""}]}
"#;

const KINDS: [&str; 6] = [
    "application/json",
    "application/javascript",
    "text/javascript; charset=utf-8",
    "application/x-javascript",
    "application/json-p",
    "application/vnd.api+json",
];

/// A call, the same behind a comment (against content sniffing), and what other APIs put before
/// their JSON so that a script cannot read it.
const DRESSES: [&str; 7] = [
    "cb({\"key\":\"CANARY\",\"id\":1})",
    "cb({\"key\":\"CANARY\",\"id\":1});",
    "/**/cb({\"key\":\"CANARY\",\"id\":1});",
    "/**/ typeof cb === 'function' && cb({\"key\":\"CANARY\"});",
    "for(;;);{\"key\":\"CANARY\"}",
    ")]}',\n{\"key\":\"CANARY\"}",
    "{\"id\":1};cb({\"key\":\"CANARY\"})",
];

#[test]
fn p11_jsonp_is_refused_whatever_it_says_that_it_is() {
    for kind in KINDS {
        for body in DRESSES {
            let sent = answer(200, &[("Content-Type", kind)], body.as_bytes());
            let api = Api::over(Upstream::fixed(sent), RULES);
            let target = "/items/1?callback=cb";
            for target in [target, "/feed"] {
                let read = api.call("ana:support", "GET", target);
                assert_eq!(read.status, 502, "{kind}, {target}: {body}");
                assert_problem("GET", &read);
            }
            // A write has happened: its status stands, and nothing of the body.
            let written = api.send("ana:support", "POST", target, "{}");
            assert_eq!(written.status, 200, "{kind}: {body}");
            assert_problem("POST", &written);
            let failed = answer(500, &[("Content-Type", kind)], body.as_bytes());
            let error =
                Api::over(Upstream::fixed(failed), RULES).call("ana:support", "GET", target);
            assert_eq!(error.status, 500);
            assert_problem("GET", &error);
        }
    }
}

/// One that is too large to be held is cut where it stops being JSON: at its first byte.
#[test]
fn p11_large_jsonp_is_cut_before_anything_of_it() {
    let body = format!("cb([{}1])", "{\"key\":\"CANARY\",\"id\":1},".repeat(10_000));
    let mut sent =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    body.as_bytes().chunks(9_000).for_each(|part| sent.extend(chunk(part)));
    sent.extend(b"0\r\n\r\n");
    let api = Api::over(Upstream::fixed(sent), RULES);
    let mut client = Client::connect(api.proxy.address);
    let token = bearer("ana:support");
    client.send(client::head("GET", "/items?callback=cb", &[("Authorization", &token)], None));
    assert_eq!(client.read_cut().body, b"");
}

/// A HEAD says what a GET would come to, as far as a head can tell.
#[test]
fn p11_head_of_what_cannot_be_shown_is_502_too() {
    for (status, kind, length, wanted) in [
        (200, "application/javascript", Some("7"), 502),
        (200, "text/html", None, 502),
        (200, "application/json", Some("7"), 200),
        (200, "text/html", Some("0"), 200),
        (200, "", None, 200),
        (404, "text/html", Some("7"), 404),
    ] {
        let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
        for (name, value) in [("Content-Type", Some(kind)), ("Content-Length", length)] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        let api = Api::over(Upstream::fixed(head + "\r\n"), RULES);
        let answer = api.call("ana:support", "HEAD", "/items/1");
        assert_eq!(answer.status, wanted, "{status} {kind} {length:?}");
        let shown = match (status, wanted, length) {
            (_, 502, _) | (404, ..) => Some("application/problem+json"),
            _ => Some(kind).filter(|kind| !kind.is_empty()),
        };
        assert_eq!(answer.header("content-type"), shown, "{status} {kind} {length:?}");
    }
}
