//! What an upstream gets instead of what the client sent: paths without their prefix, headers.

use super::Api;

const RULES: &str = r#"
routes:
  - {match: "/api/v1/**", strip_prefix: /api/v1}
  - {match: "/caf\u00e9/{id}", strip_prefix: "/caf\u00e9"}
  - {match: "/h/**", headers: {remove: [X-Debug, Server-Secret], set: {X-Env: prod, X-Tier: "2"}}}
roles:
  - {id: r, grants: [{path: "/api/v1/open/**", access: r}, {path: "/caf\u00e9/**", access: r}, {path: "/h/**", access: r}]}
"#;

/// What counts for the decision is the path as it came.
#[test]
fn p01_a_stripped_prefix_is_decided_with_it() {
    let api = Api::start(RULES);
    for (target, seen) in [
        ("/api/v1/open/1?a=/api/v1", "/open/1?a=/api/v1"),
        ("/api/v1/open/", "/open/"),
        ("/api/v1/open/a%20b", "/open/a%20b"),
        ("/caf%C3%A9/x", "/x"),
    ] {
        assert_eq!(api.call("ann:r", "GET", target).status, 200, "{target}");
        assert_eq!(api.upstream.requests().pop().expect("a request").target, seen);
    }
    api.refuses("ann:r", "GET", "/api/v1/secret", 403);
    api.refuses("ann:r", "GET", "/api/v1", 403);
    for target in ["/api/v1/../x", "/api/v1//x", "/api/v1/%2e%2e/x", "/api/v1/%2fx"] {
        api.refuses("ann:r", "GET", target, 400);
    }
    api.refuses("ann:r", "GET", "/open/1", 404);
}

#[test]
fn p03_a_route_changes_headers_in_any_spelling() {
    let api = Api::start(RULES);
    let sent = [
        ("X-Debug", "1"),
        ("x_debug", "2"),
        ("X-Env", "dev"),
        ("X-Env", "test"),
        ("X_Env", "dev"),
        ("X-Kept", "yes"),
        ("X-Portcullis-User", "root"),
    ];
    assert_eq!(api.call_with("ann:r", "GET", "/h/x", &sent).status, 200);
    let seen = api.upstream.requests().pop().expect("a request").fields;
    assert_eq!(seen.all("x-env"), ["prod"]);
    assert_eq!((seen.get("x-tier"), seen.get("x-kept")), (Some("2"), Some("yes")));
    assert_eq!((seen.get("x-debug"), seen.get("x_debug"), seen.get("x_env")), (None, None, None));
    assert_eq!(seen.get("x-portcullis-user"), Some("ann"));
    // Another route changes nothing.
    assert_eq!(api.call_with("ann:r", "GET", "/api/v1/open/x", &sent[..1]).status, 200);
    assert_eq!(api.upstream.requests().pop().expect("a request").fields.get("x-debug"), Some("1"));
}
