//! Rows: responses of which the caller sees the elements that are its own, or that a rule keeps.
//!
//! A grant with `owner` or `keep` holds for some elements of a list and not for others. So the
//! roles that contribute, and with them the masks, differ from row to row; where no grant holds
//! for a row, it goes.

use super::caller::Caller;
use super::facts::text;
use super::inquiry::unmapped;
use super::{FieldMasks, Refusal, Trace};
use crate::filter::algebra::intersect;
use crate::filter::mask::Mask;
use crate::filter::pick::{Path, pick};
use crate::filter::rows::{Judge, Rows};
use crate::filter::{Fault, Filter, Limits};
use crate::policy::condition::{Conditions, Field, Value};
use crate::policy::held::{Candidate, Held};
use crate::policy::index::Matches;
use crate::policy::limits::Limits as BodyLimits;
use crate::policy::snapshot::Snapshot;
use std::sync::Arc;

/// What decides about the rows of one response.
#[derive(Debug)]
pub struct RowPlan {
    matches: Matches,
    /// The grants that hold whatever the row; empty where none does.
    base: Held,
    rules: Vec<Rule>,
    /// Where rows are; none is inside of another.
    places: Vec<Path>,
    /// What limits everything but the rows.
    envelope: Option<Arc<FieldMasks>>,
    /// Where the body as a whole is one row: the rules about what lies inside of it.
    inner: Option<Arc<RowPlan>>,
}

/// A grant that holds for some rows.
#[derive(Clone, Debug)]
struct Rule {
    grant: Candidate,
    places: Vec<Path>,
    tests: Vec<Test>,
}

/// A value of a row, and what it must be.
#[derive(Clone, Debug)]
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
        trace: &mut impl Trace,
    ) -> Result<RowPlan, Refusal> {
        let mut all = base.clone();
        rows.iter().for_each(|row| all.add(row));
        if matches!(snapshot.limits(&matches, &all, false), BodyLimits::Unmapped) {
            return Err(unmapped(trace));
        }
        let shared = match snapshot.limits(&matches, &base, false) {
            // What is not mapped for these alone, they do not show.
            BodyLimits::Unmapped => Held::default(),
            _ => base,
        };
        let rules: Vec<Rule> = rows
            .into_iter()
            .filter_map(|grant| {
                let conditions = snapshot.conditions(grant.grant)?;
                Some(Rule::new(grant, conditions, snapshot, caller, &matches))
            })
            .collect();
        Ok(RowPlan::of(snapshot, matches, shared, rules))
    }

    fn of(snapshot: &Snapshot, matches: Matches, base: Held, rules: Vec<Rule>) -> RowPlan {
        let body = whole_body();
        let is_body = |place: &Path| *place == body;
        let (outer, inside): (Vec<Rule>, Vec<Rule>) =
            rules.iter().cloned().partition(|rule| rule.places.iter().any(is_body));
        let envelope = envelope(snapshot, &matches, &base, &rules);
        let (rules, inner) = match outer.is_empty() || inside.is_empty() {
            true => (rules, None),
            false => {
                let inner = RowPlan::of(snapshot, matches.clone(), base.clone(), inside);
                (outer, Some(Arc::new(inner)))
            }
        };
        let mut places: Vec<Path> = Vec::new();
        for place in rules.iter().flat_map(|rule| &rule.places) {
            if !places.iter().any(|other| other.leads_to(place)) {
                places.retain(|other| !place.leads_to(other));
                places.push(place.clone());
            }
        }
        RowPlan { matches, base, rules, places, envelope, inner }
    }

    /// What limits everything but the rows, and the request's body.
    pub(super) fn fields(&self) -> Option<&Arc<FieldMasks>> {
        self.envelope.as_ref()
    }

    /// Whether some grants hold whatever the row.
    pub(super) fn has_base(&self) -> bool {
        !self.base.is_empty()
    }

    /// A filter for a successful response.
    pub(super) fn filter(self: &Arc<RowPlan>, snapshot: &Arc<Snapshot>, limits: Limits) -> Filter {
        let mask = self.envelope.as_ref().and_then(|fields| fields.read.clone());
        let rows = Rows::new(self.places.clone(), limits.object, self.base.is_empty())
            .expect("places are without `*`, and none is inside of another");
        let judge = Chooser {
            plan: self.clone(),
            snapshot: snapshot.clone(),
            limits,
            known: Vec::new(),
            removed: 0,
        };
        let mask = mask.unwrap_or_else(|| Arc::new(Mask::show()));
        // Where some grants hold for all rows, none goes.
        let totals = snapshot.totals(&self.matches).filter(|_| self.base.is_empty());
        Filter::with_rows(
            totals.map_or_else(|| mask.clone(), |totals| Arc::new(intersect(&mask, &totals))),
            rows,
            Box::new(judge),
            limits,
        )
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

/// What limits the rest of a body: where grants hold whatever the row, their masks; else what all
/// of the others let pass, since each of them speaks of its rows alone.
fn envelope(
    snapshot: &Snapshot,
    matches: &Matches,
    base: &Held,
    rules: &[Rule],
) -> Option<Arc<FieldMasks>> {
    let masks = |held: &Held| match snapshot.limits(matches, held, false) {
        BodyLimits::Masks(masks) => Some(masks),
        BodyLimits::Nothing | BodyLimits::Unmapped => None,
    };
    if !base.is_empty() {
        return masks(base);
    }
    let each = rules.iter().filter_map(|rule| {
        let mut held = Held::default();
        held.add(&rule.grant);
        masks(&held)
    });
    each.reduce(|a, b| Arc::new(a.and(&b)))
}

/// Decides about rows.
struct Chooser {
    plan: Arc<RowPlan>,
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

impl Judge for Chooser {
    fn judge(
        &mut self,
        place: usize,
        element: bool,
        row: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        let plan = self.plan.clone();
        let place = &plan.places[place];
        let mut held = 0u64;
        for (at, rule) in plan.rules.iter().enumerate().take(MAX_ROW_RULES) {
            if rule.places.contains(place) && rule.holds(row, &self.limits)? {
                held |= 1 << at;
            }
        }
        if held == 0
            && !element
            && let Some(inner) = &plan.inner
        {
            return self.look_inside(inner, row, out);
        }
        match self.shown(held) {
            Shown::Nothing => Ok(false),
            Shown::Whole => {
                out.extend_from_slice(row);
                Ok(true)
            }
            Shown::Through(mask) => match Filter::inside(mask, place, element, self.limits) {
                None => Ok(false),
                Some(filter) => self.show(filter, row, out),
            },
        }
    }

    fn removed(&self) -> u64 {
        self.removed
    }
}

impl Chooser {
    fn show(&mut self, mut filter: Filter, text: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        let before = out.len();
        filter.push(text, out)?;
        filter.finish(out)?;
        self.removed += filter.removed() + filter.dropped();
        Ok(out.len() > before)
    }

    /// The body as a whole is nobody's row, but parts of it may be.
    fn look_inside(
        &mut self,
        inner: &Arc<RowPlan>,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        let filter = inner.filter(&self.snapshot, self.limits);
        match self.show(filter, body, out) {
            Ok(shown) => Ok(shown),
            Err(Fault::Gone) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    fn shown(&mut self, held: u64) -> Shown {
        if let Some((_, shown)) = self.known.iter().find(|(bits, _)| *bits == held) {
            return shown.clone();
        }
        let mut grants = self.plan.base.clone();
        for (at, rule) in self.plan.rules.iter().enumerate().take(MAX_ROW_RULES) {
            if held >> at & 1 == 1 {
                grants.add(&rule.grant);
            }
        }
        let shown = match grants.is_empty() {
            true => Shown::Nothing,
            false => match self.snapshot.limits(&self.plan.matches, &grants, false) {
                BodyLimits::Nothing => Shown::Whole,
                BodyLimits::Unmapped => Shown::Nothing,
                BodyLimits::Masks(masks) => match &masks.read {
                    None => Shown::Whole,
                    Some(mask) => Shown::Through(mask.clone()),
                },
            },
        };
        if self.known.len() < MAX_KNOWN_SETS {
            self.known.push((held, shown.clone()));
        }
        shown
    }
}

/// Grants that are held against one row. What is beyond does not hold.
pub const MAX_ROW_RULES: usize = 64;

/// Sets of grants whose masks are remembered for one response.
const MAX_KNOWN_SETS: usize = 64;
