//! The application gate where entry is derived: at each decision, from the policy as it is.

use super::Api;

/// Layer: an administrator is in every application of its organization; others where they are put.
const LAYER: &str = r#"
routes:
  - {match: "/orgs/{org}/apps/{app}/**"}
  - {match: "/orgs/{org}/**"}
organizations:
  - {id: acme, apps: [chat-ios, support-web]}
  - {id: globex, apps: []}
applications:
  - {id: chat-ios}
  - {id: support-web}
roles:
  - {id: administrator, app_access: all, grants: [{path: "/orgs/{org}/apps/**", access: crud}]}
  - {id: owner, includes: [administrator]}
  - {id: billing-manager, grants: [{path: "/orgs/{org}/billing/**", access: crud}]}
  - {id: developer, scope: app, default: true, grants: [{path: "/orgs/{org}/apps/{app}/push/**", access: crud}]}
members:
  - {user: ann, org: acme, roles: [administrator]}
  - {user: own, org: acme, roles: [owner]}
  - {user: bob, org: acme, apps: {chat-ios: [developer]}}
  - {user: cal, org: acme, apps: {chat-ios: []}}
  - {user: pay, org: acme, roles: [billing-manager]}
  - {user: gil, org: globex, roles: [administrator]}
"#;

/// Frontegg: a default application, one that is assigned by itself, one that is inactive.
const FRONTEGG: &str = r#"
routes: [{match: "/t/{org}/a/{app}/**"}]
organizations:
  - {id: acme, apps: [crm, labs, {id: wiki, auto_assign: true}]}
  - {id: globex}
applications:
  - {id: portal, default: true}
  - {id: help, auto_assign: true, default_role: editor}
  - {id: crm}
  - {id: wiki}
  - {id: labs, active: false}
roles:
  - {id: reader, grants: [{path: "/t/{org}/a/{app}/**", access: r}]}
  - {id: editor, scope: app, grants: [{path: "/t/{org}/a/{app}/**", access: crud}]}
members:
  - {user: ann, org: acme, roles: [reader], apps: {portal: [], labs: []}}
  - {user: bob, org: acme, roles: [reader]}
  - {user: hel, org: acme, roles: [reader], apps: {help: []}}
  - {user: gus, org: globex, roles: [reader], apps: {portal: []}}
"#;

/// L8, L19: an administrator is in every application, present and future, with no stored row.
#[test]
fn l8_l19_an_administrator_enters_every_application_present_and_future() {
    let api = Api::start(LAYER);
    for who in ["ann", "own"] {
        for app in ["chat-ios", "support-web"] {
            let target = format!("/orgs/acme/apps/{app}/settings");
            assert_eq!(api.call(who, "PUT", &target).status, 200, "{who} {app}");
        }
    }
    assert_eq!(api.call("ann", "GET", "/orgs/acme/apps/new/settings").status, 404);
    let later = LAYER
        .replace("apps: [chat-ios,", "apps: [new, chat-ios,")
        .replace("  - {id: chat-ios}\n", "  - {id: chat-ios}\n  - {id: new}\n");
    api.policy.write("policy.yaml", super::with_tokens(&later));
    api.proxy.wait_for_generation(2);
    assert_eq!(api.call("ann", "GET", "/orgs/acme/apps/new/settings").status, 200);
    assert_eq!(api.call("bob", "GET", "/orgs/acme/apps/new/push").status, 404);
}

/// L13: a billing manager is in no application. L17, L18: applications do not interfere; L20:
/// access without a role acts as `developer`, derived entry has no role there.
#[test]
fn l13_l17_l18_l20_everybody_else_enters_what_was_given() {
    let api = Api::start(LAYER);
    api.refuses("pay", "GET", "/orgs/acme/apps/chat-ios/push", 404);
    api.refuses("bob", "GET", "/orgs/acme/apps/support-web/push", 404);
    api.refuses("ann", "GET", "/orgs/globex/apps/chat-ios/push", 404);
    api.refuses("gil", "GET", "/orgs/globex/apps/chat-ios/push", 404);
    assert_eq!(api.call("pay", "GET", "/orgs/acme/billing/plan").status, 200);
    let roles = |who: &str| {
        assert_eq!(api.call(who, "PUT", "/orgs/acme/apps/chat-ios/push").status, 200, "{who}");
        let told = api.upstream.requests().pop().expect("a request").fields;
        told.get("x-portcullis-roles").map(str::to_owned)
    };
    assert_eq!(roles("bob").as_deref(), Some("developer"));
    assert_eq!(roles("cal").as_deref(), Some("developer"));
    assert_eq!(roles("ann").as_deref(), Some("administrator"));
}

/// F6: every account has the default application and those that are assigned by themselves.
#[test]
fn f6_every_account_has_the_default_application() {
    let api = Api::start(FRONTEGG);
    assert_eq!(api.call("ann", "GET", "/t/acme/a/portal/x").status, 200);
    assert_eq!(api.call("gus", "GET", "/t/globex/a/portal/x").status, 200);
    assert_eq!(api.call("gus", "GET", "/t/globex/a/help/x").status, 200);
    assert_eq!(api.call("bob", "GET", "/t/acme/a/portal/x").status, 404, "no user gets it so");
    assert_eq!(api.call("gus", "GET", "/t/globex/a/crm/x").status, 404);
}

/// F8, F9: an inactive application can be assigned, not entered.
#[test]
fn f8_f9_an_inactive_application_is_assigned_and_not_entered() {
    let api = Api::start(FRONTEGG);
    api.refuses("ann", "GET", "/t/acme/a/labs/x", 403);
    api.refuses("bob", "GET", "/t/acme/a/labs/x", 404);
    let active = FRONTEGG.replace(", active: false", "");
    api.policy.write("policy.yaml", super::with_tokens(&active));
    api.proxy.wait_for_generation(2);
    assert_eq!(api.call("ann", "GET", "/t/acme/a/labs/x").status, 200);
}

/// F11, F12, F18: what is assigned by itself is so to all accounts and users, before or after; an
/// organization can say so for its own. Derived entry brings no role of the application.
#[test]
fn f11_f12_f18_all_enter_what_is_assigned_by_itself() {
    let api = Api::start(FRONTEGG);
    for (who, target) in
        [("bob", "/t/acme/a/help/x"), ("gus", "/t/globex/a/help/x"), ("bob", "/t/acme/a/wiki/x")]
    {
        assert_eq!(api.call(who, "GET", target).status, 200, "{who} {target}");
        assert_eq!(api.call(who, "PUT", target).status, 403, "{who} {target}");
    }
    assert_eq!(api.call("hel", "PUT", "/t/acme/a/help/x").status, 200, "access of its own");
    assert_eq!(api.call("gus", "GET", "/t/globex/a/wiki/x").status, 404);
    assert_eq!(api.call("stranger", "GET", "/t/acme/a/help/x").status, 404);
    let later = format!("{FRONTEGG}  - {{user: new, org: later, roles: [reader]}}\n")
        .replace("  - {id: globex}\n", "  - {id: globex}\n  - {id: later}\n");
    api.policy.write("policy.yaml", super::with_tokens(&later));
    api.proxy.wait_for_generation(2);
    assert_eq!(api.call("new", "GET", "/t/later/a/help/x").status, 200);
}
