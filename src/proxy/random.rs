//! Ids for requests and traces: unique, not secret.

use http::HeaderValue;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// A generator of one worker (SplitMix64), seeded by the operating system.
#[derive(Debug)]
pub(super) struct Random {
    state: Cell<u64>,
    other: u64,
}

impl Random {
    /// A generator that no other one resembles.
    pub(super) fn new() -> Random {
        // The keys of std's hasher come from the operating system's generator, and differ each time.
        let seed = |n: u8| RandomState::new().hash_one(n);
        Random { state: Cell::new(seed(0)), other: seed(1) }
    }

    /// A request id: 32 hexadecimal digits.
    pub(super) fn id(&self) -> HeaderValue {
        let mut text = [0; 32];
        write_hex(&mut text[..16], self.next());
        write_hex(&mut text[16..], self.next());
        value(&text)
    }

    /// A trace of our own making: version 00, sampling left to others (W3C Trace Context).
    pub(super) fn traceparent(&self) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut text[3..19], self.next());
        write_hex(&mut text[19..35], self.next());
        // Ids that are all zero are not valid.
        write_hex(&mut text[36..52], self.next() | 1);
        value(&text)
    }

    fn next(&self) -> u64 {
        self.state.set(self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.state.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31) ^ self.other
    }
}

fn write_hex(digits: &mut [u8], number: u64) {
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair.copy_from_slice(&HEX[usize::from(byte)]);
    }
}

/// Every byte as two digits.
const HEX: [[u8; 2]; 256] = {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [b"0123456789abcdef"[byte >> 4], b"0123456789abcdef"[byte & 0xf]];
        byte += 1;
    }
    table
};

fn value(text: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(text).expect("hexadecimal digits and dashes are a valid field value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_well_formed_and_do_not_repeat() {
        let mut seen = HashSet::new();
        for random in [Random::new(), Random::new()] {
            for _ in 0..1000 {
                let id = random.id();
                assert_eq!(id.len(), 32);
                assert!(id.as_bytes().iter().all(u8::is_ascii_hexdigit));
                assert!(seen.insert(id));
            }
        }
    }

    #[test]
    fn hexadecimal_has_all_its_digits() {
        let mut text = [b'x'; 16];
        write_hex(&mut text, 0x0123_4567_89ab_cdef);
        assert_eq!(&text, b"0123456789abcdef");
        write_hex(&mut text, 1);
        assert_eq!(&text, b"0000000000000001");
    }
}
