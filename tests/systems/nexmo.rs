//! Nexmo: every user of an account may everything, and restrictions take it back, one by one.

use super::system::System;
use serde_json::json;

#[test]
fn n01_n04_secondary_users_have_restrictions_of_their_own() {
    let nexmo = System::start("nexmo");
    assert_eq!(nexmo.letters("sec2", "/accounts/acme/payments/p1"), "");
    let number = json!({"country": "SI"});
    nexmo.put("sec2", "/accounts/acme/numbers/447700900001", &number).passed(200);
    nexmo.get("sec2", "/accounts/acme/search").passed(200);
    nexmo.get("sec1", "/accounts/acme/payments").passed(200);
    let made = nexmo.post("sec1", "/accounts/acme/payments", &json!({"amount": 5})).passed(201);
    assert_eq!(made.json(), json!({"id": "new-2", "amount": 5}));
    // What no default ability covers is nobody's, restricted or not.
    nexmo.get("pia", "/accounts/acme/secrets").refused(403);
    nexmo.delete("sec1", "/accounts/acme/payments/p1").refused(403);
}

#[test]
fn n02_n11_an_empowered_secondary_manages_the_others_api_keys_included() {
    let nexmo = System::start("nexmo");
    let user = json!({"email": "sec1@new.test"});
    nexmo.put("sec3", "/accounts/acme/users/sec1", &user).passed(200);
    let stored = nexmo.store.at("/accounts/acme/users/sec1").expect("the user");
    assert_eq!(stored, json!({"id": "sec1", "email": "sec1@new.test"}));
    nexmo.post("sec3", "/accounts/acme/api-keys", &json!({"user": "sec1"})).passed(201);
    nexmo.delete("sec3", "/accounts/acme/api-keys/k1").passed(204);
    assert_eq!(nexmo.store.at("/accounts/acme/api-keys/k1"), None);
    assert_eq!(nexmo.letters("sec1", "/accounts/acme/users/sec3"), "");
    assert_eq!(nexmo.letters("sec1", "/accounts/acme/api-keys"), "");
}

/// Restrictions a user at a time, and roles and restrictions by group: an account has both, or
/// leaves groups out.
#[test]
fn n03_n15_both_styles_load_and_groups_are_optional() {
    let nexmo = System::start("nexmo");
    nexmo.get("fin", "/accounts/acme/payments").passed(200);
    nexmo.get("fin", "/accounts/acme/numbers").refused(403);
    let text = std::fs::read_to_string(nexmo.policy.join("nexmo.yaml")).expect("the policy");
    let from = text.find("groups:").expect("groups");
    let to = text.find("members:").expect("members");
    let (group, member) = (&text[from..to], "  - {user: fin, org: acme, groups: [finance]}\n");
    nexmo.policy.write("nexmo.yaml", text.replace(group, "").replace(member, ""));
    nexmo.proxy.wait_for_generation(2);
    nexmo.get("fin", "/accounts/acme/payments").refused(404);
    nexmo.get("sec2", "/accounts/acme/payments").refused(403);
    nexmo.get("sec1", "/accounts/acme/payments").passed(200);
}

#[test]
fn n05_who_leaves_the_group_is_another_from_the_next_request() {
    let nexmo = System::start("nexmo");
    for area in ["users", "api-keys", "numbers", "search", "applications"] {
        nexmo.get("fin", &format!("/accounts/acme/{area}")).refused(403);
    }
    nexmo.get("fin", "/accounts/acme/payments").passed(200);
    nexmo
        .edit("{user: fin, org: acme, groups: [finance]}", "{user: fin, org: acme, roles: [user]}");
    for area in ["numbers", "search", "applications", "payments"] {
        nexmo.get("fin", &format!("/accounts/acme/{area}")).passed(200);
    }
    nexmo.get("fin", "/accounts/acme/users").refused(403);
}

#[test]
fn n06_n07_all_users_have_the_default_abilities_and_the_primary_manages_users() {
    let nexmo = System::start("nexmo");
    for who in ["pia", "sec1"] {
        for (area, letters) in
            [("numbers", "crud"), ("payments", "cr"), ("search", "r"), ("applications", "crud")]
        {
            nexmo.get(who, &format!("/accounts/acme/{area}")).passed(200);
            assert_eq!(nexmo.letters(who, &format!("/accounts/acme/{area}/none")), letters);
        }
    }
    nexmo.get("pia", "/accounts/acme/users").passed(200);
    nexmo.put("pia", "/accounts/acme/users/sec1", &json!({})).passed(200);
    nexmo.get("sec1", "/accounts/acme/users").refused(403);
    nexmo.put("sec1", "/accounts/acme/users/sec1", &json!({})).refused(403);
    nexmo.get("pia", "/accounts/other/numbers").refused(404);
}

/// A member that is written freed, and one that is freed later, are alike in all they may.
#[test]
fn n08_detaching_on_create_or_edit_gives_one_state() {
    let nexmo = System::with_keys("nexmo", &["late"]);
    nexmo.get("sec1", "/accounts/acme/users").refused(403);
    nexmo.edit(
        "  - {user: sec1, org: acme, roles: [user], restrictions: [no-manage-users]}",
        "  - {user: sec1, org: acme, roles: [user], restrictions: []}\n  \
         - {user: late, org: acme, roles: [user], restrictions: []}",
    );
    for (area, letters) in [
        ("numbers", "crud"),
        ("payments", "cr"),
        ("search", "r"),
        ("applications", "crud"),
        ("users", "crud"),
        ("api-keys", "crud"),
    ] {
        for who in ["sec1", "sec3", "late"] {
            let target = format!("/accounts/acme/{area}/none");
            assert_eq!(nexmo.letters(who, &target), letters, "{who} {area}");
        }
    }
}

/// On the data path: a list in which a dependent stands without the master does not load.
#[test]
fn n12_no_restriction_is_attached_without_the_master() {
    let nexmo = System::start("nexmo");
    for (from, to) in [
        ("[no-manage-users, no-payments]}", "[no-payments]}"),
        ("restrictions: []}", "restrictions: [no-numbers]}"),
        ("[no-manage-users, no-numbers, no-search", "[no-numbers, no-search"),
    ] {
        let codes = nexmo.edit_refused(from, to);
        assert!(!codes.is_empty() && codes.iter().all(|code| code == "RESTRICTION_REQUIRES"));
    }
    nexmo.get("sec2", "/accounts/acme/payments").refused(403);
    nexmo.get("sec3", "/accounts/acme/numbers").passed(200);
}

#[test]
fn n13_n14_nobody_is_freed_by_default_and_each_only_by_name() {
    let nexmo = System::with_keys("nexmo", &["old"]);
    let sec1 = "{user: sec1, org: acme, roles: [user], restrictions: [no-manage-users]}";
    nexmo.edit(sec1, &format!("{{user: old, org: acme, roles: [user]}}\n  - {sec1}"));
    nexmo.get("old", "/accounts/acme/users").refused(403);
    nexmo.get("old", "/accounts/acme/numbers").passed(200);
    nexmo.edit(
        "{user: old, org: acme, roles: [user]}",
        "{user: old, org: acme, restrictions: [], roles: [user]}",
    );
    nexmo.get("old", "/accounts/acme/users").passed(200);
    for who in ["sec1", "sec2", "fin"] {
        nexmo.get(who, "/accounts/acme/users").refused(403);
    }
}
