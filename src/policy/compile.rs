//! The thinking before the first request: resolved entities → routers, bitsets, masks.

mod people;

use crate::diag::{Code, Diagnostic, Report};
use crate::filter::anywhere::ANYWHERE;
use crate::filter::pick;
use crate::policy::access::Access;
use crate::policy::condition::{Selector, Test};
use crate::policy::fields::{FieldMemo, RoleLimits};
use crate::policy::host::HostId;
use crate::policy::index::{PathIndexBuilder, ShapeId};
use crate::policy::pattern::Pattern;
use crate::policy::resolve::{
    Address, Resolved, ResolvedGrant, ResolvedRole, ResolvedRoute, label,
};
use crate::policy::roleset::{RoleId, RoleSet};
use crate::policy::route::HostRoutes;
use crate::policy::schema::SchemaMasks;
use crate::policy::snapshot::{
    At, Binding, Denial, DenialId, Grant, GrantId, ResourceType, Role, Route, RouteId, RuleGroup,
    ShapeFacts, Snapshot,
};
use crate::source::{Sources, Span};
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::HashMap;
use std::sync::Arc;

/// What a snapshot carries that is not in the policy.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Counts loads.
    pub generation: u64,
    /// `sha256:…`
    pub digest: Arc<str>,
}

/// Compiles a policy that has been resolved without errors.
pub fn compile(
    resolved: Resolved,
    sources: &Sources,
    stamp: Stamp,
    report: &mut Report,
) -> Option<Snapshot> {
    let mut shapes = Shapes::default();
    let routes = shapes.routes(&resolved, sources);
    let ats = shapes.ats(&resolved);
    let grants = shapes.grants(&resolved, sources);
    let denials = shapes.denials(&resolved, sources);
    let types = types(&resolved);
    shapes.near(&resolved, &types);
    shapes.sort_groups();
    shapes.bind_ats();
    let index = match shapes.builder.build() {
        Ok(index) => index,
        Err(error) => {
            report.push(
                Diagnostic::error_nowhere(Code::TooLarge, error.to_string())
                    .help("make patterns more alike: the same segments literal in all of them"),
            );
            return None;
        }
    };
    let mut roles: Vec<Role> =
        resolved.roles.iter().map(|role| compile_role(role, &resolved)).collect();
    let ids = roles.iter().enumerate().map(|(at, role)| (role.id.clone(), RoleId(at as u32)));
    let role_ids = ids.collect();
    // What everybody has is held by a role that nobody can name, after those of the policy.
    let anybody = (!resolved.role_defaults.any.is_empty()).then(|| {
        let nobody = ResolvedRole { id: ANYBODY.into(), ..ResolvedRole::default() };
        roles.push(compile_role(&nobody, &resolved));
        RoleId((roles.len() - 1) as u32)
    });
    Some(Snapshot {
        anybody,
        generation: stamp.generation,
        digest: stamp.digest,
        name: resolved.name.clone(),
        index,
        facts: shapes.facts,
        hosts: shapes.hosts,
        role_ids,
        limited: those(&roles, |role| !role.limits.is_empty()),
        enters_all: those(&roles, |role| role.app_access_all),
        knows_filtered: those(&roles, |role| role.filtered_count),
        roles,
        routes,
        grants,
        restrictions: resolved.restrictions.iter().map(|one| one.id.clone()).collect(),
        denials,
        types,
        ats,
        people: people::people(&resolved),
        administration: resolved.administration,
        upstreams: resolved.upstreams,
        memo: FieldMemo::new(),
    })
}

/// What explanations call the holder of `role_defaults.any`.
const ANYBODY: &str = "any";

/// The shapes of all patterns and what is known of each.
#[derive(Default)]
struct Shapes {
    builder: PathIndexBuilder,
    facts: Vec<ShapeFacts>,
    /// Which pattern a shape came from, for finding what lies near.
    patterns: Vec<Pattern>,
    hosts: HostRoutes,
    /// Places, by their positions in the list of all, that are those of an addressed organization or
    /// application alone.
    bound_ats: Vec<(ShapeId, Binding, u32)>,
    /// Where the groups of grants, and of denials, stand in the list of their shape.
    group_at: HashMap<GroupKey, usize>,
    denials_at: HashMap<GroupKey, usize>,
}

/// What the rules of a group share.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct GroupKey {
    shape: ShapeId,
    host: Option<HostId>,
    binding: Binding,
}

impl Shapes {
    fn shape(&mut self, pattern: &Pattern) -> ShapeId {
        let id = self.builder.add(pattern);
        if self.facts.len() < self.builder.len() {
            self.facts.push(ShapeFacts::default());
            self.patterns.push(pattern.clone());
        }
        id
    }

    fn routes(&mut self, resolved: &Resolved, sources: &Sources) -> Vec<Route> {
        let mut routes = Vec::new();
        let asked = asked(resolved);
        for (at, route) in resolved.routes.iter().enumerate() {
            let (shape, id) = (self.shape(&route.pattern), RouteId(at as u32));
            match &route.host {
                None => self.facts[shape.0 as usize].route = Some(id),
                Some(host) => {
                    let host = self.hosts.table.add(host);
                    self.hosts.routes.insert((shape, host), id);
                }
            }
            routes.push(Route {
                pattern: route.label().into(),
                place: (route.span != Span::default()).then(|| sources.place(route.span)),
                upstream: route.upstream,
                request: route.request,
                response: route.response,
                sentinels: route.sentinels.clone(),
                credential_pass: route.credential_pass,
                org: route.org.clone(),
                app: route.app.clone(),
                vary: vary(route, &asked),
                methods: route.methods,
                public: route.public,
                update: route.update,
                params_keep: route.params_keep,
                monitor: route.monitor,
                carriage: route.carriage.clone(),
                when: route.when.clone(),
                upgrade: route.upgrade,
                cors: route.cors.clone(),
            });
        }
        routes
    }

    fn ats(&mut self, resolved: &Resolved) -> Vec<At> {
        let mut ats = Vec::new();
        for (kind, resource) in resolved.types.iter().enumerate() {
            for at in &resource.ats {
                let (shape, id) = (self.shape(&at.pattern), ats.len() as u32);
                match Binding::of(&at.pattern) {
                    binding if binding == Binding::default() => {
                        self.facts[shape.0 as usize].ats.push(id);
                    }
                    binding => self.bound_ats.push((shape, binding, id)),
                }
                let rows = rows(&at.pointer);
                ats.push(At {
                    kind: kind as u32,
                    pointer: at.pointer.clone(),
                    entries: at.entries.clone(),
                    is: at.is.clone(),
                    element: element(&at.pointer),
                    in_list: at.pointer.len() > rows.len() && *at.pointer != *ANYWHERE,
                    rows: pick::Path::parse(rows).expect("a piece of a pointer is one"),
                });
            }
        }
        ats
    }

    fn grants(&mut self, resolved: &Resolved, sources: &Sources) -> Vec<Grant> {
        let mut grants = Vec::new();
        let defaults = &resolved.role_defaults;
        for (at, role) in resolved.roles.iter().enumerate() {
            let own = role.grants.iter().map(|grant| (grant, false));
            for (grant, default) in own.chain(defaults.of(role).iter().map(|grant| (grant, true))) {
                self.grant((at, &role.id), grant, default, &mut grants, sources);
            }
        }
        for grant in &defaults.any {
            self.grant((resolved.roles.len(), ANYBODY), grant, true, &mut grants, sources);
        }
        grants
    }

    fn grant(
        &mut self,
        (role, id): (usize, &str),
        grant: &ResolvedGrant,
        default: bool,
        grants: &mut Vec<Grant>,
        sources: &Sources,
    ) {
        let (role, at) = (RoleId(role as u32), GrantId(grants.len() as u32));
        grants.push(Grant {
            role,
            path: grant.pattern.text().clone(),
            label: format!("{id} {}", label(grant.host.as_ref(), &grant.pattern)).into(),
            place: sources.place(grant.span),
            default,
            conditions: grant.conditions.clone(),
        });
        let key = self.key(grant);
        let groups = &mut self.facts[key.shape.0 as usize].groups;
        let group = group(groups, &mut self.group_at, key);
        match grant.conditions {
            None => group.add(role, grant.access, at),
            Some(_) => group.add_conditional(role, grant.access, at),
        }
    }

    fn denials(&mut self, resolved: &Resolved, sources: &Sources) -> Vec<Denial> {
        let mut denials = Vec::new();
        for (at, restriction) in resolved.restrictions.iter().enumerate() {
            for deny in &restriction.deny {
                let id = DenialId(denials.len() as u32);
                denials.push(Denial {
                    restriction: at as u32,
                    path: deny.pattern.text().clone(),
                    place: sources.place(deny.span),
                });
                let key = self.key(deny);
                let groups = &mut self.facts[key.shape.0 as usize].denials;
                group(groups, &mut self.denials_at, key).add(RoleId(at as u32), deny.access, id);
            }
        }
        denials
    }

    fn key(&mut self, rule: &ResolvedGrant) -> GroupKey {
        GroupKey {
            shape: self.shape(&rule.pattern),
            host: rule.host.as_ref().map(|host| self.hosts.table.add(host)),
            binding: Binding::of(&rule.pattern),
        }
    }

    /// Gives bound places shapes of their own, once all shapes of paths are known.
    fn bind_ats(&mut self) {
        for (shape, binding, at) in std::mem::take(&mut self.bound_ats) {
            let next = ShapeId(self.facts.len() as u32);
            let bound = &mut self.facts[shape.0 as usize].bound;
            let variant = match bound.iter().find(|(other, _)| *other == binding) {
                Some((_, variant)) => *variant,
                None => {
                    bound.push((binding, next));
                    self.facts.push(ShapeFacts { variant_of: Some(shape), ..Default::default() });
                    next
                }
            };
            self.facts[variant.0 as usize].ats.push(at);
        }
    }

    /// Groups are looked up by host.
    fn sort_groups(&mut self) {
        for facts in &mut self.facts {
            facts.groups.sort_by_key(|group| group.host);
            facts.denials.sort_by_key(|group| group.host);
        }
    }

    /// For each shape with grants, the roles that limit a type whose objects may be under it.
    fn near(&mut self, resolved: &Resolved, types: &[ResourceType]) {
        for (facts, pattern) in self.facts.iter_mut().zip(&self.patterns) {
            if facts.groups.is_empty() {
                continue;
            }
            let near = resolved.types.iter().zip(types).filter(|(kind, _)| {
                !kind.elsewhere_pass && kind.ats.iter().any(|at| at.pattern.unifies(pattern))
            });
            near.for_each(|(_, kind)| facts.near.union_with(&kind.limited));
        }
    }
}

/// The grants that read a header, each with the names of those.
fn asked(resolved: &Resolved) -> Vec<(&ResolvedGrant, Vec<&str>)> {
    let own = resolved.roles.iter().flat_map(|role| &role.grants);
    let grants = own.chain(resolved.role_defaults.all());
    let asked = grants.map(|grant| {
        let tests = grant.conditions.iter().flat_map(|conditions| &conditions.when);
        (grant, tests.filter_map(header_of).collect::<Vec<_>>())
    });
    asked.filter(|(_, names)| !names.is_empty()).collect()
}

/// The names of headers on which it depends what a request addresses and whether it is allowed.
fn vary(route: &ResolvedRoute, asked: &[(&ResolvedGrant, Vec<&str>)]) -> Option<HeaderValue> {
    let addresses = [&route.org, &route.app].into_iter().filter_map(|address| match address {
        Address::Header(name) => Some(name.as_str()),
        _ => None,
    });
    let of_grants = asked.iter().filter(|(grant, _)| route.meets(grant));
    let of_grants = of_grants.flat_map(|(_, names)| names.iter().copied());
    let mut all: Vec<&str> = Vec::new();
    for name in addresses.chain(route.when.iter().filter_map(header_of)).chain(of_grants) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    HeaderValue::from_str(&all.join(", ")).ok().filter(|value| !value.is_empty())
}

fn header_of(test: &Test) -> Option<&str> {
    match &test.selector {
        Selector::Header(name) => Some(name.as_str()),
        _ => None,
    }
}

impl Binding {
    fn of(pattern: &Pattern) -> Binding {
        Binding { org_at: pattern.param("org"), app_at: pattern.param("app") }
    }
}

/// The group that a rule belongs to.
fn group<'g, Id>(
    groups: &'g mut Vec<RuleGroup<Id>>,
    places: &mut HashMap<GroupKey, usize>,
    key: GroupKey,
) -> &'g mut RuleGroup<Id> {
    let at = *places.entry(key).or_insert(groups.len());
    if at == groups.len() {
        let GroupKey { host, binding, .. } = key;
        groups.push(RuleGroup {
            host,
            binding,
            letters: Default::default(),
            rules: Vec::new(),
            conditional_letters: Default::default(),
            conditional: Vec::new(),
        });
    }
    &mut groups[at]
}

impl<Id> RuleGroup<Id> {
    /// Roles (or restrictions) come in ascending order, so that `rules` stays sorted.
    fn add(&mut self, holder: RoleId, access: Access, id: Id) {
        for letter in access.positions() {
            self.letters[letter].insert(holder);
        }
        self.rules.push((holder, access, id));
    }

    fn add_conditional(&mut self, holder: RoleId, access: Access, id: Id) {
        for letter in access.positions() {
            self.conditional_letters[letter].insert(holder);
        }
        self.conditional.push((holder, access, id));
    }
}

/// Where the object sits in one element of a list: what follows the last `*` of a pointer.
fn element(pointer: &str) -> Option<Arc<str>> {
    let last = pointer.rmatch_indices("/*").map(|(at, _)| &pointer[at + 2..]);
    last.into_iter().find(|rest| rest.is_empty() || rest.starts_with('/')).map(Arc::from)
}

/// What a pointer says before its first `*`, or all of it. Objects anywhere say nothing of where
/// rows are: the body is one, or has them.
fn rows(pointer: &str) -> &str {
    if pointer == ANYWHERE {
        return "";
    }
    let stars = pointer.match_indices("/*").map(|(at, _)| at);
    let whole = |at: &usize| matches!(pointer.as_bytes().get(at + 2), None | Some(b'/'));
    let first = stars.into_iter().find(whole);
    &pointer[..first.unwrap_or(pointer.len())]
}

fn types(resolved: &Resolved) -> Vec<ResourceType> {
    let has_schema_of = |kind: usize| {
        move |(_, role): &(usize, &ResolvedRole)| {
            role.schemas.iter().any(|schema| resolved.schemas[*schema].kind == kind)
        }
    };
    let limited = |kind: usize| {
        let roles = resolved.roles.iter().enumerate().filter(has_schema_of(kind));
        roles.map(|(role, _)| RoleId(role as u32)).collect()
    };
    let kinds = resolved.types.iter().enumerate();
    kinds
        .map(|(at, kind)| ResourceType { limited: limited(at), count: kind.count.clone() })
        .collect()
}

/// The role's name travels in a header, comma-separated with others.
const ROLE_IN_HEADER: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn compile_role(role: &ResolvedRole, resolved: &Resolved) -> Role {
    let mut limits = RoleLimits::new();
    for schema in role.schemas.iter().map(|schema| &resolved.schemas[*schema]) {
        let masks = match limits.remove(&schema.kind) {
            None => schema.masks.clone(),
            Some(other) => SchemaMasks::and(&other, &schema.masks),
        };
        limits.insert(schema.kind, masks);
    }
    let include = |at: &usize| RoleId(*at as u32);
    Role {
        id: role.id.clone(),
        includes: role.includes.iter().map(include).collect(),
        header: utf8_percent_encode(&role.id, ROLE_IN_HEADER).to_string().into(),
        app_scope: role.app_scope,
        app_access_all: role.app_access_all,
        filtered_count: role.filtered_count,
        limits,
        schemas: role.schemas.iter().map(|schema| resolved.schemas[*schema].id.clone()).collect(),
    }
}

fn those(roles: &[Role], is: impl Fn(&Role) -> bool) -> RoleSet {
    let roles = roles.iter().enumerate().filter(|(_, role)| is(role));
    roles.map(|(at, _)| RoleId(at as u32)).collect()
}
