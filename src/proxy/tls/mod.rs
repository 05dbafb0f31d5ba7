//! TLS on a socket: handshakes with clients, with upstreams, and what is known of a client after one.

mod accept;
mod connect;
mod shown;

pub(super) use accept::accept;
pub(super) use connect::connect;

use crate::identity::{Holder, Identity};
use crate::policy::Host;
use shown::Shown;
use std::rc::Rc;

/// What a handshake with a client has settled.
#[derive(Debug)]
pub(super) struct Secure {
    /// The name that the client asked for (SNI, RFC 6066 section 3); none where it asked for none,
    /// as clients of a bare address do.
    name: Option<Box<str>>,
    /// Whether HTTP/2 was chosen.
    pub(super) http2: bool,
    /// What the client has shown.
    shown: Option<Shown>,
}

impl Secure {
    /// Who holds the connection, by the policy that is live.
    pub(super) fn holder(&self, identity: &Identity, now: u64) -> Option<Rc<Holder>> {
        self.shown.as_ref()?.holder(identity, now)
    }

    /// Whether a request for this host belongs on this connection (RFC 9110 section 7.4): who has
    /// asked for one name, and was perhaps judged by it on the way, speaks of no other.
    pub(super) fn is_for(&self, host: &Host<'_>) -> bool {
        self.name.as_deref().is_none_or(|name| host.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p06_a_connection_is_for_the_name_that_was_asked_for() {
        let secure =
            |name: Option<&str>| Secure { name: name.map(Box::from), http2: false, shown: None };
        let is_for = |name, host: &str| secure(name).is_for(&Host::parse(host.as_bytes()).unwrap());
        for host in ["a.test", "A.Test", "a.test.", "a.test:8443"] {
            assert!(is_for(Some("a.test"), host), "{host}");
        }
        for host in ["b.test", "x.a.test", "test", "127.0.0.1", "[::1]:8443"] {
            assert!(!is_for(Some("a.test"), host), "{host}");
            assert!(is_for(None, host), "{host}");
        }
    }
}
