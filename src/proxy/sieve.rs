//! What an upstream's body passes through on its way to a client: its coding is taken off, the
//! filter takes out what is hidden, and a coding that the client accepts is put on.

use super::coding::{self, Accepts, Bounds, Coding, Decoder, Encoder, Undecodable, Unencodable};
use crate::decide::media;
use crate::filter::records::{Framing, Records};
use crate::filter::{Fault, Filter, Limits};
use crate::policy::snapshot::{BodyKind, Route};
use bytes::Bytes;
use http::HeaderMap;

/// How a body is to be read, by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    coding: Option<Coding>,
    /// `None` where it is one document.
    framing: Option<Framing>,
}

/// The filter for one body, and what is around it.
pub(super) struct Sieve {
    reader: Reader,
    /// Boxed, because it is rare and large.
    coded: Option<Box<Coded>>,
}

/// Takes out what is hidden.
#[expect(clippy::large_enum_variant, reason = "the common one costs no allocation")]
enum Reader {
    /// Of one document.
    Document(Filter),
    /// Of each of many.
    Records(Box<Records>),
}

/// What a body passes through that came with a coding.
struct Coded {
    decoder: Decoder,
    encoder: Option<Encoder>,
    /// What came and has not been read.
    input: Bytes,
    /// Decoded bytes, a piece at a time.
    plain: Vec<u8>,
    /// What passed of them, before it is encoded.
    shown: Vec<u8>,
    /// Something has passed, be it still in the encoder.
    any: bool,
}

/// Why a body cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// It is not what the filter reads.
    #[error(transparent)]
    Filter(#[from] Fault),
    /// Its coding cannot be taken off.
    #[error(transparent)]
    Coding(#[from] Undecodable),
    /// No coding can be put on.
    #[error(transparent)]
    Encoding(#[from] Unencodable),
}

impl Reading {
    /// JSON in UTF-8, or records where the route says so, with at most one coding; `None` where it
    /// is anything else.
    pub(super) fn of(headers: &HeaderMap, kind: BodyKind) -> Option<Reading> {
        let coding = Coding::of(headers).ok()?;
        let framing = match kind {
            BodyKind::Events => Some(media::records(headers)?),
            _ => None,
        };
        let readable = framing.is_some() || media::is_json(headers);
        readable.then_some(Reading { coding, framing })
    }

    /// Whether its parts are to go out as they come. What may be one plain document is none where
    /// its length says that it can be held.
    pub(super) fn streams(self, length: Option<u64>) -> bool {
        match self.framing {
            None => false,
            Some(Framing::Values) => {
                length.is_none_or(|length| length > super::shape::WHOLE as u64)
            }
            Some(_) => true,
        }
    }

    /// What the body passes through on its way to a client that accepts these codings; what its
    /// head says of them is put right.
    pub(super) fn sieve(
        self,
        (filter, limits, route): (Filter, Limits, &Route),
        accepts: Accepts,
        bounds: Bounds,
        headers: &mut HeaderMap,
    ) -> Result<Sieve, Unfit> {
        let reader = self.reader(filter, limits, route);
        let Some(was) = self.coding else { return Ok(Sieve { reader, coded: None }) };
        let now = accepts.best(was);
        coding::tell(headers, now);
        let encoder = now.map(Encoder::new).transpose()?.flatten();
        Ok(Sieve { reader, coded: Some(Coded::new(Decoder::new(was, bounds)?, encoder)) })
    }

    /// What the body passes through where nobody gets what comes out.
    pub(super) fn beside(
        self,
        (filter, limits, route): (Filter, Limits, &Route),
        bounds: Bounds,
    ) -> Result<Sieve, Unfit> {
        let reader = self.reader(filter, limits, route);
        let decoder = self.coding.map(|coding| Decoder::new(coding, bounds)).transpose()?;
        Ok(Sieve { reader, coded: decoder.map(|decoder| Coded::new(decoder, None)) })
    }

    fn reader(self, filter: Filter, limits: Limits, route: &Route) -> Reader {
        match self.framing {
            None => Reader::Document(filter),
            Some(framing) => {
                let records = Records::new(filter, framing, route.sentinels.clone(), limits);
                Reader::Records(Box::new(records))
            }
        }
    }
}

impl Sieve {
    /// Takes a chunk and appends to `out` what passes of it, or of its beginning: see
    /// [`Sieve::has_more`].
    pub(super) fn push(&mut self, chunk: Bytes, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match &mut self.coded {
            None => Ok(self.reader.push(&chunk, out)?),
            Some(coded) => {
                coded.input = chunk;
                coded.step(&mut self.reader, out)
            }
        }
    }

    /// Whether there is more of the last chunk.
    pub(super) fn has_more(&self) -> bool {
        self.reader.has_fault() || self.coded.as_ref().is_some_and(|coded| coded.has_more())
    }

    /// Goes on with the last chunk.
    pub(super) fn more(&mut self, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match &mut self.coded {
            Some(coded) if !self.reader.has_fault() => coded.step(&mut self.reader, out),
            // A fault that records went before.
            _ => Ok(self.reader.push(&[], out)?),
        }
    }

    /// The body has ended. Without this call, or with an error from it, it is not whole.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match &mut self.coded {
            None => Ok(self.reader.finish(out)?),
            Some(coded) => coded.finish(&mut self.reader, out),
        }
    }

    /// Whether something has passed; `passed` is all that was given out.
    pub(super) fn has_shown(&self, passed: &[u8]) -> bool {
        !passed.is_empty() || self.coded.as_ref().is_some_and(|coded| coded.any)
    }

    /// Decoded bytes so far, of a body that came with a coding; 0 of any other.
    pub(super) fn decoded(&self) -> u64 {
        self.coded.as_ref().map_or(0, |coded| coded.decoder.given())
    }

    /// Members, elements and rows that did not pass.
    pub(super) fn removed(&self) -> u64 {
        match &self.reader {
            Reader::Document(filter) => filter.removed() + filter.dropped(),
            Reader::Records(records) => records.removed() + records.dropped(),
        }
    }
}

impl Reader {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Reader::Document(filter) => filter.push(bytes, out),
            Reader::Records(records) => records.push(bytes, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Reader::Document(filter) => filter.finish(out),
            Reader::Records(records) => records.finish(out),
        }
    }

    fn has_fault(&self) -> bool {
        matches!(self, Reader::Records(records) if records.has_fault())
    }

    /// Whether what passed must reach the client at once.
    fn flushes(&self) -> bool {
        matches!(self, Reader::Records(_))
    }
}

impl Coded {
    fn new(decoder: Decoder, encoder: Option<Encoder>) -> Box<Coded> {
        let (input, shown) = (Bytes::new(), Vec::new());
        Box::new(Coded { decoder, encoder, input, plain: vec![0; PIECE], shown, any: false })
    }

    fn has_more(&self) -> bool {
        !self.input.is_empty() || self.decoder.is_pending()
    }

    /// Decodes one piece and filters it.
    fn step(&mut self, reader: &mut Reader, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let mut left = &self.input[..];
        let written = self.decoder.decode(&mut left, &mut self.plain)?;
        let read = self.input.len() - left.len();
        bytes::Buf::advance(&mut self.input, read);
        let plain = &self.plain[..written];
        match &mut self.encoder {
            None => reader.push(plain, out)?,
            Some(encoder) => {
                self.shown.clear();
                reader.push(plain, &mut self.shown)?;
                self.any |= !self.shown.is_empty();
                encoder.encode(&self.shown, reader.flushes(), out)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, reader: &mut Reader, out: &mut Vec<u8>) -> Result<(), Unfit> {
        self.decoder.finish()?;
        let Some(mut encoder) = self.encoder.take() else { return Ok(reader.finish(out)?) };
        self.shown.clear();
        reader.finish(&mut self.shown)?;
        encoder.encode(&self.shown, false, out)?;
        Ok(encoder.finish(out)?)
    }
}

/// Decoded bytes that are held at a time.
const PIECE: usize = 64 * 1024;
