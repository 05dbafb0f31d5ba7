//! Through the proxy, in every kind and coding, chunked anywhere, and where the upstream fails.

use super::documents::{SHAPES, Value, document, without_mistyped};
use super::pure::{read_back, record};
use super::sent::{Got, Sent};
use super::texts::{Spelling, left};
use super::{POLICY, leaks};
use crate::main_job::kinds::{READ, WRITTEN, coded, plain};
use crate::proxy::framed::{self, upstream::Framed};
use crate::proxy::support::{Answer, Proxy, Upstream};
use crate::reference::dice::Dice;
use crate::support::tokens::key_digest;
use portcullis::filter::records::Framing;
use portcullis::settings::Limits;
use std::sync::{Arc, Mutex};

/// Two proxies, before an upstream of either protocol, and what these answer next.
struct Line {
    http1: Proxy,
    http2: Proxy,
    next: Arc<Mutex<Sent>>,
    _framed: Framed,
}

/// By which protocols a document travels.
#[derive(Clone, Copy, Debug)]
struct Way {
    client_http2: bool,
    upstream_http2: bool,
}

/// What an upstream says, and what is to come of it.
struct Case {
    path: String,
    sent: Sent,
    status: u16,
    wanted: Wanted,
}

enum Wanted {
    /// These documents, one or several, in the status that came.
    Documents(Vec<serde_json::Value>),
    /// Anything that says nothing.
    Silence,
    /// A refusal, or a cut.
    Refusal,
}

const KINDS: [(&str, Framing); 3] = [
    ("application/x-ndjson", Framing::Lines),
    ("application/json-seq", Framing::Sequence),
    ("text/event-stream", Framing::Events),
];

impl Line {
    fn new() -> Line {
        let next: Arc<Mutex<Sent>> = Arc::default();
        let (answer, framed) = (next.clone(), next.clone());
        let upstream =
            Upstream::scripted(move |_, _| Answer::Bytes(answer.lock().unwrap().http1()));
        let framed = Framed::scripted(move |_, _| {
            framed::upstream::Answer::Say(framed.lock().unwrap().framed())
        });
        let digest = key_digest("ana");
        let key = format!("{{user: ana, sha256: \"{digest}\", roles: [seer, mine]}}");
        let rules = format!("identity: {{api_keys: {{keys: [{key}]}}}}\n{POLICY}");
        let url = format!("http://{}", upstream.address);
        let http1 = Proxy::with(&format!("policy: 1\n{rules}"), &url, Limits::default());
        let far = rules.replace("{match: ", "{upstream: far, match: ");
        let http2 = framed::with(&framed, &far, Limits::default());
        Line { http1, http2, next, _framed: framed }
    }

    fn run(&self, seed: u64, way: Way) {
        let dice = &mut Dice::new(seed);
        let case = Case::new(dice);
        *self.next.lock().unwrap() = case.sent.clone();
        let accept = dice.pick(&["identity", WRITTEN[0], WRITTEN[1], WRITTEN[2], "gzip, br, zstd"]);
        let fields = [("x-api-key", "ana"), ("accept-encoding", accept), ("te", "trailers")];
        let proxy = if way.upstream_http2 { &self.http2 } else { &self.http1 };
        let told = format!("seed {seed}, {way:?}, {}: {:?}", case.path, case.sent);
        let got = match way.client_http2 {
            true => Got::over_http2(proxy.address, &case.path, &fields),
            false => Got::over_http1(proxy.address, &case.path, &fields),
        };
        assert!(!leaks(&got.raw) && !leaks(got.heads.as_bytes()), "{told}\ngave {got:?}");
        let Some(status) = got.whole else {
            assert!(!leaks(&got.body), "{told}\nwas cut after {got:?}");
            return assert!(matches!(case.wanted, Wanted::Refusal), "{told}\nwas cut: {got:?}");
        };
        let body = plain(got.coding.as_deref(), &got.body);
        assert!(!leaks(body.as_bytes()), "{told}\ngave {body}");
        case.judge(status, &body, &told);
    }
}

impl Case {
    fn new(dice: &mut Dice) -> Case {
        match dice.below(10) {
            0..4 => Case::document(dice),
            4..7 => Case::stream(dice),
            7 => Case::error(dice),
            8 => Case::redirect(dice),
            _ => Case::bad(dice),
        }
    }

    fn document(dice: &mut Dice) -> Case {
        let shape = dice.pick(&SHAPES);
        let value = document(shape, dice);
        let text = padded(Spelling::dressed(dice).all(&value), dice);
        let sent = response(200, "application/json", &[], coding(dice), text.as_bytes(), dice);
        let wanted = Wanted::Documents(vec![left(&value)]);
        Case { path: shape.into(), sent, status: 200, wanted }
    }

    fn stream(dice: &mut Dice) -> Case {
        let shape = dice.pick(&SHAPES[..6]);
        let (kind, framing) = dice.pick(&KINDS);
        let values: Vec<Value> = dice.some(1..5, |dice| document(shape, dice));
        let text: String = values.iter().map(|value| record(framing, value, dice)).collect();
        let sent = response(200, kind, &[], coding(dice), text.as_bytes(), dice);
        let wanted = Wanted::Documents(values.iter().map(left).collect());
        Case { path: format!("/ev{shape}"), sent, status: 200, wanted }
    }

    /// An error has any shape: what the policy names is hidden wherever it stands.
    fn error(dice: &mut Dice) -> Case {
        let shape = dice.pick(&SHAPES);
        let value = without_mistyped(&document(shape, dice));
        let text = Spelling::dressed(dice).all(&value);
        let status = dice.pick(&[400, 404, 409, 422, 500, 503]);
        let kind = dice.pick(&[
            "application/json",
            "application/problem+json",
            "text/html",
            "application/x-ndjson",
        ]);
        let sent = response(status, kind, &[], coding(dice), text.as_bytes(), dice);
        Case { path: shape.into(), sent, status, wanted: Wanted::Silence }
    }

    fn redirect(dice: &mut Dice) -> Case {
        let shape = dice.pick(&["/plain", "/nulls", "/cased"]);
        let place = dice.pick(&[
            "/x?ssn=CANARY",
            "/x?page=2&SSN=CANARY",
            "https://e/x?number=1&s%73n=CANARY#a",
        ]);
        let fields = [
            ("Location", place),
            ("Content-Location", place),
            ("ETag", "\"CANARY\""),
            ("Link", "</x?ssn=CANARY>; rel=next"),
        ];
        let value = without_mistyped(&document(shape, dice));
        let text = Spelling::dressed(dice).all(&value);
        let status = dice.pick(&[301, 302, 303, 307, 308]);
        let sent =
            response(status, "application/json", &fields, coding(dice), text.as_bytes(), dice);
        Case { path: shape.into(), sent, status, wanted: Wanted::Silence }
    }

    /// What the filter cannot read.
    fn bad(dice: &mut Dice) -> Case {
        let shape = dice.pick(&SHAPES);
        let value = document(shape, dice);
        let text = padded(Spelling::dressed(dice).all(&value), dice);
        let path = match shape == "/rows" || dice.percent(50) {
            true => shape.to_owned(),
            false => format!("/ev{shape}"),
        };
        let (kind, coding, text) = match dice.below(5) {
            0 => ("application/json", "gzip, br", coded("br", coded("gzip", &text))),
            1 => ("application/json", "exi", text.into_bytes()),
            2 => ("text/plain", "identity", text.into_bytes()),
            3 => ("application/javascript", "identity", format!("cb({text})").into_bytes()),
            _ => ("application/json", "identity", format!("{}\u{feff}", text).into_bytes()),
        };
        let coded = (coding, text);
        let sent = Sent::new(200, kind, &[], coded, dice);
        Case { path, sent, status: 502, wanted: Wanted::Refusal }
    }

    #[track_caller]
    fn judge(&self, status: u16, body: &str, told: &str) {
        assert_eq!(status, self.status, "{told}\ngave {body}");
        if let Wanted::Documents(wanted) = &self.wanted {
            assert_eq!(read_back(body.as_bytes()), *wanted, "{told}\ngave {body}");
        }
    }
}

/// Some are too large to be held: their heads go out before their ends are known.
fn padded(text: String, dice: &mut Dice) -> String {
    // Of a kind that no coding makes a bomb of.
    let mixed = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40 & 3;
    let white: String =
        (0..70_000).map(|at| [' ', '\t', '\n', '\r'][mixed(at * at) as usize]).collect();
    match dice.below(8) {
        0 => text + &white,
        1 => white + &text,
        _ => text,
    }
}

fn coding(dice: &mut Dice) -> &'static str {
    dice.pick(&["identity", "identity", READ[0], READ[1], READ[2], READ[3]])
}

fn response(
    status: u16,
    kind: &'static str,
    fields: &[(&'static str, &'static str)],
    coding: &'static str,
    body: &[u8],
    dice: &mut Dice,
) -> Sent {
    Sent::new(status, kind, fields, (coding, coded(coding, body)), dice)
}

/// By HTTP/1.1 on both sides.
const OLD: Way = Way { client_http2: false, upstream_http2: false };

/// By HTTP/2 on one side or both.
const FRAMED: [Way; 3] = [
    Way { client_http2: true, upstream_http2: false },
    Way { client_http2: false, upstream_http2: true },
    Way { client_http2: true, upstream_http2: true },
];

#[test]
fn p11_no_canary_leaves_the_proxy() {
    let line = Line::new();
    (0..500).for_each(|seed| line.run(seed, OLD));
}

#[test]
fn p11_no_canary_leaves_the_proxy_in_frames() {
    let line = Line::new();
    for way in FRAMED {
        (0..400).for_each(|seed| line.run(seed, way));
    }
}

#[test]
#[ignore = "minutes: cargo test --test transcripts canary -- --ignored"]
fn p11_no_canary_leaves_the_proxy_in_the_long_run() {
    let line = Line::new();
    (500..50_000).for_each(|seed| line.run(seed, OLD));
    for way in FRAMED {
        (400..20_000).for_each(|seed| line.run(seed, way));
    }
}
