//! Reads ahead for the tags of objects. It reads every byte once and judges nothing but tags:
//! whether the text is JSON is the engine's to say, which reads the same bytes later.

use super::Limits;
use super::blind::DEEPEST;
use super::fault::Fault;
use super::fold::fold;
use super::key::Key;
use super::pick::Path;
use super::place::Token;
use super::scan::{Input, plain};
use super::tag::{Known, Search, Tag};
use std::sync::Arc;

/// Reads a document for the tags of its objects.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    search: Arc<Search>,
    /// A key that differs from a tag's name in case alone can be read as the tag.
    variants: bool,
    depth: usize,
    /// Containers around the part that is read.
    above: usize,
    /// Bytes within which the tag of an object must have been read.
    object: u64,
    frames: Vec<Frame>,
    /// Objects whose tag is looked for, a run for each open container.
    seeks: Vec<Seek>,
    /// Those that look for their tag in the value that comes.
    next: Vec<Seek>,
    /// The places that lead to the value that comes, as bits.
    leads: u64,
    /// In an object: a key comes, and not a value.
    key: bool,
    text: Text,
    /// What has been read of a text that is looked at, escapes as they are.
    raw: Vec<u8>,
    /// So long texts are none that is looked for, however they are spelled.
    most: usize,
    /// Nothing more is read: the text is no JSON, or means two things.
    over: Option<End>,
}

/// Why nothing more is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Where in the document.
    pub offset: u64,
    /// What is wrong, if it is for this reader to say.
    pub fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    object: bool,
    leads: u64,
    /// Elements that have ended.
    count: u64,
    /// Where its objects begin in [`Finder::seeks`].
    seeks: usize,
}

/// An object whose tag is looked for in this container.
#[derive(Clone, Copy, Debug)]
struct Seek {
    /// Its number among the known ones.
    object: u64,
    field: u32,
    /// Which name of the way to the tag stands here.
    step: usize,
    seen: bool,
    variant: bool,
}

/// Which value comes in a container.
#[derive(Clone, Copy, Debug)]
enum Comes<'a> {
    /// The member of this name.
    Named(&'a str),
    /// A member whose name is none that matters.
    Nameless,
    /// The next element, or a member whose key has not been read.
    Next,
}

/// Whether this is inside of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    /// It is looked at, or not; after a backslash, or not.
    Inside {
        looked_at: bool,
        escaped: bool,
    },
}

impl Finder {
    /// A reader of a whole document, or of the part of it that stands at `place` (for `element`, an
    /// element of what does).
    pub fn new(search: &Arc<Search>, limits: &Limits, place: Option<(&Path, bool)>) -> Finder {
        let texts = search.lengths().max().unwrap_or(0);
        let mut finder = Finder {
            search: search.clone(),
            variants: false,
            depth: limits.depth.min(DEEPEST),
            above: 0,
            object: limits.object as u64,
            frames: Vec::new(),
            seeks: Vec::new(),
            next: Vec::new(),
            leads: u64::MAX,
            key: false,
            text: Text::Outside,
            raw: Vec::new(),
            // Each byte can be written as `\u0000`.
            most: texts * 6,
            over: None,
        };
        if let Some((place, element)) = place {
            finder.go_to(place, element);
        }
        finder
    }

    /// For requests: an object that has a key which differs from its tag's name in case alone has no
    /// tag that all would read, and one that has both is refused.
    pub fn strictly(mut self) -> Finder {
        self.variants = true;
        self
    }

    /// Ready for another whole document.
    pub fn restart(&mut self) {
        self.frames.clear();
        self.seeks.clear();
        self.next.clear();
        (self.leads, self.key, self.text, self.over) = (u64::MAX, false, Text::Outside, None);
    }

    /// Reads on. What it finds, it tells to `known`.
    pub fn scan(&mut self, input: Input<'_>, known: &mut Known) {
        let mut pos = 0;
        while pos < input.bytes.len() && self.over.is_none() {
            pos = match self.text {
                Text::Outside => self.structure(input, pos, known),
                Text::Inside { looked_at, escaped } => {
                    self.text(input, pos, (looked_at, escaped), known)
                }
            };
        }
        match self.over {
            // Nobody can be told more.
            Some(end) => known.give_up(end.offset.max(input.base), 0),
            None => known.give_up(input.offset(input.bytes.len()), self.object),
        }
    }

    /// Why nothing more is read, if so.
    pub fn end(&self) -> Option<End> {
        self.over
    }

    fn structure(&mut self, input: Input<'_>, pos: usize, known: &mut Known) -> usize {
        match input.bytes[pos] {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'"' => {
                let looked_at = if self.key { self.keys_matter() } else { !self.next.is_empty() };
                self.raw.clear();
                self.text = Text::Inside { looked_at, escaped: false };
            }
            b'{' | b'[' => self.open(input, pos, known),
            b'}' | b']' => self.close(input, pos, known),
            b':' => self.key = false,
            b',' => self.comma(),
            _ => self.settle(Tag::Unknown, input.offset(pos), known),
        }
        pos + 1
    }

    /// Whether it makes a difference how a member of the innermost object is called.
    fn keys_matter(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.leads != 0 || self.seeks.len() > frame.seeks)
    }

    /// A container begins, which may be an object that is asked for its tag.
    fn open(&mut self, input: Input<'_>, pos: usize, known: &mut Known) {
        let object = input.bytes[pos] == b'{';
        if self.frames.len() >= self.depth {
            return self.stop(input.offset(pos), None);
        }
        let seeks = self.seeks.len();
        for seek in std::mem::take(&mut self.next) {
            let leads_on = seek.step + 1 < self.search.fields()[seek.field as usize].len();
            match object && leads_on {
                true => {
                    let step = seek.step + 1;
                    self.seeks.push(Seek { step, seen: false, ..seek });
                }
                false => self.tell(seek.object, Tag::Unknown, input.offset(pos), known),
            }
        }
        if object {
            self.ask(input.offset(pos), known);
        }
        self.frames.push(Frame { object, leads: self.leads, count: 0, seeks });
        self.key = object;
        self.lead_on(Comes::Next);
    }

    /// An object begins here: it is asked for the tags that its place makes one ask for.
    fn ask(&mut self, began: u64, known: &mut Known) {
        let search = self.search.clone();
        for field in 0..search.fields().len() as u32 {
            let asks = search.sought().iter().enumerate().any(|(at, sought)| {
                search.field(&sought.field) == Some(field)
                    && self.is_at(at, sought.place.as_deref())
            });
            if asks {
                let object = known.add(began, field);
                self.seeks.push(Seek { object, field, step: 0, seen: false, variant: false });
            }
        }
    }

    /// Whether the value that comes stands at a place, or so it is to be taken.
    fn is_at(&self, at: usize, place: Option<&[Token]>) -> bool {
        let Some(place) = place.filter(|_| at < PLACES) else { return true };
        self.leads >> at & 1 == 1 && place.len() == self.above + self.frames.len()
    }

    fn close(&mut self, input: Input<'_>, pos: usize, known: &mut Known) {
        let Some(frame) = self.frames.pop() else { return self.stop(input.offset(pos), None) };
        if frame.object != (input.bytes[pos] == b'}') {
            return self.stop(input.offset(pos), None);
        }
        for seek in self.seeks.split_off(frame.seeks) {
            if !seek.seen {
                let tag = if seek.variant { Tag::Unknown } else { Tag::None };
                self.tell(seek.object, tag, input.offset(pos + 1), known);
            }
        }
        self.key = false;
    }

    fn comma(&mut self) {
        self.key = self.frames.last().is_some_and(|frame| frame.object);
        if let Some(frame) = self.frames.last_mut() {
            frame.count += 1;
        }
        self.lead_on(Comes::Next);
    }

    /// What value comes in the innermost container: a member, or else the next element. A member
    /// leads nowhere until its key has been read.
    fn lead_on(&mut self, comes: Comes<'_>) {
        let Some(frame) = self.frames.last().copied() else { return };
        if frame.leads == 0 {
            self.leads = 0;
            return;
        }
        let at = self.above + self.frames.len() - 1;
        self.leads = narrowed(&self.search, frame.leads, at, |token| match (frame.object, comes) {
            (true, Comes::Named(key)) => token.is_member(key),
            (true, Comes::Nameless) => matches!(token, Token::Any),
            (true, Comes::Next) => false,
            (false, _) => token.is_element(frame.count),
        });
    }

    /// Reads on in a text.
    fn text(
        &mut self,
        input: Input<'_>,
        start: usize,
        (looked_at, mut escaped): (bool, bool),
        known: &mut Known,
    ) -> usize {
        let bytes = input.bytes;
        let mut pos = start;
        while pos < bytes.len() {
            if std::mem::take(&mut escaped) {
                pos += 1;
                continue;
            }
            pos = plain(bytes, pos);
            match bytes.get(pos) {
                Some(b'"') => {
                    self.text = Text::Outside;
                    if looked_at {
                        self.text_ended(&bytes[start..pos], input.offset(pos + 1), known);
                    }
                    return pos + 1;
                }
                Some(b'\\') => (escaped, pos) = (true, pos + 1),
                Some(_) => {
                    self.stop(input.offset(pos), None);
                    return pos;
                }
                None => {}
            }
        }
        if looked_at {
            self.gather(&bytes[start..]);
        }
        self.text = Text::Inside { looked_at, escaped };
        pos
    }

    /// Keeps a piece of a text, no more than is needed to see that it is too long.
    fn gather(&mut self, piece: &[u8]) {
        let room = (self.most + 1).saturating_sub(self.raw.len());
        self.raw.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    fn text_ended(&mut self, piece: &[u8], end: u64, known: &mut Known) {
        if self.raw.is_empty() && piece.len() <= self.most && memchr::memchr(b'\\', piece).is_none()
        {
            return self.read_text(Some(piece), end, known);
        }
        self.gather(piece);
        if self.raw.len() > self.most {
            return self.read_text(None, end, known);
        }
        let mut raw = std::mem::take(&mut self.raw);
        raw.push(b'"');
        let mut key = Key::new(usize::MAX);
        key.start();
        match key.read(Input { bytes: &raw, base: 0 }, 0) {
            Ok(Some(_)) => {
                let decoded = std::mem::take(key.bytes_mut());
                self.read_text(Some(&decoded), end, known);
            }
            _ => self.stop(end, None),
        }
        self.raw = raw;
    }

    /// A text has been read that ends before `end`; `None` if it is longer than any that matters.
    fn read_text(&mut self, text: Option<&[u8]>, end: u64, known: &mut Known) {
        if self.key {
            return self.named(text.and_then(|text| std::str::from_utf8(text).ok()), end);
        }
        let tag = text.map_or(Tag::Other, |text| self.search.tag(text));
        for seek in std::mem::take(&mut self.next) {
            let is_tag = seek.step + 1 == self.search.fields()[seek.field as usize].len();
            self.tell(seek.object, if is_tag { tag } else { Tag::Unknown }, end, known);
        }
    }

    /// A key has been read; `None` if it is none that matters.
    fn named(&mut self, key: Option<&str>, end: u64) {
        let Some(frame) = self.frames.last().copied() else { return };
        self.lead_on(key.map_or(Comes::Nameless, Comes::Named));
        let Some(key) = key else { return };
        let search = self.search.clone();
        for at in frame.seeks..self.seeks.len() {
            let seek = &mut self.seeks[at];
            let name = &search.fields()[seek.field as usize][seek.step];
            if **name == *key {
                if seek.seen {
                    return self.stop(end, Some(Fault::DuplicateKey { offset: end }));
                }
                seek.seen = true;
                self.next.push(*seek);
            } else if self.variants && fold(key) == fold(name) {
                seek.variant = true;
            }
            if seek.variant && seek.seen {
                return self.stop(end, Some(Fault::CaseVariant { offset: end }));
            }
        }
    }

    /// A scalar that is no text comes where a tag was looked for.
    fn settle(&mut self, tag: Tag, end: u64, known: &mut Known) {
        for seek in std::mem::take(&mut self.next) {
            self.tell(seek.object, tag, end, known);
        }
    }

    /// What is read too late counts as unknown, wherever chunks end.
    fn tell(&self, object: u64, tag: Tag, end: u64, known: &mut Known) {
        let late = known.began(object).is_some_and(|began| end - began > self.object);
        known.tell(object, if late { Tag::Unknown } else { tag });
    }

    fn stop(&mut self, offset: u64, fault: Option<Fault>) {
        self.over = Some(End { offset, fault });
    }

    fn go_to(&mut self, place: &Path, element: bool) {
        for token in place.tokens() {
            let matches = |sought: &Token| match token {
                Token::Any => true,
                Token::Name(name, at) => {
                    sought.is_member(name) || at.is_some_and(|at| sought.is_element(at))
                }
            };
            self.leads = narrowed(&self.search, self.leads, self.above, matches);
            self.above += 1;
        }
        if element {
            let indexed = |sought: &Token| !matches!(sought, Token::Name(_, None));
            self.leads = narrowed(&self.search, self.leads, self.above, indexed);
            self.above += 1;
        }
    }
}

/// Those of the places that go on with a step that fits.
fn narrowed(search: &Search, leads: u64, at: usize, fits: impl Fn(&Token) -> bool) -> u64 {
    let places = search.sought().iter().take(PLACES).enumerate();
    let fitting = places.filter(|(bit, sought)| {
        let token = sought.place.as_ref().and_then(|place| place.get(at));
        leads >> bit & 1 == 1 && token.is_some_and(&fits)
    });
    fitting.fold(0, |sum, (bit, _)| sum | 1 << bit)
}

/// Places that are told apart. Where there are more, objects everywhere are asked for their tags:
/// that takes longer, and tells the same.
const PLACES: usize = 64;

#[cfg(test)]
mod tests;
