//! The request's body against the mask (step 9 of the decision order): what the caller may not
//! write never reaches the upstream.

use super::media::{self, Json};
use super::{FieldMasks, Permit, Reason, Refusal, RowPlan};
use crate::filter::mask::Mask;
use crate::filter::values::Values;
use crate::filter::write::{self, Patch, WriteFault};
use crate::filter::{Filter, Limits};
use crate::policy::snapshot::{BodyKind, Snapshot, Update};
use http::{HeaderMap, Method};
use std::sync::Arc;

/// What of a response's body the caller may see.
#[derive(Clone, Debug)]
pub enum View {
    /// All of it: it goes on unread.
    Whole,
    /// What the masks show.
    Masked(Arc<FieldMasks>),
    /// Those rows that a grant holds for, each through the masks of the roles that have it.
    Rows(Arc<RowPlan>),
}

/// What the caller may see of the response's body. `snapshot` is the one that decided.
pub fn view(permit: &Permit, snapshot: &Snapshot) -> View {
    if snapshot.route(permit.route()).response != BodyKind::Json {
        // It is said aloud that it cannot be read. Where rows are all that is granted, such a
        // route is refused before.
        return View::Whole;
    }
    match (permit.rows(), permit.fields()) {
        (Some(rows), _) => View::Rows(rows.clone()),
        (None, Some(fields)) if fields.read.is_some() => View::Masked(fields.clone()),
        (None, _) => View::Whole,
    }
}

impl View {
    /// Whether the body must be read.
    pub fn is_limited(&self) -> bool {
        !matches!(self, View::Whole)
    }

    /// The masks that speak of what surrounds rows, or of everything.
    pub fn fields(&self) -> Option<&Arc<FieldMasks>> {
        match self {
            View::Whole => None,
            View::Masked(fields) => Some(fields),
            View::Rows(rows) => rows.fields(),
        }
    }

    /// Whether the caller sees nothing but rows that are its own.
    pub fn is_of_rows_alone(&self) -> bool {
        matches!(self, View::Rows(rows) if !rows.has_base())
    }

    /// What passes of a redirect's or an error's body; `None` where nothing can be told of it.
    pub fn error(&self) -> Option<&Arc<Mask>> {
        match self {
            _ if self.is_of_rows_alone() => None,
            _ => self.fields()?.error.as_ref(),
        }
    }

    /// The filter for a successful response; `None` where all of it passes.
    pub fn filter(
        &self,
        snapshot: &Arc<Snapshot>,
        limits: Limits,
        records: bool,
    ) -> Option<Filter> {
        match self {
            View::Whole => None,
            View::Rows(rows) => Some(rows.filter(snapshot, limits)),
            View::Masked(fields) => {
                let read = fields.read.clone()?;
                let make = if records { Filter::recording } else { Filter::new };
                Some(make(read, limits))
            }
        }
    }

    /// Counts the rows of a whole body before a filter of this view reads it, so that a total before
    /// them can be put right.
    pub fn count_rows(
        &self,
        filter: &mut Filter,
        snapshot: &Arc<Snapshot>,
        limits: Limits,
        body: &[u8],
    ) {
        let again = if filter.counts() { self.filter(snapshot, limits, false) } else { None };
        let Some(mut counter) = again else { return };
        let mut out = Vec::new();
        if counter.push(body, &mut out).and_then(|()| counter.finish(&mut out)).is_ok() {
            filter.foretell(&counter);
        }
    }
}

/// How one request's body must be checked.
#[derive(Debug)]
pub struct BodyCheck {
    mask: Arc<Mask>,
    values: Arc<Values>,
    patch: Patch,
}

impl BodyCheck {
    /// What a body that is not empty must pass; `None` where nothing limits it and it goes on
    /// unread. A body of a type or coding that cannot be read is refused before it is read.
    /// `snapshot` is the one that decided.
    pub fn of(
        permit: &Permit,
        snapshot: &Snapshot,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Option<BodyCheck>, Refusal> {
        let route = snapshot.route(permit.route());
        let fields = permit.fields().filter(|_| route.request == BodyKind::Json);
        let Some((mask, values)) =
            fields.and_then(|fields| Some((fields.write.clone()?, fields.values.clone())))
        else {
            return Ok(None);
        };
        Ok(Some(BodyCheck { mask, values, patch: patch(method, route.update, headers)? }))
    }

    /// Checks a whole body. Fields go before values.
    pub fn check(&self, body: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let invalid = || Refusal::because(Reason::BodyInvalid);
        let mut pointers = match write::check(&self.mask, body, limits, self.patch) {
            Ok(()) => Vec::new(),
            Err(WriteFault::Types(pointers)) => pointers,
            Err(WriteFault::Invalid(_)) => return Err(invalid()),
            Err(WriteFault::Fields(pointers)) => {
                return Err(Refusal { pointers, ..Refusal::because(Reason::FieldNotWritable) });
            }
        };
        for found in self.values.judge(body, limits, self.patch).map_err(|_| invalid())? {
            if pointers.len() < limits.pointers && !pointers.contains(&found) {
                pointers.push(found);
            }
        }
        match pointers.is_empty() {
            true => Ok(()),
            false => Err(Refusal { pointers, ..Refusal::because(Reason::ValueInvalid) }),
        }
    }
}

/// How a body that must be checked is applied, by its type; 415 where it cannot be read.
///
/// A PUT that the route says is merged can erase what it replaces inside, as a PATCH can.
pub(super) fn patch(
    method: &Method,
    update: Update,
    headers: &HeaderMap,
) -> Result<Patch, Refusal> {
    let unsupported = || Refusal::because(Reason::BodyUnsupported);
    if !media::is_identity(headers) {
        return Err(unsupported());
    }
    match (media::json(headers), *method == Method::PATCH) {
        (Some(Json::Plain | Json::MergePatch), true) => Ok(Patch::Merge),
        (Some(Json::Plain), false) if *method == Method::PUT && update == Update::Merge => {
            Ok(Patch::Merge)
        }
        (Some(Json::Plain), false) => Ok(Patch::No),
        _ => Err(unsupported()),
    }
}
