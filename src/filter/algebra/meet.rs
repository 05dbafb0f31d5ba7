//! Two nodes that apply to one value: what is said of it.

use super::How;
use crate::filter::mask::{HIDE, Mask, Node, NodeId, SHOW, Types};
use crate::filter::plan::{Extra, Pairs, Patterns, Tags, ways};
use crate::filter::values::NamePattern;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Makes nodes of two. What lies inside of a value are pairs of nodes again.
pub(in crate::filter) trait Meet {
    /// Whether a part must pass both, or either.
    fn how(&self) -> How;

    /// The node for a pair, made now or before.
    fn pair(&mut self, left: NodeId, right: NodeId) -> NodeId;

    /// What is said of a value to which both nodes apply, their tags included.
    fn content(&mut self, (left, a): Of<'_>, (right, b): Of<'_>) -> (Node, Extra) {
        let ways = self.ways(&a, &b);
        let types = self.types(&a, &b, &ways);
        let limit = match self.how() {
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
        let tags = self.tags((left, &a), (right, &b));
        let way = a.node.way | b.node.way;
        let limit = (way != 0).then_some(limit);
        let extra = Extra { elements, ways, limit, pairs, nulls, patterns, tags };
        (Node { types, fields, others, items, way }, extra)
    }

    /// An object's tag is asked for where one side asks for it. Where both do, and look for it in
    /// different members, one after the other.
    fn tags(
        &mut self,
        (left, a): (NodeId, &Side<'_>),
        (right, b): (NodeId, &Side<'_>),
    ) -> Option<Tags> {
        let (one, two) = (a.tags(), b.tags());
        let field = one.or(two)?.field.clone();
        let two = two.filter(|two| two.field == field);
        let cases = one.into_iter().chain(two).flat_map(|tags| &tags.cases);
        let values: BTreeSet<_> = cases.map(|(value, _)| value.clone()).collect();
        let mut pair =
            |of: &dyn Fn(&Tags) -> NodeId| self.pair(one.map_or(left, of), two.map_or(right, of));
        let cases = values.iter().map(|value| (value.clone(), pair(&|tags| tags.case(value))));
        let cases = cases.collect();
        let (other, none) = (pair(&|tags| tags.other), pair(&|tags| tags.none));
        Some(Tags { field, cases, other, none })
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
        match self.how() {
            How::Either => says(left, a) || says(right, b),
            How::Both => (left, right) != (SHOW, SHOW) && says(left, a) && says(right, b),
        }
    }

    fn types(&self, a: &Side<'_>, b: &Side<'_>, ways: &[(u32, Types)]) -> Types {
        let (left, right) = (wide(a.node.types), wide(b.node.types));
        match self.how() {
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
            let types = match (of(&left, bit), of(&right, bit), self.how()) {
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
        match self.how() {
            How::Either => HIDE,
            How::Both => SHOW,
        }
    }
}

/// A node and what is known of it.
pub(in crate::filter) type Of<'a> = (NodeId, Side<'a>);

/// One side of a pair.
pub(in crate::filter) struct Side<'a> {
    node: &'a Node,
    extra: Option<&'a Extra>,
}

impl<'a> Side<'a> {
    /// A node of a mask.
    pub fn of(mask: &'a Mask, id: NodeId) -> Of<'a> {
        (id, Side { node: mask.node(id), extra: mask.extra(id) })
    }

    fn tags(&self) -> Option<&'a Tags> {
        self.extra.and_then(|extra| extra.tags.as_ref())
    }

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
