//! Asking an endpoint whether it is well.

use super::{Check, Source, Spot};
use crate::control::fetch::reason;
use crate::policy::upstream::{HealthCheck, Protocol, UpstreamAddress};
use crate::tls::UpstreamTls;
use crate::tls::server::H2;
use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Asks once, on a connection of its own. The error says why the answer is no good one, or what is
/// in its way; nothing of a body is in it.
pub(super) async fn ask(source: &Source, spot: &Spot, check: &Check) -> Result<(), String> {
    let (about, request) = (&check.about, request(source, spot, check)?);
    match tokio::time::timeout(about.timeout, exchange(spot, check.protocol, request)).await {
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
    let path = &check.about.path;
    let host = match &check.host {
        Some(host) => host.to_string(),
        None => source.typed[spot.typed].address.authority(),
    };
    // HTTP/2 has both in fields of its own (RFC 9113 section 8.3.1).
    let target = match (check.protocol, &spot.tls) {
        (Protocol::Http1, _) => path.to_string(),
        (Protocol::Http2, None) => format!("http://{host}{path}"),
        (Protocol::Http2, Some(_)) => format!("https://{host}{path}"),
    };
    let request = Request::get(target).body(Empty::new());
    let mut request = request.map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    headers.clone_from(&check.headers);
    if check.protocol == Protocol::Http1 {
        headers.insert(HOST, HeaderValue::from_str(&host).map_err(|error| error.to_string())?);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(USER_AGENT, AGENT);
    Ok(request)
}

async fn exchange(
    spot: &Spot,
    protocol: Protocol,
    request: Request<Empty<Bytes>>,
) -> Result<StatusCode, String> {
    let stream = match &spot.address {
        UpstreamAddress::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(|error| error.to_string())?;
            return over(stream, protocol, request).await;
        }
        UpstreamAddress::Tcp { host, port } | UpstreamAddress::Tls { host, port } => {
            TcpStream::connect((&**host, *port)).await.map_err(|error| error.to_string())?
        }
    };
    match (&spot.tls, &spot.address) {
        (Some(tls), _) => over(shake(tls, protocol, stream).await?, protocol, request).await,
        // Never in clear where the URL says otherwise, whatever went wrong before.
        (None, UpstreamAddress::Tls { .. }) => Err("there is nothing to speak TLS with".to_owned()),
        (None, _) => over(stream, protocol, request).await,
    }
}

/// As for requests: HTTP/2 is what ALPN has chosen, or nothing goes out.
async fn shake(
    tls: &UpstreamTls,
    protocol: Protocol,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, String> {
    let connecting = TlsConnector::from(tls.config.clone()).connect(tls.name.clone(), stream);
    let stream = connecting.await.map_err(|error| reason(&error))?;
    let chosen = stream.get_ref().1.alpn_protocol();
    if protocol == Protocol::Http2 && chosen != Some(H2) {
        return Err("it does not choose HTTP/2".to_owned());
    }
    Ok(stream)
}

/// Sends the request and waits for the head of the answer; the connection ends with this.
async fn over<S>(
    stream: S,
    protocol: Protocol,
    request: Request<Empty<Bytes>>,
) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    let answered = match protocol {
        Protocol::Http1 => {
            let shaken = http1::handshake(stream).await;
            let (mut sender, connection) = shaken.map_err(|error| reason(&error))?;
            answer(sender.send_request(request), connection).await
        }
        Protocol::Http2 => {
            // hyper drives such a connection in a task of its own, which would outlive the question.
            let beside = Beside::default();
            let _ends = Ends(beside.clone());
            let shaken = http2::handshake(beside, stream).await;
            let (mut sender, connection) = shaken.map_err(|error| reason(&error))?;
            answer(sender.send_request(request), connection).await
        }
    };
    answered.map(|answer| answer.status()).map_err(|error| reason(&error))
}

/// Runs what belongs to a connection.
#[derive(Clone, Default)]
struct Beside(Arc<Mutex<Vec<AbortHandle>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Beside {
    fn execute(&self, future: F) {
        let task = tokio::spawn(future).abort_handle();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }
}

/// Ends all of it when dropped, whether the question was answered or given up.
struct Ends(Beside);

impl Drop for Ends {
    fn drop(&mut self) {
        let tasks = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().for_each(AbortHandle::abort);
    }
}

/// The answer, which comes as long as the connection is driven, or when it is over.
async fn answer<T>(answer: impl Future<Output = T>, connection: impl Future) -> T {
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    let mut over = false;
    std::future::poll_fn(|cx| {
        over = over || connection.as_mut().poll(cx).is_ready();
        answer.as_mut().poll(cx)
    })
    .await
}

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION")));
