//! What is secret in a request's head is never kept in a table that all callers share: it is written
//! out whenever it is sent (RFC 7541 sections 6.2.3 and 7.1.3), and so as long as the first time.

use super::raw::Raw;
use crate::proxy::support::{NOBODY, Proxy};
use crate::support::frames::HEADERS;
use portcullis::settings::Limits;
use std::sync::Mutex;
use std::sync::mpsc::channel;

/// The digest is that of [`key`].
const RULES: &str = r#"
identity:
  api_keys:
    header: X-Tenant-Key
    keys:
      - {user: eng, roles: [all], sha256: 27fed049cf80e0eff71ab837c82a50327b7677ebda22305d3f353f0989488669}
routes: [{match: "/**", upstream: far, credential: pass}]
roles: [{id: all, grants: [{path: "/**", access: r}]}]
"#;

/// Bytes in HPACK, whose Huffman code has seven bits for this letter: 875.
fn key() -> String {
    "k".repeat(1_000)
}

/// The lengths of the heads that an upstream gets for two of the same requests, one after the other.
/// `more` is said of the upstream.
fn lengths(more: &str, fields: &str) -> [usize; 2] {
    let (sender, heads) = channel();
    let sender = Mutex::new(sender);
    let upstream = Raw::new(move |_, talk| {
        while let Some((kind, _, stream, payload)) = talk.next() {
            if kind == HEADERS {
                sender.lock().unwrap().send(payload.len()).unwrap();
                talk.fine(stream);
            }
        }
    });
    let policy = format!(
        "policy: 1\nupstreams: [{{id: far, url: \"http://{}\", protocol: h2{more}}}]\n{RULES}",
        upstream.address
    );
    let proxy = Proxy::with(&policy, NOBODY, Limits::default());
    let request = format!("GET /x HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n");
    [(); 2].map(|()| {
        assert_eq!(proxy.once(&request).status, 200);
        heads.recv().unwrap()
    })
}

#[test]
fn p08_a_key_in_a_header_of_the_policys_own_is_kept_in_no_table() {
    let [first, second] = lengths("", &format!("X-Tenant-Key: {}\r\n", key()));
    assert!(first > 875 && second > 875, "{first}, {second}");
    let other = format!("X-Tenant-Key: {0}\r\nX-Other: {0}\r\n", key());
    let [first, second] = lengths("", &other);
    assert!(first > 2 * 875 && second > 875 && second < 2 * 875, "{first}, {second}");
}

#[test]
fn p08_the_secret_of_an_upstream_is_kept_in_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("far.secret");
    std::fs::write(&file, key()).unwrap();
    let credential = format!(", credential: {{header: X-Far, file: \"{}\"}}", file.display());
    let [first, second] = lengths(&credential, &format!("X-Tenant-Key: {}\r\n", key()));
    assert!(first > 2 * 875 && second > 2 * 875, "{first}, {second}");
}
