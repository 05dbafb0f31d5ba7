//! Follows paths through a JSON text: the containers on their way one by one, everything else by
//! [`Blind`]. What to do with the values that the paths mean is the caller's.

use super::Limits;
use super::blind::{Blind, DEEPEST, Expect};
use super::fault::Fault;
use super::fold::fold;
use super::key::Key;
use super::mask::Types;
use super::pick::Path;
use super::place::Token;
use super::scan::{Input, plain, space};
use std::collections::HashSet;

/// A reader of one JSON text that stops at each value on the way of a path.
#[derive(Debug)]
pub(super) struct Follow {
    paths: Vec<Path>,
    spelling: Spelling,
    depth: usize,
    blind: Blind,
    key: Key,
    inside: Inside,
    expect: Expect,
    /// Containers that are open and followed.
    frames: Vec<Frame>,
    /// The paths that lead to each of them, and last those that lead to the value at hand.
    leads: Vec<Lead>,
    /// Where in `leads` those of the value at hand begin.
    child: usize,
    /// By depth, the keys of the open objects of which a path means every member.
    keys: Vec<HashSet<Vec<u8>>>,
    /// How many of them may be remembered.
    most_keys: usize,
}

/// How a key must be spelled to be a path's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Exactly, once decoded; other keys mean nothing.
    Exact,
    /// Exactly, and a key that differs only in case is a fault: others may read it as the name.
    NoVariants,
}

/// What has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The input is used up.
    More,
    /// Nothing of interest, up to this position.
    On(usize),
    /// On the way of a path, or as an element of a list, a value begins here. The next call must be
    /// [`Follow::enter`], [`Follow::enter_list`] or [`Follow::skip`].
    Value(usize),
    /// The value that was skipped ends before this position.
    Ended(usize),
}

/// Which of the parts is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Structure,
    Key,
    /// A value that no path leads to.
    Other,
    /// A value that the caller skips.
    Skipped,
}

/// A followed container that is open.
#[derive(Clone, Copy, Debug)]
struct Frame {
    object: bool,
    /// Every element is told to the caller.
    list: bool,
    /// The elements that have begun.
    count: u64,
    /// Where its paths begin in [`Follow::leads`].
    start: usize,
}

/// A path that leads to a value.
#[derive(Clone, Copy, Debug)]
struct Lead {
    path: usize,
    /// Its next name has been seen in the value, an object.
    seen: bool,
}

impl Follow {
    /// A reader that has read nothing.
    pub fn new(paths: Vec<Path>, spelling: Spelling, limits: &Limits) -> Follow {
        let leads = (0..paths.len()).map(|path| Lead { path, seen: false }).collect();
        Follow {
            paths,
            spelling,
            depth: limits.depth.min(DEEPEST),
            blind: Blind::new(),
            key: Key::new(limits.key),
            inside: Inside::Structure,
            expect: Expect::Value,
            frames: Vec::new(),
            leads,
            child: 0,
            keys: Vec::new(),
            most_keys: limits.names,
        }
    }

    /// Ready for another text, wherever the last one stopped.
    pub fn restart(&mut self) {
        self.inside = Inside::Structure;
        self.expect = Expect::Value;
        self.frames.clear();
        self.leads.clear();
        self.leads.extend((0..self.paths.len()).map(|path| Lead { path, seen: false }));
        self.child = 0;
        self.keys.clear();
    }

    /// How many paths are followed.
    pub fn paths(&self) -> usize {
        self.paths.len()
    }

    /// Reads one token of structure, a key or a whole value.
    pub fn step(&mut self, input: Input<'_>, pos: usize) -> Result<Step, Fault> {
        match self.inside {
            Inside::Structure => self.structure(input, pos),
            Inside::Other | Inside::Skipped => self.look_on(input, pos),
            Inside::Key => match self.key.read(input, pos)? {
                Some(after) => self.decoded_key(input, after),
                None => Ok(Step::More),
            },
        }
    }

    /// The paths that mean the value at hand.
    pub fn ends(&self) -> impl Iterator<Item = usize> + '_ {
        let depth = self.frames.len();
        self.at_hand().filter(move |path| self.paths[*path].tokens().len() == depth)
    }

    /// Whether a path leads on inside the value at hand.
    pub fn leads_on(&self) -> bool {
        self.at_hand().any(|path| self.paths[path].tokens().len() > self.frames.len())
    }

    /// Whether the value at hand is an element of a list.
    pub fn in_list(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.list)
    }

    /// Follows the container that begins at `pos`; the answer is the position inside.
    pub fn enter(&mut self, input: Input<'_>, pos: usize) -> Result<usize, Fault> {
        self.open(input, pos, false)
    }

    /// The array that begins at `pos` is a list: each of its elements is told, no path leads on.
    pub fn enter_list(&mut self, input: Input<'_>, pos: usize) -> Result<usize, Fault> {
        self.leads.truncate(self.child);
        self.open(input, pos, true)
    }

    /// The value at hand is not looked into; its end is told.
    pub fn skip(&mut self) {
        self.inside = Inside::Skipped;
        self.blind.start(self.depth.saturating_sub(self.frames.len()));
    }

    /// The input has ended. `true` if a skipped number ended with it.
    pub fn finish(&mut self) -> Result<bool, Fault> {
        let reading = matches!(self.inside, Inside::Other | Inside::Skipped);
        if reading && self.frames.is_empty() && self.blind.ends_here() {
            return Ok(self.inside == Inside::Skipped);
        }
        match (self.expect, self.inside) {
            (Expect::End, Inside::Structure) => Ok(false),
            _ => Err(Fault::Truncated),
        }
    }

    fn at_hand(&self) -> impl Iterator<Item = usize> + '_ {
        self.leads[self.child..].iter().map(|lead| lead.path)
    }

    fn structure(&mut self, input: Input<'_>, pos: usize) -> Result<Step, Fault> {
        let pos = space(input.bytes, pos);
        let Some(&byte) = input.bytes.get(pos) else { return Ok(Step::More) };
        match (self.expect, byte) {
            (Expect::Member | Expect::Key, b'"') => self.key(input, pos + 1),
            (Expect::Colon, b':') => {
                self.expect = Expect::Value;
                Ok(Step::On(pos + 1))
            }
            (Expect::After, b',') => {
                self.expect = if self.in_object() { Expect::Key } else { Expect::Value };
                self.next_element();
                Ok(Step::On(pos + 1))
            }
            (Expect::Member, b'}') | (Expect::Element, b']') => Ok(self.close(pos)),
            (Expect::After, b'}') if self.in_object() => Ok(self.close(pos)),
            (Expect::After, b']') if !self.in_object() => Ok(self.close(pos)),
            (Expect::Value | Expect::Element, _) => self.value(input, pos, byte),
            (Expect::End, _) => Err(Fault::Trailing { offset: input.offset(pos) }),
            _ => Err(input.grammar(pos)),
        }
    }

    fn key(&mut self, input: Input<'_>, pos: usize) -> Result<Step, Fault> {
        let end = plain(input.bytes, pos);
        if input.bytes.get(end) == Some(&b'"') {
            if end - pos > self.key.limit() {
                return Err(Fault::KeyTooLong { offset: input.offset(end) });
            }
            return self.named(&input.bytes[pos..end], input, end + 1);
        }
        self.inside = Inside::Key;
        self.key.start();
        Ok(Step::On(pos))
    }

    fn decoded_key(&mut self, input: Input<'_>, pos: usize) -> Result<Step, Fault> {
        self.inside = Inside::Structure;
        let key = std::mem::take(self.key.bytes_mut());
        let step = self.named(&key, input, pos);
        *self.key.bytes_mut() = key;
        step
    }

    /// A key has been read; `pos` is after it.
    fn named(&mut self, key: &[u8], input: Input<'_>, pos: usize) -> Result<Step, Fault> {
        let depth = self.frames.len() - 1;
        let offset = input.offset(pos);
        let mut every = false;
        self.leads.truncate(self.child);
        for at in self.frames[depth].start..self.child {
            let Lead { path, seen } = self.leads[at];
            match self.paths[path].tokens().get(depth) {
                Some(Token::Name(name, _)) if name.as_bytes() == key => {
                    if seen {
                        return Err(Fault::DuplicateKey { offset });
                    }
                    self.leads[at].seen = true;
                }
                Some(Token::Name(name, _)) => {
                    if self.spelling == Spelling::NoVariants && alike(key, name) {
                        return Err(Fault::CaseVariant { offset });
                    }
                    continue;
                }
                Some(Token::Any) => every = true,
                None => continue,
            }
            self.leads.push(Lead { path, seen: false });
        }
        if every {
            self.once(key, depth, offset)?;
        }
        self.expect = Expect::Colon;
        Ok(Step::On(pos))
    }

    /// Where a path means every member, it names all of them: none may stand twice.
    fn once(&mut self, key: &[u8], depth: usize, offset: u64) -> Result<(), Fault> {
        if self.keys.len() <= depth {
            self.keys.resize_with(depth + 1, HashSet::new);
        }
        if !self.keys[depth].insert(key.to_vec()) {
            return Err(Fault::DuplicateKey { offset });
        }
        match self.keys.iter().map(HashSet::len).sum::<usize>() > self.most_keys {
            true => Err(Fault::TooManyKeys { offset }),
            false => Ok(()),
        }
    }

    /// An element of the innermost array comes. In an object nothing happens.
    fn next_element(&mut self) {
        let Some(depth) = self.frames.len().checked_sub(1) else { return };
        let Frame { object, start, count: index, .. } = self.frames[depth];
        if object {
            return;
        }
        self.frames[depth].count += 1;
        self.leads.truncate(self.child);
        for at in start..self.child {
            let path = self.leads[at].path;
            match self.paths[path].tokens().get(depth) {
                Some(Token::Any) => {}
                Some(Token::Name(_, Some(named))) if *named == index => {}
                _ => continue,
            }
            self.leads.push(Lead { path, seen: false });
        }
    }

    fn value(&mut self, input: Input<'_>, pos: usize, byte: u8) -> Result<Step, Fault> {
        if Types::of(byte).is_none() {
            return Err(input.grammar(pos));
        }
        if self.expect == Expect::Element {
            self.next_element();
        }
        if self.in_list() || self.leads.len() > self.child {
            return Ok(Step::Value(pos));
        }
        self.skip();
        self.inside = Inside::Other;
        self.look_on(input, pos)
    }

    fn look_on(&mut self, input: Input<'_>, pos: usize) -> Result<Step, Fault> {
        let Some(after) = self.blind.walk(input, pos)? else { return Ok(Step::More) };
        let skipped = self.inside == Inside::Skipped;
        self.value_ended();
        Ok(if skipped { Step::Ended(after) } else { Step::On(after) })
    }

    fn open(&mut self, input: Input<'_>, pos: usize, list: bool) -> Result<usize, Fault> {
        if self.frames.len() >= self.depth {
            return Err(Fault::Depth { offset: input.offset(pos) });
        }
        let object = input.bytes[pos] == b'{';
        self.frames.push(Frame { object, list, count: 0, start: self.child });
        self.child = self.leads.len();
        self.expect = if object { Expect::Member } else { Expect::Element };
        Ok(pos + 1)
    }

    fn close(&mut self, pos: usize) -> Step {
        let frame = self.frames.pop().expect("only what is open is closed");
        self.leads.truncate(frame.start);
        self.child = frame.start;
        self.keys.truncate(self.frames.len());
        self.value_ended();
        Step::On(pos + 1)
    }

    fn value_ended(&mut self) {
        self.inside = Inside::Structure;
        self.expect = if self.frames.is_empty() { Expect::End } else { Expect::After };
    }

    fn in_object(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.object)
    }
}

/// Whether two names, not equal, are so under simple case folding.
fn alike(key: &[u8], name: &str) -> bool {
    std::str::from_utf8(key).is_ok_and(|key| fold(key) == fold(name))
}
