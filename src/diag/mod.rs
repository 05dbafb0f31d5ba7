//! One diagnostic model for everything that a person can get wrong in a file.
//!
//! A [`Diagnostic`] has a stable [`Code`], a severity, a message in the user's own words, the
//! place to underline, other places that matter, and help: what to write instead. Problems are
//! collected in a [`Report`], so that one run names them all; renderers turn a report into text
//! for people ([`human`]), programs ([`json`]) or code scanners ([`sarif`]).

mod code;
pub mod human;
pub mod json;
pub mod sarif;

pub use code::Code;

use crate::source::Span;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The input cannot be used.
    Error,
    /// The input can be used, but probably does not say what was meant.
    Warning,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable name of this kind of problem.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// One sentence, lower case, the user's words in backticks, no full stop.
    pub message: String,
    /// What to underline. `None` only where the problem has no place (a missing folder).
    pub primary: Option<Label>,
    /// Other places that matter ("first defined here").
    pub secondary: Vec<Label>,
    /// What to write instead.
    pub help: Option<String>,
}

/// A place and what to say there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// Said beside the underline; may be empty.
    pub text: String,
}

/// Problems that a report keeps; those beyond are counted.
pub const MAX_PROBLEMS: usize = 1_000;

/// The problems of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    problems: Vec<Diagnostic>,
    more_errors: usize,
    more_warnings: usize,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, Severity::Error, Some(span), message.into())
    }

    /// A warning at a place.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, Severity::Warning, Some(span), message.into())
    }

    /// A warning without a place in a file.
    pub fn warning_nowhere(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, Severity::Warning, None, message.into())
    }

    /// An error without a place in a file.
    pub fn error_nowhere(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, Severity::Error, None, message.into())
    }

    fn new(code: Code, severity: Severity, span: Option<Span>, message: String) -> Diagnostic {
        let primary = span.map(|span| Label { span, text: String::new() });
        Diagnostic { code, severity, message, primary, secondary: Vec::new(), help: None }
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The words beside the underline.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        if let Some(primary) = &mut self.primary {
            primary.text = text.into();
        }
        self
    }

    /// Names another place that matters.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.secondary.push(Label { span, text: text.into() });
        self
    }
}

impl Report {
    /// Adds a problem. Past [`MAX_PROBLEMS`] it is only counted: a policy with a hundred thousand
    /// members that all use the same wrong key is one mistake, not a reason to run out of memory.
    pub fn push(&mut self, problem: Diagnostic) {
        match problem.severity {
            _ if self.problems.len() < MAX_PROBLEMS => self.problems.push(problem),
            Severity::Error => self.more_errors += 1,
            Severity::Warning => self.more_warnings += 1,
        }
    }

    /// How many problems were found beyond those that were kept.
    pub fn more(&self) -> usize {
        self.more_errors + self.more_warnings
    }

    /// All problems, in the order found. Call [`Report::sort`] first to have them in file order.
    pub fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    /// Whether any problem is an error.
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// How many errors there are, those beyond the kept ones included.
    pub fn errors(&self) -> usize {
        let kept = self.problems.iter().filter(|problem| problem.severity == Severity::Error);
        kept.count() + self.more_errors
    }

    /// How many warnings there are, those beyond the kept ones included.
    pub fn warnings(&self) -> usize {
        let kept = self.problems.iter().filter(|problem| problem.severity == Severity::Warning);
        kept.count() + self.more_warnings
    }

    /// Whether further problems are only counted.
    pub fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Takes over the problems of another report.
    pub fn extend(&mut self, other: Report) {
        other.problems.into_iter().for_each(|problem| self.push(problem));
        self.more_errors += other.more_errors;
        self.more_warnings += other.more_warnings;
    }

    /// File order; within one place errors before warnings.
    pub fn sort(&mut self) {
        self.problems.sort_by_key(|problem| {
            let span = problem.primary.as_ref().map(|label| label.span);
            (span, problem.severity, problem.code)
        });
    }
}

impl From<Diagnostic> for Report {
    fn from(problem: Diagnostic) -> Report {
        Report { problems: vec![problem], ..Report::default() }
    }
}

/// The nearest of `known` to a name that is not known, if one is near enough to suggest.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Of one or two letters every other short name is near, and none is meant.
    let letters = typed.chars().count();
    let limit = if letters < 3 { 0 } else { (letters / 3).max(1) };
    known
        .into_iter()
        // A name that is longer or shorter by more is farther away, which is seen without comparing.
        .filter(|name| name.chars().count().abs_diff(letters) <= limit)
        .map(|name| (strsim::osa_distance(typed, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_keeps_so_many_and_counts_the_rest() {
        let of = |n: usize| {
            let mut report = Report::default();
            let warning = Diagnostic::warning(Code::Unused, Span::default(), "w");
            (1..n).for_each(|_| report.push(warning.clone()));
            report.push(Diagnostic::error_nowhere(Code::Syntax, "e"));
            (report.problems().len(), report.more(), report.errors(), report.warnings())
        };
        assert_eq!(of(MAX_PROBLEMS - 1), (MAX_PROBLEMS - 1, 0, 1, MAX_PROBLEMS - 2));
        assert_eq!(of(MAX_PROBLEMS), (MAX_PROBLEMS, 0, 1, MAX_PROBLEMS - 1));
        assert!(!Report::default().is_full());
        assert_eq!(of(MAX_PROBLEMS + 1), (MAX_PROBLEMS, 1, 1, MAX_PROBLEMS));
    }

    #[test]
    fn an_error_that_is_only_counted_is_still_an_error() {
        let mut report = Report::default();
        let warning = Diagnostic::warning(Code::Unused, Span::default(), "w");
        (0..MAX_PROBLEMS).for_each(|_| report.push(warning.clone()));
        assert!(!report.has_errors());
        report.extend(Report::from(Diagnostic::error_nowhere(Code::Syntax, "e")));
        assert!(report.has_errors());
        let mut whole = Report::default();
        whole.extend(report);
        assert_eq!((whole.errors(), whole.more()), (1, 1));
    }

    #[test]
    fn sorting_is_by_place_and_what_has_none_comes_first() {
        let at = |n| Span::new(crate::source::FileId(0), n, n + 1);
        let mut report = Report::default();
        report.push(Diagnostic::warning(Code::Unused, at(1), "third"));
        report.push(Diagnostic::error(Code::Syntax, at(1), "second"));
        report.push(Diagnostic::error_nowhere(Code::Unreadable, "first"));
        report.sort();
        let messages: Vec<_> =
            report.problems().iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, ["first", "second", "third"]);
    }

    #[test]
    fn names_that_are_near_are_suggested() {
        let known = ["grants", "schemas", "at"];
        assert_eq!(did_you_mean("grant", known), Some("grants"));
        assert_eq!(did_you_mean("shcemas", known), Some("schemas"));
        assert_eq!(did_you_mean("zebra", known), None);
        assert_eq!(did_you_mean("", known), None);
    }
}
