//! What is told of requests: one line each, no secrets, nothing that a client can forge.

use super::{Api, bearer};
use crate::support::upstream::json_response;
use crate::support::{Client, Upstream, client, eventually, tokens};
use serde_json::Value;

const RULES: &str = r#"
routes: [{match: "/**"}, {match: "/news/**", public: r}]
roles:
  - {id: support, grants: [{path: "/customers/{id}", access: ru}], schemas: [support]}
schemas:
  - {id: support, type: customer, body: {type: object, additionalProperties: true, properties: {ssn: false, age: {type: integer}}}}
resource_types:
  - {id: customer, at: [{path: "/customers/{id}", pointer: ""}]}
"#;

/// The access log's lines, once there are this many.
#[track_caller]
fn lines(api: &Api, count: usize) -> Vec<Value> {
    eventually(|| {
        let log: Vec<_> = api.proxy.log().into_iter().filter(|l| l["method"].is_string()).collect();
        if log.len() >= count { Ok(log) } else { Err(log) }
    })
}

#[test]
fn one_line_a_request_says_what_was_decided_and_why() {
    let api = Api::over(Upstream::json(r#"{"id": 1, "ssn": 2}"#), RULES);
    for (who, method, target, reason, decision, status) in [
        ("ana:support", "GET", "/customers/1", "granted", "allow", 200),
        ("ana:support", "GET", "/customers", "no_grant", "refuse", 403),
        ("", "GET", "/customers/1", "unauthenticated", "refuse", 401),
        ("", "GET", "/news/1", "public", "allow", 200),
        ("ana:support", "TRACE", "/customers/1", "bad_method", "refuse", 405),
        ("ana:support", "GET", "/customers/..", "bad_path", "refuse", 400),
        ("ana:support", "GET", "/customers/1?sort=ssn", "query_not_allowed", "refuse", 403),
    ] {
        let before = lines(&api, 0).len();
        let id = format!("r-{before}");
        let answer = api.call_with(who, method, target, &[("X-Request-Id", &id)]);
        assert_eq!(answer.status, status, "{method} {target}");
        let log = lines(&api, before + 1);
        assert_eq!(log.len(), before + 1, "one line a request");
        let line = log.last().unwrap();
        let told = ["request_id", "method", "reason", "decision"].map(|key| line[key].as_str());
        assert_eq!(told, [Some(id.as_str()), Some(method), Some(reason), Some(decision)]);
        assert_eq!((&line["status"], &line["aborted"]), (&status.into(), &false.into()), "{line}");
        assert_eq!(line["client"], "127.0.0.1");
        assert_eq!(line["bytes_out"], answer.body.len());
        assert!(!line.to_string().contains("/customers/1"), "templates, never paths: {line}");
    }
    let log = lines(&api, 7);
    let addressed: Vec<_> = log.iter().map(|line| [&line["route"], &line["access"]]).collect();
    for (at, route) in [(0, "/**"), (1, "/**"), (2, "/**"), (3, "/news/**"), (6, "/**")] {
        assert_eq!(addressed[at], [route, "read"], "refused or not: {}", log[at]);
    }
    let first = &log[0];
    assert_eq!((&first["user"], &first["access"]), (&"ana".into(), &"read".into()), "{first}");
    assert_eq!((&first["removed"], &first["generation"]), (&1.into(), &1.into()), "{first}");
    let metrics = api.proxy.admin("/metrics");
    let text = metrics.text();
    for line in [
        "portcullis_requests_total{reason=\"granted\",decision=\"allow\",status=\"2xx\"} 1",
        "portcullis_requests_total{reason=\"no_grant\",decision=\"refuse\",status=\"4xx\"} 1",
        "portcullis_requests_total{reason=\"public\",decision=\"allow\",status=\"2xx\"} 1",
        "portcullis_fields_removed_total 1",
        "portcullis_connections_opened_total 7",
        "portcullis_request_duration_seconds_count 7",
        "_bucket{le=\"+Inf\"} 7",
    ] {
        assert!(text.contains(line), "`{line}` is missing:\n{text}");
    }
}

#[test]
fn a_client_that_goes_away_has_its_line_too() {
    let api = Api::over(Upstream::silent(), RULES);
    let mut client = Client::connect(api.proxy.address);
    client.send(client::head("GET", "/news/1", &[("X-Request-Id", "gone")], None));
    api.upstream.wait_for(1);
    drop(client);
    let line = lines(&api, 1).remove(0);
    assert_eq!((&line["request_id"], &line["aborted"]), (&"gone".into(), &true.into()), "{line}");
    assert_eq!(line["status"], 0, "no head went out: {line}");
}

/// Tokens, keys, bodies and hidden fields, in every place a request has: none is ever written.
#[test]
fn p16_canaries_are_in_no_log_no_metric_and_no_error() {
    let answer = r#"{"id": 1, "ssn": "CANARY-hidden", "name": "CANARY-shown"}"#;
    let statuses = [200, 404, 500];
    let api = Api::over(
        Upstream::with(move |request| {
            let status = statuses[request.target.len() % 3];
            json_response(status, answer)
        }),
        RULES,
    );
    let mut sent = 0;
    let secret_token =
        tokens::hs256("CANARY secret that is long enough for it", &tokens::claims("CANARY", &[]));
    let bodies = [
        r#"{"ssn": "CANARY-body"}"#,
        r#"{"age": "CANARY-body"}"#,
        r#"{"name": "CANARY-body"}"#,
        r#"{"CANARY": 1, "CANARY": 2}"#,
        "CANARY",
    ];
    for round in 0..40 {
        let good = bearer("ana:support");
        let (token, target) = match round % 4 {
            0 => (good.clone(), format!("/customers/CANARY-path-{round}")),
            1 => (format!("Bearer {secret_token}"), "/customers/1".into()),
            2 => ("Bearer CANARY-token".into(), "/CANARY?CANARY=CANARY".into()),
            _ => (good.clone(), format!("/customers/1?CANARY={}", "x".repeat(round % 3))),
        };
        let fields = [
            ("Authorization", token.as_str()),
            ("Cookie", "s=CANARY"),
            ("X-Request-Id", "CANARY bad"),
            ("Referer", "CANARY"),
        ];
        let seen = api.call_with("", "GET", &target, &fields);
        assert!(!seen.text().contains("CANARY-hidden"), "{}", seen.text());
        for body in bodies {
            let fields = [&fields[..], &[("Content-Type", "application/json")]].concat();
            let mut client = Client::connect(api.proxy.address);
            client.call_with("PATCH", &target, &fields, body.as_bytes());
        }
        sent += 1 + bodies.len();
    }
    assert_eq!(lines(&api, sent).len(), sent);
    let printed = api.proxy.printed().join("\n");
    assert!(
        !printed.contains("CANARY"),
        "{}",
        printed.lines().find(|l| l.contains("CANARY")).unwrap()
    );
    for path in ["/metrics", "/policy"] {
        let text = api.proxy.admin(path);
        assert!(!text.text().contains("CANARY"), "{path}");
    }
    let token = bearer("ana:support");
    let signature = token.rsplit('.').next().unwrap();
    assert!(!printed.contains(signature));
    assert!(!printed.contains(tokens::SECRET));
}

/// Who may choose a text that is logged (a user's name) cannot make a second line of it.
#[test]
fn p16_control_characters_are_escaped() {
    let api = Api::start(RULES);
    let forged = "eve\",\"decision\":\"allow\"}\n{\"method\":\"GET\"\u{1b}[31m\u{7f}\u{85}\u{2028}";
    let token = tokens::bearer(&tokens::claims(forged, &["support"]));
    let answer = api.call_with("", "GET", "/nowhere", &[("Authorization", &token)]);
    assert!(matches!(answer.status, 401 | 403), "{}", answer.status);
    let log = lines(&api, 1);
    assert_eq!(log.len(), 1);
    assert_eq!(log[0]["decision"], "refuse");
    for line in api.proxy.printed() {
        assert!(!line.chars().any(char::is_control), "{}", line.escape_debug());
    }
}
