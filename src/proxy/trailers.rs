//! Which trailers pass between two sides that speak HTTP/2. Pure.
//!
//! Nobody has judged them: what was decided was decided on the head. So they obey the policy of
//! heads and more. Nothing passes that a recipient which merges trailers into the head (RFC 9110
//! section 6.5.1 lets it) could take for a part of the request that was decided.

use super::headers;
use crate::identity::Identity;
use crate::policy::header::{is_reserved, is_same};
use crate::policy::snapshot::Route;
use http::header::{HeaderMap, HeaderName};

/// Which trailers of one request pass, and that those of its response do.
#[derive(Debug)]
pub(super) struct Trailers {
    /// What the head says already, what says who is calling, and what the route reads or changes.
    taken: Box<[HeaderName]>,
    /// Whether the client has said that it takes trailers (`te: trailers`).
    pub(super) wanted: bool,
}

impl Trailers {
    /// Those of a request with this head, cleaned, on this route.
    pub(super) fn beside(
        head: &HeaderMap,
        identity: &Identity,
        route: &Route,
        wanted: bool,
    ) -> Trailers {
        let read = route.vary.as_ref().and_then(|names| names.to_str().ok()).unwrap_or("");
        let read = read.split(',').filter_map(|name| name.trim().parse().ok());
        let set = route.carriage.set.iter().map(|(name, _)| name);
        let names = head.keys().chain(&route.carriage.remove).chain(set);
        let taken = names.chain(identity.names()).cloned().chain(read).collect();
        Trailers { taken, wanted }
    }

    /// Leaves what may pass to the upstream.
    pub(super) fn clean(&self, trailers: &mut HeaderMap) {
        keep(trailers, |name| !self.taken.iter().any(|taken| is_same(taken, name)));
    }
}

/// Leaves what may pass to the client.
pub(super) fn clean_response(trailers: &mut HeaderMap) {
    headers::clean_response(trailers);
    let of_pages = |name: &HeaderName| name.as_str().starts_with("access-control-");
    keep(trailers, |name| !of_pages(name) && !OF_HEADS.contains(&name.as_str()));
}

fn keep(trailers: &mut HeaderMap, passes: impl Fn(&HeaderName) -> bool) {
    let gone = trailers.keys().filter(|name| is_reserved(name) || !passes(name));
    let gone: Vec<HeaderName> = gone.cloned().collect();
    for name in gone {
        trailers.remove(name);
    }
}

/// Fields of a response that mean something in its head alone: they say how it is kept, where to
/// go next, and who may ask (RFC 9110 section 6.5.1).
const OF_HEADS: [&str; 12] = [
    "age",
    "authentication-info",
    "expires",
    "link",
    "location",
    "pragma",
    "refresh",
    "retry-after",
    "vary",
    "warning",
    "www-authenticate",
    "strict-transport-security",
];

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn map(names: &[&'static str]) -> HeaderMap {
        let field =
            |name: &&'static str| (HeaderName::from_static(name), HeaderValue::from_static("x"));
        names.iter().map(field).collect()
    }

    fn left(trailers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn p04_a_trailer_is_no_second_word_on_what_was_decided() {
        let taken = ["x-user", "x-env", "accept-language"].map(HeaderName::from_static);
        let trailers = Trailers { taken: taken.into(), wanted: true };
        let mut sent = map(&[
            "x-checksum",
            "grpc-trace-bin",
            "x-user",
            "x_env",
            "accept-language",
            "authorization",
            "cookie",
            "content-length",
            "content-type",
            "connection",
            "host",
            "if-match",
            "te",
            "trailer",
            "transfer-encoding",
            "x-forwarded-for",
            "x-portcullis-user",
            "x_portcullis_roles",
            "x-request-id",
            "traceparent",
        ]);
        trailers.clean(&mut sent);
        assert_eq!(left(&sent), ["grpc-trace-bin", "x-checksum"]);
    }

    #[test]
    fn p11_a_trailer_says_nothing_that_belongs_into_a_head() {
        let mut sent = map(&[
            "grpc-status",
            "grpc-message",
            "grpc-status-details-bin",
            "x-checksum",
            "access-control-allow-origin",
            "cache-control",
            "connection",
            "content-length",
            "content-range",
            "keep-alive",
            "location",
            "set-cookie",
            "trailer",
            "vary",
            "www-authenticate",
            "x-portcullis-filtered",
        ]);
        clean_response(&mut sent);
        let passed = ["grpc-message", "grpc-status", "grpc-status-details-bin", "x-checksum"];
        assert_eq!(left(&sent), passed);
    }
}
