//! Where a pair keeps its name and its value, in the text of the pair.

use super::blind::{Blind, DEEPEST};
use super::fault::Fault;
use super::fold::fold;
use super::key::Key;
use super::scan::{Input, space};
use std::ops::Range;
use std::sync::Arc;

/// What is at the end of a way through objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A value, by its place in the text.
    At(Range<usize>),
    /// None, but on the way a key that differs from its name in case alone: some readers go on there.
    Variant,
    Nothing,
}

/// Follows the names through the text of a whole value whose grammar has been checked. A name that
/// stands twice in one object is a fault, and so is a key of over `limit` bytes.
pub(super) fn find(text: &[u8], names: &[Arc<str>], limit: usize) -> Result<Found, Fault> {
    follow(text, names, limit).map(|(found, _)| found)
}

/// The same of a request, where a name and a variant of it in one object can be read in two ways.
pub(super) fn find_only(text: &[u8], names: &[Arc<str>], limit: usize) -> Result<Found, Fault> {
    match follow(text, names, limit)? {
        (Found::At(_), Some(offset)) => Err(Fault::CaseVariant { offset }),
        (found, _) => Ok(found),
    }
}

/// What is at the end of the way, and where on it a variant of a name stands.
fn follow(text: &[u8], names: &[Arc<str>], limit: usize) -> Result<(Found, Option<u64>), Fault> {
    let mut range = space(text, 0)..text.len();
    let mut variant = None;
    for name in names {
        let (found, varied) = member(text, range, name, limit)?;
        variant = variant.or(varied);
        match found {
            Found::At(inner) => range = inner,
            other => return Ok((other, variant)),
        }
    }
    Ok((Found::At(range), variant))
}

/// The text of a string, decoded; `None` where the value is no string.
pub(super) fn text(value: &[u8], limit: usize) -> Result<Option<Vec<u8>>, Fault> {
    if value.first() != Some(&b'"') {
        return Ok(None);
    }
    let mut key = Key::new(limit);
    key.read(Input { bytes: value, base: 0 }, 1)?.ok_or(Fault::Truncated)?;
    Ok(Some(std::mem::take(key.bytes_mut())))
}

fn member(
    text: &[u8],
    object: Range<usize>,
    name: &str,
    limit: usize,
) -> Result<(Found, Option<u64>), Fault> {
    let (mut found, mut variant) = (Found::Nothing, None);
    if text.get(object.start) != Some(&b'{') {
        return Ok((found, variant));
    }
    let input = Input { bytes: text, base: 0 };
    let (mut key, mut blind) = (Key::new(limit), Blind::new());
    let mut pos = space(text, object.start + 1);
    while text.get(pos) == Some(&b'"') {
        key.start();
        let colon = space(text, key.read(input, pos + 1)?.ok_or(Fault::Truncated)?);
        let start = space(text, colon + 1);
        blind.start(DEEPEST);
        // A number may end with the text; in an object it cannot.
        let end = blind.walk(input, start)?.ok_or(Fault::Truncated)?;
        if **key.bytes_mut() == *name.as_bytes() {
            if matches!(found, Found::At(_)) {
                return Err(Fault::DuplicateKey { offset: pos as u64 });
            }
            found = Found::At(start..end);
        } else if varies(key.bytes_mut(), name) {
            variant = Some(pos as u64);
        }
        pos = space(text, end);
        if text.get(pos) != Some(&b',') {
            break;
        }
        pos = space(text, pos + 1);
    }
    if found == Found::Nothing && variant.is_some() {
        found = Found::Variant;
    }
    Ok((found, variant))
}

fn varies(key: &[u8], name: &str) -> bool {
    std::str::from_utf8(key).is_ok_and(|key| fold(key) == fold(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'t>(text: &'t str, names: &[&str]) -> Result<&'t str, Found> {
        let names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
        match find(text.as_bytes(), &names, 16).unwrap() {
            Found::At(range) => Ok(&text[range]),
            other => Err(other),
        }
    }

    #[test]
    fn values_are_found_wherever_they_stand() {
        let pair = r#" { "v" : [1, {"k":0}] , "k\u0065y": "a\"b" ,"in":{"v":-1.5e3}} "#;
        assert_eq!(at(pair, &["v"]), Ok(r#"[1, {"k":0}]"#));
        assert_eq!(at(pair, &["key"]), Ok(r#""a\"b""#));
        assert_eq!(at(pair, &["in", "v"]), Ok("-1.5e3"));
        for names in [&["k"][..], &["v", "k"], &["in", "x"], &["key", "x"]] {
            assert_eq!(at(pair, names), Err(Found::Nothing));
        }
        assert_eq!(at("[1]", &["v"]), Err(Found::Nothing));
        assert_eq!(at("{}", &["v"]), Err(Found::Nothing));
        assert_eq!(at(r#"{"V":1}"#, &["v"]), Err(Found::Variant));
        assert_eq!(at(r#"{"V":1,"v":2}"#, &["v"]), Ok("2"));
    }

    #[test]
    fn p10_a_name_beside_a_variant_is_a_fault_in_requests() {
        let names = [Arc::from("in"), Arc::from("v")];
        for text in [r#"{"in":{"V":1,"v":2}}"#, r#"{"in":{"v":2},"IN":{}}"#] {
            let found = find_only(text.as_bytes(), &names, 16);
            assert!(matches!(found, Err(Fault::CaseVariant { .. })), "{found:?}");
        }
        let found = find_only(br#"{"in":{"v":2},"other":{"V":1}}"#, &names, 16);
        assert!(matches!(found, Ok(Found::At(_))), "{found:?}");
    }

    #[test]
    fn a_name_that_stands_twice_is_a_fault() {
        let names = [Arc::from("v")];
        for text in [r#"{"v":1,"v":2}"#, r#"{"v":1,"x":0,"\u0076":2}"#] {
            let found = find(text.as_bytes(), &names, 16);
            assert!(matches!(found, Err(Fault::DuplicateKey { .. })), "{found:?}");
        }
        for (length, fits) in [(15, true), (16, true), (17, false)] {
            let text = format!(r#"{{"{}":1}}"#, "k".repeat(length));
            assert_eq!(find(text.as_bytes(), &names, 16).is_ok(), fits);
        }
    }

    #[test]
    fn names_are_decoded_texts() {
        assert_eq!(text(br#""\u0061\/b""#, 16).unwrap(), Some(b"a/b".to_vec()));
        assert_eq!(text(b"7", 16).unwrap(), None);
        assert!(text(br#""a name of 17 byte""#, 16).is_err());
    }
}
