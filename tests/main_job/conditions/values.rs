//! `require`: values that a body may have.

use super::super::Api;
use crate::support::Upstream;

const ROLES: &str = r#"
routes:
  - {match: "/raw/**", request: opaque}
  - {match: "/put/**", update: merge}
  - {match: "/**"}
organizations: [{id: acme}]
roles:
  - id: supervisor
    grants:
      - {path: "/accesses/**", access: crud, require: {field: /role, in: subject.assignable_roles}}
      - {path: "/put/**", access: u, require: {field: /meta/role, in: [engineer]}}
      - {path: "/raw/**", access: cr, require: {field: /role, in: engineer}}
      - {path: "/many", access: c, require: {field: /roles/*, in: [engineer, {}]}}
  - {id: engineer, assignable_by: [supervisor]}
  - {id: boss}
members: [{user: sup, org: acme, roles: [supervisor]}]
"#;

fn api() -> Api {
    Api::over(
        Upstream::json("{}"),
        &ROLES.replace(", {}]", "]").replace("{match: ", "{org: claims.org, match: "),
    )
}

fn call(api: &Api, method: &str, target: &str, body: &str) -> u16 {
    let claims = serde_json::json!({"iss": "https://id.example", "aud": "api", "sub": "sup",
        "org": "acme", "exp": 4_000_000_000u64});
    let bearer = crate::support::tokens::bearer(&claims);
    let mut client = crate::support::client::Client::connect(api.proxy.address);
    let fields = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    client.call_with(method, target, &fields, body.as_bytes()).status
}

/// E11 on the data path: a supervisor gives the roles that it may assign.
#[test]
fn e11_only_roles_that_the_caller_may_assign_are_given() {
    let api = api();
    for body in [
        r#"{"role":"boss"}"#,
        "{}",
        r#"{"role":null}"#,
        r#"{"role":["engineer"]}"#,
        "[]",
        r#"[{"role":"engineer"}]"#,
    ] {
        assert_eq!(call(&api, "POST", "/accesses", body), 403, "{body}");
    }
    for body in
        [r#"{"role":"engineer","role":"boss"}"#, r#"{"role":"engineer","Role":"boss"}"#, "{"]
    {
        assert_eq!(call(&api, "POST", "/accesses", body), 400, "{body}");
    }
    assert_eq!(call(&api, "POST", "/accesses", ""), 403);
    api.upstream.assert_untouched();
    assert_eq!(call(&api, "POST", "/accesses", r#"{"role":"engineer"}"#), 200);
    assert_eq!(call(&api, "GET", "/accesses", ""), 200);
    assert_eq!(call(&api, "DELETE", "/accesses/1", ""), 200);
}

/// What a merge does not name stays; what a replacing write does not name is lost.
#[test]
fn a_change_may_be_silent_about_a_value_that_it_leaves() {
    let api = api();
    for (method, body, status) in [
        ("PATCH", r#"{"x":1}"#, 200),
        ("PATCH", r#"{"role":"engineer"}"#, 200),
        ("PATCH", r#"{"role":"boss"}"#, 403),
        ("PATCH", r#"{"role":null}"#, 403),
        ("PATCH", "[]", 403),
        ("PUT", r#"{"x":1}"#, 403),
    ] {
        assert_eq!(call(&api, method, "/accesses/1", body), status, "{method} {body}");
    }
    for (body, status) in [
        (r#"{"x":1}"#, 200),
        (r#"{"meta":{"x":1}}"#, 200),
        (r#"{"meta":null}"#, 403),
        (r#"{"meta":[]}"#, 403),
        (r#"{"meta":{"role":"boss"}}"#, 403),
    ] {
        assert_eq!(call(&api, "PUT", "/put/1", body), status, "{body}");
    }
}

#[test]
fn a_body_that_nobody_reads_has_no_value() {
    let api = api();
    assert_eq!(call(&api, "POST", "/raw/1", r#"{"role":"engineer"}"#), 403);
    assert_eq!(call(&api, "GET", "/raw/1", ""), 200);
}

#[test]
fn each_of_several_values_must_be_allowed() {
    let api = api();
    assert_eq!(call(&api, "POST", "/many", r#"{"roles":["engineer","engineer"]}"#), 200);
    assert_eq!(call(&api, "POST", "/many", r#"{"roles":["engineer","boss"]}"#), 403);
    assert_eq!(call(&api, "POST", "/many", r#"{"roles":[]}"#), 403);
}
