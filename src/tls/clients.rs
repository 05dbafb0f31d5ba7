//! Which clients a listener lets in.
//!
//! Two say so. The listener's `client_ca` is a gate: what it does not vouch for is refused. The
//! policy's `identity.mtls` says what a certificate makes of its holder; where there is no gate,
//! it is asked in its place, so that a certificate that means nothing to anybody is refused too.
//! It is asked as it is live at that moment: the policy changes without the listener.

use super::bundle::{Bundle, ChainFault};
use super::fault::HandshakeFault;
use super::provider;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::fmt;
use std::sync::Arc;

/// Who knows, besides the listener, whose certificates mean something.
pub trait KnowsPeers: fmt::Debug + Send + Sync {
    /// Whether there are such certificates at all.
    fn asks(&self) -> bool;

    /// Whether this chain, leaf first, makes somebody of its holder. `now` is in seconds since 1970.
    fn knows(&self, chain: &[CertificateDer<'_>], now: u64) -> Result<(), ChainFault>;
}

/// The verifier of a listener.
#[derive(Debug)]
pub struct Clients {
    gate: Option<Bundle>,
    required: bool,
    known: Arc<dyn KnowsPeers>,
    algorithms: WebPkiSupportedAlgorithms,
    hints: Vec<DistinguishedName>,
}

impl Clients {
    /// With a gate or without, a certificate being required or not.
    pub fn new(gate: Option<Bundle>, required: bool, known: Arc<dyn KnowsPeers>) -> Clients {
        let algorithms = provider().signature_verification_algorithms;
        let hints = gate.as_ref().map(Bundle::subjects).unwrap_or_default();
        Clients { gate, required, known, algorithms, hints }
    }

    /// Whether a client that has shown this chain may stay. A session that is taken up again brings
    /// the chain of its first handshake, which rustls does not look at once more: what was trusted
    /// then may not be now.
    pub fn admits(
        &self,
        chain: Option<&[CertificateDer<'_>]>,
        now: u64,
    ) -> Result<(), HandshakeFault> {
        match chain {
            Some(chain) => Ok(self.judge(chain, now)?),
            None if self.required => Err(HandshakeFault::NoCertificate),
            None => Ok(()),
        }
    }

    fn judge(&self, chain: &[CertificateDer<'_>], now: u64) -> Result<(), ChainFault> {
        match &self.gate {
            Some(gate) => gate.vouches_for(chain, now),
            None => self.known.knows(chain, now),
        }
    }
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        self.required || self.gate.is_some() || self.known.asks()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let mut chain = Vec::with_capacity(1 + others.len());
        chain.push(leaf.clone());
        chain.extend(others.iter().cloned());
        match self.judge(&chain, now.as_secs()) {
            Ok(()) => Ok(ClientCertVerified::assertion()),
            Err(fault) => Err(Error::InvalidCertificate(as_alert(fault))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What the client is told by the alert (RFC 8446 section 6.2).
fn as_alert(fault: ChainFault) -> CertificateError {
    match fault {
        ChainFault::Untrusted => CertificateError::UnknownIssuer,
        ChainFault::Expired => CertificateError::Expired,
        ChainFault::NotYet => CertificateError::NotValidYet,
        ChainFault::Usage | ChainFault::Authority => CertificateError::InvalidPurpose,
        ChainFault::Name => CertificateError::NotValidForName,
        ChainFault::Malformed => CertificateError::BadEncoding,
    }
}
