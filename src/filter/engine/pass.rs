//! Members of which the key alone says what becomes of them, one after the other: most members of
//! most bodies. Only what is short and whole is read here.

use super::limited::first_of_its_name;
use super::{Engine, Inside, Limited};
use crate::filter::fault::Fault;
use crate::filter::marks::Marks;
use crate::filter::mask::{HIDE, SHOW};
use crate::filter::scan::Input;
use crate::filter::whole;

/// Where members stop whose key says all.
pub(super) enum Passed {
    /// Something else stands here, and nothing of it has been read; whether it is the first of its
    /// object.
    At((usize, bool)),
    /// The piece has ended in a value.
    Cut,
}

impl Engine {
    /// Reads members of an object from the end of the last on, or from the beginning of the `first`.
    #[inline(always)]
    pub(super) fn pass(
        &mut self,
        input: Input<'_>,
        (mut pos, mut first): (usize, bool),
        limited: &Limited<'_>,
        seen: usize,
        marks: &mut Marks<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Passed, Fault> {
        let bytes = input.bytes;
        loop {
            // The first stands behind the brace as others behind the comma.
            let before = pos.wrapping_sub(usize::from(first));
            let lead = if first { *b"{\"" } else { *b",\"" };
            let Some(short) = whole::short_member(bytes, before, lead, marks) else {
                return Ok(Passed::At((pos, first)));
            };
            let named = limited.find(short.key);
            let child = limited.child(named, short.key);
            let opens = matches!(short.first, b'{' | b'[');
            let end = match short.end {
                None if !opens => whole::scalar(bytes, short.value, short.first),
                end => end,
            };
            let known = (child == SHOW || child == HIDE) && (end.is_some() || opens);
            if !known || short.key.len() > self.key.limit() {
                return Ok(Passed::At((pos, first)));
            }
            if !named.is_none_or(|named| first_of_its_name(&mut self.seen[seen..], named)) {
                return Err(Fault::DuplicateKey { offset: input.offset(short.value - 1) });
            }
            if let Some(frame) = self.frames.last_mut() {
                frame.count += 1;
            }
            // Between two that are shown nothing is to be done.
            if child == HIDE || !self.pen.copies() {
                if !first {
                    self.separate(input, pos, out);
                }
                match child {
                    HIDE => self.remove(input, out),
                    _ => self.keep(input, out),
                }
            }
            let end = match end {
                Some(end) => Some(end),
                None => {
                    self.blind.start(self.depth.saturating_sub(self.frames.len()));
                    self.blind.walk_on(input, short.value, marks)?
                }
            };
            let Some(end) = end else {
                self.inside = Inside::Value;
                return Ok(Passed::Cut);
            };
            if child == HIDE {
                self.pen.hold(end);
            }
            (pos, first) = (end, false);
        }
    }
}
