//! Our own keys: what signs, and what upstreams verify with (RFC 7517).

use super::pem;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A private key of ours.
pub(in crate::identity) struct Signer {
    pair: Pair,
    /// The thumbprint of the public half (RFC 7638), so that it needs no name of its own.
    kid: String,
    random: SystemRandom,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<rsa::KeyPair>),
}

/// Why a file is no key to sign with. Shown to the user after the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::identity) enum SignerFault {
    #[error("is not one private key in PEM, unencrypted PKCS#8")]
    Pem,
    #[error("is not a private key for `{0}`")]
    Kind(&'static str),
    #[error("is an RSA key of less than 2048 bits")]
    RsaSmall,
}

impl Signer {
    /// Reads a key that must fit the algorithm, one of [`Signer::ALGORITHMS`].
    pub(in crate::identity) fn read(
        text: &[u8],
        algorithm: &'static str,
    ) -> Result<Signer, SignerFault> {
        let der = pem::private_key(text).ok_or(SignerFault::Pem)?;
        let pair = match algorithm {
            "EdDSA" => Ed25519KeyPair::from_pkcs8(&der).ok().map(Pair::EdDsa),
            "RS256" => rsa::KeyPair::from_pkcs8(&der).ok().map(|pair| Pair::Rs256(Box::new(pair))),
            _ => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
                .ok()
                .map(Pair::Es256),
        };
        let pair = pair.ok_or(SignerFault::Kind(algorithm))?;
        if let Pair::Rs256(pair) = &pair
            && pair.public_modulus_len() < 256
        {
            return Err(SignerFault::RsaSmall);
        }
        let kid = thumbprint(&pair.public());
        Ok(Signer { pair, kid, random: SystemRandom::new() })
    }

    /// What can be signed with: ES256 and RS256 of RFC 7518 section 3.1, EdDSA of RFC 8037.
    pub(in crate::identity) const ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "RS256"];

    /// A compact JWS over these claims (RFC 7515 section 7.1). `None` where the library fails.
    pub(super) fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({"alg": self.algorithm(), "kid": self.kid, "typ": "JWT"});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut token = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    /// The public half, as key sets have it.
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = self.pair.public();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm());
        jwk
    }

    /// Which key it is.
    pub(in crate::identity) fn kid(&self) -> &str {
        &self.kid
    }

    fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Es256(_) => "ES256",
            Pair::EdDsa(_) => "EdDSA",
            Pair::Rs256(_) => "RS256",
        }
    }

    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::Es256(pair) => {
                pair.sign(&self.random, message).ok().map(|signed| signed.as_ref().to_vec())
            }
            Pair::EdDsa(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signed = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signed).ok()?;
                Some(signed)
            }
        }
    }
}

impl Pair {
    /// The members that make the key, and no others.
    fn public(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Pair::Es256(pair) => {
                // An uncompressed point: 4, x, y (SEC 1 section 2.3.3).
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
            }
            Pair::EdDsa(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
            Pair::Rs256(pair) => {
                let key = pair.public_key();
                let n = encode(key.modulus().big_endian_without_leading_zero());
                let e = encode(key.exponent().big_endian_without_leading_zero());
                json!({"kty": "RSA", "n": n, "e": e})
            }
        }
    }
}

/// SHA-256 over the members that make a key, ordered by name and without white space (RFC 7638
/// section 3), which is how they are written here.
fn thumbprint(public: &Value) -> String {
    let ordered: std::collections::BTreeMap<_, _> =
        public.as_object().into_iter().flatten().collect();
    let text = serde_json::to_string(&ordered).expect("texts are always JSON");
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7638 section 3.1 and RFC 8037 appendix A.3.
    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        let rsa = json!({"kty": "RSA", "e": "AQAB", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"});
        assert_eq!(thumbprint(&rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        assert_eq!(thumbprint(&ed), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
