//! Authenticators, except for API keys.

use super::{Fields, Shape, keys, mtls, remote, tell, text};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::{
    RawClaims, RawForwarded, RawIdentity, RawJwt, RawKeys, RawRolePlace, RawSecret, Text,
};

/// Clocks may differ by this many seconds at most.
pub(super) const MAX_LEEWAY: u64 = 300;

pub(super) const IDENTITY: Shape = Shape {
    what: "`identity`",
    keys: &["jwt", "api_keys", "mtls", "forwarded", "introspection", "same_users", "tell"],
    unenforced: &[],
};

pub(super) const JWT: Shape = Shape {
    what: "jwt authenticator",
    keys: &[
        "issuer",
        "audience",
        "algorithms",
        "jwks",
        "pem",
        "secrets",
        "claims",
        "leeway",
        "prefix",
        "typ",
        "cookie",
        "origins",
    ],
    unenforced: &[],
};

pub(super) const JWKS: Shape = Shape {
    what: "`jwks`",
    keys: &["file", "url", "ca", "refresh", "cool_down", "max_stale", "max_bytes", "timeout"],
    unenforced: &[],
};

pub(super) const PEM: Shape = Shape { what: "`pem`", keys: &["file"], unenforced: &[] };

pub(super) const SECRET: Shape = Shape { what: "secret", keys: &["file", "env"], unenforced: &[] };

pub(super) const CLAIMS: Shape = Shape {
    what: "`claims`",
    keys: &["user", "org", "app", "roles", "email", "map"],
    unenforced: &[],
};

pub(super) const ROLE_ITEMS: Shape =
    Shape { what: "place of roles", keys: &["items", "key", "value"], unenforced: &[] };

pub(super) const FORWARDED: Shape = Shape {
    what: "`forwarded`",
    keys: &["peers", "user", "org", "app", "roles", "email", "prefix"],
    unenforced: &[],
};

/// Always something: a broken authenticator is left out, but it is not as if there were none.
pub(super) fn identity(node: &Node, report: &mut Report) -> RawIdentity {
    let mut identity = RawIdentity { span: node.span, ..RawIdentity::default() };
    let Some(mut fields) = Fields::open(node, &IDENTITY, report) else { return identity };
    identity.jwt = fields.list("jwt", jwt).unwrap_or_default();
    identity.api_keys =
        fields.node("api_keys").and_then(|node| keys::api_keys(node, fields.report()));
    identity.forwarded = fields.node("forwarded").and_then(|node| forwarded(node, fields.report()));
    identity.mtls = fields.node("mtls").and_then(|node| mtls::mtls(node, fields.report()));
    identity.tell = fields.node("tell").and_then(|node| tell::tell(node, fields.report()));
    identity.introspection =
        fields.list("introspection", remote::introspection).unwrap_or_default();
    identity.same_users = fields.flag("same_users").is_some_and(|same| same.value);
    identity
}

fn jwt(node: &Node, report: &mut Report) -> Option<RawJwt> {
    let mut fields = Fields::open(node, &JWT, report)?;
    let issuer = fields.required_text("issuer");
    let [audience, algorithms] = ["audience", "algorithms"].map(|key| asked(&mut fields, key));
    let keys = verification_keys(&mut fields);
    let jwt = RawJwt {
        span: node.span,
        audience,
        algorithms,
        keys,
        claims: fields.node("claims").map(|node| claims(node, fields.report())).unwrap_or_default(),
        leeway: fields.number("leeway", 0..=MAX_LEEWAY),
        prefix: fields.text("prefix"),
        typ: token_type(&mut fields),
        cookie: fields.text("cookie"),
        origins: fields.texts("origins"),
        issuer: issuer?,
    };
    Some(jwt)
}

/// A list that must be there. One that is there and empty is judged later; one of which nothing can
/// be read has been.
fn asked(fields: &mut Fields<'_, '_>, key: &str) -> Option<Vec<Text>> {
    let node = fields.required_node(key)?;
    let texts = fields.optional_texts(key)?;
    let says_none = matches!(&node.kind, NodeKind::List(items) if items.is_empty());
    (says_none || !texts.is_empty()).then_some(texts)
}

/// `jwks`, `pem` or `secrets`: exactly one.
fn verification_keys(fields: &mut Fields<'_, '_>) -> Option<RawKeys> {
    let sources = ["jwks", "pem", "secrets"].map(|key| fields.node(key));
    match sources {
        [Some(jwks), None, None] => remote::jwks(jwks, fields.report()),
        [None, Some(pem), None] => pem_file(pem, fields.report()).map(RawKeys::Pem),
        [None, None, Some(_)] => fields.list("secrets", secret).map(RawKeys::Secrets),
        [None, None, None] => {
            fields.missing("jwks");
            None
        }
        _ => {
            let mut found = sources.into_iter().flatten();
            let (first, second) = (found.next()?, found.next()?);
            let message = "an issuer has one of `jwks`, `pem` and `secrets`";
            let problem = Diagnostic::error(Code::BadValue, second.span, message)
                .also(first.span, "the other one")
                .help("take one of them out");
            fields.report().push(problem);
            None
        }
    }
}

fn pem_file(node: &Node, report: &mut Report) -> Option<Text> {
    Fields::open(node, &PEM, report)?.required_text("file")
}

pub(super) fn secret(node: &Node, report: &mut Report) -> Option<RawSecret> {
    let mut fields = Fields::open(node, &SECRET, report)?;
    match (fields.text("file"), fields.text("env")) {
        (Some(file), None) => Some(RawSecret::File(file)),
        (None, Some(name)) => Some(RawSecret::Env(name)),
        _ => {
            let problem = Diagnostic::error(Code::BadValue, node.span, "a secret has one source")
                .help("write `{file: PATH}` or `{env: NAME}`");
            report.push(problem);
            None
        }
    }
}

pub(super) fn claims(node: &Node, report: &mut Report) -> RawClaims {
    let Some(mut fields) = Fields::open(node, &CLAIMS, report) else {
        return RawClaims::default();
    };
    RawClaims {
        user: claim(&mut fields, "user"),
        org: claim(&mut fields, "org"),
        app: claim(&mut fields, "app"),
        roles: role_places(&mut fields),
        email: claim(&mut fields, "email"),
        map: fields.pairs("map", |name, node, report| {
            text(node, format_args!("the role of `{}`", name.value), name.span, report)
        }),
    }
}

/// Names or pointers. They are read before it is known which organization a request addresses.
fn claim(fields: &mut Fields<'_, '_>, key: &str) -> Vec<Text> {
    let names = fields.one_or_more(key);
    for name in names.iter().filter(|name| name.value.contains("{org}")) {
        let message = format!("`{key}` cannot depend on the organization");
        let problem = Diagnostic::error(Code::BadValue, name.span, message)
            .help("only `roles` may stand in a place for each organization");
        fields.report().push(problem);
    }
    names
}

/// Places of roles: one, or a list that is tried in order.
fn role_places(fields: &mut Fields<'_, '_>) -> Vec<RawRolePlace> {
    match fields.node("roles") {
        None => Vec::new(),
        Some(Node { kind: NodeKind::List(_), .. }) => {
            fields.list("roles", role_place).unwrap_or_default()
        }
        Some(node) => role_place(node, fields.report()).into_iter().collect(),
    }
}

fn role_place(node: &Node, report: &mut Report) -> Option<RawRolePlace> {
    if !matches!(node.kind, NodeKind::Map(_)) {
        return text(node, "a place of roles", node.span, report).map(RawRolePlace::At);
    }
    let mut fields = Fields::open(node, &ROLE_ITEMS, report)?;
    let parts = ["items", "key", "value"].map(|part| fields.required_text(part));
    let [Some(items), Some(key), Some(value)] = parts else { return None };
    Some(RawRolePlace::Items { items, key, value })
}

fn token_type(fields: &mut Fields<'_, '_>) -> Option<Text> {
    let typed = fields.text("typ")?;
    fields.word("typ", &[("at+jwt", Some(()))]).map(|_| typed)
}

fn forwarded(node: &Node, report: &mut Report) -> Option<RawForwarded> {
    let mut fields = Fields::open(node, &FORWARDED, report)?;
    let peers = asked(&mut fields, "peers");
    let user = fields.required_text("user");
    let forwarded = RawForwarded {
        span: node.span,
        peers,
        org: fields.text("org"),
        app: fields.text("app"),
        roles: fields.text("roles"),
        email: fields.text("email"),
        prefix: fields.text("prefix"),
        user: user?,
    };
    Some(forwarded)
}
