//! Putting a changed policy in place of the live one, or saying why not.
//!
//! A failed reload never replaces a good snapshot. All changes go through one [`Reloader`], one
//! after the other, so that generations only grow.

use crate::control::load::{Loaded, NotLoaded, digest_now, load};
use crate::control::store::{Live, Store};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::people::{Membership, People};
use crate::policy::resolve::Surroundings;
use crate::policy::snapshot::Snapshot;
use crate::source::Sources;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Loads again what a process was started with.
#[derive(Debug)]
pub struct Reloader {
    path: PathBuf,
    around: Surroundings,
    store: Arc<Store>,
    status: Arc<Status>,
    named_files: Vec<PathBuf>,
    /// The digest of the last text that was refused, so that it is refused aloud only once.
    refused: Option<String>,
    /// The digest of the files at the last look.
    seen: Option<Arc<str>>,
    retired: Retired,
}

/// Policies that were replaced, kept until nobody else has them: freeing a million members takes a
/// good part of a second, which is a pause in a worker and none here.
#[derive(Debug, Default)]
struct Retired(Vec<Arc<Live>>);

/// Replaced policies that are kept. Of more, the oldest is left to whoever still has it.
pub const MAX_RETIRED: usize = 16;

/// What became of the last attempt to load, for `/policy`, `/readyz` and the metrics.
#[derive(Debug, Default)]
pub struct Status {
    last_error: Mutex<Option<Arc<LoadError>>>,
}

/// Why the files on disk are not what is live.
#[derive(Debug)]
pub struct LoadError {
    /// When it was found.
    pub at: SystemTime,
    /// The text that the problems speak of.
    pub sources: Sources,
    /// The problems.
    pub report: Report,
}

/// What one attempt did.
#[derive(Debug)]
pub enum Outcome {
    /// The files say what is live.
    Unchanged,
    /// They say it again: what was refused is gone.
    Restored,
    /// This generation is live now.
    Published(Arc<Live>),
    /// What is live stays, because of these problems.
    Refused(Arc<LoadError>),
    /// Refused before, and still the same.
    StillRefused,
}

impl Reloader {
    /// Loads for the first time; the result is live at once.
    pub fn start(
        path: &Path,
        around: Surroundings,
    ) -> Result<(Reloader, Report, Sources), Box<NotLoaded>> {
        let Loaded { live, sources, report, named_files } = load(path, &around, 1)?;
        let store = Arc::new(Store::new(live));
        let status = Arc::new(Status::default());
        let path = path.to_owned();
        let reloader = Reloader {
            path,
            around,
            store,
            status,
            named_files,
            refused: None,
            seen: None,
            retired: Retired::default(),
        };
        Ok((reloader, report, sources))
    }

    /// What is live.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What became of the last attempt.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// The folders in which a change may be a change of the policy. Folders, because a file that
    /// is replaced by a rename is another file, and a watch on the old one hears nothing more.
    pub fn folders(&self) -> Vec<PathBuf> {
        let own = match self.path.is_dir() {
            true => self.path.clone(),
            false => parent(&self.path),
        };
        let mut folders: Vec<_> = self.named_files.iter().map(|file| parent(file)).collect();
        folders.push(own);
        folders.sort();
        folders.dedup();
        folders
    }

    /// Makes the files live if they say something new and something good. Files that are as they
    /// were at the last look are not read as a policy again.
    pub fn reload(&mut self) -> Outcome {
        self.retired.free();
        // Taken before the policy is read: a change after this is seen by the next look.
        let seen = digest_now(&self.path, &self.named_files);
        if seen.is_some() && seen == self.seen {
            return if self.refused.is_some() { Outcome::StillRefused } else { Outcome::Unchanged };
        }
        self.seen = seen;
        self.attempt()
    }

    /// Likewise for somebody who asks: what is refused is told although it has been told before.
    pub fn reload_aloud(&mut self) -> Outcome {
        self.seen = None;
        self.refused = None;
        self.reload()
    }

    fn attempt(&mut self) -> Outcome {
        let live = self.store.load();
        let generation = live.snapshot.generation() + 1;
        let result = load(&self.path, &self.around, generation);
        let result = result.and_then(|loaded| replaces(&live.snapshot, loaded));
        match result {
            Ok(loaded) if loaded.live.snapshot.digest() == live.snapshot.digest() => {
                self.named_files = loaded.named_files;
                let was_refused = self.status.last_error().is_some();
                self.accepted();
                if was_refused { Outcome::Restored } else { Outcome::Unchanged }
            }
            Ok(mut loaded) => {
                self.named_files = loaded.named_files;
                loaded.live.identity.keep_keys_of(&live.identity);
                loaded.live.upstreams.keep_of(&live.upstreams);
                self.retired.add(self.store.publish(loaded.live));
                self.accepted();
                Outcome::Published(self.store.load())
            }
            Err(not_loaded) => self.refuse(*not_loaded),
        }
    }

    fn accepted(&mut self) {
        self.refused = None;
        self.status.set(None);
    }

    fn refuse(&mut self, not_loaded: NotLoaded) -> Outcome {
        let NotLoaded { sources, report, named_files } = not_loaded;
        // Both what was in force and what is hoped for: either may come back.
        self.named_files.extend(named_files);
        self.named_files.sort();
        self.named_files.dedup();
        let what = crate::diag::json::render(&report, &sources, false);
        if self.refused.as_ref() == Some(&what) {
            return Outcome::StillRefused;
        }
        self.refused = Some(what);
        let error = Arc::new(LoadError { at: SystemTime::now(), sources, report });
        self.status.set(Some(error.clone()));
        Outcome::Refused(error)
    }
}

impl Retired {
    fn add(&mut self, live: Arc<Live>) {
        if self.0.len() == MAX_RETIRED {
            self.0.remove(0);
        }
        self.0.push(live);
    }

    /// Frees what nobody else has. What somebody gets hold of meanwhile cannot be: it is not live.
    fn free(&mut self) {
        self.0.retain(|live| Arc::strong_count(live) > 1);
    }
}

impl Status {
    /// Why the files on disk are not what is live, if they are not.
    pub fn last_error(&self) -> Option<Arc<LoadError>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, error: Option<Arc<LoadError>>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// A reload that would open something by accident is refused: a lost file must not turn a
/// directory of members into trust in tokens, every name into an organization, nor a policy into
/// nothing.
fn replaces(old: &Snapshot, loaded: Loaded) -> Result<Loaded, Box<NotLoaded>> {
    let new = &loaded.live.snapshot;
    let mut report = Report::default();
    membership_stays(old.people(), new.people(), &mut report);
    if !old.roles().is_empty() && new.roles().is_empty() && !new.administration().lists_roles() {
        report.push(
            Diagnostic::error_nowhere(Code::PolicyEmpty, "this would leave no role")
                .help("is a file missing? Write `roles: []` if none is meant"),
        );
    }
    if report.is_empty() {
        return Ok(loaded);
    }
    let Loaded { sources, named_files, .. } = loaded;
    Err(Box::new(NotLoaded { sources, report, named_files }))
}

/// MEMBERSHIP_CHANGED
fn membership_stays(old: &People, new: &People, report: &mut Report) {
    if old.membership() != new.membership() && !new.membership_is_explicit() {
        report.push(
            Diagnostic::error_nowhere(
                Code::MembershipChanged,
                "this would change where memberships come from",
            )
            .help("write `membership: directory`, `token` or `both` if that is meant"),
        );
    }
    // Where credentials make members, the list of organizations is what bounds them.
    let trusts_claims = new.membership() != Membership::Directory;
    if trusts_claims && old.lists_orgs() && !new.lists_orgs() {
        report.push(
            Diagnostic::error_nowhere(
                Code::MembershipChanged,
                "this would make an organization of every name that a credential claims",
            )
            .help("is a file missing? To serve a policy without organizations, restart with it"),
        );
    }
}

pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(generation: u64) -> Live {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.yaml");
        std::fs::write(&path, "policy: 1\n").unwrap();
        load(&path, &Surroundings::default(), generation).unwrap().live
    }

    #[test]
    fn p12_what_was_replaced_is_freed_here_once_nobody_reads_it() {
        let store = Store::new(live(1));
        let mut worker = store.reader();
        let request = worker.live();
        let mut retired = Retired::default();
        retired.add(store.publish(live(2)));
        let old = Arc::downgrade(&request);
        drop(request);
        retired.free();
        assert_eq!(retired.0.len(), 1, "the worker has not looked since");
        assert_eq!(worker.live().snapshot.generation(), 2);
        assert!(old.upgrade().is_some(), "the worker freed it");
        retired.free();
        assert!(old.upgrade().is_none() && retired.0.is_empty());
    }

    #[test]
    fn what_was_replaced_is_kept_up_to_a_limit() {
        for (replaced, kept) in [
            (MAX_RETIRED - 1, MAX_RETIRED - 1),
            (MAX_RETIRED, MAX_RETIRED),
            (MAX_RETIRED + 1, MAX_RETIRED),
        ] {
            let mut retired = Retired::default();
            let held: Vec<_> = (0..replaced as u64).map(|n| Arc::new(live(n))).collect();
            held.iter().for_each(|live| retired.add(live.clone()));
            assert_eq!(retired.0.len(), kept);
            assert_eq!(
                retired.0.last().map(|live| live.snapshot.generation()),
                Some(replaced as u64 - 1)
            );
        }
    }
}
