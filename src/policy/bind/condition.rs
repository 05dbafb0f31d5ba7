//! What must hold for a grant or a route to count. A condition that cannot be read takes what it
//! limits with it: a grant without its condition would allow more than was typed.

use super::{Fields, Shape, text};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::{RawConditions, RawKeep, RawOwner, RawRequire, RawTest, Text};
use crate::source::{Span, Spanned};

pub(super) const OWNER: Shape =
    Shape { what: "`owner`", keys: &["field", "of", "is", "items"], unenforced: &[] };

pub(super) const KEEP: Shape =
    Shape { what: "`keep`", keys: &["items", "field", "in"], unenforced: &[] };

pub(super) const REQUIRE: Shape =
    Shape { what: "`require`", keys: &["field", "in"], unenforced: &[] };

/// The conditions of a grant; `None`, and a report, where one cannot be read.
pub(super) fn conditions(fields: &mut Fields<'_, '_>) -> Option<RawConditions> {
    let when = tests(fields);
    let query = readable(fields, "query", query);
    let owner = readable(fields, "owner", owner);
    let keep = readable(fields, "keep", keep);
    let require = readable(fields, "require", require);
    Some(RawConditions {
        when: when?,
        query: query?,
        owner: owner?,
        keep: keep?,
        require: require?,
    })
}

/// `when`: selectors and the values that they may have.
pub(super) fn tests(fields: &mut Fields<'_, '_>) -> Option<Vec<RawTest>> {
    let Some(node) = fields.node("when") else { return Some(Vec::new()) };
    let mut whole = matches!(node.kind, NodeKind::Map(_));
    let tests = fields.pairs("when", |selector, node, report| {
        let found = values(node, &format!("`{}`", selector.value), selector.span, report);
        whole &= found.is_some();
        found
    });
    let test = |(selector, values)| RawTest { selector, values };
    whole.then(|| tests.into_iter().map(test).collect())
}

/// `Some(None)` where the key is absent, `None` where its value cannot be read.
fn readable<T>(
    fields: &mut Fields<'_, '_>,
    key: &str,
    read: impl FnOnce(&Node, &mut Report) -> Option<T>,
) -> Option<Option<T>> {
    match fields.node(key) {
        None => Some(None),
        Some(node) => read(node, fields.report()).map(Some),
    }
}

fn query(node: &Node, report: &mut Report) -> Option<Vec<Text>> {
    let NodeKind::List(names) = &node.kind else {
        report.push(super::wrong_type("`query`", "a list", node, node.span));
        return None;
    };
    let names = names.iter().map(|node| text(node, "an entry of `query`", node.span, report));
    names.collect::<Vec<_>>().into_iter().collect()
}

fn owner(node: &Node, report: &mut Report) -> Option<RawOwner> {
    let mut fields = Fields::open(node, &OWNER, report)?;
    let field = fields.required_text("field");
    let of = optional(&mut fields, "of");
    let is = optional(&mut fields, "is");
    let items = optional(&mut fields, "items");
    Some(RawOwner { span: node.span, field: field?, of: of?, is: is?, items: items? })
}

fn keep(node: &Node, report: &mut Report) -> Option<RawKeep> {
    let mut fields = Fields::open(node, &KEEP, report)?;
    let (items, field) = (optional(&mut fields, "items"), fields.required_text("field"));
    let among = among(&mut fields);
    Some(RawKeep { span: node.span, items: items?, field: field?, among: among? })
}

fn require(node: &Node, report: &mut Report) -> Option<RawRequire> {
    let mut fields = Fields::open(node, &REQUIRE, report)?;
    let (field, among) = (fields.required_text("field"), among(&mut fields));
    Some(RawRequire { span: node.span, field: field?, among: among? })
}

fn optional(fields: &mut Fields<'_, '_>, key: &str) -> Option<Option<Text>> {
    match fields.node(key) {
        None => Some(None),
        Some(_) => fields.text(key).map(Some),
    }
}

fn among(fields: &mut Fields<'_, '_>) -> Option<Vec<Text>> {
    let node = fields.required_node("in")?;
    let at = if node.span.start == node.span.end { fields.span() } else { node.span };
    values(node, "`in`", at, fields.report())
}

/// A value, or a list of them; a number or a boolean is its text, as it is in a header or a claim.
fn values(node: &Node, subject: &str, name: Span, report: &mut Report) -> Option<Vec<Text>> {
    let NodeKind::List(nodes) = &node.kind else {
        return value(node, subject, name, report).map(|value| vec![value]);
    };
    if nodes.is_empty() {
        let message = format!("{subject} can have no value, so this never holds");
        report.push(
            Diagnostic::error(Code::BadValue, node.span, message)
                .help("name at least one value, or take out what it limits"),
        );
        return None;
    }
    let entry = format!("an entry of {subject}");
    let read: Vec<_> = nodes.iter().map(|node| value(node, &entry, name, report)).collect();
    read.into_iter().collect()
}

fn value(node: &Node, subject: &str, name: Span, report: &mut Report) -> Option<Text> {
    let text = match &node.kind {
        NodeKind::Int(number) => number.to_string(),
        NodeKind::Bool(value) => value.to_string(),
        _ => return text(node, subject, name, report),
    };
    Some(Spanned::new(text, node.span))
}
