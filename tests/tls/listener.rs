//! A listener that speaks TLS: versions, names, protocols, and clients that do not.

use super::{OPEN, Secure, get, write_pair};
use crate::support::tls::{Authority, TlsClient};
use crate::support::{Client, TempPolicy, Upstream, h2, proxy::Start};
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn p06_what_is_said_under_tls_reaches_the_upstream_as_https() {
    let secure = Secure::start(OPEN, "", "");
    let shaken = secure.client().ask(secure.proxy.address, &get("a.test")).unwrap();
    assert!(shaken.answer.starts_with("HTTP/1.1 200 "), "{}", shaken.answer);
    assert_eq!(shaken.version, rustls::ProtocolVersion::TLSv1_3);
    let request = secure.upstream.request();
    assert_eq!(request.fields.get("x-forwarded-proto"), Some("https"));
    let forwarded = request.fields.get("forwarded").unwrap_or_default();
    assert!(forwarded.ends_with("proto=https"), "{forwarded}");
    assert!(!shaken.cut, "the end is announced");
    secure.proxy.wait_for_line("listening on https://127.0.0.1:");
}

#[test]
fn p06_tls_1_2_is_spoken_and_nothing_older() {
    let secure = Secure::start(OPEN, "", "");
    let old = TlsClient::build(&secure.authority, "a.test", None, &[&rustls::version::TLS12]);
    let shaken = old.ask(secure.proxy.address, &get("a.test")).unwrap();
    assert_eq!(shaken.version, rustls::ProtocolVersion::TLSv1_2);
    // A hello for TLS 1.1 without extensions, as RFC 4346 section 7.4.1.2 has it.
    let body = [&[3, 2][..], &[7; 32], &[0], &[0, 2, 0, 0x2f], &[1, 0]].concat();
    let hello = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    let record = [&[22, 3, 1, 0, hello.len() as u8][..], &hello].concat();
    let mut client = Client::connect(secure.proxy.address);
    client.send(record);
    let rest = client.read_rest();
    // An alert, and a fatal one.
    assert_eq!((rest.first(), rest.get(5)), (Some(&21), Some(&2)), "{rest:?}");
    secure.wait_for_handshakes("protocol", 1);
}

#[test]
fn p06_no_early_data_is_offered_or_taken() {
    let secure = Secure::start(OPEN, "", "");
    let eager = secure.client().eager();
    for resumed in [false, true] {
        let shaken = eager.ask(secure.proxy.address, &get("a.test")).unwrap();
        assert_eq!((shaken.resumed, shaken.early), (resumed, false));
    }
}

#[test]
fn p06_alpn_chooses_the_protocol() {
    let secure = Secure::start(OPEN, "", "");
    let to = secure.proxy.address;
    for (offered, chosen) in
        [(&[][..], None), (&["http/1.1"], Some("http/1.1")), (&["http/1.1", "h2"], Some("h2"))]
    {
        let client = secure.client().offering(offered);
        let request =
            if chosen == Some("h2") { "no preface\r\n\r\n".into() } else { get("a.test") };
        let shaken = client.ask(to, &request).unwrap();
        assert_eq!(shaken.alpn.as_deref(), chosen);
        // What begins otherwise than ALPN has settled is not answered at all.
        assert_eq!(shaken.answer.starts_with("HTTP/1.1 200 "), chosen != Some("h2"));
    }
    secure.client().offering(&["spdy/1"]).ask(to, &get("a.test")).unwrap_err();
    assert_eq!(secure.upstream.requests().len(), 2);
}

#[test]
fn p06_http2_is_spoken_where_alpn_has_chosen_it_and_nowhere_else() {
    let secure = Secure::start(OPEN, "", "");
    let bridge = secure.client().offering(&["h2"]).nameless().bridge(secure.proxy.address);
    assert_eq!(h2::call(bridge.address, "GET", "/things", &[]).status, 200);
    assert_eq!(secure.upstream.request().fields.get("x-forwarded-proto"), Some("https"));
    // Prior knowledge is for clear text: here the preface is a request of HTTP/1, and a bad one.
    let shaken = secure.client().ask(secure.proxy.address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let answer = shaken.unwrap().answer;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(secure.upstream.requests().len(), 1);
}

#[test]
fn p06_a_host_other_than_the_one_that_was_asked_for_is_421() {
    let secure = Secure::start(OPEN, "", "");
    let to = secure.proxy.address;
    for host in ["b.test", "sub.a.test", "127.0.0.1"] {
        let answer = secure.client().ask(to, &get(host)).unwrap().answer;
        assert!(answer.starts_with("HTTP/1.1 421 "), "{host}: {answer}");
    }
    let bridge = secure.client().offering(&["h2"]).bridge(to);
    assert_eq!(h2::call(bridge.address, "GET", "/things", &[]).status, 421);
    secure.upstream.assert_untouched();
    for host in ["a.test", "A.TEST:8443", "a.test."] {
        let answer = secure.client().ask(to, &get(host)).unwrap().answer;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
    }
    // Who asks for no name, as for a bare address, is held to none.
    let answer = secure.client().nameless().ask(to, &get("b.test")).unwrap().answer;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn p06_the_certificate_is_the_one_for_the_name() {
    let policy = TempPolicy::file(OPEN);
    let others = Authority::new("others");
    let (named, wild) = (others.server(&["b.test"]), others.server(&["*.c.test"]));
    write_pair(&policy, "named", &named);
    write_pair(&policy, "wild", &wild);
    let more =
        ", certificates: [{cert: wild.crt, key: wild.key}, {cert: named.crt, key: named.key}]";
    let secure = Secure::over(policy, more, "");
    let shown = |name: &str| {
        let client = TlsClient::new(&others, name);
        client.ask(secure.proxy.address, &get(name)).map(|shaken| shaken.leaf).ok()
    };
    assert_eq!(shown("b.test"), Some(named.der()));
    assert_eq!(shown("x.c.test"), Some(wild.der()));
    assert_eq!(shown("d.test"), None, "the first certificate, which is no good to this client");
    secure.wait_for_handshakes("refused", 1);
}

#[test]
fn p06_clear_text_on_a_tls_listener_reaches_nobody() {
    let secure = Secure::start(OPEN, "", "");
    let mut client = Client::connect(secure.proxy.address);
    client.send(get("a.test"));
    let rest = client.read_rest();
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    secure.upstream.assert_untouched();
    secure.wait_for_handshakes("protocol", 1);
    let log = secure.proxy.printed().join("\n");
    assert!(!log.contains("handshake"), "whoever can connect can fail; it is counted: {log}");
}

#[test]
fn p06_a_silent_client_holds_a_handshake_no_longer_than_its_limit() {
    let secure = Secure::start(OPEN, "", "limits: {handshake: 300ms}\n");
    let mut silent = TcpStream::connect(secure.proxy.address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut half = TcpStream::connect(secure.proxy.address).unwrap();
    half.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    std::io::Write::write_all(&mut half, &[22, 3, 1]).unwrap();
    // Others are served meanwhile.
    secure.client().ask(secure.proxy.address, &get("a.test")).unwrap();
    assert_eq!(silent.read(&mut [0; 64]).unwrap_or(0), 0);
    assert_eq!(half.read(&mut [0; 64]).unwrap_or(0), 0);
    secure.wait_for_handshakes("timeout", 2);
    secure.wait_for_handshakes("full", 1);
}

#[test]
fn p06_a_long_body_comes_back_whole_and_many_requests_share_a_connection() {
    let body = format!("\"{}\"", "x".repeat(3_000_000));
    let upstream = Upstream::json(&body);
    let policy = TempPolicy::file(OPEN);
    let authority = Authority::new("servers");
    write_pair(&policy, "server", &authority.server(&["a.test"]));
    let settings = "listen: {address: '127.0.0.1:0', tls: {cert: server.crt, key: server.key}}\n";
    policy.write("portcullis.settings", settings);
    let start = Start::new().config(&policy.join("portcullis.settings"));
    let proxy = start.upstream(&upstream).policy(policy.path()).ready();
    let bridge = TlsClient::new(&authority, "a.test").bridge(proxy.address);
    let mut client = Client::connect(bridge.address);
    for _ in 0..3 {
        let sent = "y".repeat(500_000);
        let response = client.call_with("POST", "/things", &[("Host", "a.test")], sent.as_bytes());
        assert_eq!((response.status, response.body.len()), (200, body.len()));
    }
    assert!(upstream.requests().iter().all(|request| request.body.len() == 500_000));
}

#[test]
fn a_start_without_good_certificates_says_which_file_and_why() {
    let policy = TempPolicy::file(OPEN);
    policy.write(
        "portcullis.settings",
        "listen: {address: '127.0.0.1:0', tls: {cert: no.crt, key: no.key}}\n",
    );
    let start = || {
        let output =
            Start::new().config(&policy.join("portcullis.settings")).policy(policy.path()).output();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, text) = start();
    assert_eq!(status, Some(2));
    assert!(text.contains("no.crt` cannot be read"), "{text}");
    let authority = Authority::new("servers");
    policy.write("no.crt", authority.server(&["a.test"]).cert);
    policy.write("no.key", authority.server(&["a.test"]).key);
    let (status, text) = start();
    assert_eq!(status, Some(2));
    assert!(text.contains("no.key` cannot be used: the private key is not"), "{text}");
}
