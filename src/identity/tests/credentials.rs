//! One credential or none: what a request may carry, and what its peer is worth.

use super::*;
use crate::decide::Reason;
use crate::principal::{AuthMethod, ClaimValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const KEY: &str = "pk_live_4fJ2n7Qw9LxT0aVb";

fn world() -> World {
    World::default().file("jwt.secret", vec![b's'; 32])
}

fn everything() -> RawIdentity {
    let keys = Some(RawKeys::Secrets(vec![RawSecret::File(text("jwt.secret"))]));
    RawIdentity {
        jwt: vec![RawJwt { keys, ..issuer(&["HS256"]) }],
        api_keys: Some(api_keys(true, true, vec![api_key("eng", KEY)])),
        forwarded: Some(forwarded(&["10.0.0.0/24", "fd00::/8"])),
        same_users: true,
        ..RawIdentity::default()
    }
}

fn token() -> String {
    let payload = serde_json::json!({"iss": ISSUER, "aud": "api", "sub": "ann", "exp": NOW + 600});
    Signer::Hmac(vec![b's'; 32]).token(r#"{"alg": "HS256"}"#, &payload.to_string())
}

fn user(found: Result<Arc<Principal>, Fault>) -> Result<String, Fault> {
    found.map(|principal| principal.user.to_string())
}

#[test]
fn each_credential_alone_is_the_caller() {
    let identity = world().identity(&everything());
    let bearer = format!("Bearer {}", token());
    for (headers, wanted, method) in [
        ([("authorization", bearer.as_str())], "ann", AuthMethod::Jwt),
        ([("authorization", &format!("bearer {KEY}"))], "eng", AuthMethod::ApiKey),
        ([("x-api-key", KEY)], "eng", AuthMethod::ApiKey),
        ([("x-auth-user", "bob")], "bob", AuthMethod::Forwarded),
    ] {
        let caller = identify(&identity, &headers).unwrap();
        assert_eq!((&*caller.user, caller.method), (wanted, method));
    }
    assert_eq!(identify(&identity, &[]), Err(Fault::Missing));
}

#[test]
fn p08_two_credentials_are_refused_even_if_they_agree() {
    let identity = world().identity(&everything());
    let (token, key) = (format!("Bearer {}", token()), format!("Bearer {KEY}"));
    for headers in [
        [("authorization", token.as_str()), ("x-api-key", KEY)],
        [("authorization", &key), ("x-api-key", KEY)],
        [("authorization", &token), ("x-auth-user", "ann")],
        [("x-api-key", KEY), ("x-auth-user", "eng")],
        [("authorization", "Basic Og=="), ("x-api-key", KEY)],
        [("x-api-key", "wrong"), ("authorization", "Bearer wrong")],
    ] {
        assert_eq!(identify(&identity, &headers), Err(Fault::TwoCredentials), "{headers:?}");
    }
    for headers in [
        [("authorization", token.as_str()), ("authorization", &token)],
        [("x-api-key", KEY), ("x-api-key", KEY)],
        [("x-auth-user", "bob"), ("x-auth-user", "bob")],
    ] {
        assert_eq!(identify(&identity, &headers), Err(Fault::Repeated), "{headers:?}");
    }
    assert_eq!(Fault::TwoCredentials.reason(), Reason::AmbiguousCredentials);
    assert_eq!(Fault::Repeated.reason(), Reason::AmbiguousCredentials);
}

#[test]
fn p03_identity_headers_count_from_listed_peers_alone() {
    let identity = world().identity(&everything());
    let headers = [("x-auth-user", "root"), ("x-auth-roles", "admin")];
    let as_from = |peer: &str| user(from(&identity, Peer::Ip(peer.parse().unwrap()), &headers));
    for listed in ["10.0.0.0", "10.0.0.255", "::ffff:10.0.0.9", "fd00::1"] {
        assert_eq!(as_from(listed), Ok("root".into()), "{listed}");
    }
    for stranger in ["10.0.1.0", "9.255.255.255", "127.0.0.1", "::1", "::ffff:10.0.1.0", "fe00::1"]
    {
        assert_eq!(as_from(stranger), Err(Fault::Missing), "{stranger}");
    }
    assert_eq!(user(from(&identity, Peer::Unix, &headers)), Err(Fault::Missing));
    let with_key = [("x-auth-user", "root"), ("x-api-key", KEY)];
    let stranger = from(&identity, Peer::Ip([9, 9, 9, 9].into()), &with_key);
    assert_eq!(user(stranger), Ok("eng".into()));
}

#[test]
fn a_unix_socket_is_a_peer_where_it_is_listed() {
    let raw = RawIdentity { forwarded: Some(forwarded(&["unix"])), ..RawIdentity::default() };
    let identity = world().identity(&raw);
    let headers = [("x-auth-user", "bob")];
    assert_eq!(user(from(&identity, Peer::Unix, &headers)), Ok("bob".into()));
    assert_eq!(user(identify(&identity, &headers)), Err(Fault::Missing));
}

#[test]
fn p03_forwarded_values_are_one_readable_word() {
    let identity = world().identity(&everything());
    for (value, fault) in [
        ("", Fault::Malformed),
        ("a,b", Fault::Repeated),
        ("é", Fault::Malformed),
        ("a\tb", Fault::Malformed),
    ] {
        for name in ["x-auth-user", "x-auth-org"] {
            let mut headers = vec![(name, value)];
            if name != "x-auth-user" {
                headers.push(("x-auth-user", "bob"));
            }
            assert_eq!(identify(&identity, &headers), Err(fault), "{name} {value:?}");
        }
    }
    for name in ["x-auth-org", "x-auth-app", "x-auth-roles"] {
        let headers = [("x-auth-user", "bob"), (name, "a"), (name, "a")];
        assert_eq!(identify(&identity, &headers), Err(Fault::Repeated), "{name}");
    }
}

#[test]
fn forwarded_headers_become_a_principal() {
    let raw = RawForwarded { prefix: Some(text("sso:")), ..forwarded(&["10.0.0.7"]) };
    let raw = RawIdentity { forwarded: Some(raw), ..RawIdentity::default() };
    let identity = world().identity(&raw);
    let bob = identify(
        &identity,
        &[("X-Auth-User", "bob"), ("X-Auth-Org", "acme"), ("X-Auth-Roles", "viewer, editor")],
    )
    .unwrap();
    assert_eq!(
        (&*bob.user, bob.org.as_deref(), bob.app.as_deref()),
        ("sso:bob", Some("acme"), None)
    );
    assert_eq!(bob.roles.as_ref().unwrap().join("|"), "viewer|editor");
    assert_eq!(bob.claims.text("org").unwrap().as_ref(), "acme");
    assert_eq!(bob.claims.get("roles"), bob.roles.clone().map(ClaimValue::List).as_ref());
    assert_eq!(bob.claims.get("app"), None);
}

#[test]
fn p08_a_key_must_be_exact() {
    let identity = world().identity(&everything());
    let longer = format!("{KEY}x");
    for wrong in [&KEY[1..], &KEY.to_lowercase(), longer.as_str()] {
        assert_eq!(identify(&identity, &[("x-api-key", wrong)]), Err(Fault::UnknownKey), "{wrong}");
    }
    for odd in ["", "a b", "a\tb", "é"] {
        assert_eq!(identify(&identity, &[("x-api-key", odd)]), Err(Fault::Malformed), "{odd}");
    }
    let digest = &api_key("eng", KEY).sha256.value;
    assert_eq!(identify(&identity, &[("x-api-key", digest)]), Err(Fault::UnknownKey));
}

#[test]
fn p08_a_key_says_whose_it_is() {
    let claims = vec![(text("account"), text("acme"))];
    let key = RawApiKey {
        org: Some(text("acme")),
        app: Some(text("factory")),
        roles: Some(texts(&["viewer"])),
        claims,
        expires: Some(Spanned::new(NOW, Span::default())),
        ..api_key("eng", KEY)
    };
    let late = RawApiKey { expires: Some(Spanned::new(NOW + 1, Span::default())), ..key.clone() };
    let compile = |key| {
        let keys = RawApiKeys { prefix: Some(text("key:")), ..api_keys(true, false, vec![key]) };
        world().identity(&RawIdentity { api_keys: Some(keys), ..RawIdentity::default() })
    };
    let eng = identify(&compile(late), &[("x-api-key", KEY)]).unwrap();
    assert_eq!(
        (&*eng.user, eng.org.as_deref(), eng.app.as_deref()),
        ("key:eng", Some("acme"), Some("factory"))
    );
    assert_eq!(eng.roles.as_ref().unwrap().join("|"), "viewer");
    assert_eq!(eng.claims.text("account").unwrap().as_ref(), "acme");
    assert_eq!(eng.claims.text("org").unwrap().as_ref(), "acme");
    let expired = identify(&compile(key), &[("x-api-key", KEY)]);
    assert_eq!(expired, Err(Fault::ExpiredKey { ago: 0 }));
}

#[test]
fn p08_credentials_have_a_length_limit() {
    for (length, accepted) in
        [(MAX_CREDENTIAL - 1, true), (MAX_CREDENTIAL, true), (MAX_CREDENTIAL + 1, false)]
    {
        let key = "k".repeat(length);
        let keys = api_keys(true, true, vec![api_key("eng", &key)]);
        let raw = RawIdentity { api_keys: Some(keys), ..RawIdentity::default() };
        let identity = world().identity(&raw);
        for header in [("x-api-key", key.clone()), ("authorization", format!("Bearer {key}"))] {
            let got = user(identify(&identity, &[(header.0, &header.1)]));
            let wanted = if accepted { Ok("eng".into()) } else { Err(Fault::TooLong) };
            assert_eq!(got, wanted, "{} {length}", header.0);
        }
    }
}

#[test]
fn p07_other_schemes_and_malformed_headers_are_refused() {
    let identity = world().identity(&everything());
    for (value, fault) in [
        ("Basic Ym9iOmJvYg==", Fault::Scheme),
        ("Digest x", Fault::Scheme),
        ("Bearerx", Fault::Scheme),
        ("", Fault::Scheme),
        ("Bearer", Fault::Malformed),
        ("Bearer ", Fault::Malformed),
        ("Bearer a b", Fault::Malformed),
        ("Bearer a, Bearer b", Fault::Malformed),
        ("Bearer é", Fault::Malformed),
    ] {
        assert_eq!(identify(&identity, &[("authorization", value)]), Err(fault), "{value}");
    }
}

#[test]
fn a_bearer_credential_is_a_token_or_a_key_by_its_form() {
    let dotted = "a.b.c";
    let keys = vec![api_key("eng", KEY), api_key("dot", dotted)];
    let raw = RawIdentity { api_keys: Some(api_keys(false, true, keys)), ..everything() };
    let identity = world().identity(&raw);
    let check = |credential: &str| {
        user(identify(&identity, &[("authorization", &format!("Bearer {credential}"))]))
    };
    assert_eq!(check(dotted), Ok("dot".into()));
    assert_eq!(check("a.b.d"), Err(Fault::UnknownKey));
    assert_eq!(check("e30.e30.e30"), Err(Fault::Token(TokenFault::Header)));
    let tampered = format!("{}A", token());
    assert!(matches!(check(&tampered), Err(Fault::Token(_))));
}

#[test]
fn bearer_is_refused_where_nothing_reads_it() {
    let keys = api_keys(true, false, vec![api_key("eng", KEY)]);
    let raw = RawIdentity { api_keys: Some(keys), ..RawIdentity::default() };
    let identity = world().identity(&raw);
    let bearer = format!("Bearer {KEY}");
    assert_eq!(identify(&identity, &[("authorization", &bearer)]), Err(Fault::Scheme));
    assert_eq!(identify(&Identity::default(), &[("x-api-key", KEY)]), Err(Fault::Missing));
}

#[test]
fn p07_a_cached_verdict_expires_and_a_refusal_is_not_kept() {
    let identity = world().identity(&everything());
    let headers = header_map(&[("authorization", &format!("Bearer {}", token()))]);
    let request = asked(&headers, Peer::Unix);
    let at = |now| identity.identify(&request, now).map_err(|unidentified| unidentified.fault);
    let end = NOW + 600 + DEFAULT_LEEWAY;
    let expired = |ago| Err(Fault::Token(TokenFault::Expired { ago }));
    assert_eq!(at(end + 1), expired(61));
    let first = at(NOW).unwrap();
    assert!(Arc::ptr_eq(&first, &at(end - 1).unwrap()), "the second comes from the cache");
    assert_eq!(at(end), expired(60));
}

#[test]
fn p07_a_new_key_set_has_no_verdicts_of_the_old_one() {
    let (old, new) = (world().identity(&everything()), World::default());
    let headers = [("authorization", format!("Bearer {}", token()))];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert!(identify(&old, &headers).is_ok());
    let rotated = new.file("jwt.secret", vec![b'r'; 32]).identity(&everything());
    let refused = Err(Fault::Token(TokenFault::Signature));
    assert_eq!(identify(&rotated, &headers), refused);
}

#[test]
fn p03_headers_are_known_in_every_spelling() {
    let identity = world().identity(&everything());
    let name = |text: &str| text.parse::<HeaderName>().unwrap();
    for spelled in ["X-Auth-User", "x_auth_user", "X-AUTH_Org", "x_auth-roles", "x-auth-app"] {
        assert!(identity.is_identity_header(&name(spelled)), "{spelled}");
        assert!(!identity.is_credential(&name(spelled)), "{spelled}");
    }
    for spelled in ["Authorization", "X-Api-Key", "x_api_key", "X_API-KEY"] {
        assert!(identity.is_credential(&name(spelled)), "{spelled}");
    }
    for other in ["x-auth-users", "xauthuser", "x-auth", "cookie", "x-api-keys"] {
        assert!(!identity.is_identity_header(&name(other)), "{other}");
        assert!(!identity.is_credential(&name(other)), "{other}");
    }
    assert_eq!(
        identity.vary(),
        "authorization, x-api-key, x-auth-user, x-auth-org, x-auth-app, x-auth-roles"
    );
    assert_eq!(identity.credential_headers().len(), 2);
    assert_eq!(identity.identity_headers().len(), 4);
}

#[test]
fn p08_a_basic_key_counts_where_the_policy_says_so() {
    let keys = RawApiKeys { in_basic: true, ..api_keys(true, false, vec![api_key("eng", KEY)]) };
    let raw = RawIdentity { api_keys: Some(keys), ..RawIdentity::default() };
    let identity = world().identity(&raw);
    let encoded = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let check = |value: &str| user(identify(&identity, &[("authorization", value)]));
    assert_eq!(check(&encoded(&format!("{KEY}:"))), Ok("eng".into()));
    assert_eq!(check(&encoded(&format!("{KEY}:x"))), Err(Fault::Malformed));
    assert_eq!(check(&encoded(&format!("eng:{KEY}"))), Err(Fault::Malformed));
    assert_eq!(check(&encoded("other:")), Err(Fault::UnknownKey));
    assert_eq!(check(&format!("Bearer {KEY}")), Err(Fault::Scheme));
    let both = [("authorization", encoded(&format!("{KEY}:"))), ("x-api-key", KEY.to_owned())];
    let both: Vec<_> = both.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(user(identify(&identity, &both)), Err(Fault::TwoCredentials));
}

#[test]
fn a_challenge_names_each_scheme_that_is_accepted() {
    let challenges = |identity: &Identity, headers: &[(&str, &str)]| {
        let headers = header_map(headers);
        let request = asked(&headers, Peer::Unix);
        let challenge = identity.identify(&request, NOW).unwrap_err().challenge;
        challenge.headers().collect::<Vec<_>>()
    };
    let all = world().identity(&everything());
    let bad = "Bearer error=\"invalid_token\"";
    assert_eq!(challenges(&all, &[]), ["Bearer"]);
    assert_eq!(challenges(&all, &[("authorization", "Basic x")]), ["Bearer"]);
    assert_eq!(challenges(&all, &[("x-api-key", "x")]), ["Bearer"], "no bearer token came");
    assert_eq!(challenges(&all, &[("authorization", "bearer x")]), [bad]);
    let keys = |header, bearer, basic| {
        let keys = api_keys(header, bearer, vec![api_key("eng", KEY)]);
        let keys = RawApiKeys { in_basic: basic, ..keys };
        world().identity(&RawIdentity { api_keys: Some(keys), ..RawIdentity::default() })
    };
    let basic = "Basic realm=\"api\", charset=\"UTF-8\"";
    assert_eq!(challenges(&keys(true, false, false), &[]), ["ApiKey"]);
    assert_eq!(challenges(&keys(true, false, true), &[]), [basic]);
    assert_eq!(challenges(&keys(true, true, true), &[]), ["Bearer", basic]);
    let brought = [("authorization", "Bearer x")];
    assert_eq!(challenges(&keys(true, true, true), &brought), [bad, basic]);
    assert_eq!(challenges(&keys(true, false, true), &brought), [basic], "bearer is not accepted");
    assert_eq!(challenges(&Identity::default(), &[]), ["Bearer"]);
}
