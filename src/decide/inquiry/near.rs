//! Grants that would have allowed what nothing allowed, if the caller had another role or the grant
//! another letter. Only explanations ask.

use super::Inquiry;
use crate::decide::{Request, Trace};
use crate::policy::access::Access;
use crate::policy::snapshot::{GrantGroup, GrantId, Snapshot};
use std::collections::HashSet;

/// Grants of roles that the caller does not have which are told for one letter.
const MOST: usize = 4;

impl Inquiry {
    /// Tells the grants of the caller's roles on this path that lack the letter at this position, and
    /// some of those of other roles that have it.
    pub(super) fn tell_near(
        &self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        letter: usize,
        trace: &mut impl Trace,
    ) {
        let (org, app) = (self.org.as_deref(), self.app.as_deref());
        let addressed = |group: &GrantGroup| group.addresses(request.target, org, app);
        let here = snapshot.grants_here((&self.matches, self.hosts), addressed);
        if here.is_empty() {
            return trace.note(|| "no grant of the policy matches this path".into());
        }
        let has = |access: Access| access.has(Access::LETTERS[letter]);
        let is_own = |grant: &GrantId| {
            let role = snapshot.grant(*grant).role;
            self.roles.contains(role) || Some(role) == snapshot.anybody()
        };
        let (own, others): (Vec<_>, Vec<_>) = here.into_iter().partition(|(g, _)| is_own(g));
        for (grant, _) in own.into_iter().filter(|(_, access)| !has(*access)) {
            trace.failed(grant, LACKS[letter]);
        }
        let mut others: Vec<_> = others.into_iter().filter(|(_, access)| has(*access)).collect();
        // What all roles have by default is one line of the policy.
        let mut told = HashSet::new();
        others.retain(|(grant, _)| told.insert(&snapshot.grant(*grant).place));
        for (grant, _) in others.iter().take(MOST) {
            trace.failed(*grant, "the caller does not have that role here");
        }
        if let Some(more) = others.len().checked_sub(MOST).filter(|more| *more > 0) {
            trace.note(|| format!("{more} more grants of other roles would allow it"));
        }
    }
}

/// What a grant lacks, by position of the letter.
const LACKS: [&str; 4] = ["not with `c`", "not with `r`", "not with `u`", "not with `d`"];
