//! Which names the admin listener answers to.
//!
//! A page at `evil.example` can have that name resolve to 127.0.0.1 and then read, as its own
//! origin, whatever listens there. Its requests say `Host: evil.example`; so only names that
//! nobody else can own are answered.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};
use std::net::IpAddr;

/// What a request's name is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A loopback address or `localhost`.
    Ours,
    /// Another name (421, RFC 9110 section 15.5.20).
    Other,
    /// No name, several, or none that can be read (400, RFC 9112 section 3.2).
    Unreadable,
}

/// Judges the `Host` header and, where the target is in absolute form, its authority too.
pub(super) fn named(uri: &Uri, headers: &HeaderMap) -> Named {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Named::Unreadable };
    let Ok(host) = Authority::try_from(host.as_bytes()) else { return Named::Unreadable };
    let ours = loopback(&host) && uri.authority().is_none_or(loopback);
    if ours { Named::Ours } else { Named::Other }
}

fn loopback(authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(uri: &str, hosts: &[&str]) -> Named {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().expect("a header value"));
        }
        named(&uri.parse().expect("a URI"), &headers)
    }

    #[test]
    fn p16_names_that_others_can_own_are_not_answered() {
        for host in
            ["127.0.0.1", "127.0.0.1:8081", "127.9.9.9", "[::1]:8081", "localhost", "LocalHost:1"]
        {
            assert_eq!(judge("/", &[host]), Named::Ours, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "0.0.0.0",
            "10.0.0.1",
            "[2001:db8::1]",
            "localhost.",
            "a@localhost",
            "127.0.0.1@evil.example",
        ] {
            assert_eq!(judge("/", &[host]), Named::Other, "{host}");
        }
    }

    #[test]
    fn p16_a_request_has_one_host() {
        for hosts in [&[][..], &["localhost", "localhost"], &[""], &["a b"], &["localhost, evil"]] {
            assert_eq!(judge("/", hosts), Named::Unreadable, "{hosts:?}");
        }
        assert_eq!(judge("http://evil.example/", &["localhost"]), Named::Other);
        assert_eq!(judge("http://localhost/", &["evil.example"]), Named::Other);
        assert_eq!(judge("http://localhost/", &["localhost"]), Named::Ours);
    }
}
