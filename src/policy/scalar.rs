//! What a plain (unquoted) scalar means: the core schema of YAML 1.2.2, section 10.3.2.
//!
//! `yes`, `no`, `on`, `off`, dates and `12:30` are text there, unlike in YAML 1.1. What the core
//! schema calls a number but 64 bits cannot hold without loss is refused, not rounded: a limit in
//! a schema that is silently another number would be a hole.

use crate::policy::node::NodeKind;

/// Why a plain scalar is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScalarFault {
    /// An integer outside of 64 bits.
    #[error("the number does not fit 64 bits")]
    TooBig,
    /// A decimal number with more digits than a double keeps.
    #[error("the number has more digits than can be kept exactly")]
    TooExact,
    /// `.inf` and `.nan`.
    #[error("only finite numbers can be used")]
    NotFinite,
}

/// Gives a plain scalar its kind.
pub fn plain(text: &str) -> Result<NodeKind<'_>, ScalarFault> {
    if text.starts_with(begins_text) {
        return Ok(NodeKind::Text(text.into()));
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(NodeKind::Null),
        "true" | "True" | "TRUE" => return Ok(NodeKind::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(NodeKind::Bool(false)),
        _ => {}
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return based(text, digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return based(text, digits, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(ScalarFault::NotFinite);
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(NodeKind::Int).map_err(|_| ScalarFault::TooBig);
    }
    match is_float(unsigned) {
        true => float(text),
        false => Ok(NodeKind::Text(text.into())),
    }
}

/// Whether whatever begins so can only be text, as most of a policy is.
fn begins_text(first: char) -> bool {
    !matches!(first, '0'..='9' | '+' | '-' | '.' | '~' | 'n' | 'N' | 't' | 'T' | 'f' | 'F')
}

/// `0xFF` and `0o17`; anything else that begins so is text.
fn based<'t>(text: &'t str, digits: &str, base: u32) -> Result<NodeKind<'t>, ScalarFault> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return Ok(NodeKind::Text(text.into()));
    }
    i64::from_str_radix(digits, base).map(NodeKind::Int).map_err(|_| ScalarFault::TooBig)
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, the sign already taken off.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !unsigned.is_empty() && digits(unsigned)
    });
    digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0 && exponent_fits
}

fn float(text: &str) -> Result<NodeKind<'_>, ScalarFault> {
    let number: f64 = text.parse().map_err(|_| ScalarFault::TooExact)?;
    if !number.is_finite() {
        return Err(ScalarFault::TooBig);
    }
    match significant(text) == significant(&format!("{number:e}")) {
        true => Ok(NodeKind::Float(number)),
        false => Err(ScalarFault::TooExact),
    }
}

/// The digits that count: without sign, point, exponent, leading and trailing zeros.
fn significant(text: &str) -> String {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(text: &str, kind: NodeKind<'_>) {
        assert_eq!(plain(text), Ok(kind), "{text}");
    }

    #[test]
    fn words_of_yaml_1_1_and_dates_are_text() {
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "2026-12-31T00:00:00Z",
            "2026-12-31",
            "12:30:45",
            "1_000",
            "0b11",
            "0x",
            "0xfg",
            "0o8",
            "+",
            "-",
            ".",
            "e3",
            "1e",
            "1.2.3",
            "127.0.0.1",
            "nan",
            "inf",
            "-0x10",
            "nULL",
        ] {
            is(text, NodeKind::Text(text.into()));
        }
    }

    #[test]
    fn null_and_booleans_have_three_spellings() {
        for text in ["", "~", "null", "Null", "NULL"] {
            is(text, NodeKind::Null);
        }
        is("True", NodeKind::Bool(true));
        is("FALSE", NodeKind::Bool(false));
    }

    #[test]
    fn integers_are_exact_up_to_64_bits() {
        is("007", NodeKind::Int(7));
        is("+12", NodeKind::Int(12));
        is("0x7f", NodeKind::Int(127));
        is("0o17", NodeKind::Int(15));
        is("9223372036854775806", NodeKind::Int(i64::MAX - 1));
        is("9223372036854775807", NodeKind::Int(i64::MAX));
        is("-9223372036854775808", NodeKind::Int(i64::MIN));
        assert_eq!(plain("9223372036854775808"), Err(ScalarFault::TooBig));
        assert_eq!(plain("-9223372036854775809"), Err(ScalarFault::TooBig));
        assert_eq!(plain("0xffffffffffffffff"), Err(ScalarFault::TooBig));
    }

    #[test]
    fn decimal_numbers_are_kept_or_refused() {
        is("0.1", NodeKind::Float(0.1));
        is("-.5", NodeKind::Float(-0.5));
        is("1.", NodeKind::Float(1.0));
        is("1e3", NodeKind::Float(1000.0));
        is("100.50", NodeKind::Float(100.5));
        is("0.0", NodeKind::Float(0.0));
        is("3.141592653589793", NodeKind::Float(std::f64::consts::PI));
        assert_eq!(plain("3.14159265358979323846"), Err(ScalarFault::TooExact));
        assert_eq!(plain("9007199254740993.0"), Err(ScalarFault::TooExact));
        assert_eq!(plain("1e-400"), Err(ScalarFault::TooExact));
        assert_eq!(plain("1e400"), Err(ScalarFault::TooBig));
        assert_eq!(plain("-.inf"), Err(ScalarFault::NotFinite));
        assert_eq!(plain(".nan"), Err(ScalarFault::NotFinite));
    }
}
