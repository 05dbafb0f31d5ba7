//! To which endpoint a request goes.

use super::endpoint::{Endpoint, Used};
use super::{Pool, SendError, To};
use std::rc::Rc;

impl Pool {
    /// The endpoint for a request: the only one, or of those that are well the one with the least
    /// to do.
    pub(super) fn choose(&self, to: To<'_>) -> Result<Used, SendError> {
        let endpoint = match to.others {
            [] => self.endpoint(to),
            others => self.best(to, others.len() + 1, None),
        };
        Used::new(endpoint, self.limits.requests)
    }

    /// Where none is well, all are asked in turn: to refuse would be no better than to try.
    pub(super) fn best(
        &self,
        to: To<'_>,
        count: usize,
        but: Option<&Rc<Endpoint>>,
    ) -> Rc<Endpoint> {
        let first = self.next.replace(self.next.get().wrapping_add(1));
        let now = self.clock.now();
        let each = (0..count).map(|at| self.endpoint(to.nth(first.wrapping_add(at) % count)));
        let worth = |one: &Rc<Endpoint>| {
            let tried = but.is_some_and(|but| Rc::ptr_eq(but, one));
            (tried, one.health.is_out(now), one.requests.get())
        };
        each.min_by_key(worth).unwrap_or_else(|| self.endpoint(to))
    }

    fn endpoint(&self, to: To<'_>) -> Rc<Endpoint> {
        if let Some(tls) = to.tls {
            let mut secure = self.secure.borrow_mut();
            return secure.entry(tls.digest).or_insert_with(|| Endpoint::new(to)).clone();
        }
        let endpoints = if to.http2 { &self.multiplexed } else { &self.endpoints };
        let mut endpoints = endpoints.borrow_mut();
        if let Some(endpoint) = endpoints.get(to.address) {
            return endpoint.clone();
        }
        let endpoint = Endpoint::new(to);
        endpoints.insert(to.address.clone(), endpoint.clone());
        endpoint
    }
}

impl<'a> To<'a> {
    /// One of several endpoints; 0 is the first.
    fn nth(self, at: usize) -> To<'a> {
        let Some(other) = at.checked_sub(1) else { return self };
        let tls = self.tls.and_then(|tls| tls.others.get(other));
        To { address: self.others.get(other).unwrap_or(self.address), tls, ..self }
    }
}
