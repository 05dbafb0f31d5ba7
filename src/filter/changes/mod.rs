//! JSON Patch (RFC 6902): a list of changes to an object that nobody here has seen.
//!
//! Each change is judged for itself, by the place that its pointers name: what it writes must be
//! writable and hide nothing that would be lost, what it reads must be visible whole, and what it
//! brings must be as the schemas of the place say. Where a pointer can be read in two ways (a number
//! may name a member or an element), all of them count. Objects and arrays on the way are taken to
//! be what the schemas say that they are.
//!
//! What a change makes of a list or an object as a whole hangs on the rest of it. So keywords that
//! judge the whole (`uniqueItems`, `maxItems`, `anyOf`…) let no change inside: see
//! [`super::values`]. A value that is copied or moved is known to nobody, so it goes only where every
//! value of its types may be.

mod operation;
mod reach;

pub use operation::MOST_OPERATIONS;

use super::Limits;
use super::called;
use super::fault::Fault;
use super::fold::fold;
use super::mask::{Mask, NodeId, SHOW, Types};
use super::pick::Path;
use super::place::Token;
use super::trail::Pointers;
use super::values::{Change, Values};
use super::write::{self, WriteFault};
use operation::{Op, Operation, Pointer};
use reach::Reach;

/// What a caller may see and send at one path.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'m> {
    /// What it sees.
    pub read: &'m Mask,
    /// What it may write.
    pub write: &'m Mask,
    /// What the values must be that it writes.
    pub values: &'m Values,
}

/// Checks a whole JSON Patch. Pointers lead into the patch: to the `path` or the `from` of a change
/// that is at fault, or to a part of its `value`. Fields go before values.
pub fn check(sides: &Sides<'_>, body: &[u8], limits: &Limits) -> Result<(), WriteFault> {
    let (fields, types) = (Pointers::new(limits), Pointers::new(limits));
    let mut judge = Judge { sides, limits, at: 0, fields, types };
    for (at, operation) in operation::read(body, limits)?.iter().enumerate() {
        judge.at = at;
        judge.operation(operation)?;
    }
    match (judge.fields.into_vec(), judge.types.into_vec()) {
        (fields, _) if !fields.is_empty() => Err(WriteFault::Fields(fields)),
        (_, types) if !types.is_empty() => Err(WriteFault::Types(types)),
        _ => Ok(()),
    }
}

/// Whether a whole JSON Patch leaves what stands at a path as it is: it writes neither there, nor
/// above, nor below.
pub fn leaves(body: &[u8], path: &Path, limits: &Limits) -> Result<bool, Fault> {
    let operations = operation::read(body, limits)?;
    Ok(!operations.iter().any(|operation| {
        let moved = operation.from.as_ref().filter(|_| operation.op == Op::Move);
        let written = (operation.op != Op::Test).then_some(&operation.path);
        moved.into_iter().chain(written).any(|pointer| meet(pointer, path))
    }))
}

/// Whether one of the two leads to the other, or through it. Names count in any case.
fn meet(pointer: &Pointer, path: &Path) -> bool {
    pointer.tokens.iter().zip(path.tokens()).all(|(token, step)| match step {
        Token::Any => true,
        Token::Name(name, _) => fold(token) == fold(name),
    })
}

struct Judge<'j> {
    sides: &'j Sides<'j>,
    limits: &'j Limits,
    /// Which change is judged.
    at: usize,
    fields: Pointers,
    types: Pointers,
}

/// What comes to a place.
enum Brought<'a> {
    /// Text of the patch.
    Text(&'a [u8]),
    /// What stands at another place, and whether it leaves it.
    From(&'a Pointer, bool),
}

impl Judge<'_> {
    fn operation(&mut self, operation: &Operation<'_>) -> Result<(), Fault> {
        let Operation { op, path, from, value } = operation;
        let text = value.unwrap_or_default();
        match (op, from) {
            (Op::Test, _) => self.tests(path, text),
            (Op::Remove, _) => self.removes(path, "path", true),
            (Op::Replace, _) => self.puts(path, &Brought::Text(text), true),
            (Op::Add, _) => self.puts(path, &Brought::Text(text), false),
            (Op::Copy | Op::Move, None) => Ok(()),
            (Op::Copy | Op::Move, Some(from)) => {
                self.reads(from, "from")?;
                let moves = *op == Op::Move;
                if moves {
                    self.removes(from, "from", !self.is_within_one_list(from, path)?)?;
                }
                self.puts(path, &Brought::From(from, moves), false)
            }
        }
    }

    /// All of what is read must be visible.
    fn reads(&mut self, pointer: &Pointer, member: &str) -> Result<Option<Reach>, Fault> {
        let reach = Reach::of(self.sides.read, pointer)?;
        if reach.hides(self.sides.read) {
            self.fields.add_once(&format!("/{}/{member}", self.at));
            return Ok(None);
        }
        Ok(Some(reach))
    }

    /// A comparison tells what stands there, and a value of a type that is hidden there as well.
    fn tests(&mut self, path: &Pointer, text: &[u8]) -> Result<(), Fault> {
        match self.reads(path, "path")? {
            Some(reach) => self.text(self.sides.read, &reach, path, text),
            None => Ok(()),
        }
    }

    fn removes(&mut self, pointer: &Pointer, member: &str, judged: bool) -> Result<(), Fault> {
        let told = format!("/{}/{member}", self.at);
        if pointer.tokens.is_empty() {
            // Something has to stand there.
            self.types.add_once(&told);
        }
        let reach = self.written(pointer, &told)?;
        if reach.hides(self.sides.write)
            || self.shifts(&reach, pointer)?
            || self.renames(pointer, None)?
        {
            self.fields.add_once(&told);
        }
        if judged {
            self.values(pointer, Change::Gone, &told);
        }
        Ok(())
    }

    /// Puts a value where there may be one already.
    fn puts(&mut self, path: &Pointer, value: &Brought<'_>, in_place: bool) -> Result<(), Fault> {
        let told = format!("/{}/path", self.at);
        let (mask, reach) = (self.sides.write, self.written(path, &told)?);
        // An element is put between others, a member in place of what there was. What is not known
        // may hold anything that may not be sent.
        let erases = match (in_place, value) {
            (false, Brought::Text(_)) => reach.members_hide(mask) || reach.is_hidden(mask),
            _ => reach.hides(mask),
        };
        let text = match value {
            Brought::Text(text) => Some(*text),
            Brought::From(..) => None,
        };
        if erases || !in_place && self.shifts(&reach, path)? || self.renames(path, text)? {
            self.fields.add_once(&told);
            return Ok(());
        }
        match value {
            Brought::Text(text) => {
                self.text(mask, &reach, path, text)?;
                self.values(path, Change::Value { text, sizes: !in_place }, &told);
            }
            Brought::From(from, moves) => {
                if !self.takes_all(&reach, from)? {
                    self.types.add_once(&told);
                }
                if !moves || !self.is_within_one_list(from, path)? {
                    self.values(path, Change::Unknown, &told);
                }
            }
        }
        Ok(())
    }

    /// Where a pointer leads that is written to. `_method` says another method to many servers.
    fn written(&mut self, pointer: &Pointer, told: &str) -> Result<Reach, Fault> {
        if pointer.tokens.first().is_some_and(|first| write::is_method(first)) {
            self.fields.add_once(told);
        }
        Reach::of(self.sides.write, pointer)
    }

    /// Elements that are told apart by their place would become others.
    fn shifts(&self, reach: &Reach, pointer: &Pointer) -> Result<bool, Fault> {
        Ok(reach.is_placed() || Reach::of(self.sides.read, pointer)?.is_placed())
    }

    /// Whether an object on the way gets another tag, where this text is brought, or nothing that is
    /// known.
    fn renames(&self, pointer: &Pointer, text: Option<&[u8]>) -> Result<bool, Fault> {
        let mask = self.sides.write;
        if mask.search().is_none() {
            return Ok(false);
        }
        for at in 0..pointer.tokens.len() {
            let (above, rest) = pointer.tokens.split_at(at);
            let reach = Reach::of(mask, &Pointer { tokens: above.to_vec() })?;
            for tags in reach.nodes().flat_map(|node| called::tags(mask, node)) {
                let keeps = match text {
                    Some(text) if rest.len() == tags.field.len() => {
                        tags.keeps(text, self.limits.key)?
                    }
                    _ => false,
                };
                if tags.meets(rest) && !keeps {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Judges a text by the mask, at every place that it may come to.
    fn text(
        &mut self,
        mask: &Mask,
        reach: &Reach,
        path: &Pointer,
        text: &[u8],
    ) -> Result<(), Fault> {
        let depth = path.tokens.len();
        for node in reach.nodes() {
            let told = |inside: &String| format!("/{}/value{inside}", self.at);
            match write::check_part(mask, (node, depth), text, self.limits) {
                Ok(()) => {}
                Err(WriteFault::Invalid(fault)) => return Err(fault),
                Err(WriteFault::Fields(inside)) => {
                    inside.iter().map(told).for_each(|pointer| self.fields.add_once(&pointer));
                }
                Err(WriteFault::Types(inside)) => {
                    inside.iter().map(told).for_each(|pointer| self.types.add_once(&pointer));
                }
            }
        }
        Ok(())
    }

    /// Whether a place takes whatever may stand at `from`.
    fn takes_all(&self, reach: &Reach, from: &Pointer) -> Result<bool, Fault> {
        let Sides { read, write, .. } = self.sides;
        let (seen, sent) = (Reach::of(read, from)?, Reach::of(write, from)?);
        let types = seen.nodes().fold(Types::NONE, |all, node| all.or(read.node(node).types));
        let alike = |node: NodeId| sent.nodes().all(|other| other == node);
        let takes =
            |node| alike(node) || is_plain(write, node) && write.node(node).types.has(types);
        Ok(reach.nodes().all(takes))
    }

    /// Whether a move leaves a list with the elements that it had. (An object with numbers for names
    /// is none.)
    fn is_within_one_list(&self, from: &Pointer, path: &Pointer) -> Result<bool, Fault> {
        let (Some((_, a)), Some((_, b))) = (from.tokens.split_last(), path.tokens.split_last())
        else {
            return Ok(false);
        };
        Ok(a == b && Reach::of(self.sides.write, path)?.is_element_alone())
    }

    fn values(&mut self, path: &Pointer, change: Change<'_>, told: &str) {
        let found = self.sides.values.judge_change(&path.tokens, change, self.limits);
        for inside in found {
            match inside {
                None => self.types.add_once(told),
                Some(inside) => self.types.add_once(&format!("/{}/value{inside}", self.at)),
            }
        }
    }
}

/// Whether a node takes all values of its types.
fn is_plain(mask: &Mask, node: NodeId) -> bool {
    let found = mask.node(node);
    let open = found.fields.iter().all(|(_, child)| *child == SHOW)
        && found.others == SHOW
        && found.items == SHOW;
    node == SHOW || open && mask.extra(node).is_none()
}

#[cfg(test)]
mod tests;
