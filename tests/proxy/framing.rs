//! Security group 4: one way to know where a message ends.

use super::support::{Answer, Proxy, Upstream, ok};
use portcullis::decide::Reason;

#[test]
fn p04_two_lengths_are_refused() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Content-Length : 5",
    ] {
        let request = format!("POST /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n");
        assert_eq!(proxy.once(&request).status, 400, "{fields}");
    }
    upstream.assert_untouched();
}

#[test]
fn p04_malformed_heads_are_400_and_reach_nobody() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for head in [
        "GET /a HTTP/1.1\r\nHost: a\r\nbad header: x\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n",
        "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/3.0\r\nHost: a\r\n\r\n",
        "GET /a\r\nHost: a\r\n\r\n",
        "\u{16}\u{3}\u{1} not a client hello\r\n\r\n",
    ] {
        assert_eq!(proxy.once(head).status, 400, "{head:?}");
    }
    upstream.assert_untouched();
}

#[test]
fn p04_a_body_that_is_badly_framed_is_400_and_never_arrives_whole() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for chunks in
        ["zz\r\n", "2\nhi\r\n0\r\n\r\n", "2\r\nhi\n0\r\n\r\n", "2;a\nb\r\nhi\r\n0\r\n\r\n"]
    {
        let head = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(proxy.once(&format!("{head}{chunks}")).status, 400, "{chunks:?}");
        assert_eq!(proxy.record().reason, Reason::BadRequest);
    }
    assert!(upstream.requests().is_empty(), "{:?}", upstream.requests());
}

#[test]
fn p04_a_length_is_told_anew_as_a_number() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    proxy.once("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello");
    let request = upstream.only_request();
    assert!(request.contains("\r\ncontent-length: 5\r\n"), "{request}");
}

#[test]
fn p04_trailers_never_become_headers() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    proxy.once(
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Portcullis-User\r\n\
         \r\n2\r\nhi\r\n0\r\nX-Portcullis-User: root\r\n\r\n",
    );
    let request = upstream.only_request();
    assert!(request.contains("2\r\nhi\r\n0\r\n\r\n"), "{request}");
    assert!(!request.contains("root"), "{request}");
}

#[test]
fn p04_pipelined_requests_are_decided_one_by_one() {
    let upstream =
        Upstream::scripted(|n, _| Answer::Bytes(ok("text/plain", &n.to_string()).into()));
    let proxy = Proxy::open(&upstream);
    let mut client = proxy.connect();
    client.send(
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /a//b HTTP/1.1\r\nHost: a\r\n\r\n\
         POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /d HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let statuses: Vec<u16> = (0..4).map(|_| client.response().status).collect();
    assert_eq!(statuses, [200, 400, 200, 200]);
    let targets: Vec<String> =
        upstream.requests().iter().map(|r| r.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(targets, ["/a", "/c", "/d"]);
}

#[test]
fn p04_nothing_is_smuggled_behind_both_lengths() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    let mut client = proxy.connect();
    client.send(
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let (_, bytes) = client.rest();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.matches("HTTP/1.1 ").count(), text.matches("HTTP/1.1 400").count(), "{text}");
    upstream.assert_untouched();
    assert_eq!(proxy.record().reason, Reason::BadRequest);
}

#[test]
fn p04_an_upgrade_that_nobody_asked_for_is_an_error_of_the_upstreams() {
    let upstream = Upstream::answering(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    );
    let proxy = Proxy::open(&upstream);
    let mut client = proxy.connect();
    client.send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nRAW BYTES");
    assert_eq!(client.response().status, 502);
    assert!(!upstream.only_request().contains("RAW"));
}

#[test]
fn p04_a_refused_request_does_not_leave_its_body_behind() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    let mut client = proxy.connect();
    client.send("POST /a//b HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\n");
    client.send("GET /smuggled HTTP/1.1\r\nHost: a\r\n");
    assert_eq!(client.response().status, 400);
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert!(upstream.only_request().starts_with("GET /next "));
}

#[test]
fn p04_a_refusal_reaches_a_client_that_is_still_sending() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    let mut client = proxy.connect();
    client.send("POST /a//b HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
    client.send(vec![b'x'; 500_000]);
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (400, Some("close")));
    assert_eq!(client.rest().1, b"");
    upstream.assert_untouched();
}

#[test]
fn p04_http_1_0_is_served_one_request_a_connection_and_without_chunks() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    );
    let proxy = Proxy::open(&upstream);
    let mut client = proxy.connect();
    client.send("GET /a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    let (clean, bytes) = client.rest();
    let text = String::from_utf8(bytes).unwrap();
    assert!(clean && text.ends_with("\r\n\r\nhi"), "{text}");
    assert!(!text.to_lowercase().contains("transfer-encoding"), "{text}");
    let coded = "POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(proxy.once(coded).status, 400);
    assert!(upstream.only_request().starts_with("GET /a HTTP/1.1\r\n"));
}
