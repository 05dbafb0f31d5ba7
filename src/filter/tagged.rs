//! Documents whose objects say by a tag what applies to them: the engine gets each object when its
//! tag has been read, or when it is known that it cannot be.

use super::Limits;
use super::engine::Engine;
use super::fault::Fault;
use super::pick::Path;
use super::scan::Input;
use super::seek::Finder;
use super::tag::Search;
use std::sync::Arc;

/// Holds a document back from the first object on of which nothing is known yet.
///
/// What is held is at most [`Limits::object`] and one chunk: the tag of an object that goes on for
/// longer cannot be told.
#[derive(Debug)]
pub(super) struct Ahead {
    finder: Finder,
    held: Vec<u8>,
    /// How much of it has been handed on.
    handed: usize,
    /// The offset of what is held in the document.
    base: u64,
}

impl Ahead {
    /// For a document, or the part of one that stands at `place`, see [`Finder::new`].
    pub fn new(search: &Arc<Search>, limits: &Limits, place: Option<(&Path, bool)>) -> Ahead {
        let finder = Finder::new(search, limits, place);
        Ahead { finder, held: Vec::new(), handed: 0, base: 0 }
    }

    /// Ready for another whole document.
    pub fn restart(&mut self) {
        self.finder.restart();
        self.held.clear();
        (self.handed, self.base) = (0, 0);
    }

    /// Reads a piece of the document, and hands on what can be judged.
    pub fn read(
        &mut self,
        engine: &mut Engine,
        input: Input<'_>,
        hand_on: impl FnMut(&mut Engine, Input<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let end = input.offset(input.bytes.len());
        self.finder.scan(input, engine.known());
        let over = self.finder.end().filter(|over| over.fault.is_some());
        let until = over.map(|over| over.offset).or(engine.known().first_open()).unwrap_or(end);
        self.advance(engine, input, until, hand_on)?;
        match over.and_then(|over| over.fault) {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    /// The document has ended: what is held is all that there is.
    pub fn finish(
        &mut self,
        engine: &mut Engine,
        offset: u64,
        hand_on: impl FnMut(&mut Engine, Input<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        engine.known().give_up(offset, 0);
        let nothing = Input { bytes: &[], base: offset };
        self.advance(engine, nothing, offset, hand_on)
    }

    /// Hands on everything up to an offset, and holds the rest.
    fn advance(
        &mut self,
        engine: &mut Engine,
        input: Input<'_>,
        until: u64,
        mut hand_on: impl FnMut(&mut Engine, Input<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.handed == self.held.len() {
            self.held.clear();
            (self.handed, self.base) = (0, input.base);
            let ready = (until.saturating_sub(input.base) as usize).min(input.bytes.len());
            self.held.extend_from_slice(&input.bytes[ready..]);
            self.base = input.offset(ready);
            if ready > 0 {
                hand_on(engine, input.part(0, ready))?;
            }
        } else {
            self.held.extend_from_slice(input.bytes);
            let ready = (until.saturating_sub(self.base) as usize).min(self.held.len());
            if ready > self.handed {
                let whole = Input { bytes: &self.held, base: self.base };
                let part = whole.part(self.handed, ready);
                self.handed = ready;
                hand_on(engine, part)?;
            }
            self.let_go();
        }
        engine.known().forget(until);
        Ok(())
    }

    /// Forgets what has been handed on, once that is more than what has not: so each byte is moved
    /// once.
    fn let_go(&mut self) {
        if self.handed > self.held.len() / 2 {
            self.held.drain(..self.handed);
            self.base += self.handed as u64;
            self.handed = 0;
        }
    }
}
