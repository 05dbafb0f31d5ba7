//! Values of objects that say by a tag what they are.

use super::tree::Tree;
use super::{Judge, Place};
use crate::filter::place::{PointerError, tag_field};
use crate::filter::write::Patch;
use std::sync::Arc;

/// What objects of one kind are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    field: Arc<[Arc<str>]>,
    value: Arc<str>,
    /// What all kinds are called that stand at the same place.
    known: Arc<[Arc<str>]>,
    /// They can stand everywhere.
    anywhere: bool,
}

/// What an object is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Called {
    /// So.
    So,
    /// Like another of the known kinds.
    LikeAnother,
    /// Something that nobody knows.
    SomethingElse,
    /// Nothing.
    Nothing,
    /// It cannot be told.
    Unclear,
}

impl Tagged {
    /// Objects in which the text at the pointer `field` is `value`; `known` are all texts that make a
    /// difference at this place.
    pub fn new(
        field: &str,
        value: Arc<str>,
        known: Arc<[Arc<str>]>,
    ) -> Result<Tagged, PointerError> {
        Ok(Tagged { field: tag_field(field)?, value, known, anywhere: false })
    }

    pub(super) fn anywhere(self, anywhere: bool) -> Tagged {
        Tagged { anywhere, ..self }
    }

    pub(super) fn is_anywhere(&self) -> bool {
        self.anywhere
    }

    /// Whether a value must be as objects of this kind are. What does not say what it is must be as
    /// all kinds are; a merge patch says nothing of what is stored. `within`: it is a part of an
    /// object of a known kind, which speaks of its parts.
    pub(super) fn may_be_meant(&self, value: &Tree<'_>, patch: Patch, within: bool) -> bool {
        match self.called(value) {
            _ if patch == Patch::Merge => true,
            Called::So | Called::Unclear => true,
            Called::Nothing => !within,
            Called::LikeAnother | Called::SomethingElse => false,
        }
    }

    fn called(&self, value: &Tree<'_>) -> Called {
        let mut at = value;
        for name in self.field.iter() {
            at = match (at, at.member(name)) {
                (Tree::Object(_), Some(next)) => next,
                (Tree::Object(_), None) => return Called::Nothing,
                _ => return Called::Unclear,
            };
        }
        match at {
            Tree::Text(text) if **text == *self.value => Called::So,
            Tree::Text(text) if self.known.iter().any(|known| **known == **text) => {
                Called::LikeAnother
            }
            Tree::Text(_) => Called::SomethingElse,
            _ => Called::Unclear,
        }
    }
}

impl Judge {
    /// Judges every object that is of this kind, or may be.
    pub(super) fn everywhere(
        &mut self,
        place: &Place,
        tagged: &Tagged,
        value: &Tree<'_>,
        patch: Patch,
        within: bool,
    ) {
        match value {
            Tree::Object(members) => {
                if tagged.may_be_meant(value, patch, within) {
                    self.object(place, value, patch);
                }
                let known = matches!(tagged.called(value), Called::So | Called::LikeAnother);
                let within = within || patch == Patch::No && known;
                for (key, member) in members {
                    self.way.member(key);
                    self.everywhere(place, tagged, member, patch, within);
                    self.way.up();
                }
            }
            // What is stored on the way does not say what it is.
            Tree::Way(step) => {
                self.object(place, value, patch);
                let (name, inside) = &step.member[0];
                self.way.member(name);
                self.everywhere(place, tagged, inside, patch, false);
                self.way.up();
            }
            Tree::Unknown => self.found.add(self.way.as_str()),
            Tree::Array(elements) => {
                for (index, element) in (0..).zip(elements) {
                    self.way.element(index);
                    self.everywhere(place, tagged, element, Patch::No, within);
                    self.way.up();
                }
            }
            _ => {}
        }
    }
}
