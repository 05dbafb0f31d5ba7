//! Keys that are made for one test, and tokens that they sign. The signing is aws-lc-rs's own,
//! written apart from what is tested, so that both must agree on what a token is.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use aws_lc_rs::{hmac, rsa};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A key that signs.
pub(in crate::identity) enum Signer {
    Hmac(Vec<u8>),
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    P521(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

pub(in crate::identity) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub(in crate::identity) fn rsa() -> Signer {
        Signer::Rsa(Box::new(rsa::KeyPair::generate(KeySize::Rsa2048).expect("an RSA key")))
    }

    pub(in crate::identity) fn p256() -> Signer {
        let alg = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        Signer::P256(EcdsaKeyPair::generate(alg).expect("a P-256 key"))
    }

    pub(in crate::identity) fn p384() -> Signer {
        let alg = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        Signer::P384(EcdsaKeyPair::generate(alg).expect("a P-384 key"))
    }

    pub(in crate::identity) fn p521() -> Signer {
        let alg = &signature::ECDSA_P521_SHA512_FIXED_SIGNING;
        Signer::P521(EcdsaKeyPair::generate(alg).expect("a P-521 key"))
    }

    pub(in crate::identity) fn ed25519() -> Signer {
        Signer::Ed(Ed25519KeyPair::generate().expect("an Ed25519 key"))
    }

    /// The public half, as a JWKS has it.
    pub(in crate::identity) fn jwk(&self, kid: &str) -> Value {
        match self {
            Signer::Hmac(secret) => json!({"kty": "oct", "kid": kid, "k": b64(secret)}),
            Signer::Rsa(pair) => {
                let key = pair.public_key();
                let (n, e) = (key.modulus(), key.exponent());
                let (n, e) =
                    (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                json!({"kty": "RSA", "kid": kid, "use": "sig", "n": b64(n), "e": b64(e)})
            }
            Signer::P256(pair) => point(pair, "P-256", 32, kid),
            Signer::P384(pair) => point(pair, "P-384", 48, kid),
            Signer::P521(pair) => point(pair, "P-521", 66, kid),
            Signer::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(pair.public_key())})
            }
        }
    }

    /// The public half, as openssl writes it.
    pub(in crate::identity) fn pem(&self) -> String {
        let der = match self {
            Signer::Hmac(_) => panic!("a secret has no public half"),
            Signer::Rsa(pair) => pair.public_key().as_der(),
            Signer::P256(pair) | Signer::P384(pair) | Signer::P521(pair) => {
                pair.public_key().as_der()
            }
            Signer::Ed(pair) => pair.public_key().as_der(),
        };
        block("PUBLIC KEY", der.expect("DER").as_ref())
    }

    /// A token with this header and payload, whatever they are.
    pub(in crate::identity) fn token(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", b64(header), b64(payload));
        let alg: Value = serde_json::from_str(header).unwrap_or_default();
        let signature = self.sign(alg["alg"].as_str().unwrap_or(""), message.as_bytes());
        format!("{message}.{}", b64(signature))
    }

    fn sign(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Signer::Hmac(secret) => {
                let kind = match alg {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(kind, secret), message).as_ref().to_vec()
            }
            Signer::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(padding(alg), &random, message, &mut out).expect("signed");
                out
            }
            Signer::P256(pair) | Signer::P384(pair) | Signer::P521(pair) => {
                pair.sign(&random, message).expect("signed").as_ref().to_vec()
            }
            Signer::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

/// A block of PEM (RFC 7468).
pub(in crate::identity) fn block(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn padding(alg: &str) -> &'static dyn signature::RsaEncoding {
    match alg {
        "RS384" => &signature::RSA_PKCS1_SHA384,
        "RS512" => &signature::RSA_PKCS1_SHA512,
        "PS256" => &signature::RSA_PSS_SHA256,
        "PS384" => &signature::RSA_PSS_SHA384,
        "PS512" => &signature::RSA_PSS_SHA512,
        _ => &signature::RSA_PKCS1_SHA256,
    }
}

fn point(pair: &EcdsaKeyPair, curve: &str, size: usize, kid: &str) -> Value {
    let bytes = pair.public_key().as_ref();
    let (x, y) = bytes[1..].split_at(size);
    json!({"kty": "EC", "crv": curve, "kid": kid, "x": b64(x), "y": b64(y)})
}
