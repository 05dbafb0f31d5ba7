//! The canonical request: what is decided is the only thing that can be sent.
//!
//! There is one way to make a [`Canonical`], and it refuses whatever two programs could read
//! differently: the target, the host, the framing, headers that a Connection header would take
//! away. What is left has one meaning. Nothing else can be serialised towards an upstream.

use crate::decide::Reason;
use crate::policy::{Host, Target, TargetFault};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Version};

/// A request with one meaning.
#[derive(Debug)]
pub struct Canonical {
    method: Method,
    target: Target,
    host: HeaderValue,
    headers: HeaderMap,
    http2: bool,
}

/// What the connection knows that the head does not say.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    /// A head on this connection carried both Content-Length and Transfer-Encoding.
    pub(super) ambiguous: bool,
    /// A target on this connection had a fragment, which the parser has cut off.
    pub(super) fragment: bool,
    /// Bytes that a target may have.
    pub(super) max_target: usize,
    /// Fields that a head may have.
    pub(super) max_headers: usize,
    /// A host that this connection has named before and that was found to be one.
    pub(super) known_host: Option<HeaderValue>,
}

impl Canonical {
    /// Reads the head of a request that an HTTP parser has taken apart.
    pub(super) fn read(parts: Parts, wire: Wire) -> Result<Canonical, Reason> {
        let Parts { method, uri, version, mut headers, .. } = parts;
        if version != Version::HTTP_11 {
            // RFC 9110 section 7.8: nobody else can ask for another protocol in this way.
            headers.remove(header::UPGRADE);
        }
        check_framing(&headers, version, wire.ambiguous)?;
        if headers.len() > wire.max_headers {
            return Err(Reason::HeadersTooLarge);
        }
        if wire.fragment {
            return Err(Reason::BadPath);
        }
        let uri = uri.into_parts();
        let host = host(uri.scheme.as_ref(), uri.authority.as_ref(), &headers, wire.known_host)?;
        let raw = target_of(uri.path_and_query, &method)?;
        let target = Target::new(raw, wire.max_target).map_err(fault_reason)?;
        Ok(Canonical { method, target, host, headers, http2: version == Version::HTTP_2 })
    }

    /// The method, as it came.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The one host that the client named, as it came.
    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The same, for the policy.
    pub(super) fn named_host(&self) -> Host<'_> {
        Host::known(self.host.as_bytes())
    }

    /// All fields, Host among them where HTTP/1 has brought it.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether it came over HTTP/2, in which trailers need no announcement.
    pub(super) fn is_http2(&self) -> bool {
        self.http2
    }

    /// The request of the same caller for another object, to look at it: a GET that has no body
    /// and whose answer depends on no earlier one.
    pub(super) fn look(&self, target: Target) -> Canonical {
        let mut headers = self.headers.clone();
        let about_body = |name: &HeaderName| {
            let name = name.as_str();
            let prefixes = ["content-", "if-", "sec-websocket-"];
            prefixes.iter().any(|prefix| name.starts_with(prefix)) || name == "transfer-encoding"
        };
        let gone: Vec<HeaderName> =
            headers.keys().filter(|name| about_body(name)).cloned().collect();
        for name in gone.into_iter().chain([header::EXPECT, header::RANGE]) {
            headers.remove(name);
        }
        let (host, http2) = (self.host.clone(), false);
        Canonical { method: Method::GET, target, host, headers, http2 }
    }

    /// The same request, to be decided once more when something has changed.
    pub(super) fn again(&self) -> Canonical {
        let (target, headers) = (self.target.clone(), self.headers.clone());
        let (host, http2) = (self.host.clone(), self.http2);
        Canonical { method: self.method.clone(), target, host, headers, http2 }
    }

    /// The same request, but made only if the object has still this entity tag (RFC 9110 section
    /// 13.1.1). A client that asks for other ones is refused: this is not what it wants to write, and
    /// whose object the others are nobody has seen.
    pub(super) fn only_if(&mut self, tag: HeaderValue) -> Result<(), Reason> {
        let mut own = self.headers.get_all(header::IF_MATCH).iter();
        let wants = |value: &HeaderValue| {
            let listed = |part: &[u8]| part.trim_ascii() == tag.as_bytes();
            value == "*" || value.as_bytes().split(|byte| *byte == b',').any(listed)
        };
        let (any, fits) = (self.headers.contains_key(header::IF_MATCH), own.any(wants));
        if any && !fits {
            return Err(Reason::Stale);
        }
        self.headers.insert(header::IF_MATCH, tag);
        Ok(())
    }

    /// The same request, but made only while there is no such object (RFC 9110 section 13.1.2).
    pub(super) fn only_new(&mut self) {
        self.headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
    }

    /// The same request, whose body's coding has been taken off.
    pub(super) fn without_coding(&mut self) {
        self.headers.remove(header::CONTENT_ENCODING);
        self.with_other_bytes();
    }

    /// The same request, with other bytes for a body: what speaks of the client's goes.
    pub(super) fn with_other_bytes(&mut self) {
        for name in ["content-md5", "digest", "content-digest", "repr-digest"] {
            self.headers.remove(name);
        }
    }

    /// Asks for the whole body, to show its head alone.
    pub(super) fn read_whole(&mut self) {
        if self.method == Method::HEAD {
            self.method = Method::GET;
        }
    }

    /// Takes the request apart, for the one place that makes an upstream request of it.
    pub(super) fn into_parts(self) -> (Method, PathAndQuery, HeaderValue, HeaderMap) {
        (self.method, self.target.raw().clone(), self.host, self.headers)
    }
}

/// CONNECT has a target of another form; it is refused as a method, whatever it names.
fn target_of(raw: Option<PathAndQuery>, method: &Method) -> Result<PathAndQuery, Reason> {
    match raw {
        _ if *method == Method::CONNECT => Ok(PathAndQuery::from_static("/")),
        Some(raw) => Ok(raw),
        None => Err(Reason::BadPath),
    }
}

fn fault_reason(fault: TargetFault) -> Reason {
    match fault {
        TargetFault::TooLong => Reason::TargetTooLong,
        _ => Reason::BadPath,
    }
}

/// RFC 9112 section 6: one way to know where the body ends. HTTP/2 has its own, and may give a
/// Content-Length but no Transfer-Encoding (RFC 9113 section 8.2.2).
fn check_framing(headers: &HeaderMap, version: Version, ambiguous: bool) -> Result<(), Reason> {
    let codings = headers.get_all(header::TRANSFER_ENCODING);
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let mut codings = codings.iter();
    if let Some(coding) = codings.next() {
        let plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        let alone = codings.next().is_none() && lengths.next().is_none() && !ambiguous;
        return match plain && alone && version == Version::HTTP_11 {
            true => Ok(()),
            false => Err(Reason::BadRequest),
        };
    }
    let number = |length: &HeaderValue| {
        !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit)
    };
    let one = lengths.next().is_none_or(number) && lengths.next().is_none();
    match one && !ambiguous {
        true => Ok(()),
        false => Err(Reason::BadRequest),
    }
}

/// The one host. RFC 9112 section 3.2 and RFC 9113 section 8.3.1: exactly one Host, and an
/// authority in the target (absolute-form, `:authority`) that says the same. What is no http is a
/// request for something else.
fn host(
    scheme: Option<&Scheme>,
    authority: Option<&Authority>,
    headers: &HeaderMap,
    known: Option<HeaderValue>,
) -> Result<HeaderValue, Reason> {
    let mut fields = headers.get_all(header::HOST).iter();
    let field = fields.next();
    let other = |scheme: &Scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS;
    if fields.next().is_some() || scheme.is_some_and(other) {
        return Err(Reason::BadRequest);
    }
    match (field, authority) {
        (Some(host), None) if known.as_ref() == Some(host) => Ok(host.clone()),
        (Some(host), None) => {
            Host::parse(host.as_bytes()).ok_or(Reason::BadRequest)?;
            Ok(host.clone())
        }
        (None, Some(authority)) if scheme.is_some() => {
            Host::parse(authority.as_str().as_bytes()).ok_or(Reason::BadRequest)?;
            HeaderValue::from_str(authority.as_str()).map_err(|_| Reason::BadRequest)
        }
        (Some(host), Some(authority)) => match same_host(host, authority) {
            true => Ok(host.clone()),
            false => Err(Reason::BadRequest),
        },
        (None, _) => Err(Reason::BadRequest),
    }
}

/// Case, a trailing dot and the default port make no difference.
fn same_host(host: &HeaderValue, authority: &Authority) -> bool {
    let both = (Host::parse(host.as_bytes()), Host::parse(authority.as_str().as_bytes()));
    matches!(both, (Some(host), Some(authority)) if host.is_same(authority))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::host::MAX_HOST;
    use http::Request;

    const WIRE: Wire = Wire {
        ambiguous: false,
        fragment: false,
        max_target: 64,
        max_headers: 4,
        known_host: None,
    };

    fn read(uri: &str, headers: &[(&'static str, &str)]) -> Result<Canonical, Reason> {
        read_as(Version::HTTP_11, Method::POST, uri, headers, WIRE)
    }

    fn read_as(
        version: Version,
        method: Method,
        uri: &str,
        headers: &[(&'static str, &str)],
        wire: Wire,
    ) -> Result<Canonical, Reason> {
        let mut request = Request::builder().version(version).method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Canonical::read(request.body(()).unwrap().into_parts().0, wire)
    }

    #[track_caller]
    fn refused(uri: &str, headers: &[(&'static str, &str)], reason: Reason) {
        assert_eq!(read(uri, headers).expect_err(uri), reason, "{uri} {headers:?}");
    }

    #[test]
    fn a_plain_request_is_itself() {
        let canonical =
            read("/a%20b?x=1", &[("host", "API.test:8080"), ("accept", "*/*")]).unwrap();
        assert_eq!(canonical.target().path(), "/a b");
        let (method, raw, host, headers) = canonical.into_parts();
        assert_eq!((method, raw.as_str()), (Method::POST, "/a%20b?x=1"));
        assert_eq!(host, "API.test:8080");
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn p01_targets_with_two_readings_are_refused() {
        let host = [("host", "a")];
        for uri in ["/a/../b", "/a//b", "/a%2fb", "/%61", "/a%25252f", "*"] {
            refused(uri, &host, Reason::BadPath);
        }
        let long = |n: usize| format!("/{}", "a".repeat(n - 1));
        assert!(read(&long(63), &host).is_ok());
        assert!(read(&long(64), &host).is_ok());
        refused(&long(65), &host, Reason::TargetTooLong);
    }

    #[test]
    fn p01_a_fragment_that_the_parser_cut_off_is_refused() {
        let seen = Wire { fragment: true, ..WIRE };
        let cut = read_as(Version::HTTP_11, Method::GET, "/a", &[("host", "a")], seen);
        assert_eq!(cut.unwrap_err(), Reason::BadPath);
    }

    #[test]
    fn p03_exactly_one_valid_host() {
        refused("/", &[], Reason::BadRequest);
        refused("/", &[("host", "a"), ("host", "a")], Reason::BadRequest);
        for host in crate::policy::host::NO_HOSTS {
            refused("/", &[("host", host)], Reason::BadRequest);
        }
        for host in ["a", "a.", "a_b.test", "127.0.0.1", "a:1", "a:65535", "[::1]", "[::1]:80"] {
            assert!(read("/", &[("host", host)]).is_ok(), "{host}");
        }
    }

    #[test]
    fn a_host_may_be_as_long_as_its_limit() {
        for (length, fine) in [(MAX_HOST - 1, true), (MAX_HOST, true), (MAX_HOST + 1, false)] {
            let host = "a".repeat(length);
            assert_eq!(read("/", &[("host", &host)]).is_ok(), fine);
        }
    }

    #[test]
    fn p03_an_authority_in_the_target_says_what_host_says() {
        for (uri, host) in [
            ("http://a.test/x", "a.test"),
            ("http://A.TEST./x", "a.test"),
            ("http://a.test:80/x", "a.test"),
            ("http://a.test:8080/x", "A.test.:8080"),
        ] {
            assert!(read(uri, &[("host", host)]).is_ok(), "{uri} {host}");
        }
        for (uri, host) in [
            ("http://a.test/x", "b.test"),
            ("http://a.test:81/x", "a.test"),
            ("http://u@a.test/x", "a.test"),
        ] {
            refused(uri, &[("host", host)], Reason::BadRequest);
        }
    }

    #[test]
    fn http2_may_leave_the_host_to_the_authority() {
        let canonical =
            read_as(Version::HTTP_2, Method::GET, "http://a.test:1/x", &[], WIRE).unwrap();
        assert_eq!(canonical.host(), "a.test:1");
    }

    #[test]
    fn p02_connect_is_left_to_be_refused_as_a_method() {
        let canonical = read_as(
            Version::HTTP_11,
            Method::CONNECT,
            "a.test:443",
            &[("host", "a.test:443")],
            WIRE,
        );
        assert_eq!(canonical.unwrap().method(), Method::CONNECT);
    }

    #[test]
    fn p04_one_way_to_know_where_the_body_ends() {
        let host = ("host", "a");
        let te = |value| ("transfer-encoding", value);
        let cl = |value| ("content-length", value);
        assert!(read("/", &[host, te("chunked")]).is_ok());
        assert!(read("/", &[host, te("Chunked")]).is_ok());
        assert!(read("/", &[host, cl("5")]).is_ok());
        for odd in ["gzip, chunked", "chunked, chunked", "xchunked", "identity", "", "chunked;q=1"]
        {
            refused("/", &[host, te(odd)], Reason::BadRequest);
        }
        refused("/", &[host, te("chunked"), te("chunked")], Reason::BadRequest);
        refused("/", &[host, te("chunked"), cl("5")], Reason::BadRequest);
        refused("/", &[host, cl("5"), cl("5")], Reason::BadRequest);
        refused("/", &[host, cl("+5")], Reason::BadRequest);
        refused("/", &[host, cl("5, 5")], Reason::BadRequest);
        let seen = Wire { ambiguous: true, ..WIRE };
        let both = read_as(Version::HTTP_11, Method::POST, "/", &[host, te("chunked")], seen);
        assert_eq!(both.unwrap_err(), Reason::BadRequest);
        let h2 = read_as(Version::HTTP_2, Method::POST, "/", &[host, te("chunked")], WIRE);
        assert_eq!(h2.unwrap_err(), Reason::BadRequest);
    }

    #[test]
    fn the_number_of_fields_is_limited() {
        let fields = [("host", "a"), ("a", ""), ("b", ""), ("c", ""), ("d", "")];
        assert!(read("/", &fields[..3]).is_ok());
        assert!(read("/", &fields[..4]).is_ok());
        refused("/", &fields, Reason::HeadersTooLarge);
    }
}
