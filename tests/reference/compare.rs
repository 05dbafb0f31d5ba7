//! The compiled evaluator against the slow one.

use super::compiled::{ask, load};
use super::dice::Dice;
use super::model::{Policy, Request, to_json};
use super::shrink::{shrink, tell};
use super::{Verdict, evaluate, generate};
use portcullis::decide::Reason;
use portcullis::policy::snapshot::Snapshot;
use serde_json::Value;
use std::sync::Arc;

/// Cases in a normal run: policies, and requests to each.
const POLICIES: u64 = 5_000;
const REQUESTS: usize = 20;

/// The seed of a normal run.
const SEED: u64 = 20_261_121;

/// Same decision, same grants, same masks.
#[test]
fn p09_the_compiled_evaluator_agrees_with_the_reference() {
    compare(SEED, POLICIES);
}

/// The same, ten million times: `cargo test --release --test transcripts -- --ignored p09_ten`. With
/// `REFERENCE_POLICIES=FROM..TO` only these of the half million policies, so that a run can be
/// divided, and taken up again.
#[test]
#[ignore = "takes long"]
fn p09_ten_million_cases_agree_with_the_reference() {
    let all = 10_000_000 / REQUESTS as u64;
    let (from, to) = match std::env::var("REFERENCE_POLICIES") {
        Ok(range) => {
            let (from, to) = range.split_once("..").expect("FROM..TO");
            (from.parse().expect("a number"), to.parse().expect("a number"))
        }
        Err(_) => (0, all),
    };
    assert!(from < to && to <= all, "{from}..{to} of {all}");
    compare(SEED + POLICIES + from, to - from);
}

/// The generated policies and requests from one seed on.
pub fn cases(seed: u64, policies: u64) -> impl Iterator<Item = (Policy, Vec<Request>)> {
    (seed..seed + policies).map(|seed| {
        let mut dice = Dice::new(seed);
        let policy = generate::policy(&mut dice);
        let requests = (0..REQUESTS).map(|_| generate::request(&mut dice, &policy)).collect();
        (policy, requests)
    })
}

/// A generated policy as the program runs it: every one must load.
pub fn loaded(policy: &Policy) -> Arc<Snapshot> {
    let text = to_json(policy);
    load(&text).unwrap_or_else(|problems| panic!("{problems}\n{}", super::shrink::yaml(&text)))
}

fn compare(seed: u64, policies: u64) {
    for (number, (policy, requests)) in (0..).zip(cases(seed, policies)) {
        let snapshot = loaded(&policy);
        for request in &requests {
            if ask(&snapshot, request) != evaluate(&policy, request) {
                fail(seed - SEED + number, to_json(&policy), to_json(request));
            }
        }
    }
}

/// Says what the program and the document say of the smallest case in which they still differ so, and
/// which policy it was: those before agree.
fn fail(number: u64, policy: Value, request: Value) -> ! {
    let wanted = both(&policy, &request).map(difference);
    let still = |policy: &Value, request: &Value| both(policy, request).map(difference) == wanted;
    let (policy, request) = shrink(policy, request, still);
    let (actual, expected) = both(&policy, &request).expect("what is shrunk loads");
    let case = tell(&policy, &request);
    panic!("policy {number}\n{case}\n the program: {actual:?}\nthe document: {expected:?}");
}

/// What both say of a case, if it is one.
fn both(policy: &Value, request: &Value) -> Option<(Verdict, Verdict)> {
    let snapshot = load(policy).ok()?;
    let policy: Policy = serde_json::from_value(policy.clone()).ok()?;
    let request: Request = serde_json::from_value(request.clone()).ok()?;
    let words = [&request.method, &request.path, &request.host, &request.ip];
    let asks = words.iter().all(|word| !word.is_empty());
    let limits = policy.schemas.iter().all(|schema| !schema.body["type"].is_null());
    (asks && limits).then(|| (ask(&snapshot, &request), evaluate(&policy, &request)))
}

/// In what two verdicts differ: a smaller case must differ in the same.
fn difference((actual, expected): (Verdict, Verdict)) -> Vec<String> {
    match (&actual, &expected) {
        _ if actual == expected => Vec::new(),
        (Verdict::Allowed(a), Verdict::Allowed(b)) => {
            let seen = |seen: &Result<Value, Reason>| format!("{:?}", seen.as_ref().err());
            let sent =
                |sent: &Result<(), (Reason, _)>| format!("{:?}", sent.as_ref().err().map(|e| e.0));
            let parts = [
                (a.roles != b.roles, "roles".to_owned()),
                (a.grants != b.grants, "grants".to_owned()),
                (a.seen != b.seen, format!("seen {} {}", seen(&a.seen), seen(&b.seen))),
                (a.sent != b.sent, format!("sent {} {}", sent(&a.sent), sent(&b.sent))),
                (a.route != b.route || a.erases_hidden != b.erases_hidden, "carriage".to_owned()),
            ];
            let parts = parts.into_iter().filter_map(|(differs, part)| differs.then_some(part));
            ["granted".to_owned()].into_iter().chain(parts).collect()
        }
        _ => vec![kind(&actual).into(), kind(&expected).into()],
    }
}

pub fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Refused(reason) => reason.as_str(),
        Verdict::Public => "public",
        Verdict::Allowed(_) => "granted",
    }
}
