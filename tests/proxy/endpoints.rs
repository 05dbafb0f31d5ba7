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

/// Answers `/a`, and takes everything else without a word.
fn stalling() -> Upstream {
    let senders = std::sync::Mutex::new(Vec::new());
    Upstream::scripted(move |_, request| {
        if request.starts_with("GET /a") {
            return Answer::Bytes(ok("text/plain", "x").into());
        }
        let (never, pieces) = channel();
        senders.lock().unwrap().push(never);
        Answer::Pieces(pieces)
    })
}

/// Where one endpoint has as much as it may, another one is asked; where all have, nobody is.
#[test]
fn p13_the_bound_is_each_endpoints_own() {
    for (waiting, served) in [(3, true), (4, false), (5, false)] {
        let all = [stalling(), stalling()];
        let limits = Limits { upstream_requests: 2, ..Limits::default() };
        let proxy = over(&all.each_ref(), limits);
        let seen = || all.iter().map(|one| one.requests().len()).sum::<usize>();
        let mut waits = Vec::new();
        for number in 0..waiting {
            let mut client = proxy.connect();
            client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
            match number < 4 {
                true => eventually("it waits", || seen() == number + 1),
                false => assert_eq!(client.response().status, 503),
            }
            waits.push(client);
        }
        assert!(all.iter().all(|one| one.requests().len() <= 2), "no more than two at either");
        let response = proxy.once(GET);
        assert_eq!(response.status, if served { 200 } else { 503 }, "{waiting}");
        assert_eq!(response.header("retry-after"), (!served).then_some("1"));
        assert_eq!(seen(), waiting.min(4) + usize::from(served), "nothing more has gone out");
    }
}

/// A connection that does not come about holds its place: nothing piles up behind one that is gone.
#[test]
fn p13_requests_whose_connection_is_being_opened_are_under_way() {
    let (domain, kind) = (socket2::Domain::IPV4, socket2::Type::STREAM);
    let listener = socket2::Socket::new(domain, kind, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let knock = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300));
    let _queue: Vec<_> = std::iter::from_fn(|| knock().ok()).take(16).collect();
    let connect = Duration::from_millis(500);
    for (sent, refused) in [(1, 0), (2, 0), (3, 1)] {
        let limits = Limits { upstream_requests: 2, connect, ..Limits::default() };
        let proxy = Proxy::with(OPEN, &format!("http://{address}"), limits);
        let mut clients: Vec<_> = (0..sent).map(|_| proxy.connect()).collect();
        clients.iter_mut().for_each(|client| client.send(GET));
        let status = clients.iter_mut().map(|client| client.response().status);
        let status: Vec<_> = status.collect();
        let of = |wanted| status.iter().filter(|status| **status == wanted).count();
        assert_eq!((of(503), of(504)), (refused, sent - refused), "{status:?}");
    }
}
