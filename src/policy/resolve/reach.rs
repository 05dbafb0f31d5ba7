//! Roles that reach: held in an operator's organization, they count in every other one.
//!
//! A role that travels brings what it includes. An included role contributes as itself, wherever
//! the including one counts, so whoever writes `reach` on a role says it of all that the role is
//! made of; were the parts left at home, a role would mean less abroad than its text. The other way
//! round nothing follows: a role that includes a reaching one stays at home itself.

use super::members::Binder;
use super::roles::ResolvedRole;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{RawOrganization, RawRole, Text};

/// Operators of one policy. A request looks for the caller in each, if it is not in what it
/// addresses, so they are few.
pub const MAX_OPERATORS: usize = 64;

/// Whether a role reaches. An application's role counts behind the gate of one application, and
/// whoever comes from another organization has been given none.
pub(super) fn of(role: &RawRole, report: &mut Report) -> bool {
    let Some(span) = role.reach else { return false };
    if role.app_scope {
        let message =
            format!("`{}` counts in one application and cannot reach others", role.id.value);
        report.push(
            Diagnostic::error(Code::RoleScope, span, message)
                .help("write `reach: all-orgs` in a role of `scope: org`"),
        );
    }
    true
}

/// ORG_ISOLATION: in an organization that is no operator, nobody has a role that reaches, be it
/// through another one that includes it. `org` is `None` for the implicit organization.
pub(super) fn stays_home(
    names: &[Text],
    binder: &Binder<'_>,
    org: Option<&str>,
    report: &mut Report,
) {
    for name in names {
        let Some(role) = binder.known(name) else { continue };
        let Some(reaching) = [role].into_iter().chain(binder.included(role)).find(|one| one.reach)
        else {
            continue;
        };
        report.push(abroad(name, role, reaching, org));
    }
}

fn abroad(
    name: &Text,
    role: &ResolvedRole,
    reaching: &ResolvedRole,
    org: Option<&str>,
) -> Diagnostic {
    let what = match role.id == reaching.id {
        true => format!("`{}` reaches all organizations", role.id),
        false => {
            format!("`{}` includes `{}`, which reaches all organizations", role.id, reaching.id)
        }
    };
    let message = match org {
        Some(org) => format!("{what}, and `{org}` is no operator"),
        None => format!("{what}, and there is no operator"),
    };
    Diagnostic::error(Code::OrgIsolation, name.span, message)
        .help("bind it in an organization with `operator: true`, or take `reach` off the role")
}

pub(super) fn operators_are_few(orgs: &[RawOrganization], report: &mut Report) {
    if let Some(one_more) = orgs.iter().filter(|org| org.operator).nth(MAX_OPERATORS) {
        let message = format!("more than {MAX_OPERATORS} organizations are operators");
        report.push(
            Diagnostic::error(Code::TooLarge, one_more.id.span, message)
                .help("let several teams be members of one operator"),
        );
    }
}
