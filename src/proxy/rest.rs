//! What is left of an upstream's body, and how it is taken out of the bytes that came. Pure.

use super::answer::Malformed;
use bytes::{Buf, Bytes, BytesMut};

/// A body, from its first byte to its end.
#[derive(Debug)]
pub(super) enum Rest {
    /// Of known length: what is left.
    Sized(u64),
    /// In chunks (RFC 9112 section 7.1).
    Chunked(Chunks),
    /// Until the connection closes; whether it has.
    UntilClose(bool),
}

/// Where in a chunked body the next byte stands.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    /// Bytes of chunk extensions so far: they say nothing to us and could go on for ever.
    extensions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At the line that gives a chunk's size.
    Size,
    /// In a chunk of which this many bytes are left, more than 0.
    Data(u64),
    /// At the line end after a chunk.
    DataEnd,
    /// After the last chunk.
    Trailers,
    /// After the end.
    Over,
}

/// What the bytes that are there amount to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Bytes of the body, never none.
    Data(Bytes),
    /// More must come first.
    More,
    /// The body is over.
    End,
}

impl Rest {
    /// A body of this length.
    pub(super) fn sized(length: u64) -> Rest {
        Rest::Sized(length)
    }

    /// A body in chunks.
    pub(super) fn chunked() -> Rest {
        Rest::Chunked(Chunks { at: At::Size, extensions: 0 })
    }

    /// A body that ends when the connection does.
    pub(super) fn until_close() -> Rest {
        Rest::UntilClose(false)
    }

    /// Whether the end can be told while the connection stays open.
    pub(super) fn has_own_end(&self) -> bool {
        !matches!(self, Rest::UntilClose(_))
    }

    /// Whether the end has been seen.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Rest::Sized(left) => *left == 0,
            Rest::Chunked(chunks) => chunks.at == At::Over,
            Rest::UntilClose(closed) => *closed,
        }
    }

    /// The length that is left, where it is known.
    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Rest::Sized(left) => Some(*left),
            _ if self.is_over() => Some(0),
            _ => None,
        }
    }

    /// Takes what belongs to the body off the front of the buffer. Trailers end here: they may
    /// carry what headers may not.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<Taken, Malformed> {
        if self.is_over() {
            return Ok(Taken::End);
        }
        match self {
            Rest::Chunked(chunks) => chunks.take(buffer),
            _ if buffer.is_empty() => Ok(Taken::More),
            Rest::Sized(left) => Ok(Taken::Data(take_up_to(buffer, left))),
            Rest::UntilClose(_) => Ok(Taken::Data(buffer.split().freeze())),
        }
    }

    /// The connection has ended. Only a body that ends so is whole then.
    pub(super) fn close(&mut self) -> Result<(), Malformed> {
        match self {
            Rest::UntilClose(closed) => *closed = true,
            _ => return Err(Malformed),
        }
        Ok(())
    }
}

/// As much as there is of a piece of which so much is left.
fn take_up_to(buffer: &mut BytesMut, left: &mut u64) -> Bytes {
    let length = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
    *left -= length as u64;
    buffer.split_to(length).freeze()
}

impl Chunks {
    fn take(&mut self, buffer: &mut BytesMut) -> Result<Taken, Malformed> {
        loop {
            let before = (self.at, buffer.len());
            match &mut self.at {
                At::Data(_) if buffer.is_empty() => {}
                At::Data(left) => {
                    let data = take_up_to(buffer, left);
                    if *left == 0 {
                        self.at = At::DataEnd;
                    }
                    return Ok(Taken::Data(data));
                }
                At::Size => self.size(buffer)?,
                At::DataEnd => self.data_end(buffer)?,
                At::Trailers => self.trailers(buffer)?,
                At::Over => return Ok(Taken::End),
            }
            if (self.at, buffer.len()) == before {
                return Ok(Taken::More);
            }
        }
    }

    fn size(&mut self, buffer: &mut BytesMut) -> Result<(), Malformed> {
        let Some(end) = memchr::memchr(b'\n', buffer) else {
            return if buffer.len() < MAX_SIZE_LINE { Ok(()) } else { Err(Malformed) };
        };
        if end >= MAX_SIZE_LINE {
            return Err(Malformed);
        }
        let line = buffer[..end].strip_suffix(b"\r").ok_or(Malformed)?;
        let (size, after) = hexadecimal(line).ok_or(Malformed)?;
        let blanks = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let named = after.get(blanks).is_none_or(|byte| *byte == b';');
        if !named || after.contains(&b'\r') {
            return Err(Malformed);
        }
        self.extensions += after.len();
        if self.extensions > MAX_EXTENSIONS {
            return Err(Malformed);
        }
        self.at = if size == 0 { At::Trailers } else { At::Data(size) };
        buffer.advance(end + 1);
        Ok(())
    }

    fn data_end(&mut self, buffer: &mut BytesMut) -> Result<(), Malformed> {
        let there = &buffer[..buffer.len().min(2)];
        if !b"\r\n".starts_with(there) {
            return Err(Malformed);
        }
        if there.len() == 2 {
            buffer.advance(2);
            self.at = At::Size;
        }
        Ok(())
    }

    /// Checked and thrown away.
    fn trailers(&mut self, buffer: &mut BytesMut) -> Result<(), Malformed> {
        let there = &buffer[..buffer.len().min(MAX_TRAILERS)];
        let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILER_FIELDS];
        match httparse::parse_headers(there, &mut fields).map_err(|_| Malformed)? {
            httparse::Status::Complete((length, _)) => {
                // The parser takes a bare line feed for a line end.
                let mut ends = memchr::memchr_iter(b'\n', &there[..length]);
                if ends.any(|end| end == 0 || there[end - 1] != b'\r') {
                    return Err(Malformed);
                }
                buffer.advance(length);
                self.at = At::Over;
                Ok(())
            }
            httparse::Status::Partial if there.len() < MAX_TRAILERS => Ok(()),
            httparse::Status::Partial => Err(Malformed),
        }
    }
}

/// The number at the front of a chunk's first line, and what stands after it.
fn hexadecimal(line: &[u8]) -> Option<(u64, &[u8])> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, after) = line.split_at(digits);
    let text = std::str::from_utf8(digits).ok()?;
    Some((u64::from_str_radix(text, 16).ok()?, after))
}

/// Bytes of the line that gives a chunk's size.
const MAX_SIZE_LINE: usize = 4 * 1024;

/// Bytes of all chunk extensions of one body.
const MAX_EXTENSIONS: usize = 16 * 1024;

/// Bytes of all trailers of one body.
const MAX_TRAILERS: usize = 16 * 1024;

/// Trailers of one body.
const MAX_TRAILER_FIELDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However the bytes arrive, the body is the same, or is refused.
        #[test]
        fn p11_any_split_gives_the_same_body(text in "([0-3]|a|;|x|:| |\r\n|\r|\n){0,40}") {
            let bytes = text.as_bytes();
            let whole = read(Rest::chunked(), &[bytes]);
            let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&read(Rest::chunked(), &one_by_one), &whole);
            let three_by_three: Vec<&[u8]> = bytes.chunks(3).collect();
            prop_assert_eq!(&read(Rest::chunked(), &three_by_three), &whole);
        }

        #[test]
        fn p11_what_is_framed_comes_out_again(
            chunks in proptest::collection::vec("[a-z\r\n0-9]{1,20}", 0..8),
            size in 1usize..9,
        ) {
            let mut framed = String::new();
            for chunk in &chunks {
                framed.push_str(&format!("{:X}\r\n{chunk}\r\n", chunk.len()));
            }
            framed.push_str("0\r\n\r\nnext");
            let pieces: Vec<&[u8]> = framed.as_bytes().chunks(size).collect();
            let (data, left, over) = read(Rest::chunked(), &pieces).unwrap();
            prop_assert_eq!(data, chunks.concat().into_bytes());
            prop_assert_eq!((&left[..], over), (&b"next"[..], true));
        }
    }

    /// Reads a body that arrives in pieces; says what of it was data and what was left over.
    fn read(mut rest: Rest, pieces: &[&[u8]]) -> Result<(Vec<u8>, Vec<u8>, bool), Malformed> {
        let (mut buffer, mut data) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Taken::Data(bytes) = rest.take(&mut buffer)? {
                assert!(!bytes.is_empty());
                data.extend_from_slice(&bytes);
            }
        }
        Ok((data, buffer.to_vec(), rest.is_over()))
    }

    fn chunked(text: &str) -> Result<(Vec<u8>, Vec<u8>, bool), Malformed> {
        let whole = read(Rest::chunked(), &[text.as_bytes()]);
        for split in 0..text.len() {
            let (a, b) = text.as_bytes().split_at(split);
            assert_eq!(read(Rest::chunked(), &[a, b]), whole, "{text:?} split at {split}");
        }
        whole
    }

    #[test]
    fn a_sized_body_ends_after_its_last_byte() {
        let (data, left, over) = read(Rest::sized(5), &[b"he", b"llo!"]).unwrap();
        assert_eq!((&data[..], &left[..], over), (&b"hello"[..], &b"!"[..], true));
        let (data, _, over) = read(Rest::sized(5), &[b"he"]).unwrap();
        assert_eq!((&data[..], over), (&b"he"[..], false));
        assert_eq!(Rest::sized(1).close(), Err(Malformed));
        assert_eq!(Rest::sized(u64::MAX).take(&mut "x".into()), Ok(Taken::Data("x".into())));
    }

    #[test]
    fn a_body_until_the_close_is_whole_when_the_connection_ends() {
        let mut rest = Rest::until_close();
        assert_eq!(rest.take(&mut "x".into()), Ok(Taken::Data("x".into())));
        assert_eq!(rest.take(&mut BytesMut::new()), Ok(Taken::More));
        assert_eq!((rest.close(), rest.is_over()), (Ok(()), true));
        assert_eq!(rest.length(), Some(0));
    }

    #[test]
    fn p11_chunks_are_data_and_trailers_are_nothing() {
        for text in [
            "5\r\nhello\r\n0\r\n\r\n+",
            "2\r\nhe\r\n003\r\nllo\r\n000\r\n\r\n+",
            "5 \t\r\nhello\r\n0;last\r\n\r\n+",
            "5;a=\"b;c\"\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n+",
            "5 ; a\r\nhello\r\n0\r\n\r\n+",
        ] {
            let (data, left, over) = chunked(text).unwrap();
            assert_eq!((&data[..], &left[..], over), (&b"hello"[..], &b"+"[..], true), "{text}");
        }
        assert_eq!(chunked("A\r\n0123456789\r\n0\r\n\r\n").unwrap().0.len(), 10);
    }

    #[test]
    fn p14_chunks_that_are_not_well_formed_are_refused() {
        for text in [
            "\r\n",
            "zz\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1\n",
            "1 1\r\n",
            "1\r\r\n",
            "1\u{c}\r\n",
            "1;a\rb\r\n",
            "1;a\n",
            "1\r\nab\r\n",
            "1\r\na\n",
            "1\r\na\r\r",
            "10000000000000000\r\n",
            "0\r\nbad field: x\r\n\r\n",
            "0\r\nX-A: 1\n\r\n",
            "0\r\n\n",
            "0\r\n folded\r\n\r\n",
        ] {
            assert_eq!(read(Rest::chunked(), &[text.as_bytes()]), Err(Malformed), "{text:?}");
        }
    }

    #[test]
    fn p14_chunks_that_end_early_have_no_end() {
        let mut rest = Rest::chunked();
        let mut buffer = BytesMut::from("2\r\nhi\r\n");
        assert_eq!(rest.take(&mut buffer), Ok(Taken::Data("hi".into())));
        assert_eq!(rest.take(&mut buffer), Ok(Taken::More));
        assert_eq!((rest.close(), rest.is_over()), (Err(Malformed), false));
    }

    #[test]
    fn the_line_of_a_size_may_be_as_long_as_its_limit() {
        for (length, fine) in
            [(MAX_SIZE_LINE - 1, true), (MAX_SIZE_LINE, true), (MAX_SIZE_LINE + 1, false)]
        {
            let line = format!("1;{}\r\n", "x".repeat(length - 4));
            assert_eq!(line.len(), length);
            assert_eq!(read(Rest::chunked(), &[line.as_bytes()]).is_ok(), fine, "{length}");
        }
        let endless = |length: usize| read(Rest::chunked(), &[&vec![b'1'; length]]).is_ok();
        assert!(endless(MAX_SIZE_LINE - 1) && !endless(MAX_SIZE_LINE));
    }

    #[test]
    fn all_extensions_of_a_body_have_one_limit() {
        let of = |length: usize| {
            let four = format!("1;{}\r\na\r\n", "x".repeat(MAX_EXTENSIONS / 8 - 1)).repeat(7);
            let last = format!("1;{}\r\n", "x".repeat(length - MAX_EXTENSIONS / 8 * 7 - 1));
            read(Rest::chunked(), &[four.as_bytes(), last.as_bytes()]).is_ok()
        };
        assert!(of(MAX_EXTENSIONS - 1) && of(MAX_EXTENSIONS) && !of(MAX_EXTENSIONS + 1));
    }

    #[test]
    fn trailers_have_their_limits() {
        for (length, fine) in
            [(MAX_TRAILERS - 1, true), (MAX_TRAILERS, true), (MAX_TRAILERS + 1, false)]
        {
            let trailers = format!("0\r\nA: {}\r\n\r\n", "x".repeat(length - 7));
            assert_eq!(read(Rest::chunked(), &[trailers.as_bytes()]).is_ok(), fine, "{length}");
        }
        for (count, fine) in [
            (MAX_TRAILER_FIELDS - 1, true),
            (MAX_TRAILER_FIELDS, true),
            (MAX_TRAILER_FIELDS + 1, false),
        ] {
            let trailers = format!("0\r\n{}\r\n", "A: 1\r\n".repeat(count));
            assert_eq!(read(Rest::chunked(), &[trailers.as_bytes()]).is_ok(), fine, "{count}");
        }
    }
}
