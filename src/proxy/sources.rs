//! How many connections each source has to one worker: an address, or of IPv6 a network.

use super::failures::Source;
use crate::identity::Peer;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

/// The connections of one worker's clients. There are never more entries than connections.
#[derive(Debug)]
pub(super) struct Sources {
    most: u32,
    /// Keyed at random: nobody can choose addresses that fall into one place.
    open: Rc<RefCell<HashMap<Source, u32>>>,
}

/// One connection in the count; dropped, it is out of it.
#[derive(Debug)]
pub(super) struct OfSource {
    source: Option<Source>,
    open: Rc<RefCell<HashMap<Source, u32>>>,
}

impl Sources {
    /// So many connections of each source.
    pub(super) fn new(most: u32) -> Sources {
        Sources { most, open: Rc::default() }
    }

    /// One more connection, if there may be one. A Unix socket stands for many clients and is not
    /// counted.
    pub(super) fn count(&self, peer: Peer) -> Option<OfSource> {
        let source = match peer {
            Peer::Ip(address) => Some(Source::of(address)),
            Peer::Unix => None,
        };
        if let Some(source) = source {
            let mut open = self.open.borrow_mut();
            let count = open.entry(source).or_default();
            if *count >= self.most {
                return None;
            }
            *count += 1;
        }
        Some(OfSource { source, open: self.open.clone() })
    }
}

impl Drop for OfSource {
    fn drop(&mut self) {
        let Some(source) = self.source else { return };
        if let Entry::Occupied(mut entry) = self.open.borrow_mut().entry(source) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer::Ip(text.parse().expect(text))
    }

    #[test]
    fn p13_each_source_has_so_many_connections_and_no_more() {
        for most in [1, 2, 100] {
            let sources = Sources::new(most);
            let open: Vec<_> = (0..most).map(|_| sources.count(peer("192.0.2.1"))).collect();
            assert!(open.iter().all(Option::is_some));
            assert!(sources.count(peer("192.0.2.1")).is_none());
            assert!(sources.count(peer("192.0.2.2")).is_some(), "another one");
            drop(open);
            assert!(sources.count(peer("192.0.2.1")).is_some());
        }
    }

    #[test]
    fn p13_a_network_is_one_source_and_a_socket_is_none() {
        let sources = Sources::new(1);
        let _one = sources.count(peer("2001:db8::1")).unwrap();
        assert!(sources.count(peer("2001:db8::2")).is_none());
        let _many: Vec<_> = (0..10).map(|_| sources.count(Peer::Unix).unwrap()).collect();
    }

    #[test]
    fn p13_whoever_has_gone_leaves_nothing() {
        let sources = Sources::new(2);
        let open = [sources.count(peer("192.0.2.1")), sources.count(peer("192.0.2.1"))];
        drop(open);
        drop(sources.count(peer("192.0.2.2")));
        assert!(sources.open.borrow().is_empty());
    }
}
