//! What is live, and how it changes.

pub mod files;
pub mod store;

pub use store::{Live, Reader, Store};
