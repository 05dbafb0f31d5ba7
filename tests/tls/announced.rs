//! What a load balancer says for whom it connects stands before TLS.

use super::{OPEN, Secure, get, is_served};
use crate::support::proxy_protocol::{from, local, value, with};

/// Closes the settings of `tls`, and goes on with those of the listener.
const BEHIND: &str = "}, proxy_protocol: {from: [127.0.0.1]";

#[test]
fn p06_p13_a_balancer_speaks_before_the_handshake() {
    let secure = Secure::start(OPEN, BEHIND, "");
    let to = secure.proxy.address;
    for (at, first) in [from("192.0.2.7"), with("192.0.2.7", &value(0x02, 6))].iter().enumerate() {
        let shaken = secure.client().after(first.as_slice()).ask(to, &get("a.test")).unwrap();
        assert!(shaken.answer.starts_with("HTTP/1.1 200 "), "{}", shaken.answer);
        let request = &secure.upstream.requests()[at];
        assert_eq!(request.fields.get("x-forwarded-for"), Some("192.0.2.7"));
    }
    assert!(is_served(secure.client().after(local()).ask(to, &get("a.test"))));
}

#[test]
fn p06_p13_without_its_word_there_is_no_handshake() {
    let secure = Secure::start(OPEN, BEHIND, "");
    let to = secure.proxy.address;
    assert!(!is_served(secure.client().ask(to, &get("a.test"))));
    assert!(!is_served(secure.client().after("PROXY UNKNOWN\r\n").ask(to, &get("a.test"))));
    secure.upstream.assert_untouched();
    assert_eq!(secure.metric("portcullis_proxy_headers_refused_total"), 2);
    secure.proxy.wait_for_line("is to say for whom it connects");
    let line = secure.proxy.wait_for_line("there is no PROXY header of version 2");
    assert!(line.contains("127.0.0.1"), "{line}");
}

#[test]
fn p06_p13_a_stranger_announces_nobody() {
    let secure = Secure::start(OPEN, "}, proxy_protocol: {from: [192.0.2.1]", "");
    let to = secure.proxy.address;
    assert!(!is_served(secure.client().after(from("192.0.2.7")).ask(to, &get("a.test"))));
    secure.upstream.assert_untouched();
    assert!(is_served(secure.client().ask(to, &get("a.test"))));
}
