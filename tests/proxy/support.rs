//! An in-process proxy over a raw recording upstream. Small on purpose: what is tested here is
//! HTTP, not the command line.

mod client;

pub use client::{Client, Response, header};

use portcullis::control::Store;
use portcullis::control::load::load;
use portcullis::control::upstreams::Keeper;
use portcullis::policy::peers::Peers;
use portcullis::policy::resolve::Surroundings;
use portcullis::proxy::{Door, Handle, ProxyConfig, Recorder, serve};
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
        Proxy::started(policy, upstream, limits, workers, None)
    }

    /// Behind load balancers at these addresses, which say for whom they connect.
    pub fn behind(balancers: &[&str], policy: &str, upstream: &Upstream, limits: Limits) -> Proxy {
        let mut peers = Peers::default();
        balancers.iter().for_each(|text| peers.add(text).expect(text));
        let url = format!("http://{}", upstream.address);
        Proxy::started(policy, &url, limits, 1, Some(Arc::new(peers)))
    }

    fn started(
        policy: &str,
        upstream: &str,
        limits: Limits,
        workers: usize,
        announcers: Option<Arc<Peers>>,
    ) -> Proxy {
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
        let address = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let config = ProxyConfig {
            listen: vec![Door { announcers, ..address.into() }],
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

/// Waits until something holds.
#[track_caller]
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
