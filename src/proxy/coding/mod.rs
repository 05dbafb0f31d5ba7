//! Content codings (RFC 9110 section 8.4): taken off what an upstream sends although it was asked
//! for none, and put on again as the client accepts it. Driven chunk by chunk; nothing here waits.

mod accept;
mod decode;
mod encode;

pub(super) use accept::Accepts;
pub(super) use decode::{Bounds, Decoder, Undecodable};
pub(super) use encode::{Encoder, Unencodable};

use http::header::{self, HeaderMap, HeaderValue};

/// The codings that are read. All of them but `deflate` are also written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// `gzip`, or its old name `x-gzip` (RFC 1952). Several members in a row are one body.
    Gzip,
    /// `deflate`: the zlib format (RFC 1950). Bare DEFLATE, which some send under this name, is
    /// not what RFC 9110 section 8.4.1.2 calls so, and is not read.
    Deflate,
    /// `br` (RFC 7932), without the large windows of later drafts.
    Brotli,
    /// `zstd` (RFC 8878), with the windows of RFC 9659. Several frames in a row are one body.
    Zstd,
}

/// A body's coding is none that is read, or there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Coding {
    /// What Content-Encoding says; `None` where nothing is to be taken off.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Coding>, Unreadable> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let name = value.to_str().map_err(|_| Unreadable)?.trim_matches([' ', '\t']);
        if values.next().is_some() {
            return Err(Unreadable);
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match () {
            () if is("identity") => Ok(None),
            () if is("gzip") || is("x-gzip") => Ok(Some(Coding::Gzip)),
            () if is("deflate") => Ok(Some(Coding::Deflate)),
            () if is("br") => Ok(Some(Coding::Brotli)),
            () if is("zstd") => Ok(Some(Coding::Zstd)),
            () => Err(Unreadable),
        }
    }

    /// The name in Content-Encoding.
    fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }
}

/// Says which coding a body has now that had one when it came: another client might get another.
pub(super) fn tell(headers: &mut HeaderMap, now: Option<Coding>) {
    match now {
        Some(coding) => {
            let name = HeaderValue::from_static(coding.name());
            headers.insert(header::CONTENT_ENCODING, name);
        }
        None => drop(headers.remove(header::CONTENT_ENCODING)),
    }
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
}

#[cfg(test)]
mod tests;
