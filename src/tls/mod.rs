//! TLS without sockets and files: from PEM text to what handshakes run with.
//!
//! [`pem`] reads certificates and keys; [`pair`] is a certificate that we show, with its key;
//! [`bundle`] says whether a chain of somebody else's is to be trusted. [`server`] makes a listener
//! of them, whose certificates change without a restart, and [`clients`] says which clients it lets
//! in; [`upstream`] is the other side, where we are the client.
//!
//! rustls speaks TLS 1.2 and 1.3 over aws-lc-rs, as for all other cryptography here. No early data
//! (0-RTT, RFC 8446 section 8) is ever accepted or sent: whoever records it could send it twice.

pub mod bundle;
pub mod clients;
pub mod fault;
pub mod pair;
pub mod pem;
pub mod server;
pub mod upstream;

pub use bundle::{Bundle, ChainFault};
pub use clients::{Clients, KnowsPeers};
pub use fault::{FileFault, Handshake, HandshakeFault};
pub use pair::Pair;
pub use server::{ListenerTls, Resumption};
pub use upstream::UpstreamTls;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::Arc;

/// The one set of algorithms: what rustls takes for safe, from aws-lc-rs.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
