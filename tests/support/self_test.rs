//! The tools against each other: a tool that errs would make every test that uses it worthless.

use super::upstream::{chunked_response, json_response, response};
use super::wire::Why;
use super::{Answer, Client, Upstream, client, eventually, h2};

#[test]
fn every_byte_and_field_is_recorded_as_it_came() {
    let upstream = Upstream::json("{}");
    let raw =
        "POST /a?b=%20 HTTP/1.1\r\nhOST:x\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 3\r\n\r\nabc";
    let mut client = Client::connect(upstream.address());
    client.send(raw);
    assert_eq!(client.read().text(), "{}");
    let request = upstream.request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/a?b=%20"));
    assert_eq!(request.fields.0[0], ("hOST".to_owned(), "x".to_owned()));
    assert_eq!(request.fields.all("X-a"), ["1", "2"]);
    assert_eq!(request.body, b"abc");
    assert_eq!(upstream.bytes(), [raw.as_bytes()]);
}

#[test]
fn a_connection_carries_many_requests_and_chunked_bodies() {
    let upstream = Upstream::with(|request| {
        let body = String::from_utf8(request.body.clone()).unwrap();
        chunked_response(201, &[("X-Echo", "yes")], &[&body, "!"])
    });
    let mut client = Client::connect(upstream.address());
    client.send("POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n");
    let first = client.read();
    assert_eq!((first.status, first.text(), first.header("x-echo")), (201, "abcde!", Some("yes")));
    assert_eq!(client.call_with("POST", "/2", &[], b"f").text(), "f!");
    assert_eq!(upstream.connections(), 1);
    assert_eq!(upstream.requests()[0].trailers.get("x-t"), Some("1"));
    assert_eq!(upstream.requests()[1].target, "/2");
}

#[test]
fn a_response_may_end_with_the_connection_and_one_to_head_has_no_body() {
    let upstream = Upstream::script(|request| match request.method.as_str() {
        "HEAD" => Answer::Bytes(head_of(&response(200, &[], "not really sent"))),
        _ => Answer::Close(b"HTTP/1.1 200 OK\r\n\r\nto the end".to_vec()),
    });
    assert_eq!(client::call(upstream.address(), "GET", "/", &[]).text(), "to the end");
    let head = client::call(upstream.address(), "HEAD", "/", &[]);
    assert_eq!((head.header("content-length"), head.body.len()), (Some("15"), 0));
}

#[test]
fn a_cut_response_is_not_a_whole_one() {
    let mut cut = json_response(200, "0123456789");
    cut.truncate(cut.len() - 4);
    let upstream = Upstream::script(move |_| Answer::Close(cut.clone()));
    let mut client = Client::connect(upstream.address());
    client.send(client::head("GET", "/", &[], None));
    let broken = client.read_cut();
    assert_eq!((broken.why, broken.body.as_slice()), (Why::Closed, b"012345".as_slice()));
    let mut chunked = chunked_response(200, &[], &["abc"]);
    chunked.truncate(chunked.len() - 5);
    let upstream = Upstream::script(move |_| Answer::Close(chunked.clone()));
    let mut client = Client::connect(upstream.address());
    client.send(client::head("GET", "/", &[], None));
    assert_eq!(client.read_cut().body, b"abc");
}

#[test]
fn pieces_come_when_the_test_says_so() {
    let (upstream, pieces) = Upstream::in_pieces();
    let mut client = Client::connect(upstream.address());
    client.send(client::head("GET", "/", &[], None));
    upstream.wait_for(1);
    pieces.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    pieces.send("ab");
    pieces.send("cd");
    pieces.done();
    assert_eq!(client.read().text(), "abcd");
    client.send(client::head("GET", "/again", &[], None));
    pieces.send("HTTP/1.1 204 No Content\r\n\r\n");
    pieces.close();
    assert_eq!(client.read().status, 204);
    client.expect_end();
}

#[test]
fn an_early_answer_leaves_the_body_unread() {
    let upstream = Upstream::early(|_| Answer::Close(json_response(413, "{}")));
    let mut client = Client::connect(upstream.address());
    client.send("POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
    assert_eq!(client.read().status, 413);
    assert!(upstream.request().body.is_empty());
}

#[test]
fn connections_close_after_the_bytes_that_a_test_names() {
    let upstream = Upstream::closing_after(8);
    let mut client = Client::connect(upstream.address());
    client.send("GET / HT");
    client.expect_end();
    eventually(|| (upstream.open_connections() == 0).then_some(()).ok_or("open"));
    assert_eq!(upstream.bytes(), [b"GET / HT"]);
    assert!(upstream.requests().is_empty());
}

#[test]
fn silence_lasts_until_the_client_leaves() {
    let upstream = Upstream::silent();
    let mut client = Client::connect(upstream.address());
    client.send(client::head("GET", "/", &[], None));
    upstream.wait_for(1);
    assert_eq!(upstream.open_connections(), 1);
    drop(client);
    eventually(|| (upstream.open_connections() == 0).then_some(()).ok_or("open"));
}

#[test]
fn what_is_no_request_is_a_fault() {
    let upstream = Upstream::json("{}");
    let mut client = Client::connect(upstream.address());
    client.send("GET / HTTP/1.1\r\nno colon\r\n\r\n");
    client.expect_end();
    assert_eq!(upstream.faults(), [(0, Why::Malformed("header line `no colon`".into()))]);
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_untouched_upstream_is_one_that_got_no_byte() {
    let upstream = Upstream::json("{}");
    upstream.assert_untouched();
    let mut client = Client::connect(upstream.address());
    client.send("G");
    let check = std::panic::AssertUnwindSafe(|| upstream.assert_untouched());
    assert!(std::panic::catch_unwind(check).is_err());
}

#[test]
fn a_unix_socket_is_like_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("up.sock");
    let upstream = Upstream::unix(path.clone(), |_| Answer::Bytes(json_response(200, "[1]")));
    assert_eq!(Client::connect_unix(&path).call("GET", "/", &[]).text(), "[1]");
    assert_eq!(upstream.url(), format!("unix:{}", path.display()));
    assert_eq!(upstream.request().method, "GET");
}

#[test]
fn the_http2_client_reads_whole_responses_of_many_streams() {
    let served = h2_server();
    let one = h2::call(served, "GET", "/a", &[("x-say", "hello")]);
    assert_eq!((one.status, &one.body[..]), (200, &b"/a hello"[..]));
    let many = (0..3).map(|n| h2::request(served, "POST", &format!("/{n}"), &[], "body")).collect();
    let paths: Vec<_> = h2::call_all(served, many).into_iter().map(|o| o.unwrap().body).collect();
    assert_eq!(paths, ["/0 ", "/1 ", "/2 "]);
}

/// Serves one HTTP/2 connection after another; says the path and the field `x-say`.
fn h2_server() -> std::net::SocketAddr {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let say = |request: http::Request<hyper::body::Incoming>| async move {
        let said = request.headers().get("x-say").map_or("", |value| value.to_str().unwrap());
        let text = format!("{} {said}", request.uri().path());
        Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(
            bytes::Bytes::from(text),
        )))
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let _client_gone = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), hyper::service::service_fn(say))
                    .await;
            }
        })
    });
    address
}

fn head_of(response: &[u8]) -> Vec<u8> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").expect("a head's end");
    response[..end + 4].to_vec()
}
