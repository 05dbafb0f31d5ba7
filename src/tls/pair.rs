//! A certificate that we show, and the key that proves that it is ours.

use super::fault::FileFault;
use super::{pem, provider};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::sync::Arc;
use webpki::EndEntityCert;

/// A chain with its private key, checked to fit each other.
#[derive(Clone, Debug)]
pub struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    /// The DNS names of the certificate, as it spells them.
    names: Vec<Box<str>>,
    /// Seconds since 1970.
    pub expires: u64,
}

impl Pair {
    /// Reads both files: the chain, our own certificate first, and its key. `now` is in seconds
    /// since 1970.
    pub fn read(chain: &[u8], key: &[u8], now: u64) -> Result<Pair, PairFault> {
        let chain = pem::certificates(chain).map_err(PairFault::Cert)?;
        let key = pem::key(key).map_err(PairFault::Key)?;
        let leaf = pem::x509(&chain[0], 1).map_err(PairFault::Cert)?;
        let period = pem::period(&leaf.validity);
        if *period.start() > now {
            return Err(PairFault::Cert(FileFault::NotYet));
        }
        if *period.end() < now {
            return Err(PairFault::Cert(FileFault::Expired));
        }
        let names = EndEntityCert::try_from(&chain[0])
            .map_err(|_| PairFault::Cert(FileFault::NotX509(1)))?
            .valid_dns_names()
            .map(Box::from)
            .collect();
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                PairFault::Key(FileFault::Mismatch)
            }
            _ => PairFault::Key(FileFault::KeyKind),
        })?;
        Ok(Pair { key: Arc::new(key), names, expires: *period.end() })
    }

    /// How well the certificate fits a name: by the name itself, by a one-label `*.`, or not.
    pub(super) fn fits(&self, name: &str) -> Option<Fit> {
        let exact = self.names.iter().any(|own| own.eq_ignore_ascii_case(name));
        let parent = name.split_once('.').map(|(_, parent)| parent);
        let under = |own: &str| match (own.strip_prefix("*."), parent) {
            (Some(own), Some(parent)) => own.eq_ignore_ascii_case(parent),
            _ => false,
        };
        match exact {
            true => Some(Fit::Exact),
            false => self.names.iter().any(|own| under(own)).then_some(Fit::Wildcard),
        }
    }
}

/// Which of the two files is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairFault {
    /// The certificates.
    Cert(FileFault),
    /// The key.
    Key(FileFault),
}

/// How a certificate fits a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Exact,
    Wildcard,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::time::SystemTime;

    pub(crate) fn now() -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
    }

    /// A self-signed certificate with these names, changed by `change`, and its key, both in PEM.
    pub(crate) fn made(names: &[&str], change: fn(&mut CertificateParams)) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn read(pair: &(String, String)) -> Result<Pair, PairFault> {
        Pair::read(pair.0.as_bytes(), pair.1.as_bytes(), now())
    }

    #[test]
    fn p06_a_pair_is_never_mixed() {
        let (one, two) = (made(&["a.test"], |_| {}), made(&["a.test"], |_| {}));
        assert!(read(&one).is_ok() && read(&two).is_ok());
        let mixed = read(&(one.0, two.1));
        assert_eq!(mixed.unwrap_err(), PairFault::Key(FileFault::Mismatch));
    }

    #[test]
    fn a_certificate_out_of_its_time_is_not_shown() {
        let old = made(&["a.test"], |params| params.not_after = date_time_ymd(2020, 1, 1));
        assert_eq!(read(&old).unwrap_err(), PairFault::Cert(FileFault::Expired));
        let early = made(&["a.test"], |params| params.not_before = date_time_ymd(2999, 1, 1));
        assert_eq!(read(&early).unwrap_err(), PairFault::Cert(FileFault::NotYet));
        let until = made(&["a.test"], |params| params.not_after = date_time_ymd(2999, 1, 1));
        assert_eq!(read(&until).unwrap().expires, 32_472_144_000);
    }

    #[test]
    fn names_fit_exactly_or_by_one_label() {
        let pair = read(&made(&["a.test", "*.b.test"], |_| {})).unwrap();
        for (name, fit) in [
            ("a.test", Some(Fit::Exact)),
            ("A.Test", Some(Fit::Exact)),
            ("x.b.test", Some(Fit::Wildcard)),
            ("b.test", None),
            ("x.y.b.test", None),
            ("x.a.test", None),
            ("", None),
        ] {
            assert_eq!(pair.fits(name), fit, "{name}");
        }
    }
}
