//! Routes: how a request is carried, and which of them it is on.

use crate::policy::access::Access;
use crate::policy::condition::Test;
use crate::policy::cors::Cors;
use crate::policy::host::{HostId, HostTable, Hosts};
use crate::policy::index::{Matches, ShapeId};
pub use crate::policy::raw::{BodyKind, RequestKind, Update};
use crate::policy::resolve::{Address, Carriage, MethodTable};
use crate::policy::snapshot::{Snapshot, UpstreamId};
use crate::source::Place;
use http::HeaderValue;
use std::collections::HashMap;
use std::sync::Arc;

/// Index of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u32);

/// How a request on this route is carried.
#[derive(Debug)]
pub struct Route {
    /// The pattern as typed, after its host, if it names one.
    pub pattern: Arc<str>,
    /// Where it stands in the files; `None` for the one that a policy without routes has.
    pub place: Option<Place>,
    /// Where it goes.
    pub upstream: UpstreamId,
    /// How request bodies are read where the caller's mask limits something.
    pub request: RequestKind,
    /// How response bodies are read, likewise.
    pub response: BodyKind,
    /// Data of server-sent events that is no JSON and passes as it is.
    pub sentinels: Arc<[Arc<str>]>,
    /// The subject's credential goes on to the upstream.
    pub credential_pass: bool,
    /// Which organization a request addresses.
    pub org: Address,
    /// Which application a request addresses.
    pub app: Address,
    /// The headers that say so, for `Vary`; `None` where no header does.
    pub vary: Option<HeaderValue>,
    /// The letters that methods need.
    pub methods: MethodTable,
    /// Letters for which no credential is evaluated.
    pub public: Access,
    /// What PUT does with what it does not mention.
    pub update: Update,
    /// Paths may have `;`.
    pub params_keep: bool,
    /// What the upstream gets instead of what the client sent.
    pub carriage: Carriage,
    /// What must hold for a request to be carried.
    pub when: Box<[Test]>,
    /// WebSocket connections may be opened.
    pub upgrade: bool,
    /// What pages of other origins may do.
    pub cors: Option<Arc<Cors>>,
    /// Steps 5 to 9 and 11 are told and not done.
    pub monitor: bool,
}

/// The hosts that a policy names, and its routes for them. A route for every host stands with what
/// is known of its shape of path.
#[derive(Debug, Default)]
pub(crate) struct HostRoutes {
    pub(super) table: HostTable,
    /// Shapes of path, each with a host.
    pub(super) routes: HashMap<(ShapeId, HostId), RouteId, foldhash::fast::RandomState>,
}

impl Snapshot {
    /// What becomes of what is decided: `enforce`, `monitor`, or `mixed` where routes differ.
    pub fn mode(&self) -> &'static str {
        let monitored = self.routes.iter().filter(|route| route.monitor).count();
        match monitored {
            0 => "enforce",
            all if all == self.routes.len() => "monitor",
            _ => "mixed",
        }
    }

    /// Whether routes, grants or denials name hosts.
    pub fn reads_host(&self) -> bool {
        !self.hosts.table.is_empty()
    }

    /// The most specific route for these hosts among what matches a path: first those for exactly
    /// this host, then those for one label and the rest of it, then those for every host; among
    /// these the most specific path.
    pub(crate) fn best_route(&self, matches: &Matches, hosts: Hosts) -> Option<RouteId> {
        let on = |host: HostId| {
            let route = move |shape| self.hosts.routes.get(&(shape, host)).copied();
            self.most_specific(matches, route)
        };
        let named = hosts.exact.and_then(on).or_else(|| hosts.label.and_then(on));
        named.or_else(|| self.most_specific(matches, |shape| self.facts(shape).route))
    }

    fn most_specific(
        &self,
        matches: &Matches,
        route: impl Fn(ShapeId) -> Option<RouteId>,
    ) -> Option<RouteId> {
        let with_route = |shape: &ShapeId| Some((self.rank(*shape), route(*shape)?));
        matches.iter().filter_map(with_route).min().map(|(_, route)| route)
    }
}
