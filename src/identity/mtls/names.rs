//! The names of a certificate, all of them in its subject alternative names (RFC 5280 section
//! 4.2.1.6).

use crate::tls::ChainFault;
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Which name says who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// The DNS name.
    Dns,
    /// The e-mail address.
    Email,
}

/// What a leaf says of its holder.
#[derive(Debug, Default)]
pub(super) struct Names {
    uris: Vec<String>,
    dns: Vec<String>,
    emails: Vec<String>,
    /// Seconds since 1970.
    pub(super) expires: u64,
}

impl Names {
    /// Reads the names. Two readers must agree about what matters most: one of them verifies.
    pub(super) fn read(leaf: &CertificateDer<'_>) -> Result<Names, ChainFault> {
        let Ok(([], parsed)) = X509Certificate::from_der(leaf) else {
            return Err(ChainFault::Malformed);
        };
        let until = parsed.validity.not_after.timestamp();
        let mut names = Names { expires: u64::try_from(until).unwrap_or(0), ..Names::default() };
        let listed = parsed.subject_alternative_name().map_err(|_| ChainFault::Malformed)?;
        for name in listed.iter().flat_map(|listed| &listed.value.general_names) {
            match name {
                GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
                GeneralName::DNSName(name) => names.dns.push(name.to_ascii_lowercase()),
                GeneralName::RFC822Name(address) => names.emails.push((*address).to_owned()),
                GeneralName::Invalid(..) => return Err(ChainFault::Malformed),
                _ => {}
            }
        }
        let other = EndEntityCert::try_from(leaf).map_err(|_| ChainFault::Malformed)?;
        match other.valid_uri_names().eq(names.uris.iter().map(String::as_str)) {
            true => Ok(names),
            false => Err(ChainFault::Malformed),
        }
    }

    /// The SPIFFE ID, if this is meant to be an X.509-SVID: then it must be the only URI
    /// (X509-SVID section 2).
    pub(super) fn spiffe(&self) -> Result<Option<&str>, ChainFault> {
        let scheme =
            |uri: &String| uri.get(..9).is_some_and(|s| s.eq_ignore_ascii_case("spiffe://"));
        match self.uris.as_slice() {
            uris if !uris.iter().any(scheme) => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(ChainFault::Name),
        }
    }

    /// The only name of a kind. One that stands for many is nobody's.
    pub(super) fn only(&self, kind: NameKind) -> Option<&str> {
        let names = match kind {
            NameKind::Dns => &self.dns,
            NameKind::Email => &self.emails,
        };
        match names.as_slice() {
            [one] if !one.is_empty() && !one.contains('*') => Some(one),
            _ => None,
        }
    }
}
