//! From the names of a form's fields to the object that they spell.

use super::{Content, Field};
use crate::filter::Limits;
use crate::filter::fault::Fault;
use crate::filter::fold::fold;
use crate::filter::mask::{Mask, NodeId, SHOW, Types};
use crate::filter::scan::{Digits, is_integral, number};
use crate::filter::trail::{Way, pointer_to};
use serde_json::Value;

/// How texts are read that a place takes as a text and as something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As a text.
    Text,
    /// As what they would be in JSON.
    Literal,
}

/// Where a file stands: its tokens, its pointer, and what applies there.
pub(super) type FileAt = (Vec<String>, String, NodeId);

/// The object that names spell.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    root: Vec<Member<'a>>,
}

#[derive(Debug)]
struct Member<'a> {
    name: String,
    folded: String,
    value: Node<'a>,
}

#[derive(Debug)]
enum Node<'a> {
    Leaf(Content<'a>),
    Members(Vec<Member<'a>>),
    /// Of names that end with `[]`.
    Elements(Vec<Content<'a>>),
}

/// A member that browsers fill in with the encoding, and that tells some servers another one.
const CHARSET: &str = "_charset_";

impl<'a> Tree<'a> {
    pub fn new() -> Tree<'a> {
        Tree { root: Vec::new() }
    }

    /// Adds a field. A name that stood before is refused, unless it ends with `[]`; so is one that
    /// differs from one before in case alone, or of which one is a part of the other.
    pub fn add(&mut self, field: Field<'a>, limits: &Limits) -> Result<(), Fault> {
        let unclear = Fault::NotAForm { offset: field.offset };
        let (names, is_list) = spelled(&field.name, limits).ok_or(unclear)?;
        let (last, above) = names.split_last().ok_or(unclear)?;
        let mut members = &mut self.root;
        for name in above {
            let at = position(members, name).ok_or(unclear)?;
            if at == members.len() {
                members.push(Member::new(name, Node::Members(Vec::new())));
            }
            let Node::Members(inside) = &mut members[at].value else { return Err(unclear) };
            members = inside;
        }
        let at = position(members, last).ok_or(unclear)?;
        if is_list && at == members.len() {
            members.push(Member::new(last, Node::Elements(Vec::new())));
        }
        match (is_list, members.get_mut(at)) {
            (true, Some(Member { value: Node::Elements(elements), .. })) => {
                elements.push(field.content);
            }
            (false, None) => members.push(Member::new(last, Node::Leaf(field.content))),
            _ => return Err(unclear),
        }
        Ok(())
    }

    /// Pointers to members that Spring takes for the mark of a field which holds something hidden: where
    /// there is `_name` alone, it empties `name`.
    pub fn marks(&self, mask: &Mask) -> Vec<String> {
        let fields = &mask.node(mask.root()).fields;
        let is_mark = |member: &&Member<'_>| {
            let Some(marked) = member.folded.strip_prefix('_') else { return false };
            let is_field = fields.iter().any(|(name, _)| **name == *member.name);
            !is_field && fields.iter().any(|(name, id)| mask.hides(*id) && fold(name) == marked)
        };
        self.root.iter().filter(is_mark).map(|member| pointer_to(&member.name)).collect()
    }

    /// The object as JSON, and where files stand. A number as a name is an element where a list is
    /// expected.
    pub fn json(&self, mask: &Mask, reading: Reading) -> Result<(Vec<u8>, Vec<FileAt>), Fault> {
        let (text, files) = (Vec::new(), Vec::new());
        let mut writer =
            Writer { mask, reading, text, files, tokens: Vec::new(), way: Way::default() };
        writer.object(&self.root, mask.root())?;
        Ok((writer.text, writer.files))
    }
}

impl<'a> Member<'a> {
    fn new(name: &str, value: Node<'a>) -> Member<'a> {
        Member { name: name.to_owned(), folded: fold(name), value }
    }
}

/// Where a name stands among members, or the end; `None` where one is alike but for its case.
fn position(members: &[Member<'_>], name: &str) -> Option<usize> {
    let folded = fold(name);
    match members.iter().position(|member| member.folded == folded) {
        Some(at) => (members[at].name == name).then_some(at),
        None => Some(members.len()),
    }
}

/// `a[b][]` is `a`, `b`, and one element more. Brackets stand in pairs and at the end; nothing else
/// that some server reads as a step (a dot) or does away with (blanks around, control characters;
/// Spring takes quotes off, and `!a` for what `a` is where nothing says it).
fn spelled<'n>(name: &'n str, limits: &Limits) -> Option<(Vec<&'n str>, bool)> {
    let (first, mut rest) = name.split_at(name.find('[').unwrap_or(name.len()));
    let bad = |c: char| c == '.' || c.is_whitespace();
    let is_other = first.starts_with('!') || first.eq_ignore_ascii_case(CHARSET);
    if first.contains(bad) || is_other || name.len() > limits.key {
        return None;
    }
    let mut names = vec![first];
    let mut is_list = false;
    while !rest.is_empty() {
        let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
        match (inside, after) {
            ("", "") => is_list = true,
            _ => names.push(inside),
        }
        rest = after;
    }
    let clear = |name: &&str| {
        !name.is_empty()
            && name.trim() == *name
            && !name.contains(|c: char| "[]'\"".contains(c) || c.is_control())
    };
    (names.iter().all(clear) && names.len() <= limits.depth).then_some((names, is_list))
}

struct Writer<'m> {
    mask: &'m Mask,
    reading: Reading,
    text: Vec<u8>,
    files: Vec<FileAt>,
    tokens: Vec<String>,
    way: Way,
}

impl Writer<'_> {
    fn object(&mut self, members: &[Member<'_>], node: NodeId) -> Result<(), Fault> {
        self.text.push(b'{');
        for (at, member) in members.iter().enumerate() {
            if at > 0 {
                self.text.push(b',');
            }
            self.string(&member.name);
            self.text.push(b':');
            let child = if node == SHOW {
                SHOW
            } else {
                crate::filter::write::alike(self.mask, node, &member.name)
            };
            self.enter(member.name.clone());
            self.value(&member.value, child)?;
            self.leave();
        }
        self.text.push(b'}');
        Ok(())
    }

    fn value(&mut self, value: &Node<'_>, node: NodeId) -> Result<(), Fault> {
        match value {
            Node::Leaf(content) => self.content(content, node),
            Node::Elements(contents) => {
                return self.list(contents.iter(), node, |writer, content, node| {
                    writer.content(content, node);
                    Ok(())
                });
            }
            Node::Members(members) => {
                let types = self.mask.node(node).types;
                let (object, array) = (types.has(Types::OBJECT), types.has(Types::ARRAY));
                let numbers = members.iter().all(|member| is_index(&member.name));
                if node == SHOW || !numbers || !array {
                    return self.object(members, node);
                }
                let names = members.iter().map(|member| member.name.parse::<usize>().ok());
                if object || !names.eq((0..members.len()).map(Some)) {
                    // A list with holes, or perhaps none.
                    return Err(Fault::NotAForm { offset: 0 });
                }
                let values = members.iter().map(|member| &member.value);
                return self.list(values, node, |writer, value, node| writer.value(value, node));
            }
        }
        Ok(())
    }

    fn list<'v, V: 'v>(
        &mut self,
        values: impl Iterator<Item = &'v V>,
        node: NodeId,
        mut each: impl FnMut(&mut Self, &'v V, NodeId) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.text.push(b'[');
        for (at, value) in (0u64..).zip(values) {
            if at > 0 {
                self.text.push(b',');
            }
            let child = if node == SHOW { SHOW } else { self.mask.element(node, at) };
            self.enter(at.to_string());
            each(self, value, child)?;
            self.leave();
        }
        self.text.push(b']');
        Ok(())
    }

    fn content(&mut self, content: &Content<'_>, node: NodeId) {
        match content {
            Content::Json(text) => self.text.extend_from_slice(text),
            Content::File => {
                self.files.push((self.tokens.clone(), self.way.as_str().to_owned(), node));
                self.string("");
            }
            Content::Text(text) => {
                let types = self.mask.node(node).types;
                let literal = literal(text).is_some_and(|is| types.accept(is));
                let as_text = self.reading == Reading::Text && types.has(Types::STRING);
                if literal && !as_text {
                    self.text.extend_from_slice(text.as_bytes());
                } else {
                    self.string(text);
                }
            }
        }
    }

    fn string(&mut self, text: &str) {
        self.text.extend_from_slice(Value::from(text).to_string().as_bytes());
    }

    fn enter(&mut self, token: String) {
        self.way.member(&token);
        self.tokens.push(token);
    }

    fn leave(&mut self) {
        self.way.up();
        self.tokens.pop();
    }
}

/// The type of a text that JSON would read as a number or a boolean.
fn literal(text: &str) -> Option<Types> {
    match text {
        "true" | "false" => return Some(Types::BOOLEAN),
        _ => {}
    }
    let (end, read) = number(text.as_bytes(), 0, Digits::Start);
    let whole = end == text.len() && read.is_whole_number_text();
    whole.then(|| if is_integral(text.as_bytes()) { Types::INTEGRAL } else { Types::NUMBER })
}

fn is_index(name: &str) -> bool {
    name == "0" || !name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit())
}
