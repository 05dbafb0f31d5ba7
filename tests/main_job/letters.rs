//! Who may do what: methods, letters, routes, and the order in which refusals come.

use super::Api;
use crate::support::{Upstream, h2, tokens};

const LETTERS: &str = r#"
roles:
  - {id: reads, grants: [{path: "/things/**", access: r}]}
  - {id: creates, grants: [{path: "/things/**", access: c}]}
  - {id: updates, grants: [{path: "/things/**", access: u}]}
  - {id: deletes, grants: [{path: "/things/**", access: d}]}
  - {id: one, grants: [{path: "/things/{id}", access: crud}]}
"#;

const METHODS: [(&str, &str); 6] = [
    ("GET", "reads"),
    ("HEAD", "reads"),
    ("POST", "creates"),
    ("PUT", "updates"),
    ("PATCH", "updates"),
    ("DELETE", "deletes"),
];

#[test]
fn p02_each_method_needs_its_letter() {
    let api = Api::start(LETTERS);
    for (method, needs) in METHODS {
        for role in ["reads", "creates", "updates", "deletes"].iter().filter(|r| **r != needs) {
            api.refuses(&format!("ana:{role}"), method, "/things/1", 403);
        }
        api.refuses("ana:no-such-role", method, "/things/1", 403);
        api.refuses("ana", method, "/things/1", 403);
    }
    for (at, (method, needs)) in METHODS.into_iter().enumerate() {
        let answer = api.call(&format!("ana:{needs}"), method, "/things/1?x=%20y&z");
        assert_eq!(answer.status, 200, "{method}");
        let seen = &api.upstream.requests()[at];
        let target = seen.target.as_str();
        assert_eq!((seen.method.as_str(), target), (method, "/things/1?x=%20y&z"));
    }
    assert_eq!(api.upstream.requests().len(), METHODS.len());
}

#[test]
fn p02_what_is_no_method_of_ours_is_405_and_says_which_are() {
    let api = Api::start(LETTERS);
    for method in ["OPTIONS", "TRACE", "PROPFIND", "LINK", "get", "Get", "X"] {
        let answer = api.refuses("ana:reads", method, "/things/1", 405);
        assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, PUT, PATCH, DELETE"), "{method}");
    }
}

/// L1: every area is a path subtree; what is not listed is refused.
#[test]
fn l1_unlisted_paths_are_refused_and_patterns_are_exact() {
    let api = Api::start(LETTERS);
    for target in ["/", "/other", "/thing", "/thingsx", "/Things/1", "/things.json"] {
        api.refuses("ana:reads,one", "GET", target, 403);
        api.refuses("", "GET", target, 401);
    }
    for target in ["/things", "/things/", "/things/1/2"] {
        api.refuses("ana:one", "GET", target, 403);
        assert_eq!(api.call("ana:reads", "GET", target).status, 200, "{target}");
        assert_eq!(api.upstream.requests().pop().expect("a request").target, target);
    }
    assert_eq!(api.call("ana:one", "GET", "/things/1").status, 200);
}

#[test]
fn every_grant_counts_not_only_the_most_specific() {
    let api = Api::start(
        "roles:\n  - {id: a, grants: [{path: \"/things/**\", access: r}, \
         {path: \"/things/{id}\", access: u}, {path: \"/things/7\", access: d}]}\n",
    );
    for method in ["GET", "PATCH", "DELETE"] {
        assert_eq!(api.call("ana:a", method, "/things/7").status, 200, "{method}");
    }
    api.refuses("ana:a", "DELETE", "/things/8", 403);
    api.refuses("ana:a", "PATCH", "/things/7/8", 403);
    api.refuses("ana:a", "POST", "/things/7", 403);
}

const ROUTES: &str = r#"
routes:
  - {match: "/things/**"}
  - {match: "/news/**", public: r}
  - {match: "/search", verbs: {POST: r}}
  - {match: "/danger", verbs: {GET: d}}
  - {match: "/bag/{id}", upsert: true}
  - {match: "/lists/**", update: merge}
roles:
  - {id: reads, grants: [{path: "/things/**", access: r}, {path: /search, access: r}, {path: /danger, access: r}]}
  - {id: updates, grants: [{path: "/bag/{id}", access: u}, {path: "/news/**", access: u}]}
  - {id: both, grants: [{path: "/bag/{id}", access: cu}]}
  - {id: deletes, grants: [{path: /danger, access: d}]}
"#;

#[test]
fn unknown_routes_are_404_for_known_callers_alone() {
    let api = Api::start(ROUTES);
    api.refuses("", "GET", "/nowhere", 401);
    api.refuses("ana", "GET", "/nowhere", 404);
    api.refuses("ana:reads", "POST", "/searching", 404);
    api.refuses("", "GET", "/things/1", 401);
    api.refuses("ana", "GET", "/things/1", 403);
}

#[test]
fn verbs_give_a_method_another_letter() {
    let api = Api::start(ROUTES);
    api.refuses("ana:deletes", "POST", "/search", 403);
    api.refuses("ana:reads", "GET", "/danger", 403);
    assert_eq!(api.send("ana:reads", "POST", "/search", "{}").status, 200);
    assert_eq!(api.call("ana:deletes", "GET", "/danger").status, 200);
    api.refuses("ana:reads", "PUT", "/search", 403);
}

#[test]
fn upsert_needs_both_letters() {
    let api = Api::start(ROUTES);
    for method in ["PUT", "PATCH"] {
        api.refuses("ana:updates", method, "/bag/1", 403);
        assert_eq!(api.send("ana:both", method, "/bag/1", "{}").status, 200);
    }
    api.refuses("ana:both", "GET", "/bag/1", 403);
}

/// On public letters no credential is evaluated, not even a bad one, and none is passed on.
#[test]
fn p03_public_letters_strip_credentials_unread() {
    let api = Api::start(ROUTES);
    let expired = tokens::bearer(&serde_json::json!({"sub": "ana", "exp": 1}));
    for authorization in ["", "Bearer x.y.z", "Basic YTpi", expired.as_str()] {
        let more = [("Authorization", authorization), ("X-Portcullis-User", "root")];
        let answer = api.call_with("", "GET", "/news/1", &more);
        assert_eq!(answer.status, 200, "{authorization}");
        let seen = api.upstream.requests().pop().expect("a request").fields;
        for name in ["authorization", "x-portcullis-user", "x-portcullis-roles"] {
            assert!(seen.all(name).is_empty(), "{name}: {seen:?}");
        }
        assert_eq!(seen.all("x-portcullis-policy").len(), 1);
    }
    let twice = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")];
    assert_eq!(api.call_with("", "HEAD", "/news/1", &twice).status, 200);
    api.refuses("", "POST", "/news/1", 401);
    api.refuses("ana:reads", "POST", "/news/1", 403);
}

const LIMITED: &str = r#"
routes:
  - {match: "/a/**"}
  - {match: "/m/**", update: merge}
roles:
  - {id: some, grants: [{path: "/a/{id}", access: crud}, {path: "/m/{id}", access: crud}], schemas: [s]}
schemas:
  - {id: s, type: t, body: {type: object, additionalProperties: true, properties: {ssn: false, age: {type: integer}}}}
resource_types:
  - {id: t, at: [{path: "/a/{id}", pointer: ""}, {path: "/m/{id}", pointer: ""}]}
"#;

/// A replacing write would erase what the caller cannot see; the body's own mistakes come first.
#[test]
fn p10_replacing_what_one_cannot_see_is_409_last() {
    let api = Api::start(LIMITED);
    for (body, status) in [
        (r#"{"name": "x"}"#, 409),
        (r#"{"name": "x", "ssn": 1}"#, 403),
        (r#"{"age": "x"}"#, 422),
        ("{", 400),
    ] {
        api.refused("PUT", status, || api.send("ana:some", "PUT", "/a/1", body));
    }
    api.refused("PUT", 415, || api.send_as("ana:some", "PUT", "/a/1", "text/plain", "x"));
    assert_eq!(api.send("ana:some", "PATCH", "/a/1", r#"{"name": "x"}"#).status, 200);
    assert_eq!(api.send("ana:some", "POST", "/a/1", r#"{"name": "x"}"#).status, 200);
    assert_eq!(api.send("ana:some", "PUT", "/m/1", r#"{"name": "x"}"#).status, 200);
    api.refused("PUT", 403, || api.send("ana:some", "PUT", "/m/1", r#"{"ssn": null}"#));
}

/// What HTTP/1.1 gets, HTTP/2 gets.
#[test]
fn decisions_are_the_same_over_http_2() {
    let api = Api::over(Upstream::json(r#"{"ssn": 1, "age": 2}"#), LIMITED);
    let token = super::bearer("ana:some");
    for (method, target, authorization) in [
        ("GET", "/a/1", token.as_str()),
        ("GET", "/a/1/2", &token),
        ("GET", "/nowhere", &token),
        ("PUT", "/a/1", &token),
        ("DELETE", "/m/1", &token),
        ("OPTIONS", "/a/1", &token),
        ("GET", "/a/..", &token),
        ("GET", "/a/1?sort=ssn", &token),
        ("GET", "/a/1", "Bearer nothing"),
    ] {
        let fields = [("Authorization", authorization)];
        let one = api.call_with("", method, target, &fields);
        let two = h2::call(api.proxy.address, method, target, &fields);
        assert_eq!((two.status, &two.body[..]), (one.status, &one.body[..]), "{method} {target}");
        let kind = two.headers.get("content-type").map(|value| value.to_str().unwrap());
        assert_eq!(kind, one.header("content-type"));
    }
}
