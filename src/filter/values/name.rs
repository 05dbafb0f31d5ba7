//! Names of members by a regular expression (`patternProperties`).

use super::rule::{RuleFault, options};
use super::tree::{Exact, Tree};
use jsonschema::Validator;
use serde_json::json;
use std::borrow::Cow;
use std::sync::Arc;

/// A regular expression over names, matched as `pattern` is: anywhere in the name, in linear time.
#[derive(Clone)]
pub struct NamePattern {
    source: Arc<str>,
    matcher: Arc<Validator<Exact>>,
}

impl NamePattern {
    /// Compiles an expression of ECMA-262 without look-around and back-references.
    pub fn new(source: &str) -> Result<NamePattern, RuleFault> {
        let built = options(false).build(&json!({"pattern": source}));
        let matcher = built.map_err(|error| RuleFault::of(&error))?;
        Ok(NamePattern { source: source.into(), matcher: Arc::new(matcher) })
    }

    /// As it was written.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.is_valid(&Tree::Text(Cow::Borrowed(name)))
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &NamePattern) -> bool {
        self.source == other.source
    }
}

impl Eq for NamePattern {}

impl std::fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NamePattern({})", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_anywhere_unless_anchored() {
        let matches = |source: &str, name: &str| NamePattern::new(source).unwrap().matches(name);
        assert!(matches("^x-", "x-a") && !matches("^x-", "ax-a"));
        assert!(matches("sn", "ssn") && matches("", "anything") && matches("^$", ""));
        assert!(NamePattern::new("(").is_err() && NamePattern::new("(?=a)").is_err());
        assert_eq!(NamePattern::new("a").unwrap(), NamePattern::new("a").unwrap());
    }
}
