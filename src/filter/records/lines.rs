//! One record on each line.

use super::{Fault, Input, Sink, ends_itself};
use crate::filter::scan::space;

/// The line that is being read.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Its bytes from earlier chunks.
    held: Vec<u8>,
}

impl Lines {
    pub fn push(
        &mut self,
        chunk: Input<'_>,
        sink: &mut Sink,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', chunk.bytes) {
            let began = self.began(chunk.offset(start));
            let part = &chunk.bytes[start..end];
            if self.held.is_empty() {
                sink.fits(part.len(), began)?;
                line(part, began, sink, out)?;
            } else {
                sink.hold(&mut self.held, part, began)?;
                line(&self.held, began, sink, out)?;
                self.held.clear();
            }
            start = end + 1;
        }
        let began = self.began(chunk.offset(start));
        sink.hold(&mut self.held, &chunk.bytes[start..], began)
    }

    /// The last line may lack its end.
    pub fn finish(&mut self, offset: u64, sink: &mut Sink, out: &mut Vec<u8>) -> Result<(), Fault> {
        let (_, text) = trimmed(&self.held);
        if !text.is_empty() && !ends_itself(text) {
            return Err(Fault::Truncated);
        }
        line(&self.held, self.began(offset), sink, out)
    }

    /// The offset at which the line began whose next part stands at this one.
    fn began(&self, next: u64) -> u64 {
        next - self.held.len() as u64
    }
}

fn line(line: &[u8], began: u64, sink: &mut Sink, out: &mut Vec<u8>) -> Result<(), Fault> {
    let (blank, text) = trimmed(line);
    if text.is_empty() {
        return Ok(());
    }
    if sink.pass(text, began + blank as u64, out)? {
        out.push(b'\n');
    }
    Ok(())
}

/// Without JSON's white space around it, and how much of that stands before it.
fn trimmed(line: &[u8]) -> (usize, &[u8]) {
    let blank = space(line, 0);
    let mut text = &line[blank..];
    while let [rest @ .., b' ' | b'\t' | b'\r'] = text {
        text = rest;
    }
    (blank, text)
}
