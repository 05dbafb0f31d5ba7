//! How much memory the process may have: that of its control group, or of the machine.

use std::path::{Path, PathBuf};

/// Bytes; `None` where the system does not say. Read once, at the start.
pub fn limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = files(&groups).filter_map(|file| std::fs::read_to_string(file).ok());
    let machine = std::fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| total(&text));
    limits.filter_map(|text| text.trim().parse().ok()).chain(machine).min()
}

/// The files that may limit the process: those of its group and all above it (version 2), of the
/// group that a container sees as the root, and of version 1. One without a limit says `max`, or a
/// number that is larger than any machine.
fn files(groups: &str) -> impl Iterator<Item = PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let folder = root.join(own);
    let above: Vec<PathBuf> = folder.ancestors().map(Path::to_owned).collect();
    let above = above.into_iter().filter(move |folder| folder.starts_with(root));
    let first = root.join("memory/memory.limit_in_bytes");
    above.map(|folder| folder.join("memory.max")).chain([first])
}

/// `MemTotal` of /proc/meminfo (proc(5)), in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_limited_by_those_above_it() {
        let found: Vec<_> = files("1:name=systemd:/x\n0::/a.slice/b.service\n").collect();
        let path = |path: &str| PathBuf::from(format!("/sys/fs/cgroup/{path}"));
        let above = ["a.slice/b.service/memory.max", "a.slice/memory.max", "memory.max"];
        assert_eq!(found[..3], above.map(path));
        assert_eq!(found[3], path("memory/memory.limit_in_bytes"));
        assert_eq!(files("").next(), Some(path("memory.max")));
    }

    #[test]
    fn the_machine_says_what_it_has() {
        assert_eq!(total("MemTotal:       24570324 kB\nMemFree: 1 kB\n"), Some(24_570_324 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        assert!(limit().is_none_or(|bytes| bytes > 1 << 20));
    }
}
