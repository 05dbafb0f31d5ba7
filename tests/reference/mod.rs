//! The slow evaluator: naive loops over plain structs, written from the document and sharing
//! nothing with `src/policy` but the words for reasons. What the compiled evaluator says must be
//! what this one says.

pub mod compare;
mod fields;
pub mod generate;

use fields::{limit, seen, unwritable};
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
    pub suspended: bool,
}

#[derive(Clone, Debug)]
pub struct App {
    pub id: String,
    pub active: bool,
    pub default_role: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Role {
    pub id: String,
    pub app_scope: bool,
    pub default: bool,
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
    pub suspended: bool,
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
    // 5. Membership. 6. Application.
    let names_org = |route: &Route| route.org_claim || captures(&route.pattern, "org");
    let implicit = policy.orgs.is_none() && !policy.routes.iter().any(names_org);
    let org = address(route, "org", route.org_claim, caller.org.as_deref(), &request.path);
    let org = org.map_err(|()| Reason::NotAMember)?;
    let mut roles = membership(policy, caller, org.as_deref(), implicit)?;
    let app = address(route, "app", route.app_claim, caller.app.as_deref(), &request.path);
    let app = app.ok().flatten();
    roles.extend(app_gate(policy, caller, org.as_deref(), implicit, app.as_deref())?);
    // 7. Restrictions are not enforced yet. 8. Grants.
    let mut held: Vec<(&Role, &str, char)> = Vec::new();
    for letter in letters.chars() {
        let before = held.len();
        for role in policy.roles.iter().filter(|role| roles.contains(&role.id)) {
            for (path, access) in &role.grants {
                if access.contains(letter)
                    && matches(path, &request.path)
                    && binds(path, &request.path, "org", org.as_deref())
                    && binds(path, &request.path, "app", app.as_deref())
                {
                    held.push((role, path, letter));
                }
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

// ---- paths ------------------------------------------------------------------------------

fn split(path: &str) -> Vec<&str> {
    path[1..].split('/').collect()
}

pub fn matches(pattern: &str, path: &str) -> bool {
    let path = split(path);
    let (node, subtree) = match pattern.strip_suffix("/**") {
        Some(node) => (node, true),
        None => (pattern, false),
    };
    let node: Vec<&str> = if node.is_empty() { Vec::new() } else { split(node) };
    if path.len() < node.len() || (!subtree && path.len() != node.len()) {
        return false;
    }
    node.iter().zip(&path).all(
        |(want, have)| {
            if want.starts_with('{') { !have.is_empty() } else { want == have }
        },
    )
}

fn captures(pattern: &str, name: &str) -> bool {
    position(pattern, name).is_some()
}

fn position(pattern: &str, name: &str) -> Option<usize> {
    split(pattern).iter().position(|segment| *segment == format!("{{{name}}}"))
}

/// Whether `{org}` or `{app}` in a pattern captures the addressed one.
fn binds(pattern: &str, path: &str, name: &str, addressed: Option<&str>) -> bool {
    match position(pattern, name) {
        None => true,
        Some(at) => addressed == Some(split(path)[at]),
    }
}

/// From the left: literal, then parameter, then `/**`.
fn kinds(pattern: &str) -> Vec<u8> {
    let kind = |segment: &str| match segment {
        "**" => 2,
        other if other.starts_with('{') => 1,
        _ => 0,
    };
    split(pattern).into_iter().map(kind).collect()
}

fn best_route<'a>(policy: &'a Policy, path: &str) -> Option<&'a Route> {
    let matching = policy.routes.iter().filter(|route| matches(&route.pattern, path));
    matching.min_by_key(|route| kinds(&route.pattern))
}

/// Whether two patterns have a path in common, by trying paths made of their own segments.
fn unify(a: &str, b: &str) -> bool {
    let mut words: Vec<&str> = split(a).into_iter().chain(split(b)).collect();
    words.retain(|word| !word.starts_with('{') && *word != "**");
    words.push("x");
    words.sort();
    words.dedup();
    let longest = split(a).len().max(split(b).len());
    let mut paths = vec![String::new()];
    for _ in 0..longest {
        let longer = |path: &String| {
            let path = path.clone();
            words.clone().into_iter().map(move |word| format!("{path}/{word}"))
        };
        let more: Vec<String> = paths.iter().flat_map(longer).collect();
        if more.iter().any(|path| matches(a, path) && matches(b, path)) {
            return true;
        }
        paths = more;
    }
    matches(a, "/") && matches(b, "/")
}

// ---- who and where ----------------------------------------------------------------------

fn letters(route: Option<&Route>, method: &str) -> Option<String> {
    let upsert = route.is_some_and(|route| route.upsert);
    Some(match method {
        "GET" | "HEAD" => "r".into(),
        "POST" => route.and_then(|route| route.post).unwrap_or('c').to_string(),
        "PUT" | "PATCH" if upsert => "cu".into(),
        "PUT" | "PATCH" => "u".into(),
        "DELETE" => "d".into(),
        _ => return None,
    })
}

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
            let member = member(policy, caller, org).ok_or(Reason::NotAMember)?;
            Ok(narrowed(caller, &member.roles))
        }
    }
}

fn app_gate(
    policy: &Policy,
    caller: &Caller,
    org: Option<&str>,
    implicit: bool,
    app: Option<&str>,
) -> Result<Vec<String>, Reason> {
    let Some(app) = app else {
        return if caller.app.is_some() { Err(Reason::NoAppAccess) } else { Ok(Vec::new()) };
    };
    let known = policy.apps.iter().find(|known| known.id == app).ok_or(Reason::AppNotAssigned)?;
    let assigned = match (org, &policy.orgs) {
        (None, _) => implicit,
        (Some(_), None) => true,
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
        None if caller.app.is_none() => return Err(Reason::NoAppAccess),
        None => claimed(policy, caller, true),
        Some(_) => {
            let member = member(policy, caller, org).ok_or(Reason::NoAppAccess)?;
            let access = member.apps.iter().find(|(id, _)| id == app);
            access.ok_or(Reason::NoAppAccess)?.1.clone()
        }
    };
    if !known.active {
        return Err(Reason::AppInactive);
    }
    let acting = if listed.is_empty() { default_roles(policy, known) } else { listed };
    // Claimed roles are what the credential says; only listed ones can be narrowed by a key.
    Ok(if policy.members.is_some() { narrowed(caller, &acting) } else { acting })
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

fn member<'a>(policy: &'a Policy, caller: &Caller, org: Option<&str>) -> Option<&'a Member> {
    let members = policy.members.as_ref()?;
    members.iter().find(|member| {
        member.user == caller.user && member.org.as_deref() == org && !member.suspended
    })
}

fn claimed(policy: &Policy, caller: &Caller, app_scope: bool) -> Vec<String> {
    let names = caller.roles.iter().flatten();
    let of_scope = |name: &&String| {
        policy.roles.iter().any(|role| role.id == **name && role.app_scope == app_scope)
    };
    names.filter(of_scope).cloned().collect()
}

fn narrowed(caller: &Caller, roles: &[String]) -> Vec<String> {
    let let_through = |role: &&String| match (&caller.roles, caller.api_key) {
        (Some(named), true) => named.contains(role),
        _ => true,
    };
    roles.iter().filter(let_through).cloned().collect()
}
