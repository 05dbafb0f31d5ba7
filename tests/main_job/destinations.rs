//! Where requests go: where their route says, or else the application that they address.

use super::{Api, with_tokens};
use crate::support::eventually::within;
use crate::support::proxy::{Proxy, Start};
use crate::support::upstream::response;
use crate::support::{DEADLINE, TempPolicy, Upstream, client, tokens};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn rules(shop: &Upstream, files: &Upstream) -> String {
    format!(
        r#"
upstreams:
  - {{id: shop, url: "http://{}"}}
  - {{id: files, url: "http://{}"}}
routes:
  - {{match: "/a/{{app}}/**"}}
  - {{match: "/a/{{app}}/files/**", upstream: files}}
  - {{match: "/a/{{app}}/open", public: r}}
  - {{match: "/claimed/**", app: claims.app}}
  - {{match: "/plain/**"}}
applications: [{{id: shop, upstream: shop}}, {{id: wiki}}]
roles:
  - {{id: reads, app_access: all, grants: [{{path: "/**", access: r}}]}}
members: [{{user: ann, roles: [reads]}}]
"#,
        shop.address(),
        files.address()
    )
}

#[test]
fn an_application_has_an_upstream_of_its_own() {
    let (shop, files) = (Upstream::json("\"shop\""), Upstream::json("\"files\""));
    let policy = TempPolicy::file(&with_tokens(&rules(&shop, &files)));
    policy.write("jwt.secret", tokens::SECRET);
    let api = Api::with(Upstream::json("\"default\""), policy);
    let mut claims = tokens::claims("ann", &[]);
    claims["app"] = "shop".into();
    let of_shop = tokens::bearer(&claims);
    for (target, answer) in [
        ("/a/shop/x", "\"shop\""),
        ("/a/wiki/x", "\"default\""),
        ("/a/shop/files/x", "\"files\""),
        ("/a/wiki/files/x", "\"files\""),
        ("/a/shop/open", "\"shop\""),
        ("/a/wiki/open", "\"default\""),
        ("/a/nowhere/open", "\"default\""),
        ("/plain/shop", "\"default\""),
        ("/claimed/x", "\"default\""),
    ] {
        assert_eq!(api.call("ann", "GET", target).text(), answer, "{target}");
    }
    let claimed = api.call_with("", "GET", "/claimed/x", &[("Authorization", &of_shop)]);
    assert_eq!(claimed.text(), "\"shop\"");
    let asked = [&api.upstream, &shop, &files].map(|upstream| upstream.requests().len());
    assert_eq!(asked, [5, 3, 2]);
    assert_eq!(api.call("ann", "GET", "/a/nowhere/x").status, 404);
}

/// Both kinds of endpoints, from flags and from the environment; the ready line names them.
#[test]
fn p14_the_default_upstream_may_have_several_endpoints() {
    let policy = TempPolicy::file("policy: 1\nroutes: [{match: \"/**\", public: r}]\n");
    for by_flags in [true, false] {
        let both = [Upstream::json("1"), Upstream::json("2")];
        let urls = both.each_ref().map(|upstream| format!("http://{}", upstream.address()));
        let start = Start::new().policy(policy.path());
        let proxy = match by_flags {
            true => start.arguments(["--upstream", &urls[0], "--upstream", &urls[1]]),
            false => start.environment("PORTCULLIS_UPSTREAM", &urls.join(",")),
        }
        .environment("PORTCULLIS_WORKERS", "1")
        .ready();
        for _ in 0..6 {
            assert_eq!(client::call(proxy.address, "GET", "/a", &[("Host", "a")]).status, 200);
        }
        assert_eq!(both.each_ref().map(|upstream| upstream.requests().len()), [3, 3]);
        proxy.wait_for_line(&format!("upstream {}", urls.join(", ")));
    }
}

/// By a name, with a check that fails and then does not: what the operator sees of it.
#[test]
fn p14_what_is_known_of_upstreams_is_shown() {
    let well = Arc::new(AtomicBool::new(false));
    let said = well.clone();
    let upstream = Upstream::with(move |request| {
        let status = if said.load(Ordering::SeqCst) { 200 } else { 500 };
        response(if request.target == "/healthz" { status } else { 200 }, &[], "{}")
    });
    let port = upstream.address().port();
    // Too long a label: no resolver has to ask anybody.
    let no_name = "a".repeat(64);
    let policy = TempPolicy::file(&format!(
        "policy: 1\nupstreams:\n\
         - {{id: api, url: 'http://127.0.0.1:{port}', \
         health: {{path: /healthz, interval: 100ms, healthy: 1, unhealthy: 2}}}}\n\
         - {{id: named, url: 'http://localhost:{port}'}}\n\
         - {{id: lost, url: 'http://{no_name}'}}\n\
         routes: [{{match: \"/**\", public: r, upstream: api}}, \
         {{match: /named, public: r, upstream: named}}]\n",
    ));
    let proxy = Proxy::start(&upstream, &policy);
    let of = |id: &str| -> serde_json::Value {
        let all = proxy.admin("/upstreams").json();
        all.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone()
    };
    let call = |target| client::call(proxy.address, "GET", target, &[("Host", "a")]);
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        within(DEADLINE, || holds().then_some(()).ok_or(())).unwrap_or_else(|()| panic!("{what}"));
    };
    until("it is not well", &|| of("api")["endpoints"][0]["healthy"] == false);
    assert_eq!(of("api")["endpoints"][0]["last_error"], "it answers 500 Internal Server Error");
    until("requests are refused", &|| call("/x").status == 503);
    assert_eq!(call("/named").status, 200, "whose health nobody asks");
    until("its addresses are known", &|| {
        let named = of("named");
        let urls: Vec<_> = named["endpoints"].as_array().unwrap().iter().collect();
        urls.iter().any(|one| one["url"] == format!("http://127.0.0.1:{port}"))
            && urls.iter().all(|one| one["healthy"].is_null())
    });
    until("a name is lost", &|| of("lost")["lookup_error"].is_string());
    let metrics = proxy.admin("/metrics");
    let metrics = metrics.text();
    for wanted in [
        "portcullis_upstream_endpoints{state=\"healthy\"} 0",
        "portcullis_upstream_endpoints{state=\"unhealthy\"} 1",
        "portcullis_upstream_names_ok 0",
    ] {
        assert!(metrics.lines().any(|line| line == wanted), "{wanted}: {metrics}");
    }
    proxy.wait_for_line("it is not well; it gets no requests");
    proxy.wait_for_line("the name cannot be looked up");
    well.store(true, Ordering::SeqCst);
    until("it is well", &|| of("api")["endpoints"][0]["healthy"] == true);
    until("requests are served", &|| call("/x").status == 200);
    proxy.wait_for_line("it is well");
}
