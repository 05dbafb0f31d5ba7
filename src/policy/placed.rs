//! The masks of one body: what a set of roles may see and send of the objects at each of its places.

use super::fields::FieldMasks;
use super::resolve::Is;
use super::schema::SchemaMasks;
use crate::filter::algebra;
use crate::filter::anywhere::{Case, place_tagged};
use crate::filter::mask::Mask;
use crate::filter::place::{Entries, PointerError, place, place_pairs};
use crate::filter::values::{RoleRules, Tagged, Values};
use std::sync::Arc;

/// Where objects of a type are in a body, and what the caller may do with them.
pub(super) struct Placed<'a> {
    pub pointer: &'a str,
    pub entries: Option<&'a Entries>,
    /// What the objects are called, if only such objects are meant.
    pub is: Option<&'a Is>,
    /// What each contributing role says of an object of the type; `None` contributes it whole.
    pub roles: Vec<Option<&'a SchemaMasks>>,
}

/// The masks of one body. Across contributing roles the caller gets the union. Places beyond the 32
/// that a mask can tell apart share the last number, which is stricter: none of those fits unless all
/// do. Objects that say by a tag what they are share one place.
pub(super) fn masks_at(places: &[Placed<'_>]) -> Option<FieldMasks> {
    let (mut read, mut write) = (Mask::show(), Mask::show());
    let mut values = Values::new();
    for (alternative, group) in groups(places).into_iter().enumerate() {
        let number = alternative.min(31) as u32;
        // Pointers are checked when the policy is resolved; one that is not is hidden whole.
        let at = |side: Side| masks(&group, number, side).unwrap_or_else(|_| Mask::hide());
        read = algebra::intersect(&read, &at(|masks| &masks.read));
        write = algebra::intersect(&write, &at(|masks| &masks.write));
        // Where the pointer says no place, nothing may be sent.
        let _ = judge(&group, &mut values);
    }
    FieldMasks::with_values(read, write, values)
}

type Side = fn(&SchemaMasks) -> &Mask;

/// The places one by one, but those that differ only in what objects are called together.
fn groups<'p, 'a>(places: &'p [Placed<'a>]) -> Vec<Vec<&'p Placed<'a>>> {
    let mut groups: Vec<Vec<&Placed<'_>>> = Vec::new();
    for placed in places {
        let same = |group: &&mut Vec<&Placed<'_>>| {
            let field = |placed: &Placed<'_>| placed.is.map(|is| is.field.clone());
            group[0].pointer == placed.pointer
                && placed.is.is_some()
                && field(group[0]) == field(placed)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(placed),
            None => groups.push(vec![placed]),
        }
    }
    groups
}

fn masks(group: &[&Placed<'_>], number: u32, side: Side) -> Result<Mask, PointerError> {
    let first = group[0];
    let Some(is) = first.is else {
        let mask = first.mask(side);
        return match first.entries {
            Some(entries) => place_pairs(first.pointer, entries, number, &mask),
            None => place(first.pointer, number, &mask),
        };
    };
    let tagged = group.iter().filter_map(|placed| Some((placed, placed.is?)));
    let cases: Vec<Case> = tagged
        .map(|(placed, is)| Case { value: is.value.clone(), mask: placed.mask(side) })
        .collect();
    place_tagged(first.pointer, &is.field, number, &cases)
}

fn judge(group: &[&Placed<'_>], values: &mut Values) -> Result<(), PointerError> {
    let known: Arc<[Arc<str>]> =
        group.iter().filter_map(|placed| Some(placed.is?.value.clone())).collect();
    for placed in group {
        match placed.is {
            None => values.add(placed.pointer, placed.entries, placed.rules())?,
            Some(is) => {
                let tagged = Tagged::new(&is.field, is.value.clone(), known.clone())?;
                values.add_tagged(placed.pointer, tagged, placed.rules())?;
            }
        }
    }
    Ok(())
}

impl Placed<'_> {
    fn mask(&self, side: Side) -> Mask {
        let of = |masks: &Option<&SchemaMasks>| masks.map_or_else(Mask::show, |m| side(m).clone());
        let each = self.roles.iter().map(of);
        each.fold(Mask::hide(), |sum, mask| algebra::union(&sum, &mask))
    }

    fn rules(&self) -> Vec<RoleRules> {
        let rules = |masks: &Option<&SchemaMasks>| match masks {
            Some(masks) => RoleRules { mask: masks.write.clone(), rules: masks.rules.clone() },
            None => RoleRules { mask: Mask::show(), rules: Vec::new() },
        };
        self.roles.iter().map(rules).collect()
    }
}
