//! The grammar of values that the mask does not look into: shown whole or hidden whole, and
//! checked all the same.

use super::fault::Fault;
use super::marks::Marks;
use super::scan::{Digits, Input, hex, number, plain, space};
use super::whole;

/// The most containers inside one another that any setting of [`super::Limits::depth`] allows.
pub(super) const DEEPEST: usize = 512;

/// What the grammar allows next, after white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// A value.
    Value,
    /// A value, or the end of an array that has none.
    Element,
    /// A key, or the end of an object that has none.
    Member,
    /// A key.
    Key,
    /// The colon after a key.
    Colon,
    /// A comma or the end of the container.
    After,
    /// Nothing: the document's value has ended.
    End,
}

/// A token of which the rest has not been read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    None,
    /// Inside a string.
    Text,
    /// After a backslash.
    Escape,
    /// So many digits short of a `\u` escape.
    Hex(u8),
    Number(Digits),
    /// What is left of `true`, `false` or `null`.
    Word(&'static [u8]),
}

/// Reads one value, from its first byte to its last, over any number of chunks.
#[derive(Clone, Debug)]
pub(super) struct Blind {
    /// Containers open inside this value.
    open: usize,
    /// How many may be.
    room: usize,
    /// One bit for each open container: set for an object.
    kinds: [u64; DEEPEST / 64],
    expect: Expect,
    token: Token,
}

impl Blind {
    /// A reader that reads nothing yet.
    pub fn new() -> Blind {
        Blind { open: 0, room: 0, kinds: [0; _], expect: Expect::Value, token: Token::None }
    }

    /// Starts on a value that may hold `room` containers inside one another, itself included.
    pub fn start(&mut self, room: usize) {
        self.open = 0;
        self.room = room;
        self.expect = Expect::Value;
        self.token = Token::None;
    }

    /// Reads on. `Some` is the position after the value, `None` wants more input.
    ///
    /// A number has no end of its own: it ends before a byte that cannot belong to it, or by
    /// [`Blind::ends_here`].
    pub fn walk(&mut self, input: Input<'_>, mut pos: usize) -> Result<Option<usize>, Fault> {
        if self.token != Token::None {
            let Some(after) = self.resume(input, pos)? else { return Ok(None) };
            pos = after;
        }
        // What is no container needs no marks.
        let alone = self.open == 0 && self.expect == Expect::Value;
        if let Some(first) = input.bytes.get(pos).filter(|_| alone)
            && let Some(end) = whole::scalar(input.bytes, pos, *first)
        {
            return Ok(Some(self.stop(Expect::After, end)));
        }
        self.walk_on(input, pos, &mut Marks::new(input.bytes))
    }

    /// As [`Blind::walk`], where nothing has been cut, with the marks of these bytes.
    pub fn walk_on(
        &mut self,
        input: Input<'_>,
        mut pos: usize,
        marks: &mut Marks<'_>,
    ) -> Result<Option<usize>, Fault> {
        loop {
            pos = self.run(input.bytes, pos, marks);
            if self.expect == Expect::After && self.open == 0 {
                return Ok(Some(pos));
            }
            let Some(after) = self.step(input, pos)? else { return Ok(None) };
            pos = after;
        }
    }

    /// Whether the value is complete if the input ends now: a number whose text is whole.
    pub fn ends_here(&self) -> bool {
        let whole = matches!(self.token, Token::Number(read) if read.is_whole_number_text());
        whole && self.open == 0
    }

    /// Reads tokens that are whole, one after the other, and stops before the first that is not,
    /// or is not right: [`Blind::step`] reads that. One function, so that the state stays in
    /// registers, and the order of tokens is the order of code: nothing asks what is expected.
    fn run(&mut self, bytes: &[u8], mut pos: usize, marks: &mut Marks<'_>) -> usize {
        let mut value_comes = self.expect == Expect::Value;
        if !value_comes && self.expect != Expect::After {
            return pos;
        }
        let mut object = self.in_object();
        loop {
            if value_comes {
                let Some(&first) = bytes.get(pos) else { return self.stop(Expect::Value, pos) };
                match first {
                    b'"' => match whole::string(bytes, pos + 1, marks) {
                        Some(end) => pos = end,
                        None => return self.stop(Expect::Value, pos),
                    },
                    b'{' | b'[' => {
                        let Some(next) = self.enter(first == b'{') else {
                            return self.stop(Expect::Value, pos);
                        };
                        object = first == b'{';
                        pos = space(bytes, pos + 1);
                        match bytes.get(pos) {
                            Some(b'"') if object => match whole::member(bytes, pos, marks) {
                                Some(value) => {
                                    pos = value;
                                    continue;
                                }
                                None => return self.stop(next, pos),
                            },
                            // The end of an empty container is an end as any other.
                            Some(b'}') if object => {}
                            Some(b']') if !object => {}
                            Some(_) if !object => continue,
                            _ => return self.stop(next, pos),
                        }
                    }
                    b' ' | b'\n' | b'\r' | b'\t' => {
                        pos = space(bytes, pos);
                        continue;
                    }
                    _ => match whole::scalar(bytes, pos, first) {
                        Some(end) => pos = end,
                        None => return self.stop(Expect::Value, pos),
                    },
                }
            }
            value_comes = true;
            // Behind a value: ends of containers, and then what is next.
            loop {
                if self.open == 0 {
                    return self.stop(Expect::After, pos);
                }
                // Most members follow one another without white space.
                if object && let Some(member) = whole::short_member(bytes, pos, *b",\"", marks) {
                    if let Some(end) = member.end {
                        pos = end;
                        continue;
                    }
                    pos = member.value;
                    break;
                }
                pos = space(bytes, pos);
                match bytes.get(pos) {
                    Some(b',') if object => {
                        let key = space(bytes, pos + 1);
                        let quote = bytes.get(key) == Some(&b'"');
                        match quote.then(|| whole::member(bytes, key, marks)).flatten() {
                            Some(value) => pos = value,
                            None => return self.stop(Expect::Key, key),
                        }
                        break;
                    }
                    Some(b',') => {
                        pos += 1;
                        break;
                    }
                    Some(b'}') if object => {}
                    Some(b']') if !object => {}
                    _ => return self.stop(Expect::After, pos),
                }
                pos += 1;
                self.open -= 1;
                object = self.in_object();
            }
        }
    }

    fn stop(&mut self, expect: Expect, pos: usize) -> usize {
        self.expect = expect;
        pos
    }

    /// Reads one token, or what is here of it. `None` wants more input.
    fn step(&mut self, input: Input<'_>, pos: usize) -> Result<Option<usize>, Fault> {
        let pos = space(input.bytes, pos);
        let Some(&byte) = input.bytes.get(pos) else { return Ok(None) };
        match (self.expect, byte) {
            (Expect::Value | Expect::Element, _) => self.value(input, pos, byte),
            (Expect::Member | Expect::Key, b'"') => {
                self.expect = Expect::Colon;
                self.text(input, pos + 1)
            }
            (Expect::Colon, b':') => {
                self.expect = Expect::Value;
                Ok(Some(pos + 1))
            }
            (Expect::Member, b'}') => self.leave(pos),
            // Behind a value [`Blind::run`] has read all that may stand there.
            _ => Err(input.grammar(pos)),
        }
    }

    fn value(&mut self, input: Input<'_>, pos: usize, byte: u8) -> Result<Option<usize>, Fault> {
        let empty = self.expect == Expect::Element;
        self.expect = Expect::After;
        match byte {
            b'"' => self.text(input, pos + 1),
            b'-' | b'0'..=b'9' => self.number(input, pos, Digits::Start),
            b't' | b'f' | b'n' => self.word(input, pos, word(byte)),
            b'{' | b'[' => {
                let entered = self.enter(byte == b'{');
                self.expect = entered.ok_or(Fault::Depth { offset: input.offset(pos) })?;
                Ok(Some(pos + 1))
            }
            b']' if empty => self.leave(pos),
            _ => Err(input.grammar(pos)),
        }
    }

    fn resume(&mut self, input: Input<'_>, pos: usize) -> Result<Option<usize>, Fault> {
        let read = match std::mem::replace(&mut self.token, Token::None) {
            Token::None => return Ok(Some(pos)),
            Token::Number(read) => return self.number(input, pos, read),
            Token::Word(rest) => return self.word(input, pos, rest),
            Token::Text => Some(pos),
            Token::Escape => self.escape(input, pos)?,
            Token::Hex(left) => self.hex(input, pos, left)?,
        };
        match read {
            Some(inside) => self.text(input, inside),
            None => Ok(None),
        }
    }

    fn text(&mut self, input: Input<'_>, mut pos: usize) -> Result<Option<usize>, Fault> {
        loop {
            pos = plain(input.bytes, pos);
            match input.bytes.get(pos) {
                Some(b'"') => return Ok(Some(pos + 1)),
                Some(b'\\') => match self.escape(input, pos + 1)? {
                    Some(after) => pos = after,
                    None => return Ok(None),
                },
                Some(_) => return Err(input.grammar(pos)),
                None => {
                    self.token = Token::Text;
                    return Ok(None);
                }
            }
        }
    }

    fn escape(&mut self, input: Input<'_>, pos: usize) -> Result<Option<usize>, Fault> {
        match input.bytes.get(pos) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(Some(pos + 1)),
            Some(b'u') => self.hex(input, pos + 1, 4),
            Some(_) => Err(input.grammar(pos)),
            None => {
                self.token = Token::Escape;
                Ok(None)
            }
        }
    }

    fn hex(&mut self, input: Input<'_>, mut pos: usize, left: u8) -> Result<Option<usize>, Fault> {
        for left in (1..=left).rev() {
            match input.bytes.get(pos) {
                Some(&byte) if hex(byte).is_some() => pos += 1,
                Some(_) => return Err(input.grammar(pos)),
                None => {
                    self.token = Token::Hex(left);
                    return Ok(None);
                }
            }
        }
        Ok(Some(pos))
    }

    fn number(
        &mut self,
        input: Input<'_>,
        pos: usize,
        read: Digits,
    ) -> Result<Option<usize>, Fault> {
        let (end, read) = number(input.bytes, pos, read);
        if end == input.bytes.len() {
            self.token = Token::Number(read);
            return Ok(None);
        }
        if read.is_whole_number_text() { Ok(Some(end)) } else { Err(input.grammar(end)) }
    }

    fn word(
        &mut self,
        input: Input<'_>,
        pos: usize,
        rest: &'static [u8],
    ) -> Result<Option<usize>, Fault> {
        let have = &input.bytes[pos..];
        let same = rest.iter().zip(have).take_while(|(want, is)| want == is).count();
        if same == rest.len() {
            return Ok(Some(pos + same));
        }
        if same < have.len() {
            return Err(input.grammar(pos + same));
        }
        self.token = Token::Word(&rest[same..]);
        Ok(None)
    }

    /// One container more, if there is room: what is expected in it.
    #[inline(always)]
    fn enter(&mut self, object: bool) -> Option<Expect> {
        if self.open >= self.room {
            return None;
        }
        let (slot, bit) = (self.open / 64, 1 << (self.open % 64));
        self.open += 1;
        if object {
            self.kinds[slot] |= bit;
            Some(Expect::Member)
        } else {
            self.kinds[slot] &= !bit;
            Some(Expect::Element)
        }
    }

    fn leave(&mut self, pos: usize) -> Result<Option<usize>, Fault> {
        self.open -= 1;
        self.expect = Expect::After;
        Ok(Some(pos + 1))
    }

    /// Whether the innermost open container is an object. Only asked where one is open.
    #[inline(always)]
    fn in_object(&self) -> bool {
        let top = self.open.saturating_sub(1);
        self.kinds[top / 64] >> (top % 64) & 1 == 1
    }
}

fn word(first: u8) -> &'static [u8] {
    match first {
        b't' => b"true",
        b'f' => b"false",
        _ => b"null",
    }
}
