//! Hosts, compared naively: the route that counts, the grants and the denials that speak, against
//! what the compiled policy says. The rest of the language is left out, so that hosts collide.

use super::paths::{kinds, matches, unify};
use portcullis::decide::{self, Reason};
use portcullis::policy::compile::Stamp;
use portcullis::policy::resolve::Surroundings;
use portcullis::policy::snapshot::Snapshot;
use portcullis::policy::{Host, Target};
use portcullis::principal::{AuthMethod, Principal};
use portcullis::source::Sources;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::sync::Arc;

/// A host, where there is one, and a path.
type Place = (Option<&'static str>, &'static str);

#[derive(Clone, Debug)]
struct Policy {
    routes: Vec<Place>,
    grants: Vec<Place>,
    denials: Vec<Place>,
}

const HOSTS: &[&str] = &["a.x", "b.x", "x", "a.b.x", "*.x", "*.b.x", "127.0.0.1", "[::1]"];
const PATHS: &[&str] = &["/**", "/p/**", "/p/{id}", "/p/q", "/{id}/q", "/p"];

fn place() -> impl Strategy<Value = Place> {
    (prop::option::weighted(0.7, select(HOSTS)), select(PATHS))
}

fn policy() -> impl Strategy<Value = Policy> {
    (vec(place(), 1..8), vec(place(), 1..8), vec(place(), 0..4)).prop_map(
        |(mut routes, mut grants, mut denials)| {
            let all = routes.clone();
            let mut seen = Vec::new();
            routes.retain(|route| {
                let new = !seen.contains(route);
                seen.push(*route);
                new
            });
            let named = all.iter().any(|(host, _)| host.is_some());
            let reachable = |(host, path): &Place| {
                all.iter().any(|(other, pattern)| unify(path, pattern) && meet(*host, *other))
            };
            grants.retain(|grant| reachable(grant) && (grant.0.is_some() || !named));
            denials.retain(reachable);
            Policy { routes, grants, denials }
        },
    )
}

/// Whether two hosts as typed have one in common.
fn meet(a: Option<&str>, b: Option<&str>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return true };
    a == b || is_on(Some(a), b) || is_on(Some(b), a)
}

/// Whether a canonical name is one that a host as typed stands for.
fn is_on(typed: Option<&str>, name: &str) -> bool {
    let Some(typed) = typed else { return true };
    match typed.strip_prefix('*') {
        None => typed == name,
        Some(rest) => {
            let label = name.strip_suffix(rest);
            label.is_some_and(|label| !label.is_empty() && !label.contains(['.', '*', '[']))
        }
    }
}

/// How exact a host is: by name, by one label, not at all.
fn breadth(typed: Option<&str>) -> u8 {
    typed.map_or(2, |typed| u8::from(typed.starts_with('*')))
}

fn expected(policy: &Policy, name: &str, path: &str) -> (Option<String>, Option<Reason>) {
    let here = |(host, pattern): &&Place| is_on(*host, name) && matches(pattern, path);
    let routes = policy.routes.iter().filter(here);
    let route = routes.min_by_key(|(host, pattern)| (breadth(*host), kinds(pattern)));
    let reason = match () {
        () if route.is_none() => Some(Reason::NoRoute),
        () if policy.denials.iter().any(|denial| here(&denial)) => Some(Reason::Restricted),
        () if policy.grants.iter().any(|grant| here(&grant)) => None,
        () => Some(Reason::NoGrant),
    };
    (route.map(|(host, pattern)| format!("{}{pattern}", host.unwrap_or_default())), reason)
}

fn decided(snapshot: &Snapshot, host: &str, path: &str) -> (Option<String>, Option<Reason>) {
    let target = Target::parse(path, 8192).unwrap();
    let question = decide::Request {
        method: &http::Method::GET,
        target: &target,
        host: Host::parse(host.as_bytes()).expect(host),
        headers: &http::HeaderMap::new(),
        client: None,
        peer: None,
        now: 0,
    };
    let routed = decide::route(snapshot, &question).unwrap();
    let route = routed.route().map(|id| snapshot.route(id).pattern.to_string());
    let mut caller = Principal::of("ann", AuthMethod::Jwt);
    caller.roles = Some(vec!["r".into()]);
    let judged = decide::decide(snapshot, &question, routed, Some(Arc::new(caller)), &mut ());
    (route, judged.err().map(|refusal| refusal.reason))
}

fn compiled(policy: &Policy) -> Snapshot {
    let rules = |rules: &[Place], key: &str| -> Value {
        let rule = |(host, path): &Place| {
            let mut rule = json!({(key): path});
            if key == "path" {
                rule["access"] = "r".into();
            }
            if let Some(host) = host {
                rule["host"] = (*host).into();
            }
            rule
        };
        rules.iter().map(rule).collect()
    };
    let document = json!({
        "policy": 1,
        "routes": rules(&policy.routes, "match"),
        "roles": [{"id": "r", "grants": rules(&policy.grants, "path")}],
        "restrictions": [{"id": "n", "default": true, "deny": rules(&policy.denials, "path")}],
    });
    let mut sources = Sources::default();
    sources.add("hosts.json", document.to_string());
    let stamp = Stamp { generation: 1, digest: "sha256:0".into() };
    portcullis::policy::snapshot(&sources, &Surroundings::default(), stamp).unwrap_or_else(
        |report| panic!("{}", portcullis::diag::human::render(&report, &sources, false)),
    )
}

#[test]
fn p03_both_evaluators_agree_on_hosts() {
    let spellings: &[(&str, &[&str])] = &[
        ("a.x", &["a.x", "A.X", "a.x.", "a.x:80", "A.x.:8080"]),
        ("b.x", &["b.x"]),
        ("c.x", &["c.x:1"]),
        ("x", &["x", "X."]),
        ("a.b.x", &["a.b.X"]),
        ("c.b.x", &["c.b.x"]),
        ("a.b.c.x", &["a.b.c.x"]),
        ("ax", &["ax"]),
        ("127.0.0.1", &["127.0.0.1:9"]),
        ("[::1]", &["[::1]", "[0::0:1]:80"]),
    ];
    let mut runner = TestRunner::deterministic();
    let mut outcomes = [0_u32; 4];
    for _ in 0..400 {
        let policy = policy().new_tree(&mut runner).unwrap().current();
        let snapshot = compiled(&policy);
        for path in ["/", "/p", "/p/q", "/p/z", "/z/q", "/p/q/r"] {
            for (name, spellings) in spellings {
                let wanted = expected(&policy, name, path);
                let outcome = match wanted.1 {
                    None => 0,
                    Some(Reason::NoRoute) => 1,
                    Some(Reason::Restricted) => 2,
                    Some(_) => 3,
                };
                outcomes[outcome] += 1;
                for host in *spellings {
                    assert_eq!(decided(&snapshot, host, path), wanted, "{host}{path} {policy:?}");
                }
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 500), "each outcome occurs: {outcomes:?}");
}
