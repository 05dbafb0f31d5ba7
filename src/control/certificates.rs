//! The certificates of listeners: read, checked as a whole, and put in place of the live ones.
//!
//! A pair is never mixed: certificate and key are checked to fit each other, and what was read is
//! compared with what is there afterwards, so that all files of a listener are of one moment. Files
//! that cannot be used change nothing: what is live stays.

use crate::control::load::{MAX_NAMED_FILE, read_bounded};
use crate::control::reload::parent;
use crate::control::store::LiveTls;
use crate::control::watch::Watched;
use crate::settings::{ListenTls, PairFiles};
use crate::tls::pair::PairFault;
use crate::tls::{Bundle, Clients, FileFault, KnowsPeers, ListenerTls, Pair, Resumption};
use aws_lc_rs::digest::{Context, Digest, SHA256};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// How often files that change while they are read are read again.
const MAX_READS: usize = 5;

/// Loads again what listeners were started with.
#[derive(Debug)]
pub struct Certificates {
    listeners: Vec<Listener>,
    /// What was refused last, so that it is refused aloud only once.
    refused: Option<String>,
}

/// One listener's files, and where what they say is live.
#[derive(Debug)]
struct Listener {
    files: ListenTls,
    live: Arc<LiveTls>,
    resumption: Resumption,
    known: Arc<dyn KnowsPeers>,
    /// Of the files that are live.
    digest: Digest,
}

/// Why certificates cannot be used. Says which file, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be read.
    #[error(
        "`{file}` cannot be read: {error}; check the path and its permissions (at most \
         {MAX_NAMED_FILE} bytes are read)",
        file = .0.display(), error = .1
    )]
    Unreadable(PathBuf, io::Error),
    /// It does not hold what it should.
    #[error("`{file}` cannot be used: {fault}; put the right file in its place", file = .0.display(), fault = .1)]
    Unusable(PathBuf, FileFault),
    /// The files change all the time.
    #[error("`{file}` changes while it is read; write files elsewhere and rename them", file = .0.display())]
    Changing(PathBuf),
    /// rustls does not take them.
    #[error("TLS cannot be set up with `{file}`: {error}", file = .0.display(), error = .1)]
    Tls(PathBuf, rustls::Error),
}

/// What one look at the files did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They say what is live.
    Unchanged,
    /// So many listeners show other certificates now, or ask for others.
    Published(usize),
    /// What is live stays, for this reason.
    Refused(String),
    /// Refused before, and still the same.
    StillRefused,
}

impl Certificates {
    /// Loads the files of every listener for the first time; what they say is live at once.
    pub fn start<'f>(
        files: impl IntoIterator<Item = &'f ListenTls>,
        known: &Arc<dyn KnowsPeers>,
    ) -> Result<Certificates, CertificateError> {
        let start = |files: &ListenTls| Listener::start(files.clone(), known.clone());
        let listeners = files.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(Certificates { listeners, refused: None })
    }

    /// What each listener shakes hands with, in the order of the files.
    pub fn live(&self) -> impl Iterator<Item = &Arc<LiveTls>> {
        self.listeners.iter().map(|listener| &listener.live)
    }

    /// When the first of all certificates expires, in seconds since 1970.
    pub fn expires(live: &[Arc<LiveTls>]) -> Option<u64> {
        live.iter().map(|live| live.load().expires).min()
    }

    fn reload(&mut self) -> Result<usize, CertificateError> {
        let changed = self.listeners.iter_mut().map(Listener::reload);
        // Every one is tried: a bad pair of one listener does not keep another one's.
        let (mut published, mut failed) = (0, None);
        for result in changed {
            match result {
                Ok(changed) => published += usize::from(changed),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(published), Err)
    }
}

impl Watched for Certificates {
    type Outcome = Outcome;

    fn folders(&self) -> Vec<PathBuf> {
        let files = self.listeners.iter().flat_map(|listener| paths(&listener.files));
        let mut folders: Vec<_> = files.map(parent).collect();
        folders.sort();
        folders.dedup();
        folders
    }

    fn look(&mut self, asked: bool) -> Outcome {
        match self.reload() {
            Ok(published) => {
                let was_refused = self.refused.take().is_some();
                match published {
                    0 if !was_refused => Outcome::Unchanged,
                    published => Outcome::Published(published),
                }
            }
            Err(error) => {
                let why = error.to_string();
                match !asked && self.refused.as_ref() == Some(&why) {
                    true => Outcome::StillRefused,
                    false => {
                        self.refused = Some(why.clone());
                        Outcome::Refused(why)
                    }
                }
            }
        }
    }
}

impl Listener {
    fn start(files: ListenTls, known: Arc<dyn KnowsPeers>) -> Result<Listener, CertificateError> {
        let resumption =
            Resumption::new().map_err(|error| CertificateError::Tls(first(&files), error))?;
        let (read, tls) = stable(&files, |read| build(&files, read, &known, &resumption))?;
        warn_of_open_keys(&files);
        let (live, digest) = (Arc::new(LiveTls::new(tls)), read.digest());
        Ok(Listener { files, live, resumption, known, digest })
    }

    /// Whether something has changed. What was read a moment ago and is the same is not built.
    fn reload(&mut self) -> Result<bool, CertificateError> {
        let (files, known, resumption) = (&self.files, &self.known, &self.resumption);
        let live = self.digest;
        let (read, tls) = stable(files, |read| match read.digest().as_ref() == live.as_ref() {
            true => Ok(None),
            false => build(files, read, known, resumption).map(Some),
        })?;
        let Some(tls) = tls else { return Ok(false) };
        warn_of_open_keys(files);
        self.live.publish(tls);
        self.digest = read.digest();
        Ok(true)
    }
}

/// The files of a listener as they were at one moment.
#[derive(Debug, PartialEq, Eq)]
struct Read(BTreeMap<PathBuf, Vec<u8>>);

impl Read {
    fn now(files: &ListenTls) -> Result<Read, CertificateError> {
        let mut read = BTreeMap::new();
        for path in paths(files) {
            let bytes = read_bounded(path)
                .map_err(|error| CertificateError::Unreadable(path.to_owned(), error))?;
            read.insert(path.to_owned(), bytes);
        }
        Ok(Read(read))
    }

    fn bytes(&self, path: &Path) -> &[u8] {
        self.0.get(path).map_or(&[], Vec::as_slice)
    }

    fn digest(&self) -> Digest {
        let mut context = Context::new(&SHA256);
        for bytes in self.0.values() {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        }
        context.finish()
    }
}

/// What `make` makes of files that were the same before and after. Where they were not, what went
/// wrong may be a mix of two states, and is no verdict.
fn stable<T>(
    files: &ListenTls,
    make: impl Fn(&Read) -> Result<T, CertificateError>,
) -> Result<(Read, T), CertificateError> {
    let mut read = Read::now(files)?;
    for _ in 0..MAX_READS {
        let made = make(&read);
        let again = Read::now(files)?;
        if again == read {
            return made.map(|made| (read, made));
        }
        read = again;
    }
    Err(CertificateError::Changing(first(files)))
}

fn build(
    files: &ListenTls,
    read: &Read,
    known: &Arc<dyn KnowsPeers>,
    resumption: &Resumption,
) -> Result<ListenerTls, CertificateError> {
    let pairs = files.pairs.iter().map(|pair| self::pair(pair, read));
    let pairs = pairs.collect::<Result<_, _>>()?;
    let gate = files.client_ca.as_ref().map(|path| {
        let bundle = Bundle::read(read.bytes(path));
        bundle.map_err(|fault| CertificateError::Unusable(path.clone(), fault))
    });
    let clients = Clients::new(gate.transpose()?, files.client_required, known.clone());
    ListenerTls::new(pairs, clients, resumption)
        .map_err(|error| CertificateError::Tls(first(files), error))
}

fn pair(files: &PairFiles, read: &Read) -> Result<Pair, CertificateError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Pair::read(read.bytes(&files.cert), read.bytes(&files.key), now).map_err(|fault| match fault {
        PairFault::Cert(fault) => CertificateError::Unusable(files.cert.clone(), fault),
        PairFault::Key(fault) => CertificateError::Unusable(files.key.clone(), fault),
    })
}

fn paths(files: &ListenTls) -> impl Iterator<Item = &Path> {
    let pairs = files.pairs.iter().flat_map(|pair| [&*pair.cert, &*pair.key]);
    pairs.chain(files.client_ca.as_deref())
}

/// The file that an error is about where it is about all of them.
fn first(files: &ListenTls) -> PathBuf {
    files.pairs.first().map(|pair| pair.cert.clone()).unwrap_or_default()
}

/// As ssh does, but without refusing: volumes of orchestrators often cannot say it otherwise.
fn warn_of_open_keys(files: &ListenTls) {
    for PairFiles { key, .. } in &files.pairs {
        let mode = std::fs::metadata(key).map_or(0, |about| about.permissions().mode());
        if mode & OTHERS != 0 {
            tracing::warn!(
                file = %key.display(),
                "every user of this machine may read or change this private key; `chmod o=` it"
            );
        }
    }
}

/// What a file lets users do who are neither its owner nor of its group.
const OTHERS: u32 = 0o007;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::ChainFault;
    use rcgen::{CertificateParams, KeyPair};
    use rustls_pki_types::CertificateDer;
    use std::fs;
    use tempfile::TempDir;

    #[derive(Debug)]
    struct Nobody;

    impl KnowsPeers for Nobody {
        fn asks(&self) -> bool {
            false
        }

        fn knows(&self, _: &[CertificateDer<'_>], _: u64) -> Result<(), ChainFault> {
            Err(ChainFault::Untrusted)
        }
    }

    fn write_pair(folder: &Path) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        fs::write(folder.join("crt"), params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(folder.join("key"), key.serialize_pem()).unwrap();
    }

    fn files(folder: &TempDir) -> ListenTls {
        let pair = PairFiles { cert: folder.path().join("crt"), key: folder.path().join("key") };
        ListenTls { pairs: vec![pair], client_ca: None, client_required: false }
    }

    fn started() -> (Certificates, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        write_pair(folder.path());
        (start(&files(&folder)).unwrap(), folder)
    }

    fn start(files: &ListenTls) -> Result<Certificates, CertificateError> {
        let known: Arc<dyn KnowsPeers> = Arc::new(Nobody);
        Certificates::start([files], &known)
    }

    fn shown(certificates: &Certificates) -> Arc<ListenerTls> {
        certificates.live().next().unwrap().load()
    }

    #[test]
    fn p06_another_pair_is_shown_and_a_mixed_one_never() {
        let (mut certificates, folder) = started();
        let first = shown(&certificates);
        assert_eq!(certificates.look(false), Outcome::Unchanged);
        assert!(Arc::ptr_eq(&shown(&certificates), &first));
        let other = tempfile::tempdir().unwrap();
        write_pair(other.path());
        fs::copy(other.path().join("crt"), folder.path().join("crt")).unwrap();
        let Outcome::Refused(why) = certificates.look(false) else { panic!("a mixed pair") };
        assert!(why.contains("/key` cannot be used: the private key is not"), "{why}");
        assert_eq!(certificates.look(false), Outcome::StillRefused);
        assert!(matches!(certificates.look(true), Outcome::Refused(_)), "who asks is told again");
        assert!(Arc::ptr_eq(&shown(&certificates), &first));
        fs::copy(other.path().join("key"), folder.path().join("key")).unwrap();
        assert_eq!(certificates.look(false), Outcome::Published(1));
        let second = shown(&certificates);
        assert!(!Arc::ptr_eq(&second, &first));
        assert!(Arc::ptr_eq(&second.config.ticketer, &first.config.ticketer), "sessions go on");
    }

    #[test]
    fn p06_files_that_go_change_nothing_and_are_no_news_when_they_come_back() {
        let (mut certificates, folder) = started();
        let first = shown(&certificates);
        let key = folder.path().join("key");
        let text = fs::read(&key).unwrap();
        fs::remove_file(&key).unwrap();
        assert!(matches!(certificates.look(false), Outcome::Refused(_)));
        fs::write(&key, text).unwrap();
        assert_eq!(certificates.look(false), Outcome::Published(0), "the alarm is over");
        assert_eq!(certificates.look(false), Outcome::Unchanged);
        assert!(Arc::ptr_eq(&shown(&certificates), &first));
    }

    #[test]
    fn nothing_starts_with_files_that_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let mut wanted = files(&folder);
        let refused = |files: &ListenTls| start(files).unwrap_err().to_string();
        assert!(refused(&wanted).contains("/crt` cannot be read"), "{}", refused(&wanted));
        write_pair(folder.path());
        wanted.client_ca = Some(folder.path().join("crt"));
        let why = refused(&wanted);
        assert!(why.contains("certificate 1 in it is no certificate authority's"), "{why}");
        fs::write(folder.path().join("crt"), vec![b'x'; MAX_NAMED_FILE as usize + 1]).unwrap();
        assert!(refused(&files(&folder)).contains("larger than"));
    }
}
