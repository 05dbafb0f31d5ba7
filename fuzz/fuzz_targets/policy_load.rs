//! Any text is a policy or a list of problems, each with a place in the text and with what to do
//! about it: never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::diag::{MAX_PROBLEMS, MAX_TEXT, Report, human, json, sarif};
use portcullis::policy::compile::{Stamp, compile};
use portcullis::policy::front;
use portcullis::policy::lint::lint;
use portcullis::policy::resolve::{Surroundings, resolve};
use portcullis::source::Sources;

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    sources.add("fuzzed.yaml", text);
    let (raw, mut report) = front::read(&sources);
    let resolved = resolve(&raw, &Surroundings::default(), &mut report);
    if !report.has_errors() {
        lint(&raw, &resolved, &mut report);
        let stamp = Stamp { generation: 1, digest: "sha256:0".into() };
        compile(resolved, &sources, stamp, &mut report);
    }
    report.sort();
    holds(&report, text);
    human::render(&report, &sources, false);
    json::render(&report, &sources, false);
    sarif::render(&report, &sources);
});

/// Every place is in the text, and every problem says in a bounded text what to do.
fn holds(report: &Report, text: &str) {
    assert!(report.problems().len() <= MAX_PROBLEMS);
    for problem in report.problems() {
        for label in problem.primary.iter().chain(&problem.secondary) {
            let (start, end) = (label.span.start as usize, label.span.end as usize);
            assert!(text.get(start..end).is_some(), "{start}..{end}");
        }
        let cut = MAX_TEXT + '…'.len_utf8();
        assert!(problem.message.len() <= cut, "{}", problem.message);
        let help = problem.help.as_deref();
        assert!(help.is_some_and(|help| !help.is_empty() && help.len() <= cut), "{problem:?}");
    }
}
