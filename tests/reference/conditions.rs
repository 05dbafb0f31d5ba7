//! Step 8: the grants that hold, and what `when`, `query`, `owner`, `keep` and `require` ask.

use super::Held;
use super::fields::{is_unmapped, limits};
use super::model::{Grant, Owner, Route};
use super::paths::{Here, position, speaks, split};
use super::standing::{Asked, Standing};
use portcullis::decide::Reason;
use serde_json::Value;
use std::collections::BTreeMap;

/// The grants for one letter.
#[derive(Debug, Default)]
pub struct Found<'a> {
    /// They hold, whatever the response says.
    pub certain: Vec<Held<'a>>,
    /// They hold for rows of the response that are as they say.
    pub in_rows: Vec<Held<'a>>,
    /// Their heads are as they should be, and bodies decide.
    waiting: Vec<Held<'a>>,
    failed: Vec<Reason>,
}

/// A caller that stands somewhere, and asks.
pub struct Judge<'j, 'a> {
    pub asked: &'j Asked<'a>,
    pub standing: &'j Standing,
}

impl<'a> Judge<'_, 'a> {
    /// The grants that hold, for each letter that is needed; each must have one. First what the
    /// heads say of all of them, then what bodies say.
    pub fn grants(&self, letters: &str) -> Result<Vec<Found<'a>>, Reason> {
        let mut all = Vec::new();
        for letter in letters.chars() {
            let found = self.by_head(letter)?;
            if found.certain.is_empty() && found.waiting.is_empty() {
                return Err(found.reason());
            }
            all.push(found);
        }
        for found in &mut all {
            // Where all is shown, bodies have nothing to add, and are not asked.
            if !found.certain.is_empty() && self.shows_all(&found.certain) {
                found.waiting.clear();
            }
            for held in std::mem::take(&mut found.waiting) {
                match self.by_body(&held) {
                    Ok(true) => found.in_rows.push(held),
                    Ok(false) => found.certain.push(held),
                    Err(reason) => found.failed.push(reason),
                }
            }
            if found.certain.is_empty() && found.in_rows.is_empty() {
                return Err(found.reason());
            }
        }
        Ok(all)
    }

    /// Whether the `when` of a route holds.
    pub fn route_holds(&self, route: &Route) -> Result<bool, Reason> {
        self.when(route.when.as_ref(), &route.pattern)
    }

    fn shows_all(&self, held: &[Held<'_>]) -> bool {
        limits(self.asked.policy, held, &self.here(), false).is_empty()
    }

    /// Where the request is.
    pub fn here(&self) -> Here<'_> {
        let Standing { org, app, .. } = self.standing;
        Here { path: &self.asked.request.path, org: org.as_deref(), app: app.as_deref() }
    }

    fn by_head(&self, letter: char) -> Result<Found<'a>, Reason> {
        let mut found = Found::default();
        for held in self.matching(letter) {
            let when = self.when(held.grant.when.as_ref(), &held.grant.path)?;
            let grant = held.grant;
            let listed = |names: &Vec<String>| {
                self.asked.request.query.iter().all(|(name, _)| names.contains(name))
            };
            match (when, grant.query.as_ref().is_none_or(listed)) {
                (false, _) => found.failed.push(Reason::ConditionFailed),
                (_, false) => found.failed.push(Reason::QueryNotAllowed),
                _ if is_unmapped(self.asked.policy, &held, &self.here()) => {
                    found.failed.push(Reason::Unmapped);
                }
                _ if grant.asks_bodies() => found.waiting.push(held),
                _ => found.certain.push(held),
            }
        }
        Ok(found)
    }

    /// The grants of the caller's roles, and of everybody, that speak of the request.
    fn matching(&self, letter: char) -> Vec<Held<'a>> {
        let policy = self.asked.policy;
        let own = |id: &String| self.standing.roles.contains(id);
        let of_roles = policy.roles.iter().filter(|role| own(&role.id)).flat_map(|role| {
            let defaults = match role.is_app_scope() {
                true => &policy.role_defaults.app,
                false => &policy.role_defaults.org,
            };
            let all = role.grants.iter().chain(defaults);
            all.map(move |grant| Held { role: Some(role), grant, letter })
        });
        let any = policy.role_defaults.any.iter();
        let of_everybody = any.map(|grant| Held { role: None, grant, letter });
        let place = (self.standing.org.as_deref(), self.standing.app.as_deref());
        let speaks =
            |held: &Held<'_>| speaks(held.grant, &letter.to_string(), self.asked.request, place);
        of_roles.chain(of_everybody).filter(speaks).collect()
    }

    // ---- heads --------------------------------------------------------------------------

    /// All tests must hold. One that has two answers makes the request ambiguous, whatever the
    /// others say.
    fn when(&self, when: Option<&BTreeMap<String, Value>>, pattern: &str) -> Result<bool, Reason> {
        let mut all = true;
        for (selector, wanted) in when.into_iter().flatten() {
            all &= self.test(selector, wanted, pattern)?;
        }
        Ok(all)
    }

    fn test(&self, selector: &str, wanted: &Value, pattern: &str) -> Result<bool, Reason> {
        let request = self.asked.request;
        if selector == "time" {
            return Ok(each(wanted).into_iter().any(|window| is_within(window, request.now)));
        }
        if selector == "client.ip" {
            return Ok(each(wanted).into_iter().any(|block| is_in_block(block, &request.ip)));
        }
        let (kind, name) = selector.split_once('.').expect("selectors have names");
        let values = match kind {
            "param" => {
                let segment = position(pattern, name).map(|at| split(&request.path)[at]);
                segment.into_iter().map(str::to_owned).collect()
            }
            "query" => {
                let same = request.query.iter().filter(|(key, _)| key == name);
                only_one(same.map(|(_, value)| value.clone()).collect())?
            }
            "header" => request.header(name)?.into_iter().collect(),
            "claims" => self.claims(name),
            other => panic!("a selector of {other}"),
        };
        let among = self.values(wanted);
        Ok(values.iter().any(|value| among.contains(value)))
    }

    // ---- values -------------------------------------------------------------------------

    /// Everything that a value, or a list of them, says.
    fn values(&self, wanted: &Value) -> Vec<String> {
        each(wanted).into_iter().flat_map(|value| self.value(value)).collect()
    }

    fn value(&self, value: &Value) -> Vec<String> {
        let Value::String(text) = value else { return vec![value.to_string()] };
        if let Some(name) = text.strip_prefix("claims.") {
            return self.claims(name);
        }
        match text.strip_prefix("subject.") {
            Some(fact) => self.fact(fact),
            None => vec![text.clone()],
        }
    }

    fn fact(&self, fact: &str) -> Vec<String> {
        let (policy, caller) = (self.asked.policy, self.asked.caller);
        let roles = &self.standing.roles;
        let some_of = |ids: &Vec<String>| ids.iter().any(|id| roles.contains(id));
        let ids = |by: &dyn Fn(&super::Role) -> bool| {
            policy.roles.iter().filter(|role| by(role)).map(|role| role.id.clone()).collect()
        };
        match fact {
            "id" => vec![caller.user.clone()],
            "email" => caller.email.iter().cloned().collect(),
            "org" => self.standing.org.iter().cloned().collect(),
            "app" => self.standing.app.iter().cloned().collect(),
            "roles" => roles.clone(),
            "apps" => self.asked.apps(self.standing),
            "orgs" => self.asked.orgs(),
            "visible_roles" => {
                ids(&|role| some_of(&role.visible_to) || some_of(&role.assignable_by))
            }
            // What reaches other organizations can be bound in operators' alone.
            "assignable_roles" => {
                let org = self.standing.org.as_deref().and_then(|id| policy.org(id));
                let operates = org.is_some_and(|org| org.operator);
                ids(&|role| some_of(&role.assignable_by) && (operates || !policy.reaches(role)))
            }
            other => panic!("no fact about callers is {other}"),
        }
    }

    fn claims(&self, name: &str) -> Vec<String> {
        let caller = self.asked.caller;
        match (caller.claims.get(name), name) {
            (Some(values), _) => values.clone(),
            (None, "roles") => caller.roles.clone().unwrap_or_default(),
            (None, _) => caller.claim(name).into_iter().collect(),
        }
    }

    // ---- bodies -------------------------------------------------------------------------

    /// Whether a grant holds for rows only, or why it does not hold at all.
    fn by_body(&self, held: &Held<'_>) -> Result<bool, Reason> {
        let grant = held.grant;
        if let Some(require) = &grant.require
            && !self.has_value(held.letter, &require.field, &self.values(&require.among))
        {
            return Err(Reason::ValueNotAllowed);
        }
        let mut in_rows = grant.keep.is_some();
        if let Some(owner) = &grant.owner {
            let looks_at = self.object(grant, owner, held.letter);
            in_rows |= held.letter == 'r' && looks_at.is_none();
            let is_owned = looks_at.is_none_or(|path| self.is_owned(held, owner, &path));
            if !is_owned || !self.stays_owned(held.letter, owner) {
                return Err(Reason::NotOwner);
            }
        }
        Ok(in_rows)
    }

    /// The object whose owner must be known before the request is sent. What is only read can be
    /// judged when it comes, and what is made is in the body.
    fn object(&self, grant: &Grant, owner: &Owner, letter: char) -> Option<String> {
        let path = &self.asked.request.path;
        let Some(of) = &owner.of else {
            return matches!(letter, 'u' | 'd').then(|| path.clone());
        };
        let segment = |segment: &str| match segment.strip_prefix('{') {
            None => format!("/{segment}"),
            Some(name) => {
                let at = position(&grant.path, name.trim_end_matches('}')).unwrap();
                format!("/{}", split(path)[at])
            }
        };
        Some(of.split('/').skip(1).map(segment).collect())
    }

    fn is_owned(&self, held: &Held<'_>, owner: &Owner, path: &str) -> bool {
        match self.asked.request.stored.get(path) {
            // What is missing can be made, and nothing else.
            None => matches!(held.letter, 'c' | 'u') && held.grant.access.contains('c'),
            Some(object) => {
                let who = self.owners(owner);
                at(object, &owner.field).iter().any(|value| is_one_of(value, &who))
            }
        }
    }

    /// A body that carries the field carries the caller; so does each element of a list.
    fn stays_owned(&self, letter: char, owner: &Owner) -> bool {
        let who = self.owners(owner);
        let is_own = |value: &&Value| is_one_of(value, &who);
        match &self.asked.request.body {
            None => true,
            // A list in the place of an object takes its owner away.
            Some(Value::Array(_)) if self.changes_in_part(letter) => false,
            Some(Value::Array(items)) => items.iter().all(|item| {
                let values = at(item, &owner.field);
                values.iter().all(is_own)
            }),
            Some(body) => match at(body, &owner.field) {
                values if !values.is_empty() => values.iter().any(is_own),
                _ => !self.changes_in_part(letter) || leads_on(body, &owner.field),
            },
        }
    }

    /// The caller, or what `is` says of it; nobody, where a part of that is not one text.
    pub fn owners(&self, owner: &Owner) -> Vec<String> {
        let Some(template) = &owner.is else { return vec![self.asked.caller.user.clone()] };
        if !template.contains('{') {
            return self.value(&Value::from(template.as_str()));
        }
        let mut text = String::new();
        for piece in template.split_inclusive('}') {
            let (literal, fact) = piece.split_once('{').unwrap_or((piece, ""));
            text.push_str(literal);
            if let Some(fact) = fact.strip_suffix('}') {
                match self.value(&Value::from(fact)).as_slice() {
                    [only] => text.push_str(only),
                    _ => return Vec::new(),
                }
            }
        }
        vec![text]
    }

    /// Whether the body has one of these values. Only a change that leaves the value as it is may
    /// be silent about it.
    fn has_value(&self, letter: char, field: &str, among: &[String]) -> bool {
        let writes = matches!(letter, 'c' | 'u');
        let Some(body) = &self.asked.request.body else { return !writes };
        let values = at(body, field);
        match values.is_empty() {
            true => !writes || (self.changes_in_part(letter) && leads_on(body, field)),
            false => values.iter().all(|value| is_one_of(value, among)),
        }
    }

    fn changes_in_part(&self, letter: char) -> bool {
        letter == 'u' && self.asked.merges()
    }

    /// Whether a row is one that a grant holds for.
    pub fn holds_for(&self, grant: &Grant, row: &Value) -> bool {
        let is = |field: &str, among: Vec<String>| {
            at(row, field).iter().any(|value| is_one_of(value, &among))
        };
        let owned = grant.owner.as_ref().is_none_or(|owner| is(&owner.field, self.owners(owner)));
        owned && grant.keep.as_ref().is_none_or(|keep| is(&keep.field, self.values(&keep.among)))
    }
}

impl Found<'_> {
    /// Why nothing holds: 404 if only owner rules failed, for the object is then as good as missing.
    fn reason(&self) -> Reason {
        let order = [
            Reason::Unmapped,
            Reason::ValueNotAllowed,
            Reason::ConditionFailed,
            Reason::QueryNotAllowed,
        ];
        let first = order.into_iter().find(|reason| self.failed.contains(reason));
        first.or(self.failed.first().copied()).unwrap_or(Reason::NoGrant)
    }
}

/// What stands at a pointer in which `*` is every element or member.
pub fn at<'v>(value: &'v Value, pointer: &str) -> Vec<&'v Value> {
    let mut found = vec![value];
    for token in pointer.split('/').skip(1) {
        found = found
            .into_iter()
            .flat_map(|value| match (value, token) {
                (Value::Array(items), "*") => items.iter().collect(),
                (Value::Object(members), "*") => members.values().collect(),
                (Value::Object(members), name) => members.get(name).into_iter().collect(),
                _ => Vec::new(),
            })
            .collect();
    }
    found
}

/// Whether a change that does not name a field leaves it as it is: nothing above it is replaced, as
/// a list and all that is no object would be.
fn leads_on(body: &Value, pointer: &str) -> bool {
    let ends = pointer.match_indices('/').map(|(end, _)| end);
    ends.flat_map(|end| at(body, &pointer[..end])).all(Value::is_object)
}

fn is_one_of(value: &Value, among: &[String]) -> bool {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return false,
    };
    among.contains(&text)
}

fn each(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn only_one(values: Vec<String>) -> Result<Vec<String>, Reason> {
    if values.len() > 1 { Err(Reason::BadRequest) } else { Ok(values) }
}

/// Windows of the generators: from one second of 1970 to, and without, another.
fn is_within(window: &Value, now: u64) -> bool {
    let (from, to) = window.as_str().and_then(|text| text.split_once('/')).expect("a window");
    let second = |text: &str| (text != "..").then(|| super::model::second(text));
    second(from).is_none_or(|from| from <= now) && second(to).is_none_or(|to| now < to)
}

/// Blocks of the generators: of IPv4, by whole numbers.
fn is_in_block(block: &Value, ip: &str) -> bool {
    let (network, length) = block.as_str().and_then(|text| text.split_once('/')).expect("a block");
    let bits = |text: &str| -> u32 { text.parse::<std::net::Ipv4Addr>().unwrap().into() };
    let kept: u32 = length.parse().unwrap();
    let mask = u32::MAX.checked_shl(32 - kept).unwrap_or(0);
    bits(network) & mask == bits(ip) & mask
}
