//! Random documents and masks, of few names so that they meet.

use portcullis::filter::mask::{HIDE, Mask, MaskBuilder, Node, NodeId, SHOW, Types};
use portcullis::filter::values::NamePattern;
use portcullis::filter::{Extra, Patterns};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Names as they are decoded.
pub const NAMES: &[&str] = &["a", "b", "ssn", "é", "x/y", "data"];

/// A runner whose cases are the same every time.
pub fn runner(cases: u32) -> TestRunner {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    TestRunner::new_with_rng(Config { cases, failure_persistence: None, ..Config::default() }, rng)
}

/// The text of a document, most of them valid.
pub fn document() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        prop::sample::select(NUMBERS).prop_map(str::to_owned),
        prop::sample::select(STRINGS).prop_map(str::to_owned),
        prop::sample::select(&["null", "true", "false"][..]).prop_map(str::to_owned),
    ];
    let value = scalar.prop_recursive(5, 40, 5, |inner| {
        let item = (white(), inner.clone(), white());
        let member = (white(), key(), white(), white(), inner, white());
        let items = prop::collection::vec(item, 0..5);
        let members = prop::collection::vec(member, 0..5);
        prop_oneof![
            (white(), items).prop_map(|(empty, items)| {
                let items: Vec<_> = items.iter().map(|(a, v, b)| format!("{a}{v}{b}")).collect();
                if items.is_empty() {
                    format!("[{empty}]")
                } else {
                    format!("[{}]", items.join(","))
                }
            }),
            (white(), members).prop_map(|(empty, members)| {
                let members =
                    members.iter().map(|(a, k, b, c, v, d)| format!("{a}{k}{b}:{c}{v}{d}"));
                let members: Vec<_> = members.collect();
                if members.is_empty() {
                    format!("{{{empty}}}")
                } else {
                    format!("{{{}}}", members.join(","))
                }
            }),
        ]
    });
    (white(), value, white()).prop_map(|(a, value, b)| format!("{a}{value}{b}"))
}

/// A document with lists, or single objects, where rows can be.
pub fn listed() -> impl Strategy<Value = String> {
    let a = prop::sample::select(&["", r#""a":7,"#, r#""a" : null,"#, r#""\u0061":"x","#][..]);
    let row = prop_oneof![
        2 => (a, document()).prop_map(|(a, value)| format!(r#"{{{a}"ssn":{value},"c":{value}}}"#)),
        1 => document(),
    ];
    let list = prop::collection::vec(row.clone(), 0..5);
    let list = list.prop_map(|rows| format!("[{}]", rows.join(",")));
    let rows = prop_oneof![3 => list, 1 => row];
    let around = prop::sample::select(&[
        "R",
        r#"{"data":R}"#,
        r#"{"b":D,"data":R,"ssn":D}"#,
        r#"{"a":{"b":R},"data":R}"#,
        r#"{"x/y":D,"a":{"a":D,"b":R},"c":D}"#,
        r#"{"a":[D,R],"data":D}"#,
        r#"{"results":R,"a":D}"#,
    ]);
    (around, rows, document())
        .prop_map(|(around, rows, other)| around.replace('D', &other).replace('R', &rows))
}

/// A document with some of its bytes changed, so that it is mostly no longer one.
pub fn mutated() -> impl Strategy<Value = Vec<u8>> {
    mutate(document())
}

/// Changes some bytes of a text.
pub fn mutate(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..3u8, prop::sample::select(BYTES));
    (text, prop::collection::vec(change, 1..3)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (at, how, byte) in changes {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                _ if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.push(byte),
            }
        }
        bytes
    })
}

/// A mask of a few nodes that refer to each other at will.
pub fn mask() -> impl Strategy<Value = Mask> {
    let id = 0..7u32;
    let types = prop::sample::select(TYPES);
    let fields = prop::collection::vec((prop::sample::select(NAMES), id.clone()), 0..4);
    let way = prop_oneof![6 => Just(0u32), 1 => 1..4u32];
    let nulls = prop::bool::weighted(0.2);
    let shape = (prop::sample::select(SHAPES), id.clone());
    let shapes = prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(shape, 1..3)];
    let node = (types, fields, id.clone(), id, way, (nulls, shapes));
    (prop::collection::vec(node, 5), 0..7u32).prop_map(|(nodes, root)| {
        let mut builder = MaskBuilder::new();
        for (types, mut fields, others, items, way, (nulls, shapes)) in nodes {
            fields.sort();
            fields.dedup_by(|a, b| a.0 == b.0);
            let fields = fields.into_iter().map(|(name, id)| (name.into(), NodeId(id))).collect();
            let (others, items) = (NodeId(others), NodeId(items));
            let added = builder.add(Node { types, fields, others, items, way });
            builder.extra(added, Extra { nulls, patterns: patterns(shapes), ..Extra::default() });
        }
        builder.finish(NodeId(if root == 1 { 2 } else { root }))
    })
}

/// Expressions with a node each; two that match show what the last of them shows.
fn patterns(mut shapes: Vec<(&str, u32)>) -> Patterns {
    shapes.dedup_by(|a, b| a.0 == b.0);
    let names = shapes.iter().map(|(source, _)| NamePattern::new(source).unwrap()).collect();
    let last = |set: usize| (0..shapes.len()).rev().find(|at| set & 1 << at != 0);
    let node = |set| last(set).map_or(HIDE, |at| NodeId(shapes[at].1));
    let table = if shapes.is_empty() { vec![] } else { (0..1 << shapes.len()).map(node).collect() };
    Patterns { names, table }
}

/// Where to cut an input.
pub fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

/// A mask by hand: the fields of an object, each with its node, and everything else shown.
pub fn object(fields: &[(&str, NodeId)]) -> Mask {
    let mut builder = MaskBuilder::new();
    let fields = fields.iter().map(|(name, id)| ((*name).into(), *id)).collect();
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    builder.finish(root)
}

/// A mask that hides one member of the root.
pub fn without(name: &str) -> Mask {
    object(&[(name, HIDE), ("kept", SHOW)])
}

fn white() -> impl Strategy<Value = &'static str> {
    prop_oneof![5 => Just(""), 1 => prop::sample::select(&[" ", "\n  ", "\t", "\r\n"][..])]
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(KEYS)
}

const TYPES: &[Types] = &[
    Types::ANY,
    Types::ANY,
    Types::OBJECT,
    Types::ARRAY,
    Types::CONTAINER,
    Types::STRING.or(Types::OBJECT),
    Types::INTEGER,
    Types::INTEGER.or(Types::CONTAINER),
    Types::NUMBER.or(Types::NULL).or(Types::CONTAINER),
    Types::BOOLEAN.or(Types::OBJECT),
    Types::NONE,
];

const SHAPES: &[&str] = &["^s", "a", "^", "é"];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "7",
    "12345678901234567890",
    "1.50",
    "-2.0",
    "1e2",
    "1.5E+1",
    "15e-1",
    "100e-2",
    "0.0",
    "0e-5",
    "3.14159265358979311600",
];

const STRINGS: &[&str] = &[
    r#""""#,
    r#""text""#,
    r#""é €😀""#,
    r#""a\"b\\c\/d\n""#,
    r#""\u00e9\ud83d\ude00""#,
    r#""\ud800 alone""#,
    r#""], }, \"ssn\": 1, and more than one block of text""#,
];

const KEYS: &[&str] = &[
    r#""a""#,
    r#""b""#,
    r#""A""#,
    r#""ssn""#,
    r#""s\u0073n""#,
    r#""SSN""#,
    r#""é""#,
    r#""\u00e9""#,
    r#""x/y""#,
    r#""x\/y""#,
    r#""data""#,
    r#""other""#,
    r#""\ud800""#,
    r#""""#,
    r#""a key that is longer than one block of eight bytes""#,
];

const BYTES: &[u8] = b"{}[]:,\"\\ 0129-+.eEtfnu/x\x00\x1f\n\x80\xc3\xff\xef";
