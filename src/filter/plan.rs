//! What the engine reads of a mask's node, worked out once when the mask is finished.

use super::mask::{Node, NodeId, Types};
use super::place::Entries;
use super::values::NamePattern;
use std::sync::Arc;

/// What a node expects besides what [`Node`] says. Kept beside the node, because almost none has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// In an array: elements by index, sorted; every other element has `items`.
    pub elements: Vec<(u64, NodeId)>,
    /// The types that each pointer expects, where several pointers meet in one node. The bits of
    /// `way` that are missing here expect the node's own types.
    pub ways: Vec<(u32, Types)>,
    /// The types that pass for reasons other than the pointers', in a node with `way`.
    pub limit: Option<Types>,
    /// In an element of a list: it is a pair that names a property of an object and holds its value.
    /// All of these apply, and the node's own members besides.
    pub pairs: Vec<Pairs>,
    /// A value that does not pass becomes `null`; otherwise it goes, and its key with it.
    pub nulls: bool,
    /// In an object: members that are not among the fields, by their names' shape.
    pub patterns: Patterns,
    /// In an object: members whose names are not among the fields, but are one of these names folded,
    /// sorted: keys that differ from a field's name in case alone.
    pub folded: Vec<(Arc<str>, NodeId)>,
    /// An object says by its tag which node applies to it. The node itself applies to one whose tag
    /// cannot be told, and is therefore the strictest of all.
    pub tags: Option<Tags>,
    /// A number that says how many rows there are, see [`super::total`].
    pub total: bool,
}

/// Nodes for objects by what a member of theirs, the tag, says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    /// The members on the way to the tag, at least one.
    pub field: Arc<[Arc<str>]>,
    /// The nodes of those that are called so, sorted by the tag.
    pub cases: Vec<(Arc<str>, NodeId)>,
    /// The node of those that are called something else.
    pub other: NodeId,
    /// The node of those that have no tag.
    pub none: NodeId,
}

impl Tags {
    /// The node of an object that is called so.
    pub fn case(&self, value: &str) -> NodeId {
        let at = self.cases.binary_search_by(|(known, _)| (**known).cmp(value));
        at.map_or(self.other, |at| self.cases[at].1)
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.cases.iter().map(|(_, id)| *id).chain([self.other, self.none])
    }

    fn nodes_mut(&mut self) -> impl Iterator<Item = &mut NodeId> {
        self.cases.iter_mut().map(|(_, id)| id).chain([&mut self.other, &mut self.none])
    }
}

/// Nodes for members whose names match regular expressions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    /// The expressions, at most [`Patterns::MOST`].
    pub names: Vec<NamePattern>,
    /// The node of a member, by the set of the expressions that match, each one bit; the first, for
    /// none of them, is not used: such a member is one of the others.
    pub table: Vec<NodeId>,
}

impl Patterns {
    /// How many expressions there can be in one node: every set of them has its entry.
    pub const MOST: usize = 6;

    /// Which of the expressions match a name, as bits.
    pub fn matching(&self, name: &str) -> usize {
        let names = self.names.iter().enumerate();
        names.filter(|(_, pattern)| pattern.matches(name)).fold(0, |bits, (at, _)| bits | 1 << at)
    }

    /// The nodes, without the one that is not used.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.table.iter().skip(1).copied()
    }
}

/// A pair stands for a property of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs {
    /// Where in the pair.
    pub entries: Entries,
    /// The object's node.
    pub object: NodeId,
}

impl Extra {
    /// The nodes that it leads to.
    pub(super) fn children_mut(&mut self) -> impl Iterator<Item = &mut NodeId> {
        let pairs = self.pairs.iter_mut().map(|pairs| &mut pairs.object);
        let named = self.patterns.table.iter_mut().skip(1);
        let folded = self.folded.iter_mut().map(|(_, id)| id);
        let tagged = self.tags.iter_mut().flat_map(Tags::nodes_mut);
        self.elements
            .iter_mut()
            .map(|(_, id)| id)
            .chain(pairs)
            .chain(named)
            .chain(folded)
            .chain(tagged)
    }
}

/// A node, ready for the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    names: Names,
    /// Elements by index.
    pub elements: Box<[(u64, NodeId)]>,
    /// Pointers, as bits, and the types that fit them.
    pub ways: Box<[(u32, Types)]>,
    /// A value of every type passes, so that the key alone decides.
    pub decided: bool,
    /// The types of which a value is looked at before it is judged: a number where it matters whether
    /// it is integral and an object that is a pair are held until they have ended; of an object with a
    /// tag, that has been read.
    pub held: Types,
    /// What stands for properties, one after the other.
    pub pairs: Box<[Pairs]>,
    /// A value that does not pass becomes `null`.
    pub nulls: bool,
    /// Members that are not named may have a node by their name's shape, or by their name folded.
    pub patterns: Option<Box<Patterns>>,
    /// Nodes by folded names; where there are some, there are `patterns`, if only empty ones.
    pub folded: Box<[(Arc<str>, NodeId)]>,
    /// The node of an object is told by its tag.
    pub tags: Option<Box<Tags>>,
    /// A number that says how many rows there are.
    pub total: bool,
    /// Whether anything is hidden in this node or below.
    pub hides: bool,
}

/// A closed hash table over the names of a node, by their bytes. The names come from the policy,
/// so a client cannot make them collide; a key that is not among them costs one empty slot.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Names {
    /// A power of two, at most half full.
    slots: Box<[Slot]>,
    /// One bit for each name, by its length and first byte: most keys are none of them by that.
    hints: u64,
}

/// A name, so that it can be compared where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    ends: Ends,
    length: u32,
    /// Index of a field plus one; zero is an empty slot.
    field: u32,
}

/// The first and the last bytes of a key. With its length they are the whole of it up to
/// [`Ends::WHOLE`] bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends(u64, u64);

impl Plan {
    /// The plan of a node; `hides` is filled in by [`mark_hiding`].
    pub fn new(node: &Node, extra: Option<&Extra>) -> Plan {
        let ways = ways(node, extra);
        let picky = |types: Types| types.has(Types::INTEGER) && !types.has(Types::NUMBER);
        Plan {
            names: Names::new(&node.fields),
            elements: extra.map(|extra| extra.elements.as_slice()).unwrap_or_default().into(),
            decided: Types::ALL_BUT_INTEGER.0 & !node.types.0 == 0
                && extra.is_none_or(|extra| extra.tags.is_none()),
            held: held(
                picky(node.types)
                    || extra.is_some_and(|extra| extra.total)
                    || ways.iter().any(|(_, types)| picky(*types)),
                extra.is_some_and(|extra| !extra.pairs.is_empty() || extra.tags.is_some()),
            ),
            pairs: extra.map(|extra| extra.pairs.as_slice()).unwrap_or_default().into(),
            nulls: extra.is_some_and(|extra| extra.nulls),
            patterns: extra
                .filter(|extra| !extra.patterns.names.is_empty() || !extra.folded.is_empty())
                .map(|extra| Box::new(extra.patterns.clone())),
            folded: extra.map(|extra| extra.folded.as_slice()).unwrap_or_default().into(),
            total: extra.is_some_and(|extra| extra.total),
            tags: extra.and_then(|extra| extra.tags.clone()).map(Box::new),
            ways: ways.into(),
            hides: false,
        }
    }

    /// Whether what does not pass leaves nothing behind, and no tag says that it does pass.
    pub fn is_bare(&self) -> bool {
        !self.nulls && self.tags.is_none()
    }

    /// Which of the node's fields has this name.
    #[inline]
    pub fn find(&self, fields: &[(Arc<str>, NodeId)], key: &[u8]) -> Option<usize> {
        self.names.find(fields, key)
    }
}

fn held(numbers: bool, objects: bool) -> Types {
    let numbers = if numbers { Types::NUMBER } else { Types::NONE };
    numbers.or(if objects { Types::OBJECT } else { Types::NONE })
}

/// The pointers of a node and the types that each expects.
pub(super) fn ways(node: &Node, extra: Option<&Extra>) -> Vec<(u32, Types)> {
    let mut ways = extra.map(|extra| extra.ways.clone()).unwrap_or_default();
    let told = ways.iter().fold(0, |bits, (bit, _)| bits | bit);
    let own = node.way & !told;
    if own != 0 {
        ways.push((own, node.types));
    }
    ways
}

/// Marks the nodes from which a hidden part can be reached. Runs until nothing changes, so masks
/// that refer to themselves are no problem.
pub(super) fn mark_hiding(nodes: &[Node], plans: &mut [Plan]) {
    for (plan, node) in plans.iter_mut().zip(nodes) {
        // An element that is no pair is hidden.
        plan.hides = node.types == Types::NONE || !plan.pairs.is_empty();
    }
    let mut changed = true;
    while changed {
        changed = false;
        for at in (0..nodes.len()).rev() {
            if !plans[at].hides
                && children(&nodes[at], &plans[at]).any(|id| plans[id.0 as usize].hides)
            {
                plans[at].hides = true;
                changed = true;
            }
        }
    }
}

fn children<'a>(node: &'a Node, plan: &'a Plan) -> impl Iterator<Item = NodeId> + 'a {
    let object = node.types.has(Types::OBJECT).then_some(());
    let array = node.types.has(Types::ARRAY).then_some(());
    let members = object
        .into_iter()
        .flat_map(|()| node.fields.iter().map(|(_, id)| *id).chain([node.others]))
        .chain(
            plan.patterns
                .iter()
                .filter(move |_| object.is_some())
                .flat_map(|patterns| patterns.nodes()),
        );
    let elements = array
        .into_iter()
        .flat_map(|()| plan.elements.iter().map(|(_, id)| *id).chain([node.items]));
    let tagged = plan.tags.iter().flat_map(|tags| tags.nodes());
    let folded = plan.folded.iter().map(|(_, id)| *id);
    members.chain(elements).chain(tagged).chain(folded)
}

impl Names {
    fn new(fields: &[(Arc<str>, NodeId)]) -> Names {
        if fields.is_empty() {
            return Names { slots: Box::default(), hints: 0 };
        }
        let mut slots = vec![Slot::default(); (fields.len() * 2).next_power_of_two()];
        for (index, (name, _)) in fields.iter().enumerate() {
            let ends = Ends::of(name.as_bytes());
            let mut slot = ends.hash(name.len()) & (slots.len() - 1);
            while slots[slot].field != 0 {
                slot = (slot + 1) & (slots.len() - 1);
            }
            let field = u32::try_from(index + 1).expect("a node has fewer than 2^32 fields");
            // A length that is cut makes no two names alike: those of more than 16 bytes are compared.
            slots[slot] = Slot { ends, length: name.len() as u32, field };
        }
        let hints = fields.iter().fold(0, |hints, (name, _)| hints | hint(name.as_bytes()));
        Names { slots: slots.into(), hints }
    }

    #[inline(always)]
    fn find(&self, fields: &[(Arc<str>, NodeId)], key: &[u8]) -> Option<usize> {
        if self.hints & hint(key) == 0 {
            return None;
        }
        let last = self.slots.len().checked_sub(1)?;
        let ends = Ends::of(key);
        let mut slot = ends.hash(key.len()) & last;
        loop {
            let name = &self.slots[slot];
            let index = (name.field as usize).checked_sub(1)?;
            if name.ends == ends && name.length == key.len() as u32 {
                let whole = key.len() <= Ends::WHOLE || fields[index].0.as_bytes() == key;
                if whole {
                    return Some(index);
                }
            }
            slot = (slot + 1) & last;
        }
    }
}

/// The bit of a name in [`Names::hints`].
#[inline(always)]
fn hint(key: &[u8]) -> u64 {
    1 << ((key.first().map_or(0, |byte| usize::from(*byte)) ^ key.len() << 2) % 64)
}

impl Ends {
    /// How many bytes both ends together hold at most.
    const WHOLE: usize = 16;

    #[inline(always)]
    fn of(key: &[u8]) -> Ends {
        if let (Some(head), Some(tail)) = (key.first_chunk(), key.last_chunk()) {
            Ends(u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
        } else if let (Some(head), Some(tail)) = (key.first_chunk(), key.last_chunk()) {
            Ends(u32::from_le_bytes(*head).into(), u32::from_le_bytes(*tail).into())
        } else if let (Some(head), Some(tail)) = (key.first_chunk(), key.last_chunk()) {
            Ends(u16::from_le_bytes(*head).into(), u16::from_le_bytes(*tail).into())
        } else {
            Ends(key.first().map_or(0, |byte| (*byte).into()), 0)
        }
    }

    /// Mixes both ends and the length: enough to tell the names of one object apart.
    #[inline(always)]
    fn hash(self, length: usize) -> usize {
        let Ends(head, tail) = self;
        let mixed = (head ^ tail.rotate_left(29) ^ length as u64).wrapping_mul(GOLDEN);
        (mixed >> 32) as usize
    }
}

/// 2^64 over the golden ratio: an odd number whose products spread well.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::mask::{HIDE, MaskBuilder, SHOW};

    #[test]
    fn every_name_is_found_and_no_other() {
        let names: Vec<String> = (0..300).map(|n| "x".repeat(n % 23) + &n.to_string()).collect();
        let fields: Vec<_> = names.iter().map(|name| (Arc::from(name.as_str()), SHOW)).collect();
        let table = Names::new(&fields);
        for (index, name) in names.iter().enumerate() {
            assert_eq!(table.find(&fields, name.as_bytes()), Some(index));
            assert_eq!(table.find(&fields, format!("{name}!").as_bytes()), None);
        }
        assert_eq!(table.find(&fields, b""), None);
        assert_eq!(Names::new(&[]).find(&[], b"a"), None);
        // Alike by their ends and length, or by length and first byte alone.
        let fields = [("seventeen bytes..".into(), SHOW), ("ab".into(), SHOW)];
        let table = Names::new(&fields);
        assert_eq!(table.find(&fields, b"seventeen bytes.."), Some(0));
        for other in ["seventee- bytes..", "seventeen-bytes..", "ac", "a", "abc", "ab\0"] {
            assert_eq!(table.find(&fields, other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn hiding_is_seen_through_self_reference() {
        let mut builder = MaskBuilder::new();
        let a = builder.reserve();
        let b = builder.add(Node { items: a, ..Node::open() });
        builder.set(a, Node { fields: vec![("x".into(), HIDE)], others: b, ..Node::open() });
        let c = builder.add(Node { types: Types::OBJECT, ..Node::open() });
        let mask = builder.finish(a);
        assert!(mask.plan(a).hides && mask.plan(b).hides && !mask.plan(c).hides);
        assert!(!mask.plan(SHOW).hides);
    }
}
