//! What refusals say of themselves: under which id they are logged, and nothing else that differs.

use super::framed::{ask, converse, request};
use super::support::{NOBODY, Proxy, Response, Upstream, header};
use crate::support::h2;
use http::HeaderMap;
use portcullis::settings::Limits;

/// Reading `/a` is for the key's user, and nothing else is for anybody.
const RULES: &str = r#"policy: 1
identity:
  api_keys:
    keys:
      - {user: eng, roles: [reads], sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683}
roles: [{id: reads, grants: [{path: /a, access: r}]}]
"#;

fn proxy() -> (Proxy, Upstream) {
    let upstream = Upstream::json("{}");
    let url = format!("http://{}", upstream.address);
    (Proxy::with(RULES, &url, Limits::default()), upstream)
}

fn get(proxy: &Proxy, path: &str, fields: &str) -> Response {
    proxy.once(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n"))
}

#[test]
fn p03_a_refusal_has_the_id_of_its_line_in_the_log() {
    let (proxy, upstream) = proxy();
    let own = "X-Request-Id: from-the.client_1\r\n";
    for (path, fields, status) in [
        ("/a", own.to_owned(), 401),
        ("/b", format!("{own}X-API-Key: key\r\n"), 403),
        ("/a/../b", own.to_owned(), 400),
    ] {
        let answer = get(&proxy, path, &fields);
        assert_eq!(answer.status, status);
        assert_eq!(header(&answer.head, "x-request-id"), Some("from-the.client_1"), "{path}");
        assert_eq!(&*proxy.record().request_id, "from-the.client_1");
    }
    // None, or one that is not taken: a new one, which the log has as well.
    let long = format!("X-Request-Id: {}\r\n", "x".repeat(129));
    for fields in ["", &long, "X-Request-Id: a b\r\n", "X-Request-Id: a\r\nX-Request-Id: a\r\n"] {
        let answer = get(&proxy, "/a", fields);
        let id = header(&answer.head, "x-request-id").expect("an id").to_owned();
        assert_eq!(*proxy.record().request_id, *id);
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{id}");
    }
    let mut client = proxy.connect();
    client.send("HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = client.head_response();
    let id = header(&answer.head, "x-request-id").expect("an id").to_owned();
    assert_eq!(*proxy.record().request_id, *id);
    upstream.assert_untouched();
}

#[test]
fn p03_refusals_of_one_status_differ_in_their_id_alone() {
    let (proxy, _upstream) = proxy();
    let key = "X-API-Key: key\r\n";
    let without_id = |path: &str, fields: &str| {
        let answer = get(&proxy, path, fields);
        let lines = answer.head.lines().filter(|line| {
            let line = line.to_ascii_lowercase();
            !line.starts_with("x-request-id:") && !line.starts_with("date:")
        });
        let id = header(&answer.head, "x-request-id").expect("an id").to_owned();
        (id, lines.map(str::to_owned).collect::<Vec<_>>(), answer.body)
    };
    let (first, head, body) = without_id("/b", key);
    let (second, other_head, other_body) = without_id("/secret/c", key);
    assert_ne!(first, second);
    assert_eq!((head, body), (other_head, other_body));
}

#[test]
fn p03_a_refusal_has_its_id_over_http_2_and_in_the_words_of_grpc() {
    let (proxy, upstream) = proxy();
    let id = |fields: &HeaderMap| fields["x-request-id"].to_str().expect("text").to_owned();
    let refused = h2::call(proxy.address, "GET", "/a", &[("x-request-id", "h2-1")]);
    assert_eq!((refused.status, id(&refused.headers).as_str()), (401, "h2-1"));
    assert_eq!(&*proxy.record().request_id, "h2-1");
    let new = h2::call(proxy.address, "GET", "/a", &[]);
    assert_eq!(*proxy.record().request_id, *id(&new.headers));
    converse(proxy.address, async |sender| {
        let fields = [("content-type", "application/grpc"), ("x-request-id", "call-1")];
        let whole = ask(&sender, request("POST", "/pkg.Service/Get", &fields), Some("\0\0\0\0\0"));
        let whole = whole.await.unwrap();
        assert_eq!((whole.status, id(&whole.head).as_str()), (401, "call-1"));
        assert_eq!(whole.head["grpc-status"], "16");
    });
    assert_eq!(&*proxy.record().request_id, "call-1");
    upstream.assert_untouched();
}

/// What an upstream answers has the id that it says itself, or none.
#[test]
fn an_answer_of_the_upstream_is_left_as_it_is() {
    let fields = "X-Request-Id: mine\r\nX-API-Key: key\r\n";
    for (status, said) in [("200 OK", None), ("403 Forbidden", None), ("404 Not Found", Some("up"))]
    {
        let own = said.map(|id| format!("X-Request-Id: {id}\r\n")).unwrap_or_default();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{own}\r\n");
        let upstream = Upstream::answering(&answer);
        let proxy = Proxy::with(RULES, &format!("http://{}", upstream.address), Limits::default());
        let answer = get(&proxy, "/a", fields);
        assert_eq!(header(&answer.head, "x-request-id"), said, "{status}");
    }
    let proxy = Proxy::with(RULES, NOBODY, Limits::default());
    let failed = get(&proxy, "/a", fields);
    assert_eq!((failed.status, header(&failed.head, "x-request-id")), (502, Some("mine")));
}
