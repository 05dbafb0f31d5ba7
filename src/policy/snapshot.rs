//! The immutable result of a load: what decisions read.

use crate::filter::pick;
use crate::policy::access::Access;
use crate::policy::administration::Administration;
use crate::policy::condition::Conditions;
use crate::policy::fields::{FieldMemo, RoleLimits};
use crate::policy::host::{Host, HostId, Hosts};
use crate::policy::index::{Matches, PathIndex, ShapeId};
use crate::policy::people::People;
use crate::policy::roleset::{RoleId, RoleSet};
use crate::policy::route::HostRoutes;
pub use crate::policy::route::{BodyKind, RequestKind, Route, RouteId, Update};
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
    pub(super) hosts: HostRoutes,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) roles: Vec<Role>,
    pub(super) administration: Administration,
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
    /// Roles that say `filtered_count`.
    pub(super) knows_filtered: RoleSet,
    pub(super) people: People,
    pub(super) memo: FieldMemo,
}

/// Index of an upstream. 0 is the default one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamId(pub u32);

impl UpstreamId {
    /// The one that the settings name.
    pub const DEFAULT: UpstreamId = UpstreamId(0);
}

/// Index of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId(pub u32);

/// A role.
#[derive(Debug)]
pub struct Role {
    pub(super) id: Arc<str>,
    /// Percent-encoded, for the header that tells the upstream.
    pub(super) header: Arc<str>,
    pub(super) app_scope: bool,
    pub(super) app_access_all: bool,
    pub(super) filtered_count: bool,
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
    /// What must hold for it to count; `None` where nothing must.
    pub conditions: Option<Arc<Conditions>>,
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
    /// The route for every host.
    pub(super) route: Option<RouteId>,
    /// In the order of their hosts.
    pub(super) groups: Vec<GrantGroup>,
    /// Denials, likewise: their letters are sets of restrictions.
    pub(super) denials: Vec<RuleGroup<DenialId>>,
    /// Places of resource types, as indices into `ats`.
    pub(super) ats: Vec<u32>,
    /// Places that are those of the addressed organization or application alone, each set under a
    /// shape of its own that matches where they do, see [`Snapshot::addressed`].
    pub(super) bound: Vec<(Binding, ShapeId)>,
    /// Of such a shape: the one that the index knows.
    pub(super) variant_of: Option<ShapeId>,
    /// Roles that limit a type whose objects may be somewhere under this shape, and which does not
    /// say `elsewhere: pass`.
    pub(super) near: RoleSet,
}

/// The segments that `{org}` and `{app}` capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Binding {
    pub(super) org_at: Option<usize>,
    pub(super) app_at: Option<usize>,
}

/// Rules of one shape that bind the same segments to the addressed organization and application,
/// on the same hosts.
#[derive(Debug)]
pub(crate) struct RuleGroup<Id> {
    /// Every host where absent.
    pub(super) host: Option<HostId>,
    pub(super) binding: Binding,
    /// By position of the letter: the roles (or restrictions) that have it here.
    pub(super) letters: [RoleSet; 4],
    /// Sorted by role (or restriction).
    pub(super) rules: Vec<(RoleId, Access, Id)>,
    /// By position of the letter: the roles that have it here under a condition.
    pub(super) conditional_letters: [RoleSet; 4],
    /// Grants with conditions, which count in neither of the two lists above.
    pub(super) conditional: Vec<(RoleId, Access, Id)>,
}

/// Grants of one shape, held by roles.
pub(crate) type GrantGroup = RuleGroup<GrantId>;

#[derive(Debug)]
pub(crate) struct ResourceType {
    /// Roles that have a schema of this type.
    pub(super) limited: RoleSet,
    /// Pointers to totals of its lists.
    pub(super) count: Vec<Arc<str>>,
}

#[derive(Debug)]
pub(crate) struct At {
    pub(super) kind: u32,
    pub(super) pointer: Arc<str>,
    /// The object stands there as a list of pairs.
    pub(super) entries: Option<Arc<crate::filter::place::Entries>>,
    /// What the object is called, if only such objects are meant.
    pub(super) is: Option<Arc<crate::policy::resolve::Is>>,
    /// Where it leads to every element or member of something: where the object is in a body that
    /// is one of these.
    pub(super) element: Option<Arc<str>>,
    /// Where the rows are: what the pointer says before its first `*`.
    pub(super) rows: pick::Path,
    /// Whether the pointer leads to every element or member of something.
    pub(super) in_list: bool,
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

    /// All of them, by their numbers.
    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    /// Where a request goes that addresses this application: where its route says, or else where
    /// the application says.
    pub fn upstream_for(&self, route: &Route, app: Option<&str>) -> UpstreamId {
        let of_app = || self.people.app(self.people.app_id(app?)?).upstream();
        match route.upstream {
            UpstreamId::DEFAULT => of_app().unwrap_or(UpstreamId::DEFAULT),
            named => named,
        }
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

    /// Roles whose holders are told how much was filtered from a response.
    pub(crate) fn knows_filtered(&self) -> &RoleSet {
        &self.knows_filtered
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

    /// The host patterns that match a host.
    pub(crate) fn hosts(&self, host: Host<'_>) -> Hosts {
        self.hosts.table.find(host)
    }

    /// Adds to what matches a path the places that are those of the addressed organization and
    /// application: `{org}` and `{app}` match nothing else.
    pub(crate) fn add_addressed(
        &self,
        matches: &mut Matches,
        target: &Target,
        (org, app): (Option<&str>, Option<&str>),
    ) {
        for at in 0..matches.len() {
            for (binding, shape) in &self.facts(matches[at]).bound {
                if binding.addresses(target, org, app) {
                    matches.push(*shape);
                }
            }
        }
    }

    /// Place of a shape in the order of specificity, the lowest first.
    pub(crate) fn rank(&self, shape: ShapeId) -> u32 {
        self.index.rank(self.facts(shape).variant_of.unwrap_or(shape))
    }

    pub(crate) fn facts(&self, shape: ShapeId) -> &ShapeFacts {
        &self.facts[shape.0 as usize]
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
