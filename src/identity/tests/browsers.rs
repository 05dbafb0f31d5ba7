//! Tokens in cookies: whose they must be, and what they may be used for.

use super::*;
use crate::decide::Reason;
use http::header::COOKIE;

const OTHER: &str = "https://other.example";

fn world() -> World {
    World::default().file("jwt.secret", vec![b's'; 32])
}

fn with_cookie(name: &str, origins: &[&str], iss: &str) -> RawJwt {
    RawJwt {
        issuer: text(iss),
        keys: Some(RawKeys::Secrets(vec![RawSecret::File(text("jwt.secret"))])),
        cookie: Some(text(name)),
        origins: texts(origins),
        ..issuer(&["HS256"])
    }
}

fn token(iss: &str) -> String {
    let payload = serde_json::json!({"iss": iss, "aud": "api", "sub": "ann", "exp": NOW + 600});
    Signer::Hmac(vec![b's'; 32]).token(r#"{"alg": "HS256"}"#, &payload.to_string())
}

fn judge(identity: &Identity, changes: bool, fields: &[(&str, &str)]) -> Result<(), Fault> {
    let headers = header_map(fields);
    let request = Credentials { changes, ..asked(&headers, Peer::Ip([10, 0, 0, 7].into())) };
    identity.identify(&request, NOW).map(drop).map_err(|unidentified| unidentified.fault)
}

#[test]
fn p08_a_token_counts_in_the_cookie_of_its_own_issuer_alone() {
    let keyless = RawJwt { cookie: None, ..with_cookie("x", &[], OTHER) };
    let raw = RawIdentity {
        jwt: vec![with_cookie("sid", &[], ISSUER), keyless],
        same_users: true,
        ..RawIdentity::default()
    };
    let identity = world().identity(&raw);
    let sid = |token: &str| [("cookie", format!("a=1; sid={token}; b=2"))];
    let check = |cookie: &[(&str, String); 1]| judge(&identity, false, &[("cookie", &cookie[0].1)]);
    assert_eq!(check(&sid(&token(ISSUER))), Ok(()));
    assert_eq!(check(&sid(&token(ISSUER))), Ok(()), "and so from the cache");
    // The other issuer's are good in the header, and so in the cache, and still not here.
    assert_eq!(
        judge(&identity, true, &[("authorization", &format!("Bearer {}", token(OTHER)))]),
        Ok(())
    );
    let unknown = Err(Fault::Token(TokenFault::UnknownIssuer));
    assert_eq!(check(&sid(&token(OTHER))), unknown);
    assert_eq!(check(&sid("e30.e30.AAAA")), Err(Fault::Token(TokenFault::Header)));
    assert_eq!(check(&sid("")), Err(Fault::Malformed));
    assert_eq!(identity.vary(), "authorization, cookie");
}

#[test]
fn p08_a_cookie_changes_nothing_without_an_allowed_page() {
    let raw = jwt(with_cookie("sid", &["https://ui.example"], ISSUER));
    let identity = world().identity(&raw);
    let cookie = format!("sid={}", token(ISSUER));
    let origin = |origin| [("cookie", cookie.as_str()), ("origin", origin)];
    assert_eq!(judge(&identity, false, &[("cookie", &cookie)]), Ok(()));
    assert_eq!(judge(&identity, false, &origin("https://evil.example")), Ok(()));
    assert_eq!(judge(&identity, true, &origin("https://ui.example")), Ok(()));
    for refused in
        [&[("cookie", cookie.as_str())][..], &origin("https://api.example"), &origin("null")]
    {
        assert_eq!(judge(&identity, true, refused), Err(Fault::Origin), "{refused:?}");
    }
    assert_eq!(Fault::Origin.reason(), Reason::OriginNotAllowed);
    let bad = [("cookie", "sid=e30.e30.AAAA"), ("origin", "https://evil.example")];
    assert_eq!(
        judge(&identity, true, &bad),
        Err(Fault::Token(TokenFault::Header)),
        "a bad token is 401 first"
    );
    // A token in the header was put there on purpose.
    assert_eq!(
        judge(&identity, true, &[("authorization", &format!("Bearer {}", token(ISSUER)))]),
        Ok(())
    );
}

#[test]
fn p08_a_cookie_and_any_other_credential_are_two() {
    let keys = api_keys(true, false, vec![api_key("eng", "key")]);
    let raw = RawIdentity {
        jwt: vec![with_cookie("sid", &[], ISSUER), with_cookie("two", &[], OTHER)],
        api_keys: Some(keys),
        forwarded: Some(forwarded(&["10.0.0.7"])),
        same_users: true,
        ..RawIdentity::default()
    };
    let identity = world().identity(&raw);
    let (ours, other) = (format!("sid={}", token(ISSUER)), format!("two={}", token(OTHER)));
    let both = format!("{ours}; {other}");
    for fields in [
        &[("cookie", ours.as_str()), ("authorization", "Bearer x")][..],
        &[("cookie", &ours), ("x-api-key", "key")],
        &[("cookie", &ours), ("x-auth-user", "ann")],
        &[("cookie", &both)],
        &[("cookie", &ours), ("cookie", &other)],
    ] {
        assert_eq!(judge(&identity, false, fields), Err(Fault::TwoCredentials), "{fields:?}");
    }
    let twice = format!("{ours}; {ours}");
    assert_eq!(judge(&identity, false, &[("cookie", &twice)]), Err(Fault::Repeated));
    let mut headers = header_map(&[("cookie", &format!("a=1; {both}; b=2"))]);
    identity.strip_cookies(&mut headers);
    assert_eq!(headers[COOKIE], "a=1; b=2");
}

#[test]
fn cookies_and_origins_are_checked() {
    let problems = |raw: RawJwt| said(&world().compile(&jwt(raw)).1);
    assert!(problems(with_cookie("__Host-s", &["http://localhost:3000"], ISSUER)).is_empty());
    for name in ["", "a b", "a=b", "a;b", "sid\u{e9}"] {
        let said = problems(with_cookie(name, &[], ISSUER));
        assert_eq!(said, [format!("IDENTITY_VALID error: `{name}` is not a cookie's name")]);
    }
    for origin in ["null", "*", "app.example", "https://app.example/", "file://x"] {
        let said = problems(with_cookie("sid", &[origin], ISSUER));
        let wanted = format!("IDENTITY_VALID error: `{origin}` is not the origin of a page: ");
        assert!(said.len() == 1 && said[0].starts_with(&wanted), "{said:?}");
    }
    let alone = RawJwt { cookie: None, ..with_cookie("x", &["https://ui.example"], ISSUER) };
    assert_eq!(problems(alone).len(), 1);
}
