//! Claiming addresses, before any worker runs.
//!
//! Workers share a TCP port through SO_REUSEPORT, which would let a second instance of ours share
//! it too and take half of the traffic. So the port is claimed first: a bind without SO_REUSEPORT
//! fails if anybody has the port, and an abstract socket named after the address is held for as
//! long as we run, because two instances that start at the same moment could both get past the
//! bind (with SO_REUSEADDR, which restarts need, a bound port that nobody listens on yet is free).
//!
//! A process that is to start beside an old one does neither. And where somebody else has opened the
//! socket ([`Passed`]), there is nothing to claim.

use super::passed::{Passed, PassedError};
use crate::settings::ListenAddress;
use socket2::{Domain, Socket, Type};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::path::Path;

/// Connections that the kernel holds for a listener before they are accepted.
const BACKLOG: i32 = 4096;

/// Why an address could not be claimed; shown to the user.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there.
    #[error("{} is in use by another process; stop it or listen elsewhere", shown(.0))]
    InUse(ListenAddress),
    /// A file that is no socket stands at the path.
    #[error("{} exists and is no socket; remove it or listen elsewhere", shown(.0))]
    NotASocket(ListenAddress),
    /// A socket that was handed over.
    #[error(transparent)]
    Passed(#[from] PassedError),
    /// Anything else.
    #[error("cannot listen on {at}: {1}", at = shown(.0))]
    Io(ListenAddress, io::Error),
}

/// One address, claimed, with a listener for each worker.
#[derive(Debug)]
pub(super) struct Claimed {
    /// The address, with the port that was given where 0 was asked for.
    pub(super) address: ListenAddress,
    /// As many as there are workers.
    pub(super) listeners: Vec<Listener>,
    /// Held so that no second instance claims the same.
    pub(super) claim: Option<UnixListener>,
}

/// What others have to do with the addresses.
#[derive(Debug, Default)]
pub struct Handover {
    /// Sockets that were opened for this process. Each is the listener of its address.
    pub passed: Vec<Passed>,
    /// Whether to share addresses with a process of the same user that has them already. Both take
    /// connections until one of them ends.
    pub beside: bool,
}

/// A non-blocking listener that has not met a runtime yet.
#[derive(Debug)]
pub(super) enum Listener {
    /// With SO_REUSEPORT: each worker has its own queue.
    Tcp(TcpListener),
    /// Duplicates of one socket: workers share its queue.
    Unix(UnixListener),
}

/// Claims every address and opens a listener of each for every worker, in order. A socket that was
/// handed over and that none of them is refused first: it may stand in the way of one of them, which
/// would then seem to be taken by somebody else.
pub(super) fn claim_all<'a>(
    addresses: impl Iterator<Item = &'a ListenAddress>,
    workers: usize,
    mut handover: Handover,
) -> Result<Vec<Claimed>, BindError> {
    let given = |address: &'a ListenAddress| {
        let at = handover.passed.iter().position(|passed| passed.address == *address);
        (address, at.map(|at| handover.passed.swap_remove(at)))
    };
    let listeners: Vec<_> = addresses.map(given).collect();
    if let Some(Passed { name, address, .. }) = handover.passed.pop() {
        let named: Vec<_> = listeners.iter().map(|(address, _)| shown(address)).collect();
        return Err(PassedError::Unnamed(name, address, named.join(", ")).into());
    }
    let claim = |(address, given): (_, Option<Passed>)| match given {
        Some(passed) => take(passed, workers),
        None => claim(address, workers, handover.beside),
    };
    listeners.into_iter().map(claim).collect()
}

fn take(passed: Passed, workers: usize) -> Result<Claimed, BindError> {
    let (name, address) = (passed.name.clone(), passed.address.clone());
    let listeners = passed.listeners(workers).map_err(|error| PassedError::Io(name, error))?;
    Ok(Claimed { address, listeners, claim: None })
}

/// Opens a listener for each worker, for this process alone unless it is to be `beside` another one.
fn claim(address: &ListenAddress, workers: usize, beside: bool) -> Result<Claimed, BindError> {
    match address {
        ListenAddress::Tcp(tcp) => claim_tcp(*tcp, workers, beside),
        ListenAddress::Unix(path) => claim_unix(path, workers, beside),
    }
    .map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address.clone()),
        io::ErrorKind::AlreadyExists => BindError::NotASocket(address.clone()),
        _ => BindError::Io(address.clone(), error),
    })
}

fn claim_tcp(address: SocketAddr, workers: usize, beside: bool) -> io::Result<Claimed> {
    let first = tcp_socket(address)?;
    first.set_reuse_port(beside)?;
    first.bind(&address.into())?;
    let bound = first.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    let claim = (!beside).then(|| hold(&format!("portcullis/{bound}"))).transpose()?;
    // From here on others with the same user id may join, and only we will, or who is told to.
    first.set_reuse_port(true)?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        let next = tcp_socket(bound)?;
        next.set_reuse_port(true)?;
        next.bind(&bound.into())?;
        sockets.push(next);
    }
    let mut listeners = Vec::with_capacity(sockets.len());
    for socket in sockets {
        socket.listen(BACKLOG)?;
        listeners.push(Listener::Tcp(socket.into()));
    }
    Ok(Claimed { address: ListenAddress::Tcp(bound), listeners, claim })
}

fn hold(name: &str) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&UnixAddr::from_abstract_name(name)?)
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it: no write waits for the acknowledgement of the one before.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

fn claim_unix(path: &Path, workers: usize, beside: bool) -> io::Result<Claimed> {
    // The path may be as long as a socket's name, so its hash stands for it.
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let name = format!("portcullis/unix/{:016x}", hasher.finish());
    let claim = (!beside).then(|| hold(&name)).transpose()?;
    let first = if beside { replace(path)? } else { bind_alone(path)? };
    first.set_nonblocking(true)?;
    let mut listeners = Vec::with_capacity(workers);
    for _ in 1..workers {
        listeners.push(Listener::Unix(first.try_clone()?));
    }
    listeners.push(Listener::Unix(first));
    Ok(Claimed { address: ListenAddress::Unix(path.into()), listeners, claim })
}

fn bind_alone(path: &Path) -> io::Result<UnixListener> {
    remove_stale(path)?;
    UnixListener::bind(path)
}

/// Puts a new socket in the place of the one that is there, which goes on with whom it has.
fn replace(path: &Path) -> io::Result<UnixListener> {
    is_socket(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let first = UnixListener::bind(&beside)?;
    std::fs::rename(&beside, path)?;
    Ok(first)
}

/// A socket file outlives the process that made it. If nobody answers there, it is removed.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !is_socket(path)? {
        return Ok(());
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
    }
}

/// Whether there is one. Anything else that is there is an error.
fn is_socket(path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => Ok(true),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn shown(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> ListenAddress {
        ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())
    }

    #[test]
    fn p15_a_second_instance_fails_and_names_the_address() {
        let first = claim(&any(), 2, false).unwrap();
        assert_eq!(first.listeners.len(), 2);
        for workers in [1, 2] {
            let error = claim(&first.address, workers, false).unwrap_err();
            assert!(matches!(&error, BindError::InUse(at) if *at == first.address), "{error}");
            assert!(error.to_string().contains("127.0.0.1:"), "{error}");
        }
        let address = first.address.clone();
        drop(first);
        claim(&address, 2, false).unwrap();
    }

    #[test]
    fn p15_the_claim_holds_even_where_the_bind_would_not() {
        let first = claim(&any(), 1, false).unwrap();
        let Claimed { address, listeners, claim: held } = first;
        drop(listeners);
        assert!(matches!(claim(&address, 1, false), Err(BindError::InUse(_))));
        drop(held);
        claim(&address, 1, false).unwrap();
    }

    #[test]
    fn p15_a_port_that_a_stranger_shares_is_in_use() {
        let stranger = tcp_socket("127.0.0.1:0".parse().unwrap()).unwrap();
        stranger.set_reuse_port(true).unwrap();
        stranger.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        stranger.listen(1).unwrap();
        let address = ListenAddress::Tcp(stranger.local_addr().unwrap().as_socket().unwrap());
        assert!(matches!(claim(&address, 2, false), Err(BindError::InUse(_))));
    }

    #[test]
    fn a_stale_socket_file_is_removed_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let address = ListenAddress::Unix(dir.path().join("s.sock"));
        let first = claim(&address, 2, false).unwrap();
        assert_eq!(first.listeners.len(), 2);
        assert!(matches!(claim(&address, 1, false), Err(BindError::InUse(_))));
        drop(first);
        claim(&address, 1, false).unwrap();
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "precious").unwrap();
        let error = claim(&ListenAddress::Unix(path.clone()), 1, false).unwrap_err();
        assert!(matches!(error, BindError::NotASocket(_)), "{error}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "precious");
    }

    #[test]
    fn p15_who_is_told_to_starts_beside_another_one() {
        let dir = tempfile::tempdir().unwrap();
        for address in [any(), ListenAddress::Unix(dir.path().join("s.sock"))] {
            let old = claim(&address, 2, false).unwrap();
            let new = claim(&old.address, 2, true).unwrap();
            assert_eq!(new.address, old.address);
            assert!(new.claim.is_none());
            let address = old.address.clone();
            drop(old);
            match &address {
                ListenAddress::Tcp(at) => drop(std::net::TcpStream::connect(at).unwrap()),
                ListenAddress::Unix(path) => drop(UnixStream::connect(path).unwrap()),
            }
            // Nobody else may, as long as one of them is there.
            assert!(matches!(claim(&address, 1, false), Err(BindError::InUse(_))));
        }
    }

    #[test]
    fn p15_a_file_that_is_no_socket_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "precious").unwrap();
        let error = claim(&ListenAddress::Unix(path.clone()), 1, true).unwrap_err();
        assert!(matches!(error, BindError::NotASocket(_)), "{error}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "precious");
    }

    #[test]
    fn p15_what_was_handed_over_is_the_listener_of_its_address_and_needs_no_claim() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = ListenAddress::Tcp(socket.local_addr().unwrap());
        let passed = |socket: &TcpListener| {
            vec![Passed::new("web".into(), socket.try_clone().unwrap()).unwrap()]
        };
        for _second_process_too in 0..2 {
            let handover = Handover { passed: passed(&socket), beside: false };
            let claimed = claim_all([&address, &any()].into_iter(), 2, handover).unwrap();
            assert_eq!((claimed.len(), &claimed[0].address), (2, &address));
            assert!(claimed[0].claim.is_none() && claimed[1].claim.is_some());
        }
        let handover = Handover { passed: passed(&socket), beside: false };
        let error = claim_all([&any()].into_iter(), 1, handover).unwrap_err();
        assert!(error.to_string().contains("`web`"), "{error}");
        assert!(matches!(error, BindError::Passed(PassedError::Unnamed(..))), "{error}");
        // One listener takes one of them.
        let twice = [passed(&socket), passed(&socket)].into_iter().flatten().collect();
        let handover = Handover { passed: twice, beside: false };
        assert!(claim_all([&address].into_iter(), 1, handover).is_err());
    }

    /// A socket for all addresses takes the port of each.
    #[test]
    fn p15_what_was_handed_over_and_is_not_named_is_not_somebody_else() {
        let socket = TcpListener::bind("0.0.0.0:0").unwrap();
        let open = socket.local_addr().unwrap();
        let own = ListenAddress::Tcp(([127, 0, 0, 1], open.port()).into());
        let passed = vec![Passed::new("web".into(), socket).unwrap()];
        let handover = Handover { passed, beside: false };
        let error = claim_all([&own, &any()].into_iter(), 1, handover).unwrap_err().to_string();
        let wanted = format!(
            "the socket `web` that was handed over listens on {open}, and no listener of the \
             settings takes it: they name {}, 127.0.0.1:0; write {open} under `listen`, or take it \
             out of the socket unit",
            shown(&own)
        );
        assert_eq!(error, wanted);
    }
}
