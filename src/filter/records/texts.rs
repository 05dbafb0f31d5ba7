//! Records whose end is where their JSON text ends: JSON text sequences and concatenated JSON.

use super::{Fault, Input, Limits, Sink, ends_itself};
use crate::filter::blind::Blind;
use crate::filter::mask::Types;
use crate::filter::scan::space;

/// The text that is being read.
#[derive(Debug)]
pub(super) struct Texts {
    /// Each begins with U+001E.
    separated: bool,
    depth: usize,
    blind: Blind,
    at: At,
    /// Bytes of the text from earlier chunks.
    held: Vec<u8>,
    /// Where it began.
    began: u64,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before a text: in a sequence, before U+001E.
    Between,
    /// Behind U+001E.
    Due,
    /// In a text.
    Inside,
    /// Behind a scalar, which is whole if white space follows.
    Scalar,
}

impl Texts {
    pub fn new(separated: bool, limits: &Limits) -> Texts {
        Texts {
            separated,
            depth: limits.depth.min(Limits::DEEPEST),
            blind: Blind::new(),
            at: if separated { At::Between } else { At::Due },
            held: Vec::new(),
            began: 0,
        }
    }

    pub fn push(
        &mut self,
        chunk: Input<'_>,
        sink: &mut Sink,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let mut pos = 0;
        while pos < chunk.bytes.len() {
            pos = match self.at {
                At::Between => self.between(chunk, pos)?,
                At::Due => self.due(chunk, pos)?,
                At::Inside => self.inside(chunk, pos, sink, out)?,
                At::Scalar => self.scalar(chunk, pos, sink, out)?,
            };
        }
        Ok(())
    }

    /// No text is held that could be whole.
    pub fn finish(&self) -> Result<(), Fault> {
        match self.at {
            At::Inside | At::Scalar => Err(Fault::Truncated),
            At::Between | At::Due => Ok(()),
        }
    }

    /// Before the first U+001E stands nothing; behind a text, white space may.
    fn between(&mut self, chunk: Input<'_>, pos: usize) -> Result<usize, Fault> {
        let first = chunk.offset(pos) == 0;
        let at = if first { pos } else { space(chunk.bytes, pos) };
        match chunk.bytes.get(at) {
            None => Ok(at),
            Some(&RECORD) => {
                self.at = At::Due;
                Ok(at + 1)
            }
            Some(_) if first => Err(chunk.grammar(at)),
            Some(_) => Err(Fault::Trailing { offset: chunk.offset(at) }),
        }
    }

    /// A text may begin. RFC 7464 section 2.1: several U+001E in a row are one.
    fn due(&mut self, chunk: Input<'_>, pos: usize) -> Result<usize, Fault> {
        let at = space(chunk.bytes, pos);
        let Some(&byte) = chunk.bytes.get(at) else { return Ok(at) };
        if byte == RECORD && self.separated {
            return Ok(at + 1);
        }
        if Types::of(byte).is_none() {
            return Err(chunk.grammar(at));
        }
        self.began = chunk.offset(at);
        self.blind.start(self.depth);
        self.at = At::Inside;
        Ok(at)
    }

    fn inside(
        &mut self,
        chunk: Input<'_>,
        pos: usize,
        sink: &mut Sink,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let Some(end) = self.blind.walk(chunk, pos)? else {
            sink.hold(&mut self.held, &chunk.bytes[pos..], self.began)?;
            return Ok(chunk.bytes.len());
        };
        let last = &chunk.bytes[pos..end];
        let first = self.held.first().or(last.first()).copied();
        if !ends_itself(first.as_slice()) {
            sink.hold(&mut self.held, last, self.began)?;
            self.at = At::Scalar;
            return Ok(end);
        }
        if self.held.is_empty() {
            sink.fits(last.len(), self.began)?;
            self.give(last, sink, out)?;
        } else {
            sink.hold(&mut self.held, last, self.began)?;
            self.give_held(sink, out)?;
        }
        Ok(end)
    }

    fn scalar(
        &mut self,
        chunk: Input<'_>,
        pos: usize,
        sink: &mut Sink,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        match chunk.bytes[pos] {
            b' ' | b'\t' | b'\n' | b'\r' => self.give_held(sink, out).map(|()| pos + 1),
            RECORD => Err(Fault::Truncated),
            _ => Err(chunk.grammar(pos)),
        }
    }

    fn give_held(&mut self, sink: &mut Sink, out: &mut Vec<u8>) -> Result<(), Fault> {
        let held = std::mem::take(&mut self.held);
        let given = self.give(&held, sink, out);
        self.held = held;
        self.held.clear();
        given
    }

    fn give(&mut self, text: &[u8], sink: &mut Sink, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.at = if self.separated { At::Between } else { At::Due };
        let start = out.len();
        if self.separated {
            out.push(RECORD);
        }
        match sink.pass(text, self.began, out) {
            Ok(true) => out.push(b'\n'),
            Ok(false) => out.truncate(start),
            Err(fault) => {
                out.truncate(start);
                return Err(fault);
            }
        }
        Ok(())
    }
}

/// U+001E, RECORD SEPARATOR.
const RECORD: u8 = 0x1e;
