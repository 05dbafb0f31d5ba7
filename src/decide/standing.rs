//! Where a caller stands in what a request addresses: its organization, its application, and the
//! roles that count there (steps 5 and 6 of the decision order).

mod gate;
mod membership;
mod subject;

pub use subject::Subject;

use membership::Footing;

use super::named::{Kind, Named};
use super::{Reason, Trace};
use crate::policy::people::{Member, Org, People};
use crate::policy::resolve::Address;
use crate::policy::roleset::RoleSet;
use crate::policy::snapshot::{Route, Snapshot};
use crate::principal::Principal;
use std::sync::Arc;

/// The ids that a request addresses.
#[derive(Debug)]
pub(super) struct Addressed<'a> {
    org: Place<'a>,
    app: Place<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'a> {
    /// The route names none.
    None,
    /// The route takes it from a claim that the caller does not have.
    Missing,
    /// The route takes it from a header or a label that the request does not have.
    Absent(Kind),
    /// This one.
    Named(&'a str),
}

/// What counts for the caller here.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    /// The addressed organization; `None` where the route names none.
    pub org: Option<&'a str>,
    /// The addressed application.
    pub app: Option<&'a str>,
    /// Organization roles, and the application roles of the addressed application; and what
    /// restricts the memberships that count here.
    footing: Footing<'a>,
    seeker: Seeker<'a>,
    entered: Entered<'a>,
}

impl<'a> Addressed<'a> {
    pub(super) fn of(
        route: &Route,
        named: &'a Named<'a>,
        principal: &'a Principal,
    ) -> Addressed<'a> {
        Addressed {
            org: Place::of(&route.org, Kind::Org, named, principal),
            app: Place::of(&route.app, Kind::App, named, principal),
        }
    }
}

impl<'a> Place<'a> {
    fn of(
        source: &Address,
        kind: Kind,
        named: &'a Named<'a>,
        principal: &'a Principal,
    ) -> Place<'a> {
        match source {
            Address::None => Place::None,
            Address::Claim(name) => match claim(principal, name, kind.claim()) {
                Some(id) => Place::Named(id),
                None => Place::Missing,
            },
            _ => named.at(source, kind).map_or(Place::Absent(kind), Place::Named),
        }
    }
}

/// A claim as text. `claims.org` and `claims.app` mean the mapped values where the credential has
/// no claim of that name.
pub(super) fn claim<'a>(principal: &'a Principal, name: &str, kind: &str) -> Option<&'a str> {
    if let Some(text) = principal.claims.text(name) {
        return Some(text);
    }
    match (name == kind, name) {
        (true, "org") => principal.org.as_deref(),
        (true, "app") => principal.app.as_deref(),
        _ => None,
    }
}

impl<'a> Standing<'a> {
    /// Of a caller that stands nowhere yet.
    pub(super) fn new(snapshot: &'a Snapshot, principal: &'a Principal, now: u64) -> Standing<'a> {
        Standing {
            org: None,
            app: None,
            footing: Footing::default(),
            seeker: Seeker { snapshot, people: snapshot.people(), principal, now },
            entered: Entered::Nowhere,
        }
    }

    /// Finds where the caller stands, or why it stands nowhere.
    pub(super) fn find(
        &mut self,
        addressed: &Addressed<'a>,
        trace: &mut impl Trace,
    ) -> Result<(), Reason> {
        let seeker = self.seeker;
        if seeker.people.is_suspended(&seeker.principal.user) {
            trace.note(|| "the user is suspended".into());
            return Err(Reason::NotAMember);
        }
        self.entered = seeker.enter_org(addressed.org, &mut self.footing, trace)?;
        let Footing { roles, ground, .. } = &self.footing;
        let app = seeker.enter_app(addressed.app, self.entered, *ground, roles, trace)?;
        if let Some((id, app_roles)) = app {
            self.app = Some(id);
            self.footing.roles.union_with(&app_roles);
        }
        if let Place::Named(id) = addressed.org {
            self.org = Some(id);
        }
        Ok(())
    }
}

impl Standing<'_> {
    /// The roles that count here.
    pub(super) fn roles(&self) -> &RoleSet {
        &self.footing.roles
    }

    /// What restricts the memberships that count here.
    pub(super) fn restrictions(&self) -> &RoleSet {
        &self.footing.restrictions
    }

    /// What conditions ask of the caller here.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject::of(self)
    }
}

/// The organization that was entered.
#[derive(Clone, Copy, Debug)]
enum Entered<'p> {
    /// The route names none, and there is no implicit one.
    Nowhere,
    /// One that the policy lists, or the implicit one.
    Known(&'p Org),
    /// Any claimed id is an organization.
    Claimed,
}

/// What the caller has of its own in the organization that it entered. Whoever only reaches it from
/// elsewhere has nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Ground<'p> {
    /// Its membership in the directory.
    member: Option<&'p Member>,
    /// The roles that its credential claims here, where it is a member, or what it claims makes one.
    claims: Option<&'p [Arc<str>]>,
}

/// Looks for one caller, at one time.
#[derive(Clone, Copy, Debug)]
struct Seeker<'p> {
    snapshot: &'p Snapshot,
    people: &'p People,
    principal: &'p Principal,
    /// Seconds since 1970.
    now: u64,
}
