//! Records in the data of server-sent events (HTML, sections 9.2.5 and 9.2.6).

use super::{Fault, Input, Sink};
use crate::filter::utf8::{self, BOM};
use std::sync::Arc;

/// The event that is being read.
#[derive(Debug)]
pub(super) struct Events {
    sentinels: Arc<[Arc<str>]>,
    /// Bytes of the current line from earlier chunks.
    held: Vec<u8>,
    /// The last line ended with a carriage return: a line feed now is a part of that end.
    after_return: bool,
    /// A line has been read.
    begun: bool,
    event: Event,
    /// What the filter shows of the data.
    shown: Vec<u8>,
}

/// What has come of an event.
#[derive(Debug, Default)]
struct Event {
    /// Where its first field began.
    began: u64,
    /// Bytes of its lines that count.
    size: usize,
    name: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
    retry: Option<Vec<u8>>,
    /// Its lines of data, each with a line feed behind it.
    data: Vec<u8>,
}

impl Events {
    pub fn new(sentinels: Arc<[Arc<str>]>) -> Events {
        Events {
            sentinels,
            held: Vec::new(),
            after_return: false,
            begun: false,
            event: Event::default(),
            shown: Vec::new(),
        }
    }

    pub fn push(
        &mut self,
        chunk: Input<'_>,
        sink: &mut Sink,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let bytes = chunk.bytes;
        let mut start = 0;
        if self.after_return && !bytes.is_empty() {
            self.after_return = false;
            start = usize::from(bytes[0] == b'\n');
        }
        while let Some(length) = memchr::memchr2(b'\n', b'\r', &bytes[start..]) {
            let end = start + length;
            let began = chunk.offset(start) - self.held.len() as u64;
            if self.held.is_empty() {
                sink.fits(length, began)?;
                self.line(&bytes[start..end], began, sink, out)?;
            } else {
                sink.hold(&mut self.held, &bytes[start..end], began)?;
                let held = std::mem::take(&mut self.held);
                self.line(&held, began, sink, out)?;
                self.held = held;
                self.held.clear();
            }
            start = end + 1;
            if bytes[end] == b'\r' {
                match bytes.get(start) {
                    Some(b'\n') => start += 1,
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
        }
        let began = chunk.offset(start) - self.held.len() as u64;
        sink.hold(&mut self.held, &bytes[start..], began)
    }

    /// An event that nothing ends is none, and would be lost: the stream was cut.
    pub fn finish(&self) -> Result<(), Fault> {
        let cut = !self.event.is_empty() || !self.held.is_empty() && !self.held.starts_with(b":");
        if cut { Err(Fault::Truncated) } else { Ok(()) }
    }

    fn line(
        &mut self,
        line: &[u8],
        began: u64,
        sink: &mut Sink,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let first = !std::mem::replace(&mut self.begun, true);
        // Section 9.2.6: one leading byte order mark is no part of the stream.
        let line = line.strip_prefix(BOM).filter(|_| first).unwrap_or(line);
        if line.is_empty() {
            return self.dispatch(sink, out);
        }
        utf8::text(line).map_err(|fault| fault.behind(began))?;
        self.event.field(line, began, sink)
    }

    /// An empty line: the event is whole.
    fn dispatch(&mut self, sink: &mut Sink, out: &mut Vec<u8>) -> Result<(), Fault> {
        // Section 9.2.6: the last of the line feeds is no part of the data.
        match self.event.data.split_last() {
            None => self.event.write(None, out),
            Some((_, data)) if self.sentinels.iter().any(|known| known.as_bytes() == data) => {
                self.event.write(Some(data), out);
            }
            Some((_, data)) => {
                self.shown.clear();
                if sink.pass(data, self.event.began, &mut self.shown)? {
                    self.event.write(Some(&self.shown), out);
                }
            }
        }
        self.event.clear();
        Ok(())
    }
}

impl Event {
    fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Reads one line that is not empty.
    fn field(&mut self, line: &[u8], began: u64, sink: &Sink) -> Result<(), Fault> {
        let (name, value) = match memchr::memchr(b':', line) {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                self.counts(line, began, sink)?;
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => {
                self.counts(line, began, sink)?;
                set(&mut self.name, value);
            }
            // Sections 9.2.6: an id with U+0000 is ignored, and so is a time that is no number.
            b"id" if memchr::memchr(0, value).is_none() => {
                self.counts(line, began, sink)?;
                set(&mut self.id, value);
            }
            b"retry" if is_time(value) => {
                self.counts(line, began, sink)?;
                set(&mut self.retry, value);
            }
            _ => {}
        }
        Ok(())
    }

    fn counts(&mut self, line: &[u8], began: u64, sink: &Sink) -> Result<(), Fault> {
        if self.is_empty() {
            self.began = began;
        }
        self.size += line.len();
        sink.fits(self.size, self.began)
    }

    /// Writes the event with this data. Without data, an id and a time still count.
    fn write(&self, data: Option<&[u8]>, out: &mut Vec<u8>) {
        let name = self.name.as_deref().filter(|name| data.is_some() && !name.is_empty());
        let before = out.len();
        for (field, value) in
            [("event: ", name), ("id: ", self.id.as_deref()), ("retry: ", self.retry.as_deref())]
        {
            if let Some(value) = value {
                write_line(field, value, out);
            }
        }
        for line in data.into_iter().flat_map(|data| data.split(|byte| *byte == b'\n')) {
            write_line("data: ", line, out);
        }
        if out.len() > before {
            out.push(b'\n');
        }
    }

    fn clear(&mut self) {
        self.data.clear();
        self.size = 0;
        (self.name, self.id, self.retry) = (None, None, None);
    }
}

fn write_line(field: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn set(field: &mut Option<Vec<u8>>, value: &[u8]) {
    let text = field.get_or_insert_default();
    text.clear();
    text.extend_from_slice(value);
}

/// A time in milliseconds: digits, as many as 64 bits hold for sure.
fn is_time(value: &[u8]) -> bool {
    (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}
