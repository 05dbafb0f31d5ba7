//! Lists of pairs: each pair is shown, or may be sent, exactly as the one property that it stands for,
//! which the tree judges.

use super::documents::{cuts, document, mask, runner};
use super::oracle::{self, Verdict};
use portcullis::filter::mask::{Mask, MaskBuilder, Node, Types};
use portcullis::filter::place::{Entries, place_pairs};
use portcullis::filter::write::{Patch, WriteFault, check};
use portcullis::filter::{Filter, Limits};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A mask of objects: the root of another one with everything but objects refused, and no ways.
fn objects() -> impl Strategy<Value = Mask> {
    mask().prop_map(|mask| {
        let mut builder = MaskBuilder::new();
        for id in 2..mask.len() {
            let id = portcullis::filter::mask::NodeId(u32::try_from(id).unwrap());
            let added = builder.add(Node { way: 0, ..mask.node(id).clone() });
            builder.extra(added, mask.extra(id).cloned().unwrap_or_default());
        }
        let root = Node { types: Types::OBJECT, way: 0, ..mask.node(mask.root()).clone() };
        let root = builder.add(root);
        builder.finish(root)
    })
}

/// Properties with names of their own, each with whether its value stands first.
fn pairs() -> impl Strategy<Value = BTreeMap<&'static str, (String, bool)>> {
    let name = prop::sample::select(&["a", "b", "ssn", "x/y", "data", "other"][..]);
    prop::collection::btree_map(name, (document(), any::<bool>()), 0..4)
}

fn pair(name: &str, value: &str, value_first: bool) -> String {
    match value_first {
        true => format!(r#"{{"value":{value},"at":1,"key":"{name}"}}"#),
        false => format!(r#"{{ "key" : "{name}","value":{value}}}"#),
    }
}

fn placed(mask: &Mask) -> Mask {
    place_pairs("", &Entries::new("/key", "/value").unwrap(), 0, mask).unwrap()
}

#[test]
fn p11_a_pair_is_shown_as_its_property_alone_would_be() {
    let test =
        |(mask, pairs, cuts): (Mask, BTreeMap<&str, (String, bool)>, Vec<prop::sample::Index>)| {
            let alone: Vec<_> = pairs
                .iter()
                .map(|(name, (value, first))| {
                    let object = format!(r#"{{"{name}":{value}}}"#);
                    let shown = oracle::filter(&mask, object.as_bytes());
                    shown.map(|shown| {
                        let shown = String::from_utf8(shown).unwrap();
                        let start = name.len() + 4;
                        shown
                            .starts_with("{\"")
                            .then(|| pair(name, &shown[start..shown.len() - 1], *first))
                    })
                })
                .collect();
            let whole: Option<Vec<Option<String>>> = alone.into_iter().collect();
            let expected = whole.map(|shown| {
                format!("[{}]", shown.into_iter().flatten().collect::<Vec<_>>().join(","))
            });
            let texts: Vec<_> =
                pairs.iter().map(|(name, (value, first))| pair(name, value, *first)).collect();
            let text = format!("[{}]", texts.join(","));
            let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let (mut filter, mut out) =
                (Filter::new(Arc::new(placed(&mask)), Limits::default()), Vec::new());
            let pieces = places.windows(2).map(|two| &text.as_bytes()[two[0]..two[1]]);
            let mut pieces = pieces;
            let read = pieces.try_for_each(|piece| filter.push(piece, &mut out));
            let got = read
                .and_then(|()| filter.finish(&mut out))
                .map(|()| String::from_utf8(out).unwrap());
            prop_assert_eq!(got.as_ref().ok(), expected.as_ref(), "{}: {:?}", text, got);
            Ok(())
        };
    runner(5000).run(&(objects(), pairs(), cuts()), test).unwrap();
}

#[test]
fn p10_a_pair_may_be_sent_as_its_property_alone_may() {
    let test = |(mask, pairs): (Mask, BTreeMap<&str, (String, bool)>)| {
        let (mut fields, mut types, mut invalid) = (Vec::new(), Vec::new(), false);
        for (at, (name, (value, _))) in pairs.iter().enumerate() {
            let object = format!(r#"{{"{name}":{value}}}"#);
            match oracle::check(&mask, object.as_bytes(), Patch::No) {
                Verdict::Fine => {}
                Verdict::Invalid => invalid = true,
                Verdict::Fields(_) => fields.push(format!("/{at}/key")),
                Verdict::Types(_) => types.push(format!("/{at}/key")),
            }
        }
        let texts: Vec<_> =
            pairs.iter().map(|(name, (value, first))| pair(name, value, *first)).collect();
        let text = format!("[{}]", texts.join(","));
        for patch in [Patch::No, Patch::Merge] {
            match check(&placed(&mask), text.as_bytes(), &Limits::default(), patch) {
                Err(WriteFault::Invalid(fault)) => prop_assert!(invalid, "{}: {}", text, fault),
                Err(WriteFault::Fields(found)) => {
                    prop_assert_eq!((&found, invalid), (&fields, false))
                }
                Err(WriteFault::Types(found)) => {
                    prop_assert_eq!((&found, invalid), (&types, false));
                    prop_assert!(fields.is_empty());
                }
                Ok(()) => {
                    prop_assert!(!invalid && fields.is_empty() && types.is_empty(), "{}", text)
                }
            }
        }
        Ok(())
    };
    runner(5000).run(&(objects(), pairs()), test).unwrap();
}
