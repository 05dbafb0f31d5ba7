//! From the settings file, flags and environment to checked [`Settings`].

use super::overrides::{self, Override};
use super::{ListenAddress, LogSink, Settings, limits, values};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::bind::{Fields, Harmless, Shape, not_enforced, text, wrong_type};
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::Text;
use crate::policy::upstream::{UpstreamAddress, UpstreamUrlError};
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
    keys: &["listen", "admin", "upstream", "policy", "workers", "limits", "log"],
    unenforced: &[("allow_monitor", Harmless::False)],
};

const LISTENER: Shape = Shape {
    what: "listener",
    keys: &["address"],
    unenforced: &[("tls", Harmless::Never), ("proxy_protocol", Harmless::False)],
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
    if root.as_ref().is_none_or(|root| root.kind == NodeKind::Null) {
        root = Some(Node { kind: NodeKind::Map(Vec::new()), span: Span::default() });
    }
    let folder = file.map(|file| file.folder.as_path());
    let settings = root.and_then(|mut root| {
        overrides::apply(&mut root, overrides, &mut sources);
        Reader { folder, cores }.settings(&root, &mut report)
    });
    report.sort();
    match settings {
        Some(settings) if !report.has_errors() => (sources, Ok(settings)),
        _ => (sources, Err(report)),
    }
}

struct Reader<'f> {
    folder: Option<&'f Path>,
    cores: usize,
}

impl Reader<'_> {
    fn settings(&self, root: &Node, report: &mut Report) -> Option<Settings> {
        let mut fields = Fields::open(root, &SETTINGS, report)?;
        let settings = Settings {
            listen: self.listen(&mut fields),
            admin: self.admin(&mut fields),
            upstream: Some(upstream(&mut fields)),
            policy: self.policy(&mut fields),
            workers: workers(&mut fields).unwrap_or(self.cores.max(1)),
            limits: fields
                .node("limits")
                .map(|node| limits::limits(node, fields.report()))
                .unwrap_or_default(),
            access_log: self.access_log(&mut fields),
        };
        check_collisions(&settings, root, report);
        Some(settings)
    }

    fn listen(&self, fields: &mut Fields<'_, '_>) -> Vec<ListenAddress> {
        let Some(node) = fields.node("listen") else { return vec![default_listen()] };
        let nodes = match &node.kind {
            NodeKind::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if nodes.is_empty() {
            let problem = Diagnostic::error(Code::Setting, node.span, "there is no listener")
                .help("name at least one address, or take the key out");
            fields.report().push(problem);
        }
        nodes.iter().filter_map(|node| self.listener(node, fields.report())).collect()
    }

    /// An address, or `{address}`.
    fn listener(&self, node: &Node, report: &mut Report) -> Option<ListenAddress> {
        let typed = match node.kind {
            NodeKind::Map(_) => Fields::open(node, &LISTENER, report)?.required_text("address")?,
            _ => text(node, "an address", node.span, report)?,
        };
        self.address(&typed, report)
    }

    fn address(&self, typed: &Text, report: &mut Report) -> Option<ListenAddress> {
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
        let typed = fields.text("admin").filter(|typed| typed.value != "off")?;
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
    fn path(&self, path: PathBuf, typed: Span) -> PathBuf {
        match self.folder {
            Some(folder) if typed.file == FileId(0) => folder.join(path),
            _ => path,
        }
    }
}

fn upstream(fields: &mut Fields<'_, '_>) -> UpstreamAddress {
    let Some(typed) = fields.text("upstream") else { return default_upstream() };
    match typed.value.parse() {
        Ok(address) => address,
        Err(UpstreamUrlError::Https) => {
            fields.report().push(not_enforced("upstream: https", typed.span));
            default_upstream()
        }
        Err(error) => {
            let message = format!("`{}` is not an upstream", typed.value);
            let problem =
                Diagnostic::error(Code::BadValue, typed.span, message).help(error.to_string());
            fields.report().push(problem);
            default_upstream()
        }
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
            let problem = wrong_type("`workers`", "a number or `auto`", node, node.span);
            fields.report().push(problem);
            None
        }
    }
}

fn check_collisions(settings: &Settings, root: &Node, report: &mut Report) {
    let all: Vec<_> = settings.listen.iter().chain(&settings.admin).collect();
    let twice = all
        .iter()
        .enumerate()
        .find(|(at, address)| all[..*at].iter().any(|before| before.collides(address)));
    if let Some((_, address)) = twice {
        let key = |name| root.get(name).map(|node| node.span);
        let span = key("listen").or(key("admin")).unwrap_or(root.span);
        let message = format!("two listeners want `{address}`");
        report.push(Diagnostic::error(Code::Setting, span, message));
    }
}

fn default_listen() -> ListenAddress {
    ListenAddress::Tcp(([127, 0, 0, 1], 8080).into())
}

fn default_admin() -> ListenAddress {
    ListenAddress::Tcp(([127, 0, 0, 1], 8081).into())
}

fn default_upstream() -> UpstreamAddress {
    UpstreamAddress::Tcp { host: "127.0.0.1".into(), port: 9000 }
}

const DEFAULT_POLICY: &str = "policy";
