//! Organizations, applications and memberships, arranged for looking up.

mod listing;

pub(super) use listing::Listing;

use crate::policy::roleset::{RoleId, RoleSet};
use crate::policy::snapshot::UpstreamId;
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

type Map<K, V> = HashMap<K, V, RandomState>;

/// Index of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(pub u32);

/// Who belongs where.
#[derive(Debug)]
pub struct People {
    pub(super) membership: Membership,
    /// The policy says the mode itself; otherwise it was derived.
    pub(super) explicit: bool,
    /// The organization that every route addresses where none is named anywhere.
    pub(super) implicit: Option<Org>,
    /// `None`: any id that a verified claim names is an organization.
    pub(super) orgs: Option<Map<Arc<str>, Org>>,
    /// The ids of organizations that are operators.
    pub(super) operators: Box<[Arc<str>]>,
    /// Roles that say `reach: all-orgs`.
    pub(super) reaching: RoleSet,
    /// Roles that say `from_token`.
    pub(super) from_token: RoleSet,
    pub(super) apps: Vec<App>,
    pub(super) app_ids: Map<Arc<str>, AppId>,
    pub(super) suspended: HashSet<Arc<str>, RandomState>,
    pub(super) groups: Vec<Group>,
    /// The restrictions of whoever has no list of its own, such as members by token.
    pub(super) default_restrictions: RoleSet,
    /// Sets of roles and of restrictions, each stored once.
    pub(super) bindings: Vec<RoleSet>,
    pub(super) members: usize,
    pub(super) listing: Listing,
}

/// Where memberships come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// From credentials: a caller is a member of the organization that its credential names.
    Token,
    /// From the policy's list.
    Directory,
    /// From the policy's list, and roles that say `from_token` from credentials as well.
    Both,
}

/// An organization.
#[derive(Debug, Default)]
pub struct Org {
    pub(super) active: bool,
    /// Its roles that say so count in every organization.
    pub(super) operator: bool,
    /// Sorted. `None`: every application is assigned to it.
    pub(super) apps: Option<Vec<AppId>>,
    /// Sorted: those that every user of it may enter.
    pub(super) auto_apps: Vec<AppId>,
    pub(super) members: Map<Arc<str>, Member>,
}

/// An application.
#[derive(Debug)]
pub struct App {
    pub(super) id: Arc<str>,
    pub(super) active: bool,
    pub(super) auto_assign: bool,
    pub(super) everywhere: bool,
    pub(super) default_roles: RoleSet,
    pub(super) upstream: Option<UpstreamId>,
}

/// A membership. Small, because there may be a million of them.
#[derive(Debug)]
pub struct Member {
    pub(super) roles: BindingId,
    /// A set of restrictions.
    pub(super) restrictions: BindingId,
    pub(super) apps: Accesses,
    pub(super) active: bool,
    /// What few members have.
    pub(super) more: Option<Box<More>>,
}

/// What a membership may have besides.
#[derive(Debug, Default)]
pub(super) struct More {
    pub window: Window,
    /// Indices of groups, and when the member is in each.
    pub groups: Box<[(u32, Window)]>,
}

/// What the members of a group have besides their own.
#[derive(Debug)]
pub(super) struct Group {
    pub roles: BindingId,
    /// A set of restrictions.
    pub restrictions: BindingId,
    pub apps: Accesses,
}

/// Applications and the roles in each, sorted by application.
pub(super) type Accesses = Box<[(AppId, BindingId)]>;

/// When something holds, in seconds since 1970: from the first second up to, and without, the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    not_before: u64,
    expires: u64,
}

/// Index of a role set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BindingId(pub u32);

impl People {
    /// Whether this user is suspended, and so a member of nothing.
    pub fn is_suspended(&self, user: &str) -> bool {
        self.suspended.contains(user)
    }

    /// Where memberships come from.
    pub fn membership(&self) -> Membership {
        self.membership
    }

    /// Whether the policy says so itself.
    pub fn membership_is_explicit(&self) -> bool {
        self.explicit
    }

    /// How many memberships are listed.
    pub fn len(&self) -> usize {
        self.members
    }

    /// Whether none is listed.
    pub fn is_empty(&self) -> bool {
        self.members == 0
    }

    /// The organization that every route addresses where none is named anywhere.
    pub fn implicit_org(&self) -> Option<&Org> {
        self.implicit.as_ref()
    }

    /// The organization with this id, if it is listed.
    pub fn org(&self, id: &str) -> Option<&Org> {
        self.orgs.as_ref()?.get(id)
    }

    /// The organizations whose reaching roles count in every other one, with their ids.
    pub fn operators(&self) -> impl Iterator<Item = (&Arc<str>, &Org)> {
        self.operators.iter().filter_map(|id| self.org(id).map(|org| (id, org)))
    }

    /// Roles that count in every organization, where they are held in an operator's.
    pub fn reaching(&self) -> &RoleSet {
        &self.reaching
    }

    /// Roles that count where a credential claims them, with [`Membership::Both`].
    pub fn from_token(&self) -> &RoleSet {
        &self.from_token
    }

    /// Whether organizations are listed; if not, any claimed id is one.
    pub fn lists_orgs(&self) -> bool {
        self.orgs.is_some()
    }

    /// The application with this id.
    pub fn app_id(&self, id: &str) -> Option<AppId> {
        self.app_ids.get(id).copied()
    }

    /// Every application.
    pub fn app_indices(&self) -> impl Iterator<Item = AppId> {
        (0..self.apps.len() as u32).map(AppId)
    }

    /// An application.
    pub fn app(&self, id: AppId) -> &App {
        &self.apps[id.0 as usize]
    }

    /// The roles of a membership at a time, with those that they include: its own, and those of
    /// the groups that the member is in then.
    pub fn roles(&self, member: &Member, now: u64) -> RoleSet {
        let mut roles = self.binding(member.roles).clone();
        for group in self.groups(member, now) {
            roles.union_with(self.binding(group.roles));
        }
        roles
    }

    /// The restrictions of a membership at a time: its own, and those of the groups that the
    /// member is in then. They are a set of restrictions' indices.
    pub fn restrictions(&self, member: &Member, now: u64) -> RoleSet {
        let mut restrictions = self.binding(member.restrictions).clone();
        for group in self.groups(member, now) {
            restrictions.union_with(self.binding(group.restrictions));
        }
        restrictions
    }

    /// The restrictions of whoever has no list of its own, such as members by token.
    pub fn default_restrictions(&self) -> &RoleSet {
        &self.default_restrictions
    }

    /// The roles of a membership in an application at a time, `None` without access to it. Each
    /// access counts for itself: one that lists none acts with the application's default roles,
    /// also where another one, of a group, lists some.
    pub fn app_roles(&self, member: &Member, app: AppId, now: u64) -> Option<RoleSet> {
        let mut found = self.access(&member.apps, app).cloned();
        for roles in self.groups(member, now).filter_map(|group| self.access(&group.apps, app)) {
            found.get_or_insert_default().union_with(roles);
        }
        found
    }

    /// The groups that a member is in at a time.
    fn groups(&self, member: &Member, now: u64) -> impl Iterator<Item = &Group> {
        let entries = member.more.iter().flat_map(|more| &more.groups);
        let current = entries.filter(move |(_, window)| window.holds(now));
        current.map(|(group, _)| &self.groups[*group as usize])
    }

    fn access(&self, apps: &Accesses, app: AppId) -> Option<&RoleSet> {
        let at = apps.binary_search_by_key(&app, |(id, _)| *id).ok()?;
        let roles = self.binding(apps[at].1);
        Some(if roles.is_empty() { self.app(app).default_roles() } else { roles })
    }

    fn binding(&self, id: BindingId) -> &RoleSet {
        &self.bindings[id.0 as usize]
    }
}

impl Org {
    /// Suspended organizations are not.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Whether its roles that say so count in every organization.
    pub fn is_operator(&self) -> bool {
        self.operator
    }

    /// Whether the application is assigned to this organization by name.
    pub fn has_app(&self, app: AppId) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.binary_search(&app).is_ok())
    }

    /// Whether every user of this organization may enter the application.
    pub fn auto_assigns(&self, app: AppId) -> bool {
        self.auto_apps.binary_search(&app).is_ok()
    }

    /// A user's membership.
    pub fn member(&self, user: &str) -> Option<&Member> {
        self.members.get(user)
    }
}

impl App {
    /// The id as typed.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Inactive applications can be assigned, not entered.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Every user of an organization may enter it.
    pub fn is_auto_assigned(&self) -> bool {
        self.auto_assign
    }

    /// Every organization has it.
    pub fn is_everywhere(&self) -> bool {
        self.everywhere
    }

    /// Where requests that address it go, unless their route names an upstream.
    pub fn upstream(&self) -> Option<UpstreamId> {
        self.upstream
    }

    /// The roles that act where an access lists none.
    pub fn default_roles(&self) -> &RoleSet {
        &self.default_roles
    }
}

impl Member {
    /// Suspended members are not, nor those whose time has not come or is over.
    pub fn is_active(&self, now: u64) -> bool {
        self.active && self.more.as_ref().is_none_or(|more| more.window.holds(now))
    }
}

impl Window {
    /// From `not_before` (always, if there is none) up to `expires` (for ever, if there is none).
    pub fn new(not_before: Option<u64>, expires: Option<u64>) -> Window {
        Window { not_before: not_before.unwrap_or(0), expires: expires.unwrap_or(u64::MAX) }
    }

    /// Whether it holds at this second.
    pub fn holds(self, now: u64) -> bool {
        self.not_before <= now && now < self.expires
    }
}

impl Default for Window {
    fn default() -> Window {
        Window::new(None, None)
    }
}

/// Stores equal role sets once.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    list: Vec<RoleSet>,
    ids: Map<RoleSet, BindingId>,
}

impl Bindings {
    pub(super) fn intern(&mut self, roles: impl Iterator<Item = RoleId>) -> BindingId {
        let set: RoleSet = roles.collect();
        let list = &mut self.list;
        *self.ids.entry(set.clone()).or_insert_with(|| {
            list.push(set);
            BindingId((list.len() - 1) as u32)
        })
    }

    pub(super) fn finish(self) -> Vec<RoleSet> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_from_its_first_second_and_not_in_its_last() {
        let window = Window::new(Some(10), Some(20));
        let holds = [9, 10, 19, 20].map(|now| window.holds(now));
        assert_eq!(holds, [false, true, true, false]);
        assert!(Window::default().holds(0) && Window::default().holds(u64::MAX - 1));
    }
}
