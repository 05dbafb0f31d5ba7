//! Sets of roles as bits. Up to 1,024 roles a set stands inline, so that a decision does not
//! allocate; beyond that it moves to the heap.

use smallvec::SmallVec;

/// Index of a role in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleId(pub u32);

/// A set of roles; or of restrictions, by their indices, which are counted apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RoleSet(SmallVec<[u64; 16]>);

impl RoleSet {
    /// The empty set.
    pub fn new() -> RoleSet {
        RoleSet::default()
    }

    /// Adds a role.
    pub fn insert(&mut self, role: RoleId) {
        let (word, bit) = place(role);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    /// Whether the role is in the set.
    pub fn contains(&self, role: RoleId) -> bool {
        let (word, bit) = place(role);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Whether no role is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    /// Whether the sets have a role in common.
    pub fn intersects(&self, other: &RoleSet) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    /// The lowest role that the sets have in common.
    pub fn first_common(&self, other: &RoleSet) -> Option<RoleId> {
        let words = self.0.iter().zip(&other.0).map(|(a, b)| a & b);
        let (word, bits) = words.enumerate().find(|(_, bits)| *bits != 0)?;
        u32::try_from(word).ok().map(|word| RoleId(word * 64 + bits.trailing_zeros()))
    }

    /// Whether every role of this set is in the other.
    pub fn is_subset(&self, other: &RoleSet) -> bool {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(others).all(|(a, b)| a & !b == 0)
    }

    /// Adds the roles that `a` and `b` have in common.
    pub fn insert_common(&mut self, a: &RoleSet, b: &RoleSet) {
        for (word, (a, b)) in a.0.iter().zip(&b.0).enumerate() {
            let common = a & b;
            if common == 0 {
                continue;
            }
            if self.0.len() <= word {
                self.0.resize(word + 1, 0);
            }
            self.0[word] |= common;
        }
    }

    /// Adds all roles of another set.
    pub fn union_with(&mut self, other: &RoleSet) {
        self.insert_common(other, other);
    }

    /// Keeps only the roles that are in the other set too.
    pub fn intersect_with(&mut self, other: &RoleSet) {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        for (a, b) in self.0.iter_mut().zip(others) {
            *a &= b;
        }
    }

    /// The roles, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = RoleId> + '_ {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros())?;
                bits &= bits - 1;
                u32::try_from(word).ok().map(|word| RoleId(word * 64 + bit))
            })
        })
    }

    /// The words without trailing zeros: two equal sets have equal words.
    pub fn words(&self) -> &[u64] {
        let used = self.0.iter().rposition(|bits| *bits != 0).map_or(0, |last| last + 1);
        &self.0[..used]
    }
}

impl FromIterator<RoleId> for RoleSet {
    fn from_iter<I: IntoIterator<Item = RoleId>>(roles: I) -> RoleSet {
        let mut set = RoleSet::new();
        roles.into_iter().for_each(|role| set.insert(role));
        set
    }
}

fn place(role: RoleId) -> (usize, u64) {
    (role.0 as usize / 64, 1 << (role.0 % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(roles: &[u32]) -> RoleSet {
        roles.iter().map(|role| RoleId(*role)).collect()
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let roles = set(&[0, 63, 64, 2000]);
        assert_eq!(roles.iter().map(|role| role.0).collect::<Vec<_>>(), [0, 63, 64, 2000]);
        assert!(roles.contains(RoleId(64)) && !roles.contains(RoleId(65)));
        assert!(!roles.contains(RoleId(5000)));
    }

    #[test]
    fn comparisons_do_not_mind_lengths() {
        assert!(set(&[1]).is_subset(&set(&[1, 700])));
        assert!(!set(&[1, 700]).is_subset(&set(&[1])));
        assert!(set(&[700]).intersects(&set(&[1, 700])));
        assert!(!set(&[]).intersects(&set(&[1])));
        assert!(set(&[]).is_empty());
    }

    #[test]
    fn common_roles_and_words() {
        let mut common = RoleSet::new();
        common.insert_common(&set(&[1, 65, 200]), &set(&[65, 200]));
        assert_eq!(common, set(&[65, 200]));
        common.intersect_with(&set(&[65]));
        assert_eq!(common.words(), set(&[65]).words());
    }
}
