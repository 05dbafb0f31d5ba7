//! The data plane, in this process, over a raw recording upstream.

mod announced;
mod bodies;
mod cors;
mod endpoints;
mod exhaustion;
mod faults;
mod faults_between;
mod floods;
pub(crate) mod framed;
mod framing;
mod h2spec;
mod headers;
mod health;
mod http2;
mod lasting;
mod life;
mod limits;
mod names;
mod paths;
mod refusals;
pub(crate) mod support;
mod timeouts;
mod turns;
mod upstream;
mod websocket;
