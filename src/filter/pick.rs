//! Reading values out of a JSON text by path, as strictly as the filter reads it.

use super::Limits;
use super::fault::Fault;
use super::follow::{Follow, Spelling, Step};
use super::key::Key;
use super::place::{PointerError, Token, tokens};
use super::scan::Input;
use super::utf8;
use super::write;
use std::sync::Arc;

/// The most values that one call finds; with more the text is refused.
pub const MOST: usize = 10_000;

/// A JSON pointer (RFC 6901) in which a segment `*` is every element or member. A segment that is a
/// number means that element of an array, or the member of that name. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    tokens: Arc<[Token]>,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A string, decoded.
    Text(String),
    /// A number, as it stands in the text: `1`, `1.0` and `1e0` are three of them.
    Number(String),
    /// `true` or `false`
    Boolean(bool),
    /// `null`
    Null,
    /// An array.
    Array,
    /// An object.
    Object,
    /// A string that is no text, because it holds half of a surrogate pair. It equals nothing.
    Broken,
}

/// What stands at each path of a whole JSON text, in the order of the text; for a path that leads
/// nowhere, nothing.
///
/// The text is checked whole, as [`super::Filter`] checks it. A second member of a name that a path
/// names, in the same object, is a fault (names compare decoded; where a path says `*`, it names every
/// member), and so are more than [`MOST`] values.
pub fn pick(body: &[u8], paths: &[&Path], limits: &Limits) -> Result<Vec<Vec<Found>>, Fault> {
    utf8::whole(body)?;
    read(body, paths, Spelling::Exact, limits)
}

/// As [`pick`], for the body of a request: it must be read by everyone as it is read here. So what
/// [`write::check`] refuses as invalid is a fault (any key twice, half of a surrogate pair, U+0000 in
/// a key, too many keys), and so is a key that differs only in case from a name of a path, at its
/// place: many servers read such a key as the name.
pub fn pick_strictly(
    body: &[u8],
    paths: &[&Path],
    limits: &Limits,
) -> Result<Vec<Vec<Found>>, Fault> {
    write::well_formed(body, limits)?;
    read(body, paths, Spelling::NoVariants, limits)
}

impl Path {
    /// Reads a pointer. `**` is refused: it leads to no certain place.
    pub fn parse(pointer: &str) -> Result<Path, PointerError> {
        Ok(Path { tokens: tokens(pointer)?.into() })
    }

    /// Whether the path can mean several values.
    pub fn has_wildcard(&self) -> bool {
        self.tokens.contains(&Token::Any)
    }

    /// Whether `other` is this path, or leads on from it.
    pub fn leads_to(&self, other: &Path) -> bool {
        other.tokens.starts_with(&self.tokens)
    }

    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }
}

fn read(
    body: &[u8],
    paths: &[&Path],
    spelling: Spelling,
    limits: &Limits,
) -> Result<Vec<Vec<Found>>, Fault> {
    let input = Input { bytes: body, base: 0 };
    let paths = paths.iter().map(|path| (*path).clone()).collect();
    let mut reading = Reading::new(Follow::new(paths, spelling, limits));
    let (mut pos, mut began) = (0, 0);
    loop {
        match reading.follow.step(input, pos)? {
            Step::More => break,
            Step::On(next) => pos = next,
            Step::Value(at) => {
                began = at;
                pos = reading.value(input, at)?;
            }
            Step::Ended(end) => {
                reading.ended(input, began, end)?;
                pos = end;
            }
        }
    }
    if reading.follow.finish()? {
        reading.ended(input, began, body.len())?;
    }
    Ok(reading.found)
}

struct Reading {
    follow: Follow,
    found: Vec<Vec<Found>>,
    count: usize,
}

impl Reading {
    fn new(follow: Follow) -> Reading {
        let found = vec![Vec::new(); follow.paths()];
        Reading { follow, found, count: 0 }
    }

    /// A value on the way begins: a container through which a path leads is followed.
    fn value(&mut self, input: Input<'_>, at: usize) -> Result<usize, Fault> {
        let container = matches!(input.bytes[at], b'{' | b'[');
        if container && self.follow.leads_on() {
            self.add(&opened(input.bytes[at]), input.offset(at))?;
            return self.follow.enter(input, at);
        }
        self.follow.skip();
        Ok(at)
    }

    fn ended(&mut self, input: Input<'_>, began: usize, end: usize) -> Result<(), Fault> {
        if self.follow.ends().next().is_none() {
            return Ok(());
        }
        let value = found(&input.bytes[began..end])?;
        self.add(&value, input.offset(began))
    }

    fn add(&mut self, value: &Found, offset: u64) -> Result<(), Fault> {
        for path in self.follow.ends() {
            self.count += 1;
            if self.count > MOST {
                return Err(Fault::TooManyValues { offset });
            }
            self.found[path].push(value.clone());
        }
        Ok(())
    }
}

/// The value whose text, known to be valid, this is; white space may follow it.
fn found(text: &[u8]) -> Result<Found, Fault> {
    Ok(match text.first() {
        Some(b'"') => decoded(&text[1..])?,
        Some(first @ (b'{' | b'[')) => opened(*first),
        Some(b'n') => Found::Null,
        Some(first @ (b't' | b'f')) => Found::Boolean(*first == b't'),
        _ => Found::Number(String::from_utf8_lossy(text.trim_ascii_end()).into_owned()),
    })
}

fn opened(first: u8) -> Found {
    if first == b'{' { Found::Object } else { Found::Array }
}

/// A string, from after its opening quote.
fn decoded(text: &[u8]) -> Result<Found, Fault> {
    let mut key = Key::new(usize::MAX);
    key.start();
    key.read(Input { bytes: text, base: 0 }, 0)?.ok_or(Fault::Truncated)?;
    let bytes = std::mem::take(key.bytes_mut());
    Ok(String::from_utf8(bytes).map_or(Found::Broken, Found::Text))
}

#[cfg(test)]
mod tests;
