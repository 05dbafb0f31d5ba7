//! A policy that changes under a running proxy: atomically, within a second, never to something
//! that does not load.

use super::{Api, bearer, with_tokens};
use crate::support::{
    Client, Proxy, TempPolicy, Upstream, client, eventually, proxy::Start, tokens,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Lets one letter through on `/things/**`.
fn letting(letter: &str) -> String {
    with_tokens(&format!(
        "roles: [{{id: a, grants: [{{path: \"/things/**\", access: {letter}}}]}}]\n"
    ))
}

fn api(text: &str) -> Api {
    let policy = TempPolicy::file(text);
    policy.write("jwt.secret", tokens::SECRET);
    Api::with(Upstream::json("{}"), policy)
}

/// Asks until the status is this one.
#[track_caller]
fn until(proxy: &Proxy, method: &str, status: u16) {
    let token = bearer("ana:a");
    eventually(|| {
        let fields = [("Authorization", token.as_str())];
        match client::call(proxy.address, method, "/things/1", &fields).status {
            got if got == status => Ok(()),
            got => Err(got),
        }
    });
}

#[test]
fn p12_an_edit_by_rename_or_in_place_is_in_force_soon() {
    let api = api(&letting("r"));
    let first = api.proxy.policy();
    assert_eq!((&first["generation"], &first["last_error"]), (&1.into(), &Value::Null));
    assert_eq!(api.call("ana:a", "DELETE", "/things/1").status, 403);
    api.policy.write("policy.yaml", letting("d"));
    until(&api.proxy, "DELETE", 200);
    assert_eq!(api.call("ana:a", "GET", "/things/1").status, 403);
    let second = api.proxy.wait_for_generation(2);
    assert_ne!(first["digest"], second["digest"]);
    api.policy.overwrite("policy.yaml", letting("r"));
    until(&api.proxy, "GET", 200);
    let third = api.proxy.policy();
    assert_eq!(third["digest"], first["digest"], "the same text has the same digest");
    assert!(third["generation"].as_u64() > second["generation"].as_u64());
}

/// Waits for a load that failed, and returns its problems.
#[track_caller]
fn problems(proxy: &Proxy) -> Vec<Value> {
    eventually(|| match proxy.policy()["last_error"]["problems"].as_array() {
        Some(problems) => Ok(problems.clone()),
        None => Err("no error yet"),
    })
}

/// What is live changes a moment before it is counted.
fn wait_for_last_reload(proxy: &Proxy, ok: u64) {
    eventually(|| match proxy.metric("portcullis_policy_last_reload_ok") {
        now if now == ok => Ok(()),
        other => Err(other),
    });
}

#[test]
fn p12_a_broken_policy_changes_nothing_and_says_what_is_wrong() {
    let api = api(&letting("r"));
    let digest = api.proxy.policy()["digest"].clone();
    let broken = letting("rx").replace("roles:", "rolls: []\nroles:");
    api.policy.write("policy.yaml", &broken);
    let found = problems(&api.proxy);
    let mut codes: Vec<_> = found.iter().map(|problem| problem["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["GRANT_ACCESS", "UNKNOWN_KEY"], "all problems, in one run");
    for problem in &found {
        assert!(problem["file"].as_str().unwrap().ends_with("policy.yaml"), "{problem}");
        assert!(problem["line"].as_u64() >= Some(3) && problem["column"].is_u64(), "{problem}");
    }
    let policy = api.proxy.policy();
    assert_eq!((&policy["generation"], &policy["digest"]), (&1.into(), &digest));
    assert_eq!(api.call("ana:a", "GET", "/things/1").status, 200, "the old policy is in force");
    let line = api.proxy.wait_for_line("UNKNOWN_KEY");
    assert!(line.contains("policy.yaml:3:1") && line.contains("ERROR"), "{line}");
    let metrics = api.proxy.admin("/metrics");
    let failed = "portcullis_policy_reloads_total{result=\"failure\"} 1";
    assert!(metrics.text().contains(failed), "{}", metrics.text());
    assert_eq!(api.proxy.admin("/readyz").status, 200, "it serves, with the old policy");
    api.policy.write("policy.yaml", letting("r"));
    eventually(|| match api.proxy.policy()["last_error"].is_null() {
        true => Ok(()),
        false => Err("the error stays"),
    });
    assert_eq!(api.proxy.policy()["digest"], digest);
}

#[test]
fn p12_whatever_is_lost_or_unreadable_the_last_good_policy_stays() {
    let api = api(&letting("r"));
    for break_it in [
        (|policy: &TempPolicy| policy.remove("policy.yaml")) as fn(&TempPolicy),
        |policy| policy.write("policy.yaml", ""),
        |policy| policy.write("policy.yaml", "policy: 1\n"),
        |policy| policy.write("policy.yaml", "policy: 1\nroles: *nobody\n"),
        |policy| policy.write("policy.yaml", [b"policy: 1\n# ".as_slice(), &[0xff]].concat()),
        |policy| policy.remove("jwt.secret"),
    ] {
        break_it(&api.policy);
        assert!(!problems(&api.proxy).is_empty());
        wait_for_last_reload(&api.proxy, 0);
        assert_eq!(api.call("ana:a", "GET", "/things/1").status, 200);
        assert_eq!(api.call("ana:a", "PUT", "/things/1").status, 403);
        api.policy.write("jwt.secret", tokens::SECRET);
        api.policy.write("policy.yaml", letting("r"));
        eventually(|| match api.proxy.policy()["last_error"].is_null() {
            true => Ok(()),
            false => Err("the error stays"),
        });
        assert_eq!(api.proxy.policy()["generation"], 1, "what is on disk is what was live");
        wait_for_last_reload(&api.proxy, 1);
    }
}

/// E30: a change is in force from the next request; one that is under way keeps its policy.
#[test]
fn e30_a_request_in_flight_keeps_its_policy() {
    let schema = "schemas: [{id: s, type: t, body: {type: object, additionalProperties: true, \
                  properties: {ssn: false}}}]\nresource_types: [{id: t, at: [{path: \"/t/{id}\", \
                  pointer: \"\"}]}]\n";
    let role = |schemas: &str| {
        with_tokens(&format!(
            "{schema}roles: [{{id: a, grants: [{{path: \"/t/{{id}}\", access: r}}], \
             schemas: [{schemas}]}}, {{id: b, grants: [], schemas: [s]}}]\n"
        ))
    };
    let (upstream, pieces) = Upstream::in_pieces();
    let policy = TempPolicy::file(&role("s"));
    policy.write("jwt.secret", tokens::SECRET);
    let api = Api::with(upstream, policy);
    let token = bearer("ana:a");
    let mut client = Client::connect(api.proxy.address);
    client.send(client::head("GET", "/t/1", &[("Authorization", &token)], None));
    api.upstream.wait_for(1);
    api.policy.write("policy.yaml", role(""));
    api.proxy.wait_for_generation(2);
    let body = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"id\":1,\"ssn\":2}";
    pieces.send(body);
    pieces.done();
    assert_eq!(client.read().text(), r#"{"id":1}"#, "decided and filtered by one policy");
    client.send(client::head("GET", "/t/1", &[("Authorization", &token)], None));
    pieces.send(body);
    pieces.done();
    assert_eq!(client.read().text(), r#"{"id":1,"ssn":2}"#);
    let generations = eventually(|| {
        let log = api.proxy.log();
        let found: Vec<_> = log.iter().filter_map(|line| line["generation"].as_u64()).collect();
        if found.len() == 2 { Ok(found) } else { Err(log) }
    });
    assert_eq!(generations, [1, 2]);
}

const ROLES_OF_A: &str = "roles: [{id: a, grants: [{path: \"/things/**\", access: r}]}]\n";
const ROLES_OF_B: &str = "roles: [{id: b, grants: [{path: \"/things/**\", access: d}]}]\n";

#[test]
fn p12_a_folder_of_files_is_one_policy() {
    let with = |roles: &str| format!("policy: 1\n{roles}");
    let policy = TempPolicy::folder(&[("base.yaml", super::TOKENS), ("a.yml", &with(ROLES_OF_A))]);
    policy.write("jwt.secret", tokens::SECRET);
    let api = Api::with(Upstream::json("{}"), policy);
    assert_eq!(api.call("ana:b", "DELETE", "/things/1").status, 403);
    api.policy.write(
        "b.json",
        r#"{"policy": 1, "roles": [{"id": "b", "grants":
        [{"path": "/things/**", "access": "d"}]}]}"#,
    );
    api.policy.write(".hidden.yaml", "not a policy");
    api.policy.write("notes.txt", "not a policy");
    api.proxy.wait_for_generation(2);
    assert_eq!(api.call("ana:b", "DELETE", "/things/1").status, 200);
    assert_eq!(api.call("ana:a", "GET", "/things/1").status, 200);
    api.policy.write("c.yaml", with(ROLES_OF_A));
    let found = problems(&api.proxy);
    assert_eq!(found[0]["code"], "ID_UNIQUE", "{found:?}");
    let text = found[0].to_string();
    assert!(text.contains("a.yml") || text.contains("c.yaml"), "{text}");
    assert_eq!(api.call("ana:b", "DELETE", "/things/1").status, 200);
}

#[test]
fn p12_kubernetes_swaps_are_taken_whole() {
    let policy = TempPolicy::folder(&[]);
    let with = |roles: &str| format!("policy: 1\n{roles}");
    let files = |a: &str, b: &str| [("a.yaml".to_owned(), with(a)), ("b.yaml".to_owned(), with(b))];
    let swap = |policy: &TempPolicy, revision: &str, roles: [(String, String); 2]| {
        let mut all = vec![("base.yaml", super::TOKENS), ("jwt.secret", tokens::SECRET)];
        all.extend(roles.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        policy.swap_data(revision, &all);
    };
    swap(&policy, "1", files(ROLES_OF_A, "name: one\n"));
    let api = Api::with(Upstream::json("{}"), policy);
    assert_eq!(api.call("ana:a", "GET", "/things/1").status, 200);
    assert_eq!(api.call("ana:b", "DELETE", "/things/1").status, 403);
    swap(&api.policy, "2", files("name: two\n", ROLES_OF_B));
    api.proxy.wait_for_generation(2);
    assert_eq!(api.call("ana:a", "GET", "/things/1").status, 403);
    assert_eq!(api.call("ana:b", "DELETE", "/things/1").status, 200);
    assert_eq!(api.proxy.policy()["last_error"], Value::Null);
}

/// SIGHUP reloads also what no event tells of: nothing is lost, and nothing is counted twice.
#[test]
fn p12_sighup_reloads() {
    let api = api(&letting("r"));
    let pid = i32::try_from(api.proxy.pid()).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::HUP).expect("signal");
    api.policy.write("policy.yaml", letting("d"));
    kill_process(pid, Signal::HUP).expect("signal");
    until(&api.proxy, "DELETE", 200);
    assert_eq!(api.proxy.policy()["generation"], 2);
}

/// Two hundred policies in quick succession: each response is one policy's, and the last wins.
#[test]
fn p12_many_swaps_converge_and_each_response_has_one_generation() {
    let text = |roles: usize, letter: &str| {
        let grant =
            |n| format!("  - {{id: r{n}, grants: [{{path: \"/things/**\", access: {letter}}}]}}\n");
        with_tokens(&format!("roles:\n{}", (0..=roles).map(grant).collect::<String>()))
    };
    let policy = TempPolicy::file(&text(0, "r"));
    policy.write("jwt.secret", tokens::SECRET);
    let upstream = Upstream::json("{}");
    let proxy = Start::new().upstream(&upstream).policy(policy.path()).ready();
    let token = bearer("ana:r0");
    let fields = [("Authorization", token.as_str())];
    let mut client = Client::connect(proxy.address);
    let mut digests = std::collections::HashMap::new();
    for swap in 1..=200 {
        let letter = if swap % 2 == 0 { "r" } else { "d" };
        policy.write("policy.yaml", text(swap % 7, letter));
        let (read, removed) = (
            client.call("GET", "/things/1", &fields).status,
            client.call("DELETE", "/things/1", &fields).status,
        );
        assert!([200, 403].contains(&read) && [200, 403].contains(&removed), "{read} {removed}");
    }
    policy.write("policy.yaml", text(6, "d"));
    eventually(|| match client.call("DELETE", "/things/1", &fields).status {
        200 => Ok(()),
        other => Err(other),
    });
    let roles = eventually(|| match proxy.policy()["roles"].as_u64() {
        Some(7) => Ok(7),
        other => Err(other),
    });
    assert_eq!(roles, 7);
    let log = eventually(|| {
        let log: Vec<_> = proxy.log().into_iter().filter(|l| l["method"].is_string()).collect();
        if log.len() >= 401 { Ok(log) } else { Err(log.len()) }
    });
    for line in &log {
        let allows = match line["decision"].as_str() {
            Some("allow") => line["method"].clone(),
            _ if line["method"] == "GET" => "DELETE".into(),
            _ => "GET".into(),
        };
        let known = digests.entry(line["generation"].as_u64().unwrap()).or_insert(allows.clone());
        assert_eq!(*known, allows, "one generation answered in two ways: {line}");
    }
    assert_eq!(proxy.policy()["last_error"], Value::Null);
}
