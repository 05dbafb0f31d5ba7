//! GRANT_LIMIT: one request has few objects looked at, and few grants judge its rows. Those beyond do
//! not hold, in the order of definition. What several roles of a caller come to is known at run time
//! alone; what one role comes to by itself is told here.

use super::{Resolved, ResolvedGrant};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::access::{Access, Letters};
use crate::policy::condition::{Conditions, MAX_PREREADS, MAX_ROW_RULES, Object, Piece};
use crate::policy::pattern::{Pattern, Segment};
use crate::source::Span;
use std::collections::HashSet;

/// Pairs of grants that may be compared in one policy. Everyday policies have a few a role.
const MAX_PAIRS: usize = 20_000_000;

/// Reports grants that never hold for whoever has a role, since others always come before them.
pub(super) fn grants_hold(resolved: &Resolved, report: &mut Report) {
    grants_hold_within(resolved, MAX_PAIRS, report);
}

fn grants_hold_within(resolved: &Resolved, pairs: usize, report: &mut Report) {
    let mut search = Search { pairs: Some(pairs), told: HashSet::new() };
    let any = &resolved.role_defaults.any;
    for (at, role) in resolved.roles.iter().enumerate() {
        let mut with: Vec<usize> = role.includes.iter().copied().chain([at]).collect();
        with.sort_unstable();
        let of = |at: &usize| {
            let role = &resolved.roles[*at];
            role.grants.iter().chain(resolved.role_defaults.of(role))
        };
        let grants = with.iter().flat_map(of).chain(any).collect();
        search.within(&format!("whoever has `{}`", role.id), grants, report);
    }
    search.within("any caller", any.iter().collect(), report);
    if search.pairs.is_none() {
        let message = format!("grants were not held against their limits beyond {pairs} pairs");
        report.push(
            Diagnostic::warning_nowhere(Code::GrantLimit, message)
                .help("the rest was not compared; `explain` says which grants did not hold"),
        );
    }
}

struct Search {
    /// Pairs that may still be compared; `None` where more would have been needed.
    pairs: Option<usize>,
    /// Grants that have been reported: one may be in many roles.
    told: HashSet<Span>,
}

impl Search {
    /// Looks at the grants of one role, in order of definition.
    fn within(&mut self, whom: &str, grants: Vec<&ResolvedGrant>, report: &mut Report) {
        for kind in [Kind::Objects, Kind::Rows] {
            let asks =
                |grant: &&ResolvedGrant| grant.access.positions().any(|l| kind.has(grant, l));
            let asking: Vec<_> = grants.iter().copied().filter(asks).collect();
            if asking.len() <= kind.most() {
                continue;
            }
            for (at, grant) in asking.iter().enumerate().skip(kind.most()) {
                let before = &asking[..at];
                self.pairs = self.pairs.and_then(|left| left.checked_sub(before.len()));
                if self.pairs.is_none() {
                    return;
                }
                let Some((letter, first)) = crowded_out(kind, grant, before) else { continue };
                // Whatever it would add, another one has without any condition.
                let moot = grants.iter().any(|other| {
                    other.conditions.is_none()
                        && other.access.has(letter)
                        && other.is_wherever(grant)
                });
                if !moot && self.told.insert(grant.span) {
                    report.push(beyond(kind, whom, (grant, letter), first));
                }
            }
        }
    }
}

/// What there is a limit of.
#[derive(Clone, Copy)]
enum Kind {
    /// Objects that are looked at before a request goes on.
    Objects,
    /// Grants that judge rows.
    Rows,
}

impl Kind {
    fn most(self) -> usize {
        match self {
            Kind::Objects => MAX_PREREADS,
            Kind::Rows => MAX_ROW_RULES,
        }
    }

    fn has(self, grant: &ResolvedGrant, letter: usize) -> bool {
        let (Some(found), letter) = (grant.conditions.as_deref(), Access::LETTERS[letter]) else {
            return false;
        };
        match self {
            Kind::Objects => found.looks_at(letter).is_some(),
            Kind::Rows => found.judges_rows(letter),
        }
    }
}

/// A letter for which as many as there may be always come before a grant, and the first of them.
fn crowded_out<'a>(
    kind: Kind,
    grant: &ResolvedGrant,
    before: &[&'a ResolvedGrant],
) -> Option<(Access, &'a ResolvedGrant)> {
    let mut letters = grant.access.positions().filter(|letter| kind.has(grant, *letter));
    letters.find_map(|letter| {
        let needed = Access::LETTERS[letter];
        let comes = |other: &&&'a ResolvedGrant| {
            other.access.has(needed)
                && kind.has(other, letter)
                && other.conditions.as_deref().is_some_and(is_certain)
                && other.is_wherever(grant)
        };
        let mut first = before.iter().filter(comes).copied();
        let taken = match kind {
            Kind::Rows => first.clone().count(),
            Kind::Objects => {
                let at = |other: &ResolvedGrant| object(other, needed, &grant.pattern);
                let own = at(grant);
                let others: HashSet<_> = first.clone().map(at).collect();
                if others.contains(&own) { 0 } else { others.len() }
            }
        };
        if taken < kind.most() { None } else { Some((needed, first.next()?)) }
    })
}

/// Nothing in the head of a request keeps such a grant from being asked.
fn is_certain(conditions: &Conditions) -> bool {
    conditions.when.is_empty() && conditions.query.is_none()
}

/// The path of the object that a grant looks at, where a request matches this pattern as well:
/// segment by segment, `None` for one that is known at run time alone and stands where it is.
fn object(grant: &ResolvedGrant, letter: Access, here: &Pattern) -> Option<Vec<Piece>> {
    let known = |at: usize| match here.segments().get(at) {
        Some(Segment::Literal(text)) => Piece::Literal(text.to_string().into()),
        _ => Piece::Segment(at),
    };
    match grant.conditions.as_deref()?.looks_at(letter)? {
        Object::Itself => Some((0..here.segments().len()).map(known).collect()),
        Object::At(pieces) => Some(
            pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Segment(at) => known(*at),
                    literal => literal.clone(),
                })
                .collect(),
        ),
    }
}

fn beyond(
    kind: Kind,
    whom: &str,
    (grant, letter): (&ResolvedGrant, Access),
    first: &ResolvedGrant,
) -> Diagnostic {
    let most = kind.most();
    let (what, help) = match kind {
        Kind::Objects => (
            format!("grants before it look at {most} other objects"),
            format!(
                "at most {most} objects are looked at for one request: let grants name the same \
                 `of`, or give some of them to a role that is not held together with the others"
            ),
        ),
        Kind::Rows => (
            format!("{most} grants before it judge the rows"),
            format!(
                "at most {most} grants judge the rows of one response: list several values in one \
                 `keep`, or give some of them to a role that is not held together with the others"
            ),
        ),
    };
    let message = format!("this never allows `{}` to {whom}: {what}", Letters(letter));
    Diagnostic::error(Code::GrantLimit, grant.path_span, message)
        .also(first.path_span, "the first of them")
        .help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::resolve::Surroundings;
    use crate::policy::{front, resolve};
    use crate::source::Sources;

    /// Six grants that look at objects: the fifth is held against four, the sixth against five.
    #[test]
    fn p13_the_comparison_ends_at_its_limit() {
        let grant = |n| format!("{{path: '/t{n}', access: r, owner: {{field: /by, of: '/o{n}'}}}}");
        let grants: Vec<String> = (0..6).map(grant).collect();
        let mut sources = Sources::default();
        let text = format!("policy: 1\nroles: [{{id: a, grants: [{}]}}]", grants.join(", "));
        sources.add("policy.yaml", text);
        let (raw, mut report) = front::read(&sources);
        let resolved = resolve::resolve(&raw, &Surroundings::default(), &mut report);
        assert!(report.is_empty(), "{report:?}");
        for (pairs, gives_up) in [(8, true), (9, false), (10, false)] {
            let mut report = Report::default();
            grants_hold_within(&resolved, pairs, &mut report);
            assert_eq!((report.is_empty(), report.errors()), (!gives_up, 0), "{pairs}");
        }
    }
}
