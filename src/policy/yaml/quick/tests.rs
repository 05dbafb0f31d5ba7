use crate::diag::Report;
use crate::policy::node::Node;
use crate::policy::yaml::{Budget, Builder, MAX_DEPTH, MAX_TREE_BYTES, read_quickly};
use crate::source::FileId;
use proptest::prelude::*;

const BUDGET: Budget = Budget { depth: MAX_DEPTH, bytes: MAX_TREE_BYTES };

/// What the quick reader makes of a text, which must be what the parser makes of it, without a
/// problem. Whether it reads it at all is said.
fn agrees(text: &str) -> bool {
    let Some(quick) = read_quickly(FileId(0), text, BUDGET) else { return false };
    let mut report = Report::default();
    let parsed: Option<Node<'_>> =
        Builder::new(FileId(0), text, BUDGET, &mut report).run().ok().map(|tree| tree.root);
    assert_eq!(Some(quick.root), parsed, "{text:?}");
    assert_eq!(report, Report::default(), "{text:?}");
    true
}

#[track_caller]
fn reads(text: &str) {
    assert!(agrees(text), "given up: {text:?}");
}

#[track_caller]
fn gives_up(text: &str) {
    assert!(!agrees(text), "read: {text:?}");
}

#[test]
fn what_most_policies_are_written_in_is_read() {
    reads("a: 1\n");
    reads("a: 1");
    reads("---\na: x # c\n\n# c\nb:   é  \n");
    reads("a:\n  - b: c\n    d: [x, {y: z}]\n  - e\n  -\n    f: g\nh: -1.5\n");
    reads("a:\n- b: 1\n  c:\n  - d\n- e: 2\nf: true\n");
    reads("- - a\n  - b\n- c: d\n");
    reads("a: 'it''s' # c\n\"b\": \"\\u00e9 \\\\ \\\" \\/ \\n\"\n");
    reads("{\"a\": [1, true, null, \"x\"],\n \"b\":{}, \"c\":\n[]}\n");
    reads(
        "roles:\n  - {id: a, grants: [{path: \"/x/**\", access: crud}], of: https://x.test/a#b}\n",
    );
    reads("path: /a/{id}/[b],c & d * e\n");
    reads("a: b   \n\n   # deep\n  \nc: ~\n");
    reads("x:\n\n  # c\n\n  y: 2026-01-01T00:00:00Z\n");
    reads("a: {b: c\n  , d: e}\n");
}

#[test]
fn what_is_rare_or_wrong_is_left_to_the_parser() {
    for text in [
        "",
        "a",
        "a:\n",
        "- \n",
        "a: &x 1\nb: *x\n",
        "a: !!str 1\n",
        "a: |\n  b\n",
        "a: b\n  c\n",
        "a: b\n c: d\n",
        "a:\tb\n",
        "a: b\r\n",
        "a: 'x\n  y'\n",
        "? a\n: b\n",
        "a: b: c\n",
        "a: 1\na: 2\n",
        "[a, b,]",
        "[a: b]",
        "{a, b}",
        "{a: }",
        "a: [b # c\n  ]\n",
        "a: [\nb]\n",
        "a: 1\n---\nb: 2\n",
        "a: 1\n...\n",
        "a: \"\\ud83d\\ude00\"\n",
        "a: \u{feff}b\n",
        "a: b\u{85}c\n",
        "a: <<\n<<: b\n",
        "a: 99999999999999999999\n",
        "a: - b\n",
        "a: \"b\"c\n",
        "a: [b]c\n",
        "{a: b",
    ] {
        gives_up(text);
    }
}

#[test]
fn a_key_has_a_limit() {
    for (len, read) in [(999, true), (1_000, true), (1_001, false)] {
        assert_eq!(agrees(&format!("{}: 1\n", "k".repeat(len))), read, "{len}");
    }
}

#[test]
fn the_policies_that_we_publish_are_read_as_the_parser_does() {
    for text in [
        include_str!("../../../../config/portcullis.yaml"),
        include_str!("../../../../config/policy.schema.json"),
    ] {
        agrees(text);
    }
}

/// Pieces of YAML that mean something beside each other.
const PIECES: [&str; 56] = [
    "a",
    "b c",
    "key",
    ":",
    ": ",
    "- ",
    "-",
    "\n",
    "\n  ",
    "\n    ",
    " ",
    "  ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    ",",
    "\"",
    "'",
    "#",
    " # c",
    "\\u00e9",
    "\\",
    "é",
    "null",
    "1",
    "-1",
    "~",
    "---\n",
    "...",
    "|",
    ">",
    "&x ",
    "*x",
    "!t ",
    "? ",
    "?",
    "<<",
    "\t",
    "%",
    "key: v\n",
    "- a\n",
    "x: [1, 2]\n",
    "{a: b}",
    "\"q\": ",
    "'s'",
    "\"t\"",
    "-x",
    "a:b",
    "a#b",
    "\u{a0}",
    "\u{2028}",
    "\r\n",
    ".5",
    "- k: v\n  l: w\n",
];

/// A value written in one way or another, at an indent.
fn written() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "x",
        "1",
        "'q''r'",
        "\"d\\n\"",
        "a b",
        "/p/{x}",
        "~",
        "true",
        "é",
        "[]",
        "{}",
        "-3",
        "1.5",
        "{a: b, 'c': [d, e]}",
        "[x, y]  # c",
        "\"k\"  ",
    ]);
    let leaf = leaf.prop_map(|text| format!(" {text}\n"));
    leaf.prop_recursive(4, 24, 4, |inner| {
        let indented = |text: &str, by: &str| text.replace('\n', &format!("\n{by}"));
        let own = move |text: &str, by: &str| indented(text, by).trim_end_matches(' ').to_owned();
        let list = prop::collection::vec(inner.clone(), 1..4).prop_map(move |items| {
            let items = items.iter().map(|item| format!("\n-{}", own(item, "  ").trim_end()));
            items.collect::<String>() + "\n"
        });
        let map = (prop::collection::vec(inner, 1..4), prop::bool::ANY).prop_map(
            move |(values, deep)| {
                let by = if deep { "    " } else { "  " };
                let entries = values.iter().enumerate().map(|(at, value)| {
                    format!("\nk{at}:{}", own(value, by).trim_end_matches('\n'))
                });
                entries.collect::<String>() + "\n"
            },
        );
        prop_oneof![list, map]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p12_pieces_in_any_order_are_read_alike(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 1..14),
    ) {
        agrees(&pieces.concat());
    }

    #[test]
    fn p12_policies_and_their_damaged_copies_are_read_alike(
        text in written(),
        at in any::<prop::sample::Index>(),
        piece in prop::sample::select(&PIECES[..]),
        cut in 0..4_usize,
    ) {
        agrees(&text);
        let mut signs: Vec<char> = text.chars().collect();
        let at = at.index(signs.len());
        let end = (at + cut).min(signs.len());
        signs.splice(at..end, piece.chars());
        agrees(&signs.into_iter().collect::<String>());
    }
}
