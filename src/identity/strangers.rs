//! Role names of credentials that the policy does not have. They count for nothing, and somebody
//! should hear of them: a role that was renamed here and not at the issuer is found by nobody else.

use crate::principal::Principal;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Names that are told of one policy.
pub const MAX_STRANGERS: usize = 100;

/// The roles of a policy, and what has been told of others.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// `None` where nobody has said which roles there are.
    known: Option<HashSet<Arc<str>>>,
    told: Mutex<HashSet<Arc<str>>>,
}

impl Strangers {
    /// Nothing has been told yet of names besides these.
    pub(super) fn to(known: impl Iterator<Item = Arc<str>>) -> Strangers {
        Strangers { known: Some(known.collect()), told: Mutex::default() }
    }

    /// Tells the process log of names that are new to it.
    pub(super) fn tell(&self, principal: &Principal) {
        for role in self.new_to(principal) {
            // As text in quotes: whoever issues it may put anything into a name.
            let role: String = role.chars().take(MAX_SHOWN).collect();
            tracing::warn!(?role, "a credential claims a role that the policy does not have");
        }
    }

    fn new_to(&self, principal: &Principal) -> Vec<Arc<str>> {
        let Some(known) = &self.known else { return Vec::new() };
        let by_org = principal.org_roles.iter().flat_map(|(_, roles)| roles);
        let claimed = principal.roles.iter().flatten().chain(by_org);
        let unknown: Vec<_> = claimed.filter(|role| !known.contains(*role)).collect();
        if unknown.is_empty() {
            return Vec::new();
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_new =
            |role: &&Arc<str>| told.len() < MAX_STRANGERS && told.insert((*role).clone());
        unknown.into_iter().filter(|role| is_new(role)).cloned().collect()
    }
}

/// Signs of a name that are shown.
const MAX_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::AuthMethod;

    fn with(roles: impl IntoIterator<Item = String>) -> Principal {
        let roles = roles.into_iter().map(Arc::from).collect();
        Principal { roles: Some(roles), ..Principal::of("ann", AuthMethod::Jwt) }
    }

    #[test]
    fn a_name_is_told_once() {
        let strangers = Strangers::to([Arc::from("reads")].into_iter());
        let mut ann = with(["reads".to_owned(), "raeds".to_owned()]);
        let acme = (Arc::from("acme"), vec![Arc::from("other"), Arc::from("reads")]);
        ann.org_roles.add_unknown([acme]);
        assert_eq!(strangers.new_to(&ann), ["raeds".into(), "other".into()]);
        assert_eq!(strangers.new_to(&ann), []);
        assert_eq!(strangers.new_to(&with(["reads".to_owned()])), []);
        assert_eq!(Strangers::default().new_to(&ann), [], "nobody said which there are");
    }

    #[test]
    fn p13_so_many_names_are_told() {
        for (count, told) in
            [(MAX_STRANGERS - 1, 99), (MAX_STRANGERS, 100), (MAX_STRANGERS + 1, 100)]
        {
            let strangers = Strangers::to(std::iter::empty());
            let all: Vec<_> = (0..count).map(|n| n.to_string()).collect();
            assert_eq!(strangers.new_to(&with(all)).len(), told);
            assert_eq!(
                strangers.new_to(&with(["one more".to_owned()])).len(),
                usize::from(told < MAX_STRANGERS)
            );
        }
    }
}
