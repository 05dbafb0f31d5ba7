//! One connection, TCP or Unix socket, seen alike.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A blocking stream.
#[derive(Debug)]
pub enum Conn {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Conn {
    /// Connects over TCP; small writes go out at once.
    pub fn tcp(address: SocketAddr) -> io::Result<Conn> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Conn::Tcp(stream))
    }

    /// Connects to a Unix socket.
    pub fn unix(path: &Path) -> io::Result<Conn> {
        UnixStream::connect(path).map(Conn::Unix)
    }

    /// A second handle to the same connection.
    pub fn try_clone(&self) -> io::Result<Conn> {
        match self {
            Conn::Tcp(stream) => stream.try_clone().map(Conn::Tcp),
            Conn::Unix(stream) => stream.try_clone().map(Conn::Unix),
        }
    }

    /// Closes a direction, or both, for every handle. A connection that is gone already is closed.
    pub fn shutdown(&self, how: Shutdown) {
        let _gone_already = match self {
            Conn::Tcp(stream) => stream.shutdown(how),
            Conn::Unix(stream) => stream.shutdown(how),
        };
    }
}

/// Waits until reading (or accepting) would not block; `false` when the time is over first.
pub fn wait_readable(what: &impl AsFd, wait: Option<Duration>) -> io::Result<bool> {
    let wait = wait.map(|wait| Timespec::try_from(wait).expect("a short time"));
    loop {
        let mut one = [PollFd::new(what, PollFlags::IN)];
        match poll(&mut one, wait.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl AsFd for Conn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Conn::Tcp(stream) => stream.as_fd(),
            Conn::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for Conn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Conn::Tcp(stream) => stream.read(buffer),
            Conn::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Conn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Conn::Tcp(stream) => stream.write(bytes),
            Conn::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Conn::Tcp(stream) => stream.flush(),
            Conn::Unix(stream) => stream.flush(),
        }
    }
}
