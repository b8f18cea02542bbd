//! Numbers as decimal digits. Nothing here goes through a floating-point value: what is not exact is not returned.

/// A number beyond this many digits before its point is refused: 10³⁰⁸ is the last power of ten in a double.
const MAX_DIGITS: i64 = 308;

/// No number of so many characters is beyond that, unless it has an exponent.
const LONGEST_SHORT: usize = 300;

/// A number that follows the grammar of RFC 8259 §6: ± whole . fraction × 10^exponent.
pub(super) struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    /// Far beyond any use, it stays at the end of its range.
    exponent: i32,
}

impl<'a> Decimal<'a> {
    /// Takes a checked number apart.
    pub(super) fn of(raw: &'a str) -> Self {
        let (negative, raw) = match split_at(raw, |byte| byte == b'-') {
            Some(("", rest)) => (true, rest),
            _ => (false, raw),
        };
        let (mantissa, exponent) = split_at(raw, |byte| matches!(byte, b'e' | b'E')).unwrap_or((raw, "0"));
        let (whole, fraction) = split_at(mantissa, |byte| byte == b'.').unwrap_or((mantissa, ""));
        Self { negative, whole, fraction, exponent: exponent_of(exponent) }
    }

    /// Whether a checked number is 10³⁰⁸ or more, or −10³⁰⁸ or less.
    pub(super) fn is_too_large(raw: &'a str) -> bool {
        // Without exponent it takes as many digits, and one of few characters need not be taken apart.
        if raw.len() <= LONGEST_SHORT && !raw.bytes().any(|byte| matches!(byte, b'e' | b'E')) {
            return false;
        }
        let number = Self::of(raw);
        let leading_zeros = number.digits().take_while(|&digit| digit == 0).count();
        !number.is_zero() && number.point().saturating_sub_unsigned(leading_zeros as u64) > MAX_DIGITS
    }

    /// The largest integer not above the number, if the number is not negative and that integer not above `max`.
    pub(super) fn floor(&self, max: u64) -> Option<u64> {
        if self.negative {
            return None;
        }
        if self.is_zero() {
            return Some(0);
        }
        let mut digits = self.digits();
        let mut value = 0u64;
        for _ in 0..self.point() {
            let digit = digits.next().unwrap_or(0);
            value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
            if value > max {
                return None;
            }
        }
        Some(value)
    }

    /// How many of the digits, zeros appended as needed, stand before the point once the exponent is applied.
    fn point(&self) -> i64 {
        i64::from(self.exponent).saturating_add_unsigned(self.whole.len() as u64)
    }

    fn is_zero(&self) -> bool {
        self.digits().all(|digit| digit == 0)
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.bytes().chain(self.fraction.bytes()).map(|byte| byte.saturating_sub(b'0'))
    }
}

/// What is before and after the first of such bytes, which are ASCII; `None` if there is none.
fn split_at(text: &str, is_separator: impl Fn(u8) -> bool) -> Option<(&str, &str)> {
    let place = text.bytes().position(is_separator)?;
    Some((text.get(..place)?, text.get(place.checked_add(1)?..)?))
}

fn exponent_of(text: &str) -> i32 {
    let negative = text.bytes().next() == Some(b'-');
    let digits = text.bytes().skip_while(|byte| matches!(byte, b'-' | b'+'));
    let size = digits.fold(0i32, |size, byte| {
        size.saturating_mul(10).saturating_add(i32::from(byte.saturating_sub(b'0')))
    });
    if negative { size.saturating_neg() } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_rounded_down_whatever_way_they_are_written() {
        for (raw, seconds) in [
            ("1700000000", 1_700_000_000),
            ("1700000000.0", 1_700_000_000),
            ("1700000000.999999999999999999", 1_700_000_000),
            ("1.7e9", 1_700_000_000),
            ("1.7E+9", 1_700_000_000),
            ("17000000000e-1", 1_700_000_000),
            ("0.0000000017e18", 1_700_000_000),
            ("0.9", 0),
            ("1e-999999999999", 0),
            ("0e999999999999", 0),
        ] {
            assert_eq!(Decimal::of(raw).floor(9_999_999_999), Some(seconds), "{raw}");
        }
        for bad in ["-1", "-0", "10000000000", "1e10", "1.7e300"] {
            assert_eq!(Decimal::of(bad).floor(9_999_999_999), None, "{bad}");
        }
    }

    #[test]
    fn only_numbers_beyond_every_double_are_too_large() {
        for fine in ["0", "0e400", "9.9e307", "1e-400", "-9e307", "0.00001e312"] {
            assert!(!Decimal::is_too_large(fine), "{fine}");
        }
        for bad in ["1e308", "-1e308", "10e307", "1e99999999999999999999", "0.1e309"] {
            assert!(Decimal::is_too_large(bad), "{bad}");
        }
    }
}
