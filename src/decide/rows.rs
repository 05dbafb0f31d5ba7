//! Rows: responses of which the caller sees the elements that are its own, or that a rule keeps.
//!
//! A grant with `owner` or `keep` holds for some elements of a list and not for others. So the
//! roles that contribute, and with them the masks, differ from row to row; where no grant holds
//! for a row, it goes. What is around the rows is seen through the masks of all grants that count
//! for the body: those that hold whatever the row, and those whose rows it has. So a grant more
//! never takes anything away, and nothing is shown that no grant by itself would show.

mod choice;
mod judge;

use super::FieldMasks;
use super::caller::Caller;
use super::facts::text;
use crate::filter::algebra::intersect;
use crate::filter::mask::Mask;
use crate::filter::pick::{Path, pick};
use crate::filter::rows::Rows;
use crate::filter::{Fault, Filter, Limits};
use crate::policy::condition::{Conditions, Field, Value};
use crate::policy::held::{Candidate, Held};
use crate::policy::index::Matches;
use crate::policy::snapshot::Snapshot;
use choice::Choice;
use judge::Chooser;
use std::sync::Arc;

/// What decides about the rows of one response.
#[derive(Debug, PartialEq, Eq)]
pub struct RowPlan {
    matches: Matches,
    /// The grants that hold whatever the row; empty where none does.
    base: Held,
    rules: Vec<Rule>,
    /// What all of the rows show, whichever there are.
    fields: Option<Arc<FieldMasks>>,
}

/// A grant that holds for some rows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    grant: Candidate,
    places: Vec<Path>,
    tests: Vec<Test>,
}

/// A value of a row, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    at: Path,
    among: Arc<[Arc<str>]>,
}

impl RowPlan {
    /// `base` are the grants that hold for all rows, `rows` those that hold for some.
    pub(super) fn new(
        snapshot: &Snapshot,
        caller: &Caller<'_>,
        matches: Matches,
        (base, rows): (Held, Vec<Candidate>),
    ) -> RowPlan {
        let rule = |grant: Candidate| {
            let conditions = snapshot.conditions(grant.grant)?;
            Some(Rule::new(grant, conditions, snapshot, caller, &matches))
        };
        let rules: Vec<Rule> = rows.into_iter().filter_map(rule).collect();
        let fields = shared(snapshot, &matches, &base, &rules);
        RowPlan { matches, base, rules, fields }
    }

    /// What a query, and the request's body, may speak of: what every row shows. What only some of
    /// them show could be told from which of the others an answer has. Errors show no more either.
    pub(super) fn fields(&self) -> Option<&Arc<FieldMasks>> {
        self.fields.as_ref()
    }

    /// Whether some grants hold whatever the row.
    pub(super) fn has_base(&self) -> bool {
        !self.base.is_empty()
    }

    /// A filter for a successful response.
    pub(super) fn filter(self: &Arc<RowPlan>, snapshot: &Arc<Snapshot>, limits: Limits) -> Filter {
        let (outer, inner) = self.rules.iter().cloned().partition(|rule: &Rule| rule.is_of_body());
        if self.rules.iter().any(Rule::is_of_body) {
            return self.over(outer).with_rows(snapshot, inner, limits);
        }
        match self.rules.as_slice() {
            // What they show around their rows is the same, and if there are none nothing goes out.
            [one, others @ ..] if self.base.is_empty() && others.iter().all(|o| one.is_like(o)) => {
                self.over(inner).with_rows(snapshot, Vec::new(), limits)
            }
            _ => Choice::filter(self.clone(), snapshot.clone(), limits, false),
        }
    }

    /// The same, with only these rules.
    fn over(&self, rules: Vec<Rule>) -> RowPlan {
        let (matches, base) = (self.matches.clone(), self.base.clone());
        RowPlan { matches, base, rules, fields: None }
    }

    /// A filter for a body for which all of the rules count, save the `inner` ones: those are about
    /// what lies inside of a body that as a whole is one row.
    fn with_rows(self, snapshot: &Arc<Snapshot>, inner: Vec<Rule>, limits: Limits) -> Filter {
        let mut all = self.base.clone();
        self.rules.iter().for_each(|rule| all.add(&rule.grant));
        let masks = snapshot.limits(&self.matches, &all, false);
        let mask = masks.and_then(|masks| masks.read.clone());
        let mask = mask.unwrap_or_else(|| Arc::new(Mask::show()));
        if self.rules.is_empty() {
            return Filter::new(mask, limits);
        }
        let places = outermost(&self.rules);
        let rows = Rows::new(places.clone(), limits.object, self.base.is_empty())
            .expect("places are without `*`, and none is inside of another");
        // Where some grants hold for all rows, none goes.
        let totals = snapshot.totals(&self.matches).filter(|_| self.base.is_empty());
        let mask = totals.map_or(mask.clone(), |totals| Arc::new(intersect(&mask, &totals)));
        let judge = Chooser::new(self, places, inner, snapshot.clone(), limits);
        Filter::with_rows(mask, rows, Box::new(judge), limits)
    }
}

impl Rule {
    fn new(
        grant: Candidate,
        conditions: &Conditions,
        snapshot: &Snapshot,
        caller: &Caller<'_>,
        matches: &Matches,
    ) -> Rule {
        let test = |field: &Field, among: &[Value]| Test {
            at: field.at.clone(),
            among: caller.list(among).into(),
        };
        let owner = conditions.owner.as_ref();
        let keep = conditions.keep.as_ref();
        let owned = owner.map(|owner| test(&owner.field, std::slice::from_ref(&owner.is)));
        let kept = keep.map(|keep| test(&keep.field, &keep.among));
        let named = keep.and_then(|keep| keep.items.clone());
        let named = named.or_else(|| owner.and_then(|owner| owner.items.clone()));
        let places = match named {
            Some(place) => vec![place],
            None => snapshot.row_places(matches).into_iter().cloned().collect(),
        };
        let places = if places.is_empty() { vec![whole_body()] } else { places };
        Rule { grant, places, tests: owned.into_iter().chain(kept).collect() }
    }

    /// Whether its row is the body as a whole, or each element of it.
    fn is_of_body(&self) -> bool {
        self.places.contains(&whole_body())
    }

    /// Whether another one shows the same around the same rows.
    fn is_like(&self, other: &Rule) -> bool {
        self.grant.role == other.grant.role && self.places == other.places
    }

    fn holds(&self, row: &[u8], limits: &Limits) -> Result<bool, Fault> {
        let paths: Vec<&Path> = self.tests.iter().map(|test| &test.at).collect();
        let found = pick(row, &paths, limits)?;
        Ok(self.tests.iter().zip(found).all(|(test, values)| {
            let is = |value: &str| test.among.iter().any(|known| **known == *value);
            values.iter().filter_map(text).any(is)
        }))
    }
}

/// The place of a body as a whole.
fn whole_body() -> Path {
    Path::parse("").expect("nothing is a pointer")
}

/// The places of these rules, save those inside of others.
fn outermost(rules: &[Rule]) -> Vec<Path> {
    let mut places: Vec<Path> = Vec::new();
    for place in rules.iter().flat_map(|rule| &rule.places) {
        if !places.iter().any(|other| other.leads_to(place)) {
            places.retain(|other| !place.leads_to(other));
            places.push(place.clone());
        }
    }
    places
}

/// What each row shows, whichever grants hold for it: what those show that hold for all, or else
/// what all of the others do.
fn shared(
    snapshot: &Snapshot,
    matches: &Matches,
    base: &Held,
    rules: &[Rule],
) -> Option<Arc<FieldMasks>> {
    if !base.is_empty() {
        return snapshot.limits(matches, base, false);
    }
    let each = rules.iter().filter_map(|rule| {
        let mut held = Held::default();
        held.add(&rule.grant);
        snapshot.limits(matches, &held, false)
    });
    each.reduce(|a, b| Arc::new(a.and(&b)))
}
