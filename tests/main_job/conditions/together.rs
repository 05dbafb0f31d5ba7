//! Several grants for the rows of one list: one more takes nothing away, and shows nothing that none
//! of them would show alone.

use super::super::Api;
use crate::support::Upstream;

const SHELVES: &str = r#"
roles:
  - id: guest
    grants: [{path: "/shelves/**", access: r}]
    schemas: [front]
  - {id: reader, grants: [{path: "/shelves/**", access: r, owner: {field: /by, items: /books}}]}
  - {id: critic, grants: [{path: "/shelves/**", access: r, keep: {items: /notes, field: /kind, in: [open]}}]}
  - id: browser
    grants: [{path: "/shelves/**", access: r, keep: {items: "", field: /kind, in: [open]}}]
    schemas: [front]
resource_types:
  - {id: shelf, at: [{path: "/shelves/{id}", pointer: ""}]}
schemas:
  - {id: front, type: shelf, body: {type: object, additionalProperties: false, properties: {title: {type: string}, kind: {type: string}}}}
"#;

const SHELF: &str =
    r#"{"title":"a","total":2,"books":[{"by":"ann","n":1},{"by":"CANARY"}],"kind":"open"}"#;

fn seen(who: &str, body: &str) -> (u16, String) {
    let api = Api::over(Upstream::json(body), SHELVES);
    let answer = api.call(who, "GET", "/shelves/1");
    (answer.status, String::from_utf8(answer.body).unwrap())
}

fn shows(who: &str, body: &str, shown: &str) {
    assert_eq!(seen(who, body), (200, shown.to_owned()), "{who}: {body}");
}

/// The schema of one role does not name the list of which another one has rows.
#[test]
fn p09_a_role_that_shows_less_hides_no_rows_of_another() {
    let own = r#"{"title":"a","total":2,"books":[{"by":"ann","n":1}],"kind":"open"}"#;
    shows("ann:guest", SHELF, r#"{"title":"a","kind":"open"}"#);
    shows("ann:reader", SHELF, own);
    shows("ann:guest,reader", SHELF, own);
    shows("bob:guest,reader", SHELF, &own.replace(r#"{"by":"ann","n":1}"#, ""));
}

/// A grant for rows has no say about a body without them: alone it would be 502.
#[test]
fn p11_a_body_without_the_rows_is_seen_as_if_there_were_no_grant_for_them() {
    for body in [r#"{"title":"a","items":["CANARY"]}"#, r#"{"title":"a","books":"CANARY"}"#] {
        assert_eq!(seen("ann:reader", body).0, 502);
        shows("ann:guest,reader", body, r#"{"title":"a"}"#);
    }
    let (status, text) = seen("ann:reader,critic", r#"{"title":"CANARY","items":[]}"#);
    assert!(status == 502 && !text.contains("CANARY"), "{text}");
}

/// Nor about one whose only row is somebody else's: alone it would be 404.
#[test]
fn p11_an_only_row_that_is_not_the_callers_is_hidden_as_by_the_others() {
    let body = r#"{"title":"a","total":1,"books":{"by":"ann","n":1}}"#;
    shows("ann:guest,reader", body, body);
    assert_eq!(seen("bob:reader", body).0, 404);
    shows("bob:guest,reader", body, r#"{"title":"a"}"#);
}

/// The rows of one grant stand around the rows of another.
#[test]
fn p09_what_is_a_row_to_one_grant_is_around_the_rows_of_another() {
    let body = r#"{"books":[{"by":"ann"},{"by":"bob"}],"notes":[{"kind":"open"},{"kind":"x"}]}"#;
    let books = r#"{"books":[{"by":"ann"}],"notes":[{"kind":"open"},{"kind":"x"}]}"#;
    let notes = r#"{"books":[{"by":"ann"},{"by":"bob"}],"notes":[{"kind":"open"}]}"#;
    shows("ann:reader", body, books);
    shows("ann:critic", body, notes);
    shows("ann:reader,critic", body, body);
}

/// The body as a whole is a row to one grant, and holds rows of another.
#[test]
fn p09_whoever_has_an_object_has_the_rows_in_it_that_another_grant_shows() {
    shows("ann:browser", SHELF, r#"{"title":"a","kind":"open"}"#);
    let own = r#"{"title":"a","total":2,"books":[{"by":"ann","n":1}],"kind":"open"}"#;
    shows("ann:browser,reader", SHELF, own);
    let closed = SHELF.replace("open", "shut");
    assert_eq!(seen("ann:browser", &closed).0, 404);
    shows("ann:browser,reader", &closed, &own.replace("open", "shut"));
    assert_eq!(seen("ann:browser,reader", r#"{"kind":"shut"}"#).0, 404);
}

/// What rows show that others do not, no query may ask about: which of the others come would tell.
#[test]
fn p11_a_query_may_ask_about_what_every_row_shows() {
    let api = Api::over(Upstream::json(SHELF), SHELVES);
    assert_eq!(api.call("ann:reader", "GET", "/shelves/1?sort=total").status, 200);
    api.refuses("ann:guest,reader", "GET", "/shelves/1?sort=total", 403);
    assert_eq!(api.call("ann:guest,reader", "GET", "/shelves/1?sort=title").status, 200);
}

/// Before the place of the rows comes, nothing goes out of a body that may have none.
#[test]
fn p11_what_is_long_before_its_rows_is_seen_through_the_others_alone() {
    let long = "x".repeat(1 << 20);
    let body =
        format!(r#"{{"total":"{long}","title":"a","kind":"{long}","books":[{{"by":"ann"}}]}}"#);
    let (status, text) = seen("ann:guest,reader", &body);
    assert_eq!(status, 200);
    assert!(text == format!(r#"{{"title":"a","kind":"{long}"}}"#), "{} bytes", text.len());
}
