//! Step 11 where grants hold for rows: what of a list, or of an object, the caller sees.

use super::Held;
use super::conditions::Judge;
use super::fields::{Limit, limits, seen, together};
use super::model::Grant;
use super::paths::{kinds, matches};
use portcullis::decide::Reason;
use serde_json::{Value, json};

/// What the caller sees of a document of which rows are granted.
pub fn rows<'a>(
    judge: &Judge<'_, 'a>,
    (certain, in_rows): (&[Held<'a>], &[Held<'a>]),
    document: &Value,
) -> Result<Value, Reason> {
    let is_outer = |held: &&Held<'_>| places_of(judge, held.grant).contains(&String::new());
    let outer: Vec<Held<'a>> = in_rows.iter().filter(is_outer).copied().collect();
    let inner: Vec<Held<'a>> = in_rows.iter().filter(|held| !is_outer(held)).copied().collect();
    if outer.is_empty() {
        return inside(judge, (certain, &inner), document);
    }
    let held = |row: &Value| {
        let holding = outer.iter().filter(|held| judge.holds_for(held.grant, row)).copied();
        let own: Vec<_> = holding.collect();
        (own.is_empty(), [certain, &own].concat())
    };
    match document {
        Value::Null => seen(&around(judge, certain, in_rows), document),
        Value::Array(items) => {
            seen(&around(judge, certain, in_rows), &json!([]))?;
            let rows = items.iter().map(|row| shown(judge, &held(row).1, "", row, true));
            Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        }
        // The object as a whole is nobody's row, but parts of it may be.
        Value::Object(_) if held(document).0 && !inner.is_empty() => {
            inside(judge, (certain, &inner), document)
        }
        Value::Object(_) => {
            shown(judge, &held(document).1, "", document, false)?.ok_or(Reason::NotOwner)
        }
        _ => Err(Reason::Shape),
    }
}

/// The same where rows are inside of something else.
fn inside<'a>(
    judge: &Judge<'_, 'a>,
    (certain, in_rows): (&[Held<'a>], &[Held<'a>]),
    document: &Value,
) -> Result<Value, Reason> {
    let mut rest = document.clone();
    let mut kept = Vec::new();
    let mut places: Vec<String> =
        in_rows.iter().flat_map(|held| places_of(judge, held.grant)).collect();
    places.sort();
    places.dedup();
    for place in places {
        let held = |row: &Value| {
            let here = |held: &&Held<'_>| places_of(judge, held.grant).contains(&place);
            let holding = in_rows.iter().filter(here);
            let holding = holding.filter(|held| judge.holds_for(held.grant, row));
            certain.iter().chain(holding).copied().collect::<Vec<_>>()
        };
        match document.pointer(&place) {
            None => continue,
            Some(Value::Null) => kept.push((place, Value::Null)),
            Some(Value::Array(items)) => {
                let rows = items.iter().map(|row| shown(judge, &held(row), &place, row, true));
                let rows = rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
                *rest.pointer_mut(&place).unwrap() = json!([]);
                kept.push((place, rows.collect()));
            }
            Some(row @ Value::Object(_)) => {
                let row = shown(judge, &held(row), &place, row, false)?;
                *rest.pointer_mut(&place).unwrap() = json!({});
                kept.push((place, row.ok_or(Reason::NotOwner)?));
            }
            Some(_) => return Err(Reason::Shape),
        }
    }
    if kept.is_empty() && certain.is_empty() {
        return Err(Reason::Shape);
    }
    let mut seen = seen(&around(judge, certain, in_rows), &rest)?;
    for (place, rows) in kept {
        // Where the way is hidden, so is what it leads to.
        if let Some(value) = seen.pointer_mut(&place).filter(|value| !value.is_null()) {
            *value = rows;
        }
    }
    Ok(seen)
}

/// What limits all but the rows: what the grants that hold for all of it show, or else what each of
/// the others shows, since each speaks of its rows alone.
pub fn around<'a>(
    judge: &Judge<'_, 'a>,
    certain: &[Held<'a>],
    in_rows: &[Held<'a>],
) -> Vec<Limit<'a>> {
    let limits = |held: &[Held<'a>]| {
        limits(judge.asked.policy, held, &judge.asked.request.path, false).unwrap_or_default()
    };
    match certain.is_empty() {
        false => limits(certain),
        true => together(in_rows.iter().map(|held| limits(&[*held]))),
    }
}

/// Where a grant has its rows: as it says, or where objects of some type are on this path, or at
/// the root.
fn places_of(judge: &Judge<'_, '_>, grant: &Grant) -> Vec<String> {
    let kept = grant.keep.as_ref().and_then(|keep| keep.items.clone());
    let named = kept.or_else(|| grant.owner.as_ref().and_then(|owner| owner.items.clone()));
    named.map_or_else(|| of_types(judge), |place| vec![place])
}

/// Where objects of some type are: their lists, or, where there is none, the objects themselves.
fn of_types(judge: &Judge<'_, '_>) -> Vec<String> {
    let mut pointers = Vec::new();
    for of in &judge.asked.policy.resource_types {
        let here = || of.at.iter().filter(|at| matches(&at.path, &judge.asked.request.path));
        let best = here().map(|at| kinds(&at.path)).min();
        let best = here().filter(|at| Some(kinds(&at.path)) == best);
        pointers.extend(best.map(|at| at.pointer.as_str()));
    }
    let lists = pointers.iter().filter_map(|pointer| pointer.split_once("/*"));
    let lists: Vec<String> = lists.map(|(list, _)| list.to_owned()).collect();
    match (lists.is_empty(), pointers.is_empty()) {
        (false, _) => lists,
        (true, false) => pointers.into_iter().map(str::to_owned).collect(),
        (true, true) => vec![String::new()],
    }
}

/// A row through the masks of the grants that hold for it; none where none does.
fn shown(
    judge: &Judge<'_, '_>,
    held: &[Held<'_>],
    place: &str,
    row: &Value,
    element: bool,
) -> Result<Option<Value>, Reason> {
    let limits = limits(judge.asked.policy, held, &judge.asked.request.path, false);
    let (false, Ok(limits)) = (held.is_empty(), limits) else { return Ok(None) };
    // The row alone, where it stood.
    let mut alone = if element { json!([row]) } else { row.clone() };
    for token in place.split('/').skip(1).collect::<Vec<_>>().into_iter().rev() {
        alone = json!({token: alone});
    }
    let seen = seen(&limits, &alone)?;
    Ok(seen.pointer(place).and_then(|at| if element { at.get(0) } else { Some(at) }).cloned())
}
