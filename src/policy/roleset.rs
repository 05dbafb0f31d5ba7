//! Sets of roles as bits. What lies before the first role of a set is left out, so that a set of a
//! few neighbours is small however many roles there are. While the roles of a set lie within 1,024
//! of each other it stands inline, so that a decision does not allocate; beyond that it moves to the
//! heap.

use smallvec::SmallVec;
use std::hash::{Hash, Hasher};

/// Index of a role in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleId(pub u32);

/// A set of roles; or of restrictions, by their indices, which are counted apart.
#[derive(Debug, Default)]
pub struct RoleSet {
    /// How many words, all of them zero, are left out before the first.
    before: usize,
    words: SmallVec<[u64; 16]>,
}

impl RoleSet {
    /// The empty set.
    pub fn new() -> RoleSet {
        RoleSet::default()
    }

    /// Adds a role.
    pub fn insert(&mut self, role: RoleId) {
        let (word, bit) = place(role);
        *self.word_mut(word) |= bit;
    }

    /// Whether the role is in the set.
    pub fn contains(&self, role: RoleId) -> bool {
        let (word, bit) = place(role);
        self.word(word) & bit != 0
    }

    /// Whether no role is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|bits| *bits == 0)
    }

    /// Whether the sets have a role in common.
    pub fn intersects(&self, other: &RoleSet) -> bool {
        self.common(other).any(|(_, bits)| bits != 0)
    }

    /// The lowest role that the sets have in common.
    pub fn first_common(&self, other: &RoleSet) -> Option<RoleId> {
        let (word, bits) = self.common(other).find(|(_, bits)| *bits != 0)?;
        role(word, bits.trailing_zeros())
    }

    /// Whether every role of this set is in the other.
    pub fn is_subset(&self, other: &RoleSet) -> bool {
        self.numbered().all(|(word, bits)| bits & !other.word(word) == 0)
    }

    /// Adds the roles that `a` and `b` have in common.
    pub fn insert_common(&mut self, a: &RoleSet, b: &RoleSet) {
        for (word, bits) in a.common(b).filter(|(_, bits)| *bits != 0) {
            *self.word_mut(word) |= bits;
        }
    }

    /// Adds all roles of another set.
    pub fn union_with(&mut self, other: &RoleSet) {
        if self.words.is_empty() {
            self.before = other.before;
            self.words.extend_from_slice(&other.words);
            return;
        }
        self.insert_common(other, other);
    }

    /// Keeps only the roles that are in the other set too.
    pub fn intersect_with(&mut self, other: &RoleSet) {
        for (word, bits) in (self.before..).zip(&mut self.words) {
            *bits &= other.word(word);
        }
    }

    /// The roles, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = RoleId> + '_ {
        self.numbered().flat_map(|(word, mut bits)| {
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros())?;
                bits &= bits - 1;
                role(word, bit)
            })
        })
    }

    /// How many words are left out before the first that is not zero, and the words from there to
    /// the last that is not: two equal sets have equal keys.
    pub fn key(&self) -> (usize, &[u64]) {
        let is_used = |bits: &u64| *bits != 0;
        let Some(first) = self.words.iter().position(is_used) else { return (0, &[]) };
        let last = self.words.iter().rposition(is_used).unwrap_or(first);
        (self.before + first, &self.words[first..=last])
    }

    /// The words with their positions.
    fn numbered(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        (self.before..).zip(self.words.iter().copied())
    }

    /// What both sets have, by words.
    fn common(&self, other: &RoleSet) -> impl Iterator<Item = (usize, u64)> {
        let start = self.before.max(other.before);
        let own = self.words.get(start - self.before..).unwrap_or_default();
        let others = other.words.get(start - other.before..).unwrap_or_default();
        (start..).zip(own.iter().zip(others).map(|(a, b)| a & b))
    }

    fn word(&self, at: usize) -> u64 {
        let at = at.checked_sub(self.before);
        at.and_then(|at| self.words.get(at)).copied().unwrap_or(0)
    }

    fn word_mut(&mut self, at: usize) -> &mut u64 {
        if self.words.is_empty() {
            self.before = at;
        }
        if at < self.before {
            let missing = self.before - at;
            self.words.insert_many(0, std::iter::repeat_n(0, missing));
            self.before = at;
        }
        let at = at - self.before;
        while self.words.len() <= at {
            self.words.push(0);
        }
        &mut self.words[at]
    }
}

/// Each decision clones some: the words are copied as they are, not taken one by one.
impl Clone for RoleSet {
    fn clone(&self) -> RoleSet {
        RoleSet { before: self.before, words: SmallVec::from_slice(&self.words) }
    }
}

impl PartialEq for RoleSet {
    fn eq(&self, other: &RoleSet) -> bool {
        self.key() == other.key()
    }
}

impl Eq for RoleSet {}

impl Hash for RoleSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl FromIterator<RoleId> for RoleSet {
    fn from_iter<I: IntoIterator<Item = RoleId>>(roles: I) -> RoleSet {
        let mut set = RoleSet::new();
        roles.into_iter().for_each(|role| set.insert(role));
        set
    }
}

fn role(word: usize, bit: u32) -> Option<RoleId> {
    u32::try_from(word).ok().map(|word| RoleId(word * 64 + bit))
}

fn place(role: RoleId) -> (usize, u64) {
    (role.0 as usize / 64, 1 << (role.0 % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

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
        assert_eq!(common.key(), set(&[65]).key());
        assert_eq!(common, set(&[65]));
    }

    #[test]
    fn a_set_far_from_the_first_role_is_small() {
        let far = set(&[31_999]);
        assert_eq!(far.key(), (499, &[1 << 63][..]));
        assert!(!far.words.spilled());
        assert!(!set(&[64, 64 + 1023]).words.spilled());
        assert!(set(&[64, 64 + 1024]).words.spilled());
    }

    #[test]
    fn the_order_of_insertion_does_not_matter() {
        assert_eq!(set(&[2000, 3, 700]), set(&[3, 700, 2000]));
        assert_eq!(set(&[2000, 3]).iter().map(|role| role.0).collect::<Vec<_>>(), [3, 2000]);
        assert_eq!(set(&[]).key(), (0, &[][..]));
    }

    proptest! {
        #[test]
        fn sets_do_what_sets_of_numbers_do(
            a in prop::collection::btree_set(0..400_u32, 0..12),
            b in prop::collection::btree_set(0..400_u32, 0..12),
        ) {
            let of = |set: &BTreeSet<u32>| set.iter().rev().map(|role| RoleId(*role)).collect();
            let (x, y): (RoleSet, RoleSet) = (of(&a), of(&b));
            let both: BTreeSet<u32> = a.intersection(&b).copied().collect();
            prop_assert_eq!(x.intersects(&y), !both.is_empty());
            prop_assert_eq!(x.first_common(&y).map(|role| role.0), both.first().copied());
            prop_assert_eq!(x.is_subset(&y), a.is_subset(&b));
            prop_assert_eq!(x == y, a == b);
            let (mut joined, mut common, mut kept) = (x.clone(), RoleSet::new(), x.clone());
            joined.union_with(&y);
            common.insert_common(&x, &y);
            kept.intersect_with(&y);
            prop_assert_eq!(joined, of(&a.union(&b).copied().collect()));
            prop_assert_eq!(&common, &kept);
            prop_assert_eq!(common, of(&both));
            prop_assert!((0..400).all(|role| x.contains(RoleId(role)) == a.contains(&role)));
        }
    }
}
