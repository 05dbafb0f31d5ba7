//! The admin listener as a client sees it, byte by byte.

use portcullis::admin::{Admin, AdminState, LastError, PolicyView, bind};
use portcullis::settings::{ListenAddress, LogSink};
use portcullis::telemetry::{Endpoints, PolicyState, Telemetry};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

struct State {
    ready: AtomicBool,
    telemetry: Telemetry,
    last_error: Mutex<Option<LastError>>,
}

impl AdminState for State {
    fn ready(&self) -> Result<(), String> {
        self.ready.load(Ordering::SeqCst).then_some(()).ok_or_else(|| "it drains".into())
    }

    fn policy(&self) -> PolicyView {
        PolicyView {
            generation: 7,
            digest: "sha256:abc".into(),
            loaded_at: loaded_at(),
            mode: "enforce",
            roles: 2,
            members: 3,
            last_error: self.last_error.lock().unwrap().clone(),
        }
    }

    fn metrics(&self) -> String {
        self.telemetry.metrics(&PolicyState {
            generation: 7,
            loaded_at: loaded_at(),
            keyless: false,
            certificates_expire: None,
            watched: true,
            events: true,
            endpoints: Endpoints::default(),
        })
    }
}

/// Nothing ages before 1970 and a bit.
fn loaded_at() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn start_on(address: ListenAddress) -> (Admin, Arc<State>) {
    let state = Arc::new(State {
        ready: AtomicBool::new(true),
        telemetry: Telemetry::start(&LogSink::Off).unwrap(),
        last_error: Mutex::default(),
    });
    let admin = Admin::start(bind(&address).unwrap(), state.clone()).unwrap();
    (admin, state)
}

fn start() -> (Admin, Arc<State>, SocketAddr) {
    let (admin, state) = start_on(ListenAddress::Tcp(([127, 0, 0, 1], 0).into()));
    let ListenAddress::Tcp(address) = *admin.address() else { unreachable!("TCP was asked for") };
    (admin, state, address)
}

/// Sends these bytes; returns the status line, the head and the body.
fn raw(address: SocketAddr, request: &str) -> (String, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    let (status, head) = head.split_once("\r\n").unwrap();
    (status.trim_start_matches("HTTP/1.1 ").into(), head.to_lowercase(), body.into())
}

fn ask(address: SocketAddr, method: &str, path: &str) -> (String, String, String) {
    raw(address, &format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"))
}

#[test]
fn health_follows_the_process() {
    let (_admin, state, address) = start();
    assert_eq!(ask(address, "GET", "/livez").2, "ok\n");
    let (status, _, body) = ask(address, "GET", "/readyz");
    assert_eq!((status.as_str(), body.as_str()), ("200 OK", "ready\n"));
    state.ready.store(false, Ordering::SeqCst);
    let (status, _, body) = ask(address, "GET", "/readyz");
    assert_eq!(
        (status.as_str(), body.as_str()),
        ("503 Service Unavailable", "not ready: it drains\n")
    );
    assert_eq!(ask(address, "GET", "/livez").0, "200 OK");
}

#[test]
fn the_policy_is_shown_with_the_load_that_failed() {
    let (_admin, state, address) = start();
    let (status, head, body) = ask(address, "GET", "/policy");
    assert_eq!(status, "200 OK");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    let keys = ["generation", "digest", "loaded_at", "age_s", "mode", "roles", "members"];
    let places: Vec<_> = keys.iter().map(|key| body.find(&format!("\"{key}\""))).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{body}");
    let mut shown: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert!(shown["age_s"].take().is_u64());
    let wanted = serde_json::json!({"generation": 7, "digest": "sha256:abc",
        "loaded_at": "2027-01-15T08:00:00Z", "age_s": null, "mode": "enforce", "roles": 2,
        "members": 3, "last_error": null});
    assert_eq!(shown, wanted);
    let problem = serde_json::json!({"code": "SYNTAX", "line": 3});
    *state.last_error.lock().unwrap() =
        Some(LastError { at: loaded_at(), problems: vec![problem.clone()] });
    let shown: serde_json::Value = serde_json::from_str(&ask(address, "GET", "/policy").2).unwrap();
    let wanted = serde_json::json!({"at": "2027-01-15T08:00:00Z", "problems": [problem]});
    assert_eq!(shown["last_error"], wanted);
}

#[test]
fn metrics_are_those_of_the_telemetry() {
    let (_admin, state, address) = start();
    let worker = state.telemetry.worker();
    worker.connection_opened();
    let (status, head, body) = ask(address, "GET", "/metrics");
    assert_eq!(status, "200 OK");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(body.contains("\nportcullis_connections_open 1\n"), "{body}");
    assert!(body.ends_with("# EOF\n"));
}

#[test]
fn head_is_get_without_the_body() {
    let (_admin, _state, address) = start();
    for path in ["/livez", "/readyz", "/policy", "/metrics"] {
        let (status, head, body) = ask(address, "HEAD", path);
        assert_eq!((status.as_str(), body.as_str()), ("200 OK", ""), "{path}");
        assert!(head.contains("content-length: "), "{path}: {head}");
    }
}

#[test]
fn other_methods_and_paths_are_problems() {
    let (_admin, _state, address) = start();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"] {
        let (status, head, body) = ask(address, method, "/policy");
        assert_eq!(status, "405 Method Not Allowed", "{method}");
        assert!(head.contains("allow: get, head"), "{head}");
        assert_eq!(
            body,
            r#"{"type":"about:blank","title":"Method Not Allowed","status":405}"#.to_string()
                + "\n"
        );
    }
    for path in ["/", "/livez/", "/Livez", "//livez", "/policy/x", "/%6civez"] {
        let (status, head, _) = ask(address, "GET", path);
        assert_eq!(status, "404 Not Found", "{path}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
    }
    assert_eq!(ask(address, "GET", "/livez?verbose").0, "200 OK");
}

/// A page that a browser shows on the same machine can ask, as browsers do; it learns nothing, and
/// there is nothing here that it could change.
#[test]
fn p16_no_page_changes_or_reads_anything_here() {
    let (_admin, state, address) = start();
    let from = |method: &str, path: &str| {
        let page = "Origin: https://evil.example\r\nCookie: session=x\r\nSec-Fetch-Site: cross-site\r\n\
                    Access-Control-Request-Method: POST\r\nContent-Length: 0\r\n";
        raw(address, &format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{page}\r\n"))
    };
    let before = ask(address, "GET", "/metrics").2;
    for path in ["/livez", "/readyz", "/policy", "/metrics", "/jwks.json"] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let (status, head, _) = from(method, path);
            assert_eq!(status, "405 Method Not Allowed", "{method} {path}");
            assert!(!head.contains("access-control"), "{method} {path}: {head}");
        }
        let (_, head, _) = from("GET", path);
        assert!(!head.contains("access-control"), "no other page may read it: {head}");
    }
    assert_eq!(ask(address, "GET", "/metrics").2, before);
    assert!(state.last_error.lock().unwrap().is_none());
}

#[test]
fn p16_a_rebound_name_is_not_answered() {
    let (_admin, _state, address) = start();
    let with = |host: &str| raw(address, &format!("GET /policy HTTP/1.1\r\n{host}\r\n"));
    for (host, status) in [
        ("Host: evil.example\r\n", "421 Misdirected Request"),
        ("Host: 127.0.0.1.nip.io:80\r\n", "421 Misdirected Request"),
        ("Host: localhost\r\nHost: localhost\r\n", "400 Bad Request"),
        ("", "400 Bad Request"),
        ("Host: localhost\r\n", "200 OK"),
    ] {
        let (got, _, body) = with(host);
        assert_eq!(got, status, "{host}");
        assert_eq!(body.contains("generation"), status == "200 OK", "{host}");
    }
}

#[test]
fn a_unix_socket_answers_whatever_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let (admin, _state) = start_on(ListenAddress::Unix(path.clone()));
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: any\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    admin.stop();
    assert!(!path.exists(), "the socket goes with its listener");
}
