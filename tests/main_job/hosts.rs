//! Routes, grants and denials by host: what is compared is the one host that the client named.

use super::Api;
use crate::support::proxy::run_in;
use crate::support::{Client, Upstream};

const HOSTS: &str = r#"
routes:
  - {match: "/**", host: api.example}
  - {match: "/x/**", host: api.example, public: r}
  - {match: "/**", host: "*.example"}
  - {match: "/open/**", public: r}
roles:
  - {id: r, grants: [{path: "/**", host: api.example, access: r}, {path: "/a", host: "*.example", access: crud}]}
restrictions:
  - {id: never, default: true, deny: [{path: /a, host: admin.example, access: crud}, {path: "/**", access: d}]}
"#;

fn status(api: &Api, who: &str, method: &str, host: &str, target: &str) -> u16 {
    api.call_with(who, method, target, &[("Host", host)]).status
}

#[test]
fn p03_the_most_exact_host_decides() {
    let api = Api::start(HOSTS);
    for (who, method, host, target, wanted) in [
        ("ann:r", "GET", "api.example", "/b", 200),
        ("ann:r", "GET", "api.example", "/a", 200),
        ("ann:r", "PUT", "api.example", "/a", 200),
        ("ann:r", "PUT", "api.example", "/b", 403),
        ("ann:r", "GET", "other.example", "/a", 200),
        ("ann:r", "GET", "other.example", "/b", 403),
        ("", "GET", "api.example", "/x/1", 200),
        ("", "GET", "other.example", "/x/1", 401),
        // `/**` of a host is before `/open/**` of all.
        ("", "GET", "api.example", "/open/1", 401),
        ("", "GET", "else.test", "/open/1", 200),
        ("", "GET", "a.b.example", "/open/1", 200),
        ("ann:r", "GET", "a.b.example", "/a", 404),
        ("ann:r", "GET", "example", "/a", 404),
        ("", "GET", "example", "/a", 401),
        ("ann:r", "GET", "127.0.0.1", "/a", 404),
        // A denial without a host denies on each.
        ("ann:r", "DELETE", "other.example", "/a", 403),
        ("ann:r", "GET", "admin.example", "/a", 403),
    ] {
        assert_eq!(
            status(&api, who, method, host, target),
            wanted,
            "{who} {method} {host}{target}"
        );
    }
    let seen = api.upstream.requests().into_iter().map(|request| request.fields);
    let hosts: Vec<_> = seen.map(|fields| fields.get("host").map(str::to_owned)).collect();
    assert!(!hosts.contains(&Some("admin.example".into())), "{hosts:?}");
}

/// Case, a dot at the end and a port tell no two hosts apart: not for who may, not for who may not.
#[test]
fn p03_every_spelling_of_a_host_is_decided_alike() {
    let api = Api::start(HOSTS);
    for host in ["ADMIN.example", "admin.example.", "Admin.Example.:80", "admin.example:8081"] {
        api.refused("GET", 403, || api.call_with("ann:r", "GET", "/a", &[("Host", host)]));
    }
    for host in ["API.EXAMPLE", "api.example.", "api.example:80", "api.example:9999"] {
        assert_eq!(status(&api, "ann:r", "GET", host, "/b"), 200, "{host}");
        let told = api.upstream.requests().pop().expect("a request").fields;
        assert_eq!(told.get("host"), Some(host), "what was decided goes on as it came");
    }
    for host in ["", "admin.example,api.example", "api.example/"] {
        api.refused("GET", 400, || api.call_with("ann:r", "GET", "/b", &[("Host", host)]));
    }
    let two = [("Host", "api.example"), ("Host", "admin.example")];
    api.refused("GET", 400, || api.call_with("ann:r", "GET", "/b", &two));
}

/// The host of an absolute target is the Host, or the request is refused.
#[test]
fn p03_an_absolute_target_names_no_other_host() {
    let api = Api::start(HOSTS);
    let bearer = super::bearer("ann:r");
    let ask = |target: &str, host: &str| {
        let fields = [("Authorization", bearer.as_str()), ("Host", host)];
        Client::connect(api.proxy.address).call("GET", target, &fields).status
    };
    assert_eq!(ask("http://api.example/b", "admin.example"), 400);
    assert_eq!(ask("http://admin.example/a", "admin.example"), 403);
    assert!(api.upstream.requests().is_empty());
    assert_eq!(ask("http://API.example:80/b", "api.example"), 200);
}

#[test]
fn explain_reads_the_host_as_the_proxy_does() {
    let api = Api::over(Upstream::json("{}"), HOSTS);
    let explain = |host: &[&str], target: &str| {
        let mut arguments = vec!["explain", "policy.yaml", "--user", "ann", "--claim", "roles=r"];
        arguments.extend(["--format", "json", "GET", target]);
        host.iter().for_each(|host| arguments.extend(["--header", host]));
        let folder = api.policy.join("");
        let output = run_in(&folder, arguments);
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (told["reason"].as_str().unwrap().to_owned(), told["route"].clone(), told["notes"].clone())
    };
    let (reason, route, _) = explain(&["Host: API.Example:80"], "/b");
    assert_eq!((reason.as_str(), route), ("granted", "api.example/**".into()));
    let (reason, route, _) = explain(&["Host: x.example"], "/b");
    assert_eq!((reason.as_str(), route), ("no_grant", "*.example/**".into()));
    let (reason, _, _) = explain(&["Host: admin.example"], "/a");
    assert_eq!(reason, "restricted");
    for host in [&["Host: a b"][..], &["Host: a", "Host: a"], &[]] {
        let (reason, route, notes) = explain(host, "/b");
        assert_eq!((reason.as_str(), route), ("bad_request", serde_json::Value::Null), "{host:?}");
        assert!(notes.to_string().contains("host") || notes.to_string().contains("Host"));
    }
}
