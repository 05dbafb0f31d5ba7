//! Query parameters can ask about hidden fields (`?sort=ssn`, `?ssn_like=1`). Where the caller's
//! mask hides something, those that name a hidden field are refused (`bodies.md`, Queries).

use super::{FieldMasks, Reason, Refusal};
use percent_encoding::percent_decode_str;

/// Parameters whose values name fields, without a leading `_` or `$` and in lower case.
const NAME_FIELDS: &[&str] = &[
    "sort", "sortby", "sort_by", "order", "order_by", "orderby", "filter", "where", "fields",
    "select", "include", "expand",
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

/// Whether a query asks the upstream to take the request for one of another method, as frameworks
/// with HTML forms do. Some of them part parameters with `;`, too.
pub(super) fn overrides_method(query: Option<&str>) -> bool {
    let names = query.into_iter().flat_map(|query| query.split(['&', ';']));
    let mut names = names.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
    names.any(|name| decode(name).is_some_and(|name| name.eq_ignore_ascii_case("_method")))
}

/// Refuses a query that asks about a hidden field.
pub(super) fn check(query: Option<&str>, fields: Option<&FieldMasks>) -> Result<(), Refusal> {
    let (Some(query), Some(fields)) = (query, fields) else { return Ok(()) };
    let asks = query.split('&').filter(|pair| !pair.is_empty()).any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else { return true };
        asks_about_hidden(&name, &value, fields)
    });
    if asks { Err(Refusal::because(Reason::QueryNotAllowed)) } else { Ok(()) }
}

fn asks_about_hidden(name: &str, value: &str, fields: &FieldMasks) -> bool {
    if fields.hides_parameter(name) || words(name).any(|word| fields.hides_parameter(word)) {
        return true;
    }
    let head = name.split(['[', ':', '.']).next().unwrap_or(name);
    let base = head.trim_start_matches(['_', '$']).to_lowercase();
    let is_in = |list: &[&str]| list.contains(&base.as_str());
    if !is_in(NAME_FIELDS) {
        // Under an allow-list whatever is not shown may be a field, and its value a guess.
        return !is_in(NEUTRAL) && words(name).any(|word| fields.leaves_out(word));
    }
    // `fields[customers]` names a type; `filter[status]` names a field.
    if base != "fields" && words(&name[head.len()..]).any(|word| fields.leaves_out(word)) {
        return true;
    }
    value.split(',').any(|part| fields.hides_parameter(part.trim()))
        || words(value).any(|word| {
            let names_something = word.starts_with(|c: char| c.is_alphabetic() || c == '_');
            let direction = DIRECTIONS.contains(&word.to_lowercase().as_str());
            names_something && !direction && fields.hides_word(word)
        })
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
    fn p02_a_method_in_the_query_is_seen_in_every_spelling() {
        for query in ["_method=DELETE", "a=1&_METHOD=put", "%5fmethod=x", "a;_method=x", "_method"]
        {
            assert!(overrides_method(Some(query)), "{query}");
        }
        for query in ["method=x", "a=_method", "_methods=x", "%ff=x", ""] {
            assert!(!overrides_method(Some(query)), "{query}");
        }
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
}
