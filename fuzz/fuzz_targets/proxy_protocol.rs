//! A PROXY header is refused, or names a source: what is accepted is rebuilt from what it said, and no
//! header says two things when a byte behind it is missing or one more is there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::proxy::proxy_protocol::{Announced, FIXED, MAX_LENGTH, SIGNATURE, length, read};
use std::net::IpAddr;

fuzz_target!(|bytes: &[u8]| {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else { return };
    let Ok(told) = length(fixed) else {
        assert!(read(fixed, rest).is_err());
        return;
    };
    assert!(told <= MAX_LENGTH && fixed.starts_with(&SIGNATURE));
    if rest.len() != told {
        assert!(read(fixed, rest).is_err(), "another length");
    }
    let Some(rest) = rest.get(..told) else { return };
    match read(fixed, rest) {
        Err(_) => {}
        Ok(Announced::Itself) => assert_eq!(fixed[12], 0x20),
        Ok(Announced::Client(address)) => {
            assert_eq!(fixed[12], 0x21);
            check_source(fixed[13], rest, address);
            check_values(fixed[13], rest);
        }
    }
});

/// The address is the first one of the header.
fn check_source(family: u8, rest: &[u8], address: IpAddr) {
    let source: IpAddr = match family {
        0x11 => <[u8; 4]>::try_from(&rest[..4]).expect("four bytes").into(),
        0x21 => <[u8; 16]>::try_from(&rest[..16]).expect("sixteen bytes").into(),
        family => panic!("the family {family:#x} is accepted"),
    };
    assert_eq!(address, source.to_canonical());
}

/// Values fill the rest exactly, and there is one checksum at most.
fn check_values(family: u8, rest: &[u8]) {
    let mut values = &rest[if family == 0x11 { 12 } else { 36 }..];
    let mut checksums = 0;
    while let [kind, high, low, more @ ..] = values {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        checksums += usize::from(*kind == 3);
        values = &more[length..];
    }
    assert!(values.is_empty() && checksums <= 1);
}
