//! When to look at the files again: when the file system says that something happened, when
//! somebody asks (SIGHUP), and every few seconds in any case, because events can be lost.
//!
//! Events are hints. What counts is the content, which [`Reloader`] compares.

use crate::control::reload::{Outcome, Reloader};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// How long the files must have been quiet before they are read.
pub const QUIET: Duration = Duration::from_millis(200);

/// The longest that a stream of events can put a reload off.
pub const MAX_DELAY: Duration = Duration::from_millis(800);

/// How often the content is compared although nothing was heard.
pub const POLL: Duration = Duration::from_secs(5);

/// Asks the watcher to look now, or to stop.
#[derive(Clone, Debug)]
pub struct Nudge(SyncSender<Hint>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    Changed,
    Now,
    Stop,
}

/// A watcher that has not begun.
#[derive(Debug)]
pub struct Watch {
    reloader: Reloader,
    hints: Receiver<Hint>,
    nudge: Nudge,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Nudge {
    /// Looks at the files now. One hint that waits is as good as many.
    pub fn reload(&self) {
        self.send(Hint::Now);
    }

    /// Ends the watcher.
    pub fn stop(&self) {
        self.send(Hint::Stop);
    }

    fn send(&self, hint: Hint) {
        match self.0.try_send(hint) {
            // A full queue will be looked at; a gone watcher needs no hint.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

impl Watch {
    /// Begins to listen to the file system.
    pub fn new(reloader: Reloader) -> Watch {
        let (sender, hints) = sync_channel(64);
        let nudge = Nudge(sender);
        let told = nudge.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is an event too, and answering it by reading would never end.
            if !matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. })) {
                told.send(Hint::Changed);
            }
        });
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!(%error, "no file system events: files are compared every {POLL:?}");
            })
            .ok();
        let mut watch = Watch { reloader, hints, nudge, watcher, watched: BTreeSet::new() };
        watch.follow_folders();
        watch
    }

    /// For asking from outside.
    pub fn nudge(&self) -> Nudge {
        self.nudge.clone()
    }

    /// Watches until stopped; `told` hears of every attempt that did or said something. Blocks.
    pub fn run(mut self, mut told: impl FnMut(&Outcome)) {
        loop {
            match self.hints.recv_timeout(POLL) {
                Ok(Hint::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Hint::Changed) => {
                    if !self.wait_until_quiet() {
                        return;
                    }
                }
                Ok(Hint::Now) | Err(RecvTimeoutError::Timeout) => {}
            }
            let outcome = self.reloader.reload();
            told(&outcome);
            self.follow_folders();
        }
    }

    /// Waits for a pause in the events. False: stop.
    fn wait_until_quiet(&self) -> bool {
        let deadline = Instant::now() + MAX_DELAY;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).min(QUIET);
            match self.hints.recv_timeout(left) {
                Ok(Hint::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Ok(Hint::Changed) if !left.is_zero() => {}
                Ok(Hint::Changed | Hint::Now) | Err(RecvTimeoutError::Timeout) => return true,
            }
        }
    }

    fn follow_folders(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: BTreeSet<PathBuf> = self.reloader.folders().into_iter().collect();
        for gone in self.watched.difference(&wanted) {
            // It may not be there any more, which is as good as not watched.
            let _ = watcher.unwatch(gone);
        }
        let mut watched: BTreeSet<PathBuf> = self.watched.intersection(&wanted).cloned().collect();
        for folder in wanted.difference(&self.watched) {
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    watched.insert(folder.clone());
                }
                // Tried again after the next look at the files.
                Err(error) => tracing::debug!(%error, folder = %folder.display(), "not watched"),
            }
        }
        self.watched = watched;
    }
}
