//! Policies that would decide on what the upstream never gets.

use crate::policy::invariants::{problems, refused};
use portcullis::diag::{Code, Severity};

fn grant(header: &str) -> String {
    format!(
        "roles: [{{id: r, grants: [{{path: '/a/**', access: r, when: {{header.{header}: x}}}}]}}]\n"
    )
}

/// What a client says about itself there is taken out; a condition would have believed it.
#[test]
fn p03_conditions_read_no_header_that_does_not_go_on() {
    for name in [
        "X-Forwarded-For",
        "X-Real-IP",
        "x_forwarded_host",
        "X-Portcullis-Roles",
        "Connection",
        "Authorization",
        "Content-Length",
        "If-Match",
        "Host",
    ] {
        let selector = format!("header.{name}");
        refused(&grant(name), Code::BadValue, &selector);
        let route = format!("routes: [{{match: '/**', when: {{header.{name}: x}}}}]\n");
        refused(&route, Code::BadValue, &selector);
        let default = format!(
            "role_defaults: {{any: [{{path: '/a', access: r, when: {{header.{name}: x}}}}]}}\n"
        );
        refused(&default, Code::BadValue, &selector);
    }
    for name in ["X-Env", "Origin", "Content-Type", "Sec-Fetch-Site", "User-Agent"] {
        assert_eq!(errors(&grant(name)), [], "{name}");
    }
    let identity = "identity: {forwarded: {peers: [unix], user: X-User, org: X-Tenant}}\n";
    refused(&format!("{identity}{}", grant("x_tenant")), Code::BadValue, "header.x_tenant");
}

/// A route may not change on the way what a grant on its paths was decided by.
#[test]
fn p03_routes_change_no_header_that_a_condition_reads() {
    let route = |path: &str, headers: &str| {
        format!(
            "{}routes: [{{match: '/**'}}, {{match: '{path}', headers: {headers}}}]\n",
            grant("X-Env")
        )
    };
    refused(&route("/a/b", "{remove: [x_env]}"), Code::BadValue, "x_env");
    refused(&route("/a/{id}", "{set: {X-Env: prod}}"), Code::BadValue, "X-Env");
    assert_eq!(errors(&route("/b/**", "{set: {X-Env: prod}}")), []);
    let own = "routes: [{match: '/**', when: {header.x-gate: k}, headers: {remove: [X-Gate]}}]\n";
    refused(own, Code::BadValue, "X-Gate");
}

fn errors(text: &str) -> Vec<(Code, String)> {
    let found = problems(text).into_iter().filter(|problem| problem.0 == Severity::Error);
    found.map(|(_, code, text)| (code, text)).collect()
}
