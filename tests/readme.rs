//! What the documentation shows is what happens: every fenced block of the README and of `docs/`
//! is run, parsed or known, and every output is compared.
//!
//! | block | what is done with it |
//! |---|---|
//! | `console` | its `$` lines run in a shell, beside a copy of `config/`; what follows is the output |
//! | `console demo` | likewise, against the ports and the folder of a running `portcullis demo` |
//! | `console guarded` | likewise, against the README's policy before the sample API |
//! | `console identity` | likewise, in docs/identity.md, against the policy that stands before it |
//! | `console example` | likewise, in the README of an example, against its policy and its `data.json` |
//! | `yaml` | a whole policy, or `yaml settings`: read without an error |
//! | `sh` | not run: `portcullis` lines are parsed, others are listed in [`BY_HAND`] |
//! | `ini` | a systemd unit, whose command, or address, is parsed |
//! | `json` | parsed |
//! | `text`, `rust` | drawings and code of tests; they may show no command |

mod example;
pub mod page;
pub mod session;
mod tables;

use crate::support::tls::Authority;
use clap::Parser;
use page::{Block, Page, pages};
use portcullis::cli::Cli;
use portcullis::policy::resolve::Surroundings;
use portcullis::settings::{self, SettingsFile};
use session::{Demo, Guarded, Shell};
use std::path::PathBuf;

/// The page with an example of each kind of identity.
const IDENTITY: &str = "docs/identity.md";

/// Lines of `sh` blocks that build or install something, or start what is not ours.
const BY_HAND: &[&str] = &[
    "cargo run --release -- demo   # a sample API, a policy and the proxy; prints curl lines to try",
    "cargo test                    # everything; no network, no other program",
    "cargo build --release",
    "export PATH=\"$PWD/target/release:$PATH\"",
    "cargo test                          # everything; needs Rust alone, no network",
    "cargo test --test transcripts p01   # the tests of one security case",
    ".ci/run                             # formatting, lints, licences, tests",
    "PORTCULLIS_WYCHEPROOF=/path/to/wycheproof/testvectors_v1 cargo test --lib wycheproof -- --ignored",
    "cargo test --test transcripts canary -- --ignored      # some minutes",
    "PORTCULLIS_SOAK=60 cargo test --test transcripts p14_soak -- --ignored --nocapture",
    "cargo test --test transcripts p11_p13_200_megabytes -- --ignored --nocapture",
    "JSON_SCHEMA_SUITE=/path/to/tests/draft2020-12 cargo test --test transcripts official_suite -- --ignored --nocapture",
    "curl --cert importer.pem --key importer.key --cacert ca.pem https://api.example:8443/customers/1",
    "cargo bench --bench tokens",
    "cargo mutants -f src/filter/key.rs -- --lib filter       # each mutant is built: some minutes a file",
    "cargo mutants -f 'src/filter/**' -- --lib filter         # most of a day on two cores",
    "docker build -t portcullis .",
    "docker run --rm -p 8080:8080 -v \"$PWD/policy:/etc/portcullis/policy:ro\" \\",
    "    -e PORTCULLIS_UPSTREAM=http://api:9000 portcullis",
    "docker build -t portcullis:0.1.0 .",
    "kubectl apply -f config/examples/kubernetes-sidecar/manifests/",
    "kubectl rollout status deployment/orders",
    "kubectl port-forward service/orders 8080:80 &",
    "curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/orders",
    "kubectl create configmap orders-policy --dry-run=client -o yaml --from-file=config/examples/kubernetes-sidecar/policy/policy.yaml --from-file=config/examples/kubernetes-sidecar/policy/keys/jwks.json | kubectl apply -f -",
];

#[test]
fn every_block_is_of_a_kind_that_is_tested() {
    let mut faults = Vec::new();
    for block in pages().iter().flat_map(Page::blocks) {
        if let Err(fault) = known(&block) {
            faults.push(format!("{}: {fault}", block.place()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn console_blocks_print_what_they_show() {
    for page in pages() {
        let blocks: Vec<Block> = page.blocks_of("console").collect();
        if !blocks.is_empty() {
            let shell = Shell::beside_the_examples();
            blocks.iter().for_each(|block| shell.compare(block));
        }
    }
}

#[test]
fn the_demo_prints_what_the_readme_shows() {
    let Some(demo) = Demo::start() else { return };
    let blocks: Vec<Block> = Page::read("README.md").blocks_of("console demo").collect();
    let shown: Vec<String> = blocks.iter().flat_map(|block| block.commands()).collect();
    assert_eq!(shown, demo.commands(), "the README's lines are those that the demo prints");
    assert_eq!(shown.iter().filter(|line| line.starts_with("curl")).count(), 6);
    blocks.iter().for_each(|block| demo.compare(block));
    demo.stop();
}

#[test]
fn the_policy_of_the_readme_guards_as_it_says() {
    let policy = readme_policy();
    assert_eq!(policy, include_str!("../config/examples/minimal/policy.yaml"));
    let Some(guarded) = Guarded::start(&policy) else { return };
    let blocks: Vec<Block> = Page::read("README.md").blocks_of("console guarded").collect();
    assert!(!blocks.is_empty());
    blocks.iter().for_each(|block| guarded.compare(block));
}

#[test]
fn each_kind_of_identity_answers_as_its_example_shows() {
    if !session::has_curl() {
        return;
    }
    let (mut policy, mut run) = (None, 0);
    for block in Page::read(IDENTITY).blocks() {
        match block.language.as_str() {
            "yaml" => policy = Some(block.text),
            "console identity" => {
                let text = policy.as_deref().expect("a policy stands before it");
                Guarded::launch(text).compare(&block);
                run += 1;
            }
            _ => {}
        }
    }
    assert_eq!(run, 4, "tokens, cookies, keys, another proxy");
}

#[test]
fn links_lead_to_files_that_are_there() {
    for page in pages() {
        for link in page.links() {
            assert!(page.folder().join(&link).exists(), "{}: there is no {link}", page.name);
        }
    }
}

fn readme_policy() -> String {
    Page::read("README.md").blocks_of("yaml").next().expect("a policy").text
}

/// Whether a test looks at this block, and what is wrong with it where that can be said at once.
fn known(block: &Block) -> Result<(), String> {
    match block.language.as_str() {
        "console" | "console demo" | "console guarded" | "console identity" | "console example"
            if block.commands().is_empty() =>
        {
            Err("a console block without a command".into())
        }
        "console" => Ok(()),
        "console demo" | "console guarded" if block.page == "README.md" => Ok(()),
        "console identity" if block.page == IDENTITY => Ok(()),
        "console example" if block.page.starts_with("config/examples/") => Ok(()),
        "yaml" => check_policy(&block.text),
        "yaml settings" => check_settings(&block.text),
        "sh" => block.text.lines().try_for_each(check_line),
        "ini" => check_unit(&block.text),
        "json" => serde_json::from_str::<serde_json::Value>(&block.text)
            .map(drop)
            .map_err(|error| error.to_string()),
        "text" | "rust" if !block.text.contains("$ ") => Ok(()),
        other => Err(format!("no test knows what to do with a block of `{other}`")),
    }
}

/// A policy, in a folder with the keys that the examples of the documentation name.
fn check_policy(text: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("policy.yaml");
    let jwks = include_str!("../config/examples/minimal/jwks.json");
    let authority = Authority::new("acme.test").pem;
    let others = [("jwt.secret", SECRET), ("client.secret", SECRET), ("acme.pem", &*authority)];
    for (name, text) in [("policy.yaml", text), ("jwks.json", jwks)].into_iter().chain(others) {
        std::fs::write(folder.path().join(name), text).map_err(|error| error.to_string())?;
    }
    match portcullis::control::load::load(&file, &Surroundings::default(), 1) {
        Ok(_) => Ok(()),
        Err(failed) => Err(portcullis::diag::human::render(&failed.report, &failed.sources, false)),
    }
}

fn check_settings(text: &str) -> Result<(), String> {
    let file = SettingsFile { name: "settings".into(), text: text.into(), folder: PathBuf::new() };
    let (sources, settings) = settings::read(Some(&file), &[], 1);
    settings.map(drop).map_err(|report| portcullis::diag::human::render(&report, &sources, false))
}

/// A shell line: one of ours that the command line understands, or one that is known.
fn check_line(line: &str) -> Result<(), String> {
    let words = words(line.trim_start_matches("! ").trim_end_matches(" &"));
    match words.first().map(String::as_str) {
        None => Ok(()),
        Some("portcullis") => match Cli::try_parse_from(&words) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("`{line}`: {error}")),
        },
        _ if BY_HAND.contains(&line) || example::starts_an_upstream(&words) => Ok(()),
        _ => Err(format!("`{line}` is run by no test and listed nowhere")),
    }
}

/// A unit's command is one of ours.
/// A socket unit says where it listens, and that it leaves accepting to the service.
fn check_unit(text: &str) -> Result<(), String> {
    if text.starts_with("[Socket]") {
        let listens = text.lines().find_map(|line| line.strip_prefix("ListenStream="));
        let address = listens.ok_or("the socket unit listens nowhere")?;
        address.parse::<std::net::SocketAddr>().map_err(|error| format!("{address}: {error}"))?;
        return match text.contains("Accept=yes") {
            true => Err("a socket is handed over, not its connections".into()),
            false => Ok(()),
        };
    }
    let command = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/"));
    check_line(command.ok_or("the unit starts nothing")?)
}

/// Splits a line as a shell does, as far as the documentation needs it: quotes, comments.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => words.last_mut().unwrap().push(c),
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if c == '#' && words.last().unwrap().is_empty() => break,
            None if c == ' ' => words.push(String::new()),
            None => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What `jwt.secret` holds where an example names it.
const SECRET: &str = "32 bytes that nobody else can guess";

#[test]
fn a_block_that_is_not_known_is_found() {
    let block = |language: &str, text: &str| Block {
        page: "docs/x.md".into(),
        line: 1,
        language: language.into(),
        text: text.into(),
    };
    assert!(known(&block("toml", "a = 1\n")).is_err());
    assert!(known(&block("text", "$ rm\n")).is_err());
    assert!(known(&block("sh", "portcullis chek policy/\n")).is_err());
    assert!(known(&block("sh", "curl example.org\n")).is_err());
    assert!(known(&block("yaml", "policy: 1\nrolls: []\n")).is_err());
    assert!(known(&block("yaml settings", "listn: x\n")).is_err());
    assert!(known(&block("console demo", "$ curl x\n")).is_err(), "only the README has one");
    assert!(known(&block("sh", "portcullis check 'a b'  # why\n")).is_ok());
}
