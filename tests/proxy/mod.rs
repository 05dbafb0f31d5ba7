//! The data plane, in this process, over a raw recording upstream.

mod framing;
mod headers;
mod paths;
mod support;
