//! Organizations and applications that a request names by a header or by its host.

use super::Api;
use crate::support::{Response, tokens};

const PEOPLE: &str = r#"
organizations: [{id: acme, apps: [shop]}, {id: beta, apps: [shop]}]
applications: [{id: shop}]
roles:
  - {id: reads, grants: [GRANT]}
  - {id: serves, scope: app, grants: [GRANT]}
members:
  - {user: ann, org: acme, roles: [reads], apps: {shop: [serves]}}
  - {user: bob, org: beta, roles: [reads]}
"#;

fn start(routes: &str, grant: &str) -> Api {
    Api::start(&format!("routes: [{routes}]\n{}", PEOPLE.replace("GRANT", grant)))
}

const ANYWHERE: &str = "{path: \"/**\", access: r}";

#[test]
fn a_header_names_the_organization() {
    let api = start("{match: \"/**\", org: header.X-Org}", ANYWHERE);
    let get = |who: &str, fields: &[(&str, &str)]| api.call_with(who, "GET", "/x", fields);
    let answer = get("ann", &[("X-Org", "acme")]);
    assert_eq!(answer.status, 200);
    let vary = answer.head.fields.all("vary").join(", ");
    assert!(vary.to_lowercase().contains("x-org"), "{vary}");
    let told = api.upstream.requests().pop().expect("a request").fields;
    assert_eq!((told.get("x-portcullis-org"), told.get("x-org")), (Some("acme"), Some("acme")));
    assert_eq!(get("bob", &[("x-org", "beta")]).status, 200);
    // Absent, empty, another one, unknown: outside of the scope nothing exists.
    for fields in [&[][..], &[("X-Org", "")], &[("X-Org", "beta")], &[("X-Org", "nobody")]] {
        api.refused("GET", 404, || get("ann", fields));
    }
    api.refused("GET", 401, || get("", &[("X-Org", "acme")]));
}

#[test]
fn p03_a_header_that_the_policy_reads_has_one_reading() {
    let api = start("{match: \"/**\", org: header.X-Org}, {match: /free, public: r}", ANYWHERE);
    for fields in [
        &[("X-Org", "acme"), ("X-Org", "beta")][..],
        &[("X-Org", "acme"), ("X-Org", "acme")],
        &[("X-Org", "acme"), ("X_Org", "beta")],
        &[("X.Org", "beta"), ("X-Org", "acme")],
        &[("X_Org", "acme")],
        &[("X-Org", "acm\u{e9}")],
        &[("X-Org", "acme"), ("Connection", "close, x-org")],
    ] {
        api.refused("GET", 400, || api.call_with("ann", "GET", "/x", fields));
    }
    // Where nobody reads it, it is the upstream's.
    let twice = [("X-Org", "acme"), ("X-Org", "beta")];
    assert_eq!(api.call_with("", "GET", "/free", &twice).status, 200);
}

#[test]
fn a_header_names_the_application() {
    let api = start("{match: \"/o/{org}/**\", app: header.X-App}", ANYWHERE);
    let get =
        |fields: &[(&str, &str)]| -> Response { api.call_with("ann", "GET", "/o/acme/x", fields) };
    // Unlike a claim that is absent, a header that is absent is outside of the scope.
    for fields in [&[][..], &[("X-App", "")], &[("X-App", "none")]] {
        api.refused("GET", 404, || get(fields));
    }
    assert_eq!(get(&[("X-App", "shop")]).status, 200);
    let told = api.upstream.requests().pop().expect("a request").fields;
    assert_eq!(
        (told.get("x-portcullis-app"), told.get("x-portcullis-roles")),
        (Some("shop"), Some("reads,serves"))
    );
}

#[test]
fn p09_the_label_of_the_host_names_the_organization() {
    let grant = "{path: \"/**\", host: \"*.api.example\", access: r}, \
                 {path: \"/orgs/{org}/**\", host: www.example, access: r}";
    let routes = "{match: \"/**\", host: \"{tenant}.api.example\", org: host.tenant}, \
                  {match: \"/**\", host: www.example, org: claims.org}";
    let api = start(routes, grant);
    let get = |who: &str, host: &str| api.call_with(who, "GET", "/x", &[("Host", host)]);
    for host in ["acme.api.example", "ACME.API.example.", "Acme.api.example:8080"] {
        assert_eq!(get("ann", host).status, 200, "{host}");
        let told = api.upstream.requests().pop().expect("a request").fields;
        assert_eq!(told.get("x-portcullis-org"), Some("acme"), "in the form of names");
    }
    for host in ["beta.api.example", "nobody.api.example", "api.example", "a.acme.api.example"] {
        api.refused("GET", 404, || get("ann", host));
        api.refused("GET", 401, || get("", host));
    }
    assert_eq!(get("bob", "beta.api.example").status, 200);
    // The same credential on the host that reads the claim.
    let mut claims = tokens::claims("ann", &[]);
    claims["org"] = "acme".into();
    let bearer = tokens::bearer(&claims);
    let fields = [("Authorization", bearer.as_str()), ("Host", "www.example")];
    assert_eq!(api.call_with("", "GET", "/orgs/acme/x", &fields).status, 200);
    assert_eq!(api.call_with("", "GET", "/orgs/beta/x", &fields).status, 403);
}

/// `{org}` captured by the host is the address, as it is where a path captures it.
#[test]
fn p09_an_org_that_the_host_captures_is_addressed() {
    let grant = "{path: \"/{org}/**\", host: \"*.api.example\", access: r}";
    let api = start("{match: \"/**\", host: \"{org}.api.example\"}", grant);
    let get = |target: &str| api.call_with("ann", "GET", target, &[("Host", "acme.api.example")]);
    assert_eq!(get("/acme/x").status, 200);
    api.refused("GET", 403, || get("/beta/x"));
}
