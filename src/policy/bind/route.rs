//! Upstreams and routes.

use super::{Fields, Shape, WAIT, condition, duration, tell, text};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::{
    BodyKind, MODES, RawCors, RawHeaders, RawHealth, RawRoute, RawUpstream, RawUpstreamTls,
    RequestKind, Update,
};
use crate::policy::upstream::{Protocol, Timeouts};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Answers in a row that turn what is known of an endpoint.
pub(super) const MAX_IN_A_ROW: u64 = 100;

/// How long an endpoint may take to say that it is well.
const PROBE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);

pub(super) const UPSTREAM: Shape = Shape {
    what: "upstream",
    keys: &["id", "url", "host", "protocol", "credential", "tls", "timeouts", "health"],
    unenforced: &[],
};

pub(super) const UPSTREAM_TLS: Shape =
    Shape { what: "`tls`", keys: &["ca", "cert", "key", "server_name"], unenforced: &[] };

pub(super) const TIMEOUTS: Shape =
    Shape { what: "`timeouts`", keys: &["connect", "response", "idle", "total"], unenforced: &[] };

pub(super) const HEALTH: Shape = Shape {
    what: "`health`",
    keys: &["path", "interval", "timeout", "healthy", "unhealthy", "status"],
    unenforced: &[],
};

pub(super) const ROUTE: Shape = Shape {
    what: "route",
    keys: &[
        "match",
        "host",
        "upstream",
        "org",
        "app",
        "verbs",
        "upsert",
        "update",
        "public",
        "request",
        "response",
        "params",
        "credential",
        "mode",
        "strip_prefix",
        "headers",
        "when",
        "upgrade",
        "sentinels",
        "cors",
    ],
    unenforced: &[],
};

pub(super) const CORS: Shape = Shape {
    what: "`cors`",
    keys: &["origins", "headers", "expose", "credentials", "max_age"],
    unenforced: &[],
};

pub(super) const HEADERS: Shape =
    Shape { what: "`headers`", keys: &["remove", "set"], unenforced: &[] };

pub(super) fn upstream(node: &Node, report: &mut Report) -> Option<RawUpstream> {
    let mut fields = Fields::open(node, &UPSTREAM, report)?;
    let (id, mut urls) = (fields.required_text("id"), fields.one_or_more("url").into_iter());
    let (url, others) = (urls.next(), urls.collect());
    match fields.required_node("url") {
        Some(node) if node.kind == NodeKind::List(vec![]) => {
            let problem = Diagnostic::error(Code::BadValue, node.span, "`url` names no endpoint")
                .help("write one URL, or a list of them");
            fields.report().push(problem);
        }
        _ => {}
    }
    let host = fields.text("host");
    let protocol = fields
        .word("protocol", &[("http/1.1", Some(Protocol::Http1)), ("h2", Some(Protocol::Http2))]);
    let credential = fields.node("credential");
    let credential = credential.and_then(|node| tell::credential(node, fields.report()));
    let tls = match fields.node("tls") {
        // Without it, this would be another upstream.
        Some(node) => Some(upstream_tls(node, fields.report())?),
        None => None,
    };
    let timeouts = fields.node("timeouts").and_then(|node| timeouts(node, fields.report()));
    let health = match fields.node("health") {
        // Without it, requests would go where they should not.
        Some(node) => Some(health(node, fields.report())?),
        None => None,
    };
    let (id, url, span) = (id?, url?, node.span);
    Some(RawUpstream { span, id, url, others, host, protocol, credential, tls, timeouts, health })
}

fn timeouts(node: &Node, report: &mut Report) -> Option<Timeouts> {
    let mut fields = Fields::open(node, &TIMEOUTS, report)?;
    Some(Timeouts {
        connect: duration(&mut fields, "connect", WAIT),
        response: duration(&mut fields, "response", WAIT),
        idle: duration(&mut fields, "idle", WAIT),
        total: duration(&mut fields, "total", WAIT),
    })
}

fn health(node: &Node, report: &mut Report) -> Option<RawHealth> {
    let mut fields = Fields::open(node, &HEALTH, report)?;
    let path = fields.required_text("path");
    Some(RawHealth {
        interval: duration(&mut fields, "interval", WAIT),
        timeout: duration(&mut fields, "timeout", PROBE),
        healthy: fields.number("healthy", 1..=MAX_IN_A_ROW),
        unhealthy: fields.number("unhealthy", 1..=MAX_IN_A_ROW),
        status: fields.number("status", 200..=599),
        path: path?,
    })
}

fn upstream_tls(node: &Node, report: &mut Report) -> Option<RawUpstreamTls> {
    let mut fields = Fields::open(node, &UPSTREAM_TLS, report)?;
    let (cert, key) = (fields.text("cert"), fields.text("key"));
    match (&cert, &key) {
        (Some(_), None) => fields.missing("key"),
        (None, Some(_)) => fields.missing("cert"),
        _ => {}
    }
    let (ca, server_name) = (fields.text("ca"), fields.text("server_name"));
    Some(RawUpstreamTls { span: node.span, ca, cert, key, server_name })
}

pub(super) fn route(node: &Node, report: &mut Report) -> Option<RawRoute> {
    let mut fields = Fields::open(node, &ROUTE, report)?;
    let pattern = fields.required_text("match");
    let route = RawRoute {
        span: node.span,
        host: fields.text("host"),
        upstream: fields.text("upstream"),
        org: fields.text("org"),
        app: fields.text("app"),
        verbs: fields.pairs("verbs", |method, node, report| {
            text(node, format_args!("the letter of `{}`", method.value), method.span, report)
        }),
        upsert: fields.flag("upsert"),
        update: fields.word(
            "update",
            &[
                ("merge", Some(Update::Merge)),
                ("replace", Some(Update::Replace)),
                ("merge_hidden", Some(Update::MergeHidden)),
            ],
        ),
        public: fields.text("public"),
        request: fields.word(
            "request",
            &[
                ("json", Some(RequestKind::Json)),
                ("form", Some(RequestKind::Form)),
                ("multipart", Some(RequestKind::Multipart)),
                ("opaque", Some(RequestKind::Opaque)),
            ],
        ),
        response: fields.word(
            "response",
            &[
                ("json", Some(BodyKind::Json)),
                ("opaque", Some(BodyKind::Opaque)),
                ("events", Some(BodyKind::Events)),
            ],
        ),
        params_keep: fields.word("params", &[("keep", Some(true))]).is_some(),
        credential_pass: fields
            .word("credential", &[("pass", Some(true)), ("strip", Some(false))])
            .is_some_and(|pass| pass.value),
        mode: fields.word("mode", &MODES),
        strip_prefix: fields.text("strip_prefix"),
        headers: match fields.node("headers") {
            Some(node) => headers(node, fields.report())?,
            None => RawHeaders::default(),
        },
        when: condition::tests(&mut fields)?,
        sentinels: fields.texts("sentinels"),
        upgrade: fields.word("upgrade", &[("websocket", Some(true))]).is_some(),
        cors: match fields.node("cors") {
            Some(node) => Some(cors(node, fields.report())?),
            None => None,
        },
        pattern: pattern?,
    };
    Some(route)
}

fn headers(node: &Node, report: &mut Report) -> Option<RawHeaders> {
    let mut fields = Fields::open(node, &HEADERS, report)?;
    Some(RawHeaders {
        remove: fields.texts("remove"),
        set: fields.pairs("set", |name, node, report| {
            text(node, format_args!("the value of `{}`", name.value), name.span, report)
        }),
    })
}

fn cors(node: &Node, report: &mut Report) -> Option<RawCors> {
    let mut fields = Fields::open(node, &CORS, report)?;
    Some(RawCors {
        span: node.span,
        origins: fields.texts("origins"),
        headers: fields.texts("headers"),
        expose: fields.texts("expose"),
        credentials: fields.flag("credentials"),
        max_age: fields.text("max_age"),
    })
}
