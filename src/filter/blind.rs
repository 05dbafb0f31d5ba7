//! The grammar of values that the mask does not look into: shown whole or hidden whole, and
//! checked all the same.

use super::fault::Fault;
use super::scan::{Digits, Input, hex, number, plain, space};

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
            if self.expect == Expect::After && self.open == 0 {
                return Ok(Some(after));
            }
            pos = after;
        }
        self.structure(input, pos)
    }

    /// Whether the value is complete if the input ends now: a number whose text is whole.
    pub fn ends_here(&self) -> bool {
        let whole = matches!(self.token, Token::Number(read) if read.is_whole_number_text());
        whole && self.open == 0
    }

    /// The loop over structure. It is one function because the state must stay in registers.
    fn structure(&mut self, input: Input<'_>, mut pos: usize) -> Result<Option<usize>, Fault> {
        let bytes = input.bytes;
        let mut expect = self.expect;
        loop {
            pos = space(bytes, pos);
            let Some(&byte) = bytes.get(pos) else {
                self.expect = expect;
                return Ok(None);
            };
            let read = match (expect, byte) {
                (Expect::Value | Expect::Element, b'"') => {
                    expect = Expect::After;
                    self.text(input, pos + 1)?
                }
                (Expect::Member | Expect::Key, b'"') => {
                    expect = Expect::Colon;
                    self.text(input, pos + 1)?
                }
                (Expect::Colon, b':') => {
                    expect = Expect::Value;
                    Some(pos + 1)
                }
                (Expect::After, b',') => {
                    expect = if self.in_object() { Expect::Key } else { Expect::Value };
                    Some(pos + 1)
                }
                (Expect::Value | Expect::Element, b'-' | b'0'..=b'9') => {
                    expect = Expect::After;
                    self.number(input, pos, Digits::Start)?
                }
                (Expect::Value | Expect::Element, b'{' | b'[') => {
                    expect = self.enter(input, pos, byte == b'{')?;
                    Some(pos + 1)
                }
                (Expect::After | Expect::Member, b'}') if self.in_object() => {
                    expect = self.leave();
                    Some(pos + 1)
                }
                (Expect::After | Expect::Element, b']') if !self.in_object() => {
                    expect = self.leave();
                    Some(pos + 1)
                }
                (Expect::Value | Expect::Element, b't' | b'f' | b'n') => {
                    expect = Expect::After;
                    self.word(input, pos, word(byte))?
                }
                _ => return Err(input.grammar(pos)),
            };
            match read {
                // Most keys have their colon right behind: one turn of the loop less.
                Some(after) if expect == Expect::Colon && bytes.get(after) == Some(&b':') => {
                    expect = Expect::Value;
                    pos = after + 1;
                }
                Some(after) if expect == Expect::After && self.open == 0 => return Ok(Some(after)),
                Some(after) => pos = after,
                None => {
                    self.expect = expect;
                    return Ok(None);
                }
            }
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

    #[inline(always)]
    fn text(&mut self, input: Input<'_>, pos: usize) -> Result<Option<usize>, Fault> {
        let end = plain(input.bytes, pos);
        match input.bytes.get(end) {
            Some(b'"') => Ok(Some(end + 1)),
            _ => self.text_with_escapes(input, end),
        }
    }

    fn text_with_escapes(
        &mut self,
        input: Input<'_>,
        mut pos: usize,
    ) -> Result<Option<usize>, Fault> {
        loop {
            match input.bytes.get(pos) {
                Some(b'"') => return Ok(Some(pos + 1)),
                Some(b'\\') => match self.escape(input, pos + 1)? {
                    Some(after) => pos = plain(input.bytes, after),
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

    #[inline(always)]
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

    fn enter(&mut self, input: Input<'_>, pos: usize, object: bool) -> Result<Expect, Fault> {
        if self.open >= self.room {
            return Err(Fault::Depth { offset: input.offset(pos) });
        }
        let (slot, bit) = (self.open / 64, 1 << (self.open % 64));
        self.open += 1;
        if object {
            self.kinds[slot] |= bit;
            Ok(Expect::Member)
        } else {
            self.kinds[slot] &= !bit;
            Ok(Expect::Element)
        }
    }

    fn leave(&mut self) -> Expect {
        self.open -= 1;
        Expect::After
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
