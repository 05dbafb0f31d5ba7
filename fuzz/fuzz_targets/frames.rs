//! The frames of an HTTP/2 connection are counted the same however they are cut, and as a reader counts
//! them that has all before its eyes: no client is ended for fewer resets than it may make.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::proxy::probe::frames;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const RST_STREAM: u8 = 3;

fuzz_target!(|input: &[u8]| {
    // Limits, so small that they are met, where to cut, and what comes behind the preface.
    let [resets, idle, cut, rest @ ..] = input else { return };
    let (resets, idle) = (u32::from(resets % 16) + 1, u32::from(idle % 32) + 1);
    let bytes = [PREFACE, rest].concat();
    let whole = frames(&[&bytes], resets, idle);
    let cut = usize::from(*cut).min(bytes.len());
    assert_eq!(frames(&[&bytes[..cut], &bytes[cut..]], resets, idle), whole);
    assert_eq!(frames(&bytes.chunks(1).collect::<Vec<_>>(), resets, idle), whole);
    let (all, reset) = count(rest);
    if whole.resets {
        assert!(reset > resets as usize, "{reset} of {resets}");
    }
    if whole.idle {
        assert!(all > idle as usize, "{all} of {idle}");
    }
    // Who may do more is not ended sooner.
    let laxer = frames(&[&bytes], resets + 1, idle + 1);
    assert!(whole.resets || whole.idle || !(laxer.resets || laxer.idle));
});

/// Frames whose heads are whole, and those of them that reset a stream.
fn count(mut bytes: &[u8]) -> (usize, usize) {
    let (mut all, mut resets) = (0, 0);
    while let [a, b, c, kind, _, _, _, _, _, payload @ ..] = bytes {
        all += 1;
        resets += usize::from(*kind == RST_STREAM);
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        bytes = payload.get(length..).unwrap_or_default();
    }
    (all, resets)
}
