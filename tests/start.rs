//! What a start says: of mistakes in settings, all of them in one run, and of itself.

use crate::support::TempPolicy;
use crate::support::proxy::Start;
use std::process::Output;

const OPEN: &str =
    "policy: 1\nroutes: [{match: \"/**\", public: crud}]\nrole_defaults: {any: []}\n";

/// Exit status 2, nothing on standard output, and what standard error says.
#[track_caller]
fn refused(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(output.stdout.is_empty(), "{}", output.stdout.escape_ascii());
    text
}

/// A start with these settings in a file beside a policy that is good.
fn with_settings(text: &str) -> (Start, TempPolicy) {
    let policy = TempPolicy::file(OPEN);
    policy.write("portcullis.settings", text);
    let start = Start::new().config(&policy.join("portcullis.settings"));
    (start.policy(policy.path()), policy)
}

#[test]
fn an_unknown_variable_hides_no_other_mistake() {
    let (start, _policy) = with_settings("listn: 127.0.0.1:0\n");
    let start = start.environment("PORTCULLIS_WORKER", "1").environment("PORTCULLIS_POLICI", "x");
    let said = refused(&start.environment("PORTCULLIS_WORKERS", "0").output());
    let at = |text: &str| said.find(text).unwrap_or_else(|| panic!("`{text}` in {said}"));
    let variables = [at("`PORTCULLIS_POLICI` is not"), at("`PORTCULLIS_WORKER` is not")];
    assert!(variables.is_sorted(), "{said}");
    assert!(at("listn") < at("--> PORTCULLIS_WORKERS:1:1"), "{said}");
    assert!(said.contains("4 errors"), "{said}");
}
