//! The thinking before the first request: resolved entities → routers, bitsets, masks.

use crate::diag::{Code, Diagnostic, Report};
use crate::filter::algebra::intersect;
use crate::policy::access::Access;
use crate::policy::fields::{FieldMemo, RoleLimits};
use crate::policy::index::{PathIndexBuilder, ShapeId};
use crate::policy::pattern::Pattern;
use crate::policy::people::{App, AppId, Bindings, Member, Membership, Org, People};
use crate::policy::resolve::{Resolved, ResolvedMember, ResolvedMembers, ResolvedRole};
use crate::policy::roleset::{RoleId, RoleSet};
use crate::policy::schema::SchemaMasks;
use crate::policy::snapshot::{
    At, Grant, GrantGroup, GrantId, ResourceType, Role, Route, RouteId, ShapeFacts, Snapshot,
};
use crate::source::Sources;
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
    let routes = shapes.routes(&resolved);
    let ats = shapes.ats(&resolved);
    let grants = shapes.grants(&resolved, sources);
    shapes.near(&resolved);
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
    let types = types(&resolved);
    let roles: Vec<Role> =
        resolved.roles.iter().map(|role| compile_role(role, &resolved)).collect();
    let ids = roles.iter().enumerate().map(|(at, role)| (role.id.clone(), RoleId(at as u32)));
    Some(Snapshot {
        generation: stamp.generation,
        digest: stamp.digest,
        name: resolved.name.clone(),
        index,
        facts: shapes.facts,
        role_ids: ids.collect(),
        limited: limited(&roles, |role| !role.limits.is_empty()),
        roles,
        routes,
        grants,
        types,
        ats,
        people: people(&resolved),
        upstreams: resolved.upstreams,
        memo: FieldMemo::new(),
    })
}

/// The shapes of all patterns and what is known of each.
#[derive(Default)]
struct Shapes {
    builder: PathIndexBuilder,
    facts: Vec<ShapeFacts>,
    /// Which pattern a shape came from, for finding what lies near.
    patterns: Vec<Pattern>,
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

    fn facts(&mut self, pattern: &Pattern) -> &mut ShapeFacts {
        let id = self.shape(pattern);
        &mut self.facts[id.0 as usize]
    }

    fn routes(&mut self, resolved: &Resolved) -> Vec<Route> {
        let mut routes = Vec::new();
        for (at, route) in resolved.routes.iter().enumerate() {
            self.facts(&route.pattern).route = Some(RouteId(at as u32));
            routes.push(Route {
                pattern: route.pattern.text().clone(),
                upstream: route.upstream,
                request: route.request,
                response: route.response,
                credential_pass: route.credential_pass,
                org: route.org.clone(),
                app: route.app.clone(),
                methods: route.methods,
                public: route.public,
                update: route.update,
                params_keep: route.params_keep,
            });
        }
        routes
    }

    fn ats(&mut self, resolved: &Resolved) -> Vec<At> {
        let mut ats = Vec::new();
        for (kind, resource) in resolved.types.iter().enumerate() {
            for at in &resource.ats {
                self.facts(&at.pattern).ats.push(ats.len() as u32);
                ats.push(At {
                    kind: kind as u32,
                    pointer: at.pointer.clone(),
                    element: element(&at.pointer),
                });
            }
        }
        ats
    }

    fn grants(&mut self, resolved: &Resolved, sources: &Sources) -> Vec<Grant> {
        let mut grants = Vec::new();
        for (role_at, role) in resolved.roles.iter().enumerate() {
            let role_id = RoleId(role_at as u32);
            for grant in &role.grants {
                let id = GrantId(grants.len() as u32);
                grants.push(Grant {
                    role: role_id,
                    path: grant.pattern.text().clone(),
                    label: format!("{} {}", role.id, grant.pattern).into(),
                    place: sources.place(grant.span),
                });
                self.facts(&grant.pattern).group(&grant.pattern).add(role_id, grant.access, id);
            }
        }
        grants
    }

    /// For each shape with grants, the types whose objects may be under it.
    fn near(&mut self, resolved: &Resolved) {
        for (facts, pattern) in self.facts.iter_mut().zip(&self.patterns) {
            if facts.groups.is_empty() {
                continue;
            }
            let types = resolved.types.iter().enumerate();
            let unify = types.filter(|(_, kind)| {
                !kind.elsewhere_pass && kind.ats.iter().any(|at| at.pattern.unifies(pattern))
            });
            facts.near = unify.map(|(at, _)| at as u32).collect();
        }
    }
}

impl ShapeFacts {
    fn group(&mut self, pattern: &Pattern) -> &mut GrantGroup {
        let (org_at, app_at) = (pattern.param("org"), pattern.param("app"));
        let same = |group: &GrantGroup| group.org_at == org_at && group.app_at == app_at;
        let at = self.groups.iter().position(same).unwrap_or_else(|| {
            let letters = Default::default();
            self.groups.push(GrantGroup { org_at, app_at, letters, grants: Vec::new() });
            self.groups.len() - 1
        });
        &mut self.groups[at]
    }
}

impl GrantGroup {
    /// Roles come in ascending order, so that `grants` stays sorted.
    fn add(&mut self, role: RoleId, access: Access, grant: GrantId) {
        for letter in access.positions() {
            self.letters[letter].insert(role);
        }
        self.grants.push((role, access, grant));
    }
}

/// Where the object sits in one element of a list: what follows the last `*` of a pointer.
fn element(pointer: &str) -> Option<Arc<str>> {
    let last = pointer.rmatch_indices("/*").map(|(at, _)| &pointer[at + 2..]);
    last.into_iter().find(|rest| rest.is_empty() || rest.starts_with('/')).map(Arc::from)
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
    (0..resolved.types.len()).map(|kind| ResourceType { limited: limited(kind) }).collect()
}

/// The role's name travels in a header, comma-separated with others.
const ROLE_IN_HEADER: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn compile_role(role: &ResolvedRole, resolved: &Resolved) -> Role {
    let mut limits = RoleLimits::new();
    for schema in role.schemas.iter().map(|schema| &resolved.schemas[*schema]) {
        let masks = match limits.remove(&schema.kind) {
            None => schema.masks.clone(),
            Some(other) => SchemaMasks {
                read: intersect(&other.read, &schema.masks.read),
                write: intersect(&other.write, &schema.masks.write),
            },
        };
        limits.insert(schema.kind, masks);
    }
    Role {
        id: role.id.clone(),
        header: utf8_percent_encode(&role.id, ROLE_IN_HEADER).to_string().into(),
        app_scope: role.app_scope,
        limits,
        schemas: role.schemas.iter().map(|schema| resolved.schemas[*schema].id.clone()).collect(),
    }
}

fn limited(roles: &[Role], is: impl Fn(&Role) -> bool) -> RoleSet {
    let roles = roles.iter().enumerate().filter(|(_, role)| is(role));
    roles.map(|(at, _)| RoleId(at as u32)).collect()
}

fn people(resolved: &Resolved) -> People {
    let mut bindings = Bindings::default();
    let no_members: &[ResolvedMember] = &[];
    let (membership, explicit, members) = match &resolved.members {
        ResolvedMembers::Token { explicit } => (Membership::Token, *explicit, no_members),
        ResolvedMembers::Directory { explicit, members } => {
            (Membership::Directory, *explicit, &members[..])
        }
    };
    let mut implicit = resolved.implicit_org.then(|| Org { active: true, ..Org::default() });
    let mut orgs: Option<Vec<Org>> = resolved.orgs.as_ref().map(|orgs| {
        let org = |org: &crate::policy::resolve::ResolvedOrg| {
            let mut apps: Vec<AppId> = org.apps.iter().map(|app| AppId(*app as u32)).collect();
            apps.sort_unstable();
            Org { active: org.active, apps: Some(apps), ..Org::default() }
        };
        orgs.iter().map(org).collect()
    });
    for typed in members {
        let org = match typed.org {
            None => implicit.as_mut(),
            Some(at) => orgs.as_mut().and_then(|orgs| orgs.get_mut(at)),
        };
        if let Some(org) = org {
            org.members.insert(typed.user.clone(), member(typed, &mut bindings));
        }
    }
    let apps: Vec<App> = resolved
        .apps
        .iter()
        .map(|app| App {
            id: app.id.clone(),
            active: app.active,
            default_roles: app.default_roles.iter().map(|role| RoleId(*role as u32)).collect(),
        })
        .collect();
    let app_ids = apps.iter().enumerate().map(|(at, app)| (app.id.clone(), AppId(at as u32)));
    People {
        membership,
        explicit,
        implicit,
        orgs: orgs.map(|list| {
            let ids = resolved.orgs.iter().flatten().map(|org| org.id.clone());
            ids.zip(list).collect()
        }),
        app_ids: app_ids.collect::<HashMap<_, _, _>>(),
        apps,
        bindings: bindings.finish(),
        members: members.len(),
    }
}

fn member(typed: &ResolvedMember, bindings: &mut Bindings) -> Member {
    let bound = |(app, roles): &(usize, Vec<usize>)| (AppId(*app as u32), roles.to_vec());
    let mut apps: Vec<_> =
        typed.apps.iter().map(bound).map(|(app, roles)| (app, bindings.intern(roles))).collect();
    apps.sort_unstable_by_key(|(app, _)| *app);
    let roles = bindings.intern(typed.roles.iter().copied());
    Member { roles, apps: apps.into(), active: typed.active }
}
