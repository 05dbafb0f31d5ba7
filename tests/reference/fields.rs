//! What a caller sees and may send: the masks of step 9 and 11, applied to trees.

mod below;

use super::Held;
use super::keywords::{
    TYPES, allows, children, is_listed, property, requires, type_of, types_named,
};
use super::model::{At, Policy, Type};
use super::paths::{Here, kinds, unify};
use below::{hides, hides_inside, parts, within};
use portcullis::decide::Reason;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Objects of one type in the bodies of one path, and what each contributing role says of them.
#[derive(Debug, PartialEq)]
pub struct Limit<'a> {
    /// Alternatives: one of them must fit.
    pub at: Vec<At>,
    pub views: Vec<View<'a>>,
    /// Limits of one set of grants; those of several sets hold together.
    pub set: usize,
}

/// What one role's schemas say of a value: all must let it.
pub type View<'a> = Vec<Says<'a>>;

/// What one schema says of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Says<'a> {
    schema: &'a Value,
    /// What it hides becomes null.
    redacts: bool,
    /// Its role does not allow something that this is in.
    wrong: bool,
}

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Read,
    Write,
    /// What is not mentioned stays, and what is replaced is gone.
    Merge,
}

/// Whether a grant by itself says too little for bodies to be judged: objects that its role limits may
/// be on its paths, and no place of such a type is this path. Then it does not count.
pub fn is_unmapped(policy: &Policy, held: &Held<'_>, here: &Here<'_>) -> bool {
    let types = policy.resource_types.iter();
    let own: Vec<&Type> = types.filter(|of| !schemas(policy, held, &of.id).is_empty()).collect();
    let is_here = |of: &&Type| of.at.iter().any(|at| here.is(&at.path));
    let is_near = |of: &&Type| {
        of.elsewhere.as_deref() != Some("pass")
            && of.at.iter().any(|at| unify(&at.path, &held.grant.path))
    };
    !own.iter().any(is_here) && own.iter().any(is_near)
}

/// What limits bodies where these grants, which count, allow the request, for one letter.
pub fn limits<'a>(
    policy: &'a Policy,
    held: &[Held<'a>],
    here: &Here<'_>,
    is_element: bool,
) -> Vec<Limit<'a>> {
    let limited_by_all = |of: &&Type| {
        let limits = |held: &Held<'_>| !schemas(policy, held, &of.id).is_empty();
        held.iter().all(limits)
    };
    let limited: Vec<&Type> = policy.resource_types.iter().filter(limited_by_all).collect();
    let mut found = Vec::new();
    for of in &limited {
        let places = || of.at.iter().filter(|at| here.is(&at.path));
        let best = places().map(|at| kinds(&at.path)).min();
        let mut at: Vec<At> =
            places().filter(|at| Some(kinds(&at.path)) == best).cloned().collect();
        if is_element && at.iter().all(|at| at.pointer.contains('*')) {
            at.extend(at.clone().into_iter().map(element));
        }
        if !at.is_empty() {
            let views = held.iter().map(|held| schemas(policy, held, &of.id)).collect();
            found.push(Limit { at, views, set: 0 });
        }
    }
    found
}

/// Limits of several sets of grants, which hold together.
pub fn together<'a>(sets: impl IntoIterator<Item = Vec<Limit<'a>>>) -> Vec<Limit<'a>> {
    let sets = sets.into_iter().enumerate();
    sets.flat_map(|(set, limits)| limits.into_iter().map(move |limit| Limit { set, ..limit }))
        .collect()
}

/// What a role's schemas of a type are; none for what every caller may do.
fn schemas<'a>(policy: &'a Policy, held: &Held<'_>, of: &str) -> View<'a> {
    let ids = held.role.iter().flat_map(|role| &role.schemas);
    let known = ids.filter_map(|id| policy.schemas.iter().find(|schema| schema.id == *id));
    let own = known.filter(|schema| schema.of == of);
    own.map(|schema| Says {
        schema: &schema.body,
        redacts: schema.redact.as_deref() == Some("null"),
        wrong: false,
    })
    .collect()
}

/// What is posted to a list is one of its objects: where the pointer goes on after its last `*`.
fn element(at: At) -> At {
    let (_, inside) = at.pointer.rsplit_once('*').unwrap();
    At { pointer: inside.into(), ..at }
}

/// The document as the caller sees it, or that its shape is not what the policy says.
pub fn seen(limits: &[Limit<'_>], document: &Value) -> Result<Value, Reason> {
    let mut walk = Walk::new(limits, Way::Read);
    let rest = walk.through(document);
    rest.filter(|_| walk.has_shape()).ok_or(Reason::Shape)
}

/// Pointers to what the caller may not send, or else to what is of a wrong type.
pub fn refused(
    limits: &[Limit<'_>],
    body: &Value,
    merges: bool,
) -> Result<(), (Reason, Vec<String>)> {
    let way = if merges { Way::Merge } else { Way::Write };
    let mut walk = Walk::new(limits, way);
    walk.through(body);
    // What is sent fits every alternative: what does not might be read as what it is not.
    walk.types.extend(walk.misfits.into_iter().map(|(.., pointer)| pointer));
    walk.types.extend(walk.values);
    for (found, reason) in
        [(walk.fields, Reason::FieldNotWritable), (walk.types, Reason::ValueInvalid)]
    {
        let found = outermost(found);
        if !found.is_empty() {
            return Err((reason, found));
        }
    }
    Ok(())
}

/// A refused value is named once, not with all that is in it.
pub fn outermost(mut found: Vec<String>) -> Vec<String> {
    found.sort();
    found.dedup();
    let all = found.clone();
    found.retain(|at| !all.iter().any(|outer| at.starts_with(&format!("{outer}/"))));
    found
}

pub fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(str::to_owned).collect()
}

impl Limit<'_> {
    /// Whether there is any schema: a place whose schemas let everything pass still has a type.
    pub fn says_something(&self) -> bool {
        self.views.iter().any(|view| !view.is_empty())
    }
}

/// A way through a document, with what is found on it.
struct Walk<'w, 'a> {
    limits: &'w [Limit<'a>],
    way: Way,
    /// Pointers to what is hidden or not writable.
    fields: Vec<String>,
    /// Pointers to what is of a type that its schemas do not name.
    types: Vec<String>,
    /// Pointers to what is of the right type, and no value that its schemas allow.
    values: Vec<String>,
    /// By limit and alternative: where the document is not as the pointer expects.
    misfits: Vec<(usize, usize, String)>,
}

/// Where a walk stands.
#[derive(Clone, Default)]
struct Stand<'a> {
    /// Places that may still come: limit, alternative, and the tokens that are left.
    ways: Vec<(usize, usize, Vec<String>)>,
    /// What limits this value, each by the views of several roles.
    sets: Vec<Vec<View<'a>>>,
    pointer: String,
    /// The value is a member of objects alone. What is in a list replaces what is there whole.
    is_member: bool,
    in_list: bool,
    /// A schema of each role that may write it requires it.
    is_required: bool,
}

impl<'w, 'a> Walk<'w, 'a> {
    fn new(limits: &'w [Limit<'a>], way: Way) -> Walk<'w, 'a> {
        Walk {
            limits,
            way,
            fields: Vec::new(),
            types: Vec::new(),
            values: Vec::new(),
            misfits: Vec::new(),
        }
    }

    fn through(&mut self, document: &Value) -> Option<Value> {
        let mut start = Stand::default();
        for (limit, one) in self.limits.iter().enumerate() {
            for (alternative, at) in one.at.iter().enumerate() {
                start.ways.push((limit, alternative, tokens(&at.pointer)));
            }
        }
        self.visit(start, document)
    }

    /// Whether the document fits one of the places that the policy says. Where several sets of grants
    /// limit a path together, their places are counted off against each other.
    fn has_shape(&self) -> bool {
        let mut sets: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        for (limit, one) in self.limits.iter().enumerate() {
            let fits = |place| !self.misfits.iter().any(|(l, a, _)| (*l, *a) == place);
            let all = (0..one.at.len()).map(|at| fits((limit, at)));
            sets.entry(one.set).or_default().extend(all);
        }
        let most = sets.values().map(Vec::len).max().unwrap_or_default();
        let fit = |at: usize| sets.values().all(|set| set.get(at).copied().unwrap_or(true));
        most == 0 || (0..most).any(fit)
    }

    /// What is left of a value, if anything: a part passes where each set has one role all of whose
    /// schemas let it.
    fn visit(&mut self, stand: Stand<'a>, value: &Value) -> Option<Value> {
        let way = self.way;
        let mut sets = stand.sets.clone();
        // On the way to a place nothing is left in the place of what is hidden.
        let leads_on = stand.ways.iter().any(|(.., rest)| !rest.is_empty());
        let hidden = |sets: &[Vec<View<'a>>]| {
            let redacts = way == Way::Read && !leads_on && becomes_null(sets, value);
            redacts.then_some(Value::Null)
        };
        let arrived = stand.ways.iter().filter(|(.., rest)| rest.is_empty());
        sets.extend(arrived.map(|(limit, ..)| self.limits[*limit].views.clone()));
        let before = sets.clone();
        sets.iter_mut().for_each(|views| views.retain(|view| !is_barred(view, way)));
        // What is hidden whatever it is, and so may have any shape.
        if types_of_all(&sets).is_empty() {
            self.fields.push(stand.pointer);
            return hidden(&before);
        }
        // Null, or a list, in the place of something with parts that may not be written.
        if way == Way::Merge && !value.is_object() && self.hides_below(&stand.ways, &sets) {
            self.fields.push(stand.pointer.clone());
        }
        // In a merge patch a member that is null goes, whatever its type was.
        if way == Way::Merge && value.is_null() && stand.is_member {
            if stand.is_required {
                self.values.push(stand.pointer);
            }
            return None;
        }
        for (limit, alternative, rest) in &stand.ways {
            if !fits(rest, &self.limits[*limit].views, value) {
                self.misfits.push((*limit, *alternative, stand.pointer.clone()));
            }
        }
        sets.iter_mut().for_each(|views| views.retain(|view| has_type(view, value)));
        // Also at a place: if another alternative fits, this value is still none of the type.
        if sets.iter().any(Vec::is_empty) {
            self.types.push(stand.pointer);
            return hidden(&before);
        }
        if way != Way::Read {
            self.judge_value(&stand, &sets, value);
            // A role to which the value as a whole is wrong does not vouch for what is in it.
            for view in sets.iter_mut().flatten() {
                let wrong = !view.iter().all(|says| is_listed(says.schema, value));
                view.iter_mut().for_each(|says| says.wrong |= wrong);
            }
        }
        let next = Stand { sets, ..stand };
        Some(match value {
            Value::Array(_) => {
                children(value).iter().filter_map(|child| self.child(&next, child, true)).collect()
            }
            Value::Object(_) => {
                let all = children(value);
                let kept = all
                    .iter()
                    .filter_map(|child| Some((child.0.clone(), self.child(&next, child, false)?)));
                Value::Object(kept.collect())
            }
            scalar => scalar.clone(),
        })
    }

    /// Each value is valid under one role, all of whose schemas allow it; so is each object as such.
    fn judge_value(&mut self, stand: &Stand<'a>, sets: &[Vec<View<'a>>], value: &Value) {
        let merges = self.way == Way::Merge && !stand.in_list;
        let fine = |says: &Says<'a>| !says.wrong && allows(says.schema, value, merges);
        let valid = |view: &View<'a>| view.iter().all(fine);
        if sets.iter().any(|views| !views.iter().any(valid)) {
            self.values.push(stand.pointer.clone());
        }
    }

    /// Whether something that may stand below is not writable.
    fn hides_below(&self, ways: &[(usize, usize, Vec<String>)], sets: &[Vec<View<'a>>]) -> bool {
        let mut places = ways.iter().map(|(.., rest)| rest).filter(|rest| !rest.is_empty());
        // What limits one place together.
        let there = |place: &[String]| -> Vec<Vec<View<'a>>> {
            let same = |rest: &[String]| {
                let meet = |(a, b): (&String, &String)| a == b || a == "*" || b == "*";
                rest.len() == place.len() && rest.iter().zip(place).all(meet)
            };
            let limits = ways.iter().filter(|(.., rest)| same(rest));
            limits.map(|(limit, ..)| self.limits[*limit].views.clone()).collect()
        };
        // What stands there is limited by what it is in, too.
        let hidden = |place: &Vec<String>| {
            let around = parts(sets.to_vec(), place, self.way).into_iter();
            around.map(|sets| [sets, there(place)].concat()).any(|sets| hides(&sets, self.way))
        };
        places.any(hidden) || hides_inside(sets, self.way)
    }

    fn child(
        &mut self,
        stand: &Stand<'a>,
        (name, value): &(String, &Value),
        is_element: bool,
    ) -> Option<Value> {
        let onward = stand.ways.iter().filter_map(|(limit, alternative, rest)| {
            let (first, rest) = rest.split_first()?;
            let leads = first == "*" || first == name;
            leads.then(|| (*limit, *alternative, rest.to_vec()))
        });
        let inside = |view: &View<'a>| within(view, (!is_element).then_some(name));
        let next = Stand {
            ways: onward.collect(),
            sets: stand.sets.iter().map(|views| views.iter().map(inside).collect()).collect(),
            pointer: format!("{}/{name}", stand.pointer),
            is_member: !is_element && !stand.in_list,
            in_list: is_element || stand.in_list,
            is_required: stand.sets.iter().any(|views| {
                let writers = views.iter().filter(|view| !is_barred(&inside(view), Way::Write));
                let mut writers = writers.map(|view| view.iter());
                writers.all(|mut view| view.any(|says| requires(says.schema, name)))
            }),
        };
        self.visit(next, value)
    }
}

/// The JSON types that pass under a role of each set.
fn types_of_all(sets: &[Vec<View<'_>>]) -> BTreeSet<&'static str> {
    let types = sets.iter().map(|views| types_of_any(views));
    types.reduce(|a, b| &a & &b).unwrap_or_else(|| TYPES.into())
}

/// Whether a value is what a pointer with these tokens left expects.
fn fits(rest: &[String], views: &[View<'_>], value: &Value) -> bool {
    match rest.first().map(String::as_str) {
        None => views.iter().any(|view| has_type(view, value)),
        Some("*") => value.is_array() || value.is_object(),
        Some(_) => value.is_object(),
    }
}

/// Whether a role's schemas keep a value from going this way, whatever it is.
fn is_barred(view: &View<'_>, way: Way) -> bool {
    view.iter().any(|says| says.bars(way)) || types_of(view).is_empty()
}

impl<'a> Says<'a> {
    fn of(schema: &'a Value) -> Says<'a> {
        Says { schema, redacts: false, wrong: false }
    }

    fn bars(&self, way: Way) -> bool {
        let word = if way == Way::Read { "writeOnly" } else { "readOnly" };
        *self.schema == false || self.schema[word] == true
    }

    /// Whether it limits nothing that is read, whatever it is.
    fn shows_everything(&self) -> bool {
        let limits = ["type", "properties", "additionalProperties", "items", "writeOnly"];
        *self.schema != false && limits.iter().all(|word| self.schema.get(word).is_none())
    }

    fn hides(&self, value: &Value) -> bool {
        self.bars(Way::Read) || !types_named(self.schema).contains(type_of(value))
    }
}

/// Whether a hidden value becomes null: all schemas of one role say so, in each set. The document
/// speaks of one schema. Where several limit a value it is removed unless all of them say null, also
/// those that do not hide this one: that is stricter than to ask only those that do. Schemas that show
/// whatever stands there are not asked.
fn becomes_null(sets: &[Vec<View<'_>>], value: &Value) -> bool {
    let hides = |view: &View<'_>| view.iter().any(|says| says.hides(value));
    let redacts = |view: &View<'_>| view.iter().all(|says| says.redacts || says.shows_everything());
    sets.iter().any(|views| views.iter().all(hides))
        && sets.iter().all(|views| views.iter().any(redacts))
}

/// The JSON types that pass under one of these roles.
fn types_of_any(views: &[View<'_>]) -> BTreeSet<&'static str> {
    views.iter().flat_map(|view| types_of(view)).collect()
}

/// The JSON types that all schemas of a role let pass.
fn types_of(view: &View<'_>) -> BTreeSet<&'static str> {
    let all = view.iter().map(|says| types_named(says.schema));
    all.reduce(|a, b| &a & &b).unwrap_or_else(|| TYPES.into())
}

fn has_type(view: &View<'_>, value: &Value) -> bool {
    types_of(view).contains(type_of(value))
}
