//! Where requests go: where their route says, or else the application that they address.

use super::{Api, with_tokens};
use crate::support::proxy::Start;
use crate::support::{TempPolicy, Upstream, client, tokens};

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
