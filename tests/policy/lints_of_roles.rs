//! Lints about who can have a role, and where an application's role counts.

use super::lints::{silent, warns};
use portcullis::diag::Code;

/// Ann has `admin`; the other roles as given.
fn roles(others: &str) -> String {
    format!(
        "roles: [{{id: admin, assignable_by: [admin], grants: []}}, {others}]\n\
         members: [{{user: ann, roles: [admin]}}]\n"
    )
}

#[test]
fn a_role_that_nobody_has_or_may_give() {
    let warning = |at, other| [(Code::RoleUnassignable, at, other)];
    warns(&roles("{id: b, visible_to: [admin], grants: []}"), &warning("b", ""));
    warns(&roles("{id: b, editable_by: [admin], grants: []}"), &warning("b", ""));
    warns(&roles("{id: b, assignable_by: [b], grants: []}"), &warning("b", "b"));
    // What it includes is not had either, and what it may assign is not assigned.
    let warnings = [
        (Code::RoleUnassignable, "b", ""),
        (Code::RoleUnassignable, "c", ""),
        (Code::RoleUnassignable, "d", "b"),
    ];
    warns(
        &roles(
            "{id: b, visible_to: [admin], includes: [c], grants: []}, {id: c, grants: []}, \
             {id: d, assignable_by: [b], grants: []}",
        ),
        &warnings,
    );
}

#[test]
fn a_role_that_somebody_may_give_in_the_end() {
    silent(&roles("{id: b, assignable_by: [admin], grants: []}"));
    silent(&roles(
        "{id: b, assignable_by: [c], grants: []}, {id: c, assignable_by: [admin], grants: []}",
    ));
    silent(&roles(
        "{id: b, assignable_by: [c], grants: []}, {id: c, grants: []}, \
         {id: d, assignable_by: [admin], includes: [c], grants: []}",
    ));
    for flag in ["default", "first_member", "fallback", "builtin"] {
        silent(&roles(&format!("{{id: b, {flag}: true, visible_to: [admin], grants: []}}")));
    }
    silent(&format!(
        "{}invitations: [{{id: i, email: a@b, roles: [b], expires: 2027-01-01T00:00:00Z}}]",
        roles("{id: b, visible_to: [admin], grants: []}")
    ));
    silent(&format!(
        "{}groups: [{{id: g, roles: [b]}}]",
        roles("{id: b, visible_to: [admin], grants: []}")
    ));
    silent(&format!(
        "{}role_defaults: {{ceiling: b}}",
        roles("{id: b, scope: app, visible_to: [admin], grants: []}")
    ));
}

#[test]
fn where_files_or_credentials_bind_roles_nobody_needs_to_assign_them() {
    let roles = "roles: [{id: a, grants: []}, {id: b, visible_to: [a], grants: []}]\n";
    silent(&format!("{roles}members: [{{user: ann, roles: [a]}}]"));
    let assigned = "roles: [{id: a, assignable_by: [a], grants: []}, \
                    {id: b, visible_to: [a], from_token: true, grants: []}]\n";
    silent(assigned);
    silent(&format!("{assigned}members: []"));
    silent(&format!("membership: both\n{assigned}members: [{{user: ann, roles: [a]}}]"));
}

/// Routes to applications, to an organization, and to none; the grant of a role of this scope.
fn granted(scope: &str, path: &str) -> String {
    format!(
        "routes: [{{match: '/o/{{org}}/apps/{{app}}/**'}}, {{match: '/o/{{org}}/**'}}, \
         {{match: /o/login, public: r}}]\n\
         roles: [{{id: r, scope: {scope}, grants: [{{path: '{path}', access: r}}]}}]"
    )
}

#[test]
fn a_grant_that_is_wider_than_its_application() {
    let route = "{match: '/o/{org}/**'}";
    for path in ["/o/{org}/**", "/o/{org}/apps/**", "/o/{x}/{y}/{z}", "/o/{org}/{kind}/{id}/**"] {
        let at = format!("'{path}'");
        warns(&granted("app", path), &[(Code::GrantBeyondApp, &at, route)]);
        silent(&granted("org", path));
    }
    let default =
        granted("org", "/o/{org}/x") + "\nrole_defaults: {app: [{path: '/o/{org}/**', access: u}]}";
    warns(&default, &[(Code::GrantBeyondApp, "'/o/{org}/**'", route)]);
}

#[test]
fn a_grant_that_says_where_it_counts_or_says_everything() {
    for path in ["/**", "/o/{org}/apps/{app}/**", "/o/{org}/apps/{x}/**", "/o/{org}/apps/7/keys"] {
        silent(&granted("app", path));
    }
    // One that counts nowhere is told of as such.
    let nowhere = [(Code::Unreachable, "'/o/{org}/x'", "")];
    warns(&granted("app", "/o/{org}/x"), &nowhere);
    // A route that asks for no credential needs no grant.
    silent(
        "routes: [{match: '/a/{app}/**'}, {match: /a/login, public: crud}]\n\
         roles: [{id: r, scope: app, grants: [{path: '/a/{x}/**', access: r}]}]",
    );
    // Where hosts decide which route is meant, nothing is said.
    silent(
        "routes: [{match: '/a/**', host: '{app}.x.test'}, {match: '/a/**', host: '*.y.test'}]\n\
         roles: [{id: r, scope: app, grants: [{path: '/a/**', host: '*.x.test', access: r}]}]",
    );
}
