//! The grants for one letter of a request: those that hold, and those that wait.

use crate::decide::caller::Caller;
use crate::decide::facts::Bearing;
use crate::decide::head::{self, Head};
use crate::decide::{Reason, Refusal, Request, Trace};
use crate::policy::held::{Candidate, Held};
use crate::policy::snapshot::Snapshot;

/// The grants for one letter.
#[derive(Debug)]
pub(super) struct Letter {
    pub at: usize,
    pub held: Held,
    /// Those that hold if what is not known yet is as they say.
    pub pending: Vec<Candidate>,
    pub failed: Failed,
}

/// Why grants that match did not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Failed {
    pub head: bool,
    pub query: bool,
    pub value: bool,
    pub owner: bool,
}

impl Letter {
    /// Adds what bodies say of a grant.
    pub fn heard<T: Trace>(
        &mut self,
        found: Candidate,
        bearing: Bearing,
        rows: &mut Vec<Candidate>,
        trace: &mut T,
    ) {
        match bearing {
            Bearing::Holds => {
                trace.grant(found.grant);
                self.held.add(&found);
            }
            Bearing::InRows => {
                trace.grant(found.grant);
                rows.push(found);
            }
            Bearing::NotOwner => {
                self.failed.owner = true;
                trace.failed(found.grant, "the object is not the caller's");
            }
            Bearing::WrongValue => {
                self.failed.value = true;
                trace.failed(
                    found.grant,
                    "the body does not have a value that its `require` allows",
                );
            }
        }
    }

    /// What the head of a request says of a grant with conditions.
    pub fn head<T: Trace>(
        &mut self,
        snapshot: &Snapshot,
        found: &Candidate,
        request: &Request<'_>,
        caller: &Caller<'_>,
        trace: &mut T,
    ) -> Result<(), Refusal> {
        let Some(conditions) = snapshot.conditions(found.grant) else { return Ok(()) };
        match head::judge(conditions, request, caller)? {
            Head::Holds if conditions.is_of_head() => {
                trace.grant(found.grant);
                self.held.add(found);
            }
            Head::Holds => self.pending.push(*found),
            Head::Fails => {
                self.failed.head = true;
                trace.failed(found.grant, "its `when` does not hold");
            }
            Head::Unlisted => {
                self.failed.query = true;
                trace.failed(
                    found.grant,
                    "the query has a parameter that its `query` does not list",
                );
            }
        }
        Ok(())
    }
}

impl Failed {
    /// What is said where nothing holds: 404 if only owner rules failed, for the object is then
    /// as good as missing.
    pub fn reason(self) -> Reason {
        match self {
            Failed { value: true, .. } => Reason::ValueNotAllowed,
            Failed { head: true, .. } => Reason::ConditionFailed,
            Failed { query: true, .. } => Reason::QueryNotAllowed,
            Failed { owner: true, .. } => Reason::NotOwner,
            _ => Reason::NoGrant,
        }
    }
}
