//! Joining masks: what passes either of two, and what passes both.
//!
//! Both walk the two masks together and make one node for each pair of nodes that meet. A pair is
//! made once, so masks that refer to themselves come to an end.

mod meet;

use super::mask::{HIDE, Mask, MaskBuilder, NodeId, SHOW, Types};
use super::plan::Tags;
pub(super) use meet::{Meet, Side};
use std::collections::{BTreeSet, HashMap};

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

/// What becomes of a part to which two nodes apply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It passes if it passes one of them.
    Either,
    /// It passes if it passes both.
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
        self.builder.seek(self.left.sought());
        self.builder.seek(self.right.sought());
        tidy(&self.builder.finish(root))
    }

    fn fill(&mut self, left: NodeId, right: NodeId, id: NodeId) {
        let (node, extra) = self.content(Side::of(self.left, left), Side::of(self.right, right));
        self.builder.set(id, node);
        self.builder.extra(id, extra);
    }
}

impl Meet for Join<'_> {
    fn how(&self) -> How {
        self.how
    }

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
}

/// The same mask with what can be said as [`SHOW`] or [`HIDE`] said so, and without nodes that
/// nothing reaches.
fn tidy(mask: &Mask) -> Mask {
    let open = all_open(mask);
    let short = |id: NodeId| {
        let node = mask.node(id);
        match () {
            () if open.contains(&id) => SHOW,
            () if node.types == Types::NONE && node.way == 0 && mask.plan(id).is_bare() => HIDE,
            () => id,
        }
    };
    let mut builder = MaskBuilder::new();
    builder.seek(mask.sought());
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
    let extra = mask.extra(id).into_iter();
    let patterns = extra.clone().flat_map(|extra| extra.patterns.nodes());
    let tagged = extra.flat_map(|extra| extra.tags.iter().flat_map(Tags::nodes));
    let within = members.chain(elements.map(|(_, id)| *id)).chain([node.others, node.items]);
    within.chain(patterns).chain(tagged)
}

#[cfg(test)]
mod tests;
