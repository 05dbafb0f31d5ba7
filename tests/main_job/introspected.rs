//! Opaque tokens, end to end: an issuer that is asked, that refuses, that is not there.

use super::Api;
use crate::support::issuer::Issuer;
use crate::support::proxy::run_in;
use crate::support::upstream::json_response;
use crate::support::{TempPolicy, Upstream, client, eventually};
use portcullis::control::fetch::MAX_TRIES;
use portcullis::identity::MAX_ANSWER;
use serde_json::json;

fn policy(url: &str, more: &str) -> TempPolicy {
    let policy = TempPolicy::file(&format!(
        "policy: 1\nidentity: {{introspection: [{{url: \"{url}\", client: {{id: api, secret: \
         {{file: client.secret}}}}, audience: [api]{more}}}]}}\n\
         roles: [{{id: reads, grants: [{{path: \"/**\", access: r}}]}}]\n"
    ));
    policy.write("client.secret", "canary-client-secret");
    policy
}

fn start(issuer: &Issuer, more: &str) -> Api {
    Api::with(Upstream::json("{}"), policy(&issuer.url(), more))
}

fn active() -> String {
    json!({"active": true, "sub": "ana", "aud": "api", "roles": ["reads"]}).to_string()
}

fn get(api: &Api, token: &str) -> crate::support::Response {
    let bearer = format!("Bearer {token}");
    client::call(api.proxy.address, "GET", "/x", &[("Authorization", &bearer)])
}

#[test]
fn p07_an_opaque_token_is_asked_about_once_and_remembered() {
    let issuer = Issuer::publishing(&active());
    let api = start(&issuer, "");
    for _ in 0..3 {
        assert_eq!(get(&api, "canary+token/1").status, 200);
    }
    let question = issuer.server.request();
    assert_eq!(question.method, "POST");
    assert_eq!(question.fields.get("content-type"), Some("application/x-www-form-urlencoded"));
    let basic = question.fields.get("authorization").unwrap();
    assert_eq!(basic, "Basic YXBpOmNhbmFyeSUyRGNsaWVudCUyRHNlY3JldA==");
    let body = String::from_utf8(question.body).unwrap();
    assert_eq!(body, "token=canary%2Btoken%2F1&token_type_hint=access_token");
    assert_eq!(api.upstream.requests()[0].fields.get("x-portcullis-user"), Some("ana"));
    assert_eq!(api.upstream.requests()[0].fields.get("authorization"), None);
    // It is counted when the callers have their answer.
    let metrics = eventually(|| {
        let metrics = String::from_utf8(api.proxy.admin("/metrics").body).unwrap();
        let counted = "portcullis_introspections_total{result=\"active\"} 1\n";
        if metrics.contains(counted) { Ok(metrics) } else { Err(metrics) }
    });
    let all = format!("{}{metrics}", api.proxy.printed().join("\n"));
    assert!(!all.contains("canary"), "p16: {all}");
}

#[test]
fn p07_a_token_that_is_not_active_is_401_and_not_asked_about_again_at_once() {
    let issuer = Issuer::publishing(r#"{"active": false}"#);
    let api = start(&issuer, "");
    for _ in 0..3 {
        let answer = api.refused("GET", 401, || get(&api, "gone"));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    }
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn p07_an_issuer_that_cannot_be_asked_is_503_and_never_allows() {
    let issuer = Issuer::publishing("");
    let api = start(&issuer, ", timeout: 200ms");
    let unavailable = || {
        let answer = api.refused("GET", 503, || get(&api, "opaque"));
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert_eq!(answer.header("www-authenticate"), None);
    };
    for bad in ["<html>", r#"{"active": "true"}"#] {
        issuer.publish(bad);
        unavailable();
    }
    for status in [302, 401, 404, 500] {
        issuer.answers(json_response(status, &active()));
        unavailable();
    }
    issuer.falls_silent();
    unavailable();
    api.proxy.wait_for_line("tokens cannot be asked about");
    issuer.publish(&active());
    eventually(|| match get(&api, "opaque").status {
        200 => Ok(()),
        other => Err(other),
    });
    api.proxy.wait_for_line("tokens can be asked about again");
}

/// A connection that was kept open is closed while the next question is on its way.
#[test]
fn a_question_that_nobody_has_heard_is_put_again_and_no_more_often() {
    let issuer = Issuer::publishing("");
    let api = start(&issuer, "");
    issuer.answers("");
    let answer = api.refused("GET", 503, || get(&api, "opaque-1"));
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(issuer.asked(), MAX_TRIES);
    issuer.answers_once_nothing_then(&active());
    assert_eq!(get(&api, "opaque-2").status, 200);
    assert_eq!(issuer.asked(), 2 * MAX_TRIES);
}

#[test]
fn p07_an_answer_may_be_as_long_as_its_limit() {
    let issuer = Issuer::publishing("");
    let api = start(&issuer, "");
    for (length, status) in [(MAX_ANSWER - 1, 200), (MAX_ANSWER, 200), (MAX_ANSWER + 1, 503)] {
        let answer = active();
        issuer.publish(&(" ".repeat(length - answer.len()) + &answer));
        assert_eq!(get(&api, &format!("opaque-{length}")).status, status, "{length}");
    }
    assert_eq!(api.upstream.requests().len(), 2);
}

#[test]
fn many_requests_with_one_token_are_one_question() {
    let issuer = Issuer::publishing(&active());
    let api = start(&issuer, "");
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| get(&api, "shared").status)).collect();
        for call in calls {
            assert_eq!(call.join().unwrap(), 200);
        }
    });
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn explain_asks_the_issuer_too() {
    let issuer = Issuer::publishing(&active());
    let policy = policy(&issuer.url(), "");
    let explain = |more: &[&str]| {
        let arguments = [&["explain", "policy.yaml", "GET", "/x", "--token", "opaque"], more];
        let output = run_in(policy.join(".").as_path(), arguments.concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, said) = explain(&[]);
    assert!(status == Some(0) && said.contains("ana"), "{said}");
    let (status, said) = explain(&["--offline"]);
    assert!(status == Some(1) && said.contains("three parts"), "{said}");
    issuer.publish(r#"{"active": false}"#);
    let (status, said) = explain(&[]);
    assert!(status == Some(1) && said.contains("it is not active"), "{said}");
    issuer.answers(json_response(401, "{}"));
    let (status, said) = explain(&[]);
    assert!(status == Some(1) && said.contains("does not take the `client`"), "{said}");
}
