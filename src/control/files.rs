//! Reads policy files and the settings file: bytes to text, nothing more.

use crate::diag::{Code, Diagnostic, Report};
use crate::source::Sources;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes of one file.
pub const MAX_FILE_BYTES: usize = 128 * 1024 * 1024;

/// Bytes of all files of a folder together.
pub const MAX_TOTAL_BYTES: usize = 256 * 1024 * 1024;

/// Bytes that are read at once to compare files.
const PIECE: usize = 64 * 1024;

/// Policy files of one folder.
pub const MAX_FILES: usize = 1_000;

/// The text of a policy.
#[derive(Clone, Debug)]
pub struct PolicyText {
    /// The files, sorted by name. They are named as the user named the file, or below the folder
    /// that the user named.
    pub sources: Sources,
    /// The folder that relative paths in the policy start from.
    pub base: PathBuf,
}

/// Reads a policy file, or the `*.yaml`, `*.yml` and `*.json` of a folder, hidden ones skipped.
/// Blocks; asynchronous callers move it to a thread of its own.
pub fn read(path: &Path) -> Result<PolicyText, Report> {
    let sources = read_all(&paths(path)?, MAX_FILE_BYTES, MAX_TOTAL_BYTES)?;
    Ok(PolicyText { sources, base: base(path) })
}

/// Feeds the files that [`read`] reads to `take`, each as its name, its length and its bytes in
/// pieces: for comparing them with what was read, without holding a large policy once more. `None`
/// where they cannot be read, or are larger than what is read.
pub(super) fn stream(path: &Path, take: &mut impl FnMut(&[u8], Piece<'_>)) -> Option<()> {
    let mut buffer = vec![0; PIECE];
    let mut total = 0;
    for path in paths(path).ok()? {
        let mut file = open(&path).ok()?;
        let length = file.metadata().ok()?.len();
        total += length;
        if length > MAX_FILE_BYTES as u64 || total > MAX_TOTAL_BYTES as u64 {
            return None;
        }
        // As the sources name it, which is text.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        take(name.as_bytes(), Piece::Length(length));
        let mut left = length;
        loop {
            let read = file.read(&mut buffer).ok()?;
            left = left.checked_sub(read as u64)?;
            if read == 0 {
                break;
            }
            take(name.as_bytes(), Piece::Bytes(&buffer[..read]));
        }
        // A file that shrinks while it is read is none that could be compared.
        (left == 0).then_some(())?;
    }
    Some(())
}

/// What [`stream`] tells of a file.
pub(super) enum Piece<'a> {
    /// It begins, and has so many bytes.
    Length(u64),
    /// These are next.
    Bytes(&'a [u8]),
}

/// The folder that relative paths in a policy start from.
pub(super) fn base(path: &Path) -> PathBuf {
    let base = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    base.to_owned()
}

/// The files of a policy, sorted by name.
fn paths(path: &Path) -> Result<Vec<PathBuf>, Report> {
    match path.is_dir() {
        true => list(path).map_err(Report::from),
        false => Ok(vec![path.to_owned()]),
    }
}

fn read_all(paths: &[PathBuf], max_file: usize, max_total: usize) -> Result<Sources, Report> {
    let mut report = Report::default();
    let mut sources = Sources::default();
    let mut total = 0;
    for path in paths {
        match read_text(path, max_file) {
            Ok(text) => {
                total += text.len();
                if total > max_total {
                    report.push(too_much(path, max_total));
                    break;
                }
                sources.add(path.display().to_string(), text);
            }
            Err(problem) => report.push(problem),
        }
    }
    if report.is_empty() { Ok(sources) } else { Err(report) }
}

/// Reads one text file of at most `max` bytes.
pub fn read_text(path: &Path, max: usize) -> Result<String, Diagnostic> {
    let shown = path.display();
    let bytes = read_bytes(path, max).map_err(|error| unreadable(path, &error))?;
    if bytes.len() > max {
        let message = format!("`{shown}` is larger than the {max} bytes that may be read");
        return Err(Diagnostic::error_nowhere(Code::TooLarge, message)
            .help("split the policy into several files of a folder"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = format!("`{shown}` is not UTF-8: the first bad byte is in line {line}");
        Diagnostic::error_nowhere(Code::Syntax, message).help("save the file as UTF-8")
    })
}

/// Up to one byte more than allowed, so that the caller sees that there is more. Opening waits for
/// no writer: what is no regular file (a pipe, a device) is refused first.
fn read_bytes(path: &Path, max: usize) -> std::io::Result<Vec<u8>> {
    let file = open(path)?;
    let expected = usize::try_from(file.metadata()?.len()).unwrap_or(max).min(max);
    let mut bytes = Vec::with_capacity(expected + 1);
    file.take(max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open(path: &Path) -> std::io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    File::open(path)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let failed = |error: &std::io::Error| unreadable(folder, error);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| failed(&error))? {
        let path = entry.map_err(|error| failed(&error))?.path();
        if is_policy_file(&path) {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            let message =
                format!("the folder `{}` has more than {MAX_FILES} policy files", folder.display());
            return Err(Diagnostic::error_nowhere(Code::TooLarge, message)
                .help("put several small files into one"));
        }
    }
    if paths.is_empty() {
        let message = format!("the folder `{}` has no policy file", folder.display());
        return Err(Diagnostic::error_nowhere(Code::Unreadable, message)
            .help("policy files end in `.yaml`, `.yml` or `.json`; hidden files are skipped"));
    }
    paths.sort();
    Ok(paths)
}

fn is_policy_file(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !hidden && matches!(extension, Some("yaml" | "yml" | "json"))
}

fn too_much(path: &Path, max: usize) -> Diagnostic {
    let message =
        format!("with `{}` the policy is larger than {max} bytes together", path.display());
    Diagnostic::error_nowhere(Code::TooLarge, message).help("take files out of the folder")
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    let shown = path.display();
    let (message, help) = match error.kind() {
        ErrorKind::NotFound => (
            format!("there is no `{shown}`"),
            "check the path; relative paths start from the current folder".to_owned(),
        ),
        ErrorKind::PermissionDenied => (
            format!("`{shown}` may not be read"),
            "give read permission to the user that runs this".to_owned(),
        ),
        _ => (format!("`{shown}` cannot be read: {error}"), "name a file or a folder".to_owned()),
    };
    Diagnostic::error_nowhere(Code::Unreadable, message).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    #[track_caller]
    fn refused(path: &Path) -> (Code, String) {
        let report = read(path).unwrap_err();
        let [problem] = report.problems() else { panic!("{report:?}") };
        assert!(problem.help.is_some());
        (problem.code, problem.message.replace(&path.display().to_string(), "PATH"))
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_names() {
        let folder = folder(&[
            ("b.yml", b"2"),
            ("a.yaml", b"1"),
            ("c.json", b"3"),
            (".hidden.yaml", b"x"),
            ("notes.md", b"x"),
        ]);
        let text = read(folder.path()).unwrap();
        let texts: Vec<_> = text.sources.files().iter().map(|file| &*file.text).collect();
        assert_eq!(texts, ["1", "2", "3"]);
        assert_eq!(text.base, folder.path());
        assert!(text.sources.files()[0].name.ends_with("a.yaml"));
    }

    #[test]
    fn a_file_stands_for_itself() {
        let folder = folder(&[("odd.name", b"policy: 1")]);
        let text = read(&folder.path().join("odd.name")).unwrap();
        assert_eq!(text.base, folder.path());
        assert_eq!(text.sources.files().len(), 1);
    }

    #[test]
    fn p12_what_is_missing_empty_or_no_text_is_refused() {
        let missing = Path::new("/nonexistent/policy.yaml");
        assert_eq!(refused(missing), (Code::Unreadable, "there is no `PATH`".into()));
        let empty = folder(&[("notes.md", b"")]);
        assert_eq!(
            refused(empty.path()),
            (Code::Unreadable, "the folder `PATH` has no policy file".into())
        );
        let latin = folder(&[("a.yaml", b"policy: 1\nname: caf\xe9\n")]);
        assert_eq!(
            refused(&latin.path().join("a.yaml")),
            (Code::Syntax, "`PATH` is not UTF-8: the first bad byte is in line 2".into())
        );
        let inner = tempfile::tempdir().unwrap();
        fs::create_dir(inner.path().join("x.yaml")).unwrap();
        assert_eq!(refused(inner.path()).0, Code::Unreadable);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.yaml");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(refused(&path).0, Code::Unreadable);
    }

    #[test]
    fn the_size_of_a_file_is_limited() {
        let folder = folder(&[("a", b"12345")]);
        let path = folder.path().join("a");
        assert_eq!(read_text(&path, 6).unwrap(), "12345");
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(read_text(&path, 4).unwrap_err().code, Code::TooLarge);
    }

    #[test]
    fn the_size_of_a_policy_is_limited() {
        let folder = folder(&[("a", b"123"), ("b", b"45")]);
        let paths = [folder.path().join("a"), folder.path().join("b")];
        let within = |max| read_all(&paths, 10, max).map(|sources| sources.files().len());
        assert_eq!(within(6), Ok(2));
        assert_eq!(within(5), Ok(2));
        assert_eq!(within(4).unwrap_err().problems()[0].code, Code::TooLarge);
    }

    #[test]
    fn every_file_that_cannot_be_read_is_named() {
        let folder = folder(&[("a.yaml", b"\xff"), ("b.yaml", b"ok"), ("c.yaml", b"\xff")]);
        assert_eq!(read(folder.path()).unwrap_err().errors(), 2);
    }

    #[test]
    fn the_number_of_files_is_limited() {
        let folder = tempfile::tempdir().unwrap();
        let add = |n: usize| fs::write(folder.path().join(format!("{n}.yaml")), "").unwrap();
        (1..MAX_FILES).for_each(add);
        assert_eq!(read(folder.path()).unwrap().sources.files().len(), MAX_FILES - 1);
        add(MAX_FILES);
        assert_eq!(read(folder.path()).unwrap().sources.files().len(), MAX_FILES);
        add(MAX_FILES + 1);
        assert_eq!(refused(folder.path()).0, Code::TooLarge);
    }
}
