//! Requests over connections that carry many at once.

use super::endpoint::Endpoint;
use super::{Pool, SendError, To, sending_failed};
use crate::proxy::http2::{self, Connection, Failure, Within};
use crate::proxy::link::Unanswered;
use crate::proxy::outgoing::Outgoing;
use crate::proxy::reply::Download;
use crate::tls::server::H2;
use http::Response;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::sync::Notify;

/// The one connection to an endpoint, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    connection: RefCell<Option<Rc<Connection>>>,
    /// Somebody opens it.
    opening: Cell<bool>,
    /// How often that has failed, and how last.
    failed: Cell<(u64, Option<SendError>)>,
    opened: Notify,
}

/// Held by whoever opens the connection; given up, another one may.
struct Opening<'a>(&'a Shared);

impl Pool {
    /// Sends a request and waits for the head of the response.
    ///
    /// What the upstream says that it has not looked at is sent once more, where it is still here; a
    /// request that may have been heard, where [`Sending::take_back`] allows it and the connection
    /// had been used before.
    ///
    /// [`Sending::take_back`]: crate::proxy::sending::Sending::take_back
    pub(super) async fn send_multiplexed(
        &self,
        to: To<'_>,
        outgoing: Outgoing,
    ) -> Result<Response<Download>, SendError> {
        let used = self.choose(to)?;
        let mut sending = outgoing.into_sending();
        let opened = self.one_of(to, used, async |endpoint| self.shared(to, endpoint).await);
        let ((mut connection, mut fresh), used) = opened.await?;
        let times = self.times_of(to);
        let end = self.clock.tick_after(times.total);
        let mut again = true;
        loop {
            let (deadline, secure) = (self.clock.deadline(), used.0.tls.is_some());
            let within = Within { deadline, head: times.head, end, secure };
            let busy = connection.begin(times.idle);
            let Failure { why, unprocessed } = match http2::ask(busy, &mut sending, within).await {
                Ok((response, answered)) => {
                    self.learn(&used.0, Ok(response.status()), &sending);
                    let response = answered.response(response, sending, used);
                    return response.map_err(|_| SendError::Failed);
                }
                Err(failure) => failure,
            };
            self.learn(&used.0, Err(why), &sending);
            if fresh && why == Unanswered::Died && !unprocessed {
                // A new connection, and no word.
                self.ails(&used.0);
            }
            let died = why == Unanswered::Died && (unprocessed || !fresh);
            if !(again && died && sending.take_back(unprocessed)) {
                return Err(sending_failed(why, &sending));
            }
            again = false;
            (connection, fresh) = self.shared(to, &used.0).await?;
        }
    }

    /// The connection to an endpoint, and whether it is a new one. Of many that want it, one opens
    /// it and the others wait.
    async fn shared(
        &self,
        to: To<'_>,
        endpoint: &Endpoint,
    ) -> Result<(Rc<Connection>, bool), SendError> {
        let shared = &endpoint.shared;
        loop {
            if let Some(connection) = shared.usable() {
                self.recorder.upstream_reused();
                return Ok((connection, false));
            }
            match Opening::begin(shared) {
                Some(opening) => {
                    let opened = self.connection(to, endpoint).await;
                    return opening.end(opened).map(|connection| (connection, true));
                }
                None => shared.wait().await?,
            }
        }
    }

    async fn connection(
        &self,
        to: To<'_>,
        endpoint: &Endpoint,
    ) -> Result<Rc<Connection>, SendError> {
        let (socket, closed) = self.socket(to, endpoint).await?;
        if socket.chosen().is_some_and(|chosen| chosen != Some(H2)) {
            endpoint.tell("it does not choose `h2` (ALPN)");
            return Err(SendError::Failed);
        }
        let clocks = (self.clock.deadline(), self.clock.deadline());
        let opening = Connection::open(socket, clocks, self.limits.max_header_bytes, closed);
        match tokio::time::timeout(self.limits.handshake, opening).await {
            Ok(opened) => {
                opened.inspect_err(|why| endpoint.tell(why)).map_err(|_| SendError::Failed)
            }
            Err(_) => Err(SendError::Timeout),
        }
    }
}

impl Shared {
    /// The connection, if a request may begin there.
    fn usable(&self) -> Option<Rc<Connection>> {
        let mut connection = self.connection.borrow_mut();
        if connection.as_ref().is_some_and(|one| !one.is_open()) {
            *connection = None;
        }
        connection.clone()
    }

    /// Waits for whoever opens it. Where that fails it fails for all who wait.
    async fn wait(&self) -> Result<(), SendError> {
        let opened = self.opened.notified();
        let (before, _) = self.failed.get();
        opened.await;
        match self.failed.get() {
            (count, Some(error)) if count != before => Err(error),
            _ => Ok(()),
        }
    }

    /// Lets go of a connection that is over or has lain unused for too long. Says whether one is
    /// kept.
    pub(super) fn evict(&self) -> bool {
        let mut connection = self.connection.borrow_mut();
        if connection.as_ref().is_some_and(|one| one.is_old() || !one.is_open()) {
            *connection = None;
        }
        connection.is_some()
    }
}

impl<'a> Opening<'a> {
    fn begin(shared: &'a Shared) -> Option<Opening<'a>> {
        // Not `then_some`: one that is made and not given out would end the other's turn.
        (!shared.opening.replace(true)).then(|| Opening(shared))
    }

    fn end(self, opened: Result<Rc<Connection>, SendError>) -> Result<Rc<Connection>, SendError> {
        match &opened {
            Ok(connection) => *self.0.connection.borrow_mut() = Some(connection.clone()),
            Err(error) => self.0.failed.set((self.0.failed.get().0 + 1, Some(*error))),
        }
        opened
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.opening.set(false);
        self.0.opened.notify_waiters();
    }
}
