//! Presets, invitations and features: checked when a policy is loaded, and nothing that a request
//! could use.

use super::invariants::{judged, loads, problems, refused};
use portcullis::diag::{Code, Severity};
use portcullis::policy::administration::{Administration, InvitationStatus};
use portcullis::policy::front;
use portcullis::policy::resolve::{Surroundings, resolve};
use portcullis::source::Sources;

const ROLES: &str = "routes: [{match: '/api/**'}]\n\
    roles: [{id: admin, builtin: true, name: Boss}, {id: viewer, includes: [base]}, {id: base}, {id: dev, scope: app}]\n";

fn preset(templates: &str) -> String {
    format!("{ROLES}presets: [{{id: p, roles: [{templates}]}}]")
}

fn administration(policy: &str) -> Administration {
    let mut sources = Sources::default();
    sources.add("policy.yaml", format!("policy: 1\n{policy}"));
    let (raw, mut report) = front::read(&sources);
    let resolved = resolve(&raw, &Surroundings::default(), &mut report);
    assert_eq!(report.problems(), []);
    resolved.administration
}

#[test]
fn e14_preset_copy_templates_are_checked_as_roles_are() {
    loads(&preset(
        "{id: viewer, name: Viewer, includes: [base, more], grants: [{path: /api/x, access: r}]}, {id: more}",
    ));
    for (templates, code, at) in [
        ("{id: t, grants: [{path: '/api/*', access: r}]}", Code::GrantPath, "'/api/*'"),
        ("{id: t, grants: [{path: /api, access: rr}]}", Code::GrantAccess, "rr"),
        ("{id: t, grants: [{path: /other, access: r}]}", Code::RouteTotal, "/other"),
        ("{id: t, grant: []}", Code::UnknownKey, "grant"),
        ("{id: t, schemas: [s]}", Code::RefExists, "s"),
        ("{id: t, includes: [none]}", Code::RefExists, "none"),
        ("{id: t, assignable_by: [none]}", Code::RefExists, "none"),
        ("{id: t, includes: [dev]}", Code::RoleScope, "dev"),
        ("{id: t, scope: app, app_access: all}", Code::RoleScope, "all"),
        ("{id: t, reach: all-orgs, default: true}", Code::OrgIsolation, "all-orgs"),
        ("{id: tt}, {id: tt}", Code::IdUnique, "tt"),
        ("{id: t, name: N}, {id: u, name: N}", Code::RoleNameUnique, "N"),
        ("{id: t, name: Boss}", Code::RoleNameUnique, "Boss"),
        ("{id: t, name: admin}", Code::RoleNameUnique, "admin"),
        ("{id: base, includes: [viewer]}", Code::IncludesAcyclic, "base"),
        ("{id: admin}", Code::BuiltinImmutable, "admin"),
        ("{id: t, builtin: true}", Code::BuiltinImmutable, "t"),
    ] {
        refused(&preset(templates), code, at);
    }
    refused("presets: [{id: p, roles: []}, {id: p, roles: []}]", Code::IdUnique, "p");
    refused("presets: [{id: p}]", Code::MissingKey, "id");
}

#[test]
fn e14_preset_copy_the_ceiling_is_over_templates_too() {
    let policy = |access: &str| {
        format!(
            "role_defaults: {{ceiling: base}}\n\
             roles: [{{id: base, scope: app, includes: [more], grants: [{{path: '/a/**', access: r}}]}}, \
             {{id: more, scope: app, grants: [{{path: '/a/**', access: u}}]}}]\n\
             presets: [{{id: p, roles: [{{id: t, scope: app, grants: [{{path: /a/b, access: {access}}}]}}]}}]"
        )
    };
    loads(&policy("ru"));
    refused(&policy("d"), Code::GrantCeiling, "{path: /a/b, access: d}");
}

/// What is wrong with a role is told once, and not again for each preset that refers to it.
#[test]
fn a_mistake_in_a_role_is_not_one_in_a_preset() {
    let policy = "roles: [{id: a, includes: [none]}]\n\
                  presets: [{id: p, roles: [{id: t, includes: [a]}]}, {id: q, roles: [{id: t, includes: [a]}]}]";
    refused(policy, Code::RefExists, "none");
}

/// PRESET_COPY: a template is no role before it has been copied: nothing can refer to it.
#[test]
fn e15_preset_copy_a_template_is_no_role() {
    let preset = "presets: [{id: p, roles: [{id: t, grants: [{path: /a, access: r}]}]}]\n";
    refused(&format!("{preset}members: [{{user: u, roles: [t]}}]"), Code::RefExists, "t");
    refused(&format!("{preset}roles: [{{id: a, includes: [t]}}]"), Code::RefExists, "t");
    let mut sources = Sources::default();
    sources.add("policy.yaml", format!("policy: 1\n{preset}"));
    let (raw, mut report) = front::read(&sources);
    let resolved = resolve(&raw, &Surroundings::default(), &mut report);
    assert!(report.is_empty() && resolved.roles.is_empty());
    let [kept] = resolved.administration.presets() else { panic!("one preset") };
    assert_eq!(
        (&*kept.id, kept.builtin, kept.roles[0].grants[0].path.value.as_str()),
        ("p", false, "/a")
    );
}

fn invitation(fields: &str) -> String {
    format!(
        "routes: [{{match: '/{{org}}/{{app}}/**'}}]\nlimits: {{org_roles_per_member: 1}}\n\
         applications: [{{id: crm}}, {{id: help, auto_assign: true}}, {{id: portal, default: true}}, {{id: other}}]\n\
         organizations: [{{id: vendor, operator: true}}, {{id: acme, apps: [crm]}}]\n\
         roles: [{{id: reader}}, {{id: boss, reach: all-orgs}}, {{id: dev, scope: app}}]\n\
         invitations: [{{id: inv, {fields}}}]"
    )
}

const TIME: &str = "expires: 2026-12-31T00:00:00Z";

#[test]
fn f13_a3_an_invitation_names_what_exists_and_fits() {
    let of = |fields: &str| invitation(&format!("{TIME}, email: neo@acme.test, {fields}"));
    loads(&of("org: acme, roles: [reader], apps: [crm, help, portal]"));
    loads(&of("org: vendor, roles: [boss]"));
    for (fields, code, at) in [
        ("org: acme, apps: [other]", Code::AppAssigned, "other"),
        ("org: acme, apps: [none]", Code::RefExists, "none"),
        ("org: acme, roles: [none]", Code::RefExists, "none"),
        ("org: acme, roles: [dev]", Code::RoleScope, "dev"),
        ("org: acme, roles: [boss]", Code::OrgIsolation, "boss"),
        ("org: vendor, roles: [boss, reader]", Code::RoleCardinality, "reader"),
        ("org: beta", Code::RefExists, "beta"),
        ("roles: [reader]", Code::MissingKey, "inv"),
        ("org: acme, status: lost", Code::BadValue, "lost"),
        ("org: acme, token_hash: abc", Code::BadValue, "abc"),
        ("org: acme, token: abc", Code::UnknownKey, "token"),
    ] {
        refused(&of(fields), code, at);
    }
    let token = format!("membership: token\n{}", of("org: acme"));
    refused(&token, Code::BadValue, "token");
}

#[test]
fn a3_invite_email() {
    refused(&invitation(&format!("{TIME}, org: acme")), Code::InviteEmail, "inv");
    let of = |email: &str| invitation(&format!("{TIME}, org: acme, email: '{email}'"));
    loads(&of("neo@acme.test"));
    refused(&of("neo"), Code::InviteEmail, "'neo'");
    refused(&of("neo@a@b"), Code::InviteEmail, "'neo@a@b'");
}

#[test]
fn a14_invite_expires() {
    let of = |fields: &str| invitation(&format!("org: acme, email: a@b, {fields}"));
    loads(&of(TIME));
    refused(&of("status: pending"), Code::InviteExpires, "inv");
    refused(&of("roles: []"), Code::InviteExpires, "inv");
    for status in ["accepted", "revoked", "expired"] {
        loads(&of(&format!("status: {status}")));
    }
}

#[test]
fn a14_invite_single_use() {
    let hash = "0".repeat(64);
    let two = |first: &str, second: &str| {
        format!(
            "invitations: [{{id: i, email: a@b, {TIME}, token_hash: '{first}'}}, \
             {{id: j, email: a@b, {TIME}, token_hash: '{second}'}}]"
        )
    };
    loads(&two(&hash, &"1".repeat(64)));
    refused(&two(&hash, &hash), Code::InviteSingleUse, &format!("'{hash}'"));
    let twice =
        format!("invitations: [{{id: i, email: a@b, {TIME}}}, {{id: i, email: a@b, {TIME}}}]");
    refused(&twice, Code::IdUnique, "i");
}

#[test]
fn f17_invitations_are_kept_for_administration() {
    let kept = administration(&invitation(&format!(
        "{TIME}, org: acme, email: neo@acme.test, roles: [reader], apps: [crm], invited_by: ann"
    )));
    let [invitation] = kept.invitations() else { panic!("one invitation") };
    assert_eq!(invitation.org.as_deref(), Some("acme"));
    assert_eq!((&*invitation.id, &*invitation.email), ("inv", "neo@acme.test"));
    assert_eq!((invitation.roles.len(), invitation.apps.len()), (1, 1));
    assert_eq!(invitation.status, InvitationStatus::Pending);
    assert_eq!(invitation.expires, Some(1_798_675_200));
    assert_eq!(invitation.invited_by.as_deref(), Some("ann"));
}

#[test]
fn e18_features_are_known_by_name() {
    assert!(administration("").features().schemas);
    assert!(administration("features: {schemas: true}").features().schemas);
    assert!(!administration("features: {schemas: false}").features().schemas);
    refused("features: {schema: false}", Code::UnknownKey, "schema");
    refused("features: {schemas: 'off'}", Code::WrongType, "'off'");
    let (_, report) = judged("features: {schema: false}");
    assert_eq!(report.problems()[0].help.as_deref(), Some("did you mean `schemas`?"));
}

#[test]
fn templates_have_a_limit() {
    use portcullis::policy::resolve::MAX_TEMPLATES;
    let policy = |templates: usize| {
        let list: Vec<_> = (0..templates).map(|n| format!("{{id: t{n}}}")).collect();
        format!("presets: [{{id: pp, roles: [{}]}}]", list.join(", "))
    };
    loads(&policy(MAX_TEMPLATES - 1));
    loads(&policy(MAX_TEMPLATES));
    let expected = [(Severity::Error, Code::TooLarge, "pp".to_owned())];
    assert_eq!(problems(&policy(MAX_TEMPLATES + 1)), expected);
}
