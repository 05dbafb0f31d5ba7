//! Verification keys: key sets (RFC 7517), PEM or HMAC secrets, checked before anything trusts them.

use super::TokenFault;
use super::algorithm::{Algorithm, KeyKind, MAX_RSA_BITS, MIN_RSA_BITS, PublicKey, Secret};
use super::remote::KeySource;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The largest key file, in bytes: a set of a hundred keys is a tenth of it.
pub const MAX_KEY_FILE: usize = 1024 * 1024;

/// The most keys of one issuer, or secrets.
pub const MAX_KEYS: usize = 100;

/// The shortest HMAC secret, in bytes (RFC 7518 section 3.2, for HS256).
pub const MIN_SECRET: usize = 32;

/// The keys that vouch for one issuer.
#[derive(Debug)]
pub(super) enum KeySet {
    /// Public keys, chosen by `kid`.
    Public(Vec<Key>),
    /// Public keys that change while the policy stays, likewise.
    Remote(Arc<KeySource>),
    /// Public keys without names: each that fits is tried, and `kid` says nothing.
    Unnamed(Vec<Key>),
    /// Shared secrets. They have no names, so each is tried, the newest first.
    Secrets(Vec<Secret>),
}

/// One public key that can be used.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) kid: Option<Box<str>>,
    /// The only algorithm that the key's owner allows, if `alg` says so.
    alg: Option<Algorithm>,
    public: PublicKey,
}

/// Why a file is no key set, or a key is not usable. Shown to the user after the key's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyFault {
    #[error("is not an object with the members of a key, each given once")]
    Json,
    #[error("is a symmetric key; put its bytes into a file under `secrets`")]
    Symmetric,
    #[error("has a type or curve that is not supported; use RSA, P-256, P-384, P-521 or Ed25519")]
    Unsupported,
    #[error("is for encryption (`use` is not `sig`)")]
    Use,
    #[error("may not verify (`key_ops` has no `verify`)")]
    Operations,
    #[error("has an `alg` that does not fit it")]
    Algorithm,
    #[error("lacks a part, or a part is not base64url without padding")]
    Parts,
    #[error("is an RSA key of less than 2048 bits")]
    RsaSmall,
    #[error("is an RSA key of more than 8192 bits")]
    RsaLarge,
    #[error("is not a valid public key")]
    Invalid,
    #[error("has the `kid` of another key")]
    SharedKid,
}

/// A JWKS file, read: the keys that can be used, and why the others cannot.
#[derive(Debug, Default)]
pub(super) struct KeyFile {
    pub(super) keys: Vec<Key>,
    /// Each key that was skipped: how to call it, and why.
    pub(super) skipped: Vec<(String, KeyFault)>,
}

#[derive(Deserialize)]
struct RawSet<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// The members of a key that matter; others (`x5c`, `x5t`…) are ignored (RFC 7517 section 4).
#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeyFile {
    /// Reads a key set. `None` if the text is not JSON with a list `keys`.
    pub(super) fn parse(text: &[u8]) -> Option<KeyFile> {
        let set: RawSet<'_> = serde_json::from_slice(text).ok()?;
        let mut file = KeyFile::default();
        for (at, raw) in set.keys.iter().enumerate() {
            match read(raw) {
                Ok(key) => file.keys.push(key),
                Err((kid, fault)) => file.skipped.push((name(at, kid.as_deref()), fault)),
            }
        }
        Some(file)
    }

    /// Takes out keys that share a `kid`: which of them a token means would be a guess.
    pub(super) fn skip_shared_kids(&mut self) {
        while let Some(kid) = self.shared_kid().map(str::to_owned) {
            self.keys.retain(|key| key.kid.as_deref() != Some(&*kid));
            self.skipped.push((name(0, Some(&kid)), KeyFault::SharedKid));
        }
    }

    /// The first `kid` that two usable keys share.
    pub(super) fn shared_kid(&self) -> Option<&str> {
        let kids = || self.keys.iter().filter_map(|key| key.kid.as_deref());
        kids()
            .enumerate()
            .find(|(at, kid)| kids().skip(at + 1).any(|other| other == *kid))
            .map(|(_, kid)| kid)
    }
}

impl KeySet {
    /// Whether any key can verify this algorithm. Of keys that are fetched nobody knows.
    pub(super) fn fits(&self, alg: Algorithm) -> bool {
        match self {
            KeySet::Public(keys) | KeySet::Unnamed(keys) => keys.iter().any(|key| key.fits(alg)),
            KeySet::Remote(_) => alg.kind().is_some(),
            KeySet::Secrets(secrets) => alg.kind().is_none() && !secrets.is_empty(),
        }
    }

    /// Whether keys of this source could ever verify this algorithm.
    pub(super) fn could_fit(&self, alg: Algorithm) -> bool {
        alg.kind().is_none() == matches!(self, KeySet::Secrets(_))
    }

    /// Whether a verdict under keys of this generation still counts.
    pub(super) fn vouches(&self, generation: u64, now: u64) -> bool {
        match self {
            KeySet::Remote(source) => source.vouches(generation, now),
            _ => true,
        }
    }

    /// Checks a signature. The caller has checked that the issuer lists the algorithm; the key
    /// is chosen here, and only among those that fit it, so no key is ever used for another.
    /// Returns the generation of the keys; those that stay with the policy have none (0).
    pub(super) fn verify(&self, signed: &Signed<'_>, now: u64) -> Result<u64, TokenFault> {
        let (verified, generation) = match self {
            KeySet::Public(keys) => (choose(keys, signed)?.verifies(signed), 0),
            KeySet::Remote(source) => {
                let set = source.keys(now).ok_or(TokenFault::KeysUnavailable)?;
                (choose(&set.keys, signed)?.verifies(signed), set.generation)
            }
            _ if !self.fits(signed.alg) => return Err(TokenFault::NoKey),
            KeySet::Unnamed(keys) => {
                let mut fitting = keys.iter().filter(|key| key.fits(signed.alg));
                (fitting.any(|key| key.verifies(signed)), 0)
            }
            KeySet::Secrets(secrets) => {
                let Signed { alg, message, signature, .. } = *signed;
                let by = |secret: &Secret| secret.verifies(alg, message.as_bytes(), signature);
                (secrets.iter().any(by), 0)
            }
        };
        verified.then_some(generation).ok_or(TokenFault::Signature)
    }
}

/// What a signature is checked by.
pub(super) struct Signed<'a> {
    pub(super) alg: Algorithm,
    pub(super) kid: Option<&'a str>,
    /// Header and payload, as they stand in the token.
    pub(super) message: &'a str,
    pub(super) signature: &'a [u8],
}

impl Key {
    /// A key as X.509 has it (RFC 5280 section 4.1.2.7). It has no name.
    pub(super) fn from_public_key_info(der: &[u8]) -> Option<Key> {
        PublicKey::from_info(der).map(|public| Key { kid: None, alg: None, public })
    }

    /// Whether this key may verify this algorithm.
    pub(super) fn fits(&self, alg: Algorithm) -> bool {
        self.public.fits(alg) && self.alg.is_none_or(|only| only == alg)
    }

    fn verifies(&self, signed: &Signed<'_>) -> bool {
        self.public.verifies(signed.alg, signed.message.as_bytes(), signed.signature)
    }
}

/// The key that `kid` names; without `kid`, the only one that fits.
fn choose<'a>(keys: &'a [Key], signed: &Signed<'_>) -> Result<&'a Key, TokenFault> {
    let named = |key: &&Key| signed.kid.is_none_or(|kid| key.kid.as_deref() == Some(kid));
    let mut fitting = keys.iter().filter(|key| key.fits(signed.alg)).filter(named);
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(TokenFault::NoKey),
        (Some(_), Some(_)) => Err(TokenFault::AmbiguousKey),
    }
}

fn name(at: usize, kid: Option<&str>) -> String {
    match kid {
        Some(kid) => format!("`{kid}`"),
        None => format!("number {}", at + 1),
    }
}

fn read(raw: &RawValue) -> Result<Key, (Option<String>, KeyFault)> {
    let key: RawKey = serde_json::from_str(raw.get()).map_err(|_| (None, KeyFault::Json))?;
    usable(&key).map_err(|fault| (key.kid, fault))
}

fn usable(raw: &RawKey) -> Result<Key, KeyFault> {
    if raw.usage.as_ref().is_some_and(|usage| usage != "sig") {
        return Err(KeyFault::Use);
    }
    if raw.key_ops.as_ref().is_some_and(|ops| ops.iter().all(|op| op != "verify")) {
        return Err(KeyFault::Operations);
    }
    let public = match (raw.kty.as_str(), raw.crv.as_deref()) {
        ("RSA", _) => rsa(raw)?,
        ("EC", Some("P-256")) => ec(raw, KeyKind::P256, 32)?,
        ("EC", Some("P-384")) => ec(raw, KeyKind::P384, 48)?,
        ("EC", Some("P-521")) => ec(raw, KeyKind::P521, 66)?,
        ("OKP", Some("Ed25519")) => ed25519(raw)?,
        ("oct", _) => return Err(KeyFault::Symmetric),
        _ => return Err(KeyFault::Unsupported),
    };
    let fitting = |name: &String| Algorithm::named(name).filter(|alg| public.fits(*alg));
    let alg = match &raw.alg {
        Some(name) => Some(fitting(name).ok_or(KeyFault::Algorithm)?),
        None => None,
    };
    Ok(Key { kid: raw.kid.as_deref().map(Box::from), alg, public })
}

fn rsa(raw: &RawKey) -> Result<PublicKey, KeyFault> {
    let (n, e) = (part(&raw.n)?, part(&raw.e)?);
    let bits = bit_length(&n);
    if bits < MIN_RSA_BITS {
        return Err(KeyFault::RsaSmall);
    }
    if bits > MAX_RSA_BITS {
        return Err(KeyFault::RsaLarge);
    }
    // An exponent of 1 makes every message its own signature; an even one is no RSA key.
    if bit_length(&e) < 2 || e.last().is_none_or(|last| last % 2 == 0) {
        return Err(KeyFault::Invalid);
    }
    PublicKey::rsa(strip_zeros(&n), strip_zeros(&e)).ok_or(KeyFault::Invalid)
}

fn ec(raw: &RawKey, kind: KeyKind, size: usize) -> Result<PublicKey, KeyFault> {
    let (x, y) = (part(&raw.x)?, part(&raw.y)?);
    // RFC 7518 section 6.2.1.2: the full size of a coordinate, also with leading zeros.
    if x.len() != size || y.len() != size {
        return Err(KeyFault::Invalid);
    }
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    PublicKey::point(kind, &point).ok_or(KeyFault::Invalid)
}

fn ed25519(raw: &RawKey) -> Result<PublicKey, KeyFault> {
    let x = part(&raw.x)?;
    if x.len() != 32 {
        return Err(KeyFault::Invalid);
    }
    PublicKey::point(KeyKind::Ed25519, &x).ok_or(KeyFault::Invalid)
}

fn part(text: &Option<String>) -> Result<Vec<u8>, KeyFault> {
    let text = text.as_ref().ok_or(KeyFault::Parts)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault::Parts)
}

fn strip_zeros(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len())..]
}

fn bit_length(bytes: &[u8]) -> usize {
    let bytes = strip_zeros(bytes);
    bytes.first().map_or(0, |first| bytes.len() * 8 - first.leading_zeros() as usize)
}
