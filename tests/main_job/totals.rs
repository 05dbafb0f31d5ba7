//! Totals of lists from which rows go.

use super::Api;
use crate::support::Upstream;
use crate::support::upstream::chunked_response;

const RULES: &str = r#"
roles:
  - {id: member, grants: [{path: /tickets, access: r, keep: {field: /by, in: [subject.id]}}]}
  - {id: peer, grants: [{path: /tickets, access: r, keep: {field: /by, in: bob}}]}
  - {id: admin, grants: [{path: /tickets, access: r}]}
resource_types:
  - {id: ticket, count: [/total, /page/size], at: [{path: /tickets, pointer: "/data/*"}]}
"#;

const WHOLE: &str =
    r#"{"total":3,"data":[{"by":"ana"},{"by":"bob"},{"by":"ana"}],"page":{"size":3,"no":1}}"#;

#[test]
fn p11_totals_of_a_whole_list_are_put_right() {
    let api = Api::over(Upstream::json(WHOLE), RULES);
    let seen = api.call("ana:member", "GET", "/tickets");
    let right = r#"{"total":2,"data":[{"by":"ana"},{"by":"ana"}],"page":{"size":2,"no":1}}"#;
    assert_eq!(seen.text(), right);
    assert_eq!(
        api.call("eve:member", "GET", "/tickets").text(),
        r#"{"total":0,"data":[],"page":{"size":0,"no":1}}"#
    );
    assert_eq!(api.call("ana:admin", "GET", "/tickets").text(), WHOLE);
    assert_eq!(api.call("ana:admin,member", "GET", "/tickets").text(), WHOLE);
}

/// Also where which filter it is hangs on what the body has: with rows of several roles.
#[test]
fn p11_totals_before_the_rows_of_several_roles_are_put_right() {
    let api = Api::over(Upstream::json(WHOLE), RULES);
    assert_eq!(api.call("ana:member,peer", "GET", "/tickets").text(), WHOLE);
    let one = r#"{"total":1,"data":[{"by":"bob"}],"page":{"size":1,"no":1}}"#;
    for _ in 0..2 {
        assert_eq!(api.call("eve:member,peer", "GET", "/tickets").text(), one);
    }
    let page = WHOLE.replace("\"total\":3", "\"total\":41");
    let api = Api::over(Upstream::json(&page), RULES);
    let seen = api.call("eve:member,peer", "GET", "/tickets");
    assert_eq!(seen.text(), r#"{"data":[{"by":"bob"}],"page":{"size":1,"no":1}}"#);
}

#[test]
fn p11_the_total_of_all_pages_goes() {
    let page = WHOLE.replace("\"total\":3", "\"total\":41");
    let api = Api::over(Upstream::json(&page), RULES);
    let seen = api.call("ana:member", "GET", "/tickets");
    assert_eq!(seen.text(), r#"{"data":[{"by":"ana"},{"by":"ana"}],"page":{"size":2,"no":1}}"#);
}

#[test]
fn p11_a_long_list_loses_a_total_before_it_and_keeps_one_behind_it() {
    let rows: Vec<String> = (0..4000)
        .map(|n| format!(r#"{{"by":"{}","n":{n}}}"#, if n % 4 == 0 { "ana" } else { "bob" }))
        .collect();
    let list = format!(r#"{{"total":4000,"data":[{}],"page":{{"size":4000}}}}"#, rows.join(","));
    assert!(list.len() > 64 << 10);
    let chunks: Vec<&str> =
        list.as_bytes().chunks(5000).map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
    let json = [("Content-Type", "application/json")];
    let api = Api::over(Upstream::fixed(chunked_response(200, &json, &chunks)), RULES);
    let answer = api.call("ana:member", "GET", "/tickets");
    let seen = answer.text();
    assert!(seen.starts_with(r#"{"data":[{"by":"ana","n":0},"#), "{:.60}", seen);
    assert!(seen.ends_with(r#"],"page":{"size":1000}}"#) && !seen.contains("4000"), "{:.60}", seen);
}
