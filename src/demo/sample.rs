//! The sample API as a server: `/customers` and `/devices`, JSON, in memory.
//!
//! It trusts whoever reaches it, as APIs behind a proxy do, and answers with every field it has.

use super::store::{Command, Fault, Store};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The largest request body in bytes; 413 beyond.
pub const MAX_BODY: usize = 64 * 1024;

/// Connections at the same time; more wait to be accepted.
pub const MAX_CONNECTIONS: usize = 64;

/// A running sample API, on a thread and a runtime of its own. Dropping it ends it.
#[derive(Debug)]
pub struct SampleUpstream {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SampleUpstream {
    /// Starts on a free port of the loopback address.
    pub fn start() -> io::Result<SampleUpstream> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("sample-upstream".into())
            .spawn(move || runtime.block_on(serve(listener, stopped)))?;
        Ok(SampleUpstream { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, as `--upstream` takes it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for SampleUpstream {
    fn drop(&mut self) {
        // Both fail only where the thread has ended already.
        let _ended = self.stop.take().map(|stop| stop.send(()));
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
    let store = Arc::new(Mutex::new(Store::new()));
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let (slot, stream) = tokio::select! {
            accepted = accept(&listener, &slots) => match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors, or a connection that is gone: neither is for ever.
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            _ = &mut stopped => return,
        };
        let store = store.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(&store, request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer);
            // An error here is a client that went away.
            let _client_gone = connection.await;
            drop(slot);
        });
    }
}

/// A connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, TcpStream)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((slot, stream))
}

async fn answer(
    store: &Mutex<Store>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let created = request.method() == Method::POST;
    let outcome = match read(request).await {
        Ok((collection, command)) => {
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            store.run(&collection, command).map_err(|fault| match fault {
                Fault::NotFound => (StatusCode::NOT_FOUND, "there is no such record"),
                Fault::Full => (StatusCode::INSUFFICIENT_STORAGE, "the sample is full"),
            })
        }
        Err(fault) => Err(fault),
    };
    Ok(match outcome {
        Ok(Some(value)) if created => respond(StatusCode::CREATED, &value),
        Ok(Some(value)) => respond(StatusCode::OK, &value),
        Ok(None) => empty(),
        Err((status, error)) => respond(status, &json!({"error": error})),
    })
}

type Refused = (StatusCode, &'static str);

/// What a request asks for, and of which collection.
async fn read(request: Request<Incoming>) -> Result<(String, Command), Refused> {
    let (head, body) = request.into_parts();
    let mut segments = head.uri.path().trim_start_matches('/').split('/');
    let collection = segments.next().unwrap_or_default().to_owned();
    let id = segments.next().map(|text| text.parse().map_err(|_| NOT_FOUND)).transpose()?;
    if segments.next().is_some() {
        return Err(NOT_FOUND);
    }
    let command = match (head.method, id) {
        (Method::GET | Method::HEAD, None) => Command::List,
        (Method::GET | Method::HEAD, Some(id)) => Command::Read(id),
        (Method::POST, None) => Command::Create(object(body).await?),
        (Method::PUT, Some(id)) => Command::Replace(id, object(body).await?),
        (Method::PATCH, Some(id)) => Command::Merge(id, object(body).await?),
        (Method::DELETE, Some(id)) => Command::Delete(id),
        _ => return Err((StatusCode::METHOD_NOT_ALLOWED, "no such method here")),
    };
    Ok((collection, command))
}

async fn object(body: Incoming) -> Result<Map<String, Value>, Refused> {
    let bytes = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"));
        }
        Err(_) => return Err((StatusCode::BAD_REQUEST, "the body is not whole")),
    };
    serde_json::from_slice(&bytes)
        .map_err(|_| (StatusCode::BAD_REQUEST, "the body is no JSON object"))
}

fn respond(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    // The line's end is for people at a terminal.
    let mut response = Response::new(Full::from(format!("{value}\n")));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn empty() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

const NOT_FOUND: Refused = (StatusCode::NOT_FOUND, "there is no such path");

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
