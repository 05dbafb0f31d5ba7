//! Problems for people, in the manner of rustc: the place, the line, what is underlined, help.

use super::{Diagnostic, Label, MAX_TEXT, Report, Severity};
use crate::source::{FileId, Sources, Span};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::ops::Range;

/// All problems and a line that counts them; empty where there is nothing to say. `colour` writes
/// ANSI escapes.
pub fn render(report: &Report, sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for problem in report.problems() {
        text.push_str(&renderer.render(&[group(problem, sources)]));
        text.push_str("\n\n");
    }
    if report.more() > 0 {
        text.push_str(&format!("{} more are not shown; mend these first\n", report.more()));
    }
    if !report.is_empty() {
        text.push_str(&summary(report));
        text.push('\n');
    }
    text
}

/// `2 errors, 1 warning`
pub fn summary(report: &Report) -> String {
    let count = |n: usize, noun: &str| match n {
        0 => None,
        1 => Some(format!("1 {noun}")),
        _ => Some(format!("{n} {noun}s")),
    };
    let parts: Vec<_> = [count(report.errors(), "error"), count(report.warnings(), "warning")]
        .into_iter()
        .flatten()
        .collect();
    if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
}

fn group<'a>(problem: &'a Diagnostic, sources: &'a Sources) -> Group<'a> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str()).id(problem.code.as_str());
    let mut group = Group::with_title(title);
    if let Some(primary) = &problem.primary {
        let first = first_near(primary, &problem.secondary);
        if let Some(origin) = origin_of_cut(primary.span, first, sources) {
            group = group.element(origin);
        }
        group = group.element(snippet(primary, &problem.secondary, sources));
        let elsewhere = problem.secondary.iter().filter(|other| !together(primary, other));
        for other in elsewhere {
            let mark = mark(other, AnnotationKind::Context, sources, other.span);
            if let Some(origin) = origin_of_cut(other.span, other.span, sources) {
                group = group.element(origin);
            }
            group = group.element(excerpt(other.span, other.span, sources).annotation(mark));
        }
    }
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The primary place, with those of the others that are near enough to be seen with it.
fn snippet<'a>(
    primary: &'a Label,
    secondary: &'a [Label],
    sources: &'a Sources,
) -> Snippet<'a, Annotation<'a>> {
    let near = || secondary.iter().filter(|other| together(primary, other)).map(|other| other.span);
    let first = first_near(primary, secondary);
    let last = near().chain([primary.span]).max().unwrap_or(primary.span);
    let mut snippet = excerpt(first, last, sources).annotation(mark(
        primary,
        AnnotationKind::Primary,
        sources,
        first,
    ));
    for other in secondary.iter().filter(|other| together(primary, other)) {
        snippet = snippet.annotation(mark(other, AnnotationKind::Context, sources, first));
    }
    snippet
}

/// The first of the places that are shown in the primary one's excerpt.
fn first_near(primary: &Label, secondary: &[Label]) -> Span {
    let near = secondary.iter().filter(|other| together(primary, other)).map(|other| other.span);
    near.chain([primary.span]).min().unwrap_or(primary.span)
}

fn together(primary: &Label, other: &Label) -> bool {
    primary.span.file == other.span.file && primary.span.start.abs_diff(other.span.start) < NEAR
}

/// The lines from the first place to the last, or what is near of those that are very long. What is
/// cut has its name and its place said before it, because columns would count from the cut.
fn excerpt<'a>(first: Span, last: Span, sources: &'a Sources) -> Snippet<'a, Annotation<'a>> {
    let text = text_of(first.file, sources);
    let (start, whole) = start(first, text);
    let place = sources.place(first);
    let path = whole.then(|| place.file.to_string());
    Snippet::source(text.get(start..end(last, text)).unwrap_or_default())
        .path(path)
        .line_start(place.line as usize)
}

/// Says where a place is whose excerpt begins within a line.
fn origin_of_cut<'a>(at: Span, first: Span, sources: &Sources) -> Option<Origin<'a>> {
    let (_, whole) = start(first, text_of(first.file, sources));
    let place = sources.place(at);
    let origin = Origin::path(place.file.to_string());
    (!whole).then(|| origin.line(place.line as usize).char_column(place.column as usize))
}

fn mark<'a>(
    label: &'a Label,
    kind: AnnotationKind,
    sources: &Sources,
    first: Span,
) -> Annotation<'a> {
    let text = text_of(first.file, sources);
    let (offset, _) = start(first, text);
    let covered = first_line(label.span, text);
    let mark = kind.span(covered.start - offset..covered.end - offset);
    if label.text.is_empty() { mark } else { mark.label(label.text.as_str()) }
}

fn text_of(file: FileId, sources: &Sources) -> &str {
    sources.files().get(file.0 as usize).map_or("", |file| &file.text)
}

/// Where the excerpt of a place begins, and whether that is where its line does.
fn start(span: Span, text: &str) -> (usize, bool) {
    let at = first_line(span, text).start;
    let from = text.ceil_char_boundary(at.saturating_sub(BESIDE));
    match text[from..at].rfind('\n') {
        Some(newline) => (from + newline + 1, true),
        None => (from, from == 0),
    }
}

/// Where the excerpt of a place ends: with the line in which the place begins.
fn end(span: Span, text: &str) -> usize {
    let shown = first_line(span, text).end;
    let to = text.floor_char_boundary(shown + BESIDE);
    text[shown..to].find('\n').map_or(to, |newline| shown + newline)
}

/// A span's bytes up to the end of its first line, and of a very long one the first
/// [`MAX_TEXT`]: what is underlined of a value.
pub(super) fn first_line(span: Span, text: &str) -> Range<usize> {
    let (start, end) = (span.start as usize, span.end as usize);
    match text.get(start..end) {
        Some(covered) => {
            let covered = &covered[..covered.floor_char_boundary(MAX_TEXT)];
            let line = covered.split('\n').next().unwrap_or_default().trim_end();
            start..start + line.len()
        }
        None => text.len()..text.len(),
    }
}

/// Places that lie nearer to one another than so many bytes are shown in one excerpt.
const NEAR: u32 = 2_000;

/// Bytes that are shown of a line on either side of what is underlined. A whole policy may stand on
/// one line, and each of its problems would show all of it.
const BESIDE: usize = 1_000;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::diag::Code;

    /// One of each: near and far second places, a long value, none at all.
    pub fn sample() -> (Report, Sources) {
        let mut sources = Sources::default();
        let far = format!("{}end: é\n", "# filler\n".repeat(300));
        let a = sources.add("a b.yaml", "é: {x: 1,\n  y: 2}\nrôle: [nine]\n");
        let b = sources.add("b.yaml", far.as_str());
        let mut report = Report::default();
        let at = |file: FileId, text: &str, sources: &Sources| {
            let start = sources.file(file).text.find(text).unwrap();
            Span::new(file, start, start + text.len())
        };
        report.push(
            Diagnostic::error(
                Code::DuplicateKey,
                at(a, "rôle", &sources),
                "the key is given twice",
            )
            .label("again")
            .also(at(a, "é", &sources), "first")
            .also(at(b, "end", &sources), "and far away")
            .help("keep one"),
        );
        let long = at(a, "{x: 1,\n  y: 2}", &sources);
        report.push(Diagnostic::warning(Code::Unused, long, "nothing uses this"));
        report.push(Diagnostic::error_nowhere(Code::Unreadable, "there is no `p`").help("look"));
        (report, sources)
    }

    #[test]
    fn people_see_the_line_and_what_is_wrong_in_it() {
        let (report, sources) = sample();
        insta::assert_snapshot!(render(&report, &sources, false), @r"
        error[DUPLICATE_KEY]: the key is given twice
           --> a b.yaml:3:1
            |
          1 | é: {x: 1,
            | - first
          2 |   y: 2}
          3 | rôle: [nine]
            | ^^^^ again
            |
           ::: b.yaml:301:1
            |
        301 | end: é
            | --- and far away
            |
            = help: keep one

        warning[UNUSED]: nothing uses this
         --> a b.yaml:1:4
          |
        1 | é: {x: 1,
          |    ^^^^^^

        error[UNREADABLE]: there is no `p`
         |
         = help: look

        2 errors, 1 warning
        ");
    }

    #[test]
    fn of_a_very_long_line_a_part_is_shown_and_its_column_is_told() {
        let text = format!("a: [{}, {{b: c}}, {}]\n", "é, ".repeat(50_000), "x, ".repeat(50_000));
        let mut sources = Sources::default();
        let file = sources.add("p.yaml", text.as_str());
        let at = text.find("b:").unwrap();
        let problem = Diagnostic::error(Code::UnknownKey, Span::new(file, at, at + 1), "no `b`")
            .label("here")
            .also(Span::new(file, 0, 1), "far away");
        let shown = render(&Report::from(problem), &sources, false);
        assert!(shown.contains("--> p.yaml:1:150008\n"), "{shown}");
        assert!(
            shown.contains("{b: c}") && shown.contains("^ here") && shown.contains("- far away")
        );
        assert!(shown.len() < 2_000, "{}", shown.len());
    }

    #[test]
    fn an_excerpt_begins_with_its_line_up_to_a_limit() {
        let starts = |before: usize| {
            let text = format!("a\n{}x", "y".repeat(before));
            start(Span::new(FileId(0), before + 2, before + 3), &text)
        };
        // The newline before the line must be among those bytes.
        assert_eq!(starts(BESIDE - 2), (2, true));
        assert_eq!(starts(BESIDE - 1), (2, true));
        assert_eq!(starts(BESIDE), (2, false));
        let ends = |after: usize| {
            let text = format!("x{}\nz", "y".repeat(after));
            end(Span::new(FileId(0), 0, 1), &text) - 1
        };
        let ends = [BESIDE - 1, BESIDE, BESIDE + 1].map(ends);
        assert_eq!(ends, [BESIDE - 1, BESIDE, BESIDE]);
    }

    #[test]
    fn colour_is_written_only_when_asked() {
        let (report, sources) = sample();
        assert!(render(&report, &sources, true).contains("\u{1b}["));
        assert!(!render(&report, &sources, false).contains('\u{1b}'));
    }

    #[test]
    fn nothing_to_say_is_nothing() {
        assert_eq!(render(&Report::default(), &Sources::default(), false), "");
        assert_eq!(summary(&Report::default()), "no problems");
    }

    #[test]
    fn a_place_beyond_the_text_is_shown_at_its_end() {
        let mut sources = Sources::default();
        let file = sources.add("p.yaml", "a: 1\n");
        for span in [Span::new(file, 5, 5), Span::new(file, 90, 99), Span::new(FileId(7), 0, 1)] {
            let report = Report::from(Diagnostic::error(Code::Syntax, span, "odd"));
            assert!(render(&report, &sources, false).contains("error[SYNTAX]: odd"));
        }
    }
}
