//! GRANT_BEYOND_APP: grants of application roles that are wider than an application.

use super::reach::Addressed;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::host;
use crate::policy::resolve::{Address, Resolved, ResolvedGrant, ResolvedRoute};

/// Pairs of routes and grants that may be compared in one policy. Only policies with thousands of
/// routes of both kinds need more than a few thousand.
const MAX_STEPS: usize = 20_000_000;

/// Grants that count for an addressed application and also match paths whose route addresses none.
/// There they count for nothing, although they read as if they did. `/**` says everything there is
/// and is left alone, and so is what names `{app}` itself.
pub(super) fn grants_beyond_apps(resolved: &Resolved, report: &mut Report) {
    beyond_apps_within(resolved, MAX_STEPS, report);
}

fn beyond_apps_within(resolved: &Resolved, most: usize, report: &mut Report) {
    let (to_none, to_apps): (Vec<_>, Vec<_>) =
        resolved.routes.iter().partition(|route| route.app == Address::None);
    if to_none.is_empty() {
        return;
    }
    let addressed = Addressed::of(resolved);
    let mut search = Search { to_none, to_apps, left: most };
    let of_roles = resolved.roles.iter().filter(|role| role.app_scope);
    let grants = of_roles.flat_map(|role| &role.grants).chain(&resolved.role_defaults.app);
    let grants = grants.filter(|grant| speaks_of_a_place(grant));
    for grant in grants.filter(|grant| addressed.holds_in_an_app(grant)) {
        let found = search.beyond(grant);
        if search.left == 0 {
            let message = format!(
                "grants wider than their application were not looked for beyond {most} steps"
            );
            report.push(
                Diagnostic::warning_nowhere(Code::GrantBeyondApp, message)
                    .help("the rest of the grants was not compared; with fewer routes all are"),
            );
            return;
        }
        found.into_iter().for_each(|route| report.push(beyond(grant, route)));
    }
}

fn speaks_of_a_place(grant: &ResolvedGrant) -> bool {
    !grant.pattern.segments().is_empty() && grant.pattern.param("app").is_none()
}

/// The routes of a policy, and how far they may still be compared.
struct Search<'a> {
    to_none: Vec<&'a ResolvedRoute>,
    to_apps: Vec<&'a ResolvedRoute>,
    left: usize,
}

impl<'a> Search<'a> {
    /// A route that addresses no application and carries requests that the grant matches: it meets
    /// the grant, asks for a credential, and no route to an application takes all of them.
    fn beyond(&mut self, grant: &ResolvedGrant) -> Option<&'a ResolvedRoute> {
        for route in &self.to_none {
            self.left = self.left.checked_sub(1)?;
            if route.public.has(grant.access) || !route.meets(grant) {
                continue;
            }
            let both = route.pattern.meet(&grant.pattern)?;
            self.left = self.left.saturating_sub(self.to_apps.len());
            let takes_all =
                |other: &&ResolvedRoute| other.pattern.covers(&both) && goes_before(other, route);
            if self.left > 0 && !self.to_apps.iter().any(takes_all) {
                return Some(route);
            }
        }
        None
    }
}

/// Whether a route is the more specific one, as far as that can be told; in doubt it is.
fn goes_before(route: &ResolvedRoute, other: &ResolvedRoute) -> bool {
    match route.host == other.host {
        true => route.pattern.specificity(&other.pattern).is_lt(),
        false => host::unify(route.host.as_ref(), other.host.as_ref()),
    }
}

fn beyond(grant: &ResolvedGrant, route: &ResolvedRoute) -> Diagnostic {
    let message = format!(
        "`{}` is wider than its application: the route `{}` addresses none, and there it never \
         counts",
        grant.pattern,
        route.label()
    );
    Diagnostic::warning(Code::GrantBeyondApp, grant.path_span, message)
        .also(route.span, "this route addresses no application")
        .help(
            "write the part of the path that belongs to the application, with `{app}` where the \
             route captures it; what is outside needs a role of `scope: org`",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::front;
    use crate::policy::resolve::{Surroundings, resolve};
    use crate::source::Sources;

    #[test]
    fn the_search_ends_at_its_limit() {
        let mut sources = Sources::default();
        sources.add(
            "p.yaml",
            "policy: 1\nroutes: [{match: '/a/{app}/**'}, {match: /a/list}]\n\
             roles: [{id: r, scope: app, grants: [{path: '/a/**', access: r}]}]\n",
        );
        let (raw, mut report) = front::read(&sources);
        let resolved = resolve(&raw, &Surroundings::default(), &mut report);
        assert!(!report.has_errors(), "{report:?}");
        // One step for the route that addresses none, one for the other.
        for (most, ends) in [(1, true), (2, true), (3, false)] {
            let mut report = Report::default();
            beyond_apps_within(&resolved, most, &mut report);
            let [problem] = report.problems() else { panic!("{report:?}") };
            assert_eq!(problem.primary.is_none(), ends, "{most}");
        }
    }
}
