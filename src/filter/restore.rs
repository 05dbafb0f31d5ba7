//! Puts the parts of a stored object that a caller cannot see or write back into the body with which
//! the caller would replace it.
//!
//! A member that is hidden is put at the end of its object, a hidden pair at the end of its list, byte
//! for byte as it is stored. Elements of other lists have nothing by which they could be found again,
//! so a list that holds hidden parts cannot be replaced; nor can anything else that holds some and of
//! which nothing is left in the body.

use super::Limits;
use super::called;
use super::engine::type_of;
use super::fault::Fault;
use super::mask::{HIDE, Mask, NodeId, SHOW, Types};
use super::pair::{self, Found};
use super::parts::{Part, parts};
use super::write;
use std::collections::HashSet;

/// Why nothing can be put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AtRisk {
    /// The stored object is no JSON that reads in one way.
    #[error("the stored object cannot be read: {0}")]
    Stored(Fault),
    /// The body would erase something that is hidden and that has no place in it.
    #[error("the body would erase what its sender cannot see")]
    Erased,
}

/// The body, with what is hidden in the stored object. `read` and `write` are the masks of the caller;
/// the body has passed [`write::check`], and is no patch.
pub fn restore(
    (read, write): (&Mask, &Mask),
    stored: &[u8],
    body: &[u8],
    limits: &Limits,
) -> Result<Vec<u8>, AtRisk> {
    write::well_formed(stored, limits).map_err(AtRisk::Stored)?;
    let mut out = Vec::with_capacity(stored.len() + body.len());
    let sides = Sides { read, write, limits };
    let root = (read.root(), write.root());
    sides.value(stored.trim_ascii(), body.trim_ascii(), root, &mut out)?;
    // What is sent is checked, whatever has been made of it.
    write::well_formed(&out, limits).map_err(|_| AtRisk::Erased)?;
    Ok(out)
}

/// The nodes of one value, for reading and for writing.
type Pair = (NodeId, NodeId);

struct Sides<'m> {
    read: &'m Mask,
    write: &'m Mask,
    limits: &'m Limits,
}

impl Sides<'_> {
    fn value(
        &self,
        stored: &[u8],
        body: &[u8],
        node: Pair,
        out: &mut Vec<u8>,
    ) -> Result<(), AtRisk> {
        if !self.holds_hidden(stored, node)? {
            out.extend_from_slice(body);
            return Ok(());
        }
        match (type_of(stored), type_of(body)) {
            _ if self.is_hidden(stored, node) => Err(AtRisk::Erased),
            (Types::OBJECT, Types::OBJECT) => self.object(stored, body, node, out),
            (Types::ARRAY, Types::ARRAY) if self.has_pairs(node) => {
                self.pairs(stored, body, node, out)
            }
            _ => Err(AtRisk::Erased),
        }
    }

    fn object(
        &self,
        stored: &[u8],
        body: &[u8],
        node: Pair,
        out: &mut Vec<u8>,
    ) -> Result<(), AtRisk> {
        if self.is_renamed(stored, body, node)? {
            return Err(AtRisk::Erased);
        }
        let kept = parts(stored).map_err(AtRisk::Stored)?;
        let mut list = List::new(out, b'{');
        let mut named = HashSet::new();
        for sent in parts(body).map_err(|_| AtRisk::Erased)? {
            let Some(name) = &sent.name else { return Err(AtRisk::Erased) };
            let child = self.member(node, name);
            let whole = &body[sent.whole.clone()];
            let value = &body[sent.value.clone()];
            list.next();
            list.out.extend_from_slice(&whole[..whole.len() - value.len()]);
            match kept.iter().find(|part| part.name.as_ref() == Some(name)) {
                // It can be written, though not be seen.
                _ if child.0 == HIDE => list.out.extend_from_slice(value),
                None => list.out.extend_from_slice(value),
                Some(part) => self.value(&stored[part.value.clone()], value, child, list.out)?,
            }
            named.insert(name.clone());
        }
        for part in &kept {
            let Some(name) = part.name.as_ref().filter(|name| !named.contains(*name)) else {
                continue;
            };
            let (child, value) = (self.member(node, name), &stored[part.value.clone()]);
            self.left_out(value, &stored[part.whole.clone()], child, &mut list)?;
        }
        list.end(b'}');
        Ok(())
    }

    /// Pairs, each by the property that it names.
    fn pairs(
        &self,
        stored: &[u8],
        body: &[u8],
        node: Pair,
        out: &mut Vec<u8>,
    ) -> Result<(), AtRisk> {
        let mut list = List::new(out, b'[');
        let mut sent = Vec::new();
        for part in parts(body).map_err(|_| AtRisk::Erased)? {
            let text = &body[part.value];
            sent.push((self.names(text, node)?, text));
            list.next();
            list.out.extend_from_slice(text);
        }
        for part in parts(stored).map_err(AtRisk::Stored)? {
            let text = &stored[part.value];
            if !self.is_hidden_pair(text, node)? {
                continue;
            }
            let names = self.names(text, node)?;
            match sent.iter().find(|(others, _)| *others == names) {
                Some(_) if self.is_writable_pair(text, node)? => {}
                Some(_) => return Err(AtRisk::Erased),
                None if self.is_named_hidden(text, node)? => {
                    list.next();
                    list.out.extend_from_slice(text);
                }
                None => return Err(AtRisk::Erased),
            }
        }
        list.end(b']');
        Ok(())
    }

    /// Whether a body that says what its object is says another thing than what is stored: what is put
    /// back might be seen there.
    fn is_renamed(&self, stored: &[u8], body: &[u8], (read, write): Pair) -> Result<bool, AtRisk> {
        let tags = called::tags(self.read, read).into_iter().chain(called::tags(self.write, write));
        for tags in tags {
            let find = |text| pair::find_only(text, &tags.field, self.limits.key);
            match find(body).map_err(|_| AtRisk::Erased)? {
                Found::Nothing => {}
                Found::Variant => return Ok(true),
                Found::At(_) => {
                    let said = self.text_at(body, &tags.field)?;
                    if said.is_none() || said != self.text_at(stored, &tags.field)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// What is stored and not in the body: hidden, so it is put back; seen and left out, so it goes,
    /// unless something hidden would go with it.
    fn left_out(
        &self,
        value: &[u8],
        whole: &[u8],
        node: Pair,
        list: &mut List<'_>,
    ) -> Result<(), AtRisk> {
        if self.is_hidden(value, node) {
            list.next();
            list.out.extend_from_slice(whole);
        } else if self.holds_hidden(value, node)? {
            return Err(AtRisk::Erased);
        }
        Ok(())
    }

    /// Whether there is anything in a stored value that the caller cannot see or write.
    fn holds_hidden(&self, stored: &[u8], node: Pair) -> Result<bool, AtRisk> {
        if node == (SHOW, SHOW) {
            return Ok(false);
        }
        if self.is_hidden(stored, node) {
            return Ok(true);
        }
        if !type_of(stored).is_container() {
            return Ok(false);
        }
        let pairs = self.has_pairs(node);
        for (index, part) in (0..).zip(parts(stored).map_err(AtRisk::Stored)?) {
            let text = &stored[part.value.clone()];
            let hidden = match &part {
                Part { name: Some(name), .. } => {
                    self.holds_hidden(text, self.member(node, name))?
                }
                _ if pairs => self.is_hidden_pair(text, node)?,
                _ => self.holds_hidden(text, self.element(node, index))?,
            };
            if hidden {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether nothing of a value passes, by its place or by its type.
    fn is_hidden(&self, text: &[u8], (read, write): Pair) -> bool {
        let is = type_of(text);
        let passes =
            |mask: &Mask, node| node == SHOW || node != HIDE && mask.node(node).types.accept(is);
        !passes(self.read, read) || !passes(self.write, write)
    }

    fn member(&self, (read, write): Pair, name: &str) -> Pair {
        let read = if read == SHOW { SHOW } else { self.read.member(read, name) };
        let write = if write == SHOW { SHOW } else { write::alike(self.write, write, name) };
        (read, write)
    }

    fn element(&self, (read, write): Pair, index: u64) -> Pair {
        (self.read.element(read, index), self.write.element(write, index))
    }

    fn has_pairs(&self, (read, write): Pair) -> bool {
        let has = |mask: &Mask, node| !mask.plan(mask.node(node).items).pairs.is_empty();
        has(self.read, read) || has(self.write, write)
    }

    /// The nodes of the properties that a pair may name, each with the pair's name for it.
    fn named(&self, text: &[u8], (read, write): Pair) -> Result<Vec<Named>, AtRisk> {
        let mut found = Vec::new();
        for (mask, list, reads) in [(self.read, read, true), (self.write, write, false)] {
            for pairs in mask.plan(mask.node(list).items).pairs.iter() {
                let name = self.text_at(text, &pairs.entries.key)?;
                let value = match pair::find_only(text, &pairs.entries.value, self.limits.key) {
                    Ok(Found::At(range)) => Some(range),
                    Ok(_) => None,
                    Err(fault) => return Err(AtRisk::Stored(fault)),
                };
                let node = name.as_ref().map_or(HIDE, |name| match reads {
                    true => mask.member(pairs.object, name),
                    false => write::alike(mask, pairs.object, name),
                });
                found.push(Named { name, node, reads, value });
            }
        }
        Ok(found)
    }

    fn text_at(
        &self,
        text: &[u8],
        names: &[std::sync::Arc<str>],
    ) -> Result<Option<String>, AtRisk> {
        let limit = self.limits.key;
        match pair::find_only(text, names, limit).map_err(AtRisk::Stored)? {
            Found::At(range) => {
                let text = pair::text(&text[range], limit).map_err(AtRisk::Stored)?;
                Ok(text.and_then(|text| String::from_utf8(text).ok()))
            }
            _ => Ok(None),
        }
    }

    fn names(&self, text: &[u8], list: Pair) -> Result<Vec<Option<String>>, AtRisk> {
        Ok(self.named(text, list)?.into_iter().map(|named| named.name).collect())
    }

    /// Whether a pair names something that is hidden, holds something that is, or is no pair.
    fn is_hidden_pair(&self, text: &[u8], list: Pair) -> Result<bool, AtRisk> {
        for named in self.named(text, list)? {
            let value = named.value.as_ref().map_or(&b"null"[..], |range| &text[range.clone()]);
            let node = if named.reads { (named.node, SHOW) } else { (SHOW, named.node) };
            if self.holds_hidden(value, node)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether all of a pair is hidden by its name.
    fn is_named_hidden(&self, text: &[u8], list: Pair) -> Result<bool, AtRisk> {
        Ok(self.named(text, list)?.iter().any(|named| named.node == HIDE))
    }

    /// Whether a pair can be written, though it is hidden.
    fn is_writable_pair(&self, text: &[u8], list: Pair) -> Result<bool, AtRisk> {
        Ok(self.named(text, list)?.iter().all(|named| (named.node == HIDE) == named.reads))
    }
}

/// What a pair says, as one of the masks has it.
struct Named {
    name: Option<String>,
    node: NodeId,
    /// It is the mask of what is seen.
    reads: bool,
    value: Option<std::ops::Range<usize>>,
}

/// An object or list that is being written.
struct List<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> List<'o> {
    fn new(out: &'o mut Vec<u8>, opening: u8) -> List<'o> {
        out.push(opening);
        List { out, is_empty: true }
    }

    /// Before each part.
    fn next(&mut self) {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
    }

    fn end(self, closing: u8) {
        self.out.push(closing);
    }
}

#[cfg(test)]
mod tests;
