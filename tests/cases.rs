//! The cases of the security contract, each held to the tests that prove it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[test]
fn every_security_case_names_tests_that_exist() {
    let cases = cases(&read("tests/cases.tsv"));
    let tests = tests_of_the_project();
    let lost: Vec<_> = cases
        .iter()
        .flat_map(|case| case.tests.iter().map(move |test| (&case.id, test)))
        .filter(|(_, test)| !tests.contains(*test))
        .collect();
    assert!(lost.is_empty(), "tests/cases.tsv names tests that are not there: {lost:?}");
    let ids: BTreeSet<_> = cases.iter().map(|case| &case.id).collect();
    assert_eq!(ids.len(), cases.len(), "a case is listed twice");
    report(&summarize(&cases));
}

/// The page says what the filter promises; each row of it is held by tests.
#[test]
fn every_promise_of_the_filter_names_tests_that_exist() {
    let (page, tests) = (read("docs/filter.md"), tests_of_the_project());
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| tests |"));
    let rows: Vec<&str> = rows.collect();
    assert!(rows.len() > 30, "{rows:#?}");
    for row in rows {
        let last = row.trim_end_matches(" |").rsplit("| ").next().expect("a cell");
        let named: Vec<&str> = last.split('`').filter(|name| !name.trim().is_empty()).collect();
        assert!(!named.is_empty(), "no test holds `{row}`");
        for name in named {
            assert!(tests.contains(name), "`{name}` is no test, in `{row}`");
        }
    }
}

#[expect(clippy::print_stdout, reason = "`.ci/run` shows what is covered and what is open")]
fn report(lines: &[String]) {
    lines.iter().for_each(|line| println!("{line}"));
}

#[test]
fn the_table_is_read_as_it_is_written() {
    let read = cases("# 1 Paths\np01/a\tx y\np01/b\t-\n");
    assert_eq!(read[0].tests, ["x", "y"]);
    assert!(read[1].tests.is_empty());
    assert_eq!(summarize(&read), ["group 01: 1/2, open: p01/b", "security cases covered: 1/2"]);
}

struct Case {
    id: String,
    tests: Vec<String>,
}

fn cases(table: &str) -> Vec<Case> {
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (id, tests) = line.split_once('\t').expect("an id, a tab, names of tests");
            let names = tests.split_whitespace().filter(|name| *name != "-");
            let tests: Vec<String> = names.map(str::to_owned).collect();
            assert!(!tests.is_empty() || tests_are_open(line), "{line}: a test, or `-`");
            Case { id: id.to_owned(), tests }
        })
        .collect()
}

fn tests_are_open(line: &str) -> bool {
    line.ends_with("\t-")
}

fn summarize(cases: &[Case]) -> Vec<String> {
    let mut groups: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        groups.entry(&case.id[1..3]).or_default().push(case);
    }
    let mut lines: Vec<String> = groups.iter().map(|(group, cases)| line(group, cases)).collect();
    let covered = cases.iter().filter(|case| !case.tests.is_empty()).count();
    lines.push(format!("security cases covered: {covered}/{}", cases.len()));
    lines
}

fn line(group: &str, cases: &[&Case]) -> String {
    let open: Vec<&str> =
        cases.iter().filter(|case| case.tests.is_empty()).map(|case| &*case.id).collect();
    let covered = format!("group {group}: {}/{}", cases.len() - open.len(), cases.len());
    match open.is_empty() {
        true => covered,
        false => format!("{covered}, open: {}", open.join(", ")),
    }
}

/// Names of all functions that stand below `#[test]`, in the sources and in the tests; those that
/// `proptest!` makes have the same line above them.
fn tests_of_the_project() -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        collect(&root().join(folder), &mut files);
    }
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source can be read");
        let mut marked = false;
        for line in text.lines().map(str::trim) {
            match line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
                Some((name, _)) if marked => {
                    names.insert(name.to_owned());
                    marked = false;
                }
                _ => marked = line == "#[test]" || (marked && line.starts_with(['#', '/'])),
            }
        }
    }
    names
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the project").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|kind| kind == "rs") => files.push(path),
            false => {}
        }
    }
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).expect("a file of the project")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
