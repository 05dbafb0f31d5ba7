//! The official test suite of JSON Schema against the check of written bodies. It is not part of this
//! repository: <https://github.com/json-schema-org/JSON-Schema-Test-Suite>.

use super::patched::node;
use portcullis::diag::{Code, Report};
use portcullis::filter::Limits;
use portcullis::filter::values::{RoleRules, Values};
use portcullis::filter::write::{Patch, check};
use portcullis::policy::schema::{Options, SchemaMasks, compile};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Names the folder `tests/draft2020-12` of the suite.
const FOLDER: &str = "JSON_SCHEMA_SUITE";

#[derive(Default)]
struct Tally {
    /// The same verdict.
    same: usize,
    /// Refused here, valid there: a value of a type of which its schema says nothing.
    stricter: usize,
    /// In schemas that do not load.
    refused: usize,
}

#[test]
#[expect(clippy::print_stdout, reason = "the tally is what the run is for")]
#[ignore = "needs the suite: JSON_SCHEMA_SUITE=…/tests/draft2020-12"]
fn what_the_official_suite_calls_invalid_is_refused() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        println!("skipped: {FOLDER} does not name the suite's folder");
        return;
    };
    let mut all: BTreeMap<String, Tally> = BTreeMap::new();
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    for path in &files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        file(path, all.entry(name).or_default());
    }
    let sum = |of: fn(&Tally) -> usize| all.values().map(of).sum::<usize>();
    for (name, tally) in &all {
        println!("{name:24} {:5} {:5} {:5}", tally.same, tally.stricter, tally.refused);
    }
    let (same, stricter, refused) = (sum(|t| t.same), sum(|t| t.stricter), sum(|t| t.refused));
    println!("the same {same}, stricter {stricter}, in schemas that are refused by name {refused}");
    assert!(same > 500, "the folder has the suite");
}

fn file(path: &Path, tally: &mut Tally) {
    let groups: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for group in groups.as_array().unwrap() {
        let tests = group["tests"].as_array().unwrap();
        let Some(masks) = loaded(&group["schema"]) else {
            tally.refused += tests.len();
            continue;
        };
        for test in tests {
            let (passes, valid) = (passes(&masks, &test["data"]), test["valid"] == json!(true));
            match (passes, valid) {
                (true, false) => panic!("{}: {} {}", path.display(), group["description"], test),
                (false, true) => tally.stricter += 1,
                _ => tally.same += 1,
            }
        }
    }
}

/// The schema as a policy takes it. What JSON Schema takes for granted is written out: without
/// `additionalProperties`, all others are allowed.
fn loaded(schema: &Value) -> Option<SchemaMasks> {
    let mut report = Report::default();
    let found = compile(&node(&explicit(schema)), Options::default(), &mut report);
    let problems = report.problems();
    assert!(
        problems.iter().all(|problem| problem.code != Code::SchemaAdditionalExplicit),
        "{schema}: {problems:?}"
    );
    found
}

fn explicit(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else { return schema.clone() };
    let mut all: serde_json::Map<String, Value> = keywords
        .iter()
        .map(|(keyword, inside)| {
            let inside = match (keyword.as_str(), inside) {
                (
                    "properties" | "patternProperties" | "$defs" | "dependentSchemas",
                    Value::Object(of),
                ) => of.iter().map(|(name, schema)| (name.clone(), explicit(schema))).collect(),
                ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(of)) => {
                    of.iter().map(explicit).collect()
                }
                (
                    "additionalProperties"
                    | "items"
                    | "not"
                    | "if"
                    | "then"
                    | "else"
                    | "contains"
                    | "propertyNames",
                    schema,
                ) => explicit(schema),
                (_, other) => other.clone(),
            };
            (keyword.clone(), inside)
        })
        .collect();
    let speaks = |name: &str| all.contains_key(name);
    let names_object = match &all.get("type") {
        Some(Value::String(name)) => name == "object",
        Some(Value::Array(names)) => names.contains(&json!("object")),
        _ => false,
    };
    let of_objects = speaks("properties") || speaks("patternProperties") || speaks("required");
    if (of_objects || names_object) && !speaks("additionalProperties") {
        all.insert("additionalProperties".into(), json!(true));
    }
    Value::Object(all)
}

fn passes(masks: &SchemaMasks, data: &Value) -> bool {
    let (text, limits) = (data.to_string(), Limits::default());
    let role = RoleRules { mask: masks.write.clone(), rules: masks.rules.clone() };
    let mut values = Values::new();
    values.add("", None, vec![role]).unwrap();
    check(&masks.write, text.as_bytes(), &limits, Patch::No).is_ok()
        && values.judge(text.as_bytes(), &limits, Patch::No).is_ok_and(|found| found.is_empty())
}
