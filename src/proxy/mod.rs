//! The data plane.
//!
//! A request's way: [`listener`] → [`worker`] → [`connection`] → [`request`] (which tells the rest
//! in one function): [`canonical`] → decide → [`upload`] → [`outgoing`] → [`pool`] ([`sending`] →
//! [`link`] → [`answer`], [`rest`]) → [`shape`] → [`reply`], or [`respond`] where it is refused; its
//! [`story`] is handed over at the end. What a decision waits for is found out by [`ask`]. A request
//! that opens a WebSocket connection goes through [`upgrade`] and lives on in a [`tunnel`]; whatever
//! lasts is asked [`again`]. An upstream that speaks HTTP/2 is spoken to by [`http2`], with
//! [`trailers`], and refused calls of [`grpc`] are answered in its words. Where a listener speaks TLS,
//! [`tls`] stands before all of it, and before that [`announced`], where load balancers say for whom
//! they connect ([`proxy_protocol`]).

mod again;
mod announced;
mod answer;
mod ask;
mod asking;
mod budget;
mod canonical;
mod coding;
mod connection;
mod cors;
mod deadline;
mod dial;
mod failures;
mod frames;
mod framing;
mod grpc;
mod guarded;
mod guesses;
mod headers;
mod health;
mod http2;
mod inflated;
mod io;
mod link;
mod listener;
mod outgoing;
mod passed;
mod patience;
mod pool;
#[doc(hidden)]
pub mod probe;
pub mod proxy_protocol;
mod random;
mod received;
mod reply;
mod request;
mod respond;
mod rest;
mod sending;
mod shape;
mod sieve;
mod socket;
mod sources;
mod story;
mod tls;
mod told;
mod totals;
mod trailers;
mod tunnel;
mod turn;
mod upgrade;
mod upload;
mod watched;
mod worker;

pub use listener::{BindError, Handover};
pub use passed::{Passed, PassedError};

use crate::control::Store;
use crate::control::store::LiveTls;
use crate::identity::Fault;
use crate::policy::peers::Peers;
use crate::settings::{Limits, ListenAddress};
use crate::telemetry::WorkerTelemetry;
use crate::telemetry::record::Record;
use crate::tls::Handshake;
use listener::{Claimed, Listener};
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// What the data plane runs with.
#[derive(Clone)]
pub struct ProxyConfig {
    /// Where clients come in, and what TLS runs with there, if it does.
    pub listen: Vec<Door>,
    /// Threads, at least 1.
    pub workers: usize,
    /// What every buffer and every wait may take.
    pub limits: Limits,
    /// The live policy.
    pub store: Arc<Store>,
    /// Makes the recorder of each worker, on the worker's own thread.
    pub recorder: Arc<dyn Fn(usize) -> Box<dyn Recorder> + Send + Sync>,
}

/// A place where clients come in.
#[derive(Clone, Debug)]
pub struct Door {
    /// Where.
    pub address: ListenAddress,
    /// What is live of its certificates; `None` where it speaks HTTP in clear.
    pub tls: Option<Arc<LiveTls>>,
    /// Who says first for whom it connects (PROXY protocol).
    pub announcers: Option<Arc<Peers>>,
}

/// In clear.
impl From<ListenAddress> for Door {
    fn from(address: ListenAddress) -> Door {
        Door { address, tls: None, announcers: None }
    }
}

/// Is told what a worker does. Called on the hot path: nothing here may wait.
pub trait Recorder {
    /// A request is over.
    fn record(&self, record: Record);
    /// A client's connection was accepted.
    fn connection_opened(&self) {}
    /// A client's connection is gone.
    fn connection_closed(&self) {}
    /// Nobody was identified, and why.
    fn unidentified(&self, _fault: Fault) {}
    /// A TLS handshake with a client has ended.
    fn handshake(&self, _: Handshake) {}
    /// An HTTP/2 connection was ended because of the frames that its client sent.
    fn flooded(&self) {}
    /// Who is to say for whom it connects did not, and its connection was closed.
    fn not_announced(&self) {}
    /// A connection to an upstream was opened.
    fn upstream_opened(&self) {}
    /// A request goes over an upstream connection that has been used before.
    fn upstream_reused(&self) {}
    /// A connection to an upstream is gone.
    fn upstream_closed(&self) {}
}

/// Tells a recorder that something is over, however it ended.
struct AtEnd(Rc<dyn Recorder>, fn(&dyn Recorder));

impl Drop for AtEnd {
    fn drop(&mut self) {
        (self.1)(&*self.0);
    }
}

impl Recorder for WorkerTelemetry {
    fn record(&self, record: Record) {
        WorkerTelemetry::record(self, record);
    }

    fn connection_opened(&self) {
        WorkerTelemetry::connection_opened(self);
    }

    fn connection_closed(&self) {
        WorkerTelemetry::connection_closed(self);
    }

    fn unidentified(&self, fault: Fault) {
        WorkerTelemetry::unidentified(self, fault.as_str());
    }

    fn handshake(&self, handshake: Handshake) {
        WorkerTelemetry::handshake(self, handshake);
    }

    fn flooded(&self) {
        WorkerTelemetry::flooded(self);
    }

    fn not_announced(&self) {
        WorkerTelemetry::not_announced(self);
    }

    fn upstream_opened(&self) {
        WorkerTelemetry::upstream_opened(self);
    }

    fn upstream_reused(&self) {
        WorkerTelemetry::upstream_reused(self);
    }

    fn upstream_closed(&self) {
        WorkerTelemetry::upstream_closed(self);
    }
}

/// The data plane could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address could not be claimed.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gave no thread.
    #[error("cannot start a worker thread: {0}")]
    Thread(std::io::Error),
}

/// A data plane that runs. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Handle {
    addresses: Vec<ListenAddress>,
    /// Which of them speak TLS.
    secure: Vec<bool>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<std::io::Result<()>>>,
    /// Held so that no second instance claims the same addresses.
    _claims: Vec<UnixListener>,
}

/// A worker ended in a way that no worker should.
#[derive(Debug, thiserror::Error)]
pub enum WorkerFailed {
    /// It panicked.
    #[error("a worker thread panicked")]
    Panicked,
    /// Its runtime could not be built.
    #[error("a worker thread could not run: {0}")]
    Io(#[from] std::io::Error),
}

/// Claims the addresses and starts the workers. Returns when connections are accepted, or with the
/// first address that could not be claimed and nothing started.
pub fn serve(config: ProxyConfig) -> Result<Handle, ServeError> {
    serve_with(config, Handover::default())
}

/// The same, with what others have to do with the addresses.
pub fn serve_with(config: ProxyConfig, handover: Handover) -> Result<Handle, ServeError> {
    let workers = config.workers.max(1);
    let addresses = config.listen.iter().map(|door| &door.address);
    let claimed = listener::claim_all(addresses, workers, handover)?;
    let addresses = claimed.iter().map(|claimed| claimed.address.clone()).collect();
    let (stop, stopped) = watch::channel(false);
    let secure = config.listen.iter().map(|door| door.tls.is_some()).collect();
    let mut handle = Handle { addresses, secure, stop, threads: Vec::new(), _claims: Vec::new() };
    let all = worker::All {
        open: Arc::new(AtomicUsize::new(0)),
        held: budget::Total::new(config.limits.in_flight_bytes.unwrap_or(usize::MAX)),
    };
    for (number, listeners) in
        deal(claimed, &config.listen, workers, &mut handle).into_iter().enumerate()
    {
        let (config, all, stopped) = (config.clone(), all.clone(), stopped.clone());
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || worker::run(&config, number, listeners, all, stopped))
            .map_err(ServeError::Thread)?;
        handle.threads.push(thread);
    }
    Ok(handle)
}

/// A worker's share of a door.
type Share = (Listener, Door);

/// Gives each worker one listener of every address.
fn deal(
    claimed: Vec<Claimed>,
    doors: &[Door],
    workers: usize,
    handle: &mut Handle,
) -> Vec<Vec<Share>> {
    let mut dealt: Vec<Vec<Share>> = (0..workers).map(|_| Vec::new()).collect();
    for (Claimed { listeners, claim, .. }, door) in claimed.into_iter().zip(doors) {
        handle._claims.extend(claim);
        for (worker, listener) in dealt.iter_mut().zip(listeners) {
            worker.push((listener, door.clone()));
        }
    }
    dealt
}

impl Handle {
    /// Where clients come in, with the ports that were given where 0 was asked for.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// The same, each with whether it speaks TLS.
    pub fn doors(&self) -> impl Iterator<Item = (&ListenAddress, bool)> {
        self.addresses.iter().zip(self.secure.iter().copied())
    }

    /// Stops accepting, and ends every connection after what it is doing, or when the time to
    /// drain is over. Returns at once; [`Handle::join`] waits.
    pub fn drain(&self) {
        self.stop.send_replace(true);
    }

    /// Whether a worker has ended, which none should before it is told to.
    pub fn has_lost_a_worker(&self) -> bool {
        !*self.stop.borrow() && self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Waits until every worker has ended.
    pub fn join(self) -> Result<(), WorkerFailed> {
        self.drain();
        for thread in self.threads {
            thread.join().map_err(|_| WorkerFailed::Panicked)??;
        }
        Ok(())
    }
}
