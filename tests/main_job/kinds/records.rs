//! Streams of records on a route of `events`: each is filtered by the caller's mask as it comes and
//! goes out when it is whole.

use super::{READ, WRITTEN, answer, chunk, coded, plain};
use crate::main_job::{Api, assert_problem, bearer};
use crate::support::proxy::run_in;
use crate::support::upstream::{Pieces, json_response};
use crate::support::{Client, Upstream, client, eventually, h2};

const RULES: &str = r#"
routes:
  - {match: "/**"}
  - {match: "/feed/**", response: events, sentinels: ["[DONE]"]}
roles:
  - {id: support, grants: [{path: "/feed/**", access: cru}, {path: "/plain", access: r}], schemas: [support]}
  - {id: mine, grants: [{path: "/feed/items", access: r, keep: {field: /owner, in: subject.id}}]}
  - {id: owner, grants: [{path: "/feed/**", access: cru}]}
schemas:
  - {id: support, type: item, body: {type: object, additionalProperties: true, properties: {key: false}}}
resource_types:
  - {id: item, at: [{path: "/feed/items", pointer: ""}, {path: "/feed/lists", pointer: "/data/*"}, {path: "/plain", pointer: ""}]}
"#;

/// A kind, what it sends, and what is seen of it.
const KINDS: [(&str, &str, &str); 4] = [
    (
        "application/x-ndjson",
        "{\"id\":1,\"key\":\"CANARY\"}\n\n{\"key\":\"CANARY\",\"id\": 2}\n",
        "{\"id\":1}\n{\"id\": 2}\n",
    ),
    (
        "application/json-seq",
        "\x1e{\"id\":1,\"key\":\"CANARY\"}\n\x1e{\"key\":\"CANARY\",\"id\": 2}\n",
        "\x1e{\"id\":1}\n\x1e{\"id\": 2}\n",
    ),
    (
        "text/event-stream",
        "\u{feff}: CANARY\r\nevent: add\r\nid: 7\r\nx: CANARY\r\ndata: {\"id\":1,\"key\":\"CANARY\"}\r\n\r\n\
         data: {\"key\":\ndata: \"CANARY\",\ndata: \"id\": 2}\n\ndata: [DONE]\n\n",
        "event: add\nid: 7\ndata: {\"id\":1}\n\ndata: {\ndata: \"id\": 2}\n\ndata: [DONE]\n\n",
    ),
    (
        "application/json",
        "{\"id\":1,\"key\":\"CANARY\"}{\"key\":\"CANARY\",\"id\": 2}",
        "{\"id\":1}\n{\"id\": 2}\n",
    ),
];

fn streamed(kind: &str, fields: &[(&str, &str)], chunks: &[&[u8]]) -> Vec<u8> {
    let mut bytes = head(kind, fields).into_bytes();
    chunks.iter().for_each(|part| bytes.extend(chunk(part)));
    bytes.extend(b"0\r\nX-Trailer: CANARY\r\n\r\n");
    bytes
}

fn head(kind: &str, fields: &[(&str, &str)]) -> String {
    let mut head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nETag: \"x\"\r\nTransfer-Encoding: chunked\r\n"
    );
    fields.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    head + "\r\n"
}

/// A request whose response comes in pieces.
fn opened(who: &str, target: &str, fields: &[(&str, &str)]) -> (Api, Pieces, Client) {
    let (upstream, pieces) = Upstream::in_pieces();
    let api = Api::over(upstream, RULES);
    let mut client = Client::connect(api.proxy.address);
    let token = bearer(who);
    let all = [&[("Authorization", token.as_str())][..], fields].concat();
    client.send(client::head("GET", target, &all, None));
    api.upstream.wait_for(1);
    (api, pieces, client)
}

#[test]
fn p11_every_kind_is_filtered_record_by_record_in_any_chunks() {
    for (kind, sent, shown) in KINDS {
        for size in [1, 3, 10, 1_000] {
            let chunks: Vec<&[u8]> = sent.as_bytes().chunks(size).collect();
            let api = Api::over(Upstream::fixed(streamed(kind, &[], &chunks)), RULES);
            let seen = api.call("ana:support", "GET", "/feed/items");
            assert_eq!((seen.status, seen.text()), (200, shown), "{kind} by {size}");
            assert_eq!(seen.header("content-type"), Some(kind));
            assert_eq!((seen.header("etag"), seen.trailers.0.len()), (None, 0));
            assert_eq!(seen.header("cache-control"), Some("private, no-store"));
            let token = bearer("ana:support");
            let fields = [("authorization", token.as_str())];
            let two = h2::call(api.proxy.address, "GET", "/feed/items", &fields);
            assert_eq!(&two.body[..], shown.as_bytes(), "{kind} by {size} over HTTP/2");
            let line = api.proxy.wait_for_line("\"removed\":2");
            assert!(line.contains("\"aborted\":false"), "{line}");
        }
        let sized = answer(200, &[("Content-Type", kind)], sent.as_bytes());
        let seen =
            Api::over(Upstream::fixed(sized), RULES).call("ana:support", "GET", "/feed/items");
        assert_eq!((seen.status, seen.text()), (200, shown), "{kind} with a length");
        let written = Api::over(Upstream::fixed(streamed(kind, &[], &[sent.as_bytes()])), RULES)
            .send("ana:support", "POST", "/feed/items", "{\"id\":1}");
        assert_eq!((written.status, written.text()), (200, shown), "{kind} after a write");
    }
}

/// All of it again for whoever sees everything: not a byte is changed, whatever it is.
#[test]
fn where_nothing_is_hidden_streams_pass_untouched() {
    for kind in ["application/x-ndjson", "text/event-stream", "text/plain"] {
        let api = Api::over(Upstream::fixed(streamed(kind, &[], &[b": any\n", b"bytes"])), RULES);
        let seen = api.call_with("ana:owner", "GET", "/feed/items", &[("Accept", "text/x")]);
        assert_eq!((seen.text(), seen.header("etag")), (": any\nbytes", Some("\"x\"")));
        assert_eq!(api.upstream.request().fields.get("accept"), Some("text/x"));
    }
}

#[test]
fn p11_every_coding_of_every_kind_hides_the_same() {
    for (kind, sent, shown) in KINDS {
        for was in READ {
            let body = coded(was, sent);
            let chunks: Vec<&[u8]> = body.chunks(7).collect();
            let coding = [("Content-Encoding", was)];
            let api = Api::over(Upstream::fixed(streamed(kind, &coding, &chunks)), RULES);
            for accept in ["identity"].iter().chain(&WRITTEN) {
                let fields = [("Accept-Encoding", *accept)];
                let seen = api.call_with("ana:support", "GET", "/feed/items", &fields);
                let coding = seen.header("content-encoding");
                assert_eq!(coding.unwrap_or("identity"), *accept, "{kind}, {was}");
                assert_eq!(plain(coding, &seen.body), shown, "{kind}, {was} to {accept}");
            }
        }
    }
}

/// The first record is with the client before the upstream has sent the second.
#[test]
fn p11_a_record_goes_out_when_it_is_whole() {
    for (kind, first, second, [one, two]) in [
        (
            "application/x-ndjson",
            "{\"id\":1,\"key\":\"CANARY\"}\n{\"key\":",
            "\"CANARY\"}\n",
            ["{\"id\":1}\n", "{}\n"],
        ),
        (
            "application/json-seq",
            "\x1e{\"id\":1,\"key\":\"CANARY\"}\n",
            "\x1e{}\n",
            ["\x1e{\"id\":1}\n", "\x1e{}\n"],
        ),
        (
            "text/event-stream",
            "data: {\"id\":1,\"key\":\"CANARY\"}\n\ndata: {\"key\":\n",
            "data: 1}\n\n",
            ["data: {\"id\":1}\n\n", "data: {}\n\n"],
        ),
        ("application/json", "{\"id\":1,\"key\":\"CANARY\"}", "{}", ["{\"id\":1}\n", "{}\n"]),
    ] {
        let (api, pieces, mut client) = opened("ana:support", "/feed/items", &[]);
        pieces.send(head(kind, &[]));
        let head = client.read_head();
        assert_eq!(head.start, "HTTP/1.1 200 OK", "{kind}: before any record");
        pieces.send(chunk(first.as_bytes()));
        assert_eq!(client.read_chunk(), one.as_bytes(), "{kind}");
        pieces.send(chunk(second.as_bytes()));
        assert_eq!(client.read_chunk(), two.as_bytes(), "{kind}");
        pieces.send("0\r\n\r\n");
        pieces.done();
        assert_eq!(client.read_chunk(), b"", "{kind}");
        drop(api);
    }
}

/// The same through a coding: what the upstream flushed is flushed.
#[test]
fn p11_encoded_records_are_flushed_each_by_itself() {
    for accept in WRITTEN {
        let (_api, pieces, mut client) =
            opened("ana:support", "/feed/items", &[("Accept-Encoding", accept)]);
        pieces.send(head("application/x-ndjson", &[("Content-Encoding", "gzip")]));
        assert_eq!(client.read_head().fields.get("content-encoding"), Some(accept));
        // Each a member of its own, which is complete when it has come.
        let mut seen = Vec::new();
        for number in 0..3 {
            let record = format!("{{\"id\":{number},\"key\":\"CANARY\"}}\n");
            pieces.send(chunk(&coded("gzip", record)));
            seen.extend(client.read_chunk());
            let so_far: String = (0..=number).map(|n| format!("{{\"id\":{n}}}\n")).collect();
            assert_eq!(super::begun(accept, &seen), so_far, "{accept}");
        }
    }
}

#[test]
fn p11_a_record_that_is_not_valid_ends_the_stream() {
    for (kind, good, shown) in [
        ("application/x-ndjson", "{\"id\":1}\n", "{\"id\":1}\n"),
        ("application/json-seq", "\x1e{\"id\":1}\n", "\x1e{\"id\":1}\n"),
        ("text/event-stream", "data: {\"id\":1}\n\n", "data: {\"id\":1}\n\n"),
        ("application/json", "{\"id\":1}", "{\"id\":1}\n"),
    ] {
        for bad in [
            "CANARY\n\n",
            "data: CANARY\n\n",
            "data: {\"key\":\"CANARY\"\n\n",
            "{\"id\":01,\"key\":\"CANARY\"}\n",
            "{\"key\":1,\"key\":\"CANARY\"}\n",
            "\x1e{\"key\":\"CANARY\"\x1e{}\n",
            "[\"CANARY\"]\n",
            "{\"key\":\"CANARY",
            "data: {\"key\":\"CANARY\"}",
        ] {
            let fits = kind == "text/event-stream" && !bad.contains("data:");
            let bad = if fits { format!("data: {bad}\n") } else { bad.to_owned() };
            for (apart, more) in [(true, ""), (false, ""), (false, good)] {
                let (api, pieces, mut client) = opened("ana:support", "/feed/items", &[]);
                let bad = format!("{bad}{more}");
                pieces.send(head(kind, &[]));
                match apart {
                    true => {
                        [good, &bad].iter().for_each(|part| pieces.send(chunk(part.as_bytes())))
                    }
                    false => pieces.send(chunk(format!("{good}{bad}").as_bytes())),
                }
                pieces.send("0\r\n\r\n");
                pieces.done();
                let cut = client.read_cut();
                assert_eq!(String::from_utf8_lossy(&cut.body), shown, "{kind}: {bad:?}");
                let line = api.proxy.wait_for_line("\"aborted\":true");
                assert!(line.contains("\"status\":200"), "{line}");
            }
        }
    }
}

/// The upstream breaks off between two records: whoever reads must know.
#[test]
fn p11_a_stream_that_breaks_off_is_cut() {
    for (kind, sent, shown) in KINDS {
        let (_api, pieces, mut client) = opened("ana:support", "/feed/items", &[]);
        pieces.send(head(kind, &[]));
        pieces.send(chunk(sent.as_bytes()));
        pieces.close();
        assert_eq!(String::from_utf8_lossy(&client.read_cut().body), shown, "{kind}");
    }
}

#[test]
fn p11_kinds_that_are_not_declared_or_not_read_are_502() {
    for (kind, target) in [
        ("application/x-ndjson", "/plain"),
        ("application/json-seq", "/plain"),
        ("text/event-stream", "/plain"),
        ("text/plain", "/feed/items"),
        ("text/event-stream; charset=utf-16", "/feed/items"),
        ("multipart/x-mixed-replace", "/feed/items"),
        ("text/event-stream\r\nContent-Encoding: exi", "/feed/items"),
        ("text/event-stream\r\nContent-Encoding: gzip, gzip", "/feed/items"),
    ] {
        let sent = streamed(kind, &[], &[b"data: {\"key\":\"CANARY\"}\n\n"]);
        let seen = Api::over(Upstream::fixed(sent), RULES).call("ana:support", "GET", target);
        assert_eq!(seen.status, 502, "{kind} at {target}");
        assert_problem("GET", &seen);
    }
    for status in [206, 304] {
        let sent = answer(status, &[("Content-Type", "application/x-ndjson")], b"{}\n");
        let seen =
            Api::over(Upstream::fixed(sent), RULES).call("ana:support", "GET", "/feed/items");
        assert_eq!(seen.status, 502);
    }
    let errors =
        Api::over(Upstream::fixed(json_response(500, "{\"key\":\"CANARY\",\"e\":1}")), RULES);
    let seen = errors.call("ana:support", "GET", "/feed/items");
    assert_eq!((seen.status, seen.text()), (500, "{\"e\":1}"));
    let lines = answer(500, &[("Content-Type", "application/x-ndjson")], b"{\"key\":\"CANARY\"}\n");
    let seen = Api::over(Upstream::fixed(lines), RULES).call("ana:support", "GET", "/feed/items");
    assert_eq!(seen.status, 500);
    assert_problem("GET", &seen);
}

/// One document on a route of events, of a length that says that it can be held: a clean 502.
#[test]
fn p11_a_plain_document_is_held_as_elsewhere() {
    for (body, status) in [("{\"id\":1,\"key\":\"CANARY\"}", 200), ("{\"key\":\"CANARY\"", 502)] {
        let api = Api::over(Upstream::json(body), RULES);
        let seen = api.call("ana:support", "GET", "/feed/items");
        assert_eq!(seen.status, status);
        assert!(!seen.text().contains("CANARY"));
        if status == 200 {
            assert_eq!((seen.text(), seen.header("content-length")), ("{\"id\":1}\n", Some("9")));
        }
    }
}

/// Where objects are (`at`) is said of each record, as it is of a document elsewhere.
#[test]
fn p11_pointers_speak_of_each_record() {
    let sent =
        "{\"data\":[{\"key\":\"CANARY\"}],\"key\":\"kept\"}\n{\"data\":{\"a\":{\"key\":1}}}\n";
    let sent = streamed("application/x-ndjson", &[], &[sent.as_bytes()]);
    let seen = Api::over(Upstream::fixed(sent), RULES).call("ana:support", "GET", "/feed/lists");
    assert_eq!(seen.text(), "{\"data\":[{}],\"key\":\"kept\"}\n{\"data\":{\"a\":{}}}\n");
    let seen = Api::over(Upstream::fixed(streamed("application/x-ndjson", &[], &[])), RULES).call(
        "ana:support",
        "GET",
        "/feed/lists",
    );
    assert_eq!((seen.status, seen.text()), (200, ""));
}

/// `keep` speaks of each record: one that it drops goes with everything that is its own.
#[test]
fn p11_records_that_are_not_the_callers_go() {
    let lines = "{\"owner\":\"bob\"}\n{\"owner\":\"ana\",\"n\":1}\n[{\"owner\":\"ana\"},{\"owner\":\"bob\"}]\n";
    let events =
        "id: 1\nevent: CANARY\ndata: {\"owner\":\"bob\"}\n\nid: 2\ndata: {\"owner\":\"ana\"}\n\n";
    for (kind, sent, shown) in [
        ("application/x-ndjson", lines, "{\"owner\":\"ana\",\"n\":1}\n[{\"owner\":\"ana\"}]\n"),
        ("text/event-stream", events, "id: 2\ndata: {\"owner\":\"ana\"}\n\n"),
    ] {
        let rules = RULES.replace("{path: \"/feed/items\", pointer: \"\"}, ", "");
        let sent = streamed(kind, &[], &[sent.as_bytes()]);
        let api = Api::over(Upstream::fixed(sent), &rules);
        let seen = api.call("ana:mine", "GET", "/feed/items");
        assert_eq!((seen.status, seen.text()), (200, shown), "{kind}");
        let none = api.call("eve:mine", "GET", "/feed/items");
        assert!(!none.text().contains("owner"), "{kind}: {}", none.text());
    }
}

#[test]
fn p11_the_upstream_is_asked_for_records() {
    let api = Api::over(Upstream::fixed(streamed("text/event-stream", &[], &[])), RULES);
    let all = "text/event-stream, application/x-ndjson, application/jsonl, application/json-seq, \
               application/json;q=0.9";
    for (accept, asked) in [
        ("text/event-stream", "text/event-stream"),
        ("text/html, application/x-ndjson;q=0.5, */*", "application/x-ndjson;q=0.5"),
        ("text/html", all),
    ] {
        let fields = [("Accept", accept), ("Last-Event-ID", "7"), ("Range", "bytes=0-1")];
        api.call_with("ana:support", "GET", "/feed/items", &fields);
        let request = api.upstream.requests().pop().expect("a request").fields;
        assert_eq!(request.get("accept"), Some(asked));
        assert_eq!(request.get("accept-encoding"), Some("identity"));
        assert_eq!((request.get("last-event-id"), request.get("range")), (Some("7"), None));
    }
}

#[test]
fn p11_head_of_a_stream_says_what_get_does() {
    let upstream = Upstream::with(|request| match request.method.as_str() {
        "HEAD" => head("text/event-stream", &[("Content-Encoding", "gzip")]).into_bytes(),
        _ => streamed("text/event-stream", &[("Content-Encoding", "gzip")], &[&coded("gzip", "")]),
    });
    let api = Api::over(upstream, RULES);
    let fields = [("Accept-Encoding", "br")];
    let [get, head] =
        ["GET", "HEAD"].map(|method| api.call_with("ana:support", method, "/feed/items", &fields));
    for name in ["content-type", "content-encoding", "etag", "cache-control"] {
        assert_eq!(get.header(name), head.header(name), "{name}");
    }
    assert_eq!((head.body.len(), head.header("content-encoding")), (0, Some("br")));
}

/// In monitor mode they pass as they came, each piece at once, and what would have gone is counted.
#[test]
fn streams_are_watched_too() {
    let rules = format!("mode: monitor\n{RULES}");
    for (kind, sent, _) in KINDS {
        let sent = streamed(kind, &[], &[sent.as_bytes()]);
        let api =
            super::started(Upstream::fixed(sent.clone()), &rules, &[("ALLOW_MONITOR", "true")]);
        let seen = api.call("ana:support", "GET", "/feed/items");
        assert!(sent.windows(seen.body.len()).any(|part| part == &seen.body[..]), "{kind}");
        let line = api.proxy.wait_for_line("\"monitored\":\"granted\"");
        assert!(line.contains("\"removed\":2,"), "{kind}: {line}");
    }
    let bad = streamed("application/x-ndjson", &[], &[b"{\"key\":1}\nCANARY\n"]);
    let api = super::started(Upstream::fixed(bad), &rules, &[("ALLOW_MONITOR", "true")]);
    assert!(api.call("ana:support", "GET", "/feed/items").text().ends_with("CANARY\n"));
    api.proxy.wait_for_line("\"monitored\":\"shape\"");
}

/// Somebody who goes away ends the upstream's stream as well.
#[test]
fn p14_a_client_that_leaves_a_stream_ends_it() {
    let (api, pieces, mut client) = opened("ana:support", "/feed/items", &[]);
    pieces.send(head("text/event-stream", &[]));
    pieces.send(chunk(b"data: {}\n\n"));
    client.read_head();
    assert_eq!(client.read_chunk(), b"data: {}\n\n");
    assert_eq!(api.upstream.open_connections(), 1);
    drop(client);
    eventually(|| {
        pieces.send(chunk(b": still here\n"));
        match api.proxy.log().iter().any(|line| line["aborted"] == true) {
            true => Ok(()),
            false => Err(api.proxy.log()),
        }
    });
}

/// A record has the limit of an object, 1 MiB; what is longer is never half shown.
#[test]
fn p13_a_record_that_is_too_long_ends_the_stream() {
    let limit = 1024 * 1024;
    for (length, fits) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
        let record = format!("{{\"id\":\"{}\"}}", "x".repeat(length - 9));
        let body = format!("{{\"id\":1}}\n{record}\n");
        let chunks: Vec<&[u8]> = body.as_bytes().chunks(60_000).collect();
        let sent = streamed("application/x-ndjson", &[], &chunks);
        let api = Api::over(Upstream::fixed(sent), RULES);
        let mut client = Client::connect(api.proxy.address);
        let token = bearer("ana:support");
        client.send(client::head("GET", "/feed/items", &[("Authorization", &token)], None));
        match client.try_read() {
            Ok(whole) => assert!(fits && whole.body.len() == body.len(), "{length}"),
            Err(cut) => assert!(!fits && cut.body == b"{\"id\":1}\n", "{length}"),
        }
    }
}

/// `explain --response` and the proxy are one filter.
#[test]
fn what_is_explained_of_a_stream_is_what_the_proxy_does() {
    let api = Api::start(RULES);
    for (kind, sent, shown) in KINDS {
        let explained = explain(&api, sent);
        assert_eq!(explained["response"]["removed"], serde_json::json!(["/key"]), "{kind}");
        assert_eq!(explained["decision"], "allow", "{kind}");
        assert_eq!(explained["body"], shown, "{kind}");
    }
    let explained = explain(&api, "{\"id\":1}\n{\"key\":\"CANARY\"");
    assert_eq!((&explained["decision"], &explained["reason"]), (&"refuse".into(), &"shape".into()));
    assert!(!explained.to_string().contains("CANARY"), "{explained}");
}

fn explain(api: &Api, response: &str) -> serde_json::Value {
    // Not a file of policies, by its name.
    api.policy.write("response.txt", response);
    let policy = api.policy.path().to_str().expect("UTF-8").to_owned();
    let response = api.policy.join("response.txt").to_str().expect("UTF-8").to_owned();
    let who = ["--user", "ana", "--claim", "roles=support"];
    let what = ["GET", "/feed/items", "--format", "json", "--response", &response];
    let all: Vec<&str> = ["explain", &policy].into_iter().chain(who).chain(what).collect();
    let told = run_in(&api.policy.join(""), &all);
    serde_json::from_slice(&told.stdout).expect("JSON")
}
