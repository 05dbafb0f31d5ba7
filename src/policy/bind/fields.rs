//! Reads one mapping key by key and reports everything that does not fit, never stopping early.
//!
//! What a mapping may hold stands in a [`Shape`]: keys that are read, and keys that are part of the
//! language but not enforced by this version. Whatever is in neither list is unknown.

use crate::diag::{Code, Diagnostic, Report, did_you_mean};
use crate::policy::node::{Entry, Node, NodeKind};
use crate::policy::raw::Text;
use crate::source::{Span, Spanned};
use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::SystemTime;

/// What a kind of mapping may hold.
#[derive(Debug)]
pub struct Shape {
    /// What to call it in messages: `route`.
    pub what: &'static str,
    /// The keys that are read.
    pub keys: &'static [&'static str],
    /// The keys that are known and refused, save for the value that says what holds anyhow.
    pub unenforced: &'static [(&'static str, Harmless)],
}

/// The value of a key that is not enforced which changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harmless {
    /// No value is harmless.
    Never,
    /// `false`
    False,
    /// An empty list or mapping.
    Empty,
    /// This word.
    Word(&'static str),
}

/// A mapping that is being read.
#[derive(Debug)]
pub struct Fields<'n, 'r> {
    entries: &'n [Entry<'n>],
    span: Span,
    what: &'static str,
    report: &'r mut Report,
}

impl<'n, 'r> Fields<'n, 'r> {
    /// Opens a mapping and reports the keys that it should not have. `None`, and a report, where
    /// it is no mapping.
    pub fn open(
        node: &'n Node<'n>,
        shape: &Shape,
        report: &'r mut Report,
    ) -> Option<Fields<'n, 'r>> {
        let NodeKind::Map(entries) = &node.kind else {
            let message =
                format!("{} must be a mapping, but is {}", a(shape.what), node.kind_name());
            report.push(Diagnostic::error(Code::WrongType, node.span, message));
            return None;
        };
        for (key, node) in entries {
            check_key(key, node, shape, report);
        }
        Some(Fields { entries, span: node.span, what: shape.what, report })
    }

    /// The whole mapping.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Where problems go.
    pub fn report(&mut self) -> &mut Report {
        self.report
    }

    /// The value of a key.
    pub fn node(&self, key: &str) -> Option<&'n Node<'n>> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The value of a key that must be there.
    pub fn required_node(&mut self, key: &str) -> Option<&'n Node<'n>> {
        let node = self.node(key);
        if node.is_none() {
            self.missing(key);
        }
        node
    }

    /// A text.
    pub fn text(&mut self, key: &str) -> Option<Text> {
        let (name, node) = self.entry(key)?;
        text(node, format_args!("`{key}`"), name.span, self.report)
    }

    /// A text that must be there.
    pub fn required_text(&mut self, key: &str) -> Option<Text> {
        self.required_node(key).and_then(|_| self.text(key))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &str) -> Option<Spanned<bool>> {
        let (name, node) = self.entry(key)?;
        match node.kind {
            NodeKind::Bool(value) => Some(Spanned::new(value, node.span)),
            _ => {
                let at = place(node, name.span);
                self.wrong_type(&format!("`{key}`"), "`true` or `false`", node, at);
                None
            }
        }
    }

    /// Where a flag says `true`.
    pub fn on(&mut self, key: &str) -> Option<Span> {
        self.flag(key).filter(|flag| flag.value).map(|flag| flag.span)
    }

    /// A time in UTC (RFC 3339), as seconds since 1970.
    pub fn time(&mut self, key: &str) -> Option<Spanned<u64>> {
        let typed = self.text(key)?;
        let time = humantime::parse_rfc3339(&typed.value).ok();
        let seconds = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        if seconds.is_none() {
            let message = format!("`{}` is not a time", typed.value);
            let problem = Diagnostic::error(Code::BadValue, typed.span, message)
                .help("write a time in UTC: `2027-01-01T00:00:00Z`");
            self.report.push(problem);
        }
        seconds.map(|since| Spanned::new(since.as_secs(), typed.span))
    }

    /// A whole number within a range.
    pub fn number(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<Spanned<u64>> {
        let (name, node) = self.entry(key)?;
        let NodeKind::Int(number) = node.kind else {
            self.wrong_type(&format!("`{key}`"), "a whole number", node, place(node, name.span));
            return None;
        };
        match u64::try_from(number).ok().filter(|number| range.contains(number)) {
            Some(number) => Some(Spanned::new(number, node.span)),
            None => {
                let (low, high) = range.into_inner();
                let message = format!("`{key}` must be from {low} to {high}");
                self.report.push(Diagnostic::error(Code::BadValue, node.span, message));
                None
            }
        }
    }

    /// One of a few words. Words paired with `None` are part of the language but not enforced.
    pub fn word<T: Copy>(&mut self, key: &str, words: &[(&str, Option<T>)]) -> Option<Spanned<T>> {
        let typed = self.text(key)?;
        match words.iter().find(|(word, _)| *word == typed.value) {
            Some((_, Some(value))) => Some(typed.map(|_| *value)),
            Some((word, None)) => {
                self.report.push(not_enforced(&format!("{key}: {word}"), typed.span));
                None
            }
            None => {
                self.report.push(bad_word(key, &typed, words.iter().map(|(word, _)| *word)));
                None
            }
        }
    }

    /// A list of texts; empty where the key is absent.
    pub fn texts(&mut self, key: &str) -> Vec<Text> {
        self.optional_texts(key).unwrap_or_default()
    }

    /// A list of texts, or `None` where the key is absent.
    pub fn optional_texts(&mut self, key: &str) -> Option<Vec<Text>> {
        self.list(key, |node, report| {
            text(node, format_args!("an entry of `{key}`"), node.span, report)
        })
    }

    /// A text, or a list of them; empty where the key is absent.
    pub fn one_or_more(&mut self, key: &str) -> Vec<Text> {
        match self.node(key).map(|node| &node.kind) {
            Some(NodeKind::List(_)) => self.texts(key),
            _ => self.text(key).into_iter().collect(),
        }
    }

    /// A list, each entry read by `read`; what it refuses is left out. `None` where the key is
    /// absent, an empty list where it is no list.
    pub fn list<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&'n Node<'n>, &mut Report) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (name, node) = self.entry(key)?;
        let NodeKind::List(nodes) = &node.kind else {
            self.wrong_type(&format!("`{key}`"), "a list", node, place(node, name.span));
            return Some(Vec::new());
        };
        // As long as it will be: a million members have a list or two each.
        let mut all = Vec::with_capacity(nodes.len());
        all.extend(nodes.iter().filter_map(|node| read(node, self.report)));
        Some(all)
    }

    /// A mapping with keys of the user's choice, each value read by `read`.
    pub fn pairs<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&Text, &'n Node<'n>, &mut Report) -> Option<T>,
    ) -> Vec<(Text, T)> {
        let Some((name, node)) = self.entry(key) else { return Vec::new() };
        let NodeKind::Map(entries) = &node.kind else {
            self.wrong_type(&format!("`{key}`"), "a mapping", node, place(node, name.span));
            return Vec::new();
        };
        let read = |(name, node): &'n Entry<'n>| {
            let name = Text::new(name.value.to_string(), name.span);
            read(&name, node, self.report).map(|value| (name, value))
        };
        entries.iter().filter_map(read).collect()
    }

    /// Reports that a key is missing, at the first line of the mapping.
    pub fn missing(&mut self, key: &str) {
        let at = self.entries.first().map_or(self.span, |(name, _)| name.span);
        let message = format!("{} needs `{key}`", a(self.what));
        let problem = Diagnostic::error(Code::MissingKey, at, message)
            .help(format!("add `{key}` beside what is underlined"));
        self.report.push(problem);
    }

    fn entry(&self, key: &str) -> Option<&'n Entry<'n>> {
        self.entries.iter().find(|(name, _)| name.value == key)
    }

    fn wrong_type(&mut self, subject: &str, expected: &str, node: &Node, at: Span) {
        self.report.push(wrong_type(subject, expected, node, at));
    }
}

/// A text; a number or boolean is told to stand in quotes.
pub fn text(node: &Node, subject: impl Display, name: Span, report: &mut Report) -> Option<Text> {
    if let NodeKind::Text(text) = &node.kind {
        return Some(Spanned::new(text.to_string(), node.span));
    }
    report.push(wrong_type(&subject.to_string(), "text", node, place(node, name)));
    None
}

/// A value of the wrong kind.
pub fn wrong_type(subject: &str, expected: &str, node: &Node, at: Span) -> Diagnostic {
    let message = format!("{subject} must be {expected}, but is {}", node.kind_name());
    let problem = Diagnostic::error(Code::WrongType, at, message);
    match (&node.kind, expected) {
        (NodeKind::Bool(_) | NodeKind::Int(_) | NodeKind::Float(_), "text") => {
            problem.help("put it in quotes")
        }
        (NodeKind::Null, _) => problem.help("write a value, or take the key out"),
        (_, "a list") => problem.help("write a list: `[…]`"),
        _ => problem,
    }
}

/// Something that is part of the language, but that this version does not carry out.
pub fn not_enforced(what: &str, at: Span) -> Diagnostic {
    Diagnostic::error(Code::NotEnforced, at, format!("`{what}` is not enforced by this version"))
        .help(format!(
            "`{what}` is part of the language, and a file that uses it is refused rather than \
             applied without it: take it out, or use a version that enforces it"
        ))
}

/// A word that is not one of those allowed.
pub fn bad_word<'w>(
    key: &str,
    typed: &Text,
    words: impl Iterator<Item = &'w str> + Clone,
) -> Diagnostic {
    let message = format!("`{}` is not a value of `{key}`", typed.value);
    let problem = Diagnostic::error(Code::BadValue, typed.span, message);
    match did_you_mean(&typed.value, words.clone()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => {
            let words: Vec<_> = words.map(|word| format!("`{word}`")).collect();
            problem.help(format!("write {}", words.join(" or ")))
        }
    }
}

fn check_key(key: &Spanned<Cow<'_, str>>, node: &Node, shape: &Shape, report: &mut Report) {
    let name = &*key.value;
    if shape.keys.contains(&name) {
        return;
    }
    match shape.unenforced.iter().find(|(known, _)| *known == name) {
        Some((_, harmless)) if harmless.is(node) => {}
        Some(_) => report.push(not_enforced(name, key.span)),
        None => report.push(unknown_key(key, shape)),
    }
}

fn unknown_key(key: &Spanned<Cow<'_, str>>, shape: &Shape) -> Diagnostic {
    let message = format!("{} has no key `{}`", a(shape.what), key.value);
    let problem = Diagnostic::error(Code::UnknownKey, key.span, message);
    let known = shape.keys.iter().chain(shape.unenforced.iter().map(|(name, _)| name)).copied();
    match did_you_mean(&key.value, known) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None if shape.keys.is_empty() => problem,
        None => {
            problem.help(format!("the keys of {} are `{}`", a(shape.what), shape.keys.join("`, `")))
        }
    }
}

/// The noun with its article; a key's name has none.
fn a(noun: &str) -> String {
    if noun.starts_with('`') {
        return noun.to_owned();
    }
    match noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        true => format!("an {noun}"),
        false => format!("a {noun}"),
    }
}

/// Where to point at for a value: a value that is not there has no text, so its key.
fn place(node: &Node, name: Span) -> Span {
    if node.span.start == node.span.end { name } else { node.span }
}

impl Harmless {
    fn is(self, node: &Node) -> bool {
        match (self, &node.kind) {
            (Harmless::False, NodeKind::Bool(value)) => !value,
            (Harmless::Empty, NodeKind::List(nodes)) => nodes.is_empty(),
            (Harmless::Empty, NodeKind::Map(entries)) => entries.is_empty(),
            (Harmless::Word(word), NodeKind::Text(text)) => text == word,
            _ => false,
        }
    }
}
