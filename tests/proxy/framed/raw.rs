//! An upstream of bare frames, for what no server of a library would say.

use crate::support::frames::{
    END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame, settings,
};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What came, and where it listens.
pub(super) struct Raw {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    resets: Arc<Mutex<Vec<(u32, u32)>>>,
    heads: Arc<AtomicUsize>,
}

/// One connection.
pub(super) struct Talk {
    stream: TcpStream,
    resets: Arc<Mutex<Vec<(u32, u32)>>>,
    heads: Arc<AtomicUsize>,
}

impl Raw {
    /// Talks on the nth connection by a script, which ends the connection when it ends.
    pub fn new(script: impl Fn(usize, &mut Talk) + Send + Sync + 'static) -> Raw {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, resets, heads) = (Arc::default(), Arc::default(), Arc::default());
        let raw = Raw { address, connections, resets, heads };
        let (count, script) = (raw.connections.clone(), Arc::new(script));
        let (resets, heads) = (raw.resets.clone(), raw.heads.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(crate::proxy::support::PATIENCE)).unwrap();
                let mut talk = Talk { stream, resets: resets.clone(), heads: heads.clone() };
                let (n, script) = (count.fetch_add(1, Ordering::SeqCst), script.clone());
                std::thread::spawn(move || {
                    let mut preface = [0; PREFACE.len()];
                    if talk.stream.read_exact(&mut preface).is_ok() && preface == PREFACE {
                        talk.say(&settings(&[]));
                        script(n, &mut talk);
                    }
                });
            }
        });
        raw
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Requests that have begun.
    pub fn heads(&self) -> usize {
        self.heads.load(Ordering::SeqCst)
    }

    /// Streams that were given up, and why.
    pub fn resets(&self) -> Vec<(u32, u32)> {
        self.resets.lock().unwrap().clone()
    }
}

impl Talk {
    /// Writes, if the other end takes it.
    pub fn say(&mut self, bytes: &[u8]) {
        let _its_end_is_seen_by_reading = self.stream.write_all(bytes);
    }

    /// The next frame: kind, flags, stream, payload; `None` at the end.
    pub fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let [a, b, c, kind, flags, s1, s2, s3, s4] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([s1, s2, s3, s4]);
        match kind {
            HEADERS => drop(self.heads.fetch_add(1, Ordering::SeqCst)),
            RST_STREAM => {
                let reason = u32::from_be_bytes(payload[..4].try_into().unwrap());
                self.resets.lock().unwrap().push((stream, reason));
            }
            SETTINGS if flags == 0 => self.say(&frame(SETTINGS, 1, 0, &[])),
            _ => {}
        }
        Some((kind, flags, stream, payload))
    }

    /// Reads until a request begins; its stream.
    pub fn head(&mut self) -> Option<u32> {
        loop {
            if let (HEADERS, _, stream, _) = self.next()? {
                return Some(stream);
            }
        }
    }

    /// `200` without a body.
    pub fn fine(&mut self, stream: u32) {
        self.say(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x88]));
    }
}

/// A field without a reference to anything said before (RFC 7541 section 6.2.2).
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}
