//! Asking an endpoint whether it is well.

use super::{Check, Source, Spot};
use crate::control::fetch::reason;
use crate::policy::upstream::{HealthCheck, UpstreamAddress};
use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Asks once, on a connection of its own. The error says why the answer is no good one, or what is
/// in its way; nothing of a body is in it.
pub(super) async fn ask(source: &Source, spot: &Spot, check: &Check) -> Result<(), String> {
    let (about, request) = (&check.about, request(source, spot, check)?);
    match tokio::time::timeout(about.timeout, exchange(spot, request)).await {
        Ok(Ok(status)) if is_good(status, about) => Ok(()),
        Ok(Ok(status)) => Err(format!("it answers {status}")),
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!("no answer within {}", humantime::format_duration(about.timeout))),
    }
}

fn is_good(status: StatusCode, about: &HealthCheck) -> bool {
    about.status.map_or(status.is_success(), |wanted| status.as_u16() == wanted)
}

fn request(source: &Source, spot: &Spot, check: &Check) -> Result<Request<Empty<Bytes>>, String> {
    let host = match &check.host {
        Some(host) => host.to_string(),
        None => source.typed[spot.typed].address.authority(),
    };
    let agent = HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION")));
    let mut request =
        Request::get(&*check.about.path).body(Empty::new()).map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    headers.clone_from(&check.headers);
    headers.insert(HOST, HeaderValue::from_str(&host).map_err(|error| error.to_string())?);
    headers.insert(USER_AGENT, agent);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

async fn exchange(spot: &Spot, request: Request<Empty<Bytes>>) -> Result<StatusCode, String> {
    let stream = match &spot.address {
        UpstreamAddress::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(|error| error.to_string())?;
            return over(stream, request).await;
        }
        UpstreamAddress::Tcp { host, port } | UpstreamAddress::Tls { host, port } => {
            TcpStream::connect((&**host, *port)).await.map_err(|error| error.to_string())?
        }
    };
    match (&spot.tls, &spot.address) {
        (Some(tls), _) => {
            let connector = TlsConnector::from(tls.config.clone());
            let shaken = connector.connect(tls.name.clone(), stream).await;
            over(shaken.map_err(|error| reason(&error))?, request).await
        }
        // Never in clear where the URL says otherwise, whatever went wrong before.
        (None, UpstreamAddress::Tls { .. }) => Err("there is nothing to speak TLS with".to_owned()),
        (None, _) => over(stream, request).await,
    }
}

/// Sends the request and waits for the head of the answer; the connection ends with this.
async fn over<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| told(&error))?;
    let (mut answer, mut connection) = (pin!(sender.send_request(request)), pin!(connection));
    let mut over = false;
    let answer = std::future::poll_fn(|cx| {
        // An answer may be there although the connection is over.
        over = over || connection.as_mut().poll(cx).is_ready();
        answer.as_mut().poll(cx)
    });
    Ok(answer.await.map_err(|error| told(&error))?.status())
}

fn told(error: &(dyn Error + 'static)) -> String {
    reason(error)
}
