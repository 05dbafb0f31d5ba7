//! Connections of load balancers, which say first for whom they connect.

use super::connection::{self, opening};
use super::pool::TELL_AGAIN;
use super::proxy_protocol::{self, Announced, FIXED, Malformed};
use super::socket::Socket;
use super::worker::Worker;
use crate::control::store::LiveTls;
use crate::identity::Peer;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

/// Why a connection is closed before anything of it is read as a request.
#[derive(Debug, thiserror::Error)]
enum NotAnnounced {
    /// As of a load balancer that looks whether somebody listens.
    #[error("the connection ended before its first byte")]
    Silent,
    #[error("it has said nothing in time")]
    Late,
    #[error("the connection ended: {0}")]
    Ended(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Serves a connection for the client that its peer names, to its end.
pub(super) async fn serve(
    worker: Rc<Worker>,
    mut socket: Socket,
    balancer: Peer,
    tls: Option<Arc<LiveTls>>,
) {
    let client = match header(&worker, &mut socket).await {
        Ok(Announced::Client(address)) => Peer::Ip(address),
        Ok(Announced::Itself) => balancer,
        Err(NotAnnounced::Silent) => return,
        Err(why) => return refuse(&worker, balancer, &why),
    };
    let Some(_of_source) = worker.sources.count(client) else { return };
    connection::serve(worker, socket, client, tls).await;
}

/// Reads the header and not a byte more: TLS, or a request, begins right behind it.
async fn header(worker: &Worker, socket: &mut Socket) -> Result<Announced, NotAnnounced> {
    let deadline = worker.clock.deadline();
    deadline.set(worker.limits.handshake);
    let reading = opening(worker, &deadline, async {
        let mut fixed = [0; FIXED];
        let begun = socket.read(&mut fixed).await?;
        if begun == 0 {
            return Err(NotAnnounced::Silent);
        }
        socket.read_exact(&mut fixed[begun..]).await?;
        let mut rest = vec![0; proxy_protocol::length(&fixed)?];
        socket.read_exact(&mut rest).await?;
        Ok(proxy_protocol::read(&fixed, &rest)?)
    });
    reading.await.unwrap_or(Err(NotAnnounced::Late))
}

/// Whoever operates the listener has listed this peer, so the log hears of it, now and then.
fn refuse(worker: &Worker, balancer: Peer, why: &NotAnnounced) {
    worker.recorder.not_announced();
    if worker.silent_told.get().is_some_and(|told| told.elapsed() < TELL_AGAIN) {
        return;
    }
    worker.silent_told.set(Some(Instant::now()));
    let peer = balancer.address().map_or_else(|| "unix".to_owned(), |address| address.to_string());
    tracing::warn!(
        peer,
        "a peer that `proxy_protocol` lists is to say for whom it connects, and its connection is \
         closed: {why}"
    );
}
