//! Client certificates: who holds a connection, by the policy that is live.
//!
//! A certificate says who its holder is by one subject alternative name: a SPIFFE ID, whose trust
//! domain says which authorities it must come from, or else a DNS name or an address, where the
//! policy names authorities for such. The common name says nothing, ever.
//!
//! Handshakes ask this, and so does every request of the connection: what the policy trusts no more
//! makes nobody of its holder from then on.

mod names;
mod spiffe;

pub use names::NameKind;
pub use spiffe::{MAX_SPIFFE_ID, SpiffeFault, SpiffeId};
pub(super) use spiffe::{PathPattern, is_trust_domain};

use super::forwarded::mapped;
use crate::principal::{AuthMethod, Principal};
use crate::tls::{Bundle, ChainFault};
use names::Names;
use rustls_pki_types::CertificateDer;
use std::sync::Arc;

/// The certificates that a policy knows.
#[derive(Debug)]
pub(super) struct Mtls {
    pub(super) domains: Vec<TrustDomain>,
    pub(super) named: Vec<Named>,
    /// Over all of this, to see whether what was found out before still stands.
    pub(super) digest: Trust,
}

/// What a policy trusts, in short: two that are alike trust alike.
pub type Trust = [u8; 32];

/// A trust domain and the authorities that speak for it.
#[derive(Debug)]
pub(super) struct TrustDomain {
    pub(super) name: Box<str>,
    pub(super) bundle: Bundle,
    /// Which part of a path says what; where there are none, the whole ID is the user's.
    pub(super) paths: Vec<PathPattern>,
    pub(super) prefix: Box<str>,
}

/// Authorities whose certificates name their holders otherwise.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) bundle: Bundle,
    pub(super) from: NameKind,
    pub(super) prefix: Box<str>,
}

/// The verified holder of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// `peer.id`: the SPIFFE ID, the DNS name or the address, as the certificate has it.
    pub id: Arc<str>,
    /// Whom the connection speaks for where a request says nothing else.
    pub principal: Arc<Principal>,
}

impl Mtls {
    /// Who holds this chain, leaf first. `now` is in seconds since 1970.
    pub(super) fn holder(
        &self,
        chain: &[CertificateDer<'_>],
        now: u64,
    ) -> Result<Holder, ChainFault> {
        let names = Names::read(chain.first().ok_or(ChainFault::Malformed)?)?;
        match names.spiffe()? {
            Some(uri) => self.workload(uri, &names, chain, now),
            None => self.named(&names, chain, now),
        }
    }

    fn workload(
        &self,
        uri: &str,
        names: &Names,
        chain: &[CertificateDer<'_>],
        now: u64,
    ) -> Result<Holder, ChainFault> {
        let id = SpiffeId::parse(uri).map_err(|_| ChainFault::Name)?;
        let domain = self.domains.iter().find(|domain| &*domain.name == id.trust_domain());
        let domain = domain.ok_or(ChainFault::Untrusted)?;
        domain.bundle.vouches_for(chain, now)?;
        let found = match domain.paths.as_slice() {
            [] => Default::default(),
            paths => {
                let found = paths.iter().find_map(|path| path.matches(id.path()));
                found.ok_or(ChainFault::Name)?
            }
        };
        let text = |text: Option<&str>| text.map(Arc::<str>::from);
        let (org, app) = (text(found.org), text(found.app));
        let user = format!("{}{}", domain.prefix, found.user.unwrap_or(uri));
        let principal = Principal {
            claims: mapped(&org, &app, &None),
            org,
            app,
            expires: Some(names.expires),
            ..Principal::of(user, AuthMethod::Certificate)
        };
        Ok(Holder { id: uri.into(), principal: Arc::new(principal) })
    }

    fn named(
        &self,
        names: &Names,
        chain: &[CertificateDer<'_>],
        now: u64,
    ) -> Result<Holder, ChainFault> {
        let mut fault = ChainFault::Untrusted;
        for named in &self.named {
            match named.bundle.vouches_for(chain, now) {
                Ok(()) => return named.holder(names),
                // The one that knows the certificate says best what is wrong with it.
                Err(ChainFault::Untrusted) => {}
                Err(other) => fault = other,
            }
        }
        Err(fault)
    }
}

impl Named {
    fn holder(&self, names: &Names) -> Result<Holder, ChainFault> {
        let id: Arc<str> = names.only(self.from).ok_or(ChainFault::Name)?.into();
        let principal = Principal {
            email: (self.from == NameKind::Email).then(|| id.clone()),
            expires: Some(names.expires),
            ..Principal::of(format!("{}{id}", self.prefix), AuthMethod::Certificate)
        };
        Ok(Holder { id, principal: Arc::new(principal) })
    }
}
