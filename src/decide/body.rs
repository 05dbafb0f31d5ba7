//! The request's body against the mask (step 9 of the decision order): what the caller may not
//! write never reaches the upstream.

use super::media::{self, Json};
use super::{FieldMasks, Permit, Reason, Refusal, RowPlan};
use crate::filter::changes::{self, Sides};
use crate::filter::form::{self, Encoding};
use crate::filter::mask::Mask;
use crate::filter::restore::{self, AtRisk};
use crate::filter::write::{self, Patch, WriteFault};
use crate::filter::{Filter, Limits};
use crate::policy::snapshot::{BodyKind, RequestKind, Route, Snapshot, Update};
use http::{HeaderMap, Method, header};
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
    if snapshot.route(permit.route()).response == BodyKind::Opaque {
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

    /// Whether a body that is on its way through this view shows nothing that `now` hides.
    /// Plans of rows speak of rules by their numbers, which mean something only
    /// `within_one_snapshot`.
    pub fn still_hides(&self, now: &View, within_one_snapshot: bool) -> bool {
        match (self, now) {
            (_, View::Whole) => true,
            (View::Masked(was), View::Masked(now)) => Arc::ptr_eq(was, now) || was.read == now.read,
            (View::Rows(was), View::Rows(now)) => within_one_snapshot && was == now,
            _ => false,
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
    fields: Arc<FieldMasks>,
    meant: Meant,
}

/// What a body that is read means for what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// JSON: a value, or what is merged into one.
    Json(Patch),
    /// A JSON Patch (RFC 6902).
    Changes,
    /// A form, likewise a value or what is merged.
    Form(Encoding, Patch),
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
        if view(permit, snapshot).is_limited() && media::is_grpc(headers) {
            // What comes back could not be read, and by then it would have happened.
            return Err(Refusal::because(Reason::BodyUnsupported));
        }
        let fields = permit.fields().filter(|_| route.request != RequestKind::Opaque);
        let Some(fields) = fields.filter(|fields| fields.write.is_some()) else {
            return Ok(None);
        };
        let meant = meant(method, route, headers)?;
        Ok(Some(BodyCheck { fields: fields.clone(), meant }))
    }

    /// Checks a whole body. Fields go before values.
    pub fn check(&self, body: &[u8], limits: &Limits) -> Result<(), Refusal> {
        match &self.meant {
            Meant::Json(patch) => self.json(body, limits, *patch),
            Meant::Changes => self.changes(body, limits),
            Meant::Form(encoding, patch) => {
                let open = Mask::show();
                let limit = (self.fields.write.as_deref().unwrap_or(&open), &*self.fields.values);
                form::check(encoding, body, limit, limits, *patch).map_err(refusal)
            }
        }
    }

    fn json(&self, body: &[u8], limits: &Limits, patch: Patch) -> Result<(), Refusal> {
        let Some(mask) = &self.fields.write else { return Ok(()) };
        let mut pointers = match write::check(mask, body, limits, patch) {
            Err(WriteFault::Types(pointers)) => pointers,
            checked => checked.map(|()| Vec::new()).map_err(refusal)?,
        };
        let found = self.fields.values.judge(body, limits, patch);
        for found in found.map_err(|fault| refusal(fault.into()))? {
            if pointers.len() < limits.pointers && !pointers.contains(&found) {
                pointers.push(found);
            }
        }
        match pointers.is_empty() {
            true => Ok(()),
            false => Err(refusal(WriteFault::Types(pointers))),
        }
    }

    fn changes(&self, body: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let open = Mask::show();
        let FieldMasks { read, write, values, .. } = &*self.fields;
        let (read, write) = (read.as_deref().unwrap_or(&open), write.as_deref().unwrap_or(&open));
        changes::check(&Sides { read, write, values }, body, limits).map_err(refusal)
    }
}

/// What goes to the upstream in place of a body that has been checked, where the permit says that it
/// [`Permit::restores_hidden`]: the body, with what the caller cannot see of the stored object.
pub fn restore(
    permit: &Permit,
    stored: &[u8],
    body: &[u8],
    limits: &Limits,
) -> Result<Vec<u8>, Refusal> {
    let open = Mask::show();
    let masks = permit.fields().map(|fields| (fields.read.clone(), fields.write.clone()));
    let (read, write) = masks.unwrap_or_default();
    if let Some(read) = &read {
        // Where it is not of the shape that the policy says, nobody knows what is hidden in it.
        let mut filter = Filter::new(read.clone(), *limits);
        let shown = filter.push(stored, &mut Vec::new());
        let shown = shown.and_then(|()| filter.finish(&mut Vec::new()));
        shown.map_err(|_| Refusal::because(Reason::Shape))?;
    }
    let masks = (read.as_deref().unwrap_or(&open), write.as_deref().unwrap_or(&open));
    restore::restore(masks, stored, body, limits).map_err(|fault| match fault {
        AtRisk::Stored(_) => Refusal::because(Reason::Shape),
        AtRisk::Erased => Refusal::because(Reason::HiddenFieldsAtRisk),
    })
}

fn refusal(fault: WriteFault) -> Refusal {
    match fault {
        WriteFault::Invalid(_) => Refusal::because(Reason::BodyInvalid),
        WriteFault::Fields(pointers) => {
            Refusal { pointers, ..Refusal::because(Reason::FieldNotWritable) }
        }
        WriteFault::Types(pointers) => {
            Refusal { pointers, ..Refusal::because(Reason::ValueInvalid) }
        }
    }
}

/// What a body that must be read means, by its type; 415 where it cannot be read.
///
/// A PUT that the route says is merged can erase what it replaces inside, as a PATCH can. A body that
/// is put into the middle of what is stored (RFC 9110 section 14.5) means what nobody here can tell.
pub(super) fn meant(method: &Method, route: &Route, headers: &HeaderMap) -> Result<Meant, Refusal> {
    let unsupported = Refusal::because(Reason::BodyUnsupported);
    if !media::is_identity(headers) || headers.contains_key(header::CONTENT_RANGE) {
        return Err(unsupported);
    }
    let is_patch = *method == Method::PATCH;
    let merged = is_patch || *method == Method::PUT && route.update == Update::Merge;
    let patch = if merged { Patch::Merge } else { Patch::No };
    let form = |encoding| Meant::Form(encoding, patch);
    let meant = match route.request {
        RequestKind::Json => match media::json(headers) {
            Some(Json::Plain) => Some(Meant::Json(patch)),
            Some(Json::Resource) if !is_patch => Some(Meant::Json(patch)),
            Some(Json::MergePatch) if is_patch => Some(Meant::Json(patch)),
            Some(Json::JsonPatch) if is_patch => Some(Meant::Changes),
            _ => None,
        },
        RequestKind::Form => media::is_form(headers).then(|| form(Encoding::Urlencoded)),
        RequestKind::Multipart => {
            media::boundary(headers).map(|boundary| form(Encoding::Multipart(boundary)))
        }
        RequestKind::Opaque => None,
    };
    meant.ok_or(unsupported)
}
