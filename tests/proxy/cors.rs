//! Pages of other origins: preflights are answered here, answers say who may read them.

use super::support::{Proxy, Response, Upstream, ok};
use portcullis::decide::Reason;
use portcullis::settings::Limits;

const POLICY: &str = "policy: 1
identity:
  api_keys:
    keys:
      - {user: eng, sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683, roles: [editor]}
roles:
  - {id: editor, grants: [{path: \"/notes/**\", access: ru}]}
  - {id: owner, grants: [{path: \"/notes/{id}\", access: d, when: {query.sure: \"1\"}}]}
routes:
  - match: \"/notes/**\"
    cors: {origins: [https://app.test, \"https://*.test:8443\"], headers: [X-Api-Key], expose: [ETag], credentials: true, max_age: 10m}
  - {match: \"/open/**\", public: r, cors: {origins: [\"*\"]}}
  - {match: \"/plain/**\", public: r}
";

fn proxy(upstream: &Upstream) -> Proxy {
    Proxy::with(POLICY, &format!("http://{}", upstream.address), Limits::default())
}

fn preflight(proxy: &Proxy, target: &str, origin: &str) -> Response {
    proxy.once(&format!(
        "OPTIONS {target} HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n\
         Access-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: x-api-key\r\n\r\n"
    ))
}

#[test]
fn p02_a_preflight_is_answered_here_and_lists_only_what_somebody_is_granted() {
    let upstream = Upstream::json("{}");
    let proxy = proxy(&upstream);
    let listed = |target: &str| {
        let answer = preflight(&proxy, target, "https://app.test");
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{target}");
        assert_eq!(proxy.record().reason, Reason::Preflight);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.test"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("x-api-key"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        answer.header("access-control-allow-methods").unwrap().to_owned()
    };
    assert_eq!(listed("/notes"), "GET, HEAD, PUT, PATCH");
    assert_eq!(listed("/notes/1"), "GET, HEAD, PUT, PATCH, DELETE");
    let open = preflight(&proxy, "/open/a", "https://anybody.example");
    assert_eq!(open.header("access-control-allow-origin"), Some("*"));
    assert_eq!(open.header("access-control-allow-methods"), Some("GET, HEAD"));
    assert_eq!(open.header("access-control-allow-credentials"), None);
    upstream.assert_untouched();
}

#[test]
fn p02_a_preflight_of_a_stranger_is_refused() {
    let upstream = Upstream::json("{}");
    let proxy = proxy(&upstream);
    for origin in [
        "null",
        "https://evil.test",
        "http://app.test",
        "https://app.test.evil",
        "https://a.b.test:8443",
    ] {
        let answer = preflight(&proxy, "/notes/1", origin);
        assert_eq!(
            (answer.status, proxy.record().reason),
            (403, Reason::OriginNotAllowed),
            "{origin}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    assert_eq!(preflight(&proxy, "/notes/1", "https://x.test:8443").status, 204);
    upstream.assert_untouched();
}

#[test]
fn p02_what_is_no_preflight_is_405_or_400() {
    let upstream = Upstream::json("{}");
    let proxy = proxy(&upstream);
    let asks = "Access-Control-Request-Method: PUT\r\n";
    for (target, fields, status) in [
        ("/notes/1", String::new(), 405),
        ("/notes/1", "Origin: https://app.test\r\n".into(), 405),
        ("/notes/1", asks.into(), 405),
        ("/plain/1", format!("Origin: https://app.test\r\n{asks}"), 405),
        ("/elsewhere", format!("Origin: https://app.test\r\n{asks}"), 405),
        (
            "/notes/1",
            format!("Origin: https://app.test\r\nOrigin: https://app.test\r\n{asks}"),
            400,
        ),
        ("/notes/1", format!("Origin: https://app.test\r\n{asks}{asks}"), 400),
        ("/notes/1;x", format!("Origin: https://app.test\r\n{asks}"), 400),
        ("/notes//1", format!("Origin: https://app.test\r\n{asks}"), 400),
    ] {
        let answer = proxy.once(&format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(answer.status, status, "{target} {fields}");
    }
    upstream.assert_untouched();
}

#[test]
fn answers_say_who_may_read_them_in_the_policys_words_alone() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: *\r\n\
         Access-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X-Secret\r\n\r\nhi",
    );
    let proxy = proxy(&upstream);
    let get = |target: &str, key: &str, origin: &str| {
        proxy.once(&format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nOrigin: {origin}\r\n\r\n"
        ))
    };
    for (key, status) in [("key", 200), ("nokey", 401)] {
        let answer = get("/notes/1", key, "https://app.test");
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.test"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("access-control-expose-headers"), Some("etag"));
        assert!(answer.head.to_lowercase().contains("vary: origin"), "{}", answer.head);
        let other = get("/notes/1", key, "https://evil.test");
        assert_eq!(other.status, status);
        assert!(!other.head.to_lowercase().contains("access-control"), "{}", other.head);
        assert!(other.head.to_lowercase().contains("vary: origin"), "{}", other.head);
    }
    let open = get("/open/1", "key", "https://evil.test");
    assert_eq!(open.header("access-control-allow-origin"), Some("*"));
    assert_eq!(open.header("access-control-allow-credentials"), None);
    let plain = get("/plain/1", "key", "https://evil.test");
    assert_eq!(plain.header("access-control-expose-headers"), Some("X-Secret"));
}

#[test]
fn p02_what_nobody_is_granted_is_in_no_list() {
    let upstream = Upstream::answering(&ok("application/json", "{}"));
    let policy = POLICY.replace("/notes/{id}", "/notes/x/{id}");
    let proxy = Proxy::with(&policy, &format!("http://{}", upstream.address), Limits::default());
    let answer = preflight(&proxy, "/notes/1", "https://app.test");
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, PUT, PATCH"));
}
