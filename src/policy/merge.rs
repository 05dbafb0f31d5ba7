//! The files of a folder as one mapping.
//!
//! `policy` stands in every file; keys whose values are lists may stand in several, which are
//! joined in file order; any other key stands in one file only.

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::bind::{LISTS, wrong_type};
use crate::policy::node::{Entry, Node, NodeKind};
use crate::source::{Span, Spanned};
use std::borrow::Cow;
use std::collections::HashMap;

/// The version of the language that this program reads.
pub const LANGUAGE_VERSION: i64 = 1;

/// Joins the trees of all files. Where there is only one, it is checked in the same way.
pub fn merge<'t>(roots: Vec<Node<'t>>, report: &mut Report) -> Node<'t> {
    let span = roots.first().map(|root| root.span).unwrap_or_default();
    let mut merged = Merged::default();
    for root in roots {
        let at = root.span;
        match root.kind {
            NodeKind::Map(entries) => {
                check_version(&entries, at, report);
                entries.into_iter().for_each(|entry| add(&mut merged, entry, report));
            }
            NodeKind::Null => report.push(no_version(at)),
            _ => report.push(wrong_type("a policy file", "a mapping", &root, at)),
        }
    }
    Node { kind: NodeKind::Map(merged.entries), span }
}

/// The joined mapping, and where in it each key stands.
#[derive(Default)]
struct Merged<'t> {
    entries: Vec<Entry<'t>>,
    places: HashMap<Cow<'t, str>, usize>,
}

fn add<'t>(merged: &mut Merged<'t>, (key, node): Entry<'t>, report: &mut Report) {
    let Some(place) = merged.places.get(&key.value) else {
        merged.places.insert(key.value.clone(), merged.entries.len());
        merged.entries.push((key, node));
        return;
    };
    let (first, before) = &mut merged.entries[*place];
    if !LISTS.contains(&&*key.value) {
        if key.value != "policy" {
            report.push(conflict(&key, first.span));
        }
        return;
    }
    // Where the first is no list, that is reported when it is read.
    match (&mut before.kind, node.kind) {
        (NodeKind::List(all), NodeKind::List(more)) => all.extend(more),
        (_, NodeKind::List(_)) => {}
        (_, kind) => {
            let node = Node { kind, span: node.span };
            let at = if node.span.start == node.span.end { key.span } else { node.span };
            report.push(wrong_type(&format!("`{}`", key.value), "a list", &node, at));
        }
    }
}

fn conflict(key: &Spanned<Cow<'_, str>>, first: Span) -> Diagnostic {
    let message = format!("`{}` stands in more than one file", key.value);
    Diagnostic::error(Code::MergeConflict, key.span, message)
        .label("and here")
        .also(first, "here")
        .help("keep it in one file; only lists may be spread over several")
}

fn check_version(entries: &[Entry], at: Span, report: &mut Report) {
    let Some((key, node)) = entries.iter().find(|(key, _)| key.value == "policy") else {
        let first = entries.first().map_or(at, |(key, _)| key.span);
        report.push(no_version(first));
        return;
    };
    if node.kind != NodeKind::Int(LANGUAGE_VERSION) {
        let at = if node.span.start == node.span.end { key.span } else { node.span };
        let problem =
            Diagnostic::error(Code::PolicyVersion, at, "this version of the language is not known")
                .help(format!("write `policy: {LANGUAGE_VERSION}`"));
        report.push(problem);
    }
}

fn no_version(at: Span) -> Diagnostic {
    Diagnostic::error(Code::PolicyVersion, at, "the file does not name the language's version")
        .help(format!(
            "begin every file of a policy with `policy: {LANGUAGE_VERSION}`; a file that is no \
             part of it, such as a key set, belongs in another folder"
        ))
}
