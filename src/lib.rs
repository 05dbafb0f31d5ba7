//! Portcullis: a reverse proxy that enforces who may do what, and who may see which field.

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
