//! YAML or JSON as a tree of spanned nodes, before any meaning.

use crate::source::{Span, Spanned};
use std::borrow::Cow;

/// One value and where it stood. Text that stands in the file as it is meant is borrowed from there.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<'t> {
    /// The value.
    pub kind: NodeKind<'t>,
    /// The place.
    pub span: Span,
}

/// A YAML value.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind<'t> {
    /// `null`, `~`, nothing.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Cow<'t, str>),
    /// A sequence.
    List(Vec<Node<'t>>),
    /// A mapping, in the order typed; keys are unique.
    Map(Vec<Entry<'t>>),
}

/// A key of a mapping, and its value.
pub type Entry<'t> = (Spanned<Cow<'t, str>>, Node<'t>);

impl<'t> Node<'t> {
    /// The value of a key, in a mapping.
    pub fn get(&self, key: &str) -> Option<&Node<'t>> {
        match &self.kind {
            NodeKind::Map(entries) => {
                entries.iter().find(|(name, _)| name.value == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// What to call this kind of value in a message.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            NodeKind::Null => "nothing",
            NodeKind::Bool(_) => "a boolean",
            NodeKind::Int(_) | NodeKind::Float(_) => "a number",
            NodeKind::Text(_) => "text",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a mapping",
        }
    }

    /// The same without the file's text.
    pub fn into_owned(self) -> Node<'static> {
        Node { kind: self.kind.into_owned(), span: self.span }
    }
}

impl<'t> NodeKind<'t> {
    /// The same without the file's text.
    pub fn into_owned(self) -> NodeKind<'static> {
        let owned = |text: Cow<'t, str>| Cow::Owned(text.into_owned());
        let entry = |(key, node): Entry<'t>| (key.map(owned), node.into_owned());
        match self {
            NodeKind::Null => NodeKind::Null,
            NodeKind::Bool(value) => NodeKind::Bool(value),
            NodeKind::Int(number) => NodeKind::Int(number),
            NodeKind::Float(number) => NodeKind::Float(number),
            NodeKind::Text(text) => NodeKind::Text(owned(text)),
            NodeKind::List(nodes) => {
                NodeKind::List(nodes.into_iter().map(Node::into_owned).collect())
            }
            NodeKind::Map(entries) => NodeKind::Map(entries.into_iter().map(entry).collect()),
        }
    }
}
