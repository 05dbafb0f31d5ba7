//! SHADOWED: grants and routes that others leave nothing to do.

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::access::Letters;
use crate::policy::pattern::Segment;
use crate::policy::raw::RawPolicy;
use crate::policy::resolve::{Resolved, ResolvedGrant, ResolvedRoute};
use std::collections::HashMap;

/// Steps that the search for shadowed grants may take in one policy. Patterns of everyday policies
/// need a few a segment; only ones that mix literals and parameters in every position need more.
const MAX_STEPS: usize = 20_000_000;

/// Grants whose paths and letters another grant of the same role has, too, or one of those that it
/// has by default. Nothing is lost with them: all contribute under the same schemas, save the
/// grants of every caller, which none limits.
pub(super) fn shadowed_grants(resolved: &Resolved, report: &mut Report) {
    shadowed_within(resolved, MAX_STEPS, report);
}

fn shadowed_within(resolved: &Resolved, most: usize, report: &mut Report) {
    let mut steps = Steps { left: most };
    let defaults = [false, true].map(|app_scope| DefaultGrants::of(resolved, app_scope));
    for role in &resolved.roles {
        let by_default = &defaults[usize::from(role.app_scope)];
        if role.grants.len() < 2 && by_default.is_empty() {
            continue;
        }
        let trie = GrantTrie::of(role.grants.iter().enumerate());
        for (at, grant) in role.grants.iter().enumerate() {
            let own = |wider| (format!("another grant of `{}`", role.id), wider);
            let found = trie.wider((at, grant), &mut steps).map(own);
            let found = found.or_else(|| {
                let wider = by_default.wider(grant, &mut steps)?;
                Some(("`role_defaults`".to_owned(), wider))
            });
            if steps.left == 0 {
                let message = format!("shadowed grants were not looked for beyond {most} steps");
                report.push(
                    Diagnostic::warning_nowhere(Code::Shadowed, message).help(
                        "the rest of the grants was not compared; with fewer of them all are",
                    ),
                );
                return;
            }
            if let Some((holder, wider)) = found {
                report.push(shadowed(grant, wider, &holder));
            }
        }
    }
}

fn shadowed(grant: &ResolvedGrant, wider: &ResolvedGrant, holder: &str) -> Diagnostic {
    if grant.conditions.is_some() && wider.conditions.is_none() {
        let message = format!(
            "the conditions decide nothing: {holder} has `{}` with `{}` whether they hold or not",
            wider.pattern,
            Letters(wider.access),
        );
        return Diagnostic::warning(Code::ConditionMoot, grant.path_span, message)
            .also(wider.path_span, "this one has none")
            .help("remove it, or give the other one conditions as well");
    }
    let message = format!(
        "`{}` with `{}` adds nothing: {holder} has `{}` with `{}`",
        grant.pattern,
        Letters(grant.access),
        wider.pattern,
        Letters(wider.access),
    );
    Diagnostic::warning(Code::Shadowed, grant.path_span, message)
        .also(wider.path_span, "this one covers it")
        .help("remove it, or narrow the other one")
}

/// Subtree routes that are never the most specific one: the node, the node with a slash at its end,
/// and everything below each have a route of their own. Nothing less can hide a route, because a
/// pattern that matches all that another one matches is never the more specific of the two.
pub(super) fn hidden_routes(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    let shapes: HashMap<String, usize> =
        (0..).zip(&resolved.routes).map(|(at, route)| (route.shape(), at)).collect();
    for (route, typed) in resolved.routes.iter().zip(raw.routes.iter().flatten()) {
        let Some(below) = hidden_by(route, &shapes) else { continue };
        let hiding = raw.routes.as_deref().unwrap_or_default();
        let message =
            format!("`{}` is never used: more specific routes take all its paths", route.label());
        let problem = Diagnostic::warning(Code::Shadowed, typed.pattern.span, message)
            .help("remove it, or one of those that hide it");
        report.push(match hiding.get(below) {
            Some(below) => problem.also(below.pattern.span, "takes the last of them"),
            None => problem,
        });
    }
}

/// The position of the subtree route that takes the last paths of a route, on the same host: routes
/// for one host leave others to the route for all.
fn hidden_by(route: &ResolvedRoute, shapes: &HashMap<String, usize>) -> Option<usize> {
    let shape = route.shape();
    let mut node = shape.strip_suffix("/**")?.to_owned();
    // Each turn needs two more routes, so there are fewer turns than routes.
    for depth in route.pattern.segments().len().. {
        let has_node = depth == 0 || shapes.contains_key(&node);
        if !has_node || !shapes.contains_key(&format!("{node}/")) {
            return None;
        }
        node.push_str(&format!("/{{p{depth}}}"));
        if let Some(at) = shapes.get(&format!("{node}/**")) {
            return Some(*at);
        }
    }
    None
}

/// How far the search may still go.
struct Steps {
    left: usize,
}

/// The grants of one role by segment, so that those that cover a pattern are found without asking
/// every one.
struct GrantTrie<'a> {
    nodes: Vec<TrieNode<'a>>,
}

/// A grant and its position in the role.
type Entry<'a> = (usize, &'a ResolvedGrant);

#[derive(Default)]
struct TrieNode<'a> {
    literals: HashMap<&'a str, usize>,
    param: Option<usize>,
    exact: Vec<Entry<'a>>,
    subtree: Vec<Entry<'a>>,
}

/// What every role of a scope has by default, and every caller.
struct DefaultGrants<'a>(GrantTrie<'a>);

impl<'a> DefaultGrants<'a> {
    fn of(resolved: &'a Resolved, app_scope: bool) -> DefaultGrants<'a> {
        let defaults = &resolved.role_defaults;
        let of_scope = if app_scope { &defaults.app } else { &defaults.org };
        // They stand before what any role lists: of two that are equal, these stay.
        DefaultGrants(GrantTrie::of(of_scope.iter().chain(&defaults.any).map(|grant| (0, grant))))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn wider(&self, grant: &'a ResolvedGrant, steps: &mut Steps) -> Option<&'a ResolvedGrant> {
        if self.is_empty() { None } else { self.0.wider((1, grant), steps) }
    }
}

impl<'a> GrantTrie<'a> {
    fn of(grants: impl Iterator<Item = Entry<'a>>) -> GrantTrie<'a> {
        let mut trie = GrantTrie { nodes: vec![TrieNode::default()] };
        grants.for_each(|entry| trie.add(entry));
        trie
    }

    fn is_empty(&self) -> bool {
        let root = &self.nodes[0];
        self.nodes.len() == 1 && root.exact.is_empty() && root.subtree.is_empty()
    }

    fn add(&mut self, entry: Entry<'a>) {
        let pattern = &entry.1.pattern;
        let node = pattern.segments().iter().fold(0, |node, segment| self.child(node, segment));
        let node = &mut self.nodes[node];
        let here = if pattern.is_subtree() { &mut node.subtree } else { &mut node.exact };
        // One that adds nothing covers nothing that the other does not cover.
        if !here.iter().any(|other| covers(other.1, entry.1)) {
            here.push(entry);
        }
    }

    fn child(&mut self, node: usize, segment: &'a Segment) -> usize {
        let next = self.nodes.len();
        let child = match segment {
            Segment::Literal(text) => *self.nodes[node].literals.entry(text).or_insert(next),
            Segment::Param(_) => *self.nodes[node].param.get_or_insert(next),
        };
        if child == next {
            self.nodes.push(TrieNode::default());
        }
        child
    }

    /// A grant that covers this one: a wider one, or an equal one that stands before it.
    fn wider(&self, entry: Entry<'a>, steps: &mut Steps) -> Option<&'a ResolvedGrant> {
        let pattern = &entry.1.pattern;
        let mut open = vec![(0, 0)];
        while let Some((node, depth)) = open.pop() {
            steps.left = steps.left.checked_sub(1)?;
            let node = &self.nodes[node];
            let ends = depth == pattern.segments().len();
            let exact = if ends && !pattern.is_subtree() { node.exact.as_slice() } else { &[] };
            if let Some(found) = node.subtree.iter().chain(exact).find(|o| takes_over(o, &entry)) {
                return Some(found.1);
            }
            let next = pattern.segments().get(depth);
            open.extend(
                next.into_iter()
                    .flat_map(|segment| node.matching(segment))
                    .map(|child| (child, depth + 1)),
            );
        }
        None
    }
}

impl TrieNode<'_> {
    /// The children whose segment matches all that this one matches.
    fn matching(&self, segment: &Segment) -> impl Iterator<Item = usize> {
        let (literal, param) = match segment {
            Segment::Literal(text) => {
                (self.literals.get(&**text).copied(), self.param.filter(|_| !text.is_empty()))
            }
            Segment::Param(_) => (None, self.param),
        };
        literal.into_iter().chain(param)
    }
}

/// Whether a grant found beside the pattern of another leaves that nothing to do. Of two that cover
/// each other the first stays.
fn takes_over(other: &Entry<'_>, entry: &Entry<'_>) -> bool {
    let equal = covers(entry.1, other.1);
    other.0 != entry.0 && covers(other.1, entry.1) && (!equal || other.0 < entry.0)
}

/// Whether a grant has the letters of another wherever that matches, and holds where that holds.
fn covers(wider: &ResolvedGrant, other: &ResolvedGrant) -> bool {
    let holds = wider.conditions.is_none() || wider.conditions == other.conditions;
    wider.access.has(other.access) && holds && wider.is_wherever(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::host::HostPattern;
    use crate::policy::pattern::Pattern;
    use crate::policy::resolve::ResolvedRole;
    use crate::source::Span;

    fn grant(path: &str, access: &str) -> ResolvedGrant {
        ResolvedGrant {
            span: Span::default(),
            path_span: Span::default(),
            pattern: Pattern::parse(path).unwrap(),
            access: access.parse::<Letters>().unwrap().0,
            host: None,
            conditions: None,
            reads: None,
        }
    }

    fn role(grants: Vec<ResolvedGrant>) -> Resolved {
        let role = ResolvedRole { id: "r".into(), grants, ..ResolvedRole::default() };
        Resolved { roles: vec![role], ..Resolved::default() }
    }

    #[test]
    fn the_search_ends_at_its_limit() {
        // `/a` takes two steps and `/b` as many, because each looks at the root and its own node.
        let resolved = role(vec![grant("/a", "r"), grant("/b", "r")]);
        for (most, given_up) in [(3, true), (4, true), (5, false)] {
            let mut report = Report::default();
            shadowed_within(&resolved, most, &mut report);
            assert_eq!(!report.is_empty(), given_up, "{most}");
        }
    }

    /// The trie against the definition, on patterns that collide on purpose.
    #[test]
    fn the_trie_finds_what_a_comparison_of_all_pairs_finds() {
        let mut paths = vec!["/**".to_owned(), "/".to_owned()];
        for first in ["a", "{x}", "{org}"] {
            for second in ["", "/", "/b", "/{y}", "/{app}"] {
                paths.extend([format!("/{first}{second}"), format!("/{first}{second}/**")]);
            }
        }
        paths.retain(|path| Pattern::parse(path).is_ok());
        let letters = ["r", "ru", "crud"];
        let mut grants: Vec<_> =
            paths.iter().flat_map(|path| letters.map(|access| grant(path, access))).collect();
        let hosts = ["a.x", "*.x", "b.y"].map(|host| HostPattern::parse(host).ok());
        for (at, host) in (0..grants.len()).zip(hosts.iter().cycle()).step_by(2) {
            grants.push(ResolvedGrant { host: host.clone(), ..grants[at].clone() });
        }
        assert!(grants.len() > 110, "{}", grants.len());
        let trie = GrantTrie::of(grants.iter().enumerate());
        for entry in grants.iter().enumerate() {
            let by_definition = grants.iter().enumerate().any(|other| takes_over(&other, &entry));
            let found = trie.wider(entry, &mut Steps { left: MAX_STEPS });
            assert_eq!(found.is_some(), by_definition, "{}", entry.1.pattern);
            assert!(found.is_none_or(|wider| wider.pattern.covers(&entry.1.pattern)));
        }
    }
}
