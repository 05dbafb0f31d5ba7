//! What clients feel while a large policy is replaced: the time of requests before, and during.
//!
//! The real binary under a light load on loopback; the process that measures, the upstream and the
//! proxy share the machine's processors with the reload, so the figures say most where it has some
//! to spare.

use crate::make::{self, Form, Size};
use aws_lc_rs::digest;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const KEY: &str = "the key of a bench";
const CLIENTS: usize = 2;
const PAUSE: Duration = Duration::from_millis(1);
const BEFORE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(120);
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n{\"id\":1}";

/// A process that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Prints the times of requests before a reload and until its end.
pub fn measure(size: Size, form: Form, files: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    make::write(folder.path(), size, form, files);
    write_identity(folder.path(), 0);
    let upstream = upstream();
    let (child, address, admin) = start(folder.path(), upstream);
    let _proxy = Ended(child);
    let before = under_load(address, || thread::sleep(BEFORE));
    let begun = Instant::now();
    let during = under_load(address, || {
        write_identity(folder.path(), 1);
        while !generation(admin).contains("\"generation\":2") {
            assert!(begun.elapsed() < PATIENCE, "the policy is not replaced");
            thread::sleep(Duration::from_millis(20));
        }
    });
    let took = begun.elapsed();
    println!("  before: {}", shown(before));
    println!("  during {took:.2?}: {}", shown(during));
}

/// The one key, and a comment that makes another policy of it.
fn write_identity(folder: &std::path::Path, version: usize) {
    let mut sha256 = String::new();
    for byte in digest::digest(&digest::SHA256, KEY.as_bytes()).as_ref() {
        let _ = write!(sha256, "{byte:02x}");
    }
    let text = format!(
        "policy: 1\n# {version}\nidentity: {{api_keys: {{keys: [{{user: user-0000000, org: org-0, sha256: \"{sha256}\"}}]}}}}\n"
    );
    let new = folder.join(".identity.new");
    std::fs::write(&new, text).expect("the folder can be written to");
    std::fs::rename(new, folder.join("identity.yaml")).expect("a file can be renamed");
}

/// Answers everything with the same, on as many connections as come.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || while exchange(&connection, ANSWER, b"\r\n\r\n").is_some() {});
        }
    });
    address
}

/// Reads until what is read ends so, and answers.
fn exchange(mut connection: &TcpStream, answer: &[u8], end: &[u8]) -> Option<()> {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    while !read.ends_with(end) {
        let count = connection.read(&mut buffer).ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
    }
    connection.write_all(answer).ok()
}

fn start(policy: &std::path::Path, upstream: SocketAddr) -> (Child, SocketAddr, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--policy"])
        .arg(policy)
        .args(["--upstream", &format!("http://{upstream}")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("start the binary");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut addresses = Vec::new();
    while addresses.len() < 2 {
        let mut line = String::new();
        assert!(output.read_line(&mut line).expect("a line") > 0, "it ended: {addresses:?}");
        let words = line.split(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
        let found = words.filter_map(|word| word.trim_end_matches('.').parse().ok());
        addresses.extend(found.filter(|address: &SocketAddr| *address != upstream));
    }
    // What it prints later has somewhere to go.
    thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    (child, addresses[0], addresses[1])
}

/// The times of the requests that are answered while `work` is done.
fn under_load(address: SocketAddr, work: impl FnOnce()) -> Vec<Duration> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask(address, &done))).collect();
        work();
        done.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    })
}

fn ask(address: SocketAddr, done: &AtomicBool) -> Vec<Duration> {
    let mut connection = TcpStream::connect(address).expect("the proxy");
    let request =
        format!("GET /orgs/org-0/kind0/1 HTTP/1.1\r\nhost: localhost\r\nx-api-key: {KEY}\r\n\r\n");
    let mut times = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let begun = Instant::now();
        connection.write_all(request.as_bytes()).expect("a request");
        let mut answer = Vec::new();
        while !answer.ends_with(b"{\"id\":1}") {
            let mut buffer = [0; 4096];
            let count = connection.read(&mut buffer).expect("an answer");
            answer.extend_from_slice(&buffer[..count]);
            assert!(count > 0 && answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
        }
        times.push(begun.elapsed());
        thread::sleep(PAUSE);
    }
    times
}

fn generation(admin: SocketAddr) -> String {
    let mut connection = TcpStream::connect(admin).expect("the admin listener");
    let request = format!("GET /policy HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("an answer");
    answer.replace(' ', "")
}

fn shown(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let (p50, p99) = (at(0.5), at(0.99));
    format!("{} requests, p50 {p50:.0?}, p99 {p99:.0?}, longest {:.0?}", times.len(), at(1.0))
}
