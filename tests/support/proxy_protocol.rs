//! Headers of the PROXY protocol, version 2, as load balancers write them, right or wrong.

use std::net::IpAddr;

/// What each begins with.
pub const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// For a client at this address.
pub fn from(client: &str) -> Vec<u8> {
    with(client, &[])
}

/// The same, with these values behind the addresses.
pub fn with(client: &str, values: &[u8]) -> Vec<u8> {
    match client.parse().expect(client) {
        IpAddr::V4(source) => header(
            0x21,
            0x11,
            &[&source.octets()[..], &[127, 0, 0, 1, 1, 2, 3, 4], values].concat(),
        ),
        IpAddr::V6(source) => {
            header(0x21, 0x21, &[&source.octets()[..], &[0; 16], &[1, 2, 3, 4], values].concat())
        }
    }
}

/// Of a load balancer that looks whether somebody is there.
pub fn local() -> Vec<u8> {
    header(0x20, 0, &[])
}

/// Version and command, family, and what follows.
pub fn header(first: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("16 bits").to_be_bytes();
    [SIGNATURE, &[first, family], &length, rest].concat()
}

/// A value of this kind (TLV), of so many zeros.
pub fn value(kind: u8, zeros: usize) -> Vec<u8> {
    let length = u16::try_from(zeros).expect("16 bits").to_be_bytes();
    [&[kind], &length[..], &vec![0; zeros]].concat()
}
