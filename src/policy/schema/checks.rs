//! What is checked of every schema, wherever it stands: its keywords, and that it says what happens
//! to properties that it does not name.

use super::keywords;
use super::masks::{Compiler, MAX_SCHEMA_DEPTH};
use crate::diag::{Code, Diagnostic};
use crate::policy::node::{Node, NodeKind};
use crate::source::Span;
use std::collections::HashSet;

impl<'n> Compiler<'n, '_> {
    /// Checks the keywords of one schema, and the schemas inside that judge values alone.
    pub(super) fn known(&mut self, node: &'n Node<'n>, depth: usize) {
        self.judges |= keywords::check(node, self.options.formats, self.report);
        self.additional_is_explicit(node);
        for (keyword, needed) in [
            ("then", "if"),
            ("else", "if"),
            ("minContains", "contains"),
            ("maxContains", "contains"),
        ] {
            if let (Some(span), None) = (key(node, keyword), node.get(needed)) {
                let message = format!("`{keyword}` says nothing without `{needed}`");
                self.report.push(
                    Diagnostic::error(Code::SchemaValid, span, message)
                        .help(format!("write `{needed}` beside it, or take `{keyword}` out")),
                );
            }
        }
        if let (Some(span), true) = (key(node, "$defs"), depth > 0) {
            let problem = Diagnostic::error(Code::SchemaValid, span, "`$defs` stands too deep")
                .help("write definitions in `$defs` at the top of the body");
            self.report.push(problem);
        }
        for keyword in ["not", "if", "contains", "propertyNames"] {
            if let Some(schema) = node.get(keyword) {
                self.inspect(schema, depth + 1);
            }
        }
    }

    /// The definitions: their names, and those that nothing refers to.
    pub(super) fn definitions(&mut self) {
        let Some(defs) = self.defs else { return };
        let NodeKind::Map(entries) = &defs.kind else {
            let kind = defs.kind_name();
            return self.invalid(defs, format!("`$defs` is a mapping, not {kind}"));
        };
        for (name, schema) in entries {
            let fits =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            if name.value.is_empty() || !name.value.bytes().all(fits) {
                let message = format!("`{}` is no name of a definition", name.value);
                let problem = Diagnostic::error(Code::SchemaValid, name.span, message)
                    .help("names have letters, digits, `_`, `-` and `.`");
                self.report.push(problem);
            }
            if !self.reached.contains(&*name.value) {
                self.inspect(schema, 1);
            }
        }
    }

    /// A schema that judges values and makes no mask.
    fn inspect(&mut self, node: &'n Node<'n>, depth: usize) {
        if depth > MAX_SCHEMA_DEPTH {
            return self.invalid(node, format!("schemas nest at most {MAX_SCHEMA_DEPTH} deep"));
        }
        match &node.kind {
            NodeKind::Bool(_) => return,
            NodeKind::Map(_) => {}
            _ => return self.no_schema(node),
        }
        self.known(node, depth);
        for keyword in ["readOnly", "writeOnly"] {
            if let Some(span) = key(node, keyword) {
                let message = format!("`{keyword}` says nothing where values alone are judged");
                let problem = Diagnostic::error(Code::SchemaValid, span, message);
                self.report.push(problem.help("write it in `properties`, or take it out"));
            }
        }
        if let Some(target) = node.get("$ref") {
            self.inspect_reference(target);
        }
        for keyword in ["additionalProperties", "items", "then", "else"] {
            if let Some(schema) = node.get(keyword) {
                self.inspect(schema, depth + 1);
            }
        }
        for keyword in ["properties", "patternProperties", "dependentSchemas"] {
            self.inspect_each(node, keyword, depth);
        }
        for keyword in ["prefixItems", "allOf", "anyOf", "oneOf"] {
            if let Some(NodeKind::List(schemas)) = node.get(keyword).map(|list| &list.kind) {
                schemas.iter().for_each(|schema| self.inspect(schema, depth + 1));
            }
        }
    }

    fn inspect_each(&mut self, node: &'n Node<'n>, keyword: &str, depth: usize) {
        if let Some(NodeKind::Map(entries)) = node.get(keyword).map(|node| &node.kind) {
            entries.iter().for_each(|(_, schema)| self.inspect(schema, depth + 1));
        }
    }

    /// Were it to lead back to where it stands, judging would take twice as long for each level of
    /// a body.
    fn inspect_reference(&mut self, node: &'n Node<'n>) {
        let Some((name, _)) = self.target(node) else { return };
        let mut seen = HashSet::new();
        let mut todo = vec![name];
        while let Some(name) = todo.pop() {
            if !seen.insert(name) {
                continue;
            }
            let target = self.defs.and_then(|defs| defs.get(name));
            target.into_iter().for_each(|target| references(target, &mut todo));
        }
        let around: Vec<&str> =
            self.open.iter().copied().filter(|name| seen.contains(name)).collect();
        if let Some(name) = around.first() {
            let message =
                format!("`{name}` leads back to itself through a keyword that judges values");
            let problem = Diagnostic::error(Code::SchemaValid, node.span, message).help(
                "a definition may refer to itself in `properties`, `patternProperties`, \
                 `additionalProperties`, `items` and `prefixItems`, where the reference stands alone",
            );
            self.report.push(problem);
        }
    }

    pub(super) fn no_schema(&mut self, node: &Node) {
        let kind = node.kind_name();
        let message = format!("a schema is a mapping, `true` or `false`, not {kind}");
        let problem = Diagnostic::error(Code::SchemaValid, node.span, message);
        self.report.push(match kind {
            "text" => problem.help("YAML 1.2 reads `yes`, `no`, `on` and `off` as text"),
            _ => problem.help("write `{KEYWORD: …}`, or `true` to show and `false` to hide"),
        });
    }

    fn additional_is_explicit(&mut self, node: &Node) {
        let has = |keyword: &str| node.get(keyword).is_some();
        let speaks_of_objects = has("properties")
            || has("patternProperties")
            || has("required")
            || node.get("type").is_some_and(names_object);
        if speaks_of_objects && !has("additionalProperties") {
            self.report.push(
                Diagnostic::error(
                    Code::SchemaAdditionalExplicit,
                    node.span,
                    "this schema does not say what happens to properties that it does not name",
                )
                .help(
                    "write `additionalProperties: false` to hide them, or \
                     `additionalProperties: true` to show them",
                ),
            );
        }
    }
}

fn names_object(types: &Node) -> bool {
    match &types.kind {
        NodeKind::Text(name) => name == "object",
        NodeKind::List(names) => names.iter().any(names_object),
        _ => false,
    }
}

/// The names of the definitions that a schema refers to, at any depth.
fn references<'n>(node: &'n Node<'n>, into: &mut Vec<&'n str>) {
    match &node.kind {
        NodeKind::List(nodes) => nodes.iter().for_each(|node| references(node, into)),
        NodeKind::Map(entries) => {
            for (name, node) in entries {
                match &node.kind {
                    NodeKind::Text(text) if name.value == "$ref" => {
                        into.extend(text.strip_prefix("#/$defs/"));
                    }
                    _ => references(node, into),
                }
            }
        }
        _ => {}
    }
}

/// Where a keyword stands.
fn key(node: &Node, keyword: &str) -> Option<Span> {
    match &node.kind {
        NodeKind::Map(entries) => {
            entries.iter().find(|(name, _)| name.value == keyword).map(|(name, _)| name.span)
        }
        _ => None,
    }
}
