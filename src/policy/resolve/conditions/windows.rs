//! Windows of time, as they are typed.

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::condition::Window;
use crate::policy::raw::Text;
use std::time::SystemTime;

/// `START/END` in RFC 3339 (either may be `..`), or `[Mon-Fri ]09:00-17:00` in UTC.
pub(super) fn window(typed: &Text, report: &mut Report) -> Option<Window> {
    let text = typed.value.as_str();
    let found = match text.split_once('/') {
        Some((from, to)) => between(from, to),
        None => weekly(text),
    };
    if found.is_none() {
        let message = format!("`{text}` is no window of time");
        report.push(Diagnostic::error(Code::BadValue, typed.span, message).help(
            "write `2026-01-01T00:00:00Z/2026-02-01T00:00:00Z` (either end may be `..`), or \
             `Mon-Fri 09:00-17:00` or `22:00-06:00`, in UTC",
        ));
    }
    found
}

fn between(from: &str, to: &str) -> Option<Window> {
    let from = if from == ".." { 0 } else { seconds(from)? };
    let to = if to == ".." { u64::MAX } else { seconds(to)? };
    (from < to).then_some(Window::Between(from, to))
}

fn seconds(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
}

fn weekly(text: &str) -> Option<Window> {
    let (days, hours) = match text.split_once(' ') {
        Some((days, hours)) => (days_of(days)?, hours),
        None => (0b0111_1111, text),
    };
    let (from, to) = hours.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    (from != to && from < MINUTES).then_some(Window::Weekly(days, from, to))
}

/// `Mon-Fri`, `Sat,Sun`, `Fri-Mon`.
fn days_of(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|known| *known == name);
    let mut days = 0u8;
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (day(first)?, day(last)?);
        let count = (last + 7 - first) % 7;
        (0..=count).for_each(|after| days |= 1 << ((first + after) % 7));
    }
    Some(days)
}

/// `09:30` as minutes of the day; `24:00` is its end.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= MINUTES).then_some(minute)
}

const MINUTES: u16 = 24 * 60;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Span, Spanned};

    fn read(text: &str) -> Option<Window> {
        window(&Spanned::new(text.into(), Span::default()), &mut Report::default())
    }

    #[test]
    fn windows_as_typed() {
        assert_eq!(read("Mon-Fri 09:00-17:30"), Some(Window::Weekly(0b1_1111, 540, 1050)));
        assert_eq!(read("Fri-Mon,Wed 22:00-06:00"), Some(Window::Weekly(0b111_0101, 1320, 360)));
        assert_eq!(read("00:00-24:00"), Some(Window::Weekly(0b111_1111, 0, 1440)));
        assert_eq!(read("1970-01-01T00:00:10Z/.."), Some(Window::Between(10, u64::MAX)));
        assert_eq!(read("../1970-01-01T00:00:10Z"), Some(Window::Between(0, 10)));
    }

    #[test]
    fn what_is_no_window() {
        for bad in [
            "",
            "9-17",
            "09:00",
            "09:00-09:00",
            "24:00-06:00",
            "09:60-10:00",
            "25:00-26:00",
            "Mo-Fr 09:00-10:00",
            "Mon- 09:00-10:00",
            "1970-01-01T00:00:10Z/1970-01-01T00:00:10Z",
            "2026-01-01/2026-02-01",
            "+9:00-10:00",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
