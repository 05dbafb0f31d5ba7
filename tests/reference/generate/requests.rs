//! Requests that a policy has something to say about.

use super::super::dice::Dice;
use super::super::model::{Caller, Policy, Request};
use super::bodies::document;
use super::{NAMES, ROLES};

pub fn request(dice: &mut Dice, policy: &Policy) -> Request {
    let method = match dice.percent(2) {
        true => "OPTIONS".into(),
        false => dice.word("GET GET GET HEAD POST PUT PUT PATCH DELETE"),
    };
    let home = home(dice, policy);
    Request {
        method,
        host: "x.test".into(),
        path: path(dice, policy, &home),
        caller: dice.maybe(97, |dice| caller(dice, policy, &home)),
        ip: "127.0.0.1".into(),
        now: dice.below(9) as u64,
        body: document(dice),
        answer: document(dice),
        ..Request::default()
    }
}

/// Who asks, and where this somebody belongs.
struct Home {
    user: String,
    org: String,
}

/// Mostly a member of the policy.
fn home(dice: &mut Dice, policy: &Policy) -> Home {
    let members: Vec<_> = policy.members.iter().flatten().collect();
    if members.is_empty() || dice.percent(20) {
        return Home { user: dice.word(NAMES), org: dice.word("x x x x y y z") };
    }
    let member = dice.pick(&members);
    let org = member.org.clone().unwrap_or_else(|| dice.word(NAMES));
    Home { user: member.user.clone(), org }
}

fn path(dice: &mut Dice, policy: &Policy, home: &Home) -> String {
    let patterns: Vec<String> = match dice.below(10) {
        0..=3 => policy.routes().into_iter().map(|route| route.pattern).collect(),
        4..=5 => {
            let grants = policy.roles.iter().flat_map(|role| &role.grants);
            grants.map(|grant| grant.path.clone()).collect()
        }
        6..=7 => {
            let places = policy.resource_types.iter().flat_map(|of| &of.at);
            places.map(|at| at.path.clone()).collect()
        }
        _ => Vec::new(),
    };
    let pattern = match patterns.is_empty() {
        true => "/**".into(),
        false => dice.pick(&patterns),
    };
    let path = below(dice, &pattern, home);
    let slash = path.is_empty() || (dice.percent(3) && !path.ends_with('/'));
    if slash { path + "/" } else { path }
}

/// A path that a pattern matches.
fn below(dice: &mut Dice, pattern: &str, home: &Home) -> String {
    let mut path = String::new();
    for segment in pattern.split('/').skip(1) {
        match segment {
            "**" => {
                path +=
                    &dice.some(0..4, |dice| format!("/{}", dice.word("x x x x y y z"))).concat();
            }
            "{org}" if dice.percent(90) => path += &format!("/{}", home.org),
            _ if segment.starts_with('{') => path += &format!("/{}", dice.word("x x y y z")),
            _ => path += &format!("/{segment}"),
        }
    }
    path
}

fn caller(dice: &mut Dice, policy: &Policy, home: &Home) -> Caller {
    let listed = policy.members.is_some();
    let claims = policy.routes().iter().any(|route| route.org.is_some());
    let names_org = match policy.is_implicit() {
        true => 4,
        false if listed && !claims => 15,
        false => 92,
    };
    let org = dice.maybe(names_org, |dice| match dice.percent(88) {
        true => home.org.clone(),
        false => dice.word(NAMES),
    });
    let chance = dice.pick(&[40, 100]);
    Caller {
        user: home.user.clone(),
        org,
        app: dice.maybe(if listed { 5 } else { 25 }, |dice| dice.word("x x y y z")),
        roles: dice.maybe(85, |dice| dice.words(ROLES, chance)),
        api_key: dice.percent(25),
        ..Caller::default()
    }
}
