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
use super::model::{Defaults, Grant, Policy, Role};
use super::paths::unify;

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
}

/// A policy in which every reference resolves and every invariant holds.
pub fn policy(dice: &mut Dice) -> Policy {
    let plan = plan(dice);
    let mut policy = Policy {
        policy: 1,
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
    repair_roles(&mut policy);
    unreachable_go(&mut policy);
    people::settle(dice, plan, &mut policy);
    policy
}

/// Where routes name organizations, members need some to be in.
fn plan(dice: &mut Dice) -> Plan {
    let (members, plain) = (dice.percent(60), dice.percent(30));
    let chance = if members && !plain { 95 } else { 50 };
    Plan { orgs: dice.percent(chance), members, plain }
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

/// Grants and denials that no route leads to go.
fn unreachable_go(policy: &mut Policy) {
    let routes = policy.routes();
    let reached = |path: &str| routes.iter().any(|route| unify(path, &route.pattern));
    let own = policy.roles.iter_mut().map(|role: &mut Role| &mut role.grants);
    let denied = policy.restrictions.iter_mut().map(|restriction| &mut restriction.deny);
    let defaults = &mut policy.role_defaults;
    let defaults = [&mut defaults.app, &mut defaults.org, &mut defaults.any];
    for grants in own.chain(denied).chain(defaults) {
        let object = |grant: &Grant| grant.owner.as_ref().and_then(|owner| owner.of.clone());
        grants.retain(|grant| {
            reached(&grant.path) && object(grant).is_none_or(|path| reached(&path))
        });
    }
}
