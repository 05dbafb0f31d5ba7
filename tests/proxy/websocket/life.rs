//! How long an open connection lasts.

use super::far::{After, Far, agreement};
use super::{brisk, expect_cut, open, over, policy};
use crate::proxy::support::{Client, Proxy, eventually, ok};
use portcullis::decide::Reason;
use portcullis::settings::Limits;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

fn echoes(client: &mut Client) {
    client.send("ping");
    assert_eq!(client.take(4), b"ping");
}

/// From the change to the cut, within the shortest limit and one tick of slack.
const BOUND: Duration = Duration::from_millis(1100);

#[test]
fn p12_a_reload_that_takes_a_right_away_ends_what_was_opened_by_it() {
    let gone = [
        // Neither letter alone is enough.
        (
            "{id: chats, grants: [{path: \"/**\", access: cr}]}",
            "{id: chats, grants: [{path: \"/**\", access: r}]}",
            Reason::NoGrant,
        ),
        // Something is hidden from now on.
        (
            "{id: chats, grants: [{path: \"/**\", access: cr}]}",
            "{id: chats, schemas: [s], grants: [{path: \"/**\", access: cr}]}",
            Reason::Unmapped,
        ),
        // The route does not open any.
        ("\"/chat/**\", upgrade: websocket", "\"/chat/**\"", Reason::NoGrant),
        // The key is gone.
        ("user: ana, sha256: \"", "user: ana, sha256: \"", Reason::Unauthenticated),
        // It is somebody else's.
        ("user: ana", "user: ann", Reason::NoGrant),
    ];
    for (from, to, reason) in gone {
        let far = Far::echo();
        let proxy = over(&far, Limits::default());
        let mut client = open(&proxy, "/chat/1", "ana");
        let mut other = open(&proxy, "/open/1", "");
        echoes(&mut client);
        let text = match reason {
            Reason::Unauthenticated => without_key(&policy("")),
            _ => policy("").replace(from, to),
        };
        assert_ne!(text, policy(""));
        let start = Instant::now();
        proxy.reload(&text, 2);
        expect_cut(&mut client);
        assert!(start.elapsed() < BOUND, "{reason} after {:?}", start.elapsed());
        let record = proxy.record();
        assert_eq!((record.reason, record.status, record.aborted), (reason, 101, true));
        assert_eq!(record.generation, 2);
        echoes(&mut other);
        eventually("the upstream's end is closed too", || far.closed() == 1);
    }
}

fn without_key(policy: &str) -> String {
    let lines = policy.lines().filter(|line| !line.contains("user: ana"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn p12_a_reload_that_changes_nothing_for_it_leaves_a_connection_open() {
    let far = Far::echo();
    let proxy = over(&far, brisk());
    let mut client = open(&proxy, "/chat/1", "ana");
    for generation in 2..5 {
        proxy.reload(&policy(&format!("name: again {generation}\n")), generation);
        std::thread::sleep(Duration::from_millis(400));
        echoes(&mut client);
    }
    assert!(proxy.try_record().is_none());
}

/// In seconds from now, as a policy writes it.
fn at(seconds: u64) -> String {
    let time = SystemTime::now() + Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// What ends in two seconds, at the latest a second later.
fn is_cut_in_time(proxy: &Proxy, path: &str, reason: Reason) {
    let mut client = open(proxy, path, "ana");
    echoes(&mut client);
    let start = Instant::now();
    expect_cut(&mut client);
    assert!(start.elapsed() < Duration::from_millis(3_100), "{:?}", start.elapsed());
    assert_eq!(proxy.record().reason, reason);
}

#[test]
fn p12_a_credential_that_expires_ends_what_was_opened_by_it() {
    let far = Far::echo();
    let text = policy("").replace("roles: [chats]", &format!("roles: [chats], expires: {}", at(2)));
    let proxy = Proxy::with(&text, &format!("http://{}", far.address), brisk());
    is_cut_in_time(&proxy, "/chat/1", Reason::Unauthenticated);
}

#[test]
fn p12_a_membership_that_is_over_ends_what_was_opened_by_it() {
    let far = Far::echo();
    let more = format!(
        "organizations: [{{id: acme}}]\nmembers: [{{user: ana, org: acme, roles: [chats], expires: {}}}]\n",
        at(2)
    );
    let text = policy(&more).replace("match: \"/chat/**\"", "match: \"/chat/{org}/**\"");
    let text = text.replace("/chat/{room}", "/room/{room}");
    let proxy = Proxy::with(&text, &format!("http://{}", far.address), brisk());
    is_cut_in_time(&proxy, "/chat/acme/1", Reason::NotAMember);
}

/// Whose an object is may change while a connection about it is open.
#[test]
fn p12_an_object_that_changes_hands_ends_what_its_owner_has_opened() {
    let owner = Arc::new(Mutex::new("ana"));
    let now = owner.clone();
    let answer = move |head: &str| match head.starts_with("GET /rooms/7 ") {
        true => ok("application/json", &format!("{{\"by\":\"{}\"}}", now.lock().unwrap())),
        false => agreement(""),
    };
    let far = Far::scripted(answer, After::Echo);
    let grant = "{path: \"/chat/{room}\", access: cr, owner: {field: /by, of: \"/rooms/{room}\"}}";
    let text = policy("").replace(
        "{id: chats, grants: [{path: \"/**\", access: cr}]}",
        &format!("{{id: chats, grants: [{grant}]}}"),
    );
    let proxy = Proxy::with(&text, &format!("http://{}", far.address), brisk());
    let mut client = open(&proxy, "/chat/7", "ana");
    let looks = || far.heads().iter().filter(|head| head.starts_with("GET /rooms/7 ")).count();
    eventually("it is looked at again", || looks() > 3);
    echoes(&mut client);
    assert!(far.heads()[0].find("sec-websocket").is_none(), "{}", far.heads()[0]);
    *owner.lock().unwrap() = "eve";
    let start = Instant::now();
    expect_cut(&mut client);
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    assert_eq!(proxy.record().reason, Reason::NotOwner);
}

/// What cannot be asked in time is as good as refused.
#[test]
fn p12_an_answer_that_does_not_come_in_time_ends_it() {
    let looks = AtomicUsize::new(0);
    let answer = move |head: &str| match head.starts_with("GET /rooms/7 ") {
        true if looks.fetch_add(1, Ordering::SeqCst) == 0 => {
            ok("application/json", "{\"by\":\"ana\"}")
        }
        true => String::new(),
        false => agreement(""),
    };
    let far = Far::scripted(answer, After::Echo);
    let grant = "{path: \"/chat/{room}\", access: cr, owner: {field: /by, of: \"/rooms/{room}\"}}";
    let text = policy("").replace(
        "{id: chats, grants: [{path: \"/**\", access: cr}]}",
        &format!("{{id: chats, grants: [{grant}]}}"),
    );
    let proxy = Proxy::with(&text, &format!("http://{}", far.address), brisk());
    let mut client = open(&proxy, "/chat/7", "ana");
    let start = Instant::now();
    expect_cut(&mut client);
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    assert_eq!(proxy.record().reason, Reason::UpstreamTimeout);
}

#[test]
fn p13_a_connection_over_which_nothing_passes_is_cut() {
    let far = Far::echo();
    let limits = Limits { tunnel_idle: Duration::from_millis(600), ..Limits::default() };
    let proxy = over(&far, limits);
    let mut client = open(&proxy, "/chat/1", "ana");
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(300));
        echoes(&mut client);
    }
    let start = Instant::now();
    expect_cut(&mut client);
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
    let record = proxy.record();
    assert_eq!((record.reason, record.status, record.aborted), (Reason::ClientTimeout, 101, true));
    assert_eq!((record.bytes_in, record.bytes_out), (16, 16));
}

/// The limits of a connection that waits for requests are not those of one that is open.
#[test]
fn p13_other_limits_do_not_end_it() {
    let far = Far::echo();
    let short = Duration::from_millis(100);
    let limits = Limits {
        idle: short,
        header_timeout: short,
        body_idle: short,
        upstream_head: short,
        upstream_idle: short,
        ..Limits::default()
    };
    let proxy = over(&far, limits);
    let mut client = open(&proxy, "/chat/1", "ana");
    std::thread::sleep(Duration::from_millis(700));
    echoes(&mut client);
}

#[test]
fn p13_an_open_connection_counts_as_one() {
    let far = Far::echo();
    let proxy = over(&far, Limits { connections: 1, ..Limits::default() });
    let first = open(&proxy, "/chat/1", "ana");
    let mut second = proxy.connect();
    second.send(super::handshake("/chat/2", "ana", ""));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(far.heads().len(), 1);
    drop(first);
    assert_eq!(second.head_response().status, 101);
}

#[test]
fn p15_draining_lets_it_go_on_until_the_deadline() {
    let far = Far::echo();
    let mut proxy = over(&far, Limits { drain: Duration::from_millis(700), ..Limits::default() });
    let mut client = open(&proxy, "/chat/1", "ana");
    let start = Instant::now();
    let handle = proxy.handle.take().unwrap();
    handle.drain();
    echoes(&mut client);
    expect_cut(&mut client);
    handle.join().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(600), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let record = proxy.record();
    assert_eq!((record.status, record.aborted, record.bytes_in), (101, true, 4));
}

#[test]
fn p15_draining_ends_as_soon_as_the_last_one_has() {
    let far = Far::echo();
    let mut proxy = over(&far, Limits::default());
    let client = open(&proxy, "/chat/1", "ana");
    let start = Instant::now();
    let handle = proxy.handle.take().unwrap();
    handle.drain();
    drop(client);
    handle.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}
