//! Hosts of routes and rules: what does not load, and what `check` says of it.

use portcullis::diag::Code;
use portcullis::policy::front;
use portcullis::policy::lint::lint;
use portcullis::policy::resolve::{Surroundings, resolve};
use portcullis::source::Sources;

/// Every problem: its code and what is underlined.
fn problems(policy: &str) -> Vec<(Code, String)> {
    let mut sources = Sources::default();
    sources.add("policy.yaml", format!("policy: 1\n{policy}"));
    let (raw, mut report) = front::read(&sources);
    let resolved = resolve(&raw, &Surroundings::default(), &mut report);
    if !report.has_errors() {
        lint(&raw, &resolved, &mut report);
    }
    report.sort();
    let problems = report.problems().iter();
    problems.map(|p| (p.code, sources.text(p.primary.as_ref().unwrap().span).to_owned())).collect()
}

#[track_caller]
fn finds(policy: &str, expected: &[(Code, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(code, at)| (*code, (*at).to_owned())).collect();
    assert_eq!(problems(policy), expected, "{policy}");
}

const ROUTES: &str =
    "routes: [{match: \"/**\", host: api.example}, {match: \"/**\", host: \"*.example\"}]\n";

#[test]
fn grant_host_where_routes_name_hosts() {
    let grant =
        |more: &str| format!("roles: [{{id: r, grants: [{{path: /x, access: r{more}}}]}}]\n");
    finds(&format!("{ROUTES}{}", grant("")), &[(Code::GrantHost, "/x")]);
    finds(&format!("{ROUTES}{}", grant(", host: API.example.")), &[]);
    finds(&grant(", host: any.test"), &[]);
    for scope in ["app", "org", "any"] {
        let defaults = format!("{ROUTES}role_defaults: {{{scope}: [{{path: /x, access: r}}]}}\n");
        finds(&defaults, &[(Code::GrantHost, "/x")]);
    }
    let denial = "restrictions: [{id: n, deny: [{path: /x, access: r}]}]\n";
    finds(&format!("{ROUTES}{denial}"), &[]);
}

#[test]
fn route_ambiguous_counts_hosts() {
    let two = |a: &str, b: &str| {
        format!("routes: [{{match: /x, host: \"{a}\"}}, {{match: /x, host: \"{b}\"}}]")
    };
    for (a, b) in [("a.x", "A.X."), ("*.x", "{org}.x"), ("[::1]", "[0::1]")] {
        finds(&two(a, b), &[(Code::RouteAmbiguous, "/x")]);
    }
    for (a, b) in [("a.x", "b.x"), ("a.x", "*.x"), ("*.x", "*.b.x")] {
        finds(&two(a, b), &[]);
    }
    finds("routes: [{match: /x, host: a.x}, {match: /x}]", &[]);
}

#[test]
fn route_total_counts_hosts() {
    let rules = |host: &str| {
        format!(
            "{ROUTES}roles: [{{id: r, grants: [{{path: /x, host: \"{host}\", access: r}}]}}]\n\
             restrictions: [{{id: n, deny: [{{path: /y, host: \"{host}\", access: r}}]}}]\n"
        )
    };
    for host in ["other.test", "a.b.example", "*.b.example"] {
        finds(&rules(host), &[(Code::RouteTotal, "/x"), (Code::RouteTotal, "/y")]);
    }
    for host in ["api.example", "other.example", "*.example"] {
        finds(&rules(host), &[]);
    }
}

#[test]
fn a_host_that_is_none_is_underlined() {
    for host in ["a.x:80", "*", "a.*.x", "{a}{b}.x", "b\u{fc}cher.x", "*.0.0.1"] {
        finds(
            &format!("routes: [{{match: /x, host: \"{host}\"}}]"),
            &[(Code::BadValue, &format!("\"{host}\""))],
        );
    }
    // A rule captures nothing: what a label means, the route says.
    let grant = "roles: [{id: r, grants: [{path: /x, host: \"{org}.x\", access: r}]}]";
    finds(grant, &[(Code::BadValue, "\"{org}.x\"")]);
}

#[test]
fn grant_ceiling_counts_hosts() {
    let policy = |own: &str| {
        format!(
            "applications: [{{id: x, default_role: top}}]\nroutes: [{{match: \"/{{app}}/**\"}}]\n\
             role_defaults: {{ceiling: top}}\nroles:\n  \
             - {{id: top, scope: app, grants: [{{path: \"/{{app}}/**\", host: \"*.x\", access: r}}]}}\n  \
             - {{id: low, scope: app, default: true, grants: [{own}]}}\n"
        )
    };
    let over = "{path: \"/{app}/a\", host: a.y, access: r}";
    finds(&policy(over), &[(Code::GrantCeiling, over)]);
    let everywhere = "{path: \"/{app}/a\", access: r}";
    finds(&policy(everywhere), &[(Code::GrantCeiling, everywhere)]);
    finds(&policy("{path: \"/{app}/a\", host: a.x, access: r}"), &[]);
}

#[test]
fn lints_count_hosts() {
    let grants = |a: &str, b: &str| {
        format!(
            "roles: [{{id: r, grants: [{{path: \"/**\", access: r{a}}}, {{path: /x, access: r{b}}}]}}]\n"
        )
    };
    finds(&grants(", host: \"*.x\"", ", host: a.x"), &[(Code::Shadowed, "/x")]);
    finds(&grants("", ", host: a.x"), &[(Code::Shadowed, "/x")]);
    finds(&grants(", host: a.x", ", host: b.x"), &[]);
    finds(&grants(", host: a.x", ", host: \"*.x\""), &[]);
    let hidden = |host: &str| {
        format!(
            "routes: [{{match: \"/x/**\", host: a.x}}, {{match: /x, host: {host}}}, \
             {{match: /x/, host: {host}}}, {{match: \"/x/{{id}}/**\", host: {host}}}]\n"
        )
    };
    finds(&hidden("a.x"), &[(Code::Shadowed, "\"/x/**\"")]);
    finds(&hidden("b.x"), &[]);
}

#[test]
fn an_address_that_names_nothing_is_underlined() {
    let route = |more: &str| format!("routes: [{{match: \"/**\", {more}}}]\n");
    for (more, at) in [
        ("org: query.x", "query.x"),
        ("org: header.", "header."),
        ("app: 'header.a b'", "'header.a b'"),
        ("org: header.Content-Type", "header.Content-Type"),
        ("org: header.X_Forwarded_Host", "header.X_Forwarded_Host"),
        ("org: header.Authorization", "header.Authorization"),
        ("org: header.Cookie", "header.Cookie"),
        ("org: header.X-Api-Key", "header.X-Api-Key"),
        ("org: host.org", "host.org"),
        ("host: \"*.x\", org: host.org", "host.org"),
        ("host: \"{tenant}.x\", org: host.org", "host.org"),
    ] {
        finds(&route(more), &[(Code::BadValue, at)]);
    }
    for more in ["org: header.X-Org", "host: \"{tenant}.x\", org: host.tenant", "host: \"{org}.x\""]
    {
        finds(&route(more), &[]);
    }
    let both = "routes: [{match: \"/{org}/**\", host: \"{org}.x\"}]\n";
    finds(both, &[(Code::BadValue, "\"{org}.x\"")]);
}

/// What a trusted peer says of a caller is a claim; anybody else may send the same header.
#[test]
fn p03_identity_headers_are_no_addresses() {
    let policy = |header: &str| {
        format!(
            "identity: {{forwarded: {{peers: [unix], user: X-User, org: X-Org, roles: X-Roles}}, \
             api_keys: {{header: X-Key, keys: []}}}}\n\
             routes: [{{match: \"/**\", org: header.{header}}}]\n"
        )
    };
    for header in ["X-Org", "x_org", "X-User", "X-Roles", "X-Key"] {
        finds(&policy(header), &[(Code::BadValue, &format!("header.{header}"))]);
    }
    finds(&policy("X-Tenant"), &[]);
}
