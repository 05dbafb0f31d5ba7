//! JSON Schema bodies → field masks.
//!
//! For reads a property that is `false`, absent under `additionalProperties: false`, or
//! `writeOnly` is hidden. For writes one that is hidden or `readOnly` may not be sent. Keywords
//! that only validate values are not enforced by this version and refused by name.

use crate::diag::{Code, Diagnostic, Report, did_you_mean};
use crate::filter::mask::{HIDE, Mask, MaskBuilder, Node as MaskNode, NodeId, SHOW, Types};
use crate::policy::node::{Node, NodeKind};
use std::sync::Arc;

/// Schemas nest at most this deep.
pub const MAX_SCHEMA_DEPTH: usize = 64;

/// What one schema says of an object, for both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaMasks {
    /// What is seen.
    pub read: Mask,
    /// What may be sent.
    pub write: Mask,
}

impl SchemaMasks {
    /// A schema that limits nothing.
    pub fn open() -> SchemaMasks {
        SchemaMasks { read: Mask::show(), write: Mask::show() }
    }
}

/// Compiles a schema's body. Problems are pushed; `None` where there were any.
pub fn compile(body: &Node, report: &mut Report) -> Option<SchemaMasks> {
    let before = report.errors();
    let mut compiler = Compiler { read: MaskBuilder::new(), write: MaskBuilder::new(), report };
    let (read, write) = compiler.schema(body, 0);
    if read == HIDE && compiler.report.errors() == before {
        compiler.report.push(
            Diagnostic::error(Code::SchemaValid, body.span, "this schema hides the whole object")
                .help("leave the grant out instead: then the request is refused"),
        );
    }
    if compiler.report.errors() > before {
        return None;
    }
    Some(SchemaMasks { read: compiler.read.finish(read), write: compiler.write.finish(write) })
}

struct Compiler<'a> {
    read: MaskBuilder,
    write: MaskBuilder,
    report: &'a mut Report,
}

/// The nodes of one schema: for reading and for writing.
type Pair = (NodeId, NodeId);

const OPEN: Pair = (SHOW, SHOW);
const CLOSED: Pair = (HIDE, HIDE);

impl Compiler<'_> {
    fn schema(&mut self, node: &Node, depth: usize) -> Pair {
        if depth > MAX_SCHEMA_DEPTH {
            self.invalid(node, format!("schemas nest at most {MAX_SCHEMA_DEPTH} deep"));
            return CLOSED;
        }
        match &node.kind {
            NodeKind::Bool(true) => OPEN,
            NodeKind::Bool(false) => CLOSED,
            NodeKind::Map(_) => self.keywords(node, depth),
            _ => {
                let kind = node.kind_name();
                let message = format!("a schema is a mapping, `true` or `false`, not {kind}");
                let problem = Diagnostic::error(Code::SchemaValid, node.span, message);
                self.report.push(match kind {
                    "text" => problem.help("YAML 1.2 reads `yes`, `no`, `on` and `off` as text"),
                    _ => problem,
                });
                CLOSED
            }
        }
    }

    fn keywords(&mut self, node: &Node, depth: usize) -> Pair {
        self.known_keywords(node);
        let types = self.types(node);
        self.additional_is_explicit(node, types);
        let fields = self.properties(node, depth);
        let others = node.get("additionalProperties").map_or(OPEN, |n| self.schema(n, depth + 1));
        let items = node.get("items").map_or(OPEN, |n| self.schema(n, depth + 1));
        let (read_only, write_only) = (self.flag(node, "readOnly"), self.flag(node, "writeOnly"));
        let read = side(types, &fields, others.0, items.0, |pair| pair.0);
        let write = side(types, &fields, others.1, items.1, |pair| pair.1);
        (add(&mut self.read, read, write_only), add(&mut self.write, write, read_only))
    }

    fn properties(&mut self, node: &Node, depth: usize) -> Vec<(Arc<str>, Pair)> {
        let Some(properties) = node.get("properties") else { return Vec::new() };
        let NodeKind::Map(entries) = &properties.kind else {
            let kind = properties.kind_name();
            self.invalid(properties, format!("`properties` is a mapping, not {kind}"));
            return Vec::new();
        };
        entries
            .iter()
            .map(|(name, schema)| (Arc::from(&*name.value), self.schema(schema, depth + 1)))
            .collect()
    }

    /// The types that `type` names; without it, those that the keywords speak of, because a value
    /// of a type that a schema does not limit must not slip past it.
    fn types(&mut self, node: &Node) -> Types {
        let Some(named) = node.get("type") else {
            let object = node.get("properties").or(node.get("additionalProperties"));
            let array = node.get("items");
            return match (object, array) {
                (None, None) => Types::ANY,
                (Some(_), None) => Types::OBJECT,
                (None, Some(_)) => Types::ARRAY,
                (Some(_), Some(_)) => Types::CONTAINER,
            };
        };
        let names: Vec<&Node> = match &named.kind {
            NodeKind::List(names) if !names.is_empty() => names.iter().collect(),
            _ => vec![named],
        };
        names.into_iter().fold(Types::NONE, |types, name| types.or(self.type_named(name)))
    }

    fn type_named(&mut self, node: &Node) -> Types {
        let name = match &node.kind {
            NodeKind::Text(name) => &**name,
            // YAML reads an unquoted `null` as nothing.
            NodeKind::Null => "null",
            _ => "",
        };
        if let Some((_, types)) = TYPES.iter().find(|(known, _)| *known == name) {
            return *types;
        }
        let help = did_you_mean(name, TYPES.iter().map(|(known, _)| *known));
        let problem = Diagnostic::error(Code::SchemaValid, node.span, "this is no JSON type");
        self.report.push(match help {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(
                "types are `object`, `array`, `string`, `number`, `integer`, `boolean` and `null`",
            ),
        });
        Types::NONE
    }

    fn additional_is_explicit(&mut self, node: &Node, types: Types) {
        let speaks_of_objects = node.get("properties").is_some()
            || (node.get("type").is_some() && types.has(Types::OBJECT));
        if speaks_of_objects && node.get("additionalProperties").is_none() {
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

    fn flag(&mut self, node: &Node, keyword: &str) -> bool {
        match node.get(keyword).map(|value| (value, &value.kind)) {
            None | Some((_, NodeKind::Bool(false))) => false,
            Some((_, NodeKind::Bool(true))) => true,
            Some((value, _)) => {
                self.invalid(value, format!("`{keyword}` is `true` or `false`"));
                true
            }
        }
    }

    fn known_keywords(&mut self, node: &Node) {
        let NodeKind::Map(entries) = &node.kind else { return };
        for (keyword, _) in entries {
            let name = &*keyword.value;
            if ENFORCED.contains(&name) || ANNOTATIONS.contains(&name) {
                continue;
            }
            let problem = if NOT_ENFORCED.contains(&name) {
                Diagnostic::error(
                    Code::NotEnforced,
                    keyword.span,
                    format!("the keyword `{name}` is not enforced by this version"),
                )
                .help("take it out: a policy that relied on it is refused, never half obeyed")
            } else {
                let known = ENFORCED.iter().chain(ANNOTATIONS).chain(NOT_ENFORCED).copied();
                let message = format!("JSON Schema has no keyword `{name}`");
                let problem = Diagnostic::error(Code::SchemaValid, keyword.span, message);
                match did_you_mean(name, known) {
                    Some(near) => problem.help(format!("did you mean `{near}`?")),
                    None => problem,
                }
            };
            self.report.push(problem);
        }
    }

    fn invalid(&mut self, node: &Node, message: String) {
        self.report.push(Diagnostic::error(Code::SchemaValid, node.span, message));
    }
}

fn side(
    types: Types,
    fields: &[(Arc<str>, Pair)],
    others: NodeId,
    items: NodeId,
    of: impl Fn(&Pair) -> NodeId,
) -> MaskNode {
    let fields = fields.iter().map(|(name, pair)| (name.clone(), of(pair))).collect();
    MaskNode { types, fields, others, items, way: 0 }
}

/// Adds a node unless one of the constant ones says the same.
fn add(builder: &mut MaskBuilder, node: MaskNode, hidden: bool) -> NodeId {
    let open = node.types == Types::ANY
        && node.others == SHOW
        && node.items == SHOW
        && node.fields.iter().all(|(_, field)| *field == SHOW);
    match (hidden, open) {
        (true, _) => HIDE,
        (false, true) => SHOW,
        (false, false) => builder.add(node),
    }
}

pub(super) const TYPES: &[(&str, Types)] = &[
    ("object", Types::OBJECT),
    ("array", Types::ARRAY),
    ("string", Types::STRING),
    ("number", Types::NUMBER.or(Types::INTEGER)),
    ("integer", Types::INTEGER),
    ("boolean", Types::BOOLEAN),
    ("null", Types::NULL),
];

pub(super) const ENFORCED: &[&str] =
    &["type", "properties", "additionalProperties", "items", "readOnly", "writeOnly"];

pub(super) const ANNOTATIONS: &[&str] =
    &["title", "description", "default", "examples", "deprecated", "format", "$comment", "$schema"];

const NOT_ENFORCED: &[&str] = &[
    "$anchor",
    "$defs",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$ref",
    "$vocabulary",
    "allOf",
    "anyOf",
    "case",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "formats",
    "if",
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
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "required",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{FileId, Span, Spanned};
    use serde_json::{Value, json};

    /// A node tree from JSON; spans do not matter here.
    fn node(value: &Value) -> Node<'static> {
        let span = Span::new(FileId(0), 0, 0);
        let kind = match value {
            Value::Null => NodeKind::Null,
            Value::Bool(value) => NodeKind::Bool(*value),
            Value::Number(value) => NodeKind::Int(value.as_i64().unwrap()),
            Value::String(value) => NodeKind::Text(value.clone().into()),
            Value::Array(items) => NodeKind::List(items.iter().map(node).collect()),
            Value::Object(entries) => NodeKind::Map(
                entries
                    .iter()
                    .map(|(k, v)| (Spanned::new(k.clone().into(), span), node(v)))
                    .collect(),
            ),
        };
        Node { kind, span }
    }

    fn masks(body: Value) -> SchemaMasks {
        let mut report = Report::default();
        let masks = compile(&node(&body), &mut report);
        masks.unwrap_or_else(|| panic!("{:?}", report.problems()))
    }

    #[track_caller]
    fn refused(body: Value) -> Code {
        let mut report = Report::default();
        assert_eq!(compile(&node(&body), &mut report), None);
        assert_eq!(report.problems().len(), 1, "{:?}", report.problems());
        report.problems()[0].code
    }

    #[test]
    fn hidden_read_only_and_write_only_differ_by_direction() {
        let masks = masks(json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "name": {"type": "string"}, "id": {"readOnly": true}, "pin": {"writeOnly": true},
                "ssn": false, "any": true,
            },
        }));
        let (read, write) =
            (masks.read.node(masks.read.root()), masks.write.node(masks.write.root()));
        let hidden = |node: &MaskNode, name| node.member(name) == HIDE;
        let seen: Vec<_> = ["name", "id", "pin", "ssn", "any", "x"].map(|n| hidden(read, n)).into();
        assert_eq!(seen, [false, false, true, true, false, true]);
        let sent: Vec<_> =
            ["name", "id", "pin", "ssn", "any", "x"].map(|n| hidden(write, n)).into();
        assert_eq!(sent, [false, true, false, true, false, true]);
    }

    #[test]
    fn a_schema_without_a_type_limits_what_its_keywords_speak_of() {
        let object = masks(json!({"properties": {"a": false}, "additionalProperties": true}));
        assert_eq!(object.read.node(object.read.root()).types, Types::OBJECT);
        let array = masks(json!({"items": {"type": "string"}}));
        assert_eq!(array.read.node(array.read.root()).types, Types::ARRAY);
    }

    #[test]
    fn a_schema_that_limits_nothing_is_open() {
        assert_eq!(masks(json!({})).read.root(), SHOW);
        assert_eq!(
            masks(json!({"additionalProperties": true, "type":
            ["object", "array", "string", "number", "integer", "boolean", "null"]}))
            .read
            .root(),
            SHOW
        );
    }

    #[test]
    fn what_does_not_load() {
        assert_eq!(refused(json!(false)), Code::SchemaValid);
        assert_eq!(refused(json!({"writeOnly": true})), Code::SchemaValid);
        assert_eq!(refused(json!("x")), Code::SchemaValid);
        assert_eq!(refused(json!({"type": "strin"})), Code::SchemaValid);
        assert_eq!(refused(json!({"propertis": {}})), Code::SchemaValid);
        assert_eq!(refused(json!({"type": "object"})), Code::SchemaAdditionalExplicit);
        assert_eq!(refused(json!({"properties": {}})), Code::SchemaAdditionalExplicit);
        assert_eq!(refused(json!({"maximum": 3})), Code::NotEnforced);
        assert_eq!(refused(json!({"readOnly": "yes"})), Code::SchemaValid);
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |n: usize| (0..n).fold(json!(true), |inner, _| json!({"items": inner}));
        masks(json!({"items": deep(MAX_SCHEMA_DEPTH - 1)}));
        assert_eq!(refused(deep(MAX_SCHEMA_DEPTH + 1)), Code::SchemaValid);
    }
}
