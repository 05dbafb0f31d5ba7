//! Objects that say by their tag what applies to them.

use super::Engine;
use crate::filter::mask::{NodeId, Types};
use crate::filter::tag::Known;

impl Engine {
    /// What is known of objects that have not been come to yet.
    pub fn known(&mut self) -> &mut Known {
        self.known.get_or_insert_default()
    }

    /// The node of a value that begins at `offset` where `id` applies. Where nobody has looked for
    /// tags (inside of a pair), the node itself stays: it is the strictest.
    pub(super) fn by_tag(&mut self, id: NodeId, is: Types, offset: u64) -> NodeId {
        match &mut self.known {
            Some(known) if is == Types::OBJECT => self.mask.by_tag(id, offset, known),
            _ => id,
        }
    }
}
