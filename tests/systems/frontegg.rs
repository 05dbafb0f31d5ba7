//! Frontegg's backoffice: accounts have applications, users enter them, operators reach all.

use super::system::System;
use serde_json::json;

const ACME: &str = "/backoffice/accounts/acme/users";
const GLOBEX: &str = "/backoffice/accounts/globex/users";

#[test]
fn f01_operators_reach_every_account_and_administrators_theirs() {
    let fe = System::start("frontegg");
    for users in [ACME, GLOBEX] {
        fe.get("vic", users).passed(200);
        assert_eq!(fe.letters("vic", &format!("{users}/none")), "crud");
    }
    fe.get("ann", ACME).passed(200);
    assert_eq!(fe.letters("ann", &format!("{ACME}/none")), "crud");
    for method in ["GET", "POST", "PUT", "DELETE"] {
        fe.ask("ann", method, GLOBEX, None).refused(404);
        fe.ask("gus", method, ACME, None).refused(404);
    }
    // Reach is over accounts that there are, and over what its role grants.
    fe.get("vic", "/backoffice/accounts/no-such/users").refused(404);
    let seen = fe.get("vic", "/t/acme/a/help/articles");
    assert_eq!(fe.reason(&seen), "no_grant");
    seen.refused(403);
}

/// As the file says it: applications of an account, several at once, or none at all.
#[test]
fn f02_f07_f10_applications_are_assigned_together_or_not_at_all() {
    let fe = System::start("frontegg");
    let (account, user) = (
        "{id: globex, apps: [portal]}",
        "{user: gus, org: globex, roles: [reader], apps: {portal: []}}",
    );
    let both = "{user: gus, org: globex, roles: [reader], apps: {portal: [], crm: [], labs: []}}";
    let codes = fe.edit_refused(account, "{id: globex, apps: [portal, crm, nope]}");
    assert_eq!(codes, ["REF_EXISTS"]);
    fe.get("gus", "/t/globex/a/crm/deals").refused(404);
    fe.edit_all(&[(account, "{id: globex, apps: [portal, crm, labs]}"), (user, both)]);
    fe.get("gus", "/t/globex/a/crm/deals").passed(200);
    fe.get("gus", "/t/globex/a/labs/experiments").refused(403);
    fe.get("gus", "/t/globex/a/portal/pages").passed(200);
    // The same again is the same.
    let before = fe.proxy.policy();
    fe.edit("{id: globex, apps: [portal, crm, labs]}", "{id: globex, apps: [labs, crm, portal]}");
    fe.edit("{id: globex, apps: [labs, crm, portal]}", "{id: globex, apps: [portal, crm, labs]}");
    assert_eq!(fe.proxy.policy()["digest"], before["digest"]);
    fe.get("gus", "/t/globex/a/crm/deals").passed(200);
}

#[test]
fn f03_users_enter_what_they_were_given() {
    let fe = System::start("frontegg");
    fe.get("bob", "/t/acme/a/crm/deals").passed(200);
    fe.get("bob", "/t/acme/a/portal/pages").refused(404);
    fe.get("rae", "/t/acme/a/portal/pages").passed(200);
    fe.get("rae", "/t/acme/a/crm/deals").refused(404);
    fe.get("ann", "/t/acme/a/crm/contacts").passed(200);
    fe.get("ann", "/t/acme/a/labs/experiments").refused(404);
    fe.get("gus", "/t/globex/a/crm/deals").refused(404);
    fe.get("gus", "/t/acme/a/portal/pages").refused(404);
}

#[test]
fn f04_operators_create_and_edit_accounts() {
    let fe = System::start("frontegg");
    let account = json!({"id": "newco", "name": "Newco"});
    for who in ["ann", "bob", "rae", "gus"] {
        fe.get(who, "/backoffice/accounts").refused(403);
        fe.post(who, "/backoffice/accounts", &account).refused(403);
    }
    fe.put("ann", "/backoffice/accounts/acme", &json!({"name": "Mine"})).refused(403);
    fe.post("vic", "/backoffice/accounts", &account).passed(201);
    fe.put("vic", "/backoffice/accounts/acme", &json!({"name": "Acme Inc."})).passed(200);
    assert_eq!(fe.store.at("/backoffice/accounts/acme").expect("it")["name"], "Acme Inc.");
    fe.get("vic", "/backoffice/applications").passed(200);
    fe.get("ann", "/backoffice/applications").refused(403);
}

#[test]
fn f06_a_new_account_has_the_default_and_the_auto_assigned_applications() {
    let fe = System::with_keys("frontegg", &["nia"]);
    fe.get("nia", "/t/newco/a/portal/pages").refused(404);
    fe.edit_all(&[
        (
            "  - {id: globex, apps: [portal]}\n",
            "  - {id: globex, apps: [portal]}\n  - {id: newco}\n",
        ),
        (
            "members:\n",
            "members:\n  - {user: nia, org: newco, roles: [reader], apps: {portal: []}}\n",
        ),
    ]);
    fe.get("nia", "/t/newco/a/portal/pages").passed(200);
    fe.get("nia", "/t/newco/a/help/articles").passed(200);
    fe.get("nia", "/t/newco/a/crm/deals").refused(404);
}

#[test]
fn f08_f09_an_inactive_application_is_assigned_and_not_entered() {
    let fe = System::start("frontegg");
    fe.edit(
        "roles: [crm-editor], apps: {crm: [], labs: []}",
        "roles: [crm-editor, reader], apps: {crm: [], labs: []}",
    );
    let seen = fe.get("bob", "/t/acme/a/labs/experiments");
    assert_eq!(fe.reason(&seen), "app_inactive");
    seen.refused(403);
    fe.get("rae", "/t/acme/a/labs/experiments").refused(404);
    fe.edit("{id: labs, active: false}", "{id: labs, active: true}");
    fe.get("bob", "/t/acme/a/labs/experiments").passed(200);
    fe.get("rae", "/t/acme/a/labs/experiments").refused(404);
}

#[test]
fn f11_f12_f18_the_auto_assigned_application_is_everybodys() {
    let fe = System::with_keys("frontegg", &["nia"]);
    for (who, account) in [("ann", "acme"), ("rae", "acme"), ("gus", "globex")] {
        fe.get(who, &format!("/t/{account}/a/help/articles")).passed(200);
    }
    fe.get("gus", "/t/acme/a/help/articles").refused(404);
    // A user and an account that come later.
    fe.edit_all(&[
        (
            "  - {id: globex, apps: [portal]}\n",
            "  - {id: globex, apps: [portal]}\n  - {id: newco}\n",
        ),
        ("members:\n", "members:\n  - {user: nia, org: newco, roles: [reader]}\n"),
    ]);
    fe.get("nia", "/t/newco/a/help/articles").passed(200);
    fe.get("nia", "/t/newco/a/portal/pages").refused(404);
    // An application that comes to be so later.
    fe.edit_all(&[
        ("  - {id: crm}\n", "  - {id: crm, auto_assign: true}\n"),
        ("{id: acme, apps: [portal, crm, labs]}", "{id: acme, apps: [portal, labs]}"),
    ]);
    fe.get("rae", "/t/acme/a/crm/deals").passed(200);
    fe.get("gus", "/t/globex/a/crm/deals").passed(200);
}

/// On the data path: an invitation to what the account does not have does not load.
#[test]
fn f13_invitations_are_to_applications_of_the_account() {
    let fe = System::start("frontegg");
    let invited = "roles: [reader], apps: [crm], status";
    for (apps, org) in [("[nope]", "acme"), ("[crm]", "globex")] {
        let from = format!("org: acme, email: neo@acme.test, {invited}");
        let to = from.replace("[crm]", apps).replace("org: acme", &format!("org: {org}"));
        let codes = fe.edit_refused(&from, &to);
        assert!(!codes.is_empty(), "{apps} of {org}");
        assert!(
            codes.iter().all(|code| ["REF_EXISTS", "APP_ASSIGNED"].contains(&code.as_str())),
            "{codes:?}"
        );
    }
}

/// On the data path: who may ask for the view of an account's users.
#[test]
fn f14_f15_f16_users_are_viewed_by_administrators_and_across_accounts_by_operators() {
    let fe = System::start("frontegg");
    let users = fe.get("ann", ACME).passed(200).json();
    let row = json!({"id": "rae", "role": "reader", "status": "active", "applications": ["help", "portal"]});
    assert!(users.as_array().expect("a list").contains(&row));
    for who in ["bob", "rae"] {
        assert_eq!(fe.letters(who, ACME), "");
    }
    for users in [ACME, GLOBEX] {
        fe.get("vic", users).passed(200);
    }
}

#[test]
fn f20_one_user_is_given_several_applications_or_none() {
    let fe = System::start("frontegg");
    let rae = "{user: rae, org: acme, roles: [reader], apps: {portal: []}}";
    let given = |apps: &str| rae.replace("{portal: []}", apps);
    assert_eq!(fe.edit_refused(rae, &given("{portal: [], crm: [], nope: []}")), ["REF_EXISTS"]);
    fe.get("rae", "/t/acme/a/crm/deals").refused(404);
    fe.edit(rae, &given("{portal: [], crm: [], labs: []}"));
    fe.get("rae", "/t/acme/a/crm/deals").passed(200);
    fe.get("rae", "/t/acme/a/labs/experiments").refused(403);
}

#[test]
fn f21_f22_roles_are_not_app_specific_and_a_grant_may_name_an_application() {
    let fe = System::start("frontegg");
    for who in ["ann", "bob"] {
        assert_eq!(fe.letters(who, "/t/acme/a/crm/deals/none"), "crud", "{who}");
    }
    // The same role, in an application that its grant does not name.
    assert_eq!(fe.letters("ann", "/t/acme/a/portal/deals/none"), "r");
    assert_eq!(fe.letters("ann", "/t/acme/a/crm/contacts/none"), "r");
    assert_eq!(fe.letters("bob", "/t/acme/a/crm/contacts/none"), "");
    fe.edit("{id: labs, active: false}", "{id: labs}");
    assert_eq!(fe.letters("bob", "/t/acme/a/labs/deals"), "");
    let deal = fe.post("bob", "/t/acme/a/crm/deals", &json!({"customer": "Hooli"})).passed(201);
    assert_eq!(deal.json()["customer"], "Hooli");
}
