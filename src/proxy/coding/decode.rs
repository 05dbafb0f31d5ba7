//! Takes a content coding off, within bounds.

use super::Coding;
use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Operation};

/// What the decoded body may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Bounds {
    /// Bytes of a decoded body (`limits.inflate`).
    pub(in crate::proxy) bytes: u64,
    /// Decoded bytes for each byte that came (`limits.inflate_ratio`); it is not asked of the
    /// first [`FREE`] bytes.
    pub(in crate::proxy) ratio: u64,
}

/// Why a body could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::proxy) enum Undecodable {
    /// Not what its coding says, or with a window larger than any that must be read.
    #[error("the body is not what its coding says")]
    Broken,
    /// It ends inside of what its coding began.
    #[error("the encoded body is cut")]
    Truncated,
    /// Something else follows it.
    #[error("bytes after the encoded body")]
    Trailing,
    /// More than [`Bounds::bytes`].
    #[error("the decoded body is too large")]
    TooLarge,
    /// More than [`Bounds::ratio`] allows.
    #[error("the body is a decompression bomb")]
    Ratio,
}

/// Takes one body's coding off.
pub(in crate::proxy) struct Decoder {
    engine: Engine,
    bounds: Bounds,
    at: At,
    /// Bytes that came.
    taken: u64,
    /// Bytes that they came to.
    given: u64,
    /// The last call filled its output: there may be more without input.
    filled: bool,
}

enum Engine {
    Gzip(Decompress),
    Zlib(Decompress),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(zstd::stream::raw::Decoder<'static>),
}

/// Where in the coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before its first byte.
    Start,
    Inside,
    /// Behind a whole stream, member or frame.
    End,
}

/// What one call of a library did.
struct Turn {
    read: usize,
    written: usize,
    ended: bool,
}

impl Decoder {
    /// A decoder for a body with this coding.
    pub(in crate::proxy) fn new(coding: Coding, bounds: Bounds) -> Result<Decoder, Undecodable> {
        let engine = match coding {
            Coding::Gzip => Engine::Gzip(Decompress::new_gzip(DEFLATE_WINDOW)),
            Coding::Deflate => Engine::Zlib(Decompress::new(true)),
            Coding::Brotli => {
                let alloc = StandardAlloc::default;
                Engine::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
            }
            Coding::Zstd => Engine::Zstd(zstd_decoder()?),
        };
        Ok(Decoder { engine, bounds, at: At::Start, taken: 0, given: 0, filled: false })
    }

    /// Bytes that the body has come to so far.
    pub(in crate::proxy) fn given(&self) -> u64 {
        self.given
    }

    /// Whether there may be more without further input.
    pub(in crate::proxy) fn is_pending(&self) -> bool {
        self.filled
    }

    /// Decodes from the front of `input` until it is used up or `out` is full; the answer is how
    /// much of `out` has been written. Nothing of what is beyond the bounds is given out.
    pub(in crate::proxy) fn decode(
        &mut self,
        input: &mut &[u8],
        out: &mut [u8],
    ) -> Result<usize, Undecodable> {
        let mut written = 0;
        while written < out.len() && (!input.is_empty() || self.filled) {
            if self.at == At::End {
                self.next_part()?;
            }
            let turn = self.engine.turn(input, &mut out[written..])?;
            if turn.read == 0 && turn.written == 0 && !turn.ended {
                match input.is_empty() {
                    true => break,
                    false => return Err(Undecodable::Broken),
                }
            }
            *input = &input[turn.read..];
            written += turn.written;
            self.at = if turn.ended { At::End } else { At::Inside };
            self.count(&turn)?;
            self.filled = written == out.len() && !turn.ended;
        }
        self.filled &= written == out.len();
        Ok(written)
    }

    /// The input has ended. A body without any byte is empty, whatever its coding.
    pub(in crate::proxy) fn finish(&self) -> Result<(), Undecodable> {
        match self.at {
            At::Inside => Err(Undecodable::Truncated),
            At::Start | At::End => Ok(()),
        }
    }

    fn count(&mut self, turn: &Turn) -> Result<(), Undecodable> {
        self.taken += turn.read as u64;
        self.given += turn.written as u64;
        match () {
            () if self.given > self.bounds.bytes => Err(Undecodable::TooLarge),
            () if self.given <= FREE => Ok(()),
            () if self.given > self.bounds.ratio.saturating_mul(self.taken) => {
                Err(Undecodable::Ratio)
            }
            () => Ok(()),
        }
    }

    /// Something follows a whole stream: another part, where the coding has parts.
    fn next_part(&mut self) -> Result<(), Undecodable> {
        match &mut self.engine {
            Engine::Gzip(gzip) => gzip.reset(true),
            Engine::Zstd(_) => {}
            Engine::Zlib(_) | Engine::Brotli(_) => return Err(Undecodable::Trailing),
        }
        Ok(())
    }
}

impl Engine {
    fn turn(&mut self, input: &[u8], out: &mut [u8]) -> Result<Turn, Undecodable> {
        match self {
            Engine::Gzip(inflate) | Engine::Zlib(inflate) => inflated(inflate, input, out),
            Engine::Brotli(state) => unbrotlied(state, input, out),
            Engine::Zstd(decoder) => {
                let status = decoder.run_on_buffers(input, out).map_err(|_| Undecodable::Broken)?;
                let (read, written) = (status.bytes_read, status.bytes_written);
                Ok(Turn { read, written, ended: status.remaining == 0 && read + written > 0 })
            }
        }
    }
}

fn inflated(inflate: &mut Decompress, input: &[u8], out: &mut [u8]) -> Result<Turn, Undecodable> {
    let (read, written) = (inflate.total_in(), inflate.total_out());
    let status =
        inflate.decompress(input, out, FlushDecompress::None).map_err(|_| Undecodable::Broken)?;
    let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
    Ok(Turn {
        read: count(inflate.total_in(), read),
        written: count(inflate.total_out(), written),
        ended: status == Status::StreamEnd,
    })
}

fn unbrotlied(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    input: &[u8],
    out: &mut [u8],
) -> Result<Turn, Undecodable> {
    let (mut left, mut read, mut room, mut written) = (input.len(), 0, out.len(), 0);
    let result = BrotliDecompressStream(
        &mut left,
        &mut read,
        input,
        &mut room,
        &mut written,
        out,
        &mut 0,
        state,
    );
    match result {
        BrotliResult::ResultFailure => Err(Undecodable::Broken),
        result => Ok(Turn { read, written, ended: matches!(result, BrotliResult::ResultSuccess) }),
    }
}

fn zstd_decoder() -> Result<zstd::stream::raw::Decoder<'static>, Undecodable> {
    let made = zstd::stream::raw::Decoder::new().and_then(|mut decoder| {
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
        Ok(decoder)
    });
    made.map_err(|_| Undecodable::Broken)
}

/// Decoded bytes of which no ratio is asked: a small body that repeats itself is no bomb.
pub(in crate::proxy) const FREE: u64 = 64 * 1024;

/// Bits of the largest window of DEFLATE.
const DEFLATE_WINDOW: u8 = 15;

/// Bits of the largest window that a zstd body may ask for: 8 MiB (RFC 9659 section 3).
const ZSTD_WINDOW_LOG: u32 = 23;
