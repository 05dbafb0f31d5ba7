//! The evidence that a request may go on.

use super::Refusal;
use super::rows::RowPlan;
use crate::policy::access::Access;
use crate::policy::fields::FieldMasks;
use crate::policy::roleset::RoleSet;
use crate::policy::snapshot::{GrantId, RouteId, Snapshot, UpstreamId};
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
    pub(super) upgrade: bool,
    pub(super) org: Option<Arc<str>>,
    pub(super) app: Option<Arc<str>>,
    pub(super) roles: RoleSet,
    pub(super) fields: Option<Arc<FieldMasks>>,
    pub(super) grant: Option<GrantId>,
    pub(super) erases_hidden: bool,
    pub(super) restores_hidden: bool,
    pub(super) tells_filtered: bool,
    pub(super) rows: Option<Arc<RowPlan>>,
    pub(super) monitor: Option<Monitor>,
}

/// What is known of a request in monitor mode.
#[derive(Clone, Debug)]
pub(super) struct Monitor {
    /// What would have refused it.
    pub(super) would: Option<Refusal>,
}

impl Permit {
    /// Of a request on a route, in nobody's name, whose bodies nothing limits.
    pub(super) fn plain(
        snapshot: &Snapshot,
        route: RouteId,
        access: Access,
        app: Option<&str>,
    ) -> Permit {
        Permit {
            generation: snapshot.generation(),
            principal: None,
            upstream: snapshot.upstream_for(snapshot.route(route), app),
            route,
            access,
            upgrade: false,
            org: None,
            app: None,
            roles: RoleSet::new(),
            fields: None,
            grant: None,
            erases_hidden: false,
            restores_hidden: false,
            tells_filtered: false,
            rows: None,
            monitor: None,
        }
    }

    /// Of a request in monitor mode that would have been refused.
    pub(super) fn although(self, refusal: Refusal) -> Permit {
        Permit { monitor: Some(Monitor { would: Some(refusal) }), ..self }
    }

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

    /// Whether the connection may become a WebSocket connection.
    pub fn upgrades(&self) -> bool {
        self.upgrade
    }

    /// The addressed organization.
    pub fn org(&self) -> Option<&Arc<str>> {
        self.org.as_ref()
    }

    /// The addressed application.
    pub fn app(&self) -> Option<&Arc<str>> {
        self.app.as_ref()
    }

    /// The roles that the caller has here.
    pub fn roles(&self) -> &RoleSet {
        &self.roles
    }

    /// The roles, comma-separated and percent-encoded, as the upstream is told. `snapshot` is the
    /// one that decided.
    pub fn roles_header(&self, snapshot: &Snapshot) -> Arc<str> {
        let mut headers = self.roles.iter().map(|role| snapshot.role(role).header());
        match (headers.next(), headers.next()) {
            (None, _) => Arc::from(""),
            (Some(only), None) => only.clone(),
            (Some(first), Some(second)) => {
                let rest = headers.fold(format!("{first},{second}"), |all, next| all + "," + next);
                rest.into()
            }
        }
    }

    /// What limits the bodies; `None` where nothing does and bodies pass unread.
    pub fn fields(&self) -> Option<&Arc<FieldMasks>> {
        self.fields.as_ref()
    }

    /// Whether the route is in monitor mode: nothing after this is to refuse or to change it.
    pub fn is_monitored(&self) -> bool {
        self.monitor.is_some()
    }

    /// In monitor mode, what would have refused the request.
    pub fn would_refuse(&self) -> Option<&Refusal> {
        self.monitor.as_ref()?.would.as_ref()
    }

    /// One of the grants that allowed it; none on public routes.
    pub fn grant(&self) -> Option<GrantId> {
        self.grant
    }

    /// A replacing write (PUT) where the mask limits a type of this path: 409, after the body's
    /// other checks.
    pub fn erases_hidden(&self) -> bool {
        self.erases_hidden
    }

    /// A replacing write on a route that says `update: merge_hidden`: what the caller cannot see of
    /// the stored object is put into the body before it goes.
    pub fn restores_hidden(&self) -> bool {
        self.restores_hidden
    }

    /// Whether the caller may know how much of the response was filtered.
    pub fn tells_filtered(&self) -> bool {
        self.tells_filtered
    }

    /// Lets the proxy, and nobody else, read what the request addresses in the caller's name.
    pub fn to_look(&self) -> Permit {
        Permit {
            generation: self.generation,
            principal: self.principal.clone(),
            upstream: self.upstream,
            route: self.route,
            access: Access::READ,
            upgrade: false,
            org: self.org.clone(),
            app: self.app.clone(),
            roles: self.roles.clone(),
            fields: None,
            grant: None,
            erases_hidden: false,
            restores_hidden: false,
            tells_filtered: false,
            rows: None,
            monitor: None,
        }
    }

    /// What decides about the rows of a successful response; `None` where all are shown.
    pub fn rows(&self) -> Option<&Arc<RowPlan>> {
        self.rows.as_ref()
    }
}
