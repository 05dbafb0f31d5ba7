//! An in-process proxy over a raw recording upstream. Small on purpose: what is tested here is
//! HTTP, not the command line.

use portcullis::control::Store;
use portcullis::control::load::load;
use portcullis::control::upstreams::Keeper;
use portcullis::policy::resolve::Surroundings;
use portcullis::proxy::{Handle, ProxyConfig, Recorder, serve};
use portcullis::settings::{Limits, ListenAddress};
use portcullis::telemetry::record::Record;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Nothing in these tests may wait longer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a scripted upstream does with a request that has been read.
pub enum Answer {
    /// These bytes; the connection goes on.
    Bytes(Vec<u8>),
    /// These bytes, then the connection is closed.
    Last(Vec<u8>),
    /// Each piece when the test says so; the connection is closed when the sender is dropped.
    Pieces(Receiver<Vec<u8>>),
}

/// A server that records every byte.
pub struct Upstream {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
}

impl Upstream {
    /// Answers the nth request of all with `script(n, request)`.
    pub fn scripted(script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Upstream {
        Upstream::at(([127, 0, 0, 1], 0).into(), script)
    }

    /// The same at an address of loopback.
    pub fn at(
        address: SocketAddr,
        script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> Upstream {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (connections, closed) = (Arc::default(), Arc::default());
        let upstream = Upstream { address, requests, connections, closed };
        let (seen, count, ended) =
            (upstream.requests.clone(), upstream.connections.clone(), upstream.closed.clone());
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, script, ended) = (seen.clone(), script.clone(), ended.clone());
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let _ = converse(stream.unwrap(), &seen, &*script);
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        upstream
    }

    /// Gives the same answer to everything.
    pub fn answering(response: &str) -> Upstream {
        let response = response.as_bytes().to_vec();
        Upstream::scripted(move |_, _| Answer::Bytes(response.clone()))
    }

    /// Gives a JSON document to everything.
    pub fn json(body: &str) -> Upstream {
        Upstream::answering(&ok("application/json", body))
    }

    /// Everything that was received, a text a request.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The only request there was.
    #[track_caller]
    pub fn only_request(&self) -> String {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests[0].clone()
    }

    /// Nothing may have arrived, not even a connection.
    #[track_caller]
    pub fn assert_untouched(&self) {
        assert_eq!(self.requests(), [] as [&str; 0]);
        assert_eq!(self.connections.load(Ordering::SeqCst), 0);
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

/// A 200 with a length.
pub fn ok(kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn converse(
    mut stream: TcpStream,
    seen: &Mutex<Vec<String>>,
    script: &dyn Fn(usize, &str) -> Answer,
) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = read_message(&mut stream, &mut buffer)? {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        match script(number, &request) {
            Answer::Bytes(bytes) => stream.write_all(&bytes)?,
            Answer::Last(bytes) => return stream.write_all(&bytes),
            Answer::Pieces(pieces) => {
                for piece in pieces {
                    stream.write_all(&piece)?;
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Reads one HTTP/1 message as text; `None` at a clean end.
fn read_message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<String>> {
    loop {
        if let Some(length) = message_length(buffer) {
            let message = buffer.drain(..length).collect::<Vec<u8>>();
            return Ok(Some(String::from_utf8_lossy(&message).into_owned()));
        }
        let mut chunk = [0; 16 * 1024];
        match stream.read(&mut chunk)? {
            0 => return Ok(None),
            n => buffer.extend_from_slice(&chunk[..n]),
        }
    }
}

/// The length of the first whole message in the buffer.
fn message_length(buffer: &[u8]) -> Option<usize> {
    let head = find(buffer, b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    if let Some((_, rest)) = text.split_once("content-length:") {
        let length: usize = rest.lines().next()?.trim().parse().ok()?;
        return (buffer.len() >= head + length).then_some(head + length);
    }
    if text.contains("transfer-encoding:") {
        let end = if buffer[head..].starts_with(b"0\r\n\r\n") {
            head
        } else {
            head + find(&buffer[head..], b"\r\n0\r\n\r\n")? + 2
        };
        return Some(end + 5);
    }
    Some(head)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A proxy of one or more workers in this process.
pub struct Proxy {
    pub address: SocketAddr,
    pub handle: Option<Handle>,
    records: Arc<Mutex<Receiver<Record>>>,
    store: Arc<Store>,
    around: Surroundings,
    policy: tempfile::TempDir,
    keeper: Option<Keeper>,
}

struct ToTest(Sender<Record>);

impl Recorder for ToTest {
    fn record(&self, record: Record) {
        let _ = self.0.send(record);
    }
}

/// Everything is open: what is tested is HTTP.
pub const OPEN: &str = "policy: 1\nroutes:\n  - {match: \"/**\", public: crud}\n";

/// An upstream that is not there.
pub const NOBODY: &str = "http://127.0.0.1:9";

impl Proxy {
    pub fn open(upstream: &Upstream) -> Proxy {
        Proxy::with(OPEN, &format!("http://{}", upstream.address), Limits::default())
    }

    pub fn with(policy: &str, upstream: &str, limits: Limits) -> Proxy {
        Proxy::workers(policy, upstream, limits, 1)
    }

    pub fn workers(policy: &str, upstream: &str, limits: Limits, workers: usize) -> Proxy {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.yaml");
        std::fs::write(&path, policy).unwrap();
        let around = Surroundings {
            default_upstream: Some(upstream.parse().unwrap()),
            upstream_required: true,
            allow_monitor: Some(true),
        };
        let live = match load(&path, &around, 1) {
            Ok(loaded) => loaded.live,
            Err(error) => panic!("{:#?}", error.report),
        };
        let (sender, records) = channel();
        let store = Arc::new(Store::new(live));
        let config = ProxyConfig {
            listen: vec![ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()).into()],
            workers,
            limits,
            store: store.clone(),
            recorder: Arc::new(move |_| Box::new(ToTest(sender.clone()))),
        };
        let handle = serve(config).unwrap();
        let ListenAddress::Tcp(address) = handle.addresses()[0] else { unreachable!() };
        let records = Arc::new(Mutex::new(records));
        let (handle, keeper) = (Some(handle), None);
        Proxy { address, handle, records, store, around, policy: dir, keeper }
    }

    /// Finds out where the upstreams are and whether they are well, from now on.
    #[must_use]
    pub fn kept_by(mut self, keeper: Keeper) -> Proxy {
        keeper.follow(&self.store.load().upstreams);
        self.keeper = Some(keeper);
        self
    }

    /// Puts another policy in place, as of this generation.
    pub fn reload(&self, policy: &str, generation: u64) {
        let path = self.policy.path().join("policy.yaml");
        std::fs::write(&path, policy).unwrap();
        match load(&path, &self.around, generation) {
            Ok(mut loaded) => {
                loaded.live.upstreams.keep_of(&self.store.load().upstreams);
                drop(self.store.publish(loaded.live));
                if let Some(keeper) = &self.keeper {
                    keeper.follow(&self.store.load().upstreams);
                }
            }
            Err(error) => panic!("{:#?}", error.report),
        }
    }

    /// The next request that is over.
    #[track_caller]
    pub fn record(&self) -> Record {
        self.records.lock().unwrap().recv_timeout(PATIENCE).expect("a request should be over")
    }

    /// The next request that is over, if one is.
    pub fn try_record(&self) -> Option<Record> {
        self.records.lock().unwrap().try_recv().ok()
    }

    pub fn connect(&self) -> Client {
        Client::to(self.address)
    }

    /// One request on a connection of its own; everything until the proxy closes.
    #[track_caller]
    pub fn once(&self, request: &str) -> Response {
        let mut client = self.connect();
        client.send(request);
        client.response()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.drain();
        }
    }
}

/// A client that sends exactly the bytes it is given.
pub struct Client {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response as it came.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Client {
    pub fn to(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream, buffer: Vec::new() }
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the proxy should take the request");
    }

    /// Sends if the proxy takes it.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Whether something lies there to be read.
    pub fn has_more(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0; 1]);
        self.stream.set_nonblocking(false).unwrap();
        peeked.is_ok()
    }

    /// Waits for an answer's first byte, or the end.
    pub fn has_answer(&mut self) -> bool {
        self.stream.peek(&mut [0; 1]).is_ok_and(|n| n > 0)
    }

    /// Reads one response with a length, chunks, or an end.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.response_to(false)
    }

    /// Reads the response to a HEAD: a head alone.
    #[track_caller]
    pub fn head_response(&mut self) -> Response {
        self.response_to(true)
    }

    #[track_caller]
    fn response_to(&mut self, head_only: bool) -> Response {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.more(), "no head: {:?}", String::from_utf8_lossy(&self.buffer));
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let body = match head_only || matches!(status, 204 | 304) {
            true => Vec::new(),
            false => self.body(&head),
        };
        Response { status, head, body: String::from_utf8(body).unwrap() }
    }

    #[track_caller]
    fn body(&mut self, head: &str) -> Vec<u8> {
        let lower = head.to_ascii_lowercase();
        if let Some((_, rest)) = lower.split_once("content-length: ") {
            let length: usize = rest.lines().next().unwrap().parse().unwrap();
            while self.buffer.len() < length {
                assert!(self.more(), "cut: {:?}", String::from_utf8_lossy(&self.buffer));
            }
            return self.buffer.drain(..length).collect();
        }
        if !lower.contains("transfer-encoding: chunked") {
            while self.more() {}
            return std::mem::take(&mut self.buffer);
        }
        let mut body = Vec::new();
        loop {
            let line = self.line();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            while self.buffer.len() < size + 2 {
                assert!(self.more(), "cut: {:?}", String::from_utf8_lossy(&body));
            }
            body.extend(self.buffer.drain(..size));
            self.buffer.drain(..2);
            if size == 0 {
                return body;
            }
        }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.drain(..end + 2).collect();
                return String::from_utf8(line).unwrap();
            }
            assert!(self.more(), "cut in a chunk's size");
        }
    }

    /// Reads this many bytes, whatever they are.
    #[track_caller]
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.more(), "cut: {:?}", String::from_utf8_lossy(&self.buffer));
        }
        self.buffer.drain(..length).collect()
    }

    /// Reads until the proxy closes; says whether the end was clean, and what came.
    pub fn rest(&mut self) -> (bool, Vec<u8>) {
        let clean = loop {
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => break true,
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(error) => {
                    assert!(
                        error.kind() == std::io::ErrorKind::ConnectionReset,
                        "{error}: {:?}",
                        String::from_utf8_lossy(&self.buffer)
                    );
                    break false;
                }
            }
        };
        (clean, std::mem::take(&mut self.buffer))
    }

    /// Whether the proxy sent something before it closed.
    #[track_caller]
    fn more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
            Err(error) => panic!("{error}: {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }
}

impl Response {
    /// The value of a header that is there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// The value of a header that is there at most once.
#[track_caller]
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut found = head.split("\r\n").filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    });
    let first = found.next();
    assert!(found.next().is_none(), "{name} twice in {head}");
    first
}

/// Waits until something holds.
#[track_caller]
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
