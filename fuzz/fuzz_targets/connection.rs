//! Whatever a client sends, what reaches an upstream is HTTP/1.1 in one reading, of a path that is
//! granted, and says of the caller what we say, once.
//!
//! The whole proxy runs, over Unix sockets; each input is a connection of its own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::control::Store;
use portcullis::control::load::load;
use portcullis::policy::resolve::Surroundings;
use portcullis::proxy::{Handle, ProxyConfig, Recorder, serve};
use portcullis::settings::{Limits, ListenAddress};
use portcullis::telemetry::record::Record;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Only what is below `/open` may be asked for.
const POLICY: &str = "policy: 1\nroutes: [{match: \"/open/**\", public: crud}, {match: \"/**\"}]\n\
                      role_defaults: {any: []}\n";

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// Between the last byte that comes and the end of one input.
const SILENCE: Duration = Duration::from_millis(20);

struct House {
    front: PathBuf,
    _proxy: Handle,
    _folder: tempfile::TempDir,
}

struct Deaf;

impl Recorder for Deaf {
    fn record(&self, _: Record) {}
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let (front, back) = (folder.path().join("front"), folder.path().join("back"));
    let listener = UnixListener::bind(&back).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || while answer(&stream) {});
        }
    });
    let policy = folder.path().join("policy.yaml");
    std::fs::write(&policy, POLICY).expect("a policy");
    let around = Surroundings {
        default_upstream: format!("unix:{}", back.display()).parse().ok(),
        upstream_required: true,
        ..Surroundings::default()
    };
    let Ok(loaded) = load(&policy, &around, 1) else { panic!("the policy does not load") };
    let short = Duration::from_millis(100);
    let limits =
        Limits { header_timeout: short, body_idle: short, idle: short, ..Limits::default() };
    let config = ProxyConfig {
        listen: vec![ListenAddress::Unix(front.clone()).into()],
        workers: 1,
        limits,
        store: Arc::new(Store::new(loaded.live)),
        recorder: Arc::new(|_| Box::new(Deaf)),
    };
    House { front, _proxy: serve(config).expect("a proxy"), _folder: folder }
});

fuzz_target!(|input: &[u8]| {
    let [cut, bytes @ ..] = input else { return };
    let mut stream = UnixStream::connect(&HOUSE.front).expect("a proxy that listens");
    stream.set_read_timeout(Some(SILENCE)).expect("a socket");
    let (first, second) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    // It may have been refused before the second piece.
    let _refused = stream.write_all(first).and_then(|()| stream.write_all(second));
    let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut chunk) {
        seen.extend_from_slice(&chunk[..n]);
    }
    let _gone = stream.shutdown(Shutdown::Both);
    // A response, or a frame: SETTINGS, or GOAWAY at once.
    let is_http = seen.is_empty()
        || seen.starts_with(b"HTTP/1.")
        || seen.get(3).is_some_and(|kind| matches!(kind, 4 | 7));
    assert!(is_http, "{}", seen.escape_ascii());
});

/// Reads one request strictly, and answers it. A connection that ends in the middle of one is the
/// proxy's way to take it back; anything that is no request is a finding.
fn answer(mut stream: &UnixStream) -> bool {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return false,
            Ok(_) if !line.ends_with(b"\r\n") => return false,
            Ok(2) => break,
            Ok(_) => head.push(String::from_utf8_lossy(&line).into_owned()),
        }
    }
    let length = check(&head);
    let whole = match length {
        Some(length) => reader.read_exact(&mut vec![0; length]).is_ok(),
        None => chunks(&mut reader),
    };
    assert!(!whole || reader.buffer().is_empty(), "bytes behind a request");
    whole && stream.write_all(ANSWER).is_ok()
}

/// What every head that reaches an upstream is. Returns its length; `None` where it comes in chunks.
fn check(head: &[String]) -> Option<usize> {
    let words: Vec<_> = head[0].trim_end().split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { panic!("{head:?}") };
    assert!(
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method),
        "{head:?}"
    );
    let path = target.split('?').next().expect("a path");
    assert!(path.starts_with("/open/") || path == "/open", "{head:?}");
    for bad in ["/../", "/./", "\\", "%2e", "%2E", "%2f", "%2F", "#"] {
        assert!(!format!("{path}/").contains(bad), "{head:?}");
    }
    assert!(!path.contains("//"), "{head:?}");
    let mut length = None;
    let mut chunked = false;
    for (at, line) in head[1..].iter().enumerate() {
        let line = line.strip_suffix("\r\n").expect("a line");
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{head:?}"));
        let plain = name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let once = ["host", "content-length", "transfer-encoding", "forwarded", "x-request-id"];
        let again = head[at + 2..].iter().any(|other| {
            let other = other.split(':').next().unwrap_or_default().to_ascii_lowercase();
            other.replace(|c: char| !c.is_ascii_alphanumeric(), "-") == plain
        });
        assert!(
            !again || !(once.contains(&&*plain) || plain.starts_with("x-portcullis-")),
            "{head:?}"
        );
        assert!(
            !["connection", "upgrade", "expect", "http2-settings"].contains(&&*plain),
            "{head:?}"
        );
        assert!(plain != "x-portcullis-user", "nobody is known: {head:?}");
        match &*plain {
            "content-length" => length = Some(value.parse().expect("a number")),
            "transfer-encoding" => chunked = value == "chunked",
            _ => {}
        }
    }
    assert!(!(chunked && length.is_some()), "{head:?}");
    if chunked { None } else { Some(length.unwrap_or(0)) }
}

/// Reads chunks to their end, without trailers.
fn chunks(reader: &mut impl BufRead) -> bool {
    loop {
        let mut line = String::new();
        if !reader.read_line(&mut line).is_ok_and(|n| n > 0 && line.ends_with("\r\n")) {
            return false;
        }
        let size = usize::from_str_radix(line.trim_end(), 16).expect("a size and nothing else");
        let mut data = vec![0; size + 2];
        if reader.read_exact(&mut data).is_err() {
            return false;
        }
        assert!(data.ends_with(b"\r\n"));
        if size == 0 {
            return true;
        }
    }
}
