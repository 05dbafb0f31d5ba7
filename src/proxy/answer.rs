//! The head of an upstream's response: parsed, and judged by one rule for where its body ends.
//! Pure.
//!
//! RFC 9112 section 6.3 says how a body's end is found. Where it leaves a recipient a choice, the
//! strict one is taken: a coding besides `chunked`, a coding beside a length, two lengths that
//! differ are errors, because whoever reads such a head differently would see another response.

use super::rest::Rest;
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;
use smallvec::SmallVec;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::time::Duration;

/// A response's head, and how its body is to be read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Where it is not the usual one.
    pub(super) reason: Option<ReasonPhrase>,
    /// Without Content-Length and Transfer-Encoding, which `rest` says.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) rest: Rest,
    /// What Content-Length said: to HEAD, and in 304, no body follows it.
    pub(super) announced: Option<u64>,
    /// Whether another response may come on this connection.
    pub(super) keeps_alive: bool,
    /// How long the upstream keeps it, where it says so.
    pub(super) keeps_for: Option<Duration>,
}

/// What came is no HTTP, or says two things about its end, or is over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What stood on the status line and where the fields are in the buffer.
struct Raw {
    length: usize,
    status: StatusCode,
    is_http11: bool,
    reason: Option<ReasonPhrase>,
    fields: SmallVec<[(Range<usize>, Range<usize>); 24]>,
}

/// What the fields say of the message rather than of what it carries.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    keeps_for: Option<Duration>,
}

/// Takes a complete head off the front of the buffer; `None` where more must come first. `headers`
/// is an empty map, whose memory is used again.
pub(super) fn take(
    buffer: &mut BytesMut,
    headers: &mut HeaderMap,
    method: &Method,
    max_bytes: usize,
) -> Result<Option<Answer>, Malformed> {
    let Some(raw) = parse(buffer)? else {
        return if buffer.len() < max_bytes { Ok(None) } else { Err(Malformed) };
    };
    if raw.length > max_bytes {
        return Err(Malformed);
    }
    let head = buffer.split_to(raw.length).freeze();
    let mut headers = std::mem::take(headers);
    let said = collect(&head, &raw.fields, &mut headers)?;
    if said.chunked && (said.length.is_some() || !raw.is_http11) {
        return Err(Malformed);
    }
    let rest = said.rest(raw.status, method);
    let keeps_alive = !said.close && (raw.is_http11 || said.keep_alive) && rest.has_own_end();
    let (status, reason, announced) = (raw.status, raw.reason, said.length);
    let keeps_for = said.keeps_for;
    Ok(Some(Answer { status, reason, headers, rest, announced, keeps_alive, keeps_for }))
}

/// httparse's reading, by places, so that the fields can share the buffer's memory.
fn parse(buffer: &[u8]) -> Result<Option<Raw>, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        buffer,
        &mut fields,
    );
    let length = match parsed.map_err(|_| Malformed)? {
        Status::Complete(length) => length,
        Status::Partial => return Ok(None),
    };
    let status = StatusCode::from_u16(response.code.ok_or(Malformed)?).map_err(|_| Malformed)?;
    let reason = response.reason.filter(|reason| Some(*reason) != status.canonical_reason());
    let reason = reason.map(|reason| ReasonPhrase::try_from(reason.as_bytes()));
    let place = |part: &[u8]| {
        let start = part.as_ptr() as usize - buffer.as_ptr() as usize;
        start..start + part.len()
    };
    let fields = response.headers.iter();
    Ok(Some(Raw {
        length,
        status,
        is_http11: response.version == Some(1),
        reason: reason.transpose().map_err(|_| Malformed)?,
        fields: fields.map(|field| (place(field.name.as_bytes()), place(field.value))).collect(),
    }))
}

/// Moves the fields into the map, and reads those that speak of the message on the way.
fn collect(
    head: &Bytes,
    fields: &[(Range<usize>, Range<usize>)],
    headers: &mut HeaderMap,
) -> Result<Said, Malformed> {
    let mut said = Said::default();
    headers.try_reserve(fields.len()).map_err(|_| Malformed)?;
    for (name, value) in fields {
        let name = HeaderName::from_bytes(&head[name.clone()]).map_err(|_| Malformed)?;
        let value = head.slice(value.clone());
        match name {
            header::CONTENT_LENGTH => said.length(&value)?,
            header::TRANSFER_ENCODING => said.coding(&value)?,
            name => {
                if name == header::CONNECTION {
                    said.connection(&value);
                } else if name == KEEP_ALIVE {
                    said.keeps(&value);
                }
                let value = HeaderValue::from_maybe_shared(value).map_err(|_| Malformed)?;
                headers.try_append(name, value).map_err(|_| Malformed)?;
            }
        }
    }
    Ok(said)
}

impl Said {
    /// RFC 9110 section 8.6: a list is allowed if all of it says the same.
    fn length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        for number in value.split(|byte| *byte == b',') {
            let length = decimal(number.trim_ascii()).ok_or(Malformed)?;
            if self.length.replace(length).is_some_and(|before| before != length) {
                return Err(Malformed);
            }
        }
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let first = !std::mem::replace(&mut self.chunked, true);
        match first && value.eq_ignore_ascii_case(b"chunked") {
            true => Ok(()),
            false => Err(Malformed),
        }
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// `timeout=5, max=100` (RFC 2068 section 19.7.1.1): in how many seconds the upstream closes.
    fn keeps(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let seconds = option.strip_prefix(b"timeout=").and_then(decimal);
            self.keeps_for = seconds.map(Duration::from_secs).or(self.keeps_for);
        }
    }

    /// Where the body ends (RFC 9112 section 6.3).
    fn rest(&self, status: StatusCode, method: &Method) -> Rest {
        let bodiless = *method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match self.length {
            _ if bodiless => Rest::sized(0),
            _ if self.chunked => Rest::chunked(),
            Some(length) => Rest::sized(length),
            None => Rest::until_close(),
        }
    }
}

/// Digits and nothing else.
fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Fields that a response's head may have.
pub(super) const MAX_FIELDS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever comes, it is a head, no head yet, or refused; and more bytes do not unmake a
        /// refusal or change a head.
        #[test]
        fn p14_a_head_does_not_depend_on_what_follows(
            fields in "(Content-Length: ?[0-9,]{0,3}\r\n|Transfer-Encoding: chunked\r\n|\
                       Connection: [a-z, -]{0,12}\r\n|[A-Za-z-]{1,5}:[ -~]{0,6}\r?\n|[ -~]{0,5}\r\n){0,5}",
            more in "[ -~\r\n]{0,20}",
        ) {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}");
            let summary = |taken: Result<Option<Answer>, Malformed>| {
                taken.map(|answer| answer.map(|answer| {
                    (answer.headers, answer.announced, answer.rest.length(), answer.keeps_alive)
                }))
            };
            let alone = summary(take_to(Method::GET, &head));
            let followed = summary(take_to(Method::GET, &format!("{head}{more}")));
            if !matches!(alone, Ok(None)) {
                prop_assert_eq!(alone, followed);
            }
        }
    }

    #[test]
    fn p14_how_long_a_connection_is_kept_is_read() {
        for (fields, seconds) in [
            ("", None),
            ("Keep-Alive: timeout=5\r\n", Some(5)),
            ("keep-alive: max=100, timeout=15\r\n", Some(15)),
            ("Keep-Alive: timeout=0\r\n", Some(0)),
            ("Keep-Alive: timeout=soon\r\n", None),
            ("Keep-Alive: 5\r\n", None),
        ] {
            let answer = got(&format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"));
            assert_eq!(answer.keeps_for, seconds.map(Duration::from_secs), "{fields}");
        }
    }

    const MAX: usize = 8192;

    fn take_to(method: Method, head: &str) -> Result<Option<Answer>, Malformed> {
        take(&mut head.into(), &mut HeaderMap::new(), &method, MAX)
    }

    #[track_caller]
    fn got(head: &str) -> Answer {
        take_to(Method::GET, head).unwrap().unwrap()
    }

    #[track_caller]
    fn refused(head: &str) {
        assert_eq!(take_to(Method::GET, head).err(), Some(Malformed), "{head:?}");
    }

    #[test]
    fn a_head_is_taken_off_and_the_rest_stays() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: 1\r\nX-A: 2\r\n\r\nabcd";
        for split in 0..text.len() - 4 {
            assert!(take_to(Method::GET, &text[..split]).unwrap().is_none(), "{split}");
        }
        let mut buffer = BytesMut::from(text);
        let answer = take(&mut buffer, &mut HeaderMap::new(), &Method::GET, MAX).unwrap().unwrap();
        assert_eq!(&buffer[..], b"abcd");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((answer.headers.len(), answer.announced), (2, Some(3)));
        assert_eq!((answer.rest.length(), answer.keeps_alive), (Some(3), true));
        assert!(answer.reason.is_none());
    }

    #[test]
    fn an_unusual_reason_is_kept() {
        let answer = got("HTTP/1.1 299 Odd Thing\r\n\r\n");
        assert_eq!(answer.reason.unwrap().as_bytes(), b"Odd Thing");
        assert_eq!(got("HTTP/1.1 200\r\n\r\n").reason.unwrap().as_bytes(), b"");
    }

    #[test]
    fn p04_a_response_says_one_thing_about_its_end() {
        for fields in [
            "Content-Length: x",
            "Content-Length:",
            "Content-Length: +1",
            "Content-Length: -1",
            "Content-Length: 1,",
            "Content-Length: 1, 2",
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: 18446744073709551616",
            "Transfer-Encoding: chunked\r\nContent-Length: 1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding:",
        ] {
            refused(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n"));
            refused(&format!("HTTP/1.1 204 No Content\r\n{fields}\r\n\r\n"));
        }
        refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(got("HTTP/1.1 200 OK\r\nContent-Length: 7, 7\r\n\r\n").rest.length(), Some(7));
        let chunked = got("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n");
        assert!(chunked.rest.length().is_none() && chunked.keeps_alive);
    }

    #[test]
    fn p14_what_is_no_http_is_refused() {
        for head in [
            "SSH-2.0-x\r\n",
            "HTTP/1.1 2 OK\r\n\r\n",
            "HTTP/1.1 099 X\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: 1\r\n folded\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: 1\r\n\r\n",
        ] {
            refused(head);
        }
    }

    #[test]
    fn some_responses_have_no_body_whatever_they_announce() {
        for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304)] {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 9\r\n\r\n");
            let answer = take_to(method, &head).unwrap().unwrap();
            assert!(answer.rest.is_over(), "{status}");
            assert_eq!(answer.announced, Some(9));
        }
    }

    #[test]
    fn a_connection_is_kept_where_both_ends_can_go_on() {
        for (head, kept) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            ("HTTP/1.1 204 No Content\r\nConnection: x, Close\r\n\r\n", false),
            (
                "HTTP/1.1 204 No Content\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
                false,
            ),
            ("HTTP/1.0 204 No Content\r\n\r\n", false),
            ("HTTP/1.0 204 No Content\r\nConnection: keep-alive\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\n\r\n", false),
        ] {
            assert_eq!(got(head).keeps_alive, kept, "{head}");
        }
    }

    #[test]
    fn a_head_may_be_as_long_as_its_limit() {
        let head = |length: usize| {
            let around = "HTTP/1.1 200 OK\r\nA: \r\n\r\n".len();
            format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(length - around))
        };
        assert!(take_to(Method::GET, &head(MAX - 1)).unwrap().is_some());
        assert!(take_to(Method::GET, &head(MAX)).unwrap().is_some());
        refused(&head(MAX + 1));
        // One that is not complete at the limit cannot become one that fits.
        assert!(take_to(Method::GET, &head(MAX + 1)[..MAX - 1]).unwrap().is_none());
        refused(&head(MAX + 1)[..MAX]);
    }

    #[test]
    fn a_head_may_have_as_many_fields_as_its_limit() {
        for (count, fine) in [(MAX_FIELDS - 1, true), (MAX_FIELDS, true), (MAX_FIELDS + 1, false)] {
            let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: 1\r\n".repeat(count));
            assert_eq!(take_to(Method::GET, &head).is_ok(), fine, "{count}");
        }
    }
}
