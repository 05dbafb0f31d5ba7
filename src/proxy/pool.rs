//! Connections to upstreams, owned by one worker.
//!
//! A connection is taken from the idle list (the last one put back first, so that surplus ones
//! age), or opened. It carries one request at a time and is put back when both bodies are over.
//! Nothing here is shared between threads.

use super::answer::Answer;
use super::deadline::Clock;
use super::dial::connect;
use super::health::Health;
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
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// With which endpoint the next search begins, where an upstream has several.
    next: Cell<usize>,
    times: Times,
    recorder: Rc<dyn Recorder>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    connect: Duration,
    handshake: Duration,
    head: Duration,
    total: Duration,
    idle: Duration,
    max_header_bytes: usize,
    /// Requests of one endpoint that may be under way.
    requests: usize,
    eject_after: u32,
    ejection: Duration,
}

/// One upstream and the connections to it that lie unused, the oldest first.
#[derive(Debug)]
struct Endpoint {
    address: UpstreamAddress,
    tls: Option<Arc<UpstreamTls>>,
    idle: RefCell<Vec<Link>>,
    /// When it was last told why it cannot be spoken to.
    told: Cell<Option<Instant>>,
    /// Requests that are under way.
    requests: Cell<usize>,
    health: Health,
}

/// Where a request goes: an address, and how to speak TLS there where its scheme is `https`.
#[derive(Clone, Copy, Debug)]
pub(super) struct To<'a> {
    pub(super) address: &'a UpstreamAddress,
    pub(super) tls: Option<&'a Arc<UpstreamTls>>,
    /// The upstream's other endpoints, each of which is as good.
    pub(super) others: &'a [UpstreamAddress],
}

/// A connection that carries a request. Dropped before [`Lease::give_back`], it is closed.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) link: Link,
    endpoint: Used,
    pause: Duration,
    /// The tick by which the response has to be over.
    end: u64,
    idle: Duration,
    /// Whether another request may follow on the connection, once this response is over.
    reusable: bool,
    /// What of the request was left when the answer came.
    _unfinished: Option<Unfinished>,
}

/// An endpoint, and one request more that is under way there for as long as this lives.
#[derive(Debug)]
struct Used(Rc<Endpoint>);

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
    /// As many requests as may be are under way there.
    Full,
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
            total: limits.upstream_total,
            idle: limits.upstream_idle,
            max_header_bytes: limits.max_header_bytes,
            requests: limits.upstream_requests,
            eject_after: limits.eject_after,
            ejection: limits.ejection,
        };
        let (endpoints, secure) = (RefCell::default(), RefCell::default());
        Pool { endpoints, secure, clock, next: Cell::new(0), times, recorder }
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
        let mut used = self.choose(to)?;
        let mut sending = outgoing.into_sending();
        if let Some(link) = used.0.reusable() {
            self.recorder.upstream_reused();
            let mut lease = self.lease(link, used);
            match self.exchange(&mut lease, &mut sending).await {
                Ok(answer) => return Ok(lease.answer(answer, sending)),
                Err(Unanswered::Died) if sending.rewind() => used = lease.endpoint,
                Err(unanswered) => return Err(sending_failed(unanswered, &sending)),
            }
        }
        // Boxed, because it is rare and what it needs is large.
        let (link, used) = Box::pin(self.open_one(to, used)).await?;
        let mut lease = self.lease(link, used);
        match self.exchange(&mut lease, &mut sending).await {
            Ok(answer) => Ok(lease.answer(answer, sending)),
            Err(unanswered) => {
                if unanswered == Unanswered::Died {
                    // A new connection, and no word.
                    self.ails(&lease.endpoint.0);
                }
                Err(sending_failed(unanswered, &sending))
            }
        }
    }

    /// Asks for another protocol on a connection of its own, which carries no other request,
    /// whatever the answer: an upstream that half understood may take the next one for data.
    pub(super) async fn switch(
        &self,
        to: To<'_>,
        outgoing: Outgoing,
    ) -> Result<Switched, SendError> {
        let used = self.choose(to)?;
        let mut sending = outgoing.into_sending();
        let (link, used) = Box::pin(self.open_one(to, used)).await?;
        let mut lease = self.lease(link, used);
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
        let now = self.clock.now();
        self.endpoints.borrow_mut().retain(|_, endpoint| endpoint.evict(now));
        self.secure.borrow_mut().retain(|_, endpoint| endpoint.evict(now));
    }

    /// The endpoint for a request: the only one, or of those that are well the one with the least
    /// to do.
    fn choose(&self, to: To<'_>) -> Result<Used, SendError> {
        let endpoint = match to.others {
            [] => self.endpoint(to),
            others => self.best(to, others.len() + 1, None),
        };
        Used::new(endpoint, self.times.requests)
    }

    /// Where none is well, all are asked in turn: to refuse would be no better than to try.
    fn best(&self, to: To<'_>, count: usize, but: Option<&Rc<Endpoint>>) -> Rc<Endpoint> {
        let first = self.next.replace(self.next.get().wrapping_add(1));
        let now = self.clock.now();
        let each = (0..count).map(|at| self.endpoint(to.nth(first.wrapping_add(at) % count)));
        let worth = |one: &Rc<Endpoint>| {
            let tried = but.is_some_and(|but| Rc::ptr_eq(but, one));
            (tried, one.health.is_out(now), one.requests.get())
        };
        each.min_by_key(worth).unwrap_or_else(|| self.endpoint(to))
    }

    /// A connection to the endpoint; or, where none comes about, to another one, once: nothing of
    /// the request has left us.
    async fn open_one(&self, to: To<'_>, used: Used) -> Result<(Link, Used), SendError> {
        let failed = match self.open(&used.0).await {
            Ok(link) => return Ok((link, used)),
            Err(failed) => failed,
        };
        self.ails(&used.0);
        if to.others.is_empty() {
            return Err(failed);
        }
        let other = self.best(to, to.others.len() + 1, Some(&used.0));
        drop(used);
        let used = Used::new(other, self.times.requests)?;
        let link = self.open(&used.0).await.inspect_err(|_| self.ails(&used.0))?;
        Ok((link, used))
    }

    /// An endpoint has failed.
    fn ails(&self, endpoint: &Endpoint) {
        let Times { eject_after, ejection, .. } = self.times;
        let (now, until) = (self.clock.now(), self.clock.tick_after(ejection));
        if endpoint.health.failed(eject_after, now, until) {
            tracing::warn!(upstream = %endpoint.address, "fails again and again; it has a rest");
        }
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
        link.deadline.set_until(self.times.head, lease.end);
        if let Some(upload) = sending.upload() {
            upload.follow(&link.deadline, lease.end);
        }
        let max_bytes = self.times.max_header_bytes;
        let answer = std::future::poll_fn(|cx| link.poll_answer(cx, sending, max_bytes)).await;
        self.learn(&lease.endpoint.0, &answer, sending);
        answer
    }

    /// What an answer, or that there is none, says of an endpoint. That an unused connection was
    /// closed says nothing, nor does what the client did.
    fn learn(&self, endpoint: &Endpoint, answer: &Result<Answer, Unanswered>, sending: &Sending) {
        let clients = || sending.upload().is_some_and(|upload| upload.clients_fault().is_some());
        match answer {
            Ok(answer) if is_of_a_gateway(answer.status) => self.ails(endpoint),
            Ok(_) => endpoint.health.answered(),
            Err(Unanswered::Client | Unanswered::Died) => {}
            Err(Unanswered::Late) if clients() => {}
            Err(Unanswered::Late | Unanswered::Failed) => self.ails(endpoint),
        }
    }

    fn lease(&self, link: Link, endpoint: Used) -> Lease {
        let Times { head, total, idle, .. } = self.times;
        let end = link.deadline.tick_after(total);
        Lease { link, endpoint, pause: head, end, idle, reusable: false, _unfinished: None }
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
        let (idle, told) = (RefCell::default(), Cell::default());
        let (requests, health) = (Cell::default(), Health::default());
        Rc::new(Endpoint { address, tls, idle, told, requests, health })
    }

    /// Says whether it is still needed.
    fn evict(self: &Rc<Endpoint>, now: u64) -> bool {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|link| !link.deadline.passed() && link.is_quiet());
        idle.iter_mut().for_each(Link::shrink);
        let known = self.health.is_known(now) || self.has_told(Instant::now());
        !idle.is_empty() || Rc::strong_count(self) > 1 || known
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
        self.idle = answer.keeps_for.map_or(self.idle, |keeps| self.idle.min(under(keeps)));
        self.reusable = answer.keeps_alive && sending.is_done() && !self.idle.is_zero();
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
        let deadline = &self.link.deadline;
        if !deadline.is_set() {
            deadline.set_until(self.pause, self.end);
        }
    }

    /// Whether the response should have been over by now.
    pub(super) fn is_late(&self) -> bool {
        self.link.deadline.now() >= self.end
    }

    /// It may be waited for so long between two pieces, and goes on for as long as it likes.
    pub(super) fn may_pause(&mut self, pause: Duration) {
        self.pause = pause;
        self.end = u64::MAX;
    }

    /// The upstream has delivered.
    pub(super) fn waited(&self) {
        self.link.deadline.clear();
    }

    /// The response is over. The connection can be used again if the request was over before: an
    /// early answer leaves the rest of a body unsent. Bytes behind the response belong to nothing.
    pub(super) fn give_back(mut self) {
        let mut idle = self.endpoint.0.idle.borrow_mut();
        if self.reusable && self.link.buffer.is_empty() && idle.len() < MAX_IDLE {
            self.link.put_down();
            self.link.deadline.set(self.idle);
            idle.push(self.link);
        }
    }
}

/// Who closes at the moment at which we send has not taken the request; so we close before.
fn under(keeps: Duration) -> Duration {
    keeps.saturating_sub(MARGIN)
}

/// By so much we close an unused connection before its upstream does.
const MARGIN: Duration = Duration::from_secs(1);

impl<'a> To<'a> {
    /// One of several endpoints; 0 is the first.
    fn nth(self, at: usize) -> To<'a> {
        let Some(other) = at.checked_sub(1) else { return self };
        let tls = self.tls.and_then(|tls| tls.others.get(other));
        To { address: self.others.get(other).unwrap_or(self.address), tls, ..self }
    }
}

impl Used {
    fn new(endpoint: Rc<Endpoint>, most: usize) -> Result<Used, SendError> {
        let requests = endpoint.requests.get();
        if requests >= most {
            return Err(SendError::Full);
        }
        endpoint.requests.set(requests + 1);
        Ok(Used(endpoint))
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        self.0.requests.set(self.0.requests.get() - 1);
    }
}

/// The endpoint says that it cannot serve, whatever the request.
fn is_of_a_gateway(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

fn sending_failed(unanswered: Unanswered, sending: &Sending) -> SendError {
    let clients_fault = || sending.upload().and_then(|upload| upload.clients_fault());
    match unanswered {
        Unanswered::Died | Unanswered::Failed => SendError::Failed,
        Unanswered::Client => SendError::Client(clients_fault().unwrap_or(Reason::BadRequest)),
        Unanswered::Late => clients_fault().map_or(SendError::Timeout, SendError::Client),
    }
}
