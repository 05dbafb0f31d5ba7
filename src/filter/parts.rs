//! The members and elements of a text whose grammar has been checked, by their places in it.

use super::blind::{Blind, DEEPEST};
use super::fault::Fault;
use super::key::Key;
use super::scan::{Input, space};
use std::ops::Range;

/// A member or element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// A member's name, decoded; `None` for elements, and for a name that is no text.
    pub name: Option<String>,
    /// From its first byte, which is its name's, to the end of its value.
    pub whole: Range<usize>,
    /// Its value.
    pub value: Range<usize>,
}

/// The parts of an object or array, in their order.
pub(super) fn parts(text: &[u8]) -> Result<Vec<Part>, Fault> {
    let input = Input { bytes: text, base: 0 };
    let mut pos = space(text, 0);
    let is_object = text.get(pos) == Some(&b'{');
    let (mut parts, mut blind) = (Vec::new(), Blind::new());
    pos = space(text, pos + 1);
    while !matches!(text.get(pos), None | Some(b']' | b'}')) {
        let start = pos;
        let mut name = None;
        if is_object {
            let mut key = Key::new(usize::MAX);
            let colon = space(text, key.read(input, pos + 1)?.ok_or(Fault::Truncated)?);
            name = String::from_utf8(std::mem::take(key.bytes_mut())).ok();
            pos = space(text, colon + 1);
        }
        blind.start(DEEPEST);
        let end = blind.walk(input, pos)?.ok_or(Fault::Truncated)?;
        parts.push(Part { name, whole: start..end, value: pos..end });
        pos = space(text, end);
        if text.get(pos) == Some(&b',') {
            pos = space(text, pos + 1);
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_by_their_places() {
        let text = r#" { "a\u0062" : [1, 2] ,"c":{"d": "}"},"e":-1.5e3 } "#;
        let found: Vec<_> = parts(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|part| (part.name.unwrap(), &text[part.whole], &text[part.value]))
            .collect();
        let wanted = [
            ("ab", r#""a\u0062" : [1, 2]"#, "[1, 2]"),
            ("c", r#""c":{"d": "}"}"#, r#"{"d": "}"}"#),
            ("e", r#""e":-1.5e3"#, "-1.5e3"),
        ];
        assert_eq!(found, wanted.map(|(name, whole, value)| (name.to_owned(), whole, value)));
        let list = parts(b"[7, null]").unwrap();
        assert_eq!(list[1], Part { name: None, whole: 4..8, value: 4..8 });
        assert!(parts(b" [ ] ").unwrap().is_empty() && parts(b"{}").unwrap().is_empty());
        assert!(parts(b"[1").is_err() && parts(b"{\"a").is_err());
    }
}
