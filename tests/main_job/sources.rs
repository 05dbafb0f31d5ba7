//! Memberships from both sources: the directory, and claimed roles that say `from_token`.

use super::Api;
use crate::support::{TempPolicy, Upstream, client, tokens};

const RULES: &str = r#"
membership: both
routes:
  - {match: "/orgs/{org}/apps/{app}/**"}
  - {match: "/orgs/{org}/**"}
organizations:
  - {id: acme, apps: [shop]}
  - {id: beta, apps: [shop]}
  - {id: vendor, operator: true}
applications: [{id: shop, default_role: looks}]
restrictions: [{id: no-c, default: true, deny: [{path: "/orgs/{org}/c", access: crud}]}]
roles:
  - {id: a, grants: [{path: "/orgs/{org}/a", access: r}]}
  - {id: b, from_token: true, includes: [part], grants: [{path: "/orgs/{org}/b", access: r}, {path: "/orgs/{org}/c", access: r}]}
  - {id: part, grants: [{path: "/orgs/{org}/part", access: r}]}
  - {id: travels, from_token: true, reach: all-orgs, grants: [{path: "/orgs/{org}/b", access: r}]}
  - {id: looks, scope: app, grants: [{path: "/orgs/{org}/apps/{app}/looks", access: r}]}
  - {id: edits, scope: app, from_token: true, grants: [{path: "/orgs/{org}/apps/{app}/edits", access: r}]}
  - {id: hidden, scope: app, grants: [{path: "/orgs/{org}/apps/{app}/hidden", access: r}]}
members:
  - {user: ann, org: acme, roles: [a], restrictions: [], apps: {shop: []}}
  - {user: ann, org: beta, roles: [a]}
  - {user: sue, org: acme, roles: [a], status: suspended}
  - {user: old, org: acme, roles: [a], expires: 2020-01-01T00:00:00Z}
"#;

struct Both(Api);

impl Both {
    /// The statuses of `GET /orgs/acme/…` for a caller whose token says this.
    fn statuses(&self, user: &str, org: &str, app: &str, roles: &[&str], of: &[&str]) -> Vec<u16> {
        let mut claims = tokens::claims(user, roles);
        for (name, value) in [("org", org), ("app", app)] {
            if !value.is_empty() {
                claims[name] = value.into();
            }
        }
        let token = tokens::bearer(&claims);
        let status = |what: &&str| {
            let target = format!("/orgs/acme/{what}");
            client::call(self.0.proxy.address, "GET", &target, &[("Authorization", &token)]).status
        };
        of.iter().map(status).collect()
    }
}

#[test]
fn claimed_roles_that_say_so_count_beside_the_directory() {
    let both = Both(Api::start(RULES));
    let all = ["a", "b", "part", "c"];
    let of = |user: &str, org: &str, roles: &[&str]| both.statuses(user, org, "", roles, &all);
    assert_eq!(of("ann", "acme", &[]), [200, 403, 403, 403], "the directory alone");
    assert_eq!(of("ann", "acme", &["b", "unknown"]), [200, 200, 200, 200], "both");
    assert_eq!(of("ann", "", &["b"]), [200, 403, 403, 403], "claimed for no organization");
    assert_eq!(of("ann", "beta", &["b"]), [404, 404, 404, 404], "it acts in beta alone");
    assert_eq!(of("eve", "acme", &["b"]), [403, 200, 200, 403], "the default restriction");
    assert_eq!(of("eve", "acme", &["a"]), [404; 4], "`a` does not say `from_token`");
    assert_eq!(of("eve", "acme", &[]), [404; 4], "no member");
    assert_eq!(of("eve", "", &["b"]), [404; 4], "claimed for no organization");
    assert_eq!(of("eve", "vendor", &["travels"]), [403, 200, 403, 403], "it reaches");
    assert_eq!(of("eve", "beta", &["travels"]), [404; 4], "not from there");
}

/// A claim does not open what the directory has closed.
#[test]
fn p09_a_claim_does_not_lift_a_suspension() {
    let api = Api::start(RULES);
    for user in ["sue", "old"] {
        let mut claims = tokens::claims(user, &["b"]);
        claims["org"] = "acme".into();
        let token = tokens::bearer(&claims);
        let call = || api.call_with("", "GET", "/orgs/acme/b", &[("Authorization", &token)]);
        api.refused("GET", 404, call);
    }
}

#[test]
fn claimed_roles_of_an_application_need_a_credential_that_names_it() {
    let both = Both(Api::start(RULES));
    let all = ["apps/shop/looks", "apps/shop/edits", "apps/shop/hidden"];
    let of = |user: &str, app: &str, roles: &[&str]| both.statuses(user, "acme", app, roles, &all);
    assert_eq!(of("ann", "", &["edits"]), [200, 403, 403], "given by the directory");
    assert_eq!(of("ann", "shop", &["edits", "hidden"]), [200, 200, 403]);
    assert_eq!(of("eve", "shop", &["edits", "hidden"]), [403, 200, 403]);
    assert_eq!(of("eve", "shop", &["hidden"]), [404; 3]);
    assert_eq!(of("eve", "shop", &["b"]), [404; 3], "a member, without the application");
    assert_eq!(of("eve", "", &["edits"]), [404; 3]);
}

/// The roles of an API key only narrow what its member has.
#[test]
fn p08_a_key_adds_no_role_to_its_member() {
    let digest = tokens::key_digest;
    let policy = TempPolicy::file(&format!(
        "policy: 1\nidentity: {{api_keys: {{keys: [\
         {{user: ann, org: acme, roles: [b], sha256: \"{}\"}}, \
         {{user: eve, org: acme, roles: [b], sha256: \"{}\"}}]}}}}\n{RULES}",
        digest("key-of-ann"),
        digest("key-of-eve"),
    ));
    let api = Api::with(Upstream::json("{}"), policy);
    let status = |key: &str, target: &str| {
        client::call(api.proxy.address, "GET", target, &[("X-Api-Key", key)]).status
    };
    assert_eq!(status("key-of-ann", "/orgs/acme/b"), 403);
    assert_eq!(status("key-of-ann", "/orgs/acme/a"), 403, "narrowed to nothing");
    assert_eq!(status("key-of-eve", "/orgs/acme/b"), 404);
    api.upstream.assert_untouched();
}
