//! `portcullis check` and the settings of `run`, as a user sees them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the program in a folder, with nothing of ours in the environment.
fn portcullis(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments).current_dir(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTCULLIS_") {
            command.env_remove(name);
        }
    }
    output(command.output().unwrap())
}

fn output(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

const GOOD: &str = r#"policy: 1
identity: {jwt: [{issuer: https://id.example, audience: [api], algorithms: [ES256], jwks: {file: jwks.json}}]}
roles:
  - {id: support, grants: [{path: "/customers/**", access: ru}], schemas: [no-ssn]}
schemas:
  - {id: no-ssn, type: customer, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
resource_types:
  - {id: customer, at: [{path: "/customers", pointer: "/data/*"}, {path: "/customers/{id}", pointer: ""}]}
"#;

#[test]
fn a_policy_with_mistakes_is_told_all_of_them() {
    let folder = folder(&[
        ("policy/a.yaml", "policy: 1\nname: one\nroles:\n  - {id: r, grant: []}\n"),
        (
            "policy/b.yaml",
            "policy: 1\nname: two\nrestrictions: [{id: r, deny: [{path: /q, access: r, keep: {}}]}]\n",
        ),
        ("policy/c.yaml", "policy: 1\nidentity: {forwarded: {peers: [unix], user: X-User}}\n"),
    ]);
    let (status, out, err) = portcullis(folder.path(), &["check", "policy"]);
    insta::assert_snapshot!(out, @r"
    error[UNKNOWN_KEY]: a role has no key `grant`
     --> policy/a.yaml:4:13
      |
    4 |   - {id: r, grant: []}
      |             ^^^^^
      |
      = help: did you mean `grants`?

    error[MERGE_CONFLICT]: `name` stands in more than one file
     --> policy/b.yaml:2:1
      |
    2 | name: two
      | ^^^^ and here
      |
     ::: policy/a.yaml:2:1
      |
    2 | name: one
      | ---- here
      |
      = help: keep it in one file; only lists may be spread over several

    error[NOT_ENFORCED]: `keep` is not enforced by this version
     --> policy/b.yaml:3:53
      |
    3 | restrictions: [{id: r, deny: [{path: /q, access: r, keep: {}}]}]
      |                                                     ^^^^
      |
      = help: `keep` is part of the language, and a file that uses it is refused rather than applied without it: take it out, or use a version that enforces it

    3 errors
    ");
    assert_eq!((status, err.as_str()), (1, ""));
}

#[test]
fn the_formats_for_programs_say_the_same() {
    let folder = folder(&[(
        "p.yaml",
        "policy: 1\nrolls: []\nidentity: {forwarded: {peers: [127.0.0.1/32], user: X-User}}\n",
    )]);
    let (status, out, _) = portcullis(folder.path(), &["check", "--format", "json", "p.yaml"]);
    assert_eq!(
        (status, out.as_str()),
        (
            1,
            concat!(
                r#"{"ok":false,"problems":[{"code":"UNKNOWN_KEY","severity":"error","#,
                r#""message":"a policy has no key `rolls`","help":"did you mean `roles`?","#,
                r#""file":"p.yaml","line":2,"column":1,"text":"rolls"}]}"#,
                "\n"
            )
        )
    );
    let (status, out, _) = portcullis(folder.path(), &["check", "--format", "sarif", "p.yaml"]);
    let log: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status, 1);
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "UNKNOWN_KEY");
}

#[test]
fn the_ten_line_policy_has_no_mistakes() {
    let folder = folder(&[("p.yaml", GOOD)]);
    let (_, out, err) = portcullis(folder.path(), &["check", "--format", "json", "p.yaml"]);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    for problem in found["problems"].as_array().unwrap() {
        // The key file is not here, and the grant reaches further than the type's places.
        let code = problem["code"].as_str().unwrap();
        let known = ["IDENTITY_VALID", "SCHEMA_UNCOVERED", "QUERY_UNLISTED"];
        assert!(known.contains(&code), "{problem}");
    }
    assert_eq!(err, "");
}

#[test]
fn what_is_probably_not_meant_is_told_and_fails_where_warnings_are_denied() {
    let folder = folder(&[(
        "p.yaml",
        concat!(
            "policy: 1\n",
            "identity: {forwarded: {peers: [127.0.0.1/32], user: X-User}}\n",
            "roles:\n",
            "  - id: clerk\n",
            "    grants:\n",
            "      - {path: \"/orders/**\", access: ru}\n",
            "      - {path: \"/orders/{id}\", access: r}\n",
            "  - {id: auditor, grants: [{path: \"/tenants/{org}\", access: r}]}\n",
            "members: [{user: ann, roles: [clerk]}]\n",
        ),
    )]);
    let (status, out, err) = portcullis(folder.path(), &["check", "p.yaml"]);
    insta::assert_snapshot!(out, @r#"
    warning[SHADOWED]: `/orders/{id}` with `r` adds nothing: another grant of `clerk` has `/orders/**` with `ru`
     --> p.yaml:7:16
      |
    6 |       - {path: "/orders/**", access: ru}
      |                ------------ this one covers it
    7 |       - {path: "/orders/{id}", access: r}
      |                ^^^^^^^^^^^^^^
      |
      = help: remove it, or narrow the other one

    warning[UNUSED]: no member has the role `auditor`
     --> p.yaml:8:10
      |
    8 |   - {id: auditor, grants: [{path: "/tenants/{org}", access: r}]}
      |          ^^^^^^^
      |
      = help: bind it to a member, say in `assignable_by` who may, or remove it

    warning[UNREACHABLE]: `/tenants/{org}` never holds: no route to it addresses an organization
     --> p.yaml:8:35
      |
    8 |   - {id: auditor, grants: [{path: "/tenants/{org}", access: r}]}
      |                                   ^^^^^^^^^^^^^^^^ `{org}` matches the addressed organization alone
      |
      = help: let a route to this path address an organization, or remove the grant

    3 warnings
    "#);
    assert_eq!((status, err.as_str()), (0, ""));
    let denied = portcullis(folder.path(), &["check", "--deny", "warnings", "p.yaml"]);
    assert_eq!(denied, (1, out, String::new()));
}

#[test]
fn a_missing_policy_is_a_finding_and_a_bad_flag_wrong_usage() {
    let folder = folder(&[]);
    let (status, out, _) = portcullis(folder.path(), &["check", "nowhere"]);
    assert_eq!(status, 1);
    assert!(out.starts_with("error[UNREADABLE]: there is no `nowhere`\n"), "{out}");
    let (status, out, err) = portcullis(folder.path(), &["check", "--formt", "json", "p"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("--format"), "{err}");
    assert_eq!(portcullis(folder.path(), &[]).0, 2);
}

#[test]
fn every_command_answers_help_with_an_example() {
    let folder = folder(&[]);
    for command in ["check", "run", "schema", "completions"] {
        let (status, out, _) = portcullis(folder.path(), &[command, "--help"]);
        assert_eq!(status, 0);
        assert!(out.contains(&format!("Example:\n  portcullis {command} ")), "{out}");
    }
}

#[test]
fn completions_know_every_command() {
    let folder = folder(&[]);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (status, out, err) = portcullis(folder.path(), &["completions", shell]);
        assert_eq!((status, err.as_str()), (0, ""), "{shell}");
        for command in ["run", "demo", "check", "explain", "health", "schema", "completions"] {
            assert!(out.contains(command), "{shell}: {command}");
        }
        assert!(out.contains("deny"), "{shell}: the flags of `check`");
    }
    let (status, out, err) = portcullis(folder.path(), &["completions", "csh"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("possible values: bash, elvish, fish, powershell, zsh"), "{err}");
}

/// What bash offers when it has read our script, where there is a bash.
#[test]
#[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
fn bash_completes_a_command() {
    if Command::new("bash").arg("--version").output().is_err() {
        println!("skipped: there is no bash");
        return;
    }
    let folder = folder(&[]);
    let (_, script, _) = portcullis(folder.path(), &["completions", "bash"]);
    let ask = "COMP_WORDS=(portcullis che); COMP_CWORD=1; COMPREPLY=()
               _portcullis portcullis che portcullis; echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash").args(["-c", &format!("{script}\n{ask}")]).output().unwrap();
    assert_eq!(self::output(output), (0, "check\n".into(), String::new()));
}

#[test]
fn bad_settings_stop_run_with_every_mistake() {
    let folder = folder(&[
        ("config/portcullis.yaml", "listn: 127.0.0.1:0\nworkers: many\n"),
        ("other.yaml", "workers: 1\n"),
    ]);
    let (status, out, err) = portcullis(folder.path(), &["run", "--admin", "0.0.0.0:0"]);
    assert_eq!((status, out.as_str()), (2, ""));
    insta::assert_snapshot!(err, @r"
    error[UNKNOWN_KEY]: a settings file has no key `listn`
     --> config/portcullis.yaml:1:1
      |
    1 | listn: 127.0.0.1:0
      | ^^^^^
      |
      = help: did you mean `listen`?

    error[BAD_VALUE]: `workers` is no number
     --> config/portcullis.yaml:2:10
      |
    2 | workers: many
      |          ^^^^
      |
      = help: write a number from 1, or `auto` for one per core

    error[SETTING]: the admin listener asks for no credential, so it must stay on this machine
     --> --admin:1:1
      |
    1 | 0.0.0.0:0
      | ^^^^^^^^^
      |
      = help: use a loopback address, `unix:/path`, or `off`

    3 errors
    ");
    let (status, _, err) = portcullis(folder.path(), &["run", "--config", "missing.yaml"]);
    assert_eq!(status, 2);
    assert!(err.starts_with("error[UNREADABLE]: there is no `missing.yaml`\n"), "{err}");
}

/// The policies of the examples load, the five that the language was made for among them.
#[test]
fn the_policies_of_the_examples_load() {
    for files in crate::support::policy::examples() {
        let [first, more @ ..] = &files[..] else { panic!("no files") };
        let policy = if more.is_empty() { first } else { first.parent().unwrap() };
        let name = policy.to_str().unwrap();
        let (status, out, _) = portcullis(Path::new("."), &["check", "--format", "json", name]);
        let found: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((status, &found["ok"]), (0, &true.into()), "{name}: {out}");
    }
}

/// They stand in their examples as they were written, to the byte.
#[test]
#[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
fn the_five_policies_of_the_language_are_unchanged() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(entries) = fs::read_dir(root.join("../shared/policies")) else {
        println!("skipped: the originals are not part of the repository");
        return;
    };
    let originals: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(originals.len(), 5);
    for original in originals {
        let name = original.file_stem().unwrap().to_str().unwrap();
        let copy = root.join(format!("config/examples/{name}/policy/{name}.yaml"));
        let same = fs::read(&original).unwrap() == fs::read(&copy).unwrap_or_default();
        assert!(same, "{}", copy.display());
    }
}

#[test]
fn every_code_has_one_section() {
    let manual = include_str!("../docs/diagnostics.md");
    let sections: Vec<_> = manual.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let codes: Vec<_> = portcullis::diag::Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(sections, codes, "in the order of the codes");
}

#[test]
fn p13_a_body_without_an_end_is_not_read_to_its_end() {
    let folder = folder(&[(
        "policy.yaml",
        "policy: 1\nroles: [{id: a, grants: [{path: /a, access: c}]}]\n",
    )]);
    let who = ["explain", "policy.yaml", "--user", "ann", "POST", "/a", "--body", "/dev/zero"];
    let (status, _, said) = portcullis(folder.path(), &who);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("`/dev/zero` is larger than"), "{said}");
}
