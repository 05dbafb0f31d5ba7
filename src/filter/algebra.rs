//! Joining masks: what passes either of two, and what passes both.
//!
//! Both walk the two masks together and make one node for each pair of nodes that meet. A pair is
//! made once, so masks that refer to themselves come to an end.

use super::mask::{HIDE, Mask, MaskBuilder, Node, NodeId, SHOW, Types};
use super::plan::{Extra, Pairs, Patterns, ways};
use super::values::NamePattern;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A part passes if it passes either mask.
pub fn union(a: &Mask, b: &Mask) -> Mask {
    Join::new(a, b, How::Either).run()
}

/// A part passes if it passes both masks.
///
/// Where the ways of different pointers meet, each expects types of its own: a value that fits one
/// of them passes, and the parts that another one limits for other types do not count.
pub fn intersect(a: &Mask, b: &Mask) -> Mask {
    Join::new(a, b, How::Both).run()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Either,
    Both,
}

struct Join<'a> {
    left: &'a Mask,
    right: &'a Mask,
    how: How,
    builder: MaskBuilder,
    made: HashMap<(NodeId, NodeId), NodeId>,
    open: Vec<(NodeId, NodeId, NodeId)>,
}

/// One side of a pair.
struct Side<'a> {
    node: &'a Node,
    extra: Option<&'a Extra>,
}

impl<'a> Join<'a> {
    fn new(left: &'a Mask, right: &'a Mask, how: How) -> Join<'a> {
        let (builder, made) = (MaskBuilder::new(), HashMap::new());
        Join { left, right, how, builder, made, open: Vec::new() }
    }

    fn run(mut self) -> Mask {
        let root = self.pair(self.left.root(), self.right.root());
        while let Some((left, right, id)) = self.open.pop() {
            self.fill(left, right, id);
        }
        tidy(&self.builder.finish(root))
    }

    /// The node for a pair, made now or before.
    fn pair(&mut self, left: NodeId, right: NodeId) -> NodeId {
        let plain = |mask: &Mask, id| mask.node(id).way == 0;
        match (self.how, left, right) {
            (_, HIDE, HIDE) => return HIDE,
            (How::Either, SHOW, _) | (How::Either, _, SHOW) | (_, SHOW, SHOW) => return SHOW,
            (How::Both, HIDE, other) if plain(self.right, other) => return HIDE,
            (How::Both, other, HIDE) if plain(self.left, other) => return HIDE,
            _ => {}
        }
        if let Some(id) = self.made.get(&(left, right)) {
            return *id;
        }
        let id = self.builder.reserve();
        self.made.insert((left, right), id);
        self.open.push((left, right, id));
        id
    }

    fn fill(&mut self, left: NodeId, right: NodeId, id: NodeId) {
        let a = Side { node: self.left.node(left), extra: self.left.extra(left) };
        let b = Side { node: self.right.node(right), extra: self.right.extra(right) };
        let ways = self.ways(&a, &b);
        let types = self.types(&a, &b, &ways);
        let limit = match self.how {
            How::Either => a.limit().or(b.limit()),
            How::Both => a.limit().and(b.limit()),
        };
        // The inside of what does not pass is nobody's: it is left out, so that equal masks are equal.
        let (fields, others) = match types.has(Types::OBJECT) {
            true => self.members(&a, &b),
            false => (Vec::new(), HIDE),
        };
        let (elements, items) = match types.has(Types::ARRAY) {
            true => self.elements(&a, &b),
            false => (Vec::new(), HIDE),
        };
        let (pairs, patterns) = match types.has(Types::OBJECT) {
            true => (self.pairs(&a, &b), self.patterns(&a, &b)),
            false => (Vec::new(), Patterns::default()),
        };
        let nulls = self.nulls((left, &a), (right, &b));
        let way = a.node.way | b.node.way;
        let limit = (way != 0).then_some(limit);
        self.builder.set(id, Node { types, fields, others, items, way });
        self.builder.extra(id, Extra { elements, ways, limit, pairs, nulls, patterns });
    }

    /// Pairs that both sides find in the same members are one. What only one side knows of stays,
    /// also where either would do: that is stricter.
    fn pairs(&mut self, a: &Side<'_>, b: &Side<'_>) -> Vec<Pairs> {
        let neutral = self.neutral();
        let mut joined = Vec::new();
        for pairs in a.pairs() {
            let other = b.pairs().iter().find(|other| other.entries == pairs.entries);
            let object = self.pair(pairs.object, other.map_or(neutral, |other| other.object));
            joined.push(Pairs { entries: pairs.entries.clone(), object });
        }
        for pairs in b.pairs() {
            if !a.pairs().iter().any(|other| other.entries == pairs.entries) {
                let object = self.pair(neutral, pairs.object);
                joined.push(Pairs { entries: pairs.entries.clone(), object });
            }
        }
        joined
    }

    /// Whether what does not pass becomes `null`: where both must let it pass, only if both say so,
    /// or one of them lets everything pass.
    fn nulls(&self, (left, a): (NodeId, &Side<'_>), (right, b): (NodeId, &Side<'_>)) -> bool {
        let says =
            |id: NodeId, side: &Side<'_>| side.extra.is_some_and(|extra| extra.nulls) || id == SHOW;
        match self.how {
            How::Either => says(left, a) || says(right, b),
            How::Both => (left, right) != (SHOW, SHOW) && says(left, a) && says(right, b),
        }
    }

    fn types(&self, a: &Side<'_>, b: &Side<'_>, ways: &[(u32, Types)]) -> Types {
        let (left, right) = (wide(a.node.types), wide(b.node.types));
        match self.how {
            How::Either => left.or(right),
            How::Both if a.node.way != 0 && b.node.way != 0 => {
                let expected = ways.iter().fold(Types::NONE, |sum, (_, types)| sum.or(*types));
                a.limit().and(b.limit()).and(expected)
            }
            How::Both => left.and(right),
        }
    }

    /// What each pointer expects. The same pointer on both sides is one pointer.
    fn ways(&self, a: &Side<'_>, b: &Side<'_>) -> Vec<(u32, Types)> {
        let (left, right) = (ways(a.node, a.extra), ways(b.node, b.extra));
        let of = |ways: &[(u32, Types)], bit: u32| {
            ways.iter().find(|(bits, _)| bits & bit != 0).map(|(_, types)| wide(*types))
        };
        let mut grouped = BTreeMap::<u8, u32>::new();
        for bit in (0..u32::BITS).map(|shift| 1 << shift) {
            let types = match (of(&left, bit), of(&right, bit), self.how) {
                (None, None, _) => continue,
                (Some(one), None, _) | (None, Some(one), _) => one,
                (Some(one), Some(two), How::Either) => one.or(two),
                (Some(one), Some(two), How::Both) => one.and(two),
            };
            *grouped.entry(types.0).or_default() |= bit;
        }
        grouped.into_iter().map(|(types, bits)| (bits, Types(types))).collect()
    }

    fn members(&mut self, a: &Side<'_>, b: &Side<'_>) -> (Vec<(Arc<str>, NodeId)>, NodeId) {
        let neutral = self.neutral();
        let (left, left_others) = a.members(neutral);
        let (right, right_others) = b.members(neutral);
        let names: BTreeSet<_> = left.iter().chain(right).map(|(name, _)| name).collect();
        let fields = names.into_iter().map(|name| {
            let pair = self.pair(a.member(name, neutral), b.member(name, neutral));
            (name.clone(), pair)
        });
        let fields = fields.collect();
        (fields, self.pair(left_others, right_others))
    }

    /// The expressions of both sides. Where they are too many, whatever is not named is hidden.
    fn patterns(&mut self, a: &Side<'_>, b: &Side<'_>) -> Patterns {
        let neutral = self.neutral();
        let mut names: Vec<NamePattern> = Vec::new();
        for name in a.patterns().into_iter().chain(b.patterns()).flat_map(|all| &all.names) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        if names.len() > Patterns::MOST {
            let any = NamePattern::new("").expect("the empty expression matches everything");
            return Patterns { names: vec![any], table: vec![HIDE; 2] };
        }
        if names.is_empty() {
            return Patterns::default();
        }
        let table = (0..1usize << names.len()).map(|matching| match matching {
            0 => HIDE,
            _ => self
                .pair(a.matching(&names, matching, neutral), b.matching(&names, matching, neutral)),
        });
        let table = table.collect();
        Patterns { names, table }
    }

    fn elements(&mut self, a: &Side<'_>, b: &Side<'_>) -> (Vec<(u64, NodeId)>, NodeId) {
        let neutral = self.neutral();
        let (left, left_items) = a.elements(neutral);
        let (right, right_items) = b.elements(neutral);
        let places: BTreeSet<_> = left.iter().chain(right).map(|(index, _)| index).collect();
        let elements = places.into_iter().map(|at| {
            let pair = self.pair(find(left, at, left_items), find(right, at, right_items));
            (*at, pair)
        });
        let elements = elements.collect();
        (elements, self.pair(left_items, right_items))
    }

    /// What stands for the inside of a container that one side does not let pass at all (or whose
    /// pointer does not lead through): the other side alone decides.
    fn neutral(&self) -> NodeId {
        match self.how {
            How::Either => HIDE,
            How::Both => SHOW,
        }
    }
}

impl<'a> Side<'a> {
    /// The types that pass, pointers apart.
    fn limit(&self) -> Types {
        match self.node.way {
            0 => wide(self.node.types),
            _ => self.extra.and_then(|extra| extra.limit).unwrap_or(Types::ANY),
        }
    }

    fn pairs(&self) -> &'a [Pairs] {
        match self.node.types.has(Types::OBJECT) {
            true => self.extra.map(|extra| extra.pairs.as_slice()).unwrap_or_default(),
            false => &[],
        }
    }

    fn patterns(&self) -> Option<&'a Patterns> {
        let extra = self.extra.filter(|_| self.node.types.has(Types::OBJECT));
        extra.map(|extra| &extra.patterns).filter(|patterns| !patterns.names.is_empty())
    }

    /// The node of a member with this name.
    fn member(&self, name: &Arc<str>, neutral: NodeId) -> NodeId {
        let (fields, others) = self.members(neutral);
        let matching = || self.patterns().map_or(0, |patterns| patterns.matching(name));
        match fields.binary_search_by(|(field, _)| field.cmp(name)) {
            Ok(at) => fields[at].1,
            Err(_) => match matching() {
                0 => others,
                bits => self.patterns().map_or(others, |patterns| patterns.table[bits]),
            },
        }
    }

    /// The node of members that match just these of the expressions, of which some are not this
    /// side's.
    fn matching(&self, names: &[NamePattern], matching: usize, neutral: NodeId) -> NodeId {
        let (_, others) = self.members(neutral);
        let Some(patterns) = self.patterns() else { return others };
        let own = patterns.names.iter().enumerate().filter(|(_, name)| {
            names.iter().position(|known| known == *name).is_some_and(|at| matching & 1 << at != 0)
        });
        match own.fold(0, |bits, (at, _)| bits | 1 << at) {
            0 => others,
            bits => patterns.table[bits],
        }
    }

    fn members(&self, neutral: NodeId) -> (&'a [(Arc<str>, NodeId)], NodeId) {
        if self.node.types.has(Types::OBJECT) {
            (&self.node.fields, self.node.others)
        } else {
            (&[], neutral)
        }
    }

    fn elements(&self, neutral: NodeId) -> (&'a [(u64, NodeId)], NodeId) {
        if self.node.types.has(Types::ARRAY) {
            let elements = self.extra.map(|extra| extra.elements.as_slice()).unwrap_or_default();
            (elements, self.node.items)
        } else {
            (&[], neutral)
        }
    }
}

fn find<K: Ord>(sorted: &[(K, NodeId)], key: &K, otherwise: NodeId) -> NodeId {
    sorted.binary_search_by(|(known, _)| known.cmp(key)).map_or(otherwise, |at| sorted[at].1)
}

/// A set that has every number has the integral ones.
fn wide(types: Types) -> Types {
    if types.has(Types::NUMBER) { types.or(Types::INTEGER) } else { types }
}

/// The same mask with what can be said as [`SHOW`] or [`HIDE`] said so, and without nodes that
/// nothing reaches.
fn tidy(mask: &Mask) -> Mask {
    let open = all_open(mask);
    let short = |id: NodeId| {
        let node = mask.node(id);
        match () {
            () if open.contains(&id) => SHOW,
            () if node.types == Types::NONE && node.way == 0 && !mask.plan(id).nulls => HIDE,
            () => id,
        }
    };
    let mut builder = MaskBuilder::new();
    let mut moved = HashMap::from([(SHOW, SHOW), (HIDE, HIDE)]);
    let mut todo = Vec::new();
    let mut goes_to = |id: NodeId, builder: &mut MaskBuilder, todo: &mut Vec<NodeId>| {
        *moved.entry(short(id)).or_insert_with_key(|id| {
            todo.push(*id);
            builder.reserve()
        })
    };
    let root = goes_to(mask.root(), &mut builder, &mut todo);
    while let Some(id) = todo.pop() {
        let mut node = mask.node(id).clone();
        let mut extra = mask.extra(id).cloned().unwrap_or_default();
        node.fields.iter_mut().for_each(|(_, to)| *to = goes_to(*to, &mut builder, &mut todo));
        extra.children_mut().for_each(|to| *to = goes_to(*to, &mut builder, &mut todo));
        node.others = goes_to(node.others, &mut builder, &mut todo);
        node.items = goes_to(node.items, &mut builder, &mut todo);
        let at = goes_to(id, &mut builder, &mut todo);
        builder.set(at, node);
        builder.extra(at, extra);
    }
    builder.finish(root)
}

/// The nodes that limit nothing, nor does anything that they reach: all that cannot be shown to
/// limit something.
fn all_open(mask: &Mask) -> BTreeSet<NodeId> {
    let count = u32::try_from(mask.len()).expect("a mask has fewer than 2^32 nodes");
    let ids = (0..count)
        .map(NodeId)
        .filter(|id| mask.node(*id).way == 0 && mask.node(*id).types.has(Types::ALL_BUT_INTEGER))
        .filter(|id| mask.plan(*id).pairs.is_empty());
    let mut open: BTreeSet<_> = ids.collect();
    loop {
        let limited = |id: &NodeId| !children(mask, *id).all(|child| open.contains(&child));
        let gone: Vec<_> = open.iter().copied().filter(limited).collect();
        if gone.is_empty() {
            return open;
        }
        gone.iter().for_each(|id| {
            open.remove(id);
        });
    }
}

fn children(mask: &Mask, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
    let node = mask.node(id);
    let elements = mask.extra(id).into_iter().flat_map(|extra| &extra.elements);
    let members = node.fields.iter().map(|(_, id)| *id);
    let patterns = mask.extra(id).into_iter().flat_map(|extra| extra.patterns.nodes());
    members.chain(elements.map(|(_, id)| *id)).chain([node.others, node.items]).chain(patterns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::place::{anywhere, hidden_names, place};
    use crate::filter::{Fault, Filter, Limits};

    fn object(fields: &[(&str, NodeId)], others: NodeId) -> Mask {
        let mut builder = MaskBuilder::new();
        let fields = fields.iter().map(|(name, id)| ((*name).into(), *id)).collect();
        let root = builder.add(Node { types: Types::OBJECT, fields, others, ..Node::open() });
        builder.finish(root)
    }

    fn shown(mask: &Mask, text: &str) -> Result<String, Fault> {
        let (mut filter, mut out) =
            (Filter::new(Arc::new(mask.clone()), Limits::default()), vec![]);
        filter.push(text.as_bytes(), &mut out)?;
        filter.finish(&mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn either_shows_more_and_both_show_less() {
        let (a, b) = (object(&[("x", HIDE), ("y", HIDE)], SHOW), object(&[("x", SHOW)], HIDE));
        let text = r#"{"x":1,"y":2,"z":3}"#;
        assert_eq!(shown(&union(&a, &b), text).unwrap(), r#"{"x":1,"z":3}"#);
        assert_eq!(shown(&intersect(&a, &b), text).unwrap(), "{}");
    }

    #[test]
    fn show_absorbs_and_hide_is_neutral_in_a_union() {
        let (show, hide) = (MaskBuilder::new().finish(SHOW), MaskBuilder::new().finish(HIDE));
        let mask = object(&[("x", HIDE)], SHOW);
        assert!(union(&mask, &show).is_empty());
        assert_eq!(union(&mask, &hide), union(&mask, &mask));
        assert_eq!(intersect(&mask, &show), union(&mask, &mask));
        assert_eq!(intersect(&mask, &hide).root(), HIDE);
    }

    #[test]
    fn a_type_that_one_side_refuses_opens_nothing_of_the_other() {
        let mut builder = MaskBuilder::new();
        // `others` is SHOW here, but no object passes.
        let list = builder.add(Node { types: Types::ARRAY, items: HIDE, ..Node::open() });
        let list = builder.finish(list);
        let both = union(&list, &object(&[("x", HIDE)], SHOW));
        assert_eq!(shown(&both, r#"{"x":1,"y":2}"#).unwrap(), r#"{"y":2}"#);
        assert_eq!(shown(&both, "[1]").unwrap(), "[]");
    }

    #[test]
    fn masks_that_refer_to_themselves_are_joined() {
        let (a, b) = (anywhere(["x"]), anywhere(["x", "y"]));
        let text = r#"{"x":1,"y":[{"x":{"y":1},"y":2}],"z":{"y":1}}"#;
        assert_eq!(shown(&union(&a, &b), text), shown(&a, text));
        assert_eq!(shown(&intersect(&a, &b), text).unwrap(), r#"{"z":{}}"#);
        // What is inside of `x` is seen through the mask that shows `x`, and that one hides `y`.
        let mixed = union(&anywhere(["x"]), &anywhere(["y"]));
        assert_eq!(shown(&mixed, r#"{"x":{"y":1},"y":{"x":[]}}"#).unwrap(), r#"{"x":{},"y":{}}"#);
    }

    #[test]
    fn numbers_include_integers() {
        let typed = |types| {
            let mut builder = MaskBuilder::new();
            let item = builder.add(Node { types, ..Node::open() });
            let root = builder.add(Node { items: item, ..Node::open() });
            builder.finish(root)
        };
        let (number, integer) = (typed(Types::NUMBER), typed(Types::INTEGER));
        assert_eq!(shown(&intersect(&number, &integer), "[1,1.5]").unwrap(), "[1]");
        assert_eq!(shown(&union(&number, &integer), "[1,1.5,\"\"]").unwrap(), "[1,1.5]");
    }

    #[test]
    fn an_object_or_a_list_of_them_are_alternatives() {
        let inner = object(&[("ssn", HIDE)], SHOW);
        let one = place("", 0, &inner).unwrap();
        let list = place("/*", 1, &inner).unwrap();
        let mask = intersect(&one, &list);
        assert_eq!(mask.alternatives(), 3);
        assert_eq!(shown(&mask, r#"[{"ssn":1,"a":2}]"#).unwrap(), r#"[{"a":2}]"#);
        assert_eq!(shown(&mask, r#"{"ssn":1,"a":{"ssn":3}}"#).unwrap(), r#"{"a":{}}"#);
        // The second pointer does not fit, but the first does.
        assert_eq!(shown(&mask, r#"{"ssn":1,"b":1}"#).unwrap(), "{}");
        assert_eq!(shown(&mask, "7"), Err(Fault::Shape));
        assert_eq!(shown(&mask, "[7]"), Err(Fault::Shape));
    }

    #[test]
    fn a_pointer_through_what_another_mask_limits_opens_nothing() {
        let mut builder = MaskBuilder::new();
        let data = builder.add(Node { types: Types::OBJECT, others: HIDE, ..Node::open() });
        let fields = vec![("data".into(), data)];
        let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
        let outer = place("", 0, &builder.finish(root)).unwrap();
        let inner = place("/data/*", 1, &object(&[("ssn", HIDE)], SHOW)).unwrap();
        let mask = intersect(&outer, &inner);
        assert_eq!(shown(&mask, r#"{"data":[{"a":1}],"b":2}"#).unwrap(), r#"{"b":2}"#);
        assert_eq!(
            shown(&mask, r#"{"data":{"k":{"a":1}},"b":2}"#).unwrap(),
            r#"{"data":{},"b":2}"#
        );
        let hidden = intersect(&object(&[("data", HIDE)], SHOW), &inner);
        assert_eq!(shown(&hidden, r#"{"data":[{"a":1}],"b":2}"#).unwrap(), r#"{"b":2}"#);
    }

    #[test]
    fn hidden_names_are_those_that_can_be_reached() {
        let names = |mask: &Mask| {
            let (names, unnamed) = hidden_names(mask);
            (names.iter().map(|name| name.to_string()).collect::<Vec<_>>(), unnamed)
        };
        let inner = object(&[("ssn", HIDE), ("name", SHOW)], SHOW);
        assert_eq!(names(&place("/data/*", 0, &inner).unwrap()), (vec!["ssn".into()], false));
        let allow = object(&[("id", SHOW), ("ssn", HIDE)], HIDE);
        assert_eq!(names(&place("/a", 0, &allow).unwrap()), (vec!["ssn".into()], true));
        assert_eq!(names(&anywhere(["b", "a"])), (vec!["a".into(), "b".into()], false));
    }
}
