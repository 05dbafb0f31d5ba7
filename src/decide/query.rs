//! Query parameters can ask about hidden fields (`?sort=ssn`, `?ssn_like=1`). Where the caller's
//! mask hides something, those that name a hidden field are refused (`bodies.md`, Queries).

use super::{FieldMasks, Reason, Refusal};
use percent_encoding::percent_decode_str;

/// Parameters whose values name fields, in lower case and without `_`, `-` and `$`.
const NAME_FIELDS: &[&str] = &[
    "sort",
    "sorts",
    "sortby",
    "sorting",
    "order",
    "orders",
    "orderby",
    "ordering",
    "filter",
    "filters",
    "where",
    "field",
    "fields",
    "select",
    "columns",
    "attributes",
    "projection",
    "include",
    "expand",
    "populate",
    "groupby",
];

/// Parameters that ask about no field, without a leading `_` or `$` and in lower case: pages, a
/// search over everything, formats.
const NEUTRAL: &[&str] = &[
    "after",
    "before",
    "callback",
    "cursor",
    "embed",
    "end",
    "format",
    "lang",
    "limit",
    "locale",
    "offset",
    "page",
    "page_number",
    "page_size",
    "pagenumber",
    "pagesize",
    "per_page",
    "perpage",
    "pretty",
    "q",
    "query",
    "search",
    "size",
    "skip",
    "start",
    "take",
    "top",
    "version",
];

/// Words that such values have besides names of fields.
const DIRECTIONS: &[&str] = &["asc", "desc", "ascending", "descending"];

/// Parameters that many servers take for the method, in lower case and with `_` read as `-`.
const OVERRIDES: &[&str] =
    &["-method", "x-http-method-override", "x-http-method", "x-method-override"];

/// Whether a parameter would make an upstream see another method than the one that is decided.
pub(super) fn overrides_method(query: Option<&str>) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    let is = |name: &str, other: &str| percent_decode_str(name).map(fold).eq(other.bytes());
    query.into_iter().flat_map(|query| query.split(['&', ';'])).any(|pair| {
        let name = pair.split('=').next().unwrap_or(pair);
        OVERRIDES.iter().any(|other| is(name, other))
    })
}

/// Refuses a query that asks about a hidden field.
pub(super) fn check(query: Option<&str>, fields: Option<&FieldMasks>) -> Result<(), Refusal> {
    let (Some(query), Some(fields)) = (query, fields) else { return Ok(()) };
    let mut pairs = query.split('&').filter(|pair| !pair.is_empty());
    let asks = pairs.any(|pair| pair_asks(pair, fields));
    if asks { Err(Refusal::because(Reason::QueryNotAllowed)) } else { Ok(()) }
}

/// A URI reference without the query parameters, and the fragment, that name a hidden field: what
/// an upstream puts into `Location`.
pub fn without_hidden(reference: &str, fields: &FieldMasks) -> String {
    let (rest, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair_asks(pair, fields)).collect();
    let mut text = path.to_owned();
    for (mark, part) in [('?', kept.join("&").as_str()), ('#', fragment)] {
        if !part.is_empty() && (mark == '?' || !mentions_hidden(part, fields)) {
            text.push(mark);
            text.push_str(part);
        }
    }
    text
}

/// Whether a text has the name of a hidden field among its words.
pub fn mentions_hidden(text: &str, fields: &FieldMasks) -> bool {
    decode(text).is_none_or(|text| words(&text).any(|word| fields.hides_parameter(word)))
}

/// Some servers separate parameters by `;` as well.
fn pair_asks(pair: &str, fields: &FieldMasks) -> bool {
    pair.split(';').any(|pair| parameter_asks(pair, fields))
}

fn parameter_asks(pair: &str, fields: &FieldMasks) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let (Some(name), Some(value)) = (decode(name), decode(value)) else { return true };
    asks_about_hidden(&name, &value, fields)
}

fn asks_about_hidden(name: &str, value: &str, fields: &FieldMasks) -> bool {
    if fields.hides_parameter(name) || words(name).any(|word| fields.hides_parameter(word)) {
        return true;
    }
    let head = name.split(['[', ':', '.']).next().unwrap_or(name);
    let base = head.trim_start_matches(['_', '$']).to_lowercase();
    let is_in = |list: &[&str]| list.contains(&base.as_str());
    if compares_hidden(value, fields) {
        return true;
    }
    if !NAME_FIELDS.contains(&base.replace(['_', '-'], "").as_str()) {
        // Under an allow-list whatever is not shown may be a field, and its value a guess.
        // `page[size]` pages, but `q[birth_eq]` names a field.
        let asked = if is_in(NEUTRAL) { &name[head.len()..] } else { name };
        return base != "page" && words(asked).any(|word| fields.leaves_out(word));
    }
    // `fields[customers]` names a type; `filter[status]` names a field.
    if base != "fields" && words(&name[head.len()..]).any(|word| fields.leaves_out(word)) {
        return true;
    }
    // In JSON an escape can spell any name.
    value.contains('\\')
        || value.split(',').any(|part| fields.hides_parameter(part.trim()))
        || words(value).any(|word| {
            let names_something = word.starts_with(|c: char| c.is_alphabetic() || c == '_');
            let direction = DIRECTIONS.contains(&word.to_lowercase().as_str());
            names_something && !direction && fields.hides_word(word)
        })
}

/// Whether a value is an expression with a hidden field in it (`ssn:1`, `{"ssn": 1}`, `ssn>=5`),
/// whatever the parameter is called.
fn compares_hidden(value: &str, fields: &FieldMasks) -> bool {
    let mut pieces: Vec<&str> = value.split([':', '=', '<', '>', '!', '~']).collect();
    pieces.pop();
    pieces.iter().filter_map(|piece| words(piece).last()).any(|word| fields.hides_parameter(word))
}

/// The words of a text: what stands between brackets, dots, colons, commas, signs.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '$')))
        .map(|word| word.trim_start_matches(['-', '+']))
        .filter(|word| !word.is_empty())
}

/// `None` where the text is not UTF-8 once decoded: what cannot be read cannot be judged.
fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::mask::{HIDE, MaskBuilder, Node, SHOW, Types};

    fn fields(closed: bool) -> FieldMasks {
        let mut builder = MaskBuilder::new();
        let fields = vec![("SSN".into(), HIDE), ("home zip".into(), HIDE), ("name".into(), SHOW)];
        let others = if closed { HIDE } else { SHOW };
        let root = builder.add(Node { fields, others, ..Node::open() });
        let read = builder.finish(root);
        FieldMasks::new(read.clone(), read).unwrap()
    }

    fn allowed(query: &str, closed: bool) -> bool {
        check(Some(query), Some(&fields(closed))).is_ok()
    }

    #[test]
    fn queries_that_ask_about_hidden_fields_are_refused() {
        for query in [
            "ssn=1",
            "SSN=1",
            "s%73n=1",
            "filter[ssn]=1",
            "customer.ssn=1",
            "ssn:gt=1",
            "ssn_like=1",
            "user__ssn__gte=1",
            "ssn",
            "sort=ssn",
            "sort=-ssn",
            "_sort=ssn",
            "$orderby=ssn%20desc",
            "fields=name,ssn",
            "fields[customers]=ssn",
            "order=name,ssn:asc",
            "home+zip=1",
            "select=home%20zip",
            "a=1&sort=ssn",
            "expand=%ff",
            "where=ssn%3D1",
            "a=1;ssn=1",
            "ordering=-ssn",
            "order-by=ssn",
            "q=ssn:1",
            "s=%7B%22ssn%22:1%7D",
            "filter=%7B%22ss%5Cu006e%22:1%7D",
            "homeZip=1",
            "sort=-home_zip",
        ] {
            assert!(!allowed(query, false), "{query}");
        }
    }

    #[test]
    fn other_queries_pass() {
        for query in
            ["", "page=2", "sort=name", "sort=-name,created", "q=ssn", "session=1", "a=%2B"]
        {
            assert!(allowed(query, false), "{query}");
        }
        assert!(check(Some("sort=ssn"), None).is_ok());
    }

    #[test]
    fn under_an_allow_list_only_named_fields_can_be_asked_about() {
        assert!(allowed("sort=name:desc", true));
        assert!(allowed("page=2&limit=10", true));
        for query in ["name=x", "name_like=x", "filter[name]=7", "q=x", "page[size]=7", "_embed=a"]
        {
            assert!(allowed(query, true), "{query}");
        }
        for query in [
            "sort=created",
            "status=draft",
            "status_like=d",
            "internal.score_gte=1",
            "filter[status]=x",
            "name_of_birth=x",
            "q[status_start]=d",
            "search.status=d",
            "customer.status=x",
        ] {
            assert!(!allowed(query, true), "{query}");
        }
    }

    /// A number has no members, so it hides none that a query could name.
    #[test]
    fn a_typed_value_is_no_list_of_what_is_shown() {
        let mut builder = MaskBuilder::new();
        let number = Node { types: Types::NUMBER, others: HIDE, items: HIDE, ..Node::open() };
        let age = builder.add(number);
        let fields = vec![("age".into(), age), ("ssn".into(), HIDE)];
        let root = builder.add(Node { fields, ..Node::open() });
        let read = builder.finish(root);
        let fields = FieldMasks::new(read.clone(), read).unwrap();
        let allowed = |query| check(Some(query), Some(&fields)).is_ok();
        assert!(allowed("sort=name") && allowed("sort=age") && allowed("age=7"));
        assert!(!allowed("sort=ssn") && !allowed("ssn=7"));
    }
    #[test]
    fn p02_a_query_does_not_override_the_method() {
        for query in [
            "_method=DELETE",
            "a=1&_METHOD",
            "%5fmethod=PUT",
            "a;_method=PUT",
            "X_HTTP_Method_Override=PUT",
        ] {
            assert!(overrides_method(Some(query)), "{query}");
        }
        for query in ["method=DELETE", "a=_method", "_methods=1", ""] {
            assert!(!overrides_method(Some(query)), "{query}");
        }
    }

    #[test]
    fn p11_a_location_keeps_no_parameter_that_names_a_hidden_field() {
        for (closed, location, kept) in [
            (false, "/a?ssn=1&b=2#c", "/a?b=2#c"),
            (false, "https://a/b?SSN=1", "https://a/b"),
            (false, "/a?s%73n=1#ssn=1", "/a"),
            (false, "/a", "/a"),
            (true, "/a?birth=1&page=2", "/a?page=2"),
        ] {
            assert_eq!(without_hidden(location, &fields(closed)), kept, "{location}");
        }
    }
}
