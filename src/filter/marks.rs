//! Where strings end, looked up instead of searched for.
//!
//! Whoever searches the end of each string in turn cannot begin the next search before the last is
//! done. Here 64 bytes are looked at together, many times in a row, and each time a word says where
//! in them something else than the plain inside of a string is. None of these words waits for
//! another, and from them the end of a string is a few shifts away (after simdjson: Langdale and
//! Lemire, "Parsing Gigabytes of JSON per Second", section 3.1; but nothing here depends on what
//! came before, so it can begin and end anywhere).

use super::scan::{BLOCK, plain, specials};
use std::num::NonZero;
use wide::u8x16;

/// How many bytes on the next word begins: a window that is empty says of so many that they are no
/// marks.
const STEP: usize = 2 * BLOCK;

/// How many words there are at most.
const WORDS: usize = 64;

/// The marks of a piece of text: its quotes, backslashes and control characters.
#[derive(Clone, Debug)]
pub(super) struct Marks<'a> {
    bytes: &'a [u8],
    /// For each step from `base` on the marks of 64 bytes, so that a window needs one word only.
    words: [u64; WORDS],
    base: usize,
    /// How many bytes from `base` on a window can begin at.
    reach: usize,
    /// How many words are made next: who needs few is not made to pay for many.
    next: usize,
}

impl<'a> Marks<'a> {
    /// The marks of these bytes. None is made yet.
    pub fn new(bytes: &'a [u8]) -> Marks<'a> {
        Marks { bytes, words: [0; _], base: 0, reach: 0, next: 4 }
    }

    /// The first marks from `pos` on, `pos` in the lowest bit: those of 33 bytes at least, of 64 at
    /// most.
    #[inline(always)]
    pub fn window(&mut self, pos: usize) -> u64 {
        let at = pos.wrapping_sub(self.base);
        if at >= self.reach {
            return self.make(pos);
        }
        self.words[at / STEP % WORDS] >> (at % STEP)
    }

    /// The first mark at or after `pos`; the length of the bytes if there is none.
    #[inline(always)]
    pub fn first(&mut self, pos: usize) -> usize {
        match NonZero::new(self.window(pos)) {
            Some(window) => pos + window.trailing_zeros() as usize,
            None => plain(self.bytes, pos + STEP),
        }
    }

    /// Makes the words from `pos` on, and gives the first.
    #[cold]
    #[inline(never)]
    fn make(&mut self, pos: usize) -> u64 {
        (self.base, self.reach) = (pos, STEP * self.next);
        let rest = self.bytes.get(pos..).unwrap_or_default();
        let (steps, end) = rest.as_chunks();
        let mut steps = steps.iter();
        let mut end = Some(end);
        let mut next = || match (steps.next(), end.take()) {
            (Some(step), last) => {
                end = last;
                marks(step)
            }
            (None, Some(last)) => marks(&padded(last)),
            (None, None) => 0,
        };
        let mut low = next();
        for word in &mut self.words[..self.next] {
            let high = next();
            *word = low | high << STEP;
            low = high;
        }
        self.next = (2 * self.next).min(WORDS);
        self.words[0]
    }
}

/// A step that is not full, filled up with what is no mark.
fn padded(bytes: &[u8]) -> [u8; STEP] {
    let mut block = [b' '; STEP];
    block[..bytes.len()].copy_from_slice(bytes);
    block
}

/// The marks of a step, as bits.
#[inline(always)]
fn marks(step: &[u8; STEP]) -> u64 {
    let (parts, _) = step.as_chunks::<BLOCK>();
    let bits = |part: &[u8; BLOCK]| u64::from(specials(u8x16::new(*part)).to_bitmask());
    parts.iter().rev().fold(0, |marks, part| marks << BLOCK | bits(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text with a mark now and then, and everything that is none.
    fn text(length: usize, every: usize) -> Vec<u8> {
        let marks = *b"\"\\\0\n\x1f";
        let plain = |at: usize| if at.is_multiple_of(3) { b' ' } else { 0x23 + (at % 0xb0) as u8 };
        let byte = |at: usize| match at % every {
            0 => marks[at / every % marks.len()],
            _ => Some(plain(at)).filter(|byte| *byte != b'\\').unwrap_or(0x7f),
        };
        (1..=length).map(byte).collect()
    }

    fn check(bytes: &[u8], positions: impl Iterator<Item = usize>) {
        let mut marks = Marks::new(bytes);
        for pos in positions {
            let window = marks.window(pos);
            let first = plain(bytes, pos.min(bytes.len())) - pos.min(bytes.len());
            assert_eq!(marks.first(pos), plain(bytes, pos), "{pos}");
            match window {
                0 => assert!(first > STEP || pos + first >= bytes.len(), "{pos}"),
                _ => assert_eq!(window.trailing_zeros() as usize, first, "{pos}"),
            }
            for bit in 0..u64::BITS as usize {
                if window >> bit & 1 == 1 {
                    assert!(matches!(bytes[pos + bit], b'"' | b'\\' | 0..=0x1f), "{pos} {bit}");
                }
            }
        }
    }

    #[test]
    fn a_window_begins_with_the_first_mark() {
        for length in [0, 1, 31, 32, 33, 63, 64, 65, 200, 5000] {
            for every in [1, 2, 7, 31, 33, 64, 100] {
                let bytes = text(length, every);
                check(&bytes, 0..length + 3);
                check(&bytes, (0..length).step_by(97));
                check(&bytes, (0..length).rev().step_by(13));
            }
        }
    }
}
