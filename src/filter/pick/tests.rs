//! What stands where, rule by rule.

use super::*;

fn paths(pointers: &[&str]) -> Vec<Path> {
    pointers.iter().map(|pointer| Path::parse(pointer).unwrap()).collect()
}

fn values(pointers: &[&str], text: &str) -> Result<Vec<Vec<Found>>, Fault> {
    let paths = paths(pointers);
    pick(text.as_bytes(), &paths.iter().collect::<Vec<_>>(), &Limits::default())
}

fn strictly(pointer: &str, text: &str) -> Result<Vec<Found>, Fault> {
    let path = Path::parse(pointer).unwrap();
    let found = pick_strictly(text.as_bytes(), &[&path], &Limits::default())?;
    Ok(found.into_iter().next().unwrap())
}

fn text(text: &str) -> Found {
    Found::Text(text.to_owned())
}

fn number(text: &str) -> Found {
    Found::Number(text.to_owned())
}

#[test]
fn every_kind_of_value_is_told() {
    let document =
        r#"{"a":"x\u0041\n","b":-1.50E+2,"c":true,"d":false,"e":null,"f":{"g":[]},"h":"\ud800"}"#;
    let all = ["/a", "/b", "/c", "/d", "/e", "/f", "/f/g", "/h", "/i", "/a/b", "/f/g/0"];
    let found = values(&all, document).unwrap();
    let expected = [
        vec![text("xA\n")],
        vec![number("-1.50E+2")],
        vec![Found::Boolean(true)],
        vec![Found::Boolean(false)],
        vec![Found::Null],
        vec![Found::Object],
        vec![Found::Array],
        vec![Found::Broken],
        vec![],
        vec![],
        vec![],
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_root_is_a_place() {
    for (document, value) in [
        (" \"a\" ", text("a")),
        ("7", number("7")),
        (" 7.0 ", number("7.0")),
        ("null", Found::Null),
        ("[1]", Found::Array),
        ("{}", Found::Object),
    ] {
        assert_eq!(values(&[""], document), Ok(vec![vec![value.clone()]]), "{document}");
        assert_eq!(strictly("", document), Ok(vec![value]));
    }
    assert_eq!(values(&["/a", ""], "7"), Ok(vec![vec![], vec![number("7")]]));
}

#[test]
fn a_star_is_every_element_or_member_in_order() {
    let document = r#"{"a":[{"id":1},{"id":2,"x":0},7,{"id":[]}],"b":{"id":3}}"#;
    let found = values(&["/a/*/id", "/*/id", "/a/*", "/*"], document).unwrap();
    assert_eq!(found[0], [number("1"), number("2"), Found::Array]);
    assert_eq!(found[1], [number("3")]);
    assert_eq!(found[2], [Found::Object, Found::Object, number("7"), Found::Object]);
    assert_eq!(found[3], [Found::Array, Found::Object]);
}

#[test]
fn a_number_is_an_element_or_a_member() {
    assert_eq!(values(&["/1"], r#"["a","b","c"]"#), Ok(vec![vec![text("b")]]));
    assert_eq!(values(&["/1"], r#"{"0":"a","1":"b"}"#), Ok(vec![vec![text("b")]]));
    assert_eq!(values(&["/01", "/-", "/2"], r#"["a","b"]"#), Ok(vec![vec![], vec![], vec![]]));
}

#[test]
fn paths_that_share_a_way_are_followed_together() {
    let document = r#"{"a":{"b":1,"c":{"d":2}},"x/y":{"~":3}}"#;
    let all = ["/a/b", "/a/c/d", "/a/c", "/a/b", "/x~1y/~0", "/*/b"];
    let found = values(&all, document).unwrap();
    let one = |value: Found| vec![value];
    let expected = [
        one(number("1")),
        one(number("2")),
        one(Found::Object),
        one(number("1")),
        one(number("3")),
        one(number("1")),
    ];
    assert_eq!(found, expected);
    assert_eq!(values(&[], document), Ok(vec![]));
}

#[test]
fn p11_a_name_of_a_path_stands_once() {
    for document in [
        r#"{"a":{"b":1},"a":2}"#,
        r#"{"a":1,"\u0061":{"b":2}}"#,
        r#"{"a":{"b":1,"c":3,"b":2}}"#,
        r#"{"a":{"b":1,"\u0062":2}}"#,
    ] {
        let result = values(&["/a/b"], document);
        assert!(matches!(result, Err(Fault::DuplicateKey { .. })), "{document}");
    }
    let elsewhere =
        r#"{"b":1,"b":2,"x":{"a":1,"a":2},"a":{"x":1,"x":2,"b":7,"c":[{"b":1,"b":1}]}}"#;
    assert_eq!(values(&["/a/b"], elsewhere), Ok(vec![vec![number("7")]]));
    assert!(values(&["/*/b"], r#"{"a":{"b":1},"c":{"b":1,"b":2}}"#).is_err());
    assert!(values(&["/*/b"], r#"{"a":{"b":1},"c":{"b":2}}"#).is_ok());
}

#[test]
fn p11_where_every_member_is_meant_each_stands_once() {
    for document in
        [r#"{"x":1,"x":2}"#, r#"{"a":{"b":1,"c":2,"\u0062":3}}"#, r#"{"a":1,"b":{},"a":2}"#]
    {
        let result = values(&["/*", "/a/*"], document);
        assert!(matches!(result, Err(Fault::DuplicateKey { .. })), "{document}");
    }
    let apart = r#"{"a":{"x":1},"b":{"x":2},"c":{"c":{"y":1,"y":2}}}"#;
    assert_eq!(values(&["/*/x", "/*/*"], apart).unwrap()[0], [number("1"), number("2")]);
    assert_eq!(values(&["/a/*"], r#"{"z":{"x":1,"x":1},"z":2}"#), Ok(vec![vec![]]));
}

#[test]
fn p13_the_keys_remembered_have_a_limit() {
    let path = Path::parse("/*/*").unwrap();
    for (count, fits) in [(4, true), (5, true), (6, false)] {
        // One key of the root is open beside them.
        let members: Vec<_> = (1..count).map(|n| format!(r#""k{n}":1"#)).collect();
        let document = format!(r#"{{"a":{{{}}}}}"#, members.join(","));
        let limits = Limits { names: 5, ..Limits::default() };
        let found = pick(document.as_bytes(), &[&path], &limits);
        assert_eq!(found.is_ok(), fits, "{found:?}");
        assert!(fits || matches!(found, Err(Fault::TooManyKeys { .. })));
    }
}

#[test]
fn p11_the_text_is_checked_whole() {
    for bad in
        ["", "{", "[1,]", "{\"a\":1,}", "1 2", "[1]]", "{\"b\":01}", "{\"b\":[tru]}", "\u{feff}1"]
    {
        assert!(values(&["/a"], bad).is_err(), "{bad}");
        assert!(strictly("/a", bad).is_err(), "{bad}");
    }
    let path = Path::parse("/a").unwrap();
    for bad in [&b"{\"b\":\"\xff\"}"[..], b"\xef\xbb\xbf{}", b"{\"\xc3\":1}", b"1\xc3"] {
        assert!(pick(bad, &[&path], &Limits::default()).is_err());
    }
    for (depth, fits) in [(63, true), (64, true), (65, false)] {
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(values(&["/a"], &nested).is_ok(), fits);
        assert_eq!(values(&[&"/0".repeat(80)], &nested).is_ok(), fits);
    }
    for (length, fits) in [(8191, true), (8192, true), (8193, false)] {
        for key in ["k".repeat(length), r"\u006b".repeat(length)] {
            assert_eq!(values(&["/a"], &format!(r#"{{"{key}":1}}"#)).is_ok(), fits);
        }
    }
}

#[test]
fn p13_the_values_found_have_a_limit() {
    for (count, fits) in [(MOST - 1, true), (MOST, true), (MOST + 1, false)] {
        let document = format!("[{}]", vec!["1"; count].join(","));
        let found = values(&["/*"], &document);
        assert_eq!(found.is_ok(), fits);
        assert!(fits || matches!(found, Err(Fault::TooManyValues { .. })));
        let halves = format!("[{}]", vec!["1"; count / 2].join(","));
        assert!(values(&["/*", "/*"], &halves).is_ok());
    }
    let over = format!("[{}]", vec!["1"; MOST / 2 + 1].join(","));
    assert!(values(&["/*", "/*"], &over).is_err());
}

#[test]
fn p10_in_a_request_every_key_stands_once_and_reads_one_way() {
    for bad in [
        r#"{"a":1,"x":{"y":1,"y":2}}"#,
        r#"{"a":1,"x":"\ud800"}"#,
        r#"{"a":1,"x\u0000":1}"#,
        r#"{"x":1,"\u0078":1}"#,
    ] {
        assert!(strictly("/a", bad).is_err(), "{bad}");
        assert!(values(&["/a"], bad).is_ok(), "{bad}");
    }
    assert_eq!(strictly("/a", r#"{"a":1,"_method":"x"}"#), Ok(vec![number("1")]));
}

#[test]
fn p10_in_a_request_a_name_in_another_case_is_a_fault() {
    for bad in [r#"{"Owner":"me"}"#, r#"{"owner":"me","OWNER":"you"}"#, r#"{"Owner":1,"owner":1}"#]
    {
        let result = strictly("/owner", bad);
        assert!(matches!(result, Err(Fault::CaseVariant { .. })), "{bad}: {result:?}");
        assert!(values(&["/owner"], bad).is_ok());
    }
    assert!(matches!(strictly("/ssn", r#"{"ſſn":1}"#), Err(Fault::CaseVariant { .. })));
    let elsewhere = r#"{"x":{"Owner":1},"owner":"me"}"#;
    assert_eq!(strictly("/owner", elsewhere), Ok(vec![text("me")]));
}

#[test]
fn pointers_that_say_no_place_are_refused_by_name() {
    assert_eq!(Path::parse("a"), Err(PointerError::NoSlash));
    assert_eq!(Path::parse("/~2"), Err(PointerError::Tilde));
    assert_eq!(Path::parse("/**"), Err(PointerError::AnyDepth));
    assert!(Path::parse("/a/*").unwrap().has_wildcard());
    assert!(!Path::parse("/a/b*").unwrap().has_wildcard());
    let path = |pointer: &str| Path::parse(pointer).unwrap();
    assert!(path("/a").leads_to(&path("/a/b")) && path("").leads_to(&path("")));
    assert!(!path("/a").leads_to(&path("/ab")) && !path("/a/b").leads_to(&path("/a")));
}

#[test]
fn containers_on_the_way_end_as_they_began() {
    for (pointer, text) in [
        ("/a/0/b", r#"{"a":[{"b":1}}}"#),
        ("/a/b", r#"{"a":{"b":1]}"#),
        ("/a/0", r#"{"a":[1}}"#),
        ("/0", "[1}"),
    ] {
        assert!(matches!(values(&[pointer], text), Err(Fault::Grammar { .. })), "{text}");
    }
    assert_eq!(values(&["/a"], r#"{"a":1} x"#), Err(Fault::Trailing { offset: 8 }));
}
