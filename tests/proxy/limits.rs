//! The data plane's own limits, each one below, at and above; and sockets of the other family.

use super::support::{Answer, NOBODY, OPEN, PATIENCE, Proxy, Upstream, eventually, ok};
use portcullis::control::Store;
use portcullis::control::load::load;
use portcullis::policy::resolve::Surroundings;
use portcullis::proxy::{ProxyConfig, Recorder, serve};
use portcullis::settings::{Limits, ListenAddress};
use portcullis::telemetry::record::Record;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

/// `shape::WHOLE`
const WHOLE: usize = 64 * 1024;

const HIDES: &str = "policy: 1
identity:
  api_keys:
    keys:
      - {user: eng, roles: [r], sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683}
roles:
  - {id: r, grants: [{path: \"/**\", access: r}], schemas: [s]}
schemas:
  - {id: s, type: t, body: {type: object, additionalProperties: true, properties: {x: false}}}
resource_types:
  - {id: t, at: [{path: \"/a\", pointer: \"\"}]}
";

#[test]
fn p11_bodies_up_to_the_limit_fail_cleanly_and_larger_ones_are_cut() {
    for (length, clean) in [(WHOLE - 1, true), (WHOLE, true), (WHOLE + 1, false)] {
        // Not closed: a fault that is found at the end alone.
        let body = format!("{{\"a\": \"{}\"", "y".repeat(length - 8));
        assert_eq!(body.len(), length);
        let upstream = Upstream::json(&body);
        let url = format!("http://{}", upstream.address);
        let proxy = Proxy::with(HIDES, &url, Limits::default());
        let mut client = proxy.connect();
        client.send("GET /a HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\n\r\n");
        if clean {
            assert_eq!(client.response().status, 502, "{length}");
        } else {
            let (_, bytes) = client.rest();
            assert!(bytes.starts_with(b"HTTP/1.1 200"), "{length}");
            assert!(!bytes.ends_with(b"0\r\n\r\n"), "{length}");
        }
        assert_eq!(proxy.record().aborted, !clean, "{length}");
    }
}

/// `request::MAX_DRAIN`
const MAX_DRAIN: usize = 64 * 1024;

#[test]
fn p04_short_bodies_of_refused_requests_are_read_and_long_ones_end_the_connection() {
    let proxy = Proxy::with(OPEN, NOBODY, Limits::default());
    for (length, goes_on) in [(MAX_DRAIN - 1, true), (MAX_DRAIN, true), (MAX_DRAIN + 1, false)] {
        let mut client = proxy.connect();
        client.send(format!("POST /a//b HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        client.send(vec![b'x'; length]);
        let response = client.response();
        assert_eq!(response.status, 400);
        assert_eq!(response.header("connection").is_none(), goes_on, "{length}");
    }
}

/// `pool::lease::MAX_IDLE`
const MAX_IDLE: usize = 256;

#[test]
fn idle_upstream_connections_are_kept_up_to_the_limit() {
    for (at_once, kept) in
        [(MAX_IDLE - 1, MAX_IDLE - 1), (MAX_IDLE, MAX_IDLE), (MAX_IDLE + 1, MAX_IDLE)]
    {
        let together = Arc::new(Barrier::new(at_once));
        let upstream = Upstream::scripted(move |_, _| {
            together.wait();
            Answer::Bytes(ok("text/plain", "x").into())
        });
        let proxy = Proxy::open(&upstream);
        let mut clients: Vec<_> = (0..at_once).map(|_| proxy.connect()).collect();
        for client in &mut clients {
            client.send(GET);
        }
        for client in &mut clients {
            assert_eq!(client.response().status, 200);
        }
        assert_eq!(upstream.connections(), at_once);
        eventually("the surplus is closed", || upstream.closed() == at_once - kept);
    }
}

fn configured(
    policy: &std::path::Path,
    upstream: &str,
    listen: ListenAddress,
    recorder: Arc<dyn Fn(usize) -> Box<dyn Recorder> + Send + Sync>,
) -> ProxyConfig {
    std::fs::write(policy, OPEN).unwrap();
    let around = Surroundings {
        default_upstream: Some(upstream.parse().unwrap()),
        upstream_required: true,
        ..Surroundings::default()
    };
    let live = load(policy, &around, 1).unwrap_or_else(|error| panic!("{error:#?}")).live;
    let (listen, store) = (vec![listen], Arc::new(Store::new(live)));
    let listen = listen.into_iter().map(Into::into).collect();
    ProxyConfig { listen, workers: 1, limits: Limits::default(), store, recorder }
}

struct Deaf;

impl Recorder for Deaf {
    fn record(&self, _: Record) {}
}

#[test]
fn unix_sockets_work_on_both_sides_and_tell_no_address() {
    let dir = tempfile::tempdir().unwrap();
    let (front, back) = (dir.path().join("front.sock"), dir.path().join("back.sock"));
    let listener = UnixListener::bind(&back).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).unwrap();
        stream.write_all(ok("text/plain", "hi").as_bytes()).unwrap();
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    });
    let config = configured(
        &dir.path().join("policy.yaml"),
        &format!("unix:{}", back.display()),
        ListenAddress::Unix(front.clone()),
        Arc::new(|_| Box::new(Deaf)),
    );
    let handle = serve(config).unwrap();
    let mut client = UnixStream::connect(&front).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK") && response.ends_with("hi"), "{response}");
    let request = server.join().unwrap();
    assert!(request.contains("forwarded: for=_unix;host=\"a\";proto=http"), "{request}");
    assert!(!request.contains("x-forwarded-for"), "{request}");
    handle.join().unwrap();
}

/// Panics at the first record.
struct Fragile(Arc<AtomicBool>);

impl Recorder for Fragile {
    fn record(&self, _: Record) {
        assert!(self.0.swap(true, Ordering::SeqCst), "a defect, on purpose");
    }
}

#[test]
fn p15_a_panic_on_one_connection_harms_no_other() {
    let upstream = Upstream::json("{}");
    let dir = tempfile::tempdir().unwrap();
    let panicked = Arc::new(AtomicBool::new(false));
    let flag = panicked.clone();
    let config = configured(
        &dir.path().join("policy.yaml"),
        &format!("http://{}", upstream.address),
        ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()),
        Arc::new(move |_| Box::new(Fragile(flag.clone()))),
    );
    let handle = serve(config).unwrap();
    let ListenAddress::Tcp(address) = handle.addresses()[0] else { unreachable!() };
    let mut other = super::support::Client::to(address);
    let mut first = super::support::Client::to(address);
    first.send(GET);
    first.rest();
    assert!(panicked.load(Ordering::SeqCst));
    other.send(GET);
    assert_eq!(other.response().status, 200);
    assert!(!handle.has_lost_a_worker());
    drop(other);
    handle.join().unwrap();
}
