//! What tokens claim, where it depends on the organization, and under other names.

use super::Api;
use crate::support::proxy::run_in;
use crate::support::{TempPolicy, Upstream, client, tokens};
use serde_json::{Value, json};

const RULES: &str = r#"
routes:
  - {match: "/orgs/{org}/**"}
  - {match: "/mine/**", org: header.X-Org}
roles:
  - {id: reader, grants: [{path: "/**", access: r}]}
  - {id: writer, grants: [{path: "/**", access: crud}]}
"#;

fn api(claims: &str, more: &str) -> Api {
    let identity = format!(
        "policy: 1\nidentity: {{jwt: [{{issuer: \"https://id.example\", audience: [api], algorithms: \
         [HS256], secrets: [{{file: jwt.secret}}], claims: {claims}}}]}}\n"
    );
    let policy = TempPolicy::file(&format!("{identity}{RULES}{more}"));
    policy.write("jwt.secret", tokens::SECRET);
    Api::with(Upstream::json("{}"), policy)
}

fn with(more: &Value) -> String {
    let mut claims = tokens::claims("ana", &[]);
    let object = claims.as_object_mut().expect("an object");
    object.remove("roles");
    object.extend(more.as_object().expect("an object").clone());
    tokens::bearer(&claims)
}

#[track_caller]
fn expect(api: &Api, token: &str, cases: &[(&str, &str, u16)]) {
    for (method, target, status) in cases {
        let fields = [("Authorization", token)];
        let call = || client::call(api.proxy.address, method, target, &fields);
        match status {
            200 => assert_eq!(call().status, 200, "{method} {target}"),
            other => drop(api.refused(method, *other, call)),
        }
    }
}

#[test]
fn p09_roles_of_one_organization_count_there_alone() {
    let api = api("{roles: [\"/orgs/{org}/roles\", fallback], map: {Portal-Admin: writer}}", "");
    let orgs = json!({"acme": {"roles": ["Portal-Admin"]}, "beta": {"roles": "reader unknown"}, "none": {"roles": []}});
    let token = with(&json!({"orgs": orgs}));
    expect(
        &api,
        &token,
        &[
            ("GET", "/orgs/acme/x", 200),
            ("DELETE", "/orgs/acme/x", 200),
            ("GET", "/orgs/beta/x", 200),
            ("DELETE", "/orgs/beta/x", 403),
            ("GET", "/orgs/none/x", 403),
            ("GET", "/orgs/gamma/x", 404),
            ("GET", "/orgs/ACME/x", 404),
            ("GET", "/orgs/acme~1x/x", 404),
        ],
    );
    let told = &api.upstream.requests()[0].fields;
    assert_eq!(told.get("x-portcullis-roles"), Some("writer"));
    assert_eq!(told.get("x-portcullis-org"), Some("acme"));
    let line = api.proxy.wait_for_line("a role that the policy does not have");
    assert!(line.contains("\"unknown\""), "{line}");
    let told = api.proxy.printed();
    assert_eq!(told.iter().filter(|line| line.contains("does not have")).count(), 1, "once");
    // A token that names one organization acts there alone, whatever else it claims.
    let named = with(&json!({"orgs": orgs, "org": "beta", "fallback": ["writer"]}));
    expect(
        &api,
        &named,
        &[
            ("GET", "/orgs/beta/x", 200),
            ("DELETE", "/orgs/beta/x", 403),
            ("GET", "/orgs/acme/x", 404),
        ],
    );
    let other = with(&json!({"orgs": orgs, "org": "gamma", "fallback": "writer"}));
    expect(&api, &other, &[("DELETE", "/orgs/gamma/x", 200), ("GET", "/orgs/acme/x", 404)]);
    // Roles that stand for everywhere make a member of nothing.
    let nowhere = with(&json!({"fallback": "writer"}));
    expect(&api, &nowhere, &[("GET", "/orgs/acme/x", 404)]);
    let broken = with(&json!({"orgs": {"acme": {"roles": ["reader"]}, "beta": {"roles": [1]}}}));
    expect(&api, &broken, &[("GET", "/orgs/acme/x", 401)]);
}

/// Ids with the signs that pointers escape, and an id that is another one's pointer.
#[test]
fn p09_ids_with_slashes_and_tildes_are_themselves() {
    let api = api("{roles: \"/orgs/{org}/roles\"}", "");
    let orgs = json!({"a/b": {"roles": "reader"}, "~": {"roles": "reader"}, "c": {"d": {"roles": "reader"}}});
    let token = with(&json!({"orgs": orgs}));
    for (org, status) in
        [("a/b", 200), ("~", 200), ("a~1b", 404), ("~0", 404), ("c/d", 404), ("c", 404), ("a", 404)]
    {
        let fields = [("Authorization", token.as_str()), ("X-Org", org)];
        let call = || client::call(api.proxy.address, "GET", "/mine/x", &fields);
        match status {
            200 => assert_eq!(call().status, 200, "{org}"),
            other => drop(api.refused("GET", other, call)),
        }
    }
}

#[test]
fn p09_elements_of_a_list_name_their_organization() {
    let claims = "{roles: {items: /memberships, key: /org/id, value: roles}, map: {Owner: writer}}";
    let api = api(claims, "");
    let list = json!([
        {"org": {"id": "acme"}, "roles": ["Owner"]},
        {"org": {"id": "beta"}, "roles": "reader"},
        {"org": {"id": "beta"}},
        {"org": {"id": "a/b"}, "roles": "reader"},
    ]);
    let token = with(&json!({"memberships": list}));
    expect(
        &api,
        &token,
        &[
            ("DELETE", "/orgs/acme/x", 200),
            ("GET", "/orgs/beta/x", 200),
            ("DELETE", "/orgs/beta/x", 403),
            ("GET", "/orgs/a/x", 404),
        ],
    );
    let unnamed = with(
        &json!({"memberships": [{"roles": "reader"}, {"org": {"id": "acme"}, "roles": "reader"}]}),
    );
    expect(&api, &unnamed, &[("GET", "/orgs/acme/x", 401)]);
}

/// With a list of members beside tokens, only roles that say so count, and a suspension stays.
#[test]
fn p09_claims_by_organization_beside_a_directory() {
    let more = "membership: both\norganizations: [{id: acme}, {id: beta}, {id: gone, status: suspended}]\n\
                members: [{user: ana, org: beta, roles: [reader], status: suspended}]\n";
    let api = api("{roles: \"/orgs/{org}\"}", more);
    let all = json!({"acme": "writer", "beta": "writer", "gone": "writer", "unlisted": "writer"});
    let token = with(&json!({"orgs": all}));
    expect(&api, &token, &[("GET", "/orgs/acme/x", 404), ("GET", "/orgs/beta/x", 404)]);
    let text = std::fs::read_to_string(api.policy.path()).unwrap();
    let text = text.replace("{id: writer,", "{id: writer, from_token: true,");
    api.policy.write("policy.yaml", text);
    api.proxy.wait_for_generation(2);
    let orgs = [("acme", 200), ("beta", 404), ("gone", 404), ("unlisted", 404)];
    for (org, status) in orgs {
        expect(&api, &token, &[("DELETE", &format!("/orgs/{org}/x"), status)]);
    }
}

#[test]
fn places_of_roles_are_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("jwt.secret"), tokens::SECRET).unwrap();
    let check = |claims: &str| {
        let text = format!(
            "policy: 1\nidentity: {{jwt: [{{issuer: i, audience: [api], algorithms: [HS256], secrets: \
             [{{file: jwt.secret}}], claims: {claims}}}]}}\n{}",
            RULES.trim_start()
        );
        std::fs::write(folder.path().join("policy.yaml"), text).unwrap();
        let output = run_in(folder.path(), ["check", "policy.yaml", "--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let problems = report["problems"].as_array().unwrap().iter();
        let errors = problems.filter(|problem| problem["severity"] == "error");
        errors
            .map(|problem| format!("{} {}", problem["code"], problem["text"]))
            .collect::<Vec<_>>()
            .join("; ")
            .replace('"', "")
    };
    assert_eq!(check("{roles: [a, \"/b/{org}\", {items: a, key: b, value: /c}], map: {x: y}}"), "");
    for (claims, wrong) in [
        ("{roles: \"/{org}/{org}\"}", "IDENTITY_VALID /{org}/{org}"),
        ("{roles: \"/~2/{org}\"}", "IDENTITY_VALID /~2/{org}"),
        ("{org: \"/{org}\"}", "BAD_VALUE /{org}"),
        ("{roles: {items: \"/{org}\", key: a, value: b}}", "IDENTITY_VALID /{org}"),
        ("{roles: {items: a, key: b}}", "MISSING_KEY items"),
        ("{roles: {items: a, key: b, value: c, what: d}}", "UNKNOWN_KEY what"),
        ("{map: {x: [y]}}", "WRONG_TYPE"),
        ("{map: {x: \"\"}}", "IDENTITY_VALID"),
        ("{roles: 7}", "WRONG_TYPE 7"),
    ] {
        let said = check(claims);
        assert!(said.starts_with(wrong) && !said.contains("; "), "{claims}: {said}");
    }
}
