//! The policy: from text to an immutable snapshot. Pure and synchronous, no I/O.
//!
//! text → [`node`] tree → [`raw`] (what was typed) → resolved (names to ids, invariants) →
//! [`snapshot`] (routers, bitsets, masks: what a decision reads).

pub mod access;
pub mod bind;
pub mod compile;
pub mod fields;
pub mod front;
pub mod index;
pub mod merge;
pub mod node;
pub mod pattern;
pub mod people;
pub mod raw;
pub mod resolve;
pub mod roleset;
pub mod scalar;
pub mod schema;
pub mod snapshot;
pub mod target;
pub mod upstream;
pub mod yaml;

pub use target::{Target, TargetFault};
