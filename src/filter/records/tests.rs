use super::*;
use crate::filter::mask::{HIDE, Mask, MaskBuilder, Node, Types};
use crate::filter::pick::{Found, Path, pick};
use crate::filter::rows::{Judge, Rows};

/// Objects, without `x`.
fn mask() -> Arc<Mask> {
    let mut builder = MaskBuilder::new();
    let fields = vec![("x".into(), HIDE)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    Arc::new(builder.finish(root))
}

fn open() -> Arc<Mask> {
    Arc::new(Mask::show())
}

fn records(filter: Filter, framing: Framing, limits: Limits) -> Records {
    let sentinels = ["[DONE]", "", "a\nb"].map(Arc::from);
    Records::new(filter, framing, Arc::from(sentinels), limits)
}

/// What came out before the end or the fault, and which it was.
fn run<'a>(
    mut records: Records,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (String, Result<(), Fault>) {
    let mut out = Vec::new();
    let read = chunks.into_iter().try_for_each(|chunk| records.push(chunk, &mut out));
    let read = read.and_then(|()| records.finish(&mut out));
    (String::from_utf8(out).unwrap(), read)
}

/// The same however it is cut.
#[track_caller]
fn read_with(make: impl Fn() -> Records, input: &[u8]) -> (String, Result<(), Fault>) {
    let whole = run(make(), [input]);
    for at in 0..=input.len() {
        let (left, right) = input.split_at(at);
        assert_eq!(run(make(), [left, right]), whole, "{} cut at {at}", input.escape_ascii());
    }
    assert_eq!(run(make(), input.chunks(1)), whole, "{}", input.escape_ascii());
    whole
}

#[track_caller]
fn read(
    framing: Framing,
    mask: &Arc<Mask>,
    input: impl AsRef<[u8]>,
) -> (String, Result<(), Fault>) {
    let filter = || Filter::new(mask.clone(), Limits::default());
    read_with(|| records(filter(), framing, Limits::default()), input.as_ref())
}

#[track_caller]
fn passes(framing: Framing, mask: &Arc<Mask>, input: &str, shown: &str) {
    assert_eq!(read(framing, mask, input), (shown.to_owned(), Ok(())), "{input:?}");
}

/// What is before the fault comes out; what is behind does not.
#[track_caller]
fn breaks(framing: Framing, mask: &Arc<Mask>, input: impl AsRef<[u8]>, before: &str) -> Fault {
    let (shown, read) = read(framing, mask, &input);
    assert_eq!(shown, before, "{}", input.as_ref().escape_ascii());
    read.expect_err(&input.as_ref().escape_ascii().to_string())
}

#[test]
fn p11_lines_are_filtered_each_by_itself() {
    for (input, shown) in [
        ("", ""),
        ("\n", ""),
        (" \r\n\t\n", ""),
        ("{\"x\":1}\n", "{}\n"),
        ("{\"a\":1,\"x\":2}\n{\"x\":3,\"a\":4}\n", "{\"a\":1}\n{\"a\":4}\n"),
        ("{\"a\":1}\r\n\r\n  {\"a\": 1.10 , \"x\":1} \r\n", "{\"a\":1}\n{\"a\": 1.10 }\n"),
        ("{\"a\":1}\n{\"a\":2}", "{\"a\":1}\n{\"a\":2}\n"),
        ("{\"a\":\"é\\u2028\u{2028}\"}\n", "{\"a\":\"é\\u2028\u{2028}\"}\n"),
    ] {
        passes(Framing::Lines, &mask(), input, shown);
    }
    passes(Framing::Lines, &open(), "1\nnull\n\"a\"\n[1]\n", "1\nnull\n\"a\"\n[1]\n");
}

#[test]
fn p11_a_line_that_is_no_record_ends_the_stream_after_those_before_it() {
    for (bad, fault) in [
        ("{\"x\":1", Fault::Truncated),
        ("{\"a\":1} {\"x\":2}", Fault::Trailing { offset: 16 }),
        ("[1]", Fault::Shape),
        ("{\"a\":01}", Fault::Grammar { offset: 14 }),
        ("{\"x\":1,\"x\":2}", Fault::DuplicateKey { offset: 18 }),
        ("data: {}", Fault::Grammar { offset: 8 }),
        ("\u{feff}{}", Fault::Bom),
        ("\x0c{}", Fault::Grammar { offset: 8 }),
    ] {
        for end in ["\n", "\n{\"a\":3}\n"] {
            let input = format!("{{\"a\":1}}\n{bad}{end}");
            assert_eq!(breaks(Framing::Lines, &mask(), &input, "{\"a\":1}\n"), fault, "{input}");
        }
    }
    let utf8 = breaks(Framing::Lines, &mask(), b"{\"a\":1}\n{\"x\":\"\xff\"}\n", "{\"a\":1}\n");
    assert_eq!(utf8, Fault::Utf8 { offset: 14 });
    for cut in ["{\"a\":1}\n{\"a\":2", "{\"a\":1}\n{", "{\"a\":1}\n{\"x\":\""] {
        let fault = breaks(Framing::Lines, &mask(), cut, "{\"a\":1}\n");
        assert_eq!(fault, Fault::Truncated);
    }
    for cut in ["1\n2", "1\ntrue", "1\nnull"] {
        assert_eq!(breaks(Framing::Lines, &open(), cut, "1\n"), Fault::Truncated);
    }
}

#[test]
fn p11_sequences_are_filtered_text_by_text() {
    for (input, shown) in [
        ("", ""),
        ("\x1e{\"x\":1}\n", "\x1e{}\n"),
        ("\x1e{\"a\":1,\"x\":2}\n\x1e{\"x\":3}\n", "\x1e{\"a\":1}\n\x1e{}\n"),
        ("\x1e\x1e {\"a\":1}\n\x1e\n\x1e{\"a\":2}\r\n \n", "\x1e{\"a\":1}\n\x1e{\"a\":2}\n"),
        ("\x1e{\"a\":\n1}\x1e{\"a\":2}", "\x1e{\"a\":\n1}\n\x1e{\"a\":2}\n"),
        ("\x1e{\"a\":{\"b\":[\"}\\\"\"]}}\n", "\x1e{\"a\":{\"b\":[\"}\\\"\"]}}\n"),
    ] {
        passes(Framing::Sequence, &mask(), input, shown);
    }
    let scalars = "\x1e12\n\x1etrue\t\x1e\"a\"\x1enull \x1e-0\r";
    let shown = "\x1e12\n\x1etrue\n\x1e\"a\"\n\x1enull\n\x1e-0\n";
    passes(Framing::Sequence, &open(), scalars, shown);
}

/// RFC 7464 section 2.4: a scalar without white space behind it may have been cut.
#[test]
fn p11_a_text_of_a_sequence_that_may_be_cut_ends_the_stream() {
    for cut in
        ["\x1e1\n\x1e12", "\x1e1\n\x1e12\x1e3\n", "\x1e1\n\x1etrue", "\x1e1\n\x1etrue\x1e2\n"]
    {
        let fault = breaks(Framing::Sequence, &open(), cut, "\x1e1\n");
        let number_first = Fault::Grammar { offset: 6 };
        assert!(fault == Fault::Truncated || fault == number_first, "{cut:?}: {fault:?}");
    }
    for bad in [
        "{\"a\":1}\n",
        " \x1e{}\n",
        "\n\x1e{}\n",
        "\u{feff}\x1e{}\n",
        "\x1e{\"x\":1\x1e{}\n",
        "\x1e{\"x\":\"\x1e\"}\n",
        "\x1e{\"x\":1",
        "\x1e}",
        "\x1e:",
    ] {
        breaks(Framing::Sequence, &mask(), bad, "");
    }
    for bad in ["\x1e{}\n{}\n", "\x1e{}{}\n", "\x1e{}\n x", "\x1e{}\n\x1e]", "\x1e{}\n\x1e[]\n"] {
        breaks(Framing::Sequence, &mask(), bad, "\x1e{}\n");
    }
}

#[test]
fn p11_concatenated_documents_are_filtered_one_by_one() {
    for (input, shown) in [
        ("", ""),
        (" \n", ""),
        ("{\"a\":1,\"x\":{\"x\":2}}", "{\"a\":1}\n"),
        ("{\"x\":1}{\"a\":2}\n\n {\"a\":3} ", "{}\n{\"a\":2}\n{\"a\":3}\n"),
    ] {
        passes(Framing::Values, &mask(), input, shown);
    }
    passes(
        Framing::Values,
        &open(),
        "1 true\n\"a\"[2]{} null\n",
        "1\ntrue\n\"a\"\n[2]\n{}\nnull\n",
    );
    for bad in ["[]{}1", "[]{}true", "[]{}1,2", "[]{}1{}", "[]{}truefalse", "[]{},{}", "[]{}]"] {
        breaks(Framing::Values, &open(), bad, "[]\n{}\n");
    }
    for bad in ["{\"x\":1", "\u{feff}{}", "[{}]", "\x1e{}"] {
        breaks(Framing::Values, &mask(), bad, "");
    }
}

#[test]
fn p11_the_data_of_events_is_filtered() {
    for (input, shown) in [
        ("", ""),
        ("data: {\"a\":1,\"x\":2}\n\n", "data: {\"a\":1}\n\n"),
        ("data:{\"x\":2}\r\n\r\n", "data: {}\n\n"),
        ("data: {\"x\":2}\r\rdata: {\"a\":1}\r\n\n", "data: {}\n\ndata: {\"a\":1}\n\n"),
        ("\u{feff}data: {}\n\n", "data: {}\n\n"),
        (": CANARY\n\n:\n\ndata: {}\n:CANARY\n\n", "data: {}\n\n"),
        (
            "event: add\nid: 7\nretry: 10\nsecret: CANARY\ndata: {\"x\":1}\n\n",
            "event: add\nid: 7\nretry: 10\ndata: {}\n\n",
        ),
        ("data: {\ndata: \"x\":1,\ndata: \"a\":2}\n\n", "data: {\ndata: \"a\":2}\n\n"),
        ("data: {}\nid\nevent:\n\n", "id: \ndata: {}\n\n"),
        ("id: 1\n\nretry:5\n\nevent: x\n\n", "id: 1\n\nretry: 5\n\n"),
        ("id: 1\0\nretry: soon\nretry: 1234567890123456789\ndata:{}\n\n", "data: {}\n\n"),
        ("id: 1\nid: 2\nevent: a\nevent:  b\ndata:{}\n\n", "event:  b\nid: 2\ndata: {}\n\n"),
        ("Data: CANARY\nDATA: CANARY\ndata : CANARY\n data: CANARY\n\n", ""),
        (
            "data: [DONE]\n\ndata\n\ndata: a\ndata: b\n\n",
            "data: [DONE]\n\ndata: \n\ndata: a\ndata: b\n\n",
        ),
        ("data: {}\n\n: cut", "data: {}\n\n"),
        ("\n\r\n\r\r\n", ""),
    ] {
        passes(Framing::Events, &mask(), input, shown);
    }
}

#[test]
fn p11_events_that_are_no_json_end_the_stream() {
    for bad in [
        "data: CANARY\n\n",
        "data: [done]\n\n",
        "data: [DONE] \n\n",
        "data: {\"x\":1\n\n",
        "data: {}\ndata: {}\n\n",
        "data: {\"x\":\ndata: \"\ndata: \"}\n\n",
        "data: [1]\n\n",
        "data: \u{feff}{}\n\n",
        "\u{feff}data: {}\n\u{feff}data: CANARY\n\ndata: x\n\n",
        "data: {}",
        "data: {}\n",
        "id: 1\n",
        "data",
        "event: a",
    ] {
        let input = format!("data: {{\"a\":1}}\n\n{bad}");
        let begins = "data: {\"a\":1}\n\n";
        let seen = read(Framing::Events, &mask(), &input);
        assert!(seen.1.is_err() && seen.0.starts_with(begins), "{bad:?}: {seen:?}");
        assert!(!seen.0.contains("CANARY"));
    }
    for bad in [
        &b"data: {\"x\":\"\xff\"}\n\n"[..],
        b": \xff\n\n",
        b"other: \xc3\n\n",
        b"event: \xed\xa0\x80\n",
    ] {
        let fault = breaks(Framing::Events, &mask(), bad, "");
        assert!(matches!(fault, Fault::Utf8 { .. }), "{fault:?}");
    }
}

#[test]
fn p13_a_record_has_its_limit() {
    let limits = Limits { object: 100, ..Limits::default() };
    let record = |length: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(length - 8));
    for (length, fits) in [(99, true), (100, true), (101, false)] {
        for (framing, before, after) in [
            (Framing::Lines, "", "\n"),
            (Framing::Lines, "", ""),
            (Framing::Sequence, "\x1e", "\n"),
            (Framing::Values, "", ""),
        ] {
            let input = format!("{before}{{}}\n{before}{}{after}", record(length));
            let make = || records(Filter::new(mask(), limits), framing, limits);
            let (_, read) = read_with(make, input.as_bytes());
            let began = (input.len() - length - after.len()) as u64;
            let fault = Fault::RecordTooLong { offset: began + 100 };
            assert_eq!(read, if fits { Ok(()) } else { Err(fault) }, "{framing:?} {length}");
        }
        // In events the lines count, with the names of their fields.
        for input in [
            format!("data: {{}}\n\ndata:{}\n\n", record(length - 5)),
            format!("data: {{}}\n\nid: 1\ndata:{}\n\n", record(length - 10)),
            format!("data: {{}}\n\n:{}\n\n", "y".repeat(length - 1)),
            format!("data: {{}}\n\n:{}", "y".repeat(length - 1)),
        ] {
            let make = || records(Filter::new(mask(), limits), Framing::Events, limits);
            let (_, read) = read_with(make, input.as_bytes());
            let fault = Fault::RecordTooLong { offset: 10 + 100 };
            assert_eq!(read, if fits { Ok(()) } else { Err(fault) }, "{input}");
        }
    }
    let depth = Limits { depth: 3, ..Limits::default() };
    for (framing, before) in [
        (Framing::Lines, ""),
        (Framing::Sequence, "\x1e"),
        (Framing::Values, ""),
        (Framing::Events, "data: "),
    ] {
        for (depth_of, fits) in [(2, true), (3, true), (4, false)] {
            let nested = format!("{}{}", "[".repeat(depth_of - 1), "]".repeat(depth_of - 1));
            let input = format!("{before}{{\"a\":{nested}}}\n\n");
            let make = || records(Filter::new(mask(), depth), framing, depth);
            let (_, read) = read_with(make, input.as_bytes());
            assert_eq!(read.is_ok(), fits, "{framing:?} {depth_of}");
        }
    }
}

/// Comments may go on for ever, as long as each line ends.
#[test]
fn p13_comments_do_not_add_up() {
    let limits = Limits { object: 20, ..Limits::default() };
    let mut records = records(Filter::new(mask(), limits), Framing::Events, limits);
    let mut out = Vec::new();
    for _ in 0..1_000 {
        records.push(b": still here\n", &mut out).unwrap();
    }
    records.push(b"data: {}\n\n", &mut out).unwrap();
    assert_eq!(out, b"data: {}\n\n");
}

#[test]
fn p11_a_record_goes_out_as_soon_as_it_is_whole() {
    for (framing, first, shown) in [
        (Framing::Lines, "{\"a\":1}\n", "{\"a\":1}\n"),
        (Framing::Sequence, "\x1e{\"a\":1}", "\x1e{\"a\":1}\n"),
        (Framing::Values, "{\"a\":1}", "{\"a\":1}\n"),
        (Framing::Events, "data: {\"a\":1}\r\n\r", "data: {\"a\":1}\n\n"),
    ] {
        let filter = Filter::new(mask(), Limits::default());
        let (mut records, mut out) = (records(filter, framing, Limits::default()), Vec::new());
        records.push(first.as_bytes(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), shown);
    }
}

#[test]
fn a_fault_behind_records_is_told_by_the_next_call() {
    let filter = Filter::new(mask(), Limits::default());
    let (mut records, mut out) = (records(filter, Framing::Lines, Limits::default()), Vec::new());
    assert_eq!(records.push(b"{\"a\":1}\nCANARY\n{}\n", &mut out), Ok(()));
    assert_eq!((&out[..], records.has_fault()), (&b"{\"a\":1}\n"[..], true));
    let fault = Fault::Grammar { offset: 8 };
    assert_eq!(records.push(b"{}\n", &mut out), Err(fault));
    assert_eq!(records.finish(&mut out), Err(fault));
    assert_eq!(out, b"{\"a\":1}\n");
}

#[test]
fn what_was_removed_is_counted_over_all_records() {
    let filter = Filter::recording(mask(), Limits::default());
    let (mut records, mut out) = (records(filter, Framing::Lines, Limits::default()), Vec::new());
    records.push(b"{\"x\":1}\n{\"a\":1}\n{\"x\":1}\n", &mut out).unwrap();
    records.finish(&mut out).unwrap();
    assert_eq!((records.removed(), records.dropped()), (2, 0));
    assert_eq!(records.pointers(), ["/x"]);
}

/// Keeps what belongs to `me`.
struct Mine(Path);

impl Judge for Mine {
    fn judge(&mut self, _: usize, _: bool, row: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        let found = pick(row, &[&self.0], &Limits::default())?;
        out.extend_from_slice(row);
        Ok(found[0] == [Found::Text("me".into())])
    }
}

fn rows(place: &str, framing: Framing) -> Records {
    let rows = Rows::new(vec![Path::parse(place).unwrap()], 1_000, true).unwrap();
    let judge = Box::new(Mine(Path::parse("/o").unwrap()));
    let filter = Filter::with_rows(open(), rows, judge, Limits::default());
    records(filter, framing, Limits::default())
}

#[test]
fn p11_records_that_are_not_the_callers_go_with_all_that_is_theirs() {
    let lines = "{\"o\":\"me\",\"n\":1}\n{\"o\":\"you\"}\n{}\n{\"o\":\"me\"}\n";
    let (shown, read) = read_with(|| rows("", Framing::Lines), lines.as_bytes());
    assert_eq!((shown.as_str(), read), ("{\"o\":\"me\",\"n\":1}\n{\"o\":\"me\"}\n", Ok(())));
    let events = "id: 1\ndata: {\"o\":\"you\"}\n\nevent: a\ndata: {\"o\":\"me\"}\n\n";
    let (shown, read) = read_with(|| rows("", Framing::Events), events.as_bytes());
    assert_eq!((shown.as_str(), read), ("event: a\ndata: {\"o\":\"me\"}\n\n", Ok(())));
    let lists = "\x1e{\"d\":[{\"o\":\"you\"},{\"o\":\"me\"}]}\n\x1e{\"d\":[]}\n\x1e{\"d\":{\"o\":\"you\"}}\n";
    let (shown, read) = read_with(|| rows("/d", Framing::Sequence), lists.as_bytes());
    assert_eq!((shown.as_str(), read), ("\x1e{\"d\":[{\"o\":\"me\"}]}\n\x1e{\"d\":[]}\n", Ok(())));
    let mut counted = rows("", Framing::Lines);
    counted.push(lines.as_bytes(), &mut Vec::new()).unwrap();
    assert_eq!(counted.dropped(), 2);
}

/// What is behind a row that goes is checked as well.
#[test]
fn p11_a_record_that_goes_is_valid_all_the_same() {
    for bad in
        ["{\"d\":{\"o\":\"you\"},\"a\":01}", "{\"d\":{\"o\":\"you\"}} x", "{\"d\":{\"o\":\"you\"}"]
    {
        let (shown, read) = read_with(|| rows("/d", Framing::Lines), format!("{bad}\n").as_bytes());
        assert!(shown.is_empty() && read.is_err(), "{bad}: {shown}");
    }
    let (shown, read) = read_with(|| rows("/d", Framing::Values), b"{\"a\":{\"o\":\"me\"}}");
    assert_eq!((shown.as_str(), read), ("", Err(Fault::Shape)));
}

#[test]
fn p11_a_fault_between_records_is_told_where_it_stands() {
    use Framing::{Events, Lines, Sequence};
    let at = |framing, input: &str, before: &str| breaks(framing, &open(), input, before);
    assert_eq!(at(Sequence, "{}", ""), Fault::Grammar { offset: 0 });
    let behind = at(Sequence, "\u{1e}{} x", "\u{1e}{}\n");
    assert_eq!(behind, Fault::Trailing { offset: 4 });
    assert_eq!(at(Lines, "{}\n  [1,]\n", "{}\n"), Fault::Grammar { offset: 8 });
    // A carriage return with its line feed is one end of a line, and ends no event.
    passes(Events, &open(), "data: {\"a\":\r\ndata: 1}\r\n\r\n", "data: {\"a\":\ndata: 1}\n\n");
}

#[test]
fn chunks_of_nothing_change_nothing() {
    for (framing, text) in [
        (Framing::Events, "data: 1\r\ndata:  \r\n\r\n"),
        (Framing::Lines, "1\r\n2\n"),
        (Framing::Sequence, "\u{1e}1\n\u{1e}{}"),
    ] {
        let make = || records(Filter::new(open(), Limits::default()), framing, Limits::default());
        let bytes = text.as_bytes().chunks(1).flat_map(|byte| [&[][..], byte, &[]]);
        assert_eq!(run(make(), bytes), run(make(), [text.as_bytes()]), "{text:?}");
    }
}

/// Lets every record go before it has been read.
struct None;

impl crate::filter::choosing::Choose for None {
    fn found(&mut self, _: usize, _: crate::filter::choosing::Standing<'_>) -> Result<(), Fault> {
        Ok(())
    }

    fn is_made(&self) -> bool {
        false
    }

    fn forget(&mut self) {}

    fn choose(&self) -> Result<Filter, Fault> {
        Err(Fault::Gone)
    }
}

#[test]
fn p11_a_number_that_goes_is_a_record_all_the_same() {
    let make = || {
        let filter = Filter::choosing(Vec::new(), Box::new(None), Limits::default());
        records(filter, Framing::Lines, Limits::default())
    };
    assert!(!make().has_fault());
    assert_eq!(read_with(make, b"7\n{}\n \"a\" \n"), (String::new(), Ok(())));
    assert_eq!(read_with(make, b"7\n1.\n").1, Err(Fault::Truncated.behind(2)));
}
