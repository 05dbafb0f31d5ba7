//! The handshake with a client.

use super::Secure;
use super::shown::Shown;
use crate::control::store::LiveTls;
use crate::proxy::connection::opening;
use crate::proxy::socket::Socket;
use crate::proxy::worker::Worker;
use crate::tls::server::H2;
use crate::tls::{Handshake, HandshakeFault};
use rustls::HandshakeKind;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_rustls::{TlsAcceptor, TlsStream};

/// Shakes hands, within the limit. What comes of it is counted; the log hears of a failure only
/// where it is asked for, because whoever can connect can fail.
pub(in crate::proxy) async fn accept(
    worker: &Worker,
    socket: Socket,
    tls: &LiveTls,
) -> Option<(Socket, Secure)> {
    let result = shake(worker, socket, tls).await;
    match result {
        Ok((socket, secure, kind)) => {
            worker.recorder.handshake(kind);
            Some((socket, secure))
        }
        Err((fault, error)) => {
            let error = error.map(tracing::field::display);
            tracing::debug!(error, "a TLS handshake failed: {}", Handshake::Failed(fault).as_str());
            worker.recorder.handshake(Handshake::Failed(fault));
            None
        }
    }
}

type Failed = (HandshakeFault, Option<io::Error>);

async fn shake(
    worker: &Worker,
    socket: Socket,
    tls: &LiveTls,
) -> Result<(Socket, Secure, Handshake), Failed> {
    let tls = tls.load();
    let deadline = worker.clock.deadline();
    deadline.set(worker.limits.handshake);
    let accepting = TlsAcceptor::from(tls.config.clone()).accept(socket);
    let stream = match opening(worker, &deadline, accepting).await {
        Some(Ok(stream)) => stream,
        Some(Err(error)) => return Err((HandshakeFault::of(&error), Some(error))),
        None => return Err((HandshakeFault::Timeout, None)),
    };
    let connection = stream.get_ref().1;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    if resumed {
        let chain = connection.peer_certificates();
        tls.clients.admits(chain, now).map_err(|fault| (fault, None))?;
    }
    let secure = Secure {
        name: connection.server_name().map(Box::from),
        shown: connection.peer_certificates().and_then(Shown::new),
        http2: connection.alpn_protocol() == Some(H2),
    };
    let kind = if resumed { Handshake::Resumed } else { Handshake::Full };
    Ok((Socket::Tls(Box::new(TlsStream::Server(stream))), secure, kind))
}
