//! Where a request carries its one credential, and in which form.

use super::cookie::{self, Found};
use super::forwarded::Forwarded;
use super::{Credentials, Fault, Identity, MAX_CREDENTIAL};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The one credential of a request.
pub(super) enum Credential<'a> {
    /// The value of `Authorization`.
    Authorization(&'a HeaderValue),
    /// The value of the key header.
    Key(&'a HeaderValue),
    /// Headers of a listed peer.
    Forwarded(&'a Forwarded),
    /// A cookie that an issuer's tokens stand in.
    Cookie(Found<'a>),
}

/// What `Authorization` says (RFC 9110 section 11.6.2), not yet judged.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scheme<'a> {
    /// A token or a key (RFC 6750).
    Bearer(&'a [u8]),
    /// A user name and a password, in base64 (RFC 7617).
    Basic(&'a [u8]),
}

impl Identity {
    /// Finds the credential. Two are refused even if they agree, and even if one of them is bad.
    pub(super) fn credential<'a>(
        &'a self,
        request: &Credentials<'a>,
    ) -> Result<Credential<'a>, Fault> {
        let headers = request.headers;
        let authorization = single(headers, &AUTHORIZATION)?.map(Credential::Authorization);
        let key = match self.api_keys.as_ref().and_then(|keys| keys.header.as_ref()) {
            Some(name) => single(headers, name)?.map(Credential::Key),
            None => None,
        };
        let forwarded = match &self.forwarded {
            Some(peers) if peers.trusts(request.peer) => {
                single(headers, &peers.user)?.map(|_| Credential::Forwarded(peers))
            }
            _ => None,
        };
        let cookie = match self.cookies.as_slice() {
            [] => None,
            cookies => cookie::find(headers, cookies)?.map(Credential::Cookie),
        };
        let mut found = [authorization, key, forwarded, cookie].into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(Fault::Missing),
            (Some(_), Some(_)) => Err(Fault::TwoCredentials),
        }
    }
}

impl<'a> Scheme<'a> {
    /// The scheme, whose case does not matter (RFC 9110 section 11.1), and what follows it.
    pub(super) fn of(value: &'a HeaderValue) -> Result<Scheme<'a>, Fault> {
        let value = value.as_bytes();
        if let Some(token) = after(value, b"bearer") {
            return Ok(Scheme::Bearer(token));
        }
        after(value, b"basic").map(Scheme::Basic).ok_or(Fault::Scheme)
    }
}

/// The key of a Basic credential: the user name, and no password. A key in the other place would
/// be a second way to write the same, which scanners of logs and shells do not look for.
pub(super) fn basic_key(pair: &[u8]) -> Result<String, Fault> {
    if pair.len() > (MAX_CREDENTIAL + 1).div_ceil(3) * 4 {
        return Err(Fault::TooLong);
    }
    let pair = STANDARD.decode(pair).map_err(|_| Fault::Malformed)?;
    let key = pair.strip_suffix(b":").filter(|key| !key.contains(&b':'));
    visible(key.ok_or(Fault::Malformed)?).map(str::to_owned)
}

/// Whether a request says that it brings a bearer credential.
pub(super) fn brings_bearer(headers: &HeaderMap) -> bool {
    let bearer = |value: &HeaderValue| matches!(Scheme::of(value), Ok(Scheme::Bearer(_)));
    headers.get_all(AUTHORIZATION).iter().any(bearer)
}

/// The only value of a header. Two are never resolved to the first.
pub(super) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Fault> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Fault::Repeated),
    }
}

/// Not empty, not longer than the limit, and visible ASCII throughout: no white space inside. The
/// bytes are folded without a way out, so that the loop is vectorized.
pub(super) fn visible(credential: &[u8]) -> Result<&str, Fault> {
    if credential.len() > MAX_CREDENTIAL {
        return Err(Fault::TooLong);
    }
    let visible = credential.iter().fold(true, |all, byte| all & byte.is_ascii_graphic());
    match visible && !credential.is_empty() {
        true => std::str::from_utf8(credential).map_err(|_| Fault::Malformed),
        false => Err(Fault::Malformed),
    }
}

/// What follows the name of a scheme, which is in lower case here, and the spaces behind it.
fn after<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (name, rest) = value.split_at_checked(scheme.len())?;
    let ends = rest.first().is_none_or(|byte| *byte == b' ');
    let start = rest.iter().position(|byte| *byte != b' ').unwrap_or(rest.len());
    (ends && name.eq_ignore_ascii_case(scheme)).then(|| &rest[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(value: &'static str) -> Result<Scheme<'static>, Fault> {
        Scheme::of(Box::leak(Box::new(HeaderValue::from_static(value))))
    }

    #[test]
    fn a_scheme_is_read_in_any_case_and_ends_at_a_space() {
        assert_eq!(scheme("bEaReR  x"), Ok(Scheme::Bearer(b"x")));
        assert_eq!(scheme("BASIC eA=="), Ok(Scheme::Basic(b"eA==")));
        assert_eq!(scheme("Bearer"), Ok(Scheme::Bearer(b"")));
        for other in ["Bearerx", "Basicx", "Bas", "", "Digest x", "Bearer\tx"] {
            assert_eq!(scheme(other), Err(Fault::Scheme), "{other}");
        }
    }

    #[test]
    fn p08_a_basic_key_is_the_user_name_and_no_password() {
        let of = |text: &str| basic_key(STANDARD.encode(text).as_bytes());
        assert_eq!(of("a-key:").as_deref(), Ok("a-key"));
        for odd in ["a-key", ":a-key", "a-key:x", "a:b:", ":", "", "a key:", "k\u{e9}:", "k\0:"] {
            assert_eq!(of(odd), Err(Fault::Malformed), "{odd:?}");
        }
        // One spelling: padded, no bits left over, the alphabet of RFC 4648 section 4.
        for odd in ["YS1rZXk6=", "YTo", "YTp=", "YTo*", " YTo=", "YTo= ", "_-86"] {
            assert_eq!(basic_key(odd.as_bytes()), Err(Fault::Malformed), "{odd:?}");
        }
        assert_eq!(basic_key(b"YTo=").as_deref(), Ok("a"));
    }

    #[test]
    fn p08_a_basic_key_has_the_limit_of_every_credential() {
        for (length, good) in
            [(MAX_CREDENTIAL - 1, true), (MAX_CREDENTIAL, true), (MAX_CREDENTIAL + 1, false)]
        {
            let key = "k".repeat(length);
            let found = basic_key(STANDARD.encode(format!("{key}:")).as_bytes());
            assert_eq!(found, if good { Ok(key) } else { Err(Fault::TooLong) }, "{length}");
        }
        assert_eq!(basic_key(&[b'A'; 100_000]), Err(Fault::TooLong));
    }
}
