//! Which members have been read, to find one that is listed twice.

use crate::policy::raw::RawMember;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Members by what they hash to. A million of them are read at a load: an entry of the map is as
/// small as it can be, since what does not fit the cache is what takes the time.
pub(super) struct Seen<'a> {
    of: &'a [RawMember],
    first: HashMap<u64, u32, RandomState>,
    /// Those that hash as another one does.
    more: Vec<u32>,
}

impl<'a> Seen<'a> {
    /// Of these members none has been read.
    pub fn new(of: &'a [RawMember]) -> Seen<'a> {
        let first = HashMap::with_capacity_and_hasher(of.len(), RandomState::default());
        Seen { of, first, more: Vec::new() }
    }

    /// Reads the member at this position: the one before it that is the same user in the same
    /// organization, if there is one.
    pub fn again(&mut self, at: usize) -> Option<&'a RawMember> {
        let hash = self.first.hasher().hash_one(key(&self.of[at]));
        self.find(at, hash)
    }

    fn find(&mut self, at: usize, hash: u64) -> Option<&'a RawMember> {
        let position = u32::try_from(at).ok()?;
        let first = *self.first.entry(hash).or_insert(position);
        if first == position {
            return None;
        }
        let members = self.of;
        let same = |other: &u32| key(&members[*other as usize]) == key(&members[at]);
        let found = [first].iter().chain(&self.more).copied().find(|other| same(other));
        if found.is_none() {
            self.more.push(position);
        }
        found.map(|other| &members[other as usize])
    }
}

/// Ids of users and of organizations are what they are written as.
fn key(member: &RawMember) -> (&str, Option<&str>) {
    (&member.user.value, member.org.as_ref().map(|org| org.value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::raw::{RawWindow, Text};
    use crate::source::Span;

    fn members(all: &[(&str, Option<&str>)]) -> Vec<RawMember> {
        let text = |value: &str| Text { value: value.into(), span: Span::default() };
        let member = |(user, org): &(&str, Option<&str>)| RawMember {
            span: Span::default(),
            user: text(user),
            org: org.map(text),
            roles: Vec::new(),
            groups: Vec::new(),
            restrictions: None,
            primary: None,
            window: RawWindow::default(),
            apps: Vec::new(),
            suspended: false,
        };
        all.iter().map(member).collect()
    }

    fn user(member: Option<&RawMember>) -> Option<&str> {
        member.map(|member| member.user.value.as_str())
    }

    #[test]
    fn a_user_is_a_member_of_an_organization_once() {
        let all = members(&[
            ("ann", Some("x")),
            ("ann", Some("y")),
            ("ann", None),
            ("bob", Some("x")),
            ("ann", Some("y")),
        ]);
        let mut seen = Seen::new(&all);
        assert!((0..4).all(|at| seen.again(at).is_none()));
        assert_eq!(user(seen.again(4)), Some("ann"));
    }

    #[test]
    fn what_only_hashes_alike_is_not_the_same() {
        let all = members(&[("ann", None), ("bob", None), ("eve", None), ("bob", None)]);
        let mut seen = Seen::new(&all);
        assert!((0..3).all(|at| seen.find(at, 1).is_none()));
        assert_eq!(user(seen.find(3, 1)), Some("bob"));
    }
}
