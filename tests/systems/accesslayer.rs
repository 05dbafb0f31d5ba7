//! AccessLayer: the organization owns what is shared, and a chat belongs to whoever has it.

use super::system::System;
use serde_json::{Value, json};

const CHATS: &str = "/orgs/acme/chats";

/// The ids of a list.
#[track_caller]
fn ids(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|row| row["id"].as_str().expect("an id")).collect()
}

#[test]
fn a01_a02_the_organization_is_the_boundary() {
    let al = System::start("accesslayer");
    for area in
        ["members", "connectors", "billing", "dashboards", "chats", "settings", "invitations"]
    {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let body = (method != "GET").then(|| json!({"user_id": "ada"}));
            al.ask("ada", method, &format!("/orgs/side-project/{area}"), body.as_ref())
                .refused(404);
            al.ask("ada", method, &format!("/orgs/side-project/{area}/1"), body.as_ref())
                .refused(404);
        }
    }
    al.get("ada", "/orgs/side-project").refused(404);
    al.get("max", "/orgs/side-project").passed(200);
    al.get("ada", "/orgs/no-such/members").refused(404);
}

/// On the data path: who may ask for an invitation at all.
#[test]
fn a03_a13_administrators_invite() {
    let al = System::start("accesslayer");
    let invitation = json!({"email": "zoe@acme.test", "role": "member"});
    al.post("max", "/orgs/acme/invitations", &invitation).refused(403);
    al.get("max", "/orgs/acme/invitations").refused(403);
    al.post("ada", "/orgs/acme/invitations", &invitation).passed(201);
    al.post("max", "/orgs/side-project/invitations", &invitation).passed(404);
}

#[test]
fn a04_a16_billing_is_the_organizations() {
    let al = System::start("accesslayer");
    for target in ["/orgs/acme/billing", "/orgs/acme/billing/invoices"] {
        assert_eq!(al.letters("max", target), "");
        al.get("ada", target).passed(200);
    }
    let plan = al.get("max", "/orgs/side-project/billing").passed(200);
    assert_eq!(plan.json(), json!({"plan": "free", "seats": 1}));
    al.get("ada", "/orgs/side-project/billing").refused(404);
}

#[test]
fn a05_a17_an_administrator_is_a_member_with_management() {
    let al = System::start("accesslayer");
    for (area, member, admin) in [
        ("members", "r", "crud"),
        ("connectors/none", "r", "crud"),
        ("dashboards/none", "crud", "crud"),
        ("settings/none", "", "crud"),
        ("members/none", "", "crud"),
        ("invitations/none", "", "crud"),
        ("billing/none", "", "crud"),
    ] {
        if area == "members" {
            al.get("max", "/orgs/acme/members").passed(200);
            al.get("ada", "/orgs/acme/members").passed(200);
            continue;
        }
        let target = format!("/orgs/acme/{area}");
        assert_eq!(
            (al.letters("max", &target), al.letters("ada", &target)),
            (member.into(), admin.into()),
            "{area}"
        );
    }
    for who in ["ada", "max"] {
        al.get(who, "/orgs/acme").passed(200);
        al.post(who, "/orgs/acme/connectors/c1/query", &json!({"sql": "select 1"})).passed(200);
        let chat = json!({"user_id": who, "title": "New"});
        al.post(who, CHATS, &chat).passed(201);
    }
    al.put("max", "/orgs/acme", &json!({"name": "Mine"})).refused(403);
    let seen = al.put("ada", "/orgs/acme", &json!({"name": "Acme Inc."}));
    assert_eq!(seen.told("roles"), Some("member,admin"));
    seen.passed(200);
}

/// A role with a schema of its own, in a file beside the others: in force without a restart.
#[test]
fn a06_finer_permissions_arrive_as_custom_roles_and_schemas() {
    let al = System::start("accesslayer");
    al.get("max", "/orgs/acme/billing").refused(403);
    let custom = r#"policy: 1
roles:
  - id: accountant
    includes: [member]
    assignable_by: [admin]
    schemas: [billing-without-seats]
    grants: [{path: "/orgs/{org}/billing", access: r}]
schemas:
  - {id: billing-without-seats, type: billing, body: {type: object, additionalProperties: true, properties: {seats: false}}}
resource_types:
  - {id: billing, at: [{path: "/orgs/{org}/billing", pointer: ""}]}
"#;
    al.write("custom.yaml", custom);
    al.get("max", "/orgs/acme/billing").refused(403);
    al.edit(
        "{user: max, org: acme, roles: [member]}",
        "{user: max, org: acme, roles: [accountant]}",
    );
    let seen = al.get("max", "/orgs/acme/billing").passed(200);
    assert_eq!(seen.json(), json!({"plan": "team"}));
    al.get("max", "/orgs/acme/billing/invoices").refused(403);
    al.get("max", "/orgs/acme/dashboards").passed(200);
}

#[test]
fn a07_a18_dashboards_are_shared_and_stay_when_their_creator_leaves() {
    let al = System::start("accesslayer");
    let made = al.post("max", "/orgs/acme/dashboards", &json!({"title": "Churn"})).passed(201);
    let made = format!("/orgs/acme/dashboards/{}", made.json()["id"].as_str().expect("an id"));
    al.put("ada", &made, &json!({"title": "Churn, monthly"})).passed(200);
    al.edit("  - {user: max, org: acme, roles: [member]}\n", "");
    al.get("max", &made).refused(404);
    let seen = al.get("ada", &made).passed(200);
    assert_eq!(seen.json()["title"], "Churn, monthly");
    al.get("ada", "/orgs/acme/dashboards/d1").passed(200);
}

#[test]
fn a08_chats_are_private_to_the_user_even_from_administrators() {
    let al = System::start("accesslayer");
    let (his, hers) = (format!("{CHATS}/ch1"), format!("{CHATS}/ch2"));
    for (who, own, other) in [("max", &his, &hers), ("ada", &hers, &his)] {
        al.get(who, own).passed_after_reading(own, 200);
        al.get(who, &format!("{own}/messages")).passed_after_reading(own, 200);
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
            let body = (method.starts_with('P')).then(|| json!({"title": "Mine"}));
            al.ask(who, method, other, body.as_ref()).refused_after_reading(other, 404);
        }
        al.get(who, &format!("{other}/messages")).refused_after_reading(other, 404);
        let message = json!({"text": "Me, too"});
        al.post(who, &format!("{other}/messages"), &message).refused_after_reading(other, 404);
        assert_eq!(al.store.at(&format!("{other}/messages/new-2")), None);
    }
    assert_eq!(al.store.at(&his).expect("nothing deleted")["title"], "Why did churn rise?");
}

#[test]
fn a08_a_chat_of_another_is_like_one_that_is_missing() {
    let al = System::start("accesslayer");
    let other = format!("{CHATS}/ch1");
    let missing = format!("{CHATS}/no-such");
    for method in ["GET", "PUT", "DELETE"] {
        let body = (method == "PUT").then(|| json!({"title": "Mine"}));
        let hidden =
            al.ask("ada", method, &other, body.as_ref()).refused_after_reading(&other, 404);
        let absent = al.ask("ada", method, &missing, body.as_ref()).answer_of(404);
        assert_eq!(hidden.body, absent.body, "{method}");
        assert_eq!(hidden.head.fields.names(), absent.head.fields.names(), "{method}");
    }
}

#[test]
fn a08_a_list_of_chats_holds_ones_own() {
    let al = System::start("accesslayer");
    let of = |who: &str| al.get(who, CHATS).passed(200);
    let (max, ada) = (of("max"), of("ada"));
    assert_eq!(ids(&max.json()), ["ch1", "ch3"]);
    assert_eq!(ids(&ada.json()), ["ch2"]);
    assert!(!ada.text().contains("Salaries"), "not a byte of what is not hers");
}

#[test]
fn a08_a_chat_is_made_and_kept_in_ones_own_name() {
    let al = System::start("accesslayer");
    al.post("ada", CHATS, &json!({"user_id": "max", "title": "From him"})).refused(404);
    al.post("ada", CHATS, &json!({"user_id": "ada", "title": "From her"})).passed(201);
    let own = format!("{CHATS}/ch2");
    al.patch("ada", &own, &json!({"user_id": "max"})).refused_after_reading(&own, 404);
    assert_eq!(al.store.at(&own).expect("the chat")["user_id"], "ada");
    al.patch("ada", &own, &json!({"title": "Board"})).passed_after_reading(&own, 200);
    assert_eq!(al.store.at(&own).expect("the chat")["title"], "Board");
}

/// What was read first is what is written: the upstream is told which state the caller owned.
#[test]
fn a08_a_chat_that_is_given_away_meanwhile_is_not_written() {
    let hers = format!("{CHATS}/ch2");
    let given = hers.clone();
    let al = System::over("accesslayer", &[], move |store, request| {
        let answer = store.answer(request);
        if (request.method.as_str(), &request.target) == ("GET", &given) {
            store.ask("PATCH", &given, r#"{"user_id": "max"}"#);
        }
        answer
    });
    al.delete("ada", &hers).passed_after_reading(&hers, 412);
    let kept = al.store.at(&hers).expect("nothing deleted");
    assert_eq!((&kept["user_id"], &kept["title"]), (&json!("max"), &json!("Board numbers")));
    let write = al.upstream.requests().pop().expect("the write");
    assert!(write.fields.get("if-match").is_some_and(|tag| tag.starts_with('"')), "{write:?}");
}

#[test]
fn a19_chats_stay_private_through_changes_of_roles() {
    let al = System::start("accesslayer");
    let (his, hers) = (format!("{CHATS}/ch1"), format!("{CHATS}/ch2"));
    al.edit_all(&[
        ("{user: ada, org: acme, roles: [admin]}", "{user: ada, org: acme, roles: [member]}"),
        ("{user: max, org: acme, roles: [member]}", "{user: max, org: acme, roles: [admin]}"),
    ]);
    al.get("max", "/orgs/acme/billing").passed(200);
    al.get("max", &hers).refused_after_reading(&hers, 404);
    al.delete("max", &hers).refused_after_reading(&hers, 404);
    al.get("ada", &hers).passed_after_reading(&hers, 200);
    al.get("ada", &his).refused_after_reading(&his, 404);
    assert_eq!(ids(&al.get("max", CHATS).passed(200).json()), ["ch1", "ch3"]);
}

#[test]
fn a09_a10_members_query_connectors_that_administrators_add() {
    let al = System::start("accesslayer");
    let connector = json!({"kind": "mysql", "dsn": "mysql://root@db"});
    al.post("max", "/orgs/acme/connectors", &connector).refused(403);
    assert_eq!(al.letters("max", "/orgs/acme/connectors/none"), "r");
    let query = json!({"sql": "select customer, total from invoices"});
    let rows = al.post("max", "/orgs/acme/connectors/c1/query", &query).passed(200);
    assert_eq!(rows.json()["rows"], json!([["Initech", 1200]]));
    al.get("max", "/orgs/acme/connectors").passed(200);
    let made = al.post("ada", "/orgs/acme/connectors", &connector).passed(201);
    assert_eq!(made.json()["id"], "new-2");
    al.delete("ada", "/orgs/acme/connectors/new-2").passed(204);
}

/// On the data path: an invitation opens nothing; the membership that acceptance makes does.
#[test]
fn a14_joining_happens_on_acceptance() {
    let al = System::with_keys("accesslayer", &["new"]);
    for target in ["/orgs/acme", "/orgs/acme/dashboards", CHATS] {
        al.get("new", target).refused(404);
    }
    al.edit_all(&[
        ("status: pending", "status: accepted"),
        ("members:\n", "members:\n  - {user: new, org: acme, roles: [member]}\n"),
    ]);
    al.get("new", "/orgs/acme/dashboards").passed(200);
    al.get("new", "/orgs/acme/billing").refused(403);
    al.get("new", "/orgs/side-project").refused(404);
}
