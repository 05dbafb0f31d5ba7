//! The algorithms that tokens are signed by (RFC 7518 section 3.1, RFC 8037 section 3.1).
//!
//! aws-lc-rs computes; here is which of its verifiers an algorithm is, and what kind of key that one
//! takes. The kinds keep them apart: no public key is ever used as a secret, nor one as the other.

use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use std::fmt;

/// An algorithm that a policy can list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

/// What a public key can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

/// How an algorithm verifies.
enum Scheme {
    /// With a secret that whoever signs has too.
    Mac(hmac::Algorithm),
    /// With a public key of this kind.
    Public(KeyKind, &'static dyn VerificationAlgorithm),
}

/// A public key that the library can read.
#[derive(Debug)]
pub(super) struct PublicKey {
    kind: KeyKind,
    /// As X.509 has it (RFC 5280 section 4.1.2.7), or a point of a curve alone.
    bytes: Box<[u8]>,
}

/// A shared secret, byte for byte.
pub(super) struct Secret(Box<[u8]>);

impl Algorithm {
    /// All of them, in the order in which they are told.
    pub(super) const ALL: [Algorithm; 13] = {
        use Algorithm::*;
        [Hs256, Hs384, Hs512, Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, Es512, EdDsa]
    };

    /// The algorithm of this name. Case matters, as everywhere in JOSE (RFC 7515 section 4.1.1).
    pub(super) fn named(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// The registered name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Algorithm::Hs256 => "HS256",
            Algorithm::Hs384 => "HS384",
            Algorithm::Hs512 => "HS512",
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs384 => "RS384",
            Algorithm::Rs512 => "RS512",
            Algorithm::Ps256 => "PS256",
            Algorithm::Ps384 => "PS384",
            Algorithm::Ps512 => "PS512",
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
            Algorithm::Es512 => "ES512",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    /// The kind of public key that it takes; `None` for those that take a secret.
    pub(super) fn kind(self) -> Option<KeyKind> {
        match self.scheme() {
            Scheme::Mac(_) => None,
            Scheme::Public(kind, _) => Some(kind),
        }
    }

    /// The size of its hash, in bytes: a secret should not be shorter (RFC 7518 section 3.2).
    /// `None` for algorithms that take no secret.
    pub(super) fn secret_size(self) -> Option<usize> {
        match self.scheme() {
            Scheme::Mac(mac) => Some(mac.tag_len()),
            Scheme::Public(..) => None,
        }
    }

    fn scheme(self) -> Scheme {
        use KeyKind::Rsa;
        use Scheme::{Mac, Public};
        match self {
            Algorithm::Hs256 => Mac(HMAC_SHA256),
            Algorithm::Hs384 => Mac(HMAC_SHA384),
            Algorithm::Hs512 => Mac(HMAC_SHA512),
            Algorithm::Rs256 => Public(Rsa, &RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => Public(Rsa, &RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => Public(Rsa, &RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => Public(Rsa, &RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => Public(Rsa, &RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => Public(Rsa, &RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 => Public(KeyKind::P256, &ECDSA_P256_SHA256_FIXED),
            Algorithm::Es384 => Public(KeyKind::P384, &ECDSA_P384_SHA384_FIXED),
            Algorithm::Es512 => Public(KeyKind::P521, &ECDSA_P521_SHA512_FIXED),
            Algorithm::EdDsa => Public(KeyKind::Ed25519, &ED25519),
        }
    }
}

impl KeyKind {
    const ALL: [KeyKind; 5] =
        [KeyKind::Rsa, KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519];

    /// Any of the algorithms that take such a key: all of them read it alike.
    fn reader(self) -> &'static dyn VerificationAlgorithm {
        match self {
            KeyKind::Rsa => &RSA_PKCS1_2048_8192_SHA256,
            KeyKind::P256 => &ECDSA_P256_SHA256_FIXED,
            KeyKind::P384 => &ECDSA_P384_SHA384_FIXED,
            KeyKind::P521 => &ECDSA_P521_SHA512_FIXED,
            KeyKind::Ed25519 => &ED25519,
        }
    }
}

impl PublicKey {
    /// A point of a curve: 4, x, y for those of SEC 1 (section 2.3.3), the key itself for Ed25519.
    /// `None` where it is no point of that curve.
    pub(super) fn point(kind: KeyKind, bytes: &[u8]) -> Option<PublicKey> {
        UnparsedPublicKey::new(kind.reader(), bytes).parse().ok()?;
        Some(PublicKey { kind, bytes: bytes.into() })
    }

    /// An RSA key, without leading zeros. `None` where the two make none.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Option<PublicKey> {
        let parsed = RsaPublicKeyComponents { n, e };
        let parsed = parsed.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?;
        Some(PublicKey { kind: KeyKind::Rsa, bytes: parsed.as_ref().into() })
    }

    /// A key as X.509 has it, of whichever kind that can be used.
    pub(super) fn from_info(der: &[u8]) -> Option<PublicKey> {
        let reads = |kind: &KeyKind| match kind {
            KeyKind::Rsa => PublicEncryptingKey::from_der(der)
                .is_ok_and(|key| (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&key.key_size_bits())),
            other => UnparsedPublicKey::new(other.reader(), der).parse().is_ok(),
        };
        let kind = KeyKind::ALL.into_iter().find(reads)?;
        Some(PublicKey { kind, bytes: der.into() })
    }

    /// Whether this key may verify this algorithm.
    pub(super) fn fits(&self, alg: Algorithm) -> bool {
        alg.kind() == Some(self.kind)
    }

    /// Whether a message was signed with the private half. Never, by an algorithm that does not fit.
    pub(super) fn verifies(&self, alg: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match alg.scheme() {
            Scheme::Public(kind, how) if kind == self.kind => {
                UnparsedPublicKey::new(how, &self.bytes).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

impl Secret {
    pub(super) fn new(bytes: Vec<u8>) -> Secret {
        Secret(bytes.into())
    }

    /// Whether a message was authenticated with this secret, compared in constant time. Never, by
    /// an algorithm that takes none.
    pub(super) fn verifies(&self, alg: Algorithm, message: &[u8], tag: &[u8]) -> bool {
        match alg.scheme() {
            Scheme::Mac(mac) => hmac::verify(&hmac::Key::new(mac, &self.0), message, tag).is_ok(),
            Scheme::Public(..) => false,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Never the bytes.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The smallest RSA modulus, in bits (RFC 7518 section 3.3).
pub const MIN_RSA_BITS: usize = 2048;

/// The largest RSA modulus, in bits, that the library verifies with.
pub const MAX_RSA_BITS: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p07_a_name_is_one_algorithm_in_one_spelling() {
        for alg in Algorithm::ALL {
            assert_eq!(Algorithm::named(alg.as_str()), Some(alg));
            assert_eq!(Algorithm::named(&alg.as_str().to_lowercase()), None, "{alg}");
            assert_eq!(alg.kind().is_none(), alg.as_str().starts_with("HS"), "{alg}");
        }
        for other in ["none", "", "ES256K", "RS1", "Ed25519", "HS256 ", "A128KW"] {
            assert_eq!(Algorithm::named(other), None, "{other}");
        }
    }

    #[test]
    fn p07_a_key_is_no_secret_and_a_secret_no_key() {
        let point = [9; 32];
        let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, &point), b"m");
        let key = PublicKey { kind: KeyKind::Ed25519, bytes: point.into() };
        let secret = Secret::new(point.to_vec());
        for alg in Algorithm::ALL {
            assert!(!key.verifies(alg, b"m", tag.as_ref()), "{alg}");
            assert_eq!(secret.verifies(alg, b"m", tag.as_ref()), alg == Algorithm::Hs256, "{alg}");
        }
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}
