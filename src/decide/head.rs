//! Conditions that the head of a request decides: `when` and `query`.

use super::caller::Caller;
use super::named;
use super::{Reason, Refusal, Request};
use crate::filter::fold;
use crate::policy::condition::{Conditions, Selector, Test, Wanted};
use percent_encoding::percent_decode_str;

/// How the head of a request stands to the conditions of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Holds,
    /// A test of `when` does not hold.
    Fails,
    /// The query has a parameter that the grant does not list.
    Unlisted,
}

/// Judges the conditions of a grant that speak of the head. A selector that the request has twice
/// is a 400: two programs could read it differently.
pub(super) fn judge(
    conditions: &Conditions,
    request: &Request<'_>,
    caller: &Caller<'_>,
) -> Result<Head, Refusal> {
    if !holds(&conditions.when, request, caller)? {
        return Ok(Head::Fails);
    }
    let listed = |names: &[Box<str>]| lists(names, request.target.query());
    match conditions.query.as_deref().is_none_or(listed) {
        true => Ok(Head::Holds),
        false => Ok(Head::Unlisted),
    }
}

/// Whether all tests of a `when` hold.
pub(super) fn holds(
    tests: &[Test],
    request: &Request<'_>,
    caller: &Caller<'_>,
) -> Result<bool, Refusal> {
    // All are looked at, so that what is refused does not depend on their order.
    let mut all = true;
    for test in tests {
        all &= test_holds(test, request, caller)?;
    }
    Ok(all)
}

fn test_holds(test: &Test, request: &Request<'_>, caller: &Caller<'_>) -> Result<bool, Refusal> {
    let values = match &test.wanted {
        Wanted::OneOf(values) => values,
        Wanted::Within(networks) => {
            let within = |ip| networks.iter().any(|network| network.contains(&ip));
            return Ok(request.client.is_some_and(|ip| within(ip.to_canonical())));
        }
        Wanted::During(windows) => {
            return Ok(windows.iter().any(|window| window.holds(request.now)));
        }
    };
    let is = |text: &str| caller.is_one_of(values, text);
    Ok(match &test.selector {
        Selector::Param(at) => *at < request.target.len() && is(request.target.segment(*at)),
        Selector::Query(name) => parameter(request.target.query(), name)?.is_some_and(|v| is(&v)),
        Selector::Header(name) => named::only(request, name)?.is_some_and(is),
        Selector::Claim(name) => {
            let mut any = false;
            caller.claim(name, &mut |text| any |= is(text));
            any
        }
        Selector::Peer => request.peer.is_some_and(is),
        Selector::ClientIp | Selector::Time => false,
    })
}

/// The one value of a query parameter, decoded. A variant of the name beside it is a second value;
/// alone, it is another parameter.
fn parameter(query: Option<&str>, name: &str) -> Result<Option<String>, Refusal> {
    let (mut found, mut varied) = (None, false);
    for pair in query.unwrap_or_default().split('&') {
        for (at, piece) in pair.split(';').enumerate() {
            let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
            if !may_be(key, name) {
                varied |= is_variant(key, name);
                continue;
            }
            // Some servers separate by `;` as well, and some read `+` as a space.
            let one_reading = at == 0 && pair.len() == piece.len() && found.is_none();
            match (decode(key), decode(value), one_reading) {
                (Some(_), Some(value), true) => found = Some(value),
                _ => return Err(Refusal::because(Reason::BadRequest)),
            }
        }
    }
    match varied && found.is_some() {
        true => Err(Refusal::because(Reason::BadRequest)),
        false => Ok(found),
    }
}

/// Whether some server could read a key as this name.
fn may_be(key: &str, name: &str) -> bool {
    let plain = percent_decode_str(key).decode_utf8_lossy();
    *plain == *name || plain.replace('+', " ") == *name
}

/// Whether servers that fold names could take one for the other. Some fold case; PHP makes `_` of a
/// space and a dot, and a list of whatever has brackets behind it, in place of what came before. Where
/// the policy itself names brackets, its neighbours (`filter[a]`, `filter[b]`) are not variants.
fn is_variant(key: &str, name: &str) -> bool {
    let brackets = name.contains('[');
    let folded = |text: &str| {
        let end = text.find('[').filter(|at| *at > 0 && !brackets).unwrap_or(text.len());
        fold(&text[..end].trim_start().replace([' ', '.', '+'], "_"))
    };
    folded(&percent_decode_str(key).decode_utf8_lossy()) == folded(name)
}

/// Whether every parameter of a query is listed. What cannot be decoded in one way is not.
fn lists(names: &[Box<str>], query: Option<&str>) -> bool {
    let pieces = query.unwrap_or_default().split(['&', ';']).filter(|piece| !piece.is_empty());
    let mut keys = pieces.map(|piece| decode(piece.split('=').next().unwrap_or(piece)));
    keys.all(|key| key.is_some_and(|key| names.iter().any(|name| **name == *key)))
}

/// `None` where two programs could read it differently.
fn decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    (!text.contains('+')).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_has_one_value_in_one_reading() {
        let read = |query: &str| parameter(Some(query), "a b").map_err(|refusal| refusal.reason);
        assert_eq!(read("x=1"), Ok(None));
        assert_eq!(read("a%20b=1%2B&x=2"), Ok(Some("1+".into())));
        assert_eq!(read("a%20b"), Ok(Some(String::new())));
        for doubtful in
            ["a%20b=1&a%20b=1", "a+b=1", "a%20b=1;x=2", "x=1;a%20b=2", "a%20b=1+2", "a%20b=%ff"]
        {
            assert_eq!(read(doubtful), Err(Reason::BadRequest), "{doubtful}");
        }
    }

    #[test]
    fn p10_a_variant_beside_a_parameter_is_a_second_value() {
        let read = |query: &str| parameter(Some(query), "a_b").map_err(|refusal| refusal.reason);
        for variant in ["A_B", "a.b", "a%20b", "a+b", "a%5fB", "a_b[]", "a_b%5bx%5d", "%20a_b"] {
            assert_eq!(read(&format!("{variant}=1")), Ok(None), "{variant}");
            for query in [format!("a_b=1&{variant}=2"), format!("{variant}=2&a_b=1")] {
                assert_eq!(read(&query), Err(Reason::BadRequest), "{query}");
            }
        }
        assert_eq!(read("a_b=1&a-b=2&xa_b=3&[a_b]=4"), Ok(Some("1".into())));
    }

    #[test]
    fn a_list_names_parameters_whole() {
        let names: [Box<str>; 2] = ["page".into(), "filter[name]:like".into()];
        for listed in ["", "page=1", "page=1&page=2", "filter%5Bname%5D:like=x&page", "&page="] {
            assert!(lists(&names, Some(listed)), "{listed}");
        }
        for other in ["pages=1", "filter[name]=x", "Page=1", "page=1;x=2", "pag+e=1", "%ff=1", "=1"]
        {
            assert!(!lists(&names, Some(other)), "{other}");
        }
        assert!(lists(&[], None) && !lists(&[], Some("a")));
    }
}
