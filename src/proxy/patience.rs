//! How long a client is still waited for while it sends a body.
//!
//! It has so long at most for one pause, and each byte gives a little back: whoever sends less than
//! the rate runs out, in however small and regular pieces it comes. Only time in which we wait
//! counts, so an upstream that is slow to take a body costs its client nothing.

use super::deadline::TICK;
use crate::decide::Reason;
use crate::settings::Limits;
use std::cell::Cell;
use std::time::Duration;

/// The patience with one body.
#[derive(Debug)]
pub(super) struct Patience {
    most: Duration,
    /// Bytes a second; 0 where any byte gives all back.
    rate: u64,
    left: Cell<Duration>,
    /// The tick since which the client is waited for.
    since: Cell<Option<u64>>,
}

impl Patience {
    /// As long as this at most, and as this many bytes a second give back.
    pub(super) fn new(most: Duration, rate: u64) -> Patience {
        Patience { most, rate, left: Cell::new(most), since: Cell::new(None) }
    }

    /// The client is waited for, from this tick on: so long still.
    pub(super) fn begin(&self, now: u64) -> Duration {
        self.since.set(Some(now));
        self.left.get()
    }

    /// So many bytes have come at this tick. Whoever has none left by now is waited for no longer,
    /// even if more would come at once: the error says so.
    pub(super) fn came(&self, bytes: usize, now: u64) -> Result<(), Reason> {
        let ticks = self.since.take().map_or(0, |since| now - since);
        let waited = TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
        let left = self.left.get().saturating_add(self.worth(bytes)).saturating_sub(waited);
        self.left.set(left.min(self.most));
        if left.is_zero() { Err(Reason::ClientTimeout) } else { Ok(()) }
    }

    fn worth(&self, bytes: usize) -> Duration {
        match (bytes as u64).saturating_mul(NANOS).checked_div(self.rate) {
            Some(nanos) => Duration::from_nanos(nanos),
            None => self.most,
        }
    }
}

impl Limits {
    /// What a client has that sends a body.
    pub(super) fn patience(&self) -> Patience {
        Patience::new(self.body_idle, self.body_min_rate)
    }
}

/// In a second.
const NANOS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(10);

    /// What is left after a client has sent so many bytes every so many ticks, for so long.
    fn after(rate: u64, bytes: usize, every: u64, pieces: u64) -> Duration {
        let patience = Patience::new(MOST, rate);
        for piece in 0..pieces {
            patience.begin(piece * every);
            if patience.came(bytes, (piece + 1) * every).is_err() {
                return Duration::ZERO;
            }
        }
        patience.begin(pieces * every)
    }

    #[test]
    fn p13_who_sends_at_the_rate_is_waited_for_and_who_sends_less_runs_out() {
        // A second is ten ticks.
        for (bytes, left) in [(1023, false), (1024, true), (1025, true)] {
            let left_over = after(1024, bytes, 10, 20_000);
            assert_eq!(!left_over.is_zero(), left, "{bytes}: {left_over:?}");
        }
        assert_eq!(after(1024, 1, 1, 101), Duration::ZERO, "a byte every tick");
        assert!(after(1024, 1, 1, 50) > Duration::ZERO, "a grace");
    }

    #[test]
    fn p13_what_is_sent_at_once_is_not_saved_up() {
        assert_eq!(after(1024, 1 << 30, 1, 1), MOST);
        assert_eq!(after(1, usize::MAX, 1, 1), MOST, "nothing overflows");
    }

    #[test]
    fn p13_without_a_rate_any_byte_is_enough_and_none_is_not() {
        assert_eq!(after(0, 1, 99, 1_000), MOST);
        let patience = Patience::new(MOST, 0);
        assert_eq!(patience.begin(5), MOST);
    }

    #[test]
    fn p13_time_in_which_nobody_waits_costs_nothing() {
        let patience = Patience::new(MOST, 1024);
        patience.begin(0);
        patience.came(1, 10).unwrap();
        let left = MOST - Duration::from_secs(1) + Duration::from_nanos(NANOS / 1024);
        assert_eq!(patience.begin(1_000_000), left);
    }
}
