//! What is live, and how it changes.
//!
//! [`load`] makes something that can go live from files; [`reload`] puts it in place or says why
//! not; [`watch`] decides when to look; [`store`] is where the live policy stands. [`certificates`]
//! does the same for the files of listeners that speak TLS.

pub mod certificates;
pub mod files;
pub mod load;
pub mod reload;
pub mod store;
pub mod watch;

pub use store::{Live, Reader, Store};
