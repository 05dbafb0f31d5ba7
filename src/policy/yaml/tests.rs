use super::*;
use crate::source::Sources;

fn read(text: &str) -> (Option<Node<'_>>, Report, Sources) {
    let mut sources = Sources::default();
    let file = sources.add("p.yaml", text);
    let mut report = Report::default();
    let node = parse(file, text, &mut report);
    (node, report, sources)
}

#[track_caller]
fn good(text: &str) -> (Node<'_>, Sources) {
    let (node, report, sources) = read(text);
    assert_eq!(report, Report::default());
    (node.unwrap(), sources)
}

/// The only problem of a text: its code, what is underlined, and where.
#[track_caller]
fn bad(text: &str) -> (Code, String, String) {
    let (_, report, sources) = read(text);
    let [problem] = report.problems() else { panic!("{:?}", report.problems()) };
    let span = problem.primary.as_ref().unwrap().span;
    (problem.code, sources.text(span).to_owned(), sources.place(span).to_string())
}

fn texts<'n>(node: &'n Node<'_>) -> Vec<&'n str> {
    match &node.kind {
        NodeKind::List(nodes) => nodes.iter().flat_map(texts).collect(),
        NodeKind::Text(text) => vec![text],
        _ => vec![node.kind_name()],
    }
}

#[test]
fn spans_are_bytes_and_end_with_the_value() {
    let (root, sources) =
        good("näme: é x   # comment\nroles:\n  - id: a\n    grants: [r, {p: 1}]  # c\n\nlast: z\n");
    let cover = |node: &Node| sources.text(node.span).to_owned();
    assert_eq!(cover(root.get("näme").unwrap()), "é x");
    assert_eq!(cover(root.get("roles").unwrap()), "- id: a\n    grants: [r, {p: 1}]");
    let NodeKind::List(roles) = &root.get("roles").unwrap().kind else { panic!() };
    assert_eq!(cover(&roles[0]), "id: a\n    grants: [r, {p: 1}]");
    assert_eq!(cover(roles[0].get("grants").unwrap()), "[r, {p: 1}]");
    let NodeKind::Map(entries) = &root.kind else { panic!() };
    assert_eq!(sources.text(entries[0].0.span), "näme");
    assert_eq!(sources.place(entries[2].0.span).to_string(), "p.yaml:6:1");
}

#[test]
fn json_is_read_the_same_way() {
    let (root, _) = good("{\n\t\"a\": [\"x\\/y\", \"\\ud83d\\ude00\"],\r\n\t\"b\": 1.5\n}\n");
    assert_eq!(texts(root.get("a").unwrap()), ["x/y", "😀"]);
    assert_eq!(root.get("b").unwrap().kind, NodeKind::Float(1.5));
}

#[test]
fn quotes_and_str_tags_make_text() {
    let (root, _) = good("- \"1\"\n- 'true'\n- !!str 2\n- |\n  3\n");
    assert_eq!(texts(&root), ["1", "true", "2", "3\n"]);
}

#[test]
fn keys_are_text_as_typed() {
    let (root, _) = good("{1: a, true: b, \"<<\": c}");
    assert_eq!(texts(root.get("1").unwrap()), ["a"]);
    assert_eq!(texts(root.get("true").unwrap()), ["b"]);
    assert_eq!(texts(root.get("<<").unwrap()), ["c"]);
}

#[test]
fn an_empty_file_is_nothing() {
    assert_eq!(good("").0.kind, NodeKind::Null);
    assert_eq!(good("# only a comment\n").0.kind, NodeKind::Null);
    assert_eq!(good("\u{feff}a: 1").0.get("a").unwrap().kind, NodeKind::Int(1));
}

#[test]
fn a_duplicate_key_names_both_places_and_the_first_stands() {
    let (root, report, sources) = read("a: 1\nb: {c: 1, c: 2}\n\"a\": 3\n");
    let shown: Vec<_> = report
        .problems()
        .iter()
        .map(|problem| {
            assert_eq!(problem.code, Code::DuplicateKey);
            let place = |span| sources.place(span).to_string();
            (place(problem.primary.as_ref().unwrap().span), place(problem.secondary[0].span))
        })
        .collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(shown, [pair("p.yaml:2:11", "p.yaml:2:5"), pair("p.yaml:3:1", "p.yaml:1:1")]);
    assert_eq!(root.unwrap().get("a").unwrap().kind, NodeKind::Int(1));
}

#[test]
fn what_is_not_yaml_is_underlined() {
    let (code, _, place) = bad("a: [1, 2\nb: 3\n");
    assert_eq!((code, place.as_str()), (Code::Syntax, "p.yaml:2:2"));
    assert_eq!(bad("a: *b\n").0, Code::Syntax);
    assert_eq!(bad("a: 1\n---\nb: 2\n").0, Code::Syntax);
    assert_eq!(bad("a: &x [*x]\n"), (Code::Syntax, "*x".into(), "p.yaml:1:8".into()));
    assert_eq!(bad("a: \"\\ud800\"\n").0, Code::Syntax);
}

#[test]
fn what_yaml_has_and_the_language_has_not() {
    assert_eq!(bad("a: &x {b: 1}\nc:\n  <<: *x\n").0, Code::UnknownKey);
    assert_eq!(bad("a: !secret b\n").0, Code::BadValue);
    assert_eq!(bad("a: !!int 5\n").0, Code::BadValue);
    assert_eq!(bad("[a, b]: 1\n"), (Code::WrongType, "[a, b]".into(), "p.yaml:1:1".into()));
    assert_eq!(
        bad("a: 99999999999999999999\n"),
        (Code::BadValue, "99999999999999999999".into(), "p.yaml:1:4".into())
    );
}

#[test]
fn an_alias_is_the_value_where_it_was_defined() {
    let (root, sources) = good("a: &x {b: [1]}\nc: *x\n");
    assert_eq!(root.get("c"), root.get("a"));
    assert_eq!(sources.place(root.get("c").unwrap().span).line, 1);
}

#[test]
fn depth_is_limited_with_aliases_followed() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    good(&nested(MAX_DEPTH - 1));
    good(&nested(MAX_DEPTH));
    assert_eq!(bad(&nested(MAX_DEPTH + 1)).0, Code::TooLarge);
    let through =
        |n: usize| format!("- &a {}\n- {}*a{}\n", nested(32), "[".repeat(n), "]".repeat(n));
    good(&through(MAX_DEPTH - 34));
    good(&through(MAX_DEPTH - 33));
    assert_eq!(bad(&through(MAX_DEPTH - 32)).0, Code::TooLarge);
}

#[test]
fn p12_an_alias_bomb_is_refused_before_it_unfolds() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    // Unfolded it would have 10^30 values: that this ends at all is the test.
    assert_eq!(bad(&text).0, Code::TooLarge);
}

#[test]
fn the_size_of_a_tree_is_limited() {
    let size = 2 * NODE_BYTES + "abc".len();
    let within = |bytes| {
        let mut report = Report::default();
        let budget = Budget { depth: MAX_DEPTH, bytes };
        let node = parse_within(FileId(0), "[abc]", budget, &mut report);
        (node.is_some(), report.problems().first().map(|problem| problem.code))
    };
    let mut left = 2 * size - 1;
    let mut next = || parse_next(FileId(0), "[abc]", &mut left, &mut Report::default()).is_some();
    assert_eq!([next(), next()], [true, false], "files share what there is");
    assert_eq!(left, size - 1);
    // Plain text never needs what is kept for aliases: two bytes are a value at most.
    let dense = "[".to_owned() + &"[],".repeat(50_000) + "[]]";
    let spent = parse_within(
        FileId(0),
        &dense,
        Budget { depth: MAX_DEPTH, bytes: usize::MAX },
        &mut Report::default(),
    );
    assert!(spent.unwrap().spent <= dense.len() * NODE_BYTES);
    assert_eq!(within(size - 1), (false, Some(Code::TooLarge)));
    assert_eq!(within(size), (true, None));
    assert_eq!(within(size + 1), (true, None));
}
