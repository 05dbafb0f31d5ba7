//! `owner` and `keep` in lists: rows that are not the caller's go.

use super::super::Api;
use super::reached;
use crate::support::Upstream;
use crate::support::upstream::{chunked_response, json_response, response};

const APPS: &str = r#"
routes: [{match: "/orgs/{org}/apps/{app}/**"}, {match: "/orgs/{org}/**"}]
applications: [{id: ios}, {id: web}]
organizations: [{id: acme, apps: [ios, web]}]
roles:
  - id: member
    grants:
      - {path: "/orgs/{org}/apps", access: r, keep: {items: "", field: /id, in: subject.apps}}
      - {path: "/orgs/{org}/tickets", access: r, owner: {field: /by, items: /data}}
      - {path: "/orgs/{org}/things/**", access: r, keep: {field: /kind, in: [a, 2, true]}}
  - {id: admin, app_access: all, grants: [{path: "/orgs/{org}/**", access: r}]}
  - id: support
    grants: [{path: "/orgs/{org}/tickets", access: r}]
    schemas: [masked]
resource_types:
  - {id: ticket, at: [{path: "/orgs/{org}/tickets", pointer: "/data/*"}]}
schemas:
  - {id: masked, type: ticket, body: {type: object, additionalProperties: true, properties: {secret: false}}}
members:
  - {user: bob, org: acme, roles: [member], apps: {ios: []}}
  - {user: sue, org: acme, roles: [member, support]}
  - {user: ann, org: acme, roles: [admin]}
"#;

fn seen(who: &str, target: &str, body: &str) -> (u16, String) {
    let api = Api::over(Upstream::json(body), APPS);
    let answer = api.call(who, "GET", target);
    (answer.status, String::from_utf8(answer.body).unwrap())
}

/// L10: a member's app list holds just the apps that it may enter.
#[test]
fn l10_a_list_holds_the_rows_that_are_kept() {
    let list =
        r#"[{"id":"ios"}, {"id":"web","x":[1]},{"id":"other"}, 5, {"noid":1}, {"id":["ios"]}]"#;
    assert_eq!(seen("bob", "/orgs/acme/apps", list), (200, r#"[{"id":"ios"}]"#.into()));
    assert_eq!(seen("ann", "/orgs/acme/apps", list), (200, list.into()));
    assert_eq!(seen("sue", "/orgs/acme/apps", list), (200, "[]".into()));
}

#[test]
fn values_are_compared_by_their_text() {
    let list = r#"[{"kind":"a"},{"kind":2},{"kind":2.0},{"kind":true},{"kind":"b"},{"kind":null}]"#;
    let kept = r#"[{"kind":"a"},{"kind":2},{"kind":true}]"#;
    assert_eq!(seen("bob", "/orgs/acme/things", list), (200, kept.into()));
}

/// The only object that is dropped looks like a missing one.
#[test]
fn a_single_object_that_goes_is_missing() {
    assert_eq!(seen("bob", "/orgs/acme/things/1", r#"{"kind":"a"}"#).0, 200);
    let (status, body) = seen("bob", "/orgs/acme/things/1", r#"{"kind":"b","secret":"canary"}"#);
    assert_eq!(status, 404);
    assert!(!body.contains("canary") && body.contains("about:blank"));
}

#[test]
fn rows_elsewhere_than_expected_are_not_shown() {
    for body in [
        r#"{"results":[{"by":"canary"}]}"#,
        r#"[{"by":"bob","x":"canary"}]"#,
        r#"{"data":"canary"}"#,
        r#""canary""#,
    ] {
        let (status, text) = seen("bob", "/orgs/acme/tickets", body);
        assert!(status == 502 && !text.contains("canary"), "{body}: {status} {text}");
    }
    assert_eq!(seen("bob", "/orgs/acme/tickets", r#"{"data":null,"n":0}"#).0, 200);
}

/// Masks follow the grants that held, row by row.
#[test]
fn a_row_is_seen_through_the_roles_that_hold_for_it() {
    let list = r#"{"data":[{"by":"sue","secret":1},{"by":"bob","secret":2}],"total":2}"#;
    let shown = r#"{"data":[{"by":"sue","secret":1},{"by":"bob"}],"total":2}"#;
    assert_eq!(seen("sue", "/orgs/acme/tickets", list), (200, shown.into()));
    let own = r#"{"data":[{"by":"bob","secret":2}],"total":2}"#;
    assert_eq!(seen("bob", "/orgs/acme/tickets", list), (200, own.into()));
    assert_eq!(seen("ann", "/orgs/acme/tickets", list), (200, list.into()));
}

/// A long list streams, and nothing of the rows that go is in it.
#[test]
fn p11_long_lists_are_judged_as_they_come() {
    let rows: Vec<String> = (0..20_000)
        .map(|n| format!(r#"{{"id":{n},"by":"{}"}}"#, if n % 3 == 0 { "bob" } else { "canary" }))
        .collect();
    let body = format!(r#"{{"data":[{}]}}"#, rows.join(","));
    let pieces: Vec<&str> =
        body.as_bytes().chunks(1000).map(|c| std::str::from_utf8(c).unwrap()).collect();
    let answer = chunked_response(200, &[("Content-Type", "application/json")], &pieces);
    let api = Api::over(Upstream::fixed(answer), APPS);
    let got = api.call("bob", "GET", "/orgs/acme/tickets");
    assert_eq!(got.status, 200);
    assert_eq!(got.json()["data"].as_array().unwrap().len(), 6_667);
    assert!(!String::from_utf8(got.body).unwrap().contains("canary"));
}

/// Errors may speak of any row; what they say is not handed on.
#[test]
fn errors_of_a_list_are_generic() {
    let api = Api::over(Upstream::fixed(json_response(400, r#"{"row":"canary"}"#)), APPS);
    let answer = api.call("bob", "GET", "/orgs/acme/tickets");
    assert_eq!(answer.status, 400);
    assert!(!String::from_utf8_lossy(&answer.body).contains("canary"));
}

/// HEAD agrees with GET: whether a row is the caller's, the body alone knows.
#[test]
fn head_asks_for_the_body_where_rows_decide() {
    let api = Api::over(Upstream::json(r#"{"kind":"b"}"#), APPS);
    let answer = api.call("bob", "HEAD", "/orgs/acme/things/1");
    assert_eq!((answer.status, answer.body.len()), (404, 0));
    assert_eq!(reached(&api), ["GET /orgs/acme/things/1"]);
}

#[test]
fn p11_what_speaks_of_all_rows_is_removed() {
    let fields = [
        ("Content-Type", "application/json"),
        ("ETag", "\"x\""),
        ("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ];
    let api = Api::over(Upstream::fixed(response(200, &fields, r#"{"data":[]}"#)), APPS);
    let answer = api.call("bob", "GET", "/orgs/acme/tickets");
    assert_eq!(answer.status, 200);
    for name in ["etag", "last-modified"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
}

#[test]
fn a_route_whose_responses_nobody_reads_shows_no_rows() {
    let rules = APPS
        .replace(r#"{match: "/orgs/{org}/**"}"#, r#"{match: "/orgs/{org}/**", response: opaque}"#);
    let api = Api::over(Upstream::json("[]"), &rules);
    api.refuses("bob", "GET", "/orgs/acme/tickets", 404);
}
