//! The filter in instructions, which are the same in every run: `cargo bench --bench counts`.
//!
//! Needs valgrind, and the runner: `cargo install gungraun-runner --version 0.20.0`. Without them
//! it says so and counts nothing.

#[path = "filter/documents.rs"]
mod documents;

use gungraun::{library_benchmark, library_benchmark_group};
use portcullis::filter::mask::{HIDE, Mask, MaskBuilder, Node, Types};
use portcullis::filter::{Filter, Limits};
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// A mask, a list of about 100 KB, and room for what it shows.
fn about(mask: Mask) -> (Arc<Mask>, Vec<u8>, Vec<u8>) {
    let text = documents::list(100 << 10);
    let room = Vec::with_capacity(text.len());
    (Arc::new(mask), text, room)
}

/// Hides all records, and nothing else.
fn hidden_data() -> Mask {
    let mut builder = MaskBuilder::new();
    let fields = vec![("data".into(), HIDE)];
    let root = builder.add(Node { fields, types: Types::OBJECT, ..Node::open() });
    builder.finish(root)
}

#[library_benchmark(setup = about)]
#[bench::remove(documents::records(&documents::personnel()))]
#[bench::allow(documents::records(&documents::allowed()))]
#[bench::keep(documents::records(&documents::named()))]
#[bench::kept_10(documents::kept("10"))]
#[bench::kept_50(documents::kept("50"))]
#[bench::kept_100(documents::kept("100"))]
#[bench::show(Mask::show())]
#[bench::hide(hidden_data())]
fn filter((mask, text, mut out): (Arc<Mask>, Vec<u8>, Vec<u8>)) -> Vec<u8> {
    let mut filter = Filter::new(mask, Limits::default());
    for chunk in black_box(&text).chunks(16 << 10) {
        filter.push(chunk, &mut out).unwrap();
    }
    filter.finish(&mut out).unwrap();
    out
}

library_benchmark_group!(name = filters, benchmarks = filter);

/// The macro's `main` belongs to its module.
mod counted {
    use super::filters;

    gungraun::main!(library_benchmark_groups = filters);

    pub fn run() {
        main();
    }
}

#[expect(clippy::print_stderr, reason = "a run that counts nothing says so")]
fn main() {
    match ["valgrind", "gungraun-runner"].into_iter().find(|tool| !is_there(tool)) {
        Some(missing) => eprintln!("counts: {missing} is not installed, so nothing is counted"),
        None => counted::run(),
    }
}

fn is_there(tool: &str) -> bool {
    let quiet = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}
