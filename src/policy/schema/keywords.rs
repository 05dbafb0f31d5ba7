//! The keywords of JSON Schema 2020-12, by what becomes of them here.

use crate::diag::{Code, Diagnostic, Report, suggestion};
use crate::filter::mask::Types;
use crate::policy::node::{Node, NodeKind};
use crate::source::Spanned;
use std::borrow::Cow;

/// The names of types.
pub(in crate::policy) const TYPES: &[(&str, Types)] = &[
    ("object", Types::OBJECT),
    ("array", Types::ARRAY),
    ("string", Types::STRING),
    ("number", Types::NUMBER.or(Types::INTEGER)),
    ("integer", Types::INTEGER),
    ("boolean", Types::BOOLEAN),
    ("null", Types::NULL),
];

/// They say which fields there are, so masks are made of them.
pub(in crate::policy) const FIELDS: &[&str] = &[
    "type",
    "properties",
    "patternProperties",
    "additionalProperties",
    "items",
    "prefixItems",
    "readOnly",
    "writeOnly",
    "$ref",
    "$defs",
    "allOf",
];

/// They judge values, and fields in each of their branches.
pub(in crate::policy) const BRANCHES: &[&str] =
    &["anyOf", "oneOf", "if", "then", "else", "dependentSchemas"];

/// They judge values alone.
pub(in crate::policy) const VALUES: &[&str] = &[
    "const",
    "contains",
    "dependentRequired",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "pattern",
    "propertyNames",
    "required",
    "uniqueItems",
];

/// Notes for people and tools.
pub(in crate::policy) const ANNOTATIONS: &[&str] =
    &["title", "description", "default", "examples", "deprecated", "format", "$comment", "$schema"];

const NOT_ENFORCED: &[&str] = &[
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$vocabulary",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Keys of the schema's entity that are easily taken for keywords.
const BESIDE_BODY: &[&str] = &["formats"];

/// Reports the keywords of one schema that there are not, or that are not enforced. The answer is
/// whether one of them judges values; `formats` says whether `format` does.
pub(super) fn check(node: &Node, formats: bool, report: &mut Report) -> bool {
    let NodeKind::Map(entries) = &node.kind else { return false };
    let mut judges = false;
    for (keyword, _) in entries {
        let name = &*keyword.value;
        judges |= VALUES.contains(&name) || BRANCHES.contains(&name) || formats && name == "format";
        if !known().any(|known| known == name) {
            report.push(unknown(keyword));
        }
    }
    judges
}

fn known() -> impl Iterator<Item = &'static str> + Clone {
    [FIELDS, BRANCHES, VALUES, ANNOTATIONS].into_iter().flatten().copied()
}

fn unknown(keyword: &Spanned<Cow<'_, str>>) -> Diagnostic {
    let name = &*keyword.value;
    if NOT_ENFORCED.contains(&name) {
        let message = format!("the keyword `{name}` is not enforced by this version");
        return Diagnostic::error(Code::NotEnforced, keyword.span, message)
            .help("take it out: a policy that relied on it is refused, never half obeyed");
    }
    let message = format!("JSON Schema has no keyword `{name}`");
    let problem = Diagnostic::error(Code::SchemaValid, keyword.span, message);
    if BESIDE_BODY.contains(&name) {
        return problem.help(format!("`{name}` is a key of the schema: write it beside `body`"));
    }
    match suggestion(name, known().chain(NOT_ENFORCED.iter().copied())) {
        Some(near) => problem.help(near),
        None => problem,
    }
}
