//! The slow way with rows: each place's value is taken out of the text, the tree filters what is
//! left, and the rows that are kept are put back where the gap came out.

use super::oracle::{self, Item, Kind, Value};
use portcullis::filter::mask::{HIDE, Mask, NodeId, Types};
use std::ops::Range;

/// What should become of a document.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This goes out; so many rows do not.
    Passes(Vec<u8>, u64),
    /// It is refused. Whether the only row of some place went (`None`: that may have been seen before
    /// what else is wrong, or not), and whether a place may have been found.
    Refused { gone: Option<bool>, found: bool },
}

/// What a judge makes of a row: `Err` is a fault, `Ok(None)` lets it go.
pub type Judged = Result<Option<Vec<u8>>, ()>;

pub fn filter(
    mask: &Mask,
    places: &[&str],
    must: bool,
    text: &[u8],
    judge: &dyn Fn(&[u8]) -> Judged,
) -> Outcome {
    let refused = |gone, found| Outcome::Refused { gone, found };
    let Some(document) = oracle::parse(text) else { return refused(None, true) };
    let ways: Result<Vec<_>, ()> =
        places.iter().map(|place| way(mask, text, &document, place)).collect();
    let Ok(ways) = ways else { return refused(None, true) };
    if must && ways.iter().all(|way| matches!(way, Way::Nowhere)) {
        return refused(Some(false), false);
    }
    let mut lists: Vec<&Value> = ways.iter().filter_map(|way| way.value()).collect();
    lists.sort_by_key(|value| value.text.start);
    let Some(shown) = oracle::filter(mask, &with_gaps(text, &lists)) else {
        let gone = lists.iter().any(|list| goes(text, list, judge));
        return refused(if gone { None } else { Some(false) }, true);
    };
    let (mut out, mut dropped, mut gone) = (shown, 0, false);
    for (number, list) in lists.iter().enumerate() {
        let gap = gap(number);
        let Some(at) = out.windows(gap.len()).position(|part| part == gap) else { continue };
        let Ok(rows) = put_back(text, list, judge, &mut dropped) else {
            return refused(if gone { Some(true) } else { None }, true);
        };
        gone |= rows.is_none();
        // The gap stands inside its brackets.
        out.splice(at - 1..at + gap.len() + 1, rows.unwrap_or_default());
    }
    if gone { refused(Some(true), true) } else { Outcome::Passes(out, dropped) }
}

/// Where a place's way leads.
enum Way<'a> {
    /// To nothing.
    Nowhere,
    /// To what is hidden, or to `null`: nothing to judge.
    Closed,
    /// To an array or an object.
    Rows(&'a Value),
}

impl<'a> Way<'a> {
    fn value(&self) -> Option<&'a Value> {
        match self {
            Way::Rows(value) => Some(value),
            _ => None,
        }
    }
}

fn way<'a>(mask: &Mask, text: &[u8], root: &'a Value, place: &str) -> Result<Way<'a>, ()> {
    let (mut node, mut value) = (mask.root(), root);
    for name in place.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        if hides(mask, node) {
            return Ok(Way::Closed);
        }
        if !oracle::passes(mask.node(node).types, text, value) {
            return Ok(Way::Nowhere);
        }
        let next = match &value.kind {
            Kind::Object(items) => (mask.member(node, &name), member(items, &name)?),
            Kind::Array(items) => {
                let index = name.parse::<u64>().ok().filter(|index| index.to_string() == name);
                let item = index.and_then(|index| items.get(index as usize));
                (mask.element(node, index.unwrap_or(0)), item)
            }
            _ => return Ok(Way::Nowhere),
        };
        let (child, Some(item)) = next else { return Ok(Way::Nowhere) };
        (node, value) = (child, &item.value);
    }
    match value.kind {
        _ if hides(mask, node) => Ok(Way::Closed),
        Kind::Array(_) | Kind::Object(_) => Ok(Way::Rows(value)),
        Kind::Null => Ok(Way::Closed),
        _ => Err(()),
    }
}

/// The only member of this name.
fn member<'a>(items: &'a [Item], name: &str) -> Result<Option<&'a Item>, ()> {
    let mut named = items.iter().filter(|item| name.encode_utf16().eq(item.key.iter().copied()));
    match (named.next(), named.next()) {
        (item, None) => Ok(item),
        _ => Err(()),
    }
}

fn hides(mask: &Mask, node: NodeId) -> bool {
    node == HIDE || mask.node(node).types == Types::NONE
}

/// The text with an empty container, of the same kind, in place of each list.
fn with_gaps(text: &[u8], lists: &[&Value]) -> Vec<u8> {
    let (mut out, mut from) = (Vec::new(), 0);
    for (number, list) in lists.iter().enumerate() {
        let Range { start, end } = list.text;
        out.extend(&text[from..=start]);
        out.extend(gap(number));
        out.push(text[end - 1]);
        from = end;
    }
    out.extend(&text[from..]);
    out
}

/// White space that no document here has.
fn gap(number: usize) -> Vec<u8> {
    format!("\t\t\t{}\n\t\t\t", " ".repeat(number)).into_bytes()
}

/// Whether the list is an only row that goes.
fn goes(text: &[u8], list: &Value, judge: &dyn Fn(&[u8]) -> Judged) -> bool {
    matches!(list.kind, Kind::Object(_)) && judge(&text[list.text.clone()]) == Ok(None)
}

/// What stands at the place instead; `None` if it was the only row and goes.
fn put_back(
    text: &[u8],
    list: &Value,
    judge: &dyn Fn(&[u8]) -> Judged,
    dropped: &mut u64,
) -> Result<Option<Vec<u8>>, ()> {
    let Kind::Array(rows) = &list.kind else { return judge(&text[list.text.clone()]) };
    if rows.is_empty() {
        return Ok(Some(text[list.text.clone()].to_vec()));
    }
    let mut out = vec![b'['];
    for (at, row) in rows.iter().enumerate() {
        let shown = judge(&text[row.value.text.clone()])?;
        let stays = shown.is_some();
        *dropped += u64::from(!stays);
        if let Some(shown) = shown {
            out.extend((out.len() > 1).then_some(b','));
            out.extend(&text[row.lead.clone()]);
            out.extend(shown);
        }
        if stays || at + 1 == rows.len() {
            out.extend(&text[row.trail.clone()]);
        }
    }
    out.push(b']');
    Ok(Some(out))
}
