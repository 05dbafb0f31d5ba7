//! LAST_ADMIN: an organization that has members has somebody in charge.
//!
//! In administration this is about a step: the last one who has a role that says `protect_last` is
//! not removed, demoted or suspended. A file is a state, and the state in which no such step has
//! been taken is this: in each active organization with members, one of them has the role directly
//! (not through a group, which can be left or emptied; not through another role, which can stop
//! including it), is active, and stays so: a membership that is bound in time ends without anybody
//! taking a step. A role that reaches is held by operators alone, so only they need a holder.

use super::Resolved;
use super::members::{ResolvedMember, ResolvedMembers};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::people::Window;
use crate::policy::raw::{Kind, RawPolicy};
use std::collections::HashSet;

/// Roles of one policy that may say `protect_last`: each is looked for in each organization.
pub const MAX_PROTECTED: usize = 64;

pub(super) fn somebody_stays(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    let ResolvedMembers::Directory { tokens, members, .. } = &resolved.members else { return };
    // One of those that could not be read might be the holder.
    if members.is_empty() || raw.may_exist(Kind::Member, "") {
        return;
    }
    let is_protected = |at: &usize| {
        // Credentials may name its holders.
        let claimed = *tokens && resolved.roles[*at].from_token;
        raw.roles[*at].rights.protect_last.is_some() && !resolved.roles[*at].app_scope && !claimed
    };
    let protected: Vec<usize> = (0..raw.roles.len()).filter(is_protected).collect();
    if let Some(one_more) = protected.get(MAX_PROTECTED) {
        let message = format!("more than {MAX_PROTECTED} roles say `protect_last`");
        let span = raw.roles[*one_more].id.span;
        report
            .push(Diagnostic::error(Code::TooLarge, span, message).help(
                "protect the roles that manage members, not those that use what they manage",
            ));
        return;
    }
    let held = holders(resolved, members, &protected);
    let peopled: HashSet<Option<usize>> = members.iter().map(|member| member.org).collect();
    for role in &protected {
        for org in places(resolved, *role).filter(|org| peopled.contains(org)) {
            if !held.contains(&(org, *role)) {
                report.push(nobody(raw, org, *role));
            }
        }
    }
}

/// Which of these roles somebody has, and where.
fn holders(
    resolved: &Resolved,
    members: &[ResolvedMember],
    protected: &[usize],
) -> HashSet<(Option<usize>, usize)> {
    let suspended: HashSet<&str> = resolved.suspended.iter().map(|user| &**user).collect();
    let stays = |member: &&ResolvedMember| {
        member.active && member.window == Window::default() && !suspended.contains(&*member.user)
    };
    let held = members.iter().filter(stays).flat_map(|member| {
        let roles = member.roles.iter().filter(|role| protected.contains(role));
        roles.map(|role| (member.org, *role))
    });
    held.collect()
}

/// The active organizations in which a role can be held.
fn places(resolved: &Resolved, role: usize) -> impl Iterator<Item = Option<usize>> {
    let role = &resolved.roles[role];
    let reaches = role.reach || role.includes.iter().any(|at| resolved.roles[*at].reach);
    let orgs = resolved.orgs.iter().flatten().enumerate();
    let listed = orgs.filter(move |(_, org)| org.active && (org.operator || !reaches));
    let implicit = (resolved.implicit_org && !reaches).then_some(None);
    listed.map(|(at, _)| Some(at)).chain(implicit)
}

fn nobody(raw: &RawPolicy, org: Option<usize>, role: usize) -> Diagnostic {
    let role = &raw.roles[role];
    let flag = role.rights.protect_last.unwrap_or(role.id.span);
    let org = org.and_then(|at| raw.organizations.as_deref()?.get(at));
    let message = match org {
        Some(org) => format!("nobody in `{}` has `{}` for good", org.id.value, role.id.value),
        None => format!("nobody has `{}` for good", role.id.value),
    };
    let problem = match org {
        Some(org) => {
            Diagnostic::error(Code::LastAdmin, org.id.span, message).also(flag, "it asks for one")
        }
        None => Diagnostic::error(Code::LastAdmin, flag, message),
    };
    problem.help(
        "list the role in the `roles` of an active member that is not bound in time, or take \
         `protect_last` off the role",
    )
}
