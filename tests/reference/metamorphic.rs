//! What must not matter, and what may matter in one direction only: the program against itself,
//! on a policy and on one that is made of it.

use super::compare::{cases, loaded};
use super::compiled::{ask, load_text};
use super::dice::Dice;
use super::model::{Assigned, Group, Member, Org, Policy, Request, Role, to_json};
use super::shrink::tell;
use super::{Allowed, Verdict};
use portcullis::decide::Reason;
use portcullis::policy::snapshot::Snapshot;
use serde_json::Value;
use std::sync::Arc;

/// Policies for each check, 20 requests to each.
const POLICIES: u64 = 250;

/// For every generated policy: the same requests before and after.
fn each(seed: u64, mut check: impl FnMut(&mut Dice, &Policy, &Arc<Snapshot>, &[Request])) {
    for (at, (policy, requests)) in cases(seed, POLICIES).enumerate() {
        let mut dice = Dice::new(seed + at as u64);
        check(&mut dice, &policy, &loaded(&policy), &requests);
    }
}

fn fail(policy: &Policy, request: &Request, before: &Verdict, after: &Verdict, what: &str) -> ! {
    let case = tell(&to_json(policy), &to_json(request));
    panic!("{case}\n{what}\nbefore: {before:?}\n after: {after:?}");
}

#[test]
fn p09_the_order_of_entities_grants_and_keys_changes_nothing() {
    each(1_000_000, |dice, policy, snapshot, requests| {
        let text = shuffled(&to_json(policy), dice);
        let other = load_text(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        for request in requests {
            let (before, after) = (ask(snapshot, request), ask(&other, request));
            if before != after {
                fail(policy, request, &before, &after, &text);
            }
        }
    });
}

/// JSON whose keys, lists and letters stand in another order.
fn shuffled(value: &Value, dice: &mut Dice) -> String {
    let mut parts: Vec<String> = match value {
        Value::Array(items) => items.iter().map(|item| shuffled(item, dice)).collect(),
        Value::Object(members) => {
            let pair = |(key, value): (&String, &Value)| {
                let value = match (key.as_str(), value) {
                    ("access", Value::String(letters)) => {
                        let mut letters: Vec<char> = letters.chars().collect();
                        dice.shuffle(&mut letters);
                        Value::from(letters.into_iter().collect::<String>()).to_string()
                    }
                    (_, value) => shuffled(value, dice),
                };
                format!("{}: {value}", Value::from(key.as_str()))
            };
            members.iter().map(pair).collect()
        }
        scalar => return scalar.to_string(),
    };
    dice.shuffle(&mut parts);
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    format!("{open}{}{close}", parts.join(", "))
}

#[test]
fn p09_what_names_are_is_nothing_but_what_they_are_equal_to() {
    each(2_000_000, |_, policy, snapshot, requests| {
        let other: Policy = serde_json::from_value(renamed(&to_json(policy))).unwrap();
        let other = loaded(&other);
        for request in requests {
            let also: Request = serde_json::from_value(renamed(&to_json(request))).unwrap();
            let (before, after) = (ask(snapshot, request), ask(&other, &also));
            if renamed_verdict(&before) != after {
                fail(policy, request, &before, &after, "every word has another name after");
            }
        }
    });
}

/// Every word of the generators has another name, wherever it stands; what is no word stays.
fn renamed(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(renamed).collect(),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                let letters = ["access", "verbs", "public"].contains(&key.as_str());
                (other_name(key), if letters { value.clone() } else { renamed(value) })
            };
            members.iter().map(member).collect::<serde_json::Map<_, _>>().into()
        }
        Value::String(text) => other_name(text).into(),
        scalar => scalar.clone(),
    }
}

fn other_name(text: &str) -> String {
    let parts = text.split_inclusive(|char: char| !char.is_ascii_alphanumeric());
    let part = |part: &str| {
        let end = part.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(part.len());
        let (word, rest) = part.split_at(end);
        let word = match word {
            "x" => "v",
            "y" => "k9",
            "z" => "x",
            "u" => "null",
            "v" => "y",
            other => other,
        };
        format!("{word}{rest}")
    };
    parts.map(part).collect()
}

fn renamed_verdict(verdict: &Verdict) -> Verdict {
    let Verdict::Allowed(allowed) = verdict else { return verdict.clone() };
    let mut grants: Vec<_> = allowed
        .grants
        .iter()
        .map(|(role, path)| {
            (if role == "any" { role.clone() } else { other_name(role) }, other_name(path))
        })
        .collect();
    grants.sort();
    let mut roles: Vec<_> = allowed.roles.iter().map(|role| other_name(role)).collect();
    roles.sort();
    let pointers = |pointers: &Vec<String>| pointers.iter().map(|at| other_name(at)).collect();
    Verdict::Allowed(Allowed {
        route: other_name(&allowed.route),
        roles,
        grants,
        seen: allowed.seen.as_ref().map(renamed).map_err(|reason| *reason),
        sent: allowed.sent.clone().map_err(|(reason, at)| (reason, pointers(&at))),
        erases_hidden: allowed.erases_hidden,
    })
}

#[test]
fn p09_an_organization_that_is_not_addressed_changes_nothing() {
    each(3_000_000, |_, policy, snapshot, requests| {
        let Some(other) = with_another_org(policy) else { return };
        let other = loaded(&other);
        for request in requests {
            let (before, after) = (ask(snapshot, request), ask(&other, request));
            if before != after {
                fail(policy, request, &before, &after, "there is an organization `other` after");
            }
        }
    });
}

/// A policy with one more organization, in which everybody may do everything.
fn with_another_org(policy: &Policy) -> Option<Policy> {
    let mut policy = policy.clone();
    let apps = policy.applications.iter().filter(|app| !app.auto_assign);
    let apps: Vec<_> = apps.map(|app| app.id.clone()).collect();
    policy.organizations.as_mut()?.push(Org {
        id: "other".into(),
        apps: apps.iter().cloned().map(Assigned::App).collect(),
        ..Org::default()
    });
    let stays = |role: &&Role| !role.is_app_scope() && !policy.reaches(role);
    let org_roles = policy.roles.iter().filter(stays);
    let org_roles: Vec<_> = org_roles.map(|role| role.id.clone()).collect();
    if let Some(groups) = &mut policy.groups {
        groups.push(Group {
            id: "others".into(),
            org: Some("other".into()),
            roles: org_roles.clone(),
            ..Group::default()
        });
    }
    for members in policy.members.iter_mut() {
        members.extend(["x", "y", "z"].map(|user| Member {
            user: user.into(),
            org: Some("other".into()),
            roles: org_roles.clone(),
            apps: apps.iter().map(|app| (app.clone(), Vec::new())).collect(),
            restrictions: Some(Vec::new()),
            ..Member::default()
        }));
    }
    Some(policy)
}

#[test]
fn p09_a_grant_less_never_adds_access() {
    each(4_000_000, |dice, policy, snapshot, requests| {
        let mut less = policy.clone();
        let mut grants: Vec<_> = less.roles.iter_mut().map(|role| &mut role.grants).collect();
        let defaults = &mut less.role_defaults;
        grants.extend([&mut defaults.app, &mut defaults.org, &mut defaults.any]);
        grants.retain(|grants| !grants.is_empty());
        if grants.is_empty() {
            return;
        }
        let at = dice.below(grants.len());
        let lost = dice.below(grants[at].len());
        let lost = grants[at].remove(lost);
        never_more(policy, (snapshot, &loaded(&less)), requests, &format!("without {lost:?}"));
    });
}

#[test]
fn p09_a_restriction_more_never_adds_access() {
    each(5_000_000, |dice, policy, snapshot, requests| {
        let mut less = policy.clone();
        let restrictions: Vec<_> = policy.restrictions.iter().collect();
        if restrictions.is_empty() {
            return;
        }
        let added = dice.pick(&restrictions);
        let ids = required(policy, &added.id);
        for member in less.members.iter_mut().flatten().filter(|member| !member.primary) {
            let listed = member.restrictions.get_or_insert_with(|| {
                let default = policy.restrictions.iter().filter(|one| one.default);
                default.map(|one| one.id.clone()).collect()
            });
            listed.extend(
                required(policy, &added.id)
                    .into_iter()
                    .filter(|id| !listed.contains(id))
                    .collect::<Vec<_>>(),
            );
        }
        never_more(policy, (snapshot, &loaded(&less)), requests, &format!("with {ids:?}"));
    });
}

/// A restriction, and all that it requires.
fn required(policy: &Policy, id: &str) -> Vec<String> {
    let known = policy.restrictions.iter().find(|one| one.id == id).unwrap();
    let more = known.requires.iter().flat_map(|id| required(policy, id));
    let mut all: Vec<_> = more.chain([id.to_owned()]).collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn p09_a_role_more_never_takes_access_away() {
    each(6_000_000, |dice, policy, snapshot, requests| {
        let org_roles = policy.roles.iter().filter(|role| !role.is_app_scope());
        let org_roles: Vec<_> = org_roles.map(|role| role.id.clone()).collect();
        if org_roles.is_empty() {
            return;
        }
        let added = dice.pick(&org_roles);
        let mut more = policy.clone();
        let give = |roles: &mut Vec<String>| {
            if !roles.contains(&added) {
                roles.push(added.clone());
            }
        };
        // A role that reaches stays in operators' organizations.
        let reaches = policy.role(&added).is_some_and(|role| policy.reaches(role));
        let may = |member: &&mut Member| {
            let org = member.org.as_deref().and_then(|id| policy.org(id));
            !reaches || org.is_some_and(|org| org.operator)
        };
        let members = more.members.iter_mut().flatten().filter(may);
        members.for_each(|member| give(&mut member.roles));
        let more = loaded(&more);
        for request in requests {
            let mut also = request.clone();
            let mut claimed = also.caller.iter_mut().flat_map(|caller| &mut caller.roles);
            claimed.by_ref().for_each(give);
            let (less, more) = (ask(snapshot, request), ask(&more, &also));
            if !covers(&more, &less) {
                fail(policy, request, &less, &more, &format!("with the role {added}"));
            }
        }
    });
}

fn never_more(
    policy: &Policy,
    (before, after): (&Arc<Snapshot>, &Arc<Snapshot>),
    requests: &[Request],
    what: &str,
) {
    for request in requests {
        let (before, after) = (ask(before, request), ask(after, request));
        if !covers(&before, &after) {
            fail(policy, request, &before, &after, what);
        }
    }
}

/// Whether one verdict lets all pass that the other lets pass.
fn covers(more: &Verdict, less: &Verdict) -> bool {
    match (more, less) {
        (Verdict::Allowed(more), Verdict::Allowed(less)) => {
            let seen = match (&more.seen, &less.seen) {
                (Ok(more), Ok(less)) => contains(more, less),
                // An answer that is not what the policy says of one more role is the upstream's fault.
                (more, less) => *more == Err(Reason::Shape) || more.is_ok() || less.is_err(),
            };
            seen && (more.sent.is_ok() || less.sent.is_err())
                && (less.erases_hidden || !more.erases_hidden)
        }
        // An exception of the document: a request in which a selector that some grant looks at has two
        // values is refused.
        (Verdict::Refused(Reason::BadRequest), _) => true,
        (Verdict::Refused(_), Verdict::Allowed(_)) => false,
        (Verdict::Public, other) | (other, Verdict::Public) => *other == Verdict::Public,
        (_, Verdict::Refused(_)) => true,
    }
}

/// Whether a document has all that another has. Hidden elements of an array are not there, so the
/// rest comes in the same order; `null` may stand for something hidden.
fn contains(more: &Value, less: &Value) -> bool {
    match (more, less) {
        (Value::Object(more), Value::Object(less)) => {
            less.iter().all(|(name, less)| more.get(name).is_some_and(|more| contains(more, less)))
        }
        (Value::Array(more), Value::Array(less)) => {
            let mut more = more.iter();
            less.iter().all(|less| more.any(|more| contains(more, less)))
        }
        (more, less) => more == less || less.is_null(),
    }
}
