//! Source text and places in it.
//!
//! Everything that a person typed (policy files, settings) is kept as text, and every value read
//! from it remembers where it stood, so that a diagnostic can underline it and `explain` can name
//! the line of a grant.

use std::fmt;
use std::sync::Arc;

/// One file's text, and the name under which messages speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as the user gave it (or relative to the policy folder).
    pub name: Arc<str>,
    /// The whole text, UTF-8.
    pub text: Arc<str>,
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
        self.files.push(SourceFile { name: name.into(), text: text.into() });
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
        let before = &file.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { file: file.name.clone(), line: small(line), column: small(column) }
    }
}

impl Span {
    /// A span from byte offsets.
    pub fn new(file: FileId, start: usize, end: usize) -> Span {
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
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
    fn a_span_beyond_the_text_is_its_end() {
        let mut sources = Sources::default();
        let id = sources.add("p.yaml", "a\n");
        assert_eq!(sources.place(Span::new(id, 99, 100)).to_string(), "p.yaml:2:1");
        assert_eq!(sources.text(Span::new(id, 99, 100)), "");
    }
}
