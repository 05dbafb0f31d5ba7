//! One endpoint of an upstream: its idle connections, and what is known of it.

use super::multiplexed::Shared;
use super::{SendError, TELL_AGAIN};
use crate::control::upstreams::Spot;
use crate::policy::upstream::UpstreamAddress;
use crate::proxy::health::Health;
use crate::proxy::link::Link;
use crate::tls::UpstreamTls;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// One upstream and the connections to it that lie unused, the oldest first.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) address: UpstreamAddress,
    pub(super) tls: Option<Arc<UpstreamTls>>,
    pub(super) idle: RefCell<Vec<Link>>,
    /// When it was last told why it cannot be spoken to.
    told: Cell<Option<Instant>>,
    /// Requests that are under way.
    pub(super) requests: Cell<usize>,
    pub(super) health: Health,
    /// The one connection that carries all requests, where HTTP/2 is spoken.
    pub(super) shared: Shared,
}

/// An endpoint, and one request more that is under way there for as long as this lives.
#[derive(Debug)]
pub(in crate::proxy) struct Used(pub(super) Rc<Endpoint>);

impl Endpoint {
    pub(super) fn new(spot: &Spot) -> Rc<Endpoint> {
        let (address, tls) = (spot.address.clone(), spot.tls.clone());
        let (idle, told) = (RefCell::default(), Cell::default());
        let (requests, health) = (Cell::default(), Health::default());
        let shared = Shared::default();
        Rc::new(Endpoint { address, tls, idle, told, requests, health, shared })
    }

    /// Says whether it is still needed.
    pub(super) fn evict(self: &Rc<Endpoint>, now: u64) -> bool {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|link| !link.deadline.passed() && link.is_quiet());
        idle.iter_mut().for_each(Link::shrink);
        let known = self.health.is_known(now) || self.has_told(Instant::now());
        let shared = self.shared.evict();
        !idle.is_empty() || shared || Rc::strong_count(self) > 1 || known
    }

    /// Whether it has been logged a moment ago.
    fn has_told(&self, now: Instant) -> bool {
        self.told.get().is_some_and(|told| now.duration_since(told) < TELL_AGAIN)
    }

    /// Logs why there is no connection, but not for every request.
    pub(super) fn tell(&self, why: impl std::fmt::Display) {
        let now = Instant::now();
        if !self.has_told(now) {
            self.told.set(Some(now));
            tracing::error!(upstream = %self.address, "no connection: {why}");
        }
    }

    /// The connection that was put back last and still works.
    pub(super) fn reusable(&self) -> Option<Link> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let link = idle.pop()?;
            if !link.deadline.passed() && link.is_quiet() {
                return Some(link);
            }
        }
    }
}

impl Used {
    pub(super) fn new(endpoint: Rc<Endpoint>, most: usize) -> Result<Used, SendError> {
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
