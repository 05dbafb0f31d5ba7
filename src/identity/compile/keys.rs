//! Keys that are fetched from a URL, and keys in PEM.

use super::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::identity::MAX_KEY_FILE;
use crate::identity::jwks::KeySet;
use crate::identity::pem::{self, MAX_PEM_KEYS};
use crate::identity::remote::{KeySource, KeyUrl};
use crate::policy::raw::{RawKeyUrl, Text};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::sync::Arc;
use std::time::Duration;

/// How often keys are fetched, where the policy does not say.
const REFRESH: Duration = Duration::from_secs(10 * 60);

/// The least time between two fetches that tokens ask for, likewise.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// How old keys may get, likewise.
const MAX_STALE: Duration = Duration::from_secs(24 * 3_600);

/// From the beginning of a fetch to its end, likewise.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Compiler<'_> {
    pub(super) fn key_url(&mut self, raw: &RawKeyUrl) -> Option<KeySet> {
        let ca = match &raw.ca {
            Some(path) => Some(self.certificates(path)?),
            None => None,
        };
        let url = raw.url.value.parse();
        let settings = KeyUrl {
            url: url.expect("the policy's reader has parsed it"),
            ca,
            refresh: raw.refresh.unwrap_or(REFRESH),
            cool_down: raw.cool_down.unwrap_or(COOL_DOWN),
            max_stale: raw.max_stale.unwrap_or(MAX_STALE),
            max_bytes: raw.max_bytes.unwrap_or(MAX_KEY_FILE),
            timeout: raw.timeout.unwrap_or(TIMEOUT),
        };
        Some(KeySet::Remote(Arc::new(KeySource::new(settings))))
    }

    /// A file with the certificates that vouch for a server.
    pub(super) fn certificates(&mut self, path: &Text) -> Option<Arc<RootCertStore>> {
        let bytes = self.file(path)?;
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&bytes) {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|certificate| store.add(certificate).map_err(|error| error.to_string()));
            if let Err(error) = added {
                let message =
                    format!("`{}` has a certificate that cannot be used: {error}", path.value);
                self.error(
                    path.span,
                    message,
                    "it should hold certificates in PEM and nothing else",
                );
                return None;
            }
        }
        if store.is_empty() {
            let message = format!("`{}` has no certificate", path.value);
            self.error(path.span, message, "`-----BEGIN CERTIFICATE-----` begins one");
            return None;
        }
        Some(Arc::new(store))
    }

    pub(super) fn pem(&mut self, path: &Text) -> Option<KeySet> {
        let bytes = self.file(path)?;
        let read = pem::keys(&bytes);
        for fault in &read.faults {
            let message = format!("`{}` {fault}", path.value);
            self.error(path.span, message, fault.help());
        }
        if read.keys.len() > MAX_PEM_KEYS {
            let message = format!("`{}` has more than {MAX_PEM_KEYS} keys", path.value);
            self.error(path.span, message, "each may be tried for a token: keep those in use");
        }
        if read.keys.is_empty() && read.faults.is_empty() {
            let problem = Diagnostic::error(
                Code::IdentityValid,
                path.span,
                format!("`{}` has no public key", path.value),
            );
            self.report.push(problem.help("`-----BEGIN PUBLIC KEY-----` begins one"));
        }
        Some(KeySet::Unnamed(read.keys))
    }
}
