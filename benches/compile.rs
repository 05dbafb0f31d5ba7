//! From text to a snapshot, as routes, roles and members grow.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::policy;
use portcullis::policy::compile::Stamp;
use portcullis::policy::resolve::Surroundings;
use portcullis::policy::snapshot::Snapshot;
use portcullis::source::Sources;
use std::fmt::Write as _;
use std::hint::black_box;

fn text_of(routes: usize, roles: usize, members: usize) -> String {
    let mut text = String::from("policy: 1\nroles:\n");
    for role in 0..roles {
        let _ = write!(text, "  - {{id: r{role}, grants: [");
        for route in (role..routes).step_by(roles) {
            let comma = if route == role { "" } else { ", " };
            let _ = write!(text, "{comma}{{path: '/api/kind{route}/{{id}}/**', access: crud}}");
        }
        text.push_str("]}\n");
    }
    if members > 0 {
        text.push_str("members:\n");
        for member in 0..members {
            let _ = writeln!(text, "  - {{user: user-{member}, roles: [r{}]}}", member % roles);
        }
    }
    text
}

fn load(text: &str) -> Snapshot {
    let mut sources = Sources::default();
    sources.add("bench.yaml", text);
    let stamp = Stamp { generation: 1, digest: "sha256:0".into() };
    policy::snapshot(&sources, &Surroundings::default(), stamp).expect("the policy loads")
}

fn loads(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    group.sample_size(10);
    for (name, routes, roles, members) in [
        ("100 routes, 10 roles", 100, 10, 0),
        ("1,000 routes, 100 roles", 1_000, 100, 0),
        ("10,000 routes, 1,000 roles", 10_000, 1_000, 0),
        ("1,000 members", 100, 10, 1_000),
        ("10,000 members", 100, 10, 10_000),
        ("100,000 members", 100, 10, 100_000),
    ] {
        let text = text_of(routes, roles, members);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &text, |b, text| {
            b.iter(|| black_box(load(text)));
        });
    }
    group.finish();
}

criterion_group!(benches, loads);
criterion_main!(benches);
