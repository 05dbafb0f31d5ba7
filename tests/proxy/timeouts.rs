//! What an upstream says of how long it is waited for, against what the settings say.

use super::support::{Answer, Client, NOBODY, Proxy, Upstream, eventually, ok};
use portcullis::decide::Reason;
use portcullis::settings::Limits;
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const GET: &str = "GET /own HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What would end every test if it counted.
const LONG: Duration = Duration::from_secs(60);

fn limits() -> Limits {
    Limits {
        connect: LONG,
        upstream_head: LONG,
        upstream_total: LONG,
        upstream_idle: LONG,
        ..Limits::default()
    }
}

/// `/own` goes to an upstream with these times, everything else to one without.
fn policy(address: impl std::fmt::Display, timeouts: &str) -> String {
    format!(
        "policy: 1\nupstreams:\n\
         - {{id: own, url: 'http://{address}', timeouts: {timeouts}}}\n\
         - {{id: plain, url: 'http://{address}'}}\n\
         routes:\n\
         - {{match: /own, public: crud, upstream: own}}\n\
         - {{match: \"/**\", public: crud, upstream: plain}}\n"
    )
}

fn over(upstream: &Upstream, timeouts: &str) -> Proxy {
    Proxy::with(&policy(upstream.address, timeouts), NOBODY, limits())
}

/// Where the answer to each request comes from.
type Held = Arc<Mutex<Vec<Sender<Vec<u8>>>>>;

/// Takes requests and says nothing, until the senders are dropped.
fn silent() -> (Upstream, Held) {
    let held = Held::default();
    let senders = held.clone();
    let upstream = Upstream::scripted(move |_, _| {
        let (sender, pieces) = channel();
        senders.lock().unwrap().push(sender);
        Answer::Pieces(pieces)
    });
    (upstream, held)
}

#[test]
fn p14_an_upstreams_own_time_for_a_response_counts_in_place_of_the_limit() {
    let (upstream, held) = silent();
    let proxy = over(&upstream, "{response: 300ms}");
    let mut other = proxy.connect();
    other.send("GET /other HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    eventually("the other one waits", || upstream.requests().len() == 1);
    let begun = Instant::now();
    assert_eq!(proxy.once(GET).status, 504);
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    assert_eq!(proxy.record().reason, Reason::UpstreamTimeout);
    assert!(!other.has_more(), "where nothing is said, the limit counts");
    held.lock().unwrap()[0].send(ok("text/plain", "late").into()).unwrap();
    assert_eq!(other.response().body, "late");
}

#[test]
fn p14_an_upstreams_own_time_holds_between_two_pieces_of_its_response() {
    let (upstream, held) = silent();
    let proxy = over(&upstream, "{response: 300ms}");
    let mut client = proxy.connect();
    client.send(GET);
    eventually("it waits", || held.lock().unwrap().len() == 1);
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n";
    held.lock().unwrap()[0].send(head.to_vec()).unwrap();
    let (_, bytes) = client.rest();
    assert!(bytes.ends_with(b"2\r\nhi\r\n"), "{}", String::from_utf8_lossy(&bytes));
    assert!(proxy.record().aborted);
}

/// Takes a head, and then nothing of the body.
#[test]
fn p14_an_upstreams_own_time_holds_while_it_takes_a_body() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy =
        Proxy::with(&policy(listener.local_addr().unwrap(), "{response: 300ms}"), NOBODY, limits());
    let taken = std::thread::spawn(move || listener.accept().unwrap().0);
    let mut client = proxy.connect();
    let length = 64 * 1024 * 1024;
    client.send(format!("POST /own HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
    let piece = vec![b'x'; 64 * 1024];
    let begun = Instant::now();
    while client.try_send(&piece) && !client.has_more() && begun.elapsed() < LONG {}
    assert_eq!(client.response().status, 504);
    drop(taken.join().unwrap());
}

#[test]
fn p14_an_upstreams_own_time_for_a_whole_exchange_counts() {
    let upstream = Upstream::scripted(|_, _| {
        let (more, pieces) = channel();
        std::thread::spawn(move || {
            while more.send(b"HTTP/1.1 102 P\r\n\r\n".to_vec()).is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Answer::Pieces(pieces)
    });
    let proxy = over(&upstream, "{total: 400ms}");
    let begun = Instant::now();
    assert_eq!(proxy.once(GET).status, 504);
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
}

/// Two upstreams of one address: each puts its connections back for as long as it says.
#[test]
fn p14_an_upstreams_own_time_for_unused_connections_counts() {
    let upstream = Upstream::json("{}");
    let proxy = over(&upstream, "{idle: 200ms}");
    let ask = |client: &mut Client, path: &str| {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.response().status, 200);
    };
    let mut client = proxy.connect();
    ask(&mut client, "/own");
    eventually("it is closed", || upstream.closed() == 1);
    ask(&mut client, "/other");
    ask(&mut client, "/other");
    assert_eq!((upstream.connections(), upstream.closed()), (2, 1), "and the other one is kept");
}

#[test]
fn p14_an_upstreams_own_time_for_opening_a_connection_counts() {
    let (domain, kind) = (socket2::Domain::IPV4, socket2::Type::STREAM);
    let listener = socket2::Socket::new(domain, kind, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let knock = || TcpStream::connect_timeout(&address, Duration::from_millis(300));
    let _queue: Vec<_> = std::iter::from_fn(|| knock().ok()).take(16).collect();
    let proxy = Proxy::with(&policy(address, "{connect: 300ms}"), NOBODY, limits());
    assert_eq!(proxy.once(GET).status, 504);
}
