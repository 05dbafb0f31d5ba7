//! Heads, from the one form to the other. Pure.
//!
//! The request's head is read off the bytes that an HTTP/1.1 upstream would get, so one place says
//! what passes, and nothing gets into the frames that was not judged there. A value holds no line
//! end by its type ([`HeaderValue`]), so its line is its line.

use crate::proxy::answer::{MAX_FIELDS, Malformed};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request, StatusCode, Version, response};

/// The request whose HTTP/1.1 head this is. What frames a body there is left out, but for its
/// length; `trailers` says that they are taken. `secrets` are fields that carry some, besides those
/// that always do.
pub(super) fn request(
    head: &[u8],
    secure: bool,
    trailers: bool,
    secrets: &[HeaderName],
) -> Result<Request<()>, Malformed> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let (method, target) = request_line(lines.next().ok_or(Malformed)?)?;
    let mut headers = HeaderMap::new();
    let mut authority = None;
    for line in lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        if line.is_empty() {
            break;
        }
        let (name, value) = field(line, secrets)?;
        match name {
            header::HOST => authority = Some(Authority::try_from(value.as_bytes())),
            header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE => {}
            name => drop(headers.try_append(name, value).map_err(|_| Malformed)?),
        }
    }
    if trailers {
        headers.try_insert(header::TE, TRAILERS).map_err(|_| Malformed)?;
    }
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(authority.ok_or(Malformed)?.map_err(|_| Malformed)?);
    uri.path_and_query = Some(target);
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| Malformed)?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    Ok(request)
}

/// `GET /path HTTP/1.1`
fn request_line(line: &[u8]) -> Result<(Method, PathAndQuery), Malformed> {
    let line = line.strip_suffix(b" HTTP/1.1\r").ok_or(Malformed)?;
    let space = line.iter().position(|byte| *byte == b' ').ok_or(Malformed)?;
    let method = Method::from_bytes(&line[..space]).map_err(|_| Malformed)?;
    let target = PathAndQuery::try_from(&line[space + 1..]).map_err(|_| Malformed)?;
    Ok((method, target))
}

fn field(line: &[u8], secrets: &[HeaderName]) -> Result<(HeaderName, HeaderValue), Malformed> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed)?;
    let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| Malformed)?;
    let value = line[colon + 1..].strip_prefix(b" ").ok_or(Malformed)?;
    let mut value = HeaderValue::from_bytes(value).map_err(|_| Malformed)?;
    // One table of a connection is shared by all callers: what is secret is never kept in it, or
    // lengths would tell who has guessed it (RFC 7541 section 7.1.3).
    value.set_sensitive(SECRETS.contains(&name) || secrets.contains(&name));
    Ok((name, value))
}

/// What the response's head says of its body's length, which is taken out. h2 holds the body to it,
/// and has refused what is malformed in HTTP/2 (RFC 9113 section 8.2).
pub(super) fn announced(head: &mut response::Parts) -> Result<Option<u64>, Malformed> {
    if head.headers.len() > MAX_FIELDS {
        return Err(Malformed);
    }
    let length = head.headers.remove(header::CONTENT_LENGTH);
    let number = |value: HeaderValue| value.to_str().ok()?.parse().ok();
    length.map(|value| number(value).ok_or(Malformed)).transpose()
}

/// Whether no body follows such a head (RFC 9110 section 6.4.1).
pub(super) fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// Fields that carry secrets.
const SECRETS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, HeaderName::from_static("x-api-key")];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Result<Request<()>, Malformed> {
        request(head.as_bytes(), false, false, &[HeaderName::from_static("x-key")])
    }

    #[test]
    fn p03_the_host_is_the_authority_and_the_target_stays_as_it_was() {
        let head = "POST /a%20b/c?x=1&y=%2f HTTP/1.1\r\nhost: a_b.test:8080\r\n\
                    x-a: 1\r\nx-a: 2, 3\r\nx-empty: \r\ncontent-length: 5\r\n\r\n";
        let request = read(head).unwrap();
        assert_eq!(request.uri(), "http://a_b.test:8080/a%20b/c?x=1&y=%2f");
        assert_eq!(request.method(), Method::POST);
        let headers = request.headers();
        assert!(!headers.contains_key("host"));
        assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2, 3"]);
        assert_eq!(
            (&headers["x-empty"], &headers["content-length"]),
            (&"".parse().unwrap(), &"5".parse().unwrap())
        );
    }

    #[test]
    fn every_host_that_is_one_can_be_an_authority() {
        for host in ["a", "a.", "a_b.test", "127.0.0.1", "a:1", "A.test:65535", "[::1]", "[::1]:80"]
        {
            assert!(crate::policy::Host::parse(host.as_bytes()).is_some(), "{host}");
            let request = read(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).expect(host);
            assert_eq!(request.uri().authority().unwrap().as_str(), host);
        }
    }

    #[test]
    fn p04_what_frames_a_body_in_http_1_has_no_place_in_http_2() {
        let head = "PUT / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        assert!(read(head).unwrap().headers().is_empty());
        let wanting = request(head.as_bytes(), true, true, &[]).unwrap();
        assert_eq!(wanting.headers()["te"], "trailers");
        assert_eq!(wanting.uri().scheme_str(), Some("https"));
    }

    #[test]
    fn p08_a_credential_is_kept_in_no_table() {
        let head = "GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer x\r\ncookie: a=b\r\n\
                    x-b: c\r\nX-Key: k\r\n\r\n";
        let headers = read(head).unwrap().into_parts().0.headers;
        let secret = |name: &str| headers[name].is_sensitive();
        assert!(secret("authorization") && secret("cookie") && secret("x-key") && !secret("x-b"));
    }

    #[test]
    fn what_is_no_head_of_ours_is_none() {
        for head in [
            "",
            "GET /\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.0\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nx\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nx y: 1\r\n\r\n",
        ] {
            assert!(read(head).is_err(), "{head:?}");
        }
    }

    #[test]
    fn p14_a_response_says_once_how_long_it_is() {
        let head = |length: Option<&str>, fields: usize| {
            let mut head = http::Response::new(()).into_parts().0;
            for at in 0..fields {
                let name = HeaderName::try_from(format!("x-{at}")).unwrap();
                head.headers.append(name, HeaderValue::from_static(""));
            }
            if let Some(length) = length {
                head.headers.append(header::CONTENT_LENGTH, HeaderValue::from_str(length).unwrap());
            }
            announced(&mut head).map(|length| (length, head.headers.len()))
        };
        assert_eq!(head(Some("12"), 0), Ok((Some(12), 0)));
        assert_eq!(head(None, 1), Ok((None, 1)));
        assert_eq!(head(Some("x"), 0), Err(Malformed));
        for (fields, fits) in [(MAX_FIELDS - 1, true), (MAX_FIELDS, true), (MAX_FIELDS + 1, false)]
        {
            assert_eq!(head(None, fields).is_ok(), fits, "{fields}");
        }
    }
}
