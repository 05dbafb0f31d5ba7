//! Running what a block shows: in a plain shell, against a demo, against a guarded sample API.

use super::page::{Block, root};
use crate::support::policy::copy;
use crate::support::proxy::Start;
use crate::support::{Proxy, TempPolicy, client, eventually, tokens};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use portcullis::demo::SampleUpstream;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What the pages write for the address of the proxy, and for the folder of a demo.
pub const PROXY: &str = "http://127.0.0.1:8080";
const FOLDER: &str = "/tmp/portcullis-demo-a1b2c3";

/// What stands for a digest: the text of a policy that a page shows may change with the page.
const DIGEST: &str = "sha256:…";

/// A shell in a folder with a copy of `config/`, the program on its path.
pub struct Shell {
    folder: TempDir,
}

/// A running `portcullis demo`.
pub struct Demo {
    child: Child,
    /// Where it makes its folder: gone with the test, however that ends.
    _parent: TempDir,
    banner: Vec<String>,
}

/// A policy before the sample API, and a token for it.
pub struct Guarded {
    proxy: Proxy,
    token: String,
    _policy: TempPolicy,
    _upstream: SampleUpstream,
}

impl Shell {
    pub fn beside_the_examples() -> Shell {
        let folder = tempfile::tempdir().unwrap();
        copy(&root().join("config"), &folder.path().join("config"));
        Shell { folder }
    }

    /// Runs the commands of a block, one after the other, and compares all that they print.
    #[track_caller]
    pub fn compare(&self, block: &Block) {
        for step in block.steps() {
            let script = format!("exec 2>&1\n{}", step.command);
            let printed = shell(&script, self.folder.path(), &[]);
            same(block, &step.command, &step.output, &printed);
        }
    }
}

impl Demo {
    /// Starts one on free ports; `None` where there is no curl to try it with.
    pub fn start() -> Option<Demo> {
        has_curl().then(Demo::launch)
    }

    fn launch() -> Demo {
        let parent = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("demo")
            .env("TMPDIR", parent.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // From here on a panic ends the process, too.
        let mut demo = Demo { child, _parent: parent, banner: Vec::new() };
        for line in lines.map_while(Result::ok) {
            let last = line.starts_with("Ctrl-C");
            demo.banner.push(line);
            if last {
                break;
            }
        }
        assert!(demo.banner.len() > 10, "the banner: {:?}", demo.banner);
        demo
    }

    /// The commands that it printed, with the ports and the folder of the README.
    pub fn commands(&self) -> Vec<String> {
        let command = |line: &&String| line.starts_with("curl") || line.starts_with("sed");
        self.banner.iter().filter(command).map(|line| self.as_shown(line)).collect()
    }

    /// Runs the commands of a block and compares what they print to standard output.
    #[track_caller]
    pub fn compare(&self, block: &Block) {
        for step in block.steps() {
            let printed = shell(&self.as_running(&step.command), root(), &[]);
            if step.command.starts_with("sed") {
                self.wait_for_the_edit();
            }
            same(block, &step.command, &step.output, &self.as_shown(&printed));
        }
    }

    /// Ends it as Ctrl-C does; its folder goes with it.
    pub fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let status = eventually(|| self.child.try_wait().unwrap().ok_or("it does not end"));
        assert!(status.success(), "{status}");
        assert!(!Path::new(&self.folder()).exists(), "the folder is still there");
    }

    /// What the page's `sleep 1` is for, without its luck.
    fn wait_for_the_edit(&self) {
        let admin = self.named("admin");
        let host = admin.trim_start_matches("http://");
        eventually(|| {
            let ask = [("Host", host)];
            let policy = client::call(host.parse().unwrap(), "GET", "/policy", &ask).json();
            match policy["generation"].as_u64() {
                Some(2) => Ok(()),
                _ => Err(policy),
            }
        });
    }

    fn named(&self, what: &str) -> String {
        let line = self.banner.iter().find(|line| line.starts_with(what)).expect(what);
        line.split_whitespace().nth(1).unwrap().to_owned()
    }

    fn folder(&self) -> String {
        self.named("policy").trim_end_matches("/policy.yaml").to_owned()
    }

    fn as_running(&self, text: &str) -> String {
        text.replace(PROXY, &self.named("proxy")).replace(FOLDER, &self.folder())
    }

    fn as_shown(&self, text: &str) -> String {
        text.replace(&self.named("proxy"), PROXY).replace(&self.folder(), FOLDER)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Ended already, where the test got that far.
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Guarded {
    /// Starts the proxy with this policy; `None` where there is no curl to try it with.
    pub fn start(policy: &str) -> Option<Guarded> {
        has_curl().then(|| Guarded::launch(policy))
    }

    /// Starts it for a test that needs no curl.
    pub fn launch(policy: &str) -> Guarded {
        let upstream = SampleUpstream::start().unwrap();
        let policy = TempPolicy::file(policy);
        let (jwks, token) = issue(&tokens::claims("ana", &["support"]).to_string());
        policy.write("jwks.json", jwks);
        let start = Start::new().arguments(["--upstream", &upstream.url()]).policy(policy.path());
        Guarded { proxy: start.ready(), token, _policy: policy, _upstream: upstream }
    }

    /// The proxy itself.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Runs the commands of a block and compares what they print to standard output.
    #[track_caller]
    pub fn compare(&self, block: &Block) {
        let running = format!("http://{}", self.proxy.address);
        for step in block.steps() {
            let command = step.command.replace(PROXY, &running);
            let printed = shell(&command, root(), &[("TOKEN", &self.token)]);
            same(block, &step.command, &step.output, &printed.replace(&running, PROXY));
        }
    }
}

/// A key set and a token over these claims, ES256.
pub fn issue(claims: &str) -> (String, String) {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    // SEC 1 section 2.3.3: 4, then both coordinates.
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let jwks = serde_json::json!({"keys": [{
        "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k1",
        "x": tokens::base64url(x), "y": tokens::base64url(y),
    }]});
    let header = tokens::base64url(br#"{"alg":"ES256","kid":"k1"}"#);
    let signing = format!("{header}.{}", tokens::base64url(claims.as_bytes()));
    let signature = key.sign(&SystemRandom::new(), signing.as_bytes()).unwrap();
    (jwks.to_string(), format!("{signing}.{}", tokens::base64url(signature.as_ref())))
}

/// Runs a script and returns its standard output.
pub fn shell(script: &str, folder: &Path, environment: &[(&str, &str)]) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", binary.display()))
        .env("NO_COLOR", "1")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    String::from_utf8(output.stdout).unwrap()
}

/// A body need not end its line; a terminal shows it the same.
#[track_caller]
pub fn same(block: &Block, command: &str, shown: &str, printed: &str) {
    let (shown, printed) = (without_digests(shown.trim_end()), without_digests(printed.trim_end()));
    assert_eq!(shown, printed, "\n{}: `{command}` prints\n{printed}\n", block.place());
}

fn without_digests(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        all += DIGEST;
        all += part.trim_start_matches('…').trim_start_matches(|c: char| c.is_ascii_hexdigit());
    }
    all
}

#[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
pub fn has_curl() -> bool {
    let found = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        println!("skipped: there is no curl to run the lines of the README with");
    }
    found
}

#[test]
fn digests_are_compared_as_digests() {
    assert_eq!(without_digests("a sha256:0af1\" b"), without_digests("a sha256:…\" b"));
    assert_ne!(without_digests("a sha256:0af1\" b"), without_digests("a sha256:…\" c"));
}
