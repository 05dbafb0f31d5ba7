//! How many objects are looked at, and how many grants judge rows: what is beyond, in the order of
//! the policy, does not hold. Within one role such a policy does not load (GRANT_LIMIT), so a second
//! role brings what is too much.

use super::super::Api;
use super::{objects, reached};
use crate::support::Upstream;
use portcullis::decide::{MAX_PREREADS, MAX_ROW_RULES};

/// As many grants, numbered: one role has as many as there may be, a second one the others.
fn grants(count: usize, most: usize, grant: impl Fn(usize) -> String) -> String {
    let list = |range: std::ops::Range<usize>| {
        range.map(|n| format!("      - {{{}}}\n", grant(n))).collect::<String>()
    };
    let (first, rest) = (list(0..count.min(most)), list(most..count.max(most)));
    let rest = if rest.is_empty() { " []\n".into() } else { format!("\n{rest}") };
    format!("roles:\n  - id: member\n    grants:\n{first}  - id: other\n    grants:{rest}")
}

#[test]
fn p13_objects_beyond_the_limit_are_not_looked_at() {
    let known = &[
        ("/o2", r#"{"by":"x"}"#),
        ("/o3", r#"{"by":"bob"}"#),
        ("/o4", r#"{"by":"ann"}"#),
        ("/things/1", "{}"),
    ];
    let rules = |count| {
        grants(count, MAX_PREREADS, |n| {
            format!("path: /things/{{id}}, access: u, owner: {{field: /by, of: /o{n}}}")
        })
        .replace("/things/{id}", "\"/things/{id}\"")
    };
    for count in [MAX_PREREADS - 1, MAX_PREREADS, MAX_PREREADS + 1] {
        let api = Api::over(Upstream::with(objects(known)), &rules(count));
        let status = |who: &str| api.send(who, "PATCH", "/things/1", "{}").status;
        // The fourth is looked at, the fifth is not.
        assert_eq!(status("bob:member,other"), if count < 4 { 404 } else { 200 }, "{count}");
        assert_eq!(status("ann:member,other"), 404, "{count}");
        let looks = reached(&api).iter().filter(|line| line.starts_with("GET /o")).count();
        assert_eq!(looks, 2 * count.min(MAX_PREREADS), "{count}");
    }
}

#[test]
fn p13_grants_beyond_the_limit_keep_no_rows() {
    let list = r#"[{"k":"v62"},{"k":"v63"},{"k":"v64"}]"#;
    for count in [MAX_ROW_RULES - 1, MAX_ROW_RULES, MAX_ROW_RULES + 1] {
        let rules = grants(count, MAX_ROW_RULES, |n| {
            format!("path: /things, access: r, keep: {{items: \"\", field: /k, in: v{n}}}")
        });
        let api = Api::over(Upstream::json(list), &rules);
        let seen = api.call("bob:member,other", "GET", "/things");
        let kept = if count < MAX_ROW_RULES { 1 } else { 2 };
        assert_eq!(seen.status, 200, "{}", seen.text());
        assert_eq!(seen.json().as_array().map(Vec::len), Some(kept), "{count}: {}", seen.text());
    }
}
