//! A client of the tests, and what it is answered.

use super::{PATIENCE, find};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A client that sends exactly the bytes it is given.
pub struct Client {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response as it came.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Client {
    pub fn to(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream, buffer: Vec::new() }
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the proxy should take the request");
    }

    /// Sends if the proxy takes it.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Whether something lies there to be read.
    pub fn has_more(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0; 1]);
        self.stream.set_nonblocking(false).unwrap();
        peeked.is_ok()
    }

    /// Waits for an answer's first byte, or the end.
    pub fn has_answer(&mut self) -> bool {
        self.stream.peek(&mut [0; 1]).is_ok_and(|n| n > 0)
    }

    /// Reads one response with a length, chunks, or an end.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.response_to(false)
    }

    /// Reads the response to a HEAD: a head alone.
    #[track_caller]
    pub fn head_response(&mut self) -> Response {
        self.response_to(true)
    }

    #[track_caller]
    fn response_to(&mut self, head_only: bool) -> Response {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.more(), "no head: {:?}", String::from_utf8_lossy(&self.buffer));
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let body = match head_only || matches!(status, 204 | 304) {
            true => Vec::new(),
            false => self.body(&head),
        };
        Response { status, head, body: String::from_utf8(body).unwrap() }
    }

    #[track_caller]
    fn body(&mut self, head: &str) -> Vec<u8> {
        let lower = head.to_ascii_lowercase();
        if let Some((_, rest)) = lower.split_once("content-length: ") {
            let length: usize = rest.lines().next().unwrap().parse().unwrap();
            while self.buffer.len() < length {
                assert!(self.more(), "cut: {:?}", String::from_utf8_lossy(&self.buffer));
            }
            return self.buffer.drain(..length).collect();
        }
        if !lower.contains("transfer-encoding: chunked") {
            while self.more() {}
            return std::mem::take(&mut self.buffer);
        }
        let mut body = Vec::new();
        loop {
            let line = self.line();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            while self.buffer.len() < size + 2 {
                assert!(self.more(), "cut: {:?}", String::from_utf8_lossy(&body));
            }
            body.extend(self.buffer.drain(..size));
            self.buffer.drain(..2);
            if size == 0 {
                return body;
            }
        }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.drain(..end + 2).collect();
                return String::from_utf8(line).unwrap();
            }
            assert!(self.more(), "cut in a chunk's size");
        }
    }

    /// Reads this many bytes, whatever they are.
    #[track_caller]
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.more(), "cut: {:?}", String::from_utf8_lossy(&self.buffer));
        }
        self.buffer.drain(..length).collect()
    }

    /// Reads until the proxy closes; says whether the end was clean, and what came.
    pub fn rest(&mut self) -> (bool, Vec<u8>) {
        let clean = loop {
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => break true,
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(error) => {
                    assert!(
                        error.kind() == std::io::ErrorKind::ConnectionReset,
                        "{error}: {:?}",
                        String::from_utf8_lossy(&self.buffer)
                    );
                    break false;
                }
            }
        };
        (clean, std::mem::take(&mut self.buffer))
    }

    /// Whether the proxy sent something before it closed.
    #[track_caller]
    fn more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
            Err(error) => panic!("{error}: {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }
}

impl Response {
    /// The value of a header that is there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// The value of a header that is there at most once.
#[track_caller]
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut found = head.split("\r\n").filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    });
    let first = found.next();
    assert!(found.next().is_none(), "{name} twice in {head}");
    first
}
