//! Phone numbers, as ITU-T E.164 writes them.

use super::parsed_text;
use alloc::string::String;
use core::fmt;

/// A phone number: `+`, then 7 to 15 digits of which the first is not 0.
///
/// Spaces, hyphens, dots and parentheses between them are what people write to read a number, and are removed. There
/// is no table of countries: whether somebody can be reached at a number, only a code that is sent to it can tell. A
/// number without `+` and country code is refused, because it names another telephone in every country.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

/// Why a text is not a phone number. Checked in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneNumberError {
    /// Nothing is left after trimming.
    Empty,
    /// No `+` in front, so the country is not known.
    MustBeE164,
    /// Other than a digit or one of `space - . ( )` after the `+`.
    InvalidCharacter,
    /// `(0)`: the digit that is dialled within a country only, and is not part of the number.
    NationalPrefix,
    /// The first digit is 0, as it is of no country code.
    LeadingZero,
    /// Fewer than 7 digits.
    TooShort,
    /// More than 15 digits, or more than 64 bytes as typed.
    TooLong,
}

impl PhoneNumberError {
    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "phone_number_empty",
            Self::MustBeE164 => "phone_number_must_be_e164",
            Self::InvalidCharacter => "phone_number_invalid_character",
            Self::NationalPrefix => "phone_number_national_prefix",
            Self::LeadingZero => "phone_number_leading_zero",
            Self::TooShort => "phone_number_too_short",
            Self::TooLong => "phone_number_too_long",
        }
    }
}

impl fmt::Display for PhoneNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "must not be empty",
            Self::MustBeE164 => "must begin with + and the country code",
            Self::InvalidCharacter => {
                "has a character other than digits, spaces, hyphens, dots and parentheses"
            }
            Self::NationalPrefix => "must not have the (0) that is dialled within a country only",
            Self::LeadingZero => "must not have a country code that begins with 0",
            Self::TooShort => "must have at least 7 digits",
            Self::TooLong => "must have at most 15 digits",
        })
    }
}

impl core::error::Error for PhoneNumberError {}

impl PhoneNumber {
    /// The fewest digits a number may have.
    pub const MIN_DIGITS: usize = 7;
    /// The most digits a number may have (E.164 §6.2.1).
    pub const MAX_DIGITS: usize = 15;
    /// The most bytes a number may have as typed.
    const MAX_TYPED_BYTES: usize = 64;

    /// Normalises and checks a number as somebody typed it.
    ///
    /// Trims Unicode white space at both ends, then checks the rules of [`PhoneNumber`]. The result, parsed again, is
    /// itself.
    ///
    /// # Errors
    ///
    /// The first rule of [`PhoneNumberError`] that is broken.
    pub fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        let typed = text.trim();
        if typed.is_empty() {
            return Err(PhoneNumberError::Empty);
        }
        let rest = typed.strip_prefix('+').ok_or(PhoneNumberError::MustBeE164)?;
        if !rest.bytes().all(is_written_in_numbers) {
            return Err(PhoneNumberError::InvalidCharacter);
        }
        if rest.contains("(0)") {
            return Err(PhoneNumberError::NationalPrefix);
        }
        let mut number = String::from("+");
        number.extend(rest.chars().filter(char::is_ascii_digit));
        let digits = number.len().saturating_sub(1);
        if number.starts_with("+0") {
            Err(PhoneNumberError::LeadingZero)
        } else if digits < Self::MIN_DIGITS {
            Err(PhoneNumberError::TooShort)
        } else if digits > Self::MAX_DIGITS || typed.len() > Self::MAX_TYPED_BYTES {
            Err(PhoneNumberError::TooLong)
        } else {
            Ok(Self(number))
        }
    }

    /// The normal form: `+` and digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last two digits, by which its owner recognises a number and nobody else can find it.
    #[must_use]
    pub fn last_digits(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(2)..).unwrap_or_default()
    }
}

const fn is_written_in_numbers(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b' ' | b'-' | b'.' | b'(' | b')')
}

parsed_text!(PhoneNumber, PhoneNumberError);

/// Shows the last two digits only: logs are no place for personal data.
impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber([redacted]{})", self.last_digits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_shows_its_end_and_no_more() {
        let number = PhoneNumber::parse("+49 170 1234567").unwrap();
        assert_eq!(alloc::format!("{number:?}"), "PhoneNumber([redacted]67)");
        assert_eq!(number.last_digits(), "67");
    }

    proptest! {
        #[test]
        fn however_it_is_written_it_is_one_number(
            digits in "[1-9][0-9]{6,14}",
            marks in proptest::collection::vec("[ .-]?", 15)
        ) {
            let mut typed = String::from("+");
            for (digit, mark) in digits.chars().zip(&marks) {
                typed.push(digit);
                typed.push_str(mark);
            }
            let number = PhoneNumber::parse(&typed).unwrap();
            prop_assert_eq!(number.as_str().strip_prefix('+'), Some(digits.as_str()));
            prop_assert_eq!(PhoneNumber::parse(number.as_str()), Ok(number));
        }

        #[test]
        fn what_is_accepted_is_a_plus_and_digits(text in "\\+?[0-9 ().+x٣-]{0,20}") {
            if let Ok(number) = PhoneNumber::parse(&text) {
                let digits = number.as_str().strip_prefix('+').unwrap();
                prop_assert!(digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0'));
                prop_assert!((PhoneNumber::MIN_DIGITS..=PhoneNumber::MAX_DIGITS).contains(&digits.len()));
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in any::<String>()) {
            let _ = PhoneNumber::parse(&text);
        }
    }
}
