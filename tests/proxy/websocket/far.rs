//! A server that speaks WebSocket as far as the handshake goes, and then bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What a server does once it has answered.
#[derive(Clone, Debug)]
pub enum After {
    /// Sends everything back, and closes when the client does.
    Echo,
    /// Keeps what comes, and says this when the client has said its last.
    Last(&'static str),
    /// Reads nothing.
    Deaf,
    /// Closes its own direction at once, and keeps what comes.
    Close,
}

/// A listening server; its threads end with their connections.
pub struct Far {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    closed: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Seen {
    heads: Vec<String>,
    bytes: Vec<u8>,
}

impl Far {
    /// Answers every head with this text.
    pub fn answering(answer: &str, after: After) -> Far {
        let answer = answer.to_owned();
        Far::scripted(move |_| answer.clone(), after)
    }

    /// Answers each head with what this makes of it.
    pub fn scripted(answer: impl Fn(&str) -> String + Send + Sync + 'static, after: After) -> Far {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, closed) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicUsize>::default());
        let far = Far { address, seen: seen.clone(), closed: closed.clone() };
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, closed) = (seen.clone(), closed.clone());
                let (answer, after) = (answer.clone(), after.clone());
                std::thread::spawn(move || {
                    let _cut_by_the_other_end = converse(stream.unwrap(), &seen, &*answer, &after);
                    closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        far
    }

    /// Agrees to the handshake with the key of these tests.
    pub fn agreeing(after: After) -> Far {
        Far::answering(&agreement(""), after)
    }

    /// Agrees and sends everything back.
    pub fn echo() -> Far {
        Far::agreeing(After::Echo)
    }

    /// The heads that came.
    pub fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().heads.clone()
    }

    /// What came behind them.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().bytes.clone()
    }

    /// Connections that are over.
    pub fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

/// 101 for the key of these tests, with this behind the head.
pub fn agreement(behind: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: chat\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\nKeep-Alive: x\r\n\r\n{behind}",
        super::ACCEPT
    )
}

fn converse(
    mut stream: TcpStream,
    seen: &Mutex<Seen>,
    answer: &dyn Fn(&str) -> String,
    after: &After,
) -> std::io::Result<()> {
    loop {
        let head = read_head(&mut stream)?;
        seen.lock().unwrap().heads.push(head.clone());
        stream.write_all(answer(&head).as_bytes())?;
        if head.contains("\r\nupgrade: ") {
            break;
        }
    }
    if matches!(after, After::Close) {
        stream.shutdown(Shutdown::Write)?;
    }
    let mut room = vec![0; 64 * 1024];
    loop {
        if matches!(after, After::Deaf) {
            // Notices the end, and takes nothing.
            stream.peek(&mut room[..1])?;
            std::thread::sleep(std::time::Duration::from_millis(20));
            continue;
        }
        match stream.read(&mut room)? {
            0 => break,
            n if matches!(after, After::Echo) => stream.write_all(&room[..n])?,
            n => seen.lock().unwrap().bytes.extend_from_slice(&room[..n]),
        }
    }
    match after {
        After::Last(text) => stream.write_all(text.as_bytes()),
        _ => Ok(()),
    }
}

fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}
