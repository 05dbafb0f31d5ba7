//! What loading a policy costs, step by step, in time and memory, as its routes, roles and members
//! grow. `cargo bench --bench scale -- --help` tells how to ask.

mod make;
mod swap;

use allocation_counter::{AllocationInfo, measure};
use make::{Form, Size};
use portcullis::control::files;
use portcullis::control::load::load;
use portcullis::policy::compile::{Stamp, compile};
use portcullis::policy::lint::lint;
use portcullis::policy::resolve::{Surroundings, resolve};
use portcullis::policy::{bind, front, merge, yaml};
use portcullis::source::FileId;
use std::fs;
use std::time::{Duration, Instant};

const HELP: &str = "\
cargo bench --bench scale -- [SIZE]... [--form flow|block|json] [--files N] [--steps | --swap]
  SIZE     routes,roles,members: 10000,1000,1000000; without one, the curves of performance.md
  --files  how many files the members are spread over (1)
  --steps  each step on one thread, in place of the whole load
  --swap   the times of requests through the proxy before and during a reload";

/// The curves: one of routes, one of roles, one of members.
const CURVES: [Size; 10] = [
    Size { routes: 100, roles: 10, members: 1_000 },
    Size { routes: 1_000, roles: 10, members: 1_000 },
    Size { routes: 10_000, roles: 10, members: 1_000 },
    Size { routes: 100, roles: 100, members: 1_000 },
    Size { routes: 100, roles: 1_000, members: 1_000 },
    Size { routes: 100, roles: 10_000, members: 1_000 },
    Size { routes: 100, roles: 10, members: 10_000 },
    Size { routes: 100, roles: 10, members: 100_000 },
    Size { routes: 100, roles: 10, members: 1_000_000 },
    Size { routes: 10_000, roles: 1_000, members: 1_000_000 },
];

struct Asked {
    sizes: Vec<Size>,
    form: Form,
    files: usize,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Load,
    Steps,
    Swap,
}

fn main() {
    let Some(asked) = read_arguments(std::env::args().skip(1)) else {
        return println!("{HELP}");
    };
    for size in &asked.sizes {
        if let What::Swap = asked.what {
            println!("{size:?}");
            swap::measure(*size, asked.form, asked.files);
            continue;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bytes = make::write(folder.path(), *size, asked.form, asked.files);
        let Size { routes, roles, members } = size;
        println!("{routes} routes, {roles} roles, {members} members, {bytes} bytes");
        match asked.what {
            What::Steps => steps(folder.path(), *members),
            _ => whole(folder.path(), *members),
        }
    }
}

fn read_arguments(mut given: impl Iterator<Item = String>) -> Option<Asked> {
    let mut asked = Asked { sizes: Vec::new(), form: Form::Flow, files: 1, what: What::Load };
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--bench" => {}
            "--steps" => asked.what = What::Steps,
            "--swap" => asked.what = What::Swap,
            "--files" => asked.files = given.next()?.parse().ok()?,
            "--form" => asked.form = form(&given.next()?)?,
            size => asked.sizes.push(read_size(size)?),
        }
    }
    if asked.sizes.is_empty() {
        asked.sizes = CURVES.to_vec();
    }
    Some(asked)
}

fn form(name: &str) -> Option<Form> {
    match name {
        "flow" => Some(Form::Flow),
        "block" => Some(Form::Block),
        "json" => Some(Form::Json),
        _ => None,
    }
}

fn read_size(text: &str) -> Option<Size> {
    let numbers: Vec<usize> = text.split(',').filter_map(|part| part.parse().ok()).collect();
    let [routes, roles, members] = numbers[..] else { return None };
    (routes > 0 && roles > 0).then_some(Size { routes, roles, members })
}

/// The load as the proxy does it, and what stays of it.
fn whole(folder: &std::path::Path, members: usize) {
    let before = resident("VmRSS");
    let begun = (Instant::now(), cpu());
    let loaded = load(folder, &Surroundings::default(), 1)
        .unwrap_or_else(|not| panic!("{:?}", not.report.problems().first()));
    let (wall, used) = (begun.0.elapsed(), cpu() - begun.1);
    let warnings = loaded.report.problems().len();
    let sources = loaded.sources;
    drop(sources);
    let live = loaded.live;
    let after = resident("VmRSS");
    let begun = Instant::now();
    let freed = measure(|| drop(live));
    let (dropped, held) = (begun.elapsed(), freed.bytes_current.unsigned_abs() as usize);
    println!(
        "  load {wall:.2?} ({used:.2?} of processors), {warnings} warnings; drop {dropped:.2?}"
    );
    println!(
        "  snapshot {held} bytes ({} a member), resident {before} -> {after} kB, peak {} kB",
        held / members.max(1),
        resident("VmHWM")
    );
}

/// The same by its steps, on one thread.
fn steps(folder: &std::path::Path, members: usize) {
    let mut report = Default::default();
    let text = step("read", members, || files::read(folder).expect("files"));
    let roots: Vec<_> = step("parse", members, || {
        let files = (0..).map(FileId).zip(text.sources.files());
        files.filter_map(|(id, file)| yaml::parse(id, &file.text, &mut report)).collect()
    });
    let root = step("merge", members, || merge::merge(roots, &mut report));
    let raw = step("bind", members, || bind::policy(&root, &mut report));
    step("drop tree", members, || drop(root));
    let resolved =
        step("resolve", members, || resolve(&raw, &Surroundings::default(), &mut report));
    step("lint", members, || lint(&raw, &resolved, &mut report));
    assert!(!report.has_errors(), "{:?}", report.problems().first());
    let stamp = Stamp { generation: 1, digest: "sha256:0".into() };
    let snapshot =
        step("compile", members, || compile(resolved, &text.sources, stamp, &mut report));
    step("drop raw", members, || drop(raw));
    step("drop snapshot", members, || drop(snapshot));
    step("all again", members, || front::read(&text.sources));
}

fn step<T>(name: &str, members: usize, work: impl FnOnce() -> T) -> T {
    let (mut result, mut wall, mut used) = (None, Duration::ZERO, Duration::ZERO);
    let AllocationInfo { count_total, bytes_current, bytes_max, .. } = measure(|| {
        let begun = (Instant::now(), cpu());
        result = Some(work());
        (wall, used) = (begun.0.elapsed(), cpu() - begun.1);
    });
    let each = |bytes: i64| bytes / members.max(1) as i64;
    println!(
        "  {name:14} {wall:>10.2?} {used:>10.2?} cpu {count_total:>10} allocations, {:>6} kept a member, {:>6} at most",
        each(bytes_current),
        each(bytes_max as i64),
    );
    result.expect("the step was taken")
}

/// What this process's threads have used of processors, those that have ended included.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|number| number.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// A line of what Linux tells of a process's memory, in kB.
fn resident(what: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}
