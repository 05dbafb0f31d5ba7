//! Objects that say by a tag what they are: the same answer as the tree's, however the input is cut.

use super::documents::{cuts, mask, mutate, runner};
use super::tagtree::{self, Spec};
use portcullis::filter::anywhere::{ANYWHERE, Case, place_tagged};
use portcullis::filter::mask::{Mask, MaskBuilder, Node, Types};
use portcullis::filter::{Extra, Fault, Filter, Limits};
use proptest::prelude::*;
use std::sync::Arc;

/// Documents full of objects with tags, of which some are none.
fn document() -> impl Strategy<Value = String> {
    let scalar = prop::sample::select(&["7", "null", r#""text""#, "-1.5e3", "[]", "{}"][..]);
    let tag = prop::sample::select(TAGS);
    let key = prop::sample::select(KEYS);
    let white = prop_oneof![6 => Just(""), 1 => Just(" "), 1 => Just("\n\t")];
    scalar.prop_map(str::to_owned).prop_recursive(5, 40, 4, move |inner| {
        let member = (key.clone(), white.clone(), inner.clone());
        let members = prop::collection::vec(member, 0..4);
        let items = prop::collection::vec(inner, 0..4);
        let place = any::<prop::sample::Index>();
        prop_oneof![
            1 => items.prop_map(|items| format!("[{}]", items.join(","))),
            3 => (members, tag.clone(), place).prop_map(|(members, tag, place)| {
                let members = members.iter().map(|(key, white, value)| format!("{white}{key}:{value}{white}"));
                let mut members: Vec<String> = members.collect();
                if !tag.is_empty() {
                    members.insert(place.index(members.len() + 1), tag.to_owned());
                }
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// Masks whose root lets objects pass, as those of objects do.
fn of_objects() -> impl Strategy<Value = Mask> {
    mask().prop_map(|mask| {
        let mut builder = MaskBuilder::new();
        let root = builder.graft(&mask);
        let node = Node { way: 0, ..builder.node(root).clone() };
        let types = node.types.or(Types::OBJECT);
        let place = builder.add(Node { types, ..node });
        without_ways(&builder.finish(place))
    })
}

/// Whether what is hidden goes or becomes `null` is another matter, as is which pointers fit.
fn without_ways(mask: &Mask) -> Mask {
    let mut builder = MaskBuilder::new();
    for id in (2..mask.len() as u32).map(portcullis::filter::mask::NodeId) {
        let added = builder.add(Node { way: 0, ..mask.node(id).clone() });
        let extra = mask.extra(id).cloned().unwrap_or_default();
        builder.extra(added, Extra { nulls: false, ..extra });
    }
    builder.finish(mask.root())
}

fn spec() -> impl Strategy<Value = (&'static str, Spec)> {
    let pointer = prop::sample::select(&[ANYWHERE, ANYWHERE, "", "/a", "/*", "/a/*", "/*/b"][..]);
    let object = prop_oneof![2 => Just(1 << 20), 1 => 20..80usize];
    (pointer, of_objects(), of_objects(), object).prop_map(|(pointer, one, two, object)| {
        let case = |value: &str, mask: Mask| Case { value: value.into(), mask };
        let steps = (pointer != ANYWHERE).then(|| pointer.split('/').skip(1).collect());
        let cases = vec![case("P", one), case("O", two)];
        (pointer, Spec { pointer: steps, field: "is", cases, object })
    })
}

fn filter<'a>(
    mask: &Arc<Mask>,
    limits: Limits,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, Fault> {
    let mut filter = Filter::recording(mask.clone(), limits);
    let mut out = Vec::new();
    for chunk in chunks {
        filter.push(chunk, &mut out)?;
    }
    filter.finish(&mut out)?;
    assert_eq!(filter.removed().min(100), filter.pointers().len() as u64);
    Ok(out)
}

/// Whole, in two at every place, byte by byte, and at the given places.
fn agrees(pointer: &str, spec: &Spec, text: &[u8], cuts: &[prop::sample::Index]) -> bool {
    let mask = Arc::new(place_tagged(pointer, "/is", 3, &spec.cases).unwrap());
    let limits = Limits { object: spec.object, ..Limits::default() };
    let expected = tagtree::filter(spec, text);
    let whole = filter(&mask, limits, [text]);
    assert_eq!(
        whole.as_ref().ok().map(|text| String::from_utf8_lossy(text)),
        expected.as_ref().map(|text| String::from_utf8_lossy(text)),
        "{pointer} {} {whole:?}",
        String::from_utf8_lossy(text)
    );
    if text.len() < 200 {
        for at in 0..=text.len() {
            assert_eq!(filter(&mask, limits, [&text[..at], &text[at..]]), whole, "cut at {at}");
        }
    }
    assert_eq!(filter(&mask, limits, text.chunks(1)), whole, "byte by byte");
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    let pieces = places.windows(2).map(|pair| &text[pair[0]..pair[1]]);
    assert_eq!(filter(&mask, limits, pieces), whole);
    whole.is_ok()
}

#[test]
fn p11_tagged_objects_come_out_as_the_tree_says_at_every_split() {
    let whole = std::cell::Cell::new(0);
    let test = |((pointer, spec), text, cuts): ((&str, Spec), String, Vec<_>)| {
        whole.set(whole.get() + u32::from(agrees(pointer, &spec, text.as_bytes(), &cuts)));
        Ok(())
    };
    runner(1200).run(&(spec(), document(), cuts()), test).unwrap();
    assert!(whole.get() > 600, "only {} documents went through", whole.get());
}

#[test]
fn p11_broken_tagged_documents_are_refused_where_the_tree_refuses() {
    let test = |((pointer, spec), text, cuts): ((&str, Spec), Vec<u8>, Vec<_>)| {
        agrees(pointer, &spec, &text, &cuts);
        Ok(())
    };
    runner(1200).run(&(spec(), mutate(document()), cuts()), test).unwrap();
}

const TAGS: &[&str] = &[
    r#""is":"P""#,
    r#""is":"P""#,
    r#""is":"O""#,
    r#""is" : "O""#,
    r#""i\u0073":"\u0050""#,
    r#""is":"other""#,
    r#""is":"a much longer name than any that matters""#,
    r#""is":7"#,
    r#""is":{"is":"P"}"#,
    r#""is":"\ud800""#,
    r#""is":"P","is":"O""#,
    r#""IS":"P""#,
    "",
    "",
    "",
];

const KEYS: &[&str] = &[
    r#""a""#,
    r#""b""#,
    r#""\u0061""#,
    r#""ssn""#,
    r#""é""#,
    r#""data""#,
    r#""x/y""#,
    r#""\ud800""#,
];
