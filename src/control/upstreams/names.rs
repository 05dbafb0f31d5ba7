//! Looking up the names of endpoints.

use super::{MAX_ADDRESSES, Source};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// A name that is being looked up.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds the addresses of a name.
pub trait Lookup: Fn(Arc<str>) -> Looking + Send + Sync + 'static {}

impl<F: Fn(Arc<str>) -> Looking + Send + Sync + 'static> Lookup for F {}

/// The addresses that the system knows (getaddrinfo(3): files, DNS, whatever it is told to ask).
pub fn by_system(name: Arc<str>) -> Looking {
    Box::pin(async move {
        let found = tokio::net::lookup_host((&*name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    })
}

/// What is known of the names of one upstream, by endpoint.
#[derive(Debug)]
pub(super) struct Known {
    addresses: Vec<Option<Vec<IpAddr>>>,
    /// Those of which the last look failed.
    failing: Vec<bool>,
}

/// What came of looking up one name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Looked {
    pub(super) name: Arc<str>,
    /// How many addresses there are now.
    pub(super) outcome: Result<usize, String>,
    /// Whether it was otherwise the last time: it fails now, or no longer.
    pub(super) turned: bool,
    /// Whether there are addresses of it, of now or of before.
    pub(super) has_some: bool,
}

impl Known {
    /// Nothing yet of the names of this one.
    pub(super) fn new(source: &Source) -> Known {
        let count = source.typed.len();
        Known { addresses: vec![None; count], failing: vec![false; count] }
    }

    /// Looks all names up, one after the other. Of one that cannot be, what was good last is kept.
    pub(super) async fn look(&mut self, source: &Source, lookup: &dyn Lookup) -> Vec<Looked> {
        let mut looked = Vec::new();
        for (at, typed) in source.typed.iter().enumerate() {
            let Some(name) = typed.address.name() else { continue };
            let outcome = match lookup(name.clone()).await {
                Ok(found) if found.is_empty() => Err("it has no address".to_owned()),
                Ok(found) => Ok(found),
                Err(error) => Err(error.to_string()),
            };
            let outcome = outcome.map(|found| self.take_over(at, found));
            let turned = std::mem::replace(&mut self.failing[at], outcome.is_err());
            let turned = turned != outcome.is_err();
            let has_some = self.addresses[at].is_some();
            looked.push(Looked { name: name.clone(), outcome, turned, has_some });
        }
        source.find(&self.addresses);
        let lost = looked.iter().find_map(|Looked { name, outcome, .. }| {
            outcome.as_ref().err().map(|why| format!("{name}: {why}"))
        });
        *source.lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
        source.looked.store(true, Ordering::Release);
        looked
    }

    /// In an order that does not depend on how a server rotates them.
    fn take_over(&mut self, at: usize, mut found: Vec<IpAddr>) -> usize {
        found.sort_unstable();
        found.dedup();
        found.truncate(MAX_ADDRESSES);
        self.addresses[at].insert(found).len()
    }
}
