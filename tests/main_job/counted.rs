//! `X-Portcullis-Filtered`: callers that a role lets know are told how much was filtered.

use super::Api;
use crate::support::upstream::{chunked_response, json_response, response};
use crate::support::{Client, Upstream, client, h2};

const RULES: &str = r#"
routes:
  - {match: "/**"}
  - {match: "/feed", response: events}
  - {match: "/raw", response: opaque}
roles:
  - {id: knows, filtered_count: true, grants: [{path: "/**", access: cr}], schemas: [no-ssn]}
  - {id: quiet, grants: [{path: "/**", access: cr}], schemas: [no-ssn]}
  - {id: card, grants: [{path: "/items", access: r}], schemas: [no-card]}
  - {id: elsewhere, filtered_count: true, grants: [{path: "/other", access: r}]}
  - {id: mine, filtered_count: true, grants: [{path: "/items", access: r, keep: {field: /owner, in: subject.id}}]}
  - {id: ours, grants: [{path: "/items", access: r, keep: {field: /team, in: [red]}}]}
  - {id: owner, filtered_count: true, grants: [{path: "/**", access: cr}]}
schemas:
  - {id: no-ssn, type: item, redact: null, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
  - {id: no-card, type: item, body: {type: object, additionalProperties: true, properties: {ssn: false, card: false}}}
resource_types:
  - id: item
    elsewhere: pass
    at:
      - {path: "/items", pointer: "/*"}
      - {path: "/items/{id}", pointer: ""}
      - {path: "/feed", pointer: ""}
"#;

const NAME: &str = "x-portcullis-filtered";
const TWO: &str = r#"[{"ssn":1,"owner":"ana","team":"red"},{"ssn":{"a":[2]},"owner":"bob"},{"n":3,"owner":"eve"}]"#;

#[track_caller]
fn counted(api: &Api, who: &str, target: &str) -> Option<String> {
    let answer = api.call(who, "GET", target);
    assert_eq!(answer.status, 200, "{who} {target}: {answer:?}");
    answer.header(NAME).map(String::from)
}

#[test]
fn p11_who_may_know_is_told_how_much_was_filtered() {
    let api = Api::over(Upstream::json(TWO), RULES);
    for (who, count) in [
        ("ana:knows", Some("2")),
        ("ana:knows,quiet", Some("2")),
        ("ana:quiet", None),
        // What it says holds where its grants do.
        ("ana:quiet,elsewhere", None),
        // Of two roles one may let it be known.
        ("ana:card,knows", Some("2")),
        // Nothing is filtered, and nobody has looked.
        ("ana:owner", None),
        // Two rows, which are not the caller's.
        ("ana:mine", Some("2")),
        ("eve:mine", Some("2")),
        // Which of the two let a row through is not known before it is read.
        ("ana:mine,ours", None),
    ] {
        assert_eq!(counted(&api, who, "/items").as_deref(), count, "{who}");
    }
    let one = Api::over(Upstream::json(r#"{"ssn":1,"a":{"ssn":2}}"#), RULES);
    assert_eq!(counted(&one, "ana:knows", "/items/1").as_deref(), Some("1"));
    assert_eq!(one.call("ana:knows", "GET", "/items/1").text(), r#"{"ssn":null,"a":{"ssn":2}}"#);
    let none = Api::over(Upstream::json("{}"), RULES);
    assert_eq!(counted(&none, "ana:knows", "/items/1").as_deref(), Some("0"));
    assert_eq!(counted(&none, "ana:knows", "/raw"), None);
    let echo = none.send("ana:knows", "POST", "/items/1", "{}");
    assert_eq!((echo.status, echo.header(NAME)), (200, Some("0")));
}

#[test]
fn p11_errors_are_counted_and_replaced_bodies_are_not() {
    let error = Api::over(Upstream::fixed(json_response(404, r#"{"e":{"ssn":1},"ssn":2}"#)), RULES);
    let answer = error.call("ana:knows", "GET", "/items/1");
    assert_eq!((answer.status, answer.header(NAME)), (404, Some("2")));
    assert_eq!(error.call("ana:quiet", "GET", "/items/1").header(NAME), None);
    for (status, sent) in [
        (404, response(404, &[("Content-Type", "text/html")], "<p>")),
        (502, json_response(200, "{")),
    ] {
        let answer = Api::over(Upstream::fixed(sent), RULES).call("ana:knows", "GET", "/items/1");
        assert_eq!((answer.status, answer.header(NAME)), (status, None));
        super::assert_problem("GET", &answer);
    }
    let head = Api::over(
        Upstream::fixed("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"),
        RULES,
    );
    assert_eq!(head.call("ana:knows", "HEAD", "/items/1").header(NAME), None);
}

/// It is ours to say: nobody else's word passes, in either direction, for whomever.
#[test]
fn p03_copies_from_elsewhere_are_stripped() {
    let fields = [("Content-Type", "application/json"), ("X-Portcullis-Filtered", "77")];
    let api = Api::over(Upstream::fixed(response(200, &fields, r#"{"ssn":1}"#)), RULES);
    for (who, target, count) in [
        ("ana:knows", "/items/1", Some("1")),
        ("ana:quiet", "/items/1", None),
        ("ana:owner", "/items/1", None),
        ("ana:quiet", "/raw", None),
    ] {
        assert_eq!(counted(&api, who, target).as_deref(), count, "{who} {target}");
    }
    let mut chunked = chunked_response(200, &fields[..1], &[r#"{"ssn":1}"#]);
    chunked.truncate(chunked.len() - 2);
    chunked.extend(b"X-Portcullis-Filtered: 77\r\n\r\n");
    let trailing = Api::over(Upstream::fixed(chunked), RULES);
    for who in ["ana:quiet", "ana:owner"] {
        let answer = trailing.call_with(who, "GET", "/items/1", &[("TE", "trailers")]);
        assert_eq!((answer.header(NAME), answer.trailers.0.len()), (None, 0), "{who}");
    }
    let sent = [("X-Portcullis-Filtered", "1"), ("X_Portcullis_Filtered", "2")];
    api.call_with("ana:owner", "GET", "/items/1", &sent);
    let names = api.upstream.requests().pop().expect("a request").fields.names();
    assert!(!names.iter().any(|name| name.contains("filtered")), "{names:?}");
}

/// Where the head goes out before the end is known, it is said behind the body, to clients that
/// take trailers.
#[test]
fn p11_what_streams_is_counted_behind_the_body() {
    let item = format!(r#"{{"ssn":1,"t":"{}"}}"#, "x".repeat(200));
    let list = format!("[{}]", vec![item.as_str(); 1_000].join(","));
    let lines = "{\"ssn\":1}\n{\"n\":2}\n{\"ssn\":3}\n";
    let json = [("Content-Type", "application/json")];
    let ndjson = [("Content-Type", "application/x-ndjson")];
    for (sent, target, count) in [
        (response(200, &json, &list), "/items", "1000"),
        (
            chunked_response(
                200,
                &json,
                &list
                    .as_bytes()
                    .chunks(9_000)
                    .map(|part| std::str::from_utf8(part).unwrap())
                    .collect::<Vec<_>>(),
            ),
            "/items",
            "1000",
        ),
        (chunked_response(200, &ndjson, &[lines]), "/feed", "2"),
    ] {
        let api = Api::over(Upstream::fixed(sent), RULES);
        for (who, te, told) in [
            ("ana:knows", "trailers", true),
            ("ana:knows", "gzip, Trailers;q=0.5", false),
            ("ana:knows", "gzip, Trailers", true),
            ("ana:knows", "gzip", false),
            ("ana:quiet", "trailers", false),
        ] {
            let answer = api.call_with(who, "GET", target, &[("TE", te)]);
            assert_eq!(answer.header(NAME), None, "{who} {te}: the head was gone by then");
            assert_eq!(answer.trailers.get(NAME), told.then_some(count), "{who} {te}");
            assert_eq!(answer.header("trailer"), told.then_some(NAME), "{who} {te}");
        }
        for (who, told) in [("ana:knows", true), ("ana:quiet", false)] {
            let token = super::bearer(who);
            let fields = [("authorization", token.as_str())];
            let two = h2::call(api.proxy.address, "GET", target, &fields);
            assert_eq!(two.headers.get(NAME), None, "{who}");
            let trailers = two.trailers.unwrap_or_default();
            let count = told.then_some(count.as_bytes());
            assert_eq!(trailers.get(NAME).map(|value| value.as_bytes()), count, "{who}");
        }
    }
}

/// RFC 9112 section 7: HTTP/1.0 knows no trailers; nor does a body that breaks off have any.
#[test]
fn p11_no_count_where_there_is_no_end() {
    let list = format!("[{}", vec![r#"{"ssn":1,"t":"xxxxxxxxxxxxxxxx"}"#; 4_000].join(","));
    let token = super::bearer("ana:knows");
    for (sent, cut) in [(format!("{list}]"), false), (format!("{list},x]"), true)] {
        let api = Api::over(Upstream::json(&sent), RULES);
        let fields = [("Authorization", token.as_str()), ("TE", "trailers")];
        if cut {
            let mut client = Client::connect(api.proxy.address);
            client.send(client::head("GET", "/items", &fields, None));
            let broken = client.read_cut();
            assert!(!String::from_utf8_lossy(&broken.body).contains(NAME));
            continue;
        }
        let mut one = Client::connect(api.proxy.address);
        one.send(client::head("GET", "/items", &fields, None).replace("HTTP/1.1", "HTTP/1.0"));
        let text = String::from_utf8_lossy(&one.read_rest()).to_lowercase();
        assert!(text.starts_with("http/1.") && !text.contains(NAME), "{}", &text[..200]);
    }
}
