//! Bytes that no person typed, and limits: whatever a policy's files hold, each problem has a code
//! and a place, and neither the tree nor the report grows beyond what is named.

use portcullis::control::files;
use portcullis::control::load;
use portcullis::diag::{Code, MAX_PROBLEMS, MAX_TEXT, Report, human, json, sarif};
use portcullis::policy::node::{Node, NodeKind};
use portcullis::policy::resolve::Surroundings;
use portcullis::policy::yaml;
use portcullis::source::{FileId, Sources};
use std::fs;

/// What one problem may add to a report: its texts, and the lines around its places.
const MAX_SHOWN: usize = 8 * MAX_TEXT;

/// Loads a file of these bytes. Every renderer takes what is said of it, within bounds.
fn judged(bytes: impl AsRef<[u8]>) -> (Sources, Report) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    fs::write(&path, bytes).unwrap();
    let (sources, report) = match load::load(&path, &Surroundings::default(), 1) {
        Ok(loaded) => (loaded.sources, loaded.report),
        Err(failed) => {
            assert!(failed.report.has_errors());
            (failed.sources, failed.report)
        }
    };
    assert!(report.problems().len() <= MAX_PROBLEMS);
    let most = MAX_SHOWN * (report.problems().len() + 1);
    for text in [
        human::render(&report, &sources, false),
        json::render(&report, &sources, false),
        sarif::render(&report, &sources),
    ] {
        assert!(
            text.len() <= most,
            "{} bytes for {} problems",
            text.len(),
            report.problems().len()
        );
    }
    (sources, report)
}

/// The codes of the errors, and the place of each: line and column.
fn errors(bytes: impl AsRef<[u8]>) -> Vec<(Code, u32, u32)> {
    let (sources, report) = judged(bytes);
    let errors = report.problems().iter().filter_map(|problem| {
        let place = sources.place(problem.primary.as_ref()?.span);
        Some((problem.code, place.line, place.column))
    });
    errors.collect()
}

#[track_caller]
fn refused(text: &str, expected: &[(Code, u32, u32)]) {
    assert_eq!(errors(format!("policy: 1\n{text}")), expected, "{text:?}");
}

#[test]
fn p12_a_million_lines_of_mistakes_are_counted_and_the_first_are_shown() {
    let mut text = "policy: 1\nroles:\n".to_owned();
    (0..1_000_000).for_each(|_| text.push_str("- 1\n"));
    let (_, report) = judged(&text);
    assert_eq!(report.problems().len(), MAX_PROBLEMS);
    assert_eq!((report.errors(), report.warnings()), (1_000_000, 1));
}

#[test]
fn p12_mistakes_on_one_long_line_are_shown_with_a_part_of_it() {
    let roles = vec!["{\"i\": 1}"; 20_000].join(", ");
    let (_, report) = judged(format!("{{\"policy\": 1, \"roles\": [{roles}]}}"));
    assert_eq!(report.errors(), 40_000);
}

#[test]
fn p12_what_is_typed_is_repeated_in_part() {
    let long = "x".repeat(1_000_000);
    let (_, report) = judged(format!(
        "policy: 1\nlimits: {long}\nmembership: {long}\nroles: [{{id: a, scope: {long}}}]\n"
    ));
    assert_eq!(report.errors(), 3);
    assert!(report.problems().iter().all(|one| one.message.len() <= MAX_TEXT + "…".len()));
}

#[test]
fn p12_a_file_that_is_too_large_is_not_read() {
    let (_, report) = judged(vec![b' '; files::MAX_FILE_BYTES + 1]);
    let codes: Vec<_> = report.problems().iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [Code::TooLarge]);
    let (_, report) = judged(vec![b' '; files::MAX_FILE_BYTES]);
    assert!(report.problems().iter().all(|problem| problem.code != Code::TooLarge));
}

#[test]
fn p12_aliases_unfold_within_the_bytes_of_a_tree() {
    let bomb = |levels: usize| {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..=levels {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            text += &format!("a{level}: &a{level} [{aliases}]\n");
        }
        text
    };
    for levels in [4, 5, 6, 12] {
        let (_, report) = judged(format!("policy: 1\n{}", bomb(levels)));
        let too_large = report.problems().iter().any(|problem| problem.code == Code::TooLarge);
        let mut sources = Sources::default();
        let file = sources.add("p.yaml", bomb(levels));
        let tree = yaml::parse(file, &sources.file(file).text, &mut Report::default());
        assert_eq!(tree.is_none(), too_large, "{levels}");
        let bytes = tree.as_ref().map_or(0, weight);
        let most = yaml::MAX_ALIAS_BYTES + bomb(levels).len() * yaml::NODE_BYTES;
        assert!(bytes <= most, "{levels}: {bytes}");
        assert_eq!(too_large, levels > 4, "{levels}");
    }
}

/// What a tree takes, as its budget counts it.
fn weight(node: &Node) -> usize {
    yaml::NODE_BYTES
        + match &node.kind {
            NodeKind::Text(text) => text.len(),
            NodeKind::List(nodes) => nodes.iter().map(weight).sum(),
            NodeKind::Map(entries) => {
                entries.iter().map(|(key, node)| key.value.len() + weight(node)).sum()
            }
            _ => 0,
        }
}

#[test]
fn p12_nesting_ends_at_its_limit_in_either_style() {
    let flow = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut block = String::new();
    (0..1_000).for_each(|depth| block.push_str(&format!("{}a:\n", " ".repeat(depth))));
    for text in
        [flow(100_000), block, "[".repeat(1_000_000), "{a: ".repeat(100_000), "- ".repeat(100_000)]
    {
        let mut report = Report::default();
        assert_eq!(yaml::parse(FileId(0), &text, &mut report), None);
        let [problem] = report.problems() else { panic!("{report:?}") };
        assert!(matches!(problem.code, Code::TooLarge | Code::Syntax), "{problem:?}");
        judged(&text);
    }
}

#[test]
fn p12_bytes_that_are_no_text_have_a_code_and_a_place() {
    use Code::*;
    assert_eq!(errors(b"policy: 1\nname: \xff\n"), [(Syntax, 2, 7)]);
    assert_eq!(errors(b"\xc3"), [(Syntax, 1, 1), (WrongType, 1, 1)]);
    refused("name: \"a\0b\"\n", &[(Syntax, 2, 9)]);
    refused("\0", &[(Syntax, 2, 1)]);
    refused("name: \u{7}\n", &[(Syntax, 2, 7)]);
}

#[test]
fn line_ends_and_marks_of_other_editors_are_no_mistake() {
    assert_eq!(errors("\u{feff}policy: 1\r\nroles:\r\n- {id: a, grants: []}\r\n"), []);
    // A mark in the middle is part of a word, as two files joined by hand have it.
    assert_eq!(errors("policy: 1\n\u{feff}roles: []\n").len(), 1);
}

#[test]
fn yaml_has_more_than_the_language() {
    use Code::*;
    refused("roles:\n\t- {id: a}\n", &[(Syntax, 3, 2)]);
    refused("roles: []\nroles: []\n", &[(DuplicateKey, 3, 1)]);
    refused("roles: []\n\"r\\u006fles\": []\n", &[(DuplicateKey, 3, 1)]);
    refused("roles: [{<<: {id: a}, id: b, grants: []}]\n", &[(UnknownKey, 2, 10)]);
    refused("name: !!binary YQ==\n", &[(BadValue, 2, 16)]);
    refused("name: !!python/object:os.system a\n", &[(BadValue, 2, 33)]);
    refused("---\nname: b\n", &[(Syntax, 2, 1)]);
    refused("...\npolicy: 1\n", &[(Syntax, 3, 1)]);
    refused("name: &a [*a]\n", &[(Syntax, 2, 11)]);
    refused("? {a: b}\n: c\n", &[(WrongType, 2, 3)]);
}

#[test]
fn plain_words_are_what_the_core_schema_says() {
    use Code::*;
    let id = |word: &str| format!("roles: [{{id: {word}, grants: []}}]\n");
    for word in ["007", "1e3", "0x1f", "0o17", "-1", "1.5", "true", "False", "null", "~", "1."] {
        refused(&id(word), &[(WrongType, 2, 14)]);
    }
    for word in [".inf", ".nan", "1e999", "9223372036854775808", "0.1234567890123456789"] {
        refused(&id(word), &[(BadValue, 2, 14)]);
    }
    for word in ["yes", "no", "on", "2026-01-01", "12:30:45", "1_000", "0b1", "\"007\"", "'~'"] {
        refused(&id(word), &[]);
    }
}
