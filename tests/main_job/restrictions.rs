//! Restrictions, on the shape of Nexmo's accounts: deny overrides, whatever the order.

use super::{Api, bearer};
use crate::support::proxy::run_in;
use serde_json::{Value, json};

const NEXMO: &str = r#"
routes: [{match: "/accounts/{org}/**"}]
organizations: [{id: acme}]
roles:
  - id: user
    default: true
    grants:
      - {path: "/accounts/{org}/numbers/**", access: crud}
      - {path: "/accounts/{org}/payments/**", access: cr}
      - {path: "/accounts/{org}/search/**", access: r}
      - {path: "/accounts/{org}/users/**", access: crud}
      - {path: "/accounts/{org}/api-keys/**", access: crud}
  - {id: all, includes: [user], grants: [{path: "/accounts/{org}/**", access: crud}]}
restrictions:
  - id: no-manage-users
    name: Unable to view and manage secondary users
    default: true
    confirm: true
    deny:
      - {path: "/accounts/{org}/users/**", access: crud}
      - {path: "/accounts/{org}/api-keys/**", access: crud}
  - {id: no-numbers, requires: [no-manage-users], deny: [{path: "/accounts/{org}/numbers/**", access: cud}]}
  - {id: no-payments, requires: [no-manage-users], deny: [{path: "/accounts/{org}/payments/**", access: crud}]}
groups:
  - {id: finance, org: acme, roles: [user], restrictions: [no-manage-users, no-numbers]}
members:
  - {user: pia, org: acme, roles: [user], primary: true}
  - {user: sec0, org: acme, roles: [user]}
  - {user: sec1, org: acme, roles: [user], restrictions: [no-manage-users]}
  - {user: sec2, org: acme, roles: [user, all], restrictions: [no-manage-users, no-payments]}
  - {user: sec3, org: acme, roles: [user], restrictions: []}
  - {user: fin, org: acme, groups: [finance]}
"#;

fn status(api: &Api, who: &str, method: &str, what: &str) -> u16 {
    api.call(who, method, &format!("/accounts/acme/{what}")).status
}

/// N1, N4: secondary users have restrictions of their own.
#[test]
fn n1_n4_a_restriction_takes_from_one_user_alone() {
    let api = Api::start(NEXMO);
    api.refuses("sec2", "GET", "/accounts/acme/payments", 403);
    api.refuses("sec2", "POST", "/accounts/acme/payments/1", 403);
    assert_eq!(status(&api, "sec2", "GET", "numbers"), 200);
    assert_eq!(status(&api, "sec1", "GET", "payments"), 200);
    assert_eq!(status(&api, "sec1", "GET", "nothing"), 403);
    let told = api.upstream.requests();
    assert_eq!(told.len(), 2);
}

/// N2 on the data path: an empowered secondary manages the others.
#[test]
fn n2_an_empowered_user_manages_users() {
    let api = Api::start(NEXMO);
    assert_eq!(status(&api, "sec3", "PUT", "users/sec1"), 200);
    assert_eq!(status(&api, "sec3", "POST", "api-keys"), 200);
}

/// N5: groups carry restrictions; leaving the group changes the next request.
#[test]
fn n5_a_group_restricts_its_members_until_they_leave() {
    let api = Api::start(NEXMO);
    assert_eq!(
        [status(&api, "fin", "GET", "numbers"), status(&api, "fin", "PUT", "numbers/1")],
        [200, 403]
    );
    let left = NEXMO.replace("org: acme, groups: [finance]", "org: acme, roles: [user]");
    api.policy.write("policy.yaml", super::with_tokens(&left));
    api.proxy.wait_for_generation(2);
    assert_eq!(status(&api, "fin", "PUT", "numbers/1"), 200);
    assert_eq!(status(&api, "fin", "GET", "users"), 403, "the default stays");
}

/// N6, N7: the primary user manages users as well. N13, N14: nobody else is freed by default.
#[test]
fn n6_n7_n13_the_primary_is_free_and_nobody_else_by_default() {
    let api = Api::start(NEXMO);
    assert_eq!(status(&api, "pia", "GET", "users"), 200);
    for who in ["sec0", "sec1", "fin"] {
        api.refuses(who, "GET", "/accounts/acme/users", 403);
        api.refuses(who, "DELETE", "/accounts/acme/api-keys/1", 403);
        assert_eq!(status(&api, who, "GET", "search"), 200, "{who}");
    }
}

/// N8: a member that is written with its restriction detached, and one whose restriction is
/// detached later, are in one state.
#[test]
fn n8_detaching_on_create_or_edit_gives_one_state() {
    let api = Api::start(NEXMO);
    assert_eq!(status(&api, "sec1", "GET", "users"), 403);
    let edited = NEXMO.replace(
        "restrictions: [no-manage-users]}\n  - {user: sec2",
        "restrictions: []}\n  - {user: sec2",
    );
    api.policy.write("policy.yaml", super::with_tokens(&edited));
    api.proxy.wait_for_generation(2);
    for who in ["sec1", "sec3"] {
        assert_eq!(status(&api, who, "PUT", "users/1"), 200, "{who}");
    }
}

/// Deny wins over any grant of any role, wherever it stands: the order of nothing matters.
#[test]
fn p09_deny_wins_in_any_order() {
    let api = Api::start(NEXMO);
    assert_eq!(status(&api, "sec2", "GET", "payments"), 403);
    let (head, members) = NEXMO.split_once("members:\n").expect("members");
    let (rest, denials) = head.split_once("restrictions:\n").expect("restrictions");
    let members: String = members.lines().rev().map(|line| format!("{line}\n")).collect();
    let members = members
        .replace("roles: [user, all]", "roles: [all, user]")
        .replace("[no-manage-users, no-payments]", "[no-payments, no-manage-users]");
    let shuffled = format!("members:\n{members}restrictions:\n{denials}{rest}");
    api.policy.write("policy.yaml", super::with_tokens(&shuffled));
    api.proxy.wait_for_generation(2);
    api.refuses("sec2", "GET", "/accounts/acme/payments", 403);
    api.refuses("sec2", "GET", "/accounts/acme/users", 403);
}

/// Where both letters of a write are needed, one that is denied refuses it.
#[test]
fn p09_one_denied_letter_of_two_refuses() {
    let rules = r#"
routes: [{match: "/**", upsert: true}]
roles: [{id: user, grants: [{path: "/**", access: crud}]}]
restrictions: [{id: no-new, deny: [{path: "/things/**", access: c}]}]
members: [{user: ann, roles: [user], restrictions: [no-new]}, {user: bob, roles: [user]}]
"#;
    let api = Api::start(rules);
    api.refuses("ann", "PUT", "/things/1", 403);
    assert_eq!(api.call("bob", "PUT", "/things/1").status, 200);
    assert_eq!(api.call("ann", "DELETE", "/things/1").status, 200);
}

/// Members by token have no list of their own, so what is default restricts them.
#[test]
fn n13_members_by_token_have_the_default_restrictions() {
    let rules = r#"
roles: [{id: user, grants: [{path: "/**", access: r}]}]
restrictions:
  - {id: always, default: true, deny: [{path: /users, access: r}]}
  - {id: sometimes, deny: [{path: /numbers, access: r}]}
"#;
    let api = Api::start(rules);
    api.refuses("ann:user", "GET", "/users", 403);
    assert_eq!(api.call("ann:user", "GET", "/numbers").status, 200);
}

#[test]
fn explain_names_the_denial_and_its_place() {
    let api = Api::start(NEXMO);
    let token = bearer("sec2");
    let arguments =
        ["explain", "policy.yaml", "GET", "/accounts/acme/payments", "--format", "json", "--token"];
    let token = token.trim_start_matches("Bearer ");
    let output = run_in(api.policy.join("").as_path(), arguments.iter().chain([&token]));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&told["reason"], &told["status"]), (&json!("restricted"), &json!(403)));
    assert_eq!(told["grants"], json!([]), "restrictions come before any grant");
    let [denial] = told["restrictions"].as_array().expect("a list").as_slice() else {
        panic!("{told}")
    };
    assert_eq!(denial["restriction"], "no-payments");
    assert_eq!(denial["path"], "/accounts/{org}/payments/**");
    let at = denial["at"].as_str().expect("a place");
    let line: usize = at.split(':').nth(1).expect("a line").parse().expect("a number");
    let text = std::fs::read_to_string(api.policy.path()).expect("the policy");
    assert!(text.lines().nth(line - 1).expect("the line").contains("id: no-payments"), "{at}");
}
