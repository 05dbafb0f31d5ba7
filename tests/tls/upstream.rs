//! Upstreams that speak TLS: who is trusted, what is shown, and what never goes out.

use super::{OPEN, Secure, write_pair};
use crate::proxy::framed::upstream::Framed;
use crate::support::tls::{Authority, Bridge, Issued, Seen};
use crate::support::upstream::Answer;
use crate::support::{Client, Proxy, TempPolicy, Upstream, client, eventually, proxy::Start};
use rcgen::date_time_ymd;

/// An upstream under TLS, and the proxy before it.
struct Far {
    authority: Authority,
    upstream: Upstream,
    bridge: Bridge,
    policy: TempPolicy,
    proxy: Proxy,
}

impl Far {
    /// Under `localhost`, with these keys of `tls` besides the authority that is trusted.
    #[track_caller]
    fn start(upstream: Upstream, shown: impl FnOnce(&Authority) -> Issued, tls: &str) -> Far {
        let authority = Authority::new("upstreams");
        let bridge = Bridge::server(&shown(&authority), None, upstream.address());
        Far::over(authority, upstream, bridge, TempPolicy::file(""), tls)
    }

    #[track_caller]
    fn over(
        authority: Authority,
        upstream: Upstream,
        bridge: Bridge,
        policy: TempPolicy,
        tls: &str,
    ) -> Far {
        policy.write("ca.pem", &authority.pem);
        policy.write("policy.yaml", Far::text(&bridge, tls));
        // Each worker has connections of its own.
        let start = Start::new().environment("PORTCULLIS_WORKERS", "1");
        let proxy = start.policy(policy.path()).ready();
        Far { authority, upstream, bridge, policy, proxy }
    }

    fn text(bridge: &Bridge, tls: &str) -> String {
        let port = bridge.address.port();
        format!(
            "policy: 1\nupstreams: [{{id: far, url: \"https://localhost:{port}\", \
             tls: {{ca: ca.pem{tls}}}}}]\n\
             routes: [{{match: \"/**\", public: crud, upstream: far}}]\n"
        )
    }

    fn get(&self) -> u16 {
        client::call(self.proxy.address, "GET", "/things", &[("Host", "a.test")]).status
    }

    /// Nothing has come through, and the log says why.
    #[track_caller]
    fn is_refused_because(&self, why: &str) {
        assert_eq!(self.get(), 502);
        self.upstream.assert_untouched();
        let line = self.proxy.wait_for_line("no connection: no TLS");
        assert!(line.contains(why), "{line}");
    }
}

fn localhost(authority: &Authority) -> Issued {
    authority.server(&["localhost"])
}

#[test]
fn p06_an_upstream_is_asked_for_by_its_name_and_its_connection_used_again() {
    let far = Far::start(Upstream::json("{}"), localhost, "");
    let mut client = Client::connect(far.proxy.address);
    for _ in 0..3 {
        let response = client.call("GET", "/things", &[("Host", "a.test")]);
        assert_eq!((response.status, response.text()), (200, "{}"));
    }
    assert_eq!(far.upstream.connections(), 1);
    let requests = far.upstream.requests();
    assert!(requests.iter().all(|request| request.fields.get("host") == Some("a.test")));
    let Far { bridge, proxy, .. } = far;
    drop(proxy);
    let seen = Seen { name: Ok(Some("localhost".into())), certificates: 0, resumed: false };
    eventually(|| if bridge.seen() == [seen.clone()] { Ok(()) } else { Err(bridge.seen()) });
}

#[test]
fn p06_a_strangers_certificate_is_not_trusted() {
    let stranger = Authority::new("strangers");
    let far = Far::start(Upstream::json("{}"), |_| localhost(&stranger), "");
    far.is_refused_because("certificate not trusted for localhost");
    assert_eq!(far.get(), 502);
    let told = far.proxy.printed();
    let told = told.iter().filter(|line| line.contains("no connection: no TLS")).count();
    assert_eq!(told, 1, "once, not for each request");
}

#[test]
fn p06_another_name_is_another_upstream() {
    let far = Far::start(Upstream::json("{}"), |ca| ca.server(&["api.test"]), "");
    far.is_refused_because("certificate not trusted for localhost");
    let named = |ca: &Authority| ca.server(&["api.test"]);
    let far = Far::start(Upstream::json("{}"), named, ", server_name: api.test");
    assert_eq!(far.get(), 200);
}

#[test]
fn p06_an_expired_certificate_is_not_trusted() {
    let expired = |ca: &Authority| {
        let localhost = rcgen::SanType::DnsName("localhost".try_into().unwrap());
        ca.client_with(&[localhost], |params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
            params.not_after = date_time_ymd(2020, 1, 1);
        })
    };
    let far = Far::start(Upstream::json("{}"), expired, "");
    far.is_refused_because("expired");
}

#[test]
fn p06_clear_text_is_never_spoken_to_an_https_upstream() {
    let authority = Authority::new("upstreams");
    let plain = Upstream::json("{}");
    let bridge = Bridge::server(&localhost(&authority), None, plain.address());
    let policy = TempPolicy::file("");
    policy.write("ca.pem", &authority.pem);
    let port = plain.address().port();
    policy.write(
        "policy.yaml",
        format!(
            "policy: 1\nupstreams: [{{id: far, url: \"https://127.0.0.1:{port}\", tls: {{ca: ca.pem}}}}]\n\
             routes: [{{match: \"/**\", public: crud, upstream: far}}]\n"
        ),
    );
    let proxy = Start::new().policy(policy.path()).ready();
    let call = || client::call(proxy.address, "GET", "/secret", &[("Host", "a.test")]).status;
    assert!([502, 504].contains(&call()));
    let bytes = plain.settled_bytes().concat();
    assert!(!bytes.windows(6).any(|part| part == b"secret"), "{bytes:?}");
    drop(bridge);
}

#[test]
fn p06_the_systems_authorities_are_trusted_where_none_is_named() {
    let upstream = Upstream::json("{}");
    let (authority, stranger) = (Authority::new("system"), Authority::new("strangers"));
    let policy = TempPolicy::file(OPEN);
    policy.write("system.pem", &authority.pem);
    for (issued, status) in [(localhost(&authority), 200), (localhost(&stranger), 502)] {
        let bridge = Bridge::server(&issued, None, upstream.address());
        let url = format!("https://localhost:{}", bridge.address.port());
        let start = Start::new()
            .arguments(["--upstream", &url])
            .environment("SSL_CERT_FILE", policy.join("system.pem").to_str().unwrap());
        let proxy = start.policy(policy.path()).ready();
        proxy.wait_for_line(&format!("upstream {url}"));
        let got = client::call(proxy.address, "GET", "/things", &[("Host", "a.test")]).status;
        assert_eq!(got, status);
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn p06_an_upstream_that_asks_for_a_certificate_gets_ours() {
    let (authority, clients) = (Authority::new("upstreams"), Authority::new("proxies"));
    let upstream = Upstream::json("{}");
    let bridge = Bridge::server(&localhost(&authority), Some(&clients), upstream.address());
    let policy = TempPolicy::file("");
    write_pair(&policy, "us", &clients.client("spiffe://a.test/proxy"));
    let far = Far::over(authority, upstream, bridge, policy, ", cert: us.crt, key: us.key");
    assert_eq!(far.get(), 200);
    let Far { authority, upstream, bridge, policy, proxy } = far;
    drop(proxy);
    eventually(|| match bridge.seen().as_slice() {
        [Seen { certificates: 1, .. }] => Ok(()),
        other => Err(other.to_vec()),
    });
    let far = Far::over(authority, upstream, bridge, policy, "");
    assert_eq!(far.get(), 502);
    assert_eq!(far.upstream.requests().len(), 1);
}

#[test]
fn p06_authorities_that_are_replaced_count_for_connections_that_are_open() {
    let far = Far::start(Upstream::json("{}"), localhost, "");
    assert_eq!(far.get(), 200);
    let before = far.upstream.connections();
    far.policy.write("ca.pem", Authority::new("others").pem);
    eventually(|| match far.get() {
        502 => Ok(()),
        other => Err(other),
    });
    assert_eq!(far.upstream.connections(), before, "the pooled connection is not used");
    far.policy.write("ca.pem", &far.authority.pem);
    eventually(|| match far.get() {
        200 => Ok(()),
        other => Err(other),
    });
}

#[test]
fn p06_long_bodies_pass_both_ways_and_a_post_arrives_once() {
    let body = format!("\"{}\"", "x".repeat(2_000_000));
    let far = Far::start(Upstream::json(&body), localhost, "");
    let sent = "y".repeat(2_000_000);
    let mut client = Client::connect(far.proxy.address);
    for _ in 0..2 {
        let response = client.call_with("POST", "/things", &[("Host", "a.test")], sent.as_bytes());
        assert_eq!((response.status, response.body.len()), (200, body.len()));
    }
    let bodies: Vec<_> = far.upstream.requests().iter().map(|one| one.body.len()).collect();
    assert_eq!(bodies, [sent.len(); 2]);
}

#[test]
fn p14_a_body_that_is_cut_off_under_tls_is_not_taken_for_a_whole_one() {
    let cut = |_: &_| Answer::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\"".to_vec());
    let far = Far::start(Upstream::script(cut), localhost, "");
    let mut client = Client::connect(far.proxy.address);
    client.send("GET /things HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let broken = client.read_cut();
    assert_eq!(broken.body, b"{\"a\"");
}

#[test]
fn p06_a_websocket_connection_under_tls_on_both_sides() {
    let opening: &'static [u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                    Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello";
    let upstream = Upstream::script(|request| match request.target.as_str() {
        "/chat" => Answer::Bytes(opening.to_vec()),
        _ => Answer::Close(b"goodbye".to_vec()),
    });
    let authority = Authority::new("upstreams");
    let bridge = Bridge::server(&localhost(&authority), None, upstream.address());
    let policy = TempPolicy::file(&format!(
        "policy: 1\nupstreams: [{{id: far, url: \"https://localhost:{}\", tls: {{ca: ca.pem}}}}]\n\
         routes: [{{match: \"/**\", public: crud, upstream: far, upgrade: websocket}}]\n",
        bridge.address.port()
    ));
    policy.write("ca.pem", &authority.pem);
    let secure = Secure::over(policy, "", "");
    let near = secure.client().bridge(secure.proxy.address);
    let mut client = Client::connect(near.address);
    client.send(
        "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    client.send("GET /inside HTTP/1.1\r\n\r\n");
    let rest = client.read_rest();
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.starts_with("HTTP/1.1 101 ") && rest.ends_with("\r\n\r\nhellogoodbye"), "{rest}");
}

/// HTTP/2 is offered where the policy names it, alone, and a server that does not choose it gets
/// nothing.
#[test]
fn p06_http2_to_an_upstream_is_what_alpn_has_chosen_or_nothing_goes_out() {
    for (chosen, says_h2, status) in [
        (Some("h2"), true, 200),
        (None, true, 502),
        (Some("http/1.1"), true, 502),
        (Some("h2"), false, 502),
        (Some("http/1.1"), false, 200),
    ] {
        let (framed, plain) = (Framed::json("{}"), Upstream::json("{}"));
        let authority = Authority::new("upstreams");
        let to = if says_h2 { framed.address } else { plain.address() };
        let bridge = Bridge::server_with(&localhost(&authority), None, to, |config| {
            config.alpn_protocols = chosen.iter().map(|name| name.as_bytes().to_vec()).collect();
        });
        let policy = TempPolicy::file("");
        policy.write("ca.pem", &authority.pem);
        let protocol = if says_h2 { ", protocol: h2" } else { "" };
        let text = Far::text(&bridge, "").replace("id: far", &format!("id: far{protocol}"));
        policy.write("policy.yaml", text);
        let start = Start::new().environment("PORTCULLIS_WORKERS", "1");
        let proxy = start.policy(policy.path()).ready();
        for _ in 0..2 {
            let answer = client::call(proxy.address, "GET", "/things", &[("Host", "a.test")]);
            assert_eq!(answer.status, status, "{chosen:?} {says_h2}");
        }
        match (status, says_h2) {
            (200, true) => {
                let seen = framed.requests();
                assert_eq!((seen.len(), framed.connections()), (2, 1));
                assert_eq!((&*seen[0].scheme, &*seen[0].authority), ("https", "a.test"));
            }
            (200, false) => assert_eq!(plain.requests().len(), 2),
            _ => {
                assert!(framed.requests().is_empty() && plain.requests().is_empty());
                proxy.wait_for_line("no connection: ");
            }
        }
    }
}

/// Whoever is asked whether it is well is trusted as for requests: the certificate of a stranger makes
/// it unwell, and it hears nothing of what is asked.
#[test]
fn p14_p06_health_is_asked_under_the_upstreams_own_trust() {
    let stranger = Authority::new("strangers");
    for trusted in [true, false] {
        let authority = Authority::new("upstreams");
        let shown = localhost(if trusted { &authority } else { &stranger });
        let upstream = Upstream::json("{}");
        let bridge = Bridge::server(&shown, None, upstream.address());
        let policy = TempPolicy::file("");
        let health = "}, health: {path: /healthz, interval: 100ms, unhealthy: 1";
        let far = Far::over(authority, upstream, bridge, policy, health);
        let of_far = || {
            let shown = far.proxy.admin("/upstreams").json();
            let found = shown.as_array().unwrap().iter().find(|one| one["id"] == "far");
            found.unwrap()["endpoints"][0].clone()
        };
        eventually(|| match of_far() {
            endpoint if endpoint["healthy"] == trusted => Ok(()),
            endpoint => Err(endpoint),
        });
        assert_eq!(far.get(), if trusted { 200 } else { 503 });
        match trusted {
            true => assert_eq!(far.upstream.requests()[0].target, "/healthz"),
            false => {
                far.upstream.assert_untouched();
                let why = of_far()["last_error"].as_str().unwrap().to_owned();
                assert!(why.contains("certificate"), "{why}");
            }
        }
    }
}
