//! Text to a tree of spanned nodes. JSON goes the same way: it is YAML in flow style.
//!
//! Built on the parser's events rather than on serde: an event knows its bytes, its anchor and its
//! style, so that every key and every collection has its place, aliases are copied under a budget,
//! and numbers are judged from their text. A syntax error ends the file; everything else that is
//! wrong is reported and the rest read on.

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::node::{Node, NodeKind};
use crate::policy::scalar;
use crate::source::{FileId, Span, Spanned};
use granit_parser::{Event, Parser, ScalarStyle, ScanError, StructureStyle, Tag};
use std::collections::HashMap;

/// How deep lists and mappings may nest, aliases followed.
pub const MAX_DEPTH: usize = 64;

/// What one file's tree may take: its text, and [`NODE_BYTES`] for each value. An alias counts as
/// often as it is used, so a few lines cannot grow into gigabytes.
pub const MAX_TREE_BYTES: usize = 256 * 1024 * 1024;

/// What a value counts against [`MAX_TREE_BYTES`], beside its text.
pub const NODE_BYTES: usize = 64;

/// Reads a file's text. `None` where it is no YAML or breaks a limit; the report says why.
pub fn parse(file: FileId, text: &str, report: &mut Report) -> Option<Node> {
    parse_within(file, text, Budget { depth: MAX_DEPTH, bytes: MAX_TREE_BYTES }, report)
}

#[derive(Clone, Copy, Debug)]
struct Budget {
    depth: usize,
    bytes: usize,
}

fn parse_within(file: FileId, text: &str, budget: Budget, report: &mut Report) -> Option<Node> {
    let builder = Builder {
        file,
        text,
        budget,
        report,
        spent: 0,
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
    };
    match builder.run() {
        Ok(node) => Some(node),
        Err(problem) => {
            report.push(*problem);
            None
        }
    }
}

/// What ends the reading of a file; boxed, because it is rare and large.
type Stop = Box<Diagnostic>;

struct Builder<'t, 'r> {
    file: FileId,
    text: &'t str,
    budget: Budget,
    report: &'r mut Report,
    spent: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    root: Option<Node>,
}

/// A list or mapping whose end has not come yet.
struct Open {
    span: Span,
    flow: bool,
    anchor: usize,
    spent_before: usize,
    /// Of the deepest child: 0 for scalars.
    height: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(Spanned<String>, Node)>, key: Key },
}

/// Where a mapping stands between its keys and values.
enum Key {
    /// A key comes next.
    Awaited,
    /// Its value comes next.
    Read(Spanned<String>),
    /// Its value comes next and is dropped: the key was refused.
    Refused,
}

/// What an alias stands for.
struct Anchored {
    node: Node,
    bytes: usize,
    height: usize,
}

impl<'t> Builder<'t, '_> {
    fn run(mut self) -> Result<Node, Stop> {
        for event in Parser::new_from_str(self.text) {
            let (event, at) = event.map_err(|error| self.syntax(&error))?;
            let span = self.span(at);
            self.event(event, span)?;
        }
        let nothing = Node { kind: NodeKind::Null, span: Span::new(self.file, 0, 0) };
        Ok(self.root.unwrap_or(nothing))
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
                let kind = self.scalar(&value, style, tag.as_deref(), span);
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
        content: Content,
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
        node: Node,
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
            return Err(Diagnostic::error(Code::Syntax, span, message).into());
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

    fn give(&mut self, node: Node, height: usize) {
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
        value: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> NodeKind {
        let is_text = tag.is_some() || style != ScalarStyle::Plain || self.key_is_next();
        self.check_tag(tag, "str", span);
        if is_text {
            return NodeKind::Text(value.to_owned());
        }
        scalar::plain(value).unwrap_or_else(|fault| {
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

    fn without_duplicates(
        &mut self,
        entries: Vec<(Spanned<String>, Node)>,
    ) -> Vec<(Spanned<String>, Node)> {
        let mut first = HashMap::with_capacity(entries.len());
        let mut repeated = Vec::new();
        for (at, (key, _)) in entries.iter().enumerate() {
            if let Some(before) = first.insert(key.value.as_str(), key.span) {
                first.insert(key.value.as_str(), before);
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
        let keep = |_: &(Spanned<String>, Node)| {
            at.next().is_none_or(|at| repeated.binary_search(&at).is_err())
        };
        entries.into_iter().filter(keep).collect()
    }

    fn spend(&mut self, bytes: usize, span: Span) -> Result<(), Stop> {
        self.spent = self.spent.saturating_add(bytes);
        if self.spent <= self.budget.bytes {
            return Ok(());
        }
        let message = format!(
            "with its aliases followed, the file holds more than {} bytes",
            self.budget.bytes
        );
        let problem = Diagnostic::error(Code::TooLarge, span, message)
            .help("use fewer aliases, or split the policy into several files");
        Err(problem.into())
    }

    fn syntax(&self, error: &ScanError) -> Stop {
        let start = error.marker().byte_offset().unwrap_or(self.text.len()).min(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        let end = start + rest.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        let span = Span::new(self.file, start, end);
        Diagnostic::error(Code::Syntax, span, format!("this is not YAML: {}", error.info())).into()
    }

    fn span(&self, at: granit_parser::Span) -> Span {
        let range = at.byte_range().unwrap_or(0..0);
        let covered = self.text.get(range.clone()).unwrap_or_default();
        Span::new(self.file, range.start, range.start + covered.trim_end().len())
    }
}

fn read_key(node: Node, report: &mut Report) -> Key {
    match node.kind {
        NodeKind::Text(name) => Key::Read(Spanned::new(name, node.span)),
        other => {
            let node = Node { kind: other, span: node.span };
            let message = format!("a key must be text, but this is {}", node.kind_name());
            report.push(Diagnostic::error(Code::WrongType, node.span, message));
            Key::Refused
        }
    }
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
    Diagnostic::error(Code::TooLarge, span, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn read(text: &str) -> (Option<Node>, Report, Sources) {
        let mut sources = Sources::default();
        let file = sources.add("p.yaml", text);
        let mut report = Report::default();
        let node = parse(file, text, &mut report);
        (node, report, sources)
    }

    #[track_caller]
    fn good(text: &str) -> (Node, Sources) {
        let (node, report, sources) = read(text);
        assert_eq!(report, Report::default());
        (node.unwrap(), sources)
    }

    /// The only problem of a text: its code, what is underlined, and where.
    #[track_caller]
    fn bad(text: &str) -> (Code, String, String) {
        let (_, report, sources) = read(text);
        let [problem] = report.problems() else { panic!("{:?}", report.problems()) };
        let span = problem.primary.as_ref().unwrap().span;
        (problem.code, sources.text(span).to_owned(), sources.place(span).to_string())
    }

    fn texts(node: &Node) -> Vec<&str> {
        match &node.kind {
            NodeKind::List(nodes) => nodes.iter().flat_map(texts).collect(),
            NodeKind::Text(text) => vec![text],
            _ => vec![node.kind_name()],
        }
    }

    #[test]
    fn spans_are_bytes_and_end_with_the_value() {
        let (root, sources) = good(
            "näme: é x   # comment\nroles:\n  - id: a\n    grants: [r, {p: 1}]  # c\n\nlast: z\n",
        );
        let cover = |node: &Node| sources.text(node.span).to_owned();
        assert_eq!(cover(root.get("näme").unwrap()), "é x");
        assert_eq!(cover(root.get("roles").unwrap()), "- id: a\n    grants: [r, {p: 1}]");
        let NodeKind::List(roles) = &root.get("roles").unwrap().kind else { panic!() };
        assert_eq!(cover(&roles[0]), "id: a\n    grants: [r, {p: 1}]");
        assert_eq!(cover(roles[0].get("grants").unwrap()), "[r, {p: 1}]");
        let NodeKind::Map(entries) = &root.kind else { panic!() };
        assert_eq!(sources.text(entries[0].0.span), "näme");
        assert_eq!(sources.place(entries[2].0.span).to_string(), "p.yaml:6:1");
    }

    #[test]
    fn json_is_read_the_same_way() {
        let (root, _) = good("{\n\t\"a\": [\"x\\/y\", \"\\ud83d\\ude00\"],\r\n\t\"b\": 1.5\n}\n");
        assert_eq!(texts(root.get("a").unwrap()), ["x/y", "😀"]);
        assert_eq!(root.get("b").unwrap().kind, NodeKind::Float(1.5));
    }

    #[test]
    fn quotes_and_str_tags_make_text() {
        let (root, _) = good("- \"1\"\n- 'true'\n- !!str 2\n- |\n  3\n");
        assert_eq!(texts(&root), ["1", "true", "2", "3\n"]);
    }

    #[test]
    fn keys_are_text_as_typed() {
        let (root, _) = good("{1: a, true: b, \"<<\": c}");
        assert_eq!(texts(root.get("1").unwrap()), ["a"]);
        assert_eq!(texts(root.get("true").unwrap()), ["b"]);
        assert_eq!(texts(root.get("<<").unwrap()), ["c"]);
    }

    #[test]
    fn an_empty_file_is_nothing() {
        assert_eq!(good("").0.kind, NodeKind::Null);
        assert_eq!(good("# only a comment\n").0.kind, NodeKind::Null);
        assert_eq!(good("\u{feff}a: 1").0.get("a").unwrap().kind, NodeKind::Int(1));
    }

    #[test]
    fn a_duplicate_key_names_both_places_and_the_first_stands() {
        let (root, report, sources) = read("a: 1\nb: {c: 1, c: 2}\n\"a\": 3\n");
        let shown: Vec<_> = report
            .problems()
            .iter()
            .map(|problem| {
                assert_eq!(problem.code, Code::DuplicateKey);
                let place = |span| sources.place(span).to_string();
                (place(problem.primary.as_ref().unwrap().span), place(problem.secondary[0].span))
            })
            .collect();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(shown, [pair("p.yaml:2:11", "p.yaml:2:5"), pair("p.yaml:3:1", "p.yaml:1:1")]);
        assert_eq!(root.unwrap().get("a").unwrap().kind, NodeKind::Int(1));
    }

    #[test]
    fn what_is_not_yaml_is_underlined() {
        let (code, _, place) = bad("a: [1, 2\nb: 3\n");
        assert_eq!((code, place.as_str()), (Code::Syntax, "p.yaml:2:2"));
        assert_eq!(bad("a: *b\n").0, Code::Syntax);
        assert_eq!(bad("a: 1\n---\nb: 2\n").0, Code::Syntax);
        assert_eq!(bad("a: &x [*x]\n"), (Code::Syntax, "*x".into(), "p.yaml:1:8".into()));
        assert_eq!(bad("a: \"\\ud800\"\n").0, Code::Syntax);
    }

    #[test]
    fn what_yaml_has_and_the_language_has_not() {
        assert_eq!(bad("a: &x {b: 1}\nc:\n  <<: *x\n").0, Code::UnknownKey);
        assert_eq!(bad("a: !secret b\n").0, Code::BadValue);
        assert_eq!(bad("a: !!int 5\n").0, Code::BadValue);
        assert_eq!(bad("[a, b]: 1\n"), (Code::WrongType, "[a, b]".into(), "p.yaml:1:1".into()));
        assert_eq!(
            bad("a: 99999999999999999999\n"),
            (Code::BadValue, "99999999999999999999".into(), "p.yaml:1:4".into())
        );
    }

    #[test]
    fn an_alias_is_the_value_where_it_was_defined() {
        let (root, sources) = good("a: &x {b: [1]}\nc: *x\n");
        assert_eq!(root.get("c"), root.get("a"));
        assert_eq!(sources.place(root.get("c").unwrap().span).line, 1);
    }

    #[test]
    fn depth_is_limited_with_aliases_followed() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        good(&nested(MAX_DEPTH - 1));
        good(&nested(MAX_DEPTH));
        assert_eq!(bad(&nested(MAX_DEPTH + 1)).0, Code::TooLarge);
        let through =
            |n: usize| format!("- &a {}\n- {}*a{}\n", nested(32), "[".repeat(n), "]".repeat(n));
        good(&through(MAX_DEPTH - 34));
        good(&through(MAX_DEPTH - 33));
        assert_eq!(bad(&through(MAX_DEPTH - 32)).0, Code::TooLarge);
    }

    #[test]
    fn p12_an_alias_bomb_is_refused_before_it_unfolds() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..30 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            text += &format!("a{level}: &a{level} [{aliases}]\n");
        }
        let started = std::time::Instant::now();
        assert_eq!(bad(&text).0, Code::TooLarge);
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }

    #[test]
    fn the_size_of_a_tree_is_limited() {
        let size = 2 * NODE_BYTES + "abc".len();
        let within = |bytes| {
            let mut report = Report::default();
            let budget = Budget { depth: MAX_DEPTH, bytes };
            let node = parse_within(FileId(0), "[abc]", budget, &mut report);
            (node.is_some(), report.problems().first().map(|problem| problem.code))
        };
        assert_eq!(within(size - 1), (false, Some(Code::TooLarge)));
        assert_eq!(within(size), (true, None));
        assert_eq!(within(size + 1), (true, None));
    }
}
