//! The streaming filter: what a mask shows goes out as it came, the rest does not.
//!
//! A pushdown reader follows the containers that the mask limits; everything else (shown whole or
//! hidden whole) is read by [`Blind`]. Both check the full grammar. What goes out is [`Pen`]'s.

mod held;
mod limited;
mod pairs;
mod pass;
mod run;
mod told;

pub(super) use pairs::type_of;

use super::Limits;
use super::blind::{Blind, DEEPEST, Expect};
use super::fault::Fault;
use super::key::Key;
use super::marks::Marks;
use super::mask::{HIDE, Mask, NodeId, SHOW, Types};
use super::pen::Pen;
use super::scan::{Input, plain, space};
use super::tag::Known;
use super::trail::{Pointers, Way};
use limited::Limited;
use std::sync::Arc;

mod again;
mod apart;

/// Reads one JSON text and keeps what its mask shows. See [`super`] for what it promises.
#[derive(Debug)]
pub(super) struct Engine {
    mask: Arc<Mask>,
    depth: usize,
    number: usize,
    pen: Pen,
    blind: Blind,
    key: Key,
    inside: Inside,
    expect: Expect,
    /// The node of the value that comes, or is being read.
    child: NodeId,
    /// Limited containers that are open.
    frames: Vec<Frame>,
    /// Which named members have been seen: a run of bits for each open object.
    seen: Vec<u64>,
    /// Where, in what the pen holds aside, the value begins that must end before it is judged: a
    /// number of which it matters whether it is integral, or a pair.
    held_at: Option<usize>,
    object: usize,
    /// The value that comes is a pair if its node says so; otherwise that has been judged.
    splits_root: bool,
    /// What is dropped leaves `null` behind.
    nulled: bool,
    /// Pointers that turned out not to fit.
    unfit: u32,
    /// The text is a part of a document: a value that is hidden whole leaves nothing, and no fault.
    part: bool,
    /// What is known of objects to come, where tags are asked for.
    known: Option<Box<Known>>,
    removed: u64,
    record: Option<Record>,
}

/// Which of the parts is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Structure,
    Key,
    Value,
}

/// A limited container that is open.
#[derive(Clone, Copy, Debug)]
struct Frame {
    node: NodeId,
    object: bool,
    /// A member or element has gone out.
    any: bool,
    /// How many have begun.
    count: u64,
    /// Where its bits begin in [`Engine::seen`].
    seen: usize,
}

#[derive(Debug)]
struct Record {
    way: Way,
    pointers: Pointers,
}

impl Engine {
    pub fn new(mask: Arc<Mask>, limits: &Limits, recording: bool) -> Engine {
        let record = || Record { way: Way::default(), pointers: Pointers::new(limits) };
        Engine {
            child: mask.root(),
            mask,
            depth: limits.depth.min(DEEPEST),
            number: limits.number,
            pen: Pen::new(),
            blind: Blind::new(),
            key: Key::new(limits.key),
            inside: Inside::Structure,
            expect: Expect::Value,
            frames: Vec::new(),
            seen: Vec::new(),
            held_at: None,
            object: limits.object,
            splits_root: true,
            nulled: false,
            unfit: 0,
            part: false,
            known: None,
            removed: 0,
            record: recording.then(record),
        }
    }

    /// Reads a piece of the input.
    pub fn read(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.pen.begin();
        let mut marks = Marks::new(input.bytes);
        let mut pos = self.run(input, 0, &mut marks, out)?;
        while let Some(next) = self.step(input, pos, out)? {
            pos = self.run(input, next, &mut marks, out)?;
        }
        self.pen.end(input.bytes, out);
        self.held_within_limit(self.pen.held().len(), input.offset(input.bytes.len()))
    }

    /// The input has ended.
    pub fn finish(&mut self, offset: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.inside == Inside::Value && self.blind.ends_here() {
            let nothing = Input { bytes: &[], base: offset };
            self.pen.begin();
            self.value_ended(nothing, 0, out)?;
        }
        if self.expect == Expect::End && self.inside == Inside::Structure {
            Ok(())
        } else {
            Err(Fault::Truncated)
        }
    }

    pub fn removed(&self) -> u64 {
        self.removed
    }

    pub fn pointers(&self) -> &[String] {
        self.record.as_ref().map(|record| record.pointers.as_slice()).unwrap_or_default()
    }

    /// Reads one token of structure, a key or a whole value; `None` when the input is used up.
    fn step(
        &mut self,
        input: Input<'_>,
        pos: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Fault> {
        match self.inside {
            Inside::Structure => self.structure(input, pos, out),
            Inside::Value => self.look_on(input, pos, out),
            Inside::Key => match self.key.read(input, pos)? {
                Some(after) => self.decoded_key(input, after, out),
                None => Ok(None),
            },
        }
    }

    fn structure(
        &mut self,
        input: Input<'_>,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Fault> {
        let bytes = input.bytes;
        let pos = space(bytes, start);
        self.pen.space(start, pos, bytes, out);
        let Some(&byte) = bytes.get(pos) else { return Ok(None) };
        self.pen.solid();
        match (self.expect, byte) {
            (Expect::Member | Expect::Key, b'"') => self.key(input, pos + 1, out),
            (Expect::Colon, b':') => {
                self.expect = Expect::Value;
                Ok(Some(pos + 1))
            }
            (Expect::After, b',') => Ok(Some(self.comma(input, pos, out))),
            (Expect::Member, b'}') | (Expect::Element, b']') => self.close(input, pos, out),
            (Expect::After, b'}') if self.in_object() => self.close(input, pos, out),
            (Expect::After, b']') if !self.in_object() => self.close(input, pos, out),
            (Expect::Value | Expect::Element, _) => self.value(input, pos, byte, out),
            (Expect::End, _) => Err(Fault::Trailing { offset: input.offset(pos) }),
            _ => Err(input.grammar(pos)),
        }
    }

    fn comma(&mut self, input: Input<'_>, pos: usize, out: &mut Vec<u8>) -> usize {
        self.separate(input, pos, out);
        self.expect = if self.in_object() { Expect::Key } else { Expect::Value };
        self.next_element();
        pos + 1
    }

    /// A comma stands at `pos`: it goes with the member or the element behind it.
    fn separate(&mut self, input: Input<'_>, pos: usize, out: &mut Vec<u8>) {
        // White space that followed a removed value goes with it.
        self.pen.discard_held(input.bytes, out);
        self.pen.hold(pos);
    }

    fn key(
        &mut self,
        input: Input<'_>,
        pos: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Fault> {
        let end = plain(input.bytes, pos);
        if input.bytes.get(end) == Some(&b'"') {
            if end - pos > self.key.limit() {
                return Err(Fault::KeyTooLong { offset: input.offset(end) });
            }
            return self.named(&input.bytes[pos..end], input, end + 1, out).map(Some);
        }
        self.inside = Inside::Key;
        self.key.start();
        Ok(Some(pos))
    }

    fn decoded_key(
        &mut self,
        input: Input<'_>,
        pos: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Fault> {
        self.inside = Inside::Structure;
        let key = std::mem::take(self.key.bytes_mut());
        let next = self.named(&key, input, pos, out);
        *self.key.bytes_mut() = key;
        next.map(Some)
    }

    /// A key has been read; `pos` is after it.
    fn named(
        &mut self,
        key: &[u8],
        input: Input<'_>,
        pos: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let frame = self.frames.last_mut().expect("keys stand in objects");
        frame.count += 1;
        let object = Limited::new(&self.mask, frame.node);
        let child = object.member(&mut self.seen[frame.seen..], key);
        self.child = child.ok_or(Fault::DuplicateKey { offset: input.offset(pos) })?;
        if let Some(record) = &mut self.record {
            record.way.member(&String::from_utf8_lossy(key));
        }
        self.expect = Expect::Colon;
        self.begin_member(input, out);
        // Most keys have their colon right behind: one turn of the loop less.
        if input.bytes.get(pos) == Some(&b':') {
            self.expect = Expect::Value;
            return Ok(pos + 1);
        }
        Ok(pos)
    }

    /// A member of the child's node begins, and its key alone may say whether it passes.
    #[inline]
    fn begin_member(&mut self, input: Input<'_>, out: &mut Vec<u8>) {
        match self.child {
            HIDE => self.remove(input, out),
            id if self.mask.plan(id).decided => self.keep(input, out),
            _ => {}
        }
    }

    fn value(
        &mut self,
        input: Input<'_>,
        pos: usize,
        byte: u8,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Fault> {
        let is = Types::of(byte).ok_or_else(|| input.grammar(pos))?;
        if self.expect == Expect::Element {
            self.next_element();
        }
        let child = self.child;
        match child {
            _ if self.pen.drops() => {}
            SHOW => self.keep(input, out),
            HIDE => self.remove_or_refuse(input, out)?,
            id if self.mask.plan(id).held.accept(is) && self.is_held(is, input.offset(pos)) => {
                self.held_at = Some(self.pen.aside(pos, input.bytes, out));
            }
            _ => {
                // What an object's tag says, if it was asked.
                let id = self.child;
                self.judge(id, is, pos, input, out)?;
                if is.is_container() && !self.pen.drops() {
                    return self.open(id, is == Types::OBJECT, input, pos).map(Some);
                }
            }
        }
        self.inside = Inside::Value;
        self.blind.start(self.depth.saturating_sub(self.frames.len()));
        self.look_on(input, pos, out)
    }

    /// Reads on in a value that the mask does not look into.
    fn look_on(
        &mut self,
        input: Input<'_>,
        pos: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Fault> {
        match self.blind.walk(input, pos)? {
            Some(after) => self.value_ended(input, after, out).map(|()| Some(after)),
            None => Ok(None),
        }
    }

    /// A value of type `is` stands where `id` applies: it passes or is removed, and the pointers
    /// through here fit or do not.
    #[inline(always)]
    fn judge(
        &mut self,
        id: NodeId,
        is: Types,
        pos: usize,
        input: Input<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        // Where one pointer alone leads, nothing can be unfit.
        let fits = match self.mask.plan(id).ways.is_empty() {
            true => self.mask.node(id).types.accept(is),
            false => self.fits(id, is)?,
        };
        if fits {
            self.keep(input, out);
            return Ok(());
        }
        self.does_not_pass(id, pos, input, out)
    }

    /// A value stands where `id` applies and does not pass: it goes, or becomes `null`.
    #[cold]
    fn does_not_pass(
        &mut self,
        id: NodeId,
        pos: usize,
        input: Input<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        if self.mask.plan(id).nulls && self.stands_in_something() {
            self.keep(input, out);
            self.pen.cut(pos, input.bytes, out);
            out.extend_from_slice(b"null");
            self.nulled = true;
            self.note_removal();
            return Ok(());
        }
        self.remove_or_refuse(input, out)
    }

    /// Whether a value of type `is` passes where `id` applies, as far as its type goes.
    #[inline]
    fn fits(&mut self, id: NodeId, is: Types) -> Result<bool, Fault> {
        for (pointers, types) in &self.mask.plan(id).ways {
            if !types.accept(is) {
                self.unfit |= pointers;
            }
        }
        let all = self.mask.alternatives();
        if all != 0 && self.unfit & all == all {
            return Err(Fault::Shape);
        }
        Ok(self.mask.node(id).types.accept(is))
    }

    #[inline(always)]
    fn open(
        &mut self,
        node: NodeId,
        object: bool,
        input: Input<'_>,
        pos: usize,
    ) -> Result<usize, Fault> {
        if self.frames.len() >= self.depth {
            return Err(Fault::Depth { offset: input.offset(pos) });
        }
        let seen = self.seen.len();
        if object {
            self.seen.resize(seen + self.mask.node(node).fields.len().div_ceil(64), 0);
        }
        self.frames.push(Frame { node, object, any: false, count: 0, seen });
        self.expect = if object { Expect::Member } else { Expect::Element };
        self.pen.hold(pos + 1);
        Ok(pos + 1)
    }

    #[inline(always)]
    fn close(
        &mut self,
        input: Input<'_>,
        pos: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Fault> {
        self.pen.keep(false, input.bytes, out);
        let frame = self.frames.pop().expect("only what is open is closed");
        self.seen.truncate(frame.seen);
        self.value_ended(input, pos + 1, out)?;
        Ok(Some(pos + 1))
    }

    #[inline]
    fn value_ended(
        &mut self,
        input: Input<'_>,
        pos: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        self.inside = Inside::Structure;
        if let Some(start) = self.held_at {
            self.held_ended(start, pos, input, out)?;
        }
        if self.pen.drops() {
            self.dropped(pos);
        }
        self.expect = if self.frames.is_empty() { Expect::End } else { Expect::After };
        if let Some(record) = &mut self.record {
            record.way.up();
        }
        Ok(())
    }

    /// A value that did not pass has ended at `pos`.
    fn dropped(&mut self, pos: usize) {
        match std::mem::take(&mut self.nulled) {
            true => self.pen.copy(pos),
            false => self.pen.hold(pos),
        }
    }

    /// An element of the innermost array comes. In an object nothing happens.
    #[inline]
    fn next_element(&mut self) {
        let Some(frame) = self.frames.last_mut().filter(|frame| !frame.object) else { return };
        self.child = self.mask.element(frame.node, frame.count);
        if let Some(record) = &mut self.record {
            record.way.element(frame.count);
        }
        frame.count += 1;
    }

    #[inline]
    fn keep(&mut self, input: Input<'_>, out: &mut Vec<u8>) {
        let Some(frame) = self.frames.last_mut() else {
            return self.pen.keep(false, input.bytes, out);
        };
        // The first that goes out leaves behind the comma that separated it from what did not.
        self.pen.keep(frame.count > 1 && !frame.any, input.bytes, out);
        frame.any = true;
    }

    /// A value that does not pass is removed; a document has nothing to be removed from.
    fn remove_or_refuse(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !self.stands_in_something() {
            return Err(Fault::Shape);
        }
        self.remove(input, out);
        Ok(())
    }

    fn remove(&mut self, input: Input<'_>, out: &mut Vec<u8>) {
        self.pen.discard(input.bytes, out);
        self.note_removal();
    }

    fn note_removal(&mut self) {
        self.removed += 1;
        if let Some(record) = &mut self.record {
            record.pointers.add(record.way.as_str());
        }
    }

    /// Whether the value at hand is a member or an element, and not the document.
    fn stands_in_something(&self) -> bool {
        !self.frames.is_empty() || self.part
    }

    fn in_object(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.object)
    }
}

#[cfg(test)]
mod tests;
