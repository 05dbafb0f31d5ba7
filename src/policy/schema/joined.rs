//! Keywords that join schemas: `$ref`, `allOf`, and those with branches.
//!
//! What is joined must all pass, so its masks intersect. Of branches one or more apply, which ones
//! hangs on values; a mask cannot wait for that, so every branch must show the same fields.

use super::masks::{Compiler, Pair};
use super::named;
use crate::diag::{Code, Diagnostic};
use crate::filter::algebra::{intersect, union};
use crate::filter::alike;
use crate::filter::mask::Mask;
use crate::policy::node::{Node, NodeKind};

pub(super) type Masks = (Mask, Mask);

/// Compiles a schema with everything that is joined to it.
pub(super) fn schema<'n>(
    compiler: &mut Compiler<'n, '_>,
    node: &'n Node<'n>,
    depth: usize,
) -> Pair {
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| node.get(keyword).is_some());
    match node.get("$ref") {
        Some(target) if !has(OWN) && !has(JOINING) => compiler.reference(target, depth),
        None if !has(JOINING) => compiler.plain(node, depth),
        _ => all(compiler, node, depth),
    }
}

/// Keywords that describe fields here.
const OWN: &[&str] =
    &["type", "properties", "patternProperties", "additionalProperties", "items", "prefixItems"];

const JOINING: &[&str] = &["allOf", "anyOf", "oneOf", "if", "dependentSchemas"];

fn all<'n>(compiler: &mut Compiler<'n, '_>, node: &'n Node<'n>, depth: usize) -> Pair {
    let mut sum = compiler.isolated(|part| part.plain(node, depth));
    if let Some(target) = node.get("$ref") {
        sum = both(&sum, &compiler.isolated(|part| part.reference(target, depth)));
    }
    for part in schemas(compiler, node, "allOf") {
        sum = both(&sum, &compiler.isolated(|inner| inner.schema(part, depth + 1)));
    }
    for keyword in ["anyOf", "oneOf"] {
        let mut branches = Vec::new();
        for branch in schemas(compiler, node, keyword) {
            branches.push(compiler.isolated(|inner| inner.schema(branch, depth + 1)));
        }
        sum = one_of(compiler, sum, &branches, node, keyword);
    }
    if node.get("if").is_some() {
        let branches = ["then", "else"].map(|keyword| match node.get(keyword) {
            Some(branch) => compiler.isolated(|inner| inner.schema(branch, depth + 1)),
            None => (Mask::show(), Mask::show()),
        });
        sum = one_of(compiler, sum, &branches, node, "if");
    }
    // Each applies to objects that have its property, and so to some.
    for (_, part) in named::entries(compiler, node, "dependentSchemas") {
        let applies = compiler.isolated(|inner| inner.schema(part, depth + 1));
        let branches = [applies, (Mask::show(), Mask::show())];
        sum = one_of(compiler, sum, &branches, node, "dependentSchemas");
    }
    (compiler.read.graft(&sum.0), compiler.write.graft(&sum.1))
}

/// What both let pass.
pub(super) fn both(a: &Masks, b: &Masks) -> Masks {
    (intersect(&a.0, &b.0), intersect(&a.1, &b.1))
}

/// What is left of `sum` where one of the branches applies.
fn one_of(
    compiler: &mut Compiler<'_, '_>,
    sum: Masks,
    branches: &[Masks],
    node: &Node,
    keyword: &str,
) -> Masks {
    let mut branches = branches.iter().map(|branch| both(&sum, branch));
    let Some(first) = branches.next() else { return sum };
    let mut joined = first.clone();
    for branch in branches {
        let differ = alike::differ(&first.0, &branch.0).or(alike::differ(&first.1, &branch.1));
        if let Some(place) = differ {
            compiler.report.push(ambiguous(node, keyword, &place));
            return sum;
        }
        joined = (union(&joined.0, &branch.0), union(&joined.1, &branch.1));
    }
    joined
}

fn ambiguous(node: &Node, keyword: &str, place: &str) -> Diagnostic {
    let entries = match &node.kind {
        NodeKind::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    let name = entries.iter().find(|(name, _)| name.value == keyword);
    let span = name.map_or(node.span, |(name, _)| name.span);
    let message = format!("the branches of `{keyword}` show different fields: {place}");
    Diagnostic::error(Code::SchemaValid, span, message).help(
        "write `properties` and `additionalProperties` once beside it, the same for every branch, \
         and leave to the branches what judges values (`required`, `const`, …, with \
         `additionalProperties: true`); or split it: one schema, with a resource type of its own, \
         for each branch",
    )
}

/// The schemas of a list.
fn schemas<'n>(
    compiler: &mut Compiler<'_, '_>,
    node: &'n Node<'n>,
    keyword: &str,
) -> &'n [Node<'n>] {
    let Some(list) = node.get(keyword) else { return &[] };
    match &list.kind {
        NodeKind::List(schemas) if !schemas.is_empty() => schemas,
        _ => {
            compiler.invalid(list, format!("`{keyword}` is a list of schemas, at least one"));
            &[]
        }
    }
}
