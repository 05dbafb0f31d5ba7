//! Load balancers that say for whom they connect (PROXY protocol, version 2), and others.

use super::support::{Client, OPEN, Proxy, Upstream, eventually, header};
use crate::support::proxy_protocol::{SIGNATURE, from, header as announced, local, value, with};
use portcullis::proxy::proxy_protocol::MAX_LENGTH;
use portcullis::settings::Limits;
use std::time::{Duration, Instant};

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

/// Everybody on loopback is a load balancer.
const LOOPBACK: &[&str] = &["127.0.0.0/8"];

/// Nobody here is.
const ELSEWHERE: &[&str] = &["192.0.2.0/24"];

fn behind(balancers: &[&str], upstream: &Upstream) -> Proxy {
    let limits = Limits { handshake: Duration::from_millis(300), ..Limits::default() };
    Proxy::behind(balancers, OPEN, upstream, limits)
}

/// A connection that begins with these bytes, and asks.
fn ask(proxy: &Proxy, first: &[u8]) -> Client {
    let mut client = proxy.connect();
    client.send([first, GET.as_bytes()].concat());
    client
}

#[track_caller]
fn is_closed(mut client: Client) {
    assert_eq!(client.rest().1, b"", "not a word");
}

#[test]
fn p13_the_announced_address_is_the_clients() {
    let upstream = Upstream::json("{}");
    let proxy = behind(LOOPBACK, &upstream);
    for (at, address) in ["192.0.2.7", "2001:db8::7"].into_iter().enumerate() {
        let mut client = ask(&proxy, &from(address));
        assert_eq!(client.response().status, 200);
        assert_eq!(proxy.record().client, Some(address.parse().unwrap()));
        let request = &upstream.requests()[at];
        assert_eq!(header(request, "x-forwarded-for"), Some(address));
    }
}

#[test]
fn p13_a_balancer_that_looks_whether_we_are_there_is_itself() {
    let upstream = Upstream::json("{}");
    let proxy = behind(LOOPBACK, &upstream);
    assert_eq!(ask(&proxy, &local()).response().status, 200);
    assert_eq!(proxy.record().client, Some([127, 0, 0, 1].into()));
    drop(proxy.connect());
}

#[test]
fn p13_a_header_may_come_in_pieces_and_be_long() {
    let upstream = Upstream::json("{}");
    let proxy = Proxy::behind(LOOPBACK, OPEN, &upstream, Limits::default());
    let mut client = proxy.connect();
    for byte in with("192.0.2.7", &value(0x02, 6)) {
        client.send([byte]);
    }
    client.send(GET);
    assert_eq!(client.response().status, 200);
    let addresses = 12;
    for (length, fits) in [(MAX_LENGTH - 1, true), (MAX_LENGTH, true), (MAX_LENGTH + 1, false)] {
        let first = with("192.0.2.7", &value(0x04, length - addresses - 3));
        let before = upstream.requests().len();
        let mut client = proxy.connect();
        let _closed_while_it_sends = client.try_send(&[&first, GET.as_bytes()].concat());
        match fits {
            true => assert_eq!(client.response().status, 200, "{length}"),
            false => assert_eq!(client.rest().1, b"", "{length}"),
        }
        assert_eq!(upstream.requests().len(), before + usize::from(fits), "{length}");
    }
}

#[test]
fn p13_who_is_to_announce_and_does_not_is_closed() {
    let upstream = Upstream::json("{}");
    let proxy = behind(LOOPBACK, &upstream);
    let text = b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n";
    let mut forged = with("192.0.2.7", &value(0x03, 4));
    forged[16] ^= 1;
    for first in [
        &b""[..],
        text,
        &announced(0x11, 0x11, &[0; 12]),
        &announced(0x22, 0x11, &[0; 12]),
        &announced(0x21, 0x00, &[]),
        &announced(0x21, 0x12, &[0; 12]),
        &announced(0x21, 0x31, &[0; 216]),
        &announced(0x21, 0x11, &[0; 11]),
        &with("192.0.2.7", &[0]),
        &forged,
    ] {
        is_closed(ask(&proxy, first));
    }
    upstream.assert_untouched();
}

#[test]
fn p13_a_header_that_does_not_come_is_not_waited_for() {
    let upstream = Upstream::json("{}");
    let proxy = behind(LOOPBACK, &upstream);
    let whole = from("192.0.2.7");
    for begun in [0, 1, SIGNATURE.len(), whole.len() - 1] {
        let start = Instant::now();
        let mut client = proxy.connect();
        client.send(&whole[..begun]);
        is_closed(client);
        assert!(start.elapsed() < Duration::from_secs(5), "{begun}");
    }
    upstream.assert_untouched();
}

#[test]
fn p13_who_is_not_listed_announces_nobody() {
    let upstream = Upstream::json("{}");
    for proxy in [behind(ELSEWHERE, &upstream), Proxy::open(&upstream)] {
        for first in [from("192.0.2.7"), local(), SIGNATURE.to_vec()] {
            is_closed(ask(&proxy, &first));
        }
        // Nor by pieces, behind which a request stands.
        let mut client = proxy.connect();
        client.send(&SIGNATURE[..5]);
        client.send([&SIGNATURE[5..], GET.as_bytes()].concat());
        is_closed(client);
    }
    upstream.assert_untouched();
    let proxy = behind(ELSEWHERE, &upstream);
    assert_eq!(ask(&proxy, b"").response().status, 200);
    // An empty line before a request is none of it (RFC 9112 section 2.2).
    assert_eq!(ask(&proxy, b"\r\n").response().status, 200);
    assert_eq!(proxy.record().client, Some([127, 0, 0, 1].into()));
}

#[test]
fn p13_each_announced_source_has_its_own_share() {
    let upstream = Upstream::json("{}");
    let limits = Limits { source_connections: 2, ..Limits::default() };
    let proxy = Proxy::behind(LOOPBACK, OPEN, &upstream, limits);
    let open = |address: &str| {
        let mut client = ask(&proxy, &from(address));
        client.has_answer().then_some(client)
    };
    let first: Vec<_> = (0..2).map(|_| open("192.0.2.7").expect("one of two")).collect();
    assert!(open("192.0.2.7").is_none());
    let _others: Vec<_> = (1..9).map(|at| open(&format!("198.51.100.{at}")).unwrap()).collect();
    drop(first);
    eventually("there is room again", || open("192.0.2.7").is_some());
}

#[test]
fn p13_who_is_believed_goes_by_the_announced_address() {
    const POLICY: &str = "policy: 1
identity: {forwarded: {peers: [192.0.2.7], user: X-Auth-User, roles: X-Auth-Roles}}
membership: token
roles: [{id: reader, grants: [{path: /a, access: r}]}]
";
    let upstream = Upstream::json("{}");
    let proxy = Proxy::behind(LOOPBACK, POLICY, &upstream, Limits::default());
    let status = |address: &str| {
        let mut client = proxy.connect();
        client.send(from(address));
        client.send("GET /a HTTP/1.1\r\nHost: a\r\nX-Auth-User: u\r\nX-Auth-Roles: reader\r\n\r\n");
        client.response().status
    };
    assert_eq!(status("192.0.2.8"), 401);
    upstream.assert_untouched();
    assert_eq!(status("192.0.2.7"), 200);
}
