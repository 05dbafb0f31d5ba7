//! The clients of a soak, a kind a thread. Each turn asks for something of which it is known what
//! either policy makes of it.

use super::framed;
use super::tally::{Came, Of};
use super::upstream::{digest, shown, shown_list};
use crate::support::client::head;
use crate::support::tls::TlsClient;
use crate::support::{Client, h2};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Where to ask.
pub struct Target {
    pub plain: SocketAddr,
    pub secure: SocketAddr,
    pub tls: TlsClient,
}

/// What one kind of client does, again and again.
pub type Turn = fn(&Target, usize, &Of<'_>);

pub const KINDS: [(&str, Turn); 10] = [
    ("http/1", things),
    ("http/2", streams),
    ("tls", under_tls),
    ("list", list),
    ("slow reader", slow_reader),
    ("write", writes),
    ("refused", refused),
    ("upload", uploads),
    ("websocket", websocket),
    ("grpc", framed::calls),
];

/// A client waits longer than any limit of the proxy before it gives up.
const PATIENCE: Duration = Duration::from_secs(15);

const ENG: (&str, &str) = ("X-API-Key", "eng");
pub const ALL: (&str, &str) = ("X-API-Key", "all");

/// Twenty requests on one connection, unless it breaks.
fn things(to: &Target, turn: usize, of: &Of<'_>) {
    let mut client = Client::connect(to.plain);
    for number in 0..20 {
        let number = turn % 50 + number;
        let start = Instant::now();
        let asked = client.try_send(head("GET", &format!("/things/{number}"), &[ENG], None));
        let came = asked.map_err(|error| error.to_string()).and_then(|()| answer(&mut client));
        let broken = !matches!(came, Ok((200, _)));
        of.count(judge(came, |body| is_thing(body, number)), start.elapsed());
        if broken {
            return;
        }
    }
}

/// Ten at once, one of them to what is granted half of the time.
fn streams(to: &Target, turn: usize, of: &Of<'_>) {
    let start = Instant::now();
    let request = |number: usize| match number {
        0 => h2::request(to.plain, "GET", "/flip", &[ALL], ""),
        _ => h2::request(to.plain, "GET", &format!("/things/{}", turn + number), &[ENG], ""),
    };
    let outcomes = h2::call_all(to.plain, (0..10).map(request).collect());
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let came = outcome.map(|whole| (whole.status, text(&whole.body)));
        let came = match (number, came) {
            (0, Ok((200 | 403, _))) => Came::Right,
            (0, came) => judge(came, |_| false),
            (_, came) => judge(came, |body| is_thing(body, turn + number)),
        };
        of.count(came, start.elapsed());
    }
}

fn under_tls(to: &Target, turn: usize, of: &Of<'_>) {
    let number = turn % 1_000;
    let start = Instant::now();
    let fields = [("Host", "a.test"), ("Connection", "close"), ENG];
    let asked = to.tls.ask(to.secure, &head("GET", &format!("/things/{number}"), &fields, None));
    let came = asked.map_err(|error| error.to_string()).and_then(|shaken| parse(&shaken.answer));
    of.count(judge(came, |body| is_thing(body, number)), start.elapsed());
}

fn list(to: &Target, _: usize, of: &Of<'_>) {
    once(of, to, head("GET", "/list", &[ENG], None).as_bytes(), is_list);
}

/// Takes its answer in small pieces, with pauses.
fn slow_reader(to: &Target, _: usize, of: &Of<'_>) {
    let start = Instant::now();
    let mut stream = connect(to);
    let request = head("GET", "/list", &[ENG, ("Connection", "close")], None);
    let mut seen = Vec::new();
    let mut chunk = [0; 700];
    let mut read = stream.write_all(request.as_bytes()).map(|()| 1);
    while matches!(read, Ok(1..)) {
        std::thread::sleep(Duration::from_millis(5));
        read = stream.read(&mut chunk);
        seen.extend_from_slice(&chunk[..*read.as_ref().unwrap_or(&0)]);
    }
    let came = read.map_err(|error| error.to_string()).and_then(|_| parse(&text(&seen)));
    of.count(judge(came, is_list), start.elapsed());
}

/// What may be written, in pieces, and its echo.
fn writes(to: &Target, turn: usize, of: &Of<'_>) {
    let number = turn % 1_000;
    let body = format!("{{\"note\": \"{turn}\"}}");
    let request = patch(number, &body);
    once(of, to, request.as_bytes(), |body| is_thing(body, number));
}

/// What neither policy allows: it must be refused, and nothing can lose it.
fn refused(to: &Target, turn: usize, of: &Of<'_>) {
    let request = match turn % 3 {
        0 => head("GET", "/denied", &[ENG], None),
        1 => patch(turn, "{\"note\": \"x\", \"secret\": \"mine\"}"),
        _ => head("DELETE", "/things/1", &[ENG], None),
    };
    let start = Instant::now();
    let mut client = Client::connect(to.plain);
    let sent = client.try_send(request).map_err(|error| error.to_string());
    let came = match sent.and_then(|()| answer(&mut client)) {
        Ok((403, _)) => Came::Right,
        other => Came::Wrong(format!("not 403 but {other:?}")),
    };
    of.count(came, start.elapsed());
}

/// A body that streams, sized or in chunks; slowly now and then.
fn uploads(to: &Target, turn: usize, of: &Of<'_>) {
    let length = [10, 3_000, 70_000, 200_000][turn % 4];
    let body: Vec<u8> = (0..length).map(|at: usize| b'a' + ((at + turn) % 26) as u8).collect();
    let mut request = head("POST", "/files/1", &[ALL], Some(body.len())).into_bytes();
    if turn.is_multiple_of(2) {
        let fields = [ALL, ("Transfer-Encoding", "chunked")];
        request = head("POST", "/files/1", &fields, None).into_bytes();
        for piece in body.chunks(9_000) {
            write!(request, "{:x}\r\n", piece.len()).expect("a buffer");
            request.extend_from_slice(piece);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"0\r\n\r\n");
    } else {
        request.extend_from_slice(&body);
    }
    let expected = digest(&body);
    once(of, to, &request, |seen| seen == expected);
}

/// Says something ten times and hears it again.
fn websocket(to: &Target, turn: usize, of: &Of<'_>) {
    let start = Instant::now();
    let came = match converse(to, turn) {
        Ok(true) => Came::Right,
        Ok(false) => Came::Odd("another echo".to_owned()),
        Err(Refused::Status(status @ (502 | 504))) => Came::Lost(status.to_string()),
        Err(Refused::Status(status)) if status / 100 == 4 => Came::Wrong(status.to_string()),
        Err(Refused::Status(status)) => Came::Odd(status.to_string()),
        Err(Refused::Broken(why)) => Came::Lost(why),
    };
    of.count(came, start.elapsed());
}

enum Refused {
    Status(u16),
    Broken(String),
}

fn converse(to: &Target, turn: usize) -> Result<bool, Refused> {
    let broken = |error: std::io::Error| Refused::Broken(error.to_string());
    let mut stream = connect(to);
    let fields = [
        ALL,
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    stream.write_all(head("GET", "/ws/1", &fields, None).as_bytes()).map_err(broken)?;
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).map_err(broken)?;
        seen.push(byte[0]);
    }
    let status = text(&seen).get(9..12).and_then(|status| status.parse().ok());
    match status {
        Some(101) => {}
        status => return Err(Refused::Status(status.unwrap_or(0))),
    }
    let mut same = true;
    for word in 0..10 {
        let said = format!("{turn} {word} {}", "x".repeat(word * 100));
        stream.write_all(said.as_bytes()).map_err(broken)?;
        let mut heard = vec![0; said.len()];
        stream.read_exact(&mut heard).map_err(broken)?;
        same &= heard == said.as_bytes();
    }
    Ok(same)
}

/// A merge patch of a thing.
fn patch(number: usize, body: &str) -> String {
    let fields = [ENG, ("Content-Type", "application/merge-patch+json")];
    head("PATCH", &format!("/things/{number}"), &fields, Some(body.len())) + body
}

fn connect(to: &Target) -> TcpStream {
    let stream = TcpStream::connect(to.plain).expect("a proxy that listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// One request on a connection of its own, and whether its body is right.
fn once(of: &Of<'_>, to: &Target, request: &[u8], right: impl Fn(&str) -> bool) {
    let start = Instant::now();
    let mut client = Client::connect(to.plain);
    // An upstream that fails early is answered before all of it is sent.
    let _answered_early = client.try_send(request);
    of.count(judge(answer(&mut client), right), start.elapsed());
}

type Answer = Result<(u16, String), String>;

fn answer(client: &mut Client) -> Answer {
    match client.try_read() {
        Ok(response) => Ok((response.status, text(&response.body))),
        Err(broken) => {
            let seen = text(&broken.body);
            // What has come so far counts, too.
            if seen.contains("CANARY") { Ok((200, seen)) } else { Err(broken.to_string()) }
        }
    }
}

/// The one answer that these bytes are, up to the connection's end.
fn parse(seen: &str) -> Answer {
    let Some((head, body)) = seen.split_once("\r\n\r\n") else {
        return Err(format!("no head: {seen}"));
    };
    let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or("no status")?;
    let lower = head.to_ascii_lowercase();
    let length = lower.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next());
    if body.contains("CANARY") {
        return Ok((200, body.to_owned()));
    }
    match length {
        Some(length) if length.parse() == Ok(body.len()) => Ok((status, body.to_owned())),
        None if body.ends_with("0\r\n\r\n") => Ok((status, unchunked(body))),
        _ => Err(format!("cut after {} bytes", body.len())),
    }
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        whole += rest.get(..size).unwrap_or_default();
        body = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}

fn judge(came: Answer, right: impl Fn(&str) -> bool) -> Came {
    match came {
        Ok((_, body)) if body.contains("CANARY") => Came::Wrong(body),
        Ok((200, body)) if right(&body) => Came::Right,
        Ok((502 | 504, body)) => Came::Lost(body),
        Ok((status @ (400..=499 | 500 | 503), body)) => Came::Wrong(format!("{status} {body}")),
        Ok((status, body)) => Came::Odd(format!("{status} {body}")),
        Err(why) => Came::Lost(why),
    }
}

fn is_thing(body: &str, number: usize) -> bool {
    body == shown(number, true) || body == shown(number, false)
}

fn is_list(body: &str) -> bool {
    body == shown_list(true) || body == shown_list(false)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
