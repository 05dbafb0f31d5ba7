//! Data of server-sent events that is no JSON and passes all the same, because a route names it.

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{BodyKind, RawRoute, Text};
use std::sync::Arc;

/// Texts that one route may name.
pub const MAX_SENTINELS: usize = 16;

/// Bytes of one of them.
pub const MAX_SENTINEL: usize = 256;

/// The texts, as they stand in an event. Only a route of events has any.
pub(super) fn of(route: &RawRoute, report: &mut Report) -> Arc<[Arc<str>]> {
    let typed = &route.sentinels;
    let of_events = route.response.is_some_and(|kind| kind.value == BodyKind::Events);
    if let (Some(first), false) = (typed.first(), of_events) {
        let message = "`sentinels` mean nothing where responses are not `events`";
        report.push(
            Diagnostic::error(Code::BadValue, first.span, message)
                .help("write `response: events` beside them, or take them out"),
        );
    }
    if let Some(beyond) = typed.get(MAX_SENTINELS) {
        let message = format!("this route names {} sentinels", typed.len());
        report.push(
            Diagnostic::error(Code::TooLarge, beyond.span, message)
                .help(format!("name at most {MAX_SENTINELS}")),
        );
    }
    let fine = typed.iter().filter(|text| is_fine(text, report));
    fine.map(|text| Arc::from(&*text.value)).collect()
}

fn is_fine(text: &Text, report: &mut Report) -> bool {
    let short = text.value.len() <= MAX_SENTINEL;
    let fine = short && !text.value.chars().any(char::is_control);
    if !fine {
        let message = match short {
            true => "a sentinel is one line, without control characters".to_owned(),
            false => format!("this sentinel has {} bytes", text.value.len()),
        };
        let help = format!("write the data of the event as it comes, at most {MAX_SENTINEL} bytes");
        report.push(Diagnostic::error(Code::BadValue, text.span, message).help(help));
    }
    fine
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::bind;
    use crate::policy::yaml;
    use crate::source::FileId;

    /// The codes of what is wrong, and how many sentinels are left.
    fn read(sentinels: &str) -> (Vec<Code>, usize) {
        let text = format!("policy: 1\nroutes: [{{match: /, response: events, {sentinels}}}]\n");
        let mut report = Report::default();
        let root = yaml::parse(FileId(0), &text, &mut report).expect("YAML");
        let raw = bind::policy(&root, &mut report);
        assert!(report.is_empty(), "{:?}", report.problems());
        let found = of(&raw.routes.expect("routes")[0], &mut report);
        (report.problems().iter().map(|problem| problem.code).collect(), found.len())
    }

    #[test]
    fn sentinels_are_few_short_lines() {
        assert_eq!(read("sentinels: ['[DONE]', '', null-and-more]"), (vec![], 3));
        for (count, wrong) in [(15, vec![]), (16, vec![]), (17, vec![Code::TooLarge])] {
            let all = vec!["a"; count].join(", ");
            assert_eq!(read(&format!("sentinels: [{all}]")), (wrong, count));
        }
        for (length, wrong) in [(255, 0), (256, 0), (257, 1)] {
            let (codes, left) = read(&format!("sentinels: [{}]", "a".repeat(length)));
            assert_eq!((codes.len(), left), (wrong, 1 - wrong), "{length}");
        }
        for bad in ["\"a\\nb\"", "\"a\\rb\"", "\"\\0\""] {
            assert_eq!(read(&format!("sentinels: [{bad}]")), (vec![Code::BadValue], 0));
        }
    }
}
