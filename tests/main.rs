//! All tests that need more than one module, in one binary. They read as transcripts: arrange
//! files and an upstream, run, compare what the client and the upstream saw.

mod admin;
mod attack;
mod canary;
mod cases;
mod check;
mod demo;
mod dependencies;
mod differential;
mod filter;
mod handover;
mod life;
mod main_job;
mod policy;
mod proxy;
mod readme;
mod reference;
mod schema;
mod soak;
mod start;
mod support;
mod systems;
mod tls;
mod walls;
