//! One request as one line of JSON. Written by hand into a buffer that is used again: a
//! serializer that walks a struct takes three times as long.

use super::record::Record;
use humantime::format_rfc3339_millis;
use std::fmt::Display;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes lines; remembers the second that it wrote last, since most lines share it.
#[derive(Debug, Default)]
pub(super) struct Formatter {
    second: Option<u64>,
    /// `2027-01-15T08:00:00`
    text: String,
}

impl Formatter {
    /// Appends the line, with its newline. Keys are always all there; what is not known is `null`.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, record: &Record) {
        out.extend_from_slice(b"{\"time\":\"");
        self.time(out, record.time);
        out.extend_from_slice(b"\",\"request_id\":");
        quoted(out, &record.request_id);
        key(out, "client");
        match record.client {
            Some(client) => shown(out, client),
            None => out.extend_from_slice(b"null"),
        }
        optional(out, "user", record.user.as_deref());
        optional(out, "org", record.org.as_deref());
        optional(out, "app", record.app.as_deref());
        let method = record.method.as_str();
        optional(out, "method", Some(method.get(..MAX_METHOD).unwrap_or(method)));
        optional(out, "route", record.route.as_deref());
        optional(out, "access", record.access.map(|access| access.as_str()));
        optional(out, "decision", Some(if record.refused { "refuse" } else { "allow" }));
        optional(out, "reason", Some(record.reason.as_str()));
        optional(out, "fault", record.fault);
        optional(out, "monitored", record.monitored.map(|reason| reason.as_str()));
        optional(out, "grant", record.grant.as_deref());
        number(out, "status", record.status.into());
        key(out, "aborted");
        out.extend_from_slice(if record.aborted { b"true" } else { b"false" });
        number(out, "removed", record.removed);
        number(out, "bytes_in", record.bytes_in);
        number(out, "bytes_out", record.bytes_out);
        for (name, duration) in [
            ("total_us", record.total),
            ("upstream_us", record.upstream),
            ("decide_us", record.decide),
            ("filter_us", record.filter),
        ] {
            number(out, name, u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        }
        number(out, "generation", record.generation);
        out.extend_from_slice(b"}\n");
    }

    /// RFC 3339, in UTC, to the millisecond.
    fn time(&mut self, out: &mut Vec<u8>, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            self.text = format_rfc3339_millis(UNIX_EPOCH + since).to_string();
            self.text.truncate("2027-01-15T08:00:00".len());
        }
        out.extend_from_slice(self.text.as_bytes());
        let millis = since.subsec_millis();
        let digit = |value: u32| b'0' + (value % 10) as u8;
        out.extend_from_slice(&[
            b'.',
            digit(millis / 100),
            digit(millis / 10),
            digit(millis),
            b'Z',
        ]);
    }
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn optional(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    key(out, name);
    match value {
        Some(text) => quoted(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// An address: nothing in it needs an escape.
fn shown(out: &mut Vec<u8>, value: impl Display) {
    write!(out, "\"{value}\"").expect("writing into a Vec cannot fail");
}

/// The longest method that a letter can stand for has six bytes; a longer one is a stranger's
/// text, which may be as long as a head.
const MAX_METHOD: usize = 32;

/// A JSON string. Beyond what JSON asks, every control character is escaped, also DEL and those
/// above 127 that terminals obey, what a reader might take for the end of a line, and what turns
/// the direction of the text after it.
fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let plain = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    match text.bytes().all(plain) {
        true => out.extend_from_slice(text.as_bytes()),
        false => text.chars().for_each(|c| escaped(out, c)),
    }
    out.push(b'"');
}

fn escaped(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        c if c.is_control() || is_invisible(c) => {
            write!(out, "\\u{:04x}", u32::from(c)).expect("writing into a Vec cannot fail");
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Marks of direction, separators, and characters without a width (UTS #55, section 3).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::record::tests::record;
    use std::time::Duration;

    fn line(record: &Record) -> String {
        let mut out = Vec::new();
        Formatter::default().write(&mut out, record);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_has_every_key() {
        let wanted = concat!(
            r#"{"time":"2027-01-15T08:00:00.123Z","request_id":"r-1","client":"192.0.2.1","#,
            r#""user":"ann","org":"acme","app":null,"method":"GET","route":"/customers/{id}","#,
            r#""access":"read","decision":"allow","reason":"granted","fault":null,"monitored":null,"#,
            r#""grant":"support /customers/**","status":200,"#,
            r#""aborted":false,"removed":3,"bytes_in":12,"bytes_out":342,"total_us":1234,"#,
            r#""upstream_us":900,"decide_us":1,"filter_us":15,"generation":7}"#,
            "\n",
        );
        assert_eq!(line(&record()), wanted);
    }

    #[test]
    fn numbers_are_written_whole() {
        for value in [0, 9, 10, 99, 100, u64::MAX] {
            let line = line(&Record { removed: value, ..record() });
            assert!(line.contains(&format!("\"removed\":{value},")), "{line}");
        }
    }

    #[test]
    fn p16_control_characters_are_escaped() {
        let odd = "a\"\\\n\r\t\0\u{1b}[31m\u{7f}\u{85}\u{9b}\u{2028}é€🦀";
        let line = line(&Record { user: Some(odd.into()), ..record() });
        let text = line.strip_suffix('\n').unwrap();
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{2028}'), "{text}");
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(value["user"], odd);
        assert!(text.contains("é€🦀"));
    }

    #[test]
    fn p16_what_cannot_be_seen_is_escaped() {
        let odd = "a\u{202e}b\u{2066}c\u{200b}d\u{feff}";
        let line = line(&Record { user: Some(odd.into()), ..record() });
        assert!(line.contains(r"a\u202eb\u2066c\u200bd\ufeff"), "{line}");
    }

    #[test]
    fn p16_a_method_is_told_up_to_its_limit() {
        for (length, told) in
            [(MAX_METHOD - 1, MAX_METHOD - 1), (MAX_METHOD, MAX_METHOD), (20_000, MAX_METHOD)]
        {
            let method = http::Method::from_bytes("X".repeat(length).as_bytes()).unwrap();
            let line = line(&Record { method, ..record() });
            assert!(line.contains(&format!("\"method\":\"{}\",", "X".repeat(told))), "{line}");
        }
    }

    #[test]
    fn the_second_is_remembered_and_the_milliseconds_are_not() {
        let mut formatter = Formatter::default();
        let mut at = |millis| {
            let mut out = Vec::new();
            formatter.time(&mut out, UNIX_EPOCH + Duration::from_millis(millis));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(at(1_000), "1970-01-01T00:00:01.000Z");
        assert_eq!(at(1_999), "1970-01-01T00:00:01.999Z");
        assert_eq!(at(2_007), "1970-01-01T00:00:02.007Z");
        assert_eq!(at(1_050), "1970-01-01T00:00:01.050Z");
    }
}
