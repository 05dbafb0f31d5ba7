//! From the settings file, flags and environment to checked [`Settings`].

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
mod tests {
    use super::*;
    use crate::diag::Code::*;
    use crate::settings::Listen;
    use crate::settings::{from_environment, keys, variable};
    use std::time::Duration;

    const CORES: usize = 3;

    fn file(text: &str) -> SettingsFile {
        let folder = PathBuf::from("/etc/portcullis");
        SettingsFile { name: "p.yaml".into(), text: text.into(), folder }
    }

    fn over(key: &str, value: &str) -> Override {
        Override { origin: variable(key), key: key.into(), value: value.into() }
    }

    #[track_caller]
    fn good(text: &str, overrides: &[Override]) -> Settings {
        read(Some(&file(text)), overrides, CORES).1.unwrap()
    }

    /// The problems: each code, what is underlined, and in which source.
    #[track_caller]
    fn bad(text: &str, overrides: &[Override], expected: &[(Code, &str, &str)]) {
        let (sources, settings) = read(Some(&file(text)), overrides, CORES);
        let report = settings.unwrap_err();
        let found: Vec<_> = report
            .problems()
            .iter()
            .map(|problem| {
                let span = problem.primary.as_ref().unwrap().span;
                let name = sources.place(span).file.to_string();
                (problem.code, sources.text(span).to_owned(), name)
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(code, text, name)| (*code, (*text).to_owned(), (*name).to_owned()))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    fn tcp(text: &str) -> ListenAddress {
        text.parse().unwrap()
    }

    fn plain(text: &str) -> Listen {
        Listen::plain(tcp(text))
    }

    #[test]
    fn without_a_file_the_defaults_hold() {
        let settings = read(None, &[], CORES).1.unwrap();
        assert_eq!(settings.listen, [plain("127.0.0.1:8080")]);
        assert_eq!(settings.admin, Some(tcp("127.0.0.1:8081")));
        assert_eq!(settings.upstream.unwrap().to_string(), "http://127.0.0.1:9000");
        assert_eq!(settings.policy, Path::new("policy"));
        assert_eq!(settings.workers, CORES);
        assert_eq!(settings.access_log, LogSink::Stdout);
        assert!(!settings.allow_monitor && !settings.limits.decode_requests);
        let decodes = read(None, &[over("decode_requests", "true")], CORES).1.unwrap();
        assert!(decodes.limits.decode_requests);
        assert!(read(None, &[over("allow_monitor", "true")], CORES).1.unwrap().allow_monitor);
        assert!(read(None, &[over("allow_monitor", "maybe")], CORES).1.is_err());
    }

    #[test]
    fn the_file_that_we_ship_says_the_defaults() {
        let shipped = include_str!("../../config/portcullis.yaml");
        let settings = good(shipped, &[]);
        let mut defaults = read(None, &[], CORES).1.unwrap();
        defaults.policy = PathBuf::from("/etc/portcullis/policy/");
        defaults.origins = settings.origins.clone();
        assert_eq!(format!("{settings:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn paths_start_from_the_file_and_those_of_overrides_from_the_current_folder() {
        let text = "listen: [unix:p.sock, {address: '[::1]:1', proxy_protocol: false}]\n\
                    policy: policies\nlog: {access: access.log}\n";
        let settings = good(text, &[]);
        let socket = PathBuf::from("/etc/portcullis/p.sock");
        assert_eq!(settings.listen, [Listen::plain(ListenAddress::Unix(socket)), plain("[::1]:1")]);
        assert_eq!(settings.policy, Path::new("/etc/portcullis/policies"));
        assert_eq!(settings.access_log, LogSink::File("/etc/portcullis/access.log".into()));
        let settings = good(text, &[over("policy", "p"), over("log.access", "/a/b")]);
        assert_eq!(settings.policy, Path::new("p"));
        assert_eq!(settings.access_log, LogSink::File("/a/b".into()));
    }

    #[test]
    fn it_is_known_who_names_the_policy_and_the_admin_listener() {
        let by = |text: &str, overrides: &[Override]| {
            let origins = good(text, overrides).origins;
            assert_eq!(origins.file.as_deref(), Some("p.yaml"));
            (origins.of_policy(), origins.of_admin())
        };
        let admin = over("admin", "off");
        let (policy, admin) = by("workers: 2\npolicy: policies\n", &[admin]);
        assert_eq!(policy, "`policy` in p.yaml:2:9 says so");
        assert_eq!(admin, "`PORTCULLIS_ADMIN` says so");
        let flag = Override { origin: "--policy".into(), ..over("policy", "flagged") };
        let (policy, admin) = by("policy: policies\n", &[over("policy", "p"), flag]);
        assert_eq!(policy, "`--policy` says so");
        let default = "that is the default; `--admin`, `PORTCULLIS_ADMIN` or `admin` in a settings \
                       file names another one";
        assert_eq!(admin, default);
        assert_eq!(read(None, &[], CORES).1.unwrap().origins, Origins::default());
    }

    #[test]
    fn the_default_upstream_is_one_endpoint_or_a_list_of_them() {
        let shown = |text: &str, overrides: &[Override]| {
            good(text, overrides).upstream.map(|endpoints| endpoints.to_string())
        };
        let two = Some("http://a:80, http://b:81".to_owned());
        assert_eq!(shown("upstream: [http://a, 'http://b:81']\n", &[]), two);
        assert_eq!(shown("upstream: http://c\n", &[over("upstream", "http://a,http://b:81")]), two);
        assert_eq!(shown("upstream: http://c\n", &[]), Some("http://c:80".to_owned()));
        bad("upstream: []\n", &[], &[(Setting, "[]", "p.yaml")]);
        bad("upstream: 3\n", &[], &[(WrongType, "3", "p.yaml")]);
        bad("upstream: [http://a, http://a]\n", &[], &[(BadValue, "http://a", "p.yaml")]);
        bad("upstream: [http://a, https://b]\n", &[], &[(BadValue, "https://b", "p.yaml")]);
        bad(
            "upstream: http://c\n",
            &[over("upstream", "http://a,b")],
            &[(BadValue, "b", "PORTCULLIS_UPSTREAM")],
        );
    }

    #[test]
    fn overrides_win_and_the_last_of_them() {
        let overrides = [
            over("listen", "127.0.0.1:1,unix:/x"),
            over("workers", "7"),
            over("admin", "127.0.0.1:2"),
            over("admin", "off"),
            over("limits.max_body", "2KiB"),
            over("limits.drain", "1m"),
            over("log.access", "off"),
        ];
        let settings = good("workers: 2\nlimits: {max_body: 4KiB, idle: 5s}\n", &overrides);
        assert_eq!(settings.listen, [plain("127.0.0.1:1"), plain("unix:/x")]);
        assert_eq!((settings.workers, settings.admin), (7, None));
        assert_eq!(settings.limits.max_body, 2048);
        assert_eq!(settings.limits.idle, Duration::from_secs(5));
        assert_eq!(settings.limits.drain, Duration::from_secs(60));
        assert_eq!(settings.access_log, LogSink::Off);
    }

    #[test]
    fn every_key_has_a_variable() {
        for key in keys() {
            let name = variable(&key);
            let (found, report) = from_environment([(name.clone(), "x".to_owned())]);
            assert_eq!(found, [Override { origin: name, key, value: "x".into() }]);
            assert!(report.is_empty());
        }
    }

    #[test]
    fn variables_that_are_ours_are_known_and_others_are_not_read() {
        let set = |name: &str| from_environment([(name.to_owned(), "1".to_owned())]);
        for name in [
            "PATH",
            "PORTCULLIS_CONFIG",
            "PORTCULLIS_PORT",
            "PORTCULLIS_PORT_8080_TCP",
            "PORTCULLIS_SERVICE_HOST",
            "PORTCULLIS_ADMIN_SERVICE_PORT",
        ] {
            assert_eq!(set(name), (Vec::new(), Report::default()), "{name}");
        }
        let (found, report) = set("PORTCULLIS_WORKER");
        assert!(found.is_empty());
        let problem = &report.problems()[0];
        assert_eq!(problem.help.as_deref(), Some("did you mean `PORTCULLIS_WORKERS`?"));
    }

    #[test]
    fn all_mistakes_come_in_one_run_with_their_places() {
        bad(
            "listn: 1\nlisten: ':80'\nworkers: 0\nlog: {format: xml}\nlimits: {max_body: 1KB, idle: 5}\n",
            &[over("upstream", "api:80"), over("limits.drain", "soon")],
            &[
                (UnknownKey, "listn", "p.yaml"),
                (BadValue, "':80'", "p.yaml"),
                (BadValue, "0", "p.yaml"),
                (BadValue, "xml", "p.yaml"),
                (BadValue, "1KB", "p.yaml"),
                (WrongType, "5", "p.yaml"),
                (BadValue, "api:80", "PORTCULLIS_UPSTREAM"),
                (BadValue, "soon", "PORTCULLIS_LIMITS_DRAIN"),
            ],
        );
        bad("- 1\n", &[over("workers", "1")], &[(WrongType, "- 1", "p.yaml")]);
    }

    #[test]
    fn what_is_not_enforced_is_refused_by_name() {
        bad(
            "policy: {etcd: [a], prefix: /p}\nlog: {audit: file}\n",
            &[],
            &[
                (NotEnforced, "etcd", "p.yaml"),
                (NotEnforced, "prefix", "p.yaml"),
                (NotEnforced, "audit", "p.yaml"),
            ],
        );
        good("log: {audit: stdout, format: json}\n", &[]);
    }

    #[test]
    fn p16_the_admin_listener_stays_on_this_machine() {
        bad("admin: 0.0.0.0:1\n", &[], &[(Setting, "0.0.0.0:1", "p.yaml")]);
        assert_eq!(good("admin: 'off'\n", &[]).admin, None);
        assert_eq!(good("admin: off\n", &[]).admin, None);
    }

    #[test]
    fn listeners_do_not_collide() {
        bad(
            "listen: [127.0.0.1:1, 0.0.0.0:1]\n",
            &[],
            &[(Setting, "[127.0.0.1:1, 0.0.0.0:1]", "p.yaml")],
        );
        bad("listen: []\n", &[], &[(Setting, "[]", "p.yaml")]);
        bad("admin: 127.0.0.1:8080\n", &[], &[(Setting, "127.0.0.1:8080", "p.yaml")]);
    }

    #[test]
    fn limits_have_ranges() {
        let accepted = |key: &str, value: &str| {
            let text = format!("limits: {{{key}: {value}}}\n");
            read(Some(&file(&text)), &[], CORES).1.is_ok()
        };
        for (key, low, high) in [
            ("max_target", [255_u64, 256, 257], [32_767, 32_768, 32_769]),
            ("max_header_bytes", [8_191, 8_192, 8_193], [1_048_575, 1_048_576, 1_048_577]),
            ("max_body", [1_023, 1_024, 1_025], [1_073_741_823, 1_073_741_824, 1_073_741_825]),
            ("max_headers", [9, 10, 11], [9_999, 10_000, 10_001]),
            ("json_depth", [0, 1, 2], [511, 512, 513]),
            ("inflate", [65_535, 65_536, 65_537], [(1_u64 << 40) - 1, 1 << 40, (1 << 40) + 1]),
            ("inflate_ratio", [0, 1, 2], [99_999, 100_000, 100_001]),
            ("streams", [0, 1, 2], [9_999, 10_000, 10_001]),
            ("connections", [0, 1, 2], [999_999, 1_000_000, 1_000_001]),
        ] {
            assert_eq!(low.map(|n| accepted(key, &n.to_string())), [false, true, true], "{key}");
            assert_eq!(high.map(|n| accepted(key, &n.to_string())), [true, true, false], "{key}");
        }
        for (value, fits) in
            [("99ms", false), ("100ms", true), ("101ms", true), ("3599s", true), ("1h", true)]
        {
            assert_eq!(accepted("idle", value), fits, "{value}");
        }
        assert!(!accepted("idle", "3601s"));
        assert!(!accepted("max_target", "16KiB, max_header_bytes: 8KiB"));
    }

    #[test]
    fn workers_have_a_limit() {
        let workers = |n: u64| read(None, &[over("workers", &n.to_string())], CORES).1;
        assert_eq!(workers(MAX_WORKERS - 1).unwrap().workers, 1023);
        assert_eq!(workers(MAX_WORKERS).unwrap().workers, 1024);
        assert!(workers(MAX_WORKERS + 1).is_err());
        assert_eq!(good("workers: auto\n", &[]).workers, CORES);
    }
}
