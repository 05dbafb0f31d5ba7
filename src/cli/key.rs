//! `portcullis key`: API keys. A policy holds digests, so a key is shown when it is made and never
//! again.

use super::{complain, print};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// Make API keys.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  portcullis key new --user importer --org acme")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    New(New),
}

/// Make a key: print it, its digest, and the entry for the policy.
///
/// The key is not kept anywhere: hand it to its owner. The policy gets the digest.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portcullis key new --user importer --org acme --role buyer --expires 2027-01-01T00:00:00Z"
)]
struct New {
    /// The user that the key stands for.
    #[arg(long, default_value = "USER", hide_default_value = true)]
    user: String,
    /// The organization in which the key acts alone.
    #[arg(long)]
    org: Option<String>,
    /// The application in which the key acts alone.
    #[arg(long)]
    app: Option<String>,
    /// A role of the key; where members are listed, one that it keeps. May be given several times.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Until when it counts, in UTC: `2027-01-01T00:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One JSON object: `key`, `sha256`, `entry`.
    Json,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let Action::New(new) = &args.action;
    match make() {
        Some(key) => print(&new.told(&key), ExitCode::SUCCESS),
        None => complain("the system gives no random bytes"),
    }
}

impl New {
    fn told(&self, key: &str) -> String {
        let sha256 = hex(digest(&SHA256, key.as_bytes()).as_ref());
        let entry = self.entry(&sha256);
        match self.format {
            Format::Human => {
                let pairs = entry.iter().map(|(name, value)| format!("{name}: {value}"));
                let entry = pairs.collect::<Vec<_>>().join(", ");
                format!(
                    "key     {key}\nsha256  {sha256}\n\nThe key is shown this once. In the policy, \
                     under `identity: {{api_keys: {{keys: […]}}}}`:\n\n- {{{entry}}}\n"
                )
            }
            Format::Json => {
                format!("{}\n", json!({"key": key, "sha256": sha256, "entry": entry}))
            }
        }
    }

    /// JSON is YAML, and texts in quotes are texts whatever they say.
    fn entry(&self, sha256: &str) -> Map<String, Value> {
        let mut entry = Map::new();
        let roles = (!self.roles.is_empty()).then(|| json!(self.roles));
        for (name, value) in [
            ("user", Some(json!(self.user))),
            ("org", self.org.as_ref().map(|org| json!(org))),
            ("app", self.app.as_ref().map(|app| json!(app))),
            ("sha256", Some(json!(sha256))),
            ("roles", roles),
            ("expires", self.expires.as_ref().map(|expires| json!(expires))),
        ] {
            entry.extend(value.map(|value| (name.to_owned(), value)));
        }
        entry
    }
}

/// A new key: [`PREFIX`], [`SECRET`] random letters and digits, and a sum over both, so that whoever
/// finds one (in a log, in a repository) knows it for one without asking us. `None` where the
/// system gives no random bytes.
fn make() -> Option<String> {
    let mut key = PREFIX.to_owned();
    while key.len() < PREFIX.len() + SECRET {
        let mut random = [0; 64];
        rand::fill(&mut random).ok()?;
        // Bytes beyond the last whole round of the alphabet would make some letters likelier.
        let even = random.into_iter().filter(|byte| usize::from(*byte) < 4 * BASE62.len());
        let digits = even.map(|byte| char::from(BASE62[usize::from(byte) % BASE62.len()]));
        key.extend(digits.take(PREFIX.len() + SECRET - key.len()));
    }
    key += &sum(&key);
    Some(key)
}

/// The first 32 bits of SHA-256 as six digits of base 62.
fn sum(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let bytes = digest.as_ref()[..4].iter();
    let mut number = bytes.fold(0, |number: usize, byte| number << 8 | usize::from(*byte));
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[number % BASE62.len()];
        number /= BASE62.len();
    }
    digits.map(char::from).into_iter().collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn time(text: &str) -> Result<String, String> {
    match humantime::parse_rfc3339(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("write a time in UTC: `2027-01-01T00:00:00Z`".into()),
    }
}

/// What every key begins with.
const PREFIX: &str = "pcl_";

/// Letters and digits of the secret part: 256 bits.
const SECRET: usize = 43;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn p08_a_key_is_random_and_known_by_its_form() {
        let keys: BTreeSet<_> = (0..100).map(|_| make().unwrap()).collect();
        assert_eq!(keys.len(), 100);
        for key in &keys {
            let (body, checked) = key.split_at(key.len() - 6);
            assert_eq!((body.len(), &body[..4]), (4 + 43, "pcl_"));
            assert!(key[4..].bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
            assert_eq!(sum(body), checked);
        }
        let letters: BTreeSet<_> = keys.iter().flat_map(|key| key[4..47].bytes()).collect();
        assert_eq!(letters.len(), 62, "every letter comes up among 4,300");
    }

    #[test]
    fn a_sum_does_not_change_between_versions() {
        assert_eq!(sum("pcl_"), "34ZdUU");
    }

    #[test]
    fn an_entry_is_yaml_whatever_the_names_are() {
        let new = New {
            user: "yes: \"no\"".into(),
            org: Some("42".into()),
            app: None,
            roles: vec!["a b".into(), "null".into()],
            expires: Some("2027-01-01T00:00:00Z".into()),
            format: Format::Human,
        };
        let told = new.told("pcl_x");
        let entry = told.lines().last().unwrap();
        assert!(entry.starts_with("- {") && entry.contains(r#"user: "yes: \"no\"""#), "{entry}");
        assert!(entry.contains(r#"org: "42""#) && entry.contains(r#"roles: ["a b","null"]"#));
        assert_eq!(told.matches("pcl_x").count(), 1, "the key stands once");
        assert!(time("tomorrow").is_err());
    }
}
