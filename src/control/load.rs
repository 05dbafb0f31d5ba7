//! From files on disk to something that can go live: read, bind, resolve, authenticate, compile.
//!
//! Every problem of a policy is reported in one run, whichever step finds it. Nothing here changes
//! what is live.

use crate::control::files::{self, Piece, PolicyText, Unread};
use crate::control::store::Live;
use crate::control::upstreams::Upstreams;
use crate::diag::{Code, Diagnostic, Report};
use crate::identity::{Identity, Inputs};
use crate::policy::compile::{Stamp, compile};
use crate::policy::front;
use crate::policy::lint::lint;
use crate::policy::raw::{LeftOut, RawPolicy};
use crate::policy::resolve::{Resolved, Surroundings, resolve};
use crate::source::Sources;
use crate::tls::{UpstreamTls, upstream};
use aws_lc_rs::digest::{Context, SHA256};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

/// The largest file that a policy may name (a key set, a secret), in bytes.
pub const MAX_NAMED_FILE: u64 = 1024 * 1024;

/// A policy that loaded.
#[derive(Debug)]
pub struct Loaded {
    /// What can go live.
    pub live: Live,
    /// The text that diagnostics speak of.
    pub sources: Sources,
    /// Warnings.
    pub report: Report,
    /// Every file that the result depends on, besides the policy's own path.
    pub named_files: Vec<PathBuf>,
}

/// A policy that did not load: what is wrong with it.
#[derive(Debug)]
pub struct NotLoaded {
    /// The text that diagnostics speak of; empty where none could be read.
    pub sources: Sources,
    /// The problems, errors among them.
    pub report: Report,
    /// Every file that was asked for, so that a change to it is another chance.
    pub named_files: Vec<PathBuf>,
}

/// How often a policy that changes while it is read is read again.
const MAX_READS: usize = 5;

/// Loads the policy at `path`. Blocks on files.
///
/// Files that change while they are read could give a mix of two policies, so what was read is
/// compared with what is there afterwards, and read again until both are the same.
pub fn load(path: &Path, around: &Surroundings, generation: u64) -> Result<Loaded, Box<NotLoaded>> {
    for _ in 0..MAX_READS {
        let loaded = load_once(path, around, generation)?;
        if digest_now(path, &loaded.named_files).as_ref() == Some(loaded.live.snapshot.digest()) {
            return Ok(loaded);
        }
    }
    let message = format!("`{}` changes while it is read", path.display());
    let problem = Diagnostic::error_nowhere(Code::Unreadable, message)
        .help("write the new files elsewhere and rename them into place");
    let (sources, named_files) = (Sources::default(), Vec::new());
    Err(Box::new(NotLoaded { sources, report: problem.into(), named_files }))
}

/// The digest of what is on disk; `None` where it cannot be read any more.
pub(super) fn digest_now(path: &Path, named_files: &[PathBuf]) -> Option<Arc<str>> {
    let named = NamedFiles::new(files::base(path));
    for file in named_files {
        named.read_path(file.clone()).ok()?;
    }
    let mut digest = PolicyDigest::new();
    files::stream(path, &mut |name, piece| match piece {
        Piece::Length(length) => digest.begin(name, length),
        Piece::Bytes(bytes) => digest.context.update(bytes),
    })?;
    Some(named.finish(digest).1)
}

fn load_once(
    path: &Path,
    around: &Surroundings,
    generation: u64,
) -> Result<Loaded, Box<NotLoaded>> {
    let PolicyText { sources, base } =
        files::read(path).map_err(|unread| Box::new(not_read(*unread, around)))?;
    let named = NamedFiles::new(base);
    // A large text takes its time: its digest is taken beside its reading.
    let (snapshot, identity, secure, named_files, mut report) = thread::scope(|scope| {
        let digest = || PolicyDigest::of(&sources);
        let beside = thread::Builder::new().spawn_scoped(scope, digest);
        let (raw, mut report) = front::read(&sources);
        let resolved = resolve(&raw, around, &mut report);
        if !report.has_errors() {
            lint(&raw, &resolved, &mut report);
        }
        let identity = identity(&raw, &named, &mut report);
        let secure = secure(&resolved, &raw, &named, &mut report);
        let digest = match beside {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // There are no more threads to be had: then one after the other.
            Err(_) => digest(),
        };
        let (named_files, digest) = named.finish(digest);
        let snapshot = match report.has_errors() {
            true => None,
            false => compile(resolved, &sources, Stamp { generation, digest }, &mut report),
        };
        (snapshot, identity, secure, named_files, report)
    });
    report.sort();
    match snapshot {
        Some(snapshot) if !report.has_errors() => {
            let (snapshot, loaded_at) = (Arc::new(snapshot), SystemTime::now());
            let upstreams = Upstreams::new(snapshot.upstreams(), &secure, &identity);
            let live = Live { snapshot, identity, upstreams, loaded_at };
            Ok(Loaded { live, sources, report, named_files })
        }
        _ => Err(Box::new(NotLoaded { sources, report, named_files })),
    }
}

/// What is wrong with a policy that cannot be read whole: that, and what else there is to see.
fn not_read(unread: Unread, around: &Surroundings) -> NotLoaded {
    let Unread { text, mut report, incomplete } = unread;
    let PolicyText { sources, base } = text;
    if sources.files().is_empty() {
        return NotLoaded { sources, report, named_files: Vec::new() };
    }
    let named = NamedFiles::new(base);
    let (mut raw, found) = front::read(&sources);
    report.extend(found);
    if incomplete {
        raw.left_out.push(LeftOut { kind: None, id: None });
    }
    let resolved = resolve(&raw, around, &mut report);
    identity(&raw, &named, &mut report);
    secure(&resolved, &raw, &named, &mut report);
    report.sort();
    NotLoaded { named_files: named.into_paths(), sources, report }
}

fn identity(raw: &RawPolicy, named: &NamedFiles, report: &mut Report) -> Identity {
    if raw.identity.is_none() && raw.has_unread_files() {
        // It may stand in a file that could not be read, which has been reported.
        return Identity::default();
    }
    let inputs =
        Inputs { file: &|name| named.read(name), env: &|name: &str| std::env::var_os(name) };
    let mut identity = Identity::compile(raw.identity.as_ref(), &inputs, report);
    identity.authenticate_to(&raw.upstreams, &inputs, report);
    identity.knows_roles(raw.roles.iter().map(|role| role.id.value.as_str()));
    identity
}

fn secure(
    resolved: &Resolved,
    raw: &RawPolicy,
    named: &NamedFiles,
    report: &mut Report,
) -> Box<[Option<Arc<UpstreamTls>>]> {
    // A file of the list that cannot be read is one authority less.
    let system = || rustls_native_certs::load_native_certs().certs;
    let inputs = upstream::Inputs { file: &|name| named.read(name), system: &system };
    upstream::compile(&resolved.upstreams, &raw.upstreams, &inputs, report)
}

/// The files that a policy names, as they were when they were read: the digest covers them.
struct NamedFiles {
    base: PathBuf,
    read: RefCell<BTreeMap<PathBuf, Vec<u8>>>,
}

impl NamedFiles {
    fn new(base: PathBuf) -> NamedFiles {
        NamedFiles { base, read: RefCell::default() }
    }

    /// Reads a file by its name in the policy. One that two places name is read once, so that both
    /// see the same.
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.read_path(self.base.join(name))
    }

    fn read_path(&self, path: PathBuf) -> io::Result<Vec<u8>> {
        if let Some(bytes) = self.read.borrow().get(&path) {
            return Ok(bytes.clone());
        }
        let bytes = read_bounded(&path);
        // A file that cannot be read is watched too: it may come.
        let known = bytes.as_ref().map(Vec::clone).unwrap_or_default();
        self.read.borrow_mut().insert(path, known);
        bytes
    }

    /// The paths, and `sha256:…` over the policy's text, whose digest this is, and these files.
    fn finish(self, mut digest: PolicyDigest) -> (Vec<PathBuf>, Arc<str>) {
        let files = self.read.into_inner();
        for (path, bytes) in &files {
            let name = path.strip_prefix(&self.base).unwrap_or(path);
            digest.add(name.as_os_str().as_encoded_bytes(), bytes);
        }
        (files.into_keys().collect(), digest.finish())
    }

    fn into_paths(self) -> Vec<PathBuf> {
        self.read.into_inner().into_keys().collect()
    }
}

/// The digest of a policy while it is taken.
struct PolicyDigest {
    context: Context,
}

impl PolicyDigest {
    fn new() -> PolicyDigest {
        PolicyDigest { context: Context::new(&SHA256) }
    }

    /// Of a policy's text. Names and lengths are part of it, so that moving text from one file to the
    /// next is a change.
    fn of(sources: &Sources) -> PolicyDigest {
        let mut digest = PolicyDigest::new();
        for file in sources.files() {
            let name = Path::new(&*file.name).file_name().unwrap_or_default();
            digest.add(name.as_encoded_bytes(), file.text.as_bytes());
        }
        digest
    }

    fn add(&mut self, name: &[u8], bytes: &[u8]) {
        self.begin(name, bytes.len() as u64);
        self.context.update(bytes);
    }

    /// A file whose bytes follow.
    fn begin(&mut self, name: &[u8], length: u64) {
        self.context.update(&(name.len() as u64).to_be_bytes());
        self.context.update(name);
        self.context.update(&length.to_be_bytes());
    }

    fn finish(self) -> Arc<str> {
        let mut text = "sha256:".to_owned();
        for byte in self.context.finish().as_ref() {
            let _ = write!(text, "{byte:02x}");
        }
        text.into()
    }
}

pub(super) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if about.len() > MAX_NAMED_FILE {
        return Err(io::Error::other(format!("it is larger than {MAX_NAMED_FILE} bytes")));
    }
    std::fs::read(path)
}
