//! Text to a tree of spanned nodes. JSON goes the same way: it is YAML in flow style.
//!
//! Built on the parser's events rather than on serde: an event knows its bytes, its anchor and its
//! style, so that every key and every collection has its place, aliases are copied under a budget,
//! and numbers are judged from their text. A syntax error ends the file; everything else that is
//! wrong is reported and the rest read on.

mod quick;

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::node::{Entry, Node, NodeKind};
use crate::policy::scalar;
use crate::source::{FileId, Span, Spanned};
use granit_parser::{Event, Parser, ScalarStyle, ScanError, StructureStyle, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// How deep lists and mappings may nest, aliases followed.
pub const MAX_DEPTH: usize = 64;

/// What the trees of all files may take: their text, and [`NODE_BYTES`] for each value. An alias
/// counts as often as it is used, so a few lines cannot grow into gigabytes. A million members with
/// an organization and two roles take two thirds of it.
pub const MAX_TREE_BYTES: usize = 1024 * 1024 * 1024;

/// What aliases may add to the tree of one file. Without aliases no text grows to more than
/// [`NODE_BYTES`] times its length.
pub const MAX_ALIAS_BYTES: usize = 32 * 1024 * 1024;

/// What a value counts against [`MAX_TREE_BYTES`], beside its text.
pub const NODE_BYTES: usize = 64;

/// Reads a file's text. `None` where it is no YAML or breaks a limit; the report says why.
pub fn parse<'t>(file: FileId, text: &'t str, report: &mut Report) -> Option<Node<'t>> {
    let mut left = MAX_TREE_BYTES;
    parse_next(file, text, &mut left, report)
}

/// Likewise, one of several files that have so many bytes left together.
pub fn parse_next<'t>(
    file: FileId,
    text: &'t str,
    left: &mut usize,
    report: &mut Report,
) -> Option<Node<'t>> {
    let grown = text.len().saturating_mul(NODE_BYTES).saturating_add(MAX_ALIAS_BYTES);
    let budget = Budget { depth: MAX_DEPTH, bytes: grown.min(*left) };
    parse_within(file, text, budget, report).map(|tree| {
        *left -= tree.spent;
        tree.root
    })
}

/// A file's tree, and what it takes of the budget.
#[derive(Debug)]
struct Tree<'t> {
    root: Node<'t>,
    spent: usize,
}

#[derive(Clone, Copy, Debug)]
struct Budget {
    depth: usize,
    bytes: usize,
}

fn parse_within<'t>(
    file: FileId,
    text: &'t str,
    budget: Budget,
    report: &mut Report,
) -> Option<Tree<'t>> {
    if let Some(tree) = read_quickly(file, text, budget) {
        return Some(tree);
    }
    match Builder::new(file, text, budget, report).run() {
        Ok(tree) => Some(tree),
        Err(problem) => {
            report.push(*problem);
            None
        }
    }
}

/// A text without a single problem that is written as most are. `None` says nothing about any other.
fn read_quickly(file: FileId, text: &str, budget: Budget) -> Option<Tree<'_>> {
    let mut report = Report::default();
    let mut builder = Builder::new(file, text, budget, &mut report);
    quick::events(text, &mut |event, at| {
        let span = Span::new(file, at.start, at.end);
        builder.event(event, span).ok().filter(|()| builder.report.is_empty())
    })?;
    let spent = builder.spent;
    builder.root.map(|root| Tree { root, spent })
}

/// What ends the reading of a file; boxed, because it is rare and large.
type Stop = Box<Diagnostic>;

struct Builder<'t, 'r> {
    file: FileId,
    text: &'t str,
    budget: Budget,
    report: &'r mut Report,
    spent: usize,
    open: Vec<Open<'t>>,
    anchors: HashMap<usize, Anchored<'t>>,
    root: Option<Node<'t>>,
}

/// A list or mapping whose end has not come yet.
struct Open<'t> {
    span: Span,
    flow: bool,
    anchor: usize,
    spent_before: usize,
    /// Of the deepest child: 0 for scalars.
    height: usize,
    content: Content<'t>,
}

enum Content<'t> {
    List(Vec<Node<'t>>),
    Map { entries: Vec<Entry<'t>>, key: Key<'t> },
}

/// Where a mapping stands between its keys and values.
enum Key<'t> {
    /// A key comes next.
    Awaited,
    /// Its value comes next.
    Read(Spanned<Cow<'t, str>>),
    /// Its value comes next and is dropped: the key was refused.
    Refused,
}

/// What an alias stands for.
struct Anchored<'t> {
    node: Node<'t>,
    bytes: usize,
    height: usize,
}

impl<'t, 'r> Builder<'t, 'r> {
    fn new(file: FileId, text: &'t str, budget: Budget, report: &'r mut Report) -> Self {
        let (open, anchors) = (Vec::new(), HashMap::new());
        Builder { file, text, budget, report, spent: 0, open, anchors, root: None }
    }

    fn run(mut self) -> Result<Tree<'t>, Stop> {
        for event in Parser::new_from_str(self.text) {
            let (event, at) = event.map_err(|error| self.syntax(&error))?;
            let span = self.span(at);
            self.event(event, span)?;
        }
        let nothing = Node { kind: NodeKind::Null, span: Span::new(self.file, 0, 0) };
        Ok(Tree { root: self.root.unwrap_or(nothing), spent: self.spent })
    }

    fn event(&mut self, event: Event<'t>, span: Span) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => Err(second_document(span)),
            Event::Scalar(value, ScalarStyle::Plain, _, None)
                if value == "<<" && self.key_is_next() =>
            {
                self.report.push(merge_key(span));
                self.refuse_key();
                Ok(())
            }
            Event::Scalar(value, style, anchor, tag) => {
                let spent = self.spent;
                self.spend(NODE_BYTES + value.len(), span)?;
                let kind = self.scalar(value, style, tag.as_deref(), span);
                self.close(Node { kind, span }, anchor, 0, spent)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", span);
                self.open(Content::List(Vec::new()), style, anchor, span)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", span);
                let content = Content::Map { entries: Vec::new(), key: Key::Awaited };
                self.open(content, style, anchor, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(id) => self.alias(id, span),
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        content: Content<'t>,
        style: StructureStyle,
        anchor: usize,
        span: Span,
    ) -> Result<(), Stop> {
        let spent_before = self.spent;
        self.spend(NODE_BYTES, span)?;
        if self.open.len() == self.budget.depth {
            return Err(too_deep(span, self.budget.depth));
        }
        let flow = style == StructureStyle::Flow;
        self.open.push(Open { span, flow, anchor, spent_before, height: 0, content });
        Ok(())
    }

    fn end(&mut self, end: Span) -> Result<(), Stop> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let (kind, last) = match open.content {
            Content::List(nodes) => {
                let last = nodes.last().map(|node| node.span.end);
                (NodeKind::List(nodes), last)
            }
            Content::Map { entries, .. } => {
                let last = entries.last().map(|(key, node)| key.span.end.max(node.span.end));
                (NodeKind::Map(self.without_duplicates(entries)), last)
            }
        };
        // A block collection ends where its last value does, not at the next token.
        let stop = if open.flow { Some(end.end) } else { last };
        let span = Span { end: stop.unwrap_or(open.span.end).max(open.span.start), ..open.span };
        self.close(Node { kind, span }, open.anchor, open.height + 1, open.spent_before)
    }

    /// A node is complete: remembered where it has an anchor, and given to what it stands in.
    fn close(
        &mut self,
        node: Node<'t>,
        anchor: usize,
        height: usize,
        spent_before: usize,
    ) -> Result<(), Stop> {
        if anchor != 0 {
            let bytes = self.spent - spent_before;
            self.spend(bytes, node.span)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), bytes, height });
        }
        self.give(node, height);
        Ok(())
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), Stop> {
        let Some(anchored) = self.anchors.get(&id) else {
            let message = "an alias may not stand inside of the value that it names";
            return Err(Diagnostic::error(Code::Syntax, span, message)
                .help("write out what is meant: a value cannot hold itself")
                .into());
        };
        let (bytes, height) = (anchored.bytes, anchored.height);
        if self.open.len() + height > self.budget.depth {
            return Err(too_deep(span, self.budget.depth));
        }
        self.spend(bytes, span)?;
        let node = self.anchors[&id].node.clone();
        self.give(node, height);
        Ok(())
    }

    fn give(&mut self, node: Node<'t>, height: usize) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        open.height = open.height.max(height);
        match &mut open.content {
            Content::List(nodes) => nodes.push(node),
            Content::Map { entries, key } => match std::mem::replace(key, Key::Awaited) {
                Key::Awaited => *key = read_key(node, self.report),
                Key::Read(name) => entries.push((name, node)),
                Key::Refused => {}
            },
        }
    }

    fn scalar(
        &mut self,
        value: Cow<'t, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> NodeKind<'t> {
        let is_text = tag.is_some() || style != ScalarStyle::Plain || self.key_is_next();
        self.check_tag(tag, "str", span);
        if is_text {
            return NodeKind::Text(value);
        }
        let kind = match value {
            Cow::Borrowed(value) => scalar::plain(value),
            // A copy that is dropped again: nothing plain is rewritten but what spans lines.
            Cow::Owned(value) => scalar::plain(&value).map(NodeKind::into_owned),
        };
        kind.unwrap_or_else(|fault| {
            let problem = Diagnostic::error(Code::BadValue, span, fault.to_string())
                .help("write a smaller number, or put it in quotes if text is meant");
            self.report.push(problem);
            NodeKind::Null
        })
    }

    fn key_is_next(&self) -> bool {
        let content = self.open.last().map(|open| &open.content);
        matches!(content, Some(Content::Map { key: Key::Awaited, .. }))
    }

    fn refuse_key(&mut self) {
        if let Some(Open { content: Content::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Key::Refused;
        }
    }

    /// A tag could only contradict the language; the one that says what a value is anyway passes.
    fn check_tag(&mut self, tag: Option<&Tag>, expected: &str, span: Span) {
        let Some(tag) = tag else { return };
        let unspecific = tag.original() == "!" && expected == "str";
        if !unspecific && !tag.is_yaml_core_schema_tag(expected) {
            let message = format!("the tag `{}` has no meaning here", tag.original());
            let problem = Diagnostic::error(Code::BadValue, span, message)
                .help("take the tag out; put a value in quotes where text is meant");
            self.report.push(problem);
        }
    }

    fn without_duplicates(&mut self, entries: Vec<Entry<'t>>) -> Vec<Entry<'t>> {
        if !may_repeat(&entries) {
            return entries;
        }
        let mut first = HashMap::with_capacity(entries.len());
        let mut repeated = Vec::new();
        for (at, (key, _)) in entries.iter().enumerate() {
            if let Some(before) = first.insert(&*key.value, key.span) {
                first.insert(&*key.value, before);
                let message = format!("the key `{}` is given twice", key.value);
                let problem = Diagnostic::error(Code::DuplicateKey, key.span, message)
                    .label("given again here")
                    .also(before, "first given here")
                    .help("keep one of them");
                self.report.push(problem);
                repeated.push(at);
            }
        }
        drop(first);
        let mut at = 0..;
        let keep = |_: &Entry<'t>| at.next().is_none_or(|at| repeated.binary_search(&at).is_err());
        entries.into_iter().filter(keep).collect()
    }

    fn spend(&mut self, bytes: usize, span: Span) -> Result<(), Stop> {
        self.spent = self.spent.saturating_add(bytes);
        if self.spent <= self.budget.bytes {
            return Ok(());
        }
        let message = format!(
            "with its aliases followed, the file holds more than the {} bytes that it may",
            self.budget.bytes
        );
        let problem = Diagnostic::error(Code::TooLarge, span, message)
            .help("use fewer aliases; all files of a policy together have this limit");
        Err(problem.into())
    }

    fn syntax(&self, error: &ScanError) -> Stop {
        let start = error.marker().byte_offset().unwrap_or(self.text.len()).min(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        let end = start + rest.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        let span = Span::new(self.file, start, end);
        let problem =
            Diagnostic::error(Code::Syntax, span, format!("this is not YAML: {}", error.info()));
        // As the parser calls what people see as white space.
        match error.info().contains(" tab") || error.info().starts_with("tab") {
            true => problem
                .help("YAML is indented with spaces: write spaces in place of the tab")
                .into(),
            false => problem.into(),
        }
    }

    fn span(&self, at: granit_parser::Span) -> Span {
        let range = at.byte_range().unwrap_or(0..0);
        let covered = self.text.get(range.clone()).unwrap_or_default();
        Span::new(self.file, range.start, range.start + covered.trim_end().len())
    }
}

fn read_key<'t>(node: Node<'t>, report: &mut Report) -> Key<'t> {
    match node.kind {
        NodeKind::Text(name) => Key::Read(Spanned::new(name, node.span)),
        other => {
            let node = Node { kind: other, span: node.span };
            let message = format!("a key must be text, but this is {}", node.kind_name());
            report.push(
                Diagnostic::error(Code::WrongType, node.span, message)
                    .help("write one word, in quotes where it has characters of YAML's own"),
            );
            Key::Refused
        }
    }
}

/// Whether a key may stand twice: almost all mappings are short, and comparing is enough.
fn may_repeat(entries: &[Entry<'_>]) -> bool {
    const SHORT: usize = 16;
    let before = |at: usize| entries[..at].iter().map(|(key, _)| &key.value);
    entries.len() > SHORT
        || entries.iter().enumerate().any(|(at, (key, _))| before(at).any(|one| *one == key.value))
}

fn merge_key(span: Span) -> Diagnostic {
    Diagnostic::error(Code::UnknownKey, span, "merge keys (`<<`) are not part of YAML 1.2")
        .help("write the keys out, or use an alias for a whole value")
}

fn second_document(span: Span) -> Stop {
    Diagnostic::error(Code::Syntax, span, "a second document begins here")
        .help("put it into a file of its own")
        .into()
}

fn too_deep(span: Span, limit: usize) -> Stop {
    let message = format!("lists and mappings nest deeper than {limit}");
    Diagnostic::error(Code::TooLarge, span, message)
        .help("write it flatter; nothing in the language needs as much")
        .into()
}

#[cfg(test)]
mod tests;
