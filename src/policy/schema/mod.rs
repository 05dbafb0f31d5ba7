//! JSON Schema bodies → masks of fields, and rules for values.
//!
//! For reads a property that is `false`, absent under `additionalProperties: false`, or
//! `writeOnly` is hidden. For writes one that is hidden or `readOnly` may not be sent, and what is
//! sent must be as the other keywords say. What is neither is refused by name.

mod checks;
mod joined;
mod keywords;
mod masks;
mod named;
mod rules;

pub(super) use keywords::{ANNOTATIONS, BRANCHES, FIELDS, TYPES, VALUES};
pub use masks::{MAX_SCHEMA_DEPTH, MAX_SCHEMAS};

use crate::diag::{Code, Diagnostic, Report};
use crate::filter::mask::{HIDE, Mask, Types};
use crate::filter::values::Rule;
use crate::policy::node::Node;
use masks::Compiler;
use std::sync::Arc;

/// What one schema says of an object, for both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaMasks {
    /// What is seen.
    pub read: Mask,
    /// What may be sent.
    pub write: Mask,
    /// What the values that are sent must be; all of these must hold.
    pub rules: Vec<Arc<Rule>>,
}

/// What a schema says beside its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `format` is checked; otherwise it is a note.
    pub formats: bool,
    /// What is hidden becomes `null` and its key stays; otherwise both go.
    pub nulls: bool,
    /// In what is seen, a key that is a property's name but for its case is that property.
    pub folds: bool,
}

impl SchemaMasks {
    /// A schema that limits nothing.
    pub fn open() -> SchemaMasks {
        SchemaMasks { read: Mask::show(), write: Mask::show(), rules: Vec::new() }
    }

    /// What both let pass.
    pub fn and(&self, other: &SchemaMasks) -> SchemaMasks {
        use crate::filter::algebra::intersect;
        SchemaMasks {
            read: intersect(&self.read, &other.read),
            write: intersect(&self.write, &other.write),
            rules: self.rules.iter().chain(&other.rules).cloned().collect(),
        }
    }
}

/// Compiles a schema's body. Problems are pushed; `None` where there were any.
pub fn compile(body: &Node, options: Options, report: &mut Report) -> Option<SchemaMasks> {
    let before = report.errors();
    let mut compiler = Compiler::new(body, options, report);
    let (read, write) = compiler.body(body);
    let judges = compiler.judges;
    let (read, write) = (compiler.read.finish(read), compiler.write.finish(write));
    if report.errors() > before {
        rules::besides(body, report);
        return None;
    }
    if read.root() == HIDE || read.node(read.root()).types == Types::NONE {
        report.push(
            Diagnostic::error(Code::SchemaValid, body.span, "this schema hides the whole object")
                .help("leave the grant out instead: then the request is refused"),
        );
    }
    let rule = rules::rule(body, judges, options.formats, report);
    if report.errors() > before {
        return None;
    }
    Some(SchemaMasks { read, write, rules: rule.map(Arc::new).into_iter().collect() })
}

#[cfg(test)]
mod tests;
