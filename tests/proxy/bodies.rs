//! Security groups 10 and 11, as far as the data plane is concerned: what is read, what is
//! replaced, and that nothing leaves unread where something is hidden.

use super::support::{Answer, Proxy, Response, Upstream, ok};
use portcullis::decide::Reason;
use portcullis::settings::Limits;
use std::sync::Mutex;
use std::sync::mpsc::channel;

/// The caller named `eng` may do anything but see or set `ssn`. Its key is `key`.
const NO_SSN: &str = "policy: 1
identity:
  api_keys:
    keys:
      - {user: eng, roles: [support], sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683}
roles:
  - {id: support, grants: [{path: \"/customers/**\", access: crud}], schemas: [no-ssn]}
schemas:
  - {id: no-ssn, type: customer, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
resource_types:
  - {id: customer, at: [{path: \"/customers\", pointer: \"/*\"}, {path: \"/customers/{id}\", pointer: \"\"}]}
";

fn guard(upstream: &Upstream) -> Proxy {
    Proxy::with(NO_SSN, &format!("http://{}", upstream.address), Limits::default())
}

#[track_caller]
fn ask(proxy: &Proxy, method: &str, fields: &str, body: &str) -> Response {
    let length =
        if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let mut client = proxy.connect();
    client.send(format!(
        "{method} /customers/1 HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\n{fields}{length}\r\n{body}"
    ));
    match method {
        "HEAD" => client.head_response(),
        _ => client.response(),
    }
}

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn p11_a_body_is_filtered_and_what_spoke_of_its_bytes_is_gone() {
    let body = "{\"id\": 1, \"ssn\": \"CANARY\", \"a\": 2}";
    let upstream = Upstream::answering(&ok("application/json", body).replace(
        "\r\n\r\n",
        "\r\nETag: \"x\"\r\nLast-Modified: x\r\nAccept-Ranges: bytes\r\nContent-MD5: x\r\n\
         Digest: x\r\nContent-Digest: x\r\nRepr-Digest: x\r\nSignature: x\r\n\
         Cache-Control: public\r\nVary: Accept\r\nX-Kept: 1\r\n\r\n",
    ));
    let proxy = guard(&upstream);
    let response = ask(&proxy, "GET", "", "");
    assert_eq!((response.status, response.body.contains("CANARY")), (200, false), "{response:?}");
    assert!(response.body.contains("\"id\": 1") && response.body.contains("\"a\": 2"));
    for gone in [
        "etag",
        "last-modified",
        "accept-ranges",
        "content-md5",
        "digest",
        "content-digest",
        "repr-digest",
        "signature",
    ] {
        assert_eq!(response.header(gone), None, "{gone}");
    }
    assert_eq!(response.header("cache-control"), Some("private, no-store"));
    assert!(
        response.head.to_lowercase().contains("vary: authorization, x-api-key\r\n"),
        "{}",
        response.head
    );
    assert_eq!(response.header("x-kept"), Some("1"));
    let record = proxy.record();
    assert_eq!((record.removed, record.reason), (1, Reason::Granted));
    assert_eq!(record.user.as_deref(), Some("eng"));
}

#[test]
fn p11_the_upstream_is_asked_for_what_can_be_read() {
    let upstream = Upstream::json("{}");
    let proxy = guard(&upstream);
    ask(
        &proxy,
        "GET",
        "Accept: text/html\r\nAccept-Encoding: gzip\r\nRange: bytes=0-1\r\nIf-Range: x\r\nIf-None-Match: x\r\nIf-Modified-Since: x\r\n",
        "",
    );
    let request = upstream.only_request().to_lowercase();
    assert!(request.contains("accept: application/json\r\n"), "{request}");
    assert!(request.contains("accept-encoding: identity\r\n"), "{request}");
    for gone in ["range", "if-none-match", "if-modified-since"] {
        assert!(!request.contains(gone), "{request}");
    }
}

#[test]
fn p03_the_upstream_is_told_who_is_calling() {
    let upstream = Upstream::json("{}");
    ask(&guard(&upstream), "GET", "X-Portcullis-User: root\r\nX_Portcullis_Roles: admin\r\n", "");
    let request = upstream.only_request().to_lowercase();
    assert!(request.contains("x-portcullis-user: eng\r\n"), "{request}");
    assert!(request.contains("x-portcullis-roles: support\r\n"), "{request}");
    assert!(
        !request.contains("root") && !request.contains("admin") && !request.contains("key: key")
    );
}

#[test]
fn p11_what_cannot_be_filtered_is_never_passed_on() {
    for (status, fields, body) in [
        (200, "Content-Type: text/plain", "CANARY"),
        (200, "X: no-type", "{\"ssn\": \"CANARY\"}"),
        (200, "Content-Type: text/html", "{\"ssn\": \"CANARY\"}"),
        (200, "Content-Type: application/json\r\nContent-Encoding: gzip", "CANARY"),
        (200, "Content-Type: application/json", "{\"ssn\": \"CANARY\""),
        (200, "Content-Type: application/json", "{\"ssn\": \"CANARY\"} x"),
        (200, "Content-Type: application/json", "\"CANARY\""),
        (200, "Content-Type: application/json", "f({\"ssn\": \"CANARY\"})"),
        (200, "Content-Type: application/json; charset=utf-16", "{\"ssn\": \"CANARY\"}"),
        (206, "Content-Type: application/json", "{\"ssn\": \"CANARY\"}"),
        (226, "Content-Type: application/json\r\nIM: diffe", "{\"ssn\": \"CANARY\"}"),
    ] {
        let upstream = Upstream::answering(&format!(
            "HTTP/1.1 {status} X\r\n{fields}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let proxy = guard(&upstream);
        let response = ask(&proxy, "GET", "", "");
        assert_eq!(response.status, 502, "{fields}: {response:?}");
        assert!(!response.body.contains("CANARY"), "{response:?}");
        assert_eq!(proxy.record().reason, Reason::Shape);
    }
    let upstream = Upstream::answering("HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n");
    assert_eq!(ask(&guard(&upstream), "GET", "", "").status, 502);
}

/// How many bytes there would have been without the filter, said in an error or beside a whole body.
#[test]
fn p11_ranges_of_bytes_are_not_told_and_those_of_items_are() {
    for (status, range, kept) in [
        (416, "bytes */4711", false),
        (200, "bytes 0-99/4711", false),
        (200, "Bytes 0-99/4711", false),
        (200, "items 0-24/319", true),
    ] {
        let upstream = Upstream::answering(&format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Range: {range}\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        ));
        let response = ask(&guard(&upstream), "GET", "", "");
        assert_eq!(
            (response.status, response.header("content-range")),
            (status, kept.then_some(range))
        );
    }
}

#[test]
fn p11_errors_and_redirects_keep_their_status_and_lose_what_is_hidden() {
    for (status, kind, body, shown) in [
        (404, "application/json", "{\"e\": 1, \"was\": {\"ssn\": \"CANARY\"}}", Some("\"e\"")),
        (500, "text/html", "<h1>CANARY</h1>", None),
        (409, "application/problem+json", "{\"title\": \"x\", \"ssn\": \"CANARY\"}", Some("title")),
        (400, "application/json", "{\"ssn\": \"CANARY\"", None),
        (302, "text/html", "<a href=CANARY>", None),
    ] {
        let upstream = Upstream::answering(&format!(
            "HTTP/1.1 {status} X\r\nLocation: /there\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let response = ask(&guard(&upstream), "GET", "", "");
        assert_eq!(response.status, status, "{response:?}");
        assert!(!response.body.contains("CANARY"), "{response:?}");
        assert_eq!(response.header("location"), Some("/there"));
        match shown {
            Some(text) => assert!(response.body.contains(text), "{response:?}"),
            None => assert_eq!(response.header("content-type"), Some("application/problem+json")),
        }
    }
}

#[test]
fn p11_a_reason_phrase_says_nothing_that_is_hidden() {
    for status in ["200", "404"] {
        let body = "{\"id\": 1}";
        let upstream = Upstream::answering(&format!(
            "HTTP/1.1 {status} CANARY\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let response = ask(&guard(&upstream), "GET", "", "");
        assert_eq!(response.status.to_string(), status);
        assert!(!format!("{response:?}").contains("CANARY"), "{response:?}");
    }
}

#[test]
fn p11_no_header_says_what_the_body_may_not() {
    let upstream = Upstream::answering(
        "HTTP/1.1 201 Created\r\nLocation: /customers/1?ssn=CANARY&a=1#ssn=CANARY\r\n\
         Content-Location: /customers/1?s%73n=CANARY\r\nLink: </c?ssn=CANARY>; rel=next\r\n\
         Refresh: 1; url=/c?ssn=CANARY\r\nCDN-Cache-Control: public\r\n\
         Surrogate-Control: max-age=60\r\nX-Accel-Expires: 60\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    );
    let response = ask(&guard(&upstream), "POST", JSON, "{\"a\": 1}");
    assert_eq!(response.status, 201);
    assert!(!response.head.contains("CANARY"), "{}", response.head);
    assert_eq!(response.header("location"), Some("/customers/1?a=1"));
    assert_eq!(response.header("content-location"), Some("/customers/1"));
    for gone in ["link", "refresh", "cdn-cache-control", "surrogate-control", "x-accel-expires"] {
        assert_eq!(response.header(gone), None, "{gone}");
    }
}

#[test]
fn p11_a_body_that_is_not_filtered_is_still_one_callers() {
    let policy = NO_SSN.replace(", schemas: [no-ssn]", "");
    let upstream = Upstream::json("{}");
    let url = format!("http://{}", upstream.address);
    let response = ask(&Proxy::with(&policy, &url, Limits::default()), "GET", "", "");
    assert_eq!(response.header("vary"), Some("authorization, x-api-key"));
    assert_eq!(
        Proxy::open(&upstream).once("GET / HTTP/1.1\r\nHost: a\r\n\r\n").header("vary"),
        None
    );
}

#[test]
fn p11_an_allow_list_also_says_what_can_be_asked_about() {
    let policy = NO_SSN
        .replace("additionalProperties: true", "additionalProperties: false")
        .replace("{ssn: false}", "{name: true}");
    let upstream = Upstream::json("{\"name\": \"x\"}");
    let url = format!("http://{}", upstream.address);
    let proxy = Proxy::with(&policy, &url, Limits::default());
    for (query, status) in
        [("ssn=1", 403), ("ssn_like=^1", 403), ("filter[ssn]=1", 403), ("name_like=x&_page=2", 200)]
    {
        let request =
            format!("GET /customers/1?{query} HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\n\r\n");
        assert_eq!(proxy.once(&request).status, status, "{query}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn p11_after_a_write_an_unreadable_answer_keeps_its_status() {
    let upstream = Upstream::answering(
        "HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nCANARY",
    );
    let response = ask(&guard(&upstream), "POST", JSON, "{\"a\": 1}");
    assert_eq!(response.status, 201);
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    assert!(!response.body.contains("CANARY"));
}

#[test]
fn p11_nothing_to_filter_is_fine() {
    for head in [
        "HTTP/1.1 204 No Content\r\nETag: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let response = ask(&guard(&Upstream::answering(head)), "GET", "", "");
        assert_eq!((response.status / 100, response.body.as_str()), (2, ""), "{head}");
        assert_eq!(response.header("etag"), None);
    }
}

#[test]
fn p11_head_says_nothing_of_the_unfiltered_body() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 35\r\nETag: x\r\n\r\n",
    );
    let response = ask(&guard(&upstream), "HEAD", "", "");
    assert_eq!(response.status, 200);
    assert_ne!(response.header("content-length"), Some("35"));
    assert_eq!(response.header("etag"), None);
    let open = Proxy::open(&upstream);
    let mut client = open.connect();
    client.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head_response().header("content-length"), Some("35"));
}

/// A list of so many records, each with something to hide.
fn list(records: usize) -> String {
    let record =
        |n| format!("{{\"id\": {n}, \"ssn\": \"CANARY\", \"pad\": \"{}\"}}", "x".repeat(1000));
    format!("{{\"all\": [{}]}}", (0..records).map(record).collect::<Vec<_>>().join(","))
}

#[test]
fn p11_large_bodies_stream_through_the_filter() {
    // `ssn` at the root alone is hidden, so the list inside passes as it is.
    let body = list(2000).replacen('{', "{\"ssn\": \"SECRET\", ", 1);
    let upstream = Upstream::json(&body);
    let proxy = guard(&upstream);
    let response = ask(&proxy, "GET", "", "");
    assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    assert!(!response.body.contains("SECRET"));
    assert!(response.body.len() > 2_000_000 && response.body.ends_with("]}"));
    let record = proxy.record();
    assert_eq!((record.aborted, record.removed), (false, 1));
    assert_eq!(record.bytes_out, response.body.len() as u64);
}

#[test]
fn p11_a_large_body_that_goes_wrong_is_cut_and_never_ended() {
    let body = list(200) + "trailing";
    let upstream = Upstream::json(&body);
    let proxy = guard(&upstream);
    let mut client = proxy.connect();
    client.send("GET /customers/1 HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\n\r\n");
    let (_, bytes) = client.rest();
    assert!(bytes.starts_with(b"HTTP/1.1 200"));
    assert!(!bytes.ends_with(b"0\r\n\r\n"), "the end should be missing");
    assert!(proxy.record().aborted);
}

#[test]
fn p11_every_split_of_a_small_body_is_filtered_alike() {
    let body = "{\"id\": 1, \"ssn\": \"CANARY\"}";
    for split in 1..body.len() {
        let (more, pieces) = channel();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len()).into_bytes();
        for piece in [
            head.as_bytes().to_vec(),
            chunk(&body[..split]),
            chunk(&body[split..]),
            b"0\r\n\r\n".to_vec(),
        ] {
            more.send(piece).unwrap();
        }
        drop(more);
        let pieces = Mutex::new(Some(pieces));
        let upstream =
            Upstream::scripted(move |_, _| Answer::Pieces(pieces.lock().unwrap().take().unwrap()));
        let response = ask(&guard(&upstream), "GET", "", "");
        assert_eq!(response.body, "{\"id\": 1}", "split at {split}");
    }
}

#[test]
fn p10_a_field_that_may_not_be_written_is_named_and_nothing_is_sent() {
    let upstream = Upstream::json("{}");
    let proxy = guard(&upstream);
    let response = ask(&proxy, "POST", JSON, "{\"name\": \"x\", \"s\\u0073n\": 1}");
    assert_eq!(response.status, 403);
    assert!(response.body.contains("\"errors\":[{\"pointer\":\"/ssn\"}]"), "{}", response.body);
    assert_eq!(proxy.record().reason, Reason::FieldNotWritable);
    for (fields, body, status) in [
        ("", "{}", 415),
        ("Content-Type: text/plain\r\n", "{}", 415),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "{}", 415),
        ("Content-Type: application/json-patch+json\r\n", "[]", 415),
        ("Content-Type: application/strategic-merge-patch+json\r\n", "{}", 415),
        (JSON, "{\"a\": 1, \"a\": 2}", 400),
        (JSON, "{", 400),
        (JSON, "{} x", 400),
    ] {
        let response = ask(&proxy, "POST", fields, body);
        assert_eq!(response.status, status, "{fields}{body}");
    }
    let put = ask(&proxy, "PUT", JSON, "{\"a\": 1}");
    assert_eq!(put.status, 409);
    upstream.assert_untouched();
}

#[test]
fn p10_a_merged_put_erases_nothing_that_is_hidden() {
    let policy = NO_SSN.replace(
        "properties: {ssn: false}",
        "properties: {card: {type: [object, \"null\"], additionalProperties: true, \
         properties: {number: false}}}",
    );
    let upstream = Upstream::json("{}");
    let url = format!("http://{}", upstream.address);
    let merged = format!("{policy}routes:\n  - {{match: \"/**\", update: merge}}\n");
    let proxy = Proxy::with(&merged, &url, Limits::default());
    for (body, status) in [("{\"card\": null}", 403), ("{\"card\": {\"brand\": \"x\"}}", 200)] {
        assert_eq!(ask(&proxy, "PUT", JSON, body).status, status, "{body}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn p10_p11_an_object_sent_to_a_list_is_checked_and_its_echo_filtered() {
    // The policy says where the objects of a list are, but a POST sends one, and gets one back.
    let policy = NO_SSN.replace("\"/*\"", "\"/data/*\"");
    let upstream = Upstream::json("{\"id\": 1, \"ssn\": \"CANARY\"}");
    let url = format!("http://{}", upstream.address);
    let proxy = Proxy::with(&policy, &url, Limits::default());
    let post = |body: &str| {
        let length = body.len();
        proxy.once(&format!(
            "POST /customers HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\n{JSON}\
             Content-Length: {length}\r\n\r\n{body}"
        ))
    };
    for (body, pointer) in [
        ("{\"name\": \"x\", \"ssn\": 1}", "/ssn"),
        ("{\"data\": [], \"ssn\": 1}", "/ssn"),
        ("{\"data\": [{\"ssn\": 1}]}", "/data/0/ssn"),
    ] {
        let response = post(body);
        assert_eq!(response.status, 403, "{body}");
        assert!(response.body.contains(&format!("\"{pointer}\"")), "{}", response.body);
    }
    assert_eq!(upstream.requests().len(), 0);
    let response = post("{\"name\": \"x\"}");
    assert_eq!((response.status, response.body.as_str()), (200, "{\"id\": 1}"));
}

#[test]
fn p10_what_was_checked_is_what_is_sent() {
    let upstream = Upstream::json("{}");
    let proxy = guard(&upstream);
    let mut client = proxy.connect();
    client.send(format!(
        "POST /customers/1 HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\n{JSON}\
         Transfer-Encoding: chunked\r\n\r\n4\r\n{{\"a\"\r\n6\r\n : 1.0\r\n1\r\n}}\r\n0\r\n\r\n"
    ));
    assert_eq!(client.response().status, 200);
    let request = upstream.only_request();
    assert!(request.contains("\r\ncontent-length: 11\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"a\" : 1.0}"), "{request}");
    assert_eq!(
        ask(&proxy, "PATCH", "Content-Type: application/merge-patch+json\r\n", "{\"a\": null}")
            .status,
        200
    );
    assert_eq!(ask(&proxy, "DELETE", "", "").status, 200);
}

#[test]
fn p13_a_body_that_is_read_is_bounded() {
    let upstream = Upstream::json("{}");
    let limits = Limits { max_body: 1000, ..Limits::default() };
    let proxy = Proxy::with(NO_SSN, &format!("http://{}", upstream.address), limits);
    for (length, status) in [(999, 200), (1000, 200), (1001, 413)] {
        let body = format!("{{\"a\": \"{}\"}}", "x".repeat(length - 9));
        assert_eq!(body.len(), length);
        assert_eq!(ask(&proxy, "POST", JSON, &body).status, status, "{length}");
        let mut client = proxy.connect();
        client.send(format!(
            "POST /customers/1 HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\n{JSON}\
             Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ));
        assert_eq!(client.response().status, status, "{length}, in chunks");
    }
    assert_eq!(upstream.requests().len(), 4);
}
