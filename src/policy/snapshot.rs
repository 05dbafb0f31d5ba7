//! The immutable result of a load: what decisions read.

use crate::policy::raw::BodyKind;
use crate::policy::upstream::Upstream;
use std::sync::Arc;

/// A compiled policy. One request reads one snapshot from start to end.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) generation: u64,
    pub(crate) digest: Arc<str>,
    pub(crate) routes: Vec<Route>,
    pub(crate) upstreams: Vec<Upstream>,
}

/// Index of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u32);

/// Index of an upstream. 0 is the default one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamId(pub u32);

/// How a request on this route is carried.
#[derive(Debug)]
pub struct Route {
    /// The pattern as typed.
    pub pattern: Arc<str>,
    /// Where it goes.
    pub upstream: UpstreamId,
    /// How request bodies are read where the caller's mask limits something.
    pub request: BodyKind,
    /// How response bodies are read, likewise.
    pub response: BodyKind,
    /// The subject's credential goes on to the upstream.
    pub credential_pass: bool,
}

impl Snapshot {
    /// Counts loads; it only grows in one process.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// `sha256:…` over the policy and the files that it names.
    pub fn digest(&self) -> &Arc<str> {
        &self.digest
    }

    /// A route.
    pub fn route(&self, id: RouteId) -> &Route {
        &self.routes[id.0 as usize]
    }

    /// An upstream.
    pub fn upstream(&self, id: UpstreamId) -> &Upstream {
        &self.upstreams[id.0 as usize]
    }
}
