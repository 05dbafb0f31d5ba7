//! What tests are arranged with: a raw recording upstream, a raw client, the real binary, policy
//! files that change under it, and tokens. Blocking, on threads, every listener on port 0, every
//! wait with a deadline ([`DEADLINE`]) and never a sleep for luck.
#![allow(dead_code, reason = "a tool box: not every test needs every tool")]

pub mod client;
pub mod conn;
pub mod eventually;
pub mod fault;
pub mod frames;
pub mod h2;
pub mod issuer;
pub mod policy;
pub mod proxy;
pub mod proxy_protocol;
pub mod tls;
pub mod tokens;
pub mod upstream;
pub mod wire;

mod self_test;

#[allow(unused_imports, reason = "the short names that tests begin with")]
pub use self::{proxy::Proxy, wire::Response};
pub use client::Client;
pub use eventually::eventually;
pub use policy::TempPolicy;
pub use upstream::{Answer, Upstream};

use std::time::Duration;

/// No wait of a test is longer; beyond it the test fails and says what it had seen so far.
pub const DEADLINE: Duration = Duration::from_secs(10);
