//! The slow evaluator: naive loops over plain structs, written from the document and sharing
//! nothing with `src/policy` and `src/decide` but the words for reasons. What the compiled evaluator
//! says must be what this one says.

mod compare;
mod compiled;
mod coverage;
mod dice;
mod fields;
mod generate;
mod metamorphic;
mod model;
mod paths;
mod shrink;
mod standing;

use fields::{Limit, limits, refused, seen};
use model::{Grant, Policy, Request, Role};
use paths::{best_route, letters, speaks};
use portcullis::decide::Reason;
use serde_json::Value;
use standing::{Asked, Standing};

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Refused(Reason),
    Public,
    Allowed(Allowed),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Allowed {
    pub route: String,
    /// Roles that count, by id, sorted.
    pub roles: Vec<String>,
    /// Grants that hold: role and path, sorted.
    pub grants: Vec<(String, String)>,
    /// What the caller sees of the answer.
    pub seen: Result<Value, Reason>,
    /// Whether the body may be sent, and if not, why and where.
    pub sent: Result<(), (Reason, Vec<String>)>,
    pub erases_hidden: bool,
}

/// A grant that holds, for one letter, and whose it is; nobody's, if every caller has it.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    pub role: Option<&'a Role>,
    pub grant: &'a Grant,
    pub letter: char,
}

pub fn evaluate(policy: &Policy, request: &Request) -> Verdict {
    match judge(policy, request) {
        Ok(verdict) => verdict,
        Err(reason) => Verdict::Refused(reason),
    }
}

/// The decision, in the order of the document.
fn judge(policy: &Policy, request: &Request) -> Result<Verdict, Reason> {
    // 2. Method. 3. Route.
    let route = best_route(policy, request);
    let letters = letters(route.as_ref(), &request.method).ok_or(Reason::BadMethod)?;
    let public = route.as_ref().and_then(|route| route.public.clone()).unwrap_or_default();
    if letters.chars().all(|letter| public.contains(letter)) {
        return Ok(Verdict::Public);
    }
    // 4. Authenticate, then the route.
    let caller = request.caller.as_ref().ok_or(Reason::Unauthenticated)?;
    let route = &route.ok_or(Reason::NoRoute)?;
    // 5. Membership. 6. Application.
    let asked = Asked { policy, request, caller, route };
    let standing = asked.standing()?;
    // 7. Restrictions: whatever grants say, and in any order.
    if denied(policy, request, &letters, &standing) {
        return Err(Reason::Restricted);
    }
    // 8. Grants, for each letter.
    let mut held = Vec::new();
    for letter in letters.chars() {
        let found = grants(&asked, letter, &standing)?;
        held.extend(found);
    }
    // 9. and 11. Masks, for each letter: a field must pass for all.
    let mut limits = Vec::new();
    for letter in letters.chars() {
        let held: Vec<_> = held.iter().filter(|held| held.letter == letter).copied().collect();
        limits.extend(self::limits(policy, &held, &request.path, is_element(request, letter))?);
    }
    let mut grants: Vec<_> = held.iter().map(Held::name).collect();
    grants.sort();
    grants.dedup();
    let merges = route.update.as_deref() == Some("merge");
    Ok(Verdict::Allowed(Allowed {
        route: route.pattern.clone(),
        roles: standing.roles,
        grants,
        seen: seen(&limits, &request.answer),
        sent: refused(&limits, &request.body),
        erases_hidden: limits.iter().any(Limit::says_something)
            && request.method == "PUT"
            && !merges,
    }))
}

/// Whether a POST sends one more element of what the path holds. One that only reads sends a
/// question.
fn is_element(request: &Request, letter: char) -> bool {
    letter != 'r' && request.method == "POST"
}

fn denied(policy: &Policy, request: &Request, letters: &str, standing: &Standing) -> bool {
    let place = (standing.org.as_deref(), standing.app.as_deref());
    let attached = policy.restrictions.iter().filter(|one| standing.restrictions.contains(&one.id));
    attached.flat_map(|one| &one.deny).any(|denial| speaks(denial, letters, request, place))
}

/// The grants that hold for a letter; there must be one.
fn grants<'a>(
    asked: &Asked<'a>,
    letter: char,
    standing: &Standing,
) -> Result<Vec<Held<'a>>, Reason> {
    let policy = asked.policy;
    let roles = policy.roles.iter().filter(|role| standing.roles.contains(&role.id));
    let of_roles = roles.flat_map(|role| {
        let defaults = match role.is_app_scope() {
            true => &policy.role_defaults.app,
            false => &policy.role_defaults.org,
        };
        role.grants.iter().chain(defaults).map(move |grant| Held {
            role: Some(role),
            grant,
            letter,
        })
    });
    let of_everybody =
        policy.role_defaults.any.iter().map(|grant| Held { role: None, grant, letter });
    let place = (standing.org.as_deref(), standing.app.as_deref());
    let matching: Vec<_> = of_roles
        .chain(of_everybody)
        .filter(|held| speaks(held.grant, &letter.to_string(), asked.request, place))
        .collect();
    if matching.is_empty() { Err(Reason::NoGrant) } else { Ok(matching) }
}

impl Held<'_> {
    /// Role and path.
    fn name(&self) -> (String, String) {
        let role = self.role.map_or("any", |role| &role.id);
        (role.to_owned(), self.grant.path.clone())
    }
}
