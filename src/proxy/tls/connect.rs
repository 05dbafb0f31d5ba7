//! The handshake with an upstream.

use crate::proxy::socket::Socket;
use crate::tls::UpstreamTls;
use rustls::Error;
use std::io;
use tokio_rustls::{TlsConnector, TlsStream};

/// Shakes hands, and verifies. The error says why there is no connection, for the log.
pub(in crate::proxy) async fn connect(tls: &UpstreamTls, socket: Socket) -> Result<Socket, String> {
    let connecting = TlsConnector::from(tls.config.clone()).connect(tls.name.clone(), socket);
    match connecting.await {
        Ok(stream) => Ok(Socket::Tls(Box::new(TlsStream::Client(stream)))),
        Err(error) => Err(why(tls, &error)),
    }
}

fn why(tls: &UpstreamTls, error: &io::Error) -> String {
    let known = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match known {
        Some(Error::InvalidCertificate(fault)) => {
            format!("certificate not trusted for {}: {fault}", tls.name.to_str())
        }
        Some(Error::AlertReceived(alert)) => {
            format!("{} refuses us: {alert:?}", tls.name.to_str())
        }
        _ => format!("{}: {error}", tls.name.to_str()),
    }
}
