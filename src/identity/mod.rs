//! Who is calling: authenticators, and one caller or a refusal.
//!
//! [`Identity::compile`] turns the policy's `identity` into authenticators, with every problem in
//! one report. [`Identity::identify`] finds the one credential of a request and has its
//! authenticator check it. Two credentials are refused even if they agree: which of them speaks
//! for the subject would be a guess.
//!
//! Time is a fact of the request, and files and environment are handed in: nothing here reads a
//! clock or a disk.

mod algorithm;
mod api_key;
mod ask;
mod claims;
mod compile;
mod cookie;
mod credential;
mod explain;
mod fault;
mod forwarded;
mod introspect;
mod json;
mod jwks;
mod jwt;
mod mtls;
mod pem;
mod remote;
mod roles;
mod strangers;
mod tell;
#[cfg(test)]
mod tests;
mod verdicts;

pub use algorithm::{MAX_RSA_BITS, MIN_RSA_BITS};
pub use api_key::DEFAULT_HEADER;
pub use ask::{Ask, Keyless};
pub use compile::Inputs;
pub use fault::{Challenge, Fault, TokenFault, Unidentified};
pub use introspect::{
    Answer, IntrospectionUrl, Introspector, MAX_ANSWER, MAX_INACTIVE, MAX_QUESTIONS, Question, Said,
};
pub use jwks::{MAX_KEY_FILE, MAX_KEYS, MIN_SECRET};
pub use jwt::{DEFAULT_LEEWAY, MAX_LEEWAY, MAX_NUMERIC_DATE};
pub use mtls::{Holder, MAX_SPIFFE_ID, NameKind, SpiffeFault, SpiffeId, Trust};
pub use pem::MAX_PEM_KEYS;
pub use remote::{Brought, KeySource, KeyUrl, MAX_WAITING, NoKeySet};
pub use strangers::MAX_STRANGERS;
pub use tell::{Assertion, MAX_ASSERTIONS, Names, Stated, Tell};
pub use verdicts::MAX_VERDICT_BYTES;

use crate::principal::Principal;
use crate::tls::ChainFault;
use api_key::ApiKeys;
use aws_lc_rs::digest;
use compile::Authenticators;
use cookie::{Cookie, Found};
use credential::{Credential, Scheme, basic_key, brings_bearer, single, visible};
use forwarded::Forwarded;
use http::{HeaderMap, HeaderName, HeaderValue};
use jwt::Issuer;
use mtls::Mtls;
use rustls_pki_types::CertificateDer;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use strangers::Strangers;
use verdicts::{Digest, Verdicts};

/// The longest token or API key that is read, in bytes.
pub const MAX_CREDENTIAL: usize = 8 * 1024;

/// In a verdict, in place of an issuer: somebody was asked.
const ASKED: u32 = u32::MAX;

/// The compiled authenticators of one policy. The default has none: then nobody is identified.
pub struct Identity {
    issuers: Vec<Issuer>,
    /// Who is asked about tokens that none of these issuers has signed.
    introspectors: Vec<Arc<Introspector>>,
    /// Verdicts on the tokens of these issuers under these keys; `None` without issuers.
    verdicts: Option<Arc<Verdicts>>,
    api_keys: Option<ApiKeys>,
    forwarded: Option<Forwarded>,
    cookies: Vec<Cookie>,
    mtls: Option<Mtls>,
    strangers: Strangers,
    tell: Tell,
    told_headers: Vec<HeaderName>,
    credential_headers: Vec<HeaderName>,
    identity_headers: Vec<HeaderName>,
    vary: HeaderValue,
}

/// What of a request says who is calling.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The headers as they came.
    pub headers: &'a HeaderMap,
    /// Who holds the connection.
    pub peer: Peer,
    /// The one host that the request names.
    pub host: &'a HeaderValue,
    /// Whether it may change something, or opens a connection that may: then a cookie alone does
    /// not say that the caller wanted it.
    pub changes: bool,
}

/// Who holds the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address, of TCP.
    Ip(IpAddr),
    /// A process on this machine, through a Unix socket.
    Unix,
}

impl Peer {
    /// The address, where there is one.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Peer::Ip(address) => Some(address),
            Peer::Unix => None,
        }
    }
}

impl Identity {
    /// The caller, verified, or why there is none. `now` is in seconds since 1970.
    pub fn identify(
        &self,
        request: &Credentials<'_>,
        now: u64,
    ) -> Result<Arc<Principal>, Unidentified> {
        let found = self.credential(request).and_then(|credential| match credential {
            Credential::Authorization(value) => self.authorization(value, now),
            Credential::Key(value) => self.key(visible(value.as_bytes())?, now),
            Credential::Forwarded(peer) => {
                let principal = peer.principal(request.headers)?;
                self.strangers.tell(&principal);
                Ok(Arc::new(principal))
            }
            Credential::Cookie(found) => self.cookie(found, request, now),
        });
        found.map_err(|fault| self.unidentified(fault, request))
    }

    /// What a caller is told who was not identified for this reason.
    fn unidentified(&self, fault: Fault, request: &Credentials<'_>) -> Unidentified {
        let challenge = self.challenge(request.headers);
        Unidentified { reason: fault.reason(), fault, challenge }
    }

    /// The same for a connection whose holder is known by its certificate: where the request brings
    /// no credential, it speaks for its holder. Whoever brings one keeps the two apart.
    pub fn identify_held(
        &self,
        request: &Credentials<'_>,
        holder: Option<&Holder>,
        now: u64,
    ) -> Result<Arc<Principal>, Unidentified> {
        let found = self.identify(request, now);
        match (&found, holder) {
            (Err(Unidentified { fault: Fault::Missing, .. }), Some(holder)) => {
                match cookie::is_wanted(request) {
                    true => Ok(holder.principal.clone()),
                    false => Err(self.unidentified(Fault::Origin, request)),
                }
            }
            _ => found,
        }
    }

    /// Who holds a connection that was opened with this chain, leaf first; `now` is in seconds
    /// since 1970.
    pub fn holder(&self, chain: &[CertificateDer<'_>], now: u64) -> Result<Holder, ChainFault> {
        self.mtls.as_ref().ok_or(ChainFault::Untrusted)?.holder(chain, now)
    }

    /// What certificates are trusted by; `None` where none is.
    pub fn trust(&self) -> Option<&Trust> {
        self.mtls.as_ref().map(|mtls| &mtls.digest)
    }

    /// Checks a token as [`Identity::identify`] does, past the cache, and says exactly why it
    /// does not hold.
    pub fn explain_token(&self, token: &str, now: u64) -> Result<Arc<Principal>, TokenFault> {
        jwt::verify(&self.issuers, token, now).map(|verified| Arc::new(verified.principal))
    }

    /// The headers that carry the subject's credential: removed before the upstream unless the
    /// route says `credential: pass`.
    pub fn credential_headers(&self) -> &[HeaderName] {
        &self.credential_headers
    }

    /// The headers in which listed peers say who is calling: never passed on.
    pub fn identity_headers(&self) -> &[HeaderName] {
        &self.identity_headers
    }

    /// Whether a header carries a credential, in any spelling (`_` for `-`).
    pub fn is_credential(&self, name: &HeaderName) -> bool {
        self.credential_headers.iter().any(|ours| same_header(ours, name))
    }

    /// Whether a header claims an identity, in any spelling (`_` for `-`).
    pub fn is_identity_header(&self, name: &HeaderName) -> bool {
        let mut ours = self.identity_headers.iter().chain(&self.told_headers);
        ours.any(|ours| same_header(ours, name))
    }

    /// The headers that carry credentials or say who is calling, from outside or from us.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let of_callers = self.identity_headers.iter().chain(&self.told_headers);
        self.credential_headers.iter().chain(of_callers)
    }

    /// What upstreams are told of callers.
    pub fn tell(&self) -> &Tell {
        &self.tell
    }

    /// Takes tokens in cookies out of the one `Cookie` field.
    pub fn strip_cookies(&self, headers: &mut HeaderMap) {
        if !self.cookies.is_empty() {
            cookie::strip(headers, &self.cookies);
        }
    }

    /// Whether a peer speaks for callers whose addresses nobody knows here.
    pub fn speaks_for_others(&self, peer: Peer) -> bool {
        self.forwarded.as_ref().is_some_and(|peers| peers.trusts(peer))
    }

    /// The request headers that a response depends on, for `Vary` (RFC 9110 section 12.5.5).
    pub fn vary(&self) -> &HeaderValue {
        &self.vary
    }

    /// What `Authorization` carries, in a scheme that an authenticator reads.
    fn authorization(&self, value: &HeaderValue, now: u64) -> Result<Arc<Principal>, Fault> {
        match Scheme::of(value)? {
            Scheme::Bearer(credential) => self.bearer(visible(credential)?, now),
            Scheme::Basic(pair) => match self.accepts_basic() {
                true => self.key(&basic_key(pair)?, now),
                false => Err(Fault::Scheme),
            },
        }
    }

    /// The token that may be the request's one credential.
    fn token_of<'a>(&'a self, request: &Credentials<'a>) -> Option<&'a str> {
        match self.credential(request).ok()? {
            Credential::Authorization(value) => bearer(value),
            Credential::Cookie(found) => Some(found.token),
            _ => None,
        }
    }

    /// The same, where it follows `Bearer`.
    fn bearer_of<'a>(&'a self, request: &Credentials<'a>) -> Option<&'a str> {
        match self.credential(request).ok()? {
            Credential::Authorization(value) => bearer(value),
            _ => None,
        }
    }

    /// A bearer credential is a token or an API key; one digest finds either.
    fn bearer(&self, credential: &str, now: u64) -> Result<Arc<Principal>, Fault> {
        let keys = self.api_keys.as_ref().filter(|keys| keys.bearer);
        if keys.is_none() && self.issuers.is_empty() && self.introspectors.is_empty() {
            return Err(Fault::Scheme);
        }
        let sha256 = sha256(credential);
        let cached = self.cached(&sha256, now);
        match (cached, keys) {
            (Some(principal), _) => Ok(principal),
            (None, Some(keys)) if !jwt::looks_like_token(credential) => keys.find(&sha256, now),
            (None, _) => self.token(credential, sha256, now),
        }
    }

    fn cached(&self, sha256: &Digest, now: u64) -> Option<Arc<Principal>> {
        let verdict = self.verdicts.as_ref()?.get(sha256, now)?;
        if verdict.issuer == ASKED {
            return Some(verdict.principal);
        }
        let issuer = self.issuers.get(verdict.issuer as usize)?;
        issuer.keys.vouches(verdict.keys, now).then_some(verdict.principal)
    }

    /// A token in a cookie. It must be of the issuer whose cookie that is, and where the request may
    /// change something, a page of the policy's must have asked for it.
    fn cookie(
        &self,
        found: Found<'_>,
        request: &Credentials<'_>,
        now: u64,
    ) -> Result<Arc<Principal>, Fault> {
        let sha256 = sha256(found.token);
        let principal = match self.cached(&sha256, now) {
            Some(principal) => principal,
            None => self.token(found.token, sha256, now)?,
        };
        let iss = principal.claims.text("iss");
        let is_its = |cookie: &&Cookie| {
            *cookie.name == *found.name && iss.is_some_and(|iss| **iss == *cookie.iss)
        };
        let cookie = self.cookies.iter().find(is_its).ok_or(TokenFault::UnknownIssuer)?;
        match request.changes && !cookie.allows(request) {
            true => Err(Fault::Origin),
            false => Ok(principal),
        }
    }

    fn token(&self, token: &str, sha256: Digest, now: u64) -> Result<Arc<Principal>, Fault> {
        let verified = jwt::verify(&self.issuers, token, now)?;
        let principal = Arc::new(verified.principal);
        self.strangers.tell(&principal);
        if let (Some(verdicts), Ok(issuer)) = (&self.verdicts, u32::try_from(verified.issuer)) {
            verdicts.put(sha256, token.len(), (principal.clone(), issuer, verified.keys));
        }
        Ok(principal)
    }

    fn key(&self, key: &str, now: u64) -> Result<Arc<Principal>, Fault> {
        let keys = self.api_keys.as_ref().ok_or(Fault::UnknownKey)?;
        keys.find(&sha256(key), now)
    }

    fn accepts_bearer(&self) -> bool {
        let tokens = !self.issuers.is_empty() || !self.introspectors.is_empty();
        tokens || self.api_keys.as_ref().is_some_and(|keys| keys.bearer)
    }

    fn accepts_basic(&self) -> bool {
        self.api_keys.as_ref().is_some_and(|keys| keys.basic)
    }

    /// A challenge for each scheme that is accepted. Keys in a header of their own have no scheme
    /// that is registered, so they are named only where nothing else is accepted.
    fn challenge(&self, headers: &HeaderMap) -> Challenge {
        let bearer = self.accepts_bearer();
        let basic = self.accepts_basic();
        Challenge {
            bearer,
            came: bearer && brings_bearer(headers),
            basic,
            key: !bearer && !basic && self.api_keys.is_some(),
        }
    }
}

impl Default for Identity {
    fn default() -> Identity {
        Identity::of(Authenticators::default())
    }
}

/// Counts, never keys.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("issuers", &self.issuers.len())
            .field("api_keys", &self.api_keys.is_some())
            .field("forwarded", &self.forwarded.is_some())
            .finish_non_exhaustive()
    }
}

/// What follows `Bearer`.
fn bearer(value: &HeaderValue) -> Option<&str> {
    match Scheme::of(value) {
        Ok(Scheme::Bearer(credential)) => visible(credential).ok(),
        _ => None,
    }
}

fn sha256(credential: &str) -> Digest {
    let digest = digest::digest(&digest::SHA256, credential.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Servers that hand headers on as environment variables make `_` of `-`, so both are one name.
fn same_header(ours: &HeaderName, name: &HeaderName) -> bool {
    let (ours, name) = (ours.as_str().as_bytes(), name.as_str().as_bytes());
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte };
    ours.len() == name.len() && ours.iter().zip(name).all(|(a, b)| fold(*a) == fold(*b))
}
