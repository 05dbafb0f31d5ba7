//! Security group 14, by a proxy that does harm to bytes: whatever happens between us and an
//! upstream, or between a client and us, a whole answer is a right one.

use super::support::{Client, Proxy, Upstream, ok};
use crate::support::fault::{Fault, FaultProxy, Plan};
use portcullis::settings::Limits;
use std::time::Duration;

/// `key` has a role that sees `id` and `name` of a thing and nothing else, and may write both.
const POLICY: &str = "policy: 1
identity:
  api_keys:
    keys:
      - {user: eng, roles: [r], sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683}
roles:
  - {id: r, grants: [{path: \"/**\", access: crud}], schemas: [s]}
schemas:
  - {id: s, type: t, body: {type: object, additionalProperties: false, properties: {id: true, name: true}}}
resource_types:
  - {id: t, at: [{path: \"/a\", pointer: \"\"}]}
";

const THING: &str = r#"{"id": 1, "hidden": {"deep": ["CANARY"]}, "name": "n", "secret": "CANARY"}"#;
const SHOWN: &str = r#"{"id": 1, "name": "n"}"#;

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\nConnection: close\r\n\r\n";

fn chunked() -> String {
    let (first, second) = THING.split_at(30);
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    )
}

fn quick() -> Limits {
    let upstream_head = Duration::from_millis(200);
    Limits { upstream_head, ..Limits::default() }
}

/// What a client gets of an answer that comes back by this plan: all bytes, and whether the end was
/// clean.
fn through(answer: &str, plan: Plan) -> (String, bool) {
    let upstream = Upstream::answering(answer);
    let between = FaultProxy::always(upstream.address, plan);
    let proxy = Proxy::with(POLICY, &between.url(), quick());
    let mut client = proxy.connect();
    client.send(GET);
    let (clean, bytes) = client.rest();
    (String::from_utf8_lossy(&bytes).into_owned(), clean)
}

/// Whether a client takes this for a whole answer.
fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let lower = head.to_ascii_lowercase();
    match lower.split_once("content-length: ") {
        Some((_, rest)) => rest.lines().next().and_then(|n| n.parse().ok()) == Some(body.len()),
        None => body.ends_with("0\r\n\r\n"),
    }
}

#[test]
fn p14_pieces_of_any_size_make_the_same_answer() {
    for answer in [ok("application/json", THING), chunked()] {
        for size in [1, 2, 3, 7, 50] {
            let faults = [Fault::Split(size), Fault::Delay(Duration::from_millis(5))];
            let plan = Plan { there: vec![Fault::Split(size)], back: faults.to_vec() };
            let (seen, _) = through(&answer, plan);
            assert!(seen.starts_with("HTTP/1.1 200 ") && seen.contains(SHOWN), "{size}: {seen}");
        }
    }
}

#[test]
fn p11_p14_an_answer_that_is_cut_anywhere_is_none_or_cut() {
    for answer in [ok("application/json", THING), chunked()] {
        for at in (0..answer.len()).step_by(3) {
            let (seen, _) = through(&answer, Plan::back(&[Fault::Cut(at)]));
            assert!(!seen.contains("CANARY"), "{at}: {seen}");
            let refused = seen.starts_with("HTTP/1.1 502 ");
            assert!(refused || !is_whole(&seen), "{at}: {seen}");
        }
    }
}

#[test]
fn p11_p14_a_wrong_bit_anywhere_shows_nothing_that_is_hidden() {
    for answer in [ok("application/json", THING), chunked()] {
        for at in 0..answer.len() {
            let (seen, _) = through(&answer, Plan::back(&[Fault::Corrupt(at)]));
            assert!(!seen.contains("CANARY"), "{at}: {seen}");
        }
    }
}

#[test]
fn p14_an_answer_that_stalls_anywhere_is_504_or_cut() {
    for answer in [ok("application/json", THING), chunked()] {
        for at in [0, 1, 17, answer.len() - 20, answer.len() - 1] {
            let (seen, _) = through(&answer, Plan::back(&[Fault::Stall(at)]));
            let refused = seen.starts_with("HTTP/1.1 504 ") || seen.starts_with("HTTP/1.1 502 ");
            assert!(refused || !is_whole(&seen), "{at}: {seen}");
            assert!(!seen.contains("CANARY"), "{at}: {seen}");
        }
    }
}

#[test]
fn p14_a_post_that_is_cut_on_its_way_is_sent_once() {
    let body = r#"{"id": 1, "name": "n"}"#;
    let upstream = Upstream::json(THING);
    let between =
        FaultProxy::start(upstream.address, |number| Plan::there(&[Fault::Cut(20 * number + 1)]));
    let proxy = Proxy::with(POLICY, &between.url(), quick());
    let request = format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut refused = 0;
    for sent in 1..=30 {
        let response = proxy.once(&request);
        assert!(matches!(response.status, 200 | 502), "{response:?}");
        refused += usize::from(response.status == 502);
        let whole = upstream.requests().len();
        // A request that came whole may still have lost its answer; none came twice.
        assert!(whole <= sent && whole >= sent - refused, "{whole} of {sent}");
    }
    assert!(refused > 0, "the first were cut");
}

#[test]
fn p04_p14_a_request_that_is_cut_on_its_way_to_us_never_arrives_whole() {
    let body = r#"{"id": 1, "name": "n"}"#;
    let request = format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let upstream = Upstream::json(THING);
    let proxy = Proxy::with(POLICY, &format!("http://{}", upstream.address), quick());
    for at in (0..request.len()).step_by(5) {
        let between = FaultProxy::always(proxy.address, Plan::there(&[Fault::Cut(at)]));
        let mut client = Client::to(between.address);
        let _cut_while_it_sends = client.try_send(request.as_bytes());
        let (_, seen) = client.rest();
        assert!(!seen.starts_with(b"HTTP/1.1 2"), "{at}: {}", seen.escape_ascii());
    }
    assert_eq!(upstream.requests(), [] as [&str; 0]);
    let pieces = FaultProxy::always(proxy.address, Plan::there(&[Fault::Split(1)]));
    let mut client = Client::to(pieces.address);
    client.send(&request);
    assert_eq!(client.response().status, 200);
    assert!(upstream.only_request().ends_with(body));
}
