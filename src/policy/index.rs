//! Which patterns match a path: all of them, exactly, in a few look-ups.
//!
//! matchit answers with the one best route, but a decision needs every grant and restriction that
//! matches, or a new `/users/me` would silently hide what is said of `/users/{id}`. So patterns are
//! sorted into classes in which matchit can hold them without conflict: exact patterns in one
//! router, subtrees in one router for each length of what stands before `/**` (looked up with the
//! path's prefix of that length). Parameters are renamed by position, which makes equal shapes
//! equal. Within a class matchit returns the first matching pattern in the order "from the left,
//! literal before parameter"; the others that can match when this one does are stored with it,
//! split into those that always do and those that must be compared. The reference evaluator in
//! `tests/reference` guards all this.

use crate::policy::pattern::{Pattern, Segment};
use crate::policy::target::Target;
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

/// Entries of overlap lists that an index may have. Patterns that overlap pairwise without order
/// (`/a1/{x}`…, `/{x}/b1`…, thousands of both) would need more; such a policy is refused.
pub const MAX_OVERLAPS: usize = 4_000_000;

/// Index of a shape: a pattern without its parameters' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShapeId(pub u32);

/// The shapes that match one path, unordered.
pub type Matches = SmallVec<[ShapeId; 24]>;

/// All patterns of a policy, for looking up paths.
#[derive(Debug)]
pub struct PathIndex {
    shapes: Vec<Shape>,
    exact: matchit::Router<ShapeId>,
    subtrees: Vec<SubtreeClass>,
}

/// The subtrees with this many segments before `/**`.
#[derive(Debug)]
struct SubtreeClass {
    depth: usize,
    prefixes: matchit::Router<ShapeId>,
    /// `/**` itself, which has no prefix to look up.
    root: Option<ShapeId>,
}

#[derive(Debug)]
struct Shape {
    pattern: Pattern,
    /// Place in the order of specificity; lower is more specific.
    rank: u32,
    /// Shapes of the same class that match whenever this one does.
    always: Box<[ShapeId]>,
    /// Shapes of the same class that may match when this one does.
    check: Box<[ShapeId]>,
}

/// Collects patterns; equal shapes share an id.
#[derive(Debug, Default)]
pub struct PathIndexBuilder {
    patterns: Vec<Pattern>,
    ids: HashMap<String, ShapeId>,
}

/// More overlaps than [`MAX_OVERLAPS`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path patterns overlap in more than {MAX_OVERLAPS} ways")]
pub struct TooManyOverlaps;

impl PathIndexBuilder {
    /// Adds a pattern and returns the id of its shape.
    pub fn add(&mut self, pattern: &Pattern) -> ShapeId {
        let patterns = &mut self.patterns;
        *self.ids.entry(shape_text(pattern)).or_insert_with(|| {
            patterns.push(pattern.clone());
            ShapeId(u32::try_from(patterns.len() - 1).expect("fewer than 2^32 patterns"))
        })
    }

    /// How many shapes there are.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Builds the routers and the overlap lists.
    pub fn build(self) -> Result<PathIndex, TooManyOverlaps> {
        let ranks = ranks(&self.patterns);
        let overlaps = overlaps(&self.patterns)?;
        let mut index =
            PathIndex { shapes: Vec::new(), exact: matchit::Router::new(), subtrees: Vec::new() };
        for (at, pattern) in self.patterns.iter().enumerate() {
            index.route(pattern, ShapeId(at as u32));
        }
        index.subtrees.sort_by_key(|class| std::cmp::Reverse(class.depth));
        index.shapes = self
            .patterns
            .into_iter()
            .zip(ranks)
            .zip(overlaps)
            .map(|((pattern, rank), (always, check))| Shape { pattern, rank, always, check })
            .collect();
        Ok(index)
    }
}

impl PathIndex {
    /// Every shape that matches the path.
    pub fn matches(&self, target: &Target) -> Matches {
        let mut found = Matches::new();
        if let Ok(hit) = self.exact.at(target.path()) {
            self.collect(*hit.value, target, &mut found);
        }
        for class in &self.subtrees {
            if let Some(hit) = class.at(target) {
                self.collect(hit, target, &mut found);
            }
        }
        found
    }

    /// Place of a shape in the order of specificity: among shapes that match one path, the lowest
    /// is the most specific.
    pub fn rank(&self, shape: ShapeId) -> u32 {
        self.shapes[shape.0 as usize].rank
    }

    /// How many shapes there are.
    pub fn len(&self) -> usize {
        self.shapes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    fn collect(&self, hit: ShapeId, target: &Target, found: &mut Matches) {
        let shape = &self.shapes[hit.0 as usize];
        found.push(hit);
        // Most have none, and an empty list costs as much to add as a short one.
        if !shape.always.is_empty() {
            found.extend_from_slice(&shape.always);
        }
        for id in &shape.check {
            if self.shapes[id.0 as usize].pattern.matches(target) {
                found.push(*id);
            }
        }
    }

    fn route(&mut self, pattern: &Pattern, id: ShapeId) {
        let router = match pattern.is_subtree() {
            false => &mut self.exact,
            true => {
                let class = self.class(pattern.segments().len());
                if class.depth == 0 {
                    class.root = Some(id);
                    return;
                }
                &mut class.prefixes
            }
        };
        let path = router_path(pattern);
        router.insert(path, id).expect("shapes of one class never conflict");
    }

    fn class(&mut self, depth: usize) -> &mut SubtreeClass {
        let at = self.subtrees.iter().position(|class| class.depth == depth).unwrap_or_else(|| {
            self.subtrees.push(SubtreeClass {
                depth,
                prefixes: matchit::Router::new(),
                root: None,
            });
            self.subtrees.len() - 1
        });
        &mut self.subtrees[at]
    }
}

impl SubtreeClass {
    fn at(&self, target: &Target) -> Option<ShapeId> {
        if self.depth == 0 {
            return self.root;
        }
        if target.len() < self.depth {
            return None;
        }
        self.prefixes.at(target.prefix(self.depth)).ok().map(|hit| *hit.value)
    }
}

/// The pattern as matchit is given it, parameters named by position.
fn router_path(pattern: &Pattern) -> String {
    let mut path = String::new();
    for (at, segment) in pattern.segments().iter().enumerate() {
        path.push('/');
        match segment {
            Segment::Literal(text) => path.push_str(text),
            Segment::Param(_) => path.push_str(&format!("{{p{at}}}")),
        }
    }
    path
}

/// A text that two patterns share exactly if they have the same shape.
pub(super) fn shape_text(pattern: &Pattern) -> String {
    let mut text = router_path(pattern);
    if pattern.is_subtree() {
        text.push_str("/**");
    }
    text
}

fn ranks(patterns: &[Pattern]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..patterns.len()).collect();
    order.sort_by(|a, b| patterns[*a].specificity(&patterns[*b]));
    let mut ranks = vec![0; patterns.len()];
    for (rank, at) in order.into_iter().enumerate() {
        ranks[at] = rank as u32;
    }
    ranks
}

type Lists = (Box<[ShapeId]>, Box<[ShapeId]>);

/// For each pattern, the less specific ones of its class that unify with it.
fn overlaps(patterns: &[Pattern]) -> Result<Vec<Lists>, TooManyOverlaps> {
    let mut classes: HashMap<(bool, usize), Trie> = HashMap::new();
    for (at, pattern) in patterns.iter().enumerate() {
        let class = (pattern.is_subtree(), pattern.segments().len());
        classes.entry(class).or_default().insert(pattern.segments(), ShapeId(at as u32));
    }
    let mut left = MAX_OVERLAPS;
    let mut lists = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        let class = (pattern.is_subtree(), pattern.segments().len());
        let mut found = Vec::new();
        classes[&class].less_specific(pattern.segments(), Ordering::Equal, &mut found, left)?;
        left -= found.len();
        let covers = |id: &ShapeId| patterns[id.0 as usize].covers(pattern);
        let (always, check): (Vec<_>, Vec<_>) = found.into_iter().partition(covers);
        lists.push((always.into(), check.into()));
    }
    Ok(lists)
}

/// The shapes of one class by segment, to find those that unify without comparing all pairs.
#[derive(Debug, Default)]
struct Trie {
    literals: HashMap<Arc<str>, Trie>,
    param: Option<Box<Trie>>,
    end: Option<ShapeId>,
}

impl Trie {
    fn insert(&mut self, segments: &[Segment], id: ShapeId) {
        match segments {
            [] => self.end = Some(id),
            [Segment::Literal(text), rest @ ..] => {
                self.literals.entry(text.clone()).or_default().insert(rest, id);
            }
            [Segment::Param(_), rest @ ..] => self.param.get_or_insert_default().insert(rest, id),
        }
    }

    /// Walks along everything that unifies. `order` is how what was walked compares: as long as it
    /// is `Equal`, a literal here where the pattern has a parameter would be more specific, and
    /// matchit would have returned that one.
    fn less_specific(
        &self,
        segments: &[Segment],
        order: Ordering,
        found: &mut Vec<ShapeId>,
        limit: usize,
    ) -> Result<(), TooManyOverlaps> {
        let Some((segment, rest)) = segments.split_first() else {
            if order == Ordering::Less {
                found.extend(self.end);
            }
            return if found.len() > limit { Err(TooManyOverlaps) } else { Ok(()) };
        };
        match segment {
            Segment::Literal(text) => {
                if let Some(next) = self.literals.get(text) {
                    next.less_specific(rest, order, found, limit)?;
                }
                if let Some(next) = self.param.as_ref().filter(|_| !text.is_empty()) {
                    next.less_specific(rest, Ordering::Less, found, limit)?;
                }
            }
            Segment::Param(_) => {
                if let Some(next) = &self.param {
                    next.less_specific(rest, order, found, limit)?;
                }
                if order == Ordering::Less {
                    for (text, next) in &self.literals {
                        if !text.is_empty() {
                            next.less_specific(rest, order, found, limit)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::target::MAX_TARGET;
    use proptest::prelude::*;

    fn index(patterns: &[&str]) -> (PathIndex, Vec<Pattern>) {
        let patterns: Vec<_> = patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        let mut builder = PathIndexBuilder::default();
        patterns.iter().for_each(|pattern| {
            builder.add(pattern);
        });
        (builder.build().unwrap(), patterns)
    }

    fn found(index: &PathIndex, path: &str) -> Vec<String> {
        let target = Target::parse(path, MAX_TARGET).unwrap();
        let mut ids = index.matches(&target).to_vec();
        ids.sort_by_key(|id| index.rank(*id));
        ids.iter().map(|id| index.shapes[id.0 as usize].pattern.to_string()).collect()
    }

    #[test]
    fn a_special_pattern_does_not_hide_a_general_one() {
        let (index, _) =
            index(&["/users/{id}", "/users/me", "/users/**", "/**", "/{a}/{b}", "/{a}/me", "/x"]);
        let all = ["/users/me", "/users/{id}", "/users/**", "/{a}/me", "/{a}/{b}", "/**"];
        assert_eq!(found(&index, "/users/me"), all);
        assert_eq!(found(&index, "/users/1"), ["/users/{id}", "/users/**", "/{a}/{b}", "/**"]);
        assert_eq!(found(&index, "/"), ["/**"]);
    }

    #[test]
    fn patterns_that_cross_are_compared() {
        let (index, _) = index(&["/a/{x}/c", "/a/b/{y}", "/{z}/b/c"]);
        assert_eq!(found(&index, "/a/b/c"), ["/a/b/{y}", "/a/{x}/c", "/{z}/b/c"]);
        assert_eq!(found(&index, "/a/b/d"), ["/a/b/{y}"]);
        assert_eq!(found(&index, "/a/d/c"), ["/a/{x}/c"]);
    }

    #[test]
    fn names_of_parameters_do_not_matter() {
        let mut builder = PathIndexBuilder::default();
        let one = builder.add(&Pattern::parse("/orgs/{org}/x").unwrap());
        let other = builder.add(&Pattern::parse("/orgs/{id}/x").unwrap());
        assert_eq!(one, other);
        assert_ne!(one, builder.add(&Pattern::parse("/orgs/{id}/x/**").unwrap()));
    }

    #[test]
    fn a_policy_whose_patterns_all_cross_is_refused_not_slow() {
        let mut builder = PathIndexBuilder::default();
        for n in 0..2_100 {
            builder.add(&Pattern::parse(&format!("/a{n}/{{x}}")).unwrap());
            builder.add(&Pattern::parse(&format!("/{{x}}/b{n}")).unwrap());
        }
        assert_eq!(builder.build().err(), Some(TooManyOverlaps));
    }

    fn any_pattern() -> impl Strategy<Value = String> {
        let segment = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("{x}")];
        (prop::collection::vec(segment, 0..4), any::<bool>()).prop_map(|(segments, subtree)| {
            let named = segments.iter().enumerate().map(|(at, segment)| match *segment {
                "{x}" => format!("/{{x{at}}}"),
                text => format!("/{text}"),
            });
            let path: String = named.collect();
            match (path.is_empty(), subtree) {
                (true, false) => "/".into(),
                (_, true) => path + "/**",
                (false, false) => path,
            }
        })
    }

    fn any_path() -> impl Strategy<Value = String> {
        let segment = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("c")];
        (prop::collection::vec(segment, 0..5), any::<bool>()).prop_map(|(segments, slash)| {
            let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
            if path.is_empty() || slash { path + "/" } else { path }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_match_is_found_once(
            texts in prop::collection::vec(any_pattern(), 1..12),
            path in any_path(),
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let (index, patterns) = index(&texts);
            let target = Target::parse(&path, MAX_TARGET).unwrap();
            let mut expected: Vec<String> =
                patterns.iter().filter(|p| p.matches(&target)).map(shape_text).collect();
            expected.sort();
            expected.dedup();
            let mut actual: Vec<String> = index
                .matches(&target)
                .iter()
                .map(|id| shape_text(&index.shapes[id.0 as usize].pattern))
                .collect();
            actual.sort();
            prop_assert_eq!(actual, expected);
        }
    }
}
