//! gRPC through the proxy: calls pass as they come, refusals are understood, and where fields are
//! limited nothing passes unread.

use super::upstream::{Answer, End, Framed, Said};
use super::{ask, converse, open, read, request, with};
use crate::proxy::support::eventually;
use bytes::Bytes;
use http::Request;
use portcullis::settings::Limits;
use std::sync::Mutex;

/// One caller with the key `key`, from whom `/ssn` of two paths is hidden.
pub(super) const HIDES: &str = "identity:
  api_keys:
    keys:
      - {user: eng, roles: [r], sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683}
roles:
  - {id: r, grants: [{path: \"/**\", access: crud}], schemas: [s]}
schemas:
  - {id: s, type: t, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
resource_types:
  - {id: t, at: [{path: \"/a\", pointer: \"\"}, {path: \"/pkg.Service/Get\", pointer: \"\"}]}
";

/// The same caller, who may call one method and nothing else.
const ONE_METHOD: &str = "identity:
  api_keys:
    keys:
      - {user: eng, roles: [r], sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683}
routes:
  - {match: \"/**\", upstream: far}
  - {match: \"/pkg.Service/{method}\", upstream: far, verbs: {POST: r}}
roles:
  - {id: r, grants: [{path: \"/pkg.Service/Get\", access: r}]}
";

fn call(path: &str, more: &[(&str, &str)]) -> Request<()> {
    let own = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "5S")];
    request("POST", path, &[&own[..], more].concat())
}

#[test]
fn a_call_passes_whole_and_its_status_arrives() {
    let upstream = Framed::scripted(|_, _| Answer::Say(Said::grpc(&["\0\0\0\0\x02hi"], "5")));
    let proxy = with(&upstream, ONE_METHOD, Limits::default());
    let whole = converse(proxy.address, async |sender| {
        let call = call("/pkg.Service/Get", &[("x-api-key", "key")]);
        ask(&sender, call, Some("\0\0\0\0\x03abc")).await.unwrap()
    });
    assert_eq!((whole.status, &whole.body[..]), (200, &b"\0\0\0\0\x02hi"[..]));
    assert_eq!(whole.trailers.unwrap()["grpc-status"], "5");
    let seen = upstream.only_request();
    assert_eq!((&*seen.path, &seen.body[..]), ("/pkg.Service/Get", &b"\0\0\0\0\x03abc"[..]));
    for (name, value) in [
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", "5S"),
        ("x-portcullis-user", "eng"),
    ] {
        assert_eq!(seen.head[name], value, "{name}");
    }
    assert!(!seen.head.contains_key("x-api-key"));
}

/// An error of the upstream's is a head that is the end.
#[test]
fn an_answer_without_a_body_is_one_head() {
    let upstream = Framed::scripted(|_, _| {
        let fields = vec![("content-type", "application/grpc".into()), ("grpc-status", "9".into())];
        Answer::Say(Said { status: 200, fields, ..Said::default() })
    });
    let proxy = open(&upstream);
    converse(proxy.address, async |sender| {
        let mut sender = sender.ready().await.unwrap();
        let (response, mut stream) = sender.send_request(call("/a.B/C", &[]), false).unwrap();
        stream.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
        let response = response.await.unwrap();
        assert!(response.body().is_end_stream());
        assert_eq!(response.headers()["grpc-status"], "9");
    });
}

/// Nothing is held back in either direction: each piece is answered before the next is sent.
#[test]
fn both_sides_talk_at_once() {
    let upstream = Framed::scripted(|_, _| Answer::Echo);
    let proxy = open(&upstream);
    converse(proxy.address, async |sender| {
        let mut sender = sender.ready().await.unwrap();
        let (response, mut stream) =
            sender.send_request(call("/chat.Chat/Talk", &[]), false).unwrap();
        let mut answer = response.await.unwrap().into_body();
        for turn in 0..50 {
            let said = Bytes::from(format!("turn {turn}"));
            stream.send_data(said.clone(), false).unwrap();
            assert_eq!(answer.data().await.unwrap().unwrap(), said);
            answer.flow_control().release_capacity(said.len()).unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
        assert!(answer.data().await.is_none());
        let trailers = answer.trailers().await.unwrap().unwrap();
        assert_eq!(
            (&trailers["grpc-status"], &trailers["grpc-message"]),
            (&"0".parse().unwrap(), &"done".parse().unwrap())
        );
    });
}

#[test]
fn each_piece_of_a_servers_stream_goes_on_as_it_comes() {
    let (pieces, receiver) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Mutex::new(Some(receiver));
    let upstream =
        Framed::scripted(move |_, _| Answer::Pieces(receiver.lock().unwrap().take().unwrap()));
    let proxy = open(&upstream);
    converse(proxy.address, async |sender| {
        let mut sender = sender.ready().await.unwrap();
        let (response, _) = sender.send_request(call("/a.B/Watch", &[]), true).unwrap();
        let mut answer = response.await.unwrap().into_body();
        for piece in ["one", "two", "three"] {
            pieces.send(Bytes::from_static(piece.as_bytes())).unwrap();
            assert_eq!(answer.data().await.unwrap().unwrap(), piece);
        }
        drop(pieces);
        assert!(answer.data().await.is_none());
        assert_eq!(answer.trailers().await.unwrap().unwrap()["grpc-status"], "0");
    });
}

/// The HTTP status says what it says to everybody, and a gRPC client finds its own code beside it.
#[test]
fn p03_refused_calls_are_answered_so_that_a_client_of_grpc_understands() {
    let upstream = Framed::json("{}");
    let proxy = with(&upstream, ONE_METHOD, Limits::default());
    converse(proxy.address, async |sender| {
        for (path, fields, status, code) in [
            ("/pkg.Service/Get", &[][..], 401, "16"),
            ("/pkg.Service/Get", &[("x-api-key", "other")][..], 401, "16"),
            ("/pkg.Service/Set", &[("x-api-key", "key")][..], 403, "7"),
            ("/pkg.Service/Get/", &[("x-api-key", "key")][..], 403, "7"),
            ("/pkg.Service/get", &[("x-api-key", "key")][..], 403, "7"),
            ("/pkg.Service//Get", &[("x-api-key", "key")][..], 400, "13"),
        ] {
            let whole = ask(&sender, call(path, fields), Some("\0\0\0\0\0")).await.unwrap();
            assert_eq!(whole.status, status, "{path}");
            assert_eq!(whole.head["grpc-status"], code, "{path}");
            assert_eq!(whole.head["content-type"], "application/grpc");
            assert!(whole.body.is_empty() && whole.trailers.is_none(), "{whole:?}");
            let said = whole.head["grpc-message"].to_str().unwrap();
            assert!(!said.contains("pkg") && !said.contains("role"), "{said}");
        }
        // Others get their document as ever.
        let whole =
            ask(&sender, request("POST", "/pkg.Service/Get", &[]), Some("{}")).await.unwrap();
        assert_eq!(
            (whole.status, &whole.head["content-type"]),
            (401, &"application/problem+json".parse().unwrap())
        );
        assert!(!whole.body.is_empty() && !whole.head.contains_key("grpc-status"));
    });
    upstream.assert_untouched();
}

#[test]
fn p10_calls_are_refused_where_fields_are_limited_unless_the_route_says_opaque() {
    let upstream = Framed::scripted(|_, _| Answer::Say(Said::grpc(&["CANARY"], "0")));
    let key = ("x-api-key", "key");
    for kind in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc+json",
        "application/grpc-web+json",
        "Application/GRPC+Json; charset=utf-8",
    ] {
        for (route, status) in [
            ("{match: \"/**\", upstream: far}", 415),
            ("{match: \"/**\", upstream: far, verbs: {POST: r}}", 415),
            ("{match: \"/**\", upstream: far, request: opaque}", 415),
            ("{match: \"/**\", upstream: far, response: opaque}", 415),
            ("{match: \"/**\", upstream: far, response: events}", 415),
            ("{match: \"/**\", upstream: far, request: opaque, response: opaque}", 200),
        ] {
            let before = upstream.requests().len();
            let proxy =
                with(&upstream, &format!("routes:\n  - {route}\n{HIDES}"), Limits::default());
            let whole = converse(proxy.address, async |sender| {
                let fields = [key, ("content-type", kind), ("te", "trailers")];
                let call = request("POST", "/pkg.Service/Get", &fields);
                ask(&sender, call, Some("{\"a\": 1}")).await.unwrap()
            });
            assert_eq!(whole.status, status, "{kind}: {route}");
            let reached = upstream.requests().len() > before;
            assert_eq!(reached, status == 200, "{kind}: {route}");
        }
    }
}

/// Nothing is asked for that is not readable, and what comes all the same is not shown.
#[test]
fn p11_an_answer_of_grpc_where_fields_are_hidden_is_not_shown() {
    let upstream = Framed::scripted(|_, _| {
        let mut said = Said::grpc(&["{\"ssn\": \"CANARY\"}"], "0");
        said.fields = vec![("content-type", "application/grpc+json".into()), ("x-a", "1".into())];
        Answer::Say(said)
    });
    let rules = format!("routes:\n  - {{match: \"/**\", upstream: far}}\n{HIDES}");
    let proxy = with(&upstream, &rules, Limits::default());
    converse(proxy.address, async |sender| {
        let fields = [("x-api-key", "key"), ("te", "trailers")];
        for (method, status) in [("GET", 502), ("POST", 200)] {
            let whole = ask(&sender, request(method, "/a", &fields), None).await.unwrap();
            assert_eq!(whole.status, status);
            assert!(!String::from_utf8_lossy(&whole.body).contains("CANARY"));
            assert_eq!(whole.head["content-type"], "application/problem+json");
            assert!(whole.trailers.is_none());
        }
    });
}

/// A client that goes away takes its call along, in both directions.
#[test]
fn p14_a_call_that_is_given_up_is_reset_upstream() {
    let upstream = Framed::scripted(|n, _| if n == 0 { Answer::Silence } else { Answer::Echo });
    let proxy = open(&upstream);
    converse(proxy.address, async |sender| {
        for n in 0..2 {
            let mut sender = sender.clone().ready().await.unwrap();
            let (response, mut stream) = sender.send_request(call("/a.B/C", &[]), false).unwrap();
            stream.send_data(Bytes::from_static(b"hello"), false).unwrap();
            let seen =
                || upstream.requests().get(n).is_some_and(|one| n == 0 || one.body == b"hello");
            while !seen() {
                tokio::task::yield_now().await;
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            stream.send_reset(h2::Reason::CANCEL);
            drop(response);
        }
        eventually_async(|| {
            upstream.requests().iter().all(|one| one.end == End::Reset(Some(h2::Reason::CANCEL)))
        })
        .await;
        // The connection goes on.
        let whole = ask(&sender, call("/a.B/C", &[]), Some("again")).await.unwrap();
        assert_eq!(whole.body, b"again");
    });
    eventually("one connection for all", || upstream.connections() == 1);
}

async fn eventually_async(holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it does not come about");
}

/// A stream that goes on for longer than others may: its route says that it is one of events.
#[test]
fn p14_a_silent_stream_is_cut_and_one_of_events_has_its_own_time() {
    let upstream = Framed::scripted(|_, _| Answer::Echo);
    let limits = Limits {
        upstream_head: std::time::Duration::from_millis(300),
        body_idle: std::time::Duration::from_millis(300),
        ..Limits::default()
    };
    for (kind, lives) in [("json", false), ("events", true)] {
        let rules = format!(
            "routes:\n  - {{match: \"/**\", public: crud, upstream: far, response: {kind}}}\n"
        );
        let proxy = with(&upstream, &rules, limits.clone());
        converse(proxy.address, async |sender| {
            let mut sender = sender.ready().await.unwrap();
            let (response, mut stream) = sender.send_request(call("/a.B/C", &[]), false).unwrap();
            stream.send_data(Bytes::from_static(b"one"), false).unwrap();
            let mut answer = response.await.unwrap().into_body();
            assert_eq!(answer.data().await.unwrap().unwrap(), "one");
            let silent =
                tokio::time::timeout(std::time::Duration::from_millis(1500), answer.data());
            match silent.await {
                Ok(cut) => assert!(!lives && cut.unwrap().is_err(), "{kind}"),
                Err(_) => {
                    assert!(lives, "{kind}");
                    stream.send_data(Bytes::from_static(b"two"), true).unwrap();
                    let rest = read_rest(answer).await;
                    assert_eq!(rest, b"two");
                }
            }
        });
    }
}

async fn read_rest(stream: h2::RecvStream) -> Vec<u8> {
    read(http::Response::new(stream)).await.unwrap().body
}

/// Whoever may no longer call is cut off, in both directions, and never told that this was the end.
#[test]
fn p12_a_reload_that_takes_a_right_away_cuts_an_open_call() {
    let upstream = Framed::scripted(|_, _| Answer::Echo);
    let limits =
        Limits { stream_revocation: std::time::Duration::from_secs(1), ..Limits::default() };
    let proxy = with(&upstream, ONE_METHOD, limits);
    converse(proxy.address, async |sender| {
        let mut sender = sender.ready().await.unwrap();
        let call = call("/pkg.Service/Get", &[("x-api-key", "key")]);
        let (response, mut stream) = sender.send_request(call, false).unwrap();
        stream.send_data(Bytes::from_static(b"one"), false).unwrap();
        let mut answer = response.await.unwrap().into_body();
        assert_eq!(answer.data().await.unwrap().unwrap(), "one");
        // What takes nothing away cuts nothing.
        proxy.reload(&super::policy(&upstream, &format!("name: other\n{ONE_METHOD}")), 2);
        stream.send_data(Bytes::from_static(b"two"), false).unwrap();
        assert_eq!(answer.data().await.unwrap().unwrap(), "two");
        let less = ONE_METHOD.replace("/pkg.Service/Get\", access", "/pkg.Service/Set\", access");
        proxy.reload(&super::policy(&upstream, &less), 3);
        assert!(answer.data().await.unwrap().is_err());
        eventually_async(|| matches!(upstream.requests()[0].end, End::Reset(_))).await;
    });
}

/// The same before the response has begun: a client that streams and an upstream that listens are no
/// less an open call.
#[test]
fn p12_a_reload_that_takes_a_right_away_ends_a_call_whose_response_has_not_begun() {
    let upstream = Framed::scripted(|_, _| Answer::Say(Said::grpc(&[], "0")));
    let proxy = with(&upstream, ONE_METHOD, Limits::default());
    converse(proxy.address, async |sender| {
        let mut sender = sender.ready().await.unwrap();
        let call = call("/pkg.Service/Get", &[("x-api-key", "key")]);
        let (response, mut stream) = sender.send_request(call, false).unwrap();
        let mut response = std::pin::pin!(response);
        let heard = || upstream.requests().first().map_or(0, |one| one.body.len());
        stream.send_data(Bytes::from_static(b"one"), false).unwrap();
        eventually_async(|| heard() == 3).await;
        // What takes nothing away ends nothing.
        proxy.reload(&super::policy(&upstream, &format!("name: other\n{ONE_METHOD}")), 2);
        stream.send_data(Bytes::from_static(b"two"), false).unwrap();
        eventually_async(|| heard() == 6).await;
        let soon = std::time::Duration::from_millis(300);
        assert!(tokio::time::timeout(soon, response.as_mut()).await.is_err());
        let less = ONE_METHOD.replace("/pkg.Service/Get\", access", "/pkg.Service/Set\", access");
        proxy.reload(&super::policy(&upstream, &less), 3);
        let refused = response.await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["grpc-status"]),
            (403, &"7".parse().unwrap())
        );
        eventually_async(|| matches!(upstream.requests()[0].end, End::Reset(_))).await;
        assert_eq!(heard(), 6);
    });
}
