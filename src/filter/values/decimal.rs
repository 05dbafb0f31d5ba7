//! The value of a number's text, exactly: `1`, `1.0` and `10e-1` are one number, and
//! `10000000000000000000001` is not `1e22`.

use std::cmp::Ordering;

/// A decimal number: its digits, without zeros at either end, and the power of ten that the last of
/// them counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// Empty for zero.
    digits: Vec<u8>,
    /// Saturates: such a number is beyond every limit that a schema can write.
    power: i64,
}

impl Decimal {
    /// The value of a number as RFC 8259 writes it.
    pub fn of(text: &str) -> Decimal {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, ""));
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i64);
        let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
        digits.truncate(digits.len() - zeros);
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..leading);
        if digits.is_empty() {
            return Decimal { negative: false, digits, power: 0 };
        }
        let power = self::exponent(exponent).saturating_sub(fraction);
        let power = power.saturating_add(zeros as i64);
        Decimal { negative: text.starts_with('-'), digits, power }
    }

    /// Whether this is a whole number of times another one (JSON Schema, `multipleOf`).
    pub fn is_multiple_of(&self, other: &Decimal) -> bool {
        if self.digits.is_empty() {
            return true;
        }
        // Neither has a factor of ten left in its digits, so powers of ten cannot be made up for.
        let Ok(tens) = u64::try_from(self.power.saturating_sub(other.power)) else { return false };
        let Some(divisor) = other.small() else { return false };
        let rest = remainder(&self.digits, divisor);
        (rest * power_of_ten(tens, divisor)).is_multiple_of(divisor)
    }

    /// The digits as a number, where they are as few as those of a policy's numbers. Zero has none.
    fn small(&self) -> Option<u128> {
        // Products of two remainders must fit.
        let text = std::str::from_utf8(&self.digits).ok()?;
        text.parse::<u64>().ok().map(u128::from)
    }

    /// The power of ten that the first digit counts.
    fn magnitude(&self) -> i64 {
        self.power.saturating_add(self.digits.len() as i64)
    }

    fn compare_size(&self, other: &Decimal) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Without zeros at the end, more digits of the same beginning are more.
            (false, false) => self
                .magnitude()
                .cmp(&other.magnitude())
                .then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.compare_size(other),
            (true, true) => other.compare_size(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// As [`Decimal`]s are written in the canonical text of a value.
impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let digits = String::from_utf8_lossy(&self.digits);
        write!(f, "{sign}{digits}e{}", self.power)
    }
}

fn exponent(text: &str) -> i64 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let size = digits.bytes().fold(0i64, |sum, digit| {
        sum.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0')))
    });
    if negative { -size } else { size }
}

fn remainder(digits: &[u8], divisor: u128) -> u128 {
    digits.iter().fold(0, |rest, digit| (rest * 10 + u128::from(digit - b'0')) % divisor)
}

/// `10^power mod divisor`, by squaring.
fn power_of_ten(mut power: u64, divisor: u128) -> u128 {
    let (mut result, mut base) = (1 % divisor, 10 % divisor);
    while power > 0 {
        if power & 1 == 1 {
            result = result * base % divisor;
        }
        base = base * base % divisor;
        power >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Decimal {
        Decimal::of(text)
    }

    #[test]
    fn a_number_is_what_it_says_however_it_is_spelled() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "10e-1"),
            ("-0", "0"),
            ("0e99", "0.00"),
            ("120", "1.2E+2"),
            ("0.001", "1e-3"),
            ("-5.50", "-55e-1"),
        ] {
            assert_eq!(of(a), of(b), "{a} {b}");
        }
        assert_ne!(of("10000000000000000000001"), of("1e22"));
        assert_ne!(of("0.1"), of("0.10000000000000001"));
    }

    #[test]
    fn order_is_exact_at_any_size() {
        let ascending = [
            "-1e400",
            "-12345678901234567891",
            "-12345678901234567890",
            "-1.5",
            "-1",
            "-1e-400",
            "0",
            "1e-400",
            "0.1",
            "0.10000000000000001",
            "9.99",
            "10",
            "10.000000000000000000001",
            "11",
            "9007199254740993",
            "18446744073709551616",
            "18446744073709551617",
            "1e22",
            "1e400",
        ];
        for (at, text) in ascending.iter().enumerate() {
            for (other_at, other) in ascending.iter().enumerate() {
                assert_eq!(of(text).cmp(&of(other)), at.cmp(&other_at), "{text} {other}");
            }
        }
    }

    #[test]
    fn multiples_are_exact() {
        for (number, divisor) in [
            ("0.3", "0.1"),
            ("1e400", "10"),
            ("0", "3"),
            ("9007199254740994", "2"),
            ("-4.5", "1.5"),
            ("1070468.14", "0.01"),
            ("99999999999999999999999999", "9"),
        ] {
            assert!(of(number).is_multiple_of(&of(divisor)), "{number} {divisor}");
        }
        for (number, divisor) in [
            ("0.35", "0.1"),
            ("9007199254740993", "2"),
            ("1e-400", "1"),
            ("1e400", "7e-2"),
            ("7", "10"),
            ("5", "4e1"),
        ] {
            assert!(!of(number).is_multiple_of(&of(divisor)), "{number} {divisor}");
        }
    }

    #[test]
    fn powers_of_ten_leave_what_division_says() {
        for divisor in [1u128, 2, 3, 7, 9, 10, 11, 37, 997, u64::MAX.into()] {
            let mut power = 1 % divisor;
            for exponent in 0..70 {
                assert_eq!(power_of_ten(exponent, divisor), power, "10^{exponent} mod {divisor}");
                power = power * 10 % divisor;
            }
        }
        for number in [0u64, 9, 10, 12_345, u64::MAX] {
            let digits = number.to_string();
            assert_eq!(remainder(digits.as_bytes(), 997), u128::from(number % 997), "{number}");
        }
        assert!(!of("5").is_multiple_of(&of("0")) && of("0").is_multiple_of(&of("0")));
    }

    #[test]
    fn a_huge_exponent_costs_nothing() {
        let huge = format!("1e{}", "9".repeat(40));
        assert!(of(&huge) > of("1e400") && of(&format!("-{huge}")) < of("0"));
        assert!(of(&huge).is_multiple_of(&of("4")) && !of(&huge).is_multiple_of(&of("3")));
        assert!(of(&format!("1e-{}", "9".repeat(40))) < of("1e-400"));
    }
}
