//! Forms: `application/x-www-form-urlencoded` and `multipart/form-data` (RFC 7578), judged as the JSON
//! object that their names spell.
//!
//! `metadata[k]` is `/metadata/k`, `a[]` one element of a list more. A form has texts and files, no
//! types, so a text counts as whatever the place takes: where it takes texts, as a text; where it
//! takes numbers or booleans and the text is one (as JSON writes it), as that. If both are so, both
//! must pass. A file is a value that nobody reads: it may stand where every text may.
//!
//! What some servers read in one way and some in another is refused: names twice, or alike but for
//! case, or with dots; `;` between fields; a boundary behind a bare line feed. The parsers of the
//! ecosystem (`form_urlencoded`, `multer`) are made to understand as much as they can, so they are
//! not of use here.

mod multipart;
mod names;
mod urlencoded;

pub use multipart::MAX_PART_HEAD;

use super::Limits;
use super::fault::Fault;
use super::mask::{Mask, NodeId};
use super::values::{Change, Values};
use super::write::{self, Patch, WriteFault};
use names::{Reading, Tree};
use std::borrow::Cow;

/// The most fields of one form.
pub const MAX_FIELDS: usize = 1_000;

/// How a form is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-www-form-urlencoded`.
    Urlencoded,
    /// `multipart/form-data`, with this boundary.
    Multipart(Box<str>),
}

/// What stands in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content<'a> {
    Text(Cow<'a, str>),
    /// One JSON value.
    Json(&'a [u8]),
    /// Bytes of another kind.
    File,
}

/// A field as it stands in a form.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field<'a> {
    name: Cow<'a, str>,
    content: Content<'a>,
    /// Where in the body.
    offset: u64,
}

/// Checks a whole form as [`write::check`] and [`Values::judge`] check JSON. Pointers lead into the
/// object that the names spell. Fields go before values.
pub fn check(
    encoding: &Encoding,
    body: &[u8],
    (mask, values): (&Mask, &Values),
    limits: &Limits,
    patch: Patch,
) -> Result<(), WriteFault> {
    let tree = read(encoding, body, limits)?;
    let (text, files) = tree.json(mask, Reading::Text)?;
    let mut at_fault = AtFault { fields: tree.marks(mask), types: Vec::new() };
    at_fault.judge(&text, (mask, values), limits, patch)?;
    let (other, _) = tree.json(mask, Reading::Literal)?;
    if other != text {
        at_fault.judge(&other, (mask, values), limits, patch)?;
    }
    for (tokens, pointer, node) in files {
        at_fault.file(&tokens, &pointer, (mask, node, values), limits);
    }
    at_fault.verdict(limits)
}

/// A form as a JSON object in which every field is a text (a file is an empty one), or the JSON value
/// that a part holds.
pub fn text(encoding: &Encoding, body: &[u8], limits: &Limits) -> Result<Vec<u8>, Fault> {
    Ok(read(encoding, body, limits)?.json(&Mask::show(), Reading::Text)?.0)
}

fn read<'a>(encoding: &Encoding, body: &'a [u8], limits: &Limits) -> Result<Tree<'a>, Fault> {
    let fields = match encoding {
        Encoding::Urlencoded => urlencoded::fields(body)?,
        Encoding::Multipart(boundary) => multipart::fields(body, boundary)?,
    };
    let mut tree = Tree::new();
    for (count, field) in fields.into_iter().enumerate() {
        let offset = field.offset;
        if count == MAX_FIELDS {
            return Err(Fault::TooManyFields { offset });
        }
        if let Content::Json(text) = &field.content {
            write::well_formed(text, limits)?;
        }
        tree.add(field, limits)?;
    }
    Ok(tree)
}

/// What is at fault, each once.
struct AtFault {
    fields: Vec<String>,
    types: Vec<String>,
}

impl AtFault {
    fn judge(
        &mut self,
        text: &[u8],
        (mask, values): (&Mask, &Values),
        limits: &Limits,
        patch: Patch,
    ) -> Result<(), WriteFault> {
        match write::check(mask, text, limits, patch) {
            Ok(()) => {}
            Err(WriteFault::Fields(found)) => {
                add(&mut self.fields, found);
                return Ok(());
            }
            Err(WriteFault::Types(found)) => add(&mut self.types, found),
            Err(invalid) => return Err(invalid),
        }
        add(&mut self.types, values.judge(text, limits, patch)?);
        Ok(())
    }

    /// Nobody knows what is in a file, so it goes only where nothing is asked of what is there.
    fn file(
        &mut self,
        tokens: &[String],
        pointer: &str,
        (mask, node, values): (&Mask, NodeId, &Values),
        limits: &Limits,
    ) {
        if mask.hides(node) {
            add(&mut self.fields, vec![pointer.to_owned()]);
        } else if !values.judge_change(tokens, Change::Unknown, limits).is_empty() {
            add(&mut self.types, vec![pointer.to_owned()]);
        }
    }

    fn verdict(mut self, limits: &Limits) -> Result<(), WriteFault> {
        self.fields.truncate(limits.pointers.max(1));
        self.types.truncate(limits.pointers.max(1));
        match (self.fields.is_empty(), self.types.is_empty()) {
            (false, _) => Err(WriteFault::Fields(self.fields)),
            (true, false) => Err(WriteFault::Types(self.types)),
            (true, true) => Ok(()),
        }
    }
}

fn add(list: &mut Vec<String>, found: Vec<String>) {
    for pointer in found {
        if !list.contains(&pointer) {
            list.push(pointer);
        }
    }
}

#[cfg(test)]
mod tests;
