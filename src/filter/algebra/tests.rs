//! Joined masks.

use super::*;
use crate::filter::mask::Node;
use crate::filter::place::{anywhere, hidden_names, place};
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
    // What is hidden must be of the shape that the pointer says, all the same.
    let other = intersect(&inner, &object(&[("data", HIDE)], SHOW));
    for mask in [hidden, other] {
        assert_eq!(shown(&mask, r#"{"data":7,"b":2}"#), Err(Fault::Shape));
    }
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
