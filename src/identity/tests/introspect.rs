//! Opaque tokens, without the asking: what an answer makes of them, and for how long.

use super::*;
use crate::identity::introspect::{MAX_INACTIVE, MAX_QUESTIONS};
use serde_json::{Value, json};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

fn raw() -> RawIntrospection {
    RawIntrospection {
        span: Span::default(),
        url: Some(text("https://id.example/introspect")),
        ca: None,
        client_id: text("api"),
        secret: RawSecret::File(text("client.secret")),
        tokens: None,
        issuer: Some(text(ISSUER)),
        audience: texts(&["api"]),
        claims: RawClaims::default(),
        prefix: Some(text("o:")),
        cache: Some(Duration::from_secs(60)),
        negative: Some(Duration::from_secs(10)),
        timeout: None,
        concurrency: None,
    }
}

fn world() -> World {
    World::default().file("client.secret", "a&b c")
}

fn asked_of(all: Vec<RawIntrospection>) -> RawIdentity {
    RawIdentity { introspection: all, ..RawIdentity::default() }
}

fn identity() -> Identity {
    world().identity(&asked_of(vec![raw()]))
}

fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

fn good() -> Value {
    json!({"active": true, "iss": ISSUER, "aud": "api", "sub": "ann", "exp": NOW + 600,
        "token_type": "Bearer", "roles": ["reads"]})
}

fn with(name: &str, value: Value) -> String {
    let mut answer = good();
    match value.is_null() {
        true => drop(answer.as_object_mut().unwrap().remove(name)),
        false => answer[name] = value,
    }
    answer.to_string()
}

const TOKEN: &str = "opaque-1";

/// What comes of a token about which the issuer says this.
fn judge(answer: &str) -> (Said, Result<Arc<Principal>, Fault>) {
    let identity = identity();
    let headers = header_map(&[("authorization", "Bearer opaque-1")]);
    let request = asked(&headers, Peer::Unix);
    let fault = identity.identify(&request, NOW).unwrap_err().fault;
    let ask = identity.ask(&request, fault, NOW).expect("a question");
    let mut questions = identity.introspectors()[0].questions().expect("the first");
    let question = questions.try_recv().expect("one question");
    assert_eq!(question.token(), TOKEN);
    let said = question.answered(answer.as_bytes(), NOW);
    let answer = poll(identity.answer(ask, &request, NOW)).expect("an answer");
    (said, answer.map_err(|unidentified| unidentified.fault))
}

#[test]
fn an_active_token_is_its_caller_until_it_expires_or_the_answer_is_old() {
    let (said, caller) = judge(&good().to_string());
    let ann = caller.unwrap();
    assert_eq!((said, &*ann.user, ann.expires), (Said::Active, "o:ann", Some(NOW + 60)));
    assert_eq!(ann.roles.as_ref().unwrap().join(","), "reads");
    for (exp, until) in [(59, 59), (60, 60), (61, 60)] {
        let ann = judge(&with("exp", (NOW + exp).into())).1.unwrap();
        assert_eq!(ann.expires, Some(NOW + until), "{exp}");
    }
    assert_eq!(judge(&with("exp", Value::Null)).1.unwrap().expires, Some(NOW + 60));
}

#[test]
fn what_an_answer_says_is_held_to_the_policy() {
    let refused = |answer: &str| match judge(answer) {
        (Said::Inactive, Err(fault)) => fault,
        other => panic!("{answer}: {other:?}"),
    };
    assert_eq!(refused(r#"{"active": false}"#), Fault::Inactive);
    for (name, value, fault) in [
        ("iss", json!("https://other.example"), TokenFault::UnknownIssuer),
        ("iss", Value::Null, TokenFault::MissingClaim("iss")),
        ("aud", json!("other"), TokenFault::Audience),
        ("aud", Value::Null, TokenFault::MissingClaim("aud")),
        ("sub", Value::Null, TokenFault::MissingClaim("user")),
        ("sub", json!(7), TokenFault::ClaimType("user")),
        ("exp", json!(NOW), TokenFault::Expired { ago: 0 }),
        ("exp", json!(1.5), TokenFault::ClaimType("exp")),
        ("nbf", json!(NOW + 1), TokenFault::NotYet { ahead: 1 }),
        ("cnf", json!({"jkt": "x"}), TokenFault::Type),
    ] {
        assert_eq!(refused(&with(name, value)), Fault::Token(fault), "{name}");
    }
}

#[test]
fn what_is_no_answer_is_a_failure_and_never_a_caller() {
    for bad in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"active": "true"}"#,
        r#"{"active": 1}"#,
        r#"{"active": null}"#,
        r#"{"active": false, "active": true}"#,
        "\u{feff}{\"active\": true}",
    ] {
        assert_eq!(judge(bad), (Said::Nonsense, Err(Fault::NotAnswered)), "{bad}");
    }
    assert_eq!(Fault::NotAnswered.reason().status(), 503);
    assert_eq!(Fault::Inactive.reason().status(), 401);
}

#[test]
fn an_answer_is_remembered_and_requests_share_a_question() {
    let identity = identity();
    let mut questions = identity.introspectors()[0].questions().unwrap();
    assert!(identity.introspectors()[0].questions().is_none(), "one takes them");
    let headers = header_map(&[("authorization", "Bearer opaque-1")]);
    let request = asked(&headers, Peer::Unix);
    let fault = || identity.identify(&request, NOW).unwrap_err().fault;
    let (one, two) = (identity.ask(&request, fault(), NOW), identity.ask(&request, fault(), NOW));
    let question = questions.try_recv().unwrap();
    assert!(questions.try_recv().is_err() && !question.is_given_up());
    assert_eq!(question.answered(good().to_string().as_bytes(), NOW), Said::Active);
    for ask in [one, two] {
        assert!(poll(identity.answer(ask.unwrap(), &request, NOW)).unwrap().is_ok());
    }
    assert!(identity.identify(&request, NOW + 59).is_ok(), "a verdict");
    assert_eq!(identity.identify(&request, NOW + 60).unwrap_err().reason.status(), 401);
    let again = identity.ask(&request, fault_of(&identity, NOW + 60), NOW + 60);
    assert!(again.is_some() && questions.try_recv().is_ok(), "asked again");
}

fn fault_of(identity: &Identity, now: u64) -> Fault {
    let headers = header_map(&[("authorization", "Bearer opaque-1")]);
    identity.identify(&asked(&headers, Peer::Unix), now).unwrap_err().fault
}

#[test]
fn a_refusal_is_remembered_for_its_time() {
    let identity = identity();
    let mut questions = identity.introspectors()[0].questions().unwrap();
    let headers = header_map(&[("authorization", "Bearer opaque-1")]);
    let request = asked(&headers, Peer::Unix);
    let mut asks = |now| {
        let ask = identity.ask(&request, fault_of(&identity, now), now);
        if ask.is_some() {
            let question = questions.try_recv().unwrap();
            question.answered(br#"{"active": false}"#, now);
        }
        ask.is_some()
    };
    assert_eq!([0, 9, 10, 19, 20].map(|after| asks(NOW + after)), [true, false, true, false, true]);
}

#[test]
fn p13_so_many_refusals_are_remembered() {
    let identity = identity();
    let inactive = &identity.introspectors()[0].inactive;
    for n in 1..=2 * MAX_INACTIVE {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&n.to_be_bytes());
        inactive.insert(digest, NOW);
        if [MAX_INACTIVE - 1, MAX_INACTIVE, MAX_INACTIVE + 1].contains(&n) || n % 1_000 == 0 {
            assert!(inactive.len() <= MAX_INACTIVE.min(n), "{n}");
        }
    }
}

#[test]
fn questions_that_wait_are_limited() {
    let identity = identity();
    let ask = |at: usize| {
        let headers = header_map(&[("authorization", &format!("Bearer opaque-{at}"))]);
        let request = asked(&headers, Peer::Unix);
        let ask = identity.ask(&request, Fault::Token(TokenFault::Parts), NOW).unwrap();
        poll(identity.answer(ask, &request, NOW)).map(|answer| answer.unwrap_err().fault)
    };
    for at in 1..=MAX_QUESTIONS {
        assert_eq!(ask(at), None, "{at} waits");
    }
    assert_eq!(ask(MAX_QUESTIONS + 1), Some(Fault::NotAnswered));
}

#[test]
fn p07_only_opaque_tokens_are_asked_about() {
    let signer = Signer::p256();
    let ours = RawJwt { prefix: Some(text("j:")), ..issuer(&["ES256"]) };
    let raw = RawIdentity { jwt: vec![ours], ..asked_of(vec![raw()]) };
    let jwks = json!({"keys": [signer.jwk("k")]}).to_string();
    let identity = world().file("jwks.json", jwks).identity(&raw);
    let asks = |headers: &[(&str, &str)]| {
        let headers = header_map(headers);
        let request = asked(&headers, Peer::Unix);
        let fault = identity.identify(&request, NOW).unwrap_err().fault;
        identity.ask(&request, fault, NOW).is_some()
    };
    let of = |iss: &str| {
        let payload = json!({"iss": iss, "aud": "other", "sub": "ann", "exp": NOW + 600});
        let header = json!({"alg": "ES256", "kid": "k"}).to_string();
        format!("Bearer {}", signer.token(&header, &payload.to_string()))
    };
    assert!(!asks(&[("authorization", &of(ISSUER))]), "a token of our own issuer that is bad");
    assert!(asks(&[("authorization", &of("https://other.example"))]), "a token of another");
    assert!(asks(&[("authorization", "Bearer a.b.c.d.e")]), "an encrypted token");
    assert!(asks(&[("authorization", "Bearer opaque")]));
    for none in [
        &[][..],
        &[("authorization", "Basic YTpi")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer a b")],
        &[("authorization", "Bearer a"), ("authorization", "Bearer a")],
    ] {
        assert!(!asks(none), "{none:?}");
    }
}

#[test]
fn a_token_chooses_one_issuer_by_its_beginning() {
    let of = |tokens: Option<&str>, host: &str| RawIntrospection {
        tokens: tokens.map(text),
        url: Some(text(host)),
        prefix: Some(text(&format!("{}:", tokens.unwrap_or("x")))),
        ..raw()
    };
    let all = vec![
        of(None, "https://any.example"),
        of(Some("gho_"), "https://gho.example"),
        of(Some("gho_x"), "https://ghox.example"),
    ];
    let raw = RawIdentity { same_users: true, ..asked_of(all) };
    let identity = world().identity(&raw);
    let mut questions: Vec<_> =
        identity.introspectors().iter().map(|one| one.questions().unwrap()).collect();
    for (token, at) in [("a", 0), ("gho", 0), ("gho_a", 1), ("gho_xa", 2)] {
        let headers = header_map(&[("authorization", &format!("Bearer {token}"))]);
        let fault = Fault::Token(TokenFault::Parts);
        assert!(identity.ask(&asked(&headers, Peer::Unix), fault, NOW).is_some());
        let went: Vec<_> = questions.iter_mut().map(|one| one.try_recv().is_ok()).collect();
        assert_eq!(went, [0, 1, 2].map(|other| other == at), "{token}");
    }
    let twice =
        asked_of(vec![of(Some("a"), "https://a.example"), of(Some("a"), "https://b.example")]);
    let twice = RawIdentity { same_users: true, ..twice };
    let wanted = "IDENTITY_VALID error: two issuers would be asked about tokens with `a`";
    assert_eq!(said(&world().compile(&twice).1), [wanted]);
}

#[test]
fn a_client_is_named_as_rfc_6749_has_it() {
    let identity = identity();
    let authorization = &identity.introspectors()[0].settings().authorization;
    // `api:a%26b%20c`
    assert_eq!(authorization.to_str().unwrap(), "Basic YXBpOmElMjZiJTIwYw==");
    assert!(authorization.is_sensitive());
    let bad = World::default().file("client.secret", "a secret\n");
    let newline = "IDENTITY_VALID error: the secret in `client.secret` ends with a newline";
    assert_eq!(said(&bad.compile(&asked_of(vec![raw()])).1), [newline]);
    let empty = World::default().file("client.secret", "");
    let none = "IDENTITY_VALID error: the secret in `client.secret` is empty, or no text";
    assert_eq!(said(&empty.compile(&asked_of(vec![raw()])).1), [none]);
}

#[test]
fn p16_neither_token_nor_secret_is_shown() {
    let identity = identity();
    let headers = header_map(&[("authorization", "Bearer canary-77")]);
    let request = asked(&headers, Peer::Unix);
    let ask = identity.ask(&request, Fault::Token(TokenFault::Parts), NOW).unwrap();
    let question = identity.introspectors()[0].questions().unwrap().try_recv().unwrap();
    let all = format!("{ask:?} {question:?} {:?} {identity:?}", identity.introspectors());
    assert!(!all.contains("canary") && !all.contains("Basic"), "{all}");
}
