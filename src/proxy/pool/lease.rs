//! A connection while it carries a request.

use super::endpoint::Used;
use crate::proxy::answer::Answer;
use crate::proxy::link::{Link, Unfinished};
use crate::proxy::reply::Download;
use crate::proxy::sending::Sending;
use http::Response;
use std::time::Duration;

/// Idle connections that a worker keeps to one upstream; more are closed.
const MAX_IDLE: usize = 256;

/// A connection that carries a request. Dropped before [`Lease::give_back`], it is closed.
#[derive(Debug)]
pub(in crate::proxy) struct Lease {
    pub(in crate::proxy) link: Link,
    pub(super) endpoint: Used,
    pub(super) pause: Duration,
    /// The tick by which the response has to be over.
    pub(super) end: u64,
    pub(super) idle: Duration,
    /// Whether another request may follow on the connection, once this response is over.
    pub(super) reusable: bool,
    /// What of the request was left when the answer came.
    pub(super) _unfinished: Option<Unfinished>,
}

impl Lease {
    /// The response to a request that was sent over this connection. Where the answer came before
    /// all was sent, the rest goes on beside it, and the connection is not used again.
    pub(super) fn answer(mut self, answer: Answer, sending: Box<Sending>) -> Response<Download> {
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
    pub(in crate::proxy) fn wait(&self) {
        let deadline = &self.link.deadline;
        if !deadline.is_set() {
            deadline.set_until(self.pause, self.end);
        }
    }

    /// Whether the response should have been over by now.
    pub(in crate::proxy) fn is_late(&self) -> bool {
        self.link.deadline.now() >= self.end
    }

    /// It may be waited for so long between two pieces, and goes on for as long as it likes.
    pub(in crate::proxy) fn may_pause(&mut self, pause: Duration) {
        self.pause = pause;
        self.end = u64::MAX;
    }

    /// The upstream has delivered.
    pub(in crate::proxy) fn waited(&self) {
        self.link.deadline.clear();
    }

    /// The response is over. The connection can be used again if the request was over before: an
    /// early answer leaves the rest of a body unsent. Bytes behind the response belong to nothing.
    pub(in crate::proxy) fn give_back(mut self) {
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
