//! Names to ids, and the invariants of the language: what was typed gets its meaning here, and
//! everything that cannot have one is reported, all in one run.

mod address;
mod administration;
mod carriage;
mod carriers;
mod conditions;
mod cors;
mod defaults;
mod includes;
mod invitations;
mod last_admin;
mod members;
mod mode;
mod most;
mod paths;
mod people;
mod places;
mod presets;
mod reach;
mod restrictions;
mod roles;
mod seen;
mod selectors;
mod sentinels;
mod upstreams;

pub use address::Address;
pub use carriage::{Carriage, MAX_HEADERS};
pub(in crate::policy) use carriers::Carriers;
pub use defaults::RoleDefaults;
pub use invitations::MAX_EMAIL;
pub use last_admin::MAX_PROTECTED;
pub use members::{ResolvedGroup, ResolvedMember, ResolvedMembers};
pub(super) use paths::label;
pub use paths::{Is, METHODS, MethodTable, ResolvedAt, ResolvedRoute, ResolvedType};
pub use people::{ResolvedApp, ResolvedOrg};
pub use presets::MAX_TEMPLATES;
pub use reach::MAX_OPERATORS;
pub use restrictions::{ResolvedRestriction, defaults};
pub use roles::{ResolvedGrant, ResolvedRole, ResolvedSchema};
pub use sentinels::{MAX_SENTINEL, MAX_SENTINELS};
pub use upstreams::endpoints;

use crate::diag::{Code, Diagnostic, Report, suggestion};
use crate::policy::administration::Administration;
use crate::policy::raw::{Kind, RawPolicy, Text};
use crate::policy::snapshot::UpstreamId;
use crate::policy::upstream::{Endpoints, Protocol, Upstream, UpstreamAddress};
use crate::source::Span;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

/// A policy whose references are indices and whose invariants hold. Ids keep their order of
/// definition; an index is a position in the list of its kind.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    pub name: Option<Arc<str>>,
    /// The first is the default one, if the settings name it.
    pub upstreams: Vec<Upstream>,
    pub routes: Vec<ResolvedRoute>,
    pub types: Vec<ResolvedType>,
    pub schemas: Vec<ResolvedSchema>,
    pub roles: Vec<ResolvedRole>,
    pub role_defaults: RoleDefaults,
    pub administration: Administration,
    pub restrictions: Vec<ResolvedRestriction>,
    pub apps: Vec<ResolvedApp>,
    /// `None` where the policy lists none.
    pub orgs: Option<Vec<ResolvedOrg>>,
    /// The ids of users that are suspended.
    pub suspended: Vec<Arc<str>>,
    pub members: ResolvedMembers,
    /// A condition asks for the organizations of the caller.
    pub asks_orgs: bool,
    /// No route names an organization and none is listed: every route addresses the one there is.
    pub implicit_org: bool,
}

/// What a policy is resolved against.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The upstream that the settings name. Routes that name none go there.
    pub default_upstream: Option<Endpoints>,
    /// Whether a route without an upstream is an error where the settings name none. `check` and
    /// `explain` judge a policy without knowing where it will run.
    pub upstream_required: bool,
    /// Whether the settings allow `mode: monitor`; `None` where they are not known.
    pub allow_monitor: Option<bool>,
}

/// Resolves a policy. The result means something only if the report has no errors.
pub fn resolve(raw: &RawPolicy, around: &Surroundings, report: &mut Report) -> Resolved {
    let upstreams = upstreams(raw, around, report);
    let apps = people::apps(raw, &upstreams, report);
    let types = paths::types(raw, report);
    let schemas = roles::schemas(raw, report);
    mode::policy(raw, around, report);
    let roles = roles::roles(raw, &schemas, &types, report);
    let role_defaults = defaults::role_defaults(raw, &roles, &types, report);
    let rights = administration::rights(raw, &raw.roles, &roles, report);
    let routes = paths::routes(raw, &upstreams, around, report);
    let apps = people::default_roles(raw, apps, &roles, report);
    let orgs = people::orgs(raw, &apps, report);
    let implicit_org = orgs.is_none() && routes.iter().all(|route| route.org == Address::None);
    let restrictions = restrictions::restrictions(raw, report);
    let about = members::About {
        roles: &roles,
        restrictions: &restrictions,
        apps: &apps,
        orgs: orgs.as_deref(),
        implicit_org,
    };
    let members = members::members(raw, &about, report);
    let mut resolved = Resolved {
        name: raw.name.as_ref().map(|name| name.value.as_str().into()),
        upstreams: upstreams.list,
        routes,
        types,
        schemas,
        roles,
        role_defaults,
        administration: Administration { rights, ..Administration::default() },
        restrictions,
        apps,
        orgs,
        suspended: people::suspended(raw, report),
        members,
        implicit_org,
        asks_orgs: asks_orgs(raw),
    };
    selectors::headers_go_on(raw, report);
    paths::grants_name_hosts(&resolved, report);
    paths::grants_are_reachable(raw, &resolved, report);
    paths::schemas_cover_grants(&resolved, report);
    most::grants_hold(&resolved, report);
    last_admin::somebody_stays(raw, &resolved, report);
    resolved.administration.presets = presets::presets(raw, &resolved, report);
    resolved.administration.invitations = invitations::invitations(raw, &resolved, report);
    resolved.administration.features = administration::features(raw);
    resolved.administration.roles_listed = raw.roles_listed;
    resolved
}

/// Whether a condition compares with `subject.orgs`, be it in a template.
fn asks_orgs(raw: &RawPolicy) -> bool {
    let defaults = &raw.role_defaults;
    let by_default = [&defaults.app, &defaults.org, &defaults.any].into_iter().flatten();
    let grants = raw.roles.iter().flat_map(|role| &role.grants).chain(by_default);
    let of_grants = grants.flat_map(|grant| grant.conditions.values());
    let of_routes = raw.routes.iter().flatten().flat_map(|route| &route.when);
    let of_routes = of_routes.flat_map(|test| &test.values);
    of_grants.chain(of_routes).any(|value| value.value.contains("subject.orgs"))
}

/// Ids of one kind up to which the nearest one is looked for where one is not known.
pub const MAX_SUGGESTIBLE: usize = 10_000;

/// The ids of one kind of entity: for looking up references and finding duplicates.
pub(crate) struct Names<'a> {
    raw: &'a RawPolicy,
    kind: Kind,
    index: HashMap<&'a str, (usize, Span), RandomState>,
}

impl<'a> Names<'a> {
    /// Collects ids in order; an id that stands twice is reported with both places and the first
    /// one is kept.
    pub fn collect(
        raw: &'a RawPolicy,
        kind: Kind,
        ids: impl IntoIterator<Item = &'a Text>,
        report: &mut Report,
    ) -> Names<'a> {
        let ids = ids.into_iter();
        let index = HashMap::with_capacity_and_hasher(ids.size_hint().0, RandomState::default());
        let mut names = Names { raw, kind, index };
        for (at, id) in ids.enumerate() {
            if id.value.is_empty() {
                let message = format!("the id of this {} is empty", kind.name());
                report.push(
                    Diagnostic::error(Code::BadValue, id.span, message)
                        .help("give it a name by which others can refer to it"),
                );
            }
            if let Some((_, first)) = names.index.get(id.value.as_str()) {
                let message = format!("the {} `{}` is defined twice", kind.name(), id.value);
                report.push(
                    Diagnostic::error(Code::IdUnique, id.span, message)
                        .also(*first, "first defined here")
                        .help("rename or remove one of the two"),
                );
                continue;
            }
            names.index.insert(&id.value, (at, id.span));
        }
        names
    }

    /// The ids of entities whose duplicates have been reported already.
    pub fn again(raw: &'a RawPolicy, kind: Kind, ids: impl IntoIterator<Item = &'a Text>) -> Self {
        Names::collect(raw, kind, ids, &mut Report::default())
    }

    /// The index of a referenced id, or a report that it is not defined.
    pub fn find(&self, reference: &Text, report: &mut Report) -> Option<usize> {
        self.find_or(Code::RefExists, reference, report)
    }

    /// Likewise, reported under a code of its own.
    pub fn find_or(&self, code: Code, reference: &Text, report: &mut Report) -> Option<usize> {
        if let Some((at, _)) = self.index.get(reference.value.as_str()) {
            return Some(*at);
        }
        if self.raw.may_exist(self.kind, &reference.value) {
            return None;
        }
        let kind = self.kind.name();
        let message = format!("there is no {kind} `{}`", reference.value);
        let problem = Diagnostic::error(code, reference.span, message);
        // Where nobody will read it, or with very many names, a search would only take time.
        let suggests = !report.is_full() && self.index.len() <= MAX_SUGGESTIBLE;
        let known = suggests.then(|| self.index.keys().copied());
        report.push(match suggestion(&reference.value, known.into_iter().flatten()) {
            Some(near) => problem.help(near),
            None => problem.help(format!("define the {kind} under `{}`", self.kind.key())),
        });
        None
    }
}

impl Kind {
    /// What messages call it.
    fn name(self) -> &'static str {
        match self {
            Kind::Upstream => "upstream",
            Kind::Route => "route",
            Kind::Organization => "organization",
            Kind::Application => "application",
            Kind::User => "user",
            Kind::Group => "group",
            Kind::Member => "member",
            Kind::Role => "role",
            Kind::Restriction => "restriction",
            Kind::Schema => "schema",
            Kind::ResourceType => "resource type",
            Kind::Preset => "preset",
            Kind::Invitation => "invitation",
        }
    }

    /// The key of the policy that lists it.
    fn key(self) -> &'static str {
        match self {
            Kind::Upstream => "upstreams",
            Kind::Route => "routes",
            Kind::Organization => "organizations",
            Kind::Application => "applications",
            Kind::User => "users",
            Kind::Group => "groups",
            Kind::Member => "members",
            Kind::Role => "roles",
            Kind::Restriction => "restrictions",
            Kind::Schema => "schemas",
            Kind::ResourceType => "resource_types",
            Kind::Preset => "presets",
            Kind::Invitation => "invitations",
        }
    }
}

/// The upstreams and their names.
struct Upstreams<'a> {
    list: Vec<Upstream>,
    names: Names<'a>,
    /// Position of the policy's first upstream in `list`.
    first: usize,
}

impl Upstreams<'_> {
    /// The upstream of this name, or a report that it is not defined.
    fn find(&self, name: &Text, report: &mut Report) -> Option<UpstreamId> {
        self.names.find(name, report).map(|at| UpstreamId((at + self.first) as u32))
    }
}

fn upstreams<'a>(raw: &'a RawPolicy, around: &Surroundings, report: &mut Report) -> Upstreams<'a> {
    let names = Names::collect(raw, Kind::Upstream, raw.upstreams.iter().map(|u| &u.id), report);
    let nowhere = || UpstreamAddress::Tcp { host: "upstream.invalid".into(), port: 80 };
    let default = around.default_upstream.clone().unwrap_or_else(|| nowhere().into());
    let (id, Endpoints { first: address, others }) = ("default".into(), default);
    let (host, protocol, timeouts, health) = (None, Protocol::default(), None, None);
    let mut list = vec![Upstream { id, address, others, host, protocol, timeouts, health }];
    list.extend(raw.upstreams.iter().map(|upstream| upstreams::resolve(upstream, report)));
    Upstreams { list, names, first: 1 }
}
