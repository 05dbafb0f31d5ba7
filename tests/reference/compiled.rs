//! The compiled evaluator, asked through the front door: the policy as the text that a user would
//! write.

use super::fields::outermost;
use super::model::{Caller, Request};
use super::{Allowed, Verdict};
use portcullis::decide::body::{BodyCheck, view};
use portcullis::decide::{
    self, Body, Decision, Facts, Inquiry, Object, Permit, Reason, Refusal, Trace,
};
use portcullis::filter::{Fault, Filter, Limits};
use portcullis::policy::compile::Stamp;
use portcullis::policy::resolve::Surroundings;
use portcullis::policy::snapshot::{DenialId, GrantId, Snapshot};
use portcullis::policy::{Host, Target};
use portcullis::principal::{AuthMethod, ClaimValue, Claims, OrgRoles, Principal};
use portcullis::source::Sources;
use serde_json::Value;
use std::sync::Arc;

/// A policy as the program runs it, or what the program has against it.
pub fn load(policy: &Value) -> Result<Arc<Snapshot>, String> {
    load_text(&policy.to_string())
}

pub fn load_text(policy: &str) -> Result<Arc<Snapshot>, String> {
    let mut sources = Sources::default();
    sources.add("policy.json", policy.to_owned());
    let stamp = Stamp { generation: 1, digest: "sha256:0".into() };
    portcullis::policy::snapshot(&sources, &Surroundings::default(), stamp)
        .map(Arc::new)
        .map_err(|report| portcullis::diag::human::render(&report, &sources, false))
}

pub fn ask(snapshot: &Arc<Snapshot>, request: &Request) -> Verdict {
    let target = Target::parse(&request.target(), 8192).unwrap();
    let method: http::Method = request.method.parse().unwrap();
    let headers = headers(request);
    let asked = decide::Request {
        method: &method,
        target: &target,
        host: Host::parse(request.host.as_bytes()).unwrap(),
        headers: &headers,
        client: Some(request.ip.parse().unwrap()),
        peer: None,
        now: request.now,
    };
    let mut heard = Heard::default();
    let judged = decide::route(snapshot, &asked).and_then(|routed| {
        let public = routed.is_public();
        let caller = request.caller.as_ref().map(principal);
        let decision = decide::decide(snapshot, &asked, routed, caller, &mut heard)?;
        let permit = match decision {
            Decision::Allowed(permit) => permit,
            Decision::Asks(inquiry) => settle(snapshot, *inquiry, &asked, request, &mut heard)?,
        };
        Ok((public, permit))
    });
    match judged {
        Err(refusal) => {
            // What is refused so, an explanation can name; what is not, no denial speaks of.
            assert_eq!(refusal.reason == Reason::Restricted, !heard.denials.is_empty());
            Verdict::Refused(refusal.reason)
        }
        Ok((true, _)) => Verdict::Public,
        Ok((false, permit)) => {
            Verdict::Allowed(allowed(snapshot, request, &asked, &permit, &heard))
        }
    }
}

/// Finds out what a decision waits for, as the proxy does.
fn settle(
    snapshot: &Snapshot,
    inquiry: Inquiry,
    asked: &decide::Request<'_>,
    request: &Request,
    heard: &mut Heard,
) -> Result<Permit, Refusal> {
    let body = request.body.as_ref().map(Value::to_string);
    let reads = body.is_some() && inquiry.reads_body(snapshot, asked)?;
    let stored =
        |look: decide::Preread| request.stored.get(look.target.raw().path()).map(Value::to_string);
    let stored: Vec<_> = inquiry.prereads(snapshot, asked).into_iter().map(stored).collect();
    let objects: Vec<Object<'_>> = stored
        .iter()
        .map(|text| text.as_ref().map_or(Object::Missing, |text| Object::Found(text.as_bytes())))
        .collect();
    let body = match &body {
        None => Body::Empty,
        Some(text) if reads => Body::Json(text.as_bytes()),
        Some(_) => Body::Unread,
    };
    let facts = Facts { body, objects: &objects };
    inquiry.settle(snapshot, asked, &facts, &Limits::default(), heard)
}

fn headers(request: &Request) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    for (name, value) in &request.headers {
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    headers
}

/// What the program hears of a decision: the grants that hold and the denials that deny.
#[derive(Default)]
struct Heard {
    grants: Vec<GrantId>,
    denials: Vec<DenialId>,
}

impl Trace for Heard {
    const LISTENS: bool = true;
    fn grant(&mut self, grant: GrantId) {
        self.grants.push(grant);
    }
    fn failed(&mut self, _: GrantId, _: &'static str) {}
    fn denial(&mut self, denial: DenialId) {
        self.denials.push(denial);
    }
    fn note(&mut self, _: impl FnOnce() -> String) {}
}

fn allowed(
    snapshot: &Arc<Snapshot>,
    request: &Request,
    asked: &decide::Request<'_>,
    permit: &Permit,
    heard: &Heard,
) -> Allowed {
    let name = |id: GrantId| {
        let grant = snapshot.grant(id);
        (snapshot.role(grant.role).id().to_string(), grant.path.to_string())
    };
    let mut grants: Vec<_> = heard.grants.iter().map(|id| name(*id)).collect();
    assert!(grants.contains(&name(permit.grant().expect("a grant is named"))));
    grants.sort();
    grants.dedup();
    let roles = permit.roles().iter().map(|role| snapshot.role(role).id().to_string());
    let mut roles: Vec<_> = roles.collect();
    roles.sort();
    let check = BodyCheck::of(permit, snapshot, asked.method, asked.headers).expect("JSON is read");
    let view = view(permit, snapshot);
    Allowed {
        route: snapshot.route(permit.route()).pattern.to_string(),
        roles,
        grants,
        seen: match view.filter(snapshot, Limits::default(), false) {
            None => Ok(request.answer.clone()),
            Some(filter) => filtered(filter, &request.answer),
        },
        sent: match (check, &request.body) {
            (Some(check), Some(body)) => checked(&check, body),
            _ => Ok(()),
        },
        erases_hidden: permit.erases_hidden(),
    }
}

fn principal(caller: &Caller) -> Arc<Principal> {
    let method = if caller.api_key { AuthMethod::ApiKey } else { AuthMethod::Jwt };
    let text = |text: &String| Arc::from(text.as_str());
    let claim = |(name, values): (&String, &Vec<String>)| {
        let value = match values.as_slice() {
            [only] => ClaimValue::Text(text(only)),
            many => ClaimValue::List(many.iter().map(text).collect()),
        };
        (text(name), value)
    };
    Arc::new(Principal {
        org: caller.org.as_ref().map(text),
        app: caller.app.as_ref().map(text),
        roles: caller.roles.as_ref().map(|roles| roles.iter().map(text).collect()),
        org_roles: org_roles(caller),
        email: caller.email.as_ref().map(text),
        claims: Claims(caller.claims.iter().map(claim).collect()),
        ..Principal::of(caller.user.as_str(), method)
    })
}

fn org_roles(caller: &Caller) -> OrgRoles {
    let of = |roles: &Vec<String>| roles.iter().map(|role| Arc::from(role.as_str())).collect();
    let claimed = caller.roles_by_org.iter();
    let mut all = OrgRoles::default();
    all.add_unknown(claimed.map(|(org, roles)| (Arc::from(org.as_str()), of(roles))));
    all
}

fn filtered(mut filter: Filter, answer: &Value) -> Result<Value, Reason> {
    let mut out = Vec::new();
    let read = filter.push(answer.to_string().as_bytes(), &mut out);
    match read.and_then(|()| filter.finish(&mut out)) {
        Ok(()) => Ok(serde_json::from_slice(&out).expect("what comes out is JSON")),
        // As good as missing.
        Err(Fault::Gone) => Err(Reason::NotOwner),
        Err(_) => Err(Reason::Shape),
    }
}

fn checked(check: &BodyCheck, body: &Value) -> Result<(), (Reason, Vec<String>)> {
    let checked = check.check(body.to_string().as_bytes(), &Limits::default());
    checked.map_err(|refusal| (refusal.reason, outermost(refusal.pointers)))
}
