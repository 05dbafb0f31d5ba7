//! Calls of gRPC in a soak: an upstream that speaks HTTP/2 and says again what it hears, and the
//! client of it.

use super::clients::{ALL, Target};
use super::tally::{Came, Of};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Calls that one connection serves: others then have faults of their own.
const A_CONNECTION: usize = 30;

/// Calls of a turn, one after the other: a fault costs one of them.
const A_TURN: usize = 10;

/// What is said in a call, each time once the last has been heard again.
const WORDS: usize = 3;

/// Longer than any limit of the proxy.
const PATIENCE: Duration = Duration::from_secs(15);

const SAY: &str = "/rpc.Echo/Say";

/// Listens until the test's process ends.
pub fn start(violations: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    listener.set_nonblocking(true).expect("a socket");
    std::thread::spawn(move || {
        tokio::task::LocalSet::new().block_on(&runtime(), async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let violations = violations.clone();
                tokio::task::spawn_local(async move {
                    let _cut_by_a_fault = serve(stream, &violations).await;
                });
            }
        });
    });
    address
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn serve(
    stream: tokio::net::TcpStream,
    violations: &Mutex<Vec<String>>,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    let mut number = 0;
    while let Some(call) = connection.accept().await {
        let (call, respond) = call?;
        number += 1;
        if call.uri().path() != SAY {
            violations.lock().unwrap().push(format!("{} {}", call.method(), call.uri()));
        }
        tokio::task::spawn_local(async move {
            let _cut_by_a_fault = echo(call, respond).await;
        });
        if number == A_CONNECTION {
            connection.graceful_shutdown();
        }
    }
    Ok(())
}

async fn echo(
    call: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let head = Response::builder().header("content-type", "application/grpc").body(());
    let mut stream = respond.send_response(head.expect("a head"), false)?;
    let mut body = call.into_body();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        stream.send_data(data, false)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}

/// Calls on one connection, one after the other, and one that is granted to nobody.
pub fn calls(to: &Target, turn: usize, of: &Of<'_>) {
    runtime().block_on(async {
        let Ok((sender, connection)) = open(to.plain).await else {
            return of.count(Came::Wrong("no connection".to_owned()), Duration::ZERO);
        };
        let connection = tokio::spawn(connection);
        for number in 0..A_TURN {
            let start = Instant::now();
            let path = if number == 0 { "/rpc.Echo/Other" } else { SAY };
            let talk = tokio::time::timeout(PATIENCE, talk(&sender, path, turn * A_TURN + number));
            let came = talk.await.unwrap_or(Ok(Came::Wrong("no end".to_owned())));
            let came = came.unwrap_or_else(|error| Came::Lost(error.to_string()));
            let came = match (number, came) {
                (0, Came::Wrong(why)) if why.starts_with("403 ") => Came::Right,
                (0, came) => Came::Wrong(format!("not 403 but {came:?}")),
                (_, came) => came,
            };
            of.count(came, start.elapsed());
        }
        connection.abort();
    });
}

type Opened = (SendRequest<Bytes>, h2::client::Connection<tokio::net::TcpStream>);

async fn open(to: SocketAddr) -> Result<Opened, Box<dyn std::error::Error>> {
    Ok(h2::client::handshake(tokio::net::TcpStream::connect(to).await?).await?)
}

/// One call: what is said is heard again, word by word, and the trailers say that this was all.
async fn talk(sender: &SendRequest<Bytes>, path: &str, number: usize) -> Result<Came, h2::Error> {
    let call = Request::post(format!("http://a.test{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header(ALL.0, ALL.1);
    let mut sender = sender.clone().ready().await?;
    let (response, mut stream) = sender.send_request(call.body(()).expect("a call"), false)?;
    let mut word = said(number, 0);
    stream.send_data(word.clone(), false)?;
    let (head, mut body) = response.await?.into_parts();
    match head.status.as_u16() {
        200 => {}
        status @ (502 | 504) => return Ok(Came::Lost(status.to_string())),
        status => return Ok(Came::Wrong(format!("{status} {:?}", head.headers))),
    }
    for next in 1..=WORDS {
        let mut heard = Vec::new();
        while heard.len() < word.len() {
            let Some(data) = body.data().await else {
                return Ok(Came::Odd(format!("ended after {} bytes", heard.len())));
            };
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            heard.extend_from_slice(&data);
        }
        if heard != word {
            return Ok(Came::Odd("another echo".to_owned()));
        }
        word = said(number, next);
        let last = next == WORDS;
        stream.send_data(if last { Bytes::new() } else { word.clone() }, last)?;
    }
    if let Some(more) = body.data().await {
        return Ok(Came::Odd(format!("{} bytes too many", more?.len())));
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    Ok(match trailers.get("grpc-status") {
        Some(status) if status == "0" => Came::Right,
        _ => Came::Odd(format!("the trailers are {trailers:?}")),
    })
}

fn said(number: usize, word: usize) -> Bytes {
    format!("{number} {word} {}", "x".repeat(word * 700)).into()
}
