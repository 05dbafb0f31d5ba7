//! Callers whose token is in a cookie: browsers, which send it whoever asks.

use super::Api;
use crate::support::{TempPolicy, Upstream, client, h2, tokens};

const POLICY: &str = r#"policy: 1
identity:
  jwt:
    - issuer: https://id.example
      audience: [api]
      algorithms: [HS256]
      secrets: [{file: jwt.secret}]
      cookie: session
ORIGINS
routes:
  - {match: "/**"}
  - {match: "/passed/**", credential: pass}
  - {match: "/open/**", public: r}
  - {match: "/find", verbs: {POST: r}}
  - {match: "/chat", upgrade: websocket}
roles:
  - {id: all, grants: [{path: "/**", access: crud}]}
  - {id: reads, grants: [{path: "/**", access: r}]}
"#;

fn api(origins: &str) -> Api {
    let policy = TempPolicy::file(&POLICY.replace("ORIGINS\n", origins));
    policy.write("jwt.secret", tokens::SECRET);
    Api::with(Upstream::json("{}"), policy)
}

fn session(role: &str) -> String {
    format!("session={}", tokens::hs256(tokens::SECRET, &tokens::claims("ana", &[role])))
}

#[test]
fn p08_a_token_in_a_cookie_is_the_caller_and_does_not_go_on() {
    let api = api("");
    let (token, cookie) = (session("all"), format!("a=1; {}; b=\"2 \"", session("all")));
    let fields = [("Cookie", cookie.as_str())];
    let answer = api.call_with("", "GET", "/x", &fields);
    assert_eq!(answer.status, 200);
    let seen = api.upstream.request().fields;
    assert_eq!(seen.get("cookie"), Some("a=1; b=\"2 \""), "the others stay as they are");
    assert_eq!(seen.get("x-portcullis-user"), Some("ana"));
    assert_eq!(api.call_with("", "GET", "/x", &[("Cookie", &token)]).status, 200);
    assert_eq!(api.upstream.requests()[1].fields.get("cookie"), None);
    assert_eq!(api.call_with("", "GET", "/passed/x", &fields).status, 200);
    assert_eq!(api.upstream.requests()[2].fields.get("cookie"), Some(cookie.as_str()));
    assert_eq!(api.call_with("", "GET", "/open/x", &fields).status, 200);
    let seen = api.upstream.requests()[3].fields.clone();
    assert_eq!((seen.get("cookie"), seen.get("x-portcullis-user")), (Some("a=1; b=\"2 \""), None));
    // Clients of HTTP/2 may send each cookie in a field of its own (RFC 9113 section 8.2.3).
    let apart = [("cookie", "a=1"), ("cookie", token.as_str()), ("cookie", "b=2")];
    assert_eq!(h2::call(api.proxy.address, "GET", "/x", &apart).status, 200);
    assert_eq!(api.upstream.requests()[4].fields.get("cookie"), Some("a=1; b=2"));
}

#[test]
fn p08_two_cookies_of_the_name_or_a_cookie_beside_a_header_are_400() {
    let api = api("");
    let token = session("all");
    let (twice, spaced) = (format!("{token}; {token}"), format!("{token}; session =x"));
    let bearer = format!("Bearer {}", &token["session=".len()..]);
    for fields in [
        &[("Cookie", twice.as_str())][..],
        &[("Cookie", &spaced)],
        &[("Cookie", &token), ("Cookie", &token)],
        &[("Cookie", &token), ("Authorization", &bearer)],
        &[("Cookie", &token), ("Authorization", "Basic YTo=")],
        &[("Cookie", "session=x"), ("Authorization", &bearer)],
    ] {
        api.refused("GET", 400, || api.call_with("", "GET", "/x", fields));
        assert_eq!(h2::call(api.proxy.address, "GET", "/x", fields).status, 400, "{fields:?}");
    }
    for bad in ["session=", "session=x", "session", "session=\"e30.e30.AAAA\""] {
        api.refused("GET", 401, || api.call_with("", "GET", "/x", &[("Cookie", bad)]));
    }
    api.upstream.assert_untouched();
}

/// What may change something needs a page that is allowed to, by its host where nothing is listed.
#[test]
fn p08_a_page_of_somebody_else_changes_nothing() {
    let api = api("");
    let (cookie, host) = (session("all"), api.proxy.address.to_string());
    let own = format!("http://{host}");
    let call = |method: &str, path: &str, more: &[(&str, &str)]| {
        let fields = [&[("Host", host.as_str()), ("Cookie", cookie.as_str())][..], more].concat();
        client::call(api.proxy.address, method, path, &fields)
    };
    let foreign = [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")];
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for fields in [
            &foreign[..],
            &[],
            &[("Origin", "null")],
            &[("Origin", &own), ("Sec-Fetch-Site", "cross-site")],
            &[("Origin", &own), ("Origin", &own)],
        ] {
            let answer = api.refused(method, 403, || call(method, "/x", fields));
            assert_eq!(answer.json()["detail"], "a cookie counts here only for an allowed page");
        }
    }
    api.refused("POST", 403, || call("POST", "/find", &foreign));
    let shake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    api.refused("GET", 403, || call("GET", "/chat", &[&shake[..], &foreign].concat()));
    api.refused("GET", 403, || call("GET", "/chat", &shake));
    api.upstream.assert_untouched();
    let allowed = [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")];
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(call(method, "/x", &allowed).status, 200, "{method}");
    }
    // This upstream does not switch, so its answer to the handshake is an ordinary one.
    assert_eq!(call("GET", "/chat", &[&shake[..], &allowed].concat()).status, 200);
    assert_eq!(call("GET", "/x", &foreign).status, 200, "reading is what the browser guards");
    let line = api.proxy.wait_for_line("origin_not_allowed");
    assert!(line.contains("\"status\":403") && !line.contains("evil"), "{line}");
}

#[test]
fn p08_pages_that_are_listed_may_and_no_others() {
    let api = api("      origins: [\"https://ui.example\"]\n");
    let (cookie, host) = (session("all"), api.proxy.address.to_string());
    let call = |origin: &str| {
        let fields = [("Host", host.as_str()), ("Cookie", cookie.as_str()), ("Origin", origin)];
        client::call(api.proxy.address, "POST", "/x", &fields)
    };
    api.refused("POST", 403, || call(&format!("http://{host}")));
    api.refused("POST", 403, || call("https://ui.example.evil.example"));
    assert_eq!(call("https://ui.example").status, 200);
}

/// 401, 403 and 404 in their order: who it is, whether the page may, whether the caller may.
#[test]
fn p08_a_bad_cookie_is_401_whatever_page_asks() {
    let api = api("");
    let call = |cookie: &str| {
        let fields = [("Cookie", cookie), ("Origin", "https://evil.example")];
        client::call(api.proxy.address, "POST", "/x", &fields)
    };
    let answer = api.refused("POST", 401, || call("session=e30.e30.AAAA"));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    api.refused("POST", 401, || call("other=1"));
    let reads = session("reads");
    let own = format!("http://{}", api.proxy.address);
    let fields = [("Cookie", reads.as_str()), ("Origin", own.as_str())];
    api.refused("POST", 403, || client::call(api.proxy.address, "POST", "/x", &fields));
}

#[test]
fn a_filtered_answer_varies_by_cookie() {
    let policy = POLICY.replace("ORIGINS\n", "").replace(
        "  - {id: reads, grants: [{path: \"/**\", access: r}]}\n",
        "  - {id: reads, schemas: [s], grants: [{path: \"/**\", access: r}]}\nschemas: [{id: s, \
         type: t, body: {type: object, additionalProperties: true, properties: {ssn: false}}}]\n\
         resource_types: [{id: t, at: [{path: \"/x\", pointer: \"\"}]}]\n",
    );
    let policy = TempPolicy::file(&policy);
    policy.write("jwt.secret", tokens::SECRET);
    let api = Api::with(Upstream::json("{\"ssn\": 1, \"a\": 2}"), policy);
    let answer = api.call_with("", "GET", "/x", &[("Cookie", &session("reads"))]);
    assert_eq!((answer.status, answer.text()), (200, "{ \"a\": 2}"));
    assert_eq!(answer.header("vary"), Some("authorization, cookie"));
}
