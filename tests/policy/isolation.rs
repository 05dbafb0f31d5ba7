//! ORG_ISOLATION: roles that reach other organizations, from operators alone.

use super::invariants::{loads, problems, refused};
use portcullis::diag::{Code, Severity};
use portcullis::policy::resolve::MAX_OPERATORS;

const TENANTS: &str = "routes: [{match: '/{org}/**'}]\n\
    organizations: [{id: vendor, operator: true}, {id: acme, operator: false}]\n\
    roles: [{id: boss, reach: all-orgs}, {id: chief, includes: [boss]}, {id: clerk, reach: own}]\n";

#[test]
fn f1_org_isolation_a_reaching_role_is_held_in_an_operator_alone() {
    let member = |org: &str, role: &str| {
        format!("{TENANTS}members: [{{user: u, org: {org}, roles: [{role}]}}]")
    };
    for role in ["boss", "chief", "clerk"] {
        loads(&member("vendor", role));
    }
    loads(&member("acme", "clerk"));
    refused(&member("acme", "boss"), Code::OrgIsolation, "boss");
    refused(&member("acme", "chief"), Code::OrgIsolation, "chief");
    let group = |org: &str| format!("{TENANTS}groups: [{{id: g, org: {org}, roles: [boss]}}]");
    loads(&group("vendor"));
    refused(&group("acme"), Code::OrgIsolation, "boss");
    refused(
        "roles: [{id: boss, reach: all-orgs}]\nmembers: [{user: u, roles: [boss]}]",
        Code::OrgIsolation,
        "boss",
    );
}

#[test]
fn a_role_of_applications_does_not_reach() {
    refused("roles: [{id: a, scope: app, reach: all-orgs}]", Code::RoleScope, "all-orgs");
    loads("roles: [{id: a, scope: app, reach: own, from_token: true}]");
    refused("roles: [{id: a, reach: everywhere}]", Code::BadValue, "everywhere");
}

#[test]
fn operators_have_a_limit() {
    let policy = |operators: usize| {
        let orgs: Vec<_> =
            (0..operators).map(|n| format!("{{id: o{n}, operator: true}}")).collect();
        format!("routes: [{{match: '/{{org}}/**'}}]\norganizations: [{}]", orgs.join(", "))
    };
    loads(&policy(MAX_OPERATORS - 1));
    loads(&policy(MAX_OPERATORS));
    let one_more = format!("o{MAX_OPERATORS}");
    let expected = [(Severity::Error, Code::TooLarge, one_more)];
    assert_eq!(problems(&policy(MAX_OPERATORS + 1)), expected);
}
