//! What upstreams are told, and what they ask of us.

use super::{Fields, Shape};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::node::Node;
use crate::policy::raw::{RawAssertion, RawCredential, RawTell, RawToldHeaders, Text};
use crate::source::Spanned;
use std::time::Duration;

pub(super) const TELL: Shape =
    Shape { what: "`tell`", keys: &["headers", "assertion"], unenforced: &[] };

pub(super) const TOLD: Shape = Shape {
    what: "`headers` of `tell`",
    keys: &["user", "org", "app", "roles", "policy"],
    unenforced: &[],
};

pub(super) const ASSERTION: Shape = Shape {
    what: "`assertion`",
    keys: &["header", "keys", "algorithm", "issuer", "audience", "ttl"],
    unenforced: &[],
};

pub(super) const SIGNING_KEY: Shape =
    Shape { what: "signing key", keys: &["file"], unenforced: &[] };

pub(super) const CREDENTIAL: Shape =
    Shape { what: "`credential`", keys: &["header", "file"], unenforced: &[] };

pub(super) fn tell(node: &Node, report: &mut Report) -> Option<RawTell> {
    let mut fields = Fields::open(node, &TELL, report)?;
    Some(RawTell {
        span: node.span,
        headers: fields.node("headers").and_then(|node| headers(node, fields.report())),
        assertion: fields.node("assertion").and_then(|node| assertion(node, fields.report())),
    })
}

pub(super) fn credential(node: &Node, report: &mut Report) -> Option<RawCredential> {
    let mut fields = Fields::open(node, &CREDENTIAL, report)?;
    let (header, file) = (fields.required_text("header"), fields.required_text("file"));
    Some(RawCredential { header: header?, file: file? })
}

fn headers(node: &Node, report: &mut Report) -> Option<RawToldHeaders> {
    let mut fields = Fields::open(node, &TOLD, report)?;
    Some(RawToldHeaders {
        user: fields.text("user"),
        org: fields.text("org"),
        app: fields.text("app"),
        roles: fields.text("roles"),
        policy: fields.text("policy"),
    })
}

fn assertion(node: &Node, report: &mut Report) -> Option<RawAssertion> {
    let mut fields = Fields::open(node, &ASSERTION, report)?;
    let header = fields.required_text("header");
    fields.required_node("keys");
    let assertion = RawAssertion {
        span: node.span,
        keys: fields.list("keys", key).unwrap_or_default(),
        algorithm: fields.text("algorithm"),
        issuer: fields.text("issuer"),
        audience: fields.text("audience"),
        ttl: ttl(&mut fields),
        header: header?,
    };
    Some(assertion)
}

fn key(node: &Node, report: &mut Report) -> Option<Text> {
    Fields::open(node, &SIGNING_KEY, report)?.required_text("file")
}

fn ttl(fields: &mut Fields<'_, '_>) -> Option<Spanned<u64>> {
    let typed = fields.text("ttl")?;
    let life = humantime::parse_duration(&typed.value).ok();
    let whole = life.filter(|life| TTL.contains(life) && life.subsec_nanos() == 0);
    if whole.is_none() {
        let message = format!("`{}` is no life of a statement", typed.value);
        let problem = Diagnostic::error(Code::BadValue, typed.span, message)
            .help("write whole seconds, from `5s` to `1h`");
        fields.report().push(problem);
    }
    whole.map(|life| Spanned::new(life.as_secs(), typed.span))
}

/// Shorter, and clocks that differ a little refuse it; longer, and it is no short-lived one.
const TTL: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(3_600);
