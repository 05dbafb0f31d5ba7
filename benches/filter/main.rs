//! The filter alone, in bytes a second: lists of personnel records of several sizes, from which
//! `ssn`, `salary` and `history[*].internal` go; and lists of which a tenth, half or all is kept,
//! against what others would do, in the same run. `cargo bench --bench filter -- kept` is that.

mod documents;
mod peers;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use documents::{allowed, kept, list, named, personnel, records};
use peers::{Keep, Peer};
use portcullis::filter::mask::Mask;
use portcullis::filter::pick::{Found, Path, pick};
use portcullis::filter::rows::{Judge, Rows};
use portcullis::filter::write::{Patch, check};
use portcullis::filter::{Fault, Filter, Limits};
use serde_json::Value;
use std::hint::black_box;
use std::sync::Arc;

/// Sizes of documents, and how a body arrives.
const SIZES: [(&str, usize); 5] = [
    ("1KB", 1 << 10),
    ("10KB", 10 << 10),
    ("100KB", 100 << 10),
    ("1MB", 1 << 20),
    ("10MB", 10 << 20),
];
const CHUNK: usize = 16 << 10;

/// Which members of a record are kept, for about this share of its bytes: the masks of `kept`.
const KEPT: [(&str, Keep); 3] = [
    ("10", |name| matches!(name, "id" | "name" | "email")),
    ("50", |name| name != "history"),
    ("100", |name| name != "password"),
];

fn benches(criterion: &mut Criterion) {
    let masks = [
        ("remove", Arc::new(records(&personnel()))),
        ("allow", Arc::new(records(&allowed()))),
        ("show", Arc::new(Mask::show())),
        ("keep", Arc::new(records(&named()))),
    ];
    for (name, mask) in masks {
        let mut group = criterion.benchmark_group(format!("filter/{name}"));
        for (size, bytes) in SIZES {
            let text = list(bytes);
            group.throughput(Throughput::Bytes(text.len() as u64));
            let mut out = Vec::new();
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    filter(&mask, black_box(&text), &mut out)
                });
            });
        }
    }
    shares(criterion);
    write(criterion);
    rows(criterion);
}

/// Lists of which every second record stays, filtered alone as `filter/remove` filters it.
fn rows(criterion: &mut Criterion) {
    let mask = Arc::new(records(&personnel()));
    let rows = Rows::new(vec![Path::parse("/data").unwrap()], 1 << 20, true).unwrap();
    let mut group = criterion.benchmark_group("rows/active");
    for (size, bytes) in SIZES {
        let text = list(bytes);
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut out = Vec::new();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                out.clear();
                filter_rows(&mask, &rows, black_box(&text), &mut out)
            });
        });
    }
}

/// Keeps active records.
struct Active {
    active: Path,
    place: Path,
    mask: Arc<Mask>,
}

impl Judge for Active {
    fn judge(
        &mut self,
        _: usize,
        element: bool,
        row: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        let found = pick(row, &[&self.active], &Limits::default())?;
        if found[0] != [Found::Boolean(true)] {
            return Ok(false);
        }
        match Filter::inside(self.mask.clone(), &self.place, element, Limits::default()) {
            Some(filter) => filter.shows(row, out),
            None => Ok(false),
        }
    }
}

fn filter_rows(mask: &Arc<Mask>, rows: &Rows, text: &[u8], out: &mut Vec<u8>) -> usize {
    let [active, place] = ["/active", "/data"].map(|path| Path::parse(path).unwrap());
    let judge = Active { active, place, mask: mask.clone() };
    let mut filter =
        Filter::with_rows(mask.clone(), rows.clone(), Box::new(judge), Limits::default());
    for chunk in text.chunks(CHUNK) {
        filter.push(chunk, out).unwrap();
    }
    filter.finish(out).unwrap();
    assert!(out.len() < text.len() && filter.dropped() < text.len() as u64);
    out.len()
}

/// A tenth, half and all of each list kept, by us and by others.
fn shares(criterion: &mut Criterion) {
    let others: [(&str, Peer); 3] = [
        ("serde_json", peers::serde_tree),
        ("sonic-rs", peers::sonic_tree),
        ("raw", peers::raw_members),
    ];
    for (share, keep) in KEPT {
        let mask = Arc::new(kept(share));
        for (size, bytes) in SIZES {
            let text = list(bytes);
            let mut group = criterion.benchmark_group(format!("kept/{share}/{size}"));
            group.throughput(Throughput::Bytes(text.len() as u64));
            let mut out = Vec::new();
            filter(&mask, &text, &mut out);
            let shown: Value = serde_json::from_slice(&out).unwrap();
            group.bench_function("ours", |bencher| {
                bencher.iter(|| {
                    out.clear();
                    filter(&mask, black_box(&text), &mut out)
                });
            });
            for (name, other) in others {
                let same: Value = serde_json::from_slice(&other(&text, keep)).unwrap();
                assert!(same == shown, "{name} shows something else");
                group.bench_function(name, |bencher| {
                    bencher.iter(|| other(black_box(&text), keep));
                });
            }
        }
    }
}

fn write(criterion: &mut Criterion) {
    let (mask, text) = (records(&named()), list(10 << 10));
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("10KB", |bencher| {
        bencher.iter(|| check(&mask, black_box(&text), &Limits::default(), Patch::No).unwrap());
    });
}

fn filter(mask: &Arc<Mask>, text: &[u8], out: &mut Vec<u8>) -> usize {
    let mut filter = Filter::new(mask.clone(), Limits::default());
    for chunk in text.chunks(CHUNK) {
        filter.push(chunk, out).unwrap();
    }
    filter.finish(out).unwrap();
    out.len()
}

criterion_group!(group, benches);
criterion_main!(group);
