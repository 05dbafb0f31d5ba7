//! The road that almost all bytes take: tokens that are whole in the piece at hand, one after the
//! other, without a look at what is expected between them.
//!
//! What is rare (a token that the end of a chunk cuts, a key with an escape, a value on hold, much
//! white space, what is wrong) is not read here: the run stops before it, and [`Engine::step`]
//! reads it as if there had been no run. So there is one place that knows how each of them goes.

use super::{Engine, Frame, Inside, member};
use crate::filter::blind::Expect;
use crate::filter::fault::Fault;
use crate::filter::mask::{HIDE, SHOW, Types};
use crate::filter::pen::WHITE;
use crate::filter::scan::{Input, plain, space};
use crate::filter::whole;

/// What became of a value.
enum Read {
    /// It has ended before this position.
    Ended(usize),
    /// It is a container that the mask limits, and its inside begins here.
    Opened(usize),
    /// The input has been used up inside of it.
    Inside,
    /// It is for [`Engine::step`].
    Other,
}

impl Engine {
    /// Reads members and elements of limited containers from `start` on; the answer is where the
    /// first token stands that is not read.
    pub(super) fn run(
        &mut self,
        input: Input<'_>,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        if !self.can_run() {
            return Ok(start);
        }
        let bytes = input.bytes;
        let mut pos = start;
        let mut first = self.expect != Expect::After;
        while let Some(&Frame { node, object, seen, .. }) = self.frames.last() {
            let (end, next) = match object {
                true => (b'}', Expect::Key),
                false => (b']', Expect::Value),
            };
            // The members or elements of one container, up to its end or one that opens.
            loop {
                let Some((mut at, mut byte)) = solid(bytes, pos) else {
                    return self.stop(first, pos);
                };
                if byte == end {
                    self.close(input, at, out)?;
                    (pos, first) = (at + 1, false);
                    break;
                }
                if !first {
                    if byte != b',' {
                        return self.stop(false, pos);
                    }
                    pos = self.comma(input, at, out);
                    let Some(token) = solid(bytes, pos) else { return self.stop_at(next, pos) };
                    (at, byte) = token;
                } else if !object {
                    self.next_element();
                }
                if object {
                    let end = plain(bytes, at + 1);
                    if byte != b'"' || bytes.get(end) != Some(&b'"') || end - at > self.key.limit()
                    {
                        let next = if first { Expect::Member } else { next };
                        return self.stop_at(next, pos);
                    }
                    let child =
                        member(&self.mask, node, &mut self.seen[seen..], &bytes[at + 1..end]);
                    self.child =
                        child.ok_or(Fault::DuplicateKey { offset: input.offset(end + 1) })?;
                    self.begin_member(input, out);
                    let Some((colon, b':')) = solid(bytes, end + 1) else {
                        return self.stop_at(Expect::Colon, end + 1);
                    };
                    pos = colon + 1;
                    let Some(token) = solid(bytes, pos) else {
                        return self.stop_at(Expect::Value, pos);
                    };
                    (at, byte) = token;
                }
                match self.whole_value(input, at, byte, out)? {
                    Read::Ended(end) => (pos, first) = (end, false),
                    Read::Opened(inside) => {
                        (pos, first) = (inside, true);
                        break;
                    }
                    Read::Inside => return Ok(bytes.len()),
                    Read::Other => return self.stop_at(Expect::Value, pos),
                }
            }
        }
        Ok(pos)
    }

    /// Whether nothing is on hold, cut or recorded, and a member or an element comes or has ended.
    fn can_run(&self) -> bool {
        self.inside == Inside::Structure
            && matches!(self.expect, Expect::After | Expect::Member | Expect::Element)
            && !self.pen.holds_earlier()
            && self.record.is_none()
    }

    /// Stops between members or elements; `first`: none has begun.
    fn stop(&mut self, first: bool, pos: usize) -> Result<usize, Fault> {
        let expect = match (first, self.in_object()) {
            (false, _) => Expect::After,
            (true, true) => Expect::Member,
            (true, false) => Expect::Element,
        };
        self.stop_at(expect, pos)
    }

    fn stop_at(&mut self, expect: Expect, pos: usize) -> Result<usize, Fault> {
        self.expect = expect;
        Ok(pos)
    }

    /// Reads the value of the child at hand, as far as it is whole.
    #[inline(always)]
    fn whole_value(
        &mut self,
        input: Input<'_>,
        at: usize,
        byte: u8,
        out: &mut Vec<u8>,
    ) -> Result<Read, Fault> {
        match self.child {
            _ if self.pen.drops() => {}
            SHOW => self.keep(input, out),
            HIDE => self.remove_or_refuse(input, out)?,
            id => {
                let Some(is) = Types::of(byte) else { return Ok(Read::Other) };
                if self.mask.plan(id).held.accept(is) {
                    return Ok(Read::Other);
                }
                self.judge(id, is, at, input, out)?;
                if is.is_container() && !self.pen.drops() {
                    return self.open(id, is == Types::OBJECT, input, at).map(Read::Opened);
                }
            }
        }
        let end = match byte {
            b'{' | b'[' => {
                self.blind.start(self.depth.saturating_sub(self.frames.len()));
                match self.blind.walk(input, at)? {
                    Some(end) => end,
                    None => {
                        self.inside = Inside::Value;
                        return Ok(Read::Inside);
                    }
                }
            }
            _ => match whole::scalar(input.bytes, at, byte) {
                Some(end) => end,
                None => return Ok(Read::Other),
            },
        };
        self.value_ended(input, end, out)?;
        Ok(Read::Ended(end))
    }
}

/// The next byte that is no white space, and where it stands; `None` where that is for
/// [`Engine::step`] to find out.
#[inline(always)]
fn solid(bytes: &[u8], pos: usize) -> Option<(usize, u8)> {
    let at = space(bytes, pos);
    if at - pos > WHITE {
        return None;
    }
    Some((at, *bytes.get(at)?))
}
