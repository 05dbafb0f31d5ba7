//! What is hidden in a part of a document, whatever stands there.

use super::{Says, View, Way, is_barred, property, types_of, types_of_all};
use serde_json::Value;

/// What a role says of a member of an object, or of the elements of a list.
pub fn within<'a>(view: &View<'a>, member: Option<&str>) -> View<'a> {
    let inner = |says: &Says<'a>| Says {
        schema: match member {
            Some(name) => property(says.schema, name),
            None => says.schema.get("items").unwrap_or(&Value::Bool(true)),
        },
        ..*says
    };
    view.iter().map(inner).collect()
}

/// What is said of each part that the tokens of a place lead to, by what it is in.
pub fn parts<'a>(
    mut sets: Vec<Vec<View<'a>>>,
    place: &[String],
    way: Way,
) -> Vec<Vec<Vec<View<'a>>>> {
    sets.iter_mut().for_each(|views| views.retain(|view| !is_barred(view, way)));
    let Some((first, rest)) = place.split_first() else { return vec![sets] };
    let mut steps: Vec<(&str, Option<String>)> = Vec::new();
    if first == "*" {
        steps.push(("array", None));
        let named =
            sets.iter().flatten().flatten().filter_map(|says| says.schema.get("properties"));
        let named = named.filter_map(Value::as_object).flat_map(|named| named.keys().cloned());
        steps.extend(named.chain(["\0".into()]).map(|name| ("object", Some(name))));
    } else {
        steps.push(("object", Some(first.clone())));
    }
    let step = |(of, member): (&str, Option<String>)| {
        let has = |view: &&View<'a>| types_of(view).contains(of);
        let go = |views: &Vec<View<'a>>| -> Vec<View<'a>> {
            views.iter().filter(has).map(|view| within(view, member.as_deref())).collect()
        };
        let inner: Vec<_> = sets.iter().map(go).collect();
        match inner.iter().any(Vec::is_empty) {
            true => Vec::new(),
            false => parts(inner, rest, way),
        }
    };
    steps.into_iter().flat_map(step).collect()
}

/// Whether something in what these roles have schemas for does not go this way: what is of no type
/// that all sets let pass goes no way either.
pub fn hides(sets: &[Vec<View<'_>>], way: Way) -> bool {
    let passes = |view: &&View<'_>| !is_barred(view, way);
    let open: Vec<Vec<View<'_>>> =
        sets.iter().map(|views| views.iter().filter(passes).cloned().collect()).collect();
    types_of_all(&open).is_empty() || hides_inside(&open, way)
}

/// Whether something in these does not go this way.
pub fn hides_inside(sets: &[Vec<View<'_>>], way: Way) -> bool {
    let of_type = |name: &str| -> Vec<Vec<View<'_>>> {
        let of = |view: &&View<'_>| types_of(view).contains(name);
        sets.iter().map(|views| views.iter().filter(of).cloned().collect()).collect()
    };
    let (objects, arrays) = (of_type("object"), of_type("array"));
    let said = |sets: &[Vec<View<'_>>], word: &str| -> Vec<Value> {
        sets.iter().flatten().flatten().filter_map(|says| says.schema.get(word)).cloned().collect()
    };
    let named = said(&objects, "properties");
    let mut names: Vec<&str> = named
        .iter()
        .filter_map(Value::as_object)
        .flat_map(|named| named.keys().map(String::as_str))
        .collect();
    // A name that no schema knows stands for all others.
    names.push("\0");
    let below = |sets: &[Vec<View<'_>>], go: &dyn Fn(&Value) -> Value| {
        let inner = |view: &View<'_>| view.iter().map(|says| go(says.schema)).collect();
        let owned: Vec<Vec<Vec<Value>>> =
            sets.iter().map(|views| views.iter().map(inner).collect()).collect();
        let mut sets: Vec<Vec<View<'_>>> = Vec::new();
        for views in &owned {
            sets.push(views.iter().map(|view| view.iter().map(Says::of).collect()).collect());
        }
        hides(&sets, way)
    };
    let speaks = |sets: &[Vec<View<'_>>], word: &str| !said(sets, word).is_empty();
    let types = types_of_all(sets);
    types.contains("object")
        && (speaks(&objects, "properties") || speaks(&objects, "additionalProperties"))
        && names.iter().any(|name| below(&objects, &|schema| property(schema, name).clone()))
        || types.contains("array")
            && speaks(&arrays, "items")
            && below(&arrays, &|schema| schema.get("items").cloned().unwrap_or(true.into()))
}
