//! The real binary where something runs out: memory, file descriptors, the process itself.

use super::with_tokens;
use crate::support::proxy::Start;
use crate::support::{Client, Proxy, TempPolicy, Upstream, client, eventually, tokens};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::time::Duration;

const OPEN: &str = "policy: 1\nroutes: [{match: \"/**\", public: crud}]\n";

fn pid(proxy: &Proxy) -> Pid {
    Pid::from_raw(i32::try_from(proxy.pid()).unwrap()).unwrap()
}

/// What the process has of memory, in bytes (proc(5), `VmRSS`).
fn resident(proxy: &Proxy) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn open_files(proxy: &Proxy) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", proxy.pid())).unwrap().count()
}

#[test]
fn p13_health_is_answered_while_requests_are_shed() {
    let upstream = Upstream::json("{}");
    let rules = "roles: [{id: a, grants: [{path: \"/**\", access: crud}], schemas: [s]}]\n\
                 schemas: [{id: s, type: t, body: {type: object, additionalProperties: true, properties: {x: false}}}]\n\
                 resource_types: [{id: t, at: [{path: /a, pointer: \"\"}], elsewhere: pass}]\n";
    let policy = TempPolicy::file(&with_tokens(rules));
    policy.write("jwt.secret", tokens::SECRET);
    let start = Start::new().upstream(&upstream).policy(policy.path());
    let start = start.environment("PORTCULLIS_LIMITS_IN_FLIGHT_BYTES", "1MiB");
    // What another worker has drawn and not used would be missing.
    let proxy = start.environment("PORTCULLIS_WORKERS", "1").ready();
    let mut holds = Client::connect(proxy.address);
    let bearer = super::bearer("u:a");
    let head = format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\n\
         Content-Length: 2000000\r\n\r\n"
    );
    holds.send(head);
    holds.send(vec![b' '; 1 << 20]);
    // Nothing of it is held: what is could take the last bytes.
    let ask = || client::call(proxy.address, "GET", "/b", &[("Authorization", &bearer)]);
    let becomes = |status| {
        eventually(|| match ask().status {
            found if found == status => Ok(()),
            other => Err(other),
        });
    };
    becomes(503);
    assert_eq!(ask().header("Retry-After"), Some("1"));
    assert_eq!(proxy.admin("/livez").status, 200);
    assert_eq!(proxy.admin("/readyz").status, 200);
    drop(holds);
    becomes(200);
}

/// Each has been served once: what a connection keeps after that is what it costs. A tenth of the
/// number that the design names. They come in crowds that are apart by more than `io::NAP`, since
/// what one has given up is what the next takes: the allocator returns little to the system.
#[test]
fn p13_an_idle_connection_costs_eight_kilobytes_at_most() {
    const CROWD: usize = 250;
    let upstream = Upstream::json("{}");
    let policy = TempPolicy::file(OPEN);
    let start = Start::new().upstream(&upstream).policy(policy.path());
    let proxy = start.environment("PORTCULLIS_WORKERS", "1").ready();
    let crowd = || -> Vec<Client> {
        let one = |_| {
            let mut client = Client::connect(proxy.address);
            assert_eq!(client.call("GET", "/x", &[]).status, 200);
            client
        };
        let served = (0..CROWD).map(one).collect();
        std::thread::sleep(Duration::from_millis(1_500));
        served
    };
    let mut all = crowd();
    let before = resident(&proxy);
    (0..3).for_each(|_| all.extend(crowd()));
    let each = resident(&proxy).saturating_sub(before) / (3 * CROWD);
    assert!(each <= 8 * 1024, "{each} bytes a connection");
    for client in &mut all {
        assert_eq!(client.call("GET", "/x", &[]).status, 200, "whoever slept is served");
    }
}

#[test]
fn p15_without_file_descriptors_what_is_open_is_served_and_the_rest_when_there_are_some() {
    let upstream = Upstream::json("{}");
    let policy = TempPolicy::file(OPEN);
    let start = Start::new().upstream(&upstream).policy(policy.path());
    let proxy = start.environment("PORTCULLIS_WORKERS", "1").ready();
    let mut first = Client::connect(proxy.address);
    assert_eq!(first.call("GET", "/x", &[]).status, 200);
    let most = open_files(&proxy) as u64 + 5;
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    prlimit(Some(pid(&proxy)), Resource::Nofile, limit).unwrap();
    let crowd: Vec<_> = (0..50).map(|_| Client::connect(proxy.address)).collect();
    proxy.wait_for_line("cannot accept connections");
    for _ in 0..20 {
        assert_eq!(first.call("GET", "/x", &[]).status, 200);
    }
    let told = || proxy.printed().iter().filter(|line| line.contains("cannot accept")).count();
    assert_eq!(told(), 1, "it is told once in a while");
    drop(crowd);
    let mut next = Client::connect(proxy.address);
    assert_eq!(next.call("GET", "/x", &[]).status, 200);
}

#[test]
fn p15_after_sigkill_nothing_stands_in_the_way_and_no_line_is_torn() {
    let upstream = Upstream::json("{}");
    let policy = TempPolicy::file(OPEN);
    let folder = tempfile::tempdir().unwrap();
    let (socket, log) = (folder.path().join("p.sock"), folder.path().join("access.log"));
    let start = || {
        let start = Start::new().upstream(&upstream).policy(policy.path());
        let start = start.listen("127.0.0.1:0").listen(&format!("unix:{}", socket.display()));
        start.environment("PORTCULLIS_LOG_ACCESS", log.to_str().unwrap()).ready()
    };
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    for round in 1..=3 {
        let mut proxy = start();
        let mut client = Client::connect_unix(&socket);
        for _ in 0..20 {
            assert_eq!(client.call("GET", "/x", &[]).status, 200);
        }
        eventually(|| match lines().lines().count() {
            count if count >= 20 * round => Ok(()),
            fewer => Err(fewer),
        });
        kill_process(pid(&proxy), Signal::KILL).unwrap();
        assert!(!proxy.wait().success());
        let text = lines();
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("a whole line");
        }
    }
    drop(start());
}
