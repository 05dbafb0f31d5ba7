//! Security group 14: what upstreams and clients do wrong.

use super::support::{Answer, NOBODY, OPEN, Proxy, Upstream, eventually, ok};
use portcullis::decide::Reason;
use portcullis::settings::Limits;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::Duration;

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

fn quick() -> Limits {
    let short = Duration::from_millis(200);
    Limits { upstream_head: short, connect: short, body_idle: short, ..Limits::default() }
}

fn over(upstream: &Upstream, limits: Limits) -> Proxy {
    Proxy::with(OPEN, &format!("http://{}", upstream.address), limits)
}

#[test]
fn p14_nobody_listens() {
    let proxy = Proxy::with(OPEN, NOBODY, Limits::default());
    let response = proxy.once(GET);
    assert_eq!(response.status, 502);
    assert_eq!(
        response.body,
        "{\"type\":\"about:blank\",\"title\":\"Bad Gateway\",\"status\":502}\n"
    );
    assert_eq!(proxy.record().reason, Reason::UpstreamFailed);
    let nowhere = Proxy::with(OPEN, "http://no-such-host.invalid", Limits::default());
    assert_eq!(nowhere.once(GET).status, 502);
    let socket = Proxy::with(OPEN, "unix:/nonexistent/socket", Limits::default());
    assert_eq!(socket.once(GET).status, 502);
}

/// A listener whose queue is full answers no SYN, as a machine that is gone does.
#[test]
fn p14_a_connection_that_does_not_come_about_is_504() {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let knock = || TcpStream::connect_timeout(&address, Duration::from_millis(300));
    let _queue: Vec<_> = std::iter::from_fn(|| knock().ok()).take(16).collect();
    let proxy = Proxy::with(OPEN, &format!("http://{address}"), quick());
    assert_eq!(proxy.once(GET).status, 504);
    assert_eq!(proxy.record().reason, Reason::UpstreamTimeout);
}

#[test]
fn p14_what_is_no_http_is_502_and_its_connection_is_not_used_again() {
    for nonsense in [
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 2 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
    ] {
        let upstream = Upstream::answering(nonsense);
        let proxy = Proxy::open(&upstream);
        assert_eq!(proxy.once(GET).status, 502, "{nonsense:?}");
        assert_eq!(proxy.once(GET).status, 502, "{nonsense:?}");
        assert_eq!(upstream.connections(), 2, "{nonsense:?}");
    }
}

#[test]
fn p14_a_stalled_upstream_is_504() {
    let (_never, pieces) = channel();
    let pieces = std::sync::Mutex::new(Some(pieces));
    let upstream =
        Upstream::scripted(move |_, _| Answer::Pieces(pieces.lock().unwrap().take().unwrap()));
    let proxy = over(&upstream, quick());
    assert_eq!(proxy.once(GET).status, 504);
    assert_eq!(proxy.record().reason, Reason::UpstreamTimeout);
}

#[test]
fn p14_a_body_that_stalls_is_cut_and_not_ended() {
    let (more, pieces) = channel();
    more.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n".to_vec())
        .unwrap();
    let pieces = std::sync::Mutex::new(Some(pieces));
    let upstream =
        Upstream::scripted(move |_, _| Answer::Pieces(pieces.lock().unwrap().take().unwrap()));
    let proxy = over(&upstream, quick());
    let mut client = proxy.connect();
    client.send(GET);
    let (_, bytes) = client.rest();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.ends_with("2\r\nhi\r\n"), "{text}");
    assert!(proxy.record().aborted);
}

#[test]
fn p14_a_body_that_breaks_off_is_cut_and_not_ended() {
    for broken in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
    ] {
        let upstream = Upstream::scripted(move |_, _| Answer::Last(broken.into()));
        let proxy = Proxy::open(&upstream);
        let mut client = proxy.connect();
        client.send(GET);
        let (_, bytes) = client.rest();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.ends_with("0\r\n\r\n"), "{text}");
        assert!(proxy.record().aborted, "{broken:?}");
    }
}

#[test]
fn p14_an_http_1_0_client_cannot_take_a_cut_for_an_end() {
    let broken = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n";
    let upstream = Upstream::scripted(move |_, _| Answer::Last(broken.into()));
    let proxy = Proxy::open(&upstream);
    let mut client = proxy.connect();
    client.send("GET /a HTTP/1.0\r\nHost: a\r\n\r\n");
    assert!(!client.rest().0, "the connection should be reset");
}

#[test]
fn connections_are_used_again() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for _ in 0..5 {
        assert_eq!(proxy.once(GET).status, 200);
        assert_eq!(proxy.once(POST).status, 200);
    }
    assert_eq!(upstream.connections(), 1);
}

/// Answers the first request, then closes; what comes on another connection is answered.
fn closes_after_the_first() -> Upstream {
    Upstream::scripted(|n, _| match n {
        0 => Answer::Bytes(ok("text/plain", "first").into()),
        1 => Answer::Last(Vec::new()),
        _ => Answer::Bytes(ok("text/plain", "again").into()),
    })
}

#[test]
fn p14_a_get_on_a_connection_that_dies_is_sent_once_more() {
    let upstream = closes_after_the_first();
    let proxy = Proxy::open(&upstream);
    assert_eq!(proxy.once(GET).body, "first");
    assert_eq!(proxy.once(GET).body, "again");
    assert_eq!((upstream.requests().len(), upstream.connections()), (3, 2));
}

#[test]
fn p14_a_post_arrives_exactly_once() {
    let upstream = closes_after_the_first();
    let proxy = Proxy::open(&upstream);
    assert_eq!(proxy.once(GET).body, "first");
    assert_eq!(proxy.once(POST).status, 502);
    let empty = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!((upstream.requests().len(), upstream.connections()), (2, 1));
    let upstream = closes_after_the_first();
    let proxy = Proxy::open(&upstream);
    assert_eq!(proxy.once(GET).body, "first");
    assert_eq!(proxy.once(empty).status, 502);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn p14_a_get_is_sent_at_most_twice() {
    let upstream = Upstream::scripted(|n, _| match n {
        0 => Answer::Bytes(ok("text/plain", "first").into()),
        _ => Answer::Last(Vec::new()),
    });
    let proxy = Proxy::open(&upstream);
    assert_eq!(proxy.once(GET).body, "first");
    assert_eq!(proxy.once(GET).status, 502);
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn p14_a_connection_that_closed_while_idle_costs_nothing() {
    let upstream = Upstream::scripted(|_, _| Answer::Last(ok("text/plain", "ok").into()));
    let proxy = Proxy::open(&upstream);
    for n in 1..4 {
        assert_eq!(proxy.once(POST).status, 200);
        eventually("the upstream closes", || upstream.closed() == n);
    }
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn p14_an_early_answer_is_relayed_and_its_connection_dropped() {
    // Answers as soon as it has the head: to the recorder, a head without a length is a request.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0);
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    let proxy = Proxy::with(OPEN, &format!("http://{address}"), Limits::default());
    let mut client = proxy.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\npart");
    let response = client.response();
    assert_eq!((response.status, response.body.as_str()), (413, "no"));
    drop(client);
    server.join().unwrap();
}

#[test]
fn p14_a_client_that_goes_away_ends_the_upstream_request() {
    let (_never, pieces) = channel();
    let pieces = std::sync::Mutex::new(Some(pieces));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        use std::io::Read;
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        // Ends only when the proxy closes.
        stream.read_to_end(&mut all).unwrap();
        drop::<std::sync::Mutex<Option<std::sync::mpsc::Receiver<Vec<u8>>>>>(pieces);
        all
    });
    let proxy = Proxy::with(OPEN, &format!("http://{address}"), Limits::default());
    let mut client = proxy.connect();
    client.send(GET);
    eventually("the request arrives", || proxy.handle.is_some());
    std::thread::sleep(Duration::from_millis(50));
    drop(client);
    let seen = server.join().unwrap();
    assert!(seen.starts_with(b"GET /a"), "the upstream should have seen the request");
    let record = proxy.record();
    assert_eq!((record.status, record.aborted), (0, true));
}

#[test]
fn p13_a_client_that_sends_no_more_of_its_body_is_408() {
    let upstream = Upstream::json("{}");
    let proxy = over(&upstream, quick());
    let mut client = proxy.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(client.response().status, 408);
    assert_eq!(upstream.requests(), [] as [&str; 0]);
    assert_eq!(proxy.record().reason, Reason::ClientTimeout);
}

#[test]
fn idle_connections_are_closed_by_the_clock() {
    let upstream = Upstream::json("{}");
    let limits = Limits { upstream_idle: Duration::from_millis(100), ..Limits::default() };
    let proxy = over(&upstream, limits);
    assert_eq!(proxy.once(GET).status, 200);
    eventually("the idle connection closes", || upstream.closed() == 1);
}

/// The upstream keeps connections for two seconds, so we keep them for one.
#[test]
fn p14_an_unused_connection_is_closed_before_its_upstream_would() {
    let answer = |timeout: u32| {
        format!("HTTP/1.1 200 OK\r\nKeep-Alive: timeout={timeout}\r\nContent-Length: 0\r\n\r\n")
    };
    let upstream = Upstream::answering(&answer(2));
    let proxy = over(&upstream, Limits::default());
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.send(GET);
        assert_eq!(client.response().header("keep-alive"), None);
    }
    assert_eq!(upstream.connections(), 1, "it is used again");
    eventually("it is closed", || upstream.closed() == 1);
    client.send(GET);
    assert_eq!(client.response().status, 200);
    // One that is kept for no longer than our margin is not used twice.
    let hasty = Upstream::answering(&answer(1));
    let proxy = over(&hasty, Limits::default());
    for _ in 0..2 {
        assert_eq!(proxy.once(GET).status, 200);
    }
    assert_eq!(hasty.connections(), 2);
}

#[test]
fn p14_an_exchange_that_never_pauses_long_has_an_end_nevertheless() {
    let limits = Limits { upstream_total: Duration::from_millis(500), ..Limits::default() };
    for (head, status) in
        [("", 504), ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200)]
    {
        let upstream = Upstream::scripted(move |_, _| {
            let (more, pieces) = channel();
            std::thread::spawn(move || {
                // An interim response, or a chunk, each 50 ms.
                let piece = if head.is_empty() { "HTTP/1.1 102 P\r\n\r\n" } else { "1\r\nx\r\n" };
                let mut next = head.to_owned();
                while more.send(std::mem::replace(&mut next, piece.to_owned()).into_bytes()).is_ok()
                {
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            Answer::Pieces(pieces)
        });
        let proxy = over(&upstream, limits.clone());
        let mut client = proxy.connect();
        let begun = std::time::Instant::now();
        client.send(GET);
        if status == 200 {
            let (_, bytes) = client.rest();
            assert!(bytes.starts_with(b"HTTP/1.1 200") && !bytes.ends_with(b"0\r\n\r\n"));
        } else {
            assert_eq!(client.response().status, 504);
        }
        assert!(begun.elapsed() > Duration::from_millis(400), "{:?}", begun.elapsed());
        assert_eq!(proxy.record().aborted, status == 200);
    }
}
