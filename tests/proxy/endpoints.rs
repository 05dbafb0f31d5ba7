//! Upstreams with several endpoints: who is asked, who has a rest, and how many may wait.

use super::support::{Answer, NOBODY, OPEN, Proxy, Upstream, eventually, ok};
use portcullis::settings::Limits;
use std::sync::mpsc::channel;
use std::time::Duration;

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const POST: &str =
    "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";

fn policy(urls: &[String]) -> String {
    format!(
        "policy: 1\nupstreams: [{{id: many, url: [{}]}}]\n\
         routes: [{{match: \"/**\", public: crud, upstream: many}}]\n",
        urls.join(", ")
    )
}

fn url(upstream: &Upstream) -> String {
    format!("http://{}", upstream.address)
}

fn over(upstreams: &[&Upstream], limits: Limits) -> Proxy {
    let urls: Vec<_> = upstreams.iter().map(|one| url(one)).collect();
    Proxy::with(&policy(&urls), NOBODY, limits)
}

/// Takes requests and breaks off without a word.
fn breaking() -> Upstream {
    Upstream::scripted(|_, _| Answer::Last(Vec::new()))
}

#[test]
fn p14_endpoints_that_are_equally_busy_take_turns() {
    let all = [Upstream::json("{}"), Upstream::json("{}"), Upstream::json("{}")];
    let proxy = over(&all.each_ref(), Limits::default());
    for _ in 0..9 {
        assert_eq!(proxy.once(GET).status, 200);
    }
    assert_eq!(all.map(|one| one.requests().len()), [3, 3, 3]);
}

#[test]
fn p14_the_endpoint_with_less_to_do_is_asked() {
    let (never, pieces) = channel();
    let pieces = std::sync::Mutex::new(Some(pieces));
    let slow = Upstream::scripted(move |_, _| match pieces.lock().unwrap().take() {
        Some(pieces) => Answer::Pieces(pieces),
        None => Answer::Bytes(ok("text/plain", "slow").into()),
    });
    let fast = Upstream::json("{}");
    let proxy = over(&[&slow, &fast], Limits::default());
    let mut waits = proxy.connect();
    waits.send(GET);
    eventually("it waits", || slow.requests().len() + fast.requests().len() == 1);
    let waiting = slow.requests().len();
    for _ in 0..6 {
        assert_eq!(proxy.once(GET).status, 200);
    }
    if waiting == 1 {
        assert_eq!((slow.requests().len(), fast.requests().len()), (1, 6));
    }
    drop(never);
}

#[test]
fn p14_an_endpoint_that_cannot_be_reached_costs_no_request() {
    let up = Upstream::json("{}");
    let proxy = Proxy::with(&policy(&[NOBODY.to_owned(), url(&up)]), NOBODY, Limits::default());
    for (sent, request) in [GET, POST, GET, POST].iter().cycle().take(20).enumerate() {
        assert_eq!(proxy.once(request).status, 200, "{sent}");
    }
    assert_eq!(up.requests().len(), 20, "each arrives once");
}

#[test]
fn p14_where_no_endpoint_can_be_reached_two_are_tried() {
    let gone = ["http://127.0.0.1:9", "http://127.0.0.1:7", "http://127.0.0.1:5"];
    let proxy = Proxy::with(&policy(&gone.map(str::to_owned)), NOBODY, Limits::default());
    for _ in 0..12 {
        assert_eq!(proxy.once(GET).status, 502, "also when all have a rest");
    }
}

#[test]
fn p14_an_endpoint_that_fails_in_a_row_has_a_rest_and_is_tried_again() {
    let unwell = || Upstream::answering("HTTP/1.1 503 Off\r\nContent-Length: 0\r\n\r\n");
    for bad in [breaking(), unwell()] {
        let good = Upstream::json("{}");
        let limits =
            Limits { eject_after: 3, ejection: Duration::from_millis(600), ..Limits::default() };
        let proxy = over(&[&bad, &good], limits);
        let failures = (0..12).filter(|_| proxy.once(GET).status != 200).count();
        assert_eq!((failures, bad.requests().len()), (3, 3));
        assert_eq!(good.requests().len(), 9);
        eventually("it is tried again", || {
            proxy.once(GET);
            bad.requests().len() == 4
        });
        let failures = (0..4).filter(|_| proxy.once(GET).status != 200).count();
        assert_eq!(failures, 0, "one more failure is enough");
    }
}

/// What has left us may have been done, so nobody else is asked to do it.
#[test]
fn p14_a_post_that_breaks_off_is_not_sent_to_another_endpoint() {
    let (bad, good) = (breaking(), Upstream::json("{}"));
    let proxy = over(&[&bad, &good], Limits::default());
    let failed = (0..2).filter(|_| proxy.once(POST).status == 502).count();
    assert_eq!((failed, bad.requests().len(), good.requests().len()), (1, 1, 1));
}

#[test]
fn p13_so_many_requests_wait_for_an_endpoint_and_no_more() {
    for (waiting, served) in [(1, true), (2, true), (3, false)] {
        let senders = std::sync::Mutex::new(Vec::new());
        let upstream = Upstream::scripted(move |_, request| {
            if request.starts_with("GET /a") {
                return Answer::Bytes(ok("text/plain", "x").into());
            }
            let (never, pieces) = channel();
            senders.lock().unwrap().push(never);
            Answer::Pieces(pieces)
        });
        let limits = Limits { upstream_requests: 3, ..Limits::default() };
        let proxy = Proxy::with(OPEN, &url(&upstream), limits);
        let wait = |sent: usize| {
            let mut client = proxy.connect();
            client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
            eventually("it waits", || upstream.requests().len() > sent);
            client
        };
        let waits: Vec<_> = (0..waiting).map(wait).collect();
        let response = proxy.once(GET);
        assert_eq!(response.status, if served { 200 } else { 503 }, "{waiting}");
        assert_eq!(response.header("retry-after"), (!served).then_some("1"));
        assert_eq!(upstream.requests().len(), waiting + usize::from(served));
        drop(waits);
        eventually("there is room again", || proxy.once(GET).status == 200);
    }
}
