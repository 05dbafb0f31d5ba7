//! Problems for code scanners: SARIF 2.1.0 (OASIS), as small as it is valid.

use super::{Code, Diagnostic, Label, Report, json};
use crate::source::{Sources, Span};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One log with one run, on one line.
pub fn render(report: &Report, sources: &Sources) -> String {
    let codes: BTreeSet<Code> = report.problems().iter().map(|problem| problem.code).collect();
    let rules: Vec<Value> = codes.iter().map(|code| json!({"id": code.as_str()})).collect();
    let results: Vec<Value> =
        report.problems().iter().map(|problem| result(problem, sources)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "portcullis",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log}\n")
}

fn result(problem: &Diagnostic, sources: &Sources) -> Value {
    let message = match &problem.help {
        Some(help) => format!("{}\nhelp: {help}", problem.message),
        None => problem.message.clone(),
    };
    let mut result = json!({
        "ruleId": problem.code.as_str(),
        "level": json::severity(problem.severity),
        "message": {"text": message},
    });
    if let Some(primary) = &problem.primary {
        result["locations"] = json!([location(primary, sources)]);
    }
    if !problem.secondary.is_empty() {
        let related = problem.secondary.iter().map(|label| location(label, sources));
        result["relatedLocations"] = related.collect();
    }
    result
}

/// SARIF 2.1.0 section 3.28. Its end column is one past the last character (3.30.8).
fn location(label: &Label, sources: &Sources) -> Value {
    let start = sources.place(label.span);
    let end = sources.place(Span { start: label.span.end, ..label.span });
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": utf8_percent_encode(&start.file, PATH).to_string()},
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
            },
        },
    });
    if !label.text.is_empty() {
        location["message"] = json!({"text": label.text});
    }
    location
}

/// What may not stand in the path of a URI reference (RFC 3986 section 3.3).
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
