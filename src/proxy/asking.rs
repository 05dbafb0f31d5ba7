//! What an upstream is asked for where its answer is to be read. Pure.

use crate::decide::{Reason, media};
use crate::policy::snapshot::BodyKind;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Makes sure that what comes back can be filtered: of a type that is read, not encoded, whole and
/// unconditional. A write keeps its conditions: to drop one would overwrite what it was to protect.
pub(super) fn ask_for_readable(
    headers: &mut HeaderMap,
    kind: BodyKind,
    safe: bool,
) -> Result<(), Reason> {
    let accept = match kind {
        BodyKind::Events => media::accepted_records(headers),
        _ => HeaderValue::from_static("application/json"),
    };
    headers.remove(header::RANGE);
    headers.remove(header::IF_RANGE);
    headers.remove(A_IM);
    for name in CONDITIONS.into_iter().filter(|_| safe) {
        headers.remove(name);
    }
    let set = headers.try_insert(header::ACCEPT, accept);
    set.map_err(|_| Reason::HeadersTooLarge)?;
    ask_for_plain(headers)
}

/// Monitor mode: what comes back is to be read, and is not changed. A coding is all that is not
/// asked for; what the response says is the same without one.
pub(super) fn ask_for_plain(headers: &mut HeaderMap) -> Result<(), Reason> {
    let identity = HeaderValue::from_static("identity");
    let set = headers.try_insert(header::ACCEPT_ENCODING, identity);
    set.map(drop).map_err(|_| Reason::HeadersTooLarge)
}

/// Asks for what has changed since an earlier answer (RFC 3229 section 10.5.3).
const A_IM: HeaderName = HeaderName::from_static("a-im");

/// Asks for a representation on a condition (RFC 9110 section 13.1).
const CONDITIONS: [HeaderName; 4] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: BodyKind, safe: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (header::IF_MATCH, "x"),
            (header::RANGE, "bytes=0-1"),
            (A_IM, "diffe"),
            (header::ACCEPT, "text/event-stream, */*"),
            (header::ACCEPT_ENCODING, "gzip"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        ask_for_readable(&mut headers, kind, safe).unwrap();
        headers
    }

    #[test]
    fn p11_a_write_keeps_its_conditions_and_a_read_does_not() {
        for (safe, kept) in [(true, false), (false, true)] {
            let headers = asked(BodyKind::Json, safe);
            assert_eq!(headers.contains_key("if-match"), kept);
            assert!(!headers.contains_key("range") && !headers.contains_key("a-im"));
            assert_eq!(headers["accept"], "application/json");
            assert_eq!(headers["accept-encoding"], "identity");
        }
    }

    #[test]
    fn p11_where_records_are_read_the_client_says_which() {
        assert_eq!(asked(BodyKind::Events, true)["accept"], "text/event-stream");
    }

    #[test]
    fn p03_what_is_asked_on_a_condition_is_no_policys_to_set() {
        for name in CONDITIONS.iter().chain(&[header::ACCEPT, header::ACCEPT_ENCODING]) {
            assert!(crate::policy::header::is_reserved(name), "{name}");
        }
    }
}
