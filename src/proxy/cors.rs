//! What pages of other origins are told, in place of what an upstream says about them.

use super::reply::Source;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

/// Fields for the answer to a request on a route that speaks of origins.
pub(super) type Fields = Box<[(HeaderName, HeaderValue)]>;

/// Puts the policy's word in place of the upstream's: two of them would be read by nobody.
pub(super) fn mark(headers: &mut HeaderMap, fields: Fields) {
    SPOKEN.iter().for_each(|name| drop(headers.remove(*name)));
    for (name, value) in fields {
        // A map that is full leaves a field out, and the page reads less.
        let _ = headers.try_append(name, value);
    }
}

/// The answer to a preflight.
pub(super) fn answer(fields: Vec<(HeaderName, HeaderValue)>) -> Response<Source> {
    let mut response = Response::new(Source::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().extend(fields);
    response
}

/// What an upstream could say about origins.
const SPOKEN: &[&str] = &[
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
];
