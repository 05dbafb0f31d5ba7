//! Which rules speak of a request: the grants that roles have, the denials of restrictions.

use crate::policy::access::Access;
use crate::policy::condition::Conditions;
use crate::policy::host::{HostId, Hosts};
use crate::policy::index::{Matches, ShapeId};
use crate::policy::roleset::{RoleId, RoleSet};
use crate::policy::snapshot::{Binding, DenialId, GrantGroup, GrantId, RuleGroup, Snapshot};
use crate::policy::target::Target;
use smallvec::SmallVec;

/// Grants that match a path, for one access letter and the addressed organization and application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// The roles whose grants these are.
    pub roles: RoleSet,
    /// One of the grants, for the access log.
    pub first: Option<GrantId>,
    /// Some role has grants here that do not count: see [`Snapshot::is_unmapped`].
    pub unmapped: bool,
    /// Those among the grants that have conditions, which hold.
    conditional: SmallVec<[GrantId; 2]>,
}

/// A grant that counts if its conditions hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub role: RoleId,
    /// All letters of the grant.
    pub access: Access,
    pub grant: GrantId,
    pub shape: ShapeId,
}

impl Snapshot {
    /// The grants among `matches` that `roles` have for one letter, given by its position, without
    /// any condition, as far as they are mapped. Those with conditions are put into `candidates`, in
    /// order of definition.
    pub(crate) fn held(
        &self,
        (matches, hosts): (&Matches, Hosts),
        letter: usize,
        roles: &RoleSet,
        addressed: impl Fn(&GrantGroup) -> bool,
        candidates: &mut Vec<Candidate>,
    ) -> Held {
        let mut held = Held::default();
        for shape in matches {
            let facts = self.facts(*shape);
            for group in on(&facts.groups, hosts) {
                let plain = group.letters[letter].intersects(roles);
                let conditional = group.conditional_letters[letter].intersects(roles);
                if !(plain || conditional) || !addressed(group) {
                    continue;
                }
                let own = &group.letters[letter];
                if plain && facts.near.intersects(own) {
                    let mapped = self.mapped(matches, *shape, own, roles);
                    held.unmapped |= !roles.iter().all(|r| !own.contains(r) || mapped.contains(r));
                    held.add_group(group, letter, &mapped);
                } else if plain {
                    held.add_group(group, letter, roles);
                }
                if conditional {
                    candidates.extend(group.conditional(letter, roles, *shape));
                }
            }
        }
        candidates.sort_unstable_by_key(|candidate| candidate.grant);
        held
    }

    /// All grants of which [`Snapshot::held`] speaks and that have no condition, for explanations:
    /// whether each of them is mapped.
    pub(crate) fn held_grants(
        &self,
        (matches, hosts): (&Matches, Hosts),
        letter: usize,
        roles: &RoleSet,
        addressed: impl Fn(&GrantGroup) -> bool,
    ) -> Vec<(GrantId, bool)> {
        let mut all = Vec::new();
        for shape in matches {
            let groups = on(&self.facts(*shape).groups, hosts).filter(|group| addressed(group));
            for grant in rules(groups, letter, roles) {
                let role = self.grant(grant).role;
                all.push((grant, !self.is_unmapped(matches, *shape, role)));
            }
        }
        all.sort_unstable();
        all
    }

    /// Whether a role's grants of this shape, alone, say too little for bodies to be judged: the role
    /// limits a type whose objects may be under the shape, and nothing that it limits has a place on
    /// this path. Such grants do not count: they show nothing, and take nothing away from others.
    pub(crate) fn is_unmapped(&self, matches: &Matches, shape: ShapeId, role: RoleId) -> bool {
        let limits =
            |at: &u32| self.types[self.ats[*at as usize].kind as usize].limited.contains(role);
        let here = || matches.iter().flat_map(|shape| &self.facts(*shape).ats);
        self.facts(shape).near.contains(role) && !here().any(limits)
    }

    /// Those of `roles` among `own` whose grants of this shape are mapped.
    fn mapped(&self, matches: &Matches, shape: ShapeId, own: &RoleSet, roles: &RoleSet) -> RoleSet {
        let own = roles.iter().filter(|role| own.contains(*role));
        own.filter(|role| !self.is_unmapped(matches, shape, *role)).collect()
    }

    /// All grants here, whoever has them and whatever must hold, for explanations: with their letters,
    /// in order of definition.
    pub(crate) fn grants_here(
        &self,
        (matches, hosts): (&Matches, Hosts),
        addressed: impl Fn(&GrantGroup) -> bool,
    ) -> Vec<(GrantId, Access)> {
        let groups = matches.iter().flat_map(|shape| on(&self.facts(*shape).groups, hosts));
        let rules = groups
            .filter(|group| addressed(group))
            .flat_map(|group| group.rules.iter().chain(&group.conditional));
        let mut all: Vec<_> = rules.map(|(_, access, grant)| (*grant, *access)).collect();
        all.sort_unstable_by_key(|(grant, _)| *grant);
        all.dedup();
        all
    }

    /// The letters that some role has here, be it under a condition or in one organization alone.
    pub(crate) fn granted_to_anybody(&self, matches: &Matches, hosts: Hosts) -> Access {
        let facts = matches.iter().map(|shape| &self.facts(*shape).groups);
        let groups = facts.flat_map(|groups| on(groups, hosts));
        groups.fold(Access::NONE, |letters, group| letters.or(group.granted()))
    }

    /// What must hold for a grant to count.
    pub(crate) fn conditions(&self, grant: GrantId) -> Option<&Conditions> {
        self.grant(grant).conditions.as_deref()
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
        let facts = matches.iter().map(|shape| &self.facts(*shape).denials);
        let groups = facts.flat_map(|groups| on(groups, hosts));
        rules(groups.filter(|group| addressed(group)), letter, restrictions)
    }
}

/// The rules of these groups that these holders have for a letter, in order of definition.
fn rules<'g, Id: Copy + Ord + 'g>(
    groups: impl Iterator<Item = &'g RuleGroup<Id>>,
    letter: usize,
    holders: &RoleSet,
) -> Vec<Id> {
    let needed = Access::LETTERS[letter];
    let rules = groups.flat_map(|group| &group.rules);
    let mut found: Vec<Id> = rules
        .filter(|(holder, access, _)| holders.contains(*holder) && access.has(needed))
        .map(|(_, _, id)| *id)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

impl Held {
    /// No grant yet.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// Those among the grants that have conditions, which hold.
    pub fn conditional(&self) -> &[GrantId] {
        &self.conditional
    }

    /// A grant whose conditions hold counts from now on.
    pub fn add(&mut self, held: &Candidate) {
        self.roles.insert(held.role);
        self.first = self.first.or(Some(held.grant));
        self.conditional.push(held.grant);
    }

    fn add_group(&mut self, group: &GrantGroup, letter: usize, roles: &RoleSet) {
        self.roles.insert_common(&group.letters[letter], roles);
        self.first = self.first.or_else(|| group.first(letter, roles));
    }
}

impl RuleGroup<GrantId> {
    fn granted(&self) -> Access {
        let has =
            |at: &usize| !self.letters[*at].is_empty() || !self.conditional_letters[*at].is_empty();
        let letters = (0..4).filter(has).map(|at| Access::LETTERS[at]);
        letters.fold(Access::NONE, Access::or)
    }

    /// One of the grants that count, found without looking at those of other roles.
    fn first(&self, letter: usize, roles: &RoleSet) -> Option<GrantId> {
        let needed = Access::LETTERS[letter];
        let role = self.letters[letter].first_common(roles)?;
        let start = self.rules.partition_point(|(other, _, _)| *other < role);
        let mut own = self.rules[start..].iter().take_while(|(other, _, _)| *other == role);
        own.find(|(_, access, _)| access.has(needed)).map(|(_, _, grant)| *grant)
    }

    fn conditional(
        &self,
        letter: usize,
        roles: &RoleSet,
        shape: ShapeId,
    ) -> impl Iterator<Item = Candidate> {
        let needed = Access::LETTERS[letter];
        let rules = self.conditional.iter().copied();
        let held =
            rules.filter(move |(role, access, _)| roles.contains(*role) && access.has(needed));
        held.map(move |(role, access, grant)| Candidate { role, access, grant, shape })
    }
}

impl<Id> RuleGroup<Id> {
    /// Whether these rules speak of the addressed organization and application.
    pub fn addresses(&self, target: &Target, org: Option<&str>, app: Option<&str>) -> bool {
        self.binding.addresses(target, org, app)
    }
}

impl Binding {
    /// Whether the segments that `{org}` and `{app}` capture are the addressed ones.
    pub fn addresses(self, target: &Target, org: Option<&str>, app: Option<&str>) -> bool {
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
