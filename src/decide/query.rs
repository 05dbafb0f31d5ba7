//! Query parameters can ask about hidden fields (`?sort=ssn`, `?ssn_like=1`). Where the caller's
//! mask hides something, those that name a hidden field are refused (`bodies.md`, Queries).

use super::{FieldMasks, Reason, Refusal};
use crate::filter::fold;
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
    "column",
    "columns",
    "attributes",
    "properties",
    "projection",
    "include",
    "expand",
    "populate",
    "groupby",
    "having",
    "distinct",
    "aggregate",
    "apply",
    "compute",
    "only",
    "omit",
    "exclude",
    "pick",
    "sortfield",
    "sortcolumn",
    "sortkey",
    "orderfield",
    "ordercolumn",
];

/// Parameters that page, format or embed, in lower case: they ask about no field.
const ABOUT_NO_FIELD: &[&str] = &[
    "page",
    "per",
    "per_page",
    "perpage",
    "page_size",
    "pagesize",
    "size",
    "limit",
    "offset",
    "skip",
    "take",
    "top",
    "first",
    "last",
    "start",
    "end",
    "before",
    "after",
    "cursor",
    "next",
    "prev",
    "embed",
    "depth",
    "format",
    "pretty",
    "indent",
    "lang",
    "locale",
    "tz",
    "dir",
    "direction",
    "callback",
    "page_token",
    "pagetoken",
    "api-version",
];

/// What is put behind a field's name to say how it is compared, in lower case.
const MODIFIERS: &[&str] = &[
    "eq",
    "ne",
    "neq",
    "not",
    "lt",
    "lte",
    "le",
    "gt",
    "gte",
    "ge",
    "like",
    "ilike",
    "contains",
    "icontains",
    "startswith",
    "istartswith",
    "endswith",
    "iendswith",
    "exact",
    "iexact",
    "in",
    "nin",
    "is",
    "isnull",
    "null",
    "exists",
    "range",
    "between",
    "from",
    "to",
    "min",
    "max",
    "and",
    "or",
    "regex",
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

/// Refuses a query that asks about a hidden field, and one of a request that `writes` which names a
/// field that may not be sent: many servers take a parameter for a member of the body. What grants
/// list by name may stand there.
pub(super) fn check(
    query: Option<&str>,
    fields: Option<&FieldMasks>,
    listed: &[&str],
    writes: bool,
) -> Result<(), Refusal> {
    let (Some(query), Some(fields)) = (query, fields) else { return Ok(()) };
    let mut pairs = query.split('&').filter(|pair| !pair.is_empty());
    let is_bad = |pair| pair_asks(pair, fields) || writes && pair_sends(pair, fields);
    if pairs.any(|pair| !is_allowed(pair, listed) && is_bad(pair)) {
        Err(Refusal::because(Reason::QueryNotAllowed))
    } else {
        Ok(())
    }
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

/// Whether grants list a parameter by name.
fn is_allowed(pair: &str, listed: &[&str]) -> bool {
    let name = pair.split('=').next().unwrap_or(pair);
    !pair.contains(';') && decode(name).is_some_and(|name| listed.contains(&&*name))
}

/// Some servers separate parameters by `;` as well.
fn pair_asks(pair: &str, fields: &FieldMasks) -> bool {
    pair.split(';').any(|pair| parameter_asks(pair, fields))
}

/// Whether a parameter is named like a field that is seen and may not be sent.
fn pair_sends(pair: &str, fields: &FieldMasks) -> bool {
    let names = pair.split(';').map(|pair| decode(pair.split('=').next().unwrap_or(pair)));
    names.into_iter().any(|name| {
        let is_unsent = |name: &String| {
            fields.is_unsent(name) || words(name).any(|word| fields.is_unsent(word))
        };
        name.as_ref().is_none_or(is_unsent)
    })
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
    if names_unlisted(name, fields) || compares_hidden(value, fields) {
        return true;
    }
    let base = name.split(['[', ':', '.']).next().unwrap_or(name);
    let base = fold(base.trim_start_matches(['_', '$']));
    if !names_fields(&base) {
        return false;
    }
    // In JSON an escape can spell any name.
    value.contains('\\')
        || value.split(',').any(|part| fields.hides_parameter(part.trim()))
        || words(value).any(|word| {
            let names_something = word.starts_with(|c: char| c.is_alphabetic() || c == '_');
            let direction = DIRECTIONS.contains(&fold(word).as_str());
            names_something && !direction && fields.hides_word(word)
        })
}

/// Whether a parameter names what could be a field that an allow-list does not show. Every such
/// name is a hidden field's, as far as anybody can tell, save those that ask about no field.
fn names_unlisted(name: &str, fields: &FieldMasks) -> bool {
    if fields.shows_word(name) || words(name).next() == Some("page") {
        return false;
    }
    let mut strict = fields.lists_fields();
    // `card__number` is `card.number` in some query languages.
    words(&name.replace("__", ".")).any(|word| {
        let unlisted = strict && !is_listed(word, fields);
        strict |= fields.lists_fields_of(word);
        unlisted
    })
}

fn is_listed(word: &str, fields: &FieldMasks) -> bool {
    let lower = fold(word.trim_start_matches(['_', '$']));
    let mut rest = lower.as_str();
    loop {
        let known = names_fields(rest)
            || [ABOUT_NO_FIELD, MODIFIERS].iter().any(|list| list.contains(&rest));
        if known || rest.bytes().all(|byte| byte.is_ascii_digit()) || fields.shows_word(rest) {
            return true;
        }
        match rest.rsplit_once(['_', '-']) {
            Some((field, modifier)) if MODIFIERS.contains(&modifier) => rest = field,
            _ => return fields.shows_word(word),
        }
    }
}

fn names_fields(parameter: &str) -> bool {
    NAME_FIELDS.contains(&parameter.replace(['_', '-'], "").as_str())
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
    use crate::filter::mask::{HIDE, Mask, MaskBuilder, Node, SHOW};

    fn fields(closed: bool) -> FieldMasks {
        let mut builder = MaskBuilder::new();
        let fields = vec![("SSN".into(), HIDE), ("home zip".into(), HIDE), ("name".into(), SHOW)];
        let others = if closed { HIDE } else { SHOW };
        let root = builder.add(Node { fields, others, ..Node::open() });
        let read = builder.finish(root);
        FieldMasks::new(read.clone(), read).unwrap()
    }

    /// `role` is seen and may not be sent.
    #[test]
    fn p10_a_query_does_not_write_what_a_body_may_not() {
        let mut builder = MaskBuilder::new();
        let root = builder.add(Node { fields: vec![("role".into(), HIDE)], ..Node::open() });
        let fields = FieldMasks::new(Mask::show(), builder.finish(root));
        let allowed = |query, listed: &[&str], writes| {
            check(Some(query), fields.as_ref(), listed, writes).is_ok()
        };
        for query in ["role=admin", "ROLE", "r%6fle=1", "user[role]=1", "role[]=1", "a;role=1"] {
            assert!(!allowed(query, &[], true), "{query}");
            assert!(allowed(query, &[], false), "{query}");
        }
        assert!(allowed("role=admin", &["role"], true));
        for query in ["page=1", "sort=role", "q=role", "roles=1", "role_in=1"] {
            assert!(allowed(query, &[], true), "{query}");
        }
    }

    fn allowed(query: &str, closed: bool) -> bool {
        check(Some(query), Some(&fields(closed)), &[], false).is_ok()
    }

    #[test]
    fn queries_that_ask_about_hidden_fields_are_refused() {
        for query in [
            "ssn=1",
            "SSN=1",
            "%C5%BFsn=1",
            "ſort=ssn",
            "sortField=ssn",
            "having=max(ssn)",
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
    fn other_queries_pass() {
        for query in
            ["", "page=2", "sort=name", "sort=-name,created", "q=ssn", "session=1", "a=%2B"]
        {
            assert!(allowed(query, false), "{query}");
        }
        assert!(check(Some("sort=ssn"), None, &[], true).is_ok());
    }

    #[test]
    fn under_an_allow_list_only_named_fields_can_be_asked_about() {
        assert!(allowed("sort=name:desc", true));
        assert!(allowed("page=2&limit=10", true));
        assert!(!allowed("sort=created", true));
        assert!(allowed(
            "name=x&name_like=x&sort_by=name&name[$gte]=x&_page=1&page[number]=2&_embed=notes",
            true
        ));
        for query in
            ["birth=1", "birth_like=^1", "filter[birth]=1", "where.birth=1", "q=1", "birth"]
        {
            assert!(!allowed(query, true), "{query}");
            assert!(allowed(query, false), "{query}");
        }
    }

    #[test]
    fn an_allow_list_further_down_is_about_what_is_below_it() {
        let mut builder = MaskBuilder::new();
        let inner = vec![("brand".into(), SHOW)];
        let card = builder.add(Node { fields: inner, others: HIDE, ..Node::open() });
        let root = builder.add(Node { fields: vec![("card".into(), card)], ..Node::open() });
        let fields = FieldMasks::new(builder.finish(root), crate::filter::mask::Mask::show());
        let allowed = |query| check(Some(query), fields.as_ref(), &[], true).is_ok();
        assert!(allowed("card.brand=x&status=open&card__brand__like=x"));
        for query in ["card.number=4", "card[number]=4", "card__number=4", "filter[card.number]=4"]
        {
            assert!(!allowed(query), "{query}");
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
