//! Security groups 13 and 15: waiting, limits, starting and stopping.

use super::support::{Answer, Client, OPEN, Proxy, Upstream, eventually, ok};
use portcullis::settings::Limits;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

fn over(upstream: &Upstream, limits: Limits) -> Proxy {
    Proxy::with(OPEN, &format!("http://{}", upstream.address), limits)
}

#[test]
fn p13_silent_and_slow_heads_are_closed_in_time() {
    let upstream = Upstream::json("{}");
    let limits = Limits { header_timeout: Duration::from_millis(200), ..Limits::default() };
    let proxy = over(&upstream, limits);
    for begun in ["", "P", "PRI * HTTP/2.0\r\n", "GET /a HTT", "GET /a HTTP/1.1\r\nHost: a\r\n"] {
        let start = Instant::now();
        let mut client = proxy.connect();
        client.send(begun);
        client.rest();
        assert!(start.elapsed() < Duration::from_secs(3), "{begun:?}");
    }
    upstream.assert_untouched();
}

#[test]
fn p13_trickling_a_head_buys_no_time() {
    let upstream = Upstream::json("{}");
    let limits = Limits { header_timeout: Duration::from_millis(300), ..Limits::default() };
    let proxy = over(&upstream, limits);
    let mut client = proxy.connect();
    let start = Instant::now();
    client.send("GET /a HTTP/1.1\r\n");
    use std::io::Write;
    while client.stream.write_all(b"X: y\r\n").is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        assert!(start.elapsed() < Duration::from_secs(5), "the connection should have been closed");
    }
    upstream.assert_untouched();
}

#[test]
fn p13_an_idle_connection_lives_as_long_as_the_limit_and_no_longer() {
    let upstream = Upstream::json("{}");
    let limits = Limits {
        header_timeout: Duration::from_millis(100),
        idle: Duration::from_millis(800),
        ..Limits::default()
    };
    let proxy = over(&upstream, limits);
    let mut client = proxy.connect();
    client.send(GET);
    assert_eq!(client.response().status, 200);
    std::thread::sleep(Duration::from_millis(500));
    client.send(GET);
    assert_eq!(client.response().status, 200);
    assert_eq!(client.rest(), (true, Vec::new()));
}

#[test]
fn p13_a_reader_who_stops_is_cut() {
    let big = ok("text/plain", &"x".repeat(32 * 1024 * 1024));
    let upstream = Upstream::answering(&big);
    let limits = Limits { write_idle: Duration::from_millis(200), ..Limits::default() };
    let proxy = over(&upstream, limits);
    let mut client = proxy.connect();
    client.send(GET);
    let record = proxy.record();
    assert!(record.aborted && record.bytes_out < 32 * 1024 * 1024);
    drop(client);
}

#[test]
fn p13_heads_are_bounded() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    // Host is one of them.
    for (fields, status) in [(98, 200), (99, 200), (100, 431)] {
        let head = format!("GET /a HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(fields));
        assert_eq!(proxy.once(&head).status, status, "{fields}");
    }
    let whole = "GET /a HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    for (bytes, status) in [(32767, 200), (32768, 200), (32769, 431)] {
        let head =
            format!("GET /a HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(bytes - whole));
        assert_eq!(head.len(), bytes);
        assert_eq!(proxy.once(&head).status, status, "{bytes}");
    }
}

#[test]
fn p13_connections_beyond_the_limit_wait_for_their_turn() {
    let upstream = Upstream::json("{}");
    let proxy = over(&upstream, Limits { connections: 2, ..Limits::default() });
    let ask = |client: &mut Client| {
        client.send(GET);
        client.response().status
    };
    let (mut first, mut second) = (proxy.connect(), proxy.connect());
    assert_eq!((ask(&mut first), ask(&mut second)), (200, 200));
    let mut third = proxy.connect();
    third.send(GET);
    third.stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut byte = [0];
    assert!(third.stream.peek(&mut byte).is_err(), "the third connection should wait");
    drop(first);
    third.stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(third.response().status, 200);
    assert_eq!(ask(&mut second), 200);
}

#[test]
fn p15_a_drain_finishes_what_is_under_way_and_takes_nothing_new() {
    let (more, pieces) = channel();
    let pieces = Mutex::new(Some(pieces));
    let upstream =
        Upstream::scripted(move |_, _| Answer::Pieces(pieces.lock().unwrap().take().unwrap()));
    let mut proxy = Proxy::open(&upstream);
    let mut busy = proxy.connect();
    busy.send(GET);
    let mut idle = proxy.connect();
    idle.send("GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.response().status, 400);
    eventually("the request arrives", || upstream.requests().len() == 1);
    let handle = proxy.handle.take().unwrap();
    handle.drain();
    assert_eq!(idle.rest(), (true, Vec::new()));
    let address = proxy.address;
    eventually("nothing new is taken", || std::net::TcpStream::connect(address).is_err());
    more.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfi".to_vec()).unwrap();
    more.send(b"ne".to_vec()).unwrap();
    let response = busy.response();
    assert_eq!((response.status, response.body.as_str()), (200, "fine"));
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(busy.rest(), (true, Vec::new()));
    handle.join().unwrap();
}

#[test]
fn p15_a_drain_has_an_end() {
    let (_never, pieces) = channel();
    let pieces = Mutex::new(Some(pieces));
    let upstream =
        Upstream::scripted(move |_, _| Answer::Pieces(pieces.lock().unwrap().take().unwrap()));
    let mut proxy =
        over(&upstream, Limits { drain: Duration::from_millis(200), ..Limits::default() });
    let mut client = proxy.connect();
    client.send(GET);
    eventually("the request arrives", || upstream.requests().len() == 1);
    let start = Instant::now();
    proxy.handle.take().unwrap().join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(client.rest().1, b"");
    assert!(proxy.record().aborted);
}

#[test]
fn workers_share_a_port_and_each_serves() {
    let upstream = Upstream::json("{}");
    let url = format!("http://{}", upstream.address);
    let proxy = Proxy::workers(OPEN, &url, Limits::default(), 4);
    for _ in 0..64 {
        assert_eq!(proxy.once(GET).status, 200);
    }
    // Each worker has its own upstream connections; all four are hit with near certainty.
    assert!((2..=4).contains(&upstream.connections()), "{}", upstream.connections());
}
