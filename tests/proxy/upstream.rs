//! Security groups 4 and 14, from the other side: what is made of what upstreams say, and which of
//! their connections are used again.

use super::support::{Answer, OPEN, Proxy, Upstream, eventually, ok};
use portcullis::decide::Reason;
use portcullis::settings::Limits;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

/// An upstream that is one function over one connection.
fn upstream<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (Proxy, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || serve(listener.accept().unwrap().0));
    (Proxy::with(OPEN, &url, Limits::default()), server)
}

/// One answer, in pieces that the test sends.
fn in_pieces(pieces: Receiver<Vec<u8>>) -> Upstream {
    let pieces = Mutex::new(Some(pieces));
    Upstream::scripted(move |_, _| Answer::Pieces(pieces.lock().unwrap().take().unwrap()))
}

#[test]
fn p14_a_response_may_arrive_in_any_pieces() {
    let whole = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n\
                 3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n";
    for size in [1, 2, 3, 7, 50] {
        let (sender, pieces) = channel();
        let upstream = in_pieces(pieces);
        let proxy = Proxy::open(&upstream);
        let mut client = proxy.connect();
        client.send(GET);
        eventually("the request arrives", || upstream.requests().len() == 1);
        for piece in whole.as_bytes().chunks(size) {
            sender.send(piece.to_vec()).unwrap();
            std::thread::yield_now();
        }
        let response = client.response();
        assert_eq!((response.status, response.body.as_str()), (200, "hello"), "{size}");
        assert_eq!(response.header("x-a"), Some("1"));
        assert_eq!(response.header("x-t"), None);
    }
}

#[test]
fn p11_interim_responses_are_passed_over_up_to_their_limit() {
    const MAX_INTERIM: usize = 16;
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    for (count, status) in
        [(1, 200), (MAX_INTERIM - 1, 200), (MAX_INTERIM, 200), (MAX_INTERIM + 1, 502)]
    {
        let upstream =
            Upstream::answering(&format!("{}{}", hint.repeat(count), ok("text/plain", "hi")));
        let response = Proxy::open(&upstream).once(GET);
        assert_eq!(response.status, status, "{count}");
        assert_eq!(response.header("link"), None);
    }
}

#[test]
fn p14_a_request_is_not_sent_again_once_something_has_come() {
    for begun in ["H", "HTTP/1.1 100 Continue\r\n\r\n", "SSH-2.0-x\r\n"] {
        let upstream = Upstream::scripted(move |n, _| match n {
            0 => Answer::Bytes(ok("text/plain", "first").into()),
            _ => Answer::Last(begun.into()),
        });
        let proxy = Proxy::open(&upstream);
        assert_eq!(proxy.once(GET).status, 200);
        assert_eq!(proxy.once(GET).status, 502, "{begun:?}");
        assert_eq!(upstream.requests().len(), 2, "{begun:?}");
    }
}

#[test]
fn p04_bytes_behind_a_response_belong_to_nobody() {
    let smuggled = ok("text/plain", "smuggled");
    for response in [
        ok("text/plain", "hi"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n".to_owned(),
        "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
    ] {
        let both = format!("{response}{smuggled}");
        let upstream = Upstream::answering(&both);
        let proxy = Proxy::open(&upstream);
        for _ in 0..3 {
            assert!(!proxy.once(GET).body.contains("smuggled"), "{response}");
        }
        assert_eq!(upstream.connections(), 3, "{response}");
    }
}

#[test]
fn p04_bytes_that_come_while_nobody_asks_end_the_connection() {
    let (sender, pieces) = channel();
    let pieces = Mutex::new(Some(pieces));
    let upstream = Upstream::scripted(move |n, _| match n {
        0 => Answer::Pieces(pieces.lock().unwrap().take().unwrap()),
        _ => Answer::Bytes(ok("text/plain", "new").into()),
    });
    let proxy = Proxy::open(&upstream);
    sender.send(ok("text/plain", "old").into()).unwrap();
    assert_eq!(proxy.once(GET).body, "old");
    sender.send(ok("text/plain", "smuggled").into()).unwrap();
    drop(sender);
    eventually("the connection ends", || upstream.closed() == 1);
    assert_eq!(proxy.once(GET).body, "new");
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_response_to_head_has_the_length_and_no_body() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let proxy = Proxy::open(&upstream);
    for _ in 0..2 {
        let mut client = proxy.connect();
        client.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = client.head_response();
        assert_eq!((response.status, response.header("content-length")), (200, Some("5")));
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_body_may_end_with_its_connection() {
    let upstream = Upstream::scripted(|_, _| Answer::Last("HTTP/1.1 200 OK\r\n\r\nhello".into()));
    let proxy = Proxy::open(&upstream);
    for _ in 0..2 {
        let response = proxy.once(GET);
        assert_eq!((response.status, response.body.as_str()), (200, "hello"));
        assert!(!proxy.record().aborted);
    }
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_connection_is_used_again_only_if_the_upstream_means_to_keep_it() {
    for (response, connections) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", 2),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 2),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi", 1),
    ] {
        let upstream = Upstream::answering(response);
        let proxy = Proxy::open(&upstream);
        assert_eq!(proxy.once(GET).body, "hi");
        assert_eq!(proxy.once(GET).body, "hi");
        assert_eq!(upstream.connections(), connections, "{response}");
    }
}

#[test]
fn an_odd_reason_is_told_as_it_came() {
    let upstream = Upstream::answering("HTTP/1.1 299 Odd Thing\r\nContent-Length: 0\r\n\r\n");
    let response = Proxy::open(&upstream).once(GET);
    assert!(response.head.starts_with("HTTP/1.1 299 Odd Thing\r\n"), "{}", response.head);
}

/// The answer begins before the request has ended, and both go on side by side.
#[test]
fn p14_a_request_goes_on_beside_its_early_answer() {
    let (proxy, server) = upstream(|mut stream| {
        read_until(&mut stream, b"one");
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nONE\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let rest = read_until(&mut stream, b"0\r\n\r\n");
        stream.write_all(b"3\r\nTWO\r\n0\r\n\r\n").unwrap();
        rest
    });
    let mut client = proxy.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    let mut seen = Vec::new();
    let mut chunk = [0; 1024];
    while !String::from_utf8_lossy(&seen).contains("ONE") {
        let n = client.stream.read(&mut chunk).unwrap();
        assert!(n > 0);
        seen.extend_from_slice(&chunk[..n]);
    }
    client.send("3\r\ntwo\r\n0\r\n\r\n");
    while !String::from_utf8_lossy(&seen).ends_with("0\r\n\r\n") {
        let n = client.stream.read(&mut chunk).unwrap();
        assert!(n > 0);
        seen.extend_from_slice(&chunk[..n]);
    }
    assert!(String::from_utf8_lossy(&seen).contains("TWO"));
    assert!(String::from_utf8(server.join().unwrap()).unwrap().contains("3\r\ntwo\r\n"));
}

fn read_until(stream: &mut TcpStream, mark: &[u8]) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut chunk = [0; 1024];
    while !seen.windows(mark.len()).any(|window| window == mark) {
        let n = stream.read(&mut chunk).unwrap();
        assert!(n > 0, "the request should go on: {:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&chunk[..n]);
    }
    seen
}

/// An upstream that answers and closes without reading the body: what it said is not lost.
#[test]
fn p14_an_answer_is_heard_although_nothing_more_can_be_sent() {
    let (proxy, server) = upstream(|mut stream| {
        read_until(&mut stream, b"\r\n\r\n");
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").unwrap();
        // Closed for writing only, so that the answer cannot be lost to a reset.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut client = proxy.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf");
    let response = client.response();
    assert_eq!((response.status, response.body.as_str()), (413, "no"));
    drop(client);
    server.join().unwrap();
}

#[test]
fn p04_a_head_is_bounded_in_bytes_and_fields() {
    let limits = || Limits { max_header_bytes: 8192, ..Limits::default() };
    for (filling, status) in [
        ("X-A: 1\r\n".repeat(98), 200),
        ("X-A: 1\r\n".repeat(101), 502),
        ("X: ".to_owned() + &"y".repeat(8192) + "\r\n", 502),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{filling}Content-Length: 2\r\n\r\nhi");
        let upstream = Upstream::answering(&head);
        let proxy = Proxy::with(OPEN, &format!("http://{}", upstream.address), limits());
        assert_eq!(proxy.once(GET).status, status, "{}", filling.len());
        if status == 502 {
            assert_eq!(proxy.record().reason, Reason::UpstreamFailed);
        }
    }
}

/// What was given to us before a body broke off reaches the client, and no end does.
#[test]
fn p11_what_came_before_a_body_broke_off_is_seen_and_no_end() {
    let broken = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n";
    let upstream = Upstream::scripted(move |_, _| Answer::Last(broken.into()));
    let proxy = Proxy::open(&upstream);
    let mut client = proxy.connect();
    client.send(GET);
    let text = String::from_utf8(client.rest().1).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("2\r\nhi\r\n"), "{text}");
}

/// Long bodies in both directions, so that sockets fill and reads grow.
#[test]
fn long_bodies_pass_unchanged_in_both_directions() {
    let body: String = (0..200_000).map(|n| format!("{n:07},")).collect();
    let echoed = body.clone();
    let upstream = Upstream::scripted(move |_, request| {
        let sent = request.split_once("\r\n\r\n").unwrap().1;
        let same = sent == echoed;
        Answer::Bytes(ok("text/plain", if same { &echoed } else { "changed" }).into())
    });
    let proxy = Proxy::open(&upstream);
    for _ in 0..2 {
        let mut client = proxy.connect();
        let head = format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        client.send(head);
        client.send(&body);
        assert!(client.response().body == body);
        assert_eq!(proxy.record().bytes_in, body.len() as u64);
    }
    assert_eq!(upstream.connections(), 1);
}

/// A client that takes nothing does not make us hold what it does not take.
#[test]
fn p13_an_upstream_is_read_no_faster_than_the_client_takes() {
    let (sent, sizes) = channel();
    let (proxy, server) = upstream(move |mut stream| {
        read_until(&mut stream, b"\r\n\r\n");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n").unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let piece = vec![b'x'; 1024 * 1024];
        let mut total = 0;
        while total < 256 {
            match stream.write_all(&piece) {
                Ok(()) => total += 1,
                Err(_) => break,
            }
        }
        sent.send(total).unwrap();
    });
    let mut client = proxy.connect();
    client.send(GET);
    let megabytes = sizes.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(megabytes < 64, "{megabytes} MB were taken from the upstream");
    drop(client);
    server.join().unwrap();
}
