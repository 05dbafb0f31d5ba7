//! Problems for programs: the object that `check --format json` prints.

use super::{Diagnostic, Report, Severity, human};
use crate::source::Sources;
use serde::Serialize;

#[derive(Serialize)]
struct Output<'a> {
    ok: bool,
    problems: Vec<Problem<'a>>,
    /// Problems that were found beyond those listed; left out where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<usize>,
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
    let more = Some(report.more()).filter(|more| *more > 0);
    to_line(&Output { ok, problems, more })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::human::tests::sample;
    use crate::diag::{Code, MAX_TEXT};

    #[test]
    fn programs_get_one_object() {
        let (report, sources) = sample();
        let line = render(&report, &sources, false);
        assert_eq!(
            line,
            concat!(
                r#"{"ok":false,"problems":[{"code":"DUPLICATE_KEY","severity":"error","#,
                r#""message":"the key is given twice","help":"keep one","file":"a b.yaml","#,
                r#""line":3,"column":1,"text":"rôle"},{"code":"UNUSED","severity":"warning","#,
                r#""message":"nothing uses this","help":null,"file":"a b.yaml","line":1,"#,
                r#""column":4,"text":"{x: 1,"},{"code":"UNREADABLE","severity":"error","#,
                r#""message":"there is no `p`","help":"look","file":null,"line":null,"#,
                r#""column":null,"text":null}]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn of_a_long_value_its_start_is_told() {
        let text = |length: usize| {
            let mut sources = Sources::default();
            let file = sources.add("p.yaml", "x".repeat(length));
            let span = crate::source::Span::new(file, 0, length);
            let report = Diagnostic::error(Code::BadValue, span, "long").into();
            let line: serde_json::Value =
                serde_json::from_str(&render(&report, &sources, false)).unwrap();
            line["problems"][0]["text"].as_str().unwrap().len()
        };
        let told = [MAX_TEXT - 1, MAX_TEXT, MAX_TEXT + 1].map(text);
        assert_eq!(told, [MAX_TEXT - 1, MAX_TEXT, MAX_TEXT]);
    }

    #[test]
    fn a_clean_report_is_ok() {
        let line = render(&Report::default(), &Sources::default(), true);
        assert_eq!(line, "{\"ok\":true,\"problems\":[]}\n");
        assert_eq!(problems(&Report::default(), &Sources::default()), "[]\n");
    }
}
