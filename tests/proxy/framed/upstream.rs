//! An upstream that speaks HTTP/2 with prior knowledge, records what comes, and answers by a script.

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::UnboundedReceiver;

/// Dropped, it stops at once.
pub(crate) struct Framed {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub connection: usize,
    pub method: String,
    pub scheme: String,
    pub authority: String,
    pub path: String,
    pub head: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
    pub end: End,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It goes on.
    Open,
    Whole,
    Reset(Option<Reason>),
}

/// What is said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub status: u16,
    pub fields: Vec<(&'static str, String)>,
    pub body: Vec<Bytes>,
    pub trailers: Vec<(&'static str, &'static str)>,
}

/// What to do about a request.
pub(crate) enum Answer {
    /// This, once the request is whole.
    Say(Said),
    /// This, at once.
    Early(Said),
    /// Every piece as it comes, and the trailers.
    Echo,
    /// A 200 and these pieces when they are sent; then `grpc-status: 0` in trailers.
    Pieces(UnboundedReceiver<Bytes>),
    /// The stream is reset at once.
    Reset(Reason),
    /// Nothing, until the stream is given up.
    Silence,
}

type Script = Arc<dyn Fn(usize, &Seen) -> Answer + Send + Sync>;

impl Framed {
    /// Answers the nth request of all with `script(n, head)`.
    pub fn scripted(script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> Framed {
        Framed::limited(u32::MAX, script)
    }

    /// The same, which takes so many streams at once.
    pub fn limited(
        streams: u32,
        script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static,
    ) -> Framed {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (seen, connections, closed) = (Arc::default(), Arc::default(), Arc::default());
        let own = Own {
            seen: Arc::clone(&seen),
            script: Arc::new(script),
            streams,
            closed: Arc::clone(&closed),
        };
        let count: Arc<AtomicUsize> = Arc::clone(&connections);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                tokio::select! {
                    () = accept(listener, own, count) => {}
                    _ = stopped => {}
                }
            });
        });
        Framed { address, seen, connections, closed, stop: Some(stop), thread: Some(thread) }
    }

    /// Gives a JSON document to everything.
    pub fn json(body: &'static str) -> Framed {
        Framed::scripted(move |_, _| Answer::Say(Said::json(body)))
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request there was.
    #[track_caller]
    pub fn only_request(&self) -> Seen {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }

    /// Nothing may have arrived, not even a connection.
    #[track_caller]
    pub fn assert_untouched(&self) {
        assert_eq!((self.requests().len(), self.connections()), (0, 0));
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

impl Drop for Framed {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked_already_reported = thread.join();
        }
    }
}

impl Said {
    pub fn json(body: impl Into<Bytes>) -> Said {
        let fields = vec![("content-type", "application/json".to_owned())];
        Said { status: 200, fields, body: vec![body.into()], trailers: vec![] }
    }

    /// A gRPC response of these messages.
    pub fn grpc(messages: &[&'static str], status: &'static str) -> Said {
        let fields = vec![("content-type", "application/grpc".to_owned())];
        let body = messages.iter().map(|text| Bytes::from_static(text.as_bytes())).collect();
        Said { status: 200, fields, body, trailers: vec![("grpc-status", status)] }
    }

    fn head(&self) -> Response<()> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.fields {
            response = response.header(*name, value);
        }
        response.body(()).unwrap()
    }

    fn send(&self, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
        let last = self.body.is_empty() && self.trailers.is_empty();
        let mut stream = respond.send_response(self.head(), last)?;
        for (at, piece) in self.body.iter().enumerate() {
            let last = at + 1 == self.body.len() && self.trailers.is_empty();
            stream.send_data(piece.clone(), last)?;
        }
        match self.trailers.is_empty() {
            true => Ok(()),
            false => stream.send_trailers(map(&self.trailers)),
        }
    }
}

pub(crate) fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &'static str)| {
        (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
    };
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        map.append(name, value);
    }
    map
}

#[derive(Clone)]
struct Own {
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Script,
    streams: u32,
    closed: Arc<AtomicUsize>,
}

async fn accept(listener: TcpListener, own: Own, connections: Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let connection = connections.fetch_add(1, Ordering::SeqCst);
        let own = own.clone();
        tokio::spawn(async move {
            let closed = own.closed.clone();
            // How a connection ends is the test's to judge.
            let _ = converse(socket, connection, own).await;
            closed.fetch_add(1, Ordering::SeqCst);
        });
    }
}

async fn converse(
    socket: tokio::net::TcpStream,
    connection: usize,
    own: Own,
) -> Result<(), h2::Error> {
    let mut builder = h2::server::Builder::new();
    if own.streams < u32::MAX {
        builder.max_concurrent_streams(own.streams);
    }
    let mut server = builder.handshake::<_, Bytes>(socket).await?;
    while let Some(request) = server.accept().await {
        let (request, respond) = request?;
        let at = record(&own, connection, &request);
        let answer = {
            let seen = own.seen.lock().unwrap()[at].clone();
            (own.script)(at, &seen)
        };
        let own = own.clone();
        tokio::spawn(async move {
            let end = match one(answer, request.into_body(), respond, &own, at).await {
                Ok(()) => End::Whole,
                Err(error) => End::Reset(error.reason()),
            };
            own.seen.lock().unwrap()[at].end = end;
        });
    }
    Ok(())
}

fn record(own: &Own, connection: usize, request: &Request<RecvStream>) -> usize {
    let uri = request.uri();
    let text = |part: Option<&str>| part.unwrap_or("").to_owned();
    let mut seen = own.seen.lock().unwrap();
    seen.push(Seen {
        connection,
        method: request.method().to_string(),
        scheme: text(uri.scheme_str()),
        authority: text(uri.authority().map(|authority| authority.as_str())),
        path: text(uri.path_and_query().map(|target| target.as_str())),
        head: request.headers().clone(),
        body: Vec::new(),
        trailers: None,
        end: End::Open,
    });
    seen.len() - 1
}

async fn one(
    answer: Answer,
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
    own: &Own,
    at: usize,
) -> Result<(), h2::Error> {
    match answer {
        Answer::Say(said) => {
            read(&mut body, own, at).await?;
            said.send(respond)
        }
        Answer::Early(said) => {
            said.send(respond)?;
            read(&mut body, own, at).await
        }
        Answer::Reset(reason) => {
            respond.send_reset(reason);
            Ok(())
        }
        Answer::Silence => {
            let reset = std::future::poll_fn(|cx| respond.poll_reset(cx)).await?;
            Err(reset.into())
        }
        Answer::Echo => echo(body, respond, own, at).await,
        Answer::Pieces(pieces) => say(pieces, respond).await,
    }
}

async fn read(body: &mut RecvStream, own: &Own, at: usize) -> Result<(), h2::Error> {
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        own.seen.lock().unwrap()[at].body.extend_from_slice(&data);
    }
    own.seen.lock().unwrap()[at].trailers = body.trailers().await?;
    Ok(())
}

async fn echo(
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
    own: &Own,
    at: usize,
) -> Result<(), h2::Error> {
    let head = Said::grpc(&[], "0").head();
    let mut stream = respond.send_response(head, false)?;
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        own.seen.lock().unwrap()[at].body.extend_from_slice(&data);
        stream.send_data(data, false)?;
    }
    let trailers = body.trailers().await?;
    own.seen.lock().unwrap()[at].trailers = trailers;
    stream.send_trailers(map(&[("grpc-status", "0"), ("grpc-message", "done")]))
}

async fn say(
    mut pieces: UnboundedReceiver<Bytes>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let mut stream = respond.send_response(Said::grpc(&[], "0").head(), false)?;
    loop {
        let piece = tokio::select! {
            piece = pieces.recv() => piece,
            reset = std::future::poll_fn(|cx| stream.poll_reset(cx)) => return Err(reset?.into()),
        };
        match piece {
            Some(piece) => stream.send_data(piece, false)?,
            None => return stream.send_trailers(map(&[("grpc-status", "0")])),
        }
    }
}
