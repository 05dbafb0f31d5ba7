//! To which endpoint a request goes.

use super::endpoint::{Endpoint, Used};
use super::{Pool, SendError, To};
use crate::control::upstreams::Spot;
use std::rc::Rc;

impl Pool {
    /// The endpoint for a request: the only one, or of those that are well the one with the least
    /// to do.
    pub(super) fn choose(&self, to: To<'_>) -> Result<Used, SendError> {
        let endpoint = match to.spots {
            [only] if only.is_well() => self.endpoint(to, only),
            _ => self.best(to, None).ok_or_else(|| unwell(to))?,
        };
        Used::new(endpoint, self.limits.requests)
    }

    /// Those that say of themselves that they are not well are not asked. Where requests fail at all
    /// others, these are asked in turn: to refuse would be no better than to try.
    pub(super) fn best(&self, to: To<'_>, but: Option<&Rc<Endpoint>>) -> Option<Rc<Endpoint>> {
        let first = self.next.replace(self.next.get().wrapping_add(1)) % to.spots.len().max(1);
        let now = self.clock.now();
        let (before, after) = to.spots.split_at(first);
        let well = after.iter().chain(before).filter(|spot| spot.is_well());
        let each = well.map(|spot| self.endpoint(to, spot));
        let others = each.filter(|one| but.is_none_or(|but| !Rc::ptr_eq(but, one)));
        others.min_by_key(|one| (one.health.is_out(now), one.requests.get()))
    }

    fn endpoint(&self, to: To<'_>, spot: &Spot) -> Rc<Endpoint> {
        if let Some(tls) = &spot.tls {
            let mut secure = self.secure.borrow_mut();
            return secure.entry(tls.digest).or_insert_with(|| Endpoint::new(spot)).clone();
        }
        let endpoints = if to.http2 { &self.multiplexed } else { &self.endpoints };
        let mut endpoints = endpoints.borrow_mut();
        if let Some(endpoint) = endpoints.get(&spot.address) {
            return endpoint.clone();
        }
        let endpoint = Endpoint::new(spot);
        endpoints.insert(spot.address.clone(), endpoint.clone());
        endpoint
    }
}

/// No endpoint is well, until it is asked the next time.
fn unwell(to: To<'_>) -> SendError {
    let verdicts = to.spots.iter().filter_map(|spot| spot.verdict.as_ref());
    SendError::Unwell(verdicts.map(|verdict| verdict.retry_after()).min().unwrap_or(1))
}
