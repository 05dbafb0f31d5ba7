//! Bodies that are a stream of records: several JSON texts, each filtered as a document of its own
//! and given out when it is whole. One engine reads them all.
//!
//! A record is held until its end has come, within [`Limits::object`]: nothing of one goes out that
//! is then found bad. The first that is not valid ends the stream. A record that holds nothing but
//! a row that the judge lets go is left out, as the row is from a list.

mod events;
mod lines;
mod texts;

use super::blind::Blind;
use super::fault::Fault;
use super::scan::{Input, space};
use super::{Filter, Limits, utf8};
use events::Events;
use lines::Lines;
use std::sync::Arc;
use texts::Texts;

/// How records follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One on each line (NDJSON, JSON Lines). Lines of white space alone go. The last line may lack
    /// its end, unless it is a scalar, of which nobody could say whether it was cut.
    Lines,
    /// Each between U+001E and a line feed (RFC 7464). Scalars must have their line feed.
    Sequence,
    /// One after the other, with or without white space (concatenated JSON). Scalars must have
    /// white space behind them.
    Values,
    /// In the `data` of server-sent events (HTML, section 9.2). Comments and unknown fields go;
    /// `event`, `id` and `retry` stay, with the data of an event that stays.
    Events,
}

/// Removes from each record of a stream what a mask does not show.
#[derive(Debug)]
pub struct Records {
    framing: Split,
    sink: Sink,
    /// Offset of the next chunk's first byte.
    offset: u64,
    fault: Option<Fault>,
}

#[derive(Debug)]
enum Split {
    Lines(Lines),
    Texts(Box<Texts>),
    Events(Box<Events>),
}

/// Where whole records go.
#[derive(Debug)]
struct Sink {
    filter: Filter,
    limits: Limits,
    blind: Blind,
}

impl Records {
    /// Records that pass through `filter`, of which `limits` are the limits as well. In server-sent
    /// events, data that is exactly one of `sentinels` passes as it is.
    pub fn new(
        filter: Filter,
        framing: Framing,
        sentinels: Arc<[Arc<str>]>,
        limits: Limits,
    ) -> Records {
        let framing = match framing {
            Framing::Lines => Split::Lines(Lines::default()),
            Framing::Sequence => Split::Texts(Box::new(Texts::new(true, &limits))),
            Framing::Values => Split::Texts(Box::new(Texts::new(false, &limits))),
            Framing::Events => Split::Events(Box::new(Events::new(sentinels))),
        };
        let sink = Sink { filter, limits, blind: Blind::new() };
        Records { framing, sink, offset: 0, fault: None }
    }

    /// Reads a chunk and appends to `out` the records that are whole. Those before a bad one go out,
    /// and the fault is that of the next call: see [`Records::has_fault`].
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let before = out.len();
        self.guarded(|framing, sink, offset| {
            framing.push(Input { bytes: chunk, base: offset }, sink, out)
        })
        .or_else(|fault| if out.len() > before { Ok(()) } else { Err(fault) })?;
        self.offset += chunk.len() as u64;
        Ok(())
    }

    /// The input has ended. Without this call, or with a fault from it, the stream is not whole.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.guarded(|framing, sink, offset| framing.finish(offset, sink, out))?;
        self.sink.filter.restart();
        Ok(())
    }

    /// Whether something was found that the next call will say.
    pub fn has_fault(&self) -> bool {
        self.fault.is_some()
    }

    /// How many members and elements were removed: see [`Filter::removed`].
    pub fn removed(&self) -> u64 {
        self.sink.filter.removed()
    }

    /// How many rows went: records, and rows inside of them.
    pub fn dropped(&self) -> u64 {
        self.sink.filter.dropped()
    }

    /// Pointers inside of records to what was removed, at the end each once; empty unless recording.
    pub fn pointers(&self) -> &[String] {
        self.sink.filter.pointers()
    }

    fn guarded(
        &mut self,
        work: impl FnOnce(&mut Split, &mut Sink, u64) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let result = work(&mut self.framing, &mut self.sink, self.offset);
        self.fault = result.err();
        result
    }
}

impl Split {
    fn push(&mut self, chunk: Input<'_>, sink: &mut Sink, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Split::Lines(lines) => lines.push(chunk, sink, out),
            Split::Texts(texts) => texts.push(chunk, sink, out),
            Split::Events(events) => events.push(chunk, sink, out),
        }
    }

    fn finish(&mut self, offset: u64, sink: &mut Sink, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Split::Lines(lines) => lines.finish(offset, sink, out),
            Split::Texts(texts) => texts.finish(),
            Split::Events(events) => events.finish(),
        }
    }
}

impl Sink {
    /// Filters one whole record that began at `began`; what passes is appended to `out`. Says
    /// whether the record stays.
    fn pass(&mut self, record: &[u8], began: u64, out: &mut Vec<u8>) -> Result<bool, Fault> {
        let start = out.len();
        self.filter.restart();
        let read = self.filter.push(record, out).and_then(|()| self.filter.finish(out));
        if read.is_err() {
            out.truncate(start);
        }
        let stays = match read {
            Ok(()) => Ok(true),
            // The rest of the record has not been read.
            Err(Fault::Gone) => self.check(record).map(|()| false),
            Err(fault) => Err(fault),
        };
        stays.map_err(|fault| fault.behind(began))
    }

    /// Whether the record is one JSON text.
    fn check(&mut self, record: &[u8]) -> Result<(), Fault> {
        utf8::whole(record)?;
        self.blind.start(self.limits.depth.min(Limits::DEEPEST));
        let text = Input { bytes: record, base: 0 };
        match self.blind.walk(text, 0)? {
            None if self.blind.ends_here() => Ok(()),
            None => Err(Fault::Truncated),
            Some(end) => match space(record, end) {
                end if end == record.len() => Ok(()),
                end => Err(Fault::Trailing { offset: text.offset(end) }),
            },
        }
    }

    /// Keeps a part of a record, which has begun at `began`.
    fn hold(&self, held: &mut Vec<u8>, part: &[u8], began: u64) -> Result<(), Fault> {
        self.fits(held.len() + part.len(), began)?;
        held.extend_from_slice(part);
        Ok(())
    }

    fn fits(&self, length: usize, began: u64) -> Result<(), Fault> {
        match length > self.limits.object {
            true => Err(Fault::RecordTooLong { offset: began + self.limits.object as u64 }),
            false => Ok(()),
        }
    }
}

/// Whether a text says itself where it ends; of any other nobody knows whether it was cut.
fn ends_itself(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'{' | b'[' | b'"'))
}

#[cfg(test)]
mod tests;
