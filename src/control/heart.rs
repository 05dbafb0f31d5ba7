//! Whether somebody still looks at the files. Who does tells so with each look; a thread that has
//! ended, or hangs in one, is seen by whoever asks (readiness, metrics, the log).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// From the beginning of one look to that of the next, at most. Reading and compiling the largest
/// policies takes a part of it.
pub const MAX_SILENCE: Duration = Duration::from_secs(120);

/// What is known of a watcher; clones speak of the same one.
#[derive(Clone, Debug)]
pub struct Heart(Arc<Beats>);

/// Held by the watcher. Dropped, also by a panic, the watcher has ended.
#[derive(Debug)]
pub(super) struct Beating(Heart);

#[derive(Debug)]
struct Beats {
    born: Instant,
    /// Milliseconds from then to the last look.
    last: AtomicU64,
    ended: AtomicBool,
    blind: AtomicBool,
}

/// How it is with a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watching {
    /// A change is heard of at once.
    Hears,
    /// A folder cannot be watched, so changes are found when contents are compared next.
    Compares,
    /// It has begun its last look so long ago, and not come back.
    Hangs(Duration),
    /// Its thread has ended: no change is found any more.
    Ended,
}

impl Watching {
    /// Whether changes are still found.
    pub fn is_alive(self) -> bool {
        matches!(self, Watching::Hears | Watching::Compares)
    }
}

impl Heart {
    /// How it is with the watcher.
    pub fn watching(&self) -> Watching {
        self.watching_at(Instant::now())
    }

    fn watching_at(&self, now: Instant) -> Watching {
        let Beats { born, last, ended, blind } = &*self.0;
        let last = *born + Duration::from_millis(last.load(Ordering::Acquire));
        let silence = now.saturating_duration_since(last);
        match (ended.load(Ordering::Acquire), silence > MAX_SILENCE) {
            (true, _) => Watching::Ended,
            (false, true) => Watching::Hangs(silence),
            (false, false) if blind.load(Ordering::Acquire) => Watching::Compares,
            (false, false) => Watching::Hears,
        }
    }
}

impl Beating {
    /// A watcher that has looked just now.
    pub(super) fn begin() -> Beating {
        let (ended, blind) = (AtomicBool::new(false), AtomicBool::new(false));
        let beats = Beats { born: Instant::now(), last: AtomicU64::new(0), ended, blind };
        Beating(Heart(Arc::new(beats)))
    }

    /// For those who ask.
    pub(super) fn heart(&self) -> Heart {
        self.0.clone()
    }

    /// A look begins.
    pub(super) fn beat(&self) {
        let since = u64::try_from(self.0.0.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.0.last.store(since, Ordering::Release);
    }

    /// Whether events come for every folder. Says whether that has changed.
    pub(super) fn hears(&self, hears: bool) -> bool {
        self.0.0.blind.swap(!hears, Ordering::AcqRel) == hears
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.0.0.ended.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_a_look_may_take_so_long_and_no_longer() {
        let beating = Beating::begin();
        let (heart, born) = (beating.heart(), beating.0.0.born);
        let step = Duration::from_millis(1);
        let later = MAX_SILENCE + step;
        for (after, watching) in [
            (MAX_SILENCE - step, Watching::Hears),
            (MAX_SILENCE, Watching::Hears),
            (later, Watching::Hangs(later)),
        ] {
            assert_eq!(heart.watching_at(born + after), watching);
        }
        assert!(!Watching::Hangs(later).is_alive());
    }

    #[test]
    fn p12_a_watcher_that_is_gone_has_ended_also_by_a_panic() {
        let beating = Beating::begin();
        let heart = beating.heart();
        assert!(heart.watching().is_alive());
        let thread = std::thread::spawn(move || {
            beating.beat();
            panic!("a defect, on purpose");
        });
        assert!(thread.join().is_err());
        assert_eq!(heart.watching(), Watching::Ended);
        assert!(!heart.watching().is_alive());
    }

    #[test]
    fn p12_who_hears_nothing_compares() {
        let beating = Beating::begin();
        assert!(!beating.hears(true), "as before");
        assert!(beating.hears(false));
        assert!(!beating.hears(false));
        assert_eq!(beating.heart().watching(), Watching::Compares);
        assert!(beating.hears(true));
        assert_eq!(beating.heart().watching(), Watching::Hears);
    }
}
