//! Sockets that somebody else has opened for this process: systemd, or whoever starts a new process
//! beside an old one. They listen before it runs and after it has ended, so that no connection meets
//! a closed door in between.

use super::listener::{Listener, shown};
use crate::settings::ListenAddress;
use socket2::{Socket, Type};
use std::io;
use std::os::fd::OwnedFd;

/// A listening socket that was handed over.
#[derive(Debug)]
pub struct Passed {
    /// What whoever opened it calls it, for messages.
    pub(super) name: String,
    pub(super) address: ListenAddress,
    socket: Socket,
}

/// Why a socket that was handed over is none to accept from; shown to the user.
#[derive(Debug, thiserror::Error)]
pub enum PassedError {
    /// A datagram socket, a connection, or one that was only bound.
    #[error(
        "the socket `{0}` that was handed over does not listen for connections; let its unit say \
         `ListenStream=` and `Accept=no`"
    )]
    NotListening(String),
    /// Of another family, or without a path.
    #[error(
        "the socket `{0}` that was handed over has no address and port, and no path; only these \
         can stand under `listen`"
    )]
    NoAddress(String),
    /// No listener of the settings is there, but at these addresses.
    #[error(
        "the socket `{0}` that was handed over listens on {at}, and no listener of the settings \
         takes it: they name {2}; write {at} under `listen`, or take it out of the socket unit",
        at = shown(.1)
    )]
    Unnamed(String, ListenAddress, String),
    /// Anything else.
    #[error("the socket `{0}` that was handed over cannot be used: {1}")]
    Io(String, io::Error),
}

impl Passed {
    /// Looks at a socket that was handed over by this name.
    pub fn new(name: String, socket: impl Into<OwnedFd>) -> Result<Passed, PassedError> {
        let socket = Socket::from(socket.into());
        match look(&socket) {
            Ok((true, Some(address))) => Ok(Passed { name, address, socket }),
            Ok((true, None)) => Err(PassedError::NoAddress(name)),
            Ok((false, _)) => Err(PassedError::NotListening(name)),
            Err(error) => Err(PassedError::Io(name, error)),
        }
    }

    /// A listener for each worker, all with the one queue. A socket of TCP also loses Nagle's delay,
    /// as ours do.
    pub(super) fn listeners(self, workers: usize) -> io::Result<Vec<Listener>> {
        let Passed { address, socket, .. } = self;
        socket.set_nonblocking(true)?;
        let listener = |socket: Socket| match address {
            ListenAddress::Tcp(_) => Listener::Tcp(socket.into()),
            ListenAddress::Unix(_) => Listener::Unix(socket.into()),
        };
        if matches!(address, ListenAddress::Tcp(_)) {
            socket.set_tcp_nodelay(true)?;
        }
        let mut listeners = Vec::with_capacity(workers);
        for _ in 1..workers {
            listeners.push(listener(socket.try_clone()?));
        }
        listeners.push(listener(socket));
        Ok(listeners)
    }
}

/// Whether it listens, and where.
fn look(socket: &Socket) -> io::Result<(bool, Option<ListenAddress>)> {
    let listens = socket.r#type()? == Type::STREAM && socket.is_listener()?;
    let local = socket.local_addr()?;
    let path = || local.as_pathname().map(|path| ListenAddress::Unix(path.to_owned()));
    Ok((listens, local.as_socket().map(ListenAddress::Tcp).or_else(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixListener;

    fn passed(socket: impl Into<OwnedFd>) -> Result<Passed, PassedError> {
        Passed::new("web".to_owned(), socket)
    }

    #[test]
    fn p15_what_listens_is_known_by_its_address() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let taken = passed(tcp).unwrap();
        assert_eq!(taken.address, ListenAddress::Tcp(address));
        let listeners = taken.listeners(3).unwrap();
        assert!(listeners.iter().all(|one| matches!(one, Listener::Tcp(_))));
        assert_eq!(listeners.len(), 3);
        TcpStream::connect(address).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        let taken = passed(UnixListener::bind(&path).unwrap()).unwrap();
        assert_eq!(taken.address, ListenAddress::Unix(path));
        assert!(matches!(taken.listeners(1).unwrap()[..], [Listener::Unix(_)]));
    }

    #[test]
    fn p15_what_does_not_listen_is_refused() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(matches!(passed(udp), Err(PassedError::NotListening(_))));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let error = passed(connection).unwrap_err();
        assert!(error.to_string().contains("`web`"), "{error}");
        let file = tempfile::tempfile().unwrap();
        assert!(matches!(passed(file), Err(PassedError::Io(..))));
    }

    #[test]
    fn p15_a_socket_without_a_path_cannot_be_named() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("portcullis-test/{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        assert!(matches!(passed(listener), Err(PassedError::NoAddress(_))));
    }
}
