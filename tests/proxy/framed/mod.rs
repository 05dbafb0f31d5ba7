//! HTTP/2 towards upstreams: what they see, what comes back, and who may stop it.

mod grpc;
mod lost;
mod passing;
mod raw;
mod secrets;
mod smuggling;
pub(crate) mod upstream;

use super::support::{NOBODY, Proxy};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use portcullis::settings::Limits;
use std::net::SocketAddr;
use std::time::Duration;
use upstream::Framed;

/// Everything is open; the upstream speaks HTTP/2 with prior knowledge.
pub(crate) fn open(upstream: &Framed) -> Proxy {
    with(
        upstream,
        "routes:\n  - {match: \"/**\", public: crud, upstream: far}\n",
        Limits::default(),
    )
}

/// The same with these rules, whose routes name the upstream `far`.
pub(crate) fn with(upstream: &Framed, rules: &str, limits: Limits) -> Proxy {
    Proxy::with(&policy(upstream, rules), NOBODY, limits)
}

pub(crate) fn policy(upstream: &Framed, rules: &str) -> String {
    format!(
        "policy: 1\nupstreams:\n  - {{id: far, url: \"http://{}\", protocol: h2}}\n{rules}",
        upstream.address
    )
}

/// Runs a conversation over one connection of a client that speaks HTTP/2; nothing in it may take
/// longer than ten seconds.
pub(crate) fn converse<T>(to: SocketAddr, talk: impl AsyncFnOnce(SendRequest<Bytes>) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(to).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let said = tokio::time::timeout(Duration::from_secs(10), talk(sender)).await;
        connection.abort();
        said.expect("the conversation should end")
    })
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Whole {
    pub status: u16,
    pub head: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let uri = format!("http://api.test{path}");
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// Sends a request with this body, and reads the answer.
pub(crate) async fn ask(
    sender: &SendRequest<Bytes>,
    request: Request<()>,
    body: Option<&'static str>,
) -> Result<Whole, h2::Error> {
    let mut sender = sender.clone().ready().await?;
    let (response, mut stream) = sender.send_request(request, body.is_none())?;
    if let Some(body) = body {
        stream.send_data(Bytes::from_static(body.as_bytes()), true)?;
    }
    read(response.await?).await
}

/// Reads a response to its end.
pub(crate) async fn read(response: http::Response<h2::RecvStream>) -> Result<Whole, h2::Error> {
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await?;
    Ok(Whole { status: head.status.as_u16(), head: head.headers, body, trailers })
}

/// The names and values of a map, in order.
pub(crate) fn listed(fields: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    fields.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
