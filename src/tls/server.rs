//! What a listener shakes hands with. It is made anew, whole, when a file changes.

use super::clients::Clients;
use super::pair::{Fit, Pair};
use super::provider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, ServerConfig};
use std::sync::Arc;

/// One listener's certificates and rules, as they are live.
#[derive(Debug)]
pub struct ListenerTls {
    /// For handshakes.
    pub config: Arc<ServerConfig>,
    /// Whom it lets in.
    pub clients: Arc<Clients>,
    /// When the first of its certificates expires, in seconds since 1970.
    pub expires: u64,
}

/// What lets clients take up their sessions again: the keys of the tickets that they hold. It
/// outlives the certificates, and belongs to one listener, because another one may ask more of its
/// clients.
#[derive(Clone, Debug)]
pub struct Resumption {
    tickets: Arc<dyn ProducesTickets>,
}

/// Chooses by the name that the client asks for; the first is for all others.
#[derive(Debug)]
struct Shown(Vec<Pair>);

impl ListenerTls {
    /// A listener that shows these pairs, at least one.
    pub fn new(
        pairs: Vec<Pair>,
        clients: Clients,
        resumption: &Resumption,
    ) -> Result<ListenerTls, Error> {
        let expires = pairs.iter().map(|pair| pair.expires).min().unwrap_or(0);
        let clients = Arc::new(clients);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients.clone())
            .with_cert_resolver(Arc::new(Shown(pairs)));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        config.ticketer = resumption.tickets.clone();
        // Tickets hold the whole session, so nothing is kept here for a client that may not return.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(ListenerTls { config: Arc::new(config), clients, expires })
    }
}

impl Resumption {
    /// New keys, which change every few hours.
    pub fn new() -> Result<Resumption, Error> {
        Ok(Resumption { tickets: Ticketer::new()? })
    }
}

impl Shown {
    fn pair(&self, name: Option<&str>) -> Option<&Pair> {
        let fitting = |wanted: Fit| {
            let name = name?;
            self.0.iter().find(|pair| pair.fits(name) == Some(wanted))
        };
        fitting(Fit::Exact).or_else(|| fitting(Fit::Wildcard)).or(self.0.first())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pair(hello.server_name()).map(|pair| pair.key.clone())
    }
}

/// HTTP/2 in ALPN (RFC 9113 section 3.2).
pub const H2: &[u8] = b"h2";

/// HTTP/1.1 in ALPN (RFC 7301 section 6).
pub const HTTP_1_1: &[u8] = b"http/1.1";

const PROTOCOLS: [&[u8]; 2] = [H2, HTTP_1_1];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::pair::tests::{made, now};

    #[test]
    fn a_certificate_is_chosen_by_name() {
        let pairs = [&["first.test"][..], &["*.b.test"], &["x.b.test", "c.test"]].map(|names| {
            let (cert, key) = made(names, |_| {});
            Pair::read(cert.as_bytes(), key.as_bytes(), now()).unwrap()
        });
        let shown = Shown(pairs.to_vec());
        let at = |name| {
            let pair = shown.pair(name).unwrap();
            pairs.iter().position(|own| Arc::ptr_eq(&own.key, &pair.key)).unwrap()
        };
        assert_eq!(at(Some("first.test")), 0);
        assert_eq!(at(Some("y.b.test")), 1);
        assert_eq!(at(Some("X.b.test")), 2, "a name before a wildcard");
        assert_eq!(at(Some("c.test")), 2);
        assert_eq!(at(Some("other.test")), 0);
        assert_eq!(at(None), 0);
    }
}
