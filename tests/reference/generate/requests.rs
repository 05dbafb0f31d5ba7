//! Requests that a policy has something to say about.

use super::super::dice::Dice;
use super::super::model::{Caller, Policy, Request};
use super::bodies::document;
use super::{NAMES, ROLES};
use serde_json::Value;
use std::collections::BTreeMap;

/// The first one is the one that most policies know.
pub const HOSTS: &str = "x.test x.test x.test y.test z.test y.x.test";

pub fn request(dice: &mut Dice, policy: &Policy) -> Request {
    let method = match dice.percent(2) {
        true => "OPTIONS".into(),
        false => dice.word("GET GET GET HEAD POST PUT PUT PATCH DELETE"),
    };
    let home = home(dice, policy);
    let path = path(dice, policy, &home);
    Request {
        host: dice.word(HOSTS),
        caller: dice.maybe(97, |dice| caller(dice, policy, &home)),
        query: query(dice),
        headers: headers(dice, &home),
        ip: dice.pick(&["10.1.2.3", "10.1.2.3", "10.9.9.9", "192.0.2.1", "192.0.2.2"]).into(),
        now: dice.below(9) as u64,
        body: body(dice, &method),
        answer: document(dice),
        stored: stored(dice, &path),
        path,
        method,
    }
}

/// Reading and deleting carry nothing.
fn body(dice: &mut Dice, method: &str) -> Option<Value> {
    let carries = ["POST", "PUT", "PATCH"].contains(&method);
    carries.then(|| document(dice)).filter(|body| !body.is_null())
}

/// Names come twice now and then.
fn query(dice: &mut Dice) -> Vec<(String, String)> {
    if dice.percent(60) {
        return Vec::new();
    }
    dice.some(1..3, |dice| (dice.word("page page limit skip"), dice.word(NAMES)))
}

fn headers(dice: &mut Dice, home: &Home) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for name in ["x-env", "x-org", "x-app"] {
        let count = dice.pick(&[0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
        all.extend((0..count).map(|_| (name.to_owned(), dice.word("x x y z"))));
    }
    // Who calls mostly means the own organization.
    if dice.percent(70) {
        let own = all.iter_mut().filter(|(name, _)| name == "x-org");
        own.for_each(|(_, value)| value.clone_from(&home.org));
    }
    all
}

/// The objects that owner rules look at: the node, and what is above it.
fn stored(dice: &mut Dice, path: &str) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::from([("/x".to_owned(), document(dice))]);
    let mut end = path.len();
    while end > 0 {
        if dice.percent(85) {
            all.insert(path[..end].to_owned(), document(dice));
        }
        end = path[..end].rfind('/').unwrap_or(0);
    }
    all
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
    let from_claims = policy.routes().iter().any(|route| route.org.is_some());
    let names_org = match policy.is_implicit() {
        true => 4,
        false if listed && !from_claims => 15,
        false => 92,
    };
    let org = dice.maybe(names_org, |dice| match dice.percent(88) {
        true => home.org.clone(),
        false => dice.word(NAMES),
    });
    let chance = dice.pick(&[40, 100]);
    let api_key = dice.percent(25);
    Caller {
        // A key lists no organizations.
        roles_by_org: match api_key || dice.percent(75) {
            true => BTreeMap::new(),
            false => by_org(dice, home),
        },
        user: home.user.clone(),
        org,
        app: dice.maybe(if listed { 5 } else { 25 }, |dice| dice.word("x x y y z")),
        roles: dice.maybe(85, |dice| dice.words(ROLES, chance)),
        api_key,
        email: dice.maybe(50, |dice| dice.word(NAMES)),
        claims: claims(dice),
    }
}

/// Roles in the own organization, more often than not, and in others.
fn by_org(dice: &mut Dice, home: &Home) -> BTreeMap<String, Vec<String>> {
    let own = dice.maybe(80, |_| home.org.clone());
    let all: Vec<String> = own.into_iter().chain(dice.words(NAMES, 30)).collect();
    all.into_iter().map(|org| (org, dice.words(ROLES, 50))).collect()
}

fn claims(dice: &mut Dice) -> BTreeMap<String, Vec<String>> {
    let count = dice.pick(&[0, 1, 1, 1, 2]);
    let values: Vec<String> = (0..count).map(|_| dice.word("x x y z")).collect();
    let named = (!values.is_empty()).then(|| ("team".to_owned(), values));
    named.into_iter().collect()
}
