//! What a worker knows of an endpoint's health, from the answers that it gets there.

use std::cell::Cell;

/// Failures in a row, and until when the endpoint has a rest from requests.
#[derive(Debug, Default)]
pub(super) struct Health {
    failures: Cell<u32>,
    /// A tick of the worker's clock; 0 where it has none.
    out_until: Cell<u64>,
    /// Until when a failure is remembered of an endpoint that nobody asks.
    known_until: Cell<u64>,
}

impl Health {
    /// It has answered: nothing before counts any more.
    pub(super) fn answered(&self) {
        self.failures.set(0);
        self.out_until.set(0);
    }

    /// It has failed once more, at this tick; after so many in a row it is out until that one. Says
    /// whether that begins now. After a rest one more failure is enough, for as long again.
    pub(super) fn failed(&self, most: u32, now: u64, until: u64) -> bool {
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        self.known_until.set(until.saturating_mul(2).saturating_sub(now));
        if failures >= most {
            self.out_until.set(until);
        }
        failures == most
    }

    /// Whether requests should go elsewhere at this tick.
    pub(super) fn is_out(&self, now: u64) -> bool {
        self.out_until.get() > now
    }

    /// Whether there is anything that must not be forgotten.
    pub(super) fn is_known(&self, now: u64) -> bool {
        self.failures.get() > 0 && self.known_until.get() > now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p14_after_so_many_failures_in_a_row_an_endpoint_has_a_rest() {
        for most in [1, 2, 5] {
            let health = Health::default();
            for failed in 1..=most + 1 {
                let begins = health.failed(most, 50, 100);
                assert_eq!((begins, health.is_out(99)), (failed == most, failed >= most));
            }
            assert!(!health.is_out(100), "the rest is over");
            assert!(health.is_known(149) && !health.is_known(150), "and then forgotten");
            health.failed(most, 100, 200);
            assert!(health.is_out(150), "one more is enough");
            health.answered();
            assert!(!health.is_out(150) && !health.is_known(150));
        }
    }

    #[test]
    fn p14_an_answer_in_between_begins_the_count_anew() {
        let health = Health::default();
        for _ in 0..10 {
            health.failed(3, 50, 100);
            health.failed(3, 50, 100);
            health.answered();
        }
        assert!(!health.is_out(0));
    }
}
