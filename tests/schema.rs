//! The language's JSON Schema: it is what the command prints, it accepts what the language accepts,
//! and it refuses what can be said of structure.

use jsonschema::Validator;
use portcullis::diag::{Code, Report};
use portcullis::policy::bind::language::json_schema;
use portcullis::policy::front;
use portcullis::policy::node::{Node, NodeKind};
use portcullis::policy::yaml;
use portcullis::source::{FileId, Sources};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn validator() -> Validator {
    jsonschema::validator_for(&json_schema()).expect("it is JSON Schema")
}

/// A policy's text as JSON, read as the program reads it.
pub fn value(text: &str) -> Value {
    let mut report = Report::default();
    let node = yaml::parse(FileId(0), text, &mut report);
    json(&node.unwrap_or_else(|| panic!("{:?}", report.problems())))
}

fn json(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Null => Value::Null,
        NodeKind::Bool(value) => (*value).into(),
        NodeKind::Int(value) => (*value).into(),
        NodeKind::Float(value) => (*value).into(),
        NodeKind::Text(value) => (&**value).into(),
        NodeKind::List(nodes) => nodes.iter().map(json).collect(),
        NodeKind::Map(entries) => {
            entries.iter().map(|(name, node)| (name.value.to_string(), json(node))).collect()
        }
    }
}

/// The codes of what reading a policy says of its structure.
fn read(text: &str) -> Vec<Code> {
    let mut sources = Sources::default();
    sources.add("policy.yaml", text);
    let (_, report) = front::read(&sources);
    report.problems().iter().map(|problem| problem.code).collect()
}

#[test]
fn the_published_file_is_what_the_command_prints() {
    let printed = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("schema").output().unwrap();
    assert!(printed.status.success() && printed.stderr.is_empty());
    let published = fs::read_to_string(root("config/policy.schema.json")).unwrap();
    let same = String::from_utf8(printed.stdout).unwrap() == published;
    assert!(same, "run `portcullis schema > config/policy.schema.json`");
    let schema = serde_json::from_str(&published).unwrap();
    assert!(jsonschema::meta::is_valid(&schema), "JSON Schema 2020-12");
}

#[test]
fn every_policy_that_is_shown_is_accepted() {
    let mut texts = vec![fs::read_to_string(root("src/demo/policy.yaml")).unwrap()];
    for files in crate::support::policy::examples() {
        texts.extend(files.iter().map(|file| fs::read_to_string(file).unwrap()));
    }
    for page in ["README.md", "docs/policy-reference.md"] {
        let page = fs::read_to_string(root(page)).unwrap();
        let blocks = page.split("\n```yaml\n").skip(1);
        texts.extend(blocks.map(|rest| rest[..rest.find("\n```").unwrap()].to_owned()));
    }
    assert!(texts.len() >= 5, "{}", texts.len());
    let validator = validator();
    for text in texts {
        let faults: Vec<_> = validator
            .iter_errors(&value(&text))
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{text}\n{faults:?}");
    }
}

/// What the program refuses for its structure, and the schema with it.
#[test]
fn what_does_not_fit_is_refused_by_both() {
    let validator = validator();
    let role = |fields: &str| format!("policy: 1\nroles: [{{id: r, {fields}}}]\n");
    let schema = |body: &str| format!("policy: 1\nschemas: [{{id: s, type: t, body: {body}}}]\n");
    let jwt = |keys: &str| {
        format!(
            "policy: 1\nidentity: {{jwt: [{{issuer: i, audience: [a], algorithms: [ES256]{keys}}}]}}\n"
        )
    };
    for text in [
        "roles: []\n".to_owned(),
        "policy: 2\n".into(),
        "policy: 1\nrolls: []\n".into(),
        "policy: 1\nroles: {}\n".into(),
        "policy: 1\nroles: [{grants: []}]\n".into(),
        "policy: 1\nmembership: all\n".into(),
        "policy: 1\nmode: watch\n".into(),
        "policy: 1\nfeatures: {schema: false}\n".into(),
        "policy: 1\npresets: [{id: p}]\n".into(),
        "policy: 1\ninvitations: [{id: i, email: a@b, token_hash: x}]\n".into(),
        "policy: 1\nlimits: {org_roles_per_member: 0}\n".into(),
        "policy: 1\nmembers: [{user: a, apps: {x: r}}]\n".into(),
        "policy: 1\nroutes: [{match: /a, org: [x]}]\n".into(),
        "policy: 1\nroutes: [{match: /a, when: {client.ip: {}}}]\n".into(),
        role("grants: [{path: /a}]"),
        role("grants: [{path: /a, access: r, host: [x]}]"),
        role("grants: [{path: /a, access: r, query: x}]"),
        role("grants: [{path: /a, access: r, keep: {field: /a}}]"),
        role("grants: [{path: /a, access: r, owner: {of: /a}}]"),
        role("grants: [{path: /a, access: r, require: {field: /a, in: []}}]"),
        role("scope: team"),
        role("name: 3"),
        role("default: maybe"),
        role("reach: everywhere"),
        role("from_token: often"),
        "policy: 1\norganizations: [{id: a, operator: vendor}]\n".into(),
        "policy: 1\nrestrictions: [{id: a}]\n".into(),
        "policy: 1\nrestrictions: [{id: a, deny: [{path: /a, access: r, owner: x}]}]\n".into(),
        "policy: 1\nmembers: [{user: a, groups: [{expires: 2027-01-01T00:00:00Z}]}]\n".into(),
        "policy: 1\nrole_defaults: {every: []}\n".into(),
        jwt(""),
        jwt(", jwks: {file: a}, secrets: [{file: b}]"),
        jwt(", jwks: {url: 'https://x', file: a}"),
        jwt(", jwks: {refresh: 1m}"),
        jwt(", jwks: {url: 'https://x', refresh: 1}"),
        jwt(", jwks: {file: a}, pem: {file: b}"),
        jwt(", pem: {url: 'https://x'}"),
        jwt(", jwks: {file: a}, leeway: 301"),
        jwt(", secrets: [{file: a, env: B}]"),
        "policy: 1\nidentity: {api_keys: {keys: [{user: a, sha256: 00}]}}\n".into(),
        "policy: 1\nidentity: {api_keys: {in: [], keys: []}}\n".into(),
    ] {
        assert_ne!(read(&text), [], "the program reads {text}");
        assert!(!validator.is_valid(&value(&text)), "the schema accepts {text}");
    }
    // These are judged after reading: patterns, letters, schemas.
    for text in [
        role("grants: [{path: a, access: r}]"),
        role("grants: [{path: /a//b, access: r}]"),
        role("grants: [{path: '/a/*', access: r}]"),
        role("grants: [{path: '/**/a', access: r}]"),
        role("grants: [{path: '/{a}b', access: r}]"),
        role("grants: [{path: /a, access: rr}]"),
        role("grants: [{path: /a, access: x}]"),
        role("grants: [{path: /a, access: r, when: {body.x: y}}]"),
        role("grants: [{path: /a, access: r, owner: {field: x}}]"),
        role("grants: [{path: /a, access: ''}]"),
        schema("{type: object}"),
        schema("{type: [string, object]}"),
        schema("{properties: {a: false}}"),
        schema("{properties: {a: {type: object}}, additionalProperties: true}"),
        schema("{type: strin}"),
        schema("{maximum: x}"),
        schema("yes"),
        "policy: 1\nroutes: [{match: /a, verbs: {FETCH: r}}]\n".into(),
    ] {
        assert!(!validator.is_valid(&value(&text)), "the schema accepts {text}");
    }
}

#[test]
fn values_that_are_harmless_are_accepted_by_both() {
    let validator = validator();
    for text in [
        "policy: 1\nmode: enforce\nusers: []\nfeatures: {}\nrestrictions: []\n",
        "policy: 1\nmembership: both\nroles: [{id: r, includes: [], reach: own, from_token: false}, {id: s, reach: all-orgs, from_token: true}]\n",
        "policy: 1\norganizations: [{id: a, operator: true, apps: [x, {id: y, auto_assign: false}]}]\n",
        "policy: 1\nfeatures: {schemas: false}\npresets: [{id: p, builtin: true, roles: [{id: r, grants: []}]}]\n",
        "policy: 1\ninvitations: [{id: i, org: o, email: a@b, roles: [r], apps: [x], status: pending, expires: '2027-01-01T00:00:00Z', invited_by: u}]\n",
        "policy: 1\ngroups: []\norganizations: [{id: a, apps: [{id: x, auto_assign: true}]}]\n",
        "policy: 1\nroles: [{id: r, includes: [x], app_access: all}]\nrole_defaults: {any: [{path: /a, access: r}], ceiling: r}\n",
        "policy: 1\nrestrictions: [{id: a, deny: [{path: /a, access: r, when: []}], requires: [b], confirm: true}]\n",
        "policy: 1\nmembers: [{user: a, primary: true, groups: [g, {id: h, expires: '2027-01-01T00:00:00Z'}]}]\n",
        "policy: 1\nschemas: [{id: s, type: t, redact: remove, body: {type: [object, null], additionalProperties: true}}]\n",
        "policy: 1\nroles: [{id: r, grants: [{path: /, access: dcru}, {path: '/**', access: r}, {path: '/a/', access: u}]}]\n",
    ] {
        assert_eq!(read(text), [], "{text}");
        assert!(validator.is_valid(&value(text)), "{text}");
    }
}

/// The words of the schema are those that reading accepts: reading names them itself.
#[test]
fn words_are_those_that_are_read() {
    let schema = json_schema();
    let words_of = |definition: &str, key: &str| {
        let words = &schema["$defs"][definition]["properties"][key]["enum"];
        let mut words: Vec<String> = serde_json::from_value(words.clone()).expect(key);
        words.sort();
        words
    };
    let places = [
        ("policy", "membership", "policy: 1\nmembership: WORD\n"),
        ("route", "update", "policy: 1\nroutes: [{match: /a, update: WORD}]\n"),
        ("route", "request", "policy: 1\nroutes: [{match: /a, request: WORD}]\n"),
        ("route", "response", "policy: 1\nroutes: [{match: /a, response: WORD}]\n"),
        ("route", "params", "policy: 1\nroutes: [{match: /a, params: WORD}]\n"),
        ("route", "credential", "policy: 1\nroutes: [{match: /a, credential: WORD}]\n"),
        ("role", "scope", "policy: 1\nroles: [{id: r, scope: WORD}]\n"),
        ("role", "app_access", "policy: 1\nroles: [{id: r, app_access: WORD}]\n"),
        ("role", "reach", "policy: 1\nroles: [{id: r, reach: WORD}]\n"),
        ("invitation", "status", "policy: 1\ninvitations: [{id: i, email: a@b, status: WORD}]\n"),
        ("user", "status", "policy: 1\nusers: [{id: u, status: WORD}]\n"),
        ("organization", "status", "policy: 1\norganizations: [{id: o, status: WORD}]\n"),
        ("member", "status", "policy: 1\nmembers: [{user: u, status: WORD}]\n"),
        (
            "resource_type",
            "elsewhere",
            "policy: 1\nresource_types: [{id: t, at: [], elsewhere: WORD}]\n",
        ),
    ];
    for (definition, key, text) in places {
        let mut sources = Sources::default();
        sources.add("policy.yaml", text.replace("WORD", "zzzzzzzz"));
        let (_, report) = front::read(&sources);
        let help = report.problems()[0].help.clone().unwrap();
        let named = help.split('`').skip(1).step_by(2).map(str::to_owned);
        let mut read: Vec<_> =
            named.filter(|word| read(&text.replace("WORD", word)).is_empty()).collect();
        read.sort();
        assert!(!read.is_empty(), "{key}: {help}");
        assert_eq!(words_of(definition, key), read, "{definition}.{key}");
    }
}
