//! Large bodies: they stream both ways, memory stays flat, and what breaks is never a whole.

use super::Api;
use crate::support::{Client, Upstream, client};

const RULES: &str = r#"
roles:
  - {id: support, grants: [{path: "/items", access: r}], schemas: [support]}
  - {id: owner, grants: [{path: "/items", access: cr}]}
schemas:
  - {id: support, type: item, body: {type: object, additionalProperties: true, properties: {key: false}}}
resource_types:
  - {id: item, at: [{path: /items, pointer: "/*"}]}
"#;

const HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

/// About 64 KiB of items, one chunk.
fn items(from: usize) -> String {
    let one =
        |id| format!("{{\"id\":{id},\"key\":\"CANARY-{id}\",\"text\":\"{}\"}},", "x".repeat(200));
    (from..from + 256).map(one).collect()
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// The greatest resident size so far, in KiB (proc(5), `VmHWM`).
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).expect("a size").parse().expect("a number")
}

#[test]
fn p11_p13_a_large_body_is_filtered_as_it_comes_and_memory_stays_flat() {
    let (upstream, pieces) = Upstream::in_pieces();
    let api = Api::over(upstream, RULES);
    let token = super::bearer("ana:support");
    let mut client = Client::connect(api.proxy.address);
    client.send(client::head("GET", "/items", &[("Authorization", &token)], None));
    api.upstream.wait_for(1);
    let before = peak_kib(api.proxy.pid());
    let sending = std::thread::spawn(move || {
        pieces.send(HEAD);
        pieces.send(chunk("["));
        // 20 MB: far more than any buffer on the way.
        for block in 0..320 {
            pieces.send(chunk(&items(block * 256)));
        }
        pieces.send(chunk("{\"id\":-1,\"key\":\"CANARY\"}]"));
        pieces.send("0\r\n\r\n");
        pieces.done();
        pieces
    });
    let answer = client.read();
    let grown = peak_kib(api.proxy.pid()).saturating_sub(before);
    let _kept_until_here = sending.join().expect("all pieces sent");
    assert!(grown < 4 * 1024, "{grown} KiB more for a body of 20 MB");
    assert!(answer.body.len() > 15_000_000, "{}", answer.body.len());
    assert!(!answer.text().contains("CANARY"));
    assert_eq!(answer.json().as_array().expect("a list").len(), 320 * 256 + 1);
}

/// What has begun to go out cannot become a 502: it is cut, and never ends well.
#[test]
fn p11_a_large_body_that_breaks_is_cut_before_what_is_wrong() {
    let large = items(0) + &items(256);
    for (tail, closes) in [
        ("{\"id\":1,\"key\":\"CANARY\"", false),
        ("{\"id\":1,\"key\":\"CANARY\"}] trailing", false),
        ("{\"id\":01}]", false),
        ("{\"key\":1,\"key\":\"CANARY\"}]", false),
        ("\"CANARY\"]", false),
        ("{\"id\":1}]", true),
    ] {
        let (upstream, pieces) = Upstream::in_pieces();
        let api = Api::over(upstream, RULES);
        let token = super::bearer("ana:support");
        let mut client = Client::connect(api.proxy.address);
        client.send(client::head("GET", "/items", &[("Authorization", &token)], None));
        pieces.send(HEAD.to_owned() + &chunk(&format!("[{large}")) + &chunk(tail));
        if closes {
            // Cut by the upstream, without the last chunk.
            pieces.close();
        } else {
            pieces.send("0\r\n\r\n");
            pieces.done();
        }
        let cut = client.read_cut();
        let head = cut.head.expect("a head");
        assert_eq!(head.start, "HTTP/1.1 200 OK");
        let text = String::from_utf8(cut.body).expect("UTF-8");
        assert!(!text.contains("CANARY"), "{tail}");
        let line = api.proxy.wait_for_line("\"aborted\":true");
        assert!(line.contains("\"status\":200"), "{line}");
    }
}

/// The same mistakes in a small body are a clean 502.
#[test]
fn p11_a_small_body_that_breaks_is_502() {
    for body in ["[{\"id\":1,\"key\":\"CANARY\"", "[{\"id\":01}]", "[] x", "[\"CANARY\"]"] {
        let answer = Api::over(Upstream::json(body), RULES).call("ana:support", "GET", "/items");
        assert_eq!(answer.status, 502, "{body}");
        assert!(!answer.text().contains("CANARY"));
    }
    let (upstream, pieces) = Upstream::in_pieces();
    let api = Api::over(upstream, RULES);
    pieces.send(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n[{\"key\":",
    );
    pieces.close();
    assert_eq!(api.call("ana:support", "GET", "/items").status, 502);
}

/// Where nothing is limited nothing is held: the upstream has the first half of an upload before
/// the client has sent the second.
#[test]
fn uploads_that_nothing_limits_stream() {
    let api = Api::over(Upstream::early(|_| crate::support::Answer::Silence), RULES);
    let token = super::bearer("ana:owner");
    let mut client = Client::connect(api.proxy.address);
    let half = "x".repeat(100_000);
    client.send(client::head("POST", "/items", &[("Authorization", &token)], Some(200_000)));
    client.send(&half);
    crate::support::eventually(|| {
        let came: usize = api.upstream.bytes().iter().map(Vec::len).sum();
        if came > 100_000 { Ok(()) } else { Err(came) }
    });
    assert!(client.is_quiet(), "nothing was answered yet");
}
