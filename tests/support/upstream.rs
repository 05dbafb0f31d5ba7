//! A raw recording upstream: every byte that reaches it is kept, and it answers by a script, in
//! ways that no well-behaved server would.

use super::DEADLINE;
use super::conn::{Conn, wait_readable};
use super::eventually::within;
use super::wire::{Fields, Framing, Why, Wire, request_framing};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// A listening upstream. Dropping it closes everything and joins its threads.
#[derive(Debug)]
pub struct Upstream {
    address: Address,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// One request as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Which connection brought it, from 0.
    pub connection: usize,
    pub method: String,
    pub target: String,
    pub version: String,
    /// In the order and spelling in which they came.
    pub fields: Fields,
    /// Decoded, where it was chunked.
    pub body: Vec<u8>,
    pub trailers: Fields,
}

/// What to do about a request.
pub enum Answer {
    /// Write these bytes; the connection stays open.
    Bytes(Vec<u8>),
    /// Write these bytes (possibly none), then close.
    Close(Vec<u8>),
    /// Write the pieces that the test sends, when it sends them.
    Pieces,
    /// Never answer. The connection stays open until the other side closes it.
    Silence,
}

/// Sends the pieces of an [`Answer::Pieces`], one write each.
#[derive(Debug)]
pub struct Pieces(Sender<Piece>);

#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Done,
    Close,
}

#[derive(Debug)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

type Script = Box<dyn Fn(&Recorded) -> Answer + Send + Sync>;

struct Shared {
    script: Script,
    /// Close a connection without an answer once this many bytes have come.
    close_after: Option<usize>,
    /// Answer as soon as the head is there, and leave the body unread.
    heads_only: bool,
    pieces: Mutex<Option<Receiver<Piece>>>,
    stopping: AtomicBool,
    /// A second handle to the listener, to see whether connections wait.
    listening: OnceLock<OwnedFd>,
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    connections: Vec<Connection>,
    requests: Vec<Recorded>,
    /// What came and was no HTTP/1.1, or no whole message.
    faults: Vec<(usize, Why)>,
}

struct Connection {
    bytes: Arc<Mutex<Vec<u8>>>,
    handle: Conn,
    open: bool,
}

impl Upstream {
    /// Answers every request with `200`, this body and its type, `application/json`.
    pub fn json(body: &str) -> Upstream {
        Upstream::fixed(json_response(200, body))
    }

    /// Answers every request with these bytes.
    pub fn fixed(response: impl Into<Vec<u8>>) -> Upstream {
        let response = response.into();
        Upstream::script(move |_| Answer::Bytes(response.clone()))
    }

    /// Answers with what this makes of a request.
    pub fn with(answer: impl Fn(&Recorded) -> Vec<u8> + Send + Sync + 'static) -> Upstream {
        Upstream::script(move |request| Answer::Bytes(answer(request)))
    }

    /// Never answers.
    pub fn silent() -> Upstream {
        Upstream::script(|_| Answer::Silence)
    }

    /// Answers with the pieces that the test sends.
    pub fn in_pieces() -> (Upstream, Pieces) {
        let (send, receive) = channel();
        let mut shared = Shared::new(Box::new(|_| Answer::Pieces));
        shared.pieces = Mutex::new(Some(receive));
        (Upstream::start_tcp(shared), Pieces(send))
    }

    /// Answers by a script.
    pub fn script(script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Upstream {
        Upstream::start_tcp(Shared::new(Box::new(script)))
    }

    /// Answers by a script as soon as a head is there; the body stays unread.
    pub fn early(script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Upstream {
        let mut shared = Shared::new(Box::new(script));
        shared.heads_only = true;
        Upstream::start_tcp(shared)
    }

    /// Closes each connection once this many bytes have come; 0 closes before the first.
    pub fn closing_after(bytes: usize) -> Upstream {
        let mut shared = Shared::new(Box::new(|_| Answer::Close(Vec::new())));
        shared.close_after = Some(bytes);
        Upstream::start_tcp(shared)
    }

    /// Answers by a script, on a Unix socket at this path.
    pub fn unix(
        path: PathBuf,
        script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static,
    ) -> Upstream {
        let listener = UnixListener::bind(&path).expect("bind the upstream's socket");
        let shared = Shared::new(Box::new(script));
        Upstream::start(Listener::Unix(listener), Address::Unix(path), shared)
    }

    /// What `--upstream` takes.
    pub fn url(&self) -> String {
        match &self.address {
            Address::Tcp(address) => format!("http://{address}"),
            Address::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Where it listens over TCP.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        match &self.address {
            Address::Tcp(address) => *address,
            Address::Unix(path) => panic!("the upstream listens on {}", path.display()),
        }
    }

    /// The whole requests so far, in the order in which they were complete.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.seen.lock().unwrap().requests.clone()
    }

    /// The only request so far.
    #[track_caller]
    pub fn request(&self) -> Recorded {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "requests at the upstream: {requests:#?}");
        requests.remove(0)
    }

    /// Every byte so far, by connection.
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        let seen = self.shared.seen.lock().unwrap();
        seen.connections.iter().map(|one| one.bytes.lock().unwrap().clone()).collect()
    }

    /// How many connections have been opened so far.
    pub fn connections(&self) -> usize {
        self.shared.seen.lock().unwrap().connections.len()
    }

    /// How many of them are open still.
    pub fn open_connections(&self) -> usize {
        self.shared.seen.lock().unwrap().connections.iter().filter(|one| one.open).count()
    }

    /// What came and was no whole HTTP/1.1 message: the connection and why.
    pub fn faults(&self) -> Vec<(usize, Why)> {
        self.shared.seen.lock().unwrap().faults.clone()
    }

    /// Waits until this many whole requests have come.
    #[track_caller]
    pub fn wait_for(&self, requests: usize) {
        let seen = self.shared.seen.lock().unwrap();
        let (seen, late) = self
            .shared
            .changed
            .wait_timeout_while(seen, DEADLINE, |seen| seen.requests.len() < requests)
            .unwrap();
        assert!(!late.timed_out(), "only {} of {requests} requests came", seen.requests.len());
    }

    /// Nothing reached the upstream: not one byte, on no connection. What has been sent when this
    /// is called counts, also where the upstream's threads had no time to read it yet.
    #[track_caller]
    pub fn assert_untouched(&self) {
        for (at, bytes) in self.settled_bytes().iter().enumerate() {
            assert!(bytes.is_empty(), "connection {at} brought `{}`", bytes.escape_ascii());
        }
    }

    /// Every byte so far, by connection, those included that were sent and not read yet.
    pub fn settled_bytes(&self) -> Vec<Vec<u8>> {
        let _still_busy_is_seen_by_who_compares =
            within(Duration::from_secs(1), || self.shared.idle());
        self.bytes()
    }

    fn start_tcp(shared: Shared) -> Upstream {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind an upstream");
        let address = listener.local_addr().expect("the upstream's address");
        Upstream::start(Listener::Tcp(listener), Address::Tcp(address), shared)
    }

    fn start(listener: Listener, address: Address, shared: Shared) -> Upstream {
        listener.set_nonblocking();
        let handle = listener.as_fd().try_clone_to_owned().expect("a second handle");
        shared.listening.set(handle).expect("one listener");
        let shared = Arc::new(shared);
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || shared.accept(&listener)
        });
        Upstream { address, shared, accepting: Some(accepting) }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The accepting thread waits for a connection: this is one.
        let _woken = match &self.address {
            Address::Tcp(address) => Conn::tcp(*address),
            Address::Unix(path) => Conn::unix(path),
        };
        if let Some(accepting) = self.accepting.take() {
            let _panicked_already_reported = accepting.join();
        }
    }
}

impl Pieces {
    /// One write of these bytes.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        self.0.send(Piece::Bytes(bytes.as_ref().to_vec())).expect("an upstream that listens");
    }

    /// The answer is over; the connection stays open for the next request.
    pub fn done(&self) {
        self.0.send(Piece::Done).expect("an upstream that listens");
    }

    /// The answer ends here, and so does the connection.
    pub fn close(&self) {
        self.0.send(Piece::Close).expect("an upstream that listens");
    }
}

impl Listener {
    fn accept(&self) -> io::Result<Conn> {
        match self {
            Listener::Tcp(listener) => listener.accept().and_then(|(conn, _)| {
                conn.set_nodelay(true)?;
                Ok(Conn::Tcp(conn))
            }),
            Listener::Unix(listener) => listener.accept().map(|(conn, _)| Conn::Unix(conn)),
        }
    }

    /// After a wait, a connection may be gone again: accepting must not block then.
    fn set_nonblocking(&self) {
        let set = match self {
            Listener::Tcp(listener) => listener.set_nonblocking(true),
            Listener::Unix(listener) => listener.set_nonblocking(true),
        };
        set.expect("a listener that does not block");
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener) => listener.as_fd(),
        }
    }
}

impl Shared {
    fn new(script: Script) -> Shared {
        Shared {
            script,
            close_after: None,
            heads_only: false,
            pieces: Mutex::new(None),
            stopping: AtomicBool::new(false),
            listening: OnceLock::new(),
            seen: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn accept(self: &Arc<Shared>, listener: &Listener) {
        let mut serving = Vec::new();
        loop {
            wait_readable(listener, None).expect("wait for a connection");
            if self.stopping.load(Ordering::SeqCst) {
                break;
            }
            let Some((id, wire)) = self.enter(listener) else { continue };
            let shared = self.clone();
            serving.push(std::thread::spawn(move || shared.serve(id, wire)));
        }
        self.close_all();
        for thread in serving {
            let _panicked_already_reported = thread.join();
        }
    }

    /// Accepts under the lock, so that a connection is always either waiting or on the list.
    fn enter(&self, listener: &Listener) -> Option<(usize, Wire)> {
        let mut seen = self.seen.lock().unwrap();
        let conn = listener.accept().ok()?;
        let bytes = Arc::default();
        let handle = conn.try_clone().expect("a second handle");
        seen.connections.push(Connection { bytes: Arc::clone(&bytes), handle, open: true });
        Some((seen.connections.len() - 1, Wire::new(conn, bytes, None)))
    }

    fn close_all(&self) {
        // Ends a wait for pieces whose sender the test still holds.
        self.pieces.lock().unwrap().take();
        for connection in &self.seen.lock().unwrap().connections {
            connection.handle.shutdown(Shutdown::Both);
        }
    }

    fn serve(&self, id: usize, mut wire: Wire) {
        match self.close_after {
            Some(bytes) => {
                let _closed_earlier = wire.body(Framing::Length(bytes), &mut Vec::new());
            }
            None => while self.exchange(id, &mut wire) {},
        }
        wire.conn().shutdown(Shutdown::Both);
        self.seen.lock().unwrap().connections[id].open = false;
    }

    /// Whether nothing waits to be accepted or read. All locks are held while looking: what came
    /// is either in the kernel still or on record.
    fn idle(&self) -> Result<(), ()> {
        let seen = self.seen.lock().unwrap();
        let open: Vec<_> = seen.connections.iter().filter(|one| one.open).collect();
        let _no_reads: Vec<_> = open.iter().map(|one| one.bytes.lock().unwrap()).collect();
        let listening = self.listening.get().expect("a listener").as_fd();
        let waiting = open.iter().map(|one| one.handle.as_fd()).chain([listening]);
        let mut waiting: Vec<_> =
            waiting.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut waiting, Some(&Timespec::default())) {
            Ok(0) => Ok(()),
            _ => Err(()),
        }
    }

    /// One request and its answer; whether the connection goes on.
    fn exchange(&self, id: usize, wire: &mut Wire) -> bool {
        let request = match read_request(id, wire, self.heads_only) {
            Ok(Some(request)) => request,
            Ok(None) => return false,
            Err(why) => {
                self.seen.lock().unwrap().faults.push((id, why));
                return false;
            }
        };
        self.seen.lock().unwrap().requests.push(request.clone());
        self.changed.notify_all();
        match (self.script)(&request) {
            Answer::Bytes(bytes) => wire.conn().write_all(&bytes).is_ok(),
            Answer::Close(bytes) => {
                let _gone_already = wire.conn().write_all(&bytes);
                false
            }
            Answer::Silence => wire.rest().is_ok_and(|_| false),
            Answer::Pieces => self.write_pieces(wire),
        }
    }

    fn write_pieces(&self, wire: &mut Wire) -> bool {
        loop {
            // Held only to look: dropping the upstream must be able to end the wait.
            let next = match self.pieces.lock().unwrap().as_ref() {
                Some(pieces) => pieces.recv_timeout(Duration::from_millis(20)),
                None => return false,
            };
            match next {
                Ok(Piece::Bytes(bytes)) if wire.conn().write_all(&bytes).is_err() => return false,
                Ok(Piece::Bytes(_)) | Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Ok(Piece::Done) => return true,
                Ok(Piece::Close) | Err(_) => return false,
            }
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A sized `application/json` response.
pub fn json_response(status: u16, body: &str) -> Vec<u8> {
    response(status, &[("Content-Type", "application/json")], body)
}

/// A sized response.
pub fn response(status: u16, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in fields {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    text.into_bytes()
}

/// A response whose body is these chunks.
pub fn chunked_response(status: u16, fields: &[(&str, &str)], chunks: &[&str]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\nTransfer-Encoding: chunked\r\n");
    for (name, value) in fields {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    for chunk in chunks {
        text += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
    }
    (text + "0\r\n\r\n").into_bytes()
}

fn read_request(id: usize, wire: &mut Wire, head_only: bool) -> Result<Option<Recorded>, Why> {
    let Some(head) = wire.head()? else { return Ok(None) };
    let mut words = head.start.splitn(3, ' ').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    let mut request = Recorded {
        connection: id,
        method: word(),
        target: word(),
        version: word(),
        ..Recorded::default()
    };
    request.fields = head.fields;
    if !head_only {
        let framing = request_framing(&request.fields)?;
        request.trailers = wire.body(framing, &mut request.body)?;
    }
    Ok(Some(request))
}
