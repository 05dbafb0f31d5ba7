//! Text that others wrote, as messages may repeat it: of a bounded length, and without characters
//! that steer a terminal or turn the direction of reading.

use std::fmt::Write as _;

/// Bytes of a message, a label or a help. A longer one is cut: a policy may hold values of many
/// megabytes, and a report repeats them.
pub const MAX_TEXT: usize = 2_000;

/// The text with control and direction characters as escapes, cut after [`MAX_TEXT`] bytes.
pub(super) fn shown(text: String) -> String {
    if text.len() <= MAX_TEXT && !text.chars().any(is_hidden) {
        return text;
    }
    let mut shown = String::with_capacity(text.len().min(MAX_TEXT));
    for c in text.chars() {
        let before = shown.len();
        match is_hidden(c) {
            true => write!(shown, "{}", c.escape_unicode()).expect("a string takes all"),
            false => shown.push(c),
        }
        if shown.len() > MAX_TEXT {
            shown.truncate(before);
            shown.push('…');
            break;
        }
    }
    shown
}

/// Control characters (Cc), and those of Unicode's bidirectional algorithm and of no width (UAX #9,
/// Trojan Source): what they do is not to be seen where they stand.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `did you mean …?`, and the characters of what was typed that only look like others.
pub(super) fn suggestion(typed: &str, near: &str) -> String {
    let odd = |c: &char| !c.is_ascii() && !near.contains(*c);
    let mut odd: Vec<char> = typed.chars().filter(odd).collect();
    odd.dedup();
    odd.truncate(MAX_ODD);
    let named: Vec<_> = odd.iter().map(|c| format!("`{c}` is U+{:04X}", u32::from(*c))).collect();
    match named.is_empty() {
        true => format!("did you mean `{near}`?"),
        false => format!("did you mean `{near}`? Here {}", named.join(", ")),
    }
}

/// Characters that a suggestion names.
const MAX_ODD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_its_limit() {
        let of = |length: usize| shown("x".repeat(length));
        assert_eq!(of(MAX_TEXT - 1).len(), MAX_TEXT - 1);
        assert_eq!(of(MAX_TEXT), "x".repeat(MAX_TEXT));
        assert_eq!(of(MAX_TEXT + 1), format!("{}…", "x".repeat(MAX_TEXT)));
        // A character is kept whole or not at all.
        let wide = shown(format!("x{}", "é".repeat(MAX_TEXT)));
        assert_eq!(wide, format!("x{}…", "é".repeat((MAX_TEXT - 1) / 2)));
    }

    #[test]
    fn what_steers_a_terminal_or_the_reader_is_spelt_out() {
        let spelt = |text: &str| shown(text.to_owned());
        assert_eq!(spelt("a\u{1b}[1m\n\u{202e}b\u{200b}"), "a\\u{1b}[1m\\u{a}\\u{202e}b\\u{200b}");
        assert_eq!(spelt("é 😀 ב"), "é 😀 ב");
    }

    #[test]
    fn characters_that_only_look_like_others_are_named() {
        assert_eq!(suggestion("rols", "roles"), "did you mean `roles`?");
        assert_eq!(suggestion("r\u{43e}les", "roles"), "did you mean `roles`? Here `о` is U+043E");
        assert_eq!(suggestion("büros", "büro"), "did you mean `büro`?");
        assert_eq!(suggestion("абвгд", "x").matches("U+").count(), MAX_ODD);
    }
}
