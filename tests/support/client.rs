//! A client that sends exactly the bytes it is given and reads whole responses.

use super::conn::{Conn, wait_readable};
use super::wire::{Broken, Head, Response, Why, Wire};
use super::{DEADLINE, wire::Fields};
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One connection. Reads panic after [`DEADLINE`] with what had come so far.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
}

/// Sends one request on its own connection and reads the answer.
#[track_caller]
pub fn call(to: SocketAddr, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
    Client::connect(to).call(method, target, fields)
}

/// Sends one request with a JSON body on its own connection and reads the answer.
#[track_caller]
pub fn call_json(
    to: SocketAddr,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Response {
    let fields = [fields, &[("Content-Type", "application/json")]].concat();
    Client::connect(to).call_with(method, target, &fields, body.as_bytes())
}

impl Client {
    /// Connects over TCP.
    #[track_caller]
    pub fn connect(to: SocketAddr) -> Client {
        Client::over(Conn::tcp(to).unwrap_or_else(|error| panic!("connect to {to}: {error}")))
    }

    /// Connects to a Unix socket.
    #[track_caller]
    pub fn connect_unix(path: &Path) -> Client {
        let conn = Conn::unix(path);
        Client::over(conn.unwrap_or_else(|error| panic!("connect to {}: {error}", path.display())))
    }

    /// Sends these bytes, all of them, as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("send to an open connection");
    }

    /// Sends these bytes; an error where the other side has closed already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.wire.conn().write_all(bytes.as_ref())
    }

    /// Sends a request without a body and reads the answer. The connection stays open.
    #[track_caller]
    pub fn call(&mut self, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
        self.send(head(method, target, fields, None));
        self.read_to(method)
    }

    /// Sends a request with a sized body and reads the answer.
    #[track_caller]
    pub fn call_with(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        self.send(head(method, target, fields, Some(body.len())));
        self.send(body);
        self.read_to(method)
    }

    /// One whole response to a GET, POST and so on.
    #[track_caller]
    pub fn read(&mut self) -> Response {
        self.read_to("GET")
    }

    /// One whole response to this method (one to HEAD has no body).
    #[track_caller]
    pub fn read_to(&mut self, method: &str) -> Response {
        let result = self.wire.response(method);
        result.unwrap_or_else(|broken| panic!("no whole response: {broken}{}", self.so_far()))
    }

    /// The head of a response whose body is read chunk by chunk.
    #[track_caller]
    pub fn read_head(&mut self) -> Head {
        let head = self.wire.head();
        match head {
            Ok(Some(head)) => head,
            other => panic!("no head, but {other:?}{}", self.so_far()),
        }
    }

    /// The next chunk of a body; without bytes, it is the last.
    #[track_caller]
    pub fn read_chunk(&mut self) -> Vec<u8> {
        let mut chunk = Vec::new();
        let read = self.wire.chunk(&mut chunk);
        read.unwrap_or_else(|why| panic!("no chunk: {why:?}{}", self.so_far()));
        chunk
    }

    /// One response, or how far it came.
    pub fn try_read(&mut self) -> Result<Response, Broken> {
        self.wire.response("GET")
    }

    /// A response that must not arrive whole: the other side cuts the connection in its body.
    #[track_caller]
    pub fn read_cut(&mut self) -> Broken {
        match self.try_read() {
            Ok(response) => panic!("a whole response, where a cut one was due: {response:?}"),
            Err(broken) if matches!(broken.why, Why::Closed | Why::Reset) => broken,
            Err(broken) => panic!("no cut, but {broken}{}", self.so_far()),
        }
    }

    /// The other side closes (or resets) the connection and sends nothing more.
    #[track_caller]
    pub fn expect_end(&mut self) {
        match self.wire.rest() {
            Ok(rest) if rest.is_empty() => {}
            Err(Why::Reset) => {}
            Ok(rest) => panic!("`{}` before the end", rest.escape_ascii()),
            Err(why) => panic!("no end of the connection: {why:?}{}", self.so_far()),
        }
    }

    /// What is left until the other side closes.
    #[track_caller]
    pub fn read_rest(&mut self) -> Vec<u8> {
        self.wire
            .rest()
            .unwrap_or_else(|why| panic!("no end of the connection: {why:?}{}", self.so_far()))
    }

    /// Whether nothing has come that was not read yet.
    pub fn is_quiet(&mut self) -> bool {
        !wait_readable(self.wire.conn(), Some(Duration::ZERO)).expect("look at the connection")
    }

    /// Says that nothing more will be sent, and keeps reading.
    pub fn finish_sending(&mut self) {
        self.wire.conn().shutdown(Shutdown::Write);
    }

    fn over(conn: Conn) -> Client {
        Client { wire: Wire::new(conn, Arc::default(), Some(DEADLINE)) }
    }

    fn so_far(&self) -> String {
        format!("\nreceived so far: `{}`", self.wire.seen().escape_ascii())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.wire.conn().shutdown(Shutdown::Both);
    }
}

/// The text of a request's head; `Host: api.test` unless the fields name one.
pub fn head(method: &str, target: &str, fields: &[(&str, &str)], length: Option<usize>) -> String {
    let given = Fields(fields.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect());
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    if given.all("host").is_empty() {
        text += "Host: api.test\r\n";
    }
    for (name, value) in fields {
        text += &format!("{name}: {value}\r\n");
    }
    if let Some(length) = length {
        text += &format!("Content-Length: {length}\r\n");
    }
    text + "\r\n"
}
