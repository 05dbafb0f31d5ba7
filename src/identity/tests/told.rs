//! Headers in which we speak, keys that sign, secrets of upstreams: as typed, and what is wrong.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

fn pem() -> Vec<u8> {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let der = aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
    let text = STANDARD.encode(der.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n").into()
}

fn world() -> World {
    World::default()
        .file("a.pem", pem())
        .file("b.pem", pem())
        .file("secret", "Bearer upstream-secret")
        .file("line", "Bearer upstream-secret\n")
        .file("binary", vec![7, 8])
        .file("empty", "")
}

fn assertion(header: &str, keys: &[&str]) -> RawAssertion {
    RawAssertion {
        span: Span::default(),
        header: text(header),
        keys: texts(keys),
        algorithm: Some(text("EdDSA")),
        issuer: None,
        audience: None,
        ttl: None,
    }
}

fn with(headers: Option<RawToldHeaders>, assertion: Option<RawAssertion>) -> RawIdentity {
    let keys = api_keys(true, false, vec![api_key("eng", "key")]);
    let tell = RawTell { span: Span::default(), headers, assertion };
    RawIdentity { api_keys: Some(keys), tell: Some(tell), ..RawIdentity::default() }
}

fn user(name: &str) -> Option<RawToldHeaders> {
    Some(RawToldHeaders { user: Some(text(name)), ..RawToldHeaders::default() })
}

#[test]
fn p03_what_we_say_is_nobody_elses_to_say() {
    let identity = world().identity(&with(user("X-User"), Some(assertion("X-Who", &["a.pem"]))));
    let name = |text: &str| text.parse::<HeaderName>().unwrap();
    for ours in ["x-user", "X_User", "x-who", "X_WHO"] {
        assert!(identity.is_identity_header(&name(ours)), "{ours}");
    }
    assert!(!identity.is_identity_header(&name("x-users")));
    assert_eq!(identity.vary(), "authorization, x-api-key", "nobody varies these");
    let names = identity.tell().names().expect("both are told where both are typed");
    assert_eq!((&*names.user, &*names.org), ("x-user", "x-portcullis-org"));
    let alone = world().identity(&with(None, Some(assertion("X-Who", &["a.pem"]))));
    assert_eq!(alone.tell().names(), None);
    assert_eq!(world().identity(&with(None, None)).tell().names(), Some(&Names::default()));
    // Where nobody is ever identified, what we say elsewhere is still not a client's to say.
    let nobody = RawIdentity { api_keys: None, ..with(user("X-User"), None) };
    assert!(world().identity(&nobody).is_identity_header(&name("x_user")));
}

#[test]
fn names_and_keys_are_checked() {
    let problems = |raw: &RawIdentity| said(&world().compile(raw).1).join("; ");
    for fine in ["X-User", "Remote-User", "X-Remote-User", "x-portcullis-who"] {
        assert_eq!(problems(&with(user(fine), None)), "", "{fine}");
    }
    for (header, wrong) in [
        ("Host", "has another meaning"),
        ("Authorization", "has another meaning"),
        ("Content-Type", "has another meaning"),
        ("X-Forwarded-For", "has another meaning"),
        ("a b", "is not a header's name"),
    ] {
        assert!(problems(&with(user(header), None)).contains(wrong), "{header}");
    }
    let mut keyed = with(user("X_Key"), None);
    keyed.api_keys = keyed.api_keys.map(|keys| RawApiKeys { header: Some(text("X-Key")), ..keys });
    assert!(problems(&keyed).contains("stands for two things"));
    let twice = RawToldHeaders { org: Some(text("X_User")), ..user("X-User").unwrap() };
    assert!(problems(&with(Some(twice), None)).contains("stands for two things"));
    let both = with(user("X-User"), Some(assertion("X-User", &["a.pem"])));
    assert!(problems(&both).contains("stands for two things"));
    for (keys, wrong) in [
        (&["a.pem", "b.pem"][..], ""),
        (&[], "no key signs"),
        (&["a.pem", "a.pem"], "one key stands in two files"),
        (&["secret"], "is not one private key in PEM"),
        (&["absent"], "cannot be read"),
    ] {
        let said = problems(&with(None, Some(assertion("Authorization", keys))));
        assert!(said.contains(wrong) && said.is_empty() == wrong.is_empty(), "{keys:?}: {said}");
    }
    let other =
        |name| RawAssertion { algorithm: Some(text(name)), ..assertion("X-Who", &["a.pem"]) };
    assert!(problems(&with(None, Some(other("HS256")))).contains("not an algorithm to sign with"));
    assert!(problems(&with(None, Some(other("ES256")))).contains("not a private key for `ES256`"));
}

#[test]
fn p16_an_upstreams_secret_is_checked_and_never_shown() {
    let upstream = |header: &str, file: &str| RawUpstream {
        span: Span::default(),
        id: text("api"),
        url: text("http://127.0.0.1:1"),
        others: Vec::new(),
        host: None,
        protocol: None,
        tls: None,
        timeouts: None,
        health: None,
        credential: Some(RawCredential { header: text(header), file: text(file) }),
    };
    let world = world();
    let file = |path: &str| {
        world.files.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    let inputs = Inputs { file: &file, env: &|_| None };
    let compile = |header, file| {
        let mut identity = world.identity(&with(user("X-User"), None));
        let mut report = Report::default();
        identity.authenticate_to(&[upstream(header, file)], &inputs, &mut report);
        (identity, said(&report).join("; "))
    };
    let (identity, said) = compile("Authorization", "secret");
    assert_eq!(said, "");
    let mut headers = header_map(&[("authorization", "mine"), ("x_a", "b")]);
    assert!(identity.tell().authenticate("api", &mut headers));
    assert_eq!(
        headers.get_all("authorization").iter().collect::<Vec<_>>(),
        ["Bearer upstream-secret"]
    );
    assert!(identity.tell().authenticate("other", &mut headers));
    let shown = format!("{:?} {:?} {:?}", identity, identity.tell(), headers);
    assert!(!shown.contains("upstream-secret"), "{shown}");
    for (header, file, wrong) in [
        ("Authorization", "line", "ends with a newline"),
        ("Authorization", "binary", "is not the value of a header"),
        ("Authorization", "empty", "is not the value of a header"),
        ("Authorization", "absent", "cannot be read"),
        ("Host", "secret", "has another meaning"),
        ("X_User", "secret", "stands for two things"),
    ] {
        let said = compile(header, file).1;
        assert!(
            said.contains(wrong) && !said.contains("upstream-secret"),
            "{header} {file}: {said}"
        );
    }
}
