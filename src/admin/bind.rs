//! Taking the admin address, before anything else runs: a failure here ends the start.

use crate::settings::ListenAddress;
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// An address that is ours, not yet served.
#[derive(Debug)]
pub struct Bound {
    pub(super) socket: Socket,
    address: ListenAddress,
}

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Why the admin listener cannot listen. Shown to the user as it is.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Anybody on the network could ask.
    #[error(
        "the admin listener has no authentication, so `{0}` would let the whole network ask it; \
         use a loopback address such as `127.0.0.1:8081`, or `unix:/path`"
    )]
    NotLoopback(SocketAddr),
    /// The system refused.
    #[error("the admin listener cannot listen on `{address}`: {error}")]
    Io {
        /// The address as people write it.
        address: String,
        /// What the system said.
        error: io::Error,
    },
}

/// Takes an address. Port 0 takes a free one; see [`Bound::address`].
pub fn bind(address: &ListenAddress) -> Result<Bound, BindError> {
    match address {
        ListenAddress::Tcp(wanted) if !wanted.ip().to_canonical().is_loopback() => {
            Err(BindError::NotLoopback(*wanted))
        }
        ListenAddress::Tcp(wanted) => {
            tcp(*wanted).map_err(|error| BindError::Io { address: wanted.to_string(), error })
        }
        ListenAddress::Unix(path) => unix(path).map_err(|error| {
            let address = format!("unix:{}", path.display());
            BindError::Io { address, error }
        }),
    }
}

impl Bound {
    /// The address that was taken, with its real port.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }
}

fn tcp(wanted: SocketAddr) -> io::Result<Bound> {
    let socket = TcpListener::bind(wanted)?;
    socket.set_nonblocking(true)?;
    let address = ListenAddress::Tcp(socket.local_addr()?);
    Ok(Bound { socket: Socket::Tcp(socket), address })
}

fn unix(path: &Path) -> io::Result<Bound> {
    remove_dead_socket(path)?;
    let socket = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.set_nonblocking(true)?;
    Ok(Bound { socket: Socket::Unix(socket), address: ListenAddress::Unix(PathBuf::from(path)) })
}

/// A socket that a killed process left behind answers nobody and would be in the way for ever.
/// One that answers, and anything that is no socket, stays.
fn remove_dead_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() && UnixStream::connect(path).is_err() => {
            fs::remove_file(path)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> ListenAddress {
        ListenAddress::Tcp(text.parse().expect(text))
    }

    #[test]
    fn p16_only_loopback_addresses_are_taken() {
        for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0", "[::ffff:10.0.0.1]:0"]
        {
            let error = bind(&tcp(open)).expect_err(open);
            assert!(matches!(error, BindError::NotLoopback(_)), "{error}");
            assert!(error.to_string().contains("no authentication"), "{error}");
        }
        for local in ["127.0.0.1:0", "127.0.0.2:0"] {
            let bound = bind(&tcp(local)).expect(local);
            let ListenAddress::Tcp(address) = bound.address() else { panic!("TCP was asked for") };
            assert_ne!(address.port(), 0);
        }
    }

    #[test]
    fn p15_a_second_instance_fails_and_names_the_address() {
        let first = bind(&tcp("127.0.0.1:0")).unwrap();
        let ListenAddress::Tcp(taken) = first.address() else { panic!("TCP was asked for") };
        let error = bind(&ListenAddress::Tcp(*taken)).unwrap_err().to_string();
        assert!(error.contains(&taken.to_string()), "{error}");
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let address = ListenAddress::Unix(path.clone());
        let first = bind(&address).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(bind(&address).is_err(), "it is in use");
        drop(first);
        assert!(bind(&address).is_ok(), "nobody answers there");
        let file = folder.path().join("file");
        fs::write(&file, "kept").unwrap();
        assert!(bind(&ListenAddress::Unix(file.clone())).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    }
}
