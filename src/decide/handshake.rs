//! The opening handshake of a WebSocket connection, as far as a request's head tells (RFC 6455
//! section 4.1). Pure.
//!
//! Who is not asked to switch need not: RFC 9110 section 7.8 lets a server ignore an Upgrade field,
//! and so is every one that does not ask for exactly this on a route that says so. Who asks for it
//! asks in full, or is refused: half of a handshake could be a whole one to somebody else.

use super::{Reason, Refusal, Request, Trace};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

/// Whether the fields ask to switch to WebSocket, and to nothing besides. HTTP/1.1 alone has such
/// fields; whoever reads other versions takes them out before.
pub fn is_asked(headers: &HeaderMap) -> bool {
    let websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    only(headers, &header::UPGRADE).is_some_and(websocket) && lists(headers, "upgrade")
}

/// Refuses what asks, but not as RFC 6455 says: a GET without a body, for version 13, with one key.
pub(super) fn check(request: &Request<'_>) -> Result<(), Refusal> {
    let headers = request.headers;
    let version = only(headers, &header::SEC_WEBSOCKET_VERSION);
    let length = headers.get_all(header::CONTENT_LENGTH).iter();
    let whole = *request.method == Method::GET
        && version.is_some_and(|version| version == "13")
        && key(headers).is_some()
        && !headers.contains_key(header::TRANSFER_ENCODING)
        && length.into_iter().all(|length| length == "0")
        && !HANDSHAKE.iter().any(|name| lists(headers, name.as_str()));
    if whole { Ok(()) } else { Err(Refusal::because(Reason::BadRequest)) }
}

/// The client's key: the base64 text of 16 bytes, given once.
pub fn key(headers: &HeaderMap) -> Option<&HeaderValue> {
    let key = only(headers, &header::SEC_WEBSOCKET_KEY)?;
    STANDARD.decode(key.as_bytes()).is_ok_and(|nonce| nonce.len() == KEY_BYTES).then_some(key)
}

/// Whether a response's head says that the connection has become a WebSocket connection, for this
/// value of Sec-WebSocket-Accept.
pub fn is_answered(status: StatusCode, headers: &HeaderMap, accept: &str) -> bool {
    let is = |value: &HeaderValue| value.as_bytes() == accept.as_bytes();
    status == StatusCode::SWITCHING_PROTOCOLS
        && is_asked(headers)
        && only(headers, &header::SEC_WEBSOCKET_ACCEPT).is_some_and(is)
}

/// Nobody reads what goes over such a connection: where something would have to be taken out of
/// it, or rows to be judged, it is not opened.
pub(super) fn must_pass_whole(
    upgrade: bool,
    unlimited: bool,
    trace: &mut impl Trace,
) -> Result<(), Refusal> {
    if !upgrade || unlimited {
        return Ok(());
    }
    trace.note(|| {
        "something is hidden from the caller here, and nobody reads a WebSocket connection to hide \
         it: only a role without schemas for this path may open one"
            .into()
    });
    Err(Refusal::because(Reason::Unmapped))
}

/// Whether a Connection field lists this option.
fn lists(headers: &HeaderMap, wanted: &str) -> bool {
    let values = headers.get_all(header::CONNECTION).iter();
    let mut options = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// Fields that a Connection field must not take away on the way.
const HANDSHAKE: [HeaderName; 4] = [
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Target;
    use crate::policy::host::Host;
    use crate::policy::target::MAX_TARGET;

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        map
    }

    /// Whether it asks, and whether as it should.
    fn judged(method: &Method, headers: &HeaderMap) -> (bool, bool) {
        let target = Target::parse("/", MAX_TARGET).unwrap();
        let host = Host::known(b"a");
        let request =
            Request { method, target: &target, host, headers, client: None, peer: None, now: 0 };
        (is_asked(headers), check(&request).is_ok())
    }

    #[test]
    fn p04_a_handshake_is_one_that_rfc_6455_describes() {
        assert_eq!(judged(&Method::GET, &headers(&GOOD)), (true, true));
        assert_eq!(judged(&Method::POST, &headers(&GOOD)), (true, false));
        for (at, value) in [
            (2, "8"),
            (2, "13, 8"),
            (3, ""),
            (3, "dGhlIHNhbXBsZSBub25jZQ"),
            (3, "dGhlIHNhbXBsZSBub25jZSE="),
            (3, "dGhlIHNhbXBsZSBub25j*Q=="),
            (0, "upgrade, sec-websocket-key"),
            (0, "upgrade, Sec-WebSocket-Protocol"),
        ] {
            let mut fields = GOOD;
            fields[at].1 = value;
            assert_eq!(judged(&Method::GET, &headers(&fields)), (true, false), "{value}");
        }
        for more in [
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
            ("content-length", "1"),
            ("transfer-encoding", "chunked"),
        ] {
            let fields: Vec<_> = GOOD.into_iter().chain([more]).collect();
            assert_eq!(judged(&Method::GET, &headers(&fields)), (true, false), "{more:?}");
        }
    }

    #[test]
    fn p03_every_other_upgrade_is_ignored() {
        for (at, value) in [
            (1, "h2c"),
            (1, "websocket, h2c"),
            (1, "websocket/13"),
            (1, ""),
            (0, "keep-alive"),
            (0, "upgraded"),
        ] {
            let mut fields = GOOD;
            fields[at].1 = value;
            assert!(!is_asked(&headers(&fields)), "{value}");
        }
        let twice: Vec<_> = GOOD.into_iter().chain([("upgrade", "websocket")]).collect();
        assert!(!is_asked(&headers(&twice)));
    }

    #[test]
    fn p04_an_answer_agrees_in_all_three_fields() {
        let good = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let answered = |status, fields: &[(&str, &str)]| {
            is_answered(StatusCode::from_u16(status).unwrap(), &headers(fields), accept)
        };
        assert!(answered(101, &good));
        assert!(!answered(200, &good));
        for (at, value) in [(0, "close"), (1, "h2c"), (2, "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=")] {
            let mut fields = good;
            fields[at].1 = value;
            assert!(!answered(101, &fields), "{value}");
        }
        assert!(!answered(101, &good[..2]));
    }
}
