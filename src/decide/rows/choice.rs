//! Which grants count for a body.
//!
//! A grant for rows counts for a body that has its rows: by itself it would be answered with them.
//! One whose place is not there would be answered with 502, and one to which the only row does not
//! belong with 404; so neither has a say about what is around the rows of others.

use super::{RowPlan, Rule};
use crate::filter::choosing::{Choose, Standing};
use crate::filter::pick::Path;
use crate::filter::{Fault, Filter, Limits};
use crate::policy::snapshot::Snapshot;
use std::sync::Arc;

/// Looks at the places of rows, before anything of the body goes out.
pub(super) struct Choice {
    plan: Arc<RowPlan>,
    snapshot: Arc<Snapshot>,
    limits: Limits,
    places: Vec<Path>,
    /// For each rule whether it counts, once that is known.
    counts: Vec<Option<bool>>,
    /// Some row is there, but it is not the caller's.
    gone: bool,
    /// A grant holds for somebody else's body as a whole.
    foreign: bool,
}

impl Choice {
    /// A filter for a body of which no rule is about the whole. `gone`: a grant holds for somebody
    /// else's body as a whole.
    pub fn filter(
        plan: Arc<RowPlan>,
        snapshot: Arc<Snapshot>,
        limits: Limits,
        gone: bool,
    ) -> Filter {
        let mut places: Vec<Path> = Vec::new();
        for place in plan.rules.iter().flat_map(|rule| &rule.places) {
            if !places.contains(place) {
                places.push(place.clone());
            }
        }
        let counts = vec![None; plan.rules.len()];
        let choice =
            Choice { plan, snapshot, limits, places: places.clone(), counts, gone, foreign: gone };
        Filter::choosing(places, Box::new(choice), limits)
    }

    fn counts(&mut self, rule: &Rule, what: Standing<'_>) -> Result<bool, Fault> {
        Ok(match what {
            Standing::List | Standing::Null => true,
            Standing::Other => false,
            Standing::Object(row) => {
                let holds = rule.holds(row, &self.limits)?;
                self.gone |= !holds;
                holds
            }
        })
    }
}

impl Choose for Choice {
    fn found(&mut self, place: usize, what: Standing<'_>) -> Result<(), Fault> {
        let plan = self.plan.clone();
        for (at, rule) in plan.rules.iter().enumerate() {
            if self.counts[at].is_none() && rule.places.contains(&self.places[place]) {
                self.counts[at] = Some(self.counts(rule, what)?);
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.counts.fill(None);
        self.gone = self.foreign;
    }

    /// Where some grants hold for all rows, none goes.
    fn has_totals(&self) -> bool {
        self.plan.base.is_empty() && self.snapshot.totals(&self.plan.matches).is_some()
    }

    fn is_made(&self) -> bool {
        self.counts.iter().all(Option::is_some)
    }

    fn choose(&self) -> Result<Filter, Fault> {
        let counting = self.plan.rules.iter().zip(&self.counts);
        let counting = counting.filter(|(_, counts)| **counts == Some(true));
        let rules: Vec<Rule> = counting.map(|(rule, _)| rule.clone()).collect();
        if rules.is_empty() && self.plan.base.is_empty() {
            return Err(if self.gone { Fault::Gone } else { Fault::Shape });
        }
        Ok(self.plan.over(rules).with_rows(&self.snapshot, Vec::new(), self.limits))
    }
}
