//! A worker: one thread, one runtime, its own listeners, its own upstream connections.
//!
//! Everything that requests touch belongs to one worker, so it is counted with `Cell`s and shared
//! with `Rc`s. What crosses threads is the policy, the number of connections and the word to stop.

use super::announced;
use super::budget::{Budget, Total};
use super::connection;
use super::deadline::{Clock, TICK};
use super::failures::Failures;
use super::headers;
use super::listener::Listener;
use super::pool::{Pool, TELL_AGAIN, To};
use super::random::Random;
use super::socket::Socket;
use super::sources::Sources;
use super::turn::Turn;
use super::{AtEnd, Door, ProxyConfig, Recorder, Share};
use crate::control::upstreams::Spot;
use crate::control::{Live, Reader};
use crate::identity::Peer;
use crate::policy::snapshot::UpstreamId;
use crate::policy::upstream::{Protocol, Upstream};
use crate::settings::Limits;
use http::HeaderValue;
use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::LocalOptions;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// What the connections and requests of one thread share.
pub(super) struct Worker {
    /// Every named limit.
    pub(super) limits: Limits,
    /// The one clock.
    pub(super) clock: Rc<Clock>,
    /// When responses are written.
    pub(super) turn: Rc<Turn>,
    /// Connections to upstreams.
    pub(super) pool: Pool,
    /// Where records go.
    pub(super) recorder: Rc<dyn Recorder>,
    /// Who has brought bad credentials.
    pub(super) failures: Failures,
    /// What may be held of bodies.
    pub(super) budget: Budget,
    /// Connections by where they come from.
    pub(super) sources: Sources,
    /// When it was told last that a load balancer does not say for whom it connects.
    pub(super) silent_told: Cell<Option<Instant>>,
    /// Two readings of one moment, of every tick: a request reads one clock and has both.
    moment: Cell<(std::time::Instant, SystemTime)>,
    /// Ids.
    pub(super) random: Random,
    reader: RefCell<Reader>,
    live: RefCell<Rc<Held>>,
    /// The generation that everybody who waits has been woken for.
    told: Cell<u64>,
    draining: Cell<bool>,
    own: Cell<usize>,
    /// Client connections of all workers.
    all: Arc<AtomicUsize>,
}

/// What workers count together.
#[derive(Clone, Debug)]
pub(super) struct All {
    /// Client connections.
    pub(super) open: Arc<AtomicUsize>,
    /// Bytes of bodies.
    pub(super) held: Arc<Total>,
}

/// What is live, counted once for the whole worker.
pub(super) struct Held {
    live: Arc<Live>,
    policy: HeaderValue,
    /// Where each upstream is, and which version of that this is.
    spots: Box<[Arc<[Spot]>]>,
    version: u64,
}

impl Held {
    fn new(live: Arc<Live>) -> Held {
        let policy = headers::policy_value(live.snapshot.digest());
        // Before what it is the version of: what is found out in between is taken over next time.
        let version = live.upstreams.version();
        let spots = live.upstreams.spots().collect();
        Held { live, policy, spots, version }
    }

    /// The first digits of the policy's digest, as upstreams are told.
    pub(super) fn policy(&self) -> &HeaderValue {
        &self.policy
    }

    /// Where an upstream is, and how to speak to it.
    pub(super) fn to(&self, upstream: UpstreamId) -> To<'_> {
        let Upstream { protocol, timeouts, .. } = self.snapshot.upstream(upstream);
        let spots = &self.spots[upstream.0 as usize];
        let http2 = *protocol == Protocol::Http2;
        To { spots, http2, timeouts: timeouts.as_deref() }
    }
}

impl Deref for Held {
    type Target = Live;

    fn deref(&self) -> &Live {
        &self.live
    }
}

/// A listener that the runtime knows.
enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// One accepted connection in the count; dropped, it is out of it.
struct Counted(Rc<Worker>);

/// Runs a worker until it is told to stop and its last connection has ended, or the time to drain
/// is over.
pub(super) fn run(
    config: &ProxyConfig,
    number: usize,
    listeners: Vec<Share>,
    all: All,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    let worker = Worker::new(config, number, all);
    runtime.block_on(async {
        let mut accepting = Vec::with_capacity(listeners.len());
        for (listener, door) in listeners {
            let listener = Accepting::try_from(listener)?;
            let (worker, stop) = (worker.clone(), stop.clone());
            accepting.push(tokio::task::spawn_local(accept(worker, listener, door, stop)));
        }
        let turn = worker.turn.clone();
        let turns = tokio::task::spawn_local(async move { turn.run().await });
        worker.clone().keep_time(stop).await;
        for task in accepting {
            // One that has panicked has been told of, and accepts no more.
            let _panicked = task.await;
        }
        worker.drain().await;
        turns.abort();
        Ok(())
    })
}

impl Worker {
    fn new(config: &ProxyConfig, number: usize, all: All) -> Rc<Worker> {
        let clock = Rc::new(Clock::default());
        let recorder: Rc<dyn Recorder> = (config.recorder)(number).into();
        let pool = Pool::new(clock.clone(), &config.limits, recorder.clone());
        Rc::new(Worker {
            limits: config.limits.clone(),
            clock,
            turn: Rc::default(),
            pool,
            recorder,
            budget: Budget::new(all.held),
            sources: Sources::new(config.limits.source_connections),
            silent_told: Cell::default(),
            failures: Failures::new(config.limits.auth_failures, config.limits.auth_window),
            moment: Cell::new((std::time::Instant::now(), SystemTime::now())),
            random: Random::new(),
            reader: RefCell::new(config.store.reader()),
            live: RefCell::new(Rc::new(Held::new(config.store.load()))),
            told: Cell::new(0),
            draining: Cell::new(false),
            own: Cell::new(0),
            all: all.open,
        })
    }

    /// What is live now. The count of its users is the worker's own: workers that count in one
    /// place slow each other down.
    pub(super) fn live(&self) -> Rc<Held> {
        let mut reader = self.reader.borrow_mut();
        let current = reader.current();
        let mut live = self.live.borrow_mut();
        if !Arc::ptr_eq(current, &live.live) {
            *live = Rc::new(Held::new(current.clone()));
        }
        live.clone()
    }

    /// The time of day at this moment, which may be a tick behind where the clock was set.
    pub(super) fn time_at(&self, moment: std::time::Instant) -> SystemTime {
        let (before, time) = self.moment.get();
        time + moment.saturating_duration_since(before)
    }

    /// The time of day at the last tick.
    pub(super) fn last_look(&self) -> SystemTime {
        self.moment.get().1
    }

    /// Whether connections are to end after what they are doing.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Moves the clock on until the word to stop comes. A sender that is gone means stop as well.
    async fn keep_time(self: Rc<Worker>, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.tick(),
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn tick(&self) {
        self.clock.tick();
        self.moment.set((std::time::Instant::now(), SystemTime::now()));
        self.pool.evict();
        // A policy that is no longer live is let go even if no request comes, and whoever was
        // allowed to stay by it hears of the new one.
        let live = self.live();
        if live.upstreams.version() != live.version {
            *self.live.borrow_mut() = Rc::new(Held::new(live.live.clone()));
        }
        let generation = live.snapshot.generation();
        if self.told.replace(generation) != generation {
            self.clock.wake_all();
        }
    }

    /// Ends every connection after what it is doing, and waits.
    async fn drain(&self) {
        self.draining.set(true);
        self.clock.wake_all();
        let deadline = Instant::now() + self.limits.drain;
        let mut ticks = interval(DRAIN_TICK);
        let mut since_tick = std::time::Duration::ZERO;
        while self.own.get() > 0 && Instant::now() < deadline {
            ticks.tick().await;
            since_tick += DRAIN_TICK;
            if since_tick >= TICK {
                since_tick -= TICK;
                self.clock.tick();
            }
        }
    }

    /// Counts a connection, if there may be one more.
    fn count(self: &Rc<Worker>) -> Option<Counted> {
        let room = |open: usize| (open < self.limits.connections).then_some(open + 1);
        self.all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        self.own.set(self.own.get() + 1);
        Some(Counted(self.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.all.fetch_sub(1, Ordering::Relaxed);
        self.0.own.set(self.0.own.get() - 1);
    }
}

/// Accepts until the word to stop comes, and then whoever waits in the queue already: who is
/// connected when a listener is closed and has not been accepted is reset.
async fn accept(
    worker: Rc<Worker>,
    listener: Accepting,
    door: Door,
    mut stop: watch::Receiver<bool>,
) {
    let mut told: Option<Instant> = None;
    let mut last = 0;
    while last < MAX_LAST {
        last += usize::from(*stop.borrow());
        // At the limit, clients wait in the kernel's queue: nothing is lost, nothing is promised.
        let Some(counted) = worker.count() else {
            if *stop.borrow() {
                return;
            }
            tokio::time::sleep(TICK).await;
            continue;
        };
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((socket, peer)) => welcome(counted, socket, peer, &door),
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) if *stop.borrow() => return,
            Err(error) => {
                // EMFILE and the like pass when connections end; to try at once would spin.
                if told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
                    told = Some(Instant::now());
                    tracing::error!(%error, "cannot accept connections; trying again");
                }
                tokio::time::sleep(TICK).await;
            }
        }
    }
}

/// Serves a connection on a task of its own.
fn welcome(counted: Counted, socket: Socket, peer: Peer, door: &Door) {
    let worker = counted.0.clone();
    let announces = door.announcers.as_ref().is_some_and(|from| from.lists(peer.address()));
    let of_source = match announces {
        // It connects for many: each of them is counted once it is known.
        true => None,
        false => match worker.sources.count(peer) {
            // Closed at once: whoever has so many has had its share of this worker.
            None => return,
            counted => counted,
        },
    };
    let tls = door.tls.clone();
    tokio::task::spawn_local(async move {
        let _of_source = of_source;
        worker.recorder.connection_opened();
        let recorder = worker.recorder.clone();
        let _closed = AtEnd(recorder, |recorder| recorder.connection_closed());
        match announces {
            true => Box::pin(announced::serve(worker, socket, peer, tls)).await,
            false => connection::serve(worker, socket, peer, tls).await,
        }
        drop(counted);
    });
}

/// An error of the connection that was being accepted, not of the listener (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

impl Accepting {
    async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Accepting::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Peer::Ip(peer.ip().to_canonical())))
            }
            Accepting::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), Peer::Unix))
            }
        }
    }
}

impl TryFrom<Listener> for Accepting {
    type Error = io::Error;

    fn try_from(listener: Listener) -> io::Result<Accepting> {
        Ok(match listener {
            Listener::Tcp(listener) => Accepting::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener) => Accepting::Unix(UnixListener::from_std(listener)?),
        })
    }
}

/// Connections of a queue that are still accepted after the word to stop: as many as a queue holds.
/// More can come only where another process has the socket too, and accepts them.
const MAX_LAST: usize = 4096;

/// How often a draining worker looks whether it is done.
const DRAIN_TICK: std::time::Duration = std::time::Duration::from_millis(10);
