//! What a route lets pages of other origins do.

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::cors::{Cors, Origin, Origins};
use crate::policy::raw::{RawCors, Text};
use crate::source::Span;
use http::{HeaderName, HeaderValue};
use std::time::Duration;

/// Origins that one route may list, and as many header fields of either kind.
pub const MAX_ORIGINS: usize = 64;

/// The longest that browsers remember an answer: a day, which is more than any of them does.
pub const MAX_AGE: Duration = Duration::from_secs(86_400);

pub(super) fn of(typed: &RawCors, report: &mut Report) -> Cors {
    let credentials = typed.credentials.as_ref().is_some_and(|flag| flag.value);
    for list in [&typed.origins, &typed.headers, &typed.expose] {
        bounded(list, typed.span, report);
    }
    let origins = origins(&typed.origins, credentials, typed.span, report);
    Cors {
        origins,
        headers: match typed.headers.is_empty() {
            true => Some(HeaderValue::from_static(DEFAULT_HEADERS)),
            false => names(&typed.headers, report),
        },
        expose: names(&typed.expose, report),
        credentials,
        max_age: typed.max_age.as_ref().and_then(|typed| seconds(typed, report)),
    }
}

fn bounded(list: &[Text], span: Span, report: &mut Report) {
    if list.len() > MAX_ORIGINS {
        let message = format!("`cors` lists {} values at once", list.len());
        let help = format!("list at most {MAX_ORIGINS}");
        report.push(Diagnostic::error(Code::TooLarge, span, message).help(help));
    }
}

fn origins(typed: &[Text], credentials: bool, span: Span, report: &mut Report) -> Origins {
    let any = typed.iter().find(|text| text.value == "*");
    if let Some(any) = any.filter(|_| credentials || typed.len() > 1) {
        let message = "`*` stands alone, and not beside `credentials: true`";
        let help = "list the origins: with cookies, every page in the world could act for its \
                    visitors";
        report.push(Diagnostic::error(Code::BadValue, any.span, message).help(help));
    }
    if typed.is_empty() {
        let message = "`cors` names no `origins`";
        let help = "write `origins: [https://app.example]`, or leave `cors` out";
        report.push(Diagnostic::error(Code::MissingKey, span, message).help(help));
    }
    let listed = typed.iter().filter(|text| text.value != "*");
    let listed: Box<[Origin]> = listed.filter_map(|text| origin(text, report)).collect();
    if any.is_some() { Origins::Any } else { Origins::Listed(listed) }
}

fn origin(typed: &Text, report: &mut Report) -> Option<Origin> {
    let read = Origin::parse(&typed.value);
    if let Err(fault) = &read {
        let message = format!("`{}` is no origin: {fault}", typed.value);
        report.push(Diagnostic::error(Code::BadValue, typed.span, message).help(
            "write scheme, host in lower case and a port that is not the scheme's own, such as \
             `https://app.example`, or `https://*.example.com` for one label",
        ));
    }
    read.ok()
}

/// Names of fields as one value.
fn names(typed: &[Text], report: &mut Report) -> Option<HeaderValue> {
    let mut list = Vec::new();
    for text in typed {
        match text.value.parse::<HeaderName>() {
            Ok(name) => list.push(name.as_str().to_owned()),
            Err(_) => {
                let message = format!("`{}` is no header name", text.value);
                report.push(
                    Diagnostic::error(Code::BadValue, text.span, message)
                        .help("write letters, digits and `-`"),
                );
            }
        }
    }
    HeaderValue::from_str(&list.join(", ")).ok().filter(|value| !value.is_empty())
}

fn seconds(typed: &Text, report: &mut Report) -> Option<HeaderValue> {
    let read = humantime::parse_duration(&typed.value).ok().filter(|age| *age <= MAX_AGE);
    if read.is_none() {
        let message = format!("`{}` is no duration up to a day", typed.value);
        report.push(
            Diagnostic::error(Code::BadValue, typed.span, message).help("write `10m`, for example"),
        );
    }
    read.map(|age| HeaderValue::from(age.as_secs()))
}

/// What a page may set where the policy does not say: what nearly every page has to.
const DEFAULT_HEADERS: &str = "authorization, content-type";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::bind;
    use crate::policy::yaml;
    use crate::source::FileId;

    fn read(more: &str) -> (Option<Cors>, usize) {
        let text = format!("policy: 1\nroutes: [{{match: \"/**\", cors: {{{more}}}}}]\n");
        let mut report = Report::default();
        let root = yaml::parse(FileId(0), &text, &mut report).expect("YAML");
        let raw = bind::policy(&root, &mut report);
        let typed = raw.routes.expect("routes").into_iter().next().and_then(|route| route.cors);
        let cors = typed.map(|typed| of(&typed, &mut report));
        (cors, report.problems().len())
    }

    #[test]
    fn values_are_made_once() {
        let (cors, wrong) = read(
            "origins: [https://a.test], headers: [X-A, x-b], expose: [ETag], credentials: true, \
             max_age: 10m",
        );
        let cors = cors.unwrap();
        assert_eq!((wrong, cors.credentials), (0, true));
        assert_eq!(cors.headers.unwrap(), "x-a, x-b");
        assert_eq!(cors.expose.unwrap(), "etag");
        assert_eq!(cors.max_age.unwrap(), "600");
        let (plain, wrong) = read("origins: [\"*\"]");
        assert_eq!(
            (wrong, plain.unwrap().headers.unwrap()),
            (0, HeaderValue::from_static(DEFAULT_HEADERS))
        );
    }

    #[test]
    fn what_would_open_too_much_or_nothing_is_refused() {
        for (more, wrong) in [
            ("origins: [\"*\"], credentials: true", 1),
            ("origins: [\"*\", https://a.test]", 1),
            ("origins: []", 1),
            ("headers: [x]", 1),
            ("origins: [a.test, https://b.test/]", 2),
            ("origins: [https://a.test], headers: [a b]", 1),
            ("origins: [https://a.test], max_age: 25h", 1),
            ("origins: [https://a.test], max_age: soon", 1),
            ("origins: [https://a.test], max_age: 24h", 0),
            ("origins: [https://a.test], methods: [GET]", 1),
        ] {
            assert_eq!(read(more).1, wrong, "{more}");
        }
    }

    #[test]
    fn the_number_of_origins_is_limited() {
        for (count, wrong) in [(MAX_ORIGINS - 1, 0), (MAX_ORIGINS, 0), (MAX_ORIGINS + 1, 1)] {
            let list: Vec<_> = (0..count).map(|n| format!("https://a{n}.test")).collect();
            assert_eq!(read(&format!("origins: [{}]", list.join(", "))).1, wrong, "{count}");
        }
    }
}
