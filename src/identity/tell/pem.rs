//! The one private key of a file (RFC 7468).

use rustls::pki_types::pem::{PemObject, SectionKind};

/// The bytes of the only block, which must be `PRIVATE KEY`: PKCS#8, not encrypted.
pub(super) fn private_key(text: &[u8]) -> Option<Vec<u8>> {
    let mut blocks = <(SectionKind, Vec<u8>)>::pem_slice_iter(text);
    match (blocks.next()?.ok()?, blocks.next()) {
        ((SectionKind::PrivateKey, der), None) => Some(der),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_block() {
        let block = |inner: &str| {
            format!("-----BEGIN PRIVATE KEY-----\n{inner}\n-----END PRIVATE KEY-----\n")
        };
        assert_eq!(private_key(block("AQID\nBA==").as_bytes()), Some(vec![1, 2, 3, 4]));
        assert_eq!(private_key(block("AQID\r\nBA==\r").as_bytes()), Some(vec![1, 2, 3, 4]));
        for odd in [
            "".to_owned(),
            "AQID".into(),
            block("AQ*D"),
            format!("{}{}", block("AQID"), block("AQID")),
            block("AQID").replace("PRIVATE", "EC PRIVATE"),
            block("AQID").replace("PRIVATE", "ENCRYPTED PRIVATE"),
        ] {
            assert_eq!(private_key(odd.as_bytes()), None, "{odd}");
        }
        assert_eq!(private_key(b"\xff"), None);
    }
}
