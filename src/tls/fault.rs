//! What can go wrong with files and with handshakes.

use super::bundle::ChainFault;
use super::pem::MAX_CERTIFICATES;
use rustls::Error;
use std::io;

/// Why a file of certificates or keys cannot be used; shown to the user, beginning in lower case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// No certificate in PEM.
    #[error("it holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    /// No private key in PEM.
    #[error("it holds no private key in PEM (`-----BEGIN PRIVATE KEY-----`)")]
    NoKey,
    /// More than one private key: which is meant would be a guess.
    #[error("it holds more than one private key")]
    TwoKeys,
    /// Text between the lines of PEM that is no base64.
    #[error("it is not well-formed PEM")]
    NotPem,
    /// Too many.
    #[error("it holds more than {MAX_CERTIFICATES} certificates")]
    TooMany,
    /// PEM, but no X.509.
    #[error("certificate {0} in it is not X.509 that can be read")]
    NotX509(usize),
    /// A bundle holds authorities alone.
    #[error("certificate {0} in it is no certificate authority's (basic constraints, CA:TRUE)")]
    NotAnAuthority(usize),
    /// The key is of a kind that TLS does not sign with, or too weak.
    #[error("its private key cannot be used: RSA from 2048 bits, ECDSA or Ed25519, not encrypted")]
    KeyKind,
    /// Certificate and key belong to two pairs.
    #[error("the private key is not that of the certificate")]
    Mismatch,
    /// The certificate's time is over.
    #[error("the certificate has expired")]
    Expired,
    /// The certificate's time has not come.
    #[error("the certificate is not valid yet")]
    NotYet,
}

/// How a handshake with a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// With new keys.
    Full,
    /// By taking up a session (RFC 8446 section 2.2).
    Resumed,
    /// There is no connection.
    Failed(HandshakeFault),
}

/// Why a handshake with a client failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFault {
    /// It took longer than `limits.handshake`.
    Timeout,
    /// The client went away.
    Gone,
    /// The client had to show a certificate and did not.
    NoCertificate,
    /// The client's certificate is not trusted.
    Certificate,
    /// The client refused: mostly, it does not trust our certificate.
    Refused,
    /// No TLS, no common version, cipher or protocol.
    Protocol,
}

impl Handshake {
    /// Every end that there is.
    pub const ALL: [Handshake; 8] = [
        Handshake::Full,
        Handshake::Resumed,
        Handshake::Failed(HandshakeFault::Timeout),
        Handshake::Failed(HandshakeFault::Gone),
        Handshake::Failed(HandshakeFault::NoCertificate),
        Handshake::Failed(HandshakeFault::Certificate),
        Handshake::Failed(HandshakeFault::Refused),
        Handshake::Failed(HandshakeFault::Protocol),
    ];

    /// One word, of a bounded set, for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Handshake::Full => "full",
            Handshake::Resumed => "resumed",
            Handshake::Failed(HandshakeFault::Timeout) => "timeout",
            Handshake::Failed(HandshakeFault::Gone) => "gone",
            Handshake::Failed(HandshakeFault::NoCertificate) => "no_certificate",
            Handshake::Failed(HandshakeFault::Certificate) => "bad_certificate",
            Handshake::Failed(HandshakeFault::Refused) => "refused",
            Handshake::Failed(HandshakeFault::Protocol) => "protocol",
        }
    }
}

impl HandshakeFault {
    /// What an error of the handshake's stream amounts to.
    pub fn of(error: &io::Error) -> HandshakeFault {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match tls {
            None => HandshakeFault::Gone,
            Some(Error::NoCertificatesPresented) => HandshakeFault::NoCertificate,
            Some(Error::InvalidCertificate(_)) => HandshakeFault::Certificate,
            Some(Error::AlertReceived(_)) => HandshakeFault::Refused,
            Some(_) => HandshakeFault::Protocol,
        }
    }
}

impl From<ChainFault> for HandshakeFault {
    fn from(_: ChainFault) -> HandshakeFault {
        HandshakeFault::Certificate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_end_of_a_handshake_has_a_word_of_its_own() {
        let words: HashSet<_> = Handshake::ALL.iter().map(|end| end.as_str()).collect();
        assert_eq!(words.len(), Handshake::ALL.len());
    }

    #[test]
    fn errors_are_told_apart() {
        let of = |error: Error| HandshakeFault::of(&io::Error::other(error));
        assert_eq!(of(Error::NoCertificatesPresented), HandshakeFault::NoCertificate);
        assert_eq!(of(Error::NoApplicationProtocol), HandshakeFault::Protocol);
        let untrusted = Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert_eq!(of(untrusted), HandshakeFault::Certificate);
        let alert = Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        assert_eq!(of(alert), HandshakeFault::Refused);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(HandshakeFault::of(&reset), HandshakeFault::Gone);
    }
}
