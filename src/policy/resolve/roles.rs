//! Roles, their grants, and the schemas that limit what they see and write.

use super::Names;
use super::conditions::{self, Beside};
use super::includes;
use super::paths::{ResolvedType, host_pattern, letters, pattern};
use super::reach;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::access::Access;
use crate::policy::condition::Conditions;
use crate::policy::host::{self, HostPattern};
use crate::policy::pattern::Pattern;
use crate::policy::raw::{Kind, RawGrant, RawPolicy, RawRole, Text};
use crate::policy::schema::{self, SchemaMasks};
use crate::source::Span;
use std::collections::HashMap;
use std::sync::Arc;

/// A role.
#[derive(Clone, Debug, Default)]
pub struct ResolvedRole {
    pub id: Arc<str>,
    /// Bound to an application access, not to a membership.
    pub app_scope: bool,
    /// An application role that acts where an access lists none.
    pub default: bool,
    /// Whoever has it may enter every application of the organization.
    pub app_access_all: bool,
    /// Held in an operator's organization, it counts in every organization.
    pub reach: bool,
    /// With `membership: both`, it counts where a credential claims it.
    pub from_token: bool,
    /// Where its grants let a body through, the caller is told how much was filtered.
    pub filtered_count: bool,
    /// Indices of the roles that it includes, directly and through others.
    pub includes: Vec<usize>,
    pub grants: Vec<ResolvedGrant>,
    /// Indices of schemas.
    pub schemas: Vec<usize>,
}

/// An allow; or, of a restriction, a denial.
#[derive(Clone, Debug)]
pub struct ResolvedGrant {
    pub span: Span,
    pub path_span: Span,
    pub pattern: Pattern,
    pub access: Access,
    /// Every host where absent.
    pub host: Option<HostPattern>,
    /// What must hold besides; `None` where nothing must.
    pub conditions: Option<Arc<Conditions>>,
    /// The path of the object that the conditions look at, if they name one.
    pub reads: Option<(Pattern, Span)>,
}

impl ResolvedGrant {
    /// Whether this grant matches wherever another one does, letters and conditions apart: every
    /// path and host, and no organization or application but those that the other is bound to.
    pub fn is_wherever(&self, other: &ResolvedGrant) -> bool {
        let bound =
            |name| self.pattern.param(name).is_none_or(|at| other.pattern.param(name) == Some(at));
        self.pattern.covers(&other.pattern)
            && host::covers(self.host.as_ref(), other.host.as_ref())
            && bound("org")
            && bound("app")
    }
}

/// A schema, compiled.
#[derive(Clone, Debug)]
pub struct ResolvedSchema {
    pub id: Arc<str>,
    /// Index of the resource type that it limits.
    pub kind: usize,
    pub masks: SchemaMasks,
}

pub(super) fn schemas(raw: &RawPolicy, report: &mut Report) -> Vec<ResolvedSchema> {
    Names::collect(raw, Kind::Schema, raw.schemas.iter().map(|schema| &schema.id), report);
    let kinds =
        Names::again(raw, Kind::ResourceType, raw.resource_types.iter().map(|kind| &kind.id));
    let mut found = Vec::new();
    for typed in &raw.schemas {
        let kind = kinds.find_or(Code::SchemaType, &typed.kind, report);
        let masks = schema::compile(&typed.body, typed.options, report);
        // A broken schema still has its place, so that references to it are no further mistake.
        let everything = || SchemaMasks::open();
        found.push(ResolvedSchema {
            id: typed.id.value.as_str().into(),
            kind: kind.unwrap_or(0),
            masks: masks.unwrap_or_else(everything),
        });
    }
    found
}

pub(super) fn roles(
    raw: &RawPolicy,
    schemas: &[ResolvedSchema],
    types: &[ResolvedType],
    report: &mut Report,
) -> Vec<ResolvedRole> {
    these(raw, &raw.roles, schemas, types, report)
}

/// These roles: the policy's own, or templates of roles with those that they refer to.
pub(super) fn these(
    raw: &RawPolicy,
    typed: &[RawRole],
    schemas: &[ResolvedSchema],
    types: &[ResolvedType],
    report: &mut Report,
) -> Vec<ResolvedRole> {
    let names = Names::collect(raw, Kind::Role, typed.iter().map(|role| &role.id), report);
    let schema_names = Names::again(raw, Kind::Schema, raw.schemas.iter().map(|schema| &schema.id));
    display_names_are_unique(typed, report);
    let included = includes::closures(typed, &names, report);
    typed
        .iter()
        .zip(included)
        .map(|(role, includes)| ResolvedRole {
            id: role.id.value.as_str().into(),
            app_scope: role.app_scope,
            default: role.default,
            app_access_all: app_access_all(role, report),
            reach: reach::of(role, report),
            from_token: role.from_token,
            filtered_count: role.filtered_count,
            includes,
            grants: rules(&role.grants, types, report),
            schemas: role
                .schemas
                .iter()
                .filter_map(|name| schema_names.find(name, report))
                .filter(|at| *at < schemas.len())
                .collect(),
        })
        .collect()
}

/// It is a right over an organization's applications, so an application's role cannot give it.
fn app_access_all(role: &RawRole, report: &mut Report) -> bool {
    if let (Some(span), true) = (role.app_access_all, role.app_scope) {
        let message = format!("`{}` counts in one application and cannot open all", role.id.value);
        report.push(
            Diagnostic::error(Code::RoleScope, span, message)
                .help("write `app_access: all` in a role of `scope: org`"),
        );
    }
    role.app_access_all.is_some()
}

/// Grants, or denials, which have the same form.
pub(super) fn rules(
    typed: &[RawGrant],
    types: &[ResolvedType],
    report: &mut Report,
) -> Vec<ResolvedGrant> {
    typed.iter().filter_map(|typed| rule(typed, types, report)).collect()
}

fn rule(typed: &RawGrant, types: &[ResolvedType], report: &mut Report) -> Option<ResolvedGrant> {
    let access = letters(&typed.access, report);
    let pattern = pattern(&typed.path, report)?;
    let host = match &typed.host {
        Some(typed) => Some(rule_host(typed, report)?),
        None => None,
    };
    let beside = Beside { pattern: &pattern, access, span: typed.access.span, types };
    let found = conditions::conditions(&typed.conditions, &beside, report)?;
    let conditions = Some(found.conditions).filter(|conditions| !conditions.is_none());
    Some(ResolvedGrant {
        span: typed.span,
        path_span: typed.path.span,
        access,
        host,
        conditions: conditions.map(Arc::new),
        reads: found.reads,
        pattern,
    })
}

/// A rule's host captures nothing: what a label means, the route says.
fn rule_host(typed: &Text, report: &mut Report) -> Option<HostPattern> {
    let host = host_pattern(typed, report)?;
    if host.label().is_some() {
        let message = format!("`{host}` names a label, as only the host of a route does");
        report.push(
            Diagnostic::error(Code::BadValue, typed.span, message)
                .help(format!("write `{}`", host.key())),
        );
        return None;
    }
    Some(host)
}

fn display_names_are_unique(roles: &[RawRole], report: &mut Report) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for name in roles.iter().filter_map(|role| role.name.as_ref()) {
        if let Some(first) = seen.get(name.value.as_str()) {
            let message = format!("two roles have the name `{}`", name.value);
            report.push(
                Diagnostic::error(Code::RoleNameUnique, name.span, message)
                    .also(*first, "the other one")
                    .help("give one of them another `name`: people tell roles apart by it"),
            );
        }
        seen.entry(&name.value).or_insert(name.span);
    }
}
