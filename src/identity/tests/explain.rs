//! What is told of a token that does not hold.

use super::*;
use serde_json::{Value, json};

fn explain(change: impl Fn(&mut Value, &mut Value)) -> String {
    let signer = Signer::p256();
    let identity = World::with_jwks(&[signer.jwk("good")]).identity(&jwt(issuer(&["ES256"])));
    let mut header = json!({"alg": "ES256", "kid": "good"});
    let mut payload = json!({"iss": ISSUER, "aud": "api", "sub": "ann", "exp": NOW + 600});
    change(&mut header, &mut payload);
    let token = signer.token(&header.to_string(), &payload.to_string());
    let fault = identity.explain_token(&token, NOW).unwrap_err();
    let why = identity.why(&token, fault, NOW);
    let signature = token.rsplit('.').next().unwrap();
    assert!(!why.contains(signature), "the signature is told: {why}");
    why
}

#[test]
fn each_fault_says_what_was_expected() {
    for (why, wanted) in [
        (
            explain(|_, payload| payload["iss"] = "https://other.example".into()),
            "no issuer of the policy has the token's `iss`: it says `https://other.example`, the \
             policy has `https://id.example`",
        ),
        (
            explain(|header, _| header["alg"] = "HS256".into()),
            "the token's algorithm is not in the issuer's list: it is `HS256`, the issuer's list \
             is `ES256`",
        ),
        (
            explain(|header, _| header["kid"] = "old".into()),
            "no key of the issuer has the token's `kid` and fits its algorithm: its `kid` is \
             `old`, its `alg` `ES256`; the issuer's keys are `good`",
        ),
        (
            explain(|header, _| header["typ"] = "logout+jwt".into()),
            "the token's `typ` is not the one that this issuer must use: it is `logout+jwt`, \
             expected is `JWT`, `at+jwt` or none",
        ),
        (
            explain(|_, payload| payload["aud"] = json!(["a", "b"])),
            "the token is meant for another audience: its `aud` is `[\\\"a\\\",\\\"b\\\"]`, \
             expected is `api`",
        ),
        (
            explain(|_, payload| payload["exp"] = (NOW - 100).into()),
            "the token expired 100 s ago: its `exp` is `1799999900`, now it is 1800000000, and 60 \
             s are forgiven",
        ),
        (
            explain(|_, payload| payload["nbf"] = (NOW + 100).into()),
            "the token is not valid for another 100 s: its `nbf` is `1800000100`, now it is \
             1800000000, and 60 s are forgiven",
        ),
        (
            explain(|_, payload| drop(payload.as_object_mut().unwrap().remove("sub"))),
            "the token has no `user` claim",
        ),
    ] {
        assert_eq!(why, wanted);
    }
}

#[test]
fn p16_what_is_told_of_a_token_is_cut_and_harmless() {
    let why = explain(|header, _| header["kid"] = format!("\u{1b}[31m{}", "x".repeat(500)).into());
    assert!(!why.contains('\u{1b}') && why.contains('…'), "{why}");
    assert!(why.len() < 400, "{why}");
}
