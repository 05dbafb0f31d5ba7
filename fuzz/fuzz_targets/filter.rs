//! The filter refuses a body, or lets through the same bytes however the body was cut into chunks:
//! those that a slow reader with a tree lets through, under any mask. What came out goes in again
//! unchanged.
//!
//! The input says a mask (which nodes there are, and how they refer to each other), where to cut, and
//! a document: its bytes as they are, or choices of which a document is made, so that most are valid
//! and have the names that the mask has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::filter::mask::{HIDE, Mask, MaskBuilder, Node, NodeId, Types};
use portcullis::filter::values::NamePattern;
use portcullis::filter::{Extra, Fault, Filter, Limits, Patterns};
use std::sync::Arc;

/// Parses into a tree and walks it; shares nothing with the filter but the mask.
#[allow(dead_code)]
#[path = "../../tests/filter/oracle.rs"]
mod oracle;

fuzz_target!(|input: &[u8]| {
    let choices = &mut Choices(input);
    let mask = Arc::new(mask(choices));
    let (cut, written) = (choices.below(256), choices.below(2) == 0);
    let body = match written {
        true => document(choices).into_bytes(),
        false => choices.0.to_vec(),
    };
    let cut = cut.min(body.len());
    let whole = filtered(&mask, &[&body]);
    assert_eq!(filtered(&mask, &[&body[..cut], &body[cut..]]).is_ok(), whole.is_ok());
    let wanted = oracle::filter(&mask, &body);
    match (&whole, &wanted) {
        (Ok(out), Some(wanted)) => {
            assert_eq!(out.escape_ascii().to_string(), wanted.escape_ascii().to_string());
            assert_eq!(filtered(&mask, &[&body[..cut], &body[cut..]]).as_ref(), Ok(out));
            assert_eq!(filtered(&mask, &body.chunks(1).collect::<Vec<_>>()).as_ref(), Ok(out));
            assert_eq!(filtered(&mask, &[out]).as_ref(), Ok(out), "what came out goes in");
        }
        (Err(_), None) => {}
        (got, wanted) => panic!("{got:?}, and the tree says {wanted:?}"),
    }
});

fn filtered(mask: &Arc<Mask>, chunks: &[&[u8]]) -> Result<Vec<u8>, Fault> {
    let mut filter = Filter::new(mask.clone(), Limits::default());
    let mut out = Vec::new();
    for chunk in chunks {
        filter.push(chunk, &mut out)?;
    }
    filter.finish(&mut out)?;
    Ok(out)
}

/// What the input chooses; zeros when it has ended.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*byte) % bound
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }
}

/// Some nodes that refer to each other at will; 0 shows and 1 hides everything.
fn mask(choices: &mut Choices<'_>) -> Mask {
    let nodes = 1 + choices.below(6);
    let mut builder = MaskBuilder::new();
    for _ in 0..nodes {
        let id = |choices: &mut Choices<'_>| NodeId(choices.below(nodes + 2) as u32);
        let mut named: Vec<&str> = (0..choices.below(4)).map(|_| choices.pick(NAMES)).collect();
        named.sort_unstable();
        named.dedup();
        let fields = named.into_iter().map(|name| (Arc::from(name), id(choices))).collect();
        let (others, items) = (id(choices), id(choices));
        let way = [0, 0, 0, 1, 2, 3][choices.below(6)];
        let node = Node { types: choices.pick(TYPES), fields, others, items, way };
        let added = builder.add(node);
        let nulls = choices.below(4) == 0;
        let patterns = match choices.below(4) {
            0 => patterns(choices.pick(SHAPES), id(choices)),
            _ => Patterns::default(),
        };
        builder.extra(added, Extra { nulls, patterns, ..Extra::default() });
    }
    builder.finish(NodeId(2))
}

/// One expression with a node: what does not match is as all others are.
fn patterns(source: &str, node: NodeId) -> Patterns {
    let names = vec![NamePattern::new(source).expect("an expression")];
    Patterns { names, table: vec![HIDE, node] }
}

/// A document, its text by the input's choices.
fn document(choices: &mut Choices<'_>) -> String {
    let mut text = String::new();
    text += choices.pick(WHITE);
    value(choices, 0, &mut text);
    text += choices.pick(WHITE);
    text
}

fn value(choices: &mut Choices<'_>, depth: usize, text: &mut String) {
    let kind = if depth < DEEPEST { choices.below(8) } else { 7 };
    let (open, close, members) = match kind {
        0..4 => ('{', '}', true),
        4..6 => ('[', ']', false),
        _ => return *text += choices.pick(SCALARS),
    };
    text.push(open);
    for at in 0..choices.below(5) {
        *text += if at > 0 { "," } else { "" };
        *text += choices.pick(WHITE);
        if members {
            *text += choices.pick(KEYS);
            *text += choices.pick(WHITE);
            text.push(':');
            *text += choices.pick(WHITE);
        }
        value(choices, depth + 1, text);
        *text += choices.pick(WHITE);
    }
    text.push(close);
}

/// Containers inside of one another that are made; raw documents go deeper.
const DEEPEST: usize = 6;

const NAMES: &[&str] = &["a", "b", "ssn", "é", "x/y", "data"];

/// Expressions that the tree knows, too: a beginning, or a part.
const SHAPES: &[&str] = &["^s", "a", "^", "é"];

const TYPES: &[Types] = &[
    Types::ANY,
    Types::OBJECT,
    Types::ARRAY,
    Types::CONTAINER,
    Types::STRING.or(Types::OBJECT),
    Types::INTEGER.or(Types::CONTAINER),
    Types::NUMBER.or(Types::NULL).or(Types::CONTAINER),
    Types::BOOLEAN.or(Types::OBJECT),
    Types::NONE,
];

const WHITE: &[&str] = &["", "", "", " ", "\n\t", "\r\n"];

const KEYS: &[&str] = &[
    r#""a""#,
    r#""b""#,
    r#""A""#,
    r#""ssn""#,
    r#""s\u0073n""#,
    r#""é""#,
    r#""\u00e9""#,
    r#""x\/y""#,
    r#""data""#,
    r#""\ud800""#,
    r#""""#,
    r#""a key that is longer than one block of eight bytes""#,
];

const SCALARS: &[&str] = &[
    "0",
    "-0",
    "12345678901234567890",
    "1.50",
    "1.5E+1",
    "15e-1",
    "100e-2",
    "01",
    "null",
    "true",
    "false",
    r#""""#,
    r#""a\"b\\c\/d\n""#,
    r#""\ud83d\ude00 \ud800 alone""#,
    r#""], }, \"ssn\": 1, and more than one block of text""#,
];
