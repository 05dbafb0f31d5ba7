//! Operators: roles that reach other organizations, and what travels with them.

use super::Api;
use crate::support::proxy::run_in;
use crate::support::{client, tokens};
use serde_json::Value;

/// Frontegg: the vendor's own team reaches every account.
const RULES: &str = r#"
routes:
  - {match: "/t/{org}/a/{app}/**"}
  - {match: "/backoffice/accounts/{org}/**"}
  - {match: "/backoffice/**", org: claims.account}
applications:
  - {id: portal, default: true}
  - {id: help, auto_assign: true}
  - {id: crm}
organizations:
  - {id: vendor, operator: true, apps: [crm]}
  - {id: dormant, operator: true, status: suspended}
  - {id: acme, apps: [crm]}
  - {id: globex}
  - {id: gone, status: suspended}
users: [{id: sus, status: suspended}]
restrictions:
  - {id: no-billing, deny: [{path: "/backoffice/accounts/{org}/billing/**", access: crud}]}
roles:
  - {id: backoffice-admin, reach: all-orgs, includes: [notes], grants: [{path: "/backoffice/**", access: crud}]}
  - {id: notes, grants: [{path: "/t/{org}/a/{app}/notes", access: r}]}
  - {id: everywhere, reach: all-orgs, app_access: all, grants: [{path: "/t/{org}/a/{app}/**", access: r}]}
  - {id: lead, includes: [backoffice-admin], grants: [{path: "/t/{org}/a/{app}/lead", access: r}]}
  - {id: at-home, grants: [{path: "/backoffice/accounts/{org}/home", access: r}]}
  - {id: account-admin, grants: [{path: "/backoffice/accounts/{org}/users/**", access: crud}]}
groups: [{id: night, org: vendor, roles: [backoffice-admin]}]
members:
  - {user: vic, org: vendor, roles: [backoffice-admin, at-home], apps: {crm: []}}
  - {user: low, org: vendor, roles: [at-home]}
  - {user: res, org: vendor, roles: [backoffice-admin], restrictions: [no-billing]}
  - {user: res, org: acme, roles: [account-admin]}
  - {user: eve, org: vendor, roles: [everywhere]}
  - {user: led, org: vendor, roles: [lead]}
  - {user: nia, org: vendor, groups: [night]}
  - {user: old, org: vendor, roles: [backoffice-admin], status: suspended}
  - {user: exp, org: vendor, roles: [backoffice-admin], expires: 2020-01-01T00:00:00Z}
  - {user: sus, org: vendor, roles: [backoffice-admin]}
  - {user: dor, org: dormant, roles: [backoffice-admin]}
  - {user: ann, org: acme, roles: [account-admin], apps: {portal: [], crm: []}}
"#;

fn status(api: &Api, who: &str, target: &str) -> u16 {
    api.call(who, "GET", target).status
}

/// F1: operators reach every account; account administrators only theirs.
#[test]
fn f1_operators_reach_every_account_and_others_only_theirs() {
    let api = Api::start(RULES);
    for who in ["ann", "low", "stranger"] {
        api.refuses(who, "GET", "/backoffice/accounts/globex/users", 404);
    }
    for org in ["nobody", "gone", "Acme"] {
        api.refuses("vic", "GET", &format!("/backoffice/accounts/{org}/users"), 404);
    }
    for org in ["acme", "globex", "vendor"] {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let target = format!("/backoffice/accounts/{org}/users/1");
            assert_eq!(api.call("vic", method, &target).status, 200, "{method} {target}");
        }
    }
    assert_eq!(status(&api, "nia", "/backoffice/accounts/acme/users"), 200, "through a group");
    assert_eq!(status(&api, "ann", "/backoffice/accounts/acme/users"), 200);
    let told = api.upstream.requests().pop().expect("a request").fields;
    assert_eq!(told.get("x-portcullis-roles"), Some("account-admin"));
}

/// Only roles that say so travel, with what they include.
#[test]
fn f1_what_travels_is_the_role_and_what_it_includes() {
    let api = Api::start(RULES);
    let roles = |who: &str, target: &str| {
        assert_eq!(status(&api, who, target), 200, "{who} {target}");
        let told = api.upstream.requests().pop().expect("a request").fields;
        (
            told.get("x-portcullis-org").map(str::to_owned),
            told.get("x-portcullis-roles").map(str::to_owned),
        )
    };
    let (org, travelled) = roles("vic", "/backoffice/accounts/acme/home");
    assert_eq!(
        (org.as_deref(), travelled.as_deref()),
        (Some("acme"), Some("backoffice-admin,notes"))
    );
    let (_, at_home) = roles("vic", "/backoffice/accounts/vendor/home");
    assert_eq!(at_home.as_deref(), Some("backoffice-admin,notes,at-home"));
    let (_, parts) = roles("led", "/backoffice/accounts/acme/users");
    assert_eq!(parts.as_deref(), Some("backoffice-admin,notes"), "`lead` itself says nothing");
    let (_, added) = roles("res", "/backoffice/accounts/acme/users");
    assert_eq!(added.as_deref(), Some("backoffice-admin,notes,account-admin"));
}

/// The operator's restrictions come along, beside a membership of the account, too.
#[test]
fn f1_what_restricts_an_operator_travels_with_it() {
    let api = Api::start(RULES);
    for org in ["vendor", "acme", "globex"] {
        api.refuses("res", "GET", &format!("/backoffice/accounts/{org}/billing/plan"), 403);
    }
    assert_eq!(status(&api, "res", "/backoffice/accounts/globex/users"), 200);
    assert_eq!(status(&api, "vic", "/backoffice/accounts/globex/billing/plan"), 200);
}

/// The gate is the addressed account's: what the operator was given at home opens nothing.
#[test]
fn f1_the_gate_is_the_addressed_accounts() {
    let api = Api::start(RULES);
    api.refuses("vic", "GET", "/t/acme/a/crm/notes", 404);
    api.refuses("vic", "GET", "/t/globex/a/crm/notes", 404);
    api.refuses("eve", "GET", "/t/globex/a/crm/notes", 404);
    assert_eq!(status(&api, "vic", "/t/vendor/a/crm/notes"), 200);
    assert_eq!(status(&api, "vic", "/t/acme/a/help/notes"), 200, "all users enter it");
    assert_eq!(status(&api, "eve", "/t/acme/a/crm/notes"), 200, "`app_access: all` travels");
}

/// Whoever is suspended, or whose time is over, reaches nothing; nor does a suspended operator.
#[test]
fn f1_what_is_suspended_does_not_reach() {
    let api = Api::start(RULES);
    for who in ["old", "exp", "sus", "dor"] {
        api.refuses(who, "GET", "/backoffice/accounts/acme/users", 404);
    }
}

/// A credential acts where it says alone, save what reaches from there.
#[test]
fn p09_a_credential_of_an_operator_reaches_and_another_does_not() {
    let api = Api::start(RULES);
    let named = |user: &str, org: &str, app: Option<&str>| {
        let mut claims = tokens::claims(user, &[]);
        claims["org"] = org.into();
        if let Some(app) = app {
            claims["app"] = app.into();
        }
        tokens::bearer(&claims)
    };
    let status = |token: &str, target: &str| {
        client::call(api.proxy.address, "GET", target, &[("Authorization", token)]).status
    };
    let users = "/backoffice/accounts/acme/users";
    for token in [
        named("vic", "globex", None),
        named("vic", "acme", None),
        named("vic", "dormant", None),
        named("ann", "vendor", None),
        named("vic", "vendor", Some("help")),
    ] {
        assert_eq!(status(&token, users), 404);
    }
    api.upstream.assert_untouched();
    assert_eq!(status(&named("vic", "vendor", None), users), 200);
    assert_eq!(status(&named("vic", "vendor", Some("help")), "/t/acme/a/help/notes"), 200);
    // The membership of the account stays at home with such a credential.
    assert_eq!(status(&named("res", "vendor", None), users), 200);
    let told = api.upstream.requests().pop().expect("a request").fields;
    assert_eq!(told.get("x-portcullis-roles"), Some("backoffice-admin,notes"));
}

/// With memberships from credentials, the claimed organization is the operator.
#[test]
fn f1_claimed_roles_of_an_operator_reach() {
    let (rules, _) = RULES.split_once("groups:").expect("the directory");
    let rules = rules.replace("users: [{id: sus, status: suspended}]\n", "");
    let api = Api::start(&rules);
    let status = |org: &str, roles: &[&str], app: &str, target: &str| {
        let mut claims = tokens::claims("vic", roles);
        claims["org"] = org.into();
        if !app.is_empty() {
            claims["app"] = app.into();
        }
        let token = tokens::bearer(&claims);
        client::call(api.proxy.address, "GET", target, &[("Authorization", &token)]).status
    };
    let users = "/backoffice/accounts/acme/users";
    assert_eq!(status("globex", &["backoffice-admin"], "", users), 404, "no operator");
    assert_eq!(status("dormant", &["backoffice-admin"], "", users), 404, "suspended");
    assert_eq!(status("vendor", &["at-home", "account-admin"], "", users), 404, "none reaches");
    assert_eq!(status("vendor", &["backoffice-admin"], "crm", "/t/acme/a/crm/notes"), 404);
    api.upstream.assert_untouched();
    assert_eq!(status("vendor", &["backoffice-admin"], "", users), 200);
    assert_eq!(status("vendor", &["lead"], "", users), 200);
}

#[test]
fn explain_names_the_operator() {
    let api = Api::start(RULES);
    let policy = api.policy.path().to_str().expect("UTF-8");
    let told = |user: &str, target: &str| -> Value {
        let arguments = ["explain", policy, "--format", "json", "--user", user, "GET", target];
        let output = run_in(api.policy.join("").as_path(), arguments);
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let reached = told("vic", "/backoffice/accounts/acme/users");
    assert_eq!(reached["decision"], "allow");
    let note = "`backoffice-admin` reaches this organization from the operator `vendor`";
    assert_eq!(reached["notes"], serde_json::json!([note]));
    assert_eq!(reached["principal"]["roles"], serde_json::json!(["backoffice-admin", "notes"]));
    assert_eq!(told("ann", "/backoffice/accounts/acme/users")["notes"], serde_json::json!([]));
    assert_eq!(told("low", "/backoffice/accounts/acme/users")["reason"], "not_a_member");
}
