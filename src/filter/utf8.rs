//! UTF-8 over chunks: what is handed on is whole characters.

use super::fault::Fault;

/// The beginning of a character whose end is in a later chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut {
    bytes: [u8; 4],
    len: usize,
}

/// The leading part of a chunk that is UTF-8, and the first fault after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Checked<'a> {
    /// Whole characters.
    pub text: &'a [u8],
    /// Where (from the chunk's start) something is no UTF-8, if anything is.
    pub bad: Option<usize>,
}

/// Checks a whole input: UTF-8 without a byte order mark.
pub(super) fn whole(input: &[u8]) -> Result<(), Fault> {
    if input.starts_with(BOM) {
        return Err(Fault::Bom);
    }
    text(input)
}

/// Checks a part of an input: UTF-8.
pub(super) fn text(input: &[u8]) -> Result<(), Fault> {
    match simdutf8::compat::from_utf8(input) {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::Utf8 { offset: error.valid_up_to() as u64 }),
    }
}

/// The byte order mark of UTF-8.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

impl Cut {
    /// Whether the last chunk ended inside a character.
    pub fn is_open(&self) -> bool {
        self.len > 0
    }

    /// How many bytes of the character have been seen.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Moves bytes from the front of `chunk` until the character is whole (then it is returned) or
    /// cannot become one; `offset` is where the character began. `None` wants more.
    pub fn complete(
        &mut self,
        chunk: &mut &[u8],
        offset: u64,
    ) -> Result<Option<([u8; 4], usize)>, Fault> {
        while let [first, rest @ ..] = *chunk {
            self.bytes[self.len] = *first;
            self.len += 1;
            *chunk = rest;
            match std::str::from_utf8(&self.bytes[..self.len]) {
                Ok(_) => return Ok(Some((self.bytes, std::mem::take(&mut self.len)))),
                Err(error) if error.error_len().is_some() => return Err(Fault::Utf8 { offset }),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Checks a chunk; a character that its end cuts is remembered, not returned.
    pub fn check<'a>(&mut self, chunk: &'a [u8]) -> Checked<'a> {
        let Err(error) = simdutf8::compat::from_utf8(chunk) else {
            return Checked { text: chunk, bad: None };
        };
        let (text, rest) = chunk.split_at(error.valid_up_to());
        if error.error_len().is_some() {
            return Checked { text, bad: Some(text.len()) };
        }
        self.bytes[..rest.len()].copy_from_slice(rest);
        self.len = rest.len();
        Checked { text, bad: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_character_is_whole_again_and_a_bad_one_is_a_fault() {
        for text in ["é", "€", "😀", "\u{feff}"] {
            for at in 1..text.len() {
                let (left, mut right) = text.as_bytes().split_at(at);
                let mut cut = Cut::default();
                assert_eq!(cut.check(left), Checked { text: b"", bad: None });
                assert!(cut.is_open());
                let (bytes, len) = cut.complete(&mut right, 0).unwrap().unwrap();
                assert_eq!(&bytes[..len], text.as_bytes());
                let mut wrong: &[u8] = b"a";
                let mut cut = Cut::default();
                cut.check(left);
                assert_eq!(cut.complete(&mut wrong, 7), Err(Fault::Utf8 { offset: 7 }));
            }
        }
    }

    #[test]
    fn overlong_surrogate_and_stray_bytes_are_bad() {
        for bad in [&b"a\xc0\xaf"[..], b"a\xed\xa0\x80", b"a\x80", b"a\xff", b"a\xf5\x80\x80\x80"] {
            assert_eq!(Cut::default().check(bad), Checked { text: b"a", bad: Some(1) }, "{bad:?}");
        }
    }
}
