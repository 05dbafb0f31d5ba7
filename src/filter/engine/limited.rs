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

    /// The node of a member that has this key, in an object of which these named members have been
    /// `seen`. `None`: this is one of them.
    #[inline(always)]
    pub fn member(&self, seen: &mut [u64], key: &[u8]) -> Option<NodeId> {
        let Some(index) = self.plan.find(&self.node.fields, key) else {
            return Some(match self.plan.patterns {
                None => self.node.others,
                Some(_) => self.mask.unnamed(self.id, key),
            });
        };
        let (word, bit) = (&mut seen[index / 64], 1 << (index % 64));
        let first = *word & bit == 0;
        *word |= bit;
        first.then_some(self.node.fields[index].1)
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
