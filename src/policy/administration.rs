//! What administration reads of a policy: who may see, assign and change which role.
//!
//! Nothing here opens anything by itself. On the data path only conditions ask for it: which roles
//! a caller sees, and which it may give.

use crate::policy::roleset::{RoleId, RoleSet};
use crate::policy::snapshot::Snapshot;
use std::sync::Arc;

/// What administration reads of a policy.
#[derive(Clone, Debug, Default)]
pub struct Administration {
    /// By role.
    pub(super) rights: Vec<Rights>,
}

/// How one role is administered.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// What people call it.
    pub name: Option<Arc<str>>,
    /// What people read of it.
    pub description: Option<Arc<str>>,
    /// Its id is reserved, and it is neither changed nor deleted.
    pub builtin: bool,
    /// Of an organization: given when a membership is created without roles. Of an application: it
    /// acts where an access lists none.
    pub default: bool,
    /// Whoever creates an organization has it there.
    pub first_member: bool,
    /// Members whose role is deleted have it instead.
    pub fallback: bool,
    /// The last one who has it in an organization stays.
    pub protect_last: bool,
    /// Roles whose holders see it: those of `visible_to` and of `assignable_by`, sorted.
    pub visible_to: Box<[RoleId]>,
    /// Roles whose holders may give it, sorted.
    pub assignable_by: Box<[RoleId]>,
    /// Roles whose holders may change it, sorted.
    pub editable_by: Box<[RoleId]>,
}

impl Administration {
    /// How a role of the policy is administered.
    pub fn rights(&self, role: RoleId) -> Option<&Rights> {
        self.rights.get(role.0 as usize)
    }

    /// The roles that whoever holds `holder` may see.
    pub fn visible(&self, holder: &RoleSet) -> impl Iterator<Item = RoleId> {
        self.that(|rights| holds_one(holder, &rights.visible_to))
    }

    /// The roles that whoever holds `holder` may give.
    pub fn assignable(&self, holder: &RoleSet) -> impl Iterator<Item = RoleId> {
        self.that(|rights| holds_one(holder, &rights.assignable_by))
    }

    /// The roles that whoever holds `holder` may change.
    pub fn editable(&self, holder: &RoleSet) -> impl Iterator<Item = RoleId> {
        self.that(|rights| holds_one(holder, &rights.editable_by))
    }

    fn that(&self, is: impl Fn(&Rights) -> bool) -> impl Iterator<Item = RoleId> {
        (0..).map(RoleId).zip(&self.rights).filter(move |(_, rights)| is(rights)).map(|(id, _)| id)
    }
}

fn holds_one(holder: &RoleSet, roles: &[RoleId]) -> bool {
    roles.iter().any(|role| holder.contains(*role))
}

impl Snapshot {
    /// What administration reads of this policy.
    pub fn administration(&self) -> &Administration {
        &self.administration
    }

    /// The ids of the roles that whoever holds these may see. A role that says nothing of it is
    /// seen by nobody.
    pub fn visible_roles(&self, holder: &RoleSet) -> impl Iterator<Item = &Arc<str>> {
        self.administration.visible(holder).map(|role| self.role(role).id())
    }

    /// The ids of the roles that whoever holds these may give.
    pub fn assignable_roles(&self, holder: &RoleSet) -> impl Iterator<Item = &Arc<str>> {
        self.administration.assignable(holder).map(|role| self.role(role).id())
    }
}
