//! Which rules speak of a request: the grants that roles have, the denials of restrictions.

use crate::policy::access::Access;
use crate::policy::host::{HostId, Hosts};
use crate::policy::index::{Matches, ShapeId};
use crate::policy::roleset::RoleSet;
use crate::policy::snapshot::{DenialId, GrantGroup, GrantId, RuleGroup, Snapshot};
use crate::policy::target::Target;

/// Grants that match a path, for one access letter and the addressed organization and application.
pub(crate) struct Held<'s> {
    /// The roles whose grants these are.
    pub roles: RoleSet,
    pub(super) groups: smallvec::SmallVec<[&'s GrantGroup; 8]>,
    pub(super) shapes: smallvec::SmallVec<[ShapeId; 8]>,
}

impl Snapshot {
    /// The grants among `matches` that `roles` have for one letter, given by its position.
    pub(crate) fn held(
        &self,
        (matches, hosts): (&Matches, Hosts),
        letter: usize,
        roles: &RoleSet,
        addressed: impl Fn(&GrantGroup) -> bool,
    ) -> Held<'_> {
        let mut held = Held {
            roles: RoleSet::new(),
            groups: smallvec::SmallVec::new(),
            shapes: smallvec::SmallVec::new(),
        };
        for shape in matches {
            for group in on(&self.facts(*shape).groups, hosts) {
                if !group.letters[letter].intersects(roles) || !addressed(group) {
                    continue;
                }
                held.roles.insert_common(&group.letters[letter], roles);
                held.groups.push(group);
                held.shapes.push(*shape);
            }
        }
        held
    }

    /// Whether one of these restrictions denies a letter, given by its position.
    pub(crate) fn denies(
        &self,
        (matches, hosts): (&Matches, Hosts),
        letter: usize,
        restrictions: &RoleSet,
        addressed: impl Fn(&RuleGroup<DenialId>) -> bool,
    ) -> bool {
        let facts = matches.iter().map(|shape| &self.facts(*shape).denials);
        let mut groups = facts.flat_map(|groups| on(groups, hosts));
        groups.any(|group| group.letters[letter].intersects(restrictions) && addressed(group))
    }

    /// The denials of which [`Snapshot::denies`] speaks, for explanations.
    pub(crate) fn denials(
        &self,
        (matches, hosts): (&Matches, Hosts),
        letter: usize,
        restrictions: &RoleSet,
        addressed: impl Fn(&RuleGroup<DenialId>) -> bool,
    ) -> Vec<DenialId> {
        let needed = Access::LETTERS[letter];
        let facts = matches.iter().map(|shape| &self.facts(*shape).denials);
        let groups = facts.flat_map(|groups| on(groups, hosts));
        let rules = groups.filter(|group| addressed(group)).flat_map(|group| &group.rules);
        let mut found: Vec<DenialId> = rules
            .filter(|(holder, access, _)| restrictions.contains(*holder) && access.has(needed))
            .map(|(_, _, denial)| *denial)
            .collect();
        found.sort_unstable();
        found
    }
}

impl Held<'_> {
    /// The grants, for explanations.
    pub fn grants(&self, letter: usize) -> Vec<GrantId> {
        let needed = Access::LETTERS[letter];
        let mut found: Vec<GrantId> = self
            .groups
            .iter()
            .flat_map(|group| &group.rules)
            .filter(|(role, access, _)| self.roles.contains(*role) && access.has(needed))
            .map(|(_, _, grant)| *grant)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// One of the grants, for the access log: found without looking at those of other roles.
    pub fn first(&self, letter: usize) -> Option<GrantId> {
        let needed = Access::LETTERS[letter];
        let group = self.groups.first()?;
        let role = self.roles.iter().find(|role| group.letters[letter].contains(*role))?;
        let start = group.rules.partition_point(|(other, _, _)| *other < role);
        let mut own = group.rules[start..].iter().take_while(|(other, _, _)| *other == role);
        own.find(|(_, access, _)| access.has(needed)).map(|(_, _, grant)| *grant)
    }
}

impl<Id> RuleGroup<Id> {
    /// Whether the segments that `{org}` and `{app}` capture are the addressed ones.
    pub fn addresses(&self, target: &Target, org: Option<&str>, app: Option<&str>) -> bool {
        let is = |at: Option<usize>, id: Option<&str>| match at {
            None => true,
            Some(at) => id.is_some_and(|id| target.segment(at) == id),
        };
        is(self.org_at, org) && is(self.app_at, app)
    }
}

/// The groups for these hosts, of groups in the order of their hosts: those for every host, then
/// those for the name itself and for its first label. The others are not looked at, however many
/// there are.
fn on<Id>(groups: &[RuleGroup<Id>], hosts: Hosts) -> impl Iterator<Item = &RuleGroup<Id>> {
    let everywhere = groups.partition_point(|group| group.host.is_none());
    let (everywhere, named) = groups.split_at(everywhere);
    let of = |host: Option<HostId>| {
        let host = host.filter(|_| !named.is_empty());
        let start = host.map_or(0, |_| named.partition_point(|group| group.host < host));
        named[start..].iter().take_while(move |group| host.is_some() && group.host == host)
    };
    everywhere.iter().chain(of(hosts.exact)).chain(of(hosts.label))
}
