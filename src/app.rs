//! The composition root: builds what lives as long as the process, wires it, drains it.

mod issuers;
mod upstreams;

use crate::admin::{self, Admin, AdminState, LastError, PolicyView, UpstreamView};
use crate::control::certificates::{self, CertificateError, Certificates};
use crate::control::heart::{Heart, Watching};
use crate::control::keys::KeyFetcher;
use crate::control::load::NotLoaded;
use crate::control::memory;
use crate::control::reload::{LoadError, Outcome, Reloader, Status};
use crate::control::store::{LiveTls, Store};
use crate::control::upstreams::Keeper;
use crate::control::watch::{Nudge, Watch, Watched};
use crate::diag::{Report, Severity, json};
use crate::identity::Assertion;
use crate::policy::resolve::Surroundings;
use crate::proxy::{self, Door, Handover, ProxyConfig};
use crate::settings::{Limits, Listen, ListenAddress, Settings};
use crate::source::Sources;
use crate::telemetry::{PolicyState, Telemetry, unix_seconds};
use crate::tls::KnowsPeers;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{SignalKind, signal};

/// How long the access log may take to write out its last lines.
const LOG_CLOSE: Duration = Duration::from_secs(2);

/// How long the watchers of files may take to end.
const WATCHER_CLOSE: Duration = Duration::from_secs(1);

/// How often it is looked whether they have.
const WATCHER_LOOK: Duration = Duration::from_millis(5);

/// How often the workers are looked after.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Characters of a remote text that are logged.
const MAX_SAID: usize = 300;

/// A running Portcullis.
#[derive(Debug)]
pub struct App {
    proxy: proxy::Handle,
    admin: Option<Admin>,
    /// Of the policy, and of certificates where a listener has some.
    watchers: Vec<Watcher>,
    parts: Arc<Parts>,
    upstream: Option<String>,
    /// Where the policy is read.
    policy: PathBuf,
    settings_file: Option<String>,
}

/// A thread that looks at files.
#[derive(Debug)]
struct Watcher {
    nudge: Nudge,
    thread: JoinHandle<()>,
}

/// What several threads look at.
#[derive(Debug)]
struct Parts {
    store: Arc<Store>,
    status: Arc<Status>,
    telemetry: Arc<Telemetry>,
    /// Of the listeners that speak TLS.
    certificates: Vec<Arc<LiveTls>>,
    ready: AtomicBool,
    keys: KeyFetcher,
    /// Of each watcher, with whose files those are.
    hearts: Vec<(&'static str, Heart)>,
    endpoints: Keeper,
}

/// Why nothing was started. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policy has errors; they are to be shown.
    #[error("the policy does not load")]
    Policy(Box<NotLoaded>),
    /// The admin address could not be taken.
    #[error(
        "{error}; {origin}; give it an address of its own (`127.0.0.1:0` takes a free port), or \
         switch it `off`"
    )]
    Admin {
        /// Why not.
        error: admin::BindError,
        /// Who has named it.
        origin: String,
    },
    /// The workers could not be started.
    #[error(transparent)]
    Proxy(#[from] proxy::ServeError),
    /// A listener's certificates cannot be used.
    #[error("a listener cannot speak TLS: {0}")]
    Certificates(#[from] CertificateError),
    /// The access log could not be opened.
    #[error(
        "the access log `{0}` cannot be opened: {1}; its folder must be there, and this user must \
         be allowed to write to it. `log.access` names it"
    )]
    AccessLog(String, io::Error),
    /// The system gave no thread or signal handler.
    #[error("the system does not let this process start: {0}")]
    System(#[from] io::Error),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it was asked to.
    Asked,
    /// A worker failed, and what was left has been drained.
    WorkerLost,
}

impl App {
    /// Starts everything, or nothing: the policy loads, then addresses are taken, then threads
    /// start. Warnings of the policy are handed to `warn`. `handover` is what others have to do with
    /// the addresses.
    pub fn start(
        settings: Settings,
        handover: Handover,
        warn: impl FnOnce(&Report, &Sources),
    ) -> Result<App, StartError> {
        let around = Surroundings {
            default_upstream: settings.upstream.clone(),
            upstream_required: true,
            allow_monitor: Some(settings.allow_monitor),
        };
        let (reloader, report, sources) =
            Reloader::start(&settings.policy, around).map_err(StartError::Policy)?;
        warn(&report, &sources);
        let known: Arc<dyn KnowsPeers> = reloader.store().clone();
        let files = settings.listen.iter().filter_map(|listen| listen.tls.as_ref());
        let certificates = Certificates::start(files, &known)?;
        let admin = settings.admin.as_ref().map(admin::bind).transpose().map_err(|error| {
            let origin = settings.origins.of_admin();
            StartError::Admin { error, origin }
        })?;
        let telemetry = Telemetry::start(&settings.access_log)
            .map_err(|error| StartError::AccessLog(settings.access_log.to_string(), error))?;
        let telemetry = Arc::new(telemetry);
        let keys = issuers::begin(&telemetry, &reloader.store().load().identity)?;
        let (store, status) = (reloader.store().clone(), reloader.status().clone());
        let live_tls = certificates.live().cloned().collect::<Vec<_>>();
        let policy = Watch::new(reloader);
        let certificates = (!live_tls.is_empty()).then(|| Watch::new(certificates));
        let mut hearts = vec![("the policy", policy.heart())];
        hearts.extend(certificates.iter().map(|watch| ("certificates", watch.heart())));
        let every = settings.limits.upstream_lookup;
        let endpoints = upstreams::begin(&telemetry, every, &store.load().upstreams)?;
        let parts = Arc::new(Parts {
            store,
            status,
            telemetry: telemetry.clone(),
            certificates: live_tls,
            ready: AtomicBool::new(false),
            keys,
            hearts,
            endpoints,
        });
        let config = ProxyConfig {
            listen: doors(settings.listen, &parts.certificates),
            workers: settings.workers,
            limits: within_memory(settings.limits),
            store: parts.store.clone(),
            recorder: Arc::new(move |_| Box::new(telemetry.worker())),
        };
        let proxy = proxy::serve_with(config, handover)?;
        let admin = admin.map(|bound| Admin::start(bound, parts.clone())).transpose()?;
        let told = parts.clone();
        let mut watchers =
            vec![Watcher::start("policy-watch", policy, move |outcome| told.hear(outcome))?];
        if let Some(certificates) = certificates {
            let told = parts.clone();
            let hear = move |outcome: &_| told.hear_of_certificates(outcome);
            watchers.push(Watcher::start("tls-watch", certificates, hear)?);
        }
        parts.ready.store(true, Ordering::Release);
        let upstream = settings.upstream.map(|upstream| upstream.to_string());
        let (policy, settings_file) = (settings.policy, settings.origins.file);
        Ok(App { proxy, admin, watchers, parts, upstream, policy, settings_file })
    }

    /// Where clients come in.
    pub fn addresses(&self) -> &[ListenAddress] {
        self.proxy.addresses()
    }

    /// Where the admin listener is.
    pub fn admin_address(&self) -> Option<&ListenAddress> {
        self.admin.as_ref().map(Admin::address)
    }

    /// Serves until SIGTERM or SIGINT, then drains: not ready, nothing accepted, what is under way
    /// is finished within the time that the settings give. SIGHUP reloads the policy
    /// and certificates. `ready` is
    /// called when signals are heard: whoever reads that it is ready may send one at once.
    pub fn run(self, ready: impl FnOnce(&App)) -> io::Result<Ended> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = runtime.block_on(self.wait(ready))?;
        self.stop(ended)
    }

    async fn wait(&self, ready: impl FnOnce(&App)) -> io::Result<Ended> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut look = tokio::time::interval(LOOK_AFTER);
        let mut watched = true;
        ready(self);
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(Ended::Asked),
                _ = interrupt.recv() => return Ok(Ended::Asked),
                _ = hang_up.recv() => self.watchers.iter().for_each(|one| one.nudge.reload()),
                _ = look.tick() => {
                    if self.proxy.has_lost_a_worker() {
                        tracing::error!("a worker thread ended; draining the others");
                        return Ok(Ended::WorkerLost);
                    }
                    self.parts.look_after_watchers(&mut watched);
                }
            }
        }
    }

    fn stop(self, ended: Ended) -> io::Result<Ended> {
        self.parts.ready.store(false, Ordering::Release);
        tracing::info!("draining");
        let joined = self.proxy.join();
        self.watchers.iter().for_each(|watcher| watcher.nudge.stop());
        // They only compare files: where one is reading a large policy, nothing is lost with it.
        let end = Instant::now() + WATCHER_CLOSE;
        let over = || self.watchers.iter().all(|watcher| watcher.thread.is_finished());
        while !over() && Instant::now() < end {
            std::thread::sleep(WATCHER_LOOK);
        }
        drop(self.admin);
        if !self.parts.telemetry.close(LOG_CLOSE) {
            tracing::warn!("the access log did not take its last lines");
        }
        match joined {
            Ok(()) => Ok(ended),
            Err(error) => {
                tracing::error!(%error, "while draining");
                Ok(Ended::WorkerLost)
            }
        }
    }
}

/// The limits, with what the memory that this process may have says of those that follow it.
fn within_memory(limits: Limits) -> Limits {
    let quarter = || usize::try_from(memory::limit()? / 4).ok();
    Limits { in_flight_bytes: limits.in_flight_bytes.or_else(quarter), ..limits }
}

impl Watcher {
    fn start<W: Watched + Send + 'static>(
        name: &str,
        watch: Watch<W>,
        hear: impl FnMut(&W::Outcome) + Send + 'static,
    ) -> io::Result<Watcher> {
        let nudge = watch.nudge();
        let thread = std::thread::Builder::new().name(name.into()).spawn(|| watch.run(hear))?;
        Ok(Watcher { nudge, thread })
    }
}

/// The listeners, with what is live of the certificates of those that speak TLS, in order.
fn doors(listen: Vec<Listen>, certificates: &[Arc<LiveTls>]) -> Vec<Door> {
    let mut live = certificates.iter().cloned();
    let door = |Listen { address, tls, announcers }| Door {
        address,
        tls: tls.and_then(|_| live.next()),
        announcers: announcers.map(Arc::new),
    };
    listen.into_iter().map(door).collect()
}

/// `listening on A, admin on B, policy generation N (digest) from P, settings from S, upstream U`
impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.proxy.doors().map(door_url).collect();
        write!(f, "listening on {}", addresses.join(" and "))?;
        if let Some(admin) = self.admin_address() {
            write!(f, ", admin on {}", url(admin))?;
        }
        let live = self.parts.store.load();
        let digest = live.snapshot.digest();
        let short = digest.get(..19).unwrap_or(digest);
        write!(f, ", policy generation {} ({short})", live.snapshot.generation())?;
        write!(f, " from {}", self.policy.display())?;
        match &self.settings_file {
            Some(file) => write!(f, ", settings from {file}")?,
            None => write!(f, ", no settings file")?,
        }
        match &self.upstream {
            Some(upstream) => write!(f, ", upstream {upstream}"),
            None => write!(f, ", upstreams as the policy names them"),
        }
    }
}

/// An address as clients write it.
pub fn url(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => format!("http://{address}"),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn door_url((address, secure): (&ListenAddress, bool)) -> String {
    match (address, secure) {
        (ListenAddress::Tcp(address), true) => format!("https://{address}"),
        (ListenAddress::Unix(_), true) => format!("{} (TLS)", url(address)),
        (_, false) => url(address),
    }
}

impl Parts {
    /// What is not seen any more of changes on disk, if there is something.
    fn unwatched(&self) -> Result<(), String> {
        let dead = |(what, heart): &(&str, Heart)| match heart.watching() {
            Watching::Hears | Watching::Compares => None,
            Watching::Hangs(since) => {
                let since = since.as_secs();
                Some(format!("the files of {what} have not been looked at for {since} s"))
            }
            Watching::Ended => Some(format!("nobody watches the files of {what} any more")),
        };
        self.hearts.iter().find_map(dead).map_or(Ok(()), Err)
    }

    /// Tells the log when a watcher is lost, and when it is there again.
    fn look_after_watchers(&self, watched: &mut bool) {
        match self.unwatched() {
            Err(why) if *watched => tracing::error!("{why}; restart this process"),
            Ok(()) if !*watched => tracing::info!("files are watched again"),
            _ => {}
        }
        *watched = self.unwatched().is_ok();
    }

    /// Tells the log and the metrics what a look at the certificates led to.
    fn hear_of_certificates(&self, outcome: &certificates::Outcome) {
        use certificates::Outcome;
        match outcome {
            Outcome::Unchanged | Outcome::StillRefused => {}
            Outcome::Published(listeners) => {
                self.telemetry.certificates_reloaded(true);
                tracing::info!(listeners, "the certificates have been reloaded");
            }
            Outcome::Refused(why) => {
                self.telemetry.certificates_reloaded(false);
                tracing::error!("the certificates on disk are refused, those before stay: {why}");
            }
        }
    }

    /// Tells the log and the metrics what a look at the files led to.
    fn hear(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Unchanged | Outcome::StillRefused => {}
            Outcome::Restored => {
                self.telemetry.reloaded(true, SystemTime::now());
                let generation = self.store.load().snapshot.generation();
                tracing::info!(generation, "the policy on disk is again the one that is live");
            }
            Outcome::Published(live) => {
                self.telemetry.reloaded(true, SystemTime::now());
                self.keys.follow(&live.identity);
                self.endpoints.follow(&live.upstreams);
                let (generation, digest) = (live.snapshot.generation(), live.snapshot.digest());
                tracing::info!(generation, %digest, "the policy has been reloaded");
            }
            Outcome::Refused(error) => {
                self.telemetry.reloaded(false, error.at);
                let generation = self.store.load().snapshot.generation();
                tracing::error!(generation, "the policy on disk is refused; this generation stays");
                log_problems(error);
            }
        }
    }
}

fn log_problems(error: &LoadError) {
    for problem in error.report.problems() {
        let place = problem.primary.as_ref().map(|label| error.sources.place(label.span));
        let place = place.map(|place| place.to_string()).unwrap_or_default();
        let (code, help) = (problem.code, problem.help.as_deref().unwrap_or_default());
        match problem.severity {
            Severity::Error => tracing::error!(%code, place, help, "{}", problem.message),
            Severity::Warning => tracing::warn!(%code, place, help, "{}", problem.message),
        }
    }
}

/// What a server may have written, for a line of the log.
fn clean(text: &str) -> String {
    text.chars().take(MAX_SAID).flat_map(char::escape_debug).collect()
}

impl AdminState for Parts {
    fn ready(&self) -> Result<(), String> {
        if !self.ready.load(Ordering::Acquire) {
            return Err("it starts or drains".into());
        }
        self.unwatched()?;
        match self.store.load().identity.keyless(unix_seconds(SystemTime::now())) {
            Some(keyless) => Err(keyless.to_string()),
            None => Ok(()),
        }
    }

    fn policy(&self) -> PolicyView {
        let live = self.store.load();
        PolicyView {
            generation: live.snapshot.generation(),
            digest: live.snapshot.digest().clone(),
            loaded_at: live.loaded_at,
            mode: live.snapshot.mode(),
            roles: live.snapshot.roles().len(),
            members: live.snapshot.people().len(),
            last_error: self.status.last_error().map(|error| LastError {
                at: error.at,
                problems: serde_json::from_str(&json::problems(&error.report, &error.sources))
                    .unwrap_or_default(),
            }),
        }
    }

    fn jwks(&self) -> Option<String> {
        self.store.load().identity.tell().assertion().map(Assertion::jwks)
    }

    fn upstreams(&self) -> Vec<UpstreamView> {
        upstreams::views(&self.store.load().upstreams)
    }

    fn metrics(&self) -> String {
        let live = self.store.load();
        self.telemetry.metrics(&PolicyState {
            generation: live.snapshot.generation(),
            loaded_at: live.loaded_at,
            keyless: live.identity.keyless(unix_seconds(SystemTime::now())).is_some(),
            certificates_expire: Certificates::expires(&self.certificates),
            watched: self.unwatched().is_ok(),
            events: self.hearts.iter().all(|(_, heart)| heart.watching() == Watching::Hears),
            endpoints: upstreams::endpoints(&live.upstreams),
        })
    }
}

#[cfg(test)]
mod tests;
