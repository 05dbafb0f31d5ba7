//! Organizations, applications, groups and members.

use super::super::dice::Dice;
use super::super::model::{App, Assigned, Group, InGroup, Member, Org, Policy, User, time};
use super::{NAMES, Plan, RESTRICTIONS, ROLES};
use std::collections::BTreeMap;

/// Gives a policy its people, so that what they are given is there to be given.
pub fn settle(dice: &mut Dice, plan: Plan, policy: &mut Policy) {
    policy.applications = applications(dice, policy);
    if plan.orgs {
        policy.organizations = Some(vec![org(dice, "x", policy), org(dice, "y", policy)]);
    }
    policy.users = dice.maybe(5, suspended).into_iter().collect();
    if !plan.members {
        return;
    }
    let places: Vec<Option<String>> = match (policy.is_implicit(), plan.orgs) {
        (true, _) => vec![None],
        (false, true) => ["x", "x", "x", "y"].map(|id| Some(id.to_owned())).to_vec(),
        (false, false) => Vec::new(),
    };
    let mut groups = Vec::new();
    let mut members: Vec<Member> = Vec::new();
    if !places.is_empty() {
        for id in NAMES.split(' ').take(dice.below(3)) {
            groups.push(group(dice, id, &places, policy));
        }
        for member in dice.some(1..7, |dice| member(dice, &places, &groups, policy)) {
            let same = |other: &Member| other.user == member.user && other.org == member.org;
            if !members.iter().any(same) {
                members.push(member);
            }
        }
    }
    one_primary(&mut members, &groups);
    stays_at_home(policy, &mut groups, &mut members);
    (policy.groups, policy.members) = (Some(groups), Some(members));
}

fn applications(dice: &mut Dice, policy: &Policy) -> Vec<App> {
    let default = dice.below(4);
    let app = |(at, id): (usize, &str)| App {
        id: id.into(),
        active: dice.maybe(25, |_| false),
        auto_assign: dice.percent(30),
        default: at == default,
        default_role: dice.maybe(30, |dice| roles(dice, policy, true, 40).pop()).flatten(),
    };
    ["x", "y"].into_iter().enumerate().map(app).collect()
}

fn org(dice: &mut Dice, id: &str, policy: &Policy) -> Org {
    let derived = |id: &str| policy.applications.iter().any(|app| app.id == id && app.auto_assign);
    let apps = dice.words("x y", 75).into_iter().filter(|id| !derived(id));
    let assigned: Vec<_> = apps.collect();
    let apps = assigned.into_iter().map(|id| match dice.percent(25) {
        true => Assigned::Auto { id, auto_assign: true },
        false => Assigned::App(id),
    });
    Org {
        id: id.into(),
        apps: apps.collect(),
        status: dice.maybe(5, |_| "suspended".into()),
        operator: dice.percent(30),
    }
}

fn suspended(dice: &mut Dice) -> User {
    User { id: dice.word(NAMES), status: Some("suspended".into()) }
}

/// Roles of one scope that the policy has.
fn roles(dice: &mut Dice, policy: &Policy, app_scope: bool, chance: u32) -> Vec<String> {
    let mut names = dice.words(ROLES, chance);
    names.retain(|id| policy.role(id).is_some_and(|role| role.is_app_scope() == app_scope));
    names
}

/// Roles in the applications that an organization has, where there is access.
fn accesses(
    dice: &mut Dice,
    org: &Option<String>,
    policy: &Policy,
) -> BTreeMap<String, Vec<String>> {
    let known = org.as_ref().and_then(|id| policy.org(id));
    let has = |app: &App| {
        let assigned = known.is_none_or(|org| org.has(&app.id));
        assigned || app.auto_assign || app.default
    };
    let mut all = BTreeMap::new();
    for app in policy.applications.iter().filter(|app| has(app)) {
        if dice.percent(50) {
            all.insert(app.id.clone(), roles(dice, policy, true, 40));
        }
    }
    all
}

/// Some restrictions, with those that they require.
fn attached(dice: &mut Dice, policy: &Policy) -> Vec<String> {
    let mut all = dice.words(RESTRICTIONS, 20);
    all.retain(|id| policy.restrictions.iter().any(|restriction| restriction.id == *id));
    // Requirements name earlier ones, so one way back is enough.
    for restriction in policy.restrictions.iter().rev() {
        if all.contains(&restriction.id) {
            let missing = restriction.requires.iter().filter(|id| !all.contains(id));
            let missing: Vec<_> = missing.cloned().collect();
            all.extend(missing);
        }
    }
    all
}

fn group(dice: &mut Dice, id: &str, places: &[Option<String>], policy: &Policy) -> Group {
    let org = dice.pick(places);
    Group {
        id: id.into(),
        roles: roles(dice, policy, false, 40),
        restrictions: attached(dice, policy),
        apps: accesses(dice, &org, policy),
        org,
    }
}

fn member(dice: &mut Dice, places: &[Option<String>], groups: &[Group], policy: &Policy) -> Member {
    let org = dice.pick(places);
    let (not_before, expires) = window(dice);
    let here = groups.iter().filter(|group| group.org == org);
    let mut entries = Vec::new();
    for group in here {
        if dice.percent(40) {
            entries.push(in_group(dice, &group.id));
        }
    }
    let chance = dice.pick(&[40, 100]);
    Member {
        user: dice.word(NAMES),
        roles: roles(dice, policy, false, chance),
        apps: accesses(dice, &org, policy),
        groups: entries,
        restrictions: dice.maybe(60, |dice| attached(dice, policy)),
        primary: dice.percent(20),
        status: dice.maybe(5, |_| "suspended".into()),
        not_before,
        expires,
        org,
    }
}

fn in_group(dice: &mut Dice, id: &str) -> InGroup {
    match window(dice) {
        (None, None) => InGroup::Always(id.into()),
        (not_before, expires) => InGroup::Timed { id: id.into(), not_before, expires },
    }
}

/// Windows begin before they end.
fn window(dice: &mut Dice) -> (Option<String>, Option<String>) {
    if dice.percent(85) {
        return (None, None);
    }
    let from = dice.maybe(50, |dice| time(1 + dice.below(4) as u64));
    let to = dice.maybe(50, |dice| time(5 + dice.below(4) as u64));
    (from, to)
}

/// An organization has one primary member, whom nothing restricts.
fn one_primary(members: &mut [Member], groups: &[Group]) {
    let mut primaries = Vec::new();
    for member in members {
        member.primary &= !primaries.contains(&member.org);
        if member.primary {
            primaries.push(member.org.clone());
            member.restrictions = member.restrictions.take().map(|_| Vec::new());
            let free = |entry: &InGroup| {
                let mut same = groups.iter().filter(|group| group.id == entry.id());
                same.all(|group| group.restrictions.is_empty())
            };
            member.groups.retain(free);
        }
    }
}

/// Roles that reach are bound in operators' organizations alone.
fn stays_at_home(policy: &Policy, groups: &mut [Group], members: &mut [Member]) {
    let operates = |org: &Option<String>| {
        org.as_deref().and_then(|id| policy.org(id)).is_some_and(|org| org.operator)
    };
    let reaches = |id: &String| policy.role(id).is_some_and(|role| policy.reaches(role));
    let lists = groups.iter_mut().map(|group| (&group.org, &mut group.roles));
    let lists = lists.chain(members.iter_mut().map(|member| (&member.org, &mut member.roles)));
    for (org, roles) in lists {
        if !operates(org) {
            roles.retain(|id| !reaches(id));
        }
    }
}
