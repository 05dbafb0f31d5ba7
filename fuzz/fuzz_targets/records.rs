//! A stream of records comes out the same however it was cut, and is what a reader that has all of
//! it before its eyes makes of it: each record a document of its own, up to the first that is bad.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::filter::mask::{HIDE, Mask, MaskBuilder, Node, Types};
use portcullis::filter::records::{Framing, Records};
use portcullis::filter::{Fault, Filter, Limits};
use std::sync::{Arc, LazyLock};

/// Objects without `ssn`, or anything.
static MASKS: LazyLock<[Arc<Mask>; 2]> = LazyLock::new(|| {
    let mut builder = MaskBuilder::new();
    let fields = vec![(Arc::from("ssn"), HIDE)];
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    [Arc::new(builder.finish(root)), Arc::new(Mask::show())]
});

/// Small, so that it is met.
const LIMITS: fn() -> Limits = || Limits { object: 64, depth: 8, ..Limits::default() };

const SENTINEL: &str = "[DONE]";

fuzz_target!(|input: &[u8]| {
    // The first byte says the kind and the mask, the second where to cut.
    let [how, cut, body @ ..] = input else { return };
    let framing =
        [Framing::Lines, Framing::Sequence, Framing::Values, Framing::Events][usize::from(how & 3)];
    let mask = &MASKS[usize::from(how >> 2 & 1)];
    let cut = usize::from(*cut).min(body.len());
    let whole = streamed(mask, framing, &[body]);
    assert_eq!(streamed(mask, framing, &[&body[..cut], &body[cut..]]), whole);
    assert_eq!(streamed(mask, framing, &body.chunks(1).collect::<Vec<_>>()), whole);
    let (shown, fits) = match framing {
        Framing::Lines => lines(mask, body),
        Framing::Events => events(mask, body),
        // Where their records end is what the engine itself says: what comes out must read as
        // itself.
        Framing::Sequence | Framing::Values => return again(mask, framing, &whole),
    };
    assert_eq!((shown, fits), (whole.0, whole.1), "{}", body.escape_ascii());
});

/// What came out, and whether that was all.
type Shown = (Vec<u8>, bool);

fn streamed(mask: &Arc<Mask>, framing: Framing, chunks: &[&[u8]]) -> Shown {
    let filter = Filter::new(mask.clone(), LIMITS());
    let mut records = Records::new(filter, framing, Arc::from([Arc::from(SENTINEL)]), LIMITS());
    let mut out = Vec::new();
    let read = chunks.iter().try_for_each(|chunk| records.push(chunk, &mut out));
    let read = read.and_then(|()| records.finish(&mut out));
    (out, read.is_ok())
}

fn again(mask: &Arc<Mask>, framing: Framing, shown: &Shown) {
    assert_eq!(streamed(mask, framing, &[&shown.0]), (shown.0.clone(), true));
}

fn document(mask: &Arc<Mask>, text: &[u8]) -> Result<Vec<u8>, Fault> {
    let (mut filter, mut out) = (Filter::new(mask.clone(), LIMITS()), Vec::new());
    filter.push(text, &mut out)?;
    filter.finish(&mut out)?;
    Ok(out)
}

fn lines(mask: &Arc<Mask>, body: &[u8]) -> Shown {
    let mut out = Vec::new();
    let mut all: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    let last = all.len() - 1;
    for (at, line) in all.drain(..).enumerate() {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
        let Some(first) = line.iter().position(|byte| !blank(byte)) else {
            match line.len() > LIMITS().object {
                true => return (out, false),
                false => continue,
            }
        };
        let end = line.iter().rposition(|byte| !blank(byte)).unwrap() + 1;
        let ends = at < last || matches!(line[first], b'{' | b'[' | b'"');
        match document(mask, &line[first..end]) {
            Ok(shown) if ends && line.len() <= LIMITS().object => {
                out.extend(shown);
                out.push(b'\n');
            }
            _ => return (out, false),
        }
    }
    (out, true)
}

/// An event as the specification has it, line by line.
#[derive(Default)]
struct Event<'a> {
    size: usize,
    name: &'a [u8],
    id: Option<&'a [u8]>,
    retry: Option<&'a [u8]>,
    data: Option<Vec<u8>>,
}

fn events(mask: &Arc<Mask>, body: &[u8]) -> Shown {
    let mut out = Vec::new();
    let mut event = Event::default();
    let (all, rest) = split_lines(body);
    for (at, line) in all.into_iter().enumerate() {
        if line.len() > LIMITS().object {
            return (out, false);
        }
        let line = if at == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.is_empty() {
            if !event.dispatch(mask, &mut out) {
                return (out, false);
            }
            event = Event::default();
        } else if std::str::from_utf8(line).is_err() || !event.take(line) {
            return (out, false);
        }
    }
    let whole = event.size == 0 && (rest.is_empty() || rest.starts_with(b":"));
    (out, whole && rest.len() <= LIMITS().object)
}

/// The lines that have an end, and what is behind them.
fn split_lines(mut body: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut lines = Vec::new();
    while let Some(end) = body.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        lines.push(&body[..end]);
        let both = body[end..].starts_with(b"\r\n");
        body = &body[end + 1 + usize::from(both)..];
    }
    (lines, body)
}

impl<'a> Event<'a> {
    fn take(&mut self, line: &'a [u8]) -> bool {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => match &mut self.data {
                None => self.data = Some(value.to_vec()),
                Some(data) => {
                    data.push(b'\n');
                    data.extend(value);
                }
            },
            b"event" => self.name = value,
            b"id" if !value.contains(&0) => self.id = Some(value),
            b"retry" if (1..19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit) => {
                self.retry = Some(value);
            }
            _ => return true,
        }
        self.size += line.len();
        self.size <= LIMITS().object
    }

    fn dispatch(&self, mask: &Arc<Mask>, out: &mut Vec<u8>) -> bool {
        let data = match &self.data {
            Some(data) if data == SENTINEL.as_bytes() => Some(data.clone()),
            Some(data) => match document(mask, data) {
                Ok(shown) => Some(shown),
                Err(_) => return false,
            },
            None => None,
        };
        let mut text = Vec::new();
        let mut field =
            |name: &str, value: &[u8]| text.extend([name.as_bytes(), value, b"\n"].concat());
        if data.is_some() && !self.name.is_empty() {
            field("event: ", self.name);
        }
        self.id.iter().for_each(|id| field("id: ", id));
        self.retry.iter().for_each(|retry| field("retry: ", retry));
        for line in data.iter().flat_map(|data| data.split(|byte| *byte == b'\n')) {
            field("data: ", line);
        }
        if !text.is_empty() {
            out.extend(text);
            out.push(b'\n');
        }
        true
    }
}
