//! What is found ahead.

use super::*;
use crate::filter::place::tokens;
use crate::filter::tag::Sought;

fn search(places: &[&str], field: &[&str]) -> Arc<Search> {
    let field: Arc<[Arc<str>]> = field.iter().map(|name| Arc::from(*name)).collect();
    let sought = places.iter().map(|place| Sought {
        place: (*place != "/**").then(|| tokens(place).unwrap().into()),
        field: field.clone(),
        values: vec!["A".into(), "B".into()],
    });
    Arc::new(Search::new(sought.collect()).unwrap())
}

/// What the objects that begin here are called, wherever the text is cut.
#[track_caller]
fn found(search: &Arc<Search>, place: Option<(&Path, bool)>, text: &str, at: &[u64]) -> Vec<Tag> {
    let run = |cut: usize| {
        let mut finder = Finder::new(search, &Limits::default(), place);
        let mut known = Known::default();
        let (left, right) = text.as_bytes().split_at(cut);
        finder.scan(Input { bytes: left, base: 0 }, &mut known);
        finder.scan(Input { bytes: right, base: cut as u64 }, &mut known);
        at.iter().map(|began| known.tag(*began, 0)).collect::<Vec<_>>()
    };
    let whole = run(0);
    (0..=text.len()).for_each(|cut| assert_eq!(run(cut), whole, "{text} cut at {cut}"));
    whole
}

#[test]
fn objects_everywhere_are_asked_or_those_of_a_place() {
    let text = r#"{"x":{"is":"B"},"is":"A"}"#;
    let everywhere = search(&["/**"], &["is"]);
    assert_eq!(found(&everywhere, None, text, &[0, 5]), [Tag::Value(0), Tag::Value(1)]);
    let only = search(&["/x"], &["is"]);
    assert_eq!(found(&only, None, text, &[0, 5]), [Tag::Unknown, Tag::Value(1)]);
    for place in ["/*", "/y"] {
        let tag = if place == "/*" { Tag::Value(1) } else { Tag::Unknown };
        assert_eq!(found(&search(&[place], &["is"]), None, text, &[5]), [tag], "{place}");
    }
    let list = r#"[{"is":"C"},[{}],{"is":"A"}]"#;
    let second = search(&["/2"], &["is"]);
    assert_eq!(
        found(&second, None, list, &[1, 13, 17]),
        [Tag::Unknown, Tag::Unknown, Tag::Value(0)]
    );
    let each = search(&["/*"], &["is"]);
    assert_eq!(found(&each, None, list, &[1, 13, 17]), [Tag::Other, Tag::Unknown, Tag::Value(0)]);
}

#[test]
fn a_part_is_read_as_in_its_place() {
    let search = search(&["/data/*/in"], &["is"]);
    let path = |pointer| Path::parse(pointer).unwrap();
    let text = r#"{"in":{"is":"A"}}"#;
    for (pointer, element, tag) in [
        ("/data", true, Tag::Value(0)),
        ("/data/x", false, Tag::Value(0)),
        ("/other", true, Tag::Unknown),
        ("/data", false, Tag::Unknown),
        ("", false, Tag::Unknown),
    ] {
        let found = found(&search, Some((&path(pointer), element)), text, &[6]);
        assert_eq!(found, [tag], "{pointer} {element}");
    }
}

#[test]
fn texts_are_compared_decoded_and_up_to_the_longest_that_matters() {
    let search = search(&["/**"], &["is"]);
    let is = |text: &str, tag| assert_eq!(found(&search, None, text, &[0]), [tag], "{text}");
    is(r#"{"\u0069\u0073":"\u0042"}"#, Tag::Value(1));
    is(r#"{"is":"\u0041\u0041"}"#, Tag::Other);
    is(r#"{"is":"\ud800"}"#, Tag::Unknown);
    // Two names of two bytes take twelve at most, whatever the spelling.
    for spaces in [11, 12, 13] {
        is(
            &format!(r#"{{"{}":"A","is":"{}"}}"#, "k".repeat(spaces), "v".repeat(spaces)),
            Tag::Other,
        );
    }
    is(r#"{"s\"i":"A","is\"":"B"}"#, Tag::None);
}

#[test]
fn a_request_has_no_variant_of_a_tag() {
    let search = search(&["/**"], &["is"]);
    let end = |text: &str| {
        let mut finder = Finder::new(&search, &Limits::default(), None).strictly();
        let mut known = Known::default();
        finder.scan(Input { bytes: text.as_bytes(), base: 0 }, &mut known);
        (finder.end().and_then(|end| end.fault), known.tag(0, 0))
    };
    assert_eq!(end(r#"{"IS":"A"}"#), (None, Tag::Unknown));
    assert_eq!(end(r#"{"is":"A","if":"A"}"#), (None, Tag::Value(0)));
    for text in [r#"{"is":"A","Is":1}"#, r#"{"\u0049s":1,"is":"A"}"#, r#"{"iſ":1,"is":"A"}"#] {
        assert!(matches!(end(text).0, Some(Fault::CaseVariant { .. })), "{text}");
    }
}

#[test]
fn more_places_than_can_be_told_apart_are_everywhere() {
    for (count, told) in [(63, false), (64, false), (65, true)] {
        let places: Vec<String> = (0..count).map(|n| format!("/p{n}")).collect();
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        let tag = if told { Tag::Value(0) } else { Tag::Unknown };
        assert_eq!(found(&search(&places, &["is"]), None, r#"{"is":"A"}"#, &[0]), [tag], "{count}");
    }
}

#[test]
fn it_stops_where_the_text_is_no_json() {
    let search = search(&["/**"], &["is"]);
    for text in [r#"{"x":[}"#, "}", r#"{"a":"b"#, "{\"a\nb\":1}", r#"{"\x":1}"#] {
        assert_eq!(found(&search, None, text, &[0]), [Tag::Unknown], "{text}");
    }
    for (depth, asked) in [(63, true), (64, true), (65, false)] {
        let text = format!("{}{{\"is\":\"A\"}}", "[".repeat(depth - 1));
        let tag = if asked { Tag::Value(0) } else { Tag::Unknown };
        assert_eq!(found(&search, None, &text, &[depth as u64 - 1]), [tag], "{depth}");
    }
}

#[test]
fn p11_a_tag_that_is_no_text_is_not_taken_from_a_later_member() {
    let search = search(&["/**"], &["is"]);
    for value in ["1", "true", "null", "{}", "[]"] {
        let text = format!(r#"{{"is":{value},"x":"A"}}"#);
        assert_eq!(found(&search, None, &text, &[0]), [Tag::Unknown], "{text}");
    }
    let blank = "{ \"is\"\n:\t \"A\" , \"x\" : 1 }";
    assert_eq!(found(&search, None, blank, &[0]), [Tag::Value(0)]);
}

#[test]
fn p11_a_longer_text_is_none_of_those_that_it_begins_with() {
    let search = search(&["/**"], &["is"]);
    let is = |text: &str, tag: Tag| assert_eq!(found(&search, None, text, &[0]), [tag], "{text}");
    is(r#"{"\u0069\u0073":"A"}"#, Tag::Value(0));
    is(r#"{"\u0069\u0073x":"A"}"#, Tag::None);
    is(r#"{"\u0069\u0073\u0073":"A"}"#, Tag::None);
    is(r#"{"is":"\u0041"}"#, Tag::Value(0));
    is(r#"{"is":"A and more than that"}"#, Tag::Other);
}

#[test]
fn places_are_told_apart() {
    let search = search(&["/x", "/y", "/z"], &["is"]);
    let text = r#"{"w":{"is":"A"},"x":{"is":"B"},"y":{"is":"A"},"z":{"is":"B"}}"#;
    let at = [5, 20, 35, 50];
    let tags = [Tag::Unknown, Tag::Value(1), Tag::Value(0), Tag::Value(1)];
    assert_eq!(found(&search, None, text, &at), tags);
}

#[test]
fn the_same_place_is_sought_once() {
    let one = |place: Option<&str>, value: &str| Sought {
        place: place.map(|place| tokens(place).unwrap().into()),
        field: [Arc::from("is")].into(),
        values: vec![value.into()],
    };
    let mut all = Vec::new();
    for sought in [one(None, "B"), one(Some("/x"), "C"), one(None, "A"), one(None, "B")] {
        sought.add_to(&mut all);
    }
    let values: Vec<Vec<_>> = all.iter().map(|sought| sought.values.clone()).collect();
    assert_eq!(values, [vec!["A".into(), "B".into()], vec!["C".into()]]);
}

#[test]
fn the_end_of_an_object_is_read_within_its_limit() {
    let search = search(&["/**"], &["is"]);
    for (object, tag) in [(6, Tag::Unknown), (7, Tag::None), (8, Tag::None)] {
        let limits = Limits { object, ..Limits::default() };
        let (mut finder, mut known) = (Finder::new(&search, &limits, None), Known::default());
        finder.scan(Input { bytes: br#"{"a":1}"#, base: 0 }, &mut known);
        assert_eq!(known.tag(0, 0), tag, "{object}");
    }
}

#[test]
fn a_finder_begins_again_wherever_it_stopped() {
    let search = search(&["/**"], &["is"]);
    for half in [r#"{"is":"#, r#"{"is":"#, r#"[{"is":"B"#, r#"{"a":{"\"#, "}", r#"{"is":"A","is""#]
    {
        let mut finder = Finder::new(&search, &Limits::default(), None);
        finder.scan(Input { bytes: half.as_bytes(), base: 0 }, &mut Known::default());
        finder.restart();
        let mut known = Known::default();
        finder.scan(Input { bytes: br#"{"is":"A"}"#, base: 0 }, &mut known);
        assert_eq!(known.tag(0, 0), Tag::Value(0), "{half}");
    }
}
