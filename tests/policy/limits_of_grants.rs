//! GRANT_LIMIT: grants that never hold, because a role brings too many before them.

use super::invariants::{loads, problems, refused};
use portcullis::decide::{MAX_PREREADS, MAX_ROW_RULES};
use portcullis::diag::Code;

/// A grant that looks at an object of its own before anything is read.
fn looks(n: usize) -> String {
    format!("{{path: '/t/{{i}}', access: r, owner: {{field: /by, of: '/o{n}/{{i}}'}}}}")
}

/// A grant that judges rows.
fn judges(n: usize) -> String {
    format!("{{path: /t, access: r, keep: {{items: '', field: /k, in: v{n}}}}}")
}

fn role(id: &str, grants: impl IntoIterator<Item = String>, more: &str) -> String {
    let grants: Vec<String> = grants.into_iter().collect();
    format!("  - {{id: {id}, grants: [{}]{more}}}\n", grants.join(", "))
}

fn policy(roles: &[String]) -> String {
    format!("roles:\n{}", roles.concat())
}

fn alone(grants: impl IntoIterator<Item = String>) -> String {
    policy(&[role("a", grants, "")])
}

#[test]
fn p13_one_role_has_at_most_as_many_as_are_asked() {
    for (most, grant, path) in [
        (MAX_PREREADS, looks as fn(usize) -> String, "'/t/{i}'"),
        (MAX_ROW_RULES, judges as fn(usize) -> String, "/t"),
    ] {
        loads(&alone((0..most - 1).map(grant)));
        loads(&alone((0..most).map(grant)));
        refused(&alone((0..=most).map(grant)), Code::GrantLimit, path);
    }
}

#[test]
fn what_a_role_includes_and_has_by_default_counts_with_its_own() {
    let of = |range: std::ops::Range<usize>| range.map(looks);
    let (base, top) = (role("base", of(0..3), ""), role("top", of(3..5), ", includes: [base]"));
    refused(&policy(&[base.clone(), top.clone()]), Code::GrantLimit, "'/t/{i}'");
    // Two roles that nobody must have together.
    loads(&policy(&[base, top.replace(", includes: [base]", "")]));
    let five = of(0..5).collect::<Vec<_>>().join(", ");
    for scope in ["org", "any"] {
        let defaults =
            format!("role_defaults: {{{scope}: [{five}]}}\nroles: [{{id: a}}, {{id: b}}]");
        refused(&defaults, Code::GrantLimit, "'/t/{i}'");
    }
    refused(&format!("role_defaults: {{any: [{five}]}}"), Code::GrantLimit, "'/t/{i}'");
    let apart = format!("role_defaults: {{app: [{five}]}}\nroles: [{{id: a}}]");
    loads(&apart);
}

/// A grant that may hold for some request is not reported.
#[test]
fn only_what_can_never_hold_is_refused() {
    let with = |last: &str| alone((0..MAX_PREREADS).map(looks).chain([last.to_owned()]));
    let fifth = "{path: '/t/{i}', access: r, owner: {field: /by, of: '/o9/{i}'}}";
    refused(&with(fifth), Code::GrantLimit, "'/t/{i}'");
    refused(
        &with(&fifth.replace("'/t/{i}', a", "'/t/x', a").replace("{i}", "1")),
        Code::GrantLimit,
        "'/t/x'",
    );
    // For one of its letters.
    let both = problems(&with(&fifth.replace("access: r", "access: cr")));
    assert!(both.iter().any(|found| found.1 == Code::GrantLimit), "{both:?}");
    for other in [
        // Its object has been looked at for another grant.
        looks(2),
        // Some of its paths, or letters, none of the others has.
        fifth.replace("'/t/{i}'", "'/{t}/{i}'"),
        fifth.replace("'/t/{i}'", "'/t/{i}/**'"),
    ] {
        let found = problems(&with(&other));
        assert!(!found.iter().any(|found| found.1 == Code::GrantLimit), "{other}: {found:?}");
    }
    // One of those before it may not be asked, or does not count where this one does.
    let first = looks(0);
    for other in [
        first.replace("access: r,", "access: r, when: {query.a: b},"),
        first.replace("access: r,", "access: r, query: [a],"),
        "{path: /t/x, access: r, owner: {field: /by, of: /o0/x}}".into(),
    ] {
        let found =
            problems(&alone([other.clone()].into_iter().chain((1..=MAX_PREREADS).map(looks))));
        assert!(!found.iter().any(|found| found.1 == Code::GrantLimit), "{other}: {found:?}");
    }
    // The rest of the role shows it whatever the object says.
    let mut moot: Vec<String> = (0..=MAX_PREREADS).map(looks).collect();
    moot.push("{path: '/t/**', access: r}".into());
    assert!(!problems(&alone(moot)).iter().any(|found| found.1 == Code::GrantLimit));
}
