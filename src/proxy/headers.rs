//! Which fields pass, in both directions, and which are ours to say. Pure.
//!
//! The order matters: what a Connection header names is removed **before** anything is injected,
//! or a client could take our own statements away. Names are compared with every sign read as
//! `-`, because servers that follow CGI (RFC 3875 section 4.1.18) see no difference: all of them
//! make `_` of `-`, and some make it of everything that is no letter or digit.

use crate::decide::{FieldMasks, Reason, query};
use crate::identity::Identity;
use crate::policy::header::is_same;
use crate::policy::resolve::Carriage;
use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use smallvec::SmallVec;
use std::net::IpAddr;
use std::rc::Rc;

/// What is said of where a request comes from; the same for all requests of a connection to one
/// host.
#[derive(Clone, Debug)]
pub(super) struct Forwarded {
    /// The host that the client named.
    pub(super) host: HeaderValue,
    /// The fields as they are written: X-Forwarded-For and X-Real-IP (not behind a Unix socket),
    /// X-Forwarded-Host, X-Forwarded-Proto, Forwarded (RFC 7239).
    pub(super) fields: Rc<[u8]>,
}

impl Forwarded {
    /// What is said of a client that named this host, over TLS or not.
    pub(super) fn new(
        client: Option<IpAddr>,
        host: &HeaderValue,
        secure: bool,
    ) -> Result<Forwarded, Reason> {
        let name = host.to_str().map_err(|_| Reason::BadRequest)?;
        // RFC 7239 section 6: an IPv6 address stands in brackets and quotes, an obfuscated
        // identifier begins with an underscore.
        let by = match client {
            Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
            Some(IpAddr::V4(address)) => address.to_string(),
            None => "_unix".to_owned(),
        };
        let mut fields = Vec::new();
        if let Some(client) = client {
            let client = plain(&client.to_string())?;
            write_field(&mut fields, "x-forwarded-for", &client);
            write_field(&mut fields, "x-real-ip", &client);
        }
        write_field(&mut fields, "x-forwarded-host", host);
        let proto = if secure { "https" } else { "http" };
        write_field(&mut fields, "x-forwarded-proto", &HeaderValue::from_static(proto));
        let element = plain(&format!("for={by};host=\"{name}\";proto={proto}"))?;
        write_field(&mut fields, "forwarded", &element);
        Ok(Forwarded { host: host.clone(), fields: fields.into() })
    }
}

/// Takes out what must not pass from a client: hop-by-hop fields, credentials, statements about
/// the caller, and fields that make a server see another request than the one that was decided.
pub(super) fn clean_request(
    headers: &mut HeaderMap,
    identity: &Identity,
    keep_credential: bool,
) -> Result<(), Reason> {
    let listed = connection_options(headers)?;
    if listed.iter().any(|name| must_not_be_listed(name, identity)) {
        return Err(Reason::BadRequest);
    }
    let mut gone: Vec<HeaderName> = listed;
    for name in headers.keys() {
        let drop = is_ours(name.as_str())
            || identity.is_identity_header(name)
            || identity.is_credential(name) && !keep_credential
            || has_other_signs(name) && is_ours_in_disguise(name, identity);
        if drop {
            gone.push(name.clone());
        }
    }
    for name in gone {
        headers.remove(name);
    }
    join_cookies(headers)?;
    if !keep_credential {
        identity.strip_cookies(headers);
    }
    Ok(())
}

/// What a route takes out and puts in, in any spelling of its names. None of them is ours.
pub(super) fn change(headers: &mut HeaderMap, carriage: &Carriage) -> Result<(), Reason> {
    let names = carriage.remove.iter().chain(carriage.set.iter().map(|(name, _)| name));
    for name in names {
        let same = |other: &&HeaderName| is_same(other, name);
        let spelled: Vec<HeaderName> = headers.keys().filter(same).cloned().collect();
        spelled.iter().for_each(|other| drop(headers.remove(other)));
    }
    for (name, value) in &carriage.set {
        let set = headers.try_insert(name.clone(), value.clone());
        set.map_err(|_| Reason::HeadersTooLarge)?;
    }
    Ok(())
}

/// Writes the fields that pass from the client, which [`clean_request`] has left, but for those
/// that [`super::told::write_told`] and the request's own Host say. Says whether a trace is among them.
pub(super) fn write_passing(head: &mut Vec<u8>, headers: &HeaderMap) -> bool {
    let keeps_trace = keeps_trace(headers);
    for (name, value) in headers {
        let replaced = *name == header::HOST
            || *name == X_REQUEST_ID
            || !keeps_trace && (*name == TRACEPARENT || *name == TRACESTATE);
        if !replaced {
            write_field(head, name.as_str(), value);
        }
    }
    keeps_trace
}

/// Asks the upstream to speak WebSocket, in our own words: the client's were hop-by-hop.
pub(super) fn write_switch(head: &mut Vec<u8>) {
    for (name, value) in SWITCH {
        write_field(head, name.as_str(), &value);
    }
}

/// Makes the client's 101 of the upstream's.
pub(super) fn switch_response(headers: &mut HeaderMap) -> Result<(), Reason> {
    clean_response(headers);
    for (name, value) in SWITCH {
        headers.try_insert(name, value).map_err(|_| Reason::UpstreamFailed)?;
    }
    Ok(())
}

/// Writes one field. A [`HeaderValue`] holds no line end, so it is one line.
pub(super) fn write_field(head: &mut Vec<u8>, name: &str, value: &HeaderValue) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value.as_bytes());
    head.extend_from_slice(b"\r\n");
}

/// Takes out what belongs to the connection that a response came over, and what is ours to say.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    let mut gone: Vec<HeaderName> = connection_options(headers).unwrap_or_default();
    let ours = |name: &&HeaderName| is_hop_by_hop(name.as_str()) || **name == FILTERED;
    gone.extend(headers.keys().filter(ours).cloned());
    for name in gone {
        headers.remove(name);
    }
}

/// Whether the client takes trailers: always in HTTP/2, and in HTTP/1.1 where it says so (RFC 9110
/// section 6.5.1).
pub(super) fn takes_trailers(headers: &HeaderMap, version: Version) -> bool {
    match version {
        Version::HTTP_2 => true,
        Version::HTTP_11 => says_trailers(headers),
        _ => false,
    }
}

/// Whether the client says that it takes trailers.
pub(super) fn says_trailers(headers: &HeaderMap) -> bool {
    let says = |value: &HeaderValue| {
        let codings = value.to_str().unwrap_or("").split(',');
        codings.into_iter().any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
    };
    headers.get_all(header::TE).iter().any(says)
}

/// Takes out what speaks of the bytes before they were filtered or names what is hidden, and says
/// that what is left is for this caller alone.
pub(super) fn mark_filtered(headers: &mut HeaderMap, fields: Option<&FieldMasks>) {
    // Those that are there are looked at: most responses have few, and a look for each that may be
    // would cost more than the decision.
    let goes = |name: &&HeaderName| {
        is_for_caches(name.as_str())
            || ABOUT_THE_BYTES.contains(name)
            || **name == header::CONTENT_RANGE && is_of_bytes(headers)
            || LINKS.contains(name) && has_hidden_names(headers, name, fields)
    };
    let gone: SmallVec<[HeaderName; 4]> = headers.keys().filter(goes).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        if let Some(fields) = fields {
            clean_reference(headers, name, fields);
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
}

/// Of items it may stay: nothing is said of their bytes.
fn is_of_bytes(headers: &HeaderMap) -> bool {
    let mut ranges = headers.get_all(header::CONTENT_RANGE).iter();
    ranges.any(|value| !value.as_bytes().starts_with(b"items "))
}

fn has_hidden_names(headers: &HeaderMap, name: &HeaderName, fields: Option<&FieldMasks>) -> bool {
    headers.get_all(name).iter().any(|value| match (value.to_str(), fields) {
        (Ok(text), Some(fields)) => query::mentions_hidden(text, fields),
        (Ok(_), None) => false,
        (Err(_), _) => true,
    })
}

/// A reference may carry what the body must not (`/customers?ssn=…`).
fn clean_reference(headers: &mut HeaderMap, name: HeaderName, fields: &FieldMasks) {
    let Some(value) = headers.remove(&name) else { return };
    let Ok(text) = value.to_str() else { return };
    if let Ok(clean) = HeaderValue::try_from(query::without_hidden(text, fields)) {
        headers.insert(name, clean);
    }
}

/// Fields that some caches obey before Cache-Control, which says `private` (RFC 9213 section 2.1).
fn is_for_caches(name: &str) -> bool {
    name.ends_with("-cache-control") || matches!(name, "surrogate-control" | "x-accel-expires")
}

/// An id that may go into logs as it is: 1 to 128 letters, digits, `.`, `_` and `-`, given once.
pub(super) fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let value = only(headers, &X_REQUEST_ID)?;
    let fits = (1..=MAX_REQUEST_ID).contains(&value.len()) && value.as_bytes().iter().all(good);
    fits.then(|| value.clone())
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// A trace that is well formed passes with its state; any other is replaced.
fn keeps_trace(headers: &HeaderMap) -> bool {
    only(headers, &TRACEPARENT).is_some_and(|value| is_traceparent(value.as_bytes()))
}

/// W3C Trace Context section 3.2: version 00, ids in lower-case hex that are not all zero.
fn is_traceparent(text: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let some = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    text.len() == 55
        && text.starts_with(b"00-")
        && (text[35], text[52]) == (b'-', b'-')
        && hex(&text[3..35])
        && some(&text[3..35])
        && hex(&text[36..52])
        && some(&text[36..52])
        && hex(&text[53..])
}

/// The fields that Connection names (RFC 9110 section 7.6.1).
fn connection_options(headers: &HeaderMap) -> Result<Vec<HeaderName>, Reason> {
    let mut listed = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        for option in value.as_bytes().split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            if option.is_empty() {
                continue;
            }
            let name = HeaderName::from_bytes(option).map_err(|_| Reason::BadRequest)?;
            if listed.len() == MAX_OPTIONS {
                return Err(Reason::BadRequest);
            }
            listed.push(name);
        }
    }
    Ok(listed)
}

/// Fields without which the request is another one: no client may ask to lose them on the way. A
/// condition is one of them, also because it may be ours (`If-Match` on a write whose object was
/// looked at).
fn must_not_be_listed(name: &HeaderName, identity: &Identity) -> bool {
    let text = name.as_str();
    matches!(text, "host" | "authorization" | "cookie" | "cache-control" | "date")
        || text.starts_with("content-")
        || text.starts_with("if-")
        || identity.is_credential(name)
        || identity.is_identity_header(name)
        || is_ours(text) && !is_hop_by_hop(text) && text != "proxy-authorization"
}

/// Fields that never pass from a client to an upstream.
fn is_ours(name: &str) -> bool {
    is_hop_by_hop(name)
        || matches!(
            name,
            "expect"
                | "forwarded"
                | "x-forwarded"
                | "x-host"
                | "x-http-host-override"
                | "x-http-path-override"
                | "x-override-url"
                | "x-real-ip"
                | "x-client-ip"
                | "client-ip"
                | "x-originating-ip"
                | "x-remote-addr"
                | "x-remote-ip"
                | "true-client-ip"
                | "cf-connecting-ip"
                | "fastly-client-ip"
                | "x-cluster-client-ip"
                // Whose certificate it was says whoever ended TLS (RFC 9440 section 4), which is us.
                | "client-cert"
                | "client-cert-chain"
                | "x-client-cert"
                | "ssl-client-cert"
                | "x-ssl-client-cert"
                // CGI makes REMOTE_USER's and HTTP_PROXY's twins of these (CVE-2016-5385).
                | "remote-user"
                | "x-remote-user"
                | "proxy"
                | "x-http-method-override"
                | "x-http-method"
                | "x-method-override"
        )
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-portcullis-")
        || name.starts_with("x-original-")
        || name.starts_with("x-rewrite-")
        || name.starts_with("x-envoy-")
}

/// Fields of one connection, and the length, which is told anew in our own words.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "content-length"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether a name has signs besides `-`, as nearly none has.
fn has_other_signs(name: &HeaderName) -> bool {
    name.as_str().bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'-')
}

/// A name that a server may take for one that matters.
fn is_ours_in_disguise(name: &HeaderName, identity: &Identity) -> bool {
    let dash = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'-' };
    let plain: SmallVec<[u8; 64]> = name.as_str().bytes().map(dash).collect();
    let Ok(plain) = HeaderName::from_bytes(&plain) else { return true };
    is_ours(plain.as_str())
        || must_not_be_listed(&plain, identity)
        || matches!(plain.as_str(), "x-request-id" | "x-api-key")
}

/// HTTP/2 clients may split Cookie into several fields; HTTP/1 has one (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) -> Result<(), Reason> {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return Ok(());
    }
    let all: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(|v| v.as_bytes()).collect();
    let joined = HeaderValue::from_bytes(&all.join(&b"; "[..])).map_err(|_| Reason::BadRequest)?;
    headers.insert(header::COOKIE, joined);
    Ok(())
}

/// The first 16 digits of a digest.
pub(super) fn policy_value(digest: &str) -> HeaderValue {
    HeaderValue::from_str(short(digest)).unwrap_or(HeaderValue::from_static("unknown"))
}

fn short(digest: &str) -> &str {
    let digits = digest.split_once(':').map_or(digest, |(_, digits)| digits);
    digits.get(..16).unwrap_or(digits)
}

pub(super) fn plain(text: &str) -> Result<HeaderValue, Reason> {
    HeaderValue::from_str(text).map_err(|_| Reason::Internal)
}

/// Text as a field value: visible ASCII as it is, anything else (and `%`, `,`) percent-encoded.
pub(super) fn encoded(text: &str) -> Result<HeaderValue, Reason> {
    match std::borrow::Cow::from(utf8_percent_encode(text, ESCAPED)) {
        std::borrow::Cow::Borrowed(text) => plain(text),
        std::borrow::Cow::Owned(text) => HeaderValue::try_from(text).map_err(|_| Reason::Internal),
    }
}

/// The longest id of a client that is kept.
const MAX_REQUEST_ID: usize = 128;

/// The most options that Connection may list.
const MAX_OPTIONS: usize = 12;

const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b',');

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Says how much of a body was filtered, to callers who may know.
pub(super) const FILTERED: HeaderName = HeaderName::from_static("x-portcullis-filtered");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Switches to WebSocket (RFC 6455 section 4).
const SWITCH: [(HeaderName, HeaderValue); 2] = [
    (header::CONNECTION, HeaderValue::from_static("upgrade")),
    (header::UPGRADE, HeaderValue::from_static("websocket")),
];

/// References that are not worth taking apart.
const LINKS: [HeaderName; 2] = [header::LINK, header::REFRESH];

/// Speaks of a representation's bytes.
const ABOUT_THE_BYTES: [HeaderName; 11] = [
    header::CONTENT_LENGTH,
    header::ETAG,
    header::LAST_MODIFIED,
    header::ACCEPT_RANGES,
    header::EXPIRES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("signature"),
    HeaderName::from_static("signature-input"),
];

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
