//! Conditions of grants.

use super::super::dice::Dice;
use super::super::model::{Grant, Keep, Owner, Require, time};
use super::super::paths::position;
use super::NAMES;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The grant under one condition, now and then under two.
pub fn of(dice: &mut Dice, mut grant: Grant) -> Grant {
    match dice.below(13) {
        0..=2 => grant.when = Some(when(dice, &grant.path)),
        3..=4 => grant.query = Some(dice.words("page limit skip", 60)),
        5..=7 => owner(dice, &mut grant),
        8..=10 => keep(dice, &mut grant),
        _ => {
            let field = dice.pick(&["/owner", "/a", "/data/*/owner"]).into();
            grant.require = Some(Require { field, among: among(dice) });
        }
    }
    if !grant.access.contains(['c', 'u']) {
        grant.require = None;
    }
    if dice.percent(15) { of(dice, grant) } else { grant }
}

/// Tests that hold often enough.
pub fn when(dice: &mut Dice, path: &str) -> BTreeMap<String, Value> {
    let params = ["org", "app", "id"].into_iter().filter(|name| position(path, name).is_some());
    let mut selectors: Vec<String> = params.map(|name| format!("param.{name}")).collect();
    let others = ["query.page", "header.x-env", "claims.team", "client.ip", "time"];
    selectors.extend(others.map(str::to_owned));
    let mut tests = BTreeMap::new();
    for _ in 0..1 + dice.below(4) / 3 {
        let selector = dice.pick(&selectors);
        let wanted = match selector.as_str() {
            "client.ip" => dice.pick(&[
                json!("10.0.0.0/8"),
                json!(["192.0.2.1/32", "10.1.2.3/32"]),
                json!("0.0.0.0/0"),
            ]),
            "time" => window(dice),
            _ => among(dice),
        };
        tests.insert(selector, wanted);
    }
    tests
}

fn window(dice: &mut Dice) -> Value {
    let (from, to) = (dice.below(6) as u64, 7 + dice.below(2) as u64);
    dice.pick(&[
        json!(format!("{}/..", time(from))),
        json!(format!("../{}", time(to))),
        json!([format!("{}/{}", time(from), time(to)), format!("../{}", time(1))]),
    ])
}

/// Words, and facts about the caller, which often are the same words.
fn among(dice: &mut Dice) -> Value {
    let facts = "subject.id subject.id subject.org subject.app subject.roles subject.apps \
                 subject.orgs subject.visible_roles subject.assignable_roles subject.email \
                 claims.team claims.roles";
    match dice.below(4) {
        0 => dice.word(NAMES).into(),
        1 => json!([dice.word(NAMES), dice.word(facts)]),
        2 => json!(["x", dice.word(NAMES)]),
        _ => dice.word(facts).into(),
    }
}

/// Whoever changes or deletes must be told where the object is.
fn owner(dice: &mut Dice, grant: &mut Grant) {
    if grant.owner.is_some() || grant.keep.is_some() {
        return;
    }
    let node = grant.path.trim_end_matches("/**").to_owned();
    let changes = grant.access.contains(['u', 'd']);
    let of = (changes || dice.percent(30)).then(|| match node.is_empty() || dice.percent(30) {
        true => "/x".into(),
        false => node,
    });
    grant.owner = Some(Owner {
        field: dice.pick(&["/owner", "/owner", "/b/owner", "/c/*", "/a"]).into(),
        of,
        is: dice
            .maybe(30, |dice| dice.word("{claims.team} {subject.org} claims.team x subject.id")),
        items: dice.maybe(30, |_| "/data".into()),
    });
}

fn keep(dice: &mut Dice, grant: &mut Grant) {
    if grant.owner.is_some() || grant.keep.is_some() {
        return;
    }
    grant.access = "r".into();
    grant.keep = Some(Keep {
        items: dice.maybe(70, |_| "/data".into()),
        field: dice.pick(&["/owner", "/owner", "/a", "/c/*"]).into(),
        among: among(dice),
    });
}
