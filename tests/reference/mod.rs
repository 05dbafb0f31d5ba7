//! The slow evaluator: naive loops over plain structs, written from the document and sharing
//! nothing with `src/policy` but the words for reasons. What the compiled evaluator says must be
//! what this one says.

pub mod compare;
mod fields;
pub mod generate;
mod hosts;
mod paths;

use fields::{limit, seen, unwritable};
use paths::{best_route, captures, holds, kinds, letters, matches, position, split, unify};
use portcullis::decide::Reason;
use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Policy {
    pub routes: Vec<Route>,
    pub orgs: Option<Vec<Org>>,
    pub apps: Vec<App>,
    pub roles: Vec<Role>,
    pub types: Vec<Type>,
    pub schemas: Vec<Schema>,
    /// Grants of every application role, of every organization role, of every caller.
    pub app_defaults: Vec<(String, String)>,
    pub org_defaults: Vec<(String, String)>,
    pub any_defaults: Vec<(String, String)>,
    pub restrictions: Vec<Restriction>,
    /// Users that are suspended.
    pub suspended: Vec<String>,
    pub groups: Vec<Group>,
    /// `None`: token membership.
    pub members: Option<Vec<Member>>,
}

#[derive(Clone, Debug)]
pub struct Route {
    pub pattern: String,
    pub org_claim: bool,
    pub app_claim: bool,
    pub public: String,
    pub upsert: bool,
    pub merge: bool,
    /// What POST needs, if not `c`.
    pub post: Option<char>,
}

#[derive(Clone, Debug)]
pub struct Org {
    pub id: String,
    pub apps: Vec<String>,
    /// Those of `apps` that every user of it may enter.
    pub auto: Vec<String>,
    pub suspended: bool,
}

#[derive(Clone, Debug)]
pub struct App {
    pub id: String,
    pub active: bool,
    pub auto_assign: bool,
    pub default: bool,
    pub default_role: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Role {
    pub id: String,
    pub app_scope: bool,
    pub default: bool,
    pub app_access_all: bool,
    pub includes: Vec<String>,
    /// Path and letters.
    pub grants: Vec<(String, String)>,
    pub schemas: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Type {
    pub id: String,
    /// Path and pointer: `""` or `/data/*`.
    pub at: Vec<(String, String)>,
    pub elsewhere_pass: bool,
}

#[derive(Clone, Debug)]
pub struct Schema {
    pub id: String,
    pub of: String,
    /// Fields that it names, and what it says of each.
    pub fields: Vec<(String, Field)>,
    /// Whether fields that it does not name are shown.
    pub open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Shown,
    Hidden,
    ReadOnly,
    WriteOnly,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub user: String,
    pub org: Option<String>,
    pub roles: Vec<String>,
    pub apps: Vec<(String, Vec<String>)>,
    /// Groups, and when the member is in each.
    pub groups: Vec<(String, Window)>,
    /// `None`: those that are default.
    pub restrictions: Option<Vec<String>>,
    pub primary: bool,
    pub window: Window,
    pub suspended: bool,
}

/// From the first second; up to, and without, the last.
pub type Window = (Option<u64>, Option<u64>);

#[derive(Clone, Debug)]
pub struct Group {
    pub id: String,
    pub org: Option<String>,
    pub roles: Vec<String>,
    pub restrictions: Vec<String>,
    pub apps: Vec<(String, Vec<String>)>,
}

#[derive(Clone, Debug)]
pub struct Restriction {
    pub id: String,
    /// Path and letters.
    pub deny: Vec<(String, String)>,
    pub requires: Vec<String>,
    pub default: bool,
}

#[derive(Clone, Debug)]
pub struct Caller {
    pub user: String,
    pub org: Option<String>,
    pub app: Option<String>,
    pub roles: Option<Vec<String>>,
    /// Key roles only narrow.
    pub api_key: bool,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub caller: Option<Caller>,
    /// Seconds since 1970.
    pub now: u64,
}

/// What the decision says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Refused(Reason),
    Public,
    Allowed(Allowed),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Allowed {
    pub route: String,
    /// Roles that count, by id.
    pub roles: Vec<String>,
    /// Grants that hold: role and path, sorted.
    pub grants: Vec<(String, String)>,
    /// What a sample document looks like to this caller, or `None` where its shape does not fit.
    pub seen: Option<Value>,
    /// Pointers that this caller may not send in the sample document.
    pub unwritable: Vec<String>,
    pub erases_hidden: bool,
}

/// The document that every comparison filters.
pub fn sample() -> Value {
    serde_json::json!({
        "a": 1, "b": {"a": 2}, "c": [3],
        "data": [{"a": 1, "b": 2, "c": 3, "d": 4}, {"b": {"c": 5}}],
    })
}

pub fn evaluate(policy: &Policy, request: &Request) -> Verdict {
    match judge(policy, request) {
        Ok(verdict) => verdict,
        Err(reason) => Verdict::Refused(reason),
    }
}

fn judge(policy: &Policy, request: &Request) -> Result<Verdict, Reason> {
    // 2. Method. 3. Route.
    let route = best_route(policy, &request.path);
    let letters = letters(route, &request.method).ok_or(Reason::BadMethod)?;
    if let Some(route) = route
        && letters.chars().all(|letter| route.public.contains(letter))
    {
        return Ok(Verdict::Public);
    }
    // 4. Authenticate, then the route.
    let caller = request.caller.as_ref().ok_or(Reason::Unauthenticated)?;
    let route = route.ok_or(Reason::NoRoute)?;
    // 5. Membership: a suspended user is a member of nothing. 6. Application.
    if policy.suspended.contains(&caller.user) {
        return Err(Reason::NotAMember);
    }
    let names_org = |route: &Route| route.org_claim || captures(&route.pattern, "org");
    let implicit = policy.orgs.is_none() && !policy.routes.iter().any(names_org);
    let org = address(route, "org", route.org_claim, caller.org.as_deref(), &request.path);
    let org = org.map_err(|()| Reason::NotAMember)?;
    let mut roles = membership(policy, caller, request.now, org.as_deref(), implicit)?;
    let app = address(route, "app", route.app_claim, caller.app.as_deref(), &request.path);
    let app = app.ok().flatten();
    roles.extend({
        let place = (org.as_deref(), implicit, app.as_deref());
        app_gate(policy, caller, request.now, &roles, place)?
    });
    // 7. Restrictions: of members, so not where no organization is addressed.
    let place = (org.as_deref(), app.as_deref());
    if org.is_some() || implicit {
        let attached = attached(policy, caller, request.now, org.as_deref());
        for restriction in policy.restrictions.iter().filter(|one| attached.contains(&one.id)) {
            if restriction.deny.iter().any(|rule| holds(rule, &letters, &request.path, place)) {
                return Err(Reason::Restricted);
            }
        }
    }
    // 8. Grants. What every caller has, nobody's schemas limit.
    let anybody = Role {
        id: "any".into(),
        app_scope: false,
        default: false,
        app_access_all: false,
        includes: Vec::new(),
        grants: Vec::new(),
        schemas: Vec::new(),
    };
    let mut held: Vec<(&Role, &str, char)> = Vec::new();
    for letter in letters.chars() {
        let before = held.len();
        for role in policy.roles.iter().filter(|role| roles.contains(&role.id)) {
            let defaults = if role.app_scope { &policy.app_defaults } else { &policy.org_defaults };
            for rule in role.grants.iter().chain(defaults) {
                if holds(rule, &letter.to_string(), &request.path, place) {
                    held.push((role, &rule.0, letter));
                }
            }
        }
        for rule in &policy.any_defaults {
            if holds(rule, &letter.to_string(), &request.path, place) {
                held.push((&anybody, &rule.0, letter));
            }
        }
        if held.len() == before {
            return Err(Reason::NoGrant);
        }
    }
    // 9. Masks, for each letter; a field must pass for all.
    let mut limits = Vec::new();
    for letter in letters.chars() {
        let held: Vec<_> = held.iter().filter(|(.., l)| *l == letter).copied().collect();
        let mut found = limit(policy, &held, &request.path)?;
        // What is posted to a list is one of its objects, and it is the body itself.
        if letter != 'r' && request.method == "POST" {
            for limit in found.iter_mut().filter(|limit| !limit.pointers.contains(&"")) {
                limit.pointers.push("");
            }
        }
        limits.extend(found);
    }
    let mut grants: Vec<_> =
        held.iter().map(|(role, path, _)| (role.id.clone(), path.to_string())).collect();
    grants.sort();
    grants.dedup();
    roles.sort();
    roles.dedup();
    let limited = limits.iter().any(|limit| limit.limits_something(policy));
    Ok(Verdict::Allowed(Allowed {
        route: route.pattern.clone(),
        roles,
        grants,
        seen: seen(policy, &limits),
        unwritable: unwritable(policy, &limits),
        erases_hidden: limited && request.method == "PUT" && !route.merge,
    }))
}

// ---- who and where ----------------------------------------------------------------------

/// The addressed id: `Ok(None)` where the route names none, `Err` where its claim is missing.
fn address(
    route: &Route,
    name: &str,
    from_claim: bool,
    claim: Option<&str>,
    path: &str,
) -> Result<Option<String>, ()> {
    if from_claim {
        return claim.map(|id| Some(id.to_owned())).ok_or(());
    }
    Ok(position(&route.pattern, name).map(|at| split(path)[at].to_owned()))
}

fn membership(
    policy: &Policy,
    caller: &Caller,
    now: u64,
    org: Option<&str>,
    implicit: bool,
) -> Result<Vec<String>, Reason> {
    if org.is_none() && !implicit {
        return Ok(Vec::new());
    }
    if let (Some(org), Some(orgs)) = (org, &policy.orgs) {
        let known = orgs.iter().find(|known| known.id == org).ok_or(Reason::NotAMember)?;
        if known.suspended {
            return Err(Reason::NotAMember);
        }
    }
    // A credential that names an organization acts there alone.
    if caller.org.is_some() && caller.org.as_deref() != org {
        return Err(Reason::NotAMember);
    }
    match &policy.members {
        None if caller.org.as_deref() != org => Err(Reason::NotAMember),
        None => Ok(claimed(policy, caller, false)),
        Some(_) => {
            let member = member(policy, caller, org, now).ok_or(Reason::NotAMember)?;
            let groups = groups(policy, member, now).into_iter();
            let roles: Vec<_> =
                groups.flat_map(|group| &group.roles).chain(&member.roles).collect();
            Ok(narrowed(policy, caller, &roles.into_iter().cloned().collect::<Vec<_>>()))
        }
    }
}

fn app_gate(
    policy: &Policy,
    caller: &Caller,
    now: u64,
    org_roles: &[String],
    (org, implicit, app): (Option<&str>, bool, Option<&str>),
) -> Result<Vec<String>, Reason> {
    let Some(app) = app else {
        return if caller.app.is_some() { Err(Reason::NoAppAccess) } else { Ok(Vec::new()) };
    };
    let known = policy.apps.iter().find(|known| known.id == app).ok_or(Reason::AppNotAssigned)?;
    let assigned = match (org, &policy.orgs) {
        (None, _) => implicit,
        (Some(_), None) => true,
        (Some(_), Some(_)) if known.default || known.auto_assign => true,
        (Some(org), Some(orgs)) => {
            orgs.iter().any(|known| known.id == org && known.apps.iter().any(|a| a == app))
        }
    };
    if !assigned {
        return Err(Reason::AppNotAssigned);
    }
    if caller.app.is_some() && caller.app.as_deref() != Some(app) {
        return Err(Reason::NoAppAccess);
    }
    let listed = match &policy.members {
        None => caller.app.is_some().then(|| claimed(policy, caller, true)),
        Some(_) => {
            let member = member(policy, caller, org, now).ok_or(Reason::NoAppAccess)?;
            let groups = groups(policy, member, now).into_iter();
            let accesses = groups.flat_map(|group| &group.apps).chain(&member.apps);
            let acting: Vec<_> = accesses
                .filter(|(id, _)| id == app)
                .map(|(_, roles)| match roles.is_empty() {
                    true => default_roles(policy, known),
                    false => roles.clone(),
                })
                .collect();
            (!acting.is_empty()).then(|| acting.concat())
        }
    };
    if listed.is_none() && !is_open(policy, org_roles, org, known) {
        return Err(Reason::NoAppAccess);
    }
    if !known.active {
        return Err(Reason::AppInactive);
    }
    // Derived entry brings no role of the application.
    let Some(listed) = listed else { return Ok(Vec::new()) };
    let acting = match &policy.members {
        None if listed.is_empty() => default_roles(policy, known),
        _ => listed,
    };
    // Claimed roles are what the credential says; only listed ones can be narrowed by a key.
    Ok(match policy.members {
        Some(_) => narrowed(policy, caller, &acting),
        None => with_included(policy, &acting),
    })
}

/// Whether a member enters without having been given the application.
fn is_open(policy: &Policy, org_roles: &[String], org: Option<&str>, app: &App) -> bool {
    let mut orgs = policy.orgs.iter().flatten().filter(|known| Some(known.id.as_str()) == org);
    let mut held = policy.roles.iter().filter(|role| org_roles.contains(&role.id));
    app.auto_assign
        || orgs.any(|org| org.auto.contains(&app.id))
        || held.any(|role| role.app_access_all)
}

fn default_roles(policy: &Policy, app: &App) -> Vec<String> {
    match &app.default_role {
        Some(role) => vec![role.clone()],
        None => policy
            .roles
            .iter()
            .filter(|role| role.app_scope && role.default)
            .map(|role| role.id.clone())
            .collect(),
    }
}

fn member<'a>(
    policy: &'a Policy,
    caller: &Caller,
    org: Option<&str>,
    now: u64,
) -> Option<&'a Member> {
    let members = policy.members.as_ref()?;
    members.iter().find(|member| {
        member.user == caller.user
            && member.org.as_deref() == org
            && !member.suspended
            && in_time(member.window, now)
    })
}

/// The restrictions of a member, by id. Who is no listed member has those that are default.
fn attached(policy: &Policy, caller: &Caller, now: u64, org: Option<&str>) -> Vec<String> {
    let defaults = || {
        let defaults = policy.restrictions.iter().filter(|restriction| restriction.default);
        defaults.map(|restriction| restriction.id.clone()).collect()
    };
    let Some(member) = member(policy, caller, org, now) else { return defaults() };
    let mut all = match &member.restrictions {
        Some(listed) => listed.clone(),
        None if member.primary => Vec::new(),
        None => defaults(),
    };
    for group in groups(policy, member, now) {
        all.extend(group.restrictions.iter().cloned());
    }
    all
}

/// The groups that a member is in at this time.
fn groups<'a>(policy: &'a Policy, member: &Member, now: u64) -> Vec<&'a Group> {
    let current = member.groups.iter().filter(|(_, window)| in_time(*window, now));
    current.flat_map(|(id, _)| policy.groups.iter().filter(move |group| group.id == *id)).collect()
}

fn in_time((from, to): Window, now: u64) -> bool {
    from.is_none_or(|from| from <= now) && to.is_none_or(|to| now < to)
}

fn claimed(policy: &Policy, caller: &Caller, app_scope: bool) -> Vec<String> {
    let names = caller.roles.iter().flatten();
    let of_scope = |name: &&String| {
        policy.roles.iter().any(|role| role.id == **name && role.app_scope == app_scope)
    };
    with_included(policy, &names.filter(of_scope).cloned().collect::<Vec<_>>())
}

/// What a member has, as far as a key has it too: both with what they include.
fn narrowed(policy: &Policy, caller: &Caller, roles: &[String]) -> Vec<String> {
    let mut roles = with_included(policy, roles);
    if let (Some(named), true) = (&caller.roles, caller.api_key) {
        let named = with_included(policy, named);
        roles.retain(|role| named.contains(role));
    }
    roles
}

/// These roles, what they include, what that includes, until nothing is new.
fn with_included(policy: &Policy, roles: &[String]) -> Vec<String> {
    let mut all = roles.to_vec();
    let mut at = 0;
    while at < all.len() {
        let included = policy.roles.iter().filter(|role| role.id == all[at]);
        for other in included.flat_map(|role| &role.includes).cloned().collect::<Vec<_>>() {
            if !all.contains(&other) {
                all.push(other);
            }
        }
        at += 1;
    }
    all
}
