//! Security group 15, against the real binary: signals and ends.

use crate::support::client::head;
use crate::support::proxy::Start;
use crate::support::{Client, Proxy, TempPolicy, Upstream, tokens};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{SystemTime, UNIX_EPOCH};

const POLICY: &str = "policy: 1\nroles: [{id: a, grants: [{path: /a, access: r}]}]\n";

/// Whoever starts it may signal it as soon as it says that it is ready.
#[test]
fn p15_signals_are_heard_from_the_ready_line_on() {
    let upstream = Upstream::json("{}");
    let policy = TempPolicy::file(POLICY);
    for _ in 0..3 {
        let mut proxy = Proxy::start(&upstream, &policy);
        let pid = Pid::from_raw(i32::try_from(proxy.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
        let status = proxy.stop();
        assert!(status.success(), "{status}");
    }
}

/// A token's leeway, in seconds, where the policy says no other.
const LEEWAY: u64 = 60;

/// What an expired token has opened does not outlive it.
#[test]
fn p07_p12_a_token_that_expires_ends_the_websocket_that_it_opened() {
    const POLICY: &str = r#"policy: 1
identity: {jwt: [{issuer: "https://id.example", audience: [api], algorithms: [HS256], secrets: [{file: jwt.secret}]}]}
routes: [{match: "/**", upgrade: websocket}]
roles: [{id: chats, grants: [{path: "/**", access: cr}]}]
"#;
    const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                          Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let upstream = Upstream::fixed(AGREED);
    let policy = TempPolicy::file(POLICY);
    policy.write("jwt.secret", tokens::SECRET);
    let settings = policy.join("portcullis.settings");
    policy.write("portcullis.settings", "listen: 127.0.0.1:0\nlimits: {stream_revocation: 1s}\n");
    let start = Start::new().config(&settings).upstream(&upstream).policy(policy.path());
    let proxy = start.ready();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = tokens::claims("ana", &["chats"]);
    claims["exp"] = (now + 3 - LEEWAY).into();
    let fields = [
        ("Authorization", &*tokens::bearer(&claims)),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut client = Client::connect(proxy.address);
    client.send(head("GET", "/chat", &fields, None));
    let head = client.read_head();
    assert!(head.start.contains(" 101 "), "{head:?}");
    assert!(client.is_quiet(), "it is open while the token holds");
    client.expect_end();
    let line = proxy.wait_for_line("\"status\":101");
    assert!(line.contains("unauthenticated"), "{line}");
}
