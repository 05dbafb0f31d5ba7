//! Monitor mode: what would be refused or removed is told, and everything passes as it came; what
//! is no decision (framing, credentials, who is calling, stripping) holds as ever.

use super::{Api, bearer};
use crate::support::proxy::{Start, run_in};
use crate::support::upstream::{json_response, response};
use crate::support::{Proxy, TempPolicy, Upstream, client, eventually, tokens};
use serde_json::Value;

const RULES: &str = r#"
mode: monitor
routes:
  - {match: "/orgs/{org}/**"}
  - {match: "/strict/{org}/**", mode: enforce}
  - {match: "/open/**", public: r}
organizations: [{id: acme}, {id: beta}]
roles:
  - {id: support, grants: [{path: "/orgs/{org}/customers/**", access: ru}], schemas: [no-ssn]}
  - {id: reads, grants: [{path: "/strict/{org}/x", access: r}]}
restrictions: [{id: quiet, deny: [{path: "/orgs/{org}/customers/9", access: r}]}]
members: [{user: ann, org: acme, roles: [support, reads], restrictions: [quiet]}]
schemas:
  - {id: no-ssn, type: customer, body: {type: object, additionalProperties: true, properties: {ssn: false, id: {readOnly: true}}}}
resource_types: [{id: customer, at: [{path: "/orgs/{org}/customers/{id}", pointer: ""}]}]
"#;

const CUSTOMER: &str = "/orgs/acme/customers/1";

fn monitored(upstream: Upstream, allow: &str) -> Api {
    let policy = TempPolicy::file(&super::with_tokens(RULES));
    policy.write("jwt.secret", tokens::SECRET);
    let proxy = start(&policy, &upstream, allow).ready();
    Api { upstream, policy, proxy }
}

fn start(policy: &TempPolicy, upstream: &Upstream, allow: &str) -> Start {
    let start = Start::new().upstream(upstream).policy(policy.path());
    start.environment("PORTCULLIS_WORKERS", "1").environment("PORTCULLIS_ALLOW_MONITOR", allow)
}

/// The last line of the log, when there are so many.
#[track_caller]
fn logged(proxy: &Proxy, lines: usize) -> Value {
    let requests = || {
        let mut log = proxy.log();
        log.retain(|line| line["method"].is_string());
        if log.len() >= lines { Ok(log) } else { Err(log.len()) }
    };
    eventually(requests).swap_remove(lines - 1)
}

#[test]
fn what_would_be_refused_passes_and_is_told() {
    let api = monitored(Upstream::json(r#"{"a":1}"#), "true");
    let mut lines = 0;
    for (who, method, target, reason) in [
        ("ann", "GET", CUSTOMER, "granted"),
        ("ann", "DELETE", CUSTOMER, "no_grant"),
        ("ann", "GET", "/orgs/acme/customers/9", "restricted"),
        ("ann", "GET", "/orgs/beta/customers/1", "not_a_member"),
        ("bob", "GET", CUSTOMER, "not_a_member"),
        ("ann", "GET", "/orgs/acme/customers/1/notes", "unmapped"),
        ("ann", "GET", "/orgs/acme/customers/1?sort=ssn", "query_not_allowed"),
    ] {
        let answer = api.call(who, method, target);
        assert_eq!((answer.status, answer.text()), (200, r#"{"a":1}"#), "{method} {target}");
        lines += 1;
        let line = logged(&api.proxy, lines);
        assert_eq!(line["monitored"], reason, "{line}");
        let told = if reason == "granted" { "granted" } else { "monitored" };
        assert_eq!((&line["reason"], &line["decision"]), (&told.into(), &"allow".into()), "{line}");
    }
    let told = api.upstream.requests();
    let headers = |at: usize, name: &str| told[at].fields.get(name).map(str::to_owned);
    assert_eq!(headers(1, "x-portcullis-org").as_deref(), Some("acme"));
    assert_eq!(headers(1, "x-portcullis-roles").as_deref(), Some("support,reads"));
    // Nobody is told that somebody is where it is not.
    assert_eq!(headers(3, "x-portcullis-org"), None);
    assert_eq!(headers(3, "x-portcullis-user").as_deref(), Some("ann"));
    let metrics = api.proxy.admin("/metrics");
    for wanted in [
        r#"portcullis_requests_total{reason="monitored",decision="allow",status="2xx"} 6"#,
        r#"portcullis_requests_monitored_total{reason="not_a_member"} 2"#,
        r#"portcullis_requests_monitored_total{reason="granted"} 1"#,
    ] {
        assert!(metrics.text().contains(wanted), "{wanted}: {}", metrics.text());
    }
    assert_eq!(api.proxy.admin("/policy").json()["mode"], "mixed");
}

#[test]
fn what_is_no_decision_holds() {
    let api = monitored(Upstream::json("{}"), "true");
    api.refuses("", "GET", CUSTOMER, 401);
    api.refuses("ann", "GET", "/nowhere", 404);
    api.refuses("ann", "TRACE", CUSTOMER, 405);
    api.refuses("ann", "GET", "/orgs/acme/../x", 400);
    api.refuses("ann", "GET", "/orgs/acme/x;y=1", 400);
    api.refuses("ann", "GET", "/orgs/acme/x?_method=DELETE", 400);
    let two = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")];
    api.refused("GET", 400, || api.call_with("", "GET", CUSTOMER, &two));
    // A route that says `enforce` is enforced.
    api.refuses("ann", "GET", "/strict/acme/y", 403);
    api.refuses("ann", "GET", "/strict/beta/x", 404);
    assert_eq!(api.call("ann", "GET", "/strict/acme/x").status, 200);
    let forged = [("X-Portcullis-Org", "beta"), ("X_Portcullis_User", "root")];
    assert_eq!(api.call_with("ann", "DELETE", CUSTOMER, &forged).status, 200);
    let told = api.upstream.requests().pop().expect("a request").fields;
    assert_eq!((told.get("x-portcullis-org"), told.get("x_portcullis_user")), (Some("acme"), None));
    assert_eq!(told.get("authorization"), None, "the credential stays here");
}

/// Bytes pass as they came, also those that are no JSON; what would have been removed is a count.
#[test]
fn p11_responses_pass_untouched_and_are_counted() {
    let odd = "{ \"id\":1,\n\"ssn\" :\"123\", \"b\": {\"ssn\": 2}}";
    let big = format!("{{\"ssn\":1,\"pad\":\"{}\"}}", "x".repeat(300_000));
    let broken = r#"{"ssn": 1, "a": "#;
    let bodies = [odd.to_owned(), big, broken.to_owned(), "plain".to_owned()];
    let answers = bodies.clone();
    let upstream = Upstream::with(move |request| {
        let at: usize = request.target.rsplit('/').next().unwrap().parse().unwrap();
        let kind = if at == 3 { "text/plain" } else { "application/json" };
        response(200, &[("Content-Type", kind), ("ETag", "\"e\"")], &answers[at])
    });
    let api = monitored(upstream, "true");
    let gzip = [("Accept-Encoding", "gzip"), ("Accept", "text/html")];
    for (at, (monitored, removed)) in
        [("granted", 1), ("granted", 1), ("shape", 1), ("shape", 0)].into_iter().enumerate()
    {
        let target = format!("/orgs/acme/customers/{at}");
        let answer = api.call_with("ann", "GET", &target, &gzip);
        assert_eq!((answer.status, answer.text()), (200, bodies[at].as_str()));
        assert_eq!(answer.header("etag"), Some("\"e\""));
        let line = logged(&api.proxy, at + 1);
        assert_eq!((&line["monitored"], &line["removed"]), (&monitored.into(), &removed.into()));
    }
    let asked = api.upstream.requests().pop().expect("a request").fields;
    assert_eq!(
        (asked.get("accept-encoding"), asked.get("accept")),
        (Some("identity"), Some("text/html"))
    );
    let metrics = api.proxy.admin("/metrics").text().to_owned();
    assert!(metrics.contains("portcullis_fields_monitored_total 3"), "{metrics}");
    assert!(metrics.contains("portcullis_fields_removed_total 0"), "{metrics}");
}

#[test]
fn p10_requests_pass_untouched_and_are_judged() {
    let api = monitored(Upstream::json("{}"), "true");
    let mut lines = 0;
    for (method, kind, body, reason) in [
        ("PATCH", "application/json", r#"{"a": 1}"#, "granted"),
        ("PATCH", "application/json", r#"{"ssn": 1 }"#, "field_not_writable"),
        ("PATCH", "application/json", r#"{"a": 1, "a": 2"#, "body_invalid"),
        ("PATCH", "text/plain", "anything", "body_invalid"),
        ("PUT", "application/json", r#"{"a": 1}"#, "hidden_fields_at_risk"),
    ] {
        let answer = api.send_as("ann", method, CUSTOMER, kind, body);
        assert_eq!(answer.status, 200, "{method} {body}");
        assert_eq!(api.upstream.requests().pop().expect("a request").body, body.as_bytes());
        lines += 1;
        assert_eq!(logged(&api.proxy, lines)["monitored"], reason, "{method} {body}");
    }
    // A body without a length is not read, and goes on.
    let bearer = bearer("ann");
    let mut client = client::Client::connect(api.proxy.address);
    client.send(format!(
        "PATCH {CUSTOMER} HTTP/1.1\r\nHost: a\r\nAuthorization: {bearer}\r\nContent-Type: \
         application/json\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{{\"ssn\":1}}\r\n0\r\n\r\n"
    ));
    assert_eq!(client.read().status, 200);
    assert_eq!(api.upstream.requests().pop().expect("a request").body, b"{\"ssn\":1}");
    assert_eq!(logged(&api.proxy, lines + 1)["monitored"], "granted");
}

/// No edit of a policy alone takes enforcement away.
#[test]
fn monitor_mode_loads_only_where_the_settings_allow_it() {
    let upstream = Upstream::with(|_| json_response(200, "{}"));
    let policy = TempPolicy::file(&super::with_tokens(RULES));
    policy.write("jwt.secret", tokens::SECRET);
    let output = start(&policy, &upstream, "false").output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("MONITOR") && said.contains("allow_monitor"), "{said}");
    policy.write("policy.yaml", super::with_tokens(&RULES.replace("mode: monitor", "")));
    let api = Api { proxy: start(&policy, &upstream, "false").ready(), upstream, policy };
    api.policy.write("policy.yaml", super::with_tokens(RULES));
    eventually(|| match api.proxy.policy()["last_error"].is_null() {
        true => Err("not told yet"),
        false => Ok(()),
    });
    api.refuses("bob", "GET", CUSTOMER, 404);
    assert_eq!(api.proxy.admin("/policy").json()["mode"], "enforce");
}

#[test]
fn check_warns_and_explain_says_both() {
    let policy = TempPolicy::file(&super::with_tokens(RULES));
    policy.write("jwt.secret", tokens::SECRET);
    policy.write("customer.json", r#"{"id":1,"ssn":2}"#);
    let folder = policy.join("");
    let check = run_in(&folder, ["check", "policy.yaml", "--format", "json"]);
    let checked: Value = serde_json::from_slice(&check.stdout).unwrap();
    let problems = checked["problems"].as_array().unwrap();
    let monitor: Vec<_> = problems.iter().filter(|problem| problem["code"] == "MONITOR").collect();
    assert_eq!(monitor.len(), 1, "{checked}");
    assert_eq!(
        (&monitor[0]["severity"], &monitor[0]["text"]),
        (&"warning".into(), &"monitor".into())
    );
    let explain = |user: &str| -> Value {
        let arguments = [
            "explain",
            "policy.yaml",
            "--user",
            user,
            "--format",
            "json",
            "--response",
            "customer.json",
            "GET",
            CUSTOMER,
        ];
        let output = run_in(&folder, arguments);
        assert_eq!(output.status.code(), Some(0));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (ann, bob) = (explain("ann"), explain("bob"));
    assert_eq!((&ann["reason"], &bob["reason"]), (&"granted".into(), &"monitored".into()));
    assert_eq!(ann["response"]["removed"][0], "/ssn");
    assert_eq!((&ann["body"]["ssn"], &bob["body"]["ssn"]), (&2.into(), &2.into()));
    assert!(bob["notes"].to_string().contains("not_a_member (404)"), "{bob}");
}
