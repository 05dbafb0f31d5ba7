//! One client connection: which protocol it speaks, and serving it until it ends.

use super::deadline::Deadline;
use super::headers::Forwarded;
use super::io::{ClientIo, Pulse};
use super::link::MAX_BUFFER;
use super::proxy_protocol::SIGNATURE;
use super::reply::Reply;
use super::request;
use super::socket::Socket;
use super::tls::{self, Secure};
use super::tunnel::{Near, Tunnel};
use super::worker::Worker;
use crate::control::store::LiveTls;
use crate::decide::Reason;
use crate::identity::{Holder, Identity, Peer};
use crate::policy::Host;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(super) struct Client {
    /// The address, as authenticators see it.
    pub(super) peer: Peer,
    /// The clocks of the connection.
    pub(super) pulse: Rc<Pulse>,
    /// What the TLS handshake has settled; `None` where there was none.
    secure: Option<Box<Secure>>,
    /// The forwarding headers for the host that was named last: nearly always the same.
    forwarded: RefCell<Option<Forwarded>>,
    /// What the connection becomes once its last response is out.
    tunnel: RefCell<Option<Box<Tunnel>>>,
}

impl Client {
    fn new(peer: Peer, pulse: Rc<Pulse>, secure: Option<Box<Secure>>) -> Rc<Client> {
        let (forwarded, tunnel) = (RefCell::default(), RefCell::default());
        Rc::new(Client { peer, pulse, secure, forwarded, tunnel })
    }

    /// Refuses a host other than the one that the connection was opened for.
    pub(super) fn is_for(&self, host: &Host<'_>) -> Result<(), Reason> {
        match self.secure.as_ref().is_none_or(|secure| secure.is_for(host)) {
            true => Ok(()),
            false => Err(Reason::Misdirected),
        }
    }

    /// Who holds the connection by its certificate, as the policy that is live sees it.
    pub(super) fn holder(&self, identity: &Identity, now: u64) -> Option<Rc<Holder>> {
        self.secure.as_ref()?.holder(identity, now)
    }

    /// The address, for the log.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.peer.address()
    }

    /// After the response that is about to go out, the connection is this.
    pub(super) fn opens(&self, tunnel: Box<Tunnel>) {
        *self.tunnel.borrow_mut() = Some(tunnel);
    }

    /// The host that was named last and found to be one.
    pub(super) fn known_host(&self) -> Option<HeaderValue> {
        self.forwarded.borrow().as_ref().map(|forwarded| forwarded.host.clone())
    }

    /// What is said of this client to an upstream.
    pub(super) fn forwarded(&self, host: &HeaderValue) -> Result<Forwarded, Reason> {
        let mut known = self.forwarded.borrow_mut();
        match &*known {
            Some(forwarded) if forwarded.host == *host => Ok(forwarded.clone()),
            _ => {
                let made = Forwarded::new(self.address(), host, self.secure.is_some())?;
                Ok(known.insert(made).clone())
            }
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(
    worker: Rc<Worker>,
    mut socket: Socket,
    peer: Peer,
    tls: Option<Arc<LiveTls>>,
) {
    let mut secure = None;
    if let Some(tls) = tls {
        // Boxed, because it is rare beside requests and what it needs is large.
        let Some(accepted) = Box::pin(tls::accept(&worker, socket, &tls)).await else { return };
        socket = accepted.0;
        secure = Some(Box::new(accepted.1));
    }
    let pulse = Pulse::new(&worker.clock, worker.turn.clone(), &worker.limits);
    let Some(first) = first_bytes(&worker, &mut socket, &pulse).await else { return };
    let is_http2 = match &secure {
        None => first.starts_with(PREFACE),
        // ALPN has chosen; what does not begin so is not what was agreed on.
        Some(secure) if secure.http2 && !first.starts_with(PREFACE) => return,
        Some(secure) => secure.http2,
    };
    let client = Client::new(peer, pulse.clone(), secure);
    if is_http2 {
        pulse.speaks_http2(&worker.limits);
    }
    let io = ClientIo::new(socket, first, pulse);
    match is_http2 {
        true => Box::pin(serve_http2(worker, client, TokioIo::new(io))).await,
        false => serve_http1(worker, client, io).await,
    }
}

/// Reads until the bytes are HTTP/2's preface or cannot become it (RFC 9113 section 3.4). A
/// connection that says nothing is closed: hyper would wait for ever. So is one that announces
/// another client and may not: its request would be taken for somebody else's.
async fn first_bytes(worker: &Worker, socket: &mut Socket, pulse: &Pulse) -> Option<Bytes> {
    let mut first = BytesMut::with_capacity(FIRST_READ);
    let may_become =
        |first: &[u8], what: &[u8]| first.len() < what.len() && what.starts_with(first);
    opening(worker, &pulse.reading, async {
        while may_become(&first, PREFACE) || may_become(&first, &SIGNATURE) {
            if socket.read_buf(&mut first).await.ok()? == 0 {
                return None;
            }
        }
        (!first.starts_with(&SIGNATURE)).then(|| first.freeze())
    })
    .await?
}

/// What comes before a connection's first request, for as long as it is waited for. Whoever is there
/// when the worker begins to drain has a moment left: its request may be on its way.
pub(super) async fn opening<F: Future>(
    worker: &Worker,
    deadline: &Deadline,
    what: F,
) -> Option<F::Output> {
    let mut what = pin!(what);
    let mut hurried = false;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = what.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if worker.is_draining() && !hurried {
            hurried = true;
            deadline.hasten(CLOSING);
        }
        deadline.poll(cx).map(|()| None)
    })
    .await
}

/// Between requests that are far apart a connection sleeps: hyper keeps buffers of some 16 KB for
/// as long as it lives, and most connections of a proxy have nothing to say.
async fn serve_http1(worker: Rc<Worker>, client: Rc<Client>, mut io: ClientIo) {
    // Boxed, so that one that sleeps has nothing of it.
    while let Some(asleep) = Box::pin(speak_http1(&worker, &client, TokioIo::new(io))).await {
        io = asleep;
        if !wakes(&worker, &client.pulse, &mut io).await {
            let _gone_already = tokio::time::timeout(CLOSING, io.shutdown()).await;
            return;
        }
    }
}

/// Waits for the next request's first bytes. Says whether they have come.
async fn wakes(worker: &Worker, pulse: &Pulse, io: &mut ClientIo) -> bool {
    pulse.sleep();
    std::future::poll_fn(|cx| {
        // What has come is answered, also where nothing more is waited for.
        if let Poll::Ready(came) = io.poll_wake(cx) {
            return Poll::Ready(came.is_ok_and(|came| came));
        }
        match worker.is_draining() || pulse.reading.poll(cx).is_ready() {
            true => Poll::Ready(false),
            false => Poll::Pending,
        }
    })
    .await
}

/// Serves until the connection is over, or nothing has been asked for a while.
async fn speak_http1(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    io: TokioIo<ClientIo>,
) -> Option<ClientIo> {
    let limits = &worker.limits;
    let mut builder = http1::Builder::new();
    // No header_read_timeout: it needs a timer for every request and counts the pause between two
    // requests. The pulse does both with the worker's one clock.
    builder.timer(TokioTimer::new());
    builder.header_read_timeout(None);
    builder.half_close(false);
    builder.max_headers(limits.max_headers);
    builder.max_header_size(limits.max_header_bytes);
    builder.max_buf_size(MAX_BUFFER.max(limits.max_header_bytes));
    let service = service_fn(|request| answer(worker.clone(), client.clone(), request, None));
    let mut connection = builder.serve_connection(io, service);
    let mut told = false;
    let (mut over, mut tired) = (false, false);
    std::future::poll_fn(|cx| {
        if is_cut(&client.pulse, cx) {
            tired = client.pulse.may_sleep();
            return Poll::Ready(());
        }
        let mut connection = Pin::new(&mut connection);
        let mut polled = connection.as_mut().poll(cx);
        // What has begun to come is answered first: hyper would close before it.
        if polled.is_pending() && worker.is_draining() && !told && !client.pulse.is_in_head() {
            told = true;
            connection.as_mut().graceful_shutdown();
            polled = connection.poll(cx);
        }
        polled.map(|ended| over = ended.is_ok())
    })
    .await;
    if tired {
        // Its host is a view of the buffer that is given up.
        client.forwarded.take();
        let parts = connection.into_parts();
        return Some(parts.io.into_inner().after(&parts.read_buf));
    }
    let tunnel = client.tunnel.take();
    // What hyper has not written yet would be lost, and what follows would stand in its place.
    if let Some(tunnel) = tunnel.filter(|_| over && !client.pulse.is_behind()) {
        let parts = connection.into_parts();
        let near = Near { io: parts.io.into_inner(), early: parts.read_buf };
        Box::pin(tunnel.run(worker, client, near)).await;
    }
    None
}

async fn serve_http2(worker: Rc<Worker>, client: Rc<Client>, io: TokioIo<ClientIo>) {
    let limits = &worker.limits;
    let streams = Streams::default();
    let mut builder = http2::Builder::new(streams.clone());
    builder.timer(TokioTimer::new());
    builder.max_concurrent_streams(limits.streams);
    builder.max_pending_accept_reset_streams(MAX_UNSEEN_RESETS);
    builder.max_local_error_reset_streams(usize::try_from(limits.resets).unwrap_or(usize::MAX));
    builder.header_table_size(HEADER_TABLE);
    builder.max_frame_size(MAX_FRAME);
    builder.max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX));
    builder.initial_stream_window_size(STREAM_WINDOW);
    builder.initial_connection_window_size(CONNECTION_WINDOW);
    builder.max_send_buf_size(SEND_BUFFER);
    builder.keep_alive_interval(limits.idle);
    builder.keep_alive_timeout(limits.write_idle);
    let service = service_fn(|request| {
        let taking = worker.clock.deadline();
        streams.next.set(Some(taking.clone()));
        answer(worker.clone(), client.clone(), request, Some(taking))
    });
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut told = false;
    std::future::poll_fn(|cx| {
        client.pulse.begin_turn();
        let late = is_cut(&client.pulse, cx);
        if late && (told || client.pulse.writing.passed()) {
            return Poll::Ready(());
        }
        if (late || worker.is_draining()) && !told {
            told = true;
            if late {
                // GOAWAY to a client that asks nothing; if it does not go, it is cut.
                client.pulse.reading.set(CLOSING);
                let _not_yet = client.pulse.reading.poll(cx);
            }
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx).map(drop)
    })
    .await;
    if client.pulse.is_flooded() {
        worker.recorder.flooded();
    }
}

/// Whether the client has been waited for too long, in either direction.
fn is_cut(pulse: &Pulse, cx: &Context<'_>) -> bool {
    pulse.reading.poll(cx).is_ready() || pulse.writing.poll(cx).is_ready()
}

async fn answer(
    worker: Rc<Worker>,
    client: Rc<Client>,
    request: Request<Incoming>,
    taking: Option<Rc<Deadline>>,
) -> Result<Response<Reply>, Infallible> {
    Ok(request::handle(worker, client, request, taking).await)
}

/// Runs HTTP/2's streams on the worker's own thread, each for as long as its client takes what it
/// is given. A client that opens no window holds no byte of the socket back, so nobody else would
/// notice; giving the stream up resets it, and the connection goes on.
#[derive(Clone, Default)]
struct Streams {
    /// Of the stream that is being started: hyper makes the answer and runs it in one breath.
    next: Rc<Cell<Option<Rc<Deadline>>>>,
}

impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        let taking = self.next.take();
        tokio::task::spawn_local(async move {
            let mut future = pin!(future);
            std::future::poll_fn(|cx| match &taking {
                Some(taking) if taking.poll(cx).is_ready() => Poll::Ready(()),
                _ => future.as_mut().poll(cx).map(drop),
            })
            .await;
        });
    }
}

/// HTTP/2's preface.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes that are read before the protocol is known; a head of common size fits.
const FIRST_READ: usize = 2048;

/// Streams of one connection that a client has reset before anybody saw them.
const MAX_UNSEEN_RESETS: usize = 20;

/// Bytes of fields that a client may refer to again (RFC 7541 section 4.2).
const HEADER_TABLE: u32 = 4096;

/// Bytes of one frame (RFC 9113 section 4.2); the least that there can be.
const MAX_FRAME: u32 = 16 * 1024;

/// What a client may send on one stream before we read it.
const STREAM_WINDOW: u32 = 64 * 1024;

/// What a client may send on all streams of a connection before we read it.
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// What is held of a stream's response before the client takes it.
const SEND_BUFFER: usize = 64 * 1024;

/// How long a client that has been told to go is waited for.
pub(super) const CLOSING: Duration = Duration::from_secs(2);
