//! The pages of the examples: their commands run against the example, its sample data behind it.

use super::page::{Block, Page, examples, root};
use super::session::{PROXY, has_curl, same, shell};
use crate::support::client::{call, call_json};
use crate::systems::store::Store;
use crate::systems::system::{System, folder};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

#[test]
fn the_examples_answer_as_their_pages_show() {
    if !has_curl() {
        return;
    }
    for name in examples().iter().filter(|name| folder(name).join("data.json").exists()) {
        let page = Page::read(&format!("config/examples/{name}/README.md"));
        let blocks: Vec<Block> = page.blocks_of("console example").collect();
        let shown: usize = blocks.iter().map(|block| block.commands().len()).sum();
        assert!(shown >= 5, "{}: {shown} commands", page.name);
        let system = System::start(name);
        blocks.iter().for_each(|block| compare(&system, block));
    }
}

/// The line that the pages of the examples start their upstream with.
pub fn starts_an_upstream(words: &[String]) -> bool {
    let [python, program, data] = words else { return false };
    (python.as_str(), program.as_str()) == ("python3", UPSTREAM) && root().join(data).is_file()
}

fn compare(system: &System, block: &Block) {
    let running = format!("http://{}", system.proxy.address);
    for step in block.steps() {
        let printed = shell(&step.command.replace(PROXY, &running), root(), &[]);
        same(block, &step.command, &step.output, &printed.replace(&running, PROXY));
    }
}

/// What people try the examples with, by hand.
const UPSTREAM: &str = "config/examples/upstream.py";

/// A running `upstream.py`. Killed when dropped.
struct Script {
    child: Child,
    address: SocketAddr,
}

impl Script {
    /// `None` where there is no Python to run it with.
    #[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
    fn start(name: &str) -> Option<Script> {
        let found = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            println!("skipped: there is no python3 to run {UPSTREAM} with");
            return None;
        }
        let mut child = Command::new("python3")
            .arg(root().join(UPSTREAM))
            .arg(folder(name).join("data.json"))
            .arg("0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let output = child.stdout.take().expect("a pipe");
        // From here on a panic ends the process, too.
        let mut script = Script { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on http://").expect("an address");
        script.address = address.parse().expect("an address");
        Some(script)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The two upstreams of the examples, this one of the tests and the one for people, do the same.
#[test]
fn the_upstream_for_people_is_that_of_the_tests() {
    let Some(script) = Script::start("nexmo") else { return };
    let data = std::fs::read_to_string(folder("nexmo").join("data.json")).expect("sample data");
    let store = Store::from_json(&data);
    let numbers = "/accounts/acme/numbers";
    let one = format!("{numbers}/447700900001");
    for (method, target, body) in [
        ("GET", numbers, ""),
        ("GET", &format!("{one}?fields=id"), ""),
        ("GET", "/accounts/acme/none", ""),
        ("GET", "/", ""),
        ("POST", numbers, r#"{"country": "SI"}"#),
        ("POST", numbers, r#"{"id": "386", "country": "SI"}"#),
        ("POST", numbers, "{"),
        ("POST", &one, "{}"),
        ("PUT", &one, r#"{"id": "other", "country": "č"}"#),
        ("PATCH", &one, r#"{"country": null, "features": {"SMS": true, "VOICE": null}}"#),
        ("PATCH", &one, "1,"),
        ("DELETE", &one, ""),
        ("DELETE", &one, ""),
        ("GET", numbers, ""),
    ] {
        let (status, value) = store.ask(method, target, body);
        let answer = match body {
            "" => call(script.address, method, target, &[]),
            body => call_json(script.address, method, target, &[], body),
        };
        assert_eq!(answer.status, status, "{method} {target} {body}");
        let shown = serde_json::from_slice::<Value>(&answer.body).ok();
        assert_eq!(shown, value, "{method} {target} {body}");
        let text = value.map(|value| value.to_string()).unwrap_or_default();
        assert_eq!(answer.text(), text, "the same bytes: pages show them");
    }
}
