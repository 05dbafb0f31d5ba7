//! Conditions of grants and routes, from what was typed to what is compared.

use super::paths::{ResolvedType, pattern};
use crate::diag::{Code, Diagnostic, Report, suggestion};
use crate::filter::pick;
use crate::policy::access::Access;
use crate::policy::condition::{
    Conditions, Fact, Field, Keep, Object, Owner, Part, Piece, Require, Selector, Test, Value,
    Wanted,
};
use crate::policy::pattern::{Pattern, Segment};
use crate::policy::raw::{RawConditions, RawKeep, RawOwner, RawRequire, RawTest, Text};
use crate::source::Span;

mod windows;

/// The conditions of one grant, and the path of the object that they look at, if they name one.
pub(super) struct Found {
    pub conditions: Conditions,
    pub reads: Option<(Pattern, Span)>,
}

/// What the conditions of a grant stand beside.
pub(super) struct Beside<'a> {
    pub pattern: &'a Pattern,
    pub access: Access,
    pub span: Span,
    pub types: &'a [ResolvedType],
}

/// `None`, and a report, where a condition means nothing: a grant does not count without it.
pub(super) fn conditions(
    typed: &RawConditions,
    beside: &Beside<'_>,
    report: &mut Report,
) -> Option<Found> {
    let when = tests(&typed.when, beside.pattern, report);
    let owner = typed.owner.as_ref().map(|typed| owner(typed, beside, report));
    let keep = typed.keep.as_ref().map(|typed| keep(typed, beside, report));
    let require = typed.require.as_ref().map(|typed| require(typed, beside, report));
    let reads = owner.as_ref().and_then(|found| found.as_ref()?.1.clone());
    let query =
        typed.query.as_ref().map(|names| names.iter().map(|name| name.value.as_str().into()));
    let conditions = Conditions {
        when: when?,
        query: query.map(Iterator::collect),
        owner: transpose(owner)?.map(|(owner, _)| owner),
        keep: transpose(keep)?,
        require: transpose(require)?,
    };
    Some(Found { conditions, reads })
}

fn transpose<T>(found: Option<Option<T>>) -> Option<Option<T>> {
    match found {
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
        None => Some(None),
    }
}

/// `when`, of a grant or a route with this pattern.
pub(super) fn tests(typed: &[RawTest], path: &Pattern, report: &mut Report) -> Option<Box<[Test]>> {
    let tests: Vec<_> = typed.iter().map(|typed| test(typed, path, report)).collect();
    tests.into_iter().collect()
}

fn test(typed: &RawTest, path: &Pattern, report: &mut Report) -> Option<Test> {
    let selector = selector(&typed.selector, path, report)?;
    let wanted = match selector {
        Selector::ClientIp => each(&typed.values, report, network).map(Wanted::Within),
        Selector::Time => each(&typed.values, report, windows::window).map(Wanted::During),
        _ => values(&typed.values, report).map(Wanted::OneOf),
    };
    Some(Test { selector, wanted: wanted? })
}

fn selector(typed: &Text, path: &Pattern, report: &mut Report) -> Option<Selector> {
    let (source, name) = typed.value.split_once('.').unwrap_or((&typed.value, ""));
    let found = match (source, name) {
        ("client", "ip") => Some(Selector::ClientIp),
        ("peer", "id") => Some(Selector::Peer),
        ("time", "") => Some(Selector::Time),
        ("query" | "claims" | "header" | "param", "") => None,
        ("query", name) => Some(Selector::Query(name.into())),
        ("claims", name) => Some(Selector::Claim(name.into())),
        ("header", name) => http::HeaderName::try_from(name).ok().map(Selector::Header),
        ("param", name) => match path.param(name) {
            Some(at) => Some(Selector::Param(at)),
            None => {
                let message = format!("`{path}` captures no `{{{name}}}`");
                report.push(Diagnostic::error(Code::BadValue, typed.span, message).help(
                    "`param.NAME` is a segment that the path beside it captures as `{NAME}`",
                ));
                return None;
            }
        },
        _ => None,
    };
    if found.is_none() {
        let message = format!("`{}` is nothing that a condition can look at", typed.value);
        report.push(Diagnostic::error(Code::BadValue, typed.span, message).help(
            "write `param.NAME`, `query.NAME`, `header.NAME`, `claims.NAME`, `client.ip`, \
             `peer.id` or `time`",
        ));
    }
    found
}

fn network(typed: &Text, report: &mut Report) -> Option<ipnet::IpNet> {
    let text = typed.value.as_str();
    let net = text.parse().ok().or_else(|| Some(text.parse::<std::net::IpAddr>().ok()?.into()));
    if net.is_none() {
        let message = format!("`{text}` is no address and no network");
        report.push(
            Diagnostic::error(Code::BadValue, typed.span, message)
                .help("write `10.0.0.0/8`, `2001:db8::/32`, or one address"),
        );
    }
    net
}

/// Every one of them, or none where one means nothing.
fn each<T>(
    typed: &[Text],
    report: &mut Report,
    read: impl Fn(&Text, &mut Report) -> Option<T>,
) -> Option<Box<[T]>> {
    let found: Vec<_> = typed.iter().map(|typed| read(typed, report)).collect();
    found.into_iter().collect()
}

fn values(typed: &[Text], report: &mut Report) -> Option<Box<[Value]>> {
    each(typed, report, value)
}

/// A literal, `subject.…`, `claims.NAME`, or a template with such in braces.
fn value(typed: &Text, report: &mut Report) -> Option<Value> {
    let text = typed.value.as_str();
    if text.starts_with("subject.") || text.starts_with("claims.") {
        return fact(text, typed, report).map(Value::Of);
    }
    if !text.contains(['{', '}']) {
        return Some(Value::Literal(text.into()));
    }
    template(text, typed, report).map(Value::Template)
}

fn template(text: &str, typed: &Text, report: &mut Report) -> Option<Box<[Part]>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = match after.split_once('}') {
            Some(split) if !before.contains('}') => split,
            _ => return bad_braces(typed, report),
        };
        if !before.is_empty() {
            parts.push(Part::Literal(before.into()));
        }
        let fact = fact(name, typed, report)?;
        if is_list(&fact) {
            let message = format!("`{name}` is a list, and a text can hold one value");
            report.push(
                Diagnostic::error(Code::BadValue, typed.span, message)
                    .help(format!("compare with `{name}` itself, without other text and braces")),
            );
            return None;
        }
        parts.push(Part::Of(fact));
        rest = after;
    }
    if rest.contains('}') {
        return bad_braces(typed, report);
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.into()));
    }
    Some(parts.into())
}

fn bad_braces<T>(typed: &Text, report: &mut Report) -> Option<T> {
    let message = format!("the braces in `{}` do not fit together", typed.value);
    report.push(
        Diagnostic::error(Code::BadValue, typed.span, message)
            .help("write a fact about the caller in braces: `Patient/{claims.patient}`"),
    );
    None
}

fn is_list(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Roles | Fact::Apps | Fact::Orgs | Fact::VisibleRoles | Fact::AssignableRoles
    )
}

/// The facts about a caller, as they are typed.
const FACTS: &[(&str, Fact)] = &[
    ("subject.id", Fact::Id),
    ("subject.email", Fact::Email),
    ("subject.org", Fact::Org),
    ("subject.app", Fact::App),
    ("subject.roles", Fact::Roles),
    ("subject.apps", Fact::Apps),
    ("subject.orgs", Fact::Orgs),
    ("subject.visible_roles", Fact::VisibleRoles),
    ("subject.assignable_roles", Fact::AssignableRoles),
];

fn fact(text: &str, typed: &Text, report: &mut Report) -> Option<Fact> {
    if let Some(name) = text.strip_prefix("claims.").filter(|name| !name.is_empty()) {
        return Some(Fact::Claim(name.into()));
    }
    if let Some((_, fact)) = FACTS.iter().find(|(name, _)| *name == text) {
        return Some(fact.clone());
    }
    let message = format!("`{text}` is no fact about the caller");
    let problem = Diagnostic::error(Code::BadValue, typed.span, message);
    let names = || FACTS.iter().map(|(name, _)| *name);
    report.push(match suggestion(text, names()) {
        Some(near) => problem.help(near),
        None => problem.help(format!(
            "write `claims.NAME`, or one of `{}`",
            names().collect::<Vec<_>>().join("`, `")
        )),
    });
    None
}

type FoundOwner = (Owner, Option<(Pattern, Span)>);

fn owner(typed: &RawOwner, beside: &Beside<'_>, report: &mut Report) -> Option<FoundOwner> {
    let field = field(&typed.field, report);
    let items = typed.items.as_ref().map(|items| place(items, report));
    let is = match &typed.is {
        None => Some(Value::Of(Fact::Id)),
        Some(typed) => value(typed, report),
    };
    let (of, reads) = match &typed.of {
        Some(of) => {
            let (at, pieces) = object(of, beside, report)?;
            race(&at, of, beside, report);
            (Some(Object::At(pieces)), Some((at, of.span)))
        }
        None => (itself(typed, beside, report)?, None),
    };
    let owner = Owner { field: field?, of, is: is?, items: transpose(items)? };
    Some((owner, reads))
}

/// Without `of`, a change can be judged only where the path is the object.
fn itself(typed: &RawOwner, beside: &Beside<'_>, report: &mut Report) -> Option<Option<Object>> {
    let whole = |at: &super::ResolvedAt| {
        at.pointer.is_empty() && !at.pattern.is_subtree() && same_shape(&at.pattern, beside.pattern)
    };
    if !beside.pattern.is_subtree() && beside.types.iter().flat_map(|kind| &kind.ats).any(whole) {
        return Some(Some(Object::Itself));
    }
    let changes = beside.access.has(Access::UPDATE) || beside.access.has(Access::DELETE);
    if !changes {
        return Some(None);
    }
    let message = "nothing tells who the owner is before the object is changed";
    report.push(
        Diagnostic::error(Code::OwnerUncheckable, typed.span, message)
            .also(beside.span, "this grant lets objects be changed")
            .help(
                "name the object's path: `of: \"/chats/{id}\"`. It can be left out where the \
                 grant's path has no `/**` and a resource type has an `at` of that path with \
                 `pointer: \"\"`",
            ),
    );
    None
}

fn same_shape(a: &Pattern, b: &Pattern) -> bool {
    a.covers(b) && b.covers(a)
}

/// `of`: the path of an object, its parameters captured by the grant's path.
fn object(of: &Text, beside: &Beside<'_>, report: &mut Report) -> Option<(Pattern, Box<[Piece]>)> {
    let at = pattern(of, report)?;
    if at.is_subtree() {
        report.push(
            Diagnostic::error(Code::GrantPath, of.span, "an object has one path, not a subtree")
                .help("take the `/**` away"),
        );
        return None;
    }
    let piece = |segment: &Segment| match segment {
        Segment::Literal(text) => Ok(Piece::Literal((**text).into())),
        Segment::Param(name) => {
            beside.pattern.param(name).map(Piece::Segment).ok_or_else(|| name.clone())
        }
    };
    match at.segments().iter().map(piece).collect::<Result<_, _>>() {
        Ok(pieces) => Some((at, pieces)),
        Err(name) => {
            let message = format!("`{}` captures no `{{{name}}}`", beside.pattern);
            report.push(
                Diagnostic::error(Code::GrantPath, of.span, message)
                    .help("name the segment in the grant's `path` as well"),
            );
            None
        }
    }
}

/// OWNER_RACE: the object that is looked at is not the one that is written, so no `If-Match` can
/// hold the two together.
fn race(at: &Pattern, of: &Text, beside: &Beside<'_>, report: &mut Report) {
    let writes = beside.access != Access::READ;
    if writes && (beside.pattern.is_subtree() || !same_shape(at, beside.pattern)) {
        let message = "the owner of this object may change before the write beside it arrives";
        report.push(Diagnostic::warning(Code::OwnerRace, of.span, message).help(
            "where that matters, give the path of the object itself a grant of its own: there its \
             ETag becomes `If-Match` on the write",
        ));
    }
}

fn keep(typed: &RawKeep, beside: &Beside<'_>, report: &mut Report) -> Option<Keep> {
    let items = typed.items.as_ref().map(|items| place(items, report));
    let (field, among) = (field(&typed.field, report), values(&typed.among, report));
    if beside.access != Access::READ {
        let message = "`keep` chooses rows of what is read, and this grant allows more";
        report.push(
            Diagnostic::error(Code::GrantAccess, typed.span, message)
                .also(beside.span, "this grant")
                .help("write a grant of its own for `r`, with `keep`, and one for the rest"),
        );
        return None;
    }
    Some(Keep { items: transpose(items)?, field: field?, among: among? })
}

fn require(typed: &RawRequire, beside: &Beside<'_>, report: &mut Report) -> Option<Require> {
    let (field, among) = (field(&typed.field, report), values(&typed.among, report));
    if !beside.access.has(Access::CREATE) && !beside.access.has(Access::UPDATE) {
        let message = "`require` limits what is written, and this grant lets nothing be written";
        report.push(
            Diagnostic::error(Code::GrantAccess, typed.span, message)
                .also(beside.span, "this grant")
                .help("take `require` out, or give the letter `c` or `u`"),
        );
        return None;
    }
    Some(Require { field: field?, among: among? })
}

fn field(typed: &Text, report: &mut Report) -> Option<Field> {
    let at = path(typed, report)?;
    let parse = |pointer: &str| pick::Path::parse(pointer).ok();
    let ends = typed.value.match_indices('/').map(|(end, _)| end).filter(|end| *end > 0);
    let above: Option<Box<[_]>> = ends.map(|end| parse(&typed.value[..end])).collect();
    Some(Field { at, above: above?, in_each: parse(&format!("/*{}", typed.value))? })
}

fn path(typed: &Text, report: &mut Report) -> Option<pick::Path> {
    pick::Path::parse(&typed.value)
        .map_err(|error| {
            let message = format!("`{}` is no JSON pointer: {error}", typed.value);
            report.push(
                Diagnostic::error(Code::BadValue, typed.span, message)
                    .help("write `/user_id` for a member, `/owners/*/id` for any of several"),
            );
        })
        .ok()
}

/// Where rows are: a pointer to one list.
fn place(typed: &Text, report: &mut Report) -> Option<pick::Path> {
    if typed.value.split('/').any(|token| token == "*") {
        let message = format!("`{}` is not one place", typed.value);
        report.push(
            Diagnostic::error(Code::BadValue, typed.span, message)
                .help("name the list itself: `/data`, or `\"\"` where it is the body"),
        );
        return None;
    }
    path(typed, report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Spanned;

    fn text(value: &str) -> Text {
        Spanned::new(value.into(), Span::default())
    }

    #[test]
    fn values_are_literals_facts_or_templates() {
        let read = |typed: &str| value(&text(typed), &mut Report::default());
        assert_eq!(read("admin"), Some(Value::Literal("admin".into())));
        assert_eq!(read("subject.id"), Some(Value::Of(Fact::Id)));
        assert_eq!(read("claims.team"), Some(Value::Of(Fact::Claim("team".into()))));
        let patient = [Part::Literal("Patient/".into()), Part::Of(Fact::Claim("patient".into()))];
        assert_eq!(read("Patient/{claims.patient}"), Some(Value::Template(patient.into())));
        for bad in ["subject.name", "claims.", "a{b", "a}b", "}{", "{subject.roles}", "{x}"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn selectors_name_facts_of_the_head() {
        let path = Pattern::parse("/users/{user}").unwrap();
        let read = |typed: &str| selector(&text(typed), &path, &mut Report::default());
        assert_eq!(read("param.user"), Some(Selector::Param(1)));
        assert_eq!(read("query.q.x"), Some(Selector::Query("q.x".into())));
        assert_eq!(read("client.ip"), Some(Selector::ClientIp));
        assert_eq!(read("time"), Some(Selector::Time));
        assert_eq!(read("peer.id"), Some(Selector::Peer));
        for bad in [
            "param.id",
            "query.",
            "header.a b",
            "time.x",
            "client.port",
            "subject.id",
            "",
            "peer.name",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
