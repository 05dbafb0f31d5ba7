//! Layer's dashboard: an organization with applications, two scopes of roles, and an application
//! gate before any grant.

use super::system::System;
use serde_json::json;

const IOS: &str = "/orgs/acme/apps/chat-ios";
const WEB: &str = "/orgs/acme/apps/support-web";

#[test]
fn l01_every_area_is_a_subtree_and_an_unlisted_path_is_refused() {
    let layer = System::start("layer");
    layer.get("ann", "/orgs/acme/settings").passed(200);
    layer.put("ann", "/orgs/acme/settings/locale", &json!({})).passed(404);
    for who in ["ann", "bob", "oli", "pay"] {
        layer.get(who, "/orgs/acme/audit").refused(403);
        layer.get(who, "/orgs/acme/settings-of-others").refused(403);
        layer.get(who, "/me/profile").refused(403);
        layer.get(who, "/nowhere").refused(404);
    }
    layer.get("", "/orgs/acme/settings").refused(401);
}

#[test]
fn l02_l05_administrators_alone_change_settings_members_and_invitations_of_their_own() {
    let layer = System::start("layer");
    for area in ["settings", "members", "invitations"] {
        let target = format!("/orgs/acme/{area}/none");
        assert_eq!(layer.letters("ann", &target), "crud", "{area}");
        for who in ["bob", "oli", "pay"] {
            assert_eq!(layer.letters(who, &target), "", "{who} {area}");
        }
        for method in ["GET", "PUT", "DELETE"] {
            layer.ask("ann", method, &format!("/orgs/globex/{area}/none"), None).refused(404);
            layer.ask("gil", method, &format!("/orgs/acme/{area}/none"), None).refused(404);
        }
    }
    layer.put("bob", "/orgs/acme/settings", &json!({"timezone": "UTC"})).refused(403);
    layer.put("ann", "/orgs/acme/settings", &json!({"timezone": "UTC"})).passed(200);
    assert_eq!(layer.store.at("/orgs/acme/settings"), Some(json!({"timezone": "UTC"})));
}

#[test]
fn l03_an_organization_without_applications_is_one() {
    let layer = System::start("layer");
    layer.get("gil", "/orgs/globex/settings").passed(200);
    let apps = layer.get("gil", "/orgs/globex/apps").passed(200);
    assert_eq!(apps.json(), json!([]));
    layer.get("gil", "/orgs/globex/apps/chat-ios/settings").refused(404);
}

#[test]
fn l04_organization_and_application_roles_are_two_scopes() {
    let layer = System::start("layer");
    for (from, to) in [
        (
            "{user: pay, org: acme, roles: [billing-manager]}",
            "{user: pay, org: acme, roles: [developer]}",
        ),
        ("apps: {chat-ios: [observer]}", "apps: {chat-ios: [member]}"),
    ] {
        assert_eq!(layer.edit_refused(from, to), ["ROLE_SCOPE"]);
    }
    layer.get("pay", "/orgs/acme/billing/plan").passed(200);
    layer.get("oli", &format!("{IOS}/logs")).passed(200);
}

#[test]
fn l06_administrators_invite() {
    let layer = System::start("layer");
    let invitation = json!({"email": "new@acme.test", "status": "pending"});
    layer.post("bob", "/orgs/acme/invitations", &invitation).refused(403);
    layer.post("pay", "/orgs/acme/invitations", &invitation).refused(403);
    let made = layer.post("ann", "/orgs/acme/invitations", &invitation).passed(201);
    assert_eq!(made.json()["status"], "pending");
    let stored = layer.store.at("/orgs/acme/invitations").expect("invitations");
    assert_eq!(stored.as_array().map(Vec::len), Some(1));
}

#[test]
fn l07_access_to_single_applications_is_given_and_revoked() {
    let layer = System::start("layer");
    let settings = format!("{WEB}/settings");
    layer.get("bob", &settings).refused(404);
    layer.edit(
        "apps: {chat-ios: [developer]}",
        "apps: {chat-ios: [developer], support-web: [developer]}",
    );
    layer.get("bob", &settings).passed(200);
    layer.edit(
        "apps: {chat-ios: [developer], support-web: [developer]}",
        "apps: {chat-ios: [developer]}",
    );
    layer.get("bob", &settings).refused(404);
    layer.get("bob", &format!("{IOS}/settings")).passed(200);
}

#[test]
fn l08_l19_an_administrator_is_one_of_every_application_present_and_future() {
    let layer = System::start("layer");
    for app in [IOS, WEB] {
        let seen = layer.put("ann", &format!("{app}/settings"), &json!({"name": "Ann's"}));
        assert_eq!(seen.told("roles"), Some("administrator"));
        seen.passed(200);
    }
    layer.get("ann", "/orgs/acme/apps/status-page/settings").refused(404);
    layer.edit_all(&[
        ("  - {id: support-web}", "  - {id: support-web}\n  - {id: status-page}"),
        ("apps: [chat-ios, support-web]", "apps: [chat-ios, support-web, status-page]"),
    ]);
    layer.get("ann", "/orgs/acme/apps/status-page/settings").passed(200);
    layer.get("bob", "/orgs/acme/apps/status-page/settings").refused(404);
    layer.get("gil", "/orgs/globex/apps/status-page/settings").refused(404);
}

#[test]
fn l09_a_member_does_not_see_the_organization_as_a_whole() {
    let layer = System::start("layer");
    layer.get("ann", "/orgs/acme").passed(200);
    for who in ["bob", "oli", "pay"] {
        assert_eq!(layer.letters(who, "/orgs/acme"), "", "{who}");
    }
}

#[test]
fn l10_a_member_lists_the_applications_it_may_enter() {
    let layer = System::start("layer");
    let ids = |who: &str| {
        let list = layer.get(who, "/orgs/acme/apps").passed(200).json();
        let rows = list.as_array().expect("a list").clone();
        rows.into_iter()
            .map(|row| row["id"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("ann"), ["chat-ios", "support-web"]);
    assert_eq!(ids("bob"), ["chat-ios"]);
    assert_eq!(ids("oli"), ["chat-ios"]);
    layer.edit("apps: {chat-ios: [observer]}", "apps: {}");
    assert_eq!(ids("oli"), [""; 0]);
    layer.get("pay", "/orgs/acme/apps").refused(403);
}

#[test]
fn l11_a_member_sees_the_members_of_its_applications() {
    let layer = System::start("layer");
    for who in ["bob", "oli"] {
        let list = layer.get(who, &format!("{IOS}/members")).passed(200);
        assert_eq!(list.json(), json!([{"id": "bob"}, {"id": "oli"}]));
        layer.get(who, &format!("{WEB}/members")).refused(404);
    }
}

#[test]
fn l12_a_member_views_authentication_settings() {
    let layer = System::start("layer");
    for target in ["/orgs/acme/auth-settings", "/orgs/acme/auth-settings/keys"] {
        layer.get("bob", target).passed(200);
        assert_eq!(layer.letters("bob", &format!("{target}/none")), "r");
        assert_eq!(layer.letters("ann", &format!("{target}/none")), "crud");
    }
    layer.put("bob", "/orgs/acme/auth-settings", &json!({"session_hours": 1})).refused(403);
    layer.post("bob", "/orgs/acme/auth-settings/keys", &json!({})).refused(403);
}

#[test]
fn l13_a_billing_manager_need_not_be_on_any_application() {
    let layer = System::start("layer");
    for app in [IOS, WEB] {
        layer.get("pay", &format!("{app}/settings")).refused(404);
        layer.get("pay", &format!("{app}/members")).refused(404);
    }
    layer.get("pay", "/orgs/acme/billing/plan").passed(200);
}

#[test]
fn l14_billing_has_letters_of_its_own_for_each_area() {
    let layer = System::start("layer");
    for (area, letters) in
        [("payment-methods", "crud"), ("plan", "ru"), ("usage", "r"), ("invoices", "r")]
    {
        let target = format!("/orgs/acme/billing/{area}");
        layer.get("pay", &target).passed(200);
        let place = if area == "plan" { target } else { format!("{target}/none") };
        assert_eq!(layer.letters("pay", &place), letters, "{area}");
        assert_eq!(layer.letters("mia", &place), letters, "{area}");
        for who in ["ann", "bob", "oli"] {
            assert_eq!(layer.letters(who, &place), "", "{who} {area}");
        }
    }
    layer.put("pay", "/orgs/acme/billing/invoices/inv-1", &json!({"total": 0})).refused(403);
    layer.put("pay", "/orgs/acme/billing/plan", &json!({"name": "scale"})).passed(200);
    let numbers = "/orgs/acme/billing/mobile-auth-numbers/none";
    assert_eq!(
        (layer.letters("mia", numbers), layer.letters("pay", numbers)),
        ("crud".into(), String::new())
    );
    assert_eq!(layer.letters("bob", numbers), "");
}

#[test]
fn l16_an_applications_keys_are_refused_to_observers() {
    let layer = System::start("layer");
    for target in [format!("{IOS}/keys"), format!("{IOS}/keys/k-1")] {
        assert_eq!(layer.letters("oli", &target), "");
        let seen = layer.get("ann", &target).passed(200);
        assert!(seen.text().contains("s3cr3t-key"));
    }
    for target in [IOS, &format!("{IOS}/settings")] {
        layer.get("oli", target).passed(200);
    }
}

#[test]
fn l17_l18_the_application_gate_runs_before_any_grant() {
    let layer = System::start("layer");
    for area in ["settings", "push", "server-api", "logs", "members", "nowhere"] {
        for method in ["GET", "PUT", "DELETE"] {
            let seen = layer.ask("bob", method, &format!("{WEB}/{area}"), None);
            assert_eq!(layer.reason(&seen), "no_app_access");
            seen.refused(404);
        }
    }
    layer.get("bob", "/orgs/acme/apps/no-such/settings").refused(404);
    layer.get("bob", &format!("{IOS}/settings")).passed(200);
}

#[test]
fn l20_access_without_a_role_acts_as_developer() {
    let layer = System::start("layer");
    layer.put("oli", &format!("{IOS}/push/apns"), &json!({})).refused(403);
    layer.edit("apps: {chat-ios: [observer]}", "apps: {chat-ios: []}");
    let seen = layer.put("oli", &format!("{IOS}/push/apns"), &json!({"certificate": "new"}));
    assert_eq!(seen.told("roles"), Some("member,developer"));
    seen.passed(200);
}

#[test]
fn l21_a_developer_views_and_changes_most_settings_of_a_list() {
    let layer = System::start("layer");
    let settings = format!("{IOS}/settings");
    let seen = layer.get("bob", &settings).passed(200);
    assert_eq!(seen.json()["signing_secret"], "s3cr3t-ios");
    let new = json!({"name": "Chat 2", "signing_secret": "another"});
    layer.put("bob", &settings, &new).passed(200);
    assert_eq!(layer.store.at(&settings), Some(new));
    layer.get("bob", IOS).passed(200);
    layer.put("bob", IOS, &json!({})).refused(403);
    for unlisted in ["keys", "billing", "danger-zone"] {
        assert_eq!(layer.letters("bob", &format!("{IOS}/{unlisted}")), "", "{unlisted}");
    }
}

#[test]
fn l22_l23_a_developer_neither_changes_members_nor_lists_the_organizations() {
    let layer = System::start("layer");
    assert_eq!(layer.letters("bob", &format!("{IOS}/members")), "r");
    assert_eq!(layer.letters("bob", &format!("{IOS}/members/oli")), "");
    layer.get("bob", "/orgs/acme/members").refused(403);
    layer.put("bob", "/orgs/acme/members/oli", &json!({"roles": ["developer"]})).refused(403);
}

#[test]
fn l24_l25_an_observer_changes_nothing_and_reads_no_secrets() {
    let layer = System::start("layer");
    let seen = layer.get("oli", &format!("{IOS}/settings")).passed(200);
    assert_eq!(seen.json(), json!({"name": "Chat", "push": true}));
    assert!(!seen.text().contains("s3cr3t"));
    for area in ["settings", "push", "webhooks", "server-api", "analytics", "logs", "keys"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let body = json!({"name": "mine", "signing_secret": "mine"});
            layer.ask("oli", method, &format!("{IOS}/{area}"), Some(&body)).refused(403);
        }
    }
    // A query cannot ask what the body does not show.
    layer.get("oli", &format!("{IOS}/settings?fields=signing_secret")).refused(403);
}

#[test]
fn l26_l27_l28_l29_l30_each_area_of_an_application_has_its_letters() {
    let layer = System::start("layer");
    for (area, developer, observer) in [
        ("analytics", "r", "r"),
        ("logs", "r", "r"),
        ("push", "crud", "r"),
        ("webhooks", "crud", "r"),
        ("server-api", "crud", ""),
    ] {
        layer.get("bob", &format!("{IOS}/{area}")).passed(200);
        let target = format!("{IOS}/{area}/none");
        assert_eq!(layer.letters("bob", &target), developer, "{area}");
        assert_eq!(layer.letters("oli", &target), observer, "{area}");
    }
}
