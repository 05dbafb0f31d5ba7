//! What a key of a policy can hold, as an editor is told.

use super::Shape;

/// A key of a mapping.
#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    /// A mapping without it is refused.
    pub required: bool,
    pub kind: Kind,
    /// Shown beside the key by editors.
    pub about: &'static str,
}

/// What a key holds.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    /// A text that is not empty.
    Id,
    /// A text that this regular expression (ECMA-262) matches.
    Matching(&'static str),
    /// RFC 3339.
    Time,
    Flag,
    /// Bytes, as a number or with a unit.
    Size,
    /// A whole number from the one to the other.
    Whole(u64, u64),
    /// A number from 1, or `many`.
    Count,
    /// The language's version.
    Version,
    /// One of these.
    Word(&'static [&'static str]),
    /// One of these, or a list of them.
    Words(&'static [&'static str]),
    Texts,
    TextOrTexts,
    /// A text or a mapping, or a list of such.
    TextOrOne(&'static Shape),
    One(&'static Shape),
    Many(&'static Shape),
    /// A list of ids and mappings.
    ManyOrId(&'static Shape),
    /// Names and texts, numbers or booleans.
    Claims,
    /// Applications and lists of roles.
    RolesByApp,
    /// Methods and a letter for each.
    Verbs,
    /// A text, a number or a boolean, or a list of them.
    Values,
    /// Selectors, and values for each.
    When,
    /// JSON Schema.
    Schema,
    /// `remove`, or `null`, which YAML reads as nothing where it has no quotes.
    Redact,
}
