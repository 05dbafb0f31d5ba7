//! What administration reads of a policy: who may see, assign and change which role.
//!
//! Nothing here opens anything by itself. On the data path only conditions ask for it: which roles
//! a caller sees, and which it may give.

use crate::policy::people::AppId;
use crate::policy::raw::RawRole;
use crate::policy::roleset::{RoleId, RoleSet};
use crate::policy::snapshot::Snapshot;
use std::sync::Arc;

/// What administration reads of a policy.
#[derive(Clone, Debug, Default)]
pub struct Administration {
    /// By role.
    pub(super) rights: Vec<Rights>,
    pub(super) roles_listed: bool,
    pub(super) presets: Vec<Preset>,
    pub(super) invitations: Vec<Invitation>,
    pub(super) features: Features,
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

/// Templates of roles. They are kept as typed, because what administration makes of one is a copy
/// in the policy's text; until then no template counts, and editing it later changes no role.
#[derive(Clone, Debug)]
pub struct Preset {
    pub id: Arc<str>,
    /// It is neither changed nor deleted.
    pub builtin: bool,
    pub roles: Vec<RawRole>,
}

/// Somebody who may become a member. What it names existed when the policy was loaded; whoever lets
/// it be accepted checks again.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub id: Arc<str>,
    /// `None` is the implicit organization.
    pub org: Option<Arc<str>>,
    pub email: Arc<str>,
    /// Organization roles.
    pub roles: Vec<RoleId>,
    pub apps: Vec<AppId>,
    pub status: InvitationStatus,
    /// Seconds since 1970. A pending one has it.
    pub expires: Option<u64>,
    /// SHA-256 of the token, in lower-case hexadecimal digits; no two invitations have the same.
    pub token_hash: Option<Arc<str>>,
    /// The user who invited.
    pub invited_by: Option<Arc<str>>,
}

/// What became of an invitation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvitationStatus {
    #[default]
    Pending,
    Accepted,
    Revoked,
    Expired,
}

/// Which parts of administration are on. One that is off refuses its operations; what is bound
/// stays enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Schemas, and binding them to roles.
    pub schemas: bool,
}

impl Default for Features {
    fn default() -> Features {
        Features { schemas: true }
    }
}

impl Administration {
    /// Whether the policy has a list of roles, be it empty: then none is meant.
    pub fn lists_roles(&self) -> bool {
        self.roles_listed
    }

    /// The templates of roles.
    pub fn presets(&self) -> &[Preset] {
        &self.presets
    }

    /// The invitations, whatever became of them.
    pub fn invitations(&self) -> &[Invitation] {
        &self.invitations
    }

    /// Which parts of administration are on.
    pub fn features(&self) -> Features {
        self.features
    }

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
