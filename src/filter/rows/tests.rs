//! Rows, rule by rule, each at every split of the input.

use super::*;
use crate::filter::mask::{HIDE, MaskBuilder, Node, SHOW};
use crate::filter::pick::{Found, pick};

/// Keeps rows whose `ok` is true, and of those shows all but `ssn`.
struct Keeper {
    ok: Path,
    mask: Arc<Mask>,
    removed: u64,
}

impl Keeper {
    fn new() -> Keeper {
        let ok = Path::parse("/ok").unwrap();
        Keeper { ok, mask: Arc::new(without("ssn")), removed: 0 }
    }
}

impl Judge for Keeper {
    fn judge(
        &mut self,
        _place: usize,
        element: bool,
        row: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        assert!(element || row.starts_with(b"{"));
        let found = pick(row, &[&self.ok], &Limits::default())?;
        if found[0] != [Found::Boolean(true)] {
            return Ok(false);
        }
        let mut filter = Filter::new(self.mask.clone(), Limits::default());
        filter.push(row, out)?;
        filter.finish(out)?;
        self.removed += filter.removed();
        Ok(true)
    }

    fn removed(&self) -> u64 {
        self.removed
    }
}

fn without(name: &str) -> Mask {
    let mut builder = MaskBuilder::new();
    let fields = vec![(name.into(), HIDE)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    builder.finish(root)
}

fn show() -> Mask {
    MaskBuilder::new().finish(SHOW)
}

fn rows(places: &[&str], max_row: usize, must: bool) -> Rows {
    let places = places.iter().map(|place| Path::parse(place).unwrap()).collect();
    Rows::new(places, max_row, must).unwrap()
}

/// What goes out, and what went out before a fault.
fn run(mask: &Mask, rows: &Rows, chunks: &[&[u8]]) -> (Result<u64, Fault>, String) {
    let mask = Arc::new(mask.clone());
    let mut filter =
        Filter::with_rows(mask, rows.clone(), Box::new(Keeper::new()), Limits::default());
    let mut out = Vec::new();
    let mut read = || {
        chunks.iter().try_for_each(|chunk| filter.push(chunk, &mut out))?;
        filter.finish(&mut out)
    };
    let read = read();
    (read.map(|()| filter.dropped()), String::from_utf8(out).unwrap())
}

/// The one answer of all splits in two, and byte by byte.
fn with(mask: &Mask, rows: &Rows, text: &str) -> Result<(String, u64), Fault> {
    let (verdict, whole) = run(mask, rows, &[text.as_bytes()]);
    let cuts = (0..text.len().min(300)).map(|at| text.as_bytes().split_at(at));
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    for chunks in cuts.map(|(left, right)| vec![left, right]).chain([bytes]) {
        let (cut_verdict, out) = run(mask, rows, &chunks);
        assert_eq!(cut_verdict, verdict, "{chunks:?}");
        assert!(out == whole || verdict.is_err(), "{out} or {whole}");
    }
    verdict.map(|dropped| (whole, dropped))
}

fn filter(places: &[&str], text: &str) -> Result<(String, u64), Fault> {
    with(&show(), &rows(places, 1000, true), text)
}

fn goes(places: &[&str], text: &str, shown: &str, dropped: u64) {
    assert_eq!(filter(places, text), Ok((shown.to_owned(), dropped)), "{text}");
}

#[test]
fn commas_are_right_whichever_rows_go() {
    let yes = r#"{"ok":true,"n":1}"#;
    for (list, shown, dropped) in [
        ("[]", "[]".to_owned(), 0),
        ("[ ]", "[ ]".to_owned(), 0),
        ("[0]", "[]".to_owned(), 1),
        ("[0,Y]", "[Y]".replace('Y', yes), 1),
        ("[Y,0]", "[Y]".replace('Y', yes), 1),
        ("[Y,0,Y]", "[Y,Y]".replace('Y', yes), 1),
        ("[{},Y,[Y],Y,\"x\"]", "[Y,Y]".replace('Y', yes), 3),
        ("[1,2,3]", "[]".to_owned(), 3),
    ] {
        let list = list.replace('Y', yes);
        goes(&[""], &list, &shown, dropped);
        goes(
            &["/data/items"],
            &format!(r#"{{"a":[0],"data":{{"b":1,"items":{list},"c":2}},"d":0}}"#),
            &format!(r#"{{"a":[0],"data":{{"b":1,"items":{shown},"c":2}},"d":0}}"#),
            dropped,
        );
    }
}

#[test]
fn white_space_goes_as_it_does_around_members_that_the_filter_removes() {
    let text = "{ \"data\" : [\n  {\"ok\":true} ,\n  {\"ok\":false} ,\n  {\"ok\":true}\n] }\n";
    let shown = "{ \"data\" : [\n  {\"ok\":true} ,\n  {\"ok\":true}\n] }\n";
    goes(&["/data"], text, shown, 1);
    goes(&[""], " [ 1 , 2 ] ", " [ ] ", 2);
}

#[test]
fn an_object_at_a_place_is_the_only_row_and_null_is_none() {
    goes(
        &["/data"],
        r#"{"a":1,"data":{"ok":true,"ssn":1},"b":2}"#,
        r#"{"a":1,"data":{"ok":true},"b":2}"#,
        0,
    );
    goes(&[""], r#" {"ssn":1,"ok":true} "#, r#" {"ok":true} "#, 0);
    goes(&["/data"], r#"{"data":null}"#, r#"{"data":null}"#, 0);
    goes(&[""], "null", "null", 0);
    for text in ["7", "\"x\"", "true", "-1.5e7"] {
        assert_eq!(filter(&[""], text), Err(Fault::Shape), "{text}");
        assert_eq!(filter(&["/data"], &format!(r#"{{"data":{text}}}"#)), Err(Fault::Shape));
    }
}

#[test]
fn p11_if_the_only_row_goes_nothing_goes_out() {
    for text in [r#"{"a":"SECRET","data":{"ok":false,"b":"SECRET"}}"#, r#"{"data":{}}"#] {
        assert_eq!(filter(&["/data"], text), Err(Fault::Gone));
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(run(&show(), &rows(&["/data"], 100, true), &bytes).1, "");
    }
    let (verdict, out) = run(&show(), &rows(&[""], 100, false), &[br#"{"ok":0}"#]);
    assert_eq!((verdict, out.as_str()), (Err(Fault::Gone), ""));
}

#[test]
fn p11_where_rows_must_be_nothing_goes_out_without_them() {
    for text in [
        r#"{"results":["SECRET"]}"#,
        r#"{"data":{"results":["SECRET"]}}"#,
        r#"{"data":["SECRET"],"x":{"items":[]}}"#,
        r#"{"data":"SECRET"}"#,
        r#"["SECRET"]"#,
        "\"SECRET\"",
        "12345",
    ] {
        let must = rows(&["/data/items"], 1000, true);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        for chunks in [vec![text.as_bytes()], bytes] {
            assert_eq!(run(&show(), &must, &chunks), (Err(Fault::Shape), String::new()), "{text}");
        }
        let may = rows(&["/data/items"], 1000, false);
        assert_eq!(with(&show(), &may, text), Ok((text.to_owned(), 0)));
    }
}

#[test]
fn one_of_several_places_is_enough() {
    let places = ["/data/items", "/results", "/data/more"];
    goes(&places, r#"{"results":[1]}"#, r#"{"results":[]}"#, 1);
    goes(
        &places,
        r#"{"data":{"more":[1,{"ok":true}],"items":[2,3]},"results":{"ok":true,"ssn":4}}"#,
        r#"{"data":{"more":[{"ok":true}],"items":[]},"results":{"ok":true}}"#,
        3,
    );
}

#[test]
fn a_number_in_a_place_is_an_element_or_a_member() {
    goes(&["/1"], "[[1],[1],[1]]", "[[1],[],[1]]", 1);
    goes(&["/1/x"], r#"[1,{"x":[2]},{"x":[2]}]"#, r#"[1,{"x":[]},{"x":[2]}]"#, 1);
    goes(&["/0"], r#"{"0":[1]}"#, r#"{"0":[]}"#, 1);
}

#[test]
fn the_mask_applies_to_what_is_around() {
    let text = r#"{"ssn":1,"data":[{"ok":true,"ssn":2,"kept":3}],"kept":[{"ok":0}]}"#;
    let shown = r#"{"data":[{"ok":true,"kept":3}],"kept":[{"ok":0}]}"#;
    let must = rows(&["/data"], 1000, true);
    assert_eq!(with(&without("ssn"), &must, text), Ok((shown.to_owned(), 0)));
    // What the mask says about the inside of rows is the judge's business.
    let mask = crate::filter::place::place("/data/*", 0, &without("kept")).unwrap();
    let shown = r#"{"ssn":1,"data":[{"ok":true,"kept":3}],"kept":[{"ok":0}]}"#;
    assert_eq!(with(&mask, &must, text), Ok((shown.to_owned(), 0)));
}

#[test]
fn p11_a_place_on_a_hidden_way_is_found_and_hidden() {
    let must = rows(&["/data/items"], 1000, true);
    let mask = without("data");
    for data in [r#"{"items":[{"ok":true}]}"#, r#"{"items":{}}"#, r#"{"items":7}"#, "{}", "[]", "1"]
    {
        let text = format!(r#"{{"a":1,"data":{data},"b":2}}"#);
        assert_eq!(with(&mask, &must, &text), Ok((r#"{"a":1,"b":2}"#.into(), 0)), "{text}");
    }
    let mask = without("items");
    let must = rows(&["/items"], 1000, true);
    let text = r#"{"items":[{"ok":true},1],"b":2}"#;
    assert_eq!(with(&mask, &must, text), Ok((r#"{"b":2}"#.into(), 0)));
    let hidden = MaskBuilder::new().finish(HIDE);
    assert_eq!(with(&hidden, &must, text), Err(Fault::Shape));
}

#[test]
fn p11_the_masks_types_and_pointers_are_asked_of_the_place() {
    let mut builder = MaskBuilder::new();
    let list = builder.add(Node { types: Types::ARRAY, ..Node::open() });
    let fields = vec![("data".into(), list)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    let mask = builder.finish(root);
    let must = rows(&["/data"], 1000, true);
    assert_eq!(with(&mask, &must, r#"{"data":[1],"a":2}"#), Ok((r#"{"data":[],"a":2}"#.into(), 1)));
    let text = r#"{"data":{"ok":true},"a":2}"#;
    assert_eq!(with(&mask, &must, text), Ok((r#"{"a":2}"#.into(), 0)));
    let mask = crate::filter::place::place("/data", 0, &mask).unwrap();
    assert_eq!(with(&mask, &must, r#"{"data":[1]}"#), Err(Fault::Shape));
    assert_eq!(with(&mask, &must, r#"["data"]"#), Err(Fault::Shape));
}

#[test]
fn p11_a_key_on_the_way_stands_once() {
    for text in [
        r#"{"data":{"items":[]},"data":1}"#,
        r#"{"data":1,"d\u0061ta":{"items":[]}}"#,
        r#"{"data":{"items":[],"items":[]}}"#,
        r#"{"data":{"items":null,"\u0069tems":[]}}"#,
    ] {
        let result = filter(&["/data/items"], text);
        assert!(matches!(result, Err(Fault::DuplicateKey { .. })), "{text}: {result:?}");
    }
    let other = r#"{"x":1,"x":2,"items":1,"items":2,"data":{"data":1,"data":1,"items":[]}}"#;
    goes(&["/data/items"], other, other, 0);
}

#[test]
fn p11_bad_json_is_a_fault_in_rows_and_around_them() {
    for bad in ["01", "1.", "nul", "\"\t\"", "[1,]", "{\"a\"}", "{\"a\":1,}", "[}", "\"", "", "1 2"]
    {
        for (left, right) in [
            ("[", "]"),
            (r#"[{"ok":true},"#, "]"),
            (r#"[{"ok":true,"x":"#, "}]"),
            (r#"[{"ok":false,"x":"#, "}]"),
        ] {
            let text = format!("{left}{bad}{right}");
            if text != "[]" {
                assert!(filter(&[""], &text).is_err(), "{text}");
            }
            assert!(text == "[]" || filter(&["/a"], &format!(r#"{{"a":{text}}}"#)).is_err());
        }
        assert!(filter(&["/a"], &format!(r#"{{"a":[],"b":{bad}}}"#)).is_err(), "{bad}");
        assert!(filter(&["/a"], &format!(r#"{{"a":[]}}{bad}x"#)).is_err(), "{bad}");
    }
    for text in ["[1", "[1,", "[", "{\"ok\":tru", "", "[]]", "[] 1"] {
        assert!(filter(&[""], text).is_err(), "{text}");
    }
}

#[test]
fn p13_a_row_has_a_limit() {
    for (length, fits) in [(39, true), (40, true), (41, false), (400, false)] {
        let limited = rows(&[""], 40, true);
        let object = format!(r#"{{"ok":true,"x":"{}"}}"#, "x".repeat(length - 18));
        assert_eq!(object.len(), length);
        for text in [object.clone(), format!("[{object}]"), format!("[1,{object} ,2]")] {
            let result = with(&show(), &limited, &text);
            assert_eq!(result.is_ok(), fits, "{text}");
            let began = text.find('{').unwrap() as u64;
            let fault = Fault::RowTooLong { offset: began + 40 };
            assert!(fits || result == Err(fault), "{result:?}");
        }
        let number = format!("[{}]", "7".repeat(length));
        assert_eq!(with(&show(), &limited, &number).is_ok(), fits);
    }
}

#[test]
fn p13_what_is_held_back_has_a_limit() {
    for (length, fits) in [(39, true), (40, true), (41, false), (400, false)] {
        let text = |value: &str| format!(r#"{{"a":"{}","b":{value}}}"#, "x".repeat(length - 12));
        assert_eq!(text("").len() - 1, length);
        let limited = rows(&["/b"], 40, true);
        for value in ["[]", r#"{"ok":true}"#, "null"] {
            let text = text(value);
            let result = with(&show(), &limited, &text);
            assert_eq!(result, if fits { Ok((text, 0)) } else { Err(Fault::Shape) }, "{length}");
        }
        assert!(with(&show(), &rows(&["/b"], 40, false), &text("[]")).is_ok());
    }
}

#[test]
fn places_do_not_overlap_and_mean_one_value() {
    let make = |places: &[&str]| {
        let places = places.iter().map(|place| Path::parse(place).unwrap()).collect();
        Rows::new(places, 1, true).map(|rows| rows.places().len())
    };
    assert_eq!(make(&["/data/*"]), Err(RowsError::Wildcard));
    for nested in [&["", "/a"][..], &["/a", "/b", "/a/b"], &["/a/b/c", "/a"], &["/a", "/a"]] {
        assert_eq!(make(nested), Err(RowsError::Nested), "{nested:?}");
    }
    assert_eq!(make(&["/a/b", "/a/c", "/ab"]), Ok(3));
}

/// Says what it was made to say.
struct Says(Result<bool, Fault>, &'static [u8]);

impl Judge for Says {
    fn judge(&mut self, _: usize, _: bool, _: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        out.extend_from_slice(self.1);
        self.0
    }
}

#[test]
fn a_row_goes_unless_its_judge_says_and_writes_something() {
    let judged = |says: Says, text: &[u8]| {
        let (mask, rows) = (Arc::new(show()), rows(&[""], 100, true));
        let mut filter = Filter::with_rows(mask, rows, Box::new(says), Limits::default());
        let mut out = Vec::new();
        filter.push(text, &mut out)?;
        filter.finish(&mut out)?;
        Ok((String::from_utf8(out).unwrap(), filter.dropped()))
    };
    assert_eq!(judged(Says(Ok(true), b"7"), b"[1,2]"), Ok(("[7,7]".into(), 0)));
    assert_eq!(judged(Says(Ok(true), b""), b"[1,2]"), Ok(("[]".into(), 2)));
    assert_eq!(judged(Says(Ok(false), b"7"), b"[1,2]"), Ok(("[]".into(), 2)));
    assert_eq!(judged(Says(Ok(true), b""), b"{}"), Err(Fault::Gone));
    let fault = Fault::Grammar { offset: 2 };
    assert_eq!(judged(Says(Err(fault), b"7"), b"[    1]"), Err(Fault::Grammar { offset: 7 }));
}

#[test]
fn what_is_removed_around_rows_and_in_them_is_counted() {
    let (mask, rows) = (Arc::new(without("ssn")), rows(&["/data"], 100, true));
    let keeper = Box::new(Keeper::new());
    let mut filter = Filter::with_rows(mask, rows, keeper, Limits::default());
    assert!(!filter.counts(), "no total is put right");
    let text =
        br#"{"ssn":1,"data":[{"ok":true,"ssn":1},{"ok":true,"ssn":2},{"ok":false,"ssn":1}]}"#;
    filter.push(text, &mut Vec::new()).unwrap();
    assert_eq!((filter.removed(), filter.dropped()), (3, 1));
    let says = Box::new(Says(Ok(true), b"{}"));
    let mut filter =
        Filter::with_rows(Arc::new(show()), self::rows(&[""], 9, true), says, Limits::default());
    filter.push(b"{}", &mut Vec::new()).unwrap();
    assert_eq!(filter.removed(), 0, "a judge that says nothing of it");
}

#[test]
fn p13_memory_does_not_grow_with_the_list() {
    let (mask, rows) = (Arc::new(show()), rows(&["/data"], 100, true));
    let mut filter = Filter::with_rows(mask, rows, Box::new(Keeper::new()), Limits::default());
    let (mut out, mut most) = (Vec::new(), 0);
    filter.push(br#"{"data":["#, &mut out).unwrap();
    for n in 0..5_000 {
        let comma = if n == 0 { "" } else { "," };
        let row = format!(r#"{comma}{{"ok":{},"id":{n},"ssn":"secret"}}"#, n % 3 == 0);
        let (left, right) = row.as_bytes().split_at(n % row.len());
        filter.push(left, &mut out).unwrap();
        filter.push(right, &mut out).unwrap();
        assert!(!out.escape_ascii().to_string().contains("secret"));
        out.clear();
        let reader = filter.rows.as_ref().unwrap();
        most = most.max(out.capacity() + reader.held.capacity() + reader.written.capacity());
    }
    filter.push(b"]}", &mut out).unwrap();
    filter.finish(&mut out).unwrap();
    assert_eq!(filter.dropped(), 3_333);
    assert!(most < 1_000, "{most}");
}
