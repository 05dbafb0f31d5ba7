//! ROLE_UNASSIGNABLE: roles that nobody has, and that nobody may give who has a role or could get
//! one.

use super::unused;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{RawPolicy, RawRole};
use crate::policy::resolve::Resolved;
use std::collections::HashMap;

/// Only where members are listed and roles say who may assign them: elsewhere files or credentials
/// bind roles. A built-in role may be kept for what comes, and a ceiling is there without being
/// had. What nothing knows at all is UNUSED.
pub(super) fn roles_that_nobody_may_give(
    raw: &RawPolicy,
    resolved: &Resolved,
    report: &mut Report,
) {
    if raw.roles.iter().all(|role| role.rights.assignable_by.is_empty()) {
        return;
    }
    let Some(used) = unused::used_roles(raw, resolved) else { return };
    let Some(possible) = possible(raw, resolved) else { return };
    let ceiling = raw.role_defaults.ceiling.as_ref().map(|role| role.value.as_str());
    for (at, role) in raw.roles.iter().enumerate() {
        let kept = role.builtin || ceiling == Some(role.id.value.as_str());
        if used[at] && !possible[at] && !kept {
            report.push(told(role));
        }
    }
}

fn told(role: &RawRole) -> Diagnostic {
    let id = &role.id;
    let message = match role.rights.assignable_by.is_empty() {
        true => format!("nobody has the role `{}`, and nobody may assign it", id.value),
        false => format!(
            "nobody has the role `{}`, nor can anybody get a role that may assign it",
            id.value
        ),
    };
    let problem = Diagnostic::warning(Code::RoleUnassignable, id.span, message);
    match role.rights.assignable_by.first() {
        None => problem
            .help("name in `assignable_by` a role whose holders may, bind it to a member, or remove it"),
        Some(first) => problem
            .also(first.span, "nobody has this one")
            .help("bind a role that may assign it to a member, or name one in `assignable_by` that somebody has"),
    }
}

/// Whether somebody has each role, gets it by itself, or can be given it by somebody who is in one
/// of these cases.
fn possible(raw: &RawPolicy, resolved: &Resolved) -> Option<Vec<bool>> {
    let mut possible = unused::bound(resolved)?;
    let templates = raw.presets.iter().flat_map(|preset| &preset.roles);
    let by_templates = templates.flat_map(|role| &role.includes);
    let by_invitations = raw.invitations.iter().flat_map(|invitation| &invitation.roles);
    let positions: HashMap<&str, usize> =
        (0..).zip(&raw.roles).map(|(at, role)| (role.id.value.as_str(), at)).collect();
    let at = |name: &str| positions.get(name).copied();
    for given in by_templates.chain(by_invitations).filter_map(|name| at(&name.value)) {
        possible[given] = true;
    }
    for (given, role) in possible.iter_mut().zip(&raw.roles) {
        let rights = &role.rights;
        *given |= role.default || rights.first_member.is_some() || rights.fallback.is_some();
    }
    // What the holders of each role may give.
    let mut gives: Vec<Vec<usize>> = vec![Vec::new(); raw.roles.len()];
    for (given, role) in raw.roles.iter().enumerate() {
        for giver in role.rights.assignable_by.iter().filter_map(|name| at(&name.value)) {
            gives[giver].push(given);
        }
    }
    let mut open: Vec<usize> = (0..possible.len()).filter(|at| possible[*at]).collect();
    while let Some(role) = open.pop() {
        for next in gives[role].iter().chain(&resolved.roles[role].includes) {
            if !std::mem::replace(&mut possible[*next], true) {
                open.push(*next);
            }
        }
    }
    Some(possible)
}
