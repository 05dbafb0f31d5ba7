//! A body with rows is refused, or comes out the same however it was cut: valid JSON in which every
//! row is one that its judge keeps, and no row is left of those that it lets go.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::filter::mask::{HIDE, Mask, MaskBuilder, Node, Types};
use portcullis::filter::pick::{Found, Path, pick, pick_strictly};
use portcullis::filter::rows::{Judge, Rows};
use portcullis::filter::{Fault, Filter, Limits};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// The envelope: hides `ssn` at the root.
static MASK: LazyLock<Arc<Mask>> = LazyLock::new(|| {
    let mut builder = MaskBuilder::new();
    let fields = vec![(Arc::from("ssn"), HIDE)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    Arc::new(builder.finish(root))
});

static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    let places = ["/data", "/page/items", "/ssn"].map(|place| Path::parse(place).unwrap());
    Rows::new(places.to_vec(), 4096, true).unwrap()
});

static OWNER: LazyLock<Path> = LazyLock::new(|| Path::parse("/owner").unwrap());

/// Keeps what belongs to `me`, without the root's `ssn`.
struct Mine;

impl Judge for Mine {
    fn judge(&mut self, _: usize, _: bool, row: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        // A strict reader finds the same, or nothing.
        let found = pick(row, &[&OWNER], &Limits::default())?;
        if let Ok(strictly) = pick_strictly(row, &[&OWNER], &Limits::default()) {
            assert_eq!(strictly, found);
        }
        if found[0] != [Found::Text("me".to_owned())] {
            return Ok(false);
        }
        let root = Path::parse("").unwrap();
        match Filter::inside(MASK.clone(), &root, false, Limits::default()) {
            Some(filter) => filter.shows(row, out),
            None => Ok(false),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    // The first byte says where to cut.
    let Some((cut, body)) = input.split_first() else { return };
    let cut = usize::from(*cut).min(body.len());
    let whole = filtered(&[body]);
    let same = |other: Result<Vec<u8>, Fault>| match (&whole, other) {
        (Ok(out), Ok(other)) => *out == other,
        (Err(fault), Err(other)) => (*fault == Fault::Gone) == (other == Fault::Gone),
        _ => false,
    };
    assert!(same(filtered(&[&body[..cut], &body[cut..]])));
    assert!(same(filtered(&body.chunks(1).collect::<Vec<_>>())));
    let Ok(out) = whole else { return };
    let value: Value = match serde_json::from_slice(&out) {
        Ok(value) => value,
        // serde_json reads numbers into floats and surrogates into characters; JSON does neither.
        Err(error) if error.is_data() || says_range(&error) => return,
        Err(error) => panic!("{error}: {}", out.escape_ascii()),
    };
    assert!(value.get("ssn").is_none(), "{value}");
    for place in ["/data", "/page/items"] {
        assert!(value.pointer(place).is_none_or(is_mine), "{value}");
    }
});

fn filtered(chunks: &[&[u8]]) -> Result<Vec<u8>, Fault> {
    let mut filter =
        Filter::with_rows(MASK.clone(), ROWS.clone(), Box::new(Mine), Limits::default());
    let mut out = Vec::new();
    let read = chunks.iter().try_for_each(|chunk| filter.push(chunk, &mut out));
    let read = read.and_then(|()| filter.finish(&mut out));
    read.map(|()| out)
}

fn is_mine(rows: &Value) -> bool {
    let mine = |row: &Value| row["owner"] == "me" && row.get("ssn").is_none();
    match rows {
        Value::Array(rows) => rows.iter().all(mine),
        Value::Null => true,
        row => mine(row),
    }
}

fn says_range(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    text.contains("out of range") || text.contains("surrogate") || text.contains("hex escape")
}
