//! Step 6: the application gate. Assigned to the organization, given to the user (both 404),
//! active (403). It is the gate of the addressed organization, also for whoever reaches it from
//! elsewhere.

use super::{Entered, Ground, Place, Seeker};
use crate::decide::{Reason, Trace};
use crate::policy::people::{AppId, Membership};
use crate::policy::roleset::RoleSet;

/// How a caller comes into an application.
pub(super) struct Entry {
    /// Its roles there.
    pub roles: RoleSet,
    /// Nobody gave it: `auto_assign` or a role that opens all applications did.
    pub derived: bool,
}

impl<'p> Seeker<'p> {
    /// The application and the caller's roles in it.
    pub(super) fn enter_app<'a>(
        &self,
        addressed: Place<'a>,
        entered: Entered<'p>,
        ground: Ground<'p>,
        org_roles: &RoleSet,
        trace: &mut impl Trace,
    ) -> Result<Option<(&'a str, RoleSet)>, Reason> {
        if let Place::Absent(kind) = addressed {
            trace.note(|| kind.absent());
            return Err(Reason::NoAppAccess);
        }
        let Place::Named(id) = addressed else {
            // A credential that names an application acts there alone.
            let Some(own) = &self.principal.app else { return Ok(None) };
            trace.note(|| format!("the credential acts in the application `{own}` alone"));
            return Err(Reason::NoAppAccess);
        };
        let Some(app) = self.people.app_id(id) else {
            trace.note(|| format!("the policy has no application `{id}`"));
            return Err(Reason::AppNotAssigned);
        };
        let entry = self.entry(app, entered, ground, org_roles);
        let entry = entry.inspect_err(|reason| {
            trace.note(|| match reason {
                Reason::AppNotAssigned => format!("the organization does not have `{id}`"),
                Reason::AppInactive => format!("`{id}` says `active: false`"),
                _ if self.acts_elsewhere(app) => {
                    "the credential acts in another application alone".into()
                }
                _ => format!("nobody gave `{id}` to `{}`", self.principal.user),
            })
        })?;
        if entry.derived {
            trace.note(|| "nobody assigned the application: entry is derived".into());
        }
        Ok(Some((id, entry.roles)))
    }

    /// Whether the caller may enter an application, and as what.
    pub(super) fn entry(
        &self,
        app: AppId,
        entered: Entered<'p>,
        ground: Ground<'p>,
        org_roles: &RoleSet,
    ) -> Result<Entry, Reason> {
        let assigned = match entered {
            Entered::Known(org) => org.has_app(app) || self.people.app(app).is_everywhere(),
            Entered::Claimed => true,
            Entered::Nowhere => false,
        };
        if !assigned {
            return Err(Reason::AppNotAssigned);
        }
        if self.acts_elsewhere(app) {
            return Err(Reason::NoAppAccess);
        }
        let entry = match self.given(app, ground) {
            Some(roles) => Entry { roles, derived: false },
            None if self.is_open(app, entered, org_roles) => {
                Entry { roles: RoleSet::new(), derived: true }
            }
            None => return Err(Reason::NoAppAccess),
        };
        match self.people.app(app).is_active() {
            true => Ok(entry),
            false => Err(Reason::AppInactive),
        }
    }

    /// Whether the credential names another application: it acts there alone, in whatever
    /// organization. `reach` goes to other organizations, not to other applications.
    fn acts_elsewhere(&self, app: AppId) -> bool {
        self.principal.app.as_deref().is_some_and(|own| own != &**self.people.app(app).id())
    }

    /// Whether a member may enter the application without having been given it. This is derived at
    /// each decision and never stored, so that it holds for what came before and after. It brings
    /// no role of the application.
    fn is_open(&self, app: AppId, entered: Entered<'p>, org_roles: &RoleSet) -> bool {
        let by_org = matches!(entered, Entered::Known(org) if org.auto_assigns(app));
        by_org
            || self.people.app(app).is_auto_assigned()
            || org_roles.intersects(self.snapshot.enters_all())
    }

    /// The caller's roles in an application that it has been given; `None` without it.
    fn given(&self, app: AppId, ground: Ground<'p>) -> Option<RoleSet> {
        let by_list = ground.member.and_then(|member| {
            let roles = self.people.app_roles(member, app, self.now)?;
            Some(self.narrowed(roles))
        });
        let Some(claimed) = self.claimed_access(app, ground) else { return by_list };
        let mut roles = by_list.unwrap_or_default();
        roles.union_with(&claimed);
        Some(roles)
    }

    /// What the credential gives. Only one that names the application gives access to it; beside a
    /// directory, only by a role that counts.
    fn claimed_access(&self, app: AppId, ground: Ground<'p>) -> Option<RoleSet> {
        let roles = ground.claims.filter(|_| self.principal.app.is_some())?;
        let claimed = self.claimed_roles(roles, true);
        match (claimed.is_empty(), self.people.membership()) {
            (false, _) => Some(claimed),
            (true, Membership::Token) => Some(self.people.app(app).default_roles().clone()),
            (true, _) => None,
        }
    }
}
