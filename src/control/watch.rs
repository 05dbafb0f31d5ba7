//! When to look at the files again: when the file system says that something happened, when
//! somebody asks (SIGHUP), and every few seconds in any case, because events can be lost.
//!
//! Events are hints. What counts is the content, which whoever is [`Watched`] compares.

use crate::control::heart::{Beating, Heart};
use crate::control::reload::{Outcome, Reloader};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// How long the files must have been quiet before they are read.
pub const QUIET: Duration = Duration::from_millis(200);

/// The longest that a stream of events can put a reload off.
pub const MAX_DELAY: Duration = Duration::from_millis(800);

/// How often the content is compared although nothing was heard.
pub const POLL: Duration = Duration::from_secs(5);

/// Hints that wait; more say nothing new.
const MAX_HINTS: usize = 64;

/// Asks the watcher to look now, or to stop.
#[derive(Clone, Debug)]
pub struct Nudge {
    hints: SyncSender<Hint>,
    /// Apart from the hints, because a queue that events have filled takes no more of them.
    stopped: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    Changed,
    Now,
    Stop,
}

/// Something that files on disk say.
pub trait Watched {
    /// What came of a look.
    type Outcome;

    /// The folders in which a change may be a change of it.
    fn folders(&self) -> Vec<PathBuf>;

    /// Compares the files with what is live, and makes them live where they differ and are good.
    /// What was refused before is told once more where somebody has `asked`.
    fn look(&mut self, asked: bool) -> Self::Outcome;
}

impl Watched for Reloader {
    type Outcome = Outcome;

    fn folders(&self) -> Vec<PathBuf> {
        Reloader::folders(self)
    }

    fn look(&mut self, asked: bool) -> Outcome {
        match asked {
            true => self.reload_aloud(),
            false => self.reload(),
        }
    }
}

/// A watcher that has not begun.
#[derive(Debug)]
pub struct Watch<W> {
    watched: W,
    hints: Receiver<Hint>,
    nudge: Nudge,
    watcher: Option<RecommendedWatcher>,
    followed: BTreeSet<PathBuf>,
    beating: Beating,
}

impl Nudge {
    /// Looks at the files now. One hint that waits is as good as many.
    pub fn reload(&self) {
        self.send(Hint::Now);
    }

    /// Ends the watcher, however many hints wait.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.send(Hint::Stop);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn send(&self, hint: Hint) {
        match self.hints.try_send(hint) {
            // A full queue will be looked at; a gone watcher needs no hint.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

impl<W: Watched> Watch<W> {
    /// Begins to listen to the file system.
    pub fn new(watched: W) -> Watch<W> {
        let (sender, hints) = sync_channel(MAX_HINTS);
        let nudge = Nudge { hints: sender, stopped: Arc::default() };
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
        let (followed, beating) = (BTreeSet::new(), Beating::begin());
        let mut watch = Watch { watched, hints, nudge, watcher, followed, beating };
        watch.follow_folders();
        watch
    }

    /// For asking from outside.
    pub fn nudge(&self) -> Nudge {
        self.nudge.clone()
    }

    /// For asking how it is.
    pub fn heart(&self) -> Heart {
        self.beating.heart()
    }

    /// Watches until stopped; `told` hears of every attempt that did or said something. Blocks.
    pub fn run(mut self, mut told: impl FnMut(&W::Outcome)) {
        while !self.nudge.is_stopped() {
            let mut asked = false;
            match self.hints.recv_timeout(POLL) {
                Ok(Hint::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Hint::Changed) => asked = self.wait_until_quiet(),
                Ok(Hint::Now) => asked = true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            // What was asked before the files are read is answered by reading them once.
            while let Ok(hint) = self.hints.try_recv() {
                asked |= hint == Hint::Now;
            }
            if self.nudge.is_stopped() {
                return;
            }
            self.beating.beat();
            told(&self.watched.look(asked));
            self.follow_folders();
        }
    }

    /// Waits for a pause in the events, or for the word to stop. Says whether somebody asked
    /// meanwhile, which ends the wait.
    fn wait_until_quiet(&self) -> bool {
        let deadline = Instant::now() + MAX_DELAY;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).min(QUIET);
            match self.hints.recv_timeout(left) {
                Ok(Hint::Changed) if !left.is_zero() && !self.nudge.is_stopped() => {}
                Ok(hint) => return hint == Hint::Now,
                Err(_) => return false,
            }
        }
    }

    fn follow_folders(&mut self) {
        let wanted: BTreeSet<PathBuf> = self.watched.folders().into_iter().collect();
        let failed = match &mut self.watcher {
            Some(watcher) => follow(watcher, &mut self.followed, &wanted),
            None => None,
        };
        // What cannot be watched is tried again after the next look at the files.
        if !self.beating.hears(self.watcher.is_some() && failed.is_none()) {
            return;
        }
        match failed {
            Some((folder, error)) => {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "not watched: files are compared every {POLL:?}");
            }
            None if self.watcher.is_some() => tracing::info!("all folders are watched again"),
            None => {}
        }
    }
}

/// Watches what is wanted and nothing else. Returns the last folder that cannot be watched.
fn follow(
    watcher: &mut RecommendedWatcher,
    followed: &mut BTreeSet<PathBuf>,
    wanted: &BTreeSet<PathBuf>,
) -> Option<(PathBuf, notify::Error)> {
    for gone in followed.difference(wanted) {
        // It may not be there any more, which is as good as not watched.
        let _ = watcher.unwatch(gone);
    }
    followed.retain(|folder| wanted.contains(folder));
    let mut failed = None;
    for folder in wanted.difference(&followed.clone()) {
        match watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => drop(followed.insert(folder.clone())),
            Err(error) => failed = Some((folder.clone(), error)),
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::heart::Watching;
    use crate::policy::resolve::Surroundings;
    use std::sync::mpsc::channel;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn watch() -> (Watch<Reloader>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.yaml");
        std::fs::write(&path, "policy: 1\n").unwrap();
        let reloader = Reloader::start(&path, Surroundings::default()).unwrap().0;
        (Watch::new(reloader), folder)
    }

    /// Runs it to its end, and counts how often it looked.
    fn looks(watch: Watch<Reloader>, looked: impl Fn() + Send + 'static) -> usize {
        let (sender, ended) = channel();
        std::thread::spawn(move || {
            let mut looks = 0;
            watch.run(|_| {
                looks += 1;
                looked();
            });
            sender.send(looks)
        });
        ended.recv_timeout(PATIENCE).expect("it does not end")
    }

    #[test]
    fn p15_a_full_queue_does_not_lose_the_word_to_stop() {
        for waiting in [MAX_HINTS - 1, MAX_HINTS, MAX_HINTS + 1] {
            let (watch, _folder) = watch();
            (0..waiting).for_each(|_| watch.nudge.send(Hint::Changed));
            watch.nudge.stop();
            assert_eq!(looks(watch, || ()), 0, "{waiting} hints");
        }
    }

    #[test]
    fn p12_many_wishes_to_reload_are_one_reload() {
        let (watch, _folder) = watch();
        let nudge = watch.nudge();
        (0..MAX_HINTS + 1).for_each(|_| nudge.reload());
        assert_eq!(looks(watch, move || nudge.stop()), 1);
    }

    /// Files in a folder that is not there.
    struct Nowhere(PathBuf);

    impl Watched for Nowhere {
        type Outcome = ();

        fn folders(&self) -> Vec<PathBuf> {
            vec![self.0.clone()]
        }

        fn look(&mut self, _: bool) {
            std::fs::create_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn p12_a_folder_that_cannot_be_watched_shows_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::new(Nowhere(folder.path().join("not/there")));
        let (heart, nudge) = (watch.heart(), watch.nudge());
        assert_eq!(heart.watching(), Watching::Compares);
        let thread = std::thread::spawn(move || watch.run(|()| ()));
        nudge.reload();
        let start = Instant::now();
        while heart.watching() != Watching::Hears {
            assert!(start.elapsed() < PATIENCE, "{:?}", heart.watching());
            std::thread::sleep(Duration::from_millis(5));
        }
        nudge.stop();
        thread.join().unwrap();
        assert_eq!(heart.watching(), Watching::Ended);
    }
}
