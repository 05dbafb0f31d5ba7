//! The JSON engine: streaming, strict, byte-exact. It knows shapes, not roles.
//!
//! A [`mask::Mask`] says which parts of a document pass. [`Filter`] takes a body chunk by chunk and
//! gives out what passes, byte for byte as it came; [`write::check`] says whether a request body
//! holds only what passes, [`changes`] whether a JSON Patch does, [`form`] whether a form does. [`algebra`] joins masks, [`place`] puts one where a pointer says.
//! [`pick`] reads values out of a body, and [`rows`] has the elements of a list judged one by one.
//! [`records`] reads bodies that are several documents.
//!
//! What the filter promises: all of the input is checked against RFC 8259, hidden parts too; keys
//! compare decoded; number text, escapes and key order stay; any chunking of the input gives the
//! same output; memory does not grow with the body.

pub mod algebra;
pub mod alike;
pub mod anywhere;
mod blind;
mod called;
pub mod changes;
pub mod choosing;
mod engine;
mod fault;
mod fold;
mod follow;
pub mod form;
mod inside;
mod key;
mod marks;
pub mod mask;
mod pair;
mod parts;
mod pen;
pub mod pick;
pub mod place;
mod plan;
pub mod records;
pub mod restore;
pub mod rows;
mod scan;
mod seek;
mod tag;
mod tagged;
#[cfg(test)]
mod tests;
pub mod total;
mod trail;
mod utf8;
pub mod values;
mod whole;
pub mod write;

pub use fault::Fault;
pub use fold::fold;
pub use plan::{Extra, Pairs, Patterns, Tags};

use choosing::Choosing;
use engine::Engine;
use mask::Mask;
use pick::Path;
use rows::Reader;
use scan::Input;
use std::sync::Arc;
use tagged::Ahead;
use utf8::Cut;

/// What bounds the memory and the work of one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Arrays and objects inside one another: 64. More than [`Limits::DEEPEST`] counts as that.
    pub depth: usize,
    /// Bytes of one key, decoded, where keys are compared: 8,192.
    pub key: usize,
    /// Bytes of one number, where only integers pass: 1,024.
    pub number: usize,
    /// Bytes of one object that must be whole to be judged, and of one record of a stream:
    /// 1,048,576.
    pub object: usize,
    /// Pointers that are remembered of what was removed or is at fault: 100.
    pub pointers: usize,
    /// Bytes of all those pointers together: 65,536.
    pub pointer_bytes: usize,
    /// Keys of all objects open at one time in a request body, where doubles must be seen: 100,000.
    pub names: usize,
    /// Values of a request body, where schemas judge values: 100,000.
    pub values: usize,
}

/// Removes from one JSON text what a mask does not show.
#[derive(Debug)]
pub struct Filter {
    engine: Engine,
    rows: Option<Box<Reader>>,
    /// Until it is known how to filter the document.
    choosing: Option<Box<Choosing>>,
    /// The choice that was made for this document; it is made anew for the next.
    made: Option<Box<Choosing>>,
    /// What the filters for earlier documents removed, and the rows that they dropped.
    before: (u64, u64),
    /// Reads ahead, where objects have tags.
    ahead: Option<Box<Ahead>>,
    cut: Cut,
    /// Offset of the next chunk's first byte.
    offset: u64,
    fault: Option<Fault>,
}

impl Filter {
    /// A filter for one document.
    pub fn new(mask: Arc<Mask>, limits: Limits) -> Filter {
        let ahead = ahead(&mask, &limits, None);
        Filter { ahead, ..Filter::with(Engine::new(mask, &limits, false)) }
    }

    /// A filter that also remembers pointers to what it removed, for `explain` and debug logs.
    pub fn recording(mask: Arc<Mask>, limits: Limits) -> Filter {
        let ahead = ahead(&mask, &limits, None);
        Filter { ahead, ..Filter::with(Engine::new(mask, &limits, true)) }
    }

    fn with(engine: Engine) -> Filter {
        Filter {
            engine,
            rows: None,
            choosing: None,
            made: None,
            before: (0, 0),
            ahead: None,
            cut: Cut::default(),
            offset: 0,
            fault: None,
        }
    }

    /// Reads a chunk and appends to `out` what is known to pass. After a fault every call is that
    /// fault, and what has been given out is the beginning of nothing: it must not end cleanly.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.guarded(|filter| filter.read(chunk, out))
    }

    /// The input has ended. Without this call, or with a fault from it, the document is not whole.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.guarded(|filter| {
            if filter.cut.is_open() {
                return Err(Fault::Truncated);
            }
            while let Some(choosing) = &mut filter.choosing {
                let chosen = choosing.finish()?;
                filter.become_chosen(chosen, out)?;
            }
            let Filter { engine, rows, ahead, offset, .. } = filter;
            if let Some(ahead) = ahead {
                ahead.finish(engine, *offset, |engine, input| pass(engine, rows, input, out))?;
            }
            match rows {
                None => engine.finish(*offset, out),
                Some(rows) => rows.finish(engine, *offset, out),
            }
        })
    }

    /// Ready for another document, wherever the last one stopped. What was counted stays.
    pub(crate) fn restart(&mut self) {
        self.choosing = self.made.take().or(self.choosing.take());
        if let Some(choosing) = &mut self.choosing {
            choosing.restart();
        }
        self.engine.restart();
        if let Some(rows) = &mut self.rows {
            rows.restart();
        }
        if let Some(ahead) = &mut self.ahead {
            ahead.restart();
        }
        (self.cut, self.offset, self.fault) = (Cut::default(), 0, None);
    }

    /// How many members and elements were removed. What lay inside of one is not counted, nor are
    /// rows that their judge let go: see [`Filter::dropped`].
    pub fn removed(&self) -> u64 {
        let rows = self.rows.as_ref().map_or(0, |rows| rows.removed());
        self.before.0 + self.engine.removed() + rows
    }

    /// RFC 6901 pointers to what was removed, as far as the limits go; empty unless recording.
    pub fn pointers(&self) -> &[String] {
        self.engine.pointers()
    }

    fn guarded(
        &mut self,
        work: impl FnOnce(&mut Filter) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let result = work(self);
        self.fault = result.err();
        result
    }

    fn read(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        out.reserve(chunk.len());
        if self.cut.is_open() {
            let began = self.offset - self.cut.len() as u64;
            let before = chunk.len();
            let whole = self.cut.complete(&mut chunk, began)?;
            self.offset += (before - chunk.len()) as u64;
            let Some((bytes, len)) = whole else { return Ok(()) };
            self.text(&bytes[..len], began, out)?;
        }
        let checked = self.cut.check(chunk);
        let began = self.offset;
        self.offset += chunk.len() as u64;
        self.text(checked.text, began, out)?;
        match checked.bad {
            Some(at) => Err(Fault::Utf8 { offset: began + at as u64 }),
            None => Ok(()),
        }
    }

    fn text(&mut self, bytes: &[u8], base: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
        if base == 0 && bytes.starts_with(utf8::BOM) {
            return Err(Fault::Bom);
        }
        let input = Input { bytes, base };
        if let Some(choosing) = &mut self.choosing {
            return match choosing.read(input)? {
                None => Ok(()),
                Some(chosen) => self.become_chosen(chosen, out),
            };
        }
        let Filter { engine, rows, ahead, .. } = self;
        match ahead {
            None => pass(engine, rows, input, out),
            Some(ahead) => {
                ahead.read(engine, input, |engine, input| pass(engine, rows, input, out))
            }
        }
    }
}

#[inline]
fn pass(
    engine: &mut Engine,
    rows: &mut Option<Box<Reader>>,
    input: Input<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    match rows {
        None => engine.read(input, out),
        Some(rows) => rows.read(engine, input, out),
    }
}

/// What reads ahead in a document, or in the part of one that stands at `place`, see [`Ahead::new`].
fn ahead(mask: &Mask, limits: &Limits, place: Option<(&Path, bool)>) -> Option<Box<Ahead>> {
    mask.search().map(|search| Box::new(Ahead::new(search, limits, place)))
}

impl Limits {
    /// The most that [`Limits::depth`] can be.
    pub const DEEPEST: usize = blind::DEEPEST;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth: 64,
            key: 8 << 10,
            number: 1 << 10,
            object: 1 << 20,
            pointers: 100,
            pointer_bytes: 64 << 10,
            names: 100_000,
            values: 100_000,
        }
    }
}
