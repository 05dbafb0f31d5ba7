//! HTTP/2 towards upstreams whose policy says `protocol: h2`.
//!
//! The frames are h2's (the crate under hyper), and what is sent is what an HTTP/1.1 upstream would
//! have been sent: [`head`] reads the written head of a [`Sending`](super::sending::Sending), which
//! is made of a canonical request and nothing else. One [`connection`] of a worker carries all
//! requests to an endpoint; [`pump`] sends a body as the upstream opens its windows, and a
//! [`stream`] is the response on its way here. What is given up is reset (RFC 9113 section 5.4.2).

mod beat;
mod connection;
mod exchange;
mod head;
mod pump;
mod stream;

pub(super) use connection::Connection;
pub(super) use exchange::{Failure, Within, ask};
pub(super) use stream::Stream;

/// Streams that are opened before the upstream has said how many it takes: it may refuse more, and
/// what was refused with a body that streams is lost.
const FIRST_STREAMS: usize = 1;

/// What an upstream may send on one stream before we read it.
const STREAM_WINDOW: u32 = 64 * 1024;

/// What it may send on all streams of a connection before we read it: as much as there can be
/// (RFC 9113 section 6.9.1). Were it less, a few clients that read nothing would hold up all others;
/// what is held is bounded by the streams, and they by `limits.upstream_requests`.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// Bytes of one frame that it may send (RFC 9113 section 4.2).
const MAX_FRAME: u32 = 64 * 1024;

/// What is held of a request's body before the upstream takes it.
const SEND_BUFFER: usize = 64 * 1024;

/// Bytes of fields that an upstream may refer to again (RFC 7541 section 4.2).
const HEADER_TABLE: u32 = 4096;

/// Streams that were given up here, of which frames may still come for [`FORGET_RESETS`].
const MAX_RESETS: usize = 256;

/// How long frames of a stream that was given up are expected.
const FORGET_RESETS: std::time::Duration = std::time::Duration::from_secs(5);

/// Streams of one connection that an upstream makes us reset by breaking the protocol; the
/// connection is closed then.
const MAX_ERRORS: usize = 100;
