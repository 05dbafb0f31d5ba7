//! The keys of one object, and the ways in which servers read a key.

use crate::filter::fold::fold;
use crate::filter::mask::{HIDE, Mask, NodeId, SHOW};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The keys of one object. They are the client's, so the table is keyed (by the standard library's
/// random state) and no choice of keys makes it slow.
pub(super) struct Names<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
    /// Folded keys that a field's name folds to, and whether one of them is that name itself.
    pub(super) variants: HashMap<String, bool>,
}

impl<'a> Names<'a> {
    pub(super) fn new() -> Names<'a> {
        Names { few: Vec::new(), many: HashSet::new(), variants: HashMap::new() }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.few.iter().any(|known| known == key) || self.many.contains(key)
    }

    pub(super) fn add(&mut self, key: Cow<'a, str>) {
        if self.few.len() < FEW {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }
}

/// What applies to keys that are a field's name but for their case, or for what [`folded`] takes away.
/// Many servers read such a key as the field (Go and ASP.NET do), so it cannot be sent where the field
/// cannot.
///
/// `None` where the field hides nothing.
pub(super) fn fold_names(mask: &Mask, node: NodeId) -> HashMap<String, Option<NodeId>> {
    let mut names = HashMap::new();
    for (name, child) in &mask.node(node).fields {
        let strict = *child == HIDE || mask.hides(*child);
        let alike = names.entry(fold(name)).or_insert(None);
        if strict && *alike != Some(HIDE) {
            *alike = Some(*child);
        }
    }
    names
}

/// The node of a key that is no field's name, where `alike` applies to the field that some read it as.
/// If both limit it, nobody has said what is left.
pub(super) fn unnamed(mask: &Mask, node: NodeId, key: &str, alike: Option<NodeId>) -> NodeId {
    let own = mask.unnamed(node, key.as_bytes());
    match alike {
        None => own,
        Some(alike) if own == SHOW || own == alike => alike,
        Some(_) => HIDE,
    }
}

/// A key as servers read it that do not look at case, or that take `born(1i)` for a part of `born`
/// (Rails does, in JSON as well as in forms).
pub(super) fn folded(key: &str) -> String {
    let part = key.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    match part {
        Some((name, part)) if part.bytes().all(|byte| byte.is_ascii_alphanumeric()) => fold(name),
        _ => fold(key),
    }
}

/// Up to so many keys are compared one by one.
const FEW: usize = 12;
