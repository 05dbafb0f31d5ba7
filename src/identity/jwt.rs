//! Signed tokens (RFC 7519, with the hardening of RFC 8725).
//!
//! aws-lc-rs checks signatures; everything around them is checked here. What libraries of tokens
//! check reads the clock, takes fractions as times and a list as `iss`, and does not see a claim
//! that is given twice.

use super::algorithm::Algorithm;
use super::claims::{self, ClaimMap};
use super::json::{self, Kind, Object};
use super::jwks::{KeySet, Signed};
use super::roles::Claimed;
use super::{MAX_CREDENTIAL, TokenFault};
use crate::principal::{AuthMethod, Principal};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;

/// The last second of the year 9999: no later time can be written as a date.
pub const MAX_NUMERIC_DATE: u64 = 253_402_300_799;

/// Clock skew that is forgiven where the policy does not say, in seconds.
pub const DEFAULT_LEEWAY: u64 = 60;

/// The most clock skew that a policy may forgive, in seconds.
pub const MAX_LEEWAY: u64 = 300;

/// One issuer whose tokens are accepted, and what is asked of them.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) iss: Box<str>,
    pub(super) audience: Vec<Box<str>>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: KeySet,
    pub(super) claims: ClaimMap,
    pub(super) leeway: u64,
    pub(super) prefix: Box<str>,
    /// `typ` must be `at+jwt` (RFC 9068).
    pub(super) access_tokens_only: bool,
}

/// Whether a bearer credential has the form of a token: two dots, and a JSON object before the
/// first. Anything else is an API key.
pub(super) fn looks_like_token(credential: &str) -> bool {
    let mut parts = credential.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(_), Some(_), None) => {
            decode(header).is_ok_and(|text| Object::parse(&text).is_some())
        }
        _ => false,
    }
}

/// A token that holds.
pub(super) struct Verified {
    pub(super) principal: Principal,
    /// Which issuer vouches for it.
    pub(super) issuer: usize,
    /// The generation of the issuer's keys.
    pub(super) keys: u64,
}

/// Checks a token against all issuers; its `iss` chooses the one that must vouch for it.
pub(super) fn verify(issuers: &[Issuer], token: &str, now: u64) -> Result<Verified, TokenFault> {
    let read = Parts::of(token)?;
    let header = Header::read(&read.header)?;
    let payload = Object::parse(&read.payload).ok_or(TokenFault::Payload)?;
    let at = issuer_of(issuers, &payload)?;
    let issuer = &issuers[at];
    let keys = issuer.check_signature(&header, &read, now)?;
    Ok(Verified { principal: issuer.check_claims(&payload, now)?, issuer: at, keys })
}

/// The header and the payload of a token, whether or not it holds.
pub(super) fn read(token: &str) -> Option<(String, String)> {
    Parts::of(token).ok().map(|read| (read.header, read.payload))
}

/// The issuer that a token names, whether or not the token holds.
pub(super) fn named_issuer<'a>(issuers: &'a [Issuer], token: &str) -> Option<&'a Issuer> {
    let read = Parts::of(token).ok()?;
    let at = issuer_of(issuers, &Object::parse(&read.payload)?).ok()?;
    issuers.get(at)
}

/// Checks a signature and nothing else: published vectors sign other things than claims.
#[cfg(test)]
pub(super) fn verify_alone(
    keys: &KeySet,
    algorithms: &[Algorithm],
    text: &str,
) -> Result<(), TokenFault> {
    let read = Parts::of(text)?;
    let header = Header::read(&read.header)?;
    let alg = header.alg.filter(|alg| algorithms.contains(alg)).ok_or(TokenFault::Algorithm)?;
    let (kid, message, signature) = (header.kid.as_deref(), read.message, &read.signature);
    keys.verify(&Signed { alg, kid, message, signature }, 0).map(drop)
}

fn issuer_of(issuers: &[Issuer], payload: &Object<'_>) -> Result<usize, TokenFault> {
    let iss = required_text(payload, "iss")?;
    issuers.iter().position(|issuer| *issuer.iss == *iss).ok_or(TokenFault::UnknownIssuer)
}

/// A token taken apart: the compact form (RFC 7515 section 7.1) and no other.
struct Parts<'a> {
    /// Header and payload, as they stand there.
    message: &'a str,
    signature: Vec<u8>,
    header: String,
    payload: String,
}

impl Parts<'_> {
    fn of(token: &str) -> Result<Parts<'_>, TokenFault> {
        if token.len() > MAX_CREDENTIAL {
            return Err(TokenFault::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenFault::Parts)?;
        let (header, payload) = message.split_once('.').ok_or(TokenFault::Parts)?;
        if payload.contains('.') {
            return Err(TokenFault::Parts);
        }
        let signature = decode_bytes(signature)?;
        Ok(Parts { message, signature, header: decode(header)?, payload: decode(payload)? })
    }
}

/// What is read of a token's header. Keys that it brings along (`jwk`, `jku`, `x5u`, `x5c`…) are
/// ignored: the policy names the keys (RFC 8725 section 3.10).
struct Header {
    alg: Option<Algorithm>,
    kid: Option<String>,
    typ: Option<String>,
}

impl Header {
    fn read(text: &str) -> Result<Header, TokenFault> {
        let header = Object::parse(text).ok_or(TokenFault::Header)?;
        if header.get("crit").is_some() {
            return Err(TokenFault::Critical);
        }
        let alg = header.get("alg").and_then(json::text).ok_or(TokenFault::Header)?;
        let optional = |name, fault| match header.get(name) {
            Some(value) => json::text(value).map(Some).ok_or(fault),
            None => Ok(None),
        };
        let kid = optional("kid", TokenFault::KeyId)?;
        let typ = optional("typ", TokenFault::Type)?;
        Ok(Header { alg: Algorithm::named(&alg), kid, typ })
    }
}

impl Issuer {
    fn check_signature(
        &self,
        header: &Header,
        read: &Parts<'_>,
        now: u64,
    ) -> Result<u64, TokenFault> {
        if !self.accepts_type(header.typ.as_deref()) {
            return Err(TokenFault::Type);
        }
        let alg = header.alg.filter(|alg| self.algorithms.contains(alg));
        let alg = alg.ok_or(TokenFault::Algorithm)?;
        let (kid, message, signature) = (header.kid.as_deref(), read.message, &read.signature);
        self.keys.verify(&Signed { alg, kid, message, signature }, now)
    }

    /// `typ` is a media type: case does not matter, and `application/` may be written out
    /// (RFC 7515 section 4.1.9).
    fn accepts_type(&self, typ: Option<&str>) -> bool {
        let Some(typ) = typ else { return !self.access_tokens_only };
        let typ = typ.to_ascii_lowercase();
        match typ.strip_prefix("application/").unwrap_or(&typ) {
            "at+jwt" => true,
            "jwt" => !self.access_tokens_only,
            _ => false,
        }
    }

    fn check_claims(&self, payload: &Object<'_>, now: u64) -> Result<Principal, TokenFault> {
        check_audience(payload, &self.audience)?;
        let expires = self.check_times(payload, now)?;
        caller(payload, (&self.claims, &self.prefix), AuthMethod::Jwt, expires)
    }

    /// Checks `exp`, `nbf` and `iat`; returns the first second at which the token is no longer
    /// good, leeway included.
    fn check_times(&self, payload: &Object<'_>, now: u64) -> Result<u64, TokenFault> {
        let exp = numeric_date(payload, "exp")?.ok_or(TokenFault::MissingClaim("exp"))?;
        let end = exp + self.leeway;
        if now >= end {
            return Err(TokenFault::Expired { ago: now - exp });
        }
        let latest = now.saturating_add(self.leeway);
        match numeric_date(payload, "nbf")? {
            Some(nbf) if nbf > latest => return Err(TokenFault::NotYet { ahead: nbf - now }),
            _ => {}
        }
        match numeric_date(payload, "iat")? {
            Some(iat) if iat > latest => Err(TokenFault::IssuedAhead { ahead: iat - now }),
            _ => Ok(end),
        }
    }
}

/// Who verified claims say is calling, until this second.
pub(super) fn caller(
    payload: &Object<'_>,
    (map, prefix): (&ClaimMap, &str),
    method: AuthMethod,
    expires: u64,
) -> Result<Principal, TokenFault> {
    let user = claims::text(payload, &map.user, "user")?;
    let user = user.ok_or(TokenFault::MissingClaim("user"))?;
    let user = match prefix.is_empty() {
        true => user,
        false => format!("{prefix}{user}").into(),
    };
    let Claimed { roles, org_roles } = map.roles.read(payload)?;
    Ok(Principal {
        user,
        org: claims::text(payload, &map.org, "org")?,
        app: claims::text(payload, &map.app, "app")?,
        roles,
        org_roles,
        email: claims::text(payload, &map.email, "email")?,
        claims: claims::all(payload)?,
        method,
        expires: Some(expires),
    })
}

/// RFC 7519 section 4.1.3: one text, or a list of them; one must be ours.
pub(super) fn check_audience(payload: &Object<'_>, ours: &[Box<str>]) -> Result<(), TokenFault> {
    let value = payload.get("aud").ok_or(TokenFault::MissingClaim("aud"))?;
    let named = match json::kind(value) {
        Kind::List => json::texts(value),
        _ => json::text(value).map(|one| vec![one]),
    };
    let named = named.ok_or(TokenFault::ClaimType("aud"))?;
    let is_ours = |name: &String| ours.iter().any(|ours| **ours == **name);
    named.iter().any(is_ours).then_some(()).ok_or(TokenFault::Audience)
}

/// A time in whole seconds since 1970. RFC 7519 also allows fractions; no issuer needs them, and
/// `1e400` is one.
pub(super) fn numeric_date(
    payload: &Object<'_>,
    name: &'static str,
) -> Result<Option<u64>, TokenFault> {
    let Some(value) = payload.get(name) else { return Ok(None) };
    let whole = |value: &RawValue| {
        let text = value.get();
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    match whole(value) {
        Some(seconds) if seconds <= MAX_NUMERIC_DATE => Ok(Some(seconds)),
        _ => Err(TokenFault::ClaimType(name)),
    }
}

pub(super) fn required_text(
    payload: &Object<'_>,
    name: &'static str,
) -> Result<String, TokenFault> {
    let value = payload.get(name).ok_or(TokenFault::MissingClaim(name))?;
    json::text(value).ok_or(TokenFault::ClaimType(name))
}

fn decode(part: &str) -> Result<String, TokenFault> {
    String::from_utf8(decode_bytes(part)?).map_err(|_| TokenFault::Encoding)
}

/// Without padding, and without bits left over: a token has one spelling (RFC 7515 section 2).
fn decode_bytes(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Encoding)
}
