//! Ways to single parts of the data plane, for tools that look for bytes that break them (`fuzz/`).
//! The proxy itself uses none of them.

use super::canonical::{Canonical, Wire};
use super::frames::{Flood, Frames};
use super::headers;
use crate::decide::Reason;
use crate::identity::Identity;
use http::header::{HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, header};

/// What goes on of a request's head, before what we say ourselves is added.
#[derive(Debug)]
pub struct Passing {
    pub method: Method,
    pub target: PathAndQuery,
    pub host: HeaderValue,
    /// As they are written; neither Host nor a request id is among them.
    pub fields: HeaderMap,
}

/// What was seen of the frames of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// It was ended for streams that its client has reset.
    pub resets: bool,
    /// It was ended for frames that move nothing.
    pub idle: bool,
    /// A head of a request, or a frame, is not whole.
    pub in_head: bool,
}

/// Reads a head as the proxy does, within limits, and takes out what must not pass.
pub fn passing(
    parts: Parts,
    (max_target, max_headers): (usize, usize),
    identity: &Identity,
) -> Result<Passing, Reason> {
    let wire =
        Wire { ambiguous: false, fragment: false, max_target, max_headers, known_host: None };
    let canonical = Canonical::read(parts, wire)?;
    let (method, target, host, mut fields) = canonical.into_parts();
    headers::clean_request(&mut fields, identity, false)?;
    fields.remove(header::HOST);
    Ok(Passing { method, target, host, fields })
}

/// Counts the frames of a connection whose bytes come in these pieces, at one moment.
pub fn frames(pieces: &[&[u8]], resets: u32, idle: u32) -> Counted {
    let mut frames = Frames::new(resets, idle, 0);
    let flood = pieces.iter().find_map(|piece| frames.see(piece, 0).err());
    Counted {
        resets: flood == Some(Flood::Resets),
        idle: flood == Some(Flood::Frames),
        in_head: flood.is_none() && frames.in_head(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn what_passes_is_what_would_go_on() {
        let head = |uri: &str| {
            let request = Request::builder().uri(uri).header("host", "a.test");
            let request = request.header("x-forwarded-for", "192.0.2.7").header("accept", "*/*");
            request.body(()).unwrap().into_parts().0
        };
        let identity = Identity::default();
        let passing = |uri: &str| passing(head(uri), (8192, 100), &identity);
        let passed = passing("/a?b").unwrap();
        assert_eq!((passed.target.as_str(), passed.host.as_bytes()), ("/a?b", &b"a.test"[..]));
        let names: Vec<_> = passed.fields.keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["accept"]);
        assert_eq!(passing("/a/../b").unwrap_err(), Reason::BadPath);
    }

    #[test]
    fn pieces_make_no_difference() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let bytes = [&preface[..], &settings, &ping.repeat(20)].concat();
        let whole = frames(&[&bytes], 5, 10);
        assert!(whole.idle && !whole.resets);
        assert_eq!(frames(&bytes.chunks(1).collect::<Vec<_>>(), 5, 10), whole);
        assert!(!frames(&[&bytes], 5, 100).idle);
    }
}
