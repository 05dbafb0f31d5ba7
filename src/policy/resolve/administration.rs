//! What a load can check of how roles are administered.

use super::Names;
use super::roles::ResolvedRole;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::administration::{Features, Rights};
use crate::policy::raw::{Cardinality, Kind, RawPolicy, RawRole, Text};
use crate::policy::roleset::RoleId;
use crate::source::{Span, Spanned};
use std::collections::HashMap;
use std::sync::Arc;

/// How each role is administered. `typed` are the policy's roles, or templates of roles with those
/// that they refer to; `roles` are the same, resolved.
pub(super) fn rights(
    raw: &RawPolicy,
    typed: &[RawRole],
    roles: &[ResolvedRole],
    report: &mut Report,
) -> Vec<Rights> {
    let names = Names::again(raw, Kind::Role, typed.iter().map(|role| &role.id));
    one_fallback_a_scope(typed, report);
    names_of_builtin_roles(typed, report);
    starting_roles_fit(raw, typed, report);
    for (typed, role) in typed.iter().zip(roles) {
        over_organizations(typed, report);
        does_not_spread(typed, role, roles, report);
    }
    typed.iter().map(|role| of(role, &names, report)).collect()
}

/// Which parts of administration are on.
pub(super) fn features(raw: &RawPolicy) -> Features {
    let all = Features::default();
    Features { schemas: raw.features.schemas.map_or(all.schemas, |on| on.value) }
}

fn of(role: &RawRole, names: &Names<'_>, report: &mut Report) -> Rights {
    let text = |text: &Option<Text>| text.as_ref().map(|text| Arc::from(text.value.as_str()));
    let mut find = |list: &[Text]| -> Vec<RoleId> {
        list.iter()
            .filter_map(|name| names.find(name, report))
            .map(|at| RoleId(at as u32))
            .collect()
    };
    let (visible, assignable) = (find(&role.rights.visible_to), find(&role.rights.assignable_by));
    let editable_by = sorted(find(&role.rights.editable_by));
    Rights {
        name: text(&role.name),
        description: text(&role.description),
        builtin: role.builtin,
        default: role.default,
        first_member: role.rights.first_member.is_some(),
        fallback: role.rights.fallback.is_some(),
        protect_last: role.rights.protect_last.is_some(),
        visible_to: sorted([visible, assignable.clone()].concat()),
        assignable_by: sorted(assignable),
        editable_by,
    }
}

fn sorted(mut roles: Vec<RoleId>) -> Box<[RoleId]> {
    roles.sort_unstable();
    roles.dedup();
    roles.into()
}

/// Members fall to one role, so each scope has one at most.
fn one_fallback_a_scope(typed: &[RawRole], report: &mut Report) {
    let mut first: [Option<Span>; 2] = [None; 2];
    for role in typed {
        let Some(span) = role.rights.fallback else { continue };
        match &mut first[usize::from(role.app_scope)] {
            Some(first) => report.push(
                Diagnostic::error(Code::BadValue, span, "this scope has another fallback role")
                    .also(*first, "the other one")
                    .help("leave `fallback: true` at one of them"),
            ),
            none => *none = Some(span),
        }
    }
}

/// ROLE_NAME_UNIQUE: the ids of built-in roles are reserved, also from being shown as a name.
fn names_of_builtin_roles(typed: &[RawRole], report: &mut Report) {
    let builtin: HashMap<&str, Span> = typed
        .iter()
        .filter(|role| role.builtin)
        .map(|role| (role.id.value.as_str(), role.id.span))
        .collect();
    for role in typed {
        let Some(name) = role.name.as_ref().filter(|name| name.value != role.id.value) else {
            continue;
        };
        if let Some(first) = builtin.get(name.value.as_str()) {
            let message = format!("`{}` is the id of a built-in role", name.value);
            report.push(
                Diagnostic::error(Code::RoleNameUnique, name.span, message)
                    .also(*first, "this one")
                    .help("give the role another `name`"),
            );
        }
    }
}

/// ROLE_CARDINALITY of what one gets without asking: with more roles than the limit, no membership
/// could be created as the policy says.
fn starting_roles_fit(raw: &RawPolicy, typed: &[RawRole], report: &mut Report) {
    let (org, app) = (raw.limits.org_roles_per_member, raw.limits.app_roles_per_access);
    let of_orgs = || typed.iter().filter(|role| !role.app_scope);
    let first = of_orgs().filter(|role| role.rights.first_member.is_some());
    at_most(org, first, "whoever creates an organization", report);
    at_most(org, of_orgs().filter(|role| role.default), "a new member", report);
    let of_apps = typed.iter().filter(|role| role.app_scope && role.default);
    at_most(app, of_apps, "an access without roles", report);
}

fn at_most<'a>(
    limit: Option<Spanned<Cardinality>>,
    mut roles: impl Iterator<Item = &'a RawRole>,
    who: &str,
    report: &mut Report,
) {
    let Some(Spanned { value: Cardinality::AtMost(most), span }) = limit else { return };
    if let Some(one_more) = roles.nth(most as usize) {
        let message = format!("{who} would have more than {most} of these roles");
        report.push(
            Diagnostic::error(Code::RoleCardinality, one_more.id.span, message)
                .also(span, "the limit")
                .help("let fewer roles be given by themselves, or raise the limit"),
        );
    }
}

/// `first_member` and `protect_last` speak of organizations, so an application's role cannot say
/// them.
fn over_organizations(role: &RawRole, report: &mut Report) {
    let flags =
        [("first_member", role.rights.first_member), ("protect_last", role.rights.protect_last)];
    for (key, span) in flags.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        if role.app_scope {
            let message = format!("`{}` is no role of organizations", role.id.value);
            report.push(
                Diagnostic::error(Code::RoleScope, span, message)
                    .help(format!("write `{key}` in a role of `scope: org`")),
            );
        }
    }
}

/// ORG_ISOLATION: what is given by itself in any organization must not reach others.
fn does_not_spread(
    typed: &RawRole,
    role: &ResolvedRole,
    roles: &[ResolvedRole],
    report: &mut Report,
) {
    let reaches = role.reach || role.includes.iter().any(|at| roles[*at].reach);
    let rights = &typed.rights;
    let spreads = [
        (typed.default, "new members"),
        (rights.first_member.is_some(), "whoever creates an organization"),
        (rights.fallback.is_some(), "members whose role is deleted"),
    ];
    let Some((_, who)) = spreads.into_iter().find(|(is, _)| *is && reaches && !typed.app_scope)
    else {
        return;
    };
    let message =
        format!("`{}` reaches all organizations, and {who} would get it in any", typed.id.value);
    report.push(
        Diagnostic::error(Code::OrgIsolation, typed.reach.unwrap_or(typed.id.span), message)
            .help("give it by name, to members of the operator"),
    );
}
