//! The one evaluator. `explain`, the tests and the proxy all call it.
//!
//! [`route`] finds what a request addresses, the caller is identified in between (a route may be
//! public), [`decide`] judges. What comes out is a [`Permit`], which only this module can make and
//! which forwarding consumes: no token, no send.

mod permit;
mod reason;

pub use permit::{Access, FieldMasks, Permit};
pub use reason::Reason;

use crate::policy::Target;
use crate::policy::snapshot::{RouteId, Snapshot};
use crate::principal::Principal;
use std::sync::Arc;

/// What a decision reads of a request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, as it came.
    pub method: &'a http::Method,
    /// The canonical path and query.
    pub target: &'a Target,
}

/// A request whose route and access letter are known, and nothing else.
#[derive(Debug)]
pub struct Routed {
    route: Option<RouteId>,
    access: Access,
    public: bool,
}

/// A refusal. What a client is told of it is the status and, at most, pointers that it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// RFC 6901 pointers into the request's body that are at fault.
    pub pointers: Vec<String>,
    /// For 405: the methods that the route knows, for the `Allow` header.
    pub allow: Option<&'static str>,
}

/// Told about each step of a decision; `()` hears nothing and costs nothing.
pub trait Trace {
    /// A sentence on what was found.
    fn note(&mut self, _say: impl FnOnce() -> String) {}
}

impl Trace for () {}

/// Finds the route and the access letters of a request (steps 2 and 3 of the decision order).
/// An unknown path is no error here: it is 401 for strangers and 404 only for a known caller.
pub fn route(_snapshot: &Snapshot, _request: &Request<'_>) -> Result<Routed, Refusal> {
    todo!()
}

/// Judges a request whose caller has been identified (steps 4 to 9, up to the body).
/// `principal` is `None` only where [`Routed::is_public`].
pub fn decide(
    _snapshot: &Snapshot,
    _request: &Request<'_>,
    _routed: Routed,
    _principal: Option<Arc<Principal>>,
    _trace: &mut impl Trace,
) -> Result<Permit, Refusal> {
    todo!()
}

impl Routed {
    /// No credential is evaluated for this request.
    pub fn is_public(&self) -> bool {
        self.public
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
