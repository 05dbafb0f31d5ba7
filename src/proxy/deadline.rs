//! One coarse clock per worker in place of a timer per request.
//!
//! A proxy sets and clears several deadlines for every request and almost none of them ever
//! passes. Here setting one is a store into a cell; a sweep every [`TICK`] looks for those that
//! have passed and wakes their tasks. So every deadline is met at most two ticks late, never early.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How often the sweep runs, and so the precision of every deadline.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// No deadline.
const NEVER: u64 = u64::MAX;

/// A worker's clock: ticks since it started, and everybody who waits for one.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: Rc<Cell<u64>>,
    watched: RefCell<Vec<Weak<Deadline>>>,
}

/// A point in time that a task may wait for, moved and cleared at will.
#[derive(Debug)]
pub(super) struct Deadline {
    now: Rc<Cell<u64>>,
    at: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

impl Clock {
    /// A deadline that is not set.
    pub(super) fn deadline(&self) -> Rc<Deadline> {
        let (at, waker) = (Cell::new(NEVER), RefCell::new(None));
        let deadline = Rc::new(Deadline { now: self.now.clone(), at, waker });
        self.watched.borrow_mut().push(Rc::downgrade(&deadline));
        deadline
    }

    /// Ticks since the worker has started.
    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    /// The tick at which so long is over, counted from now.
    pub(super) fn tick_after(&self, after: Duration) -> u64 {
        tick_after(self.now(), after)
    }

    /// Moves the clock on and wakes those whose time has come. Called every [`TICK`].
    pub(super) fn tick(&self) {
        self.now.set(self.now.get() + 1);
        self.sweep(Deadline::passed);
    }

    /// Wakes everybody who waits, whatever their deadline: something else has changed.
    pub(super) fn wake_all(&self) {
        self.sweep(|_| true);
    }

    fn sweep(&self, wake: impl Fn(&Deadline) -> bool) {
        self.watched.borrow_mut().retain(|deadline| match deadline.upgrade() {
            Some(deadline) => {
                if wake(&deadline) {
                    deadline.wake();
                }
                true
            }
            None => false,
        });
    }
}

impl Deadline {
    /// Passes after this long, counted from now.
    pub(super) fn set(&self, after: Duration) {
        self.at.set(self.tick_after(after));
    }

    /// The same, and no later than this tick.
    pub(super) fn set_until(&self, after: Duration, end: u64) {
        self.at.set(self.tick_after(after).min(end));
    }

    /// The tick at which so long is over, counted from now.
    pub(super) fn tick_after(&self, after: Duration) -> u64 {
        tick_after(self.now(), after)
    }

    /// The same, unless it is set already: the first of several events counts.
    pub(super) fn set_once(&self, after: Duration) {
        if self.at.get() == NEVER {
            self.set(after);
        }
    }

    /// Passes after this long at the latest.
    pub(super) fn hasten(&self, after: Duration) {
        self.at.set(self.at.get().min(self.tick_after(after)));
    }

    /// Never passes.
    pub(super) fn clear(&self) {
        self.at.set(NEVER);
    }

    /// Ticks since the worker has started.
    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Whether it will pass.
    pub(super) fn is_set(&self) -> bool {
        self.at.get() != NEVER
    }

    /// Whether it has passed.
    pub(super) fn passed(&self) -> bool {
        self.now.get() >= self.at.get()
    }

    /// Ready when it has passed; the task is woken then, and by [`Clock::wake_all`].
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.passed() {
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(known) => known.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

fn tick_after(now: u64, after: Duration) -> u64 {
    let ticks = after.as_nanos().div_ceil(TICK.as_nanos());
    // The present tick is partly over, so one more.
    now.saturating_add(u64::try_from(ticks).unwrap_or(NEVER).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_deadline_is_never_early_and_at_most_two_ticks_late() {
        let clock = Clock::default();
        let deadline = clock.deadline();
        deadline.set(TICK * 3);
        for _ in 0..3 {
            clock.tick();
            assert!(!deadline.passed());
        }
        clock.tick();
        assert!(deadline.passed());
    }

    #[test]
    fn what_has_an_end_passes_by_then() {
        let clock = Clock::default();
        let deadline = clock.deadline();
        let end = deadline.tick_after(TICK * 2);
        deadline.set_until(TICK, end);
        assert_eq!(deadline.at.get(), deadline.tick_after(TICK));
        for _ in 0..3 {
            assert!(!deadline.passed());
            deadline.set_until(TICK * 100, end);
            clock.tick();
        }
        assert!(deadline.passed());
    }

    #[test]
    fn who_waits_is_woken_once_when_the_time_comes() {
        let clock = Clock::default();
        let deadline = clock.deadline();
        let count = Arc::new(Count(AtomicU32::new(0)));
        let waker = Waker::from(count.clone());
        let cx = Context::from_waker(&waker);
        deadline.set(TICK);
        assert!(deadline.poll(&cx).is_pending());
        clock.tick();
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        clock.tick();
        clock.tick();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(deadline.poll(&cx).is_ready());
    }

    #[test]
    fn the_first_of_several_events_counts_and_clearing_forgets_it() {
        let clock = Clock::default();
        let deadline = clock.deadline();
        deadline.set_once(TICK);
        clock.tick();
        deadline.set_once(TICK * 10);
        clock.tick();
        assert!(deadline.passed());
        deadline.clear();
        assert!(!deadline.passed());
    }

    #[test]
    fn forgotten_deadlines_leave_no_trace() {
        let clock = Clock::default();
        let kept = clock.deadline();
        for _ in 0..100 {
            drop(clock.deadline());
        }
        clock.tick();
        assert_eq!(clock.watched.borrow().len(), 1);
        drop(kept);
        clock.tick();
        assert_eq!(clock.watched.borrow().len(), 0);
    }
}
