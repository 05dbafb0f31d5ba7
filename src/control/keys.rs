//! Fetching the keys of issuers, and asking them, on a thread of its own: at the start, every `refresh`, and when a
//! request has a token whose key is not known.
//!
//! Each URL is fetched by one task, so never twice at a time. What it brings goes into the
//! [`KeySource`], from which requests take it; the policy is not compiled again.

use super::fetch::{Client, FetchError};
use super::introspect;
use crate::identity::{
    Answer, Brought, Identity, IntrospectionUrl, Introspector, KeySource, NoKeySet,
};
use crate::telemetry::unix_seconds;
use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::Full;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// The thread that fetches. Dropping it ends it.
#[derive(Debug)]
pub struct KeyFetcher {
    /// What is to be fetched from now on, and who is to be asked.
    wanted: Option<UnboundedSender<Wanted>>,
    thread: Option<JoinHandle<()>>,
}

/// What one fetch came to.
pub type Outcome = Result<Brought, KeyError>;

/// Why a fetch brought no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Another answer than 200.
    #[error("the answer is {0}, where 200 is expected; redirects are not followed")]
    Status(StatusCode),
    /// Something that is no key set.
    #[error("of what was answered: {0}")]
    Content(#[from] NoKeySet),
}

/// Hears of each fetch when it is over.
pub trait Told: Fn(&KeySource, &Outcome) + Send + Sync + 'static {}

impl<F: Fn(&KeySource, &Outcome) + Send + Sync + 'static> Told for F {}

impl KeyFetcher {
    /// Starts the thread. It fetches nothing until it is told what.
    pub fn start(told: impl Told, asked: impl introspect::Told) -> io::Result<KeyFetcher> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (sender, mut receiver) = unbounded_channel();
        let told: Arc<dyn Told> = Arc::new(told);
        let asked: Arc<dyn introspect::Told> = Arc::new(asked);
        let thread = std::thread::Builder::new().name("keys".into()).spawn(move || {
            runtime.block_on(async {
                let mut kept = Vec::new();
                while let Some(Wanted { sources, introspectors }) = receiver.recv().await {
                    follow(&mut kept, sources, &told);
                    introspectors.iter().for_each(|one| introspect::begin(one, &asked));
                }
            });
            // A name that is being looked up is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(KeyFetcher { wanted: Some(sender), thread: Some(thread) })
    }

    /// Does what these authenticators want from now on: fetches their keys, and no others; asks
    /// about opaque tokens. What was fetched or asked already goes on.
    pub fn follow(&self, identity: &Identity) {
        let wanted = Wanted {
            sources: identity.key_sources(),
            introspectors: identity.introspectors().to_vec(),
        };
        if let Some(sender) = &self.wanted {
            // A thread that has panicked has said so; readiness tells of keys that grow old.
            let _gone = sender.send(wanted);
        }
    }
}

/// What authenticators want of others.
struct Wanted {
    sources: Vec<Arc<KeySource>>,
    introspectors: Vec<Arc<Introspector>>,
}

impl Drop for KeyFetcher {
    fn drop(&mut self) {
        drop(self.wanted.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Fetches each once, and says what came of it: for commands, which have no time to wait.
pub fn fetch_once(sources: &[Arc<KeySource>]) -> io::Result<Vec<Outcome>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcomes = runtime.block_on(async {
        let mut outcomes = Vec::new();
        for source in sources {
            outcomes.push(fetch(source, &Client::new(source.settings().ca.as_ref())).await);
        }
        outcomes
    });
    runtime.shutdown_background();
    Ok(outcomes)
}

/// Asks about an opaque token, and says what the issuer answered, or why it did not: for commands.
/// `None` where nobody is to be asked.
pub fn ask_once(identity: &Identity, token: &str) -> io::Result<Option<Result<Answer, String>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let failed = Arc::new(Mutex::new(None));
    let heard = failed.clone();
    let told = move |_: &IntrospectionUrl, outcome: &introspect::Outcome| {
        let why = outcome.as_ref().err().map(ToString::to_string);
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = why;
    };
    let told: Arc<dyn introspect::Told> = Arc::new(told);
    let answer = runtime.block_on(async {
        identity.introspectors().iter().for_each(|one| introspect::begin(one, &told));
        let answer = identity.ask_about(token, unix_seconds(SystemTime::now())).await;
        // The one who answered tells what it was after that.
        tokio::task::yield_now().await;
        answer
    });
    runtime.shutdown_background();
    let why = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(answer.map(|answer| why.map_or(Ok(answer), Err)))
}

/// A source and the task that fetches it.
struct Kept {
    source: Arc<KeySource>,
    task: AbortHandle,
}

fn follow(kept: &mut Vec<Kept>, sources: Vec<Arc<KeySource>>, told: &Arc<dyn Told>) {
    let same = |kept: &Kept, source: &Arc<KeySource>| Arc::ptr_eq(&kept.source, source);
    kept.retain(|known| {
        let stays = sources.iter().any(|source| same(known, source));
        if !stays {
            known.task.abort();
        }
        stays
    });
    for source in sources {
        if !kept.iter().any(|known| same(known, &source)) {
            let task = tokio::spawn(keep(source.clone(), told.clone())).abort_handle();
            kept.push(Kept { source, task });
        }
    }
}

/// Keeps one source's keys fresh for as long as the task lives.
async fn keep(source: Arc<KeySource>, told: Arc<dyn Told>) {
    let settings = source.settings();
    let client = Client::new(settings.ca.as_ref());
    loop {
        let outcome = fetch(&source, &client).await;
        told(&source, &outcome);
        let wait = match outcome {
            Ok(_) => settings.refresh,
            Err(_) => settings.cool_down.min(settings.refresh),
        };
        let next = Instant::now() + jittered(wait);
        sleep_until(next.min(Instant::now() + settings.cool_down)).await;
        source.opens();
        tokio::select! {
            () = source.wanted() => {}
            () = sleep_until(next) => {}
        }
    }
}

async fn fetch(source: &KeySource, client: &Result<Client, FetchError>) -> Outcome {
    source.begins();
    let settings = source.settings();
    let request = Request::get(&settings.url)
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .header(USER_AGENT, concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        .body(Full::<Bytes>::default())
        .expect("a URL that was parsed makes a request");
    let answer = match client {
        Ok(client) => client.fetch(request, settings.max_bytes, settings.timeout).await,
        Err(error) => Err(error.clone()),
    };
    match answer {
        Ok((StatusCode::OK, text)) => Ok(source.store(&text, unix_seconds(SystemTime::now()))?),
        Ok((status, _)) => {
            source.failed();
            Err(KeyError::Status(status))
        }
        Err(error) => {
            source.failed();
            Err(error.into())
        }
    }
}

/// Up to a tenth less, so that many instances do not ask at the same moment.
pub(super) fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8);
    let share = f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    wait.mul_f64(1.0 - share / 10.0)
}
