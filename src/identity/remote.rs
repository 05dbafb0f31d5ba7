//! Keys that an issuer publishes at a URL: what is known of them, and who wants to know more.
//!
//! Nothing is fetched here. Whoever fetches (`control/keys`) puts key sets in; requests take the one
//! that is there, and may wait for the next one where a token names a key that is not in it. The
//! state outlives the policy: a reload goes on with the keys that are known.

use super::jwks::{Key, KeyFault, KeyFile, MAX_KEYS};
use super::verdicts::Digest;
use aws_lc_rs::digest;
use rustls::RootCertStore;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Requests that wait for one fetch. More are refused at once, as if nobody fetched: a flood of
/// tokens with made-up key ids must not gather here.
pub const MAX_WAITING: usize = 1_000;

/// Where keys come from, and how.
#[derive(Clone, Debug)]
pub struct KeyUrl {
    /// `https://`, or `http://` to this machine.
    pub url: http::Uri,
    /// Who vouches for the server; the system's certificates where it is `None`.
    pub ca: Option<Arc<RootCertStore>>,
    /// How often they are fetched.
    pub refresh: Duration,
    /// The least time between two fetches that are asked for, and after one that failed.
    pub cool_down: Duration,
    /// How old they may get.
    pub max_stale: Duration,
    /// The longest answer, in bytes.
    pub max_bytes: usize,
    /// From the beginning of a fetch to its end.
    pub timeout: Duration,
}

/// A URL with keys, and what is known of them.
#[derive(Debug)]
pub struct KeySource {
    settings: KeyUrl,
    state: Arc<State>,
}

/// Keys that were fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    /// Grows with each set that is not as the one before.
    pub(super) generation: u64,
    pub(super) keys: Vec<Key>,
    sha256: Digest,
}

#[derive(Debug)]
struct State {
    /// Read where a token is verified, which takes a hundred times as long as the lock.
    current: RwLock<Option<Arc<Fetched>>>,
    /// That of `current`; 0 before the first set. Apart from it, because each verdict that is
    /// remembered asks for it.
    generation: AtomicU64,
    /// When keys were last fetched, in seconds since 1970.
    fetched_at: AtomicU64,
    phase: AtomicU8,
    wanted: Notify,
    /// Fetches that are over.
    fetches: watch::Sender<u64>,
    waiting: AtomicUsize,
}

/// A fetch is under way, or is about to begin: that of a source that is new.
const FETCHING: u8 = 0;

/// The last fetch was a moment ago: nobody can ask for the next.
const CLOSED: u8 = 1;

/// A fetch that is asked for begins at once.
const OPEN: u8 = 2;

/// What a fetch brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// The generation that is known now.
    pub generation: u64,
    /// Whether it is another one than before.
    pub changed: bool,
    /// Keys that can be used.
    pub usable: usize,
    /// Each key that cannot: what to call it, and why.
    pub skipped: Vec<(String, String)>,
}

/// An answer that is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKeySet {
    /// Not JSON, or without a list `keys`.
    #[error("it is not a JSON Web Key Set: an object with a list `keys` (RFC 7517 section 5)")]
    Form,
    /// More keys than [`MAX_KEYS`].
    #[error("it has more than {MAX_KEYS} keys")]
    TooMany,
}

impl KeySource {
    /// A source of which nothing is known yet.
    pub(super) fn new(settings: KeyUrl) -> KeySource {
        let state = State {
            current: RwLock::default(),
            generation: AtomicU64::new(0),
            fetched_at: AtomicU64::new(0),
            phase: AtomicU8::new(FETCHING),
            wanted: Notify::new(),
            fetches: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
        };
        KeySource { settings, state: Arc::new(state) }
    }

    /// These settings, and what is known from the same URL.
    pub(super) fn going_on_from(&self, old: &KeySource) -> KeySource {
        KeySource { settings: self.settings.clone(), state: old.state.clone() }
    }

    /// Where the keys come from, and how.
    pub fn settings(&self) -> &KeyUrl {
        &self.settings
    }

    /// Whether two know the same, because one went on from the other.
    pub fn shares_with(&self, other: &KeySource) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// The keys, while they may be used. `now` is in seconds since 1970.
    pub(super) fn keys(&self, now: u64) -> Option<Arc<Fetched>> {
        self.is_fresh(now).then(|| self.current())?
    }

    /// Whether a verdict under keys of this generation still counts.
    pub(super) fn vouches(&self, generation: u64, now: u64) -> bool {
        self.state.generation.load(Ordering::Acquire) == generation && self.is_fresh(now)
    }

    /// Whether there are keys that may be used.
    pub fn is_fresh(&self, now: u64) -> bool {
        let fetched = self.state.fetched_at.load(Ordering::Acquire);
        fetched != 0 && now < fetched.saturating_add(self.settings.max_stale.as_secs())
    }

    /// Whether keys have ever been fetched.
    pub fn is_known(&self) -> bool {
        self.state.fetched_at.load(Ordering::Acquire) != 0
    }

    fn current(&self) -> Option<Arc<Fetched>> {
        self.state.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// For requests.
impl KeySource {
    /// Asks for another fetch, and waits for its end. `None` where none would begin, because the
    /// last one was a moment ago, or where too many wait already.
    pub(super) fn ask(&self) -> Option<impl Future<Output = ()> + use<>> {
        let state = &self.state;
        // Subscribed before anything begins: an end that comes at once is not missed.
        let mut fetches = state.fetches.subscribe();
        let place = Place::take(state)?;
        match state.step(OPEN, FETCHING) {
            Ok(_) => state.wanted.notify_one(),
            Err(FETCHING) => {}
            Err(_) => return None,
        }
        Some(async move {
            let _place = place;
            // An error: whoever fetched is gone, and nothing will come.
            let _over = fetches.changed().await;
        })
    }
}

/// For whoever fetches.
impl KeySource {
    /// Ends when a request asks for a fetch.
    pub async fn wanted(&self) {
        self.state.wanted.notified().await;
    }

    /// A fetch begins. What it comes to must be told by [`KeySource::store`] or
    /// [`KeySource::failed`].
    pub fn begins(&self) {
        self.state.phase.store(FETCHING, Ordering::Release);
    }

    /// The next fetch that is asked for may begin at once.
    pub fn opens(&self) {
        let _fetching = self.state.step(CLOSED, OPEN);
    }

    /// Takes what a fetch brought, at this time. An empty set is one: then no token holds.
    pub fn store(&self, text: &[u8], now: u64) -> Result<Brought, NoKeySet> {
        let stored = self.read(text).map(|(file, sha256)| self.replace(file, sha256, now));
        self.ends();
        stored
    }

    /// A fetch came to nothing; what was known stays.
    pub fn failed(&self) {
        self.ends();
    }

    fn read(&self, text: &[u8]) -> Result<(KeyFile, Digest), NoKeySet> {
        let mut file = KeyFile::parse(text).ok_or(NoKeySet::Form)?;
        if file.keys.len() + file.skipped.len() > MAX_KEYS {
            return Err(NoKeySet::TooMany);
        }
        file.skip_shared_kids();
        let sha256 = digest::digest(&digest::SHA256, text);
        Ok((file, sha256.as_ref().try_into().expect("SHA-256 has 32 bytes")))
    }

    fn replace(&self, file: KeyFile, sha256: Digest, now: u64) -> Brought {
        let state = &self.state;
        let mut current = state.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = current.as_ref().map_or(0, |set| set.generation);
        let changed = current.as_ref().is_none_or(|set| set.sha256 != sha256);
        let generation = before + u64::from(changed);
        let usable = file.keys.len();
        if changed {
            *current = Some(Arc::new(Fetched { generation, keys: file.keys, sha256 }));
            state.generation.store(generation, Ordering::Release);
        }
        state.fetched_at.store(now.max(1), Ordering::Release);
        let said = |(name, fault): (String, KeyFault)| (name, fault.to_string());
        Brought {
            generation,
            changed,
            usable,
            skipped: file.skipped.into_iter().map(said).collect(),
        }
    }

    fn ends(&self) {
        self.state.phase.store(CLOSED, Ordering::Release);
        self.state.fetches.send_modify(|count| *count += 1);
    }
}

impl State {
    fn step(&self, from: u8, to: u8) -> Result<u8, u8> {
        self.phase.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }
}

/// One of those who wait.
struct Place(Arc<State>);

impl Place {
    fn take(state: &Arc<State>) -> Option<Place> {
        let room = |waiting: usize| (waiting < MAX_WAITING).then_some(waiting + 1);
        state.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()?;
        Some(Place(state.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The URL: what to call it in logs. A policy holds no password in it.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.url.fmt(f)
    }
}
