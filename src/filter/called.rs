//! What an object is called, where only a part of it is sent or some of it stays.
//!
//! What applies to a stored object hangs on its tag. Whoever could give it another one would see and
//! send what is hidden under the one that it has: so a part that is sent keeps the tag as it is.

use super::engine::type_of;
use super::fault::Fault;
use super::fold::fold;
use super::mask::{Mask, NodeId, Types};
use super::pair::{self, Found};
use super::plan::Tags;
use std::sync::Arc;

/// The tags that are asked for at a node and that make a difference to what passes; none for most.
pub(super) fn tags(mask: &Mask, node: NodeId) -> Vec<&Tags> {
    let mut found: Vec<&Tags> = Vec::new();
    if mask.search().is_none() {
        return found;
    }
    let (mut seen, mut todo) = (vec![node], vec![node]);
    while let Some(id) = todo.pop() {
        let Some(tags) = mask.extra(id).and_then(|extra| extra.tags.as_ref()) else { continue };
        let new: Vec<_> = tags.nodes().filter(|id| !seen.contains(id)).collect();
        seen.extend(&new);
        todo.extend(new);
        if tags.nodes().any(|id| mask.hides(id)) {
            found.push(tags);
        }
    }
    found
}

impl Tags {
    /// Whether an object that gets this value for a tag shows no more than it did: a text that is
    /// the only one to make a difference.
    pub(super) fn keeps(&self, value: &[u8], limit: usize) -> Result<bool, Fault> {
        let [(only, _)] = &self.cases[..] else { return Ok(false) };
        Ok(pair::text(value, limit)?.is_some_and(|text| *text == *only.as_bytes()))
    }

    /// The way, from an object that is merged into a stored one, to what gives that another tag; to
    /// the object around it where only a variant of a name stands there.
    pub(super) fn changed_by(
        &self,
        object: &[u8],
        limit: usize,
    ) -> Result<Option<&[Arc<str>]>, Fault> {
        for end in 1..=self.field.len() {
            let way = &self.field[..end];
            let keeps = match pair::find_only(object, way, limit)? {
                Found::Nothing => return Ok(None),
                Found::Variant => return Ok(Some(&way[..end - 1])),
                Found::At(range) if end < self.field.len() => {
                    type_of(&object[range]) == Types::OBJECT
                }
                Found::At(range) => self.keeps(&object[range], limit)?,
            };
            if !keeps {
                return Ok(Some(way));
            }
        }
        Ok(None)
    }

    /// Whether a pointer from an object leads to its tag, to what that is in, or into it.
    pub(super) fn meets(&self, tokens: &[String]) -> bool {
        self.field.iter().zip(tokens).all(|(name, token)| fold(name) == fold(token))
    }
}
