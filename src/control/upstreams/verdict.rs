//! What is known of an endpoint's health.

use crate::policy::upstream::HealthCheck;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether an endpoint is well, by its own answers. Until so many of them say otherwise it is, so
/// that neither a start nor a reload refuses what could be served.
#[derive(Debug)]
pub struct Verdict {
    unwell: AtomicBool,
    /// Seconds after which it may be another.
    retry_after: u32,
    streak: Mutex<Streak>,
}

/// Answers in a row.
#[derive(Debug, Default)]
struct Streak {
    good: u32,
    bad: u32,
    /// Why the last answer was no good one.
    why: Option<String>,
}

impl Verdict {
    pub(super) fn new(check: &HealthCheck) -> Verdict {
        let interval = check.interval.as_millis().div_ceil(1_000);
        let retry_after = u32::try_from(interval).unwrap_or(u32::MAX);
        Verdict { unwell: AtomicBool::new(false), retry_after, streak: Mutex::default() }
    }

    /// Whether requests may go there.
    pub fn is_well(&self) -> bool {
        !self.unwell.load(Ordering::Relaxed)
    }

    /// Seconds after which that may have changed.
    pub fn retry_after(&self) -> u32 {
        self.retry_after
    }

    /// Whether it has been asked, and why the last answer was no good one.
    pub fn heard(&self) -> (bool, Option<String>) {
        let streak = self.lock();
        (streak.good > 0 || streak.bad > 0, streak.why.clone())
    }

    /// Hears an answer, or why there is no good one. Whether the verdict turns.
    pub(super) fn hear(&self, answer: &Result<(), String>, check: &HealthCheck) -> bool {
        let mut streak = self.lock();
        match answer {
            Ok(()) => {
                let good = streak.good.saturating_add(1);
                *streak = Streak { good, ..Streak::default() };
                good >= check.healthy && self.unwell.swap(false, Ordering::Relaxed)
            }
            Err(why) => {
                let bad = streak.bad.saturating_add(1);
                *streak = Streak { bad, why: Some(why.clone()), ..Streak::default() };
                bad >= check.unhealthy && !self.unwell.swap(true, Ordering::Relaxed)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Streak> {
        self.streak.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn check(healthy: u32, unhealthy: u32) -> HealthCheck {
        let (interval, timeout) = (Duration::from_millis(1_001), Duration::from_secs(1));
        HealthCheck { path: "/".into(), interval, timeout, healthy, unhealthy, status: None }
    }

    fn bad() -> Result<(), String> {
        Err("refused".to_owned())
    }

    #[test]
    fn p14_so_many_answers_in_a_row_turn_the_verdict_and_no_fewer() {
        for (healthy, unhealthy) in [(1, 1), (2, 3), (3, 2)] {
            let check = check(healthy, unhealthy);
            let verdict = Verdict::new(&check);
            assert!(verdict.is_well() && !verdict.heard().0, "until it is asked");
            for told in 1..=unhealthy + 1 {
                let turns = verdict.hear(&bad(), &check);
                assert_eq!((turns, verdict.is_well()), (told == unhealthy, told < unhealthy));
            }
            assert_eq!(verdict.heard(), (true, Some("refused".to_owned())));
            for told in 1..=healthy + 1 {
                let turns = verdict.hear(&Ok(()), &check);
                assert_eq!((turns, verdict.is_well()), (told == healthy, told >= healthy));
            }
            assert_eq!(verdict.heard(), (true, None));
        }
    }

    #[test]
    fn p14_another_answer_in_between_begins_the_count_anew() {
        let check = check(2, 2);
        let verdict = Verdict::new(&check);
        for _ in 0..5 {
            assert!(!verdict.hear(&bad(), &check) && !verdict.hear(&Ok(()), &check));
        }
        assert!(verdict.is_well());
        verdict.hear(&bad(), &check);
        verdict.hear(&bad(), &check);
        for _ in 0..5 {
            assert!(!verdict.hear(&Ok(()), &check) && !verdict.hear(&bad(), &check));
        }
        assert!(!verdict.is_well());
    }

    #[test]
    fn it_is_worth_to_ask_again_after_the_next_question() {
        assert_eq!(Verdict::new(&check(1, 1)).retry_after(), 2, "whole seconds, upwards");
    }
}
