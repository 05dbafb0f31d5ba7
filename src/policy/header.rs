//! Header names that a policy may speak of, and those that are not its to speak of.

use http::HeaderName;

/// Whether two names are one to a server that follows CGI (RFC 3875 section 4.1.18) and makes one
/// sign of everything that is no letter or digit.
pub fn is_same(a: &HeaderName, b: &HeaderName) -> bool {
    let dash = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'-' };
    let (a, b) = (a.as_str().as_bytes(), b.as_str().as_bytes());
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| dash(*a) == dash(*b))
}

/// Whether a field is about the message itself, the connection, the caller or the way here. Where a
/// policy took an address from one of these, or set one, what was decided would not be what is sent.
pub fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    NAMES.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a field that comes from a client always goes on as it came, so that a condition may read it.
pub fn is_carried(name: &HeaderName) -> bool {
    let text = name.as_str();
    !is_reserved(name) || CARRIED.contains(&text) || text.starts_with("sec-")
}

/// Framing, negotiation and conditions, which the filter relies on; credentials; what the proxy
/// says itself, and what it takes out of every request (`proxy/headers.rs`, whose tests compare).
const NAMES: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "authorization",
    "cache-control",
    "cf-connecting-ip",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "connection",
    "cookie",
    "date",
    "expect",
    "fastly-client-ip",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "origin",
    "proxy",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "remote-user",
    "set-cookie",
    "ssl-client-cert",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "via",
    "x-api-key",
    "x-client-cert",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-http-path-override",
    "x-method-override",
    "x-originating-ip",
    "x-override-url",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-remote-user",
    "x-request-id",
    "x-ssl-client-cert",
];

/// Fields about the message that a policy cannot set, but that nobody takes out or rewrites either.
const CARRIED: &[&str] =
    &["accept-charset", "cache-control", "content-type", "date", "origin", "via"];

const PREFIXES: &[&str] = &[
    "content-",
    "if-",
    "sec-",
    "x-envoy-",
    "x-forwarded-",
    "x-original-",
    "x-portcullis-",
    "x-rewrite-",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p03_spellings_that_a_server_takes_for_one_are_one() {
        let name = HeaderName::from_static;
        assert!(is_same(&name("x-org"), &name("x_org")) && is_same(&name("x.org"), &name("x-org")));
        assert!(
            !is_same(&name("x-org"), &name("x-orga")) && !is_same(&name("x-org"), &name("xaorg"))
        );
    }

    #[test]
    fn reserved_names_are_so_in_every_spelling() {
        for name in
            ["host", "content_length", "x.forwarded.for", "x_portcullis_user", "te", "cookie"]
        {
            assert!(is_reserved(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["x-org", "x-tenant", "user-agent", "x-hosted", "accept-language"] {
            assert!(!is_reserved(&HeaderName::from_static(name)), "{name}");
        }
    }
}
