use portcullis::diag::{Code, Report, Severity};
use portcullis::policy::front;
use portcullis::policy::resolve::{Surroundings, resolve};
use portcullis::source::Sources;

/// Every problem of a policy: severity, code, and the underlined text.
pub(crate) fn problems(policy: &str) -> Vec<(Severity, Code, String)> {
    let (sources, report) = judged(policy);
    let text = |label: &portcullis::diag::Label| sources.text(label.span).to_owned();
    report
        .problems()
        .iter()
        .map(|p| (p.severity, p.code, p.primary.as_ref().map(text).unwrap_or_default()))
        .collect()
}

pub(super) fn judged(policy: &str) -> (Sources, Report) {
    let mut sources = Sources::default();
    sources.add("policy.yaml", format!("policy: 1\n{policy}"));
    let (raw, mut report) = front::read(&sources);
    resolve(&raw, &Surroundings::default(), &mut report);
    report.sort();
    (sources, report)
}

#[track_caller]
pub(crate) fn refused(policy: &str, code: Code, underlined: &str) {
    assert_eq!(problems(policy), [(Severity::Error, code, underlined.to_owned())]);
}

#[track_caller]
pub(super) fn loads(policy: &str) {
    assert_eq!(problems(policy), []);
}

#[test]
fn id_unique_names_both_places() {
    let policy =
        "roles:\n  - {id: a, grants: []}\n  - {id: b, grants: []}\n  - {id: a, grants: []}\n";
    let (sources, report) = judged(policy);
    let [problem] = report.problems() else { panic!("{report:?}") };
    assert_eq!(problem.code, Code::IdUnique);
    let places: Vec<_> = [&problem.primary.clone().unwrap(), &problem.secondary[0]]
        .map(|label| sources.place(label.span).to_string())
        .into();
    assert_eq!(places, ["policy.yaml:5:10", "policy.yaml:3:10"]);
    refused("organizations: [{id: acme}, {id: acme}]", Code::IdUnique, "acme");
    refused("applications: [{id: x}, {id: x}]", Code::IdUnique, "x");
    refused("upstreams: [{id: x, url: 'http://a'}, {id: x, url: 'http://b'}]", Code::IdUnique, "x");
    refused("members: [{user: ann}, {user: ann}]", Code::IdUnique, "ann");
    refused("users: [{id: ann}, {id: ann, status: suspended}]", Code::IdUnique, "ann");
    loads(
        "routes: [{match: '/{org}/**'}]\norganizations: [{id: x}, {id: y}]\n\
         members: [{user: ann, org: x}, {user: ann, org: y}]",
    );
}

#[test]
fn ref_exists_and_suggests() {
    let roles = "roles: [{id: reader, grants: []}]\n";
    refused(
        &format!("{roles}members: [{{user: ann, roles: [raeder]}}]"),
        Code::RefExists,
        "raeder",
    );
    let (_, report) = judged(&format!("{roles}members: [{{user: ann, roles: [raeder]}}]"));
    assert_eq!(report.problems()[0].help.as_deref(), Some("did you mean `reader`?"));
    refused("roles: [{id: a, grants: [], schemas: [s]}]", Code::RefExists, "s");
    refused("roles: [{id: a, grants: [], assignable_by: [b]}]", Code::RefExists, "b");
    refused("routes: [{match: '/**', upstream: u}]", Code::RefExists, "u");
    refused("organizations: [{id: acme, apps: [x]}]", Code::RefExists, "x");
    refused("applications: [{id: x, default_role: r}]", Code::RefExists, "r");
    refused("members: [{user: ann, apps: {x: []}}]", Code::RefExists, "x");
    refused("members: [{user: ann, org: acme}]", Code::RefExists, "acme");
}

#[test]
fn a_broken_entity_is_one_mistake_and_not_also_what_refers_to_it() {
    refused(
        "roles: [{id: reader, grants: {}}]\nmembers: [{user: ann, roles: [reader]}]",
        Code::WrongType,
        "{}",
    );
}

#[test]
fn role_name_unique() {
    let policy = "roles: [{id: a, name: Boss, grants: []}, {id: b, name: Boss, grants: []}]";
    refused(policy, Code::RoleNameUnique, "Boss");
}

#[test]
fn l4_role_scope() {
    let roles = "applications: [{id: x}]\nroles: [{id: dev, scope: app, grants: []}, {id: boss, grants: []}]\n";
    refused(&format!("{roles}members: [{{user: ann, roles: [dev]}}]"), Code::RoleScope, "dev");
    let in_app = format!("{roles}members: [{{user: ann, apps: {{x: [boss]}}}}]");
    refused(&in_app, Code::RoleScope, "boss");
    let default = "roles: [{id: boss, grants: []}]\napplications: [{id: x, default_role: boss}]";
    refused(default, Code::RoleScope, "boss");
}

#[test]
fn includes_acyclic() {
    let itself = "roles: [{id: a, grants: [], includes: [a]}]";
    refused(itself, Code::IncludesAcyclic, "a");
    let round = "roles: [{id: x, includes: [a]}, {id: a, includes: [bb]}, {id: bb, includes: [c]}, \
                 {id: c, includes: [a]}]";
    refused(round, Code::IncludesAcyclic, "a");
    let (_, report) = judged(round);
    assert_eq!(
        report.problems()[0].message,
        "a role includes itself: `a` includes `bb` includes `c` includes `a`"
    );
    loads(
        "roles: [{id: a, includes: [b, c]}, {id: b, includes: [d]}, {id: c, includes: [d]}, {id: d}]",
    );
    refused("roles: [{id: a, includes: [b]}]", Code::RefExists, "b");
}

#[test]
fn an_included_role_has_the_same_scope() {
    let roles = |one: &str, other: &str| {
        format!(
            "roles: [{{id: a, scope: {one}, includes: [other]}}, {{id: other, scope: {other}}}]"
        )
    };
    refused(&roles("org", "app"), Code::RoleScope, "other");
    refused(&roles("app", "org"), Code::RoleScope, "other");
    loads(&roles("app", "app"));
}

#[test]
fn role_cardinality() {
    let policy = |limit: &str| {
        format!(
            "limits: {{org_roles_per_member: {limit}}}\n\
             roles: [{{id: a, grants: []}}, {{id: b, grants: []}}]\n\
             members: [{{user: ann, roles: [a, b]}}]"
        )
    };
    refused(&policy("1"), Code::RoleCardinality, "b");
    loads(&policy("2"));
    loads(&policy("many"));
}

#[test]
fn app_assigned() {
    refused(
        "routes: [{match: '/{org}/{app}/**'}]\napplications: [{id: x}]\n\
         organizations: [{id: acme}]\nmembers: [{user: ann, org: acme, apps: {x: []}}]",
        Code::AppAssigned,
        "x",
    );
}

#[test]
fn f6_default_app_single() {
    let apps =
        "applications: [{id: x, default: true}, {id: y, default: false}, {id: z, default: true}]";
    refused(apps, Code::DefaultAppSingle, "true");
    let (sources, report) = judged(apps);
    let first = sources.place(report.problems()[0].secondary[0].span);
    assert_eq!(first.to_string(), "policy.yaml:2:33");
}

#[test]
fn f11_app_auto_derived() {
    let policy = |listed: &str, member: &str| {
        format!(
            "routes: [{{match: '/{{org}}/{{app}}/**'}}]\n\
             applications: [{{id: help, auto_assign: true}}, {{id: portal, default: true}}]\n\
             organizations: [{{id: acme, apps: [{listed}]}}]\n\
             members: [{{user: ann, org: acme, apps: {{{member}: []}}}}]"
        )
    };
    refused(&policy("help", "portal"), Code::AppAutoDerived, "help");
    refused(&policy("{id: help, auto_assign: true}", "portal"), Code::AppAutoDerived, "help");
    loads(&policy("portal", "portal"));
    loads(&policy("", "help"));
}

#[test]
fn access_to_all_applications_is_a_role_of_organizations() {
    refused("roles: [{id: a, scope: app, app_access: all}]", Code::RoleScope, "all");
    loads("roles: [{id: a, scope: app, app_access: assigned}, {id: b, app_access: all}]");
}

#[test]
fn a_member_of_a_policy_with_organizations_says_which() {
    refused(
        "routes: [{match: '/{org}/**'}]\norganizations: [{id: acme}]\nmembers: [{user: ann}]",
        Code::MissingKey,
        "{user: ann}",
    );
}

#[test]
fn grant_path() {
    let grant = |path: &str| format!("roles: [{{id: a, grants: [{{path: '{path}', access: r}}]}}]");
    for path in ["a", "/a/*", "/{*rest}", "/a//b", "/../a", "/%61", "/{a}/{a}", "/{a}b"] {
        refused(&grant(path), Code::GrantPath, &format!("'{path}'"));
    }
    refused(&grant(&"/{x}".repeat(2)), Code::GrantPath, &format!("'{}'", "/{x}".repeat(2)));
    let many: String = (0..26).map(|n| format!("/{{p{n}}}")).collect();
    refused(&grant(&many), Code::GrantPath, &format!("'{many}'"));
}

#[test]
fn e10_grant_access() {
    for access in ["x", "rr", "R", "crudc"] {
        let policy = format!("roles: [{{id: a, grants: [{{path: /a, access: {access}}}]}}]");
        refused(&policy, Code::GrantAccess, access);
    }
    refused("routes: [{match: /a, public: x}]", Code::GrantAccess, "x");
    refused("routes: [{match: /a, verbs: {PUT: r}}]", Code::GrantAccess, "r");
    refused("routes: [{match: /a, verbs: {GET: ru}}]", Code::GrantAccess, "ru");
    refused("routes: [{match: /a, verbs: {FETCH: r}}]", Code::BadValue, "FETCH");
    loads("routes: [{match: /a, verbs: {POST: r, GET: u, PATCH: d}}]");
}

#[test]
fn route_total() {
    refused(
        "routes: [{match: '/api/**'}]\nroles: [{id: a, grants: [{path: /other, access: r}]}]",
        Code::RouteTotal,
        "/other",
    );
    loads("routes: [{match: '/api/{x}'}]\nroles: [{id: a, grants: [{path: '/**', access: r}]}]");
}

#[test]
fn route_ambiguous() {
    refused("routes: [{match: '/a/{x}'}, {match: '/a/{y}'}]", Code::RouteAmbiguous, "'/a/{y}'");
    loads("routes: [{match: '/a/{x}'}, {match: '/a/{x}/**'}, {match: /a/b}]");
}

#[test]
fn an_organization_comes_from_a_claim() {
    refused("routes: [{match: /a, org: claim.x}]", Code::BadValue, "claim.x");
    refused("routes: [{match: /a, org: claims.}]", Code::BadValue, "claims.");
}

#[test]
fn upstream_urls() {
    for url in ["ftp://a", "http://", "http://a/path", "api:80"] {
        let policy = format!("upstreams: [{{id: u, url: '{url}'}}]");
        refused(&policy, Code::BadValue, &format!("'{url}'"));
    }
}

const TWO_ORGS: &str = "routes: [{match: '/{org}/**'}]\norganizations: [{id: acme}, {id: beta}]\n\
                        roles: [{id: a}, {id: b}]\n";

#[test]
fn org_isolation_of_groups() {
    let member = |org: &str| {
        format!(
            "{TWO_ORGS}groups: [{{id: g, org: acme, roles: [a]}}]\n\
             members: [{{user: ann, org: {org}, groups: [g]}}]"
        )
    };
    refused(&member("beta"), Code::OrgIsolation, "g");
    loads(&member("acme"));
    refused(&format!("{TWO_ORGS}groups: [{{id: g}}]"), Code::MissingKey, "{id: g}");
    refused(&format!("{TWO_ORGS}groups: [{{id: g, org: gamma}}]"), Code::RefExists, "gamma");
    let twice = format!("{TWO_ORGS}groups: [{{id: g, org: acme}}, {{id: g, org: beta}}]");
    refused(&twice, Code::IdUnique, "g");
    refused("members: [{user: ann, groups: [g]}]", Code::RefExists, "g");
    refused("membership: token\ngroups: [{id: g}]", Code::BadValue, "token");
}

#[test]
fn role_cardinality_counts_the_groups() {
    let policy = |own: &str| {
        format!(
            "limits: {{org_roles_per_member: 1}}\nroles: [{{id: a}}, {{id: b}}]\n\
             groups: [{{id: g, roles: [a]}}]\n\
             members: [{{user: ann, roles: [{own}], groups: [{{id: g}}]}}]"
        )
    };
    loads(&policy(""));
    loads(&policy("a"));
    refused(&policy("b"), Code::RoleCardinality, "g");
}

/// `master` is required by `a`; members and groups as given.
fn restricted(people: &str) -> String {
    format!(
        "restrictions: [{{id: master, deny: []}}, {{id: a, requires: [master], deny: []}}]\n{people}"
    )
}

#[test]
fn n12_restriction_requires() {
    let member =
        |listed: &str| restricted(&format!("members: [{{user: u, restrictions: [{listed}]}}]"));
    refused(&member("a"), Code::RestrictionRequires, "a");
    loads(&member("a, master"));
    loads(&member("master"));
    loads(&member(""));
    let group =
        |listed: &str| restricted(&format!("groups: [{{id: g, restrictions: [{listed}]}}]"));
    refused(&group("a"), Code::RestrictionRequires, "a");
    loads(&group("a, master"));
    let lent = "groups: [{id: g, restrictions: [master]}]\nmembers: [{user: u, groups: [g], restrictions: [a]}]";
    refused(&restricted(lent), Code::RestrictionRequires, "a");
    let default = |also: &str| {
        format!(
            "restrictions: [{{id: mm, deny: []{also}}}, {{id: a, requires: [mm], default: true, deny: []}}]"
        )
    };
    refused(&default(""), Code::RestrictionRequires, "mm");
    loads(&default(", default: true"));
}

#[test]
fn restrictions_are_entities_like_others() {
    refused(&restricted("members: [{user: u, restrictions: [b]}]"), Code::RefExists, "b");
    refused("restrictions: [{id: a, requires: [b], deny: []}]", Code::RefExists, "b");
    refused("restrictions: [{id: a, deny: []}, {id: a, deny: []}]", Code::IdUnique, "a");
    refused("restrictions: [{id: a}]", Code::MissingKey, "id");
    let deny = |rule: &str| {
        format!("routes: [{{match: '/api/**'}}]\nrestrictions: [{{id: a, deny: [{{{rule}}}]}}]")
    };
    refused(&deny("path: '/api/*', access: r"), Code::GrantPath, "'/api/*'");
    refused(&deny("path: /api/x, access: rr"), Code::GrantAccess, "rr");
    refused(&deny("path: /other, access: r"), Code::RouteTotal, "/other");
    refused(&deny("path: /api/x, access: r, when: {a: b}"), Code::NotEnforced, "when");
}

#[test]
fn primary_single() {
    refused(
        "members: [{user: a, primary: true}, {user: b, primary: true}]",
        Code::PrimarySingle,
        "true",
    );
    loads("members: [{user: a, primary: true}, {user: b, primary: false}]");
    loads(&format!(
        "{TWO_ORGS}members: [{{user: a, org: acme, primary: true}}, {{user: b, org: beta, primary: true}}]"
    ));
}

#[test]
fn primary_unrestricted() {
    let member = |more: &str| {
        restricted(&format!(
            "groups: [{{id: g, restrictions: [master]}}, {{id: h}}]\n\
             members: [{{user: u, primary: true, {more}}}]"
        ))
    };
    refused(&member("restrictions: [master]"), Code::PrimaryUnrestricted, "master");
    refused(&member("groups: [h, g]"), Code::PrimaryUnrestricted, "g");
    loads(&member("restrictions: [], groups: [h]"));
}

#[test]
fn grant_ceiling() {
    let policy = |grant: &str| {
        format!(
            "role_defaults: {{ceiling: base}}\nroles: [{{id: base, scope: app, includes: [more], \
             grants: [{{path: '/thngs/**', access: cru}}]}},\n \
             {{id: more, scope: app, grants: [{{path: '/a/{{org}}/**', access: r}}]}},\n \
             {{id: admin, scope: app, builtin: true, grants: [{{path: '/**', access: crud}}]}},\n \
             {{id: boss, grants: [{{path: '/**', access: crud}}]}},\n \
             {{id: custom, scope: app, grants: [{grant}]}}]"
        )
    };
    let held = [
        "{path: '/thngs/**', access: ru}",
        "{path: '/thngs/{id}', access: c}",
        "{path: '/a/{org}/x', access: r}",
    ];
    held.iter().for_each(|grant| loads(&policy(grant)));
    for grant in [
        "{path: '/thngs/**', access: rd}",
        "{path: '/**', access: r}",
        "{path: '/other', access: r}",
        "{path: '/a/{id}/x', access: r}",
        "{path: '/a/acme/x', access: r}",
    ] {
        refused(&policy(grant), Code::GrantCeiling, grant);
    }
    refused("role_defaults: {ceiling: x}", Code::RefExists, "x");
    refused("role_defaults: {ceiling: x}\nroles: [{id: x}]", Code::RoleScope, "x");
}

#[test]
fn default_grants_are_grants() {
    let defaults = |grant: &str| {
        format!(
            "routes: [{{match: '/api/**'}}]\nrole_defaults: {{app: [{{{grant}}}]}}\nroles: [{{id: a, scope: app}}, {{id: b, scope: app}}]"
        )
    };
    refused(&defaults("path: '/api/*', access: r"), Code::GrantPath, "'/api/*'");
    refused(&defaults("path: /other, access: r"), Code::RouteTotal, "/other");
    refused(&defaults("path: /api, access: x"), Code::GrantAccess, "x");
    refused(&defaults("path: /api, access: r, keep: 1"), Code::WrongType, "1");
    refused("role_defaults: {all: []}", Code::UnknownKey, "all");
}

#[test]
fn a_window_ends_after_it_begins() {
    let policy = |to: &str| {
        format!("members: [{{user: ann, not_before: 2027-01-01T00:00:00Z, expires: {to}}}]")
    };
    loads(&policy("2027-01-01T00:00:01Z"));
    refused(&policy("2027-01-01T00:00:00Z"), Code::BadValue, "2027-01-01T00:00:00Z");
    refused(&policy("soon"), Code::BadValue, "soon");
    refused(
        "groups: [{id: g}]\nmembers: [{user: ann, groups: [{id: g, expires: 2027}]}]",
        Code::WrongType,
        "2027",
    );
}

#[test]
fn schema_type_and_pointers() {
    let open = "body: {type: object, additionalProperties: true}";
    let policy = |kind: &str| {
        format!(
            "resource_types: [{{id: customer, at: [{{path: /a, pointer: ''}}]}}]\n\
             schemas: [{{id: s, type: {kind}, {open}}}]"
        )
    };
    refused(&policy("custmer"), Code::SchemaType, "custmer");
    loads(&policy("customer"));
    for pointer in ["a", "/~2", "/**"] {
        let policy =
            format!("resource_types: [{{id: t, at: [{{path: /a, pointer: '{pointer}'}}]}}]");
        refused(&policy, Code::BadValue, &format!("'{pointer}'"));
    }
}

#[test]
fn schema_additional_explicit() {
    refused(
        "resource_types: [{id: t, at: [{path: /a, pointer: ''}]}]\n\
         schemas: [{id: s, type: t, body: {properties: {ssn: false}}}]",
        Code::SchemaAdditionalExplicit,
        "{properties: {ssn: false}}",
    );
}

#[test]
fn members_beside_token_membership_are_a_contradiction() {
    refused("membership: token\nmembers: [{user: ann}]", Code::BadValue, "token");
}

#[test]
fn schema_uncovered_is_a_warning() {
    let policy = |path: &str, elsewhere: &str| {
        format!(
            "resource_types: [{{id: t, {elsewhere}at: [{{path: '/a/{{id}}', pointer: ''}}]}}]\n\
             schemas: [{{id: s, type: t, body: {{additionalProperties: true, properties: {{x: false}}}}}}]\n\
             roles: [{{id: r, schemas: [s], grants: [{{path: '{path}', access: r}}]}}]"
        )
    };
    let warning = |text: &str| [(Severity::Warning, Code::SchemaUncovered, text.to_owned())];
    assert_eq!(problems(&policy("/a/**", "")), warning("'/a/**'"));
    for meant in ["elsewhere: refuse, ", "elsewhere: pass, "] {
        loads(&policy("/a/**", meant));
    }
    loads(&policy("/a/{id}", ""));
    loads(&policy("/b/**", ""));
}
