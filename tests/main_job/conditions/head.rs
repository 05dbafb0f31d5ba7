//! `when` and `query`: conditions that the head of a request decides.

use super::super::Api;
use crate::support::client;

const RULES: &str = r#"
routes:
  - {match: "/open", public: r, when: {header.x-probe: "yes"}}
  - {match: "/beta/**", when: {claims.plan: [gold, silver]}}
  - {match: "/**"}
roles:
  - id: dev
    grants:
      - {path: "/users/{user}/**", access: crud, when: {param.user: subject.id}}
      - {path: "/deploy", access: c, when: {header.x-env: [test, canary], query.dry_run: "true"}}
      - {path: "/near", access: r, when: {client.ip: [127.0.0.0/8, "::1"]}}
      - {path: "/far", access: r, when: {client.ip: 10.0.0.0/8}}
      - {path: "/never", access: r, when: {time: "../2001-01-01T00:00:00Z"}}
      - {path: "/always", access: r, when: {time: ["2001-01-01T00:00:00Z/..", "Mon 00:00-00:01"]}}
      - {path: "/list", access: r, query: [page, "filter[ssn]"]}
      - {path: "/teams/{team}", access: r, when: {param.team: claims.teams}}
      - {path: "/beta/**", access: r}
    schemas: [no-ssn]
resource_types: [{id: person, at: [{path: /list, pointer: ""}], elsewhere: pass}]
schemas: [{id: no-ssn, type: person, body: {type: object, additionalProperties: true, properties: {ssn: false}}}]
"#;

fn get(api: &Api, target: &str, fields: &[(&str, &str)]) -> u16 {
    api.call_with("ann:dev", "GET", target, fields).status
}

#[test]
fn a_segment_is_the_caller() {
    let api = Api::start(RULES);
    assert_eq!(get(&api, "/users/ann/x", &[]), 200);
    api.refuses("ann:dev", "GET", "/users/bob/x", 403);
    assert_eq!(api.call("ann:dev", "DELETE", "/users/ann").status, 200);
}

#[test]
fn headers_and_parameters_are_compared_whole_and_all_must_hold() {
    let api = Api::start(RULES);
    let post = |target: &str, fields: &[(&str, &str)]| {
        api.call_with("ann:dev", "POST", target, fields).status
    };
    assert_eq!(post("/deploy?dry_run=true", &[("X-Env", "canary")]), 200);
    for (target, env, status) in [
        ("/deploy?dry_run=true", "prod", 403),
        ("/deploy?dry_run=true", "test, canary", 403),
        ("/deploy", "test", 403),
        ("/deploy?dry_run=True", "test", 403),
        ("/deploy?dry_run=true&dry_run=true", "test", 400),
        ("/deploy?dry_run=true;x=1", "test", 400),
        ("/deploy?dry%5Frun=true", "test", 200),
    ] {
        assert_eq!(post(target, &[("X-Env", env)]), status, "{target} {env}");
    }
    assert_eq!(post("/deploy?dry_run=true", &[]), 403);
    assert_eq!(post("/deploy?dry_run=true", &[("X-Env", "test"), ("x-env", "test")]), 400);
    assert_eq!(post("/deploy?dry_run=true", &[("X-Env", "t\u{e9}st")]), 400);
    assert_eq!(api.upstream.requests().len(), 2);
}

#[test]
fn addresses_times_and_claims() {
    let api = Api::start(RULES);
    let found = ["/near", "/far", "/never", "/always"].map(|target| get(&api, target, &[]));
    assert_eq!(found, [200, 403, 403, 200]);
    let claims = |more: serde_json::Value| {
        let mut claims = serde_json::json!({"iss": "https://id.example", "aud": "api", "sub": "ann",
            "roles": ["dev"], "exp": 4_000_000_000u64});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        crate::support::tokens::bearer(&claims)
    };
    let call = |target: &str, more: serde_json::Value| {
        let bearer = claims(more);
        client::call(api.proxy.address, "GET", target, &[("Authorization", &bearer)]).status
    };
    assert_eq!(call("/teams/red", serde_json::json!({"teams": ["blue", "red"]})), 200);
    assert_eq!(call("/teams/red", serde_json::json!({"teams": "blue red"})), 403);
    assert_eq!(call("/teams/red", serde_json::json!({})), 403);
    assert_eq!(call("/beta/x", serde_json::json!({"plan": "gold"})), 200);
    assert_eq!(call("/beta/x", serde_json::json!({"plan": "bronze"})), 403);
    assert_eq!(call("/beta/x", serde_json::json!({})), 403);
}

/// A public route carries without a credential only what its condition lets in.
#[test]
fn a_public_route_under_a_condition() {
    let api = Api::start(RULES);
    assert_eq!(api.call_with("", "GET", "/open", &[("X-Probe", "yes")]).status, 200);
    api.refuses("", "GET", "/open", 401);
    api.refuses("ann:dev", "GET", "/open", 403);
}

/// A list of parameters is all that a request may have; what it names may be asked about.
#[test]
fn p10_parameters_that_a_grant_lists() {
    let api = Api::start(RULES);
    for (query, status) in [
        ("", 200),
        ("?page=2", 200),
        ("?filter%5Bssn%5D=1", 200),
        ("?page=2&sort=name", 403),
        ("?ssn=1", 403),
        ("?filter[name]=1", 403),
        ("?pag%65=1", 200),
        ("?p+age=1", 403),
    ] {
        assert_eq!(get(&api, &format!("/list{query}"), &[]), status, "{query}");
    }
}

#[test]
fn explain_says_which_condition_failed() {
    use crate::support::{TempPolicy, proxy::run_in};
    let policy = TempPolicy::file(&format!("policy: 1\n{RULES}"));
    let folder = policy.path().parent().unwrap();
    let run = |more: &[&str]| {
        let arguments = [
            &["explain", policy.path().to_str().unwrap(), "--user", "ann", "--claim", "roles=dev"],
            more,
        ]
        .concat();
        String::from_utf8(run_in(folder, arguments).stdout).unwrap()
    };
    let text = run(&["POST", "/deploy?dry_run=true", "--header", "x-env: prod"]);
    assert!(
        text.contains("condition_failed (403)") && text.contains("its `when` does not hold"),
        "{text}"
    );
    assert!(run(&["GET", "/far", "--from", "10.1.2.3"]).starts_with("ALLOW"));
    assert!(run(&["GET", "/never", "--at", "2000-01-01T00:00:00Z"]).starts_with("ALLOW"));
    assert!(run(&["GET", "/list?sort=name"]).contains("does not list"));
}
