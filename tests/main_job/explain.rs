//! `explain` and the proxy are one evaluator: the same question has the same answer.

use super::{Api, bearer};
use crate::support::proxy::run_in;
use crate::support::{Client, Upstream, eventually};
use serde_json::Value;

const RULES: &str = r#"
routes:
  - {match: "/customers/**"}
  - {match: "/logs/**", request: opaque, response: opaque}
  - {match: "/news/**", public: r}
  - {match: "/search", verbs: {POST: r}}
  - {match: "/merged/{id}", update: merge}
  - {match: "/kept/**", params: keep}
roles:
  - {id: support, grants: [{path: "/customers/**", access: cru}, {path: "/merged/{id}", access: u}, {path: "/logs/**", access: c}], schemas: [support]}
  - {id: owner, grants: [{path: "/customers/**", access: crud}, {path: /search, access: r}, {path: "/kept/**", access: r}]}
schemas:
  - id: support
    type: customer
    body:
      type: object
      additionalProperties: true
      properties: {ssn: false, id: {type: integer, readOnly: true}, age: {type: integer}}
resource_types:
  - {id: customer, at: [{path: /customers, pointer: "/data/*"}, {path: "/customers/{id}", pointer: ""}, {path: "/merged/{id}", pointer: ""}]}
"#;

const RESPONSE: &str = r#"{"id": 1, "ssn": "x", "name": "Ann", "age": 7}"#;

/// Caller, method, target, content type (none where empty) and body (none where empty).
const QUESTIONS: &[[&str; 5]] = &[
    ["ana:support", "GET", "/customers/1", "", ""],
    ["ana:owner", "GET", "/customers/1", "", ""],
    ["ana:owner,support", "HEAD", "/customers/1", "", ""],
    ["ana", "GET", "/customers/1", "", ""],
    ["ana:unknown", "GET", "/customers/1", "", ""],
    ["", "GET", "/customers/1", "", ""],
    ["", "GET", "/nowhere", "", ""],
    ["ana:owner", "GET", "/nowhere", "", ""],
    ["ana:support", "DELETE", "/customers/1", "", ""],
    ["ana:support", "OPTIONS", "/customers/1", "", ""],
    ["", "TRACE", "/customers/1", "", ""],
    ["ana:support", "GET", "/customers/../x", "", ""],
    ["ana:support", "GET", "/customers/1;a=b", "", ""],
    ["ana:owner", "GET", "/kept/1;a=b", "", ""],
    ["ana:support", "GET", "/customers//1", "", ""],
    ["ana:support", "GET", "/customers/%2e%2e", "", ""],
    ["ana:support", "GET", "/customers/1/notes", "", ""],
    ["ana:owner", "GET", "/customers/1/notes", "", ""],
    ["ana:support", "GET", "/customers/1?sort=ssn", "", ""],
    ["ana:support", "GET", "/customers/1?sort=name", "", ""],
    ["ana:owner", "GET", "/customers/1?sort=ssn", "", ""],
    ["", "GET", "/news/1", "", ""],
    ["ana:support", "GET", "/news/1", "", ""],
    ["", "POST", "/news/1", "", ""],
    ["ana:support", "POST", "/news/1", "", ""],
    ["ana:owner", "POST", "/search", "application/json", "{}"],
    ["ana:support", "POST", "/search", "application/json", "{}"],
    ["ana:support", "PATCH", "/customers/1", "application/json", r#"{"name": "x"}"#],
    ["ana:support", "PATCH", "/customers/1", "application/json", r#"{"ssn": 1}"#],
    ["ana:support", "PATCH", "/customers/1", "application/json", r#"{"id": 1}"#],
    ["ana:support", "PATCH", "/customers/1", "application/json", r#"{"age": "x"}"#],
    ["ana:support", "PATCH", "/customers/1", "application/json", r#"{"age": null}"#],
    ["ana:support", "PATCH", "/customers/1", "application/json", r#"{"a": 1, "a": 2}"#],
    ["ana:support", "PATCH", "/customers/1", "application/merge-patch+json", r#"{"ssn": null}"#],
    ["ana:support", "POST", "/customers/1", "application/merge-patch+json", "{}"],
    ["ana:support", "PATCH", "/customers/1", "text/plain", "x"],
    ["ana:owner", "PATCH", "/customers/1", "text/plain", "ssn"],
    ["ana:support", "PUT", "/customers/1", "application/json", r#"{"name": "x"}"#],
    ["ana:support", "PUT", "/customers/1", "application/json", r#"{"ssn": "x"}"#],
    ["ana:support", "PUT", "/customers/1", "", ""],
    ["ana:support", "PUT", "/merged/1", "application/json", r#"{"name": "x"}"#],
    ["ana:owner", "PUT", "/customers/1", "application/json", r#"{"name": "x"}"#],
    ["ana:support", "POST", "/customers", "application/json", "{"],
    ["ana:support", "POST", "/customers", "application/json", r#"{"data": [{"ssn": 1}]}"#],
    ["ana:support", "POST", "/customers", "application/json", r#"{"name": "x", "ssn": 1}"#],
    ["ana:support", "POST", "/logs/1", "text/plain", "anything"],
];

#[test]
fn explain_and_the_proxy_agree_on_status_reason_and_pointers() {
    let api = Api::over(Upstream::json(RESPONSE), RULES);
    for (at, question) in QUESTIONS.iter().enumerate() {
        let served = served(&api, at, question);
        let explained = explained(&api, question);
        assert_eq!(served, explained, "{question:?}");
    }
}

/// What both say of a request: the decision, the reason, the status and the pointers at fault.
type Verdict = (String, String, u64, Vec<String>);

fn served(api: &Api, at: usize, [who, method, target, kind, body]: &[&str; 5]) -> Verdict {
    let (token, id) = (bearer(who), format!("q-{at}"));
    let mut fields = vec![("X-Request-Id", id.as_str())];
    if !who.is_empty() {
        fields.push(("Authorization", &token));
    }
    if !kind.is_empty() {
        fields.push(("Content-Type", kind));
    }
    let mut client = Client::connect(api.proxy.address);
    let answer = match body.is_empty() {
        true => client.call(method, target, &fields),
        false => client.call_with(method, target, &fields, body.as_bytes()),
    };
    let line = eventually(|| {
        let log = api.proxy.log();
        log.into_iter().find(|line| line["request_id"] == id.as_str()).ok_or("no line yet")
    });
    assert_eq!(line["status"], answer.status, "{line}");
    let pointers = match answer.header("content-type") {
        Some("application/problem+json") if *method != "HEAD" => pointers(&answer.json()["errors"]),
        _ => Vec::new(),
    };
    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    (text("decision"), text("reason"), u64::from(answer.status), pointers)
}

fn explained(api: &Api, [who, method, target, kind, body]: &[&str; 5]) -> Verdict {
    let policy = api.policy.path().to_str().expect("UTF-8");
    let token = bearer(who);
    let token = token.trim_start_matches("Bearer ");
    let mut arguments = vec!["explain", policy, "--format", "json"];
    match who.is_empty() {
        true => arguments.push("--anonymous"),
        false => arguments.extend(["--token", token]),
    }
    arguments.extend([*method, *target]);
    let header = format!("Content-Type: {kind}");
    if !kind.is_empty() {
        arguments.extend(["--header", header.as_str()]);
    }
    let file = api.policy.join("body.txt");
    if !body.is_empty() {
        std::fs::write(&file, body).expect("write the body");
        arguments.extend(["--body", file.to_str().expect("UTF-8")]);
    }
    let output = run_in(api.policy.join("").as_path(), &arguments);
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", output.stderr.escape_ascii()));
    let allowed = told["decision"] == "allow";
    assert_eq!(output.status.code(), Some(i32::from(!allowed)), "{told}");
    let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
    let refused = told["request"]["refused"].as_array().cloned().unwrap_or_default();
    let refused = refused.iter().map(|one| one.as_str().unwrap_or_default().to_owned());
    (text("decision"), text("reason"), told["status"].as_u64().unwrap_or(0), refused.collect())
}

fn pointers(errors: &Value) -> Vec<String> {
    let errors = errors.as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().unwrap_or_default().to_owned()).collect()
}

/// A grant that does not count is named, with the reason.
#[test]
fn explain_says_why_a_grant_does_not_count() {
    let api = Api::over(Upstream::json(RESPONSE), RULES);
    let policy = api.policy.path().to_str().expect("UTF-8");
    let token = bearer("ana:support");
    let token = token.trim_start_matches("Bearer ");
    let output = run_in(
        api.policy.join("").as_path(),
        ["explain", policy, "--token", token, "GET", "/customers/1/notes"],
    );
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    let why = "but its role limits a type of object that may be here, and no `at` of such a type \
               names this path";
    assert!(told.starts_with("REFUSE GET /customers/1/notes: unmapped (403)"), "{told}");
    assert!(told.contains("note       support has /customers/** ("), "{told}");
    assert!(told.contains(why), "{told}");
}

/// And on what a caller sees of a response, byte for byte.
#[test]
fn explain_shows_the_body_that_the_proxy_sends() {
    let api = Api::over(Upstream::json(RESPONSE), RULES);
    let file = api.policy.join("response.json");
    std::fs::write(&file, RESPONSE).unwrap();
    for who in ["ana:support", "ana:owner"] {
        let token = bearer(who);
        let policy = api.policy.path().to_str().expect("UTF-8");
        let output = run_in(
            api.policy.join("").as_path(),
            [
                "explain",
                policy,
                "--token",
                token.trim_start_matches("Bearer "),
                "GET",
                "/customers/1",
                "--response",
                file.to_str().expect("UTF-8"),
                "--format",
                "json",
            ],
        );
        let told = String::from_utf8(output.stdout).expect("UTF-8");
        let sent = api.call(who, "GET", "/customers/1");
        assert!(told.contains(&format!("\"body\":{}", sent.text())), "{told}");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let removed = if who == "ana:support" { 1 } else { 0 };
        assert_eq!(told["response"]["removed"].as_array().map(Vec::len), Some(removed), "{told}");
        assert_eq!(
            told["digest"],
            api.proxy.policy()["digest"],
            "the same policy, the same digest"
        );
    }
}

/// Clients are told that a body is no JSON; whoever writes it is told where.
#[test]
fn explain_says_where_a_body_is_no_json() {
    let api = Api::start(RULES);
    let (folder, policy) = (api.policy.join(""), api.policy.path());
    let note = |body: &str, more: &[&str]| {
        api.policy.write("body.json", body);
        let policy = policy.to_str().expect("UTF-8");
        let who = ["--user", "ana", "--claim", "roles=support"];
        let rest = ["POST", "/customers", "--body", "body.json", "--format", "json"];
        let asked = [&["explain", policy][..], &who, &rest, more].concat();
        let told = String::from_utf8(run_in(&folder, asked).stdout).expect("UTF-8");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        (told["reason"].clone(), told["notes"].as_array().map_or(0, Vec::len), told)
    };
    let (reason, notes, told) = note("{\"name\": \"Ann\",}", &[]);
    assert_eq!((reason, notes), ("body_invalid".into(), 1), "{told}");
    assert_eq!(told["notes"][0], "the body: not JSON at byte 15");
    let (_, _, told) = note("{\"a\": 1, \"a\": 2}", &[]);
    let said = told["notes"][0].as_str().expect("a note");
    assert!(said.starts_with("the body: a key stands twice"), "{said}");
    let (reason, notes, told) = note("{\"name\": \"Ann\"}", &[]);
    assert_eq!((reason, notes), ("granted".into(), 0), "{told}");
}
