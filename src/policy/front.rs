//! The way in: from the text of a policy's files to what was typed in them.

use crate::diag::Report;
use crate::policy::raw::{LeftOut, RawPolicy};
use crate::policy::{bind, merge, yaml};
use crate::source::{FileId, Sources};

/// Reads a policy's files. The result may be used only if the report, and that of every later
/// step, has no errors; it is there in any case so that later steps can report theirs in one run.
pub fn read(sources: &Sources) -> (RawPolicy, Report) {
    let mut report = Report::default();
    let mut left = yaml::MAX_TREE_BYTES;
    let mut roots = Vec::with_capacity(sources.files().len());
    for (id, file) in (0..).map(FileId).zip(sources.files()) {
        roots.extend(yaml::parse_next(id, &file.text, &mut left, &mut report));
    }
    let unread = sources.files().len() - roots.len();
    let root = merge::merge(roots, &mut report);
    let mut policy = bind::policy(&root, &mut report);
    policy.left_out.extend(vec![LeftOut { kind: None, id: None }; unread]);
    report.sort();
    (policy, report)
}

#[cfg(test)]
mod tests;
