//! UNUSED: what is defined and changes nothing, because nothing refers to it.

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{RawPolicy, RawResourceType, Text};
use crate::policy::resolve::{Address, Resolved, ResolvedMembers, ResolvedRole};
use std::collections::HashSet;

/// Roles that nobody has and nobody can be given: members are listed, none of them is bound to the
/// role, not through a group or another role either, no access starts with it, it is no ceiling,
/// and no administration knows it: none names it, gives it by itself, or reserves it.
pub(super) fn roles(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    let Some(used) = used_roles(raw, resolved) else { return };
    for (at, role) in raw.roles.iter().enumerate() {
        if !used[at] {
            let help = "bind it to a member, say in `assignable_by` who may, or remove it";
            unused(report, &role.id, "no member has the role", help);
        }
    }
}

/// Whether each role is of use, by position; `None` where no members are listed.
pub(super) fn used_roles(raw: &RawPolicy, resolved: &Resolved) -> Option<Vec<bool>> {
    let ResolvedMembers::Directory { members, .. } = &resolved.members else { return None };
    let mut used = bound(resolved).filter(|_| !members.is_empty())?;
    let templates = || raw.presets.iter().flat_map(|preset| &preset.roles);
    let by_rights = raw.roles.iter().chain(templates()).flat_map(|role| role.rights.names());
    let by_templates = templates().flat_map(|role| &role.includes);
    let by_invitations = raw.invitations.iter().flat_map(|invitation| &invitation.roles);
    let named = by_rights.chain(by_templates).chain(by_invitations);
    let named: HashSet<&str> = named.map(|name| name.value.as_str()).collect();
    let ceiling = raw.role_defaults.ceiling.as_ref().map(|role| role.value.as_str());
    for (at, role) in raw.roles.iter().enumerate() {
        let id = role.id.value.as_str();
        let starts = role.rights.first_member.is_some() || role.rights.fallback.is_some();
        let administered = role.rights.names().next().is_some() || named.contains(id);
        used[at] |= administered || starts || role.builtin || role.default || ceiling == Some(id);
    }
    with_included(resolved, &mut used);
    Some(used)
}

/// The roles that somebody has, be it through a group or another role, by position; `None` where
/// credentials say who has which.
pub(super) fn bound(resolved: &Resolved) -> Option<Vec<bool>> {
    let ResolvedMembers::Directory { tokens, groups, members, .. } = &resolved.members else {
        return None;
    };
    let claimed = |role: &ResolvedRole| *tokens && role.from_token;
    let mut bound: Vec<bool> = resolved.roles.iter().map(claimed).collect();
    let of_apps = resolved.apps.iter().flat_map(|app| &app.default_roles);
    let bindings = members.iter().map(|member| (&member.roles, &member.apps));
    let bindings = bindings.chain(groups.iter().map(|group| (&group.roles, &group.apps)));
    let listed =
        bindings.flat_map(|(roles, apps)| roles.iter().chain(apps.iter().flat_map(|(_, r)| r)));
    listed.chain(of_apps).for_each(|role| bound[*role] = true);
    with_included(resolved, &mut bound);
    Some(bound)
}

/// Adds the roles that others of these include.
fn with_included(resolved: &Resolved, roles: &mut [bool]) {
    let having: Vec<usize> = (0..roles.len()).filter(|at| roles[*at]).collect();
    let included = having.iter().flat_map(|role| &resolved.roles[*role].includes);
    included.for_each(|role| roles[*role] = true);
}

/// Schemas on no role, and types that no schema limits.
pub(super) fn schemas_and_types(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    let used: HashSet<usize> =
        resolved.roles.iter().flat_map(|role| &role.schemas).copied().collect();
    let templates = raw.presets.iter().flat_map(|preset| &preset.roles);
    let by_templates: HashSet<&str> =
        templates.flat_map(|role| &role.schemas).map(|name| name.value.as_str()).collect();
    let is_used = |at: &usize, id: &Text| used.contains(at) || by_templates.contains(&*id.value);
    let schemas = raw.schemas.iter().enumerate();
    for (_, schema) in schemas.filter(|(at, schema)| !is_used(at, &schema.id)) {
        let help = "list it in the `schemas` of a role, or remove it";
        unused(report, &schema.id, "no role has the schema", help);
    }
    let limited: HashSet<usize> = resolved.schemas.iter().map(|schema| schema.kind).collect();
    // A type that is named by a tag says that objects with this tag are shown whole.
    let tagged = |kind: &RawResourceType| kind.at.iter().any(|at| at.is.is_some());
    let types = raw.resource_types.iter().enumerate();
    for (_, kind) in types.filter(|(at, kind)| !limited.contains(at) && !tagged(kind)) {
        let help = "write a schema for it, or remove it";
        unused(report, &kind.id, "no schema limits the resource type", help);
    }
}

/// Upstreams that no route and no application names.
pub(super) fn upstreams(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    let by_routes = resolved.routes.iter().map(|route| route.upstream);
    let by_apps = resolved.apps.iter().filter_map(|app| app.upstream);
    let used: HashSet<usize> = by_routes.chain(by_apps).map(|one| one.0 as usize).collect();
    // The first one is the settings', not the policy's.
    for (_, upstream) in (1..).zip(&raw.upstreams).filter(|(at, _)| !used.contains(at)) {
        let help = "name it as the `upstream` of a route or an application, or remove it";
        unused(report, &upstream.id, "nothing goes to the upstream", help);
    }
}

/// Applications that no request can address, or that nobody is given.
pub(super) fn applications(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    let addressed = resolved.routes.iter().any(|route| route.app != Address::None);
    let given = given(resolved);
    for (at, app) in raw.applications.iter().enumerate() {
        if !addressed {
            let help =
                "write `{app}` in the `match` of a route, or `app: claims.NAME`; or remove it";
            unused(report, &app.id, "no route addresses the application", help);
        } else if given.as_ref().is_some_and(|given| !given[at]) {
            let help = "list it in the `apps` of an organization, or remove it";
            unused(report, &app.id, "nobody is given the application", help);
        }
    }
}

/// The applications that an organization, a member or a group has, or that all have; `None` where
/// credentials may name any, or where a role opens them all.
fn given(resolved: &Resolved) -> Option<Vec<bool>> {
    let mut given: Vec<bool> = resolved.apps.iter().map(|app| app.everywhere).collect();
    match (&resolved.orgs, &resolved.members) {
        (Some(orgs), _) => orgs.iter().flat_map(|org| &org.apps).for_each(|app| given[*app] = true),
        (None, ResolvedMembers::Directory { groups, members, .. }) => {
            if resolved.roles.iter().any(|role| role.app_access_all) {
                return None;
            }
            let of_members = members.iter().flat_map(|member| &member.apps);
            let of_groups = groups.iter().flat_map(|group| &group.apps);
            of_members.chain(of_groups).for_each(|(app, _)| given[*app] = true);
        }
        (None, ResolvedMembers::Token { .. }) => return None,
    }
    Some(given)
}

fn unused(report: &mut Report, id: &Text, what: &str, help: &str) {
    let message = format!("{what} `{}`", id.value);
    report.push(Diagnostic::warning(Code::Unused, id.span, message).help(help));
}
