//! Connections to upstreams, owned by one worker.
//!
//! A connection is taken from the idle list (the last one put back first, so that surplus ones
//! age), or opened. It carries one request at a time and is put back when both bodies are over.
//! Nothing here is shared between threads.
//!
//! [`choose`] says to which [`endpoint`] a request goes, [`open`] opens a connection there, and a
//! [`lease`] is a connection that carries a request. Where an upstream speaks HTTP/2, one connection
//! to an endpoint carries all of them ([`multiplexed`]).

mod choose;
mod endpoint;
mod lease;
mod multiplexed;
mod open;

pub(super) use endpoint::Used;
pub(super) use lease::Lease;

use super::Recorder;
use super::answer::Answer;
use super::deadline::Clock;
use super::link::{Far, Link, Unanswered};
use super::outgoing::Outgoing;
use super::reply::Download;
use super::sending::Sending;
use crate::control::upstreams::Spot;
use crate::decide::Reason;
use crate::policy::upstream::{Timeouts, UpstreamAddress};
use crate::settings::Limits;
use endpoint::Endpoint;
use foldhash::fast::RandomState;
use http::{Response, StatusCode};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// How long what fails again and again is not logged again, by each worker: an upstream that cannot be
/// spoken to, connections that cannot be accepted.
pub(super) const TELL_AGAIN: Duration = Duration::from_secs(10);

/// All upstreams that a worker has connections to.
pub(super) struct Pool {
    endpoints: RefCell<HashMap<UpstreamAddress, Rc<Endpoint>, RandomState>>,
    /// Those that speak HTTP/2 in clear.
    multiplexed: RefCell<HashMap<UpstreamAddress, Rc<Endpoint>, RandomState>>,
    /// Those under TLS, by all that their trust came from: what changes it makes another one.
    secure: RefCell<HashMap<[u8; 32], Rc<Endpoint>, RandomState>>,
    clock: Rc<Clock>,
    /// With which endpoint the next search begins, where an upstream has several.
    next: Cell<usize>,
    times: Times,
    limits: Most,
    recorder: Rc<dyn Recorder>,
}

/// How long an upstream is waited for, where it does not say otherwise.
#[derive(Clone, Copy, Debug)]
struct Times {
    connect: Duration,
    head: Duration,
    total: Duration,
    idle: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Most {
    handshake: Duration,
    max_header_bytes: usize,
    /// Requests of one endpoint that may be under way.
    requests: usize,
    eject_after: u32,
    ejection: Duration,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct To<'a> {
    /// The upstream's endpoints, at least one, each of which is as good.
    pub(super) spots: &'a [Spot],
    /// Whether HTTP/2 is spoken there.
    pub(super) http2: bool,
    /// The upstream's own times, if it has some.
    pub(super) timeouts: Option<&'a Timeouts>,
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
    /// As many requests as may be are under way there.
    Full,
    /// No endpoint is well; after so many seconds one may be.
    Unwell(u32),
    /// The client was waited for too long, went away, or sent what is no body.
    Client(Reason),
}

impl Pool {
    /// No connections yet.
    pub(super) fn new(clock: Rc<Clock>, limits: &Limits, recorder: Rc<dyn Recorder>) -> Pool {
        let times = Times {
            connect: limits.connect,
            head: limits.upstream_head,
            total: limits.upstream_total,
            idle: limits.upstream_idle,
        };
        let limits = Most {
            handshake: limits.handshake,
            max_header_bytes: limits.max_header_bytes,
            requests: limits.upstream_requests,
            eject_after: limits.eject_after,
            ejection: limits.ejection,
        };
        let (endpoints, secure) = (RefCell::default(), RefCell::default());
        let multiplexed = RefCell::default();
        Pool { endpoints, multiplexed, secure, clock, next: Cell::new(0), times, limits, recorder }
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
        if to.http2 {
            // Boxed, because it is rare and what it needs is large.
            return Box::pin(self.send_multiplexed(to, outgoing)).await;
        }
        let mut used = self.choose(to)?;
        let mut sending = outgoing.into_sending();
        if let Some(link) = used.0.reusable() {
            self.recorder.upstream_reused();
            let mut lease = self.lease(to, link, used);
            match self.exchange(&mut lease, &mut sending).await {
                Ok(answer) => return Ok(lease.answer(answer, sending)),
                Err(Unanswered::Died) if sending.rewind() => used = lease.endpoint,
                Err(unanswered) => return Err(sending_failed(unanswered, &sending)),
            }
        }
        // Boxed, because it is rare and what it needs is large.
        let (link, used) = Box::pin(self.open_one(to, used)).await?;
        let mut lease = self.lease(to, link, used);
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
        if to.http2 {
            // Another protocol is asked for in another way there (RFC 8441), which is not spoken.
            return Err(SendError::Failed);
        }
        let used = self.choose(to)?;
        let mut sending = outgoing.into_sending();
        let (link, used) = Box::pin(self.open_one(to, used)).await?;
        let mut lease = self.lease(to, link, used);
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
        self.multiplexed.borrow_mut().retain(|_, endpoint| endpoint.evict(now));
        self.secure.borrow_mut().retain(|_, endpoint| endpoint.evict(now));
    }

    /// An endpoint has failed.
    fn ails(&self, endpoint: &Endpoint) {
        let Most { eject_after, ejection, .. } = self.limits;
        let (now, until) = (self.clock.now(), self.clock.tick_after(ejection));
        if endpoint.health.failed(eject_after, now, until) {
            tracing::warn!(upstream = %endpoint.address, "fails again and again; it has a rest");
        }
    }

    async fn exchange(
        &self,
        lease: &mut Lease,
        sending: &mut Sending,
    ) -> Result<Answer, Unanswered> {
        let link = &mut lease.link;
        link.deadline.set_until(lease.pause, lease.end);
        if let Some(upload) = sending.upload() {
            upload.follow(&link.deadline, lease.pause, lease.end);
        }
        let max_bytes = self.limits.max_header_bytes;
        let answer = std::future::poll_fn(|cx| link.poll_answer(cx, sending, max_bytes)).await;
        let status = answer.as_ref().map(|answer| answer.status).map_err(|why| *why);
        self.learn(&lease.endpoint.0, status, sending);
        answer
    }

    /// What an answer, or that there is none, says of an endpoint. That an unused connection was
    /// closed says nothing, nor does what the client did.
    fn learn(
        &self,
        endpoint: &Endpoint,
        answer: Result<StatusCode, Unanswered>,
        sending: &Sending,
    ) {
        let clients = || sending.upload().is_some_and(|upload| upload.clients_fault().is_some());
        match answer {
            Ok(status) if is_of_a_gateway(status) => self.ails(endpoint),
            Ok(_) => endpoint.health.answered(),
            Err(Unanswered::Client | Unanswered::Died) => {}
            Err(Unanswered::Late) if clients() => {}
            Err(Unanswered::Late | Unanswered::Failed) => self.ails(endpoint),
        }
    }

    fn lease(&self, to: To<'_>, link: Link, endpoint: Used) -> Lease {
        let Times { head, total, idle, .. } = self.times_of(to);
        let end = link.deadline.tick_after(total);
        Lease { link, endpoint, pause: head, end, idle, reusable: false, _unfinished: None }
    }

    fn times_of(&self, to: To<'_>) -> Times {
        match to.timeouts {
            None => self.times,
            Some(own) => Times {
                connect: own.connect.unwrap_or(self.times.connect),
                head: own.response.unwrap_or(self.times.head),
                total: own.total.unwrap_or(self.times.total),
                idle: own.idle.unwrap_or(self.times.idle),
            },
        }
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
