//! Upstreams and routes.

use super::{Fields, Harmless, Shape, condition, not_enforced, text};
use crate::diag::Report;
use crate::policy::node::Node;
use crate::policy::raw::{BodyKind, RawRoute, RawUpstream, Text, Update};

pub(super) const UPSTREAM: Shape = Shape {
    what: "upstream",
    keys: &["id", "url", "host"],
    unenforced: &[
        ("tls", Harmless::Never),
        ("timeouts", Harmless::Empty),
        ("credential", Harmless::Never),
    ],
};

pub(super) const ROUTE: Shape = Shape {
    what: "route",
    keys: &[
        "match",
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
        "when",
    ],
    unenforced: &[
        ("host", Harmless::Never),
        ("upgrade", Harmless::Never),
        ("headers", Harmless::Empty),
        ("strip_prefix", Harmless::Never),
        ("cors", Harmless::Never),
        ("sentinels", Harmless::Empty),
        ("mode", Harmless::Word("enforce")),
    ],
};

pub(super) fn upstream(node: &Node, report: &mut Report) -> Option<RawUpstream> {
    let mut fields = Fields::open(node, &UPSTREAM, report)?;
    let (id, url) = (fields.required_text("id"), fields.required_text("url"));
    let host = fields.text("host");
    Some(RawUpstream { span: node.span, id: id?, url: url?, host })
}

pub(super) fn route(node: &Node, report: &mut Report) -> Option<RawRoute> {
    let mut fields = Fields::open(node, &ROUTE, report)?;
    let pattern = fields.required_text("match");
    let route = RawRoute {
        span: node.span,
        upstream: fields.text("upstream"),
        org: selector(&mut fields, "org"),
        app: selector(&mut fields, "app"),
        verbs: fields.pairs("verbs", |method, node, report| {
            text(node, &format!("the letter of `{}`", method.value), method.span, report)
        }),
        upsert: fields.flag("upsert"),
        update: fields.word(
            "update",
            &[
                ("merge", Some(Update::Merge)),
                ("replace", Some(Update::Replace)),
                ("merge_hidden", None),
            ],
        ),
        public: fields.text("public"),
        request: fields.word(
            "request",
            &[
                ("json", Some(BodyKind::Json)),
                ("opaque", Some(BodyKind::Opaque)),
                ("form", None),
                ("multipart", None),
            ],
        ),
        response: fields.word(
            "response",
            &[("json", Some(BodyKind::Json)), ("opaque", Some(BodyKind::Opaque)), ("events", None)],
        ),
        params_keep: fields.word("params", &[("keep", Some(true))]).is_some(),
        credential_pass: fields
            .word("credential", &[("pass", Some(true)), ("strip", Some(false))])
            .is_some_and(|pass| pass.value),
        when: condition::tests(&mut fields)?,
        pattern: pattern?,
    };
    Some(route)
}

/// Where the organization or application of a request is named. Claims alone are enforced yet;
/// what is none of the three is judged with the rest of the route.
fn selector(fields: &mut Fields<'_, '_>, key: &str) -> Option<Text> {
    let typed = fields.text(key)?;
    let source = typed.value.split('.').next().unwrap_or_default();
    match source {
        "header" | "host" if typed.value.len() > source.len() => {
            fields.report().push(not_enforced(&format!("{key}: {source}."), typed.span));
            None
        }
        _ => Some(typed),
    }
}
