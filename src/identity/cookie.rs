//! Tokens that browsers bring in a cookie.
//!
//! A browser adds its cookies to whatever any page asks for, so a cookie alone does not say that
//! the caller wanted a request. Where one may change something, or opens a WebSocket connection, the
//! page that asked must be one of the policy's: browsers name it in `Origin` (RFC 6454 section 7),
//! and no page can change that.

use super::credential::{single, visible};
use super::{Credentials, Fault};
use crate::policy::cors::Origin;
use http::header::{COOKIE, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A cookie that carries tokens of one issuer.
#[derive(Debug)]
pub(super) struct Cookie {
    pub(super) name: Box<str>,
    /// Who must have issued the token.
    pub(super) iss: Box<str>,
    /// Whose pages may change something. Without any, those of the host that a request names.
    pub(super) origins: Vec<Origin>,
}

/// A cookie as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) name: &'a str,
    pub(super) token: &'a str,
}

impl Cookie {
    /// Whether a request that changes something comes from a page that may.
    pub(super) fn allows(&self, request: &Credentials<'_>) -> bool {
        let Ok(Some(origin)) = single(request.headers, &ORIGIN) else { return false };
        let Ok(origin) = origin.to_str() else { return false };
        match self.origins.as_slice() {
            [] => is_page_of(origin, request.host) && is_from(request.headers, &["same-origin"]),
            listed => {
                // Of a page that is listed, it does not matter how near it is.
                let sites = ["same-origin", "same-site", "cross-site"];
                listed.iter().any(|one| one.is(origin)) && is_from(request.headers, &sites)
            }
        }
    }
}

/// Whether whoever shows a certificate wants what a request changes. Browsers show one as they send
/// a cookie, for any page; they name the page then, and other programs name none.
pub(super) fn is_wanted(request: &Credentials<'_>) -> bool {
    if !request.changes || !request.headers.contains_key(ORIGIN) {
        return true;
    }
    Cookie { name: "".into(), iss: "".into(), origins: Vec::new() }.allows(request)
}

/// Whether an origin is that of the host that a request names. Which scheme clients use is known to
/// whoever ends TLS, so both are taken; that a page without TLS asks in the name of one with it,
/// `Sec-Fetch-Site` tells.
fn is_page_of(origin: &str, host: &HeaderValue) -> bool {
    let secure = origin.strip_prefix("https://").map(|authority| (authority, ":443"));
    let plain = || origin.strip_prefix("http://").map(|authority| (authority, ":80"));
    let Some((authority, port)) = secure.or_else(plain) else { return false };
    let Ok(host) = host.to_str() else { return false };
    host.strip_suffix(port).unwrap_or(host).eq_ignore_ascii_case(authority)
}

/// The one cookie of these that a request brings. A name that servers read differently (spaces
/// around it, no value) counts as the name.
pub(super) fn find<'a>(
    headers: &'a HeaderMap,
    cookies: &'a [Cookie],
) -> Result<Option<Found<'a>>, Fault> {
    let mut found: Option<(&str, &[u8])> = None;
    for value in headers.get_all(COOKIE) {
        for piece in value.as_bytes().split(|byte| *byte == b';') {
            let Some(cookie) = cookies.iter().find(|cookie| cookie.names(piece)) else { continue };
            if let Some((name, _)) = found.replace((&cookie.name, piece)) {
                let same = name == &*cookie.name;
                return Err(if same { Fault::Repeated } else { Fault::TwoCredentials });
            }
        }
    }
    let Some((name, piece)) = found else { return Ok(None) };
    let rest = piece.trim_ascii().strip_prefix(name.as_bytes()).ok_or(Fault::Malformed)?;
    let token = visible(rest.strip_prefix(b"=").ok_or(Fault::Malformed)?)?;
    Ok(Some(Found { name, token }))
}

/// Takes these cookies out of the one `Cookie` field; the others stay byte for byte.
pub(super) fn strip(headers: &mut HeaderMap, cookies: &[Cookie]) {
    let Some(value) = headers.get(COOKIE) else { return };
    let ours = |piece: &&[u8]| cookies.iter().any(|cookie| cookie.names(piece));
    let pieces = || value.as_bytes().split(|byte| *byte == b';');
    if !pieces().any(|piece| ours(&piece)) {
        return;
    }
    let kept: Vec<&[u8]> = pieces().filter(|piece| !ours(piece)).collect();
    let kept = kept.join(&b';');
    match HeaderValue::from_bytes(kept.trim_ascii_start()) {
        Ok(kept) if !kept.is_empty() => drop(headers.insert(COOKIE, kept)),
        _ => drop(headers.remove(COOKIE)),
    }
}

impl Cookie {
    /// Whether some server would read this piece of a `Cookie` field as this cookie.
    fn names(&self, piece: &[u8]) -> bool {
        let name = piece.split(|byte| *byte == b'=').next().unwrap_or(piece);
        name.trim_ascii() == self.name.as_bytes()
    }
}

/// Whether browsers that tell how near a page is (Fetch Metadata) tell one of these. Others tell
/// nothing.
fn is_from(headers: &HeaderMap, sites: &[&str]) -> bool {
    match single(headers, &SEC_FETCH_SITE) {
        Ok(None) => true,
        Ok(Some(site)) => sites.iter().any(|one| site.as_bytes() == one.as_bytes()),
        Err(_) => false,
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Peer;

    fn cookie(name: &str, origins: &[&str]) -> Cookie {
        let origins = origins.iter().map(|origin| Origin::parse(origin).expect(origin)).collect();
        Cookie { name: name.into(), iss: "x".into(), origins }
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect(value));
        }
        headers
    }

    fn found(values: &[&str]) -> Result<Option<String>, Fault> {
        let fields: Vec<_> = values.iter().map(|value| ("cookie", *value)).collect();
        let cookies = [cookie("sid", &[]), cookie("__Host-b", &[])];
        find(&headers(&fields), &cookies).map(|found| found.map(|found| found.token.to_owned()))
    }

    #[test]
    fn p08_there_is_one_cookie_of_a_name() {
        let one = |token: &str| Ok(Some(token.to_owned()));
        assert_eq!(found(&["sid=a.b.c"]), one("a.b.c"));
        assert_eq!(found(&["a=1; sid=x=y; b=\"q\""]), one("x=y"));
        assert_eq!(found(&["a=1", "__Host-b=t"]), one("t"));
        for none in [&["a=1"][..], &["SID=x"], &["xsid=x; sidx=y; a=sid=z"], &[""], &[]] {
            assert_eq!(found(none), Ok(None), "{none:?}");
        }
        for twice in
            [&["sid=a; sid=a"][..], &["sid=a", "sid=b"], &["sid=a; sid"], &["sid=a; sid =b"]]
        {
            assert_eq!(found(twice), Err(Fault::Repeated), "{twice:?}");
        }
        assert_eq!(found(&["sid=a; __Host-b=b"]), Err(Fault::TwoCredentials));
        for odd in ["sid", "sid=", "sid =x", "sid\t=x", "sid= x", "sid=a b", "sid=\u{e9}"] {
            assert_eq!(found(&[odd]), Err(Fault::Malformed), "{odd}");
        }
    }

    #[test]
    fn p03_what_is_left_of_a_cookie_field_keeps_its_bytes() {
        let cookies = [cookie("sid", &[])];
        for (before, after) in [
            ("sid=x", None),
            ("sid=x; a=1", Some("a=1")),
            ("a=1; sid=x", Some("a=1")),
            ("a=1;  b=\"2 \";sid=x; c=\u{e9};;d", Some("a=1;  b=\"2 \"; c=\u{e9};;d")),
            ("sid=x; sid = y; a=sid=z; sid", Some("a=sid=z")),
            ("a=1; SID=x", Some("a=1; SID=x")),
            ("", Some("")),
        ] {
            let mut headers = headers(&[("cookie", before)]);
            strip(&mut headers, &cookies);
            let left = headers.get(COOKIE).map(HeaderValue::as_bytes);
            assert_eq!(left, after.map(str::as_bytes), "{before}");
        }
    }

    fn allows(listed: &[&str], host: &'static str, fields: &[(&'static str, &str)]) -> bool {
        let (headers, host) = (headers(fields), HeaderValue::from_static(host));
        let request =
            Credentials { headers: &headers, peer: Peer::Unix, host: &host, changes: true };
        cookie("sid", listed).allows(&request)
    }

    #[test]
    fn p08_a_page_of_the_same_host_may_change_something() {
        let host = "app.example";
        assert!(allows(&[], host, &[("origin", "https://app.example")]));
        assert!(allows(&[], "App.example:443", &[("origin", "https://app.example")]));
        assert!(allows(&[], "app.example:8080", &[("origin", "http://app.example:8080")]));
        let near = ("sec-fetch-site", "same-origin");
        assert!(allows(&[], host, &[("origin", "https://app.example"), near]));
        for origin in [
            "null",
            "https://evil.example",
            "https://app.example.evil.example",
            "https://xapp.example",
            "https://app.example:8443",
            "https://app.example, https://app.example",
            "https://app.example/",
            "https://u@app.example",
            "ftp://app.example",
            "app.example",
            "https://",
            "",
        ] {
            assert!(!allows(&[], host, &[("origin", origin)]), "{origin}");
        }
        assert!(!allows(&[], host, &[]), "no page is named");
        assert!(!allows(&[], host, &[near]), "the second sign does not replace the first");
        let twice = ("origin", "https://app.example");
        assert!(!allows(&[], host, &[twice, twice]));
        for site in ["cross-site", "same-site", "none", "", "same-origin, same-origin"] {
            assert!(!allows(&[], host, &[twice, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!allows(&[], host, &[twice, near, near]));
    }

    #[test]
    fn p08_origins_that_are_listed_replace_that_of_the_host() {
        let listed = ["https://ui.example", "http://localhost:3000"];
        let allows = |fields: &[(&'static str, &str)]| allows(&listed, "api.example", fields);
        assert!(allows(&[("origin", "https://ui.example")]));
        assert!(allows(&[("origin", "https://ui.example"), ("sec-fetch-site", "cross-site")]));
        assert!(allows(&[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")]));
        for origin in ["https://api.example", "http://ui.example", "https://ui.example:444", "null"]
        {
            assert!(!allows(&[("origin", origin)]), "{origin}");
        }
        assert!(!allows(&[("origin", "https://ui.example"), ("sec-fetch-site", "none")]));
    }
}
