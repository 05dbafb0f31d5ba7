//! Masks for objects that say by a tag what they are.

use super::algebra::{How, Meet, Side, intersect};
use super::mask::{HIDE, Mask, MaskBuilder, Node, NodeId, SHOW, Types};
use super::place::{PointerError, put, put_at, tag_field, tokens};
use super::plan::{Extra, Tags};
use super::tag::{Field, Sought};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The pointer that means every object, at any depth.
pub const ANYWHERE: &str = "/**";

/// What applies to objects that are called so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The tag: a text.
    pub value: Arc<str>,
    /// What passes of them.
    pub mask: Mask,
}

/// A mask that shows everything, except that an object at `pointer` (see [`super::place::place`])
/// shows what the case of its tag does, the text at the pointer `field` inside of it. One that is
/// called something else is none of these, and shown. One whose tag cannot be told, or that has
/// none, shows what all cases do.
///
/// The pointer [`ANYWHERE`] means every object: also one inside of another, of which only that passes
/// that the outer one shows as well. What has no tag and is a part of an object of a case belongs to
/// that; elsewhere it shows what all cases do. There `alternative` says nothing: every body fits.
pub fn place_tagged(
    pointer: &str,
    field: &str,
    alternative: u32,
    cases: &[Case],
) -> Result<Mask, PointerError> {
    let field = tag_field(field)?;
    let cases = joined(cases);
    let all = cases.iter().fold(Mask::show(), |all, case| intersect(&all, &case.mask));
    let values = cases.iter().map(|case| case.value.clone()).collect();
    if pointer == ANYWHERE {
        let sought = Sought { place: None, field: field.clone(), values };
        return Ok(Anywhere::new(field, &cases, &all).run(&sought));
    }
    let place: Arc<[_]> = tokens(pointer)?.into();
    let sought = Sought { place: Some(place), field: field.clone(), values };
    put_at(pointer, alternative, &all, |builder, all, way| {
        builder.seek(&[sought]);
        let own = put(builder, all, way);
        let none = put(builder, all, way);
        let other = put(builder, &Mask::show(), way);
        let case = |case: &Case| (case.value.clone(), put(builder, &case.mask, way));
        let cases = cases.iter().map(case).collect();
        let extra = builder.extra_of(own).cloned().unwrap_or_default();
        builder.extra(own, Extra { tags: Some(Tags { field, cases, other, none }), ..extra });
        own
    })
}

/// The cases by their tags; what two say of one tag must both hold.
fn joined(cases: &[Case]) -> Vec<Case> {
    let mut all: Vec<Case> = Vec::new();
    for case in cases {
        match all.iter_mut().find(|other| other.value == case.value) {
            Some(other) => other.mask = intersect(&other.mask, &case.mask),
            None => all.push(case.clone()),
        }
    }
    all.sort_by(|a, b| a.value.cmp(&b.value));
    all
}

/// Makes the mask of objects anywhere.
struct Anywhere {
    /// The masks of all cases, and what all of them show.
    source: Mask,
    field: Field,
    cases: Vec<(Arc<str>, NodeId)>,
    all: NodeId,
    builder: MaskBuilder,
    made: HashMap<State, NodeId>,
    open: VecDeque<(State, NodeId)>,
    /// What is around the value whose node is being made.
    around: Around,
}

/// What applies to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    /// It must pass both nodes of the source. One of them alone is the left one.
    nodes: (NodeId, NodeId),
    around: Around,
    /// An object is still to be asked for its tag.
    asks: bool,
}

/// What a value is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Around {
    /// No object of a case.
    Nothing,
    /// An object of a case, which speaks of its parts.
    Case,
}

impl Anywhere {
    fn new(field: Field, cases: &[Case], all: &Mask) -> Anywhere {
        let mut source = MaskBuilder::new();
        let all = source.graft(all);
        let cases = cases.iter().map(|case| (case.value.clone(), source.graft(&case.mask)));
        let cases = cases.collect();
        Anywhere {
            source: source.finish(SHOW),
            field,
            cases,
            all,
            builder: MaskBuilder::new(),
            made: HashMap::new(),
            open: VecDeque::new(),
            around: Around::Nothing,
        }
    }

    fn run(mut self, sought: &Sought) -> Mask {
        self.builder.seek(std::slice::from_ref(sought));
        let nodes = (SHOW, SHOW);
        let root = self.node(State { nodes, around: Around::Nothing, asks: true });
        while let Some((state, id)) = self.open.pop_front() {
            let (node, extra) = if state.asks { self.asking(state) } else { self.plain(state) };
            self.builder.set(id, node);
            self.builder.extra(id, extra);
        }
        self.builder.finish(root)
    }

    /// The node of a state, made now or before.
    fn node(&mut self, state: State) -> NodeId {
        let nodes = match state.nodes {
            (HIDE, _) | (_, HIDE) => return HIDE,
            (one, two) if one == two => (one, SHOW),
            (SHOW, one) => (one, SHOW),
            (one, SHOW) => (one, SHOW),
            (one, two) => (one.min(two), one.max(two)),
        };
        let state = State { nodes, ..state };
        if let Some(id) = self.made.get(&state) {
            return *id;
        }
        if self.made.len() >= MAX_STATES {
            return HIDE;
        }
        let id = self.builder.reserve();
        self.made.insert(state, id);
        self.open.push_back((state, id));
        id
    }

    /// The state of an object to which one more node applies, asked and a part of what is `around`;
    /// hidden where two others apply already.
    fn with(&mut self, state: State, also: NodeId, around: Around) -> NodeId {
        match self.also(state, also) {
            Some(nodes) => self.node(State { nodes, around, asks: false }),
            None => HIDE,
        }
    }

    fn also(&self, state: State, also: NodeId) -> Option<(NodeId, NodeId)> {
        match state.nodes {
            (one, two) if also == SHOW || also == one || also == two => Some((one, two)),
            (one, SHOW) => Some((one, also)),
            _ => None,
        }
    }

    fn plain(&mut self, state: State) -> (Node, Extra) {
        self.around = state.around;
        let source = self.source.clone();
        self.content(Side::of(&source, state.nodes.0), Side::of(&source, state.nodes.1))
    }

    /// As [`Anywhere::plain`], but an object is asked for its tag, and what it shows as long as that
    /// is not known is what all cases show.
    fn asking(&mut self, state: State) -> (Node, Extra) {
        let (mut node, mut extra) = self.plain(state);
        if !node.types.has(Types::OBJECT) {
            return (node, extra);
        }
        let unknown = self.also(state, self.all).map(|nodes| self.plain(State { nodes, ..state }));
        match unknown.filter(|(unknown, _)| unknown.types.has(Types::OBJECT)) {
            Some((unknown, more)) => {
                (node.fields, node.others) = (unknown.fields, unknown.others);
                extra.patterns = more.patterns;
            }
            None => {
                node.types = Types(node.types.0 & !Types::OBJECT.0);
                (node.fields, node.others) = (Vec::new(), HIDE);
                extra.patterns = Default::default();
            }
        }
        let cases = self.cases.clone().into_iter();
        let cases = cases.map(|(value, root)| (value, self.with(state, root, Around::Case)));
        let cases = cases.collect();
        let other = self.node(State { asks: false, ..state });
        let none = match state.around {
            Around::Case => other,
            Around::Nothing => self.with(state, self.all, Around::Nothing),
        };
        extra.tags = Some(Tags { field: self.field.clone(), cases, other, none });
        (node, extra)
    }
}

impl Meet for Anywhere {
    fn how(&self) -> How {
        How::Both
    }

    fn pair(&mut self, left: NodeId, right: NodeId) -> NodeId {
        self.node(State { nodes: (left, right), around: self.around, asks: true })
    }
}

/// The most states of one mask. What is beyond is hidden; states are made from the outside in.
pub const MAX_STATES: usize = 4096;

#[cfg(test)]
mod tests;
