//! Keys that an issuer publishes at a URL: fetched, changed, missing, wrong; seen from outside.

use super::Api;
use super::keys::{Signer, jwks};
use crate::support::issuer::Issuer;
use crate::support::proxy::run_in;
use crate::support::upstream::json_response;
use crate::support::{Client, TempPolicy, Upstream, client, eventually, tokens};
use std::time::Duration;

/// A policy whose issuer publishes its keys at `url`, with these other keys of `jwks`.
pub(super) fn policy(url: &str, more: &str) -> String {
    format!(
        "policy: 1\nidentity: {{jwt: [{{issuer: \"https://id.example\", audience: [api], \
         algorithms: [ES256], jwks: {{url: \"{url}\"{more}}}}}]}}\n\
         roles: [{{id: reads, grants: [{{path: \"/**\", access: r}}]}}]\n"
    )
}

fn start(issuer: &Issuer, more: &str) -> Api {
    Api::with(Upstream::json("{}"), TempPolicy::file(&policy(&issuer.url(), more)))
}

pub(super) fn status(api: &Api, signer: &Signer) -> u16 {
    let bearer = signer.bearer(&tokens::claims("ana", &["reads"]));
    client::call(api.proxy.address, "GET", "/x", &[("Authorization", &bearer)]).status
}

/// Waits until `/readyz` says so, and returns what it says.
#[track_caller]
pub(super) fn readiness(api: &Api, ready: bool) -> String {
    eventually(|| {
        let answer = api.proxy.admin("/readyz");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if (answer.status == 200) == ready { Ok(text) } else { Err(text) }
    })
}

const SLOW: &str = ", refresh: 1h, cool_down: 1h";

#[test]
fn p07_keys_are_fetched_and_rotate_while_a_connection_stays_open() {
    let (old, new) = (Signer::p256("old"), Signer::p256("new"));
    let issuer = Issuer::publishing(&jwks(&[&old]));
    let api = start(&issuer, ", refresh: 1s, cool_down: 1s");
    readiness(&api, true);
    let mut client = Client::connect(api.proxy.address);
    let claims = tokens::claims("ana", &["reads"]);
    let mut status = |signer: &Signer| {
        client.call("GET", "/x", &[("Authorization", &signer.bearer(&claims))]).status
    };
    assert_eq!(status(&old), 200);
    issuer.publish(&jwks(&[&old, &new]));
    eventually(|| if status(&new) == 200 { Ok(()) } else { Err("the new key is not known") });
    assert_eq!(status(&old), 200);
    issuer.publish(&jwks(&[&new]));
    eventually(|| if status(&old) == 401 { Ok(()) } else { Err("the old key still counts") });
    assert_eq!(status(&new), 200);
    assert_eq!(api.proxy.policy()["generation"], 1, "the policy is as it was");
    let request = &issuer.server.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/jwks"));
    assert_eq!(request.fields.get("authorization"), None);
    let metrics = String::from_utf8(api.proxy.admin("/metrics").body).unwrap();
    assert!(metrics.contains("portcullis_keys_ok 1\n"), "{metrics}");
    assert!(metrics.contains("portcullis_key_fetches_total{result=\"success\"}"), "{metrics}");
}

#[test]
fn p07_an_unknown_key_is_looked_for_at_once_and_the_request_waits() {
    let (old, new) = (Signer::p256("old"), Signer::p256("new"));
    let issuer = Issuer::publishing(&jwks(&[&old]));
    let api = start(&issuer, ", refresh: 1h, cool_down: 1s");
    readiness(&api, true);
    issuer.publish(&jwks(&[&old, &new]));
    // The cool-down of the first fetch passes; then the first request with the new key has it.
    eventually(|| if status(&api, &new) == 200 { Ok(()) } else { Err(issuer.asked()) });
    assert_eq!(issuer.asked(), 2, "one fetch at the start, one for the unknown key");
}

#[test]
fn p07_a_flood_of_unknown_keys_is_one_fetch_per_cool_down() {
    let (known, unknown) = (Signer::p256("known"), Signer::p256("made-up"));
    let issuer = Issuer::publishing(&jwks(&[&known]));
    let api = start(&issuer, SLOW);
    readiness(&api, true);
    for _ in 0..50 {
        assert_eq!(status(&api, &unknown), 401);
    }
    assert_eq!(issuer.asked(), 1);
    assert_eq!(status(&api, &known), 200);
    assert_eq!(api.upstream.requests().len(), 1, "the refused ones reached nobody");
}

#[test]
fn p07_an_unreachable_issuer_counts_until_max_stale() {
    let signer = Signer::p256("k");
    let issuer = Issuer::publishing(&jwks(&[&signer]));
    let api = start(&issuer, ", refresh: 1s, cool_down: 1s, max_stale: 4s");
    readiness(&api, true);
    issuer.answers(json_response(503, "{}"));
    api.proxy.wait_for_line("keys cannot be fetched");
    assert_eq!(status(&api, &signer), 200, "the last good keys");
    let said = readiness(&api, false);
    assert!(said.contains("`https://id.example`") && said.contains("max_stale"), "{said}");
    assert_eq!(status(&api, &signer), 401);
    let metrics = String::from_utf8(api.proxy.admin("/metrics").body).unwrap();
    assert!(metrics.contains("portcullis_keys_ok 0\n"), "{metrics}");
    issuer.publish(&jwks(&[&signer]));
    readiness(&api, true);
    assert_eq!(status(&api, &signer), 200);
}

#[test]
fn p07_the_listener_is_up_before_the_keys_are_and_says_so() {
    let signer = Signer::p256("k");
    let issuer = Issuer::publishing("{}");
    let api = start(&issuer, ", refresh: 1s, cool_down: 1s");
    let said = readiness(&api, false);
    assert!(said.starts_with("not ready: no keys of `https://id.example`"), "{said}");
    api.refused("GET", 401, || {
        let bearer = signer.bearer(&tokens::claims("ana", &["reads"]));
        api.call_with("", "GET", "/x", &[("Authorization", &bearer)])
    });
    issuer.publish(&jwks(&[&signer]));
    assert_eq!(readiness(&api, true), "ready\n");
    assert_eq!(status(&api, &signer), 200);
}

#[test]
fn p07_redirects_are_not_followed() {
    let signer = Signer::p256("k");
    let elsewhere = Issuer::publishing(&jwks(&[&signer]));
    let issuer = Issuer::publishing("{}");
    let to = elsewhere.url();
    issuer.answers(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"));
    let api = start(&issuer, SLOW);
    api.proxy.wait_for_line("redirects are not followed");
    assert_eq!(status(&api, &signer), 401);
    elsewhere.server.assert_untouched();
}

#[test]
fn p07_what_is_answered_is_bounded_in_bytes_and_in_time() {
    let signer = Signer::p256("k");
    let set = jwks(&[&signer]);
    let padded = |length: usize| format!("{set}{}", " ".repeat(length - set.len()));
    for (length, fits) in [(1023, true), (1024, true), (1025, false)] {
        let issuer = Issuer::publishing(&padded(length));
        let api = start(&issuer, ", max_bytes: 1KiB, refresh: 1h, cool_down: 1h");
        match fits {
            true => drop(readiness(&api, true)),
            false => drop(api.proxy.wait_for_line("longer than 1024 bytes")),
        }
        assert_eq!(status(&api, &signer), if fits { 200 } else { 401 }, "{length}");
    }
    let issuer = Issuer::publishing(&set);
    issuer.falls_silent();
    let api = start(&issuer, ", timeout: 100ms, refresh: 1h, cool_down: 1h");
    api.proxy.wait_for_line("no answer within 100ms");
    assert_eq!(status(&api, &signer), 401);
}

#[test]
fn p07_a_reload_of_the_policy_keeps_the_keys() {
    let signer = Signer::p256("k");
    let issuer = Issuer::publishing(&jwks(&[&signer]));
    let api = start(&issuer, SLOW);
    readiness(&api, true);
    issuer.answers(json_response(503, "{}"));
    let other = policy(&issuer.url(), ", refresh: 2h, cool_down: 1h");
    api.policy.write("policy.yaml", format!("{other}name: second\n"));
    api.proxy.wait_for_generation(2);
    assert_eq!(status(&api, &signer), 200);
    api.proxy.wait_for_line("keys cannot be fetched");
    assert_eq!((status(&api, &signer), readiness(&api, true).as_str()), (200, "ready\n"));
}

#[test]
fn p16_no_answer_of_an_issuer_is_in_the_log_or_the_metrics() {
    let signer = Signer::p256("k");
    let canary = r#"{"keys": "canary-5e1f"}"#;
    let issuer = Issuer::publishing(canary);
    let api = start(&issuer, ", refresh: 1s, cool_down: 1s");
    api.proxy.wait_for_line("it is not a JSON Web Key Set");
    issuer.answers("HTTP/1.1 500 canary-5e1f\r\nContent-Length: 11\r\n\r\ncanary-5e1f");
    api.proxy.wait_for_line("the answer is 500");
    let escape = "\u{1b}[31mred";
    let odd = serde_json::json!({"keys": [{"kty": "oct", "kid": escape, "k": "canary-5e1f"}]});
    issuer.publish(&odd.to_string());
    let line = api.proxy.wait_for_line("is a symmetric key");
    assert!(!line.contains('\u{1b}'), "{line}");
    issuer.publish(&jwks(&[&signer]));
    eventually(|| if status(&api, &signer) == 200 { Ok(()) } else { Err(()) });
    let metrics = String::from_utf8(api.proxy.admin("/metrics").body).unwrap();
    let all = format!("{}{metrics}", api.proxy.printed().join("\n"));
    assert!(!all.contains("canary"), "{all}");
}

#[test]
fn p15_a_fetch_under_way_does_not_hold_up_the_end() {
    let issuer = Issuer::publishing("{}");
    issuer.falls_silent();
    let mut api = start(&issuer, ", timeout: 60s, refresh: 1h, cool_down: 1h");
    issuer.server.wait_for(1);
    let begun = std::time::Instant::now();
    assert!(api.proxy.stop().success());
    assert!(begun.elapsed() < Duration::from_secs(8), "a fetch under way holds nothing up");
}

#[test]
fn explain_fetches_the_keys_unless_it_is_told_not_to() {
    let (known, unknown) = (Signer::p256("known"), Signer::p256("other"));
    let issuer = Issuer::publishing(&jwks(&[&known]));
    let policy = TempPolicy::file(&policy(&issuer.url(), ""));
    let explain = |signer: &Signer, more: &[&str]| {
        let bearer = signer.bearer(&tokens::claims("ana", &["reads"]));
        let token = bearer.strip_prefix("Bearer ").unwrap();
        let arguments = [&["explain", "policy.yaml", "GET", "/x", "--token", token], more].concat();
        let output = run_in(&policy.join("."), arguments);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, said) = explain(&known, &[]);
    assert!(status == Some(0) && said.contains("ana"), "{said}");
    let (status, said) = explain(&unknown, &[]);
    assert!(status == Some(1) && said.contains("its `kid` is `other`"), "{said}");
    assert!(said.contains("the issuer's keys are `known`"), "{said}");
    let (status, said) = explain(&known, &["--offline"]);
    assert!(status == Some(1) && said.contains("they come from `http://127.0.0.1:"), "{said}");
    issuer.answers(json_response(500, "{}"));
    let (status, said) = explain(&known, &[]);
    assert!(status == Some(1) && said.contains("cannot be fetched from"), "{said}");
    assert!(said.contains("the answer is 500"), "{said}");
}
