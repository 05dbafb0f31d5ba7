//! What bodies tell of conditions: whose an object is (`owner`), what a body asks for (`require`).

use super::body::Meant;
use super::caller::Caller;
use super::{Reason, Refusal};
use crate::filter::pick::{Found, Path, pick, pick_strictly};
use crate::filter::write::Patch;
use crate::filter::{Limits, changes, form};
use crate::policy::access::Access;
use crate::policy::condition::{Field, Owner, Require, Value};
use crate::policy::held::Candidate;
use crate::policy::snapshot::Snapshot;

/// What was found for an [`super::Inquiry`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The request's body.
    pub body: Body<'a>,
    /// The objects, in the order in which they were asked for.
    pub objects: &'a [Object<'a>],
}

/// A request's body.
#[derive(Clone, Copy, Debug, Default)]
pub enum Body<'a> {
    /// There is none, or it has no bytes.
    #[default]
    Empty,
    /// Whole, as it came: JSON, a JSON Patch, or a form.
    Json(&'a [u8]),
    /// It goes on unread, so nobody knows what it says.
    Unread,
}

/// An object that was looked at.
#[derive(Clone, Copy, Debug)]
pub enum Object<'a> {
    /// The upstream says that there is none (404).
    Missing,
    /// A whole JSON text.
    Found(&'a [u8]),
    /// It could not be read, for this reason.
    Unknown(Reason),
}

impl Body<'_> {
    /// What a form spells, as JSON, and what that means for what is stored.
    pub(super) fn spelled(
        self,
        meant: Option<Meant>,
        limits: &Limits,
    ) -> Result<(Option<Vec<u8>>, Option<Meant>), Refusal> {
        match (self, meant) {
            (Body::Json(body), Some(Meant::Form(encoding, patch))) => {
                let text = form::text(&encoding, body, limits);
                let text = text.map_err(|_| Refusal::because(Reason::BodyInvalid))?;
                Ok((Some(text), Some(Meant::Json(patch))))
            }
            (_, meant) => Ok((None, meant)),
        }
    }
}

/// How a grant stands to what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearing {
    Holds,
    /// It holds for those rows of the response that are as it says.
    InRows,
    NotOwner,
    /// It hangs on an object that was not looked at: too many others are.
    Unseen,
    WrongValue,
}

/// Holds grants against what was found, for one letter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge<'a> {
    pub facts: &'a Facts<'a>,
    pub limits: &'a Limits,
    pub snapshot: &'a Snapshot,
    pub caller: Caller<'a>,
    pub letter: Access,
    /// What the body means for what is stored, if it can be read.
    pub meant: Option<&'a Meant>,
}

impl Judge<'_> {
    /// `object`: where the grant names an object that has been looked at, its place among the facts.
    pub fn grant(&self, found: &Candidate, object: Option<usize>) -> Result<Bearing, Refusal> {
        let Some(conditions) = self.snapshot.conditions(found.grant) else {
            return Ok(Bearing::Holds);
        };
        if let Some(require) = &conditions.require
            && !self.has_value(require)?
        {
            return Ok(Bearing::WrongValue);
        }
        if let Some(owner) = &conditions.owner {
            if conditions.looks_at(self.letter).is_some() && object.is_none() {
                return Ok(Bearing::Unseen);
            }
            if !self.is_owner(owner, found, object)? || !self.keeps_owner(owner)? {
                return Ok(Bearing::NotOwner);
            }
        }
        Ok(if conditions.judges_rows(self.letter) { Bearing::InRows } else { Bearing::Holds })
    }

    /// Whether the body asks for one of the values that `require` allows. Only a change that
    /// leaves the value as it is may be silent about it.
    fn has_value(&self, require: &Require) -> Result<bool, Refusal> {
        let writes = self.writes();
        let body = match self.facts.body {
            Body::Empty => return Ok(!writes),
            Body::Unread => return Ok(false),
            Body::Json(body) if self.meant == Some(&Meant::Changes) => {
                // What is made of nothing has no value that could stay.
                let stays = self.letter != Access::CREATE;
                return Ok(stays && self.leaves(body, &require.field)?);
            }
            Body::Json(body) => body,
        };
        let (found, above) = self.read(body, &require.field)?;
        Ok(match found.is_empty() {
            true => !writes || (self.changes_in_part() && leads_on(body, &above)),
            false => found.iter().all(|value| self.is(&require.among, value)),
        })
    }

    /// Whether the object that is there is the caller's. One that is missing can only be made.
    fn is_owner(
        &self,
        owner: &Owner,
        found: &Candidate,
        object: Option<usize>,
    ) -> Result<bool, Refusal> {
        let Some(place) = object else { return Ok(true) };
        let body = match self.facts.objects.get(place) {
            None => return Ok(false),
            Some(Object::Missing) => return Ok(self.writes() && found.access.has(Access::CREATE)),
            Some(Object::Unknown(reason)) => return Err(Refusal::because(*reason)),
            Some(Object::Found(body)) => body,
        };
        let values = pick(body, &[&owner.field.at], self.limits)
            .map_err(|_| Refusal::because(Reason::Shape))?;
        Ok(values.iter().flatten().any(|value| self.is(std::slice::from_ref(&owner.is), value)))
    }

    /// Whether the body leaves the object with the caller: if it names an owner, the caller.
    fn keeps_owner(&self, owner: &Owner) -> Result<bool, Refusal> {
        let body = match self.facts.body {
            Body::Empty => return Ok(true),
            Body::Unread => return Ok(!self.writes()),
            Body::Json(body) if self.meant == Some(&Meant::Changes) => {
                return self.leaves(body, &owner.field);
            }
            Body::Json(body) => body,
        };
        let is = |value: &Found| self.is(std::slice::from_ref(&owner.is), value);
        if starts_with(body, b'[') {
            if self.changes_in_part() {
                // It replaces the object whole (RFC 7396).
                return Ok(false);
            }
            let each = self.pick(body, &[&owner.field.in_each])?;
            return Ok(each.iter().flatten().all(is));
        }
        let (found, above) = self.read(body, &owner.field)?;
        Ok(match found.is_empty() {
            true => !self.changes_in_part() || leads_on(body, &above),
            false => found.iter().any(is),
        })
    }

    fn writes(&self) -> bool {
        self.letter == Access::CREATE || self.letter == Access::UPDATE
    }

    fn changes_in_part(&self) -> bool {
        self.letter == Access::UPDATE && self.meant == Some(&Meant::Json(Patch::Merge))
    }

    /// Whether a JSON Patch leaves a field as it is.
    fn leaves(&self, body: &[u8], field: &Field) -> Result<bool, Refusal> {
        let leaves = changes::leaves(body, &field.at, self.limits);
        leaves.map_err(|_| Refusal::because(Reason::BodyInvalid))
    }

    /// The values of a field, and what leads to it.
    fn read(&self, body: &[u8], field: &Field) -> Result<(Vec<Found>, Vec<Found>), Refusal> {
        let mut paths: Vec<&Path> = vec![&field.at];
        paths.extend(&field.above);
        let mut found = self.pick(body, &paths)?.into_iter();
        let values = found.next().unwrap_or_default();
        Ok((values, found.flatten().collect()))
    }

    fn pick(&self, body: &[u8], paths: &[&Path]) -> Result<Vec<Vec<Found>>, Refusal> {
        pick_strictly(body, paths, self.limits).map_err(|_| Refusal::because(Reason::BodyInvalid))
    }

    fn is(&self, wanted: &[Value], found: &Found) -> bool {
        text(found).is_some_and(|text| self.caller.is_one_of(wanted, text))
    }
}

/// What a value is compared as; `None` where it is nothing that can be compared.
pub(super) fn text(found: &Found) -> Option<&str> {
    match found {
        Found::Text(text) | Found::Number(text) => Some(text),
        Found::Boolean(true) => Some("true"),
        Found::Boolean(false) => Some("false"),
        Found::Null | Found::Broken | Found::Array | Found::Object => None,
    }
}

/// Whether a merged body that does not name a field leaves it as it is: it is an object, and
/// nothing that leads to the field is replaced.
fn leads_on(body: &[u8], above: &[Found]) -> bool {
    starts_with(body, b'{') && above.iter().all(|found| *found == Found::Object)
}

fn starts_with(body: &[u8], first: u8) -> bool {
    body.trim_ascii_start().first() == Some(&first)
}
