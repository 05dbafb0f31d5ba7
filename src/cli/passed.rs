//! What systemd hands to a process, and is told by it: listening sockets (sd_listen_fds(3)), and that
//! it is ready (sd_notify(3)).

use crate::proxy::{Passed, PassedError};
use listenfd::ListenFd;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sockets that are taken; a unit has few.
const MAX_PASSED: usize = 64;

/// Why sockets cannot be taken over; shown to the user.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    #[error("LISTEN_FDS is `{0}`, which is no number from 0 to {MAX_PASSED}")]
    Count(String),
    #[error("the socket `{0}` that was handed over is none of TCP and no Unix socket: {1}")]
    Kind(String, io::Error),
    #[error(transparent)]
    Passed(#[from] PassedError),
}

/// The listening sockets that were opened for this process; none where they are for another one.
/// Takes them out of the environment, so that no child of ours takes them for its own.
pub(super) fn sockets() -> Result<Vec<Passed>, NotTaken> {
    let variable = |name: &str| std::env::var_os(name).map(|it| it.to_string_lossy().into_owned());
    let own = std::process::id().to_string();
    let Some(count) = count(variable("LISTEN_PID"), variable("LISTEN_FDS"), &own)? else {
        return Ok(Vec::new());
    };
    let names = variable("LISTEN_FDNAMES");
    let mut given = ListenFd::from_env();
    let mut taken = Vec::with_capacity(count);
    for at in 0..count {
        let name = name(names.as_deref(), at);
        if let Some(socket) = take(&mut given, at).map_err(|e| NotTaken::Kind(name.clone(), e))? {
            taken.push(Passed::new(name, socket)?);
        }
    }
    Ok(taken)
}

/// How many there are for the process of this id.
fn count(of: Option<String>, count: Option<String>, own: &str) -> Result<Option<usize>, NotTaken> {
    let Some(count) = count.filter(|_| of.as_deref() == Some(own)) else { return Ok(None) };
    match count.parse() {
        Ok(number) if number <= MAX_PASSED => Ok(Some(number)),
        _ => Err(NotTaken::Count(count)),
    }
}

/// `unknown` is what systemd calls a socket whose name it does not tell.
fn name(names: Option<&str>, at: usize) -> String {
    let name = names.and_then(|names| names.split(':').nth(at)).filter(|name| !name.is_empty());
    name.unwrap_or("unknown").to_owned()
}

fn take(given: &mut ListenFd, at: usize) -> io::Result<Option<OwnedFd>> {
    match given.take_tcp_listener(at) {
        Ok(socket) => Ok(socket.map(OwnedFd::from)),
        Err(_) => Ok(given.take_unix_listener(at)?.map(OwnedFd::from)),
    }
}

/// Tells whoever has started this process, if it wants to know, that requests are served.
pub(super) fn tell_ready() {
    let Some(to) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = notify(&to, b"READY=1") {
        tracing::warn!(%error, socket = %to.display(), "cannot tell that it is ready");
    }
}

fn notify(to: &OsStr, what: &[u8]) -> io::Result<()> {
    let address = match to.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(to)?,
    };
    UnixDatagram::unbound()?.send_to_addr(what, &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_for_another_process_are_left_alone() {
        let count = |of: Option<&str>, fds: Option<&str>| {
            count(of.map(str::to_owned), fds.map(str::to_owned), "77").ok().flatten()
        };
        assert_eq!(count(Some("77"), Some("2")), Some(2));
        assert_eq!(count(Some("78"), Some("2")), None);
        assert_eq!(count(None, Some("2")), None);
        assert_eq!(count(Some("77"), None), None);
    }

    #[test]
    fn so_many_sockets_are_taken_and_no_more() {
        let own = || Some("77".to_owned());
        for (number, fits) in [(MAX_PASSED - 1, true), (MAX_PASSED, true), (MAX_PASSED + 1, false)]
        {
            assert_eq!(count(own(), Some(number.to_string()), "77").is_ok(), fits, "{number}");
        }
        for text in ["", "-1", "two"] {
            assert!(count(own(), Some(text.into()), "77").is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_told_in_order() {
        let names = Some("web:admin::x");
        let told: Vec<_> = (0..5).map(|at| name(names, at)).collect();
        assert_eq!(told, ["web", "admin", "unknown", "x", "unknown"]);
        assert_eq!(name(None, 0), "unknown");
    }

    #[test]
    fn whoever_wants_to_know_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let abstract_name = format!("portcullis-notify/{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        let spelt = format!("@{abstract_name}");
        for (socket, to) in [(by_path, path.as_os_str()), (by_name, OsStr::new(&spelt))] {
            notify(to, b"READY=1").unwrap();
            let mut heard = [0; 64];
            let n = socket.recv(&mut heard).unwrap();
            assert_eq!(&heard[..n], b"READY=1");
        }
        assert!(notify(OsStr::new("/nowhere/at/all"), b"READY=1").is_err());
    }
}
