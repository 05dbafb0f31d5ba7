//! The numbers of one worker, and their sum.
//!
//! Each cell has one writer, its worker, so a plain load and store suffices and no cache line
//! moves between cores until somebody scrapes.

use super::record::Record;
use super::words::Words;
use crate::decide::Reason;
use crate::tls::Handshake;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Status classes: a connection lost before the head, `1xx` to `5xx`, and anything else.
pub(super) const CLASSES: [&str; 7] = ["lost", "1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// What each request can be counted as: a reason, its status class, and allowed or refused.
const KINDS: usize = Reason::ALL.len() * CLASSES.len() * 2;

/// Bounds of request and upstream durations, in nanoseconds: 100 µs to 10 s.
const REQUEST_BOUNDS: &[u64] = &[
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Bounds of what is done in memory, in nanoseconds: 500 ns to 10 ms.
const WORK_BOUNDS: &[u64] =
    &[500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000];

/// A number that one thread adds to and others may read.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU64);

/// The numbers of one worker.
#[derive(Debug)]
pub(super) struct Cells {
    requests: Box<[Cell]>,
    /// By what enforcing would have come to.
    monitored: Box<[Cell]>,
    monitored_removed: Cell,
    pub(super) connections_opened: Cell,
    pub(super) connections_closed: Cell,
    handshakes: Box<[Cell]>,
    pub(super) floods: Cell,
    pub(super) not_announced: Cell,
    pub(super) upstream_opened: Cell,
    pub(super) upstream_reused: Cell,
    pub(super) upstream_closed: Cell,
    pub(super) unidentified: Words,
    aborted: Cell,
    removed: Cell,
    bytes_in: Cell,
    bytes_out: Cell,
    total: Histogram,
    upstream: Histogram,
    decide: Histogram,
    filter: Histogram,
}

/// Durations, counted by upper bound; the last bucket has none.
#[derive(Debug)]
struct Histogram {
    bounds: &'static [u64],
    buckets: Box<[Cell]>,
    nanoseconds: Cell,
}

/// The sum over all workers.
#[derive(Debug, Default)]
pub(super) struct Sum {
    requests: Vec<u64>,
    monitored: Vec<u64>,
    pub(super) monitored_removed: u64,
    pub(super) connections_opened: u64,
    pub(super) connections_closed: u64,
    handshakes: Vec<u64>,
    pub(super) floods: u64,
    pub(super) not_announced: u64,
    pub(super) upstream_opened: u64,
    pub(super) upstream_reused: u64,
    pub(super) upstream_closed: u64,
    /// Credentials that were bad, by why.
    pub(super) unidentified: Vec<(&'static str, u64)>,
    pub(super) aborted: u64,
    pub(super) removed: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) total: Durations,
    pub(super) upstream: Durations,
    pub(super) decide: Durations,
    pub(super) filter: Durations,
}

/// A histogram's sum over all workers.
#[derive(Debug, Default)]
pub(super) struct Durations {
    bounds: &'static [u64],
    buckets: Vec<u64>,
    nanoseconds: u64,
}

/// How many requests were of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Requests {
    pub(super) reason: &'static str,
    pub(super) refused: bool,
    pub(super) class: &'static str,
    pub(super) count: u64,
}

impl Cell {
    /// Adds; only the one writer may call it.
    pub(super) fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Cells {
    /// Counts a request that is over. The upstream's and the filter's time are counted only where
    /// there was any, or requests that never went there would hide how long it takes.
    pub(super) fn count(&self, record: &Record) {
        self.requests[kind(record)].add(1);
        self.aborted.add(u64::from(record.aborted));
        match record.monitored {
            None => self.removed.add(record.removed),
            Some(reason) => {
                self.monitored[reason as usize].add(1);
                self.monitored_removed.add(record.removed);
            }
        }
        self.bytes_in.add(record.bytes_in);
        self.bytes_out.add(record.bytes_out);
        self.total.observe(record.total);
        self.decide.observe(record.decide);
        if !record.upstream.is_zero() {
            self.upstream.observe(record.upstream);
        }
        if !record.filter.is_zero() {
            self.filter.observe(record.filter);
        }
    }
}

impl Cells {
    /// Counts a TLS handshake with a client that has ended.
    pub(super) fn count_handshake(&self, handshake: Handshake) {
        let at = Handshake::ALL.iter().position(|end| *end == handshake);
        self.handshakes[at.expect("`ALL` has every end")].add(1);
    }
}

impl Default for Cells {
    fn default() -> Cells {
        Cells {
            requests: cells(KINDS),
            monitored: cells(Reason::ALL.len()),
            monitored_removed: Cell::default(),
            connections_opened: Cell::default(),
            connections_closed: Cell::default(),
            handshakes: cells(Handshake::ALL.len()),
            floods: Cell::default(),
            not_announced: Cell::default(),
            upstream_opened: Cell::default(),
            upstream_reused: Cell::default(),
            upstream_closed: Cell::default(),
            unidentified: Words::default(),
            aborted: Cell::default(),
            removed: Cell::default(),
            bytes_in: Cell::default(),
            bytes_out: Cell::default(),
            total: Histogram::new(REQUEST_BOUNDS),
            upstream: Histogram::new(REQUEST_BOUNDS),
            decide: Histogram::new(WORK_BOUNDS),
            filter: Histogram::new(WORK_BOUNDS),
        }
    }
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Histogram {
        let buckets = cells(bounds.len() + 1);
        Histogram { bounds, buckets, nanoseconds: Cell::default() }
    }

    fn observe(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < nanoseconds);
        self.buckets[bucket].add(1);
        self.nanoseconds.add(nanoseconds);
    }
}

impl Sum {
    /// Adds up what all workers have counted.
    pub(super) fn of(workers: &[Arc<Cells>]) -> Sum {
        let mut sum = Sum {
            requests: vec![0; KINDS],
            monitored: vec![0; Reason::ALL.len()],
            handshakes: vec![0; Handshake::ALL.len()],
            ..Sum::default()
        };
        for cells in workers {
            sum.add(cells);
        }
        sum
    }

    fn add(&mut self, cells: &Cells) {
        add_all(&mut self.requests, &cells.requests);
        add_all(&mut self.monitored, &cells.monitored);
        self.monitored_removed += cells.monitored_removed.get();
        self.connections_opened += cells.connections_opened.get();
        self.connections_closed += cells.connections_closed.get();
        add_all(&mut self.handshakes, &cells.handshakes);
        self.floods += cells.floods.get();
        self.not_announced += cells.not_announced.get();
        self.upstream_opened += cells.upstream_opened.get();
        self.upstream_reused += cells.upstream_reused.get();
        self.upstream_closed += cells.upstream_closed.get();
        cells.unidentified.add_to(&mut self.unidentified);
        self.aborted += cells.aborted.get();
        self.removed += cells.removed.get();
        self.bytes_in += cells.bytes_in.get();
        self.bytes_out += cells.bytes_out.get();
        self.total.add(&cells.total);
        self.upstream.add(&cells.upstream);
        self.decide.add(&cells.decide);
        self.filter.add(&cells.filter);
    }

    /// Every kind of request that occurred. Two reasons may share a word (`body_invalid` with 400
    /// and 415), and so one count.
    pub(super) fn requests(&self) -> Vec<Requests> {
        let mut found: Vec<Requests> = Vec::new();
        for (at, count) in self.requests.iter().enumerate().filter(|(_, count)| **count > 0) {
            let one = Requests { count: *count, ..kind_at(at) };
            let same = |other: &&mut Requests| {
                (other.reason, other.refused, other.class) == (one.reason, one.refused, one.class)
            };
            match found.iter_mut().find(same) {
                Some(other) => other.count += one.count,
                None => found.push(one),
            }
        }
        found
    }
}

impl Sum {
    /// How many TLS handshakes with clients ended in each way.
    pub(super) fn handshakes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Handshake::ALL.iter().map(|end| end.as_str()).zip(self.handshakes.iter().copied())
    }

    /// What enforcing would have come to, where monitor mode let requests through. Two reasons that
    /// share a word share a count.
    pub(super) fn monitored(&self) -> Vec<(&'static str, u64)> {
        let mut found: Vec<(&'static str, u64)> = Vec::new();
        let counted = Reason::ALL.iter().zip(&self.monitored).filter(|(_, count)| **count > 0);
        for (reason, count) in counted {
            match found.iter_mut().find(|(word, _)| *word == reason.as_str()) {
                Some((_, sum)) => *sum += count,
                None => found.push((reason.as_str(), *count)),
            }
        }
        found
    }
}

impl Durations {
    fn add(&mut self, histogram: &Histogram) {
        self.bounds = histogram.bounds;
        self.buckets.resize(histogram.buckets.len(), 0);
        add_all(&mut self.buckets, &histogram.buckets);
        self.nanoseconds = self.nanoseconds.wrapping_add(histogram.nanoseconds.get());
    }

    /// All durations together, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Upper bounds in seconds, each with what lies between it and the one before.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / 1e9);
        bounds.chain([f64::INFINITY]).zip(self.buckets.iter().copied()).collect()
    }
}

fn kind(record: &Record) -> usize {
    let class = match record.status {
        0 => 0,
        status @ 100..=599 => usize::from(status / 100),
        _ => CLASSES.len() - 1,
    };
    (record.reason as usize * CLASSES.len() + class) * 2 + usize::from(record.refused)
}

fn kind_at(at: usize) -> Requests {
    let (reason, class) = (at / 2 / CLASSES.len(), at / 2 % CLASSES.len());
    Requests {
        reason: Reason::ALL[reason].as_str(),
        refused: at % 2 == 1,
        class: CLASSES[class],
        count: 0,
    }
}

fn cells(count: usize) -> Box<[Cell]> {
    (0..count).map(|_| Cell::default()).collect()
}

fn add_all(sums: &mut [u64], cells: &[Cell]) {
    for (sum, cell) in sums.iter_mut().zip(cells) {
        *sum += cell.get();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::record::tests::record;

    #[test]
    fn every_reason_and_status_has_a_kind_of_its_own() {
        for (at, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, at, "reasons are numbered as they are listed");
            for (status, class) in [
                (0, "lost"),
                (100, "1xx"),
                (204, "2xx"),
                (599, "5xx"),
                (99, "other"),
                (600, "other"),
            ] {
                for refused in [false, true] {
                    let cells = Arc::new(Cells::default());
                    cells.count(&Record { reason: *reason, status, refused, ..record() });
                    let wanted = Requests { reason: reason.as_str(), refused, class, count: 1 };
                    assert_eq!(Sum::of(&[cells]).requests(), [wanted]);
                }
            }
        }
    }

    #[test]
    fn reasons_that_share_a_word_share_a_count() {
        let cells = Arc::new(Cells::default());
        for reason in [Reason::BodyInvalid, Reason::BodyUnsupported] {
            cells.count(&Record { reason, status: reason.status(), refused: true, ..record() });
        }
        let wanted = Requests { reason: "body_invalid", refused: true, class: "4xx", count: 2 };
        assert_eq!(Sum::of(&[cells]).requests(), [wanted]);
    }

    #[test]
    fn what_is_monitored_is_counted_apart() {
        let cells = Arc::new(Cells::default());
        for (monitored, removed) in [
            (None, 1),
            (Some(Reason::NoGrant), 0),
            (Some(Reason::Granted), 5),
            (Some(Reason::BodyInvalid), 0),
            (Some(Reason::BodyUnsupported), 0),
        ] {
            cells.count(&Record { monitored, removed, ..record() });
        }
        let sum = Sum::of(&[cells]);
        assert_eq!(sum.monitored(), [("granted", 1), ("no_grant", 1), ("body_invalid", 2)]);
        assert_eq!((sum.removed, sum.monitored_removed), (1, 5));
    }

    #[test]
    fn a_bucket_ends_at_its_bound() {
        let histogram = Histogram::new(WORK_BOUNDS);
        for nanoseconds in [499, 500, 501, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_nanos(nanoseconds));
        }
        let mut sum = Durations::default();
        sum.add(&histogram);
        let buckets = sum.buckets();
        assert_eq!(buckets[0], (0.0000005, 2));
        assert_eq!(buckets[1], (0.000001, 1));
        assert_eq!(buckets[10], (0.01, 1));
        assert_eq!(buckets[11], (f64::INFINITY, 1));
        assert_eq!(sum.count(), 5);
        assert!((sum.seconds() - 0.020_001_501).abs() < 1e-9);
    }

    #[test]
    fn times_that_were_not_spent_are_not_counted() {
        let cells = Arc::new(Cells::default());
        let none = Duration::ZERO;
        cells.count(&Record { upstream: none, filter: none, decide: none, ..record() });
        let sum = Sum::of(&[cells]);
        let counts = [&sum.total, &sum.decide, &sum.upstream, &sum.filter].map(Durations::count);
        assert_eq!(counts, [1, 1, 0, 0]);
    }
}
