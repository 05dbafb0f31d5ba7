//! `owner`: whose an object is, found out before anything is sent.

use super::super::{Api, assert_problem};
use super::{objects, reached};
use crate::support::Upstream;
use crate::support::upstream::{json_response, response};

const CHATS: &str = r#"
routes: [{match: "/orgs/{org}/**"}]
organizations: [{id: acme}]
roles:
  - id: member
    grants:
      - {path: "/orgs/{org}/chats", access: cr, owner: {field: /user_id}}
      - {path: "/orgs/{org}/chats/{id}/**", access: crud, owner: {field: /user_id, of: "/orgs/{org}/chats/{id}"}}
      - {path: "/orgs/{org}/notes/{id}", access: rud, owner: {field: /by/*/id}}
  - {id: admin, includes: [member], grants: [{path: "/orgs/{org}/settings/**", access: crud}]}
resource_types:
  - {id: note, at: [{path: "/orgs/{org}/notes/{id}", pointer: ""}]}
members:
  - {user: max, org: acme, roles: [member]}
  - {user: ada, org: acme, roles: [admin]}
"#;

fn chats() -> Api {
    let known = &[
        ("/orgs/acme/chats/7", r#"{"user_id":"max","text":"hi"}"#),
        ("/orgs/acme/chats/7/messages", "[]"),
        ("/orgs/acme/chats/8", r#"{"user_id":"ada"}"#),
        ("/orgs/acme/chats", r#"[{"id":7,"user_id":"max"},{"id":8,"user_id":"ada"}]"#),
        ("/orgs/acme/notes/1", r#"{"by":[{"id":"ada"},{"id":"max"}]}"#),
        ("/orgs/acme/notes/2", r#"{"by":[{"id":"ada"}]}"#),
    ];
    Api::over(Upstream::with(objects(known)), CHATS)
}

/// A8: chats are private to the user, even from admins, and nothing is deleted.
#[test]
fn a8_what_is_not_the_callers_is_as_good_as_missing() {
    let api = chats();
    let other = api.call("ada", "GET", "/orgs/acme/chats/7");
    let missing = api.call("ada", "GET", "/orgs/acme/chats/9");
    assert_eq!((other.status, &other.body), (404, &missing.body));
    assert_problem("GET", &other);
    assert_eq!(api.call("ada", "DELETE", "/orgs/acme/chats/7").status, 404);
    assert_eq!(api.send("ada", "PUT", "/orgs/acme/chats/7", "{}").status, 404);
    let looks = ["7", "9", "7", "7"].map(|id| format!("GET /orgs/acme/chats/{id}"));
    assert_eq!(reached(&api), looks, "only the looks reached the upstream");
}

#[test]
fn a8_the_owner_passes_and_the_look_is_made_in_its_name() {
    let api = chats();
    assert_eq!(
        api.call("max", "GET", "/orgs/acme/chats/7").body,
        br#"{"user_id":"max","text":"hi"}"#
    );
    assert_eq!(api.call("max", "DELETE", "/orgs/acme/chats/7").status, 200);
    assert_eq!(api.send("max", "POST", "/orgs/acme/chats/7/messages", "{}").status, 200);
    assert_eq!(
        reached(&api),
        [
            "GET /orgs/acme/chats/7",
            "GET /orgs/acme/chats/7",
            "GET /orgs/acme/chats/7",
            "DELETE /orgs/acme/chats/7",
            "GET /orgs/acme/chats/7",
            "POST /orgs/acme/chats/7/messages",
        ]
    );
    let look = &api.upstream.requests()[4];
    assert_eq!(look.fields.get("x-portcullis-user"), Some("max"));
    assert_eq!(look.fields.get("x-portcullis-org"), Some("acme"));
    assert_eq!(look.fields.get("content-type"), None);
    assert!(look.body.is_empty());
}

#[test]
fn a_look_is_unconditional_whole_and_without_the_query() {
    let api = chats();
    let fields = [("If-None-Match", "\"x\""), ("Range", "bytes=0-1"), ("If-Match", "*")];
    let answer = api.call_with("max", "GET", "/orgs/acme/chats/7?full=1", &fields);
    assert_eq!(answer.status, 200);
    let look = &api.upstream.requests()[0];
    assert_eq!(look.target, "/orgs/acme/chats/7");
    for name in ["if-none-match", "range", "if-match", "authorization"] {
        assert_eq!(look.fields.get(name), None, "{name}");
    }
    assert_eq!(look.fields.get("accept-encoding"), Some("identity"));
}

#[test]
fn what_is_missing_can_only_be_made() {
    let api = chats();
    assert_eq!(api.send("max", "PUT", "/orgs/acme/chats/9", "{}").status, 404);
    assert_eq!(reached(&api).last().unwrap(), "PUT /orgs/acme/chats/9");
    // The upstream itself says 404 here; a note's grant has no `c`, so nothing is sent.
    let before = reached(&api).len();
    assert_eq!(api.send("max", "PUT", "/orgs/acme/notes/9", "{}").status, 404);
    assert_eq!(reached(&api)[before..], ["GET /orgs/acme/notes/9"]);
    assert_eq!(api.call("max", "DELETE", "/orgs/acme/chats/9").status, 404);
    assert_eq!(reached(&api).last().unwrap(), "GET /orgs/acme/chats/9");
}

#[test]
fn a_body_that_names_an_owner_names_the_caller() {
    let api = chats();
    for body in [
        r#"{"user_id":"ada"}"#,
        r#"{"user_id":null}"#,
        r#"[{"user_id":"ada"}]"#,
        r#"[{"user_id":"max"},{"user_id":"ada"}]"#,
        r#"{"user_id":["max"]}"#,
    ] {
        let answer = api.send("max", "POST", "/orgs/acme/chats", body);
        assert_eq!(answer.status, 404, "{body}");
    }
    assert_eq!(
        api.send("max", "POST", "/orgs/acme/chats", r#"{"user_id":"max","user_id":"ada"}"#).status,
        400
    );
    assert_eq!(api.send("max", "POST", "/orgs/acme/chats", r#"{"User_Id":"ada"}"#).status, 400);
    assert_eq!(api.send_as("max", "POST", "/orgs/acme/chats", "text/plain", "x").status, 415);
    api.upstream.assert_untouched();
    for body in [r#"{"user_id":"max"}"#, r#"{"text":"hi"}"#, r#"[{"user_id":"max"}]"#] {
        assert_eq!(api.send("max", "POST", "/orgs/acme/chats", body).status, 200, "{body}");
    }
    assert_eq!(api.upstream.requests()[0].body, br#"{"user_id":"max"}"#);
    assert_eq!(api.upstream.requests()[0].fields.get("content-length"), Some("17"));
}

/// A PATCH that takes the owner away, or gives the object to another one.
#[test]
fn a_change_leaves_the_owner() {
    let api = chats();
    for body in [r#"{"user_id":"ada"}"#, r#"{"user_id":null}"#, "[]", "null"] {
        assert_eq!(api.send("max", "PATCH", "/orgs/acme/chats/7", body).status, 404, "{body}");
    }
    let looks: Vec<_> =
        reached(&api).into_iter().filter(|line| line.starts_with("PATCH")).collect();
    assert!(looks.is_empty());
    assert_eq!(api.send("max", "PATCH", "/orgs/acme/chats/7", r#"{"text":"ho"}"#).status, 200);
}

#[test]
fn the_path_itself_is_the_object_where_its_type_says_so() {
    let api = chats();
    assert_eq!(api.send("max", "PATCH", "/orgs/acme/notes/1", "{}").status, 200);
    assert_eq!(api.send("max", "PATCH", "/orgs/acme/notes/2", "{}").status, 404);
    assert_eq!(
        reached(&api),
        ["GET /orgs/acme/notes/1", "PATCH /orgs/acme/notes/1", "GET /orgs/acme/notes/2"]
    );
    // What is read is judged when it comes: one request.
    assert_eq!(api.call("max", "GET", "/orgs/acme/notes/1").status, 200);
    assert_eq!(api.call("max", "GET", "/orgs/acme/notes/2").status, 404);
    assert_eq!(api.call("max", "HEAD", "/orgs/acme/notes/2").status, 404);
    assert_eq!(reached(&api)[3..].len(), 3);
    assert_eq!(reached(&api)[5], "GET /orgs/acme/notes/2", "its owner stands in the body alone");
}

/// A strong ETag of the object that is written holds the look and the write together.
#[test]
fn p15_the_etag_of_the_object_guards_the_write() {
    let tagged = |tag: &'static str| {
        let answer = move |_: &_| {
            response(
                200,
                &[("Content-Type", "application/json"), ("ETag", tag)],
                r#"{"user_id":"max"}"#,
            )
        };
        Api::over(Upstream::with(answer), CHATS)
    };
    let sent = |api: &Api| api.upstream.requests()[1].fields.get("if-match").map(str::to_owned);
    let api = tagged("\"v1\"");
    api.call("max", "DELETE", "/orgs/acme/chats/7");
    assert_eq!(sent(&api).as_deref(), Some("\"v1\""));
    let api = tagged("\"v1\"");
    api.call_with("max", "DELETE", "/orgs/acme/chats/7", &[("If-Match", "\"v0\", \"v1\"")]);
    assert_eq!(sent(&api).as_deref(), Some("\"v1\""));
    let api = tagged("\"v1\"");
    let stale = api.call_with("max", "DELETE", "/orgs/acme/chats/7", &[("If-Match", "\"v0\"")]);
    assert_eq!((stale.status, api.upstream.requests().len()), (412, 1));
    let api = tagged("W/\"v1\"");
    api.call("max", "DELETE", "/orgs/acme/chats/7");
    assert_eq!(sent(&api), None);
    // The tag of the chat says nothing of its messages.
    let api = tagged("\"v1\"");
    api.call("max", "DELETE", "/orgs/acme/chats/7/messages");
    assert_eq!(sent(&api), None);
}

#[test]
fn a_look_that_fails_allows_nothing() {
    for answer in [
        json_response(500, "{}"),
        json_response(403, "{}"),
        json_response(200, "{\"user_id\":\"max\""),
        json_response(200, r#"{"user_id":"ada","user_id":"max"}"#),
        json_response(200, ""),
        response(200, &[("Content-Type", "text/plain")], r#"{"user_id":"max"}"#),
        response(302, &[("Location", "/orgs/acme/chats/8")], ""),
        json_response(206, r#"{"user_id":"max"}"#),
        json_response(200, &format!(r#"{{"user_id":"max","x":"{}"}}"#, "x".repeat(1 << 20))),
    ] {
        let text = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
        let api = Api::over(Upstream::fixed(answer), CHATS);
        let refused = api.call("max", "DELETE", "/orgs/acme/chats/7");
        assert_eq!(refused.status, 502, "{text}");
        assert_eq!(reached(&api), ["GET /orgs/acme/chats/7"], "{text}");
    }
}
