//! What is loaded all the same and probably not meant: every lint, and that none speaks of policies
//! that are as they should be.

use crate::support::policy::examples;
use portcullis::diag::Code;
use portcullis::policy::front;
use portcullis::policy::lint::lint;
use portcullis::policy::resolve::{Surroundings, resolve};
use portcullis::source::Sources;
use std::fs;
use std::path::{Path, PathBuf};

/// Every warning of the lints: its code, what is underlined, and the text of the other place.
fn lints(text: &str) -> Vec<(Code, String, String)> {
    let mut sources = Sources::default();
    sources.add("policy.yaml", format!("policy: 1\n{text}"));
    lints_of(&sources)
}

fn lints_of(sources: &Sources) -> Vec<(Code, String, String)> {
    let (raw, mut report) = front::read(sources);
    let resolved = resolve(&raw, &Surroundings::default(), &mut report);
    assert!(!report.has_errors(), "{:?}", report.problems());
    let mut report = portcullis::diag::Report::default();
    lint(&raw, &resolved, &mut report);
    report.sort();
    let text = |span| sources.text(span).to_owned();
    let of = |label: Option<&portcullis::diag::Label>| label.map(|l| text(l.span));
    let problems = report.problems().iter();
    problems
        .map(|p| {
            assert!(p.help.is_some() && p.primary.is_some(), "{p:?}");
            let other = of(p.secondary.first()).unwrap_or_default();
            (p.code, of(p.primary.as_ref()).unwrap_or_default(), other)
        })
        .collect()
}

#[track_caller]
pub(super) fn warns(policy: &str, expected: &[(Code, &str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(code, at, other)| (*code, (*at).into(), (*other).into())).collect();
    assert_eq!(lints(policy), expected, "{policy}");
}

#[track_caller]
pub(super) fn silent(policy: &str) {
    warns(policy, &[]);
}

/// One role with these grants, each `PATH LETTERS`.
fn grants(grants: &[&str]) -> String {
    let list: Vec<_> = grants
        .iter()
        .map(|grant| grant.split_once(' ').unwrap())
        .map(|(path, access)| format!("{{path: \"{path}\", access: {access}}}"))
        .collect();
    format!("roles: [{{id: r, grants: [{}]}}]\n", list.join(", "))
}

#[test]
fn a_grant_that_another_one_covers_is_shadowed() {
    let warning = |at, other| [(Code::Shadowed, at, other)];
    warns(&grants(&["/a/** ru", "/a/{id} r"]), &warning("\"/a/{id}\"", "\"/a/**\""));
    warns(&grants(&["/a/b r", "/a/{id} r"]), &warning("\"/a/b\"", "\"/a/{id}\""));
    warns(&grants(&["/a/{x} r", "/a/{y} r"]), &warning("\"/a/{y}\"", "\"/a/{x}\""));
    warns(&grants(&["/a r", "/a r"]), &warning("\"/a\"", "\"/a\""));
    warns(&grants(&["/a/{x}/** r", "/** crud"]), &warning("\"/a/{x}/**\"", "\"/**\""));
    // Several that are wider: each is told once.
    warns(
        &grants(&["/a r", "/a/** r", "/** r"]),
        &[(Code::Shadowed, "\"/a\"", "\"/**\""), (Code::Shadowed, "\"/a/**\"", "\"/**\"")],
    );
}

#[test]
fn a_grant_with_a_letter_or_a_path_of_its_own_is_not() {
    silent(&grants(&["/a/** r", "/a/{id} ru"]));
    silent(&grants(&["/a/{id} r", "/a/{id}/b r"]));
    silent(&grants(&["/a/{id} r", "/a/ r", "/a r"]));
    silent(&grants(&["/a r", "/b r"]));
    let two = "roles: [{id: a, grants: [{path: /x, access: r}]}, {id: b, grants: [{path: '/**', access: r}]}]";
    silent(two);
}

#[test]
fn the_addressed_organization_does_not_cover_every_one() {
    let routes =
        "routes: [{match: '/{org}/{app}/**'}, {match: '/x/**', org: claims.o, app: claims.a}]\n";
    let with = |list: &[&str]| format!("{routes}{}", grants(list));
    silent(&with(&["/x/{org} r", "/x/{id} u"]));
    silent(&with(&["/x/{org} r", "/x/{id}/** u"]));
    silent(&with(&["/x/{org}/** r", "/x/{id} ru"]));
    silent(&with(&["/x/{app}/** r", "/x/{org} r"]));
    warns(&with(&["/x/{id} r", "/x/{org} r"]), &[(Code::Shadowed, "\"/x/{org}\"", "\"/x/{id}\"")]);
    warns(
        &with(&["/x/{org}/** r", "/x/{org} r"]),
        &[(Code::Shadowed, "\"/x/{org}\"", "\"/x/{org}/**\"")],
    );
}

#[test]
fn a_route_whose_paths_are_all_taken_is_shadowed() {
    let routes = |list: &[&str]| {
        let list: Vec<_> = list.iter().map(|path| format!("{{match: \"{path}\"}}")).collect();
        format!("routes: [{}]", list.join(", "))
    };
    let warning = |at, other| [(Code::Shadowed, at, other)];
    warns(&routes(&["/a/**", "/a", "/a/", "/a/{x}/**"]), &warning("\"/a/**\"", "\"/a/{x}/**\""));
    warns(&routes(&["/", "/**", "/{x}/**"]), &warning("\"/**\"", "\"/{x}/**\""));
    // The last part may itself be divided.
    warns(
        &routes(&["/a/**", "/a", "/a/", "/a/{x}", "/a/{y}/", "/a/{z}/{y}/**"]),
        &warning("\"/a/**\"", "\"/a/{z}/{y}/**\""),
    );
    // One path is left: the node, the node with a slash, or what is below.
    silent(&routes(&["/a/**", "/a/", "/a/{x}/**"]));
    silent(&routes(&["/a/**", "/a", "/a/{x}/**"]));
    silent(&routes(&["/a/**", "/a", "/a/", "/a/{x}"]));
    silent(&routes(&["/a/**", "/a", "/a/", "/a/b/**"]));
}

#[test]
fn a_grant_whose_routes_address_nothing_never_holds() {
    let unreachable = |at| [(Code::Unreachable, at, "")];
    warns(&grants(&["/accounts/{org} r"]), &unreachable("\"/accounts/{org}\""));
    warns(&grants(&["/apps/{app} r"]), &unreachable("\"/apps/{app}\""));
    let with = |list: &[&str]| {
        format!("routes: [{{match: '/o/{{org}}/**'}}, {{match: '/me/**'}}]\n{}", grants(list))
    };
    warns(&with(&["/o/{org}/x r", "/me/x r"]), &unreachable("\"/me/x\""));
    warns(&with(&["/me/{org} r"]), &unreachable("\"/me/{org}\""));
    warns(&with(&["/o/{org}/{app} r"]), &unreachable("\"/o/{org}/{app}\""));
    silent(&with(&["/o/{org}/x u", "/** r"]));
    silent(&format!("routes: [{{match: '/**', org: claims.o}}]\n{}", grants(&["/a/{org} r"])));
}

#[test]
fn an_application_role_counts_where_an_application_is_addressed() {
    let role = "roles: [{id: r, scope: app, grants: [{path: /a/b, access: r}]}]\n";
    warns(role, &[(Code::Unreachable, "/a/b", "")]);
    silent(&format!("routes: [{{match: '/a/{{app}}'}}]\n{role}"));
    silent(&format!("routes: [{{match: '/**', app: claims.app}}]\n{role}"));
}

const TYPE: &str = "resource_types: [{id: t, at: [{path: '/a/{id}', pointer: ''}]}]\n";
const SCHEMA: &str =
    "schemas: [{id: s, type: t, body: {additionalProperties: true, properties: {x: false}}}]\n";

#[test]
fn a_schema_whose_type_no_grant_reaches_is_unreachable() {
    let role = |path: &str| {
        format!(
            "{TYPE}{SCHEMA}roles: [{{id: r, schemas: [s], grants: [{{path: '{path}', access: u}}]}}]"
        )
    };
    warns(&role("/b/**"), &[(Code::Unreachable, "s", "")]);
    silent(&role("/a/1"));
    silent(&role("/**"));
}

#[test]
fn schemas_and_types_without_use() {
    warns(&format!("{TYPE}{SCHEMA}"), &[(Code::Unused, "s", "")]);
    warns(TYPE, &[(Code::Unused, "t", "")]);
}

#[test]
fn upstreams_without_use() {
    let upstreams = "upstreams: [{id: u, url: 'http://a'}, {id: v, url: 'http://b'}]\n";
    warns(
        &format!("{upstreams}routes: [{{match: '/**', upstream: v}}]"),
        &[(Code::Unused, "u", "")],
    );
    silent(&format!(
        "{upstreams}routes: [{{match: '/**', upstream: v}}, {{match: '/u', upstream: u}}]"
    ));
}

#[test]
fn roles_that_nobody_has() {
    let with = |role: &str| {
        format!(
            "roles: [{{id: a, grants: []}}, {{id: b, grants: []{role}}}]\nmembers: [{{user: ann, roles: [a]}}]"
        )
    };
    warns(&with(""), &[(Code::Unused, "b", "")]);
    silent(&with(", default: true"));
    silent(&with(", assignable_by: [a]"));
    silent("roles: [{id: b, grants: []}]");
    silent("roles: [{id: b, grants: []}]\nmembers: []");
    silent(
        "routes: [{match: '/{app}/**'}]\napplications: [{id: x, default_role: d}]\n\
         roles: [{id: a, scope: app, grants: []}, {id: d, scope: app, grants: []}]\n\
         members: [{user: ann, apps: {x: [a]}}]",
    );
}

#[test]
fn roles_that_somebody_has_through_groups_and_other_roles() {
    let roles = "roles: [{id: a, includes: [b]}, {id: b, includes: [c], grants: []}, {id: c, grants: []}]\n";
    silent(&format!("{roles}members: [{{user: ann, roles: [a]}}]"));
    silent(&format!(
        "{roles}groups: [{{id: g, roles: [a]}}]\nmembers: [{{user: ann, groups: [g]}}]"
    ));
    // What the included role includes is had with it, and the one above it is not.
    warns(&format!("{roles}members: [{{user: ann, roles: [b]}}]"), &[(Code::Unused, "a", "")]);
    // Others may assign the role, and with it those that it includes.
    silent(
        "roles: [{id: a, grants: [], includes: [b], assignable_by: [c]}, {id: b, grants: []}, \
         {id: c, grants: []}]\nmembers: [{user: ann, roles: [c]}]",
    );
    // A ceiling is used without being had.
    silent(
        "roles: [{id: top, scope: app, grants: []}, {id: c, grants: []}]\n\
         role_defaults: {ceiling: top}\nmembers: [{user: ann, roles: [c]}]",
    );
}

#[test]
fn default_grants_are_judged_by_who_has_them() {
    let routes = "routes: [{match: '/o/{org}/**'}, {match: '/me/**'}]\n";
    let with = |who: &str, path: &str| {
        format!("{routes}role_defaults: {{{who}: [{{path: '{path}', access: r}}]}}")
    };
    silent(&with("any", "/me/x"));
    silent(&with("any", "/o/{org}/x"));
    warns(&with("any", "/me/{org}"), &[(Code::Unreachable, "'/me/{org}'", "")]);
    warns(&with("any", "/me/{app}"), &[(Code::Unreachable, "'/me/{app}'", "")]);
    silent(&with("org", "/o/1/x"));
    warns(&with("org", "/me/x"), &[(Code::Unreachable, "'/me/x'", "")]);
    warns(&with("app", "/o/1/x"), &[(Code::Unreachable, "'/o/1/x'", "")]);
}

#[test]
fn a_schema_limits_default_grants_as_well() {
    let with = |defaults: &str| {
        format!(
            "{TYPE}{SCHEMA}roles: [{{id: r, schemas: [s], grants: [{{path: /b, access: r}}]}}]\n\
             role_defaults: {{{defaults}: [{{path: '/a/{{id}}', access: r}}]}}"
        )
    };
    silent(&with("org"));
    warns(&with("any"), &[(Code::Unreachable, "s", "")]);
}

#[test]
fn applications_that_all_are_given() {
    let policy = |app: &str, more: &str| {
        format!("routes: [{{match: '/{{app}}/**'}}]\napplications: [{{id: x{app}}}]\n{more}")
    };
    let ann = "members: [{user: ann, roles: []}]";
    warns(&policy("", ann), &[(Code::Unused, "x", "")]);
    silent(&policy(", auto_assign: true", ann));
    silent(&policy(", default: true", ann));
    silent(&policy("", "roles: [{id: a, app_access: all}]\nmembers: [{user: ann, roles: [a]}]"));
    silent(&policy("", "groups: [{id: g, apps: {x: []}}]\nmembers: [{user: ann, groups: [g]}]"));
    let orgs = "routes: [{match: '/{org}/{app}/**'}]\norganizations: [{id: o}]\n";
    silent(&format!("{orgs}applications: [{{id: x, auto_assign: true}}]"));
    silent(&format!("{orgs}applications: [{{id: x, default: true}}]"));
    warns(&format!("{orgs}applications: [{{id: x}}]"), &[(Code::Unused, "x", "")]);
}

#[test]
fn applications_without_use() {
    warns("applications: [{id: x}]", &[(Code::Unused, "x", "")]);
    let routes = "routes: [{match: '/{org}/{app}/**'}]\napplications: [{id: x}, {id: y}]\n";
    warns(&format!("{routes}organizations: [{{id: o, apps: [y]}}]"), &[(Code::Unused, "x", "")]);
    silent(routes);
    let member = "routes: [{match: '/{app}/**'}]\napplications: [{id: x}, {id: y}]\nmembers: [{user: ann, apps: {x: []}}]";
    warns(member, &[(Code::Unused, "y", "")]);
}

#[test]
fn a_role_that_says_nothing_is_told_and_one_that_says_so_is_meant() {
    warns("roles: [{id: a}]", &[(Code::RoleEmpty, "a", "")]);
    silent("roles: [{id: a, grants: []}]");
    // Nobody has it: that is the mistake.
    let members = "members: [{user: ann, roles: [b]}]";
    warns(
        &format!("roles: [{{id: a}}, {{id: b, grants: []}}]\n{members}"),
        &[(Code::Unused, "a", "")],
    );
    warns(&format!("roles: [{{id: b}}]\n{members}"), &[(Code::RoleEmpty, "b", "")]);
    // What it gives is said elsewhere.
    silent("roles: [{id: a, includes: [b]}, {id: b, grants: []}]");
    silent("roles: [{id: a, app_access: all}]");
    silent("roles: [{id: a}]\nrole_defaults: {org: [{path: /a, access: r}]}");
    warns(
        "roles: [{id: a}]\nrole_defaults: {any: [{path: /a, access: r}]}",
        &[(Code::RoleEmpty, "a", "")],
    );
}

#[test]
fn access_to_an_inactive_application() {
    let policy = |active: bool| {
        format!(
            "routes: [{{match: '/{{app}}/**'}}]\napplications: [{{id: x, active: {active}}}]\n\
             members: [{{user: ann, apps: {{x: []}}}}, {{user: bob, apps: {{x: []}}}}]"
        )
    };
    warns(&policy(false), &[(Code::AppInactive, "x", "x")]);
    silent(&policy(true));
}

#[test]
fn a_grant_under_which_queries_can_ask_about_hidden_fields() {
    let policy = |grant: &str, body: &str| {
        format!(
            "resource_types: [{{id: t, at: [{{path: '/a/{{id}}', pointer: ''}}]}}]\n\
             schemas: [{{id: s, type: t, body: {body}}}]\n\
             roles: [{{id: r, schemas: [s], grants: [{{path: {grant}}}]}}]"
        )
    };
    let hides = "{additionalProperties: true, properties: {x: false}}";
    let warning = [(Code::QueryUnlisted, "'/a/{id}'", "")];
    warns(&policy("'/a/{id}', access: r", hides), &warning);
    warns(&policy("'/a/{id}', access: ru, when: {time: 08:00-09:00}", hides), &warning);
    silent(&policy("'/a/{id}', access: r, query: []", hides));
    silent(&policy("'/a/{id}', access: u", hides));
    // So can they about rows of others.
    let shows = "{additionalProperties: true}";
    warns(&policy("'/a/{id}', access: r, keep: {field: /x, in: [a]}", shows), &warning);
    warns(&policy("'/a/{id}', access: r, owner: {field: /x}", shows), &warning);
    silent(&policy("'/a/{id}', access: r, owner: {field: /x, of: '/a/{id}'}", shows));
    silent(&policy("'/a/{id}', access: r, query: [page], owner: {field: /x}", shows));
    silent(&policy(
        "'/a/{id}', access: r",
        "{additionalProperties: true, properties: {x: {readOnly: true}}}",
    ));
}

#[test]
fn the_examples_and_the_demo_raise_no_false_alarm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    silent(&body(&fs::read_to_string(root.join("src/demo/policy.yaml")).unwrap()));
    let examples = examples();
    assert!(examples.len() >= 3);
    let mut found: Vec<_> = examples.iter().flat_map(|files| of_example(files)).collect();
    // Queries can ask about what some of them hide: that is told, and not what this is about.
    found.retain(|(code, ..)| *code != Code::QueryUnlisted);
    let found: Vec<_> =
        found.iter().map(|(code, at, of)| (*code, at.as_str(), of.as_str())).collect();
    assert_eq!(found, EXPECTED);
}

/// What the examples are warned of, and rightly: no schema limits the type, and Bob has access to an
/// application that is inactive.
const EXPECTED: [(Code, &str, &str); 2] =
    [(Code::Unused, "action-fields", ""), (Code::AppInactive, "labs", "labs")];

fn of_example(files: &[PathBuf]) -> Vec<(Code, String, String)> {
    let mut sources = Sources::default();
    for file in files {
        sources.add(file.to_str().unwrap(), fs::read_to_string(file).unwrap());
    }
    lints_of(&sources)
}

fn body(text: &str) -> String {
    text.strip_prefix("policy: 1\n").expect("the version comes first").to_owned()
}

#[test]
fn what_a_role_has_by_default_it_need_not_list() {
    let policy = |scope: &str, defaults: &str| {
        format!(
            "routes: [{{match: '/**', org: claims.o, app: claims.a}}]\n\
             roles: [{{id: r, scope: {scope}, grants: [{{path: /a/b, access: r}}]}}]\n\
             role_defaults: {{{defaults}: [{{path: '/a/{{id}}', access: ru}}]}}"
        )
    };
    let shadowed = [(Code::Shadowed, "/a/b", "'/a/{id}'")];
    warns(&policy("app", "app"), &shadowed);
    warns(&policy("org", "org"), &shadowed);
    warns(&policy("app", "any"), &shadowed);
    warns(&policy("org", "any"), &shadowed);
    silent(&policy("org", "app"));
    silent(&policy("app", "org"));
    silent(&policy("app", "app").replace("access: ru", "access: u"));
}

#[test]
fn a_role_that_administration_gives_or_reserves_is_no_unused_one() {
    let policy = |more: &str| {
        format!("roles: [{{id: a}}, {{id: rest, {more} grants: []}}]\nmembers: [{{user: u, roles: [a]}}]")
            .replace("{id: a}", "{id: a, grants: []}")
    };
    warns(&policy(""), &[(Code::Unused, "rest", "")]);
    for flag in ["first_member", "fallback", "builtin"] {
        silent(&policy(&format!("{flag}: true,")));
    }
    warns(&policy("from_token: true,"), &[(Code::Unused, "rest", "")]);
    silent(&format!("membership: both\n{}", policy("from_token: true,")));
    let invited =
        "invitations: [{id: i, email: a@b, roles: [rest], expires: 2027-01-01T00:00:00Z}]";
    silent(&format!("{}\n{invited}", policy("")));
    let template = "presets: [{id: p, roles: [{id: t, includes: [rest]}]}]";
    silent(&format!("{}\n{template}", policy("")));
}

#[test]
fn a_group_may_be_given_an_inactive_application_too() {
    let policy = |members: &str| {
        format!(
            "routes: [{{match: '/{{app}}/**'}}]\napplications: [{{id: x, active: false}}]\n\
             groups: [{{id: g, apps: {{x: []}}}}]\nmembers: [{members}]"
        )
    };
    warns(&policy("{user: ann, groups: [g]}"), &[(Code::AppInactive, "x", "x")]);
    warns(&policy("{user: ann, apps: {x: []}, groups: [g]}"), &[(Code::AppInactive, "x", "x")]);
}

#[test]
fn an_upstream_of_an_application_is_used() {
    silent(
        "routes: [{match: '/{org}/{app}'}]\nupstreams: [{id: u, url: 'http://a'}]\n\
         applications: [{id: x, upstream: u}]\norganizations: [{id: o, apps: [x]}]",
    );
}

#[test]
fn a_schema_of_a_template_is_used() {
    silent(
        "resource_types: [{id: t, at: [{path: /a, pointer: ''}]}]\n\
         schemas: [{id: s, type: t, body: {additionalProperties: true}}]\n\
         presets: [{id: p, roles: [{id: r, schemas: [s], grants: [{path: /a, access: r}]}]}]",
    );
}

#[test]
fn a_role_reaches_nothing_without_an_operator() {
    let policy = |operator: bool| {
        format!(
            "routes: [{{match: '/{{org}}'}}]\norganizations: [{{id: o, operator: {operator}}}]\n\
             roles: [{{id: r, reach: all-orgs, grants: [{{path: '/**', access: r}}]}}]"
        )
    };
    warns(&policy(false), &[(Code::Unreachable, "all-orgs", "")]);
    silent(&policy(true));
}
