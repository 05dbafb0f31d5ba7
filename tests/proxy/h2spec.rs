//! The public conformance suite of HTTP/2, where it is installed.

use super::support::{Proxy, Upstream};
use std::process::Command;

/// The one that is not passed: where HTTP/1 is spoken on the same port, what is no preface is a
/// bad request of HTTP/1, and no GOAWAY can be understood.
const EXCEPTED: &str = "Sends invalid connection preface";

#[test]
#[ignore = "needs h2spec in PATH, or in H2SPEC"]
fn p05_h2spec_is_passed_save_for_what_is_no_preface() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    let program = std::env::var("H2SPEC").unwrap_or_else(|_| "h2spec".to_owned());
    let output = Command::new(program)
        .args(["-h", "127.0.0.1", "-o", "5", "-p", &proxy.address.port().to_string()])
        .output()
        .expect("h2spec: a folder of PATH has it, or H2SPEC names it");
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, failures) = text.split_once("Failures:").expect("one is excepted");
    let failed: Vec<_> = failures.lines().filter(|line| line.contains('×')).collect();
    assert!(failed.len() == 1 && failed[0].ends_with(EXCEPTED), "{failed:#?}");
    let summary = text.lines().rev().find(|line| line.contains(" tests, ")).expect("a summary");
    let tests: usize = summary.split(' ').next().and_then(|count| count.parse().ok()).unwrap();
    assert!(tests >= 146 && summary.ends_with(", 1 failed"), "{summary}");
}
