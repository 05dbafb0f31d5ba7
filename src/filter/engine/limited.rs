//! What the mask says of the members and elements of one container.

use crate::filter::mask::{Mask, Node, NodeId};
use crate::filter::plan::Plan;

/// A limited container's node, looked up.
pub(super) struct Limited<'a> {
    mask: &'a Mask,
    id: NodeId,
    node: &'a Node,
    plan: &'a Plan,
}

impl<'a> Limited<'a> {
    /// The node `id` of a mask.
    pub fn new(mask: &'a Mask, id: NodeId) -> Limited<'a> {
        Limited { mask, id, node: mask.node(id), plan: mask.plan(id) }
    }

    /// Which of the named members has this key.
    #[inline(always)]
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        self.plan.find(&self.node.fields, key)
    }

    /// The node of the named member, or of another that has this key.
    #[inline(always)]
    pub fn child(&self, named: Option<usize>, key: &[u8]) -> NodeId {
        match (named, &self.plan.patterns) {
            (Some(named), _) => self.node.fields[named].1,
            (None, None) => self.node.others,
            (None, Some(_)) => self.mask.unnamed(self.id, key),
        }
    }

    /// The node of a member that has this key, in an object of which these named members have been
    /// `seen`. `None`: this is one of them.
    #[inline(always)]
    pub fn member(&self, seen: &mut [u64], key: &[u8]) -> Option<NodeId> {
        let named = self.find(key);
        let first = named.is_none_or(|named| first_of_its_name(seen, named));
        first.then(|| self.child(named, key))
    }

    /// The node of an array's element.
    #[inline(always)]
    pub fn element(&self, index: u64) -> NodeId {
        match self.plan.elements.is_empty() {
            true => self.node.items,
            false => self.mask.element(self.id, index),
        }
    }
}

/// Notes that this named member has been seen, and says whether it had not been.
#[inline(always)]
pub(super) fn first_of_its_name(seen: &mut [u64], named: usize) -> bool {
    let (word, bit) = (&mut seen[named / 64], 1 << (named % 64));
    let first = *word & bit == 0;
    *word |= bit;
    first
}
