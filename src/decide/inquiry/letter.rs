//! The grants for one letter: which of them hold, and why the others do not.

use super::super::caller::Caller;
use super::super::facts::Bearing;
use super::super::head::{self, Head};
use super::super::{MAX_ROW_RULES, Reason, Refusal, Request, Trace};
use crate::policy::held::{Candidate, Held};
use crate::policy::index::Matches;
use crate::policy::snapshot::Snapshot;

/// The grants for one letter.
#[derive(Debug)]
pub(super) struct Letter {
    /// Its position.
    pub at: usize,
    /// Those that hold.
    pub held: Held,
    /// Those that hold if what is not known yet is as they say.
    pub pending: Vec<Candidate>,
    failed: Failed,
}

/// Why grants that match did not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Failed {
    unmapped: bool,
    head: bool,
    query: bool,
    value: bool,
    owner: bool,
}

impl Letter {
    /// What is known before any condition: `held` are the grants without one.
    pub fn new(at: usize, held: Held) -> Letter {
        let failed = Failed { unmapped: held.unmapped, ..Failed::default() };
        Letter { at, held, pending: Vec::new(), failed }
    }

    /// What the head of a request says of a grant with conditions.
    pub fn head<T: Trace>(
        &mut self,
        snapshot: &Snapshot,
        matches: &Matches,
        found: &Candidate,
        request: &Request<'_>,
        caller: &Caller<'_>,
        trace: &mut T,
    ) -> Result<(), Refusal> {
        let Some(conditions) = snapshot.conditions(found.grant) else { return Ok(()) };
        let (failed, why) = match head::judge(conditions, request, caller)? {
            Head::Holds if snapshot.is_unmapped(matches, found.shape, found.role) => {
                (&mut self.failed.unmapped, UNMAPPED)
            }
            Head::Holds if conditions.is_of_head() => {
                trace.grant(found.grant);
                self.held.add(found);
                return Ok(());
            }
            Head::Holds => {
                self.pending.push(*found);
                return Ok(());
            }
            Head::Fails => (&mut self.failed.head, "its `when` does not hold"),
            Head::Unlisted => {
                (&mut self.failed.query, "the query has a parameter that its `query` does not list")
            }
        };
        *failed = true;
        trace.failed(found.grant, why);
        Ok(())
    }

    /// What bodies say of a grant. One that holds for rows is put with `rows`.
    pub fn heard<T: Trace>(
        &mut self,
        found: Candidate,
        bearing: Bearing,
        rows: &mut Vec<Candidate>,
        trace: &mut T,
    ) {
        let (failed, why) = match bearing {
            Bearing::Holds => {
                trace.grant(found.grant);
                return self.held.add(&found);
            }
            Bearing::InRows if rows.len() < MAX_ROW_RULES => {
                trace.grant(found.grant);
                return rows.push(found);
            }
            Bearing::InRows => (&mut self.failed.owner, TOO_MANY_ROWS),
            Bearing::Unseen => (&mut self.failed.owner, TOO_MANY_OBJECTS),
            Bearing::NotOwner => (&mut self.failed.owner, "the object is not the caller's"),
            Bearing::WrongValue => {
                (&mut self.failed.value, "the body does not have a value that its `require` allows")
            }
        };
        *failed = true;
        trace.failed(found.grant, why);
    }

    /// What is said where nothing holds: 404 if only owner rules failed, for the object is then as
    /// good as missing.
    pub fn refusal(&self, trace: &mut impl Trace) -> Refusal {
        if self.failed.unmapped {
            trace.note(|| {
                "the policy must say where the objects are: add the path to the type's `at`, or \
                 write `elsewhere: pass`"
                    .into()
            });
        }
        Refusal::because(match self.failed {
            Failed { unmapped: true, .. } => Reason::Unmapped,
            Failed { value: true, .. } => Reason::ValueNotAllowed,
            Failed { head: true, .. } => Reason::ConditionFailed,
            Failed { query: true, .. } => Reason::QueryNotAllowed,
            Failed { owner: true, .. } => Reason::NotOwner,
            _ => Reason::NoGrant,
        })
    }
}

/// Why a grant beyond [`MAX_ROW_RULES`] does not hold.
const TOO_MANY_ROWS: &str = "64 grants before it decide about rows already, and more are not asked";

/// Why a grant beyond [`super::MAX_PREREADS`] does not hold.
const TOO_MANY_OBJECTS: &str =
    "its object is not looked at: grants before it name 4 others, or what it names is no path";

/// Why a grant does not count, whatever else is so.
pub(super) const UNMAPPED: &str =
    "its role limits a type of object that may be here, and no `at` of such a type names this path";
