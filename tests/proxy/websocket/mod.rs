//! WebSocket connections: who may open one, what passes, and when it ends.

mod far;
mod life;
mod opening;
mod passing;

use super::support::{Client, Proxy};
use crate::support::tokens::key_digest;
use far::Far;
use portcullis::settings::Limits;
use std::time::Duration;

/// The key of RFC 6455 section 1.3, and what answers it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Callers by key, a route where connections may be opened and one where they may not.
fn policy(more: &str) -> String {
    let key = |user: &str, role: &str, more: &str| {
        let digest = key_digest(user);
        format!("    - {{user: {user}, sha256: \"{digest}\", roles: [{role}]{more}}}\n")
    };
    format!(
        "policy: 1\nidentity:\n  api_keys:\n    keys:\n{}{}{}{}{RULES}{more}",
        key("ana", "chats", ""),
        key("bob", "reads", ""),
        key("eve", "writes", ""),
        key("max", "masked", ""),
    )
}

const RULES: &str = r#"
routes:
  - {match: "/**"}
  - {match: "/chat/**", upgrade: websocket}
  - {match: "/open/**", upgrade: websocket, public: cr}
  - {match: "/half/**", upgrade: websocket, public: r}
  - {match: "/told/**", upgrade: websocket, mode: monitor}
roles:
  - {id: chats, grants: [{path: "/**", access: cr}]}
  - {id: reads, grants: [{path: "/**", access: r}]}
  - {id: writes, grants: [{path: "/**", access: c}]}
  - {id: masked, grants: [{path: "/**", access: cr}], schemas: [s]}
schemas:
  - {id: s, type: t, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
resource_types:
  - {id: t, at: [{path: "/chat/{room}", pointer: ""}], elsewhere: pass}
"#;

/// A proxy before this upstream.
fn over(far: &Far, limits: Limits) -> Proxy {
    Proxy::with(&policy(""), &format!("http://{}", far.address), limits)
}

/// A handshake as a client sends it, with these fields besides.
fn handshake(path: &str, who: &str, more: &str) -> String {
    let who = if who.is_empty() { String::new() } else { format!("X-Api-Key: {who}\r\n") };
    format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\n{who}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

/// A connection that has been opened.
#[track_caller]
fn open(proxy: &Proxy, path: &str, who: &str) -> Client {
    let mut client = proxy.connect();
    client.send(handshake(path, who, ""));
    let response = client.head_response();
    assert_eq!(response.status, 101, "{}", response.head);
    client
}

/// The other end says nothing more, and closes.
#[track_caller]
fn expect_cut(client: &mut Client) {
    assert_eq!(client.rest().1, b"");
}

/// The shortest time that there is from a change to the cut.
fn brisk() -> Limits {
    Limits { stream_revocation: Duration::from_secs(1), ..Limits::default() }
}
