//! Through the filter alone, as a decision makes it.

use super::documents::{SHAPES, Value, document};
use super::texts::{Spelling, left, with_total};
use super::{POLICY, leaks};
use crate::reference::dice::Dice;
use portcullis::control::load::load;
use portcullis::decide::body::{self, View};
use portcullis::decide::{self, Decision};
use portcullis::filter::records::{Framing, Records};
use portcullis::filter::{Fault, Limits};
use portcullis::policy::resolve::Surroundings;
use portcullis::policy::snapshot::Snapshot;
use portcullis::policy::{Host, Target};
use portcullis::principal::{AuthMethod, Principal};
use std::sync::Arc;

/// What `ana` sees on one path.
struct Filtering {
    snapshot: Arc<Snapshot>,
    views: Vec<(&'static str, View)>,
}

impl Filtering {
    fn new() -> Filtering {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.yaml");
        std::fs::write(&path, format!("policy: 1\n{POLICY}")).unwrap();
        let loaded = load(&path, &Surroundings::default(), 1);
        let snapshot = match loaded {
            Ok(loaded) => loaded.live.snapshot.clone(),
            Err(failed) => panic!("{:#?}", failed.report),
        };
        let views = SHAPES.map(|path| (path, view(&snapshot, path))).to_vec();
        Filtering { snapshot, views }
    }

    fn view(&self, shape: &str) -> &View {
        &self.views.iter().find(|(path, _)| *path == shape).unwrap().1
    }

    /// What passes of a document in these pieces, up to a fault.
    fn pass(&self, shape: &str, pieces: &[&[u8]]) -> (Result<(), Fault>, Vec<u8>) {
        let (view, limits) = (self.view(shape), Limits::default());
        let mut filter = view.filter(&self.snapshot, limits, false).unwrap();
        view.count_rows(&mut filter, &self.snapshot, limits, &pieces.concat());
        let mut out = Vec::new();
        let read = pieces.iter().try_for_each(|piece| filter.push(piece, &mut out));
        (read.and_then(|()| filter.finish(&mut out)), out)
    }

    #[track_caller]
    fn whole(&self, shape: &str, text: &str) -> Vec<u8> {
        let (end, out) = self.pass(shape, &[text.as_bytes()]);
        assert_eq!(end, Ok(()), "{shape}: {text}");
        out
    }
}

fn view(snapshot: &Arc<Snapshot>, path: &str) -> View {
    let (target, headers) = (Target::parse(path, 8192).unwrap(), http::HeaderMap::new());
    let question = decide::Request {
        method: &http::Method::GET,
        target: &target,
        host: Host::known(b"a"),
        headers: &headers,
        client: None,
        peer: None,
        now: 0,
    };
    let caller = Principal {
        roles: Some(vec!["seer".into(), "mine".into()]),
        ..Principal::of("ana", AuthMethod::CommandLine)
    };
    let routed = decide::route(snapshot, &question).unwrap();
    match decide::decide(snapshot, &question, routed, Some(Arc::new(caller)), &mut ()).unwrap() {
        Decision::Allowed(permit) => body::view(&permit, snapshot),
        Decision::Asks(inquiry) => {
            let facts = decide::Facts { body: decide::Body::Empty, objects: &[] };
            let limits = Limits::default();
            let permit = inquiry.settle(snapshot, &question, &facts, &limits, &mut ()).unwrap();
            body::view(&permit, snapshot)
        }
    }
}

/// A text in pieces, cut anywhere.
fn pieces<'t>(text: &'t [u8], dice: &mut Dice) -> Vec<&'t [u8]> {
    let mut cuts = dice.some(0..9, |dice| dice.below(text.len() + 1));
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

fn one_document(filtering: &Filtering, seed: u64) {
    let dice = &mut Dice::new(seed);
    let shape = dice.pick(&SHAPES);
    let value = document(shape, dice);
    let (value, total) = match shape == "/rows" && dice.percent(50) {
        true => (with_total(&value), true),
        false => (value, false),
    };
    let plain = Spelling::plain().all(&value);
    let dressed = Spelling::dressed(dice).all(&value);
    let mut wanted = left(&value);
    if total {
        wanted["total"] = wanted["items"].as_array().map_or(0, Vec::len).into();
    }
    for text in [&plain, &dressed] {
        let out = filtering.whole(shape, text);
        let told = || format!("seed {seed}, {shape}: {text}\ngave {}", out.escape_ascii());
        assert!(!leaks(&out), "{}", told());
        let seen: serde_json::Value =
            serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}, {}", told()));
        assert_eq!(seen, wanted, "{}", told());
        // However it is cut, and byte by byte.
        for pieces in [pieces(text.as_bytes(), dice), text.as_bytes().chunks(1).collect()] {
            assert_eq!(filtering.pass(shape, &pieces), (Ok(()), out.clone()), "{}", told());
        }
        // What came out goes in, and nothing more goes.
        let again = filtering.whole(shape, std::str::from_utf8(&out).unwrap());
        assert_eq!(again, out, "{}", told());
    }
    broken(filtering, shape, &dressed, dice, seed);
}

/// What ends too early, or does not end, is refused, and nothing has left before. (Other damage makes
/// another document, of which other parts may be seen.)
fn broken(filtering: &Filtering, shape: &str, text: &str, dice: &mut Dice, seed: u64) {
    let cut = dice.below(text.trim_end().len());
    for bytes in [&text.as_bytes()[..cut], format!("{text}\"CANARY\"").as_bytes()] {
        let (end, out) = filtering.pass(shape, &pieces(bytes, dice));
        let told =
            format!("seed {seed}, {shape}: {} gave {}", bytes.escape_ascii(), out.escape_ascii());
        assert!(end.is_err() && !leaks(&out), "{told}");
    }
}

/// Several documents in one body.
fn one_stream(filtering: &Filtering, seed: u64) {
    let dice = &mut Dice::new(seed);
    // Rows are in no record here.
    let shape = dice.pick(&SHAPES[..6]);
    let values: Vec<Value> = dice.some(1..5, |dice| document(shape, dice));
    for framing in [Framing::Lines, Framing::Sequence, Framing::Values, Framing::Events] {
        let text: String = values.iter().map(|value| record(framing, value, dice)).collect();
        let filter = filtering.view(shape).filter(&filtering.snapshot, Limits::default(), false);
        let mut records = Records::new(filter.unwrap(), framing, Arc::new([]), Limits::default());
        let mut out = Vec::new();
        let read = pieces(text.as_bytes(), dice)
            .iter()
            .try_for_each(|piece| records.push(piece, &mut out));
        let end = read.and_then(|()| records.finish(&mut out));
        let told =
            || format!("seed {seed}, {shape} {framing:?}: {text}\ngave {}", out.escape_ascii());
        assert_eq!(end, Ok(()), "{}", told());
        assert!(!leaks(&out), "{}", told());
        let wanted: Vec<_> = values.iter().map(left).collect();
        assert_eq!(read_back(&out), wanted, "{}", told());
    }
}

/// A record as a stream has it.
pub fn record(framing: Framing, value: &Value, dice: &mut Dice) -> String {
    match framing {
        Framing::Lines => Spelling::line(dice).all(value) + "\n",
        Framing::Sequence => format!("\x1e{}\n", Spelling::dressed(dice).all(value)),
        Framing::Values => Spelling::dressed(dice).all(value),
        Framing::Events => {
            let text = Spelling::dressed(dice).all(value).replace('\r', "");
            let data: String = text.split('\n').map(|line| format!("data: {line}\n")).collect();
            format!(": CANARY\nevent: add\nnone: CANARY\n{data}\n")
        }
    }
}

/// The documents of a filtered stream of any kind.
pub fn read_back(bytes: &[u8]) -> Vec<serde_json::Value> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let fields = text.lines().filter(|line| !line.starts_with("event:"));
    let text: String =
        fields.map(|line| line.strip_prefix("data:").unwrap_or(line).to_owned() + "\n").collect();
    let text = text.replace('\x1e', "");
    let values = serde_json::Deserializer::from_str(&text).into_iter();
    values.map(|value| value.unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
}

#[test]
fn p11_no_canary_leaves_the_filter() {
    let filtering = Filtering::new();
    (0..3_000).for_each(|seed| one_document(&filtering, seed));
    (0..600).for_each(|seed| one_stream(&filtering, seed));
}

#[test]
#[ignore = "minutes: cargo test --test transcripts canary -- --ignored"]
fn p11_no_canary_leaves_the_filter_in_the_long_run() {
    let filtering = Filtering::new();
    (3_000..300_000).for_each(|seed| one_document(&filtering, seed));
    (600..60_000).for_each(|seed| one_stream(&filtering, seed));
}
