//! Step 5: an active membership in the addressed organization, or a role that reaches it.

use super::{Entered, Ground, Place, Seeker};
use crate::decide::{Reason, Trace};
use crate::policy::people::Membership;
use crate::policy::roleset::{RoleId, RoleSet};
use crate::principal::{AuthMethod, Principal};
use std::sync::Arc;

/// What the caller has in the organization that it entered.
#[derive(Debug, Default)]
pub(super) struct Footing<'p> {
    pub roles: RoleSet,
    pub restrictions: RoleSet,
    pub ground: Ground<'p>,
}

impl<'p> Seeker<'p> {
    /// The organization. What the caller has there is put into an empty `footing`.
    pub(super) fn enter_org(
        &self,
        addressed: Place<'_>,
        footing: &mut Footing<'p>,
        trace: &mut impl Trace,
    ) -> Result<Entered<'p>, Reason> {
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
            (None, None) => return Ok(Entered::Nowhere),
            (Some(id), _) => match self.people.org(id) {
                Some(org) => Entered::Known(org),
                None if self.people.lists_orgs() => {
                    trace.note(|| format!("the policy has no organization `{id}`"));
                    return Err(Reason::NotAMember);
                }
                None => Entered::Claimed,
            },
        };
        if matches!(entered, Entered::Known(org) if !org.is_active()) {
            trace.note(|| "the organization is suspended".into());
            return Err(Reason::NotAMember);
        }
        if !self.stands(entered, id, footing, trace) {
            self.explain_absence(entered, id, trace);
            return Err(Reason::NotAMember);
        }
        Ok(entered)
    }

    /// Whether the caller has anything of its own, or reaches from the operators: puts it together.
    fn stands(
        &self,
        entered: Entered<'p>,
        id: Option<&str>,
        footing: &mut Footing<'p>,
        trace: &mut impl Trace,
    ) -> bool {
        let own = self.ground(entered, id);
        let mut stands = own.is_some();
        if let Some(ground) = own {
            self.fill(footing, ground);
        }
        // The implicit organization is the only one.
        let Some(id) = id.filter(|_| !self.people.reaching().is_empty()) else { return stands };
        let others = self.people.operators().filter(|(from, _)| ***from != *id);
        for (from, org) in others.filter(|(_, org)| org.is_active()) {
            let ground = self.ground(Entered::Known(org), Some(from));
            let Some((roles, restrictions)) = ground.and_then(|there| self.travelling(there))
            else {
                continue;
            };
            trace.note(|| format!("{} from the operator `{from}`", self.reaching(&roles)));
            stands = true;
            footing.roles.union_with(&roles);
            // Deny overrides: whoever brings roles brings what restricts it at home.
            footing.restrictions.union_with(&restrictions);
        }
        stands
    }

    /// What the caller has in an organization without any role that reaches.
    fn ground<'o>(&self, entered: Entered<'o>, id: Option<&str>) -> Option<Ground<'o>>
    where
        'p: 'o,
    {
        if !self.may_act_in(id) {
            return None;
        }
        let member = match entered {
            Entered::Known(org) if self.people.membership() != Membership::Token => {
                org.member(&self.principal.user)
            }
            _ => None,
        };
        // A claim does not open what the directory has closed.
        if member.is_some_and(|member| !member.is_active(self.now)) {
            return None;
        }
        let makes_member = |roles: &&'p [Arc<str>]| self.claims_membership(id, roles);
        let claims = self.claims_in(id).filter(|roles| member.is_some() || makes_member(roles));
        match (member, claims) {
            (None, None) => None,
            _ => Some(Ground { member, claims }),
        }
    }

    /// Whether the caller is an active member of its own.
    pub(super) fn is_member(&self, entered: Entered<'_>, id: &str) -> bool {
        !matches!(entered, Entered::Known(org) if !org.is_active())
            && self.ground(entered, Some(id)).is_some()
    }

    fn fill<'o>(&self, footing: &mut Footing<'o>, ground: Ground<'o>) {
        footing.ground = ground;
        match ground.member {
            Some(member) => {
                footing.roles = self.narrowed(self.people.roles(member, self.now));
                footing.restrictions = self.people.restrictions(member, self.now);
            }
            None => footing.restrictions.union_with(self.people.default_restrictions()),
        }
        if let Some(claimed) = ground.claims {
            self.add_claimed_roles(claimed, false, &mut footing.roles);
        }
    }

    /// The roles that reach other organizations, with what they include; and what restricts them.
    fn travelling(&self, ground: Ground<'_>) -> Option<(RoleSet, RoleSet)> {
        let mut there = Footing::default();
        self.fill(&mut there, ground);
        let mut roles = RoleSet::new();
        for role in there.roles.iter().filter(|role| self.people.reaching().contains(*role)) {
            roles.insert(role);
            self.snapshot.role(role).includes().iter().for_each(|other| roles.insert(*other));
        }
        // A key may have kept a role and not what that includes.
        roles.intersect_with(&there.roles);
        (!roles.is_empty()).then_some((roles, there.restrictions))
    }

    /// A credential that names an organization acts there alone, save what reaches from there.
    fn may_act_in(&self, id: Option<&str>) -> bool {
        self.principal.org.is_none() || self.principal.org.as_deref() == id
    }

    /// The roles that the credential claims in an organization. It speaks of the one that it names;
    /// where it names none, of the implicit one, and to a listed member of those where it has roles.
    fn claims_in(&self, id: Option<&str>) -> Option<&'p [Arc<str>]> {
        let principal = self.principal;
        let speaks = match (principal.org.as_deref(), id) {
            (None, Some(id)) => principal.org_roles.get(id).is_some(),
            (own, id) => own == id,
        };
        speaks.then(|| principal.roles_in(id).unwrap_or_default())
    }

    /// Whether what the credential claims makes a member. It does so in the organization that the
    /// credential names and in no other: roles that it lists by organization are none of them.
    fn claims_membership(&self, id: Option<&str>, roles: &[Arc<str>]) -> bool {
        if self.principal.org.as_deref() != id {
            return false;
        }
        match self.people.membership() {
            Membership::Token => true,
            Membership::Directory => false,
            Membership::Both => {
                let of_app =
                    || self.principal.app.is_some() && !self.claimed_roles(roles, true).is_empty();
                !self.claimed_roles(roles, false).is_empty() || of_app()
            }
        }
    }

    /// The roles of one scope that count because the credential claims them, with those that they
    /// include; unknown names are ignored.
    pub(super) fn claimed_roles(&self, claimed: &[Arc<str>], app_scope: bool) -> RoleSet {
        let mut roles = RoleSet::new();
        self.add_claimed_roles(claimed, app_scope, &mut roles);
        roles
    }

    fn add_claimed_roles(&self, claimed: &[Arc<str>], app_scope: bool, roles: &mut RoleSet) {
        let of_scope = |role| self.snapshot.role(role).is_app_scope() == app_scope;
        let from_token = |role| of_scope(role) && self.people.from_token().contains(role);
        match self.people.membership() {
            Membership::Token => self.add_named(claimed, of_scope, roles),
            Membership::Directory => {}
            // The roles of a key only narrow.
            Membership::Both if self.principal.method == AuthMethod::ApiKey => {}
            Membership::Both => self.add_named(claimed, from_token, roles),
        }
    }

    /// A member's roles as far as an API key lets them through: key roles only narrow.
    pub(super) fn narrowed(&self, mut roles: RoleSet) -> RoleSet {
        let kept = self.principal.roles.as_deref();
        if let (AuthMethod::ApiKey, Some(kept)) = (self.principal.method, kept) {
            let mut named = RoleSet::new();
            self.add_named(kept, |_| true, &mut named);
            roles.intersect_with(&named);
        }
        roles
    }

    /// Adds those of these roles that the policy has, and what they include.
    fn add_named(&self, names: &[Arc<str>], is: impl Fn(RoleId) -> bool, roles: &mut RoleSet) {
        for role in
            names.iter().filter_map(|name| self.snapshot.role_id(name)).filter(|role| is(*role))
        {
            roles.insert(role);
            self.snapshot.role(role).includes().iter().for_each(|other| roles.insert(*other));
        }
    }

    fn explain_absence(&self, entered: Entered<'_>, id: Option<&str>, trace: &mut impl Trace) {
        let Principal { user, org, .. } = self.principal;
        if let Some(own) = org.as_deref().filter(|own| Some(*own) != id) {
            return trace.note(|| match id {
                Some(_) => format!("the credential acts in the organization `{own}` alone"),
                None => format!(
                    "the credential names the organization `{own}`, but no route of this policy \
                     names one: let a route say `org: claims.org`, or map no claim to `org`"
                ),
            });
        }
        if self.people.membership() != Membership::Token
            && let Entered::Known(listed) = entered
        {
            let what = match listed.member(user) {
                Some(_) => {
                    "is a member there, but suspended, or outside of the time that it is bound to"
                }
                None => "is not listed as a member there",
            };
            trace.note(|| format!("`{user}` {what}"));
        }
        if org.is_none() && id.is_some() && self.people.membership() != Membership::Directory {
            trace.note(|| {
                "the credential names no organization, so it makes a member of none".into()
            });
        }
    }

    /// `a` and `b` reach: the roles that do so by themselves.
    fn reaching(&self, roles: &RoleSet) -> String {
        let reaching = roles.iter().filter(|role| self.people.reaching().contains(*role));
        let names: Vec<_> =
            reaching.map(|role| format!("`{}`", self.snapshot.role(role).id())).collect();
        let verb = if names.len() == 1 { "reaches" } else { "reach" };
        format!("{} {verb} this organization", names.join(" and "))
    }
}
