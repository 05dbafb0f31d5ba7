//! HTTP/2 with prior knowledge: the same decisions as over HTTP/1.

use super::support::{OPEN, Proxy, Upstream, eventually, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper::{Request, Response, body::Bytes};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use portcullis::settings::Limits;
use std::time::Duration;

type Sender = http2::SendRequest<Full<Bytes>>;

/// Runs a conversation with the proxy; nothing in it may take longer than ten seconds.
fn converse<T>(proxy: &Proxy, talk: impl AsyncFnOnce(Sender) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
        let io = TokioIo::new(stream);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        let connection = tokio::spawn(connection);
        let said = tokio::time::timeout(Duration::from_secs(10), talk(sender)).await;
        connection.abort();
        said.expect("the conversation should end")
    })
}

fn request(
    method: &str,
    uri: &str,
    fields: &[(&str, &str)],
    body: &'static str,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Full::from(body)).unwrap()
}

async fn ask(sender: &mut Sender, request: Request<Full<Bytes>>) -> (u16, String) {
    let response: Response<_> = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn requests_pass_and_many_at_once() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    converse(&proxy, async |sender| {
        let mut all = Vec::new();
        for n in 0..20 {
            let mut sender = sender.clone();
            let request = request("POST", &format!("http://a.test:1/x{n}"), &[], "hello");
            all.push(tokio::spawn(async move { ask(&mut sender, request).await }));
        }
        for one in all {
            assert_eq!(one.await.unwrap(), (200, "{}".to_owned()));
        }
    });
    for request in upstream.requests() {
        assert_eq!(header(&request, "host"), Some("a.test:1"));
        assert_eq!(header(&request, "content-length"), Some("5"));
        assert!(request.starts_with("POST /x") && request.ends_with("\r\n\r\nhello"), "{request}");
    }
}

#[test]
fn p03_the_same_is_refused_and_stripped_as_over_http_1() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    converse(&proxy, async |mut sender| {
        for (request, status) in [
            (request("GET", "http://a/x//y", &[], ""), 400),
            (request("GET", "http://a/x/../y", &[], ""), 400),
            (request("TRACE", "http://a/x", &[], ""), 405),
            (request("GET", "http://a/x", &[("host", "b")], ""), 400),
            (request("GET", "http://a/x", &[("host", "a"), ("host", "a")], ""), 400),
        ] {
            assert_eq!(ask(&mut sender, request).await.0, status);
        }
        let fields = [("x-portcullis-user", "root"), ("cookie", "a=1"), ("cookie", "b=2")];
        assert_eq!(ask(&mut sender, request("GET", "http://a/x", &fields, "")).await.0, 200);
    });
    let request = upstream.only_request();
    assert!(!request.contains("root"), "{request}");
    assert_eq!(header(&request, "cookie"), Some("a=1; b=2"));
}

#[test]
fn p03_cookies_in_several_fields_go_on_as_one() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    converse(&proxy, async |mut sender| {
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")];
        assert_eq!(ask(&mut sender, request("GET", "http://a/x", &crumbs, "")).await.0, 200);
    });
    let request = upstream.only_request();
    assert_eq!(header(&request, "cookie"), Some("a=1; b=2; c=3"), "{request}");
    assert_eq!(request.to_lowercase().matches("cookie:").count(), 1);
}

#[test]
fn p14_a_body_that_breaks_off_resets_the_stream() {
    let broken = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n";
    let upstream = Upstream::scripted(move |_, _| super::support::Answer::Last(broken.into()));
    let proxy = Proxy::open(&upstream);
    converse(&proxy, async |mut sender| {
        let response = sender.send_request(request("GET", "http://a/x", &[], "")).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.expect_err("the end should be missing");
    });
    assert!(proxy.record().aborted);
}

#[test]
fn p05_a_client_that_opens_no_window_loses_the_stream_and_not_the_connection() {
    let upstream = Upstream::scripted(|_, request| {
        let body = if request.starts_with("GET /empty") { "" } else { "{}" };
        super::support::Answer::Bytes(super::support::ok("application/json", body).into())
    });
    let limits = Limits { write_idle: Duration::from_millis(200), ..Limits::default() };
    let proxy = Proxy::with(OPEN, &format!("http://{}", upstream.address), limits);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(0);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        // Our own refusals wait for a window as well.
        for uri in ["http://a/x", "http://a/x//y"] {
            let response = sender.send_request(request("GET", uri, &[], "")).await.unwrap();
            let body =
                tokio::time::timeout(Duration::from_secs(10), response.into_body().collect());
            body.await.expect("the stream should end").expect_err("nothing of it can arrive");
        }
        assert_eq!(ask(&mut sender, request("GET", "http://a/empty", &[], "")).await.0, 200);
    });
    assert!(proxy.record().aborted);
}

#[test]
fn p13_a_client_that_only_sends_pings_is_idle() {
    let upstream = Upstream::json("{}");
    let limits = Limits { idle: Duration::from_millis(500), ..Limits::default() };
    let proxy = Proxy::with(OPEN, &format!("http://{}", upstream.address), limits);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_while_idle(true);
        builder.keep_alive_interval(Duration::from_millis(20));
        let (_sender, connection) =
            builder.handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(10), connection).await;
        ended.expect("the connection should end").unwrap_or_default();
    });
}

#[test]
fn p15_a_drain_says_goaway_and_finishes_what_is_under_way() {
    let (more, pieces) = std::sync::mpsc::channel();
    let pieces = std::sync::Mutex::new(Some(pieces));
    let upstream = Upstream::scripted(move |_, _| {
        super::support::Answer::Pieces(pieces.lock().unwrap().take().unwrap())
    });
    let mut proxy = Proxy::open(&upstream);
    let handle = proxy.handle.take().unwrap();
    converse(&proxy, async |mut sender| {
        let under_way = sender.send_request(request("GET", "http://a/x", &[], ""));
        let under_way = tokio::spawn(under_way);
        while upstream.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        handle.drain();
        more.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine".to_vec()).unwrap();
        let body = under_way.await.unwrap().unwrap().into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "fine");
        // Nothing is left to do, so the connection ends; the timeout is the limit.
        while sender.ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    handle.join().unwrap();
}

#[test]
fn p14_a_stream_that_is_given_up_ends_the_upstream_request() {
    let (_never, pieces) = std::sync::mpsc::channel();
    let pieces = std::sync::Mutex::new(Some(pieces));
    let upstream = Upstream::scripted(move |_, _| {
        super::support::Answer::Pieces(pieces.lock().unwrap().take().unwrap())
    });
    let proxy = Proxy::open(&upstream);
    converse(&proxy, async |mut sender| {
        let given_up = sender.send_request(request("GET", "http://a/x", &[], ""));
        let given_up = tokio::spawn(given_up);
        while upstream.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        given_up.abort();
        let _ = given_up.await;
        // The reset goes out with the connection still open.
        let proxy = &proxy;
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        eventually("the record is written", || proxy.try_record().is_some());
    });
}

/// RFC 8441's extended CONNECT is not offered, so that no client sends it; CONNECT names no host
/// that could be asked.
#[test]
fn p04_http2_opens_no_tunnel() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::open(&upstream);
    converse(&proxy, async |mut sender| {
        let connect = request("CONNECT", "a.test:443", &[], "");
        assert_eq!(ask(&mut sender, connect).await.0, 400);
        let mut extended = request("CONNECT", "http://a.test/chat", &[], "");
        extended.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
        assert!(sender.send_request(extended).await.is_err());
    });
    upstream.assert_untouched();
}
