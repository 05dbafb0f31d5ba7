//! From the settings file, flags and environment to checked [`Settings`].

use super::listeners::address_text;
use super::overrides::{self, Override};
use super::{ListenAddress, LogSink, Origins, Settings, limits, upstream, values};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::bind::{Fields, Harmless, Shape};
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::Text;
use crate::policy::yaml;
use crate::source::{FileId, Sources, Span};
use std::path::{Path, PathBuf};

/// More threads than any machine has cores for.
const MAX_WORKERS: u64 = 1_024;

/// A settings file's text.
#[derive(Clone, Debug)]
pub struct SettingsFile {
    /// Its path, as messages name it.
    pub name: String,
    /// The text.
    pub text: String,
    /// The folder that relative paths in it start from.
    pub folder: PathBuf,
}

const SETTINGS: Shape = Shape {
    what: "settings file",
    keys: &[
        "listen",
        "admin",
        "upstream",
        "policy",
        "workers",
        "limits",
        "log",
        "allow_monitor",
        "decode_requests",
    ],
    unenforced: &[],
};

const POLICY_STORE: Shape = Shape {
    what: "`policy`",
    keys: &[],
    unenforced: &[("etcd", Harmless::Never), ("prefix", Harmless::Never)],
};

const LOG: Shape = Shape {
    what: "`log`",
    keys: &["access", "format"],
    unenforced: &[("audit", Harmless::Word("stdout"))],
};

/// Reads the settings: the file, if there is one, then the overrides in order, later ones winning.
/// `cores` is what `workers: auto` means. The sources are those that the report speaks of.
pub fn read(
    file: Option<&SettingsFile>,
    overrides: &[Override],
    cores: usize,
) -> (Sources, Result<Settings, Report>) {
    let mut sources = Sources::default();
    let mut report = Report::default();
    let mut root = file.and_then(|file| {
        let id = sources.add(file.name.as_str(), file.text.as_str());
        yaml::parse(id, &file.text, &mut report)
    });
    if let Some(version) = root.as_ref().and_then(version_of_policy) {
        report.push(a_policy(version));
        root = None;
    }
    if root.as_ref().is_none_or(|root| root.kind == NodeKind::Null) {
        root = Some(Node { kind: NodeKind::Map(Vec::new()), span: Span::default() });
    }
    let folder = file.map(|file| file.folder.as_path());
    let settings = root.and_then(|mut root| {
        overrides::apply(&mut root, overrides, &mut sources);
        Reader { folder, cores, sources: &sources }.settings(&root, &mut report)
    });
    report.sort();
    match settings {
        Some(settings) if !report.has_errors() => (sources, Ok(settings)),
        _ => (sources, Err(report)),
    }
}

/// Where a file says which version of the policy language it is in, which no settings do.
fn version_of_policy(root: &Node) -> Option<Span> {
    root.get("policy").filter(|node| matches!(node.kind, NodeKind::Int(_))).map(|node| node.span)
}

fn a_policy(version: Span) -> Diagnostic {
    Diagnostic::error(Code::Setting, version, "this is a policy, and settings are read here").help(
        "name it with `--policy`; settings say where to listen and where the policy is: \
         `policy: PATH`",
    )
}

pub(super) struct Reader<'f> {
    folder: Option<&'f Path>,
    cores: usize,
    sources: &'f Sources,
}

impl Reader<'_> {
    fn settings(&self, root: &Node, report: &mut Report) -> Option<Settings> {
        let mut fields = Fields::open(root, &SETTINGS, report)?;
        let settings = Settings {
            listen: self.listen(&mut fields),
            admin: self.admin(&mut fields),
            upstream: Some(upstream::endpoints(&mut fields)),
            policy: self.policy(&mut fields),
            workers: workers(&mut fields).unwrap_or(self.cores.max(1)),
            limits: limits::all(&mut fields),
            access_log: self.access_log(&mut fields),
            allow_monitor: fields.flag("allow_monitor").is_some_and(|allow| allow.value),
            origins: self.origins(root),
        };
        check_collisions(&settings, root, report);
        Some(settings)
    }

    pub(super) fn address(&self, typed: &Text, report: &mut Report) -> Option<ListenAddress> {
        match typed.value.parse() {
            Ok(ListenAddress::Unix(path)) => Some(ListenAddress::Unix(self.path(path, typed.span))),
            Ok(address) => Some(address),
            Err(error) => {
                let error: values::ListenError = error;
                let message = format!("`{}` is not an address to listen on", typed.value);
                let problem =
                    Diagnostic::error(Code::BadValue, typed.span, message).help(error.to_string());
                report.push(problem);
                None
            }
        }
    }

    fn admin(&self, fields: &mut Fields<'_, '_>) -> Option<ListenAddress> {
        if fields.node("admin").is_none() {
            return Some(default_admin());
        }
        let node = fields.node("admin")?;
        let typed = address_text(node, fields.report()).filter(|typed| typed.value != "off")?;
        let address = self.address(&typed, fields.report())?;
        if !address.is_local() {
            let message =
                "the admin listener asks for no credential, so it must stay on this machine";
            let problem = Diagnostic::error(Code::Setting, typed.span, message)
                .help("use a loopback address, `unix:/path`, or `off`");
            fields.report().push(problem);
        }
        Some(address)
    }

    fn policy(&self, fields: &mut Fields<'_, '_>) -> PathBuf {
        let typed = match fields.node("policy") {
            Some(node) if matches!(node.kind, NodeKind::Map(_)) => {
                Fields::open(node, &POLICY_STORE, fields.report());
                None
            }
            _ => fields.text("policy"),
        };
        match typed {
            Some(typed) => self.path(typed.value.into(), typed.span),
            None => self.folder.unwrap_or(Path::new("")).join(DEFAULT_POLICY),
        }
    }

    fn access_log(&self, fields: &mut Fields<'_, '_>) -> LogSink {
        let typed = fields.node("log").and_then(|node| {
            let mut log = Fields::open(node, &LOG, fields.report())?;
            log.word("format", &[("json", Some(()))]);
            log.text("access")
        });
        match typed.as_ref().map(|typed| (values::sink(&typed.value), typed.span)) {
            None => LogSink::Stdout,
            Some((LogSink::File(path), span)) => LogSink::File(self.path(path, span)),
            Some((sink, _)) => sink,
        }
    }

    /// Paths in the file start from its folder, others from the current one.
    pub(super) fn path(&self, path: PathBuf, typed: Span) -> PathBuf {
        match self.folder {
            Some(folder) if self.is_in_file(typed) => folder.join(path),
            _ => path,
        }
    }

    fn is_in_file(&self, typed: Span) -> bool {
        self.folder.is_some() && typed.file == FileId(0)
    }

    fn origins(&self, root: &Node) -> Origins {
        let origin = |key: &str| {
            let span = root.get(key)?.span;
            let place = self.sources.place(span);
            Some(match self.is_in_file(span) {
                true => format!("`{key}` in {place}"),
                false => format!("`{}`", place.file),
            })
        };
        let file = self.folder.and_then(|_| self.sources.files().first());
        let file = file.map(|file| file.name.to_string());
        Origins { file, policy: origin("policy"), admin: origin("admin") }
    }
}

/// `None` is `auto`, or reported.
fn workers(fields: &mut Fields<'_, '_>) -> Option<usize> {
    let node = fields.node("workers")?;
    match &node.kind {
        NodeKind::Text(word) if word == "auto" => None,
        NodeKind::Int(_) => {
            let number = fields.number("workers", 1..=MAX_WORKERS)?;
            usize::try_from(number.value).ok()
        }
        _ => {
            let problem = Diagnostic::error(Code::BadValue, node.span, "`workers` is no number")
                .help("write a number from 1, or `auto` for one per core");
            fields.report().push(problem);
            None
        }
    }
}

fn check_collisions(settings: &Settings, root: &Node, report: &mut Report) {
    let data = settings.listen.iter().map(|listen| &listen.address);
    let all: Vec<_> = data.chain(&settings.admin).collect();
    let twice = all
        .iter()
        .enumerate()
        .find(|(at, address)| all[..*at].iter().any(|before| before.collides(address)));
    if let Some((_, address)) = twice {
        let key = |name| root.get(name).map(|node| node.span);
        let span = key("listen").or(key("admin")).unwrap_or(root.span);
        let message = format!("two listeners want `{address}`");
        report.push(
            Diagnostic::error(Code::Setting, span, message)
                .help("give each listener an address of its own, or take one out"),
        );
    }
}

fn default_admin() -> ListenAddress {
    ListenAddress::Tcp(([127, 0, 0, 1], 8081).into())
}

const DEFAULT_POLICY: &str = "policy";

#[cfg(test)]
mod tests;
