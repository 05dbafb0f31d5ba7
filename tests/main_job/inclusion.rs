//! Roles that include others.

use super::{Api, bearer};
use crate::support::{Upstream, client, proxy::run_in};
use serde_json::{Value, json};

const RULES: &str = r#"
roles:
  - {id: boss, includes: [lead], grants: [{path: /plans, access: r}]}
  - {id: lead, includes: [clerk], grants: [{path: "/orders/**", access: u}]}
  - {id: clerk, schemas: [no-margin], grants: [{path: "/orders/**", access: r}]}
schemas:
  - {id: no-margin, type: order, body: {type: object, additionalProperties: true, properties: {margin: false}}}
resource_types: [{id: order, at: [{path: "/orders/{id}", pointer: ""}]}]
"#;

const ORDER: &str = r#"{"id":1,"margin":7}"#;

/// A5, A17: an administrator passes every test of a member. What is included counts as itself,
/// with its schemas, also through others; and never the other way round.
#[test]
fn a5_an_included_role_contributes_as_itself() {
    let api = Api::over(Upstream::json(ORDER), RULES);
    for who in ["ann:boss", "ann:lead", "ann:clerk"] {
        assert_eq!(api.call(who, "GET", "/orders/1").json(), json!({"id": 1}), "{who}");
    }
    assert_eq!(api.call("ann:boss", "PATCH", "/orders/1").status, 200);
    assert_eq!(api.call("ann:boss", "GET", "/plans").status, 200);
    let told = api.upstream.requests().pop().expect("a request").fields;
    assert_eq!(told.get("x-portcullis-roles"), Some("boss,lead,clerk"));
    api.refuses("ann:lead", "GET", "/plans", 403);
    api.refuses("ann:clerk", "PATCH", "/orders/1", 403);
}

#[test]
fn explain_names_the_grant_of_the_included_role_and_its_place() {
    let api = Api::start(RULES);
    let token = bearer("ann:boss");
    let arguments = ["explain", "policy.yaml", "GET", "/orders/1", "--format", "json", "--token"];
    let token = token.trim_start_matches("Bearer ");
    let output = run_in(api.policy.join("").as_path(), arguments.iter().chain([&token]));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["principal"]["roles"], json!(["boss", "lead", "clerk"]));
    let [grant] = told["grants"].as_array().expect("a list").as_slice() else { panic!("{told}") };
    assert_eq!((&grant["role"], &grant["path"]), (&json!("clerk"), &json!("/orders/**")));
    let at = grant["at"].as_str().expect("a place");
    let line: usize = at.split(':').nth(1).expect("a line").parse().expect("a number");
    let text = std::fs::read_to_string(api.policy.path()).expect("the policy");
    assert!(text.lines().nth(line - 1).expect("the line").contains("id: clerk"), "{at}");
    assert_eq!(told["schemas"], json!(["no-margin"]));
}

/// Roles of a key narrow, whichever way they are named.
#[test]
fn p09_a_key_that_names_an_included_role_gets_that_alone() {
    let key = |name: &str, role: &str| {
        let digest = crate::support::tokens::key_digest(name);
        format!("    - {{user: ann, sha256: \"{digest}\", roles: [{role}]}}\n")
    };
    let policy = crate::support::TempPolicy::file(&format!(
        "policy: 1\nidentity:\n  api_keys:\n    keys:\n{}{}{RULES}members: [{{user: ann, roles: [lead]}}]\n",
        key("as-clerk", "clerk"),
        key("as-boss", "boss"),
    ));
    let api = Api::with(Upstream::json(ORDER), policy);
    let status = |key: &str, method: &str, target: &str| {
        client::call(api.proxy.address, method, target, &[("X-Api-Key", key)]).status
    };
    assert_eq!(status("as-clerk", "GET", "/orders/1"), 200);
    assert_eq!(status("as-clerk", "PATCH", "/orders/1"), 403);
    assert_eq!(status("as-boss", "PATCH", "/orders/1"), 200);
    assert_eq!(status("as-boss", "GET", "/plans"), 403, "the member is no boss");
}
