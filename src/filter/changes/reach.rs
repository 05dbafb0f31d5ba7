//! What a mask says of the place that a pointer names, in an object that nobody here has seen.

use super::Pointer;
use crate::filter::fault::Fault;
use crate::filter::mask::{HIDE, Mask, NodeId, SHOW, Types};
use crate::filter::write;

/// The nodes that may apply at a place: a number can name a member or an element.
#[derive(Debug, Default)]
pub(in crate::filter) struct Reach {
    /// Where the last step is to a member, or there is none.
    members: Vec<NodeId>,
    /// Where it is to an element of a list.
    elements: Vec<NodeId>,
    /// Other elements of the list have other nodes.
    placed: bool,
}

/// A number of more digits means another one to some servers.
const MOST_DIGITS: usize = 9;

/// How a token names an element.
enum Index {
    At(u64),
    /// `-`, after the last one.
    End,
    /// To some servers one number, to some another, to some none: `01`.
    Unclear,
    None,
}

impl Reach {
    /// Follows a pointer.
    pub fn of(mask: &Mask, pointer: &Pointer) -> Result<Reach, Fault> {
        let mut reach = Reach { members: vec![mask.root()], ..Reach::default() };
        for token in &pointer.tokens {
            let mut next = Reach::default();
            for node in reach.nodes() {
                next.step(mask, node, token)?;
            }
            for nodes in [&mut next.members, &mut next.elements] {
                nodes.sort_unstable();
                nodes.dedup();
            }
            reach = next;
        }
        Ok(reach)
    }

    /// Every node that may apply.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.iter().chain(&self.elements).copied()
    }

    /// Whether anything there or inside may be hidden.
    pub fn hides(&self, mask: &Mask) -> bool {
        self.nodes().any(|node| mask.hides(node) || is_hidden(mask, node))
    }

    /// Whether nothing may be there that passes.
    pub fn is_hidden(&self, mask: &Mask) -> bool {
        self.nodes().any(|node| is_hidden(mask, node))
    }

    /// Whether a member of this name may hold something that is hidden.
    pub fn members_hide(&self, mask: &Mask) -> bool {
        self.members.iter().any(|node| mask.hides(*node) || is_hidden(mask, *node))
    }

    /// Whether it may be an element among others to which other rules apply.
    pub fn is_placed(&self) -> bool {
        self.placed
    }

    /// Whether it can be nothing but an element.
    pub fn is_element_alone(&self) -> bool {
        self.members.is_empty()
    }

    fn step(&mut self, mask: &Mask, node: NodeId, token: &str) -> Result<(), Fault> {
        let types = mask.node(node).types;
        let (object, array) = (types.has(Types::OBJECT), types.has(Types::ARRAY));
        // Which property a pair names is not known here.
        let hidden = is_hidden(mask, node) || !mask.plan(node).pairs.is_empty();
        if node == SHOW || hidden || !object && !array {
            self.members.push(if node == SHOW { SHOW } else { HIDE });
            return Ok(());
        }
        if object {
            self.members.push(write::alike(mask, node, token));
        }
        if array {
            let placed = &mask.plan(node).elements;
            self.placed |= !placed.is_empty();
            match Index::of(token) {
                Index::At(index) => self.elements.push(mask.element(node, index)),
                Index::End => self.elements.push(mask.node(node).items),
                Index::Unclear => return Err(Fault::NotAPatch { offset: 0 }),
                Index::None if object => {
                    self.elements.push(mask.node(node).items);
                    self.elements.extend(placed.iter().map(|(_, node)| *node));
                }
                Index::None => self.elements.push(HIDE),
            }
        }
        Ok(())
    }
}

impl Index {
    fn of(token: &str) -> Index {
        match token {
            "-" => Index::End,
            "" => Index::None,
            _ if !token.bytes().all(|byte| byte.is_ascii_digit()) => Index::None,
            _ if token.len() > 1 && token.starts_with('0') || token.len() > MOST_DIGITS => {
                Index::Unclear
            }
            _ => token.parse().map_or(Index::Unclear, Index::At),
        }
    }
}

fn is_hidden(mask: &Mask, node: NodeId) -> bool {
    node == HIDE || mask.node(node).types == Types::NONE
}
