//! What an upstream's body passes through on its way to a client: its coding is taken off, the
//! filter takes out what is hidden, and a coding that the client accepts is put on.

use super::coding::{self, Accepts, Bounds, Coding, Decoder, Encoder, Undecodable, Unencodable};
use crate::decide::media;
use crate::filter::{Fault, Filter};
use bytes::Bytes;
use http::HeaderMap;

/// How a body is to be read, by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    coding: Option<Coding>,
}

/// The filter for one body, and what is around it.
pub(super) struct Sieve {
    filter: Filter,
    /// Boxed, because it is rare and large.
    coded: Option<Box<Coded>>,
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
    /// JSON in UTF-8, with at most one coding; `None` where it is anything else.
    pub(super) fn of(headers: &HeaderMap) -> Option<Reading> {
        let coding = Coding::of(headers).ok()?;
        media::is_json(headers).then_some(Reading { coding })
    }

    /// What the body passes through on its way to a client that accepts these codings; what its
    /// head says of them is put right.
    pub(super) fn sieve(
        self,
        filter: Filter,
        accepts: Accepts,
        bounds: Bounds,
        headers: &mut HeaderMap,
    ) -> Result<Sieve, Unfit> {
        let Some(was) = self.coding else { return Ok(Sieve { filter, coded: None }) };
        let now = accepts.best(was);
        coding::tell(headers, now);
        let encoder = now.map(Encoder::new).transpose()?.flatten();
        Ok(Sieve { filter, coded: Some(Coded::new(Decoder::new(was, bounds)?, encoder)) })
    }

    /// What the body passes through where nobody gets what comes out.
    pub(super) fn beside(self, filter: Filter, bounds: Bounds) -> Result<Sieve, Unfit> {
        let decoder = self.coding.map(|coding| Decoder::new(coding, bounds)).transpose()?;
        Ok(Sieve { filter, coded: decoder.map(|decoder| Coded::new(decoder, None)) })
    }
}

impl Sieve {
    /// Takes a chunk and appends to `out` what passes of it, or of its beginning: see
    /// [`Sieve::has_more`].
    pub(super) fn push(&mut self, chunk: Bytes, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match &mut self.coded {
            None => Ok(self.filter.push(&chunk, out)?),
            Some(coded) => {
                coded.input = chunk;
                coded.step(&mut self.filter, out)
            }
        }
    }

    /// Whether there is more of the last chunk.
    pub(super) fn has_more(&self) -> bool {
        self.coded.as_ref().is_some_and(|coded| coded.has_more())
    }

    /// Goes on with the last chunk.
    pub(super) fn more(&mut self, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match &mut self.coded {
            None => Ok(()),
            Some(coded) => coded.step(&mut self.filter, out),
        }
    }

    /// The body has ended. Without this call, or with an error from it, it is not whole.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match &mut self.coded {
            None => Ok(self.filter.finish(out)?),
            Some(coded) => coded.finish(&mut self.filter, out),
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
        self.filter.removed() + self.filter.dropped()
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
    fn step(&mut self, filter: &mut Filter, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let mut left = &self.input[..];
        let written = self.decoder.decode(&mut left, &mut self.plain)?;
        let read = self.input.len() - left.len();
        bytes::Buf::advance(&mut self.input, read);
        let plain = &self.plain[..written];
        match &mut self.encoder {
            None => filter.push(plain, out)?,
            Some(encoder) => {
                self.shown.clear();
                filter.push(plain, &mut self.shown)?;
                self.any |= !self.shown.is_empty();
                encoder.encode(&self.shown, false, out)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, filter: &mut Filter, out: &mut Vec<u8>) -> Result<(), Unfit> {
        self.decoder.finish()?;
        let Some(mut encoder) = self.encoder.take() else { return Ok(filter.finish(out)?) };
        self.shown.clear();
        filter.finish(&mut self.shown)?;
        encoder.encode(&self.shown, false, out)?;
        Ok(encoder.finish(out)?)
    }
}

/// Decoded bytes that are held at a time.
const PIECE: usize = 64 * 1024;
