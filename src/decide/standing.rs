//! Where a caller stands in what a request addresses: its organization, its application, and the
//! roles that count there (steps 5 and 6 of the decision order).

mod gate;
mod membership;
mod subject;

pub use subject::Subject;

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
    /// Organization roles, and the application roles of the addressed application.
    pub roles: RoleSet,
    /// What restricts the memberships that count here.
    pub restrictions: RoleSet,
    seeker: Seeker<'a>,
    entered: Entered<'a>,
    ground: Ground<'a>,
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

/// Finds where the caller stands, or why it stands nowhere.
pub(super) fn find<'a>(
    snapshot: &'a Snapshot,
    addressed: &Addressed<'a>,
    principal: &'a Principal,
    now: u64,
    trace: &mut impl Trace,
) -> Result<Standing<'a>, Reason> {
    let seeker = Seeker { snapshot, people: snapshot.people(), principal, now };
    if seeker.people.is_suspended(&principal.user) {
        trace.note(|| "the user is suspended".into());
        return Err(Reason::NotAMember);
    }
    let (entered, footing) = seeker.enter_org(addressed.org, trace)?;
    let membership::Footing { mut roles, restrictions, ground } = footing;
    let app = seeker.enter_app(addressed.app, entered, ground, &roles, trace)?;
    if let Some((_, app_roles)) = &app {
        roles.union_with(app_roles);
    }
    let org = match addressed.org {
        Place::Named(id) => Some(id),
        _ => None,
    };
    let app = app.map(|(id, _)| id);
    Ok(Standing { org, app, roles, restrictions, seeker, entered, ground })
}

impl Standing<'_> {
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
