//! What authenticators fetch from elsewhere.

use super::identity::JWKS;
use super::{Fields, Shape, duration, size};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::node::Node;
use crate::policy::raw::{RawIntrospection, RawKeyUrl, RawKeys, RawSecret, Text};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How often keys are fetched again. More often is a load for the issuer; a key that is removed
/// there counts here for as long.
const REFRESH: RangeInclusive<Duration> = seconds(1)..=seconds(86_400);

/// The least time between two fetches that tokens ask for.
const COOL_DOWN: RangeInclusive<Duration> = seconds(1)..=seconds(3_600);

/// How old keys may get while the issuer cannot be reached.
const MAX_STALE: RangeInclusive<Duration> = seconds(1)..=seconds(30 * 86_400);

/// An answer's bytes.
const BYTES: RangeInclusive<u64> = 1024..=1024 * 1024;

/// From the beginning of a fetch to its end.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=seconds(60);

/// How long what an issuer says of a token is believed.
const CACHE: RangeInclusive<Duration> = seconds(1)..=seconds(3_600);

/// The same of a refusal.
const NEGATIVE: RangeInclusive<Duration> = seconds(1)..=seconds(300);

/// A request waits for the answer.
const ANSWER: RangeInclusive<Duration> = Duration::from_millis(100)..=seconds(4);

pub(super) const INTROSPECTION: Shape = Shape {
    what: "introspection authenticator",
    keys: &[
        "url",
        "ca",
        "client",
        "tokens",
        "issuer",
        "audience",
        "claims",
        "prefix",
        "cache",
        "negative",
        "timeout",
        "concurrency",
    ],
    unenforced: &[],
};

pub(super) const CLIENT: Shape =
    Shape { what: "`client`", keys: &["id", "secret"], unenforced: &[] };

/// An issuer that is asked about opaque tokens.
pub(super) fn introspection(node: &Node, report: &mut Report) -> Option<RawIntrospection> {
    let mut fields = Fields::open(node, &INTROSPECTION, report)?;
    let url = fetched(&mut fields);
    let client = fields.required_node("client").and_then(|node| client(node, fields.report()));
    let claims = fields.node("claims").map(|node| super::identity::claims(node, fields.report()));
    let read = RawIntrospection {
        span: node.span,
        ca: fields.text("ca"),
        tokens: fields.text("tokens"),
        issuer: fields.text("issuer"),
        audience: fields.texts("audience"),
        claims: claims.unwrap_or_default(),
        prefix: fields.text("prefix"),
        cache: duration(&mut fields, "cache", CACHE),
        negative: duration(&mut fields, "negative", NEGATIVE),
        timeout: duration(&mut fields, "timeout", ANSWER),
        concurrency: fields.number("concurrency", 1..=MAX_CONCURRENCY),
        url,
        client_id: client.as_ref()?.0.clone(),
        secret: client?.1,
    };
    Some(read)
}

/// Questions to one issuer at a time, at most.
pub(super) const MAX_CONCURRENCY: u64 = 100;

fn client(node: &Node, report: &mut Report) -> Option<(Text, RawSecret)> {
    let mut fields = Fields::open(node, &CLIENT, report)?;
    let id = fields.required_text("id");
    let secret = fields.required_node("secret")?;
    let secret = super::identity::secret(secret, fields.report());
    Some((id?, secret?))
}

/// `jwks: {file}` or `jwks: {url, …}`
pub(super) fn jwks(node: &Node, report: &mut Report) -> Option<RawKeys> {
    let mut fields = Fields::open(node, &JWKS, report)?;
    if fields.node("url").is_none() {
        let file = fields.required_text("file");
        alone(&mut fields, &JWKS.keys[2..]);
        return file.map(RawKeys::JwksFile);
    }
    alone(&mut fields, &["file"]);
    let url = RawKeyUrl {
        ca: fields.text("ca"),
        refresh: duration(&mut fields, "refresh", REFRESH),
        cool_down: duration(&mut fields, "cool_down", COOL_DOWN),
        max_stale: duration(&mut fields, "max_stale", MAX_STALE),
        max_bytes: size(&mut fields, "max_bytes", BYTES),
        timeout: duration(&mut fields, "timeout", TIMEOUT),
        url: fetched(&mut fields)?,
    };
    Some(RawKeys::JwksUrl(Box::new(url)))
}

/// Keys that mean nothing beside the source that was chosen.
fn alone(fields: &mut Fields<'_, '_>, others: &[&str]) {
    for key in others {
        if let Some(node) = fields.node(key) {
            let message =
                format!("a key set has either a `file` or a `url`, and `{key}` is of the other");
            let problem =
                Diagnostic::error(Code::BadValue, node.span, message).help("take one out");
            fields.report().push(problem);
        }
    }
}

/// A URL that may be fetched: `https://`, or `http://` on this machine.
fn fetched(fields: &mut Fields<'_, '_>) -> Option<Text> {
    let typed = fields.required_text("url")?;
    let Err(why) = may_be_fetched(&typed.value) else { return Some(typed) };
    let message = format!("`{}` {why}", typed.value);
    let problem = Diagnostic::error(Code::BadValue, typed.span, message)
        .help("write `https://HOST/PATH`; `http://` only to a loopback address");
    fields.report().push(problem);
    None
}

fn may_be_fetched(url: &str) -> Result<(), &'static str> {
    let uri: http::Uri = url.parse().map_err(|_| "is not a URL")?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or("names no host")?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("holds a user or a password");
    }
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = match address.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if loopback => Ok(()),
        Some("http") => Err("would be fetched without TLS, and anybody on the way could change it"),
        _ => Err("is not a URL of HTTP"),
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p07_only_https_or_this_machine() {
        for good in [
            "https://id.example/jwks",
            "https://id.example",
            "HTTPS://id.example/a?b=c",
            "https://10.0.0.1:8443/jwks",
            "http://127.0.0.1:9000/jwks",
            "http://localhost/jwks",
            "http://[::1]:1/jwks",
        ] {
            assert_eq!(may_be_fetched(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/jwks",
            "id.example/jwks",
            "ftp://id.example/jwks",
            "file:///etc/passwd",
            "http://id.example/jwks",
            "http://10.0.0.1/jwks",
            "http://localhost.example/jwks",
            "http://127.0.0.1.nip.io/jwks",
            "http://127.0.0.1@id.example/jwks",
            "https://user:secret@id.example/jwks",
            "https:///jwks",
            "https://a b/",
        ] {
            assert!(may_be_fetched(bad).is_err(), "{bad}");
        }
    }
}
