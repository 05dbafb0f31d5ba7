//! Header fields that say how many rows there are besides those that are shown.

use http::header::{HeaderMap, HeaderName, HeaderValue, LINK};

/// Takes out what counts rows, and of `Link` what leads to the last page: its number counts pages.
pub(super) fn forget(headers: &mut HeaderMap) {
    let counts = |name: &&HeaderName| {
        TOTALS.contains(&name.as_str()) || name.as_str().starts_with("x-pagination")
    };
    let gone: Vec<HeaderName> = headers.keys().filter(counts).cloned().collect();
    gone.into_iter().for_each(|name| drop(headers.remove(name)));
    if !headers.contains_key(LINK) {
        return;
    }
    let values: Vec<HeaderValue> = headers.get_all(LINK).iter().filter_map(but_last).collect();
    headers.remove(LINK);
    for value in values {
        headers.append(LINK, value);
    }
}

/// The links of a value (RFC 8288 section 3) without those to the last page; `None` where none is
/// left, or it cannot be told.
fn but_last(value: &HeaderValue) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let kept: Vec<&str> = split(text, ',')?.into_iter().filter(|link| !is_last(link)).collect();
    match kept.iter().all(|link| link.trim().is_empty()) {
        true => None,
        false => HeaderValue::try_from(kept.join(",").trim()).ok(),
    }
}

/// Whether some relation of a link is `last`, or its parameters cannot be told apart.
fn is_last(link: &str) -> bool {
    let Some(parts) = split(link, ';') else { return true };
    parts.iter().skip(1).any(|part| {
        let Some((name, relations)) = part.split_once('=') else { return false };
        let relations = relations.trim().trim_matches('"').split_ascii_whitespace();
        name.trim().eq_ignore_ascii_case("rel")
            && relations.into_iter().any(|relation| relation.eq_ignore_ascii_case("last"))
    })
}

/// The parts between signs that stand neither in `<…>` nor in `"…"`; `None` where one of those does
/// not end.
fn split(text: &str, sign: char) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut closes, mut escaped) = (None, false);
    for (at, char) in text.char_indices() {
        match (closes, char) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(end), _) if char == end && !escaped => closes = None,
            (None, '<') => closes = Some('>'),
            (None, '"') => closes = Some('"'),
            (None, _) if char == sign => {
                parts.push(&text[start..at]);
                start = at + sign.len_utf8();
            }
            _ => {}
        }
        escaped = false;
    }
    parts.push(&text[start..]);
    closes.is_none().then_some(parts)
}

/// In which lists are counted, by habit or (Content-Range of `items`) by RFC 9110 section 14.4.
const TOTALS: [&str; 8] = [
    "content-range",
    "total-count",
    "x-content-range",
    "x-count",
    "x-total",
    "x-total-count",
    "x-total-items",
    "x-total-pages",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn left(values: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LINK, value.parse().unwrap());
        }
        forget(&mut headers);
        headers.get_all(LINK).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn p11_totals_go_and_other_fields_stay() {
        let mut headers = HeaderMap::new();
        for name in ["x-total-count", "x-pagination-pages", "content-range", "x-request-id"] {
            headers.insert(name, HeaderValue::from_static("1"));
        }
        forget(&mut headers);
        let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-request-id"]);
    }

    #[test]
    fn p11_a_link_to_the_last_page_goes() {
        let next = r#"</a?page=2>; rel="next""#;
        assert_eq!(left(&[next]), [next]);
        assert_eq!(left(&[&format!(r#"{next}, </a?page=9>; rel="last""#)]), [next]);
        assert_eq!(left(&[&format!(r#"</a?page=9>; rel=last, {next}"#)]), [next]);
        for last in [
            r#"</a>; rel="last""#,
            "</a>;REL=LAST",
            r#"</a,b;c>; title="x, y"; rel="next last""#,
            r#"</a>; title="\"; rel="last""#,
            r#"</a>; title="a\", b"; rel="last""#,
            r#"</a; rel="last""#,
            r#"</a>; rel="last"#,
        ] {
            assert_eq!(left(&[last]), [""; 0], "{last}");
        }
        assert_eq!(left(&[next, "</a>; rel=last", next]), [next, next]);
        let spoken = r#"</a?rel=last>; title="rel=last"; rel="next""#;
        assert_eq!(left(&[spoken]), [spoken]);
    }
}
