//! Who counts where: suspensions while connections are open, keys in each mode of membership, peers
//! and the subjects that they speak for.

use super::{Api, bearer};
use crate::support::{Client, TempPolicy, Upstream, client, h2, tokens};

const MEMBERS: &str = r#"
routes: [{match: "/orgs/{org}/**"}]
organizations: [{id: acme}, {id: beta}]
roles: [{id: reads, grants: [{path: "/**", access: r}]}]
members: [{user: ana, org: acme, roles: [reads]}, {user: ana, org: beta, roles: [reads]}]
"#;

/// The connection stays, and what was allowed on it is not any more.
#[test]
fn p09_a_suspension_counts_at_once_on_a_live_connection() {
    let api = Api::start(MEMBERS);
    let mut client = Client::connect(api.proxy.address);
    let token = bearer("ana");
    let mut status = |org: &str| {
        let target = format!("/orgs/{org}/x");
        client.call("GET", &target, &[("Authorization", &token)]).status
    };
    assert_eq!([status("acme"), status("beta")], [200, 200]);
    let text = std::fs::read_to_string(api.policy.path()).unwrap();
    let steps = [
        text.replace("{id: acme}", "{id: acme, status: suspended}"),
        text.clone() + "users: [{id: ana, status: suspended}]\n",
        text.replace("org: beta, roles: [reads]", "org: beta, roles: [reads], status: suspended"),
        text,
    ];
    let wanted = [[404, 200], [404, 404], [200, 404], [200, 200]];
    for (generation, (step, wanted)) in (2..).zip(steps.iter().zip(wanted)) {
        api.policy.write("policy.yaml", step);
        api.proxy.wait_for_generation(generation);
        assert_eq!([status("acme"), status("beta")], wanted, "{step}");
    }
}

/// Ids whose texts run into one another, if somebody put them together with any sign.
#[test]
fn p09_ids_are_composite_and_never_one_text() {
    let pairs = [("a", "b/c"), ("a/b", "c"), ("a:b", "d"), ("a", "b:e"), ("a~1b", "f")];
    let orgs: Vec<_> =
        ["a", "a/b", "a:b", "a~1b"].iter().map(|id| format!("{{id: \"{id}\"}}")).collect();
    let members: Vec<_> = pairs
        .iter()
        .map(|(org, user)| format!("{{user: \"{user}\", org: \"{org}\", roles: [reads]}}"))
        .collect();
    let rules = format!(
        "routes: [{{match: \"/**\", org: header.X-Org}}]\norganizations: [{}]\n\
         roles: [{{id: reads, grants: [{{path: \"/**\", access: r}}]}}]\nmembers: [{}]\n",
        orgs.join(", "),
        members.join(", ")
    );
    let api = Api::start(&rules);
    for user in ["b/c", "c", "d", "b:e", "e", "f", "b", "/c"] {
        for org in ["a", "a/b", "a:b", "a~1b", "a/b/c", "b"] {
            let wanted = if pairs.contains(&(org, user)) { 200 } else { 404 };
            let token = tokens::bearer(&tokens::claims(user, &[]));
            let fields = [("Authorization", token.as_str()), ("X-Org", org)];
            let answer = client::call(api.proxy.address, "GET", "/x", &fields);
            assert_eq!(answer.status, wanted, "{user} in {org}");
        }
    }
}

/// What comes back under the name of one that went has nothing of it.
#[test]
fn p09_a_recreated_organization_inherits_nothing() {
    let api = Api::start(MEMBERS);
    let mut client = Client::connect(api.proxy.address);
    let token = bearer("ana");
    let mut status = |org: &str| {
        let target = format!("/orgs/{org}/x");
        client.call("GET", &target, &[("Authorization", &token)]).status
    };
    assert_eq!([status("acme"), status("beta")], [200, 200]);
    let text = std::fs::read_to_string(api.policy.path()).unwrap();
    let gone =
        text.replace("{id: acme}, ", "").replace("{user: ana, org: acme, roles: [reads]}, ", "");
    let again = text.replace("{user: ana, org: acme, roles: [reads]}, ", "");
    for (generation, step) in [(2, gone), (3, again)] {
        api.policy.write("policy.yaml", step);
        api.proxy.wait_for_generation(generation);
        assert_eq!([status("acme"), status("beta")], [404, 200]);
    }
}

fn keyed(membership: &str, key: &str) -> Api {
    let digest = tokens::key_digest("a-key");
    let text = format!(
        "policy: 1\nmembership: {membership}\nidentity: {{api_keys: {{keys: [{{user: eng, sha256: \
         \"{digest}\"{key}}}]}}}}\n\
         routes: [{{match: \"/orgs/{{org}}/**\"}}, {{match: \"/orgs/{{org}}/apps/{{app}}/**\"}}]\n\
         organizations: [{{id: acme, apps: [shop, vault]}}, {{id: beta, apps: [shop]}}]\n\
         applications: [{{id: shop}}, {{id: vault}}]\n\
         roles:\n\
         - {{id: reads, from_token: true, grants: [{{path: \"/**\", access: r}}]}}\n\
         - {{id: writes, from_token: true, grants: [{{path: \"/**\", access: crud}}]}}\n\
         - {{id: sells, scope: app, grants: [{{path: \"/orgs/{{org}}/apps/{{app}}/**\", access: c}}]}}\n{}",
        match membership {
            "token" => "",
            _ =>
                "members: [{user: eng, org: acme, roles: [reads], apps: {shop: [sells], vault: [sells]}}, \
                  {user: eng, org: beta, roles: [writes]}]\n",
        }
    );
    Api::with(Upstream::json("{}"), TempPolicy::file(&text))
}

/// A method, a target, and the status.
type Call = (&'static str, &'static str, u16);

/// In every mode a key that names an organization or an application acts there alone, and in those
/// with members its roles take away and never add.
#[test]
fn p08_p09_a_key_acts_where_it_says_in_every_mode() {
    let cases: [(&str, &str, &[Call]); 7] = [
        ("directory", "", &[("GET", "/orgs/acme/x", 200), ("DELETE", "/orgs/beta/x", 200)]),
        ("directory", ", org: acme", &[("GET", "/orgs/acme/x", 200), ("GET", "/orgs/beta/x", 404)]),
        (
            "directory",
            ", org: beta, roles: [reads]",
            &[
                ("GET", "/orgs/beta/x", 403),
                ("DELETE", "/orgs/beta/x", 403),
                ("GET", "/orgs/acme/x", 404),
            ],
        ),
        (
            "both",
            ", org: acme, roles: [reads, writes]",
            &[
                ("GET", "/orgs/acme/x", 200),
                ("DELETE", "/orgs/acme/x", 403),
                ("GET", "/orgs/beta/x", 404),
            ],
        ),
        (
            "directory",
            ", org: acme, app: shop",
            &[
                ("POST", "/orgs/acme/apps/shop/x", 200),
                ("POST", "/orgs/acme/apps/vault/x", 404),
                ("GET", "/orgs/acme/x", 404),
            ],
        ),
        (
            "token",
            ", org: acme, roles: [reads]",
            &[
                ("GET", "/orgs/acme/x", 200),
                ("DELETE", "/orgs/acme/x", 403),
                ("GET", "/orgs/beta/x", 404),
            ],
        ),
        (
            "token",
            ", roles: [writes]",
            &[("GET", "/orgs/acme/x", 404), ("GET", "/orgs/beta/x", 404)],
        ),
    ];
    for (membership, key, calls) in cases {
        let api = keyed(membership, key);
        for (method, target, status) in calls {
            let call = || api.call_with("", method, target, &[("X-Api-Key", "a-key")]);
            match status {
                200 => assert_eq!(call().status, 200, "{membership}{key}: {method} {target}"),
                other => drop(api.refused(method, *other, call)),
            }
        }
    }
}

const PEERS: &str = "policy: 1\nidentity: {same_users: false, forwarded: {peers: [127.0.0.1/32], user: X-Auth-User, \
                     org: X-Auth-Org, app: X-Auth-App, roles: X-Auth-Roles, email: X-Auth-Email, prefix: \"edge:\"}, \
                     api_keys: {prefix: \"key:\", keys: [{user: ana, sha256: \"DIGEST\", org: acme, roles: [reads]}]}}\n\
                     routes: [{match: \"/orgs/{org}/**\"}, {match: \"/open/**\", public: r}]\n\
                     roles: [{id: reads, grants: [{path: \"/**\", access: r}]}]\n";

/// The peer holds the connection, the subject is whom it speaks for; a key of somebody else is
/// another subject, and both at once are none.
#[test]
fn p03_p08_a_peer_is_not_the_subject_that_it_speaks_for() {
    let policy = PEERS.replace("DIGEST", &tokens::key_digest("a-key"));
    let api = Api::with(Upstream::json("{}"), TempPolicy::file(&policy));
    let said = [("X-Auth-User", "ana"), ("X-Auth-Org", "acme"), ("X-Auth-Roles", "reads")];
    let call =
        |fields: &[(&str, &str)]| client::call(api.proxy.address, "GET", "/orgs/acme/x", fields);
    assert_eq!(call(&said).status, 200);
    assert_eq!(call(&[("X-Api-Key", "a-key")]).status, 200, "a key through the same peer");
    let seen = api.upstream.requests();
    let users: Vec<_> =
        seen.iter().map(|one| one.fields.get("x-portcullis-user").unwrap()).collect();
    assert_eq!(users, ["edge:ana", "key:ana"], "one name, two people");
    let both = [&said[..], &[("X-Api-Key", "a-key")]].concat();
    api.refused("GET", 400, || call(&both));
    // Without the user nothing else that the peer says is a credential.
    api.refused("GET", 401, || call(&said[1..]));
    for (name, value, status) in [
        ("X-Auth-Org", "acme, beta", 400),
        ("X-Auth-Org", "", 401),
        ("X-Auth-App", "a,b", 400),
        ("X-Auth-Email", "a@b\tc", 401),
        ("X-Auth-User", "zo\u{eb}", 401),
    ] {
        let mut fields: Vec<_> = said.iter().copied().filter(|(other, _)| *other != name).collect();
        fields.push((name, value));
        api.refused("GET", status, || call(&fields));
    }
    for name in ["X-Auth-User", "X-Auth-Org", "X-Auth-Roles"] {
        let twice = [&said[..], &[(name, "x")]].concat();
        api.refused("GET", 400, || call(&twice));
        assert_eq!(
            h2::call(api.proxy.address, "GET", "/orgs/acme/x", &twice).status,
            400,
            "{name}"
        );
    }
    let listed = [&said[..], &[("Connection", "x-auth-roles")]].concat();
    api.refused("GET", 400, || call(&listed));
    let open = client::call(api.proxy.address, "GET", "/open/x", &said);
    assert_eq!(open.status, 200);
    let last = api.upstream.requests().pop().unwrap().fields;
    assert!(
        last.names().iter().all(|name| !name.contains("auth") && !name.contains("-user")),
        "{last:?}"
    );
}
