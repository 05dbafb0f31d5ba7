//! The client that asks issuers: for their keys, and what they know of a token. It follows no
//! redirect and gives up within a time and a size; nothing on the way of a request goes through it.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// How long an unused connection is kept: less than most servers keep theirs.
const IDLE: Duration = Duration::from_secs(10);

/// How often the same is asked where the server closes the connection without an answer. To ask for
/// keys, or about a token, changes nothing, so it may be asked twice.
pub const MAX_TRIES: usize = 2;

/// Bytes of the reason that a failure is told with: parts of it may be the server's.
const MAX_REASON: usize = 300;

/// A client for one server.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Pooled<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Why there is no answer. Nothing of an answer's body is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No certificate vouches for any server.
    #[error("the system has no trusted certificates{0}; name a file with `ca`")]
    NoRoots(String),
    /// No connection, or one that was not to be trusted, or that broke.
    #[error("{0}")]
    Failed(String),
    /// Not within the time.
    #[error("no answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// More bytes than are read.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
}

impl Client {
    /// A client that trusts these certificates, or the system's.
    pub fn new(ca: Option<&Arc<RootCertStore>>) -> Result<Client, FetchError> {
        let roots = match ca {
            Some(roots) => roots.clone(),
            None => Arc::new(system_roots()?),
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs has the suites of TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // That `http://` leads to this machine alone has been checked with the policy.
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        let inner = Pooled::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Client { inner })
    }

    /// Sends a request and reads the whole answer.
    pub async fn fetch(
        &self,
        request: Request<Full<Bytes>>,
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        match tokio::time::timeout(timeout, self.exchange(request, max_bytes)).await {
            Ok(answer) => answer,
            Err(_) => Err(FetchError::Timeout(timeout)),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let mut answer = self.inner.request(request.clone()).await;
        for _ in 1..MAX_TRIES {
            match &answer {
                Err(error) if is_closed(error) => {
                    answer = self.inner.request(request.clone()).await;
                }
                _ => break,
            }
        }
        let (head, body) = answer.map_err(|error| FetchError::Failed(reason(&error)))?.into_parts();
        match Limited::new(body, max_bytes).collect().await {
            Ok(whole) => Ok((head.status, whole.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge(max_bytes)),
            Err(error) => Err(FetchError::Failed(reason(&*error))),
        }
    }
}

/// Whether the server has closed the connection without a word: one that was kept open may be closed
/// while the next request is on its way.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    let ends = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof];
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(|error| match error.downcast_ref::<hyper::Error>() {
        Some(error) => error.is_incomplete_message(),
        None => error.downcast_ref::<io::Error>().is_some_and(|error| ends.contains(&error.kind())),
    })
}

fn system_roots() -> Result<RootCertStore, FetchError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    match roots.is_empty() {
        false => Ok(roots),
        true => {
            let first = found.errors.first().map(|error| format!(" ({error})"));
            Err(FetchError::NoRoots(first.unwrap_or_default()))
        }
    }
}

/// An error and what it came from, in a line.
pub(super) fn reason(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let _infallible = write!(text, ": {error}");
        next = error.source();
    }
    let end = text.floor_char_boundary(MAX_REASON.min(text.len()));
    text.truncate(end);
    text
}
