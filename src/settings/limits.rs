//! The named limits, each with the range in which it makes sense.

use super::Limits;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::bind::{Fields, Shape, WAIT, duration, rate, size};
use crate::policy::node::{Node, NodeKind};
use std::ops::RangeInclusive;
use std::time::Duration;

pub(super) const LIMITS: Shape = Shape {
    what: "`limits`",
    keys: &[
        "header_timeout",
        "body_idle",
        "write_idle",
        "connect",
        "upstream_head",
        "upstream_total",
        "upstream_requests",
        "eject_after",
        "ejection",
        "upstream_idle",
        "upstream_lookup",
        "handshake",
        "drain",
        "idle",
        "max_target",
        "max_headers",
        "max_header_bytes",
        "max_body",
        "object",
        "json_depth",
        "inflate",
        "inflate_ratio",
        "streams",
        "resets",
        "control_frames",
        "connections",
        "tunnel_idle",
        "stream_revocation",
        "auth_failures",
        "auth_window",
        "body_min_rate",
        "in_flight_bytes",
        "source_connections",
    ],
    unenforced: &[],
};

/// The worker's clock ticks ten times a second, and half of this is left for a look at an object.
const REVOCATION: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);

/// A target's positions are kept in 16 bits.
const TARGET: RangeInclusive<u64> = 256..=32 * KIB;

/// hyper reads a head into at least 8 KiB.
const HEAD: RangeInclusive<u64> = 8 * KIB..=1024 * KIB;

const BODY: RangeInclusive<u64> = KIB..=1024 * 1024 * KIB;
const OBJECT: RangeInclusive<u64> = KIB..=64 * 1024 * KIB;
const HEADERS: RangeInclusive<u64> = 10..=10_000;

/// What is decoded is not held, so it may be large; under 64 KiB no ratio is asked.
const INFLATE: RangeInclusive<u64> = 64 * KIB..=1024 * 1024 * 1024 * KIB;
const RATIO: RangeInclusive<u64> = 1..=100_000;
const DEPTH: RangeInclusive<u64> = 1..=512;
const STREAMS: RangeInclusive<u64> = 1..=10_000;
const RESETS: RangeInclusive<u64> = 1..=100_000;

/// A connection needs some to come about.
const CONTROL: RangeInclusive<u64> = 100..=10_000_000;

const EJECT_AFTER: RangeInclusive<u64> = 1..=1_000;

/// 0 asks for none.
const MIN_RATE: RangeInclusive<u64> = 0..=1024 * 1024 * KIB;
const IN_FLIGHT: RangeInclusive<u64> = 1024 * KIB..=1024 * 1024 * 1024 * KIB;
const CONNECTIONS: RangeInclusive<u64> = 1..=1_000_000;
const FAILURES: RangeInclusive<u64> = 1..=1_000_000;

/// Shorter ones would forget before a guesser had to wait.
const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);

const KIB: u64 = 1024;

/// The limits, and whether requests are decoded within them.
pub(super) fn all(settings: &mut Fields<'_, '_>) -> Limits {
    let node = settings.node("limits");
    let named = node.map(|node| limits(node, settings.report())).unwrap_or_default();
    let decode_requests = settings.flag("decode_requests").is_some_and(|typed| typed.value);
    Limits { decode_requests, ..named }
}

/// Reads the limits; what is not given keeps its default.
fn limits(node: &Node, report: &mut Report) -> Limits {
    let mut limits = Limits::default();
    let Some(mut fields) = Fields::open(node, &LIMITS, report) else { return limits };
    for (key, limit) in [
        ("header_timeout", &mut limits.header_timeout),
        ("body_idle", &mut limits.body_idle),
        ("write_idle", &mut limits.write_idle),
        ("connect", &mut limits.connect),
        ("upstream_head", &mut limits.upstream_head),
        ("upstream_total", &mut limits.upstream_total),
        ("ejection", &mut limits.ejection),
        ("upstream_idle", &mut limits.upstream_idle),
        ("upstream_lookup", &mut limits.upstream_lookup),
        ("handshake", &mut limits.handshake),
        ("drain", &mut limits.drain),
        ("idle", &mut limits.idle),
        ("tunnel_idle", &mut limits.tunnel_idle),
    ] {
        set(limit, duration(&mut fields, key, WAIT));
    }
    let revocation = duration(&mut fields, "stream_revocation", REVOCATION);
    set(&mut limits.stream_revocation, revocation);
    set(&mut limits.max_target, size(&mut fields, "max_target", TARGET));
    set(&mut limits.max_header_bytes, size(&mut fields, "max_header_bytes", HEAD));
    set(&mut limits.max_body, size(&mut fields, "max_body", BODY));
    set(&mut limits.object, size(&mut fields, "object", OBJECT));
    set(&mut limits.max_headers, count(&mut fields, "max_headers", HEADERS));
    set(&mut limits.json_depth, count(&mut fields, "json_depth", DEPTH));
    let inflate = size(&mut fields, "inflate", INFLATE);
    set(&mut limits.inflate, inflate.and_then(|bytes| u64::try_from(bytes).ok()));
    set(&mut limits.inflate_ratio, count(&mut fields, "inflate_ratio", RATIO));
    set(&mut limits.streams, count(&mut fields, "streams", STREAMS));
    set(&mut limits.resets, count(&mut fields, "resets", RESETS));
    set(&mut limits.control_frames, count(&mut fields, "control_frames", CONTROL));
    set(&mut limits.auth_failures, count(&mut fields, "auth_failures", FAILURES));
    set(&mut limits.auth_window, duration(&mut fields, "auth_window", WINDOW));
    set(&mut limits.connections, count(&mut fields, "connections", CONNECTIONS));
    set(&mut limits.upstream_requests, count(&mut fields, "upstream_requests", CONNECTIONS));
    set(&mut limits.eject_after, count(&mut fields, "eject_after", EJECT_AFTER));
    set(&mut limits.source_connections, count(&mut fields, "source_connections", CONNECTIONS));
    set(&mut limits.body_min_rate, rate(&mut fields, "body_min_rate", MIN_RATE));
    limits.in_flight_bytes = in_flight(&mut fields);
    if limits.max_target > limits.max_header_bytes {
        let message = "`max_target` is larger than `max_header_bytes`, which includes it";
        report.push(
            Diagnostic::error(Code::Setting, node.span, message)
                .help("raise `max_header_bytes`, or lower `max_target`"),
        );
    }
    limits
}

/// A size, or `auto`, which is found out at the start.
fn in_flight(fields: &mut Fields<'_, '_>) -> Option<usize> {
    match &fields.node("in_flight_bytes")?.kind {
        NodeKind::Text(text) if text == "auto" => None,
        _ => size(fields, "in_flight_bytes", IN_FLIGHT),
    }
}

fn set<T>(limit: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *limit = value;
    }
}

fn count<T: TryFrom<u64>>(
    fields: &mut Fields<'_, '_>,
    key: &str,
    range: RangeInclusive<u64>,
) -> Option<T> {
    let number = fields.number(key, range)?;
    T::try_from(number.value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::yaml;
    use crate::settings::{SettingsFile, read};
    use crate::source::FileId;
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    /// What the file that we ship says of limits, its signs of a comment taken off.
    fn shipped() -> String {
        let lines = include_str!("../../config/portcullis.yaml").lines();
        let limits = lines.skip_while(|line| *line != "# limits:");
        limits.map(|line| line.strip_prefix("# ").expect(line).to_owned() + "\n").collect()
    }

    #[test]
    fn the_file_that_we_ship_has_all_limits_with_their_defaults() {
        let text = shipped();
        let tree = yaml::parse(FileId(0), &text, &mut Report::default()).expect("limits");
        let Some(NodeKind::Map(entries)) = tree.get("limits").map(|node| &node.kind) else {
            panic!("{text}")
        };
        let named: BTreeSet<&str> = entries.iter().map(|(key, _)| &*key.value).collect();
        assert_eq!(named, LIMITS.keys.iter().copied().collect());
        let file = SettingsFile { name: "p.yaml".into(), text, folder: PathBuf::new() };
        let limits = read(Some(&file), &[], 1).1.expect("good settings").limits;
        assert_eq!(format!("{limits:?}"), format!("{:?}", Limits::default()));
    }
}
