//! Pairs: elements of a list that each name a property and hold its value.
//!
//! The name may stand after the value, so an element is held until it has ended, and then judged.

use super::{Engine, Record};
use crate::filter::Limits;
use crate::filter::fault::Fault;
use crate::filter::mask::{HIDE, NodeId, SHOW, Types};
use crate::filter::pair::{self, Found};
use crate::filter::plan::Pairs;
use crate::filter::scan::{Input, is_integral, space};
use crate::filter::trail::Way;
use std::ops::Range;
use std::sync::Arc;

impl Engine {
    /// What is left of an element that is a pair in the sense of the node `id`: `None` where it does
    /// not pass.
    #[cold]
    pub(super) fn pair(&mut self, id: NodeId, text: Vec<u8>) -> Result<Option<Vec<u8>>, Fault> {
        let mask = self.mask.clone();
        let mut text = text;
        let mut first_bit = 0;
        for pairs in &mask.plan(id).pairs {
            let bits = first_bit;
            first_bit += mask.node(pairs.object).fields.len().div_ceil(64);
            match self.one_pair(pairs, bits, text)? {
                Some(left) => text = left,
                None => return Ok(None),
            }
        }
        let node = mask.node(id);
        let named = mask.plan(id).patterns.is_some();
        if !named && node.others == SHOW && node.fields.iter().all(|(_, field)| *field == SHOW) {
            return Ok(Some(text));
        }
        // Other rules speak of the element's own members.
        self.inside(id, false, &text, &[]).map(Some)
    }

    fn one_pair(
        &mut self,
        pairs: &Pairs,
        bits: usize,
        text: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let Some(child) = self.property(pairs, bits, &text)? else { return Ok(None) };
        match (child, pair::find(&text, &pairs.entries.value, self.key.limit())?) {
            (HIDE, _) => Ok(None),
            (SHOW, _) | (_, Found::Nothing) => Ok(Some(text)),
            // Some readers would take it for the value.
            (_, Found::Variant) => Ok(None),
            (_, Found::At(range)) => self.value_of(pairs, child, range, text),
        }
    }

    /// The node of the property that a pair names; `None` where it names none.
    fn property(
        &mut self,
        pairs: &Pairs,
        bits: usize,
        text: &[u8],
    ) -> Result<Option<NodeId>, Fault> {
        let limit = self.key.limit();
        let Found::At(range) = pair::find(text, &pairs.entries.key, limit)? else {
            return Ok(None);
        };
        let Some(name) = pair::text(&text[range], limit)? else { return Ok(None) };
        let (node, plan) = (self.mask.node(pairs.object), self.mask.plan(pairs.object));
        let Some(index) = plan.find(&node.fields, &name) else {
            return Ok(Some(self.mask.unnamed(pairs.object, &name)));
        };
        let frame = self.frames.last().filter(|frame| !frame.object).ok_or(Fault::Shape)?;
        let word = frame.seen + bits + index / 64;
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let bit = 1 << (index % 64);
        if self.seen[word] & bit != 0 {
            return Err(Fault::DuplicatePair);
        }
        self.seen[word] |= bit;
        Ok(Some(node.fields[index].1))
    }

    /// The pair with what its value shows.
    fn value_of(
        &mut self,
        pairs: &Pairs,
        child: NodeId,
        range: Range<usize>,
        text: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let value = &text[range.clone()];
        if !self.mask.node(child).types.accept(type_of(value)) {
            if !self.mask.plan(child).nulls {
                return Ok(None);
            }
            self.count(&pairs.entries.value);
            return Ok(Some([&text[..range.start], b"null", &text[range.end..]].concat()));
        }
        let shown = self.inside(child, true, value, &pairs.entries.value)?;
        Ok(Some([&text[..range.start], &shown[..], &text[range.end..]].concat()))
    }

    /// What a node shows of a part that is at hand whole and of a type that passes.
    fn inside(
        &mut self,
        node: NodeId,
        pairs: bool,
        text: &[u8],
        way: &[Arc<str>],
    ) -> Result<Vec<u8>, Fault> {
        let limits = Limits { depth: self.depth, key: self.key.limit(), ..Limits::default() };
        let mut inner = Engine::new(self.mask.clone(), &limits, false);
        (inner.child, inner.number, inner.object) = (node, self.number, self.object);
        (inner.unfit, inner.splits_root) = (self.unfit, pairs);
        let at = self.record.as_ref().map(|record| record.way.clone());
        inner.record = self.record.take().map(|mut record| {
            way.iter().for_each(|name| record.way.member(name));
            record
        });
        let mut out = Vec::with_capacity(text.len());
        let read = inner.read(Input { bytes: text, base: 0 }, &mut out);
        let read = read.and_then(|()| inner.finish(text.len() as u64, &mut out));
        let back = |(record, way): (Record, Way)| Record { way, ..record };
        self.record = inner.record.take().zip(at).map(back);
        (self.unfit, self.removed) = (inner.unfit, self.removed + inner.removed);
        read.map(|()| out)
    }

    fn count(&mut self, way: &[Arc<str>]) {
        self.removed += 1;
        if let Some(record) = &mut self.record {
            way.iter().for_each(|name| record.way.member(name));
            record.pointers.add(record.way.as_str());
            way.iter().for_each(|_| record.way.up());
        }
    }
}

/// The type of a whole value.
pub(in crate::filter) fn type_of(value: &[u8]) -> Types {
    let start = space(value, 0);
    match value.get(start).and_then(|first| Types::of(*first)) {
        Some(Types::NUMBER) if is_integral(&value[start..]) => Types::INTEGRAL,
        Some(types) => types,
        None => Types::NONE,
    }
}
