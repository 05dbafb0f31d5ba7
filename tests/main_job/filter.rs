//! `portcullis filter`: what a caller would see of a body, or may send.

use super::{Api, with_tokens};
use crate::support::proxy::{run_in, run_with};
use crate::support::upstream::response;
use crate::support::{TempPolicy, Upstream, tokens};
use std::process::Output;

const RULES: &str = r#"
routes:
  - {match: "/**"}
  - {match: "/feed/**", response: events, sentinels: ["[DONE]"]}
  - {match: "/raw/**", response: opaque}
  - {match: "/kept/{id}", update: merge_hidden}
  - {match: "/watched/**", mode: monitor}
roles:
  - {id: support, grants: [{path: "/**", access: crud}], schemas: [support]}
  - {id: mine, grants: [{path: "/customers", access: r, keep: {field: /owner, in: subject.id}}]}
  - {id: reds, grants: [{path: "/customers", access: c, require: {field: /team, in: [red]}}]}
  - {id: theirs, grants: [{path: "/customers/{id}", access: r, owner: {field: /by}}]}
  - {id: owner, grants: [{path: "/**", access: crud}]}
schemas:
  - id: support
    type: customer
    body: {type: object, additionalProperties: true, properties: {ssn: false, id: {type: integer, readOnly: true}, age: {type: integer}}}
resource_types:
  - id: customer
    elsewhere: pass
    count: [/total]
    at:
      - {path: /customers, pointer: "/data/*"}
      - {path: "/customers/{id}", pointer: ""}
      - {path: "/feed/{id}", pointer: ""}
      - {path: "/raw/{id}", pointer: ""}
      - {path: "/kept/{id}", pointer: ""}
      - {path: "/watched/{id}", pointer: ""}
"#;

const CUSTOMER: &str = r#"{"id": 1.50, "ssn": "CANARY", "name": "\u0041nn", "age": 7}"#;

struct Command(TempPolicy);

impl Command {
    fn new() -> Command {
        let rules = RULES.replace(", mode: monitor", "");
        let policy = TempPolicy::file(&with_tokens(&rules));
        policy.write("jwt.secret", tokens::SECRET);
        Command(policy)
    }

    /// `who` is `user:role,role`.
    #[track_caller]
    fn run(&self, who: &str, more: &[&str], input: impl Into<Vec<u8>>) -> Output {
        let (user, roles) = who.split_once(':').unwrap_or((who, ""));
        let roles = format!("roles={roles}");
        let path = self.0.path().to_str().expect("UTF-8");
        let who = ["filter", path, "--user", user, "--claim", &roles];
        run_with(self.0.path().parent().expect("a folder"), [&who, more].concat(), input)
    }

    /// It passes, and comes out as this.
    #[track_caller]
    fn shows(&self, who: &str, more: &[&str], input: &str, shown: &str) {
        let output = self.run(who, more, input);
        let (text, said) = texts(&output);
        assert_eq!(
            (text.as_str(), output.status.code()),
            (shown, Some(0)),
            "{who} {more:?}: {said}"
        );
    }

    /// Nothing comes out, and this is said.
    #[track_caller]
    fn refuses(&self, who: &str, more: &[&str], input: &[u8], says: &str) {
        let output = self.run(who, more, input);
        let (text, said) = texts(&output);
        assert_eq!((text.as_str(), output.status.code()), ("", Some(1)), "{who} {more:?}: {said}");
        assert!(said.starts_with(says), "{who} {more:?}: {said}");
        assert!(!said.contains("CANARY"), "{said}");
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_the_caller_would_see_goes_out_byte_for_byte() {
    let command = Command::new();
    let seen = r#"{ "name": "\u0041nn", "age": 7}"#;
    let one = ["GET", "/customers/1"];
    command.shows("ana:support", &one, &CUSTOMER.replace("1.50", "\"x\""), seen);
    command.shows("ana:owner", &one, CUSTOMER, CUSTOMER);
    command.shows(
        "ana:support",
        &["POST", "/customers"],
        r#"{"data":[{"ssn":1},{}]}"#,
        r#"{"data":[{},{}]}"#,
    );
    command.shows("ana:support", &one, "", "");
    command.shows("ana:support", &["GET", "/raw/1"], "\x1b[31m any", "\x1b[31m any");
    let rows = r#"{"total": 2, "data": [{"owner": "bob"}, {"owner": "ana"}]}"#;
    command.shows(
        "ana:mine",
        &["GET", "/customers"],
        rows,
        r#"{"total": 1, "data": [ {"owner": "ana"}]}"#,
    );
    let lines = "{\"ssn\":1}\n{\"n\":2}\n";
    command.shows("ana:support", &["GET", "/feed/1"], lines, "{}\n{\"n\":2}\n");
    let events = "data: {\"ssn\":1}\n\ndata: [DONE]\n\n";
    command.shows("ana:support", &["GET", "/feed/1"], events, "data: {}\n\ndata: [DONE]\n\n");
}

/// The command and the proxy are one filter.
#[test]
fn what_the_command_shows_is_what_the_proxy_shows() {
    let large = format!("[{}{{}}]", "{\"ssn\":1},".repeat(20_000));
    let rules = RULES.replace(", mode: monitor", "");
    let command = Command::new();
    for (who, target, kind, body) in [
        ("ana:support", "/customers/1", "application/json", CUSTOMER.replace("1.50", "7")),
        ("ana:support", "/customers", "application/json", format!("{{\"data\":{large}}}")),
        (
            "ana:mine",
            "/customers",
            "application/json",
            "{\"total\":3,\"data\":[{\"owner\":\"ana\"},{},{}]}".into(),
        ),
        (
            "ana:mine,support",
            "/customers",
            "application/json",
            "{\"total\":3,\"data\":[{\"owner\":\"ana\",\"ssn\":1},{\"ssn\":2}]}".into(),
        ),
        ("ana:support", "/feed/1", "application/x-ndjson", "{\"ssn\":1}\n\n{}\n".into()),
    ] {
        let api =
            Api::over(Upstream::fixed(response(200, &[("Content-Type", kind)], &body)), &rules);
        let seen = api.call(who, "GET", target);
        let shown = command.run(who, &["GET", target], body);
        assert_eq!(seen.body, shown.stdout, "{who} {target}");
    }
}

#[test]
fn what_is_not_valid_gives_nothing_out() {
    let command = Command::new();
    let one = ["GET", "/customers/1"];
    let late = format!(r#"{{"name": "{}", "ssn": "CANARY"}} x"#, "CANARY".repeat(50_000));
    for who in ["ana:support", "ana:owner"] {
        for (text, says) in [
            ("{\"name\": 1", "the body ends before its JSON value does"),
            ("{\"name\": 01}", ""),
            ("{\"name\": \"CANARY\"} {}", ""),
            ("\u{feff}{}", ""),
            (late.as_str(), ""),
        ] {
            let says = format!("portcullis: the body cannot be filtered: {says}");
            command.refuses(who, &one, text.as_bytes(), &says);
        }
        command.refuses(
            who,
            &one,
            b"{\"name\": \"\xff\"}",
            "portcullis: the body cannot be filtered: ",
        );
    }
    let says = "portcullis: the body cannot be filtered: ";
    command.refuses("ana:support", &one, br#"{"ssn": 1, "ssn": "CANARY"}"#, says);
    command.refuses("ana:support", &["GET", "/customers"], br#"{"data": 1}"#, says);
    command.refuses("ana:support", &["GET", "/feed/1"], b"data: {}\n\ndata: CANARY\n\n", says);
}

#[test]
fn what_is_refused_says_why_and_gives_nothing_out() {
    let command = Command::new();
    let nothing: &[u8] = b"{\"ssn\": \"CANARY\"}";
    for (who, more, says) in [
        (
            "ana:suport",
            &["GET", "/customers/1"][..],
            "portcullis: refused: no_grant (403)\n  note: the policy has no role `suport`; did you mean `support`?\n",
        ),
        ("ana:owner", &["GET", "/customers/../x"], "portcullis: refused: bad_path (400)\n"),
        ("ana:owner", &["BREW", "/customers/1"], "portcullis: refused: bad_method (405)\n"),
        (
            "ana:support",
            &["GET", "/customers/1?sort=ssn"],
            "portcullis: refused: query_not_allowed (403)\n",
        ),
        ("ana:theirs", &["GET", "/customers/1"], "portcullis: refused: not_owner (404)\n"),
    ] {
        command.refuses(who, more, nothing, says);
    }
    let lines = "{\"owner\":\"bob\"}";
    command.refuses("ana:mine", &["GET", "/customers"], lines.as_bytes(), "portcullis: ");
}

#[test]
fn what_may_be_sent_goes_out_and_what_may_not_is_named() {
    let command = Command::new();
    let patch = ["--write", "PATCH", "/customers/1"];
    for body in [r#"{"name": "\u0041",  "age": 1.0}"#, ""] {
        command.shows("ana:support", &patch, body, body);
    }
    command.shows("ana:owner", &patch, CUSTOMER, CUSTOMER);
    command.shows(
        "ana:reds",
        &["--write", "POST", "/customers"],
        r#"{"team": "red"}"#,
        r#"{"team": "red"}"#,
    );
    command.shows("ana:support", &["--write", "PUT", "/kept/1"], "{}", "{}");
    for (more, body, says) in [
        (
            &patch[..],
            r#"{"ssn": "CANARY", "a": {}, "id": 2}"#,
            "portcullis: refused: field_not_writable (403)\n  at \"/ssn\"\n  at \"/id\"\n",
        ),
        (
            &patch,
            r#"{"age": "CANARY"}"#,
            "portcullis: refused: value_invalid (422)\n  at \"/age\"\n",
        ),
        (&patch, r#"{"a": 1, "a": 2}"#, "portcullis: refused: body_invalid (400)\n"),
        (&patch, "{", "portcullis: refused: body_invalid (400)\n"),
        (
            &["--write", "-H", "Content-Type: text/plain", "PATCH", "/customers/1"],
            "x",
            "portcullis: refused: body_invalid (415)\n",
        ),
        (
            &["--write", "PUT", "/customers/1"],
            "{}",
            "portcullis: refused: hidden_fields_at_risk (409)\n",
        ),
    ] {
        command.refuses("ana:support", more, body.as_bytes(), says);
    }
    let blue = ["--write", "POST", "/customers"];
    command.refuses(
        "ana:reds",
        &blue,
        br#"{"team": "blue"}"#,
        "portcullis: refused: value_not_allowed (403)\n",
    );
    // A file may name the request's body where standard input is the answer.
    command.0.write("sent.json", r#"{"team": "red"}"#);
    let file = command.0.join("sent.json");
    let echo = ["--body", file.to_str().expect("UTF-8"), "POST", "/customers"];
    command.shows("ana:reds", &echo, "{\"data\": []}", "{\"data\": []}");
}

/// Monitor mode changes nothing of what passes.
#[test]
fn in_monitor_mode_everything_is_seen() {
    let policy = TempPolicy::file(&with_tokens(RULES));
    policy.write("jwt.secret", tokens::SECRET);
    let command = Command(policy);
    let output = command.run("ana:support", &["GET", "/watched/1"], CUSTOMER);
    assert_eq!(texts(&output).0, CUSTOMER, "{}", texts(&output).1);
    let output = command.run("ana:support", &["--write", "PATCH", "/watched/1"], CUSTOMER);
    assert_eq!(texts(&output).0, CUSTOMER, "{}", texts(&output).1);
}

#[test]
fn what_cannot_be_asked_is_wrong_usage() {
    let command = Command::new();
    let folder = command.0.path().parent().expect("a folder");
    for arguments in [
        &["filter", "nowhere.yaml", "--user", "ana", "GET", "/"][..],
        &["filter", "nowhere.yaml", "GET", "/"],
        &["filter"],
    ] {
        assert_eq!(run_in(folder, arguments).status.code(), Some(2), "{arguments:?}");
    }
    let owner = ["--body", "x", "--write", "PATCH", "/customers/1"];
    assert_eq!(command.run("ana:owner", &owner, "").status.code(), Some(2));
    let asks = RULES.replace("owner: {field: /by}", "owner: {field: /by, of: \"/about/{id}\"}");
    command.0.write(
        command.0.path().file_name().expect("a name").to_str().expect("UTF-8"),
        with_tokens(&asks.replace(", mode: monitor", "")),
    );
    let output = command.run("ana:theirs", &["GET", "/customers/1"], "{}");
    let (text, said) = texts(&output);
    assert_eq!((text.as_str(), output.status.code()), ("", Some(2)), "{said}");
    assert!(said.contains("--object"), "{said}");
}

/// What is larger than a command holds is not begun to be shown.
#[test]
fn p13_the_body_has_a_limit() {
    const MOST: usize = 64 * 1024 * 1024;
    let command = Command::new();
    for (length, status) in [(MOST - 1, 0), (MOST, 0), (MOST + 1, 2)] {
        let output = command.run("ana:owner", &["GET", "/raw/1"], vec![b'x'; length]);
        assert_eq!(output.status.code(), Some(status), "{length}: {}", texts(&output).1);
        assert_eq!(output.stdout.len(), if status == 0 { length } else { 0 });
    }
}

/// A total before its rows is put right where the body is whole by the time that it is begun, as the
/// proxy has it; of a longer one it goes.
#[test]
fn p11_a_total_is_put_right_in_what_is_held() {
    const HELD: usize = 64 * 1024;
    let command = Command::new();
    let list = r#"{"total":2,"data":[{"owner":"bob"},{"owner":"ana"}]}"#;
    for (length, total) in [(HELD - 1, true), (HELD, true), (HELD + 1, false)] {
        let body = list.to_owned() + &" ".repeat(length - list.len());
        let output = command.run("ana:mine", &["GET", "/customers"], body);
        let (text, said) = texts(&output);
        let begins = if total { r#"{"total":1,"data":[{"# } else { r#"{"data":[{"# };
        assert!(text.starts_with(begins), "{length}: {} {said}", &text[..60.min(text.len())]);
    }
}
