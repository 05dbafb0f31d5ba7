//! Start-up settings: raw, then checked. A restart changes them.

mod announcers;
mod limits;
mod listeners;
mod origins;
mod overrides;
mod read;
mod upstream;
mod values;

pub use origins::Origins;
pub use overrides::{Override, from_environment, keys, variable};
pub use read::{SettingsFile, read};
pub use values::ListenError;

use crate::policy::peers::Peers;
use crate::policy::upstream::Endpoints;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The settings that a process runs with, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients come in; at least one.
    pub listen: Vec<Listen>,
    /// Where health, metrics and the policy's state are shown. `None` where it is `off`.
    pub admin: Option<ListenAddress>,
    /// The default upstream's endpoints.
    pub upstream: Option<Endpoints>,
    /// A policy file or a folder of them.
    pub policy: PathBuf,
    /// Threads that carry requests, at least 1.
    pub workers: usize,
    /// What every buffer and every wait may take.
    pub limits: Limits,
    /// Where the access log goes.
    pub access_log: LogSink,
    /// A policy, or a route of it, may be in monitor mode.
    pub allow_monitor: bool,
    /// Who says so.
    pub origins: Origins,
}

/// Where clients come in, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: ListenAddress,
    /// What it shows and asks for where it speaks TLS.
    pub tls: Option<ListenTls>,
    /// Who says first for whom it connects (PROXY protocol).
    pub announcers: Option<Peers>,
}

/// The files of a listener that speaks TLS, and whom it lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    /// Certificates with their keys; the first, which is always there, is shown to clients that
    /// ask for none of the others' names.
    pub pairs: Vec<PairFiles>,
    /// The authorities whose certificates clients must have.
    pub client_ca: Option<PathBuf>,
    /// Whether a client must show a certificate.
    pub client_required: bool,
}

/// A chain of certificates, our own first, and its private key; both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// `127.0.0.1:8080`; port 0 takes a free one.
    Tcp(SocketAddr),
    /// `unix:/path`
    Unix(PathBuf),
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSink {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Appended to a file.
    File(PathBuf),
    /// Nowhere.
    Off,
}

impl Listen {
    /// Plain, without TLS, and every client for itself.
    pub fn plain(address: ListenAddress) -> Listen {
        Listen { address, tls: None, announcers: None }
    }
}

/// Every named limit. The defaults are those of `docs/operations.md`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// From the first byte of a request to the end of its head, and from a connection's start to
    /// its first byte.
    pub header_timeout: Duration,
    /// Between two pieces of a request's body.
    pub body_idle: Duration,
    /// Bytes a second that a client must send of a body, where it is waited for; 0 asks for none.
    pub body_min_rate: u64,
    /// Bytes of bodies and objects that are held whole, over all requests of the process (503
    /// beyond). `None` is a quarter of the memory that the process may have.
    pub in_flight_bytes: Option<usize>,
    /// Client connections of one source, for each worker.
    pub source_connections: u32,
    /// Waiting for the client to take bytes.
    pub write_idle: Duration,
    /// Opening a connection to an upstream.
    pub connect: Duration,
    /// From the request's last byte to the upstream's head, and between two pieces of its body.
    pub upstream_head: Duration,
    /// From a request's first byte to its upstream until the response's last, save of streams of
    /// records.
    pub upstream_total: Duration,
    /// Requests under way at one endpoint of an upstream, for each worker (503 beyond).
    pub upstream_requests: usize,
    /// Failures in a row after which an endpoint has a rest, where its upstream has others.
    pub eject_after: u32,
    /// How long that is.
    pub ejection: Duration,
    /// How long an upstream connection may lie unused.
    pub upstream_idle: Duration,
    /// How often the names of upstreams are looked up.
    pub upstream_lookup: Duration,
    /// A TLS handshake, with a client or an upstream, and the PROXY header of a load balancer.
    pub handshake: Duration,
    /// From SIGTERM until what is left is cut off.
    pub drain: Duration,
    /// How long a client connection may lie unused between requests.
    pub idle: Duration,
    /// Bytes of a target (414 beyond).
    pub max_target: usize,
    /// Header fields of a request (431 beyond).
    pub max_headers: usize,
    /// Bytes of a request's head (431 beyond).
    pub max_header_bytes: usize,
    /// Bytes of a request's body where it must be read (413 beyond).
    pub max_body: usize,
    /// Bytes of an object that is held whole: one that is looked at before a write, a row.
    pub object: usize,
    /// How deep JSON may nest.
    pub json_depth: usize,
    /// Bytes that a body may come to when its coding is taken off.
    pub inflate: u64,
    /// Bytes that it may come to for each byte of it, where it comes to more than 64 KiB.
    pub inflate_ratio: u64,
    /// Whether the coding of a request's body that must be read is taken off, so that it goes on
    /// without one; such a body is refused otherwise (415). The setting is not among `limits`.
    pub decode_requests: bool,
    /// HTTP/2 streams of one connection.
    pub streams: u32,
    /// Streams of one HTTP/2 connection that its client may reset at once; they come back within
    /// 30 seconds. Also those that it makes us reset, in the connection's life.
    pub resets: u32,
    /// Frames of one HTTP/2 connection that move nothing; they come back likewise.
    pub control_frames: u32,
    /// Client connections of one process.
    pub connections: usize,
    /// How long nothing may pass over a WebSocket connection, in either direction, or come of a
    /// stream of records.
    pub tunnel_idle: Duration,
    /// From the moment that something is no longer allowed until a connection that was opened
    /// before is cut.
    pub stream_revocation: Duration,
    /// Bad credentials of one address within [`Limits::auth_window`], for each worker (429 beyond).
    pub auth_failures: u32,
    /// From the first bad credential of an address until it is forgotten.
    pub auth_window: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            header_timeout: Duration::from_secs(10),
            body_idle: Duration::from_secs(10),
            body_min_rate: 1024,
            in_flight_bytes: None,
            source_connections: 1_000,
            write_idle: Duration::from_secs(30),
            connect: Duration::from_secs(2),
            upstream_head: Duration::from_secs(30),
            upstream_total: Duration::from_secs(3_600),
            upstream_requests: 1_024,
            eject_after: 5,
            ejection: Duration::from_secs(30),
            upstream_idle: Duration::from_secs(45),
            upstream_lookup: Duration::from_secs(10),
            handshake: Duration::from_secs(5),
            drain: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            max_target: 8 * 1024,
            max_headers: 100,
            max_header_bytes: 32 * 1024,
            max_body: 10 * 1024 * 1024,
            object: 1024 * 1024,
            json_depth: 64,
            inflate: 64 * 1024 * 1024,
            inflate_ratio: 100,
            decode_requests: false,
            streams: 100,
            resets: 200,
            control_frames: 10_000,
            connections: 10_000,
            tunnel_idle: Duration::from_secs(300),
            stream_revocation: Duration::from_secs(5),
            auth_failures: 100,
            auth_window: Duration::from_secs(60),
        }
    }
}
