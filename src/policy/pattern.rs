//! Path patterns: literal segments, `{name}` for one non-empty segment, and a trailing `/**` for
//! a node and its whole subtree. Exact otherwise: `/john` never matches `/johnny`.

use crate::policy::target::{MAX_SEGMENTS, Target};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// matchit panics beyond this many parameters, so patterns with more are refused.
pub const MAX_PARAMS: usize = 25;

/// A checked pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Arc<str>,
    segments: Vec<Segment>,
    subtree: bool,
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This text, decoded. Only the last segment of an exact pattern may be empty (`/a/`).
    Literal(Arc<str>),
    /// Any one non-empty segment, captured under this name.
    Param(Arc<str>),
}

/// Why a text is no pattern; shown to the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("a path pattern starts with `/`")]
    NoSlash,
    #[error("a path pattern has no empty segment (`//`)")]
    EmptySegment,
    #[error("`*` stands only in a trailing `/**`")]
    Star,
    #[error("a parameter is a whole segment: `{{name}}`, of letters, digits and `_`")]
    Param,
    #[error("the parameter `{{{0}}}` stands twice")]
    Twice(String),
    #[error("`.` and `..` are no segments: requests that have them are refused")]
    Dots,
    #[error("a pattern is written decoded: no percent escapes")]
    Escaped,
    #[error("a pattern has no `{0}`")]
    Character(char),
    #[error("a pattern has at most {MAX_PARAMS} parameters")]
    TooManyParams,
    #[error("a pattern has at most {MAX_SEGMENTS} segments")]
    TooManySegments,
}

impl Pattern {
    /// Reads a pattern as typed.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let rest = text.strip_prefix('/').ok_or(PatternError::NoSlash)?;
        let (rest, subtree) = match rest {
            "**" => (None, true),
            _ => match rest.strip_suffix("/**") {
                Some(node) => (Some(node), true),
                None => (Some(rest), false),
            },
        };
        let mut pattern = Pattern { text: text.into(), segments: Vec::new(), subtree };
        let parts: Vec<&str> = rest.map(|rest| rest.split('/').collect()).unwrap_or_default();
        for (at, part) in parts.iter().enumerate() {
            let may_be_empty = !subtree && at + 1 == parts.len();
            pattern.push(part, may_be_empty)?;
        }
        Ok(pattern)
    }

    fn push(&mut self, part: &str, may_be_empty: bool) -> Result<(), PatternError> {
        if part.is_empty() && !may_be_empty {
            return Err(PatternError::EmptySegment);
        }
        let segment = segment(part)?;
        if let Segment::Param(name) = &segment {
            if self.param(name).is_some() {
                return Err(PatternError::Twice(name.to_string()));
            }
            if self.segments.iter().filter(|s| matches!(s, Segment::Param(_))).count() == MAX_PARAMS
            {
                return Err(PatternError::TooManyParams);
            }
        }
        if self.segments.len() == MAX_SEGMENTS {
            return Err(PatternError::TooManySegments);
        }
        self.segments.push(segment);
        Ok(())
    }

    /// As typed.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The segments before a `/**`, or all.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether the pattern ends in `/**`.
    pub fn is_subtree(&self) -> bool {
        self.subtree
    }

    /// The position of the segment that captures this name.
    pub fn param(&self, name: &str) -> Option<usize> {
        self.segments
            .iter()
            .position(|segment| matches!(segment, Segment::Param(n) if **n == *name))
    }

    /// Whether this pattern matches a path.
    pub fn matches(&self, target: &Target) -> bool {
        let long_enough = match self.subtree {
            true => target.len() >= self.segments.len(),
            false => target.len() == self.segments.len(),
        };
        long_enough
            && self.segments.iter().enumerate().all(|(at, segment)| match segment {
                Segment::Literal(text) => **text == *target.segment(at),
                Segment::Param(_) => !target.segment(at).is_empty(),
            })
    }

    /// Whether some path matches both patterns.
    pub fn unifies(&self, other: &Pattern) -> bool {
        let (a, b) = (&self.segments, &other.segments);
        let lengths = match (self.subtree, other.subtree) {
            (false, false) => a.len() == b.len(),
            (false, true) => a.len() >= b.len(),
            (true, false) => a.len() <= b.len(),
            (true, true) => true,
        };
        lengths && a.iter().zip(b).all(|(a, b)| a.unifies(b))
    }

    /// The pattern of the paths that match both, if there are any.
    pub fn meet(&self, other: &Pattern) -> Option<Pattern> {
        if !self.unifies(other) {
            return None;
        }
        let (long, short) = match self.segments.len() >= other.segments.len() {
            true => (self, other),
            false => (other, self),
        };
        let mut segments = long.segments.clone();
        for (segment, beside) in segments.iter_mut().zip(&short.segments) {
            if let Segment::Literal(_) = beside {
                *segment = beside.clone();
            }
        }
        let subtree = self.subtree && other.subtree;
        let mut text: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        text.push_str(if subtree { "/**" } else { "" });
        Some(Pattern { text: text.into(), segments, subtree })
    }

    /// Whether every path that `other` matches is matched by this pattern too.
    pub fn covers(&self, other: &Pattern) -> bool {
        let lengths = match (self.subtree, other.subtree) {
            (true, _) => self.segments.len() <= other.segments.len(),
            (false, false) => self.segments.len() == other.segments.len(),
            (false, true) => false,
        };
        lengths && self.segments.iter().zip(&other.segments).all(|(a, b)| a.covers(b))
    }

    /// Order of specificity among patterns that match one path: from the left, a literal before a
    /// parameter before `/**`. `Less` is more specific; `Equal` means the same shape.
    pub fn specificity(&self, other: &Pattern) -> Ordering {
        self.kinds().cmp(other.kinds())
    }

    fn kinds(&self) -> impl Iterator<Item = u8> {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Param(_) => 1,
        });
        segments.chain(self.subtree.then_some(2))
    }
}

impl Segment {
    fn unifies(&self, other: &Segment) -> bool {
        match (self, other) {
            (Segment::Literal(a), Segment::Literal(b)) => a == b,
            (Segment::Literal(text), Segment::Param(_))
            | (Segment::Param(_), Segment::Literal(text)) => !text.is_empty(),
            (Segment::Param(_), Segment::Param(_)) => true,
        }
    }

    fn covers(&self, other: &Segment) -> bool {
        match (self, other) {
            (Segment::Literal(a), Segment::Literal(b)) => a == b,
            (Segment::Literal(_), Segment::Param(_)) => false,
            (Segment::Param(_), Segment::Literal(text)) => !text.is_empty(),
            (Segment::Param(_), Segment::Param(_)) => true,
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Segment::Literal(text) => f.write_str(text),
            Segment::Param(name) => write!(f, "{{{name}}}"),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn segment(part: &str) -> Result<Segment, PatternError> {
    if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        return match is_name(name) {
            true => Ok(Segment::Param(name.into())),
            false => Err(PatternError::Param),
        };
    }
    if part.contains(['{', '}']) {
        return Err(PatternError::Param);
    }
    if part.contains('*') {
        return Err(PatternError::Star);
    }
    if part == "." || part == ".." {
        return Err(PatternError::Dots);
    }
    let is_escape = |at: usize| {
        let digits = part.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if part.match_indices('%').any(|(at, _)| is_escape(at)) {
        return Err(PatternError::Escaped);
    }
    match part.chars().find(|c| matches!(c, '?' | '#' | '\\') || c.is_control()) {
        Some(c) => Err(PatternError::Character(c)),
        None => Ok(Segment::Literal(part.into())),
    }
}

/// Whether a text can name what a pattern captures.
pub(super) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::target::MAX_TARGET;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).expect(text)
    }

    #[track_caller]
    fn matches(text: &str, path: &str) -> bool {
        pattern(text).matches(&Target::parse(path, MAX_TARGET).expect(path))
    }

    #[test]
    fn patterns_are_exact() {
        assert!(matches("/john", "/john"));
        assert!(!matches("/john", "/johnny"));
        assert!(!matches("/john", "/john/"));
        assert!(!matches("/thngs", "/thngs/1"));
        assert!(matches("/", "/"));
        assert!(!matches("/", "/a"));
        assert!(matches("/a/", "/a/"));
    }

    #[test]
    fn what_two_patterns_match_is_a_pattern() {
        let meet = |a: &str, b: &str| {
            let both = [pattern(a).meet(&pattern(b)), pattern(b).meet(&pattern(a))];
            let [one, other] = both.map(|both| both.map(|both| both.to_string()));
            assert_eq!(one.is_some(), other.is_some());
            one
        };
        for (a, b, both) in [
            ("/a/**", "/{x}/b", Some("/a/b")),
            ("/a/**", "/{x}/**", Some("/a/**")),
            ("/**", "/a/", Some("/a/")),
            ("/**", "/**", Some("/**")),
            ("/{x}/b", "/a/{y}", Some("/a/b")),
            ("/a", "/b", None),
            ("/a/b", "/a", None),
            ("/a/", "/a/{x}", None),
        ] {
            assert_eq!(meet(a, b).as_deref(), both, "{a} {b}");
        }
        let both = pattern("/a/**").meet(&pattern("/{x}/{y}")).expect("both");
        assert!(both.matches(&Target::parse("/a/b", MAX_TARGET).expect("a path")));
        assert!(!both.is_subtree());
    }

    #[test]
    fn a_parameter_is_one_segment_that_is_not_empty() {
        assert!(matches("/u/{id}", "/u/1"));
        assert!(!matches("/u/{id}", "/u/"));
        assert!(!matches("/u/{id}", "/u/1/2"));
        assert!(!matches("/{x}", "/"));
    }

    #[test]
    fn a_subtree_is_its_node_and_everything_below() {
        for path in ["/u", "/u/", "/u/1", "/u/1/2"] {
            assert!(matches("/u/**", path), "{path}");
            assert!(matches("/**", path), "{path}");
        }
        assert!(!matches("/u/**", "/us"));
        assert!(!matches("/u/{id}/**", "/u/"));
        assert!(matches("/u/{id}/**", "/u/1"));
        assert!(matches("/**", "/"));
    }

    #[test]
    fn unifying_is_having_a_path_in_common() {
        for (a, b, both) in [
            ("/users/me", "/users/{id}", true),
            ("/users/me", "/users/**", true),
            ("/a/{x}/c", "/a/b/{y}", true),
            ("/a/{x}/c", "/a/b/d", false),
            ("/a/**", "/{x}/b", true),
            ("/a/b/**", "/{x}/**", true),
            ("/a/b/**", "/a", false),
            ("/{x}", "/", false),
        ] {
            assert_eq!(pattern(a).unifies(&pattern(b)), both, "{a} {b}");
            assert_eq!(pattern(b).unifies(&pattern(a)), both, "{b} {a}");
        }
    }

    #[test]
    fn covering_is_matching_all_that_the_other_matches() {
        for (a, b, covers) in [
            ("/users/{id}", "/users/me", true),
            ("/users/me", "/users/{id}", false),
            ("/**", "/", true),
            ("/a/**", "/a", true),
            ("/a", "/a/**", false),
            ("/a/{x}/**", "/a/b/c/**", true),
            ("/a/{x}", "/a/b/**", false),
            ("/{x}", "/", false),
        ] {
            assert_eq!(pattern(a).covers(&pattern(b)), covers, "{a} {b}");
        }
    }

    #[test]
    fn the_most_specific_wins_from_the_left() {
        for (more, less) in [
            ("/a/b", "/a/{x}"),
            ("/a/{x}", "/a/**"),
            ("/a/b/**", "/a/{x}/c"),
            ("/a", "/a/**"),
            ("/a/{x}/**", "/{y}/b/c"),
            ("/{x}/**", "/**"),
        ] {
            assert_eq!(pattern(more).specificity(&pattern(less)), Ordering::Less, "{more} {less}");
            assert_eq!(pattern(less).specificity(&pattern(more)), Ordering::Greater);
        }
    }

    #[test]
    fn what_is_no_pattern() {
        for (text, error) in [
            ("a", PatternError::NoSlash),
            ("", PatternError::NoSlash),
            ("/a//b", PatternError::EmptySegment),
            ("//**", PatternError::EmptySegment),
            ("/a/*", PatternError::Star),
            ("/**/a", PatternError::Star),
            ("/a**", PatternError::Star),
            ("/{*rest}", PatternError::Param),
            ("/{}", PatternError::Param),
            ("/{a}b", PatternError::Param),
            ("/v{a}", PatternError::Param),
            ("/{a}/{a}", PatternError::Twice("a".into())),
            ("/../a", PatternError::Dots),
            ("/%61", PatternError::Escaped),
            ("/a?b", PatternError::Character('?')),
            ("/a\u{7f}", PatternError::Character('\u{7f}')),
        ] {
            assert_eq!(Pattern::parse(text).expect_err(text), error, "{text}");
        }
    }

    #[test]
    fn limits_hold_at_one_below_at_and_one_above() {
        let params = |n: usize| (0..n).map(|i| format!("/{{p{i}}}")).collect::<String>();
        assert!(Pattern::parse(&params(MAX_PARAMS - 1)).is_ok());
        assert!(Pattern::parse(&params(MAX_PARAMS)).is_ok());
        assert_eq!(Pattern::parse(&params(MAX_PARAMS + 1)), Err(PatternError::TooManyParams));
        assert!(Pattern::parse(&"/a".repeat(MAX_SEGMENTS)).is_ok());
        let deep = "/a".repeat(MAX_SEGMENTS + 1);
        assert_eq!(Pattern::parse(&deep), Err(PatternError::TooManySegments));
    }
}
