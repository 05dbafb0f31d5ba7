//! What the manifests say: every direct dependency has its line of defence, every fuzz target its
//! entry and its line of promise.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_dependency_has_its_line_in_the_record() {
    let manifest = read("Cargo.toml");
    let record = read("docs/decisions/0004-dependencies.md");
    let (used, defended) = (dependencies(&manifest), lines(&record));
    let missing: Vec<_> = used.difference(&defended).collect();
    assert!(missing.is_empty(), "no line in 0004-dependencies.md for {missing:?}");
    let stale: Vec<_> = defended.difference(&used).collect();
    assert!(stale.is_empty(), "0004-dependencies.md defends what is not used: {stale:?}");
}

/// The fuzz targets are a workspace of their own, which no other test builds.
#[test]
fn every_fuzz_target_is_declared_and_described() {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml"))
        .output()
        .expect("cargo runs the tests, so it is there");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).expect("JSON");
    let declared: BTreeSet<String> = metadata["packages"][0]["targets"]
        .as_array()
        .expect("targets")
        .iter()
        .map(|target| target["name"].as_str().expect("a name").to_owned())
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let written: BTreeSet<String> = fs::read_dir(folder)
        .expect("the folder of targets")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(declared, written);
    assert_eq!(lines(&read("fuzz/README.md")), written, "the table of fuzz/README.md");
}

#[test]
fn both_files_are_read_as_they_are_written() {
    let manifest = "[package]\nname = \"x\"\n\n[dependencies]\na = \"1\"\n# b = \"1\"\n\
                    c-d = { version = \"1\", features = [\n  \"x\",\n] }\n\n[dev-dependencies]\ne.workspace = true\n\n\
                    [dependencies.f]\nversion = \"1\"\n\n[target.'cfg(unix)'.dependencies]\n\
                    g = \"1\"\n\n[profile.dev]\ndebug = 1\n";
    assert_eq!(dependencies(manifest), set(&["a", "c-d", "e", "f", "g"]));
    let record = "| crate | why |\n|---|---|\n| `a` | is good |\n| `b` | |\ntext `c`\n";
    assert_eq!(lines(record), set(&["a"]), "an empty defence is none");
}

/// Names in `[dependencies]`, `[dev-dependencies]`, `[build-dependencies]`, for all targets.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut listing = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            listing = header.ends_with("dependencies");
            if let Some((_, name)) = header.split_once("dependencies.") {
                names.insert(name.to_owned());
            }
        } else if listing && line.starts_with(|sign: char| sign.is_ascii_alphanumeric()) {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            names.insert(name.to_owned());
        }
    }
    names
}

/// Names in the first column whose second column says something.
fn lines(record: &str) -> BTreeSet<String> {
    record
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter(|(_, defence)| defence.trim_end_matches('|').trim().len() > 3)
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
