//! Tags: a member of an object says what the object is.
//!
//! What applies to an object can hang on its tag, and the tag may stand after everything else. So
//! [`super::seek`] reads ahead and notes what each object that may be asked for is called, and the
//! engine looks it up when it comes to the object.

use super::mask::{Mask, NodeId};
use super::place::Token;
use std::collections::VecDeque;
use std::sync::Arc;

/// The members on the way from an object to its tag, at least one.
pub(super) type Field = Arc<[Arc<str>]>;

/// A place whose objects are asked for their tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sought {
    /// Every object at any depth, where absent.
    pub place: Option<Arc<[Token]>>,
    /// Where the tag is.
    pub field: Field,
    /// The tags that make a difference.
    pub values: Vec<Arc<str>>,
}

/// All places of a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Search {
    sought: Vec<Sought>,
    /// The different ways to tags.
    fields: Vec<Field>,
    /// The tags that make a difference, sorted.
    values: Vec<Arc<str>>,
}

/// What an object is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// One of [`Search::values`].
    Value(u32),
    /// Something else.
    Other,
    /// It has no such member.
    None,
    /// It cannot be told: the member is no text, or comes too late.
    Unknown,
}

/// What is known of objects that the engine has not come to yet, in the order of the document.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    slots: VecDeque<Slot>,
    /// How many have been taken from the front.
    gone: u64,
    /// The number of the first of which nothing is known yet.
    open: u64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Where in the document the object begins.
    began: u64,
    /// Index into the fields of the search.
    field: u32,
    tag: Option<Tag>,
}

impl Sought {
    /// Adds it to others; the same place with the same field is one.
    pub fn add_to(self, all: &mut Vec<Sought>) {
        let same = |other: &&mut Sought| other.place == self.place && other.field == self.field;
        match all.iter_mut().find(same) {
            Some(other) => {
                other.values.extend(self.values);
                other.values.sort_unstable();
                other.values.dedup();
            }
            None => all.push(self),
        }
    }
}

impl Search {
    /// `None` where nothing is sought.
    pub fn new(sought: Vec<Sought>) -> Option<Search> {
        let mut fields: Vec<Field> = Vec::new();
        for one in &sought {
            if !fields.contains(&one.field) {
                fields.push(one.field.clone());
            }
        }
        let mut values: Vec<_> = sought.iter().flat_map(|one| one.values.clone()).collect();
        values.sort_unstable();
        values.dedup();
        (!sought.is_empty()).then_some(Search { sought, fields, values })
    }

    /// The places.
    pub fn sought(&self) -> &[Sought] {
        &self.sought
    }

    /// The different ways to tags.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The index of a way to tags.
    pub fn field(&self, field: &Field) -> Option<u32> {
        self.fields.iter().position(|known| known == field).map(|at| at as u32)
    }

    /// The text of a tag that makes a difference.
    pub fn value(&self, at: u32) -> &str {
        &self.values[at as usize]
    }

    /// The lengths of all texts that are compared with keys and tags, in bytes.
    pub fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        let places = self.sought.iter().filter_map(|sought| sought.place.as_ref());
        let steps = places.flat_map(|place| place.iter()).map(|token| match token {
            Token::Any => 0,
            Token::Name(name, _) => name.len(),
        });
        let names = self.fields.iter().flat_map(|field| field.iter()).chain(&self.values);
        names.map(|name| name.len()).chain(steps)
    }

    /// What a text, decoded, calls an object. Half of a surrogate pair is no text.
    pub fn tag(&self, text: &[u8]) -> Tag {
        let Ok(text) = std::str::from_utf8(text) else { return Tag::Unknown };
        match self.values.binary_search_by(|value| (**value).cmp(text)) {
            Ok(at) => Tag::Value(at as u32),
            Err(_) => Tag::Other,
        }
    }
}

impl Known {
    /// An object begins; the answer is its number.
    pub fn add(&mut self, began: u64, field: u32) -> u64 {
        self.slots.push_back(Slot { began, field, tag: None });
        self.gone + self.slots.len() as u64 - 1
    }

    /// What an object is called is known now; what was known before stays.
    pub fn tell(&mut self, number: u64, tag: Tag) {
        let Some(at) = number.checked_sub(self.gone) else { return };
        if let Some(slot) = self.slots.get_mut(at as usize) {
            slot.tag.get_or_insert(tag);
        }
        self.skip_told();
    }

    /// Where an object begins.
    pub fn began(&self, number: u64) -> Option<u64> {
        let at = number.checked_sub(self.gone)?;
        self.slots.get(at as usize).map(|slot| slot.began)
    }

    /// Where the first object begins of which nothing is known yet.
    pub fn first_open(&self) -> Option<u64> {
        self.began(self.open)
    }

    /// Of objects that begin more than so far before `end` and are still unknown, nothing will be
    /// known.
    pub fn give_up(&mut self, end: u64, most: u64) {
        while self.first_open().is_some_and(|began| end - began > most) {
            self.tell(self.open, Tag::Unknown);
        }
    }

    /// What the object is called that begins here. What is not known is told apart from what has no
    /// tag.
    pub fn tag(&mut self, began: u64, field: u32) -> Tag {
        self.forget(began);
        let here = self.slots.iter().take_while(|slot| slot.began == began);
        let mut of_field = here.filter(|slot| slot.field == field);
        of_field.next().and_then(|slot| slot.tag).unwrap_or(Tag::Unknown)
    }

    /// Nobody will ask for objects that begin before this offset.
    pub fn forget(&mut self, before: u64) {
        while self.slots.front().is_some_and(|slot| slot.began < before) {
            self.slots.pop_front();
            self.gone += 1;
        }
        self.open = self.open.max(self.gone);
        self.skip_told();
    }

    fn skip_told(&mut self) {
        let told = |slot: Option<&Slot>| slot.is_some_and(|slot| slot.tag.is_some());
        while told(self.slots.get((self.open - self.gone) as usize)) {
            self.open += 1;
        }
    }
}

impl Mask {
    /// The node of an object that begins at `offset` where `id` applies. Where nothing is known of its
    /// tag, that is `id` itself: the strictest.
    pub(super) fn by_tag(&self, id: NodeId, offset: u64, known: &mut Known) -> NodeId {
        let Some(search) = self.search() else { return id };
        let mut id = id;
        // Where tags stand in different members, one is asked for after the other.
        for _ in search.fields() {
            let Some(tags) = &self.plan(id).tags else { return id };
            let Some(field) = search.field(&tags.field) else { return id };
            id = match known.tag(offset, field) {
                Tag::Value(at) => tags.case(search.value(at)),
                Tag::Other => tags.other,
                Tag::None => tags.none,
                Tag::Unknown => return id,
            };
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told_in_the_order_of_the_document() {
        let mut known = Known::default();
        let (one, two, three) = (known.add(0, 0), known.add(5, 0), known.add(5, 1));
        assert_eq!(known.first_open(), Some(0));
        known.tell(two, Tag::Other);
        assert_eq!(known.first_open(), Some(0));
        known.tell(one, Tag::None);
        assert_eq!(known.first_open(), Some(5));
        known.tell(three, Tag::Value(2));
        known.tell(three, Tag::None);
        assert_eq!(known.first_open(), None);
        assert_eq!((known.tag(5, 1), known.tag(5, 0)), (Tag::Value(2), Tag::Other));
        assert_eq!((known.tag(5, 2), known.tag(6, 0)), (Tag::Unknown, Tag::Unknown));
        known.tell(one, Tag::Other);
        assert_eq!(known.add(9, 0), 3);
    }

    #[test]
    fn an_object_that_goes_on_for_too_long_stays_unknown() {
        for (length, given_up) in [(9, false), (10, false), (11, true)] {
            let mut known = Known::default();
            let number = known.add(100, 0);
            known.add(105, 0);
            known.give_up(100 + length, 10);
            assert_eq!(known.first_open(), Some(if given_up { 105 } else { 100 }));
            known.tell(number, Tag::None);
            let tag = known.tag(100, 0);
            assert_eq!(tag, if given_up { Tag::Unknown } else { Tag::None });
        }
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let mut known = Known::default();
        let first = known.add(1, 0);
        for began in 2..1000 {
            known.forget(began);
            known.add(began, 0);
            assert_eq!(known.slots.len(), 1);
        }
        known.tell(first, Tag::Other);
        assert_eq!(known.first_open(), Some(999));
    }
}
