//! The certificate of a client, and what the policy makes of it.
//!
//! A chain is verified when it is shown. After that it is enough to know that nothing has changed:
//! the policy's trust is the same, and no certificate of the chain or of an authority has expired,
//! which is looked at again every [`RECHECK`] seconds.

use crate::identity::{Holder, Identity, Trust};
use rustls_pki_types::CertificateDer;
use std::cell::RefCell;
use std::rc::Rc;

/// How long a verified chain is not verified again, in seconds.
const RECHECK: u64 = 60;

/// A chain, leaf first, and its holder as it was found last.
#[derive(Debug)]
pub(super) struct Shown {
    chain: Vec<CertificateDer<'static>>,
    known: RefCell<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    trust: Trust,
    /// Seconds since 1970; from then on it is looked at again.
    until: u64,
    holder: Option<Rc<Holder>>,
}

impl Shown {
    /// `None` where nothing was shown.
    pub(super) fn new(chain: &[CertificateDer<'_>]) -> Option<Shown> {
        let chain: Vec<_> = chain.iter().map(|der| der.clone().into_owned()).collect();
        (!chain.is_empty()).then(|| Shown { chain, known: RefCell::default() })
    }

    /// Who holds the chain. `now` is in seconds since 1970.
    pub(super) fn holder(&self, identity: &Identity, now: u64) -> Option<Rc<Holder>> {
        let trust = identity.trust()?;
        let mut known = self.known.borrow_mut();
        if let Some(known) = &*known
            && known.trust == *trust
            && now < known.until
        {
            return known.holder.clone();
        }
        let holder = identity.holder(&self.chain, now).ok().map(Rc::new);
        let expires = holder.as_ref().and_then(|holder| holder.principal.expires);
        let until = expires.map_or(now + RECHECK, |expires| (expires + 1).min(now + RECHECK));
        known.insert(Known { trust: *trust, until, holder }).holder.clone()
    }
}
