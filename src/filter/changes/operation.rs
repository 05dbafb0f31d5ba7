//! The changes of a JSON Patch, read strictly: what the RFC does not say is no patch.

use crate::filter::Limits;
use crate::filter::blind::{Blind, DEEPEST};
use crate::filter::fault::Fault;
use crate::filter::key::Key;
use crate::filter::scan::{Input, space};
use crate::filter::write;
use std::ops::Range;

/// The most changes of one patch.
pub const MOST_OPERATIONS: usize = 1_000;

/// One change (RFC 6902 section 4).
#[derive(Debug)]
pub(super) struct Operation<'a> {
    pub op: Op,
    pub path: Pointer,
    /// For `move` and `copy`.
    pub from: Option<Pointer>,
    /// For `add`, `replace` and `test`: its text.
    pub value: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

/// A JSON pointer (RFC 6901), decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub tokens: Vec<String>,
}

/// Reads a whole patch. It reads in one way only, as [`write::well_formed`] says, and each change has
/// the members that its `op` asks for, and no others: the RFC ignores those, but who knows what a
/// server makes of them.
pub(super) fn read<'a>(body: &'a [u8], limits: &Limits) -> Result<Vec<Operation<'a>>, Fault> {
    write::well_formed(body, limits)?;
    let mut operations = Vec::new();
    items(body, b'[', |_, range| {
        if operations.len() == MOST_OPERATIONS {
            return Err(Fault::TooManyChanges { offset: range.start as u64 });
        }
        let start = range.start as u64;
        operations.push(operation(&body[range], limits).map_err(|fault| fault.behind(start))?);
        Ok(())
    })?;
    Ok(operations)
}

fn operation<'a>(text: &'a [u8], limits: &Limits) -> Result<Operation<'a>, Fault> {
    let not = Fault::NotAPatch { offset: 0 };
    let [mut op, mut path, mut from, mut value] = [None; 4];
    items(text, b'{', |key, range| {
        let found = match &*key.ok_or(not)? {
            "op" => &mut op,
            "path" => &mut path,
            "from" => &mut from,
            "value" => &mut value,
            _ => return Err(not),
        };
        *found = Some(&text[range]);
        Ok(())
    })?;
    let op = Op::named(&string(op.ok_or(not)?, limits)?.ok_or(not)?).ok_or(not)?;
    if op.brings() != value.is_some() || op.takes() != from.is_some() {
        return Err(not);
    }
    let pointer = |text| Pointer::parse(&string(text, limits)?.ok_or(not)?).ok_or(not);
    let (path, from) = (pointer(path.ok_or(not)?)?, from.map(pointer).transpose()?);
    if from.as_ref().is_some_and(|from| op == Op::Move && from.is_above(&path)) {
        // RFC 6902 section 4.4.
        return Err(not);
    }
    Ok(Operation { op, path, from, value })
}

impl Op {
    fn named(name: &str) -> Option<Op> {
        Some(match name {
            "add" => Op::Add,
            "remove" => Op::Remove,
            "replace" => Op::Replace,
            "move" => Op::Move,
            "copy" => Op::Copy,
            "test" => Op::Test,
            _ => return None,
        })
    }

    fn brings(self) -> bool {
        matches!(self, Op::Add | Op::Replace | Op::Test)
    }

    fn takes(self) -> bool {
        matches!(self, Op::Move | Op::Copy)
    }
}

impl Pointer {
    /// `None` where it is none, or leads deeper than any body may nest.
    pub fn parse(text: &str) -> Option<Pointer> {
        if text.is_empty() {
            return Some(Pointer { tokens: Vec::new() });
        }
        let tokens = text.strip_prefix('/')?.split('/').map(|token| {
            let mut after_tildes = token.split('~').skip(1);
            let fine = after_tildes.all(|rest| rest.starts_with(['0', '1']));
            // In this order (RFC 6901 section 4), or `~01` would become `/`.
            (fine && !token.contains('\0')).then(|| token.replace("~1", "/").replace("~0", "~"))
        });
        let tokens: Vec<String> = tokens.collect::<Option<_>>()?;
        (tokens.len() <= DEEPEST).then_some(Pointer { tokens })
    }

    /// Whether `other` is inside of what this leads to.
    fn is_above(&self, other: &Pointer) -> bool {
        other.tokens.len() > self.tokens.len() && other.tokens.starts_with(&self.tokens)
    }
}

/// The text of a string; `None` where it is another value.
fn string(text: &[u8], limits: &Limits) -> Result<Option<String>, Fault> {
    if text.first() != Some(&b'"') {
        return Ok(None);
    }
    let mut key = Key::new(limits.key);
    key.read(Input { bytes: text, base: 0 }, 1)?.ok_or(Fault::Truncated)?;
    Ok(String::from_utf8(std::mem::take(key.bytes_mut())).ok())
}

/// Calls `each` for every element or member of a text whose grammar has been checked; `opening`
/// says which of the two it must hold.
fn items(
    text: &[u8],
    opening: u8,
    mut each: impl FnMut(Option<String>, Range<usize>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let input = Input { bytes: text, base: 0 };
    let mut pos = space(text, 0);
    if text.get(pos) != Some(&opening) {
        return Err(Fault::NotAPatch { offset: pos as u64 });
    }
    let mut blind = Blind::new();
    pos = space(text, pos + 1);
    while !matches!(text.get(pos), None | Some(b']' | b'}')) {
        let mut name = None;
        if opening == b'{' {
            let mut key = Key::new(usize::MAX);
            let colon = space(text, key.read(input, pos + 1)?.ok_or(Fault::Truncated)?);
            name = String::from_utf8(std::mem::take(key.bytes_mut())).ok();
            pos = space(text, colon + 1);
        }
        blind.start(DEEPEST);
        let end = blind.walk(input, pos)?.ok_or(Fault::Truncated)?;
        each(name, pos..end)?;
        pos = space(text, end);
        if text.get(pos) == Some(&b',') {
            pos = space(text, pos + 1);
        }
    }
    Ok(())
}
