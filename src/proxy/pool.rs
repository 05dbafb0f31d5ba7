//! Connections to upstreams, owned by one worker.
//!
//! A connection is taken from the idle list (the last one put back first, so that surplus ones
//! age), or opened. It carries one request at a time and is put back when both bodies are over.
//! Nothing here is shared between threads.

use super::answer::Answer;
use super::deadline::Clock;
use super::io::Socket;
use super::link::{Far, Link, Unanswered, Unfinished};
use super::outgoing::Outgoing;
use super::reply::Download;
use super::sending::Sending;
use super::tls;
use super::{AtEnd, Recorder};
use crate::decide::Reason;
use crate::policy::upstream::UpstreamAddress;
use crate::settings::Limits;
use crate::tls::UpstreamTls;
use foldhash::fast::RandomState;
use http::{Response, StatusCode};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};

/// Idle connections that a worker keeps to one upstream; more are closed.
pub(super) const MAX_IDLE: usize = 256;

/// How long what fails again and again is not logged again, by each worker: an upstream that cannot be
/// spoken to, connections that cannot be accepted.
pub(super) const TELL_AGAIN: Duration = Duration::from_secs(10);

/// All upstreams that a worker has connections to.
pub(super) struct Pool {
    endpoints: RefCell<HashMap<UpstreamAddress, Rc<Endpoint>, RandomState>>,
    /// Those under TLS, by all that their trust came from: what changes it makes another one.
    secure: RefCell<HashMap<[u8; 32], Rc<Endpoint>, RandomState>>,
    clock: Rc<Clock>,
    times: Times,
    recorder: Rc<dyn Recorder>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    connect: Duration,
    handshake: Duration,
    head: Duration,
    idle: Duration,
    max_header_bytes: usize,
}

/// One upstream and the connections to it that lie unused, the oldest first.
#[derive(Debug)]
struct Endpoint {
    address: UpstreamAddress,
    tls: Option<Arc<UpstreamTls>>,
    idle: RefCell<Vec<Link>>,
    /// When it was last told why it cannot be spoken to.
    told: Cell<Option<Instant>>,
}

/// Where a request goes: an address, and how to speak TLS there where its scheme is `https`.
#[derive(Clone, Copy, Debug)]
pub(super) struct To<'a> {
    pub(super) address: &'a UpstreamAddress,
    pub(super) tls: Option<&'a Arc<UpstreamTls>>,
}

/// A connection that carries a request. Dropped before [`Lease::give_back`], it is closed.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) link: Link,
    endpoint: Rc<Endpoint>,
    pause: Duration,
    idle: Duration,
    /// Whether another request may follow on the connection, once this response is over.
    reusable: bool,
    /// What of the request was left when the answer came.
    _unfinished: Option<Unfinished>,
}

/// What came of asking an upstream for another protocol.
pub(super) enum Switched {
    /// It speaks it, after this head.
    Yes(Response<()>, Far),
    /// An ordinary response.
    No(Response<Download>),
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// No connection, or it broke, or what came is no HTTP.
    Failed,
    /// The upstream was waited for too long.
    Timeout,
    /// The client was waited for too long, went away, or sent what is no body.
    Client(Reason),
}

impl Pool {
    /// No connections yet.
    pub(super) fn new(clock: Rc<Clock>, limits: &Limits, recorder: Rc<dyn Recorder>) -> Pool {
        let times = Times {
            connect: limits.connect,
            handshake: limits.handshake,
            head: limits.upstream_head,
            idle: limits.upstream_idle,
            max_header_bytes: limits.max_header_bytes,
        };
        let (endpoints, secure) = (RefCell::default(), RefCell::default());
        Pool { endpoints, secure, clock, times, recorder }
    }

    /// Sends a request and waits for the head of the response.
    ///
    /// An upstream may close an idle connection at the moment we use it. If no byte of a response
    /// has come, the request is sent once more, on a new connection, where [`Sending::rewind`]
    /// allows it.
    pub(super) async fn send(
        &self,
        to: To<'_>,
        outgoing: Outgoing,
    ) -> Result<Response<Download>, SendError> {
        let endpoint = self.endpoint(to);
        let mut sending = outgoing.into_sending();
        if let Some(link) = endpoint.reusable() {
            self.recorder.upstream_reused();
            let mut lease = self.lease(link, &endpoint);
            match self.exchange(&mut lease, &mut sending).await {
                Ok(answer) => return Ok(lease.answer(answer, sending)),
                Err(Unanswered::Died) if sending.rewind() => {}
                Err(unanswered) => return Err(sending_failed(unanswered, &sending)),
            }
        }
        // Boxed, because it is rare and what it needs is large.
        let link = Box::pin(self.open(&endpoint)).await?;
        let mut lease = self.lease(link, &endpoint);
        match self.exchange(&mut lease, &mut sending).await {
            Ok(answer) => Ok(lease.answer(answer, sending)),
            Err(unanswered) => Err(sending_failed(unanswered, &sending)),
        }
    }

    /// Asks for another protocol on a connection of its own, which carries no other request,
    /// whatever the answer: an upstream that half understood may take the next one for data.
    pub(super) async fn switch(
        &self,
        to: To<'_>,
        outgoing: Outgoing,
    ) -> Result<Switched, SendError> {
        let endpoint = self.endpoint(to);
        let mut sending = outgoing.into_sending();
        let link = Box::pin(self.open(&endpoint)).await?;
        let mut lease = self.lease(link, &endpoint);
        let answer = match self.exchange(&mut lease, &mut sending).await {
            Ok(answer) => answer,
            Err(unanswered) => return Err(sending_failed(unanswered, &sending)),
        };
        if answer.status != StatusCode::SWITCHING_PROTOCOLS {
            let answer = Answer { keeps_alive: false, ..answer };
            return Ok(Switched::No(lease.answer(answer, sending)));
        }
        // A length would say that what follows is a body.
        let far = lease.link.into_tunnel().filter(|_| sending.is_done());
        let far = far.filter(|_| answer.announced.is_none()).ok_or(SendError::Failed)?;
        let mut head = Response::new(());
        *head.status_mut() = answer.status;
        *head.headers_mut() = answer.headers;
        Ok(Switched::Yes(head, far))
    }

    /// Closes what has lain unused for too long, and what the upstream has closed, and takes memory
    /// from what nobody uses. Called every tick, so that an upstream that nobody uses any more
    /// loses its connections too.
    pub(super) fn evict(&self) {
        self.endpoints.borrow_mut().retain(|_, endpoint| endpoint.evict());
        self.secure.borrow_mut().retain(|_, endpoint| endpoint.evict());
    }

    fn endpoint(&self, to: To<'_>) -> Rc<Endpoint> {
        if let Some(tls) = to.tls {
            let mut secure = self.secure.borrow_mut();
            return secure.entry(tls.digest).or_insert_with(|| Endpoint::new(to)).clone();
        }
        let mut endpoints = self.endpoints.borrow_mut();
        if let Some(endpoint) = endpoints.get(to.address) {
            return endpoint.clone();
        }
        let endpoint = Endpoint::new(to);
        endpoints.insert(to.address.clone(), endpoint.clone());
        endpoint
    }

    async fn exchange(
        &self,
        lease: &mut Lease,
        sending: &mut Sending,
    ) -> Result<Answer, Unanswered> {
        let link = &mut lease.link;
        link.deadline.set(self.times.head);
        if let Some(upload) = sending.upload() {
            upload.follow(&link.deadline);
        }
        let max_bytes = self.times.max_header_bytes;
        std::future::poll_fn(|cx| link.poll_answer(cx, sending, max_bytes)).await
    }

    fn lease(&self, link: Link, endpoint: &Rc<Endpoint>) -> Lease {
        let (endpoint, Times { head, idle, .. }) = (endpoint.clone(), self.times);
        Lease { link, endpoint, pause: head, idle, reusable: false, _unfinished: None }
    }

    async fn open(&self, endpoint: &Endpoint) -> Result<Link, SendError> {
        let address = &endpoint.address;
        let socket = match tokio::time::timeout(self.times.connect, connect(address)).await {
            Ok(socket) => socket.map_err(|_| SendError::Failed)?,
            Err(_) => return Err(SendError::Timeout),
        };
        let socket = match (&endpoint.tls, address) {
            (Some(tls), _) => self.shake(endpoint, tls, socket).await?,
            // Never in clear where the URL says otherwise, whatever went wrong before.
            (None, UpstreamAddress::Tls { .. }) => return Err(SendError::Failed),
            (None, _) => socket,
        };
        self.recorder.upstream_opened();
        let closed = AtEnd(self.recorder.clone(), |recorder| recorder.upstream_closed());
        Ok(Link::new(socket, self.clock.deadline(), closed))
    }

    async fn shake(
        &self,
        endpoint: &Endpoint,
        tls: &UpstreamTls,
        socket: Socket,
    ) -> Result<Socket, SendError> {
        match tokio::time::timeout(self.times.handshake, tls::connect(tls, socket)).await {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(why)) => {
                endpoint.tell(&why);
                Err(SendError::Failed)
            }
            Err(_) => Err(SendError::Timeout),
        }
    }
}

impl Endpoint {
    fn new(to: To<'_>) -> Rc<Endpoint> {
        let (address, tls) = (to.address.clone(), to.tls.cloned());
        Rc::new(Endpoint { address, tls, idle: RefCell::default(), told: Cell::default() })
    }

    /// Says whether it is still needed.
    fn evict(self: &Rc<Endpoint>) -> bool {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|link| !link.deadline.passed() && link.is_quiet());
        idle.iter_mut().for_each(Link::shrink);
        !idle.is_empty() || Rc::strong_count(self) > 1 || self.has_told(Instant::now())
    }

    /// Whether it has been logged a moment ago.
    fn has_told(&self, now: Instant) -> bool {
        self.told.get().is_some_and(|told| now.duration_since(told) < TELL_AGAIN)
    }

    /// Logs why there is no connection, but not for every request.
    fn tell(&self, why: &str) {
        let now = Instant::now();
        if !self.has_told(now) {
            self.told.set(Some(now));
            tracing::error!(upstream = %self.address, "no TLS connection: {why}");
        }
    }

    /// The connection that was put back last and still works.
    fn reusable(&self) -> Option<Link> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let link = idle.pop()?;
            if !link.deadline.passed() && link.is_quiet() {
                return Some(link);
            }
        }
    }
}

impl Lease {
    /// The response to a request that was sent over this connection. Where the answer came before
    /// all was sent, the rest goes on beside it, and the connection is not used again.
    fn answer(mut self, answer: Answer, sending: Box<Sending>) -> Response<Download> {
        self.link.deadline.clear();
        self.reusable = answer.keeps_alive && sending.is_done();
        if !sending.is_done() {
            self._unfinished = Some(self.link.finish(sending));
        }
        let mut response = Response::new(());
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        if let Some(reason) = answer.reason {
            response.extensions_mut().insert(reason);
        }
        response.map(|()| Download::new(answer.rest, answer.announced, self))
    }

    /// The upstream is waited for, from now on unless it has been already.
    pub(super) fn wait(&self) {
        self.link.deadline.set_once(self.pause);
    }

    /// It may be waited for so long between two pieces.
    pub(super) fn may_pause(&mut self, pause: Duration) {
        self.pause = pause;
    }

    /// The upstream has delivered.
    pub(super) fn waited(&self) {
        self.link.deadline.clear();
    }

    /// The response is over. The connection can be used again if the request was over before: an
    /// early answer leaves the rest of a body unsent. Bytes behind the response belong to nothing.
    pub(super) fn give_back(mut self) {
        let mut idle = self.endpoint.idle.borrow_mut();
        if self.reusable && self.link.buffer.is_empty() && idle.len() < MAX_IDLE {
            self.link.put_down();
            self.link.deadline.set(self.idle);
            idle.push(self.link);
        }
    }
}

fn sending_failed(unanswered: Unanswered, sending: &Sending) -> SendError {
    let clients_fault = || sending.upload().and_then(|upload| upload.clients_fault());
    match unanswered {
        Unanswered::Died | Unanswered::Failed => SendError::Failed,
        Unanswered::Client => SendError::Client(clients_fault().unwrap_or(Reason::BadRequest)),
        Unanswered::Late => clients_fault().map_or(SendError::Timeout, SendError::Client),
    }
}

async fn connect(address: &UpstreamAddress) -> io::Result<Socket> {
    match address {
        UpstreamAddress::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
        UpstreamAddress::Tcp { host, port } | UpstreamAddress::Tls { host, port } => {
            let stream = match host.parse::<IpAddr>() {
                Ok(address) => TcpStream::connect(SocketAddr::new(address, *port)).await?,
                Err(_) => connect_by_name(host, *port).await?,
            };
            stream.set_nodelay(true)?;
            Ok(Socket::Tcp(stream))
        }
    }
}

/// Looks a name up anew for every connection, and tries the addresses in the resolver's order.
async fn connect_by_name(host: &Arc<str>, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in tokio::net::lookup_host((&**host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
