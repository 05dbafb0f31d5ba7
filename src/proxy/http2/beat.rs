//! When to ask whether an upstream is still there. Pure.
//!
//! A connection that carries many requests must not die in silence: each of them would wait for its
//! own deadline, and so would all that come after. So where requests wait and nothing has come for
//! [`PING_AFTER`], a PING goes out (RFC 9113 section 6.7), and without an answer within
//! [`PONG_WITHIN`] the connection is given up. A server may take offence at PINGs: those of gRPC
//! close a connection that brings more than two within five minutes in which they themselves have
//! sent nothing. So of one silence only the first comes soon; the next comes after [`PING_AGAIN`].

use crate::proxy::deadline::TICK;
use std::cell::Cell;
use std::time::Duration;

/// After so long without a word on which requests wait, the upstream is asked.
pub const PING_AFTER: Duration = Duration::from_secs(10);

/// So long it has to answer.
pub const PONG_WITHIN: Duration = Duration::from_secs(10);

/// In one silence, it is asked again after so long.
pub const PING_AGAIN: Duration = Duration::from_secs(310);

/// Since when nothing has come from an upstream. A request more is no word of its: under a steady
/// load a silent connection would never be asked about.
#[derive(Debug)]
pub(super) struct Silence {
    /// The tick at which something of a response came last, or the first request after that began.
    since: Cell<u64>,
    /// A request has begun since then.
    asked: Cell<bool>,
}

impl Silence {
    /// Of a connection that is new at this tick.
    pub(super) fn new(now: u64) -> Silence {
        Silence { since: Cell::new(now), asked: Cell::new(false) }
    }

    /// A request begins.
    pub(super) fn is_asked(&self, now: u64) {
        if !self.asked.replace(true) {
            self.since.set(now);
        }
    }

    /// Something of a response has come.
    pub(super) fn is_broken(&self, now: u64) {
        self.since.set(now);
        self.asked.set(false);
    }

    /// The tick since which it lasts.
    pub(super) fn since(&self) -> u64 {
        self.since.get()
    }

    /// Whether it has lasted so long.
    pub(super) fn lasts(&self, now: u64, time: Duration) -> bool {
        now >= self.since() + ticks(time)
    }
}

/// What is known of a connection's life.
#[derive(Debug, Default)]
pub(super) struct Beat {
    /// The tick at which it was asked last.
    asked: Option<u64>,
    /// Whether it has not answered yet.
    waits: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Look again after so long.
    Rest(Duration),
    /// Ask, and look again after [`PONG_WITHIN`].
    Ask,
    /// There is nobody.
    GiveUp,
}

impl Beat {
    /// It has answered.
    pub(super) fn answered(&mut self) {
        self.waits = false;
    }

    /// The time to look has come: at this tick, `heard` being that since which it is silent, and
    /// `busy` whether a request waits.
    pub(super) fn step(&mut self, now: u64, heard: u64, busy: bool) -> Step {
        if self.waits {
            return Step::GiveUp;
        }
        let silent = time(now.saturating_sub(heard));
        if !busy {
            return Step::Rest(PING_AFTER);
        }
        if silent < PING_AFTER {
            return Step::Rest(PING_AFTER - silent);
        }
        let asked = self.asked.filter(|asked| *asked >= heard);
        if let Some(left) = asked.and_then(|asked| PING_AGAIN.checked_sub(time(now - asked)))
            && !left.is_zero()
        {
            // What comes in between begins another silence.
            return Step::Rest(left.min(PING_AFTER));
        }
        self.asked = Some(now);
        self.waits = true;
        Step::Ask
    }
}

/// How many whole ticks there are in this time.
fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
}

fn time(ticks: u64) -> Duration {
    TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p14_requests_do_not_break_the_silence_of_an_upstream() {
        let silence = Silence::new(5);
        // What lay unused was not silent to anybody: it begins with the first request.
        for now in 20..40 {
            silence.is_asked(now);
            assert_eq!(silence.since(), 20);
        }
        let time = TICK * 20;
        assert!(!silence.lasts(39, time) && silence.lasts(40, time));
        silence.is_broken(41);
        assert!(!silence.lasts(60, time) && silence.lasts(61, time));
        silence.is_asked(70);
        silence.is_asked(71);
        assert_eq!(silence.since(), 70);
    }

    #[test]
    fn p14_silence_is_asked_about_while_somebody_waits() {
        let mut beat = Beat::default();
        let after = ticks(PING_AFTER);
        assert_eq!(beat.step(after * 5, 0, false), Step::Rest(PING_AFTER), "nobody waits");
        assert_eq!(beat.step(after - 1, 0, true), Step::Rest(TICK));
        assert_eq!(beat.step(after, 0, true), Step::Ask);
        assert_eq!(beat.step(after + ticks(PONG_WITHIN), 0, true), Step::GiveUp);
    }

    #[test]
    fn p14_who_answers_is_asked_again_after_five_minutes_or_another_word() {
        let mut beat = Beat::default();
        let (after, again) = (ticks(PING_AFTER), ticks(PING_AGAIN));
        assert_eq!(beat.step(after, 0, true), Step::Ask);
        beat.answered();
        for now in (2 * after..after + again - after).step_by(50) {
            assert_eq!(beat.step(now, 0, true), Step::Rest(PING_AFTER), "{now}");
        }
        assert_eq!(beat.step(after + again - 1, 0, true), Step::Rest(TICK));
        assert_eq!(beat.step(after + again, 0, true), Step::Ask);
        beat.answered();
        let heard = after + again + 1;
        assert_eq!(beat.step(heard + after - 1, heard, true), Step::Rest(TICK));
        assert_eq!(beat.step(heard + after, heard, true), Step::Ask);
    }
}
