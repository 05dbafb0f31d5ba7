//! Security group 15, against the real binary: a new process takes the place of an old one, and
//! clients do not notice.

use crate::support::client::head;
use crate::support::{
    Client, DEADLINE, Proxy, TempPolicy, Upstream, client, eventually, proxy::Start,
};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

const OPEN: &str =
    "policy: 1\nroutes: [{match: \"/**\", public: crud}]\nrole_defaults: {any: []}\n";

/// Clients that ask without a pause, each request on a connection of its own, and others that stay.
struct Crowd {
    stop: Arc<AtomicBool>,
    /// Requests that were answered.
    served: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

/// What one client of a crowd does again and again, until it is told to stop.
type Turn = fn(SocketAddr, &mut Option<TcpStream>) -> Result<(), String>;

impl Crowd {
    fn start(to: SocketAddr) -> Crowd {
        let (stop, served): (Arc<AtomicBool>, Arc<AtomicUsize>) = Default::default();
        let turns: [Turn; 4] = [each_its_own, each_its_own, each_its_own, one_after_another];
        let threads = turns.map(|turn| {
            let (stop, served) = (stop.clone(), served.clone());
            std::thread::spawn(move || {
                let mut open = None;
                while !stop.load(Ordering::SeqCst) {
                    turn(to, &mut open)?;
                    served.fetch_add(1, Ordering::SeqCst);
                }
                Ok(())
            })
        });
        Crowd { stop, served, threads: threads.into() }
    }

    /// Waits until so many more requests have been answered.
    #[track_caller]
    fn goes_on_for(&self, requests: usize) {
        let until = self.served.load(Ordering::SeqCst) + requests;
        eventually(|| {
            let lost = self.threads.iter().any(JoinHandle::is_finished);
            let served = self.served.load(Ordering::SeqCst);
            if served >= until || lost { Ok(()) } else { Err(served) }
        });
    }

    /// Every request that was sent has been answered.
    #[track_caller]
    fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("a client").expect("a request was lost");
        }
        self.served.load(Ordering::SeqCst)
    }
}

fn each_its_own(to: SocketAddr, _: &mut Option<TcpStream>) -> Result<(), String> {
    let mut stream = connect(to)?;
    let answer = ask(&mut stream, &[("Connection", "close")])?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).map_err(|error| format!("{error} behind {answer}"))?;
    Ok(())
}

/// Stays for as long as it may. A connection that is closed between two requests loses none: the
/// client has nothing of an answer, and asks once more elsewhere (RFC 9110 section 9.2.2).
fn one_after_another(to: SocketAddr, open: &mut Option<TcpStream>) -> Result<(), String> {
    let used = open.is_some();
    let mut stream = open.take().map_or_else(|| connect(to), Ok)?;
    let answer = match ask(&mut stream, &[]) {
        Err(_) if used => ask(
            {
                stream = connect(to)?;
                &mut stream
            },
            &[],
        )?,
        asked => asked?,
    };
    if !answer.to_ascii_lowercase().contains("connection: close") {
        *open = Some(stream);
    }
    Ok(())
}

fn connect(to: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(to).map_err(|error| format!("connect: {error}"))?;
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
    Ok(stream)
}

fn ask(stream: &mut TcpStream, fields: &[(&str, &str)]) -> Result<String, String> {
    let asked = stream.write_all(head("GET", "/a", fields, None).as_bytes());
    asked.map_err(|error| format!("send: {error}"))?;
    let mut seen = Vec::new();
    while !seen.ends_with(b"{}") {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => return Err(format!("closed after `{}`", seen.escape_ascii())),
            Ok(n) => seen.extend_from_slice(&chunk[..n]),
            Err(error) => return Err(format!("{error} after `{}`", seen.escape_ascii())),
        }
    }
    let answer = String::from_utf8(seen).expect("text");
    if answer.starts_with("HTTP/1.1 200 ") { Ok(answer) } else { Err(answer) }
}

/// Requests in its access log.
fn logged(proxy: &Proxy) -> usize {
    proxy.log().iter().filter(|line| line.get("method").is_some()).count()
}

#[test]
fn p15_a_socket_is_taken_over_under_load_and_nothing_is_lost() {
    let (upstream, policy) = (Upstream::json("{}"), TempPolicy::file(OPEN));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Start::new().upstream(&upstream).policy(policy.path()).passed(&listener);
    let mut old = start.clone().ready();
    assert_eq!(old.address, listener.local_addr().unwrap());
    let crowd = Crowd::start(old.address);
    crowd.goes_on_for(50);
    for _ in 0..3 {
        let new = start.clone().ready();
        crowd.goes_on_for(50);
        let status = old.stop();
        assert!(status.success(), "{status}");
        assert!(logged(&old) > 0);
        crowd.goes_on_for(50);
        old = new;
    }
    let served = crowd.end();
    assert!(logged(&old) > 0 && served >= 350, "{served}");
    assert!(upstream.requests().len() >= served);
}

#[test]
fn p15_a_new_process_starts_beside_an_old_one_and_stays_alone() {
    let (upstream, policy) = (Upstream::json("{}"), TempPolicy::file(OPEN));
    let mut old = Proxy::start(&upstream, &policy);
    let address = old.address.to_string();
    let start = Start::new().upstream(&upstream).policy(policy.path()).listen(&address);
    let refused = start.clone().output();
    assert_eq!(refused.status.code(), Some(2));
    let mut waiting = Client::connect(old.address);
    waiting.send("GET /a HTTP/1.1\r\n");
    let new = start.arguments(["--beside"]).ready();
    old.terminate();
    old.wait_for_line("draining");
    // Who was in the middle of its request, and whoever comes from now on.
    waiting.send("Host: api.test\r\n\r\n");
    assert_eq!(waiting.read().status, 200);
    assert!(old.wait().success());
    for _ in 0..20 {
        assert_eq!(client::call(new.address, "GET", "/a", &[]).status, 200);
    }
    assert_eq!(logged(&old), 1);
}

#[test]
fn p15_a_request_on_its_way_when_the_drain_begins_is_answered() {
    let (upstream, policy) = (Upstream::json("{}"), TempPolicy::file(OPEN));
    let start = Start::new().upstream(&upstream).policy(policy.path());
    let mut proxy = start.environment("PORTCULLIS_WORKERS", "1").ready();
    let mut fresh: Vec<_> = (0..8).map(|_| Client::connect(proxy.address)).collect();
    // Accepted in order, so those before it have been.
    assert_eq!(client::call(proxy.address, "GET", "/a", &[]).status, 200);
    let mut first = Client::connect(proxy.address);
    proxy.terminate();
    // The worker, which is the only one, hears of it a moment later.
    eventually(|| {
        let sent = first.try_send(client::head("GET", "/a", &[], None));
        match sent.is_ok().then(|| first.try_read()) {
            Some(Ok(answer)) if answer.head.fields.get("connection").is_none() => Err("it stays"),
            _ => Ok(()),
        }
    });
    for client in &mut fresh {
        let answer = client.call("GET", "/a", &[]);
        assert_eq!((answer.status, answer.head.fields.get("connection")), (200, Some("close")));
    }
    assert!(proxy.wait().success());
}

#[test]
fn p15_a_socket_that_no_listener_names_is_refused_by_its_name() {
    let (upstream, policy) = (Upstream::json("{}"), TempPolicy::file(OPEN));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = policy.join("portcullis.settings");
    policy.write("portcullis.settings", "listen: 127.0.0.1:0\n");
    let start = Start::new().upstream(&upstream).policy(policy.path()).passed_alone(&listener);
    let output = start.config(&settings).output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`web`") && said.contains(&listener.local_addr().unwrap().to_string()));
}

#[test]
fn p15_who_starts_it_is_told_when_it_is_ready_and_not_before() {
    let (upstream, policy) = (Upstream::json("{}"), TempPolicy::file(OPEN));
    let path = policy.join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let path = path.to_string_lossy();
    let told = |policy: &std::path::Path| {
        let start = Start::new().upstream(&upstream).environment("NOTIFY_SOCKET", &path);
        start.policy(policy)
    };
    let refused = told(&policy.join("nothing.yaml")).output();
    assert_eq!(refused.status.code(), Some(2));
    let proxy = told(policy.path()).ready();
    let mut heard = [0; 64];
    let n = socket.recv(&mut heard).unwrap();
    assert_eq!(&heard[..n], b"READY=1");
    assert_eq!(client::call(proxy.address, "GET", "/a", &[]).status, 200);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut heard).is_err(), "told once, and not by the one that was refused");
}
