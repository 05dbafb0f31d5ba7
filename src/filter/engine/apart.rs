//! The engine where a document comes to it in parts: a value that stands elsewhere, and values that
//! someone else reads (rows).

use super::{Engine, Inside};
use crate::filter::Limits;
use crate::filter::blind::Expect;
use crate::filter::fault::Fault;
use crate::filter::mask::{HIDE, Mask, NodeId, SHOW, Types};
use crate::filter::scan::Input;
use std::sync::Arc;

impl Engine {
    /// An engine for a value somewhere in a document: `node` applies to it, and the `unfit` pointers
    /// did not fit on the way there.
    pub fn part(mask: Arc<Mask>, limits: &Limits, node: NodeId, unfit: u32) -> Engine {
        let mut engine = Engine::new(mask, limits, false);
        (engine.child, engine.unfit, engine.part) = (node, unfit, true);
        engine.pen.hold(0);
        engine
    }

    /// Whether the value that comes is hidden, whatever it is.
    pub fn hides(&self) -> bool {
        let node = match self.frames.last() {
            Some(frame) if self.expect == Expect::Element => {
                self.mask.element(frame.node, frame.count)
            }
            _ => self.child,
        };
        self.pen.drops() || self.mask.node(node).types == Types::NONE
    }

    /// As [`Engine::read`] for the one byte with which a container begins, but where the mask shows
    /// the container it stays open to the other calls, also if it is shown whole. Says whether it
    /// is; if not, nothing has been read.
    pub fn enter(&mut self, bracket: Input<'_>, out: &mut Vec<u8>) -> Result<bool, Fault> {
        let is = Types::of(bracket.bytes[0]).ok_or_else(|| bracket.grammar(0))?;
        let shown = self.meet(is, bracket, out)?;
        if shown {
            self.open(self.child, is == Types::OBJECT, bracket, 0)?;
            self.pen.end(bracket.bytes, out);
        }
        Ok(shown)
    }

    /// A value of type `is` comes at `offset` that is not read here: if the mask shows it, the
    /// caller writes to `out` what is to stand there, and the engine goes on behind it. Says whether
    /// it does; if not, the value is still to be read.
    pub fn leave_out(&mut self, is: Types, offset: u64, out: &mut Vec<u8>) -> Result<bool, Fault> {
        let nothing = Input { bytes: &[], base: offset };
        let shown = self.meet(is, nothing, out)?;
        if shown {
            self.value_ended(nothing, 0, out)?;
        }
        Ok(shown)
    }

    /// An element of an entered array: `text` stands in its place, or nothing does.
    pub fn element(
        &mut self,
        text: Option<&[u8]>,
        offset: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let nothing = Input { bytes: &[], base: offset };
        self.pen.begin();
        self.pen.solid();
        if self.expect == Expect::Element {
            self.next_element();
        }
        match text {
            Some(text) => {
                self.keep(nothing, out);
                out.extend_from_slice(text);
            }
            None => self.pen.discard(nothing.bytes, out),
        }
        self.value_ended(nothing, 0, out)
    }

    /// A value of type `is` begins: whether it passes. One that does not is left to be read.
    fn meet(&mut self, is: Types, input: Input<'_>, out: &mut Vec<u8>) -> Result<bool, Fault> {
        self.pen.begin();
        self.pen.solid();
        if self.expect == Expect::Element {
            self.next_element();
        }
        match self.child {
            _ if self.pen.drops() => {}
            SHOW => self.keep(input, out),
            HIDE => self.remove_or_refuse(input, out)?,
            id => {
                self.child = self.by_tag(id, is, input.offset(0));
                self.judge(self.child, is, 0, input, out)?;
            }
        }
        let shown = !self.pen.drops();
        if !shown {
            self.inside = Inside::Value;
            self.blind.start(self.depth.saturating_sub(self.frames.len()));
        }
        Ok(shown)
    }
}
