//! What is live: one pointer, swapped whole. `ArcSwap` is named here alone.

use crate::control::upstreams::Upstreams;
use crate::identity::Identity;
use crate::policy::snapshot::Snapshot;
use crate::tls::{ChainFault, KnowsPeers, ListenerTls};
use arc_swap::{ArcSwap, Cache};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use std::time::SystemTime;

/// Everything that one load made and one request reads.
#[derive(Debug)]
pub struct Live {
    /// The compiled policy.
    pub snapshot: Arc<Snapshot>,
    /// The authenticators that the policy names, with their keys.
    pub identity: Identity,
    /// Where the upstreams are, and how to speak to those under TLS.
    pub upstreams: Upstreams,
    /// When it became live.
    pub loaded_at: SystemTime,
}

/// The place where the live policy stands.
#[derive(Debug)]
pub struct Store {
    live: Arc<ArcSwap<Live>>,
}

/// A worker's own view of the store: reading it touches nothing shared until something changed.
#[derive(Debug)]
pub struct Reader {
    cache: Cache<Arc<ArcSwap<Live>>, Arc<Live>>,
}

impl Store {
    /// A store that begins with this.
    pub fn new(live: Live) -> Store {
        Store { live: Arc::new(ArcSwap::from_pointee(live)) }
    }

    /// What is live now.
    pub fn load(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// A reader for one worker.
    pub fn reader(&self) -> Reader {
        Reader { cache: Cache::new(self.live.clone()) }
    }

    /// Puts another policy in place, for every request that starts from now on, and gives back the
    /// one that was there. Whoever drops the last handle of it frees it.
    #[must_use]
    pub fn publish(&self, live: Live) -> Arc<Live> {
        self.live.swap(Arc::new(live))
    }
}

/// Handshakes ask the policy that is live at that moment.
impl KnowsPeers for Store {
    fn asks(&self) -> bool {
        self.load().identity.trust().is_some()
    }

    fn knows(&self, chain: &[CertificateDer<'_>], now: u64) -> Result<(), ChainFault> {
        self.load().identity.holder(chain, now).map(drop)
    }
}

/// What one listener shakes hands with now.
#[derive(Debug)]
pub struct LiveTls {
    live: ArcSwap<ListenerTls>,
}

impl LiveTls {
    /// One that begins with this.
    pub fn new(tls: ListenerTls) -> LiveTls {
        LiveTls { live: ArcSwap::from_pointee(tls) }
    }

    /// What is live now.
    pub fn load(&self) -> Arc<ListenerTls> {
        self.live.load_full()
    }

    /// Puts other certificates in place, for every handshake that starts from now on.
    pub fn publish(&self, tls: ListenerTls) {
        self.live.store(Arc::new(tls));
    }
}

impl Reader {
    /// What is live now. A request takes it once and keeps it to its end.
    pub fn live(&mut self) -> Arc<Live> {
        self.cache.load().clone()
    }

    /// The same, for whoever counts its users otherwise.
    pub fn current(&mut self) -> &Arc<Live> {
        self.cache.load()
    }
}
