//! The corpus of policies that are refused or warned of: `tests/policy/bad/CODE/`, one case a file
//! or folder, and beside each what a person is told, as a snapshot.
//!
//! | case | what it is |
//! |---|---|
//! | `NAME.yaml`, `NAME.json` | a policy of one file |
//! | `NAME/` | a policy of several files |
//! | `NAME/before.yaml`, `NAME/after.yaml` | a policy that is live, and one that shall replace it |
//! | `NAME.settings.yaml` | settings |

use portcullis::control::load;
use portcullis::control::reload::{Outcome, Reloader};
use portcullis::diag::{Code, MAX_PROBLEMS, Report, human, json, sarif};
use portcullis::policy::resolve::Surroundings;
use portcullis::settings::{self, SettingsFile};
use portcullis::source::{Place, Sources};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The command that takes over what is said now, to be read before it is committed.
const ACCEPT: &str = "INSTA_UPDATE=always cargo test --test transcripts policy::bad";

/// Bytes that one problem may take in a report for people or programs.
const MAX_SHOWN: usize = 16 * 1024;

#[test]
fn every_case_says_what_its_snapshot_says() {
    let all = cases();
    assert!(all.len() >= Code::ALL.len());
    let fails = |case: &&Case| catch_unwind(AssertUnwindSafe(|| case.compare())).is_err();
    let failed: Vec<_> = all.iter().filter(fails).map(|case| case.path.display()).collect();
    assert!(failed.is_empty(), "{failed:#?}\nread what differs, then: {ACCEPT}");
}

#[test]
fn the_program_refuses_what_is_an_error_and_says_the_same() {
    for case in cases() {
        let (sources, report) = case.judged();
        let said = human::render(&report, &sources, false);
        let status = i32::from(report.has_errors());
        if case.is_policy() {
            let path = case.path.to_str().unwrap();
            assert_eq!(portcullis(&["check", path]), (status, said, String::new()), "{path}");
            let denied = portcullis(&["check", "--format", "json", "--deny", "warnings", path]);
            assert_eq!(denied, (1, json::render(&report, &sources, false), String::new()));
        }
        if report.has_errors() && !case.is_reload() {
            let (status, out, err) = case.run();
            assert_eq!((status, out.as_str()), (2, ""), "{}: {err}", case.path.display());
            assert!(err.contains(&format!("error[{}]", case.code)), "{err}");
        }
    }
}

#[test]
fn every_code_has_a_case() {
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let shown: BTreeSet<String> = cases().into_iter().map(|case| case.code).collect();
    let shown: BTreeSet<&str> = shown.iter().map(String::as_str).collect();
    assert_eq!(codes, shown);
}

#[test]
fn twenty_mistakes_in_three_files_are_told_in_one_run_in_their_order() {
    let case = Case { code: String::new(), path: "tests/policy/twenty".into() };
    let (sources, report) = case.judged();
    assert!(report.errors() >= 20, "{}", report.errors());
    let places: Vec<_> = report.problems().iter().map(|one| one.primary.as_ref()).collect();
    let spans: Vec<_> = places.iter().map(|label| label.expect("a place").span).collect();
    assert!(spans.is_sorted(), "by file and place");
    let files: BTreeSet<_> = spans.iter().map(|span| span.file).collect();
    assert_eq!(files.len(), 3);
    case.compare_with(&sources, &report);
}

/// The invariants of the language: those that a file can break have a code, and a case with it;
/// those that only a step of administration can break stand in the manual, with the reason.
#[test]
fn every_invariant_has_a_code_or_a_reason() {
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let elsewhere: BTreeSet<&str> =
        rows_of_the_manual().into_iter().map(|(name, _)| name).collect();
    let of_files: BTreeSet<&str> =
        INVARIANTS.iter().copied().filter(|i| codes.contains(i)).collect();
    assert_eq!(of_files.intersection(&elsewhere).count(), 0, "in both");
    let all: BTreeSet<&str> = of_files.union(&elsewhere).copied().collect();
    assert_eq!(all, INVARIANTS.iter().copied().collect());
}

/// The invariants and warnings of the design's document, which is not part of the repository.
#[test]
#[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
fn the_invariants_are_those_of_the_design() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/design/policy-language.md");
    let Ok(text) = fs::read_to_string(&path) else {
        println!("skipped: there is no {}", path.display());
        return;
    };
    let section = text.split("\n## Invariants").nth(1).expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let is_name = |word: &&str| {
        word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    };
    let split = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let named: BTreeSet<&str> = section.split(split).filter(is_name).collect();
    assert_eq!(named, INVARIANTS.iter().copied().collect());
}

/// One thing that is wrong.
struct Case {
    code: String,
    /// From the root of the repository, where tests run.
    path: PathBuf,
}

impl Case {
    fn is_reload(&self) -> bool {
        self.path.join("before.yaml").exists()
    }

    fn is_settings(&self) -> bool {
        self.path.to_str().unwrap().ends_with(".settings.yaml")
    }

    fn is_policy(&self) -> bool {
        !self.is_reload() && !self.is_settings()
    }

    fn judged(&self) -> (Sources, Report) {
        if self.is_reload() {
            return self.reloaded();
        }
        if self.is_settings() {
            let text = fs::read_to_string(&self.path).unwrap();
            let name = self.path.display().to_string();
            let file = SettingsFile { name, text, folder: PathBuf::new() };
            let (sources, settings) = settings::read(Some(&file), &[], 1);
            return (sources, settings.expect_err("settings that are refused"));
        }
        match load::load(&self.path, &Surroundings::default(), 1) {
            Ok(loaded) => (loaded.sources, loaded.report),
            Err(failed) => (failed.sources, failed.report),
        }
    }

    /// What is said of `after.yaml` where `before.yaml` is live.
    fn reloaded(&self) -> (Sources, Report) {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy.yaml");
        let copy = |name: &str| fs::copy(self.path.join(name), &policy).unwrap();
        copy("before.yaml");
        let (mut reloader, ..) = Reloader::start(&policy, Surroundings::default()).unwrap();
        copy("after.yaml");
        match reloader.reload() {
            Outcome::Refused(error) => (error.sources.clone(), error.report.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn compare(&self) {
        let (sources, report) = self.judged();
        let has = |code: &str| report.problems().iter().any(|one| one.code.as_str() == code);
        assert!(has(&self.code), "{}: {report:?}", self.path.display());
        self.compare_with(&sources, &report);
    }

    fn compare_with(&self, sources: &Sources, report: &Report) {
        let shown = human::render(report, sources, false);
        let most = MAX_SHOWN * (1 + report.problems().len());
        assert!(report.problems().len() <= MAX_PROBLEMS && shown.len() <= most);
        agree(sources, report, &shown);
        are_results(sources, report);
        let mut settings = insta::Settings::clone_current();
        let folder = self.path.parent().unwrap();
        settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let name = self.path.file_stem().unwrap().to_str().unwrap();
        settings.bind(|| insta::assert_snapshot!(name, shown));
    }

    /// The program with this as its policy or its settings: it must not serve.
    fn run(&self) -> (i32, String, String) {
        let path = fs::canonicalize(&self.path).unwrap();
        let path = path.to_str().unwrap();
        let usual =
            ["--listen", "127.0.0.1:0", "--admin", "off", "--upstream", "http://127.0.0.1:9"];
        match self.is_settings() {
            true => portcullis(&["run", "--config", path]),
            false => portcullis(&[["run", "--policy", path].as_slice(), &usual].concat()),
        }
    }
}

/// What programs get: the same code, place and underlined text, and what to do.
fn agree(sources: &Sources, report: &Report, shown: &str) {
    let text = json::render(report, sources, !report.has_errors());
    let output: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(output["ok"], !report.has_errors());
    let problems = output["problems"].as_array().unwrap();
    assert_eq!(problems.len(), report.problems().len());
    for (said, problem) in problems.iter().zip(report.problems()) {
        assert_eq!(said["code"], problem.code.as_str());
        assert_eq!(said["message"], problem.message.as_str());
        assert!(said["help"].as_str().is_some_and(|help| !help.is_empty()), "what to do: {said}");
        let Some(primary) = &problem.primary else {
            assert!(said["line"].is_null() && said["text"].is_null(), "{said}");
            continue;
        };
        let Place { file, line, column } = sources.place(primary.span);
        assert_eq!((&said["file"], &said["line"]), (&Value::from(&*file), &Value::from(line)));
        assert_eq!(said["column"], column);
        assert!(shown.contains(&format!("--> {file}:{line}:{column}\n")), "{said}");
        let underlined = sources.text(primary.span).lines().next().unwrap_or_default().trim_end();
        assert_eq!(said["text"], underlined, "{said}");
    }
}

/// SARIF 2.1.0: results of listed rules, and regions that cover the very text.
fn are_results(sources: &Sources, report: &Report) {
    let log: Value = serde_json::from_str(&sarif::render(report, sources)).unwrap();
    assert_eq!((&log["version"], log["runs"].as_array().map(Vec::len)), (&"2.1.0".into(), Some(1)));
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "portcullis");
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), report.problems().len());
    for (result, problem) in results.iter().zip(report.problems()) {
        assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]), "{result}");
        assert!(matches!(result["level"].as_str(), Some("error" | "warning")), "{result}");
        let message = result["message"]["text"].as_str().unwrap();
        assert!(message.starts_with(&problem.message) && message.contains("\nhelp: "), "{result}");
        let labels = problem.primary.iter().chain(&problem.secondary);
        let located = |key: &str| result[key].as_array().cloned().unwrap_or_default();
        let locations = [located("locations"), located("relatedLocations")].concat();
        assert_eq!(locations.len(), labels.clone().count(), "{result}");
        for (location, label) in locations.iter().zip(labels) {
            let region = &location["physicalLocation"]["region"];
            let covered = text_of(region, &sources.file(label.span.file).text);
            assert_eq!(covered, sources.text(label.span), "{location}");
        }
    }
}

/// What a region covers: lines and columns from 1, columns in characters, the last one excluded.
fn text_of<'t>(region: &Value, text: &'t str) -> &'t str {
    let offset = |line: &str, column: &str| {
        let number = |key: &str| usize::try_from(region[key].as_u64().unwrap()).unwrap();
        let lines = text.split_inclusive('\n').take(number(line) - 1);
        let start: usize = lines.map(str::len).sum();
        let characters = text[start..].chars().take(number(column) - 1);
        start + characters.map(char::len_utf8).sum::<usize>()
    };
    &text[offset("startLine", "startColumn")..offset("endLine", "endColumn")]
}

/// Every case, in the order of codes and names.
fn cases() -> Vec<Case> {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let is_case = |path: &PathBuf| !path.to_str().unwrap().contains(".snap");
        let mut paths: Vec<PathBuf> = entries.filter(is_case).collect();
        paths.sort();
        paths
    };
    let mut cases = Vec::new();
    for folder in names(Path::new("tests/policy/bad")) {
        let code = folder.file_name().unwrap().to_str().unwrap().to_owned();
        cases.extend(names(&folder).into_iter().map(|path| Case { code: code.clone(), path }));
    }
    cases
}

/// The invariants that the manual says no file can break, and where they are kept.
fn rows_of_the_manual() -> Vec<(&'static str, &'static str)> {
    let manual = include_str!("../../docs/diagnostics.md");
    let head = "| invariant | kept by | why no file can break it |\n|---|---|---|\n";
    let table = manual.split(head).nth(1).expect("the table of invariants without a code");
    let cells = |row: &'static str| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let (name, by, why) = (cells.next()?, cells.next()?, cells.next()?);
        assert!(why.len() > 20 && cells.next().is_none(), "{row}");
        assert!(
            ["administration: later issue", "every decision", "every reload"].contains(&by),
            "{row}"
        );
        Some((name, by))
    };
    table.lines().take_while(|line| line.starts_with('|')).filter_map(cells).collect()
}

/// Runs the program at the root of the repository, with nothing of ours in the environment.
fn portcullis(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments).env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTCULLIS_") {
            command.env_remove(name);
        }
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().expect("an exit status"), text(stdout), text(stderr))
}

/// The invariants of the language, warnings with a name of their own included.
const INVARIANTS: &[&str] = &[
    "ID_UNIQUE",
    "REF_EXISTS",
    "ROLE_NAME_UNIQUE",
    "UNKNOWN_KEY",
    "GRANT_PATH",
    "GRANT_ACCESS",
    "GRANT_HOST",
    "ROUTE_TOTAL",
    "ROUTE_AMBIGUOUS",
    "IDENTITY_AMBIGUOUS",
    "MEMBERSHIP_CHANGED",
    "POLICY_EMPTY",
    "ROLE_SCOPE",
    "ORG_ISOLATION",
    "INCLUDES_ACYCLIC",
    "ROLE_CARDINALITY",
    "APP_ASSIGNED",
    "APP_AUTO_DERIVED",
    "APP_AUTO_UNREMOVABLE",
    "APP_INACTIVE_NOT_ENTERABLE",
    "DEFAULT_APP_SINGLE",
    "NO_ESCALATION",
    "ASSIGNER_ALLOWED",
    "GRANT_CEILING",
    "DEFAULT_GRANTS_KEPT",
    "BUILTIN_IMMUTABLE",
    "LAST_ADMIN",
    "PRIMARY_SINGLE",
    "PRIMARY_UNRESTRICTED",
    "ROLE_IN_USE",
    "RESTRICTION_REQUIRES",
    "RESTRICTION_CASCADE",
    "RESTRICTION_CONFIRM",
    "RESTRICTION_DEFAULT",
    "SCHEMA_VALID",
    "SCHEMA_TYPE",
    "SCHEMA_ADDITIONAL_EXPLICIT",
    "SCHEMA_IN_USE",
    "POLICY_IMMUTABLE",
    "FEATURE_ENABLED",
    "OWNER_UNCHECKABLE",
    "INVITE_EMAIL",
    "INVITE_SINGLE_USE",
    "INVITE_EXPIRES",
    "INVITE_RECHECK",
    "RELOAD_ATOMIC",
    "REVISION_MATCH",
    "PRESET_COPY",
    "CONDITION_MOOT",
    "SCHEMA_UNCOVERED",
    "OWNER_RACE",
    "QUERY_UNLISTED",
];
