//! Filtered responses are written at the end of a turn of their worker: none is lost or out of order,
//! however late its client reads.

use super::support::{Answer, Client, Proxy, Upstream, eventually, ok};
use portcullis::settings::Limits;
use std::cell::RefCell;
use std::time::Duration;

/// `key` sees all but `secret`.
const POLICY: &str = "policy: 1
identity:
  api_keys:
    keys:
      - {user: eng, roles: [r], sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683}
roles:
  - {id: r, grants: [{path: \"/**\", access: r}], schemas: [s]}
schemas:
  - {id: s, type: t, body: {type: object, additionalProperties: true, properties: {secret: false}}}
resource_types:
  - {id: t, at: [{path: \"/a\", pointer: \"\"}]}
";

/// More than the kernel holds for a client that reads nothing.
const REQUESTS: usize = 2_000;

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\n\r\n";

/// Large enough to wait, not too large.
const NAME: usize = 6_000;

fn thing(number: usize, shown: bool) -> String {
    let secret = if shown { "" } else { "\"secret\":\"CANARY\"," };
    format!("{{{secret}\"id\":{number},\"name\":\"{}\"}}", "y".repeat(NAME))
}

fn start(limits: Limits) -> (Upstream, Proxy) {
    let answer = |number: usize| ok("application/json", &thing(number, false)).into_bytes();
    let upstream = Upstream::scripted(move |number, _| Answer::Bytes(answer(number)));
    let proxy = Proxy::with(POLICY, &format!("http://{}", upstream.address), limits);
    (upstream, proxy)
}

#[test]
fn p13_a_client_that_reads_late_gets_every_filtered_response_whole_and_in_order() {
    let (upstream, proxy) = start(Limits::default());
    let mut client = Client::to(proxy.address);
    client.send(GET.repeat(REQUESTS));
    eventually("it is answered", || upstream.requests().len() > 10);
    for number in 0..REQUESTS {
        let response = client.response();
        assert_eq!((response.status, &*response.body), (200, &*thing(number, true)), "{number}");
    }
}

#[test]
fn p13_a_client_that_reads_no_filtered_response_is_cut() {
    let limits = Limits { write_idle: Duration::from_millis(300), ..Limits::default() };
    let (upstream, proxy) = start(limits);
    let client = RefCell::new(Client::to(proxy.address));
    client.borrow_mut().send(GET.repeat(REQUESTS));
    eventually("nothing is taken any more", || !client.borrow_mut().try_send(GET.as_bytes()));
    let (_, bytes) = client.borrow_mut().rest();
    let asked = upstream.requests().len();
    assert!(asked < REQUESTS, "it waits for its client");
    assert!(bytes.len() < asked * (NAME + 1_000) && !bytes.windows(6).any(|six| six == b"CANARY"));
}

/// The last response of a connection is there before its end.
#[test]
fn a_response_that_waits_comes_before_the_end_of_its_connection() {
    let (_upstream, proxy) = start(Limits::default());
    for number in 0..50 {
        let mut client = Client::to(proxy.address);
        client.send("GET /a HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\nConnection: close\r\n\r\n");
        let response = client.response();
        assert_eq!((response.status, &*response.body), (200, &*thing(number, true)));
        assert!(client.rest().1.is_empty());
    }
}
