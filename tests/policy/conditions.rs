//! What is wrong with a condition is said where it stands.

use super::invariants::{problems, refused};
use portcullis::diag::{Code, Severity};

fn grant(conditions: &str) -> String {
    format!("roles: [{{id: r, grants: [{{path: '/a/{{id}}', access: r, {conditions}}}]}}]\n")
}

#[test]
fn selectors_and_values_are_judged_where_they_stand() {
    for (conditions, underlined) in [
        ("when: {param.name: x}", "param.name"),
        ("when: {body.x: y}", "body.x"),
        ("when: {client.ip: 10.0.0.0/33}", "10.0.0.0/33"),
        ("when: {client.ip: [10.0.0.1, host]}", "host"),
        ("when: {time: tomorrow}", "tomorrow"),
        ("when: {param.id: subject.name}", "subject.name"),
        ("when: {param.id: 'a{subject.id'}", "'a{subject.id'"),
        ("when: {param.id: 'a{subject.roles}'}", "'a{subject.roles}'"),
        ("owner: {field: id}", "id"),
        ("owner: {field: /id, is: subject.me}", "subject.me"),
        ("keep: {items: '/data/*', field: /id, in: x}", "'/data/*'"),
        ("keep: {field: '/~2', in: x}", "'/~2'"),
    ] {
        refused(&grant(conditions), Code::BadValue, underlined);
    }
    refused(&grant("when: {peer.name: x}"), Code::BadValue, "peer.name");
    refused(
        &grant("keep: {field: /id, in: x}").replace("access: r", "access: ru"),
        Code::GrantAccess,
        "{field: /id, in: x}",
    );
    refused(&grant("require: {field: /id, in: x}"), Code::GrantAccess, "{field: /id, in: x}");
    refused("routes: [{match: '/a/{id}', when: {param.x: y}}]", Code::BadValue, "param.x");
}

#[test]
fn owner_uncheckable_where_a_check_would_come_too_late() {
    let with = |path: &str, access: &str, owner: &str, more: &str| {
        format!(
            "roles: [{{id: r, grants: [{{path: '{path}', access: {access}, owner: {owner}}}]}}]\n{more}"
        )
    };
    let at = |path: &str, pointer: &str| {
        format!("resource_types: [{{id: t, at: [{{path: '{path}', pointer: {pointer}}}]}}]\n")
    };
    let own = "{field: /by}";
    for (path, access, more) in [
        ("/a/{id}", "u", String::new()),
        ("/a/{id}", "rd", at("/a/{id}", "/data")),
        ("/a/{id}", "u", at("/a/{id}/b", "''")),
        ("/a/{id}", "u", at("/a/**", "''")),
        ("/a/**", "d", at("/a/**", "''")),
    ] {
        let found = problems(&with(path, access, own, &more));
        assert!(
            found.contains(&(Severity::Error, Code::OwnerUncheckable, own.into())),
            "{found:?}"
        );
    }
    for (path, access, more) in [
        ("/a", "cr", String::new()),
        ("/a/**", "r", String::new()),
        ("/a/{id}", "crud", at("/a/{name}", "''")),
    ] {
        let found = problems(&with(path, access, own, &more));
        assert!(found.iter().all(|(severity, ..)| *severity == Severity::Warning), "{found:?}");
    }
    refused(&with("/a/{id}", "u", "{field: /by, of: '/a/{x}'}", ""), Code::GrantPath, "'/a/{x}'");
    refused(&with("/a/{id}", "u", "{field: /by, of: '/a/**'}", ""), Code::GrantPath, "'/a/**'");
    let routed = with("/a/{id}", "u", "{field: /by, of: '/b/{id}'}", "routes: [{match: '/a/**'}]");
    let found = problems(&routed);
    assert!(found.contains(&(Severity::Error, Code::RouteTotal, "'/b/{id}'".into())), "{found:?}");
}

#[test]
fn owner_race_where_no_etag_can_hold_the_write() {
    let with = |path: &str, access: &str| {
        let rules = format!(
            "roles: [{{id: r, grants: [{{path: '{path}', access: {access}, owner: {{field: /by, of: '/a/{{id}}'}}}}]}}]\n"
        );
        problems(&rules).into_iter().map(|(_, code, text)| (code, text)).collect::<Vec<_>>()
    };
    assert_eq!(with("/a/{id}/b", "c"), [(Code::OwnerRace, "'/a/{id}'".to_owned())]);
    assert_eq!(with("/a/{id}/**", "ru"), [(Code::OwnerRace, "'/a/{id}'".to_owned())]);
    assert_eq!(with("/a/{id}", "ud"), []);
    assert_eq!(with("/a/{id}/b", "r"), []);
}
