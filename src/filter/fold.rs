//! Unicode simple case folding, as far as telling keys apart needs it.

/// Folds a name so that two names are equal under simple case folding (`CaseFolding.txt`, status C
/// and S) exactly if the results are equal.
///
/// The standard library has no folding table, but upper-casing and then lower-casing a character
/// joins the same characters, where each step gives one character. [`fold_one`] lists what differs.
pub fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.chars().map(fold_one).collect()
}

fn fold_one(character: char) -> char {
    match character {
        // The dotless i has `I` as its capital, but folds to itself.
        'ı' => 'ı',
        // These differ from their partners in history only; both are lower-case.
        '\u{1fd3}' => '\u{390}',
        '\u{1fe3}' => '\u{3b0}',
        '\u{fb05}' => '\u{fb06}',
        _ => single(single(character, char::to_uppercase), char::to_lowercase),
    }
}

/// The mapped character where the mapping is one character, else the character itself.
fn single<I: Iterator<Item = char>>(character: char, map: impl Fn(char) -> I) -> char {
    let mut mapped = map(character);
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fold_alike_are_alike() {
        for (a, b) in [
            ("SSN", "ssn"),
            ("ſſn", "ssn"),
            ("\u{212a}ey", "key"),
            ("ΣΑΣ", "σας"),
            ("µ", "μ"),
            ("ẞ", "ß"),
            ("ǅ", "ǆ"),
            ("ÅNG", "ång"),
            ("\u{345}", "ι"),
            ("ᾼ", "ᾳ"),
            ("Ꭰ", "ꭰ"),
            ("\u{1fd3}", "\u{390}"),
            ("\u{1fe3}", "\u{3b0}"),
            ("\u{fb05}", "\u{fb06}"),
        ] {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
    }

    #[test]
    fn names_that_do_not_are_not() {
        for (a, b) in [("ssn", "sn"), ("ß", "ss"), ("ı", "i"), ("İ", "i"), ("é", "e"), ("ﬃ", "ffi")]
        {
            assert_ne!(fold(a), fold(b), "{a} {b}");
        }
    }
}
