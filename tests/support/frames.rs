//! HTTP/2 frames as bytes (RFC 9113 section 4), right or wrong, and a client that sends them.

use super::conn::{Conn, wait_readable};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Also ACK, of SETTINGS and PING.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 section 6.5.2).
pub const MAX_CONCURRENT_STREAMS: u16 = 3;

/// `SETTINGS` with these values.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let one = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &values.iter().flat_map(one).collect::<Vec<u8>>())
}

/// The fields of `GET http://a/{path}`, or of `POST`, without a reference to anything said before
/// (RFC 7541 section 6.2.2).
pub fn fields(method: &str, path: &str) -> Vec<u8> {
    let method = if method == "POST" { 0x83 } else { 0x82 };
    let length = u8::try_from(path.len()).expect("a short path");
    [&[method, 0x86, 0x01, 1, b'a', 0x04, length], path.as_bytes()].concat()
}

/// A whole GET on this stream.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields("GET", path))
}

/// The head of a POST on this stream, whose body follows.
pub fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &fields("POST", path))
}

/// The numbers of a client's streams, in order.
pub fn streams() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

/// A connection of a client that has said its preface, and reads only to learn of the end.
#[derive(Debug)]
pub struct FrameClient {
    conn: Conn,
    /// What has come.
    pub seen: Vec<u8>,
}

impl FrameClient {
    /// Connects and says no word.
    #[track_caller]
    pub fn silent(to: SocketAddr) -> FrameClient {
        FrameClient { conn: Conn::tcp(to).expect("connect"), seen: Vec::new() }
    }

    /// Connects and says the preface with its SETTINGS.
    #[track_caller]
    pub fn connect(to: SocketAddr) -> FrameClient {
        let mut client = FrameClient::silent(to);
        client.send(&[PREFACE, &settings(&[])].concat());
        client
    }

    /// Sends these bytes. Says whether the other end has taken them.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.conn.write_all(bytes).is_ok()
    }

    /// Reads what there is, for at most so long. Says whether the connection has ended.
    #[track_caller]
    pub fn ends_within(&mut self, wait: Duration) -> bool {
        let end = std::time::Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            if !wait_readable(&self.conn, Some(left)).expect("wait") {
                return false;
            }
            let mut chunk = [0; 16 * 1024];
            match self.conn.read(&mut chunk) {
                Ok(0) | Err(_) => return true,
                Ok(n) => self.seen.extend_from_slice(&chunk[..n]),
            }
        }
    }

    /// The frames that have come whole: kind, flags, stream, payload.
    pub fn frames(&self) -> Vec<(u8, u8, u32, Vec<u8>)> {
        let (mut found, mut rest) = (Vec::new(), &self.seen[..]);
        while let [a, b, c, kind, flags, s1, s2, s3, s4, payload @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if payload.len() < length {
                break;
            }
            let stream = u32::from_be_bytes([*s1, *s2, *s3, *s4]);
            found.push((*kind, *flags, stream, payload[..length].to_vec()));
            rest = &payload[length..];
        }
        found
    }
}
