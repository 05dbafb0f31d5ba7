//! Nothing that a client frames oddly becomes something else towards an HTTP/2 upstream.

use super::upstream::{End, Framed};
use super::{converse, listed, open};
use crate::proxy::support::eventually;
use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, FrameClient, HEADERS, RST_STREAM, frame,
};
use std::time::Duration;

/// `POST http://a/x`, then these fields.
fn head(more: &[(&str, &str)]) -> Vec<u8> {
    let mut head = vec![0x83, 0x86, 0x01, 1, b'a', 0x04, 2, b'/', b'x'];
    more.iter().for_each(|(name, value)| head.extend(super::raw::field(name, value)));
    head
}

/// Sends a head and a body on one stream, then a good request on the next, and waits until that is
/// answered. Says whether the first was reset or refused.
#[track_caller]
fn send(proxy: &crate::proxy::support::Proxy, fields: &[(&str, &str)], body: &[u8]) -> bool {
    let mut client = FrameClient::connect(proxy.address);
    client.send(&frame(HEADERS, END_HEADERS, 1, &head(fields)));
    client.send(&frame(DATA, END_STREAM, 1, body));
    let mut good = vec![0x82, 0x86, 0x01, 1, b'a', 0x04, 5, b'/'];
    good.extend(b"good");
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &good));
    for _ in 0..200 {
        let ended = client.ends_within(Duration::from_millis(50));
        let frames = client.frames();
        let head_of = |stream| frames.iter().find(|one| one.0 == HEADERS && one.2 == stream);
        let reset = frames.iter().any(|one| one.0 == RST_STREAM && one.2 == 1);
        // 0x88 is `:status: 200`.
        let refused = head_of(1).map(|one| one.3.first() != Some(&0x88));
        if ended || head_of(3).is_some() && (reset || refused.is_some()) {
            return ended || reset || refused == Some(true);
        }
    }
    panic!("neither answered nor refused: {:?}", client.frames());
}

#[test]
fn p04_what_is_malformed_in_http_2_reaches_no_h2_upstream() {
    let bodies = [
        (vec![("content-length", "4")], "hello"),
        (vec![("content-length", "6")], "hello"),
        (vec![("content-length", "5"), ("content-length", "6")], "hello"),
        (vec![("content-length", "+5")], "hello"),
    ];
    let heads = [
        vec![("transfer-encoding", "chunked")],
        vec![("connection", "close")],
        vec![("connection", "x-a"), ("x-a", "1")],
        vec![("keep-alive", "timeout=5")],
        vec![("proxy-connection", "close")],
        vec![("upgrade", "h2c")],
        vec![("te", "gzip, trailers")],
        vec![("x-a", "1\r\nx-b: 2")],
        vec![("x-a", "1\nx-b: 2")],
        vec![("x-a", "1\0")],
        vec![("x-a\r\nx-b", "1")],
        vec![("x a", "1")],
        vec![("x:a", "1")],
        vec![("X-A", "1")],
        vec![("", "1")],
        vec![(":method", "GET")],
        vec![(":path", "/admin")],
        vec![(":authority", "b")],
        vec![(":scheme", "https")],
        vec![(":status", "200")],
        vec![(":protocol", "websocket")],
        vec![("x-a", "1"), (":path", "/admin")],
        vec![("host", "b")],
        vec![("host", "a"), ("host", "a")],
    ];
    let upstream = Framed::json("{}");
    let proxy = open(&upstream);
    for fields in &heads {
        assert!(send(&proxy, fields, b""), "{fields:?}");
    }
    for (fields, body) in &bodies {
        assert!(send(&proxy, fields, body.as_bytes()), "{fields:?} {body}");
    }
    // Bodies whose lengths lie begin like others: what counts is that none came whole.
    let whole = |one: &super::upstream::Seen| one.path == "/x" && one.end == End::Whole;
    eventually("every request ends", || upstream.requests().iter().all(|one| one.end != End::Open));
    let seen = upstream.requests();
    assert!(!seen.iter().any(whole), "{seen:#?}");
    let begun: Vec<_> =
        seen.iter().filter(|one| one.path == "/x").map(|one| listed(&one.head)).collect();
    assert!(begun.len() <= bodies.len(), "{begun:#?}");
}

#[test]
fn p04_what_is_right_reaches_it_as_it_was() {
    let upstream = Framed::json("{}");
    let proxy = open(&upstream);
    for fields in [
        vec![("content-length", "5"), ("x-a", "1")],
        vec![("te", "trailers"), ("host", "a"), ("x-a", "1")],
        vec![("x-a", "1"), ("cookie", "a=1"), ("cookie", "b=2")],
    ] {
        assert!(!send(&proxy, &fields, b"hello"), "{fields:?}");
    }
    let seen: Vec<_> = upstream.requests().into_iter().filter(|one| one.path == "/x").collect();
    assert_eq!(seen.len(), 3);
    for one in &seen {
        assert_eq!((&*one.authority, &*one.method, &one.body[..]), ("a", "POST", &b"hello"[..]));
        assert_eq!(one.head["x-a"], "1");
        assert!(!one.head.contains_key("host"));
    }
    assert_eq!(seen[2].head["cookie"], "a=1; b=2");
}

/// What HTTP/1 allows in a value is sent in frames as the same octets, and stays one value.
#[test]
fn p04_a_value_is_one_value_in_frames_too() {
    let upstream = Framed::json("{}");
    let proxy = open(&upstream);
    let mut client = proxy.connect();
    client.send(
        "GET /x?a=1 HTTP/1.1\r\nHost: a\r\nX-A:  a\t b , c: d \r\nX-B: \u{e9}\r\nX-C:\r\n\r\n",
    );
    assert_eq!(client.response().status, 200);
    let seen = upstream.only_request();
    assert_eq!(seen.head["x-a"], "a\t b , c: d");
    assert_eq!(seen.head["x-b"].as_bytes(), "\u{e9}".as_bytes());
    assert_eq!(seen.head["x-c"], "");
    for bad in [
        "GET /x HTTP/1.1\r\nHost: a\r\nX-A: a\r\n b\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nX-A: a\0b\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nX-A: a\rb\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\n:path: /admin\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /x y HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /x%0d%0aHost:%20b HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(proxy.once(bad).status, 400, "{bad:?}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

/// What may be said of the way, and of the caller, is ours to say over HTTP/2 as well.
#[test]
fn p03_the_same_is_stripped_as_towards_http_1() {
    let upstream = Framed::json("{}");
    let proxy = open(&upstream);
    let fields = [
        "expect: 100-continue",
        "http2-settings: AAMAAABkAARAAAAAAAIAAAAA",
        "x-http-method-override: DELETE",
        "x-forwarded-host: b",
        "x_forwarded_for: 1.2.3.4",
        "forwarded: for=1.2.3.4",
        "x-original-url: /admin",
        "x-rewrite-url: /admin",
        "x-portcullis-roles: admin",
        "x.portcullis.user: root",
        "proxy-authorization: Basic eDp5",
        "trailer: x-a",
        "proxy: http://b",
    ];
    let mut client = proxy.connect();
    client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", fields.join("\r\n")));
    assert_eq!(client.response().status, 200);
    let seen = upstream.only_request();
    let said = format!("{:?}", listed(&seen.head));
    for left in ["1.2.3.4", "admin", "root", "Basic", "DELETE", "100-continue", "http://b"] {
        assert!(!said.contains(left), "{left}: {said}");
    }
    assert_eq!(
        (&seen.head["x-forwarded-host"], &seen.head["x-forwarded-for"]),
        (&"a".parse().unwrap(), &"127.0.0.1".parse().unwrap())
    );
}

/// Two requests on one connection are two decisions, however close they come.
#[test]
fn p04_streams_of_one_client_are_decided_apart() {
    let upstream = Framed::json("{}");
    let rules = "routes:\n  - {match: \"/open\", public: r, upstream: far}\n  - {match: \"/**\", upstream: far}\n";
    let proxy = super::with(&upstream, rules, Default::default());
    converse(proxy.address, async |sender| {
        for _ in 0..20 {
            let (open, closed) = tokio::join!(
                super::ask(&sender, super::request("GET", "/open", &[]), None),
                super::ask(&sender, super::request("GET", "/closed", &[]), None)
            );
            assert_eq!((open.unwrap().status, closed.unwrap().status), (200, 401));
        }
    });
    assert!(upstream.requests().iter().all(|one| one.path == "/open"));
}
