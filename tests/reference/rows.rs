//! Step 11 where grants hold for rows: what of a list, or of an object, the caller sees.

use super::Held;
use super::conditions::Judge;
use super::fields::{Limit, limits, seen, together};
use super::model::Grant;
use super::paths::kinds;
use portcullis::decide::Reason;
use serde_json::{Value, json};

/// What the caller sees of a document of which rows are granted.
pub fn rows<'a>(
    judge: &Judge<'_, 'a>,
    (certain, in_rows): (&[Held<'a>], &[Held<'a>]),
    document: &Value,
) -> Result<Value, Reason> {
    let is_of_body = |held: &Held<'_>| places_of(judge, held.grant).contains(&String::new());
    let (of_body, inside): (Vec<Held<'a>>, Vec<Held<'a>>) =
        in_rows.iter().copied().partition(is_of_body);
    if of_body.is_empty() {
        return parts(judge, (certain, &inside), document).unwrap_or(Err(Reason::Shape));
    }
    let holding = |row: &Value| {
        let holding = of_body.iter().filter(|held| judge.holds_for(held.grant, row));
        [certain, &holding.copied().collect::<Vec<_>>()].concat()
    };
    let around = limited(judge, &[certain, &of_body].concat());
    match document {
        Value::Null => seen(&around, document),
        Value::Array(items) => {
            seen(&around, &json!([]))?;
            let rows = items.iter().map(|row| shown(judge, &holding(row), "", row));
            Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        }
        // Whoever has the object has all that is in it, and parts of it may be rows to others.
        Value::Object(_) => {
            let parts = parts(judge, (&holding(document), &inside), document);
            parts.unwrap_or(Err(Reason::NotOwner))
        }
        _ => Err(Reason::Shape),
    }
}

/// The same where rows are inside of something else; none where no grant counts.
fn parts<'a>(
    judge: &Judge<'_, 'a>,
    (certain, in_rows): (&[Held<'a>], &[Held<'a>]),
    document: &Value,
) -> Option<Result<Value, Reason>> {
    let standing = in_rows.iter().map(|held| (held, by_itself(judge, held.grant, document)));
    let (counting, others): (Vec<_>, Vec<_>) = standing.partition(|(_, alone)| alone.is_ok());
    let counting: Vec<Held<'a>> = counting.into_iter().map(|(held, _)| *held).collect();
    let all = [certain, &counting].concat();
    if all.is_empty() {
        let lost = others.iter().any(|(_, alone)| *alone == Err(Reason::NotOwner));
        return lost.then_some(Err(Reason::NotOwner));
    }
    Some(through(judge, &all, &counting, document))
}

/// The document through the masks of all these grants, its rows through the masks of those that hold
/// for them.
fn through<'a>(
    judge: &Judge<'_, 'a>,
    all: &[Held<'a>],
    in_rows: &[Held<'a>],
    document: &Value,
) -> Result<Value, Reason> {
    let mut rest = document.clone();
    let mut lists = Vec::new();
    let mut places: Vec<String> =
        in_rows.iter().flat_map(|held| places_of(judge, held.grant)).collect();
    places.sort();
    places.dedup();
    for place in places {
        let Some(Value::Array(items)) = document.pointer(&place) else { continue };
        let holding = |row: &Value| {
            let is_row = |held: &Held<'_>| {
                in_rows.iter().any(|other| std::ptr::eq(other.grant, held.grant))
                    && places_of(judge, held.grant).contains(&place)
            };
            let holds = |held: &&Held<'_>| !is_row(held) || judge.holds_for(held.grant, row);
            all.iter().filter(holds).copied().collect::<Vec<_>>()
        };
        let rows = items.iter().map(|row| shown(judge, &holding(row), &place, row));
        let rows: Value = rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        *rest.pointer_mut(&place).unwrap() = json!([]);
        lists.push((place, rows));
    }
    let mut seen = seen(&limited(judge, all), &rest)?;
    for (place, rows) in lists {
        // Where the way is hidden, so is what it leads to.
        if let Some(value) = seen.pointer_mut(&place).filter(|value| value.is_array()) {
            *value = rows;
        }
    }
    Ok(seen)
}

/// What would become of the document if this grant were the only one: it counts where it would be
/// answered.
fn by_itself(judge: &Judge<'_, '_>, grant: &Grant, document: &Value) -> Result<(), Reason> {
    let places = places_of(judge, grant);
    match places.iter().find_map(|place| document.pointer(place)) {
        Some(Value::Null | Value::Array(_)) => Ok(()),
        Some(row @ Value::Object(_)) if judge.holds_for(grant, row) => Ok(()),
        Some(Value::Object(_)) => Err(Reason::NotOwner),
        _ => Err(Reason::Shape),
    }
}

/// What each row shows, whichever grants hold for it: what those show that hold for all, or else what
/// each of the others shows. A request may speak of nothing else.
pub fn shared<'a>(
    judge: &Judge<'_, 'a>,
    certain: &[Held<'a>],
    in_rows: &[Held<'a>],
) -> Vec<Limit<'a>> {
    match certain.is_empty() {
        false => limited(judge, certain),
        true => together(in_rows.iter().map(|held| limited(judge, &[*held]))),
    }
}

fn limited<'a>(judge: &Judge<'_, 'a>, held: &[Held<'a>]) -> Vec<Limit<'a>> {
    limits(judge.asked.policy, held, &judge.here(), false)
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
        let here = judge.here();
        let places = || of.at.iter().filter(|at| here.is(&at.path));
        let best = places().map(|at| kinds(&at.path)).min();
        let best = places().filter(|at| Some(kinds(&at.path)) == best);
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

/// An element through the masks of the grants that hold for it; none where none does.
fn shown(
    judge: &Judge<'_, '_>,
    held: &[Held<'_>],
    place: &str,
    row: &Value,
) -> Result<Option<Value>, Reason> {
    if held.is_empty() {
        return Ok(None);
    }
    // The row alone, where it stood.
    let mut alone = json!([row]);
    for token in place.split('/').skip(1).collect::<Vec<_>>().into_iter().rev() {
        alone = json!({token: alone});
    }
    let seen = seen(&limited(judge, held), &alone)?;
    Ok(seen.pointer(place).and_then(|at| at.get(0)).cloned())
}
