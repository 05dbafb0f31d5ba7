//! A schema's body as the rule that judges values.

use crate::diag::{Code, Diagnostic, Report};
use crate::filter::values::{Rule, RuleFault, schema_faults};
use crate::policy::node::{Node, NodeKind};
use serde_json::{Number, Value};

/// Compiles what a body says of values; `None` where it says nothing, or nothing that is JSON
/// Schema. Problems are pushed.
pub(super) fn rule(body: &Node, judges: bool, formats: bool, report: &mut Report) -> Option<Rule> {
    let schema = json(body);
    let found = if judges { Rule::new(&schema, formats) } else { Err(schema_faults(&schema)) };
    match found {
        Ok(rule) => Some(rule),
        Err(faults) => {
            faults.iter().for_each(|fault| report.push(problem(body, fault)));
            None
        }
    }
}

fn problem(body: &Node, fault: &RuleFault) -> Diagnostic {
    let node = at(body, &fault.pointer);
    let last = fault.pointer.rsplit('/').next().unwrap_or_default();
    let message = match last {
        "" => format!("this is no JSON Schema: {}", fault.message),
        keyword => format!("`{keyword}` cannot be so: {}", fault.message),
    };
    Diagnostic::error(Code::SchemaValid, node.span, message)
}

/// The node at an RFC 6901 pointer, or the last one on the way there.
fn at<'n>(body: &'n Node<'n>, pointer: &str) -> &'n Node<'n> {
    let mut node = body;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        let next = match &node.kind {
            NodeKind::List(nodes) => name.parse().ok().and_then(|at: usize| nodes.get(at)),
            _ => node.get(&name),
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node
}

/// A schema as JSON. YAML reads an unquoted `null` as nothing, and among types it is a name.
fn json(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Null => Value::Null,
        NodeKind::Bool(value) => (*value).into(),
        NodeKind::Int(value) => (*value).into(),
        // Numbers that are not finite have been refused when they were read.
        NodeKind::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
        NodeKind::Text(value) => (&**value).into(),
        NodeKind::List(nodes) => nodes.iter().map(json).collect(),
        NodeKind::Map(entries) => {
            let member = |name: &str, node: &Node| match name {
                "type" => type_names(json(node)),
                _ => json(node),
            };
            let entries = entries.iter();
            entries.map(|(name, node)| (name.value.clone(), member(&name.value, node))).collect()
        }
    }
}

/// A property may be called `type`, and then this is a schema and not touched.
fn type_names(value: Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Array(names) => names.into_iter().map(type_names).collect(),
        other => other,
    }
}
