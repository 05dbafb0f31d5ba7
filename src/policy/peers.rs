//! Other ends of connections that are believed in something: listed by address, by network, or as
//! whoever connects through a Unix socket.

use ipnet::IpNet;
use std::net::IpAddr;

/// Whom a list names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    nets: Vec<IpNet>,
    unix: bool,
}

/// Why an entry of a list is none; shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    #[error("is no address, no CIDR block and not `unix`")]
    NoPeer,
    /// With the block that was perhaps meant.
    #[error("has bits beyond its prefix")]
    BitsBeyond(IpNet),
    #[error("is everybody")]
    Everybody,
}

impl PeerFault {
    /// What to write.
    pub fn help(&self) -> String {
        match self {
            PeerFault::NoPeer => "`10.0.0.7`, `10.0.0.0/24`, `fd00::/8` or `unix`".to_owned(),
            PeerFault::BitsBeyond(net) => format!("write `{net}`"),
            PeerFault::Everybody => "list the proxies in front, and no others".to_owned(),
        }
    }
}

impl Peers {
    /// One more entry: an address, a block of them, or `unix`.
    pub fn add(&mut self, text: &str) -> Result<(), PeerFault> {
        if text == "unix" {
            self.unix = true;
            return Ok(());
        }
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let net = text.parse::<IpNet>().ok().or_else(address).ok_or(PeerFault::NoPeer)?;
        if net.trunc() != net {
            return Err(PeerFault::BitsBeyond(net.trunc()));
        }
        if net.prefix_len() == 0 {
            return Err(PeerFault::Everybody);
        }
        self.nets.push(net);
        Ok(())
    }

    /// Whether it names somebody who connects from this address; `None` is a Unix socket. An IPv4
    /// address that came through an IPv6 socket (`::ffff:10.0.0.1`) is the IPv4 address.
    pub fn lists(&self, address: Option<IpAddr>) -> bool {
        match address.map(|address| address.to_canonical()) {
            Some(address) => self.nets.iter().any(|net| net.contains(&address)),
            None => self.unix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_blocks_and_sockets_are_listed() {
        let mut peers = Peers::default();
        for text in ["10.0.0.7", "192.0.2.0/24", "fd00::/8"] {
            peers.add(text).expect(text);
        }
        for (address, listed) in [
            ("10.0.0.7", true),
            ("::ffff:10.0.0.7", true),
            ("10.0.0.8", false),
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("fdff::1", true),
            ("fe00::1", false),
        ] {
            assert_eq!(peers.lists(Some(address.parse().unwrap())), listed, "{address}");
        }
        assert!(!peers.lists(None));
        peers.add("unix").unwrap();
        assert!(peers.lists(None));
    }

    #[test]
    fn what_lists_nobody_or_everybody_is_a_mistake() {
        let add = |text: &str| Peers::default().add(text).unwrap_err();
        for text in ["", "localhost", "10.0.0", "10.0.0.0/33", "unix:/x", "10.0.0.1:80"] {
            assert_eq!(add(text), PeerFault::NoPeer, "{text}");
        }
        let net = "10.0.0.0/24".parse().unwrap();
        assert_eq!(add("10.0.0.1/24"), PeerFault::BitsBeyond(net));
        assert_eq!(add("0.0.0.0/0"), PeerFault::Everybody);
        assert_eq!(add("::/0"), PeerFault::Everybody);
    }
}
