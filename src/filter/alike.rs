//! Whether two masks show the same fields, whatever types their values may have.

use super::mask::{HIDE, Mask, NodeId, SHOW, Types};
use std::collections::{BTreeSet, HashSet};

/// Where one mask shows what the other hides; `None` where both show the same.
///
/// A value that one of them does not expect to be an object has no fields there, so an object on the
/// other side differs from nothing; likewise arrays.
pub fn differ(a: &Mask, b: &Mask) -> Option<String> {
    let mut seen = HashSet::new();
    let mut todo = vec![(a.root(), b.root(), String::new())];
    while let Some((left, right, at)) = todo.pop() {
        if !seen.insert((left, right)) || (left, right) == (SHOW, SHOW) {
            continue;
        }
        if hidden(a, left) || hidden(b, right) {
            if hidden(a, left) != hidden(b, right) {
                let place =
                    if at.is_empty() { "the whole value".into() } else { format!("`{at}`") };
                return Some(format!("one of them hides {place}, and another does not"));
            }
            continue;
        }
        let both = |types| a.node(left).types.has(types) && b.node(right).types.has(types);
        if both(Types::OBJECT) {
            let names = [(a, left), (b, right)].map(|(mask, id)| &mask.node(id).fields);
            let names: BTreeSet<_> = names.into_iter().flatten().map(|(name, _)| name).collect();
            let patterns =
                [(a, left), (b, right)].map(|(mask, id)| mask.plan(id).patterns.as_ref());
            if let [None, Some(_)] | [Some(_), None] = patterns {
                return Some("one of them names fields by patterns, and another does not".into());
            }
            if let [Some(one), Some(two)] = patterns {
                if one.names != two.names {
                    return Some("they name fields by different patterns".into());
                }
                let nodes = one.nodes().zip(two.nodes());
                todo.extend(nodes.map(|(one, two)| (one, two, format!("{at}/*"))));
            }
            let others = (a.node(left).others, b.node(right).others, format!("{at}/*"));
            todo.push(others);
            todo.extend(
                names.into_iter().map(|name| {
                    (a.member(left, name), b.member(right, name), format!("{at}/{name}"))
                }),
            );
        }
        let pairs = [(a, left), (b, right)]
            .map(|(mask, id)| mask.extra(id).map_or(0, |extra| extra.pairs.len()));
        if pairs != [0, 0] {
            // Schemas have no pairs; where masks do, nothing is said of them.
            return Some("pairs cannot be compared".into());
        }
        if both(Types::ARRAY) {
            let places = [(a, left), (b, right)].map(|(mask, id)| mask.extra(id));
            let places = places.into_iter().flatten().flat_map(|extra| &extra.elements);
            let places: BTreeSet<u64> = places.map(|(index, _)| *index).collect();
            todo.push((a.node(left).items, b.node(right).items, format!("{at}/*")));
            todo.extend(places.into_iter().map(|index| {
                (a.element(left, index), b.element(right, index), format!("{at}/{index}"))
            }));
        }
    }
    None
}

fn hidden(mask: &Mask, id: NodeId) -> bool {
    id == HIDE || mask.node(id).types == Types::NONE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::mask::{MaskBuilder, Node};
    use crate::filter::place::anywhere;
    use crate::filter::plan::{Extra, Patterns};
    use crate::filter::values::NamePattern;

    fn object(types: Types, fields: &[(&str, NodeId)], others: NodeId) -> Mask {
        let mut builder = MaskBuilder::new();
        let fields = fields.iter().map(|(name, id)| ((*name).into(), *id)).collect();
        let root = builder.add(Node { types, fields, others, ..Node::open() });
        builder.finish(root)
    }

    #[test]
    fn types_do_not_matter_and_fields_do() {
        let hides = object(Types::OBJECT, &[("a", HIDE)], SHOW);
        assert_eq!(differ(&hides, &hides), None);
        assert_eq!(differ(&hides, &object(Types::ANY, &[("a", HIDE), ("b", SHOW)], SHOW)), None);
        assert_eq!(differ(&hides, &object(Types::STRING, &[], SHOW)), None, "no object there");
        for other in [
            Mask::show(),
            object(Types::OBJECT, &[], HIDE),
            object(Types::OBJECT, &[("a", SHOW)], SHOW),
            object(Types::OBJECT, &[("a", HIDE), ("b", HIDE)], SHOW),
            Mask::hide(),
        ] {
            assert!(differ(&hides, &other).is_some() && differ(&other, &hides).is_some());
        }
        let shown = object(Types::OBJECT, &[("a", SHOW)], SHOW);
        assert!(differ(&hides, &shown).unwrap().contains("`/a`"));
    }

    #[test]
    fn masks_that_refer_to_themselves_come_to_an_end() {
        assert_eq!(differ(&anywhere(["x"]), &anywhere(["x"])), None);
        assert!(differ(&anywhere(["x"]), &anywhere(["x", "y"])).is_some());
    }

    #[test]
    fn a_field_of_no_type_is_hidden() {
        let mut builder = MaskBuilder::new();
        let none = builder.add(Node { types: Types::NONE, ..Node::open() });
        let fields = vec![("a".into(), none)];
        let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
        let none = builder.finish(root);
        assert_eq!(differ(&none, &object(Types::OBJECT, &[("a", HIDE)], SHOW)), None);
        assert!(differ(&none, &object(Types::OBJECT, &[("a", SHOW)], SHOW)).is_some());
    }

    #[test]
    fn names_by_patterns_are_alike_where_the_patterns_and_what_they_show_are() {
        let mask = |pattern: &str, node: NodeId| {
            let mut builder = MaskBuilder::new();
            let root = builder.add(Node { types: Types::OBJECT, ..Node::open() });
            let names = vec![NamePattern::new(pattern).unwrap()];
            let patterns = Patterns { names, table: vec![SHOW, node] };
            builder.extra(root, Extra { patterns, ..Extra::default() });
            builder.finish(root)
        };
        assert_eq!(differ(&mask("^x_", HIDE), &mask("^x_", HIDE)), None);
        assert!(differ(&mask("^x_", HIDE), &mask("^y_", HIDE)).unwrap().contains("patterns"));
        assert!(differ(&mask("^x_", HIDE), &mask("^x_", SHOW)).is_some());
        assert!(differ(&mask("^x_", HIDE), &object(Types::OBJECT, &[], SHOW)).is_some());
    }
}
