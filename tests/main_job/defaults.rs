//! Grants that roles have without listing them.

use super::{Api, bearer};
use crate::support::{Upstream, proxy::run_in};
use serde_json::{Value, json};

const RULES: &str = r#"
routes:
  - {match: "/orgs/{org}/apps/{app}/**"}
  - {match: "/orgs/{org}/**"}
  - {match: "/**"}
organizations: [{id: acme, apps: [factory]}]
applications: [{id: factory, auto_assign: false}]
role_defaults:
  app: [{path: "/orgs/{org}/apps/{app}/access", access: r}]
  org: [{path: "/orgs/{org}/profile", access: r}]
  any: [{path: /me, access: r}]
roles:
  - {id: new, scope: app, schemas: [no-key]}
  - {id: clerk}
  - {id: admin, app_access: all}
  - {id: any, grants: [{path: "/orgs/{org}/secret", access: r}]}
schemas:
  - {id: no-key, type: access, body: {type: object, additionalProperties: true, properties: {key: false}}}
resource_types: [{id: access, at: [{path: "/orgs/{org}/apps/{app}/access", pointer: ""}]}]
members:
  - {user: eng, org: acme, apps: {factory: [new]}}
  - {user: cle, org: acme, roles: [clerk]}
  - {user: adm, org: acme, roles: [admin]}
"#;

/// E9: a new role has the default grants and no others, and its schemas limit them.
#[test]
fn e9_a_new_role_has_the_default_grants_alone() {
    let api = Api::over(Upstream::json(r#"{"id":1,"key":2}"#), RULES);
    let seen = api.call("eng", "GET", "/orgs/acme/apps/factory/access");
    assert_eq!(seen.json(), json!({"id": 1}));
    let before = api.upstream.requests().len();
    for (who, method, target) in [
        ("eng", "PUT", "/orgs/acme/apps/factory/access"),
        ("eng", "GET", "/orgs/acme/apps/factory/thngs"),
        ("eng", "GET", "/orgs/acme/profile"),
        ("cle", "GET", "/orgs/acme/apps"),
    ] {
        assert_eq!(api.call(who, method, target).status, 403, "{who} {method} {target}");
    }
    assert_eq!(api.upstream.requests().len(), before);
    assert_eq!(api.call("cle", "GET", "/orgs/acme/profile").status, 200);
}

/// Derived entry brings no application role, and so none of the defaults of applications.
#[test]
fn l8_derived_entry_brings_no_defaults_of_applications() {
    let api = Api::start(RULES);
    assert_eq!(api.call("adm", "GET", "/orgs/acme/profile").status, 200);
    api.refused("GET", 403, || api.call("adm", "GET", "/orgs/acme/apps/factory/access"));
}

/// What every caller has counts where no organization is addressed, for strangers as well, tells
/// the upstream of no role, and lends nothing to a role that has its name.
#[test]
fn p09_what_everybody_has_is_no_role() {
    let api = Api::start(RULES);
    api.refuses("", "GET", "/me", 401);
    api.refuses("stranger:any", "GET", "/orgs/acme/secret", 404);
    api.refuses("stranger", "PUT", "/me", 403);
    assert_eq!(api.call("stranger:any", "GET", "/me").status, 200);
    let told = api.upstream.requests().pop().expect("a request").fields;
    assert_eq!(told.get("x-portcullis-roles").unwrap_or_default(), "");
}

#[test]
fn explain_marks_default_grants() {
    let api = Api::start(RULES);
    let grants = |target: &str| {
        let token = bearer("eng");
        let arguments = ["explain", "policy.yaml", "GET", target, "--format", "json", "--token"];
        let token = token.trim_start_matches("Bearer ");
        let output = run_in(api.policy.join("").as_path(), arguments.iter().chain([&token]));
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let [grant] = told["grants"].as_array().expect("a list").as_slice() else {
            panic!("{told}")
        };
        assert!(grant["at"].as_str().is_some_and(|at| at.starts_with("policy.yaml:")), "{grant}");
        (grant["role"].clone(), grant["default"].clone())
    };
    assert_eq!(grants("/orgs/acme/apps/factory/access"), (json!("new"), json!(true)));
    assert_eq!(grants("/me"), (json!("any"), json!(true)));
}
