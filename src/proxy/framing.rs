//! Watches the raw bytes of an HTTP/1 connection for what the parser drops without a word: a
//! second statement on where a body ends, and a fragment in a target.
//!
//! hyper follows RFC 9112 section 6.3: where a head carries Transfer-Encoding, it drops every
//! Content-Length before anyone can see it. That is safe for hyper and a smuggling attempt for
//! whoever stands in front of it, so such a head is refused (400). The watcher only ever notices;
//! hyper alone decides where a message ends. Where the watcher loses track it goes blind and
//! notices nothing more, and hyper's own rule still holds.

use smallvec::SmallVec;

/// Bytes kept of a line that is split over two reads; a longer one makes the watcher blind only
/// if it is a framing line.
const MAX_LINE: usize = 256;

/// Follows one connection's requests.
#[derive(Debug, Default)]
pub(super) struct Framing {
    at: At,
    /// The beginning of a line that is not complete yet.
    partial: SmallVec<[u8; 64]>,
    head: Head,
    ambiguous: bool,
    fragment: bool,
}

/// Where in the stream of messages the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Before the first byte of a request.
    #[default]
    Start,
    /// In a head.
    Head,
    /// In a body of which this many bytes are left.
    Sized(u64),
    /// At the line that gives a chunk's size.
    ChunkSize,
    /// In a chunk (with the line end after it) of which this many bytes are left.
    Chunk(u64),
    /// In the trailers.
    Trailers,
    /// Lost track.
    Blind,
}

/// What the present head has said so far.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    length: Option<u64>,
    has_length: bool,
    has_coding: bool,
}

impl Framing {
    /// Looks at bytes that hyper is about to parse.
    pub(super) fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Blind => return,
                At::Sized(left) => self.skip(bytes, left, At::Start, At::Sized),
                At::Chunk(left) => self.skip(bytes, left, At::ChunkSize, At::Chunk),
                At::Start | At::Head | At::ChunkSize | At::Trailers => self.line(bytes),
            };
        }
    }

    /// What follows is no HTTP.
    pub(super) fn stop(&mut self) {
        self.at = At::Blind;
    }

    /// Whether some head had both Content-Length and Transfer-Encoding, or the first of them twice. It
    /// stays so: nothing more is believed on this connection.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Whether some target had a fragment, which is no part of a request (RFC 9112 section 3.2)
    /// and which the `http` crate cuts off. It stays so, likewise.
    pub(super) fn has_fragment(&self) -> bool {
        self.fragment
    }

    /// Whether a head has begun and is not complete.
    pub(super) fn in_head(&self) -> bool {
        self.at == At::Head || self.at == At::Start && !self.partial.is_empty()
    }

    fn skip<'a>(
        &mut self,
        bytes: &'a [u8],
        left: u64,
        done: At,
        more: impl Fn(u64) -> At,
    ) -> &'a [u8] {
        let there = bytes.len() as u64;
        if there < left {
            self.at = more(left - there);
            return &[];
        }
        self.at = done;
        &bytes[usize::try_from(left).unwrap_or(bytes.len())..]
    }

    fn line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = memchr::memchr(b'\n', bytes);
        if self.at == At::Start {
            let line = &bytes[..end.unwrap_or(bytes.len())];
            self.fragment |= memchr::memchr(b'#', line).is_some();
        }
        let Some(end) = end else {
            let room = MAX_LINE - self.partial.len();
            self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return &[];
        };
        if self.partial.is_empty() {
            self.whole_line(&bytes[..end]);
        } else {
            let mut line = std::mem::take(&mut self.partial);
            let room = MAX_LINE - line.len();
            line.extend_from_slice(&bytes[..end.min(room)]);
            self.whole_line(&line);
        }
        &bytes[end + 1..]
    }

    fn whole_line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.at = match self.at {
            At::Start if line.is_empty() => At::Start,
            At::Start => {
                self.head = Head::default();
                At::Head
            }
            At::Head if line.is_empty() => self.end_of_head(),
            At::Head => {
                self.field(line);
                At::Head
            }
            At::ChunkSize => chunk(line),
            At::Trailers if line.is_empty() => At::Start,
            other => other,
        };
    }

    fn field(&mut self, line: &[u8]) {
        if let Some(value) = value_of(line, b"content-length:") {
            // hyper makes one of two that agree (RFC 9110 section 8.6 lets it), and not everybody
            // who reads them does.
            self.ambiguous |= self.head.has_length;
            self.head.has_length = true;
            self.head.length = number(value, 10);
        } else if value_of(line, b"transfer-encoding:").is_some() {
            self.head.has_coding = true;
        }
    }

    fn end_of_head(&mut self) -> At {
        let head = self.head;
        self.ambiguous |= head.has_length && head.has_coding;
        match (head.has_coding, head.has_length, head.length) {
            (true, ..) => At::ChunkSize,
            (false, true, Some(0)) | (false, false, _) => At::Start,
            (false, true, Some(length)) => At::Sized(length),
            (false, true, None) => At::Blind,
        }
    }
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

fn chunk(line: &[u8]) -> At {
    let size = line.split(|byte| *byte == b';').next().unwrap_or(line);
    match number(size, 16) {
        Some(0) => At::Trailers,
        // The line end after the data belongs to it.
        Some(size) => size.checked_add(2).map_or(At::Blind, At::Chunk),
        None => At::Blind,
    }
}

fn number(text: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\
                        Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                           13\r\n\r\nContent-Length: 9\r\n0\r\nTrailer: x\r\n\r\n";
    const SIZED: &str = "POST / HTTP/1.1\r\nContent-Length: 26\r\n\r\nTransfer-Encoding: chunked";
    const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// The verdict, and where the watcher stands, for every way to split the stream in two.
    #[track_caller]
    fn see(stream: &str, ambiguous: bool, at: At) {
        for split in 0..=stream.len() {
            let mut framing = Framing::default();
            framing.see(&stream.as_bytes()[..split]);
            framing.see(&stream.as_bytes()[split..]);
            assert_eq!((framing.ambiguous, framing.at), (ambiguous, at), "split at {split}");
        }
    }

    #[test]
    fn p04_both_lengths_are_seen_in_either_order_and_any_case() {
        see(BOTH, true, At::Start);
        see(&BOTH.to_uppercase(), true, At::Start);
        let other = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n";
        see(other, true, At::ChunkSize);
        let twice = "POST / HTTP/1.1\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\nabc";
        see(twice, true, At::Start);
    }

    #[test]
    fn p04_bodies_and_trailers_are_no_heads() {
        see(&format!("{CHUNKED}{SIZED}{PLAIN}"), false, At::Start);
        see(&format!("{CHUNKED}{SIZED}{PLAIN}{BOTH}"), true, At::Start);
    }

    #[test]
    fn p01_a_fragment_is_seen_in_a_request_line_and_nowhere_else() {
        for (stream, seen) in [
            ("GET /a#b HTTP/1.1\r\n\r\n", true),
            ("GET /a HTTP/1.1\r\nX: #\r\n\r\n", false),
            ("GET /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n#", false),
        ] {
            for split in 0..=stream.len() {
                let mut framing = Framing::default();
                framing.see(&stream.as_bytes()[..split]);
                framing.see(&stream.as_bytes()[split..]);
                assert_eq!(framing.has_fragment(), seen, "{stream} split at {split}");
            }
        }
    }

    #[test]
    fn lines_are_kept_up_to_the_limit() {
        for (pad, seen) in [(MAX_LINE - 1, true), (MAX_LINE, true), (MAX_LINE + 1, true)] {
            let name = "Content-Length: ";
            let line = format!("{name}{}", "0".repeat(pad - name.len()));
            let stream = format!("POST / HTTP/1.1\r\n{line}\r\nTransfer-Encoding: chunked\r\n\r\n");
            see(&stream, seen, At::ChunkSize);
        }
    }

    #[test]
    fn a_head_that_has_begun_is_known() {
        let mut framing = Framing::default();
        assert!(!framing.in_head());
        framing.see(b"G");
        assert!(framing.in_head());
        framing.see(b"ET / HTTP/1.1\r\nHost");
        assert!(framing.in_head());
        framing.see(b": a\r\n\r\n");
        assert!(!framing.in_head());
    }

    #[test]
    fn nonsense_makes_it_blind() {
        see("POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", false, At::Blind);
        see("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, At::Blind);
    }
}
