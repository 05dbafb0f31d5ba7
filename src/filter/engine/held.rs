//! Values that are held until they have ended, because only then it can be said whether they pass.

use super::{Engine, type_of};
use crate::filter::fault::Fault;
use crate::filter::mask::Types;
use crate::filter::scan::Input;

impl Engine {
    /// Whether a value of this type that begins at `offset`, where some are looked at before they are
    /// judged, is held until it has ended. An object that has a tag is asked for it first.
    #[cold]
    pub(super) fn is_held(&mut self, is: Types, offset: u64) -> bool {
        self.child = self.by_tag(self.child, is, offset);
        let is_pair = self.splits_root || !self.frames.is_empty();
        match is {
            Types::OBJECT => is_pair && !self.mask.plan(self.child).pairs.is_empty(),
            _ => true,
        }
    }

    /// A value that was held has ended at `pos`, and is judged.
    #[cold]
    pub(super) fn held_ended(
        &mut self,
        start: usize,
        pos: usize,
        input: Input<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let end = self.pen.aside(pos, input.bytes, out);
        self.held_within_limit(end, input.offset(pos))?;
        self.held_at = None;
        let id = self.child;
        let is = type_of(&self.pen.held()[start..]);
        let mut passes = self.fits(id, is)?;
        if passes && is == Types::OBJECT {
            let left = self.pair(id, self.pen.held()[start..].to_vec())?;
            passes = left.is_some();
            self.pen.replace(start, &left.unwrap_or_default());
        }
        if !passes {
            if !self.mask.plan(id).nulls || !self.stands_in_something() {
                return self.remove_or_refuse(input, out);
            }
            self.pen.replace(start, b"null");
            self.note_removal();
        }
        self.keep(input, out);
        Ok(())
    }

    /// What is held has a limit, which is noticed at the end of a chunk at the latest.
    pub(super) fn held_within_limit(&self, end: usize, offset: u64) -> Result<(), Fault> {
        let Some(start) = self.held_at else { return Ok(()) };
        match self.pen.held().get(start) {
            Some(b'{') if end - start > self.object => Err(Fault::ObjectTooLong { offset }),
            Some(b'{') => Ok(()),
            _ if end - start > self.number => Err(Fault::NumberTooLong { offset }),
            _ => Ok(()),
        }
    }
}
