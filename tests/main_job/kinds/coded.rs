//! Bodies that come with a content coding although none was asked for: decoded within bounds,
//! filtered, and encoded again as the client accepts it.

use super::{READ, WRITTEN, answer, chunk, coded, peak_kib, plain};
use crate::main_job::{Api, assert_problem, bearer};
use crate::support::{Client, Response, Upstream, client, h2};

const RULES: &str = r#"
roles:
  - {id: support, grants: [{path: "/items/**", access: cru}], schemas: [support]}
  - {id: owner, grants: [{path: "/items/**", access: cru}]}
schemas:
  - {id: support, type: item, body: {type: object, additionalProperties: true, properties: {key: false}}}
resource_types:
  - {id: item, at: [{path: "/items", pointer: "/*"}, {path: "/items/{id}", pointer: ""}]}
"#;

const ITEM: &str = r#"{"id": 1, "key": "CANARY", "name": "Ann"}"#;
const SEEN: &str = r#"{"id": 1, "name": "Ann"}"#;

/// Some upstream, and limits of our own.
fn limited(upstream: Upstream, limits: &[(&str, &str)]) -> Api {
    super::started(upstream, RULES, limits)
}

fn answering(status: u16, coding: &str, body: &[u8]) -> Api {
    Api::over(Upstream::fixed(encoded(status, coding, body)), RULES)
}

fn encoded(status: u16, coding: &str, body: &[u8]) -> Vec<u8> {
    let fields = [("Content-Type", "application/json"), ("Content-Encoding", coding)];
    answer(status, &[&fields[..], &[("ETag", "\"x\"")]].concat(), body)
}

/// The answer's text, its coding taken off.
#[track_caller]
fn seen(answer: &Response) -> String {
    plain(answer.header("content-encoding"), &answer.body)
}

#[test]
fn p11_encoded_bodies_are_decoded_filtered_and_encoded_again() {
    for was in READ {
        let api = answering(200, was, &coded(was, ITEM));
        for accept in ["", "gzip", "br", "zstd", "deflate", "gzip, deflate, br, zstd", "gzip;q=0"] {
            let fields: &[(&str, &str)] =
                if accept.is_empty() { &[] } else { &[("Accept-Encoding", accept)] };
            let answer = api.call_with("ana:support", "GET", "/items/1", fields);
            let now = match accept {
                "gzip" | "br" | "zstd" => Some(accept),
                "gzip, deflate, br, zstd" if was == "deflate" => Some("zstd"),
                "gzip, deflate, br, zstd" => Some(was),
                _ => None,
            };
            assert_eq!(answer.status, 200, "{was} for `{accept}`: {answer:?}");
            assert_eq!(answer.header("content-encoding"), now, "{was} for `{accept}`");
            assert_eq!(seen(&answer), SEEN, "{was} for `{accept}`");
            let vary = answer.head.fields.all("vary").join(", ");
            assert_eq!(vary, "authorization, accept-encoding", "{was} for `{accept}`");
            assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
            assert_eq!(answer.header("etag"), None);
        }
        let token = bearer("ana:support");
        let fields = [("authorization", token.as_str()), ("accept-encoding", "gzip")];
        let two = h2::call(api.proxy.address, "GET", "/items/1", &fields);
        assert_eq!(plain(Some("gzip"), &two.body), SEEN, "{was} over HTTP/2");
        for request in api.upstream.requests() {
            assert_eq!(request.fields.get("accept-encoding"), Some("identity"));
        }
    }
}

/// A body that came without a coding goes without one, whatever the client likes.
#[test]
fn p11_what_was_not_encoded_stays_so() {
    let api = Api::over(Upstream::json(ITEM), RULES);
    let gzip = [("Accept-Encoding", "gzip")];
    let answer = api.call_with("ana:support", "GET", "/items/1", &gzip);
    assert_eq!((answer.text(), answer.header("content-encoding")), (SEEN, None));
    assert_eq!(answer.header("vary"), Some("authorization"));
}

/// Where nothing is hidden the bytes are the upstream's own, also such that nobody can decode.
#[test]
fn where_nothing_is_hidden_codings_pass_untouched() {
    for (coding, body) in [("gzip", coded("gzip", ITEM)), ("exi", b"any".to_vec())] {
        let api = answering(200, coding, &body);
        let answer = api.call("ana:owner", "GET", "/items/1");
        assert_eq!((answer.status, &answer.body), (200, &body));
        assert_eq!(answer.header("content-encoding"), Some(coding));
        assert_eq!(answer.header("etag"), Some("\"x\""));
    }
}

/// In monitor mode they pass as they came, and what would have gone is counted all the same.
#[test]
fn encoded_bodies_are_watched_too() {
    let rules = format!("mode: monitor\n{RULES}");
    for (coding, reason) in READ.iter().map(|coding| (*coding, "granted")).chain([("exi", "shape")])
    {
        let body = coded(coding, ITEM);
        let upstream = Upstream::fixed(encoded(200, coding, &body));
        let api = super::started(upstream, &rules, &[("ALLOW_MONITOR", "true")]);
        let answer = api.call("ana:support", "GET", "/items/1");
        assert_eq!((&answer.body, answer.header("content-encoding")), (&body, Some(coding)));
        let line = api.proxy.wait_for_line(&format!("\"monitored\":\"{reason}\""));
        let removed = if reason == "granted" { 1 } else { 0 };
        assert!(line.contains(&format!("\"removed\":{removed},")), "{line}");
    }
}

#[test]
fn p11_unknown_doubled_and_broken_codings_are_502() {
    let gzip = coded("gzip", ITEM);
    let (bare, end) = (&gzip[10..gzip.len() - 8], gzip.len());
    for (coding, body) in [
        ("compress", &gzip[..]),
        ("gzip, gzip", &coded("gzip", &gzip)),
        ("gzip, identity", &gzip),
        ("gzip\r\nContent-Encoding: gzip", &coded("gzip", &gzip)),
        ("", &gzip),
        ("deflate", bare),
        ("deflate", &gzip),
        ("br", ITEM.as_bytes()),
        ("zstd", ITEM.as_bytes()),
        ("gzip", ITEM.as_bytes()),
        ("gzip", &gzip[..end - 1]),
        ("gzip", &gzip[..end - 9]),
        ("gzip", &[&gzip[..], b"{\"key\":\"CANARY\"}"].concat()),
        ("gzip", &[&gzip[..end - 1], b"x"].concat()),
        ("gzip", &[&gzip[..], &gzip[..]].concat()),
        ("br", &[&coded("br", ITEM)[..], b"x"].concat()),
        ("zstd", &coded("zstd", &ITEM[..ITEM.len() - 1])),
    ] {
        let api = answering(200, coding, body);
        let read = api.call("ana:support", "GET", "/items/1");
        assert_eq!(read.status, 502, "{coding}: {}", read.body.escape_ascii());
        assert_problem("GET", &read);
        let written = api.send("ana:support", "PATCH", "/items/1", "{}");
        assert_eq!(written.status, 200, "{coding}");
        assert_problem("PATCH", &written);
        assert_eq!(written.header("content-encoding"), None, "{coding}");
        let all = format!("{read:?}{}{written:?}{}", read.text(), written.text());
        assert!(!all.contains("CANARY"), "{all}");
    }
}

/// RFC 1952 section 2.2: members one after the other are one body.
#[test]
fn p11_members_and_frames_are_one_body() {
    let (left, right) = ITEM.split_at(20);
    for coding in ["gzip", "zstd"] {
        let body = [coded(coding, left), coded(coding, ""), coded(coding, right)].concat();
        let answer = answering(200, coding, &body).call("ana:support", "GET", "/items/1");
        assert_eq!((answer.status, answer.text()), (200, SEEN), "{coding}");
    }
}

#[test]
fn p11_errors_and_empty_bodies_with_a_coding_are_filtered_too() {
    let body = r#"{"error": {"key": "CANARY", "code": 7}}"#;
    for coding in READ {
        let api = answering(404, coding, &coded(coding, body));
        let gzip = [("Accept-Encoding", "gzip")];
        let answer = api.call_with("ana:support", "GET", "/items/1", &gzip);
        assert_eq!(answer.status, 404);
        assert_eq!(seen(&answer), r#"{"error": { "code": 7}}"#);
        let text = [("Content-Type", "text/html"), ("Content-Encoding", coding)];
        let html = super::answer(404, &text, &coded(coding, "<p>CANARY"));
        let answer = Api::over(Upstream::fixed(html), RULES).call("ana:support", "GET", "/items/1");
        assert_eq!((answer.status, answer.header("content-encoding")), (404, None));
        assert_problem("GET", &answer);
        let answer = answering(200, coding, b"").call("ana:support", "GET", "/items/1");
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        assert_eq!(answer.header("content-encoding"), None);
    }
}

#[test]
fn p11_head_has_the_coding_that_get_has() {
    let upstream = Upstream::with(|request| {
        let mut whole = encoded(200, "gzip", &coded("gzip", ITEM));
        if request.method == "HEAD" {
            let end = whole.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
            whole.truncate(end + 4);
        }
        whole
    });
    let api = Api::over(upstream, RULES);
    for accept in ["gzip", "br", "identity"] {
        let fields = [("Accept-Encoding", accept)];
        let [get, head] =
            ["GET", "HEAD"].map(|method| api.call_with("ana:support", method, "/items/1", &fields));
        for name in ["content-encoding", "content-type", "etag"] {
            assert_eq!(get.header(name), head.header(name), "{accept}: {name}");
        }
        assert_eq!(get.head.fields.all("vary"), head.head.fields.all("vary"));
    }
    let head = answering(200, "exi", b"").call("ana:support", "HEAD", "/items/1");
    assert_eq!(head.status, 502);
}

/// The smallest setting, so that the whole of it is looked at before a head goes out.
#[test]
fn p13_a_decoded_body_is_within_its_limit() {
    let item = |length: usize| format!("{{\"id\":\"{}\"}}", "x".repeat(length - 9));
    let limits = [("LIMITS_INFLATE", "64KiB"), ("LIMITS_INFLATE_RATIO", "100000")];
    for coding in READ {
        for (length, status) in [(65_535, 200), (65_536, 200), (65_537, 502)] {
            let body = coded(coding, item(length));
            let api = limited(Upstream::fixed(encoded(200, coding, &body)), &limits);
            let answer = api.call("ana:support", "GET", "/items/1");
            assert_eq!(answer.status, status, "{coding}, {length}");
            assert!(status != 200 || answer.body.len() == length);
        }
    }
}

#[test]
fn p13_bombs_end_before_they_are_unpacked() {
    let hidden = format!("{{\"key\": \"CANARY{}\", \"id\": 1}}", "x".repeat(30_000_000));
    let shown = format!("{{\"id\": \"{}\"}}", " ".repeat(30_000_000));
    for coding in READ {
        for body in [&hidden, &shown] {
            let api = answering(200, coding, &coded(coding, body));
            let before = peak_kib(api.proxy.pid());
            let mut client = Client::connect(api.proxy.address);
            let token = bearer("ana:support");
            client.send(client::head("GET", "/items/1", &[("Authorization", &token)], None));
            match client.try_read() {
                Ok(whole) => assert_eq!(whole.status, 502, "{coding}"),
                Err(cut) => assert!(cut.body.len() < 8_000_000, "{coding}: {}", cut.body.len()),
            }
            let grown = peak_kib(api.proxy.pid()) - before;
            assert!(grown < 8 * 1024, "{coding}: {grown} KiB");
        }
    }
}

/// About 64 KiB of items.
fn items(from: usize) -> String {
    let one = |id: usize| {
        let noise = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!(
            "{{\"id\":{id},\"key\":\"CANARY-{id}\",\"text\":\"{noise:x}{}\"}},",
            "x".repeat(180)
        )
    };
    (from..from + 256).map(one).collect()
}

/// 20 MB that come to a fraction: decoded, filtered, encoded, never held.
#[test]
fn p11_p13_a_large_encoded_body_streams_and_memory_stays_flat() {
    let mut list = String::from("[");
    (0..320).for_each(|block| list += &items(block * 256));
    list += "{\"id\":-1}]";
    for (was, accept) in [("zstd", "gzip"), ("gzip", "br"), ("br", "zstd"), ("deflate", "identity")]
    {
        let (upstream, pieces) = Upstream::in_pieces();
        let api = Api::over(upstream, RULES);
        let token = bearer("ana:support");
        let mut client = Client::connect(api.proxy.address);
        let fields = [("Authorization", token.as_str()), ("Accept-Encoding", accept)];
        client.send(client::head("GET", "/items", &fields, None));
        api.upstream.wait_for(1);
        let before = peak_kib(api.proxy.pid());
        pieces.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {was}\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        ));
        for part in coded(was, &list).chunks(10_000) {
            pieces.send(chunk(part));
        }
        pieces.send("0\r\n\r\n");
        pieces.done();
        let answer = client.read();
        let grown = peak_kib(api.proxy.pid()).saturating_sub(before);
        assert!(grown < 16 * 1024, "{was} to {accept}: {grown} KiB more");
        let seen = seen(&answer);
        assert!(seen.len() > 14_000_000 && !seen.contains("CANARY"), "{was} to {accept}");
        let count = serde_json::from_str::<serde_json::Value>(&seen).expect("JSON");
        assert_eq!(count.as_array().map(Vec::len), Some(320 * 256 + 1), "{was} to {accept}");
    }
}

#[test]
fn p11_a_large_encoded_body_that_breaks_is_cut() {
    let list = format!("[{}{}", items(0), items(256));
    for was in READ {
        for (tail, cut, trailer) in [
            ("{\"id\":1}] {\"key\":\"CANARY\"}", 0, ""),
            ("{\"id\":01}]", 0, ""),
            ("\"CANARY\"]", 0, ""),
            ("{\"id\":1}]", 1, ""),
            ("{\"id\":1}]", 0, "CANARY"),
        ] {
            let mut body = coded(was, format!("{list}{tail}"));
            body.truncate(body.len() - cut);
            body.extend(trailer.as_bytes());
            let api = answering(200, was, &body);
            for accept in ["identity"].iter().chain(&WRITTEN) {
                let mut client = Client::connect(api.proxy.address);
                let token = bearer("ana:support");
                let fields = [("Authorization", token.as_str()), ("Accept-Encoding", accept)];
                client.send(client::head("GET", "/items", &fields, None));
                match client.try_read() {
                    Ok(whole) => assert_eq!(whole.status, 502, "{was} to {accept}: {tail}"),
                    Err(cut) => {
                        let text = String::from_utf8_lossy(&cut.body);
                        assert!(!text.contains("CANARY"), "{was} to {accept}: {tail}");
                    }
                }
            }
        }
    }
}
