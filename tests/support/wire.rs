//! HTTP/1.1 as bytes: enough of a reader to take messages apart without judging or repairing them.

use super::conn::{Conn, wait_readable};
use std::fmt;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Reads messages off a connection and keeps every byte that came.
#[derive(Debug)]
pub struct Wire {
    conn: Conn,
    seen: Arc<Mutex<Vec<u8>>>,
    unread: Vec<u8>,
    wait: Option<Duration>,
}

/// Header fields in the order and spelling in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

/// A start line and its header fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `GET / HTTP/1.1`, or `HTTP/1.1 200 OK`.
    pub start: String,
    pub fields: Fields,
}

/// A whole response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub head: Head,
    pub body: Vec<u8>,
    /// Fields after the last chunk.
    pub trailers: Fields,
}

/// A message that did not arrive whole.
#[derive(Clone, Debug)]
pub struct Broken {
    /// What ended it.
    pub why: Why,
    /// The head, if that much came.
    pub head: Option<Head>,
    /// The part of the body that came, decoded.
    pub body: Vec<u8>,
}

/// What ended a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The other side closed the connection.
    Closed,
    /// The other side reset the connection.
    Reset,
    /// Nothing came within the read timeout.
    TimedOut,
    /// What came is not HTTP/1.1.
    Malformed(String),
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

impl Wire {
    /// Reads from this connection; all bytes that come are added to `seen` as well. No read waits
    /// longer than `wait`.
    pub fn new(conn: Conn, seen: Arc<Mutex<Vec<u8>>>, wait: Option<Duration>) -> Wire {
        Wire { conn, seen, unread: Vec::new(), wait }
    }

    /// The connection, to write on.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// Everything that has come so far, whether or not it was taken apart.
    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }

    /// A start line and its fields; `None` where the connection ended before a first byte.
    pub fn head(&mut self) -> Result<Option<Head>, Why> {
        if self.unread.is_empty() && self.fill()? == 0 {
            return Ok(None);
        }
        let start = self.line()?;
        Ok(Some(Head { start, fields: self.fields()? }))
    }

    /// Appends a body to `out` and returns its trailers. What came before a break stays in `out`.
    pub fn body(&mut self, framing: Framing, out: &mut Vec<u8>) -> Result<Fields, Why> {
        match framing {
            Framing::None => {}
            Framing::Length(length) => self.take(length, out)?,
            Framing::UntilClose => while self.some(usize::MAX, out)? > 0 {},
            Framing::Chunked => return self.chunks(out),
        }
        Ok(Fields::default())
    }

    /// One response; `to` is the method that it answers, for HEAD has no body.
    pub fn response(&mut self, to: &str) -> Result<Response, Broken> {
        let mut body = Vec::new();
        let broken = |why, head: Option<&Head>, body: &[u8]| Broken {
            why,
            head: head.cloned(),
            body: body.to_vec(),
        };
        let head = match self.head() {
            Ok(head) => head.ok_or_else(|| broken(Why::Closed, None, b""))?,
            Err(why) => return Err(broken(why, None, b"")),
        };
        let status = status(&head.start)
            .ok_or_else(|| broken(Why::Malformed(head.start.clone()), Some(&head), b""))?;
        let trailers = response_framing(to, status, &head.fields)
            .and_then(|framing| self.body(framing, &mut body))
            .map_err(|why| broken(why, Some(&head), &body))?;
        Ok(Response { status, head, body, trailers })
    }

    /// What is left until the other side closes.
    pub fn rest(&mut self) -> Result<Vec<u8>, Why> {
        let mut out = Vec::new();
        self.body(Framing::UntilClose, &mut out)?;
        Ok(out)
    }

    fn chunks(&mut self, out: &mut Vec<u8>) -> Result<Fields, Why> {
        while self.chunk(out)? > 0 {}
        self.fields()
    }

    /// Appends one chunk of a chunked body; 0 is the last one, which has no bytes.
    pub fn chunk(&mut self, out: &mut Vec<u8>) -> Result<usize, Why> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or("").trim();
        let size = usize::from_str_radix(digits, 16)
            .map_err(|_| Why::Malformed(format!("chunk size `{line}`")))?;
        if size > 0 {
            self.take(size, out)?;
            let end = self.line()?;
            if !end.is_empty() {
                return Err(Why::Malformed(format!("`{end}` after a chunk")));
            }
        }
        Ok(size)
    }

    fn fields(&mut self) -> Result<Fields, Why> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Fields(fields));
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| Why::Malformed(format!("header line `{line}`")))?;
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> Result<String, Why> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
                self.unread.drain(..end + 2);
                return Ok(line);
            }
            if self.fill()? == 0 {
                return Err(Why::Closed);
            }
        }
    }

    fn take(&mut self, length: usize, out: &mut Vec<u8>) -> Result<(), Why> {
        let mut left = length;
        while left > 0 {
            match self.some(left, out)? {
                0 => return Err(Why::Closed),
                got => left -= got,
            }
        }
        Ok(())
    }

    /// Moves at most this many bytes to `out`; 0 at the end of the connection.
    fn some(&mut self, most: usize, out: &mut Vec<u8>) -> Result<usize, Why> {
        if self.unread.is_empty() && self.fill()? == 0 {
            return Ok(0);
        }
        let got = most.min(self.unread.len());
        out.extend(self.unread.drain(..got));
        Ok(got)
    }

    fn fill(&mut self) -> Result<usize, Why> {
        let mut buffer = [0; 16 * 1024];
        if !wait_readable(&self.conn, self.wait).map_err(|_| Why::Reset)? {
            return Err(Why::TimedOut);
        }
        // Read and recorded under one lock: who holds it sees every byte in one of two places.
        let mut seen = self.seen.lock().unwrap();
        let got = match self.conn.read(&mut buffer) {
            Ok(got) => got,
            Err(_) => return Err(Why::Reset),
        };
        seen.extend(&buffer[..got]);
        drop(seen);
        self.unread.extend(&buffer[..got]);
        Ok(got)
    }
}

impl Fields {
    /// The only value of a field, by any spelling of its name. Panics where it came twice: a test
    /// that asks for one value must not overlook a second.
    #[track_caller]
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "`{name}` came {} times: {all:?}", all.len());
        all.first().copied()
    }

    /// All values of a field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The names in lower case, in order.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.to_ascii_lowercase()).collect()
    }
}

impl Response {
    /// The only value of a header field.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.fields.get(name)
    }

    /// The body as text; panics where it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a UTF-8 body")
    }

    /// The body as JSON. `serde_json` keeps neither number text nor duplicates: compare
    /// [`Response::text`] where the bytes matter.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the body `{}`", self.body.escape_ascii()))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head.as_ref().map_or("no head", |head| head.start.as_str());
        write!(f, "{:?} after `{head}` and the body `{}`", self.why, self.body.escape_ascii())
    }
}

/// How a request's body ends (RFC 9112 section 6.3). Chunked wins where both are there.
pub fn request_framing(fields: &Fields) -> Result<Framing, Why> {
    Ok(declared_framing(fields)?.unwrap_or(Framing::None))
}

fn response_framing(to: &str, status: u16, fields: &Fields) -> Result<Framing, Why> {
    if to == "HEAD" || matches!(status, 100..=199 | 204 | 304) {
        return Ok(Framing::None);
    }
    Ok(declared_framing(fields)?.unwrap_or(Framing::UntilClose))
}

fn declared_framing(fields: &Fields) -> Result<Option<Framing>, Why> {
    if fields.all("transfer-encoding").iter().any(|value| value.ends_with("chunked")) {
        return Ok(Some(Framing::Chunked));
    }
    let Some(length) = fields.all("content-length").first().copied() else { return Ok(None) };
    let length =
        length.parse().map_err(|_| Why::Malformed(format!("Content-Length `{length}`")))?;
    Ok(Some(Framing::Length(length)))
}

fn status(start: &str) -> Option<u16> {
    start.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}
