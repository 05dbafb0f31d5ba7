//! Random documents, each part with what is to become of it.

use crate::reference::dice::Dice;

/// A JSON value, made by hand.
#[derive(Clone, Debug)]
pub enum Value {
    /// Its text, without quotes, escapes or anything that needs one.
    Text(String),
    /// As it is written.
    Plain(&'static str),
    List(Vec<Part>),
    Object(Vec<Part>),
}

/// An element, or a member.
#[derive(Clone, Debug)]
pub struct Part {
    pub key: String,
    pub value: Value,
    pub fate: Fate,
    /// It goes because of its type, not of its name.
    pub mistyped: bool,
}

/// What is to become of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Stays,
    Goes,
    /// `null` stands in its place.
    Null,
}

/// The shapes, by their paths.
pub const SHAPES: [&str; 7] =
    ["/plain", "/nulls", "/cased", "/listed", "/pairs", "/tagged", "/rows"];

/// A document for this path.
pub fn document(shape: &str, dice: &mut Dice) -> Value {
    match shape {
        "/plain" => plain(dice),
        "/nulls" => nulls(dice),
        "/cased" => cased(dice),
        "/listed" => listed(dice),
        "/pairs" => pairs(dice),
        "/tagged" => tagged(dice, 3, Around::Nothing),
        _ => rows(dice),
    }
}

fn plain(dice: &mut Dice) -> Value {
    let keyed = |dice: &mut Dice| object(dice, |dice| vec![goes("key", hidden(dice))]);
    let mut parts = vec![
        goes("ssn", hidden(dice)),
        goes("secret", hidden(dice)),
        goes("x_any", hidden(dice)),
        goes("x_", hidden(dice)),
        stays("X_any", shown(dice)),
        stays(
            "card",
            object(dice, |dice| vec![goes("number", hidden(dice)), stays("ssn", shown(dice))]),
        ),
        stays(
            "devices",
            list(dice, |dice| match dice.percent(20) {
                // What stands where an object should be.
                true => goes("", scalar_canary(dice)),
                false => stays("", keyed(dice)),
            }),
        ),
        stays("grid", list(dice, |dice| stays("", list(dice, |dice| stays("", keyed(dice)))))),
        stays(
            "tags",
            Value::Object(vec![
                stays("a", object(dice, |dice| vec![goes("note", hidden(dice))])),
                stays(
                    "note",
                    object(dice, |dice| {
                        vec![goes("note", hidden(dice)), stays("key", shown(dice))]
                    }),
                ),
                goes("b", scalar_canary(dice)),
            ]),
        ),
        stays(
            "allowed",
            Value::Object(vec![
                stays("id", Value::Plain("7")),
                goes("other", hidden(dice)),
                goes("Id", hidden(dice)),
            ]),
        ),
        stays("tree", tree(dice, 4)),
    ];
    parts.push(match dice.percent(50) {
        true => stays("age", Value::Plain("1.50e2")),
        false => mistyped(goes("age", scalar_canary(dice))),
    });
    some_of(dice, parts)
}

/// `$ref` leads on as deep as the document goes.
fn tree(dice: &mut Dice, depth: usize) -> Value {
    object(dice, |dice| {
        let mut parts = vec![goes("key", hidden(dice))];
        if depth > 0 {
            parts.push(stays("next", tree(dice, depth - 1)));
            parts.push(stays("all", list(dice, |dice| stays("", tree(dice, depth - 1)))));
        }
        parts
    })
}

fn nulls(dice: &mut Dice) -> Value {
    let card = object(dice, |dice| vec![null("number", hidden(dice))]);
    let age = scalar_canary(dice);
    let ssn = hidden(dice);
    some_of(dice, vec![null("ssn", ssn), mistyped(null("age", age)), stays("card", card)])
}

fn cased(dice: &mut Dice) -> Value {
    let number = dice.word("number Number NUMBER nUMBER");
    let card = object(dice, |dice| vec![goes(&number, hidden(dice))]);
    // U+017F is a long s, which folds to the same as s.
    let hidden =
        ["ssn", "SSN", "sSn", "\u{17f}sn", "S\u{17f}N"].map(|name| goes(name, hidden(dice)));
    let mut parts = hidden.to_vec();
    parts.push(stays(&dice.word("card Card CARD"), card));
    parts.push(stays("sn", shown(dice)));
    some_of(dice, parts)
}

fn listed(dice: &mut Dice) -> Value {
    let card = |dice: &mut Dice| object(dice, |dice| vec![goes("number", hidden(dice))]);
    let one = |dice: &mut Dice| {
        let parts = vec![
            stays("id", shown(dice)),
            goes("ssn", hidden(dice)),
            goes("CANARY", hidden(dice)),
            stays("card", card(dice)),
        ];
        some_of_alone(dice, parts)
    };
    let data = match dice.percent(70) {
        true => list(dice, |dice| stays("", one(dice))),
        false => Value::Object(vec![stays("a", one(dice)), stays("ssn", one(dice))]),
    };
    Value::Object(vec![
        stays("before", shown(dice)),
        stays("data", data),
        stays("ssn", shown(dice)),
    ])
}

fn pairs(dice: &mut Dice) -> Value {
    let pair = |dice: &mut Dice, name: &str, value: Value| {
        let key = stays("key", Value::Text(name.into()));
        let mut parts = vec![key, stays("value", value), stays("at", Value::Plain("1"))];
        dice.shuffle(&mut parts);
        Value::Object(parts)
    };
    let values = [hidden(dice), scalar_canary(dice), shown(dice), hidden(dice)];
    let [ssn, age, other, nameless] = values;
    let mut props = vec![
        goes("", pair(dice, "ssn", ssn)),
        mistyped(goes("", pair(dice, "age", age))),
        stays("", pair(dice, "other", other)),
        goes("", Value::Object(vec![stays("value", nameless)])),
    ];
    dice.shuffle(&mut props);
    Value::Object(vec![stays("ssn", shown(dice)), stays("props", Value::List(props))])
}

/// What an object stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    /// Nothing that says what it is.
    Nothing,
    /// A person: what has no tag of its own is a part of it, of which the schema says nothing.
    Person,
    /// Something else, of which nothing is said.
    Other,
}

fn tagged(dice: &mut Dice, depth: usize, around: Around) -> Value {
    let kind = match around {
        Around::Other => dice.pick(&["Person", "Other"]),
        _ => dice.pick(&["Person", "Other", ""]),
    };
    let here = match kind {
        "Person" => Around::Person,
        "Other" => Around::Other,
        _ => around,
    };
    let inner = |dice: &mut Dice| match dice.below(if depth == 0 { 1 } else { 3 }) {
        0 => shown(dice),
        1 => tagged(dice, depth - 1, here),
        _ => list(dice, |dice| stays("", tagged(dice, depth - 1, here))),
    };
    let mut parts = vec![stays("a", inner(dice)), stays("b", inner(dice))];
    parts.push(match (kind, here) {
        ("Other", _) | ("", Around::Person) => stays("ssn", shown(dice)),
        _ => goes("ssn", hidden(dice)),
    });
    if !kind.is_empty() {
        parts.push(stays("kind", Value::Text(kind.into())));
    }
    dice.shuffle(&mut parts);
    Value::Object(parts)
}

fn rows(dice: &mut Dice) -> Value {
    let row = |dice: &mut Dice| {
        let owner = dice.pick(&["ana", "bob", "", "anna"]);
        let mine = owner == "ana";
        let mut parts = vec![
            goes("ssn", hidden(dice)),
            stays("n", if mine { shown(dice) } else { hidden(dice) }),
        ];
        if !owner.is_empty() {
            parts.push(stays("owner", Value::Text(owner.into())));
        }
        dice.shuffle(&mut parts);
        if mine { stays("", Value::Object(parts)) } else { goes("", Value::Object(parts)) }
    };
    let items = dice.some(0..6, row);
    let mut parts = vec![stays("items", Value::List(items)), stays("more", shown(dice))];
    dice.shuffle(&mut parts);
    Value::Object(parts)
}

/// An object with these parts and some that are shown.
fn object(dice: &mut Dice, parts: impl FnOnce(&mut Dice) -> Vec<Part>) -> Value {
    let parts = parts(dice);
    some_of(dice, parts)
}

/// Most of these parts and some that are shown, in any order.
fn some_of(dice: &mut Dice, mut parts: Vec<Part>) -> Value {
    parts.push(stays("p", shown(dice)));
    parts.push(stays("q", shown(dice)));
    some_of_alone(dice, parts)
}

fn some_of_alone(dice: &mut Dice, mut parts: Vec<Part>) -> Value {
    parts.retain(|_| dice.percent(75));
    dice.shuffle(&mut parts);
    Value::Object(parts)
}

fn list(dice: &mut Dice, element: impl FnMut(&mut Dice) -> Part) -> Value {
    Value::List(dice.some(0..4, element))
}

/// What anybody may see.
fn shown(dice: &mut Dice) -> Value {
    match dice.below(6) {
        0 => Value::Plain(dice.pick(&["0", "-1", "12", "1.50", "1e3"])),
        1 => Value::Plain(dice.pick(&["true", "false", "null"])),
        2 => list(dice, |dice| stays("", shown(dice))),
        _ => Value::Text(dice.word("plain é€😀 a/b }],: ann")),
    }
}

/// What nobody may see, of any type; its names and what it is made of say so.
fn hidden(dice: &mut Dice) -> Value {
    match dice.below(5) {
        0 => Value::List(dice.some(1..3, |dice| stays("", hidden(dice)))),
        1 => Value::Object(vec![stays("CANARY", hidden(dice)), stays("id", scalar_canary(dice))]),
        2 => Value::Object(vec![
            stays("p", scalar_canary(dice)),
            stays("kind", Value::Text("CANARY".into())),
        ]),
        _ => scalar_canary(dice),
    }
}

fn scalar_canary(dice: &mut Dice) -> Value {
    Value::Text(format!("{}CANARY{}", dice.word("a é }], ann"), dice.below(100)))
}

fn stays(key: &str, value: Value) -> Part {
    Part { key: key.into(), value, fate: Fate::Stays, mistyped: false }
}

fn goes(key: &str, value: Value) -> Part {
    Part { key: key.into(), value, fate: Fate::Goes, mistyped: false }
}

fn null(key: &str, value: Value) -> Part {
    Part { key: key.into(), value, fate: Fate::Null, mistyped: false }
}

fn mistyped(part: Part) -> Part {
    Part { mistyped: true, ..part }
}

/// The same without what goes because of its type. Where the shape of a body is not known, nobody
/// can say what type a value should have; names are hidden there.
pub fn without_mistyped(value: &Value) -> Value {
    let all = |parts: &[Part]| {
        let kept = parts.iter().filter(|part| !part.mistyped);
        kept.map(|part| Part { value: without_mistyped(&part.value), ..part.clone() }).collect()
    };
    match value {
        Value::List(parts) => Value::List(all(parts)),
        Value::Object(parts) => Value::Object(all(parts)),
        scalar => scalar.clone(),
    }
}
