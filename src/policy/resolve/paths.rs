//! Routes, and where objects of a type sit.

use super::address::{self, Address};
use super::carriage::{self, Carriage};
use super::carriers::Carriers;
use super::cors;
use super::mode;
use super::sentinels;
use super::{Names, Resolved, ResolvedGrant, Surroundings, Upstreams, conditions};
use crate::diag::{Code, Diagnostic, Report};
use crate::filter::place::Entries;
use crate::policy::access::{Access, Letters};
use crate::policy::condition::Test;
use crate::policy::cors::Cors;
use crate::policy::host::HostPattern;
use crate::policy::pattern::Pattern;
use crate::policy::raw::{
    BodyKind, Kind, RawHeaders, RawPolicy, RawRoute, RequestKind, Text, Update,
};
use crate::policy::snapshot::UpstreamId;
use crate::policy::upstream::Protocol;
use crate::source::Span;
use http::HeaderName;
use std::collections::HashMap;
use std::sync::Arc;

/// What a request on a route addresses and how it is carried.
#[derive(Clone, Debug)]
pub struct ResolvedRoute {
    pub span: Span,
    pub pattern: Pattern,
    /// Every host where absent.
    pub host: Option<HostPattern>,
    pub upstream: UpstreamId,
    pub org: Address,
    pub app: Address,
    pub methods: MethodTable,
    pub public: Access,
    pub update: Update,
    pub request: RequestKind,
    pub response: BodyKind,
    pub sentinels: Arc<[Arc<str>]>,
    pub params_keep: bool,
    pub credential_pass: bool,
    /// What is refused is let through, and told.
    pub monitor: bool,
    /// What the upstream gets instead of what the client sent.
    pub carriage: Carriage,
    /// What must hold for a request to be carried.
    pub when: Box<[Test]>,
    /// WebSocket connections may be opened.
    pub upgrade: bool,
    /// What pages of other origins may do.
    pub cors: Option<Arc<Cors>>,
}

/// The letters that each method needs on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodTable([Access; METHODS.len()]);

/// A resource type: where its objects sit in bodies.
#[derive(Clone, Debug)]
pub struct ResolvedType {
    pub id: Arc<str>,
    pub ats: Vec<ResolvedAt>,
    /// Pointers to totals of its lists.
    pub count: Vec<Arc<str>>,
    /// Elsewhere, under grants that could reach its objects, bodies pass unlimited.
    pub elsewhere_pass: bool,
    /// The policy says itself which of the two it is.
    pub elsewhere_said: bool,
}

/// One place of a resource type.
#[derive(Clone, Debug)]
pub struct ResolvedAt {
    pub pattern: Pattern,
    /// RFC 6901, with `*` for every element or member.
    pub pointer: Arc<str>,
    /// The object stands there as a list of pairs.
    pub entries: Option<Arc<Entries>>,
    /// What it is called, if only such objects are meant.
    pub is: Option<Arc<Is>>,
}

/// The tag of objects: a pointer inside of them, and the text there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Is {
    pub field: Arc<str>,
    pub value: Arc<str>,
}

/// The methods that a letter can stand for; every other one is 405.
pub const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

impl MethodTable {
    /// GET and HEAD read, POST creates, PUT and PATCH update, DELETE deletes.
    pub(crate) const DEFAULT: MethodTable = MethodTable([
        Access::READ,
        Access::READ,
        Access::CREATE,
        Access::UPDATE,
        Access::UPDATE,
        Access::DELETE,
    ]);

    /// The letters that a method needs, if any letter stands for it.
    pub fn access(&self, method: &str) -> Option<Access> {
        METHODS.iter().position(|known| *known == method).map(|at| self.0[at])
    }

    fn set(&mut self, method: usize, access: Access) {
        self.0[method] = access;
        // HEAD asks what GET answers.
        if METHODS[method] == "GET" {
            self.0[1] = access;
        }
    }
}

pub(super) fn routes(
    raw: &RawPolicy,
    upstreams: &Upstreams<'_>,
    around: &Surroundings,
    report: &mut Report,
) -> Vec<ResolvedRoute> {
    let everything = [RawRoute::everything()];
    let typed = raw.routes.as_deref().unwrap_or(&everything);
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut routes = Vec::new();
    let taken = address::taken(raw);
    for route in typed {
        let Some(resolved) = resolve_route(route, upstreams, around, &taken, report) else {
            continue;
        };
        let shape = resolved.shape();
        if let Some(first) = seen.get(&shape) {
            report.push(
                Diagnostic::error(
                    Code::RouteAmbiguous,
                    route.pattern.span,
                    format!("another route matches exactly what `{}` matches", resolved.label()),
                )
                .also(*first, "the other one")
                .help("remove one of the two, or make one more specific: its path, or its `host`"),
            );
        }
        seen.entry(shape).or_insert(route.pattern.span);
        let monitor = mode::monitors(raw, route, around, report);
        routes.push(ResolvedRoute { monitor, ..resolved });
    }
    routes
}

fn resolve_route(
    route: &RawRoute,
    upstreams: &Upstreams<'_>,
    around: &Surroundings,
    taken: &[HeaderName],
    report: &mut Report,
) -> Option<ResolvedRoute> {
    let pattern = pattern(&route.pattern, report)?;
    let host = match &route.host {
        Some(typed) => Some(host_pattern(typed, report)?),
        None => None,
    };
    let upstream = match &route.upstream {
        Some(name) => upstreams.names.find(name, report).map_or(0, |at| at + upstreams.first),
        None => {
            if around.upstream_required && around.default_upstream.is_none() {
                let message = "this route names no upstream, and the settings name no default one";
                report.push(
                    Diagnostic::error(Code::MissingKey, route.span, message)
                        .help("write `upstream:` in the settings, or start with `--upstream URL`"),
                );
            }
            0
        }
    };
    if route.upgrade && upstreams.list[upstream].protocol == Protocol::Http2 {
        let message = "this route opens WebSocket connections, and its upstream speaks HTTP/2";
        report.push(
            Diagnostic::error(Code::BadValue, route.span, message)
                .help("name an upstream without `protocol: h2`; it may have the same URL"),
        );
    }
    Some(ResolvedRoute {
        span: route.span,
        upstream: UpstreamId(upstream as u32),
        org: address::of(route, address::Kind::Org, (&pattern, host.as_ref()), taken, report),
        app: address::of(route, address::Kind::App, (&pattern, host.as_ref()), taken, report),
        methods: methods(route, report),
        public: route.public.as_ref().map_or(Access::NONE, |typed| letters(typed, report)),
        update: route.update.map_or(Update::Replace, |update| update.value),
        request: route.request.map_or(RequestKind::Json, |kind| kind.value),
        response: route.response.map_or(BodyKind::Json, |kind| kind.value),
        sentinels: sentinels::of(route, report),
        params_keep: route.params_keep,
        credential_pass: route.credential_pass,
        monitor: false,
        carriage: carriage::of(route, &pattern, taken, report),
        host,
        when: conditions::tests(&route.when, &pattern, report)?,
        upgrade: route.upgrade,
        cors: route.cors.as_ref().map(|typed| Arc::new(cors::of(typed, report))),
        pattern,
    })
}

impl ResolvedRoute {
    /// Whether some request on this route can be one that a rule speaks of.
    pub fn meets(&self, rule: &ResolvedGrant) -> bool {
        self.pattern.unifies(&rule.pattern)
            && crate::policy::host::unify(self.host.as_ref(), rule.host.as_ref())
    }

    /// A text that two routes share exactly if they match the same requests.
    pub fn shape(&self) -> String {
        let host = self.host.as_ref().map(HostPattern::key).unwrap_or_default();
        format!("{host}{}", crate::policy::index::shape_text(&self.pattern))
    }

    /// What messages and logs call it: its host, if it names one, and its path.
    pub fn label(&self) -> String {
        label(self.host.as_ref(), &self.pattern)
    }
}

/// A host, if one is written, and a path.
pub(in crate::policy) fn label(host: Option<&HostPattern>, pattern: &Pattern) -> String {
    match host {
        Some(host) => format!("{host}{pattern}"),
        None => pattern.to_string(),
    }
}

/// `verbs` may raise a method to a stronger letter, and may lower only POST, to `u` or `r`.
fn methods(route: &RawRoute, report: &mut Report) -> MethodTable {
    let mut table = MethodTable::DEFAULT;
    for (method, typed) in &route.verbs {
        let Some(at) = METHODS.iter().position(|known| *known == method.value) else {
            let message = format!("no letter can stand for the method `{}`", method.value);
            report.push(
                Diagnostic::error(Code::BadValue, method.span, message)
                    .help("methods are GET, HEAD, POST, PUT, PATCH and DELETE, in capitals"),
            );
            continue;
        };
        let access = letters(typed, report);
        let default = MethodTable::DEFAULT.0[at];
        let lowers_post = default == Access::CREATE && access.is_one();
        if !access.is_one() || (access.strength() < default.strength() && !lowers_post) {
            report.push(
                Diagnostic::error(
                    Code::GrantAccess,
                    typed.span,
                    format!("`{}` cannot stand for {}", typed.value, method.value),
                )
                .help("a method can be raised to one stronger letter; only POST can be lowered"),
            );
            continue;
        }
        table.set(at, access);
    }
    if route.upsert.is_some_and(|upsert| upsert.value) {
        for at in [3, 4] {
            table.0[at] = table.0[at].or(Access::CREATE);
        }
    }
    table
}

pub(super) fn types(raw: &RawPolicy, report: &mut Report) -> Vec<ResolvedType> {
    Names::collect(raw, Kind::ResourceType, raw.resource_types.iter().map(|kind| &kind.id), report);
    raw.resource_types
        .iter()
        .map(|kind| ResolvedType {
            id: kind.id.value.as_str().into(),
            elsewhere_pass: kind.elsewhere == Some(true),
            elsewhere_said: kind.elsewhere.is_some(),
            count: kind.count.iter().filter_map(|at| super::places::total(at, report)).collect(),
            ats: kind.at.iter().filter_map(|at| super::places::at(at, report)).collect(),
        })
        .collect()
}

/// ROUTE_TOTAL: a grant that no route can carry is a mistake, and a denial that denies nothing is
/// one too: what was meant stays open.
pub(super) fn grants_are_reachable(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    if raw.may_exist(Kind::Route, "") {
        // A route that could not be read might have been the one.
        return;
    }
    let own = resolved.roles.iter().flat_map(|role| &role.grants);
    let grants = own.chain(resolved.role_defaults.all());
    let denials = resolved.restrictions.iter().flat_map(|restriction| &restriction.deny);
    are_reachable(&resolved.routes, grants.chain(denials), report);
}

/// Likewise, of these grants.
pub(super) fn are_reachable<'a>(
    routes: &[ResolvedRoute],
    grants: impl Iterator<Item = &'a ResolvedGrant>,
    report: &mut Report,
) {
    let paths = grants.flat_map(|grant| {
        let host = grant.host.as_ref();
        let read = grant.reads.iter().map(move |(pattern, span)| (pattern, host, *span));
        read.chain([(&grant.pattern, host, grant.path_span)])
    });
    let carriers: Carriers<'_> = routes.iter().collect();
    for (pattern, host, span) in paths {
        if carriers.are_on(pattern, host) {
            continue;
        }
        let known = routes.iter().take(LISTED).map(|route| format!("`{}`", route.label()));
        let mut known: Vec<_> = known.collect();
        if let Some(more) = routes.len().checked_sub(LISTED).filter(|more| *more > 0) {
            known.push(format!("and {more} more"));
        }
        let what = label(host, pattern);
        report.push(
            Diagnostic::error(
                Code::RouteTotal,
                span,
                format!("no route has a path that `{what}` matches"),
            )
            .help(format!("mend the path, or add a route to it; there are {}", known.join(", "))),
        );
    }
}

/// Routes that a message lists.
const LISTED: usize = 8;

/// GRANT_HOST: where hosts tell routes apart, a grant without one would count on all of them, also
/// on those that are added later. A denial without one denies on all, which is what it says.
pub(super) fn grants_name_hosts(resolved: &Resolved, report: &mut Report) {
    let own = resolved.roles.iter().flat_map(|role| &role.grants);
    name_hosts(&resolved.routes, own.chain(resolved.role_defaults.all()), report);
}

/// Likewise, of these grants.
pub(super) fn name_hosts<'a>(
    routes: &[ResolvedRoute],
    grants: impl Iterator<Item = &'a ResolvedGrant>,
    report: &mut Report,
) {
    let Some(route) = routes.iter().find(|route| route.host.is_some()) else { return };
    for grant in grants.filter(|grant| grant.host.is_none()) {
        let message = format!("`{}` does not say on which host it counts", grant.pattern);
        report.push(
            Diagnostic::error(Code::GrantHost, grant.path_span, message)
                .also(route.span, "this route names a host")
                .help(
                    "write `host` in the grant: a name, or `*.` and a name for one label before it",
                ),
        );
    }
}

/// SCHEMA_UNCOVERED: where a role's objects may be, but no `at` says where, requests are refused.
pub(super) fn schemas_cover_grants(resolved: &Resolved, report: &mut Report) {
    for role in &resolved.roles {
        let limited: Vec<&ResolvedType> = role
            .schemas
            .iter()
            .filter_map(|schema| resolved.types.get(resolved.schemas[*schema].kind))
            .filter(|kind| !kind.elsewhere_said)
            .collect();
        for grant in role.grants.iter().chain(resolved.role_defaults.of(role)) {
            let near: Vec<&Pattern> = limited
                .iter()
                .flat_map(|kind| &kind.ats)
                .map(|at| &at.pattern)
                .filter(|pattern| pattern.unifies(&grant.pattern))
                .collect();
            if near.is_empty() || near.iter().any(|pattern| pattern.covers(&grant.pattern)) {
                continue;
            }
            let covered: Vec<_> = near.iter().map(|pattern| format!("`{pattern}`")).collect();
            report.push(
                Diagnostic::warning(
                    Code::SchemaUncovered,
                    grant.path_span,
                    format!(
                        "under `{}` the schemas of `{}` know only {}: other paths are refused",
                        grant.pattern,
                        role.id,
                        covered.join(", ")
                    ),
                )
                .help("name every path in `at`, or say in the resource type that it is meant: `elsewhere: refuse`, or `pass`"),
            );
        }
    }
}

/// A pattern, or a report of what is wrong with it.
pub(super) fn pattern(text: &Text, report: &mut Report) -> Option<Pattern> {
    Pattern::parse(&text.value)
        .map_err(|error| {
            let message = format!("`{}` is no path pattern: {error}", text.value);
            report.push(Diagnostic::error(Code::GrantPath, text.span, message).help(
                "write literal segments, `{name}` for one segment, a trailing `/**` for a subtree",
            ));
        })
        .ok()
}

/// A host pattern, or a report of what is wrong with it.
pub(super) fn host_pattern(text: &Text, report: &mut Report) -> Option<HostPattern> {
    let parsed = HostPattern::parse(&text.value);
    parsed
        .map_err(|error| {
            let message = format!("`{}` is no host: {error}", text.value);
            report.push(
                Diagnostic::error(Code::BadValue, text.span, message)
                    .help("write a name, or `*.` and a name for exactly one label before it"),
            );
        })
        .ok()
}

/// Access letters, or a report of what is wrong with them.
pub(super) fn letters(text: &Text, report: &mut Report) -> Access {
    text.value.parse::<Letters>().map_or_else(
        |error| {
            let message = format!("`{}` is no access: {error}", text.value);
            report.push(
                Diagnostic::error(Code::GrantAccess, text.span, message).help(
                    "write one to four of `c` (create), `r` (read), `u` (update), `d` (delete)",
                ),
            );
            Access::NONE
        },
        |letters| letters.0,
    )
}

impl RawRoute {
    /// The one route of a policy that has no `routes`.
    fn everything() -> RawRoute {
        RawRoute {
            span: Span::default(),
            pattern: Text::new("/**".into(), Span::default()),
            host: None,
            upstream: None,
            org: None,
            app: None,
            verbs: Vec::new(),
            upsert: None,
            update: None,
            public: None,
            request: None,
            response: None,
            sentinels: Vec::new(),
            params_keep: false,
            credential_pass: false,
            mode: None,
            strip_prefix: None,
            headers: RawHeaders::default(),
            when: Vec::new(),
            upgrade: false,
            cors: None,
        }
    }
}
