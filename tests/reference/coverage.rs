//! The comparison is worth what its cases reach: all of the decision, and every feature on its own.

use super::compare::{cases, kind};
use super::model::{Grant, Policy, Request, Route};
use super::standing::Asked;
use super::{Allowed, Verdict, evaluate};
use portcullis::decide::Reason;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the first cases of a normal run must reach, and how often at least.
const FLOORS: &[(&str, u32)] = &[
    ("granted", 4100),
    ("public", 900),
    ("bad_method", 400),
    ("unauthenticated", 600),
    ("no_route", 2000),
    ("not_a_member", 5300),
    ("app_not_assigned", 700),
    ("no_app_access", 2000),
    ("app_inactive", 200),
    ("restricted", 700),
    ("no_grant", 6500),
    ("bad_request", 200),
    ("condition_failed", 100),
    ("query_not_allowed", 30),
    ("not_owner", 100),
    ("value_not_allowed", 100),
    ("rows that go", 100),
    ("a row that is missing", 20),
    ("rows with masks of their own", 5),
    ("an owner of a stored object", 10),
    ("a condition that holds", 100),
    ("a role that travels", 10),
    ("a role of a token beside the list", 90),
    ("a member by its token alone", 20),
    ("an organization of a host", 10),
    ("an organization of a header", 300),
    ("a grant for a host", 200),
    ("fields that become null", 70),
    ("a value that is not allowed", 6),
    ("unmapped", 100),
    ("a suspended user", 300),
    ("fields hidden", 600),
    ("another shape", 200),
    ("fields not writable", 200),
    ("a value of a wrong type", 70),
    ("hidden fields at risk", 100),
    ("several grants", 1700),
    ("an upsert", 200),
    ("entry that was derived", 200),
    ("what every caller may do", 700),
    ("what every role may do", 60),
    ("a grant through a group alone", 70),
    ("a grant of an included role", 50),
    ("roles that a key narrows", 400),
    ("roles of a token", 1300),
    ("roles of one organization", 20),
    ("a place of another organization", 20),
];

#[test]
fn the_generated_cases_reach_every_outcome() {
    let mut seen = BTreeMap::<&str, u32>::new();
    for (policy, requests) in cases(20_261_121, 2_500) {
        for request in &requests {
            let verdict = evaluate(&policy, request);
            for outcome in outcomes(&policy, request, &verdict) {
                *seen.entry(outcome).or_default() += 1;
            }
        }
    }
    for (outcome, floor) in FLOORS {
        let count = seen.get(outcome).copied().unwrap_or_default();
        assert!(count >= *floor, "{outcome}: {count} of {floor}: {seen:?}");
    }
    let unknown = seen.keys().find(|outcome| FLOORS.iter().all(|(known, _)| known != *outcome));
    assert_eq!(unknown, None, "this outcome has no floor");
}

fn outcomes(policy: &Policy, request: &Request, verdict: &Verdict) -> Vec<&'static str> {
    let mut found = vec![kind(verdict)];
    let suspended = |caller: &super::model::Caller| {
        policy.users.iter().any(|user| user.id == caller.user && user.status.is_some())
    };
    if request.caller.as_ref().is_some_and(suspended) {
        found.push("a suspended user");
    }
    // Where every such path is the place of the type, it is known what to hide.
    if *verdict == Verdict::Refused(Reason::Unmapped) {
        let mut everywhere = policy.clone();
        bind_nothing(&mut everywhere);
        if evaluate(&everywhere, request) != *verdict {
            found.push("a place of another organization");
        }
    }
    if let Verdict::Allowed(allowed) = verdict {
        let asked = Allow { policy, request, allowed };
        found.extend(asked.bodies());
        found.extend(asked.ways());
    }
    found
}

/// An allowed request.
struct Allow<'a> {
    policy: &'a Policy,
    request: &'a Request,
    allowed: &'a Allowed,
}

impl Allow<'_> {
    /// What becomes of its bodies.
    fn bodies(&self) -> Vec<&'static str> {
        let allowed = self.allowed;
        let sent = allowed.sent.as_ref().err().map(|(reason, _)| *reason);
        let all = [
            ("fields hidden", allowed.seen.as_ref().is_ok_and(|seen| *seen != self.request.answer)),
            ("another shape", allowed.seen == Err(Reason::Shape)),
            ("fields not writable", sent == Some(Reason::FieldNotWritable)),
            ("a value of a wrong type", sent == Some(Reason::ValueInvalid)),
            ("hidden fields at risk", allowed.erases_hidden),
            ("fields that become null", self.differs(without_nulls)),
            ("a value that is not allowed", sent.is_some() && self.is_sent(without_keywords)),
            ("rows that go", self.differs(without_rows)),
            ("a row that is missing", allowed.seen == Err(Reason::NotOwner)),
            ("rows with masks of their own", self.rows_differ()),
        ];
        reached(all)
    }

    /// How it came to be allowed.
    fn ways(&self) -> Vec<&'static str> {
        let caller = self.request.caller.as_ref().unwrap();
        let directory = self.policy.membership() != "token";
        let narrowed = directory && caller.api_key && caller.roles.is_some();
        let all = [
            ("several grants", self.allowed.grants.len() > 1),
            ("an upsert", self.is_upsert()),
            ("entry that was derived", self.entry_is_derived()),
            ("what every caller may do", self.allowed.grants.iter().all(|(role, _)| role == "any")),
            ("what every role may do", self.grants_are_defaults()),
            ("a grant through a group alone", directory && self.needs(without_groups)),
            ("a grant of an included role", self.needs(without_includes)),
            ("roles that a key narrows", narrowed),
            ("a role that travels", self.needs(without_reach)),
            ("a role of a token beside the list", self.needs(without_claims)),
            ("a member by its token alone", self.is_unlisted()),
            ("an organization of a host", self.org_is_of("host.") || self.is_on_host("{org}.")),
            ("an organization of a header", self.org_is_of("header.")),
            ("a grant for a host", self.needs(without_hosts)),
            ("an owner of a stored object", self.needs(without_objects)),
            ("a condition that holds", self.needs(without_conditional)),
            ("roles of a token", !directory && !self.allowed.roles.is_empty()),
            ("roles of one organization", self.roles_are_of_one()),
        ];
        reached(all)
    }

    fn route(&self) -> Route {
        let mut routes = self.policy.routes().into_iter();
        routes.find(|route| route.name() == self.allowed.route).unwrap()
    }

    fn org_is_of(&self, source: &str) -> bool {
        self.route().org.is_some_and(|org| org.starts_with(source))
    }

    fn is_on_host(&self, start: &str) -> bool {
        self.allowed.route.starts_with(start)
    }

    /// Whether claimed roles made the caller a member, where members are listed.
    fn is_unlisted(&self) -> bool {
        let user = &self.request.caller.as_ref().unwrap().user;
        let listed = self.policy.members.iter().flatten().any(|member| member.user == *user);
        self.policy.membership() == "both" && !self.allowed.roles.is_empty() && !listed
    }

    /// Whether it is another request where no roles are claimed of single organizations.
    fn roles_are_of_one(&self) -> bool {
        let mut request = self.request.clone();
        request.caller.iter_mut().for_each(|caller| caller.roles_by_org.clear());
        evaluate(self.policy, &request) != Verdict::Allowed(self.allowed.clone())
    }

    fn is_upsert(&self) -> bool {
        self.route().upsert && ["PUT", "PATCH"].contains(&self.request.method.as_str())
    }

    /// Whether the request is refused where the policy lacks something.
    fn needs(&self, without: impl Fn(&mut Policy)) -> bool {
        let mut policy = self.policy.clone();
        without(&mut policy);
        matches!(evaluate(&policy, self.request), Verdict::Refused(_))
    }

    /// Whether the answer looks another way where the policy lacks something.
    fn differs(&self, without: impl Fn(&mut Policy)) -> bool {
        let mut policy = self.policy.clone();
        without(&mut policy);
        match evaluate(&policy, self.request) {
            Verdict::Allowed(other) => other.seen.is_ok() && other.seen != self.allowed.seen,
            _ => false,
        }
    }

    /// Whether the body may be sent where the policy lacks something.
    fn is_sent(&self, without: impl Fn(&mut Policy)) -> bool {
        let mut policy = self.policy.clone();
        without(&mut policy);
        matches!(evaluate(&policy, self.request), Verdict::Allowed(other) if other.sent.is_ok())
    }

    /// Whether one row shows fields that another one hides.
    fn rows_differ(&self) -> bool {
        let Ok(seen) = &self.allowed.seen else { return false };
        let rows = |document: &Value| document["data"].as_array().cloned().unwrap_or_default();
        let whole = |row: &Value| rows(&self.request.answer).contains(row);
        let shown = rows(seen);
        self.differs(without_rows) && shown.iter().any(whole) && !shown.iter().all(whole)
    }

    /// Whether all grants are defaults of the scope of their roles.
    fn grants_are_defaults(&self) -> bool {
        let own = |role: &str, path: &str| {
            let role = self.policy.role(role);
            role.is_none_or(|role| role.grants.iter().any(|grant: &Grant| grant.path == path))
        };
        self.allowed.grants.iter().all(|(role, path)| !own(role, path))
    }

    /// Whether a member is in an application that it was not given.
    fn entry_is_derived(&self) -> bool {
        let caller = self.request.caller.as_ref().unwrap();
        let route = &self.route();
        let asked = Asked { policy: self.policy, request: self.request, caller, route };
        let Ok(standing) = asked.standing() else { return false };
        standing.app.is_some_and(|app| {
            let mut known = self.policy.applications.iter();
            let app = known.find(|known| known.id == app).unwrap();
            asked.given(standing.org.as_deref(), app).is_none()
        })
    }
}

fn reached<const N: usize>(all: [(&'static str, bool); N]) -> Vec<&'static str> {
    all.into_iter().filter_map(|(outcome, is)| is.then_some(outcome)).collect()
}

fn without_groups(policy: &mut Policy) {
    policy.groups.iter_mut().for_each(Vec::clear);
}

fn without_includes(policy: &mut Policy) {
    policy.roles.iter_mut().for_each(|role| role.includes.clear());
}

/// The policy with every grant.
fn each_grant(policy: &mut Policy, change: impl Fn(&mut Vec<Grant>)) {
    policy.roles.iter_mut().for_each(|role| change(&mut role.grants));
    let defaults = &mut policy.role_defaults;
    [&mut defaults.app, &mut defaults.org, &mut defaults.any].into_iter().for_each(change);
}

/// Grants hold for all rows.
fn without_rows(policy: &mut Policy) {
    each_grant(policy, |grants| {
        for grant in grants {
            grant.keep = None;
            grant.owner = grant.owner.take().filter(|owner| owner.of.is_some());
        }
    });
}

fn without_objects(policy: &mut Policy) {
    each_grant(policy, |grants| {
        grants.retain(|grant| grant.owner.as_ref().is_none_or(|owner| owner.of.is_none()));
    });
}

fn without_conditional(policy: &mut Policy) {
    each_grant(policy, |grants| grants.retain(|grant| grant.when.is_none()));
}

/// Types whose objects are on the same paths, whatever a request addresses.
fn bind_nothing(policy: &mut Policy) {
    for at in policy.resource_types.iter_mut().flat_map(|of| &mut of.at) {
        at.path = at.path.replace("{org}", "{o}").replace("{app}", "{a}");
    }
}

fn without_reach(policy: &mut Policy) {
    policy.roles.iter_mut().for_each(|role| role.reach = None);
}

fn without_claims(policy: &mut Policy) {
    policy.roles.iter_mut().for_each(|role| role.from_token = false);
}

fn without_hosts(policy: &mut Policy) {
    each_grant(policy, |grants| grants.retain(|grant| grant.host.is_none()));
}

fn without_nulls(policy: &mut Policy) {
    policy.schemas.iter_mut().for_each(|schema| schema.redact = None);
}

/// Schemas that name fields and types, and judge no values.
fn without_keywords(policy: &mut Policy) {
    policy.schemas.iter_mut().for_each(|schema| forget(&mut schema.body));
}

fn forget(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else { return };
    keywords.retain(|word, _| !["maximum", "maxLength", "enum", "required"].contains(&&**word));
    let properties = keywords.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flatten().for_each(|(_, schema)| forget(schema));
}
