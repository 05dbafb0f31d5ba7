//! EVRYTHNG: operators of an account, users of its applications, and roles whose policies decide
//! which properties of a thing are seen and changed.

use super::system::{System, pointers};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::mpsc::channel;

const T1: &str = "/thngs/t1";

/// A member of the account, and of its application with one role.
fn member(user: &str, role: &str) -> String {
    format!("members:\n  - {{user: {user}, org: acme, apps: {{factory-app: [{role}]}}}}\n")
}

/// An application role and a member that has it, in a file beside the others.
fn role_file(id: &str, grants: &str) -> String {
    format!(
        "policy: 1\nroles:\n  - {{id: {id}, scope: app, assignable_by: [admin], grants: [{grants}]}}\n{}",
        member("new", id)
    )
}

/// With a key of the application for `new`.
fn start_with_new() -> System {
    System::with_keys("evrythng", &["new, claims: {account: acme, app: factory-app}"])
}

#[test]
fn e02_operators_have_organization_roles_and_users_of_applications_theirs() {
    let ev = System::start("evrythng");
    for (from, to) in [
        ("roles: [none]}", "roles: [supervisor]}"),
        ("apps: {factory-app: [supervisor]}", "apps: {factory-app: [admin]}"),
    ] {
        assert_eq!(ev.edit_refused(from, to), ["ROLE_SCOPE"]);
    }
    ev.get("op1", "/projects").passed(200);
    ev.get("sup", "/projects").refused(403);
}

#[test]
fn e03_e04_an_operators_role_limits_its_scope() {
    let ev = System::start("evrythng");
    for target in ["/thngs", T1, "/roles", "/access", "/projects"] {
        assert_eq!(ev.letters("op2", target), "", "{target}");
        ev.get("op1", target).passed(200);
    }
    assert_eq!(ev.letters("op1", "/thngs/none"), "crud");
    ev.edit(
        "{user: op2, org: acme, roles: [none]}",
        "{user: op2, org: acme, roles: [read-only-operator]}",
    );
    ev.get("op2", T1).passed(200);
    assert_eq!(ev.letters("op2", "/thngs/none"), "r");
    ev.put("op2", T1, &json!({"name": "Mine"})).refused(403);
    assert_eq!(ev.store.at(T1).expect("the thing")["name"], "Pump 1");
}

#[test]
fn e05_the_role_decides_what_is_seen() {
    let ev = System::start("evrythng");
    let (eng, sup) = (ev.get("eng", T1).passed(200), ev.get("sup", T1).passed(200));
    assert_eq!(eng.json()["properties"], json!({"serial": "P-0001", "temperature": 7}));
    assert_eq!(sup.json(), ev.store.at(T1).expect("the thing"));
    assert_eq!(eng.json()["name"], sup.json()["name"]);
    ev.post("sup", "/thngs", &json!({"id": "t3", "properties": {}})).passed(201);
    ev.post("eng", "/thngs", &json!({"id": "t4", "properties": {}})).refused(403);
}

/// As the file says it: ids are unique, and so are names, those of built-in roles included.
#[test]
fn e07_e17_a_taken_or_built_in_name_is_not_taken_again() {
    let ev = System::start("evrythng");
    let supervisor = "  - id: supervisor\n";
    for role in ["{id: repair-engineer, scope: app}", "{id: none}"] {
        let codes = ev.edit_refused(supervisor, &format!("  - {role}\n{supervisor}"));
        assert_eq!(codes, ["ID_UNIQUE"], "{role}");
    }
    let named = format!("{supervisor}    name: Repair engineer\n");
    assert_eq!(ev.edit_refused(supervisor, &named), ["ROLE_NAME_UNIQUE"]);
}

#[test]
fn e08_e09_a_new_role_has_the_default_permissions_and_no_others() {
    let ev = start_with_new();
    ev.get("new", "/access").refused(404);
    ev.write("new.yaml", &role_file("visitor", ""));
    ev.get("new", "/access").passed(200);
    ev.get("new", "/rateLimits").passed(200);
    ev.post("new", "/auth/all/logout", &json!({})).passed(200);
    for target in ["/thngs", T1, "/products", "/places", "/collections", "/projects"] {
        assert_eq!(ev.letters("new", target), "", "{target}");
    }
    // Defaults are read-only: nothing but the letters that they list.
    assert_eq!(ev.letters("new", "/access"), "r");
    assert_eq!(ev.letters("new", "/rateLimits"), "r");
}

#[test]
fn e10_paths_are_added_and_letters_enabled_one_by_one() {
    let ev = start_with_new();
    ev.write("new.yaml", &role_file("editor-of-things", "{path: \"/thngs\", access: cr}"));
    ev.get("new", "/thngs").passed(200);
    ev.post("new", "/thngs", &json!({"id": "t9"})).passed(201);
    ev.put("new", "/thngs", &json!([])).refused(403);
    ev.delete("new", "/thngs").refused(403);
    ev.get("new", T1).refused(403);
    // The set is replaced as a whole.
    ev.write("new.yaml", &role_file("editor-of-things", "{path: \"/products/**\", access: ud}"));
    ev.get("new", "/thngs").refused(403);
    assert_eq!(ev.letters("new", "/products/none"), "ud");
    let before = "{path: \"/places/**\", access: r}";
    for letters in ["x", "rr", "crudr", "\"\""] {
        let codes =
            ev.edit_refused(before, &format!("{{path: \"/places/**\", access: {letters}}}"));
        assert_eq!(codes, ["GRANT_ACCESS"], "{letters}");
    }
}

/// No role of an application grants more than the one that is the ceiling.
#[test]
fn e10_grants_of_a_role_stay_below_the_ceiling() {
    let ev = System::start("evrythng");
    for grant in ["{path: \"/projects\", access: r}", "{path: \"/thngs/**\", access: d}"] {
        let before = "      - {path: \"/thngs/**\", access: ru}\n";
        let codes = ev.edit_refused(before, &format!("{before}      - {grant}\n"));
        assert_eq!(codes, ["GRANT_CEILING"], "{grant}");
    }
}

#[test]
fn e06_e11_a_role_is_listed_to_those_it_is_visible_to() {
    let ev = System::start("evrythng");
    let ids = |who: &str| -> Vec<Value> {
        let list = ev.get(who, "/roles").passed(200).json();
        list.as_array().expect("a list").iter().map(|role| role["id"].clone()).collect()
    };
    assert_eq!(ids("sup"), ["repair-engineer"]);
    assert_eq!(ids("eng"), Vec::<Value>::new());
    assert_eq!(ids("op1").len(), 3);
    ev.get("sup", "/roles/repair-engineer").answer_of(200);
    let hidden = ev.get("sup", "/roles/supervisor").answer_of(404);
    assert!(!hidden.text().contains("Supervisor"), "{}", hidden.text());
    ev.put("sup", "/roles/supervisor", &json!({})).refused(403);
    ev.delete("sup", "/roles/repair-engineer").refused(403);
}

#[test]
fn e12_a_role_is_assigned_by_those_who_may() {
    let ev = System::start("evrythng");
    let give = |role: &str| json!({"user": "new", "role": role});
    ev.post("sup", "/accesses", &give("repair-engineer")).passed(201);
    for role in ["supervisor", "admin", "base-app-user", "no-such"] {
        ev.post("sup", "/accesses", &give(role)).refused(403);
    }
    for role in ["repair-engineer", "supervisor"] {
        ev.post("eng", "/accesses", &give(role)).refused(403);
    }
    // A value that is not there, or there twice, is none of those that are allowed.
    ev.post("sup", "/accesses", &json!({"user": "new"})).refused(403);
    ev.post("sup", "/accesses", &json!({"role": ["repair-engineer"]})).refused(403);
    ev.post("op1", "/accesses", &give("supervisor")).passed(201);
    let kept = ev.store.at("/accesses").expect("accesses");
    assert_eq!(kept.as_array().map(Vec::len), Some(3));
    ev.put("sup", "/accesses/x1", &give("repair-engineer")).refused(403);
}

/// On the data path: a template grants nothing; its copy does, and does not follow the template.
#[test]
fn e15_e16_a_preset_is_copied_and_its_later_edits_change_no_role() {
    let ev = start_with_new();
    let codes =
        ev.edit_refused("apps: {factory-app: [supervisor]}", "apps: {factory-app: [editor]}");
    assert_eq!(codes, ["REF_EXISTS"], "a preset's role is nobody's");
    ev.write("new.yaml", &role_file("viewer", "{path: \"/thngs/**\", access: r}"));
    ev.get("new", T1).passed(200);
    ev.put("new", T1, &json!({})).refused(403);
    let viewer = "{id: viewer, scope: app, grants: [{path: \"/thngs/**\", access: r}]}";
    ev.edit(viewer, &viewer.replace("access: r", "access: cru"));
    ev.get("new", T1).passed(200);
    ev.put("new", T1, &json!({})).refused(403);
}

#[test]
fn e18_what_is_bound_stays_in_force_when_its_administration_is_off() {
    let ev = System::start("evrythng");
    ev.write("features.yaml", "policy: 1\nfeatures: {schemas: false}\n");
    let seen = ev.get("eng", T1).passed(200);
    assert!(!seen.text().contains("s3cr3t"), "{}", seen.text());
    ev.put("eng", T1, &json!({"properties": {"secret": "mine"}})).refused(403);
}

#[test]
fn e19_a_schema_limits_what_is_seen_and_updated_of_a_type() {
    let ev = System::start("evrythng");
    let list = ev.get("eng", "/thngs").passed(200);
    assert!(!list.text().contains("s3cr3t"), "{}", list.text());
    assert_eq!(list.json()[1]["properties"], json!({"serial": "P-0002", "temperature": 9}));
    let pairs = ev.get("eng", "/thngs/t1/properties").passed(200).json();
    let shown = json!([{"key": "temperature", "value": 7}, {"key": "serial", "value": "P-0001"}]);
    assert_eq!(pairs, shown);
    // Another type is not limited by it.
    ev.get("eng", "/actions/scans").passed(200);
}

#[test]
fn e20_hidden_and_read_only_fields_are_refused_with_their_pointers() {
    let ev = System::start("evrythng");
    let body =
        json!({"name": "Pump", "properties": {"secret": "x", "serial": "P-9", "temperature": 8}});
    let refused = ev.put("eng", T1, &body).refused(403);
    assert_eq!(pointers(&refused), ["/properties/secret", "/properties/serial"]);
    let pairs = json!([
        {"key": "temperature", "value": 8},
        {"key": "secret", "value": "x"},
        {"key": "serial", "value": "P-9"}
    ]);
    let refused = ev.put("eng", "/thngs/t1/properties", &pairs).refused(403);
    assert_eq!(pointers(&refused), ["/1/key", "/2/key"]);
    let stored = ev.store.at(T1).expect("the thing");
    assert_eq!(stored["properties"]["secret"], "s3cr3t-1");
    ev.patch("eng", T1, &json!({"properties": {"temperature": 8}})).passed(200);
    assert_eq!(ev.store.at(T1).expect("the thing")["properties"]["temperature"], 8);
    ev.put("sup", T1, &body).passed(200);
    assert_eq!(ev.store.at(T1).expect("the thing")["properties"]["secret"], "x");
}

#[test]
fn e21_e22_a_schema_is_inert_until_it_is_bound() {
    let ev = System::start("evrythng");
    let bound = "    schemas: [engineer-props, engineer-props-list]   # role policies\n";
    ev.edit(bound, "");
    for target in [T1, "/thngs/t1/properties"] {
        assert!(ev.get("eng", target).passed(200).text().contains("s3cr3t-1"));
    }
    ev.patch("eng", T1, &json!({"properties": {"serial": "P-9"}})).passed(200);
    ev.edit(
        "    grants:\n      - {path: \"/thngs/**\", access: ru}\n",
        &format!("{bound}    grants:\n      - {{path: \"/thngs/**\", access: ru}}\n"),
    );
    for target in [T1, "/thngs/t1/properties"] {
        assert!(!ev.get("eng", target).passed(200).text().contains("s3cr3t-1"));
    }
    ev.patch("eng", T1, &json!({"properties": {"serial": "P-8"}})).refused(403);
}

#[test]
fn e23_e24_it_holds_for_every_user_of_the_role_and_nobody_else() {
    let ev = start_with_new();
    ev.write("new.yaml", &format!("policy: 1\n{}", member("new", "repair-engineer")));
    for who in ["eng", "new"] {
        assert!(!ev.get(who, T1).passed(200).text().contains("s3cr3t"), "{who}");
        ev.patch(who, T1, &json!({"properties": {"secret": 1}})).refused(403);
    }
    for who in ["sup", "op1"] {
        assert!(ev.get(who, T1).passed(200).text().contains("s3cr3t"), "{who}");
        ev.patch(who, T1, &json!({"properties": {"secret": 1}})).passed(200);
        ev.patch(who, T1, &json!({"properties": {"secret": "s3cr3t-1"}})).passed(200);
    }
}

#[test]
fn e25_e26_it_holds_for_reads_and_writes_alike() {
    let ev = System::start("evrythng");
    // What a write answers is filtered as well.
    let echo = ev.patch("eng", T1, &json!({"name": "Pump 1b"})).passed(200);
    assert_eq!(echo.json()["properties"], json!({"serial": "P-0001", "temperature": 7}));
    let stored = ev.store.at(T1).expect("the thing");
    assert_eq!(
        (&stored["name"], &stored["properties"]["secret"]),
        (&json!("Pump 1b"), &json!("s3cr3t-1"))
    );
    // And a query about what is hidden is not asked.
    ev.get("eng", "/thngs?sort=properties.secret").refused(403);
    ev.get("sup", "/thngs?sort=properties.secret").passed(200);
}

#[test]
fn e27_e28_values_are_judged_by_the_schema() {
    let ev = System::start("evrythng");
    let body = "           properties: {temperature: {type: number}, serial: {type: string, readOnly: true}}}\n  - id: engineer-props-list";
    ev.edit(body, &body.replace("{type: number}", "{type: number, maximum: 10}"));
    let refused = ev.patch("eng", T1, &json!({"properties": {"temperature": 11}})).refused(422);
    assert_eq!(pointers(&refused), ["/properties/temperature"]);
    let refused = ev.patch("eng", T1, &json!({"properties": {"temperature": "hot"}})).refused(422);
    assert_eq!(pointers(&refused), ["/properties/temperature"]);
    // Fields come before values.
    let both = json!({"properties": {"temperature": 11, "secret": 1}});
    let refused = ev.patch("eng", T1, &both).refused(403);
    assert_eq!(pointers(&refused), ["/properties/secret"]);
    ev.patch("eng", T1, &json!({"properties": {"temperature": 10}})).passed(200);
    ev.patch("sup", T1, &json!({"properties": {"temperature": 11}})).passed(200);
}

#[test]
fn e29_several_schemas_of_a_role_are_all_in_force() {
    let ev = System::start("evrythng");
    ev.edit_all(&[
        ("schemas: [engineer-props, engineer-props-list]", "schemas: [engineer-props, engineer-props-list, no-serial]"),
        ("presets:\n", "  - id: no-serial\n    type: thng-properties\n    body: {type: object, additionalProperties: true, properties: {serial: false}}\npresets:\n"),
    ]);
    let seen = ev.get("eng", T1).passed(200).json();
    assert_eq!(seen["properties"], json!({"temperature": 7}));
    let refused =
        ev.patch("eng", T1, &json!({"properties": {"serial": "x", "secret": "x"}})).refused(403);
    let mut found = pointers(&refused);
    found.sort();
    assert_eq!(found, ["/properties/secret", "/properties/serial"]);
    ev.edit("[engineer-props, engineer-props-list, no-serial]", "[no-serial, engineer-props-list]");
    let seen = ev.get("eng", T1).passed(200).json();
    assert_eq!(seen["properties"], json!({"secret": "s3cr3t-1", "temperature": 7}));
}

#[test]
fn e30_a_change_is_in_force_from_the_next_request_and_not_in_one_under_way() {
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let ev = System::over("evrythng", &[], move |store, request| {
        if request.target == "/thngs/t2" {
            wait.lock().unwrap().recv().expect("a test that goes on");
        }
        store.answer(request)
    });
    let mut under_way = ev.begin("eng", "/thngs/t2");
    ev.upstream.wait_for(1);
    ev.edit("    schemas: [engineer-props, engineer-props-list]   # role policies\n", "");
    assert!(ev.get("eng", T1).passed(200).text().contains("s3cr3t-1"), "the next request");
    release.send(()).expect("an upstream that waits");
    let answer = under_way.read();
    assert_eq!(answer.json()["properties"], json!({"serial": "P-0002", "temperature": 9}));
}
