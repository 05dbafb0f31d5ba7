//! Decides about rows, one by one.

use super::choice::Choice;
use super::{RowPlan, Rule};
use crate::filter::mask::Mask;
use crate::filter::pick::Path;
use crate::filter::rows::Judge;
use crate::filter::{Fault, Filter, Limits};
use crate::policy::condition::MAX_ROW_RULES;
use crate::policy::snapshot::Snapshot;
use std::sync::Arc;

/// Decides about rows.
pub(super) struct Chooser {
    plan: RowPlan,
    /// Where rows are; none is inside of another.
    places: Vec<Path>,
    /// Where the body as a whole is one row: the rules about what lies inside of it.
    inner: Vec<Rule>,
    snapshot: Arc<Snapshot>,
    limits: Limits,
    /// What sets of rules show, by their bits.
    known: Vec<(u64, Shown)>,
    /// Members and elements that went from rows that stay.
    removed: u64,
}

/// What a set of grants shows of a row.
#[derive(Clone)]
enum Shown {
    Nothing,
    Whole,
    Through(Arc<Mask>),
}

impl Chooser {
    pub fn new(
        plan: RowPlan,
        places: Vec<Path>,
        inner: Vec<Rule>,
        snapshot: Arc<Snapshot>,
        limits: Limits,
    ) -> Chooser {
        Chooser { plan, places, inner, snapshot, limits, known: Vec::new(), removed: 0 }
    }

    /// The rules that let this row be seen: those that hold for it, and those to which it is no row
    /// but something around theirs.
    fn held(&self, place: &Path, row: &[u8]) -> Result<u64, Fault> {
        let mut held = 0u64;
        for (at, rule) in self.plan.rules.iter().enumerate().take(MAX_ROW_RULES) {
            if !rule.places.contains(place) || rule.holds(row, &self.limits)? {
                held |= 1 << at;
            }
        }
        Ok(held)
    }

    fn show(&mut self, mut filter: Filter, text: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        let before = out.len();
        filter.push(text, out)?;
        filter.finish(out)?;
        self.removed += filter.removed() + filter.dropped();
        Ok(out.len() > before)
    }

    /// The body as a whole is a row. The grants that hold for it hold for all that it has, and parts
    /// of it may be rows to others.
    fn look_inside(&mut self, held: u64, body: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        let mut plan = self.plan.over(self.inner.clone());
        self.each(held).for_each(|rule| plan.base.add(&rule.grant));
        let filter = Choice::filter(Arc::new(plan), self.snapshot.clone(), self.limits, true);
        match self.show(filter, body, out) {
            Err(Fault::Gone) => Ok(false),
            shown => shown,
        }
    }

    fn shown(&mut self, held: u64) -> Shown {
        if let Some((_, shown)) = self.known.iter().find(|(bits, _)| *bits == held) {
            return shown.clone();
        }
        let mut grants = self.plan.base.clone();
        self.each(held).for_each(|rule| grants.add(&rule.grant));
        let shown = match grants.is_empty() {
            true => Shown::Nothing,
            false => match self.snapshot.limits(&self.plan.matches, &grants, false) {
                None => Shown::Whole,
                Some(masks) => masks.read.clone().map_or(Shown::Whole, Shown::Through),
            },
        };
        if self.known.len() < MAX_KNOWN_SETS {
            self.known.push((held, shown.clone()));
        }
        shown
    }

    fn each(&self, held: u64) -> impl Iterator<Item = &Rule> {
        let rules = self.plan.rules.iter().enumerate().take(MAX_ROW_RULES);
        rules.filter(move |(at, _)| held >> at & 1 == 1).map(|(_, rule)| rule)
    }
}

impl Judge for Chooser {
    fn judge(
        &mut self,
        place: usize,
        element: bool,
        row: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        let place = self.places[place].clone();
        let held = self.held(&place, row)?;
        if !element && !self.inner.is_empty() {
            return self.look_inside(held, row, out);
        }
        match self.shown(held) {
            Shown::Nothing => Ok(false),
            Shown::Whole => {
                out.extend_from_slice(row);
                Ok(true)
            }
            Shown::Through(mask) => match Filter::inside(mask, &place, element, self.limits) {
                None => Ok(false),
                Some(filter) => self.show(filter, row, out),
            },
        }
    }

    fn removed(&self) -> u64 {
        self.removed
    }
}

/// Sets of grants whose masks are remembered for one response.
const MAX_KNOWN_SETS: usize = 64;
