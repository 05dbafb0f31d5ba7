//! Puts a content coding on.

use super::Coding;
use brotli::CompressorWriter;
use flate2::{Compress, Compression, FlushCompress};
use std::io::{self, Write};
use zstd::stream::raw::{CParameter, InBuffer, Operation, OutBuffer};

/// A library failed to encode, which none does but for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body cannot be encoded")]
pub(in crate::proxy) struct Unencodable;

/// Puts a coding on one body.
pub(in crate::proxy) enum Encoder {
    /// `gzip`
    Gzip(Compress),
    /// `br`
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    /// `zstd`
    Zstd(zstd::stream::raw::Encoder<'static>),
}

/// What is asked of an encoder with some input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Push {
    /// It may keep bytes for later.
    Some,
    /// Everything so far must be readable.
    Flush,
    /// The body is over.
    Finish,
}

impl Encoder {
    /// An encoder for a body that gets this coding; none for `deflate`, which no client needs.
    pub(in crate::proxy) fn new(coding: Coding) -> Result<Option<Encoder>, Unencodable> {
        Ok(Some(match coding {
            Coding::Deflate => return Ok(None),
            Coding::Gzip => Encoder::Gzip(Compress::new_gzip(Compression::new(GZIP_LEVEL), 15)),
            Coding::Brotli => {
                let writer = CompressorWriter::new(Vec::new(), BUFFER, BROTLI_LEVEL, WINDOW_LOG);
                Encoder::Brotli(Box::new(writer))
            }
            Coding::Zstd => Encoder::Zstd(zstd_encoder().map_err(|_| Unencodable)?),
        }))
    }

    /// Encodes `bytes` and appends to `out`. With `flush`, whoever gets it can read all of them.
    pub(in crate::proxy) fn encode(
        &mut self,
        bytes: &[u8],
        flush: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Unencodable> {
        if bytes.is_empty() {
            // A flush of nothing would be bytes, too.
            return Ok(());
        }
        self.push(bytes, if flush { Push::Flush } else { Push::Some }, out)
    }

    /// The body is over.
    pub(in crate::proxy) fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        if let Encoder::Brotli(writer) = self {
            out.extend_from_slice(&writer.into_inner());
            return Ok(());
        }
        self.push(&[], Push::Finish, out)
    }

    fn push(&mut self, bytes: &[u8], push: Push, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        match self {
            Encoder::Gzip(compress) => deflate(compress, bytes, push, out),
            Encoder::Brotli(writer) => brotli(writer, bytes, push, out).map_err(|_| Unencodable),
            Encoder::Zstd(encoder) => zstd(encoder, bytes, push, out).map_err(|_| Unencodable),
        }
    }
}

fn deflate(
    compress: &mut Compress,
    mut bytes: &[u8],
    push: Push,
    out: &mut Vec<u8>,
) -> Result<(), Unencodable> {
    let flush = match push {
        Push::Some => FlushCompress::None,
        Push::Flush => FlushCompress::Sync,
        Push::Finish => FlushCompress::Finish,
    };
    loop {
        out.reserve(BUFFER);
        let before = compress.total_in();
        compress.compress_vec(bytes, out, flush).map_err(|_| Unencodable)?;
        let read = usize::try_from(compress.total_in() - before).map_err(|_| Unencodable)?;
        bytes = &bytes[read..];
        // Room that was left over says that nothing more was to be written.
        if bytes.is_empty() && out.len() < out.capacity() {
            return Ok(());
        }
    }
}

fn brotli(
    writer: &mut CompressorWriter<Vec<u8>>,
    bytes: &[u8],
    push: Push,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    writer.write_all(bytes)?;
    if push == Push::Flush {
        writer.flush()?;
    }
    out.append(writer.get_mut());
    Ok(())
}

fn zstd(
    encoder: &mut zstd::stream::raw::Encoder<'static>,
    bytes: &[u8],
    push: Push,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let mut input = InBuffer::around(bytes);
    let mut buffer = [0; BUFFER];
    loop {
        let mut output = OutBuffer::around(&mut buffer[..]);
        let left = match push {
            _ if input.pos() < bytes.len() => encoder.run(&mut input, &mut output).map(|_| 1),
            Push::Some => Ok(0),
            Push::Flush => encoder.flush(&mut output),
            Push::Finish => encoder.finish(&mut output, false),
        }?;
        out.extend_from_slice(output.as_slice());
        if left == 0 {
            return Ok(());
        }
    }
}

fn zstd_encoder() -> io::Result<zstd::stream::raw::Encoder<'static>> {
    let mut encoder = zstd::stream::raw::Encoder::new(ZSTD_LEVEL)?;
    encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
    Ok(encoder)
}

/// What a library writes at a time.
const BUFFER: usize = 8 * 1024;

/// Bits of the windows of `br` and `zstd`, which the memory of one response follows: 256 KiB.
const WINDOW_LOG: u32 = 18;

// Levels at which a core still writes some hundred megabytes a second, as upstreams use them.
const GZIP_LEVEL: u32 = 3;
const BROTLI_LEVEL: u32 = 3;
const ZSTD_LEVEL: i32 = 1;
