//! Upstreams that refuse, break off, fall silent or go: what is sent again, and what never is.

use super::raw::{Raw, field};
use super::upstream::{Answer, End, Framed, Said, Seen};
use super::{ask, converse, open, request, with};
use crate::proxy::support::{NOBODY, Proxy, eventually};
use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, MAX_CONCURRENT_STREAMS, RST_STREAM, frame,
    settings,
};
use h2::Reason;
use portcullis::settings::Limits;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

const ALL: &str = "routes:\n  - {match: \"/**\", public: crud, upstream: far}\n";

fn to(address: SocketAddr) -> String {
    format!("policy: 1\nupstreams: [{{id: far, url: \"http://{address}\", protocol: h2}}]\n{ALL}")
}

fn before(upstream: &Raw) -> Proxy {
    Proxy::with(&to(upstream.address), NOBODY, Limits::default())
}

/// One request over HTTP/1.1; its status.
#[track_caller]
fn send(proxy: &Proxy, method: &str, body: &str) -> u16 {
    let length = body.len();
    let head = format!("{method} /x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
    proxy.once(&head).status
}

/// What the upstream says that it has not looked at is sent again, once; whatever it is, if it is
/// still here. A body that streams is not.
#[test]
fn p14_a_refused_stream_is_sent_again_once() {
    for (method, body, refusals, status, sent) in [
        ("GET", "", 1, 200, 2),
        ("GET", "", 2, 502, 2),
        ("POST", "", 1, 200, 2),
        ("POST", "hello", 1, 502, 1),
    ] {
        let upstream = Framed::scripted(move |n, _| match n < refusals {
            true => Answer::Reset(Reason::REFUSED_STREAM),
            false => Answer::Say(Said::json("{}")),
        });
        let proxy = open(&upstream);
        assert_eq!(send(&proxy, method, body), status, "{method} {body}");
        assert_eq!((upstream.requests().len(), upstream.connections()), (sent, 1), "{method}");
    }
}

/// A body that was read and checked is still here.
#[test]
fn p14_a_checked_body_is_sent_again_where_it_was_refused() {
    let upstream = Framed::scripted(|n, _| match n {
        0 => Answer::Reset(Reason::REFUSED_STREAM),
        _ => Answer::Say(Said::json("{}")),
    });
    let rules = format!("routes:\n  - {{match: \"/**\", upstream: far}}\n{}", super::grpc::HIDES);
    let proxy = with(&upstream, &rules, Limits::default());
    let body = "{\"a\": 1}";
    let answer = proxy.once(&format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(answer.status, 200);
    let seen = upstream.requests();
    assert_eq!((seen.len(), &seen[1].body[..]), (2, body.as_bytes()));
    assert_eq!(seen[1].head["content-length"], "8");
}

#[test]
fn p14_any_other_reset_is_502_and_nothing_is_sent_again() {
    for reason in
        [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::HTTP_1_1_REQUIRED, Reason::NO_ERROR]
    {
        let upstream = Framed::scripted(move |_, _| Answer::Reset(reason));
        let proxy = open(&upstream);
        for (at, method) in ["GET", "POST"].into_iter().enumerate() {
            assert_eq!(send(&proxy, method, ""), 502, "{reason:?}");
            assert_eq!((upstream.requests().len(), upstream.connections()), (at + 1, 1));
        }
    }
}

/// GOAWAY names the last stream that was looked at: those above it were not (RFC 9113 section 6.8).
#[test]
fn p14_what_is_above_the_last_stream_of_a_goaway_is_sent_again() {
    for method in ["GET", "POST"] {
        let upstream = Raw::new(|n, talk| {
            while let Some(stream) = talk.head() {
                match n {
                    0 => talk.say(&frame(GOAWAY, 0, 0, &[0; 8])),
                    _ => talk.fine(stream),
                }
            }
        });
        let proxy = before(&upstream);
        assert_eq!(send(&proxy, method, ""), 200, "{method}");
        assert_eq!((upstream.connections(), upstream.heads()), (2, 2));
    }
}

#[test]
fn p14_what_a_goaway_covers_goes_on_and_what_comes_after_goes_elsewhere() {
    let upstream = Raw::new(|_, talk| {
        while let Some(stream) = talk.head() {
            let last = stream.to_be_bytes();
            talk.say(&frame(GOAWAY, 0, 0, &[&last[..], &[0; 4]].concat()));
            talk.fine(stream);
        }
    });
    let proxy = before(&upstream);
    for at in 1..4 {
        assert_eq!(send(&proxy, "POST", "hello"), 200);
        assert_eq!((upstream.connections(), upstream.heads()), (at, at));
    }
}

/// One that had been heard is sent again only where that is safe, and the connection had been used.
#[test]
fn p14_a_post_arrives_once_where_the_connection_dies() {
    for (method, body, status, heads) in
        [("POST", "", 502, 2), ("POST", "hello", 502, 2), ("GET", "", 200, 3), ("PUT", "x", 502, 2)]
    {
        let upstream = Raw::new(|n, talk| {
            if let Some(stream) = talk.head() {
                talk.fine(stream);
            }
            // The second one of the first connection is read, and that is the end.
            let second = talk.head();
            if let Some(stream) = second.filter(|_| n > 0) {
                talk.fine(stream);
            }
        });
        let proxy = before(&upstream);
        assert_eq!(send(&proxy, "GET", ""), 200);
        assert_eq!(send(&proxy, method, body), status, "{method} {body}");
        assert_eq!(upstream.heads(), heads, "{method} {body}");
    }
}

#[test]
fn p14_a_new_connection_that_dies_is_not_tried_again() {
    let upstream = Raw::new(|_, talk| {
        talk.head();
    });
    let proxy = before(&upstream);
    assert_eq!(send(&proxy, "GET", ""), 502);
    assert_eq!((upstream.connections(), upstream.heads()), (1, 1));
}

#[test]
fn p14_who_does_not_speak_http_2_is_502() {
    let upstream = crate::proxy::support::Upstream::answering("HTTP/1.1 400 Bad Request\r\n\r\n");
    let proxy = Proxy::with(&to(upstream.address), NOBODY, Limits::default());
    assert_eq!(send(&proxy, "GET", ""), 502);
    let nobody = Proxy::with(&to("127.0.0.1:9".parse().unwrap()), NOBODY, Limits::default());
    assert_eq!(send(&nobody, "GET", ""), 502);
}

/// Is silent to a GET.
fn answers_posts(_: usize, seen: &Seen) -> Answer {
    match &*seen.method {
        "GET" => Answer::Silence,
        _ => Answer::Say(Said::json("{}")),
    }
}

#[test]
fn p14_a_silent_upstream_is_504_and_its_stream_is_reset() {
    let upstream = Framed::scripted(|n, _| match n {
        0 => Answer::Silence,
        _ => Answer::Say(Said::json("{}")),
    });
    let limits = Limits { upstream_head: Duration::from_millis(300), ..Limits::default() };
    let proxy = with(&upstream, ALL, limits);
    assert_eq!(send(&proxy, "GET", ""), 504);
    let cancelled = End::Reset(Some(Reason::CANCEL));
    eventually("the stream is reset", || upstream.requests()[0].end == cancelled);
    assert_eq!(send(&proxy, "GET", ""), 200);
    assert_eq!(upstream.connections(), 2, "who was silent to the first is not asked in vain again");
}

/// A slow answer is no silent connection: what comes for others shows that it lives.
#[test]
fn p14_a_late_answer_beside_others_leaves_the_connection_in_use() {
    let upstream = Framed::scripted(answers_posts);
    let limits = Limits { upstream_head: Duration::from_millis(600), ..Limits::default() };
    let proxy = with(&upstream, ALL, limits);
    let mut late = proxy.connect();
    late.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    let answered = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(late.response().status, 504);
            answered.store(true, Ordering::SeqCst);
        });
        while !answered.load(Ordering::SeqCst) {
            assert_eq!(send(&proxy, "POST", ""), 200);
        }
    });
    assert_eq!(send(&proxy, "POST", ""), 200);
    assert_eq!(upstream.connections(), 1, "its neighbours go on");
}

/// Requests beyond what the upstream takes wait, as long as an answer may take.
#[test]
fn p14_a_request_that_finds_no_free_stream_waits_and_is_504() {
    let upstream = Framed::limited(1, answers_posts);
    let limits = Limits { upstream_head: Duration::from_millis(600), ..Limits::default() };
    let proxy = with(&upstream, ALL, limits);
    let mut first = proxy.connect();
    first.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the first is there", || upstream.requests().len() == 1);
    assert_eq!(send(&proxy, "GET", ""), 504, "no place came free in time, or only just");
    assert_eq!(first.response().status, 504);
    assert_eq!(send(&proxy, "POST", ""), 200);
}

/// Whoever waited for a place and was told that it was too late is not served afterwards: the caller
/// may have asked again elsewhere.
#[test]
fn p14_what_was_given_up_while_it_waited_for_a_stream_is_never_sent() {
    let (raise, raised) = channel();
    let raised = Mutex::new(raised);
    let upstream = Raw::new(move |_, talk| {
        let Some(first) = talk.head() else { return };
        talk.say(&settings(&[(MAX_CONCURRENT_STREAMS, 0)]));
        talk.fine(first);
        raised.lock().unwrap().recv().expect("the test goes on");
        talk.say(&settings(&[(MAX_CONCURRENT_STREAMS, 100)]));
        while let Some(stream) = talk.head() {
            talk.fine(stream);
        }
    });
    let limits = Limits { upstream_head: Duration::from_millis(300), ..Limits::default() };
    let proxy = Proxy::with(&to(upstream.address), NOBODY, limits);
    assert_eq!(send(&proxy, "GET", ""), 200);
    for _ in 0..3 {
        assert_eq!(send(&proxy, "POST", ""), 504);
    }
    raise.send(()).unwrap();
    eventually("there is a place again", || send(&proxy, "GET", "") == 200);
    assert_eq!((upstream.connections(), upstream.heads()), (1, 2), "the first and the last");
    assert_eq!(upstream.resets(), [], "nothing had begun");
}

/// Whoever was given a part learns that it is no whole; whoever was given nothing yet is told.
#[test]
fn p14_a_response_that_breaks_off_is_cut_for_the_client_too() {
    for resets in [true, false] {
        let upstream = Raw::new(move |_, talk| {
            while let Some(stream) = talk.head() {
                talk.say(&frame(HEADERS, END_HEADERS, stream, &[0x88]));
                talk.say(&frame(DATA, 0, stream, b"half"));
                match resets {
                    true => talk.say(&frame(RST_STREAM, 0, stream, &2_u32.to_be_bytes())),
                    false => return,
                }
            }
        });
        let proxy = before(&upstream);
        let answer = converse(proxy.address, async |sender| {
            ask(&sender, request("GET", "/x", &[]), None).await
        });
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 502));
        let mut client = proxy.connect();
        client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (_, bytes) = client.rest();
        let whole = bytes.starts_with(b"HTTP/1.1 200") && bytes.ends_with(b"0\r\n\r\n");
        assert!(!whole, "{}", bytes.escape_ascii());
    }
}

#[test]
fn p04_a_length_that_lies_is_no_response() {
    // Less, more, two lengths, no number.
    for (fields, body, whole) in [
        (field("content-length", "5"), &b"hello"[..], true),
        (field("content-length", "6"), b"hello", false),
        (field("content-length", "4"), b"hello", false),
        ([field("content-length", "5"), field("content-length", "6")].concat(), b"hello", false),
        (field("content-length", "+5"), b"hello", false),
        (field("transfer-encoding", "chunked"), b"5\r\nhello\r\n0\r\n\r\n", false),
        (field("connection", "close"), b"hello", false),
        (field("X-Upper", "1"), b"hello", false),
        (field("x-a", "1\r\nx-b: 2"), b"hello", false),
        (field("x a", "1"), b"hello", false),
        (field(":status", "200"), b"hello", false),
    ] {
        let head = [&[0x88][..], &fields].concat();
        let upstream = Raw::new(move |_, talk| {
            while let Some(stream) = talk.head() {
                talk.say(&frame(HEADERS, END_HEADERS, stream, &head));
                talk.say(&frame(DATA, END_STREAM, stream, body));
            }
        });
        let proxy = before(&upstream);
        let answer = converse(proxy.address, async |sender| {
            ask(&sender, request("GET", "/x", &[]), None).await
        });
        let text = fields.escape_ascii();
        match answer {
            Ok(answer) if whole => {
                assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]))
            }
            Ok(answer) => assert_eq!(answer.status, 502, "{text}"),
            Err(cut) => assert!(!whole, "{text}: {cut}"),
        }
    }
}

#[test]
fn p14_interim_responses_are_passed_over_up_to_their_limit() {
    // `link::MAX_INTERIM`
    for (status, count, answered) in
        [("103", 15, 200), ("103", 16, 200), ("103", 17, 502), ("100", 1, 200), ("101", 1, 502)]
    {
        let upstream = Raw::new(move |_, talk| {
            while let Some(stream) = talk.head() {
                for _ in 0..count {
                    let head = [field(":status", status), field("link", "</x>")].concat();
                    talk.say(&frame(HEADERS, END_HEADERS, stream, &head));
                }
                talk.fine(stream);
            }
        });
        let proxy = before(&upstream);
        assert_eq!(send(&proxy, "GET", ""), answered, "{count} of {status}");
    }
}

#[test]
fn p13_a_head_of_an_upstream_may_be_as_large_as_its_limit() {
    // RFC 9113 section 6.5.2: a field counts 32 bytes besides its name and value.
    let most = 2000;
    let own = 32 + ":status".len() + "200".len() + 32 + "x".len();
    for (length, status) in [(most - own - 1, 200), (most - own, 200), (most - own + 1, 502)] {
        let upstream = Framed::scripted(move |_, _| {
            Answer::Say(Said {
                status: 200,
                fields: vec![("x", "a".repeat(length))],
                ..Said::default()
            })
        });
        let limits = Limits { max_header_bytes: most, ..Limits::default() };
        let proxy = with(&upstream, ALL, limits);
        assert_eq!(send(&proxy, "GET", ""), status, "{length}");
    }
}

/// An answer that does not wait for the body is relayed, and the rest of the body is given up.
#[test]
fn p14_an_early_answer_is_relayed() {
    let upstream = Framed::scripted(|_, _| {
        let fields = vec![("content-length", "0".to_owned())];
        Answer::Early(Said { status: 403, fields, ..Said::default() })
    });
    let proxy = open(&upstream);
    let mut client = proxy.connect();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhello");
    assert_eq!(client.response().status, 403);
    let ended = |one: &super::upstream::Seen| matches!(one.end, End::Reset(_));
    eventually("the rest is given up", || upstream.requests().iter().all(ended));
}

/// What lies unused is closed before the upstream would.
#[test]
fn p14_a_connection_that_lies_unused_is_closed() {
    let upstream = Framed::json("{}");
    let limits = Limits { upstream_idle: Duration::from_millis(300), ..Limits::default() };
    let proxy = with(&upstream, ALL, limits);
    assert_eq!(send(&proxy, "GET", ""), 200);
    eventually("it is closed", || upstream.closed() == 1);
    assert_eq!(send(&proxy, "GET", ""), 200);
    let seen: Vec<_> = upstream.requests().iter().map(|one| one.connection).collect();
    assert_eq!(seen, [0, 1]);
}

/// Many that want a connection at once wait for one; where that fails, it fails for all of them.
#[test]
fn p14_one_opens_the_connection_and_the_others_wait() {
    let (good, bad) = (Framed::json("{}"), "127.0.0.1:9".parse().unwrap());
    for (address, status) in [(good.address, 200), (bad, 502)] {
        let proxy = Proxy::with(&to(address), NOBODY, Limits::default());
        let mut clients: Vec<_> = (0..20).map(|_| proxy.connect()).collect();
        for client in &mut clients {
            client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        for client in &mut clients {
            assert_eq!(client.response().status, status);
        }
    }
    assert_eq!(good.connections(), 1);
}

#[test]
fn p14_an_endpoint_that_is_not_there_is_passed_over() {
    let upstream = Framed::json("{}");
    let url = format!("[\"http://127.0.0.1:9\", \"http://{}\"]", upstream.address);
    let policy = format!("policy: 1\nupstreams: [{{id: far, url: {url}, protocol: h2}}]\n{ALL}");
    let proxy = Proxy::with(&policy, NOBODY, Limits::default());
    for _ in 0..10 {
        assert_eq!(send(&proxy, "POST", "hello"), 200);
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (10, 1));
}

/// One upstream by two protocols is two endpoints: a connection of the one never carries the other.
#[test]
fn one_address_may_speak_both_protocols_and_they_are_kept_apart() {
    let upstream = Raw::new(|_, talk| {
        while let Some(stream) = talk.head() {
            talk.fine(stream);
        }
    });
    let address = upstream.address;
    let policy = format!(
        "policy: 1\nupstreams:\n  - {{id: two, url: \"http://{address}\", protocol: h2}}\n  \
         - {{id: one, url: \"http://{address}\", protocol: http/1.1}}\nroutes:\n  \
         - {{match: \"/x\", public: crud, upstream: two}}\n  - {{match: \"/**\", public: crud, upstream: one}}\n"
    );
    let proxy = Proxy::with(&policy, NOBODY, Limits::default());
    assert_eq!(send(&proxy, "GET", ""), 200);
    assert_eq!(proxy.once("GET /y HTTP/1.1\r\nHost: a\r\n\r\n").status, 502);
    assert_eq!(send(&proxy, "GET", ""), 200);
    assert_eq!(upstream.heads(), 2);
    assert!(upstream.resets().is_empty());
}
