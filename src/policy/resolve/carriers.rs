//! Which routes can carry a request that a rule speaks of, without looking at each.

use super::paths::ResolvedRoute;
use super::roles::ResolvedGrant;
use crate::policy::host::{self, HostPattern};
use crate::policy::pattern::{Pattern, Segment};
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// Routes by the segments of their patterns.
#[derive(Debug, Default)]
pub struct Carriers<'a> {
    literals: HashMap<&'a str, Carriers<'a>, RandomState>,
    param: Option<Box<Carriers<'a>>>,
    /// Those that end here.
    exact: Vec<&'a ResolvedRoute>,
    /// Those that end here with `/**`.
    subtrees: Vec<&'a ResolvedRoute>,
}

impl<'a> FromIterator<&'a ResolvedRoute> for Carriers<'a> {
    fn from_iter<I: IntoIterator<Item = &'a ResolvedRoute>>(routes: I) -> Carriers<'a> {
        let mut all = Carriers::default();
        routes.into_iter().for_each(|route| all.insert(route));
        all
    }
}

impl<'a> Carriers<'a> {
    /// Whether some request on one of the routes can be one that a rule speaks of.
    pub fn meet(&self, rule: &ResolvedGrant) -> bool {
        self.are_on(&rule.pattern, rule.host.as_ref())
    }

    /// Whether some request to one of these paths, and to such a host, is on one of the routes.
    pub fn are_on(&self, pattern: &Pattern, host: Option<&HostPattern>) -> bool {
        self.unify(pattern.segments(), pattern.is_subtree(), host)
    }

    fn insert(&mut self, route: &'a ResolvedRoute) {
        let mut here = self;
        for segment in route.pattern.segments() {
            here = match segment {
                Segment::Literal(text) => here.literals.entry(text).or_default(),
                Segment::Param(_) => here.param.get_or_insert_default(),
            };
        }
        match route.pattern.is_subtree() {
            true => here.subtrees.push(route),
            false => here.exact.push(route),
        }
    }

    fn unify(&self, segments: &[Segment], subtree: bool, host: Option<&HostPattern>) -> bool {
        if on_host(&self.subtrees, host) {
            return true;
        }
        let Some((segment, rest)) = segments.split_first() else {
            return match subtree {
                true => self.have(host),
                false => on_host(&self.exact, host),
            };
        };
        let deeper = |next: &Carriers<'a>| next.unify(rest, subtree, host);
        match segment {
            Segment::Literal(text) => {
                let param = self.param.as_deref().filter(|_| !text.is_empty());
                self.literals.get(&**text).is_some_and(deeper) || param.is_some_and(deeper)
            }
            Segment::Param(_) => {
                let mut literals = self.literals.iter().filter(|(text, _)| !text.is_empty());
                self.param.as_deref().is_some_and(deeper) || literals.any(|(_, next)| deeper(next))
            }
        }
    }

    /// Whether any route from here on is on such a host.
    fn have(&self, host: Option<&HostPattern>) -> bool {
        on_host(&self.exact, host)
            || on_host(&self.subtrees, host)
            || self.param.as_ref().is_some_and(|next| next.have(host))
            || self.literals.values().any(|next| next.have(host))
    }
}

fn on_host(routes: &[&ResolvedRoute], host: Option<&HostPattern>) -> bool {
    routes.iter().any(|route| host::unify(route.host.as_ref(), host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Report;
    use crate::policy::front;
    use crate::policy::resolve::{Resolved, Surroundings, resolve};
    use crate::source::Sources;
    use proptest::prelude::*;

    /// A policy whose routes have these patterns, each on one of two hosts or on none.
    fn routes(patterns: &[(String, usize)]) -> Resolved {
        let route = |(at, (pattern, host)): (usize, &(String, usize))| {
            let host = ["", ", host: a.test", ", host: '*.test'"][*host];
            // A parameter's name makes no other pattern, so equal ones are ambiguous, and stay.
            format!("  - {{match: '{}'{host}}}\n", pattern.replace('?', &format!("{{p{at}}}")))
        };
        let routes: String = patterns.iter().enumerate().map(route).collect();
        let mut sources = Sources::default();
        sources.add("p.yaml", format!("policy: 1\nroutes:\n{routes}"));
        let (raw, mut report) = front::read(&sources);
        assert_eq!(report, Report::default());
        resolve(&raw, &Surroundings::default(), &mut report)
    }

    fn pattern() -> impl Strategy<Value = String> {
        let segment = prop::sample::select(vec!["/a", "/b", "/?"]);
        let end = prop::sample::select(vec!["", "/**", "/"]);
        (prop::collection::vec(segment, 1..4), end).prop_map(|(segments, end)| {
            let mut seen = false;
            let once = |text: &'static str| match (text, std::mem::replace(&mut seen, true)) {
                ("/?", true) => "/c",
                _ => text,
            };
            segments.into_iter().map(once).collect::<String>() + end
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_found_is_what_looking_at_each_route_finds(
            patterns in prop::collection::vec((pattern(), 0..3_usize), 1..6),
            asked in pattern(),
            host in 0..3_usize,
        ) {
            let resolved = routes(&patterns);
            let carriers: Carriers<'_> = resolved.routes.iter().collect();
            let asked = Pattern::parse(&asked.replace('?', "{x}")).unwrap();
            let host = [None, Some("a.test"), Some("b.example")][host];
            let host = host.map(|host| HostPattern::parse(host).unwrap());
            let one = resolved.routes.iter().any(|route| {
                route.pattern.unifies(&asked) && host::unify(route.host.as_ref(), host.as_ref())
            });
            prop_assert_eq!(carriers.are_on(&asked, host.as_ref()), one);
        }
    }
}
