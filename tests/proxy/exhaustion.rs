//! Clients that take too much: time, memory, connections.

use super::support::{OPEN, Proxy, Response, Upstream, eventually};
use portcullis::decide::Reason;
use portcullis::settings::Limits;
use std::time::{Duration, Instant};

/// Bodies are read whole and checked, save those to `/b`.
const CHECKS: &str = "policy: 1
identity:
  api_keys:
    keys:
      - {user: eng, roles: [r], sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683}
roles:
  - {id: r, grants: [{path: \"/**\", access: crud}], schemas: [s]}
schemas:
  - {id: s, type: t, body: {type: object, additionalProperties: true, properties: {x: false}}}
resource_types:
  - {id: t, at: [{path: \"/a\", pointer: \"\"}], elsewhere: pass}
";

fn over(upstream: &Upstream, limits: Limits) -> Proxy {
    Proxy::with(CHECKS, &format!("http://{}", upstream.address), limits)
}

/// The head of a POST of so many bytes of JSON.
fn post(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// A JSON text of so many bytes.
fn json(length: usize) -> String {
    format!("{{\"a\":\"{}\"}}", "y".repeat(length - 8))
}

#[track_caller]
fn whole(proxy: &Proxy, length: usize) -> Response {
    let mut client = proxy.connect();
    client.send(post("/a", length) + &json(length));
    client.response()
}

#[test]
fn p13_a_body_that_comes_too_slowly_is_408_however_regular_its_pieces() {
    let upstream = Upstream::json("{}");
    let limits =
        Limits { body_idle: Duration::from_millis(600), body_min_rate: 1_000, ..Limits::default() };
    let proxy = over(&upstream, limits);
    // One is read whole, the other goes on as it comes.
    for path in ["/a", "/b"] {
        for (piece, fine) in [(4, false), (60, true)] {
            let mut client = proxy.connect();
            client.send(post(path, 60 * piece));
            let body = json(60 * piece);
            let (mut pieces, begun) = (body.as_bytes().chunks(piece), Instant::now());
            // A piece each 30 ms: 133 bytes a second, and 2,000.
            let answer = loop {
                let sent = pieces.next().is_some_and(|piece| client.try_send(piece));
                std::thread::sleep(Duration::from_millis(30));
                if !sent || client.has_more() {
                    break client.response();
                }
            };
            assert_eq!(answer.status, if fine { 200 } else { 408 }, "{path}: {piece}");
            assert!(
                fine || begun.elapsed() < Duration::from_millis(1_700),
                "{:?}",
                begun.elapsed()
            );
        }
    }
    assert_eq!(upstream.requests().len(), 2, "what has come whole");
}

#[test]
fn p13_bytes_in_flight_are_bounded_and_what_is_more_is_503() {
    const MOST: usize = 100_000;
    for (length, fits) in [(MOST - 1, true), (MOST, true), (MOST + 1, false)] {
        let upstream = Upstream::json("{}");
        let limits = Limits { in_flight_bytes: Some(MOST), ..Limits::default() };
        let proxy = over(&upstream, limits);
        let response = whole(&proxy, length);
        assert_eq!(response.status, if fits { 200 } else { 503 }, "{length}");
        if !fits {
            assert_eq!(response.header("retry-after"), Some("1"));
            assert_eq!(proxy.record().reason, Reason::Overloaded);
            upstream.assert_untouched();
        }
        // What was held is free again.
        assert_eq!(whole(&proxy, MOST).status, 200);
    }
}

#[test]
fn p13_while_the_bound_is_reached_every_request_is_503_and_then_none() {
    const MOST: usize = 100_000;
    let upstream = Upstream::json("{}");
    let limits = Limits { in_flight_bytes: Some(MOST), ..Limits::default() };
    let proxy = over(&upstream, limits);
    let get = "GET /b HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\nConnection: close\r\n\r\n";
    let mut holds = proxy.connect();
    // All but its last byte.
    holds.send(post("/a", MOST + 1) + &json(MOST + 1)[..MOST]);
    eventually("it is full", || proxy.once(get).status == 503);
    let refused = whole(&proxy, 100);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(!upstream.requests().iter().any(|one| one.starts_with("POST")));
    drop(holds);
    eventually("it is free", || proxy.once(get).status == 200);
    assert_eq!(whole(&proxy, MOST).status, 200);
}

#[test]
fn p13_a_source_has_so_many_connections_and_no_more() {
    let upstream = Upstream::json("{}");
    for (open, served) in [(2, true), (3, true), (4, false)] {
        let limits = Limits { source_connections: 3, ..Limits::default() };
        let proxy = Proxy::with(OPEN, &format!("http://{}", upstream.address), limits);
        let get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut before: Vec<_> = (1..open).map(|_| proxy.connect()).collect();
        for client in &mut before {
            client.send(get);
            assert_eq!(client.response().status, 200);
        }
        let mut last = proxy.connect();
        last.try_send(get.as_bytes());
        assert_eq!(last.has_answer(), served, "{open}");
        drop(before);
        eventually("there is room again", || {
            let mut next = proxy.connect();
            next.try_send(get.as_bytes()) && next.has_answer()
        });
    }
}
