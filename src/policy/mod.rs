//! The policy: from text to an immutable snapshot. Pure and synchronous, no I/O.
//!
//! text → [`node`] tree → [`raw`] (what was typed) → resolved (names to ids, invariants) →
//! [`snapshot`] (routers, bitsets, masks: what a decision reads).

pub mod access;
pub mod administration;
pub mod bind;
pub mod compile;
pub mod condition;
pub mod cors;
pub mod fields;
pub mod front;
pub mod header;
pub(crate) mod held;
pub mod host;
pub mod index;
pub(crate) mod limits;
pub mod lint;
pub mod merge;
pub mod node;
pub mod pattern;
pub mod peers;
pub mod people;
mod placed;
pub mod raw;
pub mod resolve;
pub mod roleset;
pub mod route;
pub mod scalar;
pub mod schema;
pub mod snapshot;
pub mod target;
pub mod upstream;
pub mod yaml;

pub use host::Host;
pub use target::{Target, TargetFault};

use crate::diag::Report;
use crate::source::Sources;

/// A policy's text as a snapshot, without authenticators: for tools that name the caller
/// themselves. What the proxy runs is made by [`crate::control::load`].
pub fn snapshot(
    sources: &Sources,
    around: &resolve::Surroundings,
    stamp: compile::Stamp,
) -> Result<snapshot::Snapshot, Report> {
    let (raw, mut report) = front::read(sources);
    let resolved = resolve::resolve(&raw, around, &mut report);
    if report.has_errors() {
        return Err(report);
    }
    compile::compile(resolved, sources, stamp, &mut report).ok_or(report)
}
