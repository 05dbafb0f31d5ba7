//! What a load can check of administration: who stays in charge, and what is given by itself.

use super::invariants::{loads, problems, refused};
use portcullis::diag::{Code, Severity};
use portcullis::policy::resolve::MAX_PROTECTED;

/// Two organizations; `boss` is protected; members as given.
fn protected(role: &str, members: &str) -> String {
    format!(
        "routes: [{{match: '/{{org}}/**'}}]\n\
         organizations: [{{id: vendor, operator: true}}, {{id: acme}}, {{id: old, status: suspended}}]\n\
         users: [{{id: sus, status: suspended}}]\n\
         roles: [{{id: boss, protect_last: true{role}}}, {{id: clerk}}, {{id: chief, includes: [{}]}}]\n\
         groups: [{{id: g, org: acme, roles: [{}]}}]\nmembers: [{members}]",
        if role.contains("reach") { "clerk" } else { "boss" },
        if role.contains("reach") { "clerk" } else { "boss" },
    )
}

#[test]
fn last_admin_an_organization_with_members_has_one_that_stays() {
    let plain = |members: &str| protected("", members);
    loads(&plain(""));
    loads(&plain("{user: a, org: acme, roles: [boss]}, {user: b, org: acme}"));
    loads(&plain("{user: a, org: old, roles: [clerk]}"));
    for nobody in [
        "{user: a, org: acme, roles: [clerk]}",
        "{user: a, org: acme, roles: [boss], status: suspended}",
        "{user: sus, org: acme, roles: [boss]}",
        "{user: a, org: acme, roles: [boss], expires: 2099-01-01T00:00:00Z}",
        "{user: a, org: acme, roles: [boss], not_before: 2020-01-01T00:00:00Z}",
        "{user: a, org: acme, groups: [g]}",
        "{user: a, org: acme, roles: [chief]}",
        "{user: a, org: acme}, {user: b, org: old, roles: [boss]}",
    ] {
        refused(&plain(nobody), Code::LastAdmin, "acme");
    }
    let each = "{user: a, org: acme, roles: [boss]}, {user: b, org: vendor}";
    refused(&plain(each), Code::LastAdmin, "vendor");
    refused(
        "roles: [{id: boss, protect_last: true}]\nmembers: [{user: a}]",
        Code::LastAdmin,
        "true",
    );
    loads("roles: [{id: boss, protect_last: true}]\nmembers: [{user: a, roles: [boss]}]");
}

#[test]
fn last_admin_of_a_role_that_reaches_is_the_operators() {
    let reaching = |members: &str| protected(", reach: all-orgs", members);
    loads(&reaching("{user: a, org: acme}, {user: v, org: vendor, roles: [boss]}"));
    refused(&reaching("{user: a, org: acme}, {user: v, org: vendor}"), Code::LastAdmin, "vendor");
}

#[test]
fn last_admin_is_not_asked_where_credentials_name_the_holders() {
    let roles = |flag: &str| {
        format!(
            "membership: both\nroles: [{{id: boss, protect_last: true{flag}}}]\nmembers: [{{user: a}}]"
        )
    };
    loads(&roles(", from_token: true"));
    refused(&roles(""), Code::LastAdmin, "true");
    loads("membership: token\nroles: [{id: boss, protect_last: true}]");
}

#[test]
fn protected_roles_have_a_limit() {
    let policy = |roles: usize| {
        let list: Vec<_> =
            (0..roles).map(|n| format!("{{id: r{n}, protect_last: true}}")).collect();
        let held: Vec<_> = (0..roles).map(|n| format!("r{n}")).collect();
        format!(
            "roles: [{}]\nmembers: [{{user: a, roles: [{}]}}]",
            list.join(", "),
            held.join(", ")
        )
    };
    loads(&policy(MAX_PROTECTED - 1));
    loads(&policy(MAX_PROTECTED));
    let expected = [(Severity::Error, Code::TooLarge, format!("r{MAX_PROTECTED}"))];
    assert_eq!(problems(&policy(MAX_PROTECTED + 1)), expected);
}

#[test]
fn a_scope_has_one_fallback_role() {
    let roles = |second: &str| {
        format!(
            "roles: [{{id: a, fallback: true}}, {{id: b, {second}, fallback: true}}, {{id: c, fallback: false}}]"
        )
    };
    refused(&roles("scope: org"), Code::BadValue, "true");
    loads(&roles("scope: app"));
}

#[test]
fn what_is_over_organizations_is_no_role_of_applications() {
    for flag in ["first_member", "protect_last"] {
        refused(&format!("roles: [{{id: a, scope: app, {flag}: true}}]"), Code::RoleScope, "true");
        loads(&format!("roles: [{{id: a, {flag}: true}}, {{id: b, scope: app, {flag}: false}}]"));
    }
}

#[test]
fn org_isolation_what_is_given_by_itself_does_not_reach() {
    for flag in ["default", "first_member", "fallback"] {
        let reaching = format!("roles: [{{id: a, reach: all-orgs, {flag}: true}}]");
        refused(&reaching, Code::OrgIsolation, "all-orgs");
        let including =
            format!("roles: [{{id: a, reach: all-orgs}}, {{id: bb, includes: [a], {flag}: true}}]");
        refused(&including, Code::OrgIsolation, "bb");
    }
}

#[test]
fn role_cardinality_of_what_is_given_by_itself() {
    let policy = |flags: &str, limit: &str| {
        format!("limits: {{{limit}: 1}}\nroles: [{{id: a, {flags}}}, {{id: bb, {flags}}}]")
    };
    for flag in ["default: true", "first_member: true"] {
        refused(&policy(flag, "org_roles_per_member"), Code::RoleCardinality, "bb");
        loads(&policy(flag, "app_roles_per_access"));
    }
    let of_apps = "default: true, scope: app";
    refused(&policy(of_apps, "app_roles_per_access"), Code::RoleCardinality, "bb");
    loads(&policy(of_apps, "org_roles_per_member"));
}

#[test]
fn e7_role_name_unique_also_against_built_in_roles() {
    let policy = |builtin: bool, name: &str| {
        format!("roles: [{{id: admin, builtin: {builtin}}}, {{id: a, name: {name}}}]")
    };
    refused(&policy(true, "admin"), Code::RoleNameUnique, "admin");
    loads(&policy(false, "admin"));
    loads(&policy(true, "a"));
}

#[test]
fn roles_that_administration_names_exist() {
    for key in ["visible_to", "assignable_by", "editable_by"] {
        refused(&format!("roles: [{{id: a, {key}: [b]}}]"), Code::RefExists, "b");
        loads(&format!("roles: [{{id: a, {key}: [a]}}]"));
    }
}

#[test]
fn an_application_names_an_upstream_that_exists() {
    let policy = |upstream: &str| {
        format!(
            "upstreams: [{{id: u, url: 'http://a'}}]\napplications: [{{id: x, upstream: {upstream}}}]"
        )
    };
    loads(&policy("u"));
    refused(&policy("v"), Code::RefExists, "v");
}

#[test]
fn f2_an_organization_has_an_application_once() {
    let policy = |apps: &str| {
        format!(
            "routes: [{{match: '/{{org}}/**'}}]\napplications: [{{id: xx}}, {{id: y}}]\norganizations: [{{id: o, apps: [{apps}]}}]"
        )
    };
    loads(&policy("xx, y"));
    refused(&policy("xx, y, {id: xx, auto_assign: true}"), Code::IdUnique, "xx");
}
