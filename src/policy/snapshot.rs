//! The immutable result of a load: what decisions read.

use crate::filter::place::Entries;
use crate::policy::access::Access;
use crate::policy::fields::{FieldMasks, FieldMemo, Placed, RoleLimits, masks_at};
use crate::policy::index::{Matches, PathIndex, ShapeId};
use crate::policy::people::People;
pub use crate::policy::raw::{BodyKind, Update};
use crate::policy::resolve::{Address, MethodTable};
use crate::policy::roleset::{RoleId, RoleSet};
use crate::policy::target::Target;
use crate::policy::upstream::Upstream;
use crate::source::Place;
use std::collections::HashMap;
use std::sync::Arc;

/// A compiled policy. One request reads one snapshot from start to end.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) generation: u64,
    pub(super) digest: Arc<str>,
    pub(super) name: Option<Arc<str>>,
    pub(super) index: PathIndex,
    /// What is known of each shape of path, by [`ShapeId`].
    pub(super) facts: Vec<ShapeFacts>,
    pub(super) routes: Vec<Route>,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) roles: Vec<Role>,
    /// Holds what every identified caller may do; it stands after the roles of the policy.
    pub(super) anybody: Option<RoleId>,
    pub(super) role_ids: HashMap<Arc<str>, RoleId, foldhash::fast::RandomState>,
    pub(super) grants: Vec<Grant>,
    pub(super) restrictions: Vec<Arc<str>>,
    pub(super) denials: Vec<Denial>,
    pub(super) types: Vec<ResourceType>,
    pub(super) ats: Vec<At>,
    /// Roles that have schemas.
    pub(super) limited: RoleSet,
    /// Roles that say `app_access: all`.
    pub(super) enters_all: RoleSet,
    pub(super) people: People,
    pub(super) memo: FieldMemo,
}

/// Index of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u32);

/// Index of an upstream. 0 is the default one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamId(pub u32);

/// Index of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId(pub u32);

/// How a request on this route is carried.
#[derive(Debug)]
pub struct Route {
    /// The pattern as typed.
    pub pattern: Arc<str>,
    /// Where it goes.
    pub upstream: UpstreamId,
    /// How request bodies are read where the caller's mask limits something.
    pub request: BodyKind,
    /// How response bodies are read, likewise.
    pub response: BodyKind,
    /// The subject's credential goes on to the upstream.
    pub credential_pass: bool,
    /// Which organization a request addresses.
    pub org: Address,
    /// Which application a request addresses.
    pub app: Address,
    /// The letters that methods need.
    pub methods: MethodTable,
    /// Letters for which no credential is evaluated.
    pub public: Access,
    /// What PUT does with what it does not mention.
    pub update: Update,
    /// Paths may have `;`.
    pub params_keep: bool,
}

/// A role.
#[derive(Debug)]
pub struct Role {
    pub(super) id: Arc<str>,
    /// Percent-encoded, for the header that tells the upstream.
    pub(super) header: Arc<str>,
    pub(super) app_scope: bool,
    pub(super) app_access_all: bool,
    /// The roles that it includes, directly and through others.
    pub(super) includes: Box<[RoleId]>,
    /// What its schemas leave of each type that they limit.
    pub(super) limits: RoleLimits,
    pub(super) schemas: Vec<Arc<str>>,
}

/// A grant, as explanations and logs name it.
#[derive(Debug)]
pub struct Grant {
    /// Whose it is.
    pub role: RoleId,
    /// The pattern as typed.
    pub path: Arc<str>,
    /// `role path`, for the access log.
    pub label: Arc<str>,
    /// Where it stands in the files.
    pub place: Place,
    /// It stands in `role_defaults`.
    pub default: bool,
}

/// Index of a denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DenialId(pub u32);

/// One line of a restriction, as explanations name it.
#[derive(Debug)]
pub struct Denial {
    /// Index of the restriction.
    pub(super) restriction: u32,
    /// The pattern as typed.
    pub path: Arc<str>,
    /// Where it stands in the files.
    pub place: Place,
}

/// What the policy says of one shape of path.
#[derive(Debug, Default)]
pub(crate) struct ShapeFacts {
    pub(super) route: Option<RouteId>,
    pub(super) groups: Vec<GrantGroup>,
    /// Denials: their letters are sets of restrictions.
    pub(super) denials: Vec<RuleGroup<DenialId>>,
    /// Places of resource types, as indices into `ats`.
    pub(super) ats: Vec<u32>,
    /// Types whose objects may be somewhere under this shape, though not `elsewhere: pass`.
    pub(super) near: Vec<u32>,
}

/// Rules of one shape that bind the same segments to the addressed organization and application.
#[derive(Debug)]
pub(crate) struct RuleGroup<Id> {
    pub(super) org_at: Option<usize>,
    pub(super) app_at: Option<usize>,
    /// By position of the letter: the roles (or restrictions) that have it here.
    pub(super) letters: [RoleSet; 4],
    /// Sorted by role (or restriction).
    pub(super) rules: Vec<(RoleId, Access, Id)>,
}

/// Grants of one shape, held by roles.
pub(crate) type GrantGroup = RuleGroup<GrantId>;

#[derive(Debug)]
pub(crate) struct ResourceType {
    /// Roles that have a schema of this type.
    pub(super) limited: RoleSet,
}

#[derive(Debug)]
pub(crate) struct At {
    pub(super) kind: u32,
    pub(super) pointer: Arc<str>,
    /// The object stands there as a list of pairs.
    pub(super) entries: Option<Arc<Entries>>,
    /// Where it leads to every element or member of something: where the object is in a body that
    /// is one of these.
    pub(super) element: Option<Arc<str>>,
}

/// Marks a place that is meant in a body that is one element, see [`Snapshot::limits`].
const IN_ELEMENT: u32 = 1 << 31;

/// Grants that match a path, for one access letter and the addressed organization and application.
pub(crate) struct Held<'s> {
    /// The roles whose grants these are.
    pub roles: RoleSet,
    groups: smallvec::SmallVec<[&'s GrantGroup; 8]>,
    shapes: smallvec::SmallVec<[ShapeId; 8]>,
}

/// What limits the bodies of a request.
pub(crate) enum Limits {
    /// Nothing: bodies pass unread.
    Nothing,
    /// These masks.
    Masks(Arc<FieldMasks>),
    /// Objects that every contributing role limits may be here, but the policy does not say where.
    Unmapped,
}

impl Snapshot {
    /// Counts loads; it only grows in one process.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// `sha256:…` over the policy and the files that it names.
    pub fn digest(&self) -> &Arc<str> {
        &self.digest
    }

    /// The policy's name, if it has one.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// A route.
    pub fn route(&self, id: RouteId) -> &Route {
        &self.routes[id.0 as usize]
    }

    /// An upstream.
    pub fn upstream(&self, id: UpstreamId) -> &Upstream {
        &self.upstreams[id.0 as usize]
    }

    /// A role.
    pub fn role(&self, id: RoleId) -> &Role {
        &self.roles[id.0 as usize]
    }

    /// All roles of the policy.
    pub fn roles(&self) -> &[Role] {
        &self.roles[..self.anybody.map_or(self.roles.len(), |role| role.0 as usize)]
    }

    /// What holds the grants of every identified caller. No credential can name it, and no
    /// upstream is told of it.
    pub(crate) fn anybody(&self) -> Option<RoleId> {
        self.anybody
    }

    /// The role with this id.
    pub fn role_id(&self, id: &str) -> Option<RoleId> {
        self.role_ids.get(id).copied()
    }

    /// Roles that open every application of the organization.
    pub(crate) fn enters_all(&self) -> &RoleSet {
        &self.enters_all
    }

    /// A grant.
    pub fn grant(&self, id: GrantId) -> &Grant {
        &self.grants[id.0 as usize]
    }

    /// A denial.
    pub fn denial(&self, id: DenialId) -> &Denial {
        &self.denials[id.0 as usize]
    }

    /// The id of the restriction that a denial is a line of.
    pub fn restriction_of(&self, denial: &Denial) -> &Arc<str> {
        &self.restrictions[denial.restriction as usize]
    }

    /// Who belongs where.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Everything that matches a path.
    pub(crate) fn matches(&self, target: &Target) -> Matches {
        self.index.matches(target)
    }

    /// The most specific route among what matches a path.
    pub(crate) fn best_route(&self, matches: &Matches) -> Option<RouteId> {
        let with_route = |id: &&ShapeId| self.facts(**id).route.is_some();
        let best = matches.iter().filter(with_route).min_by_key(|id| self.index.rank(**id))?;
        self.facts(*best).route
    }

    /// The grants among `matches` that `roles` have for one letter, given by its position.
    pub(crate) fn held(
        &self,
        matches: &Matches,
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
            for group in &self.facts(*shape).groups {
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
        matches: &Matches,
        letter: usize,
        restrictions: &RoleSet,
        addressed: impl Fn(&RuleGroup<DenialId>) -> bool,
    ) -> bool {
        let mut groups = matches.iter().flat_map(|shape| &self.facts(*shape).denials);
        groups.any(|group| group.letters[letter].intersects(restrictions) && addressed(group))
    }

    /// The denials of which [`Snapshot::denies`] speaks, for explanations.
    pub(crate) fn denials(
        &self,
        matches: &Matches,
        letter: usize,
        restrictions: &RoleSet,
        addressed: impl Fn(&RuleGroup<DenialId>) -> bool,
    ) -> Vec<DenialId> {
        let needed = Access::LETTERS[letter];
        let groups = matches.iter().flat_map(|shape| &self.facts(*shape).denials);
        let rules = groups.filter(|group| addressed(group)).flat_map(|group| &group.rules);
        let mut found: Vec<DenialId> = rules
            .filter(|(holder, access, _)| restrictions.contains(*holder) && access.has(needed))
            .map(|(_, _, denial)| *denial)
            .collect();
        found.sort_unstable();
        found
    }

    /// What limits bodies where these grants are what allows the request. Masks come from the
    /// grants that held, not from the roles that are bound.
    ///
    /// A request that `creates` where a type has lists alone (a POST to `/customers`, whose objects
    /// are at `/data/*`) sends one element as the body itself, and often gets it back so: there
    /// the body is a place as well.
    pub(crate) fn limits(&self, matches: &Matches, held: &Held<'_>, creates: bool) -> Limits {
        // One contributing role without any schema contributes whole objects.
        if !held.roles.is_subset(&self.limited) {
            return Limits::Nothing;
        }
        let limits = |kind: u32| held.roles.is_subset(&self.types[kind as usize].limited);
        let here = self.most_specific_ats(matches);
        let applies = |at: &u32| limits(self.ats[*at as usize].kind);
        let mut ats: smallvec::SmallVec<[u32; 8]> = here.iter().copied().filter(applies).collect();
        if creates {
            self.add_elements(&mut ats);
        }
        if ats.is_empty() {
            let near = held.shapes.iter().flat_map(|shape| &self.facts(*shape).near);
            return match near.copied().any(limits) {
                true => Limits::Unmapped,
                false => Limits::Nothing,
            };
        }
        match self.memo.get(&ats, &held.roles, || self.compute_masks(&ats, &held.roles)) {
            Some(masks) => Limits::Masks(masks),
            None => Limits::Nothing,
        }
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
            let rank = self.index.rank(*shape);
            for at in &self.facts(*shape).ats {
                match best.iter_mut().find(|(kind, _)| *kind == kind_of(*at)) {
                    Some((_, least)) => *least = rank.min(*least),
                    None => best.push((kind_of(*at), rank)),
                }
            }
        }
        let mut found: smallvec::SmallVec<[u32; 8]> = smallvec::SmallVec::new();
        for shape in matches {
            let rank = self.index.rank(*shape);
            let of_best = |at: &&u32| best.contains(&(kind_of(**at), rank));
            found.extend(self.facts(*shape).ats.iter().filter(of_best).copied());
        }
        found.sort_unstable();
        found
    }

    /// What each contributing role says of the objects at these places.
    fn compute_masks(&self, ats: &[u32], roles: &RoleSet) -> Option<FieldMasks> {
        let placed = |at: &u32| {
            let place = &self.ats[(at & !IN_ELEMENT) as usize];
            let pointer = match &place.element {
                Some(element) if at & IN_ELEMENT != 0 => element,
                _ => &place.pointer,
            };
            let of = |role| &self.role(role).limits[&(place.kind as usize)];
            let entries = place.entries.as_deref();
            Placed { pointer, entries, roles: roles.iter().map(of).collect() }
        };
        masks_at(&ats.iter().map(placed).collect::<Vec<_>>())
    }

    pub(crate) fn facts(&self, shape: ShapeId) -> &ShapeFacts {
        &self.facts[shape.0 as usize]
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

impl Role {
    /// The id as typed.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The id percent-encoded, as the upstream is told.
    pub fn header(&self) -> &Arc<str> {
        &self.header
    }

    /// Bound to an application access, not to a membership.
    pub fn is_app_scope(&self) -> bool {
        self.app_scope
    }

    /// The roles that it includes, directly and through others: each contributes as itself.
    pub fn includes(&self) -> &[RoleId] {
        &self.includes
    }

    /// The ids of its schemas.
    pub fn schemas(&self) -> &[Arc<str>] {
        &self.schemas
    }
}
