//! One change of a stored object (RFC 6902), as a tree that has nothing but the way to it.

use super::tree::{self, Tree};
use super::{Judge, Values};
use crate::filter::Limits;
use crate::filter::trail::{Pointers, Way};
use std::borrow::Cow;

/// What is at the end of the way.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// This value. `sizes`: its list or object may become longer.
    Value {
        /// JSON text whose grammar has been checked.
        text: &'a [u8],
        /// Whether there may be one more afterwards.
        sizes: bool,
    },
    /// A value that stands somewhere else already.
    Unknown,
    /// Nothing any more.
    Gone,
}

/// A step that a change goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step<'a> {
    /// The member, by its name, and what it leads to. Where the name can be an element's, it is that
    /// as well.
    pub member: [(Cow<'a, str>, Tree<'a>); 1],
    /// There may be one more, or one less.
    pub sizes: bool,
}

impl Values {
    /// What is at fault in a change that the masks have let pass: for each fault, where in the value
    /// that is brought, or `None` where the change as such is at fault.
    pub fn judge_change(
        &self,
        tokens: &[String],
        change: Change<'_>,
        limits: &Limits,
    ) -> Vec<Option<String>> {
        if self.places.is_empty() {
            return Vec::new();
        }
        let (end, sizes) = match change {
            Change::Value { text, sizes } => match tree::parse(text, limits.values) {
                Ok(value) => (value, sizes),
                // Too many values to be judged.
                Err(_) => return vec![None],
            },
            Change::Unknown => (Tree::Unknown, true),
            Change::Gone => (Tree::Gone, true),
        };
        let is_value = matches!(change, Change::Value { .. });
        let mut sizes = sizes;
        let whole = tokens.iter().rev().fold(end, |inside, token| {
            let step = Step {
                member: [(Cow::Borrowed(token.as_str()), inside)],
                sizes: std::mem::take(&mut sizes),
            };
            Tree::Way(Box::new(step))
        });
        let mut judge = Judge { way: Way::default(), found: Pointers::new(limits) };
        self.places.iter().for_each(|place| judge.place(place, &whole, super::Patch::No));
        let inside = |pointer: &String| {
            let rest = behind(pointer, tokens.len())?;
            is_value.then(|| rest.to_owned())
        };
        judge.found.into_vec().iter().map(inside).collect()
    }
}

impl Step<'_> {
    /// Whether it may be to an element of a list.
    pub fn is_element(&self) -> bool {
        let token = &*self.member[0].0;
        token == "-" || token.parse::<u64>().is_ok()
    }

    /// Which element it is to.
    pub fn index(&self) -> Option<u64> {
        self.member[0].0.parse().ok()
    }
}

/// What is left of a pointer behind so many tokens.
fn behind(pointer: &str, tokens: usize) -> Option<&str> {
    let mut slashes = pointer.match_indices('/').map(|(at, _)| at);
    match slashes.nth(tokens) {
        Some(at) => Some(&pointer[at..]),
        None => (pointer.matches('/').count() == tokens).then_some(""),
    }
}

/// A fault's pointer, with the names that the change has for its steps: the validator calls an element
/// that stands alone in its list `0`.
pub(super) fn named<'t>(mut at: &'t Tree<'t>, pointer: &str) -> String {
    let mut way = Way::default();
    let mut rest = pointer;
    while let (Tree::Way(step), Some(inside)) = (at, rest.strip_prefix('/')) {
        let (name, child) = &step.member[0];
        way.member(name);
        rest = inside.find('/').map_or("", |end| &inside[end..]);
        at = child;
    }
    format!("{}{rest}", way.as_str())
}
