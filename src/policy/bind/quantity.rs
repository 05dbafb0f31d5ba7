//! Durations and sizes, as policies and settings write them.

use super::{Fields, wrong_type};
use crate::diag::{Code, Diagnostic};
use crate::policy::node::NodeKind;
use crate::source::Span;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Waits in which a slow network still works and a stuck one is noticed.
pub const WAIT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3_600);

/// A duration within a range: `500ms`, `10s`, `2m`.
pub fn duration(
    fields: &mut Fields<'_, '_>,
    key: &str,
    range: RangeInclusive<Duration>,
) -> Option<Duration> {
    let node = fields.node(key)?;
    let NodeKind::Text(typed) = &node.kind else {
        let problem = wrong_type(&format!("`{key}`"), "a duration", node, node.span)
            .help("write a number and a unit: `500ms`, `10s`, `2m`");
        fields.report().push(problem);
        return None;
    };
    let problem = match humantime::parse_duration(typed) {
        Ok(duration) if range.contains(&duration) => return Some(duration),
        Ok(_) => {
            let shown = |duration| humantime::format_duration(duration);
            let (low, high) = (shown(*range.start()), shown(*range.end()));
            let message = format!("`{key}` must be from {low} to {high}");
            Diagnostic::error(Code::BadValue, node.span, message)
                .help("write a duration in this range")
        }
        Err(_) => {
            let message = format!("`{typed}` is not a duration");
            Diagnostic::error(Code::BadValue, node.span, message)
                .help("write a number and a unit: `500ms`, `10s`, `2m`")
        }
    };
    fields.report().push(problem);
    None
}

/// A size within a range, in bytes: `4096`, `32KiB`, `10MiB`.
pub fn size(fields: &mut Fields<'_, '_>, key: &str, range: RangeInclusive<u64>) -> Option<usize> {
    let typed = fields.node(key).map(|node| match &node.kind {
        NodeKind::Int(number) => (u64::try_from(*number).ok(), node.span),
        NodeKind::Text(text) => (bytes(text), node.span),
        _ => (None, node.span),
    });
    let forms = "write bytes, or a number and a unit: `4096`, `32KiB`, `10MiB`";
    let bytes = within(fields, (key, "a size", forms), typed?, range, "")?;
    usize::try_from(bytes).ok()
}

/// A rate within a range, in bytes a second: `512B/s`, `1KiB/s`.
pub fn rate(fields: &mut Fields<'_, '_>, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
    let typed = fields.node(key).map(|node| match &node.kind {
        NodeKind::Text(text) => (text.strip_suffix("/s").and_then(bytes), node.span),
        _ => (None, node.span),
    });
    let forms = "write a number, a unit, and for what time: `512B/s`, `1KiB/s`";
    within(fields, (key, "a rate", forms), typed?, range, "/s")
}

/// A number that was understood and is in the range, or a report of what is wrong.
fn within(
    fields: &mut Fields<'_, '_>,
    (key, what, forms): (&str, &str, &str),
    (typed, span): (Option<u64>, Span),
    range: RangeInclusive<u64>,
    suffix: &str,
) -> Option<u64> {
    let problem = match typed {
        Some(number) if range.contains(&number) => return Some(number),
        Some(_) => {
            let (low, high) = (shown_size(*range.start()), shown_size(*range.end()));
            let message = format!("`{key}` must be from {low}{suffix} to {high}{suffix}");
            Diagnostic::error(Code::BadValue, span, message)
                .help(format!("write {what} in this range"))
        }
        None => {
            Diagnostic::error(Code::BadValue, span, format!("`{key}` is not {what}")).help(forms)
        }
    };
    fields.report().push(problem);
    None
}

/// Bytes: `4096`, `32KiB`, `10MiB`, `1GiB`. Units of 1000 are not read: `KB` means either.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A size as people write it: in the largest unit that fits evenly.
fn shown_size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let even = |(shift, _): &&(u32, &str)| bytes >= 1 << shift && bytes.is_multiple_of(1 << shift);
    match units.iter().find(even) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::shown_size;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("1B", Some(1)),
            ("32KiB", Some(32 << 10)),
            ("10MiB", Some(10 << 20)),
            ("1GiB", Some(1 << 30)),
            ("17179869183GiB", Some(17_179_869_183 << 30)),
            ("17179869184GiB", None),
            ("1KB", None),
            ("1 KiB", None),
            ("KiB", None),
            ("-1", None),
            ("1.5MiB", None),
            ("", None),
        ] {
            assert_eq!(super::bytes(text), bytes, "{text}");
        }
        for text in ["1B", "1023B", "32KiB", "10MiB", "3GiB"] {
            assert_eq!(shown_size(super::bytes(text).unwrap()), text);
        }
    }
}
