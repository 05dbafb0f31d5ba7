//! The rules of `bodies.md` for responses, one by one, each at every split of the input.

use super::mask::{HIDE, Mask, MaskBuilder, Node, NodeId, SHOW, Types};
use super::place::{anywhere, place};
use super::{Fault, Filter, Limits};
use std::sync::Arc;

fn run(mask: &Arc<Mask>, limits: Limits, chunks: &[&[u8]]) -> Result<Vec<u8>, Fault> {
    go(Filter::new(mask.clone(), limits), chunks)
}

fn go(mut filter: Filter, chunks: &[&[u8]]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    for chunk in chunks {
        filter.push(chunk, &mut out)?;
    }
    filter.finish(&mut out)?;
    Ok(out)
}

/// The one answer of all splits in two, and of a filter that remembers what it removed: that one reads
/// token by token what others read in one go.
fn with(mask: &Mask, limits: Limits, text: &[u8]) -> Result<String, Fault> {
    let mask = Arc::new(mask.clone());
    let whole = run(&mask, limits, &[text]);
    assert_eq!(go(Filter::recording(mask.clone(), limits), &[text]), whole);
    for at in 0..text.len().min(400) {
        let (left, right) = text.split_at(at);
        let cut = run(&mask, limits, &[left, right]);
        assert_eq!(cut.as_ref().ok(), whole.as_ref().ok(), "cut at {at}: {cut:?} {whole:?}");
    }
    whole.map(|out| String::from_utf8(out).unwrap())
}

fn filter(mask: &Mask, text: impl AsRef<[u8]>) -> Result<String, Fault> {
    with(mask, Limits::default(), text.as_ref())
}

/// An object whose members have these nodes; other members pass.
fn object(fields: &[(&str, NodeId)]) -> Mask {
    let mut builder = MaskBuilder::new();
    let fields = fields.iter().map(|(name, id)| ((*name).into(), *id)).collect();
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    builder.finish(root)
}

/// A member `n` of these types; other members pass.
fn typed(types: Types) -> Mask {
    let mut builder = MaskBuilder::new();
    let node = builder.add(Node { types, ..Node::open() });
    let root = builder.add(Node { fields: vec![("n".into(), node)], items: node, ..Node::open() });
    builder.finish(root)
}

fn show() -> Mask {
    MaskBuilder::new().finish(SHOW)
}

#[test]
fn commas_are_right_whichever_members_go() {
    let mask = object(&[("x", HIDE), ("y", HIDE)]);
    for (text, shown) in [
        (r#"{"x":1}"#, r#"{}"#),
        (r#"{"x":1,"y":2}"#, r#"{}"#),
        (r#"{"x":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":1,"x":2}"#, r#"{"a":1}"#),
        (r#"{"a":1,"x":2,"b":3}"#, r#"{"a":1,"b":3}"#),
        (r#"{"x":1,"a":2,"y":3,"b":4}"#, r#"{"a":2,"b":4}"#),
        (r#"{"x":1,"y":2,"a":3}"#, r#"{"a":3}"#),
    ] {
        assert_eq!(filter(&mask, text).as_deref(), Ok(shown), "{text}");
    }
}

#[test]
fn a_pretty_document_stays_pretty() {
    let mask = object(&[("x", HIDE)]);
    let text = "{\n  \"a\" : 1,\n  \"x\": 2,\n  \"b\": 3\n}\n";
    assert_eq!(filter(&mask, text).unwrap(), "{\n  \"a\" : 1,\n  \"b\": 3\n}\n");
    let last = "{\n  \"a\": 1,\n  \"x\": 2\n}\n";
    assert_eq!(filter(&mask, last).unwrap(), "{\n  \"a\": 1\n}\n");
    let untouched = " { \"a\" : [ 1 , 2 ] ,\t\"b\" : null } ";
    assert_eq!(filter(&mask, untouched).unwrap(), untouched);
}

#[test]
fn white_space_on_hold_is_kept_up_to_its_limit() {
    for (run, kept) in [(255, 255), (256, 256), (257, 256), (2000, 256)] {
        let text = format!("{{{}\"a\":1}}", " ".repeat(run));
        let shown = format!("{{{}\"a\":1}}", " ".repeat(kept));
        assert_eq!(filter(&object(&[("x", HIDE)]), &text), Ok(shown), "{run}");
    }
}

#[test]
fn white_space_in_a_row_is_what_its_limit_counts() {
    let blanks = " ".repeat(200);
    let text = format!("{{\"a\":0,{blanks}\"n\"{blanks}:{blanks}1{blanks}}}");
    assert_eq!(filter(&typed(Types::INTEGER), &text).unwrap(), text);
}

#[test]
fn what_stays_keeps_its_bytes() {
    let text = r#"{"z":0.1000,"a":12345678901234567890,"e":"\u00e9\/é\ud800","m":{},"t":[],"x":1}"#;
    let shown = text.replace(r#","x":1"#, "");
    assert_eq!(filter(&object(&[("x", HIDE)]), text), Ok(shown));
}

#[test]
fn elements_of_another_type_go() {
    let mask = typed(Types::STRING.or(Types::NULL));
    assert_eq!(filter(&mask, r#"[1,"a",{},null,[2]]"#).unwrap(), r#"["a",null]"#);
    assert_eq!(filter(&mask, r#"{"n":true,"m":true}"#).unwrap(), r#"{"m":true}"#);
}

#[test]
fn integers_are_told_by_value() {
    let text = "[1,1.5,-7,1.0,15e-1,1.5e1,\"1\",0]";
    assert_eq!(filter(&typed(Types::INTEGER), text).unwrap(), "[1,-7,1.0,1.5e1,0]");
    assert_eq!(filter(&typed(Types::NUMBER), text).unwrap(), text.replace(",\"1\"", ""));
}

#[test]
fn p11_a_number_on_hold_has_a_limit() {
    for (digits, fits) in [(9, true), (10, true), (11, false)] {
        let limits = Limits { number: 10, ..Limits::default() };
        let text = format!("[{}]", "1".repeat(digits));
        let result = with(&typed(Types::INTEGER), limits, text.as_bytes());
        assert_eq!(result.is_ok(), fits, "{result:?}");
        assert!(with(&show(), limits, text.as_bytes()).is_ok());
    }
}

#[test]
fn p11_depth_has_a_limit_in_every_part() {
    let hidden = object(&[("x", HIDE)]);
    for (depth, fits) in [(63, true), (64, true), (65, false)] {
        let arrays = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(filter(&show(), arrays(depth)).is_ok(), fits);
        assert_eq!(filter(&typed(Types::ANY), arrays(depth)).is_ok(), fits);
        let text = format!(r#"{{"x":{}}}"#, arrays(depth - 1));
        assert_eq!(filter(&hidden, &text).is_ok(), fits);
    }
    let limits = Limits { depth: usize::MAX, ..Limits::default() };
    for (depth, fits) in [(511, true), (512, true), (513, false)] {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(run(&Arc::new(show()), limits, &[text.as_bytes()]).is_ok(), fits);
    }
}

#[test]
fn p11_a_limited_chain_is_as_deep_as_the_limit() {
    let mut builder = MaskBuilder::new();
    let root = builder.reserve();
    builder.set(root, Node { fields: vec![("x".into(), HIDE)], items: root, ..Node::open() });
    let mask = builder.finish(root);
    for (depth, fits) in [(63, true), (64, true), (65, false)] {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(filter(&mask, &text).is_ok(), fits);
    }
}

#[test]
fn p11_a_compared_key_has_a_limit() {
    let limits = Limits { key: 8, ..Limits::default() };
    for (length, fits) in [(7, true), (8, true), (9, false)] {
        for key in ["k".repeat(length), r"\u006b".repeat(length)] {
            let text = format!(r#"{{"{key}":1}}"#);
            assert_eq!(with(&object(&[("x", HIDE)]), limits, text.as_bytes()).is_ok(), fits);
            assert!(with(&show(), limits, text.as_bytes()).is_ok());
            let more = format!(r#"{{"{key}":1,"a":"{}"}}"#, "-".repeat(40));
            assert_eq!(with(&object(&[("x", HIDE)]), limits, more.as_bytes()).is_ok(), fits);
        }
    }
}

#[test]
fn p11_a_duplicate_of_a_named_key_is_a_fault_and_others_pass() {
    let mask = object(&[("x", HIDE), ("k", SHOW)]);
    for text in [r#"{"x":1,"x":2}"#, r#"{"x":1,"a":0,"\u0078":2}"#, r#"{"k":1,"k":2}"#] {
        assert!(matches!(filter(&mask, text), Err(Fault::DuplicateKey { .. })), "{text}");
    }
    let others = r#"{"a":1,"a":2,"k":{"x":1,"x":2}}"#;
    assert_eq!(filter(&mask, others).as_deref(), Ok(others));
}

#[test]
fn p11_duplicates_are_seen_among_more_names_than_a_word_has_bits() {
    let names: Vec<String> = (0..130).map(|n| format!("f{n:03}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), HIDE)).collect();
    let mask = object(&fields);
    for name in [&names[0], &names[63], &names[64], &names[129]] {
        let text = format!(r#"{{"{name}":1,"f001":2,"{name}":3}}"#);
        assert!(matches!(filter(&mask, &text), Err(Fault::DuplicateKey { .. })), "{name}");
    }
}

#[test]
fn keys_may_hold_what_stands_between_keys() {
    let mask = object(&[("x", HIDE)]);
    for text in
        [r#"{"a:":1}"#, r#"{":a":1,":":2}"#, r#"{"a,":[","],"{":"}"}"#, r#"{" ":1," : ":2}"#]
    {
        assert_eq!(filter(&mask, text).unwrap(), text);
        let long = format!(r#"{{"y":{text},"z":"{}"}}"#, "-".repeat(40));
        assert_eq!(filter(&mask, &long).unwrap(), long);
    }
}

/// What is read in one go is read as carefully as what is read token by token, also where enough
/// follows for the former.
#[test]
fn p11_only_a_quote_begins_a_key_and_only_a_comma_comes_before_it() {
    let mask = object(&[("x", HIDE), ("", HIDE)]);
    for inside in [
        r#""a":1,\a":2"#,
        "\"a\":1,\u{1}a\":2",
        r#""a":1,a":2"#,
        r#"\a":1"#,
        "\u{1}a\":1",
        r#""a":1{"b":2"#,
        r#""a":"1"{"b":2"#,
        r#""a":1,,"b":2"#,
        r#","a":1"#,
        r#"{"a":1"#,
        r#""a":1,"b"2"#,
        r#""a":1,"b";2"#,
        r#""a":"v"v"#,
        r#""a":"v","#,
        "\"a\":\"v\u{1f}\"",
        "\"a\u{1f}\":1",
    ] {
        for text in [inside.into(), format!(r#""x":{{{inside}}}"#), format!(r#""b":{{{inside}}}"#)]
        {
            let text = format!(r#"{{{text},"z":"{}"}}"#, "-".repeat(80));
            assert!(matches!(filter(&mask, &text), Err(Fault::Grammar { .. })), "{text}");
        }
    }
    let text = r#"{"":1,"a":"","":2}"#;
    assert!(matches!(filter(&mask, text), Err(Fault::DuplicateKey { .. })));
    let long = "-".repeat(80);
    let text =
        format!(r#"{{"":"{long}","a":"","b":{{"":"","x":"{long}"}},"x":"{long}","c":"{long}"}}"#);
    let shown = format!(r#"{{"a":"","b":{{"":"","x":"{long}"}},"c":"{long}"}}"#);
    assert_eq!(filter(&mask, &text).unwrap(), shown);
}

#[test]
fn p11_bad_json_is_a_fault_in_shown_and_in_hidden_parts() {
    let mask = object(&[("x", HIDE)]);
    for bad in [
        "01",
        "1.",
        "+1",
        ".5",
        "1e",
        "-",
        "nul",
        "truex",
        "NaN",
        "'a'",
        "\"\t\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "[1,]",
        "[,1]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "{a\":1}",
        "{xx\":1,\"a\":1}",
        "{\"a\":1,xx\":1}",
        "{\"a\"\":1}",
        "{\"a\":1]",
        "[1}",
        "[{}}",
        "{\"a\":[]]",
        "[\"a\":1]",
        "{1}",
        "{1:1}",
        "{[]}",
        "{\"a\":1,2}",
        "{\"a\\:1}",
        "{\"a\t:1}",
        "{\"a",
        "[1 2]",
        "{\"a\" 1}",
        "[}",
        "{]",
        "/**/1",
        "\"",
        "[",
        "",
    ] {
        for text in [format!(r#"{{"x":{bad}}}"#), format!(r#"{{"y":{bad}}}"#), bad.to_owned()] {
            assert!(filter(&mask, &text).is_err(), "{text}");
            assert!(filter(&show(), &text).is_err(), "{text}");
            assert!(filter(&anywhere(["x"]), &text).is_err(), "{text}");
        }
    }
}

#[test]
fn p11_a_character_where_none_may_stand_is_told_where_it_begins() {
    let mask = Arc::new(anywhere(["x"]));
    let bytes = |text: &'static [u8]| text.chunks(1).collect::<Vec<_>>();
    let at = |text: &'static [u8]| run(&mask, Limits::default(), &bytes(text)).unwrap_err();
    assert_eq!(at("[1,é]".as_bytes()), Fault::Grammar { offset: 3 });
    assert_eq!(at("{\"a\":😀}".as_bytes()), Fault::Grammar { offset: 5 });
    assert_eq!(at(b"[\"\xf0\x9f\x98x\"]"), Fault::Utf8 { offset: 2 });
    assert_eq!(at("\u{feff}{}".as_bytes()), Fault::Bom);
}

#[test]
fn p11_bad_utf8_is_a_fault_in_shown_and_in_hidden_parts() {
    let mask = object(&[("x", HIDE)]);
    for bad in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xc3", b"\xf0\x9f\x98", b"\x80"] {
        for key in [&b"x"[..], b"y"] {
            let text = [b"{\"", key, b"\":\"", bad, b"\"}"].concat();
            assert!(matches!(filter(&mask, &text), Err(Fault::Utf8 { offset: 6 })), "{bad:?}");
        }
    }
    assert_eq!(filter(&show(), b"\xef\xbb\xbf1"), Err(Fault::Bom));
    assert!(filter(&show(), b"\xff\xfe1\0").is_err());
    assert!(filter(&show(), b"1\xc3").is_err());
}

#[test]
fn p11_nothing_may_follow_and_nothing_may_be_missing() {
    assert!(matches!(filter(&show(), "1 2"), Err(Fault::Trailing { offset: 2 })));
    assert!(matches!(filter(&show(), "{}{}"), Err(Fault::Trailing { offset: 2 })));
    for text in ["", "  ", "[1", "\"a", "tru", "{\"a\":", "-"] {
        assert_eq!(filter(&show(), text), Err(Fault::Truncated), "{text}");
    }
    for text in ["1", "-0.5e1", " true ", "\"\"", "null\n"] {
        assert_eq!(filter(&show(), text).as_deref(), Ok(text));
    }
}

#[test]
fn after_a_fault_every_call_is_that_fault() {
    let mut filter = Filter::new(Arc::new(show()), Limits::default());
    let mut out = Vec::new();
    let fault = filter.push(b"[1,]", &mut out).unwrap_err();
    let before = out.clone();
    assert_eq!(filter.push(b"1]", &mut out), Err(fault));
    assert_eq!(filter.finish(&mut out), Err(fault));
    assert_eq!(out, before);
    let mut filter = Filter::new(Arc::new(show()), Limits::default());
    assert_eq!(filter.finish(&mut out), Err(Fault::Truncated));
    assert_eq!(filter.push(b"1", &mut out), Err(Fault::Truncated));
}

#[test]
fn p11_a_root_that_would_go_is_a_wrong_shape() {
    assert_eq!(filter(&object(&[]), "[1]"), Err(Fault::Shape));
    assert_eq!(filter(&MaskBuilder::new().finish(HIDE), "1"), Err(Fault::Shape));
}

#[test]
fn p11_one_of_the_pointers_must_fit() {
    let customer = object(&[("ssn", HIDE)]);
    let list = place("/data/*", 0, &customer).unwrap();
    assert_eq!(filter(&list, r#"{"data":[{"ssn":1,"a":2}]}"#).unwrap(), r#"{"data":[{"a":2}]}"#);
    assert_eq!(filter(&list, r#"{"data":{"k":{"ssn":1}}}"#).unwrap(), r#"{"data":{"k":{}}}"#);
    assert_eq!(filter(&list, r#"{"other":1}"#).unwrap(), r#"{"other":1}"#);
    for text in [r#"{"data":"x"}"#, r#"[]"#, r#"{"data":null}"#, r#"{"data":[{"a":1},7]}"#] {
        assert_eq!(filter(&list, text), Err(Fault::Shape), "{text}");
    }
}

#[test]
fn pointers_are_recorded_up_to_their_limit() {
    let mask = Arc::new(place("/data/*", 0, &object(&[("s/n", HIDE)])).unwrap());
    let limits = Limits { pointers: 2, ..Limits::default() };
    let mut filter = Filter::recording(mask, limits);
    let text = br#"{"data":[{"s\/n":1},{"a":1},{"s/n":1},{"s/n":1}]}"#;
    filter.push(text, &mut Vec::new()).unwrap();
    assert_eq!(filter.removed(), 3);
    assert_eq!(filter.pointers(), ["/data/0/s~1n", "/data/2/s~1n"]);
}

#[test]
fn one_element_can_be_meant_by_its_index() {
    let mask = place("/1", 0, &object(&[("x", HIDE)])).unwrap();
    assert_eq!(filter(&mask, r#"[{"x":1},{"x":2},{"x":3}]"#).unwrap(), r#"[{"x":1},{},{"x":3}]"#);
    assert_eq!(filter(&mask, r#"[5,{"x":2},5]"#).unwrap(), "[5,{},5]");
    assert_eq!(filter(&mask, r#"{"1":{"x":2}}"#).unwrap(), r#"{"1":{}}"#);
}

#[test]
fn a_filter_can_go_where_its_body_goes() {
    fn goes<T: Send + 'static>() {}
    goes::<Filter>();
    // Made for each request, so it stays small; its buffers begin empty.
    assert!(size_of::<Filter>() <= 512, "{}", size_of::<Filter>());
}

#[test]
fn a_fault_has_the_same_place_however_its_input_is_cut() {
    let mask = Arc::new(typed(Types::STRING));
    for text in ["{\"a\":\"é€😀\",?}", "{\"n\":\"é€😀\",?}", "[\"é\",\"€\",\"😀\" ?]"]
    {
        let fault = Fault::Grammar { offset: text.find('?').unwrap() as u64 };
        for at in 0..text.len() {
            let (left, right) = text.as_bytes().split_at(at);
            let bytes: Vec<_> = right.chunks(1).collect();
            assert_eq!(run(&mask, Limits::default(), &[left, right]), Err(fault), "{text} at {at}");
            let slowly = [&[left], &bytes[..]].concat();
            assert_eq!(run(&mask, Limits::default(), &slowly), Err(fault), "{text} at {at}");
        }
    }
}
