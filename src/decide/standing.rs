//! Where a caller stands in what a request addresses: its organization, its application, and the
//! roles that count there (steps 5 and 6 of the decision order).

use super::named::{Kind, Named};
use super::subject::Subject;
use super::{Reason, Trace};
use crate::policy::people::{AppId, Membership, Org, People};
use crate::policy::resolve::Address;
use crate::policy::roleset::{RoleId, RoleSet};
use crate::policy::snapshot::{Route, Snapshot};
use crate::principal::{AuthMethod, Principal};

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
    /// What restricts the membership.
    pub restrictions: RoleSet,
}

impl Standing<'_> {
    /// What conditions compare with.
    pub(super) fn subject<'s>(
        &'s self,
        snapshot: &'s Snapshot,
        principal: &'s Principal,
        now: u64,
    ) -> Subject<'s> {
        let (org, app, roles) = (self.org, self.app, &self.roles);
        Subject { snapshot, principal: Some(principal), org, app, roles, now }
    }
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

pub(super) fn find<'a>(
    snapshot: &Snapshot,
    addressed: &Addressed<'a>,
    principal: &Principal,
    now: u64,
    trace: &mut impl Trace,
) -> Result<Standing<'a>, Reason> {
    let seeker = Seeker { snapshot, people: snapshot.people(), principal, now };
    if seeker.people.is_suspended(&principal.user) {
        trace.note(|| "the user is suspended".into());
        return Err(Reason::NotAMember);
    }
    let (org, mut roles) = seeker.enter_org(addressed.org, trace)?;
    let app = seeker.enter_app(addressed.app, org, &roles, trace)?;
    if let Some((_, app_roles)) = &app {
        roles.union_with(app_roles);
    }
    let named = |place| match place {
        Place::Named(id) => Some(id),
        _ => None,
    };
    let restrictions = seeker.restrictions(org);
    Ok(Standing { org: named(addressed.org), app: app.map(|(id, _)| id), roles, restrictions })
}

/// The organization that was entered.
#[derive(Clone, Copy)]
enum Entered<'p> {
    /// The route names none, and there is no implicit one.
    Nowhere,
    /// One that the policy lists, or the implicit one.
    Known(&'p Org),
    /// Any claimed id is an organization.
    Claimed,
}

struct Seeker<'p> {
    snapshot: &'p Snapshot,
    people: &'p People,
    principal: &'p Principal,
    /// Seconds since 1970.
    now: u64,
}

impl<'p> Seeker<'p> {
    /// The organization and the caller's roles in it.
    fn enter_org(
        &self,
        addressed: Place<'_>,
        trace: &mut impl Trace,
    ) -> Result<(Entered<'p>, RoleSet), Reason> {
        let id = match addressed {
            Place::Named(id) => Some(id),
            Place::Missing => {
                trace.note(|| "the claim that names the organization is missing".into());
                return Err(Reason::NotAMember);
            }
            Place::Absent(kind) => {
                trace.note(|| kind.absent());
                return Err(Reason::NotAMember);
            }
            Place::None => None,
        };
        let entered = match (id, self.people.implicit_org()) {
            (None, Some(org)) => Entered::Known(org),
            (None, None) => return Ok((Entered::Nowhere, RoleSet::new())),
            (Some(id), _) => match self.people.org(id) {
                Some(org) => Entered::Known(org),
                None if self.people.lists_orgs() => return Err(Reason::NotAMember),
                None => Entered::Claimed,
            },
        };
        // A credential that names an organization acts there alone.
        if let Some(own) = self.principal.org.as_deref().filter(|own| Some(*own) != id) {
            trace.note(|| match id {
                Some(_) => format!("the credential acts in the organization `{own}` alone"),
                None => format!(
                    "the credential names the organization `{own}`, but no route of this policy \
                     names one: let a route say `org: claims.org`, or map no claim to `org`"
                ),
            });
            return Err(Reason::NotAMember);
        }
        if matches!(entered, Entered::Known(org) if !org.is_active()) {
            trace.note(|| "the organization is suspended".into());
            return Err(Reason::NotAMember);
        }
        Ok((entered, self.org_roles(entered, id)?))
    }

    fn org_roles(&self, entered: Entered<'p>, id: Option<&str>) -> Result<RoleSet, Reason> {
        match self.people.membership() {
            Membership::Token => {
                // The credential names the organization, or it is the implicit one.
                match self.principal.org.as_deref() == id {
                    true => Ok(self.claimed_roles(false)),
                    false => Err(Reason::NotAMember),
                }
            }
            Membership::Directory => {
                let member = self.member(entered).ok_or(Reason::NotAMember)?;
                Ok(self.narrowed(self.people.roles(member, self.now)))
            }
        }
    }

    /// What restricts the caller in the organization that it entered. A key that names fewer roles
    /// is restricted as its member is.
    fn restrictions(&self, entered: Entered<'p>) -> RoleSet {
        match (entered, self.people.membership()) {
            (Entered::Nowhere, _) => RoleSet::new(),
            (_, Membership::Token) => self.people.default_restrictions().clone(),
            (_, Membership::Directory) => match self.member(entered) {
                Some(member) => self.people.restrictions(member, self.now),
                None => self.people.default_restrictions().clone(),
            },
        }
    }

    /// The application and the caller's roles in it. The gate: assigned to the organization, given
    /// to the user (both 404), active (403).
    fn enter_app<'a>(
        &self,
        addressed: Place<'a>,
        entered: Entered<'p>,
        org_roles: &RoleSet,
        trace: &mut impl Trace,
    ) -> Result<Option<(&'a str, RoleSet)>, Reason> {
        let id = match addressed {
            Place::Named(id) => id,
            Place::Absent(kind) => {
                trace.note(|| kind.absent());
                return Err(Reason::NoAppAccess);
            }
            Place::Missing | Place::None => {
                // A credential that names an application acts there alone.
                return match &self.principal.app {
                    Some(own) => {
                        trace.note(|| {
                            format!("the credential acts in the application `{own}` alone")
                        });
                        Err(Reason::NoAppAccess)
                    }
                    None => Ok(None),
                };
            }
        };
        let app = self.people.app_id(id).ok_or(Reason::AppNotAssigned)?;
        let assigned = match entered {
            Entered::Known(org) => org.has_app(app) || self.people.app(app).is_everywhere(),
            Entered::Claimed => true,
            Entered::Nowhere => false,
        };
        if !assigned {
            return Err(Reason::AppNotAssigned);
        }
        if self.principal.app.as_deref().is_some_and(|own| own != id) {
            trace.note(|| "the credential acts in another application alone".into());
            return Err(Reason::NoAppAccess);
        }
        let roles = match self.app_roles(entered, app) {
            Some(roles) => roles,
            None if self.is_open(entered, app, org_roles) => {
                trace.note(|| "nobody assigned the application: entry is derived".into());
                RoleSet::new()
            }
            None => return Err(Reason::NoAppAccess),
        };
        if !self.people.app(app).is_active() {
            return Err(Reason::AppInactive);
        }
        Ok(Some((id, roles)))
    }

    /// Whether a member may enter the application without having been given it. This is derived at
    /// each decision and never stored, so that it holds for what came before and after. It brings
    /// no role of the application.
    fn is_open(&self, entered: Entered<'p>, app: AppId, org_roles: &RoleSet) -> bool {
        let by_org = matches!(entered, Entered::Known(org) if org.auto_assigns(app));
        by_org
            || self.people.app(app).is_auto_assigned()
            || org_roles.intersects(self.snapshot.enters_all())
    }

    /// `None` where the caller has not been given the application.
    fn app_roles(&self, entered: Entered<'p>, app: AppId) -> Option<RoleSet> {
        match self.people.membership() {
            Membership::Token => {
                // Only a credential that names the application gives access to it.
                self.principal.app.as_ref()?;
                let claimed = self.claimed_roles(true);
                Some(match claimed.is_empty() {
                    true => self.people.app(app).default_roles().clone(),
                    false => claimed,
                })
            }
            Membership::Directory => {
                let member = self.member(entered)?;
                Some(self.narrowed(self.people.app_roles(member, app, self.now)?))
            }
        }
    }

    fn member(&self, entered: Entered<'p>) -> Option<&'p crate::policy::people::Member> {
        match entered {
            Entered::Known(org) => {
                org.member(&self.principal.user).filter(|member| member.is_active(self.now))
            }
            Entered::Nowhere | Entered::Claimed => None,
        }
    }

    /// The declared roles of one scope that the credential claims, with those that they include;
    /// unknown names are ignored.
    fn claimed_roles(&self, app_scope: bool) -> RoleSet {
        self.named(|role| self.snapshot.role(role).is_app_scope() == app_scope)
    }

    /// A member's roles as far as an API key lets them through: key roles only narrow.
    fn narrowed(&self, mut roles: RoleSet) -> RoleSet {
        if self.principal.method == AuthMethod::ApiKey && self.principal.roles.is_some() {
            roles.intersect_with(&self.named(|_| true));
        }
        roles
    }

    /// Those roles that the credential names, and what they include.
    fn named(&self, is: impl Fn(RoleId) -> bool) -> RoleSet {
        let mut roles = RoleSet::new();
        let names = self.principal.roles.iter().flatten();
        for role in names.filter_map(|name| self.snapshot.role_id(name)).filter(|role| is(*role)) {
            roles.insert(role);
            self.snapshot.role(role).includes().iter().for_each(|other| roles.insert(*other));
        }
        roles
    }
}
