//! Authenticators, except for API keys.

use super::{Fields, Harmless, Shape, keys, not_enforced};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::{RawClaims, RawForwarded, RawIdentity, RawJwt, RawKeys, RawSecret, Text};

/// Clocks may differ by this many seconds at most.
pub(super) const MAX_LEEWAY: u64 = 300;

pub(super) const IDENTITY: Shape = Shape {
    what: "`identity`",
    keys: &["jwt", "api_keys", "forwarded", "same_users"],
    unenforced: &[("mtls", Harmless::Never)],
};

pub(super) const JWT: Shape = Shape {
    what: "jwt authenticator",
    keys: &[
        "issuer",
        "audience",
        "algorithms",
        "jwks",
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
    keys: &["file"],
    unenforced: &[
        ("url", Harmless::Never),
        ("ca", Harmless::Never),
        ("refresh", Harmless::Never),
        ("cool_down", Harmless::Never),
        ("max_stale", Harmless::Never),
        ("max_bytes", Harmless::Never),
        ("timeout", Harmless::Never),
    ],
};

pub(super) const SECRET: Shape = Shape { what: "secret", keys: &["file", "env"], unenforced: &[] };

pub(super) const CLAIMS: Shape = Shape {
    what: "`claims`",
    keys: &["user", "org", "app", "roles", "email"],
    unenforced: &[("map", Harmless::Empty)],
};

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
    identity.same_users = fields.flag("same_users").is_some_and(|same| same.value);
    identity
}

fn jwt(node: &Node, report: &mut Report) -> Option<RawJwt> {
    let mut fields = Fields::open(node, &JWT, report)?;
    let issuer = fields.required_text("issuer");
    for key in ["audience", "algorithms"] {
        fields.required_node(key);
    }
    let keys = verification_keys(&mut fields);
    let jwt = RawJwt {
        span: node.span,
        audience: fields.texts("audience"),
        algorithms: fields.texts("algorithms"),
        claims: fields.node("claims").map(|node| claims(node, fields.report())).unwrap_or_default(),
        leeway: fields.number("leeway", 0..=MAX_LEEWAY),
        prefix: fields.text("prefix"),
        typ: token_type(&mut fields),
        cookie: fields.text("cookie"),
        origins: fields.texts("origins"),
        issuer: issuer?,
        keys: keys?,
    };
    Some(jwt)
}

/// `jwks` or `secrets`: exactly one.
fn verification_keys(fields: &mut Fields<'_, '_>) -> Option<RawKeys> {
    match (fields.node("jwks"), fields.node("secrets")) {
        (Some(jwks), None) => jwks_file(jwks, fields.report()).map(RawKeys::JwksFile),
        (None, Some(_)) => fields.list("secrets", secret).map(RawKeys::Secrets),
        (None, None) => {
            fields.missing("jwks");
            None
        }
        (Some(jwks), Some(secrets)) => {
            let message = "an issuer has either `jwks` or `secrets`, not both";
            let problem = Diagnostic::error(Code::BadValue, secrets.span, message)
                .also(jwks.span, "the other one")
                .help("list the issuer twice if it signs in both ways");
            fields.report().push(problem);
            None
        }
    }
}

fn jwks_file(node: &Node, report: &mut Report) -> Option<Text> {
    let mut fields = Fields::open(node, &JWKS, report)?;
    // A `url` alone has been refused by name already.
    if fields.node("url").is_some() { fields.text("file") } else { fields.required_text("file") }
}

fn secret(node: &Node, report: &mut Report) -> Option<RawSecret> {
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

fn claims(node: &Node, report: &mut Report) -> RawClaims {
    let Some(mut fields) = Fields::open(node, &CLAIMS, report) else {
        return RawClaims::default();
    };
    RawClaims {
        user: claim(&mut fields, "user"),
        org: claim(&mut fields, "org"),
        app: claim(&mut fields, "app"),
        roles: claim(&mut fields, "roles"),
        email: claim(&mut fields, "email"),
    }
}

/// Names or pointers. Roles picked from a list of objects, or kept per organization, are not
/// enforced yet.
fn claim(fields: &mut Fields<'_, '_>, key: &str) -> Vec<Text> {
    if let Some(node) = fields.node(key)
        && matches!(node.kind, NodeKind::Map(_))
    {
        fields.report().push(not_enforced(&format!("{key}: {{items, key, value}}"), node.span));
        return Vec::new();
    }
    let mut names = fields.one_or_more(key);
    names.retain(|name| {
        let per_org = name.value.contains("{org}");
        if per_org {
            fields.report().push(not_enforced(&format!("{key}: {}", name.value), name.span));
        }
        !per_org
    });
    names
}

fn token_type(fields: &mut Fields<'_, '_>) -> Option<Text> {
    let typed = fields.text("typ")?;
    fields.word("typ", &[("at+jwt", Some(()))]).map(|_| typed)
}

fn forwarded(node: &Node, report: &mut Report) -> Option<RawForwarded> {
    let mut fields = Fields::open(node, &FORWARDED, report)?;
    fields.required_node("peers");
    let user = fields.required_text("user");
    let forwarded = RawForwarded {
        span: node.span,
        peers: fields.texts("peers"),
        org: fields.text("org"),
        app: fields.text("app"),
        roles: fields.text("roles"),
        email: fields.text("email"),
        prefix: fields.text("prefix"),
        user: user?,
    };
    Some(forwarded)
}
