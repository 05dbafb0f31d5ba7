//! Certificates and keys in PEM (RFC 7468).

use super::fault::FileFault;
use rustls_pki_types::pem::{Error, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::{Validity, X509Certificate};
use x509_parser::prelude::FromDer;

/// Certificates of one file. A system's list of authorities has some 150.
pub const MAX_CERTIFICATES: usize = 512;

/// Every certificate of a file, in order; at least one.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        found.push(certificate.map_err(|_| FileFault::NotPem)?);
        if found.len() > MAX_CERTIFICATES {
            return Err(FileFault::TooMany);
        }
    }
    if found.is_empty() { Err(FileFault::NoCertificate) } else { Ok(found) }
}

/// The one private key of a file: PKCS #8, PKCS #1 or SEC 1, not encrypted.
pub fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, FileFault> {
    let mut keys = PrivateKeyDer::pem_slice_iter(pem);
    let first = match keys.next() {
        None | Some(Err(Error::NoItemsFound)) => return Err(FileFault::NoKey),
        Some(first) => first.map_err(|_| FileFault::NotPem)?,
    };
    if keys.next().is_some() { Err(FileFault::TwoKeys) } else { Ok(first) }
}

/// A certificate as X.509, the `at`th of its file, counted from 1.
pub(super) fn x509(der: &[u8], at: usize) -> Result<X509Certificate<'_>, FileFault> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(FileFault::NotX509(at)),
    }
}

/// The seconds since 1970 in which a certificate is valid, both ends included.
pub(super) fn period(validity: &Validity) -> std::ops::RangeInclusive<u64> {
    let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
    seconds(validity.not_before.timestamp())..=seconds(validity.not_after.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn what_is_no_pem_is_told() {
        let (certificate, private) = one();
        assert_eq!(certificates(certificate.as_bytes()).unwrap().len(), 1);
        assert_eq!(certificates(b""), Err(FileFault::NoCertificate));
        assert_eq!(certificates(private.as_bytes()), Err(FileFault::NoCertificate));
        assert_eq!(key(certificate.as_bytes()).unwrap_err(), FileFault::NoKey);
        assert_eq!(key((private.clone() + &private).as_bytes()).unwrap_err(), FileFault::TwoKeys);
        key((certificate.clone() + &private).as_bytes()).unwrap();
        let broken = certificate.replacen("MI", "M*", 1);
        assert_eq!(certificates(broken.as_bytes()), Err(FileFault::NotPem));
        let cut = &certificate[..certificate.len() / 2];
        assert_eq!(certificates(cut.as_bytes()), Err(FileFault::NotPem));
    }

    #[test]
    fn a_file_has_so_many_certificates_and_no_more() {
        let certificate = one().0;
        for (count, fits) in
            [(MAX_CERTIFICATES - 1, true), (MAX_CERTIFICATES, true), (MAX_CERTIFICATES + 1, false)]
        {
            let found = certificates(certificate.repeat(count).as_bytes());
            assert_eq!(found.map(|found| found.len()).ok(), fits.then_some(count));
        }
    }
}
