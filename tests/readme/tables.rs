//! Tables of the documentation against what the code says.

use super::page::{Page, root};
use super::session::Guarded;
use crate::support::client;
use clap::CommandFactory;
use portcullis::cli::Cli;
use portcullis::decide::Reason;
use portcullis::settings::{self, Override};
use std::collections::BTreeSet;
use std::fs;

#[test]
fn every_setting_stands_in_the_table_with_its_variable() {
    let rows = operations().rows("Settings");
    let find = |key: &str| rows.iter().find(|row| row[0] == format!("`{key}`"));
    for key in settings::keys().filter(|key| !key.starts_with("limits.")) {
        let row = find(&key).unwrap_or_else(|| panic!("`{key}` is in no row"));
        assert!(row[2].starts_with(&format!("`{}`", settings::variable(&key))), "{row:?}");
    }
    let flags: Vec<_> =
        rows.iter().filter(|row| row[1].starts_with("`--")).map(|row| row[0].as_str()).collect();
    assert_eq!(flags, ["`listen`", "`admin`", "`upstream`", "`policy`"]);
    assert_eq!(find("limits.…").map(Vec::len), Some(5));
}

#[test]
fn the_defaults_of_settings_are_those_of_the_table() {
    let rows = operations().rows("Settings");
    let defaults = rows[1..].iter().filter(|row| !row[0].starts_with("`limits"));
    let overrides: Vec<_> = defaults.map(|row| over(&code(&row[0]), &code(&row[3]))).collect();
    assert_eq!(read(&overrides), read(&[]));
}

#[test]
fn the_defaults_of_limits_are_those_of_the_table() {
    let rows = operations().rows("Limits");
    let typed = rows.iter().filter(|row| row[0].starts_with("`limits."));
    let overrides: Vec<_> = typed.map(|row| over(&code(&row[0]), &row[1])).collect();
    assert_eq!(read(&overrides), read(&[]));
    let listed: BTreeSet<_> = overrides.iter().map(|over| over.key.clone()).collect();
    let enforced: BTreeSet<_> = settings::keys()
        .filter(|key| key.starts_with("limits.") && !is_refused(key, "1"))
        .collect();
    assert_eq!(listed, enforced);
}

#[test]
fn the_ranges_of_limits_are_those_of_the_table() {
    for row in operations().rows("Limits").iter().filter(|row| row[0].starts_with("`limits.")) {
        let key = code(&row[0]);
        for (value, good) in [(&row[2], true), (&row[3], true), (&beyond(&row[3]), false)] {
            // The target is a part of the head: with room for the largest one, it can be tried.
            let room = over("limits.max_header_bytes", "1MiB");
            let small = over("limits.max_target", "256");
            let (_, settings) = settings::read(None, &[room, small, over(&key, value)], 1);
            assert_eq!(settings.is_ok(), good, "{key}: {value}");
        }
    }
}

#[test]
fn what_is_refused_by_name_is_named() {
    let text = operations().text().to_owned();
    for key in settings::keys().filter(|key| is_refused(key, "1")) {
        let name = key.trim_start_matches("limits.");
        assert!(text.contains(&format!("`{name}")), "`{name}` is not named as refused");
    }
    assert!(is_refused("log.audit", "stderr") && !is_refused("limits.idle", "1s"));
}

#[test]
fn fixed_limits_are_those_of_the_source() {
    let rows = operations().rows("Fixed limits");
    assert!(rows.len() > 20);
    for row in &rows[1..] {
        let (name, file) = (code(&row[0]), code(&row[1]));
        let source = fs::read_to_string(root().join(&file)).expect(&file);
        let line = source.lines().find(|line| line.contains(&format!("const {name}: ")));
        let line = line.unwrap_or_else(|| panic!("{file} has no constant `{name}`"));
        let value = line.split_once(" = ").map(|(_, value)| value.trim_end_matches(';'));
        assert_eq!(value, Some(row[2].as_str()), "{name} in {file}");
    }
}

#[test]
fn metrics_and_log_lines_are_those_of_the_tables() {
    let policy = "policy: 1\nroutes: [{match: \"/**\", public: r}]\n";
    let guarded = Guarded::launch(policy);
    let proxy = guarded.proxy();
    assert_eq!(client::call(proxy.address, "GET", "/customers/1", &[]).status, 200);
    let line = proxy.wait_for_line("\"request_id\"");
    let line: serde_json::Map<_, _> = serde_json::from_str(&line).unwrap();
    let keys = operations().rows("Logs")[1..].iter().flat_map(|row| codes(&row[0])).collect();
    assert_eq!(line.keys().cloned().collect::<BTreeSet<_>>(), keys);
    let metrics = proxy.admin("/metrics").text().to_owned();
    let described = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let described: Vec<_> = described.map(|line| line.replace(' ', " | ")).collect();
    let rows = operations().rows("Metrics");
    let listed: Vec<_> =
        rows[1..].iter().map(|row| format!("{} | {}", code(&row[0]), row[1])).collect();
    assert_eq!(described, listed);
    assert!(metrics.contains("_bucket{le=\"+Inf\"}"), "a histogram ends at infinity");
    let policy = proxy.policy();
    let shown = operations().blocks_of("json").next().unwrap().text;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let keys = |value: &serde_json::Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(keys(&policy), keys(&shown));
}

#[test]
fn every_reason_stands_in_the_reference() {
    let rows = Page::read("docs/policy-reference.md").rows("Reasons");
    let listed: Vec<_> = rows[1..].iter().map(|row| (code(&row[0]), row[1].clone())).collect();
    let status = |reason: &Reason| match reason.status() {
        200 => "the upstream's".to_owned(),
        status => status.to_string(),
    };
    let known: Vec<_> =
        Reason::ALL.iter().map(|reason| (reason.as_str().to_owned(), status(reason))).collect();
    assert_eq!(listed, known, "in the order of the code");
}

#[test]
fn every_folder_stands_on_the_map() {
    let rows = Page::read("docs/architecture.md").rows("The folders");
    let listed: BTreeSet<_> = rows[1..]
        .iter()
        .map(|row| code(&row[0]).trim_end_matches(".rs").trim_end_matches('/').to_owned())
        .collect();
    let source = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let (map, modules) = source.split_once("\npub mod ").unwrap();
    let modules: BTreeSet<_> = modules
        .split("pub mod ")
        .map(|module| module.split(';').next().unwrap().to_owned())
        .collect();
    assert_eq!(listed, modules);
    for module in modules {
        assert!(map.contains(&format!("[`{module}`]")), "`{module}` is not in the crate's map");
    }
}

#[test]
fn every_flag_stands_in_the_manual() {
    let manual = Page::read("docs/cli.md");
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(manual.text().contains(&format!("\n## {name}\n")), "`{name}` has no section");
        let section = manual.section(name);
        for flag in command.get_arguments().filter_map(|argument| argument.get_long()) {
            assert!(section.contains(&format!("`--{flag}")), "`{name} --{flag}` is not described");
        }
    }
}

/// The shapes of the reader are the list of keys: each must be named, those that are refused in
/// the section that says so, and nothing else there.
#[test]
fn every_key_of_the_language_stands_in_the_reference() {
    let page = Page::read("docs/policy-reference.md");
    let rows = page.rows("What is refused by name");
    let refused: BTreeSet<String> = rows[1..].iter().flat_map(|row| codes(&row[1])).collect();
    let described: BTreeSet<String> = page
        .prose()
        .lines()
        .flat_map(codes)
        .flat_map(|code| {
            let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let shapes = shapes();
    for shape in &shapes {
        for key in &shape.keys {
            assert!(described.contains(key), "`{key}` is not described");
        }
        for key in &shape.unenforced {
            assert!(refused.contains(key), "`{key}` of {} is not named as refused", shape.what);
        }
    }
    for row in &rows[1..] {
        for name in row[0].split(", ") {
            let name = name.trim_start_matches("a ").trim_start_matches("an ");
            let Some(shape) = shapes.iter().find(|shape| shape.what == name) else { continue };
            let enforced = of_the_shape(&row[1]).find(|key| shape.keys.contains(key));
            assert_eq!(enforced, None, "of {name} is enforced, and named as refused");
        }
    }
    let named = |name: &str| shapes.iter().any(|shape| shape.what == name);
    assert!(named("denial") && named("route") && named("resource type"), "the names of shapes");
}

/// A shape of the reader, as its source says it.
struct Shape {
    what: String,
    keys: Vec<String>,
    /// Without the words that are harmless.
    unenforced: Vec<String>,
}

fn shapes() -> Vec<Shape> {
    let files = fs::read_dir(root().join("src/policy/bind")).unwrap();
    let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let sources: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let of_source = |source: &String| -> Vec<Shape> {
        source.split("Shape {").skip(1).filter_map(shape).collect()
    };
    let shapes: Vec<Shape> = sources.iter().flat_map(of_source).collect();
    let seen: usize = shapes.iter().map(|shape| shape.unenforced.len()).sum();
    assert!(shapes.len() > 20 && seen > 3, "{seen} refused keys of {} shapes", shapes.len());
    shapes
}

fn shape(source: &str) -> Option<Shape> {
    let source = source.split("};").next()?;
    let (head, unenforced) = source.split_once("unenforced:")?;
    let (what, keys) = head.split_once("keys:")?;
    let is_key = |key: &&str| key.chars().all(|c| c.is_lowercase() || c == '_');
    let harmless = |key: &&str| unenforced.contains(&format!("Word(\"{key}\")"));
    let unenforced = literals(unenforced).filter(is_key).filter(|key| !harmless(key));
    Some(Shape {
        what: literals(what).next()?.to_owned(),
        keys: literals(keys).map(str::to_owned).collect(),
        unenforced: unenforced.map(str::to_owned).collect(),
    })
}

/// The keys that a cell names of its row's shape itself: not values, nor keys of other shapes.
fn of_the_shape(cell: &str) -> impl Iterator<Item = String> {
    let pieces = cell.split(';').filter(|piece| !piece.contains(':') && !piece.contains(" of "));
    pieces.flat_map(codes).collect::<Vec<_>>().into_iter()
}

fn operations() -> Page {
    Page::read("docs/operations.md")
}

fn over(key: &str, value: &str) -> Override {
    Override { origin: settings::variable(key), key: key.into(), value: value.into() }
}

fn read(overrides: &[Override]) -> String {
    let mut settings = settings::read(None, overrides, 1).1.unwrap();
    settings.origins = settings::Origins::default();
    format!("{settings:?}")
}

/// Whether a key is known and not enforced.
fn is_refused(key: &str, value: &str) -> bool {
    let (_, settings) = settings::read(None, &[over(key, value)], 1);
    let code = portcullis::diag::Code::NotEnforced;
    settings.is_err_and(|report| report.problems().iter().any(|problem| problem.code == code))
}

/// A value that is larger than the largest one.
fn beyond(value: &str) -> String {
    let digits = value.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    format!("{}{unit}", number.parse::<u64>().unwrap() + 1)
}

fn code(cell: &str) -> String {
    codes(cell).into_iter().next().unwrap_or_default()
}

/// What stands in backticks.
fn codes(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The string literals of a piece of source.
fn literals(source: &str) -> impl Iterator<Item = &str> {
    let code = source.lines().map(|line| line.split("//").next().unwrap());
    code.flat_map(|line| line.split('"').skip(1).step_by(2))
}
