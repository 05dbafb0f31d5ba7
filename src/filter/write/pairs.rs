//! Pairs in request bodies: each is judged as the property that it names. A fault is told at the
//! pair's name.

use super::{Check, Names, Patch};
use crate::filter::engine::type_of;
use crate::filter::fault::Fault;
use crate::filter::mask::{HIDE, NodeId, SHOW, Types};
use crate::filter::pair::{self, Found};
use crate::filter::plan::Pairs;
use crate::filter::scan::Input;
use std::borrow::Cow;

/// The names that the pairs of one list have had, for each kind of pair.
#[derive(Default)]
pub(super) struct PairKeys<'a>(Vec<Names<'a>>);

impl<'a> Check<'a> {
    /// Judges an element that has been read, as a pair.
    pub(super) fn pair(
        &mut self,
        element: NodeId,
        text: &'a [u8],
        keys: &mut PairKeys<'a>,
    ) -> Result<(), Fault> {
        if type_of(text) != Types::OBJECT {
            // Its type has been found wrong already.
            return Ok(());
        }
        let mask = self.mask;
        for (at, pairs) in mask.plan(element).pairs.iter().enumerate() {
            if keys.0.len() <= at {
                keys.0.push(Names::new());
            }
            self.one_pair(pairs, text, &mut keys.0[at])?;
        }
        Ok(())
    }

    fn one_pair(
        &mut self,
        pairs: &Pairs,
        text: &'a [u8],
        keys: &mut Names<'a>,
    ) -> Result<(), Fault> {
        let limit = self.limits.key;
        let Found::At(range) = pair::find_only(text, &pairs.entries.key, limit)? else {
            self.types.add(self.way.as_str());
            return Ok(());
        };
        pairs.entries.key.iter().for_each(|name| self.way.member(name));
        let judged = match pair::text(&text[range], limit)?.map(String::from_utf8) {
            Some(Ok(name)) => self.property(pairs, name, text, keys),
            _ => {
                self.types.add(self.way.as_str());
                Ok(())
            }
        };
        pairs.entries.key.iter().for_each(|_| self.way.up());
        judged
    }

    /// The way leads to the pair's name.
    fn property(
        &mut self,
        pairs: &Pairs,
        name: String,
        text: &'a [u8],
        keys: &mut Names<'a>,
    ) -> Result<(), Fault> {
        let child = self.compare(pairs.object, &name, keys).map_err(|fault| match fault {
            Fault::DuplicateKey { .. } => Fault::DuplicatePair,
            other => other,
        })?;
        keys.add(Cow::Owned(name));
        match (child, pair::find_only(text, &pairs.entries.value, self.limits.key)?) {
            (HIDE, _) => self.fields.add(self.way.as_str()),
            (SHOW, _) | (_, Found::Nothing) => {}
            // Some readers would take it for the value.
            (_, Found::Variant) => self.fields.add(self.way.as_str()),
            (_, Found::At(range)) => self.value_of(child, &text[range])?,
        }
        Ok(())
    }

    fn value_of(&mut self, child: NodeId, value: &'a [u8]) -> Result<(), Fault> {
        let mut inner = Check::new(self.mask, value, self.limits);
        inner.input = Input { bytes: value, base: 0 };
        // It is not the body: `_method` in it is a member like others.
        inner.depth = 1;
        inner.value(child, Patch::No)?;
        self.unfit |= inner.unfit;
        if !inner.fields.as_slice().is_empty() {
            self.fields.add(self.way.as_str());
        } else if !inner.types.as_slice().is_empty() {
            self.types.add(self.way.as_str());
        }
        Ok(())
    }
}
