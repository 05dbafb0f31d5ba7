use super::*;
use crate::diag::{Code, Code::*, Diagnostic};
use crate::policy::raw::{Cardinality, Kind, RawKeys, RawMembership};

fn read_files(files: &[(&str, &str)]) -> (RawPolicy, Report, Sources) {
    let mut sources = Sources::default();
    for (name, text) in files {
        sources.add(*name, *text);
    }
    let (policy, report) = read(&sources);
    (policy, report, sources)
}

fn shown(problem: &Diagnostic, sources: &Sources) -> (Code, String) {
    let span = problem.primary.as_ref().expect("a place").span;
    (problem.code, sources.text(span).to_owned())
}

#[track_caller]
fn good(text: &str) -> RawPolicy {
    let (policy, report, _) = read_files(&[("p.yaml", text)]);
    assert_eq!(report, Report::default());
    policy
}

/// The problems of a text that begins with the version: each code and the text underlined.
#[track_caller]
fn bad(text: &str, expected: &[(Code, &str)]) -> RawPolicy {
    let (policy, report, sources) = read_files(&[("p.yaml", &format!("policy: 1\n{text}"))]);
    let found: Vec<_> = report.problems().iter().map(|problem| shown(problem, &sources)).collect();
    let expected: Vec<_> =
        expected.iter().map(|(code, text)| (*code, (*text).to_owned())).collect();
    assert_eq!(found, expected, "{text}");
    policy
}

#[test]
fn the_ten_line_policy_of_the_manual_is_read() {
    let policy = good(
        r#"policy: 1
identity: {jwt: [{issuer: https://id.example, audience: [api], algorithms: [ES256], jwks: {file: jwks.json}}]}
roles:
  - {id: support, grants: [{path: "/customers/**", access: ru}], schemas: [no-ssn]}
schemas:
  - {id: no-ssn, type: customer, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
resource_types:
  - {id: customer, at: [{path: "/customers", pointer: "/data/*"}, {path: "/customers/{id}", pointer: ""}]}
"#,
    );
    let jwt = &policy.identity.as_ref().unwrap().jwt[0];
    assert_eq!(jwt.issuer.value, "https://id.example");
    assert!(matches!(&jwt.keys, Some(RawKeys::JwksFile(file)) if file.value == "jwks.json"));
    assert_eq!(policy.roles[0].grants[0].access.value, "ru");
    assert_eq!(policy.schemas[0].kind.value, "customer");
    assert_eq!(policy.resource_types[0].at[1].pointer.value, "");
    assert!(policy.routes.is_none() && policy.members.is_none());
    assert!(policy.left_out.is_empty());
}

#[test]
fn every_part_that_is_enforced_is_read() {
    let policy = good(
        r#"policy: 1
name: all
mode: enforce
membership: directory
limits: {org_roles_per_member: 2, app_roles_per_access: many}
upstreams: [{id: u, url: "http://a", host: a.test}]
routes:
  - {match: "/**", upstream: u, org: claims.o, app: claims.a, verbs: {POST: r}, upsert: true,
     update: replace, public: r, request: opaque, response: json, params: keep, credential: pass}
organizations: [{id: o, name: O, operator: false, apps: [a, {id: b, auto_assign: false}], status: suspended}]
applications: [{id: a, active: false, default_role: r}, {id: b, default: false, auto_assign: false}]
members: [{user: m, org: o, roles: [r], apps: {a: [s], b: []}, groups: [], primary: false, status: active}]
roles:
  - {id: r, scope: app, default: true, includes: [], reach: own, app_access: assigned, builtin: true,
     visible_to: [s], assignable_by: [t], editable_by: [u], first_member: true, fallback: false}
schemas: [{id: s, type: t, redact: remove, body: {}}]
resource_types: [{id: t, at: [], elsewhere: pass, count: []}]
restrictions: []
identity:
  jwt: [{issuer: i, audience: [x], algorithms: [HS256], secrets: [{file: f}, {env: E}], leeway: 300,
         typ: at+jwt, prefix: "p:", claims: {user: sub, roles: [a, /b/c]}}]
  api_keys:
    in: bearer
    keys: [{user: k, sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef,
            roles: [], claims: {n: 1, t: x}, expires: 2027-01-01T00:00:00Z}]
  forwarded: {peers: [unix], user: X-User}
"#,
    );
    assert_eq!(policy.membership.unwrap().value, RawMembership::Directory);
    assert_eq!(policy.limits.org_roles_per_member.unwrap().value, Cardinality::AtMost(2));
    let route = &policy.routes.as_ref().unwrap()[0];
    assert!(route.params_keep && route.credential_pass && route.upsert.unwrap().value);
    assert_eq!(route.verbs[0].0.value, "POST");
    let organization = &policy.organizations.as_ref().unwrap()[0];
    assert!(organization.suspended);
    let apps: Vec<_> = organization.apps.iter().map(|app| app.id.value.as_str()).collect();
    assert_eq!(apps, ["a", "b"]);
    assert!(!policy.applications[0].active && policy.applications[1].active);
    assert_eq!(policy.members.as_ref().unwrap()[0].apps[1].1.len(), 0);
    assert_eq!(policy.roles[0].rights.names().count(), 3);
    let identity = policy.identity.as_ref().unwrap();
    assert_eq!(identity.jwt[0].claims.roles.len(), 2);
    let keys = identity.api_keys.as_ref().unwrap();
    assert!(keys.in_bearer && !keys.in_header);
    assert_eq!(keys.keys[0].expires.unwrap().value, 1_798_761_600);
    assert_eq!(keys.keys[0].claims[0].1.value, "1");
    assert_eq!(keys.keys[0].roles.as_ref().map(Vec::len), Some(0));
}

#[test]
fn all_problems_of_a_file_come_in_one_run() {
    bad(
        "roles:\n  - {id: a, grant: [], grants: [{path: /x}, 5]}\n  - name: x\n  - {id: 7}\n\
         members: {}\nzzz: 1\nname:\nidentity: 5\n",
        &[
            (UnknownKey, "grant"),
            (MissingKey, "path"),
            (WrongType, "5"),
            (MissingKey, "name"),
            (WrongType, "7"),
            (WrongType, "{}"),
            (UnknownKey, "zzz"),
            (WrongType, "name"),
            (WrongType, "5"),
        ],
    );
}

#[test]
fn what_is_broken_is_left_out_and_noted() {
    let policy = bad(
        "roles: [{id: a, scope: both}, 5]\nschemas: [{id: s, type: t}]\nroutes: 1\n",
        &[(BadValue, "both"), (WrongType, "5"), (MissingKey, "id"), (WrongType, "1")],
    );
    assert_eq!(policy.roles.len(), 1, "a role with a bad scope is still a role");
    assert!(policy.may_exist(Kind::Schema, "s"));
    assert!(!policy.may_exist(Kind::Schema, "other"));
    assert!(policy.may_exist(Kind::Role, "anything"), "one role's id is not known");
    assert!(policy.may_exist(Kind::Route, ""));
    assert!(!policy.may_exist(Kind::Upstream, "u"));
}

#[test]
fn values_are_held_against_the_words_of_the_language() {
    bad(
        "membership: tokn\nlimits: {org_roles_per_member: 0, app_roles_per_access: few}\n\
         routes: [{match: /a, update: patch, upsert: yes, params: drop}]\n\
         organizations: [{id: o, status: suspend}]\n",
        &[
            (BadValue, "tokn"),
            (BadValue, "0"),
            (BadValue, "few"),
            (BadValue, "patch"),
            (WrongType, "yes"),
            (BadValue, "drop"),
            (BadValue, "suspend"),
        ],
    );
}

#[test]
fn p07_authenticators_are_complete_or_refused() {
    let policy = bad(
        "identity:\n  jwt:\n    - {issuer: i, leeway: 301}\n    - {issuer: i, audience: a, algorithms: [x], \
         jwks: {file: f}, secrets: []}\n    - {issuer: i, audience: [a], algorithms: [x], secrets: [{}]}\n  \
         forwarded: {user: u}\n",
        &[
            (MissingKey, "issuer"),
            (MissingKey, "issuer"),
            (MissingKey, "issuer"),
            (BadValue, "301"),
            (WrongType, "a"),
            (BadValue, "[]"),
            (BadValue, "{}"),
            (MissingKey, "user"),
        ],
    );
    assert!(policy.identity.is_some(), "a broken identity is not as if there were none");
}

#[test]
fn the_leeway_has_a_limit() {
    let leeway = |seconds: u64| {
        let text = format!(
            "policy: 1\nidentity: {{jwt: [{{issuer: i, audience: [a], algorithms: [x], \
             jwks: {{file: f}}, leeway: {seconds}}}]}}\n"
        );
        let (policy, report, _) = read_files(&[("p.yaml", &text)]);
        (report.errors(), policy.identity.unwrap().jwt[0].leeway.map(|leeway| leeway.value))
    };
    assert_eq!(leeway(299), (0, Some(299)));
    assert_eq!(leeway(300), (0, Some(300)));
    assert_eq!(leeway(301), (1, None));
}

#[test]
fn p08_keys_are_digests_with_a_time_that_can_be_read() {
    let digest = "0123456789abcdef".repeat(4);
    let upper = digest.to_uppercase();
    bad(
        &format!(
            "identity:\n  api_keys:\n    in: [heade]\n    keys:\n      - {{user: a, sha256: {upper}}}\n      \
             - {{user: b, sha256: abc}}\n      - {{user: c, sha256: {digest}, expires: 2027-01-01}}\n"
        ),
        &[(BadValue, "heade"), (BadValue, &upper), (BadValue, "abc"), (BadValue, "2027-01-01")],
    );
}

#[test]
fn what_is_not_enforced_is_refused_by_name() {
    for key in ["owner: {}", "keep: {}", "require: {}", "when: {a: b}", "query: []"] {
        let text = format!("restrictions: [{{id: r, deny: [{{path: /, access: r, {key}}}]}}]\n");
        bad(&text, &[(NotEnforced, key.split(':').next().unwrap())]);
    }
    bad("routes: [{match: /, request: events}]\n", &[(BadValue, "events")]);
    bad("routes: [{match: /, upgrade: h2c}]\n", &[(BadValue, "h2c")]);
    bad(
        "identity: {jwt: [{issuer: i, audience: [a], algorithms: [x], jwks: {url: u}, \
         claims: {org: '/o/{org}', roles: {items: /x}}}]}\n",
        &[(BadValue, "u"), (BadValue, "'/o/{org}'"), (MissingKey, "items"), (MissingKey, "items")],
    );
}

#[test]
fn a_condition_that_cannot_be_read_takes_its_grant_with_it() {
    for (key, code, text) in [
        ("owner: {}", MissingKey, "{}"),
        ("owner: {field: 1}", WrongType, "1"),
        ("owner: {field: /a, of: []}", WrongType, "[]"),
        ("keep: {field: /a}", MissingKey, "field"),
        ("keep: {field: /a, in: []}", BadValue, "[]"),
        ("require: {field: /a, in: {}}", WrongType, "{}"),
        ("require: {field: /a, in: x, is: y}", UnknownKey, "is"),
        ("when: []", WrongType, "[]"),
        ("when: {a: []}", BadValue, "[]"),
        ("when: {a: [b, {}]}", WrongType, "{}"),
        ("query: a", WrongType, "a"),
        ("query: [a, 1]", WrongType, "1"),
    ] {
        let text_of = format!("roles: [{{id: r, grants: [{{path: /, access: r, {key}}}]}}]\n");
        let policy = bad(&text_of, &[(code, text)]);
        assert!(policy.roles[0].grants.is_empty() || code == UnknownKey, "{key}");
    }
}

#[test]
fn the_version_stands_in_every_file() {
    let codes = |files: &[(&str, &str)]| {
        let (_, report, sources) = read_files(files);
        report.problems().iter().map(|problem| shown(problem, &sources)).collect::<Vec<_>>()
    };
    assert_eq!(codes(&[("a", "roles: []\n")]), [(PolicyVersion, "roles".to_owned())]);
    assert_eq!(codes(&[("a", "policy: 2\n")]), [(PolicyVersion, "2".to_owned())]);
    assert_eq!(codes(&[("a", "policy: '1'\n")]), [(PolicyVersion, "'1'".to_owned())]);
    assert_eq!(codes(&[("a", "policy: 1"), ("b", "")]), [(PolicyVersion, String::new())]);
    assert_eq!(codes(&[("a", "- 1\n")]), [(WrongType, "- 1".to_owned())]);
}

#[test]
fn the_files_of_a_folder_merge() {
    let (policy, report, _) = read_files(&[
        ("a", "policy: 1\nname: n\nroles: [{id: a}]\n"),
        ("b", "policy: 1\nroles: [{id: b}]\nmembers: []\n"),
        ("c", "policy: 1\nroles: []\n"),
    ]);
    assert_eq!(report, Report::default());
    let ids: Vec<_> = policy.roles.iter().map(|role| role.id.value.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(policy.members.is_some());
}

#[test]
fn a_single_value_in_two_files_names_both_places() {
    let (_, report, sources) = read_files(&[
        ("a", "policy: 1\nidentity: {}\nroles: 5\n"),
        ("b", "policy: 1\nroles: []\n\nidentity: {}\nname:\n"),
        ("c", "policy: 1\nroles: {}\n"),
    ]);
    let conflict = report.problems().iter().find(|problem| problem.code == MergeConflict).unwrap();
    let place = |span| sources.place(span).to_string();
    assert_eq!(place(conflict.primary.as_ref().unwrap().span), "b:4:1");
    assert_eq!(place(conflict.secondary[0].span), "a:2:1");
    let found: Vec<_> = report.problems().iter().map(|p| shown(p, &sources)).collect();
    let expected =
        [(WrongType, "5"), (MergeConflict, "identity"), (WrongType, "name"), (WrongType, "{}")];
    assert_eq!(found, expected.map(|(code, text)| (code, text.to_owned())));
}

#[test]
fn p12_a_file_that_cannot_be_parsed_leaves_everything_open() {
    let (policy, report, _) =
        read_files(&[("a", "policy: 1\nroles: [\n"), ("b", "policy: 1\nrules: []\n")]);
    let codes: Vec<_> = report.problems().iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [Syntax, UnknownKey]);
    assert!(policy.may_exist(Kind::Role, "x") && policy.may_exist(Kind::Route, ""));
}

/// Pieces of which both sense and nonsense can be made.
const PIECES: &[&str] = &[
    "policy: 1\n",
    "roles",
    "routes",
    "identity",
    ":",
    ": ",
    "\n",
    "\n  ",
    "\n    ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "id",
    "grants",
    "&a ",
    "*a",
    "<<",
    "!!str ",
    "!x ",
    "'",
    "\"",
    "\\u0041",
    "é",
    "\u{feff}",
    "|\n",
    ">\n",
    "---\n",
    "...\n",
    "# c\n",
    "? ",
    "~",
    "1",
    "1e999",
    "true",
    "\t",
    "%YAML 1.2\n",
    "\r\n",
    "members",
    "jwt",
    "api_keys",
    "at",
    "body",
    "\0",
    "@",
    "`",
];

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        failure_persistence: None,
        ..proptest::test_runner::Config::with_cases(2_000)
    })]

    /// Whatever the text: no panic, every place lies in its file and can be shown, and what could
    /// not be read is an error.
    #[test]
    fn p12_any_text_is_read_or_refused(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40),
        begin in proptest::bool::ANY,
    ) {
        let text = format!("{}{}", if begin { "policy: 1\n" } else { "" }, pieces.concat());
        let (policy, report, sources) = read_files(&[("p.yaml", &text)]);
        for problem in report.problems() {
            let labels = problem.primary.iter().chain(&problem.secondary);
            for label in labels {
                let (start, end) = (label.span.start as usize, label.span.end as usize);
                proptest::prop_assert!(text.get(start..end).is_some(), "{label:?}");
            }
        }
        let shown = crate::diag::human::render(&report, &sources, false);
        proptest::prop_assert_eq!(shown.is_empty(), report.is_empty());
        proptest::prop_assert!(policy.left_out.is_empty() || report.has_errors());
    }
}
