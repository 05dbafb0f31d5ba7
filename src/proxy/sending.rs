//! A request on its way into an upstream's socket: the head as it is written, and the body behind
//! it with its framing.
//!
//! The head is bytes from the moment that the request is made, so that it can be written twice
//! without a copy, where the first connection died before it answered.

use super::socket::Socket;
use super::trailers::Trailers;
use super::upload::{Part, RequestBody, Upload};
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, Method};
use hyper::body::Body;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// A request that is being sent.
#[derive(Debug)]
pub(super) struct Sending {
    method: Method,
    /// The head; after it, the first line of each chunk.
    lead: Vec<u8>,
    /// Bytes of `lead` that have been written.
    written: usize,
    /// The piece of the body that stands behind `lead`.
    data: Bytes,
    /// What closes that piece.
    tail: &'static [u8],
    body: RequestBody,
    framing: Framing,
    /// Whether `body` has nothing more to give.
    over: bool,
    /// Whether the socket may hold back what it was given (TLS does).
    held: bool,
    /// Whether a byte has left us.
    begun: bool,
    replayable: bool,
    /// Whether the upstream is asked to speak another protocol from here on.
    switches: bool,
    /// Where trailers pass, in both directions: between two sides that speak HTTP/2.
    trailers: Option<Box<Trailers>>,
    /// Fields of the head that carry secrets, where that matters to how they are sent.
    secrets: Vec<HeaderName>,
    headers: HeaderMap,
}

/// How the upstream knows where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// By its length, of which this much is left.
    Sized(u64),
    /// By a last chunk.
    Chunked,
}

/// Why no more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The client's body is none.
    Client,
    /// The upstream takes no more. It may have answered before.
    Upstream,
}

impl Sending {
    /// A request whose head lacks what says where its body ends, and the empty line. `headers` is
    /// memory for the response's.
    pub(super) fn new(
        method: Method,
        mut lead: Vec<u8>,
        body: RequestBody,
        mut headers: HeaderMap,
    ) -> Sending {
        let framing = match body.size_hint().exact() {
            Some(length) => Framing::Sized(length),
            None => Framing::Chunked,
        };
        let empty = matches!(body, RequestBody::Empty);
        match framing {
            // RFC 9110 section 8.6: where a body has a meaning, that there is none is said.
            _ if empty && has_use_for_a_body(&method) => {
                lead.extend_from_slice(b"content-length: 0\r\n\r\n")
            }
            _ if empty => lead.extend_from_slice(b"\r\n"),
            Framing::Chunked => lead.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n"),
            Framing::Sized(length) => {
                write_all(&mut lead, format_args!("content-length: {length}\r\n\r\n"))
            }
        }
        headers.clear();
        let replayable = empty && is_idempotent(&method);
        Sending {
            method,
            lead,
            written: 0,
            data: Bytes::new(),
            tail: b"",
            body,
            framing,
            over: empty,
            held: false,
            begun: false,
            replayable,
            switches: false,
            trailers: None,
            secrets: Vec::new(),
            headers,
        }
    }

    /// The same, which asks for another protocol.
    pub(super) fn switching(self) -> Sending {
        Sending { switches: true, ..self }
    }

    /// The same, with trailers both ways.
    pub(super) fn with_trailers(self, trailers: Trailers) -> Sending {
        Sending { trailers: Some(Box::new(trailers)), ..self }
    }

    /// The same, in whose head these fields carry secrets.
    pub(super) fn with_secrets(self, secrets: Vec<HeaderName>) -> Sending {
        Sending { secrets, ..self }
    }

    /// The fields of its head that carry secrets, besides those that do everywhere.
    pub(super) fn secrets(&self) -> &[HeaderName] {
        &self.secrets
    }

    /// Its head, for whoever writes it otherwise. Whole as long as nothing was written.
    pub(super) fn head(&self) -> &[u8] {
        &self.lead
    }

    /// What follows the head, for whoever frames it otherwise.
    pub(super) fn body(&self) -> &RequestBody {
        &self.body
    }

    /// The next piece of it.
    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Part> {
        if let RequestBody::Whole(bytes) = &self.body {
            // Kept, so that it can be taken once more.
            self.data = bytes.clone();
        }
        let part = self.body.poll_part(cx);
        self.begun |= matches!(part, Poll::Ready(Some(_)));
        part
    }

    /// Which trailers pass.
    pub(super) fn trailers(&self) -> Option<&Trailers> {
        self.trailers.as_deref()
    }

    /// The same as [`Sending::rewind`] for a body that is framed otherwise. What the upstream says
    /// that it has not looked at may be sent again whatever it is, if it is still here: a body that
    /// streams is not, once a piece of it was taken (RFC 9113 section 8.7).
    pub(super) fn take_back(&mut self, unprocessed: bool) -> bool {
        if self.begun && !self.data.is_empty() {
            self.body = RequestBody::Whole(std::mem::take(&mut self.data));
            self.begun = false;
        }
        !self.begun && (unprocessed || self.replayable)
    }

    /// Whether 101 is an answer to it.
    pub(super) fn switches(&self) -> bool {
        self.switches
    }

    /// The request's method: a response means one thing to GET and another to HEAD.
    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// An empty map for the response.
    pub(super) fn headers(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The progress of a streamed body.
    pub(super) fn upload(&self) -> Option<Rc<Upload>> {
        self.body.upload()
    }

    /// Whether all of it was written.
    pub(super) fn is_done(&self) -> bool {
        self.over && self.left() == 0 && !self.held
    }

    /// Back to the first byte, if the request may be sent once more: one of which no byte has left
    /// us always, any other if it is idempotent and has no body (RFC 9110 section 9.2.2).
    pub(super) fn rewind(&mut self) -> bool {
        if self.begun && self.replayable {
            self.written = 0;
            self.begun = false;
        }
        !self.begun
    }

    /// Writes what can be written. Ready when it was all, or when no more can be.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
    ) -> Poll<Result<(), Broken>> {
        while !self.is_done() {
            // The first piece of a body goes out with the head, if it is there.
            let piece = self.poll_piece(cx)?;
            if self.left() == 0 {
                ready!(self.poll_flush(cx, socket))?;
                ready!(piece);
                continue;
            }
            match ready!(self.poll_write(cx, socket)) {
                Ok(n) if n > 0 => {
                    self.held = socket.holds_back();
                    self.advance(n);
                }
                _ => return Poll::Ready(Err(Broken::Upstream)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
    ) -> Poll<Result<(), Broken>> {
        if self.held {
            ready!(Pin::new(socket).poll_flush(cx)).map_err(|_| Broken::Upstream)?;
            self.held = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Gets the next piece of the body ready, if the last one is written.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while !self.over && self.data.is_empty() && self.tail.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.into_data().map_err(|_| Broken::Client)?;
                    // An empty chunk would be the last one.
                    if !data.is_empty() {
                        self.frame(data)?;
                    }
                }
                Some(Err(_)) => return Poll::Ready(Err(Broken::Client)),
                None => self.end()?,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn frame(&mut self, data: Bytes) -> Result<(), Broken> {
        let length = data.len() as u64;
        self.data = data;
        self.over = self.body.is_end_stream();
        match &mut self.framing {
            Framing::Sized(left) => {
                *left = left.checked_sub(length).ok_or(Broken::Client)?;
                if self.over && *left > 0 {
                    return Err(Broken::Client);
                }
            }
            Framing::Chunked => {
                self.forget_written();
                write_all(&mut self.lead, format_args!("{length:x}\r\n"));
                self.tail = if self.over { b"\r\n0\r\n\r\n" } else { b"\r\n" };
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Broken> {
        self.over = true;
        match self.framing {
            Framing::Sized(0) => Ok(()),
            Framing::Sized(_) => Err(Broken::Client),
            Framing::Chunked => {
                self.tail = b"0\r\n\r\n";
                Ok(())
            }
        }
    }

    /// Chunks' lines need no more room than the longest of them. The head stays until it is out.
    fn forget_written(&mut self) {
        if self.written == self.lead.len() {
            self.lead.clear();
            self.written = 0;
        }
    }

    fn left(&self) -> usize {
        self.lead.len() - self.written + self.data.len() + self.tail.len()
    }

    fn poll_write(&self, cx: &mut Context<'_>, socket: &mut Socket) -> Poll<io::Result<usize>> {
        let lead = &self.lead[self.written..];
        if lead.len() == self.left() {
            // One piece, as nearly always: cheaper than a list of one.
            return Pin::new(socket).poll_write(cx, lead);
        }
        let parts = [IoSlice::new(lead), IoSlice::new(&self.data), IoSlice::new(self.tail)];
        Pin::new(socket).poll_write_vectored(cx, &parts)
    }

    fn advance(&mut self, n: usize) {
        self.begun = true;
        let lead = n.min(self.lead.len() - self.written);
        self.written += lead;
        let data = (n - lead).min(self.data.len());
        self.data.advance(data);
        self.tail = &self.tail[n - lead - data..];
    }
}

fn write_all(lead: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing into a Vec does not fail.
    let _ = lead.write_fmt(text);
}

fn has_use_for_a_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sending(method: Method, body: RequestBody) -> Sending {
        Sending::new(method, b"GET / HTTP/1.1\r\n".to_vec(), body, HeaderMap::new())
    }

    /// Everything that goes out, in writes of a few bytes.
    fn written(sending: &mut Sending, size: usize) -> String {
        let (mut out, mut cx) = (Vec::new(), Context::from_waker(std::task::Waker::noop()));
        while !sending.is_done() {
            assert_eq!(sending.poll_piece(&mut cx), Poll::Ready(Ok(())));
            let parts = [&sending.lead[sending.written..], &sending.data, sending.tail].concat();
            let n = size.min(parts.len());
            out.extend_from_slice(&parts[..n]);
            sending.advance(n);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn p04_a_request_says_where_its_body_ends() {
        for size in [1, 2, 7, 1000] {
            let mut empty = sending(Method::GET, RequestBody::Empty);
            assert_eq!(written(&mut empty, size), "GET / HTTP/1.1\r\n\r\n");
            let mut post = sending(Method::POST, RequestBody::Empty);
            assert_eq!(written(&mut post, size), "GET / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
            let mut whole = sending(Method::PUT, RequestBody::Whole("hello".into()));
            assert_eq!(
                written(&mut whole, size),
                "GET / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello"
            );
        }
    }

    #[test]
    fn p04_a_chunk_is_framed_by_its_length() {
        let mut sending = sending(Method::POST, RequestBody::Empty);
        sending.lead.clear();
        sending.framing = Framing::Chunked;
        sending.frame("0123456789ab".into()).unwrap();
        assert_eq!(written(&mut sending, 3), "c\r\n0123456789ab\r\n0\r\n\r\n");
        sending.end().unwrap();
        assert_eq!(written(&mut sending, 3), "0\r\n\r\n");
    }

    #[test]
    fn p04_a_body_is_as_long_as_was_said() {
        let mut sending = sending(Method::POST, RequestBody::Empty);
        for (said, given, fine) in [(3, "hi", false), (3, "hey", true), (3, "heyo", false)] {
            sending.framing = Framing::Sized(said);
            assert_eq!(sending.frame(given.into()).is_ok(), fine, "{given}");
        }
        sending.framing = Framing::Sized(1);
        assert_eq!(sending.end(), Err(Broken::Client));
    }

    #[test]
    fn p14_what_may_be_sent_again() {
        for (method, body, again) in [
            (Method::GET, RequestBody::Empty, true),
            (Method::DELETE, RequestBody::Empty, true),
            (Method::POST, RequestBody::Empty, false),
            (Method::PATCH, RequestBody::Empty, false),
            (Method::PUT, RequestBody::Whole("x".into()), false),
        ] {
            let mut sending = sending(method, body);
            assert!(sending.rewind(), "nothing has left us");
            sending.advance(1);
            assert_eq!(sending.rewind(), again, "{}", sending.method());
        }
        let mut sending = sending(Method::GET, RequestBody::Empty);
        let first = written(&mut sending, 5);
        assert!(sending.is_done() && sending.rewind());
        assert_eq!(written(&mut sending, 7), first);
    }
}
