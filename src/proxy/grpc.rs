//! Refusals, as clients of gRPC understand them. Pure.
//!
//! The HTTP status stays what it is for everybody: it is promised, logged and counted. A gRPC client
//! makes a code of it by a table of the protocol (`doc/http-grpc-status-mapping.md` of grpc/grpc),
//! and some read `grpc-status` first where there is one. So the same table is applied here, and both
//! ways lead to one answer: a head that is the end ("Trailers-Only"), without a body that nobody
//! there could read.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};

/// Whether a request is a call that expects such answers. In a browser's dialect (`grpc-web`) it is
/// not: there the page sees the HTTP status.
pub(super) fn is_call(method: &Method, version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_2 && *method == Method::POST && {
        let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let rest = kind.get(..GRPC.len()).filter(|start| start.eq_ignore_ascii_case(GRPC));
        rest.is_some() && matches!(kind.get(GRPC.len()), None | Some(b'+' | b';' | b' '))
    }
}

/// Says in the head what its status means, and why, in place of a body.
pub(super) fn refuse(headers: &mut HeaderMap, status: StatusCode, why: Option<&'static str>) {
    let why = why.or(status.canonical_reason()).unwrap_or("Error");
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, code(status).into());
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(why));
}

fn code(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

const UNKNOWN: u16 = 2;
const PERMISSION_DENIED: u16 = 7;
const UNIMPLEMENTED: u16 = 12;
const INTERNAL: u16 = 13;
const UNAVAILABLE: u16 = 14;
const UNAUTHENTICATED: u16 = 16;

const GRPC: &[u8] = b"application/grpc";

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_call() {
        for (kind, is) in [
            ("application/grpc", true),
            ("Application/GRPC+proto", true),
            ("application/grpc+json; a=b", true),
            ("application/grpc;a=b", true),
            ("application/grpc-web+proto", false),
            ("application/grpcx", false),
            ("application/json", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(is_call(&Method::POST, Version::HTTP_2, &headers), is, "{kind}");
            assert!(!is_call(&Method::POST, Version::HTTP_11, &headers));
            assert!(!is_call(&Method::GET, Version::HTTP_2, &headers));
        }
        assert!(!is_call(&Method::POST, Version::HTTP_2, &HeaderMap::new()));
    }

    #[test]
    fn p03_a_code_is_the_one_that_a_client_makes_of_the_status() {
        for (status, code) in [
            (400, "13"),
            (401, "16"),
            (403, "7"),
            (404, "12"),
            (415, "2"),
            (422, "2"),
            (429, "14"),
            (500, "2"),
            (502, "14"),
            (503, "14"),
            (504, "14"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("7"));
            refuse(&mut headers, StatusCode::from_u16(status).unwrap(), None);
            assert_eq!(headers["grpc-status"], code, "{status}");
            assert!(!headers["grpc-message"].is_empty() && !headers.contains_key("content-length"));
        }
    }
}
