//! The road that almost all bytes take: members and elements that are whole in the piece at hand,
//! one after the other, without a look at what is expected between them.
//!
//! What is rare (a token that the end of a chunk cuts, a key with an escape, a value on hold, much
//! white space, what is wrong) is not read here: the run stops before it, and [`Engine::step`]
//! reads it as if there had been no run. So there is one place that knows how each of them goes.

use super::pass::Passed;
use super::{Engine, Frame, Inside, Limited};
use crate::filter::blind::Expect;
use crate::filter::fault::Fault;
use crate::filter::marks::Marks;
use crate::filter::mask::{HIDE, SHOW, Types};
use crate::filter::pen::WHITE;
use crate::filter::scan::{Input, space};
use crate::filter::whole;

/// What is to be done with a value.
enum Meant {
    /// It is read, and nothing in it looked at.
    Blind,
    /// It is a container that the mask limits, and its inside begins here.
    Opened(usize),
    /// It is for [`Engine::step`].
    Other,
}

/// A token: where it begins, and its first byte.
type Token = (usize, u8);

impl Engine {
    /// Reads members and elements of limited containers from `start` on; the answer is where the
    /// first token stands that is not read.
    ///
    /// One function, because the position and the container must stay in registers. Between two
    /// members that are shown nothing is written but the count.
    pub(super) fn run(
        &mut self,
        input: Input<'_>,
        start: usize,
        marks: &mut Marks<'_>,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        if !self.can_run() {
            return Ok(start);
        }
        // The container's node is looked up once and not for each member.
        let mask = self.mask.clone();
        let bytes = input.bytes;
        let mut pos = start;
        let mut first = self.expect != Expect::After;
        while let Some(&Frame { node, object, seen, .. }) = self.frames.last() {
            let limited = Limited::new(&mask, node);
            let (end, limit) = (if object { b'}' } else { b']' }, self.key.limit());
            // The members or elements of one container, up to its end or one that opens.
            loop {
                if object {
                    match self.pass(input, (pos, first), &limited, seen, marks, out)? {
                        Passed::At(now) => (pos, first) = now,
                        Passed::Cut => return Ok(bytes.len()),
                    }
                }
                let Some((at, mut byte)) = solid(bytes, pos) else { return self.stop(first, pos) };
                if byte == end {
                    self.close(input, at, out)?;
                    (pos, first) = (at + 1, false);
                    break;
                }
                let mut value = at;
                if !first {
                    let after = if byte == b',' { solid(bytes, at + 1) } else { None };
                    let Some(token) = after else { return self.stop(first, pos) };
                    (value, byte) = token;
                }
                let child = if object {
                    let Some((key, token)) = key(bytes, (value, byte), limit, marks) else {
                        return self.stop(first, pos);
                    };
                    let child = limited.member(&mut self.seen[seen..], key);
                    let behind = value + key.len() + 2;
                    (value, byte) = token;
                    child.ok_or(Fault::DuplicateKey { offset: input.offset(behind) })?
                } else {
                    limited.element(self.frames.last().map_or(0, |frame| frame.count))
                };
                // A comma between two that pass needs no word.
                if !(self.count_one() && child == SHOW && self.pen.copies()) {
                    self.child = child;
                    if !first {
                        self.separate(input, at, out);
                    }
                    match self.meet_child(input, (value, byte), object, out)? {
                        Meant::Blind => {}
                        Meant::Opened(inside) => {
                            (pos, first) = (inside, true);
                            break;
                        }
                        Meant::Other => return self.stop_at(Expect::Value, value),
                    }
                }
                let end = match byte {
                    b'{' | b'[' => {
                        self.blind.start(self.depth.saturating_sub(self.frames.len()));
                        self.blind.walk_on(input, value, marks)?
                    }
                    _ => match whole::scalar(bytes, value, byte) {
                        None => {
                            self.child = child;
                            return self.stop_at(Expect::Value, value);
                        }
                        end => end,
                    },
                };
                let Some(end) = end else {
                    self.inside = Inside::Value;
                    return Ok(bytes.len());
                };
                if self.pen.drops() {
                    self.dropped(end);
                }
                (pos, first) = (end, false);
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

    /// Counts a member or an element of the innermost container; says whether one has gone out.
    #[inline(always)]
    fn count_one(&mut self) -> bool {
        self.frames.last_mut().is_some_and(|frame| {
            frame.count += 1;
            frame.any
        })
    }

    /// A member or an element comes of which it is not clear that it passes.
    fn meet_child(
        &mut self,
        input: Input<'_>,
        (at, byte): Token,
        member: bool,
        out: &mut Vec<u8>,
    ) -> Result<Meant, Fault> {
        if member {
            self.begin_member(input, out);
        }
        match self.child {
            _ if self.pen.drops() => {}
            SHOW => self.keep(input, out),
            HIDE => self.remove_or_refuse(input, out)?,
            id => {
                let Some(is) = Types::of(byte) else { return Ok(Meant::Other) };
                if self.mask.plan(id).held.accept(is) {
                    return Ok(Meant::Other);
                }
                self.judge(id, is, at, input, out)?;
                if is.is_container() && !self.pen.drops() {
                    return self.open(id, is == Types::OBJECT, input, at).map(Meant::Opened);
                }
            }
        }
        Ok(Meant::Blind)
    }
}

/// The next byte that is no white space; `None` where that is for [`Engine::step`] to find out.
#[inline(always)]
fn solid(bytes: &[u8], pos: usize) -> Option<Token> {
    match *bytes.get(pos)? {
        byte @ b'!'.. => Some((pos, byte)),
        _ => solid_behind(bytes, pos),
    }
}

/// As [`solid`], where white space comes first.
fn solid_behind(bytes: &[u8], pos: usize) -> Option<Token> {
    let at = space(bytes, pos);
    if at - pos > WHITE {
        return None;
    }
    Some((at, *bytes.get(at)?))
}

/// A key that needs no decoding, and the first token of its value.
#[inline(always)]
fn key<'a>(
    bytes: &'a [u8],
    (at, quote): Token,
    limit: usize,
    marks: &mut Marks<'_>,
) -> Option<(&'a [u8], Token)> {
    let start = at + 1;
    let end = marks.first(start);
    if quote != b'"' || bytes.get(end) != Some(&b'"') || end - start > limit {
        return None;
    }
    let Some((colon, b':')) = solid(bytes, end + 1) else { return None };
    Some((&bytes[start..end], solid(bytes, colon + 1)?))
}
