//! Headers that conditions read must go on as they were read: else what was decided is not what
//! the upstream gets.

use super::address;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::header;
use crate::policy::pattern::Pattern;
use crate::policy::raw::{RawPolicy, RawRoute, RawTest, Text};
use http::HeaderName;

/// A header that a condition reads, and the path beside it.
struct Read<'a> {
    selector: &'a Text,
    name: HeaderName,
    path: &'a Text,
}

/// Reports conditions on headers that never reach an upstream as a client sent them, and routes
/// that change one which a condition reads.
pub(super) fn headers_go_on(raw: &RawPolicy, report: &mut Report) {
    let taken = address::taken(raw);
    let all = reads(raw);
    for read in &all {
        if !header::is_carried(&read.name) || taken.iter().any(|t| header::is_same(t, &read.name)) {
            let message = format!("`{}` is not the client's to say", read.name);
            report.push(Diagnostic::error(Code::BadValue, read.selector.span, message).help(
                "credentials, statements about the caller and fields about the message or the way \
                 here do not go on as they came: compare `client.ip`, `claims.NAME`, or a header \
                 that is passed on",
            ));
        }
    }
    for route in raw.routes.iter().flatten() {
        let changed = route.headers.remove.iter();
        for typed in changed.chain(route.headers.set.iter().map(|(name, _)| name)) {
            unread(typed, route, &all, report);
        }
    }
}

/// Reports a header that a route changes although a condition on its paths reads it.
fn unread(typed: &Text, route: &RawRoute, all: &[Read<'_>], report: &mut Report) {
    let Ok(name) = typed.value.parse::<HeaderName>() else { return };
    let here =
        |read: &&Read<'_>| header::is_same(&read.name, &name) && meet(read.path, &route.pattern);
    if let Some(read) = all.iter().find(here) {
        let message = format!("`{}` is read by a condition, and changed here", typed.value);
        report.push(
            Diagnostic::error(Code::BadValue, typed.span, message)
                .also(read.selector.span, "the condition")
                .help("what the policy reads goes on as it was read: take one of the two out"),
        );
    }
}

/// Whether some path fits both; what is no pattern is reported elsewhere.
fn meet(a: &Text, b: &Text) -> bool {
    let both = Pattern::parse(&a.value).ok().zip(Pattern::parse(&b.value).ok());
    both.is_some_and(|(a, b)| a.unifies(&b))
}

fn reads(raw: &RawPolicy) -> Vec<Read<'_>> {
    let defaults = &raw.role_defaults;
    let by_default = [&defaults.app, &defaults.org, &defaults.any].into_iter().flatten();
    let grants = raw.roles.iter().flat_map(|role| &role.grants).chain(by_default);
    let of_grants = grants.map(|grant| (&grant.path, &grant.conditions.when));
    let of_routes = raw.routes.iter().flatten().map(|route| (&route.pattern, &route.when));
    let mut all = Vec::new();
    for (path, tests) in of_grants.chain(of_routes) {
        let named = tests.iter().filter_map(|test| Some((&test.selector, header_of(test)?)));
        all.extend(named.map(|(selector, name)| Read { selector, name, path }));
    }
    all
}

fn header_of(test: &RawTest) -> Option<HeaderName> {
    test.selector.value.strip_prefix("header.")?.parse().ok()
}
