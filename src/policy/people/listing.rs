//! Which organizations list a user. Decisions go the other way, from an organization to its member,
//! so only a policy with a condition on `subject.orgs` needs this.

use super::{Map, Org, People};
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

/// Organizations by user, made once.
#[derive(Debug, Default)]
pub(in crate::policy) struct Listing(OnceLock<Index>);

#[derive(Debug, Default)]
struct Index {
    /// The ids of organizations, sorted.
    ids: Vec<Arc<str>>,
    /// Positions in `ids`, ascending. Most users are in one organization or two.
    by_user: Map<Arc<str>, SmallVec<[u32; 2]>>,
}

impl People {
    /// Whether what [`People::orgs_of`] reads is ready.
    pub fn has_org_index(&self) -> bool {
        self.listing.0.get().is_some()
    }

    /// Makes ready what [`People::orgs_of`] reads, which takes time with many members: to be done
    /// when a policy is loaded whose conditions will ask for it.
    pub fn index_orgs(&self) {
        self.index();
    }

    /// The organizations that list this user, by id, whatever the membership is worth now.
    pub fn orgs_of(&self, user: &str) -> impl Iterator<Item = (&Arc<str>, &Org)> {
        let index = self.index();
        let found = index.by_user.get(user).into_iter().flatten();
        let ids = found.map(|at| &index.ids[*at as usize]);
        ids.filter_map(|id| self.org(id).map(|org| (id, org)))
    }

    fn index(&self) -> &Index {
        self.listing.0.get_or_init(|| {
            let mut orgs: Vec<(&Arc<str>, &Org)> = self.orgs.iter().flatten().collect();
            orgs.sort_unstable_by_key(|(id, _)| *id);
            let mut index = Index::default();
            for (at, (id, org)) in (0..).zip(orgs) {
                index.ids.push(id.clone());
                for user in org.members.keys() {
                    index.by_user.entry(user.clone()).or_default().push(at);
                }
            }
            index
        })
    }
}
