//! Where a route finds the organization and the application that a request addresses.

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::header;
use crate::policy::host::HostPattern;
use crate::policy::pattern::Pattern;
use crate::policy::raw::{RawPolicy, RawRoute, Text};
use http::HeaderName;
use std::sync::Arc;

/// Where a route finds the id of the organization or application that a request addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// It addresses none.
    None,
    /// In this segment of the path.
    Segment(usize),
    /// In this verified claim.
    Claim(Arc<str>),
    /// In this header of the request.
    Header(HeaderName),
    /// In the first label of the host, to which the route gives a name.
    HostLabel,
}

/// What is addressed.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Org,
    App,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Org => "org",
            Kind::App => "app",
        }
    }
}

/// Where a route finds an id: as its key says, or, without one, where its path or its host captures
/// one of that name.
pub(super) fn of(
    route: &RawRoute,
    kind: Kind,
    (pattern, host): (&Pattern, Option<&HostPattern>),
    taken: &[HeaderName],
    report: &mut Report,
) -> Address {
    let typed = match kind {
        Kind::Org => &route.org,
        Kind::App => &route.app,
    };
    if let Some(typed) = typed {
        return written(typed, host, taken, report).unwrap_or(Address::None);
    }
    let name = kind.name();
    let label = host.and_then(HostPattern::label).is_some_and(|label| **label == *name);
    match (pattern.param(name), label) {
        (Some(_), true) => {
            let message = format!("both the host and the path of this route name `{{{name}}}`");
            let span = route.host.as_ref().map_or(route.span, |host| host.span);
            report.push(
                Diagnostic::error(Code::BadValue, span, message)
                    .also(route.pattern.span, "the other one")
                    .help("give one of the two another name"),
            );
            Address::None
        }
        (Some(at), false) => Address::Segment(at),
        (None, true) => Address::HostLabel,
        (None, false) => Address::None,
    }
}

/// The headers in which credentials of this policy, or statements about callers, stand.
pub(super) fn taken(raw: &RawPolicy) -> Vec<HeaderName> {
    let secrets = raw.upstreams.iter().filter_map(|upstream| upstream.credential.as_ref());
    let secrets = secrets.map(|credential| &credential.header);
    let parse = |name: &Text| name.value.parse().ok();
    let Some(identity) = &raw.identity else { return secrets.filter_map(parse).collect() };
    let told = identity.tell.iter().flat_map(|tell| {
        let headers = tell.headers.iter().flat_map(|headers| headers.iter());
        headers.chain(tell.assertion.iter().map(|assertion| &assertion.header))
    });
    let keys = identity.api_keys.iter().flat_map(|keys| &keys.header);
    let of_peers = identity.forwarded.iter().flat_map(|peers| {
        let more = [&peers.org, &peers.app, &peers.roles, &peers.email];
        [&peers.user].into_iter().chain(more.into_iter().flatten())
    });
    keys.chain(of_peers).chain(told).chain(secrets).filter_map(parse).collect()
}

/// Whether a policy may read an address from a header, or set it: not one that is about the message
/// or the way here, nor one that says who is calling.
pub(super) fn is_free(name: &HeaderName, taken: &[HeaderName]) -> bool {
    !header::is_reserved(name) && !taken.iter().any(|other| header::is_same(other, name))
}

fn written(
    typed: &Text,
    host: Option<&HostPattern>,
    taken: &[HeaderName],
    report: &mut Report,
) -> Option<Address> {
    match typed.value.split_once('.').filter(|(_, name)| !name.is_empty()) {
        Some(("claims", name)) => Some(Address::Claim(name.into())),
        Some(("header", name)) => header_source(name, typed, taken, report),
        Some(("host", name)) => label_source(name, typed, host, report),
        _ => {
            let message = format!("`{}` does not say where the id comes from", typed.value);
            report.push(Diagnostic::error(Code::BadValue, typed.span, message).help(
                "write `claims.NAME` (a verified claim), `header.NAME`, or `host.NAME` (the label \
                 that the route's `host` calls `{NAME}`)",
            ));
            None
        }
    }
}

fn header_source(
    name: &str,
    typed: &Text,
    taken: &[HeaderName],
    report: &mut Report,
) -> Option<Address> {
    let parsed = name.parse::<HeaderName>().ok();
    if let Some(name) = parsed.as_ref().filter(|name| is_free(name, taken)) {
        return Some(Address::Header(name.clone()));
    }
    let (message, help) = match parsed {
        None => (format!("`{name}` is no header name"), "write letters, digits and `-`"),
        Some(_) => (
            format!("`{name}` is no header from which an id can be read"),
            "take one of its own, such as `X-Org`: credentials and what trusted peers say count as \
             claims (`claims.org`), and headers about the message are no addresses",
        ),
    };
    report.push(Diagnostic::error(Code::BadValue, typed.span, message).help(help));
    None
}

fn label_source(
    name: &str,
    typed: &Text,
    host: Option<&HostPattern>,
    report: &mut Report,
) -> Option<Address> {
    if host.and_then(HostPattern::label).is_some_and(|label| **label == *name) {
        return Some(Address::HostLabel);
    }
    let message = format!("the host of this route has no label `{{{name}}}`");
    report.push(
        Diagnostic::error(Code::BadValue, typed.span, message)
            .help(format!("write `host: \"{{{name}}}.example.com\"`, with your own domain")),
    );
    None
}
