//! Where the endpoints of upstreams are now, and whether they are well.
//!
//! A policy may call an endpoint by a name, whose addresses change, and say how it is asked whether
//! it is well. Both are found out on a thread of its own ([`keeper`]): [`names`] looks names up,
//! [`probe`] asks endpoints. What came of it stands in a [`Source`]: workers take its spots over when
//! its version has changed, and read a [`Verdict`] where they choose. No request waits for any of it.

pub mod keeper;
pub mod names;
mod probe;
mod verdict;

pub use keeper::{Event, Keeper};
pub use verdict::Verdict;

use crate::identity::Identity;
use crate::policy::upstream::{HealthCheck, Protocol, Upstream, UpstreamAddress};
use crate::tls::UpstreamTls;
use http::HeaderMap;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Addresses of one name that are used; which ones, where it has more, is always the same.
pub const MAX_ADDRESSES: usize = 64;

/// The upstreams of one policy, by their numbers.
#[derive(Debug, Default)]
pub struct Upstreams {
    sources: Box<[Arc<Source>]>,
}

/// One upstream: what the policy says of it, and what was found out.
#[derive(Debug)]
pub struct Source {
    id: Arc<str>,
    typed: Box<[Typed]>,
    check: Option<Check>,
    now: Mutex<Arc<[Spot]>>,
    /// Grows when the spots are others.
    version: AtomicU64,
    /// Why a name could not be looked up the last time, if one could not.
    lost: Mutex<Option<String>>,
    /// Whether its names have been looked up, with success or not.
    looked: AtomicBool,
}

/// A place where requests may go. An endpoint that the policy calls by a name is as many as the name
/// has addresses, or one, as typed, as long as that is not known.
#[derive(Clone, Debug)]
pub struct Spot {
    /// Where.
    pub address: UpstreamAddress,
    /// How to speak TLS there, where the URL says so.
    pub tls: Option<Arc<UpstreamTls>>,
    /// What is known of its health, where it is asked.
    pub verdict: Option<Arc<Verdict>>,
    /// Which of the endpoints in the policy it is an address of.
    typed: usize,
}

/// An endpoint in the policy.
#[derive(Debug)]
struct Typed {
    address: UpstreamAddress,
    tls: Option<Arc<UpstreamTls>>,
}

/// How the endpoints of one upstream are asked.
#[derive(PartialEq)]
struct Check {
    about: Arc<HealthCheck>,
    protocol: Protocol,
    /// The Host to say, where it is not the endpoint's own.
    host: Option<Arc<str>>,
    /// The upstream's own secret.
    headers: HeaderMap,
}

impl Upstreams {
    /// What a policy says, nothing found out yet. `secure` is how to speak TLS to each.
    pub fn new(
        upstreams: &[Upstream],
        secure: &[Option<Arc<UpstreamTls>>],
        identity: &Identity,
    ) -> Upstreams {
        let mut secure = secure.iter();
        let each = upstreams.iter().map(|upstream| {
            let tls = secure.next().and_then(Option::as_ref);
            Arc::new(Source::new(upstream, tls, identity))
        });
        Upstreams { sources: each.collect() }
    }

    /// Goes on with what was found out of upstreams of which the policy says what it said before.
    pub fn keep_of(&mut self, before: &Upstreams) {
        let known = before.sources.iter().filter(|source| source.is_followed());
        let known: HashMap<&Arc<str>, &Arc<Source>> =
            known.map(|source| (&source.id, source)).collect();
        for source in self.sources.iter_mut().filter(|source| source.is_followed()) {
            if let Some(same) = known.get(&source.id).filter(|known| known.is_as(source)) {
                *source = Arc::clone(same);
            }
        }
    }

    /// Grows when something else was found out of any of them.
    pub fn version(&self) -> u64 {
        self.sources.iter().map(|source| source.version.load(Ordering::Acquire)).sum()
    }

    /// Where each is now.
    pub fn spots(&self) -> impl Iterator<Item = Arc<[Spot]>> {
        self.sources.iter().map(|source| source.spots())
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.sources.iter()
    }

    /// Whether every name has been looked up, with success or not.
    pub fn have_been_looked_up(&self) -> bool {
        let waits = |source: &Source| source.has_names() && !source.looked.load(Ordering::Acquire);
        !self.sources.iter().any(|source| waits(source))
    }

    /// Those of which there is something to find out.
    pub fn followed(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.sources.iter().filter(|source| source.is_followed())
    }
}

impl Source {
    fn new(upstream: &Upstream, tls: Option<&Arc<UpstreamTls>>, identity: &Identity) -> Source {
        let addresses = std::iter::once(&upstream.address).chain(&upstream.others);
        let typed = addresses.enumerate().map(|(at, address)| {
            let tls = match at.checked_sub(1) {
                None => tls,
                Some(other) => tls.and_then(|tls| tls.others.get(other)),
            };
            Typed { address: address.clone(), tls: tls.cloned() }
        });
        let check = upstream.health.as_ref().map(|about| {
            let (host, mut headers) = (upstream.host.clone(), HeaderMap::new());
            // One header fits into an empty map.
            let _fits = identity.tell().authenticate(&upstream.id, &mut headers);
            Check { about: about.clone(), protocol: upstream.protocol, host, headers }
        });
        let (id, now, version) = (upstream.id.clone(), Mutex::default(), AtomicU64::new(0));
        let (typed, lost, looked) = (typed.collect(), Mutex::default(), AtomicBool::new(false));
        let source = Source { id, typed, check, now, version, lost, looked };
        *source.lock() = source.found(&[], &[]).into();
        source
    }

    /// What the policy calls it.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Where it is now: at least one place.
    pub fn spots(&self) -> Arc<[Spot]> {
        self.lock().clone()
    }

    /// Why a name could not be looked up the last time, if one could not; its addresses are those
    /// that were good last.
    pub fn lost(&self) -> Option<String> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there is anything to find out.
    fn is_followed(&self) -> bool {
        self.check.is_some() || self.has_names()
    }

    fn has_names(&self) -> bool {
        self.typed.iter().any(|typed| typed.address.name().is_some())
    }

    /// Whether the policy says the same of both.
    fn is_as(&self, other: &Source) -> bool {
        let digest = |typed: &Typed| typed.tls.as_ref().map(|tls| tls.digest);
        let same = |(one, other): (&Typed, &Typed)| {
            one.address == other.address && digest(one) == digest(other)
        };
        self.typed.len() == other.typed.len()
            && self.typed.iter().zip(&other.typed).all(same)
            && self.check == other.check
    }

    /// Takes over the addresses of the endpoints, none where they are not known. Whether that
    /// changes anything.
    fn find(&self, addresses: &[Option<Vec<IpAddr>>]) -> bool {
        let before = self.spots();
        let found = self.found(addresses, &before);
        let same = |(one, other): (&Spot, &Spot)| one.is_as(other);
        if found.len() == before.len() && found.iter().zip(&*before).all(same) {
            return false;
        }
        *self.lock() = found.into();
        self.version.fetch_add(1, Ordering::Release);
        true
    }

    /// Each place once; what is known of its health stays.
    fn found(&self, addresses: &[Option<Vec<IpAddr>>], before: &[Spot]) -> Vec<Spot> {
        let mut found: Vec<Spot> = Vec::with_capacity(self.typed.len());
        for (at, typed) in self.typed.iter().enumerate() {
            for mut spot in typed.spots(at, addresses.get(at).and_then(Option::as_deref)) {
                if found.iter().any(|other| other.is_as(&spot)) {
                    continue;
                }
                let known = before.iter().find(|known| known.is_as(&spot));
                spot.verdict = self.check.as_ref().map(|check| {
                    let verdict = known.and_then(|known| known.verdict.clone());
                    verdict.unwrap_or_else(|| Arc::new(Verdict::new(&check.about)))
                });
                found.push(spot);
            }
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, Arc<[Spot]>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Typed {
    fn spots(&self, at: usize, addresses: Option<&[IpAddr]>) -> Vec<Spot> {
        let spot = |address, tls| Spot { address, tls, verdict: None, typed: at };
        match addresses {
            None => vec![spot(self.address.clone(), self.tls.clone())],
            Some(addresses) => addresses
                .iter()
                .map(|ip| {
                    let tls = self.tls.as_ref().map(|tls| Arc::new(tls.at(*ip)));
                    spot(self.address.at(*ip), tls)
                })
                .collect(),
        }
    }
}

impl Spot {
    /// Whether requests may go there, as far as it was asked.
    pub fn is_well(&self) -> bool {
        self.verdict.as_ref().is_none_or(|verdict| verdict.is_well())
    }

    /// The same place under the same trust.
    fn is_as(&self, other: &Spot) -> bool {
        let digest = |spot: &Spot| spot.tls.as_ref().map(|tls| tls.digest);
        self.address == other.address && digest(self) == digest(other)
    }
}

/// Never the secret.
impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("about", &self.about).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
