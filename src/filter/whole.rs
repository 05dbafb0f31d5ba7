//! Tokens that are whole in the bytes at hand.
//!
//! Almost every token is, and then it needs no state. These functions know only what is right:
//! `None` says that a token goes on behind the bytes, or is none, and a reader that keeps its state
//! ([`super::blind`], [`super::key`]) begins it again and says which.

use super::marks::Marks;
use super::scan::{BLOCK, digits, hex, non_digits, plain, space};
use std::num::NonZero;

/// The end of the string, number or word that begins at `pos` with `first`.
#[inline(always)]
pub(super) fn scalar(bytes: &[u8], pos: usize, first: u8) -> Option<usize> {
    match first {
        b'"' => text(bytes, pos + 1),
        b'-' | b'0'..=b'9' => number(bytes, pos, first),
        b't' => word(bytes, pos, b"true"),
        b'f' => word(bytes, pos, b"false"),
        b'n' => word(bytes, pos, b"null"),
        _ => None,
    }
}

/// Where the value begins whose key begins with the quote at `pos`.
#[inline(always)]
pub(super) fn member(bytes: &[u8], pos: usize, marks: &mut Marks<'_>) -> Option<usize> {
    let end = string(bytes, pos + 1, marks)?;
    let colon = space(bytes, end);
    (bytes.get(colon) == Some(&b':')).then_some(colon + 1)
}

/// A member behind a comma: its key and the first token of its value.
pub(super) struct Short<'a> {
    /// The key, which needs no decoding.
    pub key: &'a [u8],
    /// Where the value begins.
    pub value: usize,
    /// The value's first byte.
    pub first: u8,
    /// The end of the value, if it is a string.
    pub end: Option<usize>,
}

/// Most members: behind `lead`, a comma and a quote, a short key without an escape and the value
/// right behind. If that is a short string, one look says where both end.
#[inline(always)]
pub(super) fn short_member<'a>(
    bytes: &'a [u8],
    pos: usize,
    lead: [u8; 2],
    marks: &mut Marks<'_>,
) -> Option<Short<'a>> {
    let (begin, rest) = bytes.get(pos..)?.split_first_chunk()?;
    if *begin != lead {
        return None;
    }
    let ends = marks.window(pos + lead.len());
    let length = NonZero::new(ends)?.trailing_zeros() as usize;
    let [quote, colon, first] = *rest.get(length..length + 3)?.first_chunk()?;
    if [quote, colon] != *b"\":" || first <= b' ' {
        return None;
    }
    // The value's own quote is the second mark, and its end the third.
    let ends = ends & (ends - 1);
    let ends = ends & ends.wrapping_sub(1);
    let end = NonZero::new(ends).map_or(0, |ends| ends.trailing_zeros() as usize);
    let whole = first == b'"' && ends != 0 && rest.get(end) == Some(&b'"');
    let value = pos + length + 4;
    Some(Short { key: &rest[..length], value, first, end: whole.then_some(pos + end + 3) })
}

/// The end of a string, from its first byte, with the marks of these bytes.
#[inline(always)]
pub(super) fn string(bytes: &[u8], pos: usize, marks: &mut Marks<'_>) -> Option<usize> {
    let end = marks.first(pos);
    match bytes.get(end)? {
        b'"' => Some(end + 1),
        _ => text_with_escapes(bytes, end),
    }
}

/// The end of a string, from a place inside of it.
#[inline(never)]
pub(super) fn text(bytes: &[u8], pos: usize) -> Option<usize> {
    let end = plain(bytes, pos);
    match bytes.get(end) {
        Some(b'"') => Some(end + 1),
        Some(b'\\') => text_with_escapes(bytes, end),
        _ => None,
    }
}

/// As [`text`], from the first mark on.
#[inline(never)]
fn text_with_escapes(bytes: &[u8], mut pos: usize) -> Option<usize> {
    loop {
        match bytes.get(pos)? {
            b'"' => return Some(pos + 1),
            b'\\' => pos = plain(bytes, escape(bytes, pos + 1)?),
            _ => return None,
        }
    }
}

/// The end of an escape, from behind its backslash (RFC 8259 section 7).
#[inline(always)]
fn escape(bytes: &[u8], pos: usize) -> Option<usize> {
    match bytes.get(pos)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(pos + 1),
        b'u' => {
            let digits = bytes.get(pos + 1..pos + 5)?;
            digits.iter().all(|digit| hex(*digit).is_some()).then_some(pos + 5)
        }
        _ => None,
    }
}

/// The end of a number (RFC 8259 section 6). Only the byte behind it can say that it has ended.
#[inline(always)]
fn number(bytes: &[u8], pos: usize, first: u8) -> Option<usize> {
    let short =
        bytes.get(pos..).and_then(<[u8]>::first_chunk).and_then(|bytes| short_number(bytes, first));
    match short {
        Some(length) => Some(pos + length),
        None => any_number(bytes, pos, first),
    }
}

/// The length of a number without an exponent that ends in this block.
#[inline(always)]
fn short_number(block: &[u8; BLOCK], first: u8) -> Option<usize> {
    let minus = u32::from(first == b'-');
    let others = non_digits(block) & !minus;
    let whole = NonZero::new(others)?.trailing_zeros() as usize % BLOCK;
    let first = minus as usize;
    let zeros = block[first] == b'0' && whole > first + 1;
    let others = others & (others - 1);
    let (behind, digits) = match block[whole] {
        b'.' => (NonZero::new(others)?.trailing_zeros() as usize % BLOCK, whole + 1),
        _ => (whole, first),
    };
    (behind > digits && !zeros && whole > first && !matches!(block[behind], b'e' | b'E'))
        .then_some(behind)
}

#[inline(never)]
fn any_number(bytes: &[u8], pos: usize, first: u8) -> Option<usize> {
    let whole = pos + usize::from(first == b'-');
    let mut end = match bytes.get(whole)? {
        b'0' => whole + 1,
        b'1'..=b'9' => digits(bytes, whole),
        _ => return None,
    };
    if *bytes.get(end)? == b'.' {
        end = some_digits(bytes, end + 1)?;
    }
    if matches!(bytes.get(end)?, b'e' | b'E') {
        let signed = matches!(bytes.get(end + 1)?, b'+' | b'-');
        end = some_digits(bytes, end + 1 + usize::from(signed))?;
    }
    (end < bytes.len()).then_some(end)
}

#[inline(always)]
fn some_digits(bytes: &[u8], pos: usize) -> Option<usize> {
    let end = digits(bytes, pos);
    (end > pos).then_some(end)
}

#[inline(always)]
fn word(bytes: &[u8], pos: usize, word: &[u8]) -> Option<usize> {
    let end = pos + word.len();
    (bytes.get(pos..end) == Some(word)).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::blind::Blind;
    use crate::filter::scan::Input;

    /// What [`Blind`] says of a value that begins these bytes, one byte at a time: it has no road
    /// for whole tokens then.
    fn slowly(text: &[u8]) -> Option<usize> {
        let mut blind = Blind::new();
        blind.start(64);
        for base in 0..text.len() {
            let byte = Input { bytes: &text[base..base + 1], base: base as u64 };
            match blind.walk(byte, 0) {
                Ok(Some(after)) => return Some(base + after),
                Ok(None) => {}
                Err(_) => return None,
            }
        }
        None
    }

    #[test]
    fn a_whole_scalar_is_what_a_reader_with_state_says() {
        for text in [
            "0,",
            "-0,",
            "7 ",
            "10]",
            "123456789012345678901234567890,",
            "-1.5}",
            "0.0,",
            "1e5,",
            "1E+5,",
            "1.25e-10,",
            "0e0,",
            "01,",
            "1.,",
            ".5,",
            "+1,",
            "1e,",
            "1e+,",
            "--1,",
            "1.e5,",
            "0x1,",
            "1",
            "-",
            "1.",
            "1.5",
            "1e",
            "1e+",
            "1e5",
            "true,",
            "false]",
            "null}",
            "tru",
            "truex",
            "nul,",
            "nulL",
            "fals",
            "\"\"",
            "\"a\",",
            "\"",
            "\"a",
            "\"\\\"\",",
            r#""\\","#,
            r#""\u00e9\/\b\f\n\r\t x","#,
            r#""\ud800","#,
            r#""\u12g4","#,
            r#""\u12"#,
            r#""\x","#,
            r#""\"#,
            "\"\t\"",
            "\"a very long text of more than sixteen bytes\",",
            "\"a very long text of more than \\u0041 sixteen bytes\\n\",",
            "\"é€😀\",",
            "x",
            "",
            "\"sixteen bytes..\u{1}\"",
            "{",
            "]",
        ] {
            let bytes = text.as_bytes();
            let whole = bytes.first().and_then(|first| scalar(bytes, 0, *first));
            assert_eq!(whole, slowly(bytes), "{text}");
        }
    }

    #[test]
    fn a_member_is_a_key_and_a_colon() {
        for (text, value) in [
            (r#""a":1"#, Some(4)),
            ("\"a\" \n\t:1", Some(7)),
            (r#""":"#, Some(3)),
            (r#""\"":1"#, Some(5)),
            (r#""a" 1"#, None),
            (r#""a""#, None),
            (r#""a"#, None),
            (r#""a" "#, None),
        ] {
            let bytes = text.as_bytes();
            assert_eq!(member(bytes, 0, &mut Marks::new(bytes)), value, "{text}");
        }
    }

    #[test]
    fn a_number_is_read_alike_wherever_its_bytes_end() {
        for text in
            ["0", "-0", "-", "12", "-7.5", "1.", "1.5.2", "00", "-01", "0.", "1e5", "1.5E-3"]
        {
            for behind in [",", "]", " ", "x", "-", ".", ",1,2.5,77777777777777777777"] {
                let text = format!("{text}{behind}");
                let bytes = text.as_bytes();
                let any = any_number(bytes, 0, bytes[0]);
                assert_eq!(number(bytes, 0, bytes[0]), any, "{text}");
                let long = format!("{text}{}", " ".repeat(40));
                assert_eq!(
                    number(long.as_bytes(), 0, bytes[0]),
                    any_number(long.as_bytes(), 0, bytes[0])
                );
            }
        }
    }

    #[test]
    fn a_short_member_is_what_its_parts_are() {
        for length in 0..70 {
            let key = "k".repeat(length);
            for value in
                ["1", "\"\"", "\"v\"", "\"a longer one, of forty bytes or even more\"", "{"]
            {
                for room in [0, 1, 40] {
                    let text = format!(",\"{key}\":{value}{}", " ".repeat(room));
                    let Some(short) = short(&text) else {
                        assert!(length >= 32, "{text}");
                        continue;
                    };
                    assert_eq!(short.key, key.as_bytes());
                    assert_eq!(short.value, length + 4, "{text}");
                    assert_eq!(short.first, value.as_bytes()[0]);
                    let end = value.starts_with('"').then_some(length + 4 + value.len());
                    assert!(short.end.is_none() || short.end == end, "{text}");
                    assert!(short.end == end || length + value.len() > 32, "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_short_member_is_none() {
        for text in [
            "",
            ",",
            ",\"",
            ",\"a",
            ",\"a\"",
            ",\"a\":",
            ",\"a\": 1",
            ",\"a\" :1",
            ",\"a\"1:1",
            ", \"a\":1",
            "{\"a\":1",
            ",\\a\":1",
            ",\u{1}a\":1",
            ",a\":1",
            ",\"\\u0061\":1",
            ",\"a\u{1}\":1",
        ] {
            assert!(short(text).is_none(), "{text}");
            assert!(short(&format!("{text}{}", " ".repeat(70))).is_none(), "{text}");
        }
        for value in ["\"", "\"v", "\"\\n\"", "\"\t\""] {
            assert_eq!(short(&format!(",\"a\":{value}")).unwrap().end, None, "{value}");
        }
    }

    fn short(text: &str) -> Option<Short<'_>> {
        let bytes = text.as_bytes();
        short_member(bytes, 0, *b",\"", &mut Marks::new(bytes))
    }
}
