//! Roles, grants and denials.

use super::super::dice::Dice;
use super::super::model::{Grant, Restriction, Role};
use super::conditions;
use super::routes::{broad, pattern};
use super::{RESTRICTIONS, ROLES, SCHEMAS};

pub fn roles(dice: &mut Dice) -> Vec<Role> {
    let count = 1 + dice.below(5);
    ROLES.split(' ').take(count).map(|id| role(dice, id)).collect()
}

fn role(dice: &mut Dice, id: &str) -> Role {
    let app_scope = dice.percent(25);
    let reaches = !app_scope && dice.percent(25);
    let conditional = dice.percent(60);
    Role {
        id: id.into(),
        scope: Some(if app_scope { "app" } else { "org" }.into()),
        default: !reaches && dice.percent(30),
        from_token: dice.percent(40),
        reach: reaches.then(|| "all-orgs".into()),
        app_access: (!app_scope && dice.percent(40)).then(|| "all".into()),
        includes: dice.words(ROLES, 25),
        grants: dice.some(1..6, |dice| {
            let path = broad(dice);
            let grant = grant(dice, path);
            if conditional { conditions::of(dice, grant) } else { grant }
        }),
        schemas: dice.words(SCHEMAS, 50),
        visible_to: dice.words(ROLES, 20),
        assignable_by: dice.words(ROLES, 20),
        ..Role::default()
    }
}

/// A grant, or a denial where it has no conditions.
fn grant(dice: &mut Dice, path: String) -> Grant {
    Grant { path, access: letters(dice), ..Grant::default() }
}

/// Mostly none, so that other grants decide.
pub fn defaults(dice: &mut Dice) -> Vec<Grant> {
    if dice.percent(70) {
        return Vec::new();
    }
    dice.some(1..3, |dice| {
        let grant = anywhere(dice);
        if dice.percent(30) { conditions::of(dice, grant) } else { grant }
    })
}

pub fn restrictions(dice: &mut Dice) -> Vec<Restriction> {
    let count = dice.below(4);
    let mut all: Vec<Restriction> =
        RESTRICTIONS.split(' ').take(count).map(|id| restriction(dice, id)).collect();
    // A restriction requires earlier ones, and those of a default one are default.
    for at in 0..all.len() {
        let (before, [one, ..]) = all.split_at_mut(at) else { unreachable!() };
        let fits = |other: &Restriction| other.default || !one.default;
        one.requires.retain(|id| before.iter().any(|other| other.id == *id && fits(other)));
    }
    all
}

fn restriction(dice: &mut Dice, id: &str) -> Restriction {
    Restriction {
        id: id.into(),
        deny: dice.some(0..3, anywhere),
        requires: dice.words(RESTRICTIONS, 30),
        default: dice.percent(30),
    }
}

fn anywhere(dice: &mut Dice) -> Grant {
    let path = if dice.percent(50) { broad(dice) } else { pattern(dice) };
    grant(dice, path)
}

fn letters(dice: &mut Dice) -> String {
    if dice.percent(50) {
        return "crud".into();
    }
    let some = dice.words("c r u d", 60).concat();
    if some.is_empty() { "r".into() } else { some }
}
