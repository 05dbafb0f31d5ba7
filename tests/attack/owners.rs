//! Getting at what is somebody else's.

use crate::main_job::Api;
use crate::support::upstream::{Recorded, json_response, response};
use crate::support::{Response, Upstream};

const NOTES: &str = r#"
routes: [{match: "/**"}]
roles:
  - id: member
    grants:
      - {path: "/notes/{id}", access: crud, owner: {field: /user_id}}
      - {path: "/notes", access: cr, owner: {field: /user_id}}
resource_types:
  - {id: note, at: [{path: "/notes/{id}", pointer: ""}, {path: "/notes", pointer: "/*"}]}
"#;

const MAX: &str = "max:member";

/// Notes of which 1 is max's, 2 is ada's, and no other is there.
fn notes() -> Api {
    let answer = |request: &Recorded| match (request.method.as_str(), request.target.as_str()) {
        ("GET", "/notes/1") => tagged(r#"{"user_id":"max"}"#),
        ("GET", "/notes/2") => tagged(r#"{"user_id":"ada"}"#),
        ("GET", _) => response(404, &[("X-Served-By", "notes"), ("ETag", "\"404\"")], "gone"),
        _ => json_response(200, "{}"),
    };
    Api::over(Upstream::with(answer), NOTES)
}

fn tagged(body: &str) -> Vec<u8> {
    response(200, &[("Content-Type", "application/json"), ("ETag", "\"v1\"")], body)
}

fn writes(api: &Api) -> Vec<Recorded> {
    api.upstream.requests().into_iter().filter(|request| request.method != "GET").collect()
}

/// The tag of the object that was looked at must arrive with the write: the object may have been
/// given away in between.
#[test]
fn p15_no_client_takes_the_guard_off_a_write() {
    let api = notes();
    for listed in ["If-Match", "close, if-match", "if-none-match", "If-Unmodified-Since"] {
        let fields = [("Connection", listed)];
        let answer = api.call_with(MAX, "DELETE", "/notes/1", &fields);
        assert_eq!(answer.status, 400, "{listed}");
    }
    assert!(writes(&api).is_empty());
    api.call_with(MAX, "DELETE", "/notes/1", &[("If_Match", "\"v2\"")]);
    assert_eq!(writes(&api)[0].fields.get("if-match"), Some("\"v1\""));
    assert_eq!(writes(&api)[0].fields.get("if_match"), None, "CGI makes one of the two");
}

/// A client that asks for another version than the one whose owner was seen is told that this is
/// not it; what it asked for may be somebody else's by then.
#[test]
fn p15_a_version_whose_owner_was_not_seen_is_not_written() {
    let api = notes();
    for other in ["\"v2\"", "W/\"v1\"", "\"v0\", \"v2\"", "v1"] {
        let answer = api.call_with(MAX, "DELETE", "/notes/1", &[("If-Match", other)]);
        assert_eq!(answer.status, 412, "{other}");
    }
    assert!(writes(&api).is_empty());
    for same in ["\"v1\"", "*", "\"v0\", \"v1\""] {
        assert_eq!(api.call_with(MAX, "DELETE", "/notes/1", &[("If-Match", same)]).status, 200);
    }
    let tags = writes(&api).into_iter().map(|one| one.fields.get("if-match").map(str::to_owned));
    assert!(tags.into_iter().all(|tag| tag.as_deref() == Some("\"v1\"")));
}

/// A POST to an object that is there does something to it, whatever letter it needs.
#[test]
fn p09_a_post_to_an_object_asks_whose_it_is() {
    let api = notes();
    assert_eq!(api.send(MAX, "POST", "/notes/2", "{}").status, 404);
    assert_eq!(api.send(MAX, "POST", "/notes/2", r#"{"user_id":"max"}"#).status, 404);
    assert!(writes(&api).is_empty());
    assert_eq!(api.send(MAX, "POST", "/notes/1", "{}").status, 200);
    assert_eq!(api.send(MAX, "POST", "/notes/9", r#"{"user_id":"max"}"#).status, 200);
    let sent: Vec<_> = writes(&api).into_iter().map(|one| one.target).collect();
    assert_eq!(sent, ["/notes/1", "/notes/9"]);
}

/// What was missing when it was looked at is made only while it is missing.
#[test]
fn p15_what_was_missing_is_made_and_not_overwritten() {
    let api = notes();
    assert_eq!(api.send(MAX, "PUT", "/notes/9", "{}").status, 200);
    assert_eq!(writes(&api)[0].fields.get("if-none-match"), Some("*"));
    assert_eq!(api.send(MAX, "PUT", "/notes/1", "{}").status, 200);
    assert_eq!(writes(&api)[1].fields.get("if-none-match"), None);
}

/// It was missing, and somebody else has made it before the write arrived.
#[test]
fn p09_what_another_has_made_in_between_is_as_good_as_missing() {
    let raced = |request: &Recorded| match request.method.as_str() {
        "GET" => json_response(404, "{}"),
        _ => response(412, &[("ETag", "\"canary\"")], "canary"),
    };
    let api = Api::over(Upstream::with(raced), NOTES);
    let answer = api.send(MAX, "PUT", "/notes/9", "{}");
    assert_eq!((answer.status, answer.header("etag")), (404, None));
    assert_eq!(answer.body, api.call(MAX, "DELETE", "/notes/9").body);
}

/// How many rows are somebody else's is not the caller's to know either.
#[test]
fn p11_headers_do_not_count_the_rows_that_went() {
    let fields = [
        ("Content-Type", "application/json"),
        ("X-Total-Count", "57"),
        ("Content-Range", "items 0-1/57"),
        ("X-Pagination-Total-Pages", "29"),
        ("X-Kind", "note"),
    ];
    let rows = r#"[{"user_id":"max"},{"user_id":"ada"}]"#;
    let api = Api::over(Upstream::fixed(response(200, &fields, rows)), NOTES);
    let answer = api.call(MAX, "GET", "/notes");
    assert_eq!(answer.body, br#"[{"user_id":"max"}]"#);
    assert_eq!(answer.header("x-kind"), Some("note"));
    for name in ["x-total-count", "content-range", "x-pagination-total-pages"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
}

/// Whether an object of somebody else's exists cannot be told from any part of the answer.
#[test]
fn p09_what_is_anothers_answers_as_what_is_missing_does() {
    let api = notes();
    let shown = |answer: Response| {
        let fields: Vec<_> =
            answer.head.fields.0.iter().map(|(name, _)| name.to_lowercase()).collect();
        (answer.status, fields, answer.body)
    };
    for method in ["GET", "HEAD", "PATCH", "DELETE"] {
        let call = |target: &str| match method {
            "PATCH" => api.send(MAX, method, target, "{}"),
            _ => api.call(MAX, method, target),
        };
        if method != "PATCH" {
            assert_eq!(shown(call("/notes/2")), shown(call("/notes/3")), "{method}");
        }
        assert_eq!(call("/notes/2").status, 404, "{method}");
    }
}
