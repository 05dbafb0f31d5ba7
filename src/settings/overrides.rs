//! Settings from flags and the environment: each is a source of its own, so that a mistake in it
//! is underlined like one in the file.

use super::limits::LIMITS;
use crate::diag::{Code, Diagnostic, Report, suggestion};
use crate::policy::node::{Node, NodeKind};
use crate::policy::scalar;
use crate::source::{Sources, Span, Spanned};

/// The environment variables that are read begin so.
pub const ENVIRONMENT: &str = "PORTCULLIS_";

/// One setting from outside of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// What a message calls it: `--listen`, `PORTCULLIS_LISTEN`.
    pub origin: String,
    /// The key, dotted: `log.access`.
    pub key: String,
    /// The value as typed. Several addresses to listen on, or endpoints, are separated by commas.
    pub value: String,
}

/// Every key, dotted.
pub fn keys() -> impl Iterator<Item = String> {
    let top =
        ["listen", "admin", "upstream", "policy", "workers", "allow_monitor", "decode_requests"];
    let log = ["log.access", "log.format", "log.audit"];
    let limits = LIMITS.keys.iter().chain(LIMITS.unenforced.iter().map(|(key, _)| key));
    top.into_iter().chain(log).map(str::to_owned).chain(limits.map(|key| format!("limits.{key}")))
}

/// The environment variable of a key: `PORTCULLIS_LOG_ACCESS`.
pub fn variable(key: &str) -> String {
    format!("{ENVIRONMENT}{}", key.to_uppercase().replace('.', "_"))
}

/// Picks the settings out of the environment, and reports what is named like one and is none, so
/// that it can be told together with what is wrong with the others. `PORTCULLIS_CONFIG` names the
/// file and is not one of them.
pub fn from_environment(
    variables: impl IntoIterator<Item = (String, String)>,
) -> (Vec<Override>, Report) {
    let known: Vec<(String, String)> = keys().map(|key| (variable(&key), key)).collect();
    let mut found = Vec::new();
    let mut report = Report::default();
    for (name, value) in variables {
        if !name.starts_with(ENVIRONMENT) || name == variable("config") || is_service_link(&name) {
            continue;
        }
        match known.iter().find(|(variable, _)| *variable == name) {
            Some((_, key)) => found.push(Override { origin: name, key: key.clone(), value }),
            None => report.push(unknown(&name, &known)),
        }
    }
    found.sort_by(|a, b| a.origin.cmp(&b.origin));
    report.sort();
    (found, report)
}

/// Puts overrides into a settings tree; later ones win.
pub(super) fn apply<'o>(root: &mut Node<'o>, overrides: &'o [Override], sources: &mut Sources) {
    for change in overrides {
        let file = sources.add(change.origin.as_str(), change.value.as_str());
        let span = Span::new(file, 0, change.value.len());
        let value = value(change, span);
        let mut target = &mut *root;
        let mut parts = change.key.split('.').peekable();
        while let Some(part) = parts.next() {
            let Some(next) = entry(target, part, span) else { break };
            target = next;
            if parts.peek().is_none() {
                target.clone_from(&value);
            }
        }
    }
}

/// The place of a key in a mapping, made where it is not there. What is no mapping stays as it is
/// and is reported when it is read.
fn entry<'n, 'o>(node: &'n mut Node<'o>, key: &str, span: Span) -> Option<&'n mut Node<'o>> {
    let NodeKind::Map(entries) = &mut node.kind else { return None };
    let at = entries.iter().position(|(name, _)| name.value == key).unwrap_or_else(|| {
        let empty = Node { kind: NodeKind::Map(Vec::new()), span };
        entries.push((Spanned::new(key.to_owned().into(), span), empty));
        entries.len() - 1
    });
    Some(&mut entries[at].1)
}

/// A value as it would read in the file; what may be several things becomes a list.
fn value(change: &Override, span: Span) -> Node<'_> {
    if !matches!(change.key.as_str(), "listen" | "upstream") {
        let text = || NodeKind::Text(change.value.as_str().into());
        return Node { kind: scalar::plain(&change.value).unwrap_or_else(|_| text()), span };
    }
    let mut start = 0;
    let one = |text: &str| {
        let at = Span::new(span.file, start, start + text.len());
        start += text.len() + 1;
        Node { kind: NodeKind::Text(text.to_owned().into()), span: at }
    };
    Node { kind: NodeKind::List(change.value.split(',').map(one).collect()), span }
}

/// Kubernetes sets `PORTCULLIS_PORT`, `PORTCULLIS_SERVICE_HOST` and the like for a service of this
/// name ("Accessing the Service", environment variables). No key of ours reads so.
fn is_service_link(name: &str) -> bool {
    name.contains("_PORT") || name.contains("_SERVICE_")
}

fn unknown(name: &str, known: &[(String, String)]) -> Diagnostic {
    let message = format!("the environment variable `{name}` is not a setting");
    let problem = Diagnostic::error_nowhere(Code::UnknownKey, message);
    match suggestion(name, known.iter().map(|(variable, _)| variable.as_str())) {
        Some(near) => problem.help(near),
        None => problem.help("unset it; `portcullis run --help` says which there are"),
    }
}
