//! The memory that bodies may take which are held whole, over all requests of the process.
//!
//! Workers draw on one sum in large pieces and count in those by themselves, so that on the way of a
//! request nothing is written that two of them share.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all workers have together.
#[derive(Debug)]
pub(super) struct Total {
    most: usize,
    /// What a worker draws at a time.
    piece: usize,
    taken: AtomicUsize,
}

/// One worker's part of it.
#[derive(Debug)]
pub(super) struct Budget {
    total: Arc<Total>,
    /// Drawn and not used.
    spare: Cell<usize>,
}

impl Total {
    /// So many bytes.
    pub(super) fn new(most: usize) -> Arc<Total> {
        let piece = (most / PIECES).min(MAX_PIECE);
        Arc::new(Total { most, piece, taken: AtomicUsize::new(0) })
    }

    fn draw(&self, bytes: usize) -> bool {
        let room = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.most);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }
}

impl Budget {
    /// A worker's part, of which nothing is drawn.
    pub(super) fn new(total: Arc<Total>) -> Budget {
        Budget { total, spare: Cell::new(0) }
    }

    /// Whether so many bytes more may be held.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let spare = self.spare.get();
        if bytes <= spare {
            self.spare.set(spare - bytes);
            return true;
        }
        let lacking = bytes - spare;
        if self.total.draw(lacking.saturating_add(self.total.piece)) {
            self.spare.set(self.total.piece);
            return true;
        }
        let exactly = self.total.draw(lacking);
        if exactly {
            self.spare.set(0);
        }
        exactly
    }

    /// So many bytes more are held, whether they may or not: what has been fetched is not thrown
    /// away. New requests wait until they are gone.
    pub(super) fn count(&self, bytes: usize) {
        if !self.take(bytes) {
            self.total.taken.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// So many are no longer held.
    pub(super) fn give(&self, bytes: usize) {
        let spare = self.spare.get() + bytes;
        let kept = if spare > 2 * self.total.piece { self.total.piece } else { spare };
        self.spare.set(kept);
        if spare > kept {
            self.total.taken.fetch_sub(spare - kept, Ordering::Relaxed);
        }
    }

    /// Whether nothing more should be begun.
    pub(super) fn is_full(&self) -> bool {
        self.spare.get() == 0 && self.total.taken.load(Ordering::Relaxed) >= self.total.most
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.total.taken.fetch_sub(self.spare.get(), Ordering::Relaxed);
    }
}

/// A worker draws this part of all at a time, so that what others have drawn and not used hides
/// little.
const PIECES: usize = 256;

/// And no more than this.
const MAX_PIECE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(total: &Total) -> usize {
        total.taken.load(Ordering::Relaxed)
    }

    #[test]
    fn p13_so_many_bytes_are_held_and_no_more() {
        const MOST: usize = 100_000;
        for (first, more, fits) in
            [(MOST - 2, 1, true), (MOST - 1, 1, true), (MOST, 1, false), (MOST - 1, 2, false)]
        {
            let total = Total::new(MOST);
            let (one, other) = (Budget::new(total.clone()), Budget::new(total.clone()));
            assert!(one.take(first), "{first}");
            // What the other has drawn beyond its need is no obstacle to itself.
            assert_eq!(other.take(more) || one.take(more), fits, "{first} and {more}");
        }
        assert!(!Budget::new(Total::new(MOST)).take(MOST + 1));
    }

    #[test]
    fn p13_what_is_given_back_can_be_taken_and_nothing_is_lost() {
        let total = Total::new(10_000_000);
        let budget = Budget::new(total.clone());
        for bytes in [1, total.piece, 3 * total.piece, 9_000_000, 10_000_000] {
            assert!(budget.take(bytes), "{bytes}");
            budget.give(bytes);
            assert!(taken(&total) <= 2 * total.piece, "{bytes}");
        }
        drop(budget);
        assert_eq!(taken(&total), 0);
    }

    #[test]
    fn p13_what_has_been_fetched_counts_beyond_the_limit() {
        let total = Total::new(1_000);
        let budget = Budget::new(total.clone());
        budget.count(5_000);
        assert!(budget.is_full() && !budget.take(1));
        budget.give(5_000);
        assert!(!budget.is_full() && budget.take(1_000));
        assert!(budget.is_full());
    }

    #[test]
    fn p13_small_bodies_cost_no_shared_count() {
        let total = Total::new(1 << 30);
        let budget = Budget::new(total.clone());
        assert!(budget.take(1));
        let drawn = taken(&total);
        for _ in 0..100 {
            assert!(budget.take(64 * 1024));
            budget.give(64 * 1024);
        }
        assert_eq!(taken(&total), drawn);
    }
}
