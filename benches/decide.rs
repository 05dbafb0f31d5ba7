//! One decision, as routes and roles grow: none of the curves may bend up.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis::decide::{self, Decision, Permit, Request};
use portcullis::policy::compile::Stamp;
use portcullis::policy::resolve::Surroundings;
use portcullis::policy::snapshot::Snapshot;
use portcullis::policy::{self, Host, Target};
use portcullis::principal::{AuthMethod, Principal};
use portcullis::source::Sources;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

/// A policy of `routes` subtrees below two kinds of prefixes, granted to `roles` roles in turn.
/// Every third role has a schema.
fn text_of(routes: usize, roles: usize) -> String {
    let mut text = String::from(
        "policy: 1\nresource_types:\n  - {id: item, elsewhere: pass, at: [{path: '/api/{kind}/{id}', pointer: ''}]}\n\
         schemas:\n  - {id: no-ssn, type: item, body: {type: object, additionalProperties: true, properties: {ssn: false}}}\n\
         roles:\n",
    );
    for role in 0..roles {
        let schemas = if role % 3 == 0 { "[no-ssn]" } else { "[]" };
        let _ = write!(
            text,
            "  - {{id: r{role}, schemas: {schemas}, grants: [{{path: '/me', access: r}}"
        );
        for route in (role..routes).step_by(roles) {
            let _ = match route % 2 {
                0 => write!(text, ", {{path: '/api/kind{route}/**', access: crud}}"),
                _ => write!(text, ", {{path: '/api/kind{route}/{{id}}', access: ru}}"),
            };
        }
        text.push_str("]}\n");
    }
    text
}

fn snapshot(text: &str) -> Snapshot {
    let mut sources = Sources::default();
    sources.add("bench.yaml", text);
    let stamp = Stamp { generation: 1, digest: "sha256:0".into() };
    policy::snapshot(&sources, &Surroundings::default(), stamp).expect("the policy loads")
}

fn caller(roles: &[usize]) -> Arc<Principal> {
    let names = roles.iter().map(|role| Arc::from(format!("r{role}"))).collect();
    Arc::new(Principal { roles: Some(names), ..Principal::of("ann", AuthMethod::Jwt) })
}

fn decide(snapshot: &Snapshot, target: &Target, caller: &Arc<Principal>) -> Permit {
    decide_on(snapshot, target, "localhost", caller)
}

fn decide_on(snapshot: &Snapshot, target: &Target, host: &str, caller: &Arc<Principal>) -> Permit {
    let headers = http::HeaderMap::new();
    let (method, host) = (&http::Method::GET, Host::known(host.as_bytes()));
    let (client, peer) = (None, None);
    let request = Request { method, target, host, headers: &headers, client, peer, now: 0 };
    let routed = decide::route(snapshot, &request).expect("a route");
    match decide::decide(snapshot, &request, routed, Some(caller.clone()), &mut ()) {
        Ok(Decision::Allowed(permit)) => permit,
        other => panic!("no permit: {other:?}"),
    }
}

fn by_routes(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide/routes");
    for routes in [100, 1_000, 10_000] {
        let roles = routes.min(1_000);
        let snapshot = snapshot(&text_of(routes, roles));
        for (name, role, path) in
            [("subtree", 50, "/api/kind50/7"), ("exact", 51, "/api/kind51/7"), ("both", 50, "/me")]
        {
            let (target, caller) = (Target::parse(path, 8192).unwrap(), caller(&[role]));
            group.bench_with_input(BenchmarkId::new(name, routes), &routes, |b, _| {
                b.iter(|| black_box(decide(&snapshot, &target, &caller)));
            });
        }
    }
    group.finish();
}

/// Hosts in place of paths: every route and every grant is on the same shape of path.
fn text_of_hosts(hosts: usize) -> String {
    let mut text = String::from("policy: 1\nroutes:\n");
    for host in 0..hosts {
        let _ = writeln!(text, "  - {{match: '/**', host: h{host}.example}}");
    }
    text.push_str("roles:\n");
    for role in 0..1_000 {
        let _ = write!(
            text,
            "  - {{id: r{role}, grants: [{{path: '/me', host: h0.example, access: r}}"
        );
        for host in (role..hosts).step_by(1_000) {
            let _ = write!(text, ", {{path: '/**', host: h{host}.example, access: crud}}");
        }
        text.push_str("]}\n");
    }
    text
}

fn by_hosts(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide/hosts");
    let target = Target::parse("/api/7", 8192).unwrap();
    for hosts in [100, 1_000, 10_000] {
        let snapshot = snapshot(&text_of_hosts(hosts));
        let caller = caller(&[50]);
        for (name, host) in [("as written", "h50.example"), ("another spelling", "H50.Example.:80")]
        {
            group.bench_with_input(BenchmarkId::new(name, hosts), &hosts, |b, _| {
                b.iter(|| black_box(decide_on(&snapshot, &target, host, &caller)));
            });
        }
    }
    group.finish();
}

fn by_roles_of_the_caller(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide/roles of the caller");
    let snapshot = snapshot(&text_of(1_000, 1_000));
    let target = Target::parse("/api/kind50/7", 8192).unwrap();
    for count in [1, 10, 100] {
        let roles: Vec<usize> = (0..count).map(|n| 50 + n).collect();
        let caller = caller(&roles);
        group.bench_with_input(BenchmarkId::from_parameter(count), &count, |b, _| {
            b.iter(|| black_box(decide(&snapshot, &target, &caller)));
        });
    }
    group.finish();
}

fn targets(c: &mut Criterion) {
    let mut group = c.benchmark_group("target");
    for (name, path) in [
        ("plain", "/api/customers/4217?expand=orders&page=2"),
        ("escaped", "/api/customers/ann%40acme.test/caf%C3%A9"),
    ] {
        let raw: http::uri::PathAndQuery = path.parse().unwrap();
        group.bench_function(name, |b| {
            b.iter(|| black_box(Target::new(black_box(raw.clone()), 8192).unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, by_routes, by_hosts, by_roles_of_the_caller, targets);
criterion_main!(benches);
