//! Addresses from which callers have failed to say who they are, and for how long nobody listens to
//! them: who guesses gets a few guesses in a while, not as many as the machine can judge.
//!
//! The key is the address of the connection's other end, which is nothing that a client writes; of
//! an IPv6 address the network (/64), since whoever has one has all of it (RFC 6177 section 2). The
//! memory is a table of a fixed size, made at the first failure. A success changes nothing: it would
//! give a guesser with one good key a new set of guesses.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Sources that one worker remembers.
pub const MAX_SOURCES: usize = 4096;

/// Slots among which one source has its place.
const WAYS: usize = 8;

/// The failures of one worker's callers.
#[derive(Debug)]
pub(super) struct Failures {
    most: u32,
    window: Duration,
    table: RefCell<Option<Box<Table>>>,
}

/// Where guesses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    V4([u8; 4]),
    /// The first 64 bits.
    V6([u8; 8]),
}

#[derive(Debug)]
struct Table {
    /// Keyed at random: nobody can choose addresses that fall into one place.
    hasher: RandomState,
    slots: Vec<Option<Slot>>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    source: Source,
    /// The first failure of this window.
    begun: Instant,
    count: u32,
}

impl Failures {
    /// Up to so many failures of one source within a window, which its first failure opens.
    pub(super) fn new(most: u32, window: Duration) -> Failures {
        Failures { most, window, table: RefCell::default() }
    }

    /// How long this source is still not listened to; `None` where it is.
    pub(super) fn blocks(&self, source: Source, now: Instant) -> Option<Duration> {
        let table = self.table.borrow();
        let slot = table.as_ref()?.find(source)?;
        let left = self.left(slot, now)?;
        (slot.count >= self.most).then_some(left)
    }

    /// Whether any source has ever failed: where none has, nothing is looked up.
    pub(super) fn is_empty(&self) -> bool {
        self.table.borrow().is_none()
    }

    /// A credential from this source was bad.
    pub(super) fn count(&self, source: Source, now: Instant) {
        let mut table = self.table.borrow_mut();
        let table = table.get_or_insert_with(|| Box::new(Table::new(MAX_SOURCES)));
        let slot = table.place(source, |slot| match self.left(slot, now) {
            // Of those that count, the one goes that has failed least, and of these the oldest.
            Some(left) => (slot.count.min(self.most), left),
            None => (0, Duration::ZERO),
        });
        match slot {
            Some(slot) if slot.source == source && self.left(slot, now).is_some() => {
                slot.count = slot.count.saturating_add(1);
            }
            slot => *slot = Some(Slot { source, begun: now, count: 1 }),
        }
    }

    /// What is left of a window; `None` where it is over.
    fn left(&self, slot: &Slot, now: Instant) -> Option<Duration> {
        let over = now.saturating_duration_since(slot.begun);
        self.window.checked_sub(over).filter(|left| !left.is_zero())
    }
}

impl Source {
    /// The source that an address belongs to.
    pub(super) fn of(address: IpAddr) -> Source {
        match address.to_canonical() {
            IpAddr::V4(address) => Source::V4(address.octets()),
            IpAddr::V6(address) => {
                let octets = address.octets();
                Source::V6(std::array::from_fn(|at| octets[at]))
            }
        }
    }
}

impl Table {
    fn new(sources: usize) -> Table {
        Table { hasher: RandomState::new(), slots: vec![None; sources] }
    }

    fn find(&self, source: Source) -> Option<&Slot> {
        let at = self.first(source);
        self.slots[at..at + WAYS].iter().flatten().find(|slot| slot.source == source)
    }

    /// The slot of this source, or the one that it takes: a free one, or that of the least worth.
    fn place<K: Ord>(&mut self, source: Source, worth: impl Fn(&Slot) -> K) -> &mut Option<Slot> {
        let at = self.first(source);
        let slots = &mut self.slots[at..at + WAYS];
        let own = slots.iter().position(|slot| slot.is_some_and(|slot| slot.source == source));
        let least = || (0..WAYS).min_by_key(|at| slots[*at].as_ref().map(&worth));
        let found = own.or_else(least).unwrap_or_default();
        &mut slots[found]
    }

    fn first(&self, source: Source) -> usize {
        let places = self.slots.len() / WAYS;
        let hash = self.hasher.hash_one(source);
        usize::try_from(hash % places as u64).unwrap_or_default() * WAYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn source(text: &str) -> Source {
        Source::of(text.parse().expect(text))
    }

    /// Sources that differ in more than what is cut off.
    fn many(count: usize) -> impl Iterator<Item = Source> {
        (0..count).map(|n| Source::V4(u32::try_from(n).unwrap().to_be_bytes()))
    }

    #[test]
    fn p08_after_so_many_failures_nobody_listens() {
        let (one, now) = (source("192.0.2.1"), Instant::now());
        for most in [1, 2, 100] {
            let failures = Failures::new(most, WINDOW);
            assert!(failures.is_empty());
            for failed in 1..=most + 1 {
                failures.count(one, now);
                assert_eq!(
                    failures.blocks(one, now).is_some(),
                    failed >= most,
                    "{failed} of {most}"
                );
            }
            assert_eq!(failures.blocks(source("192.0.2.2"), now), None, "another address");
        }
    }

    #[test]
    fn p08_a_window_ends_and_the_next_begins_with_the_next_failure() {
        let (one, begun) = (source("192.0.2.1"), Instant::now());
        let tick = Duration::from_millis(1);
        let failures = Failures::new(2, WINDOW);
        failures.count(one, begun);
        failures.count(one, begun + WINDOW / 2);
        assert_eq!(failures.blocks(one, begun + WINDOW / 2), Some(WINDOW / 2));
        assert_eq!(failures.blocks(one, begun + WINDOW - tick), Some(tick));
        assert_eq!(failures.blocks(one, begun + WINDOW), None);
        assert_eq!(failures.blocks(one, begun + WINDOW + tick), None);
        failures.count(one, begun + WINDOW);
        assert_eq!(failures.blocks(one, begun + WINDOW), None, "one of two");
        failures.count(one, begun + WINDOW + tick);
        assert_eq!(failures.blocks(one, begun + WINDOW + tick), Some(WINDOW - tick));
    }

    #[test]
    fn p08_an_ipv6_network_is_one_source_and_ipv4_is_itself_in_any_form() {
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }

    #[test]
    fn p13_one_place_remembers_so_many_sources() {
        let now = Instant::now();
        for sources in [WAYS - 1, WAYS, WAYS + 1] {
            let failures = Failures::new(1, WINDOW);
            *failures.table.borrow_mut() = Some(Box::new(Table::new(WAYS)));
            many(sources).for_each(|source| failures.count(source, now));
            let blocked = many(sources).filter(|source| failures.blocks(*source, now).is_some());
            assert_eq!(blocked.count(), sources.min(WAYS));
        }
    }

    #[test]
    fn p13_who_fails_once_does_not_push_out_who_fails_often() {
        let now = Instant::now();
        let failures = Failures::new(3, WINDOW);
        *failures.table.borrow_mut() = Some(Box::new(Table::new(WAYS)));
        let guesser = source("203.0.113.9");
        (0..3).for_each(|_| failures.count(guesser, now));
        many(1_000).for_each(|source| failures.count(source, now));
        assert!(failures.blocks(guesser, now).is_some());
        // What is over is worth nothing.
        let later = now + WINDOW;
        many(WAYS).for_each(|source| failures.count(source, later));
        assert_eq!(
            many(WAYS)
                .filter(|one| failures.table.borrow().as_ref().unwrap().find(*one).is_some())
                .count(),
            WAYS
        );
    }

    #[test]
    fn p13_the_table_never_grows() {
        let now = Instant::now();
        let failures = Failures::new(5, WINDOW);
        many(4 * MAX_SOURCES).for_each(|source| failures.count(source, now));
        assert_eq!(failures.table.borrow().as_ref().unwrap().slots.len(), MAX_SOURCES);
    }
}
