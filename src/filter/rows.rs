//! Rows: bodies whose list elements are judged one by one.
//!
//! [`Follow`] finds the places of rows, the engine filters what is around them, and between the two
//! each row is held whole and given to a [`Judge`]. The engine never sees a row: it is told that
//! something stands there, or nothing.

use super::engine::Engine;
use super::fault::Fault;
use super::follow::{Follow, Spelling, Step};
use super::mask::{Mask, Types};
use super::pick::Path;
use super::scan::Input;
use super::{Filter, Limits};
use std::fmt;
use std::sync::Arc;

/// Decides about one row.
pub trait Judge: Send {
    /// `row` is one whole valid JSON value that stands at the place of this number: one of its
    /// elements, or (`element` is false) the only row, an object. Writes what passes to `out` and
    /// says true, or says false: the row goes. A row of which nothing is written goes as well.
    /// Offsets of a fault count from the row's first byte.
    fn judge(
        &mut self,
        place: usize,
        element: bool,
        row: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Fault>;

    /// How many members and elements were removed of the rows that passed: part of
    /// [`Filter::removed`].
    fn removed(&self) -> u64 {
        0
    }
}

/// Where rows are, and what bounds them.
#[derive(Clone, Debug)]
pub struct Rows {
    places: Arc<[Path]>,
    max_row: usize,
    must: bool,
}

/// Why places of rows do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// Rows are the elements of what a path means; that must be one value.
    #[error("the place of rows is one value: `*` cannot stand in its pointer")]
    Wildcard,
    /// A row cannot hold rows.
    #[error("a place of rows lies inside another one, or is the same")]
    Nested,
}

impl Rows {
    /// Rows at these places. `max_row` bounds the bytes of a row and, where `must` is true, what is
    /// held back until a place has been found. `must`: a body without any place is refused, and
    /// nothing of it goes out.
    pub fn new(places: Vec<Path>, max_row: usize, must: bool) -> Result<Rows, RowsError> {
        if places.iter().any(Path::has_wildcard) {
            return Err(RowsError::Wildcard);
        }
        let nested = |at: usize| {
            places.iter().enumerate().any(|(other, path)| other != at && path.leads_to(&places[at]))
        };
        if (0..places.len()).any(nested) {
            return Err(RowsError::Nested);
        }
        Ok(Rows { places: places.into(), max_row, must })
    }

    /// The places, in the order in which the judge is told their numbers.
    pub fn places(&self) -> &[Path] {
        &self.places
    }
}

impl Filter {
    /// A filter for a document with rows: `mask` applies to everything outside of them, `judge`
    /// writes what stands in their place.
    ///
    /// At a place an array holds a row in each element, an object is the only row, `null` passes as
    /// any value; anything else is [`Fault::Shape`]. Where the mask hides the way to a place, the
    /// place counts as found and stays hidden. If the only row goes, that is [`Fault::Gone`];
    /// unless rows must be there, or the row is the whole document, the beginning of the document may
    /// have gone out by then.
    pub fn with_rows(mask: Arc<Mask>, rows: Rows, judge: Box<dyn Judge>, limits: Limits) -> Filter {
        let mut filter = Filter::new(mask, limits);
        filter.rows = Some(Box::new(Reader::new(rows, judge, &limits)));
        filter
    }

    /// How many rows the judge let go.
    pub fn dropped(&self) -> u64 {
        self.before.1 + self.rows.as_ref().map_or(0, |rows| rows.dropped)
    }
}

/// Reads a document with rows, and gives everything else to the engine.
pub(super) struct Reader {
    follow: Follow,
    judge: Box<dyn Judge>,
    max_row: usize,
    must: bool,
    /// What the mask shows, while nothing may go out because no place has been found.
    silence: Option<Vec<u8>>,
    /// The place found last.
    place: usize,
    /// The row that is being read.
    row: Option<Row>,
    /// Its bytes from earlier chunks.
    held: Vec<u8>,
    /// What the judge wrote.
    written: Vec<u8>,
    dropped: u64,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    element: bool,
    /// Its offset in the input.
    began: u64,
}

impl Reader {
    /// What the judge removed inside of rows.
    pub fn removed(&self) -> u64 {
        self.judge.removed()
    }

    fn new(rows: Rows, judge: Box<dyn Judge>, limits: &Limits) -> Reader {
        Reader {
            follow: Follow::new(rows.places.to_vec(), Spelling::Exact, limits),
            judge,
            max_row: rows.max_row,
            must: rows.must,
            silence: rows.must.then(Vec::new),
            place: 0,
            row: None,
            held: Vec::new(),
            written: Vec::new(),
            dropped: 0,
        }
    }

    /// Ready for another document, wherever the last one stopped.
    pub fn restart(&mut self) {
        self.follow.restart();
        self.silence = self.must.then(Vec::new);
        (self.place, self.row) = (0, None);
        self.held.clear();
        self.written.clear();
    }

    /// Reads a piece of the input.
    pub fn read(
        &mut self,
        engine: &mut Engine,
        input: Input<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let mut pos = 0;
        while pos < input.bytes.len() {
            pos = match self.row {
                Some(row) => self.row(engine, input, pos, row, out)?,
                None => self.around(engine, input, pos, out)?,
            };
        }
        Ok(())
    }

    /// The input has ended.
    pub fn finish(
        &mut self,
        engine: &mut Engine,
        offset: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        engine.finish(offset, self.silence.as_mut().unwrap_or(out))?;
        self.follow.finish()?;
        match self.silence {
            Some(_) => Err(Fault::Shape),
            None => Ok(()),
        }
    }

    /// Reads what is around rows, up to the next value on the way to one.
    fn around(
        &mut self,
        engine: &mut Engine,
        input: Input<'_>,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let mut pos = start;
        let value = loop {
            match self.follow.step(input, pos)? {
                Step::On(next) | Step::Ended(next) => pos = next,
                Step::Value(at) => break Some(at),
                Step::More => break None,
            }
        };
        let end = value.unwrap_or(input.bytes.len());
        self.pass(engine, input.part(start, end), out)?;
        match value {
            Some(at) if self.follow.in_list() => Ok(self.begin(input, at, true)),
            Some(at) => self.value(engine, input, at, out),
            None => Ok(end),
        }
    }

    /// Gives what is around rows to the engine.
    fn pass(
        &mut self,
        engine: &mut Engine,
        input: Input<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let Some(silence) = &mut self.silence else { return engine.read(input, out) };
        engine.read(input, silence)?;
        self.within_silence()
    }

    fn within_silence(&self) -> Result<(), Fault> {
        match &self.silence {
            Some(silence) if silence.len() > self.max_row => Err(Fault::Shape),
            _ => Ok(()),
        }
    }

    /// A value begins that is a place, or on the way to one.
    fn value(
        &mut self,
        engine: &mut Engine,
        input: Input<'_>,
        at: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        if engine.hides() {
            self.speak(out)?;
            return Ok(self.pass_over(at));
        }
        let place = self.follow.ends().next();
        self.place = place.unwrap_or(self.place);
        match (place, input.bytes[at]) {
            (None, b'{' | b'[') => self.on_the_way(engine, input, at, out),
            (Some(_), b'[') => self.list(engine, input, at, out),
            (Some(_), b'{') => self.only(engine, input, at, out),
            (Some(_), b'n') => {
                self.speak(out)?;
                Ok(self.pass_over(at))
            }
            (Some(_), _) => Err(Fault::Shape),
            (None, _) => Ok(self.pass_over(at)),
        }
    }

    /// The value that begins here is left to the engine.
    fn pass_over(&mut self, at: usize) -> usize {
        self.follow.skip();
        at
    }

    /// A container through which the way to a place leads. One that the mask does not show is left
    /// to the engine.
    fn on_the_way(
        &mut self,
        engine: &mut Engine,
        input: Input<'_>,
        at: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        if engine.enter(input.part(at, at + 1), self.silence.as_mut().unwrap_or(out))? {
            return self.follow.enter(input, at);
        }
        Ok(self.pass_over(at))
    }

    fn list(
        &mut self,
        engine: &mut Engine,
        input: Input<'_>,
        at: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        self.speak(out)?;
        if engine.enter(input.part(at, at + 1), out)? {
            return self.follow.enter_list(input, at);
        }
        Ok(self.pass_over(at))
    }

    /// The only row. What is around it stays held back until it has been judged.
    fn only(
        &mut self,
        engine: &mut Engine,
        input: Input<'_>,
        at: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let held_back = self.silence.as_mut().unwrap_or(out);
        if engine.leave_out(Types::OBJECT, input.offset(at), held_back)? {
            return Ok(self.begin(input, at, false));
        }
        self.speak(out)?;
        Ok(self.pass_over(at))
    }

    /// A place has been found: what was held back goes out.
    fn speak(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.within_silence()?;
        if let Some(mut silence) = self.silence.take() {
            out.append(&mut silence);
        }
        Ok(())
    }

    fn begin(&mut self, input: Input<'_>, at: usize, element: bool) -> usize {
        self.row = Some(Row { element, began: input.offset(at) });
        self.pass_over(at)
    }

    /// Reads on in a row, no further than its limit.
    fn row(
        &mut self,
        engine: &mut Engine,
        input: Input<'_>,
        start: usize,
        row: Row,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        // A number is known to have ended one byte later.
        let room = (self.max_row - self.held.len()).saturating_add(1);
        let most = input.bytes.len().min(start.saturating_add(room));
        if let Step::Ended(end) = self.follow.step(input.part(0, most), start)? {
            self.row_ended(engine, input.part(start, end), row, out)?;
            return Ok(end);
        }
        self.held.extend_from_slice(&input.bytes[start..most]);
        self.within_row(self.held.len(), row)?;
        Ok(most)
    }

    /// The last bytes of a row are here.
    fn row_ended(
        &mut self,
        engine: &mut Engine,
        last: Input<'_>,
        row: Row,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        self.row = None;
        self.within_row(self.held.len() + last.bytes.len(), row)?;
        let passes = self.judged(last.bytes, row)?;
        self.dropped += u64::from(!passes);
        let text = passes.then_some(self.written.as_slice());
        match (row.element, text) {
            (true, text) => engine.element(text, last.offset(last.bytes.len()), out),
            (false, None) => Err(Fault::Gone),
            (false, Some(_)) => {
                self.speak(out)?;
                out.extend_from_slice(&self.written);
                Ok(())
            }
        }
    }

    fn judged(&mut self, last: &[u8], row: Row) -> Result<bool, Fault> {
        self.written.clear();
        let text = if self.held.is_empty() {
            last
        } else {
            self.held.extend_from_slice(last);
            &self.held
        };
        let verdict = self.judge.judge(self.place, row.element, text, &mut self.written);
        self.held.clear();
        let passes = verdict.map_err(|fault| fault.behind(row.began))?;
        Ok(passes && !self.written.is_empty())
    }

    fn within_row(&self, length: usize, row: Row) -> Result<(), Fault> {
        if length > self.max_row {
            return Err(Fault::RowTooLong { offset: row.began + self.max_row as u64 });
        }
        Ok(())
    }
}

/// Rows are not shown.
impl fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reader")
            .field("max_row", &self.max_row)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
