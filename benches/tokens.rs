//! What a token costs by its algorithm: `cold`, its signature checked, and `warm`, found among the
//! verdicts. And what our own statement to upstreams costs, signed and found again.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue};
use portcullis::diag::Report;
use portcullis::identity::{Assertion, Credentials, Identity, Inputs, Peer, Stated};
use portcullis::policy::raw::{
    RawAssertion, RawClaims, RawIdentity, RawJwt, RawKeys, RawSecret, RawTell,
};
use portcullis::source::{Span, Spanned};
use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::sync::Arc;

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = &[b's'; 64];

const ALGORITHMS: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "ES512", "EdDSA",
];

fn text(value: &str) -> Spanned<String> {
    Spanned::new(value.into(), Span::default())
}

/// Signs, and has a public half in PEM.
enum Key {
    Secret(hmac::Algorithm),
    Rsa(Box<RsaKeyPair>, &'static dyn signature::RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Key {
    fn of(alg: &str) -> Key {
        let rsa = |padding| {
            let pair = rsa::KeyPair::generate(KeySize::Rsa2048).expect("a key");
            Key::Rsa(Box::new(pair), padding)
        };
        let ec = |curve| Key::Ec(EcdsaKeyPair::generate(curve).expect("a key"));
        match alg {
            "HS256" => Key::Secret(hmac::HMAC_SHA256),
            "HS384" => Key::Secret(hmac::HMAC_SHA384),
            "HS512" => Key::Secret(hmac::HMAC_SHA512),
            "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
            "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
            "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
            "PS256" => rsa(&signature::RSA_PSS_SHA256),
            "PS384" => rsa(&signature::RSA_PSS_SHA384),
            "PS512" => rsa(&signature::RSA_PSS_SHA512),
            "ES256" => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES512" => ec(&ECDSA_P521_SHA512_FIXED_SIGNING),
            _ => Key::Ed(Ed25519KeyPair::generate().expect("a key")),
        }
    }

    fn file(&self) -> Vec<u8> {
        let der = match self {
            Key::Secret(_) => return SECRET.to_vec(),
            Key::Rsa(pair, _) => pair.public_key().as_der(),
            Key::Ec(pair) => pair.public_key().as_der(),
            Key::Ed(pair) => pair.public_key().as_der(),
        };
        pem("PUBLIC KEY", der.expect("DER").as_ref()).into_bytes()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Key::Secret(alg) => {
                hmac::sign(&hmac::Key::new(*alg, SECRET), message).as_ref().to_vec()
            }
            Key::Rsa(pair, padding) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(*padding, &random, message, &mut out).expect("signed");
                out
            }
            Key::Ec(pair) => pair.sign(&random, message).expect("signed").as_ref().to_vec(),
            Key::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Claims of about 150 bytes.
    fn token(&self, alg: &str) -> String {
        let header = serde_json::json!({"alg": alg, "typ": "JWT"});
        let claims = serde_json::json!({"iss": "https://id.example", "aud": "api",
            "exp": NOW + 600, "sub": "b2c9a1f0-7d35-4c0e-9a53-6c1f6a0e8d11", "org": "acme",
            "roles": ["support"]});
        let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes())))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn compiled(raw: &RawIdentity, file: Vec<u8>) -> Identity {
    let read = move |_: &str| -> io::Result<Vec<u8>> { Ok(file.clone()) };
    let mut report = Report::default();
    let identity =
        Identity::compile(Some(raw), &Inputs { file: &read, env: &|_| None }, &mut report);
    assert!(!report.has_errors(), "{report:?}");
    identity
}

fn verifier(alg: &str, key: &Key) -> Identity {
    let keys = match key {
        Key::Secret(_) => RawKeys::Secrets(vec![RawSecret::File(text("jwt.secret"))]),
        _ => RawKeys::Pem(text("issuer.pem")),
    };
    let jwt = RawJwt {
        span: Span::default(),
        issuer: text("https://id.example"),
        audience: Some(vec![text("api")]),
        algorithms: Some(vec![text(alg)]),
        keys: Some(keys),
        claims: RawClaims::default(),
        leeway: None,
        prefix: None,
        typ: None,
        cookie: None,
        origins: Vec::new(),
    };
    compiled(&RawIdentity { jwt: vec![jwt], ..RawIdentity::default() }, key.file())
}

fn verify(criterion: &mut Criterion) {
    for alg in ALGORITHMS {
        let key = Key::of(alg);
        let (identity, token) = (verifier(alg, &key), key.token(alg));
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header value");
        headers.insert("authorization", value);
        let host = HeaderValue::from_static("api.example");
        let request =
            Credentials { headers: &headers, peer: Peer::Unix, host: &host, changes: false };
        let mut group = criterion.benchmark_group("token");
        group.bench_function(format!("warm/{alg}, {} bytes", token.len()), |bencher| {
            bencher.iter(|| identity.identify(black_box(&request), NOW).expect("a caller"));
        });
        group.bench_function(format!("cold/{alg}"), |bencher| {
            bencher.iter(|| identity.explain_token(black_box(&token), NOW).expect("a caller"));
        });
        group.finish();
    }
}

fn signer(alg: &str) -> Vec<u8> {
    let der = match alg {
        "RS256" => {
            let pair = rsa::KeyPair::generate(KeySize::Rsa2048).expect("a key");
            let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().expect("DER");
            der.as_ref().to_vec()
        }
        "ES256" => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
            pair.to_pkcs8v1().expect("DER").as_ref().to_vec()
        }
        _ => {
            let pair = Ed25519KeyPair::generate().expect("a key");
            pair.to_pkcs8().expect("DER").as_ref().to_vec()
        }
    };
    pem("PRIVATE KEY", &der).into_bytes()
}

fn say(assertion: &Assertion, user: &Arc<str>) -> HeaderValue {
    let upstream = Arc::from("api");
    let said = Stated {
        user,
        org: None,
        app: None,
        roles: Arc::from("support"),
        upstream: &upstream,
        expires: None,
    };
    assertion.value(black_box(&said), NOW).expect("signed")
}

fn assert(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("assertion");
    for alg in ["ES256", "EdDSA", "RS256"] {
        let assertion = RawAssertion {
            span: Span::default(),
            header: text("X-Assertion"),
            keys: vec![text("assertion.pem")],
            algorithm: Some(text(alg)),
            issuer: None,
            audience: None,
            ttl: Some(Spanned::new(3_600, Span::default())),
        };
        let tell = RawTell { assertion: Some(assertion), ..RawTell::default() };
        let raw = RawIdentity { tell: Some(tell), ..RawIdentity::default() };
        let identity = compiled(&raw, signer(alg));
        let assertion = identity.tell().assertion().expect("an assertion");
        // Nobody comes twice.
        let count = Cell::new(0_u64);
        group.bench_function(format!("signed/{alg}"), |bencher| {
            bencher.iter(|| {
                count.set(count.get() + 1);
                say(assertion, &count.get().to_string().into())
            });
        });
        let user = Arc::from("b2c9a1f0-7d35-4c0e-9a53-6c1f6a0e8d11");
        group.bench_function(format!("remembered/{alg}"), |bencher| {
            bencher.iter(|| say(assertion, &user));
        });
    }
    group.finish();
}

criterion_group!(benches, verify, assert);
criterion_main!(benches);
