//! From keywords to masks: which fields are seen, and which may be sent.

use super::Options;
use super::keywords::TYPES;
use super::{joined, named};
use crate::diag::{Code, Diagnostic, Report, suggestion};
use crate::filter::mask::{HIDE, Mask, MaskBuilder, Node as MaskNode, NodeId, SHOW, Types};
use crate::filter::{Extra, Patterns, fold};
use crate::policy::node::{Node, NodeKind};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Schemas nest at most this deep.
pub const MAX_SCHEMA_DEPTH: usize = 64;

/// Schemas inside of one body, each counted as often as references and `allOf` take it up.
pub const MAX_SCHEMAS: usize = 20_000;

/// The nodes of one schema: for reading and for writing.
pub(super) type Pair = (NodeId, NodeId);

pub(super) const OPEN: Pair = (SHOW, SHOW);
pub(super) const CLOSED: Pair = (HIDE, HIDE);

/// Compiles one body.
pub(super) struct Compiler<'n, 'r> {
    pub read: MaskBuilder,
    pub write: MaskBuilder,
    pub report: &'r mut Report,
    /// What a keyword has judged, beside fields.
    pub judges: bool,
    pub options: Options,
    pub defs: Option<&'n Node<'n>>,
    /// Definitions that something has referred to.
    pub reached: HashSet<&'n str>,
    /// Definitions that have a node each, also while it is still empty.
    made: HashMap<&'n str, Pair>,
    /// Definitions that are being compiled: those of [`Compiler::made`], and those around this part.
    pub open: Vec<&'n str>,
    around: usize,
    /// The last of the open ones to which no property, item or the like has led yet.
    straight: Vec<&'n str>,
    /// Schemas compiled so far.
    count: usize,
}

impl<'n, 'r> Compiler<'n, 'r> {
    pub fn new(body: &'n Node<'n>, options: Options, report: &'r mut Report) -> Compiler<'n, 'r> {
        Compiler {
            read: MaskBuilder::new(),
            write: MaskBuilder::new(),
            report,
            judges: false,
            options,
            defs: body.get("$defs"),
            reached: HashSet::new(),
            made: HashMap::new(),
            open: Vec::new(),
            around: 0,
            straight: Vec::new(),
            count: 0,
        }
    }

    /// The masks of the whole body.
    pub fn body(&mut self, body: &'n Node<'n>) -> Pair {
        let pair = self.schema(body, 0);
        self.definitions();
        pair
    }

    pub fn schema(&mut self, node: &'n Node<'n>, depth: usize) -> Pair {
        if depth > MAX_SCHEMA_DEPTH {
            self.invalid(node, format!("schemas nest at most {MAX_SCHEMA_DEPTH} deep"));
            return CLOSED;
        }
        self.count += 1;
        if self.count == MAX_SCHEMAS + 1 {
            let message = format!("with its references, this body has over {MAX_SCHEMAS} schemas");
            self.report.push(
                Diagnostic::error(Code::TooLarge, node.span, message)
                    .help("refer to fewer definitions, or to smaller ones"),
            );
        }
        if self.count > MAX_SCHEMAS {
            return CLOSED;
        }
        match &node.kind {
            NodeKind::Bool(true) => OPEN,
            NodeKind::Bool(false) => self.hidden(),
            NodeKind::Map(_) => self.keywords(node, depth),
            _ => {
                self.no_schema(node);
                CLOSED
            }
        }
    }

    fn keywords(&mut self, node: &'n Node<'n>, depth: usize) -> Pair {
        self.known(node, depth);
        let (read_only, write_only) = (self.flag(node, "readOnly"), self.flag(node, "writeOnly"));
        let (read, write) = joined::schema(self, node, depth);
        let (unseen, unsent) = match write_only || read_only {
            true => self.hidden(),
            false => CLOSED,
        };
        (if write_only { unseen } else { read }, if read_only { unsent } else { write })
    }

    /// What neither is seen nor may be sent.
    fn hidden(&mut self) -> Pair {
        if !self.options.nulls {
            return CLOSED;
        }
        let none = MaskNode { types: Types::NONE, others: HIDE, items: HIDE, ..MaskNode::open() };
        let id = self.read.add(none);
        self.read.extra(id, Extra { nulls: true, ..Extra::default() });
        (id, HIDE)
    }

    /// What the keywords say that describe fields here, those that join schemas apart.
    pub fn plain(&mut self, node: &'n Node<'n>, depth: usize) -> Pair {
        let types = self.types(node);
        let (fields, patterns) = named::fields(self, node, depth);
        let elements = self.prefix_items(node, depth);
        let others = self.optional(node, "additionalProperties", depth);
        let items = self.optional(node, "items", depth);
        // Requests are stricter anyway: a variant of a name may not be sent where the name may not.
        let side = |(nulls, folds): (bool, bool), of: fn(&Pair) -> NodeId| {
            let fields: Vec<(Arc<str>, NodeId)> =
                fields.iter().map(|(name, pair)| (name.clone(), of(pair))).collect();
            let elements = elements.iter().map(|(at, pair)| (*at, of(pair))).collect();
            let (others, items) = (of(&others), of(&items));
            let table = patterns.table.iter().map(of).collect();
            let patterns = Patterns { names: patterns.names.clone(), table };
            let folded = if folds { variants(&fields) } else { Vec::new() };
            let extra = Extra { elements, nulls, patterns, folded, ..Extra::default() };
            (MaskNode { types, fields, others, items, way: 0 }, extra)
        };
        let (read, write) = {
            let Options { nulls, folds, .. } = self.options;
            (side((nulls, folds), |pair| pair.0), side((false, false), |pair| pair.1))
        };
        (add(&mut self.read, read), add(&mut self.write, write))
    }

    /// A schema of something inside.
    pub fn child(&mut self, node: &'n Node<'n>, depth: usize) -> Pair {
        let straight = std::mem::take(&mut self.straight);
        let pair = self.schema(node, depth + 1);
        self.straight = straight;
        pair
    }

    fn optional(&mut self, node: &'n Node<'n>, keyword: &str, depth: usize) -> Pair {
        node.get(keyword).map_or(OPEN, |schema| self.child(schema, depth))
    }

    fn prefix_items(&mut self, node: &'n Node<'n>, depth: usize) -> Vec<(u64, Pair)> {
        let Some(prefix) = node.get("prefixItems") else { return Vec::new() };
        let NodeKind::List(schemas) = &prefix.kind else {
            let kind = prefix.kind_name();
            self.invalid(prefix, format!("`prefixItems` is a list of schemas, not {kind}"));
            return Vec::new();
        };
        (0..).zip(schemas).map(|(at, schema)| (at, self.child(schema, depth))).collect()
    }

    /// What a reference leads to. Definitions have a node each, so that they may refer to themselves.
    pub fn reference(&mut self, node: &'n Node<'n>, depth: usize) -> Pair {
        let Some((name, target)) = self.target(node) else { return CLOSED };
        if self.straight.contains(&name) {
            let message = format!("`{name}` is defined by itself, with nothing between");
            self.invalid(node, message);
            return CLOSED;
        }
        if let Some(pair) = self.made.get(name) {
            return *pair;
        }
        if self.open[..self.around].contains(&name) {
            let message =
                format!("`{name}` leads back to itself through keywords that join schemas");
            let problem = Diagnostic::error(Code::SchemaValid, node.span, message).help(
                "a definition may refer to itself in `properties`, `patternProperties`, \
                 `additionalProperties`, `items` and `prefixItems`, where the reference stands alone",
            );
            self.report.push(problem);
            return CLOSED;
        }
        let ids = (self.read.reserve(), self.write.reserve());
        self.made.insert(name, ids);
        self.open.push(name);
        self.straight.push(name);
        let pair = self.schema(target, depth + 1);
        self.straight.pop();
        self.open.pop();
        self.read.copy(pair.0, ids.0);
        self.write.copy(pair.1, ids.1);
        ids
    }

    /// The definition that a reference names.
    pub fn target(&mut self, node: &'n Node<'n>) -> Option<(&'n str, &'n Node<'n>)> {
        let NodeKind::Text(text) = &node.kind else {
            self.invalid(node, "`$ref` is a text".into());
            return None;
        };
        let Some(name) = text.strip_prefix("#/$defs/") else {
            let message = format!("`{text}` does not lead to a definition of this body");
            let problem = Diagnostic::error(Code::SchemaValid, node.span, message)
                .help("write `#/$defs/NAME`, and the schema in `$defs` at the top of the body");
            self.report.push(problem);
            return None;
        };
        let NodeKind::Map(entries) = &self.defs.map(|defs| &defs.kind).unwrap_or(&NodeKind::Null)
        else {
            self.invalid(node, format!("there is no definition `{name}`"));
            return None;
        };
        let found = entries.iter().find(|(known, _)| known.value == name);
        if found.is_none() {
            let problem = Diagnostic::error(
                Code::SchemaValid,
                node.span,
                format!("there is no definition `{name}`"),
            );
            let names = entries.iter().map(|(known, _)| &*known.value);
            self.report.push(match suggestion(name, names) {
                Some(near) => problem.help(near),
                None => problem,
            });
        }
        let (name, target) = found?;
        self.reached.insert(&name.value);
        Some((&name.value, target))
    }

    /// Compiles a part of which the masks are joined with others: it refers to nothing around it.
    pub fn isolated(&mut self, compile: impl FnOnce(&mut Self) -> Pair) -> (Mask, Mask) {
        let (read, write) = (std::mem::take(&mut self.read), std::mem::take(&mut self.write));
        let made = std::mem::take(&mut self.made);
        let straight = std::mem::take(&mut self.straight);
        let around = std::mem::replace(&mut self.around, self.open.len());
        let pair = compile(self);
        let inner =
            (std::mem::replace(&mut self.read, read), std::mem::replace(&mut self.write, write));
        (self.made, self.straight, self.around) = (made, straight, around);
        (inner.0.finish(pair.0), inner.1.finish(pair.1))
    }

    /// The types that `type` names; without it, those that the keywords speak of, because a value
    /// of a type that a schema does not limit must not slip past it.
    fn types(&mut self, node: &Node) -> Types {
        let has = |keywords: &[&str]| keywords.iter().any(|keyword| node.get(keyword).is_some());
        let Some(named) = node.get("type") else {
            return match (
                has(&["properties", "patternProperties", "additionalProperties"]),
                has(&["items", "prefixItems"]),
            ) {
                (false, false) => Types::ANY,
                (true, false) => Types::OBJECT,
                (false, true) => Types::ARRAY,
                (true, true) => Types::CONTAINER,
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
        let help = suggestion(name, TYPES.iter().map(|(known, _)| *known));
        let problem = Diagnostic::error(Code::SchemaValid, node.span, "this is no JSON type");
        self.report.push(match help {
            Some(near) => problem.help(near),
            None => problem.help(
                "types are `object`, `array`, `string`, `number`, `integer`, `boolean` and `null`",
            ),
        });
        Types::NONE
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

    pub fn invalid(&mut self, node: &Node, message: String) {
        self.report.push(Diagnostic::error(Code::SchemaValid, node.span, message));
    }
}

/// The fields by their names folded. Of two that fold alike neither is shown to a variant.
fn variants(fields: &[(Arc<str>, NodeId)]) -> Vec<(Arc<str>, NodeId)> {
    let mut found: BTreeMap<Arc<str>, NodeId> = BTreeMap::new();
    for (name, id) in fields {
        let entry = found.entry(fold(name).into()).or_insert(*id);
        if *entry != *id {
            *entry = HIDE;
        }
    }
    found.into_iter().collect()
}

/// Adds a node unless one of the constant ones says the same.
fn add(builder: &mut MaskBuilder, (node, extra): (MaskNode, Extra)) -> NodeId {
    let open = node.types == Types::ANY
        && node.others == SHOW
        && node.items == SHOW
        && node.fields.iter().all(|(_, field)| *field == SHOW)
        && extra.elements.iter().all(|(_, element)| *element == SHOW)
        && extra.folded.iter().all(|(_, node)| *node == SHOW)
        && extra.patterns.table.iter().skip(1).all(|node| *node == SHOW);
    if open {
        return SHOW;
    }
    let id = builder.add(node);
    builder.extra(id, extra);
    id
}
