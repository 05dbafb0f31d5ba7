//! Masks joined: what passes either, and what passes both.

use super::documents::{document, mask, runner};
use super::oracle::{self, Kind, Value};
use portcullis::filter::algebra::{intersect, union};
use portcullis::filter::mask::{HIDE, Mask, NodeId, SHOW};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The parts of a document that a mask shows, as paths of item numbers. Ways are left aside.
fn shown(mask: &Mask, text: &[u8], value: &Value) -> BTreeSet<Vec<usize>> {
    let mut paths = BTreeSet::new();
    walk(mask, mask.root(), text, value, &mut Vec::new(), &mut paths);
    paths
}

fn walk(
    mask: &Mask,
    id: NodeId,
    text: &[u8],
    value: &Value,
    at: &mut Vec<usize>,
    into: &mut BTreeSet<Vec<usize>>,
) {
    let node = mask.node(id);
    if id == HIDE || (id != SHOW && !oracle::passes(node.types, text, value)) {
        return;
    }
    into.insert(at.clone());
    let (Kind::Array(items) | Kind::Object(items)) = &value.kind else { return };
    for (index, item) in items.iter().enumerate() {
        let named =
            node.fields.iter().find(|(name, _)| name.encode_utf16().eq(item.key.iter().copied()));
        let child = match &value.kind {
            Kind::Array(_) => node.items,
            _ => named.map_or_else(|| oracle::unnamed(mask, id, &item.key), |(_, child)| *child),
        };
        at.push(index);
        walk(mask, child, text, &item.value, at, into);
        at.pop();
    }
}

/// The same mask without ways.
fn plain(mask: &Mask) -> Mask {
    let mut builder = portcullis::filter::mask::MaskBuilder::new();
    for id in 2..mask.len() {
        let id = NodeId(u32::try_from(id).unwrap());
        let added = builder.add(portcullis::filter::mask::Node { way: 0, ..mask.node(id).clone() });
        builder.extra(added, mask.extra(id).cloned().unwrap_or_default());
    }
    builder.finish(mask.root())
}

#[test]
fn union_shows_what_either_shows_and_intersect_what_both_show() {
    let test = |(a, b, text): (Mask, Mask, String)| {
        // Where names have shapes, half a surrogate pair has none, and is hidden by either mask.
        prop_assume!(!text.contains(r#""\ud800""#));
        let (a, b) = (plain(&a), plain(&b));
        let value = oracle::parse(text.as_bytes()).unwrap();
        let parts = |mask: &Mask| shown(mask, text.as_bytes(), &value);
        let (left, right) = (parts(&a), parts(&b));
        prop_assert_eq!(parts(&union(&a, &b)), &left | &right);
        prop_assert_eq!(parts(&intersect(&a, &b)), &left & &right);
        Ok(())
    };
    runner(6000).run(&(mask(), mask(), document()), test).unwrap();
}

#[test]
fn joining_keeps_all_pointers_that_either_side_still_reaches() {
    let test = |(a, b): (Mask, Mask)| {
        let both = a.alternatives() | b.alternatives();
        prop_assert_eq!(union(&a, &b).alternatives() & !both, 0);
        prop_assert_eq!(intersect(&a, &b).alternatives() & !both, 0);
        prop_assert_eq!(union(&a, &a), union(&union(&a, &a), &a));
        Ok(())
    };
    runner(1500).run(&(mask(), mask()), test).unwrap();
}
