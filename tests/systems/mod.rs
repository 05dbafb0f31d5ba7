//! The examples, statement by statement: each test is named after the ids that it is about, runs the
//! example's policy through the real proxy, and looks at both sides of it.

mod covered;
pub mod store;
pub mod system;

mod accesslayer;
mod evrythng;
mod frontegg;
mod layer;
mod nexmo;
mod saas;
mod sidecar;
