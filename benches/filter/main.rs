//! The filter alone, in bytes a second: lists of personnel records of several sizes, from which
//! `ssn`, `salary` and `history[*].internal` go, against a tree of `serde_json::Value` that
//! removes the same.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::filter::mask::{HIDE, Mask, MaskBuilder, Node, SHOW, Types};
use portcullis::filter::pick::{Found, Path, pick};
use portcullis::filter::place::place;
use portcullis::filter::rows::{Judge, Rows};
use portcullis::filter::write::{Patch, check};
use portcullis::filter::{Fault, Filter, Limits};
use serde_json::Value;
use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

/// Sizes of documents, and how a body arrives.
const SIZES: [(&str, usize); 4] =
    [("1KB", 1 << 10), ("10KB", 10 << 10), ("100KB", 100 << 10), ("1MB", 1 << 20)];
const CHUNK: usize = 16 << 10;

fn benches(criterion: &mut Criterion) {
    let masks = [
        ("remove", Arc::new(records(&personnel()))),
        ("allow", Arc::new(records(&allowed()))),
        ("show", Arc::new(MaskBuilder::new().finish(SHOW))),
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
    tree(criterion);
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

fn tree(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tree/remove");
    for (size, bytes) in SIZES {
        let text = list(bytes);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| filter_tree(black_box(&text)));
        });
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

fn filter_tree(text: &[u8]) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(text).unwrap();
    for record in document["data"].as_array_mut().unwrap() {
        let record = record.as_object_mut().unwrap();
        record.remove("ssn");
        record.remove("salary");
        for entry in record["history"].as_array_mut().unwrap() {
            entry.as_object_mut().unwrap().remove("internal");
        }
    }
    serde_json::to_vec(&document).unwrap()
}

fn records(record: &Mask) -> Mask {
    place("/data/*", 0, record).unwrap()
}

/// Hides what the harness's W3 hides.
fn personnel() -> Mask {
    record([("ssn", HIDE), ("salary", HIDE)], SHOW, HIDE)
}

/// Shows a third of each record by name.
fn allowed() -> Mask {
    record([("id", SHOW), ("name", SHOW), ("email", SHOW), ("active", SHOW)], HIDE, HIDE)
}

/// Looks everywhere, hides nothing that is there.
fn named() -> Mask {
    record([("password", HIDE), ("token", HIDE)], SHOW, SHOW)
}

fn record<const N: usize>(
    fields: [(&str, portcullis::filter::mask::NodeId); N],
    others: portcullis::filter::mask::NodeId,
    internal: portcullis::filter::mask::NodeId,
) -> Mask {
    let mut builder = MaskBuilder::new();
    let secret = ("internal".into(), internal);
    let entry = builder.add(Node { fields: vec![secret], types: Types::OBJECT, ..Node::open() });
    let history = builder.add(Node { types: Types::ARRAY, items: entry, ..Node::open() });
    let mut fields: Vec<_> = fields.into_iter().map(|(name, id)| (name.into(), id)).collect();
    fields.push(("history".into(), history));
    let root = builder.add(Node { types: Types::OBJECT, fields, others, ..Node::open() });
    builder.finish(root)
}

/// `{"data":[record…]}` of about this size.
fn list(size: usize) -> Vec<u8> {
    let mut text = String::from(r#"{"data":["#);
    let mut number = 0;
    while text.len() < size {
        if number > 0 {
            text.push(',');
        }
        write_record(&mut text, number);
        number += 1;
    }
    write!(text, r#"],"page":{{"number":1,"size":{number}}}}}"#).unwrap();
    text.into_bytes()
}

fn write_record(text: &mut String, n: usize) {
    let name = ["Ana Petrović", "Björn Larsen", "Dana O\\\"Neil", "Eun-ji Kim"][n % 4];
    write!(
        text,
        r#"{{"id":{n},"name":"{name}","email":"user{n}@example.com","ssn":"{:03}-12-{:04}","salary":{{"amount":{},"currency":"EUR","bonus":[{},{}]}},"active":{},"created_at":"2024-05-{:02}T09:24:05Z","address":{{"street":"{} Harbour Road","city":"Split","zip":"{:05}","country":"HR","geo":{{"lat":{}.0457,"lng":{}.1233}}}},"tags":["staff","team-{}","eu"],"history":["#,
        n % 900, n * 7 % 10_000, 30_000 + n * 13 % 90_000, n % 900, n % 9000, n.is_multiple_of(2),
        n % 28 + 1, n % 200, n * 31 % 99_999, n % 90, n % 180, n % 40
    )
    .unwrap();
    for entry in 0..2 {
        let comma = if entry > 0 { "," } else { "" };
        write!(
            text,
            r#"{comma}{{"at":"2024-05-{:02}T10:00:00Z","action":"update","note":"Changed by request, see ticket\n#{}","internal":{{"actor":"svc-{}","ip":"10.0.{}.{}","risk":0.{:03}1}}}}"#,
            n % 28 + 1, n * 17 % 99_999, n % 40, n % 255, entry, n % 999
        )
        .unwrap();
    }
    text.push_str("]}");
}

criterion_group!(group, benches);
criterion_main!(group);
