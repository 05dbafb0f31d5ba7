//! The one evaluator. `explain`, the tests and the proxy all call it.
//!
//! [`route`] finds what a request addresses, the caller is identified in between (a route may be
//! public), [`decide`] judges. What comes out is a [`Permit`], which only this module can make and
//! which forwarding consumes: no token, no send.

pub mod body;
pub mod media;
mod named;
mod permit;
pub mod query;
mod reason;
mod standing;

pub use crate::policy::access::Access;
pub use crate::policy::fields::FieldMasks;
use permit::Monitor;
pub use permit::Permit;
pub use reason::Reason;

use crate::policy::held::Held;
use crate::policy::host::Hosts;
use crate::policy::index::Matches;
use crate::policy::limits::Limits;
use crate::policy::roleset::RoleSet;
use crate::policy::snapshot::{DenialId, GrantId, Route, RouteId, RuleGroup, Snapshot, Update};
use crate::policy::{Host, Target};
use crate::principal::Principal;
use named::Named;
use smallvec::SmallVec;
use standing::{Addressed, Standing};
use std::borrow::Cow;
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
    /// When it came, in seconds since 1970: nothing here looks at a clock.
    pub now: u64,
}

/// A request whose route and access letters are known, and nothing else.
#[derive(Debug)]
pub struct Routed {
    route: Option<RouteId>,
    access: Access,
    public: bool,
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

/// Told about the steps of a decision. `()` hears nothing and costs nothing.
pub trait Trace {
    /// Whether grants are to be listed, which takes time.
    const LISTENS: bool;
    /// A grant that holds.
    fn grant(&mut self, grant: GrantId);
    /// A line of a restriction that denies the request.
    fn denial(&mut self, denial: DenialId);
    /// A sentence on what was found.
    fn note(&mut self, say: impl FnOnce() -> String);
}

impl Trace for () {
    const LISTENS: bool = false;
    fn grant(&mut self, _: GrantId) {}
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
    let public = route.is_some_and(|route| route.public.has(access));
    Ok(Routed { route: found, access, public, matches, hosts })
}

/// Judges a request whose caller has been identified (steps 4 to 9, up to the body).
/// `principal` is looked at only where the route is not [`Routed::is_public`]; there, none is 401.
pub fn decide(
    snapshot: &Snapshot,
    request: &Request<'_>,
    routed: Routed,
    principal: Option<Arc<Principal>>,
    trace: &mut impl Trace,
) -> Result<Permit, Refusal> {
    if let (true, Some(route)) = (routed.public, routed.route) {
        return Ok(public_permit(snapshot, route, routed.access));
    }
    let principal = principal.ok_or(Refusal::because(Reason::Unauthenticated))?;
    let route_id = routed.route.ok_or(Refusal::because(Reason::NoRoute))?;
    let route = snapshot.route(route_id);
    let named = Named::read(route, request)?;
    let addressed = Addressed::of(route, &named, &principal);
    let found = standing::find(snapshot, &addressed, &principal, request.now, trace);
    let judged = match &found {
        Ok(standing) => judge(snapshot, request, &routed, standing, trace),
        Err(reason) => Err(Refusal::because(*reason)),
    };
    let (judged, monitor) = match (judged, route.monitor) {
        (Err(refusal), false) => return Err(refusal),
        (Ok(judged), monitors) => (judged, monitors.then_some(Monitor { would: None })),
        (Err(refusal), true) => (Judged::default(), Some(Monitor { would: Some(refusal) })),
    };
    let (org, app, roles) = match found {
        Ok(standing) => (standing.org, standing.app, standing.roles),
        Err(_) => (None, None, RoleSet::new()),
    };
    Ok(Permit {
        generation: snapshot.generation(),
        route: route_id,
        upstream: route.upstream,
        access: routed.access,
        org: org.map(Arc::from),
        app: app.map(Arc::from),
        roles,
        grant: judged.grant,
        principal: Some(principal.clone()),
        erases_hidden: judged.fields.is_some() && replaces(request.method, route),
        fields: judged.fields,
        monitor,
    })
}

/// What the grants of a request come to.
#[derive(Default)]
struct Judged {
    grant: Option<GrantId>,
    fields: Option<Arc<FieldMasks>>,
}

/// Steps 7 and 8.
fn judge(
    snapshot: &Snapshot,
    request: &Request<'_>,
    routed: &Routed,
    standing: &Standing<'_>,
    trace: &mut impl Trace,
) -> Result<Judged, Refusal> {
    restrict(snapshot, request.target, routed, standing, trace)?;
    let held = held_grants(snapshot, request.target, routed, standing, trace)?;
    let creates = sends_an_element(request.method, routed.access);
    let fields = limits(snapshot, &routed.matches, &held, creates, trace)?;
    query::check(request.target.query(), fields.as_deref())?;
    let first_letter = routed.access.positions().next().unwrap_or_default();
    Ok(Judged { grant: held.first().and_then(|held| held.first(first_letter)), fields })
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

fn public_permit(snapshot: &Snapshot, route: RouteId, access: Access) -> Permit {
    Permit {
        generation: snapshot.generation(),
        principal: None,
        upstream: snapshot.route(route).upstream,
        route,
        access,
        org: None,
        app: None,
        roles: Default::default(),
        fields: None,
        grant: None,
        erases_hidden: false,
        monitor: None,
    }
}

/// Step 7, before any grant: what a restriction denies stays denied, whatever the order.
fn restrict<T: Trace>(
    snapshot: &Snapshot,
    target: &Target,
    routed: &Routed,
    standing: &Standing<'_>,
    trace: &mut T,
) -> Result<(), Refusal> {
    let restrictions = &standing.restrictions;
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

/// The grants that hold, for each letter that is needed; every letter needs one.
fn held_grants<'s>(
    snapshot: &'s Snapshot,
    target: &Target,
    routed: &Routed,
    standing: &Standing<'_>,
    trace: &mut impl Trace,
) -> Result<SmallVec<[Held<'s>; 2]>, Refusal> {
    let mut found = SmallVec::new();
    let mut roles = Cow::Borrowed(&standing.roles);
    if let Some(anybody) = snapshot.anybody() {
        roles.to_mut().insert(anybody);
    }
    for letter in routed.access.positions() {
        let held = snapshot.held((&routed.matches, routed.hosts), letter, &roles, |group| {
            group.addresses(target, standing.org, standing.app)
        });
        if held.roles.is_empty() {
            return Err(Refusal::because(Reason::NoGrant));
        }
        report_grants(&held, letter, trace);
        found.push(held);
    }
    Ok(found)
}

fn report_grants<T: Trace>(held: &Held<'_>, letter: usize, trace: &mut T) {
    if T::LISTENS {
        held.grants(letter).into_iter().for_each(|grant| trace.grant(grant));
    }
}

/// What limits the bodies. Where two letters are needed, a field must pass for both.
fn limits(
    snapshot: &Snapshot,
    matches: &Matches,
    held: &[Held<'_>],
    creates: bool,
    trace: &mut impl Trace,
) -> Result<Option<Arc<FieldMasks>>, Refusal> {
    let mut all: Option<Arc<FieldMasks>> = None;
    for held in held {
        let masks = match snapshot.limits(matches, held, creates) {
            Limits::Nothing => continue,
            Limits::Masks(masks) => masks,
            Limits::Unmapped => {
                trace.note(|| {
                    "every role that grants this limits a type of object that may be \
                               here, but the policy does not say where: add the path to the \
                               type's `at`, or write `elsewhere: pass`"
                        .into()
                });
                return Err(Refusal::because(Reason::Unmapped));
            }
        };
        all = Some(match all {
            None => masks,
            Some(others) => Arc::new(others.and(&masks)),
        });
    }
    Ok(all)
}

/// Whether the body is one more element of what the path holds. A POST that only reads sends a
/// question.
fn sends_an_element(method: &http::Method, access: Access) -> bool {
    access != Access::READ && *method == http::Method::POST
}

/// Whether what the body does not mention is lost.
fn replaces(method: &http::Method, route: &Route) -> bool {
    method == http::Method::PUT && route.update == Update::Replace
}
