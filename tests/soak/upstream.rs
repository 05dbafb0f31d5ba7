//! The API behind a soak: it keeps nothing but what should never have come.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Requests that one connection serves: others then have faults of their own.
const A_CONNECTION: usize = 20;

/// Items of the list.
pub const ITEMS: usize = 300;

/// Violations that are kept.
const KEPT: usize = 20;

/// Listens until the test's process ends.
pub struct SoakUpstream {
    pub address: SocketAddr,
    violations: Arc<Mutex<Vec<String>>>,
}

/// One request, its body whole.
struct Asked {
    method: String,
    path: String,
    upgrades: bool,
    body: Vec<u8>,
}

impl SoakUpstream {
    pub fn start() -> SoakUpstream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let violations = Arc::<Mutex<Vec<String>>>::default();
        let kept = violations.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                std::thread::spawn(move || {
                    let _cut_by_a_fault = converse(&stream, &kept);
                });
            }
        });
        SoakUpstream { address, violations }
    }

    /// Where else is written what should not have come.
    pub fn kept(&self) -> Arc<Mutex<Vec<String>>> {
        self.violations.clone()
    }

    /// What has come and should not have.
    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap().clone()
    }
}

fn converse(stream: &TcpStream, violations: &Mutex<Vec<String>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    for number in 1..=A_CONNECTION {
        let Some(asked) = read(&mut reader)? else { return Ok(()) };
        if let Some(why) = asked.violates() {
            let mut kept = violations.lock().unwrap();
            if kept.len() < KEPT {
                kept.push(why);
            }
        }
        if asked.upgrades {
            return echo(&mut reader, stream);
        }
        answer(stream, &asked, number == A_CONNECTION)?;
    }
    Ok(())
}

impl Asked {
    /// Only what is granted, and no field that may not be written.
    fn violates(&self) -> Option<String> {
        let granted = ["/things/", "/list", "/files/", "/ws/", "/flip"];
        let body = String::from_utf8_lossy(&self.body);
        let bad = !granted.iter().any(|path| self.path.starts_with(path))
            || self.path.starts_with("/things/") && body.contains("secret");
        bad.then(|| format!("{} {} {body}", self.method, self.path))
    }
}

/// One request; `None` at a clean end.
fn read(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let mut word = || words.next().ok_or(io::ErrorKind::InvalidData);
    let mut asked = Asked { method: word()?, path: word()?, upgrades: false, body: Vec::new() };
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(io::Error::other)?,
            "transfer-encoding" => chunked = true,
            "upgrade" => asked.upgrades = true,
            _ => {}
        }
    }
    match chunked {
        true => while chunk(reader, &mut asked.body)? {},
        false => {
            asked.body.resize(length, 0);
            reader.read_exact(&mut asked.body)?;
        }
    }
    Ok(Some(asked))
}

/// One chunk; whether it was not the last.
fn chunk(reader: &mut BufReader<&TcpStream>, body: &mut Vec<u8>) -> io::Result<bool> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let size = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
    let begin = body.len();
    body.resize(begin + size, 0);
    reader.read_exact(&mut body[begin..])?;
    reader.read_exact(&mut [0; 2])?;
    Ok(size > 0)
}

fn echo(reader: &mut BufReader<&TcpStream>, mut stream: &TcpStream) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )?;
    io::copy(reader, &mut stream).map(drop)
}

fn answer(mut stream: &TcpStream, asked: &Asked, last: bool) -> io::Result<()> {
    let close = if last { "Connection: close\r\n" } else { "" };
    let number = asked.path.rsplit('/').next().unwrap_or_default();
    let (kind, body) = match asked.path.split('/').nth(1) {
        Some("things") => ("application/json", thing(number)),
        Some("list") => ("application/json", list()),
        Some("files") => ("text/plain", digest(&asked.body)),
        _ => ("application/json", "{}".to_owned()),
    };
    if body.len() < 4096 {
        let length = body.len();
        return write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{close}Content-Length: {length}\r\n\r\n{body}"
        );
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{close}Transfer-Encoding: chunked\r\n\r\n"
    )?;
    for piece in body.as_bytes().chunks(5_000) {
        write!(stream, "{:x}\r\n", piece.len())?;
        stream.write_all(piece)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n\r\n")
}

/// What is known of a thing, here.
fn thing(number: &str) -> String {
    format!(
        "{{\"id\":{number},\"secret\":{{\"deep\":[\"CANARY\",{number}]}},\"name\":\"n{number}\",\
         \"price\":{number}.50,\"note\":\"x\"}}"
    )
}

fn list() -> String {
    let mut text = "{\"items\":[".to_owned();
    for number in 0..ITEMS {
        let comma = if number > 0 { "," } else { "" };
        write!(text, "{comma}{}", thing(&number.to_string())).expect("a text");
    }
    text + "]}"
}

/// What a thing is to a caller under either policy.
pub fn shown(number: usize, first: bool) -> String {
    match first {
        true => format!("{{\"id\":{number},\"name\":\"n{number}\",\"note\":\"x\"}}"),
        false => format!("{{\"id\":{number},\"price\":{number}.50,\"note\":\"x\"}}"),
    }
}

/// What the list is likewise.
pub fn shown_list(first: bool) -> String {
    let items: Vec<_> = (0..ITEMS).map(|number| shown(number, first)).collect();
    format!("{{\"items\":[{}]}}", items.join(","))
}

/// The length of a body and a sum that knows the places of its bytes.
pub fn digest(body: &[u8]) -> String {
    let sum = body.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{} {sum:016x}", body.len())
}
