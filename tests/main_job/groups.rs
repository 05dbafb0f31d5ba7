//! Groups, and memberships that are bound in time.

use super::Api;
use std::time::{Duration, SystemTime};

const RULES: &str = r#"
routes:
  - {match: "/accounts/{org}/apps/{app}/**"}
  - {match: "/accounts/{org}/**"}
organizations: [{id: acme, apps: [shop]}]
applications: [{id: shop, default_role: reader}]
roles:
  - {id: user, grants: [{path: "/accounts/{org}/numbers/**", access: crud}]}
  - {id: payer, grants: [{path: "/accounts/{org}/payments/**", access: cr}]}
  - {id: reader, scope: app, grants: [{path: "/accounts/{org}/apps/{app}/**", access: r}]}
  - {id: writer, scope: app, grants: [{path: "/accounts/{org}/apps/{app}/**", access: cud}]}
groups:
  - {id: finance, org: acme, roles: [payer], apps: {shop: [writer]}}
  - {id: empty, org: acme}
members:
"#;

fn members(lines: &[&str]) -> String {
    lines.iter().fold(RULES.to_owned(), |text, line| format!("{text}  - {line}\n"))
}

/// N5: groups carry roles, and leaving one changes the next request. N3, N15: a member may do
/// without.
#[test]
fn n3_n5_n15_a_group_gives_roles_until_one_leaves_it() {
    let plain = "{user: pia, org: acme, roles: [user]}";
    let api = Api::start(&members(&[plain, "{user: fin, org: acme, groups: [finance, empty]}"]));
    assert_eq!(api.call("pia", "GET", "/accounts/acme/numbers").status, 200);
    assert_eq!(api.call("pia", "GET", "/accounts/acme/payments").status, 403);
    assert_eq!(api.call("fin", "GET", "/accounts/acme/numbers").status, 403);
    assert_eq!(api.call("fin", "POST", "/accounts/acme/payments").status, 200);
    let told = api.upstream.requests().pop().expect("a request").fields;
    assert_eq!(told.get("x-portcullis-roles"), Some("payer"));
    let text = members(&[plain, "{user: fin, org: acme, groups: [empty]}"]);
    api.policy.write("policy.yaml", super::with_tokens(&text));
    api.proxy.wait_for_generation(2);
    assert_eq!(api.call("fin", "POST", "/accounts/acme/payments").status, 403);
}

/// A group gives access to applications. Access that lists no role acts as the default one, beside
/// what the group lists: joining a group takes nothing away.
#[test]
fn p09_access_through_a_group_adds_to_the_member_s_own() {
    let api = Api::start(&members(&[
        "{user: fin, org: acme, groups: [finance]}",
        "{user: own, org: acme, apps: {shop: []}}",
        "{user: two, org: acme, apps: {shop: []}, groups: [finance]}",
        "{user: non, org: acme, groups: [empty]}",
    ]));
    let status =
        |who: &str, method: &str| api.call(who, method, "/accounts/acme/apps/shop/x").status;
    let both = |who: &str| [status(who, "GET"), status(who, "PUT")];
    assert_eq!(both("fin"), [403, 200]);
    assert_eq!(both("own"), [200, 403]);
    assert_eq!(both("two"), [200, 200]);
    assert_eq!(both("non"), [404, 404]);
}

/// Break-glass: what has expired, or not begun, is not there. An hour to each side is no race.
#[test]
fn time_bounds_hold_for_memberships_and_groups() {
    let hour = Duration::from_secs(3600);
    let time = |at: SystemTime| humantime::format_rfc3339_seconds(at).to_string();
    let (past, future) = (time(SystemTime::now() - hour), time(SystemTime::now() + hour));
    let member =
        |user: &str, more: &str| format!("{{user: {user}, org: acme, roles: [user], {more}}}");
    let lines = [
        member("now", &format!("not_before: {past}, expires: {future}")),
        member("over", &format!("expires: {past}")),
        member("later", &format!("not_before: {future}")),
        member("joined", &format!("groups: [{{id: finance, expires: {future}}}]")),
        member("left", &format!("groups: [{{id: finance, expires: {past}}}]")),
        member("joins", &format!("groups: [{{id: finance, not_before: {future}}}]")),
    ];
    let api = Api::start(&members(&lines.each_ref().map(String::as_str)));
    let status =
        |who: &str, what: &str| api.call(who, "GET", &format!("/accounts/acme/{what}")).status;
    for (who, own) in [("now", 200), ("over", 404), ("later", 404)] {
        assert_eq!(status(who, "numbers"), own, "{who}");
    }
    for (who, group) in [("joined", 200), ("left", 403), ("joins", 403)] {
        assert_eq!([status(who, "numbers"), status(who, "payments")], [200, group], "{who}");
    }
}

/// Either key, even empty, says that memberships come from the directory.
#[test]
fn p09_an_empty_list_of_groups_is_no_invitation_to_tokens() {
    let rules = "roles: [{id: user, grants: [{path: /a, access: r}]}]\n";
    let api = Api::start(&format!("{rules}groups: []\n"));
    api.refuses("ann:user", "GET", "/a", 404);
    api.policy.write("policy.yaml", super::with_tokens(&format!("{rules}membership: token\n")));
    api.proxy.wait_for_generation(2);
    assert_eq!(api.call("ann:user", "GET", "/a").status, 200);
}
