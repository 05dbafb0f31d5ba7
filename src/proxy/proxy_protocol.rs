//! The header by which a load balancer says for whom it connects: PROXY protocol, version 2
//! (haproxy.org, `proxy-protocol.txt`, section 2.2). Pure: bytes in, an address or a fault out.
//!
//! Read strictly, since everything that goes by the source goes by it: what is not TCP over IPv4 or
//! IPv6 is refused, every byte that the header announces is accounted for, and a checksum counts
//! where there is one. Version 1, which is text, is not spoken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What every header begins with. No request can: it is neither HTTP/1, HTTP/2 nor TLS.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of a header that are always there: the signature, version and command, family, length.
pub const FIXED: usize = 16;

/// Bytes that may follow them: addresses, and what else the sender tells (certificates, names).
pub const MAX_LENGTH: usize = 16 * 1024;

/// For whom a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// For the sender itself, which looks whether we are there (`LOCAL`).
    Itself,
    /// For the client at this address (`PROXY`).
    Client(IpAddr),
}

/// Why a header is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("there is no PROXY header of version 2")]
    Signature,
    #[error("the version is {0}, and 2 is spoken")]
    Version(u8),
    #[error("the command is {0}, which is neither LOCAL nor PROXY")]
    Command(u8),
    #[error("the family is {0:#04x}, which is neither TCP over IPv4 nor TCP over IPv6")]
    Family(u8),
    #[error("it is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("it ends before its addresses do")]
    Addresses,
    #[error("a value (TLV) runs over its end")]
    Value,
    #[error("it has two checksums, or one of an odd size")]
    OddChecksum,
    #[error("its checksum is another one")]
    Checksum,
}

/// How many bytes follow the fixed ones. What is refused by these alone is not waited for.
pub fn length(fixed: &[u8; FIXED]) -> Result<usize, Malformed> {
    if !fixed.starts_with(&SIGNATURE) {
        return Err(Malformed::Signature);
    }
    if fixed[12] >> 4 != 2 {
        return Err(Malformed::Version(fixed[12] >> 4));
    }
    command(fixed)?;
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    match length {
        0..=MAX_LENGTH => Ok(length),
        _ => Err(Malformed::TooLong),
    }
}

/// For whom the connection is. `rest` is as long as [`length`] says.
pub fn read(fixed: &[u8; FIXED], rest: &[u8]) -> Result<Announced, Malformed> {
    if length(fixed)? != rest.len() {
        return Err(Malformed::Addresses);
    }
    let is_local = command(fixed)? == LOCAL;
    let (source, addresses) = source(fixed[13], rest, is_local)?;
    check_values(fixed, rest, addresses)?;
    match source {
        Some(address) if !is_local => Ok(Announced::Client(address.to_canonical())),
        _ => Ok(Announced::Itself),
    }
}

fn command(fixed: &[u8; FIXED]) -> Result<u8, Malformed> {
    match fixed[12] & 0x0f {
        command @ (LOCAL | PROXY) => Ok(command),
        command => Err(Malformed::Command(command)),
    }
}

/// The source's address, and how long all addresses are. Only who speaks for itself may name none.
fn source(family: u8, rest: &[u8], is_local: bool) -> Result<(Option<IpAddr>, usize), Malformed> {
    let address = match family {
        TCP4 => rest.first_chunk().map(|bytes: &[u8; 4]| IpAddr::V4(Ipv4Addr::from(*bytes))),
        TCP6 => rest.first_chunk().map(|bytes: &[u8; 16]| IpAddr::V6(Ipv6Addr::from(*bytes))),
        UNSPECIFIED if is_local => return Ok((None, 0)),
        family => return Err(Malformed::Family(family)),
    };
    // Source, destination, and a port of each.
    let length = if family == TCP4 { 2 * (4 + 2) } else { 2 * (16 + 2) };
    match address {
        Some(address) if rest.len() >= length => Ok((Some(address), length)),
        _ => Err(Malformed::Addresses),
    }
}

/// Walks the values behind the addresses to the very end, and checks the checksum if there is one.
fn check_values(fixed: &[u8; FIXED], rest: &[u8], begin: usize) -> Result<(), Malformed> {
    let (mut at, mut checksum) = (begin, None);
    while at < rest.len() {
        let head: &[u8; 3] = rest[at..].first_chunk().ok_or(Malformed::Value)?;
        let value = at + head.len();
        let end = value + usize::from(u16::from_be_bytes([head[1], head[2]]));
        let bytes = rest.get(value..end).ok_or(Malformed::Value)?;
        if head[0] == CRC32C {
            let told: [u8; 4] = bytes.try_into().map_err(|_| Malformed::OddChecksum)?;
            if checksum.replace((value, u32::from_be_bytes(told))).is_some() {
                return Err(Malformed::OddChecksum);
            }
        }
        at = end;
    }
    match checksum {
        Some((at, told)) if checksum_of(fixed, rest, at) != told => Err(Malformed::Checksum),
        _ => Ok(()),
    }
}

/// The checksum of the whole header, its own four bytes taken as zeros (section 2.2.3).
fn checksum_of(fixed: &[u8], rest: &[u8], own: usize) -> u32 {
    let zeroed = [fixed, &rest[..own], &[0; 4], &rest[own + 4..]];
    !zeroed.iter().copied().flatten().fold(!0, |sum, byte| {
        let low = sum.to_le_bytes()[0];
        CRC_TABLE[usize::from(low ^ byte)] ^ (sum >> 8)
    })
}

/// Castagnoli's polynomial (RFC 3720 section 12.1), bits reversed, a step for each byte.
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (mut sum, mut bit) = (at as u32, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { 0x82f6_3b78 ^ (sum >> 1) } else { sum >> 1 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
}

const CRC_TABLE: [u32; 256] = crc_table();

/// Commands.
const LOCAL: u8 = 0;
const PROXY: u8 = 1;

/// Families, each with its transport.
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// The kind of the value that is a checksum (`PP2_TYPE_CRC32C`).
const CRC32C: u8 = 0x03;

#[cfg(test)]
mod tests {
    use super::*;

    const V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0x01, 0xbb];

    fn v6() -> Vec<u8> {
        let source: Ipv6Addr = "2001:db8::7".parse().unwrap();
        [&source.octets()[..], &[0; 16], &[0, 1, 0, 2]].concat()
    }

    /// A header: version and command, family, what follows.
    fn header(first: u8, family: u8, rest: &[u8]) -> Result<Announced, Malformed> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        let fixed = [&SIGNATURE[..], &[first, family], &length].concat().try_into().unwrap();
        read(&fixed, rest)
    }

    fn value(kind: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        [&[kind], &length[..], bytes].concat()
    }

    /// The rest of a header over IPv4 with a checksum and something behind it.
    fn checked(change: impl Fn(u32) -> u32) -> Vec<u8> {
        let mut rest = [&V4[..], &value(0x02, b"a.test"), &value(CRC32C, &[0; 4])].concat();
        let at = rest.len() - 4;
        rest.extend(value(0x04, b"padding"));
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        let fixed = [&SIGNATURE[..], &[0x21, TCP4], &length].concat();
        let sum = change(checksum_of(&fixed, &rest, at));
        rest[at..at + 4].copy_from_slice(&sum.to_be_bytes());
        rest
    }

    fn client(text: &str) -> Result<Announced, Malformed> {
        Ok(Announced::Client(text.parse().unwrap()))
    }

    #[test]
    fn p13_the_source_of_either_family_is_told() {
        assert_eq!(header(0x21, TCP4, &V4), client("192.0.2.7"));
        assert_eq!(header(0x21, TCP6, &v6()), client("2001:db8::7"));
        let mapped: Ipv6Addr = "::ffff:192.0.2.7".parse().unwrap();
        let rest = [&mapped.octets()[..], &[0; 20]].concat();
        assert_eq!(header(0x21, TCP6, &rest), client("192.0.2.7"));
    }

    #[test]
    fn p13_who_looks_whether_we_are_there_speaks_for_itself() {
        assert_eq!(header(0x20, UNSPECIFIED, &[]), Ok(Announced::Itself));
        assert_eq!(header(0x20, UNSPECIFIED, &value(0x04, b"x")), Ok(Announced::Itself));
        assert_eq!(header(0x20, TCP4, &V4), Ok(Announced::Itself));
        assert_eq!(header(0x20, UNSPECIFIED, b"x"), Err(Malformed::Value));
        assert_eq!(header(0x20, 0x31, &[0; 216]), Err(Malformed::Family(0x31)));
    }

    #[test]
    fn p13_what_is_no_header_of_ours_is_refused() {
        assert_eq!(header(0x11, TCP4, &V4), Err(Malformed::Version(1)));
        assert_eq!(header(0x22, TCP4, &V4), Err(Malformed::Command(2)));
        // Nobody said, UDP, Unix sockets, and what is not there yet.
        for family in [UNSPECIFIED, 0x10, 0x12, 0x20, 0x22, 0x31, 0x32, 0x41, 0xff] {
            assert_eq!(header(0x21, family, &[0; 216]), Err(Malformed::Family(family)));
        }
        for first in 0..SIGNATURE.len() {
            let mut fixed = [0; FIXED];
            fixed[..12].copy_from_slice(&SIGNATURE);
            fixed[first] ^= 1;
            assert_eq!(length(&fixed), Err(Malformed::Signature));
        }
        assert_eq!(length(b"PROXY TCP4 192.0"), Err(Malformed::Signature));
    }

    #[test]
    fn p13_every_byte_is_accounted_for() {
        for (family, whole) in [(TCP4, V4.to_vec()), (TCP6, v6())] {
            for short in 0..whole.len() {
                let read = header(0x21, family, &whole[..short]);
                assert_eq!(read, Err(Malformed::Addresses), "{family} {short}");
            }
            for more in 1..4 {
                let longer = [&whole[..], &[0, 0, 5][..more]].concat();
                assert_eq!(header(0x21, family, &longer), Err(Malformed::Value), "{more}");
            }
            let empty = [&whole[..], &value(0x04, b""), &value(0x05, b"id")].concat();
            assert!(header(0x21, family, &empty).is_ok());
        }
    }

    #[test]
    fn p13_a_checksum_counts_where_there_is_one() {
        // RFC 3720 appendix B.4: of 32 zeros.
        assert_eq!(checksum_of(&[0; 16], &[0; 16], 0), 0x8a91_36aa);
        assert_eq!(header(0x21, TCP4, &checked(|sum| sum)), client("192.0.2.7"));
        for bit in 0..32 {
            let rest = checked(|sum| sum ^ (1 << bit));
            assert_eq!(header(0x21, TCP4, &rest), Err(Malformed::Checksum));
        }
        let mut forged = checked(|sum| sum);
        forged[0] ^= 1;
        assert_eq!(header(0x21, TCP4, &forged), Err(Malformed::Checksum));
        let twice = [checked(|sum| sum), value(CRC32C, &[0; 4])].concat();
        assert_eq!(header(0x21, TCP4, &twice), Err(Malformed::OddChecksum));
        let odd = [&V4[..], &value(CRC32C, &[0; 3])].concat();
        assert_eq!(header(0x21, TCP4, &odd), Err(Malformed::OddChecksum));
    }

    #[test]
    fn p13_a_header_may_be_so_long_and_no_longer() {
        for (length, fits) in [(MAX_LENGTH - 1, true), (MAX_LENGTH, true), (MAX_LENGTH + 1, false)]
        {
            let padding = value(0x04, &vec![0; length - V4.len() - 3]);
            let read = header(0x21, TCP4, &[&V4[..], &padding].concat());
            assert_eq!(read, if fits { client("192.0.2.7") } else { Err(Malformed::TooLong) });
        }
    }
}
