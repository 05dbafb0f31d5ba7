//! The few loops over bytes that the speed of the filter hangs on.

use super::fault::Fault;
use wide::u8x16;

/// A piece of the input: text that is known to be whole UTF-8 characters, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Offset of the first of them in the whole input.
    pub base: u64,
}

/// How far a number has been read (RFC 8259 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digits {
    /// Nothing yet.
    Start,
    /// After the minus sign.
    Minus,
    /// After a leading zero.
    Zero,
    /// In the digits of the whole part.
    Whole,
    /// After the decimal point.
    Point,
    /// In the digits of the fraction.
    Fraction,
    /// After `e` or `E`.
    E,
    /// After the exponent's sign.
    Sign,
    /// In the digits of the exponent.
    Exponent,
}

impl<'a> Input<'a> {
    /// A part of this piece.
    pub fn part(self, from: usize, to: usize) -> Input<'a> {
        Input { bytes: &self.bytes[from..to], base: self.offset(from) }
    }

    /// The offset of a position, in the whole input.
    pub fn offset(&self, pos: usize) -> u64 {
        self.base + pos as u64
    }

    /// A byte that the grammar does not allow.
    #[cold]
    pub fn grammar(&self, pos: usize) -> Fault {
        Fault::Grammar { offset: self.offset(pos) }
    }
}

impl Digits {
    /// Whether what was read is a number as it stands.
    pub fn is_whole_number_text(self) -> bool {
        matches!(self, Digits::Zero | Digits::Whole | Digits::Fraction | Digits::Exponent)
    }

    /// Whether more digits change nothing.
    fn takes_digits(self) -> bool {
        matches!(self, Digits::Whole | Digits::Fraction | Digits::Exponent)
    }

    #[inline(always)]
    fn after(self, byte: u8) -> Option<Digits> {
        Some(match (self, byte) {
            (Digits::Start, b'-') => Digits::Minus,
            (Digits::Start | Digits::Minus, b'0') => Digits::Zero,
            (Digits::Start | Digits::Minus, b'1'..=b'9') => Digits::Whole,
            (Digits::Whole, b'0'..=b'9') => Digits::Whole,
            (Digits::Zero | Digits::Whole, b'.') => Digits::Point,
            (Digits::Point | Digits::Fraction, b'0'..=b'9') => Digits::Fraction,
            (Digits::Zero | Digits::Whole | Digits::Fraction, b'e' | b'E') => Digits::E,
            (Digits::E, b'+' | b'-') => Digits::Sign,
            (Digits::E | Digits::Sign | Digits::Exponent, b'0'..=b'9') => Digits::Exponent,
            _ => return None,
        })
    }
}

/// The first byte at or after `pos` that is not the plain inside of a string: a quote, a
/// backslash or a control character; the length if there is none.
#[inline(always)]
pub(super) fn plain(bytes: &[u8], pos: usize) -> usize {
    skip(bytes, pos, |byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f), specials)
}

/// The bytes of a block that are not the plain inside of a string.
#[inline(always)]
pub(super) fn specials(block: u8x16) -> u8x16 {
    // A control character is less than a quote, and with this bit turned nothing is between them.
    let turned = block ^ u8x16::splat(0x02);
    let quote_or_control = turned.min(u8x16::splat(b'"' ^ 0x02)).simd_eq(turned);
    block.simd_eq(u8x16::splat(b'\\')) | quote_or_control
}

/// The first byte at or after `pos` that is no decimal digit; the length if there is none.
#[inline(always)]
pub(super) fn digits(bytes: &[u8], pos: usize) -> usize {
    skip(bytes, pos, |byte| byte.is_ascii_digit(), others_than_digits)
}

/// The bytes of a block that are no decimal digits, as bits.
#[inline(always)]
pub(super) fn non_digits(block: &[u8; BLOCK]) -> u32 {
    others_than_digits(u8x16::new(*block)).to_bitmask()
}

#[inline(always)]
fn others_than_digits(block: u8x16) -> u8x16 {
    let digits = block - u8x16::splat(b'0');
    !digits.min(u8x16::splat(9)).simd_eq(digits)
}

/// The first byte at or after `pos` that is not white space. Most often that is the one at `pos`.
#[inline(always)]
pub(super) fn space(bytes: &[u8], pos: usize) -> usize {
    match bytes.get(pos) {
        Some(b' ') if bytes.get(pos + 1).is_some_and(|byte| *byte > b' ') => pos + 1,
        Some(0..=b' ') => spaces(bytes, pos),
        _ => pos,
    }
}

#[inline(never)]
fn spaces(bytes: &[u8], pos: usize) -> usize {
    skip(
        bytes,
        pos,
        |byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'),
        |block| {
            let [blank, feed, back, tab] =
                [b' ', b'\n', b'\r', b'\t'].map(|space| block.simd_eq(u8x16::splat(space)));
            !(blank | feed | back | tab)
        },
    )
}

/// The first byte at or after `pos` that does not `pass`; the length if there is none. Sixteen at
/// a time, where `stops` marks those that do not: a token's length is then no branch that a
/// processor could guess wrong, unless it is longer.
#[inline(always)]
fn skip(
    bytes: &[u8],
    mut pos: usize,
    pass: impl Fn(u8) -> bool,
    stops: impl Fn(u8x16) -> u8x16,
) -> usize {
    let mut rest = bytes.get(pos..).unwrap_or_default();
    while let Some((block, behind)) = rest.split_first_chunk::<BLOCK>() {
        let marks = stops(u8x16::new(*block)).to_bitmask();
        if marks != 0 {
            return bytes.len() - rest.len() + marks.trailing_zeros() as usize;
        }
        rest = behind;
    }
    pos = bytes.len() - rest.len();
    while bytes.get(pos).is_some_and(|byte| pass(*byte)) {
        pos += 1;
    }
    pos
}

/// Reads on in a number: the first position that does not belong to it, and how far it got.
#[inline(always)]
pub(super) fn number(bytes: &[u8], mut pos: usize, mut read: Digits) -> (usize, Digits) {
    while let Some(next) = bytes.get(pos).and_then(|byte| read.after(*byte)) {
        read = next;
        pos += 1;
        if read.takes_digits() {
            pos = digits(bytes, pos);
        }
    }
    (pos, read)
}

/// The value of a hexadecimal digit.
pub(super) fn hex(byte: u8) -> Option<u16> {
    char::from(byte).to_digit(16).map(|digit| digit as u16)
}

/// Whether the text of a number stands for a whole number (JSON Schema 2020-12, `integer`:
/// "any number with a zero fractional part"): `1`, `1.0`, `15e1` and `1.5e1`, not `1.5` or `15e-1`.
pub(super) fn is_integral(number: &[u8]) -> bool {
    let number = number.strip_prefix(b"-").unwrap_or(number);
    let (mantissa, exponent) = match number.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&number[..at], exponent(&number[at + 1..])),
        None => (number, 0),
    };
    let digits = mantissa.iter().filter(|byte| byte.is_ascii_digit());
    let zeros = digits.clone().rev().take_while(|byte| **byte == b'0').count();
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let fraction = mantissa.len().saturating_sub(point + 1);
    zeros == digits.count() || exponent.saturating_add(zeros as i64) >= fraction as i64
}

/// An exponent; one too large to matter is as good as the largest.
fn exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let size = digits
        .iter()
        .fold(0i64, |sum, byte| sum.saturating_mul(10).saturating_add((byte - b'0').into()));
    if negative { -size } else { size }
}

/// Bytes that are looked at in one go.
pub(super) const BLOCK: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_stops_at_the_first_special_byte_wherever_it_stands() {
        for special in (0u8..0x20).chain([b'"', b'\\']) {
            for length in 0..40 {
                for at in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = special;
                    // What follows the first must not matter, whatever borrows it causes.
                    bytes[at + 1..].fill(0x01);
                    assert_eq!(plain(&bytes, 0), at, "{special:#x} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn plain_passes_every_other_byte() {
        for byte in (0x20u8..=0xff).filter(|byte| !matches!(byte, b'"' | b'\\')) {
            for length in 0..20 {
                assert_eq!(plain(&vec![byte; length], 0), length, "{byte:#x}");
            }
        }
    }

    #[test]
    fn digits_and_white_space_end_where_they_end() {
        let digit = |byte: u8| byte.is_ascii_digit();
        let white = |byte: u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        for length in 0..40 {
            for byte in 0u8..=0xff {
                for at in [0, length / 2, length].into_iter().filter(|at| *at < length) {
                    let mut bytes = vec![b'7'; length];
                    bytes[at] = byte;
                    let end = if digit(byte) { length } else { at };
                    assert_eq!(digits(&bytes, 0), end, "{byte:#x} at {at} of {length}");
                    bytes.fill(b'\n');
                    bytes[at] = byte;
                    let end = if white(byte) { length } else { at };
                    assert_eq!(space(&bytes, 0), end, "{byte:#x} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn numbers_are_read_as_the_rfc_says() {
        let whole = |text: &str| {
            let (end, read) = number(text.as_bytes(), 0, Digits::Start);
            end == text.len() && read.is_whole_number_text()
        };
        for good in ["0", "-0", "1", "10", "-1.5", "0.0", "1e5", "1E+5", "1.25e-10", "0e0"] {
            assert!(whole(good), "{good}");
        }
        for bad in
            ["", "-", "01", "1.", ".5", "+1", "1e", "1e+", "--1", "1.e5", "0x1", "1_0", "-01"]
        {
            assert!(!whole(bad), "{bad}");
        }
    }

    #[test]
    fn a_number_is_integral_by_its_value_not_its_spelling() {
        for yes in ["0", "-7", "1.0", "1.000", "1e2", "1.5e1", "15e-0", "0.0e-9", "100e-2", "1e999"]
        {
            assert!(is_integral(yes.as_bytes()), "{yes}");
        }
        let long = format!("1e{}", "9".repeat(40));
        assert!(is_integral(long.as_bytes()));
        let small = format!("1e-{}", "9".repeat(40));
        assert!(!is_integral(small.as_bytes()));
        for no in ["1.5", "0.1", "15e-1", "1.25e1", "100e-3", "-0.5"] {
            assert!(!is_integral(no.as_bytes()), "{no}");
        }
    }
}
