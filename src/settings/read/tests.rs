//! What a settings file and its overrides come to.

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
    let shipped = include_str!("../../../config/portcullis.yaml");
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
    bad("upstream: {url: http://a}\n", &[], &[(WrongType, "{url: http://a}", "p.yaml")]);
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
fn a_port_alone_is_told_to_have_an_address() {
    let (_, settings) = read(Some(&file("listen: [8080, {address: 81}]\nadmin: 80800\n")), &[], 1);
    let report = settings.unwrap_err();
    let helps: Vec<_> = report.problems().iter().map(|one| one.help.as_deref()).collect();
    let of = |port: u16| {
        format!(
            "say on which address: `127.0.0.1:{port}`, or `0.0.0.0:{port}` and `[::]:{port}` for all"
        )
    };
    let (first, second) = (of(8080), of(81));
    assert_eq!(helps[..2], [Some(first.as_str()), Some(second.as_str())]);
    assert!(helps[2].unwrap().contains("`127.0.0.1:8080`"), "{helps:?}");
}

#[test]
fn a_policy_in_place_of_settings_is_one_mistake() {
    let policy = "policy: 1\nroles: []\nroutes: []\n";
    let wrong = over("workers", "none");
    bad(policy, &[wrong], &[(Setting, "1", "p.yaml"), (BadValue, "none", "PORTCULLIS_WORKERS")]);
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
