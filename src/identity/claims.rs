//! From verified claims to a caller.

use super::TokenFault;
use super::json::{self, Kind, Object};
use super::roles::RoleMap;
use crate::policy::raw::{RawClaims, Text};
use crate::principal::{ClaimValue, Claims};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Where each property of the caller stands in a token: places tried in order.
#[derive(Clone, Debug)]
pub(super) struct ClaimMap {
    pub(super) user: Vec<Place>,
    pub(super) org: Vec<Place>,
    pub(super) app: Vec<Place>,
    pub(super) roles: RoleMap,
    pub(super) email: Vec<Place>,
}

/// One place in a token's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A top-level claim.
    Name(Box<str>),
    /// A JSON pointer's segments, decoded (RFC 6901).
    Pointer(Vec<Box<str>>),
}

impl ClaimMap {
    /// Reads the places that were typed, save those of roles; `bad` is told of each that is no
    /// place.
    pub(super) fn compile(raw: &RawClaims, mut bad: impl FnMut(&Text)) -> ClaimMap {
        let mut places = |typed: &[Text], default: &str| -> Vec<Place> {
            if typed.is_empty() {
                return vec![Place::Name(default.into())];
            }
            let read = |text: &Text| {
                let place = Place::parse(&text.value);
                if place.is_none() {
                    bad(text);
                }
                place
            };
            typed.iter().filter_map(read).collect()
        };
        ClaimMap {
            user: places(&raw.user, "sub"),
            org: places(&raw.org, "org"),
            app: places(&raw.app, "app"),
            roles: RoleMap::default(),
            email: places(&raw.email, "email"),
        }
    }
}

impl Place {
    /// A name, or a pointer where it begins with a slash. Empty texts and bad escapes are none.
    pub(super) fn parse(text: &str) -> Option<Place> {
        match text.strip_prefix('/') {
            None if text.is_empty() => None,
            None => Some(Place::Name(text.into())),
            Some(rest) => rest.split('/').map(unescape).collect::<Option<_>>().map(Place::Pointer),
        }
    }

    /// What stands there.
    pub(super) fn find<'a>(
        &self,
        payload: &Object<'a>,
    ) -> Result<Option<&'a RawValue>, TokenFault> {
        match self {
            Place::Name(name) => Ok(payload.get(name)),
            Place::Pointer(segments) => descend(payload, segments),
        }
    }
}

/// A claim that is one non-empty text. Any other type, also `null`, refuses the token: an
/// organization that cannot be read must not become "no organization", which reaches further.
pub(super) fn text(
    payload: &Object<'_>,
    places: &[Place],
    what: &'static str,
) -> Result<Option<Arc<str>>, TokenFault> {
    let Some(value) = first(payload, places)? else { return Ok(None) };
    match json::text(value) {
        Some(text) if !text.is_empty() => Ok(Some(text.into())),
        _ => Err(TokenFault::ClaimType(what)),
    }
}

/// A list of texts, or one text that names several, separated by spaces.
pub(super) fn roles(value: &RawValue) -> Result<Vec<Arc<str>>, TokenFault> {
    let roles = match json::kind(value) {
        Kind::Text => json::text(value).map(|text| split(&text)),
        Kind::List => json::texts(value).map(|texts| texts.into_iter().map(Arc::from).collect()),
        _ => None,
    };
    roles.ok_or(TokenFault::ClaimType("roles"))
}

/// All top-level claims that policies can compare: scalars, and lists of scalars.
pub(super) fn all(payload: &Object<'_>) -> Result<Claims, TokenFault> {
    let mut claims = Vec::new();
    for (name, value) in payload.iter() {
        let value = match json::kind(value) {
            Kind::Text | Kind::Number | Kind::Bool => {
                Some(ClaimValue::Text(scalar(value).ok_or(TokenFault::Payload)?))
            }
            Kind::List => list(value)?,
            Kind::Null | Kind::Object => None,
        };
        claims.extend(value.map(|value| (Arc::from(name), value)));
    }
    Ok(Claims(claims))
}

/// Names separated by spaces.
pub(super) fn split(text: &str) -> Vec<Arc<str>> {
    text.split(' ').filter(|name| !name.is_empty()).map(Arc::from).collect()
}

fn first<'a>(payload: &Object<'a>, places: &[Place]) -> Result<Option<&'a RawValue>, TokenFault> {
    for place in places {
        if let Some(value) = place.find(payload)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn descend<'a>(
    payload: &Object<'a>,
    segments: &[Box<str>],
) -> Result<Option<&'a RawValue>, TokenFault> {
    let (head, rest) = segments.split_first().expect("a pointer has a segment");
    payload.get(head).map_or(Ok(None), |value| follow(value, rest))
}

/// Follows a pointer. Objects on the way are read as strictly as the payload itself.
pub(super) fn follow<'a>(
    mut value: &'a RawValue,
    segments: &[Box<str>],
) -> Result<Option<&'a RawValue>, TokenFault> {
    for segment in segments {
        let next = match json::kind(value) {
            Kind::Object => Object::of(value).ok_or(TokenFault::Payload)?.get(segment),
            Kind::List => index(segment).and_then(|at| json::list(value)?.get(at).copied()),
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// RFC 6901 section 4: digits without a leading zero.
fn index(segment: &str) -> Option<usize> {
    match segment {
        "0" => Some(0),
        _ if segment.starts_with(|c: char| matches!(c, '1'..='9')) => segment.parse().ok(),
        _ => None,
    }
}

/// RFC 6901 section 3: `~1` is a slash, `~0` a tilde, any other `~` an error.
pub(super) fn unescape(segment: &str) -> Option<Box<str>> {
    let mut out = String::with_capacity(segment.len());
    let mut chars = segment.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(out.into())
}

fn scalar(value: &RawValue) -> Option<Arc<str>> {
    match json::kind(value) {
        Kind::Text => json::text(value).map(Arc::from),
        Kind::Number | Kind::Bool => Some(value.get().into()),
        _ => None,
    }
}

fn list(value: &RawValue) -> Result<Option<ClaimValue>, TokenFault> {
    let items = json::list(value).ok_or(TokenFault::Payload)?;
    let texts: Option<Vec<_>> = items.into_iter().map(scalar).collect();
    Ok(texts.map(ClaimValue::List))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &str = r#"{"sub": "ann", "org": null, "n": 7, "list": ["a", 1, true],
        "mixed": [[1]], "a/b": {"~": ["x", {"deep": "y"}]}, "twice": {"k": "1", "k": "2"},
        "big": 12345678901234567890123, "on": true, "scope": "read  write", "empty": ""}"#;

    fn place(text: &str) -> Vec<Place> {
        vec![Place::parse(text).expect(text)]
    }

    fn find(pointer: &str) -> Result<Option<Arc<str>>, TokenFault> {
        text(&Object::parse(PAYLOAD).unwrap(), &place(pointer), "x")
    }

    #[test]
    fn places_are_names_or_pointers() {
        assert_eq!(find("sub").unwrap().as_deref(), Some("ann"));
        assert_eq!(find("/a~1b/~0/0").unwrap().as_deref(), Some("x"));
        assert_eq!(find("/a~1b/~0/1/deep").unwrap().as_deref(), Some("y"));
        assert_eq!(find("/a~1b/~0/01").unwrap(), None);
        assert_eq!(find("/a~1b/~0/9").unwrap(), None);
        assert_eq!(find("/sub/x").unwrap(), None);
        for bad in ["", "/a~", "/a~2"] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn p07_a_claim_of_the_wrong_type_refuses_the_token() {
        for wrong in ["org", "n", "list", "on", "empty", "/a~1b"] {
            assert_eq!(find(wrong), Err(TokenFault::ClaimType("x")), "{wrong}");
        }
    }

    #[test]
    fn p07_a_claim_given_twice_below_the_top_refuses_a_token_that_reads_it() {
        assert_eq!(find("/twice/k"), Err(TokenFault::Payload));
    }

    #[test]
    fn the_first_place_that_is_there_counts() {
        let payload = Object::parse(PAYLOAD).unwrap();
        let places = [place("absent"), place("sub"), place("n")].concat();
        assert_eq!(text(&payload, &places, "x").unwrap().as_deref(), Some("ann"));
        let places = [place("n"), place("sub")].concat();
        assert_eq!(text(&payload, &places, "x"), Err(TokenFault::ClaimType("x")));
    }

    #[test]
    fn roles_are_a_list_or_one_text() {
        let payload = Object::parse(r#"{"a": ["x y", "z"], "b": " x  y ", "c": [1], "d": {}}"#);
        let payload = payload.unwrap();
        let names = |at: &str| roles(payload.get(at).unwrap()).map(|found| found.join("|"));
        assert_eq!(names("a").unwrap(), "x y|z");
        assert_eq!(names("b").unwrap(), "x|y");
        assert_eq!(names("c"), Err(TokenFault::ClaimType("roles")));
        assert_eq!(names("d"), Err(TokenFault::ClaimType("roles")));
    }

    #[test]
    fn scalars_and_lists_of_scalars_become_claims() {
        let claims = all(&Object::parse(PAYLOAD).unwrap()).unwrap();
        let words = ["a", "1", "true"].map(Arc::from).to_vec();
        assert_eq!(claims.get("list"), Some(&ClaimValue::List(words)));
        assert_eq!(claims.text("big").unwrap().as_ref(), "12345678901234567890123");
        assert_eq!(claims.text("on").unwrap().as_ref(), "true");
        assert_eq!(claims.text("empty").unwrap().as_ref(), "");
        for absent in ["org", "mixed", "a/b", "twice"] {
            assert_eq!(claims.get(absent), None, "{absent}");
        }
    }
}
