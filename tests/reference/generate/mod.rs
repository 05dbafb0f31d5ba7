//! Policies and requests whose names and paths collide on purpose: one small set of words serves as
//! users, organizations, applications, roles, schemas, types and path segments alike.

mod access;
mod bodies;
mod conditions;
mod people;
mod requests;
mod routes;

pub use requests::request;

use super::dice::Dice;
use super::model::{Defaults, Grant, Policy};
use super::paths::{host_matches, unify};

/// Users, organizations and applications; also segments of paths and values of fields.
const NAMES: &str = "x y z";
/// Roles; the first ones are names as well.
const ROLES: &str = "x y z u v";
const TYPES: &str = "x y";
const SCHEMAS: &str = "x y z u";
const RESTRICTIONS: &str = "x y z";

/// What kind of policy is made: each changes what the rest may say.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Organizations are listed.
    pub orgs: bool,
    /// Members are listed.
    pub members: bool,
    /// No route names an organization by its path.
    pub plain: bool,
    /// Routes and grants name hosts.
    pub hosted: bool,
    /// Claimed roles count beside listed ones.
    pub both: bool,
}

/// A policy in which every reference resolves and every invariant holds.
pub fn policy(dice: &mut Dice) -> Policy {
    let plan = plan(dice);
    let mut policy = Policy {
        policy: 1,
        membership: plan.both.then(|| "both".into()),
        routes: Some(routes::routes(dice, plan)),
        roles: access::roles(dice),
        resource_types: bodies::types(dice),
        role_defaults: Defaults {
            app: access::defaults(dice),
            org: access::defaults(dice),
            any: access::defaults(dice),
        },
        restrictions: access::restrictions(dice),
        ..Policy::default()
    };
    policy.schemas = bodies::schemas(dice, &policy.resource_types);
    if dice.percent(25) {
        access::shared_rows(&mut policy.roles);
    }
    if plan.hosted {
        each_grant(&mut policy, |grant, denies| {
            grant.host = dice.maybe(if denies { 50 } else { 100 }, |dice| dice.word(routes::HOSTS));
        });
    }
    repair_roles(&mut policy);
    defaults_stay(&mut policy);
    unreachable_go(&mut policy);
    people::settle(dice, plan, &mut policy);
    policy
}

/// Where routes name organizations, members need some to be in.
fn plan(dice: &mut Dice) -> Plan {
    let (members, plain) = (dice.percent(60), dice.percent(30));
    let chance = if members && !plain { 95 } else { 50 };
    let (hosted, both) = (!plain && dice.percent(15), members && dice.percent(25));
    Plan { orgs: dice.percent(chance), members, plain, hosted, both }
}

/// References that lead nowhere go, and inclusion goes one way.
fn repair_roles(policy: &mut Policy) {
    let scopes: Vec<(String, bool)> =
        policy.roles.iter().map(|role| (role.id.clone(), role.is_app_scope())).collect();
    let schemas: Vec<String> = policy.schemas.iter().map(|schema| schema.id.clone()).collect();
    for (at, role) in policy.roles.iter_mut().enumerate() {
        role.schemas.retain(|id| schemas.contains(id));
        let later = |id: &String| {
            let mut later = scopes[at + 1..].iter();
            later.any(|(other, scope)| other == id && *scope == scopes[at].1)
        };
        role.includes.retain(later);
        for listed in [&mut role.visible_to, &mut role.assignable_by] {
            listed.retain(|id| scopes.iter().any(|(other, _)| other == id));
        }
    }
}

/// What new members have by default stays where they are.
fn defaults_stay(policy: &mut Policy) {
    let reaching = policy.roles.iter().filter(|role| policy.reaches(role));
    let reaching: Vec<String> = reaching.map(|role| role.id.clone()).collect();
    policy.roles.iter_mut().for_each(|role| role.default &= !reaching.contains(&role.id));
}

/// All grants, and all denials, which are told.
fn each_grant(policy: &mut Policy, mut change: impl FnMut(&mut Grant, bool)) {
    for (grants, denies) in lists(policy) {
        grants.iter_mut().for_each(|grant| change(grant, denies));
    }
}

fn lists(policy: &mut Policy) -> impl Iterator<Item = (&mut Vec<Grant>, bool)> {
    let own = policy.roles.iter_mut().map(|role| (&mut role.grants, false));
    let denied = policy.restrictions.iter_mut().map(|restriction| (&mut restriction.deny, true));
    let defaults = &mut policy.role_defaults;
    let defaults = [&mut defaults.app, &mut defaults.org, &mut defaults.any];
    own.chain(denied).chain(defaults.into_iter().map(|grants| (grants, false)))
}

/// Grants and denials that no route leads to go.
fn unreachable_go(policy: &mut Policy) {
    let routes = policy.routes();
    let reached = |path: &str, host: &Option<String>| {
        routes.iter().any(|route| unify(path, &route.pattern) && hosts_unify(host, &route.host))
    };
    for (grants, _) in lists(policy) {
        grants.retain(|grant| {
            let object = grant.owner.as_ref().and_then(|owner| owner.of.clone());
            reached(&grant.path, &grant.host)
                && object.is_none_or(|path| reached(&path, &grant.host))
        });
    }
}

/// Whether some host of the generators is both.
fn hosts_unify(one: &Option<String>, other: &Option<String>) -> bool {
    let fits = |pattern: &Option<String>, host: &str| {
        pattern.as_deref().is_none_or(|pattern| host_matches(pattern, host))
    };
    requests::HOSTS.split(' ').any(|host| fits(one, host) && fits(other, host))
}
