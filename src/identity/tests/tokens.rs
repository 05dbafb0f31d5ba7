//! RFC 8725, point by point: every token here is refused, or accepted, for one reason.

use super::keys::b64;
use super::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// One key for all tests of claims: HMAC is the cheapest to sign.
static SECRET: LazyLock<Signer> = LazyLock::new(|| Signer::Hmac(vec![b's'; 64]));
const HS256: &str = r#"{"alg": "HS256", "typ": "JWT"}"#;

fn hmac_issuer() -> RawJwt {
    let keys = Some(RawKeys::Secrets(vec![RawSecret::File(text("jwt.secret"))]));
    RawJwt { keys, ..issuer(&["HS256", "HS512"]) }
}

fn hmac_world() -> World {
    World::default().file("jwt.secret", vec![b's'; 64])
}

fn hmac_identity() -> Identity {
    hmac_world().identity(&jwt(hmac_issuer()))
}

fn payload() -> Value {
    json!({"iss": ISSUER, "aud": "api", "sub": "ann", "exp": NOW + 600})
}

/// The good payload with one claim changed; `null` takes it out.
fn with(name: &str, value: Value) -> String {
    let mut payload = payload();
    match value.is_null() {
        true => drop(payload.as_object_mut().unwrap().remove(name)),
        false => payload[name] = value,
    }
    payload.to_string()
}

fn check(header: &str, payload: &str) -> Result<Arc<Principal>, TokenFault> {
    hmac_identity().explain_token(&SECRET.token(header, payload), NOW)
}

#[test]
fn p07_every_algorithm_verifies_under_its_own_key_alone() {
    let signers = [
        (Signer::rsa(), &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..]),
        (Signer::p256(), &["ES256"]),
        (Signer::p384(), &["ES384"]),
        (Signer::p521(), &["ES512"]),
        (Signer::ed25519(), &["EdDSA"]),
    ];
    let all: Vec<&str> = signers.iter().flat_map(|(_, algs)| algs.iter().copied()).collect();
    let jwks: Vec<_> =
        signers.iter().enumerate().map(|(at, (signer, _))| signer.jwk(&format!("k{at}"))).collect();
    let identity = World::with_jwks(&jwks).identity(&jwt(issuer(&all)));
    for (at, (signer, algs)) in signers.iter().enumerate() {
        for alg in &all {
            let header = json!({"alg": alg, "kid": format!("k{at}")}).to_string();
            let got = identity.explain_token(&signer.token(&header, &payload().to_string()), NOW);
            match algs.contains(alg) {
                true => assert_eq!(&*got.expect(alg).user, "ann"),
                false => assert_eq!(got, Err(TokenFault::NoKey), "{alg} with key {at}"),
            }
        }
    }
}

#[test]
fn p07_hmac_verifies_with_each_secret_that_is_listed() {
    let secrets = vec![RawSecret::Env(text("NEW")), RawSecret::File(text("old.secret"))];
    let raw =
        RawJwt { keys: Some(RawKeys::Secrets(secrets)), ..issuer(&["HS256", "HS384", "HS512"]) };
    let mut world = World::default().file("old.secret", vec![b'o'; 64]);
    world.env.insert("NEW".into(), "n".repeat(64).into());
    let identity = world.identity(&jwt(raw));
    for alg in ["HS256", "HS384", "HS512"] {
        let header = json!({ "alg": alg }).to_string();
        let check = |byte| {
            let token = Signer::Hmac(vec![byte; 64]).token(&header, &payload().to_string());
            identity.explain_token(&token, NOW).map(|principal| principal.user.to_string())
        };
        assert_eq!(check(b'n'), Ok("ann".into()));
        assert_eq!(check(b'o'), Ok("ann".into()));
        assert_eq!(check(b'x'), Err(TokenFault::Signature));
    }
}

#[test]
fn p07_none_is_never_accepted() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": alg }).to_string();
        let token = format!("{}.{}.", b64(header), b64(payload().to_string()));
        assert_eq!(hmac_identity().explain_token(&token, NOW), Err(TokenFault::Algorithm));
    }
}

#[test]
fn p07_a_public_key_is_no_hmac_secret() {
    let rsa = Signer::rsa();
    let jwk = rsa.jwk("k");
    let identity = World::with_jwks(std::slice::from_ref(&jwk)).identity(&jwt(issuer(&["RS256"])));
    for secret in [jwk.to_string(), jwk["n"].as_str().unwrap().to_string()] {
        let header = r#"{"alg": "HS256", "kid": "k"}"#;
        let forged = Signer::Hmac(secret.into_bytes()).token(header, &payload().to_string());
        assert_eq!(identity.explain_token(&forged, NOW), Err(TokenFault::Algorithm));
    }
}

#[test]
fn p07_an_algorithm_must_be_in_the_issuers_list() {
    let header = r#"{"alg": "HS384"}"#;
    assert_eq!(check(header, &payload().to_string()), Err(TokenFault::Algorithm));
    for odd in [r#"{"alg": "hs256"}"#, r#"{"alg": "ES256K"}"#] {
        assert_eq!(check(odd, &payload().to_string()), Err(TokenFault::Algorithm), "{odd}");
    }
}

#[test]
fn p07_a_key_in_the_token_is_ignored() {
    let (ours, theirs) = (Signer::p256(), Signer::p256());
    let identity = World::with_jwks(&[ours.jwk("k")]).identity(&jwt(issuer(&["ES256"])));
    let header = json!({"alg": "ES256", "kid": "k", "jwk": theirs.jwk("k"),
        "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x", "x5c": ["MIIB"]});
    let forged = theirs.token(&header.to_string(), &payload().to_string());
    assert_eq!(identity.explain_token(&forged, NOW), Err(TokenFault::Signature));
    let honest = ours.token(&header.to_string(), &payload().to_string());
    assert!(identity.explain_token(&honest, NOW).is_ok());
}

#[test]
fn p07_kid_chooses_exactly_one_key() {
    let (a, b) = (Signer::p256(), Signer::p256());
    let two = World::with_jwks(&[a.jwk("a"), b.jwk("b")]).identity(&jwt(issuer(&["ES256"])));
    let check = |identity: &Identity, header: &str| {
        identity.explain_token(&a.token(header, &payload().to_string()), NOW).map(|_| ())
    };
    assert_eq!(check(&two, r#"{"alg": "ES256", "kid": "a"}"#), Ok(()));
    assert_eq!(check(&two, r#"{"alg": "ES256", "kid": "b"}"#), Err(TokenFault::Signature));
    assert_eq!(check(&two, r#"{"alg": "ES256"}"#), Err(TokenFault::AmbiguousKey));
    for odd in ["A", "", "../../dev/null", "a' OR '1'='1", "a\\u0000"] {
        let header = format!(r#"{{"alg": "ES256", "kid": "{odd}"}}"#);
        assert_eq!(check(&two, &header), Err(TokenFault::NoKey), "{odd}");
    }
    for odd in ["1", "null", "[\"a\"]", "{\"a\": 1}"] {
        let header = format!(r#"{{"alg": "ES256", "kid": {odd}}}"#);
        assert_eq!(check(&two, &header), Err(TokenFault::KeyId), "{odd}");
    }
    let one = World::with_jwks(&[a.jwk("a")]).identity(&jwt(issuer(&["ES256"])));
    assert_eq!(check(&one, r#"{"alg": "ES256"}"#), Ok(()));
}

#[test]
fn p07_crit_is_refused() {
    let header = r#"{"alg": "HS256", "crit": ["b64"], "b64": false}"#;
    assert_eq!(check(header, &payload().to_string()), Err(TokenFault::Critical));
    let header = r#"{"alg": "HS256", "crit": []}"#;
    assert_eq!(check(header, &payload().to_string()), Err(TokenFault::Critical));
}

#[test]
fn p07_typ_is_absent_or_one_of_two() {
    let accepted = |typ: &str, asked: Option<&str>| {
        let raw = RawJwt { typ: asked.map(text), ..hmac_issuer() };
        let identity = hmac_world().identity(&jwt(raw));
        let token = SECRET.token(&format!(r#"{{"alg": "HS256"{typ}}}"#), &payload().to_string());
        identity.explain_token(&token, NOW).map(|_| ())
    };
    for good in ["", r#", "typ": "JWT""#, r#", "typ": "at+jwt""#, r#", "typ": "jwt""#] {
        assert_eq!(accepted(good, None), Ok(()), "{good}");
    }
    for bad in [r#", "typ": "logout+jwt""#, r#", "typ": "JWS""#, r#", "typ": 1"#, r#", "typ": """#]
    {
        assert_eq!(accepted(bad, None), Err(TokenFault::Type), "{bad}");
    }
    assert_eq!(accepted(r#", "typ": "at+jwt""#, Some("at+jwt")), Ok(()));
    assert_eq!(accepted(r#", "typ": "application/at+jwt""#, Some("at+jwt")), Ok(()));
    assert_eq!(accepted(r#", "typ": "JWT""#, Some("at+jwt")), Err(TokenFault::Type));
    assert_eq!(accepted("", Some("at+jwt")), Err(TokenFault::Type));
}

#[test]
fn p07_times_are_whole_seconds_in_range() {
    for name in ["exp", "nbf", "iat"] {
        for odd in [
            "1.5",
            "1800000600.0",
            "18e8",
            "-1",
            "-0",
            "\"1800000600\"",
            "null",
            "true",
            "[]",
            "253402300800",
            "18446744073709551616",
            "1e400",
        ] {
            let payload = format!(
                r#"{{"iss": "{ISSUER}", "aud": "api", "sub": "ann", {} "{name}": {odd}}}"#,
                if name == "exp" { "" } else { "\"exp\": 1800000600," },
            );
            assert_eq!(check(HS256, &payload), Err(TokenFault::ClaimType(name)), "{name} {odd}");
        }
    }
    for good in [NOW, MAX_NUMERIC_DATE] {
        assert!(check(HS256, &with("exp", good.into())).is_ok(), "{good}");
    }
}

#[test]
fn p07_the_leeway_is_exact() {
    let raw = RawJwt { leeway: Some(Spanned::new(30, Span::default())), ..hmac_issuer() };
    let custom = hmac_world().identity(&jwt(raw));
    let default = hmac_identity();
    for (identity, leeway) in [(&default, 60), (&custom, 30)] {
        let check = |name: &str, value: u64| {
            let token = SECRET.token(HS256, &with(name, value.into()));
            identity.explain_token(&token, NOW).map(|principal| principal.expires.unwrap())
        };
        assert_eq!(check("exp", NOW - leeway + 1), Ok(NOW + 1));
        assert_eq!(check("exp", NOW - leeway), Err(TokenFault::Expired { ago: leeway }));
        assert!(check("nbf", NOW + leeway).is_ok());
        assert_eq!(check("nbf", NOW + leeway + 1), Err(TokenFault::NotYet { ahead: leeway + 1 }));
        assert!(check("iat", NOW + leeway).is_ok());
        let ahead = TokenFault::IssuedAhead { ahead: leeway + 1 };
        assert_eq!(check("iat", NOW + leeway + 1), Err(ahead));
    }
}

#[test]
fn p07_what_must_be_there_must_be_there() {
    for (name, said) in [("exp", "exp"), ("iss", "iss"), ("aud", "aud"), ("sub", "user")] {
        let fault = TokenFault::MissingClaim(said);
        assert_eq!(check(HS256, &with(name, Value::Null)), Err(fault));
    }
}

#[test]
fn p07_iss_and_aud_are_exact() {
    for odd in ["https://id.example/", "https://ID.example", "", "https://id.example "] {
        assert_eq!(check(HS256, &with("iss", odd.into())), Err(TokenFault::UnknownIssuer));
    }
    assert_eq!(check(HS256, &with("iss", json!([ISSUER]))), Err(TokenFault::ClaimType("iss")));
    for (aud, wanted) in [
        (json!("api"), Ok(())),
        (json!(["other", "api"]), Ok(())),
        (json!("API"), Err(TokenFault::Audience)),
        (json!("api2"), Err(TokenFault::Audience)),
        (json!([]), Err(TokenFault::Audience)),
        (json!(["api", 1]), Err(TokenFault::ClaimType("aud"))),
        (json!({"api": 1}), Err(TokenFault::ClaimType("aud"))),
    ] {
        assert_eq!(check(HS256, &with("aud", aud.clone())).map(|_| ()), wanted, "{aud}");
    }
}

#[test]
fn p07_an_issuer_is_bound_to_its_own_keys() {
    let other = RawJwt {
        issuer: text("https://other.example"),
        keys: Some(RawKeys::Secrets(vec![RawSecret::File(text("other.secret"))])),
        prefix: Some(text("other:")),
        ..issuer(&["HS256"])
    };
    let ours = RawJwt { prefix: Some(text("ours:")), ..hmac_issuer() };
    let raw = RawIdentity { jwt: vec![ours, other], ..RawIdentity::default() };
    let identity = hmac_world().file("other.secret", vec![b'o'; 32]).identity(&raw);
    let check = |secret: &Signer, iss: &str| {
        let token = secret.token(HS256, &with("iss", iss.into()));
        identity.explain_token(&token, NOW).map(|principal| principal.user.to_string())
    };
    let theirs = Signer::Hmac(vec![b'o'; 32]);
    assert_eq!(check(&SECRET, ISSUER), Ok("ours:ann".into()));
    assert_eq!(check(&theirs, "https://other.example"), Ok("other:ann".into()));
    assert_eq!(check(&theirs, ISSUER), Err(TokenFault::Signature));
}

#[test]
fn p07_claims_and_header_members_given_twice_are_refused() {
    let good = payload().to_string();
    let twice = good.replacen('{', r#"{"sub": "root", "#, 1);
    assert_eq!(check(HS256, &twice), Err(TokenFault::Payload));
    let escaped = good.replacen('{', r#"{"\u0073ub": "root", "#, 1);
    assert_eq!(check(HS256, &escaped), Err(TokenFault::Payload));
    let header = r#"{"alg": "HS256", "alg": "HS256"}"#;
    assert_eq!(check(header, &good), Err(TokenFault::Header));
}

#[test]
fn p07_only_the_compact_form_without_padding() {
    let identity = hmac_identity();
    let good = SECRET.token(HS256, &payload().to_string());
    assert!(identity.explain_token(&good, NOW).is_ok());
    let parts: Vec<&str> = good.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    for (odd, fault) in [
        (String::new(), TokenFault::Parts),
        (format!("{header}.{claims}"), TokenFault::Parts),
        (format!("{good}.x.y"), TokenFault::Parts),
        (format!("{good}."), TokenFault::Parts),
        (format!("{header}.{claims}.{signature}="), TokenFault::Encoding),
        (format!("{header}=.{claims}.{signature}"), TokenFault::Encoding),
        (format!("{header}.{claims}.+/{signature}"), TokenFault::Encoding),
        (format!("{header}.{claims}.{signature} "), TokenFault::Encoding),
        (format!("{header}.{claims}."), TokenFault::Signature),
        (format!(".{claims}.{signature}"), TokenFault::Header),
        (format!("{header}..{signature}"), TokenFault::Payload),
        (serde_json::json!({"payload": claims}).to_string(), TokenFault::Parts),
    ] {
        assert_eq!(identity.explain_token(&odd, NOW), Err(fault), "{odd}");
    }
}

#[test]
fn p07_bits_left_over_in_base64_are_refused() {
    let good = SECRET.token(HS256, &payload().to_string());
    // 32 bytes leave two bits over in the last of 43 characters.
    let (rest, last) = good.split_at(good.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    let twin = format!("{rest}{}", &alphabet[at + 1..at + 2]);
    assert_eq!(hmac_identity().explain_token(&twin, NOW), Err(TokenFault::Encoding));
}

#[test]
fn p07_any_changed_byte_is_refused() {
    let identity = hmac_identity();
    let good = SECRET.token(HS256, &payload().to_string());
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(identity.explain_token(&changed, NOW).is_err(), "byte {at}");
    }
}

#[test]
fn p07_tokens_have_a_length_limit() {
    let identity = hmac_identity();
    let sized = |length: usize| {
        let mut pad = 0;
        loop {
            let token = SECRET.token(HS256, &with("pad", "x".repeat(pad).into()));
            match length.cmp(&token.len()) {
                std::cmp::Ordering::Greater => pad += ((length - token.len()) * 3 / 4).max(1),
                _ => return token,
            }
        }
    };
    let fits = sized(MAX_CREDENTIAL - 1);
    assert!((MAX_CREDENTIAL - 1..=MAX_CREDENTIAL).contains(&fits.len()), "{}", fits.len());
    assert!(identity.explain_token(&fits, NOW).is_ok());
    let beyond = sized(MAX_CREDENTIAL + 1);
    assert_eq!(identity.explain_token(&beyond, NOW), Err(TokenFault::TooLong));
}

#[test]
fn p13_a_deep_payload_costs_no_stack() {
    let deep = |open: &str, close: &str, depth: usize| {
        let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        payload().to_string().replacen('{', &format!("{{\"deep\": {value},"), 1)
    };
    assert!(check(HS256, &deep("[", "]", 2_500)).is_ok());
    assert!(check(HS256, &deep("{\"a\":", "}", 700)).is_ok());
}

#[test]
fn claims_become_a_principal() {
    let claims = RawClaims {
        user: texts(&["uid", "sub"]),
        org: texts(&["/tenant/id"]),
        roles: vec![RawRolePlace::At(text("scope"))],
        ..RawClaims::default()
    };
    let raw = RawJwt { claims, prefix: Some(text("id:")), ..hmac_issuer() };
    let identity = hmac_world().identity(&jwt(raw));
    let payload = json!({"iss": ISSUER, "aud": "api", "sub": "ann", "exp": NOW + 600,
        "tenant": {"id": "acme"}, "scope": "read write", "email": "ann@acme.test", "level": 3});
    let token = SECRET.token(HS256, &payload.to_string());
    let ann = identity.explain_token(&token, NOW).unwrap();
    assert_eq!((&*ann.user, ann.org.as_deref()), ("id:ann", Some("acme")));
    assert_eq!(ann.roles.as_ref().unwrap().join(","), "read,write");
    assert_eq!(ann.email.as_deref(), Some("ann@acme.test"));
    assert_eq!(ann.claims.text("level").unwrap().as_ref(), "3");
    assert_eq!(ann.app, None);
    assert_eq!(ann.expires, Some(NOW + 660));
}

#[test]
fn p07_a_claim_of_the_wrong_type_refuses_the_token() {
    for (name, said) in
        [("sub", "user"), ("org", "org"), ("app", "app"), ("roles", "roles"), ("email", "email")]
    {
        for odd in [json!(1), json!({"a": 1}), json!([1]), json!(true)] {
            let fault = TokenFault::ClaimType(said);
            assert_eq!(check(HS256, &with(name, odd.clone())), Err(fault), "{name} {odd}");
        }
    }
}

#[test]
fn p16_a_fault_never_holds_the_token() {
    let token = SECRET.token(HS256, &with("aud", "canary-9f3b".into()));
    let fault = hmac_identity().explain_token(&token, NOW).unwrap_err();
    let said = format!("{fault} {fault:?} {}", fault.as_str());
    assert!(!said.contains("canary") && !said.contains(&token[..20]), "{said}");
    let shown = format!("{:?}", hmac_identity());
    assert_eq!(shown, "Identity { issuers: 1, api_keys: false, forwarded: false, .. }");
}
