//! What can never act: grants that no request can use, schemas and roles that reach nothing,
//! access to applications that nobody may enter.

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{RawGroup, RawMember, RawPolicy, RawRole, Text};
use crate::policy::resolve::{
    Address, Carriers, Resolved, ResolvedGrant, ResolvedMembers, ResolvedRole, ResolvedRoute,
};

/// Grants that count only for an organization or an application that none of their routes address.
pub(super) fn grants_that_never_hold(resolved: &Resolved, report: &mut Report) {
    let addressed = Addressed::of(resolved);
    let defaults = &resolved.role_defaults;
    let of_roles = resolved.roles.iter().map(|role| (Holder::of(role), &role.grants));
    let by_default = [
        (Holder::App, &defaults.app),
        (Holder::Org, &defaults.org),
        (Holder::Anybody, &defaults.any),
    ];
    for (holder, grants) in of_roles.chain(by_default) {
        for grant in grants {
            if let Some((what, because)) = addressed.lacks(holder, grant) {
                let message =
                    format!("`{}` never holds: no route to it addresses {what}", grant.pattern);
                report.push(
                    Diagnostic::warning(Code::Unreachable, grant.path_span, message)
                        .label(because)
                        .help(format!(
                            "let a route to this path address {what}, or remove the grant"
                        )),
                );
            }
        }
    }
}

/// Who has a grant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    App,
    Org,
    /// Every caller that has been identified, so that the grant counts on every route.
    Anybody,
}

impl Holder {
    fn of(role: &ResolvedRole) -> Holder {
        if role.app_scope { Holder::App } else { Holder::Org }
    }
}

/// The routes on which a grant can count.
struct Addressed<'a> {
    /// There is an implicit organization, which has no id.
    implicit: bool,
    /// Routes that address an organization.
    org: Routes<'a>,
    /// Routes that address an organization, be it the implicit one, and an application.
    app: Routes<'a>,
}

/// Some routes of a policy.
enum Routes<'a> {
    All,
    These(Carriers<'a>),
}

const AN_ORG: &str = "an organization";
const AN_APP: &str = "an application";
const ORG_ALONE: &str = "`{org}` matches the addressed organization alone";
const APP_ALONE: &str = "`{app}` matches the addressed application alone";
const APP_ROLE: &str = "an application role counts for the addressed application alone";
const ROLE: &str = "roles count in the addressed organization alone";

impl<'a> Addressed<'a> {
    fn of(resolved: &'a Resolved) -> Addressed<'a> {
        let implicit = resolved.implicit_org;
        let org = |route: &ResolvedRoute| route.org != Address::None;
        let app = |route: &ResolvedRoute| (implicit || org(route)) && route.app != Address::None;
        Addressed {
            implicit,
            org: Routes::that(&resolved.routes, org),
            app: Routes::that(&resolved.routes, app),
        }
    }

    /// What no route to a grant addresses although the grant asks for it, and why it does.
    fn lacks(&self, holder: Holder, grant: &ResolvedGrant) -> Option<(&'static str, &'static str)> {
        let asks = |name| grant.pattern.param(name).is_some();
        let by_org = asks("org");
        if by_org && self.implicit {
            return Some((AN_ORG, ORG_ALONE));
        }
        let by_app = asks("app");
        if by_app || holder == Holder::App {
            // Where an application is addressed, so is an organization: one search is enough.
            let because = if by_app { APP_ALONE } else { APP_ROLE };
            return (!self.app.reach(grant)).then_some((AN_APP, because));
        }
        if holder == Holder::Anybody && !by_org {
            return None;
        }
        let because = if by_org { ORG_ALONE } else { ROLE };
        (!self.implicit && !self.org.reach(grant)).then_some((AN_ORG, because))
    }
}

impl<'a> Routes<'a> {
    fn that(routes: &'a [ResolvedRoute], holds: impl Fn(&ResolvedRoute) -> bool) -> Routes<'a> {
        let these: Vec<_> = routes.iter().filter(|route| holds(route)).collect();
        if these.len() == routes.len() {
            return Routes::All;
        }
        Routes::These(these.into_iter().collect())
    }

    /// Whether one of them leads to a path of the grant. That some route does has been checked.
    fn reach(&self, grant: &ResolvedGrant) -> bool {
        match self {
            Routes::All => true,
            Routes::These(routes) => routes.meet(grant),
        }
    }
}

/// Schemas of a role that limit a type of which none of the role's grants reaches a place.
pub(super) fn schemas_without_grants(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    for (role, typed) in resolved.roles.iter().zip(&raw.roles) {
        // Included roles contribute with their own schemas, default grants with those of the role.
        let grants = || role.grants.iter().chain(resolved.role_defaults.of(role));
        if grants().next().is_none() {
            continue;
        }
        for (schema, name) in role.schemas.iter().zip(&typed.schemas) {
            let schema = &resolved.schemas[*schema];
            let kind = &resolved.types[schema.kind];
            let reaches = |grant: &ResolvedGrant| {
                kind.ats.iter().any(|at| at.pattern.unifies(&grant.pattern))
            };
            if !grants().any(reaches) {
                let message = format!(
                    "`{}` limits nothing here: no grant of `{}` reaches a place of `{}`",
                    schema.id, role.id, kind.id
                );
                report.push(
                    Diagnostic::warning(Code::Unreachable, name.span, message)
                        .help("add the path to the type's `at`, or take the schema off the role"),
                );
            }
        }
    }
}

/// Roles that somebody has and that give nothing, though nobody wrote that they should not: no
/// grants, none by default, no other role, no application.
pub(super) fn roles_without_grants(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    let bound = super::unused::bound(resolved);
    let says_nothing = |role: &RawRole| {
        !role.grants_listed && role.includes.is_empty() && role.app_access_all.is_none()
    };
    for (at, role) in raw.roles.iter().enumerate().filter(|(_, role)| says_nothing(role)) {
        if !resolved.role_defaults.of(&resolved.roles[at]).is_empty() {
            continue;
        }
        if bound.as_ref().is_none_or(|bound| bound[at]) {
            let message = format!("the role `{}` grants nothing", role.id.value);
            report.push(
                Diagnostic::warning(Code::RoleEmpty, role.id.span, message)
                    .help("list its `grants`, or write `grants: []` if that is meant"),
            );
        }
    }
}

/// Roles that would reach other organizations, where there is no operator in which to hold them.
pub(super) fn roles_without_operator(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    if resolved.orgs.iter().flatten().any(|org| org.operator) {
        return;
    }
    for (role, span) in raw.roles.iter().filter_map(|role| Some((role, role.reach?))) {
        let message =
            format!("`{}` reaches nothing: no organization is an operator", role.id.value);
        report.push(
            Diagnostic::warning(Code::Unreachable, span, message)
                .help("write `operator: true` in an organization, or take `reach` off the role"),
        );
    }
}

/// Access to applications that are inactive: one warning an application, however many have it, by
/// themselves or through a group.
pub(super) fn access_to_inactive_apps(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    let ResolvedMembers::Directory { groups, members, .. } = &resolved.members else { return };
    let mut found: Vec<Vec<Given<'_>>> = vec![Vec::new(); resolved.apps.len()];
    let of_members = members.iter().zip(raw.members.iter().flatten());
    let of_members = of_members.map(|(member, typed)| (&member.apps, Given::to_member(typed)));
    let of_groups = groups.iter().zip(raw.groups.iter().flatten());
    let of_groups = of_groups.map(|(group, typed)| (&group.apps, Given::to_group(typed)));
    for (apps, given) in of_members.chain(of_groups) {
        for (app, _) in apps.iter().filter(|(app, _)| !resolved.apps[*app].active) {
            found[*app].push(given);
        }
    }
    for (app, given) in found.iter().enumerate() {
        let Some(first) = given.first() else { continue };
        let app = &raw.applications[app].id;
        let who = match given.len() {
            1 => format!("{} has", first.who()),
            more => format!("{} and {} more have", first.who(), more - 1),
        };
        let message = format!("{who} access to `{}`, which is inactive", app.value);
        let access = first.apps.iter().find(|(name, _)| name.value == app.value);
        let span = access.map_or(first.id.span, |(name, _)| name.span);
        report.push(
            Diagnostic::warning(Code::AppInactive, span, message)
                .also(app.span, "nobody may enter it")
                .help("activate the application, or take the access away"),
        );
    }
}

/// Who has been given applications: a member or a group.
#[derive(Clone, Copy)]
struct Given<'a> {
    id: &'a Text,
    is_group: bool,
    apps: &'a [(Text, Vec<Text>)],
}

impl<'a> Given<'a> {
    fn to_member(typed: &'a RawMember) -> Given<'a> {
        Given { id: &typed.user, is_group: false, apps: &typed.apps }
    }

    fn to_group(typed: &'a RawGroup) -> Given<'a> {
        Given { id: &typed.id, is_group: true, apps: &typed.apps }
    }

    fn who(&self) -> String {
        match self.is_group {
            true => format!("the group `{}`", self.id.value),
            false => format!("`{}`", self.id.value),
        }
    }
}
