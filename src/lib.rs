//! Portcullis: a reverse proxy that enforces who may do what, and who may see which field.
//!
//! Two flows run through it. A **request** walks down one line, told in one function of [`proxy`]:
//! canonical request → route → identify → decide → check the body → forward → filter the response →
//! record. A **policy** walks up another, told in [`control::load`]: files → node tree → raw policy →
//! resolved → snapshot → published. They meet where a request takes the live snapshot, once.
//!
//! From the bottom to the top; each layer imports its own and those below (`tests/walls.rs`):
//!
//! 0. [`source`] text and places, [`principal`] who is calling, [`problem`] what clients are told,
//!    [`diag`] what is wrong with a policy and how it is shown
//! 1. [`policy`] from text to a compiled snapshot, [`filter`] the JSON engine, [`settings`]
//! 2. [`decide`] the one evaluator, which alone makes permits; [`identity`] one caller or a refusal;
//!    [`tls`] certificates, and whom to trust
//! 3. [`control`] what is live and how it changes, [`telemetry`] log and metrics
//! 4. [`proxy`] the data plane, [`admin`] health and state
//! 5. [`app`] builds, wires and drains; [`demo`]; [`cli`] the commands, and all that is printed
//!
//! `policy`, `filter` and `decide` are pure: no file, clock, thread or environment. `docs/architecture.md`
//! has the walls and the reasons.

pub mod admin;
pub mod app;
pub mod cli;
pub mod control;
pub mod decide;
pub mod demo;
pub mod diag;
pub mod filter;
pub mod identity;
pub mod policy;
pub mod principal;
pub mod problem;
pub mod proxy;
pub mod settings;
pub mod source;
pub mod telemetry;
pub mod tls;
