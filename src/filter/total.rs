//! Totals: numbers that say how many rows a list has.
//!
//! Where rows go, such a number speaks of what is hidden. It is put right where the list is evidently
//! whole (the number is that of the rows that came) and the rows have been counted: before it, or by
//! a filter that has read the whole document. Every other total goes: that of a list in pages counts
//! rows that nobody judged.

use super::Filter;
use super::algebra::intersect;
use super::engine::Engine;
use super::mask::{HIDE, Mask, MaskBuilder, Node, NodeId, Types};
use super::place::{PointerError, Token, tokens};
use super::plan::Extra;

/// The rows of the one list of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// How many came.
    pub came: u64,
    /// How many of them the judge let pass.
    pub kept: u64,
}

/// A mask that shows everything but these totals, RFC 6901 pointers, as rows go. What stands there
/// and is no number is hidden, and so is what a pointer with `*` means: which of several numbers
/// counts what, nobody says.
pub fn totals<'p>(pointers: impl IntoIterator<Item = &'p str>) -> Result<Mask, PointerError> {
    let mut all = Mask::show();
    for pointer in pointers {
        all = intersect(&all, &total(pointer)?);
    }
    Ok(all)
}

fn total(pointer: &str) -> Result<Mask, PointerError> {
    let tokens = tokens(pointer)?;
    let mut builder = MaskBuilder::new();
    let mut next = HIDE;
    if !tokens.contains(&Token::Any) {
        next = builder.add(Node { types: Types::NUMBER, ..Node::open() });
        builder.extra(next, Extra { total: true, ..Extra::default() });
    }
    for token in tokens.into_iter().rev() {
        next = lead(&mut builder, token, next);
    }
    Ok(builder.finish(next))
}

/// Leads to `next`; that something else stands there is no fault.
fn lead(builder: &mut MaskBuilder, token: Token, next: NodeId) -> NodeId {
    match token {
        Token::Any => builder.add(Node { others: next, items: next, ..Node::open() }),
        Token::Name(name, index) => {
            let id = builder.add(Node { fields: vec![(name, next)], ..Node::open() });
            let elements = index.map(|index| (index, next)).into_iter().collect();
            builder.extra(id, Extra { elements, ..Extra::default() });
            id
        }
    }
}

impl Filter {
    /// Whether totals are put right, so that it helps to know the number of rows from the start.
    pub fn counts(&self) -> bool {
        match &self.choosing {
            Some(choosing) => choosing.counts(),
            None => self.rows.as_ref().is_some_and(|rows| rows.counts()),
        }
    }

    /// The rows of the document that comes are those that `read`, a filter of the same kind, has read
    /// to the end.
    pub fn foretell(&mut self, read: &Filter) {
        self.know_rows(read.rows.as_ref().and_then(|rows| rows.counted()));
    }

    /// Likewise, where the number is known.
    pub(super) fn know_rows(&mut self, counted: Option<Counted>) {
        match &mut self.choosing {
            Some(choosing) => choosing.foretold = counted,
            None => self.engine.know_rows(counted),
        }
    }
}

impl Engine {
    /// What a total becomes, if it can be put right: all of its text is given.
    pub(super) fn corrected(&self, total: &[u8]) -> Option<String> {
        let counted = self.rows_known()?;
        let is = std::str::from_utf8(total).ok()?.parse::<u64>().ok()?;
        (is == counted.came).then(|| counted.kept.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::pick::Path;
    use crate::filter::rows::{Judge, Rows};
    use crate::filter::{Fault, Limits};
    use std::sync::Arc;

    /// Keeps rows that hold an `a`.
    struct WithA;

    impl Judge for WithA {
        fn judge(
            &mut self,
            _: usize,
            _: bool,
            row: &[u8],
            out: &mut Vec<u8>,
        ) -> Result<bool, Fault> {
            out.extend_from_slice(row);
            Ok(row.contains(&b'a'))
        }
    }

    fn filter(places: &[&str]) -> Filter {
        let places = places.iter().map(|place| Path::parse(place).unwrap()).collect();
        let rows = Rows::new(places, 1000, true).unwrap();
        let mask = Arc::new(totals(["/total", "/page/size", "/groups/*/n"]).unwrap());
        Filter::with_rows(mask, rows, Box::new(WithA), Limits::default())
    }

    /// Wherever the text is cut; `whole` says that it has been read before.
    #[track_caller]
    fn shown(places: &[&str], text: &str, whole: bool) -> String {
        let run = |cut: usize| {
            let (mut filter, mut out) = (filter(places), Vec::new());
            assert!(filter.counts());
            if whole {
                let mut before = self::filter(places);
                before.push(text.as_bytes(), &mut Vec::new()).unwrap();
                before.finish(&mut Vec::new()).unwrap();
                filter.foretell(&before);
            }
            filter.push(&text.as_bytes()[..cut], &mut out).unwrap();
            filter.push(&text.as_bytes()[cut..], &mut out).unwrap();
            filter.finish(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let first = run(0);
        (0..=text.len()).for_each(|cut| assert_eq!(run(cut), first, "{text} cut at {cut}"));
        first
    }

    #[test]
    fn p11_a_total_after_the_rows_is_put_right() {
        let text = r#"{"data":["a","b","a"],"total": 3 ,"page":{"size":3,"no":1}}"#;
        let right = r#"{"data":["a","a"],"total": 2 ,"page":{"size":2,"no":1}}"#;
        assert_eq!(shown(&["/data"], text, false), right);
        assert_eq!(shown(&["/data"], text, true), right);
    }

    #[test]
    fn p11_a_total_before_the_rows_is_put_right_where_they_have_been_counted() {
        let text = r#"{"total":3,"data":["a","b","a"]}"#;
        assert_eq!(shown(&["/data"], text, false), r#"{"data":["a","a"]}"#);
        assert_eq!(shown(&["/data"], text, true), r#"{"total":2,"data":["a","a"]}"#);
    }

    #[test]
    fn p11_a_total_of_more_than_what_came_goes() {
        for total in ["4", "2", "3.0", "3e0", "\"3\"", "null", "[3]", "-3", "18446744073709551616"]
        {
            let text =
                format!(r#"{{"total":{total},"data":["a","b","a"],"page":{{"size":{total}}}}}"#);
            assert_eq!(
                shown(&["/data"], &text, true),
                r#"{"data":["a","a"],"page":{}}"#,
                "{total}"
            );
        }
        let groups = r#"{"data":["a"],"groups":[{"n":1,"m":1}]}"#;
        assert_eq!(shown(&["/data"], groups, true), r#"{"data":["a"],"groups":[{"m":1}]}"#);
    }

    #[test]
    fn p11_a_total_of_every_member_goes_and_one_in_a_list_is_put_right() {
        let rows = |pointer: &str, text: &str| {
            let rows = Rows::new(vec![Path::parse("/0").unwrap()], 1000, true).unwrap();
            let mask = Arc::new(totals([pointer]).unwrap());
            let mut filter = Filter::with_rows(mask, rows, Box::new(WithA), Limits::default());
            let mut out = Vec::new();
            filter.push(text.as_bytes(), &mut out).unwrap();
            filter.finish(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(rows("/1", r#"[["a","b"],2,2]"#), r#"[["a"],1,2]"#);
        let members = r#"[["a"],{"x":{"n":1,"m":1},"y":[{"n":1}]}]"#;
        assert_eq!(rows("/1/*/n", members), r#"[["a"],{"x":{"m":1},"y":[{"n":1}]}]"#);
    }

    #[test]
    fn p11_of_two_lists_nobody_says_which_one_a_total_counts() {
        let text = r#"{"data":["a","b"],"more":["a"],"total":2}"#;
        assert_eq!(shown(&["/data", "/more"], text, true), r#"{"data":["a"],"more":["a"]}"#);
        assert_eq!(shown(&["/data", "/more"], text, false), r#"{"data":["a"],"more":["a"]}"#);
    }

    #[test]
    fn a_total_that_is_not_there_is_no_fault() {
        for text in [r#"{"data":["a"]}"#, r#"{"data":["a"],"page":7,"groups":{"x":1}}"#] {
            assert_eq!(shown(&["/data"], text, false), text);
        }
        assert_eq!(total("x").unwrap_err(), PointerError::NoSlash);
    }
}
