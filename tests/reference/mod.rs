//! The slow evaluator: naive loops over plain structs, written from the document and sharing
//! nothing with `src/policy` and `src/decide` but the words for reasons. What the compiled evaluator
//! says must be what this one says.

mod carried;
mod compare;
mod compiled;
mod conditions;
mod coverage;
pub(crate) mod dice;
mod fields;
mod generate;
mod hosts;
mod keywords;
mod metamorphic;
mod model;
mod paths;
mod rows;
mod shrink;
mod standing;

use conditions::{Found, Judge};
use fields::{Limit, limits, refused, seen, together};
use model::{Grant, Policy, Request, Role, Route};
use paths::{best_route, letters, speaks};
use portcullis::decide::Reason;
use rows::{rows, shared};
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
        // A header that says what is addressed has one reading, also where nobody looks.
        return route
            .as_ref()
            .map_or(Ok(()), |route| one_reading(route, request))
            .map(|()| Verdict::Public);
    }
    // 4. Authenticate, then the route.
    let caller = request.caller.as_ref().ok_or(Reason::Unauthenticated)?;
    let route = &route.ok_or(Reason::NoRoute)?;
    // 5. Membership. 6. Application.
    let asked = Asked { policy, request, caller, route };
    let standing = asked.standing()?;
    let judge = Judge { asked: &asked, standing: &standing };
    if !judge.route_holds(route)? {
        return Err(Reason::ConditionFailed);
    }
    // 7. Restrictions: whatever grants say, and in any order.
    if denied(policy, request, &letters, &standing) {
        return Err(Reason::Restricted);
    }
    // 8. Grants, for each letter.
    let found = judge.grants(&letters)?;
    let named = |held: Vec<&Held<'_>>| {
        let mut named: Vec<_> = held.into_iter().map(Held::name).collect();
        named.sort();
        named.dedup();
        named
    };
    let all = found.iter().flat_map(|found| found.certain.iter().chain(&found.in_rows));
    let grants = named(all.collect());
    // 9. and 11. Masks, for each letter: a field must pass for all.
    let limits = bodies(&judge, &found);
    let sent = request.body.as_ref().map_or(Ok(()), |body| refused(&limits, body, asked.merges()));
    let seen = match found.iter().find(|found| !found.in_rows.is_empty()) {
        Some(found) => rows(&judge, (&found.certain, &found.in_rows), &request.answer),
        None => seen(&limits, &request.answer),
    };
    Ok(Verdict::Allowed(Allowed {
        route: route.name(),
        roles: standing.roles.clone(),
        grants,
        seen,
        sent,
        erases_hidden: limits.iter().any(Limit::says_something)
            && request.method == "PUT"
            && !asked.merges(),
    }))
}

/// What limits the bodies, but for rows.
fn bodies<'a>(judge: &Judge<'_, 'a>, found: &[Found<'a>]) -> Vec<Limit<'a>> {
    let request = judge.asked.request;
    let limits = |held: &[Held<'a>]| {
        let element = held.iter().any(|held| is_element(request, held.letter));
        limits(judge.asked.policy, held, &judge.here(), element)
    };
    together(found.iter().map(|found| match found.in_rows.is_empty() {
        true => limits(&found.certain),
        false => shared(judge, &found.certain, &found.in_rows),
    }))
}

fn one_reading(route: &Route, request: &Request) -> Result<(), Reason> {
    let headers = [&route.org, &route.app].into_iter().flatten();
    let mut headers = headers.filter_map(|address| address.strip_prefix("header."));
    headers.try_for_each(|name| request.header(name).map(|_| ()))
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

impl Held<'_> {
    /// Role and path.
    fn name(&self) -> (String, String) {
        let role = self.role.map_or("any", |role| &role.id);
        (role.to_owned(), self.grant.path.clone())
    }
}
