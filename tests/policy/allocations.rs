//! What a decision takes from the allocator. Workers share it, and a decision is to cost the same
//! whatever the policy's size.

use allocation_counter::measure;
use http::{HeaderMap, Method};
use portcullis::decide::{self, Decision, Request};
use portcullis::policy::compile::Stamp;
use portcullis::policy::host::Host;
use portcullis::policy::resolve::Surroundings;
use portcullis::policy::snapshot::Snapshot;
use portcullis::policy::{self, Target};
use portcullis::principal::{AuthMethod, Principal};
use portcullis::source::Sources;
use std::fmt::Write as _;
use std::sync::Arc;

/// `count` roles, each with a subtree, a pattern and a path of its own, and schemas for some.
fn policy(count: usize, head: &str) -> Snapshot {
    let mut text = format!(
        "policy: 1\n{head}resource_types:\n  - {{id: item, elsewhere: pass, at: [{{path: '/a4/{{id}}', pointer: ''}}]}}\n\
         schemas:\n  - {{id: no-ssn, type: item, body: {{type: object, additionalProperties: true, properties: {{ssn: false}}}}}}\nroles:\n"
    );
    for at in 0..count {
        let schemas = if at % 2 == 0 { "[no-ssn]" } else { "[]" };
        let _ = writeln!(
            text,
            "  - {{id: r{at}, schemas: {schemas}, grants: [{{path: '/a{at}/**', access: r}}, \
             {{path: '/b{at}/{{id}}', access: r}}, {{path: '/me', access: r}}]}}"
        );
    }
    let mut sources = Sources::default();
    sources.add("p.yaml", text);
    let stamp = Stamp { generation: 1, digest: "sha256:0".into() };
    policy::snapshot(&sources, &Surroundings::default(), stamp)
        .unwrap_or_else(|report| panic!("{:?}", report.problems().first()))
}

/// Allocations of one decision that allows, after one that filled the memory of masks.
fn allocations(snapshot: &Snapshot, path: &str, caller: &Arc<Principal>) -> u64 {
    let (target, headers) = (Target::parse(path, 8192).unwrap(), HeaderMap::new());
    let decide = || {
        let (method, host) = (&Method::GET, Host::known(b"localhost"));
        let (target, headers) = (&target, &headers);
        let request = Request { method, target, host, headers, client: None, peer: None, now: 0 };
        let routed = decide::route(snapshot, &request).expect("a route");
        let decided = decide::decide(snapshot, &request, routed, Some(caller.clone()), &mut ());
        assert!(matches!(decided, Ok(Decision::Allowed(_))), "{path}: {decided:?}");
    };
    decide();
    measure(decide).count_total
}

fn claims(roles: &[usize]) -> Arc<Principal> {
    let roles = roles.iter().map(|role| Arc::from(format!("r{role}"))).collect();
    Arc::new(Principal { roles: Some(roles), ..Principal::of("ann", AuthMethod::Jwt) })
}

#[test]
fn a_decision_by_token_allocates_nothing_however_large_the_policy_is() {
    for count in [10, 1_000] {
        let snapshot = policy(count, "");
        for path in ["/a5/x/y", "/b5/7", "/a4/7", "/me"] {
            assert_eq!(allocations(&snapshot, path, &claims(&[4, 5])), 0, "{path} of {count}");
        }
    }
}

#[test]
fn a_decision_by_membership_allocates_nothing_however_large_the_policy_is() {
    for count in [10, 1_000] {
        let snapshot = policy(count, "members: [{user: ann, roles: [r4, r5]}]\n");
        let ann = Arc::new(Principal::of("ann", AuthMethod::Jwt));
        for path in ["/a5/x/y", "/b5/7", "/a4/7", "/me"] {
            assert_eq!(allocations(&snapshot, path, &ann), 0, "{path} of {count}");
        }
    }
}

/// What is known to allocate: the id of the organization that the request addresses, which the
/// permit carries; the router, where a literal segment stands beside a parameter and it notes where
/// to come back to; and sets of roles that lie more than 1,024 apart.
#[test]
fn what_allocates_is_known() {
    let org = "routes: [{match: '/**', org: claims.org}]\norganizations: [{id: acme}]\n\
               members: [{user: ann, org: acme, roles: [r4]}]\n";
    let ann = Principal { org: Some("acme".into()), ..Principal::of("ann", AuthMethod::Jwt) };
    assert_eq!(allocations(&policy(10, org), "/a4/7", &Arc::new(ann)), 1);
    let beside = "routes: [{match: '/**'}, {match: '/{any}/{id}'}]\n";
    for count in [10, 1_000] {
        assert_eq!(allocations(&policy(count, beside), "/b5/7", &claims(&[5])), 1);
    }
    let far = policy(1_100, "");
    assert_eq!(allocations(&far, "/a1/7", &claims(&[1, 1_023])), 0);
    assert!(allocations(&far, "/a1/7", &claims(&[1, 1_099])) > 0);
}
