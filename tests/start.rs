//! What a start says: of mistakes in settings, all of them in one run, and of itself.

use crate::support::TempPolicy;
use crate::support::proxy::Start;
use std::process::Output;

const OPEN: &str =
    "policy: 1\nroutes: [{match: \"/**\", public: crud}]\nrole_defaults: {any: []}\n";

/// Exit status 2, nothing on standard output, and what standard error says.
#[track_caller]
fn refused(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(output.stdout.is_empty(), "{}", output.stdout.escape_ascii());
    text
}

/// A start with these settings in a file beside a policy that is good.
fn with_settings(text: &str) -> (Start, TempPolicy) {
    let policy = TempPolicy::file(OPEN);
    policy.write("portcullis.settings", text);
    let start = Start::new().config(&policy.join("portcullis.settings"));
    (start.policy(policy.path()), policy)
}

#[test]
fn an_unknown_variable_hides_no_other_mistake() {
    let (start, _policy) = with_settings("listn: 127.0.0.1:0\n");
    let start = start.environment("PORTCULLIS_WORKER", "1").environment("PORTCULLIS_POLICI", "x");
    let said = refused(&start.environment("PORTCULLIS_WORKERS", "0").output());
    let at = |text: &str| said.find(text).unwrap_or_else(|| panic!("`{text}` in {said}"));
    let variables = [at("`PORTCULLIS_POLICI` is not"), at("`PORTCULLIS_WORKER` is not")];
    assert!(variables.is_sorted(), "{said}");
    assert!(at("listn") < at("--> PORTCULLIS_WORKERS:1:1"), "{said}");
    assert!(said.contains("4 errors"), "{said}");
}

#[test]
fn who_names_a_policy_that_is_not_there_is_said() {
    let (_, policy) = with_settings("policy: nowhere\n");
    let refused_of = |start: Start| refused(&start.output());
    let said = refused_of(Start::new().policy(&policy.join("nothing.yaml")));
    assert!(said.ends_with("since `--policy` says so\n"), "{said}");
    let file = policy.join("portcullis.settings");
    let of_file = refused_of(Start::new().config(&file));
    let wanted = format!("since `policy` in {}:1:9 says so\n", file.display());
    assert!(of_file.ends_with(&wanted), "{of_file}");
    assert!(of_file.contains(&format!("there is no `{}`", policy.join("nowhere").display())));
    let variable = Start::new().environment("PORTCULLIS_POLICY", "gone.yaml");
    let said = refused_of(variable);
    assert!(said.ends_with("since `PORTCULLIS_POLICY` says so\n"), "{said}");
    let said = refused_of(Start::new());
    assert!(said.contains("there is no `policy`"), "{said}");
    assert!(said.ends_with(
        "since that is the default; `--policy`, `PORTCULLIS_POLICY` or `policy` in a settings \
         file names another one\n"
    ));
}

#[test]
fn the_ready_line_names_the_files_that_were_read() {
    let (start, policy) = with_settings("listen: 127.0.0.1:0\n");
    let proxy = start.ready();
    let line = proxy.wait_for_line("listening on");
    let (path, file) = (policy.path().display(), policy.join("portcullis.settings"));
    let wanted = format!(") from {path}, settings from {}, upstream http://", file.display());
    assert!(line.contains(&wanted), "{line}");
    let without = Start::new().policy(policy.path()).ready();
    let line = without.wait_for_line("listening on");
    assert!(line.contains(&format!(") from {path}, no settings file, upstream http://")), "{line}");
}

#[test]
fn an_admin_address_that_is_taken_is_told_with_who_named_it_and_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let policy = TempPolicy::file(OPEN);
    let said = refused(&Start::new().policy(policy.path()).admin(&address).output());
    for part in [address.as_str(), "in use", "`--admin` says so", "`127.0.0.1:0`", "`off`"] {
        assert!(said.contains(part), "`{part}` in {said}");
    }
}

#[test]
fn an_access_log_that_cannot_be_opened_is_named() {
    let (start, policy) = with_settings("listen: 127.0.0.1:0\nlog: {access: none/access.log}\n");
    let said = refused(&start.output());
    let path = policy.join("none").join("access.log");
    assert!(said.contains(&format!("`{}` cannot be opened", path.display())), "{said}");
    assert!(said.contains("`log.access`"), "{said}");
}

#[test]
fn a_policy_that_is_given_as_settings_is_told_to_be_one() {
    let policy = TempPolicy::file(OPEN);
    let said = refused(&Start::new().config(policy.path()).output());
    assert!(said.contains("this is a policy, and settings are read here"), "{said}");
    assert!(said.contains("`--policy`") && said.contains("\n1 error\n"), "{said}");
}
