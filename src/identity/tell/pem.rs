//! The one private key of a file (RFC 7468).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The bytes of the only block, which must be `PRIVATE KEY`: PKCS#8, not encrypted.
pub(super) fn private_key(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let inner = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let folded: String = inner.split_ascii_whitespace().collect();
    STANDARD.decode(folded).ok()
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_block() {
        let block = |inner: &str| format!("{BEGIN}\n{inner}\n{END}\n");
        assert_eq!(private_key(block("AQID\nBA==").as_bytes()), Some(vec![1, 2, 3, 4]));
        assert_eq!(private_key(block("AQID\r\nBA==\r").as_bytes()), Some(vec![1, 2, 3, 4]));
        for odd in [
            "".to_owned(),
            "AQID".into(),
            block("AQ*D"),
            block("AQI"),
            format!("{}{}", block("AQID"), block("AQID")),
            block("AQID").replace("PRIVATE", "EC PRIVATE"),
            block("AQID").replace("PRIVATE", "ENCRYPTED PRIVATE"),
        ] {
            assert_eq!(private_key(odd.as_bytes()), None, "{odd}");
        }
        assert_eq!(private_key(b"\xff"), None);
    }
}
