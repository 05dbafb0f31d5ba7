//! Who may open a connection, and by what handshake.

use super::far::{After, Far, agreement};
use super::{ACCEPT, KEY, handshake, open, over, policy};
use crate::proxy::support::{Proxy, Upstream, eventually, header};
use portcullis::decide::{Access, Reason};
use portcullis::settings::Limits;
use std::time::{Duration, Instant};

/// Refused, and nothing of it reaches the upstream.
#[track_caller]
fn refused(proxy: &Proxy, far: &Far, request: &str, status: u16, reason: Reason) {
    let before = far.heads();
    let response = proxy.once(request);
    assert_eq!(response.status, status, "{request}{}", response.body);
    let record = proxy.record();
    assert_eq!((record.reason, record.status), (reason, status));
    assert_eq!(far.heads(), before);
}

#[test]
fn p04_a_handshake_goes_to_the_upstream_and_its_answer_comes_back() {
    let far = Far::echo();
    let proxy = over(&far, Limits::default());
    let mut client = proxy.connect();
    let more = "Sec-WebSocket-Protocol: chat, old\r\nSec-WebSocket-Extensions: permessage-deflate\
                \r\nOrigin: https://a.test\r\nX-Portcullis-User: root\r\n";
    client.send(handshake("/chat/1?a=b", "ana", more));
    let response = client.head_response();
    assert!(response.head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{}", response.head);
    for (name, value) in [
        ("connection", Some("upgrade")),
        ("upgrade", Some("websocket")),
        ("sec-websocket-accept", Some(ACCEPT)),
        ("sec-websocket-protocol", Some("chat")),
        ("sec-websocket-extensions", Some("permessage-deflate")),
        ("keep-alive", None),
        ("content-length", None),
        ("transfer-encoding", None),
    ] {
        assert_eq!(response.header(name), value, "{}", response.head);
    }
    let heads = far.heads();
    assert!(heads[0].starts_with("GET /chat/1?a=b HTTP/1.1\r\n"), "{}", heads[0]);
    for (name, value) in [
        ("connection", Some("upgrade")),
        ("upgrade", Some("websocket")),
        ("sec-websocket-key", Some(KEY)),
        ("sec-websocket-version", Some("13")),
        ("sec-websocket-protocol", Some("chat, old")),
        ("sec-websocket-extensions", Some("permessage-deflate")),
        ("origin", Some("https://a.test")),
        ("x-portcullis-user", Some("ana")),
        ("x-portcullis-roles", Some("chats")),
        ("x-api-key", None),
        ("content-length", None),
        ("transfer-encoding", None),
    ] {
        assert_eq!(header(&heads[0], name), value, "{}", heads[0]);
    }
    client.send("hello");
    assert_eq!(client.take(5), b"hello");
}

#[test]
fn p04_a_handshake_may_come_in_pieces() {
    let far = Far::echo();
    let proxy = over(&far, Limits::default());
    let mut client = proxy.connect();
    for byte in handshake("/chat/1", "ana", "").bytes() {
        client.send([byte]);
    }
    assert_eq!(client.head_response().status, 101);
    client.send("x");
    assert_eq!(client.take(1), b"x");
}

#[test]
fn p04_both_letters_are_needed() {
    let far = Far::echo();
    let proxy = over(&far, Limits::default());
    for who in ["bob", "eve"] {
        refused(&proxy, &far, &handshake("/chat/1", who, ""), 403, Reason::NoGrant);
    }
    refused(&proxy, &far, &handshake("/chat/1", "", ""), 401, Reason::Unauthenticated);
    refused(&proxy, &far, &handshake("/half/1", "", ""), 401, Reason::Unauthenticated);
    let plain = "GET /chat/1 HTTP/1.1\r\nHost: a\r\nX-Api-Key: eve\r\n\r\n";
    refused(&proxy, &far, plain, 403, Reason::NoGrant);
    drop(open(&proxy, "/chat/1", "ana"));
    let record = proxy.record();
    assert_eq!(record.access, Some(Access::READ.or(Access::CREATE)));
    drop(open(&proxy, "/open/1", ""));
}

#[test]
fn p04_nobody_opens_one_from_whom_something_is_hidden() {
    let far = Far::echo();
    let proxy = over(&far, Limits::default());
    refused(&proxy, &far, &handshake("/chat/1", "max", ""), 403, Reason::Unmapped);
    // Where the type cannot be, nothing is hidden.
    drop(open(&proxy, "/chat/1/sub", "max"));
    // Monitor mode lets it through, and says so.
    let _ = proxy.record();
    drop(open(&proxy, "/told/1", "bob"));
    let record = proxy.record();
    assert_eq!((record.reason, record.monitored), (Reason::Monitored, Some(Reason::NoGrant)));
}

#[test]
fn p04_rows_and_opaque_routes_do_not_open_what_is_hidden() {
    let far = Far::echo();
    let rules = policy("")
        .replace("upgrade: websocket}", "upgrade: websocket, request: opaque, response: opaque}");
    let rules = rules.replace(
        "{id: chats, grants: [{path: \"/**\", access: cr}]}",
        "{id: chats, grants: [{path: \"/chat/{room}\", access: r, keep: {items: \"\", field: /by, in: \
         subject.id}}, {path: \"/**\", access: c}]}",
    );
    let proxy = Proxy::with(&rules, &format!("http://{}", far.address), Limits::default());
    refused(&proxy, &far, &handshake("/chat/1", "max", ""), 403, Reason::Unmapped);
    let response = proxy.once(&handshake("/chat/1", "ana", ""));
    assert!(matches!(response.status, 403 | 404), "{}", response.body);
    assert!(far.heads().is_empty());
}

#[test]
fn p04_what_asks_by_half_is_refused() {
    let far = Far::echo();
    let proxy = over(&far, Limits::default());
    let good = handshake("/chat/1", "ana", "");
    for (from, to) in [
        ("Version: 13", "Version: 12"),
        ("Sec-WebSocket-Version: 13\r\n", ""),
        (KEY, "dGhlIHNhbXBsZSBub25jZQ"),
        (&*format!("Sec-WebSocket-Key: {KEY}\r\n"), ""),
        ("GET /", "POST /"),
        ("Connection: Upgrade", "Connection: Upgrade, Sec-WebSocket-Key"),
        ("Host: a\r\n", "Host: a\r\nTransfer-Encoding: chunked\r\n"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        let bad = if bad.contains("chunked") { bad + "0\r\n\r\n" } else { bad };
        refused(&proxy, &far, &bad, 400, Reason::BadRequest);
    }
}

/// RFC 9110 section 7.8 lets a server ignore what it does not want to speak.
#[test]
fn p03_every_other_upgrade_is_an_ordinary_request() {
    let upstream = Upstream::json("{}");
    let rules = policy("");
    let proxy = Proxy::with(&rules, &format!("http://{}", upstream.address), Limits::default());
    let good = handshake("/chat/1", "ana", "");
    for request in [
        good.replace("Upgrade: websocket", "Upgrade: h2c"),
        good.replace("Upgrade: websocket", "Upgrade: websocket, h2c"),
        good.replace("Connection: Upgrade", "Connection: keep-alive"),
        good.replace("HTTP/1.1", "HTTP/1.0"),
        handshake("/other", "ana", ""),
        // Who may only read gets no more than what can be read.
        handshake("/other", "bob", ""),
    ] {
        let response = proxy.once(&request);
        assert_eq!((response.status, &*response.body), (200, "{}"), "{request}");
        let seen = upstream.requests().pop().unwrap();
        let gone = [header(&seen, "upgrade"), header(&seen, "connection")];
        assert_eq!(gone, [None, None], "{seen}");
    }
}

#[test]
fn p04_what_is_not_101_is_an_ordinary_response_and_its_connection_is_not_used_again() {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Own: 1\r\n\r\nno";
    let far = Far::answering(refusal, After::Last(""));
    let proxy = over(&far, Limits::default());
    let mut client = proxy.connect();
    client.send(handshake("/chat/1", "ana", ""));
    let response = client.response();
    assert_eq!((response.status, &*response.body), (403, "no"));
    assert_eq!(response.header("x-own"), Some("1"));
    eventually("the connection should be closed", || far.closed() == 1);
    client.send(handshake("/chat/1", "ana", ""));
    assert_eq!(client.response().status, 403, "the client's own goes on");
    assert_eq!(far.heads().len(), 2);
    assert_eq!(proxy.record().reason, Reason::Granted);
}

#[test]
fn p04_an_agreement_that_is_none_is_an_error_of_the_upstreams() {
    let good = agreement("RAW");
    for (from, to) in [
        (ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOp="),
        (&*format!("Sec-WebSocket-Accept: {ACCEPT}\r\n"), ""),
        ("Upgrade: WebSocket", "Upgrade: h2c"),
        ("Upgrade: WebSocket\r\n", ""),
        ("Connection: Upgrade\r\n", ""),
        ("Keep-Alive: x", "Content-Length: 3"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        let far = Far::answering(&bad, After::Last(""));
        let proxy = over(&far, Limits::default());
        let mut client = proxy.connect();
        client.send(handshake("/chat/1", "ana", "") + "EARLY");
        let response = client.response();
        assert_eq!(response.status, 502, "{from}");
        assert!(!response.body.contains("RAW"));
        eventually("the connection should be closed", || far.closed() == 1);
        assert!(far.bytes().is_empty());
        assert_eq!(proxy.record().reason, Reason::UpstreamFailed);
    }
}

/// A 101 to a request that asked for nothing, on a route where others may ask.
#[test]
fn p04_101_unasked_is_502() {
    let far = Far::answering(&agreement("RAW"), After::Last(""));
    let proxy = over(&far, Limits::default());
    let response = proxy.once("GET /chat/1 HTTP/1.1\r\nHost: a\r\nX-Api-Key: ana\r\n\r\n");
    assert_eq!(response.status, 502);
    eventually("the connection should be closed", || far.closed() == 1);
}

#[test]
fn p04_nothing_behind_a_handshake_goes_on_before_101() {
    let far = Far::answering("", After::Last(""));
    let limits = Limits { upstream_head: Duration::from_millis(300), ..Limits::default() };
    let proxy = over(&far, limits);
    let mut client = proxy.connect();
    client.send(handshake("/chat/1", "ana", "") + "EARLY BYTES");
    eventually("the handshake should come", || far.heads().len() == 1);
    client.send("MORE");
    assert_eq!(client.response().status, 504);
    assert_eq!(proxy.record().reason, Reason::UpstreamTimeout);
    eventually("the connection should be closed", || far.closed() == 1);
    assert_eq!((far.bytes(), far.heads().len()), (Vec::new(), 1));
}

#[test]
fn p14_a_client_gone_ends_its_handshake() {
    let far = Far::answering("", After::Last(""));
    let proxy = over(&far, Limits::default());
    let mut client = proxy.connect();
    client.send(handshake("/chat/1", "ana", ""));
    eventually("the handshake should come", || far.heads().len() == 1);
    let start = Instant::now();
    drop(client);
    eventually("the upstream's end is closed", || far.closed() == 1);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(proxy.record().aborted);
}
