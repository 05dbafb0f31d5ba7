//! What a set of contributing roles may see and send on a path, computed once per set.

use crate::filter::mask::{HIDE, Mask, NodeId, SHOW, Types};
use crate::filter::values::{NamePattern, Values};
use crate::filter::{Tags, algebra, fold, place};
use crate::policy::roleset::RoleSet;
use crate::policy::schema::SchemaMasks;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

/// Field masks remembered in one snapshot. Beyond this they are computed for each request, which
/// is slower but the same.
pub const MAX_REMEMBERED: usize = 4096;

/// Places in the memo that are tried for one key.
const PROBES: usize = 8;

/// What the caller may see and send on this path.
#[derive(Debug, PartialEq, Eq)]
pub struct FieldMasks {
    /// For 2xx bodies; `None` shows everything.
    pub read: Option<Arc<Mask>>,
    /// For redirects and errors with a JSON body: everything that `read` hides by name is hidden at
    /// any depth, and so is what stands in place of a value that has hidden parts. `None` where
    /// `read` hides nothing, or hides by allow-list: then such a body cannot be judged and a generic
    /// problem document takes its place.
    pub error: Option<Arc<Mask>>,
    /// For request bodies; `None` lets everything be sent.
    pub write: Option<Arc<Mask>>,
    /// What the values in request bodies must be, where `write` lets them be sent.
    pub values: Arc<Values>,
    names: Names,
    /// Names of fields that are seen and may not be sent, folded.
    unsent: HashSet<String>,
}

/// The names that the read mask speaks of, folded, for judging query parameters.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    hidden: HashSet<String>,
    shown: HashSet<String>,
    /// Somewhere, everything that is not named is hidden.
    closed: bool,
    /// Everything that is not named is hidden where the objects are, not only inside of a field.
    lists: bool,
    /// Fields in whose values everything that is not named is hidden.
    list_within: HashSet<String>,
    /// Names by their shape, and whether they are hidden.
    shapes: Vec<(NamePattern, bool)>,
}

impl FieldMasks {
    /// From the two masks of a path; `None` where neither limits anything.
    pub fn new(read: Mask, write: Mask) -> Option<FieldMasks> {
        FieldMasks::with_values(read, write, Values::new())
    }

    /// Likewise, and with what values may be sent.
    pub fn with_values(read: Mask, write: Mask, values: Values) -> Option<FieldMasks> {
        let limits = |mask: Mask| (mask.root() != SHOW).then(|| Arc::new(mask));
        let (read, mut write) = (limits(read), limits(write));
        if read.is_none() && write.is_none() && values.is_empty() {
            return None;
        }
        // A body whose values are judged is read, and reading it has its rules; so is one that could
        // copy what its sender cannot see.
        write.get_or_insert_with(|| Arc::new(Mask::show()));
        let names = read.as_deref().map(Names::of).unwrap_or_default();
        let mut unsent = write.as_deref().map(Names::of).unwrap_or_default().hidden;
        unsent.retain(|name| !names.hidden.contains(name));
        let error = read.as_deref().and_then(place::unknown_shape).map(Arc::new);
        Some(FieldMasks { read, error, write, values: Arc::new(values), names, unsent })
    }

    /// Whether there is anything that may not be seen or written.
    pub fn hides(&self) -> bool {
        let limits = |mask: &Option<Arc<Mask>>| mask.as_ref().is_some_and(|mask| !mask.is_empty());
        limits(&self.read) || limits(&self.write)
    }

    /// What passes both.
    pub fn and(&self, other: &FieldMasks) -> FieldMasks {
        let both = |a: &Option<Arc<Mask>>, b: &Option<Arc<Mask>>| {
            let open = Arc::new(Mask::show());
            algebra::intersect(a.as_ref().unwrap_or(&open), b.as_ref().unwrap_or(&open))
        };
        let (read, write) = (both(&self.read, &other.read), both(&self.write, &other.write));
        let values = Values::clone(&self.values).and(Values::clone(&other.values));
        FieldMasks::with_values(read, write, values).expect("limits together limit something")
    }

    /// Whether a word of a query parameter's name is a hidden field's name, alone or with a
    /// modifier (`ssn_like`). A word that is a visible field's name is that field's.
    pub fn hides_parameter(&self, word: &str) -> bool {
        let folded = fold(word);
        let hides = |word: &str| {
            self.names.shapes.iter().any(|(name, hidden)| *hidden && name.matches(word))
        };
        let is_shown = self.names.shown.contains(&folded);
        let by_shape = hides(word) || hides(&folded);
        if self.names.hidden.contains(&folded) || by_shape && !is_shown {
            return true;
        }
        let is = |name: &String| stands_in(name, &folded) || plain(name).eq(plain(&folded));
        !is_shown && self.names.hidden.iter().any(is)
    }

    /// Whether a word is the name of a field that is seen and may not be sent.
    pub fn is_unsent(&self, word: &str) -> bool {
        !self.unsent.is_empty() && self.unsent.contains(&fold(word))
    }

    /// Whether a word in a parameter that sorts, filters or selects could be a hidden field's name.
    pub fn hides_word(&self, word: &str) -> bool {
        self.hides_parameter(word) || (self.names.closed && !self.shows_word(word))
    }

    /// Whether a word is the name of a field that is shown.
    pub fn shows_word(&self, word: &str) -> bool {
        let mut shapes = self.names.shapes.iter();
        self.names.shown.contains(&fold(word))
            || shapes.any(|(name, hidden)| !hidden && name.matches(word))
    }

    /// Whether the objects of this path show the fields that the policy lists, and no others.
    pub fn lists_fields(&self) -> bool {
        self.names.lists
    }

    /// Whether the value of this field does so.
    pub fn lists_fields_of(&self, word: &str) -> bool {
        self.names.list_within.contains(&fold(word))
    }
}

impl Names {
    fn of(mask: &Mask) -> Names {
        let hidden = |id: NodeId| id == HIDE || mask.node(id).types == Types::NONE;
        // Where no object may stand, nothing speaks of members.
        let lists = |id: NodeId| {
            let node = mask.node(id);
            !hidden(id) && node.types.has(Types::OBJECT) && hidden(node.others)
        };
        let mut names = Names::default();
        let (mut seen, mut todo) = (HashSet::from([SHOW, HIDE]), vec![mask.root()]);
        while let Some(id) = todo.pop() {
            if !seen.insert(id) {
                continue;
            }
            let node = mask.node(id);
            names.closed |= lists(id);
            // A pointer leads here, or the body is the object.
            names.lists |= (id == mask.root() || node.way != 0) && lists(id);
            if node.types.has(Types::OBJECT) {
                for (name, field) in &node.fields {
                    names.add(
                        name,
                        hidden(*field),
                        lists(*field) || lists(mask.node(*field).items),
                    );
                }
                todo.extend(node.fields.iter().map(|(_, id)| *id).chain([node.others]));
            }
            let extra = mask.extra(id);
            let listed = extra.into_iter().flat_map(|extra| &extra.elements);
            todo.extend(listed.map(|(_, id)| *id).chain([node.items]));
            for (at, name) in
                extra.into_iter().flat_map(|extra| extra.patterns.names.iter().enumerate())
            {
                let node = extra.map_or(HIDE, |extra| extra.patterns.table[1 << at]);
                names.shapes.push((name.clone(), hidden(node)));
                todo.push(node);
            }
            for case in extra.into_iter().flat_map(|extra| &extra.tags).flat_map(Tags::nodes) {
                // It speaks of objects, wherever they are.
                names.lists |= lists(case);
                todo.push(case);
            }
            for pairs in extra.into_iter().flat_map(|extra| &extra.pairs) {
                // The properties that pairs name are the fields of the object here.
                names.lists |= lists(pairs.object);
                todo.push(pairs.object);
            }
        }
        names
    }

    fn add(&mut self, name: &str, hidden: bool, lists: bool) {
        let name = fold(name);
        if lists {
            self.list_within.insert(name.clone());
        }
        let list = if hidden { &mut self.hidden } else { &mut self.shown };
        list.insert(name);
    }
}

/// Remembers field masks by the places that apply and the roles that contribute. Reading takes no
/// lock and writes nothing, so that workers do not slow one another down.
pub struct FieldMemo {
    slots: Box<[OnceLock<Remembered>]>,
    hasher: foldhash::fast::RandomState,
}

struct Remembered {
    ats: Box<[u32]>,
    roles: (usize, Box<[u64]>),
    masks: Option<Arc<FieldMasks>>,
}

impl FieldMemo {
    /// An empty memo.
    pub fn new() -> FieldMemo {
        let slots = (0..MAX_REMEMBERED).map(|_| OnceLock::new()).collect();
        FieldMemo { slots, hasher: foldhash::fast::RandomState::default() }
    }

    /// The masks for these places and roles, computed if they are not remembered.
    pub fn get(
        &self,
        ats: &[u32],
        roles: &RoleSet,
        compute: impl FnOnce() -> Option<FieldMasks>,
    ) -> Option<Arc<FieldMasks>> {
        let (before, words) = roles.key();
        let start = self.hasher.hash_one((ats, before, words)) as usize;
        for probe in 0..PROBES {
            let slot = &self.slots[(start + probe) % MAX_REMEMBERED];
            let Some(found) = slot.get() else {
                let masks = compute().map(Arc::new);
                let (ats, roles) = (ats.into(), (before, words.into()));
                // Another worker may have been faster; then this one's result is just not kept.
                let _ = slot.set(Remembered { ats, roles, masks: masks.clone() });
                return masks;
            };
            if *found.ats == *ats && found.roles.0 == before && *found.roles.1 == *words {
                return found.masks.clone();
            }
        }
        compute().map(Arc::new)
    }
}

impl Default for FieldMemo {
    fn default() -> FieldMemo {
        FieldMemo::new()
    }
}

impl std::fmt::Debug for FieldMemo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let used = self.slots.iter().filter(|slot| slot.get().is_some()).count();
        write!(f, "FieldMemo({used} of {MAX_REMEMBERED})")
    }
}

/// The letters and digits of a name: `creditLimit` and `credit-limit` are `credit_limit` to many
/// servers.
fn plain(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().filter(|c| c.is_alphanumeric())
}

/// Whether a name stands in a word with no letter or digit beside it: `ssn` in `user__ssn_like`.
fn stands_in(name: &str, word: &str) -> bool {
    let free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    !name.is_empty()
        && word.match_indices(name).any(|(at, _)| {
            free(word[..at].chars().next_back()) && free(word[at + name.len()..].chars().next())
        })
}

/// Sorted maps of a role's masks by resource type.
pub(super) type RoleLimits = HashMap<usize, SchemaMasks>;
