//! Source text and places in it.
//!
//! Everything that a person typed (policy files, settings) is kept as text, and every value read
//! from it remembers where it stood, so that a diagnostic can underline it and `explain` can name
//! the line of a grant.

use std::fmt;
use std::sync::{Arc, OnceLock};

/// About how many bytes are counted at most to find a place.
const STRETCH: usize = 1024;

/// One file's text, and the name under which messages speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as the user gave it (or relative to the policy folder).
    pub name: Arc<str>,
    /// The whole text, UTF-8.
    pub text: Arc<str>,
    /// Made when the first place is asked for.
    marks: OnceLock<Arc<[Mark]>>,
}

/// A known place: what lies behind it is counted from here and not from the start of the file,
/// because a compiled policy remembers the place of each of its many grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    at: u32,
    line: u32,
    column: u32,
}

/// The files that one load read, in the order in which they merge.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

/// Index of a file in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A range of bytes in one file. The default is the start of the first file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A value and the place where it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spanned<T> {
    /// What was typed.
    pub value: T,
    /// Where.
    pub span: Span,
}

/// A place as people read it: `policy.yaml:4:9`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file's name.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Sources {
    /// Adds a file and returns its id.
    pub fn add(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).expect("fewer than 2^32 files"));
        let (name, text, marks) = (name.into(), text.into(), OnceLock::new());
        self.files.push(SourceFile { name, text, marks });
        id
    }

    /// The file with this id.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// All files, in load order.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The text that a span covers (empty where the span does not fit the file).
    pub fn text(&self, span: Span) -> &str {
        self.files
            .get(span.file.0 as usize)
            .and_then(|file| file.text.get(span.start as usize..span.end as usize))
            .unwrap_or("")
    }

    /// File, line and column of a span's first byte.
    pub fn place(&self, span: Span) -> Place {
        let Some(file) = self.files.get(span.file.0 as usize) else {
            return Place { file: Arc::from(""), line: 1, column: 1 };
        };
        let at = floor_char_boundary(&file.text, span.start as usize);
        let mark = file.mark_before(at).to(&file.text[..at]);
        Place { file: file.name.clone(), line: mark.line, column: mark.column }
    }
}

impl SourceFile {
    /// The last mark at or before an offset, [`STRETCH`] bytes from it at most.
    fn mark_before(&self, at: usize) -> Mark {
        let marks = self.marks.get_or_init(|| marks(&self.text));
        let after = marks.partition_point(|mark| mark.at as usize <= at);
        marks[after.saturating_sub(1)]
    }
}

impl Mark {
    /// The place at the end of a text that begins as the file does.
    fn to(self, text: &str) -> Mark {
        let new = &text[self.at as usize..];
        let lines = memchr::memchr_iter(b'\n', new.as_bytes()).count();
        let (start, column) = match new.rfind('\n') {
            Some(newline) => (newline + 1, 1),
            None => (0, self.column),
        };
        let column = column + small(new[start..].chars().count());
        Mark { at: small(text.len()), line: self.line + small(lines), column }
    }
}

/// A mark about every [`STRETCH`] bytes.
fn marks(text: &str) -> Arc<[Mark]> {
    let mut last = Mark { at: 0, line: 1, column: 1 };
    let mut marks = vec![last];
    for at in (STRETCH..text.len()).step_by(STRETCH) {
        last = last.to(&text[..floor_char_boundary(text, at)]);
        marks.push(last);
    }
    marks.into()
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl Span {
    /// A span from byte offsets.
    pub fn new(file: FileId, start: usize, end: usize) -> Span {
        Span { file, start: small(start), end: small(end.max(start)) }
    }
}

impl Default for Span {
    fn default() -> Span {
        Span { file: FileId(0), start: 0, end: 0 }
    }
}

impl<T> Spanned<T> {
    /// Pairs a value with its place.
    pub fn new(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span }
    }

    /// Another value at the same place.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }

    /// The value by reference, at the same place.
    pub fn as_ref(&self) -> Spanned<&T> {
        Spanned { value: &self.value, span: self.span }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters() {
        let mut sources = Sources::default();
        let id = sources.add("p.yaml", "é: 1\nrolés: [x]\n");
        let at = sources.file(id).text.find("[x]").unwrap();
        let span = Span::new(id, at, at + 3);
        assert_eq!(sources.place(span).to_string(), "p.yaml:2:8");
        assert_eq!(sources.text(span), "[x]");
    }

    #[test]
    fn p12_places_are_found_without_reading_the_file_from_its_start() {
        for line in ["é", "ab", &"x".repeat(STRETCH - 1), &"é".repeat(3 * STRETCH)] {
            let text = format!("{line}\n").repeat(1 + 4 * STRETCH / line.len());
            let mut sources = Sources::default();
            let id = sources.add("p", text.as_str());
            let (mut row, mut column) = (1, 1);
            for (at, c) in text.char_indices() {
                let place = sources.place(Span::new(id, at, at));
                assert_eq!((place.line, place.column), (row, column), "at {at}");
                (row, column) = if c == '\n' { (row + 1, 1) } else { (row, column + 1) };
                let from = sources.file(id).mark_before(at).at as usize;
                assert!(from <= at && at - from <= STRETCH + 4, "{at} is counted from {from}");
            }
        }
    }

    #[test]
    fn a_span_beyond_the_text_is_its_end() {
        let mut sources = Sources::default();
        let id = sources.add("p.yaml", "a\n");
        assert_eq!(sources.place(Span::new(id, 99, 100)).to_string(), "p.yaml:2:1");
        assert_eq!(sources.text(Span::new(id, 99, 100)), "");
    }
}
