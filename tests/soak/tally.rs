//! What came of the requests of a soak.

use super::clients::KINDS;
use crate::support::fault::{Done, Fault};
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

/// Texts that are kept of each sort.
const KEPT: usize = 10;

/// Counts of all kinds of requests.
#[derive(Default)]
pub struct Tally(Mutex<[Counts; KINDS.len()]>);

#[derive(Default)]
struct Counts {
    right: usize,
    lost: usize,
    odd: usize,
    slowest: Duration,
    /// A decision that neither policy makes, or something hidden.
    wrong: Vec<String>,
    examples: Vec<String>,
}

/// What one request came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// What one of the policies allows.
    Right,
    /// No whole answer, or 502 or 504. A fault may explain it.
    Lost(String),
    /// An answer that the upstream has not given. A wrong bit may explain it.
    Odd(String),
    /// Nothing explains it.
    Wrong(String),
}

/// The part of one kind of request.
pub struct Of<'t>(&'t Tally, usize);

impl Tally {
    pub fn of(&self, kind: usize) -> Of<'_> {
        Of(self, kind)
    }

    /// No answer and no request was one that neither policy allows.
    #[track_caller]
    pub fn assert_right(&self, at_upstream: &[String]) {
        assert_eq!(at_upstream, [] as [String; 0], "these reached the upstream");
        for (counts, (kind, _)) in self.0.lock().unwrap().iter().zip(KINDS) {
            assert_eq!(counts.wrong, [] as [String; 0], "{kind}");
            assert!(counts.right > 0, "{kind}: none was answered");
        }
    }

    /// Each fault costs one request at most: no connection carries two.
    #[track_caller]
    pub fn assert_lost_at_most(&self, faults: usize, wrong_bits: usize) {
        let counts = self.0.lock().unwrap();
        let lost: usize = counts.iter().map(|counts| counts.lost).sum();
        let odd: usize = counts.iter().map(|counts| counts.odd).sum();
        assert!(lost + odd <= faults, "{lost} lost and {odd} odd by {faults} faults");
        assert!(odd <= wrong_bits, "{odd} odd by {wrong_bits} wrong bits");
    }
}

impl Of<'_> {
    pub fn count(&self, came: Came, took: Duration) {
        let counts = &mut self.0.0.lock().unwrap()[self.1];
        counts.slowest = counts.slowest.max(took);
        let (text, kept) = match came {
            Came::Right => {
                counts.right += 1;
                return;
            }
            Came::Lost(text) => {
                counts.lost += 1;
                (text, &mut counts.examples)
            }
            Came::Odd(text) => {
                counts.odd += 1;
                (text, &mut counts.examples)
            }
            Came::Wrong(text) => (text, &mut counts.wrong),
        };
        if kept.len() < KEPT {
            kept.push(text.chars().take(300).collect());
        }
    }
}

/// A line for each kind of request.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.lock().unwrap();
        let sum: usize = counts.iter().map(|one| one.right + one.lost + one.odd).sum();
        write!(f, "requests: {sum}")?;
        for (one, (kind, _)) in counts.iter().zip(KINDS) {
            let Counts { right, lost, odd, slowest, wrong, examples } = one;
            let wrong = wrong.len();
            write!(f, "\n  {kind:12} {right:8} right {lost:6} lost {odd:4} odd {wrong:2} wrong")?;
            write!(f, ", slowest {} ms", slowest.as_millis())?;
            for example in examples.iter().take(2) {
                write!(f, "\n               such as {}", example.escape_debug())?;
            }
        }
        Ok(())
    }
}

/// How many of each have come about.
pub fn faults(done: &[Done]) -> String {
    let kind = |fault: &Fault| match fault {
        Fault::Delay(_) => "delayed",
        Fault::Cut(_) => "cut",
        Fault::Stall(_) => "stalled",
        Fault::Corrupt(_) => "corrupted",
        Fault::Split(_) => "split",
    };
    let count = |name: &str| done.iter().filter(|done| kind(&done.fault) == name).count();
    ["delayed", "cut", "stalled", "corrupted", "split"]
        .map(|name| format!("{} {name}", count(name)))
        .join(", ")
}
