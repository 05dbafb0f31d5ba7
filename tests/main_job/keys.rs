//! Keys that are made for one test, as an issuer's JWKS and as what signs its tokens.

use crate::support::tokens::base64url;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

/// A private key and its id.
pub struct Signer {
    kid: &'static str,
    pair: Pair,
}

enum Pair {
    P256(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Signer {
    /// A new key for ES256.
    pub fn p256(kid: &'static str) -> Signer {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a P-256 key");
        Signer { kid, pair: Pair::P256(pair) }
    }

    /// A new key for RS256.
    pub fn rsa(kid: &'static str) -> Signer {
        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).expect("an RSA key");
        Signer { kid, pair: Pair::Rsa(Box::new(pair)) }
    }

    /// `Bearer …` for these claims.
    pub fn bearer(&self, claims: &Value) -> String {
        let alg = match self.pair {
            Pair::P256(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        };
        let header = json!({"alg": alg, "kid": self.kid, "typ": "JWT"}).to_string();
        let payload = base64url(claims.to_string().as_bytes());
        let message = format!("{}.{payload}", base64url(header.as_bytes()));
        format!("Bearer {message}.{}", base64url(&self.sign(message.as_bytes())))
    }

    fn jwk(&self) -> Value {
        match &self.pair {
            Pair::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (base64url(x), base64url(y));
                json!({"kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y})
            }
            Pair::Rsa(pair) => {
                let key = pair.public_key();
                let n = base64url(key.modulus().big_endian_without_leading_zero());
                let e = base64url(key.exponent().big_endian_without_leading_zero());
                json!({"kty": "RSA", "kid": self.kid, "use": "sig", "n": n, "e": e})
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) => pair.sign(&random, message).expect("signed").as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut out).expect("signed");
                out
            }
        }
    }
}

/// A key set with the public halves.
pub fn jwks(signers: &[&Signer]) -> String {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}
