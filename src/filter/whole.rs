//! Tokens that are whole in the bytes at hand.
//!
//! Almost every token is, and then it needs no state. These functions know only what is right:
//! `None` says that a token goes on behind the bytes, or is none, and a reader that keeps its state
//! ([`super::blind`], [`super::key`]) begins it again and says which.

use super::scan::{BLOCK, digits, hex, plain, space, stop};

/// The end of the string, number or word that begins at `pos` with `first`.
#[inline(always)]
pub(super) fn scalar(bytes: &[u8], pos: usize, first: u8) -> Option<usize> {
    match first {
        b'"' => short_text(bytes, pos + 1),
        b'-' | b'0'..=b'9' => number(bytes, pos, first),
        b't' => word(bytes, pos, b"true"),
        b'f' => word(bytes, pos, b"false"),
        b'n' => word(bytes, pos, b"null"),
        _ => None,
    }
}

/// Where the value begins whose key begins with the quote at `pos`.
#[inline(always)]
pub(super) fn member(bytes: &[u8], pos: usize) -> Option<usize> {
    match short_key(bytes, pos) {
        Some((_, value, _)) => Some(value),
        None => any_member(bytes, pos),
    }
}

#[inline(never)]
fn any_member(bytes: &[u8], pos: usize) -> Option<usize> {
    let end = text(bytes, pos + 1)?;
    let colon = space(bytes, end);
    (bytes.get(colon) == Some(&b':')).then_some(colon + 1)
}

/// Most keys: short, without an escape, their colon and their value right behind. The key's length,
/// where the value begins, and with which byte. One look at the length of the bytes is enough for
/// all of it.
#[inline(always)]
pub(super) fn short_key(bytes: &[u8], pos: usize) -> Option<(usize, usize, u8)> {
    let window = bytes.get(pos..)?.first_chunk::<{ BLOCK + 4 }>()?;
    let length = stop(window[1..].first_chunk()?)?;
    let is_key = window[0] == b'"' && window[length + 1] == b'"' && window[length + 2] == b':';
    let value = window[length + 3];
    (is_key && value > b' ').then_some((length, pos + length + 3, value))
}

/// The end of a string, from its first byte.
#[inline(always)]
fn short_text(bytes: &[u8], pos: usize) -> Option<usize> {
    if let Some(window) = bytes.get(pos..).and_then(|rest| rest.first_chunk::<BLOCK>())
        && let Some(length) = stop(window)
        && window[length] == b'"'
    {
        return Some(pos + length + 1);
    }
    text(bytes, pos)
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

/// As [`text`], from a backslash on.
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
            assert_eq!(member(text.as_bytes(), 0), value, "{text}");
        }
    }

    #[test]
    fn a_window_says_what_a_long_look_says() {
        let behind = " ".repeat(40);
        for length in 0..20 {
            for (odd, colon) in [("", ":1"), ("", " :1"), ("", ": 1"), ("", "1"), ("\\n", ":1")] {
                let text = format!("\"{odd}{}\"{colon}{behind}", "k".repeat(length));
                let bytes = text.as_bytes();
                assert_eq!(member(bytes, 0), any_member(bytes, 0), "{text}");
                assert_eq!(scalar(bytes, 0, b'"'), super::text(bytes, 1), "{text}");
                let short = short_key(bytes, 0);
                let is_short = odd.is_empty() && colon == ":1" && length < BLOCK;
                assert_eq!(short, is_short.then_some((length, length + 3, b'1')), "{text}");
            }
            let cut = format!("{{\"{}", "k".repeat(length));
            assert_eq!(member(cut.as_bytes(), 1), None);
        }
        assert_eq!(short_key(format!("k\":1{behind}").as_bytes(), 0), None);
    }
}
