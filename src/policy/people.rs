//! Organizations, applications and memberships, arranged for looking up.

use crate::policy::roleset::{RoleId, RoleSet};
use foldhash::fast::RandomState;
use std::collections::HashMap;
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
    pub(super) apps: Vec<App>,
    pub(super) app_ids: Map<Arc<str>, AppId>,
    /// Role sets of members, each stored once.
    pub(super) bindings: Vec<RoleSet>,
    pub(super) members: usize,
}

/// Where memberships come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// From credentials: a caller is a member of the organization that its credential names.
    Token,
    /// From the policy's list.
    Directory,
}

/// An organization.
#[derive(Debug, Default)]
pub struct Org {
    pub(super) active: bool,
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
}

/// A membership. Small, because there may be a million of them.
#[derive(Debug)]
pub struct Member {
    pub(super) roles: BindingId,
    pub(super) apps: Box<[(AppId, BindingId)]>,
    pub(super) active: bool,
}

/// Index of a role set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BindingId(pub u32);

impl People {
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

    /// Whether organizations are listed; if not, any claimed id is one.
    pub fn lists_orgs(&self) -> bool {
        self.orgs.is_some()
    }

    /// The application with this id.
    pub fn app_id(&self, id: &str) -> Option<AppId> {
        self.app_ids.get(id).copied()
    }

    /// An application.
    pub fn app(&self, id: AppId) -> &App {
        &self.apps[id.0 as usize]
    }

    /// The roles of a membership, with those that they include.
    pub fn roles(&self, member: &Member) -> &RoleSet {
        &self.bindings[member.roles.0 as usize]
    }

    /// The roles of a membership in an application, `None` without access to it. An access that
    /// lists none acts with the application's default roles.
    pub fn app_roles(&self, member: &Member, app: AppId) -> Option<&RoleSet> {
        let at = member.apps.binary_search_by_key(&app, |(id, _)| *id).ok()?;
        let roles = &self.bindings[member.apps[at].1.0 as usize];
        Some(if roles.is_empty() { self.app(app).default_roles() } else { roles })
    }
}

impl Org {
    /// Suspended organizations are not.
    pub fn is_active(&self) -> bool {
        self.active
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

    /// The roles that act where an access lists none.
    pub fn default_roles(&self) -> &RoleSet {
        &self.default_roles
    }
}

impl Member {
    /// Suspended members are not.
    pub fn is_active(&self) -> bool {
        self.active
    }
}

/// Stores equal role sets once.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    list: Vec<RoleSet>,
    ids: Map<Vec<u64>, BindingId>,
}

impl Bindings {
    pub(super) fn intern(&mut self, roles: impl Iterator<Item = RoleId>) -> BindingId {
        let set: RoleSet = roles.collect();
        let list = &mut self.list;
        *self.ids.entry(set.words().to_vec()).or_insert_with(|| {
            list.push(set);
            BindingId((list.len() - 1) as u32)
        })
    }

    pub(super) fn finish(self) -> Vec<RoleSet> {
        self.list
    }
}
