//! HTTP/2 clients that cost more than they pay, frame by frame. Each loses its connection, and the
//! upstream hears of none of it.

use super::support::{Answer, OPEN, Proxy, Upstream, eventually, ok};
use crate::support::frames::{self, FrameClient, frame};
use portcullis::settings::Limits;
use std::time::Duration;

/// More frames than any limit of these tests.
const MANY: usize = 5_000;

/// Longer than anything here takes, and shorter than a client that does nothing may stay.
const SOON: Duration = Duration::from_secs(8);

/// Makes frames for a stream.
type OnStream<'a> = &'a dyn Fn(u32) -> Vec<u8>;

fn strict() -> Limits {
    Limits { resets: 10, control_frames: 100, ..Limits::default() }
}

fn with(limits: Limits, upstream: &Upstream) -> Proxy {
    Proxy::with(OPEN, &format!("http://{}", upstream.address), limits)
}

/// Sends a flood behind an opening; the connection has to end.
#[track_caller]
fn is_cut(what: &str, proxy: &Proxy, opening: &[u8], flood: &[u8]) {
    let mut client = FrameClient::connect(proxy.address);
    client.send(opening);
    client.send(flood);
    assert!(client.ends_within(SOON), "{what} goes on: {:?}", client.frames());
}

/// That others are served as before.
#[track_caller]
fn still_serves(proxy: &Proxy) {
    assert_eq!(
        proxy.once("GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status,
        200
    );
}

#[test]
fn p05_floods_of_frames_end_the_connection_and_cost_nothing_upstream() {
    let upstream = Upstream::json("{}");
    let proxy = with(strict(), &upstream);
    let many = |one: Vec<u8>| one.repeat(MANY);
    let (ping, empty) = (frame(frames::PING, 0, 0, &[0; 8]), frame(frames::DATA, 0, 1, b""));
    let open = frame(frames::HEADERS, 0, 1, &frames::fields("POST", "/x"));
    let window = frame(frames::WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
    is_cut("PING", &proxy, b"", &many(ping));
    is_cut("SETTINGS", &proxy, b"", &many(frames::settings(&[(3, 100)])));
    is_cut("PRIORITY", &proxy, b"", &many(frame(frames::PRIORITY, 0, 1, &[0, 0, 0, 0, 1])));
    is_cut("WINDOW_UPDATE", &proxy, b"", &many(window));
    is_cut("an unknown frame", &proxy, b"", &many(frame(0x7f, 0, 0, b"?")));
    is_cut("CONTINUATION", &proxy, &open, &many(frame(frames::CONTINUATION, 0, 1, b"")));
    is_cut(
        "CONTINUATION of fields",
        &proxy,
        &open,
        &many(frame(frames::CONTINUATION, 0, 1, &[0x84; 64])),
    );
    upstream.assert_untouched();
    // Whose body is awaited has reached the upstream once, and its rest never comes.
    is_cut("empty DATA", &proxy, &frames::post(1, "/x"), &many(empty));
    assert!(upstream.requests().is_empty(), "no request is whole");
    still_serves(&proxy);
}

#[test]
fn p05_what_h2_counts_by_itself_is_within_the_defaults_too() {
    let upstream = Upstream::json("{}");
    let proxy = with(Limits::default(), &upstream);
    let open = frame(frames::HEADERS, 0, 1, &frames::fields("POST", "/x"));
    is_cut("CONTINUATION", &proxy, &open, &frame(frames::CONTINUATION, 0, 1, b"").repeat(100));
    is_cut(
        "empty DATA",
        &proxy,
        &frames::post(1, "/x"),
        &frame(frames::DATA, 0, 1, b"").repeat(200),
    );
    assert!(upstream.requests().is_empty());
    still_serves(&proxy);
}

/// Pairs of a request and its reset, in one write.
fn pairs(count: usize) -> Vec<u8> {
    let pair = |stream| {
        let reset = frame(frames::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        [frames::get(stream, "/reset"), reset].concat()
    };
    frames::streams().take(count).flat_map(pair).collect()
}

#[test]
fn p05_rapid_resets_end_the_connection_before_the_upstream_hears_of_them() {
    let upstream = Upstream::json("{}");
    for limits in [Limits::default(), strict()] {
        let proxy = with(limits, &upstream);
        is_cut("rapid reset", &proxy, b"", &pairs(MANY));
        still_serves(&proxy);
    }
    let reset = upstream.requests().iter().filter(|one| one.starts_with("GET /reset")).count();
    assert_eq!(reset, 0, "requests that were taken back");
}

/// An upstream that never answers.
fn mute() -> Upstream {
    let waiting = std::sync::Mutex::new(Vec::new());
    Upstream::scripted(move |_, _| {
        let (never, pieces) = std::sync::mpsc::channel();
        waiting.lock().unwrap().push(never);
        Answer::Pieces(pieces)
    })
}

#[test]
fn p05_requests_that_are_taken_back_one_by_one_have_a_limit() {
    for (resets, cut) in [(9, false), (10, false), (11, true)] {
        let upstream = mute();
        let proxy = with(strict(), &upstream);
        let mut client = FrameClient::connect(proxy.address);
        for (sent, stream) in frames::streams().take(resets).enumerate() {
            client.send(&frames::get(stream, "/wait"));
            eventually("it is on its way", || upstream.requests().len() > sent);
            client.send(&frame(frames::RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
            assert!(proxy.record().aborted, "what is taken back is given up");
        }
        assert_eq!(client.ends_within(Duration::from_millis(300)), cut, "{resets}");
    }
}

#[test]
fn p05_streams_that_a_client_makes_us_reset_have_a_limit() {
    // Each breaks the protocol on its stream alone (RFC 9113 section 6.9.1, RFC 7540 section 5.3.1).
    let widest = |stream| frame(frames::WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
    let itself = |stream: u32| {
        let on_itself = [&stream.to_be_bytes()[..], &[1]].concat();
        frame(frames::PRIORITY, 0, stream, &on_itself)
    };
    let breaks = [("window", &widest as OnStream), ("priority", &itself)];
    for (what, breaks) in breaks {
        let upstream = mute();
        let proxy = with(strict(), &upstream);
        let mut client = FrameClient::connect(proxy.address);
        let mut forgiven = 0;
        for (sent, stream) in frames::streams().take(100).enumerate() {
            client.send(&frames::get(stream, "/wait"));
            eventually("it is on its way", || upstream.requests().len() > sent);
            client.send(&breaks(stream));
            assert!(proxy.record().aborted, "{what}");
            if client.ends_within(Duration::from_millis(50)) {
                break;
            }
            forgiven += 1;
        }
        assert_eq!(forgiven, 10, "{what}");
    }
}

#[test]
fn p05_streams_beyond_their_number_are_refused_and_then_the_connection_ends() {
    let upstream = mute();
    let proxy = with(Limits { streams: 2, ..strict() }, &upstream);
    let more: Vec<u8> =
        frames::streams().skip(2).take(100).flat_map(|n| frames::get(n, "/x")).collect();
    let two = [frames::get(1, "/x"), frames::get(3, "/x")].concat();
    is_cut("streams", &proxy, &two, &more);
    assert!(upstream.requests().len() <= 2);
}

#[test]
fn p05_a_preface_that_stalls_is_closed() {
    let upstream = Upstream::json("{}");
    let limits = Limits { header_timeout: Duration::from_millis(300), ..Limits::default() };
    let proxy = with(limits, &upstream);
    let whole = [frames::PREFACE, &frames::settings(&[(3, 1)])].concat();
    let begun = [&whole, &frames::get(1, "/x")[..12]].concat();
    let open = [&whole, &frame(frames::HEADERS, 0, 1, &frames::fields("GET", "/x"))[..]].concat();
    let stalls = [
        ("the first byte", &whole[..1]),
        ("half of the preface", &whole[..12]),
        ("a preface without SETTINGS", frames::PREFACE),
        ("half of a frame's head", &whole[..frames::PREFACE.len() + 3]),
        ("half of a request", &begun[..]),
        ("a request of which more follows", &open[..]),
    ];
    for (what, bytes) in stalls {
        let mut client = FrameClient::silent(proxy.address);
        client.send(bytes);
        assert!(client.ends_within(SOON), "{what}");
    }
    upstream.assert_untouched();
    let mut idle = FrameClient::connect(proxy.address);
    assert!(!idle.ends_within(Duration::from_millis(900)), "what is whole may be idle");
}

/// The window is opened a byte at a time, and each byte asks for a frame of its own.
#[test]
fn p05_a_window_that_is_opened_by_single_bytes_ends_the_connection() {
    let upstream = Upstream::answering(&ok("text/plain", &"x".repeat(100_000)));
    let proxy = with(strict(), &upstream);
    let mut client = FrameClient::silent(proxy.address);
    client.send(&[frames::PREFACE, &frames::settings(&[(4, 0)]), &frames::get(1, "/x")].concat());
    let byte = frame(frames::WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes());
    let mut steps = 0;
    while !client.ends_within(Duration::from_millis(2)) {
        client.send(&byte);
        steps += 1;
        assert!(steps < MANY, "it goes on");
    }
    assert!(proxy.record().aborted);
}

/// A field that goes into the table, from which one byte takes it (RFC 7541 section 6.2.1).
fn remembered(length: usize) -> Vec<u8> {
    // A length of 127 and more is a prefix of ones and the rest in groups of seven bits.
    let rest = length - 127;
    let (low, high) = (u8::try_from(rest % 128).unwrap(), u8::try_from(rest / 128).unwrap());
    [&[0x40, 1, b'x', 0x7f, 0x80 | low, high][..], &vec![b'a'; length]].concat()
}

/// A request whose last bytes are so many references to the field that was remembered last.
fn bomb(stream: u32, before: &[u8], references: usize) -> Vec<u8> {
    let block = [&frames::fields("GET", "/bomb")[..], before, &vec![0xbe; references]].concat();
    frame(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, stream, &block)
}

#[test]
fn p05_p13_fields_that_unfold_are_refused_and_beyond_measure_end_the_connection() {
    let upstream = Upstream::json("{}");
    let proxy = with(Limits::default(), &upstream);
    let mut client = FrameClient::connect(proxy.address);
    // 4 KiB each, of 32 KiB that a head may have.
    let bombs = [bomb(1, &remembered(4000), 9), bomb(3, b"", 9), frames::get(5, "/after")];
    client.send(&bombs.concat());
    eventually("the last goes on", || !upstream.requests().is_empty());
    assert!(upstream.only_request().starts_with("GET /after"));
    assert!(!client.ends_within(Duration::from_millis(200)));
    let heads = client.frames().into_iter().filter(|one| one.0 == frames::HEADERS).count();
    assert_eq!(heads, 3, "each has its answer");
    is_cut("a bomb", &proxy, &bomb(1, &remembered(4000), 0), &bomb(3, b"", 1000));
    assert_eq!(upstream.requests().iter().filter(|one| one.starts_with("GET /bomb")).count(), 0);
}

/// What the process has of memory, and the most that it ever had, in bytes.
fn memory(pid: u32) -> (usize, usize) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    };
    (line("VmRSS:"), line("VmHWM:"))
}

/// By how much a process grows that gets 99 of these at once on one connection, and their bytes.
fn growth(one: OnStream) -> (usize, usize) {
    let upstream = crate::support::Upstream::silent();
    let policy = crate::support::TempPolicy::file(OPEN);
    let proxy = crate::support::Proxy::start(&upstream, &policy);
    let mut client = FrameClient::connect(proxy.address);
    client.send(&bomb(1, &remembered(128), 0));
    upstream.wait_for(1);
    let (before, _) = memory(proxy.pid());
    let flood: Vec<u8> = frames::streams().skip(1).take(99).flat_map(one).collect();
    client.send(&flood);
    // An answer to what came last says that all of it has been read.
    client.send(&frame(frames::PING, 0, 0, b"the last"));
    let answered = |client: &FrameClient| client.frames().iter().any(|one| one.3 == b"the last");
    while !answered(&client) {
        assert!(!client.ends_within(Duration::from_millis(20)), "{:?}", client.frames());
    }
    (memory(proxy.pid()).1.saturating_sub(before), flood.len())
}

#[test]
fn p13_fields_cost_fifty_times_their_bytes_at_most_and_have_a_bound() {
    // `accept-charset:`, as often as the list may count: more fields than a request may have.
    let refused = |stream| {
        let block = [&frames::fields("GET", "/bomb")[..], &[0x8f; 700]].concat();
        frame(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, stream, &block)
    };
    let (grown, bytes) = growth(&refused);
    assert!(grown <= 50 * bytes, "{grown} for {bytes}");
    // What a request may have goes on to the upstream. All streams have a head's worth each, once
    // as it came and once as it goes on.
    let (plain, _) = growth(&|stream| frames::get(stream, "/bomb"));
    let limits = Limits::default();
    let bound = plain + 2 * limits.streams as usize * limits.max_header_bytes;
    for (length, references) in [(128, 80), (300, 95)] {
        let (grown, _) = growth(&|stream| bomb(stream, &remembered(length), references));
        assert!(grown <= bound, "{grown} for {references} of {length}");
    }
}
