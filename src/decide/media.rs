//! What a body claims to be. Pure.

use crate::filter::records::Framing;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The JSON types that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Json {
    /// `application/json`, or any type with the suffix `+json`.
    Plain,
    /// `application/merge-patch+json` (RFC 7396).
    MergePatch,
    /// `application/json-patch+json` (RFC 6902).
    JsonPatch,
    /// `application/scim+json` (RFC 7644) or `application/fhir+json`: a resource, and in a PATCH a
    /// language of changes (PatchOp, FHIRPath Patch) that names fields in its values.
    Resource,
    /// Another language of changes, such as `application/strategic-merge-patch+json`: JSON, but
    /// what it does to a field is not said by the field's name.
    OtherPatch,
}

/// Whether the body claims to be JSON in UTF-8.
pub fn is_json(headers: &HeaderMap) -> bool {
    json(headers).is_some()
}

/// The kind of JSON that the body claims to be, in UTF-8; `None` where it claims anything else,
/// nothing, or several things.
pub fn json(headers: &HeaderMap) -> Option<Json> {
    json_of(essence(only(headers, &header::CONTENT_TYPE)??)?)
}

/// How the records of the body follow one another, where it claims to be a stream of them in
/// UTF-8. JSON itself is one: concatenated, or the only record.
pub fn records(headers: &HeaderMap) -> Option<Framing> {
    records_of(essence(only(headers, &header::CONTENT_TYPE)??)?)
}

/// What is asked for where records are read: of what the client accepts the types that are read,
/// with their weights, or else all of them.
pub fn accepted_records(headers: &HeaderMap) -> HeaderValue {
    let read = |range: &&str| !range.contains('"') && records_of(name_of(range)).is_some();
    let kept: Vec<&str> = ranges(headers).map(|one| one.trim_matches(BLANK)).filter(read).collect();
    match HeaderValue::from_str(&kept.join(", ")) {
        Ok(kept) if !kept.is_empty() => kept,
        _ => HeaderValue::from_static(RECORDS),
    }
}

/// Whether the client asks for server-sent events, whatever else it takes. Every browser does so
/// (HTML, section 9.2.3).
pub fn asks_for_events(headers: &HeaderMap) -> bool {
    ranges(headers).any(|range| name_of(range).eq_ignore_ascii_case(EVENTS))
}

/// The media ranges that Accept lists (RFC 9110 section 12.5.1).
fn ranges(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::ACCEPT).iter();
    all.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','))
}

fn name_of(range: &str) -> &str {
    range.split(';').next().unwrap_or("").trim_matches(BLANK)
}

/// The type that a Content-Type names, where its parameters leave the text UTF-8.
fn essence(text: &str) -> Option<&str> {
    let mut parts = text.split(';');
    let essence = parts.next().unwrap_or("").trim_matches(BLANK);
    parts.all(means_utf8).then_some(essence)
}

fn records_of(essence: &str) -> Option<Framing> {
    let is = |name: &&str| essence.eq_ignore_ascii_case(name);
    match () {
        () if is(&EVENTS) => Some(Framing::Events),
        () if LINES.iter().any(is) => Some(Framing::Lines),
        () if is(&"application/json-seq") || has_suffix(essence, "+json-seq") => {
            Some(Framing::Sequence)
        }
        () => json_of(essence).map(|_| Framing::Values),
    }
}

fn json_of(essence: &str) -> Option<Json> {
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    match () {
        () if is("application/json") => Some(Json::Plain),
        () if is("application/merge-patch+json") => Some(Json::MergePatch),
        () if is("application/json-patch+json") => Some(Json::JsonPatch),
        () if has_suffix(essence, "+json") && essence.to_ascii_lowercase().contains("patch") => {
            Some(Json::OtherPatch)
        }
        () if is("application/scim+json") || is("application/fhir+json") => Some(Json::Resource),
        () if has_suffix(essence, "+json") => Some(Json::Plain),
        () => None,
    }
}

/// Whether the body claims to be a form of one line, in UTF-8.
pub fn is_form(headers: &HeaderMap) -> bool {
    let Some(Some(text)) = only(headers, &header::CONTENT_TYPE) else { return false };
    let mut parts = text.split(';');
    let essence = parts.next().unwrap_or("").trim_matches(BLANK);
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") && parts.all(means_utf8)
}

/// The boundary between the parts of a body that claims to be a form of parts. (RFC 2046 section 5.1.1.)
/// `None` where it claims anything besides, or the boundary is not as the RFC has it.
pub fn boundary(headers: &HeaderMap) -> Option<Box<str>> {
    let (essence, parameter) = only(headers, &header::CONTENT_TYPE)??.split_once(';')?;
    let (name, value) = parameter.trim_matches(BLANK).split_once('=')?;
    let is = |a: &str, b| a.eq_ignore_ascii_case(b);
    if !is(essence.trim_matches(BLANK), "multipart/form-data") || !is(name, "boundary") {
        return None;
    }
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"'+_-.".contains(&byte);
    let of_quoted = |byte: u8| of_token(byte) || b"(),/:=? ".contains(&byte);
    let fits = match quoted {
        Some(text) => text.bytes().all(of_quoted),
        None => value.bytes().all(of_token),
    };
    let boundary = quoted.unwrap_or(value);
    let fits = fits && (1..=70).contains(&boundary.len()) && !boundary.ends_with(' ');
    fits.then(|| boundary.into())
}

/// Whether no coding has been applied to the body.
pub fn is_identity(headers: &HeaderMap) -> bool {
    match only(headers, &header::CONTENT_ENCODING) {
        None => true,
        Some(coding) => coding.is_some_and(|coding| coding.eq_ignore_ascii_case("identity")),
    }
}

/// The one value of a field; `Some(None)` where there are several, or it is no text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    match values.next() {
        None => Some(first.to_str().ok()),
        Some(_) => Some(None),
    }
}

/// Whether the body claims to be messages of gRPC, in whatever coding.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let is = |kind: &[u8]| kind.get(..GRPC.len()).is_some_and(|k| k.eq_ignore_ascii_case(GRPC));
    kinds.into_iter().any(|kind| is(kind.as_bytes().trim_ascii_start()))
}

/// `type/subtype+json` (RFC 6839 section 3.1), or `+json-seq` (RFC 8091), which is another. A type
/// whose bodies have parts, fields or frames is none: servers that look at how it begins read it so.
fn has_suffix(essence: &str, suffix: &str) -> bool {
    let token = |text: &str| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !text.is_empty() && text.bytes().all(good)
    };
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    let Some(at) = subtype.len().checked_sub(suffix.len()) else { return false };
    let ends = subtype.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(suffix));
    let is_other = ["multipart", "message"].iter().any(|other| kind.eq_ignore_ascii_case(other))
        || FRAMED.iter().any(|name| begins(subtype, name));
    ends && !is_other && token(kind) && token(&subtype[..at])
}

/// A parameter that leaves the text UTF-8. JSON has no charset parameter, but many send one. A name
/// with `*` has its value in another way (RFC 2231), which some servers read and some do not.
fn means_utf8(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return parameter.trim_matches(BLANK).is_empty();
    };
    let (name, value) = (name.trim_matches(BLANK), value.trim_matches(BLANK));
    let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    !name.contains('*') && !name.eq_ignore_ascii_case("charset")
        || value.eq_ignore_ascii_case("utf-8")
        || value.eq_ignore_ascii_case("utf8")
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

const BLANK: [char; 2] = [' ', '\t'];

/// How the types of gRPC begin.
const GRPC: &[u8] = b"application/grpc";

/// How subtypes begin whose bodies are more than their suffix says: forms, and messages of gRPC and
/// of Connect, which stand in frames.
const FRAMED: [&str; 4] = ["x-www-form-urlencoded", "grpc+", "grpc-", "connect+"];

/// Server-sent events.
const EVENTS: &str = "text/event-stream";

/// One JSON text on each line: the names under which that is sent.
const LINES: [&str; 8] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
    "application/json-lines",
    "application/x-json-lines",
];

/// The types of records, the common ones first.
const RECORDS: &str = "text/event-stream, application/x-ndjson, application/jsonl, \
                       application/json-seq, application/json;q=0.9";

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn typed(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn what_is_json() {
        for (text, kind) in [
            ("application/json", Json::Plain),
            ("Application/JSON ; charset=UTF-8", Json::Plain),
            ("application/json;charset=\"utf-8\"", Json::Plain),
            ("application/json;", Json::Plain),
            ("application/problem+json", Json::Plain),
            ("application/vnd.api+JSON; ext=x", Json::Plain),
            ("application/merge-patch+json", Json::MergePatch),
            ("application/json-patch+json; charset=utf8", Json::JsonPatch),
            ("application/SCIM+json", Json::Resource),
            ("application/fhir+json; fhirVersion=4.0", Json::Resource),
            ("application/strategic-merge-Patch+json", Json::OtherPatch),
            ("application/json-patch-query+json", Json::OtherPatch),
        ] {
            assert_eq!(json(&typed(&[text])), Some(kind), "{text}");
        }
    }

    #[test]
    fn p10_what_is_not_json() {
        for text in [
            "",
            "json",
            "text/plain",
            "text/json",
            "application/jsonp",
            "application/x-ndjson",
            "application/json, text/plain",
            "application/json; charset=utf-16",
            "application/json; charset=latin1",
            "application/json; charset*=utf-8''utf-16",
            "application/json; charset*0=utf-16",
            "application/x-www-form-urlencoded+json",
            "application/grpc+json",
            "application/GRPC-web+json",
            "application/connect+json",
            "Multipart/form-data+json; boundary=b",
            "message/http+json",
            "application/+json",
            "application/json-seq",
            "multipart/form-data; boundary=+json",
            "+json",
            "é+json",
            "application/json x",
        ] {
            assert_eq!(json(&typed(&[text])), None, "{text}");
        }
        assert_eq!(json(&typed(&[])), None);
        assert_eq!(json(&typed(&["application/json", "application/json"])), None);
    }

    #[test]
    fn p10_what_is_a_form() {
        for (text, is) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", true),
            ("application/x-www-form-urlencoded; charset=latin1", false),
            ("application/x-www-form-urlencoded; charset*=utf-8''latin1", false),
            ("application/x-www-form-urlencoded, text/plain", false),
            ("multipart/form-data; boundary=b", false),
            ("application/json", false),
        ] {
            assert_eq!(is_form(&typed(&[text])), is, "{text}");
        }
        assert!(!is_form(&typed(&[])));
    }

    #[test]
    fn p10_a_boundary_is_as_the_rfc_has_it() {
        let of = |text: &str| boundary(&typed(&[text])).map(String::from);
        let of_value = |value: &str| of(&format!("multipart/form-data; boundary={value}"));
        for (value, wanted) in [
            ("b", "b"),
            ("----WebKitFormBoundaryAb12", "----WebKitFormBoundaryAb12"),
            ("\"a b:c\"", "a b:c"),
            (&"b".repeat(70), &"b".repeat(70)),
        ] {
            assert_eq!(of_value(value), Some(wanted.to_owned()), "{value}");
        }
        assert_eq!(of("Multipart/Form-Data ;Boundary=b"), Some("b".into()));
        for value in [
            "",
            "\"\"",
            "\"a \"",
            "a b",
            "a:b",
            "\"a",
            "a\"",
            "é",
            "b; charset=utf-8",
            "b;",
            &"b".repeat(71),
        ] {
            assert_eq!(of_value(value), None, "{value}");
        }
        for text in
            ["multipart/form-data", "multipart/form-data; charset=b", "multipart/mixed; boundary=b"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn p11_what_is_a_stream_of_records() {
        for (text, framing) in [
            ("text/event-stream", Framing::Events),
            ("Text/Event-Stream; charset=UTF-8", Framing::Events),
            ("application/x-ndjson", Framing::Lines),
            ("application/jsonl;charset=utf8", Framing::Lines),
            ("application/json-lines", Framing::Lines),
            ("application/json-seq", Framing::Sequence),
            ("application/geo+json-seq", Framing::Sequence),
            ("application/json", Framing::Values),
            ("application/stream+json", Framing::Values),
        ] {
            assert_eq!(records(&typed(&[text])), Some(framing), "{text}");
        }
        for text in [
            "",
            "text/plain",
            "text/event-stream; charset=utf-16",
            "text/event-streams",
            "text/event-stream, text/plain",
            "application/+json-seq",
            "application/x-ndjson; charset=latin1",
            "multipart/x-mixed-replace",
        ] {
            assert_eq!(records(&typed(&[text])), None, "{text}");
        }
        assert_eq!(records(&typed(&["text/event-stream", "text/event-stream"])), None);
        assert_eq!(records(&typed(&[])), None);
    }

    #[test]
    fn p11_what_is_asked_for_can_be_read() {
        for (accept, asked) in [
            (&["text/event-stream"][..], "text/event-stream"),
            (&["text/html, application/x-ndjson;q=0.5 , */*"], "application/x-ndjson;q=0.5"),
            (&["application/json", "text/Event-Stream"], "application/json, text/Event-Stream"),
            (&["application/json;x=\"a,application/json,b\""], "application/json"),
            (&["*/*"], RECORDS),
            (&["text/html"], RECORDS),
            (&[""], RECORDS),
            (&[], RECORDS),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(accepted_records(&headers), asked, "{accept:?}");
        }
    }

    #[test]
    fn who_asks_for_events() {
        for (accept, asks) in [
            (&["text/event-stream"][..], true),
            (&["*/*", "application/json, Text/Event-Stream;q=0.5"], true),
            (&["*/*"], false),
            (&["text/*, text/event-streams"], false),
            (&[""], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(asks_for_events(&headers), asks, "{accept:?}");
        }
    }

    #[test]
    fn p11_only_identity_is_no_coding() {
        let coded = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            is_identity(&headers)
        };
        assert!(coded(&[]));
        assert!(coded(&["identity"]));
        assert!(coded(&["Identity"]));
        for values in [&["gzip"][..], &["identity, gzip"], &[""], &["identity", "identity"]] {
            assert!(!coded(values), "{values:?}");
        }
    }
}
