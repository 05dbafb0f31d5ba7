//! The one evaluator. `explain`, the tests and the proxy all call it.
//!
//! [`route`] finds what a request addresses, the caller is identified in between (a route may be
//! public), [`decide`] judges. What comes out is a [`Permit`], which only this module can make and
//! which forwarding consumes: no token, no send.

pub mod body;
mod caller;
mod facts;
pub mod handshake;
mod head;
mod inquiry;
pub mod media;
mod named;
mod permit;
mod preflight;
pub mod query;
mod reason;
mod rows;
mod standing;

pub use crate::policy::access::Access;
pub use crate::policy::condition::{MAX_PREREADS, MAX_ROW_RULES};
pub use crate::policy::fields::FieldMasks;
pub use facts::{Body, Facts, Object};
pub use inquiry::{Inquiry, Preread};
pub use permit::Permit;
pub use preflight::{Preflight, preflight, readable_by};
pub use reason::Reason;
pub use rows::RowPlan;
pub use standing::Subject;

use crate::policy::host::Hosts;
use crate::policy::index::Matches;
use crate::policy::roleset::RoleSet;
use crate::policy::snapshot::{DenialId, GrantId, Route, RouteId, RuleGroup, Snapshot};
use crate::policy::{Host, Target};
use crate::principal::Principal;
use caller::Caller;
use named::{Kind, Named};
use standing::{Addressed, Standing};
use std::net::IpAddr;
use std::sync::Arc;

/// What a decision reads of a request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, as it came.
    pub method: &'a http::Method,
    /// The canonical path and query.
    pub target: &'a Target,
    /// The one host that the client named.
    pub host: Host<'a>,
    /// The header fields, as they came.
    pub headers: &'a http::HeaderMap,
    /// The address that the connection comes from; none where it comes over a Unix socket.
    pub client: Option<IpAddr>,
    /// The verified holder of the connection, by its certificate: the whole SPIFFE ID, or the name.
    pub peer: Option<&'a str>,
    /// When it came, in seconds since 1970: nothing here looks at a clock.
    pub now: u64,
}

/// A request whose route and access letters are known, and nothing else.
#[derive(Debug)]
pub struct Routed {
    route: Option<RouteId>,
    access: Access,
    public: bool,
    upgrade: bool,
    matches: Matches,
    hosts: Hosts,
}

/// A refusal. What a client is told of it is the status and, at most, pointers that it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// RFC 6901 pointers into the request's body that are at fault.
    pub pointers: Vec<String>,
    /// For 405: the methods that there are, for the `Allow` header.
    pub allow: Option<&'static str>,
}

/// What comes of a request's head.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the common one costs no allocation")]
pub enum Decision {
    /// It may go on.
    Allowed(Permit),
    /// It may, if what bodies say is as grants demand.
    Asks(Box<Inquiry>),
}

/// Told about the steps of a decision. `()` hears nothing and costs nothing.
pub trait Trace {
    /// Whether grants are to be listed, which takes time.
    const LISTENS: bool;
    /// Where the caller stands: the addressed organization and application, and the roles that
    /// count there.
    fn stands(&mut self, _: Option<&str>, _: Option<&str>, _: &RoleSet) {}
    /// A grant that holds.
    fn grant(&mut self, grant: GrantId);
    /// A grant that would hold, but for a condition.
    fn failed(&mut self, grant: GrantId, why: &'static str);
    /// A line of a restriction that denies the request.
    fn denial(&mut self, denial: DenialId);
    /// A sentence on what was found.
    fn note(&mut self, say: impl FnOnce() -> String);
}

impl Trace for () {
    const LISTENS: bool = false;
    fn grant(&mut self, _: GrantId) {}
    fn failed(&mut self, _: GrantId, _: &'static str) {}
    fn denial(&mut self, _: DenialId) {}
    fn note(&mut self, _: impl FnOnce() -> String) {}
}

/// Every method that a letter can stand for.
pub const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// Finds the route and the access letters of a request (steps 2 and 3 of the decision order).
/// An unknown path is no error here: it is 401 for strangers and 404 only for a known caller.
pub fn route(snapshot: &Snapshot, request: &Request<'_>) -> Result<Routed, Refusal> {
    let matches = snapshot.matches(request.target);
    let hosts = snapshot.hosts(request.host);
    let found = snapshot.best_route(&matches, hosts);
    let route = found.map(|id| snapshot.route(id));
    let access = match route {
        Some(route) => route.methods.access(request.method.as_str()),
        None => crate::policy::resolve::MethodTable::DEFAULT.access(request.method.as_str()),
    };
    let Some(access) = access else {
        return Err(Refusal {
            allow: Some(ALLOWED_METHODS),
            ..Refusal::because(Reason::BadMethod)
        });
    };
    if request.target.has_params() && !route.is_some_and(|route| route.params_keep) {
        return Err(Refusal::because(Reason::BadPath));
    }
    if query::overrides_method(request.target.query()) {
        return Err(Refusal::because(Reason::BadRequest));
    }
    let upgrade = route.is_some_and(|route| route.upgrade) && handshake::is_asked(request.headers);
    let access = match upgrade {
        true => {
            handshake::check(request)?;
            access.or(Access::READ).or(Access::CREATE)
        }
        false => access,
    };
    let public = match route {
        Some(route) if route.public.has(access) => carries_anyone(route, request)?,
        _ => false,
    };
    Ok(Routed { route: found, access, public, upgrade, matches, hosts })
}

/// Judges a request whose caller has been identified (steps 4 to 9, up to the body).
/// `principal` is looked at only where the route is not [`Routed::is_public`]; there, none is 401.
pub fn decide(
    snapshot: &Snapshot,
    request: &Request<'_>,
    routed: Routed,
    principal: Option<Arc<Principal>>,
    trace: &mut impl Trace,
) -> Result<Decision, Refusal> {
    if let (true, Some(route)) = (routed.public, routed.route) {
        return public_permit(snapshot, request, route, &routed).map(Decision::Allowed);
    }
    let principal = principal.ok_or(Refusal::because(Reason::Unauthenticated))?;
    let route_id = routed.route.ok_or(Refusal::because(Reason::NoRoute))?;
    let route = snapshot.route(route_id);
    let named = Named::read(route, request)?;
    let addressed = Addressed::of(route, &named, &principal);
    let mut standing = Standing::new(snapshot, &principal, request.now);
    let found = standing.find(&addressed, trace);
    if found.is_ok() {
        trace.stands(standing.org, standing.app, standing.roles());
    }
    let found = found.map_err(Refusal::because);
    if !route.monitor {
        found?;
        return judge(snapshot, request, routed, (&principal, &standing), trace);
    }
    let stands = found.is_ok().then_some(&standing);
    let through = let_through(snapshot, &routed, route_id, &principal, stands);
    match found.and_then(|()| judge(snapshot, request, routed, (&principal, &standing), trace)) {
        Err(refusal) if refusal.reason != Reason::BadRequest => {
            Ok(Decision::Allowed(through.although(refusal)))
        }
        judged => judged,
    }
}

/// Steps 7 and 8, as far as the head tells. Nearly every request is on this path: what is large
/// stays where it is made, and is not handed about.
fn judge(
    snapshot: &Snapshot,
    request: &Request<'_>,
    routed: Routed,
    (principal, standing): (&Arc<Principal>, &Standing<'_>),
    trace: &mut impl Trace,
) -> Result<Decision, Refusal> {
    let route_id = routed.route.ok_or(Refusal::because(Reason::NoRoute))?;
    let route = snapshot.route(route_id);
    if !route.when.is_empty() {
        let caller = Caller { principal: Some(principal), stands: Some(standing.subject()) };
        if !head::holds(&route.when, request, &caller)? {
            trace.note(|| {
                let at = route.place.as_ref().map(|place| format!(" ({place})"));
                let at = at.unwrap_or_default();
                format!("the `when` of the route `{}`{at} does not hold", route.pattern)
            });
            return Err(Refusal::because(Reason::ConditionFailed));
        }
    }
    restrict(snapshot, request.target, &routed, standing, trace)?;
    let mut inquiry = Inquiry::new(snapshot, request, routed, route_id, (principal, standing));
    inquiry.look(snapshot, request, (principal, standing), trace)?;
    match inquiry.waits() {
        true => Ok(Decision::Asks(Box::new(inquiry))),
        false => inquiry.permit(snapshot, request, (None, &[]), trace).map(Decision::Allowed),
    }
}

/// What monitor mode lets a request go on with that is refused: who it is, and where it has been
/// found to stand.
fn let_through(
    snapshot: &Snapshot,
    routed: &Routed,
    route: RouteId,
    principal: &Arc<Principal>,
    standing: Option<&Standing<'_>>,
) -> Permit {
    Permit {
        principal: Some(principal.clone()),
        org: standing.and_then(|standing| standing.org).map(Arc::from),
        app: standing.and_then(|standing| standing.app).map(Arc::from),
        roles: standing.map(|standing| standing.roles().clone()).unwrap_or_default(),
        ..plain_permit(snapshot, route, routed, standing.and_then(|standing| standing.app))
    }
}

impl Routed {
    /// No credential is evaluated for this request.
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// The route, if there is one.
    pub fn route(&self) -> Option<RouteId> {
        self.route
    }

    /// Whether the request may change something, by its method or by what that stands for here, or
    /// opens a connection that may.
    pub fn may_change(&self, method: &http::Method) -> bool {
        !method.is_safe() || self.upgrade || self.access != Access::READ
    }

    /// The letters that are needed.
    pub fn access(&self) -> Access {
        self.access
    }
}

impl Refusal {
    /// A refusal that says no more than its reason.
    pub fn because(reason: Reason) -> Refusal {
        Refusal { reason, pointers: Vec::new(), allow: None }
    }

    /// The status that the client gets.
    pub fn status(&self) -> u16 {
        self.reason.status()
    }
}

/// Whether a public route carries the request whoever sent it: what its `when` says of callers
/// does not hold, since nobody is asked.
fn carries_anyone(route: &Route, request: &Request<'_>) -> Result<bool, Refusal> {
    let nobody = Caller { principal: None, stands: None };
    Ok(route.when.is_empty() || head::holds(&route.when, request, &nobody)?)
}

/// There is no gate before a public route, and no claim: only the request addresses.
fn public_permit(
    snapshot: &Snapshot,
    request: &Request<'_>,
    route: RouteId,
    routed: &Routed,
) -> Result<Permit, Refusal> {
    let to = snapshot.route(route);
    let named = Named::read(to, request)?;
    Ok(plain_permit(snapshot, route, routed, named.at(&to.app, Kind::App)))
}

fn plain_permit(snapshot: &Snapshot, route: RouteId, routed: &Routed, app: Option<&str>) -> Permit {
    Permit { upgrade: routed.upgrade, ..Permit::plain(snapshot, route, routed.access, app) }
}

/// Step 7, before any grant: what a restriction denies stays denied, whatever the order.
fn restrict<T: Trace>(
    snapshot: &Snapshot,
    target: &Target,
    routed: &Routed,
    standing: &Standing<'_>,
    trace: &mut T,
) -> Result<(), Refusal> {
    let restrictions = standing.restrictions();
    if restrictions.is_empty() {
        return Ok(());
    }
    let addressed =
        |group: &RuleGroup<DenialId>| group.addresses(target, standing.org, standing.app);
    let mut denied = false;
    for letter in routed.access.positions() {
        let here = (&routed.matches, routed.hosts);
        if snapshot.denies(here, letter, restrictions, addressed) {
            denied = true;
            if T::LISTENS {
                let denials = snapshot.denials(here, letter, restrictions, addressed);
                denials.into_iter().for_each(|denial| trace.denial(denial));
            }
        }
    }
    if denied { Err(Refusal::because(Reason::Restricted)) } else { Ok(()) }
}
