//! Why a caller was not identified. The words are for logs and `explain`; a client gets a status
//! and a challenge, nothing else. No token, key or claim is ever part of them.

use crate::decide::Reason;
use http::HeaderValue;

/// A caller who was not identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unidentified {
    /// [`Reason::Unauthenticated`] (401), [`Reason::AmbiguousCredentials`] (400) or
    /// [`Reason::OriginNotAllowed`] (403).
    pub reason: Reason,
    /// Exactly why.
    pub fault: Fault,
    /// What `WWW-Authenticate` says beside a 401.
    pub challenge: Challenge,
}

/// Exactly why a caller was not identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing in the request says who is calling.
    #[error("the request carries no credential")]
    Missing,
    /// A header that carries a credential, or part of one, is given twice.
    #[error("a credential or identity header is given more than once")]
    Repeated,
    /// Two credentials for the subject, even if they agree.
    #[error("the request carries two credentials")]
    TwoCredentials,
    /// An `Authorization` scheme that no authenticator of the policy reads.
    #[error("the `Authorization` header has a scheme that the policy does not accept")]
    Scheme,
    /// A header value that is empty, not visible ASCII, or has no credential in it.
    #[error("a credential or identity header is malformed")]
    Malformed,
    /// Longer than [`super::MAX_CREDENTIAL`].
    #[error("the credential is longer than 8 KiB")]
    TooLong,
    /// No API key has this digest.
    #[error("the API key is not known")]
    UnknownKey,
    /// The API key's time is over.
    #[error("the API key expired {ago} s ago")]
    ExpiredKey {
        /// Seconds since it expired.
        ago: u64,
    },
    /// A good token in a cookie, and no page that may use it.
    #[error("the request changes something, and no allowed page is named in `Origin`")]
    Origin,
    /// A token that does not hold.
    #[error(transparent)]
    Token(#[from] TokenFault),
}

/// Exactly why a token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Longer than [`super::MAX_CREDENTIAL`].
    #[error("the token is longer than 8 KiB")]
    TooLong,
    /// Not three parts (five are an encrypted token, which is not read).
    #[error("the token does not have the three parts of a signed token")]
    Parts,
    /// A part is not base64url without padding.
    #[error("a part of the token is not base64url without padding")]
    Encoding,
    /// The header is not a JSON object with unique members and an `alg`.
    #[error("the token's header is not a JSON object, or gives a member twice")]
    Header,
    /// `crit` names extensions that must be understood, and none is.
    #[error("the token's header has `crit`, which is not supported")]
    Critical,
    /// `typ` is none of those allowed.
    #[error("the token's `typ` is not the one that this issuer must use")]
    Type,
    /// `kid` is not a text.
    #[error("the token's `kid` is not a text")]
    KeyId,
    /// The payload is not a JSON object with unique members.
    #[error("the token's payload is not a JSON object, or gives a claim twice")]
    Payload,
    /// No issuer of the policy is named so.
    #[error("no issuer of the policy has the token's `iss`")]
    UnknownIssuer,
    /// The algorithm is not in the issuer's list, or is none at all.
    #[error("the token's algorithm is not in the issuer's list")]
    Algorithm,
    /// No key of the issuer has this `kid` and fits the algorithm.
    #[error("no key of the issuer has the token's `kid` and fits its algorithm")]
    NoKey,
    /// Keys come from a URL, and none are known, or they are older than they may get.
    #[error("the issuer's keys could not be fetched, or not for longer than `max_stale`")]
    KeysUnavailable,
    /// No `kid`, and more than one key would fit.
    #[error("the token has no `kid`, and more than one key of the issuer fits")]
    AmbiguousKey,
    /// The signature is not the key's.
    #[error("the token's signature does not verify")]
    Signature,
    /// A claim that must be there is missing.
    #[error("the token has no `{0}` claim")]
    MissingClaim(&'static str),
    /// A claim is not of the type that it must have.
    #[error("the token's `{0}` claim does not have the type that it must have")]
    ClaimType(&'static str),
    /// `aud` names none of the audiences of the policy.
    #[error("the token is meant for another audience")]
    Audience,
    /// `exp` has passed, and the leeway too.
    #[error("the token expired {ago} s ago")]
    Expired {
        /// Seconds since `exp`.
        ago: u64,
    },
    /// `nbf` is still to come, also with the leeway.
    #[error("the token is not valid for another {ahead} s")]
    NotYet {
        /// Seconds until `nbf`.
        ahead: u64,
    },
    /// `iat` is further ahead than the leeway.
    #[error("the token says that it was issued {ahead} s in the future")]
    IssuedAhead {
        /// Seconds until `iat`.
        ahead: u64,
    },
}

/// What `WWW-Authenticate` says: a challenge for each scheme that the policy accepts (RFC 9110
/// section 11.6.1 wants one at least beside every 401). Nothing in it depends on why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Bearer credentials are accepted.
    pub bearer: bool,
    /// One came, and was bad (RFC 6750 section 3.1).
    pub came: bool,
    /// API keys are accepted as the user name of Basic (RFC 7617).
    pub basic: bool,
    /// Only keys in a header of their own are accepted.
    pub key: bool,
}

impl Fault {
    /// The reason that the request is refused for.
    pub fn reason(self) -> Reason {
        match self {
            Fault::Repeated | Fault::TwoCredentials => Reason::AmbiguousCredentials,
            Fault::Origin => Reason::OriginNotAllowed,
            _ => Reason::Unauthenticated,
        }
    }

    /// Whether somebody may have guessed: what was brought is nothing that an issuer signed or a
    /// policy lists. A token that has merely expired is no guess.
    pub fn is_guess(self) -> bool {
        match self {
            Fault::Malformed | Fault::TooLong | Fault::UnknownKey => true,
            Fault::Token(fault) => fault.is_guess(),
            _ => false,
        }
    }

    /// One word, of a bounded set, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Missing => "no_credential",
            Fault::Repeated => "repeated_header",
            Fault::TwoCredentials => "two_credentials",
            Fault::Scheme => "scheme",
            Fault::Malformed => "malformed",
            Fault::TooLong => "too_long",
            Fault::UnknownKey => "unknown_key",
            Fault::ExpiredKey { .. } => "expired_key",
            Fault::Origin => "origin",
            Fault::Token(fault) => fault.as_str(),
        }
    }
}

impl TokenFault {
    /// Whether somebody may have made the token up: neither is its issuer known to have signed it,
    /// nor is it our fault that nobody knows.
    fn is_guess(self) -> bool {
        !matches!(
            self,
            // Without a key nothing is tried, and the issuer may merely have made a new one.
            TokenFault::NoKey
                | TokenFault::KeysUnavailable
                | TokenFault::MissingClaim(_)
                | TokenFault::ClaimType(_)
                | TokenFault::Audience
                | TokenFault::Expired { .. }
                | TokenFault::NotYet { .. }
                | TokenFault::IssuedAhead { .. }
        )
    }

    /// One word, of a bounded set, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            TokenFault::TooLong => "too_long",
            TokenFault::Parts => "token_parts",
            TokenFault::Encoding => "token_encoding",
            TokenFault::Header => "token_header",
            TokenFault::Critical => "token_crit",
            TokenFault::Type => "token_typ",
            TokenFault::KeyId => "token_kid",
            TokenFault::Payload => "token_payload",
            TokenFault::UnknownIssuer => "unknown_issuer",
            TokenFault::Algorithm => "algorithm",
            TokenFault::NoKey => "no_key",
            TokenFault::KeysUnavailable => "keys_unavailable",
            TokenFault::AmbiguousKey => "ambiguous_key",
            TokenFault::Signature => "signature",
            TokenFault::MissingClaim(_) => "missing_claim",
            TokenFault::ClaimType(_) => "claim_type",
            TokenFault::Audience => "audience",
            TokenFault::Expired { .. } => "expired",
            TokenFault::NotYet { .. } => "not_yet",
            TokenFault::IssuedAhead { .. } => "issued_ahead",
        }
    }
}

impl Challenge {
    /// The values of `WWW-Authenticate`, at least one. Where nothing that has a scheme is accepted,
    /// that is the one by which callers most often bring what they have.
    pub fn headers(self) -> impl Iterator<Item = HeaderValue> {
        let any = self.basic || self.key;
        let bearer = match self.came {
            true => Some("Bearer error=\"invalid_token\""),
            false => (self.bearer || !any).then_some("Bearer"),
        };
        let basic = self.basic.then_some("Basic realm=\"api\", charset=\"UTF-8\"");
        let key = self.key.then_some("ApiKey");
        [bearer, basic, key].into_iter().flatten().map(HeaderValue::from_static)
    }
}
