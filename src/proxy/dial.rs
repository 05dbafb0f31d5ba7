//! Opening a socket to an upstream.

use super::socket::Socket;
use crate::policy::upstream::UpstreamAddress;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpStream, UnixStream};

/// A connected socket, in clear. Takes as long as it takes.
pub(super) async fn connect(address: &UpstreamAddress) -> io::Result<Socket> {
    match address {
        UpstreamAddress::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
        UpstreamAddress::Tcp { host, port } | UpstreamAddress::Tls { host, port } => {
            let stream = match host.parse::<IpAddr>() {
                Ok(address) => TcpStream::connect(SocketAddr::new(address, *port)).await?,
                Err(_) => connect_by_name(host, *port).await?,
            };
            stream.set_nodelay(true)?;
            Ok(Socket::Tcp(stream))
        }
    }
}

/// Looks a name up anew for every connection, and tries the addresses in the resolver's order.
async fn connect_by_name(host: &Arc<str>, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in tokio::net::lookup_host((&**host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
