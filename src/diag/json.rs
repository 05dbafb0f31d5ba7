//! Problems for programs: the object that `check --format json` prints.

use super::{Diagnostic, Report, Severity, human};
use crate::source::Sources;
use serde::Serialize;

#[derive(Serialize)]
struct Output<'a> {
    ok: bool,
    problems: Vec<Problem<'a>>,
}

#[derive(Serialize)]
struct Problem<'a> {
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    text: Option<&'a str>,
}

/// One object on one line, with a newline. `ok` is what the exit status says.
pub fn render(report: &Report, sources: &Sources, ok: bool) -> String {
    let problems = report.problems().iter().map(|problem| flat(problem, sources)).collect();
    to_line(&Output { ok, problems })
}

/// The problems alone, for `/policy` and the log.
pub fn problems(report: &Report, sources: &Sources) -> String {
    let problems: Vec<_> = report.problems().iter().map(|problem| flat(problem, sources)).collect();
    to_line(&problems)
}

/// `error` or `warning`.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn flat<'a>(problem: &'a Diagnostic, sources: &'a Sources) -> Problem<'a> {
    let span = problem.primary.as_ref().map(|label| label.span);
    let place = span.map(|span| sources.place(span));
    let text = span.and_then(|span| {
        let text = &sources.files().get(span.file.0 as usize)?.text;
        text.get(human::first_line(span, text))
    });
    Problem {
        code: problem.code.as_str(),
        severity: severity(problem.severity),
        message: &problem.message,
        help: problem.help.as_deref(),
        file: place.as_ref().map(|place| place.file.to_string()),
        line: place.as_ref().map(|place| place.line),
        column: place.as_ref().map(|place| place.column),
        text,
    }
}

fn to_line(value: &impl Serialize) -> String {
    let mut line = serde_json::to_string(value).expect("plain structs of text are JSON");
    line.push('\n');
    line
}
