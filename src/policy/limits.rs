//! What limits the bodies of a request whose grants are known.

use crate::filter::mask::Mask;
use crate::filter::pick;
use crate::filter::total::totals;
use crate::policy::fields::FieldMasks;
use crate::policy::held::Held;
use crate::policy::index::Matches;
use crate::policy::placed::{Placed, masks_at};
use crate::policy::roleset::RoleSet;
use crate::policy::snapshot::Snapshot;
use std::sync::Arc;

impl Snapshot {
    /// What limits bodies where these grants are what allows the request; `None` where nothing does,
    /// and bodies pass unread. Masks come from the grants that held, not from the roles that are
    /// bound. Only grants that are mapped are held: see [`Snapshot::is_unmapped`].
    ///
    /// A request that `creates` where a type has lists alone (a POST to `/customers`, whose objects
    /// are at `/data/*`) sends one element as the body itself, and often gets it back so: there
    /// the body is a place as well.
    pub(crate) fn limits(
        &self,
        matches: &Matches,
        held: &Held,
        creates: bool,
    ) -> Option<Arc<FieldMasks>> {
        // One contributing role without any schema contributes whole objects.
        if !held.roles.is_subset(&self.limited) {
            return None;
        }
        let limits = |kind: u32| held.roles.is_subset(&self.types[kind as usize].limited);
        let here = self.most_specific_ats(matches);
        let applies = |at: &u32| limits(self.ats[*at as usize].kind);
        let mut ats: smallvec::SmallVec<[u32; 8]> = here.iter().copied().filter(applies).collect();
        let tagged = |at: &u32| self.ats[*at as usize].is.is_some();
        if ats.iter().any(tagged) {
            // That a tag belongs to a type which is shown whole says something, too.
            ats = here.iter().copied().filter(|at| applies(at) || tagged(at)).collect();
        }
        if creates {
            self.add_elements(&mut ats);
        }
        if ats.is_empty() {
            return None;
        }
        self.memo.get(&ats, &held.roles, || self.compute_masks(&ats, &held.roles))
    }

    /// Adds the element of every type that has lists alone among `ats`.
    fn add_elements(&self, ats: &mut smallvec::SmallVec<[u32; 8]>) {
        let at = |id: u32| &self.ats[id as usize];
        let has_one = |kind| ats.iter().any(|id| at(*id).kind == kind && at(*id).element.is_none());
        let same = |a: u32, b: u32| at(a).kind == at(b).kind && at(a).element == at(b).element;
        let mut elements: smallvec::SmallVec<[u32; 8]> = smallvec::SmallVec::new();
        for id in ats.iter().copied().filter(|id| !has_one(at(*id).kind)) {
            if !elements.iter().any(|other| same(*other, id)) {
                elements.push(id);
            }
        }
        ats.extend(elements.into_iter().map(|id| id | IN_ELEMENT));
    }

    /// The places on a path: for each type those of the most specific shape, in order.
    fn most_specific_ats(&self, matches: &Matches) -> smallvec::SmallVec<[u32; 8]> {
        let mut best: smallvec::SmallVec<[(u32, u32); 4]> = smallvec::SmallVec::new();
        let kind_of = |at: u32| self.ats[at as usize].kind;
        for shape in matches {
            let rank = self.rank(*shape);
            for at in &self.facts(*shape).ats {
                match best.iter_mut().find(|(kind, _)| *kind == kind_of(*at)) {
                    Some((_, least)) => *least = rank.min(*least),
                    None => best.push((kind_of(*at), rank)),
                }
            }
        }
        let mut found: smallvec::SmallVec<[u32; 8]> = smallvec::SmallVec::new();
        for shape in matches {
            let rank = self.rank(*shape);
            let of_best = |at: &&u32| best.contains(&(kind_of(**at), rank));
            found.extend(self.facts(*shape).ats.iter().filter(of_best).copied());
        }
        found.sort_unstable();
        found
    }

    /// Where the rows of a response are, as far as the types of its path say; where they say
    /// nothing, the body itself.
    pub(crate) fn row_places(&self, matches: &Matches) -> Vec<&pick::Path> {
        let here = self.most_specific_ats(matches);
        let ats = || here.iter().map(|at| &self.ats[*at as usize]);
        let lists = ats().any(|at| at.in_list);
        let mut places: Vec<&pick::Path> = Vec::new();
        for at in ats().filter(|at| at.in_list || !lists) {
            if !places.contains(&&at.rows) {
                places.push(&at.rows);
            }
        }
        places
    }

    /// What hides the totals of the lists on a path, or puts them right; `None` where there are none.
    pub(crate) fn totals(&self, matches: &Matches) -> Option<Mask> {
        let here = self.most_specific_ats(matches);
        let kinds = here.iter().map(|at| &self.types[self.ats[*at as usize].kind as usize]);
        let pointers = kinds.flat_map(|kind| &kind.count).map(|pointer| &**pointer);
        let mut pointers = pointers.peekable();
        // Pointers are checked when the policy is resolved.
        pointers.peek().is_some().then(|| totals(pointers).unwrap_or_else(|_| Mask::hide()))
    }

    /// Several schemas of one role intersect; across contributing roles the caller gets the union.
    fn compute_masks(&self, ats: &[u32], roles: &RoleSet) -> Option<FieldMasks> {
        let placed = |at: &u32| {
            let place = &self.ats[(at & !IN_ELEMENT) as usize];
            let pointer = match &place.element {
                Some(element) if at & IN_ELEMENT != 0 => element,
                _ => &place.pointer,
            };
            let of = |role| self.role(role).limits.get(&(place.kind as usize));
            let (entries, is) = (place.entries.as_deref(), place.is.as_deref());
            Placed { pointer, entries, is, roles: roles.iter().map(of).collect() }
        };
        masks_at(&ats.iter().map(placed).collect::<Vec<_>>())
    }
}

/// Marks a place that is meant in a body that is one element, see [`Snapshot::limits`].
const IN_ELEMENT: u32 = 1 << 31;
