//! Keys that come from a URL, without the fetching: what is known, for how long, who waits.

use super::*;
use crate::identity::remote::MAX_WAITING;
use serde_json::json;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

fn by_url(max_stale: u64) -> RawJwt {
    let keys = RawKeyUrl {
        url: text("https://id.example/jwks"),
        ca: None,
        refresh: None,
        cool_down: None,
        max_stale: Some(Duration::from_secs(max_stale)),
        max_bytes: None,
        timeout: None,
    };
    RawJwt { keys: Some(RawKeys::JwksUrl(Box::new(keys))), ..issuer(&["ES256"]) }
}

fn identity(max_stale: u64) -> Identity {
    World::default().identity(&jwt(by_url(max_stale)))
}

fn source(identity: &Identity) -> Arc<KeySource> {
    let [source] = &identity.key_sources()[..] else { panic!("one source") };
    source.clone()
}

fn set(keys: &[serde_json::Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

/// `Bearer …` for a good token of this key.
fn bearer(signer: &Signer, kid: &str) -> String {
    let header = json!({"alg": "ES256", "kid": kid}).to_string();
    let payload = json!({"iss": ISSUER, "aud": "api", "sub": "ann", "exp": NOW + 100_000});
    format!("Bearer {}", signer.token(&header, &payload.to_string()))
}

fn at(identity: &Identity, bearer: &str, now: u64) -> Result<(), Fault> {
    let headers = header_map(&[("authorization", bearer)]);
    let request = asked(&headers, Peer::Unix);
    identity.identify(&request, now).map(|_| ()).map_err(|unidentified| unidentified.fault)
}

fn ask(identity: &Identity, bearer: &str, fault: Fault) -> Option<Ask> {
    let headers = header_map(&[("authorization", bearer)]);
    identity.ask(&asked(&headers, Peer::Unix), fault, NOW)
}

const NO_KEYS: Result<(), Fault> = Err(Fault::Token(TokenFault::KeysUnavailable));
const NO_KEY: Result<(), Fault> = Err(Fault::Token(TokenFault::NoKey));

#[test]
fn p07_without_keys_no_token_holds_and_somebody_is_told() {
    let identity = identity(100);
    let (signer, source) = (Signer::p256(), source(&identity));
    assert_eq!(at(&identity, &bearer(&signer, "a"), NOW), NO_KEYS);
    let keyless = identity.keyless(NOW).unwrap();
    let said = "no keys of `https://id.example` have been fetched from \
                `https://id.example/jwks` yet";
    assert_eq!(keyless.to_string(), said);
    source.store(&set(&[signer.jwk("a")]), NOW).unwrap();
    assert_eq!(at(&identity, &bearer(&signer, "a"), NOW), Ok(()));
    assert_eq!(identity.keyless(NOW), None);
}

#[test]
fn p07_keys_count_until_max_stale_and_verdicts_with_them() {
    let identity = identity(100);
    let (signer, source) = (Signer::p256(), source(&identity));
    let token = bearer(&signer, "a");
    source.store(&set(&[signer.jwk("a")]), NOW).unwrap();
    for (now, wanted) in [(NOW, Ok(())), (NOW + 99, Ok(())), (NOW + 100, NO_KEYS)] {
        assert_eq!(at(&identity, &token, now), wanted, "with a verdict, {}", now - NOW);
        assert_eq!(at(&identity, &bearer(&signer, "a"), now), wanted, "without, {}", now - NOW);
    }
    let stale = identity.keyless(NOW + 100).unwrap();
    assert!(stale.to_string().contains("older than `max_stale`"), "{stale}");
    source.failed();
    assert_eq!(at(&identity, &token, NOW + 100), NO_KEYS, "a failure freshens nothing");
    source.store(&set(&[signer.jwk("a")]), NOW + 100).unwrap();
    assert_eq!(at(&identity, &token, NOW + 199), Ok(()), "the same set is as good as another");
}

#[test]
fn p07_a_key_that_is_removed_vouches_no_more_also_for_verdicts() {
    let identity = identity(100);
    let (old, new, source) = (Signer::p256(), Signer::p256(), source(&identity));
    let (by_old, by_new) = (bearer(&old, "old"), bearer(&new, "new"));
    let first = source.store(&set(&[old.jwk("old")]), NOW).unwrap();
    assert_eq!((first.generation, first.changed, first.usable), (1, true, 1));
    assert_eq!([&by_old, &by_new].map(|token| at(&identity, token, NOW)), [Ok(()), NO_KEY]);
    let same = source.store(&set(&[old.jwk("old")]), NOW).unwrap();
    assert_eq!((same.generation, same.changed), (1, false));
    let both = source.store(&set(&[old.jwk("old"), new.jwk("new")]), NOW).unwrap();
    assert_eq!((both.generation, both.changed, both.usable), (2, true, 2));
    assert_eq!([&by_old, &by_new].map(|token| at(&identity, token, NOW)), [Ok(()), Ok(())]);
    source.store(&set(&[new.jwk("new")]), NOW).unwrap();
    assert_eq!([&by_old, &by_new].map(|token| at(&identity, token, NOW)), [NO_KEY, Ok(())]);
    let none = source.store(&set(&[]), NOW).unwrap();
    assert_eq!((none.generation, none.usable), (4, 0));
    assert_eq!([&by_old, &by_new].map(|token| at(&identity, token, NOW)), [NO_KEY, NO_KEY]);
}

#[test]
fn p07_another_key_under_the_same_kid_is_another_key() {
    let identity = identity(100);
    let (old, new, source) = (Signer::p256(), Signer::p256(), source(&identity));
    let by_old = bearer(&old, "k");
    source.store(&set(&[old.jwk("k")]), NOW).unwrap();
    assert_eq!(at(&identity, &by_old, NOW), Ok(()));
    source.store(&set(&[new.jwk("k")]), NOW).unwrap();
    let refused = Err(Fault::Token(TokenFault::Signature));
    assert_eq!(at(&identity, &by_old, NOW), refused, "the verdict went with its key");
}

#[test]
fn p07_what_is_no_key_set_replaces_none() {
    let identity = identity(100);
    let (signer, source) = (Signer::p256(), source(&identity));
    let token = bearer(&signer, "a");
    source.store(&set(&[signer.jwk("a")]), NOW).unwrap();
    for bad in ["", "<html>", "[]", "{}", r#"{"keys": 1}"#, r#"{"keys": []} x"#] {
        assert_eq!(source.store(bad.as_bytes(), NOW), Err(NoKeySet::Form), "{bad}");
    }
    for (count, wanted) in [(MAX_KEYS - 1, true), (MAX_KEYS, true), (MAX_KEYS + 1, false)] {
        let mut keys = vec![json!({"kty": "OKP"}); count - 1];
        keys.push(signer.jwk("a"));
        assert_eq!(source.store(&set(&keys), NOW).is_ok(), wanted, "{count}");
    }
    assert_eq!(at(&identity, &token, NOW), Ok(()));
}

#[test]
fn p07_keys_that_share_a_kid_are_skipped_aloud() {
    let identity = identity(100);
    let source = source(&identity);
    let (a, b, c) = (Signer::p256(), Signer::p256(), Signer::p256());
    let keys = [a.jwk("k"), b.jwk("k"), c.jwk("c"), json!({"kty": "oct", "kid": "s", "k": "AA"})];
    let brought = source.store(&set(&keys), NOW).unwrap();
    assert_eq!(brought.usable, 1);
    let said: Vec<_> = brought.skipped.iter().map(|(key, why)| format!("{key} {why}")).collect();
    assert!(said[0].starts_with("`s` is a symmetric key"), "{said:?}");
    assert_eq!(said[1], "`k` has the `kid` of another key");
    assert_eq!(at(&identity, &bearer(&a, "k"), NOW), NO_KEY);
    assert_eq!(at(&identity, &bearer(&c, "c"), NOW), Ok(()));
}

#[test]
fn p07_a_key_is_asked_for_once_per_cool_down() {
    let identity = identity(100);
    let (signer, source) = (Signer::p256(), source(&identity));
    source.begins();
    source.store(&set(&[signer.jwk("a")]), NOW).unwrap();
    let unknown = bearer(&signer, "b");
    let asks = |fault| ask(&identity, &unknown, fault).is_some();
    let no_key = Fault::Token(TokenFault::NoKey);
    assert!(!asks(no_key), "a moment ago");
    source.opens();
    assert!(is_ready(source.wanted()).is_none(), "nobody asked yet");
    assert!(asks(no_key) && asks(no_key), "one begins, the other waits with it");
    assert!(is_ready(source.wanted()).is_some());
    assert!(is_ready(source.wanted()).is_none(), "one fetch for both");
    for fault in
        [Fault::Token(TokenFault::Signature), Fault::Token(TokenFault::Audience), Fault::Missing]
    {
        assert!(!asks(fault), "{fault}");
    }
    source.begins();
    let waits = ask(&identity, &unknown, no_key).expect("a fetch is under way");
    let headers = header_map(&[("authorization", &unknown)]);
    let request = asked(&headers, Peer::Unix);
    let mut answer = pin!(identity.answer(waits, &request, NOW));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(answer.as_mut().poll(&mut cx).is_pending());
    source.store(&set(&[signer.jwk("b")]), NOW).unwrap();
    let Poll::Ready(found) = answer.as_mut().poll(&mut cx) else { panic!("it is over") };
    assert_eq!(&*found.unwrap().user, "ann");
    assert!(!asks(no_key), "the next cool-down has begun");
}

fn is_ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn p07_those_who_wait_are_limited() {
    let identity = identity(100);
    let signer = Signer::p256();
    let unknown = bearer(&signer, "b");
    let none = Fault::Token(TokenFault::KeysUnavailable);
    let mut waiting: Vec<_> =
        (1..MAX_WAITING).map(|_| ask(&identity, &unknown, none).expect("a place")).collect();
    waiting.push(ask(&identity, &unknown, none).expect("the last place"));
    assert!(ask(&identity, &unknown, none).is_none());
    waiting.pop();
    assert!(ask(&identity, &unknown, none).is_some(), "places are given back");
}

#[test]
fn p07_a_reload_goes_on_with_the_keys_of_the_same_url() {
    let old = identity(100);
    let signer = Signer::p256();
    source(&old).store(&set(&[signer.jwk("a")]), NOW).unwrap();
    let mut same = identity(50);
    same.keep_keys_of(&old);
    assert_eq!(at(&same, &bearer(&signer, "a"), NOW + 49), Ok(()));
    assert_eq!(at(&same, &bearer(&signer, "a"), NOW + 50), NO_KEYS, "its own settings count");
    let Some(RawKeys::JwksUrl(keys)) = by_url(100).keys else { unreachable!() };
    let elsewhere = RawKeyUrl { url: text("https://other.example/jwks"), ..*keys };
    let raw = RawJwt { keys: Some(RawKeys::JwksUrl(Box::new(elsewhere))), ..by_url(100) };
    let mut other = World::default().identity(&jwt(raw));
    other.keep_keys_of(&old);
    assert_eq!(at(&other, &bearer(&signer, "a"), NOW), NO_KEYS);
}

#[test]
fn p07_an_issuer_by_url_takes_no_hmac() {
    let raw = RawJwt { algorithms: Some(texts(&["ES256", "HS256"])), ..by_url(100) };
    let said = said(&World::default().compile(&jwt(raw)).1);
    assert_eq!(said, ["IDENTITY_VALID error: `HS256` fits no key of this issuer"]);
}

#[test]
fn p07_a_ca_file_holds_certificates() {
    let Some(RawKeys::JwksUrl(keys)) = by_url(100).keys else { unreachable!() };
    let with_ca = |world: World| {
        let keys = RawKeyUrl { ca: Some(text("ca.pem")), ..(*keys).clone() };
        let raw = RawJwt { keys: Some(RawKeys::JwksUrl(Box::new(keys))), ..by_url(100) };
        said(&world.compile(&jwt(raw)).1)
    };
    let read = "IDENTITY_VALID error: `ca.pem` cannot be read: entity not found";
    assert_eq!(with_ca(World::default()), [read]);
    let none = "IDENTITY_VALID error: `ca.pem` has no certificate";
    assert_eq!(with_ca(World::default().file("ca.pem", "")), [none]);
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let said = with_ca(World::default().file("ca.pem", bad));
    assert!(said[0].contains("a certificate that cannot be used"), "{said:?}");
    let made = rcgen::generate_simple_self_signed(vec!["id.example".to_owned()]).unwrap();
    assert_eq!(with_ca(World::default().file("ca.pem", made.cert.pem())), [""; 0]);
}
