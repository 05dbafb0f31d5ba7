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
    let at = |org: &str| with(&json!({"orgs": orgs, "org": org}));
    expect(
        &api,
        &at("acme"),
        &[
            ("GET", "/orgs/acme/x", 200),
            ("DELETE", "/orgs/acme/x", 200),
            ("GET", "/orgs/beta/x", 404),
            ("GET", "/orgs/ACME/x", 404),
            ("GET", "/orgs/acme~1x/x", 404),
        ],
    );
    expect(&api, &at("beta"), &[("GET", "/orgs/beta/x", 200), ("DELETE", "/orgs/beta/x", 403)]);
    expect(&api, &at("none"), &[("GET", "/orgs/none/x", 403)]);
    let told = &api.upstream.requests()[0].fields;
    assert_eq!(told.get("x-portcullis-roles"), Some("writer"));
    assert_eq!(told.get("x-portcullis-org"), Some("acme"));
    let line = api.proxy.wait_for_line("a role that the policy does not have");
    assert!(line.contains("\"unknown\""), "{line}");
    let told = api.proxy.printed();
    assert_eq!(told.iter().filter(|line| line.contains("does not have")).count(), 1, "once");
    // What is claimed for everywhere counts where nothing is claimed of the organization.
    let named = with(&json!({"orgs": orgs, "org": "beta", "fallback": ["writer"]}));
    expect(&api, &named, &[("GET", "/orgs/beta/x", 200), ("DELETE", "/orgs/beta/x", 403)]);
    let other = with(&json!({"orgs": orgs, "org": "gamma", "fallback": "writer"}));
    expect(&api, &other, &[("DELETE", "/orgs/gamma/x", 200), ("GET", "/orgs/acme/x", 404)]);
    let broken = json!({"acme": {"roles": ["reader"]}, "beta": {"roles": [1]}});
    let broken = with(&json!({"org": "acme", "orgs": broken}));
    expect(&api, &broken, &[("GET", "/orgs/acme/x", 401)]);
}

/// A credential makes a member of exactly the organization that it names: a list of roles, be it of
/// every organization or of each, names none.
#[test]
fn p09_roles_alone_make_a_member_of_nothing() {
    let api = api("{roles: [\"/orgs/{org}/roles\", fallback]}", "");
    let orgs = json!({"acme": {"roles": ["writer"]}, "beta": {"roles": "reader"}});
    for claims in [
        json!({"orgs": orgs}),
        json!({"fallback": "writer"}),
        json!({"orgs": orgs, "fallback": "writer"}),
    ] {
        let cases = ["/orgs/acme/x", "/orgs/beta/x", "/orgs/gamma/x"];
        expect(&api, &with(&claims), &cases.map(|target| ("GET", target, 404)));
    }
}

/// Ids with the signs that pointers escape, and an id that is another one's pointer.
#[test]
fn p09_ids_with_slashes_and_tildes_are_themselves() {
    let api = api("{roles: \"/orgs/{org}/roles\"}", "");
    let orgs = json!({"a/b": {"roles": "reader"}, "~": {"roles": "reader"}, "c": {"d": {"roles": "reader"}}});
    for (org, status) in
        [("a/b", 200), ("~", 200), ("a~1b", 403), ("~0", 403), ("c/d", 403), ("c", 403), ("a", 403)]
    {
        let token = with(&json!({"orgs": orgs, "org": org}));
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
    let at = |org: &str| with(&json!({"memberships": list, "org": org}));
    expect(&api, &at("acme"), &[("DELETE", "/orgs/acme/x", 200)]);
    expect(&api, &at("beta"), &[("GET", "/orgs/beta/x", 200), ("DELETE", "/orgs/beta/x", 403)]);
    expect(&api, &at("a"), &[("GET", "/orgs/a/x", 403)]);
    let list = json!([{"roles": "reader"}, {"org": {"id": "acme"}, "roles": "reader"}]);
    let unnamed = with(&json!({"org": "acme", "memberships": list}));
    expect(&api, &unnamed, &[("GET", "/orgs/acme/x", 401)]);
}

/// With a list of members beside tokens, only roles that say so count, a suspension stays, and a
/// list of roles adds to what a member has, but makes none.
#[test]
fn p09_claims_by_organization_beside_a_directory() {
    let more = "membership: both\norganizations: [{id: acme}, {id: beta}, {id: gone, status: suspended}, {id: open}]\n\
                members:\n  - {user: ana, org: beta, roles: [reader], status: suspended}\n  \
                - {user: ana, org: open, roles: [reader]}\n";
    let api = api("{roles: \"/orgs/{org}\"}", more);
    let all = json!({"acme": "writer", "beta": "writer", "gone": "writer", "unlisted": "writer", "open": "writer"});
    let token = with(&json!({"orgs": all}));
    expect(&api, &token, &[("GET", "/orgs/acme/x", 404), ("GET", "/orgs/beta/x", 404)]);
    expect(&api, &token, &[("GET", "/orgs/open/x", 200), ("DELETE", "/orgs/open/x", 403)]);
    let text = std::fs::read_to_string(api.policy.path()).unwrap();
    let text = text.replace("{id: writer,", "{id: writer, from_token: true,");
    api.policy.write("policy.yaml", text);
    api.proxy.wait_for_generation(2);
    let orgs = [("open", 200), ("acme", 404), ("beta", 404), ("gone", 404), ("unlisted", 404)];
    for (org, status) in orgs {
        expect(&api, &token, &[("DELETE", &format!("/orgs/{org}/x"), status)]);
    }
    let at_acme = with(&json!({"orgs": all, "org": "acme"}));
    expect(&api, &at_acme, &[("DELETE", "/orgs/acme/x", 200), ("GET", "/orgs/open/x", 404)]);
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
        let said = errors.map(|problem| {
            let word = |key: &str| problem[key].as_str().unwrap_or_default().replace('"', "");
            format!("{} {}", word("code"), word("text"))
        });
        said.collect::<Vec<_>>().join("; ")
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
