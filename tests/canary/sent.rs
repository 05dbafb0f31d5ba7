//! What an upstream says, in either protocol, and what a client gets, down to the bytes of frames.

use crate::main_job::kinds::chunk;
use crate::proxy::framed::upstream::Said;
use crate::proxy::framed::{self};
use crate::reference::dice::Dice;
use crate::support::{Client, client};
use bytes::Bytes;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A response of the upstream's.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Lengths of its pieces; none where it is sized and comes at once.
    pieces: Vec<usize>,
}

impl Sent {
    /// Sized, or in pieces that are cut anywhere, with a trailer.
    pub(super) fn new(
        status: u16,
        kind: &'static str,
        fields: &[(&'static str, &'static str)],
        (coding, body): (&str, Vec<u8>),
        dice: &mut Dice,
    ) -> Sent {
        let mut all = vec![("content-type", kind.to_owned())];
        all.extend(fields.iter().map(|(name, value)| (*name, (*value).to_owned())));
        if coding != "identity" {
            all.push(("content-encoding", coding.to_owned()));
        }
        let mut pieces = Vec::new();
        if !dice.percent(40) {
            let most = if body.len() > 10_000 { 9_000 } else { 60 };
            let mut left = body.len();
            while left > 0 {
                pieces.push(1 + dice.below(left.min(most)));
                left -= pieces[pieces.len() - 1];
            }
        }
        Sent { status, fields: all, body, pieces }
    }

    pub(super) fn http1(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} CANARY\r\n", self.status);
        self.fields.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        if self.pieces.is_empty() {
            let head = format!("{head}Content-Length: {}\r\n\r\n", self.body.len());
            return [head.as_bytes(), &self.body].concat();
        }
        let mut sent = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        self.cut().for_each(|piece| sent.extend(chunk(piece)));
        sent.extend(b"0\r\nX-Trailer: CANARY\r\n\r\n");
        sent
    }

    pub(super) fn framed(&self) -> Said {
        let (status, mut fields) = (self.status, self.fields.clone());
        if self.pieces.is_empty() {
            fields.push(("content-length", self.body.len().to_string()));
            let body = vec![Bytes::from(self.body.clone())];
            return Said { status, fields, body, trailers: vec![] };
        }
        let body = self.cut().map(Bytes::copy_from_slice).collect();
        let trailers = vec![("x-trailer", "CANARY"), ("grpc-message", "CANARY")];
        Said { status, fields, body, trailers }
    }

    fn cut(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.body[..];
        self.pieces.iter().map(move |length| {
            let (now, later) = rest.split_at(*length);
            rest = later;
            now
        })
    }
}

/// What came of a request.
#[derive(Debug, Default)]
pub(super) struct Got {
    /// The status, where the end was clean.
    pub(super) whole: Option<u16>,
    /// Head and trailers, as text.
    pub(super) heads: String,
    pub(super) coding: Option<String>,
    pub(super) body: Vec<u8>,
    /// Every byte, where it is worth looking at them.
    pub(super) raw: Vec<u8>,
}

impl Got {
    pub(super) fn over_http1(to: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Got {
        let mut client = Client::connect(to);
        client.send(client::head("GET", path, fields, None));
        match client.try_read() {
            Ok(whole) => Got {
                whole: Some(whole.status),
                heads: format!("{:?}{:?}", whole.head, whole.trailers),
                coding: whole.header("content-encoding").map(str::to_owned),
                body: whole.body,
                raw: Vec::new(),
            },
            Err(broken) => Got { body: broken.body, ..Got::default() },
        }
    }

    /// What h2 throws away because a stream was reset is in the bytes all the same.
    pub(super) fn over_http2(to: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Got {
        let raw = Arc::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut got = Got::default();
        let talk = async {
            let stream = TcpStream::connect(to).await.unwrap();
            let stream = Tapped { stream, raw: Arc::clone(&raw) };
            let (sender, connection) = h2::client::handshake(stream).await.unwrap();
            let connection = tokio::spawn(connection);
            let request = framed::request("GET", path, fields);
            got.read(sender, request).await.map(|status| got.whole = Some(status)).ok();
            connection.abort();
        };
        let late = tokio::time::Duration::from_secs(10);
        runtime.block_on(async { tokio::time::timeout(late, talk).await.expect("an answer") });
        got.raw = raw.lock().unwrap().clone();
        got
    }

    async fn read(
        &mut self,
        sender: h2::client::SendRequest<Bytes>,
        request: http::Request<()>,
    ) -> Result<u16, h2::Error> {
        let (response, _) = sender.ready().await?.send_request(request, true)?;
        let (head, mut stream) = response.await?.into_parts();
        self.heads = format!("{head:?}");
        let coding = head.headers.get("content-encoding");
        self.coding = coding.map(|coding| coding.to_str().unwrap().to_owned());
        while let Some(data) = stream.data().await {
            let data = data?;
            stream.flow_control().release_capacity(data.len())?;
            self.body.extend_from_slice(&data);
        }
        self.heads += &format!("{:?}", stream.trailers().await?);
        Ok(head.status.as_u16())
    }
}

/// A socket that keeps what was read.
struct Tapped {
    stream: TcpStream,
    raw: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.raw.lock().unwrap().extend_from_slice(&buf.filled()[before..]);
        read
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
