use super::*;
use brotli::enc::BrotliEncoderParams;
use flate2::{Compress, Compression, FlushCompress};
use std::io::Write;
use zstd::stream::raw::{CParameter, Operation, OutBuffer};

const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
const WIDE: Bounds = Bounds { bytes: u64::MAX, ratio: u64::MAX };

/// With this coding, by the libraries themselves.
fn coded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Deflate => deflated(Compress::new(Compression::best(), true), bytes),
        _ => {
            let (mut encoder, mut out) = (Encoder::new(coding).unwrap().unwrap(), Vec::new());
            encoder.encode(bytes, false, &mut out).unwrap();
            encoder.finish(&mut out).unwrap();
            out
        }
    }
}

fn deflated(mut compress: Compress, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 1_000);
    compress.compress_vec(bytes, &mut out, FlushCompress::Finish).unwrap();
    out
}

/// Everything that these pieces come to, through an output of `room` bytes.
fn decoded<'a>(
    coding: Coding,
    bounds: Bounds,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    room: usize,
) -> Result<Vec<u8>, Undecodable> {
    let mut decoder = Decoder::new(coding, bounds).unwrap();
    let (mut out, mut all) = (vec![0; room], Vec::new());
    for mut piece in pieces {
        while !piece.is_empty() || decoder.is_pending() {
            let written = decoder.decode(&mut piece, &mut out)?;
            all.extend_from_slice(&out[..written]);
        }
    }
    decoder.finish()?;
    assert_eq!(decoder.given(), all.len() as u64);
    Ok(all)
}

fn whole(coding: Coding, bounds: Bounds, bytes: &[u8]) -> Result<Vec<u8>, Undecodable> {
    decoded(coding, bounds, [bytes], 1_000)
}

/// Text that no coding makes much smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        b' ' + u8::try_from((state >> 33) % 90).unwrap()
    };
    (0..length).map(|_| next()).collect()
}

fn headers(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(header::CONTENT_ENCODING, value);
    }
    headers
}

#[test]
fn p11_one_known_coding_is_read_and_no_other() {
    for (values, known) in [
        (&[][..], None),
        (&["identity"], None),
        (&["gzip"], Some(Coding::Gzip)),
        (&[" X-Gzip "], Some(Coding::Gzip)),
        (&["DEFLATE"], Some(Coding::Deflate)),
        (&["br"], Some(Coding::Brotli)),
        (&["zstd"], Some(Coding::Zstd)),
    ] {
        assert_eq!(Coding::of(&headers(values)), Ok(known), "{values:?}");
    }
    for values in [
        &["compress"][..],
        &[""],
        &["gzip, gzip"],
        &["gzip", "gzip"],
        &["gzip", "identity"],
        &["identity, br"],
        &["gzip;q=1"],
        &["dcb"],
        &["é"],
    ] {
        assert_eq!(Coding::of(&headers(values)), Err(Unreadable), "{values:?}");
    }
}

#[test]
fn p11_every_split_of_every_coding_is_the_same_body() {
    let body = br#"{"id":1,"name":"Ann","tags":["a","a","a","a","a","a","a"],"ssn":"x"}"#;
    for coding in ALL {
        let bytes = coded(coding, body);
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            for room in [1, 7, 1_000] {
                let seen = decoded(coding, WIDE, [left, right], room);
                assert_eq!(seen.as_deref(), Ok(&body[..]), "{coding:?} cut at {at}, {room}");
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decoded(coding, WIDE, single, 3).as_deref(), Ok(&body[..]), "{coding:?}");
    }
}

#[test]
fn p11_what_is_cut_is_no_body() {
    let body = noise(300);
    for coding in ALL {
        let bytes = coded(coding, &body);
        for end in 1..bytes.len() {
            let seen = whole(coding, WIDE, &bytes[..end]);
            assert_eq!(seen, Err(Undecodable::Truncated), "{coding:?} up to {end}");
        }
        assert_eq!(whole(coding, WIDE, b""), Ok(Vec::new()), "an empty body is one");
    }
}

#[test]
fn p11_what_is_damaged_is_never_taken_for_whole() {
    let body = noise(200);
    for coding in ALL {
        let bytes = coded(coding, &body);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x55;
            // Where the coding has no checksum the damage may be in the text.
            if let Ok(seen) = whole(coding, WIDE, &bad) {
                let unchecked = matches!(coding, Coding::Brotli | Coding::Zstd);
                assert!(unchecked || seen == body, "{coding:?} at {at}");
            }
        }
        for junk in [&b"{\"ssn\": 1}"[..], b"\0\0\0\0", b"\xff\xff\xff\xff"] {
            assert!(whole(coding, WIDE, junk).is_err(), "{coding:?}: {junk:?}");
        }
    }
}

#[test]
fn p11_bytes_behind_a_body_are_refused_and_members_and_frames_are_one() {
    let (one, two) = (noise(100), noise(50));
    for coding in ALL {
        let mut bytes = coded(coding, &one);
        for junk in [&b"x"[..], b"\0", b"\r\n", b"{\"ssn\":1}"] {
            let with_junk = [&bytes[..], junk].concat();
            let seen = whole(coding, WIDE, &with_junk);
            let refused = matches!(
                seen,
                Err(Undecodable::Trailing | Undecodable::Broken | Undecodable::Truncated)
            );
            assert!(refused, "{coding:?}: {seen:?}");
        }
        bytes.extend_from_slice(&coded(coding, &two));
        let seen = whole(coding, WIDE, &bytes);
        match coding {
            Coding::Gzip | Coding::Zstd => {
                assert_eq!(seen, Ok([&one[..], &two].concat()), "{coding:?}");
                let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
                assert_eq!(decoded(coding, WIDE, pieces, 9), seen, "{coding:?}");
            }
            _ => assert_eq!(seen, Err(Undecodable::Trailing), "{coding:?}"),
        }
    }
}

#[test]
fn p11_bare_deflate_is_not_the_coding_of_that_name() {
    let bytes = deflated(Compress::new(Compression::fast(), false), &noise(300));
    assert!(whole(Coding::Deflate, WIDE, &bytes).is_err());
}

#[test]
fn p13_a_decoded_body_has_its_size() {
    for coding in ALL {
        for (length, fits) in [(9_999, true), (10_000, true), (10_001, false)] {
            let bytes = coded(coding, &noise(length));
            let bounds = Bounds { bytes: 10_000, ..WIDE };
            let seen = whole(coding, bounds, &bytes);
            assert_eq!(seen.is_ok(), fits, "{coding:?}, {length}");
            assert!(fits || seen == Err(Undecodable::TooLarge));
        }
    }
}

#[test]
fn p13_a_decoded_body_has_its_ratio() {
    let body = vec![b' '; 3_000_000];
    for coding in ALL {
        let bytes = coded(coding, &body);
        let ratio = (body.len() as u64).div_ceil(bytes.len() as u64);
        // The library reads all of it before it has given out most of it.
        let seen = |ratio| decoded(coding, Bounds { ratio, ..WIDE }, [&bytes[..]], 4_000_000);
        assert_eq!(seen(ratio + 1).map(|body| body.len()), Ok(body.len()), "{coding:?}");
        assert_eq!(seen(ratio).map(|body| body.len()), Ok(body.len()), "{coding:?}");
        assert_eq!(seen(ratio - 1), Err(Undecodable::Ratio), "{coding:?}");
    }
}

#[test]
fn p13_a_small_body_may_repeat_itself() {
    let free = usize::try_from(decode::FREE).unwrap();
    for (length, fine) in [(free - 1, true), (free, true), (free + 1, false)] {
        let bytes = coded(Coding::Gzip, &vec![b' '; length]);
        let seen = decoded(Coding::Gzip, Bounds { ratio: 1, ..WIDE }, [&bytes[..]], length);
        assert_eq!(seen.is_ok(), fine, "{length}");
    }
}

#[test]
fn p13_a_bomb_gives_out_no_more_than_its_bounds() {
    for coding in ALL {
        let bytes = coded(coding, &vec![b'x'; 50_000_000]);
        let bounds = Bounds { bytes: 1 << 20, ratio: 100 };
        let mut decoder = Decoder::new(coding, bounds).unwrap();
        let (mut input, mut out, mut given) = (&bytes[..], vec![0; 64 * 1024], 0);
        let end = loop {
            match decoder.decode(&mut input, &mut out) {
                Ok(written) => given += written,
                Err(fault) => break fault,
            }
        };
        assert!(matches!(end, Undecodable::TooLarge | Undecodable::Ratio), "{coding:?}: {end}");
        assert!(given <= 1 << 20, "{coding:?}: {given}");
    }
}

#[test]
fn p13_large_windows_are_refused() {
    let body = noise(1_000);
    for (log, fits) in [(22, true), (23, true), (24, false)] {
        let mut encoder = zstd::stream::raw::Encoder::new(1).unwrap();
        encoder.set_parameter(CParameter::WindowLog(log)).unwrap();
        let mut out = vec![0; 4_000];
        let status = encoder.run_on_buffers(&body, &mut out).unwrap();
        let mut rest = OutBuffer::around(&mut out[status.bytes_written..]);
        assert_eq!(encoder.finish(&mut rest, false).unwrap(), 0);
        let length = status.bytes_written + rest.pos();
        let seen = whole(Coding::Zstd, WIDE, &out[..length]);
        assert_eq!(seen.is_ok(), fits, "zstd, {log} bits: {seen:?}");
    }
    for (lgwin, large_window, fits) in [(24, false, true), (25, true, false), (26, true, false)] {
        let params = BrotliEncoderParams {
            quality: 5,
            lgwin,
            large_window,
            ..BrotliEncoderParams::default()
        };
        let mut writer = brotli::CompressorWriter::with_params(Vec::new(), 4_096, &params);
        writer.write_all(&body).unwrap();
        let bytes = writer.into_inner();
        assert_eq!(whole(Coding::Brotli, WIDE, &bytes).is_ok(), fits, "br, {lgwin} bits");
    }
}

#[test]
fn what_is_encoded_decodes_to_itself_in_any_pieces() {
    let body = noise(100_000);
    for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
        for piece in [1_000, 8_192, 100_000] {
            for flush in [false, true] {
                let (mut encoder, mut out) = (Encoder::new(coding).unwrap().unwrap(), Vec::new());
                for piece in body.chunks(piece) {
                    encoder.encode(piece, flush, &mut out).unwrap();
                }
                encoder.finish(&mut out).unwrap();
                assert!(whole(coding, WIDE, &out) == Ok(body.clone()), "{coding:?} {piece}");
            }
        }
        assert!(Encoder::new(Coding::Deflate).unwrap().is_none());
    }
}

#[test]
fn p11_what_is_flushed_can_be_read_at_once() {
    for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
        let mut encoder = Encoder::new(coding).unwrap().unwrap();
        let mut decoder = Decoder::new(coding, WIDE).unwrap();
        for number in 0..100 {
            let (text, mut out) = (format!("{{\"n\":{number}}}\n"), Vec::new());
            encoder.encode(text.as_bytes(), true, &mut out).unwrap();
            let (mut input, mut seen) = (&out[..], [0; 100]);
            let written = decoder.decode(&mut input, &mut seen).unwrap();
            assert_eq!((&seen[..written], input.len()), (text.as_bytes(), 0), "{coding:?}");
            let mut nothing = Vec::new();
            encoder.encode(b"", true, &mut nothing).unwrap();
            assert!(nothing.is_empty(), "{coding:?}");
        }
    }
}

#[test]
fn what_is_told_of_a_coding_follows_what_was_done() {
    let mut told = headers(&["br"]);
    told.insert(header::VARY, HeaderValue::from_static("origin"));
    tell(&mut told, Some(Coding::Gzip));
    assert_eq!(told[header::CONTENT_ENCODING], "gzip");
    tell(&mut told, None);
    assert!(!told.contains_key(header::CONTENT_ENCODING));
    let vary: Vec<_> = told.get_all(header::VARY).iter().collect();
    assert_eq!(vary, ["origin", "accept-encoding", "accept-encoding"]);
}
