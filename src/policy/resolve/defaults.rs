//! Grants that roles have without listing them, and the ceiling over what they list.

use super::Names;
use super::paths::ResolvedType;
use super::roles::{ResolvedGrant, ResolvedRole, rules};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::access::Access;
use crate::policy::raw::{Kind, RawPolicy, RawRole, Text};

/// Default grants that all roles of a policy may have together: each role has each of its scope.
pub const MAX_DEFAULT_GRANTS: usize = 1_000_000;

/// Grants that roles have without listing them.
#[derive(Clone, Debug, Default)]
pub struct RoleDefaults {
    /// Of every application role.
    pub app: Vec<ResolvedGrant>,
    /// Of every organization role.
    pub org: Vec<ResolvedGrant>,
    /// Of every caller that has been identified, whatever its roles.
    pub any: Vec<ResolvedGrant>,
}

impl RoleDefaults {
    /// Those of a role: they contribute as its own do, with its schemas.
    pub fn of(&self, role: &ResolvedRole) -> &[ResolvedGrant] {
        if role.app_scope { &self.app } else { &self.org }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &ResolvedGrant> {
        self.app.iter().chain(&self.org).chain(&self.any)
    }
}

pub(super) fn role_defaults(
    raw: &RawPolicy,
    roles: &[ResolvedRole],
    types: &[ResolvedType],
    report: &mut Report,
) -> RoleDefaults {
    let typed = &raw.role_defaults;
    let mut defaults = RoleDefaults {
        app: rules(&typed.app, types, report),
        org: rules(&typed.org, types, report),
        any: rules(&typed.any, types, report),
    };
    if !fits(roles.iter().map(|role| defaults.of(role).len()), MAX_DEFAULT_GRANTS) {
        let message =
            format!("all roles together have more than {MAX_DEFAULT_GRANTS} default grants");
        report.push(
            Diagnostic::error_nowhere(Code::TooLarge, message)
                .help("move grants from `role_defaults` into a role that others include"),
        );
        (defaults.app, defaults.org) = (Vec::new(), Vec::new());
    }
    if let Some(ceiling) = &typed.ceiling {
        check_ceiling(raw, &raw.roles, roles, ceiling, report);
    }
    defaults
}

fn fits(counts: impl Iterator<Item = usize>, most: usize) -> bool {
    counts.fold(0, usize::saturating_add) <= most
}

/// GRANT_CEILING: what an application role grants, save those that are built in, one grant of the
/// ceiling (or of a role that it includes) must hold as well, for each letter.
pub(super) fn check_ceiling(
    raw: &RawPolicy,
    typed: &[RawRole],
    roles: &[ResolvedRole],
    ceiling: &Text,
    report: &mut Report,
) {
    let names = Names::again(raw, Kind::Role, typed.iter().map(|role| &role.id));
    let Some(top) = names.find(ceiling, report) else { return };
    if !roles[top].app_scope {
        let message = format!("`{}` is an organization role", ceiling.value);
        report.push(
            Diagnostic::error(Code::RoleScope, ceiling.span, message)
                .help("name a role of `scope: app`: the ceiling is over application roles"),
        );
        return;
    }
    let held: Vec<&ResolvedGrant> =
        [top].iter().chain(&roles[top].includes).flat_map(|role| &roles[*role].grants).collect();
    let custom = roles.iter().zip(typed).enumerate().filter(|(at, (role, typed))| {
        role.app_scope && !typed.builtin && *at != top && !roles[top].includes.contains(at)
    });
    for grant in custom.flat_map(|(_, (role, _))| &role.grants) {
        let covers = |letter: usize| held.iter().any(|high| is_under(grant, high, letter));
        if !grant.access.positions().all(covers) {
            let message = format!("this grants more than the ceiling `{}` holds", ceiling.value);
            report.push(
                Diagnostic::error(Code::GrantCeiling, grant.span, message)
                    .also(ceiling.span, "the ceiling")
                    .help("grant what one grant of the ceiling covers, path and letters"),
            );
        }
    }
}

/// Whether a letter of a grant is within a grant of the ceiling. One that binds `{org}` or `{app}`
/// to the addressed ones covers only what binds them too.
fn is_under(grant: &ResolvedGrant, high: &ResolvedGrant, letter: usize) -> bool {
    // What holds under a condition covers what holds under the same.
    let conditions = high.conditions.is_none() || high.conditions == grant.conditions;
    high.access.has(Access::LETTERS[letter]) && conditions && high.is_wherever(grant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_grants_of_all_roles_have_a_limit() {
        let fits = |roles: usize| fits(std::iter::repeat_n(2, roles), 10);
        assert_eq!([fits(4), fits(5), fits(6)], [true, true, false]);
    }
}
