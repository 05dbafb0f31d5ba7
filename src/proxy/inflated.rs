//! Bodies of requests whose coding is taken off before they are checked, where the settings say so.

use super::canonical::Canonical;
use super::coding::{Bounds, Coding, Decoder, Undecodable};
use super::worker::Held;
use crate::decide::{Permit, Reason};
use crate::policy::snapshot::RequestKind;
use crate::settings::Limits;
use bytes::Bytes;

/// The coding to take off a body before it is checked; `None` where there is none, where nothing
/// reads the body, or where a coding is refused.
pub(super) fn coding(
    canonical: &Canonical,
    (permit, live): (&Permit, &Held),
    limits: &Limits,
) -> Option<Coding> {
    let reads = permit.fields().is_some_and(|fields| fields.write.is_some())
        && live.snapshot.route(permit.route()).request != RequestKind::Opaque;
    if !limits.decode_requests || !reads || permit.is_monitored() {
        return None;
    }
    Coding::of(canonical.headers()).ok().flatten()
}

/// A body without its coding, within the limits of what is decoded and of what is read.
pub(super) fn whole(coded: &[u8], coding: Coding, limits: &Limits) -> Result<Bytes, Reason> {
    let bytes = limits.inflate.min(limits.max_body as u64);
    let mut decoder = Decoder::new(coding, Bounds { bytes, ratio: limits.inflate_ratio })?;
    let (mut input, mut out, mut piece) = (coded, Vec::new(), vec![0; PIECE]);
    while !input.is_empty() || decoder.is_pending() {
        let written = decoder.decode(&mut input, &mut piece)?;
        out.extend_from_slice(&piece[..written]);
    }
    decoder.finish()?;
    Ok(out.into())
}

impl From<Undecodable> for Reason {
    fn from(why: Undecodable) -> Reason {
        match why {
            Undecodable::TooLarge | Undecodable::Ratio => Reason::BodyTooLarge,
            _ => Reason::BodyInvalid,
        }
    }
}

/// Bytes that are decoded at a time.
const PIECE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn p10_a_body_is_decoded_within_the_limits() {
        let limits = Limits { max_body: 100_000, inflate_ratio: 100_000, ..Limits::default() };
        for (length, fits) in [(99_999, true), (100_000, true), (100_001, false)] {
            let coded = gzip(&vec![b'x'; length]);
            let decoded = whole(&coded, Coding::Gzip, &limits);
            match fits {
                true => assert_eq!(decoded.unwrap().len(), length),
                false => assert_eq!(decoded, Err(Reason::BodyTooLarge)),
            }
        }
        let tight = Limits { inflate_ratio: 10, ..Limits::default() };
        let bomb = gzip(&vec![b'x'; 100_000]);
        assert_eq!(whole(&bomb, Coding::Gzip, &tight), Err(Reason::BodyTooLarge));
    }

    /// The other bound, with one below it, and each coding.
    #[test]
    fn p10_every_coding_is_taken_off_within_what_is_inflated() {
        let text = [b'x'; 1_000];
        let brotli = {
            let mut coded = Vec::new();
            let parameters = brotli::enc::BrotliEncoderParams::default();
            brotli::BrotliCompress(&mut &text[..], &mut coded, &parameters).unwrap();
            coded
        };
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&text).unwrap();
        for (coding, coded) in [
            (Coding::Gzip, gzip(&text)),
            (Coding::Deflate, zlib.finish().unwrap()),
            (Coding::Brotli, brotli),
            (Coding::Zstd, zstd::bulk::compress(&text, 1).unwrap()),
        ] {
            for (inflate, fits) in [(999, false), (1_000, true), (1_001, true)] {
                let limits = Limits { inflate, ..Limits::default() };
                let decoded = whole(&coded, coding, &limits);
                match fits {
                    true => assert_eq!(decoded.as_deref(), Ok(&text[..]), "{coding:?}"),
                    false => assert_eq!(decoded, Err(Reason::BodyTooLarge), "{coding:?}"),
                }
            }
            let of = |bytes: &[u8]| whole(bytes, coding, &Limits::default());
            assert_eq!(of(&coded[..coded.len() - 1]), Err(Reason::BodyInvalid), "{coding:?}");
            assert_eq!(of(&[&coded[..], b"x"].concat()), Err(Reason::BodyInvalid), "{coding:?}");
        }
    }

    #[test]
    fn p10_a_body_that_is_not_what_its_coding_says_is_invalid() {
        let coded = gzip(b"{}");
        let of = |bytes: &[u8]| whole(bytes, Coding::Gzip, &Limits::default());
        assert_eq!(of(&coded).as_deref(), Ok(&b"{}"[..]));
        for bytes in [&b"{}"[..], &coded[..coded.len() - 1], &[&coded[..], b"x"].concat()] {
            assert_eq!(of(bytes), Err(Reason::BodyInvalid));
        }
    }
}
