//! Joined masks.

use super::*;
use crate::filter::mask::Node;
use crate::filter::place::{Entries, anywhere, hidden_names, place, place_pairs};
use crate::filter::plan::{Extra, Patterns};
use crate::filter::values::NamePattern;
use crate::filter::{Fault, Filter, Limits};
use std::sync::Arc;

fn object(fields: &[(&str, NodeId)], others: NodeId) -> Mask {
    let mut builder = MaskBuilder::new();
    let fields = fields.iter().map(|(name, id)| ((*name).into(), *id)).collect();
    let root = builder.add(Node { types: Types::OBJECT, fields, others, ..Node::open() });
    builder.finish(root)
}

fn shown(mask: &Mask, text: &str) -> Result<String, Fault> {
    let (mut filter, mut out) = (Filter::new(Arc::new(mask.clone()), Limits::default()), vec![]);
    filter.push(text.as_bytes(), &mut out)?;
    filter.finish(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn either_shows_more_and_both_show_less() {
    let (a, b) = (object(&[("x", HIDE), ("y", HIDE)], SHOW), object(&[("x", SHOW)], HIDE));
    let text = r#"{"x":1,"y":2,"z":3}"#;
    assert_eq!(shown(&union(&a, &b), text).unwrap(), r#"{"x":1,"z":3}"#);
    assert_eq!(shown(&intersect(&a, &b), text).unwrap(), "{}");
}

#[test]
fn show_absorbs_and_hide_is_neutral_in_a_union() {
    let (show, hide) = (MaskBuilder::new().finish(SHOW), MaskBuilder::new().finish(HIDE));
    let mask = object(&[("x", HIDE)], SHOW);
    assert!(union(&mask, &show).is_empty());
    assert_eq!(union(&mask, &hide), union(&mask, &mask));
    assert_eq!(intersect(&mask, &show), union(&mask, &mask));
    assert_eq!(intersect(&mask, &hide).root(), HIDE);
}

#[test]
fn a_type_that_one_side_refuses_opens_nothing_of_the_other() {
    let mut builder = MaskBuilder::new();
    // `others` is SHOW here, but no object passes.
    let list = builder.add(Node { types: Types::ARRAY, items: HIDE, ..Node::open() });
    let list = builder.finish(list);
    let both = union(&list, &object(&[("x", HIDE)], SHOW));
    assert_eq!(shown(&both, r#"{"x":1,"y":2}"#).unwrap(), r#"{"y":2}"#);
    assert_eq!(shown(&both, "[1]").unwrap(), "[]");
}

#[test]
fn masks_that_refer_to_themselves_are_joined() {
    let (a, b) = (anywhere(["x"]), anywhere(["x", "y"]));
    let text = r#"{"x":1,"y":[{"x":{"y":1},"y":2}],"z":{"y":1}}"#;
    assert_eq!(shown(&union(&a, &b), text), shown(&a, text));
    assert_eq!(shown(&intersect(&a, &b), text).unwrap(), r#"{"z":{}}"#);
    // What is inside of `x` is seen through the mask that shows `x`, and that one hides `y`.
    let mixed = union(&anywhere(["x"]), &anywhere(["y"]));
    assert_eq!(shown(&mixed, r#"{"x":{"y":1},"y":{"x":[]}}"#).unwrap(), r#"{"x":{},"y":{}}"#);
}

#[test]
fn numbers_include_integers() {
    let typed = |types| {
        let mut builder = MaskBuilder::new();
        let item = builder.add(Node { types, ..Node::open() });
        let root = builder.add(Node { items: item, ..Node::open() });
        builder.finish(root)
    };
    let (number, integer) = (typed(Types::NUMBER), typed(Types::INTEGER));
    assert_eq!(shown(&intersect(&number, &integer), "[1,1.5]").unwrap(), "[1]");
    assert_eq!(shown(&union(&number, &integer), "[1,1.5,\"\"]").unwrap(), "[1,1.5]");
}

#[test]
fn an_object_or_a_list_of_them_are_alternatives() {
    let inner = object(&[("ssn", HIDE)], SHOW);
    let one = place("", 0, &inner).unwrap();
    let list = place("/*", 1, &inner).unwrap();
    let mask = intersect(&one, &list);
    assert_eq!(mask.alternatives(), 3);
    assert_eq!(shown(&mask, r#"[{"ssn":1,"a":2}]"#).unwrap(), r#"[{"a":2}]"#);
    assert_eq!(shown(&mask, r#"{"ssn":1,"a":{"ssn":3}}"#).unwrap(), r#"{"a":{}}"#);
    // The second pointer does not fit, but the first does.
    assert_eq!(shown(&mask, r#"{"ssn":1,"b":1}"#).unwrap(), "{}");
    assert_eq!(shown(&mask, "7"), Err(Fault::Shape));
    assert_eq!(shown(&mask, "[7]"), Err(Fault::Shape));
}

#[test]
fn a_pointer_through_what_another_mask_limits_opens_nothing() {
    let mut builder = MaskBuilder::new();
    let data = builder.add(Node { types: Types::OBJECT, others: HIDE, ..Node::open() });
    let fields = vec![("data".into(), data)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let outer = place("", 0, &builder.finish(root)).unwrap();
    let inner = place("/data/*", 1, &object(&[("ssn", HIDE)], SHOW)).unwrap();
    let mask = intersect(&outer, &inner);
    assert_eq!(shown(&mask, r#"{"data":[{"a":1}],"b":2}"#).unwrap(), r#"{"b":2}"#);
    assert_eq!(shown(&mask, r#"{"data":{"k":{"a":1}},"b":2}"#).unwrap(), r#"{"data":{},"b":2}"#);
    let hidden = intersect(&object(&[("data", HIDE)], SHOW), &inner);
    assert_eq!(shown(&hidden, r#"{"data":[{"a":1}],"b":2}"#).unwrap(), r#"{"b":2}"#);
    let twice = intersect(&inner, &inner);
    assert_eq!(shown(&twice, r#"{"data":7}"#), Err(Fault::Shape), "one pointer, said twice");
    // What is hidden must be of the shape that the pointer says, all the same.
    let other = intersect(&inner, &object(&[("data", HIDE)], SHOW));
    for mask in [hidden, other] {
        assert_eq!(shown(&mask, r#"{"data":7,"b":2}"#), Err(Fault::Shape));
    }
}

/// An object in which names of this shape have a node, and others have one.
fn shaped(shapes: &[&str], node: NodeId, others: NodeId) -> Mask {
    let mut builder = MaskBuilder::new();
    let root = builder.add(Node { types: Types::OBJECT, others, ..Node::open() });
    let names: Vec<_> = shapes.iter().map(|shape| NamePattern::new(shape).unwrap()).collect();
    let patterns = Patterns { table: vec![node; 1 << names.len()], names };
    builder.extra(root, Extra { patterns, ..Extra::default() });
    builder.finish(root)
}

#[test]
fn names_by_shape_are_joined_by_what_both_say_of_each() {
    let (x, y) = (shaped(&["^x"], HIDE, SHOW), shaped(&["y$"], HIDE, SHOW));
    let text = r#"{"x":1,"y":2,"xy":3,"z":4}"#;
    let both =
        |a: &Mask, b: &Mask| [union(a, b), intersect(a, b)].map(|mask| shown(&mask, text).unwrap());
    assert_eq!(both(&x, &y), [r#"{"x":1,"y":2,"z":4}"#, r#"{"z":4}"#]);
    assert_eq!(both(&y, &x), [r#"{"x":1,"y":2,"z":4}"#, r#"{"z":4}"#]);
    assert_eq!(both(&x, &shaped(&["^x"], SHOW, HIDE)), [text, "{}"]);
    assert_eq!(both(&x, &shaped(&["^x"], HIDE, HIDE)), [r#"{"y":2,"z":4}"#, "{}"]);
    let named = object(&[("x", SHOW), ("z", HIDE)], SHOW);
    assert_eq!(both(&x, &named), [text, r#"{"y":2}"#]);
    assert_eq!(both(&named, &x), [text, r#"{"y":2}"#]);
}

#[test]
fn shapes_of_names_that_are_too_many_hide_what_is_not_named() {
    let shapes: Vec<String> = ('a'..='g').map(|letter| format!("^{letter}")).collect();
    let shapes: Vec<&str> = shapes.iter().map(String::as_str).collect();
    let text = r#"{"a":1,"f":2,"g":3,"z":4}"#;
    for (count, out) in [(5, r#"{"f":2,"g":3,"z":4}"#), (6, r#"{"g":3,"z":4}"#), (7, "{}")] {
        let joined =
            intersect(&shaped(&shapes[..3], HIDE, SHOW), &shaped(&shapes[3..count], HIDE, SHOW));
        assert_eq!(shown(&joined, text).unwrap(), out, "{count}");
    }
}

#[test]
fn variants_of_names_are_joined_as_the_names_are() {
    let cased = |name: &str, node: NodeId| {
        let mut builder = MaskBuilder::new();
        let fields = vec![(name.into(), node)];
        let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
        let folded = vec![(name.into(), node)];
        builder.extra(root, Extra { folded, ..Extra::default() });
        builder.finish(root)
    };
    let (x, y) = (cased("x", HIDE), cased("y", HIDE));
    let text = r#"{"x":1,"X":2,"Y":3,"y":4,"z":5}"#;
    assert_eq!(shown(&intersect(&x, &y), text).unwrap(), r#"{"z":5}"#);
    assert!(union(&x, &y).root() != HIDE);
    assert_eq!(shown(&union(&x, &y), text).unwrap(), text);
    assert_eq!(shown(&union(&x, &x), text).unwrap(), r#"{"Y":3,"y":4,"z":5}"#);
    let exact = object(&[("X", SHOW), ("x", HIDE)], SHOW);
    assert_eq!(shown(&union(&x, &exact), text).unwrap(), r#"{"X":2,"Y":3,"y":4,"z":5}"#);
    // What one side names, the other hides as a variant.
    let named = object(&[("X", SHOW), ("q", SHOW)], SHOW);
    for mask in [intersect(&x, &named), intersect(&named, &x)] {
        assert_eq!(shown(&mask, r#"{"X":1,"q":2}"#).unwrap(), r#"{"q":2}"#);
    }
    let mut builder = MaskBuilder::new();
    let root = builder.add(Node { types: Types::OBJECT, others: HIDE, ..Node::open() });
    let names = vec![NamePattern::new("^k").unwrap()];
    let patterns = Patterns { names, table: vec![HIDE, SHOW] };
    builder.extra(root, Extra { patterns, folded: vec![("x".into(), HIDE)], ..Extra::default() });
    let both = intersect(&builder.finish(root), &object(&[("k1", SHOW), ("X", SHOW)], SHOW));
    assert_eq!(shown(&both, r#"{"k1":1,"X":2}"#).unwrap(), r#"{"k1":1}"#);
    // Of a variant, a shape says nothing that is sure.
    let either = union(&x, &shaped(&["^X"], SHOW, SHOW));
    assert_eq!(shown(&either, text).unwrap(), r#"{"x":1,"Y":3,"y":4,"z":5}"#);
}

#[test]
fn pairs_are_joined_by_where_they_keep_their_names() {
    let pairs = |entries: &Entries, hidden: &str| {
        place_pairs("", entries, 0, &object(&[(hidden, HIDE)], SHOW)).unwrap()
    };
    let (k, n) = (Entries::new("/k", "/v").unwrap(), Entries::new("/n", "/v").unwrap());
    let all = [
        r#"{"k":"a","n":"x","v":1}"#,
        r#"{"k":"b","n":"a","v":2}"#,
        r#"{"k":"x","n":"b","v":3}"#,
        r#"{"k":"c","n":"c","v":4}"#,
    ];
    let is = |mask: &Mask, shows: &[usize]| {
        let of = |numbers: &[usize]| {
            let pairs: Vec<_> = numbers.iter().map(|number| all[*number]).collect();
            format!("[{}]", pairs.join(","))
        };
        assert_eq!(shown(mask, &of(&[0, 1, 2, 3])).unwrap(), of(shows));
    };
    let joined = intersect(&pairs(&k, "a"), &pairs(&k, "b"));
    is(&joined, &[2, 3]);
    assert_eq!(joined.extra(joined.node(joined.root()).items).unwrap().pairs.len(), 1);
    is(&intersect(&pairs(&k, "a"), &pairs(&n, "b")), &[1, 3]);
    is(&union(&pairs(&k, "a"), &pairs(&k, "b")), &[0, 1, 2, 3]);
    is(&union(&pairs(&k, "a"), &pairs(&k, "a")), &[1, 2, 3]);
}

#[test]
fn what_does_not_pass_is_null_where_both_say_so() {
    let typed = |nulls: bool| {
        let mut builder = MaskBuilder::new();
        let member = builder.add(Node { types: Types::STRING, ..Node::open() });
        builder.extra(member, Extra { nulls, ..Extra::default() });
        let fields = vec![("m".into(), member)];
        let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
        builder.finish(root)
    };
    let (null, gone, open) = (typed(true), typed(false), object(&[], SHOW));
    let is = |mask: Mask| shown(&mask, r#"{"m":1}"#).unwrap();
    assert_eq!(is(intersect(&null, &null)), r#"{"m":null}"#);
    assert_eq!(is(intersect(&null, &gone)), "{}");
    assert_eq!(is(intersect(&gone, &null)), "{}");
    assert_eq!(is(intersect(&null, &open)), r#"{"m":null}"#);
    assert_eq!(is(intersect(&open, &null)), r#"{"m":null}"#);
    assert_eq!(is(union(&null, &gone)), r#"{"m":null}"#);
    assert_eq!(is(union(&gone, &null)), r#"{"m":null}"#);
    assert_eq!(is(union(&gone, &gone)), "{}");
    // Also where no type is left that passes.
    let object = |nulls: bool| {
        let mut builder = MaskBuilder::new();
        let member = builder.add(Node { types: Types::OBJECT, ..Node::open() });
        builder.extra(member, Extra { nulls, ..Extra::default() });
        let fields = vec![("m".into(), member)];
        let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
        builder.finish(root)
    };
    assert_eq!(is(intersect(&null, &object(true))), r#"{"m":null}"#);
    assert_eq!(is(intersect(&null, &object(false))), "{}");
}

#[test]
fn a_node_that_is_not_filled_shows_nothing() {
    let mut builder = MaskBuilder::new();
    let fields = vec![("m".into(), builder.reserve())];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let mask = builder.finish(root);
    assert!(mask.hides(root));
    assert_eq!(shown(&mask, r#"{"m":{"a":[1]},"b":1}"#).unwrap(), r#"{"b":1}"#);
}

#[test]
fn what_hides_nothing_is_empty_and_what_shows_nothing_is_hidden() {
    let any = |name: &str| {
        let mut builder = MaskBuilder::new();
        let root = builder.add(Node { fields: vec![(name.into(), HIDE)], ..Node::open() });
        builder.finish(root)
    };
    assert!(union(&any("x"), &any("y")).is_empty());
    assert!(!union(&any("x"), &any("x")).is_empty());
    let typed = |types| {
        let mut builder = MaskBuilder::new();
        let member = builder.add(Node { types, ..Node::open() });
        let root = builder.add(Node { fields: vec![("m".into(), member)], ..Node::open() });
        builder.finish(root)
    };
    let none = intersect(&typed(Types::STRING), &typed(Types::OBJECT));
    assert_eq!(none.member(none.root(), "m"), HIDE);
    let text = intersect(&typed(Types::STRING), &typed(Types::STRING));
    assert_ne!(text.member(text.root(), "m"), HIDE);
}

#[test]
fn hidden_names_are_those_that_can_be_reached() {
    let names = |mask: &Mask| {
        let (names, unnamed) = hidden_names(mask);
        (names.iter().map(|name| name.to_string()).collect::<Vec<_>>(), unnamed)
    };
    let inner = object(&[("ssn", HIDE), ("name", SHOW)], SHOW);
    assert_eq!(names(&place("/data/*", 0, &inner).unwrap()), (vec!["ssn".into()], false));
    let allow = object(&[("id", SHOW), ("ssn", HIDE)], HIDE);
    assert_eq!(names(&place("/a", 0, &allow).unwrap()), (vec!["ssn".into()], true));
    assert_eq!(names(&anywhere(["b", "a"])), (vec!["a".into(), "b".into()], false));
}

#[test]
fn p11_a_type_that_another_mask_refuses_stays_refused_where_pointers_meet() {
    let mut builder = MaskBuilder::new();
    let object_alone = builder.add(Node { types: Types::OBJECT, ..Node::open() });
    let plain = builder.add(Node { fields: vec![("a".into(), object_alone)], ..Node::open() });
    let plain = builder.finish(plain);
    let inner = object(&[("x", HIDE)], SHOW);
    let (one, each) = (place("/a", 0, &inner).unwrap(), place("/a/*", 1, &inner).unwrap());
    let text = r#"{"a":[{"x":1,"b":1}],"c":1}"#;
    assert_eq!(shown(&intersect(&one, &each), text).unwrap(), r#"{"a":[{"b":1}],"c":1}"#);
    for mask in [
        intersect(&intersect(&one, &plain), &each),
        intersect(&each, &intersect(&plain, &one)),
        intersect(&intersect(&one, &each), &plain),
    ] {
        assert_eq!(shown(&mask, text).unwrap(), r#"{"c":1}"#);
        assert_eq!(shown(&mask, r#"{"a":{"x":1,"b":{"x":1}}}"#).unwrap(), r#"{"a":{"b":{}}}"#);
    }
}
