//! Security group 3: which fields pass, and which are ours to say.

use super::support::{NOBODY, Proxy, Upstream, header};
use portcullis::settings::Limits;

#[test]
fn p03_an_upstream_sees_what_was_sent_and_what_we_say_and_nothing_else() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    proxy.once(
        "GET /a HTTP/1.1\r\nHost: Api.test:80\r\nAccept: */*\r\nX-Custom: 1\r\nX-Custom: 2\r\n\
         Connection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nProxy-Connection: close\r\n\
         Proxy-Authorization: Basic eA==\r\nTrailer: X\r\nExpect: 100-continue\r\n\r\n",
    );
    let request = upstream.only_request();
    let mut names: Vec<&str> =
        request.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "forwarded",
            "host",
            "traceparent",
            "x-custom",
            "x-custom",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-portcullis-policy",
            "x-real-ip",
            "x-request-id",
        ]
    );
    assert_eq!(header(&request, "host"), Some("Api.test:80"));
}

#[test]
fn p03_statements_about_the_caller_never_come_from_outside() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for name in [
        "X-Portcullis-User",
        "x-portcullis-user",
        "X_Portcullis_User",
        "X-PORTCULLIS_ROLES",
        "X-Portcullis-Anything",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X-Forwarded-User",
        "Forwarded",
        "X-Real-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X_Original_Url",
        "X.Portcullis.User",
        "X~Portcullis~Roles",
        "X.Forwarded.For",
        "X-Forwarded",
        "X-Host",
        "X-HTTP-Host-Override",
        "X-Envoy-Original-Path",
        "Remote-User",
        "Remote.User",
        "Proxy",
        "Client-IP",
        "True-Client-IP",
        "Content_Length",
        "Transfer_Encoding",
    ] {
        let request =
            format!("GET /a HTTP/1.1\r\nHost: a\r\n{name}: spoofed\r\n{name}: spoofed\r\n\r\n");
        assert_eq!(proxy.once(&request).status, 200, "{name}");
    }
    for request in upstream.requests() {
        assert!(!request.contains("spoofed"), "{request}");
        assert_eq!(header(&request, "x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(header(&request, "forwarded"), Some("for=127.0.0.1;host=\"a\";proto=http"));
    }
}

#[test]
fn p03_connection_cannot_take_away_what_matters() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for name in [
        "host",
        "Authorization",
        "content-length",
        "Content-Type",
        "cookie",
        "X-Forwarded-For",
        "x-portcullis-user",
        "X-Real-IP",
        "forwarded",
        "a b",
        "x, host",
    ] {
        let request = format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: {name}\r\n\r\n");
        assert_eq!(proxy.once(&request).status, 400, "{name}");
    }
    upstream.assert_untouched();
}

#[test]
fn p03_one_host_and_one_only() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for head in [
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.0\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET http://a/x HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET http://a:81/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(proxy.once(head).status, 400, "{head}");
    }
    upstream.assert_untouched();
    let absolute = "GET http://A.test./x?y HTTP/1.1\r\nHost: a.test:80\r\n\r\n";
    assert_eq!(proxy.once(absolute).status, 200);
    assert!(upstream.only_request().starts_with("GET /x?y HTTP/1.1\r\n"));
}

#[test]
fn p03_an_expectation_is_answered_here_and_not_forwarded() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    let mut client = proxy.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    let go_on = client.head_response();
    assert_eq!(go_on.status, 100);
    client.send("hi");
    assert_eq!(client.response().status, 200);
    let request = upstream.only_request();
    assert!(!request.to_lowercase().contains("expect"), "{request}");
    assert!(request.ends_with("\r\n\r\nhi"));
}

#[test]
fn ids_and_traces_that_are_well_formed_pass_and_others_are_made() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    proxy.once(&format!(
        "GET /a HTTP/1.1\r\nHost: a\r\nX-Request-Id: req-1.A_b\r\ntraceparent: {trace}\r\n\
         tracestate: x=1\r\n\r\n"
    ));
    assert_eq!(&*proxy.record().request_id, "req-1.A_b");
    proxy.once(
        "GET /a HTTP/1.1\r\nHost: a\r\nX-Request-Id: a b\r\ntraceparent: 00-0\r\n\
         tracestate: x=1\r\n\r\n",
    );
    let requests = upstream.requests();
    assert_eq!(header(&requests[0], "x-request-id"), Some("req-1.A_b"));
    assert_eq!(header(&requests[0], "traceparent"), Some(trace));
    assert_eq!(header(&requests[0], "tracestate"), Some("x=1"));
    let made = header(&requests[1], "x-request-id").unwrap();
    assert_eq!((made.len(), made), (32, &*proxy.record().request_id));
    assert_eq!(header(&requests[1], "traceparent").unwrap().len(), 55);
    assert_eq!(header(&requests[1], "tracestate"), None);
}

#[test]
fn p04_fields_of_a_connection_do_not_come_back() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
         Keep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nETag: \"x\"\r\n\
         Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nhi",
    );
    let response = Proxy::open(&upstream).once("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    for gone in ["connection", "x-hop", "keep-alive", "upgrade", "proxy-authenticate"] {
        assert_eq!(response.header(gone), None, "{gone}");
    }
    assert_eq!(response.header("etag"), Some("\"x\""));
    assert!(response.head.contains("set-cookie: a=1\r\nset-cookie: b=2\r\n"));
}

const KEYS: &str = "policy: 1
identity:
  api_keys:
    keys:
      - {user: eng, sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683}
routes:
  - {match: \"/open/**\", public: r}
  - {match: \"/pass/**\", public: r, credential: pass}
";

#[test]
fn credentials_go_no_further_unless_the_route_says_so() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::with(KEYS, &format!("http://{}", upstream.address), Limits::default());
    for path in ["/open/a", "/pass/a"] {
        proxy.once(&format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\nX_Api_Key: key\r\n\r\n"
        ));
    }
    let requests = upstream.requests();
    assert!(!requests[0].contains("key"), "{}", requests[0]);
    assert_eq!(header(&requests[1], "x-api-key"), Some("key"));
}

#[test]
fn p03_strangers_learn_nothing_but_that_they_are_strangers() {
    let proxy = Proxy::with(KEYS, NOBODY, Limits::default());
    for path in ["/open/a", "/nowhere", "/pass/x"] {
        let response =
            proxy.once(&format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(response.status, 401, "{path}");
        assert_eq!(response.header("www-authenticate"), Some("ApiKey"));
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        assert_eq!(
            response.body,
            "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401}\n"
        );
    }
}

#[test]
fn p02_neither_query_nor_body_overrides_the_method() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for target in ["/a?_method=DELETE", "/a?b=1&%5FMethod=PUT", "/a?x-http-method-override=PUT"] {
        let request = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(proxy.once(&request).status, 400, "{target}");
    }
    upstream.assert_untouched();
}
