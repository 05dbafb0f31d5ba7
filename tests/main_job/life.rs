//! Starting, failing to start, draining; upstreams that are down, slow or mad; Unix sockets.

use super::{Api, bearer, with_tokens};
use crate::support::proxy::{Start, run_in};
use crate::support::upstream::json_response;
use crate::support::{Answer, Client, Proxy, TempPolicy, Upstream, client, eventually, tokens};
use std::net::{TcpListener, TcpStream};
use std::process::Output;

const RULES: &str = "roles: [{id: a, grants: [{path: \"/**\", access: crud}]}]\n";

fn policy() -> TempPolicy {
    let policy = TempPolicy::file(&with_tokens(RULES));
    policy.write("jwt.secret", tokens::SECRET);
    policy
}

/// Exit status 2, nothing on standard output, and what standard error says.
#[track_caller]
fn unusable(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(output.stdout.is_empty(), "{}", output.stdout.escape_ascii());
    text
}

#[test]
fn one_line_says_that_it_is_ready_and_where() {
    let upstream = Upstream::json("{}");
    let policy = policy();
    let proxy = Proxy::start(&upstream, &policy);
    let ready: Vec<_> = proxy.printed();
    assert_eq!(ready.len(), 1, "{ready:?}");
    let admin = proxy.admin.expect("an admin listener");
    let wanted = format!(
        "portcullis: listening on http://{}, admin on http://{admin}, policy generation 1 (sha256:",
        proxy.address
    );
    assert!(ready[0].starts_with(&wanted), "{ready:?}");
    assert!(ready[0].ends_with(&format!(", upstream {}", upstream.url())), "{ready:?}");
    assert_eq!(proxy.admin("/readyz").status, 200);
}

#[test]
fn p15_an_address_in_use_is_named_and_nothing_is_started() {
    let upstream = Upstream::json("{}");
    let policy = policy();
    let first = Proxy::start(&upstream, &policy);
    let start = || Start::new().upstream(&upstream).policy(policy.path());
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    for taken in [first.address, other.local_addr().unwrap()] {
        let taken = taken.to_string();
        for start in [start().listen(&taken), start().admin(&taken)] {
            let said = unusable(&start.output());
            assert!(said.contains(&taken) && said.contains("in use"), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
    assert_eq!(client::call(first.address, "GET", "/x", &[]).status, 401, "the first serves on");
}

#[test]
fn a_policy_that_does_not_load_starts_nothing_and_says_everything() {
    let upstream = Upstream::json("{}");
    let start = |policy: &TempPolicy| {
        unusable(&Start::new().upstream(&upstream).policy(policy.path()).output())
    };
    let policy = TempPolicy::file(&with_tokens(
        "rolls: []\nroles: [{id: a, grants: [{path: things, access: rx}], schemas: [nothing]}]\n",
    ));
    let said = start(&policy);
    for part in [
        "UNKNOWN_KEY",
        "GRANT_PATH",
        "GRANT_ACCESS",
        "REF_EXISTS",
        "jwt.secret",
        "policy.yaml:3:1",
        "did you mean `roles`?",
    ] {
        assert!(said.contains(part), "`{part}` is missing:\n{said}");
    }
    let none = unusable(
        &Start::new().upstream(&upstream).arguments(["--policy", "no-such.yaml"]).output(),
    );
    assert!(none.contains("no-such.yaml"), "{none}");
    let empty = TempPolicy::folder(&[("readme.txt", "x")]);
    assert!(!start(&empty).is_empty());
    upstream.assert_untouched();
}

#[test]
fn a_key_file_that_is_missing_or_no_key_starts_nothing() {
    let upstream = Upstream::json("{}");
    let policy = TempPolicy::file(&with_tokens(RULES));
    let start = || unusable(&Start::new().upstream(&upstream).policy(policy.path()).output());
    assert!(start().contains("jwt.secret"));
    policy.write("jwt.secret", "too short");
    assert!(start().contains("32"), "says how long it must be");
    policy.write("jwt.secret", format!("{}\n", tokens::SECRET));
    assert!(start().contains("newline"));
    std::fs::create_dir(policy.join("folder")).unwrap();
    policy.write("policy.yaml", with_tokens(RULES).replace("jwt.secret", "folder"));
    assert!(start().contains("folder"));
}

#[test]
fn wrong_usage_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| unusable(&run_in(folder.path(), arguments));
    assert!(run(&["run", "--polcy", "x"]).contains("--policy"));
    assert!(run(&["run"]).contains("policy"));
    assert!(run(&["serve"]).contains("serve"));
    assert!(run(&["run", "--config", "no-such.yaml"]).contains("no-such.yaml"));
    let upstream = Upstream::json("{}");
    let start = || Start::new().upstream(&upstream).policy(std::path::Path::new("p.yaml"));
    let said = unusable(&start().environment("PORTCULLIS_LISTN", "x").output());
    assert!(said.contains("PORTCULLIS_LISTEN"), "{said}");
    let said = unusable(&start().environment("PORTCULLIS_LIMITS_DRAIN", "soon").output());
    assert!(said.contains("`soon`") && said.contains("PORTCULLIS_LIMITS_DRAIN"), "{said}");
    let said = unusable(&start().admin("0.0.0.0:0").output());
    assert!(said.contains("loopback"), "{said}");
}

/// SIGTERM: not ready, no new connection, and what is under way comes to its end.
#[test]
fn p15_a_drain_loses_nothing_that_is_in_flight() {
    let (upstream, pieces) = Upstream::in_pieces();
    let policy = policy();
    let mut proxy = Proxy::start(&upstream, &policy);
    let token = bearer("ana:a");
    let mut client = Client::connect(proxy.address);
    client.send(client::head("GET", "/x", &[("Authorization", &token)], None));
    pieces.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
    upstream.wait_for(1);
    proxy.terminate();
    eventually(|| match TcpStream::connect(proxy.address) {
        Err(_) => Ok(()),
        Ok(_) => Err("it still accepts"),
    });
    pieces.send("67890");
    pieces.done();
    assert_eq!(client.read().text(), "1234567890");
    client.expect_end();
    assert_eq!(proxy.wait().code(), Some(0));
    let log = proxy.log();
    let line = log.iter().find(|line| line["method"] == "GET").expect("its line in the log");
    assert_eq!((&line["status"], &line["aborted"]), (&200.into(), &false.into()));
}

#[test]
fn p15_an_idle_proxy_ends_at_once_and_its_port_is_free() {
    let upstream = Upstream::json("{}");
    let policy = policy();
    let mut first = Proxy::start(&upstream, &policy);
    let _idle = Client::connect(first.address);
    assert_eq!(first.stop().code(), Some(0));
    let address = first.address.to_string();
    let again = Start::new().upstream(&upstream).policy(policy.path()).listen(&address).ready();
    assert_eq!(again.address, first.address);
}

#[test]
fn p14_an_upstream_that_is_down_slow_or_mad_is_502_or_504() {
    let start = |upstream: &Upstream, policy: &TempPolicy| {
        Start::new()
            .upstream(upstream)
            .policy(policy.path())
            .environment("PORTCULLIS_LIMITS_UPSTREAM_HEAD", "100ms")
            .ready()
    };
    let policy = policy();
    let token = bearer("ana:a");
    let ask = |proxy: &Proxy| {
        let answer = client::call(proxy.address, "GET", "/x", &[("Authorization", &token)]);
        super::assert_problem("GET", &answer);
        answer.status
    };
    let silent = Upstream::silent();
    assert_eq!(ask(&start(&silent, &policy)), 504);
    for bytes in [
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx",
        "HTTP/9.9 200 OK\r\n\r\n",
    ] {
        let mad = Upstream::script(move |_| Answer::Close(bytes.into()));
        assert_eq!(ask(&start(&mad, &policy)), 502, "{bytes}");
    }
    let down = Upstream::json("{}");
    let proxy = start(&down, &policy);
    assert_eq!(client::call(proxy.address, "GET", "/x", &[("Authorization", &token)]).status, 200);
    drop(down);
    assert_eq!(ask(&proxy), 502);
    let wanted = ["granted", "upstream_failed"];
    eventually(|| {
        let log = proxy.log();
        // Each worker hands over its lines by itself, so their order says nothing.
        let mut reasons: Vec<_> =
            log.iter().map(|line| line["reason"].as_str().unwrap_or("")).collect();
        reasons.sort_unstable();
        if reasons == wanted { Ok(()) } else { Err(log) }
    });
}

#[test]
fn unix_sockets_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let listen = folder.path().join("in.sock");
    let upstream =
        Upstream::unix(folder.path().join("up.sock"), |_| Answer::Bytes(json_response(200, "{}")));
    let policy = policy();
    let proxy = Start::new()
        .upstream(&upstream)
        .policy(policy.path())
        .arguments(["--listen", "127.0.0.1:0"])
        .listen(&format!("unix:{}", listen.display()))
        .ready();
    let token = bearer("ana:a");
    let fields = [("Authorization", token.as_str())];
    let mut client = Client::connect_unix(&listen);
    assert_eq!(client.call("GET", "/x", &fields).text(), "{}");
    assert_eq!(client.call("GET", "/x", &[]).status, 401);
    assert_eq!(client::call(proxy.address, "GET", "/x", &fields).status, 200);
    let seen = upstream.requests();
    assert_eq!(seen[0].fields.get("x-forwarded-for"), None, "a Unix socket has no address");
    assert_eq!(seen[1].fields.get("x-forwarded-for"), Some("127.0.0.1"));
    let second = Start::new().upstream(&upstream).policy(policy.path());
    let said = unusable(&second.listen(&format!("unix:{}", listen.display())).output());
    assert!(said.contains("in.sock"), "{said}");
}

#[test]
fn routes_choose_their_upstream() {
    let (one, two) = (Upstream::json("1"), Upstream::json("2"));
    let rules = format!(
        "upstreams: [{{id: two, url: \"{}\", host: inner.test}}]\nroutes: [{{match: \"/**\"}}, \
         {{match: \"/two/**\", upstream: two}}]\n{RULES}",
        two.url()
    );
    let api = Api::over(one, &rules);
    assert_eq!(api.call("ana:a", "GET", "/one").text(), "1");
    assert_eq!(api.call("ana:a", "GET", "/two").text(), "2");
    assert_eq!(api.upstream.request().fields.get("host"), Some("api.test"));
    assert_eq!(two.request().fields.get("host"), Some("inner.test"));
}
