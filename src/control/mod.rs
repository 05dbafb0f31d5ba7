//! What is live, and how it changes.
//!
//! [`load`] makes something that can go live from files; [`reload`] puts it in place or says why
//! not; [`watch`] decides when to look, and [`heart`] tells whether it still does; [`store`] is where
//! the live policy stands. [`keys`] fetches what issuers publish, by the client in [`fetch`];
//! [`certificates`] watches the files of listeners that speak TLS; [`upstreams`] finds out where
//! endpoints are, and whether they are well.

pub mod certificates;
pub mod fetch;
pub mod files;
pub mod heart;
pub mod introspect;
pub mod keys;
pub mod load;
pub mod memory;
pub mod reload;
pub mod store;
pub mod upstreams;
pub mod watch;

pub use store::{Live, Reader, Store};
