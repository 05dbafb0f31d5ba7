//! An HTTP/2 client with prior knowledge, over hyper: for what HTTP/2 means, not for its frames.

use super::DEADLINE;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A response whose body was read to its end.
#[derive(Clone, Debug)]
pub struct Whole {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
    pub trailers: Option<http::HeaderMap>,
}

/// What one exchange came to: a whole response, or the text of the error that cut it.
pub type Outcome = Result<Whole, String>;

/// Sends a request over its own connection and reads the answer.
#[track_caller]
pub fn call(to: SocketAddr, method: &str, path: &str, fields: &[(&str, &str)]) -> Whole {
    let outcome = call_all(to, vec![request(to, method, path, fields, "")]).remove(0);
    outcome.unwrap_or_else(|error| panic!("{method} {path} over HTTP/2: {error}"))
}

/// Sends these requests at once as streams of one connection; outcomes in the same order.
#[track_caller]
pub fn call_all(to: SocketAddr, requests: Vec<http::Request<Full<Bytes>>>) -> Vec<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        tokio::time::timeout(DEADLINE, exchange(to, requests))
            .await
            .unwrap_or_else(|_| panic!("no answer over HTTP/2 within {DEADLINE:?}"))
    })
}

/// A request to `http://{to}{path}`, whose `:authority` is the address.
pub fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> http::Request<Full<Bytes>> {
    let mut request = http::Request::builder().method(method).uri(format!("http://{to}{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Full::from(body.to_owned())).expect("a request")
}

async fn exchange(to: SocketAddr, requests: Vec<http::Request<Full<Bytes>>>) -> Vec<Outcome> {
    let stream = TcpStream::connect(to).await.expect("connect");
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .handshake(TokioIo::new(stream))
        .await
        .expect("an HTTP/2 handshake");
    let connection = tokio::spawn(connection);
    let streams: Vec<_> =
        requests.into_iter().map(|request| tokio::spawn(one(sender.clone(), request))).collect();
    drop(sender);
    let mut outcomes = Vec::new();
    for stream in streams {
        outcomes.push(stream.await.expect("a stream's task"));
    }
    connection.abort();
    outcomes
}

async fn one(
    mut sender: http2::SendRequest<Full<Bytes>>,
    request: http::Request<Full<Bytes>>,
) -> Outcome {
    let response = sender.send_request(request).await.map_err(|error| format!("{error:?}"))?;
    let (head, body) = response.into_parts();
    let whole = body.collect().await.map_err(|error| format!("{error:?}"))?;
    let (status, trailers) = (head.status.as_u16(), whole.trailers().cloned());
    Ok(Whole { status, headers: head.headers, body: whole.to_bytes(), trailers })
}
