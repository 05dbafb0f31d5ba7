//! Connections to upstreams, owned by one worker.
//!
//! A connection is taken from the idle list (the last one put back first, so that surplus ones
//! age), or opened. It carries one request at a time and is put back when both bodies are over.
//! Nothing here is shared between threads.

use super::deadline::{Clock, Deadline};
use super::io::Socket;
use super::outgoing::Outgoing;
use super::upload::{RequestBody, Upload};
use super::{AtEnd, Recorder};
use crate::decide::Reason;
use crate::policy::upstream::UpstreamAddress;
use crate::settings::Limits;
use foldhash::fast::RandomState;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// Idle connections that a worker keeps to one upstream; more are closed.
pub(super) const MAX_IDLE: usize = 256;

/// All upstreams that a worker has connections to.
pub(super) struct Pool {
    endpoints: RefCell<HashMap<UpstreamAddress, Rc<Endpoint>, RandomState>>,
    clock: Rc<Clock>,
    times: Times,
    recorder: Rc<dyn Recorder>,
}

#[derive(Clone, Debug)]
struct Times {
    connect: Duration,
    head: Duration,
    idle: Duration,
    max_header_bytes: usize,
}

/// One upstream and the connections to it that lie unused, the oldest first.
#[derive(Debug)]
struct Endpoint {
    address: UpstreamAddress,
    idle: RefCell<Vec<Link>>,
}

/// One connection.
#[derive(Debug)]
struct Link {
    sender: SendRequest<RequestBody>,
    /// Whoever waits for this connection waits no longer than this. Unused, it is its age.
    deadline: Rc<Deadline>,
}

/// A connection that carries a request. Dropped before [`Lease::give_back`], it is closed.
#[derive(Debug)]
pub(super) struct Lease {
    link: Link,
    endpoint: Rc<Endpoint>,
    upload: Option<Rc<Upload>>,
    times: (Duration, Duration),
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
            head: limits.upstream_head,
            idle: limits.upstream_idle,
            max_header_bytes: limits.max_header_bytes,
        };
        Pool { endpoints: RefCell::default(), clock, times, recorder }
    }

    /// Sends a request and waits for the head of the response.
    ///
    /// An upstream may close an idle connection at the moment we use it. If no byte of a response
    /// has come, the request is sent once more, on a new connection: one that never left us
    /// always, one that did only if it is idempotent and has no body (RFC 9110 section 9.2.2).
    pub(super) async fn send(
        &self,
        address: &UpstreamAddress,
        outgoing: Outgoing,
    ) -> Result<(http::Response<Incoming>, Lease), SendError> {
        let endpoint = self.endpoint(address);
        let (replayable, request) = outgoing.into_request();
        let upload = request.body().upload();
        if let Some(link) = endpoint.reusable().await {
            self.recorder.upstream_reused();
            let spare = replayable.then(|| Spare::of(&request));
            let mut lease = self.lease(link, &endpoint, &upload);
            match lease.exchange(request).await {
                Ok(response) => return Ok((response, lease)),
                Err((SendError::Failed, unsent)) => {
                    let Some(again) =
                        unsent.map(|request| *request).or_else(|| spare.map(Spare::request))
                    else {
                        return Err(SendError::Failed);
                    };
                    return Box::pin(self.send_on_new(&endpoint, again, &upload)).await;
                }
                Err((error, _)) => return Err(error),
            }
        }
        // Boxed, because it is rare and what it needs is large.
        Box::pin(self.send_on_new(&endpoint, request, &upload)).await
    }

    /// Closes what has lain unused for too long, and what the upstream has closed. Called now and
    /// then, so that an upstream that nobody uses any more loses its connections too.
    pub(super) fn evict(&self) {
        self.endpoints.borrow_mut().retain(|_, endpoint| {
            let mut idle = endpoint.idle.borrow_mut();
            idle.retain(|link| !link.deadline.passed() && !link.sender.is_closed());
            !idle.is_empty() || Rc::strong_count(endpoint) > 1
        });
    }

    fn endpoint(&self, address: &UpstreamAddress) -> Rc<Endpoint> {
        let mut endpoints = self.endpoints.borrow_mut();
        if let Some(endpoint) = endpoints.get(address) {
            return endpoint.clone();
        }
        let (idle, key) = (RefCell::default(), address.clone());
        let endpoint = Rc::new(Endpoint { address: address.clone(), idle });
        endpoints.insert(key, endpoint.clone());
        endpoint
    }

    async fn send_on_new(
        &self,
        endpoint: &Rc<Endpoint>,
        request: Request<RequestBody>,
        upload: &Option<Rc<Upload>>,
    ) -> Result<(http::Response<Incoming>, Lease), SendError> {
        let mut lease = self.lease(self.open(&endpoint.address).await?, endpoint, upload);
        match lease.exchange(request).await {
            Ok(response) => Ok((response, lease)),
            Err((error, _)) => Err(error),
        }
    }

    fn lease(&self, link: Link, endpoint: &Rc<Endpoint>, upload: &Option<Rc<Upload>>) -> Lease {
        let times = (self.times.head, self.times.idle);
        Lease { link, endpoint: endpoint.clone(), upload: upload.clone(), times }
    }

    async fn open(&self, address: &UpstreamAddress) -> Result<Link, SendError> {
        let socket = match tokio::time::timeout(self.times.connect, connect(address)).await {
            Ok(socket) => socket.map_err(|_| SendError::Failed)?,
            Err(_) => return Err(SendError::Timeout),
        };
        let mut builder = Builder::new();
        builder.max_header_size(self.times.max_header_bytes);
        builder.max_buf_size(MAX_BUFFER.max(self.times.max_header_bytes));
        let (sender, connection) =
            builder.handshake(TokioIo::new(socket)).await.map_err(|_| SendError::Failed)?;
        let deadline = self.clock.deadline();
        self.recorder.upstream_opened();
        let closed = AtEnd(self.recorder.clone(), |recorder| recorder.upstream_closed());
        tokio::task::spawn_local(drive(connection, deadline.clone(), closed));
        Ok(Link { sender, deadline })
    }
}

impl Endpoint {
    /// The connection that was put back last and still works.
    async fn reusable(&self) -> Option<Link> {
        loop {
            let mut link = self.idle.borrow_mut().pop()?;
            // A passed deadline has closed it already, or is about to.
            if link.deadline.passed() {
                continue;
            }
            link.deadline.clear();
            if link.sender.is_ready() || link.sender.ready().await.is_ok() {
                return Some(link);
            }
        }
    }
}

impl Lease {
    async fn exchange(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<http::Response<Incoming>, (SendError, Option<Box<Request<RequestBody>>>)> {
        let deadline = &self.link.deadline;
        deadline.set(self.times.0);
        if let Some(upload) = &self.upload {
            upload.follow(deadline);
        }
        let sent = self.link.sender.try_send_request(request).await;
        let late = deadline.passed();
        deadline.clear();
        let fault = self.upload.as_ref().and_then(|upload| upload.clients_fault());
        sent.map_err(|mut error| match fault {
            Some(reason) => (SendError::Client(reason), None),
            _ if late => (SendError::Timeout, None),
            _ => (SendError::Failed, error.take_message().map(Box::new)),
        })
    }

    /// The upstream is waited for, from now on unless it has been already.
    pub(super) fn wait(&self) {
        self.link.deadline.set_once(self.times.0);
    }

    /// The upstream has delivered.
    pub(super) fn waited(&self) {
        self.link.deadline.clear();
    }

    /// The response is over. The connection can be used again if the request is over as well: an
    /// early answer leaves the rest of a body unsent.
    pub(super) fn give_back(self) {
        let over = self.upload.is_none_or(|upload| upload.is_done());
        if !over || self.link.sender.is_closed() {
            return;
        }
        let mut idle = self.endpoint.idle.borrow_mut();
        if idle.len() < MAX_IDLE {
            self.link.deadline.set(self.times.1);
            idle.push(self.link);
        }
    }
}

/// A request whose body is empty, kept in case that it must be sent once more. A list, because to
/// copy a map for every request takes twice the work.
struct Spare {
    method: Method,
    uri: Uri,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Spare {
    fn of(request: &Request<RequestBody>) -> Spare {
        let mut fields = Vec::with_capacity(request.headers().len());
        fields.extend(request.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
        Spare { method: request.method().clone(), uri: request.uri().clone(), fields }
    }

    fn request(self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        for (name, value) in self.fields {
            request.headers_mut().append(name, value);
        }
        request
    }
}

/// Carries a connection until it ends or its deadline passes.
async fn drive(
    connection: Connection<TokioIo<Socket>, RequestBody>,
    deadline: Rc<Deadline>,
    _closed: AtEnd,
) {
    let mut connection = std::pin::pin!(connection);
    std::future::poll_fn(|cx| {
        // The error of a connection is told to whoever waits for its response.
        if deadline.poll(cx).is_ready() || connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

async fn connect(address: &UpstreamAddress) -> io::Result<Socket> {
    match address {
        UpstreamAddress::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
        UpstreamAddress::Tcp { host, port } => {
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

/// What one read of a connection may bring. hyper's buffer begins with 8 KiB and grows while reads
/// fill it, so that only long bodies have so much.
pub(super) const MAX_BUFFER: usize = 400 * 1024;
