//! Public vectors of JSON parsers: `y_` is JSON, `n_` is none, `i_` is for a parser to decide.

use super::documents::without;
use portcullis::filter::mask::Mask;
use portcullis::filter::{Fault, Filter, Limits};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The folder of the vectors, as in `test_parsing` of nst/JSONTestSuite.
const FOLDER: &str = "PORTCULLIS_JSON_VECTORS";

/// In one piece, and byte by byte.
#[track_caller]
fn filter(mask: &Mask, text: &[u8]) -> Result<Vec<u8>, Fault> {
    let run = |size: usize| {
        let (mut filter, mut out) =
            (Filter::new(Arc::new(mask.clone()), Limits::default()), Vec::new());
        for chunk in text.chunks(size) {
            filter.push(chunk, &mut out)?;
        }
        filter.finish(&mut out)?;
        Ok(out)
    };
    let whole = run(text.len().max(1));
    assert_eq!(run(1), whole, "{}", text.escape_ascii());
    whole
}

/// A mask that shows everything, and one that looks at every member of the root and hides none of
/// those that are there. The second one needs an object.
fn masks() -> [Mask; 2] {
    [Mask::show(), without("a name that no vector has")]
}

#[track_caller]
fn passes(name: &str, text: &[u8]) {
    let [show, looks] = masks();
    assert_eq!(filter(&show, text).as_deref(), Ok(text), "{name}");
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') {
        assert_eq!(filter(&looks, text).as_deref(), Ok(text), "{name}");
    }
}

#[track_caller]
fn fails(name: &str, text: &[u8]) {
    for mask in masks() {
        assert!(filter(&mask, text).is_err(), "{name}");
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "what was read is what the run is for")]
#[ignore = "reads a folder of vectors that PORTCULLIS_JSON_VECTORS names"]
fn p11_public_vectors_are_read_as_they_say() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        println!("{FOLDER} names no folder: skipped");
        return;
    };
    let mut counts = [0; 3];
    for entry in fs::read_dir(Path::new(&folder)).expect("a folder") {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read(&path).unwrap();
        match name.get(..2) {
            Some("y_") => passes(&name, &text),
            Some("n_") => fails(&name, &text),
            Some("i_") => match filter(&Mask::show(), &text) {
                Ok(out) => {
                    assert_eq!(out, text, "{name}");
                    println!("{name}: passes");
                }
                Err(fault) => println!("{name}: {fault}"),
            },
            _ => continue,
        }
        counts[["y_", "n_", "i_"].iter().position(|kind| name.starts_with(kind)).unwrap()] += 1;
    }
    println!("{} valid, {} invalid, {} either", counts[0], counts[1], counts[2]);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn p11_what_is_json_passes_unchanged() {
    for text in [
        "[]",
        "{}",
        "0",
        "-0",
        "\"\"",
        " null ",
        "[1e+2,1E-2,1.5e0]",
        r#"{"":0}"#,
        r#"{"a":1,"a":2}"#,
        r#"["\u0060\u012a\u12AB"]"#,
        r#"["\uD801\udc37"]"#,
        r#"["\ud800"]"#,
        "[\"\u{7f}\"]",
        "[\"\u{2028}\"]",
        r#"["\u0000"]"#,
        "[123456789012345678901234567890]",
        "[1e999999]",
        "\t[\n]\r",
    ] {
        passes(text, text.as_bytes());
    }
}

#[test]
fn p11_what_is_no_json_fails() {
    for text in [
        "",
        " ",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "[01]",
        "[-]",
        "[1.]",
        "[.1]",
        "[+1]",
        "[1e]",
        "[1e+]",
        "[0x1]",
        "[NaN]",
        "[Infinity]",
        "[-Infinity]",
        "[nul]",
        "[True]",
        "[\"\\x\"]",
        "[\"\\u12\"]",
        "[\"\t\"]",
        "[\"a\nb\"]",
        "[\"a]",
        "1 2",
        "[]]",
        "{}}",
        "[1]//c",
        "/*c*/1",
        "[\u{a0}1]",
        "\u{feff}[]",
        "[\"\\\u{1}\"]",
        "{\"a\":1]",
        "[1}",
    ] {
        fails(text, text.as_bytes());
    }
    for bytes in [
        &b"[\"\xff\"]"[..],
        b"[\"\xc0\xaf\"]",
        b"[\"\xed\xa0\x80\"]",
        b"[\"\xf4\x90\x80\x80\"]",
        b"\xff\xfe[\0]\0",
    ] {
        fails("bytes", bytes);
    }
}
