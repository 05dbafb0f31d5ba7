//! What an upstream gets instead of what the client sent: a path without its prefix, header fields.

use super::address;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::pattern::{Pattern, Segment};
use crate::policy::raw::{RawRoute, Text};
use http::{HeaderName, HeaderValue};

/// Header fields that one route may remove, and as many that it may set.
pub const MAX_HEADERS: usize = 32;

/// What is changed on the way to the upstream, after everything has been decided.
#[derive(Clone, Debug, Default)]
pub struct Carriage {
    /// Segments at the beginning of the path that do not go on.
    pub strip: usize,
    /// Fields that do not go on, in any spelling.
    pub remove: Vec<HeaderName>,
    /// Fields that stand in place of the client's.
    pub set: Vec<(HeaderName, HeaderValue)>,
}

pub(super) fn of(
    route: &RawRoute,
    pattern: &Pattern,
    taken: &[HeaderName],
    report: &mut Report,
) -> Carriage {
    let reads = [&route.org, &route.app].into_iter().flatten();
    let read = reads.filter_map(|typed| typed.value.strip_prefix("header.")?.parse().ok());
    let taken: Vec<HeaderName> = taken.iter().cloned().chain(read).collect();
    for list in [route.headers.remove.len(), route.headers.set.len()] {
        if list > MAX_HEADERS {
            let message = format!("this route changes {list} header fields at once");
            report.push(
                Diagnostic::error(Code::TooLarge, route.span, message)
                    .help(format!("name at most {MAX_HEADERS}")),
            );
        }
    }
    let remove = route.headers.remove.iter().filter_map(|typed| name(typed, &taken, report));
    let remove = remove.collect();
    let set = route.headers.set.iter();
    let set = set.filter_map(|(key, typed)| name(key, &taken, report).zip(value(typed, report)));
    let set = set.collect();
    let strip = route.strip_prefix.as_ref().map_or(0, |typed| strip(typed, pattern, report));
    Carriage { strip, remove, set }
}

/// The number of segments. All of them are literal in `match`, so that every path on the route
/// begins with them and what is left has one reading.
fn strip(typed: &Text, pattern: &Pattern, report: &mut Report) -> usize {
    let prefix = Pattern::parse(&typed.value).ok().filter(|prefix| !prefix.is_subtree());
    let literal = |segment: &Segment| matches!(segment, Segment::Literal(text) if !text.is_empty());
    let begins = prefix.as_ref().is_some_and(|prefix| {
        prefix.segments().iter().all(literal) && pattern.segments().starts_with(prefix.segments())
    });
    if let (true, Some(prefix)) = (begins, prefix) {
        return prefix.segments().len();
    }
    let message = format!("`{pattern}` does not begin with the segments of `{}`", typed.value);
    report.push(
        Diagnostic::error(Code::BadValue, typed.span, message)
            .help("write literal segments that `match` begins with, without a slash at the end"),
    );
    0
}

fn name(typed: &Text, taken: &[HeaderName], report: &mut Report) -> Option<HeaderName> {
    let name = typed.value.parse::<HeaderName>().ok();
    let (message, help) = match name {
        Some(name) if address::is_free(&name, taken) => return Some(name),
        Some(_) => (
            format!("`{}` is not a route's to change", typed.value),
            "fields that frame or negotiate a message, credentials, and those that say who is \
             calling, are the proxy's; one that the policy reads goes on as it was read",
        ),
        None => (format!("`{}` is no header name", typed.value), "write letters, digits and `-`"),
    };
    report.push(Diagnostic::error(Code::BadValue, typed.span, message).help(help));
    None
}

fn value(typed: &Text, report: &mut Report) -> Option<HeaderValue> {
    let visible = typed.value.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    let value = HeaderValue::from_str(&typed.value).ok().filter(|_| visible);
    if value.is_none() {
        let message = "this is no header value";
        report.push(
            Diagnostic::error(Code::BadValue, typed.span, message)
                .help("write visible ASCII characters"),
        );
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::bind;
    use crate::policy::yaml;
    use crate::source::FileId;

    fn problems(more: &str) -> usize {
        let text = format!("policy: 1\nroutes: [{{match: \"/api/v1/{{id}}/**\", {more}}}]\n");
        let mut report = Report::default();
        let root = yaml::parse(FileId(0), &text, &mut report).expect("YAML");
        let raw = bind::policy(&root, &mut report);
        let route = &raw.routes.expect("routes")[0];
        assert!(report.is_empty(), "{:?}", report.problems());
        let pattern = Pattern::parse(&route.pattern.value).expect("a pattern");
        of(route, &pattern, &[], &mut report);
        report.problems().len()
    }

    #[test]
    fn a_prefix_is_of_literal_segments_of_the_route() {
        for (prefix, wrong) in [
            ("/api", 0),
            ("/api/v1", 0),
            ("/", 1),
            ("/api/", 1),
            ("/ap", 1),
            ("/api/v2", 1),
            ("api", 1),
            ("/api/**", 1),
            ("/api/v1/{id}", 1),
        ] {
            assert_eq!(problems(&format!("strip_prefix: \"{prefix}\"")), wrong, "{prefix}");
        }
    }

    #[test]
    fn p03_no_route_says_who_is_calling_or_where_a_message_ends() {
        for name in [
            "Host",
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "Authorization",
            "Cookie",
            "X-Portcullis-User",
            "x_portcullis_org",
            "X-Forwarded-For",
            "Content-Type",
            "Accept",
            "X-Tenant",
            "x_tenant",
            "a b",
        ] {
            let org = "org: header.X-Tenant";
            assert_eq!(problems(&format!("{org}, headers: {{remove: [\"{name}\"]}}")), 1, "{name}");
            assert_eq!(
                problems(&format!("{org}, headers: {{set: {{\"{name}\": x}}}}")),
                1,
                "{name}"
            );
        }
        assert_eq!(problems("headers: {remove: [X-Debug], set: {X-Env: prod}}"), 0);
        assert_eq!(problems("headers: {set: {X-Env: \"a\\tb\"}}"), 1);
        assert_eq!(problems("headers: {set: {X-Env: é}}"), 1);
    }

    #[test]
    fn the_number_of_fields_is_limited() {
        for (count, wrong) in [(MAX_HEADERS - 1, 0), (MAX_HEADERS, 0), (MAX_HEADERS + 1, 1)] {
            let names: Vec<_> = (0..count).map(|n| format!("x-{n}")).collect();
            assert_eq!(problems(&format!("headers: {{remove: [{}]}}", names.join(", "))), wrong);
        }
    }
}
