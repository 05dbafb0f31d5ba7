//! An upstream's response from a file, through the filter.

use crate::filter::records::{Framing, Records};
use crate::filter::{Fault, Filter, Limits};
use crate::policy::snapshot::{BodyKind, Route};

/// What comes of a response.
pub(super) struct Shown {
    /// What passed, up to a fault.
    pub(super) text: Vec<u8>,
    /// Whether that is all of it.
    pub(super) end: Result<(), Fault>,
    /// Pointers to what was removed, of records inside of each.
    pub(super) removed: Vec<String>,
    /// Rows that went.
    pub(super) dropped: u64,
}

/// A response on its way, as the proxy would show it on a route.
pub(in crate::cli) enum Reader {
    Document(Box<Filter>),
    Records(Box<Records>),
}

impl Reader {
    /// For a response that begins so. Of records, the kind is told by how they begin.
    pub(in crate::cli) fn of(filter: Filter, beginning: &[u8], route: &Route) -> Reader {
        if route.response != BodyKind::Events {
            return Reader::Document(Box::new(filter));
        }
        let (framing, sentinels) = (framing(beginning), route.sentinels.clone());
        Reader::Records(Box::new(Records::new(filter, framing, sentinels, Limits::default())))
    }

    /// Takes a piece and gives out what passes of it.
    pub(in crate::cli) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Reader::Document(filter) => filter.push(piece, out),
            Reader::Records(records) => records.push(piece, out),
        }
    }

    /// The response has ended.
    pub(in crate::cli) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Reader::Document(filter) => filter.finish(out),
            Reader::Records(records) => records.finish(out),
        }
    }
}

/// Filters a whole response as the proxy would on this route.
pub(super) fn filter(filter: Filter, response: &[u8], route: &Route) -> Shown {
    let mut text = Vec::with_capacity(response.len());
    let mut reader = Reader::of(filter, response, route);
    let end = reader.push(response, &mut text).and_then(|()| reader.finish(&mut text));
    let (removed, dropped) = match &reader {
        Reader::Document(filter) => (filter.pointers(), filter.dropped()),
        Reader::Records(records) => (records.pointers(), records.dropped()),
    };
    Shown { text, end, removed: removed.to_vec(), dropped }
}

/// No field of an event begins as JSON does, and every line of NDJSON is JSON.
fn framing(response: &[u8]) -> Framing {
    match response.trim_ascii_start().first() {
        Some(0x1e) => Framing::Sequence,
        Some(b'{' | b'[' | b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9') | None => {
            Framing::Values
        }
        Some(_) => Framing::Events,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_records_is_told_by_how_they_begin() {
        for (text, kind) in [
            ("", Framing::Values),
            ("{}\n{}\n", Framing::Values),
            (" null", Framing::Values),
            ("\x1e{}\n", Framing::Sequence),
            ("data: {}\n\n", Framing::Events),
            ("event: a\ndata: {}\n\n", Framing::Events),
            (":\n\n", Framing::Events),
            ("\u{feff}data: {}\n\n", Framing::Events),
        ] {
            assert_eq!(framing(text.as_bytes()), kind, "{text:?}");
        }
    }
}
