//! Endpoints that are asked whether they are well, and what follows for requests.

use super::framed::upstream::{self as framed, Framed, Said};
use super::support::{Answer, NOBODY, Proxy, Upstream, eventually, ok};
use portcullis::control::upstreams::{Event, Keeper, names};
use portcullis::decide::Reason;
use portcullis::settings::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const HEALTH: &str = "{path: /healthz, interval: 100ms, timeout: 500ms, healthy: 2, unhealthy: 2}";

/// An upstream and what it says of itself.
struct Asked {
    upstream: Upstream,
    status: Arc<AtomicU16>,
}

impl Asked {
    fn new(status: u16) -> Asked {
        let status = Arc::new(AtomicU16::new(status));
        let said = status.clone();
        let upstream = Upstream::scripted(move |_, request| {
            let status = said.load(Ordering::SeqCst);
            match request.starts_with("GET /healthz ") {
                true => Answer::Bytes(
                    format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes(),
                ),
                false => Answer::Bytes(ok("text/plain", "x").into()),
            }
        });
        Asked { upstream, status }
    }

    fn says(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What was asked of it, and what went there of clients.
    fn counts(&self) -> (usize, usize) {
        let requests = self.upstream.requests();
        let asked = requests.iter().filter(|request| request.starts_with("GET /healthz"));
        let asked = asked.count();
        (asked, requests.len() - asked)
    }

    /// Waits until it has been asked so often once more.
    fn wait_for(&self, more: usize) {
        let before = self.counts().0;
        eventually("it is asked", || self.counts().0 >= before + more);
    }
}

fn url(upstream: &Upstream) -> String {
    format!("http://{}", upstream.address)
}

fn policy(urls: &[String], more: &str) -> String {
    format!(
        "policy: 1\nupstreams: [{{id: many, url: ['{}']{more}}}]\n\
         routes: [{{match: \"/**\", public: crud, upstream: many}}]\n",
        urls.join("', '")
    )
}

fn keeper() -> Keeper {
    Keeper::start(names::by_system, Duration::from_secs(60), |_: &Event<'_>| {}).unwrap()
}

fn over(asked: &[&Asked], more: &str) -> Proxy {
    let urls: Vec<_> = asked.iter().map(|one| url(&one.upstream)).collect();
    Proxy::with(&policy(&urls, more), NOBODY, Limits::default()).kept_by(keeper())
}

#[test]
fn p14_an_endpoint_that_is_not_well_gets_no_request_until_it_is() {
    let (one, other) = (Asked::new(200), Asked::new(200));
    let proxy = over(&[&one, &other], &format!(", health: {HEALTH}"));
    for _ in 0..4 {
        assert_eq!(proxy.once(GET).status, 200);
    }
    assert_eq!(
        (one.counts().1, other.counts().1),
        (2, 2),
        "both are well until they say otherwise"
    );
    other.says(503);
    other.wait_for(4);
    let before = other.counts().1;
    for _ in 0..6 {
        assert_eq!(proxy.once(GET).status, 200, "no request pays for it");
    }
    assert_eq!(other.counts().1, before);
    other.says(204);
    eventually("it is asked again", || {
        assert_eq!(proxy.once(GET).status, 200);
        other.counts().1 > before
    });
}

#[test]
fn p14_where_no_endpoint_is_well_requests_are_503_and_reach_nobody() {
    for count in [1, 2] {
        let all: Vec<_> = (0..count).map(|_| Asked::new(500)).collect();
        let proxy = over(&all.iter().collect::<Vec<_>>(), &format!(", health: {HEALTH}"));
        all.iter().for_each(|one| one.wait_for(4));
        let before: Vec<_> = all.iter().map(|one| one.counts().1).collect();
        let response = proxy.once(GET);
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
        assert!(!response.body.contains("well"), "nothing is told of what is behind");
        assert_eq!(proxy.record().reason, Reason::UpstreamUnwell);
        assert_eq!(all.iter().map(|one| one.counts().1).collect::<Vec<_>>(), before);
        all[0].says(200);
        eventually("it is served again", || proxy.once(GET).status == 200);
    }
}

#[test]
fn p14_an_endpoint_that_is_silent_or_gone_is_not_well() {
    let (never, pieces) = std::sync::mpsc::channel();
    let pieces = std::sync::Mutex::new(Some(pieces));
    let silent = Upstream::scripted(move |_, request| match request.starts_with("GET /healthz ") {
        true => match pieces.lock().unwrap().take() {
            Some(pieces) => Answer::Pieces(pieces),
            None => Answer::Last(Vec::new()),
        },
        false => Answer::Bytes(ok("text/plain", "x").into()),
    });
    for gone in [url(&silent), NOBODY.to_owned(), "unix:/nowhere/at/all".to_owned()] {
        let health = "health: {path: /healthz, interval: 100ms, timeout: 100ms, unhealthy: 1}";
        let proxy =
            Proxy::with(&policy(&[gone], &format!(", {health}")), NOBODY, Limits::default())
                .kept_by(keeper());
        eventually("it is not well", || proxy.once(GET).status == 503);
    }
    drop(never);
}

#[test]
fn p14_what_is_asked_is_what_the_policy_says_and_nothing_more() {
    let asked = Asked::new(200);
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "Bearer own").unwrap();
    let more = format!(
        ", host: api.test, credential: {{header: Authorization, file: {}}}, health: {HEALTH}",
        secret.display()
    );
    let _proxy = over(&[&asked], &more);
    asked.wait_for(1);
    let version = env!("CARGO_PKG_VERSION");
    let wanted = format!(
        "GET /healthz HTTP/1.1\r\nauthorization: Bearer own\r\nhost: api.test\r\n\
         connection: close\r\nuser-agent: portcullis/{version}\r\n\r\n"
    );
    assert_eq!(asked.upstream.requests()[0], wanted);
}

#[test]
fn p14_only_the_status_that_is_wanted_is_a_good_answer() {
    for (wanted, status, served) in
        [("", 204, 200), ("", 302, 503), (", status: 401", 401, 200), (", status: 401", 200, 503)]
    {
        let asked = Asked::new(status);
        let health = HEALTH.trim_end_matches('}');
        let proxy = over(&[&asked], &format!(", health: {health}{wanted}}}"));
        asked.wait_for(4);
        assert_eq!(proxy.once(GET).status, served, "{wanted} {status}");
    }
}

#[test]
fn p14_an_upstream_without_a_check_is_not_asked() {
    let asked = Asked::new(200);
    let _proxy = over(&[&asked], "");
    std::thread::sleep(Duration::from_millis(300));
    asked.upstream.assert_untouched();
}

#[test]
fn p14_a_reload_that_drops_an_upstream_ends_its_questions_and_one_that_keeps_it_its_verdict() {
    let asked = Asked::new(500);
    let more = format!(", health: {HEALTH}");
    let proxy = over(&[&asked], &more);
    asked.wait_for(3);
    eventually("it is not well", || proxy.once(GET).status == 503);
    let same = policy(&[url(&asked.upstream)], &more);
    proxy.reload(&format!("{same}# the same\n"), 2);
    for _ in 0..5 {
        assert_eq!(proxy.once(GET).status, 503, "what is known goes on");
    }
    let other = Asked::new(200);
    proxy.reload(&policy(&[url(&other.upstream)], &more), 3);
    eventually("the other one serves", || proxy.once(GET).status == 200);
    other.wait_for(1);
    let before = asked.counts();
    other.wait_for(5);
    assert_eq!(asked.counts(), before, "nobody asks any more");
}

#[test]
fn p14_every_answer_is_told_and_whether_it_turns() {
    let (well, turns) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, turned_now) = (well.clone(), turns.clone());
    let told = move |event: &Event<'_>| {
        if let Event::Asked { upstream: "many", outcome, turned, .. } = event {
            counted.fetch_add(usize::from(outcome.is_ok()), Ordering::SeqCst);
            turned_now.fetch_add(usize::from(*turned), Ordering::SeqCst);
        }
    };
    let asked = Asked::new(200);
    let keeper = Keeper::start(names::by_system, Duration::from_secs(60), told).unwrap();
    let policy = policy(&[url(&asked.upstream)], &format!(", health: {HEALTH}"));
    let _proxy = Proxy::with(&policy, NOBODY, Limits::default()).kept_by(keeper);
    eventually("good answers are told", || well.load(Ordering::SeqCst) >= 3);
    assert_eq!(turns.load(Ordering::SeqCst), 0, "it was taken for well");
    asked.says(500);
    eventually("it turns", || turns.load(Ordering::SeqCst) == 1);
    asked.wait_for(3);
    assert_eq!(turns.load(Ordering::SeqCst), 1, "once");
}

/// In the protocol of the upstream: one that speaks HTTP/2 alone would take nothing else for a
/// question.
#[test]
fn p14_an_upstream_of_http2_is_asked_in_http2() {
    let status = Arc::new(AtomicU16::new(200));
    let said = status.clone();
    let framed = Framed::scripted(move |_, seen| {
        let status = if seen.path == "/healthz" { said.load(Ordering::SeqCst) } else { 200 };
        framed::Answer::Say(Said { status, ..Said::json("{}") })
    });
    let url = format!("http://{}", framed.address);
    let policy = policy(&[url], &format!(", protocol: h2, health: {HEALTH}"));
    let proxy = Proxy::with(&policy, NOBODY, Limits::default()).kept_by(keeper());
    eventually("it is asked", || framed.requests().len() >= 3);
    assert_eq!(proxy.once(GET).status, 200);
    status.store(500, Ordering::SeqCst);
    eventually("it is not well", || proxy.once(GET).status == 503);
    let asked = framed.requests();
    let asked = asked.iter().find(|seen| seen.path == "/healthz").unwrap();
    assert_eq!((&*asked.method, &*asked.scheme), ("GET", "http"));
    assert_eq!(asked.authority, framed.address.to_string());
    assert_eq!(asked.head.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["user-agent"]);
    eventually("its connections end", || framed.closed() + 2 >= framed.connections());
}
