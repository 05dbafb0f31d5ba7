//! A set of certificate authorities, and what a chain needs to be trusted by it.

use super::fault::FileFault;
use super::{pem, provider};
use rustls::DistinguishedName;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::ops::RangeInclusive;
use std::time::Duration;
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

/// Authorities that are trusted for one purpose.
#[derive(Debug)]
pub struct Bundle {
    authorities: Vec<Authority>,
}

/// RFC 5280 gives trust anchors no time; ours end with their certificates all the same, so that
/// what has run out of it is trusted no more.
#[derive(Debug)]
struct Authority {
    anchor: TrustAnchor<'static>,
    valid: RangeInclusive<u64>,
    subject: DistinguishedName,
}

/// Why a chain is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// No authority of the bundle, valid now, stands at its end.
    #[error("no authority of the bundle has signed it")]
    Untrusted,
    /// A certificate of the chain has expired.
    #[error("it has expired")]
    Expired,
    /// A certificate of the chain is not valid yet.
    #[error("it is not valid yet")]
    NotYet,
    /// It is not for clients (extended key usage), or not for signing (key usage).
    #[error("its key usage does not let a client sign with it")]
    Usage,
    /// The leaf is an authority's own certificate.
    #[error("it is a certificate authority's own")]
    Authority,
    /// Its names make nobody of its holder: none, several, or none that the policy has a use for.
    #[error("its subject alternative names name nobody")]
    Name,
    /// It cannot be read, or breaks rules that every chain must keep.
    #[error("it is malformed, or its chain is")]
    Malformed,
}

impl Bundle {
    /// Reads the authorities of a file.
    pub fn read(pem: &[u8]) -> Result<Bundle, FileFault> {
        let certificates = pem::certificates(pem)?;
        let authorities = certificates.iter().enumerate().map(|(at, der)| authority(der, at + 1));
        Ok(Bundle { authorities: authorities.collect::<Result<_, _>>()? })
    }

    /// Whether a client's chain, leaf first, leads to one of these authorities now, and its leaf is
    /// one that a client may sign with: no authority's own, for client authentication (RFC 5280
    /// section 4.2.1.12, and it must say so), for digital signatures (section 4.2.1.3, likewise).
    pub fn vouches_for(&self, chain: &[CertificateDer<'_>], now: u64) -> Result<(), ChainFault> {
        let (leaf, others) = chain.split_first().ok_or(ChainFault::Malformed)?;
        let parsed = EndEntityCert::try_from(leaf).map_err(|_| ChainFault::Malformed)?;
        let algorithms = provider().signature_verification_algorithms.all;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now));
        let usage = KeyUsage::required(CLIENT_AUTH);
        let anchors = self.anchors(now);
        parsed
            .verify_for_usage(algorithms, &anchors, others, time, usage, None, None)
            .map_err(|error| ChainFault::of(&error))?;
        signs(leaf)
    }

    /// What clients are told of the authorities whose certificates would do.
    pub(super) fn subjects(&self) -> Vec<DistinguishedName> {
        self.authorities.iter().map(|authority| authority.subject.clone()).collect()
    }

    fn anchors(&self, now: u64) -> Vec<TrustAnchor<'static>> {
        let valid = self.authorities.iter().filter(|authority| authority.valid.contains(&now));
        valid.map(|authority| authority.anchor.clone()).collect()
    }
}

impl ChainFault {
    fn of(error: &Error) -> ChainFault {
        match error {
            // The same name with another key is another authority.
            Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => ChainFault::Untrusted,
            Error::CertExpired { .. } => ChainFault::Expired,
            Error::CertNotValidYet { .. } => ChainFault::NotYet,
            Error::RequiredEkuNotFoundContext(_) => ChainFault::Usage,
            Error::CaUsedAsEndEntity => ChainFault::Authority,
            _ => ChainFault::Malformed,
        }
    }
}

fn authority(der: &CertificateDer<'static>, at: usize) -> Result<Authority, FileFault> {
    let parsed = pem::x509(der, at)?;
    if !parsed.is_ca() {
        return Err(FileFault::NotAnAuthority(at));
    }
    let anchor = anchor_from_trusted_cert(der).map_err(|_| FileFault::NotX509(at))?;
    let subject = DistinguishedName::in_sequence(&anchor.subject);
    Ok(Authority { anchor: anchor.to_owned(), valid: pem::period(&parsed.validity), subject })
}

/// webpki reads the key usage of authorities alone.
fn signs(leaf: &CertificateDer<'_>) -> Result<(), ChainFault> {
    let parsed = pem::x509(leaf, 1).map_err(|_| ChainFault::Malformed)?;
    let usage = parsed.key_usage().map_err(|_| ChainFault::Malformed)?.ok_or(ChainFault::Usage)?;
    let authority = usage.value.key_cert_sign() || usage.value.crl_sign();
    match usage.value.digital_signature() && !authority {
        true => Ok(()),
        false => Err(ChainFault::Usage),
    }
}

/// id-kp-clientAuth, 1.3.6.1.5.5.7.3.2.
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
