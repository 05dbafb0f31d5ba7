//! Connections to upstreams, under clients and servers that do what they should not.

use crate::main_job::Api;
use crate::support::upstream::{Answer, Recorded, json_response, response};
use crate::support::{Client, Upstream, eventually};
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;

const OPEN: &str = r#"
routes: [{match: "/**", public: crud}]
"#;

/// Some servers wait for a body, or answer 411, where a POST does not say that it has none.
#[test]
fn p04_a_write_without_a_body_says_so() {
    let api = Api::start(OPEN);
    for method in ["POST", "PUT", "PATCH"] {
        assert_eq!(api.call("", method, "/a").status, 200);
        let sent = api.upstream.requests().pop().expect("a request");
        assert_eq!(sent.fields.all("content-length"), ["0"], "{method}");
    }
    for method in ["GET", "HEAD", "DELETE"] {
        api.call("", method, "/a");
        let sent = api.upstream.requests().pop().expect("a request");
        assert_eq!(sent.fields.get("content-length"), None, "{method}");
    }
    assert_eq!(api.upstream.faults(), []);
}

/// A Connection field of the upstream's takes nothing out that we say.
#[test]
fn p03_what_we_say_of_a_response_stays() {
    const RULES: &str = "roles: [{id: dev, grants: [{path: /a, access: r}]}]\n";
    let fields = [("Connection", "Vary, Cache-Control, X-Gone"), ("X-Gone", "1")];
    let api = Api::over(Upstream::fixed(response(200, &fields, "{}")), RULES);
    let answer = api.call("ann:dev", "GET", "/a");
    assert_eq!((answer.status, answer.header("x-gone")), (200, None));
    assert!(answer.header("vary").is_some_and(|vary| vary.contains("uthorization")), "{answer:?}");
}

/// Clients that go away while the upstream has not answered leave nothing open behind them.
#[test]
fn p13_clients_that_go_away_leave_no_descriptor_behind() {
    const CLIENTS: usize = 60;
    let silent = |request: &Recorded| match request.target.as_str() {
        "/silent" => Answer::Silence,
        _ => Answer::Bytes(json_response(200, "{}")),
    };
    let api = Api::over(Upstream::script(silent), OPEN);
    assert_eq!(api.call("", "GET", "/").status, 200);
    let before = descriptors(&api);
    for round in 0..2 {
        let heads = [
            "GET /silent HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /silent HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234",
            "POST /silent HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n",
        ];
        let clients: Vec<TcpStream> = (0..CLIENTS)
            .map(|n| {
                let mut client = TcpStream::connect(api.proxy.address).expect("connect");
                client.write_all(heads[n % heads.len()].as_bytes()).expect("send");
                client
            })
            .collect();
        let opened = |what: &str| api.upstream.bytes().iter().filter(|b| has(b, what)).count();
        eventually(|| {
            let begun = opened("/silent");
            if begun >= CLIENTS * (round + 1) { Ok(()) } else { Err(begun) }
        });
        drop(clients);
        eventually(|| {
            let now = descriptors(&api);
            if now <= before { Ok(()) } else { Err((before, now)) }
        });
    }
    assert_eq!(api.call("", "GET", "/").status, 200);
}

/// One connection of a client, on which answers come that are not for the request at hand.
#[test]
fn p04_what_an_upstream_adds_to_one_answer_is_in_no_other() {
    let odd = |request: &Recorded| {
        let more = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled";
        let head = match request.target.as_str() {
            "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/204-sized" => "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
            "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nabc",
            "/chunked" => {
                // A line end in quotes is one to those who do not read extensions.
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"\r\n\"\r\n\r\n0\r\n\r\n"
            }
            "/nul" => "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
            "/cr" => "HTTP/1.1 200 OK\r\nX-A: a\rX-B: b\r\nContent-Length: 0\r\n\r\n",
            "/fold" => "HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
            "/space" => "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
            "/plus" => "HTTP/1.1 200 OK\r\nContent-Length: +0\r\n\r\n",
            "/two" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n",
            "/both" => {
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            }
            "/coded" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "/1.0" => "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "/101" => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            "/hint" => {
                "HTTP/1.1 103 Hint\r\nContent-Length: 3\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            }
            "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            "/blank" => "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            _ => return Answer::Bytes(json_response(200, "\"mine\"")),
        };
        Answer::Bytes([head, more].concat().into_bytes())
    };
    let api = Api::over(Upstream::script(odd), OPEN);
    for target in [
        "/204",
        "/204-sized",
        "/304",
        "/chunked",
        "/nul",
        "/cr",
        "/fold",
        "/space",
        "/plus",
        "/two",
        "/both",
        "/coded",
        "/1.0",
        "/101",
        "/hint",
        "/head",
        "/blank",
    ] {
        let mut client = Client::connect(api.proxy.address);
        let method = if target == "/head" { "HEAD" } else { "GET" };
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        let first = client.read_rest();
        assert!(first.starts_with(b"HTTP/1.1 ") && !has(&first, "smuggled"), "{target}");
        for _ in 0..2 {
            let next = api.call("", "GET", "/next");
            assert_eq!((next.status, &next.body[..]), (200, &b"\"mine\""[..]), "after {target}");
        }
    }
}

fn has(bytes: &[u8], what: &str) -> bool {
    memchr::memmem::find(bytes, what.as_bytes()).is_some()
}

/// Descriptors that the proxy has open.
fn descriptors(api: &Api) -> usize {
    let folder = PathBuf::from(format!("/proc/{}/fd", api.proxy.pid()));
    std::fs::read_dir(folder).expect("the proxy's descriptors").count()
}
