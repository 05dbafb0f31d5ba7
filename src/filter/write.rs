//! Whether a request body holds only what the caller may send.
//!
//! The body is whole and in memory. Every rule of requests is stricter than that of responses: a
//! key that stands twice, or half a surrogate pair, means one thing to us and perhaps another to
//! the upstream, so it is no JSON here.

mod names;
mod pairs;

use super::Limits;
use super::blind::DEEPEST;
use super::called;
use super::fault::Fault;
use super::key::Key;
use super::mask::{HIDE, Mask, NodeId, SHOW, Types};
use super::scan::{Digits, Input, is_integral, number, plain, space};
use super::seek::Finder;
use super::tag::Known;
use super::trail::{Pointers, Way};
use super::utf8;
use names::{Names, fold_names, folded, unnamed};
use pairs::PairKeys;
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

/// What a body means for what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// The body is a value.
    No,
    /// The body is a JSON merge patch (RFC 7396): objects are merged into what is there, `null`
    /// removes a member, everything else replaces what is there.
    Merge,
}

/// Why a body may not be sent. Pointers are RFC 6901, in the order of the body, as many as
/// [`Limits::pointers`] allows; they repeat keys of the body, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteFault {
    /// Not the JSON that requests must be.
    #[error(transparent)]
    Invalid(#[from] Fault),
    /// These parts may not be written: they are hidden or read-only, or writing them would erase
    /// something that is.
    #[error("the body has fields that may not be written")]
    Fields(Vec<String>),
    /// These values are of a type that does not belong there.
    #[error("the body has values of another type than the policy says")]
    Types(Vec<String>),
}

/// Checks a whole body against the mask of what may be written. Fields go before values: wrong
/// types are only told where no field is at fault.
pub fn check(mask: &Mask, body: &[u8], limits: &Limits, patch: Patch) -> Result<(), WriteFault> {
    let mut check = Check::new(mask, body, limits);
    check.document(patch)?;
    check.verdict()
}

/// Checks that a whole body reads in one way only: all that [`check`] asks where no mask limits
/// anything.
pub fn well_formed(body: &[u8], limits: &Limits) -> Result<(), Fault> {
    Check::new(&Mask::show(), body, limits).document(Patch::No)
}

/// Checks a part of a body as [`check`] checks the whole, where `node` applies and so many arrays and
/// objects are around it. Its grammar has been checked already. Pointers begin at the part.
pub(super) fn check_part(
    mask: &Mask,
    (node, depth): (NodeId, usize),
    part: &[u8],
    limits: &Limits,
) -> Result<(), WriteFault> {
    let mut check = Check::new(mask, part, limits);
    check.depth = depth;
    check.value(node, Patch::No)?;
    if !mask.plan(node).pairs.is_empty() {
        check.pair(node, part, &mut PairKeys::default())?;
    }
    check.verdict()
}

/// Whether a member of the whole body has this name that many servers take for the request's method.
pub(super) fn is_method(name: &str) -> bool {
    name.eq_ignore_ascii_case(METHOD)
}

/// The node of a member of this name; of a name that some read as a field's, the stricter one.
pub(super) fn alike(mask: &Mask, node: NodeId, name: &str) -> NodeId {
    let named = mask.plan(node).find(&mask.node(node).fields, name.as_bytes());
    let alike = || fold_names(mask, node).get(&folded(name)).copied().flatten();
    match named {
        Some(at) => mask.node(node).fields[at].1,
        None => unnamed(mask, node, name, alike()),
    }
}

struct Check<'a> {
    mask: &'a Mask,
    limits: &'a Limits,
    input: Input<'a>,
    pos: usize,
    depth: usize,
    names: usize,
    way: Way,
    fields: Pointers,
    types: Pointers,
    unfit: u32,
    /// What the objects of the body are called, where tags are asked for.
    known: Option<Known>,
    /// The names of a node's fields, folded, and what applies to a key that is one of them but for
    /// its case.
    folded: HashMap<NodeId, Rc<HashMap<String, Option<NodeId>>>>,
}

/// A member of the whole body that many servers take for the request's method.
const METHOD: &str = "_method";

impl<'a> Check<'a> {
    fn new(mask: &'a Mask, body: &'a [u8], limits: &'a Limits) -> Check<'a> {
        Check {
            mask,
            limits,
            input: Input { bytes: body, base: 0 },
            pos: 0,
            depth: 0,
            names: 0,
            way: Way::default(),
            fields: Pointers::new(limits),
            types: Pointers::new(limits),
            unfit: 0,
            known: None,
            folded: HashMap::new(),
        }
    }

    fn document(&mut self, patch: Patch) -> Result<(), Fault> {
        utf8::whole(self.input.bytes)?;
        let ambiguous = self.look_for_tags();
        self.value(self.mask.root(), patch)?;
        if let Some(fault) = ambiguous {
            return Err(fault);
        }
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Fault::Trailing { offset: self.input.offset(self.pos) }),
        }
    }

    /// Reads what objects are called, and says what can be read in two ways.
    fn look_for_tags(&mut self) -> Option<Fault> {
        let search = self.mask.search()?;
        let mut finder = Finder::new(search, self.limits, None).strictly();
        let known = self.known.insert(Known::default());
        finder.scan(self.input, known);
        finder.end()?.fault
    }

    /// The node of an object. A merge patch says nothing of what is stored: it is not asked.
    fn by_tag(&mut self, node: NodeId, patch: Patch) -> NodeId {
        match &mut self.known {
            Some(known) if patch == Patch::No => {
                self.mask.by_tag(node, self.input.offset(self.pos), known)
            }
            _ => node,
        }
    }

    /// A merge patch that has been read from `start` on gives the object no other tag.
    fn keeps_tags(&mut self, node: NodeId, start: usize) -> Result<(), Fault> {
        let object = &self.input.bytes[start..self.pos];
        for tags in called::tags(self.mask, node) {
            let Some(way) = tags.changed_by(object, self.limits.key)? else { continue };
            way.iter().for_each(|name| self.way.member(name));
            self.fields.add_once(self.way.as_str());
            way.iter().for_each(|_| self.way.up());
        }
        Ok(())
    }

    fn verdict(mut self) -> Result<(), WriteFault> {
        if !self.fields.as_slice().is_empty() {
            return Err(WriteFault::Fields(self.fields.into_vec()));
        }
        let all = self.mask.alternatives();
        if all != 0 && self.unfit & all == all && self.types.as_slice().is_empty() {
            self.types.add("");
        }
        if self.types.as_slice().is_empty() {
            return Ok(());
        }
        Err(WriteFault::Types(self.types.into_vec()))
    }

    fn value(&mut self, node: NodeId, patch: Patch) -> Result<(), Fault> {
        let Some(first) = self.peek() else { return Err(Fault::Truncated) };
        let is = Types::of(first).ok_or_else(|| self.input.grammar(self.pos))?;
        match is {
            Types::OBJECT => {
                let node = self.by_tag(node, patch);
                let (start, inside) = (self.pos, self.judge(node, is, patch));
                self.object(inside, patch)?;
                match patch {
                    Patch::No => Ok(()),
                    Patch::Merge => self.keeps_tags(node, start),
                }
            }
            Types::ARRAY => {
                let node = self.judge(node, is, patch);
                self.array(node)
            }
            _ => {
                let is = self.scalar(is, first)?;
                self.judge(node, is, patch);
                Ok(())
            }
        }
    }

    /// Judges a value of type `is` where `node` applies; the answer is the node for what is inside.
    fn judge(&mut self, node: NodeId, is: Types, patch: Patch) -> NodeId {
        match node {
            SHOW => return SHOW,
            HIDE => {
                self.fields.add(self.way.as_str());
                return SHOW;
            }
            _ => {}
        }
        if patch == Patch::Merge && self.erases(node, is) {
            self.fields.add(self.way.as_str());
            return node;
        }
        if patch == Patch::Merge && is == Types::NULL {
            return node;
        }
        for (pointers, types) in &self.mask.plan(node).ways {
            if !types.accept(is) {
                self.unfit |= pointers;
            }
        }
        match self.mask.node(node).types {
            // A place that shows nothing, whatever stands there.
            Types::NONE => self.fields.add(self.way.as_str()),
            types if types.accept(is) => return node,
            _ => self.types.add(self.way.as_str()),
        }
        SHOW
    }

    /// Whether a merge patch with a value of type `is` erases something that is hidden here.
    ///
    /// An object is merged, member by member, into an object; everything else replaces the stored
    /// value. So does an object, where an array is stored (RFC 7396 section 2).
    fn erases(&self, node: NodeId, is: Types) -> bool {
        if is == Types::ARRAY && self.is_list_of_pairs(node) {
            // It names the pairs that it changes; others stay.
            return false;
        }
        if is != Types::OBJECT {
            return self.mask.hides(node);
        }
        let elements = self.mask.plan(node).elements.iter().map(|(_, id)| *id);
        let mut elements = elements.chain([self.mask.node(node).items]);
        self.mask.node(node).types.has(Types::ARRAY) && elements.any(|id| self.mask.hides(id))
    }

    fn object(&mut self, node: NodeId, patch: Patch) -> Result<(), Fault> {
        self.enter()?;
        let mut names = Names::new();
        let mut expected = self.peek() != Some(b'}');
        while expected {
            let key = self.key()?;
            self.names += 1;
            if self.names > self.limits.names {
                return Err(Fault::TooManyKeys { offset: self.input.offset(self.pos) });
            }
            let member = self.compare(node, &key, &mut names)?;
            self.byte(b':')?;
            self.way.member(&key);
            if self.depth == 1 && is_method(&key) {
                self.fields.add(self.way.as_str());
            }
            self.value(member, patch)?;
            self.way.up();
            names.add(key);
            expected = self.comma(b'}')?;
        }
        self.names -= names.len();
        self.leave()
    }

    fn is_list_of_pairs(&self, node: NodeId) -> bool {
        !self.mask.plan(self.mask.node(node).items).pairs.is_empty()
    }

    /// An array replaces what is there, so its elements are values also in a merge patch.
    fn array(&mut self, node: NodeId) -> Result<(), Fault> {
        self.enter()?;
        let mut expected = self.peek() != Some(b']');
        let mut index = 0;
        let mut keys = PairKeys::default();
        while expected {
            self.way.element(index);
            let element = self.mask.element(node, index);
            self.pos = space(self.input.bytes, self.pos);
            let start = self.pos;
            self.value(element, Patch::No)?;
            if !self.mask.plan(element).pairs.is_empty() {
                self.pair(element, &self.input.bytes[start..self.pos], &mut keys)?;
            }
            self.way.up();
            index += 1;
            expected = self.comma(b']')?;
        }
        self.leave()
    }

    /// The node of a member. Refuses a key that stood before, or that could be read as one before
    /// where the mask names either.
    fn compare(&mut self, node: NodeId, key: &str, names: &mut Names<'_>) -> Result<NodeId, Fault> {
        let offset = self.input.offset(self.pos);
        if names.has(key) {
            return Err(Fault::DuplicateKey { offset });
        }
        let mask = self.mask;
        let fields = &mask.node(node).fields;
        if fields.is_empty() {
            return Ok(mask.unnamed(node, key.as_bytes()));
        }
        let known = self.folded.entry(node).or_insert_with(|| Rc::new(fold_names(mask, node)));
        let folded = folded(key);
        let Some(alike) = known.get(&folded).copied() else {
            return Ok(mask.unnamed(node, key.as_bytes()));
        };
        let named = mask.plan(node).find(fields, key.as_bytes());
        match names.variants.insert(folded, named.is_some()) {
            Some(before) if before || named.is_some() => Err(Fault::CaseVariant { offset }),
            _ => Ok(match named {
                Some(at) => fields[at].1,
                None => unnamed(mask, node, key, alike),
            }),
        }
    }

    fn key(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.byte(b'"')?;
        let key = self.text(self.limits.key)?;
        if key.contains('\0') {
            return Err(Fault::NulInKey { offset: self.input.offset(self.pos) });
        }
        Ok(key)
    }

    /// A string, from after its opening quote.
    fn text(&mut self, limit: usize) -> Result<Cow<'a, str>, Fault> {
        let bytes = self.input.bytes;
        let (start, end) = (self.pos, plain(bytes, self.pos));
        if bytes.get(end) == Some(&b'"') && end - start <= limit {
            self.pos = end + 1;
            let text = std::str::from_utf8(&bytes[start..end]);
            return text.map(Cow::Borrowed).map_err(|_| self.input.grammar(start));
        }
        let mut key = Key::new(limit);
        self.pos = key.read(self.input, start)?.ok_or(Fault::Truncated)?;
        match String::from_utf8(std::mem::take(key.bytes_mut())) {
            Ok(text) => Ok(Cow::Owned(text)),
            // The input is UTF-8, so only half a surrogate pair can have broken it.
            Err(_) => Err(Fault::Surrogate { offset: self.input.offset(self.pos) }),
        }
    }

    fn scalar(&mut self, is: Types, first: u8) -> Result<Types, Fault> {
        match is {
            Types::STRING => {
                self.pos += 1;
                self.text(usize::MAX)?;
                Ok(is)
            }
            Types::NUMBER => self.number(),
            _ => self.word(first).map(|()| is),
        }
    }

    fn number(&mut self) -> Result<Types, Fault> {
        let start = self.pos;
        let (end, read) = number(self.input.bytes, start, Digits::Start);
        self.pos = end;
        match (read.is_whole_number_text(), is_integral(&self.input.bytes[start..end])) {
            (true, true) => Ok(Types::INTEGRAL),
            (true, false) => Ok(Types::NUMBER),
            (false, _) => Err(self.unexpected()),
        }
    }

    fn word(&mut self, first: u8) -> Result<(), Fault> {
        let word: &[u8] = match first {
            b't' => b"true",
            b'f' => b"false",
            _ => b"null",
        };
        let rest = &self.input.bytes[self.pos..];
        self.pos += word.iter().zip(rest).take_while(|(want, is)| want == is).count();
        if rest.starts_with(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// After a member or element: whether a comma promises another one.
    fn comma(&mut self, end: u8) -> Result<bool, Fault> {
        match self.peek() {
            Some(b',') => {
                self.pos += 1;
                Ok(true)
            }
            Some(byte) if byte == end => Ok(false),
            _ => Err(self.unexpected()),
        }
    }

    fn enter(&mut self) -> Result<(), Fault> {
        if self.depth >= self.limits.depth.min(DEEPEST) {
            return Err(Fault::Depth { offset: self.input.offset(self.pos) });
        }
        self.depth += 1;
        self.pos += 1;
        Ok(())
    }

    /// Over the closing bracket, which has been seen.
    fn leave(&mut self) -> Result<(), Fault> {
        self.depth -= 1;
        self.pos += 1;
        Ok(())
    }

    fn byte(&mut self, wanted: u8) -> Result<(), Fault> {
        if self.peek() != Some(wanted) {
            return Err(self.unexpected());
        }
        self.pos += 1;
        Ok(())
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        self.pos = space(self.input.bytes, self.pos);
        self.input.bytes.get(self.pos).copied()
    }

    fn unexpected(&self) -> Fault {
        if self.pos < self.input.bytes.len() {
            self.input.grammar(self.pos)
        } else {
            Fault::Truncated
        }
    }
}

#[cfg(test)]
mod tests;
