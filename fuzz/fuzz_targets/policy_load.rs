//! Any text is a policy or a list of problems, each with a place in the text: never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::diag::{human, json};
use portcullis::policy::compile::{Stamp, compile};
use portcullis::policy::front;
use portcullis::policy::resolve::{Surroundings, resolve};
use portcullis::source::Sources;

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    sources.add("fuzzed.yaml", text);
    let (raw, mut report) = front::read(&sources);
    let resolved = resolve(&raw, &Surroundings::default(), &mut report);
    if !report.has_errors() {
        let stamp = Stamp { generation: 1, digest: "sha256:0".into() };
        compile(resolved, &sources, stamp, &mut report);
    }
    report.sort();
    for label in report.problems().iter().filter_map(|problem| problem.primary.as_ref()) {
        let (start, end) = (label.span.start as usize, label.span.end as usize);
        assert!(text.get(start..end).is_some(), "{start}..{end}");
    }
    human::render(&report, &sources, false);
    json::render(&report, &sources, false);
});
