//! Upstreams that are called by a name: all of its addresses, and what happens when they change.

use super::support::{Answer, NOBODY, Proxy, Upstream, eventually, ok};
use portcullis::control::upstreams::{Event, Keeper, names};
use portcullis::settings::Limits;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What a name server would say, `None` where it cannot be asked.
#[derive(Clone, Default)]
struct Server {
    addresses: Arc<Mutex<Option<Vec<IpAddr>>>>,
    asked: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    turned: Arc<AtomicUsize>,
}

impl Server {
    fn says(&self, addresses: Option<&[[u8; 4]]>) {
        let addresses = addresses.map(|all| all.iter().map(|one| IpAddr::from(*one)).collect());
        *self.addresses.lock().unwrap() = addresses;
    }

    fn keeper(&self) -> Keeper {
        let (server, told) = (self.clone(), self.clone());
        let lookup = move |name: Arc<str>| -> names::Looking {
            assert_eq!(&*name, "api.invalid");
            server.asked.fetch_add(1, Ordering::SeqCst);
            let said = server.addresses.lock().unwrap().clone();
            Box::pin(async move { said.ok_or_else(|| std::io::Error::other("nobody answers")) })
        };
        let told = move |event: &Event<'_>| {
            if let Event::Looked { outcome, turned, .. } = event {
                told.failed.fetch_add(usize::from(outcome.is_err()), Ordering::SeqCst);
                told.turned.fetch_add(usize::from(*turned), Ordering::SeqCst);
            }
        };
        Keeper::start(lookup, Duration::from_millis(100), told).unwrap()
    }

    fn wait_for(&self, more: usize) {
        let before = self.asked.load(Ordering::SeqCst);
        eventually("it is asked", || self.asked.load(Ordering::SeqCst) >= before + more);
    }
}

/// Two upstreams on one port of two addresses.
fn two() -> [Upstream; 2] {
    let answer =
        |text: &'static str| move |_: usize, _: &str| Answer::Bytes(ok("text/plain", text).into());
    let one = Upstream::scripted(answer("one"));
    let other = Upstream::at(([127, 0, 0, 2], one.address.port()).into(), answer("two"));
    [one, other]
}

fn policy(port: u16, more: &str) -> String {
    format!(
        "policy: 1\nupstreams: [{{id: named, url: 'http://api.invalid:{port}'{more}}}]\n\
         routes: [{{match: \"/**\", public: crud, upstream: named}}]\n"
    )
}

fn over(upstream: &Upstream, server: &Server, more: &str) -> Proxy {
    Proxy::with(&policy(upstream.address.port(), more), NOBODY, Limits::default())
        .kept_by(server.keeper())
}

const ONE: [u8; 4] = [127, 0, 0, 1];
const TWO: [u8; 4] = [127, 0, 0, 2];

#[test]
fn p14_all_addresses_of_a_name_are_used() {
    let all = two();
    let server = Server::default();
    server.says(Some(&[TWO, ONE, TWO]));
    let proxy = over(&all[0], &server, "");
    eventually("it is known", || proxy.once(GET).status == 200);
    let before = all.each_ref().map(|one| one.requests().len());
    for _ in 0..8 {
        assert_eq!(proxy.once(GET).status, 200);
    }
    let after = all.each_ref().map(|one| one.requests().len());
    assert_eq!([after[0] - before[0], after[1] - before[1]], [4, 4]);
}

#[test]
fn p14_requests_follow_a_name_whose_addresses_change() {
    let all = two();
    let server = Server::default();
    server.says(Some(&[ONE]));
    let proxy = over(&all[0], &server, "");
    eventually("it is known", || proxy.once(GET).status == 200);
    assert_eq!(proxy.once(GET).body, "one");
    server.says(Some(&[TWO]));
    eventually("it has moved", || proxy.once(GET).body == "two");
    let before = all[0].requests().len();
    for _ in 0..5 {
        assert_eq!(proxy.once(GET).body, "two");
    }
    assert_eq!(all[0].requests().len(), before);
}

/// The name is one that no system knows, so requests that are served have not looked it up.
#[test]
fn p14_a_look_up_that_fails_keeps_what_was_good_last() {
    let [upstream, _other] = two();
    let server = Server::default();
    let proxy = over(&upstream, &server, "");
    server.wait_for(2);
    assert_eq!(proxy.once(GET).status, 502, "it is not known yet");
    server.says(Some(&[ONE]));
    eventually("it is known", || proxy.once(GET).status == 200);
    assert_eq!(server.turned.load(Ordering::SeqCst), 2, "it failed first, and no longer does");
    for nothing in [None, Some([].as_slice())] {
        server.says(nothing);
        let before = server.failed.load(Ordering::SeqCst);
        server.wait_for(3);
        for _ in 0..5 {
            assert_eq!(proxy.once(GET).status, 200);
        }
        assert!(server.failed.load(Ordering::SeqCst) >= before + 2, "each is told");
    }
    assert_eq!(server.turned.load(Ordering::SeqCst), 3, "that it fails again is told aloud once");
}

#[test]
fn p14_a_reload_goes_on_with_the_addresses_that_are_known() {
    let [upstream, _other] = two();
    let server = Server::default();
    server.says(Some(&[ONE]));
    let proxy = over(&upstream, &server, "");
    eventually("it is known", || proxy.once(GET).status == 200);
    server.says(None);
    proxy.reload(&format!("{}# the same\n", policy(upstream.address.port(), "")), 2);
    for _ in 0..5 {
        assert_eq!(proxy.once(GET).status, 200);
    }
    proxy.reload("policy: 1\nroutes: [{match: \"/**\", public: r}]\n", 3);
    eventually("it is dropped", || {
        let before = server.asked.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(300));
        server.asked.load(Ordering::SeqCst) == before
    });
}

#[test]
fn p14_each_address_of_a_name_is_asked_whether_it_is_well() {
    let one = Upstream::scripted(|_, _| Answer::Bytes(ok("text/plain", "one").into()));
    let port = one.address.port();
    let other = Upstream::at((TWO, port).into(), |_, request| {
        Answer::Bytes(match request.starts_with("GET /healthz ") {
            true => b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n".to_vec(),
            false => ok("text/plain", "two").into(),
        })
    });
    let server = Server::default();
    server.says(Some(&[ONE, TWO]));
    let more = ", health: {path: /healthz, interval: 100ms, unhealthy: 1}";
    let proxy = over(&one, &server, more);
    eventually("both are asked", || {
        let asked = |upstream: &Upstream| {
            upstream.requests().iter().filter(|text| text.starts_with("GET /healthz")).count()
        };
        asked(&one) >= 2 && asked(&other) >= 2
    });
    for _ in 0..6 {
        assert_eq!(proxy.once(GET).body, "one");
    }
    let host = format!("\r\nhost: api.invalid:{port}\r\n");
    assert!(other.requests().iter().all(|request| request.contains(&host)), "by its name");
}
