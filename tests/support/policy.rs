//! Policy files in a folder of their own, replaced as editors and Kubernetes replace them.

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A temporary folder with policy files and the secrets they name. Gone when dropped.
#[derive(Debug)]
pub struct TempPolicy {
    folder: TempDir,
    /// What `--policy` names: the folder, or one file in it.
    policy: PathBuf,
}

impl TempPolicy {
    /// One file, `policy.yaml`.
    pub fn file(text: &str) -> TempPolicy {
        let mut policy = TempPolicy::folder(&[("policy.yaml", text)]);
        policy.policy = policy.folder.path().join("policy.yaml");
        policy
    }

    /// A folder of files that merge.
    pub fn folder(files: &[(&str, &str)]) -> TempPolicy {
        let folder = TempDir::with_prefix("portcullis-test-").expect("a temporary folder");
        let policy = folder.path().to_owned();
        let policy = TempPolicy { folder, policy };
        for (name, text) in files {
            policy.write(name, text);
        }
        policy
    }

    /// A copy of a folder and what is below it.
    pub fn copy_of(folder: &Path) -> TempPolicy {
        let policy = TempPolicy::folder(&[]);
        copy(folder, policy.path());
        policy
    }

    /// What `--policy` names.
    pub fn path(&self) -> &Path {
        &self.policy
    }

    /// A path in the folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside its place and renames it there: nobody ever sees half of it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let part = self.join(&format!(".{name}.part"));
        fs::write(&part, content).expect("write beside the file");
        fs::rename(&part, self.join(name)).expect("rename into place");
    }

    /// Cuts a file short and writes over it in place, as careless tools do.
    pub fn overwrite(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.join(name), content).expect("overwrite the file");
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.join(name)).expect("remove the file");
    }

    /// Replaces all files at once as Kubernetes does for a mounted ConfigMap: they lie in a new
    /// hidden folder, `..data` is a link to it that a rename swaps, and each name is a link
    /// through `..data`. A name that an earlier swap made and this one lacks is left dangling.
    pub fn swap_data(&self, revision: &str, files: &[(&str, &str)]) {
        let data = self.join(&format!("..{revision}"));
        fs::create_dir(&data).expect("a new revision's folder");
        for (name, text) in files {
            let file = data.join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder below");
            fs::write(file, text).expect("write a file of the revision");
        }
        let part = self.join("..data_tmp");
        std::os::unix::fs::symlink(format!("..{revision}"), &part).expect("link the revision");
        fs::rename(&part, self.join("..data")).expect("swap ..data");
        for (name, _) in files {
            // A file in a folder below is reached through a link in place of that folder.
            let top = name.split('/').next().unwrap_or_default();
            let link = self.join(top);
            if link.symlink_metadata().is_err() {
                std::os::unix::fs::symlink(format!("..data/{top}"), link).expect("link a file");
            }
        }
    }
}

/// Copies a folder and what is below it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for path in list(from) {
        let to = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(fs::copy(&path, &to).expect("copy a file")),
        }
    }
}

/// The policies of `config/examples/`, the files of each.
pub fn examples() -> Vec<Vec<PathBuf>> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let mut policies: Vec<_> =
        list(&examples).into_iter().filter_map(|folder| files(&folder)).collect();
    policies.sort();
    policies
}

/// `policy.yaml`, or what is in `policy/`.
fn files(folder: &Path) -> Option<Vec<PathBuf>> {
    let (file, several) = (folder.join("policy.yaml"), folder.join("policy"));
    let mut files = if file.is_file() { vec![file] } else { list(&several) };
    files.retain(|file| file.is_file());
    (!files.is_empty()).then_some(files)
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn a_swap_changes_all_files_through_one_link() {
    let policy = TempPolicy::folder(&[]);
    policy.swap_data("1", &[("a.yaml", "one"), ("b.yaml", "two")]);
    policy.swap_data("2", &[("a.yaml", "three"), ("b.yaml", "four")]);
    let text = |name| fs::read_to_string(policy.join(name)).unwrap();
    assert_eq!((text("a.yaml").as_str(), text("b.yaml").as_str()), ("three", "four"));
}

#[test]
fn a_write_leaves_no_part_behind() {
    let policy = TempPolicy::file("policy: 1\n");
    policy.write("policy.yaml", "policy: 1\nname: second\n");
    let names: Vec<_> = fs::read_dir(policy.folder.path()).unwrap().map(|e| e.unwrap()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(fs::read_to_string(policy.path()).unwrap(), "policy: 1\nname: second\n");
}
