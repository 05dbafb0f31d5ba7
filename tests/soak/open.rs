//! What a process has open, and which connections those are.

use std::fmt;
use std::path::PathBuf;

/// A file descriptor of a process.
pub struct Open {
    file: PathBuf,
    /// The lines of the kernel's tables on it, where it is a TCP socket.
    socket: Option<String>,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(socket) => write!(f, "{} {socket}", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}

/// All descriptors of the process.
pub fn descriptors(pid: u32) -> Vec<Open> {
    let sockets = ["tcp", "tcp6"].map(|table| {
        std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default()
    });
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").flatten();
    open.filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .map(|file| {
            let name = file.to_string_lossy();
            let inode = name.strip_prefix("socket:[").and_then(|name| name.strip_suffix(']'));
            let lines = inode.map(|inode| of_socket(&sockets, inode));
            Open { socket: lines.flatten(), file }
        })
        .collect()
}

/// Local and remote address and state, as the kernel writes them (proc_net_tcp(5)): in hex, state 01
/// is open, 08 is closed by the other side, 0A listens.
fn of_socket(tables: &[String], inode: &str) -> Option<String> {
    let lines = tables.iter().flat_map(|table| table.lines());
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|columns| columns.get(9) == Some(&inode))
        .map(|columns| columns[1..8].join(" "))
}
