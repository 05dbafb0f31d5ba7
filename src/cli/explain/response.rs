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

/// Filters a response as the proxy would on this route. Of records, the kind is told by how they
/// begin.
pub(super) fn filter(mut filter: Filter, response: &[u8], route: &Route) -> Shown {
    let mut text = Vec::with_capacity(response.len());
    if route.response != BodyKind::Events {
        let end = filter.push(response, &mut text).and_then(|()| filter.finish(&mut text));
        let (removed, dropped) = (filter.pointers().to_vec(), filter.dropped());
        return Shown { text, end, removed, dropped };
    }
    let framing = framing(response);
    let mut records = Records::new(filter, framing, route.sentinels.clone(), Limits::default());
    let end = records.push(response, &mut text).and_then(|()| records.finish(&mut text));
    let (removed, dropped) = (records.pointers().to_vec(), records.dropped());
    Shown { text, end, removed, dropped }
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
