//! Roles that include others: who contributes through whom.
//!
//! An included role contributes as itself, so an organization's role includes roles of
//! organizations alone: an application's role would otherwise count without the gate of its
//! application. The other way round would count an organization's role in one application only.

use super::Names;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{RawRole, Text};
use std::collections::BTreeSet;

/// Roles that all roles of a policy may include together, counting those that come through others.
pub const MAX_INCLUDED: usize = 1_000_000;

/// For each role the roles that it includes, directly and through others, in order. Cycles
/// (INCLUDES_ACYCLIC) and roles of the other scope (ROLE_SCOPE) are reported.
pub(super) fn closures(
    roles: &[RawRole],
    names: &Names<'_>,
    report: &mut Report,
) -> Vec<Vec<usize>> {
    let direct: Vec<Vec<(usize, &Text)>> =
        (0..roles.len()).map(|at| direct(roles, at, names, report)).collect();
    let indices: Vec<Vec<usize>> =
        direct.iter().map(|list| list.iter().map(|(at, _)| *at).collect()).collect();
    let order = match bottom_up(&indices) {
        Ok(order) => order,
        Err(cycle) => {
            report.push(cyclic(roles, &direct, &cycle));
            return vec![Vec::new(); indices.len()];
        }
    };
    join(&indices, &order, MAX_INCLUDED).unwrap_or_else(|at| {
        let message = format!("all roles together include more than {MAX_INCLUDED} roles");
        let problem = Diagnostic::error(Code::TooLarge, roles[at].id.span, message);
        report.push(problem.help("make chains of roles that include each other shorter"));
        vec![Vec::new(); indices.len()]
    })
}

/// What one role names itself.
fn direct<'a>(
    roles: &'a [RawRole],
    at: usize,
    names: &Names<'_>,
    report: &mut Report,
) -> Vec<(usize, &'a Text)> {
    let role = &roles[at];
    let mut found = Vec::new();
    for name in &role.includes {
        let Some(other) = names.find(name, report) else { continue };
        if roles[other].app_scope == role.app_scope {
            found.push((other, name));
            continue;
        }
        let scope = |app| if app { "an application role" } else { "an organization role" };
        let message = format!(
            "`{}` is {}, and `{}` is {}: it cannot be included",
            role.id.value,
            scope(role.app_scope),
            name.value,
            scope(!role.app_scope)
        );
        let problem = Diagnostic::error(Code::RoleScope, name.span, message);
        report.push(problem.help("include roles of the same `scope`, and bind the other one"));
    }
    found
}

fn cyclic(roles: &[RawRole], direct: &[Vec<(usize, &Text)>], cycle: &[usize]) -> Diagnostic {
    let (last, first) = (cycle[cycle.len() - 1], cycle[0]);
    let closing = direct[last].iter().find(|(other, _)| *other == first);
    let names: Vec<_> =
        cycle.iter().chain([&first]).map(|at| format!("`{}`", roles[*at].id.value)).collect();
    let message = format!("a role includes itself: {}", names.join(" includes "));
    let span = closing.map_or(roles[last].id.span, |(_, name)| name.span);
    Diagnostic::error(Code::IncludesAcyclic, span, message).help("take one of these out")
}

/// The roles in an order in which each comes after those that it includes; or a cycle. It keeps a
/// stack of its own, because a chain may be as long as the file.
fn bottom_up(direct: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut order = Vec::with_capacity(direct.len());
    let mut done = vec![false; direct.len()];
    let mut open = vec![false; direct.len()];
    for start in 0..direct.len() {
        let mut path: Vec<(usize, usize)> = Vec::new();
        let mut enter = (!done[start]).then_some(start);
        loop {
            if let Some(role) = enter.take() {
                open[role] = true;
                path.push((role, 0));
            }
            let Some((role, next)) = path.last_mut() else { break };
            match direct[*role].get(*next) {
                Some(other) if open[*other] => {
                    let from = path.iter().position(|(at, _)| at == other).unwrap_or_default();
                    return Err(path[from..].iter().map(|(at, _)| *at).collect());
                }
                Some(other) => {
                    *next += 1;
                    enter = (!done[*other]).then_some(*other);
                }
                None => {
                    let role = *role;
                    (open[role], done[role]) = (false, true);
                    order.push(role);
                    path.pop();
                }
            }
        }
    }
    Ok(order)
}

/// Joins what each role includes with what that includes. Beyond `most` in all: the role with
/// which it was too many.
fn join(direct: &[Vec<usize>], order: &[usize], most: usize) -> Result<Vec<Vec<usize>>, usize> {
    let mut closures: Vec<Vec<usize>> = vec![Vec::new(); direct.len()];
    let mut total = 0;
    for role in order {
        let mut all = BTreeSet::new();
        for other in &direct[*role] {
            all.insert(*other);
            all.extend(&closures[*other]);
        }
        total += all.len();
        if total > most {
            return Err(*role);
        }
        closures[*role] = all.into_iter().collect();
    }
    Ok(closures)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each role includes the next.
    fn chain(length: usize) -> Vec<Vec<usize>> {
        (0..length).map(|at| if at + 1 < length { vec![at + 1] } else { Vec::new() }).collect()
    }

    #[test]
    fn inclusion_reaches_through_others() {
        let direct = [vec![1, 2], vec![3], vec![3], Vec::new()];
        let order = bottom_up(&direct).unwrap();
        let joined = join(&direct, &order, MAX_INCLUDED).unwrap();
        assert_eq!(joined, [vec![1, 2, 3], vec![3], vec![3], vec![]]);
    }

    #[test]
    fn a_cycle_is_found_wherever_one_enters_it() {
        assert_eq!(bottom_up(&[vec![0]]), Err(vec![0]));
        assert_eq!(bottom_up(&[vec![1], vec![2], vec![1]]), Err(vec![1, 2]));
    }

    #[test]
    fn a_chain_as_long_as_a_file_needs_no_deep_stack() {
        assert_eq!(bottom_up(&chain(300_000)).map(|order| order[0]), Ok(299_999));
    }

    #[test]
    fn all_inclusions_together_have_a_limit() {
        let (direct, order) = (chain(5), [4, 3, 2, 1, 0]);
        // 4 + 3 + 2 + 1.
        assert!(join(&direct, &order, 11).is_ok());
        assert!(join(&direct, &order, 10).is_ok());
        assert_eq!(join(&direct, &order, 9), Err(0));
    }
}
