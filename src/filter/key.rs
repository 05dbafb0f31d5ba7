//! A key, decoded, over any number of chunks.

use super::fault::Fault;
use super::scan::{Input, hex, plain};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Plain,
    Escape,
    /// Digits still missing, and the value of those read.
    Hex(u8, u16),
}

/// Decodes one key. Half a surrogate pair is kept as the three bytes that UTF-8 would give it if
/// it could: such a key equals no name, because names are UTF-8, and no other key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    bytes: Vec<u8>,
    limit: usize,
    inside: Inside,
    /// A high surrogate that waits for its low one.
    high: Option<u16>,
}

impl Key {
    /// A decoder for keys of at most `limit` bytes.
    pub fn new(limit: usize) -> Key {
        Key { bytes: Vec::new(), limit, inside: Inside::Plain, high: None }
    }

    /// A key begins.
    pub fn start(&mut self) {
        self.bytes.clear();
        self.inside = Inside::Plain;
        self.high = None;
    }

    /// The buffer of the decoded key, to lend it out.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The most bytes that a key may have.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Reads on. `Some` is the position after the closing quote, `None` wants more input.
    pub fn read(&mut self, input: Input<'_>, mut pos: usize) -> Result<Option<usize>, Fault> {
        while let Some(&byte) = input.bytes.get(pos) {
            match (self.inside, byte) {
                (Inside::Plain, b'"') => {
                    self.settle();
                    return if self.fits() {
                        Ok(Some(pos + 1))
                    } else {
                        Err(self.too_long(input, pos))
                    };
                }
                (Inside::Plain, b'\\') => self.inside = Inside::Escape,
                (Inside::Plain, 0..=0x1f) => return Err(input.grammar(pos)),
                (Inside::Plain, _) => {
                    let end = plain(input.bytes, pos);
                    self.settle();
                    self.bytes.extend_from_slice(&input.bytes[pos..end]);
                    pos = end - 1;
                }
                (Inside::Escape, b'u') => self.inside = Inside::Hex(4, 0),
                (Inside::Escape, _) => {
                    let meant = short_escape(byte).ok_or_else(|| input.grammar(pos))?;
                    self.settle();
                    self.bytes.push(meant);
                    self.inside = Inside::Plain;
                }
                (Inside::Hex(left, value), _) => {
                    let digit = hex(byte).ok_or_else(|| input.grammar(pos))?;
                    self.hex(left - 1, value << 4 | digit);
                }
            }
            pos += 1;
            if !self.fits() {
                return Err(self.too_long(input, pos));
            }
        }
        Ok(None)
    }

    fn hex(&mut self, left: u8, value: u16) {
        if left > 0 {
            self.inside = Inside::Hex(left, value);
            return;
        }
        self.inside = Inside::Plain;
        match (self.high.take(), value) {
            (Some(high), 0xdc00..=0xdfff) => {
                let pair =
                    0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(value) - 0xdc00);
                self.push(pair);
            }
            (before, _) => {
                self.high = before;
                self.settle();
                match value {
                    0xd800..=0xdbff => self.high = Some(value),
                    _ => self.push(value.into()),
                }
            }
        }
    }

    /// A high surrogate whose partner did not come stands alone.
    fn settle(&mut self) {
        if let Some(high) = self.high.take() {
            self.push(high.into());
        }
    }

    fn push(&mut self, point: u32) {
        match char::from_u32(point) {
            Some(character) => {
                self.bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            None => {
                let low = |shift: u32| 0x80 | (point >> shift & 0x3f) as u8;
                self.bytes.extend_from_slice(&[0xe0 | (point >> 12) as u8, low(6), low(0)]);
            }
        }
    }

    fn fits(&self) -> bool {
        self.bytes.len() <= self.limit
    }

    #[cold]
    fn too_long(&self, input: Input<'_>, pos: usize) -> Fault {
        Fault::KeyTooLong { offset: input.offset(pos) }
    }
}

/// What the letter after a backslash stands for (RFC 8259 section 7).
fn short_escape(letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' | b'/' => letter,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str, limit: usize) -> Result<Vec<u8>, Fault> {
        let mut whole = None;
        for cut in 0..=text.len() {
            let mut key = Key::new(limit);
            key.start();
            let (left, right) = text.as_bytes().split_at(cut);
            let mut read = key.read(Input { bytes: left, base: 0 }, 0);
            if read == Ok(None) {
                read = key.read(Input { bytes: right, base: cut as u64 }, 0);
            }
            let now = read.map(|_| key.bytes_mut().to_vec());
            let is_error = |result: &Result<_, Fault>| result.is_err();
            if let Some(before) = &whole {
                assert!(
                    *before == now || (is_error(before) && is_error(&now)),
                    "{text} cut at {cut}"
                );
            }
            whole = Some(now);
        }
        whole.unwrap()
    }

    #[test]
    fn escapes_are_decoded_wherever_the_chunk_ends() {
        let is = |text, meant: &str| assert_eq!(decode(text, 64).unwrap(), meant.as_bytes());
        is(r#"ssn""#, "ssn");
        is(r#"s\u0073n""#, "ssn");
        is(r#"\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t");
        is(r#"\u00e9\u20AC\ud83d\ude00é""#, "é€😀é");
        is(r#"\u0000""#, "\0");
    }

    #[test]
    fn half_a_surrogate_pair_equals_no_text() {
        for text in [r#"\ud800""#, r#"a\udc00b""#, r#"\ud800\ud800\udc00""#, r#"\ud800x""#] {
            let bytes = decode(text, 64).unwrap();
            assert!(std::str::from_utf8(&bytes).is_err(), "{text}");
        }
    }

    #[test]
    fn halves_of_surrogate_pairs_are_told_apart() {
        for (text, bytes) in [
            (r#"\ud800""#, b"\xed\xa0\x80"),
            (r#"\udbff""#, b"\xed\xaf\xbf"),
            (r#"\udc00""#, b"\xed\xb0\x80"),
            (r#"\udfff""#, b"\xed\xbf\xbf"),
        ] {
            assert_eq!(decode(text, 64).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn bad_escapes_and_control_characters_are_faults() {
        for text in [r#"\x""#, r#"\u00g0""#, "\u{1}\"", "a\n\"", r#"\ "#] {
            assert!(decode(text, 64).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_limit_counts_decoded_bytes() {
        for (text, fits) in [(r#"abc""#, true), (r#"abcd""#, true), (r#"abcde""#, false)] {
            assert_eq!(decode(text, 4).is_ok(), fits, "{text}");
        }
        assert!(decode(r#"\u0061\u0062\u0063\u0064""#, 4).is_ok());
        assert!(decode(r#"\ud83d\ude00""#, 4).is_ok());
        assert!(decode(r#"a\ud83d\ude00""#, 4).is_err());
        assert!(decode(r#"ab\ud83d""#, 4).is_err());
    }
}
