//! The thread that answers. A connection carries one request and lives for seconds: nothing that
//! asks here gains from keeping it, and nothing can lie on it.

use super::bind::{Bound, Socket};
use super::{AdminState, pages};
use crate::settings::ListenAddress;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Connections that are served at a time; more wait to be accepted.
pub const MAX_CONNECTIONS: usize = 64;

/// From the start of a connection to the end of its request's head.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// From the start of a connection to its end, whatever happens on it.
pub const CONNECTION_LIFE: Duration = Duration::from_secs(10);

/// Bytes of a request's head (431 beyond).
pub const MAX_HEAD: usize = 16 * 1024;

/// How long accepting rests after the system refused a connection (no more descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The limits of one listener; other than these only in tests, which cannot wait for seconds.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connections: usize,
    header: Duration,
    life: Duration,
}

const LIMITS: Limits =
    Limits { connections: MAX_CONNECTIONS, header: HEADER_TIMEOUT, life: CONNECTION_LIFE };

/// The running admin listener. Dropping it stops it.
#[derive(Debug)]
pub struct Admin {
    address: ListenAddress,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Admin {
    /// Starts to answer on an address that was taken before.
    pub fn start(bound: Bound, state: Arc<dyn AdminState>) -> io::Result<Admin> {
        Admin::with(bound, state, LIMITS)
    }

    fn with(bound: Bound, state: Arc<dyn AdminState>, limits: Limits) -> io::Result<Admin> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let address = bound.address().clone();
        let listener = listener(&runtime, bound.socket)?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("admin".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, state, limits) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Admin { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, with its real port.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Stops at once; what is being answered is cut off. Call it last, so that `/readyz` tells
    /// of the draining to the end.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its own hook, and changes nothing here.
            let _ = thread.join();
        }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.end();
        if let ListenAddress::Unix(path) = &self.address {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn listener(runtime: &Runtime, socket: Socket) -> io::Result<Listener> {
    let _entered = runtime.enter();
    match socket {
        Socket::Tcp(socket) => TcpListener::from_std(socket).map(Listener::Tcp),
        Socket::Unix(socket) => UnixListener::from_std(socket).map(Listener::Unix),
    }
}

async fn serve(listener: Listener, state: Arc<dyn AdminState>, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let state = state.clone();
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                tokio::spawn(connection(stream, state, true, limits, place));
            }),
            Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                tokio::spawn(connection(stream, state, false, limits, place));
            }),
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "the admin listener cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

async fn connection<S>(
    stream: S,
    state: Arc<dyn AdminState>,
    rebindable: bool,
    limits: Limits,
    _place: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        let response = pages::answer(&*state, method, uri, headers, rebindable);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // Neither a client that broke off nor one that was too slow is anything to report.
    let _ = tokio::time::timeout(limits.life, served).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{PolicyView, bind};
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::time::Instant;

    const SOON: Duration = Duration::from_millis(100);
    const GET: &[u8] = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

    struct Quiet;

    impl AdminState for Quiet {
        fn ready(&self) -> Result<(), String> {
            Ok(())
        }
        fn policy(&self) -> PolicyView {
            unreachable!("nobody asks for the policy here")
        }
        fn metrics(&self) -> String {
            // More than the buffers of a socket hold.
            "m".repeat(16 * 1024 * 1024)
        }
    }

    fn start(limits: Limits) -> (Admin, SocketAddr) {
        let bound = bind(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into())).unwrap();
        let admin = Admin::with(bound, Arc::new(Quiet), limits).unwrap();
        let ListenAddress::Tcp(address) = *admin.address() else { unreachable!() };
        (admin, address)
    }

    fn connect(address: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// All that comes until the other end closes, or breaks off.
    fn read(mut stream: TcpStream) -> String {
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn p13_a_silent_connection_ends() {
        let (_admin, address) = start(Limits { header: SOON, ..LIMITS });
        for begun in [&b""[..], b"GET /livez HTTP/1.1\r\nHost: lo"] {
            let mut stream = connect(address);
            stream.write_all(begun).unwrap();
            let begin = Instant::now();
            assert!(!read(stream).contains("200 OK"));
            assert!(begin.elapsed() < Duration::from_secs(5), "the read did not time out");
        }
    }

    #[test]
    fn p13_a_slow_reader_ends() {
        let (_admin, address) = start(Limits { connections: 1, life: SOON, ..LIMITS });
        let mut slow = connect(address);
        slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        // The only place comes back when the slow one has been cut off.
        let mut next = connect(address);
        next.write_all(GET).unwrap();
        assert!(read(next).starts_with("HTTP/1.1 200 OK"));
        assert!(read(slow).len() < 16 * 1024 * 1024);
    }

    #[test]
    fn p13_connections_are_bounded_and_their_places_come_back() {
        let (_admin, address) = start(Limits { connections: 2, header: SOON, ..LIMITS });
        for silent in [1, 2, 3] {
            let held: Vec<_> = (0..silent).map(|_| connect(address)).collect();
            let mut stream = connect(address);
            stream.write_all(GET).unwrap();
            assert!(read(stream).starts_with("HTTP/1.1 200 OK"), "beside {silent} silent ones");
            drop(held);
        }
    }

    #[test]
    fn p13_a_head_has_a_limit() {
        let (_admin, address) = start(LIMITS);
        let ask = |length: usize| {
            let mut stream = connect(address);
            let head = "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Pad: \r\n\r\n";
            let pad = "x".repeat(length - head.len());
            let head = head.replace("X-Pad: ", &format!("X-Pad: {pad}"));
            stream.write_all(head.as_bytes()).unwrap();
            read(stream).lines().next().unwrap_or_default().to_string()
        };
        assert_eq!(ask(MAX_HEAD - 1), "HTTP/1.1 200 OK");
        assert_eq!(ask(MAX_HEAD), "HTTP/1.1 200 OK");
        assert_eq!(ask(MAX_HEAD + 1), "HTTP/1.1 431 Request Header Fields Too Large");
    }

    #[test]
    fn stopping_closes_the_port() {
        let (admin, address) = start(LIMITS);
        admin.stop();
        assert!(TcpStream::connect(address).is_err());
    }
}
