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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::human::tests::sample;

    #[test]
    fn scanners_get_results_with_regions() {
        let (report, sources) = sample();
        let log: Value = serde_json::from_str(&render(&report, &sources)).unwrap();
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        assert_eq!(
            run["tool"]["driver"]["rules"],
            json!([{"id": "UNREADABLE"}, {"id": "DUPLICATE_KEY"}, {"id": "UNUSED"}])
        );
        let first = &run["results"][0];
        assert_eq!(first["ruleId"], "DUPLICATE_KEY");
        assert_eq!(first["level"], "error");
        assert_eq!(
            first["locations"][0]["physicalLocation"],
            json!({
                "artifactLocation": {"uri": "a%20b.yaml"},
                "region": {"startLine": 3, "startColumn": 1, "endLine": 3, "endColumn": 5},
            })
        );
        assert_eq!(first["relatedLocations"][1]["message"]["text"], "and far away");
        assert_eq!(run["results"][1]["level"], "warning");
        assert_eq!(run["results"][1]["locations"][0]["physicalLocation"]["region"]["endLine"], 2);
        assert!(run["results"][2].get("locations").is_none(), "a missing folder has no place");
    }

    #[test]
    fn a_clean_report_has_no_results() {
        let log: Value =
            serde_json::from_str(&render(&Report::default(), &Sources::default())).unwrap();
        assert_eq!(log["runs"][0]["results"], json!([]));
    }
}
