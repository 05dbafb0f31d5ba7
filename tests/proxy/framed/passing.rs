//! What an upstream that speaks HTTP/2 sees, and what comes back.

use super::upstream::{Answer, Framed, Said};
use super::{ask, converse, listed, open, request};
use crate::proxy::support::eventually;
use bytes::Bytes;

#[test]
fn p03_an_h2_upstream_sees_what_was_sent_and_what_we_say_and_nothing_else() {
    let upstream = Framed::json("{}");
    let proxy = open(&upstream);
    let fields = [
        ("accept", "*/*"),
        ("authorization", "Bearer secret"),
        ("x-portcullis-user", "root"),
        ("x_portcullis_user", "root"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-original-url", "/admin"),
        ("te", "trailers"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ];
    let path = "/a%20b?x=1&y=%2F";
    let answer = converse(proxy.address, async |sender| {
        ask(&sender, request("POST", path, &fields), Some("hello")).await.unwrap()
    });
    assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
    let seen = upstream.only_request();
    assert_eq!((&*seen.method, &*seen.scheme), ("POST", "http"));
    assert_eq!((&*seen.authority, &*seen.path), ("api.test", path));
    assert_eq!(seen.body, b"hello");
    let mut names: Vec<_> = seen.head.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "cookie",
            "forwarded",
            "te",
            "traceparent",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-portcullis-policy",
            "x-real-ip",
            "x-request-id"
        ],
        "{:?}",
        listed(&seen.head)
    );
    assert_eq!(
        (&seen.head["cookie"], &seen.head["x-real-ip"]),
        (&"a=1; b=2".parse().unwrap(), &"127.0.0.1".parse().unwrap())
    );
    assert_eq!(seen.head["te"], "trailers");
}

#[test]
fn an_http_1_client_and_an_h2_upstream_understand_each_other() {
    let upstream = Framed::json("{\"a\": 1}");
    let proxy = open(&upstream);
    let mut client = proxy.connect();
    for (method, body) in [("POST", "hello"), ("GET", ""), ("PUT", "")] {
        let length = body.len();
        client.send(format!(
            "{method} /x HTTP/1.1\r\nHost: api.test\r\nTE: trailers\r\nConnection: TE\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ));
        let answer = client.response();
        assert_eq!((answer.status, &*answer.body), (200, "{\"a\": 1}"), "{}", answer.head);
    }
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let seen = upstream.requests();
    let lengths: Vec<_> = seen.iter().map(|one| one.head.get("content-length").cloned()).collect();
    assert_eq!(lengths, [Some("5".parse().unwrap()), None, Some("0".parse().unwrap()), None]);
    assert_eq!((&seen[0].body[..], &seen[3].body[..]), (&b"hello"[..], &b"hello"[..]));
    for one in &seen {
        assert!(one.trailers.is_none());
        for name in ["te", "transfer-encoding", "connection", "host"] {
            assert!(!one.head.contains_key(name), "{name}: {:?}", listed(&one.head));
        }
    }
    assert_eq!(upstream.connections(), 1, "one connection for all of them");
}

#[test]
fn many_requests_at_once_share_one_connection() {
    let upstream = Framed::limited(7, |_, seen| Answer::Say(Said::json(seen.path.clone())));
    let proxy = open(&upstream);
    converse(proxy.address, async |sender| {
        let one = async |n: usize| {
            let path = format!("/x{n}");
            let whole = ask(&sender, request("POST", &path, &[]), Some("hello")).await.unwrap();
            assert_eq!((whole.status, whole.body), (200, path.into_bytes()));
        };
        let all: Vec<_> = (0..60).map(one).collect();
        join(all).await;
    });
    assert_eq!((upstream.requests().len(), upstream.connections()), (60, 1));
}

/// Polls all of them until the last is done.
async fn join(futures: Vec<impl Future<Output = ()>>) {
    let mut left: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        left.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if left.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[test]
fn p04_trailers_pass_both_ways_and_say_nothing_of_the_caller() {
    let upstream = Framed::scripted(|_, _| {
        let trailers = vec![
            ("x-checksum", "1"),
            ("grpc-status", "0"),
            ("x-portcullis-filtered", "7"),
            ("set-cookie", "a=b"),
            ("cache-control", "public"),
            ("access-control-allow-origin", "*"),
        ];
        Answer::Say(Said { trailers, ..Said::json("{}") })
    });
    let proxy = open(&upstream);
    let whole = converse(proxy.address, async |sender| {
        let mut sender = sender.ready().await.unwrap();
        let head = request("POST", "/x", &[("te", "trailers"), ("x-env", "prod")]);
        let (response, mut stream) = sender.send_request(head, false).unwrap();
        stream.send_data(Bytes::from_static(b"hello"), false).unwrap();
        let trailers = super::upstream::map(&[
            ("x-checksum", "2"),
            ("x-env", "test"),
            ("x_env", "test"),
            ("x-portcullis-user", "root"),
            ("x_portcullis_roles", "admin"),
            ("authorization", "Bearer x"),
            ("x-forwarded-for", "10.0.0.1"),
            ("content-type", "text/plain"),
            ("x-request-id", "mine"),
        ]);
        stream.send_trailers(trailers).unwrap();
        super::read(response.await.unwrap()).await.unwrap()
    });
    let mut passed = listed(&whole.trailers.unwrap());
    passed.sort();
    assert_eq!(
        passed,
        [("grpc-status".into(), "0".into()), ("x-checksum".to_owned(), "1".to_owned())]
    );
    let seen = upstream.only_request();
    assert_eq!(seen.body, b"hello");
    assert_eq!(listed(&seen.trailers.unwrap()), [("x-checksum".to_owned(), "2".to_owned())]);
}

/// Nobody has looked at them, so where a body is filtered they are dropped.
#[test]
fn p11_trailers_of_a_filtered_body_are_dropped() {
    let upstream = Framed::scripted(|_, _| {
        let trailers = vec![("x-note", "CANARY")];
        Answer::Say(Said { trailers, ..Said::json("{\"ssn\": \"CANARY\", \"a\": 1}") })
    });
    let rules = format!("routes:\n  - {{match: \"/**\", upstream: far}}\n{}", super::grpc::HIDES);
    let proxy = super::with(&upstream, &rules, Default::default());
    let fields = [("x-api-key", "key"), ("te", "trailers")];
    let whole = converse(proxy.address, async |sender| {
        ask(&sender, request("GET", "/a", &fields), None).await.unwrap()
    });
    assert_eq!((whole.status, &whole.body[..]), (200, &b"{ \"a\": 1}"[..]));
    assert!(whole.trailers.is_none(), "{:?}", whole.trailers);
    let seen = upstream.only_request();
    assert!(!seen.head.contains_key("te"), "{:?}", listed(&seen.head));
    assert_eq!(seen.head["accept"], "application/json");
}

#[test]
fn a_head_and_a_length_say_what_a_get_would_have_got() {
    let upstream = Framed::scripted(|_, seen| {
        let fields = vec![("content-length", "12".to_owned())];
        let body =
            if seen.method == "HEAD" { vec![] } else { vec![Bytes::from_static(b"hello, world")] };
        Answer::Say(Said { status: 200, fields, body, trailers: vec![] })
    });
    let proxy = open(&upstream);
    converse(proxy.address, async |sender| {
        for (method, length) in [("HEAD", 0), ("GET", 12)] {
            let whole = ask(&sender, request(method, "/x", &[]), None).await.unwrap();
            assert_eq!(whole.head["content-length"], "12", "{method}");
            assert_eq!((whole.status, whole.body.len()), (200, length));
        }
    });
    let mut client = proxy.connect();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().body, "hello, world");
    eventually("every request ends", || {
        upstream.requests().iter().all(|one| one.end == super::upstream::End::Whole)
    });
}

/// A body larger than every window, to a client that reads it slowly and from one that does.
#[test]
fn bodies_larger_than_the_windows_pass_whole() {
    let upstream = Framed::scripted(|_, _| Answer::Echo);
    let proxy = open(&upstream);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    let mut body = Bytes::from(sent.clone());
    let whole = converse(proxy.address, async |sender| {
        let mut sender = sender.ready().await.unwrap();
        let (response, mut stream) =
            sender.send_request(request("POST", "/x", &[]), false).unwrap();
        let send = async move {
            while !body.is_empty() {
                stream.reserve_capacity(body.len());
                let room =
                    std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
                let piece = body.split_to(room.min(body.len()));
                stream.send_data(piece, body.is_empty()).unwrap();
            }
        };
        let read = async { super::read(response.await.unwrap()).await.unwrap() };
        tokio::join!(send, read).1
    });
    assert!(whole.body == sent, "{} of {} bytes", whole.body.len(), sent.len());
    assert!(upstream.only_request().body == sent);
}

/// Clients that read nothing of large answers take nothing from the others, though all of them share
/// one connection to the upstream.
#[test]
fn p13_slow_readers_do_not_hold_up_others_of_one_connection() {
    const SLOW: usize = 8;
    let upstream = Framed::scripted(|_, seen| match &*seen.path {
        "/small" => Answer::Say(Said::json("{}")),
        _ => Answer::Say(Said::json(vec![b' '; 1 << 20])),
    });
    let proxy = open(&upstream);
    converse(proxy.address, async |sender| {
        let mut unread = Vec::new();
        for _ in 0..SLOW {
            let mut sender = sender.clone().ready().await.unwrap();
            let (response, _) = sender.send_request(request("GET", "/large", &[]), true).unwrap();
            unread.push(response.await.unwrap());
        }
        for _ in 0..3 {
            assert_eq!(proxy.once("GET /small HTTP/1.1\r\nHost: a\r\n\r\n").body, "{}");
        }
        assert_eq!((unread.len(), upstream.connections()), (SLOW, 1));
    });
}
