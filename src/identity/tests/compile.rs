//! What is said of policies whose authenticators cannot work as written.

use super::*;
use serde_json::{Value, json};

fn problems(world: &World, raw: &RawIdentity) -> Vec<String> {
    said(&world.compile(raw).1)
}

fn jwks_problems(keys: &[Value], algorithms: &[&str]) -> Vec<String> {
    problems(&World::with_jwks(keys), &jwt(issuer(algorithms)))
}

fn secrets(secrets: Vec<RawSecret>) -> RawIdentity {
    jwt(RawJwt { keys: Some(RawKeys::Secrets(secrets)), ..issuer(&["HS256"]) })
}

fn secret_problems(bytes: &[u8]) -> Vec<String> {
    let world = World::default().file("s", bytes);
    problems(&world, &secrets(vec![RawSecret::File(text("s"))]))
}

#[test]
fn nothing_configured_is_a_warning_and_refuses_everybody() {
    let warning = "NO_IDENTITY warning: nothing says who is calling, so everything that is not \
                   public is refused";
    assert_eq!(problems(&World::default(), &RawIdentity::default()), [warning]);
    let mut report = Report::default();
    let inputs = Inputs { file: &|_| unreachable!(), env: &|_| unreachable!() };
    let identity = Identity::compile(None, &inputs, &mut report);
    assert_eq!(said(&report), [warning]);
    assert_eq!(identify(&identity, &[("authorization", "Bearer x")]), Err(Fault::Scheme));
}

#[test]
fn p07_secrets_are_32_bytes_at_least() {
    let short = "IDENTITY_VALID error: the secret in `s` is shorter than 32 bytes";
    assert_eq!(secret_problems(&[b'x'; MIN_SECRET - 1]), [short]);
    assert_eq!(secret_problems(&[b'x'; MIN_SECRET]), [""; 0]);
    assert_eq!(secret_problems(&[b'x'; MIN_SECRET + 1]), [""; 0]);
}

#[test]
fn p07_a_secret_file_is_used_byte_for_byte() {
    let newline = [&[b'x'; 40][..], b"\n"].concat();
    let said = "IDENTITY_VALID error: the secret in `s` ends with a newline";
    assert_eq!(secret_problems(&newline), [said]);
}

#[test]
fn p07_a_secret_as_long_as_the_hash_is_advised() {
    let raw = RawJwt {
        keys: Some(RawKeys::Secrets(vec![RawSecret::File(text("s"))])),
        ..issuer(&["HS512"])
    };
    let say = |length: usize| {
        problems(&World::default().file("s", vec![b'x'; length]), &jwt(raw.clone()))
    };
    let warning = "IDENTITY_VALID warning: the secret in `s` is shorter than the algorithm's \
                   hash, 64 bytes (RFC 7518 section 3.2)";
    assert_eq!(say(63), [warning]);
    assert_eq!(say(64), [""; 0]);
}

#[test]
fn missing_files_and_variables_are_named() {
    let raw = secrets(vec![RawSecret::File(text("no.secret")), RawSecret::Env(text("NO"))]);
    assert_eq!(
        problems(&World::default(), &raw),
        [
            "IDENTITY_VALID error: `no.secret` cannot be read: entity not found",
            "IDENTITY_VALID error: the environment has no variable `NO`",
        ]
    );
    let said = "IDENTITY_VALID error: `jwks.json` cannot be read: entity not found";
    assert_eq!(problems(&World::default(), &jwt(issuer(&["ES256"]))), [said]);
}

#[test]
fn a_secret_that_may_not_be_read_is_told_to_be_let() {
    let help = |kind: std::io::ErrorKind| {
        let mut report = Report::default();
        let inputs = Inputs { file: &|_| Err(kind.into()), env: &|_| unreachable!() };
        Identity::compile(Some(&jwt(issuer(&["ES256"]))), &inputs, &mut report);
        report.problems()[0].help.clone().expect("help")
    };
    let denied = help(std::io::ErrorKind::PermissionDenied);
    assert_eq!(denied, "let the user that runs this read it, and nobody else");
    assert_eq!(help(std::io::ErrorKind::NotFound), "paths are relative to the policy");
}

#[test]
fn p07_every_problem_of_an_issuer_is_said_in_one_run() {
    let raw = RawJwt {
        issuer: text(""),
        audience: Some(texts(&["api", ""])),
        algorithms: Some(texts(&["none", "ES256K", "HS256"])),
        leeway: Some(Spanned::new(301, Span::default())),
        typ: Some(text("JWT")),
        claims: RawClaims { org: texts(&["/a~x"]), ..RawClaims::default() },
        ..issuer(&[])
    };
    let said = problems(&World::with_jwks(&[Signer::p256().jwk("k")]), &jwt(raw));
    assert_eq!(
        said,
        [
            "IDENTITY_VALID error: `none` would accept tokens that nobody signed",
            "IDENTITY_VALID error: `ES256K` is not a known algorithm",
            "IDENTITY_VALID error: `audience` is empty",
            "IDENTITY_VALID error: `issuer` is empty",
            "IDENTITY_VALID error: a leeway of 301 s is too long",
            "IDENTITY_VALID error: `JWT` is not a type that can be asked for",
            "IDENTITY_VALID error: `/a~x` is neither a claim's name nor a JSON pointer",
            "IDENTITY_VALID error: `HS256` fits no key of this issuer",
        ]
    );
}

#[test]
fn p07_leeway_is_bounded() {
    let say = |leeway| {
        let leeway = Some(Spanned::new(leeway, Span::default()));
        let world = World::with_jwks(&[Signer::p256().jwk("k")]);
        problems(&world, &jwt(RawJwt { leeway, ..issuer(&["ES256"]) })).len()
    };
    assert_eq!((say(MAX_LEEWAY - 1), say(MAX_LEEWAY), say(MAX_LEEWAY + 1)), (0, 0, 1));
}

#[test]
fn p07_empty_lists_are_errors() {
    let raw = RawJwt { audience: Some(Vec::new()), ..issuer(&[]) };
    let said = problems(&World::with_jwks(&[Signer::p256().jwk("k")]), &jwt(raw));
    let wanted = [
        "IDENTITY_VALID error: no algorithm is listed",
        "IDENTITY_VALID error: `audience` is empty",
    ];
    assert_eq!(said, wanted);
    assert_eq!(
        problems(&World::default(), &secrets(Vec::new())),
        ["IDENTITY_VALID error: no secret is listed"]
    );
}

#[test]
fn what_is_no_key_set_is_an_error() {
    for bad in ["", "[]", "{}", r#"{"keys": {}}"#, "{\"keys\": []} x", "-----BEGIN PUBLIC KEY-----"]
    {
        let world = World::default().file("jwks.json", bad);
        let said = problems(&world, &jwt(issuer(&["ES256"])));
        assert_eq!(said, ["IDENTITY_VALID error: `jwks.json` is not a JSON Web Key Set"], "{bad}");
    }
    assert_eq!(
        jwks_problems(&[], &["ES256"]),
        ["IDENTITY_VALID error: no key of `jwks.json` can be used"]
    );
}

#[test]
fn key_files_have_limits() {
    let good = json!({"keys": [Signer::p256().jwk("k")]}).to_string();
    for (size, problems_said) in [(MAX_KEY_FILE - 1, 0), (MAX_KEY_FILE, 0), (MAX_KEY_FILE + 1, 1)] {
        let padded = format!("{good}{}", " ".repeat(size - good.len()));
        let world = World::default().file("jwks.json", padded);
        assert_eq!(problems(&world, &jwt(issuer(&["ES256"]))).len(), problems_said, "{size}");
    }
    let signer = Signer::ed25519();
    for (count, problems_said) in [(MAX_KEYS - 1, 0), (MAX_KEYS, 0), (MAX_KEYS + 1, 1)] {
        let keys: Vec<_> = (0..count).map(|at| signer.jwk(&at.to_string())).collect();
        assert_eq!(jwks_problems(&keys, &["EdDSA"]).len(), problems_said, "{count}");
    }
}

/// A good key with members changed.
fn but(changes: Value) -> Value {
    let mut key = Signer::p256().jwk("k");
    let changes = changes.as_object().unwrap().clone();
    key.as_object_mut().unwrap().extend(changes);
    key
}

#[test]
fn p07_a_key_that_cannot_be_used_is_skipped_aloud() {
    let small = super::keys::b64([0xff; 255]);
    let large = super::keys::b64([0xff; 1025]);
    let rsa = Signer::rsa().jwk("k");
    for (key, why) in [
        (but(json!({"use": "enc"})), "is for encryption (`use` is not `sig`)"),
        (but(json!({"key_ops": ["encrypt"]})), "may not verify (`key_ops` has no `verify`)"),
        (but(json!({"alg": "ES384"})), "has an `alg` that does not fit it"),
        (but(json!({"alg": "RSA-OAEP"})), "has an `alg` that does not fit it"),
        (
            but(json!({"crv": "secp256k1"})),
            "has a type or curve that is not supported; use RSA, P-256, P-384, P-521 or Ed25519",
        ),
        (
            but(json!({"kty": "oct", "k": "c2VjcmV0"})),
            "is a symmetric key; put its bytes into a file under `secrets`",
        ),
        (but(json!({"x": "AAAA"})), "is not a valid public key"),
        (but(json!({"x": "a=b="})), "lacks a part, or a part is not base64url without padding"),
        (but(json!({"y": super::keys::b64([1; 32])})), "is not a valid public key"),
        (
            json!({"kty": "RSA", "kid": "k", "n": small, "e": "AQAB"}),
            "is an RSA key of less than 2048 bits",
        ),
        (
            json!({"kty": "RSA", "kid": "k", "n": large, "e": "AQAB"}),
            "is an RSA key of more than 8192 bits",
        ),
        (json!({"kty": "RSA", "kid": "k", "n": rsa["n"], "e": "AQ"}), "is not a valid public key"),
        (
            json!({"kty": "RSA", "kid": "k", "n": rsa["n"], "e": "AQAA"}),
            "is not a valid public key",
        ),
        (
            json!({"kty": "RSA", "kid": "k", "e": "AQAB"}),
            "lacks a part, or a part is not base64url without padding",
        ),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "AAAA"}),
            "is not a valid public key",
        ),
        (
            json!({"kty": "OKP", "crv": "X25519", "kid": "k", "x": "AAAA"}),
            "has a type or curve that is not supported; use RSA, P-256, P-384, P-521 or Ed25519",
        ),
    ] {
        let skipped =
            format!("IDENTITY_VALID warning: key `k` of `jwks.json` {why}; it is skipped");
        let good = Signer::p256().jwk("good");
        assert_eq!(jwks_problems(&[key.clone(), good], &["ES256"]), std::slice::from_ref(&skipped));
        let none = "IDENTITY_VALID error: no key of `jwks.json` can be used";
        assert_eq!(jwks_problems(&[key], &["ES256"]), [&skipped, none]);
    }
    let unnamed = "IDENTITY_VALID warning: key number 1 of `jwks.json` is not an object with the \
                   members of a key, each given once; it is skipped";
    assert_eq!(jwks_problems(&[json!(7), Signer::p256().jwk("k")], &["ES256"]), [unnamed]);
}

#[test]
fn p07_rsa_moduli_have_limits() {
    let reason = |bits: usize| {
        let mut n = vec![0xff; bits.div_ceil(8)];
        n[0] >>= (8 - bits % 8) % 8;
        let key = json!({"kty": "RSA", "kid": "k", "n": super::keys::b64(n), "e": "AQAB"});
        jwks_problems(&[key], &["RS256"])
    };
    let says = |bits: usize, words: &str| reason(bits).iter().any(|said| said.contains(words));
    assert!(says(MIN_RSA_BITS - 1, "less than 2048"));
    assert!(!says(MIN_RSA_BITS, "2048") && !says(MIN_RSA_BITS + 1, "less than 2048"));
    assert!(!says(MAX_RSA_BITS - 1, "8192") && !says(MAX_RSA_BITS, "8192"));
    assert!(says(MAX_RSA_BITS + 1, "more than 8192"));
}

#[test]
fn p07_a_kid_names_one_key() {
    let keys = [Signer::p256().jwk("k"), Signer::p384().jwk("k")];
    assert_eq!(
        jwks_problems(&keys, &["ES256", "ES384"]),
        ["IDENTITY_VALID error: two keys of `jwks.json` have the `kid` `k`"]
    );
}

#[test]
fn p07_an_algorithm_must_fit_a_key() {
    let key = || Signer::p256().jwk("k");
    let none = ["IDENTITY_VALID error: `RS256` fits no key of `https://id.example`"];
    assert_eq!(jwks_problems(&[key()], &["RS256"]), none);
    let spare = ["IDENTITY_VALID warning: `RS256` fits no key of `https://id.example`"];
    assert_eq!(jwks_problems(&[key()], &["RS256", "ES256"]), spare);
    let hmac = ["IDENTITY_VALID error: `HS256` fits no key of this issuer"];
    assert_eq!(jwks_problems(&[key()], &["HS256", "ES256"]), hmac);
    let raw = RawJwt {
        keys: Some(RawKeys::Secrets(vec![RawSecret::File(text("s"))])),
        ..issuer(&["HS256", "ES256"])
    };
    let world = World::default().file("s", [b'x'; 32]);
    let public = ["IDENTITY_VALID error: `ES256` fits no key of this issuer"];
    assert_eq!(problems(&world, &jwt(raw)), public);
}

#[test]
fn p07_an_issuer_is_defined_once() {
    let world = World::with_jwks(&[Signer::p256().jwk("k")]);
    let twice = vec![issuer(&["ES256"]), issuer(&["ES256"])];
    let raw = RawIdentity { jwt: twice, same_users: true, ..RawIdentity::default() };
    let said = ["IDENTITY_VALID error: the issuer `https://id.example` is defined twice"];
    assert_eq!(problems(&world, &raw), said);
}

#[test]
fn p09_two_authenticators_never_yield_the_same_user_unsaid() {
    let ambiguous = |jwt: Option<&str>, keys: Option<&str>, peers: Option<&str>, same_users| {
        let raw = RawIdentity {
            jwt: vec![RawJwt { prefix: jwt.map(text), ..issuer(&["ES256"]) }],
            api_keys: Some(RawApiKeys {
                prefix: keys.map(text),
                ..api_keys(true, false, vec![api_key("idp:eng", "k")])
            }),
            forwarded: Some(RawForwarded { prefix: peers.map(text), ..forwarded(&["10.0.0.7"]) }),
            same_users,
            ..RawIdentity::default()
        };
        let said = problems(&World::with_jwks(&[Signer::p256().jwk("k")]), &raw);
        let all = said.iter().all(|said| {
            said == "IDENTITY_AMBIGUOUS error: two authenticators can yield the same user id"
        });
        assert!(all, "{said:?}");
        said.len()
    };
    assert_eq!(ambiguous(None, None, None, false), 2);
    assert_eq!(ambiguous(None, None, None, true), 0);
    assert_eq!(ambiguous(Some("a:"), Some("b:"), Some("c:"), false), 0);
    assert_eq!(ambiguous(Some("a:"), Some("b:"), Some("a:b:"), false), 1);
    assert_eq!(ambiguous(Some("a:"), None, Some("c:"), false), 0);
    assert_eq!(ambiguous(Some("idp:"), None, Some("c:"), false), 1);
    assert_eq!(ambiguous(Some("a:"), Some("a:"), Some("c:"), false), 1);
}

#[test]
fn p08_key_entries_are_checked() {
    let say = |keys: RawApiKeys| {
        problems(&World::default(), &RawIdentity { api_keys: Some(keys), ..RawIdentity::default() })
    };
    let digest = |digest: &str| RawApiKey { sha256: text(digest), ..api_key("eng", "k") };
    for bad in ["", "abc", &"A".repeat(64), &"g".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
        let said = say(api_keys(true, false, vec![digest(bad)]));
        assert_eq!(said, ["IDENTITY_VALID error: not 64 lower-case hexadecimal digits"], "{bad}");
    }
    let twice = vec![api_key("a", "k"), api_key("b", "k")];
    assert_eq!(
        say(api_keys(true, false, twice)),
        ["IDENTITY_VALID error: one key for two entries"]
    );
    let nobody = vec![api_key("", "k")];
    assert_eq!(say(api_keys(true, false, nobody)), ["IDENTITY_VALID error: `user` is empty"]);
    let nowhere = ["IDENTITY_VALID error: `in` names no place for a key"];
    assert_eq!(say(api_keys(false, false, Vec::new())), nowhere);
    let header = |name: &str| {
        say(RawApiKeys { header: Some(text(name)), ..api_keys(true, false, Vec::new()) })
    };
    assert_eq!(header("a b"), ["IDENTITY_VALID error: `a b` is not a header's name"]);
    assert_eq!(
        header("Authorization"),
        ["IDENTITY_VALID error: the header `Authorization` has another meaning"]
    );
    assert_eq!(header("X-Key"), [""; 0]);
}

#[test]
fn p03_forwarded_entries_are_checked() {
    let say = |raw: RawForwarded| {
        problems(&World::default(), &RawIdentity { forwarded: Some(raw), ..RawIdentity::default() })
    };
    for (peer, said) in [
        (
            "localhost",
            "IDENTITY_VALID error: `localhost` is no address, no CIDR block and not `unix`",
        ),
        (
            "10.0.0.0/33",
            "IDENTITY_VALID error: `10.0.0.0/33` is no address, no CIDR block and not `unix`",
        ),
        ("10.0.0.1/24", "IDENTITY_VALID error: `10.0.0.1/24` has bits beyond its prefix"),
        ("0.0.0.0/0", "IDENTITY_VALID error: `0.0.0.0/0` lets everybody say who is calling"),
        ("::/0", "IDENTITY_VALID error: `::/0` lets everybody say who is calling"),
    ] {
        assert_eq!(say(forwarded(&[peer])), [said]);
    }
    assert_eq!(say(forwarded(&[])), ["IDENTITY_VALID error: `peers` lists nobody"]);
    assert_eq!(say(forwarded(&["10.0.0.1", "fd00::/8", "unix"])), [""; 0]);
    let same = RawForwarded { org: Some(text("x_auth_user")), ..forwarded(&["unix"]) };
    assert_eq!(say(same), ["IDENTITY_VALID error: the header `x_auth_user` stands for two things"]);
    let host = RawForwarded { user: text("Host"), ..forwarded(&["unix"]) };
    assert_eq!(say(host), ["IDENTITY_VALID error: the header `Host` has another meaning"]);
    let raw = RawIdentity {
        forwarded: Some(RawForwarded { user: text("X-Api-Key"), ..forwarded(&["unix"]) }),
        api_keys: Some(api_keys(true, false, Vec::new())),
        same_users: true,
        ..RawIdentity::default()
    };
    let clash = "IDENTITY_VALID error: the header `x-api-key` carries API keys already";
    assert_eq!(problems(&World::default(), &raw), [clash]);
}
