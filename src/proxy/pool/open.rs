//! Opening a connection to an endpoint.

use super::endpoint::{Endpoint, Used};
use super::{Pool, SendError, To};
use crate::policy::upstream::UpstreamAddress;
use crate::proxy::dial::connect;
use crate::proxy::link::Link;
use crate::proxy::socket::Socket;
use crate::proxy::{AtEnd, tls};
use crate::tls::UpstreamTls;

impl Pool {
    /// A connection to the endpoint; or, where none comes about, to another one, once: nothing of
    /// the request has left us.
    pub(super) async fn open_one(&self, to: To<'_>, used: Used) -> Result<(Link, Used), SendError> {
        self.one_of(to, used, async |endpoint| self.open(to, endpoint).await).await
    }

    /// The same of whatever is opened.
    pub(super) async fn one_of<T>(
        &self,
        to: To<'_>,
        used: Used,
        open: impl AsyncFn(&Endpoint) -> Result<T, SendError>,
    ) -> Result<(T, Used), SendError> {
        let failed = match open(&used.0).await {
            Ok(opened) => return Ok((opened, used)),
            Err(failed) => failed,
        };
        self.ails(&used.0);
        let Some(other) = self.best(to, Some(&used.0)) else { return Err(failed) };
        drop(used);
        let used = Used::new(other, self.limits.requests)?;
        let opened = open(&used.0).await.inspect_err(|_| self.ails(&used.0))?;
        Ok((opened, used))
    }

    async fn open(&self, to: To<'_>, endpoint: &Endpoint) -> Result<Link, SendError> {
        let (socket, closed) = self.socket(to, endpoint).await?;
        Ok(Link::new(socket, self.clock.deadline(), closed))
    }

    /// A socket over which HTTP can be spoken, and what tells that it is gone.
    pub(super) async fn socket(
        &self,
        to: To<'_>,
        endpoint: &Endpoint,
    ) -> Result<(Socket, AtEnd), SendError> {
        let (address, patience) = (&endpoint.address, self.times_of(to).connect);
        let socket = match tokio::time::timeout(patience, connect(address)).await {
            Ok(socket) => {
                socket.inspect_err(|why| endpoint.tell(why)).map_err(|_| SendError::Failed)?
            }
            Err(_) => {
                endpoint.tell("it was waited for too long");
                return Err(SendError::Timeout);
            }
        };
        let socket = match (&endpoint.tls, address) {
            (Some(tls), _) => self.shake(endpoint, tls, socket).await?,
            // Never in clear where the URL says otherwise, whatever went wrong before.
            (None, UpstreamAddress::Tls { .. }) => return Err(SendError::Failed),
            (None, _) => socket,
        };
        self.recorder.upstream_opened();
        let closed = AtEnd(self.recorder.clone(), |recorder| recorder.upstream_closed());
        Ok((socket, closed))
    }

    async fn shake(
        &self,
        endpoint: &Endpoint,
        tls: &UpstreamTls,
        socket: Socket,
    ) -> Result<Socket, SendError> {
        match tokio::time::timeout(self.limits.handshake, tls::connect(tls, socket)).await {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(why)) => {
                endpoint.tell(format_args!("no TLS: {why}"));
                Err(SendError::Failed)
            }
            Err(_) => Err(SendError::Timeout),
        }
    }
}
