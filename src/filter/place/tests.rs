//! Masks of pointers and names.

use super::*;
use crate::filter::plan::Patterns;
use crate::filter::values::NamePattern;

fn hidden() -> Mask {
    anywhere(["x"])
}

#[test]
fn pointers_are_read_as_the_rfc_says() {
    let names = |pointer: &str| match &tokens(pointer).unwrap()[..] {
        [Token::Name(name, index)] => (name.to_string(), *index),
        _ => panic!("one name"),
    };
    assert_eq!(names("/a~1b"), ("a/b".into(), None));
    assert_eq!(names("/~01"), ("~1".into(), None));
    assert_eq!(names("/"), (String::new(), None));
    assert_eq!(names("/10"), ("10".into(), Some(10)));
    assert_eq!(names("/0"), ("0".into(), Some(0)));
    assert_eq!(names("/01"), ("01".into(), None));
    assert!(tokens("").unwrap().is_empty());
}

#[test]
fn pointers_that_say_no_place_are_refused_by_name() {
    let error = |pointer: &str| place(pointer, 0, &hidden()).unwrap_err();
    assert_eq!(error("data"), PointerError::NoSlash);
    assert_eq!(error("/a~"), PointerError::Tilde);
    assert_eq!(error("/a~2"), PointerError::Tilde);
    assert_eq!(error("/**"), PointerError::AnyDepth);
    for (segments, fits) in [(511, true), (512, true), (513, false)] {
        assert_eq!(place(&"/a".repeat(segments), 0, &hidden()).is_ok(), fits);
    }
    for (alternative, fits) in [(30, true), (31, true), (32, false)] {
        let placed = place("/a", alternative, &hidden());
        assert_eq!(placed.is_ok(), fits);
        assert!(placed.is_err() || placed.unwrap().alternatives() == 1 << alternative);
    }
}

#[test]
fn p11_in_a_body_of_unknown_shape_a_value_around_what_is_hidden_keeps_its_type() {
    let mut builder = MaskBuilder::new();
    let part = |name: &str| Node {
        types: Types::OBJECT,
        fields: vec![(name.into(), HIDE)],
        ..Node::open()
    };
    let card = builder.add(part("number"));
    let order = builder.add(part("margin"));
    let orders = builder.add(Node { types: Types::ARRAY, items: order, ..Node::open() });
    let fields = vec![("ssn".into(), HIDE), ("card".into(), card), ("orders".into(), orders)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let mask =
        Arc::new(unknown_shape(&place("/data/*", 0, &builder.finish(root)).unwrap()).unwrap());
    for (body, shown) in [
        (r#"{"card":"4111","e":{"card":["4111"],"ssn":1}}"#, r#"{"e":{}}"#),
        (r#"{"card":{"number":1,"card":7,"b":2}}"#, r#"{"card":{"b":2}}"#),
        (r#"{"orders":["7%",{"margin":7,"a":1}]}"#, r#"{"orders":[{"a":1}]}"#),
        (r#"["x",{"message":"ok"}]"#, r#"["x",{"message":"ok"}]"#),
    ] {
        let (mut filter, mut out) =
            (crate::filter::Filter::new(mask.clone(), Limits::default()), Vec::new());
        filter.push(body.as_bytes(), &mut out).unwrap();
        filter.finish(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), shown);
    }
}

#[test]
fn a_recursive_mask_does_not_take_the_pointer_along() {
    let mask = place("/a", 3, &hidden()).unwrap();
    let place = mask.member(mask.root(), "a");
    assert_eq!(mask.node(place).way, 8);
    assert_eq!(mask.node(mask.node(place).items).way, 0);
}

fn shown(mask: &Mask, body: &str) -> Result<String, crate::filter::Fault> {
    let (mut filter, mut out) =
        (crate::filter::Filter::new(Arc::new(mask.clone()), Limits::default()), Vec::new());
    filter.push(body.as_bytes(), &mut out)?;
    filter.finish(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn object(fields: &[(&str, NodeId)]) -> Node {
    let fields = fields.iter().map(|(name, id)| ((*name).into(), *id)).collect();
    Node { types: Types::OBJECT, fields, ..Node::open() }
}

#[test]
fn p11_names_are_hidden_in_lists_of_lists_of_objects_too() {
    let is = |mask: &Mask, text: &str, out: &str| {
        assert_eq!(shown(mask, text).as_deref(), Ok(out), "{text}");
    };
    is(&hidden(), r#"[[{"x":1,"y":[{"x":2}]}]]"#, r#"[[{"y":[{}]}]]"#);
    let mut builder = MaskBuilder::new();
    let card = builder.add(object(&[("number", HIDE)]));
    let cards = Types::OBJECT.or(Types::ARRAY);
    let tags = builder.add(Node { types: Types::STRING, ..Node::open() });
    let mixed = Node { types: cards, items: tags, ..object(&[("number", HIDE)]) };
    let mixed = builder.add(mixed);
    let fields = [("card", card), ("mixed", mixed), ("name", tags), ("x", HIDE)];
    let root = builder.add(object(&fields));
    let mask = unknown_shape(&builder.finish(root)).unwrap();
    is(&mask, r#"[[{"x":1,"y":[{"x":2}]}]]"#, r#"[[{"y":[{}]}]]"#);
    is(
        &mask,
        r#"{"card":{"a":{"x":1,"number":2},"b":[{"x":1}]}}"#,
        r#"{"card":{"a":{},"b":[{}]}}"#,
    );
    is(&mask, r#"{"mixed":[{"a":{"x":1},"b":[{"x":1}]}]}"#, r#"{"mixed":[{"a":{},"b":[{}]}]}"#);
    is(&mask, r#"{"mixed":[[{"x":1,"a":2}]]}"#, r#"{"mixed":[[{"a":2}]]}"#);
    // Around nothing that is hidden, a value may be of any type.
    is(&mask, r#"{"name":7,"mixed":[7]}"#, r#"{"name":7,"mixed":[7]}"#);
}

#[test]
fn p11_variants_of_hidden_names_are_hidden_in_a_body_of_unknown_shape() {
    let mut builder = MaskBuilder::new();
    let card = builder.add(object(&[("Number", HIDE)]));
    let folded = vec![("number".into(), HIDE)];
    builder.extra(card, Extra { folded, ..Extra::default() });
    let root = builder.add(object(&[("card", card), ("Card", SHOW), ("plain", HIDE)]));
    let folded = vec![("card".into(), card)];
    builder.extra(root, Extra { folded, ..Extra::default() });
    let mask = unknown_shape(&builder.finish(root)).unwrap();
    for (body, out) in [
        (r#"{"NUMBER":1,"e":{"nUMBER":1,"a":2}}"#, r#"{"e":{"a":2}}"#),
        (r#"{"card":{"NUMBER":1,"a":[{"nuMber":1}]}}"#, r#"{"card":{"a":[{}]}}"#),
        (r#"{"CARD":{"number":1,"a":2}}"#, r#"{"CARD":{"a":2}}"#),
        (r#"{"CARD":7,"e":{"CARD":"4111"}}"#, r#"{"e":{}}"#),
        // Of this name no variant was asked for.
        (r#"{"plain":1,"PLAIN":2}"#, r#"{"PLAIN":2}"#),
    ] {
        assert_eq!(shown(&mask, body).as_deref(), Ok(out), "{body}");
    }
}

#[test]
fn something_hidden_may_have_no_name() {
    let elements = |types: Types, items: NodeId, elements: Vec<(u64, NodeId)>| {
        let mut builder = MaskBuilder::new();
        let none = builder.add(Node { types: Types::NONE, ..Node::open() });
        let list = builder.add(Node { types, items, ..Node::open() });
        builder.extra(list, Extra { elements, ..Extra::default() });
        let root = builder.add(object(&[("list", list), ("none", none), ("gone", HIDE)]));
        let (names, unnamed) = hidden_names(&builder.finish(root));
        assert_eq!(names, ["gone".into(), "none".into()]);
        unnamed
    };
    assert!(elements(Types::ARRAY, HIDE, Vec::new()));
    assert!(elements(Types::ARRAY, SHOW, vec![(1, HIDE)]));
    assert!(!elements(Types::ARRAY, SHOW, vec![(1, SHOW)]));
    assert!(!elements(Types::STRING, HIDE, Vec::new()), "no list passes");
}

#[test]
fn a_list_of_pairs_stands_for_an_object_of_which_a_part_passes() {
    let entries = Entries::new("/k", "/v").unwrap();
    let is =
        |inner: &Mask, text: &str| shown(&place_pairs("/f", &entries, 0, inner).unwrap(), text);
    let body = r#"{"f":[{"k":"a","v":1},7],"b":1}"#;
    assert_eq!(is(&Mask::show(), body).as_deref(), Ok(body));
    assert_eq!(is(&Mask::hide(), body).as_deref(), Ok(r#"{"b":1}"#));
    assert_eq!(is(&hidden(), body).as_deref(), Ok(r#"{"f":[{"k":"a","v":1}],"b":1}"#));
    assert_eq!(is(&hidden(), r#"{"f":7}"#), Err(crate::filter::Fault::Shape));
}

#[test]
fn p11_what_a_place_names_by_shape_is_hidden_there() {
    let mut builder = MaskBuilder::new();
    let root = builder.add(object(&[]));
    let names = vec![NamePattern::new("^x_").unwrap()];
    let patterns = Patterns { names, table: vec![SHOW, HIDE] };
    builder.extra(root, Extra { patterns, ..Extra::default() });
    let mask = place("/data/*", 0, &builder.finish(root)).unwrap();
    let body = r#"{"data":[{"x_1":1,"a":2}],"x_1":3}"#;
    assert_eq!(shown(&mask, body).as_deref(), Ok(r#"{"data":[{"a":2}],"x_1":3}"#));
    let mut builder = MaskBuilder::new();
    let inner = builder.graft(&mask);
    let copied = builder.reserve();
    builder.copy(inner, copied);
    assert_eq!(shown(&builder.finish(copied), body), shown(&mask, body));
}
