//! Public keys in PEM (RFC 7468): `PUBLIC KEY` blocks, each an X.509 SubjectPublicKeyInfo.

use super::jwks::Key;
use rustls::pki_types::pem::{PemObject, SectionKind};

/// Keys of one file: each that fits may be tried for a token.
pub const MAX_PEM_KEYS: usize = 4;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct PemFile {
    pub(super) keys: Vec<Key>,
    pub(super) faults: Vec<PemFault>,
}

/// Why a file cannot be used. Shown to the user after the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PemFault {
    #[error("holds a private key, which has no business here")]
    Private,
    #[error("holds a certificate, whose time nobody checks here")]
    Certificate,
    #[error("holds something else than public keys")]
    Other,
    #[error("has a key that is neither RSA of 2048 to 8192 bits, P-256, P-384, P-521 nor Ed25519")]
    Key,
    #[error("is not PEM, or is cut off")]
    Syntax,
}

impl PemFault {
    /// What to do about it.
    pub(super) fn help(self) -> &'static str {
        match self {
            PemFault::Private => "take the public half: `openssl pkey -in KEY -pubout`",
            PemFault::Certificate => "take its key: `openssl x509 -in CERT -pubkey -noout`",
            PemFault::Other => "keep `PUBLIC KEY` blocks and nothing else",
            PemFault::Key => "have the issuer sign with a key of these kinds",
            PemFault::Syntax => "write it again: `openssl pkey -pubin -in KEY -pubout`",
        }
    }
}

/// Reads every block of a file.
pub(super) fn keys(text: &[u8]) -> PemFile {
    let mut file = PemFile::default();
    for block in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
        let read = block.map_err(|_| PemFault::Syntax).and_then(|(kind, der)| key(kind, &der));
        match read {
            Ok(key) => file.keys.push(key),
            Err(fault) => {
                file.faults.push(fault);
                if fault == PemFault::Syntax {
                    break;
                }
            }
        }
    }
    file
}

fn key(kind: SectionKind, der: &[u8]) -> Result<Key, PemFault> {
    match kind {
        SectionKind::PublicKey => Key::from_public_key_info(der).ok_or(PemFault::Key),
        SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
            Err(PemFault::Private)
        }
        SectionKind::Certificate => Err(PemFault::Certificate),
        _ => Err(PemFault::Other),
    }
}
