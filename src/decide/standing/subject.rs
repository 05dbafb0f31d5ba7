//! What conditions ask of a caller: who it is, and where it stands. Each answer is computed when it
//! is asked for, and not before.

use super::{Entered, Standing};
use crate::policy::roleset::RoleId;
use std::sync::Arc;

/// A caller where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    standing: &'a Standing<'a>,
}

impl<'a> Subject<'a> {
    pub(super) fn of(standing: &'a Standing<'a>) -> Subject<'a> {
        Subject { standing }
    }

    /// The user's id, with its authenticator's prefix.
    pub fn id(self) -> &'a Arc<str> {
        &self.standing.seeker.principal.user
    }

    /// The user's address, if the credential says it.
    pub fn email(self) -> Option<&'a Arc<str>> {
        self.standing.seeker.principal.email.as_ref()
    }

    /// The addressed organization.
    pub fn org(self) -> Option<&'a str> {
        self.standing.org
    }

    /// The addressed application.
    pub fn app(self) -> Option<&'a str> {
        self.standing.app
    }

    /// The ids of the roles that it has here, with those that they include.
    pub fn roles(self) -> impl Iterator<Item = &'a Arc<str>> {
        let snapshot = self.standing.seeker.snapshot;
        self.standing.roles().iter().map(|role| snapshot.role(role).id())
    }

    /// The ids of the applications that it may enter in the addressed organization at this time, by
    /// whatever way: active ones that it was given, or to which entry is derived. A credential that
    /// names one enters that one alone.
    pub fn apps(self) -> Vec<&'a str> {
        let Standing { seeker, entered, footing, .. } = self.standing;
        let (ground, roles) = (&footing.ground, &footing.roles);
        let enters = |app: &_| seeker.entry(*app, *entered, *ground, roles).is_ok();
        let people = seeker.people;
        people.app_indices().filter(enters).map(|app| &**people.app(app).id()).collect()
    }

    /// The ids of the organizations in which it is an active member of its own; one that it only
    /// reaches is none. A credential that names one is a member of that one alone.
    pub fn orgs(self) -> Vec<&'a str> {
        let seeker = &self.standing.seeker;
        let is_one = |id: &str| match seeker.people.org(id) {
            Some(org) => seeker.is_member(Entered::Known(org), id),
            None => !seeker.people.lists_orgs() && seeker.is_member(Entered::Claimed, id),
        };
        let Some(own) = seeker.principal.org.as_deref() else {
            // Whoever names none is a member of those that list it, and of no other.
            let listed = seeker.people.orgs_of(&seeker.principal.user).map(|(id, _)| &**id);
            let mut orgs: Vec<_> = listed.filter(|id| is_one(id)).collect();
            orgs.sort_unstable();
            return orgs;
        };
        is_one(own).then_some(own).into_iter().collect()
    }

    /// The ids of the roles that it may see.
    pub fn visible_roles(self) -> impl Iterator<Item = &'a Arc<str>> {
        self.standing.seeker.snapshot.visible_roles(self.standing.roles())
    }

    /// The ids of the roles that it may give here. What reaches other organizations cannot be bound
    /// in one that is no operator, whoever asks.
    pub fn assignable_roles(self) -> impl Iterator<Item = &'a Arc<str>> {
        let Standing { seeker, entered, footing, .. } = self.standing;
        let roles = &footing.roles;
        let operator = matches!(entered, Entered::Known(org) if org.is_operator());
        let assignable = seeker.snapshot.administration().assignable(roles);
        let here = assignable.filter(move |role| operator || !seeker.reaches(*role));
        here.map(|role| seeker.snapshot.role(role).id())
    }
}

impl super::Seeker<'_> {
    /// Whether a role reaches other organizations, be it through one that it includes.
    fn reaches(&self, role: RoleId) -> bool {
        let reaching = self.people.reaching();
        let includes = self.snapshot.role(role).includes();
        reaching.contains(role) || includes.iter().any(|other| reaching.contains(*other))
    }
}

#[cfg(test)]
mod tests;
