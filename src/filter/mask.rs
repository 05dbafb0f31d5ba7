//! What may pass, as a tree of nodes in one arena. No policy names here: the filter knows
//! shapes, not roles.

use super::fold::fold;
use super::plan::{Extra, Plan, mark_hiding};
use super::tag::{Search, Sought};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Index of a node in a [`Mask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// The value passes whole, bytes as they came (still checked for grammar).
pub const SHOW: NodeId = NodeId(0);

/// The value, and in an object its key, does not pass.
pub const HIDE: NodeId = NodeId(1);

/// Which parts of a JSON document pass. For reads, what does not pass is removed; for writes,
/// what does not pass may not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// All nodes; the first two stand for [`SHOW`] and [`HIDE`] and are never looked into.
    nodes: Vec<Node>,
    extras: BTreeMap<NodeId, Extra>,
    plans: Vec<Plan>,
    root: NodeId,
    alternatives: u32,
    /// Where tags of objects are asked for.
    search: Option<Arc<Search>>,
}

/// What passes of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// JSON types that pass; a value of another type does not.
    pub types: Types,
    /// In an object: members by decoded name, sorted by name.
    pub fields: Vec<(Arc<str>, NodeId)>,
    /// In an object: every member not in `fields`.
    pub others: NodeId,
    /// In an array: every element.
    pub items: NodeId,
    /// Pointers (numbered from 0) for which this value lies on the way or is the place itself: if
    /// its type is not in `types`, those pointers do not fit the body. Zero for ordinary nodes.
    /// When no pointer of a mask fits, the body has another shape than the policy says.
    pub way: u32,
}

/// A set of JSON types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Types(pub u8);

impl Types {
    /// `null`
    pub const NULL: Types = Types(1);
    /// `true` and `false`
    pub const BOOLEAN: Types = Types(2);
    /// Any number.
    pub const NUMBER: Types = Types(4);
    /// Any string.
    pub const STRING: Types = Types(8);
    /// Arrays.
    pub const ARRAY: Types = Types(16);
    /// Objects.
    pub const OBJECT: Types = Types(32);
    /// A number without fraction and exponent, or whose fraction is zero (JSON Schema's
    /// `integer`). Meaningful only without [`Types::NUMBER`].
    pub const INTEGER: Types = Types(64);
    /// Every type.
    pub const ANY: Types = Types(0b111_1111);
    /// Arrays and objects.
    pub const CONTAINER: Types = Types(0b011_0000);
    /// No type.
    pub const NONE: Types = Types(0);
    /// Every type; [`Types::INTEGER`] says nothing beside [`Types::NUMBER`].
    pub(super) const ALL_BUT_INTEGER: Types = Types(0b011_1111);
    /// The type of a number that is known to be integral.
    pub(super) const INTEGRAL: Types = Types(0b100_0100);

    /// Whether all of `other` are in this set.
    pub const fn has(self, other: Types) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    pub const fn or(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    /// Whether a value of type `is` is in this set. For a number, `is` is [`Types::NUMBER`], or
    /// both number types if its fraction is known to be zero.
    pub const fn accept(self, is: Types) -> bool {
        self.0 & is.0 != 0
    }

    /// Whether this is the type of arrays or that of objects.
    pub(super) const fn is_container(self) -> bool {
        self.0 & Types::CONTAINER.0 != 0
    }

    /// The type that a value has, by its first byte; `None` if no value begins so.
    pub(super) const fn of(first: u8) -> Option<Types> {
        Some(match first {
            b'"' => Types::STRING,
            b'{' => Types::OBJECT,
            b'[' => Types::ARRAY,
            b't' | b'f' => Types::BOOLEAN,
            b'n' => Types::NULL,
            b'-' | b'0'..=b'9' => Types::NUMBER,
            _ => return None,
        })
    }

    /// What both sets have.
    pub const fn and(self, other: Types) -> Types {
        Types(self.0 & other.0)
    }
}

impl Node {
    /// A node that passes everything of every type; change what differs.
    pub const fn open() -> Node {
        Node { types: Types::ANY, fields: Vec::new(), others: SHOW, items: SHOW, way: 0 }
    }
}

/// Builds a [`Mask`] node by node.
#[derive(Clone, Debug)]
pub struct MaskBuilder {
    nodes: Vec<Node>,
    extras: BTreeMap<NodeId, Extra>,
    alternatives: u32,
    sought: Vec<Sought>,
}

impl MaskBuilder {
    /// A builder that has only [`SHOW`] and [`HIDE`].
    pub fn new() -> MaskBuilder {
        let hide = Node { types: Types::NONE, others: HIDE, items: HIDE, ..Node::open() };
        let nodes = vec![Node::open(), hide];
        MaskBuilder { nodes, extras: BTreeMap::new(), alternatives: 0, sought: Vec::new() }
    }

    /// Adds a node; its fields are put in order.
    pub fn add(&mut self, mut node: Node) -> NodeId {
        node.fields.sort_by(|a, b| a.0.cmp(&b.0));
        self.alternatives |= node.way;
        let id = NodeId(u32::try_from(self.nodes.len()).expect("a mask has fewer than 2^32 nodes"));
        self.nodes.push(node);
        id
    }

    /// A node that exists before its content, so that nodes can refer to themselves. Until it is filled
    /// nothing passes.
    pub fn reserve(&mut self) -> NodeId {
        self.add(Node { types: Types::NONE, ..Node::open() })
    }

    /// Fills a reserved node.
    pub fn set(&mut self, id: NodeId, mut node: Node) {
        node.fields.sort_by(|a, b| a.0.cmp(&b.0));
        self.alternatives |= node.way;
        self.nodes[id.0 as usize] = node;
    }

    /// Says of a node what [`Node`] has no room for.
    pub fn extra(&mut self, id: NodeId, mut extra: Extra) {
        extra.elements.sort_by_key(|(index, _)| *index);
        extra.folded.sort_by(|a, b| a.0.cmp(&b.0));
        if extra == Extra::default() {
            self.extras.remove(&id);
        } else {
            self.extras.insert(id, extra);
        }
    }

    /// Says where tags of objects are to be looked for.
    pub(super) fn seek(&mut self, sought: &[Sought]) {
        sought.iter().for_each(|one| one.clone().add_to(&mut self.sought));
    }

    /// Fills a reserved node with what another one says.
    pub fn copy(&mut self, from: NodeId, to: NodeId) {
        self.nodes[to.0 as usize] = self.nodes[from.0 as usize].clone();
        self.extra(to, self.extras.get(&from).cloned().unwrap_or_default());
    }

    /// Adds all nodes of a finished mask; the answer is its root.
    pub fn graft(&mut self, mask: &Mask) -> NodeId {
        self.seek(mask.sought());
        // Both begin with the two constant nodes.
        let by = u32::try_from(self.nodes.len() - 2).expect("a mask has fewer than 2^32 nodes");
        let moved = |id: NodeId| if id <= HIDE { id } else { NodeId(id.0 + by) };
        for id in (2..).map(NodeId).take(mask.len() - 2) {
            let mut node = mask.node(id).clone();
            node.fields.iter_mut().for_each(|(_, to)| *to = moved(*to));
            (node.others, node.items) = (moved(node.others), moved(node.items));
            let mut extra = mask.extra(id).cloned().unwrap_or_default();
            extra.children_mut().for_each(|to| *to = moved(*to));
            let added = self.add(node);
            self.extra(added, extra);
        }
        moved(mask.root())
    }

    /// What a node built so far expects besides.
    pub fn extra_of(&self, id: NodeId) -> Option<&Extra> {
        self.extras.get(&id)
    }

    /// A node built so far.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The finished mask.
    pub fn finish(self, root: NodeId) -> Mask {
        let MaskBuilder { nodes, extras, alternatives, sought } = self;
        let ids = (0..).map(NodeId).zip(&nodes);
        let mut plans: Vec<_> = ids.map(|(id, node)| Plan::new(node, extras.get(&id))).collect();
        mark_hiding(&nodes, &mut plans);
        let search = Search::new(sought).map(Arc::new);
        Mask { nodes, extras, plans, root, alternatives, search }
    }
}

impl Default for MaskBuilder {
    fn default() -> MaskBuilder {
        MaskBuilder::new()
    }
}

impl Mask {
    /// The mask that shows everything.
    pub fn show() -> Mask {
        MaskBuilder::new().finish(SHOW)
    }

    /// The mask that hides everything.
    pub fn hide() -> Mask {
        MaskBuilder::new().finish(HIDE)
    }

    /// Where a document starts.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// A node. [`SHOW`] and [`HIDE`] are answered before looking.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// What a node expects besides.
    pub fn extra(&self, id: NodeId) -> Option<&Extra> {
        self.extras.get(&id)
    }

    /// The node of an object's member.
    pub fn member(&self, id: NodeId, name: &str) -> NodeId {
        let fields = &self.node(id).fields;
        match fields.binary_search_by(|(field, _)| (**field).cmp(name)) {
            Ok(at) => fields[at].1,
            Err(_) => self.unnamed(id, name.as_bytes()),
        }
    }

    /// The node of a member that is none of the fields, by its name's bytes.
    pub(super) fn unnamed(&self, id: NodeId, name: &[u8]) -> NodeId {
        let Some(patterns) = &self.plan(id).patterns else { return self.node(id).others };
        // Half a surrogate pair has no shape that an expression could speak of.
        let Ok(name) = std::str::from_utf8(name) else { return HIDE };
        let folded = &self.plan(id).folded;
        if !folded.is_empty() {
            let name = fold(name);
            if let Ok(at) = folded.binary_search_by(|(known, _)| (**known).cmp(&name)) {
                return folded[at].1;
            }
        }
        match patterns.matching(name) {
            0 => self.node(id).others,
            matching => patterns.table[matching],
        }
    }

    /// The node of an array's element.
    pub fn element(&self, id: NodeId, index: u64) -> NodeId {
        let elements = &self.plan(id).elements;
        if elements.is_empty() {
            return self.node(id).items;
        }
        match elements.binary_search_by_key(&index, |(at, _)| *at) {
            Ok(at) => elements[at].1,
            Err(_) => self.node(id).items,
        }
    }

    /// Whether anything is hidden in this node or below it.
    pub fn hides(&self, id: NodeId) -> bool {
        self.plan(id).hides
    }

    /// What the engine reads of a node.
    pub(super) fn plan(&self, id: NodeId) -> &Plan {
        &self.plans[id.0 as usize]
    }

    /// Where tags of objects are asked for; `None` where nowhere.
    pub(super) fn search(&self) -> Option<&Arc<Search>> {
        self.search.as_ref()
    }

    /// The same, place by place.
    pub(super) fn sought(&self) -> &[Sought] {
        self.search.as_ref().map_or(&[], |search| search.sought())
    }

    /// Whether it has totals that are put right.
    pub(super) fn has_totals(&self) -> bool {
        self.extras.values().any(|extra| extra.total)
    }

    /// How many nodes there are, with the two constant ones.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.root == SHOW
    }

    /// The pointers, as bits, of which at least one must fit the document. Zero: no such demand.
    pub fn alternatives(&self) -> u32 {
        self.alternatives
    }
}
