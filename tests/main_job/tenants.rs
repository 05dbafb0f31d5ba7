//! Organizations and applications: members, the application gate, and what lies outside of it.

use super::Api;
use crate::support::{TempPolicy, Upstream, client, tokens};

const TENANTS: &str = r#"
routes:
  - {match: "/orgs/{org}/**"}
  - {match: "/orgs/{org}/apps/{app}/**"}
organizations:
  - {id: acme, apps: [shop, idle, vault]}
  - {id: beta, apps: [shop]}
  - {id: gone, apps: [shop], status: suspended}
applications:
  - {id: shop, default_role: developer}
  - {id: idle, active: false}
  - {id: vault}
roles:
  - {id: admin, grants: [{path: "/orgs/{org}/settings/**", access: crud}]}
  - {id: developer, scope: app, grants: [{path: "/orgs/{org}/apps/{app}/**", access: crud}]}
  - {id: observer, scope: app, grants: [{path: "/orgs/{org}/apps/{app}/**", access: r}]}
members:
  - {user: ada, org: acme, roles: [admin], apps: {shop: [observer], idle: [developer]}}
  - {user: dan, org: acme, apps: {shop: []}}
  - {user: sue, org: acme, roles: [admin], apps: {shop: []}, status: suspended}
  - {user: ada, org: gone, roles: [admin], apps: {shop: [developer]}}
  - {user: ben, org: beta, roles: [admin]}
"#;

/// L5: an administrator has all letters on its own organization's settings, none on another's.
#[test]
fn l5_p09_another_organization_does_not_exist() {
    let api = Api::start(TENANTS);
    for org in ["beta", "gone", "nobody", "Acme", "acme%20", "acme."] {
        for target in [format!("/orgs/{org}/settings"), format!("/orgs/{org}/apps/shop/keys")] {
            api.refuses("ada", "GET", &target, 404);
            api.refuses("", "GET", &target, 401);
        }
    }
    api.refuses("ben", "DELETE", "/orgs/acme/settings", 404);
    api.refuses("stranger", "GET", "/orgs/acme/settings", 404);
    for method in ["GET", "POST", "PUT", "DELETE"] {
        assert_eq!(api.call("ada", method, "/orgs/acme/settings/plan").status, 200, "{method}");
    }
    assert_eq!(api.call("ben", "GET", "/orgs/beta/settings").status, 200);
    let told = api.upstream.requests().pop().expect("a request").fields;
    let told =
        ["user", "org", "app", "roles"].map(|name| told.get(&format!("x-portcullis-{name}")));
    assert_eq!(told, [Some("ben"), Some("beta"), None, Some("admin")]);
}

/// L17, L18: the application gate runs before any grant; L13: who is on no application gets 404.
#[test]
fn l17_the_application_gate_runs_before_any_grant() {
    let api = Api::start(TENANTS);
    for (who, app, status) in [
        ("ada", "vault", 404),
        ("ada", "idle", 403),
        ("ada", "no-such", 404),
        ("dan", "idle", 404),
        ("ben", "shop", 404),
        ("sue", "shop", 404),
    ] {
        let org = if who == "ben" { "beta" } else { "acme" };
        api.refuses(who, "GET", &format!("/orgs/{org}/apps/{app}/keys"), status);
    }
    api.refuses("ben", "GET", "/orgs/beta/apps/vault/keys", 404);
    api.refuses("ben", "GET", "/orgs/beta/apps/idle/keys", 404);
}

/// L20: `developer` is the default application role; L24: an observer changes nothing.
#[test]
fn l20_access_without_a_role_acts_as_the_default_role() {
    let api = Api::start(TENANTS);
    api.refuses("ada", "PUT", "/orgs/acme/apps/shop/keys", 403);
    api.refuses("dan", "GET", "/orgs/acme/settings", 403);
    assert_eq!(api.call("ada", "GET", "/orgs/acme/apps/shop/keys").status, 200);
    assert_eq!(api.call("dan", "PUT", "/orgs/acme/apps/shop/keys").status, 200);
    let told = api.upstream.requests().pop().expect("a request").fields;
    let told =
        ["user", "org", "app", "roles"].map(|name| told.get(&format!("x-portcullis-{name}")));
    assert_eq!(told, [Some("dan"), Some("acme"), Some("shop"), Some("developer")]);
}

#[test]
fn suspension_and_its_end_are_the_next_requests() {
    let api = Api::start(TENANTS);
    api.refuses("sue", "GET", "/orgs/acme/settings", 404);
    api.refuses("ada", "GET", "/orgs/gone/settings", 404);
    let text = super::with_tokens(&TENANTS.replace(", status: suspended", ""));
    api.policy.write("policy.yaml", text);
    api.proxy.wait_for_generation(2);
    assert_eq!(api.call("sue", "GET", "/orgs/acme/settings").status, 200);
    assert_eq!(api.call("ada", "GET", "/orgs/gone/settings").status, 200);
}

/// A credential that names an organization or an application acts there alone.
#[test]
fn p09_a_credential_acts_where_it_says_alone() {
    let both = TENANTS.replace("{user: ben, org: beta", "{user: ada, org: beta");
    let api = Api::start(&both);
    let named = |org: &str, app: Option<&str>| {
        let mut claims = tokens::claims("ada", &[]);
        claims["org"] = org.into();
        if let Some(app) = app {
            claims["app"] = app.into();
        }
        tokens::bearer(&claims)
    };
    let status = |token: &str, target: &str| {
        api.call_with("", "GET", target, &[("Authorization", token)]).status
    };
    assert_eq!(status(&named("beta", None), "/orgs/acme/settings"), 404);
    assert_eq!(status(&named("acme", Some("shop")), "/orgs/acme/settings"), 404);
    assert_eq!(status(&named("acme", Some("vault")), "/orgs/acme/apps/shop/x"), 404);
    api.upstream.assert_untouched();
    assert_eq!(status(&named("acme", None), "/orgs/acme/settings"), 200);
    assert_eq!(status(&named("beta", None), "/orgs/beta/settings"), 200);
    assert_eq!(status(&named("acme", Some("shop")), "/orgs/acme/apps/shop/x"), 200);
}

/// EVRYTHNG and Frontegg shape: no organization in the path, the key says it.
#[test]
fn e2_an_api_key_names_its_account_by_a_claim() {
    let digest = tokens::key_digest;
    let policy = TempPolicy::file(&format!(
        r#"
policy: 1
identity:
  api_keys:
    keys:
      - {{user: eng, sha256: "{}", claims: {{account: acme}}}}
      - {{user: eng, sha256: "{}", claims: {{account: beta}}}}
      - {{user: eng, sha256: "{}"}}
      - {{user: eng, org: acme, roles: [reads], sha256: "{}", claims: {{account: acme}}}}
routes: [{{match: "/**", org: claims.account}}]
organizations: [{{id: acme}}, {{id: beta}}]
roles:
  - {{id: reads, grants: [{{path: "/accounts/{{org}}/**", access: r}}, {{path: /thngs, access: r}}]}}
  - {{id: writes, grants: [{{path: /thngs, access: c}}]}}
members: [{{user: eng, org: acme, roles: [reads, writes]}}]
"#,
        digest("key-of-acme"),
        digest("key-of-beta"),
        digest("key-of-nobody"),
        digest("key-that-reads")
    ));
    let api = Api::with(Upstream::json("{}"), policy);
    let status = |key: &str, method: &str, target: &str| {
        client::call(api.proxy.address, method, target, &[("X-Api-Key", key)]).status
    };
    assert_eq!(status("key-of-beta", "GET", "/thngs"), 404, "no member there");
    assert_eq!(status("key-of-nobody", "GET", "/thngs"), 404, "no account");
    assert_eq!(status("key-of-acme", "GET", "/accounts/beta/x"), 403, "another account's path");
    assert_eq!(status("key-that-reads", "POST", "/thngs"), 403, "a key's roles narrow");
    api.upstream.assert_untouched();
    assert_eq!(status("key-of-acme", "GET", "/accounts/acme/x"), 200);
    assert_eq!(status("key-of-acme", "POST", "/thngs"), 200);
    assert_eq!(status("key-that-reads", "GET", "/thngs"), 200);
}

/// A suspended user is a member of nothing, whatever it asks for, and is one again afterwards.
#[test]
fn a_suspended_user_is_a_member_of_nothing() {
    let rules = r#"
routes: [{match: "/orgs/{org}/**"}, {match: "/open/**", public: r}, {match: "/**"}]
organizations: [{id: acme}]
users: [{id: ann, email: ann@acme.test, status: suspended}, {id: bob, status: active}]
role_defaults: {any: [{path: /me, access: r}]}
roles: [{id: reads, grants: [{path: "/orgs/{org}/**", access: r}]}]
members: [{user: ann, org: acme, roles: [reads]}, {user: bob, org: acme, roles: [reads]}]
"#;
    let api = Api::start(rules);
    for target in ["/orgs/acme/x", "/me"] {
        api.refuses("ann", "GET", target, 404);
    }
    assert_eq!(api.call("ann", "GET", "/open/x").status, 200, "public: nobody is asked");
    assert_eq!(api.call("bob", "GET", "/me").status, 200);
    let text = super::with_tokens(&rules.replace("suspended", "active"));
    api.policy.write("policy.yaml", text);
    api.proxy.wait_for_generation(2);
    assert_eq!(api.call("ann", "GET", "/orgs/acme/x").status, 200);
}

/// `{org}` and `{app}` in an `at` are the addressed ones: what stands on another one's path is not said
/// by it, so a grant that is wider than its author thinks is refused and does not show a foreign
/// object through the mask of one's own.
#[test]
fn p09_the_place_of_a_type_is_that_of_the_addressed_organization() {
    let rules = r#"
routes: [{match: "/**", org: claims.org, app: claims.app}]
applications: [{id: shop}]
roles:
  - {id: clerk, schemas: [no-ssn], grants: [{path: "/accounts/**", access: ru}]}
  - {id: guest, schemas: [no-name], grants: [{path: "/open/{id}", access: r}]}
  - {id: dev, scope: app, schemas: [no-ssn], grants: [{path: "/apps/**", access: r}]}
schemas:
  - {id: no-ssn, type: person, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
  - {id: no-name, type: open, body: {type: object, additionalProperties: true, properties: {name: false}}}
resource_types:
  - {id: person, at: [{path: "/accounts/{org}", pointer: ""}, {path: "/apps/{app}", pointer: ""}]}
  - id: open
    at: [{path: "/open/{org}", pointer: ""}, {path: "/open/{id}", pointer: /person}]
"#;
    let body = r#"{"ssn":1,"name":"Ann","person":{"name":"Ben"}}"#;
    let api = Api::over(Upstream::json(body), rules);
    let call = |who: &str, app: &str, target: &str| {
        let mut claims = tokens::claims("ana", &[who]);
        claims["org"] = "acme".into();
        if !app.is_empty() {
            claims["app"] = app.into();
        }
        let token = tokens::bearer(&claims);
        client::call(api.proxy.address, "GET", target, &[("Authorization", &token)])
    };
    let own = call("clerk", "", "/accounts/acme");
    assert_eq!((own.status, own.json()["ssn"].is_null()), (200, true), "{}", own.text());
    for foreign in ["/accounts/beta", "/accounts/Acme", "/accounts/acme."] {
        let seen = api.refused("GET", 403, || call("clerk", "", foreign));
        assert!(!seen.text().contains("Ann"), "{foreign}");
    }
    assert_eq!(call("dev", "shop", "/apps/shop").status, 200);
    api.refused("GET", 403, || call("dev", "shop", "/apps/other"));
    // Two places of one shape: the one that speaks of everybody holds for everybody.
    let both = call("guest", "", "/open/acme").json();
    assert_eq!((both["name"].is_null(), both["person"]["name"].is_null()), (true, true), "{both}");
    let other = call("guest", "", "/open/beta").json();
    assert_eq!((&other["name"], other["person"]["name"].is_null()), (&"Ann".into(), true));
}
