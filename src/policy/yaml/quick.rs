//! A reader for the YAML that most policies are written in, several times faster than the parser.
//!
//! It tells the same events with the same places, or gives up: `None` says nothing about the text,
//! only that the parser is to read it. It knows mappings and lists in both styles, text on one line,
//! plain or in quotes, and comments; it gives up at everything else (anchors, tags, block scalars,
//! tabs, text over several lines, values left out) and at whatever could be a mistake, so that every
//! diagnostic is the parser's own. The tests hold it to the parser on generated texts.

use granit_parser::{Event, ScalarStyle, StructureStyle};
use std::borrow::Cow;
use std::ops::Range;

/// Bytes of a key that this reads. YAML has keys of at most 1,024 characters.
const MAX_KEY: usize = 1_000;

/// Tells `hear` of each event and its bytes. `None` where the text is not read to its end: the
/// parser is to read it, and what was told is void.
pub(super) fn events<'t>(
    text: &'t str,
    hear: &mut dyn FnMut(Event<'t>, Range<usize>) -> Option<()>,
) -> Option<()> {
    let at = if text.starts_with("---\n") { 4 } else { 0 };
    Reader { text, bytes: text.as_bytes(), at, column: 0, hear }.document()
}

struct Reader<'t, 'h> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// Where the line's content begins, after [`Reader::next_line`]; -1 at the end of the text.
    column: isize,
    hear: &'h mut dyn FnMut(Event<'t>, Range<usize>) -> Option<()>,
}

/// A scalar that has been read but not told, because it may turn out to be a mapping's first key.
type Scalar<'t> = (Cow<'t, str>, ScalarStyle, Range<usize>);

/// What stands around a scalar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Block,
    Flow,
}

impl<'t> Reader<'t, '_> {
    fn document(mut self) -> Option<()> {
        self.next_line()?;
        if self.column < 0 {
            return None;
        }
        match self.peek() {
            b'{' | b'[' => {
                self.flow(-1)?;
                self.end_line()?;
            }
            _ => self.block(None)?,
        }
        (self.column < 0).then_some(())
    }

    /// A block collection that begins here, at the column of the line's content; its first key, if
    /// it has been read.
    fn block(&mut self, first: Option<Scalar<'t>>) -> Option<()> {
        let indent = self.column;
        match first {
            None if self.is_dash() => self.list(indent, self.at),
            None => {
                let first = self.key()?;
                self.mapping(indent, first)
            }
            Some(first) => self.mapping(indent, first),
        }
    }

    /// A list whose dashes stand at `indent`; `start` is where its place begins.
    fn list(&mut self, indent: isize, start: usize) -> Option<()> {
        self.tell(Event::SequenceStart(StructureStyle::Block, 0, None), start..start + 1)?;
        while self.column == indent && self.is_dash() {
            self.at += 1;
            let gap = self.spaces();
            if self.at_line_end() {
                self.end_line()?;
                self.nested(indent + 1)?;
            } else {
                self.column = indent + 1 + gap as isize;
                self.entry(indent)?;
            }
        }
        self.tell(Event::SequenceEnd, self.at..self.at)?;
        // Whatever stands deeper belongs to nothing that this knows.
        (self.column <= indent).then_some(())
    }

    /// What follows `- ` on its line.
    fn entry(&mut self, parent: isize) -> Option<()> {
        if self.is_dash() {
            return self.block(None);
        }
        if matches!(self.peek(), b'{' | b'[') {
            self.flow(parent)?;
            return self.end_line();
        }
        let scalar = self.scalar(Style::Block)?;
        if self.peek() == b':' {
            return self.block(Some(scalar));
        }
        self.tell_scalar(scalar)?;
        self.end_line()
    }

    /// `first` has been read up to its colon.
    fn mapping(&mut self, indent: isize, first: Scalar<'t>) -> Option<()> {
        let start = first.2.start;
        self.tell(Event::MappingStart(StructureStyle::Block, 0, None), start..start)?;
        let mut key = Some(first);
        while let Some(scalar) = key.take() {
            self.tell_key(scalar)?;
            self.value(indent)?;
            if self.column == indent {
                key = Some(self.key()?);
            }
        }
        self.tell(Event::MappingEnd, self.at..self.at)?;
        (self.column < indent).then_some(())
    }

    /// A key of a block mapping, up to its colon.
    fn key(&mut self) -> Option<Scalar<'t>> {
        let scalar = self.scalar(Style::Block)?;
        (self.peek() == b':').then_some(scalar)
    }

    /// What follows a colon in a block mapping.
    fn value(&mut self, indent: isize) -> Option<()> {
        self.at += 1;
        let gap = self.spaces();
        if self.at_line_end() {
            self.end_line()?;
            return match self.column == indent && self.is_dash() {
                true => self.beside_key(indent),
                false => self.nested(indent + 1),
            };
        }
        if gap == 0 {
            return None;
        }
        match self.peek() {
            b'{' | b'[' => self.flow(indent)?,
            _ => {
                let scalar = self.scalar(Style::Block)?;
                self.tell_scalar(scalar)?;
            }
        }
        self.end_line()
    }

    /// A list at the column of its key. The parser lets it begin after its first dash.
    fn beside_key(&mut self, indent: isize) -> Option<()> {
        let dash = self.at;
        self.at += 1;
        self.spaces();
        let start = (!self.at_line_end()).then_some(self.at)?;
        self.at = dash;
        self.list(indent, start)
    }

    /// A block collection on lines of its own, not left of `least`.
    fn nested(&mut self, least: isize) -> Option<()> {
        if self.column < least {
            return None;
        }
        self.block(None)
    }

    /// A collection in brackets or braces; its lines stand right of `parent`.
    fn flow(&mut self, parent: isize) -> Option<()> {
        let (start, is_list) = (self.at, self.peek() == b'[');
        let style = StructureStyle::Flow;
        let (begin, end, close) = match is_list {
            true => (Event::SequenceStart(style, 0, None), Event::SequenceEnd, b']'),
            false => (Event::MappingStart(style, 0, None), Event::MappingEnd, b'}'),
        };
        self.tell(begin, start..start + 1)?;
        self.at += 1;
        self.flow_space(parent)?;
        if self.peek() != close {
            loop {
                if !is_list {
                    self.flow_key(parent)?;
                }
                self.flow_value(parent)?;
                self.flow_space(parent)?;
                match self.peek() {
                    b',' => self.at += 1,
                    sign if sign == close => break,
                    _ => return None,
                }
                self.flow_space(parent)?;
            }
        }
        self.at += 1;
        self.tell(end, self.at - 1..self.at)
    }

    fn flow_key(&mut self, parent: isize) -> Option<()> {
        let scalar = self.scalar(Style::Flow)?;
        if self.peek() != b':' {
            return None;
        }
        let is_plain = scalar.1 == ScalarStyle::Plain;
        self.tell_key(scalar)?;
        self.at += 1;
        if is_plain && !matches!(self.peek(), b' ' | b'\n') {
            return None;
        }
        self.flow_space(parent)
    }

    fn flow_value(&mut self, parent: isize) -> Option<()> {
        if matches!(self.peek(), b'{' | b'[') {
            return self.flow(parent);
        }
        let scalar = self.scalar(Style::Flow)?;
        self.tell_scalar(scalar)
    }

    /// Space between the parts of a flow collection.
    fn flow_space(&mut self, parent: isize) -> Option<()> {
        let mut line = None;
        loop {
            match self.peek() {
                b' ' => self.at += 1,
                b'\n' => {
                    self.at += 1;
                    line = Some(self.at);
                }
                _ => break,
            }
        }
        let Some(line) = line else { return Some(()) };
        let column = (self.at - line) as isize;
        (column > parent && !self.is_marker(column)).then_some(())
    }

    /// A scalar on one line, and the spaces behind it.
    fn scalar(&mut self, around: Style) -> Option<Scalar<'t>> {
        let scalar = match self.peek() {
            b'"' => self.double_quoted()?,
            b'\'' => self.single_quoted()?,
            _ => self.plain(around)?,
        };
        self.spaces();
        Some(scalar)
    }

    fn plain(&mut self, around: Style) -> Option<Scalar<'t>> {
        let start = self.at;
        if !self.begins_plain() {
            return None;
        }
        let mut is_ascii = true;
        loop {
            match self.peek() {
                b':' if self.ends_key(around) => break,
                b'#' if self.bytes[self.at - 1] == b' ' => break,
                b'\n' => break,
                b',' | b'[' | b']' | b'{' | b'}' if around == Style::Flow => break,
                0..0x20 | 0x7f => {
                    if self.at == self.bytes.len() {
                        break;
                    }
                    return None;
                }
                byte => is_ascii &= byte < 0x80,
            }
            self.at += 1;
        }
        let text = self.text.get(start..self.at)?.trim_end_matches(' ');
        (is_ascii || is_plain_text(text)).then_some(())?;
        Some((Cow::Borrowed(text), ScalarStyle::Plain, start..start + text.len()))
    }

    /// Whether plain text begins here, for sure.
    fn begins_plain(&self) -> bool {
        match self.peek() {
            b'-' => matches!(self.peek_at(1), b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z'),
            byte => byte.is_ascii_alphanumeric() || byte >= 0x80 || b"/._~+$(^".contains(&byte),
        }
    }

    /// Whether the colon here ends a key.
    fn ends_key(&self, around: Style) -> bool {
        match self.peek_at(1) {
            b' ' | b'\n' => true,
            b',' | b'[' | b']' | b'{' | b'}' => around == Style::Flow,
            _ => self.at + 1 == self.bytes.len(),
        }
    }

    fn single_quoted(&mut self) -> Option<Scalar<'t>> {
        let start = self.at;
        self.at += 1;
        loop {
            self.quoted_until(b"'")?;
            if self.peek_at(1) != b'\'' {
                break;
            }
            self.at += 2;
        }
        let inside = self.text.get(start + 1..self.at)?;
        self.at += 1;
        let text = match inside.contains('\'') {
            true => Cow::Owned(inside.replace("''", "'")),
            false => Cow::Borrowed(inside),
        };
        is_plain_text(inside).then_some((text, ScalarStyle::SingleQuoted, start..self.at))
    }

    fn double_quoted(&mut self) -> Option<Scalar<'t>> {
        let start = self.at;
        self.at += 1;
        let mut escaped = false;
        loop {
            self.quoted_until(b"\"\\")?;
            if self.peek() == b'"' {
                break;
            }
            (escaped, self.at) = (true, self.at + 2);
        }
        let inside = self.text.get(start + 1..self.at)?;
        self.at += 1;
        let text = match escaped {
            true => Cow::Owned(unescaped(inside)?),
            false => Cow::Borrowed(inside),
        };
        is_plain_text(inside).then_some((text, ScalarStyle::DoubleQuoted, start..self.at))
    }

    /// Goes to one of these signs, on this line.
    fn quoted_until(&mut self, signs: &[u8]) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        let far = rest.iter().position(|byte| signs.contains(byte) || *byte < 0x20)?;
        self.at += far;
        (self.peek() >= 0x20).then_some(())
    }

    /// A comment, if there is one, the end of the line, and everything to the next content.
    fn end_line(&mut self) -> Option<()> {
        let spaces = self.spaces();
        let apart = spaces > 0 || self.at.checked_sub(1).is_some_and(|at| self.bytes[at] == b' ');
        match self.peek() {
            b'#' if apart => self.comment()?,
            b'\n' => {}
            _ if self.at == self.bytes.len() => {}
            _ => return None,
        }
        self.next_line()
    }

    /// Goes to the next content and notes its column, from the start of a line or the end of one.
    fn next_line(&mut self) -> Option<()> {
        loop {
            if self.peek() == b'\n' {
                self.at += 1;
            }
            let column = self.spaces() as isize;
            match self.peek() {
                b'\n' => {}
                b'#' => self.comment()?,
                _ if self.at == self.bytes.len() => {
                    self.column = -1;
                    return Some(());
                }
                _ => {
                    self.column = column;
                    return (!self.is_marker(column)).then_some(());
                }
            }
        }
    }

    /// Goes to the end of a comment's line.
    fn comment(&mut self) -> Option<()> {
        let rest = &self.bytes[self.at..];
        let far = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let text = self.text.get(self.at..self.at + far)?;
        self.at += far;
        is_plain_text(text).then_some(())
    }

    /// `---`, `...` and directives, at the start of a line.
    fn is_marker(&self, column: isize) -> bool {
        let rest = &self.bytes[self.at..];
        column == 0 && (rest.starts_with(b"---") || rest.starts_with(b"...") || self.peek() == b'%')
    }

    fn is_dash(&self) -> bool {
        let ends = self.at + 1 == self.bytes.len();
        self.peek() == b'-' && (matches!(self.peek_at(1), b' ' | b'\n') || ends)
    }

    fn at_line_end(&self) -> bool {
        let after_space = self.at > 0 && self.bytes[self.at - 1] == b' ';
        match self.peek() {
            b'\n' => true,
            b'#' => after_space,
            _ => self.at == self.bytes.len(),
        }
    }

    /// Skips spaces and says how many.
    fn spaces(&mut self) -> usize {
        let start = self.at;
        while self.peek() == b' ' {
            self.at += 1;
        }
        self.at - start
    }

    /// The byte here; 0, which no text has, at the end.
    fn peek(&self) -> u8 {
        self.peek_at(0)
    }

    fn peek_at(&self, far: usize) -> u8 {
        self.bytes.get(self.at + far).copied().unwrap_or(0)
    }

    fn tell_key(&mut self, scalar: Scalar<'t>) -> Option<()> {
        (scalar.2.len() <= MAX_KEY).then_some(())?;
        self.tell_scalar(scalar)
    }

    fn tell_scalar(&mut self, (text, style, at): Scalar<'t>) -> Option<()> {
        self.tell(Event::Scalar(text, style, 0, None), at)
    }

    fn tell(&mut self, event: Event<'t>, at: Range<usize>) -> Option<()> {
        (self.hear)(event, at)
    }
}

/// Whether every sign stands for itself on one line.
fn is_plain_text(text: &str) -> bool {
    let odd = |c: char| {
        c.is_control()
            || (c.is_whitespace() && c != ' ')
            || c == '\u{feff}'
            || (c as u32) & 0xfffe == 0xfffe
    };
    match text.is_ascii() {
        true => !text.bytes().any(|byte| byte < 0x20 || byte == 0x7f),
        false => !text.contains(odd),
    }
}

/// What a text in double quotes means. It knows the escapes of JSON, but for the halves of pairs.
fn unescaped(inside: &str) -> Option<String> {
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let sign = rest[at + 1..].chars().next()?;
        rest = &rest[at + 1 + sign.len_utf8()..];
        text.push(match sign {
            '"' | '\\' | '/' => sign,
            'n' => '\n',
            't' => '\t',
            'u' => {
                let digits = rest.get(..4).filter(|digits| is_hex(digits))?;
                rest = &rest[4..];
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            _ => return None,
        });
    }
    text.push_str(rest);
    is_plain_text(&text.replace(['\n', '\t'], " ")).then_some(text)
}

fn is_hex(digits: &str) -> bool {
    digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
