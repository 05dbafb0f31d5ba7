//! Masks from pointers and names.

use super::Limits;
use super::fold::fold;
use super::mask::{HIDE, Mask, MaskBuilder, Node, NodeId, SHOW, Types};
use super::plan::{Extra, Pairs, Tags};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why a pointer says no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// RFC 6901: a pointer is empty or begins with a slash.
    #[error("a pointer is empty or begins with `/`")]
    NoSlash,
    /// RFC 6901: `~` stands for nothing but in `~0` and `~1`.
    #[error("in a pointer `~` is written `~0`, and `/` in a name `~1`")]
    Tilde,
    /// `**` says "at any depth", which is no certain place.
    #[error("`**` stands alone, as `/**`, and only where objects say by a tag what they are")]
    AnyDepth,
    /// More segments than any body may nest.
    #[error("a pointer has at most {} segments", Limits::DEEPEST)]
    TooDeep,
    /// A pair's name or value is a member of the pair, or of a member.
    #[error("inside of a pair a pointer has at least one name, and no `*`")]
    NoName,
    /// A tag is a member of its object, or of a member.
    #[error("the pointer to a tag has at least one name, and no `*`")]
    NoTag,
    /// One of the two would be a part of the other.
    #[error("the name of a pair cannot be a part of its value, nor the value of the name")]
    Overlap,
    /// [`Mask::alternatives`] has 32 bits.
    #[error("at most 32 pointers can be told apart in one mask")]
    TooMany,
}

/// Where a list of pairs keeps the name of a property and its value, inside of each pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    /// The members on the way to the name, at least one.
    pub key: Box<[Arc<str>]>,
    /// The members on the way to the value, at least one.
    pub value: Box<[Arc<str>]>,
}

/// One step of a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// `*`: every element or member.
    Any,
    /// A member's name, and the element that it also is.
    Name(Arc<str>, Option<u64>),
}

/// A mask that shows everything, except that at an RFC 6901 pointer (in which `*` is every element
/// or member) `inner` applies. `alternative`, from 0 to 31, numbers the pointer among those of which
/// one must fit the document.
pub fn place(pointer: &str, alternative: u32, inner: &Mask) -> Result<Mask, PointerError> {
    put_at(pointer, alternative, inner, put)
}

/// The same where the object stands as a list of pairs: each names a property and holds its value.
/// An element that names none is hidden.
pub fn place_pairs(
    pointer: &str,
    entries: &Entries,
    alternative: u32,
    inner: &Mask,
) -> Result<Mask, PointerError> {
    put_at(pointer, alternative, inner, |builder, inner, way| list(builder, entries, inner, way))
}

pub(super) fn put_at(
    pointer: &str,
    alternative: u32,
    inner: &Mask,
    put: impl FnOnce(&mut MaskBuilder, &Mask, u32) -> NodeId,
) -> Result<Mask, PointerError> {
    let way = 1u32.checked_shl(alternative).ok_or(PointerError::TooMany)?;
    let tokens = tokens(pointer)?;
    let mut builder = MaskBuilder::new();
    let mut next = put(&mut builder, inner, way);
    for token in tokens.into_iter().rev() {
        next = lead(&mut builder, token, next, way);
    }
    Ok(builder.finish(next))
}

impl Entries {
    /// From two RFC 6901 pointers inside of a pair.
    pub fn new(key: &str, value: &str) -> Result<Entries, PointerError> {
        let entries = Entries { key: names(key)?, value: names(value)? };
        let (key, value) = (&entries.key, &entries.value);
        match key.starts_with(value) || value.starts_with(key) {
            true => Err(PointerError::Overlap),
            false => Ok(entries),
        }
    }
}

/// The members on the way to the tag of an object.
pub fn tag_field(pointer: &str) -> Result<Arc<[Arc<str>]>, PointerError> {
    match names(pointer) {
        Err(PointerError::NoName) => Err(PointerError::NoTag),
        names => names.map(Arc::from),
    }
}

fn names(pointer: &str) -> Result<Box<[Arc<str>]>, PointerError> {
    let name = |token| match token {
        Token::Any => Err(PointerError::NoName),
        Token::Name(name, _) => Ok(name),
    };
    let names: Box<[_]> = tokens(pointer)?.into_iter().map(name).collect::<Result<_, _>>()?;
    if names.is_empty() { Err(PointerError::NoName) } else { Ok(names) }
}

/// A mask for bodies of unknown shape: members with these names are hidden at any depth.
pub fn anywhere<N: Into<Arc<str>>>(names: impl IntoIterator<Item = N>) -> Mask {
    let mut builder = MaskBuilder::new();
    let everywhere = builder.reserve();
    let names: BTreeSet<Arc<str>> = names.into_iter().map(Into::into).collect();
    let fields = names.into_iter().map(|name| (name, HIDE)).collect();
    builder.set(everywhere, Node { fields, others: everywhere, items: everywhere, ..Node::open() });
    builder.finish(everywhere)
}

/// The names of all members that are hidden somewhere, sorted, and whether something is hidden
/// that has no name (an allow-list hides every member that it does not name).
pub fn hidden_names(mask: &Mask) -> (Vec<Arc<str>>, bool) {
    let hidden = |id: NodeId| id == HIDE || mask.node(id).types == Types::NONE;
    let (mut names, mut unnamed) = (BTreeSet::new(), hidden(mask.root()));
    let (mut seen, mut todo) = (BTreeSet::from([SHOW, HIDE]), vec![mask.root()]);
    while let Some(id) = todo.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = mask.node(id);
        if node.types.has(Types::OBJECT) {
            names.extend(
                node.fields.iter().filter(|(_, id)| hidden(*id)).map(|(name, _)| name.clone()),
            );
            unnamed |= hidden(node.others);
            let named = mask.extra(id).into_iter().flat_map(|extra| extra.patterns.nodes());
            let named: Vec<NodeId> = named.collect();
            unnamed |= named.iter().any(|id| hidden(*id));
            todo.extend(named);
            todo.extend(node.fields.iter().map(|(_, id)| *id).chain([node.others]));
        }
        let tagged = mask.extra(id).into_iter().flat_map(|extra| &extra.tags);
        todo.extend(tagged.flat_map(Tags::nodes));
        let folded = mask.extra(id).into_iter().flat_map(|extra| &extra.folded);
        todo.extend(folded.map(|(_, id)| *id));
        // A name in a pair is a value, and no mask finds it where its list is not expected.
        unnamed |= mask.extra(id).is_some_and(|extra| !extra.pairs.is_empty());
        if node.types.has(Types::ARRAY) {
            let listed = mask.extra(id).into_iter().flat_map(|extra| &extra.elements);
            let elements: Vec<_> = listed.map(|(_, id)| *id).chain([node.items]).collect();
            unnamed |= elements.iter().any(|id| hidden(*id));
            todo.extend(elements);
        }
    }
    (names.into_iter().collect(), unnamed)
}

/// A mask for bodies of unknown shape under `mask`: what it hides by name is hidden at any depth, and
/// a value that stands where hidden parts would be, but is of another type, is hidden as well (a
/// card's number where the card should be). `None` where something is hidden that has no name.
pub fn unknown_shape(mask: &Mask) -> Option<Mask> {
    let (names, unnamed) = hidden_names(mask);
    if unnamed {
        return None;
    }
    let mut builder = MaskBuilder::new();
    let everywhere = builder.reserve();
    let mut fields: Vec<(Arc<str>, NodeId)> = Vec::new();
    for (name, [own, element]) in types_around_hidden(mask) {
        if names.contains(&name) {
            continue;
        }
        let inside = Node { others: everywhere, items: everywhere, ..Node::open() };
        let items = builder.add(Node { types: element, ..inside.clone() });
        let value = builder.add(Node { types: own, items, ..inside });
        // Inside of them the same names are hidden: see below.
        fields.push((name, value));
    }
    let inner: Vec<NodeId> = fields.iter().map(|(_, id)| *id).collect();
    fields.extend(names.into_iter().map(|name| (name, HIDE)));
    let folded = folded(mask, &fields);
    for id in inner {
        let items = builder.node(id).items;
        for id in [id, items] {
            let node = Node { fields: fields.clone(), ..builder.node(id).clone() };
            builder.set(id, node);
            builder.extra(id, Extra { folded: folded.clone(), ..Extra::default() });
        }
    }
    builder.set(everywhere, Node { fields, others: everywhere, items: everywhere, ..Node::open() });
    builder.extra(everywhere, Extra { folded, ..Extra::default() });
    Some(builder.finish(everywhere))
}

/// Where a mask hides variants of a name, they are hidden, or limited, as the name is; of two names
/// that fold alike the hidden one counts.
fn folded(mask: &Mask, fields: &[(Arc<str>, NodeId)]) -> Vec<(Arc<str>, NodeId)> {
    let ids = (0..).map(NodeId).take(mask.len());
    let known = ids.flat_map(|id| mask.extra(id)).flat_map(|extra| &extra.folded);
    let known: BTreeSet<&Arc<str>> = known.map(|(name, _)| name).collect();
    let mut found: BTreeMap<Arc<str>, NodeId> = BTreeMap::new();
    for (name, id) in fields {
        let name: Arc<str> = fold(name).into();
        if known.contains(&name) {
            let entry = found.entry(name).or_insert(*id);
            *entry = if *id == HIDE { HIDE } else { *entry };
        }
    }
    found.into_iter().collect()
}

/// For every name whose value is shown but hides something inside: the types that its values may
/// have, and those of their elements.
fn types_around_hidden(mask: &Mask) -> BTreeMap<Arc<str>, [Types; 2]> {
    let mut found: BTreeMap<Arc<str>, [Types; 2]> = BTreeMap::new();
    let ids = (0..).map(NodeId).take(mask.len());
    for (name, child) in ids.flat_map(|id| mask.node(id).fields.iter()) {
        if *child == HIDE || !mask.hides(*child) {
            continue;
        }
        let node = mask.node(*child);
        let inside = mask.hides(node.items) && node.types.has(Types::ARRAY);
        let element = if inside { mask.node(node.items).types } else { Types::ANY };
        let [own, elements] = found.entry(name.clone()).or_insert([Types::ANY; 2]);
        (*own, *elements) = (own.and(node.types), elements.and(element));
    }
    found
}

/// Copies `inner`, and its root once more as the place itself, so that where the mask refers to
/// its own root the pointer is not meant.
pub(super) fn put(builder: &mut MaskBuilder, inner: &Mask, way: u32) -> NodeId {
    let root = builder.graft(inner);
    let mut node = builder.node(root).clone();
    let mut extra = builder.extra_of(root).cloned().unwrap_or_default();
    if node.types == Types::NONE {
        // Whatever stands at a place that shows nothing is hidden: no type is the wrong one.
        extra.ways.push((way, Types::ANY));
        extra.limit = Some(Types::NONE);
    }
    node.way |= way;
    let place = builder.add(node);
    builder.extra(place, extra);
    place
}

/// Copies `inner` as what pairs stand for, and adds the list of them.
fn list(builder: &mut MaskBuilder, entries: &Entries, inner: &Mask, way: u32) -> NodeId {
    if !inner.node(inner.root()).types.has(Types::OBJECT) || inner.is_empty() {
        // Nothing of an object passes, or everything: it is the same for a list.
        return put(builder, inner, way);
    }
    let object = builder.graft(inner);
    let pair = builder.add(Node { types: Types::OBJECT, ..Node::open() });
    let pairs = vec![Pairs { entries: entries.clone(), object }];
    builder.extra(pair, Extra { pairs, ..Extra::default() });
    builder.add(Node { types: Types::ARRAY, items: pair, way, ..Node::open() })
}

/// A node that leads to `next`.
fn lead(builder: &mut MaskBuilder, token: Token, next: NodeId, way: u32) -> NodeId {
    let open = Node { way, ..Node::open() };
    let (node, elements) = match token {
        Token::Any => {
            (Node { types: Types::CONTAINER, others: next, items: next, ..open }, Vec::new())
        }
        Token::Name(name, index) => {
            let types = if index.is_some() { Types::CONTAINER } else { Types::OBJECT };
            let elements = index.map(|index| (index, next)).into_iter().collect();
            (Node { types, fields: vec![(name, next)], ..open }, elements)
        }
    };
    let id = builder.add(node);
    builder.extra(id, Extra { elements, ..Extra::default() });
    id
}

impl Token {
    pub fn is_member(&self, key: &str) -> bool {
        match self {
            Token::Any => true,
            Token::Name(name, _) => **name == *key,
        }
    }

    pub fn is_element(&self, index: u64) -> bool {
        match self {
            Token::Any => true,
            Token::Name(_, at) => *at == Some(index),
        }
    }
}

/// The steps of a pointer.
pub(super) fn tokens(pointer: &str) -> Result<Vec<Token>, PointerError> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let tokens = pointer.strip_prefix('/').ok_or(PointerError::NoSlash)?;
    let tokens: Vec<_> = tokens.split('/').map(token).collect::<Result<_, _>>()?;
    if tokens.len() > Limits::DEEPEST { Err(PointerError::TooDeep) } else { Ok(tokens) }
}

fn token(text: &str) -> Result<Token, PointerError> {
    match text {
        "*" => return Ok(Token::Any),
        "**" => return Err(PointerError::AnyDepth),
        _ => {}
    }
    let mut after_tildes = text.split('~').skip(1);
    if !after_tildes.all(|rest| rest.starts_with(['0', '1'])) {
        return Err(PointerError::Tilde);
    }
    // RFC 6901 section 4: in this order, or `~01` would become `/`.
    let name = text.replace("~1", "/").replace("~0", "~");
    let plain = name == "0" || (!name.starts_with('0') && name.bytes().all(|b| b.is_ascii_digit()));
    let index = if plain { name.parse().ok() } else { None };
    Ok(Token::Name(name.into(), index))
}

#[cfg(test)]
mod tests;
