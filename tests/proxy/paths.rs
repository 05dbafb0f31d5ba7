//! Security group 1 and 2: what is decided is, byte for byte, what is forwarded.

use super::support::{Proxy, Upstream};
use portcullis::settings::Limits;

#[test]
fn p01_what_passes_is_forwarded_byte_for_byte() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    let targets =
        ["/", "/a/b?x=1&y=%2F", "/caf%C3%A9/a%20b", "/a/", "/a.json", "/x?%3f?", "/100%25"];
    for target in targets {
        let response = proxy.once(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((response.status, response.body.as_str()), (200, "{}"), "{target}");
    }
    for (request, target) in upstream.requests().iter().zip(targets) {
        assert!(request.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{request}");
    }
}

#[test]
fn p01_what_can_be_read_in_two_ways_reaches_nobody() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for target in [
        "/a/../b",
        "/a/./b",
        "/..",
        "/a/%2e%2e/b",
        "/a%2fb",
        "/a%5cb",
        "/a%00b",
        "/a%0d%0ab",
        "/a%252fb",
        "//a",
        "/a//b",
        "/a\\b",
        "/a;b",
        "/a#b",
        "/a%zz",
        "/a%",
        "/%ff",
        "/%61",
        "*",
        "a",
        "",
    ] {
        let response = proxy.once(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(response.status, 400, "{target}: {response:?}");
    }
    upstream.assert_untouched();
}

#[test]
fn p01_a_path_is_what_is_written_and_nothing_like_it() {
    let upstream = Upstream::json("{}");
    let policy = "policy: 1\nidentity: {api_keys: {keys: []}}\nroutes:\n\
                  \x20 - {match: \"/open/john\", public: r}\n\
                  \x20 - {match: \"/open/caf\u{e9}\", public: r}\n";
    let proxy = Proxy::with(policy, &format!("http://{}", upstream.address), Limits::default());
    let others = [
        "/open/John",
        "/OPEN/john",
        "/open/joh\u{212a}",
        "/open/john/",
        "/open/john.",
        "/open/john%20",
        "/open/john.json",
        "/open/johnny",
        "/open/joh",
        "/open",
        "/open/cafe%CC%81",
        "/open/CAF%C3%89",
    ];
    for target in others {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let status = proxy.once(&request).status;
        assert!(matches!(status, 400 | 401), "{target}: {status}");
    }
    upstream.assert_untouched();
    for target in ["/open/john", "/open/caf%C3%A9"] {
        assert_eq!(proxy.once(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).status, 200);
    }
}

#[test]
fn p01_a_parameter_is_one_segment_that_is_there() {
    let upstream = Upstream::json("{}");
    let policy = "policy: 1\nidentity: {api_keys: {keys: []}}\nroutes:\n\
                  \x20 - {match: \"/open/{id}/x\", public: r}\n";
    let proxy = Proxy::with(policy, &format!("http://{}", upstream.address), Limits::default());
    for target in
        ["/open//x", "/open/../x", "/open/%2e%2e/x", "/open/a%2Fb/x", "/open/a/b/x", "/open/x"]
    {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let status = proxy.once(&request).status;
        assert!(matches!(status, 400 | 401), "{target}: {status}");
    }
    upstream.assert_untouched();
    assert_eq!(proxy.once("GET /open/a%20b/x HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
}

#[test]
fn p01_a_target_may_be_as_long_as_its_limit() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for (length, status) in [(8191, 200), (8192, 200), (8193, 414)] {
        let target = format!("/{}", "a".repeat(length - 1));
        let response = proxy.once(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(response.status, status, "{length}");
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn p02_methods_without_a_letter_are_405_and_say_which_have_one() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for method in ["TRACE", "OPTIONS", "PROPFIND", "get", "Get", "GETT"] {
        let response = proxy.once(&format!("{method} /a HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.header("allow"), Some("GET, HEAD, POST, PUT, PATCH, DELETE"));
    }
    let connect = proxy.once("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n");
    assert_eq!(connect.status, 405);
    upstream.assert_untouched();
}

#[test]
fn p02_method_overrides_are_stripped() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    proxy.once(
        "POST /a HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: DELETE\r\n\
         X-Method-Override: DELETE\r\nX_HTTP_Method: DELETE\r\nContent-Length: 0\r\n\r\n",
    );
    let request = upstream.only_request();
    assert!(!request.to_lowercase().contains("override"), "{request}");
    assert!(!request.contains("DELETE"), "{request}");
}

#[test]
fn p02_a_method_in_the_query_is_refused() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    for query in ["_method=DELETE", "a=1&_METHOD=DELETE", "%5Fmethod=DELETE", "a=1;_method=DELETE"]
    {
        let request = format!("POST /a?{query} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(proxy.once(&request).status, 400, "{query}");
    }
    upstream.assert_untouched();
}

#[test]
fn p02_a_body_on_get_is_forwarded_and_never_dropped() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    proxy.once("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    proxy.once(
        "GET /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    let requests = upstream.requests();
    assert!(
        requests[0].contains("content-length: 5\r\n") && requests[0].ends_with("\r\n\r\nhello")
    );
    assert!(requests[1].contains("\r\n5\r\nhello\r\n0\r\n\r\n"), "{}", requests[1]);
}
