//! Members by their names: `properties` and `patternProperties`.
//!
//! A member that several of them name must pass each, so their masks intersect: those of a field are
//! joined here, and those of other members for each set of expressions that can match a name.

use super::joined::{Masks, both};
use super::masks::{CLOSED, Compiler, Pair};
use crate::diag::{Code, Diagnostic};
use crate::filter::Patterns as MaskPatterns;
use crate::filter::values::NamePattern;
use crate::policy::node::{Entry, Node, NodeKind};
use crate::source::Spanned;
use std::borrow::Cow;
use std::sync::Arc;

type Fields = Vec<(Arc<str>, Pair)>;

/// Expressions and, for each set of them that can match, what applies.
#[derive(Default)]
pub(super) struct Patterns {
    pub names: Vec<NamePattern>,
    pub table: Vec<Pair>,
}

/// What a schema says of members that it names.
pub(super) fn fields<'n>(
    compiler: &mut Compiler<'n, '_>,
    node: &'n Node<'n>,
    depth: usize,
) -> (Fields, Patterns) {
    let fields = entries(compiler, node, "properties");
    let typed = entries(compiler, node, "patternProperties");
    if let (Some((name, _)), true) = (typed.first(), compiler.options.folds) {
        let message = "`case: insensitive` says nothing of names that are patterns";
        let problem = Diagnostic::error(Code::SchemaValid, name.span, message);
        compiler.report.push(problem.help(
            "write the properties by name, or leave `case` out and let the pattern say `(?i)`",
        ));
    }
    let names = expressions(compiler, typed);
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        let field = |(name, schema): &'n Entry<'n>| {
            (Arc::from(&*name.value), compiler.child(schema, depth))
        };
        return (fields.iter().map(field).collect(), Patterns::default());
    };
    let matched =
        |name: &Spanned<Cow<'_, str>>| names.iter().any(|pattern| pattern.matches(&name.value));
    if let ([(_, schema)], false) = (typed, fields.iter().any(|(name, _)| matched(name))) {
        let table = vec![CLOSED, compiler.child(schema, depth)];
        let field = |(name, schema): &'n Entry<'n>| {
            (Arc::from(&*name.value), compiler.child(schema, depth))
        };
        return (fields.iter().map(field).collect(), Patterns { names, table });
    }
    let mut masks: Vec<Masks> = Vec::new();
    for (_, schema) in typed {
        masks.push(compiler.isolated(|part| part.child(schema, depth)));
    }
    let mut found = Vec::new();
    for (name, schema) in fields {
        let matching = names.iter().zip(&masks).filter(|(pattern, _)| pattern.matches(&name.value));
        let matching: Vec<&Masks> = matching.map(|(_, masks)| masks).collect();
        let pair = match matching.is_empty() {
            true => compiler.child(schema, depth),
            false => {
                let own = compiler.isolated(|part| part.child(schema, depth));
                graft(compiler, matching.into_iter().fold(own, |sum, one| both(&sum, one)))
            }
        };
        found.push((Arc::from(&*name.value), pair));
    }
    let set = |bits: usize| (0..masks.len()).filter(move |at| bits & 1 << at != 0);
    let table = (0..1usize << masks.len()).map(|bits| {
        let joined = set(bits).map(|at| masks[at].clone()).reduce(|sum, one| both(&sum, &one));
        joined.map_or(CLOSED, |joined| graft(compiler, joined))
    });
    let table = table.collect();
    (found, Patterns { names, table })
}

fn graft(compiler: &mut Compiler<'_, '_>, (read, write): Masks) -> Pair {
    (compiler.read.graft(&read), compiler.write.graft(&write))
}

/// The compiled expressions; `None` where one is none, or where they are too many.
fn expressions(compiler: &mut Compiler<'_, '_>, typed: &[Entry<'_>]) -> Option<Vec<NamePattern>> {
    if let Some((name, _)) = typed.get(MaskPatterns::MOST) {
        let message = format!("one schema has at most {} patterns of names", MaskPatterns::MOST);
        let problem = Diagnostic::error(Code::SchemaValid, name.span, message)
            .help("join patterns that have the same schema: `^a|^b`");
        compiler.report.push(problem);
        return None;
    }
    let mut names = Vec::new();
    for (name, _) in typed {
        match NamePattern::new(&name.value) {
            Ok(pattern) => names.push(pattern),
            Err(fault) => {
                let message = format!("this pattern of names cannot be used: {}", fault.message);
                let problem = Diagnostic::error(Code::SchemaValid, name.span, message);
                compiler.report.push(problem.help("mend the pattern, or name the properties"));
            }
        }
    }
    (names.len() == typed.len()).then_some(names)
}

pub(super) fn entries<'n>(
    compiler: &mut Compiler<'_, '_>,
    node: &'n Node<'n>,
    keyword: &str,
) -> &'n [Entry<'n>] {
    let Some(named) = node.get(keyword) else { return &[] };
    match &named.kind {
        NodeKind::Map(entries) => entries,
        _ => {
            let kind = named.kind_name();
            compiler.invalid(named, format!("`{keyword}` is a mapping, not {kind}"));
            &[]
        }
    }
}
