//! Whether the values of a written body are those that schemas allow.
//!
//! [`super::write`] has judged before which fields may be sent; this comes after. Each value must be
//! writable and valid under one contributing role (not the same one for all of them), and so must
//! what a schema says of an object as a whole. Only pointers come out, never a value.

mod change;
mod decimal;
mod merge;
mod name;
mod partial;
mod rule;
mod tagged;
mod tree;

pub use change::Change;
pub use name::NamePattern;
pub use rule::{Rule, RuleFault, schema_faults};
pub use tagged::Tagged;

use super::Limits;
use super::anywhere::ANYWHERE;
use super::fault::Fault;
use super::mask::{HIDE, Mask, NodeId, SHOW, Types};
use super::place::{Entries, PointerError, Token, tokens};
use super::scan::is_integral;
use super::trail::{Pointers, Way, pointer_to};
use super::write::Patch;
use rule::Faults;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tree::Tree;

/// What values may be written at the places of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    places: Vec<Place>,
}

/// What one role says of the objects at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRules {
    /// The fields that it may write.
    pub mask: Mask,
    /// All of these must hold.
    pub rules: Vec<Arc<Rule>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    tokens: Vec<Token>,
    entries: Option<Entries>,
    /// What the objects are called, if only such objects are meant.
    tagged: Option<Tagged>,
    /// The types that some role lets be an object here: a value of another is not meant.
    types: Types,
    roles: Vec<RoleRules>,
}

impl Values {
    /// Nothing is judged.
    pub fn new() -> Values {
        Values { places: Vec::new() }
    }

    /// Adds a place: a pointer (with `*`), whether there is a list of pairs, and what each
    /// contributing role says of the objects there. Where one role says nothing of values, but lets
    /// everything be written, there is nothing to judge.
    pub fn add(
        &mut self,
        pointer: &str,
        entries: Option<&Entries>,
        roles: Vec<RoleRules>,
    ) -> Result<(), PointerError> {
        let tokens = tokens(pointer)?;
        self.push(Place {
            tokens,
            entries: entries.cloned(),
            tagged: None,
            types: Types::NONE,
            roles,
        });
        Ok(())
    }

    /// The same for objects that say by a tag what they are; the pointer can be
    /// [`super::anywhere::ANYWHERE`].
    pub fn add_tagged(
        &mut self,
        pointer: &str,
        tagged: Tagged,
        roles: Vec<RoleRules>,
    ) -> Result<(), PointerError> {
        let anywhere = pointer == ANYWHERE;
        let tokens = if anywhere { Vec::new() } else { tokens(pointer)? };
        let tagged = Some(tagged.anywhere(anywhere));
        self.push(Place { tokens, entries: None, tagged, types: Types::NONE, roles });
        Ok(())
    }

    fn push(&mut self, mut place: Place) {
        let roles = &place.roles;
        let free = |role: &RoleRules| role.rules.is_empty() && role.mask.is_empty();
        if roles.iter().any(free) || roles.iter().all(|role| role.rules.is_empty()) {
            return;
        }
        place.types = roles
            .iter()
            .fold(Types::NONE, |all, role| all.or(role.mask.node(role.mask.root()).types));
        self.places.push(place);
    }

    /// Whether nothing is judged.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What both say.
    pub fn and(mut self, other: Values) -> Values {
        self.places.extend(other.places);
        self
    }

    /// RFC 6901 pointers to what is at fault in a body that [`super::write::check`] has let pass, as
    /// many as the limits allow; none where all is as it should be.
    pub fn judge(&self, body: &[u8], limits: &Limits, patch: Patch) -> Result<Vec<String>, Fault> {
        if self.places.is_empty() {
            return Ok(Vec::new());
        }
        let tree = tree::parse(body, limits.values)?;
        let mut judge = Judge { way: Way::default(), found: Pointers::new(limits) };
        self.places.iter().for_each(|place| judge.place(place, &tree, patch));
        Ok(judge.found.into_vec())
    }
}

impl Default for Values {
    fn default() -> Values {
        Values::new()
    }
}

/// Walks a body.
struct Judge {
    way: Way,
    found: Pointers,
}

impl Judge {
    fn place(&mut self, place: &Place, body: &Tree<'_>, patch: Patch) {
        match &place.tagged {
            Some(tagged) if tagged.is_anywhere() => {
                self.everywhere(place, tagged, body, patch, false);
            }
            _ => self.find(place, &place.tokens, body, patch),
        }
    }

    /// Looks for the objects of a place. An object is merged while no array lies on the way.
    fn find(&mut self, place: &Place, tokens: &[Token], at: &Tree<'_>, patch: Patch) {
        let Some((token, rest)) = tokens.split_first() else {
            return match &place.tagged {
                Some(tagged) if !tagged.may_be_meant(at, patch, false) => {}
                _ => self.object(place, at, patch),
            };
        };
        match at {
            Tree::Object(members) => {
                for (key, value) in members.iter().filter(|(key, _)| token.is_member(key)) {
                    self.way.member(key);
                    self.find(place, rest, value, patch);
                    self.way.up();
                }
            }
            Tree::Array(elements) => {
                for (index, value) in (0..).zip(elements).filter(|(at, _)| token.is_element(*at)) {
                    self.way.element(index);
                    self.find(place, rest, value, Patch::No);
                    self.way.up();
                }
            }
            Tree::Way(step) => {
                let (name, value) = &step.member[0];
                let is_element = || step.index().is_some_and(|index| token.is_element(index));
                if token.is_member(name) || is_element() {
                    self.way.member(name);
                    self.find(place, rest, value, patch);
                    self.way.up();
                }
            }
            // What is not known may be no object that the place means.
            Tree::Unknown => self.found.add(self.way.as_str()),
            _ => {}
        }
    }

    fn object(&mut self, place: &Place, object: &Tree<'_>, patch: Patch) {
        match &place.entries {
            Some(entries) => self.pairs(place, entries, object, patch),
            None if place.types.accept(type_of(object)) => {
                for pointer in place.faults(object, patch, patch) {
                    self.found.add(&format!("{}{pointer}", self.way.as_str()));
                }
            }
            // Not the shape that this place means: the mask has judged it.
            None => {}
        }
    }

    /// A list of pairs is judged as the object that it stands for. A fault is told at the pair's key.
    fn pairs(&mut self, place: &Place, entries: &Entries, list: &Tree<'_>, patch: Patch) {
        // A pair that is added is one of a list that leaves the others as they are.
        let (elements, patch) = match list {
            Tree::Array(elements) => (&elements[..], patch),
            Tree::Way(step) => (std::slice::from_ref(&step.member[0].1), Patch::Merge),
            Tree::Unknown => return self.found.add(self.way.as_str()),
            _ => return,
        };
        let mut members = Vec::new();
        let mut indices = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            let key = entries.key.iter().try_fold(element, |at, name| at.member(name));
            let value = entries.value.iter().try_fold(element, |at, name| at.member(name));
            if let (Some(Tree::Text(key)), Some(value)) = (key, value) {
                members.push((key.clone(), value.clone()));
                indices.push(index);
            }
        }
        let key: String = entries.key.iter().map(|name| pointer_to(name)).collect();
        let names = members.iter().map(|(name, _)| pointer_to(name));
        let names: HashMap<String, usize> = names.zip(indices).collect();
        let mut told = BTreeSet::new();
        // A pair's value is whole even where the list names only the pairs that it changes.
        for pointer in place.faults(&Tree::Object(members), patch, Patch::No) {
            let end =
                pointer.get(1..).and_then(|rest| rest.find('/')).map_or(pointer.len(), |at| at + 1);
            told.insert(names.get(&pointer[..end]).copied());
        }
        for pair in told {
            let way = self.way.as_str();
            match pair {
                Some(index) => self.found.add(&format!("{way}/{index}{key}")),
                None => self.found.add(way),
            }
        }
    }
}

impl Place {
    /// Pointers, from the object, to what no role lets be so. `patch` says how the object is meant,
    /// `inside` how its members are.
    fn faults(&self, object: &Tree<'_>, patch: Patch, inside: Patch) -> Vec<String> {
        let judged = |role: &RoleRules| {
            let mut faults = Faults::new();
            // Pairs that a merged list leaves out are not asked for; their values are whole.
            role.rules.iter().for_each(|rule| rule.judge(object, inside, &mut faults));
            if patch != inside && faults.get("") == Some(&rule::Fault::Own) {
                faults.remove("");
            }
            faults
        };
        let faults: Vec<Faults> = self.roles.iter().map(judged).collect();
        if let [only] = &faults[..] {
            // Its mask has been asked before.
            let mut found: Vec<String> = only.keys().cloned().collect();
            found.sort_unstable();
            return found;
        }
        let states = self.roles.iter().zip(&faults).map(|(role, faults)| State {
            mask: &role.mask,
            node: role.mask.root(),
            faults,
        });
        let mut walk = Walk { way: Way::default(), found: Vec::new() };
        walk.value(object, &states.collect::<Vec<_>>(), inside == Patch::Merge);
        walk.found
    }
}

/// What one role says of the value at hand.
#[derive(Clone, Copy)]
struct State<'a> {
    mask: &'a Mask,
    node: NodeId,
    faults: &'a Faults,
}

/// Looks for values that no role lets be so.
struct Walk {
    way: Way,
    found: Vec<String>,
}

impl Walk {
    fn value(&mut self, value: &Tree<'_>, states: &[State<'_>], merged: bool) {
        let is = type_of(value);
        let writable = |state: &&State<'_>| {
            let node = state.mask.node(state.node);
            let fits = match value {
                // Not known: of any type.
                Tree::Unknown => node.types.has(Types::ALL_BUT_INTEGER),
                _ => node.types.accept(is) || merged && is == Types::NULL,
            };
            state.node == SHOW || state.node != HIDE && fits
        };
        let mut fine = false;
        let mut inside = Vec::with_capacity(states.len());
        for state in states.iter().filter(writable) {
            let fault = state.faults.get(self.way.as_str());
            fine |= fault.is_none();
            if fault != Some(&rule::Fault::Whole) {
                inside.push(*state);
            }
        }
        if !fine {
            self.found.push(self.way.as_str().to_owned());
        }
        let clean = |state: &State<'_>| state.node == SHOW && state.faults.is_empty();
        if inside.is_empty() || inside.iter().any(clean) {
            return;
        }
        self.children(value, &inside, merged);
    }

    fn children(&mut self, value: &Tree<'_>, states: &[State<'_>], merged: bool) {
        let step = |child: &dyn Fn(&Mask, NodeId) -> NodeId| -> Vec<State<'_>> {
            let down = |state: &State<'_>| match state.node {
                SHOW => SHOW,
                node => child(state.mask, node),
            };
            states.iter().map(|state| State { node: down(state), ..*state }).collect()
        };
        match value {
            Tree::Object(members) => {
                for (key, member) in members {
                    self.way.member(key);
                    let states = step(&|mask, node| mask.member(node, key));
                    self.value(member, &states, merged);
                    self.way.up();
                }
            }
            Tree::Array(elements) => {
                for (index, element) in (0..).zip(elements) {
                    self.way.element(index);
                    let states = step(&|mask, node| mask.element(node, index));
                    self.value(element, &states, false);
                    self.way.up();
                }
            }
            Tree::Way(way) => {
                let (name, inside) = &way.member[0];
                self.way.member(name);
                let states = step(&|mask, node| taken(mask, node, way));
                self.value(inside, &states, false);
                self.way.up();
            }
            _ => {}
        }
    }
}

/// The node where a step of a change leads; hidden where it could lead to two.
fn taken(mask: &Mask, node: NodeId, step: &change::Step<'_>) -> NodeId {
    let types = mask.node(node).types;
    let member = types.has(Types::OBJECT).then(|| mask.member(node, &step.member[0].0));
    let element = (types.has(Types::ARRAY) && step.is_element())
        .then(|| step.index().map_or(mask.node(node).items, |index| mask.element(node, index)));
    match (member, element) {
        (Some(a), Some(b)) if a == b => a,
        (Some(only), None) | (None, Some(only)) => only,
        _ => HIDE,
    }
}

fn type_of(value: &Tree<'_>) -> Types {
    match value {
        Tree::Null => Types::NULL,
        Tree::Bool(_) => Types::BOOLEAN,
        Tree::Number(text) if is_integral(text.as_bytes()) => Types::INTEGRAL,
        Tree::Number(_) => Types::NUMBER,
        Tree::Text(_) => Types::STRING,
        Tree::Array(_) => Types::ARRAY,
        Tree::Object(_) => Types::OBJECT,
        Tree::Way(step) if step.is_element() => Types::CONTAINER,
        Tree::Way(_) => Types::OBJECT,
        // They can be anything.
        Tree::Unknown | Tree::Gone => Types::ANY,
    }
}

#[cfg(test)]
mod tests;
