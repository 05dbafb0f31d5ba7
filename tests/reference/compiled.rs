//! The compiled evaluator, asked through the front door: the policy as the text that a user would
//! write.

use super::model::{Caller, Request};
use super::{Allowed, Verdict};
use portcullis::decide::{self, Permit, Reason, Trace};
use portcullis::filter::mask::Mask;
use portcullis::filter::{Filter, Limits, write};
use portcullis::policy::Target;
use portcullis::policy::compile::Stamp;
use portcullis::policy::resolve::Surroundings;
use portcullis::policy::snapshot::{DenialId, GrantId, Snapshot};
use portcullis::principal::{AuthMethod, ClaimValue, Claims, Principal};
use portcullis::source::Sources;
use serde_json::Value;
use std::sync::Arc;

/// A policy as the program runs it, or what the program has against it.
pub fn load(policy: &Value) -> Result<Snapshot, String> {
    load_text(&policy.to_string())
}

pub fn load_text(policy: &str) -> Result<Snapshot, String> {
    let mut sources = Sources::default();
    sources.add("policy.json", policy.to_owned());
    let stamp = Stamp { generation: 1, digest: "sha256:0".into() };
    portcullis::policy::snapshot(&sources, &Surroundings::default(), stamp)
        .map_err(|report| portcullis::diag::human::render(&report, &sources, false))
}

pub fn ask(snapshot: &Snapshot, request: &Request) -> Verdict {
    let target = Target::parse(&request.target(), 8192).unwrap();
    let method: http::Method = request.method.parse().unwrap();
    let asked = decide::Request { method: &method, target: &target, now: request.now };
    let mut heard = Heard::default();
    let judged = decide::route(snapshot, &asked).and_then(|routed| {
        let public = routed.is_public();
        let caller = request.caller.as_ref().map(principal);
        let permit = decide::decide(snapshot, &asked, routed, caller, &mut heard)?;
        Ok((public, permit))
    });
    match judged {
        Err(refusal) => {
            // What is refused so, an explanation can name; what is not, no denial speaks of.
            assert_eq!(refusal.reason == Reason::Restricted, !heard.denials.is_empty());
            Verdict::Refused(refusal.reason)
        }
        Ok((true, _)) => Verdict::Public,
        Ok((false, permit)) => Verdict::Allowed(allowed(snapshot, request, &permit, &heard)),
    }
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
    fn denial(&mut self, denial: DenialId) {
        self.denials.push(denial);
    }
    fn note(&mut self, _: impl FnOnce() -> String) {}
}

fn allowed(snapshot: &Snapshot, request: &Request, permit: &Permit, heard: &Heard) -> Allowed {
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
    let fields = permit.fields();
    let read = fields.and_then(|fields| fields.read.clone());
    let write = fields.and_then(|fields| fields.write.clone());
    Allowed {
        route: snapshot.route(permit.route()).pattern.to_string(),
        roles,
        grants,
        seen: match read {
            None => Ok(request.answer.clone()),
            Some(mask) => filtered(mask, &request.answer),
        },
        sent: write.map_or(Ok(()), |mask| checked(&mask, &request.body)),
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
        email: caller.email.as_ref().map(text),
        claims: Claims(caller.claims.iter().map(claim).collect()),
        ..Principal::of(caller.user.as_str(), method)
    })
}

fn filtered(mask: Arc<Mask>, answer: &Value) -> Result<Value, Reason> {
    let mut filter = Filter::new(mask, Limits::default());
    let mut out = Vec::new();
    let read = filter.push(answer.to_string().as_bytes(), &mut out);
    match read.and_then(|()| filter.finish(&mut out)) {
        Ok(()) => Ok(serde_json::from_slice(&out).expect("what comes out is JSON")),
        Err(_) => Err(Reason::Shape),
    }
}

fn checked(mask: &Mask, body: &Value) -> Result<(), (Reason, Vec<String>)> {
    let (reason, mut pointers) =
        match write::check(mask, body.to_string().as_bytes(), &Limits::default(), write::Patch::No)
        {
            Ok(()) => return Ok(()),
            Err(write::WriteFault::Fields(pointers)) => (Reason::FieldNotWritable, pointers),
            Err(write::WriteFault::Types(pointers)) => (Reason::ValueInvalid, pointers),
            Err(other) => panic!("{other:?}"),
        };
    pointers.sort();
    Err((reason, pointers))
}
