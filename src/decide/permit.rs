//! The evidence that a request may go on.

use crate::filter::mask::Mask;
use crate::policy::snapshot::{RouteId, UpstreamId};
use crate::principal::Principal;
use std::sync::Arc;

/// Proof that [`super::decide`] allowed one request. Not `Clone`: forwarding consumes it.
#[derive(Debug)]
pub struct Permit {
    pub(super) generation: u64,
    pub(super) principal: Option<Arc<Principal>>,
    pub(super) route: RouteId,
    pub(super) upstream: UpstreamId,
    pub(super) access: Access,
    pub(super) org: Option<Arc<str>>,
    pub(super) app: Option<Arc<str>>,
    pub(super) roles: Arc<str>,
    pub(super) fields: Option<Arc<FieldMasks>>,
    pub(super) erases_hidden: bool,
}

/// A set of access letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access(pub(crate) u8);

/// What the caller may see and send on this path.
#[derive(Debug)]
pub struct FieldMasks {
    /// For 2xx bodies; `None` shows everything.
    pub read: Option<Arc<Mask>>,
    /// For redirects and errors with a JSON body: everything that `read` hides by name is hidden at
    /// any depth. `None` where `read` hides by allow-list: then such a body cannot be trusted and a
    /// generic problem document takes its place.
    pub error: Option<Arc<Mask>>,
    /// For request bodies; `None` lets everything be sent.
    pub write: Option<Arc<Mask>>,
}

impl Permit {
    /// The generation of the snapshot that decided.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The caller; `None` on public routes.
    pub fn principal(&self) -> Option<&Arc<Principal>> {
        self.principal.as_ref()
    }

    /// The route.
    pub fn route(&self) -> RouteId {
        self.route
    }

    /// Where the request goes.
    pub fn upstream(&self) -> UpstreamId {
        self.upstream
    }

    /// The letters that were needed and granted.
    pub fn access(&self) -> Access {
        self.access
    }

    /// The addressed organization.
    pub fn org(&self) -> Option<&Arc<str>> {
        self.org.as_ref()
    }

    /// The addressed application.
    pub fn app(&self) -> Option<&Arc<str>> {
        self.app.as_ref()
    }

    /// The caller's roles here, comma-separated and percent-encoded, as the upstream is told.
    pub fn roles(&self) -> &Arc<str> {
        &self.roles
    }

    /// What limits the bodies; `None` where nothing does and bodies pass unread.
    pub fn fields(&self) -> Option<&Arc<FieldMasks>> {
        self.fields.as_ref()
    }

    /// A replacing write (PUT) where the mask limits a type of this path: 409, after the body's
    /// other checks.
    pub fn erases_hidden(&self) -> bool {
        self.erases_hidden
    }
}

impl Access {
    /// `c`
    pub const CREATE: Access = Access(1);
    /// `r`
    pub const READ: Access = Access(2);
    /// `u`
    pub const UPDATE: Access = Access(4);
    /// `d`
    pub const DELETE: Access = Access(8);

    /// Whether all letters of `other` are in this set.
    pub const fn has(self, other: Access) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    pub const fn or(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }

    /// The words that `explain` and the logs use; `create+update` where two are needed.
    pub fn as_str(self) -> &'static str {
        match self {
            Access::CREATE => "create",
            Access::READ => "read",
            Access::UPDATE => "update",
            Access::DELETE => "delete",
            Access(5) => "create+update",
            Access(3) => "create+read",
            _ => "several",
        }
    }
}
